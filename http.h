/* http.h - HTTP/1.1 messages: bytes to request, response to bytes (RFC 9110, RFC 9112), and cookies
 * (RFC 6265bis). The head of http.c shows how to call the parser. */
#ifndef HTTP_H
#define HTTP_H

#include "str.h"

/* The maximum size of a request, head and body together, and of the output buffer of a connection.
 * A build for a small board may lower it. */
#ifndef HTTP_BUFFER_SIZE
#define HTTP_BUFFER_SIZE 16384
#endif
#if HTTP_BUFFER_SIZE < 2048 || HTTP_BUFFER_SIZE > 32768
#error "HTTP_BUFFER_SIZE must be 2048 to 32768: a response must fit, and -c 1000000 fit 32 bits"
#endif

#define HTTP_MAX_FIELDS        64                     /* header fields of a request */
#define HTTP_EXTRA_FIELDS_SIZE 256                    /* bytes of field lines that a handler adds */
#define HTTP_MAX_BODY          (HTTP_BUFFER_SIZE / 2) /* bytes in the body of a response */

/* The longest response, with a 100 (Continue) of 25 bytes in front. The fixed part of its head
 * is 204 bytes: status line 46, Date 37, Content-Type 32, Cache-Control 25, Content-Length 38,
 * Connection 24, empty line 2. */
#define HTTP_MAX_RESPONSE (25 + 204 + HTTP_EXTRA_FIELDS_SIZE + HTTP_MAX_BODY)

struct http_field {
    struct str name, value;
};

/* A request. The views point into the buffer that was parsed; only a path that is missing from the
 * target points to a constant "/". */
struct http_request {
    struct str request_line; /* without its CRLF, for the log */
    struct str method, path, query, host, body;
    size_t field_count;
    int minor_version;   /* 0 or 1 */
    bool is_https;       /* the target was an https URI */
    bool keep_alive;     /* the client may send another request on this connection */
    bool send_continue;  /* the client waits for a 100 (Continue) before it sends the body */
    int64_t received_at; /* in ns on the monotonic clock; set by the server */

    /* Used only by the parser. */
    bool has_host, has_content_length, has_transfer_encoding, has_unknown_coding, chunked;
    bool expects_continue, connection_close, connection_keep_alive;
    size_t content_length;
    size_t head_len; /* 0 until the head is complete */

    struct http_field fields[HTTP_MAX_FIELDS]; /* [0 .. field_count) are valid */
};

/* A response. A handler writes `body` with text_put, and adds fields with http_add_field. */
struct http_response {
    int status;
    bool close;           /* close the connection after this response */
    bool send_keep_alive; /* "Connection: keep-alive", because an HTTP/1.0 client asked for it */
    bool omit_body;       /* the response to HEAD: send the length of the body, but not the body */
    struct text extra_fields, body;
    char extra_fields_storage[HTTP_EXTRA_FIELDS_SIZE], body_storage[HTTP_MAX_BODY];
};

/* Returns the length of the empty lines at the start of buf[0 .. len). A server ignores empty lines
 * in front of a request (RFC 9112 section 2.2), so the caller removes them before http_parse. */
size_t http_empty_lines_len(const char *buf, size_t len);

/* Parses one request at the start of buf[0 .. len), which does not begin with an empty line.
 * `len` is at most HTTP_BUFFER_SIZE. buf[len] must be writable; the parser puts its sentinel
 * there. Returns
 *     > 0  the length of a complete request, which `req` now describes
 *       0  the request is incomplete: call again with the same bytes and more
 *     < 0  minus the status of the error response: 400, 413, 414, 417, 431, 501 or 505
 * A chunked body is decoded in place once the request is complete; nothing else in the buffer is
 * changed. `send_continue` is valid whatever is returned. */
int http_parse(char *buf, size_t len, struct http_request *req);

/* Appends req->path to `out` with its escapes decoded; http_parse has checked them. An escaped
 * slash stays escaped, because it is data and does not separate segments (RFC 3986 section 2.2). */
void http_decode_path(struct text *out, struct str path);

/* Returns the value of the first field with this name, or a view with s == NULL. Names are compared
 * without regard to case. */
struct str http_find_field(const struct http_request *req, struct str name);

/* Returns the value of the cookie with this name, or a view with s == NULL. If there are
 * several, it is the last one, as in the Python original; RFC 6265bis section 5.8.3 promises no
 * order. */
struct str http_find_cookie(const struct http_request *req, struct str name);

/* Returns whether a page of another origin made a browser send this request. Looks at
 * Sec-Fetch-Site; if it is missing, compares the host in Origin with ours. Clients other than
 * browsers send neither. */
bool http_is_cross_origin(const struct http_request *req);

/* Makes `res` an empty response to `req`. */
void http_response_init(struct http_response *res, const struct http_request *req);

/* Adds a field line. The first view is the name, the others (up to five) make up the value:
 * http_add_field(res, STR("Allow"), a, b). Control characters in the value become spaces. A field
 * that does not fit is omitted. Not for Date, Content-Length and Connection, which the server
 * adds. */
#define http_add_field(res, ...) http_add_field_pieces((res), PIECES(__VA_ARGS__))
void http_add_field_pieces(struct http_response *res, const struct str pieces[], size_t count);

/* Appends the response to `out`, which must have HTTP_MAX_RESPONSE bytes left. `date` is in the
 * IMF-fixdate format of RFC 9110 section 5.6.7; if it is empty, the Date field is left out. */
void http_format_response(struct text *out, const struct http_response *res, struct str date);

/* Returns the registered reason phrase of a status, such as "Not Found", or an empty view. */
struct str http_reason(int status);

/* Returns the error message for a request that the server refused with this status before it
 * reached a handler: because http_parse returned it, or 408 because the request was not
 * completed in time. */
const char *http_refusal(int status);

#endif
