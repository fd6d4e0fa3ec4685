/* libmicrohttpd.c - /home and /login on GNU libmicrohttpd: epoll, one thread.
 *
 *     libmicrohttpd PORT
 */
#include "example.h"

#include <microhttpd.h>
#include <unistd.h>

/* The body of a request in progress, which comes in pieces. */
struct body {
    size_t len;
    char text[512];
};

static enum MHD_Result reply(struct MHD_Connection *connection, const char *path,
                             const struct body *body) {
    char out[128], cookie[128];
    const char *id = MHD_lookup_connection_value(connection, MHD_COOKIE_KIND, "session_id");
    int status = respond(path, id ? id : "", body->text, out, cookie);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(out), out, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "Content-Type", "application/json");
    if (*cookie) MHD_add_response_header(response, "Set-Cookie", cookie);
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return result;
}

/* Called with the head, with each piece of the body, and at the end. */
static enum MHD_Result handle(void *unused, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *data,
                              size_t *len, void **request) {
    struct body *body = *request;
    (void)unused, (void)method, (void)version;
    if (!body) {
        *request = calloc(1, sizeof *body);
        return *request ? MHD_YES : MHD_NO;
    }
    if (*len == 0) return reply(connection, path, body);
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
