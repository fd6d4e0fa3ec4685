/* json.h - a minimal JSON tokenizer, a grammar check, and a string writer (RFC 8259). The head of
 * json.c shows how to use them. */
#ifndef JSON_H
#define JSON_H

#include "str.h"

#define JSON_MAX_DEPTH 32 /* arrays and objects inside one another */
#define JSON_MAX_NAME  64 /* bytes in a member name that is looked for */

/* The value is the first byte of the token; JSON_NUMBER stands for all numbers. */
enum json_type {
    JSON_INVALID = 0, /* not a token; the reader stays there */
    JSON_END = 1,     /* the end of the text */
    JSON_OBJECT = '{',
    JSON_OBJECT_END = '}',
    JSON_ARRAY = '[',
    JSON_ARRAY_END = ']',
    JSON_COLON = ':',
    JSON_COMMA = ',',
    JSON_STRING = '"',
    JSON_NUMBER = '0',
    JSON_TRUE = 't',
    JSON_FALSE = 'f',
    JSON_NULL = 'n'
};

/* What is left of the text that is being read. */
struct json_reader {
    const char *at, *end;
};

/* A member that json_find_members looks for. */
struct json_member {
    struct str name;     /* in: not escaped, at most JSON_MAX_NAME bytes */
    enum json_type type; /* out: of the value; JSON_INVALID if the member is missing */
    struct str value;    /* out: the value as written; a string without its quotes, a container
                            only its first byte */
};

/* Starts to read `text`, which must stay valid until the last token. */
void json_init(struct json_reader *json, struct str text);

/* Returns the next token. `*value` is the token as written, a string without its quotes. The
 * order of the tokens is not checked; see json_check. */
enum json_type json_next(struct json_reader *json, struct str *value);

/* Checks that `text` is one JSON value and nothing else, nested at most JSON_MAX_DEPTH deep.
 * Returns the type of the value, or JSON_INVALID. */
enum json_type json_check(struct str text);

/* Checks `text` and, if it is an object, finds the `count` members named in `members`. If a name
 * occurs more than once, the last member wins. Returns what json_check returns. */
enum json_type json_find_members(struct str text, struct json_member members[], size_t count);

/* Appends the value of a JSON_STRING with its escapes decoded. The result may contain NUL bytes. */
void json_unescape(struct text *out, struct str value);

/* Appends `string` in a form that can stand between quotes in a JSON text, all in ASCII. Bytes that
 * are not UTF-8 become U+FFFD. */
void json_escape(struct text *out, struct str string);

/* Returns whether `s` is UTF-8 (RFC 3629): nothing overlong, no surrogates, nothing above
 * U+10FFFF. */
bool json_is_utf8(struct str s);

#endif
