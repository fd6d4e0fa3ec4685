/* world.h - a fake operating system in place of the system calls of server.c, listen.c and log.c.
 *
 * Peers connect, send bytes and read responses as the script of the fuzzer demands. Any call can
 * be made to fail once. The clock advances only by a script, by a poll that waits, and by 1 us each
 * time it is read. A call that the server must not make ends the program at once.
 */
#ifndef WORLD_H
#define WORLD_H

#include "fuzz.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PEERS        20
#define MAX_SENT     ((size_t)HTTP_BUFFER_SIZE * 2) /* bytes that a peer sends */
#define MAX_RECEIVED ((size_t)65536)                /* bytes that a peer receives */
#define ANY          SIZE_MAX
#define START        (INT64_C(1000) * 1000000000)

enum { LISTEN_FD = 1000, PIPE_READ_FD, PIPE_WRITE_FD, FIRST_PEER_FD };

struct fake_peer {
    bool exists, waiting, open; /* in the script; in the listen queue; accepted and not closed */
    bool at_eof, reset;         /* it sends nothing more; it has reset the connection */
    bool shut_down;             /* the server has shut down its side */
    bool has_event;             /* poll has reported it, and the server has not handled it yet */
    size_t max_read, window;    /* bytes in one recv, 0 = any; bytes that it will still receive */
    char *sent, *received;
    size_t sent_len, read_len, received_len; /* the server has read sent[0 .. read_len) */
};

static struct fake_peer peers[PEERS];
static int64_t clock_now;
static bool poll_waits; /* if nothing is ready; otherwise poll returns at once */
static bool listening, stop_pipe_is_ready, log_is_blocked;
static size_t log_max_write; /* bytes in one write, 0 = any */

/* What the server has done last. */
static int last_ready;       /* what poll has returned */
static bool waits_for_ever;  /* nothing was ready, and poll had no timeout */
static int last_fd;          /* of the peer that was accepted, read from or written to; or -1 */
static bool last_was_accept; /* that call was accept */

/* The fuzzer defines these: it checks an fd before it is closed, and delivers a signal in poll. */
static void check_close(int fd);
static void deliver_signal_in_poll(void);

/* ---- Faults ---- */

enum call { ACCEPT, FCNTL, RECV, SEND, SHUTDOWN, POLL, WRITE, CLOCK, CALLS };

static const struct fault {
    enum call call;
    int error;
    bool hurts; /* a peer loses responses by it */
} faults[] = {{ACCEPT, EMFILE, true}, {ACCEPT, ECONNABORTED, false}, {ACCEPT, EINTR, false},
              {FCNTL, EBADF, true},   {RECV, EINTR, false},          {RECV, ECONNRESET, true},
              {RECV, EAGAIN, false},  {SEND, EINTR, false},          {SEND, EPIPE, true},
              {SEND, EAGAIN, false},  {SHUTDOWN, ENOTCONN, false},   {POLL, EINTR, false},
              {POLL, ENOMEM, false},  {WRITE, EIO, false},           {ACCEPT, ENFILE, false},
              {CLOCK, EINVAL, false}};
static int errors[CALLS]; /* of the next call of each; 0 = none */

static bool fails(enum call call) {
    errno = errors[call];
    errors[call] = 0;
    return errno != 0;
}

/* ---- Addresses: the first four peers have their own, and the others belong to two clients ---- */

#define SINGLE_PEERS 4  /* 10.0.0.0, 10.0.0.1, ... */
#define FIRST_IPV6   12 /* below: 10.0.0.4, some as an IPv4-mapped address; from here on: one /64 */

/* Returns the number of the client that a peer belongs to. */
static int client_of(int peer) {
    if (peer < SINGLE_PEERS) return peer;
    return SINGLE_PEERS + (peer >= FIRST_IPV6);
}

static void set_address(void *address, int peer) {
    bool is_v6 = peer >= FIRST_IPV6 || (peer >= SINGLE_PEERS && peer % 2 == 0);
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    v4.sin_addr.s_addr = htonl(0x0a000000 + (uint32_t)client_of(peer));
    inet_pton(AF_INET6, peer < FIRST_IPV6 ? "::ffff:10.0.0.4" : "2001:db8:0:1::", &v6.sin6_addr);
    if (peer >= FIRST_IPV6) v6.sin6_addr.s6_addr[15] = (unsigned char)peer;
    memcpy(address, is_v6 ? (void *)&v6 : (void *)&v4, is_v6 ? sizeof v6 : sizeof v4);
}

/* What listen_accept has to store for a peer. */
static uint64_t network_of(int peer) {
    return peer < FIRST_IPV6 ? 0x0a000000 + (uint64_t)client_of(peer) : 0x20010db800000001;
}

/* ---- The connections ---- */

static struct fake_peer *peer_at(int fd) {
    HOLDS(fd >= FIRST_PEER_FD && fd < FIRST_PEER_FD + PEERS && peers[fd - FIRST_PEER_FD].open);
    return &peers[fd - FIRST_PEER_FD];
}

static int fake_accept(int fd, struct sockaddr *address, socklen_t *len) {
    HOLDS(fd == LISTEN_FD && listening && *len >= sizeof(struct sockaddr_in6));
    last_fd = -1;
    last_was_accept = true;
    if (fails(ACCEPT)) return -1;
    for (int i = 0; i < PEERS; i++) {
        if (!peers[i].waiting) continue;
        peers[i].waiting = false;
        peers[i].open = true;
        set_address(address, i);
        last_fd = FIRST_PEER_FD + i;
        return last_fd;
    }
    errno = EAGAIN;
    return -1;
}

/* Only an event allows to read: 4 KiB, once, and once more if a signal interrupts it. */
static ssize_t fake_recv(int fd, void *to, size_t len, int flags) {
    struct fake_peer *peer = peer_at(fd);
    size_t n = peer->sent_len - peer->read_len;
    HOLDS(len > 0 && len <= 4096 && flags == 0 && peer->has_event);
    peer->has_event = last_was_accept = false;
    last_fd = fd;
    if (fails(RECV)) {
        peer->has_event = errno == EINTR;
        return -1;
    }
    errno = peer->reset ? ECONNRESET : EAGAIN;
    if (peer->reset || n == 0) return peer->at_eof && !peer->reset ? 0 : -1;
    if (n > len) n = len;
    if (peer->max_read > 0 && n > peer->max_read) n = peer->max_read;
    memcpy(to, peer->sent + peer->read_len, n);
    peer->read_len += n;
    return (ssize_t)n;
}

static size_t window_of(const struct fake_peer *peer) {
    size_t left = MAX_RECEIVED - peer->received_len;
    return left < peer->window ? left : peer->window;
}

static ssize_t fake_send(int fd, const void *from, size_t len, int flags) {
    struct fake_peer *peer = peer_at(fd);
    HOLDS(len > 0 && flags == 0 && !peer->shut_down);
    peer->has_event = last_was_accept = false;
    last_fd = fd;
    if (fails(SEND)) return -1;
    errno = peer->reset ? EPIPE : EAGAIN;
    if (peer->reset || window_of(peer) == 0) return -1;
    if (len > window_of(peer)) len = window_of(peer);
    memcpy(peer->received + peer->received_len, from, len);
    peer->received_len += len;
    if (peer->window != ANY) peer->window -= len;
    return (ssize_t)len;
}

static int fake_shutdown(int fd, int how) {
    HOLDS(how == SHUT_WR && !peer_at(fd)->shut_down);
    if (fails(SHUTDOWN)) return -1;
    peer_at(fd)->shut_down = true;
    return 0;
}

static int fake_close(int fd) {
    HOLDS(fd != LISTEN_FD || listening);
    if (fd == LISTEN_FD) listening = false;
    if (fd < FIRST_PEER_FD) return 0;
    check_close(fd);
    peer_at(fd)->has_event = false;
    peer_at(fd)->open = false;
    return 0;
}

static int fake_fcntl(int fd, int command, int flags) {
    HOLDS(command == F_SETFL && flags == O_NONBLOCK);
    return fd >= FIRST_PEER_FD && fails(FCNTL) ? -1 : 0;
}

/* ---- The log: whole lines of printable ASCII, so that no client can forge one ---- */

static bool log_may_write; /* poll has promised it for the next _POSIX_PIPE_BUF bytes */
static char log_line[4096];
static size_t log_line_len;

static void check_log_line(struct str line) {
    const struct str dropped = STR("server: log lines dropped: ");
    if (starts_with(line, STR("10.0.0.")) || starts_with(line, STR("2001:db8:0:1::"))) {
        struct str client = str_split(&line, '"');
        HOLDS(client.len > 2 && memcmp(client.s + client.len - 2, "] ", 2) == 0);
        HOLDS(memchr(line.s, '"', line.len));
        str_split(&line, '"'); /* the request-line */
        HOLDS(line.len > 0 && !memchr(line.s, '"', line.len));
        HOLDS(starts_with(line, STR(" closed: ")) || (line.len > 5 && is_digit(line.s[1])));
    } else if (starts_with(line, dropped)) {
        for (size_t i = dropped.len; i < line.len; i++) HOLDS(is_digit(line.s[i]));
    } else {
        HOLDS(starts_with(line, STR("INSERT ")) || starts_with(line, STR("SELECT ")) ||
              starts_with(line, STR("UPDATE ")) || starts_with(line, STR("DELETE ")));
        HOLDS(memcmp(line.s + line.len - 2, "']", 2) == 0);
    }
}

static ssize_t fake_write(int fd, const void *from, size_t len) {
    const char *bytes = from;
    if (fd == PIPE_WRITE_FD) {
        HOLDS(!stop_pipe_is_ready && len == 1);
        stop_pipe_is_ready = true;
        errno = 0; /* which the caller must not lose */
        return 1;
    }
    HOLDS(fd == STDERR_FILENO && len > 0 && len <= _POSIX_PIPE_BUF && log_may_write);
    log_may_write = false;
    if (fails(WRITE)) return -1;
    if (log_max_write > 0 && len > log_max_write) len = log_max_write;
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\n') {
            check_log_line((struct str){log_line, log_line_len});
            log_line_len = 0;
            continue;
        }
        HOLDS(bytes[i] >= 0x20 && bytes[i] <= 0x7e && log_line_len < sizeof log_line);
        log_line[log_line_len++] = bytes[i];
    }
    return (ssize_t)len;
}

/* ---- poll and the clock ---- */

static int ready_events(int fd) {
    bool waiting = false;
    for (int i = 0; i < PEERS; i++) waiting = waiting || peers[i].waiting;
    if (fd == LISTEN_FD) return waiting ? POLLIN : 0;
    if (fd == PIPE_READ_FD) return stop_pipe_is_ready ? POLLIN : 0;
    const struct fake_peer *peer = peer_at(fd);
    if (peer->reset) return POLLIN | POLLOUT | POLLERR | POLLHUP;
    return (peer->read_len < peer->sent_len || peer->at_eof ? POLLIN : 0) |
           (window_of(peer) > 0 ? POLLOUT : 0);
}

static int poll_for_log(struct pollfd *output, nfds_t count, int timeout) {
    HOLDS(count == 1 && output->events == POLLOUT && timeout == 0);
    log_may_write = !log_is_blocked;
    return log_may_write;
}

static int fake_poll(struct pollfd *pollfds, nfds_t count, int timeout) {
    if (count == 0) { /* a pause */
        HOLDS(timeout > 0);
        clock_now += timeout * INT64_C(1000000);
        return 0;
    }
    if (pollfds->fd == STDERR_FILENO) return poll_for_log(pollfds, count, timeout);
    deliver_signal_in_poll();
    waits_for_ever = false;
    last_ready = -1;
    if (fails(POLL)) return -1;
    last_ready = 0;
    for (nfds_t i = 0; i < count; i++) {
        pollfds[i].revents = 0;
        if (pollfds[i].fd < 0) continue;
        pollfds[i].revents =
            (short)(ready_events(pollfds[i].fd) & (pollfds[i].events | POLLERR | POLLHUP));
        if (pollfds[i].revents == 0) continue;
        last_ready++;
        if (pollfds[i].fd >= FIRST_PEER_FD) peer_at(pollfds[i].fd)->has_event = true;
    }
    waits_for_ever = last_ready == 0 && timeout < 0;
    if (last_ready == 0 && poll_waits && timeout > 0) clock_now += timeout * INT64_C(1000000);
    return last_ready;
}

static int fake_clock_gettime(clockid_t which, struct timespec *now) {
    HOLDS(which == CLOCK_MONOTONIC);
    bool failed = fails(CLOCK);
    clock_now += failed ? 1000000 : 1000; /* the server assumes a millisecond if it fails */
    if (failed) return -1;
    *now = (struct timespec){clock_now / 1000000000, clock_now % 1000000000};
    return 0;
}

/* ---- Opening ---- */

static int fake_pipe(int ends[2]) {
    ends[0] = PIPE_READ_FD;
    ends[1] = PIPE_WRITE_FD;
    return 0;
}

static int fake_socket(int family, int type, int protocol) {
    HOLDS(family == AF_INET && type == SOCK_STREAM && protocol == 0);
    listening = true;
    return LISTEN_FD;
}

/* The calls that nothing depends on here. */
static int fake_other(const void *argument) { return argument ? 0 : -1; }

#endif
