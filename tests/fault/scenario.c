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
#define HOME  "GET /home" REST "\r\n"
#define MANY  100 /* responses: more than the small buffers of a slow reader take */
#define FEW   8   /* connections: fewer partial requests than the server has buffers */
#define CROWD 20  /* connections: more than the server has places */

struct injection *injection;
int max_wait;

/* ---- A client ---- */

static struct client connect_as(bool small_window) {
    return dial_as(&injection->address, injection->address_len, small_window, 0);
}

struct client connect_client(void) {
    return connect_as(false);
}

/* Returns whether the Date field is well-formed. It may be missing if the time is unknown. */
static bool has_date(const struct client *c) {
    const char *date = strstr(c->head, "\r\nDate: ");
    struct tm tm;
    if (date) return strptime(date + 2, "Date: %a, %d %b %Y %H:%M:%S GMT", &tm) != NULL;
    return injection->injected[CALL_time] || injection->injected[CALL_gmtime_r] ||
           injection->injected[CALL_strftime];
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
    return ask_with(c, line, COOKIE, NULL, session) == status && has_date(c);
}

bool begin_session(struct client *c, char session[41]) {
    bool is_logged_in = asks(c, LOGIN, 200);
    copy_id(c, session);
    return is_logged_in && strlen(session) == 40;
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

static bool ask_for(struct client *c, int count) {
    char text[MANY * sizeof HOME] = "";
    while (count-- > 0) strcat(text, HOME);
    return send_text(c, text);
}

/* The output waits after each byte if only one moves at once. Then many responses would take so long on
 * a busy machine that the bystander expires. */
static bool slow_reader(void) {
    struct client c = connect_as(true);
    int count = injection->max_moved ? 5 : MANY;
    bool success = ask_for(&c, count);
    while (success && count-- > 0) success = read_status(&c, 401);
    hang_up(&c);
    return success;
}

static bool takes_nothing(void) {
    struct client c = connect_as(true);
    struct pollfd polled = {c.fd, POLLIN, 0};
    bool success =
        ask_for(&c, MANY) && poll(&polled, 1, max_wait) == 1 && advance(11) && is_closed(&c);
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

static bool table_is_full(void) { return crowd("", HOME); }

static bool pool_is_empty(void) { return crowd("GET /home", REST "\r\n"); }

/* The server has shut down its side already, so sending fails once it closes the connection. */
static bool lingers(void) {
    struct client c = connect_client();
    bool success = asks(&c, "?\r\n\r\n", 400) && advance(3), gone = false;
    for (int i = 0; success && !gone && i < max_wait; i++)
        gone = !send_text(&c, "?") || poll(NULL, 0, 1);
    hang_up(&c);
    return success && gone;
}

/* A step is a function, or what happens on one connection: the client sends, the clocks are set
 * forward, and a response comes, if it has a status. */
static const struct step {
    const char *name;
    bool (*run)(void);
    struct {
        const char *sent;
        int seconds, status;
    } parts[4];
    enum { STAYS_OPEN, IS_CLOSED, RESETS } end; /* the server closes it, or the client resets it */
} steps[] = {
    {"a bystander logs in", .run = bystander_logs_in},
    {"login, greetings and logout", .run = session_from_login_to_logout},
    {"three requests in one write",
     NULL,
     {{HOME "PUT /home" REST "\r\nGET /nowhere" REST "\r\n", 0, 401}, {"", 0, 405}, {"", 0, 404}},
     STAYS_OPEN},
    {"a request in pieces",
     NULL,
     {{"POST /logout" REST "Transfer-Enc", 0, 0},
      {"oding: chunked\r\n\r\n3\r\n{", 0, 0},
      {"  \r\n0\r\n\r\n", 0, 200}},
     STAYS_OPEN},
    {"100 (Continue)",
     NULL,
     {{"POST /logout" REST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", 0, 100},
      {"{}", 0, 200}},
     STAYS_OPEN},
    {"the last request", NULL, {{"GET /home" REST "Connection: close\r\n\r\n", 0, 401}}, IS_CLOSED},
    {"a malformed request",
     NULL,
     {{"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 0, 400}, {"what is left", 0, 0}},
     IS_CLOSED},
    {"a client that leaves in the middle", NULL, {{"POST /login HTTP", 0, 0}}, RESETS},
    {"a slow reader", .run = slow_reader},
    {"the bystander is served", .run = bystander_is_served},
    {"more partial requests than buffers", .run = pool_is_empty},
    {"more connections than places", .run = table_is_full},
    {"a partial request, 408", NULL, {{"GET /home HTTP", 0, 0}, {"", 11, 408}}, IS_CLOSED},
    {"an idle client", NULL, {{HOME, 0, 401}, {"", 16, 0}}, IS_CLOSED},
    {"a client that reads nothing", .run = takes_nothing},
    {"a connection that lingers", .run = lingers},
};

static bool run_parts(const struct step *step) {
    static const struct linger at_once = {1, 0};
    struct client c = connect_client();
    bool success = true;
    for (int i = 0; success && step->parts[i].sent; i++) {
        int seconds = step->parts[i].seconds, status = step->parts[i].status;
        success = send_text(&c, step->parts[i].sent) && (seconds == 0 || advance(seconds)) &&
                  (status ? read_status(&c, status) : synchronize());
    }
    if (step->end == IS_CLOSED) success = success && is_closed(&c);
    if (step->end == RESETS) setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    hang_up(&c);
    return success;
}

int run_scenario(bool stop_early, char *failed, size_t size) {
    int lost = 0;
    *failed = '\0';
    *bystander_session = '\0';
    for (const struct step *step = steps; step < steps + COUNT(steps); step++) {
        if (lost > 0 && stop_early) break;
        if (step->run ? step->run() : run_parts(step)) continue;
        snprintf(failed + strlen(failed), size - strlen(failed), "%s%s", lost++ > 0 ? ", " : "",
                 step->name);
    }
    hang_up(&bystander);
    return lost;
}
