/* test_server.c - the server over sockets: the example, malformed requests, timeouts, eviction, signals
 * and the log.
 *
 * Run it with `make test TEST=server`. It starts $SERVER and talks to it; see client.h. This is what
 * needs real sockets, pipes and signals: tests/fault/event_loop.c tests each timeout and who is evicted
 * on a fake clock, tests/unit what requests and responses look like, and test_options.c the options.
 * If ONE_BYTE is set, the server moves one byte in each call.
 */
#include "tests/client.h"

static struct child server; /* the one that most tests talk to */

/* Returns the log of the server. The request comes after everything else that was logged. */
static const char *read_log(void) {
    ask_once(&server, GET("/home"));
    return stderr_of(&server);
}

/* If the server moves one byte in each call, large requests take too long. */
static bool moves_many_bytes(void) { return !getenv("ONE_BYTE"); }

/* Returns the tenths of a second of the server that have passed. */
static int64_t tenths_since(int64_t since) { return (read_clock() - since) * 10 / SECOND; }

/* ---- Scenarios that must be over before a timeout of the server ----
 *
 * On a busy machine a scenario may take longer than the timeout. Then a failure means nothing, and it
 * is tried again. A failure in time is final. */

struct tries {
    int64_t seconds, start, since;
    int failures; /* before the first try */
};

static bool try_again(struct tries *tries) {
    bool is_first = tries->start == 0, is_late = tenths_since(tries->since) > 10 * tries->seconds;
    if (is_first) tries->start = read_clock();
    if (!is_first &&
        (test_failures == tries->failures || !is_late || read_clock() - tries->start > MAX_WAIT)) {
        test_end_tries();
        return false;
    }
    test_begin_try(tries->failures);
    tries->since = read_clock();
    return true;
}

/* WITHIN(5) { ... } is a scenario whose checks count only if it is over in five seconds. */
#define WITHIN(seconds)                                                                            \
    for (struct tries tries = {(seconds), 0, 0, test_failures}; try_again(&tries);)

/* ---- The example ---- */

#define SET_COOKIE "Set-Cookie: session_id=<id>; Path=/; HttpOnly; SameSite=Lax\r\n"
#define DELETE_COOKIE                                                                              \
    "Set-Cookie: session_id=DELETED; Path=/; HttpOnly; SameSite=Lax; "                             \
    "Expires=Thu, 01 Jan 1970 00:00:00 GMT\r\n"
#define HOW_TO_LOG_IN                                                                              \
    "WWW-Authenticate: Cookie form-action=\"/login\", cookie-name=\"session_id\"\r\n"
#define HOME_METHODS "Allow: GET, HEAD, POST, OPTIONS\r\n"
#define POST_ONLY    "Allow: POST, OPTIONS\r\n"

#define INCOMPLETE ERROR("400", "Bad Request", "Please specify username and password")
#define NO_JSON    ERROR("400", "Bad Request", "Expected JSON in request body")
#define NO_OBJECT  ERROR("400", "Bad Request", "Expected a JSON object in request body")
#define TOO_LONG                                                                                   \
    ERROR("400", "Bad Request", "The username or the password is longer than 255 bytes")
#define WRONG_LOGIN ERROR("401", "Unauthorized", "Invalid username or password")
#define FOREIGN     ERROR("403", "Forbidden", "This request comes from a page of another origin")
#define TLS_ONLY    ERROR("421", "Misdirected Request", "This server does not serve https URIs")
#define DELETED     "Cookie: session_id=DELETED\r\n"
#define LOGGED_OUT  "{\"message\": \"logged out\"}"
#define NO_SESSION  "{\"message\": \"Not logged in\"}"

/* In the fields <id> stands for a session that exists, in the response for any. `field` is the only
 * one of Set-Cookie, WWW-Authenticate and Allow in the response. */
static const struct {
    const char *line, *fields, *body;
    int status;
    const char *response, *field;
} example[] = {
    {"POST /login", "", FOO, 200, LOGGED_IN, SET_COOKIE},
    /* The session is a new one, not that of the client. */
    {"POST /login", COOKIE, FOO, 200, LOGGED_IN, SET_COOKIE},
    {"POST /login", "", "{\"password\":\"f\\u006fo\",\"username\":\"foo\"}", 200, LOGGED_IN,
     SET_COOKIE},
    {"POST /login", "", LOGIN_AS("foo", "Foo"), 401, WRONG_LOGIN, HOW_TO_LOG_IN},
    {"POST /login", "", LOGIN_AS("fo", "foo"), 401, WRONG_LOGIN, HOW_TO_LOG_IN},
    {"POST /login", "", LOGIN_AS("foo\\u0000", "foo"), 401, WRONG_LOGIN, HOW_TO_LOG_IN},
    {"POST /login", "", NULL, 400, INCOMPLETE, ""},
    {"POST /login", "", "{}", 400, INCOMPLETE, ""},
    {"POST /login", "", "{\"username\":\"foo\"}", 400, INCOMPLETE, ""},
    {"POST /login", "", LOGIN_AS("foo", ""), 400, INCOMPLETE, ""},
    {"POST /login", "", LOGIN_AS("", "foo"), 400, INCOMPLETE, ""},
    {"POST /login", "", "{\"username\":\"foo\",\"password\":7}", 400, INCOMPLETE, ""},
    {"POST /login", "", "{\"username\":7,\"password\":\"foo\"}", 400, INCOMPLETE, ""},
    {"POST /login", "", "[\"foo\",\"foo\"]", 400, NO_OBJECT, ""},
    {"POST /login", "", "username=foo&password=foo", 400, NO_JSON, ""},
    {"POST /login", "", LOGIN_AS(LONGEST, LONGEST), 401, WRONG_LOGIN, HOW_TO_LOG_IN},
    {"POST /login", "", LOGIN_AS(LONGEST "x", "foo"), 400, TOO_LONG, ""},
    {"POST /login", "", LOGIN_AS("foo", LONGEST "x"), 400, TOO_LONG, ""},
    {"POST /login", "Sec-Fetch-Site: cross-site\r\n", FOO, 403, FOREIGN, ""},
    {"GET /home", "", NULL, 401, UNAUTHORIZED, HOW_TO_LOG_IN},
    {"GET /home", "Cookie: session_id=x\r\n", NULL, 401, UNAUTHORIZED, HOW_TO_LOG_IN},
    {"GET /home", COOKIE, NULL, 200, HELLO, ""},
    {"POST /home", COOKIE, "anything", 200, HELLO, ""},
    {"HEAD /home", COOKIE, NULL, 200, "", HOME_METHODS},
    {"POST /logout", "", NULL, 200, NO_SESSION, ""},
    {"POST /logout", DELETED, NULL, 200, NO_SESSION, ""},
    {"POST /logout", COOKIE, NULL, 200, LOGGED_OUT, DELETE_COOKIE},
    {"POST /logout", "Cookie: session_id=x\r\n", NULL, 200, LOGGED_OUT, DELETE_COOKIE},
    {"OPTIONS /home", "", NULL, 200, "{}", HOME_METHODS},
    {"OPTIONS /login", "", NULL, 200, "{}", POST_ONLY},
    {"OPTIONS /logout", "", NULL, 200, "{}", POST_ONLY},
    {"GET /", "", NULL, 404, ERROR("404", "Not Found", "Path / not found"), ""},
    {"GET https://a/home", COOKIE, NULL, 421, TLS_ONLY, ""},
};

static void check_example(struct client *client, size_t i) {
    static const char *const names[] = {"Set-Cookie", "WWW-Authenticate", "Allow"};
    char id[41];
    log_in(&server, FOO, id);
    CASE(text_of("%s, %s%s", example[i].line, example[i].fields,
                 example[i].body ? example[i].body : "no body"));
    client->no_body = strncmp(example[i].line, "HEAD", 4) == 0;
    CHECK_INT(ask_with(client, example[i].line, example[i].fields, example[i].body, id),
              example[i].status);
    CHECK(!strstr(client->head, id));
    CHECK(!strstr(client->body, id));
    CHECK_LINE(client, "Content-Type: application/json\r\n");
    CHECK_LINE(client, "Cache-Control: no-store\r\n");
    hide_ids(client->head);
    hide_ids(client->body);
    CHECK_STR(client->body, example[i].response);
    CHECK_HAS(client->head, example[i].field);
    for (size_t n = 0; n < COUNT(names); n++)
        CHECK_INT(strstr(client->head, names[n]) != NULL,
                  strstr(example[i].field, names[n]) != NULL);
}

static void test_example(void) {
    TEST("every request of the example gets its response, on one connection") {
        WITHIN(15) {
            struct client client = dial(&server);
            for (size_t i = 0; i < COUNT(example); i++) check_example(&client, i);
            hang_up(&client);
        }
    }
    TEST("a user is greeted from the login to the logout, which ends that session and no other") {
        char one[41], other[41];
        CHECK_INT(log_in(&server, FOO, one), 200);
        CHECK_INT(log_in(&server, FOO, other), 200);
        CHECK_INT(strspn(one, "0123456789abcdef"), 40);
        CHECK_INT(visit(&server, one), 200);
        struct client client = dial(&server);
        CHECK_INT(ask_with(&client, "POST /logout", COOKIE, NULL, one), 200);
        hang_up(&client);
        CHECK_INT(visit(&server, one), 401);
        CHECK_INT(visit(&server, other), 200);
    }
}

/* ---- Connections ---- */

/* Every kind of body, a response without one, an interim response, an empty line that is ignored, and
 * a last request. */
static const char pipeline[] =
    LOGIN "POST /login HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
          "Transfer-Encoding: chunked\r\n\r\n1;a=\"b\"\r\n{\r\n22\r\n\"username\":\"foo\","
          "\"password\":\"foo\"}\r\n00\r\nTrailer: x\r\n\r\n"
          "HEAD /home HTTP/1.1\r\n" HOST "\r\n\r\n"
          "POST http://b/login HTTP/1.1\r\n" HOST "Content-Length: 2\r\nOrigin: http://b\r\n\r\n{}"
          "GET /%20 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
          "POST /logout HTTP/1.1\r\n" HOST "Cookie: session_id=x\r\nConnection: close\r\n\r\n";

#define PIPELINE (sizeof pipeline - 1)

/* Sends the pipeline in two parts and reads until the end. Ids and dates are hidden. */
static const char *run_pipeline(size_t first) {
    static struct client client;
    client = dial(&server);
    send_bytes(&client, pipeline, first);
    if (first < PIPELINE) pause_us(500); /* let the server read */
    send_bytes(&client, pipeline + first, PIPELINE - first);
    while (read_more(&client) == 1) continue;
    hang_up(&client);
    hide_ids(client.in);
    for (char *date = client.in; (date = strstr(date, "\r\nDate: ")); date += 8)
        memset(date + 8, '-', 29);
    return client.in;
}

/* Returns the statuses of these responses, each with a blank behind it. */
static const char *statuses_in(const char *responses) {
    static char statuses[100];
    statuses[0] = '\0';
    for (const char *at = responses; (at = strstr(at, "HTTP/1.1 ")); at += 9)
        strncat(statuses, at + 9, 4);
    return statuses;
}

static void check_splits(void) {
    static char whole[sizeof((struct client *)0)->in];
    strcpy(whole, run_pipeline(PIPELINE));
    CHECK_STR(statuses_in(whole), "200 100 200 401 400 404 200 ");
    CHECK_HAS(whole, LOGGED_OUT);
    for (size_t first = 1; first < PIPELINE && !test_is_bad; first++)
        WITHIN(10) CHECK_STR(run_pipeline(first), whole);
}

#define POST(fields) "POST /login HTTP/1.1\r\n" HOST fields "\r\n"
#define INVALID      ERROR("400", "Bad Request", "This is not a valid HTTP/1.1 request")

/* A request consists of `start`, so many zeros, and `rest`. */
static const struct {
    int status;
    const char *response, *start;
    int zeros;
    const char *rest;
} refused[] = {
    {400, INVALID, "hello\r\n\r\n", 0, ""},
    {400, INVALID, "\nHEAD / HTTP/1.1\r\n\r\n", 0, ""}, /* however it is split, this is no HEAD */
    {413, ERROR("413", "Content Too Large", "The request is too large"),
     POST("Content-Length: 16384\r\n"), 0, ""},
    {414, ERROR("414", "URI Too Long", "The request-target is too long"), "GET /", 20000,
     " HTTP/1.1\r\n" HOST "\r\n"},
    {417, ERROR("417", "Expectation Failed", "The only expectation supported is 100-continue"),
     POST("Content-Length: 35\r\nExpect: the-unexpected\r\n"), 0, ""},
    {417, "", "HEAD /home HTTP/1.1\r\n" HOST "Expect: the-unexpected\r\n\r\n", 0, ""},
    {431, ERROR("431", "Request Header Fields Too Large", "The header fields are too large"),
     "GET /home HTTP/1.1\r\n" HOST "A: ", 20000, "\r\n\r\n"},
    {501, ERROR("501", "Not Implemented", "The only transfer coding supported is chunked"),
     POST("Transfer-Encoding: gzip, chunked\r\n"), 0, ""},
    {505, ERROR("505", "HTTP Version Not Supported", "The server supports HTTP/1.0 and HTTP/1.1"),
     "GET /home HTTP/2.0\r\n" HOST "\r\n", 0, ""},
};

/* A valid request follows the bad one, and must be ignored. All of it is sent while the server
 * lingers. */
static void check_refusal(size_t i) {
    char request[24000];
    struct client client = dial(&server);
    CASE(refused[i].start);
    snprintf(request, sizeof request, "%s%.*d%s" GET("/home"), refused[i].start, refused[i].zeros,
             0, refused[i].rest);
    client.no_body = strncmp(request, "HEAD", 4) == 0;
    CHECK_INT(ask(&client, request), refused[i].status);
    CHECK_STR(client.body, refused[i].response);
    CHECK_LINE(&client, "Connection: close\r\n");
    CHECK_INT(read_response(&client), ENDED);
    hang_up(&client);
}

static void check_large_body(void) {
    static char body[256 * 1024];
    struct client client = dial(&server);
    send_text(&client, POST("Content-Length: 262144\r\n"));
    CHECK(send_bytes(&client, body, sizeof body));
    CHECK_INT(read_response(&client), 413);
    CHECK_INT(read_response(&client), ENDED);
    hang_up(&client);
}

/* Sends a request, or a part of it, and nothing more. */
static void check_half_close(const char *request, int status) {
    struct client client = dial(&server);
    send_text(&client, request);
    shutdown(client.fd, SHUT_WR);
    CHECK_INT(read_response(&client), status);
    CHECK_INT(read_response(&client), ENDED);
    hang_up(&client);
}

static void test_connections(void) {
    TEST("however a pipeline of requests is split, the responses are the same, in the same order") {
        check_splits();
    }
    TEST("a bad request gets its status in the format of all errors, then an orderly end") {
        for (size_t i = 0; i < COUNT(refused); i++)
            if (refused[i].zeros == 0 || moves_many_bytes()) WITHIN(2) check_refusal(i);
    }
    if (moves_many_bytes())
        TEST("a body that is too large does not destroy the response: it is read, and no reset "
             "comes") {
            for (int i = 0; i < 100 && !test_is_bad; i++) WITHIN(2) check_large_body();
        }
    TEST("a client that shuts its side down gets its response, then the end; if it has sent only a "
         "part of a request, this is logged") {
        check_half_close(GET("/home"), 401);
        check_half_close(POST("Content-Length: 36\r\n") FOO, ENDED);
        check_half_close("G", ENDED);
        CHECK_HAS(read_log(), "] \"-\" closed: the client left in the middle of a request\n");
    }
}

/* ---- Timeouts: never early, apart from a tenth for the clock of the server; how late depends on
 * the machine, so the upper bounds are wide ---- */

/* The time begins with the first byte, not with the connection. What comes too late is discarded, and
 * does not reset the connection. */
static void check_request_timeout(void) {
    struct client client = dial(&server);
    CHECK_INT(ask(&client, GET("/home")), 401);
    pause_ms(4 * SECOND);
    int64_t since = read_clock();
    send_text(&client, "GET /home HTTP/1.1\r\nHo");
    CHECK_INT(read_more(&client), 1);
    CHECK_BETWEEN(tenths_since(since), 90, 1000);
    send_text(&client, "the rest");
    CHECK_INT(read_response(&client), 408);
    CHECK_STR(client.body,
              ERROR("408", "Request Timeout", "The request was not completed in time"));
    CHECK_INT(read_response(&client), ENDED);
    hang_up(&client);
}

static void test_timeouts(void) {
    TEST("an incomplete request is answered with 408 ten seconds after its first byte") {
        WITHIN(4 + 12) check_request_timeout();
    }
    TEST("an idle connection is closed without a response after fifteen seconds") {
        struct client silent = dial(&server), client = dial(&server);
        int64_t since = read_clock();
        CHECK_INT(ask(&client, GET("/home")), 401);
        CHECK_INT(read_response(&client), ENDED);
        CHECK_BETWEEN(tenths_since(since), 135, 1500);
        CHECK_INT(read_response(&silent), ENDED);
        hang_up(&client);
        hang_up(&silent);
    }
    TEST("a client that does not read its responses is dropped after ten seconds, and logged; no "
         "other client gets them") {
        int64_t since = read_clock();
        struct client client = dial_without_reading(&server, 2 * SECOND);
        CHECK_INT(poll(&(struct pollfd){client.fd, 0, 0}, 1, MAX_WAIT), 1); /* a reset */
        CHECK_BETWEEN(tenths_since(since), 90, 2000);
        struct client other = dial(&server);
        CHECK_INT(ask(&other, GET("/own")), 404);
        CHECK_STR(other.body, ERROR("404", "Not Found", "Path /own not found"));
        CHECK_HAS(read_log(), "closed: the client did not read the response in time\n");
        hang_up(&other);
        hang_up(&client);
    }
    TEST("a client that leaves before its responses are sent is logged") {
        static const char left[] = "closed: the client left before the response was sent\n";
        /* If the client leaves while the server does not wait to send, nothing is logged yet. */
        for (int i = 0; i < 5 && !strstr(read_log(), left); i++) {
            struct client client = dial_without_reading(&server, 2 * SECOND);
            hang_up(&client);
        }
        CHECK_HAS(stderr_of(&server), left);
    }
}

/* ---- Eviction ---- */

static struct client dial_idle(const struct child *to, int from) {
    struct client client = dial_from(to, from);
    CHECK_INT(ask(&client, GET("/home")), 401);
    return client;
}

/* Returns whether nothing has come, and the connection was not closed. */
static bool is_open(const struct client *client) {
    return poll(&(struct pollfd){client->fd, POLLIN, 0}, 1, 0) == 0;
}

/* The last byte of the addresses of three clients. */
enum { ONE = 1, GREEDY, OTHER };

/* The greedy client fills the table. It loses its own connections to its next one and to that of a
 * third client. The first connection has the nearest deadline, but it is not closed. */
static void check_shares(const char *options) {
    struct child small = start(options);
    struct client one = dial_idle(&small, ONE), greedy[16], other;
    for (int n = 0; n < 16; n++) greedy[n] = dial_idle(&small, GREEDY);
    CHECK_INT(read_response(&greedy[0]), ENDED);
    CHECK(is_open(&one));
    other = dial_idle(&small, OTHER);
    CHECK_INT(read_response(&greedy[1]), ENDED);
    for (int n = 2; n < 16; n++) CHECK(is_open(&greedy[n]));
    CHECK(is_open(&one));
    CHECK(is_open(&other));
    for (int n = 0; n < 16; n++) hang_up(&greedy[n]);
    hang_up(&one);
    hang_up(&other);
    CHECK_INT(stop(&small, SIGTERM), 0);
    CHECK_HAS(small.stderr_text, "127.0.0.2 - - [");
}

/* So many clients ask while the server is suspended. Then it gets the signal, if there is one, and goes
 * on. Returns how many of them are served. */
static int serve_crowd(const struct child *child, int crowd, int signal) {
    int fds[100], served = 0;
    kill(child->pid, SIGSTOP);
    for (int i = 0; i < crowd; i++) {
        struct client client = dial(child);
        send_text(&client, GET("/home"));
        fds[i] = client.fd;
    }
    if (signal) kill(child->pid, signal);
    kill(child->pid, SIGCONT);
    for (int i = 0; i < crowd; i++) {
        struct client client = {.fd = fds[i]};
        served += read_response(&client) == 401;
        hang_up(&client);
    }
    return served;
}

static void test_eviction(void) {
    struct client client = dial_from(&server, OTHER);
    const bool has_many_addresses = client.fd >= 0;
    hang_up(&client);
    if (!has_many_addresses) printf("skipped: this machine has only one loopback address\n");
    if (has_many_addresses)
        TEST("an address that holds more than its share of the places loses its own connection") {
            WITHIN(15) check_shares(LOOPBACK "-c 16");
            if (has_ipv6()) WITHIN(15) check_shares("-a :: -p 0 -c 16");
        }
    if (moves_many_bytes())
        TEST("if more clients connect at once than the table holds, all are served") {
            struct child small = start(LOOPBACK "-c 4");
            CHECK_INT(serve_crowd(&small, 24, 0), 24);
            CHECK_INT(stop(&small, SIGTERM), 0);
        }
}

/* ---- Shutdown ---- */

static const int stop_signals[] = {SIGTERM, SIGINT, SIGHUP};

/* The signals that follow the first one change nothing. */
static void check_shutdown(size_t i) {
    struct child own = start(LOOPBACK);
    struct client idle = dial_idle(&own, 0), partial = dial(&own);
    CASE(strsignal(stop_signals[i]));
    CHECK_INT(ask(&partial, POST("Content-Length: 35\r\nExpect: 100-continue\r\n")), 100);
    kill(own.pid, stop_signals[i]);
    CHECK_INT(read_response(&idle), ENDED);
    CHECK(dial(&own).fd < 0);
    for (size_t n = 0; n < 9; n++, pause_ms(1)) kill(own.pid, stop_signals[n % 3]);
    CHECK_INT(ask(&partial, FOO), 200);
    CHECK_LINE(&partial, "Connection: close\r\n");
    CHECK_INT(read_response(&partial), ENDED);
    hang_up(&partial);
    hang_up(&idle);
    CHECK_INT(wait_for_end(&own), 0);
    CHECK_HAS(own.stdout_text, "...\nDone\n");
}

/* Starts a server, sends it the signal, and checks its exit status. */
static void check_signal(struct setup setup, int number, int status) {
    setup.options = LOOPBACK;
    struct child own = start_as(setup);
    CHECK_INT(stop(&own, number), status);
}

static void test_signals(void) {
    TEST("SIGTERM, SIGINT or SIGHUP: idle connections are closed, requests in progress finished, "
         "no new ones accepted") {
        for (size_t i = 0; i < COUNT(stop_signals); i++) WITHIN(5) check_shutdown(i);
    }
    TEST("clients that have connected before the signal are served") {
        WITHIN(5) {
            struct child own = start(LOOPBACK);
            CHECK_INT(serve_crowd(&own, 8, SIGTERM), 8);
            CHECK_INT(wait_for_end(&own), 0);
        }
    }
    TEST("SIGTERM, SIGINT and SIGHUP stop a server that was started with them blocked; the first "
         "two also with them ignored") {
        for (size_t i = 0; i < COUNT(stop_signals); i++)
            check_signal((struct setup){.blocks_signals = true}, stop_signals[i], 0);
        for (size_t i = 0; i < 2; i++)
            check_signal((struct setup){.before = "trap '' TERM INT"}, stop_signals[i], 0);
    }
    TEST("SIGHUP does not stop a server that was started with it ignored, as by nohup") {
        struct child own = start_as((struct setup){.options = LOOPBACK, .before = "trap '' HUP"});
        CHECK_INT(kill(own.pid, SIGHUP), 0);
        /* If it stopped the server, the listener would be closed after the first request. */
        for (int i = 0; i < 3; i++) CHECK_INT(ask_once(&own, GET("/home")), 401);
        CHECK_INT(stop(&own, SIGTERM), 0);
    }
    if (!getenv("VALGRIND")) /* it reports what a process that a signal ends has not closed */
        TEST("every other signal keeps its default action") {
            check_signal((struct setup){0}, SIGUSR1, 128 + SIGUSR1);
        }
}

/* ---- The log ---- */

/* Returns whether `line` is that of LOGIN, in a second from `from` to now. */
static bool is_login_line(const char *line, time_t from) {
    char stamp[40];
    struct tm tm;
    for (time_t second = from; second <= time(NULL); second++) {
        localtime_r(&second, &tm);
        strftime(stamp, sizeof stamp, "%d/%b/%Y %H:%M:%S", &tm);
        if (strcmp(line, text_of("127.0.0.1 - - [%s] \"POST /login HTTP/1.1\" 200 %zu\n", stamp,
                                 strlen(LOGGED_IN) + 36)) == 0)
            return true;
    }
    return false;
}

/* Each malformed request ends with the byte that makes it malformed. */
static const struct {
    const char *request, *line;
} logged[] = {
    {"GET /%0a\\\"\xc3\xa4!~ HTTP/1.0\r\n\r\n", "\"GET /%0a\\x5c\\x22\\xc3\\xa4!~ HTTP/1.0\" 404 "},
    {"GET /\x1b", "\"GET /\\x1b\" 400 "},
    {"GET /\x7f", "\"GET /\\x7f\" 400 "},
    {"\n", "] \"\" 400 "},
    {GET("/good") "second\n", "\"second\" 400 "},
    {"GET /first HTTP/1.1\r\nA: b\n", "\"GET /first HTTP/1.1\" 400 "},
};

/* Asks `count` times for a path of a thousand bytes. Returns whether all responses came. */
static bool ask_at_length(const struct child *of, int count) {
    const char *request = text_of("GET /%01000d HTTP/1.1\r\n" HOST "\r\n", 0);
    struct client client = dial(of);
    while (count > 0 && ask(&client, request) == 404) count--;
    hang_up(&client);
    return count == 0;
}

/* Starts a server whose standard error takes less than what it has to log, or nothing, and checks that
 * it responds. */
static void check_unread_log(const char *name, struct setup setup) {
    setup.options = LOOPBACK;
    CASE(name);
    CHECK(setup.err >= 0);
    struct child own = start_as(setup);
    CHECK(ask_at_length(&own, 100));
    CHECK_INT(stop(&own, SIGTERM), 0);
    if (setup.err) close(setup.err);
}

/* The lines that the log could not take are reported as soon as it is read. */
static void check_full_pipe(void) {
    static char text[1 << 20], bytes[4096];
    int ends[2];
    if (pipe(ends) < 0 || fcntl(ends[1], F_SETFL, O_NONBLOCK) < 0) test_give_up("open a pipe");
    for (size_t size = sizeof bytes; size > 0; size /= 2)
        while (write(ends[1], memset(bytes, 'x', size), size) > 0) continue;
    fcntl(ends[1], F_SETFL, 0); /* the server must not profit by it */
    struct child own = start_as((struct setup){.options = LOOPBACK, .err = ends[1]});
    close(ends[1]);
    CHECK(ask_at_length(&own, 50));
    CHECK(read_until(ends[0], text, sizeof text, "server: log lines dropped: "));
    CHECK_HAS(text, "\"GET /0000");
    close(ends[0]);
    CHECK_INT(stop(&own, SIGTERM), 0);
}

static void test_log(void) {
    TEST("a request is one line on standard error, in the format of the original") {
        time_t from = time(NULL);
        struct child own = start(LOOPBACK);
        CHECK_INT(ask_once(&own, LOGIN), 200);
        CHECK_INT(stop(&own, SIGTERM), 0);
        CHECK(is_login_line(own.stderr_text, from));
    }
    TEST("a byte that could forge a line, or command a terminal, is escaped") {
        for (size_t i = 0; i < COUNT(logged); i++) ask_once(&server, logged[i].request);
        const char *log = read_log();
        for (size_t i = 0; i < COUNT(logged); i++) CHECK_HAS(log, logged[i].line);
    }
    TEST("a log that is not read holds up no response") {
        int terminal, ours = open_pty(&terminal);
        check_unread_log("a terminal", (struct setup){.err = terminal});
        check_unread_log("a closed pipe", (struct setup){.err = open_broken_pipe()});
        check_unread_log("a file of the maximum size", (struct setup){.before = "ulimit -f 8"});
        int full = open("/dev/full", O_WRONLY);
        if (full > 0) check_unread_log("a full device", (struct setup){.err = full});
        close(ours);
    }
    TEST("a pipe that is not read holds up no response; it then gets some of the lines, and the "
         "number of the others") {
        check_full_pipe();
    }
}

/* ---- Resources ---- */

static void test_resources(int descriptors) {
    TEST("after all this the server has as many descriptors as at its start, and ends in order") {
        int64_t since = read_clock();
        while (count_descriptors(&server) != descriptors && tenths_since(since) < 1000) pause_ms(5);
        CHECK_INT(count_descriptors(&server), descriptors);
        CHECK_INT(ask_once(&server, LOGIN), 200);
        CHECK_INT(stop(&server, SIGTERM), 0);
    }
}

int main(void) {
    begin_tests();
    server = start(LOOPBACK "-b 0");
    int descriptors = count_descriptors(&server);
    static void (*const groups[])(void) = {test_example,  test_connections, test_timeouts,
                                           test_eviction, test_signals,     test_log};
    for (size_t i = 0; i < COUNT(groups); i++) {
        groups[i]();
        expect_alive(&server);
    }
    test_resources(descriptors);
    return test_report();
}
