/* test_str.c - tests str.c and str.h: views, classes of bytes, numbers and bounded output buffers.
 *
 * An output buffer lies between guard bytes, which must never change.
 */
#include "str.h"
#include "tests/test.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

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
        struct str rest = {"a\0\xff=", 3};
        CHECK_VIEW(str_split(&rest, '\0'), STR("a"));
        CHECK_VIEW(rest, STR("\xff"));
        CHECK_VIEW(str_split(&rest, '='), STR("\xff"));
        CHECK_INT(rest.len, 0);
        struct str none = {NULL, 0};
        CHECK_INT(str_split(&none, '=').len, 0);
        CHECK_INT(none.len, 0);
    }
    TEST("two views are equal if they hold the same bytes") {
        CHECK(str_equal(STR("a\0b"), (struct str){"a\0bc", 3}));
        CHECK(!str_equal(STR("a\0b"), STR("a\0c")));
        CHECK(!str_equal(STR("ab"), STR("abc")) && !str_equal(STR("ab"), STR("AB")));
        CHECK(str_equal(STR(""), (struct str){NULL, 0}));
    }
}

/* ---- Bytes ---- */

static void test_bytes(void) {
    TEST("the classes of all 256 bytes are those of ASCII") {
        int wrong = 0;
        for (int i = 0; i < 256; i++) {
            char byte = (char)i;
            const char *digits = "0123456789abcdef", *capitals = "0123456789ABCDEF";
            const char *digit = i ? strchr(digits, i) : NULL;
            if (i && !digit && (digit = strchr(capitals, i)) != NULL) digits = capitals;
            wrong += hex_value(byte) != (digit ? (int)(digit - digits) : -1);
            wrong += is_digit(byte) != (i >= 48 && i <= 57);
            wrong += ascii_lower(byte) != (char)(i >= 65 && i <= 90 ? i + 32 : i);
            wrong += is_unescaped_ascii(byte) != (i >= 32 && i < 127 && i != 34 && i != 92);
        }
        CHECK_INT(wrong, 0);
    }
}

static void test_numbers(void) {
    static const struct {
        uint64_t number;
        const char *text;
    } cases[] = {
        {0, "0"},
        {9, "9"},
        {10, "10"},
        {1234567890, "1234567890"},
        {UINT32_MAX, "4294967295"},
        {(uint64_t)UINT32_MAX + 1, "4294967296"},
        {UINT64_C(10000000000000000000), "10000000000000000000"},
        {UINT64_MAX, "18446744073709551615"},
    };
    TEST("a number is written in decimal, from 0 to the largest size_t") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            CASE(cases[i].text);
            if (cases[i].number > SIZE_MAX) break;
            CHECK_VIEW(NUMBER((size_t)cases[i].number), str_of(cases[i].text));
        }
    }
    TEST("every NUMBER of a block has digits of its own") {
        struct str one = NUMBER(1), two = NUMBER(22);
        CHECK_VIEW(one, STR("1"));
        CHECK_VIEW(two, STR("22"));
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

static bool guards_are_unchanged(void) { return memory[0] == GUARD && memory[CAP + 1] == GUARD; }

/* Returns whether memory[1 + from .. 1 + to) holds only this byte. */
static bool is_filled(size_t from, size_t to, char byte) {
    while (from < to && memory[1 + from] == byte) from++;
    return from == to;
}

static void test_put(void) {
    TEST("an append that fits exactly is written, and one byte more writes nothing") {
        for (size_t before = 0; before <= CAP; before++)
            for (size_t len = 0; len <= CAP + 1; len++) {
                struct text text = guarded_text();
                bool fits = before + len <= CAP;
                text_put(&text, (struct str){"aaaaaaaa", before});
                text_put(&text, (struct str){"bbbbbbbbb", len});
                CHECK_INT(text.truncated, !fits);
                CHECK(guards_are_unchanged());
                CHECK_INT(text.len, (fits ? before + len : before));
                CHECK(is_filled(0, before, 'a') && is_filled(before, text.len, 'b'));
                CHECK(is_filled(text.len, CAP, GUARD));
            }
    }
    TEST("after an append that did not fit a smaller one may fit, but `truncated` stays") {
        struct text text = guarded_text();
        text_put_all(&text, STR("abc"), STR("defghi"), STR("jk"));
        CHECK_VIEW(text_str(&text), STR("abcjk"));
        CHECK(text.truncated);
    }
    TEST("an enormous length does not overflow") {
        struct text text = guarded_text();
        text_put(&text, STR("a"));
        text_put(&text, (struct str){"b", SIZE_MAX});
        CHECK(text.truncated);
        CHECK_VIEW(text_str(&text), STR("a"));
    }
    TEST("an append of several views writes each of them, up to six") {
        struct text text = guarded_text();
        text_put_all(&text, STR("a"), STR(""), NUMBER(10), ((struct str){NULL, 0}), STR("b"),
                     STR("c"));
        CHECK_VIEW(text_str(&text), STR("a10bc"));
        CHECK(!text.truncated);
        text_put_all(&text, STR("d"));
        CHECK_VIEW(text_str(&text), STR("a10bcd"));
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
                text_put(&text, (struct str){"abcdefgh", len});
                text_drop(&text, n);
                struct str rest = {&"abcdefgh"[n], len - n};
                CHECK_VIEW(text_str(&text), rest);
                CHECK(is_filled(len - n, len, '\0') && is_filled(len, CAP, GUARD));
                CHECK(guards_are_unchanged());
            }
    }
    TEST("text_drop keeps `truncated`") {
        struct text text = guarded_text();
        text_put_all(&text, STR("abc"), STR("defghi"));
        text_drop(&text, 3);
        CHECK(text.truncated);
        CHECK_INT(text.len, 0);
    }
    TEST("text_clear erases what was written, and resets `truncated`") {
        struct text text = guarded_text();
        text_put_all(&text, STR("abc"), STR("defghi"));
        text_clear(&text);
        CHECK_INT(text.len, 0);
        CHECK_INT(text.cap, CAP);
        CHECK(!text.truncated);
        CHECK(is_filled(0, 3, '\0') && is_filled(3, CAP, GUARD) && guards_are_unchanged());
    }
    TEST("secure_zero overwrites the memory and nothing beside it") {
        for (size_t len = 0; len <= CAP; len++) {
            memset(memory, GUARD, sizeof memory);
            secure_zero(memory + 1, len);
            CHECK(is_filled(0, len, '\0') && is_filled(len, CAP, GUARD) && guards_are_unchanged());
        }
        secure_zero(NULL, 0);
    }
}

int main(void) {
    test_views();
    test_bytes();
    test_numbers();
    test_put();
    test_erasing();
    return test_report();
}
