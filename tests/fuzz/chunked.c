/* chunked.c - fuzzes the decoder of chunked bodies.
 *
 * An input is four steps, one byte each, and bytes that are used twice: as a chunked body, which
 * has the same result in steps and at once; and as data, which is put into chunks of the sizes that
 * the steps give, and is the same after it was decoded.
 */
#include "fuzz.h"

#define STEPS 4
#define HEAD  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

static char storage[HTTP_BUFFER_SIZE];

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
        text_put_all(&text, str_of(line), (struct str){body.s, size}, STR("\r\n"));
    }
    text_put(&text, STR("0\r\nTrailer: dropped\r\n\r\n"));
    return (struct str){text.s, text.truncated ? 0 : text.len};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct http_request req;
    char *buf;
    if (size < STEPS) return 0;
    struct str input = {(const char *)data, size}, steps = {input.s, STEPS};
    struct str body = str_from(input, STEPS), bytes = with_head(body);
    int n = check_steps(bytes, steps, &req, &buf);
    HOLDS(n <= 0 || req.body.len <= (size_t)n - strlen(HEAD));
    free(buf);

    bytes = in_chunks(body, steps);
    n = check_steps(bytes, steps, &req, &buf);
    HOLDS(n == (int)bytes.len && (n == 0 || str_equal(req.body, body)));
    free(buf);
    return 0;
}
