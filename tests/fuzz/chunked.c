/* chunked.c - fuzzes the decoder of chunked bodies.
 *
 * An input is four steps, one byte each, and then bytes that are used twice: as they are, for a
 * body whose steps must not matter; and put into chunks as large as the steps say, from which they
 * must come out again.
 */
#include "fuzz.h"

#define STEPS 4
#define HEAD  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

static char room[HTTP_BUFFER];

static struct str as_it_is(struct str body) {
    struct text text = TEXT(room);
    text_add(&text, STR(HEAD), body);
    return text_str(&text);
}

/* Returns an empty view where the chunks do not fit. */
static struct str in_chunks(struct str body, struct str steps) {
    struct text text = TEXT(room);
    text_put(&text, STR(HEAD));
    for (size_t i = 0, size; body.len > 0; i++, body = str_from(body, size)) {
        char line[32];
        size = (size_t)(unsigned char)steps.s[i % steps.len] + 1;
        if (size > body.len) size = body.len;
        snprintf(line, sizeof line, i % 3 ? "%zx\r\n" : "%04zX;a=\"b\"\r\n", size);
        text_add(&text, str_of(line), (struct str){body.s, size}, STR("\r\n"));
    }
    text_put(&text, STR("0\r\nTrailer: dropped\r\n\r\n"));
    return (struct str){text.s, text.cut ? 0 : text.len};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct http_request req;
    char *buf;
    if (size < STEPS) return 0;
    struct str input = {(const char *)data, size}, steps = {input.s, STEPS};
    struct str body = str_from(input, STEPS), bytes = as_it_is(body);
    int n = check_steps(bytes, steps, &req, &buf);
    HOLDS(n <= 0 || req.body.len <= (size_t)n - strlen(HEAD));
    free(buf);

    bytes = in_chunks(body, steps);
    n = check_steps(bytes, steps, &req, &buf);
    HOLDS(n == (int)bytes.len && (n == 0 || str_equal(req.body, body)));
    free(buf);
    return 0;
}
