/* sessions.h - a hash table of sessions, for the other servers that are written in C.
 *
 * It is minimal: no users, no timeouts, no limit. Random bytes are read in large pieces, so that a
 * login needs no system call.
 */
#ifndef SESSIONS_H
#define SESSIONS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSION_ID 40

struct session {
    struct session *next;
    char id[SESSION_ID + 1];
};

static struct session *sessions[65536];

/* Returns the link to the session with this id, or the link where it would be added. Ids are random,
 * so their first digits are the hash. */
static struct session **find_session(const char *id) {
    char digits[5] = "";
    strncpy(digits, id, 4);
    struct session **link = &sessions[strtoul(digits, NULL, 16) & 0xffff];
    while (*link && strncmp((*link)->id, id, SESSION_ID) != 0) link = &(*link)->next;
    return link;
}

static const char *add_session(void) {
    static const char digits[] = "0123456789abcdef";
    static unsigned char random[4096];
    static size_t left;
    if (left < SESSION_ID / 2) {
        FILE *source = fopen("/dev/urandom", "r");
        if (!source || fread(random, sizeof random, 1, source) != 1) exit(1);
        fclose(source);
        left = sizeof random;
    }
    struct session *session = calloc(1, sizeof *session);
    if (!session) exit(1);
    for (size_t i = 0; i < SESSION_ID; i += 2) {
        unsigned char byte = random[--left];
        session->id[i] = digits[byte >> 4];
        session->id[i + 1] = digits[byte & 15];
    }
    struct session **link = find_session(session->id);
    session->next = *link;
    *link = session;
    return session->id;
}

static void end_session(const char *id) {
    struct session **link = find_session(id), *session = *link;
    if (!session) return;
    *link = session->next;
    free(session);
}

static int is_login(const char *body) {
    return strstr(body, "\"username\":\"foo\"") && strstr(body, "\"password\":\"foo\"");
}

#endif
