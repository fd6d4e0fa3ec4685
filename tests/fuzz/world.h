/* world.h - peers, a clock and a log's sink of our own, in place of the system calls of server.c.
 *
 * Peers connect, say bytes and take answers as a play tells them to; any call can be made to fail
 * once. Time stands still but for what passes on purpose. What the server may not do with its
 * descriptors ends the program at once.
 */
#ifndef WORLD_H
#define WORLD_H

#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PEERS 14
#define SAID  ((size_t)HTTP_BUFFER * 2) /* bytes of one peer, at most */
#define TOLD  ((size_t)65536)           /* bytes of answers to one, at most */
#define ANY   SIZE_MAX
#define START (INT64_C(1000) * 1000000000)

enum { LISTENER = 1000, PIPE, PIPE_END, FIRST_PEER };

struct peer {
    bool known, waits, open; /* it has come; is not accepted yet; is, and is not closed */
    bool is_done, has_reset; /* it has nothing more to say; it tore the connection down */
    bool is_over;            /* the server has shut its side */
    size_t piece, takes;     /* bytes at once that it says, 0 any, and that it takes from here on */
    char *said, *told;
    size_t said_len, heard, told_len; /* the server has read said[0 .. heard) */
};

static struct peer peers[PEERS];
static int64_t clock_now;
static bool is_patient; /* poll sleeps where nothing is ready, else it is interrupted */
static bool is_asleep;  /* nothing is ready, and poll was told to wait for ever */
static bool listens, is_signalled, sink_is_full;

/* ---- Faults ---- */

enum call { ACCEPT, FCNTL, RECV, SEND, SHUTDOWN, POLL, WRITE, CALLS };

static const struct fault {
    enum call call;
    int error;
    bool hurts; /* somebody loses answers by it */
} faults[] = {{ACCEPT, EMFILE, false},     {ACCEPT, ECONNABORTED, false},
              {ACCEPT, EINTR, false},      {FCNTL, EBADF, true},
              {RECV, EINTR, false},        {RECV, ECONNRESET, true},
              {RECV, EAGAIN, false},       {SEND, EINTR, false},
              {SEND, EPIPE, true},         {SEND, EAGAIN, false},
              {SHUTDOWN, ENOTCONN, false}, {POLL, EINTR, false},
              {POLL, ENOMEM, false},       {WRITE, EIO, false}};
static int errors[CALLS]; /* of the next call of each; 0 is none */

static bool fails(enum call call) {
    errno = errors[call];
    errors[call] = 0;
    return errno != 0;
}

/* ---- The system calls ---- */

static struct peer *peer_at(int fd) {
    HOLDS(fd >= FIRST_PEER && fd < FIRST_PEER + PEERS && peers[fd - FIRST_PEER].open);
    return &peers[fd - FIRST_PEER];
}

static int fake_accept(int fd, struct sockaddr *address, socklen_t *len) {
    HOLDS(fd == LISTENER && listens && *len >= sizeof *address);
    if (fails(ACCEPT)) return -1;
    for (int i = 0; i < PEERS; i++) {
        if (!peers[i].waits) continue;
        peers[i].waits = false;
        peers[i].open = true;
        address->sa_family = AF_INET;
        return FIRST_PEER + i;
    }
    errno = EAGAIN;
    return -1;
}

static ssize_t fake_recv(int fd, void *to, size_t len, int flags) {
    struct peer *peer = peer_at(fd);
    size_t n = peer->said_len - peer->heard;
    HOLDS(len > 0 && flags == 0);
    if (fails(RECV)) return -1;
    errno = peer->has_reset ? ECONNRESET : EAGAIN;
    if (peer->has_reset || n == 0) return peer->is_done && !peer->has_reset ? 0 : -1;
    if (n > len) n = len;
    if (peer->piece > 0 && n > peer->piece) n = peer->piece;
    memcpy(to, peer->said + peer->heard, n);
    peer->heard += n;
    return (ssize_t)n;
}

static size_t room_of(const struct peer *peer) {
    size_t room = TOLD - peer->told_len;
    return room < peer->takes ? room : peer->takes;
}

static ssize_t fake_send(int fd, const void *from, size_t len, int flags) {
    struct peer *peer = peer_at(fd);
    HOLDS(len > 0 && flags == 0 && !peer->is_over);
    if (fails(SEND)) return -1;
    errno = peer->has_reset ? EPIPE : EAGAIN;
    if (peer->has_reset || room_of(peer) == 0) return -1;
    if (len > room_of(peer)) len = room_of(peer);
    memcpy(peer->told + peer->told_len, from, len);
    peer->told_len += len;
    if (peer->takes != ANY) peer->takes -= len;
    return (ssize_t)len;
}

static int fake_shutdown(int fd, int how) {
    HOLDS(how == SHUT_WR && !peer_at(fd)->is_over);
    if (fails(SHUTDOWN)) return -1;
    peer_at(fd)->is_over = true;
    return 0;
}

static int fake_close(int fd) {
    HOLDS(fd != LISTENER || listens);
    if (fd == LISTENER)
        listens = false;
    else if (fd >= FIRST_PEER)
        peer_at(fd)->open = false;
    return 0;
}

static int fake_fcntl(int fd, int command, int flags) {
    HOLDS(command == F_SETFL && flags == O_NONBLOCK);
    return fd >= FIRST_PEER && fails(FCNTL) ? -1 : 0;
}

static int ready_events(int fd) {
    bool waiting = false;
    for (int i = 0; i < PEERS; i++) waiting = waiting || peers[i].waits;
    if (fd == LISTENER) return waiting ? POLLIN : 0;
    if (fd == PIPE) return is_signalled ? POLLIN : 0;
    if (fd == STDERR_FILENO) return sink_is_full ? 0 : POLLOUT;
    const struct peer *peer = peer_at(fd);
    if (peer->has_reset) return POLLIN | POLLOUT | POLLERR | POLLHUP;
    return (peer->heard < peer->said_len || peer->is_done ? POLLIN : 0) |
           (room_of(peer) > 0 ? POLLOUT : 0);
}

static int fake_poll(struct pollfd *polled, nfds_t count, int timeout) {
    int ready = 0;
    bool for_sink = polled->fd == STDERR_FILENO;
    if (!for_sink) is_asleep = false;
    if (!for_sink && fails(POLL)) return -1;
    for (nfds_t i = 0; i < count; i++) {
        polled[i].revents = 0;
        if (polled[i].fd < 0) continue;
        polled[i].revents =
            (short)(ready_events(polled[i].fd) & (polled[i].events | POLLERR | POLLHUP));
        ready += polled[i].revents != 0;
    }
    if (!for_sink) is_asleep = ready == 0 && timeout < 0;
    if (ready > 0 || timeout == 0) return ready;
    if (is_patient && timeout > 0) clock_now += timeout * INT64_C(1000000);
    return 0;
}

/* Standard error takes log lines: visible ASCII alone, so that nobody forges one. */
static ssize_t fake_write(int fd, const void *from, size_t len) {
    if (fd == PIPE_END) {
        is_signalled = true;
        return 1;
    }
    HOLDS(fd == STDERR_FILENO && len > 0);
    if (fails(WRITE)) return -1;
    for (const char *at = from; at < (const char *)from + len; at++)
        HOLDS((*at >= 0x20 && *at <= 0x7e) || *at == '\n');
    return (ssize_t)len;
}

/* Each look at a clock takes 1 us, and a sleep none of the processor's time. */
static int fake_clock_gettime(clockid_t which, struct timespec *now) {
    static int64_t spent;
    HOLDS(which == CLOCK_MONOTONIC || which == CLOCK_PROCESS_CPUTIME_ID);
    clock_now += 1000;
    spent += 1000;
    int64_t time = which == CLOCK_MONOTONIC ? clock_now : spent;
    *now = (struct timespec){time / 1000000000, time % 1000000000};
    return 0;
}

static int fake_nanosleep(const struct timespec *time, struct timespec *rest) {
    (void)rest;
    clock_now += (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
    return 0;
}

static int fake_pipe(int ends[2]) {
    ends[0] = PIPE;
    ends[1] = PIPE_END;
    return 0;
}

static int fake_socket(int family, int type, int protocol) {
    HOLDS(family == AF_INET && type == SOCK_STREAM && protocol == 0);
    listens = true;
    return LISTENER;
}

/* The calls that nothing hangs on here. */
static int fake_other(const void *argument) { return argument ? 0 : -1; }

#endif
