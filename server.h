/* server.h - the socket server: an event loop that reads requests, has them handled, and writes the
 * responses. See the head of server.c. */
#ifndef SERVER_H
#define SERVER_H

#include "listen.h"
#include "log.h"
#include "route.h"

struct server;

/* Returns the bytes that server_create allocates. */
size_t server_memory_size(size_t max_connections);

/* Creates a server for the listener, the routes and the log, which must outlive it. Returns NULL
 * and sets errno if out of memory or descriptors. */
struct server *server_create(struct listener *listener, const struct route routes[],
                             struct log *log, size_t max_connections);

/* Serves until server_stop is called, then closes the listener and finishes the requests in
 * progress, in at most 5 s. The caller must ignore SIGPIPE. */
void server_run(struct server *server);

/* Makes server_run return. May be called from a signal handler, and any number of times. */
void server_stop(struct server *server);

/* Closes all connections and frees the memory. What it adds to the log is not written yet. */
void server_destroy(struct server *server);

#endif
