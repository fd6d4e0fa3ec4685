/* json.c - fuzzes the tokenizer and the string writer.
 *
 * An input is one byte, which says how much room there is, and a text. It holds that
 *   - tokens come in the order of the text, and are no more than it has bytes;
 *   - reading an object and reading tokens find the same text valid;
 *   - what a string says can be written and read again;
 *   - any bytes at all can be written, and come back where they are UTF-8.
 */
#include "fuzz.h"

/* Holds that the string `said` is written as ASCII that says the same again. */
static void check_written(struct str said) {
    struct text written = {malloc(6 * said.len + 2), 0, 6 * said.len + 2, false};
    struct text again = {malloc(said.len + 1), 0, said.len, false};
    struct json json;
    struct str value;
    HOLDS(written.s && again.s);
    text_put(&written, STR("\""));
    json_escape(&written, said);
    text_put(&written, STR("\""));
    HOLDS(!written.cut);
    for (size_t i = 0; i < written.len; i++) HOLDS(written.s[i] >= 0x20 && written.s[i] <= 0x7e);
    json_begin(&json, text_str(&written));
    HOLDS(json_next(&json, &value) == JSON_STRING &&
          json_next(&json, &(struct str){0}) == JSON_END);
    json_unescape(&again, value);
    if (json_is_utf8(said)) HOLDS(!again.cut && str_equal(text_str(&again), said));
    free(written.s);
    free(again.s);
}

/* Holds that a string is UTF-8, and no longer than it was written. */
static void check_string(struct str value, size_t little) {
    struct text said = {malloc(value.len + 1), 0, value.len, false};
    struct text part = {malloc(little + 1), 0, little, false};
    HOLDS(said.s && part.s);
    json_unescape(&said, value);
    json_unescape(&part, value);
    HOLDS(!said.cut && part.cut == (said.len > little));
    HOLDS(json_is_utf8(text_str(&said)));
    check_written(text_str(&said));
    free(said.s);
    free(part.s);
}

/* Returns the last token. */
static enum json_type check_tokens(struct str text, size_t little) {
    struct json json;
    struct str value;
    enum json_type type;
    const char *at = text.s;
    size_t tokens = 0;
    json_begin(&json, text);
    while ((type = json_next(&json, &value)) > JSON_END) {
        HOLDS(value.s >= at && value.s + value.len <= text.s + text.len);
        HOLDS(json.depth <= JSON_DEPTH && ++tokens <= text.len);
        at = value.s + value.len;
        if (type == JSON_STRING || type == JSON_NAME) check_string(value, little);
    }
    return type;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    char *copy = exact_copy(data + 1, size - 1);
    struct str text = {copy, size - 1};
    struct json_member members[] = {{.name = STR("username")}, {.name = STR("a")}};
    enum json_type last = check_tokens(text, data[0]), whole = json_read_object(text, members, 2);
    HOLDS((last == JSON_INVALID) == (whole == JSON_INVALID));
    for (int i = 0; i < 2 && whole != JSON_INVALID; i++)
        if (members[i].type == JSON_STRING) check_string(members[i].value, data[0]);
    check_written(text);
    free(copy);
    return 0;
}
