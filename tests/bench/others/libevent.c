/* libevent.c - /home and /login on libevent's evhttp.
 *
 *     libevent PORT
 */
#include "sessions.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

static const char *cookie(struct evhttp_request *req) {
    const char *field = evhttp_find_header(evhttp_request_get_input_headers(req), "Cookie");
    const char *id = field ? strstr(field, "session_id=") : NULL;
    return id ? id + strlen("session_id=") : "";
}

static void reply(struct evhttp_request *req, int status, const char *body) {
    struct evbuffer *out = evhttp_request_get_output_buffer(req);
    evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", "application/json");
    evbuffer_add(out, body, strlen(body));
    evhttp_send_reply(req, status, NULL, NULL);
}

static void home(struct evhttp_request *req, void *unused) {
    (void)unused;
    if (is_session(cookie(req)))
        reply(req, 200, "{\"message\": \"Hello, foo\"}");
    else
        reply(req, 401, "{\"error\": \"I can't let you do that\"}");
}

static void login(struct evhttp_request *req, void *unused) {
    char in[512], field[128], out[128];
    (void)unused;
    ev_ssize_t n = evbuffer_copyout(evhttp_request_get_input_buffer(req), in, sizeof in - 1);
    in[n > 0 ? n : 0] = '\0';
    if (!is_login(in)) {
        reply(req, 401, "{\"error\": \"Invalid username or password\"}");
        return;
    }
    const char *id = add_session();
    snprintf(field, sizeof field, "session_id=%s; Path=/", id);
    evhttp_add_header(evhttp_request_get_output_headers(req), "Set-Cookie", field);
    snprintf(out, sizeof out, "{\"message\": \"Logged in\", \"session_id\": \"%s\"}", id);
    reply(req, 200, out);
}

int main(int argc, char **argv) {
    struct event_base *base = event_base_new();
    struct evhttp *server = evhttp_new(base);
    evhttp_set_cb(server, "/home", home, NULL);
    evhttp_set_cb(server, "/login", login, NULL);
    if (argc < 2 || evhttp_bind_socket(server, "127.0.0.1", (unsigned short)atoi(argv[1])) < 0)
        return 1;
    return event_base_dispatch(base);
}
