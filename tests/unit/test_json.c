/* test_json.c - tests json.c with tables of texts, each with the rule that makes it valid or not.
 *
 * A rule is a section of RFC 8259, unless it names another document. Every text ends directly in
 * front of a page that must not be accessed, so a read beyond its end crashes the program. Public
 * test suites are read by tests/tools/suites.c.
 */
#define _POSIX_C_SOURCE 200809L
#include "json.h"
#include "tests/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define SAMPLE_OBJECT                                                                              \
    "{\"username\": \"f\\u006fo\\ud83d\\ude00\xc3\xa9\", \"n\": [1, -2.5e+3, {}, [], true, "       \
    "false, null], \"\": {\"a\": \"\\\"\"}}"

/* ---- The edge of memory ---- */

static char *edge; /* the first byte that must not be accessed */

static void make_edge(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int fd = open("/dev/zero", O_RDWR);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE) < 0)
        test_give_up("map memory");
    close(fd);
    edge = pages + page;
}

/* Returns a copy of the text that ends at the edge. */
static struct str at_edge(struct str text) {
    memcpy(edge - text.len, text.s, text.len);
    return (struct str){edge - text.len, text.len};
}

/* ---- Valid and invalid texts ---- */

static const struct {
    struct str text;
    const char *why;
} valid[] = {
    {STR_INIT("null"), "2: any value is a text"},
    {STR_INIT("\"\""), "2: any value is a text"},
    {STR_INIT(" \t\r\n[ \t\r\n1 \t\r\n, \t\r\n2 \t\r\n] \t\r\n"), "2: whitespace around tokens"},
    {STR_INIT("{\"a\" \t\r\n: \t\r\n1}"), "2: whitespace around the colon"},
    {STR_INIT("[]"), "5: no element"},
    {STR_INIT("{}"), "4: no member"},
    {STR_INIT("{\"\":0}"), "4, 7: a name may be empty"},
    {STR_INIT("{\"a\":1,\"a\":2}"), "4: names should be unique, but need not"},
    {STR_INIT("0"), "6"},
    {STR_INIT("-0"), "6: minus zero"},
    {STR_INIT("10.01"), "6: frac"},
    {STR_INIT("0e0"), "6: exp"},
    {STR_INIT("-1.5E+0012"), "6: an exponent may begin with zeros"},
    {STR_INIT("1e-999999999"), "6: any range"},
    {STR_INIT("123456789012345678901234567890"), "6: any length"},
    {STR_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "7: the short escapes"},
    {STR_INIT("\"\\u0000\\u00e9\\uABCD\\uabcd\""), "7: digits in either case"},
    {STR_INIT("\"\\ud800\\udc00\\uDBFF\\uDFFF\""), "7: the first and the last surrogate pair"},
    {STR_INIT("\"\\ud7ff\\ue000\""), "7: the neighbours of the surrogates"},
    {STR_INIT("\"\x7f\""), "7: DEL needs no escape"},
    {STR_INIT("\"\xef\xbb\xbf\""), "8.1: inside a string it is not a byte order mark"},
    {STR_INIT(SAMPLE_OBJECT), "everything together"},
};

static const struct {
    struct str text;
    const char *why;
} invalid[] = {
    {STR_INIT(""), "2: a text is a value"},
    {STR_INIT(" "), "2: a text is a value"},
    {STR_INIT("1 2"), "2: one value"},
    {STR_INIT("{}x"), "2: something follows the value"},
    {STR_INIT("[]]"), "2: something follows the value"},
    {STR_INIT("1\0"), "2: NUL is not whitespace"},
    {STR_INIT("\0"), "2: NUL is not a value"},
    {STR_INIT("\v1"), "2: a vertical tab is not whitespace"},
    {STR_INIT("1\f"), "2: a form feed is not whitespace"},
    {STR_INIT("\xc2\xa0[]"), "2: a no-break space is not whitespace"},
    {STR_INIT("\xef\xbb\xbf[]"), "8.1: a byte order mark"},
    {STR_INIT("/**/1"), "2: there are no comments"},
    {STR_INIT("nul"), "3: a truncated literal"},
    {STR_INIT("nullx"), "3: no such literal"},
    {STR_INIT("True"), "3: literals are in lower case"},
    {STR_INIT("falsy"), "3: no such literal"},
    {STR_INIT("NaN"), "6: no such number"},
    {STR_INIT("Infinity"), "6: no such number"},
    {STR_INIT("-Infinity"), "6: no such number"},
    {STR_INIT("{"), "4: not closed"},
    {STR_INIT("}"), "4: not opened"},
    {STR_INIT("{a:1}"), "4: a name is a string"},
    {STR_INIT("{1:1}"), "4: a name is a string"},
    {STR_INIT("{'a':1}"), "7: the quote is the double one"},
    {STR_INIT("{\"a\"}"), "4: no value"},
    {STR_INIT("{\"a\":}"), "4: no value"},
    {STR_INIT("{\"a\" 1}"), "4: no colon"},
    {STR_INIT("{\"a\"::1}"), "4: two colons"},
    {STR_INIT("{\"a\",1}"), "4: a comma instead of a colon"},
    {STR_INIT("{\"a\":1:2}"), "4: two values"},
    {STR_INIT("{\"a\":1 \"b\":2}"), "4: no comma"},
    {STR_INIT("{\"a\":1,}"), "4: a comma at the end"},
    {STR_INIT("{,\"a\":1}"), "4: a comma before the first member"},
    {STR_INIT("{,}"), "4: only a comma"},
    {STR_INIT("{\"a\":1,,\"b\":2}"), "4: two commas"},
    {STR_INIT("{\"a\":1]"), "4: closed like an array"},
    {STR_INIT("{[]:1}"), "4: a name is a string"},
    {STR_INIT("["), "5: not closed"},
    {STR_INIT("]"), "5: not opened"},
    {STR_INIT("[1"), "5: not closed"},
    {STR_INIT("[1,"), "5: not closed"},
    {STR_INIT("[1,]"), "5: a comma at the end"},
    {STR_INIT("[,1]"), "5: a comma before the first element"},
    {STR_INIT("[1,,2]"), "5: two commas"},
    {STR_INIT("[1 2]"), "5: no comma"},
    {STR_INIT("[\"a\":1]"), "5: a colon in an array"},
    {STR_INIT("[1}"), "5: closed like an object"},
    {STR_INIT("[[]"), "5: two opened, one closed"},
    {STR_INIT("-"), "6: no digit"},
    {STR_INIT("+1"), "6: a plus sign"},
    {STR_INIT("- 1"), "6: a space behind the minus"},
    {STR_INIT("01"), "6: a leading zero"},
    {STR_INIT("-00"), "6: a leading zero"},
    {STR_INIT(".5"), "6: no digit before the point"},
    {STR_INIT("-.5"), "6: no digit before the point"},
    {STR_INIT("-e5"), "6: no digit before the exponent"},
    {STR_INIT("1."), "6: no digit after the point"},
    {STR_INIT("1.e5"), "6: no digit after the point"},
    {STR_INIT("1.5.5"), "6: two points"},
    {STR_INIT("1e"), "6: no exponent"},
    {STR_INIT("1E+"), "6: no exponent"},
    {STR_INIT("1e+-1"), "6: two signs"},
    {STR_INIT("1e1.5"), "6: the exponent is an integer"},
    {STR_INIT("0x1"), "6: digits are decimal"},
    {STR_INIT("1_0"), "6: an underscore"},
    {STR_INIT("\""), "7: not closed"},
    {STR_INIT("\"a"), "7: not closed"},
    {STR_INIT("\"\\\""), "7: not closed, the quote is escaped"},
    {STR_INIT("\"\\"), "7: the text ends in an escape"},
    {STR_INIT("\"a\0\""), "7: an unescaped NUL"},
    {STR_INIT("\"a\nb\""), "7: an unescaped line feed"},
    {STR_INIT("\"\x1f\""), "7: an unescaped control character"},
    {STR_INIT("\"\\x41\""), "7: no such escape"},
    {STR_INIT("\"\\'\""), "7: no such escape"},
    {STR_INIT("\"\\\0\""), "7: no such escape"},
    {STR_INIT("\"\\U0041\""), "7: the u must be in lower case"},
    {STR_INIT("\"\\u004\""), "7: three digits"},
    {STR_INIT("\"\\u004"), "7: the text ends in an escape"},
    {STR_INIT("\"\\u00g0\""), "7: not a hexadecimal digit"},
    {STR_INIT("\"\\u10/0\""), "7: the byte before the digits"},
    {STR_INIT("\"\\u00@0\""), "7: the byte before the letters"},
    {STR_INIT("\"\\u00:0\""), "7: the byte after the digits"},
    {STR_INIT("\"\\u00`0\""), "7: the byte before the letters"},
    {STR_INIT("\"\\ud800\\udbff\""), "8.2: the second half is a first half"},
    {STR_INIT("\"\\u+041\""), "7: a sign"},
    {STR_INIT("\"\\ud800\""), "8.2: half a surrogate pair"},
    {STR_INIT("\"\\udfff\""), "8.2: half a surrogate pair"},
    {STR_INIT("\"\\udbff\\u0041\""), "8.2: half a surrogate pair"},
    {STR_INIT("\"\\ud800\\ud800\""), "8.2: the first half twice"},
    {STR_INIT("\"\\ud800\\ue000\""), "8.2: the second half is not a surrogate"},
    {STR_INIT("\"\\udc00\""), "8.2: only the second half"},
    {STR_INIT("\"\\udfff\\ud800\""), "8.2: the halves in the wrong order"},
    {STR_INIT("\"\\ud800xudc00\""), "8.2: the second half is not escaped"},
    {STR_INIT("\"\\ud800\\xdc00\""), "8.2: the second half is not an escape"},
    {STR_INIT("\"\\ud800\\udc0\""), "8.2: the second half is truncated"},
    {STR_INIT("\"\\ud800\\udc0"), "8.2: the text ends in the second half"},
};

static bool is_valid(struct str text) { return json_check(text) != JSON_INVALID; }

static void test_texts(void) {
    TEST("texts that match the grammar of RFC 8259 are accepted") {
        for (size_t i = 0; i < COUNT(valid); i++) {
            CASE(valid[i].why);
            CHECK(is_valid(at_edge(valid[i].text)));
        }
    }
    TEST("texts that do not match the grammar of RFC 8259 are rejected") {
        for (size_t i = 0; i < COUNT(invalid); i++) {
            CASE(invalid[i].why);
            CHECK(!is_valid(at_edge(invalid[i].text)));
        }
    }
    TEST("a truncated object is rejected, whatever its length is") {
        struct str object = STR(SAMPLE_OBJECT);
        for (size_t len = 0; len < object.len; len++)
            CHECK(!is_valid(at_edge((struct str){object.s, len})));
    }
    TEST("if any byte is changed, the two checks agree and nothing is read beyond the end") {
        char changed[] = SAMPLE_OBJECT;
        struct str text = {changed, sizeof changed - 1};
        struct json_member member = {.name = STR("username")};
        for (size_t at = 0; at < text.len; at++) {
            char original = changed[at];
            for (int byte = 0; byte < 256; byte++) {
                changed[at] = (char)byte;
                struct str moved = at_edge(text);
                CHECK_INT(json_check(moved), json_find_members(moved, &member, 1));
            }
            changed[at] = original;
        }
    }
}

/* Checks `depth` times `open`, then `depth` times `close`. */
static bool nests(size_t depth, struct str open, struct str close) {
    static char storage[1000];
    struct text text = TEXT(storage);
    for (size_t i = 0; i < depth; i++) text_put(&text, open);
    if (open.len > 1) text_put(&text, STR("0"));
    for (size_t i = 0; i < depth; i++) text_put(&text, close);
    return is_valid(at_edge(text_str(&text)));
}

static void test_depth(void) {
    TEST("arrays and objects may be nested 32 deep, and not deeper (section 9)") {
        CHECK(nests(JSON_MAX_DEPTH, STR("["), STR("]")));
        CHECK(!nests(JSON_MAX_DEPTH + 1, STR("["), STR("]")));
        CHECK(nests(JSON_MAX_DEPTH, STR("{\"a\":"), STR("}")));
        CHECK(!nests(JSON_MAX_DEPTH + 1, STR("{\"a\":"), STR("}")));
        CHECK(nests(JSON_MAX_DEPTH / 2, STR("[{\"a\":"), STR("}]")));
        CHECK(!nests(JSON_MAX_DEPTH / 2 + 1, STR("[{\"a\":"), STR("}]")));
    }
    TEST("the recursion ends at that depth, so millions of brackets do not overflow the stack") {
        static char brackets[8000000];
        struct str text = {brackets, sizeof brackets};
        memset(brackets, '[', sizeof brackets / 2);
        memset(brackets + sizeof brackets / 2, ']', sizeof brackets / 2);
        CHECK(!is_valid(text) && json_find_members(text, NULL, 0) == JSON_INVALID);
    }
    TEST("containers that are closed already do not count") {
        static char storage[4096];
        struct text text = TEXT(storage);
        text_put(&text, STR("[0"));
        for (int i = 0; i < 1000; i++) text_put(&text, STR(",[]"));
        text_put(&text, STR("]"));
        CHECK(is_valid(text_str(&text)));
    }
}

/* ---- Tokens ---- */

/* Returns the tokens of `text`: a blank behind each, strings between quotes, and at the end a full
 * stop, or an exclamation mark for an invalid token. Checks that this is returned again. */
static struct str tokens(struct str text) {
    static char storage[256];
    struct text out = TEXT(storage);
    struct json_reader json;
    struct str value, again;
    enum json_type type;
    json_init(&json, text);
    while ((type = json_next(&json, &value)) > JSON_END) {
        struct str quote = type == JSON_STRING ? STR("\"") : STR("");
        char first = type == JSON_STRING ? value.s[-1] : value.s[0];
        CHECK(type == JSON_NUMBER || (char)type == first);
        text_put_all(&out, quote, value, quote, STR(" "));
    }
    CHECK_INT(value.len, 0);
    CHECK(value.s >= text.s && value.s <= text.s + text.len);
    CHECK_INT(json_next(&json, &again), type);
    CHECK_INT(again.len, 0);
    CHECK(again.s == value.s);
    text_put(&out, type == JSON_END ? STR(".") : STR("!"));
    return text_str(&out);
}

static void test_tokens(void) {
    static const struct {
        struct str text, tokens;
    } cases[] = {
        {STR_INIT(""), STR_INIT(".")},
        {STR_INIT("[1,[],{}]"), STR_INIT("[ 1 , [ ] , { } ] .")},
        {STR_INIT(" { \"a\" : [ true , \"b\" ] , \"c\":{\"d\":null} } "),
         STR_INIT("{ \"a\" : [ true , \"b\" ] , \"c\" : { \"d\" : null } } .")},
        {STR_INIT("\"\\n\\u00e9\"\"\""), STR_INIT("\"\\n\\u00e9\" \"\" .")},
        {STR_INIT("-1.50e+3 \t\r\n"), STR_INIT("-1.50e+3 .")},
        {STR_INIT(",:]}[{1\"\"null"), STR_INIT(", : ] } [ { 1 \"\" null .")},
        {STR_INIT("01-2true"), STR_INIT("0 1 -2 true .")},
        {STR_INIT("\"a\": \"b"), STR_INIT("\"a\" : !")},
        {STR_INIT("1 tru"), STR_INIT("1 !")},
        {STR_INIT("\"ab\\x\""), STR_INIT("!")},
        {STR_INIT("\"ab\xff\""), STR_INIT("!")},
    };
    TEST("tokens are returned as written and in any order; the end, or what is not a token, is "
         "returned again and again, as an empty view inside the text") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            CASE(cases[i].text.s);
            CHECK_VIEW(tokens(at_edge(cases[i].text)), cases[i].tokens);
        }
        for (size_t i = 0; i < COUNT(invalid); i++) {
            CASE(invalid[i].why);
            tokens(at_edge(invalid[i].text));
        }
    }
}

/* ---- UTF-8: RFC 3629 section 4 ---- */

static void test_utf8(void) {
    static const struct {
        struct str bytes;
        bool is_utf8;
        const char *why;
    } cases[] = {
        {STR_INIT("\x7f"), true, "the last of one byte"},
        {STR_INIT("\xc2\x80"), true, "the first of two bytes"},
        {STR_INIT("\xdf\xbf"), true, "the last of two bytes"},
        {STR_INIT("\xe0\xa0\x80"), true, "the first of three bytes"},
        {STR_INIT("\xed\x9f\xbf"), true, "the last before the surrogates"},
        {STR_INIT("\xee\x80\x80"), true, "the first after the surrogates"},
        {STR_INIT("\xef\xbf\xbf"), true, "the last of three bytes"},
        {STR_INIT("\xf0\x90\x80\x80"), true, "the first of four bytes"},
        {STR_INIT("\xf4\x8f\xbf\xbf"), true, "U+10FFFF, the last"},
        {STR_INIT("a\xc3\xa9z\xe2\x82\xac"), true, "several sequences"},
        {STR_INIT("\x80"), false, "a continuation byte without a first byte"},
        {STR_INIT("\xbf"), false, "a continuation byte without a first byte"},
        {STR_INIT("\x82\x80"), false, "two continuation bytes without a first byte"},
        {STR_INIT("\xbf\xbf"), false, "two continuation bytes without a first byte"},
        {STR_INIT("\xc0\x80"), false, "NUL in two bytes: overlong"},
        {STR_INIT("\xc1\xbf"), false, "overlong"},
        {STR_INIT("\xe0\x9f\xbf"), false, "overlong"},
        {STR_INIT("\xf0\x8f\xbf\xbf"), false, "overlong"},
        {STR_INIT("\xed\xa0\x80"), false, "U+D800, a surrogate"},
        {STR_INIT("\xed\xbf\xbf"), false, "U+DFFF, a surrogate"},
        {STR_INIT("\xf4\x90\x80\x80"), false, "U+110000"},
        {STR_INIT("\xf5\x80\x80\x80"), false, "above U+10FFFF"},
        {STR_INIT("\xf8\x88\x80\x80\x80"), false, "five bytes"},
        {STR_INIT("\xf8\x90\x80\x80"), false, "the first of five bytes begins four"},
        {STR_INIT("\xfe"), false, "a byte that UTF-8 never uses"},
        {STR_INIT("\xff"), false, "a byte that UTF-8 never uses"},
        {STR_INIT("\xc3"), false, "one byte of two"},
        {STR_INIT("\xe2\x82"), false, "two bytes of three"},
        {STR_INIT("\xf0\x9f\x98"), false, "three bytes of four"},
        {STR_INIT("\xc3(z"), false, "the second byte is not a continuation byte"},
        {STR_INIT("\xc3\x7f"), false, "the second byte is not a continuation byte"},
        {STR_INIT("\xc3\xc0"), false, "the second byte is a first byte"},
        {STR_INIT("\xe2(\xac"), false, "the second byte is not a continuation byte"},
        {STR_INIT("\xe2\x82(z"), false, "the third byte is not a continuation byte"},
        {STR_INIT("\xe2\x82\x7f"), false, "the third byte is not a continuation byte"},
        {STR_INIT("\xe2\x82\xc0"), false, "the third byte is not a continuation byte"},
        {STR_INIT("\xf0\x9f\x98(z"), false, "the fourth byte is not a continuation byte"},
        {STR_INIT("a\xffz"), false, "between others"},
    };
    TEST("UTF-8 is checked as RFC 3629 defines it, and strings must be UTF-8 (section 8.1)") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            char storage[16];
            struct text string = TEXT(storage);
            text_put(&string, STR("\""));
            text_put(&string, cases[i].bytes);
            text_put(&string, STR("\""));
            CASE(cases[i].why);
            CHECK_INT(json_is_utf8(at_edge(cases[i].bytes)), cases[i].is_utf8);
            CHECK_INT(is_valid(at_edge(text_str(&string))), cases[i].is_utf8);
            string.len--; /* the sequence ends at the edge */
            CHECK(!is_valid(at_edge(text_str(&string))));
        }
        CHECK(json_is_utf8(at_edge(STR(""))) && json_is_utf8(at_edge(STR("\0"))));
    }
}

/* ---- Members ---- */

static const struct {
    struct str text;
    enum json_type root, type;
    struct str value;
    const char *why;
} objects[] = {
    {STR_INIT("{\"a\":0, \"name\": \"x\"}"), JSON_OBJECT, JSON_STRING, STR_INIT("x"), "plain"},
    {STR_INIT("{\"name\":-1.5e3}"), JSON_OBJECT, JSON_NUMBER, STR_INIT("-1.5e3"), "as written"},
    {STR_INIT("{\"name\":\"\\n\"}"), JSON_OBJECT, JSON_STRING, STR_INIT("\\n"), "as written"},
    {STR_INIT("{\"name\":true}"), JSON_OBJECT, JSON_TRUE, STR_INIT("true"), "a literal"},
    {STR_INIT("{\"name\":{\"name\":1}}"), JSON_OBJECT, JSON_OBJECT, STR_INIT("{"), "an object"},
    {STR_INIT("{\"name\":[1]}"), JSON_OBJECT, JSON_ARRAY, STR_INIT("["), "an array"},
    {STR_INIT("{\"name\":1,\"name\":\"z\"}"), JSON_OBJECT, JSON_STRING, STR_INIT("z"), "the last"},
    {STR_INIT("{\"name\":1,\"n\\u0061me\":2}"), JSON_OBJECT, JSON_NUMBER, STR_INIT("2"),
     "8.3: names are compared without their escapes"},
    {STR_INIT("{\"name\\u0000\":1}"), JSON_OBJECT, JSON_INVALID, STR_INIT(""),
     "NUL is a character"},
    {STR_INIT("{\"nam\\u0065"
              "0123456789012345678901234567890123456789012345678901234567890123456789\":1}"),
     JSON_OBJECT, JSON_INVALID, STR_INIT(""), "longer than JSON_MAX_NAME"},
    {STR_INIT("{\"nam\":1,\"names\":2,\"Name\":3,\"\":4}"), JSON_OBJECT, JSON_INVALID, STR_INIT(""),
     "other names"},
    {STR_INIT("{\"a\":\"name\",\"b\":1}"), JSON_OBJECT, JSON_INVALID, STR_INIT(""),
     "a string that is not a name"},
    {STR_INIT("{\"a\":{\"name\":1}}"), JSON_OBJECT, JSON_INVALID, STR_INIT(""),
     "a member of a member"},
    {STR_INIT("{\"a\":{\"b\":[]},\"name\":1,\"c\":[{\"name\":2}]}"), JSON_OBJECT, JSON_NUMBER,
     STR_INIT("1"), "between containers"},
    {STR_INIT("{}"), JSON_OBJECT, JSON_INVALID, STR_INIT(""), "no member"},
    {STR_INIT("[{\"name\":1}]"), JSON_ARRAY, JSON_INVALID, STR_INIT(""), "an array"},
    {STR_INIT("\"name\""), JSON_STRING, JSON_INVALID, STR_INIT(""), "a string"},
    {STR_INIT("null"), JSON_NULL, JSON_INVALID, STR_INIT(""), "null"},
};

static void test_members(void) {
    TEST("a member is found by its name in the outermost object, and the last one wins") {
        for (size_t i = 0; i < COUNT(objects); i++) {
            struct json_member member = {.name = STR("name"), .type = JSON_STRING};
            enum json_type root = json_find_members(at_edge(objects[i].text), &member, 1);
            CASE(objects[i].why);
            CHECK_INT(root, objects[i].root);
            CHECK_INT(member.type, objects[i].type);
            if (member.type != JSON_INVALID) CHECK_VIEW(member.value, objects[i].value);
        }
    }
    TEST("several members are found, in any order") {
        struct json_member members[] = {{STR("a"), JSON_STRING, STR("")},
                                        {STR("\xc3\xa9"), JSON_STRING, STR("")},
                                        {STR("c"), JSON_STRING, STR("")}};
        struct str text = STR("{\"\\u00e9\":1,\"b\":2,\"a\":3}");
        CHECK_INT(json_find_members(at_edge(text), members, 3), JSON_OBJECT);
        CHECK_INT(members[0].type, JSON_NUMBER);
        CHECK_VIEW(members[0].value, STR("3"));
        CHECK_INT(members[1].type, JSON_NUMBER);
        CHECK_VIEW(members[1].value, STR("1"));
        CHECK_INT(members[2].type, JSON_INVALID);
    }
    TEST("a name may have JSON_MAX_NAME bytes, and all of them are compared") {
        char storage[JSON_MAX_NAME + 16];
        for (size_t len = JSON_MAX_NAME - 1; len <= JSON_MAX_NAME + 1; len++) {
            struct text text = TEXT(storage);
            text_put(&text, STR("{\""));
            while (text.len < 2 + len) text_put(&text, STR("n"));
            text_put(&text, STR("\":1}"));
            struct json_member member = {.name = {storage + 2, JSON_MAX_NAME}};
            CHECK_INT(json_find_members(at_edge(text_str(&text)), &member, 1), JSON_OBJECT);
            CHECK_INT(member.type, (len == JSON_MAX_NAME ? JSON_NUMBER : JSON_INVALID));
        }
    }
    TEST("a member is found behind one that is nested as deep as is allowed") {
        char storage[2 * JSON_MAX_DEPTH + 32];
        struct text text = TEXT(storage);
        struct json_member member = {.name = STR("name")};
        text_put(&text, STR("{\"a\":"));
        for (int depth = 1; depth < JSON_MAX_DEPTH; depth++) text_put(&text, STR("["));
        for (int depth = 1; depth < JSON_MAX_DEPTH; depth++) text_put(&text, STR("]"));
        text_put(&text, STR(",\"name\":1}"));
        CHECK_INT(json_find_members(at_edge(text_str(&text)), &member, 1), JSON_OBJECT);
        CHECK_INT(member.type, JSON_NUMBER);
    }
    TEST("an invalid text has no members, even if the error comes after the member") {
        const struct str texts[] = {STR_INIT("{\"name\":1}}"), STR_INIT("{\"name\":1,\"a\"")};
        for (size_t i = 0; i < COUNT(texts); i++) {
            struct json_member member = {.name = STR("name"), .type = JSON_STRING};
            CHECK_INT(json_find_members(at_edge(texts[i]), &member, 1), JSON_INVALID);
            CHECK_INT(member.type, JSON_INVALID);
        }
    }
}

/* ---- Strings ---- */

static void test_unescape(void) {
    static const struct {
        struct str value, string;
    } cases[] = {
        {STR_INIT(""), STR_INIT("")},
        {STR_INIT("foo"), STR_INIT("foo")},
        {STR_INIT("\\\"\\\\\\/\\b\\f\\n\\r\\t"), STR_INIT("\"\\/\b\f\n\r\t")},
        {STR_INIT("foo\\u0000x"), STR_INIT("foo\0x")},
        {STR_INIT("\\u0041\\u007f"), STR_INIT("A\x7f")},
        {STR_INIT("\\u0080\\u07ff"), STR_INIT("\xc2\x80\xdf\xbf")},
        {STR_INIT("\\u0800\\uFFFF"), STR_INIT("\xe0\xa0\x80\xef\xbf\xbf")},
        {STR_INIT("\\ud800\\udc00\\udbff\\udfff"), STR_INIT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")},
        {STR_INIT("\xc3\xa9\\u00e9"), STR_INIT("\xc3\xa9\xc3\xa9")},
    };
    TEST("escapes are decoded to the characters that they stand for, NUL included (section 7)") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            char storage[32];
            struct text out = TEXT(storage);
            json_unescape(&out, at_edge(cases[i].value));
            CASE(cases[i].value.s);
            CHECK_VIEW(text_str(&out), cases[i].string);
            CHECK(!out.truncated);
        }
    }
    TEST("a character that does not fit is not written in part, and `truncated` is set") {
        char storage[4] = "....";
        struct text out = {storage, 0, 3, false};
        json_unescape(&out, STR("ab\\u00e9"));
        CHECK(out.truncated);
        CHECK(memcmp(storage, "ab..", sizeof storage) == 0);
    }
}

static void test_escape(void) {
    static const struct {
        struct str string, value;
    } cases[] = {
        {STR_INIT(""), STR_INIT("")},
        {STR_INIT("Hello, foo/~ '"), STR_INIT("Hello, foo/~ '")},
        {STR_INIT("\"\\\b\f\n\r\t"), STR_INIT("\\\"\\\\\\b\\f\\n\\r\\t")},
        {STR_INIT("a\0b\x1f\x7f"), STR_INIT("a\\u0000b\\u001f\\u007f")},
        {STR_INIT("\xc2\x80\xc3\xa9"), STR_INIT("\\u0080\\u00e9")},
        {STR_INIT("\xe0\xa0\x80\xef\xbf\xbf"), STR_INIT("\\u0800\\uffff")},
        {STR_INIT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), STR_INIT("\\ud800\\udc00\\udbff\\udfff")},
        {STR_INIT("a\xffz\xc3"), STR_INIT("a\\ufffdz\\ufffd")},
        {STR_INIT("\xe2\x82("), STR_INIT("\\ufffd\\ufffd(")},
        {STR_INIT("\xed\xa0\x80"), STR_INIT("\\ufffd\\ufffd\\ufffd")},
    };
    TEST("strings are written in ASCII like json.dumps of Python does; invalid UTF-8 is U+FFFD") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            char storage[32];
            struct text out = TEXT(storage);
            json_escape(&out, at_edge(cases[i].string));
            CASE(cases[i].value.s);
            CHECK_VIEW(text_str(&out), cases[i].value);
            CHECK(!out.truncated);
        }
    }
}

/* Encodes a code point in UTF-8, in another way than json.c. */
static struct str utf8(unsigned long code, char storage[4]) {
    struct text out = {storage, 0, 4, false};
    unsigned char bytes[4] = {
        (unsigned char)(0xf0 | code >> 18), (unsigned char)(0x80 | (code >> 12 & 63)),
        (unsigned char)(0x80 | (code >> 6 & 63)), (unsigned char)(0x80 | (code & 63))};
    size_t from = code < 0x80 ? 3 : code < 0x800 ? 2 : code < 0x10000 ? 1 : 0;
    if (from == 3) bytes[3] = (unsigned char)code;
    if (from == 2) bytes[2] = (unsigned char)(0xc0 | code >> 6);
    if (from == 1) bytes[1] = (unsigned char)(0xe0 | code >> 12);
    text_put(&out, (struct str){(const char *)bytes + from, 4 - from});
    return text_str(&out);
}

/* Returns whether `string` is the same after it was escaped, read as a token and unescaped. */
static bool round_trips(struct str string) {
    char escaped_storage[64], decoded_storage[32];
    struct text escaped = TEXT(escaped_storage), decoded = TEXT(decoded_storage);
    struct json_reader json;
    struct str value;
    text_put(&escaped, STR("\""));
    json_escape(&escaped, string);
    text_put(&escaped, STR("\""));
    for (size_t i = 0; i < escaped.len; i++)
        if (escaped.s[i] < 0x20 || escaped.s[i] > 0x7e) return false;
    json_init(&json, at_edge(text_str(&escaped)));
    if (json_next(&json, &value) != JSON_STRING) return false;
    json_unescape(&decoded, value);
    return str_equal(text_str(&decoded), string) && json_next(&json, &value) == JSON_END;
}

static void test_round_trip(void) {
    TEST("every character survives a round trip: escaped, read and unescaped") {
        char storage[4];
        int lost = 0;
        /* all code points where the encodings change, every 97th of the others */
        for (unsigned long code = 0; code < 0x110000; code += code < 0x1000 ? 1 : 97) {
            struct str character = utf8(code, storage);
            bool surrogate = code >= 0xd800 && code <= 0xdfff;
            lost += round_trips(character) == surrogate || json_is_utf8(character) == surrogate;
        }
        CHECK_INT(lost, 0);
    }
    TEST("so does a string of several characters") {
        CHECK(round_trips(STR("\0\"\\/\n\xc3\xa9z\xf0\x9f\x98\x80")));
    }
}

int main(void) {
    make_edge();
    test_texts();
    test_depth();
    test_tokens();
    test_utf8();
    test_members();
    test_unescape();
    test_escape();
    test_round_trip();
    return test_report();
}
