/* test_server.c - the server seen from outside, over sockets: the example, the protocol, timeouts,
 * eviction, shutdown and the log.
 *
 * It starts $SERVER and talks to it; see client.h. If ONE_BYTE is set, that server moves one byte in
 * each call. Its options, and the sockets it can listen on, are tested by test_options.c.
 */
#include "tests/client.h"

/* A login whose body follows after a 100 (Continue). */
#define EXPECTING_LOGIN                                                                            \
    "POST /login HTTP/1.1\r\n" HOST "Content-Length: 35\r\nExpect: 100-continue\r\n\r\n"

#define LAST(path) "GET " path " HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"

static struct child server; /* the one that most tests talk to */

/* If the server moves one byte in each call, every request is incomplete for a while. */
static bool reads_whole_requests(void) { return !getenv("ONE_BYTE"); }

/* Returns whether so many seconds of the server have passed, with a tenth to spare for its clock. */
static bool is_between(int64_t since, int64_t min, int64_t max) {
    int64_t time = read_clock() - since;
    return time >= min * SECOND * 9 / 10 && time <= max * SECOND;
}

/* ---- Scenarios that must be over before a timeout of the server ----
 *
 * On a busy machine a scenario may take longer than the timeout. Then a failure means nothing, and it
 * is tried again. A failure in time is final. */

/* Runs scenario(i), whose checks count only if it is over in so many seconds. */
static void check_within(int64_t seconds, void (*scenario)(size_t), size_t i, const char *name) {
    const int before = test_failures;
    int64_t start = read_clock(), since;
    do {
        test_try(before);
        CASE(name);
        since = read_clock();
        scenario(i);
    } while (test_failures > before && !is_between(since, 0, seconds) &&
             read_clock() - start < MAX_WAIT);
    test_tried();
}

/* ---- The example ---- */

static void make_request(char *to, size_t size, const char *line, const char *fields,
                         const char *body) {
    char length[48] = "";
    if (body) snprintf(length, sizeof length, "Content-Length: %zu\r\n", strlen(body));
    snprintf(to, size, "%s HTTP/1.1\r\n" HOST "%s%s\r\n%s", line, fields, length, body ? body : "");
}

#define INCOMPLETE_LOGIN  ERROR("400", "Bad Request", "Please specify username and password")
#define NO_JSON           ERROR("400", "Bad Request", "Expected JSON in request body")
#define WRONG_LOGIN       ERROR("401", "Unauthorized", "Invalid username or password")
#define NOT_FOUND(path)   ERROR("404", "Not Found", "Path " path " not found")
#define NOT_ALLOWED(name) ERROR("405", "Method Not Allowed", name " not allowed")
#define ID                "Cookie: session_id=<id>\r\n"
#define SET_COOKIE        "Set-Cookie: session_id=<id>; Path=/; HttpOnly; SameSite=Lax\r\n"
#define DELETE_COOKIE                                                                              \
    "Set-Cookie: session_id=DELETED; Path=/; HttpOnly; SameSite=Lax; "                             \
    "Expires=Thu, 01 Jan 1970 00:00:00 GMT\r\n"
#define HOW_TO_LOG_IN                                                                              \
    "WWW-Authenticate: Cookie form-action=\"/login\", cookie-name=\"session_id\"\r\n"

/* In the fields <id> stands for the id of a session that exists, in the response for any id. */
static const struct {
    const char *line, *fields, *body;
    int status;
    const char *response; /* its body; NULL if any */
    const char *has, *lacks;
} example[] = {
    {"POST /login", "", FOO, 200, LOGGED_IN, SET_COOKIE, "WWW-Auth"},
    {"POST /login/", "", FOO, 200, LOGGED_IN, SET_COOKIE, "Allow"},
    {"POST /login?next=/home", "", FOO, 200, LOGGED_IN, SET_COOKIE, NULL},
    {"POST /log%69n", "", FOO, 200, LOGGED_IN, SET_COOKIE, NULL},
    {"POST http://a/login", "", FOO, 200, LOGGED_IN, SET_COOKIE, NULL},
    {"POST /login", "Cookie: session_id=0123456789abcdef0123456789abcdef01234567\r\n", FOO, 200,
     LOGGED_IN, SET_COOKIE, "Set-Cookie: session_id=0123456789abcdef0123456789abcdef01234567"},
    {"POST /login", "", " {\"a\":[{}], \"password\":\"f\\u006fo\", \"username\":\"foo\"}\n", 200,
     LOGGED_IN, SET_COOKIE, NULL},
    {"POST /login", "", "{\"username\":\"bar\",\"password\":\"foo\",\"username\":\"foo\"}", 200,
     LOGGED_IN, SET_COOKIE, NULL},
    {"POST /login", "", "{\"username\":\"foo\",\"password\":\"Foo\"}", 401, WRONG_LOGIN,
     HOW_TO_LOG_IN, "Set-C"},
    {"POST /login", "", "{\"username\":\"fo\",\"password\":\"foo\"}", 401, WRONG_LOGIN,
     HOW_TO_LOG_IN, "Set-C"},
    {"POST /login", "", "{\"username\":\"foo\\u0000\",\"password\":\"foo\"}", 401, WRONG_LOGIN,
     HOW_TO_LOG_IN, "Set-C"},
    {"POST /login", "", NULL, 400, INCOMPLETE_LOGIN, NULL, "Set-C"},
    {"POST /login", "", "{}", 400, INCOMPLETE_LOGIN, NULL, "Set-C"},
    {"POST /login", "", "{\"username\":\"foo\"}", 400, INCOMPLETE_LOGIN, NULL, "Set-C"},
    {"POST /login", "", "{\"username\":\"foo\",\"password\":\"\"}", 400, INCOMPLETE_LOGIN, NULL,
     "Set-C"},
    {"POST /login", "", "{\"username\":\"\",\"password\":\"foo\"}", 400, INCOMPLETE_LOGIN, NULL,
     "Set-C"},
    {"POST /login", "", "{\"username\":\"foo\",\"password\":7}", 400, NULL, NULL, "Set-C"},
    {"POST /login", "", "{\"username\":7,\"password\":\"foo\"}", 400, NULL, NULL, "Set-C"},
    {"POST /login", "", "[\"foo\",\"foo\"]", 400, NULL, NULL, "Set-C"},
    {"POST /login", "", "username=foo&password=foo", 400, NO_JSON, NULL, "Set-C"},
    {"POST /login", "", FOO "}", 400, NO_JSON, NULL, "Set-C"},
    {"GET /home", "", NULL, 401, UNAUTHORIZED, HOW_TO_LOG_IN, "Allow"},
    {"GET /home", ID, NULL, 200, HELLO, NULL, "Set-C"},
    {"GET /home/", ID, NULL, 200, HELLO, NULL, NULL},
    {"POST /home", ID, NULL, 200, HELLO, NULL, NULL},
    {"POST /home", ID, "anything", 200, HELLO, NULL, NULL},
    {"GET /home", "Cookie: session_id=x; a=b;session_id=<id>\r\n", NULL, 200, HELLO, NULL, NULL},
    {"GET /home", "Cookie: session_id=<id>; session_id=x\r\n", NULL, 401, UNAUTHORIZED,
     HOW_TO_LOG_IN, NULL},
    {"GET /home", "Cookie: session_id=<id>0\r\n", NULL, 401, UNAUTHORIZED, HOW_TO_LOG_IN, NULL},
    {"GET /home", "Cookie: id=<id>\r\n", NULL, 401, UNAUTHORIZED, HOW_TO_LOG_IN, NULL},
    {"POST /logout", "", NULL, 200, "{\"message\": \"Not logged in\"}", NULL, "Set-C"},
    {"POST /logout", ID, NULL, 200, "{\"message\": \"logged out\"}", DELETE_COOKIE, NULL},
    {"POST /logout", "Cookie: session_id=x\r\n", NULL, 200, "{\"message\": \"logged out\"}",
     DELETE_COOKIE, NULL},
    {"GET /", "", NULL, 404, NOT_FOUND("/"), NULL, "Allow"},
    {"GET /home//", ID, NULL, 404, NOT_FOUND("/home/"), NULL, NULL},
    {"GET //home", ID, NULL, 404, NOT_FOUND("//home"), NULL, NULL},
    {"GET /home%2f", ID, NULL, 404, NOT_FOUND("/home%2f"), NULL, NULL},
    {"GET /Home", ID, NULL, 404, NOT_FOUND("/Home"), NULL, NULL},
    {"PUT /%22%c3%a4%5c%0a", "", FOO, 404, NOT_FOUND("/\\\"\\u00e4\\\\\\n"), NULL, "Allow"},
    {"GET /login", "", NULL, 405, NOT_ALLOWED("GET"), "Allow: POST, OPTIONS\r\n", NULL},
    {"DELETE /home", ID, NULL, 405, NOT_ALLOWED("DELETE"), "Allow: GET, HEAD, POST, OPTIONS\r\n",
     NULL},
    {"JET /home", ID, NULL, 405, NOT_ALLOWED("JET"), "Allow: GET, HEAD, POST, OPTIONS\r\n", NULL},
    {"get /home", ID, NULL, 405, NOT_ALLOWED("get"), "Allow: GET, HEAD, POST, OPTIONS\r\n", NULL},
    {"OPTIONS /home", "", NULL, 200, "{}", "Allow: GET, HEAD, POST, OPTIONS\r\n", NULL},
    {"OPTIONS /logout", "", NULL, 200, "{}", "Allow: POST, OPTIONS\r\n", NULL},
    {"OPTIONS *", "", NULL, 200, "{}", "Allow: ", NULL},
    {"OPTIONS /nowhere", "", NULL, 404, NOT_FOUND("/nowhere"), NULL, "Allow"},
    {"GET /", "", NULL, 404, NOT_FOUND("/"), NULL, "Allow"},
    {"GET //", "", NULL, 404, NOT_FOUND("/"), NULL, "Allow"},
    {"HEAD /home", ID, NULL, 200, "", "Content-Length: 25\r\n", NULL},
    {"HEAD /home", "", NULL, 401, "", HOW_TO_LOG_IN, NULL},
    {"HEAD /login", "", NULL, 405, "", "Allow: POST, OPTIONS\r\n", NULL},
    {"HEAD /nowhere", "", NULL, 404, "", NULL, "Allow"},
    /* What browsers add. */
    {"POST /login", "Sec-Fetch-Site: same-origin\r\n", FOO, 200, LOGGED_IN, SET_COOKIE, NULL},
    {"POST /login", "Sec-Fetch-Site: none\r\n", FOO, 200, LOGGED_IN, SET_COOKIE, NULL},
    {"POST /login", "Sec-Fetch-Site: cross-site\r\n", FOO, 403, NULL, NULL, "Set-C"},
    {"POST /logout", "Sec-Fetch-Site: same-site\r\n" ID, NULL, 403, NULL, NULL, "Set-C"},
    {"POST /login", "Origin: http://a\r\n", FOO, 200, LOGGED_IN, SET_COOKIE, NULL},
    {"POST /login", "Origin: https://A\r\n", FOO, 200, LOGGED_IN, SET_COOKIE, NULL},
    {"POST /login", "Origin: http://b\r\n", FOO, 403, NULL, NULL, "Set-C"},
    {"POST /login", "Origin: http://a:8080\r\n", FOO, 403, NULL, NULL, "Set-C"},
    {"POST /login", "Origin: null\r\n", FOO, 403, NULL, NULL, "Set-C"},
    {"POST /login", "Origin: http://a\r\nSec-Fetch-Site: cross-site\r\n", FOO, 403, NULL, NULL,
     "Set-C"},
    {"GET /home", "Origin: http://b\r\nSec-Fetch-Site: cross-site\r\n" ID, NULL, 200, HELLO, NULL,
     NULL},
};

static void insert_id(char *text, size_t size, const char *fields, const char *id) {
    const char *mark = strstr(fields, "<id>");
    int before = mark ? (int)(mark - fields) : (int)strlen(fields);
    snprintf(text, size, "%.*s%s%s", before, fields, mark ? id : "", mark ? mark + 4 : "");
}

static void check_example(struct client *client, size_t i) {
    char id[41], fields[256], request[1024], name[200];
    log_in(&server, FOO, id);
    insert_id(fields, sizeof fields, example[i].fields, id);
    make_request(request, sizeof request, example[i].line, fields, example[i].body);
    snprintf(name, sizeof name, "%s, %s%s", example[i].line, example[i].fields,
             example[i].body ? example[i].body : "no body");
    client->no_body = strncmp(request, "HEAD", 4) == 0;
    CASE(name);
    CHECK_INT(ask(client, request), example[i].status);
    CHECK(!example[i].lacks || !has_line(client, example[i].lacks));
    hide_ids(client->head);
    hide_ids(client->body);
    if (example[i].response) CHECK_STR(client->body, example[i].response);
    CHECK(!example[i].has || has_line(client, example[i].has));
}

/* Returns 0 for any digit, a for any letter, and any other byte itself. */
static char class_of(char byte) {
    if (byte >= '0' && byte <= '9') return '0';
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ? 'a' : byte;
}

/* Returns whether `text` begins like `model`, whatever its digits and letters are. */
static bool looks_like(const char *text, const char *model) {
    while (*model && class_of(*text) == class_of(*model)) text++, model++;
    return *model == '\0';
}

static void test_example(void) {
    TEST("a user logs in, is greeted, logs out, and is refused") {
        char id[41], out[200];
        CHECK_INT(log_in(&server, FOO, id), 200);
        CHECK_INT(strspn(id, "0123456789abcdef"), 40);
        CHECK_INT(visit(&server, id), 200);
        snprintf(out, sizeof out, "POST /logout HTTP/1.1\r\n" HOST "Cookie: session_id=%s\r\n\r\n",
                 id);
        CHECK_INT(ask_once(&server, out), 200);
        CHECK_INT(visit(&server, id), 401);
    }
    TEST("a logout deletes one session and no other") {
        char one[41], other[41], out[200];
        log_in(&server, FOO, one);
        log_in(&server, FOO, other);
        CHECK(strcmp(one, other) != 0);
        snprintf(out, sizeof out, "POST /logout HTTP/1.1\r\n" HOST "Cookie: session_id=%s\r\n\r\n",
                 one);
        CHECK_INT(ask_once(&server, out), 200);
        CHECK_INT(visit(&server, one), 401);
        CHECK_INT(visit(&server, other), 200);
    }
    TEST("every request of the example gets its response, on one connection") {
        struct client client = dial(&server);
        for (size_t i = 0; i < COUNT(example); i++) check_example(&client, i);
        hang_up(&client);
    }
    TEST("every response has a date and a type, and must not be stored") {
        struct client client = dial(&server);
        CHECK_INT(ask(&client, LOGIN), 200);
        const char *date = strstr(client.head, "\r\nDate: ");
        CHECK(date && looks_like(date + 2, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
        CHECK_LINE(&client, "Content-Type: application/json\r\n");
        CHECK_LINE(&client, "Cache-Control: no-store\r\n");
        hang_up(&client);
    }
}

/* ---- Connections ---- */

/* Does a connection stay open after a request with these fields? */
static const struct {
    const char *version, *fields;
    bool stays_open;
    const char *field; /* the Connection field of the response, or NULL */
} persistence[] = {
    {"HTTP/1.1", "", true, NULL},
    {"HTTP/1.1", "Connection: keep-alive\r\n", true, NULL},
    {"HTTP/1.1", "Connection: TE,,Keep-Alive\r\n", true, NULL},
    {"HTTP/1.1", "Connection: close\r\n", false, "Connection: close\r\n"},
    {"HTTP/1.1", "Connection: keep-alive, CLOSE\r\n", false, "Connection: close\r\n"},
    {"HTTP/1.1", "X-Connection: close\r\n", true, NULL},
    {"HTTP/1.0", "", false, "Connection: close\r\n"},
    {"HTTP/1.0", "Connection: Keep-Alive\r\n", true, "Connection: keep-alive\r\n"},
    {"HTTP/1.0", "Connection: keep-alive, close\r\n", false, "Connection: close\r\n"},
};

static void check_persistence(size_t i) {
    char request[200], name[100];
    struct client client = dial(&server);
    snprintf(request, sizeof request, "GET /home %s\r\n" HOST "%s\r\n", persistence[i].version,
             persistence[i].fields);
    snprintf(name, sizeof name, "%s %s", persistence[i].version, persistence[i].fields);
    CASE(name);
    CHECK_INT(ask(&client, request), 401);
    CHECK(has_line(&client, "Connection") == (persistence[i].field != NULL));
    CHECK(!persistence[i].field || has_line(&client, persistence[i].field));
    if (persistence[i].stays_open)
        CHECK_INT(ask(&client, GET("/home")), 401);
    else
        CHECK_INT(read_response(&client), ENDED);
    hang_up(&client);
}

/* The descriptor of a connection that lingered would go only after two seconds. */
static void expect_close_at_once(size_t i) {
    struct child own = start("-a 127.0.0.1 -p 0");
    int before = count_descriptors(&own);
    struct client client = dial(&own);
    (void)i;
    CHECK_INT(ask(&client, LAST("/home")), 401);
    CHECK_INT(read_response(&client), ENDED);
    int64_t since = read_clock();
    while (count_descriptors(&own) != before && is_between(since, 0, 100)) pause_us(100);
    CHECK(is_between(since, 0, 1));
    hang_up(&client);
    CHECK_INT(stop(&own, SIGTERM), 0);
}

/* Sends `bytes` from another process, while we read the responses. */
static pid_t send_in_background(struct client *client, const char *bytes, size_t len) {
    pid_t pid = fork();
    if (pid == 0) _exit(!send_bytes(client, bytes, len));
    return pid;
}

#define PIPELINED 1000

/* A number is written between `start` and `rest`. */
static const struct {
    const char *start, *rest;
    int status;
} mixed[4] = {
    {"GET /", " HTTP/1.1\r\n" HOST "\r\n", 404},
    {"POST /", " HTTP/1.1\r\n" HOST "Content-Length: 13\r\n\r\nGET / HTTP/1\n", 404},
    {"POST /login?", " HTTP/1.1\r\n" HOST "Content-Length: 35\r\n\r\n" FOO, 200},
    {"POST /login?",
     " HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
     "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
     400},
};

static void check_pipelining(void) {
    static char requests[PIPELINED * 120];
    struct client client = dial(&server);
    size_t len = 0;
    int status, wrong = 0;
    for (int i = 0; i < PIPELINED; i++)
        len += (size_t)snprintf(requests + len, sizeof requests - len, "%s%d%s", mixed[i % 4].start,
                                i, mixed[i % 4].rest);
    pid_t writer = send_in_background(&client, requests, len);
    for (int i = 0; i < PIPELINED && wrong == 0; i++) {
        char path[40];
        snprintf(path, sizeof path, "Path /%d not found", i);
        wrong += read_response(&client) != mixed[i % 4].status;
        wrong += i % 4 < 2 && !strstr(client.body, path);
    }
    CHECK_INT(wrong, 0);
    if (wrong > 0) kill(writer, SIGKILL);
    CHECK(waitpid(writer, &status, 0) == writer);
    CHECK_INT(status, 0);
    hang_up(&client);
}

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
#define BYTEWISE (PIPELINE + 1)

/* Sends the pipeline in two parts, or byte by byte, and reads until the end. Ids and dates are hidden.
 * The pauses let the server read; together they must be shorter than the timeout of a request. */
static const char *run_pipeline(size_t first) {
    static struct client client;
    int64_t since = read_clock();
    client = dial(&server);
    if (first == BYTEWISE) {
        for (size_t i = 0; i < PIPELINE; i++) {
            send_bytes(&client, pipeline + i, 1);
            if (read_clock() - since < 4 * SECOND) pause_us(100);
        }
    } else {
        send_bytes(&client, pipeline, first);
        if (first < PIPELINE) pause_us(500);
        send_bytes(&client, pipeline + first, PIPELINE - first);
    }
    int more;
    while ((more = read_more(&client)) == 1) continue;
    hang_up(&client);
    client.in[client.len < sizeof client.in ? client.len : sizeof client.in - 1] = '\0';
    hide_ids(client.in);
    for (char *date = client.in; (date = strstr(date, "\r\nDate: ")); date += 8)
        memset(date + 8, '-', 29);
    return client.in;
}

/* Returns whether the responses are the same. If it took longer than a request may take, it is tried
 * again. */
static bool has_same_responses(size_t first, const char *whole) {
    int64_t start = read_clock(), since;
    bool same;
    do {
        since = read_clock();
        same = strcmp(run_pipeline(first), whole) == 0;
    } while (!same && !is_between(since, 0, 10) && read_clock() - start < MAX_WAIT);
    return same;
}

static void check_splits(void) {
    static char whole[sizeof((struct client *)0)->in];
    bool same = true;
    strcpy(whole, run_pipeline(PIPELINE));
    CHECK_HAS(whole, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK");
    CHECK_HAS(whole, "\r\n\r\n{\"message\": \"logged out\"}");
    for (size_t first = 1; first < PIPELINE && same; first++)
        same = has_same_responses(first, whole);
    CHECK(same);
    CHECK(has_same_responses(BYTEWISE, whole));
}

static void expect_continue(size_t i) {
    struct client client = dial(&server);
    (void)i;
    CHECK_INT(ask(&client, EXPECTING_LOGIN), 100);
    for (const char *byte = FOO; *byte; byte++, pause_us(500)) send_bytes(&client, byte, 1);
    CHECK_INT(read_response(&client), 200);
    CHECK_INT(ask(&client, EXPECTING_LOGIN), 100);
    CHECK_INT(ask(&client, FOO), 200);
    CHECK_INT(ask(&client, "POST /login HTTP/1.0\r\nConnection: keep-alive\r\n"
                           "Content-Length: 35\r\nExpect: 100-continue\r\n\r\n" FOO),
              200);
    CHECK_INT(ask(&client, GET("/home")), 401);
    hang_up(&client);
}

static void test_connections(void) {
    TEST(
        "a connection stays open if the request allows it, and the response says whether it does") {
        for (size_t i = 0; i < COUNT(persistence); i++) check_persistence(i);
    }
    TEST("after the last response the connection is closed at once, if no input is left") {
        check_within(1, expect_close_at_once, 0, "");
    }
    TEST("pipelined requests get their responses in the same order") { check_pipelining(); }
    TEST("however a pipeline is split, even byte by byte, the responses are the same bytes") {
        check_splits();
    }
    TEST("a client that expects 100 (Continue) gets it once a request, and with HTTP/1.0 never") {
        check_within(10, expect_continue, 0, "");
    }
    TEST("empty lines in front of a request are ignored") {
        struct client client = dial(&server);
        CHECK_INT(ask(&client, "\r\n\r\n" GET("/home") "\r\n"), 401);
        CHECK_INT(ask(&client, "\r\n" GET("/home")), 401);
        hang_up(&client);
    }
    TEST("a client that shuts its side down after the request gets the response, then the end") {
        struct client client = dial(&server);
        send_text(&client, GET("/home"));
        shutdown(client.fd, SHUT_WR);
        CHECK_INT(read_response(&client), 401);
        CHECK_INT(read_response(&client), ENDED);
        hang_up(&client);
    }
    TEST("a request that ends too early gets no response") {
        struct client client = dial(&server);
        send_text(&client, "POST /login HTTP/1.1\r\n" HOST "Content-Length: 36\r\n\r\n" FOO);
        shutdown(client.fd, SHUT_WR);
        CHECK_INT(read_response(&client), ENDED);
        hang_up(&client);
    }
}

/* ---- Requests that are refused ---- */

#define POST(fields) "POST /login HTTP/1.1\r\n" HOST fields "\r\n"

/* The request is `start`, so many times `again`, and `end`. */
static const struct {
    int status;
    const char *start, *again;
    size_t times;
    const char *end;
} refused[] = {
    {400, "hello\r\n\r\n", "", 0, ""},
    {400, "GET /home\r\n\r\n", "", 0, ""},
    {400, "GET  /home HTTP/1.1\r\n" HOST "\r\n", "", 0, ""},
    {400, "GET home HTTP/1.1\r\n" HOST "\r\n", "", 0, ""},
    {400, "GET * HTTP/1.1\r\n" HOST "\r\n", "", 0, ""},
    {400, "GET /%00 HTTP/1.1\r\n" HOST "\r\n", "", 0, ""},
    {400, "GET /home HTTP/1.1\n", "", 0, ""},
    {400, "\n", "", 0, ""},
    /* The response does not depend on how the bytes were split: this is not one to HEAD. */
    {400, "\nHEAD / HTTP/1.1\r\n\r\n", "", 0, ""},
    {400, "GET /home HTTP/1.1\r\n\r\n", "", 0, ""},
    {400, "GET /home HTTP/1.1\r\n" HOST HOST "\r\n", "", 0, ""},
    {400, "GET /home HTTP/1.1\r\n" HOST "A : b\r\n\r\n", "", 0, ""},
    {400, "GET /home HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", "", 0, ""},
    {400, POST("Content-Length: 35\r\nTransfer-Encoding: chunked\r\n"), "", 0, ""},
    {400, POST("Content-Length: 35\r\nContent-Length: 35\r\n"), "", 0, ""},
    {400, POST("Content-Length: +35\r\n"), "", 0, ""},
    {400, POST("Transfer-Encoding: chunked\r\n") "g\r\n", "", 0, ""},
    {400, POST("Transfer-Encoding: chunked\r\n") "1\r\nabc\r\n", "", 0, ""},
    /* The framing is checked before the route. */
    {400, "POST /nowhere HTTP/1.1\r\n" HOST "Content-Length: x\r\n\r\n", "", 0, ""},
    {413, POST("Content-Length: 16384\r\n"), "", 0, ""},
    {413, POST("Content-Length: 99999999999999999999999999\r\n"), "", 0, ""},
    {413, POST("Transfer-Encoding: chunked\r\n") "FFFFFFFFFFFFFFFF1\r\n", "", 0, ""},
    {413, POST("Transfer-Encoding: chunked\r\n"), "5\r\n12345\r\n", 3000, ""},
    {414, "GET /", "0123456789", 2000, " HTTP/1.1\r\n" HOST "\r\n"},
    {417, POST("Content-Length: 35\r\nExpect: the-unexpected\r\n"), "", 0, ""},
    {431, "GET /home HTTP/1.1\r\n" HOST, "A: b\r\n", 64, "\r\n"},
    {431, "GET /home HTTP/1.1\r\n" HOST "A: ", "0123456789", 2000, "\r\n\r\n"},
    {400, POST("Transfer-Encoding: gzip\r\n"), "", 0, ""},
    {501, POST("Transfer-Encoding: gzip, chunked\r\n"), "", 0, ""},
    {505, "GET /home HTTP/2.0\r\n" HOST "\r\n", "", 0, ""},
};

/* A valid request follows the bad one, and must be ignored. */
static size_t make_refused(size_t i, char *bytes, size_t size) {
    size_t len = (size_t)snprintf(bytes, size, "%s", refused[i].start);
    for (size_t n = 0; n < refused[i].times; n++)
        len += (size_t)snprintf(bytes + len, size - len, "%s", refused[i].again);
    return len + (size_t)snprintf(bytes + len, size - len, "%s%s", refused[i].end, GET("/home"));
}

static const struct {
    int status;
    const char *message;
} messages[] = {
    {400, "This is not a valid HTTP/1.1 request"},
    {408, "The request was not completed in time"},
    {413, "The request is too large"},
    {414, "The request-target is too long"},
    {417, "The only expectation supported is 100-continue"},
    {431, "The header fields are too large"},
    {501, "The only transfer coding supported is chunked"},
    {505, "The server supports HTTP/1.0 and HTTP/1.1"},
};

static void check_error(const struct client *client, int status) {
    char want[300], reason[60] = "";
    const char *message = "";
    for (size_t i = 0; i < COUNT(messages); i++)
        if (messages[i].status == status) message = messages[i].message;
    sscanf(client->head + 9, "%59[^\r]", reason);
    snprintf(want, sizeof want,
             "{\"status\": \"%s\", \"status_code\": %d, \"error\": \"%s\", \"data\": null}", reason,
             status, message);
    CHECK_INT(atoi(reason), status);
    CHECK_STR(client->body, want);
}

/* All of it must be sent while the server lingers. */
static void expect_refusal(size_t i) {
    static char bytes[40000];
    struct client client = dial(&server);
    send_bytes(&client, bytes, make_refused(i, bytes, sizeof bytes));
    CHECK_INT(read_response(&client), refused[i].status);
    check_error(&client, refused[i].status);
    CHECK_LINE(&client, "Connection: close\r\n");
    CHECK_INT(read_response(&client), ENDED);
    hang_up(&client);
}

static void expect_too_large(size_t i) {
    static char body[256 * 1024];
    struct client client = dial(&server);
    (void)i;
    send_text(&client, POST("Content-Length: 262144\r\n"));
    CHECK(send_bytes(&client, body, sizeof body));
    CHECK_INT(read_response(&client), 413);
    CHECK_INT(read_response(&client), ENDED);
    hang_up(&client);
}

/* Input that no more bytes can make a request. Nothing follows it. */
static const char *const malformed[] = {
    "\n",
    " ",
    "(",
    "GET  ",
    "GET /home\r\n",
    "GET /home HTTP/1.1\n",
    "GET /home HTTP/1.1 ",
    "GET /home HTTP/x",
    "GET /home HTTP/1.1\r\n ",
    "GET /home HTTP/1.1\r\nHost: a\n",
    "GET /home HTTP/1.1\r\nHost : a",
    "GET /home HTTP/1.1\r\nHost: a\r\nHost: a\r\n",
    POST("Transfer-Encoding: chunked\r\n") "g",
    POST("Transfer-Encoding: chunked\r\n") "1\r\nab",
};

/* A timeout would make it a 408. */
static void check_malformed(const char *input) {
    struct client client = dial(&server);
    CASE(input);
    CHECK_INT(ask(&client, input), 400);
    check_error(&client, 400);
    CHECK_INT(read_response(&client), ENDED);
    hang_up(&client);
}

/* Sends a login with a name and a password of so many bytes. */
static int log_in_at_length(struct client *client, int name, int password) {
    static const char start[] = "{\"username\": \"", middle[] = "\", \"password\": \"";
    char request[1024];
    size_t len = sizeof start + sizeof middle + (size_t)name + (size_t)password;
    snprintf(request, sizeof request,
             "POST /login HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n%s%0*d%s%0*d\"}", len,
             start, name, 0, middle, password, 0);
    return ask(client, request);
}

/* The request has so many times `again` between `before` and `after`, and the error message has so many
 * times `shown` between `start` and `end`. */
static const struct {
    int status, count;
    const char *before, *again, *after;
    const char *start, *shown, *end;
} shown_names[] = {
    {404, 127, "GET /", "a", "", "Path /", "a", " not found"},
    {404, 127, "GET /", "%01", "", "Path /", "\\u0001", " not found"},
    {404, 128, "GET /", "a", "", "Path ...", "", " not found"},
    {404, 500, "GET /", "%01", "", "Path ...", "", " not found"},
    {405, 128, "", "M", " /home", "", "M", " not allowed"},
    {405, 129, "", "M", " /home", "...", "", " not allowed"},
};

static void check_shown_name(size_t i) {
    char request[5000], want[1024] = "\"error\": \"";
    struct client client = dial(&server);
    strcpy(request, shown_names[i].before);
    strcat(want, shown_names[i].start);
    for (int n = 0; n < shown_names[i].count; n++) {
        strcat(request, shown_names[i].again);
        strcat(want, shown_names[i].shown);
    }
    strcat(strcat(request, shown_names[i].after), " HTTP/1.1\r\n" HOST "\r\n");
    strcat(strcat(want, shown_names[i].end), "\"");
    CHECK_INT(ask(&client, request), shown_names[i].status);
    CHECK_HAS(client.body, want);
    CHECK_INT(ask(&client, GET("/home")), 401);
    hang_up(&client);
}

static void test_refusals(void) {
    TEST("a bad request gets its status in the format of all errors, then an orderly end") {
        for (size_t i = 0; i < COUNT(refused); i++)
            check_within(2, expect_refusal, i, refused[i].start);
    }
    TEST("a malformed byte is answered with 400 at once") {
        for (size_t i = 0; i < COUNT(malformed); i++) check_malformed(malformed[i]);
    }
    TEST("a refused HEAD gets its status and no body") {
        struct client client = dial(&server);
        send_text(&client, "HEAD /home HTTP/1.1\r\n" HOST "Expect: the-unexpected\r\n\r\n");
        client.no_body = true;
        CHECK_INT(read_response(&client), 417);
        CHECK_LINE(&client, "Connection: close\r\n");
        CHECK_INT(read_response(&client), ENDED);
        hang_up(&client);
    }
    TEST("a name and a password have 255 bytes at most") {
        struct client client = dial(&server);
        CHECK_INT(log_in_at_length(&client, 255, 255), 401);
        CHECK_INT(log_in_at_length(&client, 256, 1), 400);
        CHECK_INT(log_in_at_length(&client, 1, 256), 400);
        CHECK_STR(client.body, ERROR("400", "Bad Request",
                                     "The username or the password is longer than 255 bytes"));
        hang_up(&client);
    }
    TEST("a path or method of more than 128 bytes is shown as \"...\" in the error") {
        for (size_t i = 0; i < COUNT(shown_names); i++) check_shown_name(i);
    }
    if (reads_whole_requests()) {
        TEST("input behind the last request does not destroy its response") {
            struct client client = dial(&server);
            CHECK_INT(ask(&client, LAST("/") GET("/home")), 404);
            CHECK_INT(read_response(&client), ENDED);
            hang_up(&client);
        }
    }
    TEST("a body that is too large does not destroy the response: it is read, and no reset comes") {
        for (size_t i = 0; i < 100 && !test_is_bad; i++)
            check_within(2, expect_too_large, i, "a body of 256 KiB");
    }
}

/* ---- Timeouts: never early, with a tenth to spare for the clock of the server; late only if the
 * machine is slow ---- */

static const char *const incomplete[] = {
    "GET /home HTTP/1.1\r\nHo",
    "POST /login HTTP/1.1\r\n" HOST "Content-Length: 36\r\n\r\n" FOO,
    "\r",
};

/* The time begins with the first byte, not with the connection. What comes too late is discarded, and
 * does not reset the connection. */
static void expect_request_timeout(size_t i) {
    struct client client = dial(&server);
    CHECK_INT(ask(&client, GET("/home") "\r\n"), 401);
    pause_ms(4 * SECOND);
    int64_t since = read_clock();
    send_text(&client, incomplete[i]);
    CHECK_INT(read_more(&client), 1);
    CHECK(is_between(since, 10, 100));
    send_text(&client, "the rest");
    pause_ms(5);
    CHECK_INT(read_response(&client), 408);
    check_error(&client, 408);
    CHECK_LINE(&client, "Connection: close\r\n");
    CHECK_INT(read_response(&client), ENDED);
    hang_up(&client);
}

/* Returns a client that sends many requests, and reads nothing. The server takes no more of them. */
static struct client stall(const struct child *child) {
    struct sockaddr_in address = loopback(child->port);
    struct client client = dial_as(&address, sizeof address, true, 0);
    struct pollfd polled = {client.fd, POLLOUT, 0};
    static char requests[27 * 400];
    for (size_t i = 0; i < 400; i++) memcpy(requests + 27 * i, GET("/"), 27);
    fcntl(client.fd, F_SETFL, O_NONBLOCK);
    while (poll(&polled, 1, 2 * SECOND) == 1 && polled.revents == POLLOUT)
        if (send(client.fd, requests, sizeof requests, 0) < 0 && errno != EAGAIN) break;
    return client;
}

/* Returns whether the server resets this connection. It must not be read from, so poll tells it. */
static bool is_reset(const struct client *client) {
    return poll(&(struct pollfd){client->fd, 0, 0}, 1, MAX_WAIT) == 1;
}

static void expect_keep_alive(size_t i) {
    struct client client = dial(&server);
    (void)i;
    for (int n = 0; n < 6; n++) {
        CHECK_INT(ask(&client, GET("/home")), 401);
        pause_ms(4 * SECOND);
    }
    hang_up(&client);
}

/* Sends empty lines, after a request or after none, until the server closes the connection. */
static void check_empty_lines(const char *first, int status) {
    struct client client = dial(&server);
    struct pollfd polled = {client.fd, POLLIN, 0};
    CHECK(!*first || ask(&client, first) == status);
    int64_t since = read_clock();
    while (poll(&polled, 1, SECOND) == 0 && is_between(since, 0, 100)) send_text(&client, "\r\n");
    CHECK(is_between(since, 14, 99));
    CHECK(read_more(&client) != 1); /* no response to an empty line; a reset is possible */
    hang_up(&client);
}

static void test_timeouts(void) {
    TEST("an incomplete request is answered with 408 ten seconds after its first byte") {
        for (size_t i = 0; i < COUNT(incomplete); i++)
            check_within(4 + 12, expect_request_timeout, i, incomplete[i]);
    }
    TEST("a request that comes byte by byte gets no more time than another") {
        int64_t since = read_clock();
        struct client client = dial(&server);
        send_text(&client, "GET /");
        struct pollfd polled = {client.fd, POLLIN, 0};
        while (poll(&polled, 1, SECOND) == 0 && is_between(since, 0, 100)) send_text(&client, "a");
        CHECK(is_between(since, 10, 100));
        CHECK_INT(read_response(&client), 408);
        hang_up(&client);
    }
    TEST("an idle connection is closed without a response after fifteen seconds") {
        struct client silent = dial(&server), client = dial(&server);
        CHECK_INT(ask(&client, GET("/home")), 401);
        int64_t since = read_clock();
        CHECK_INT(read_response(&client), ENDED);
        CHECK(is_between(since, 14, 150));
        CHECK_INT(read_response(&silent), ENDED);
        hang_up(&client);
        hang_up(&silent);
    }
    TEST("every request gives its connection fifteen seconds more") {
        check_within(14, expect_keep_alive, 0, "");
    }
    if (reads_whole_requests()) { /* a CR alone is the first byte of a request */
        TEST("empty lines start no timeout, and keep no connection alive") {
            check_empty_lines("", 0);
            check_empty_lines(GET("/home"), 401);
        }
    }
    TEST("a client that does not read its responses is dropped after ten seconds") {
        struct child own = start("-a 127.0.0.1 -p 0");
        int64_t since = read_clock();
        struct client client = stall(&own);
        CHECK(is_reset(&client));
        CHECK(is_between(since, 10, 200));
        hang_up(&client);
        CHECK_INT(stop(&own, SIGTERM), 0);
        CHECK_HAS(own.stderr_text, "closed: the client did not read the response in time\n");
    }
    TEST("a client that goes on sending after the last response is dropped after two seconds") {
        int64_t since = read_clock();
        struct client client = dial(&server);
        CHECK_INT(ask(&client, "nonsense\r\n\r\n"), 400);
        CHECK_INT(read_response(&client), ENDED);
        while (is_between(since, 0, 100) && send_text(&client, "more")) pause_ms(5);
        CHECK(is_between(since, 2, 99));
        hang_up(&client);
    }
}

/* ---- Eviction ---- */

/* Returns a client in the middle of a request, for which the server has set a buffer aside. */
static struct client dial_partial(const struct child *to, int from) {
    struct client client = dial_from(to, from);
    CHECK_INT(ask(&client, EXPECTING_LOGIN), 100);
    return client;
}

static struct client dial_idle(const struct child *to, int from) {
    struct client client = dial_from(to, from);
    CHECK_INT(ask(&client, GET("/home")), 401);
    return client;
}

static bool is_idle(struct client *client) { return ask(client, GET("/home")) == 401; }
static bool completes(struct client *client) { return ask(client, FOO) == 200; }
static bool is_evicted(struct client *client) { return read_response(client) == ENDED; }

/* Returns whether nothing has come, and the connection was not closed. */
static bool is_open(const struct client *client) {
    return poll(&(struct pollfd){client->fd, POLLIN, 0}, 1, 0) == 0;
}

static void hang_up_all(struct client clients[], size_t count) {
    for (size_t i = 0; i < count; i++) hang_up(&clients[i]);
}

static void expect_oldest_idle(size_t i) {
    struct child small = start("-a 127.0.0.1 -p 0 -c 4");
    struct client clients[5];
    (void)i;
    for (int n = 0; n < 4; n++) clients[n] = dial_idle(&small, 0);
    CHECK(is_idle(&clients[0])); /* so the deadline of the second one is the nearest */
    clients[4] = dial_idle(&small, 0);
    CHECK(is_evicted(&clients[1]));
    for (int n = 0; n < 5; n++) CHECK(n == 1 || is_idle(&clients[n]));
    hang_up_all(clients, COUNT(clients));
    CHECK_INT(stop(&small, SIGTERM), 0);
    CHECK(!strstr(small.stderr_text, "closed: "));
}

static void expect_oldest_partial(size_t i) {
    struct child small = start("-a 127.0.0.1 -p 0 -c 4");
    struct client clients[5];
    (void)i;
    for (int n = 0; n < 4; n++) clients[n] = dial_partial(&small, 0);
    clients[4] = dial_idle(&small, 0);
    CHECK(is_evicted(&clients[0]));
    for (int n = 1; n < 4; n++) CHECK(completes(&clients[n]));
    hang_up_all(clients, COUNT(clients));
    CHECK_INT(stop(&small, SIGTERM), 0);
    CHECK_HAS(small.stderr_text, "closed: evicted for another connection\n");
}

/* The deadlines of the requests are nearer than that of the idle connection. */
static void expect_idle_first(size_t i) {
    struct child small = start("-a 127.0.0.1 -p 0 -c 4");
    struct client clients[6];
    (void)i;
    clients[0] = dial_partial(&small, 0);
    clients[1] = dial_partial(&small, 0);
    clients[2] = dial_idle(&small, 0);
    clients[3] = dial(&small);
    CHECK_INT(ask(&clients[3], "nonsense\r\n"), 400); /* the server lingers */
    pause_ms(SECOND / 20 + 5);
    for (int n = 4; n < 6; n++) clients[n] = dial_idle(&small, 0);
    CHECK(is_evicted(&clients[2]));
    CHECK(completes(&clients[0]) && completes(&clients[1]));
    CHECK(is_idle(&clients[4]) && is_idle(&clients[5]));
    hang_up_all(clients, COUNT(clients));
    CHECK_INT(stop(&small, SIGTERM), 0);
}

/* A small table has eight buffers, and the one for the next event. */
static void expect_oldest_buffer(size_t i) {
    struct child small = start("-a 127.0.0.1 -p 0 -c 32");
    struct client clients[9];
    (void)i;
    for (int n = 0; n < 8; n++) clients[n] = dial_partial(&small, 0);
    CHECK(is_open(&clients[0]));
    clients[8] = dial_partial(&small, 0);
    CHECK(is_evicted(&clients[0]));
    for (int n = 1; n < 9; n++) CHECK(completes(&clients[n]));
    hang_up_all(clients, COUNT(clients));
    CHECK_INT(stop(&small, SIGTERM), 0);
    CHECK_HAS(small.stderr_text, "closed: evicted for another connection\n");
}

/* The last byte of the addresses of three clients. */
enum { ONE = 1, GREEDY, OTHER };

static const char *const shared_by[] = {"-a 127.0.0.1 -p 0 -c 16", "-a :: -p 0 -c 16"};

/* The greedy client fills the table and then pays for itself, and for a third client too. The first
 * connection has the nearest deadline, but it stays. */
static void expect_share_of_places(size_t i) {
    struct child small = start(shared_by[i]);
    struct client one, greedy[16], other;
    if (!small.serves) return; /* the machine has no IPv6 */
    one = dial_idle(&small, ONE);
    for (int n = 0; n < 16; n++) greedy[n] = dial_idle(&small, GREEDY);
    CHECK(is_evicted(&greedy[0]));
    CHECK(is_open(&one));
    other = dial_idle(&small, OTHER);
    CHECK(is_evicted(&greedy[1]));
    for (int n = 2; n < 16; n++) CHECK(is_open(&greedy[n]));
    CHECK(is_open(&one) && is_open(&other));
    hang_up_all(greedy, COUNT(greedy));
    hang_up(&one);
    hang_up(&other);
    CHECK_INT(stop(&small, SIGTERM), 0);
    CHECK_HAS(small.stderr_text, "127.0.0.2 - - [");
}

static void expect_share_of_buffers(size_t i) {
    struct child small = start(shared_by[i]);
    struct client one, greedy[8];
    if (!small.serves) return;
    one = dial_partial(&small, ONE);
    for (int n = 0; n < 8; n++) greedy[n] = dial_partial(&small, GREEDY);
    CHECK(is_evicted(&greedy[0]));
    CHECK(completes(&one));
    for (int n = 1; n < 8; n++) CHECK(completes(&greedy[n]));
    hang_up_all(greedy, COUNT(greedy));
    hang_up(&one);
    CHECK_INT(stop(&small, SIGTERM), 0);
}

/* It has not exceeded its share with one connection, however small the table is. */
static void expect_first_spared(size_t i) {
    struct child small = start("-a 127.0.0.1 -p 0 -c 2");
    struct client one = dial_idle(&small, ONE), first = dial_idle(&small, OTHER);
    struct client second = dial_idle(&small, OTHER);
    (void)i;
    CHECK(is_evicted(&one));
    CHECK(is_idle(&first) && is_idle(&second));
    hang_up(&one);
    hang_up(&first);
    hang_up(&second);
    CHECK_INT(stop(&small, SIGTERM), 0);
}

static bool has_many_addresses(void) {
    struct client client = dial_from(&server, OTHER);
    bool connected = client.fd >= 0;
    hang_up(&client);
    return connected;
}

/* It has 48 places, but descriptors for 18 connections. */
static void expect_eviction_without_fds(size_t i) {
    struct child poor =
        start_as((struct setup){.options = "-a 127.0.0.1 -p 0", .extra_fds = 40, .max_fds = 64});
    struct client clients[30];
    int64_t since = read_clock();
    (void)i;
    for (size_t n = 0; n < COUNT(clients); n++) clients[n] = dial_idle(&poor, 0);
    CHECK(is_evicted(&clients[0]));
    CHECK(is_between(since, 0, 10)); /* the keep-alive timeout would close it too */
    CHECK(is_open(&clients[COUNT(clients) - 2]));
    hang_up_all(clients, COUNT(clients));
    CHECK_INT(stop(&poor, SIGTERM), 0);
}

/* So many clients ask while the server is suspended; then it gets the signals. Returns how many of
 * them are served. */
static int serve_crowd(const struct child *child, int crowd, const int signals[]) {
    struct client client;
    int fds[100], served = 0;
    kill(child->pid, SIGSTOP);
    for (int i = 0; i < crowd; i++) {
        client = dial(child);
        send_text(&client, GET("/home"));
        fds[i] = client.fd;
    }
    for (; *signals; signals++) kill(child->pid, *signals);
    for (int i = 0; i < crowd; i++) {
        client = (struct client){.fd = fds[i]};
        served += read_response(&client) == 401;
        hang_up(&client);
    }
    return served;
}

static void check_crowd(const char *options, int crowd) {
    static const int signals[] = {SIGCONT, 0};
    struct child own = start(options);
    CHECK_INT(serve_crowd(&own, crowd, signals), crowd);
    CHECK_INT(stop(&own, SIGTERM), 0);
}

/* A client sends many requests and leaves: sending the first response fails, and the others are
 * discarded. */
static void check_gone(void) {
    int wrong = 0;
    for (int i = 0; i < 20; i++) {
        struct client gone = dial(&server), client = dial(&server);
        kill(server.pid, SIGSTOP);
        for (int n = 0; n < 300; n++) send_text(&gone, GET("/"));
        hang_up(&gone);
        kill(server.pid, SIGCONT);
        wrong += ask(&client, GET("/own")) != 404;
        wrong += strcmp(client.body, NOT_FOUND("/own")) != 0;
        hang_up(&client);
    }
    CHECK_INT(wrong, 0);
}

static void test_shares(void) {
    TEST("an address that holds more than its share of the places pays for itself") {
        for (size_t i = 0; i < COUNT(shared_by); i++)
            check_within(15, expect_share_of_places, i, shared_by[i]);
    }
    TEST("an address that holds more than its share of the buffers pays for itself") {
        for (size_t i = 0; i < COUNT(shared_by); i++)
            check_within(10, expect_share_of_buffers, i, shared_by[i]);
    }
    TEST("the first connection of an address is spared when it opens a second") {
        check_within(15, expect_first_spared, 0, "");
    }
}

static void test_eviction(void) {
    TEST("if the table is full, the connection that is idle longest is evicted for a new one") {
        check_within(15, expect_oldest_idle, 0, "");
    }
    TEST("if all are in the middle of a request, the one with the nearest deadline is evicted") {
        check_within(10, expect_oldest_partial, 0, "");
    }
    TEST("idle and lingering connections are evicted before those with a request in progress") {
        check_within(10, expect_idle_first, 0, "");
    }
    TEST("if all buffers are in use, the connection with the nearest deadline is evicted") {
        check_within(10, expect_oldest_buffer, 0, "");
    }
    if (has_many_addresses())
        test_shares();
    else
        printf("skipped: this machine has only one loopback address\n");
    if (!getenv("VALGRIND")) { /* it sets descriptors aside, and closes what accept returns */
        TEST("if descriptors run out early, a connection is evicted, and the new one accepted") {
            check_within(15, expect_eviction_without_fds, 0, "");
        }
    }
    if (reads_whole_requests()) {
        TEST("if more clients connect at once than the table holds, all are served") {
            check_crowd("-a 127.0.0.1 -p 0 -c 4", 24);
        }
        TEST("if more clients connect at once than one iteration accepts, all are served") {
            check_crowd("-a 127.0.0.1 -p 0", 100);
        }
    }
    TEST("no client gets responses that another one did not read") {
        struct client slow = stall(&server), client = dial(&server);
        CHECK_INT(ask(&client, LAST("/own")), 404);
        CHECK_STR(client.body, NOT_FOUND("/own"));
        CHECK_INT(read_response(&client), ENDED);
        hang_up(&client);
        hang_up(&slow);
    }
    TEST("no client gets responses to another one that has left") { check_gone(); }
}

/* ---- Shutdown ---- */

static const int stop_signals[] = {SIGTERM, SIGINT, SIGHUP};
static const char *const stop_names[] = {"SIGTERM", "SIGINT", "SIGHUP"};

/* The signals come again and again, but they are one order. */
static void expect_shutdown(size_t i) {
    struct child own = start("-a 127.0.0.1 -p 0");
    struct client idle = dial_idle(&own, 0), partial = dial_partial(&own, 0);
    kill(own.pid, stop_signals[i]);
    CHECK(is_evicted(&idle));
    CHECK(dial(&own).fd < 0);
    for (size_t n = 0; n < 9; n++, pause_ms(1)) kill(own.pid, stop_signals[n % 3]);
    CHECK(completes(&partial));
    CHECK_LINE(&partial, "Connection: close\r\n");
    CHECK_INT(read_response(&partial), ENDED);
    hang_up(&partial);
    hang_up(&idle);
    CHECK_INT(wait_for_end(&own), 0);
    CHECK_HAS(own.stdout_text, "...\nDone\n");
}

/* The request in progress is never completed, and its own timeout is later. `i` is the number of
 * signals that come after the first one. */
static void expect_shutdown_timeout(size_t i) {
    struct child own = start("-a 127.0.0.1 -p 0");
    struct client idle = dial_idle(&own, 0), partial = dial_partial(&own, 0);
    int64_t since = read_clock();
    kill(own.pid, SIGINT);
    CHECK(is_evicted(&idle)); /* the signal has been handled */
    for (; i > 0; i--, pause_ms(1)) kill(own.pid, SIGINT);
    CHECK_INT(wait_for_end(&own), 0);
    CHECK(is_between(since, 5, 100));
    CHECK_INT(read_response(&partial), ENDED);
    CHECK_HAS(own.stderr_text, "closed: the server was stopped\n");
    CHECK_HAS(own.stdout_text, "...\nDone\n");
    hang_up(&partial);
    hang_up(&idle);
}

static void expect_end_at_once(size_t i) {
    struct child own = start("-a 127.0.0.1 -p 0");
    struct client idle = dial_idle(&own, 0);
    (void)i;
    int64_t since = read_clock();
    CHECK_INT(stop(&own, SIGINT), 0);
    CHECK(is_between(since, 0, 4));
    CHECK(is_evicted(&idle));
    hang_up(&idle);
}

static void check_blocked_signals(void) {
    sigset_t all, before;
    sigfillset(&all);
    for (size_t i = 0; i < COUNT(stop_signals); i++) {
        sigprocmask(SIG_SETMASK, &all, &before);
        struct child own = start("-a 127.0.0.1 -p 0");
        sigprocmask(SIG_SETMASK, &before, NULL);
        CASE(stop_names[i]);
        CHECK_INT(stop(&own, stop_signals[i]), 0);
    }
}

/* If the signal stopped the server, the listener would be closed after the first request. */
static void check_nohup(void) {
    struct child own =
        start_as((struct setup){.options = "-a 127.0.0.1 -p 0", .ignored_signal = SIGHUP});
    CHECK_INT(kill(own.pid, SIGHUP), 0);
    for (int i = 0; i < 3; i++) CHECK_INT(ask_once(&own, GET("/home")), 401);
    CHECK_INT(stop(&own, SIGTERM), 0);
}

static void test_shutdown(void) {
    TEST("SIGTERM, SIGINT or SIGHUP: idle connections are closed, requests in progress finished, "
         "no new ones accepted") {
        for (size_t i = 0; i < COUNT(stop_signals); i++)
            check_within(5, expect_shutdown, i, stop_names[i]);
    }
    TEST("SIGTERM and SIGINT stop a server that was started with them ignored") {
        for (size_t i = 0; i < 2; i++) {
            struct child own = start_as(
                (struct setup){.options = "-a 127.0.0.1 -p 0", .ignored_signal = stop_signals[i]});
            CASE(stop_names[i]);
            CHECK_INT(stop(&own, stop_signals[i]), 0);
        }
    }
    TEST("SIGHUP does not stop a server that was started with it ignored") { check_nohup(); }
    TEST("the signals stop a server that was started with them blocked") {
        check_blocked_signals();
    }
    TEST("clients that have connected before the signal are served, as far as there are places") {
        static const int signals[] = {SIGTERM, SIGCONT, 0};
        struct child small = start("-a 127.0.0.1 -p 0 -c 4");
        struct client idle = dial(&small);
        CHECK_INT(ask(&idle, GET("/home")), 401);
        CHECK(serve_crowd(&small, 8, signals) >= 3);
        CHECK_INT(wait_for_end(&small), 0);
        hang_up(&idle);
        struct child large = start("-a 127.0.0.1 -p 0");
        CHECK_INT(serve_crowd(&large, 8, signals), 8);
        CHECK_INT(wait_for_end(&large), 0);
    }
    TEST("requests in progress have five seconds to finish, however often the signal comes") {
        check_within(10, expect_shutdown_timeout, 0, "one signal");
        check_within(10, expect_shutdown_timeout, 9, "ten signals");
    }
    TEST("if no request is in progress, the server ends at once") {
        check_within(4, expect_end_at_once, 0, "");
    }
    TEST("SIGPIPE and SIGXFSZ are ignored") {
        static const int numbers[] = {SIGPIPE, SIGXFSZ};
        for (size_t i = 0; i < COUNT(numbers); i++) {
            CHECK_INT(kill(server.pid, numbers[i]), 0);
            CHECK_INT(ask_once(&server, GET("/home")), 401);
        }
    }
    if (!getenv("VALGRIND")) { /* it reports what a process that a signal ends has not closed */
        TEST("every other signal keeps its default action") {
            static const int numbers[] = {SIGUSR1, SIGUSR2, SIGALRM};
            for (size_t i = 0; i < COUNT(numbers); i++) {
                struct child own = start("-a 127.0.0.1 -p 0");
                CHECK_INT(stop(&own, numbers[i]), 128 + numbers[i]);
            }
        }
    }
}

/* ---- The log ---- */

/* Returns whether `line` is that of LOGIN, in a second from `from` to now. */
static bool is_login_line(const char *line, time_t from) {
    char want[200], stamp[40];
    struct tm tm;
    for (time_t second = from; second <= time(NULL); second++) {
        localtime_r(&second, &tm);
        strftime(stamp, sizeof stamp, "%d/%b/%Y %H:%M:%S", &tm);
        snprintf(want, sizeof want, "127.0.0.1 - - [%s] \"POST /login HTTP/1.1\" 200 %zu\n", stamp,
                 strlen(LOGGED_IN) + 36);
        if (strncmp(line, want, strlen(want)) == 0) return true;
    }
    return false;
}

#define LONG_ROWS 2 /* the first rows, which go on behind the malformed byte */

static const struct {
    const char *request, *line;
} logged[] = {
    {"GET /a\\b\" HTTP/1.1\r\n\r\n", "\"GET /a\\x5cb\\x22 HTTP/1.1\" 400 "},
    {"GET /\x1b[2J\x7f\xc3\xa4 HTTP/1.1\r\n\r\n", "\"GET /\\x1b[2J\\x7f\\xc3\\xa4 HTTP/1.1\" 400 "},
    {"GET /%0a%22 HTTP/1.0\r\n\r\n", "\"GET /%0a%22 HTTP/1.0\" 404 "},
    {"GET /!~ HTTP/1.0\r\n\r\n", "\"GET /!~ HTTP/1.0\" 404 "},
    {"\r\nnonsense\r\n\r\n", "] \"nonsense\" 400 "},
    {"\n", "] \"\" 400 "},
    {GET("/good") "second\n", "\"second\" 400 "},
    {"GET /whole HTTP/1.1\n", "\"GET /whole HTTP/1.1\" 400 "},
    {"GET /first HTTP/1.1\r\nA: b\n", "\"GET /first HTTP/1.1\" 400 "},
};

static bool is_printable(const char *text) {
    for (; *text; text++)
        if ((*text < 0x20 || *text > 0x7e) && *text != '\n') return false;
    return true;
}

static void check_escapes(void) {
    struct child own = start("-a 127.0.0.1 -p 0");
    size_t first = reads_whole_requests() ? 0 : LONG_ROWS;
    for (size_t i = first; i < COUNT(logged); i++) ask_once(&own, logged[i].request);
    CHECK_INT(stop(&own, SIGTERM), 0);
    for (size_t i = first; i < COUNT(logged); i++) {
        CASE(logged[i].line);
        CHECK_HAS(own.stderr_text, logged[i].line);
    }
    CHECK(is_printable(own.stderr_text));
}

/* Asks `count` times for a path of a thousand bytes. Returns whether all responses came. */
static bool ask_at_length(const struct child *of, int count) {
    char request[1100];
    struct client client = dial(of);
    snprintf(request, sizeof request, "GET /%01000d HTTP/1.1\r\n" HOST "\r\n", 0);
    while (count > 0 && ask(&client, request) == 404) count--;
    hang_up(&client);
    return count == 0;
}

/* Creates a pipe and fills it. Returns how many bytes that took. */
static size_t open_full_pipe(int ends[2]) {
    char bytes[4096];
    size_t len = 0;
    memset(bytes, 'x', sizeof bytes);
    if (pipe(ends) < 0 || fcntl(ends[1], F_SETFL, O_NONBLOCK) < 0) test_give_up("open a pipe");
    for (size_t size = sizeof bytes; size > 0; size /= 2)
        for (ssize_t n; (n = write(ends[1], bytes, size)) > 0;) len += (size_t)n;
    fcntl(ends[1], F_SETFL, 0); /* the server must not profit by it */
    return len;
}

/* Reads until the text behind `start` contains a line with `last`. Returns that line, or NULL. */
static const char *read_until(int fd, char *text, size_t size, size_t start, const char *last) {
    size_t len = strlen(text);
    const char *line = NULL;
    while (!line || !strchr(line, '\n')) {
        if (poll(&(struct pollfd){fd, POLLIN, 0}, 1, MAX_WAIT) != 1) return NULL;
        ssize_t n = read(fd, text + len, size - 1 - len);
        if (n <= 0) return NULL;
        len += (size_t)n;
        text[len] = '\0';
        line = len > start ? strstr(text + start, last) : NULL;
    }
    return line;
}

static int count_lines(const char *text, const char *part) {
    int count = 0;
    for (; (text = strstr(text, part)); text++) count++;
    return count;
}

#define DROPPED "server: log lines dropped: "

static void check_blocked_log(void) {
    static char text[4 << 20];
    int ends[2];
    size_t filled = open_full_pipe(ends);
    struct child own = start_as((struct setup){.options = "-a 127.0.0.1 -p 0", .err = ends[1]});
    close(ends[1]);
    CHECK(ask_at_length(&own, 50)); /* more than the log buffers */
    const char *dropped = read_until(ends[0], text, sizeof text, filled, DROPPED);
    CHECK(dropped);
    if (dropped) {
        int lines = count_lines(text + filled, "\"GET /0");
        CHECK(lines > 0);
        CHECK_INT(lines + atoi(dropped + strlen(DROPPED)), 50);
    }
    text[0] = '\0';
    CHECK(ask_at_length(&own, 1));
    CHECK(read_until(ends[0], text, sizeof text, 0, "\"GET /0"));
    CHECK(!strstr(text, DROPPED));
    close(ends[0]);
    CHECK_INT(stop(&own, SIGTERM), 0);
}

static void check_terminal(void) {
    int terminal, ours = open_pty(&terminal);
    if (ours < 0) return;
    struct child own = start_as((struct setup){.options = "-a 127.0.0.1 -p 0", .err = terminal});
    close(terminal);
    CHECK(ask_at_length(&own, 100)); /* a terminal seldom holds more than 4 KiB */
    CHECK_INT(stop(&own, SIGTERM), 0);
    close(ours);
}

/* Returns how often the server has waited, and 0 if the system does not tell it. */
static long count_waits(const struct child *child) {
    char path[40], line[100];
    long count = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)child->pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "voluntary_ctxt_switches: %ld", &count) == 1) break;
    if (file) fclose(file);
    return count;
}

static double cpu_time(const struct child *child) {
    clockid_t clock;
    struct timespec time = {0, 0};
    if (clock_getcpuclockid(child->pid, &clock) == 0) clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Nothing that is written to this standard error arrives. The server neither waits for it, nor wakes
 * up to try it again: ten seconds are a hundred times as long as it waits for a pipe that is full. */
static void check_lost_log(struct setup setup) {
    setup.options = "-a 127.0.0.1 -p 0";
    struct child own = start_as(setup);
    CHECK(ask_at_length(&own, 50));
    pause_ms(SECOND);
    long waits = count_waits(&own);
    double cpu = cpu_time(&own);
    pause_ms(10 * SECOND);
    CHECK(count_waits(&own) - waits <= 10 && cpu_time(&own) - cpu < SECOND / 1000.0);
    CHECK(ask_at_length(&own, 1));
    CHECK_INT(stop(&own, SIGTERM), 0);
}

static void test_lost_log(void) {
    TEST("a log that is a closed pipe holds up no response, and does not wake an idle server") {
        int ends[2];
        if (pipe(ends) < 0) test_give_up("open a pipe");
        close(ends[0]);
        check_lost_log((struct setup){.err = ends[1]});
        close(ends[1]);
    }
    TEST("a log that is a full device holds up no response, and does not wake an idle server") {
        int full = open("/dev/full", O_WRONLY);
        if (full > 0) check_lost_log((struct setup){.err = full});
        if (full > 0) close(full);
    }
    TEST("a log file of the maximum size holds up no response, and does not wake an idle server") {
        check_lost_log((struct setup){.max_file = 4096});
    }
}

/* A try fails only if the client leaves while the server is not waiting for it. */
static bool is_departure_logged(void) {
    bool logged_it = false;
    for (int tries = 0; tries < 5 && !logged_it; tries++) {
        struct child own = start("-a 127.0.0.1 -p 0");
        struct client client = stall(&own);
        hang_up(&client);
        CHECK_INT(stop(&own, SIGTERM), 0);
        logged_it =
            strstr(own.stderr_text, "closed: the client left before the response was sent\n");
    }
    return logged_it;
}

static void test_log(void) {
    TEST("a request is one line on standard error, in the format of the original") {
        time_t from = time(NULL);
        struct child own = start("-a 127.0.0.1 -p 0");
        CHECK_INT(ask_once(&own, LOGIN), 200);
        CHECK_INT(stop(&own, SIGTERM), 0);
        CHECK(is_login_line(own.stderr_text, from));
        CHECK(strchr(own.stderr_text, '\n') == strrchr(own.stderr_text, '\n'));
    }
    TEST("a byte that could forge a line, or command a terminal, is escaped") { check_escapes(); }
    TEST("a connection that ends in the middle of a request, even after one byte, is logged") {
        struct child own = start("-a 127.0.0.1 -p 0");
        struct client client = dial(&own);
        send_text(&client, "G");
        shutdown(client.fd, SHUT_WR);
        CHECK_INT(read_response(&client), ENDED);
        hang_up(&client);
        CHECK_INT(stop(&own, SIGTERM), 0);
        CHECK_HAS(own.stderr_text, "] \"-\" closed: the client left in the middle of a request\n");
    }
    TEST("a client that leaves before its responses are sent is logged") {
        CHECK(is_departure_logged());
    }
    TEST("-q: no log") {
        struct child own = start("-a 127.0.0.1 -p 0 -q");
        CHECK_INT(ask_once(&own, LOGIN), 200);
        CHECK_INT(ask_once(&own, "nonsense\r\n\r\n"), 400);
        CHECK_INT(stop(&own, SIGTERM), 0);
        CHECK_STR(own.stderr_text, "");
    }
    TEST("a log that is not read holds up no response, and the lines that are lost are counted") {
        check_blocked_log();
    }
    TEST("a terminal that is not read holds up no response") { check_terminal(); }
    test_lost_log();
}

/* ---- Resources ---- */

static void test_resources(int descriptors) {
    TEST("after all this the server has as many descriptors as at its start, and ends in order") {
        int64_t since = read_clock();
        while (count_descriptors(&server) != descriptors && is_between(since, 0, 100)) pause_ms(5);
        CHECK_INT(count_descriptors(&server), descriptors);
        CHECK_INT(ask_once(&server, LOGIN), 200);
        CHECK_INT(stop(&server, SIGTERM), 0);
    }
}

int main(void) {
    begin_tests();
    server = start("-a 127.0.0.1 -p 0 -b 0");
    int descriptors = count_descriptors(&server);
    static void (*const groups[])(void) = {test_example,  test_connections, test_refusals,
                                           test_timeouts, test_eviction,    test_shutdown,
                                           test_log};
    for (size_t i = 0; i < COUNT(groups); i++) {
        groups[i]();
        expect_alive(&server);
    }
    test_resources(descriptors);
    return test_report();
}
