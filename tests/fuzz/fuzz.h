/* fuzz.h - what the fuzzers share: a check that ends the program, and the two properties that more
 * than one of them holds.
 *
 * A fuzzer is a function that libFuzzer calls with bytes of its own making, and that ends the
 * program where something does not hold; the bytes are then kept in a file. run.sh builds and runs
 * them all.
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

/* A copy that ends where its memory ends, so that reading one byte too many is seen. */
static inline char *exact_copy(const void *bytes, size_t len) {
    char *copy = malloc(len ? len : 1);
    HOLDS(copy);
    if (len) memcpy(copy, bytes, len);
    return copy;
}

static inline struct str str_from(struct str s, size_t start) {
    return (struct str){s.s + start, s.len - start};
}

static inline bool starts_with(struct str s, struct str with) {
    return s.len >= with.len && memcmp(s.s, with.s, with.len) == 0;
}

/* ---- The same bytes are the same request, however they are split ---- */

/* Parses `bytes` as they come in pieces: as many as the next of `steps` says and one more, or all
 * at once where there are no steps. *buf is where the request's views point to, for the caller to
 * free. The bytes move between two calls, and nothing changes them before a request is whole. */
static inline int parse_in_steps(struct str bytes, struct str steps, struct http_request *req,
                                 char **buf) {
    size_t len = 0;
    int n = 0;
    *buf = NULL;
    req->progress = (struct http_progress){0};
    for (size_t i = 0; n == 0 && len < bytes.len; i++) {
        size_t step = steps.len ? (size_t)(unsigned char)steps.s[i % steps.len] + 1 : bytes.len;
        len = bytes.len - len < step ? bytes.len : len + step;
        free(*buf);
        *buf = exact_copy(bytes.s, len);
        n = http_parse(*buf, len, req);
        HOLDS(n > 0 || memcmp(*buf, bytes.s, len) == 0);
    }
    HOLDS(n <= (int)len);
    return n;
}

/* Holds that two views show the same bytes, at the same place of buffers with `n` bytes in use; the
 * path "/" of a target that has none lies elsewhere. */
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
    check_same_view(a->line, a_buf, b->line, b_buf, n);
    check_same_view(a->method, a_buf, b->method, b_buf, n);
    check_same_view(a->path, a_buf, b->path, b_buf, n);
    check_same_view(a->query, a_buf, b->query, b_buf, n);
    check_same_view(a->host, a_buf, b->host, b_buf, n);
    check_same_view(a->body, a_buf, b->body, b_buf, n);
    HOLDS(a->minor == b->minor && a->keep_alive == b->keep_alive);
    HOLDS(a->field_count == b->field_count && a->field_count <= HTTP_FIELDS);
    for (size_t i = 0; i < a->field_count; i++) {
        check_same_view(a->fields[i].name, a_buf, b->fields[i].name, b_buf, n);
        check_same_view(a->fields[i].value, a_buf, b->fields[i].value, b_buf, n);
    }
}

/* Parses `bytes` whole into `req` and *buf, and in steps, and holds that this is the same. */
static inline int check_steps(struct str bytes, struct str steps, struct http_request *req,
                              char **buf) {
    static struct http_request other;
    char *other_buf;
    int n = parse_in_steps(bytes, STR(""), req, buf);
    HOLDS(parse_in_steps(bytes, steps, &other, &other_buf) == n);
    if (n > 0) check_same_request(req, *buf, &other, other_buf, n);
    free(other_buf);
    return n;
}

/* ---- Responses are well-formed ---- */

/* Takes a line off the front, without its CRLF: no control character but the tab is in it. */
static inline struct str take_line(struct str *bytes) {
    struct str line = str_cut(bytes, '\n');
    HOLDS(line.len > 0 && line.s[line.len - 1] == '\r');
    line.len--;
    for (size_t i = 0; i < line.len; i++)
        HOLDS(line.s[i] == '\t' || !iscntrl((unsigned char)line.s[i]));
    return line;
}

/* Takes a response's head off the front. Returns what Content-Length says. */
static inline size_t take_head(struct str *bytes) {
    struct str line = take_line(bytes);
    size_t length = SIZE_MAX;
    HOLDS(line.len > 13 && starts_with(line, STR("HTTP/1.1 ")) && line.s[12] == ' ');
    bool interim = line.s[9] == '1';
    while ((line = take_line(bytes)).len > 0) {
        struct str name = str_cut(&line, ':');
        HOLDS(name.len > 0 && line.len > 0 && line.s[0] == ' ');
        if (!str_equal(name, STR("Content-Length"))) continue;
        HOLDS(length == SIZE_MAX);
        length = strtoul(line.s, NULL, 10);
    }
    HOLDS(interim || length != SIZE_MAX);
    return interim ? 0 : length;
}

static inline bool has_whole_head(struct str bytes) {
    for (size_t i = 0; i + 4 <= bytes.len; i++)
        if (memcmp(bytes.s + i, "\r\n\r\n", 4) == 0) return true;
    return false;
}

/* Holds that `bytes` are responses, one after another, and returns the length of those that are
 * whole. All bodies are JSON objects: after the answer to a HEAD no brace follows. */
static inline size_t check_responses(struct str bytes) {
    struct str rest = bytes;
    while (has_whole_head(rest)) {
        struct str after = rest;
        size_t length = take_head(&after);
        if (length > 0 && after.len > 0 && after.s[0] == '{') {
            if (after.len < length) break;
            HOLDS(json_read_object((struct str){after.s, length}, NULL, 0) == JSON_OBJECT);
            after = str_from(after, length);
        }
        rest = after;
    }
    return bytes.len - rest.len;
}

#endif
