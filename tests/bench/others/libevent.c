/* libevent.c - /home and /login on libevent's evhttp.
 *
 *     libevent PORT
 */
#include "example.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

static void handle(struct evhttp_request *req, void *unused) {
    char in[512], out[128], cookie[128];
    struct evkeyvalq *fields = evhttp_request_get_output_headers(req);
    struct evbuffer *body = evhttp_request_get_output_buffer(req);
    (void)unused;
    ev_ssize_t n = evbuffer_copyout(evhttp_request_get_input_buffer(req), in, sizeof in - 1);
    in[n > 0 ? n : 0] = '\0';
    const char *field = evhttp_find_header(evhttp_request_get_input_headers(req), "Cookie");
    const char *id = field ? strstr(field, "session_id=") : NULL;
    id = id ? id + strlen("session_id=") : "";
    int status = respond(evhttp_request_get_uri(req), id, in, out, cookie);
    evhttp_add_header(fields, "Content-Type", "application/json");
    if (*cookie) evhttp_add_header(fields, "Set-Cookie", cookie);
    evbuffer_add(body, out, strlen(out));
    evhttp_send_reply(req, status, NULL, NULL);
}

int main(int argc, char **argv) {
    struct event_base *base = event_base_new();
    struct evhttp *server = evhttp_new(base);
    evhttp_set_gencb(server, handle, NULL);
    if (argc < 2 || evhttp_bind_socket(server, "127.0.0.1", (unsigned short)atoi(argv[1])) < 0)
        return 1;
    return event_base_dispatch(base);
}
