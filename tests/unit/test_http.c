/* test_http.c - tests http.c with tables of requests, each with the rule that makes it valid or
 * invalid, and with properties that hold for all of them. Run it with `make test TEST=http`.
 *
 * "9110 5.5" is section 5.5 of RFC 9110. Only the byte for the sentinel lies between a request and
 * memory that must not be touched, so one byte too many ends the program. Between two calls the
 * bytes move and the whole request is overwritten, because the parser remembers nothing. Limits are
 * computed from HTTP_BUFFER_SIZE, so a build with a smaller one is tested too.
 */
#define _POSIX_C_SOURCE 200809L
#include "http.h"
#include "tests/edge.h"

#define LINE    "GET / HTTP/1.1\r\n"
#define GET     LINE "Host: a\r\n"
#define OLD     "GET / HTTP/1.0\r\n"
#define POST    "POST / HTTP/1.1\r\nHost: a\r\n"
#define EXPECT  "Expect: 100-continue\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define TAIL    " HTTP/1.1\r\nHost: a\r\n\r\n" /* what follows the target */
#define END     "\r\n\r\n"
#define SIZE    HTTP_BUFFER_SIZE

/* ---- Requests ---- */

/* A rule, and its outcome for several requests: those with each of the parts in their middle. */
struct rule {
    const char *name, *outcome, *before, *behind, *parts[12];
};

/* clang-format off */
#define ALONE "", {""} /* for a single request, which is `before` */

/* The outcome is method, target, [other fields], {body}, and what is not as usual: the host is not
 * a, the version not 1.1, the connection closes. */
static const struct rule accepted[] = {
    {"9112 3; 9110 2.5: 1.9 is read as 1.1; 5.1: names in any case; 5.5: blanks", "GET /", "", END,
     {LINE "Host: a", "GET / HTTP/1.9\r\nHost: a", LINE "hOsT:\ta \t"}},
    {"9110 9.1: a method is case-sensitive", "get /", "get /" TAIL, ALONE},
    {"9112 3.2.4: asterisk-form", "OPTIONS *", "OPTIONS *" TAIL, ALONE},
    {"9112 3.2: 1.0 needs no Host; 9.3: it closes", "GET / host= 1.0 close", OLD "\r\n", ALONE},
    {"9112 9.3: HTTP/1.0 closes", "GET / 1.0 close", OLD "Host: a" END, ALONE},

    {"3986 3.4: the first ? counts", "GET /home?a=b?c/d", "GET /home?a=b?c/d" TAIL, ALONE},
    {"an empty query", "GET /home", "GET /home?" TAIL, ALONE},
    {"nothing is normalised", "GET //a/../%2f%0d?%41", "GET //a/../%2f%0d?%41" TAIL, ALONE},
    {"browsers and curl send such", "GET /a|b?{x}=\xc3\xbc\"%,[<^`>]",
     "GET /a|b?{x}=\xc3\xbc\"%,[<^`>]" TAIL, ALONE},
    {"9112 3.2.2: it replaces Host", "GET /home?q host=b", "GET http://b/home?q" TAIL, ALONE},
    {"9110 4.2.3: no path is /; any case", "GET / host=b:80", "GET HTTP://b:80" TAIL, ALONE},
    {"9110 4.2.3: no path is /", "GET /?q host=b", "GET http://b?q" TAIL, ALONE},
    {"3986 3.2.2: an IPv6 address", "GET / host=[::1]:8080", "GET http://[::1]:8080/" TAIL, ALONE},
    {"9112 3.2.2: an https URI", "GET /home host=b https", "GET HTTPS://b/home" TAIL, ALONE},

    {"9112 3.2: Host may be empty", "GET / host=", LINE "Host:" END, ALONE},
    {"3986 3.2.3: a port may be empty", "GET / host=a:", LINE "Host: a:" END, ALONE},
    {"3986 3.2.2: IPv6", "GET / host=[::127.0.0.1]", LINE "Host: [::127.0.0.1]" END, ALONE},
    {"Python and Node send zones", "GET / host=[fe80::1%e0]:80", LINE "Host: [fe80::1%e0]:80" END,
     ALONE},
    {"a zone of one digit", "GET / host=[::1%1]", LINE "Host: [::1%1]" END, ALONE},
    {"3986 3.2.2: a later version", "GET / host=[v1.x]", LINE "Host: [v1.x]" END, ALONE},
    {"3986 3.2.2: a later version", "GET / host=[V1f.x:$]", LINE "Host: [V1f.x:$]" END, ALONE},

    {"9110 5.5: blanks around a value", "GET / [X=b][Y=c\td]", GET "X:b\r\nY: \t c\td \t" END,
     ALONE},
    {"9110 5.5: an empty value", "GET / [X-A=][X-B=]", GET "X-A:\r\nX-B: \t" END, ALONE},
    {"9110 5.3: a name twice", "GET / [X=1][x=2]", GET "X: 1\r\nx: 2" END, ALONE},

    {"9112 6.2: a length; 9110 8.6: it may begin with zeros", "POST / {hello}", POST, "hello",
     {"Content-Length: 5" END, "content-length:\t0005 " END}},
    {"9112 6.3: no body", "POST /", POST, "\r\n",
     {"", "Content-Length: 0\r\n", "Transfer-Encoding: chunked" END "0\r\n"}},
    {"9110 9.3.1: any method may have a body, of any bytes", "GET / {\n\r\n\r}",
     GET "Content-Length: 4" END "\n\r\n\r", ALONE},
    {"9112 7.1: chunks; 7.1.1: extensions and, 9110 6.5.1: trailers are dropped", "POST / {hello}",
     CHUNKED, END, {"5\r\nhello\r\n0", "1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0",
     "5;a;b=c ; d=\"x;\\\"y\"\r\nhello\r\n0;e",
     "5\r\nhello\r\n0\r\nX-T: 1\r\nHost: b\r\nContent-Length: 9"}},
    {"9112 7.1: digits in any case, zeros", "POST / {0123456789hello world}",
     CHUNKED "00a\r\n0123456789\r\n0B\r\nhello world\r\n000" END, ALONE},
    {"9112 7.1: data that looks like the end", "POST / {0\r\n\r\n\r\n}",
     CHUNKED "7\r\n0" END "\r\n\r\n0" END, ALONE},
    {"9112 7: names of codings in any case; 9110 5.6.1: empty elements", "POST / {hello}", POST,
     END "5\r\nhello\r\n0" END, {"tRANSFER-eNCODING: ChUnKeD", "Transfer-Encoding:, chunked ,,"}},

    {"9112 9.6", "GET / close [Connection=close]", GET "Connection: close" END, ALONE},
    {"9110 7.6.1: a list; 5.6.1: empty elements", "GET / close [Connection=x,, CLOSE ,]",
     GET "Connection: x,, CLOSE ," END, ALONE},
    {"9110 5.3: two lines are one list", "GET / close [Connection=x][Connection=close]",
     GET "Connection: x\r\nConnection: close" END, ALONE},
    {"only whole names count", "GET / [Connection=closed][X-Connection=close]",
     GET "Connection: closed\r\nX-Connection: close" END, ALONE},
    {"9112 9.3: close wins", "GET / close [Connection=keep-alive, close]",
     GET "Connection: keep-alive, close" END, ALONE},
    {"9112 9.3: HTTP/1.0 may ask for it", "GET / host= 1.0 [Connection=TE,,Keep-Alive,x]",
     OLD "Connection: TE,,Keep-Alive,x" END, ALONE},
    {"9112 9.3: close wins", "GET / host= 1.0 close [Connection=close, keep-alive]",
     OLD "Connection: close, keep-alive" END, ALONE},

    {"9110 10.1.1: in any case", "POST / [Expect=100-Continue] {hello}",
     POST "Expect: 100-Continue\r\nContent-Length: 5" END "hello", ALONE},
    {"9110 10.1.1: not in 1.0", "GET / host= 1.0 close [Expect=x]", OLD "Expect: x" END, ALONE},
};

/* The outcome is a status. Each request ends with the byte at which it must be refused: the first
 * that the grammar does not allow there; the end of a line whose meaning is wrong; or the end of a
 * head whose fields contradict each other. */
static const struct rule refused[] = {
    {"9112 3: one blank stands between two parts", "400", "", "",
     {" ", "GET  ", "GET\t", "GET /  ", "GET / \r", "GET / HTTP/1.1 "}},
    {"9112 3: a target and a version", "400", "GET", "", {"\r", " /\r", " HTTP/1.1\r"}},
    {"9112 2.2: CR and LF are a pair", "400", "", "",
     {"\n", "\rG", "\r\r", "GET / HTTP/1.1\n", "GET / HTTP/1.1\rH", "GET / HTTP/2.0\rX"}},
    {"9112 2.3: HTTP, a slash, a digit, a point, a digit", "400", "GET / ", "",
     {"h", "HTTPS", "HTTP/x", "HTTP/01", "HTTP/1\r", "HTTP/1,", "HTTP/1.\r", "HTTP/1.x",
      "HTTP/1.32"}},
    {"9110 15.6.6: another major version", "505", "GET / HTTP/", "\r\n", {"0.9", "2.0"}},

    {"9112 3.2: no blank in a target; 3986 3.5: no fragment", "400", "GET /a", "", {" b", "#"}},
    {"9112 3.2: a path, a URI, or * for OPTIONS; no CONNECT", "400", "", " HTTP/1.1\r\n",
     {"GET home", "GET *", "OPTIONS *a", "CONNECT a:80", "GET ftp://a/"}},
    {"9110 4.2: a URI has a host in ASCII, a port of digits, no user", "400", "GET http://",
     " HTTP/1.1\r\n", {"", "/a", ":80/", "\x80/", "u:p@b/", "b:8o/"}},
    {"3986 2.1: an escape has two hexadecimal digits; 7.3: it is not NUL", "400", "GET /",
     " HTTP/1.1\r\n", {"%", "%4", "%4g", "%g4", "a%00b"}},
    {"9112 3.2: with a URI, Host is needed too, and must be right", "400",
     "GET http://b/ HTTP/1.1\r\n", "\r\n", {"", "Host: a b"}},

    {"9112 2.2: CR and LF are a pair", "400", GET, "", {"X: b\n", "X: b\rc", "X: b\r\r", "\rX"}},
    {"9112 5: a name, then a colon; 5.1: no blank between them", "400", GET, "",
     {":", "X\r", "X ", "X\t", "Content-Length ", "Transfer-Encoding "}},
    {"9112 2.2: a line begins with its name; 5.2: it is not folded", "400", LINE, "",
     {" ", "Host: a\r\nX: b\r\n ", "Host: a\r\nX: b\r\n\t"}},

    {"9112 3.2: one Host, even in HTTP/1.0", "400", "", "\r\n",
     {LINE, GET "Host: a", GET "Host: b", OLD "Host: a\r\nHost: a"}},
    {"3986 3.2: a host has no blank, valid escapes, a port of digits", "400", LINE "Host: ", "\r\n",
     {"a b", "a%zz", "a%2", "a%00", "a:8o", "a:80:80"}},
    {"3986 3.2.2: an IPv6 address in brackets, nothing else", "400", LINE "Host: [", "\r\n",
     {"::1", "]", "::g]", "::12345]", "0::0::0::1]", "1:2:3:4:5:6:7]", "127.0.0.1]", "::1]a",
      "1111:2222:3333:4444:5555:6666:7777:255.255.255.255]"}},
    {"a zone follows an address, and has unreserved characters", "400", LINE "Host: [", "\r\n",
     {"::1%]", "::1%e/]", "::1%e!]", "%eth0]"}},
    {"3986 3.2.2: a later version: number, point, address", "400", LINE "Host: [v", "\r\n",
     {".x]", "g.x]", "1.]", "1]", "1.%41]", "1.x/]"}},

    {"9110 8.6: a length is digits", "400", POST "Content-Length:", "\r\n",
     {"", " -1", " +5", " 0x10", " 1_0", " 5.0", " 5 5", " 5\t5", " 5,5", " 5;"}},
    {"9112 6.3: one Content-Length, even if they are equal", "400", POST "Content-Length: ", "\r\n",
     {"5\r\nContent-Length: 5", "0\r\ncontent-length: 5"}},
    {"9110 8.6: 2^31, 2^32+5, 2^63, 2^64, 2^64+5, 30 digits", "413", POST "Content-Length: ", END,
     {"2147483648", "4294967301", "9223372036854775808", "18446744073709551616",
      "18446744073709551621", "100000000000000000000000000005"}},

    {"9112 6.1: a length and a coding, as in request smuggling", "400", POST, END,
     {"Content-Length: 5\r\nTransfer-Encoding: chunked",
      "Transfer-Encoding: chunked\r\nContent-Length: 5",
      "Transfer-Encoding: x\r\nContent-Length: 5"}},
    {"9112 6.1: HTTP/1.0 has no codings", "400", OLD, END, {"Transfer-Encoding: chunked"}},
    {"9112 6.1: chunked stands once; 6.3: it is the last coding", "400",
     POST "Transfer-Encoding: chunked", "\r\n", {", chunked", "\r\nTransfer-Encoding: chunked",
     ", gzip", "\r\nTransfer-Encoding: x"}},
    {"9112 6.3: without chunked nobody knows the length", "400", POST "Transfer-Encoding:", END,
     {"", " , ,", " xchunked", " identity", " chunked;q=1", " \"chunked\""}},
    {"9112 6.1: an unknown coding; 9110 5.3: two lines are one list", "501",
     POST "Transfer-Encoding: gzip", END, {", chunked", "\r\nTransfer-Encoding: ,chunked"}},

    {"9112 7.1: a size is hexadecimal digits", "400", CHUNKED, "",
     {"\r", ";", "-", "+", " ", "0x", "1z", "5 "}},
    {"9112 7.1: 2^31 - 1, 2^31, 2^32 + 5, 2^64 - 1, 2^64 + 5", "413", CHUNKED, "\r\n",
     {"7fffffff", "80000000", "100000005", "FFFFFFFFFFFFFFFF", "10000000000000005"}},
    {"9112 7.1: CR and LF are a pair", "400", CHUNKED, "",
     {"5\n", "5;a\n", "5;a\rb", "5\r\nhello\n", "5\r\nhello\r0", "0\r\n\n"}},
    {"9112 7.1: as much data as was announced, then CRLF and a size", "400", CHUNKED "5\r\n", "",
     {"hello0", "hell\r\n", "hello\r\n\r"}},
    {"9112 7.1.2: a trailer field is a field", "400", CHUNKED "0\r\n", "", {" ", "X ", "X\r"}},
    {"9110 10.1.1: 100-continue is the only expectation", "417", POST "Expect:", "\r\n",
     {"", " 200-ok", " 100-continue, x"}},
};
/* clang-format on */

/* ---- Calling the parser ---- */

static struct http_request req;

/* Parses the first `len` of the bytes, so that buf[len] is the last byte that may be touched.
 * Checks that nothing was changed except a chunked body. */
static int parse_prefix(struct str bytes, size_t len) {
    char *buf = edge - 1 - len;
    memcpy(buf, bytes.s, len);
    edge[-1] = 'a'; /* a byte of every class, where the sentinel must go */
    memset(&req, 0x55, sizeof req);
    int n = http_parse(buf, len, &req);
    size_t end = n > 0 ? (size_t)n : len, unchanged = n > 0 && req.chunked ? req.head_len : end;
    CHECK(memcmp(buf, bytes.s, unchanged) == 0);
    CHECK(memcmp(buf + end, bytes.s + end, len - end) == 0); /* the next request */
    return n;
}

static int parse(struct str bytes) { return parse_prefix(bytes, bytes.len); }

/* Returns whether the description contains this field elsewhere: as the host, or by the body. */
static bool is_shown_elsewhere(const struct http_field *field) {
    return field->value.s == http_find_field(&req, STR("Host")).s ||
           field->value.s == http_find_field(&req, STR("Content-Length")).s ||
           field->value.s == http_find_field(&req, STR("Transfer-Encoding")).s;
}

/* Everything that is in req, as in the table `accepted`. */
static struct str describe(void) {
    static char storage[512];
    struct text out = TEXT(storage);
    const char *before = " [";
    text_put_all(&out, req.method, STR(" "), req.path);
    if (req.query.len) text_put_all(&out, STR("?"), req.query);
    if (!str_equal(req.host, STR("a"))) text_put_all(&out, STR(" host="), req.host);
    if (req.is_https) text_put(&out, STR(" https"));
    if (req.minor_version != 1) text_put_all(&out, STR(" 1."), NUMBER((unsigned)req.minor_version));
    if (!req.keep_alive) text_put(&out, STR(" close"));
    for (size_t i = 0; i < req.field_count; i++) {
        const struct http_field *field = &req.fields[i];
        if (is_shown_elsewhere(field)) continue;
        text_put_all(&out, str_of(before), field->name, STR("="), field->value, STR("]"));
        before = "[";
    }
    if (req.body.len) text_put_all(&out, STR(" {"), req.body, STR("}"));
    CHECK(!out.truncated);
    return text_str(&out);
}

/* ---- Properties of every request ---- */

static struct request {
    const char *rule, *outcome;
    struct str bytes;
    char storage[192];
} requests[256]; /* those of both tables; behind the last one, `rule` is NULL */

static void add_requests(const struct rule *rules, size_t count) {
    static struct request *r = requests;
    for (const struct rule *rule = rules; rule < rules + count; rule++)
        for (const char *const *part = rule->parts; *part; part++, r++) {
            if (r == requests + COUNT(requests) - 1) test_give_up("hold so many requests");
            snprintf(r->storage, sizeof r->storage, "%s%s%s", rule->before, *part, rule->behind);
            r->bytes = str_of(r->storage);
            r->rule = rule->name;
            r->outcome = rule->outcome;
        }
}

static bool is_refused(const struct request *request) { return is_digit(request->outcome[0]); }

/* Parses the first `len` of the bytes, which begin with the request, and checks the result. */
static void check_request(const struct request *request, struct str bytes, size_t len) {
    CASE_OF("%s: %s", request->rule, request->storage);
    if (len > request->bytes.len)
        CASE_OF("byte 0x%02x behind %s: %s", (unsigned char)bytes.s[request->bytes.len],
                request->rule, request->storage);
    int result = parse_prefix(bytes, len);
    CHECK_INT(result, is_refused(request) ? -atoi(request->outcome) : (int)request->bytes.len);
    if (result > 0) CHECK_VIEW(describe(), str_of(request->outcome));
}

static void test_requests(void) {
    TEST("a request that follows the grammar of RFC 9112 is accepted, with all its parts") {
        for (const struct request *r = requests; r->rule; r++)
            if (!is_refused(r)) check_request(r, r->bytes, r->bytes.len);
    }
    TEST("a request that is invalid, or can be read in two ways, is refused with its status") {
        for (const struct request *r = requests; r->rule; r++)
            if (is_refused(r)) check_request(r, r->bytes, r->bytes.len);
    }
    TEST("the result comes with the last byte and not before, whatever was parsed earlier") {
        for (const struct request *r = requests; r->rule; r++)
            for (size_t len = 0; len < r->bytes.len; len++) {
                check_request(r, r->bytes, r->bytes.len);
                CHECK_INT(parse_prefix(r->bytes, len), 0);
            }
    }
    TEST("bytes that follow change neither a request nor a refusal, and are not changed") {
        for (const struct request *r = requests; r->rule; r++)
            for (int byte = 0; byte < 256; byte++) {
                char storage[512];
                struct text more = TEXT(storage);
                text_put_all(&more, r->bytes, ((struct str){&(char){(char)byte}, 1}),
                             STR(END GET END));
                check_request(r, text_str(&more), r->bytes.len + 1);
                check_request(r, text_str(&more), more.len);
            }
    }
    TEST("the request-line is kept as it came, without its CRLF") {
        CHECK(parse(STR("GET http://a/?%41 HTTP/1.9\r\nHost: a\r\n\r\n")) > 0);
        CHECK_VIEW(req.request_line, STR("GET http://a/?%41 HTTP/1.9"));
    }
    TEST("a body may contain any byte, also NUL: the sentinel is recognised by its position") {
        CHECK(parse(STR(POST "Content-Length: 3" END "a\0\0")) > 0);
        CHECK_VIEW(req.body, STR("a\0\0"));
        CHECK(parse(STR(CHUNKED "3\r\n\0\0a\r\n1\r\n\0\r\n0" END)) > 0);
        CHECK_VIEW(req.body, STR("\0\0a\0"));
    }
}

static void test_empty_lines(void) {
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {{"", 0},         {"\r", 0},        {"\r\n", 2},  {"\r\n\r", 2},
                 {"\r\n\r\n", 4}, {"\r\n\r\nG", 4}, {"\n", 0},    {"\r\r\n", 0},
                 {"\r\n\n", 2},   {"GET\r\n", 0},   {" \r\n", 0}, {"\n\r", 0}};
    TEST("empty lines in front of a request are recognised, any number of them (9112 2.2)") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct str bytes = at_edge(str_of(cases[i].bytes)); /* no byte is needed behind them */
            CHECK_INT(http_empty_lines_len(bytes.s, bytes.len), cases[i].len);
        }
    }
}

#define HIGH    "\x80" /* stands for all bytes from 0x80 on */
#define ALNUM   "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define NAME    ALNUM "!#$%&'*+-.^_`|~"
#define VISIBLE ALNUM "\t !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" HIGH

static void test_every_byte(void) {
    static const struct {
        const char *before, *behind, *allowed, *where;
    } places[] = {
        {"", " /" TAIL, NAME, "a method: 9110 9.1"},
        {"GET /?", TAIL, ALNUM "!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~" HIGH, "a target: not #"},
        {LINE "Host: a", "20" END, ALNUM "!$&'()*+,;=-._~%:", "a host: 3986 3.2.2"},
        {GET "X", "X: b" END, NAME ":", "a name: 9110 5.1, and a colon, which ends it"},
        {GET "X: a", "b" END, VISIBLE, "a value: 9110 5.5"},
        {CHUNKED "1;a", "\r\na\r\n0" END, VISIBLE, "a chunk extension: 9112 7.1.1"},
        {CHUNKED "0\r\nX", "X: b" END, NAME ":", "a trailer name: 9112 7.1.2"},
    };
    TEST("each of the 256 bytes is accepted where the grammar has it, and nowhere else") {
        for (size_t i = 0; i < COUNT(places); i++)
            for (int byte = 0; byte < 256; byte++) {
                char storage[256];
                struct text text = TEXT(storage);
                text_put_all(&text, str_of(places[i].before),
                             ((struct str){&(char){(char)byte}, 1}), str_of(places[i].behind));
                bool allowed = byte && strchr(places[i].allowed, byte < 0x80 ? byte : 0x80);
                CASE_OF("%s, byte 0x%02x", places[i].where, (unsigned)byte);
                CHECK_INT(parse(text_str(&text)), (allowed ? (int)text.len : -400));
            }
    }
}

/* ---- Limits ---- */

/* `before`, `behind`, and between them as many letters as make a request of `len` bytes. */
static struct str stretched(const char *before, const char *behind, int len) {
    static char storage[SIZE + 64];
    struct text text = TEXT(storage);
    text_put(&text, str_of(before));
    while (text.len + strlen(behind) < (size_t)len) text_put(&text, STR("a"));
    text_put(&text, str_of(behind));
    return text_str(&text);
}

/* The result for as many of the bytes as fit the buffer, in pieces as they arrive. */
static int result_for(struct str bytes) {
    int n = 0;
    if (bytes.len > SIZE) bytes.len = SIZE;
    for (size_t len = 0; n == 0 && len < bytes.len;) {
        len += bytes.len - len < 97 ? bytes.len - len : 97;
        n = parse_prefix(bytes, len);
    }
    return n;
}

static const struct {
    const char *before, *behind;
    int results[3]; /* for SIZE - 1, SIZE and SIZE + 1 bytes */
} lengths[] = {
    {"", " /" TAIL, {SIZE - 1, SIZE, -431}},
    {"GET /", TAIL, {SIZE - 1, SIZE, -431}},
    {"GET /?", TAIL, {SIZE - 1, SIZE, -431}},
    {LINE "Host: ", END, {SIZE - 1, SIZE, -431}},
    {GET, ": b" END, {SIZE - 1, SIZE, -431}},
    {GET "X: ", END, {SIZE - 1, SIZE, -431}},
    {CHUNKED "1;", "\r\na\r\n0" END, {SIZE - 1, SIZE, -413}},
    {CHUNKED "0\r\n", ": b" END, {SIZE - 1, SIZE, -413}},
    {CHUNKED "0\r\nX: ", END, {SIZE - 1, SIZE, -413}},
    {"", "", {0, -414, -414}},
    {"GET /", "", {0, -414, -414}},
    {"GET /", " HTTP/1.1\r\n", {0, -431, -414}},
    {"GET / ", "", {-400, -400, -400}},
    {GET "X: \v", "", {-400, -400, -400}},
    {CHUNKED "1\r\n", "", {-400, -400, -400}},
};

static void test_limits(void) {
    TEST("a request may fill the buffer; a longer request-line is 414, a head 431, a body 413") {
        for (size_t i = 0; i < COUNT(lengths); i++)
            for (int n = 0; n < 3; n++) {
                struct str bytes = stretched(lengths[i].before, lengths[i].behind, SIZE - 1 + n);
                CASE_OF("%s: %s", lengths[i].before, lengths[i].behind);
                CHECK_INT(result_for(bytes), lengths[i].results[n]);
            }
    }
    TEST("head and body may fill the buffer; more is 413 as soon as that is known, not 100") {
        const char *last = "\r\n0" END;
        const int by_length = (int)strlen(POST EXPECT "Content-Length: 00000000" END);
        const int chunked = (int)(strlen(CHUNKED "00000000\r\n") + strlen(last));
        for (int len = SIZE - 1; len <= SIZE + 8; len++) {
            char head[128];
            snprintf(head, sizeof head, POST EXPECT "Content-Length: %08d" END, len - by_length);
            CHECK_INT(parse(str_of(head)), (len > SIZE ? -413 : 0));
            CHECK_INT(req.send_continue, len <= SIZE);
            CHECK_INT(result_for(stretched(head, "", len)), (len > SIZE ? -413 : len));
            snprintf(head, sizeof head, CHUNKED "%08x\r\n", (unsigned)(len - chunked));
            CHECK_INT(parse(str_of(head)), (len - (int)strlen(last) > SIZE ? -413 : 0));
            CHECK_INT(result_for(stretched(head, last, len)), (len > SIZE ? -413 : len));
        }
    }
    TEST("a head has at most HTTP_MAX_FIELDS fields: 431 (6585 5)") {
        for (size_t count = HTTP_MAX_FIELDS - 1; count <= HTTP_MAX_FIELDS + 1; count++) {
            char storage[1024];
            struct text text = TEXT(storage);
            text_put(&text, STR(GET));
            for (size_t i = 1; i < count; i++) text_put(&text, STR("a:b\r\n"));
            text_put(&text, STR("\r\n"));
            CHECK_INT(result_for(text_str(&text)),
                      (count > HTTP_MAX_FIELDS ? -431 : (int)text.len));
            if (count <= HTTP_MAX_FIELDS) CHECK_INT(req.field_count, count);
        }
    }
}

/* ---- What handlers ask of a request ---- */

/* Parses a request with these field lines in front of its Host: a. */
static void parse_fields(const char *fields) {
    char storage[512];
    struct text text = TEXT(storage);
    text_put_all(&text, STR(LINE), str_of(fields), STR("Host: a" END));
    CHECK_INT(parse(text_str(&text)), (int)text.len);
    /* what an earlier request may have left there */
    req.fields[req.field_count] = (struct http_field){STR("Cookie"), STR("session_id=left")};
}

static const struct str nothing = {NULL, 0};

static void test_expect(void) {
    static const struct {
        const char *bytes;
        int result; /* > 0 for complete */
        bool send_continue;
        const char *why;
    } cases[] = {
        {POST EXPECT "Content-Length: 1" END, 0, true, "a single byte"},
        {POST EXPECT "Transfer-Encoding: chunked" END, 0, true, "a chunked body"},
        {POST EXPECT "Transfer-Encoding: chunked" END "z", -400, true, "an invalid body"},
        {GET EXPECT "\r\n", 1, false, "no body"},
        {POST "Content-Length: 5" END, 0, false, "no Expect"},
        {OLD EXPECT "Content-Length: 5" END, 0, false, "HTTP/1.0"},
    };
    TEST("a 100 (Continue) is demanded by each call once the head is complete (9110 10.1.1)") {
        struct str bytes = STR(POST EXPECT "Content-Length: 5" END "hello");
        for (size_t len = 0; len <= bytes.len; len++) {
            CHECK_INT(parse_prefix(bytes, len), (len < bytes.len ? 0 : (int)bytes.len));
            CHECK_INT(req.send_continue, len >= bytes.len - 5);
        }
    }
    TEST("it is demanded for a body, if the head is not refused, and never in HTTP/1.0") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            CASE(cases[i].why);
            int n = parse(str_of(cases[i].bytes));
            CHECK_INT((n > 0 ? 1 : n), cases[i].result);
            CHECK_INT(req.send_continue, cases[i].send_continue);
        }
    }
}

static void test_fields(void) {
    TEST("a field is found by its name in any case, the first of several (9110 5.1)") {
        parse_fields("X-A: 1\r\nx-a: 2\r\nX-Empty:\r\nZ^: 3\r\n");
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
            parse_fields(cases[i].fields);
            CHECK_VIEW(http_find_cookie(&req, STR("session_id")),
                       cases[i].value ? str_of(cases[i].value) : nothing);
        }
    }
}

static void test_paths(void) {
    static const struct {
        const char *path, *decoded;
    } cases[] = {
        {"/home", "/home"},
        {"/%68om%65", "/home"},
        {"/a%2Fb%2fc", "/a%2Fb%2fc"}, /* 3986 2.2: an escaped slash is data */
        {"/%25%3F+", "/%?+"},
        {"/%252541", "/%2541"}, /* 3986 2.4: decoded once */
        {"/%c3%A9%0d%0a%01%7F", "/\xc3\xa9\r\n\x01\x7f"},
    };
    TEST("the escapes of a path are decoded once, except a slash (3986 2)") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            char storage[32];
            struct text path = TEXT(storage);
            http_decode_path(&path, str_of(cases[i].path));
            CHECK_VIEW(text_str(&path), str_of(cases[i].decoded));
        }
    }
    TEST("a decoded path that does not fit is truncated, and one that just fits is not") {
        char storage[4];
        struct text path = TEXT(storage);
        http_decode_path(&path, STR("/%61%62c"));
        CHECK_VIEW(text_str(&path), STR("/abc"));
        CHECK(!path.truncated);
        http_decode_path(&path, STR("d"));
        CHECK(path.truncated);
    }
}

static const struct {
    const char *fields;
    bool cross;
    const char *why;
} origins[] = {
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

static void test_cross_origin(void) {
    TEST("a request for a page of another origin is recognised by Sec-Fetch-Site, else by Origin") {
        for (size_t i = 0; i < COUNT(origins); i++) {
            CASE(origins[i].why);
            parse_fields(origins[i].fields);
            CHECK_INT(http_is_cross_origin(&req), origins[i].cross);
        }
    }
    TEST("the port is part of the host, and the host of the target replaces Host") {
        CHECK(parse(STR(LINE "Host: a:80\r\nOrigin: http://a:80" END)) > 0);
        CHECK(!http_is_cross_origin(&req));
        CHECK(parse(STR("GET http://b/ HTTP/1.1\r\nHost: a\r\nOrigin: http://a" END)) > 0);
        CHECK(http_is_cross_origin(&req));
    }
}

/* ---- Responses ---- */

static struct http_response res;

/* Begins the response to a request. */
static void begin_response(const char *request, int status) {
    CHECK(parse(str_of(request)) > 0);
    memset(&res, 0x55, sizeof res);
    http_response_init(&res, &req);
    res.status = status;
}

static struct str formatted(struct str date) {
    static char storage[HTTP_MAX_RESPONSE];
    struct text out = TEXT(storage);
    http_format_response(&out, &res, date);
    CHECK(!out.truncated);
    return text_str(&out);
}

#define DATE     "Mon, 23 Nov 2026 11:39:41 GMT"
#define DATED    "\r\nDate: " DATE "\r\n"
#define TYPE     "Content-Type: application/json\r\n"
#define NO_STORE "Cache-Control: no-store\r\n"
#define FIXED    DATED TYPE NO_STORE

static const struct {
    const char *request;
    int status;
    const char *fields, *body; /* fields that are added, name:value, each on a line */
    const char *response, *why;
} responses[] = {
    {"GET /" TAIL, 200, "", "{}", "200 OK" FIXED "Content-Length: 2" END "{}", "9112 4"},
    {"GET /" TAIL, 401, "X-A:b c", "", "401 Unauthorized" FIXED "Content-Length: 0\r\nX-A: b c" END,
     "one more field"},
    {"GET /" TAIL, 299, "X-A:b\nX-B:", "{}",
     "299 " FIXED "Content-Length: 2\r\nX-A: b\r\nX-B: " END "{}", "no reason is registered"},
    {"HEAD /" TAIL, 200, "", "0123456789", "200 OK" FIXED "Content-Length: 10" END,
     "9110 9.3.2: the length that GET would have, and no body"},
    {GET "Connection: close" END, 404, "", "{}",
     "404 Not Found" FIXED "Content-Length: 2\r\nConnection: close" END "{}",
     "9112 9.6: a server that closes sends close"},
    {OLD "\r\n", 200, "", "", "200 OK" FIXED "Content-Length: 0\r\nConnection: close" END,
     "9110 6.2: our own version; 9112 9.3: HTTP/1.0 closes"},
    {OLD "Connection: keep-alive" END, 200, "", "",
     "200 OK" FIXED "Content-Length: 0\r\nConnection: keep-alive" END,
     "9112 9.3: unless the client asked for more"},
    {"GET /" TAIL, 200, "content-type:text/html\nCache-Control:no-cache", "<p>",
     "200 OK" DATED "Content-Length: 3\r\ncontent-type: text/html\r\nCache-Control: no-cache" END
     "<p>",
     "a field of the handler replaces the default of the same name, in any case"},
    {"GET /" TAIL, 200, "X-A:Content-Type: x\nX-Content-Type:x", "",
     "200 OK" FIXED "Content-Length: 0\r\nX-A: Content-Type: x\r\nX-Content-Type: x" END,
     "only whole names count"},
    {"GET /" TAIL, 204, "", "", "204 No Content" DATED NO_STORE "\r\n", "9110 8.6: no length"},
    {"GET /" TAIL, 304, "X-A:b", "", "304 Not Modified" DATED NO_STORE "X-A: b" END,
     "9110 8.6: no length"},
    {"GET /" TAIL, 205, "", "", "205 Reset Content" FIXED "Content-Length: 0" END,
     "9110 15.3.6: a length of 0"},
};

static void test_responses(void) {
    TEST("a response consists of exactly these bytes") {
        for (size_t i = 0; i < COUNT(responses); i++) {
            CASE(responses[i].why);
            begin_response(responses[i].request, responses[i].status);
            for (struct str fields = str_of(responses[i].fields); fields.len > 0;) {
                struct str value = str_split(&fields, '\n'), name = str_split(&value, ':');
                http_add_field(&res, name, value);
            }
            text_put(&res.body, str_of(responses[i].body));
            struct str rest = formatted(STR(DATE)), version = str_split(&rest, ' ');
            CHECK_VIEW(version, STR("HTTP/1.1"));
            CHECK_VIEW(rest, str_of(responses[i].response));
        }
    }
    TEST("without a date there is no Date field (9110 6.6.1)") {
        begin_response("GET /" TAIL, 200);
        CHECK_VIEW(formatted(STR("")),
                   STR("HTTP/1.1 200 OK\r\n" TYPE NO_STORE "Content-Length: 0" END));
    }
    TEST("the value of a field may consist of several views, and cannot end its line (9110 5.5)") {
        begin_response("GET /" TAIL, 200);
        http_add_field(&res, STR("X"), STR("\x80"), STR(""), STR("\r\nc\n\0\x1b\x7f\t"), NUMBER(7));
        CHECK_VIEW(text_str(&res.extra_fields), STR("X: \x80  c    \t7\r\n"));
    }
}

static void test_statuses(void) {
    /* clang-format off */
    static const char *const statuses[] = {
        "200 OK", "201 Created", "202 Accepted", "203 Non-Authoritative Information",
        "204 No Content", "205 Reset Content", "206 Partial Content", "207 Multi-Status",
        "208 Already Reported", "226 IM Used", "300 Multiple Choices", "301 Moved Permanently",
        "302 Found", "303 See Other", "304 Not Modified", "305 Use Proxy", "307 Temporary Redirect",
        "308 Permanent Redirect", "400 Bad Request", "401 Unauthorized", "402 Payment Required",
        "403 Forbidden", "404 Not Found", "405 Method Not Allowed", "406 Not Acceptable",
        "407 Proxy Authentication Required", "408 Request Timeout", "409 Conflict", "410 Gone",
        "411 Length Required", "412 Precondition Failed", "413 Content Too Large",
        "414 URI Too Long", "415 Unsupported Media Type", "416 Range Not Satisfiable",
        "417 Expectation Failed", "421 Misdirected Request", "422 Unprocessable Content",
        "423 Locked", "424 Failed Dependency", "425 Too Early", "426 Upgrade Required",
        "428 Precondition Required", "429 Too Many Requests", "431 Request Header Fields Too Large",
        "451 Unavailable For Legal Reasons", "500 Internal Server Error", "501 Not Implemented",
        "502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout",
        "505 HTTP Version Not Supported", "506 Variant Also Negotiates", "507 Insufficient Storage",
        "508 Loop Detected", "510 Not Extended", "511 Network Authentication Required",
    };
    /* clang-format on */
    static const int refusals[] = {400, 408, 413, 414, 417, 431, 501, 505};
    TEST("a status has the reason phrase that is registered, or else none (9110 15.1)") {
        size_t i = 0;
        for (int status = -1; status <= 1000; status++) {
            bool registered = i < COUNT(statuses) && atoi(statuses[i]) == status;
            CHECK_VIEW(http_reason(status), str_of(registered ? statuses[i++] + 4 : ""));
        }
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
    static char large[HTTP_MAX_BODY];
    size_t room = HTTP_EXTRA_FIELDS_SIZE - strlen("X-A: \r\n");
    memset(large, 'a', sizeof large);
    TEST("a field that does not fit HTTP_EXTRA_FIELDS_SIZE is omitted, and a later one may fit") {
        for (size_t len = room - 1; len <= room + 1; len++) {
            begin_response("GET /" TAIL, 200);
            http_add_field(&res, STR("X-A"), ((struct str){large, len - 30}),
                           ((struct str){large, 30}));
            CHECK_INT(res.extra_fields.len, (len > room ? 0 : strlen("X-A: \r\n") + len));
            CHECK(!res.extra_fields.truncated);
        }
        http_add_field(&res, STR("X-A"), STR("b"));
        CHECK_VIEW(text_str(&res.extra_fields), STR("X-A: b\r\n"));
    }
    TEST("the longest response fits HTTP_MAX_RESPONSE, with a 100 (Continue) in front") {
        begin_response(OLD "Connection: keep-alive" END, 431);
        http_add_field(&res, STR("X-A"), ((struct str){large, room}));
        text_put(&res.body, (struct str){large, HTTP_MAX_BODY});
        struct str response = formatted(STR(DATE));
        CHECK_INT(res.body.cap, HTTP_MAX_BODY);
        CHECK(!res.body.truncated);
        CHECK(response.len > HTTP_EXTRA_FIELDS_SIZE + HTTP_MAX_BODY);
        CHECK(response.s[response.len - 1] == 'a');
        CHECK(response.len + strlen("HTTP/1.1 100 Continue" END) <= HTTP_MAX_RESPONSE);
        CHECK(HTTP_MAX_RESPONSE <= SIZE);
    }
}

int main(void) {
    make_edge(SIZE + 1);
    add_requests(accepted, COUNT(accepted));
    add_requests(refused, COUNT(refused));
    test_requests();
    test_empty_lines();
    test_every_byte();
    test_limits();
    test_expect();
    test_fields();
    test_cookies();
    test_paths();
    test_cross_origin();
    test_responses();
    test_statuses();
    test_response_limits();
    return test_report();
}
