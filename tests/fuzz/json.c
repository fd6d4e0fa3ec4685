/* json.c - fuzzes the tokenizer, the grammar check and the string writer.
 *
 * An input is one byte, which is the size of a small buffer, and a text. It checks that
 *   - tokens lie in the text, one after another, and the last one is returned again;
 *   - json_check and json_find_members agree with a grammar that is checked without recursion;
 *   - a string can be decoded, written and read again;
 *   - any bytes can be written, and if they are UTF-8 they are the same after they were read.
 */
#include "fuzz.h"

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

/* The grammar without recursion: what may come next, where FIRST is a value, a name or the end.
 * Returns the same as json_find_members, and finds the last member "a". */
static enum json_type model(struct str text, struct json_member *a, size_t small_size) {
    enum { VALUE, FIRST, NAME, COLON, AFTER } expected = VALUE;
    enum json_type type, root = JSON_INVALID;
    char open[JSON_MAX_DEPTH + 1] = "-"; /* the containers around this place, behind a mark */
    size_t depth = 0;
    struct json_reader json;
    struct str value;
    bool is_a = false;
    json_init(&json, text);
    while ((type = read_token(&json, &value)) > JSON_END) {
        char in = open[depth];
        if (type == JSON_OBJECT_END || type == JSON_ARRAY_END) {
            /* in ASCII '}' is two behind '{', and ']' behind '[' */
            if (in != (char)type - 2 || (expected != FIRST && expected != AFTER))
                return JSON_INVALID;
            depth--;
            expected = AFTER;
        } else if (type == JSON_COMMA) {
            if (expected != AFTER || depth == 0) return JSON_INVALID;
            expected = in == '{' ? NAME : VALUE;
        } else if (type == JSON_COLON) {
            if (expected != COLON) return JSON_INVALID;
            expected = VALUE;
        } else if (type == JSON_STRING && in == '{' && (expected == NAME || expected == FIRST)) {
            is_a = check_string(value, small_size) && depth == 1;
            expected = COLON;
        } else {
            if (expected != VALUE && (expected != FIRST || in != '[')) return JSON_INVALID;
            if (type == JSON_STRING) check_string(value, small_size);
            if (depth == 0) root = type;
            if (depth == 1 && in == '{' && is_a) *a = (struct json_member){a->name, type, value};
            expected = AFTER;
            if (type != JSON_OBJECT && type != JSON_ARRAY) continue;
            if (depth == JSON_MAX_DEPTH) return JSON_INVALID;
            open[++depth] = (char)type;
            expected = FIRST;
        }
    }
    return type == JSON_END && expected == AFTER && depth == 0 ? root : JSON_INVALID;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    char *copy = exact_copy(data + 1, size - 1);
    struct str text = {copy, size - 1};
    struct json_member members[] = {{.name = STR("username")}, {.name = STR("a")}}, a = members[1];
    enum json_type root = model(text, &a, data[0]);
    HOLDS(json_check(text) == root && json_find_members(text, members, 2) == root);
    if (root != JSON_OBJECT) a.type = JSON_INVALID;
    HOLDS(members[1].type == a.type && (root == JSON_OBJECT || members[0].type == JSON_INVALID));
    if (a.type != JSON_INVALID)
        HOLDS(members[1].value.s == a.value.s && members[1].value.len == a.value.len);
    check_escape(text);
    free(copy);
    return 0;
}
