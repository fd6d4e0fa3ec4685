/* fuzz.h - what the fuzzers share: a check that ends the program, and a check of responses.
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

static inline bool starts_with(struct str s, struct str with) {
    return s.len >= with.len && memcmp(s.s, with.s, with.len) == 0;
}

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
    for (; bytes.len >= 4; bytes = str_from(bytes, 1))
        if (starts_with(bytes, STR("\r\n\r\n"))) return true;
    return false;
}

/* Checks that `bytes` are well-formed responses, one after another, and returns the length of the
 * complete ones. All bodies are JSON objects; so if no brace follows, it is a response to HEAD. */
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
