/* json_grammar.h - a second opinion on whether bytes are a JSON text.
 *
 *     enum verdict verdict = json_verdict(text, end);
 *         JSON_COMPLETE   it is
 *         JSON_PARTIAL    it is not, but with more bytes it may be
 *         JSON_WRONG      it is not, whatever follows
 *
 * It follows the grammar of RFC 8259, rule by rule, and shares no code with json.c. Project
 * rules: nested at most 32 deep, and only pairs of surrogates.
 */
#ifndef JSON_GRAMMAR_H
#define JSON_GRAMMAR_H

#include <stdbool.h>
#include <string.h>

enum verdict { JSON_COMPLETE, JSON_PARTIAL, JSON_WRONG };

/* A text that is read from its beginning, up to the end or the first error: a function that returns false
 * leaves `at` there. */
struct json_text {
    const char *at, *end;
    int depth;
};

/* Skips a byte between two others. */
static bool json_skips(struct json_text *text, int from, int to) {
    if (text->at == text->end) return false;
    int byte = (unsigned char)*text->at;
    text->at += byte >= from && byte <= to;
    return byte >= from && byte <= to;
}

static bool json_skips_one_of(struct json_text *text, const char *bytes) {
    for (; *bytes; bytes++)
        if (json_skips(text, *bytes, *bytes)) return true;
    return false;
}

static bool json_word(struct json_text *text, const char *word) {
    for (; *word; word++)
        if (!json_skips(text, *word, *word)) return false;
    return true;
}

static void json_space(struct json_text *text) {
    while (json_skips_one_of(text, " \t\n\r")) continue;
}

#define DIGITS "0123456789"

static bool json_digits(struct json_text *text) {
    if (!json_skips_one_of(text, DIGITS)) return false;
    while (json_skips_one_of(text, DIGITS)) continue;
    return true;
}

/* Section 6 */
static bool json_number(struct json_text *text) {
    json_skips(text, '-', '-');
    if (!json_skips(text, '0', '0') && !json_digits(text)) return false;
    if (json_skips(text, '.', '.') && !json_digits(text)) return false;
    if (!json_skips_one_of(text, "eE")) return true;
    json_skips_one_of(text, "+-");
    return json_digits(text);
}

static bool json_hex(struct json_text *text, int digits) {
    while (digits > 0 && json_skips_one_of(text, DIGITS "abcdefABCDEF")) digits--;
    return digits == 0;
}

/* The four digits of \uXXXX. A low surrogate, dc00 to dfff, follows a high one, d800 to dbff. */
static bool json_unit(struct json_text *text) {
    if (!json_skips_one_of(text, "dD"))
        return json_skips_one_of(text, DIGITS "abcefABCEF") && json_hex(text, 3);
    if (json_skips_one_of(text, "01234567")) return json_hex(text, 2);
    return json_skips_one_of(text, "89abAB") && json_hex(text, 2) && json_word(text, "\\u") &&
           json_skips_one_of(text, "dD") && json_skips_one_of(text, "cdefCDEF") &&
           json_hex(text, 2);
}

/* The Unicode Standard, table 3-7: the first byte of a character, its second, and how many follow. */
static bool json_character(struct json_text *text) {
    static const struct {
        int first, last, second, last_second, more;
    } rows[] = {
        {0x20, 0x7f, 0, 0, 0},       {0xc2, 0xdf, 0x80, 0xbf, 0}, {0xe0, 0xe0, 0xa0, 0xbf, 1},
        {0xe1, 0xec, 0x80, 0xbf, 1}, {0xed, 0xed, 0x80, 0x9f, 1}, {0xee, 0xef, 0x80, 0xbf, 1},
        {0xf0, 0xf0, 0x90, 0xbf, 2}, {0xf1, 0xf3, 0x80, 0xbf, 2}, {0xf4, 0xf4, 0x80, 0x8f, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!json_skips(text, rows[i].first, rows[i].last)) continue;
        if (rows[i].second && !json_skips(text, rows[i].second, rows[i].last_second)) return false;
        for (int more = rows[i].more; more > 0; more--)
            if (!json_skips(text, 0x80, 0xbf)) return false;
        return true;
    }
    return false;
}

/* Section 7; json_skips has skipped the quote. */
static bool json_string(struct json_text *text) {
    while (!json_skips(text, '"', '"')) {
        bool is_escape = json_skips(text, '\\', '\\');
        bool valid = !is_escape                   ? json_character(text)
                     : json_skips(text, 'u', 'u') ? json_unit(text)
                                                  : json_skips_one_of(text, "\"\\/bfnrt");
        if (!valid) return false;
    }
    return true;
}

static bool json_value(struct json_text *text);

/* Sections 4 and 5: `end` is a brace or a bracket. */
static bool json_list(struct json_text *text, int end) {
    if (++text->depth > 32) {
        text->at--; /* so this is not the end: it is wrong, whatever follows */
        return false;
    }
    json_space(text);
    bool is_over = json_skips(text, end, end);
    while (!is_over) {
        json_space(text);
        if (end == '}') {
            if (!json_word(text, "\"") || !json_string(text)) return false;
            json_space(text);
            if (!json_word(text, ":")) return false;
            json_space(text);
        }
        if (!json_value(text)) return false;
        json_space(text);
        is_over = json_skips(text, end, end);
        if (!is_over && !json_word(text, ",")) return false;
    }
    text->depth--;
    return true;
}

static bool json_value(struct json_text *text) {
    if (json_skips(text, '{', '{')) return json_list(text, '}');
    if (json_skips(text, '[', '[')) return json_list(text, ']');
    if (json_skips(text, '"', '"')) return json_string(text);
    if (json_skips(text, 't', 't')) return json_word(text, "rue");
    if (json_skips(text, 'f', 'f')) return json_word(text, "alse");
    if (json_skips(text, 'n', 'n')) return json_word(text, "ull");
    return json_number(text);
}

static enum verdict json_verdict(const char *text, const char *end) {
    struct json_text rest = {text, end, 0};
    json_space(&rest);
    if (!json_value(&rest)) return rest.at == end ? JSON_PARTIAL : JSON_WRONG;
    json_space(&rest);
    return rest.at == end ? JSON_COMPLETE : JSON_WRONG;
}

#endif
