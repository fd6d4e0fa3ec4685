/* port.c - takes the place of listen.c and log.c on a board without an operating system. Sockets are
 * those of lwIP, the TCP/IP stack, and lines of the log go to standard output.
 *
 * The board's own program starts lwIP's thread (tcpip_init) and its network interface, creates the
 * tables, and calls server_create and server_run in a thread. It has a heap, and defines time and
 * clock_gettime. server_stop may be called from another thread, but not from an interrupt.
 *
 * Only IPv4. A client that waits in the listen queue takes no memory of the server.
 */
#include "listen.h"
#include "log.h"

#include <errno.h>
#include <lwip/def.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define BACKLOG 4

/* The stop pipe of server.c: two UDP sockets, of which one can be polled and the other sends to it. */
int lwip_pipe(int ends[2]) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = PP_HTONL(INADDR_LOOPBACK);
    ends[0] = socket(AF_INET, SOCK_DGRAM, 0);
    ends[1] = socket(AF_INET, SOCK_DGRAM, 0);
    if (ends[0] >= 0 && ends[1] >= 0 &&
        bind(ends[0], (struct sockaddr *)&address, sizeof address) == 0 &&
        getsockname(ends[0], (struct sockaddr *)&address, &len) == 0 &&
        connect(ends[1], (struct sockaddr *)&address, len) == 0)
        return 0;
    int saved_errno = errno;
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0) close(ends[i]);
    errno = saved_errno;
    return -1;
}

/* ---- listen.h ---- */

static bool parse_address(const char *address, struct sockaddr_in *to) {
    *to = (struct sockaddr_in){.sin_family = AF_INET};
    return lwip_inet_pton(AF_INET, address, &to->sin_addr) == 1;
}

bool listen_valid_address(const char *address) {
    struct sockaddr_in parsed;
    return parse_address(address, &parsed);
}

static bool set_nonblocking(int fd) {
    int on = 1;
    return lwip_ioctl(fd, (long)FIONBIO, &on) == 0;
}

const char *listen_open(struct listener *listener, const char *address, unsigned port) {
    struct sockaddr_in parsed;
    parse_address(address, &parsed);
    parsed.sin_port = lwip_htons((uint16_t)port);
    snprintf(listener->name, sizeof listener->name, "%s:%u", address, port);
    listener->inherited = false;
    listener->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (listener->fd < 0) return strerror(errno);
    if (bind(listener->fd, (struct sockaddr *)&parsed, sizeof parsed) == 0 &&
        listen(listener->fd, BACKLOG) == 0 && set_nonblocking(listener->fd))
        return NULL;
    const char *error = strerror(errno);
    listen_close(listener);
    return error;
}

void listen_close(struct listener *listener) {
    close(listener->fd);
    listener->fd = -1;
}

/* With TCP_NODELAY a response does not wait for an acknowledgement. */
int listen_accept(const struct listener *listener, struct peer *peer) {
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    int on = 1, fd = accept(listener->fd, (struct sockaddr *)&address, &len);
    if (fd < 0) return -1;
    if (!set_nonblocking(fd)) {
        close(fd);
        errno = ECONNABORTED;
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *peer = (struct peer){.network = lwip_htonl(address.sin_addr.s_addr)};
    lwip_inet_ntop(AF_INET, &address.sin_addr, peer->name, sizeof peer->name);
    return fd;
}

/* ---- log.h: standard output of a board is a serial line, and is not buffered here ---- */

void log_open(struct log *log, bool quiet) { *log = (struct log){.quiet = quiet}; }

void log_request(struct log *log, const char *peer, struct str request_line, int status,
                 size_t body_len) {
    (void)request_line; /* it may hold any byte, see log.c */
    if (!log->quiet) printf("%s %d %u\n", peer, status, (unsigned)body_len);
}

void log_closed(struct log *log, const char *peer, const char *reason) {
    if (!log->quiet) printf("%s closed: %s\n", peer, reason);
}

void log_statement(struct log *log, const char *statement, struct str parameter) {
    (void)log;
    (void)parameter;
    printf("%s\n", statement);
}

void log_flush(struct log *log) { (void)log; }

void log_end(struct log *log) { (void)log; }
