/* test_http.c - tests http.c with tables of requests, each with the rule that makes it valid or
 * invalid, and with properties that hold for all of them.
 *
 * "9110 5.5" is section 5.5 of RFC 9110. Only the byte for the sentinel lies between a request and
 * memory that must not be touched, so one byte too many ends the program. Between two calls the
 * bytes move and the whole request is overwritten, because the parser remembers nothing. Limits are
 * computed from HTTP_BUFFER_SIZE, so a build with a smaller one is tested too.
 */
#define _POSIX_C_SOURCE 200809L
#include "http.h"
#include "tests/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

#define LINE    "GET / HTTP/1.1\r\n"
#define GET     LINE "Host: a\r\n"
#define POST    "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define END     "\r\n"

/* ---- Accepted requests, and their description by describe(): method, target, host, version, keep
 * or close, [other fields], {body} ---- */

static const struct accepted {
    struct str bytes;
    const char *description, *why;
} accepted[] = {
    {STR_INIT(GET END), "GET / a 1.1 keep", "9112 3"},
    {STR_INIT("get / HTTP/1.1\r\nHost: a\r\n\r\n"), "get / a 1.1 keep", "9110 9.1: case-sensitive"},
    {STR_INIT("GET / HTTP/1.9\r\nHost: a\r\n\r\n"), "GET / a 1.1 keep",
     "9110 2.5: 1.9 is read as 1.1"},
    {STR_INIT("GET / HTTP/1.0\r\n\r\n"), "GET /  1.0 close", "9112 3.2: HTTP/1.0 needs no Host"},
    {STR_INIT("GET / HTTP/1.0\r\nHost: a\r\n\r\n"), "GET / a 1.0 close", "9112 9.3"},

    {STR_INIT("GET /home?a=b?c/d HTTP/1.1\r\nHost: a\r\n\r\n"), "GET /home?a=b?c/d a 1.1 keep",
     "3986 3.4: the first mark begins the query"},
    {STR_INIT("GET /home? HTTP/1.1\r\nHost: a\r\n\r\n"), "GET /home a 1.1 keep", "an empty query"},
    {STR_INIT("GET //a/../%2f%41 HTTP/1.1\r\nHost: a\r\n\r\n"), "GET //a/../%2f%41 a 1.1 keep",
     "a path is not normalised"},
    {STR_INIT("GET http://b/home?q HTTP/1.1\r\nHost: a\r\n\r\n"), "GET /home?q b 1.1 keep",
     "9112 3.2.2: the host of the target replaces Host"},
    {STR_INIT("GET HTTP://b:80 HTTP/1.1\r\nHost: a\r\n\r\n"), "GET / b:80 1.1 keep",
     "9110 4.2.3: a missing path is /; the scheme is in any case"},
    {STR_INIT("GET http://b?q HTTP/1.1\r\nHost: a\r\n\r\n"), "GET /?q b 1.1 keep", "9110 4.2.3"},
    {STR_INIT("GET http://[::1]:8080/ HTTP/1.1\r\nHost: a\r\n\r\n"), "GET / [::1]:8080 1.1 keep",
     "3986 3.2.2: an IPv6 address"},
    {STR_INIT("GET HTTPS://b/home HTTP/1.1\r\nHost: a\r\n\r\n"), "GET /home b 1.1 keep",
     "9112 3.2.2: an https URI"},
    {STR_INIT("GET /a|b?{x}=\xc3\xbc\"%,[<^`>] HTTP/1.1\r\nHost: a\r\n\r\n"),
     "GET /a|b?{x}=\xc3\xbc\"%,[<^`>] a 1.1 keep", "browsers and curl send such"},
    {STR_INIT("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), "OPTIONS * a 1.1 keep", "9112 3.2.4"},

    {STR_INIT(LINE "hOsT:\ta \t\r\n\r\n"), "GET / a 1.1 keep", "9110 5.1: any case; 5.5: blanks"},
    {STR_INIT(LINE "Host:\r\n\r\n"), "GET /  1.1 keep", "9112 3.2: Host may be empty"},
    {STR_INIT(LINE "Host: a:\r\n\r\n"), "GET / a: 1.1 keep", "3986 3.2.3: a port may be empty"},
    {STR_INIT(LINE "Host: [::ffff:127.0.0.1]\r\n\r\n"), "GET / [::ffff:127.0.0.1] 1.1 keep",
     "3986 3.2.2: an IPv6 address"},
    {STR_INIT(LINE "Host: [fe80::1%eth0]:80\r\n\r\n"), "GET / [fe80::1%eth0]:80 1.1 keep",
     "Python and Node send the zone, although 3986 has none"},
    {STR_INIT(LINE "Host: [::1%1]\r\n\r\n"), "GET / [::1%1] 1.1 keep", "a zone of one digit"},
    {STR_INIT(LINE "Host: [v1.x]\r\n\r\n"), "GET / [v1.x] 1.1 keep", "3986 3.2.2"},
    {STR_INIT(LINE "Host: [V1f.x:$]\r\n\r\n"), "GET / [V1f.x:$] 1.1 keep",
     "3986 3.2.2: an address of a later version"},

    {STR_INIT(GET "X-A:b\r\nX-B: \t c\td \t\r\n\r\n"), "GET / a 1.1 keep [X-A=b][X-B=c\td]",
     "9110 5.5: blanks around a value are not part of it"},
    {STR_INIT(GET "X-A:\r\nX-B: \t\r\n\r\n"), "GET / a 1.1 keep [X-A=][X-B=]", "an empty value"},
    {STR_INIT(GET "X: 1\r\nx: 2\r\n\r\n"), "GET / a 1.1 keep [X=1][x=2]", "9110 5.3: a name twice"},

    {STR_INIT(POST "Content-Length: 5\r\n\r\nhello"), "POST / a 1.1 keep {hello}", "9112 6.2"},
    {STR_INIT(POST "content-length:\t0005 \r\n\r\nhello"), "POST / a 1.1 keep {hello}",
     "9110 8.6: digits, zeros too"},
    {STR_INIT(POST "Content-Length: 0\r\n\r\n"), "POST / a 1.1 keep", "9112 6.2: no body"},
    {STR_INIT(POST END), "POST / a 1.1 keep", "9112 6.3: neither field, no body"},
    {STR_INIT(GET "Content-Length: 4\r\n\r\n\n\r\n\r"), "GET / a 1.1 keep {\n\r\n\r}",
     "9110 9.3.1: any method may have a body, of any bytes"},

    {STR_INIT(CHUNKED "5\r\nhello\r\n0\r\n\r\n"), "POST / a 1.1 keep {hello}", "9112 7.1"},
    {STR_INIT(CHUNKED "0\r\n\r\n"), "POST / a 1.1 keep", "9112 7.1: only the last chunk"},
    {STR_INIT(CHUNKED "1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n"), "POST / a 1.1 keep {hello}",
     "9112 7.1: several chunks"},
    {STR_INIT(CHUNKED "00a\r\n0123456789\r\n0B\r\nhello world\r\n000\r\n\r\n"),
     "POST / a 1.1 keep {0123456789hello world}", "9112 7.1: digits in any case, zeros"},
    {STR_INIT(CHUNKED "7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n"), "POST / a 1.1 keep {0\r\n\r\n\r\n}",
     "9112 7.1: data that looks like the end"},
    {STR_INIT(CHUNKED "5;a;b=c ; d=\"x;\\\"y\"\r\nhello\r\n0;e\r\n\r\n"),
     "POST / a 1.1 keep {hello}", "9112 7.1.1: extensions are ignored"},
    {STR_INIT(CHUNKED "5\r\nhello\r\n0\r\nX-T: 1\r\nHost: b\r\nContent-Length: 9\r\n\r\n"),
     "POST / a 1.1 keep {hello}", "9110 6.5.1: trailers are dropped, whatever they say"},
    {STR_INIT(POST "tRANSFER-eNCODING: ChUnKeD\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
     "POST / a 1.1 keep {hello}", "9112 7: names of codings, in any case"},
    {STR_INIT(POST "Transfer-Encoding:, chunked ,,\r\n\r\n0\r\n\r\n"), "POST / a 1.1 keep",
     "9110 5.6.1: empty elements"},

    {STR_INIT(GET "Connection: close\r\n\r\n"), "GET / a 1.1 close [Connection=close]", "9112 9.6"},
    {STR_INIT(GET "Connection: x,, CLOSE ,\r\n\r\n"), "GET / a 1.1 close [Connection=x,, CLOSE ,]",
     "9110 7.6.1: a list, its options in any case; 5.6.1: empty elements"},
    {STR_INIT(GET "Connection: x\r\nConnection: close\r\n\r\n"),
     "GET / a 1.1 close [Connection=x][Connection=close]", "9110 5.3: two lines are one list"},
    {STR_INIT(GET "Connection: closed\r\nX-Connection: close\r\n\r\n"),
     "GET / a 1.1 keep [Connection=closed][X-Connection=close]", "only whole names count"},
    {STR_INIT(GET "Connection: keep-alive, close\r\n\r\n"),
     "GET / a 1.1 close [Connection=keep-alive, close]", "9112 9.3: close wins"},
    {STR_INIT("GET / HTTP/1.0\r\nConnection: TE,,Keep-Alive,x\r\n\r\n"),
     "GET /  1.0 keep [Connection=TE,,Keep-Alive,x]", "9112 9.3: HTTP/1.0 may ask for it"},
    {STR_INIT("GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n"),
     "GET /  1.0 close [Connection=close, keep-alive]", "9112 9.3: close wins"},

    {STR_INIT(POST "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\nhello"),
     "POST / a 1.1 keep [Expect=100-Continue] {hello}", "9110 10.1.1: in any case"},
    {STR_INIT("POST / HTTP/1.0\r\nExpect: x\r\n\r\n"), "POST /  1.0 close [Expect=x]",
     "9110 10.1.1: HTTP/1.0 has no expectations"},
};

/* ---- Refused requests. Each one ends with the byte at which it must be refused: the first byte
 * that the grammar does not allow there; the end of a line whose meaning is wrong; or the end of a
 * head whose fields contradict each other ---- */

static const struct refused {
    struct str bytes;
    int status;
    const char *why;
} refused[] = {
    {STR_INIT("GET  "), 400, "9112 3: two blanks"},
    {STR_INIT("GET /  "), 400, "9112 3: two blanks"},
    {STR_INIT("GET\t"), 400, "9112 3: a tab instead of a blank"},
    {STR_INIT(" "), 400, "9112 3: a blank in front, no method"},
    {STR_INIT("GET / HTTP/1.1 "), 400, "9112 3: a blank behind"},
    {STR_INIT("GET / \r"), 400, "9112 3: no version"},
    {STR_INIT("\n"), 400, "9112 2.2: a bare LF"},
    {STR_INIT("GET / HTTP/1.1\n"), 400, "9112 2.2: a bare LF"},
    {STR_INIT("GET / HTTP/1.1\rH"), 400, "9112 2.2: a bare CR"},
    {STR_INIT("GET\r"), 400, "9112 3: no target"},
    {STR_INIT("GET /\r"), 400, "9112 3: no version, as in HTTP/0.9"},
    {STR_INIT("GET / h"), 400, "9112 2.3: case-sensitive"},
    {STR_INIT("GET / HTTP/1\r"), 400, "9112 2.3: no minor version"},
    {STR_INIT("GET / HTTP/1.\r"), 400, "9112 2.3: no minor version"},
    {STR_INIT("GET / HTTP/1,"), 400, "9112 2.3: no point"},
    {STR_INIT("GET / HTTP/1.32"), 400, "9112 2.3: one digit"},
    {STR_INIT("GET / HTTP/01"), 400, "9112 2.3: one digit"},
    {STR_INIT("GET / HTTP/x"), 400, "9112 2.3: a digit"},
    {STR_INIT("GET / HTTP/2.0\rX"), 400, "9112 2.2: a bare CR"},
    {STR_INIT("GET / HTTP/1.x"), 400, "9112 2.3: a digit"},
    {STR_INIT("GET / HTTPS"), 400, "9112 2.3: another protocol"},
    {STR_INIT("GET / HTTP/0.9\r\n"), 505, "9110 15.6.6"},
    {STR_INIT("GET / HTTP/2.0\r\n"), 505, "9110 15.6.6"},

    {STR_INIT("GET /a b"), 400, "9112 3.2: a blank in the target"},
    {STR_INIT("GET home HTTP/1.1\r\n"), 400, "9112 3.2.1: a path begins with /"},
    {STR_INIT("GET * HTTP/1.1\r\n"), 400, "9112 3.2.4: only for OPTIONS"},
    {STR_INIT("OPTIONS *a HTTP/1.1\r\n"), 400, "9112 3.2.4: nothing may follow"},
    {STR_INIT("CONNECT a:80 HTTP/1.1\r\n"), 400, "9112 3.2.3: only for proxies"},
    {STR_INIT("GET ftp://a/ HTTP/1.1\r\n"), 400, "9110 7.4: another scheme"},
    {STR_INIT("GET /a#"), 400, "3986 3.5: a fragment is not sent"},
    {STR_INIT("GET http://\x80/ HTTP/1.1\r\n"), 400, "3986 3.2.2: only ASCII in a host"},
    {STR_INIT("GET http:// HTTP/1.1\r\n"), 400, "9110 4.2.1: no host"},
    {STR_INIT("GET http:///a HTTP/1.1\r\n"), 400, "9110 4.2.1: no host"},
    {STR_INIT("GET http://:80/ HTTP/1.1\r\n"), 400, "9110 4.2.1: no host"},
    {STR_INIT("GET http://u:p@b/ HTTP/1.1\r\n"), 400, "9110 4.2.4: user information"},
    {STR_INIT("GET http://b:8o/ HTTP/1.1\r\n"), 400, "3986 3.2.3: digits"},
    {STR_INIT("GET http://b/ HTTP/1.1\r\n\r\n"), 400, "9112 3.2: Host is needed too"},
    {STR_INIT("GET /% HTTP/1.1\r\n"), 400, "3986 2.1: two digits"},
    {STR_INIT("GET /%4 HTTP/1.1\r\n"), 400, "3986 2.1: two digits"},
    {STR_INIT("GET /%4g HTTP/1.1\r\n"), 400, "3986 2.1: hexadecimal digits"},
    {STR_INIT("GET /%g4 HTTP/1.1\r\n"), 400, "3986 2.1: hexadecimal digits"},
    {STR_INIT("GET /a%00b HTTP/1.1\r\n"), 400, "3986 7.3: NUL"},

    {STR_INIT(GET "X: b\n"), 400, "9112 2.2: a bare LF"},
    {STR_INIT(GET "X: b\rc"), 400, "9112 2.2: a bare CR"},
    {STR_INIT(GET "X: b\r\r"), 400, "9112 2.2: a bare CR"},
    {STR_INIT(GET "X: b\0"), 400, "9110 5.5: NUL"},
    {STR_INIT(GET "\rX"), 400, "9112 2.2: a bare CR in front of a field"},
    {STR_INIT(GET "X "), 400, "9112 5.1: a blank before the colon"},
    {STR_INIT(GET "X\t"), 400, "9112 5.1: a tab before the colon"},
    {STR_INIT(GET "X: b\r\n "), 400, "9112 5.2: a folded line"},
    {STR_INIT(GET "X: b\r\n\t"), 400, "9112 5.2: a folded line"},
    {STR_INIT(LINE " "), 400, "9112 2.2: a blank before the first field"},
    {STR_INIT(GET ":"), 400, "9110 5.1: no name"},
    {STR_INIT(GET "X\r"), 400, "9112 5: no colon"},

    {STR_INIT(LINE END), 400, "9112 3.2: no Host"},
    {STR_INIT(GET "Host: a\r\n"), 400, "9112 3.2: two"},
    {STR_INIT(GET "Host: b\r\n"), 400, "9112 3.2: two"},
    {STR_INIT("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n"), 400, "9112 3.2: two"},
    {STR_INIT(LINE "Host: a b\r\n"), 400, "3986 3.2.2: a blank"},
    {STR_INIT(LINE "Host: a%zz\r\n"), 400, "3986 2.1: hexadecimal digits"},
    {STR_INIT(LINE "Host: a%2\r\n"), 400, "3986 2.1: two digits"},
    {STR_INIT(LINE "Host: a%00\r\n"), 400, "3986 7.3: NUL"},
    {STR_INIT(LINE "Host: a:8o\r\n"), 400, "3986 3.2.3: digits"},
    {STR_INIT(LINE "Host: a:80:80\r\n"), 400, "3986 3.2.3: one port"},
    {STR_INIT(LINE "Host: [::1\r\n"), 400, "3986 3.2.2: no end"},
    {STR_INIT(LINE "Host: []\r\n"), 400, "3986 3.2.2: nothing inside"},
    {STR_INIT(LINE "Host: [::g]\r\n"), 400, "3986 3.2.2: not a hexadecimal digit"},
    {STR_INIT(LINE "Host: [0::0::0::1]\r\n"), 400, "3986 3.2.2: one gap"},
    {STR_INIT(LINE "Host: [1:2:3:4:5:6:7]\r\n"), 400, "3986 3.2.2: eight groups"},
    {STR_INIT(LINE "Host: [::12345]\r\n"), 400, "3986 3.2.2: four digits"},
    {STR_INIT(LINE "Host: [127.0.0.1]\r\n"), 400, "3986 3.2.2: not IPv6"},
    {STR_INIT(LINE "Host: [1111:2222:3333:4444:5555:6666:7777:255.255.255.255]\r\n"), 400,
     "3986 3.2.2: longer than any address"},
    {STR_INIT(LINE "Host: [::1%]\r\n"), 400, "an empty zone"},
    {STR_INIT(LINE "Host: [::1%e/]\r\n"), 400, "a zone is unreserved characters"},
    {STR_INIT(LINE "Host: [::1%e!]\r\n"), 400, "a zone is unreserved characters"},
    {STR_INIT(LINE "Host: [%eth0]\r\n"), 400, "a zone without an address"},
    {STR_INIT(LINE "Host: [v.x]\r\n"), 400, "3986 3.2.2: a version"},
    {STR_INIT(LINE "Host: [vg.x]\r\n"), 400, "3986 3.2.2: not a hexadecimal digit"},
    {STR_INIT(LINE "Host: [v1.]\r\n"), 400, "3986 3.2.2: an address"},
    {STR_INIT(LINE "Host: [v1]\r\n"), 400, "3986 3.2.2: an address"},
    {STR_INIT(LINE "Host: [v1.%41]\r\n"), 400, "3986 3.2.2: no escapes"},
    {STR_INIT(LINE "Host: [v1.x/]\r\n"), 400, "3986 3.2.2: no slash"},
    {STR_INIT(LINE "Host: [::1]a\r\n"), 400, "3986 3.2.2: something follows"},
    {STR_INIT("GET http://b/ HTTP/1.1\r\nHost: a b\r\n"), 400, "9112 3.2: Host is wrong"},

    {STR_INIT(POST "Content-Length: -1\r\n"), 400, "9110 8.6: a sign"},
    {STR_INIT(POST "Content-Length: +5\r\n"), 400, "9110 8.6: a sign"},
    {STR_INIT(POST "Content-Length: 0x10\r\n"), 400, "9110 8.6: decimal digits"},
    {STR_INIT(POST "Content-Length: 1_0\r\n"), 400, "9110 8.6: digits"},
    {STR_INIT(POST "Content-Length: 5.0\r\n"), 400, "9110 8.6: digits"},
    {STR_INIT(POST "Content-Length: 5 5\r\n"), 400, "9110 8.6: a blank inside"},
    {STR_INIT(POST "Content-Length: 5\t5\r\n"), 400, "9110 8.6: a tab inside"},
    {STR_INIT(POST "Content-Length: 5,5\r\n"), 400, "9110 8.6: a list"},
    {STR_INIT(POST "Content-Length: 5;\r\n"), 400, "9110 8.6: digits"},
    {STR_INIT(POST "Content-Length:\r\n"), 400, "9110 8.6: empty"},
    {STR_INIT(POST "Content-Length "), 400, "9112 5.1: a blank before the colon"},
    {STR_INIT(POST "Content-Length: 5\r\nContent-Length: 5\r\n"), 400, "9110 8.6: two"},
    {STR_INIT(POST "Content-Length: 0\r\ncontent-length: 5\r\n"), 400, "9112 6.3: two"},
    {STR_INIT(POST "Content-Length: 2147483648\r\n\r\n"), 413, "9110 8.6: 2^31"},
    {STR_INIT(POST "Content-Length: 4294967301\r\n\r\n"), 413, "9110 8.6: 2^32 + 5"},
    {STR_INIT(POST "Content-Length: 9223372036854775808\r\n\r\n"), 413, "9110 8.6: 2^63"},
    {STR_INIT(POST "Content-Length: 18446744073709551616\r\n\r\n"), 413, "9110 8.6: 2^64"},
    {STR_INIT(POST "Content-Length: 18446744073709551621\r\n\r\n"), 413, "9110 8.6: 2^64 + 5"},
    {STR_INIT(POST "Content-Length: 100000000000000000000000000005\r\n\r\n"), 413,
     "9110 8.6: 30 digits"},

    {STR_INIT(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), 400,
     "9112 6.1: both, as in request smuggling"},
    {STR_INIT(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"), 400, "9112 6.1"},
    {STR_INIT(POST "Transfer-Encoding: x\r\nContent-Length: 5\r\n\r\n"), 400, "9112 6.1"},
    {STR_INIT("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400,
     "9112 6.1: HTTP/1.0 has no codings"},
    {STR_INIT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400,
     "9112 6.1: chunked once"},
    {STR_INIT(POST "Transfer-Encoding "), 400, "9112 5.1: a blank before the colon"},
    {STR_INIT(POST "Transfer-Encoding: \v"), 400, "9110 5.5: a control character"},
    {STR_INIT(POST "Transfer-Encoding: chunked, chunked\r\n"), 400, "9112 6.1: chunked once"},
    {STR_INIT(POST "Transfer-Encoding: chunked, gzip\r\n"), 400, "9112 6.3: chunked is not last"},
    {STR_INIT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"), 400,
     "9112 6.3: chunked is not last"},
    {STR_INIT(POST "Transfer-Encoding: chunked;q=1\r\n\r\n"), 400, "9112 6.3: not chunked"},
    {STR_INIT(POST "Transfer-Encoding: \"chunked\"\r\n\r\n"), 400, "9112 6.3: not chunked"},
    {STR_INIT(POST "Transfer-Encoding: xchunked\r\n\r\n"), 400, "9112 6.3: not chunked"},
    {STR_INIT(POST "Transfer-Encoding: identity\r\n\r\n"), 400, "9112 6.3: not chunked"},
    {STR_INIT(POST "Transfer-Encoding:\r\n\r\n"), 400, "9112 6.3: no coding"},
    {STR_INIT(POST "Transfer-Encoding: , ,\r\n\r\n"), 400, "9112 6.3: no coding"},
    {STR_INIT(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), 501, "9112 6.1: an unknown coding"},
    {STR_INIT(POST "Transfer-Encoding: gzip\r\nTransfer-Encoding: ,chunked\r\n\r\n"), 501,
     "9112 6.1: an unknown coding; 9110 5.3: two lines are one list"},

    {STR_INIT(CHUNKED "\r"), 400, "9112 7.1: no size"},
    {STR_INIT(CHUNKED ";"), 400, "9112 7.1: no size"},
    {STR_INIT(CHUNKED "0x"), 400, "9112 7.1: only digits"},
    {STR_INIT(CHUNKED "-"), 400, "9112 7.1: a sign"},
    {STR_INIT(CHUNKED "+"), 400, "9112 7.1: a sign"},
    {STR_INIT(CHUNKED "1z"), 400, "9112 7.1: not a hexadecimal digit"},
    {STR_INIT(CHUNKED " "), 400, "9112 7.1: a blank in front"},
    {STR_INIT(CHUNKED "5 "), 400, "9112 7.1.1: a blank before an extension"},
    {STR_INIT(CHUNKED "5\n"), 400, "9112 7.1: a bare LF"},
    {STR_INIT(CHUNKED "5;a\n"), 400, "9112 7.1: a bare LF"},
    {STR_INIT(CHUNKED "5;a\rb"), 400, "9112 7.1.1: a bare CR"},
    {STR_INIT(CHUNKED "5;a\0"), 400, "9112 7.1.1: NUL"},
    {STR_INIT(CHUNKED "7fffffff\r\n"), 413, "9112 7.1: 2^31 - 1"},
    {STR_INIT(CHUNKED "80000000\r\n"), 413, "9112 7.1: 2^31"},
    {STR_INIT(CHUNKED "100000005\r\n"), 413, "9112 7.1: 2^32 + 5"},
    {STR_INIT(CHUNKED "FFFFFFFFFFFFFFFF\r\n"), 413, "9112 7.1: 2^64 - 1"},
    {STR_INIT(CHUNKED "10000000000000005\r\n"), 413, "9112 7.1: 2^64 + 5"},
    {STR_INIT(CHUNKED "5\r\nhello0"), 400, "9112 7.1: no CRLF behind the data"},
    {STR_INIT(CHUNKED "5\r\nhello\n"), 400, "9112 7.1: a bare LF behind the data"},
    {STR_INIT(CHUNKED "5\r\nhello\r0"), 400, "9112 7.1: a bare CR behind the data"},
    {STR_INIT(CHUNKED "5\r\nhell\r\n"), 400, "9112 7.1: less data than announced"},
    {STR_INIT(CHUNKED "5\r\nhello\r\n\r"), 400, "9112 7.1: no last chunk"},
    {STR_INIT(CHUNKED "0\r\nX "), 400, "9112 7.1.2: a trailer field is a field"},
    {STR_INIT(CHUNKED "0\r\n "), 400, "9112 7.1.2: a trailer field is a field"},
    {STR_INIT(CHUNKED "0\r\nX\r"), 400, "9112 7.1.2: a trailer field is a field"},
    {STR_INIT(CHUNKED "0\r\nX: \0"), 400, "9112 7.1.2: a trailer field is a field"},
    {STR_INIT(CHUNKED "0\r\n\n"), 400, "9112 7.1: a bare LF"},

    {STR_INIT(POST "Expect: 200-ok\r\n"), 417, "9110 10.1.1: no such expectation"},
    {STR_INIT(POST "Expect: 100-continue, x\r\n"), 417, "9110 10.1.1: x is not one"},
    {STR_INIT(POST "Expect:\r\n"), 417, "9110 10.1.1: an empty value"},
};

/* ---- Calling the parser ---- */

static char
    *edge; /* the first byte that must not be touched; HTTP_BUFFER_SIZE + 1 bytes precede it */
static struct http_request req;

static void make_edge(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t len = (HTTP_BUFFER_SIZE + page) / page * page;
    int fd = open("/dev/zero", O_RDWR);
    char *pages = mmap(NULL, len + page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (pages == MAP_FAILED || mprotect(pages + len, page, PROT_NONE) < 0)
        test_give_up("map memory");
    close(fd);
    edge = pages + len;
}

static int parse(char *buf, size_t len) {
    memset(&req, 0x55, sizeof req);
    return http_parse(buf, len, &req);
}

/* Parses the first `len` of the bytes, so that buf[len] is the last byte that may be touched.
 * Checks that nothing was changed except a chunked body. */
static int parse_prefix(struct str bytes, size_t len) {
    char *buf = edge - 1 - len;
    memcpy(buf, bytes.s, len);
    edge[-1] = 'a'; /* a byte of every class, where the sentinel must go */
    int n = parse(buf, len);
    size_t unchanged = n > 0 && req.chunked ? req.head_len : len;
    CHECK(memcmp(buf, bytes.s, unchanged) == 0); /* the input */
    return n;
}

static int parse_all(struct str bytes) { return parse_prefix(bytes, bytes.len); }

/* Parses pieces of this size as they arrive, until there is a result. */
static int parse_pieces(struct str bytes, size_t piece) {
    int n = 0;
    for (size_t len = 0; n == 0 && len < bytes.len;) {
        len += bytes.len - len < piece ? bytes.len - len : piece;
        n = parse_prefix(bytes, len);
    }
    return n;
}

/* ---- Descriptions of requests ---- */

/* Returns whether the description contains this field elsewhere: as the host, or by the body. */
static bool is_shown_elsewhere(const struct http_field *field) {
    return field->value.s == http_find_field(&req, STR("Host")).s ||
           field->value.s == http_find_field(&req, STR("Content-Length")).s ||
           field->value.s == http_find_field(&req, STR("Transfer-Encoding")).s;
}

/* Everything that is in req, as in the table `accepted`. */
static struct str describe(void) {
    static char storage[2 * HTTP_BUFFER_SIZE];
    struct text out = TEXT(storage);
    bool is_first = true;
    text_put_all(&out, req.method, STR(" "), req.path);
    if (req.query.len) text_put_all(&out, STR("?"), req.query);
    text_put_all(&out, STR(" "), req.host);
    text_put_all(&out, STR(" 1."), NUMBER((unsigned)req.minor_version));
    text_put(&out, req.keep_alive ? STR(" keep") : STR(" close"));
    for (size_t i = 0; i < req.field_count; i++) {
        const struct http_field *field = &req.fields[i];
        if (is_shown_elsewhere(field)) continue;
        text_put_all(&out, is_first ? STR(" [") : STR("["), field->name, STR("="), field->value,
                     STR("]"));
        is_first = false;
    }
    if (req.body.len) text_put_all(&out, STR(" {"), req.body, STR("}"));
    return text_str(&out);
}

/* A request with the same meaning as req, written from its views: the target in absolute-form, the
 * body with its length. */
static struct str write_again(void) {
    static char storage[2048];
    struct text out = TEXT(storage);
    text_put_all(&out, req.method, STR(" "));
    if (req.host.len && req.path.s[0] == '/') text_put_all(&out, STR("http://"), req.host);
    text_put(&out, req.path);
    if (req.query.len) text_put_all(&out, STR("?"), req.query);
    text_put_all(&out, STR(" HTTP/1."), NUMBER((unsigned)req.minor_version),
                 STR("\r\nContent-Length: "), NUMBER(req.body.len));
    if (http_find_field(&req, STR("Host")).s) text_put_all(&out, STR("\r\nHost: "), req.host);
    for (size_t i = 0; i < req.field_count; i++)
        if (!is_shown_elsewhere(&req.fields[i]))
            text_put_all(&out, STR("\r\n"), req.fields[i].name, STR(": "), req.fields[i].value);
    text_put_all(&out, STR("\r\n\r\n"), req.body);
    return text_str(&out);
}

/* ---- Properties of every request ---- */

static void test_accepted(void) {
    TEST("a request that follows the grammar of RFC 9112 is accepted, with all its parts") {
        for (size_t i = 0; i < COUNT(accepted); i++) {
            int n = parse_all(accepted[i].bytes);
            CASE(accepted[i].why);
            CHECK_INT(n, (int)accepted[i].bytes.len);
            if (n > 0) CHECK_VIEW(describe(), str_of(accepted[i].description));
        }
    }
    TEST("any shorter part of it is incomplete, and the result does not depend on earlier calls") {
        for (size_t i = 0; i < COUNT(accepted); i++) {
            const struct accepted *row = &accepted[i];
            for (size_t len = 0; len < row->bytes.len; len++) {
                CASE(row->why);
                CHECK_INT(parse_prefix(row->bytes, len), 0);
                CHECK_INT(parse_all(row->bytes), (int)row->bytes.len);
                CHECK_VIEW(describe(), str_of(row->description));
            }
            CASE(row->why);
            CHECK_INT(parse_pieces(row->bytes, 1), (int)row->bytes.len);
        }
    }
    TEST("the bytes after a request are not changed, and are the next request") {
        for (size_t i = 0; i < COUNT(accepted); i++) {
            const struct accepted *row = &accepted[i];
            char storage[512];
            struct text both = TEXT(storage);
            text_put_all(&both, row->bytes, STR(GET END));
            CASE(row->why);
            CHECK_INT(parse(both.s, both.len), (int)row->bytes.len);
            CHECK_VIEW(describe(), str_of(row->description));
            struct str rest = {both.s + row->bytes.len, both.len - row->bytes.len};
            CASE(row->why);
            CHECK_VIEW(rest, STR(GET END));
            CHECK_INT(parse(both.s + row->bytes.len, rest.len), (int)rest.len);
            CHECK_VIEW(describe(), str_of("GET / a 1.1 keep"));
        }
    }
    TEST("a request that is written again from its parts has the same description") {
        for (size_t i = 0; i < COUNT(accepted); i++) {
            if (parse_all(accepted[i].bytes) <= 0) continue;
            struct str again = write_again();
            CASE(accepted[i].why);
            CHECK_INT(parse_all(again), (int)again.len);
            CHECK_VIEW(describe(), str_of(accepted[i].description));
        }
    }
    TEST("the request-line is kept as it came, without its CRLF") {
        CHECK(parse_all(STR("GET http://a/?%41 HTTP/1.9\r\nHost: a\r\n\r\n")) > 0);
        CHECK_VIEW(req.request_line, STR("GET http://a/?%41 HTTP/1.9"));
    }
    TEST("a body may contain any byte, also NUL: the sentinel is recognised by its position") {
        CHECK(parse_all(STR(POST "Content-Length: 3\r\n\r\na\0\0")) > 0);
        CHECK_VIEW(req.body, STR("a\0\0"));
        CHECK(parse_all(STR(CHUNKED "3\r\n\0\0a\r\n1\r\n\0\r\n0\r\n\r\n")) > 0);
        CHECK_VIEW(req.body, STR("\0\0a\0"));
    }
}

/* Returns whether the end of some accepted request completes these bytes, or gives them another
 * status than this one. If so, nothing is wrong with the bytes yet. */
static bool can_be_continued(struct str bytes, int status) {
    for (size_t i = 0; i < COUNT(accepted); i++)
        for (size_t at = 0; at < accepted[i].bytes.len; at++) {
            char storage[512];
            struct text text = TEXT(storage);
            struct str rest = {accepted[i].bytes.s + at, accepted[i].bytes.len - at};
            text_put_all(&text, bytes, rest);
            int n = parse_all(text_str(&text));
            if (n != 0 && n != -status) return true;
        }
    return false;
}

static bool ends_a_line(struct str bytes) {
    return bytes.len >= 2 && memcmp(bytes.s + bytes.len - 2, "\r\n", 2) == 0;
}

static void test_refused(void) {
    TEST("a request that is invalid, or can be read in two ways, is refused with its status") {
        for (size_t i = 0; i < COUNT(refused); i++) {
            CASE(refused[i].why);
            CHECK_INT(parse_all(refused[i].bytes), -refused[i].status);
        }
    }
    TEST("it is refused as soon as the wrong byte arrives, and not before") {
        for (size_t i = 0; i < COUNT(refused); i++) {
            const struct refused *row = &refused[i];
            for (size_t len = 0; len < row->bytes.len; len++) {
                CASE(row->why);
                CHECK_INT(parse_prefix(row->bytes, len), 0);
                CHECK_INT(parse_all(row->bytes), -row->status);
            }
            CASE(row->why);
            CHECK_INT(parse_pieces(row->bytes, 1), -row->status);
        }
    }
    TEST("unless a whole line is refused, the bytes before the wrong one could be continued") {
        for (size_t i = 0; i < COUNT(refused); i++) {
            struct str bytes = refused[i].bytes;
            if (ends_a_line(bytes)) continue;
            bytes.len--;
            CASE(refused[i].why);
            CHECK(can_be_continued(bytes, refused[i].status));
        }
    }
    TEST("the version is not taken for a missing target (9112 3)") {
        CHECK_INT(parse_all(STR("GET HTTP/1.1\r")), -400);
    }
    TEST("a refused request stays refused, whatever follows") {
        for (size_t i = 0; i < COUNT(refused); i++) {
            const struct refused *row = &refused[i];
            char storage[512];
            struct text more = TEXT(storage);
            text_put(&more, row->bytes);
            more.len++;
            int wrong = 0;
            for (int byte = 0; byte < 256; byte++) {
                more.s[more.len - 1] = (char)byte;
                wrong += parse_all(text_str(&more)) != -row->status;
            }
            CASE(row->why);
            CHECK_INT(wrong, 0);
            text_put(&more, STR("\r\n\r\n" GET END));
            CHECK_INT(parse_all(text_str(&more)), -row->status);
            CHECK(!can_be_continued(row->bytes, row->status));
        }
    }
}

static void test_empty_lines(void) {
    static const struct {
        struct str bytes;
        size_t len;
    } cases[] = {
        {STR_INIT(""), 0},        {STR_INIT("\r"), 0},       {STR_INIT("\r\n"), 2},
        {STR_INIT("\r\n\r"), 2},  {STR_INIT("\r\n\r\n"), 4}, {STR_INIT("\r\n\r\n\r\nGET"), 6},
        {STR_INIT("\n"), 0},      {STR_INIT("\r\r\n"), 0},   {STR_INIT("\r\n\n"), 2},
        {STR_INIT("GET\r\n"), 0}, {STR_INIT(" \r\n"), 0},    {STR_INIT("\n\r"), 0},
    };
    TEST("empty lines in front of a request are recognised, any number of them (9112 2.2)") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            char *buf = edge - cases[i].bytes.len; /* no byte is needed behind them */
            memcpy(buf, cases[i].bytes.s, cases[i].bytes.len);
            CHECK_INT(http_empty_lines_len(buf, cases[i].bytes.len), cases[i].len);
        }
    }
    TEST("a lone CR may become an empty line, so it is incomplete; a bare CR is 400 (9112 2.2)") {
        CHECK_INT(parse_all(STR("\r")), 0);
        CHECK_INT(parse_all(STR("\rG")), -400);
        CHECK_INT(parse_all(STR("\r\r")), -400);
    }
}

/* Returns whether `bytes` with `byte` inserted at `at`, and another request behind it, is refused,
 * or is complete without that byte: a LF in front of a LF may as well have come behind it. */
static bool is_harmless(struct str bytes, size_t at, char byte) {
    char storage[512];
    struct text changed = TEXT(storage);
    text_put_all(&changed, ((struct str){bytes.s, at}), ((struct str){&byte, 1}),
                 str_from(bytes, at), STR(GET END));
    int n = parse_all(text_str(&changed));
    return n < 0 || (n == (int)bytes.len && memcmp(changed.s, bytes.s, bytes.len) == 0);
}

/* Returns whether a request is still accepted with this byte in place of another. */
static bool accepts_byte(struct str request, size_t at, char byte) {
    char storage[512];
    struct text changed = TEXT(storage);
    text_put(&changed, request);
    changed.s[at] = byte;
    return parse_all(text_str(&changed)) > 0;
}

static void test_stray_bytes(void) {
    struct str plain = STR("GET http://a/b?c HTTP/1.1\r\nHost: a\r\nX-A: b\r\nConnection:\r\n\r\n");
    struct str chunked = STR("5;a=b\r\nhello\r\n0\r\nX-T: 1\r\n\r\n");
    TEST("any place of a field value may hold a tab, a blank, or a visible byte (9110 5.5)") {
        struct str low = STR(GET "X:abcdefghijklmnopqrstuvwxyz\r\n\r\n");
        struct str high = STR(GET "X:\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\r\n\r\n");
        size_t start = sizeof GET "X:" - 1;
        int wrong = 0;
        for (size_t at = 0; at < 13; at++)
            for (int byte = 0; byte < 256; byte++) {
                bool valid = byte == '\t' || (byte >= ' ' && byte != 0x7f);
                wrong += accepts_byte(low, start + at, (char)byte) != valid;
                wrong += accepts_byte(high, start + at, (char)byte) != valid;
            }
        CHECK_INT(wrong, 0);
    }
    TEST("an extra CR, LF or NUL makes any part of a head invalid (9112 2.2, 9110 5.5)") {
        for (size_t at = 0; at <= plain.len; at++)
            CHECK(is_harmless(plain, at, '\r') && is_harmless(plain, at, '\n') &&
                  is_harmless(plain, at, '\0'));
    }
    TEST("an extra CR, LF or NUL makes any part of a chunked body invalid (9112 7.1)") {
        char storage[512];
        struct text text = TEXT(storage);
        text_put_all(&text, STR(CHUNKED), chunked);
        for (size_t at = text.len - chunked.len; at <= text.len; at++)
            CHECK(is_harmless(text_str(&text), at, '\r') &&
                  is_harmless(text_str(&text), at, '\n') && is_harmless(text_str(&text), at, '\0'));
    }
}

#define ALNUM   "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define SUBDELS "!$&'()*+,;="
#define VISIBLE ALNUM "\t !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

static void test_every_byte(void) {
    static const struct {
        const char *before, *behind, *allowed, *where;
        bool above_0x7f;
    } places[] = {
        {"", " / HTTP/1.1\r\nHost: a\r\n\r\n", ALNUM "!#$%&'*+-.^_`|~", "a method: 9110 9.1",
         false},
        {"GET /?", " HTTP/1.1\r\nHost: a\r\n\r\n", ALNUM "!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
         "a target: visible, but not #", true},
        {LINE "Host: a", "20\r\n\r\n", ALNUM SUBDELS "-._~%:", "a host: 3986 3.2.2", false},
        /* a colon ends the name */
        {GET "X", "X: b\r\n\r\n", ALNUM "!#$%&'*+-.^_`|~:", "a name: 9110 5.1", false},
        {GET "X: a", "b\r\n\r\n", VISIBLE, "a value: 9110 5.5", true},
        {CHUNKED "1;a", "\r\na\r\n0\r\n\r\n", VISIBLE, "a chunk extension: 9112 7.1.1", true},
        {CHUNKED "0\r\nX", "X: b\r\n\r\n", ALNUM "!#$%&'*+-.^_`|~:", "a trailer name: 9112 7.1.2",
         false},
    };
    TEST("each of the 256 bytes is accepted where the grammar has it, and nowhere else") {
        for (size_t i = 0; i < COUNT(places); i++) {
            int wrong = 0;
            for (int byte = 0; byte < 256; byte++) {
                char storage[256];
                struct text text = TEXT(storage);
                text_put_all(&text, str_of(places[i].before), ((struct str){&(char){(char)byte}, 1}),
                             str_of(places[i].behind));
                bool allowed =
                    byte > 0x7f ? places[i].above_0x7f : byte && strchr(places[i].allowed, byte);
                wrong += (parse_all(text_str(&text)) > 0) != allowed;
            }
            CASE(places[i].where);
            CHECK_INT(wrong, 0);
        }
    }
}

/* ---- Limits ---- */

/* `before`, `behind`, and between them as many letters as make a request of `len` bytes. */
static struct str stretched(const char *before, const char *behind, size_t len) {
    static char storage[HTTP_BUFFER_SIZE + 64];
    struct text text = TEXT(storage);
    text_put(&text, str_of(before));
    while (text.len + strlen(behind) < len) text_put(&text, STR("a"));
    text_put(&text, str_of(behind));
    return text_str(&text);
}

/* The result for as many of the bytes as fit the buffer; 1 if it is another one in pieces. */
static int result_for(struct str bytes) {
    if (bytes.len > HTTP_BUFFER_SIZE) bytes.len = HTTP_BUFFER_SIZE;
    int n = parse_all(bytes);
    return parse_pieces(bytes, 97) == n ? n : 1;
}

/* Returns whether this request may grow until it fills the buffer, and is refused beyond that. */
static bool may_fill(const char *before, const char *behind, int status) {
    int size = HTTP_BUFFER_SIZE;
    return result_for(stretched(before, behind, HTTP_BUFFER_SIZE - 1)) == size - 1 &&
           result_for(stretched(before, behind, HTTP_BUFFER_SIZE)) == size &&
           result_for(stretched(before, behind, HTTP_BUFFER_SIZE + 1)) == -status;
}

static void test_head_limits(void) {
    TEST("a head may fill the buffer, whichever part is long; a longer one is 431 (9110 5.4)") {
        CHECK(may_fill("", " / HTTP/1.1\r\nHost: a\r\n\r\n", 431));
        CHECK(may_fill("GET /", " HTTP/1.1\r\nHost: a\r\n\r\n", 431));
        CHECK(may_fill("GET /?", " HTTP/1.1\r\nHost: a\r\n\r\n", 431));
        CHECK(may_fill(LINE "Host: ", "\r\n\r\n", 431));
        CHECK(may_fill(GET, ": b\r\n\r\n", 431));
        CHECK(may_fill(GET "X: ", "\r\n\r\n", 431));
    }
    TEST("a request-line that does not fit is 414 (9112 3)") {
        CHECK_INT(result_for(stretched("GET /", "", HTTP_BUFFER_SIZE - 1)), 0);
        CHECK_INT(result_for(stretched("GET /", "", HTTP_BUFFER_SIZE)), -414);
        CHECK_INT(result_for(stretched("", "", HTTP_BUFFER_SIZE)), -414);
        CHECK_INT(result_for(stretched("GET /", " HTTP/1.1\r\n", HTTP_BUFFER_SIZE)), -431);
        CHECK_INT(result_for(stretched("GET /", " HTTP/1.1\r\n", HTTP_BUFFER_SIZE + 1)), -414);
    }
    TEST("a request that is invalid keeps its status if the buffer is full") {
        CHECK_INT(result_for(stretched("GET / ", "", HTTP_BUFFER_SIZE)), -400);
        CHECK_INT(result_for(stretched(GET "X: \v", "", HTTP_BUFFER_SIZE)), -400);
        CHECK_INT(result_for(stretched(CHUNKED "1\r\n", "", HTTP_BUFFER_SIZE)), -400);
    }
    TEST("a head has at most HTTP_MAX_FIELDS fields: 431 (6585 5)") {
        for (size_t count = HTTP_MAX_FIELDS - 1; count <= HTTP_MAX_FIELDS + 1; count++) {
            char storage[1024];
            struct text text = TEXT(storage);
            text_put(&text, STR(GET));
            for (size_t i = 1; i < count; i++) text_put(&text, STR("a:b\r\n"));
            text_put(&text, STR(END));
            int n = result_for(text_str(&text));
            CHECK(n == (count <= HTTP_MAX_FIELDS ? (int)text.len : -431));
            CHECK(n < 0 || req.field_count == count);
        }
    }
}

/* A request of `len` bytes, whose body has its length in Content-Length or in its only chunk. */
static struct str with_body(bool chunked, size_t len) {
    const char *head = chunked ? CHUNKED : POST "Content-Length: ";
    const char *behind = chunked ? "\r\n0\r\n\r\n" : "";
    size_t around = strlen(head) + strlen("00000000\r\n") + strlen(behind);
    char before[128];
    if (chunked)
        snprintf(before, sizeof before, "%s%08x\r\n", head, (unsigned)(len - around));
    else
        snprintf(before, sizeof before, "%s%08u\r\n\r\n", head, (unsigned)(len - around - 2));
    return stretched(before, behind, len);
}

static size_t head_length(struct str bytes) {
    size_t len = 4;
    while (len < bytes.len && memcmp(bytes.s + len - 4, "\r\n\r\n", 4) != 0) len++;
    return len;
}

static void test_body_limits(void) {
    for (int chunked = 0; chunked <= 1; chunked++) {
        TEST("head and body may fill the buffer; more is 413, as soon as that is known") {
            CHECK_INT(result_for(with_body(chunked, HTTP_BUFFER_SIZE - 1)), HTTP_BUFFER_SIZE - 1);
            CHECK_INT(result_for(with_body(chunked, HTTP_BUFFER_SIZE)), HTTP_BUFFER_SIZE);
            CHECK_INT(result_for(with_body(chunked, HTTP_BUFFER_SIZE + 1)), -413);
            /* the data of the chunk alone would end behind the buffer */
            struct str bytes = with_body(chunked, HTTP_BUFFER_SIZE + (chunked ? 8 : 1));
            bytes.len = head_length(bytes) + (chunked ? strlen("00000000\r\n") : 0);
            CHECK_INT(result_for(bytes), -413);
        }
    }
    TEST("chunks of one byte, extensions and trailer fields may fill the buffer (9112 7.1.1)") {
        CHECK(may_fill(CHUNKED "1;", "\r\na\r\n0\r\n\r\n", 413));
        CHECK(may_fill(CHUNKED "0\r\n", ": b\r\n\r\n", 413));
        CHECK(may_fill(CHUNKED "0\r\nX: ", "\r\n\r\n", 413));
        static char storage[HTTP_BUFFER_SIZE];
        struct text text = TEXT(storage);
        text_put(&text, STR(CHUNKED));
        while (!text.truncated) text_put(&text, STR("1;a=b\r\na\r\n"));
        text.truncated = false;
        while (!text.truncated) text_put(&text, STR("0"));
        CHECK_INT(result_for(text_str(&text)), -413);
    }
}

/* ---- What handlers ask of a request ---- */

/* Parses a request with these field lines in front of its Host: a. */
static bool parse_fields(const char *fields) {
    static char storage[HTTP_BUFFER_SIZE + 1]; /* the views of req stay in it */
    struct text text = {storage, 0, HTTP_BUFFER_SIZE, false};
    text_put_all(&text, STR(LINE), str_of(fields), STR("Host: a\r\n\r\n"));
    int n = parse(text.s, text.len);
    if (text.truncated || n != (int)text.len) return false;
    /* what an earlier request may have left there */
    req.fields[req.field_count] = (struct http_field){STR("Cookie"), STR("session_id=left")};
    return true;
}

static const struct str nothing = {NULL, 0};

static void test_expect(void) {
    TEST("a 100 (Continue) is demanded by each call once the head is complete (9110 10.1.1)") {
        struct str bytes = STR(POST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello");
        for (size_t len = 0; len <= bytes.len; len++) {
            CHECK(parse_prefix(bytes, len) == (len < bytes.len ? 0 : (int)bytes.len));
            CHECK_INT(req.send_continue, len >= bytes.len - 5);
        }
    }
    TEST("it is demanded for a single byte, for a chunked body, and before an invalid body") {
        CHECK_INT(parse_all(STR(POST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n")), 0);
        CHECK(req.send_continue);
        struct str chunked =
            STR(POST "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n");
        CHECK_INT(parse_prefix(chunked, chunked.len - 3), 0);
        CHECK(req.send_continue);
        CHECK_INT(parse_all(chunked), -400);
        CHECK(req.send_continue);
    }
    TEST("it is not demanded without a body or an Expect, in HTTP/1.0, or for a refused head") {
        CHECK(parse_all(STR(GET "Expect: 100-continue\r\n\r\n")) > 0 && !req.send_continue);
        CHECK_INT(parse_all(STR(POST "Content-Length: 5\r\n\r\n")), 0);
        CHECK(!req.send_continue);
        CHECK_INT(parse_all(STR("POST / HTTP/1.0\r\nExpect: 100-continue\r\n"
                                "Content-Length: 5\r\n\r\n")),
                  0);
        CHECK(!req.send_continue);
        char storage[128];
        struct text text = TEXT(storage);
        text_put_all(&text, STR(POST "Expect: 100-continue\r\nContent-Length: "),
                     NUMBER(HTTP_BUFFER_SIZE), STR("\r\n\r\n"));
        CHECK_INT(parse_all(text_str(&text)), -413);
        CHECK(!req.send_continue);
    }
}

static void test_fields(void) {
    TEST("a field is found by its name in any case, the first of several (9110 5.1)") {
        CHECK(parse_fields("X-A: 1\r\nx-a: 2\r\nX-Empty:\r\nZ^: 3\r\n"));
        CHECK_VIEW(http_find_field(&req, STR("x-A")), STR("1"));
        CHECK_VIEW(http_find_field(&req, STR("X-Empty")), STR(""));
        CHECK_VIEW(http_find_field(&req, STR("z^")), STR("3"));
        CHECK_VIEW(http_find_field(&req, STR("Z~")), nothing); /* differs in the bit of case */
        CHECK_VIEW(http_find_field(&req, STR("Cookie")), nothing);
        CHECK_VIEW(http_find_field(&req, STR("X")), nothing);
        CHECK_VIEW(http_find_field(&req, STR("X-AB")), nothing);
    }
}

static void test_cookies(void) {
    static const struct {
        const char *fields, *value, *why;
    } cases[] = {
        {"", NULL, "no field"},
        {"Cookie:\r\n", NULL, "no cookie"},
        {"Cookie: session_id=x\r\n", "x", "6265bis 4.2.1"},
        {"cookie: a=b; session_id=x; c=d\r\n", "x", "6265bis 4.2.1: among others"},
        {"Cookie: a=b;session_id=x;c\r\n", "x", "servers accept it without the blank"},
        {"Cookie: ;;=; \tsession_id=x ;\r\n", "x", "6265bis 5.6: blanks around a pair are removed"},
        {"Cookie: session_id =x\r\n", NULL, "a blank in front of = belongs to the name"},
        {"Cookie: session_id= x\r\n", " x", "a blank behind = belongs to the value"},
        {"Cookie: Session_id=x\r\n", NULL, "6265bis 4.1.1: case-sensitive"},
        {"Cookie: xsession_id=x; session_idx=x\r\n", NULL, "the exact name"},
        {"Cookie: session_id\r\n", NULL, "6265bis 5.6: a value without a name"},
        {"Cookie: session_id=\r\n", "", "an empty value"},
        {"Cookie: session_id=a=b\r\n", "a=b", "6265bis 5.6: split at the first ="},
        {"Cookie: session_id=\"x\"\r\n", "\"x\"", "6265bis 4.1.1: quotes are part of the value"},
        {"Cookie: a=\"b; session_id=x\"\r\n", "x\"", "6265bis 5.6: quotes protect nothing"},
        {"Cookie: session_id=x; session_id=y\r\n", "y", "the last of equal names"},
        {"Cookie: session_id=x\r\nCookie: session_id=y\r\n", "y", "the last of two fields"},
        {"Cookie: session_id=x\r\nCookie: a=b\r\n", "x", "either field"},
        {"Cookies: session_id=x\r\nX-Cookie: session_id=x\r\n", NULL, "other fields"},
    };
    TEST("a cookie is found by its exact name, the last of several (6265bis)") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            CASE(cases[i].why);
            CHECK(parse_fields(cases[i].fields));
            CHECK_VIEW(http_find_cookie(&req, STR("session_id")),
                       cases[i].value ? str_of(cases[i].value) : nothing);
        }
    }
    TEST("a cookie may be half as long as the buffer") {
        static char line[HTTP_BUFFER_SIZE / 2 + 100], *value;
        strcpy(line, "Cookie: a=b; session_id=");
        value = line + strlen(line);
        memset(value, 'x', HTTP_BUFFER_SIZE / 2);
        strcpy(value + HTTP_BUFFER_SIZE / 2, "; c=d\r\n");
        CHECK(parse_fields(line));
        struct str found = http_find_cookie(&req, STR("session_id"));
        CHECK_INT(found.len, HTTP_BUFFER_SIZE / 2);
        CHECK(memcmp(found.s, value, found.len) == 0);
    }
}

static void test_paths(void) {
    static const struct {
        const char *target, *path, *query;
    } cases[] = {
        {"/home", "/home", ""},
        {"/%68om%65?%68", "/home", "%68"},
        {"/a%2Fb%2fc", "/a%2Fb%2fc", ""}, /* 3986 2.2: an escaped slash is data */
        {"/%25", "/%", ""},
        {"/%252541", "/%2541", ""}, /* 3986 2.4: decoded once */
        {"/%c3%A9%0d%0a%01%7F", "/\xc3\xa9\r\n\x01\x7f", ""},
        {"/%3F?a", "/?", "a"},
        {"/a+b", "/a+b", ""},
        {"http://b?%41", "/", "%41"},
    };
    TEST("the escapes of a path are decoded once, except a slash; the query is not (3986 2)") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            char storage[128], path_storage[128];
            struct text text = TEXT(storage), path = TEXT(path_storage);
            text_put_all(&text, STR("GET "), str_of(cases[i].target),
                         STR(" HTTP/1.1\r\nHost: a\r\n\r\n"));
            CASE(cases[i].target);
            CHECK_INT(parse(text.s, text.len), (int)text.len);
            http_decode_path(&path, req.path);
            CHECK_VIEW(text_str(&path), str_of(cases[i].path));
            CHECK_VIEW(req.query, str_of(cases[i].query));
        }
    }
    TEST("a decoded path that does not fit is truncated, and one that just fits is not") {
        char storage[4];
        struct text path = TEXT(storage);
        http_decode_path(&path, STR("/%61%62c"));
        CHECK(!path.truncated);
        CHECK_VIEW(text_str(&path), STR("/abc"));
        text_clear(&path);
        http_decode_path(&path, STR("/abcd"));
        CHECK(path.truncated);
    }
}

static void test_cross_site(void) {
    static const struct {
        const char *fields;
        bool cross;
        const char *why;
    } cases[] = {
        {"", false, "not a browser"},
        {"Sec-Fetch-Site: same-origin\r\n", false, "our own page"},
        {"Sec-Fetch-Site: none\r\n", false, "the user, not a page"},
        {"Sec-Fetch-Site: same-site\r\n", true, "a page of a neighbour"},
        {"Sec-Fetch-Site: cross-site\r\n", true, "a page of a stranger"},
        {"Sec-Fetch-Site:\r\n", true, "an unknown value"},
        {"Sec-Fetch-Site: same-origin\r\nOrigin: http://b\r\n", false, "Sec-Fetch-Site wins"},
        {"Sec-Fetch-Site: cross-site\r\nOrigin: http://a\r\n", true, "Sec-Fetch-Site wins"},
        {"Origin: http://a\r\n", false, "our own host"},
        {"Origin: https://A\r\n", false, "6454 5: in any case; a proxy may end TLS"},
        {"Origin: h://a\r\n", false, "a scheme of one letter"},
        {"Origin: http://b\r\n", true, "another host"},
        {"Origin: http://a:8080\r\n", true, "another port"},
        {"Origin: http://ab\r\n", true, "a longer name"},
        {"Origin: http://b/a\r\n", true, "not an origin"},
        {"Origin: null\r\n", true, "6454 7: a page that hides its origin"},
        {"Origin: a\r\n", true, "not an origin"},
        {"Origin:\r\n", true, "not an origin"},
        {"Origin: ://\r\n", true, "not an origin"},
        {"Origin: ://a\r\n", true, "no scheme"},
        {"Origin: http:/.a\r\n", true, "not an origin"},
    };
    TEST("a request for a page of another origin is recognised by Sec-Fetch-Site, else by Origin") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            CASE(cases[i].why);
            CHECK(parse_fields(cases[i].fields));
            CHECK_INT(http_is_cross_origin(&req), cases[i].cross);
        }
    }
    TEST("the port is part of the host, and the host of the target replaces Host") {
        CHECK(parse_all(STR(LINE "Host: a:80\r\nOrigin: http://a:80\r\n\r\n")) > 0);
        CHECK(!http_is_cross_origin(&req));
        CHECK(parse_all(STR("GET http://b/ HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\n\r\n")) > 0);
        CHECK(http_is_cross_origin(&req));
    }
}

/* ---- Responses ---- */

static struct http_response res;
static struct str date = STR_INIT("Mon, 23 Nov 2026 11:39:41 GMT");

/* The response to the request in `bytes`, with one more field unless `value` is empty. */
static struct str respond(struct str bytes, int status, struct str value, struct str body) {
    static char storage[HTTP_MAX_RESPONSE];
    struct text out = TEXT(storage);
    CHECK(parse_all(bytes) > 0);
    memset(&res, 0x55, sizeof res);
    http_response_init(&res, &req);
    res.status = status;
    if (value.len > 0) http_add_field(&res, STR("X-A"), value);
    text_put(&res.body, body);
    http_format_response(&out, &res, date);
    CHECK(!out.truncated);
    return text_str(&out);
}

#define DATE    "\r\nDate: Mon, 23 Nov 2026 11:39:41 GMT\r\n"
#define NO_DATE "Content-Type: application/json\r\nCache-Control: no-store\r\n"
#define FIXED   DATE NO_DATE

static void test_responses(void) {
    static const struct {
        struct str request;
        int status;
        struct str value, body;
        const char *response, *why;
    } cases[] = {
        {STR_INIT(GET END), 200, STR_INIT(""), STR_INIT("{}"),
         "HTTP/1.1 200 OK" FIXED "Content-Length: 2\r\n\r\n{}", "9112 4"},
        {STR_INIT(GET END), 401, STR_INIT("b c"), STR_INIT(""),
         "HTTP/1.1 401 Unauthorized" FIXED "Content-Length: 0\r\nX-A: b c\r\n\r\n",
         "one more field"},
        {STR_INIT("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"), 200, STR_INIT("b"), STR_INIT("0123456789"),
         "HTTP/1.1 200 OK" FIXED "Content-Length: 10\r\nX-A: b\r\n\r\n",
         "9110 9.3.2: the length that GET would have, and no body"},
        {STR_INIT(GET "Connection: close\r\n\r\n"), 404, STR_INIT(""), STR_INIT("{}"),
         "HTTP/1.1 404 Not Found" FIXED "Content-Length: 2\r\nConnection: close\r\n\r\n{}",
         "9112 9.6: a server that closes sends close"},
        {STR_INIT("GET / HTTP/1.0\r\n\r\n"), 200, STR_INIT(""), STR_INIT("{}"),
         "HTTP/1.1 200 OK" FIXED "Content-Length: 2\r\nConnection: close\r\n\r\n{}",
         "9110 6.2: our own version; 9112 9.3: HTTP/1.0 closes"},
        {STR_INIT("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), 200, STR_INIT(""),
         STR_INIT("{}"),
         "HTTP/1.1 200 OK" FIXED "Content-Length: 2\r\nConnection: keep-alive\r\n\r\n{}",
         "9112 9.3: unless the client asked for more"},
        {STR_INIT(GET END), 200, STR_INIT("b\r\nX-B: c\n\0\x1b\x7f\t\x80"), STR_INIT(""),
         "HTTP/1.1 200 OK" FIXED "Content-Length: 0\r\n"
         "X-A: b  X-B: c    \t\x80\r\n\r\n",
         "9110 5.5: no value ends its line"},
    };
    TEST("a response consists of exactly these bytes") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct str response =
                respond(cases[i].request, cases[i].status, cases[i].value, cases[i].body);
            CASE(cases[i].why);
            CHECK_VIEW(response, str_of(cases[i].response));
        }
    }
    TEST("without a date there is no Date field (9110 6.6.1)") {
        char storage[256];
        struct text out = TEXT(storage);
        respond(STR(GET END), 200, STR(""), STR("{}"));
        http_format_response(&out, &res, STR(""));
        CHECK_VIEW(text_str(&out),
                   STR("HTTP/1.1 200 OK\r\n" NO_DATE "Content-Length: 2\r\n\r\n{}"));
    }
    TEST("a field of the handler replaces the default of the same name, in any case") {
        char storage[512];
        struct text out = TEXT(storage);
        respond(STR(GET END), 200, STR(""), STR("<p>"));
        http_add_field(&res, STR("content-type"), STR("text/html; charset=utf-8"));
        http_add_field(&res, STR("Cache-Control"), STR("max-age=60"));
        http_format_response(&out, &res, date);
        CHECK_VIEW(text_str(&out), STR("HTTP/1.1 200 OK" DATE "Content-Length: 3\r\n"
                                       "content-type: text/html; charset=utf-8\r\n"
                                       "Cache-Control: max-age=60\r\n\r\n<p>"));
        respond(STR(GET END), 200, STR("Content-Type: x"), STR(""));
        http_add_field(&res, STR("X-Content-Type"), STR("x"));
        text_clear(&out);
        http_format_response(&out, &res, STR(""));
        CHECK_VIEW(text_str(&out), STR("HTTP/1.1 200 OK\r\n" NO_DATE "Content-Length: 0\r\n"
                                       "X-A: Content-Type: x\r\nX-Content-Type: x\r\n\r\n"));
    }
    TEST("204 and 304 have no Content-Length and no Content-Type (9110 8.6)") {
        CHECK_VIEW(respond(STR(GET END), 204, STR(""), STR("")),
                   STR("HTTP/1.1 204 No Content" DATE "Cache-Control: no-store\r\n\r\n"));
        CHECK_VIEW(respond(STR(GET END), 205, STR(""), STR("")),
                   STR("HTTP/1.1 205 Reset Content" FIXED "Content-Length: 0\r\n\r\n"));
        CHECK_VIEW(
            respond(STR(GET END), 304, STR("b"), STR("")),
            STR("HTTP/1.1 304 Not Modified" DATE "Cache-Control: no-store\r\nX-A: b\r\n\r\n"));
    }
    TEST("the value of a field may consist of several views") {
        respond(STR(GET END), 200, STR(""), STR(""));
        http_add_field(&res, STR("X"), STR("b"), STR(""), STR("\r\nc"), NUMBER(7));
        http_add_field(&res, STR("Y"), STR(""));
        CHECK_VIEW(text_str(&res.extra_fields), STR("X: b  c7\r\nY: \r\n"));
    }
}

static void test_statuses(void) {
    static const char *const statuses[] = {
        "200 OK",
        "201 Created",
        "202 Accepted",
        "203 Non-Authoritative Information",
        "204 No Content",
        "205 Reset Content",
        "206 Partial Content",
        "207 Multi-Status",
        "208 Already Reported",
        "226 IM Used",
        "300 Multiple Choices",
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "304 Not Modified",
        "305 Use Proxy",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
        "400 Bad Request",
        "401 Unauthorized",
        "402 Payment Required",
        "403 Forbidden",
        "404 Not Found",
        "405 Method Not Allowed",
        "406 Not Acceptable",
        "407 Proxy Authentication Required",
        "408 Request Timeout",
        "409 Conflict",
        "410 Gone",
        "411 Length Required",
        "412 Precondition Failed",
        "413 Content Too Large",
        "414 URI Too Long",
        "415 Unsupported Media Type",
        "416 Range Not Satisfiable",
        "417 Expectation Failed",
        "421 Misdirected Request",
        "422 Unprocessable Content",
        "423 Locked",
        "424 Failed Dependency",
        "425 Too Early",
        "426 Upgrade Required",
        "428 Precondition Required",
        "429 Too Many Requests",
        "431 Request Header Fields Too Large",
        "451 Unavailable For Legal Reasons",
        "500 Internal Server Error",
        "501 Not Implemented",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
        "505 HTTP Version Not Supported",
        "506 Variant Also Negotiates",
        "507 Insufficient Storage",
        "508 Loop Detected",
        "510 Not Extended",
        "511 Network Authentication Required",
    };
    static const int refusals[] = {400, 408, 413, 414, 417, 431, 501, 505};
    TEST("a status has the reason phrase that is registered, or else none (9110 15.1)") {
        size_t i = 0;
        for (int status = -1; status <= 1000; status++) {
            bool registered = i < COUNT(statuses) && atoi(statuses[i]) == status;
            CHECK_VIEW(http_reason(status), str_of(registered ? statuses[i++] + 4 : ""));
        }
        CHECK_VIEW(respond(STR(GET END), 299, STR("b"), STR("{}")),
                   STR("HTTP/1.1 299 " FIXED "Content-Length: 2\r\nX-A: b\r\n\r\n{}"));
    }
    TEST("every refusal has a message of its own, which needs no escapes in JSON") {
        for (size_t i = 0; i < COUNT(refusals); i++) {
            const char *message = http_refusal(refusals[i]);
            CHECK(message[0] != '\0');
            for (const char *at = message; *at; at++) CHECK(is_unescaped_ascii(*at));
            for (size_t j = 0; j < i; j++) CHECK(strcmp(message, http_refusal(refusals[j])) != 0);
        }
    }
}

static void test_response_limits(void) {
    static char large[HTTP_MAX_BODY + 1];
    struct str extra = {large, HTTP_EXTRA_FIELDS_SIZE - strlen("X-A: \r\n")};
    memset(large, 'a', sizeof large);
    TEST("a field that does not fit HTTP_EXTRA_FIELDS_SIZE is omitted, and a later one may fit") {
        for (size_t more = 0; more <= 2; more++) {
            struct str value = {large, extra.len - 1 + more};
            respond(STR(GET END), 200, value, STR(""));
            CHECK_INT(res.extra_fields.len, (more < 2 ? HTTP_EXTRA_FIELDS_SIZE - 1 + more : 0));
        }
        http_add_field(&res, STR("X-A"), STR("b"));
        CHECK_VIEW(text_str(&res.extra_fields), STR("X-A: b\r\n"));
        respond(STR(GET END), 200, (struct str){large, extra.len - 50}, STR("body"));
        http_add_field(&res, STR("X-B"), ((struct str){large, 40}), ((struct str){large, 40}));
        CHECK_INT(res.extra_fields.len, HTTP_EXTRA_FIELDS_SIZE - 50);
        CHECK(!res.extra_fields.truncated);
        CHECK_VIEW(text_str(&res.body), STR("body"));
    }
    TEST("the longest response fits HTTP_MAX_RESPONSE, with a 100 (Continue) in front") {
        struct str body = {large, HTTP_MAX_BODY};
        struct str request = STR("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        struct str response = respond(request, 431, extra, body);
        CHECK(!res.body.truncated);
        CHECK_INT(res.extra_fields.len, HTTP_EXTRA_FIELDS_SIZE);
        CHECK(response.len > HTTP_EXTRA_FIELDS_SIZE + HTTP_MAX_BODY);
        CHECK(response.s[response.len - 1] == 'a');
        CHECK(response.len + strlen("HTTP/1.1 100 Continue\r\n\r\n") <= HTTP_MAX_RESPONSE);
        CHECK(HTTP_MAX_RESPONSE <= HTTP_BUFFER_SIZE);
    }
    TEST("a body has at most HTTP_MAX_BODY bytes") {
        respond(STR(GET END), 200, STR(""), (struct str){large, HTTP_MAX_BODY + 1});
        CHECK(res.body.truncated);
        CHECK_INT(res.body.len, 0);
    }
}

int main(void) {
    make_edge();
    test_accepted();
    test_refused();
    test_empty_lines();
    test_stray_bytes();
    test_every_byte();
    test_head_limits();
    test_body_limits();
    test_expect();
    test_fields();
    test_cookies();
    test_paths();
    test_cross_site();
    test_responses();
    test_statuses();
    test_response_limits();
    return test_report();
}
