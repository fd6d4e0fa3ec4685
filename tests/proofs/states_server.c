/* states_server.c - visits every state that the table of connections can reach, by any number of events.
 *
 * There are 5 places, 2 buffers and 2 clients. The system and the parser are replaced: each call
 * chooses one of its results, and the walk tries all choices. A state is what stands in the table,
 * in which order: of each connection its client, its flags, and whether it has input or output.
 * Times are no part of it: which connection is the next to be evicted, and which are active or have
 * expired, is chosen anew for each operation. So the states are finitely many.
 *
 * After each operation the invariants in tests/fault/invariants.h are checked, and that each descriptor
 * and each buffer has one owner.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "../../http.h"
#include "../../listen.h"

static int parse(char *buf, size_t len, struct http_request *req);
static ssize_t receive_bytes(int fd, void *to, size_t max, int flags);
static ssize_t send_bytes(int fd, const void *from, size_t len, int flags);
static int shut_down(int fd, int how);
static int close_descriptor(int fd);
static int accept_client(const struct listener *listener, struct peer *peer);
static void format(struct text *out, const struct http_response *res, struct str date);

#define http_parse           parse
#define http_format_response format
#define recv                 receive_bytes
#define send                 send_bytes
#define shutdown             shut_down
#define close(fd)            close_descriptor(fd)
#define listen_accept        accept_client
#include "../../server.c"
#undef close

#include "../fault/invariants.h"

enum { PLACES = 5, ENTRIES = FIRST + PLACES, BUFFERS = 2, CLIENTS = 2, MAX_LEN = 1 };
enum { FIRST_FD = 10, FDS = PLACES + 1, MAX_STATES = 1 << 18, MAX_CHOICES = 64 };
enum { NOW = 1 }; /* in hours */

static struct server *server;
static struct buffer *buffers[BUFFERS];

/* ---- Choices ---- */

static int choices[MAX_CHOICES], limits[MAX_CHOICES], choice_count, chosen;

/* Returns a number below n: 0 at first, and the others when the operation is tried again. */
static int choose(int n) {
    if (chosen == choice_count) {
        choices[choice_count] = 0;
        limits[choice_count++] = n;
    }
    return choices[chosen++];
}

/* Goes on to the next choices. Returns false if there are none left. */
static bool next_choices(void) {
    while (choice_count > 0 && choices[choice_count - 1] + 1 == limits[choice_count - 1])
        choice_count--;
    if (choice_count > 0) choices[choice_count - 1]++;
    chosen = 0;
    return choice_count > 0;
}

/* ---- States ---- */

struct key_entry {
    unsigned char client, has_buffer, in_len, out_len, close, lingering, continue_sent;
};
struct key {
    unsigned char nfds, active_end, stopping;
    struct key_entry entries[PLACES];
};
struct snapshot {
    struct pollfd pollfds[ENTRIES];
    struct connection connections[ENTRIES];
    struct buffer *free_buffers[BUFFERS];
    size_t active_end, nfds, free_buffer_count, in_len[BUFFERS], out_len[BUFFERS];
    bool stopping, fd_open[FDS];
};

#include "walk.h"

static bool fd_open[FDS];
static size_t victim; /* of an eviction */
static bool has_closed;

static void save(struct snapshot *to) {
    memcpy(to->pollfds, server->pollfds, sizeof to->pollfds);
    memcpy(to->connections, server->connections, sizeof to->connections);
    memcpy(to->free_buffers, server->free_buffers, sizeof to->free_buffers);
    memcpy(to->fd_open, fd_open, sizeof to->fd_open);
    to->active_end = server->active_end;
    to->nfds = server->nfds;
    to->free_buffer_count = server->free_buffer_count;
    to->stopping = server->shutdown_deadline > 0;
    for (int i = 0; i < BUFFERS; i++) {
        to->in_len[i] = buffers[i]->in.len;
        to->out_len[i] = buffers[i]->out.len;
    }
}

static void restore_text(struct text *text, size_t len) {
    text_clear(text);
    for (size_t i = 0; i < len; i++) text_put(text, STR("x"));
}

static void restore(const struct snapshot *from) {
    memcpy(server->pollfds, from->pollfds, sizeof from->pollfds);
    memcpy(server->connections, from->connections, sizeof from->connections);
    memcpy(server->free_buffers, from->free_buffers, sizeof from->free_buffers);
    memcpy(fd_open, from->fd_open, sizeof from->fd_open);
    server->active_end = from->active_end;
    server->nfds = from->nfds;
    server->free_buffer_count = from->free_buffer_count;
    server->now = NOW * 3600 * SERVER_SECOND;
    server->shutdown_deadline = from->stopping ? server->now + SHUTDOWN_TIMEOUT : 0;
    server->next_deadline = 0;
    server->accept_resumes_at = 0;
    for (int i = 0; i < BUFFERS; i++) {
        restore_text(&buffers[i]->in, from->in_len[i]);
        restore_text(&buffers[i]->out, from->out_len[i]);
    }
}

/* More input or output than MAX_LEN bytes makes no difference. */
static unsigned char shorten(struct text *text) {
    while (text->len > MAX_LEN) text->s[--text->len] = '\0';
    return (unsigned char)text->len;
}

/* The two clients may be exchanged, so the key only says whether it is the client of the first. */
static struct key_entry entry_key(const struct connection *c) {
    struct key_entry key = {.client = c->peer.network == server->connections[FIRST].peer.network,
                            .close = c->close_after_response,
                            .lingering = c->lingering,
                            .continue_sent = c->continue_sent};
    if (!c->buffer) return key;
    key.has_buffer = 1;
    key.in_len = shorten(&c->buffer->in);
    key.out_len = shorten(&c->buffer->out);
    return key;
}

/* Each open descriptor and each buffer belongs to one connection, or the buffer is free. */
static void check_owners(void) {
    int fd_owners[FDS] = {0}, buffer_owners[BUFFERS] = {0};
    for (size_t i = FIRST; i < server->nfds; i++) {
        fd_owners[server->pollfds[i].fd - FIRST_FD]++;
        for (int b = 0; b < BUFFERS; b++)
            buffer_owners[b] += server->connections[i].buffer == buffers[b];
    }
    for (size_t i = 0; i < server->free_buffer_count; i++)
        for (int b = 0; b < BUFFERS; b++) buffer_owners[b] += server->free_buffers[i] == buffers[b];
    for (int fd = 0; fd < FDS; fd++)
        check(fd_owners[fd] == fd_open[fd], "each open descriptor belongs to one connection");
    for (int b = 0; b < BUFFERS; b++)
        check(buffer_owners[b] == 1, "each buffer belongs to one connection, or is free");
}

static void arrive(void) {
    struct key key;
    const char *violation = invariant_violation(server);
    check(!violation, violation);
    check_owners();
    memset(&key, 0, sizeof key);
    key.nfds = (unsigned char)server->nfds;
    key.active_end = (unsigned char)server->active_end;
    key.stopping = server->shutdown_deadline > 0;
    for (size_t i = FIRST; i < server->nfds; i++)
        key.entries[i - FIRST] = entry_key(&server->connections[i]);
    arrive_at(&key);
}

/* ---- The system and the other files ---- */

static ssize_t failure(int error) {
    errno = error;
    return -1;
}

static ssize_t receive_bytes(int fd, void *to, size_t max, int flags) {
    check(fd_open[fd - FIRST_FD] && max > 1 && flags == 0, "an open descriptor is read");
    int n = choose(3) - 1; /* no input yet, the end, or a byte */
    if (n < 0) return failure(EAGAIN);
    memset(to, 'x', (size_t)n);
    return n;
}

static ssize_t send_bytes(int fd, const void *from, size_t len, int flags) {
    check(fd_open[fd - FIRST_FD] && from && len > 0 && flags == 0, "something is sent");
    switch (choose(len > 1 ? 4 : 3)) {
    case 0: return (ssize_t)len;
    case 1: return failure(EAGAIN);
    case 2: return failure(EPIPE);
    default: return 1;
    }
}

static int shut_down(int fd, int how) {
    check(fd_open[fd - FIRST_FD] && how == SHUT_WR, "an open descriptor is shut down");
    return choose(2) - 1;
}

static int close_descriptor(int fd) {
    check(fd >= FIRST_FD && fd_open[fd - FIRST_FD], "a descriptor is closed once");
    fd_open[fd - FIRST_FD] = false;
    has_closed = true;
    return 0;
}

static int accept_client(const struct listener *listener, struct peer *peer) {
    static const int errors[] = {EAGAIN, EMFILE, ECONNABORTED, ENOMEM};
    int client = choose(CLIENTS + 4), fd = 0;
    (void)listener;
    if (client >= CLIENTS) return (int)failure(errors[client - CLIENTS]);
    while (fd_open[fd]) fd++;
    fd_open[fd] = true;
    *peer = (struct peer){.network = (uint64_t)client};
    return FIRST_FD + fd;
}

/* Each byte is a request, or the first byte of one. */
static int parse(char *buf, size_t len, struct http_request *req) {
    static const int results[] = {0, 1, 1, -400, 0};
    memset(req, 0, sizeof *req);
    if (!buf || len == 0) return 0;
    int choice = choose(5);
    req->keep_alive = choice == 1;
    req->send_continue = choice == 4;
    return results[choice];
}

static void format(struct text *out, const struct http_response *res, struct str date) {
    (void)date;
    check(res->status >= 200, "a response has a status");
    text_put(out, STR("x"));
}

int route_request(const struct route routes[], const struct http_request *req,
                  struct http_response *res) {
    (void)routes, (void)req;
    text_put(&res->body, STR("x"));
    return 200;
}
int route_error(struct http_response *res, int status, const char *error) {
    text_put(&res->body, str_of(error));
    return status;
}
void log_request(struct log *log, const char *peer, struct str request_line, int status,
                 size_t body_len) {
    (void)log, (void)peer, (void)request_line, (void)status, (void)body_len;
}
void log_closed(struct log *log, const char *peer, const char *reason) {
    (void)log, (void)peer, (void)reason;
}
void log_flush(struct log *log) { (void)log; }
void listen_close(struct listener *listener) { (void)listener; }

/* ---- Operations ---- */

/* Makes a connection the first to be evicted: it alone is not active. */
static void choose_victim(void) {
    for (size_t i = FIRST; i < server->nfds; i++) server->connections[i].since = server->now;
    if (victim < server->nfds) server->connections[victim].since -= SERVER_SECOND;
}

/* A connection is active, is not, or has expired. */
static void choose_ages(void) {
    static const int64_t ages[] = {0, SERVER_SECOND, 3600 * SERVER_SECOND};
    for (size_t i = FIRST; i < server->nfds; i++)
        server->connections[i].since = server->now - ages[choose(3)];
}

static void event(void) {
    operation = "event";
    if (server->nfds == FIRST) return;
    choose_victim();
    handle_event(server, FIRST + (size_t)choose((int)(server->nfds - FIRST)));
}

static void accept_one(void) {
    operation = "accept";
    if (server->shutdown_deadline > 0) return;
    choose_victim();
    accept_connection(server);
}

static void expire(void) {
    operation = "full poll";
    choose_ages();
    after_full_poll(server);
}

static void stop_server(void) {
    operation = "stop";
    server->shutdown_deadline = server->now + SHUTDOWN_TIMEOUT;
}

/* An eviction is the last act of an operation. So if nothing is closed, other victims need not be
 * tried. */
static void try_all_operations(const struct snapshot *state) {
    static void (*const operations[])(void) = {event, accept_one, expire, stop_server};
    do {
        has_closed = true;
        for (victim = FIRST; victim == FIRST || (has_closed && victim < state->nfds); victim++) {
            restore(state);
            has_closed = false;
            chosen = 0;
            operations[choose(4)]();
            arrive();
        }
    } while (next_choices());
}

int main(void) {
    static struct listener listener;
    static struct log log;
    snapshots = calloc(MAX_STATES, sizeof *snapshots);
    keys = calloc(MAX_STATES, sizeof *keys);
    server = server_create(&listener, NULL, &log, PLACES);
    if (!snapshots || !keys || !server) return 1;
    server->buffer_count = server->free_buffer_count = BUFFERS;
    for (int i = 0; i < BUFFERS; i++) {
        buffers[i] = server->free_buffers[i];
        buffers[i]->in = (struct text){buffers[i]->in_storage, 0, HTTP_BUFFER_SIZE, false};
        buffers[i]->out = TEXT(buffers[i]->out_storage);
    }
    arrive();
    walk("server.c", try_all_operations);
    return 0;
}
