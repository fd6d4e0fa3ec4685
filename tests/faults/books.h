/* books.h - the invariants of a server between two iterations of its event loop.
 *
 * For files that include server.c, because only server.c knows what is in a struct server.
 */
#ifndef BOOKS_H
#define BOOKS_H

static const char *connection_violation(const struct server *server, size_t i) {
    const struct connection *c = &server->connections[i];
    size_t in = c->buffer ? c->buffer->in.len : 0, out = c->buffer ? c->buffer->out.len : 0;
    if (server->pollfds[i].fd < 0) return "a connection has a descriptor";
    if (server->pollfds[i].revents != 0) return "revents is cleared before an event is handled";
    if (server->pollfds[i].events != (out > 0 ? POLLOUT : POLLIN))
        return "a connection waits to send if it has output, else to receive";
    if (c->buffer && in + out == 0) return "an empty buffer goes back to the pool";
    if (c->lingering && (c->buffer || !c->close_after_response))
        return "a connection that lingers has sent its last response";
    if (c->close_after_response && !c->lingering && out == 0)
        return "a connection is closed, or lingers, after its last response";
    if (i >= server->active_end && server->shutdown_deadline == 0 &&
        deadline_of(server, c) < server->next_deadline)
        return "no connection that is not active expires before the next deadline";
    return NULL;
}

/* Returns NULL, or the invariant that is broken. */
static const char *invariant_violation(const struct server *server) {
    const struct http_response *res = &server->response;
    size_t held = 0;
    if (server->active_end < FIRST || server->active_end > server->nfds)
        return "the active connections stand in front of the others";
    if (server->nfds > server->max_nfds) return "there are at most as many connections as places";
    for (size_t i = FIRST; i < server->nfds; i++) {
        const char *violation = connection_violation(server, i);
        if (violation) return violation;
        held += server->connections[i].buffer != NULL;
    }
    if (server->free_buffer_count == 0) return "between two events at least one buffer is free";
    if (server->free_buffer_count + held != server->buffer_count)
        return "each buffer is free or belongs to one connection";
    for (size_t i = 0; i < server->free_buffer_count; i++)
        if (server->free_buffers[i]->in_storage[0] || server->free_buffers[i]->out_storage[0])
            return "a free buffer is erased";
    if (res->body_storage[0] || res->extra_fields_storage[0]) return "a response is erased";
    return NULL;
}

#endif
