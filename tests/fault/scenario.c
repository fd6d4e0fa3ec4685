/* scenario.c - a client that makes the server do everything that it can do, one step after another.
 *
 * Each step has connections of its own, so the number of steps that fail is the number of
 * connections that were lost. One connection stays open during the first steps, and must not be
 * harmed by what happens to the others.
 */
#define _POSIX_C_SOURCE 200809L
#include "scenario.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SERVER_SECOND
#define SERVER_SECOND 1000000000LL
#endif

#define HOST  " HTTP/1.1\r\nHost: a\r\n"
#define LOGIN "{\"username\": \"foo\", \"password\": \"foo\"}"
#define MANY  100 /* responses: more than the small buffers of a slow reader take */
#define FEW   8   /* connections: fewer partial requests than the server has buffers */
#define CROWD 20  /* connections: more than the server has places */

struct injection *injection;
int max_wait;
char response[2048];

/* ---- A client ---- */

static int socket_to(const char *address, int receive_buffer) {
    struct sockaddr_storage to = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&to;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&to;
    struct sockaddr_un *un = (struct sockaddr_un *)&to;
    struct timeval time = {max_wait / 1000, max_wait % 1000 * 1000};
    const char *colon = strrchr(address, ':');
    char host[128] = "";
    if (colon) memcpy(host, address, (size_t)(colon - address));
    to.ss_family = strchr(address, '/') ? AF_UNIX : *address == '[' ? AF_INET6 : AF_INET;
    if (to.ss_family == AF_UNIX) memcpy(un->sun_path, address, strlen(address));
    if (to.ss_family == AF_INET) {
        inet_pton(AF_INET, host, &v4->sin_addr);
        v4->sin_port = htons((uint16_t)atoi(colon + 1));
    }
    if (to.ss_family == AF_INET6) {
        v6->sin6_addr = in6addr_loopback;
        v6->sin6_port = htons((uint16_t)atoi(colon + 1));
    }
    socklen_t len = to.ss_family == AF_UNIX   ? sizeof *un
                    : to.ss_family == AF_INET ? sizeof *v4
                                              : sizeof *v6;
    int fd = socket(to.ss_family, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
    if (receive_buffer)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    if (connect(fd, (struct sockaddr *)&to, len) == 0) return fd;
    close(fd);
    return -1;
}

struct client dial(void) {
    return (struct client){.fd = socket_to(injection->address, 0)};
}

static struct client dial_slowly(void) {
    return (struct client){.fd = socket_to(injection->address, 2048)};
}

void hang_up(struct client *c) {
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
}

static void reset(struct client *c) {
    struct linger at_once = {1, 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    hang_up(c);
}

bool send_text(struct client *c, const char *text) {
    size_t len = strlen(text);
    return send(c->fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Returns the length of the response at the start of c->in, or 0 if it is incomplete. */
static size_t response_length(const struct client *c) {
    const char *end = strstr(c->in, "\r\n\r\n"), *length = strstr(c->in, "Content-Length: ");
    if (!end) return 0;
    size_t whole = (size_t)(end - c->in) + 4;
    if (length && length < end) whole += (size_t)atol(length + strlen("Content-Length: "));
    return whole <= c->len ? whole : 0;
}

/* Returns whether the Date field is well-formed. It may be missing if the time is unknown. */
static bool has_date(void) {
    static const char before[] = "\r\nDate: ", example[] = "Sun, 06 Nov 1994 08:49:37 GMT\r";
    const char *date = strstr(response, before);
    if (!date)
        return injection->injected[CALL_time] || injection->injected[CALL_gmtime_r] ||
               injection->injected[CALL_strftime] || llabs(injection->wall_shift) > 1LL << 29;
    for (size_t i = 0; i < sizeof example - 1; i++) {
        bool any = example[i] >= '0' && example[i] != ':';
        if (!any && date[sizeof before - 1 + i] != example[i]) return false;
    }
    return true;
}

bool read_response(struct client *c, int status) {
    size_t len;
    while ((len = response_length(c)) == 0) {
        ssize_t n = recv(c->fd, c->in + c->len, sizeof c->in - 1 - c->len, 0);
        if (n <= 0) return false;
        c->len += (size_t)n;
        c->in[c->len] = '\0';
    }
    memcpy(response, c->in, len);
    response[len] = '\0';
    if (status != 100 && !has_date()) return false;
    c->len -= len;
    memmove(c->in, c->in + len, c->len + 1);
    return atoi(response + strlen("HTTP/1.1 ")) == status;
}

bool is_closed(struct client *c) {
    struct pollfd polled = {c->fd, POLLIN, 0};
    char rest[4096];
    while (poll(&polled, 1, max_wait) == 1)
        if (recv(c->fd, rest, sizeof rest, 0) <= 0) return true;
    return false;
}

static bool ask(struct client *c, const char *text, int status) {
    return send_text(c, text) && read_response(c, status);
}

bool ask_as(struct client *c, const char *session, const char *line, int status) {
    char text[512];
    snprintf(text, sizeof text, "%s" HOST "Cookie: session_id=%s\r\n\r\n", line, session);
    return ask(c, text, status);
}

bool log_in(struct client *c, char session[41]) {
    char text[512];
    static const char before[] = "\"session_id\": \"";
    snprintf(text, sizeof text, "POST /login" HOST "Content-Length: %zu\r\n\r\n%s", strlen(LOGIN),
             LOGIN);
    if (!ask(c, text, 200)) return false;
    const char *id = strstr(response, before);
    snprintf(session, 41, "%s", id ? id + strlen(before) : "");
    return strlen(session) == 40;
}

bool is_served(void) {
    char session[41];
    struct client c = dial();
    bool served = log_in(&c, session) && ask_as(&c, session, "GET /home", 200);
    hang_up(&c);
    return served;
}

/* Makes a request. When it is handled, everything that was sent before it is handled too. */
static bool synchronize(void) {
    struct client c = dial();
    bool success = ask(&c, "GET /" HOST "\r\n", 404);
    hang_up(&c);
    return success;
}

/* Sets the clocks forward; the monotonic one by seconds of the server. */
static bool advance(int seconds) {
    injection->wall_shift += seconds;
    injection->clock_shift += seconds * SERVER_SECOND;
    return synchronize();
}

/* ---- The steps ---- */

static struct client bystander;
static char bystander_session[41];

static bool bystander_logs_in(void) {
    bystander = dial();
    return log_in(&bystander, bystander_session);
}

/* If it was lost already when it logged in, it is not counted twice. */
static bool bystander_is_served(void) {
    bool success = !*bystander_session || ask_as(&bystander, bystander_session, "GET /home", 200);
    hang_up(&bystander);
    *bystander_session = '\0';
    return success;
}

static bool reference(void) {
    char session[41];
    struct client c = dial();
    bool success = log_in(&c, session) && ask_as(&c, session, "GET /home", 200) &&
                   ask_as(&c, session, "POST /home", 200) &&
                   ask_as(&c, session, "POST /logout", 200) &&
                   ask_as(&c, session, "GET /home", 401) &&
                   ask_as(&c, "DELETED", "POST /logout", 200) && strstr(response, "Not logged in");
    hang_up(&c);
    return success;
}

static bool pipelined(void) {
    struct client c = dial();
    bool success =
        send_text(&c, "GET /home" HOST "\r\nPUT /home" HOST "\r\nGET /nowhere" HOST "\r\n") &&
        read_response(&c, 401) && read_response(&c, 405) && read_response(&c, 404);
    hang_up(&c);
    return success;
}

static bool in_pieces(void) {
    struct client c = dial();
    bool success = send_text(&c, "POST /logout" HOST "Transfer-Enc") && synchronize() &&
                   send_text(&c, "oding: chunked\r\n\r\n3\r\n{") && synchronize() &&
                   send_text(&c, "  \r\n0\r\n\r\n") && read_response(&c, 200);
    hang_up(&c);
    return success;
}

static bool continued(void) {
    struct client c = dial();
    bool success =
        ask(&c, "POST /logout" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", 100) &&
        ask(&c, "{}", 200);
    hang_up(&c);
    return success;
}

static bool last_request(void) {
    struct client c = dial();
    bool success = ask(&c, "GET /home" HOST "Connection: close\r\n\r\n", 401) && is_closed(&c);
    hang_up(&c);
    return success;
}

static bool refused(void) {
    struct client c = dial();
    bool success = ask(&c, "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400) &&
                   send_text(&c, "what is left") && is_closed(&c);
    hang_up(&c);
    return success;
}

static bool leaves(void) {
    struct client c = dial();
    bool success = send_text(&c, "POST /login HTTP") && synchronize();
    reset(&c);
    return success;
}

static bool ask_for_many(struct client *c) {
    static const char request[] = "GET /home" HOST "\r\n";
    char text[MANY * sizeof request] = "";
    for (size_t i = 0; i < MANY; i++) strcpy(text + i * strlen(request), request);
    return send_text(c, text);
}

static bool slow_reader(void) {
    struct client c = dial_slowly();
    bool success = ask_for_many(&c);
    for (int i = 0; success && i < MANY; i++) success = read_response(&c, 401);
    hang_up(&c);
    return success;
}

/* Many connections send `start`, which may be empty. Returns whether the first of them is evicted,
 * and the last is served when it sends the rest of its request. */
static bool crowd(const char *start, const char *rest) {
    struct client c[CROWD];
    struct pollfd first;
    bool success;
    int count = 0;
    do {
        c[count] = dial();
        success = send_text(&c[count], start) && (count < FEW || synchronize());
        first = (struct pollfd){c[0].fd, POLLIN, 0};
    } while (++count < CROWD && success && poll(&first, 1, 0) == 0);
    success = success && is_closed(&c[0]) && ask(&c[count - 1], rest, 401);
    while (count-- > 0) hang_up(&c[count]);
    return success;
}

static bool table_is_full(void) { return crowd("", "GET /home" HOST "\r\n"); }

static bool pool_is_empty(void) { return crowd("GET /home", HOST "\r\n"); }

static bool late(void) {
    struct client c = dial();
    bool success = send_text(&c, "GET /home HTTP") && synchronize() && advance(11) &&
                   read_response(&c, 408) && is_closed(&c);
    hang_up(&c);
    return success;
}

static bool idle(void) {
    struct client c = dial();
    bool success = ask(&c, "GET /home" HOST "\r\n", 401) && advance(16) && is_closed(&c);
    hang_up(&c);
    return success;
}

static bool takes_nothing(void) {
    struct client c = dial_slowly();
    struct pollfd polled = {c.fd, POLLIN, 0};
    bool success =
        ask_for_many(&c) && poll(&polled, 1, max_wait) == 1 && advance(11) && is_closed(&c);
    hang_up(&c);
    return success;
}

/* The server has shut down its side already, so sending fails once it closes the connection. */
static bool lingers(void) {
    struct client c = dial();
    bool success = ask(&c, "?\r\n\r\n", 400) && advance(3), gone = false;
    for (int i = 0; success && !gone && i < max_wait; i++)
        gone = !send_text(&c, "?") || poll(NULL, 0, 1);
    hang_up(&c);
    return success && gone;
}

int run_scenario(bool stop_early, char *failed, size_t size) {
    static const struct {
        const char *name;
        bool (*run)(void);
    } steps[] = {
        {"a bystander logs in", bystander_logs_in},
        {"login, greetings and logout", reference},
        {"three requests in one write", pipelined},
        {"a request in pieces", in_pieces},
        {"100 (Continue)", continued},
        {"the last request", last_request},
        {"a malformed request", refused},
        {"a client that leaves in the middle", leaves},
        {"a slow reader", slow_reader},
        {"the bystander is served", bystander_is_served},
        {"more partial requests than buffers", pool_is_empty},
        {"more connections than places", table_is_full},
        {"a partial request, 408", late},
        {"an idle client", idle},
        {"a client that reads nothing", takes_nothing},
        {"a connection that lingers", lingers},
    };
    int lost = 0;
    *failed = '\0';
    *bystander_session = '\0';
    for (size_t i = 0; i < sizeof steps / sizeof *steps && !(lost && stop_early); i++) {
        if (steps[i].run()) continue;
        lost++;
        snprintf(failed + strlen(failed), size - strlen(failed), "%s%s", lost > 1 ? ", " : "",
                 steps[i].name);
    }
    hang_up(&bystander);
    return lost;
}
