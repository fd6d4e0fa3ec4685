/* str.c - string views and bounded text buffers. See str.h. */
#include "str.h"

bool bytes_equal(const char *a, size_t a_len, const char *b, size_t b_len) {
    return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

int hex_value(char byte) {
    char lower = ascii_lower(byte);
    if (is_digit(byte)) return byte - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

struct str str_split(struct str *s, char separator) {
    const char *end = s->len > 0 ? memchr(s->s, separator, s->len) : NULL;
    struct str part = {s->s, end ? (size_t)(end - s->s) : s->len};
    if (s->len > 0) *s = str_from(*s, end ? part.len + 1 : part.len);
    return part;
}

void text_append(struct text *text, const char *bytes, size_t len) {
    if (len > text->cap - text->len) {
        text->truncated = true;
        return;
    }
    if (len > 0) memcpy(text->s + text->len, bytes, len);
    text->len += len;
}

void text_put_pieces(struct text *text, const struct str pieces[], size_t count) {
    for (size_t i = 0; i < count; i++) text_put(text, pieces[i]);
}

struct str number_str(size_t number, char digits[NUMBER_DIGITS]) {
    size_t i = NUMBER_DIGITS;
    do {
        digits[--i] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return (struct str){digits + i, NUMBER_DIGITS - i};
}

void text_drop(struct text *text, size_t n) {
    if (n == 0) return;
    text->len -= n;
    if (text->len > 0) memmove(text->s, text->s + n, text->len);
    secure_zero(text->s + text->len, n);
}

void text_clear(struct text *text) {
    text_drop(text, text->len);
    text->truncated = false;
}

/* The call goes through a volatile pointer: a compiler may remove a memset of memory that is not
 * read again, but it cannot know that this calls memset. */
void secure_zero(void *memory, size_t len) {
    static void *(*const volatile set)(void *, int, size_t) = memset;
    if (len > 0) set(memory, 0, len);
}
