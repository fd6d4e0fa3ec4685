/* test.h - TEST and CHECK, for all test programs.
 *
 *     TEST("a digest of nothing is that of FIPS 180-4") {
 *         CHECK(equal(digest, "da39..."));
 *         CHECK_INT(sizeof digest, 20);                     what is seen, what is expected
 *         CHECK_BETWEEN(seconds, 14, 150);                  at least, at most
 *         CHECK_STR(hex, "da39...");                        strings; either may be NULL
 *         CHECK_VIEW(view, STR("a\0b"));                    views (struct str of str.h)
 *         CHECK_HAS(log, "\"GET /home HTTP/1.1\" 401");     a text, a part of it
 *     }
 *     ...
 *     return test_report();
 *
 * The name of a test is a sentence of the specification. CASE(name), or CASE_OF with a format, says what
 * the checks behind it look at, where a table is walked. The first failure of a test is printed on
 * standard output with all that is known about it, and the others are counted. If a signal ends the
 * program, it prints in which test. The last line is `N passed, N failed`. At the end of this file are
 * test_give_up, repeated tries of a scenario, COUNT and STR_INIT for tables, and ERROR.
 */
#ifndef TEST_H
#define TEST_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST_SHOWN 200 /* bytes of a value that are shown */

static const char *test_name = "before the first test";
static bool test_running, test_is_bad, signals_are_caught;
static int test_failures; /* in this test */
static int tests_passed, tests_failed;
static char test_case[2 * TEST_SHOWN]; /* or empty */

/* ---- What is printed ---- */

static char test_message[4096];
static size_t test_message_len;
static bool test_is_held; /* the message is not printed yet */

/* Adds to the message, like printf; what does not fit is cut off. */
#define TEST_SAY(...)                                                                              \
    test_grow_message(snprintf(test_message + test_message_len,                                    \
                               sizeof test_message - test_message_len, __VA_ARGS__))

static inline void test_grow_message(int len) {
    size_t room = sizeof test_message - 1 - test_message_len;
    if (len > 0) test_message_len += (size_t)len < room ? (size_t)len : room;
}

/* Adds some of these bytes, beginning with the one at `from`. Control characters are escaped. */
static inline void test_say_bytes(const char *title, const char *bytes, size_t len, size_t from) {
    size_t end = len - from > TEST_SHOWN ? from + TEST_SHOWN : len;
    TEST_SAY("     %-9s %s", title, bytes ? from > 0 ? "... \"" : "\"" : "nothing");
    for (size_t i = from; i < end; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte == '\n')
            TEST_SAY("\\n");
        else if (byte == '\r')
            TEST_SAY("\\r");
        else
            TEST_SAY(byte < ' ' || byte > '~' ? "\\x%02x" : "%c", byte);
    }
    TEST_SAY("%s\n", !bytes ? "" : end < len ? "\" ..." : "\"");
}

static inline void test_show(void) {
    if (test_is_held) return;
    fputs(test_message, stdout);
    fflush(stdout);
    test_message[0] = '\0';
    test_message_len = 0;
}

/* A signal ends the program. No function of stdio is safe in a handler, but nothing is left to lose. */
static inline void test_report_signal(int number) {
    test_is_held = false;
    test_show();
    printf("FAIL %s\n     signal %d ended it%s%s\n", test_name, number, test_case[0] ? ", at " : "",
           test_case);
    fflush(stdout);
    signal(number, SIG_DFL);
    raise(number);
}

static inline void test_catch_signals(void (*handler)(int)) {
    static const int numbers[] = {SIGABRT, SIGFPE, SIGILL, SIGSEGV, SIGTERM};
    signals_are_caught = true;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) signal(numbers[i], handler);
}

/* ---- Tests ---- */

static inline void test_begin(const char *name) {
    if (!signals_are_caught) test_catch_signals(test_report_signal);
    test_name = name;
    test_running = true;
    test_is_bad = false;
    test_failures = 0;
    test_case[0] = '\0';
}

static inline void test_end(void) {
    test_running = false;
    tests_passed += !test_is_bad;
    tests_failed += test_is_bad;
    if (test_failures > 1) printf("     further failures: %d\n", test_failures - 1);
}

static inline int test_report(void) {
    printf("%d passed, %d failed\n", tests_passed, tests_failed);
    return tests_failed > 0;
}

/* Returns whether this is the first failure of the test, which the caller describes further. */
static inline bool test_fail(const char *what, const char *file, int line) {
    test_is_bad = true;
    if (test_failures++ > 0) return false;
    TEST_SAY("FAIL %s\n     %s:%d: %s\n", test_name, file, line, what);
    if (test_case[0]) test_say_bytes("case:", test_case, strlen(test_case), 0);
    return true;
}

/* ---- Checks ---- */

static inline void test_check(bool holds, const char *what, const char *file, int line) {
    if (!holds && test_fail(what, file, line)) test_show();
}

static inline void test_check_int(intmax_t seen, intmax_t expected, const char *what,
                                  const char *file, int line) {
    if (seen == expected || !test_fail(what, file, line)) return;
    TEST_SAY("     expected: %jd\n     seen:     %jd\n", expected, seen);
    test_show();
}

/* If the number is outside of the range, its nearest end is shown as expected. */
static inline void test_check_between(intmax_t seen, intmax_t min, intmax_t max, const char *what,
                                      const char *file, int line) {
    test_check_int(seen, seen < min ? min : seen > max ? max : seen, what, file, line);
}

static inline void test_check_bytes(const char *seen, size_t seen_len, const char *expected,
                                    size_t expected_len, const char *what, const char *file,
                                    int line) {
    size_t len = seen_len < expected_len ? seen_len : expected_len, at = 0;
    while (at < len && seen[at] == expected[at]) at++;
    if (at == seen_len && at == expected_len && !seen == !expected) return;
    if (!test_fail(what, file, line)) return;
    size_t from = at > TEST_SHOWN / 2 ? at - TEST_SHOWN / 2 : 0;
    test_say_bytes("expected:", expected, expected_len, from);
    test_say_bytes("seen:", seen, seen_len, from);
    test_show();
}

static inline void test_check_str(const char *seen, const char *expected, const char *what,
                                  const char *file, int line) {
    test_check_bytes(seen, seen ? strlen(seen) : 0, expected, expected ? strlen(expected) : 0, what,
                     file, line);
}

static inline void test_check_has(const char *text, const char *part, const char *what,
                                  const char *file, int line) {
    size_t len = strlen(text);
    if (strstr(text, part) || !test_fail(what, file, line)) return;
    test_say_bytes("expected:", part, strlen(part), 0);
    test_say_bytes("in:", text, len, len > TEST_SHOWN ? len - TEST_SHOWN : 0);
    test_show();
}

#define TEST(sentence)   for (test_begin(sentence); test_running; test_end())
#define CASE(name)       ((void)snprintf(test_case, sizeof test_case, "%s", (name)))
#define CASE_OF(...)     ((void)snprintf(test_case, sizeof test_case, __VA_ARGS__)) /* like printf */
#define CHECK(condition) test_check((condition), #condition, __FILE__, __LINE__)
#define CHECK_INT(seen, expected)                                                                  \
    test_check_int((intmax_t)(seen), (intmax_t)(expected), #seen, __FILE__, __LINE__)
#define CHECK_BETWEEN(seen, min, max)                                                              \
    test_check_between((intmax_t)(seen), (intmax_t)(min), (intmax_t)(max), #seen, __FILE__,        \
                       __LINE__)
#define CHECK_STR(seen, expected) test_check_str((seen), (expected), #seen, __FILE__, __LINE__)
#define CHECK_HAS(text, part)     test_check_has((text), (part), #text, __FILE__, __LINE__)
#define CHECK_VIEW(seen, expected)                                                                 \
    do {                                                                                           \
        const struct str test_seen = (seen), test_expected = (expected);                           \
        test_check_bytes(test_seen.s, test_seen.len, test_expected.s, test_expected.len, #seen,    \
                         __FILE__, __LINE__);                                                      \
    } while (0)

/* ---- What a test needs ---- */

/* Ends the program, because it cannot do WHAT, for the reason in errno. */
static inline void test_give_up(const char *what) {
    printf("FAIL cannot %s: %s\n", what, strerror(errno));
    tests_failed++;
    exit(test_report());
}

/* For a scenario whose failures count only if it was fast enough: forgets those of the try before. */
static inline void test_begin_try(int failures_before) {
    test_failures = failures_before;
    test_is_bad = failures_before > 0;
    test_is_held = true;
    test_message[0] = '\0';
    test_message_len = 0;
}

/* The failures of the last try count. */
static inline void test_end_tries(void) {
    test_is_held = false;
    test_show();
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* STR of str.h as an initialiser of static data, where C99 does not allow a compound literal. */
#define STR_INIT(literal)                                                                          \
    { (literal), sizeof(literal) - 1 }

/* The body of a response with an error. */
#define ERROR(code, reason, message)                                                               \
    "{\"status\": \"" code " " reason "\", \"status_code\": " code ", \"error\": \"" message       \
    "\", \"data\": null}"

#endif
