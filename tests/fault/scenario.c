/* scenario.c - a client that makes the server do everything that it can do, one step after another.
 *
 * Each step has connections of its own, so the number of steps that fail is the number of
 * connections that were lost. One connection stays open during the first steps, and must not be
 * harmed by what happens to the others.
 */
#include "scenario.h"

#ifndef SERVER_SECOND
#define SERVER_SECOND 1000000000LL
#endif

#define REST  " HTTP/1.1\r\n" HOST
#define MANY  100 /* responses: more than the small buffers of a slow reader take */
#define FEW   8   /* connections: fewer partial requests than the server has buffers */
#define CROWD 20  /* connections: more than the server has places */

struct injection *injection;
int max_wait;

/* ---- A client ---- */

static struct client connect_to(const char *address, bool small_window) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un un;
    } to = {.any.sa_family = AF_INET};
    const char *colon = strrchr(address, ':');
    size_t len = sizeof to.v4;
    if (strchr(address, '/')) {
        to.un = (struct sockaddr_un){.sun_family = AF_UNIX};
        snprintf(to.un.sun_path, sizeof to.un.sun_path, "%s", address);
        len = sizeof to.un;
    } else if (*address == '[') {
        to.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
        to.v6.sin6_port = htons((uint16_t)atoi(colon + 1));
        len = sizeof to.v6;
    } else {
        to.v4 = loopback(atoi(colon + 1));
    }
    return dial_as(&to, len, small_window, 0);
}

struct client connect_client(void) {
    return connect_to(injection->address, false);
}

static struct client connect_slow_reader(void) { return connect_to(injection->address, true); }

static void reset(struct client *c) {
    struct linger at_once = {1, 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    hang_up(c);
}

/* Returns whether the Date field is well-formed. It may be missing if the time is unknown. */
static bool has_date(const struct client *c) {
    static const char before[] = "\r\nDate: ", example[] = "Sun, 06 Nov 1994 08:49:37 GMT\r";
    const char *date = strstr(c->head, before);
    if (!date)
        return injection->injected[CALL_time] || injection->injected[CALL_gmtime_r] ||
               injection->injected[CALL_strftime] || llabs(injection->wall_shift) > 1LL << 29;
    for (size_t i = 0; i < sizeof example - 1; i++) {
        bool any = example[i] >= '0' && example[i] != ':';
        if (!any && date[sizeof before - 1 + i] != example[i]) return false;
    }
    return true;
}

bool read_status(struct client *c, int status) {
    return read_response(c) == status && (status == 100 || has_date(c));
}

bool is_closed(struct client *c) {
    struct pollfd polled = {c->fd, POLLIN, 0};
    char rest[4096];
    while (poll(&polled, 1, max_wait) == 1)
        if (recv(c->fd, rest, sizeof rest, 0) <= 0) return true;
    return false;
}

static bool asks(struct client *c, const char *text, int status) {
    return send_text(c, text) && read_status(c, status);
}

bool ask_as(struct client *c, const char *session, const char *line, int status) {
    char text[512];
    snprintf(text, sizeof text, "%s" REST "Cookie: session_id=%s\r\n\r\n", line, session);
    return asks(c, text, status);
}

bool begin_session(struct client *c, char session[41]) {
    static const char before[] = "\"session_id\": \"";
    if (!asks(c, LOGIN, 200)) return false;
    const char *id = strstr(c->body, before);
    snprintf(session, 41, "%s", id ? id + strlen(before) : "");
    return strlen(session) == 40;
}

bool is_served(void) {
    char session[41];
    struct client c = connect_client();
    bool served = begin_session(&c, session) && ask_as(&c, session, "GET /home", 200);
    hang_up(&c);
    return served;
}

/* Makes a request. When it is handled, everything that was sent before it is handled too. */
static bool synchronize(void) {
    struct client c = connect_client();
    bool success = asks(&c, "GET /" REST "\r\n", 404);
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
    bystander = connect_client();
    return begin_session(&bystander, bystander_session);
}

/* If it was lost already when it logged in, it is not counted twice. */
static bool bystander_is_served(void) {
    bool success = !*bystander_session || ask_as(&bystander, bystander_session, "GET /home", 200);
    hang_up(&bystander);
    *bystander_session = '\0';
    return success;
}

static bool session_from_login_to_logout(void) {
    char session[41];
    struct client c = connect_client();
    bool success = begin_session(&c, session) && ask_as(&c, session, "GET /home", 200) &&
                   ask_as(&c, session, "POST /home", 200) &&
                   ask_as(&c, session, "POST /logout", 200) &&
                   ask_as(&c, session, "GET /home", 401) &&
                   ask_as(&c, "DELETED", "POST /logout", 200) && strstr(c.body, "Not logged in");
    hang_up(&c);
    return success;
}

static bool pipelined(void) {
    struct client c = connect_client();
    bool success =
        send_text(&c, "GET /home" REST "\r\nPUT /home" REST "\r\nGET /nowhere" REST "\r\n") &&
        read_status(&c, 401) && read_status(&c, 405) && read_status(&c, 404);
    hang_up(&c);
    return success;
}

static bool in_pieces(void) {
    struct client c = connect_client();
    bool success = send_text(&c, "POST /logout" REST "Transfer-Enc") && synchronize() &&
                   send_text(&c, "oding: chunked\r\n\r\n3\r\n{") && synchronize() &&
                   send_text(&c, "  \r\n0\r\n\r\n") && read_status(&c, 200);
    hang_up(&c);
    return success;
}

static bool continued(void) {
    struct client c = connect_client();
    bool success =
        asks(&c, "POST /logout" REST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", 100) &&
        asks(&c, "{}", 200);
    hang_up(&c);
    return success;
}

static bool last_request(void) {
    struct client c = connect_client();
    bool success = asks(&c, "GET /home" REST "Connection: close\r\n\r\n", 401) && is_closed(&c);
    hang_up(&c);
    return success;
}

static bool refused(void) {
    struct client c = connect_client();
    bool success = asks(&c, "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400) &&
                   send_text(&c, "what is left") && is_closed(&c);
    hang_up(&c);
    return success;
}

static bool leaves(void) {
    struct client c = connect_client();
    bool success = send_text(&c, "POST /login HTTP") && synchronize();
    reset(&c);
    return success;
}

static bool ask_for_many(struct client *c) {
    static const char request[] = "GET /home" REST "\r\n";
    char text[MANY * sizeof request] = "";
    for (size_t i = 0; i < MANY; i++) strcpy(text + i * strlen(request), request);
    return send_text(c, text);
}

static bool slow_reader(void) {
    struct client c = connect_slow_reader();
    bool success = ask_for_many(&c);
    for (int i = 0; success && i < MANY; i++) success = read_status(&c, 401);
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
        c[count] = connect_client();
        success = send_text(&c[count], start) && (count < FEW || synchronize());
        first = (struct pollfd){c[0].fd, POLLIN, 0};
    } while (++count < CROWD && success && poll(&first, 1, 0) == 0);
    success = success && is_closed(&c[0]) && asks(&c[count - 1], rest, 401);
    while (count-- > 0) hang_up(&c[count]);
    return success;
}

static bool table_is_full(void) { return crowd("", "GET /home" REST "\r\n"); }

static bool pool_is_empty(void) { return crowd("GET /home", REST "\r\n"); }

static bool late(void) {
    struct client c = connect_client();
    bool success = send_text(&c, "GET /home HTTP") && synchronize() && advance(11) &&
                   read_status(&c, 408) && is_closed(&c);
    hang_up(&c);
    return success;
}

static bool idle(void) {
    struct client c = connect_client();
    bool success = asks(&c, "GET /home" REST "\r\n", 401) && advance(16) && is_closed(&c);
    hang_up(&c);
    return success;
}

static bool takes_nothing(void) {
    struct client c = connect_slow_reader();
    struct pollfd polled = {c.fd, POLLIN, 0};
    bool success =
        ask_for_many(&c) && poll(&polled, 1, max_wait) == 1 && advance(11) && is_closed(&c);
    hang_up(&c);
    return success;
}

/* The server has shut down its side already, so sending fails once it closes the connection. */
static bool lingers(void) {
    struct client c = connect_client();
    bool success = asks(&c, "?\r\n\r\n", 400) && advance(3), gone = false;
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
        {"login, greetings and logout", session_from_login_to_logout},
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
