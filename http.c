/* http.c - HTTP/1.1 messages: bytes to request, response to bytes, and cookies.
 *
 * http_parse returns a length, 0 for "incomplete", or minus a status:
 *
 *     while ((n = http_parse(buf, len, &req)) == 0)
 *         ... append more input to buf[0 .. len) ...
 *     if (n < 0)
 *         ... send an error response with status -n, and close ...
 *     else
 *         ... handle req; the next request begins at buf[n] ...
 *
 * The parser remembers nothing between calls. It begins at the first byte each time, so the
 * result depends only on the bytes, and not on how they were split into reads. It walks a
 * request like this:
 *
 *     method SP target SP version CRLF        parse_request_line
 *     name ":" OWS value OWS CRLF             parse_field, and parse_known_field for those that
 *     ... more fields ...                       decide where the request ends
 *     CRLF                                    validate_head
 *     |
 *     +-- Content-Length: n bytes             skip_data
 *     +-- chunked:                            skip_chunks, later decode_chunks
 *     |       size [";" extension] CRLF  <-+
 *     |       data CRLF -------------------+    until a size is 0
 *     |       trailer fields, CRLF
 *     +-- neither: no body
 *
 * A byte that the grammar does not allow is an error as soon as it arrives. What a target, a
 * version or a field means is judged at the end of its line, and the fields together at the end
 * of the head.
 *
 * A request whose end two servers could see differently is rejected. Requests are smuggled where
 * two servers in a chain read one message in two ways.
 *
 * This file must not touch a socket, a clock or the heap.
 */
#define _POSIX_C_SOURCE 200809L
#include "http.h"

#include <arpa/inet.h>

/* ---- Bytes ---- */

/* The parts of a request in which a byte may stand. NUL may stand in none: it is the sentinel.
 * Targets may hold more than RFC 3986 allows, because browsers and curl send such bytes as they
 * are. */
enum byte_class {
    TOKEN = 1,      /* methods and field names (RFC 9110 section 5.6.2) */
    HOST = 2,       /* host names (RFC 3986 section 3.2.2) */
    UNRESERVED = 4, /* RFC 3986 section 2.3 */
    TARGET = 8,     /* request-targets: visible ASCII except "#", and all bytes from 0x80 on */
    VALUE = 16,     /* field values (RFC 9110 section 5.5) */
    ADDRESS = 32,   /* IPvFuture addresses (RFC 3986 section 3.2.2) */
    DIGIT = 64,
    HEX = 128 /* hexadecimal digits */
};

/* clang-format off */
#define OTHER (TARGET | VALUE)
#define DELIM (OTHER | HOST | ADDRESS) /* sub-delims of RFC 3986 section 2.2 */
#define MARK  (DELIM | TOKEN)          /* those that may stand in a token too */
#define ALPHA (MARK | UNRESERVED)
#define SIX(class)     class, class, class, class, class, class
#define TEN(class)     SIX(class), class, class, class, class
#define SIXTEEN(class) SIX(class), TEN(class)
static const unsigned char byte_classes[256] = {
    ['a'] = SIX(ALPHA | HEX), TEN(ALPHA), TEN(ALPHA),
    ['A'] = SIX(ALPHA | HEX), TEN(ALPHA), TEN(ALPHA),
    ['0'] = TEN(ALPHA | HEX | DIGIT),
    ['-'] = ALPHA, ['.'] = ALPHA, ['_'] = ALPHA, ['~'] = ALPHA,
    ['!'] = MARK, ['$'] = MARK, ['&'] = MARK, ['\''] = MARK, ['*'] = MARK, ['+'] = MARK,
    ['('] = DELIM, [')'] = DELIM, [','] = DELIM, [';'] = DELIM, ['='] = DELIM,
    ['^'] = OTHER | TOKEN, ['`'] = OTHER | TOKEN, ['|'] = OTHER | TOKEN,
    ['%'] = OTHER | TOKEN | HOST, [':'] = OTHER | ADDRESS, ['#'] = VALUE | TOKEN,
    ['"'] = OTHER, ['/'] = OTHER, ['<'] = OTHER, ['>'] = OTHER, ['?'] = OTHER, ['@'] = OTHER,
    ['['] = OTHER, ['\\'] = OTHER, [']'] = OTHER, ['{'] = OTHER, ['}'] = OTHER,
    [' '] = VALUE, ['\t'] = VALUE,
    [0x80] = SIXTEEN(OTHER), SIXTEEN(OTHER), SIXTEEN(OTHER), SIXTEEN(OTHER),
    SIXTEEN(OTHER), SIXTEEN(OTHER), SIXTEEN(OTHER), SIXTEEN(OTHER),
};
/* clang-format on */

static inline bool in_class(char byte, enum byte_class class) {
    return byte_classes[(unsigned char)byte] & class;
}

/* Returns how many bytes at the start of `s` are in the class. */
static size_t span(struct str s, enum byte_class class) {
    size_t n = 0;
    while (n < s.len && in_class(s.s[n], class)) n++;
    return n;
}

static bool consists_of(struct str s, enum byte_class class) { return span(s, class) == s.len; }

/* Names of fields, schemes and options are case-insensitive. */
static bool bytes_equal_ignore_case(const char *a, size_t a_len, const char *b, size_t b_len) {
    if (a_len != b_len) return false;
    for (size_t i = 0; i < a_len; i++)
        if (ascii_lower(a[i]) != ascii_lower(b[i])) return false;
    return true;
}
static inline bool equal_ignore_case(struct str a, struct str b) {
    return bytes_equal_ignore_case(a.s, a.len, b.s, b.len);
}

static bool is_blank(char byte) { return byte == ' ' || byte == '\t'; }

/* Removes optional whitespace (OWS, RFC 9110 section 5.5) from both ends. */
static struct str trim_ows(struct str s) {
    while (s.len > 0 && is_blank(s.s[s.len - 1])) s.len--;
    while (s.len > 0 && is_blank(s.s[0])) s = str_from(s, 1);
    return s;
}

/* ---- The scanner ----
 *
 * The functions below read the input from left to right. Two ideas keep them short:
 *
 * A sentinel. *end is a NUL, which no class contains and no function expects. So every loop ends
 * there by itself, and no loop checks its bounds.
 *
 * The first error is kept. When a byte is not what the grammar demands, the result says so, and
 * later errors do not change it. What the functions do after that does no harm: they only move
 * towards the sentinel. So they read like the grammar, and look at the result only before they use
 * what they have read. */

enum { PARSED = 0, INCOMPLETE = 1 }; /* any other result is minus a status */

struct scanner {
    const char *start, *at, *end; /* *end is the sentinel */
    int result;                   /* the first one that is not PARSED stays */
};

static void stop(struct scanner *in, int result) {
    if (in->result == PARSED) in->result = result;
}

/* The byte at in->at does not match. At the end of the input more bytes may come; anywhere else it
 * is an error. A NUL in the input is not the end: the sentinel is recognised by its position. */
static void unexpected(struct scanner *in) { stop(in, in->at == in->end ? INCOMPLETE : -400); }

static void expect(struct scanner *in, const char *text) {
    for (; *text; text++) {
        if (*in->at != *text) {
            unexpected(in);
            return;
        }
        in->at++;
    }
}

static inline struct str take_while(struct scanner *in, enum byte_class class) {
    const char *start = in->at, *at = start;
    while (in_class(*at, class)) at++;
    in->at = at;
    return (struct str){start, (size_t)(at - start)};
}

/* Like take_while, but there must be at least one byte. */
static inline struct str take_some(struct scanner *in, enum byte_class class) {
    struct str taken = take_while(in, class);
    if (taken.len == 0) unexpected(in);
    return taken;
}

/* Skips `len` bytes of any value. */
static void skip_data(struct scanner *in, size_t len) {
    if (len > HTTP_BUFFER_SIZE - (size_t)(in->at - in->start))
        stop(in, -413);
    else if (len > (size_t)(in->end - in->at))
        stop(in, INCOMPLETE);
    else
        in->at += len;
}

/* ---- The request-line ---- */

/* Returns whether every "%" begins an escape of two digits (RFC 3986 section 2.1) other than
 * %00. */
static bool has_valid_escapes(struct str s) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.s[i] != '%') continue;
        if (s.len - i < 3 || hex_value(s.s[i + 1]) < 0 || hex_value(s.s[i + 2]) < 0) return false;
        if (s.s[i + 1] == '0' && s.s[i + 2] == '0') return false;
    }
    return true;
}

/* IPvFuture = "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ) (RFC 3986 section 3.2.2) */
static bool is_ip_future(struct str s) {
    struct str address = str_from(s, 1);
    struct str version = str_split(&address, '.');
    return version.len > 0 && consists_of(version, HEX) && address.len > 0 &&
           consists_of(address, ADDRESS);
}

/* Returns whether `s`, the part between brackets, is an address. A zone behind an IPv6 address, as
 * in "fe80::1%eth0", is accepted and ignored. RFC 3986 has no zones, but clients send them. */
static bool is_ip_literal(struct str s) {
    char address[INET6_ADDRSTRLEN] = "";
    struct in6_addr parsed;
    struct str zone = s;
    struct str ip = str_split(&zone, '%');
    if (s.len > 0 && ascii_lower(s.s[0]) == 'v') return is_ip_future(s);
    if (ip.len >= sizeof address || !consists_of(zone, UNRESERVED)) return false;
    memcpy(address, ip.s, ip.len);
    return inet_pton(AF_INET6, address, &parsed) == 1 && (zone.len > 0 || ip.len == s.len);
}

/* Returns whether `s` is host [ ":" port ] (RFC 3986 section 3.2) without user information. An
 * empty host is valid. */
static bool is_authority(struct str s) {
    struct str host, rest = s;
    if (s.len > 0 && s.s[0] == '[') {
        host = str_split(&rest, ']');
        if (host.len == s.len || !is_ip_literal(str_from(host, 1))) return false;
    } else {
        host = (struct str){s.s, span(s, HOST)};
        rest = str_from(s, host.len);
        if (!has_valid_escapes(host)) return false;
    }
    /* The rest is empty, or a colon and digits. */
    return str_split(&rest, ':').len == 0 && consists_of(rest, DIGIT);
}

/* Removes scheme "://" from `*s` and returns the scheme. If `*s` does not begin like that, or ends
 * there, it stays as it is, and the scheme is empty. */
static struct str split_scheme(struct str *s) {
    struct str rest = *s;
    struct str scheme = str_split(&rest, ':');
    if (rest.len <= 2 || memcmp(rest.s, "//", 2) != 0) return STR("");
    *s = str_from(rest, 2);
    return scheme;
}

/* scheme "://" authority path (RFC 9112 section 3.2.2). The authority replaces the Host field,
 * and must not be empty. */
static bool parse_absolute_form(struct http_request *req) {
    struct str path = req->path;
    struct str scheme = split_scheme(&path), rest = path;
    req->is_https = equal_ignore_case(scheme, STR("https"));
    if (!req->is_https && !equal_ignore_case(scheme, STR("http"))) return false;
    req->host = str_split(&rest, '/');
    req->path = str_from(path, req->host.len);
    return req->host.len > 0 && req->host.s[0] != ':' && is_authority(req->host);
}

/* Splits the target into path and query. The forms are those of RFC 9112 section 3.2 that an origin
 * server knows: origin-form, absolute-form, and, for OPTIONS, asterisk-form. */
static void parse_target(struct scanner *in, struct http_request *req, struct str target) {
    req->query = target;
    req->path = str_split(&req->query, '?');
    bool valid = target.s[0] == '/';
    if (str_equal(target, STR("*"))) valid = str_equal(req->method, STR("OPTIONS"));
    if (!valid) valid = parse_absolute_form(req);
    if (req->path.len == 0) req->path = STR("/");
    if (!valid || !has_valid_escapes(req->path)) stop(in, -400);
}

static char take_digit(struct scanner *in) {
    char digit = *in->at;
    if (is_digit(digit))
        in->at++;
    else
        unexpected(in);
    return digit;
}

static void parse_request_line(struct scanner *in, struct http_request *req) {
    const char *start = in->at;
    req->method = take_some(in, TOKEN);
    expect(in, " ");
    struct str target = take_some(in, TARGET);
    expect(in, " HTTP/");
    char major = take_digit(in);
    expect(in, ".");
    char minor = take_digit(in);
    struct str line = {start, (size_t)(in->at - start)};
    expect(in, "\r\n");
    if (in->result != PARSED) return;
    req->request_line = line;
    req->minor_version = minor > '0'; /* later versions are 1.1 to us (RFC 9110 section 2.5) */
    if (major != '1') stop(in, -505);
    parse_target(in, req, target);
}

/* ---- The fields that decide where a request ends and what becomes of the connection ---- */

/* A second Host field is an error (RFC 9112 section 3.2). validate_head checks that there is
 * one. */
static void parse_host(struct scanner *in, struct http_request *req, struct str value) {
    if (req->has_host || !is_authority(value)) stop(in, -400);
    if (!req->host.s) req->host = value; /* it is set already by an absolute-form target */
    req->has_host = true;
}

/* Digits and nothing else (RFC 9110 section 8.6). A number above the size of the buffer does not
 * grow any further, because it is too large already; so it cannot overflow. */
static void parse_content_length(struct scanner *in, struct http_request *req, struct str value) {
    if (req->has_content_length || value.len == 0 || !consists_of(value, DIGIT)) {
        stop(in, -400);
        return;
    }
    for (size_t i = 0; i < value.len && req->content_length <= HTTP_BUFFER_SIZE; i++)
        req->content_length = req->content_length * 10 + (size_t)(value.s[i] - '0');
    req->has_content_length = true;
}

/* Removes the next element of a list and returns it (RFC 9110 section 5.6.1). Empty elements are to
 * be ignored. */
static struct str next_element(struct str *list) { return trim_ows(str_split(list, ',')); }

/* A list of codings (RFC 9112 section 6.1). The only one that is supported is chunked, and it must
 * be the last (section 6.3). */
static void parse_transfer_encoding(struct scanner *in, struct http_request *req,
                                    struct str value) {
    req->has_transfer_encoding = true;
    while (value.len > 0) {
        struct str coding = next_element(&value);
        if (coding.len == 0) continue;
        if (req->chunked) stop(in, -400);
        req->chunked = equal_ignore_case(coding, STR("chunked"));
        if (!req->chunked) req->has_unknown_coding = true;
    }
}

/* A list of options (RFC 9110 section 7.6.1). */
static void parse_connection(struct http_request *req, struct str value) {
    while (value.len > 0) {
        struct str option = next_element(&value);
        if (equal_ignore_case(option, STR("close"))) req->connection_close = true;
        if (equal_ignore_case(option, STR("keep-alive"))) req->connection_keep_alive = true;
    }
}

/* 100-continue is the only expectation that is defined; HTTP/1.0 has none (RFC 9110 section
 * 10.1.1). */
static void parse_expect(struct scanner *in, struct http_request *req, struct str value) {
    req->expects_continue = req->minor_version > 0;
    if (req->expects_continue && !equal_ignore_case(value, STR("100-continue"))) stop(in, -417);
}

static void parse_known_field(struct scanner *in, struct http_request *req, struct str name,
                              struct str value) {
    if (equal_ignore_case(name, STR("Host"))) parse_host(in, req, value);
    if (equal_ignore_case(name, STR("Content-Length"))) parse_content_length(in, req, value);
    if (equal_ignore_case(name, STR("Transfer-Encoding"))) parse_transfer_encoding(in, req, value);
    if (equal_ignore_case(name, STR("Connection"))) parse_connection(req, value);
    if (equal_ignore_case(name, STR("Expect"))) parse_expect(in, req, value);
}

/* ---- The head ---- */

/* field-name ":" OWS field-value OWS CRLF (RFC 9112 section 5). Whitespace before the colon and
 * folded lines are rejected, because a line must begin with a token. */
static struct http_field parse_field(struct scanner *in) {
    struct http_field field;
    field.name = take_some(in, TOKEN);
    expect(in, ":");
    field.value = trim_ows(take_while(in, VALUE));
    expect(in, "\r\n");
    return field;
}

static void parse_fields(struct scanner *in, struct http_request *req) {
    while (in->result == PARSED && *in->at != '\r') {
        struct http_field field = parse_field(in);
        if (req->field_count == HTTP_MAX_FIELDS) stop(in, -431);
        if (in->result != PARSED) return;
        req->fields[req->field_count++] = field;
        parse_known_field(in, req, field.name, field.value);
    }
    expect(in, "\r\n");
}

/* Checks the combination of the fields: RFC 9112 sections 3.2 and 6.3. A body that is too large is
 * rejected here already, so that no 100 (Continue) asks for it. */
static void validate_head(struct scanner *in, const struct http_request *req) {
    bool http_1_0 = req->minor_version == 0;
    if (!http_1_0 && !req->has_host) stop(in, -400);
    if (req->has_transfer_encoding && (req->has_content_length || http_1_0 || !req->chunked))
        stop(in, -400);
    if (req->has_unknown_coding) stop(in, -501);
    if (req->content_length > HTTP_BUFFER_SIZE - req->head_len) stop(in, -413);
}

static void parse_head(struct scanner *in, struct http_request *req) {
    parse_request_line(in, req);
    parse_fields(in, req);
    if (in->result != PARSED) return;
    req->head_len = (size_t)(in->at - in->start);
    validate_head(in, req);
    if (in->result != PARSED) return;
    bool persistent = req->minor_version > 0 || req->connection_keep_alive;
    req->keep_alive = persistent && !req->connection_close; /* RFC 9112 section 9.3 */
    req->send_continue = req->expects_continue && (req->chunked || req->content_length > 0);
}

/* ---- The body ---- */

/* chunk-size [ chunk-ext ] CRLF (RFC 9112 section 7.1). Whitespace before the extension is
 * rejected, because parsers disagree about it. Returns the size; one that is too large does not
 * overflow. */
static size_t parse_chunk_line(struct scanner *in) {
    size_t size = 0;
    const char *start = in->at;
    for (int digit; (digit = hex_value(*in->at)) >= 0; in->at++)
        if (size <= HTTP_BUFFER_SIZE) size = size * 16 + (size_t)digit;
    if (in->at == start) unexpected(in);
    if (*in->at == ';') take_while(in, VALUE);
    expect(in, "\r\n");
    return size;
}

/* Checks all chunks and the trailer fields, which are dropped (RFC 9110 section 6.5.1). */
static void skip_chunks(struct scanner *in) {
    for (size_t size; (size = parse_chunk_line(in)) > 0 && in->result == PARSED;) {
        skip_data(in, size);
        expect(in, "\r\n");
    }
    while (in->result == PARSED && *in->at != '\r') parse_field(in);
    expect(in, "\r\n");
}

/* Moves the data of all chunks together. `end` is the end of the request and holds no sentinel. The
 * loop stops at the last chunk, because skip_chunks has checked all of them. */
static struct str decode_chunks(char *body, const char *end) {
    struct scanner in = {body, body, end, PARSED};
    char *to = body;
    for (size_t size; (size = parse_chunk_line(&in)) > 0;) {
        memmove(to, in.at, size);
        to += size;
        in.at += size + strlen("\r\n");
    }
    return (struct str){body, (size_t)(to - body)};
}

/* ---- The request ---- */

size_t http_empty_lines_len(const char *buf, size_t len) {
    size_t n = 0;
    while (len - n >= 2 && buf[n] == '\r' && buf[n + 1] == '\n') n += 2;
    return n;
}

int http_parse(char *buf, size_t len, struct http_request *req) {
    struct scanner in = {buf, buf, buf + len, PARSED};
    buf[len] = '\0';
    memset(req, 0, offsetof(struct http_request, fields)); /* field_count says which are valid */
    if (len == 1 && buf[0] == '\r') return 0;              /* the first half of an empty line */
    parse_head(&in, req);
    if (req->chunked) /* if the head has failed, this does not change the result */
        skip_chunks(&in);
    else
        skip_data(&in, req->content_length);
    if (in.result == INCOMPLETE) {
        if (len < HTTP_BUFFER_SIZE) return 0;
        /* The status depends on the part that did not fit. */
        if (req->request_line.len == 0) return -414;
        return req->head_len == 0 ? -431 : -413;
    }
    if (in.result != PARSED) return in.result;
    char *body = buf + req->head_len;
    req->body = req->chunked ? decode_chunks(body, in.at) : (struct str){body, req->content_length};
    return (int)(in.at - buf);
}

/* ---- What the rest of the program asks of a request ---- */

void http_decode_path(struct text *out, struct str path) {
    while (path.len > 0) {
        size_t len = 0; /* of what comes before the next escape */
        while (len < path.len && path.s[len] != '%') len++;
        text_put(out, (struct str){path.s, len});
        path = str_from(path, len);
        if (path.len == 0) return;
        char byte = (char)(hex_value(path.s[1]) * 16 + hex_value(path.s[2]));
        text_put(out, byte == '/' ? (struct str){path.s, 3} : (struct str){&byte, 1});
        path = str_from(path, 3);
    }
}

struct str http_find_field(const struct http_request *req, struct str name) {
    for (size_t i = 0; i < req->field_count; i++)
        if (equal_ignore_case(req->fields[i].name, name)) return req->fields[i].value;
    return (struct str){NULL, 0};
}

struct str http_find_cookie(const struct http_request *req, struct str name) {
    struct str found = {NULL, 0};
    for (size_t i = 0; i < req->field_count; i++) {
        if (!equal_ignore_case(req->fields[i].name, STR("Cookie"))) continue;
        struct str pairs = req->fields[i].value;
        while (pairs.len > 0) {
            struct str pair = trim_ows(str_split(&pairs, ';')), value = pair;
            struct str key = str_split(&value, '=');
            if (key.len < pair.len && str_equal(key, name)) found = value;
        }
    }
    return found;
}

bool http_is_cross_origin(const struct http_request *req) {
    struct str site = http_find_field(req, STR("Sec-Fetch-Site"));
    if (site.s) return !str_equal(site, STR("same-origin")) && !str_equal(site, STR("none"));
    struct str origin = http_find_field(req, STR("Origin"));
    if (!origin.s) return false;
    /* scheme "://" host [ ":" port ] (RFC 6454 section 6.2) */
    return split_scheme(&origin).len == 0 || !equal_ignore_case(origin, req->host);
}

/* ---- Statuses ---- */

/* The reason phrases that are registered with IANA (RFC 9110 section 16.2.1). There is a string for
 * each class, from 2xx to 5xx, and a line in it for each status from 00 on. The line of a status
 * that is not registered is empty. */
/* clang-format off */
static const char *const reasons[] = {
    "OK\nCreated\nAccepted\nNon-Authoritative Information\nNo Content\nReset Content\n"
    "Partial Content\nMulti-Status\nAlready Reported\n"
    "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n" /* 209 to 225 */
    "IM Used",
    "Multiple Choices\nMoved Permanently\nFound\nSee Other\nNot Modified\nUse Proxy\n"
    "\nTemporary Redirect\nPermanent Redirect",
    "Bad Request\nUnauthorized\nPayment Required\nForbidden\nNot Found\n"
    "Method Not Allowed\nNot Acceptable\nProxy Authentication Required\nRequest Timeout\n"
    "Conflict\nGone\nLength Required\nPrecondition Failed\nContent Too Large\n"
    "URI Too Long\nUnsupported Media Type\nRange Not Satisfiable\nExpectation Failed\n"
    "\n\n\nMisdirected Request\nUnprocessable Content\nLocked\nFailed Dependency\n"
    "Too Early\nUpgrade Required\n\nPrecondition Required\nToo Many Requests\n"
    "\nRequest Header Fields Too Large\n"
    "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n" /* 432 to 450 */
    "Unavailable For Legal Reasons",
    "Internal Server Error\nNot Implemented\nBad Gateway\nService Unavailable\n"
    "Gateway Timeout\nHTTP Version Not Supported\nVariant Also Negotiates\n"
    "Insufficient Storage\nLoop Detected\n\nNot Extended\nNetwork Authentication Required",
};
/* clang-format on */

struct str http_reason(int status) {
    if (status < 200 || status > 599) return STR("");
    struct str lines = str_of(reasons[status / 100 - 2]);
    for (int skipped = status % 100; skipped > 0; skipped--) str_split(&lines, '\n');
    return str_split(&lines, '\n');
}

static const struct {
    int status;
    const char *message;
} refusals[] = {
    {400, "This is not a valid HTTP/1.1 request"},
    {408, "The request was not completed in time"},
    {413, "The request is too large"},
    {414, "The request-target is too long"},
    {417, "The only expectation supported is 100-continue"},
    {431, "The header fields are too large"},
    {501, "The only transfer coding supported is chunked"},
    {505, "The server supports HTTP/1.0 and HTTP/1.1"},
};

const char *http_refusal(int status) {
    size_t i = sizeof refusals / sizeof refusals[0] - 1;
    while (i > 0 && refusals[i].status != status) i--;
    return refusals[i].message;
}

/* ---- Responses ---- */

void http_response_init(struct http_response *res, const struct http_request *req) {
    res->status = 0;
    res->close = !req->keep_alive;
    res->send_keep_alive = req->keep_alive && req->minor_version == 0;
    res->omit_body = str_equal(req->method, STR("HEAD"));
    res->extra_fields = TEXT(res->extra_fields_storage);
    res->body = TEXT(res->body_storage);
}

void http_add_field_pieces(struct http_response *res, const struct str pieces[], size_t count) {
    struct text *fields = &res->extra_fields;
    size_t value_start = fields->len + pieces[0].len + strlen(": "), value_end = value_start;
    for (size_t i = 1; i < count; i++) value_end += pieces[i].len;
    if (value_end + strlen("\r\n") > fields->cap) return;
    text_put_all(fields, pieces[0], STR(": "));
    text_put_pieces(fields, pieces + 1, count - 1);
    for (char *at = fields->s + value_start; at < fields->s + value_end; at++)
        if (!in_class(*at, VALUE)) *at = ' ';
    text_put(fields, STR("\r\n"));
}

/* Returns whether a handler has added a field with this name. */
static bool is_added(const struct http_response *res, struct str name) {
    struct str added = text_str(&res->extra_fields);
    while (added.len > 0) {
        struct str line = str_split(&added, '\n');
        if (equal_ignore_case(str_split(&line, ':'), name)) return true;
    }
    return false;
}

void http_format_response(struct text *out, const struct http_response *res, struct str date) {
    bool has_content = res->status != 204 && res->status != 304; /* RFC 9110 section 8.6 */
    text_put_all(out, STR("HTTP/1.1 "), NUMBER((size_t)res->status), STR(" "),
                 http_reason(res->status), STR("\r\n"));
    if (date.len > 0) text_put_all(out, STR("Date: "), date, STR("\r\n"));
    if (has_content && !is_added(res, STR("Content-Type")))
        text_put(out, STR("Content-Type: application/json\r\n"));
    if (!is_added(res, STR("Cache-Control"))) text_put(out, STR("Cache-Control: no-store\r\n"));
    if (has_content) text_put_all(out, STR("Content-Length: "), NUMBER(res->body.len), STR("\r\n"));
    if (res->close)
        text_put(out, STR("Connection: close\r\n"));
    else if (res->send_keep_alive)
        text_put(out, STR("Connection: keep-alive\r\n"));
    text_put_all(out, text_str(&res->extra_fields), STR("\r\n"));
    if (!res->omit_body) text_put(out, text_str(&res->body));
}
