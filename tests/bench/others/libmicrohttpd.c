/* libmicrohttpd.c - /home and /login on GNU libmicrohttpd: epoll, one thread.
 *
 *     libmicrohttpd PORT
 */
#include "sessions.h"

#include <microhttpd.h>
#include <unistd.h>

/* The body of a request in progress, which comes in pieces. */
struct body {
    size_t len;
    char text[512];
};

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status, const char *body,
                             const char *cookie) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(body), (void *)body, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "Content-Type", "application/json");
    if (cookie) MHD_add_response_header(response, "Set-Cookie", cookie);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result login(struct MHD_Connection *connection, const struct body *body) {
    char field[128], out[128];
    if (!is_login(body->text))
        return reply(connection, 401, "{\"error\": \"Invalid username or password\"}", NULL);
    const char *id = add_session();
    snprintf(field, sizeof field, "session_id=%s; Path=/", id);
    snprintf(out, sizeof out, "{\"message\": \"Logged in\", \"session_id\": \"%s\"}", id);
    return reply(connection, 200, out, field);
}

static enum MHD_Result respond(struct MHD_Connection *connection, const char *path,
                               const char *method, const struct body *body) {
    const char *id = MHD_lookup_connection_value(connection, MHD_COOKIE_KIND, "session_id");
    if (!id) id = "";
    if (strcmp(path, "/login") == 0 && strcmp(method, "POST") == 0) return login(connection, body);
    if (strcmp(path, "/home") != 0)
        return reply(connection, 404, "{\"error\": \"not found\"}", NULL);
    if (!is_session(id))
        return reply(connection, 401, "{\"error\": \"I can't let you do that\"}", NULL);
    return reply(connection, 200, "{\"message\": \"Hello, foo\"}", NULL);
}

/* Called with the head, with each piece of the body, and at the end. */
static enum MHD_Result handle(void *unused, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *data,
                              size_t *len, void **request) {
    struct body *body = *request;
    (void)unused, (void)version;
    if (!body) {
        *request = calloc(1, sizeof *body);
        return *request ? MHD_YES : MHD_NO;
    }
    if (*len == 0) return respond(connection, path, method, body);
    if (*len >= sizeof body->text - body->len) return MHD_NO;
    memcpy(body->text + body->len, data, *len);
    body->len += *len;
    *len = 0;
    return MHD_YES;
}

static void forget(void *unused, struct MHD_Connection *connection, void **request,
                   enum MHD_RequestTerminationCode code) {
    (void)unused, (void)connection, (void)code;
    free(*request);
}

int main(int argc, char **argv) {
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD;
    if (argc < 2 || !MHD_start_daemon(flags, (uint16_t)atoi(argv[1]), NULL, NULL, handle, NULL,
                                      MHD_OPTION_NOTIFY_COMPLETED, forget, NULL,
                                      MHD_OPTION_CONNECTION_LIMIT, 12000u, MHD_OPTION_END))
        return 1;
    return pause();
}
