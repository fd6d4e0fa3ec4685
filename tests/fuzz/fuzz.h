/* fuzz.h - what the fuzzers share: a check that ends the program, and a check of responses.
 *
 * A fuzzer is a function that libFuzzer calls with bytes of its own choice. If a check fails, it
 * ends the program, and libFuzzer writes the bytes to a file. run.sh builds and runs all fuzzers.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "http.h"
#include "json.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                           \
    ((condition) ? (void)0                                                                         \
                 : (fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition), \
                    abort()))

/* Returns the length of the response at the start of `bytes`, or 0 if it is incomplete. Its head has no
 * control character except tabs, and one Content-Length unless it is interim. All bodies are JSON
 * objects; so if no brace follows the head, it is a response to HEAD. */
static inline size_t check_response_at(struct str bytes) {
    static const char format[] = "^HTTP/1\\.1 [0-9]{3} [^\1-\37\177]*\r\n"
                                 "([^\1-\40:\177]+: [^\1-\10\12-\37\177]*\r\n)*\r\n$";
    static regex_t head;
    static char text[1 << 16];
    size_t n = 4;
    while (n <= bytes.len && memcmp(bytes.s + n - 4, "\r\n\r\n", 4) != 0) n++;
    if (n > bytes.len) return 0;
    HOLDS(n < sizeof text && (head.re_nsub || regcomp(&head, format, REG_EXTENDED) == 0));
    memcpy(text, bytes.s, n);
    text[n] = '\0';
    HOLDS(strlen(text) == n && regexec(&head, text, 0, NULL, 0) == 0);
    const char *length = strstr(text, "\r\nContent-Length: ");
    HOLDS(length ? !strstr(length + 1, "\r\nContent-Length: ") : text[9] == '1');
    size_t body = length ? strtoul(length + strlen("\r\nContent-Length: "), NULL, 10) : 0;
    if (body == 0 || n == bytes.len || bytes.s[n] != '{') return n;
    if (bytes.len - n < body) return 0;
    HOLDS(json_check((struct str){bytes.s + n, body}) == JSON_OBJECT);
    return n + body;
}

/* Checks that `bytes` are responses, one after another. Returns the length of the complete ones. */
static inline size_t check_responses(struct str bytes) {
    struct str rest = bytes;
    for (size_t n; (n = check_response_at(rest)) > 0;) rest = str_from(rest, n);
    return bytes.len - rest.len;
}

#endif
