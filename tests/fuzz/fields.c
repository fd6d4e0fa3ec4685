/* fields.c - fuzzes the values of Cookie and Content-Length.
 *
 * An input is a byte that says which, and the value. It holds that
 *   - a cookie that comes last is found whatever stands before it, and one that comes first as long
 *     as its name does not come again; a name that nobody wrote is not found;
 *   - a length is digits and nothing else, and as many bytes as it says are the body.
 */
#include "fuzz.h"

#define NAME "session_id"

static struct http_request req;
static char room[HTTP_BUFFER];

/* Parses a request with the field line `name`: `before` `value` `after`, and then zeros. */
static int parse(struct str name, struct str before, struct str value, struct str after) {
    struct text text = TEXT(room);
    text_add(&text, STR("GET / HTTP/1.1\r\nHost: a\r\n"), name, STR(": "), before, value, after);
    text_put(&text, STR("\r\n\r\n"));
    memset(room + text.len, '0', sizeof room - text.len);
    req.progress = (struct http_progress){0};
    int n = text.cut ? -1 : http_parse(room, sizeof room, &req);
    HOLDS(n <= 0 || (size_t)n == text.len + req.body.len);
    return n;
}

static bool names(struct str value) {
    for (size_t i = 0; i + strlen(NAME) <= value.len; i++)
        if (memcmp(value.s + i, NAME, strlen(NAME)) == 0) return true;
    return false;
}

static bool finds(const char *value) {
    return str_equal(http_cookie(&req, STR(NAME)), str_of(value));
}

static void check_cookie(struct str value) {
    if (parse(STR("Cookie"), value, STR(""), STR("; " NAME "=a=b")) > 0) HOLDS(finds("a=b"));
    if (parse(STR("Cookie"), value, STR(""), STR("\r\ncookie:" NAME " = a ")) > 0)
        HOLDS(finds("a"));
    if (names(value)) return;
    if (parse(STR("COOKIE"), STR(NAME "=a;"), value, STR("")) > 0) HOLDS(finds("a"));
    if (parse(STR("Cookie"), STR("x" NAME "=b; " NAME "; "), value, STR("; =" NAME)) > 0)
        HOLDS(http_cookie(&req, STR(NAME)).s == NULL);
}

/* White space around the value is none of it; a NUL in it is no digit. */
static void check_length(struct str value) {
    struct str digits = value;
    size_t length = 0;
    while (digits.len && (digits.s[0] == ' ' || digits.s[0] == '\t')) digits = str_from(digits, 1);
    while (digits.len && memchr(" \t", digits.s[digits.len - 1], 2)) digits.len--;
    bool valid = digits.len > 0;
    for (size_t i = 0; i < digits.len && valid; i++) {
        valid = digits.s[i] >= '0' && digits.s[i] <= '9';
        if (length < HTTP_BUFFER) length = length * 10 + (size_t)(digits.s[i] & 15);
    }
    int n = parse(STR("Content-Length"), STR(""), value, STR(""));
    if (!valid)
        HOLDS(n < 0);
    else if (value.len < HTTP_BUFFER / 2 && length < HTTP_BUFFER / 4)
        HOLDS(n > 0 && req.body.len == length);
    else if (value.len < HTTP_BUFFER / 2 && length >= HTTP_BUFFER)
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
