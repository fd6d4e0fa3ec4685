/* test.h - TEST and CHECK, for all test programs.
 *
 *     TEST("a digest of nothing is that of FIPS 180-4") {
 *         CHECK(equal(digest, "da39..."));
 *     }
 *     ...
 *     return test_report();
 *
 * The name of a test is a sentence of the specification. A test fails if one CHECK in it fails; the
 * others are still evaluated. Failures are printed on standard output, and the last line is
 * `N passed, N failed`.
 */
#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stdio.h>

static const char *test_name;
static bool test_running, test_is_bad;
static int tests_passed, tests_failed;

static inline void test_begin(const char *name)
{
    test_name = name;
    test_running = true;
    test_is_bad = false;
}

static inline void test_end(void)
{
    test_running = false;
    tests_passed += !test_is_bad;
    tests_failed += test_is_bad;
}

static inline void test_check(bool holds, const char *what, const char *file, int line)
{
    if (holds)
        return;
    test_is_bad = true;
    printf("FAIL %s\n     %s:%d: %s\n", test_name, file, line, what);
    fflush(stdout);
}

static inline int test_report(void)
{
    printf("%d passed, %d failed\n", tests_passed, tests_failed);
    return tests_failed > 0;
}

#define TEST(sentence) for (test_begin(sentence); test_running; test_end())
#define CHECK(condition) test_check((condition), #condition, __FILE__, __LINE__)
/* With what was being looked at, where a table is walked. */
#define CHECK_CASE(condition, name) test_check((condition), (name), __FILE__, __LINE__)


/* STR of str.h as an initialiser of static data, where C99 does not allow a compound literal. */
#define STR_INIT(literal)                                                                          \
    { (literal), sizeof(literal) - 1 }

#endif
