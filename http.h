/* http.h - HTTP/1.1 messages: bytes to request, response to bytes (RFC 9110, RFC 9112), and
 * cookies (RFC 6265bis). See the head of http.c for how the parser is called. */
#ifndef HTTP_H
#define HTTP_H

#include "str.h"

/* A request, head and body, has this many bytes at most, as has what goes out in one write. */
#ifndef HTTP_BUFFER
#define HTTP_BUFFER 16384
#endif
#if HTTP_BUFFER < 2048
#error "HTTP_BUFFER must be 2048 bytes at least: a response has to fit"
#endif

#define HTTP_FIELDS 64                /* fields in a request's head, at most */
#define HTTP_EXTRA  256               /* bytes of field lines that a handler adds, at most */
#define HTTP_BODY   (HTTP_BUFFER / 2) /* bytes in a response's body, at most */
/* What a response's head takes beside HTTP_EXTRA: status line 46, Date 37, Content-Type 32,
 * Cache-Control 25, Content-Length 38, Connection 24, empty line 2; and a 100 (Continue) before it,
 * 25. */
#define HTTP_HEAD     229
#define HTTP_RESPONSE (HTTP_HEAD + HTTP_EXTRA + HTTP_BODY)

struct http_field {
    struct str name, value;
};

/* What the next byte of a request belongs to. */
enum http_part {
    HTTP_IN_HEAD,
    HTTP_IN_CHUNK_SIZE, /* the line before a chunk's data */
    HTTP_IN_CHUNK_END,  /* the data, and the CRLF behind it */
    HTTP_IN_TRAILER,    /* the fields behind the last chunk */
    HTTP_IN_BODY        /* whose end is known, and with it the request's */
};

/* How far a request has been read: all that must be kept of it until more bytes come. */
struct http_progress {
    enum http_part part;
    size_t line;    /* where the line that is being read begins, or where the body ends */
    size_t scanned; /* nothing before this place has to be looked at again */
    size_t head;    /* the length of the head, once it is whole */
};

/* A request. The views point into the buffer that was parsed, but for a path the target lacks. */
struct http_request {
    struct http_progress progress; /* the caller's between calls; all zero before the first */

    struct str line; /* the request-line without its end, for the log */
    struct str method, path, query, host, body;
    struct http_field fields[HTTP_FIELDS];
    size_t field_count;
    int minor;            /* of the version: 0 or 1 */
    bool keep_alive;      /* the client would send more on this connection */
    bool awaits_continue; /* a 100 (Continue) is due, before the rest is read */
    int64_t received;     /* when it came, in ns on the monotonic clock: set by the server */

    /* what the parser alone uses */
    bool has_host, has_length, has_coding, chunked, expects, saw_close, saw_keep_alive;
    size_t length; /* what Content-Length says */
};

/* A response. A handler fills `extra` through http_add_field and `body` through text_put. */
struct http_response {
    int status;
    bool close;      /* the connection ends with this response */
    bool keep_alive; /* say so: an HTTP/1.0 client asked for it */
    bool no_content; /* the answer to HEAD: the body's length is told, its bytes are not sent */
    struct text extra, body;
    char extra_room[HTTP_EXTRA], body_room[HTTP_BODY];
};

/* Append `number` to `text`: in decimal, or in hexadecimal. Here and not in str.h, as written out at each
 * call they would be 2 KB. */
void text_put_number(struct text *text, uint64_t number);
void text_put_hex(struct text *text, unsigned number);

/* Reads one request from the start of buf[0 .. len), len at most HTTP_BUFFER.
 *     > 0  a whole request: this many bytes are used up, and req tells what they say
 *       0  not yet: call again with the same bytes and more, when more have come
 *     < 0  minus the status to answer with (400, 413, 414, 417, 431, 501, 505), then close
 * Between calls the bytes may move, but req->progress must be kept. A chunked body is decoded in
 * place once the request is whole; until then nothing in buf is changed. */
int http_parse(char *buf, size_t len, struct http_request *req);

/* Decodes the escapes in req->path, in place. An encoded slash stays as it is: it is data and no
 * separator (RFC 3986 section 2.2). */
void http_decode_path(struct http_request *req);

/* The value of the field `name` (in any case), or an empty view with s NULL. */
struct str http_field(const struct http_request *req, struct str name);

/* The value of the cookie `name`, the last one where there are several (RFC 6265bis section 5.8.3
 * promises no order), or an empty view with s NULL. */
struct str http_cookie(const struct http_request *req, struct str name);

/* Whether a browser sends this request for a page of another site: Sec-Fetch-Site says so, or,
 * where it is missing, an Origin whose host is not ours. Clients that are no browsers send neither. */
bool http_is_cross_site(const struct http_request *req);

/* Makes `res` an empty response that answers `req`. */
void http_begin_response(struct http_response *res, const struct http_request *req);

/* Adds a field line, its value made of pieces: http_add_field(res, STR("Allow"), a, b). Bytes that
 * could end a line become spaces. What does not fit into HTTP_EXTRA is left out whole. */
#define http_add_field(res, name, ...)                                                             \
    http_add_pieces((res), (name), (const struct str[STR_PIECES]){__VA_ARGS__})
void http_add_pieces(struct http_response *res, struct str name,
                     const struct str value[STR_PIECES]);

/* Writes `res` to `out`, which needs room for HTTP_RESPONSE bytes; `date` as in RFC 9110 section
 * 5.6.7. */
void http_write(struct text *out, const struct http_response *res, struct str date);

/* The status and its reason phrase, such as "404 Not Found". */
struct str http_status(int status);

#endif
