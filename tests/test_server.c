/* test_server.c - the server seen from outside, over sockets: the example's walk, the protocol,
 * deadlines, what happens when connections and buffers run out, the log, and the end.
 *
 * It starts $SERVER and talks to it; see client.h. Where ONE_BYTE is set that server moves one byte a
 * call. Its options, and the sockets it can listen on, are tested by test_options.c.
 */
#include "client.h"

#define LAST(path) "GET " path " HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"

static struct child server; /* the one that most tests talk to */

/* Where the server moves one byte a call, each request is half a message in flight for a while. */
static bool comes_whole(void) { return !getenv("ONE_BYTE"); }

/* In seconds of the server, with a tenth to spare. */
static bool is_between(int64_t since, int64_t least, int64_t most) {
    int64_t time = read_clock() - since;
    return time >= least * SECOND * 9 / 10 && time <= most * SECOND;
}

/* ---- The example ---- */

static void make_request(char *to, size_t room, const char *line, const char *fields,
                         const char *body) {
    char length[48] = "";
    if (body) snprintf(length, sizeof length, "Content-Length: %zu\r\n", strlen(body));
    snprintf(to, room, "%s HTTP/1.1\r\n" HOST "%s%s\r\n%s", line, fields, length, body ? body : "");
}

#define ASK_BOTH        ERROR("400", "Bad Request", "Please specify username and password")
#define NO_JSON         ERROR("400", "Bad Request", "Expected JSON in request body")
#define NO_LOGIN        ERROR("401", "Unauthorized", "Invalid username or password")
#define NO_PAGE(path)   ERROR("404", "Not Found", "Path " path " not found")
#define NO_METHOD(name) ERROR("405", "Method Not Allowed", name " not allowed")
#define ID              "Cookie: session_id=<id>\r\n"
#define ALLOWED         "Set-Cookie: session_id=<id>; Path=/; HttpOnly; SameSite=Lax\r\n"
#define DELETED                                                                                    \
    "Set-Cookie: session_id=DELETED; Path=/; HttpOnly; SameSite=Lax; "                             \
    "Expires=Thu, 01 Jan 1970 00:00:00 GMT\r\n"
#define HOW "WWW-Authenticate: Cookie form-action=\"/login\", cookie-name=\"session_id\"\r\n"

/* <id> in the fields stands for the id of a session that lives, in the answer for any. */
static const struct {
    const char *line, *fields, *body;
    int status;
    const char *answer; /* the body; NULL where its words are free */
    const char *has, *lacks;
} example[] = {
    {"POST /login", "", FOO, 200, LOGGED_IN, ALLOWED, "WWW-Auth"},
    {"POST /login/", "", FOO, 200, LOGGED_IN, ALLOWED, "Allow"},
    {"POST /login?next=/home", "", FOO, 200, LOGGED_IN, ALLOWED, NULL},
    {"POST /log%69n", "", FOO, 200, LOGGED_IN, ALLOWED, NULL},
    {"POST http://a/login", "", FOO, 200, LOGGED_IN, ALLOWED, NULL},
    {"POST /login", "Cookie: session_id=0123456789abcdef0123456789abcdef01234567\r\n", FOO, 200,
     LOGGED_IN, ALLOWED, "Set-Cookie: session_id=0123456789abcdef0123456789abcdef01234567"},
    {"POST /login", "", " {\"a\":[{}], \"password\":\"f\\u006fo\", \"username\":\"foo\"}\n", 200,
     LOGGED_IN, ALLOWED, NULL},
    {"POST /login", "", "{\"username\":\"bar\",\"password\":\"foo\",\"username\":\"foo\"}", 200,
     LOGGED_IN, ALLOWED, NULL},
    {"POST /login", "", "{\"username\":\"foo\",\"password\":\"Foo\"}", 401, NO_LOGIN, HOW, "Set-C"},
    {"POST /login", "", "{\"username\":\"fo\",\"password\":\"foo\"}", 401, NO_LOGIN, HOW, "Set-C"},
    {"POST /login", "", "{\"username\":\"foo\\u0000\",\"password\":\"foo\"}", 401, NO_LOGIN, HOW,
     "Set-C"},
    {"POST /login", "", NULL, 400, ASK_BOTH, NULL, "Set-C"},
    {"POST /login", "", "{}", 400, ASK_BOTH, NULL, "Set-C"},
    {"POST /login", "", "{\"username\":\"foo\"}", 400, ASK_BOTH, NULL, "Set-C"},
    {"POST /login", "", "{\"username\":\"foo\",\"password\":\"\"}", 400, ASK_BOTH, NULL, "Set-C"},
    {"POST /login", "", "{\"username\":\"\",\"password\":\"foo\"}", 400, ASK_BOTH, NULL, "Set-C"},
    {"POST /login", "", "{\"username\":\"foo\",\"password\":7}", 400, NULL, NULL, "Set-C"},
    {"POST /login", "", "{\"username\":7,\"password\":\"foo\"}", 400, NULL, NULL, "Set-C"},
    {"POST /login", "", "[\"foo\",\"foo\"]", 400, NULL, NULL, "Set-C"},
    {"POST /login", "", "username=foo&password=foo", 400, NO_JSON, NULL, "Set-C"},
    {"POST /login", "", FOO "}", 400, NO_JSON, NULL, "Set-C"},
    {"GET /home", "", NULL, 401, NO_ENTRY, HOW, "Allow"},
    {"GET /home", ID, NULL, 200, HELLO, NULL, "Set-C"},
    {"GET /home/", ID, NULL, 200, HELLO, NULL, NULL},
    {"POST /home", ID, NULL, 200, HELLO, NULL, NULL},
    {"POST /home", ID, "anything", 200, HELLO, NULL, NULL},
    {"GET /home", "Cookie: session_id=x; a=b;session_id=<id>\r\n", NULL, 200, HELLO, NULL, NULL},
    {"GET /home", "Cookie: session_id=<id>; session_id=x\r\n", NULL, 401, NO_ENTRY, HOW, NULL},
    {"GET /home", "Cookie: session_id=<id>0\r\n", NULL, 401, NO_ENTRY, HOW, NULL},
    {"GET /home", "Cookie: id=<id>\r\n", NULL, 401, NO_ENTRY, HOW, NULL},
    {"POST /logout", "", NULL, 200, "{\"message\": \"Not logged in\"}", NULL, "Set-C"},
    {"POST /logout", ID, NULL, 200, "{\"message\": \"logged out\"}", DELETED, NULL},
    {"POST /logout", "Cookie: session_id=x\r\n", NULL, 200, "{\"message\": \"logged out\"}",
     DELETED, NULL},
    {"GET /", "", NULL, 404, NO_PAGE("/"), NULL, "Allow"},
    {"GET /home//", ID, NULL, 404, NO_PAGE("/home/"), NULL, NULL},
    {"GET //home", ID, NULL, 404, NO_PAGE("//home"), NULL, NULL},
    {"GET /home%2f", ID, NULL, 404, NO_PAGE("/home%2f"), NULL, NULL},
    {"GET /Home", ID, NULL, 404, NO_PAGE("/Home"), NULL, NULL},
    {"PUT /%22%c3%a4%5c%0a", "", FOO, 404, NO_PAGE("/\\\"\\u00e4\\\\\\n"), NULL, "Allow"},
    {"GET /login", "", NULL, 405, NO_METHOD("GET"), "Allow: POST, OPTIONS\r\n", NULL},
    {"DELETE /home", ID, NULL, 405, NO_METHOD("DELETE"), "Allow: GET, HEAD, POST, OPTIONS\r\n",
     NULL},
    {"JET /home", ID, NULL, 405, NO_METHOD("JET"), "Allow: GET, HEAD, POST, OPTIONS\r\n", NULL},
    {"get /home", ID, NULL, 405, NO_METHOD("get"), "Allow: GET, HEAD, POST, OPTIONS\r\n", NULL},
    {"OPTIONS /home", "", NULL, 200, "{}", "Allow: GET, HEAD, POST, OPTIONS\r\n", NULL},
    {"OPTIONS /logout", "", NULL, 200, "{}", "Allow: POST, OPTIONS\r\n", NULL},
    {"OPTIONS *", "", NULL, 200, "{}", "Allow: ", NULL},
    {"OPTIONS /nowhere", "", NULL, 404, NO_PAGE("/nowhere"), NULL, "Allow"},
    {"GET /", "", NULL, 404, NO_PAGE("/"), NULL, "Allow"},
    {"GET //", "", NULL, 404, NO_PAGE("/"), NULL, "Allow"},
    {"HEAD /home", ID, NULL, 200, "", "Content-Length: 25\r\n", NULL},
    {"HEAD /home", "", NULL, 401, "", HOW, NULL},
    {"HEAD /login", "", NULL, 405, "", "Allow: POST, OPTIONS\r\n", NULL},
    {"HEAD /nowhere", "", NULL, 404, "", NULL, "Allow"},
    /* What a browser sends along, and what may come of it. */
    {"POST /login", "Sec-Fetch-Site: same-origin\r\n", FOO, 200, LOGGED_IN, ALLOWED, NULL},
    {"POST /login", "Sec-Fetch-Site: none\r\n", FOO, 200, LOGGED_IN, ALLOWED, NULL},
    {"POST /login", "Sec-Fetch-Site: cross-site\r\n", FOO, 403, NULL, NULL, "Set-C"},
    {"POST /logout", "Sec-Fetch-Site: same-site\r\n" ID, NULL, 403, NULL, NULL, "Set-C"},
    {"POST /login", "Origin: http://a\r\n", FOO, 200, LOGGED_IN, ALLOWED, NULL},
    {"POST /login", "Origin: https://A\r\n", FOO, 200, LOGGED_IN, ALLOWED, NULL},
    {"POST /login", "Origin: http://b\r\n", FOO, 403, NULL, NULL, "Set-C"},
    {"POST /login", "Origin: http://a:8080\r\n", FOO, 403, NULL, NULL, "Set-C"},
    {"POST /login", "Origin: null\r\n", FOO, 403, NULL, NULL, "Set-C"},
    {"POST /login", "Origin: http://a\r\nSec-Fetch-Site: cross-site\r\n", FOO, 403, NULL, NULL,
     "Set-C"},
    {"GET /home", "Origin: http://b\r\nSec-Fetch-Site: cross-site\r\n" ID, NULL, 200, HELLO, NULL,
     NULL},
};

static void insert_id(char *text, size_t room, const char *fields, const char *id) {
    const char *mark = strstr(fields, "<id>");
    int before = mark ? (int)(mark - fields) : (int)strlen(fields);
    snprintf(text, room, "%.*s%s%s", before, fields, mark ? id : "", mark ? mark + 4 : "");
}

static void check_example(struct client *client, size_t i) {
    char id[41], fields[256], request[1024], name[200];
    log_in(&server, FOO, id);
    insert_id(fields, sizeof fields, example[i].fields, id);
    make_request(request, sizeof request, example[i].line, fields, example[i].body);
    snprintf(name, sizeof name, "%s, %s%s", example[i].line, example[i].fields,
             example[i].body ? example[i].body : "no body");
    client->no_body = strncmp(request, "HEAD", 4) == 0;
    CHECK_CASE(ask(client, request) == example[i].status, name);
    CHECK_CASE(!example[i].lacks || !has_line(client, example[i].lacks), name);
    hide_ids(client->head);
    hide_ids(client->body);
    CHECK_CASE(!example[i].answer || strcmp(client->body, example[i].answer) == 0, name);
    CHECK_CASE(!example[i].has || has_line(client, example[i].has), name);
}

/* 0 for any digit, a for any letter, and other bytes for themselves. */
static char class_of(char byte) {
    if (byte >= '0' && byte <= '9') return '0';
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ? 'a' : byte;
}

/* Whether `text` begins as `model` does, but for which digits and letters there are. */
static bool looks_like(const char *text, const char *model) {
    while (*model && class_of(*text) == class_of(*model)) text++, model++;
    return *model == '\0';
}

static void test_example(void) {
    TEST("the example's walk: log in, be greeted by GET and POST, log out, be refused") {
        char id[41], out[200];
        CHECK(log_in(&server, FOO, id) == 200);
        CHECK(strspn(id, "0123456789abcdef") == 40);
        CHECK(visit(&server, id) == 200);
        snprintf(out, sizeof out, "POST /logout HTTP/1.1\r\n" HOST "Cookie: session_id=%s\r\n\r\n",
                 id);
        CHECK(ask_once(&server, out) == 200);
        CHECK(visit(&server, id) == 401);
    }
    TEST("logging out ends one session and no other") {
        char one[41], other[41], out[200];
        log_in(&server, FOO, one);
        log_in(&server, FOO, other);
        CHECK(strcmp(one, other) != 0);
        snprintf(out, sizeof out, "POST /logout HTTP/1.1\r\n" HOST "Cookie: session_id=%s\r\n\r\n",
                 one);
        CHECK(ask_once(&server, out) == 200);
        CHECK(visit(&server, one) == 401 && visit(&server, other) == 200);
    }
    TEST("every request of the example gets its answer, on one connection") {
        struct client client = dial(&server);
        for (size_t i = 0; i < COUNT(example); i++) check_example(&client, i);
        hang_up(&client);
    }
    TEST("every answer has a date and a type, and is not to be stored") {
        struct client client = dial(&server);
        CHECK(ask(&client, LOGIN) == 200);
        const char *date = strstr(client.head, "\r\nDate: ");
        CHECK(date && looks_like(date + 2, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
        CHECK(has_line(&client, "Content-Type: application/json\r\n"));
        CHECK(has_line(&client, "Cache-Control: no-store\r\n"));
        hang_up(&client);
    }
}

/* ---- Connections ---- */

/* The second request on a connection, after one with these fields. */
static const struct {
    const char *version, *fields;
    bool stays;
    const char *says; /* the Connection field of the answer, or NULL */
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
    CHECK_CASE(ask(&client, request) == 401, name);
    CHECK_CASE(has_line(&client, "Connection") == (persistence[i].says != NULL), name);
    CHECK_CASE(!persistence[i].says || has_line(&client, persistence[i].says), name);
    if (persistence[i].stays)
        CHECK_CASE(ask(&client, GET("/home")) == 401, name);
    else
        CHECK_CASE(hear(&client) == ENDED, name);
    hang_up(&client);
}

/* Whether a server's descriptor goes sooner than one that lingers. */
static bool is_closed_at_once(const struct child *own) {
    int before = count_descriptors(own);
    struct client client = dial(own);
    CHECK(ask(&client, LAST("/home")) == 401 && hear(&client) == ENDED);
    int64_t since = read_clock();
    while (count_descriptors(own) != before && is_between(since, 0, 1)) pause_us(100);
    bool closed = count_descriptors(own) == before;
    hang_up(&client);
    return closed;
}

/* Says `bytes` from a process of its own, so that nobody waits for us to read the answers. */
static pid_t say_aside(struct client *client, const char *bytes, size_t len) {
    pid_t pid = fork();
    if (pid == 0) _exit(!say_bytes(client, bytes, len));
    return pid;
}

#define PIPELINED 1000

/* A number stands between `start` and `rest`. */
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
    pid_t writer = say_aside(&client, requests, len);
    for (int i = 0; i < PIPELINED && wrong == 0; i++) {
        char path[40];
        snprintf(path, sizeof path, "Path /%d not found", i);
        wrong += hear(&client) != mixed[i % 4].status;
        wrong += i % 4 < 2 && !strstr(client.body, path);
    }
    CHECK(wrong == 0);
    if (wrong > 0) kill(writer, SIGKILL);
    CHECK(waitpid(writer, &status, 0) == writer && status == 0);
    hang_up(&client);
}

/* Every kind of body, an answer without one, an interim answer, an empty line that does not count,
 * and a last request. */
static const char walk[] =
    LOGIN "POST /login HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
          "Transfer-Encoding: chunked\r\n\r\n1;a=\"b\"\r\n{\r\n22\r\n\"username\":\"foo\","
          "\"password\":\"foo\"}\r\n00\r\nTrailer: x\r\n\r\n"
          "HEAD /home HTTP/1.1\r\n" HOST "\r\n\r\n"
          "POST http://b/login HTTP/1.1\r\n" HOST "Content-Length: 2\r\nOrigin: http://b\r\n\r\n{}"
          "GET /%20 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
          "POST /logout HTTP/1.1\r\n" HOST "Cookie: session_id=x\r\nConnection: close\r\n\r\n";

#define WALK     (sizeof walk - 1)
#define BYTEWISE (WALK + 1)

/* Says the walk in two parts, or byte by byte, and reads until the end. Ids and dates are hidden.
 * The pauses let the server read; all together they must stay well under ten of its seconds. */
static const char *take_walk(size_t cut) {
    static struct client client;
    int64_t since = read_clock();
    client = dial(&server);
    if (cut == BYTEWISE) {
        for (size_t i = 0; i < WALK; i++) {
            say_bytes(&client, walk + i, 1);
            if (read_clock() - since < 4 * SECOND) pause_us(100);
        }
    } else {
        say_bytes(&client, walk, cut);
        if (cut < WALK) pause_us(500);
        say_bytes(&client, walk + cut, WALK - cut);
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

static void check_splits(void) {
    static char whole[sizeof((struct client *)0)->in];
    bool same = true;
    strcpy(whole, take_walk(WALK));
    CHECK(strstr(whole, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"));
    CHECK(strstr(whole, "\r\n\r\n{\"message\": \"logged out\"}"));
    for (size_t cut = 1; cut < WALK && same; cut++) same = strcmp(take_walk(cut), whole) == 0;
    CHECK(same);
    CHECK(strcmp(take_walk(BYTEWISE), whole) == 0);
}

static void test_connections(void) {
    TEST("a connection stays where the request lets it, and the answer says what becomes of it") {
        for (size_t i = 0; i < COUNT(persistence); i++) check_persistence(i);
    }
    TEST("after the last answer the connection is closed at once, where nothing more has come") {
        bool closed = false;
        for (int tries = 5; tries > 0 && !closed; tries--) { /* machines have their moods */
            struct child own = start("-a 127.0.0.1 -p 0");
            closed = is_closed_at_once(&own);
            CHECK(stop(&own, SIGTERM) == 0);
        }
        CHECK(closed);
    }
    TEST("requests that come in one write are answered in their order") { check_pipelining(); }
    TEST("however a walk is split, byte by byte as well, the answers are the same bytes") {
        check_splits();
    }
    TEST("who expects 100 (Continue) gets it before the body, and HTTP/1.0 never does") {
        struct client client = dial(&server);
        CHECK(ask(&client, "POST /login HTTP/1.1\r\n" HOST
                           "Content-Length: 35\r\nExpect: 100-continue\r\n\r\n") == 100);
        CHECK(ask(&client, FOO) == 200);
        CHECK(ask(&client, "POST /login HTTP/1.0\r\nConnection: keep-alive\r\n"
                           "Content-Length: 35\r\nExpect: 100-continue\r\n\r\n" FOO) == 200);
        hang_up(&client);
    }
    TEST("a client that has shut its side after the request gets the answer, then the end") {
        struct client client = dial(&server);
        say(&client, GET("/home"));
        shutdown(client.fd, SHUT_WR);
        CHECK(hear(&client) == 401);
        CHECK(hear(&client) == ENDED);
        hang_up(&client);
    }
    TEST("a request that ends too early is not answered") {
        struct client client = dial(&server);
        say(&client, "POST /login HTTP/1.1\r\n" HOST "Content-Length: 36\r\n\r\n" FOO);
        shutdown(client.fd, SHUT_WR);
        CHECK(hear(&client) == ENDED);
        hang_up(&client);
    }
}

/* ---- What is refused ---- */

#define POST(fields) "POST /login HTTP/1.1\r\n" HOST fields "\r\n"

/* The bytes are `start`, as many times `again` as it takes, and `end`. */
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
    /* No answer depends on how the bytes were split, so this one is none to a HEAD. */
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
    /* However wrong the route is, the framing is judged first. */
    {400, "POST /nowhere HTTP/1.1\r\n" HOST "Content-Length: x\r\n\r\n", "", 0, ""},
    {413, POST("Content-Length: 16384\r\n"), "", 0, ""},
    {413, POST("Content-Length: 99999999999999999999999999\r\n"), "", 0, ""},
    {413, POST("Transfer-Encoding: chunked\r\n") "FFFFFFFFFFFFFFFF1\r\n", "", 0, ""},
    {413, POST("Transfer-Encoding: chunked\r\n"), "5\r\n12345\r\n", 3000, ""},
    {414, "GET /", "0123456789", 2000, " HTTP/1.1\r\n" HOST "\r\n"},
    {417, POST("Content-Length: 35\r\nExpect: the-unexpected\r\n"), "", 0, ""},
    {431, "GET /home HTTP/1.1\r\n" HOST, "A: b\r\n", 64, "\r\n"},
    {431, "GET /home HTTP/1.1\r\n" HOST "A: ", "0123456789", 2000, "\r\n\r\n"},
    {501, POST("Transfer-Encoding: gzip\r\n"), "", 0, ""},
    {501, POST("Transfer-Encoding: gzip, chunked\r\n"), "", 0, ""},
    {505, "GET /home HTTP/2.0\r\n" HOST "\r\n", "", 0, ""},
};

/* A good request follows the bad one, and must not be heard. */
static size_t make_refused(size_t i, char *bytes, size_t room) {
    size_t len = (size_t)snprintf(bytes, room, "%s", refused[i].start);
    for (size_t n = 0; n < refused[i].times; n++)
        len += (size_t)snprintf(bytes + len, room - len, "%s", refused[i].again);
    return len + (size_t)snprintf(bytes + len, room - len, "%s%s", refused[i].end, GET("/home"));
}

static const struct {
    int status;
    const char *message;
} messages[] = {
    {400, "This is no HTTP/1.1 request"},
    {408, "The request did not come in time"},
    {413, "The request is larger than the server takes"},
    {414, "The request-target is longer than the server takes"},
    {417, "100-continue is the only expectation that is met"},
    {431, "The header fields are more than the server takes"},
    {501, "chunked is the only transfer coding that is understood"},
    {505, "HTTP/1.0 and HTTP/1.1 are the versions that are understood"},
};

static bool is_error(const struct client *client, int status) {
    char want[300], reason[60] = "";
    const char *message = "";
    for (size_t i = 0; i < COUNT(messages); i++)
        if (messages[i].status == status) message = messages[i].message;
    sscanf(client->head + 9, "%59[^\r]", reason);
    snprintf(want, sizeof want,
             "{\"status\": \"%s\", \"status_code\": %d, \"error\": \"%s\", \"data\": null}", reason,
             status, message);
    return atoi(reason) == status && strcmp(client->body, want) == 0;
}

static void check_refused(size_t i) {
    static char bytes[40000];
    struct client client = dial(&server);
    say_bytes(&client, bytes, make_refused(i, bytes, sizeof bytes));
    CHECK_CASE(hear(&client) == refused[i].status, refused[i].start);
    CHECK_CASE(is_error(&client, refused[i].status), refused[i].start);
    CHECK_CASE(has_line(&client, "Connection: close\r\n"), refused[i].start);
    CHECK_CASE(hear(&client) == ENDED, refused[i].start);
    hang_up(&client);
}

/* A login with a name and a password of so many bytes. */
static int log_in_at_length(struct client *client, int name, int password) {
    static const char start[] = "{\"username\": \"", middle[] = "\", \"password\": \"";
    char request[1024];
    size_t len = sizeof start + sizeof middle + (size_t)name + (size_t)password;
    snprintf(request, sizeof request,
             "POST /login HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n%s%0*d%s%0*d\"}", len,
             start, name, 0, middle, password, 0);
    return ask(client, request);
}

static void check_long_path(void) {
    char request[5000] = "GET /";
    struct client client = dial(&server);
    for (int i = 0; i < 1500; i++) strcpy(request + 5 + 3 * i, "%01"); /* "\u0001" in JSON */
    strcat(request, " HTTP/1.1\r\n" HOST "\r\n");
    CHECK(ask(&client, request) == 404);
    CHECK(strcmp(client.body, NO_PAGE("...")) == 0);
    CHECK(ask(&client, GET("/home")) == 401);
    hang_up(&client);
}

static void test_refusals(void) {
    TEST("a bad request gets its status in the shape of all errors, then a clean end") {
        for (size_t i = 0; i < COUNT(refused); i++) check_refused(i);
    }
    TEST("a refused HEAD gets its status and no body") {
        struct client client = dial(&server);
        say(&client, "HEAD /home HTTP/1.1\r\n" HOST "Expect: the-unexpected\r\n\r\n");
        client.no_body = true;
        CHECK(hear(&client) == 417 && has_line(&client, "Connection: close\r\n"));
        CHECK(hear(&client) == ENDED);
        hang_up(&client);
    }
    TEST("a name and a password have 255 bytes at most") {
        struct client client = dial(&server);
        CHECK(log_in_at_length(&client, 255, 255) == 401);
        CHECK(log_in_at_length(&client, 256, 1) == 400);
        CHECK(log_in_at_length(&client, 1, 256) == 400);
        CHECK(strcmp(client.body, ERROR("400", "Bad Request",
                                        "Username and password have 255 bytes at most")) == 0);
        hang_up(&client);
    }
    TEST("a path that no answer can hold is left out of it") { check_long_path(); }
    if (comes_whole()) {
        TEST("what comes along with a last request costs nobody its answer") {
            struct client client = dial(&server);
            CHECK(ask(&client, LAST("/") GET("/home")) == 404);
            CHECK(hear(&client) == ENDED);
            hang_up(&client);
        }
    }
    TEST("a body that is too large costs nobody the answer: it is read, and no reset comes") {
        static char body[256 * 1024];
        int wrong = 0;
        for (int i = 0; i < 100 && wrong == 0; i++) {
            struct client client = dial(&server);
            say(&client, POST("Content-Length: 262144\r\n"));
            wrong += !say_bytes(&client, body, sizeof body);
            wrong += hear(&client) != 413;
            wrong += hear(&client) != ENDED;
            hang_up(&client);
        }
        CHECK(wrong == 0);
    }
}

/* ---- Deadlines: they come in their time, with a tenth to spare for the server's own clock, and
 * late where the machine is slow ---- */

/* Whether a connection that has said `text` is answered with 408 when ten seconds are over, and is
 * not reset if the rest comes too late. */
static bool times_out(const char *text) {
    int64_t since = read_clock();
    struct client client = dial(&server);
    say(&client, text);
    bool good = read_more(&client) == 1 && is_between(since, 10, 100);
    say(&client, "the rest");
    pause_ms(5);
    good = good && hear(&client) == 408 && is_error(&client, 408) &&
           has_line(&client, "Connection: close\r\n") && hear(&client) == ENDED;
    hang_up(&client);
    return good;
}

/* A client that asks and asks, and reads nothing. It returns when the server takes no more. */
static struct client stall(void) {
    struct sockaddr_in address = loopback(server.port);
    struct client client = dial_address(&address, sizeof address, 4096);
    struct pollfd polled = {client.fd, POLLOUT, 0};
    static char requests[27 * 400];
    for (size_t i = 0; i < 400; i++) memcpy(requests + 27 * i, GET("/"), 27);
    fcntl(client.fd, F_SETFL, O_NONBLOCK);
    while (poll(&polled, 1, 2 * SECOND) == 1 && polled.revents == POLLOUT)
        if (send(client.fd, requests, sizeof requests, 0) < 0 && errno != EAGAIN) break;
    return client;
}

/* Whether the server breaks this connection, told without reading from it. */
static bool is_dropped(const struct client *client) {
    return poll(&(struct pollfd){client->fd, 0, 0}, 1, PATIENCE) == 1;
}

static void test_deadlines(void) {
    TEST("half a head is answered with 408 when ten seconds are over") {
        CHECK(times_out("GET /home HTTP/1.1\r\nHo"));
    }
    TEST("half a body is answered with 408 when ten seconds are over") {
        CHECK(times_out("POST /login HTTP/1.1\r\n" HOST "Content-Length: 36\r\n\r\n" FOO));
    }
    TEST("a connection that asks no more ends in silence after fifteen seconds") {
        struct client silent = dial(&server), client = dial(&server);
        CHECK(ask(&client, GET("/home")) == 401);
        int64_t since = read_clock();
        CHECK(hear(&client) == ENDED);
        CHECK(is_between(since, 14, 150));
        CHECK(hear(&silent) == ENDED);
        hang_up(&client);
        hang_up(&silent);
    }
    TEST("every request gives its connection fifteen seconds more") {
        struct client client = dial(&server);
        int64_t since = read_clock();
        int status = ask(&client, GET("/home"));
        while (status == 401 && is_between(since, 0, 20)) {
            pause_ms(4 * SECOND);
            status = ask(&client, GET("/home"));
        }
        CHECK(status == 401);
        hang_up(&client);
    }
}

static void test_slow_clients(void) {
    TEST("a request that comes drop by drop gets no more time than another") {
        int64_t since = read_clock();
        struct client client = dial(&server);
        say(&client, "GET /");
        struct pollfd polled = {client.fd, POLLIN, 0};
        while (poll(&polled, 1, SECOND) == 0 && is_between(since, 0, 100)) say(&client, "a");
        CHECK(is_between(since, 10, 100));
        CHECK(hear(&client) == 408);
        hang_up(&client);
    }
    TEST("a client that does not take its answers in ten seconds is dropped") {
        int64_t since = read_clock();
        struct client client = stall();
        CHECK(is_dropped(&client));
        CHECK(is_between(since, 10, 200));
        hang_up(&client);
        CHECK(strstr(complaints(&server), "closed: the peer did not take the answer in time\n") ||
              strlen(server.complaints) == sizeof server.complaints - 1);
    }
    TEST("who goes on sending after the last answer is not listened to for long") {
        struct client client = dial(&server);
        CHECK(ask(&client, "nonsense\r\n\r\n") == 400);
        CHECK(hear(&client) == ENDED);
        int64_t since = read_clock();
        while (is_between(since, 0, 100) && say(&client, "more")) pause_ms(5);
        CHECK(is_between(since, 2, 99));
        hang_up(&client);
    }
}

/* ---- Where connections and buffers run out ---- */

#define HALF "GET /home HTTP/1.1\r\n" HOST
#define REST "\r\n"

/* Half a request that the server has read for sure: one that came later has been answered. */
static struct client dial_half(const struct child *to, struct client *probe) {
    struct client client = dial(to);
    say(&client, HALF);
    pause_ms(2);
    ask(probe, GET("/home"));
    return client;
}

static void check_full_table(void) {
    struct child small = start("-a 127.0.0.1 -p 0 -c 4");
    struct client clients[4];
    for (int i = 0; i < 4; i++) {
        clients[i] = dial(&small);
        CHECK(ask(&clients[i], GET("/home")) == 401);
    }
    CHECK(ask(&clients[0], GET("/home")) == 401); /* so the second one is idle longest */
    CHECK(ask_once(&small, GET("/home")) == 401);
    CHECK(hear(&clients[1]) == ENDED);
    for (int i = 0; i < 4; i++) {
        CHECK(i == 1 || ask(&clients[i], GET("/home")) == 401);
        hang_up(&clients[i]);
    }
    CHECK(stop(&small, SIGTERM) == 0);
}

static void check_table_of_halves(void) {
    struct child small = start("-a 127.0.0.1 -p 0 -c 4");
    struct client halves[4];
    for (int i = 0; i < 4; i++) {
        struct client probe = dial(&small);
        halves[i] = dial_half(&small, &probe);
        hang_up(&probe);
        pause_ms(2);
    }
    CHECK(ask_once(&small, GET("/home")) == 401);
    CHECK(hear(&halves[0]) == ENDED);
    for (int i = 1; i < 4; i++) CHECK(ask(&halves[i], REST) == 401);
    for (int i = 0; i < 4; i++) hang_up(&halves[i]);
    CHECK(stop(&small, SIGTERM) == 0);
    CHECK(strstr(small.complaints, "closed: "));
}

/* So many ask while the server is held, and then it gets the signals. Returns who is served. */
static int serve_crowd(const struct child *child, int crowd, const int signals[]) {
    struct client client;
    int fds[100], served = 0;
    kill(child->pid, SIGSTOP);
    for (int i = 0; i < crowd; i++) {
        client = dial(child);
        say(&client, GET("/home"));
        fds[i] = client.fd;
    }
    for (; *signals; signals++) kill(child->pid, *signals);
    for (int i = 0; i < crowd; i++) {
        client = (struct client){.fd = fds[i]};
        served += hear(&client) == 401;
        hang_up(&client);
    }
    return served;
}

static void check_crowd(const char *options, int crowd) {
    static const int signals[] = {SIGCONT, 0};
    struct child own = start(options);
    CHECK(serve_crowd(&own, crowd, signals) == crowd);
    CHECK(stop(&own, SIGTERM) == 0);
}

static void check_pool(void) {
    struct child small = start("-a 127.0.0.1 -p 0 -c 32"); /* 8 buffers, the least there are */
    struct client probe = dial(&small), halves[9];
    for (int i = 0; i < 9; i++) halves[i] = dial_half(&small, &probe);
    CHECK(hear(&halves[0]) == ENDED);
    CHECK(ask(&probe, LOGIN) == 200);
    for (int i = 1; i < 9; i++) CHECK(ask(&halves[i], REST) == 401);
    for (int i = 0; i < 9; i++) hang_up(&halves[i]);
    hang_up(&probe);
    CHECK(stop(&small, SIGTERM) == 0);
    CHECK(strstr(small.complaints, "closed: "));
}

/* Asks many times at once and leaves: the first answer meets a reset, and the others nobody. */
static void check_gone(void) {
    int wrong = 0;
    for (int i = 0; i < 20; i++) {
        struct client gone = dial(&server), client = dial(&server);
        kill(server.pid, SIGSTOP);
        for (int n = 0; n < 300; n++) say(&gone, GET("/"));
        hang_up(&gone);
        kill(server.pid, SIGCONT);
        wrong += ask(&client, GET("/own")) != 404;
        wrong += strcmp(client.body, NO_PAGE("/own")) != 0;
        hang_up(&client);
    }
    CHECK(wrong == 0);
}

static void test_scarcity(void) {
    TEST("where the table is full a newcomer is served, and who is idle longest gives way") {
        check_full_table();
    }
    TEST("where the table is full of halves, the one that is in flight longest gives way") {
        check_table_of_halves();
    }
    if (comes_whole()) {
        TEST("where more come at once than the table holds, all are served") {
            check_crowd("-a 127.0.0.1 -p 0 -c 4", 24);
        }
        TEST("where more come at once than a round takes in, all are served") {
            check_crowd("-a 127.0.0.1 -p 0", 100);
        }
        TEST("where all buffers are taken, the half that has one longest gives way") {
            check_pool();
        }
    }
    TEST("nobody gets answers that another client did not take") {
        struct client slow = stall(), client = dial(&server);
        CHECK(ask(&client, LAST("/own")) == 404);
        CHECK(strcmp(client.body, NO_PAGE("/own")) == 0);
        CHECK(hear(&client) == ENDED);
        hang_up(&client);
        hang_up(&slow);
    }
    TEST("nobody gets answers to a client that has gone") { check_gone(); }
}

/* ---- The end ---- */

static void check_stop(int number) {
    struct child own = start("-a 127.0.0.1 -p 0");
    struct client idle = dial(&own), half = dial_half(&own, &idle);
    kill(own.pid, number);
    CHECK(hear(&idle) == ENDED);
    CHECK(dial(&own).fd < 0);
    CHECK(ask(&half, REST) == 401);
    CHECK(has_line(&half, "Connection: close\r\n"));
    CHECK(hear(&half) == ENDED);
    hang_up(&half);
    hang_up(&idle);
    CHECK(wait_for_end(&own) == 0);
    CHECK(strstr(own.said, "...\nDone\n"));
}

/* Ms from the first signal to the end, with or without half a request in flight. */
static int64_t time_stop(bool with_half, int signals) {
    struct child own = start("-a 127.0.0.1 -p 0");
    struct client idle = dial(&own), half = {.fd = -1};
    CHECK(ask(&idle, GET("/home")) == 401);
    if (with_half) half = dial_half(&own, &idle);
    int64_t since = read_clock();
    for (int i = 0; i < signals; i++) {
        kill(own.pid, SIGINT);
        CHECK(hear(&idle) == ENDED); /* the signal has been seen */
    }
    CHECK(wait_for_end(&own) == 0);
    int64_t time = read_clock() - since;
    CHECK(strstr(own.said, "...\nDone\n"));
    CHECK(!with_half || hear(&half) == ENDED);
    CHECK(!with_half || strstr(own.complaints, "closed: the server has stopped\n"));
    hang_up(&half);
    hang_up(&idle);
    return time;
}

/* Whether that is sooner than five seconds, in one try of a few: machines have their moods. */
static bool stops_at_once(bool with_half, int signals) {
    for (int i = 0; i < 5; i++)
        if (time_stop(with_half, signals) < 4 * SECOND) return true;
    return false;
}

static void test_stop(void) {
    TEST("SIGTERM: the idle are let go, what is in flight is finished, nobody new is taken") {
        check_stop(SIGTERM);
    }
    TEST("SIGINT ends the server just so") { check_stop(SIGINT); }
    TEST("SIGTERM ends a server too that was started with it blocked") {
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, NULL);
        struct child own = start("-a 127.0.0.1 -p 0");
        sigemptyset(&all);
        sigprocmask(SIG_SETMASK, &all, NULL);
        CHECK(stop(&own, SIGTERM) == 0);
    }
    TEST("who has connected by the end is served, as far as there are places") {
        static const int signals[] = {SIGTERM, SIGCONT, 0};
        struct child small = start("-a 127.0.0.1 -p 0 -c 4");
        struct client idle = dial(&small);
        CHECK(ask(&idle, GET("/home")) == 401);
        CHECK(serve_crowd(&small, 8, signals) >= 3);
        CHECK(wait_for_end(&small) == 0);
        hang_up(&idle);
        struct child large = start("-a 127.0.0.1 -p 0");
        CHECK(serve_crowd(&large, 8, signals) == 8);
        CHECK(wait_for_end(&large) == 0);
    }
    TEST("what is in flight has five seconds to finish") {
        int64_t time = time_stop(true, 1);
        CHECK(time >= 5 * SECOND * 9 / 10 && time < 100 * SECOND);
    }
    TEST("a second signal ends the server at once") { CHECK(stops_at_once(true, 2)); }
    TEST("where nothing is in flight the server ends at once") { CHECK(stops_at_once(false, 1)); }
    TEST("no other signal ends or halts it, that programs send, a terminal, or a file's limit") {
        static const int numbers[] = {SIGHUP, SIGPIPE, SIGTTOU, SIGUSR1, SIGUSR2, SIGXFSZ};
        for (size_t i = 0; i < COUNT(numbers); i++) {
            CHECK(kill(server.pid, numbers[i]) == 0);
            CHECK(ask_once(&server, GET("/home")) == 401);
        }
    }
}

/* ---- The log ---- */

/* Whether `line` is that of LOGIN, in a second from `from` to now. */
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

static const struct {
    const char *request, *line;
} logged[] = {
    {"GET /a\\b\" HTTP/1.1\r\n\r\n", "\"GET /a\\x5cb\\x22 HTTP/1.1\" 400 "},
    {"GET /\x1b[2J\x7f\xc3\xa4 HTTP/1.1\r\n\r\n", "\"GET /\\x1b[2J\\x7f\\xc3\\xa4 HTTP/1.1\" 400 "},
    {"GET /%0a%22 HTTP/1.0\r\n\r\n", "\"GET /%0a%22 HTTP/1.0\" 404 "},
    {"GET /!~ HTTP/1.0\r\n\r\n", "\"GET /!~ HTTP/1.0\" 404 "},
    {"\r\nnonsense\r\n\r\n", "] \"nonsense\" 400 "},
    {"\r\n\r\n", "] \"\" 400 "},
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
    for (size_t i = 0; i < COUNT(logged); i++) ask_once(&own, logged[i].request);
    CHECK(stop(&own, SIGTERM) == 0);
    for (size_t i = 0; i < COUNT(logged); i++)
        CHECK_CASE(strstr(own.complaints, logged[i].line), logged[i].line);
    CHECK(is_printable(own.complaints));
}

/* Asks `count` times for a path of a thousand bytes. Returns whether all answers came. */
static bool ask_at_length(const struct child *of, int count) {
    char request[1100];
    struct client client = dial(of);
    snprintf(request, sizeof request, "GET /%01000d HTTP/1.1\r\n" HOST "\r\n", 0);
    while (count > 0 && ask(&client, request) == 404) count--;
    hang_up(&client);
    return count == 0;
}

/* Reads what a pipe holds. Returns whether that tells that lines were lost. */
static bool drain(int fd) {
    static char text[1 << 20];
    size_t len = 0;
    ssize_t n = 1;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (len < sizeof text - 1 && (n = read(fd, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    const char *told = strstr(text, "\nserver: ");
    return told && strstr(told, "lost: ");
}

static void check_blocked_log(void) {
    int sink[2];
    if (pipe(sink) < 0) exit(1);
    struct child own = start_as((struct setup){.options = "-a 127.0.0.1 -p 0", .err = sink[1]});
    close(sink[1]);
    CHECK(ask_at_length(&own, 300)); /* a pipe seldom holds more than 64 KiB */
    bool told = drain(sink[0]);      /* it is told as soon as there is room, be it while we read */
    CHECK(ask_at_length(&own, 21));
    CHECK(drain(sink[0]) || told);
    close(sink[0]);
    CHECK(ask_at_length(&own, 50));
    CHECK(stop(&own, SIGTERM) == 0);
}

static void check_terminal(void) {
    int ours = posix_openpt(O_RDWR | O_NOCTTY);
    if (ours < 0 || grantpt(ours) < 0 || unlockpt(ours) < 0) exit(1);
    int terminal = open(ptsname(ours), O_RDWR | O_NOCTTY);
    struct child own = start_as((struct setup){.options = "-a 127.0.0.1 -p 0", .err = terminal});
    close(terminal);
    CHECK(ask_at_length(&own, 100)); /* a terminal seldom holds more than 4 KiB */
    CHECK(stop(&own, SIGTERM) == 0);
    close(ours);
}

static void test_log(void) {
    TEST("a request is one line on standard error, in the reference's form") {
        time_t from = time(NULL);
        struct child own = start("-a 127.0.0.1 -p 0");
        CHECK(ask_once(&own, LOGIN) == 200);
        CHECK(stop(&own, SIGTERM) == 0);
        CHECK(is_login_line(own.complaints, from));
        CHECK(strchr(own.complaints, '\n') == strrchr(own.complaints, '\n'));
    }
    TEST("a byte that could forge a line, or command a terminal, is escaped") { check_escapes(); }
    TEST("a connection that ends in the middle of a request, be it one byte, is told of") {
        struct child own = start("-a 127.0.0.1 -p 0");
        struct client client = dial(&own);
        say(&client, "G");
        shutdown(client.fd, SHUT_WR);
        CHECK(hear(&client) == ENDED);
        hang_up(&client);
        CHECK(stop(&own, SIGTERM) == 0);
        CHECK(strstr(own.complaints, "closed: the peer left in the middle of a request\n"));
    }
    TEST("-q: no log") {
        struct child own = start("-a 127.0.0.1 -p 0 -q");
        CHECK(ask_once(&own, LOGIN) == 200);
        CHECK(ask_once(&own, "nonsense\r\n\r\n") == 400);
        CHECK(stop(&own, SIGTERM) == 0);
        CHECK(strcmp(own.complaints, "") == 0);
    }
    TEST("a log that nobody reads blocks nobody, and what was lost is counted") {
        check_blocked_log();
    }
    TEST("a terminal that takes no lines blocks nobody") { check_terminal(); }
    TEST("a log that goes to a full device blocks nobody") {
        int full = open("/dev/full", O_WRONLY);
        struct child own =
            start_as((struct setup){.options = "-a 127.0.0.1 -p 0", .err = full > 0 ? full : 0});
        CHECK(ask_at_length(&own, 50));
        CHECK(stop(&own, SIGTERM) == 0);
        if (full >= 0) close(full);
    }
}

/* ---- The books ---- */

static void test_books(int descriptors) {
    TEST("after all this the server has the descriptors it began with, and ends well") {
        int64_t since = read_clock();
        while (count_descriptors(&server) != descriptors && is_between(since, 0, 100)) pause_ms(5);
        CHECK(count_descriptors(&server) == descriptors);
        CHECK(ask_once(&server, LOGIN) == 200);
        CHECK(stop(&server, SIGTERM) == 0);
    }
}

int main(void) {
    begin_tests();
    server = start("-a 127.0.0.1 -p 0 -b 0");
    TEST("the server starts") { CHECK(server.serves); }
    if (!server.serves) return test_report();
    int descriptors = count_descriptors(&server);
    test_example();
    test_connections();
    test_refusals();
    test_deadlines();
    test_slow_clients();
    test_scarcity();
    test_stop();
    test_log();
    test_books(descriptors);
    return test_report();
}
