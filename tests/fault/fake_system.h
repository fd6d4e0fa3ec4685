/* fake_system.h - server.c, listen.c and log.c on a fake clock, a simulated network and a fake log
 * output, all in one process.
 *
 *     open_server(routes, 10);                a server for 10 connections
 *     struct client *c = queue_client_at(0); it is in the listen queue
 *     queue_input(c, "GET / ...", len);       it has sent this
 *     iterate();                              one iteration of the event loop
 *     ... c->output, log_text ...             what the client has received, what was logged
 *     close_server();
 *
 * Nothing is left to chance, and nothing leaves the process. A test decides who connects, what a
 * client sends, how much it reads, and which call fails. Time advances by 10 us with each poll, and,
 * if poll_waits, while poll waits. What a test may set, and what it may look at, are the variables below.
 *
 * In each iteration the fakes check what the server asks for: a connection that poll has reported
 * has one event, and no other has one; no descriptor is closed twice; nothing is written outside of
 * an input buffer. After it, they check the invariants. The first rule that was broken is in
 * `violation`.
 *
 * Define MAX_CLIENTS before this file is included.
 */
#ifndef FAKE_SYSTEM_H
#define FAKE_SYSTEM_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int fake_accept(int fd, void *address, socklen_t *len);
static void *fake_calloc(size_t count, size_t size);
static int fake_clock_gettime(clockid_t which, struct timespec *to);
static int fake_close(int fd);
static int fake_fcntl(int fd, int command, int flags);
static int fake_other(const void *argument);
static int fake_pipe(int ends[2]);
static int fake_poll(struct pollfd pollfds[], nfds_t count, int timeout);
static ssize_t fake_recv(int fd, void *to, size_t len, int flags);
static ssize_t fake_send(int fd, const void *from, size_t len, int flags);
static int fake_setsockopt(int level, int name, const int *value);
static int fake_shutdown(int fd, int how);
static int fake_socket(int family, int type, int protocol);
static ssize_t fake_write(int fd, const void *from, size_t len);
static time_t wall_clock;

/* The system's headers have been read above, so these change only the sources. */
#define accept(fd, address, len)          fake_accept(fd, address, len)
#define bind(fd, address, len)            ((void)(len), fake_other(address))
#define calloc(count, size)               fake_calloc(count, size)
#define clock_gettime(which, to)          fake_clock_gettime(which, to)
#define close(fd)                         fake_close(fd)
#define fcntl(fd, command, flags)         fake_fcntl(fd, command, flags)
#define getsockname(fd, address, len)     fake_other(len)
#define isatty(fd)                        false
#define listen(fd, backlog)               fake_other("")
#define pipe(ends)                        fake_pipe(ends)
#define poll(pollfds, count, timeout)     fake_poll(pollfds, count, timeout)
#define recv(fd, to, len, flags)          fake_recv(fd, to, len, flags)
#define send(fd, from, len, flags)        fake_send(fd, from, len, flags)
#define setsockopt(fd, at, name, on, len) fake_setsockopt(at, name, on)
#define shutdown(fd, how)                 fake_shutdown(fd, how)
#define socket(family, type, protocol)    fake_socket(family, type, protocol)
#define time(to)                          wall_clock
#define write(fd, from, len)              fake_write(fd, from, len)
#include "../../server.c"

#include "../../listen.c"
#include "../../log.c"
#undef calloc

#include "invariants.h"

#ifndef OUTPUT_SIZE
#define OUTPUT_SIZE 16384 /* bytes that a client has received; then the output begins again */
#endif
#define POLL_COST  INT64_C(10000) /* ns that each poll takes */
#define START_TIME (1000 * NS_PER_S)

enum { FAKE_LISTENER = 1000, FAKE_PIPE_READ, FAKE_PIPE_WRITE, FIRST_FD };

/* ---- What a test sets, and what it looks at ---- */

static struct client {
    const char *input; /* what it has sent, and the server has not read yet */
    size_t input_len;
    size_t max_read;  /* bytes that one recv returns; 0 = any */
    size_t window;    /* bytes of responses that it still takes */
    int error;        /* of recv when there is no input; 0 is EAGAIN */
    bool is_readable; /* poll reports input, although there may be none */
    bool at_eof;      /* it has closed its end, and sends nothing more */
    bool reset;       /* it has reset the connection */
    union address address;

    bool waiting, open, closed; /* in the listen queue; accepted; closed by the server */
    bool shut_down;             /* the server has shut down its side */
    int reads, responses, continues;
    char *output;
    size_t output_len;

    /* The event of the connection: see count_ready, fake_recv and fake_send. */
    bool has_event, waits_to_send, interrupted, flushed;
} clients[MAX_CLIENTS]; /* the descriptor of clients[i] is FIRST_FD + i */
static size_t client_count;
static char outputs[MAX_CLIENTS][OUTPUT_SIZE + 1];
static int queued, accepted, accepts, open_clients; /* accepts: calls */

enum fake_call { ACCEPT, FCNTL, RECV, SEND, SHUTDOWN, POLL, WRITE, CLOCK, FAKE_CALLS };
static int fail_next[FAKE_CALLS], fail_always[FAKE_CALLS]; /* with this error; 0 = none */
static int max_open; /* open clients; accept fails with EMFILE if it is reached */

static int64_t now;
static bool poll_waits;  /* otherwise time stands still while poll waits */
static int64_t wakes_at; /* poll does not wait longer than this */
static void (*before_poll)(const struct pollfd pollfds[], nfds_t count); /* or NULL */

static struct {
    size_t count; /* the entries that the latest poll of the event loop has looked at */
    int timeout, ready;
    bool was_full;
} last_poll;
static int full_polls, pauses;

static char log_text[1 << 22];        /* if it is full, it begins again */
static size_t log_len, log_max_write; /* bytes that one write takes; 0 = any */
static bool log_is_blocked, log_may_write;

static struct server *server;
static struct listener listener;
static struct log access_log;
static int no_delay, v6_only; /* options of the listener */
static bool is_listening, stop_pipe_is_ready;
static bool pipe_is_open[2];  /* its ends */
static size_t allocated;      /* bytes */
static const char *violation; /* the first rule that was broken; NULL = none */

static void must(bool holds, const char *rule) {
    if (!holds && !violation) violation = rule;
}

static int fail_with(int error) {
    errno = error;
    return -1;
}

/* Returns the error with which the call must fail, or 0. */
static int failure(enum fake_call call) {
    int error = fail_next[call] ? fail_next[call] : fail_always[call];
    fail_next[call] = 0;
    return error;
}

static int result_of(enum fake_call call) {
    int error = failure(call);
    return error ? fail_with(error) : 0;
}

/* ---- The simulated network ---- */

static struct client *client_of(int fd) {
    bool is_open = fd >= FIRST_FD && fd < FIRST_FD + MAX_CLIENTS && clients[fd - FIRST_FD].open;
    must(is_open, "only open descriptors are used");
    return &clients[is_open ? fd - FIRST_FD : 0];
}

static int fake_socket(int family, int type, int protocol) {
    must((family == AF_INET || family == AF_INET6) && type == SOCK_STREAM && protocol == 0,
         "the socket is a TCP socket");
    no_delay = 0;
    v6_only = 1; /* as on some systems */
    is_listening = true;
    return FAKE_LISTENER;
}

static int fake_pipe(int ends[2]) {
    ends[0] = FAKE_PIPE_READ;
    ends[1] = FAKE_PIPE_WRITE;
    pipe_is_open[0] = pipe_is_open[1] = true;
    return 0;
}

static int fake_accept(int fd, void *address, socklen_t *len) {
    must(fd == FAKE_LISTENER && is_listening && *len >= sizeof(struct sockaddr_in6),
         "accept is called for the listener");
    accepts++;
    int error = failure(ACCEPT);
    if (error || queued == 0) return fail_with(error ? error : EAGAIN);
    if (open_clients == max_open) return fail_with(EMFILE);
    size_t i = 0;
    while (!clients[i].waiting) i++;
    clients[i].waiting = false;
    clients[i].open = true;
    queued--, accepted++, open_clients++;
    memcpy(address, &clients[i].address, sizeof clients[i].address.v6);
    return FIRST_FD + (int)i;
}

/* The calls that nothing depends on here. */
static int fake_other(const void *argument) { return argument ? 0 : -1; }

static int fake_setsockopt(int level, int name, const int *value) {
    if (level == IPPROTO_TCP && name == TCP_NODELAY) no_delay = *value;
    if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY) v6_only = *value;
    return 0;
}

static int fake_fcntl(int fd, int command, int flags) {
    must(command == F_SETFL && flags == O_NONBLOCK, "each socket is non-blocking");
    return fd >= FIRST_FD ? result_of(FCNTL) : 0;
}

static int fake_shutdown(int fd, int how) {
    struct client *c = client_of(fd);
    must(how == SHUT_WR && !c->shut_down, "our side is shut down once");
    if (result_of(SHUTDOWN) < 0) return -1;
    c->shut_down = true;
    return 0;
}

/* Puts a client into the listen queue, whose address is 10.0.0.0 plus its number. */
static struct client *queue_client_at(size_t i) {
    struct client *c = &clients[i];
    *c = (struct client){.waiting = true, .window = SIZE_MAX, .output = outputs[i]};
    c->address.v4.sin_family = AF_INET;
    c->address.v4.sin_addr.s_addr = htonl(0x0a000000 + (uint32_t)i);
    if (client_count <= i) client_count = i + 1;
    queued++;
    return c;
}

static int fake_close(int fd) {
    if (fd == FAKE_LISTENER) {
        must(is_listening, "the listener is closed once");
        is_listening = false;
    }
    if (fd == FAKE_PIPE_READ || fd == FAKE_PIPE_WRITE) {
        must(pipe_is_open[fd - FAKE_PIPE_READ], "each end of the pipe is closed once");
        pipe_is_open[fd - FAKE_PIPE_READ] = false;
    }
    if (fd < FIRST_FD) return 0;
    struct client *c = client_of(fd);
    c->open = c->has_event = false;
    c->closed = true;
    open_clients--;
    return 0;
}

static bool is_in_input_buffer(const char *at, size_t len) {
    const struct buffer *pool = first_buffer(server);
    for (size_t i = 0; i < server->buffer_count; i++)
        if (at >= pool[i].in_storage && at + len <= pool[i].in_storage + HTTP_BUFFER_SIZE)
            return true;
    return false;
}

/* A connection is read from once in an event, and once more if a signal interrupts it. */
static ssize_t fake_recv(int fd, void *to, size_t len, int flags) {
    struct client *c = client_of(fd);
    size_t n = c->input_len < len ? c->input_len : len;
    must(len > 0 && len <= 4096 && flags == 0, "an event reads at most 4,096 bytes");
    must(is_in_input_buffer(to, len), "nothing is read to outside of an input buffer");
    must(c->has_event, "a connection has an event only if poll has reported it, and only one");
    int error = failure(RECV);
    if (!error && c->reset) error = ECONNRESET;
    if (!error && n == 0 && !c->at_eof) error = c->error ? c->error : EAGAIN;
    c->has_event = c->interrupted = error == EINTR && !c->interrupted;
    c->is_readable = c->input_len > 0;
    if (error) return fail_with(error);
    if (c->max_read > 0 && n > c->max_read) n = c->max_read;
    if (n > 0) memcpy(to, c->input, n);
    c->input += n;
    c->input_len -= n;
    c->is_readable = c->input_len > 0;
    c->reads++;
    return (ssize_t)n;
}

static void keep_output(struct client *c, const char *from, size_t n, bool is_all) {
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    bool has_continue = n >= sizeof text - 1 && memcmp(from, text, sizeof text - 1) == 0;
    c->continues += has_continue;
    c->responses += is_all && !(has_continue && n == sizeof text - 1);
    if (c->output_len + n > OUTPUT_SIZE) c->output_len = 0;
    memcpy(c->output + c->output_len, from, n);
    c->output_len += n;
    c->output[c->output_len] = '\0';
}

/* If the connection waits to send, its event begins with a send. Another send belongs to the same
 * event if all was sent before. */
static ssize_t fake_send(int fd, const void *from, size_t len, int flags) {
    struct client *c = client_of(fd);
    size_t n = len < c->window ? len : c->window;
    must(len > 0 && flags == 0 && !c->shut_down, "nothing is sent after the last response");
    must(c->has_event || c->flushed || !c->waits_to_send,
         "a connection has an event only if poll has reported it, and only one");
    c->has_event = c->flushed = false;
    if (result_of(SEND) < 0) return -1;
    if (c->reset || n == 0) return fail_with(c->reset ? EPIPE : EAGAIN);
    keep_output(c, from, n, n == len);
    c->window -= n;
    c->flushed = n == len;
    return (ssize_t)n;
}

/* ---- The log, and the pipe of server_stop ---- */

static ssize_t fake_write(int fd, const void *from, size_t len) {
    if (fd == FAKE_PIPE_WRITE) {
        must(!stop_pipe_is_ready && len == 1, "server_stop writes one byte");
        stop_pipe_is_ready = true;
        errno = 0; /* which the caller must not lose */
        return 1;
    }
    must(fd == STDERR_FILENO && len > 0 && len <= _POSIX_PIPE_BUF && log_may_write,
         "a write to the log never blocks");
    log_may_write = false;
    if (result_of(WRITE) < 0) return -1;
    if (log_max_write > 0 && len > log_max_write) len = log_max_write;
    if (log_len + len >= sizeof log_text) log_len = 0;
    memcpy(log_text + log_len, from, len);
    log_len += len;
    log_text[log_len] = '\0';
    return (ssize_t)len;
}

/* ---- Time and memory ---- */

static void *fake_calloc(size_t count, size_t size) {
    allocated += count * size;
    return calloc(count, size);
}

/* If the clock fails, the server assumes that a millisecond has passed. */
static int fake_clock_gettime(clockid_t which, struct timespec *to) {
    must(which == CLOCK_MONOTONIC, "time is read from the monotonic clock");
    if (result_of(CLOCK) < 0) {
        now += NS_PER_MS;
        return -1;
    }
    *to = (struct timespec){(time_t)(now / NS_PER_S), (long)(now % NS_PER_S)};
    return 0;
}

static int ready_events(int fd) {
    if (fd == FAKE_LISTENER) return queued > 0 ? POLLIN : 0;
    if (fd == FAKE_PIPE_READ) return stop_pipe_is_ready ? POLLIN : 0;
    const struct client *c = client_of(fd);
    if (c->reset) return POLLIN | POLLOUT | POLLERR | POLLHUP;
    return (c->is_readable || c->at_eof ? POLLIN : 0) | (c->window > 0 ? POLLOUT : 0);
}

static int count_ready(struct pollfd pollfds[], nfds_t count) {
    int ready = 0;
    for (nfds_t i = 0; i < count; i++) {
        pollfds[i].revents = 0;
        if (pollfds[i].fd < 0) continue;
        int events = ready_events(pollfds[i].fd) & (pollfds[i].events | POLLERR | POLLHUP);
        pollfds[i].revents = (short)events;
        ready += events != 0;
        if (pollfds[i].fd < FIRST_FD) continue;
        struct client *c = client_of(pollfds[i].fd);
        c->has_event = events != 0;
        c->waits_to_send = pollfds[i].events == POLLOUT;
        c->flushed = false;
    }
    return ready;
}

/* server.c pauses, or log.c asks whether the log takes bytes. */
static int other_poll(const struct pollfd *pollfd, int timeout) {
    if (!pollfd) {
        must(timeout > 0, "a pause takes time");
        pauses++;
        now += timeout * NS_PER_MS;
        return 0;
    }
    must(pollfd->fd == STDERR_FILENO && pollfd->events == POLLOUT && timeout == 0,
         "the log is asked without waiting");
    log_may_write = !log_is_blocked;
    return log_may_write;
}

static int fake_poll(struct pollfd pollfds[], nfds_t count, int timeout) {
    if (!server || pollfds != server->pollfds) return other_poll(pollfds, timeout);
    now += POLL_COST;
    last_poll.count = count;
    last_poll.timeout = timeout;
    last_poll.was_full = count == server->nfds;
    full_polls += last_poll.was_full;
    must(count == server->nfds || count == server->active_end,
         "an active poll looks at the active connections, a full poll at all");
    must(pollfds[STOP_PIPE].fd == (server->shutdown_deadline ? -1 : server->stop_pipe[0]),
         "the stop pipe is polled until the shutdown begins");
    if (before_poll) before_poll(pollfds, count);
    last_poll.ready = result_of(POLL);
    if (last_poll.ready < 0) return -1;
    last_poll.ready = count_ready(pollfds, count);
    if (last_poll.ready > 0 || timeout == 0 || !poll_waits) return last_poll.ready;
    int64_t end = timeout < 0 ? INT64_MAX : now + timeout * NS_PER_MS;
    if (wakes_at < end) end = wakes_at;
    if (end < INT64_MAX) now = end;
    return 0;
}

/* ---- How a test uses them ---- */

static void start_log(void) {
    log_open(&access_log, false);
    log_len = log_max_write = 0;
    log_is_blocked = false;
    log_text[0] = '\0';
}

/* Opens a server without connections, on a system without faults. */
static void open_server(const struct route routes[], size_t max_connections) {
    memset(clients, 0, client_count * sizeof *clients);
    memset(fail_next, 0, sizeof fail_next);
    memset(fail_always, 0, sizeof fail_always);
    client_count = 0;
    queued = accepted = accepts = open_clients = 0;
    max_open = MAX_CLIENTS;
    now = START_TIME;
    wakes_at = INT64_MAX;
    poll_waits = true;
    stop_pipe_is_ready = false;
    start_log();
    must(!listen_open(&listener, "0.0.0.0", 8080), "the listener is opened");
    server = server_create(&listener, routes, &access_log, max_connections);
    if (!server) abort();
}

static void close_server(void) {
    server_destroy(server);
    server = NULL;
    log_flush(&access_log);
    if (listener.fd >= 0) listen_close(&listener);
    for (size_t i = 0; i < client_count; i++)
        must(!clients[i].open, "server_destroy closes all connections");
    must(!is_listening, "the listener is closed");
}

/* The client sends `input`. If that is empty, poll reports the client, but recv has nothing to read. */
static void queue_input(struct client *c, const char *input, size_t len) {
    c->input = input;
    c->input_len = len;
    c->is_readable = true;
}

/* The input of a connection that is receiving is the beginning of a request. */
static bool is_partial_request(const struct text *in) {
    static struct http_request req;
    return http_empty_lines_len(in->s, in->len) == 0 && http_parse(in->s, in->len, &req) == 0;
}

static int64_t known_full_poll; /* server->next_full_poll at the last check */

/* Each open connection has one entry in the arrays, and its event was handled. After a full poll the
 * server decides again which connections are active. Otherwise those that are new are added. */
static void check_system(void) {
    bool decides_again = server->next_full_poll != known_full_poll;
    size_t entries = server->nfds - FIRST;
    const char *broken = invariant_violation(server);
    known_full_poll = server->next_full_poll;
    must(!broken, broken);
    for (size_t i = FIRST; i < server->nfds; i++) {
        const struct connection *c = &server->connections[i];
        bool in_front = i < server->active_end;
        client_of(server->pollfds[i].fd);
        must(state_of(c) != READING || is_partial_request(&c->buffer->in),
             "every complete request is responded to");
        must(decides_again ? in_front == is_active(server, c) : in_front || c->since < server->now,
             "the active connections stand in front, and those that were accepted since");
    }
    for (size_t i = 0; i < client_count; i++) {
        must(!clients[i].has_event, "no event is skipped");
        entries -= clients[i].open;
    }
    must(entries == 0, "each open descriptor has one entry");
}

static void iterate(void) {
    run_once(server);
    check_system();
}

#endif
