/* fields.c - fuzzes the values of Cookie and Content-Length.
 *
 * An input is a byte that chooses the field, and its value. It checks that
 *   - the last cookie of a name is found, whatever precedes it; the first one is found unless its
 *     name occurs again; and a name that does not occur is not found;
 *   - a length consists of digits only, and the body has that many bytes.
 */
#include "fuzz.h"

#define NAME "session_id"

static struct http_request req;
static char storage[HTTP_BUFFER_SIZE + 1]; /* and the sentinel */

/* Parses a request with the field `name`: `before` `value` `after`, and then zeros. */
static int parse(struct str name, struct str before, struct str value, struct str after) {
    struct text text = {storage, 0, HTTP_BUFFER_SIZE, false};
    text_put_all(&text, STR("GET / HTTP/1.1\r\nHost: a\r\n"), name, STR(": "), before, value,
                 after);
    text_put(&text, STR("\r\n\r\n"));
    memset(storage + text.len, '0', text.cap - text.len);
    int n = text.truncated ? -1 : http_parse(storage, text.cap, &req);
    HOLDS(n <= 0 || (size_t)n == text.len + req.body.len);
    return n;
}

static bool contains_name(struct str value) {
    for (size_t i = 0; i + strlen(NAME) <= value.len; i++)
        if (memcmp(value.s + i, NAME, strlen(NAME)) == 0) return true;
    return false;
}

static bool finds(const char *value) {
    return str_equal(http_find_cookie(&req, STR(NAME)), str_of(value));
}

static void check_cookie(struct str value) {
    if (parse(STR("Cookie"), value, STR(""), STR("; " NAME "=a=b")) > 0) HOLDS(finds("a=b"));
    if (parse(STR("Cookie"), value, STR(""), STR("\r\ncookie:" NAME " = a ")) > 0)
        HOLDS(finds("a"));
    if (contains_name(value)) return;
    if (parse(STR("COOKIE"), STR(NAME "=a;"), value, STR("")) > 0) HOLDS(finds("a"));
    if (parse(STR("Cookie"), STR("x" NAME "=b; " NAME "; "), value, STR("; =" NAME)) > 0)
        HOLDS(http_find_cookie(&req, STR(NAME)).s == NULL);
}

/* Whitespace around the value is not part of it. A NUL is not a digit. */
static void check_length(struct str value) {
    struct str digits = value;
    size_t length = 0;
    while (digits.len && (digits.s[0] == ' ' || digits.s[0] == '\t')) digits = str_from(digits, 1);
    while (digits.len && memchr(" \t", digits.s[digits.len - 1], 2)) digits.len--;
    bool valid = digits.len > 0;
    for (size_t i = 0; i < digits.len && valid; i++) {
        valid = digits.s[i] >= '0' && digits.s[i] <= '9';
        if (length < HTTP_BUFFER_SIZE) length = length * 10 + (size_t)(digits.s[i] & 15);
    }
    int n = parse(STR("Content-Length"), STR(""), value, STR(""));
    if (!valid)
        HOLDS(n < 0);
    else if (value.len < HTTP_BUFFER_SIZE / 2 && length < HTTP_BUFFER_SIZE / 4)
        HOLDS(n > 0 && req.body.len == length);
    else if (value.len < HTTP_BUFFER_SIZE / 2 && length >= HTTP_BUFFER_SIZE)
        HOLDS(n == -413);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || memchr(data, '\n', size)) return 0; /* a value has one line */
    char *copy = exact_copy(data + 1, size - 1);
    struct str value = {copy, size - 1};
    if (data[0] % 2)
        check_cookie(value);
    else
        check_length(value);
    free(copy);
    return 0;
}
