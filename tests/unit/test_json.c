/* test_json.c - tests json.c with tables of texts, each with the rule that makes it valid or not.
 *
 * Run it with `make test TEST=json`. A rule is a section of RFC 8259, unless it names another
 * document. Every text ends directly in front of a page that must not be accessed, so a read beyond
 * its end crashes the program. Public test suites are read by tests/tools/suites.py.
 */
#define _POSIX_C_SOURCE 200809L
#include "json.h"
#include "tests/edge.h"

#define SAMPLE_OBJECT                                                                              \
    "{'username': 'f\\u006fo\\ud83d\\ude00\xc3\xa9', 'n': [1, -2.5e+3, {}, [], true, "             \
    "false, null], '': {'a': '\\''}}"

/* ---- Valid and invalid texts ---- */

/* clang-format off */
static const struct rule {
    const char *name, *texts[12];
} valid[] = {
    {"2: any value is a text", {"null", "true", "false", "''", "0", "[]", "{}"}},
    {"2: whitespace around tokens", {" \t\r\n[ \t\r\n1 \t\r\n, \t\r\n2 \t\r\n] \t\r\n",
     "{'a' \t\r\n: \t\r\n1}"}},
    {"4: a name may be empty, and stand twice", {"{'':0}", "{'a':1,'a':2}"}},
    {"6: a minus, an integer, a fraction, an exponent with a sign and zeros, of any length", {"-0",
     "10.01", "0e0", "-1.5E+0012", "1e-999999999", "123456789012345678901234567890"}},
    {"7: the short escapes", {"'\\'\\\\\\/\\b\\f\\n\\r\\t'"}},
    {"7: digits in either case", {"'\\u0000\\u00e9\\uABCD\\uabcd'"}},
    {"7: the first and the last surrogate pair, and the neighbours of the surrogates",
     {"'\\ud800\\udc00\\uDBFF\\uDFFF'", "'\\ud7ff\\ue000'"}},
    {"7: a blank and DEL need no escape", {"' '", "'\x7f'"}},
    {"8.1: inside a string it is not a byte order mark", {"'\xef\xbb\xbf'"}},
    {"everything together", {SAMPLE_OBJECT}},
}, invalid[] = {
    {"2: a text is one value", {"", " ", "1 2", "{}x", "[]]", "/**/1"}},
    {"2: whitespace is a blank, a tab, CR or LF", {"\v1", "1\f", "\xc2\xa0[]"}},
    {"3: there are three literals", {"nul", "nullx", "True", "falsy", "NaN", "Infinity",
     "-Infinity"}},
    {"4: an object is opened and closed", {"{", "}", "{'a':1]", "{'a'", "{'a':1"}},
    {"4: a name is a string", {"{a:1}", "{1:1}", "{[]:1}"}},
    {"4: a colon and one value follow", {"{'a'}", "{'a':}", "{'a' 1}", "{'a'::1}", "{'a',1}",
     "{'a':1:2}"}},
    {"4: a comma stands between members", {"{'a':1 'b':2}", "{'a':1,}", "{,'a':1}", "{,}",
     "{'a':1,,'b':2}"}},
    {"5: an array is opened and closed", {"[", "]", "[1", "[1}", "[[]"}},
    {"5: a comma stands between elements", {"[1,", "[1,]", "[,1]", "[1,,2]", "[1 2]", "['a':1]"}},
    {"6: an integer has digits, and no zero in front", {"-", "+1", "- 1", "01", "-00", "0x1",
     "1_0"}},
    {"6: digits stand on both sides of the point", {".5", "-.5", "1.", "1.e5", "1.5.5"}},
    {"6: an exponent is an integer", {"-e5", "1e", "1E+", "1e+-1", "1e1.5"}},
    {"7: a string is closed", {"'", "'a", "'\\'", "'\\"}},
    {"7: control characters are escaped", {"'a\nb'", "'\x1f'"}},
    {"7: no other escapes", {"'\\x41'", "'\\U0041'"}},
    {"7: four hexadecimal digits, and none of the bytes beside those", {"'\\u004'", "'\\u004",
     "'\\u00g0'", "'\\u10/0'", "'\\u00@0'", "'\\u00:0'", "'\\u00`0'", "'\\u+041'"}},
    {"8.1: no byte order mark", {"\xef\xbb\xbf[]"}},
    {"8.2: the first half of a pair is followed by the second", {"'\\ud800'", "'\\udbff\\u0041'",
     "'\\ud800\\ud800'", "'\\ud800\\udbff'", "'\\ud800\\ue000'", "'\\ud800xudc00'",
     "'\\ud800\\xdc00'", "'\\ud800\\udc0'", "'\\ud800\\udc0"}},
    {"8.2: the second half stands behind the first", {"'\\udc00'", "'\\udfff'",
     "'\\udfff\\ud800'"}},
};
/* clang-format on */

/* The text with " for each '. The tables can be read more easily without escapes. */
static struct str quoted(const char *text) {
    static char storage[256];
    snprintf(storage, sizeof storage, "%s", text);
    for (char *at = storage; (at = strchr(at, '\'')) != NULL;) *at = '"';
    return str_of(storage);
}

static bool is_valid(struct str text) { return json_check(at_edge(text)) != JSON_INVALID; }

static void check_texts(const struct rule *rule, bool expected) {
    for (const char *const *text = rule->texts; *text; text++) {
        CASE_OF("%s: %s", rule->name, *text);
        CHECK_INT(is_valid(quoted(*text)), expected);
    }
}

static void test_texts(void) {
    TEST("texts that match the grammar of RFC 8259 are accepted") {
        for (size_t i = 0; i < COUNT(valid); i++) check_texts(&valid[i], true);
    }
    TEST("texts that do not match the grammar of RFC 8259 are rejected") {
        for (size_t i = 0; i < COUNT(invalid); i++) check_texts(&invalid[i], false);
    }
    TEST("a NUL is not whitespace, nor a value, nor a part of a string or an escape") {
        CHECK(!is_valid(STR("1\0")));
        CHECK(!is_valid(STR("\0")));
        CHECK(!is_valid(STR("\"a\0\"")));
        CHECK(!is_valid(STR("\"\\\0\"")));
    }
    TEST("a single quote is not a quote, and has no escape") {
        CHECK(!is_valid(STR("{'a':1}")));
        CHECK(!is_valid(STR("\"\\'\"")));
    }
    TEST("a truncated object is rejected, whatever its length is") {
        struct str object = quoted(SAMPLE_OBJECT);
        for (size_t len = 0; len < object.len; len++) CHECK(!is_valid((struct str){object.s, len}));
    }
}

/* Checks `depth` times `open`, then 0, then `depth` times `close`. */
static bool nests(int depth, const char *open, const char *close) {
    static char storage[1000];
    struct text text = TEXT(storage);
    for (int i = 0; i < depth; i++) text_put(&text, str_of(open));
    text_put(&text, STR("0"));
    for (int i = 0; i < depth; i++) text_put(&text, str_of(close));
    return is_valid(text_str(&text));
}

static void test_depth(void) {
    TEST("arrays and objects may be nested 32 deep, and not deeper (section 9)") {
        for (int more = 0; more <= 1; more++) {
            CHECK_INT(nests(32 + more, "[", "]"), !more);
            CHECK_INT(nests(32 + more, "{\"a\":", "}"), !more);
            CHECK_INT(nests(16 + more, "[{\"a\":", "}]"), !more);
        }
    }
    TEST("the recursion ends at that depth, so millions of brackets do not overflow the stack") {
        static char brackets[8000000];
        struct str text = {brackets, sizeof brackets};
        memset(brackets, '[', sizeof brackets);
        CHECK_INT(json_check(text), JSON_INVALID);
        CHECK_INT(json_find_members(text, NULL, 0), JSON_INVALID);
    }
    TEST("containers that are closed already do not count") {
        char storage[256];
        struct text text = TEXT(storage);
        text_put(&text, STR("[0"));
        for (int i = 0; i < 2 * JSON_MAX_DEPTH; i++) text_put(&text, STR(",[]"));
        text_put(&text, STR("]"));
        CHECK(is_valid(text_str(&text)));
    }
}

/* ---- Tokens ---- */

/* Returns the tokens of `text`: a blank behind each, strings between single quotes, and at the end
 * a full stop, or an exclamation mark for an invalid token. Checks that this is returned again. */
static struct str tokens(struct str text) {
    static char storage[256];
    struct text out = TEXT(storage);
    struct json_reader json;
    struct str value, again;
    enum json_type type;
    json_init(&json, text);
    while ((type = json_next(&json, &value)) > JSON_END) {
        struct str quote = type == JSON_STRING ? STR("'") : STR("");
        char first = type == JSON_STRING ? value.s[-1] : value.s[0];
        CHECK(type == JSON_NUMBER || (char)type == first);
        text_put_all(&out, quote, value, quote, STR(" "));
    }
    CHECK_INT(value.len, 0);
    CHECK_BETWEEN(value.s - text.s, 0, text.len);
    CHECK_INT(json_next(&json, &again), type);
    CHECK_INT(again.len, 0);
    CHECK(again.s == value.s);
    text_put(&out, type == JSON_END ? STR(".") : STR("!"));
    return text_str(&out);
}

static void test_tokens(void) {
    static const struct {
        const char *text, *tokens;
    } cases[] = {
        {"", "."},
        {"[1,[],{}]", "[ 1 , [ ] , { } ] ."},
        {" { 'a' : [ true , 'b' ] , 'c':{'d':null} } ",
         "{ 'a' : [ true , 'b' ] , 'c' : { 'd' : null } } ."},
        {"'\\n\\u00e9'''", "'\\n\\u00e9' '' ."},
        {"-1.50e+3 \t\r\n", "-1.50e+3 ."},
        {",:]}[{1''null", ", : ] } [ { 1 '' null ."},
        {"01-2true", "0 1 -2 true ."},
        {"'a': 'b", "'a' : !"},
        {"1 tru", "1 !"},
        {"'ab\\x'", "!"},
        {"'ab\xff'", "!"},
    };
    TEST("tokens are returned as written and in any order; the end, or what is not a token, is "
         "returned again and again, as an empty view inside the text") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            CASE(cases[i].text);
            CHECK_VIEW(tokens(at_edge(quoted(cases[i].text))), str_of(cases[i].tokens));
        }
    }
}

/* ---- UTF-8: RFC 3629 section 4 ---- */

/* clang-format off */
static const struct rule is_utf8[] = {
    {"the first and the last sequence of each length", {"\x01", "\x7f", "\xc2\x80", "\xdf\xbf",
     "\xe0\xa0\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}},
    {"the neighbours of the surrogates", {"\xed\x9f\xbf", "\xee\x80\x80"}},
    {"several sequences", {"a\xc3\xa9z\xe2\x82\xac"}},
}, is_not_utf8[] = {
    {"continuation bytes without a first byte", {"\x80", "\xbf", "\x82\x80", "\xbf\xbf"}},
    {"overlong", {"\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf"}},
    {"the first and the last surrogate", {"\xed\xa0\x80", "\xed\xbf\xbf"}},
    {"above U+10FFFF", {"\xf4\x90\x80\x80", "\xf5\x80\x80\x80"}},
    {"a byte that UTF-8 never uses", {"\xfe", "\xff", "a\xffz", "\xf8\x90\x80\x80",
     "\xf8\x88\x80\x80\x80"}},
    {"too few bytes", {"\xc3", "\xe2\x82", "\xf0\x9f\x98"}},
    {"the second byte is not a continuation byte", {"\xc3(z", "\xc3\x7f", "\xc3\xc0", "\xe2(\xac"}},
    {"nor the third, nor the fourth", {"\xe2\x82(z", "\xe2\x82\x7f", "\xe2\x82\xc0",
     "\xf0\x9f\x98(z"}},
};
/* clang-format on */

static void check_utf8(const struct rule *rule, bool expected) {
    for (const char *const *bytes = rule->texts; *bytes; bytes++) {
        char storage[16] = "";
        struct text string = TEXT(storage);
        CASE_OF("%s: %s", rule->name, *bytes);
        CHECK_INT(json_is_utf8(at_edge(str_of(*bytes))), expected);
        text_put_all(&string, STR("\""), str_of(*bytes));
        CHECK(!is_valid(text_str(&string))); /* the sequence ends at the edge */
        if (**bytes == '\x01') continue;     /* must be escaped */
        text_put(&string, STR("\""));
        CHECK_INT(is_valid(text_str(&string)), expected);
    }
}

static void test_utf8(void) {
    TEST("UTF-8 is checked as RFC 3629 defines it, and strings must be UTF-8 (section 8.1)") {
        for (size_t i = 0; i < COUNT(is_utf8); i++) check_utf8(&is_utf8[i], true);
        for (size_t i = 0; i < COUNT(is_not_utf8); i++) check_utf8(&is_not_utf8[i], false);
        CHECK(json_is_utf8(at_edge(STR(""))));
        CHECK(json_is_utf8(at_edge(STR("\0"))));
    }
}

/* ---- Members ---- */

static enum json_type find(const char *text, struct json_member members[], size_t count) {
    return json_find_members(at_edge(quoted(text)), members, count);
}

static const struct {
    const char *text;
    enum json_type type;
    const char *value, *why;
} outcomes[] = {
    {"{'a':0, 'name': 'x'}", JSON_STRING, "x", "plain"},
    {"{'name':-1.5e3}", JSON_NUMBER, "-1.5e3", "as written"},
    {"{'name':'\\n'}", JSON_STRING, "\\n", "as written"},
    {"{'name':true}", JSON_TRUE, "true", "a literal"},
    {"{'name':{'name':1}}", JSON_OBJECT, "{", "an object"},
    {"{'name':[1]}", JSON_ARRAY, "[", "an array"},
    {"{'name':1,'name':'z'}", JSON_STRING, "z", "the last one wins"},
    {"{'name':1,'n\\u0061me':2}", JSON_NUMBER, "2", "8.3: escapes do not count"},
    {"{'a':{'b':[]},'name':1,'c':[{'name':2}]}", JSON_NUMBER, "1", "between others"},
    {"{'name\\u0000':1}", JSON_INVALID, "", "NUL is a character"},
    {"{'nam':1,'names':2,'Name':3,'':4}", JSON_INVALID, "", "other names"},
    {"{'a':'name','b':1}", JSON_INVALID, "", "a string that is not a name"},
    {"{'a':{'name':1}}", JSON_INVALID, "", "a member of a member"},
    {"{}", JSON_INVALID, "", "no member"},
    {"[{'name':1}]", JSON_INVALID, "", "an array"},
    {"'name'", JSON_INVALID, "", "a string"},
    {"null", JSON_INVALID, "", "null"},
};

static void test_members(void) {
    TEST("a member is found by its name in the outermost object, and the last one wins") {
        for (size_t i = 0; i < COUNT(outcomes); i++) {
            struct json_member member = {.name = STR("name"), .type = JSON_STRING};
            int root = quoted(outcomes[i].text).s[0]; /* a type is its first byte */
            CASE(outcomes[i].why);
            CHECK_INT(find(outcomes[i].text, &member, 1), root);
            CHECK_INT(member.type, outcomes[i].type);
            if (member.type != JSON_INVALID) CHECK_VIEW(member.value, str_of(outcomes[i].value));
        }
    }
    TEST("an invalid text has no members, even if the error comes after the member") {
        struct json_member member = {.name = STR("name"), .type = JSON_STRING};
        CHECK_INT(find("{'name':1}}", &member, 1), JSON_INVALID);
        CHECK_INT(member.type, JSON_INVALID);
        CHECK_INT(find("{'name':1,'a'", &member, 1), JSON_INVALID);
        CHECK_INT(member.type, JSON_INVALID);
    }
}

static void test_names(void) {
    TEST("several members are found, in any order") {
        struct json_member members[] = {{STR("a"), JSON_STRING, STR("")},
                                        {STR("\xc3\xa9"), JSON_STRING, STR("")},
                                        {STR("c"), JSON_STRING, STR("")}};
        CHECK_INT(find("{'\\u00e9':1,'b':2,'a':3}", members, 3), JSON_OBJECT);
        CHECK_VIEW(members[0].value, STR("3"));
        CHECK_VIEW(members[1].value, STR("1"));
        CHECK_INT(members[2].type, JSON_INVALID);
    }
    TEST("a name may have JSON_MAX_NAME bytes, and all of them are compared") {
        char text[JSON_MAX_NAME + 16], name[JSON_MAX_NAME + 2] = "";
        struct json_member member = {.name = {name, JSON_MAX_NAME}};
        memset(name, 'n', JSON_MAX_NAME + 1);
        for (int len = JSON_MAX_NAME - 1; len <= JSON_MAX_NAME + 1; len++)
            for (int escaped = 0; escaped <= 1; escaped++) {
                const char *first = escaped ? "\\u006e" : "n";
                snprintf(text, sizeof text, "{'%s%.*s':1}", first, len - 1, name);
                CHECK_INT(find(text, &member, 1), JSON_OBJECT);
                CHECK_INT(member.type, (len == JSON_MAX_NAME ? JSON_NUMBER : JSON_INVALID));
            }
    }
    TEST("a member is found behind one that is nested as deep as is allowed") {
        struct json_member member = {.name = STR("name")};
        const char *value = "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]";
        char text[128];
        CHECK_INT(strlen(value), 2 * (JSON_MAX_DEPTH - 1));
        snprintf(text, sizeof text, "{'a':%s,'name':1}", value);
        CHECK_INT(find(text, &member, 1), JSON_OBJECT);
        CHECK_INT(member.type, JSON_NUMBER);
    }
}

/* ---- Strings ---- */

/* Returns what json_escape or json_unescape makes of it. */
static struct str output_of(void (*convert)(struct text *, struct str), struct str input) {
    static char storage[64];
    struct text out = TEXT(storage);
    convert(&out, at_edge(input));
    CHECK(!out.truncated);
    return text_str(&out);
}

static void test_strings(void) {
    static const struct {
        struct str string, value;
    } cases[] = {
        {STR_INIT(""), STR_INIT("")},
        {STR_INIT("~"), STR_INIT("~")},
        {STR_INIT("Hello, foo/~ '"), STR_INIT("Hello, foo/~ '")},
        {STR_INIT("\"\\\b\f\n\r\t"), STR_INIT("\\\"\\\\\\b\\f\\n\\r\\t")},
        {STR_INIT("a\0b\x1f\x7f"), STR_INIT("a\\u0000b\\u001f\\u007f")},
        {STR_INIT("\xc2\x80\xdf\xbf"), STR_INIT("\\u0080\\u07ff")},
        {STR_INIT("\xe0\xa0\x80\xef\xbf\xbf"), STR_INIT("\\u0800\\uffff")},
        {STR_INIT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), STR_INIT("\\ud800\\udc00\\udbff\\udfff")},
        {STR_INIT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
         STR_INIT("\\u00e9\\u20ac\\ud83d\\ude00")},
    };
    TEST("strings are written in ASCII like json.dumps of Python does (section 7)") {
        for (size_t i = 0; i < COUNT(cases); i++)
            CHECK_VIEW(output_of(json_escape, cases[i].string), cases[i].value);
    }
    TEST("bytes that are not UTF-8 are written as U+FFFD") {
        CHECK_VIEW(output_of(json_escape, STR("a\xffz\xc3")), STR("a\\ufffdz\\ufffd"));
        CHECK_VIEW(output_of(json_escape, STR("\xe2\x82(")), STR("\\ufffd\\ufffd("));
        CHECK_VIEW(output_of(json_escape, STR("\xed\xa0\x80")), STR("\\ufffd\\ufffd\\ufffd"));
    }
    TEST("escapes are decoded to the characters that they stand for, NUL included (section 7)") {
        for (size_t i = 0; i < COUNT(cases); i++)
            CHECK_VIEW(output_of(json_unescape, cases[i].value), cases[i].string);
        CHECK_VIEW(output_of(json_unescape, STR("\\/\\u0041\xc3\xa9\\u00E9")),
                   STR("/A\xc3\xa9\xc3\xa9"));
    }
    TEST("a character that does not fit is not written in part, and `truncated` is set") {
        char storage[4] = "....";
        struct text out = {storage, 0, 3, false};
        json_unescape(&out, STR("ab\\u00e9"));
        CHECK(out.truncated);
        CHECK(memcmp(storage, "ab..", sizeof storage) == 0);
    }
}

int main(void) {
    make_edge(1000);
    test_texts();
    test_depth();
    test_tokens();
    test_utf8();
    test_members();
    test_names();
    test_strings();
    return test_report();
}
