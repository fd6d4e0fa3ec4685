/* cookies.c - fuzzes the value of the field Cookie.
 *
 * An input is the value. It checks that the last cookie of a name is found, whatever precedes it; the
 * first one is found unless its name occurs again; and a name that does not occur is not found.
 */
#include "fuzz.h"

#define NAME "session_id"

static struct http_request req;
static char storage[HTTP_BUFFER_SIZE + 1]; /* and the sentinel */

/* Parses a request with the field `name`: `before` `value` `after`. Returns whether it is valid. */
static bool parse(struct str name, struct str before, struct str value, struct str after) {
    struct text text = {storage, 0, HTTP_BUFFER_SIZE, false};
    text_put_all(&text, STR("GET / HTTP/1.1\r\nHost: a\r\n"), name, STR(": "), before, value,
                 after);
    text_put(&text, STR("\r\n\r\n"));
    return !text.truncated && http_parse(storage, text.len, &req) > 0;
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
    if (parse(STR("Cookie"), value, STR(""), STR("; " NAME "=a=b"))) HOLDS(finds("a=b"));
    if (parse(STR("Cookie"), value, STR(""), STR("\r\ncookie:" NAME "=a "))) HOLDS(finds("a"));
    if (contains_name(value)) return;
    if (parse(STR("COOKIE"), STR(NAME "=a;"), value, STR(""))) HOLDS(finds("a"));
    if (parse(STR("Cookie"), STR("x" NAME "=b; " NAME "; "), value, STR("; =" NAME)))
        HOLDS(http_find_cookie(&req, STR(NAME)).s == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (memchr(data, '\n', size)) return 0; /* a value has one line */
    char *copy = exact_copy(data, size);
    check_cookie((struct str){copy, size});
    free(copy);
    return 0;
}
