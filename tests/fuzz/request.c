/* request.c - fuzzes the request parser, and the functions that handlers call with a request.
 * `sh tests/fuzz/run.sh 60 request` runs it for 60 seconds.
 *
 * An input is four steps, one byte each, and the bytes that a client sends; if the first step is odd,
 * they follow the head of a request with a chunked body. It checks that
 *   - the bytes in steps have the same result as the bytes at once, view by view;
 *   - the second opinion of framing.h is the same;
 *   - the decoded path is not longer and contains no NUL;
 *   - a response that contains all parts of the request is well-formed.
 */
#include "framing.h"
#include "fuzz.h"

#define STEPS 4
#define HEAD  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

static struct http_request req;

/* ---- The same bytes are the same request, however they are split ---- */

/* Parses `bytes` as they arrive in pieces, or at once if `steps` is empty. The sizes of the pieces
 * are the elements of `steps` plus one. They grow slowly, because each call of http_parse begins at
 * the first byte. As in the server, empty lines are removed first. The views of the request point
 * into *buf, which the caller frees; its last byte is the sentinel. Checks that nothing in the
 * buffer changes before the request is complete. */
static int parse_in_steps(struct str bytes, struct str steps, struct http_request *to, char **buf) {
    size_t arrived = 0;
    int n = 0;
    *buf = NULL;
    for (size_t i = 0; n == 0 && (i == 0 || arrived < bytes.len); i++) {
        size_t step = steps.len ? (unsigned char)steps.s[i % steps.len] + 1 + i / 4 : bytes.len;
        arrived = bytes.len - arrived < step ? bytes.len : arrived + step;
        struct str input = {bytes.s, arrived};
        input = str_from(input, http_empty_lines_len(input.s, input.len));
        free(*buf);
        *buf = malloc(input.len + 1); /* so the sanitizer sees every over-read */
        HOLDS(*buf);
        memcpy(*buf, input.s, input.len);
        n = http_parse(*buf, input.len, to);
        HOLDS(n <= (int)input.len);
        HOLDS(n > 0 || memcmp(*buf, input.s, input.len) == 0);
    }
    return n;
}

static void check_same(struct str a, struct str b) { HOLDS(!a.s == !b.s && str_equal(a, b)); }

static void check_same_request(const struct http_request *a, const struct http_request *b) {
    check_same(a->request_line, b->request_line);
    check_same(a->method, b->method);
    check_same(a->path, b->path);
    check_same(a->query, b->query);
    check_same(a->host, b->host);
    check_same(a->body, b->body);
    HOLDS(a->minor_version == b->minor_version && a->keep_alive == b->keep_alive);
    HOLDS(a->field_count == b->field_count && a->field_count <= HTTP_MAX_FIELDS);
    for (size_t i = 0; i < a->field_count; i++) {
        check_same(a->fields[i].name, b->fields[i].name);
        check_same(a->fields[i].value, b->fields[i].value);
    }
}

/* Parses `bytes` at once into `req` and *buf, then in steps, and checks that the results agree. */
static int parse(struct str bytes, struct str steps, char **buf) {
    static struct http_request other;
    char *other_buf;
    int n = parse_in_steps(bytes, STR(""), &req, buf);
    HOLDS(parse_in_steps(bytes, steps, &other, &other_buf) == n);
    HOLDS(req.send_continue == other.send_continue);
    if (n > 0) check_same_request(&req, &other);
    free(other_buf);
    return n;
}

/* ---- What follows from a request ---- */

/* Empty lines in front of a request belong to it only in framing.h. */
static void check_framing(struct str bytes, int n) {
    size_t body;
    struct str input = str_from(bytes, http_empty_lines_len(bytes.s, bytes.len));
    long opinion = framing(input.s, input.len, HTTP_BUFFER_SIZE, &body);
    HOLDS(n > 0 ? n == opinion && req.body.len == body : opinion == (n < 0 ? -1 : 0));
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
    http_response_init(&res, &req);
    res.status = http_is_cross_origin(&req) ? 403 : 200;
    text_put(&res.body, STR("{\"\": \""));
    json_escape(&res.body, req.body);
    text_put(&res.body, STR("\"}"));
    if (res.body.truncated) text_clear(&res.body);
    http_add_field(&res, STR("X"), req.path, req.host, req.body, STR("\r\nX: y\r\n\r\n"));
    http_add_field(&res, STR("Y"), http_find_cookie(&req, STR("a")),
                   http_find_field(&req, STR("X")));
    http_format_response(&out, &res, STR("Sun, 06 Nov 1994 08:49:37 GMT"));
    HOLDS(!out.truncated);
    HOLDS(check_responses(text_str(&out)) == out.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char storage[HTTP_BUFFER_SIZE];
    char *buf;
    if (size < STEPS || size > STEPS + HTTP_BUFFER_SIZE) return 0;
    struct str input = {(const char *)data, size}, steps = {input.s, STEPS};
    struct str rest = str_from(input, STEPS), bytes = rest;
    struct text text = TEXT(storage);
    text_put_all(&text, STR(HEAD), rest);
    if (data[0] % 2) bytes = text_str(&text);
    int n = parse(bytes, steps, &buf);
    check_framing(bytes, n);
    if (n > 0) {
        check_path(req.path);
        check_response();
    }
    free(buf);
    return 0;
}
