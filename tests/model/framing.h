/* framing.h - a second opinion on whether bytes are an HTTP/1.1 request, and on where it ends.
 *
 *     long n = framing(text, len, limit, &body);
 *         > 0  a request of n bytes, its body `body` bytes long once it is decoded
 *           0  the beginning of one, nothing against it so far
 *          -1  to be refused
 *
 * It is written from RFC 9112, RFC 9110 and RFC 3986, whose grammar stands here as regular
 * expressions, and from one rule of the project's own: what the standards leave open is refused. It
 * shares nothing with the parser that it is held against, and it is never in a hurry.
 */
#ifndef FRAMING_H
#define FRAMING_H

#include <regex.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Grammar ---- */

#define TOKEN   "[-!#$%&'*+.^_`|~0-9A-Za-z]+"            /* RFC 9110 section 5.6.2 */
#define VALUE   "[^\1-\10\12-\37\177]*"                  /* 5.5: no control character but the tab */
#define ESCAPED "%([1-9A-Fa-f][0-9A-Fa-f]|0[1-9A-Fa-f])" /* RFC 3986 section 2.1; ours: no NUL */
#define UNIT    "[-._~!$&'()*+,;=0-9A-Za-z]" /* 2.2, 2.3: what may stand in every part of a URI */

/* 3.2. Addresses in brackets are not looked at closely: nothing hangs on them. */
#define NAME      "(" UNIT "|" ESCAPED ")"
#define LITERAL   "\\[[0-9A-Fa-f:.]+]"
#define PORT      "(:[0-9]*)?"
#define AUTHORITY "(" LITERAL "|" NAME "+)" PORT /* of a target: RFC 9110 section 4.2.1 */

/* 3.3, 3.4; [ and ] come bare from browsers. No path holds NUL; a query's escapes are nobody's. */
#define PATH   "/(" UNIT "|" ESCAPED "|[]/:@[])*"
#define QUERY  "(\\?(" UNIT "|[]/:@[?%])*)?"
#define TARGET "(" PATH "|[Hh][Tt][Tt][Pp]://" AUTHORITY "(" PATH ")?)" QUERY

enum rule { REQUEST_LINE, FIELD_LINE, HOST, LENGTH, CHUNK_LINE, RULES };

static const char *const grammar[RULES] = {
    [REQUEST_LINE] = "^(OPTIONS \\*|" TOKEN " " TARGET ") HTTP/1\\.[0-9]$", /* RFC 9112 section 3 */
    [FIELD_LINE] = "^" TOKEN ":" VALUE "$",                                 /* 5 */
    [HOST] = "^(" LITERAL "|" NAME "*)" PORT "$",                           /* 3.2 */
    [LENGTH] = "^[0-9]+$",                                                  /* 6.2 */
    [CHUNK_LINE] = "^[0-9A-Fa-f]+(;" VALUE ")?$", /* 7.1, where extensions are ignored unread */
};

struct piece {
    const char *s;
    size_t len;
};

static bool fits(struct piece piece, enum rule rule) {
    static regex_t compiled[RULES];
    static bool ready[RULES];
    char text[65536];
    if (!ready[rule] && regcomp(&compiled[rule], grammar[rule], REG_EXTENDED | REG_NOSUB)) abort();
    ready[rule] = true;
    if (piece.len >= sizeof text || memchr(piece.s, '\0', piece.len)) return false;
    memcpy(text, piece.s, piece.len);
    text[piece.len] = '\0';
    return regexec(&compiled[rule], text, 0, NULL, 0) == 0;
}

static bool is_word(struct piece piece, const char *word) {
    return piece.len == strlen(word) && strncasecmp(piece.s, word, piece.len) == 0;
}

/* ---- Lines ---- */

struct reader {
    const char *s;
    size_t at, len;
};

enum found { NONE_YET, LINE, NO_LINE };

/* A line ends with the first LF, and a CR stands before that (RFC 9112 section 2.2). */
static enum found read_line(struct reader *from, struct piece *line) {
    const char *start = from->s + from->at;
    const char *end = from->at < from->len ? memchr(start, '\n', from->len - from->at) : NULL;
    if (!end) return NONE_YET;
    if (end == start || end[-1] != '\r') return NO_LINE;
    *line = (struct piece){start, (size_t)(end - 1 - start)};
    from->at += line->len + 2;
    return LINE;
}

/* Cuts a field line in two, without the white space around the value (5.1). */
static struct piece value_of(struct piece *line) {
    const char *colon = memchr(line->s, ':', line->len), *end = line->s + line->len, *s = colon + 1;
    while (s < end && strchr(" \t", *s)) s++;
    while (s < end && strchr(" \t", end[-1])) end--;
    line->len = (size_t)(colon - line->s);
    return (struct piece){s, (size_t)(end - s)};
}

/* ---- The head ---- */

struct head {
    bool is_1_0;
    int fields, hosts, lengths, codings;
    size_t length;
};

static bool read_field(struct head *head, struct piece line) {
    if (!fits(line, FIELD_LINE) || ++head->fields > 64) return false;
    struct piece value = value_of(&line);
    if (is_word(line, "Host")) /* one, or none in HTTP/1.0 (3.2) */
        return ++head->hosts == 1 && fits(value, HOST);
    if (is_word(line, "Content-Length")) {
        head->length = strtoul(value.s, NULL, 10); /* the largest number where it is too large */
        return ++head->lengths == 1 && fits(value, LENGTH);
    }
    if (is_word(line, "Transfer-Encoding")) /* chunked, and nothing else before or after it (6.1) */
        return ++head->codings == 1 && is_word(value, "chunked");
    if (is_word(line, "Expect")) /* RFC 9110 section 10.1.1 */
        return head->is_1_0 || is_word(value, "100-continue");
    return true;
}

/* Once the empty line has come all lines before it are judged, and then what they mean together. */
static enum found read_head(struct reader *from, struct head *head) {
    struct piece line = {NULL, 0};
    struct reader ahead = *from;
    enum found found;
    do found = read_line(&ahead, &line);
    while (found == LINE && (line.len > 0 || line.s == from->s));
    if (found != LINE) return found;
    read_line(from, &line);
    if (line.len == 0) read_line(from, &line); /* one empty line may stand in front (2.2) */
    if (!fits(line, REQUEST_LINE)) return NO_LINE;
    head->is_1_0 = line.s[line.len - 1] == '0';
    while (read_line(from, &line) == LINE && line.len > 0)
        if (!read_field(head, line)) return NO_LINE;
    bool is_framed_twice = head->codings && (head->lengths || head->is_1_0); /* 6.1 */
    bool is_to_nobody = !head->hosts && !head->is_1_0;
    return is_framed_twice || is_to_nobody ? NO_LINE : LINE;
}

/* ---- The body ---- */

/* chunk-size CRLF data CRLF ... 0 CRLF trailers CRLF (7.1) */
static enum found read_chunks(struct reader *from, size_t limit, size_t *body) {
    struct piece line = {NULL, 0};
    enum found found;
    while ((found = read_line(from, &line)) == LINE) {
        if (!fits(line, CHUNK_LINE)) return NO_LINE;
        size_t size = strtoul(line.s, NULL, 16);
        if (size > limit) return NO_LINE;
        *body += size;
        from->at += size;
        if (from->at > limit) return NO_LINE;
        if (size == 0) break;
        if ((found = read_line(from, &line)) != LINE) return found;
        if (line.len > 0) return NO_LINE;
    }
    if (found != LINE) return found;
    while ((found = read_line(from, &line)) == LINE && line.len > 0)
        if (!fits(line, FIELD_LINE)) return NO_LINE;
    return found;
}

static enum found read_body(struct reader *from, const struct head *head, size_t limit,
                            size_t *body) {
    if (head->codings) return read_chunks(from, limit, body);
    if (head->length > limit - from->at) return NO_LINE;
    from->at += *body = head->length;
    return from->at <= from->len ? LINE : NONE_YET;
}

static inline long framing(const char *text, size_t len, size_t limit, size_t *body) {
    struct reader from = {text, 0, len};
    struct head head = {.fields = 0};
    *body = 0;
    enum found found = read_head(&from, &head);
    if (found == LINE) found = read_body(&from, &head, limit, body);
    if (found == NONE_YET) return len < limit ? 0 : -1;
    return found == LINE ? (long)from.at : -1;
}

#endif
