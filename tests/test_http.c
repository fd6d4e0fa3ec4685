/* test_http.c - proves http.c with tables of requests, each with the rule that makes it valid or
 * not, and with properties that hold for all of them.
 *
 * "9110 5.5" is section 5.5 of RFC 9110. Every request is read from a place that ends where memory
 * begins that may not be touched, so that reading one byte too many ends the program; and between
 * two calls the bytes move and all of the request but its progress is overwritten, as http.h
 * allows.
 * Limits are made from HTTP_BUFFER, so that a build with a smaller one is proved too.
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

/* ---- What is accepted, and what it says. The notation of describe(): method, target, host,
 * version, what becomes of the connection, [other fields], {body} ---- */

static const struct accepted {
    struct str bytes;
    const char *says, *why;
} accepted[] = {
    {STR_INIT(GET END), "GET / a 1.1 keep", "9112 3"},
    {STR_INIT("\r\n" GET END), "GET / a 1.1 keep", "9112 2.2: an empty line in front"},
    {STR_INIT("get / HTTP/1.1\r\nHost: a\r\n\r\n"), "get / a 1.1 keep", "9110 9.1: case counts"},
    {STR_INIT("GET / HTTP/1.9\r\nHost: a\r\n\r\n"), "GET / a 1.1 keep", "9110 2.5: later is 1.1"},
    {STR_INIT("GET / HTTP/1.0\r\n\r\n"), "GET /  1.0 close", "9112 3.2: HTTP/1.0 needs no Host"},
    {STR_INIT("GET / HTTP/1.0\r\nHost: a\r\n\r\n"), "GET / a 1.0 close", "9112 9.3"},

    {STR_INIT("GET /home?a=b?c/d HTTP/1.1\r\nHost: a\r\n\r\n"), "GET /home?a=b?c/d a 1.1 keep",
     "3986 3.4: the first mark begins the query"},
    {STR_INIT("GET /home? HTTP/1.1\r\nHost: a\r\n\r\n"), "GET /home a 1.1 keep", "an empty query"},
    {STR_INIT("GET //a/../%2f%41 HTTP/1.1\r\nHost: a\r\n\r\n"), "GET //a/../%2f%41 a 1.1 keep",
     "a path is not changed on the way"},
    {STR_INIT("GET http://b/home?q HTTP/1.1\r\nHost: a\r\n\r\n"), "GET /home?q b 1.1 keep",
     "9112 3.2.2: the target's host counts, not Host"},
    {STR_INIT("GET HTTP://b:80 HTTP/1.1\r\nHost: a\r\n\r\n"), "GET / b:80 1.1 keep",
     "9110 4.2.3: no path is /, and the scheme is in any case"},
    {STR_INIT("GET http://b?q HTTP/1.1\r\nHost: a\r\n\r\n"), "GET /?q b 1.1 keep", "9110 4.2.3"},
    {STR_INIT("GET http://[::1]:8080/ HTTP/1.1\r\nHost: a\r\n\r\n"), "GET / [::1]:8080 1.1 keep",
     "3986 3.2.2: an IPv6 address"},
    {STR_INIT("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), "OPTIONS * a 1.1 keep", "9112 3.2.4"},

    {STR_INIT(LINE "hOsT:\ta \t\r\n\r\n"), "GET / a 1.1 keep", "9110 5.1: any case; 5.5: blanks"},
    {STR_INIT(LINE "Host:\r\n\r\n"), "GET /  1.1 keep", "9112 3.2: Host may be empty"},
    {STR_INIT(GET "A: {}\r\n\r\n"), "GET / a 1.1 keep [A={}]", "a brace ends no head"},
    {STR_INIT(LINE "Host: a:\r\n\r\n"), "GET / a: 1.1 keep", "3986 3.2.3: a port may be empty"},
    {STR_INIT(LINE "Host: [::ffff:127.0.0.1]\r\n\r\n"), "GET / [::ffff:127.0.0.1] 1.1 keep",
     "3986 3.2.2: an IPv6 address"},

    {STR_INIT(GET "X-A:b\r\nX-B: \t c\td \t\r\n\r\n"), "GET / a 1.1 keep [X-A=b][X-B=c\td]",
     "9110 5.5: blanks around a value are no part of it"},
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
    {STR_INIT(CHUNKED "0\r\n\r\n"), "POST / a 1.1 keep", "9112 7.1: the last chunk alone"},
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
     "POST / a 1.1 keep {hello}", "9112 7: names of codings are in any case"},

    {STR_INIT(GET "Connection: close\r\n\r\n"), "GET / a 1.1 close [Connection=close]", "9112 9.6"},
    {STR_INIT(GET "Connection: x,, CLOSE ,\r\n\r\n"), "GET / a 1.1 close [Connection=x,, CLOSE ,]",
     "9110 7.6.1: a list, its options in any case; 5.6.1: empty items"},
    {STR_INIT(GET "Connection: x\r\nConnection: close\r\n\r\n"),
     "GET / a 1.1 close [Connection=x][Connection=close]", "9110 5.3: two lines are one list"},
    {STR_INIT(GET "Connection: closed\r\nX-Connection: close\r\n\r\n"),
     "GET / a 1.1 keep [Connection=closed][X-Connection=close]", "whole names alone count"},
    {STR_INIT(GET "Connection: keep-alive, close\r\n\r\n"),
     "GET / a 1.1 close [Connection=keep-alive, close]", "9112 9.3: close is looked at first"},
    {STR_INIT("GET / HTTP/1.0\r\nConnection: TE,,Keep-Alive,x\r\n\r\n"),
     "GET /  1.0 keep [Connection=TE,,Keep-Alive,x]", "9112 9.3: HTTP/1.0 may ask for it"},
    {STR_INIT("GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n"),
     "GET /  1.0 close [Connection=close, keep-alive]", "9112 9.3: close is looked at first"},

    {STR_INIT(POST "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\nhello"),
     "POST / a 1.1 keep [Expect=100-Continue] {hello}", "9110 10.1.1: in any case"},
    {STR_INIT("POST / HTTP/1.0\r\nExpect: x\r\n\r\n"), "POST /  1.0 close [Expect=x]",
     "9110 10.1.1: HTTP/1.0 has no expectations"},
};

/* ---- What is refused. The bytes end where the refusal comes at the latest ---- */

static const struct refused {
    struct str bytes;
    int status;
    const char *why;
} refused[] = {
    {STR_INIT("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "9112 3: two blanks"},
    {STR_INIT("GET /  HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "9112 3: two blanks"},
    {STR_INIT("GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n"), 400, "9112 3: a tab for a blank"},
    {STR_INIT(" GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "9112 3: a blank in front"},
    {STR_INIT("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"), 400, "9112 3: a blank behind"},
    {STR_INIT("GET / \r\nHost: a\r\n\r\n"), 400, "9112 3: no version behind the blank"},
    {STR_INIT("\r\n\r\n"), 400, "9112 2.2: more than one empty line in front"},
    {STR_INIT("\rX" GET END), 400, "9112 2.2: a bare CR in front"},
    {STR_INIT("\r" GET END), 400, "9112 2.2: a bare CR in front"},
    {STR_INIT("\n"), 400, "9112 2.2: a bare LF"},
    {STR_INIT("GET / HTTP/1.1\n"), 400, "9112 2.2: a bare LF"},
    {STR_INIT("GET / HTTP/1.1\rHost: a\r\n\r\n"), 400, "9112 2.2: a bare CR"},
    {STR_INIT("GET\r\nHost: a\r\n\r\n"), 400, "9112 3: no target"},
    {STR_INIT("GET /\r\nHost: a\r\n\r\n"), 400, "9112 3: no version, as in HTTP/0.9"},
    {STR_INIT("GET HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "9112 3: no target"},
    {STR_INIT(" / HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "9112 3: no method"},
    {STR_INIT("GET / http/1.1\r\nHost: a\r\n\r\n"), 400, "9112 2.3: case counts"},
    {STR_INIT("GET / HTTP/1\r\nHost: a\r\n\r\n"), 400, "9112 2.3: no minor version"},
    {STR_INIT("GET / HTTP/1.\r\nHost: a\r\n\r\n"), 400, "9112 2.3: no minor version"},
    {STR_INIT("GET / HTTP/1,1\r\nHost: a\r\n\r\n"), 400, "9112 2.3: no point"},
    {STR_INIT("GET / HTTP/1.32\r\nHost: a\r\n\r\n"), 400, "9112 2.3: one digit"},
    {STR_INIT("GET / HTTP/01.1\r\nHost: a\r\n\r\n"), 400, "9112 2.3: one digit"},
    {STR_INIT("GET / HTTP/x.1\r\nHost: a\r\n\r\n"), 400, "9112 2.3: a digit"},
    {STR_INIT("GET / HTTP/2.0\rX\r\nHost: a\r\n\r\n"), 400, "9112 2.2: a bare CR"},
    {STR_INIT("GET / HTTP/1.x\r\nHost: a\r\n\r\n"), 400, "9112 2.3: a digit"},
    {STR_INIT("GET / HTTPS/1.1\r\nHost: a\r\n\r\n"), 400, "9112 2.3: another protocol"},
    {STR_INIT("GET / HTTP/0.9\r\nHost: a\r\n\r\n"), 505, "9110 15.6.6"},
    {STR_INIT("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505, "9110 15.6.6"},

    {STR_INIT("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "9112 3.2: a blank in the target"},
    {STR_INIT("GET home HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "9112 3.2.1: a path begins with /"},
    {STR_INIT("GET * HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "9112 3.2.4: for OPTIONS alone"},
    {STR_INIT("OPTIONS *a HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "9112 3.2.4: nothing behind it"},
    {STR_INIT("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "9112 3.2.3: for proxies alone"},
    {STR_INIT("GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "9110 7.4: not over this"},
    {STR_INIT("GET http:// HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "9110 4.2.1: no host"},
    {STR_INIT("GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "9110 4.2.1: no host"},
    {STR_INIT("GET http://:80/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "9110 4.2.1: no host"},
    {STR_INIT("GET http://u:p@b/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "9110 4.2.4: a user"},
    {STR_INIT("GET http://b:8o/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "3986 3.2.3: digits"},
    {STR_INIT("GET http://b/ HTTP/1.1\r\n\r\n"), 400, "9112 3.2: Host is needed all the same"},
    {STR_INIT("GET /% HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "3986 2.1: two digits"},
    {STR_INIT("GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "3986 2.1: two digits"},
    {STR_INIT("GET /%4g HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "3986 2.1: hexadecimal digits"},
    {STR_INIT("GET /%g4 HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "3986 2.1: hexadecimal digits"},
    {STR_INIT("GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "3986 7.3: NUL"},

    {STR_INIT(GET "X: b\n"), 400, "9112 2.2: a bare LF"},
    {STR_INIT(GET "X: b\rc\r\n\r\n"), 400, "9112 2.2: a bare CR"},
    {STR_INIT(GET "X: b\r\r\n\r\n"), 400, "9112 2.2: a bare CR"},
    {STR_INIT(GET "X: b\0c\r\n\r\n"), 400, "9110 5.5: NUL"},
    {STR_INIT(GET "\rX: b\r\n\r\n"), 400, "9112 2.2: a bare CR in front of a field"},
    {STR_INIT(GET "X : b\r\n\r\n"), 400, "9112 5.1: a blank before the colon"},
    {STR_INIT(GET "X\t: b\r\n\r\n"), 400, "9112 5.1: a tab before the colon"},
    {STR_INIT(GET "X: b\r\n c\r\n\r\n"), 400, "9112 5.2: a folded line"},
    {STR_INIT(GET "X: b\r\n\tc: d\r\n\r\n"), 400, "9112 5.2: a folded line"},
    {STR_INIT(LINE " Host: a\r\n\r\n"), 400, "9112 2.2: a blank before the first field"},
    {STR_INIT(GET ": b\r\n\r\n"), 400, "9110 5.1: no name"},
    {STR_INIT(GET "X\r\n\r\n"), 400, "9112 5: no colon"},

    {STR_INIT(LINE END), 400, "9112 3.2: no Host"},
    {STR_INIT(GET "Host: a\r\n\r\n"), 400, "9112 3.2: two"},
    {STR_INIT(GET "Host: b\r\n\r\n"), 400, "9112 3.2: two"},
    {STR_INIT("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), 400, "9112 3.2: two"},
    {STR_INIT(LINE "Host: a b\r\n\r\n"), 400, "3986 3.2.2: a blank"},
    {STR_INIT(LINE "Host: a%zz\r\n\r\n"), 400, "3986 2.1: hexadecimal digits"},
    {STR_INIT(LINE "Host: a%2\r\n\r\n"), 400, "3986 2.1: two digits"},
    {STR_INIT(LINE "Host: a%00\r\n\r\n"), 400, "3986 7.3: NUL"},
    {STR_INIT(LINE "Host: a:8o\r\n\r\n"), 400, "3986 3.2.3: digits"},
    {STR_INIT(LINE "Host: a:80:80\r\n\r\n"), 400, "3986 3.2.3: one port"},
    {STR_INIT(LINE "Host: [::1\r\n\r\n"), 400, "3986 3.2.2: no end"},
    {STR_INIT(LINE "Host: []\r\n\r\n"), 400, "3986 3.2.2: nothing inside"},
    {STR_INIT(LINE "Host: [::g]\r\n\r\n"), 400, "3986 3.2.2: no hexadecimal digit"},
    {STR_INIT(LINE "Host: [::1]a\r\n\r\n"), 400, "3986 3.2.2: something behind"},
    {STR_INIT("GET http://b/ HTTP/1.1\r\nHost: a b\r\n\r\n"), 400, "9112 3.2: Host is wrong"},

    {STR_INIT(POST "Content-Length: -1\r\n\r\n"), 400, "9110 8.6: a sign"},
    {STR_INIT(POST "Content-Length: +5\r\n\r\n"), 400, "9110 8.6: a sign"},
    {STR_INIT(POST "Content-Length: 0x10\r\n\r\n"), 400, "9110 8.6: decimal digits"},
    {STR_INIT(POST "Content-Length: 1_0\r\n\r\n"), 400, "9110 8.6: digits"},
    {STR_INIT(POST "Content-Length: 5.0\r\n\r\n"), 400, "9110 8.6: digits"},
    {STR_INIT(POST "Content-Length: 5 5\r\n\r\n"), 400, "9110 8.6: a blank inside"},
    {STR_INIT(POST "Content-Length: 5\t5\r\n\r\n"), 400, "9110 8.6: a tab inside"},
    {STR_INIT(POST "Content-Length: 5,5\r\n\r\n"), 400, "9110 8.6: a list"},
    {STR_INIT(POST "Content-Length: 5;\r\n\r\n"), 400, "9110 8.6: digits"},
    {STR_INIT(POST "Content-Length:\r\n\r\n"), 400, "9110 8.6: empty"},
    {STR_INIT(POST "Content-Length : 5\r\n\r\n"), 400, "9112 5.1: a blank before the colon"},
    {STR_INIT(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"), 400, "9110 8.6: two"},
    {STR_INIT(POST "Content-Length: 0\r\ncontent-length: 5\r\n\r\n"), 400, "9112 6.3: two"},
    {STR_INIT(POST "Content-Length: 2147483648\r\n\r\n"), 413, "9110 8.6: 2^31"},
    {STR_INIT(POST "Content-Length: 4294967301\r\n\r\n"), 413, "9110 8.6: 2^32 + 5"},
    {STR_INIT(POST "Content-Length: 9223372036854775808\r\n\r\n"), 413, "9110 8.6: 2^63"},
    {STR_INIT(POST "Content-Length: 18446744073709551616\r\n\r\n"), 413, "9110 8.6: 2^64"},
    {STR_INIT(POST "Content-Length: 18446744073709551621\r\n\r\n"), 413, "9110 8.6: 2^64 + 5"},
    {STR_INIT(POST "Content-Length: 100000000000000000000000000005\r\n\r\n"), 413,
     "9110 8.6: 30 digits"},

    {STR_INIT(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), 400,
     "9112 6.1: both, which is how requests are smuggled"},
    {STR_INIT(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"), 400, "9112 6.1"},
    {STR_INIT(POST "Transfer-Encoding: x\r\nContent-Length: 5\r\n\r\n"), 400, "9112 6.1"},
    {STR_INIT("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400,
     "9112 6.1: HTTP/1.0 has no codings"},
    {STR_INIT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), 400,
     "9112 6.1: chunked once"},
    {STR_INIT(POST "Transfer-Encoding : chunked\r\n\r\n"), 400,
     "9112 5.1: a blank before the colon"},
    {STR_INIT(POST "Transfer-Encoding: \vchunked\r\n\r\n"), 400, "9110 5.5: a control character"},
    {STR_INIT(POST "Transfer-Encoding: chunked, chunked\r\n\r\n"), 501, "9112 6.1: chunked once"},
    {STR_INIT(POST "Transfer-Encoding: ,chunked\r\n\r\n"), 501, "9112 6.1: chunked and no more"},
    {STR_INIT(POST "Transfer-Encoding: chunked;q=1\r\n\r\n"), 501, "9112 6.1: chunked and no more"},
    {STR_INIT(POST "Transfer-Encoding: \"chunked\"\r\n\r\n"), 501, "9112 6.1: chunked and no more"},
    {STR_INIT(POST "Transfer-Encoding: xchunked\r\n\r\n"), 501, "9112 6.1: an unknown coding"},
    {STR_INIT(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), 501, "9112 6.1: an unknown coding"},
    {STR_INIT(POST "Transfer-Encoding: identity\r\n\r\n"), 501, "9112 6.1: an unknown coding"},
    {STR_INIT(POST "Transfer-Encoding:\r\n\r\n"), 501, "9112 6.1: no coding"},

    {STR_INIT(CHUNKED "\r\n"), 400, "9112 7.1: no size"},
    {STR_INIT(CHUNKED ";a\r\n"), 400, "9112 7.1: no size"},
    {STR_INIT(CHUNKED "0x5\r\n"), 400, "9112 7.1: digits alone"},
    {STR_INIT(CHUNKED "-1\r\n"), 400, "9112 7.1: a sign"},
    {STR_INIT(CHUNKED "+5\r\n"), 400, "9112 7.1: a sign"},
    {STR_INIT(CHUNKED "1z\r\n"), 400, "9112 7.1: no hexadecimal digit"},
    {STR_INIT(CHUNKED " 5\r\n"), 400, "9112 7.1: a blank in front"},
    {STR_INIT(CHUNKED "5 \r\n"), 400, "9112 7.1: a blank behind"},
    {STR_INIT(CHUNKED "5 ;a\r\n"), 400, "9112 7.1.1: a blank before an extension"},
    {STR_INIT(CHUNKED "5\n"), 400, "9112 7.1: a bare LF"},
    {STR_INIT(CHUNKED "5;a\n"), 400, "9112 7.1: a bare LF"},
    {STR_INIT(CHUNKED "5;a\rb\r\n"), 400, "9112 7.1.1: a bare CR"},
    {STR_INIT(CHUNKED "5;a\0\r\n"), 400, "9112 7.1.1: NUL"},
    {STR_INIT(CHUNKED "7fffffff\r\n"), 413, "9112 7.1: 2^31 - 1"},
    {STR_INIT(CHUNKED "80000000\r\n"), 413, "9112 7.1: 2^31"},
    {STR_INIT(CHUNKED "100000005\r\n"), 413, "9112 7.1: 2^32 + 5"},
    {STR_INIT(CHUNKED "FFFFFFFFFFFFFFFF\r\n"), 413, "9112 7.1: 2^64 - 1"},
    {STR_INIT(CHUNKED "10000000000000005\r\n"), 413, "9112 7.1: 2^64 + 5"},
    {STR_INIT(CHUNKED "5\r\nhello0\r\n"), 400, "9112 7.1: no CRLF behind the data"},
    {STR_INIT(CHUNKED "5\r\nhello\n"), 400, "9112 7.1: a bare LF behind the data"},
    {STR_INIT(CHUNKED "5\r\nhello\r0\r\n"), 400, "9112 7.1: a bare CR behind the data"},
    {STR_INIT(CHUNKED "5\r\nhell\r\n0\r\n"), 400, "9112 7.1: less data than announced"},
    {STR_INIT(CHUNKED "5\r\nhello\r\n\r\n"), 400, "9112 7.1: no last chunk"},
    {STR_INIT(CHUNKED "0\r\nX : y\r\n"), 400, "9112 7.1.2: a trailer is a field"},
    {STR_INIT(CHUNKED "0\r\n X: y\r\n"), 400, "9112 7.1.2: a trailer is a field"},
    {STR_INIT(CHUNKED "0\r\nX\r\n"), 400, "9112 7.1.2: a trailer is a field"},
    {STR_INIT(CHUNKED "0\r\nX: \0\r\n"), 400, "9112 7.1.2: a trailer is a field"},
    {STR_INIT(CHUNKED "0\r\n\n"), 400, "9112 7.1: a bare LF"},

    {STR_INIT(POST "Expect: 200-ok\r\n\r\n"), 417, "9110 10.1.1: no such expectation"},
    {STR_INIT(POST "Expect: 100-continue, x\r\n\r\n"), 417, "9110 10.1.1: nor this one"},
    {STR_INIT(POST "Expect:\r\n\r\n"), 417, "9110 10.1.1: nor none"},
};

/* ---- Feeding the parser ---- */

static char *edge; /* the first byte that may not be touched; HTTP_BUFFER bytes lie before it */
static struct http_request req;
static int continues; /* how often a 100 (Continue) was due since the start of the request */

static void make_edge(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t len = (HTTP_BUFFER + page - 1) / page * page;
    int fd = open("/dev/zero", O_RDWR);
    char *pages = mmap(NULL, len + page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (pages == MAP_FAILED || mprotect(pages + len, page, PROT_NONE) < 0) exit(1);
    close(fd);
    edge = pages + len;
}

static void start(void) {
    req.progress = (struct http_progress){0};
    continues = 0;
}

/* One call, for buf[0 .. len). Of the last one nothing is left but the progress. */
static int parse(char *buf, size_t len) {
    struct http_progress progress = req.progress;
    memset(&req, 0x55, sizeof req);
    req.progress = progress;
    int n = http_parse(buf, len, &req);
    continues += req.awaits_continue;
    return n;
}

/* One call, for the first `len` of the bytes, which lie at the edge. */
static int feed(struct str bytes, size_t len) {
    char *buf = edge - len;
    memcpy(buf, bytes.s, len);
    int n = parse(buf, len);
    if (n <= 0) CHECK_CASE(memcmp(buf, bytes.s, len) == 0, "bytes of no whole request are changed");
    return n;
}

static int feed_whole(struct str bytes) {
    start();
    return feed(bytes, bytes.len);
}

/* Feeds the bytes in pieces until there is an answer. */
static int feed_pieces(struct str bytes, size_t piece) {
    int n = 0;
    start();
    for (size_t len = 0; n == 0 && len < bytes.len;) {
        len += bytes.len - len < piece ? bytes.len - len : piece;
        n = feed(bytes, len);
    }
    return n;
}

/* ---- What a request says ---- */

/* Whether a field is told elsewhere: as the host, or by the body. */
static bool is_told(const struct http_field *field) {
    return field->value.s == http_field(&req, STR("Host")).s ||
           field->value.s == http_field(&req, STR("Content-Length")).s ||
           field->value.s == http_field(&req, STR("Transfer-Encoding")).s;
}

/* All that req says, as in the table `accepted`. */
static struct str describe(void) {
    static char room[2 * HTTP_BUFFER];
    struct text out = TEXT(room);
    bool told = false;
    text_add(&out, req.method, STR(" "), req.path);
    if (req.query.len) text_add(&out, STR("?"), req.query);
    text_put(&out, STR(" "));
    if (req.host.len) text_put(&out, req.host);
    text_put(&out, req.minor == 0 ? STR(" 1.0") : req.minor == 1 ? STR(" 1.1") : STR(" 1.?"));
    text_put(&out, req.keep_alive ? STR(" keep") : STR(" close"));
    for (size_t i = 0; i < req.field_count; i++) {
        const struct http_field *field = &req.fields[i];
        if (is_told(field)) continue;
        text_add(&out, told ? STR("[") : STR(" ["), field->name, STR("="), field->value, STR("]"));
        told = true;
    }
    if (req.body.len) text_add(&out, STR(" {"), req.body, STR("}"));
    return text_str(&out);
}

static bool says(const char *expected) { return str_equal(describe(), str_of(expected)); }

/* A request that means the same as req, written from its views: the target in absolute-form, the
 * body with its length. */
static struct str write_again(void) {
    static char room[2048];
    struct text out = TEXT(room);
    text_add(&out, req.method, STR(" "));
    if (req.host.len && req.path.s[0] == '/') text_add(&out, STR("http://"), req.host);
    text_put(&out, req.path);
    if (req.query.len) text_add(&out, STR("?"), req.query);
    text_add(&out, STR(" HTTP/1."), req.minor ? STR("1") : STR("0"), STR("\r\nContent-Length: "));
    text_put_number(&out, req.body.len);
    if (http_field(&req, STR("Host")).s) text_add(&out, STR("\r\nHost: "), req.host);
    for (size_t i = 0; i < req.field_count; i++)
        if (!is_told(&req.fields[i]))
            text_add(&out, STR("\r\n"), req.fields[i].name, STR(": "), req.fields[i].value);
    text_add(&out, STR("\r\n\r\n"), req.body);
    return text_str(&out);
}

/* ---- What holds for every request ---- */

static void test_accepted(void) {
    TEST("what RFC 9112 has a grammar for is accepted, and says what it says") {
        for (size_t i = 0; i < COUNT(accepted); i++) {
            int n = feed_whole(accepted[i].bytes);
            CHECK_CASE(n == (int)accepted[i].bytes.len, accepted[i].why);
            if (n > 0) CHECK_CASE(says(accepted[i].says), accepted[i].why);
        }
    }
    TEST("cut in two anywhere or byte by byte it says the same, and no part of it is a request") {
        for (size_t i = 0; i < COUNT(accepted); i++) {
            const struct accepted *row = &accepted[i];
            int len = (int)row->bytes.len;
            for (size_t cut = 0; cut < row->bytes.len; cut++) {
                start();
                CHECK_CASE(feed(row->bytes, cut) == 0, row->why);
                CHECK_CASE(feed(row->bytes, row->bytes.len) == len && says(row->says), row->why);
            }
            CHECK_CASE(feed_pieces(row->bytes, 1) == len && says(row->says), row->why);
        }
    }
    TEST("what follows a request is not changed, and is the next one") {
        for (size_t i = 0; i < COUNT(accepted); i++) {
            const struct accepted *row = &accepted[i];
            char room[512];
            struct text both = TEXT(room);
            text_add(&both, row->bytes, STR(GET END));
            start();
            CHECK_CASE(parse(both.s, both.len) == (int)row->bytes.len && says(row->says), row->why);
            struct str rest = {both.s + row->bytes.len, both.len - row->bytes.len};
            CHECK_CASE(str_equal(rest, STR(GET END)), row->why);
            CHECK_CASE(parse(both.s + row->bytes.len, rest.len) == (int)rest.len, row->why);
            CHECK_CASE(says("GET / a 1.1 keep"), row->why);
        }
    }
    TEST("written again from what was read, a request says the same") {
        for (size_t i = 0; i < COUNT(accepted); i++) {
            if (feed_whole(accepted[i].bytes) <= 0) continue;
            struct str again = write_again();
            CHECK_CASE(feed_whole(again) == (int)again.len && says(accepted[i].says),
                       accepted[i].why);
        }
    }
    TEST("the request-line is told as it came, without its end") {
        CHECK(feed_whole(STR("\r\nGET http://a/?%41 HTTP/1.9\r\nHost: a\r\n\r\n")) > 0);
        CHECK(str_equal(req.line, STR("GET http://a/?%41 HTTP/1.9")));
    }
}

static void test_refused(void) {
    TEST("what RFC 9112 has no grammar for, or leaves a choice, is refused with its status") {
        for (size_t i = 0; i < COUNT(refused); i++)
            CHECK_CASE(feed_whole(refused[i].bytes) == -refused[i].status, refused[i].why);
    }
    TEST("cut in two anywhere or byte by byte it is refused with the same status") {
        for (size_t i = 0; i < COUNT(refused); i++) {
            const struct refused *row = &refused[i];
            for (size_t cut = 0; cut < row->bytes.len; cut++) {
                start();
                int n = feed(row->bytes, cut);
                if (n == 0) n = feed(row->bytes, row->bytes.len);
                CHECK_CASE(n == -row->status, row->why);
            }
            CHECK_CASE(feed_pieces(row->bytes, 1) == -row->status, row->why);
        }
    }
    TEST("what is refused stays refused, whatever follows") {
        for (size_t i = 0; i < COUNT(refused); i++) {
            const struct refused *row = &refused[i];
            char room[512];
            struct text more = TEXT(room);
            text_put(&more, row->bytes);
            more.len++;
            int wrong = 0;
            for (int byte = 0; byte < 256; byte++) {
                more.s[more.len - 1] = (char)byte;
                wrong += feed_whole(text_str(&more)) != -row->status;
            }
            CHECK_CASE(wrong == 0, row->why);
            text_put(&more, STR("\r\n\r\n" GET END));
            CHECK_CASE(feed_whole(text_str(&more)) == -row->status, row->why);
        }
    }
}

/* Whether `bytes` with `byte` put in at `at`, and another request behind it, is refused, or is
 * whole without that byte: a LF before a LF may as well have come behind it. */
static bool is_harmless(struct str bytes, size_t at, char byte) {
    char room[512];
    struct text changed = TEXT(room);
    text_add(&changed, (struct str){bytes.s, at}, (struct str){&byte, 1});
    text_add(&changed, (struct str){bytes.s + at, bytes.len - at}, STR(GET END));
    int n = feed_whole(text_str(&changed));
    return n < 0 || (n == (int)bytes.len && memcmp(changed.s, bytes.s, bytes.len) == 0);
}

/* Whether a request is one still with this byte in place of another. */
static bool takes_byte(struct str request, size_t at, char byte) {
    char room[512];
    struct text changed = TEXT(room);
    text_put(&changed, request);
    changed.s[at] = byte;
    return feed_whole(text_str(&changed)) > 0;
}

static void test_stray_bytes(void) {
    struct str plain = STR("GET http://a/b?c HTTP/1.1\r\nHost: a\r\nX-A: b\r\nConnection:\r\n\r\n");
    struct str chunked = STR("5;a=b\r\nhello\r\n0\r\nX-T: 1\r\n\r\n");
    TEST(
        "any place of a field's value may hold a tab, a blank, or a byte that is seen (9110 5.5)") {
        struct str low = STR(GET "X:abcdefghijklmnopqrstuvwxyz\r\n\r\n");
        struct str high = STR(GET "X:\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\r\n\r\n");
        size_t start = sizeof GET "X:" - 1;
        int wrong = 0;
        for (size_t at = 0; at < 13; at++)
            for (int byte = 0; byte < 256; byte++) {
                bool valid = byte == '\t' || (byte >= ' ' && byte != 0x7f);
                wrong += takes_byte(low, start + at, (char)byte) != valid;
                wrong += takes_byte(high, start + at, (char)byte) != valid;
            }
        CHECK(wrong == 0);
    }
    TEST("a CR, a LF or a NUL too many makes any part of a head invalid (9112 2.2, 9110 5.5)") {
        for (size_t at = 0; at <= plain.len; at++)
            CHECK(is_harmless(plain, at, '\r') && is_harmless(plain, at, '\n') &&
                  is_harmless(plain, at, '\0'));
    }
    TEST("so it does with any part of a chunked body (9112 7.1)") {
        char room[512];
        struct text text = TEXT(room);
        text_add(&text, STR(CHUNKED), chunked);
        for (size_t at = text.len - chunked.len; at <= text.len; at++)
            CHECK(is_harmless(text_str(&text), at, '\r') &&
                  is_harmless(text_str(&text), at, '\n') && is_harmless(text_str(&text), at, '\0'));
    }
}

#define ALNUM   "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define SUBDELS "!$&'()*+,;="
#define TEXTUAL ALNUM "\t !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

static void test_every_byte(void) {
    static const struct {
        const char *before, *behind, *allowed, *where;
        bool over_0x7f;
    } places[] = {
        {"", " / HTTP/1.1\r\nHost: a\r\n\r\n", ALNUM "!#$%&'*+-.^_`|~", "a method: 9110 9.1",
         false},
        {"GET /?", " HTTP/1.1\r\nHost: a\r\n\r\n", ALNUM SUBDELS "-._~%:@/?[]",
         "a target: 3986 2, 3.4", false},
        {LINE "Host: a", "20\r\n\r\n", ALNUM SUBDELS "-._~%:", "a host: 3986 3.2.2", false},
        /* a colon ends the name */
        {GET "X", "X: b\r\n\r\n", ALNUM "!#$%&'*+-.^_`|~:", "a name: 9110 5.1", false},
        {GET "X: a", "b\r\n\r\n", TEXTUAL, "a value: 9110 5.5", true},
        /* of which eight bytes may be looked at together */
        {GET "X:", "bbbbbbbbbbbbbbbbbbbbbb\r\n\r\n", TEXTUAL, "a value: its first byte", true},
        {GET "X:bbbbbbb", "bbbbbbbbbbbbbbb\r\n\r\n", TEXTUAL, "a value: the eighth byte", true},
        {GET "X:bbbbbbbb", "bbbbbbbbbbbbbb\r\n\r\n", TEXTUAL, "a value: the ninth byte", true},
        {CHUNKED "1;a", "\r\na\r\n0\r\n\r\n", TEXTUAL, "a chunk's extension: 9112 7.1.1", true},
    };
    TEST("each of the 256 bytes is accepted where the grammar has it, and nowhere else") {
        for (size_t i = 0; i < COUNT(places); i++) {
            int wrong = 0;
            for (int byte = 0; byte < 256; byte++) {
                char room[256];
                struct text text = TEXT(room);
                text_add(&text, str_of(places[i].before), (struct str){&(char){(char)byte}, 1},
                         str_of(places[i].behind));
                bool allowed =
                    byte > 0x7f ? places[i].over_0x7f : byte && strchr(places[i].allowed, byte);
                wrong += (feed_whole(text_str(&text)) > 0) != allowed;
            }
            CHECK_CASE(wrong == 0, places[i].where);
        }
    }
}

/* ---- Reading nothing again and again ---- */

static size_t head_length(struct str bytes) {
    size_t len = 4;
    while (len < bytes.len && memcmp(bytes.s + len - 4, "\r\n\r\n", 4) != 0) len++;
    return len;
}

/* Feeds byte by byte, but shows the parser each byte only in the call that brings it, in the one
 * that ends its line, in the one that ends the head, and in the last one. In all others there are
 * line feeds in its place, which would be taken for bare ones. */
static int feed_hidden(struct str bytes) {
    char *buf = edge - bytes.len;
    size_t head = head_length(bytes), line = 0, shown;
    int n = 0;
    start();
    for (size_t i = 0; n == 0 && i < bytes.len; i++) {
        shown = bytes.s[i] == '\n' ? line : i;
        if (i + 1 == head || i + 1 == bytes.len) shown = 0;
        memset(buf, '\n', shown);
        memcpy(buf + shown, bytes.s + shown, i + 1 - shown);
        n = parse(buf, i + 1);
        if (bytes.s[i] == '\n') line = i + 1;
    }
    return n;
}

/* before, as many times `piece` as fit into 2048 bytes with what is before and behind, behind. */
static bool is_read_once(struct str before, struct str piece, struct str behind) {
    static char room[2048];
    struct text text = TEXT(room);
    text_put(&text, before);
    while (text.room - text.len >= piece.len + behind.len) text_put(&text, piece);
    text_put(&text, behind);
    return feed_hidden(text_str(&text)) == (int)text.len;
}

/* This counts steps instead of seconds: where every byte is read in four calls at most, what N
 * bytes cost that come one at a time grows with N and not with its square. */
static void test_steps(void) {
    TEST("bytes that come one at a time are read in four calls at most, each of them") {
        for (size_t i = 0; i < COUNT(accepted); i++) {
            const struct accepted *row = &accepted[i];
            CHECK_CASE(feed_hidden(row->bytes) == (int)row->bytes.len && says(row->says), row->why);
        }
        for (size_t i = 0; i < COUNT(refused); i++)
            CHECK_CASE(feed_hidden(refused[i].bytes) == -refused[i].status, refused[i].why);
    }
    TEST("that holds for long lines, long bodies, and many chunks and trailers") {
        CHECK(is_read_once(STR("GET /"), STR("a"), STR(" HTTP/1.1\r\nHost: a\r\n\r\n")));
        CHECK(is_read_once(STR(GET "X: "), STR("a"), STR("\r\n\r\n")));
        CHECK(is_read_once(STR(GET "X: a\r\n"), STR("a"), STR(": b\r\n\r\n")));
        CHECK(is_read_once(STR(POST "Content-Length: 1998\r\n\r\n"), STR("a"), STR("")));
        CHECK(is_read_once(STR(CHUNKED), STR("1\r\na\r\n"), STR("0\r\n\r\n")));
        CHECK(is_read_once(STR(CHUNKED "1;"), STR("a"), STR("\r\na\r\n0\r\n\r\n")));
        CHECK(is_read_once(STR(CHUNKED), STR("1;aaaaaaaaaaaaaaaa\r\na\r\n"), STR("0\r\n\r\n")));
        CHECK(is_read_once(STR(CHUNKED "0\r\n"), STR("X:a\r\n"), STR("\r\n")));
    }
}

/* ---- Limits ---- */

/* `before`, `behind`, and between them what makes a request of `len` bytes. */
static struct str stretched(const char *before, const char *behind, size_t len) {
    static char room[HTTP_BUFFER + 64];
    struct text text = TEXT(room);
    text_put(&text, str_of(before));
    while (text.len + strlen(behind) < len) text_put(&text, STR("a"));
    text_put(&text, str_of(behind));
    return text_str(&text);
}

/* The answer to the bytes, as far as the buffer holds them; 1 where it is another in pieces. */
static int answer_to(struct str bytes) {
    if (bytes.len > HTTP_BUFFER) bytes.len = HTTP_BUFFER;
    int n = feed_whole(bytes);
    return feed_pieces(bytes, 97) == n ? n : 1;
}

/* Whether this request may grow until it fills the buffer, and is refused beyond that. */
static bool may_fill(const char *before, const char *behind, int status) {
    return answer_to(stretched(before, behind, HTTP_BUFFER - 1)) == HTTP_BUFFER - 1 &&
           answer_to(stretched(before, behind, HTTP_BUFFER)) == HTTP_BUFFER &&
           answer_to(stretched(before, behind, HTTP_BUFFER + 1)) == -status;
}

static void test_head_limits(void) {
    TEST("a head fills the buffer, whichever part of it is long, and no more: 431 (9110 5.4)") {
        CHECK(may_fill("", " / HTTP/1.1\r\nHost: a\r\n\r\n", 431));
        CHECK(may_fill("GET /", " HTTP/1.1\r\nHost: a\r\n\r\n", 431));
        CHECK(may_fill("GET /?", " HTTP/1.1\r\nHost: a\r\n\r\n", 431));
        CHECK(may_fill(LINE "Host: ", "\r\n\r\n", 431));
        CHECK(may_fill(GET, ": b\r\n\r\n", 431));
        CHECK(may_fill(GET "X: ", "\r\n\r\n", 431));
    }
    TEST("a request-line that does not fit is 414, and what does not fit behind it 431 (9112 3)") {
        CHECK(answer_to(stretched("GET /", "", HTTP_BUFFER - 1)) == 0);
        CHECK(answer_to(stretched("GET /", "\r\n", HTTP_BUFFER)) == -431);
        CHECK(answer_to(stretched("GET /", "\r\n", HTTP_BUFFER + 1)) == -414);
        CHECK(answer_to(stretched("\r\nGET /", "", HTTP_BUFFER)) == -414);
    }
    TEST("a head has HTTP_FIELDS fields at most: 431 (6585 5)") {
        for (size_t count = HTTP_FIELDS - 1; count <= HTTP_FIELDS + 1; count++) {
            char room[1024];
            struct text text = TEXT(room);
            text_put(&text, STR(GET));
            for (size_t i = 1; i < count; i++) text_put(&text, STR("a:b\r\n"));
            text_put(&text, STR(END));
            int n = answer_to(text_str(&text));
            CHECK(n == (count <= HTTP_FIELDS ? (int)text.len : -431));
            CHECK(n < 0 || req.field_count == count);
        }
    }
}

/* A request of `len` bytes with a body that Content-Length, or the size of its one chunk, tells. */
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

static void test_body_limits(void) {
    for (int chunked = 0; chunked <= 1; chunked++) {
        TEST("head and body fill the buffer and no more: 413, as soon as that is known") {
            CHECK(answer_to(with_body(chunked, HTTP_BUFFER - 1)) == HTTP_BUFFER - 1);
            CHECK(answer_to(with_body(chunked, HTTP_BUFFER)) == HTTP_BUFFER);
            CHECK(answer_to(with_body(chunked, HTTP_BUFFER + 1)) == -413);
            /* the chunk's data alone would end behind the buffer */
            struct str bytes = with_body(chunked, HTTP_BUFFER + (chunked ? 8 : 1));
            bytes.len = head_length(bytes) + (chunked ? strlen("00000000\r\n") : 0);
            CHECK(answer_to(bytes) == -413);
        }
    }
    TEST("so do chunks of one byte, extensions and trailers, however many (9112 7.1.1)") {
        CHECK(may_fill(CHUNKED "1;", "\r\na\r\n0\r\n\r\n", 413));
        CHECK(may_fill(CHUNKED "0\r\n", ": b\r\n\r\n", 413));
        CHECK(may_fill(CHUNKED "0\r\nX: ", "\r\n\r\n", 413));
        static char room[HTTP_BUFFER];
        struct text text = TEXT(room);
        text_put(&text, STR(CHUNKED));
        while (!text.cut) text_put(&text, STR("1;a=b\r\na\r\n"));
        text.cut = false;
        while (!text.cut) text_put(&text, STR("0"));
        CHECK(answer_to(text_str(&text)) == -413);
    }
}

/* ---- What handlers ask of a request ---- */

/* Reads a request with these field lines before its Host: a. */
static bool read_fields(const char *fields) {
    static char room[HTTP_BUFFER]; /* req's views stay in it */
    struct text text = TEXT(room);
    text_add(&text, STR(LINE), str_of(fields), STR("Host: a\r\n\r\n"));
    start();
    int n = parse(text.s, text.len);
    if (text.cut || n != (int)text.len) return false;
    /* what an earlier request may have left there */
    req.fields[req.field_count] = (struct http_field){STR("Cookie"), STR("session_id=left")};
    return true;
}

static bool is_text(struct str s, const char *expected) {
    if (!expected) return s.s == NULL && s.len == 0;
    return s.s && str_equal(s, str_of(expected));
}

static void test_expect(void) {
    struct str expecting = STR(POST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello");
    TEST("a 100 (Continue) is due once, when the head has come, however it is cut (9110 10.1.1)") {
        CHECK(feed_whole(expecting) > 0 && continues == 1);
        CHECK(feed_pieces(expecting, 1) > 0 && continues == 1);
        start();
        CHECK(feed(expecting, expecting.len - 5) == 0 && continues == 1);
        CHECK(feed(expecting, expecting.len - 1) == 0 && continues == 1);
    }
    TEST("it is due for a single byte and for a chunked body too") {
        CHECK(feed_whole(STR(POST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n")) == 0);
        CHECK(continues == 1);
        CHECK(feed_whole(STR(POST "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")) ==
              0);
        CHECK(continues == 1);
    }
    TEST("it is due before a body that turns out to be wrong, however that is cut") {
        struct str wrong =
            STR(POST "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n");
        CHECK(feed_whole(wrong) == -400 && continues == 1);
        CHECK(feed_pieces(wrong, 1) == -400 && continues == 1);
    }
    TEST("it is not due where no body comes, where none was asked for, and in HTTP/1.0") {
        CHECK(feed_whole(STR(GET "Expect: 100-continue\r\n\r\n")) > 0 && continues == 0);
        CHECK(feed_whole(STR(POST "Content-Length: 5\r\n\r\n")) == 0 && continues == 0);
        CHECK(feed_whole(STR("POST / HTTP/1.0\r\nExpect: 100-continue\r\n"
                             "Content-Length: 5\r\n\r\n")) == 0 &&
              continues == 0);
    }
}

static void test_fields(void) {
    TEST("a field is found by its name in any case, the first of several (9110 5.1)") {
        CHECK(read_fields("X-A: 1\r\nx-a: 2\r\nX-Empty:\r\nZ^: 3\r\n"));
        CHECK(is_text(http_field(&req, STR("x-A")), "1"));
        CHECK(is_text(http_field(&req, STR("X-Empty")), ""));
        CHECK(is_text(http_field(&req, STR("z^")), "3"));
        CHECK(is_text(http_field(&req, STR("Z~")), NULL)); /* they differ in the bit of case */
        CHECK(is_text(http_field(&req, STR("Cookie")), NULL));
        CHECK(is_text(http_field(&req, STR("X")), NULL));
        CHECK(is_text(http_field(&req, STR("X-AB")), NULL));
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
        {"Cookie: a=b;session_id=x;c\r\n", "x", "without the blank, as servers take it"},
        {"Cookie: ;;=; session_id = x ;\r\n", "x", "6265bis 5.6: blanks around are no part"},
        {"Cookie: Session_id=x\r\n", NULL, "6265bis 4.1.1: case counts"},
        {"Cookie: xsession_id=x; session_idx=x\r\n", NULL, "the exact name"},
        {"Cookie: session_id\r\n", NULL, "6265bis 5.6: a value without a name"},
        {"Cookie: session_id=\r\n", "", "an empty value"},
        {"Cookie: session_id=a=b\r\n", "a=b", "6265bis 5.6: the first = counts"},
        {"Cookie: session_id=\"x\"\r\n", "\"x\"", "6265bis 4.1.1: quotes are part of the value"},
        {"Cookie: a=\"b; session_id=x\"\r\n", "x\"", "6265bis 5.6: quotes protect nothing"},
        {"Cookie: session_id=x; session_id=y\r\n", "y", "the last of equal names"},
        {"Cookie: session_id=x\r\nCookie: session_id=y\r\n", "y", "the last of two fields"},
        {"Cookie: session_id=x\r\nCookie: a=b\r\n", "x", "either field"},
        {"Cookies: session_id=x\r\nX-Cookie: session_id=x\r\n", NULL, "other fields"},
    };
    TEST("a cookie is found by its exact name, and the last of equal names counts (6265bis)") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            CHECK_CASE(read_fields(cases[i].fields), cases[i].why);
            CHECK_CASE(is_text(http_cookie(&req, STR("session_id")), cases[i].value), cases[i].why);
        }
    }
    TEST("a cookie may be half as long as the buffer") {
        static char line[HTTP_BUFFER / 2 + 100], *value;
        strcpy(line, "Cookie: a=b; session_id=");
        value = line + strlen(line);
        memset(value, 'x', HTTP_BUFFER / 2);
        strcpy(value + HTTP_BUFFER / 2, "; c=d\r\n");
        CHECK(read_fields(line));
        struct str found = http_cookie(&req, STR("session_id"));
        CHECK(found.len == HTTP_BUFFER / 2 && memcmp(found.s, value, found.len) == 0);
    }
}

static void test_paths(void) {
    static const struct {
        const char *target, *path, *query;
    } cases[] = {
        {"/home", "/home", ""},
        {"/%68om%65?%68", "/home", "%68"},
        {"/a%2Fb%2fc", "/a%2Fb%2fc", ""}, /* 3986 2.2: a slash that is data is no separator */
        {"/%25", "/%", ""},
        {"/%252541", "/%2541", ""}, /* 3986 2.4: decoded once */
        {"/%c3%A9%0d%0a%01%7F", "/\xc3\xa9\r\n\x01\x7f", ""},
        {"/%3F?a", "/?", "a"},
        {"/a+b", "/a+b", ""},
        {"http://b?%41", "/", "%41"},
    };
    TEST("a path's escapes are decoded once, a slash's not, and the query stays (3986 2)") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            char room[128];
            struct text text = TEXT(room);
            text_add(&text, STR("GET "), str_of(cases[i].target),
                     STR(" HTTP/1.1\r\nHost: a\r\n\r\n"));
            start();
            CHECK_CASE(parse(text.s, text.len) == (int)text.len, cases[i].target);
            http_decode_path(&req);
            CHECK_CASE(is_text(req.path, cases[i].path), cases[i].target);
            CHECK_CASE(is_text(req.query, cases[i].query), cases[i].target);
        }
    }
}

static void test_cross_site(void) {
    static const struct {
        const char *fields;
        bool cross;
        const char *why;
    } cases[] = {
        {"", false, "no browser"},
        {"Sec-Fetch-Site: same-origin\r\n", false, "our own page"},
        {"Sec-Fetch-Site: none\r\n", false, "the user, not a page"},
        {"Sec-Fetch-Site: same-site\r\n", true, "a neighbour's page"},
        {"Sec-Fetch-Site: cross-site\r\n", true, "a stranger's page"},
        {"Sec-Fetch-Site:\r\n", true, "no value that we know"},
        {"Sec-Fetch-Site: same-origin\r\nOrigin: http://b\r\n", false, "Sec-Fetch-Site counts"},
        {"Sec-Fetch-Site: cross-site\r\nOrigin: http://a\r\n", true, "Sec-Fetch-Site counts"},
        {"Origin: http://a\r\n", false, "our own host"},
        {"Origin: https://A\r\n", false, "6454 5: in any case, and TLS may end before us"},
        {"Origin: http://b\r\n", true, "another host"},
        {"Origin: http://a:8080\r\n", true, "another port"},
        {"Origin: http://ab\r\n", true, "a longer name"},
        {"Origin: http://b/a\r\n", true, "no origin"},
        {"Origin: null\r\n", true, "6454 7: a page that hides its origin"},
        {"Origin: a\r\n", true, "no origin"},
        {"Origin:\r\n", true, "no origin"},
        {"Origin: ://\r\n", true, "no origin"},
        {"Origin: ://a\r\n", true, "no scheme"},
        {"Origin: http:/.a\r\n", true, "no origin"},
    };
    TEST("a browser's request for another site's page is known by Sec-Fetch-Site, else by Origin") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            CHECK_CASE(read_fields(cases[i].fields), cases[i].why);
            CHECK_CASE(http_is_cross_site(&req) == cases[i].cross, cases[i].why);
        }
    }
    TEST("the port is part of the host, and the target's host counts before Host") {
        CHECK(feed_whole(STR(LINE "Host: a:80\r\nOrigin: http://a:80\r\n\r\n")) > 0);
        CHECK(!http_is_cross_site(&req));
        CHECK(feed_whole(STR("GET http://b/ HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\n\r\n")) > 0);
        CHECK(http_is_cross_site(&req));
    }
}

/* ---- Responses ---- */

static void test_numbers(void) {
    TEST("numbers are written in full, from the least to the greatest there is") {
        char room[64];
        struct text out = TEXT(room);
        text_put_number(&out, 0);
        text_put_number(&out, UINT64_MAX);
        text_put_hex(&out, 0);
        text_put_hex(&out, UINT32_MAX);
        CHECK(str_equal(text_str(&out), STR("0184467440737095516150ffffffff")));
    }
}

static struct http_response res;

/* The answer to the request in `bytes`, with one field more where `value` is not NULL. */
static struct str respond(struct str bytes, int status, struct str value, struct str body) {
    static char room[HTTP_RESPONSE];
    struct text out = TEXT(room);
    CHECK(feed_whole(bytes) > 0);
    memset(&res, 0x55, sizeof res);
    http_begin_response(&res, &req);
    res.status = status;
    if (value.s) http_add_field(&res, STR("X-A"), value);
    text_put(&res.body, body);
    http_write(&out, &res, STR("Mon, 23 Nov 2026 11:39:41 GMT"));
    CHECK(!out.cut);
    return text_str(&out);
}

#define DATE  "\r\nDate: Mon, 23 Nov 2026 11:39:41 GMT\r\n"
#define FIXED DATE "Content-Type: application/json\r\nCache-Control: no-store\r\n"

static void test_responses(void) {
    static const struct {
        struct str request;
        int status;
        struct str value, body;
        const char *response, *why;
    } cases[] = {
        {STR_INIT(GET END),
         200,
         {NULL, 0},
         STR_INIT("{}"),
         "HTTP/1.1 200 OK" FIXED "Content-Length: 2\r\n\r\n{}",
         "9112 4"},
        {STR_INIT(GET END), 401, STR_INIT("b c"), STR_INIT(""),
         "HTTP/1.1 401 Unauthorized" FIXED "Content-Length: 0\r\nX-A: b c\r\n\r\n", "a field more"},
        {STR_INIT("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"), 200, STR_INIT("b"), STR_INIT("0123456789"),
         "HTTP/1.1 200 OK" FIXED "Content-Length: 10\r\nX-A: b\r\n\r\n",
         "9110 9.3.2: the length that GET would have, and no body"},
        {STR_INIT(GET "Connection: close\r\n\r\n"),
         404,
         {NULL, 0},
         STR_INIT("{}"),
         "HTTP/1.1 404 Not Found" FIXED "Content-Length: 2\r\nConnection: close\r\n\r\n{}",
         "9112 9.6: who closes says so"},
        {STR_INIT("GET / HTTP/1.0\r\n\r\n"),
         200,
         {NULL, 0},
         STR_INIT("{}"),
         "HTTP/1.1 200 OK" FIXED "Content-Length: 2\r\nConnection: close\r\n\r\n{}",
         "9110 6.2: our own version; 9112 9.3: HTTP/1.0 closes"},
        {STR_INIT("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
         200,
         {NULL, 0},
         STR_INIT("{}"),
         "HTTP/1.1 200 OK" FIXED "Content-Length: 2\r\nConnection: keep-alive\r\n\r\n{}",
         "9112 9.3: where HTTP/1.0 asked for more"},
        {STR_INIT(GET END), 200, STR_INIT("b\r\nX-B: c\n\0\x1b\x7f\t\x80"), STR_INIT(""),
         "HTTP/1.1 200 OK" FIXED "Content-Length: 0\r\n"
         "X-A: b  X-B: c    \t\x80\r\n\r\n",
         "9110 5.5: no value ends its line"},
    };
    TEST("a response is these bytes and no others") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct str response =
                respond(cases[i].request, cases[i].status, cases[i].value, cases[i].body);
            CHECK_CASE(is_text(response, cases[i].response), cases[i].why);
        }
    }
    TEST("a field's value may come in pieces") {
        respond(STR(GET END), 200, (struct str){NULL, 0}, STR(""));
        http_add_field(&res, STR("X"), STR("b"), STR(""), STR("\r\nc"));
        http_add_field(&res, STR("Y"), STR(""));
        CHECK(is_text(text_str(&res.extra), "X: b  c\r\nY: \r\n"));
    }
}

static void test_statuses(void) {
    static const char *const statuses[] = {
        "200 OK",
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "405 Method Not Allowed",
        "408 Request Timeout",
        "413 Content Too Large",
        "414 URI Too Long",
        "417 Expectation Failed",
        "429 Too Many Requests",
        "431 Request Header Fields Too Large",
        "500 Internal Server Error",
        "501 Not Implemented",
        "505 HTTP Version Not Supported",
    };
    TEST("a status has the phrase of its RFC (9110 15, 6585), and one that we do not know is 500") {
        for (size_t i = 0; i < COUNT(statuses); i++)
            CHECK_CASE(is_text(http_status(atoi(statuses[i])), statuses[i]), statuses[i]);
        CHECK(is_text(http_status(299), "500 Internal Server Error"));
    }
}

static void test_response_limits(void) {
    static char large[HTTP_BODY + 1];
    struct str extra = {large, HTTP_EXTRA - strlen("X-A: \r\n")}, none = {NULL, 0};
    memset(large, 'a', sizeof large);
    TEST("a field that does not fit into HTTP_EXTRA is left out whole, and others find room") {
        for (size_t more = 0; more <= 2; more++) {
            struct str value = {large, extra.len - 1 + more};
            respond(STR(GET END), 200, value, STR(""));
            CHECK(res.extra.len == (more < 2 ? HTTP_EXTRA - 1 + more : 0));
        }
        http_add_field(&res, STR("X-A"), STR("b"));
        CHECK(is_text(text_str(&res.extra), "X-A: b\r\n"));
        respond(STR(GET END), 200, (struct str){large, extra.len - 50}, STR("body"));
        memset(res.extra.s + res.extra.len, 0, 50);
        http_add_field(&res, STR("X-B"), (struct str){large, 40}, (struct str){large, 40});
        CHECK(res.extra.len == HTTP_EXTRA - 50 && is_text(text_str(&res.body), "body"));
        CHECK(!memchr(res.extra.s + res.extra.len, 'a', 50)); /* it is wiped: it may be a secret */
    }
    TEST("the longest response of all fits HTTP_RESPONSE") {
        struct str body = {large, HTTP_BODY};
        struct str request = STR("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        struct str response = respond(request, 431, extra, body);
        CHECK(!res.body.cut && res.extra.len == HTTP_EXTRA);
        CHECK(response.len > HTTP_EXTRA + HTTP_BODY && response.s[response.len - 1] == 'a');
    }
    TEST("a body has HTTP_BODY bytes at most") {
        respond(STR(GET END), 200, none, (struct str){large, HTTP_BODY + 1});
        CHECK(res.body.cut && res.body.len == 0);
    }
}

int main(void) {
    make_edge();
    test_accepted();
    test_refused();
    test_stray_bytes();
    test_every_byte();
    test_steps();
    test_head_limits();
    test_body_limits();
    test_expect();
    test_fields();
    test_cookies();
    test_paths();
    test_cross_site();
    test_numbers();
    test_responses();
    test_statuses();
    test_response_limits();
    return test_report();
}
