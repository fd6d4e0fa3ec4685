/* str.h - views of text and text that is being written: the alphabet all rooms share.
 *
 * A view (struct str) points at bytes that somebody else owns and knows how many there are. What
 * comes from outside is only ever a view: it may hold any byte, a NUL too, and no NUL ends it.
 *
 * A text (struct text) is a fixed piece of memory that is filled from its start. What does not fit
 * is not written at all, and `cut` tells so; nothing here allocates.
 */
#ifndef STR_H
#define STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *s;
    size_t len; /* in bytes */
};

struct text {
    char *s;
    size_t len, room; /* bytes written, and bytes there are */
    bool cut;         /* something did not fit */
};

/* The view of a string literal, its closing NUL left out. */
#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})

/* The same as an initialiser of static data, where C99 allows no compound literal. */
#define STR_INIT(literal)                                                                          \
    { (literal), sizeof(literal) - 1 }

/* The view of a NUL-terminated string of our own. */
static inline struct str str_of(const char *s) { return (struct str){s, strlen(s)}; }

/* Whether two views hold the same bytes. Takes longer the more they agree: not for secrets. */
static inline bool str_equal(struct str a, struct str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.s, b.s, a.len) == 0);
}

/* Takes what stands before the first `separator` off the front of `*s`, and the separator too. */
static inline struct str str_cut(struct str *s, char separator) {
    const char *end = memchr(s->s, separator, s->len);
    struct str piece = {s->s, end ? (size_t)(end - s->s) : s->len};
    size_t used = piece.len + (end != NULL);
    *s = (struct str){s->s + used, s->len - used};
    return piece;
}

/* ASCII alone, whatever the locale is. */
static inline bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

static inline int lower(char byte) { return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte; }

/* The value of a hexadecimal digit in either case, or -1. */
static inline int hex(char byte) {
    if (is_digit(byte)) return byte - '0';
    int letter = lower(byte);
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* Whether a byte stands for itself between quotes: ASCII that is seen, but for the quote and the
 * backslash. */
static inline bool is_plain(char byte) {
    return byte >= 0x20 && byte <= 0x7e && byte != '"' && byte != '\\';
}

/* An empty text in a char array, and the view of what was written to one. */
#define TEXT(array) ((struct text){(array), 0, sizeof(array), false})
static inline struct str text_str(const struct text *text) {
    return (struct str){text->s, text->len};
}

/* Appends `piece` to `text`, or nothing and sets `cut` where it does not fit. */
static inline void text_put(struct text *text, struct str piece) {
    if (piece.len > text->room - text->len) {
        text->cut = true;
        return;
    }
    if (piece.len > 0) memcpy(text->s + text->len, piece.s, piece.len);
    text->len += piece.len;
}

/* Appends several pieces, at most six: text_add(&text, STR("a"), b, c). The array has a size, and
 * empty views behind what is given, as not every compiler counts elements that are structures. */
#define STR_PIECES          6
#define text_add(text, ...) text_put_all((text), (const struct str[STR_PIECES]){__VA_ARGS__})
static inline void text_put_all(struct text *text, const struct str pieces[STR_PIECES]) {
    for (size_t i = 0; i < STR_PIECES; i++) text_put(text, pieces[i]);
}

/* Overwrites `len` bytes of memory that is about to go out of use, so that no secret stays in it.
 * The call goes through a volatile pointer: a compiler may leave out a memset that nobody reads. */
static inline void wipe(void *memory, size_t len) {
    static void *(*const volatile set)(void *, int, size_t) = memset;
    if (len > 0) set(memory, 0, len);
}

#endif
