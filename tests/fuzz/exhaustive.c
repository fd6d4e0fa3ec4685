/* exhaustive.c - every short request, cookie and JSON text, against a second opinion.
 *
 *     make test TEST=exhaustive, or build/test_exhaustive [MORE]
 *
 * Each row of `parts` has a start and an alphabet: a byte of each class that the parser tells apart
 * there, and some words. Every string of them up to a length is put behind the start, and each of
 * the 256 bytes. A string is only extended if the parser asks for more: if it refuses "GET  ", it is
 * not asked about "GET  /". The answers must be those of framing.h and json_grammar.h. The page
 * behind the text cannot be read or written, so that an over-read ends the program.
 *
 * It takes two seconds. MORE is added to the lengths, in pieces of the alphabet, for a longer look.
 */
#define _POSIX_C_SOURCE 200809L
#include "framing.h"
#include "http.h"
#include "json.h"
#include "json_grammar.h"

#include "../edge.h"

#define LINE     "GET / HTTP/1.1\r\n"
#define HEAD     LINE "Host: a\r\n"
#define BYTES(s) s, sizeof(s) - 1
#define F16                                                                                        \
    "X:\r\nX:\r\nX:\r\nX:\r\nX:\r\nX:\r\nX:\r\nX:\r\nX:\r\nX:\r\nX:\r\nX:\r\nX:\r\nX:\r\nX:\r\nX:" \
    "\r\n"
#define X64       "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X512      X64 X64 X64 X64 X64 X64 X64 X64
#define CONTROLS  "\r\n\t \0\1\x7f\x80"
#define MAX_WORDS 20

/* Checks that the second opinion is the same. Returns > 0 if the text is complete, 0 if it is not, < 0
 * if it is invalid. The byte behind the text can be written, but none behind that. */
typedef long check(char *text, size_t len);

static struct http_request req;

static const char *meaning(long n) { return n > 0 ? "complete" : n < 0 ? "invalid" : "incomplete"; }

static long check_request(char *text, size_t len) {
    static char copy[HTTP_BUFFER_SIZE];
    size_t body, empty = http_empty_lines_len(text, len);
    memcpy(copy, text, len); /* because the parser decodes in place */
    long opinion = framing(copy, len, HTTP_BUFFER_SIZE, &body);
    long n = http_parse(text + empty, len - empty, &req);
    n = n > 0 ? n + (long)empty : n < 0 ? -1 : 0;
    if (n != opinion)
        CASE_OF("http.c: %ld (%s), framing.h: %ld (%s)", n, meaning(n), opinion, meaning(opinion));
    CHECK_INT(n, opinion);
    if (n > 0) CHECK_INT(req.body.len, body);
    return n;
}

/* The text is a head that ends with a value of Cookie; only its last line end is missing. */
static long check_cookie(char *text, size_t len) {
    text = memmove(text - 4, text, len); /* the parser writes a byte behind it */
    memcpy(text + len, "\r\n\r\n", 4);
    if (http_parse(text, len + 4, &req) <= 0) return -1;
    struct str found = http_find_cookie(&req, STR("n")), value = req.fields[1].value;
    struct piece opinion = find_last_cookie((struct piece){value.s, value.len}, "n");
    CHECK_INT(found.s ? found.s - value.s : -1, opinion.s ? opinion.s - value.s : -1);
    CHECK_INT(found.len, opinion.len);
    return 0; /* any value may be longer */
}

static long check_json(char *text, size_t len) {
    memmove(text + 1, text, len); /* up to the end of the page */
    enum verdict opinion = json_verdict(text + 1, text + 1 + len);
    CHECK_INT(json_check((struct str){text + 1, len}) != JSON_INVALID, opinion == JSON_COMPLETE);
    return opinion == JSON_WRONG ? -1 : 0; /* a valid number may have one digit more */
}

static const struct part {
    const char *name;
    check *check;
    int max; /* pieces behind the start */
    const char *start;
    const char *bytes;
    size_t byte_count;
    const char *words[MAX_WORDS];
    /* clang-format off */
} parts[] = {
    {"a method", check_request, 6, "", BYTES("G0!(:/" CONTROLS), {0}},
    {"a target", check_request, 4, "GET ", BYTES("/a0:?#%[]@*." CONTROLS), {"http://", "https://"}},
    {"an escape", check_request, 5, "GET /", BYTES("%0af4g/? "), {" HTTP/1.1\r\n"}},
    {"an authority", check_request, 5, "GET http://", BYTES("a:/?@[]%. 0"), {" HTTP/1.1\r\n"}},
    {"an IPv6 address", check_request, 5, "GET http://[", BYTES(":]%v.gf"), {"1:", "12345", "1.2"}},
    {"an IPv4 address in it", check_request, 5, "GET http://[::", BYTES(".:]0125"),
     {"255.255.", "1.1"}},
    {"a version", check_request, 13, "GET / ", BYTES("HTP/1.029 \r\n"), {0}},
    {"field lines", check_request, 6, LINE, BYTES("X!:(;" CONTROLS), {"Host"}},
    {"a host", check_request, 4, LINE "Host:", BYTES("a:0%[].,@/ \t\r\n\x80"), {"%41", "::1"}},
    {"a length", check_request, 5, HEAD "Content-Length:", BYTES("019+-,x \t\r\n"),
     {"18446744073709551616", "\r\n\r\n"}},
    {"a coding", check_request, 5, HEAD "Transfer-Encoding:", BYTES(", \tx;\r\n"),
     {"chunked", "ChunkeD", "\r\n\r\n", "\r\nTransfer-Encoding:"}},
    {"chunks", check_request, 6, HEAD "Transfer-Encoding: chunked\r\n\r\n", BYTES("01aG;\r\n \""),
     {"0\r\n", "1\r\nx\r\n"}},
    {"a trailer", check_request, 7, HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n",
     BYTES("X:( \r\n\1"), {"Host: b\r\n"}},
    {"whole lines", check_request, 5, "", BYTES("xG\r\n"),
     {LINE, "POST / HTTP/1.0\r\n", "OPTIONS * HTTP/1.1\r\n", "GET http://a HTTP/1.1\r\n",
      "Host: a\r\n", "Host:\r\n", "Content-Length: 3\r\n", "content-length: 0\r\n",
      "Transfer-Encoding: chunked\r\n", "transfer-encoding: gzip\r\n", "Expect: 100-continue\r\n",
      "Expect: x\r\n", "Connection: close\r\n", "\r\n", "3\r\nxyz\r\n", "0\r\n"}},
    {"a cookie", check_cookie, 5, HEAD "Cookie:", BYTES("nN=; \t,\"\r\x80"), {"n=", "; n"}},
    {"64 fields", check_request, 7, HEAD, BYTES("\r\n"), {F16, "X:\r\n", "Y: z\r\n"}},
    {"the limit", check_request, 6, HEAD "X: " X512 X512 X512 X64 X64 X64 X64 X64 "\r\n",
     BYTES("x"), {X64, "Content-Length: 0\r\n", "content-length: 9\r\n", "\r\n",
      "Transfer-Encoding: chunked\r\n", "13\r\n", "40\r\n"}},
    {"JSON values", check_json, 5, "", BYTES("[]{}:,\"0-tx \n\0"),
     {"\"a\"", "true", "false", "null"}},
    {"JSON numbers", check_json, 9, "", BYTES("-+09.eEx "), {0}},
    {"JSON strings", check_json, 5, "\"", BYTES("\\\"/bfnrtuxa\x1f\x7f\n"), {0}},
    {"JSON escapes", check_json, 5, "\"\\u", BYTES("0789aDcFg\"\\"), {"\\u", "d8", "dF0"}},
    {"JSON in UTF-8", check_json, 5, "\"",
     BYTES("\"\x7f\x80\x8f\x90\x9f\xa0\xbf\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4"
           "\xf5\xff"), {0}},
    {"32 levels of JSON", check_json, 6, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", BYTES("[]{}1"),
     {"{\"a\":", "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"}},
};

/* clang-format on */

/* ---- Every string ---- */

static char text[HTTP_BUFFER_SIZE + 1]; /* the string that is tried now */
static size_t count, longest;

static long ask(const struct part *part, size_t len) {
    bool was_bad = test_is_bad;
    struct str copy = at_edge((struct str){text, len + 1});
    long answer = part->check((char *)copy.s, len);
    if (test_is_bad && !was_bad) {
        test_say_bytes("on:", text, len, len > TEST_SHOWN ? len - TEST_SHOWN : 0);
        test_show();
    }
    count++;
    if (len > longest) longest = len;
    return answer;
}

static void extend(const struct part *part, size_t len, int left);

static void try_piece(const struct part *part, size_t len, const char *piece, size_t n, int left) {
    if (len + n > HTTP_BUFFER_SIZE) return;
    memcpy(text + len, piece, n);
    if (ask(part, len + n) == 0 && left > 1) extend(part, len + n, left - 1);
}

static void extend(const struct part *part, size_t len, int left) {
    for (size_t i = 0; i < part->byte_count && !test_is_bad; i++)
        try_piece(part, len, part->bytes + i, 1, left);
    for (size_t i = 0; i < MAX_WORDS && part->words[i] && !test_is_bad; i++)
        try_piece(part, len, part->words[i], strlen(part->words[i]), left);
}

static void try_every_byte(const struct part *part, size_t len) {
    for (int byte = 0; byte < 256; byte++) try_piece(part, len, &(char){(char)byte}, 1, 1);
}

int main(int argc, char **argv) {
    int more = argc > 1 ? atoi(argv[1]) : 0;
    make_edge(2 * HTTP_BUFFER_SIZE);
    for (size_t i = 0; i < COUNT(parts); i++) {
        const struct part *part = &parts[i];
        size_t len = strlen(part->start);
        count = longest = 0;
        memcpy(text, part->start, len);
        TEST(part->name) {
            try_every_byte(part, len);
            extend(part, len, part->max + more);
        }
        printf("%-22s %10zu strings, up to %d pieces and %zu bytes behind the start\n", part->name,
               count, part->max + more, longest - len);
    }
    return test_report();
}
