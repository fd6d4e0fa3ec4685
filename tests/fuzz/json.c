/* json.c - fuzzes the tokenizer, the grammar check and the string writer.
 * `sh tests/fuzz/run.sh 60 json` runs it for 60 seconds.
 *
 * An input is one byte, which is the size of a small buffer, and a text. It checks that
 *   - the second opinion of json_grammar.h is the same as that of json_check;
 *   - tokens lie in the text, one after another, and strings are not longer than they were written;
 *   - any bytes can be written as a string, and if they are UTF-8 they are the same after they were read.
 */
#include "fuzz.h"
#include "json_grammar.h"

/* Checks that `string` is written in ASCII, and that it can be read again. */
static void check_escape(struct str string) {
    static char escaped_storage[6 * HTTP_BUFFER_SIZE], decoded_storage[HTTP_BUFFER_SIZE];
    struct text escaped = TEXT(escaped_storage), decoded = TEXT(decoded_storage);
    struct json_reader json;
    struct str value, end;
    text_put(&escaped, STR("\""));
    json_escape(&escaped, string);
    text_put(&escaped, STR("\""));
    HOLDS(!escaped.truncated);
    for (size_t i = 0; i < escaped.len; i++) HOLDS(escaped.s[i] >= 0x20 && escaped.s[i] <= 0x7e);
    json_init(&json, text_str(&escaped));
    HOLDS(json_next(&json, &value) == JSON_STRING && json_next(&json, &end) == JSON_END);
    json_unescape(&decoded, value);
    if (json_is_utf8(string)) HOLDS(str_equal(text_str(&decoded), string));
}

static void check_string(struct str value, size_t small_size) {
    static char storage[HTTP_BUFFER_SIZE], small_storage[UINT8_MAX];
    struct text whole = {storage, 0, value.len, false};
    struct text part = {small_storage, 0, small_size, false};
    json_unescape(&whole, value);
    json_unescape(&part, value);
    HOLDS(!whole.truncated && part.truncated == (whole.len > small_size));
    HOLDS(json_is_utf8(text_str(&whole)));
    check_escape(text_str(&whole));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > HTTP_BUFFER_SIZE) return 0;
    char *copy = malloc(size > 1 ? size - 1 : 1); /* so the sanitizer sees every over-read */
    struct str text = {copy, size - 1}, value;
    struct json_member members[] = {{.name = STR("username")}, {.name = STR("a")}};
    struct json_reader json;
    enum json_type type;
    HOLDS(copy);
    memcpy(copy, data + 1, text.len);
    enum json_type root = json_check(text);
    HOLDS((root != JSON_INVALID) == (json_verdict(copy, copy + text.len) == JSON_COMPLETE));
    HOLDS(json_find_members(text, members, 2) == root);
    json_init(&json, text);
    do {
        const char *start = json.at;
        type = json_next(&json, &value);
        HOLDS(value.s >= start && value.s + value.len <= json.at && json.at <= json.end);
        if (type == JSON_STRING) check_string(value, data[0]);
    } while (type > JSON_END);
    check_escape(text);
    free(copy);
    return 0;
}
