/* request.c - fuzzes the request parser, and what handlers ask of a request that was parsed.
 *
 * An input is four steps, one byte each, and then what a peer sends. It holds that
 *   - the bytes in steps give the same answer as the bytes at once, view by view;
 *   - the second opinion of framing.h says the same of them;
 *   - a response that tells all of it is well-formed.
 */
#include "fuzz.h"
#include "tests/model/framing.h"

#define STEPS 4

static void check_framing(struct str bytes, int n, const struct http_request *req) {
    size_t body;
    long model = framing(bytes.s, bytes.len, HTTP_BUFFER, &body);
    HOLDS(n > 0 ? n == model && req->body.len == body : model == (n < 0 ? -1 : 0));
}

static void check_response(const struct http_request *req) {
    static struct http_response res;
    static char room[HTTP_RESPONSE];
    struct text out = TEXT(room);
    struct str nothing = http_cookie(req, STR("=")); /* no cookie has this name */
    HOLDS(!nothing.s && str_equal(nothing, STR("")));
    http_begin_response(&res, req);
    res.status = http_is_cross_site(req) ? 403 : 200;
    text_put(&res.body, STR("{\"\": \""));
    json_escape(&res.body, req->body);
    text_add(&res.body, nothing, STR("\"}"));
    if (res.body.cut) res.body = TEXT(res.body_room);
    text_put(&res.body, nothing);
    http_add_field(&res, STR("X"), req->path, req->host, req->body, STR("\r\nX: y\r\n\r\n"));
    http_add_field(&res, STR("Y"), http_cookie(req, STR("a")), http_field(req, STR("X")));
    http_write(&out, &res, STR("Sun, 06 Nov 1994 08:49:37 GMT"));
    HOLDS(!out.cut);
    HOLDS(check_responses(text_str(&out)) == out.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct http_request req;
    char *buf;
    if (size < STEPS || size > STEPS + HTTP_BUFFER) return 0;
    struct str input = {(const char *)data, size}, bytes = str_from(input, STEPS);
    int n = check_steps(bytes, (struct str){input.s, STEPS}, &req, &buf);
    check_framing(bytes, n, &req);
    if (n > 0) {
        size_t len = req.path.len;
        http_decode_path(&req);
        HOLDS(req.path.len > 0 && req.path.len <= len);
        HOLDS(!memchr(req.path.s, '\0', req.path.len));
        check_response(&req);
    }
    free(buf);
    return 0;
}
