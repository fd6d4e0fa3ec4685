/* http.c - HTTP/1.1 messages: bytes to request, response to bytes, and cookies.
 *
 * One int holds the parser's three answers, so that a server's whole talk with it is one `if`:
 *
 *     req.progress = (struct http_progress){0};
 *     while ((n = http_parse(buf, len, &req)) == 0)
 *         ... read more behind buf[len) ...
 *     if (n < 0)
 *         ... answer with the status -n and close ...
 *     else
 *         ... req is whole, buf[n .. len) is the start of the next one ...
 *
 * The answer depends on the bytes alone, not on how they were split. A head that comes in one piece,
 * as most do, is parsed at once. Of others the end is looked for first; `progress` keeps the parser
 * from reading anything again and again when a request comes byte by byte.
 *
 * Where RFC 9112 leaves a choice it refuses: two servers in a row that read one message in two ways
 * are how requests are smuggled. It never touches a socket, a clock or the heap.
 */
#include "http.h"

/* Classes of bytes; one byte may be in several. */
enum {
    T = 1, /* in a token: methods and field names (RFC 9110 section 5.6.2) */
    U = 2, /* in a request-target (RFC 3986 section 2, where [ and ] are needed for IPv6) */
    V = 4, /* in a field's value: visible, blank, or over 0x7f (RFC 9110 section 5.5) */
    H = 8, /* in a host's name (RFC 3986 section 3.2.2) */
    UV = U | V,
    TV = T | V,
    UVH = U | V | H,
    ALL = T | U | V | H
};

/* clang-format off */
static const unsigned char class[256] = {
    ['\t'] = V, [' '] = V, ['!'] = ALL, ['"'] = V, ['#'] = TV, ['$'] = ALL, ['%'] = ALL, ['&'] = ALL,
    ['\''] = ALL, ['('] = UVH, [')'] = UVH, ['*'] = ALL, ['+'] = ALL, [','] = UVH, ['-'] = ALL,
    ['.'] = ALL, ['/'] = UV, [':'] = UV, [';'] = UVH, ['<'] = V, ['='] = UVH, ['>'] = V, ['?'] = UV,
    ['@'] = UV, ['['] = UV, ['\\'] = V, [']'] = UV, ['^'] = TV, ['_'] = ALL, ['`'] = TV, ['{'] = V,
    ['|'] = TV, ['}'] = V, ['~'] = ALL,
    ['0'] = ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL,
    ['A'] = ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL,
            ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL,
    ['a'] = ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL,
            ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL,
#define SIXTEEN V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V
    [0x80] = SIXTEEN, SIXTEEN, SIXTEEN, SIXTEEN, SIXTEEN, SIXTEEN, SIXTEEN, SIXTEEN
#undef SIXTEEN
};
/* clang-format on */

static bool is(char byte, int classes) { return class[(unsigned char)byte] & classes; }

/* Names of fields, schemes and options are the same in any case. */
static inline bool same_name(struct str s, struct str name) {
    size_t i = 0;
    if (s.len != name.len) return false;
    while (i < s.len && (s.s[i] == name.s[i] || lower(s.s[i]) == lower(name.s[i]))) i++;
    return i == s.len;
}

/* OWS around a value is no part of it (RFC 9110 section 5.5). */
static struct str trim(struct str s) {
    const char *end = s.s + s.len;
    while (s.s < end && (*s.s == ' ' || *s.s == '\t')) s.s++;
    while (s.s < end && (end[-1] == ' ' || end[-1] == '\t')) end--;
    return (struct str){s.s, (size_t)(end - s.s)};
}

/* The length of the text at the start of s[0 .. len), which ends before the first byte that a field's
 * value may not hold. A machine's word at a time as long as no byte in it is below 0x20 or is 0x7f:
 * the highest bit of such a byte is not set, but is once 0x20 is taken off or 1 is added. That is a
 * third of a walk's steps. */
static size_t text_length(const char *s, size_t len) {
    const size_t each = SIZE_MAX / 0xff, highest = each * 0x80; /* 0x01 in each byte, and 0x80 */
    size_t n = 0;
    for (size_t bytes; len - n >= sizeof bytes; n += sizeof bytes) {
        memcpy(&bytes, s + n, sizeof bytes);
        if (((bytes - each * 0x20) | (bytes + each)) & ~bytes & highest) break;
    }
    while (n < len && is(s[n], V)) n++;
    return n;
}

/* ---- Lines. `*at` walks over bytes of which the last is LF, or the "}" of a JSON body: but for text,
 * which ends before it, no walk steps over these or CR; who has stepped over a line's end looks whether
 * anything follows. ---- */

static struct str take(const char **at, int classes) {
    const char *from = *at, *to = from;
    while (is(*to, classes)) to++;
    *at = to;
    return (struct str){from, (size_t)(to - from)};
}

/* The text at the start of what is left, the last byte before `end` left out. */
static struct str take_text(const char **at, const char *end) {
    struct str text = {*at, text_length(*at, (size_t)(end - 1 - *at))};
    *at += text.len;
    return text;
}

static bool skip(const char **at, char byte) {
    if (**at != byte) return false;
    ++*at;
    return true;
}

static bool skip_line_end(const char **at) { return skip(at, '\r') && skip(at, '\n'); }

/* The status of a request that fills the buffer and is not over. */
static int too_large(const struct http_progress *progress) {
    if (progress->part != HTTP_IN_HEAD) return -413;
    return progress->line <= 2 ? -414 : -431; /* in the request-line still, or in the fields */
}

/* Finds the end of the line that begins at progress->line. Returns the line's length with its end,
 * 0 where that has not come yet, or minus a status: a line ends in CRLF, and in nothing less. */
static int find_line(const char *buf, size_t len, struct http_progress *progress) {
    const char *end = NULL;
    if (progress->scanned < len) {
        end = memchr(buf + progress->scanned, '\n', len - progress->scanned);
        progress->scanned = end ? (size_t)(end - buf) + 1 : len;
    }
    if (!end) return len < HTTP_BUFFER ? 0 : too_large(progress);
    size_t length = progress->scanned - progress->line;
    return length < 2 || end[-1] != '\r' ? -400 : (int)length;
}

/* ---- The head ---- */

/* Every "%" begins an escape of two digits (RFC 3986 section 2.1), and none stands for NUL. */
static bool has_valid_escapes(struct str s) {
    const char *end = s.s + s.len;
    while ((s.s = memchr(s.s, '%', (size_t)(end - s.s)))) {
        if (end - s.s < 3 || hex(s.s[1]) < 0 || hex(s.s[2]) < 0) return false;
        if (s.s[1] == '0' && s.s[2] == '0') return false;
        s.s += 3;
    }
    return true;
}

/* host [ ":" port ] as in RFC 3986 section 3.2, without user information; empty is valid. Of what
 * stands in brackets only the bytes are checked. */
static bool is_authority(struct str s) {
    const char *at = s.s, *end = s.s + s.len;
    if (at < end && *at == '[') {
        do at++;
        while (at < end && (hex(*at) >= 0 || *at == ':' || *at == '.'));
        if (at == end || at - s.s < 2 || *at++ != ']') return false;
    } else {
        while (at < end && is(*at, H)) at++;
    }
    if (at < end && *at++ != ':') return false;
    while (at < end && is_digit(*at)) at++;
    return at == end && has_valid_escapes(s);
}

/* The forms of RFC 9112 section 3.2 that an origin server knows: origin-form, absolute-form, whose
 * authority counts in place of Host, and asterisk-form for OPTIONS. */
static int split_target(struct http_request *req, struct str target) {
    const struct str scheme = STR("http://");
    if (str_equal(target, STR("*")) && str_equal(req->method, STR("OPTIONS"))) {
        req->path = target;
        return 0;
    }
    if (target.len > scheme.len && same_name((struct str){target.s, scheme.len}, scheme)) {
        size_t end = scheme.len;
        while (end < target.len && target.s[end] != '/' && target.s[end] != '?') end++;
        req->host = (struct str){target.s + scheme.len, end - scheme.len};
        if (req->host.len == 0 || req->host.s[0] == ':' || !is_authority(req->host)) return -400;
        target = (struct str){target.s + end, target.len - end};
    } else if (target.s[0] != '/') {
        return -400;
    }
    req->path = str_cut(&target, '?');
    req->query = target;
    if (req->path.len == 0) req->path = STR("/");
    return has_valid_escapes(req->path) ? 0 : -400;
}

/* "HTTP/" DIGIT "." DIGIT; a minor version above 1 is understood as 1 (RFC 9110 section 2.5). */
static int parse_version(const char **at, const char *end, struct http_request *req) {
    const char *s = *at;
    if (end - s < 8 || memcmp(s, "HTTP/", 5) != 0) return -400;
    if (!is_digit(s[5]) || s[6] != '.' || !is_digit(s[7])) return -400;
    *at += 8;
    req->minor = s[7] > '0';
    return s[5] == '1' ? 0 : -505;
}

static int parse_request_line(const char **at, const char *end, struct http_request *req) {
    const char *start = *at;
    req->method = take(at, T);
    if (req->method.len == 0 || !skip(at, ' ')) return -400;
    struct str target = take(at, U);
    if (target.len == 0 || !skip(at, ' ')) return -400;
    int status = parse_version(at, end, req);
    req->line = (struct str){start, (size_t)(*at - start)};
    if (!skip_line_end(at)) return -400;
    return status < 0 ? status : split_target(req, target);
}

/* field-name ":" OWS field-value OWS (RFC 9112 section 5). No white space stands before the colon
 * and no line is folded: the first byte of a line is in a name. */
static int parse_field(const char **at, const char *end, struct http_field *field) {
    field->name = take(at, T);
    if (field->name.len == 0 || !skip(at, ':')) return -400;
    field->value = trim(take_text(at, end));
    return skip_line_end(at) ? 0 : -400;
}

/* ---- Fields that say where the message ends and what becomes of the connection ---- */

/* RFC 9112 section 3.2: one, or none in HTTP/1.0. */
static int read_host(struct http_request *req, struct str value) {
    if (req->has_host || !is_authority(value)) return -400;
    req->has_host = true;
    if (!req->host.s) /* an absolute-form target has told it already */
        req->host = value;
    return 0;
}

/* RFC 9110 section 8.6: digits, nothing else. What is larger than a buffer is as good as the
 * largest number: that keeps the sum from overflowing. */
static int read_content_length(struct http_request *req, struct str value) {
    if (req->has_length || value.len == 0) return -400;
    for (size_t i = 0; i < value.len; i++) {
        if (!is_digit(value.s[i])) return -400;
        if (req->length <= HTTP_BUFFER) req->length = req->length * 10 + (size_t)(value.s[i] - '0');
    }
    req->has_length = true;
    return 0;
}

/* RFC 9112 section 6.1: `chunked` alone is understood. */
static int read_transfer_encoding(struct http_request *req, struct str value) {
    if (req->has_coding) return -400;
    req->has_coding = true;
    req->chunked = same_name(value, STR("chunked"));
    return 0;
}

/* RFC 9110 section 7.6.1; empty items of a list count for nothing (section 5.6.1). */
static int read_connection(struct http_request *req, struct str value) {
    while (value.len) {
        struct str option = trim(str_cut(&value, ','));
        req->saw_close |= same_name(option, STR("close"));
        req->saw_keep_alive |= same_name(option, STR("keep-alive"));
    }
    return 0;
}

/* RFC 9110 section 10.1.1: `100-continue` is the one expectation there is, and HTTP/1.0 has none. */
static int read_expect(struct http_request *req, struct str value) {
    req->expects = req->minor > 0;
    return !req->expects || same_name(value, STR("100-continue")) ? 0 : -417;
}

static int read_known_field(struct http_request *req, const struct http_field *field) {
    static const struct {
        struct str name;
        int (*read)(struct http_request *, struct str value);
    } known[] = {
        {STR_INIT("Host"), read_host},
        {STR_INIT("Content-Length"), read_content_length},
        {STR_INIT("Transfer-Encoding"), read_transfer_encoding},
        {STR_INIT("Connection"), read_connection},
        {STR_INIT("Expect"), read_expect},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (same_name(field->name, known[i].name)) return known[i].read(req, field->value);
    return 0;
}

/* What the fields mean together: RFC 9112 sections 3.2, 6.3 and 9.3. */
static int judge_head(struct http_request *req) {
    if (req->minor > 0 && !req->has_host) return -400;
    if (req->has_coding && (req->has_length || req->minor == 0)) return -400;
    if (req->has_coding && !req->chunked) return -501;
    if (req->length > HTTP_BUFFER - req->progress.head) return -413;
    req->keep_alive = !req->saw_close && (req->minor > 0 || req->saw_keep_alive);
    return 0;
}

static void forget(struct http_request *req) {
    req->query = req->host = (struct str){NULL, 0};
    req->field_count = req->length = 0;
    req->has_host = req->has_length = req->has_coding = req->chunked = false;
    req->expects = req->saw_close = req->saw_keep_alive = false;
}

/* Parses the head at the start of buf[0 .. len), whose last byte is LF or "}". Returns 0, or minus a
 * status: a head that is not whole fails too. */
static int parse_head(const char *buf, size_t len, struct http_request *req) {
    const char *at = buf, *end = buf + len;
    forget(req);
    /* One empty line before the request-line is ignored (RFC 9112 section 2.2). */
    if (*at == '\r' && (!skip_line_end(&at) || at == end)) return -400;
    int status = parse_request_line(&at, end, req);
    while (status == 0 && at < end && *at != '\r') {
        if (req->field_count == HTTP_FIELDS) return -431;
        struct http_field *field = &req->fields[req->field_count++];
        status = parse_field(&at, end, field);
        if (status == 0) status = read_known_field(req, field);
    }
    if (status < 0) return status;
    if (at == end || !skip_line_end(&at)) return -400;
    req->progress.head = (size_t)(at - buf);
    return judge_head(req);
}

/* ---- The body ---- */

/* chunk-size [ chunk-ext ] CRLF (RFC 9112 section 7.1). Blanks before the extension are refused, as
 * not all parsers read them in one way. Returns the size, or minus a status. */
static int parse_chunk_line(const char **at, const char *end) {
    size_t size = 0;
    const char *first = *at;
    for (int digit; (digit = hex(**at)) >= 0; ++*at)
        if (size <= HTTP_BUFFER) size = size * 16 + (size_t)digit;
    if (*at == first) return -400;
    if (**at == ';') take_text(at, end);
    if (!skip_line_end(at)) return -400;
    return size <= HTTP_BUFFER ? (int)size : -413;
}

/* Parses the head at the start of buf[0 .. len) and steps over it; of a body whose length it tells the
 * end is known then. Returns 0, or minus a status. */
static int begin_body(const char *buf, size_t len, struct http_request *req) {
    struct http_progress *progress = &req->progress;
    int status = parse_head(buf, len, req);
    if (status < 0) return status;
    progress->part = req->chunked ? HTTP_IN_CHUNK_SIZE : HTTP_IN_BODY;
    progress->line = progress->scanned = progress->head + req->length;
    req->awaits_continue = req->expects && (req->chunked || req->length > 0);
    return 0;
}

/* Steps over one line, n bytes from progress->line on, and over the data it announces. Returns 0, or
 * minus a status. */
static int step_over_line(const char *buf, int n, struct http_request *req) {
    struct http_progress *progress = &req->progress;
    const char *at = buf + progress->line, *end = at + n;
    struct http_field trailer;
    progress->line = progress->scanned;
    switch (progress->part) {
    case HTTP_IN_HEAD: /* an empty line ends it, but for one in front */
        return n == 2 && at > buf ? begin_body(buf, progress->line, req) : 0;
    case HTTP_IN_CHUNK_SIZE: {
        int size = parse_chunk_line(&at, end);
        if (size < 0) return size;
        progress->part = size > 0 ? HTTP_IN_CHUNK_END : HTTP_IN_TRAILER;
        progress->line = progress->scanned += (size_t)size;
        return progress->line > HTTP_BUFFER ? -413 : 0;
    }
    case HTTP_IN_CHUNK_END: progress->part = HTTP_IN_CHUNK_SIZE; return n == 2 ? 0 : -400;
    default: /* a trailer is checked and dropped (RFC 9110 section 6.5.1) */
        if (n > 2) return parse_field(&at, end, &trailer);
        progress->part = HTTP_IN_BODY;
        return 0;
    }
}

/* Moves the data of all chunks together, to where the first one begins. They were checked before. */
static struct str join_chunks(char *body, const char *end) {
    char *to = body;
    const char *at = body;
    for (int size; (size = parse_chunk_line(&at, end)) > 0; at += size + 2) {
        memmove(to, at, (size_t)size);
        to += size;
    }
    return (struct str){body, (size_t)(to - body)};
}

int http_parse(char *buf, size_t len, struct http_request *req) {
    struct http_progress *progress = &req->progress;
    bool resumed = progress->part != HTTP_IN_HEAD;
    int n;
    req->awaits_continue = false;
    /* Most heads come in one piece, alone or with a body of JSON, and are parsed at once. Where that
     * fails it may be for what is still to come, so all others are looked at again once their end is
     * found. */
    if (progress->scanned == 0 && len > 0 && (buf[len - 1] == '\n' || buf[len - 1] == '}'))
        begin_body(buf, len, req);
    while (progress->part != HTTP_IN_BODY) {
        if ((n = find_line(buf, len, progress)) <= 0) return n;
        if ((n = step_over_line(buf, n, req)) < 0) return n;
    }
    if (len < progress->line) return 0;
    if (resumed) /* what an earlier call parsed may lie elsewhere by now */
        parse_head(buf, progress->head, req);
    char *body = buf + progress->head;
    req->body =
        req->chunked ? join_chunks(body, buf + progress->line) : (struct str){body, req->length};
    n = (int)progress->line;
    *progress = (struct http_progress){0};
    return n;
}

/* ---- What handlers ask of a request ---- */

void http_decode_path(struct http_request *req) {
    struct str path = req->path;
    if (!memchr(path.s, '%', path.len)) return;
    char *to = (char *)path.s; /* a view into the caller's buffer, which is there to be changed */
    req->path.len = 0;
    for (size_t i = 0; i < path.len; i++) {
        char byte = path.s[i];
        if (byte == '%') {
            int decoded = hex(path.s[i + 1]) * 16 + hex(path.s[i + 2]);
            if (decoded != '/') byte = (char)decoded, i += 2;
        }
        to[req->path.len++] = byte;
    }
}

struct str http_field(const struct http_request *req, struct str name) {
    for (size_t i = 0; i < req->field_count; i++)
        if (same_name(req->fields[i].name, name)) return req->fields[i].value;
    return (struct str){NULL, 0};
}

struct str http_cookie(const struct http_request *req, struct str name) {
    struct str found = {NULL, 0};
    for (size_t i = 0; i < req->field_count; i++) {
        struct str pairs = req->fields[i].value;
        if (!same_name(req->fields[i].name, STR("Cookie"))) continue;
        while (pairs.len) {
            struct str value = str_cut(&pairs, ';'), pair = value, key = str_cut(&value, '=');
            if (key.len < pair.len && str_equal(trim(key), name)) found = trim(value);
        }
    }
    return found;
}

bool http_is_cross_site(const struct http_request *req) {
    struct str site = http_field(req, STR("Sec-Fetch-Site"));
    if (site.s) return !str_equal(site, STR("same-origin")) && !str_equal(site, STR("none"));
    struct str origin = http_field(req, STR("Origin"));
    if (!origin.s) return false;
    for (size_t i = 1; i + 3 <= origin.len; i++) /* scheme "://" host [ ":" port ] (RFC 6454) */
        if (memcmp(origin.s + i, "://", 3) == 0)
            return !same_name((struct str){origin.s + i + 3, origin.len - i - 3}, req->host);
    return true;
}

/* ---- Numbers ---- */

void text_put_number(struct text *text, uint64_t number) {
    char digits[20]; /* strlen("18446744073709551615") */
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    text_put(text, (struct str){digits + at, sizeof digits - at});
}

void text_put_hex(struct text *text, unsigned number) {
    char digits[2 * sizeof number];
    size_t at = sizeof digits;
    do digits[--at] = "0123456789abcdef"[number & 15];
    while (number >>= 4);
    text_put(text, (struct str){digits + at, sizeof digits - at});
}

/* ---- Responses ---- */

void http_begin_response(struct http_response *res, const struct http_request *req) {
    res->close = !req->keep_alive;
    res->keep_alive = req->keep_alive && req->minor == 0;
    res->no_content = str_equal(req->method, STR("HEAD"));
    res->extra = TEXT(res->extra_room);
    res->body = TEXT(res->body_room);
}

void http_add_pieces(struct http_response *res, struct str name,
                     const struct str value[STR_PIECES]) {
    struct text *extra = &res->extra;
    size_t start = extra->len;
    text_put(extra, name);
    text_put(extra, STR(": "));
    size_t from = extra->len;
    text_put_all(extra, value);
    while ((from += text_length(extra->s + from, extra->len - from)) < extra->len)
        extra->s[from] = ' ';
    text_put(extra, STR("\r\n"));
    if (!extra->cut) return;
    wipe(extra->s + start, extra->len - start);
    extra->len = start;
    extra->cut = false;
}

struct str http_status(int status) {
    switch (status) {
    case 200: return STR("200 OK");
    case 400: return STR("400 Bad Request");
    case 401: return STR("401 Unauthorized");
    case 403: return STR("403 Forbidden");
    case 404: return STR("404 Not Found");
    case 405: return STR("405 Method Not Allowed");
    case 408: return STR("408 Request Timeout");
    case 413: return STR("413 Content Too Large");
    case 414: return STR("414 URI Too Long");
    case 417: return STR("417 Expectation Failed");
    case 429: return STR("429 Too Many Requests");
    case 431: return STR("431 Request Header Fields Too Large");
    case 501: return STR("501 Not Implemented");
    case 505: return STR("505 HTTP Version Not Supported");
    default: return STR("500 Internal Server Error");
    }
}

void http_write(struct text *out, const struct http_response *res, struct str date) {
    text_put(out, STR("HTTP/1.1 "));
    text_put(out, http_status(res->status));
    text_put(out, STR("\r\nDate: "));
    text_put(out, date);
    text_put(
        out,
        STR("\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nContent-Length: "));
    text_put_number(out, res->body.len);
    if (res->close)
        text_put(out, STR("\r\nConnection: close"));
    else if (res->keep_alive)
        text_put(out, STR("\r\nConnection: keep-alive"));
    text_put(out, STR("\r\n"));
    text_put(out, text_str(&res->extra));
    text_put(out, STR("\r\n"));
    if (!res->no_content) text_put(out, text_str(&res->body));
}
