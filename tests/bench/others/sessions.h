/* sessions.h - a hash table of sessions, for the other servers that are written in C.
 *
 * It is minimal: one user, no timeouts, no limit. Random bytes are read in large pieces, so that a login
 * needs no system call.
 */
#ifndef SESSIONS_H
#define SESSIONS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSION_ID 40

static struct session {
    struct session *next;
    char id[SESSION_ID + 1];
} * sessions[65536];

/* Ids are random, so their first digits are the hash. */
static struct session **bucket_of(const char *id) {
    char digits[5] = "";
    memcpy(digits, id, strnlen(id, 4));
    return &sessions[strtoul(digits, NULL, 16) & 0xffff];
}

static int is_session(const char *id) {
    struct session *session = *bucket_of(id);
    while (session && strncmp(session->id, id, SESSION_ID) != 0) session = session->next;
    return session != NULL;
}

static const char *add_session(void) {
    static unsigned char random[4000];
    static size_t left;
    struct session *session = calloc(1, sizeof *session);
    FILE *source = left == 0 ? fopen("/dev/urandom", "r") : NULL;
    if (source) left = fread(random, 1, sizeof random, source);
    if (source) fclose(source);
    if (!session || left == 0) exit(1);
    for (size_t i = 0; i < SESSION_ID; i += 2) {
        unsigned char byte = random[--left];
        session->id[i] = "0123456789abcdef"[byte >> 4];
        session->id[i + 1] = "0123456789abcdef"[byte & 15];
    }
    session->next = *bucket_of(session->id);
    return (*bucket_of(session->id) = session)->id;
}

static int is_login(const char *body) {
    return strstr(body, "\"username\":\"foo\"") && strstr(body, "\"password\":\"foo\"");
}

#endif
