/* test_str.c - tests str.c and str.h: views, classes of bytes, numbers and bounded output buffers.
 *
 * Run it with `make test TEST=str`. An output buffer lies between guard bytes, which must never change.
 */
#include "str.h"
#include "tests/test.h"

/* ---- Views ---- */

static void test_views(void) {
    static const struct {
        const char *whole, *part, *rest, *why;
    } cases[] = {
        {"a=b", "a", "b", "one separator"},
        {"a=b=c", "a", "b=c", "the first of several"},
        {"=b", "", "b", "an empty part"},
        {"a=", "a", "", "an empty rest"},
        {"==", "", "=", "the separator is removed only once"},
        {"ab", "ab", "", "no separator"},
        {"", "", "", "an empty view"},
    };
    TEST("str_split removes the part before the first separator, and the separator") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct str rest = str_of(cases[i].whole), part = str_split(&rest, '=');
            CASE(cases[i].why);
            CHECK_VIEW(part, str_of(cases[i].part));
            CHECK_VIEW(rest, str_of(cases[i].rest));
        }
    }
    TEST("str_split looks for any byte, and only inside the view") {
        struct str rest = {"a\0\xff=", 3}, none = {NULL, 0};
        CHECK_VIEW(str_split(&rest, '\0'), STR("a"));
        CHECK_VIEW(rest, STR("\xff"));
        CHECK_VIEW(str_split(&rest, '='), STR("\xff"));
        CHECK_INT(rest.len, 0);
        CHECK_VIEW(str_split(&none, '='), none);
    }
    TEST("two views are equal if they hold the same bytes") {
        CHECK(str_equal(STR("a\0b"), (struct str){"a\0bc", 3}));
        CHECK(!str_equal(STR("a\0b"), STR("a\0c")));
        CHECK(!str_equal(STR("ab"), STR("abc")));
        CHECK(!str_equal(STR("ab"), STR("AB")));
        CHECK(str_equal(STR(""), (struct str){NULL, 0}));
    }
}

/* ---- Bytes ---- */

static void test_bytes(void) {
    TEST("the classes of all 256 bytes are those of ASCII") {
        for (int i = 0; i < 256; i++) {
            char byte = (char)i;
            const char *digits = "0123456789abcdefABCDEF";
            const char *digit = i ? strchr(digits, i) : NULL;
            int value = digit ? (int)(digit - digits) : -1;
            CHECK_INT(hex_value(byte), (value < 16 ? value : value - 6));
            CHECK_INT(is_digit(byte), (i >= 48 && i <= 57));
            CHECK_INT(ascii_lower(byte), (char)(i >= 65 && i <= 90 ? i + 32 : i));
            CHECK_INT(is_unescaped_ascii(byte), (i >= 32 && i < 127 && i != 34 && i != 92));
        }
    }
    TEST("a number is written in decimal, from 0 to the largest size_t") {
        struct str largest = NUMBER(SIZE_MAX), one = NUMBER(1); /* each has digits of its own */
        CHECK_VIEW(largest, str_of(SIZE_MAX > UINT32_MAX ? "18446744073709551615" : "4294967295"));
        CHECK_VIEW(one, STR("1"));
        CHECK_VIEW(NUMBER(0), STR("0"));
        CHECK_VIEW(NUMBER(9), STR("9"));
        CHECK_VIEW(NUMBER(10), STR("10"));
        CHECK_VIEW(NUMBER(1234567890), STR("1234567890"));
        CHECK_VIEW(NUMBER(UINT32_MAX), STR("4294967295"));
    }
}

/* ---- Output buffers ---- */

#define CAP   8
#define GUARD '#'
static char memory[CAP + 2];

/* An empty text of CAP bytes between two guard bytes. */
static struct text guarded_text(void) {
    memset(memory, GUARD, sizeof memory);
    return (struct text){memory + 1, 0, CAP, false};
}

/* Checks the bytes of the text; those that were erased, which are 0; and that behind them, and in
 * front of the text, nothing was written. */
static void check_memory(const struct text *text, const char *expected, size_t erased) {
    CHECK_VIEW(text_str(text), str_of(expected));
    CHECK(memory[0] == GUARD);
    for (size_t i = text->len; i <= CAP; i++)
        CHECK_INT(memory[1 + i], (i < text->len + erased ? '\0' : GUARD));
}

static void test_append(void) {
    TEST("an append that fits exactly is written, and one byte more writes nothing") {
        for (size_t before = 0; before <= CAP; before++)
            for (size_t len = 0; len <= CAP + 1; len++) {
                struct text text = guarded_text();
                char expected[2 * CAP + 1];
                bool fits = before + len <= CAP;
                snprintf(expected, sizeof expected, "%.*s%.*s", (int)before, "aaaaaaaa",
                         fits ? (int)len : 0, "bbbbbbbb");
                text_put(&text, (struct str){"aaaaaaaa", before});
                text_put(&text, (struct str){"bbbbbbbbb", len});
                CHECK_INT(text.truncated, !fits);
                check_memory(&text, expected, 0);
            }
    }
    TEST("after an append that did not fit a smaller one may fit, but `truncated` stays") {
        struct text text = guarded_text();
        text_put_all(&text, STR("abc"), STR("defghi"), STR("jk"));
        check_memory(&text, "abcjk", 0);
        CHECK(text.truncated);
    }
    TEST("an enormous length does not overflow") {
        struct text text = guarded_text();
        text_put_all(&text, STR("a"), (struct str){"b", SIZE_MAX});
        check_memory(&text, "a", 0);
        CHECK(text.truncated);
    }
}

static void test_several_views(void) {
    TEST("an append of several views writes each of them, up to six") {
        struct text text = guarded_text();
        text_put_all(&text, STR("a"), STR(""), NUMBER(10), ((struct str){NULL, 0}), STR("b"),
                     STR("c"));
        text_put_all(&text, STR("d"));
        check_memory(&text, "a10bcd", 0);
        CHECK(!text.truncated);
    }
    TEST("TEXT has the capacity of its array") {
        char storage[5];
        struct text text = TEXT(storage);
        CHECK(text.s == storage);
        CHECK_INT(text.len, 0);
        CHECK_INT(text.cap, 5);
        CHECK(!text.truncated);
    }
}

static void test_erasing(void) {
    TEST("text_drop moves the rest to the front, and erases exactly what becomes free") {
        for (size_t len = 0; len <= CAP; len++)
            for (size_t n = 0; n <= len; n++) {
                struct text text = guarded_text();
                text_put(&text, (struct str){&"abcdefgh"[CAP - len], len});
                text_drop(&text, n);
                check_memory(&text, &"abcdefgh"[CAP - len + n], n);
            }
    }
    TEST("text_drop keeps `truncated`; text_clear erases everything, and resets it") {
        struct text text = guarded_text();
        text_put_all(&text, STR("abc"), STR("defghi"));
        text_drop(&text, 1);
        CHECK(text.truncated);
        text_clear(&text);
        check_memory(&text, "", 3);
        CHECK_INT(text.cap, CAP);
        CHECK(!text.truncated);
    }
    TEST("secure_zero overwrites the memory and nothing beside it") {
        for (size_t len = 0; len <= CAP; len++) {
            struct text text = guarded_text();
            secure_zero(text.s, len);
            check_memory(&text, "", len);
        }
        secure_zero(NULL, 0);
    }
}

int main(void) {
    test_views();
    test_bytes();
    test_append();
    test_several_views();
    test_erasing();
    return test_report();
}
