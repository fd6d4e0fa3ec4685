/* example.h - /home and /login with a table of sessions, for the other servers that are written in C.
 *
 * It is minimal: one user, no timeouts, no limit. Random bytes are read in large pieces, so that a login
 * needs no system call.
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSION_ID 40
#define NUMBER     8 /* digits: an id begins with its place in the table; the rest is random */

static char (*sessions)[SESSION_ID + 1];
static size_t count, size;

static int is_session(const char *id) {
    char digits[NUMBER + 1] = "";
    memcpy(digits, id, strnlen(id, NUMBER));
    size_t i = strtoul(digits, NULL, 16);
    return i < count && strncmp(sessions[i], id, SESSION_ID) == 0;
}

static const char *add_session(void) {
    static unsigned char random[4096];
    static size_t left;
    FILE *source = left < SESSION_ID ? fopen("/dev/urandom", "r") : NULL;
    if (source) left = fread(random, 1, sizeof random, source);
    if (source) fclose(source);
    if (count == size) sessions = realloc(sessions, (size = 2 * size + 1024) * sizeof *sessions);
    if (!sessions || left < SESSION_ID) exit(1);
    char *id = sessions[count];
    snprintf(id, NUMBER + 1, "%08zx", count++);
    for (size_t i = NUMBER; i < SESSION_ID; i++) id[i] = "0123456789abcdef"[random[--left] & 15];
    id[SESSION_ID] = '\0';
    return id;
}

/* Responds to POST /login, and to GET /home for any other path. `cookie` is that of a new session, or
 * empty. Returns the status. */
static int respond(const char *path, const char *id, const char *body, char out[128],
                   char cookie[128]) {
    bool is_login = strcmp(path, "/login") == 0;
    bool is_right =
        is_login ? strstr(body, "\"username\":\"foo\"") && strstr(body, "\"password\":\"foo\"")
                 : is_session(id);
    *cookie = '\0';
    if (is_login && is_right) {
        id = add_session();
        snprintf(cookie, 128, "session_id=%s; Path=/", id);
        snprintf(out, 128, "{\"message\": \"Logged in\", \"session_id\": \"%s\"}", id);
    } else {
        strcpy(out, is_right   ? "{\"message\": \"Hello, foo\"}"
                    : is_login ? "{\"error\": \"Invalid username or password\"}"
                               : "{\"error\": \"I can't let you do that\"}");
    }
    return is_right ? 200 : 401;
}

#endif
