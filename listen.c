/* listen.c - the listening socket: addresses, socket activation, and accept.
 *
 *     struct listener listener;
 *     const char *error = listen_open(&listener, "0.0.0.0", 8080);
 *     ...
 *     while ((fd = listen_accept(&listener, &peer)) >= 0)
 *         ...
 *     listen_close(&listener);
 *
 * A service manager may have opened the socket already (socket activation, see
 * sd_listen_fds(3)). If LISTEN_PID is our process id, LISTEN_FDS is the number of descriptors
 * that we inherit, from 3 on.
 */
#define _POSIX_C_SOURCE 200809L
#include "listen.h"
#include "str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_INHERITED_FD 3

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
};

/* ---- Addresses ---- */

static bool is_unix_path(const char *address) { return strchr(address, '/') != NULL; }

/* Parses an address. Returns the length of the socket address, or 0 if `address` is invalid. */
static socklen_t parse_address(const char *address, unsigned port, union address *to) {
    memset(to, 0, sizeof *to);
    if (is_unix_path(address)) {
        if (strlen(address) >= sizeof to->un.sun_path) return 0;
        to->un.sun_family = AF_UNIX;
        memcpy(to->un.sun_path, address, strlen(address));
        return sizeof to->un;
    }
    if (inet_pton(AF_INET, address, &to->v4.sin_addr) == 1) {
        to->v4.sin_family = AF_INET;
        to->v4.sin_port = htons((uint16_t)port);
        return sizeof to->v4;
    }
    if (inet_pton(AF_INET6, address, &to->v6.sin6_addr) == 1) {
        to->v6.sin6_family = AF_INET6;
        to->v6.sin6_port = htons((uint16_t)port);
        return sizeof to->v6;
    }
    return 0;
}

bool listen_valid_address(const char *address) {
    union address parsed;
    return parse_address(address, 0, &parsed) > 0;
}

/* Describes an address. `network` is what clients are told apart by: the IPv4 address or,
 * because one host may use every address of its network, the /64 of an IPv6 address. An IPv4
 * address that is mapped into IPv6 (RFC 4291 section 2.5.5.2) counts as IPv4. */
static void describe(const union address *address, struct peer *peer) {
    const unsigned char *ip = address->v6.sin6_addr.s6_addr;
    size_t network_len = 8;
    int family = address->any.sa_family;
    peer->network = 0;
    strcpy(peer->name, "unix");
    if (family != AF_INET && family != AF_INET6) return;
    if (family == AF_INET || IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr)) {
        ip = family == AF_INET ? (const unsigned char *)&address->v4.sin_addr : ip + 12;
        network_len = 4;
        family = AF_INET;
    }
    inet_ntop(family, ip, peer->name, sizeof peer->name);
    for (size_t i = 0; i < network_len; i++) peer->network = peer->network << 8 | ip[i];
}

/* ---- Opening ---- */

/* Returns the value of LISTEN_FDS if it is meant for this process and is not 0, otherwise NULL. */
static const char *inherited_fds(void) {
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    if (!pid || !str_equal(str_of(pid), NUMBER((size_t)getpid()))) return NULL;
    return fds && strcmp(fds, "0") != 0 ? fds : NULL;
}

/* A server that was killed leaves its socket file behind. If connecting to it is refused, no
 * process listens there, and the file is removed. */
static void unlink_stale_socket(const char *path) {
    union address address;
    struct stat file;
    socklen_t len = parse_address(path, 0, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) return;
    fcntl(fd, F_SETFL, O_NONBLOCK); /* a busy server must not make us wait */
    if (lstat(path, &file) == 0 && S_ISSOCK(file.st_mode) && connect(fd, &address.any, len) < 0 &&
        errno == ECONNREFUSED)
        unlink(path);
    close(fd);
}

/* Creates a socket and binds it. Returns its descriptor, or -1. */
static int bind_socket(const char *address, unsigned port) {
    union address parsed;
    socklen_t len = parse_address(address, port, &parsed);
    int on = 1, off = 0, fd = socket(parsed.any.sa_family, SOCK_STREAM, 0);
    if (fd < 0) return -1;
    if (parsed.any.sa_family == AF_UNIX) unlink_stale_socket(address);
    if (parsed.any.sa_family == AF_INET6) /* "::" accepts IPv4 as well */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, &parsed.any, len) == 0) return fd;
    int saved_errno = errno;
    close(fd);
    errno = saved_errno;
    return -1;
}

static void format_name(struct listener *listener, const char *address, unsigned port) {
    snprintf(listener->name, sizeof listener->name, strchr(address, ':') ? "[%s]:%u" : "%s:%u",
             address, port);
}

/* Asks the system where the socket is bound, because it may have picked the port. */
static bool set_name(struct listener *listener) {
    union address address;
    struct peer self;
    socklen_t len = sizeof address;
    memset(&address, 0, sizeof address);
    if (getsockname(listener->fd, &address.any, &len) < 0) return false;
    bool is_v6 = address.any.sa_family == AF_INET6;
    describe(&address, &self);
    if (address.any.sa_family == AF_UNIX) /* a path that fills sun_path has no NUL */
        memcpy(listener->name, address.un.sun_path, sizeof address.un.sun_path);
    else
        format_name(listener, self.name, ntohs(is_v6 ? address.v6.sin6_port : address.v4.sin_port));
    return true;
}

const char *listen_open(struct listener *listener, const char *address, unsigned port) {
    const char *listen_fds = inherited_fds();
    int on = 1;
    *listener = (struct listener){.fd = -1, .inherited = listen_fds != NULL};
    const char *shown = listen_fds ? "the inherited socket" : address;
    if (listen_fds || is_unix_path(address))
        snprintf(listener->name, sizeof listener->name, "%s", shown);
    else
        format_name(listener, address, port);
    if (listen_fds && strcmp(listen_fds, "1") != 0)
        return "LISTEN_FDS must be 1: exactly one socket is supported";
    listener->fd = listen_fds ? FIRST_INHERITED_FD : bind_socket(address, port);
    if (listener->fd < 0) return strerror(errno);
    if (listen(listener->fd, SOMAXCONN) < 0 || !set_name(listener) ||
        fcntl(listener->fd, F_SETFL, O_NONBLOCK) < 0) {
        const char *error = strerror(errno);
        listen_close(listener);
        return error;
    }
    /* With TCP_NODELAY a response does not wait for an acknowledgement. On Linux and the BSDs
     * accepted sockets inherit it. */
    setsockopt(listener->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return NULL;
}

/* The socket file is kept if another server listens on it by now. */
void listen_close(struct listener *listener) {
    close(listener->fd);
    listener->fd = -1;
    if (is_unix_path(listener->name) && !listener->inherited) unlink_stale_socket(listener->name);
}

/* ---- Accepting ---- */

int listen_accept(const struct listener *listener, struct peer *peer) {
    union address address = {.any.sa_family = AF_UNSPEC};
    socklen_t len = sizeof address;
    int fd = accept(listener->fd, &address.any, &len);
    if (fd < 0) return -1;
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        close(fd);
        errno = ECONNABORTED;
        return -1;
    }
    describe(&address, peer);
    return fd;
}
