/* json.c - fuzzes the tokenizer, the grammar check and the string writer.
 *
 * An input is one byte, which is the size of a small buffer, and a text. It checks that
 *   - tokens lie in the text, one after another, and the last one is returned again;
 *   - the second opinion of json_grammar.h is the same as that of json_check;
 *   - json_find_members finds the last member of a name;
 *   - a string can be decoded, written and read again;
 *   - any bytes can be written, and if they are UTF-8 they are the same after they were read.
 */
#include "fuzz.h"
#include "json_grammar.h"

/* Checks that `string` is written in ASCII, and that it can be read again. */
static void check_escape(struct str string) {
    struct text escaped = {malloc(6 * string.len + 2), 0, 6 * string.len + 2, false};
    struct text decoded = {malloc(string.len + 1), 0, string.len, false};
    struct json_reader json;
    struct str value;
    HOLDS(escaped.s && decoded.s);
    text_put(&escaped, STR("\""));
    json_escape(&escaped, string);
    text_put(&escaped, STR("\""));
    HOLDS(!escaped.truncated);
    for (size_t i = 0; i < escaped.len; i++) HOLDS(escaped.s[i] >= 0x20 && escaped.s[i] <= 0x7e);
    json_init(&json, text_str(&escaped));
    HOLDS(json_next(&json, &value) == JSON_STRING &&
          json_next(&json, &(struct str){0}) == JSON_END);
    json_unescape(&decoded, value);
    if (json_is_utf8(string)) HOLDS(!decoded.truncated && str_equal(text_str(&decoded), string));
    free(escaped.s);
    free(decoded.s);
}

/* Checks that a string is UTF-8, and not longer than it was written. Returns whether it is "a". */
static bool check_string(struct str value, size_t small_size) {
    struct text whole = {malloc(value.len + 1), 0, value.len, false};
    struct text part = {malloc(small_size + 1), 0, small_size, false};
    HOLDS(whole.s && part.s);
    json_unescape(&whole, value);
    json_unescape(&part, value);
    HOLDS(!whole.truncated && part.truncated == (whole.len > small_size));
    HOLDS(json_is_utf8(text_str(&whole)));
    check_escape(text_str(&whole));
    bool is_a = str_equal(text_str(&whole), STR("a"));
    free(whole.s);
    free(part.s);
    return is_a;
}

/* Reads a token, and checks that it lies in the rest of the text. */
static enum json_type read_token(struct json_reader *json, struct str *value) {
    const char *start = json->at;
    struct str again;
    enum json_type type = json_next(json, value);
    HOLDS(value->s >= start && value->s + value->len <= json->at && json->at <= json->end);
    if (type > JSON_END) return type;
    HOLDS(json_next(json, &again) == type && again.s == value->s);
    HOLDS(value->len == 0 && again.len == 0);
    return type;
}

/* Reads a text that follows the grammar, and finds the value of the last member "a" of an object. */
static struct json_member read_tokens(struct str text, size_t small_size) {
    struct json_member a = {.name = STR("a")};
    struct json_reader json;
    struct str value;
    enum json_type type, before = JSON_END;
    int depth = 0;
    bool may_be_name = false, is_a = false;
    json_init(&json, text);
    while ((type = read_token(&json, &value)) > JSON_END) {
        if (depth == 1 && before == JSON_COLON && is_a)
            a = (struct json_member){a.name, type, value};
        may_be_name = depth == 1 && (before == JSON_OBJECT || before == JSON_COMMA);
        if (type == JSON_STRING) {
            bool matches = check_string(value, small_size);
            if (may_be_name) is_a = matches;
        }
        depth += (type == JSON_OBJECT || type == JSON_ARRAY) -
                 (type == JSON_OBJECT_END || type == JSON_ARRAY_END);
        before = type;
    }
    return a;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    char *copy = exact_copy(data + 1, size - 1);
    struct str text = {copy, size - 1};
    struct json_member members[] = {{.name = STR("username")}, {.name = STR("a")}};
    struct json_member a = read_tokens(text, data[0]);
    enum json_type root = json_check(text);
    HOLDS((root != JSON_INVALID) == (json_verdict(copy, copy + text.len) == JSON_COMPLETE));
    HOLDS(json_find_members(text, members, 2) == root);
    if (root != JSON_OBJECT) a.type = JSON_INVALID;
    HOLDS(members[1].type == a.type && (root == JSON_OBJECT || members[0].type == JSON_INVALID));
    if (a.type != JSON_INVALID)
        HOLDS(members[1].value.s == a.value.s && members[1].value.len == a.value.len);
    check_escape(text);
    free(copy);
    return 0;
}
