/* listen.h - the listening socket, and the addresses of clients. See the head of listen.c. */
#ifndef LISTEN_H
#define LISTEN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

struct listener {
    int fd;          /* non-blocking */
    bool inherited;  /* by socket activation; its socket file is not ours to remove */
    bool behind_tls; /* a proxy in front decrypts; set by the caller */
    char name[sizeof(struct sockaddr_un) + 1]; /* "0.0.0.0:8080", "[::]:8080", or a path */
};

/* The address of a client. */
struct peer {
    uint64_t network; /* the IPv4 address or the /64 of the IPv6 address; 0 for a Unix socket */
    char name[INET6_ADDRSTRLEN]; /* for the log: "127.0.0.1", "::1" or "unix" */
};

/* Returns whether `address` can be listened on: IPv4, IPv6 or, if it contains a slash, the path
 * of a Unix socket, whose length is limited by sizeof sun_path. */
bool listen_valid_address(const char *address);

/* Starts to listen on `address`, or on the socket that was inherited by socket activation. Port
 * 0 picks a free port. Returns NULL, or why it failed; listener->name then says what it tried to
 * listen on. */
const char *listen_open(struct listener *listener, const char *address, unsigned port);

/* Stops listening. A socket file that listen_open created is removed. */
void listen_close(struct listener *listener);

/* Accepts a connection. Returns its non-blocking descriptor and stores the address of the
 * client, or returns -1 and sets errno. ECONNABORTED means: call again. */
int listen_accept(const struct listener *listener, struct peer *peer);

#endif
