/* compare.c - compares the parser of http.c with the second opinion in framing.h.
 *
 *     compare [REQUESTS [SEED]]
 *
 * makes requests from the pieces below, some of which are invalid, and changes a few bytes of about
 * half of them. It asks both whether a request is complete, incomplete or invalid, and how long it
 * and its body are. The same seed makes the same requests. If the two differ, one of them is wrong:
 * the request is printed, and the standard decides. A small HTTP_BUFFER_SIZE makes the limit occur
 * often. All requests together are one test; the last line is `N passed, N failed`.
 */
#include "framing.h"
#include "http.h"

#include <stdio.h>

/* ---- Chance ---- */

static uint64_t chance_state;

/* A number under `below`, from a linear congruence with D. Knuth's numbers. */
static size_t chance(size_t below) {
    chance_state = chance_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(chance_state >> 33) % below;
}

static bool one_in(size_t n) { return chance(n) == 0; }

/* ---- Pieces. The first of a table is the common one. ---- */

#define PICK(table) pick((table), sizeof(table) / sizeof *(table))

static const char *const methods[] = {"POST", "GET", "HEAD", "OPTIONS", "get", "M~'|", "", "G(T"};
static const char *const targets[] = {
    "/home", "/",         "/a/?b=[c]&%", "*",          "http://a",  "HTTP://[::1]:80/?a",
    "/%4a",  "/%zz",      "/%00",        "http://:8/", "http:///a", "http://a?b",
    "home",  "https://a", "/a#b",        "/\x80",      "",          "http://u@a/"};
static const char *const versions[] = {"HTTP/1.1", "HTTP/1.1",  "HTTP/1.0", "HTTP/1.7",
                                       "HTTP/2.0", "HTTP/1.10", "http/1.1", "HTTP/0.9"};
static const char *const hosts[] = {
    "a", "", "a.b:80", "[::1]:8080", "a:", "a b", "%41", "%4", "[]"};
static const char *const fields[] = {"X: y",
                                     "Accept:\t */* ",
                                     "Connection: close, x",
                                     "Expect: 100-Continue",
                                     "Expect: 200-ok",
                                     "Host: b",
                                     "Content-Length: 3",
                                     "content-length: 003",
                                     "Content-Length: 3, 3",
                                     "Content-Length: +3",
                                     "Content-Length: ",
                                     "Content-Length: 18446744073709551619",
                                     "Transfer-Encoding: chunked",
                                     "Transfer-Encoding: CHUNKED ",
                                     "Transfer-Encoding: gzip, chunked",
                                     "Transfer-Encoding: chunked, chunked",
                                     "Transfer-Encoding: \vchunked",
                                     "Transfer-Encoding : chunked",
                                     " folded: yes",
                                     "no colon",
                                     ": no name",
                                     "X: a\rb",
                                     "X: \x80\xff"};
static const char *const before_size[] = {"", "0", "00", "0x", "+", " "};
static const char *const after_size[] = {"", ";a=\"b\"", ";", " ", " ;a", "\t"};
static const char *const spoilers[] = {"\r\n", "\n", "\r",   "",        " ",        "\t",      ":",
                                       ",",    "0",  "9",    ";",       "%",        "+",       "-",
                                       "_",    "x",  "\x7f", "a",       "\v",       "/",       "?",
                                       "[",    "]",  "\"",   "chunked", "\r\n\r\n", "HTTP/1.1"};

/* Mostly the common one, so that many requests are valid. */
static const char *pick(const char *const table[], size_t count) {
    return table[one_in(4) ? chance(count) : 0];
}

/* ---- Requests ---- */

static void put(struct text *out, const char *s) { text_put(out, str_of(s)); }

static void put_line(struct text *out, const char *s) {
    put(out, s);
    put(out, one_in(200) ? "\n" : "\r\n");
}

static void put_data(struct text *out, size_t len) {
    while (len-- > 0) text_put(out, (struct str){&"ab\r\n0\0;:"[chance(8)], 1});
}

static void put_chunk(struct text *out, size_t size) {
    char line[40];
    put(out, PICK(before_size));
    snprintf(line, sizeof line, one_in(2) ? "%zx" : "%zX", size);
    put(out, line);
    put_line(out, PICK(after_size));
    if (size == 0) return;
    put_data(out, one_in(100) ? size + 1 : size);
    put_line(out, "");
}

static void put_chunks(struct text *out) {
    put_line(out, "Transfer-Encoding: chunked\r\n");
    for (size_t chunks = chance(5); chunks > 0; chunks--) put_chunk(out, 1 + chance(20));
    put_chunk(out, 0);
    if (one_in(4)) put_line(out, PICK(fields));
    put_line(out, "");
}

static void put_body(struct text *out) {
    char line[40];
    size_t left = HTTP_BUFFER_SIZE - out->len; /* the limit is near its end */
    size_t len = one_in(20) && left > 60 ? left - chance(60) : chance(30);
    if (one_in(3)) {
        put_chunks(out);
        return;
    }
    snprintf(line, sizeof line, "Content-Length: %zu\r\n", len);
    put_line(out, one_in(2) ? line : "");
    put_data(out, len);
}

static void put_head(struct text *out) {
    for (size_t empty = one_in(20) ? 1 + chance(3) : 0; empty > 0; empty--) put_line(out, "");
    put(out, PICK(methods));
    put(out, one_in(100) ? "  " : " ");
    put(out, PICK(targets));
    put(out, " ");
    put_line(out, PICK(versions));
    put(out, one_in(50) ? "" : "Host: ");
    put_line(out, PICK(hosts));
    for (size_t count = one_in(100) ? 60 + chance(6) : chance(3); count > 0; count--)
        put_line(out, one_in(4) ? PICK(fields) : "X: y");
}

/* Replaces up to three bytes by a spoiler, or removes the end. */
static void spoil(struct text *out) {
    static char rest[HTTP_BUFFER_SIZE];
    size_t at = chance(out->len + 1), gone = chance(4);
    if (gone > out->len - at) gone = out->len - at;
    struct str tail = {rest, out->len - at - gone};
    memcpy(rest, out->s + at + gone, tail.len);
    out->len = at;
    if (one_in(8)) return;
    put(out, spoilers[chance(sizeof spoilers / sizeof *spoilers)]);
    text_put(out, tail);
}

static void make_request(struct text *out) {
    out->len = 0;
    put_head(out);
    put_body(out);
    for (size_t i = one_in(2) ? 0 : 1 + chance(3); i > 0; i--) spoil(out);
    if (one_in(4)) put(out, "GET / HTTP/1.1\r\n");
}

/* ---- The comparison ---- */

static void show(struct str text, long ours, size_t our_body, long model, size_t model_body) {
    printf("\nFAIL http.c returns %ld (body %zu), the model %ld (body %zu):\n", ours, our_body,
           model, model_body);
    for (size_t i = 0; i < text.len && i < 400; i++) {
        unsigned char byte = (unsigned char)text.s[i];
        if (byte == '\r')
            fputs("\\r", stdout);
        else if (byte == '\n')
            fputs("\\n\n", stdout);
        else
            printf(byte >= 0x20 && byte < 0x7f ? "%c" : "\\x%02x", byte);
    }
    puts("|");
}

/* Returns whether both agree, and in *verdict the opinion of http.c: -1, 0 or 1. The copy ends
 * behind the sentinel, so that a sanitizer sees an over-read. */
static bool agree(struct str text, int *verdict) {
    static struct http_request req;
    size_t body, empty_lines = http_empty_lines_len(text.s, text.len), len = text.len - empty_lines;
    char *copy = malloc(len + 1); /* the parser decodes in place */
    if (!copy) abort();
    memcpy(copy, text.s + empty_lines, len);
    long ours = http_parse(copy, len, &req),
         model = framing(text.s, text.len, HTTP_BUFFER_SIZE, &body);
    if (ours > 0) ours += (long)empty_lines;
    free(copy);
    *verdict = ours > 0 ? 1 : ours < 0 ? -1 : 0;
    bool same = ours > 0 ? ours == model && req.body.len == body : *verdict == model;
    if (!same) show(text, ours, ours > 0 ? req.body.len : 0, model, body);
    return same;
}

int main(int argc, char **argv) {
    static char storage[HTTP_BUFFER_SIZE];
    struct text text = TEXT(storage);
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000, verdicts[3] = {0}, failed = 0;
    size_t seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    int verdict;
    chance_state = seed;
    for (size_t i = 1; i <= count && failed < 10; i++) {
        make_request(&text);
        failed += !agree(text_str(&text), &verdict);
        verdicts[verdict + 1]++;
    }
    printf("%zu requests accepted, %zu refused, %zu incomplete, %zu with two opinions\n",
           verdicts[2], verdicts[0], verdicts[1], failed);
    printf("%d passed, %d failed\n", failed == 0, failed > 0);
    return failed > 0;
}
