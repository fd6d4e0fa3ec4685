/* server.h - the socket server: listens, reads requests, finds their routes, writes the answers.
 * See the head of server.c. */
#ifndef SERVER_H
#define SERVER_H

#include "http.h"

/* Answers one request: fills res->body (and res->extra by http_add_field), returns the status, one of
 * those in http_status. */
typedef int server_handler(const struct http_request *req, struct http_response *res);

/* HEAD, OPTIONS, 404 and 405 come out of the table. A table ends with an empty row. */
struct route {
    const char *method, *path;
    server_handler *handle;
};

struct server_options {
    const char *address; /* one that server_is_address takes */
    unsigned port;       /* 0 takes any that is free */
    size_t connections;  /* at most */
    bool quiet;          /* no access log */
};

struct server;

/* Whether this is an address to serve on: IPv4, IPv6, or, with a slash, the path of a Unix socket, which
 * POSIX gives a length at most (sun_path). */
bool server_is_address(const char *address);

/* The bytes of memory that server_create takes. */
size_t server_memory(const struct server_options *options);

/* Listens and sets all memory aside. Where that fails it returns NULL, errno says why, and *failed
 * what was being done, such as "listen on", to be said before the address. */
struct server *server_create(const struct server_options *options, const struct route routes[],
                             const char **failed);

/* Where it listens: "0.0.0.0:8080", "[::]:8080", or a path. */
struct str server_name(const struct server *server);

/* Serves until SIGINT or SIGTERM has come and what was in flight is answered. */
void server_run(struct server *server);

/* Frees what server_create took. */
void server_destroy(struct server *server);

/* Makes the answer an error in the shape all errors have. Returns `status`, for handlers to return. */
int server_error(struct http_response *res, int status, struct str message);

#endif
