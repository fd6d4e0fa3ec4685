/* route.h - the route table: which handler answers which request. See the head of route.c. */
#ifndef ROUTE_H
#define ROUTE_H

#include "http.h"

/* Handles a request: fills res->body, adds fields with http_add_field, and returns the status. */
typedef int http_handler(const struct http_request *req, struct http_response *res);

/* A row of the route table, which ends with a row of NULLs. */
struct route {
    const char *method, *path;
    http_handler *handle;
};

/* Finds the handler of the request and calls it, or makes the response without one. Returns the
 * status. */
int route_request(const struct route routes[], const struct http_request *req,
                  struct http_response *res);

/* Replaces the body with an error in the common format. `message` must not need escapes in JSON.
 * Returns `status`, so a handler can write `return route_error(res, 400, "...");`. */
int route_error(struct http_response *res, int status, const char *message);

#endif
