/* books.h - whether the books of a server balance: its connections and its buffers, and that no
 * secret of a turn outlives it.
 *
 * For files that include server.c, as only server.c knows what is in a struct server.
 */
#ifndef BOOKS_H
#define BOOKS_H

/* Returns what is wrong, or NULL. `buffers` is how many there are in all. */
static const char *books_are_wrong(const struct server *server, size_t buffers) {
    const struct http_response *res = &server->response;
    const struct buffer *shared = server->shared;
    size_t owned = 0;
    if (server->out.len || shared->in[0] || shared->out[0] || res->body_room[0] ||
        res->extra_room[0])
        return "what was read or written in a turn is still there";
    if (server->busy < 1 || server->busy > server->count) return "busy and count contradict";
    if (server->count > server->options->connections + 1) return "the table has overflowed";
    for (size_t i = 1; i < server->count; i++) {
        const struct connection *c = server->table[i];
        if (c->place != i) return "a connection is not where it says";
        if (server->polled[i].fd < 0) return "a connection has no descriptor";
        if (c->state == WRITING && !c->buffer) return "an answer waits nowhere";
        if (c->state == LINGERING && c->buffer) return "who lingers has a buffer";
        owned += c->buffer != NULL;
    }
    return server->pooled + owned == buffers ? NULL : "a buffer is lost";
}

#endif
