/* json.c - a minimal JSON tokenizer, a grammar check, and a string writer (RFC 8259).
 *
 * To read an object:
 *
 *     struct json_member name = {.name = STR("username")};
 *     if (json_find_members(body, &name, 1) == JSON_OBJECT && name.type == JSON_STRING)
 *         json_unescape(&out, name.value);
 *
 * To read anything else, check the whole text first, and then walk its tokens:
 *
 *     if (json_check(text) == JSON_ARRAY) {
 *         json_init(&json, text);
 *         while ((type = json_next(&json, &value)) != JSON_END)
 *             ...
 *     }
 *
 * Two rules are stricter than RFC 8259: an escape must not name half of a surrogate pair, and
 * nesting is limited to JSON_MAX_DEPTH, which also limits the recursion of json_check.
 *
 * This file must not touch the heap.
 */
#include "json.h"

/* ---- UTF-8 and escapes ---- */

/* Decodes the UTF-8 sequence at `at`, which is before `end`. Returns its length and stores the code
 * point in `*code`, or returns 0 if the sequence is invalid (RFC 3629): cut short, longer than
 * needed, a surrogate, or above U+10FFFF. */
static size_t decode_utf8(const char *at, const char *end, long *code) {
    static const long min[] = {0, 0, 0x80, 0x800, 0x10000}; /* the least code point by length */
    unsigned char first = (unsigned char)at[0];
    size_t len = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if ((first >= 0x80 && first < 0xc0) || first > 0xf7 || (size_t)(end - at) < len) return 0;
    *code = len == 1 ? first : first & (0x7f >> len);
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
        *code = *code << 6 | (at[i] & 0x3f);
    }
    if (*code < min[len] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff)) return 0;
    return len;
}

bool json_is_utf8(struct str s) {
    long code;
    for (size_t at = 0, len; at < s.len; at += len) {
        len = decode_utf8(s.s + at, s.s + s.len, &code);
        if (len == 0) return false;
    }
    return true;
}

/* Returns the value of the four hexadecimal digits at `at`, or -1. */
static long parse_hex4(const char *at, const char *end) {
    long number = 0;
    if (end - at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(at[i]);
        if (digit < 0) return -1;
        number = number * 16 + digit;
    }
    return number;
}

static bool is_low_surrogate(long code) { return code >= 0xdc00 && code <= 0xdfff; }

/* The letters of the short escapes, and the characters that they stand for (RFC 8259 section 7).
 * The slash is first, because json_escape does not use its escape. */
static const char escape_letters[] = "/\"\\bfnrt", escape_values[] = "/\"\\\b\f\n\r\t";

/* Parses the escape at `at`, which begins with a backslash. Returns its length and stores the code
 * point in `*code`, or returns 0 if it is invalid. */
static size_t parse_escape(const char *at, const char *end, long *code) {
    if (end - at < 2) return 0;
    if (at[1] != 'u') {
        const char *letter = memchr(escape_letters, at[1], sizeof escape_letters - 1);
        if (!letter) return 0;
        *code = (unsigned char)escape_values[letter - escape_letters];
        return 2;
    }
    *code = parse_hex4(at + 2, end);
    if (*code < 0 || is_low_surrogate(*code)) return 0;
    if (*code < 0xd800 || *code > 0xdbff) return 6;
    /* Only the other half of the surrogate pair may follow (section 7). */
    if (end - at < 12 || at[6] != '\\' || at[7] != 'u') return 0;
    long low = parse_hex4(at + 8, end);
    if (!is_low_surrogate(low)) return 0;
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return 12;
}

/* ---- Tokens ---- */

void json_init(struct json_reader *json, struct str text) {
    *json = (struct json_reader){text.s, text.s + text.len};
}

static bool at_end(const struct json_reader *json) { return json->at == json->end; }

/* Skips the next byte if it is `byte`, and returns whether it was. */
static bool skip(struct json_reader *json, char byte) {
    if (at_end(json) || *json->at != byte) return false;
    json->at++;
    return true;
}

static void skip_whitespace(struct json_reader *json) {
    while (!at_end(json) && memchr(" \t\n\r", *json->at, 4)) json->at++;
}

/* Skips digits, and returns whether there was at least one. */
static bool skip_digits(struct json_reader *json) {
    const char *start = json->at;
    while (!at_end(json) && is_digit(*json->at)) json->at++;
    return json->at > start;
}

static bool skip_string(struct json_reader *json) {
    long code;
    json->at++; /* the opening quote */
    while (!skip(json, '"')) {
        if (at_end(json) || (unsigned char)*json->at < 0x20) return false;
        size_t len = *json->at == '\\' ? parse_escape(json->at, json->end, &code)
                                       : decode_utf8(json->at, json->end, &code);
        if (len == 0) return false;
        json->at += len;
    }
    return true;
}

/* [ "-" ] int [ frac ] [ exp ] (section 6). A leading zero ends the number, so the 1 of `01` is a
 * token of its own, which the grammar rejects. */
static bool skip_number(struct json_reader *json) {
    skip(json, '-');
    if (!skip(json, '0') && !skip_digits(json)) return false;
    if (skip(json, '.') && !skip_digits(json)) return false;
    if (!skip(json, 'e') && !skip(json, 'E')) return true;
    if (!skip(json, '+')) skip(json, '-');
    return skip_digits(json);
}

static bool skip_literal(struct json_reader *json, const char *literal) {
    while (*literal && skip(json, *literal)) literal++;
    return *literal == '\0';
}

/* Skips a token, of which there is at least the first byte. Returns whether it is valid. */
static bool skip_token(struct json_reader *json) {
    char first = *json->at;
    switch (first) {
    case '{':
    case '}':
    case '[':
    case ']':
    case ':':
    case ',': return skip(json, first);
    case '"': return skip_string(json);
    case 't': return skip_literal(json, "true");
    case 'f': return skip_literal(json, "false");
    case 'n': return skip_literal(json, "null");
    default: return skip_number(json);
    }
}

enum json_type json_next(struct json_reader *json, struct str *value) {
    skip_whitespace(json);
    const char *start = json->at;
    *value = (struct str){start, 0};
    if (at_end(json)) return JSON_END;
    if (!skip_token(json)) {
        json->at = start; /* so that JSON_INVALID is returned again */
        return JSON_INVALID;
    }
    value->len = (size_t)(json->at - start);
    if (*start == JSON_STRING) *value = (struct str){start + 1, value->len - 2};
    return is_digit(*start) || *start == '-' ? JSON_NUMBER : (enum json_type) * start;
}

/* ---- The grammar ---- */

/* The number of a type is the first byte of its tokens. */
static bool is_scalar(enum json_type type) { return memchr("\"0tfn", (int)type, 5) != NULL; }

/* Skips the rest of a value after its first token, `type`. Returns whether the value is valid.
 * `depth` is the number of containers around it.
 *
 *     value  = "{" [ member *( "," member ) ] "}"
 *            / "[" [ value *( "," value ) ] "]"
 *            / string / number / true / false / null
 *     member = string ":" value
 */
static bool skip_value(struct json_reader *json, enum json_type type, unsigned depth) {
    struct str value;
    if (is_scalar(type)) return true;
    if ((type != JSON_OBJECT && type != JSON_ARRAY) || depth == JSON_MAX_DEPTH) return false;
    enum json_type end = type == JSON_OBJECT ? JSON_OBJECT_END : JSON_ARRAY_END;
    enum json_type next = json_next(json, &value);
    if (next == end) return true;
    for (;;) {
        if (type == JSON_OBJECT) {
            if (next != JSON_STRING || json_next(json, &value) != JSON_COLON) return false;
            next = json_next(json, &value);
        }
        if (!skip_value(json, next, depth + 1)) return false;
        next = json_next(json, &value);
        if (next == end) return true;
        if (next != JSON_COMMA) return false;
        next = json_next(json, &value);
    }
}

enum json_type json_check(struct str text) {
    struct json_reader json;
    struct str value;
    json_init(&json, text);
    enum json_type type = json_next(&json, &value);
    bool valid = skip_value(&json, type, 0) && json_next(&json, &value) == JSON_END;
    return valid ? type : JSON_INVALID;
}

/* ---- Members of an object ---- */

/* Compares a string as written with `name`. A string without a backslash need not be decoded. */
static bool string_equals(struct str string, struct str name) {
    char storage[JSON_MAX_NAME];
    struct text decoded = TEXT(storage);
    if (!memchr(string.s, '\\', string.len)) return str_equal(string, name);
    json_unescape(&decoded, string);
    return !decoded.truncated && str_equal(text_str(&decoded), name);
}

enum json_type json_find_members(struct str text, struct json_member members[], size_t count) {
    struct json_reader json;
    struct str name, value;
    for (size_t i = 0; i < count; i++) members[i].type = JSON_INVALID;
    enum json_type root = json_check(text);
    if (root != JSON_OBJECT) return root;
    json_init(&json, text);
    json_next(&json, &value); /* the opening brace */
    do {
        if (json_next(&json, &name) != JSON_STRING) break; /* the object is empty */
        json_next(&json, &value);                          /* the colon */
        enum json_type type = json_next(&json, &value);
        for (size_t i = 0; i < count; i++) {
            if (!string_equals(name, members[i].name)) continue;
            members[i].type = type;
            members[i].value = value;
        }
        skip_value(&json, type, 1);
    } while (json_next(&json, &value) == JSON_COMMA);
    return root;
}

/* ---- Strings ---- */

/* Appends a code point in UTF-8 (RFC 3629 section 3). */
static void put_utf8(struct text *out, long code) {
    size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0}; /* by the length */
    char bytes[4];
    for (size_t i = len - 1; i > 0; i--) {
        bytes[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    bytes[0] = (char)(lead[len] | code);
    text_put(out, (struct str){bytes, len});
}

void json_unescape(struct text *out, struct str value) {
    const char *at = value.s, *end = value.s + value.len;
    while (at < end) {
        if (*at != '\\') {
            text_append(out, at++, 1);
            continue;
        }
        long code = 0;
        at += parse_escape(at, end, &code); /* it is valid, because json_next has checked it */
        put_utf8(out, code);
    }
}

static void put_u_escape(struct text *out, long unit) {
    char escape[6] = "\\u";
    for (int i = 0; i < 4; i++) escape[2 + i] = hex_digit(unit >> (12 - 4 * i));
    text_put(out, (struct str){escape, sizeof escape});
}

static void put_escaped(struct text *out, long code) {
    const char *value =
        code < 0x80 ? memchr(escape_values + 1, (int)code, sizeof escape_values - 2) : NULL;
    if (value) {
        char escape[2] = {'\\', escape_letters[value - escape_values]};
        text_put(out, (struct str){escape, sizeof escape});
    } else if (code < 0x10000) {
        put_u_escape(out, code);
    } else { /* a surrogate pair (section 7) */
        put_u_escape(out, 0xd800 + ((code - 0x10000) >> 10));
        put_u_escape(out, 0xdc00 + (code & 0x3ff));
    }
}

void json_escape(struct text *out, struct str string) {
    if (string.len == 0) return; /* string.s may be NULL */
    const char *at = string.s, *end = string.s + string.len;
    while (at < end) {
        if (is_unescaped_ascii(*at)) {
            text_append(out, at++, 1);
            continue;
        }
        long code = 0;
        size_t len = decode_utf8(at, end, &code);
        put_escaped(out, len > 0 ? code : 0xfffd);
        at += len > 0 ? len : 1;
    }
}
