/* json.h - a minimal JSON tokenizer and string writer (RFC 8259). See the head of json.c. */
#ifndef JSON_H
#define JSON_H

#include "str.h"

#define JSON_DEPTH 32 /* arrays and objects within each other, at most */

#define JSON_NAME_SIZE 64 /* bytes in a member's name that is looked for, at most */

enum json_type {
    JSON_INVALID, /* no JSON text, or one that is too deep; the last token */
    JSON_END,     /* the text is over and all of it was valid; the last token */
    JSON_OBJECT,
    JSON_OBJECT_END,
    JSON_ARRAY,
    JSON_ARRAY_END,
    JSON_NAME, /* of a member; its value is the next token */
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL
};

struct json {
    const char *at, *end;
    uint32_t objects; /* bit n: what is open at depth n + 1 is an object, no array */
    unsigned depth;
    bool after_value; /* a value has just ended: a comma or an end is due */
    bool after_name;  /* a name has just ended: a colon and a value are due */
};

struct json_member {
    struct str name;     /* looked for: no backslash in it, JSON_NAME_SIZE bytes at most */
    enum json_type type; /* of its value; JSON_INVALID where there is no such member */
    struct str value;    /* as it stands in the text; of a string what is between the quotes */
};

/* Begins to read `text`, which must stay while it is read. */
void json_begin(struct json *json, struct str text);

/* The next token; `*value` is where it stands in the text, a string's without its quotes. */
enum json_type json_next(struct json *json, struct str *value);

/* Checks all of `text` and finds the members named in `members` in the object that it holds. Of
 * members with one name the last counts. Returns what the text holds, or JSON_INVALID. */
enum json_type json_read_object(struct str text, struct json_member members[], size_t count);

/* Writes the value of a JSON_STRING or JSON_NAME without its escapes; NULs may be among the bytes. */
void json_unescape(struct text *out, struct str value);

/* Writes `string` for use between quotes in a JSON text, in ASCII alone. What is no UTF-8 becomes
 * U+FFFD. */
void json_escape(struct text *out, struct str string);

/* Whether `s` is UTF-8 as RFC 3629 has it: nothing overlong, no surrogates, nothing over U+10FFFF. */
bool json_is_utf8(struct str s);

#endif
