/* walk.c - a client that walks through all that the server does, one step after another.
 *
 * Each step has connections of its own, so the number of steps that go wrong is the number of
 * connections that were lost. One connection stands by through the first steps and must come to no
 * harm by what happens to the others.
 */
#define _POSIX_C_SOURCE 200809L
#include "walk.h"

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
#define MANY  100 /* answers: more than the small buffers of a slow reader take */
#define FEW   8   /* connections: as many half requests as the server has buffers */
#define CROWD 20  /* connections: more than the server has places */

struct plan *plan;
int patience;
char heard[2048];

/* ---- A client ---- */

static int socket_to(const char *address, int receive_buffer) {
    struct sockaddr_storage to = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&to;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&to;
    struct sockaddr_un *un = (struct sockaddr_un *)&to;
    struct timeval time = {patience / 1000, patience % 1000 * 1000};
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
    return (struct client){.fd = socket_to(plan->address, 0)};
}

static struct client dial_slowly(void) {
    return (struct client){.fd = socket_to(plan->address, 2048)};
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

bool say(struct client *c, const char *text) {
    size_t len = strlen(text);
    return send(c->fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* The length of the answer at the start of c->in, or 0 where it is not whole. */
static size_t answer_length(const struct client *c) {
    const char *end = strstr(c->in, "\r\n\r\n"), *length = strstr(c->in, "Content-Length: ");
    if (!end) return 0;
    size_t whole = (size_t)(end - c->in) + 4;
    if (length && length < end) whole += (size_t)atol(length + strlen("Content-Length: "));
    return whole <= c->len ? whole : 0;
}

/* Whether a date stands where it belongs, be it the wrong one. */
static bool has_date(const char *answer) {
    static const char before[] = "\r\nDate: ", example[] = "Sun, 06 Nov 1994 08:49:37 GMT\r";
    const char *date = strstr(answer, before);
    if (!date) return false;
    for (size_t i = 0; i < sizeof example - 1; i++) {
        bool any = example[i] >= '0' && example[i] != ':';
        if (!any && date[sizeof before - 1 + i] != example[i]) return false;
    }
    return true;
}

bool hear(struct client *c, int status) {
    size_t len;
    while ((len = answer_length(c)) == 0) {
        ssize_t n = recv(c->fd, c->in + c->len, sizeof c->in - 1 - c->len, 0);
        if (n <= 0) return false;
        c->len += (size_t)n;
        c->in[c->len] = '\0';
    }
    memcpy(heard, c->in, len);
    heard[len] = '\0';
    if (status != 100 && !has_date(heard)) return false;
    c->len -= len;
    memmove(c->in, c->in + len, c->len + 1);
    return atoi(heard + strlen("HTTP/1.1 ")) == status;
}

bool is_closed(struct client *c) {
    struct pollfd polled = {c->fd, POLLIN, 0};
    char rest[4096];
    while (poll(&polled, 1, patience) == 1)
        if (recv(c->fd, rest, sizeof rest, 0) <= 0) return true;
    return false;
}

static bool ask(struct client *c, const char *text, int status) {
    return say(c, text) && hear(c, status);
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
    const char *id = strstr(heard, before);
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

/* Something to do for a server that may be asleep; when it is done, what came before it is too. */
static bool wake(void) {
    struct client c = dial();
    bool well = ask(&c, "GET /" HOST "\r\n", 404);
    hang_up(&c);
    return well;
}

/* Puts the clocks forward, by seconds of the server the monotonic one. */
static bool advance(int seconds) {
    plan->wall_jump += seconds;
    plan->ahead += seconds * SERVER_SECOND;
    return wake();
}

/* ---- The steps ---- */

static struct client standby;
static char standby_session[41];

static bool stand_by(void) {
    standby = dial();
    return log_in(&standby, standby_session);
}

/* Whoever was lost in the step above is not counted twice. */
static bool still_stands_by(void) {
    bool well = !*standby_session || ask_as(&standby, standby_session, "GET /home", 200);
    hang_up(&standby);
    *standby_session = '\0';
    return well;
}

static bool reference(void) {
    char session[41];
    struct client c = dial();
    bool well = log_in(&c, session) && ask_as(&c, session, "GET /home", 200) &&
                ask_as(&c, session, "POST /home", 200) &&
                ask_as(&c, session, "POST /logout", 200) && ask_as(&c, session, "GET /home", 401) &&
                ask_as(&c, "DELETED", "POST /logout", 200) && strstr(heard, "Not logged in");
    hang_up(&c);
    return well;
}

static bool pipelined(void) {
    struct client c = dial();
    bool well = say(&c, "GET /home" HOST "\r\nPUT /home" HOST "\r\nGET /nowhere" HOST "\r\n") &&
                hear(&c, 401) && hear(&c, 405) && hear(&c, 404);
    hang_up(&c);
    return well;
}

static bool in_pieces(void) {
    struct client c = dial();
    bool well = say(&c, "POST /logout" HOST "Transfer-Enc") && wake() &&
                say(&c, "oding: chunked\r\n\r\n3\r\n{") && wake() && say(&c, "  \r\n0\r\n\r\n") &&
                hear(&c, 200);
    hang_up(&c);
    return well;
}

static bool continued(void) {
    struct client c = dial();
    bool well =
        ask(&c, "POST /logout" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", 100) &&
        ask(&c, "{}", 200);
    hang_up(&c);
    return well;
}

static bool last_request(void) {
    struct client c = dial();
    bool well = ask(&c, "GET /home" HOST "Connection: close\r\n\r\n", 401) && is_closed(&c);
    hang_up(&c);
    return well;
}

static bool refused(void) {
    struct client c = dial();
    bool well = ask(&c, "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400) && say(&c, "what is left") &&
                is_closed(&c);
    hang_up(&c);
    return well;
}

static bool leaves(void) {
    struct client c = dial();
    bool well = say(&c, "POST /login HTTP") && wake();
    reset(&c);
    return well;
}

static bool ask_for_many(struct client *c) {
    static const char request[] = "GET /home" HOST "\r\n";
    char text[MANY * sizeof request] = "";
    for (size_t i = 0; i < MANY; i++) strcpy(text + i * strlen(request), request);
    return say(c, text);
}

static bool slow_reader(void) {
    struct client c = dial_slowly();
    bool well = ask_for_many(&c);
    for (int i = 0; well && i < MANY; i++) well = hear(&c, 401);
    hang_up(&c);
    return well;
}

/* Whether, of many who each begin with `text`, the first gives way and the last is served. */
static bool crowd(const char *text) {
    struct client c[CROWD];
    struct pollfd first;
    bool well;
    int count = 0;
    do {
        c[count] = dial();
        well = say(&c[count], text) && (count < FEW || wake());
        first = (struct pollfd){c[0].fd, POLLIN, 0};
    } while (++count < CROWD && well && poll(&first, 1, 0) == 0);
    well = well && is_closed(&c[0]) && ask(&c[count - 1], "GET /home" HOST "\r\n", 401);
    while (count-- > 0) hang_up(&c[count]);
    return well;
}

static bool table_is_full(void) { return crowd(""); }

static bool pool_is_empty(void) { return crowd("\r\n"); }

static bool late(void) {
    struct client c = dial();
    bool well =
        say(&c, "GET /home HTTP") && wake() && advance(11) && hear(&c, 408) && is_closed(&c);
    hang_up(&c);
    return well;
}

static bool idle(void) {
    struct client c = dial();
    bool well = ask(&c, "GET /home" HOST "\r\n", 401) && advance(16) && is_closed(&c);
    hang_up(&c);
    return well;
}

static bool takes_nothing(void) {
    struct client c = dial_slowly();
    struct pollfd polled = {c.fd, POLLIN, 0};
    bool well = ask_for_many(&c) && poll(&polled, 1, patience) == 1 && advance(11) && is_closed(&c);
    hang_up(&c);
    return well;
}

/* The server's side was shut before, so only our side can tell when it is closed altogether. */
static bool lingers(void) {
    struct client c = dial();
    bool well = ask(&c, "?\r\n\r\n", 400) && advance(3), gone = false;
    for (int i = 0; well && !gone && i < patience; i++) gone = !say(&c, "?") || poll(NULL, 0, 1);
    hang_up(&c);
    return well && gone;
}

int walk(bool stop_early, char *wrong, size_t room) {
    static const struct {
        const char *name;
        bool (*take)(void);
    } steps[] = {
        {"who logs in and stands by", stand_by},
        {"login, greetings and logout", reference},
        {"three requests in one write", pipelined},
        {"a request in pieces", in_pieces},
        {"100 (Continue)", continued},
        {"the last request", last_request},
        {"what is no request", refused},
        {"who leaves in the middle", leaves},
        {"a slow reader", slow_reader},
        {"who stood by", still_stands_by},
        {"more half requests than buffers", pool_is_empty},
        {"more connections than places", table_is_full},
        {"half a request, 408", late},
        {"who says nothing", idle},
        {"who reads nothing", takes_nothing},
        {"who lingers", lingers},
    };
    int lost = 0;
    *wrong = '\0';
    *standby_session = '\0';
    for (size_t i = 0; i < sizeof steps / sizeof *steps && !(lost && stop_early); i++) {
        if (steps[i].take()) continue;
        lost++;
        snprintf(wrong + strlen(wrong), room - strlen(wrong), "%s%s", lost > 1 ? ", " : "",
                 steps[i].name);
    }
    hang_up(&standby);
    return lost;
}
