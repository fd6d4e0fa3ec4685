/* invariants.h - what holds for a server between two iterations of its event loop: the rules 1, 3 and 4
 * above `enum { LISTENER, ...` in server.c, and what its members mean.
 *
 * For files that include server.c, because only server.c knows what is in a struct server.
 */
#ifndef INVARIANTS_H
#define INVARIANTS_H

static const struct buffer *first_buffer(const struct server *server) {
    return (const struct buffer *)(server->connections + server->max_nfds);
}

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
    if (c->continue_sent && in == 0) return "a 100 (Continue) belongs to a partial request";
    if (i >= server->active_end && server->shutdown_deadline == 0 &&
        deadline_of(server, c) < server->next_deadline)
        return "no connection that is not active expires before the next deadline";
    return NULL;
}

/* Each buffer is free, and erased, or belongs to one connection. */
static const char *buffer_violation(const struct server *server) {
    static bool seen[1024];
    size_t held = 0;
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < server->free_buffer_count; i++) {
        const struct buffer *buffer = server->free_buffers[i];
        if (buffer->in_storage[0] || buffer->out_storage[0]) return "a free buffer is erased";
        seen[buffer - first_buffer(server)] = true;
    }
    for (size_t i = FIRST; i < server->nfds; i++) {
        if (!server->connections[i].buffer) continue;
        seen[server->connections[i].buffer - first_buffer(server)] = true;
        held++;
    }
    for (size_t i = 0; i < server->buffer_count; i++)
        if (!seen[i]) return "no buffer is lost";
    return server->free_buffer_count + held == server->buffer_count
               ? NULL
               : "each buffer is free or belongs to one connection";
}

/* Returns NULL, or the invariant that is broken. */
static const char *invariant_violation(const struct server *server) {
    const struct http_response *res = &server->response;
    if (server->active_end < FIRST || server->active_end > server->nfds)
        return "the active connections stand in front of the others";
    if (server->nfds > server->max_nfds) return "there are at most as many connections as places";
    if (server->free_buffer_count == 0) return "between two events at least one buffer is free";
    for (size_t i = FIRST; i < server->nfds; i++) {
        const char *violation = connection_violation(server, i);
        if (violation) return violation;
    }
    if (res->body.len || res->extra_fields.len || res->body_storage[0] ||
        res->extra_fields_storage[0])
        return "a response is erased";
    return buffer_violation(server);
}

#endif
