/* json.c - a minimal JSON tokenizer and string writer (RFC 8259).
 *
 *     struct json_member name = {.name = STR("username")};
 *     if (json_read_object(body, &name, 1) == JSON_OBJECT && name.type == JSON_STRING)
 *         json_unescape(&out, name.value);
 *
 * or token by token, for a handler that reads arrays:
 *
 *     json_begin(&json, text);
 *     while ((type = json_next(&json, &value)) > JSON_END)
 *         ...
 *
 * Nothing may be believed of a text before JSON_END has come: only then was all of it checked.
 * Beyond RFC 8259 it refuses escapes that name half of a surrogate pair, and a depth over
 * JSON_DEPTH. It never allocates and never recurses: what is open is a bit for each depth.
 */
#include "json.h"

void json_begin(struct json *json, struct str text) {
    *json = (struct json){.at = text.s, .end = text.s + text.len};
}

/* ---- UTF-8 and escapes ---- */

/* The length of the UTF-8 sequence at the start of `at`, 0 where there is none (RFC 3629 section 4). */
static size_t utf8_length(const char *at, const char *end) {
    const unsigned char *byte = (const unsigned char *)at;
    size_t room = (size_t)(end - at), len = byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : 4;
    unsigned char least = 0x80, most = 0xbf; /* of the second byte */
    if (byte[0] < 0x80) return 1;
    if (byte[0] < 0xc2 || byte[0] > 0xf4 || room < len) return 0;
    if (byte[0] == 0xe0) least = 0xa0; /* overlong below */
    if (byte[0] == 0xed) most = 0x9f;  /* surrogates above */
    if (byte[0] == 0xf0) least = 0x90; /* overlong below */
    if (byte[0] == 0xf4) most = 0x8f;  /* over U+10FFFF above */
    if (byte[1] < least || byte[1] > most) return 0;
    for (size_t i = 2; i < len; i++)
        if (byte[i] < 0x80 || byte[i] > 0xbf) return 0;
    return len;
}

bool json_is_utf8(struct str s) {
    const char *end = s.s + s.len;
    for (size_t n; s.s < end; s.s += n)
        if ((n = utf8_length(s.s, end)) == 0) return false;
    return true;
}

/* The number of the four hexadecimal digits at `at`, or -1. */
static long parse_hex4(const char *at, const char *end) {
    long number = 0;
    if (end - at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex(at[i]);
        if (digit < 0) return -1;
        number = number * 16 + digit;
    }
    return number;
}

static bool in_range(long number, long from, long to) { return number >= from && number <= to; }

/* The length of the escape at `at`, which begins with a backslash, and its code point; 0 where it is
 * none. */
static size_t parse_escape(const char *at, const char *end, long *code) {
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if (end - at < 2) return 0;
    if (at[1] != 'u') {
        const char *letter = memchr(letters, at[1], sizeof letters - 1);
        *code = letter ? meant[letter - letters] : -1;
        return letter ? 2 : 0;
    }
    *code = parse_hex4(at + 2, end);
    if (*code < 0 || in_range(*code, 0xdc00, 0xdfff)) return 0;
    if (!in_range(*code, 0xd800, 0xdbff)) return 6;
    /* the first of a surrogate pair: only its second may follow (section 7) */
    long second = end - at >= 12 && at[6] == '\\' && at[7] == 'u' ? parse_hex4(at + 8, end) : -1;
    if (!in_range(second, 0xdc00, 0xdfff)) return 0;
    *code = 0x10000 + ((*code - 0xd800) << 10) + (second - 0xdc00);
    return 12;
}

/* ---- Tokens ---- */

/* Nothing is left to be read then, and no token comes any more. */
static enum json_type invalid(struct json *json) {
    json_begin(json, (struct str){json->end, 0});
    return JSON_INVALID;
}

/* Steps over `byte` where it is the next one. */
static bool skip(struct json *json, char byte) {
    if (json->at == json->end || *json->at != byte) return false;
    json->at++;
    return true;
}

static bool is_space(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static void skip_space(struct json *json) {
    while (json->at < json->end && is_space(*json->at)) json->at++;
}

/* Whether there is a digit; all that follow one another are stepped over. */
static bool skip_digits(struct json *json) {
    const char *first = json->at;
    while (json->at < json->end && is_digit(*json->at)) json->at++;
    return json->at > first;
}

/* What follows the opening quote. */
static enum json_type read_string(struct json *json, struct str *value) {
    const char *at = json->at, *end = json->end;
    long code;
    for (size_t n; at < end && *at != '"'; at += n) {
        n = is_plain(*at) ? 1 : *at == '\\' ? parse_escape(at, end, &code) : utf8_length(at, end);
        if (n == 0 || (unsigned char)*at < 0x20) return invalid(json);
    }
    if (at == end) return invalid(json);
    *value = (struct str){json->at, (size_t)(at - json->at)};
    json->at = at + 1;
    return JSON_STRING;
}

/* [ "-" ] int [ frac ] [ exp ] (section 6); a zero in front is a number of its own, and what follows it
 * is wrong there. */
static enum json_type read_number(struct json *json, struct str *value) {
    const char *first = json->at;
    skip(json, '-');
    bool valid = skip(json, '0') || skip_digits(json);
    if (skip(json, '.')) valid = skip_digits(json) && valid;
    if (skip(json, 'e') || skip(json, 'E')) {
        if (!skip(json, '+')) skip(json, '-');
        valid = skip_digits(json) && valid;
    }
    *value = (struct str){first, (size_t)(json->at - first)};
    return valid ? JSON_NUMBER : invalid(json);
}

static enum json_type read_literal(struct json *json, struct str *value) {
    static const struct {
        struct str text;
        enum json_type type;
    } literals[] = {{STR_INIT("true"), JSON_TRUE},
                    {STR_INIT("false"), JSON_FALSE},
                    {STR_INIT("null"), JSON_NULL}};
    for (size_t i = 0; i < sizeof literals / sizeof *literals; i++) {
        *value = (struct str){json->at, literals[i].text.len};
        if ((size_t)(json->end - json->at) >= value->len && str_equal(*value, literals[i].text)) {
            json->at += value->len;
            return literals[i].type;
        }
    }
    return invalid(json);
}

static enum json_type enter(struct json *json, enum json_type type) {
    if (json->depth == JSON_DEPTH) return invalid(json);
    uint32_t bit = UINT32_C(1) << json->depth++;
    json->objects = type == JSON_OBJECT ? json->objects | bit : json->objects & ~bit;
    json->after_value = false;
    return type;
}

/* Whether what is open is an object; something is. */
static bool in_object(const struct json *json) { return json->objects >> (json->depth - 1) & 1; }

static enum json_type leave(struct json *json) {
    enum json_type type = in_object(json) ? JSON_OBJECT_END : JSON_ARRAY_END;
    json->depth--;
    json->after_value = true;
    return type;
}

static enum json_type read_value(struct json *json, struct str *value) {
    json->after_name = false;
    json->after_value = true;
    if (skip(json, '{')) return enter(json, JSON_OBJECT);
    if (skip(json, '[')) return enter(json, JSON_ARRAY);
    if (skip(json, '"')) return read_string(json, value);
    bool number = json->at < json->end && (is_digit(*json->at) || *json->at == '-');
    return number ? read_number(json, value) : read_literal(json, value);
}

static enum json_type read_name(struct json *json, struct str *value) {
    if (!skip(json, '"') || read_string(json, value) != JSON_STRING) return invalid(json);
    skip_space(json);
    json->after_name = true;
    return skip(json, ':') ? JSON_NAME : invalid(json);
}

enum json_type json_next(struct json *json, struct str *value) {
    *value = (struct str){json->at, 0};
    skip_space(json);
    if (json->depth == 0 && json->after_value)
        return json->at == json->end ? JSON_END : invalid(json);
    if (json->depth > 0 && !json->after_name) {
        bool object = in_object(json), comma = json->after_value && skip(json, ',');
        if (comma) skip_space(json);
        if (!comma && skip(json, object ? '}' : ']')) return leave(json);
        if (json->after_value && !comma) return invalid(json);
        json->after_value = false;
        if (object) return read_name(json, value);
    }
    return read_value(json, value);
}

/* ---- Objects and strings ---- */

/* Appends a code point in UTF-8. */
static void put_utf8(struct text *out, long code) {
    size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    char bytes[4] = {(char)code};
    for (size_t i = len - 1; i > 0; i--, code >>= 6) bytes[i] = (char)(0x80 | (code & 0x3f));
    if (len > 1) bytes[0] = (char)(0xf00 >> len | code);
    text_put(out, (struct str){bytes, len});
}

void json_unescape(struct text *out, struct str value) {
    const char *end = value.s + value.len;
    while (value.len > 0) {
        text_put(out, str_cut(&value, '\\'));
        if (value.len == 0) return;
        long code; /* of an escape: its backslash was cut off, and more follows */
        size_t n = parse_escape(value.s - 1, end, &code) - 1;
        put_utf8(out, code);
        value = (struct str){value.s + n, value.len - n};
    }
}

/* Whether the string `value` says `name`, with whatever escapes it is written: an escape is longer than
 * what it stands for. */
static bool says(struct str value, struct str name) {
    char room[JSON_NAME_SIZE];
    struct text plain = TEXT(room);
    if (value.len <= name.len) return str_equal(value, name);
    json_unescape(&plain, value);
    return !plain.cut && str_equal(text_str(&plain), name);
}

enum json_type json_read_object(struct str text, struct json_member members[], size_t count) {
    struct json json;
    struct str value;
    json_begin(&json, text);
    for (size_t i = 0; i < count; i++) members[i].type = JSON_INVALID;
    enum json_type whole = json_next(&json, &value), type = whole;
    while (type > JSON_END) {
        type = json_next(&json, &value);
        if (type != JSON_NAME || json.depth > 1) continue;
        struct str name = value;
        type = json_next(&json, &value);
        for (size_t i = 0; i < count; i++)
            if (says(name, members[i].name))
                members[i] = (struct json_member){members[i].name, type, value};
    }
    return type == JSON_END ? whole : JSON_INVALID;
}

static void escape_unit(struct text *out, long unit) {
    char escape[6] = "\\u";
    for (int i = 5; i > 1; i--, unit >>= 4) escape[i] = "0123456789abcdef"[unit & 15];
    text_put(out, (struct str){escape, sizeof escape});
}

static void escape_code(struct text *out, long code) {
    static const char letters[] = "\"\\bfnrt", meant[] = "\"\\\b\f\n\r\t";
    const char *letter = code < 0x80 ? memchr(meant, (int)code, sizeof meant - 1) : NULL;
    if (letter) {
        char escape[2] = {'\\', letters[letter - meant]};
        text_put(out, (struct str){escape, sizeof escape});
    } else if (code < 0x10000) {
        escape_unit(out, code);
    } else { /* a surrogate pair (section 7) */
        escape_unit(out, 0xd800 + ((code - 0x10000) >> 10));
        escape_unit(out, 0xdc00 + (code & 0x3ff));
    }
}

/* The code point of the UTF-8 sequence of `n` bytes at `at`. */
static long code_point(const char *at, size_t n) {
    long code = (unsigned char)at[0] & (n == 1 ? 0x7f : 0xff >> (n + 1));
    for (size_t i = 1; i < n; i++) code = code << 6 | (at[i] & 0x3f);
    return code;
}

void json_escape(struct text *out, struct str string) {
    const char *at = string.s, *end = string.s + string.len;
    while (at < end) {
        const char *from = at;
        while (at < end && is_plain(*at)) at++;
        text_put(out, (struct str){from, (size_t)(at - from)});
        if (at == end) return;
        size_t n = utf8_length(at, end);
        escape_code(out, n ? code_point(at, n) : 0xfffd);
        at += n ? n : 1;
    }
}
