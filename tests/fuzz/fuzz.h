/* fuzz.h - what the fuzzers share: a check that ends the program, and two properties that several
 * fuzzers check.
 *
 * A fuzzer is a function that libFuzzer calls with bytes of its own choice. If a check fails, it
 * ends the program, and libFuzzer writes the bytes to a file. run.sh builds and runs all fuzzers.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "http.h"
#include "json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                           \
    ((condition) ? (void)0                                                                         \
                 : (fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition), \
                    abort()))

/* Returns a copy that ends where its memory ends, so that the sanitizer sees every over-read. */
static inline char *exact_copy(const void *bytes, size_t len) {
    char *copy = malloc(len ? len : 1);
    HOLDS(copy);
    if (len) memcpy(copy, bytes, len);
    return copy;
}

static inline bool starts_with(struct str s, struct str with) {
    return s.len >= with.len && memcmp(s.s, with.s, with.len) == 0;
}

/* ---- The same bytes are the same request, however they are split ---- */

/* Parses `bytes` as they arrive in pieces, or at once if `steps` is empty. The sizes of the pieces
 * are the elements of `steps` plus one. They grow slowly, because each call of http_parse begins at
 * the first byte. As in the server, empty lines are removed first. The views of the request point
 * into *buf, which the caller frees; its last byte is the sentinel. Checks that nothing in the
 * buffer changes before the request is complete. */
static inline int parse_in_steps(struct str bytes, struct str steps, struct http_request *req,
                                 char **buf) {
    size_t arrived = 0;
    int n = 0;
    *buf = NULL;
    for (size_t i = 0; n == 0 && (i == 0 || arrived < bytes.len); i++) {
        size_t step = steps.len ? (unsigned char)steps.s[i % steps.len] + 1 + i / 4 : bytes.len;
        arrived = bytes.len - arrived < step ? bytes.len : arrived + step;
        struct str input = {bytes.s, arrived};
        input = str_from(input, http_empty_lines_len(input.s, input.len));
        free(*buf);
        *buf = malloc(input.len + 1);
        HOLDS(*buf);
        memcpy(*buf, input.s, input.len);
        n = http_parse(*buf, input.len, req);
        HOLDS(n <= (int)input.len);
        HOLDS(n > 0 || memcmp(*buf, input.s, input.len) == 0);
    }
    return n;
}

/* Checks that two views show the same bytes, at the same place of buffers with `n` bytes in use.
 * Only a path that is missing from the target lies elsewhere. */
static inline void check_same_view(struct str a, const char *a_buf, struct str b, const char *b_buf,
                                   int n) {
    HOLDS(!a.s == !b.s && a.len == b.len && (!a.s || memcmp(a.s, b.s, a.len) == 0));
    uintptr_t at = (uintptr_t)a.s - (uintptr_t)a_buf;
    if (!a.s || (str_equal(a, STR("/")) && at > (uintptr_t)n)) return;
    HOLDS(at + a.len <= (uintptr_t)n);
    HOLDS(at == (uintptr_t)b.s - (uintptr_t)b_buf);
}

static inline void check_same_request(const struct http_request *a, const char *a_buf,
                                      const struct http_request *b, const char *b_buf, int n) {
    check_same_view(a->request_line, a_buf, b->request_line, b_buf, n);
    check_same_view(a->method, a_buf, b->method, b_buf, n);
    check_same_view(a->path, a_buf, b->path, b_buf, n);
    check_same_view(a->query, a_buf, b->query, b_buf, n);
    check_same_view(a->host, a_buf, b->host, b_buf, n);
    check_same_view(a->body, a_buf, b->body, b_buf, n);
    HOLDS(a->minor_version == b->minor_version && a->keep_alive == b->keep_alive);
    HOLDS(a->field_count == b->field_count && a->field_count <= HTTP_MAX_FIELDS);
    for (size_t i = 0; i < a->field_count; i++) {
        check_same_view(a->fields[i].name, a_buf, b->fields[i].name, b_buf, n);
        check_same_view(a->fields[i].value, a_buf, b->fields[i].value, b_buf, n);
    }
}

/* Parses `bytes` at once into `req` and *buf, then in steps, and checks that the results agree. */
static inline int check_steps(struct str bytes, struct str steps, struct http_request *req,
                              char **buf) {
    static struct http_request other;
    char *other_buf;
    int n = parse_in_steps(bytes, STR(""), req, buf);
    HOLDS(parse_in_steps(bytes, steps, &other, &other_buf) == n);
    HOLDS(req->send_continue == other.send_continue);
    if (n > 0) check_same_request(req, *buf, &other, other_buf, n);
    free(other_buf);
    return n;
}

/* ---- Responses are well-formed ---- */

/* Removes and returns a line, without its CRLF. It contains no control character except tabs. */
static inline struct str take_line(struct str *bytes) {
    struct str line = str_split(bytes, '\n');
    HOLDS(line.len > 0 && line.s[line.len - 1] == '\r');
    line.len--;
    for (size_t i = 0; i < line.len; i++)
        HOLDS(line.s[i] == '\t' || !iscntrl((unsigned char)line.s[i]));
    return line;
}

/* Removes the head of a response, and returns its Content-Length. */
static inline size_t take_head(struct str *bytes) {
    struct str line = take_line(bytes);
    size_t length = SIZE_MAX;
    HOLDS(line.len > 13 && starts_with(line, STR("HTTP/1.1 ")) && line.s[12] == ' ');
    bool interim = line.s[9] == '1';
    while ((line = take_line(bytes)).len > 0) {
        struct str name = str_split(&line, ':');
        HOLDS(name.len > 0 && line.len > 0 && line.s[0] == ' ');
        if (!str_equal(name, STR("Content-Length"))) continue;
        HOLDS(length == SIZE_MAX);
        length = strtoul(line.s, NULL, 10);
    }
    HOLDS(interim || length != SIZE_MAX);
    return interim ? 0 : length;
}

static inline bool has_complete_head(struct str bytes) {
    for (size_t i = 0; i + 4 <= bytes.len; i++)
        if (memcmp(bytes.s + i, "\r\n\r\n", 4) == 0) return true;
    return false;
}

/* Checks that `bytes` are responses, one after another, and returns the length of the complete
 * ones. All bodies are JSON objects; so if no brace follows, it is a response to HEAD. */
static inline size_t check_responses(struct str bytes) {
    struct str rest = bytes;
    while (has_complete_head(rest)) {
        struct str after = rest;
        size_t length = take_head(&after);
        if (length > 0 && after.len > 0 && after.s[0] == '{') {
            if (after.len < length) break;
            HOLDS(json_check((struct str){after.s, length}) == JSON_OBJECT);
            after = str_from(after, length);
        }
        rest = after;
    }
    return bytes.len - rest.len;
}

#endif
