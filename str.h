/* str.h - string views and bounded text buffers, used by almost every file. Read this file first.
 *
 * A struct str is a view: a pointer and a length. It owns nothing, and no NUL ends it. Everything
 * that comes from a client is handled as a view, because it may hold any byte. A view of something
 * that does not exist has s == NULL and len == 0.
 *
 * A struct text is a buffer of fixed size for bytes. A view that does not fit is left out and sets
 * `truncated`, so a writer can append several views and look once at the end:
 *
 *     char storage[64];
 *     struct text text = TEXT(storage);
 *     text_put(&text, STR("Hello, "));
 *     text_put_all(&text, name, STR(", you are number "), NUMBER(n));
 *     if (text.truncated) ...
 *
 * Nothing here allocates memory.
 */
#ifndef STR_H
#define STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- Views ---- */

struct str {
    const char *s;
    size_t len; /* in bytes */
};

/* The view of a string literal, without its terminating NUL. */
#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})

/* The view of a NUL-terminated string of our own, such as a route or a message of strerror. */
static inline struct str str_of(const char *s) { return (struct str){s, strlen(s)}; }

/* The view without its first `n` bytes. */
static inline struct str str_from(struct str s, size_t n) {
    return (struct str){s.s + n, s.len - n};
}

/* Returns whether two views hold the same bytes. Not constant-time: do not use it for secrets. */
bool bytes_equal(const char *a, size_t a_len, const char *b, size_t b_len);
static inline bool str_equal(struct str a, struct str b) {
    return bytes_equal(a.s, a.len, b.s, b.len);
}

/* Removes the part before the first `separator` from `*s` and returns it. The separator is removed
 * too. If there is none, the part is all of `*s`, and `*s` becomes empty:
 *
 *     struct str value = pair;
 *     struct str name = str_split(&value, '=');      splits `pair` in two
 */
struct str str_split(struct str *s, char separator);

/* ---- Bytes: ASCII only, whatever the locale is ---- */

static inline bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

static inline char ascii_lower(char byte) {
    if (byte < 'A' || byte > 'Z') return byte;
    return (char)(byte + ('a' - 'A'));
}

/* Returns the value of a hexadecimal digit in either case, or -1. */
int hex_value(char byte);

/* Returns the digit for the low four bits. */
static inline char hex_digit(long value) { return "0123456789abcdef"[value & 15]; }

/* Returns whether a byte can stand between quotes without an escape: printable ASCII except the
 * quote and the backslash. */
static inline bool is_unescaped_ascii(char byte) {
    return byte >= 0x20 && byte <= 0x7e && byte != '"' && byte != '\\';
}

/* ---- Text buffers ---- */

struct text {
    char *s;
    size_t len, cap; /* bytes written, capacity */
    bool truncated;  /* an append did not fit */
};

/* An empty text whose bytes are in a char array. */
#define TEXT(array) ((struct text){(array), 0, sizeof(array), false})

/* The view of what was written so far. */
static inline struct str text_str(const struct text *text) {
    return (struct str){text->s, text->len};
}

/* Appends one view. text_append takes its two parts, because gcc for 32-bit Arm copies a struct
 * through the stack at each call. Three such pairs save 0.4 KB there. */
void text_append(struct text *text, const char *bytes, size_t len);
static inline void text_put(struct text *text, struct str piece) {
    text_append(text, piece.s, piece.len);
}

/* Appends up to six views: text_put_all(&text, STR("a"), b, NUMBER(n)). Macros divide arguments at
 * commas, so a view that is written as (struct str){s, len} needs parentheses around it. */
#define text_put_all(text, ...) text_put_pieces((text), PIECES(__VA_ARGS__))
void text_put_pieces(struct text *text, const struct str pieces[], size_t count);

/* An array of views and its length, as two arguments of a call. */
#define PIECES(...)                                                                                \
    (const struct str[PIECE_COUNT(__VA_ARGS__)]){__VA_ARGS__}, PIECE_COUNT(__VA_ARGS__)
#define PIECE_COUNT(...)                      SEVENTH(__VA_ARGS__, 6, 5, 4, 3, 2, 1, 0)
#define SEVENTH(a, b, c, d, e, f, count, ...) count

/* A number in decimal, as a view. Its digits live as long as the block that NUMBER stands in. */
#define NUMBER_DIGITS 20 /* strlen("18446744073709551615") */
#define NUMBER(n)     number_str((n), (char[NUMBER_DIGITS]){0})
struct str number_str(size_t number, char digits[NUMBER_DIGITS]);

/* Removes the first `n` bytes of a text; the bytes behind them move to the front. The memory that
 * becomes free is erased (see "Secrets" in app.c). */
void text_drop(struct text *text, size_t n);

/* Removes and erases everything, and resets `truncated`. */
void text_clear(struct text *text);

/* Overwrites `len` bytes with zeros, even if the memory is not read again. */
void secure_zero(void *memory, size_t len);

#endif
