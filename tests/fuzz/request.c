/* request.c - fuzzes the request parser, and the functions that handlers call with a request.
 *
 * An input is four steps, one byte each, and the bytes that a client sends; if the first step is odd,
 * they follow the head of a request with a chunked body. It checks that
 *   - the bytes in steps have the same result as the bytes at once, view by view;
 *   - the second opinion of framing.h is the same;
 *   - the decoded path is not longer and contains no NUL;
 *   - a response that contains all parts of the request is well-formed;
 *   - the bytes in chunks, of the sizes that the steps give, are the same after they were decoded.
 */
#include "framing.h"
#include "fuzz.h"

#define STEPS 4
#define HEAD  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

static struct http_request req;
static char storage[HTTP_BUFFER_SIZE];

/* Empty lines in front of a request belong to it only in the model. */
static void check_framing(struct str bytes, int n) {
    size_t body;
    struct str input = str_from(bytes, http_empty_lines_len(bytes.s, bytes.len));
    long model = framing(input.s, input.len, HTTP_BUFFER_SIZE, &body);
    HOLDS(n > 0 ? n == model && req.body.len == body : model == (n < 0 ? -1 : 0));
}

static void check_path(struct str path) {
    char path_storage[HTTP_BUFFER_SIZE];
    struct text decoded = TEXT(path_storage);
    http_decode_path(&decoded, path);
    HOLDS(decoded.len > 0 && decoded.len <= path.len && !decoded.truncated);
    HOLDS(!memchr(decoded.s, '\0', decoded.len));
}

static void check_response(void) {
    static struct http_response res;
    static char out_storage[HTTP_MAX_RESPONSE];
    struct text out = TEXT(out_storage);
    struct str nothing = http_find_cookie(&req, STR("=")); /* no cookie has this name */
    HOLDS(!nothing.s && str_equal(nothing, STR("")));
    http_response_init(&res, &req);
    res.status = http_is_cross_origin(&req) ? 403 : 200;
    text_put(&res.body, STR("{\"\": \""));
    json_escape(&res.body, req.body);
    text_put_all(&res.body, nothing, STR("\"}"));
    if (res.body.truncated) text_clear(&res.body);
    text_put(&res.body, nothing);
    http_add_field(&res, STR("X"), req.path, req.host, req.body, STR("\r\nX: y\r\n\r\n"));
    http_add_field(&res, STR("Y"), http_find_cookie(&req, STR("a")),
                   http_find_field(&req, STR("X")));
    http_format_response(&out, &res, STR("Sun, 06 Nov 1994 08:49:37 GMT"));
    HOLDS(!out.truncated);
    HOLDS(check_responses(text_str(&out)) == out.len);
}

static struct str with_head(struct str body) {
    struct text text = TEXT(storage);
    text_put_all(&text, STR(HEAD), body);
    return text_str(&text);
}

/* Returns an empty view if the chunks do not fit. */
static struct str in_chunks(struct str body, struct str steps) {
    struct text text = TEXT(storage);
    text_put(&text, STR(HEAD));
    for (size_t i = 0, size; body.len > 0; i++, body = str_from(body, size)) {
        char line[32];
        size = (size_t)(unsigned char)steps.s[i % steps.len] + 1;
        if (size > body.len) size = body.len;
        snprintf(line, sizeof line, i % 3 ? "%zx\r\n" : "%04zX;a=\"b\"\r\n", size);
        text_put_all(&text, str_of(line), ((struct str){body.s, size}), STR("\r\n"));
    }
    text_put(&text, STR("0\r\nTrailer: dropped\r\n\r\n"));
    return (struct str){text.s, text.truncated ? 0 : text.len};
}

static void check_chunks(struct str body, struct str steps) {
    char *buf;
    struct str bytes = in_chunks(body, steps);
    int n = check_steps(bytes, steps, &req, &buf);
    HOLDS(n == (int)bytes.len && (n == 0 || str_equal(req.body, body)));
    free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *buf;
    if (size < STEPS || size > STEPS + HTTP_BUFFER_SIZE) return 0;
    struct str input = {(const char *)data, size}, steps = {input.s, STEPS};
    struct str rest = str_from(input, STEPS), bytes = data[0] % 2 ? with_head(rest) : rest;
    int n = check_steps(bytes, steps, &req, &buf);
    check_framing(bytes, n);
    if (n > 0) {
        check_path(req.path);
        check_response();
    }
    free(buf);
    check_chunks(rest, steps);
    return 0;
}
