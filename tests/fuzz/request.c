/* request.c - fuzzes the request parser, and the functions that handlers call with a request.
 *
 * An input is four steps, one byte each, and the bytes that a client sends. It checks that
 *   - the bytes in steps have the same result as the bytes at once, view by view;
 *   - the second opinion of framing.h is the same;
 *   - the decoded path is not longer and contains no NUL;
 *   - a response that contains all parts of the request is well-formed.
 */
#include "fuzz.h"
#include "framing.h"

#define STEPS 4

/* Empty lines in front of a request belong to it only in the model. */
static void check_framing(struct str bytes, int n, const struct http_request *req) {
    size_t body;
    struct str input = str_from(bytes, http_empty_lines_len(bytes.s, bytes.len));
    long model = framing(input.s, input.len, HTTP_BUFFER_SIZE, &body);
    HOLDS(n > 0 ? n == model && req->body.len == body : model == (n < 0 ? -1 : 0));
}

static void check_path(struct str path) {
    char storage[HTTP_BUFFER_SIZE];
    struct text decoded = TEXT(storage);
    http_decode_path(&decoded, path);
    HOLDS(decoded.len > 0 && decoded.len <= path.len && !decoded.truncated);
    HOLDS(!memchr(decoded.s, '\0', decoded.len));
}

static void check_response(const struct http_request *req) {
    static struct http_response res;
    static char storage[HTTP_MAX_RESPONSE];
    struct text out = TEXT(storage);
    struct str nothing = http_find_cookie(req, STR("=")); /* no cookie has this name */
    HOLDS(!nothing.s && str_equal(nothing, STR("")));
    http_response_init(&res, req);
    res.status = http_is_cross_origin(req) ? 403 : 200;
    text_put(&res.body, STR("{\"\": \""));
    json_escape(&res.body, req->body);
    text_put_all(&res.body, nothing, STR("\"}"));
    if (res.body.truncated) text_clear(&res.body);
    text_put(&res.body, nothing);
    http_add_field(&res, STR("X"), req->path, req->host, req->body, STR("\r\nX: y\r\n\r\n"));
    http_add_field(&res, STR("Y"), http_find_cookie(req, STR("a")), http_find_field(req, STR("X")));
    http_format_response(&out, &res, STR("Sun, 06 Nov 1994 08:49:37 GMT"));
    HOLDS(!out.truncated);
    HOLDS(check_responses(text_str(&out)) == out.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct http_request req;
    char *buf;
    if (size < STEPS || size > STEPS + HTTP_BUFFER_SIZE) return 0;
    struct str input = {(const char *)data, size}, bytes = str_from(input, STEPS);
    int n = check_steps(bytes, (struct str){input.s, STEPS}, &req, &buf);
    check_framing(bytes, n, &req);
    if (n > 0) {
        check_path(req.path);
        check_response(&req);
    }
    free(buf);
    return 0;
}
