/* framing.h - a second opinion on whether bytes are an HTTP/1.1 request, where it ends, and on cookies.
 *
 *     long n = framing(text, len, limit, &body);
 *         > 0  a request of n bytes, with empty lines in front, and a decoded body of `body` bytes
 *           0  the beginning of a request: more bytes may complete it
 *          -1  not a request
 *
 * It is written from RFC 9112, RFC 9110 and RFC 3986, whose grammar stands here as regular
 * expressions, and from two rules of the project: what the standards leave open is refused, and a
 * wrong byte is refused as soon as it arrives. It shares no code and no method with http.c, and it
 * need not be fast.
 */
#ifndef FRAMING_H
#define FRAMING_H

#define __STDC_NO_VLA__ 1 /* as in C11; tcc cannot read the array parameter of regexec in glibc */
#include <regex.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Grammar ---- */

#define TOKEN   "[-!#$%&'*+.^_`|~0-9A-Za-z]+"            /* RFC 9110 section 5.6.2 */
#define VALUE   "[^\1-\10\12-\37\177]*"                  /* 5.5: no control character but the tab */
#define ESCAPED "%([1-9A-Fa-f][0-9A-Fa-f]|0[1-9A-Fa-f])" /* RFC 3986 section 2.1, without NUL */
#define UNIT    "[-._~!$&'()*+,;=0-9A-Za-z]" /* 2.2, 2.3: what may stand in every part of a URI */

/* 3.2.2. Project rule: a zone behind an IPv6 address. */
#define H16      "[0-9A-Fa-f]{1,4}"
#define OCTET    "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define LS32     "(" H16 ":" H16 "|" OCTET "(\\." OCTET "){3})"
#define UP_TO(n) "((" H16 ":){0," n "}" H16 ")?::" /* at most n + 1 groups in front of the gap */
#define IPV6                                                                                       \
    "((" H16 ":){6}" LS32 "|::(" H16 ":){5}" LS32                                                  \
    "|" UP_TO("0") "(" H16 ":){4}" LS32 "|" UP_TO("1") "(" H16 ":){3}" LS32                        \
                                                       "|" UP_TO("2") "(" H16 ":){2}" LS32         \
                                                                      "|" UP_TO("3") H16           \
        ":" LS32 "|" UP_TO("4") LS32 "|" UP_TO("5") H16 "|" UP_TO("6") ")"
#define IP_FUTURE "[vV][0-9A-Fa-f]+\\.(" UNIT "|:)+"
#define LITERAL   "\\[(" IPV6 "(%[-._~0-9A-Za-z]+)?|" IP_FUTURE ")]"

/* 3.2 */
#define NAME      "(" UNIT "|" ESCAPED ")"
#define PORT      "(:[0-9]*)?"
#define AUTHORITY "(" LITERAL "|" NAME "+)" PORT /* of a target: RFC 9110 section 4.2.1 */

/* Project rule: any visible byte but # in a target, no NUL in a path. A query is not decoded. */
#define VISIBLE "[^\1-\40#\177]"
#define PATH    "/([^\1-\40#%?\177]|" ESCAPED ")*"
#define QUERY   "(\\?" VISIBLE "*)?"
#define TARGET  "(" PATH "|[Hh][Tt][Tt][Pp][Ss]?://" AUTHORITY "(" PATH ")?)" QUERY

/* RFC 9112 section 7: a list of codings (RFC 9110 section 5.6.1) */
#define NOTHING "[ \t,]*"
#define CHUNKED "[ \t]*[Cc][Hh][Uu][Nn][Kk][Ee][Dd][ \t]*"

enum rule {
    REQUEST_LINE,
    FIELD_LINE,
    HOST,
    LENGTH,
    NO_CODING,
    ONLY_CHUNKED,
    LAST_CHUNKED,
    AFTER_CHUNKED,
    CHUNK_LINE,
    NO_DATA, /* between the data of a chunk and its CRLF */
    LINES,
    /* The beginning of each line: so far every byte is where the grammar may have it. What a target
     * means is only decided at the end of its line. */
    BEGIN = LINES,
    RULES = 2 * LINES
};

static const char *const grammar[RULES] = {
    [REQUEST_LINE] = "^(OPTIONS \\*|" TOKEN " " TARGET ") HTTP/1\\.[0-9]$", /* RFC 9112 section 3 */
    [FIELD_LINE] = "^" TOKEN ":" VALUE "$",                                 /* 5 */
    [HOST] = "^(" LITERAL "|" NAME "*)" PORT "$",                           /* 3.2 */
    [LENGTH] = "^[0-9]+$",                                                  /* 6.2 */
    [NO_CODING] = "^" NOTHING "$",
    [ONLY_CHUNKED] = "^" NOTHING CHUNKED NOTHING "$",
    [LAST_CHUNKED] = "^(.*,)?" CHUNKED NOTHING "$",
    [AFTER_CHUNKED] = "^(.*,)?" CHUNKED ",.*[^ \t,]", /* a coding */
    [CHUNK_LINE] = "^[0-9A-Fa-f]+(;" VALUE ")?$",     /* 7.1; extensions are ignored */
    [NO_DATA] = "^$",
    [BEGIN + REQUEST_LINE] = "^(" TOKEN "( " VISIBLE "*)?"
                             "|" TOKEN " " VISIBLE "+ (H|HT|HTT|HTTP|HTTP/|HTTP/[0-9]"
                             "|HTTP/[0-9]\\.|HTTP/[0-9]\\.[0-9]\r?)?)?$",
    [BEGIN + FIELD_LINE] = "^(\r|" TOKEN "(:" VALUE "\r?)?)?$",
    [BEGIN + CHUNK_LINE] = "^([0-9A-Fa-f]+(;" VALUE ")?\r?)?$",
    [BEGIN + NO_DATA] = "^\r?$",
};

struct piece {
    const char *s;
    size_t len;
};

static bool fits(struct piece piece, enum rule rule) {
    static regex_t compiled[RULES];
    static bool is_compiled[RULES];
    char text[65536];
    if (!is_compiled[rule] && regcomp(&compiled[rule], grammar[rule], REG_EXTENDED | REG_NOSUB))
        abort();
    is_compiled[rule] = true;
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

enum found { INCOMPLETE, VALID, INVALID };

/* A line ends with the first LF, with a CR in front of it (RFC 9112 section 2.2). An empty line is
 * valid in place of a field line: it ends the head, or the trailer fields. */
static enum found read_line(struct reader *from, struct piece *line, enum rule rule) {
    if (from->at > from->len) return INCOMPLETE;
    const char *start = from->s + from->at, *end = memchr(start, '\n', from->len - from->at);
    if (!end) {
        struct piece begin = {start, from->len - from->at};
        return fits(begin, BEGIN + rule) ? INCOMPLETE : INVALID;
    }
    if (end == start || end[-1] != '\r') return INVALID;
    *line = (struct piece){start, (size_t)(end - 1 - start)};
    from->at += line->len + 2;
    return fits(*line, rule) || (rule == FIELD_LINE && line->len == 0) ? VALID : INVALID;
}

static struct piece trim(const char *s, const char *end) {
    while (s < end && strchr(" \t", *s)) s++;
    while (s < end && strchr(" \t", end[-1])) end--;
    return (struct piece){s, (size_t)(end - s)};
}

/* Splits a field line, without the whitespace around the value (5.1). */
static struct piece value_of(struct piece *line) {
    const char *colon = memchr(line->s, ':', line->len), *end = line->s + line->len;
    line->len = (size_t)(colon - line->s);
    return trim(colon + 1, end);
}

/* ---- The head ---- */

struct head {
    bool is_1_0, is_chunked;
    int fields, hosts, lengths, encodings, others; /* fields with other codings than chunked */
    size_t length;
};

static bool read_field(struct head *head, struct piece line) {
    if (++head->fields > 64) return false;
    struct piece value = value_of(&line);
    if (is_word(line, "Host")) /* one, or none in HTTP/1.0 (3.2) */
        return ++head->hosts == 1 && fits(value, HOST);
    if (is_word(line, "Content-Length")) {
        head->length = strtoul(value.s, NULL, 10); /* ULONG_MAX if it is too large */
        return ++head->lengths == 1 && fits(value, LENGTH);
    }
    if (is_word(line, "Transfer-Encoding")) { /* chunked, once, and nothing else (6.1) */
        head->encodings++;
        if (fits(value, NO_CODING)) return true;
        if (head->is_chunked || fits(value, AFTER_CHUNKED)) return false;
        head->is_chunked = fits(value, LAST_CHUNKED);
        head->others += !fits(value, ONLY_CHUNKED);
    }
    if (is_word(line, "Expect")) /* RFC 9110 section 10.1.1 */
        return head->is_1_0 || is_word(value, "100-continue");
    return true;
}

/* Checks each line, and then what they mean together (3.2, 6.1). */
static enum found read_head(struct reader *from, struct head *head) {
    struct piece line = {NULL, 0};
    enum found found = read_line(from, &line, REQUEST_LINE);
    if (found != VALID) return found;
    head->is_1_0 = line.s[line.len - 1] == '0';
    while ((found = read_line(from, &line, FIELD_LINE)) == VALID && line.len > 0)
        if (!read_field(head, line)) return INVALID;
    if (found != VALID) return found;
    bool is_unclear =
        head->encodings && (head->lengths || head->is_1_0 || head->others || !head->is_chunked);
    bool lacks_host = !head->hosts && !head->is_1_0;
    return is_unclear || lacks_host ? INVALID : VALID;
}

/* ---- The body ---- */

/* chunk-size CRLF data CRLF ... 0 CRLF trailers CRLF (7.1) */
static enum found read_chunks(struct reader *from, size_t limit, size_t *body) {
    struct piece line = {NULL, 0};
    enum found found;
    while ((found = read_line(from, &line, CHUNK_LINE)) == VALID) {
        size_t size = strtoul(line.s, NULL, 16);
        if (size > limit) return INVALID;
        *body += size;
        from->at += size;
        if (from->at > limit) return INVALID;
        if (size == 0) break;
        if ((found = read_line(from, &line, NO_DATA)) != VALID) return found;
    }
    while (found == VALID && line.len > 0) found = read_line(from, &line, FIELD_LINE);
    return found;
}

static enum found read_body(struct reader *from, const struct head *head, size_t limit,
                            size_t *body) {
    if (head->encodings) return read_chunks(from, limit, body);
    if (head->length > limit - from->at) return INVALID;
    from->at += *body = head->length;
    return from->at <= from->len ? VALID : INCOMPLETE;
}

static inline long framing(const char *text, size_t len, size_t limit, size_t *body) {
    struct head head = {.fields = 0};
    size_t empty = 0; /* bytes of the empty lines in front, which are ignored (2.2) */
    while (len - empty >= 2 && strncmp(text + empty, "\r\n", 2) == 0) empty += 2;
    struct reader from = {text + empty, 0, len - empty};
    *body = 0;
    if (from.len == 1 && *from.s == '\r') return 0; /* half an empty line */
    enum found found = read_head(&from, &head);
    if (found == VALID) found = read_body(&from, &head, limit, body);
    if (found == INCOMPLETE) return from.len < limit ? 0 : -1;
    return found == VALID ? (long)(empty + from.at) : -1;
}

/* ---- Cookies ---- */

/* Returns the last cookie of this name in the value of a field, or NULL as its `s`. */
static inline struct piece find_last_cookie(struct piece value, const char *name) {
    size_t n = strlen(name), end = value.len;
    for (size_t at = value.len + 1; at-- > 0;) {
        if (at > 0 && value.s[at - 1] != ';') continue;
        struct piece pair = trim(value.s + at, value.s + end);
        if (pair.len > n && memcmp(pair.s, name, n) == 0 && pair.s[n] == '=')
            return (struct piece){pair.s + n + 1, pair.len - n - 1};
        end = at - 1;
    }
    return (struct piece){NULL, 0};
}

#endif
