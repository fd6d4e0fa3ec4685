/* event_loop.c - tests of the event loop of server.c, of listen_accept and of log.c, on the fake
 * system. `make test TEST=event_loop` runs them.
 *
 * The clock is fake and the network is simulated. So the tests can measure every timeout, count the
 * polls, and see which connection is evicted, and they take no time. Most tests are rows of `scripts`:
 * what the clients do, and the trace of what happens to them. To add one, add a row.
 */
#define _POSIX_C_SOURCE 200809L
#define MAX_CLIENTS     1600
#include "fake_system.h"

#include "../test.h"

#include <ctype.h>
#include <stdarg.h>

#define MS(n)     ((n)*NS_PER_MS)
#define SEC(n)    ((n)*NS_PER_S)
#define REST      " HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET(path) "GET " path REST
#define GOOD      GET("/")
#define PARTIAL   "GET /"           /* REST follows */
#define BAD       "not a request\n" /* it is rejected, and input is left over */
#define LAST      "GET / HTTP/1.0\r\n\r\n"

/* A test that begins with a server that has 10 places and no connection. */
#define ON_SERVER(sentence) for (test_begin(sentence), begin_server(10); test_running; test_end())

/* ---- What happens ---- */

static uint32_t network; /* of the next clients; 0 gives each its own */
static int handler_status;

static int empty_page(const struct http_request *req, struct http_response *res) {
    (void)req, (void)res;
    return 200;
}

static int secret_page(const struct http_request *req, struct http_response *res) {
    (void)req;
    http_add_field(res, STR("X"), STR("sesame"));
    text_put(&res->body, STR("open sesame"));
    return handler_status;
}

static int large_page(const struct http_request *req, struct http_response *res) {
    http_add_field(res, STR("X"), STR("sesame"),
                   ((struct str){res->body.s, sizeof res->extra_fields_storage}));
    while (!res->body.truncated) secret_page(req, res);
    return 200;
}

/* Closes the server of the test before, and opens another one. */
static void begin_server(size_t max_connections) {
    static const struct route routes[] = {{"GET", "/", empty_page},
                                          {"POST", "/", empty_page},
                                          {"GET", "/large", large_page},
                                          {"GET", "/secret", secret_page},
                                          {NULL, NULL, NULL}};
    if (server) close_server();
    wall_clock = EARLIEST_CLOCK_TIME;
    network = 0;
    handler_status = 200;
    pauses = 0;
    open_server(routes, max_connections);
}

/* The client sends `text`. If that is empty, poll reports input, but there is none. */
static void queue_text(struct client *c, const char *text) { queue_input(c, text, strlen(text)); }

/* Puts clients into the listen queue. */
static void queue_clients(int count) {
    for (int i = 0; i < count; i++) {
        struct client *c = queue_client_at(client_count);
        if (network) c->address.v4.sin_addr.s_addr = network;
    }
}

static struct client *connect_client(void) {
    for (queue_clients(1); queued > 0;) iterate();
    return &clients[client_count - 1];
}

/* The client sends, and the server reads all of it. */
static void deliver(struct client *c, const char *input) {
    for (queue_text(c, input); c->is_readable && !c->closed;) iterate();
}

static struct client *connect_and_send(const char *input) {
    struct client *c = connect_client();
    deliver(c, input);
    return c;
}

/* Clients connect until so many were accepted; each of them sends this, if it is not empty. */
static void connect_all(int count, const char *input) {
    while (accepted < count) {
        struct client *c = connect_client();
        if (*input) deliver(c, input);
    }
}

/* Returns the status of the latest response, or 0. */
static int status_of(const struct client *c) {
    int status = 0;
    const char *at = c->output_len > 0 ? c->output : "";
    for (; (at = strstr(at, "HTTP/1.1 ")) != NULL; at++)
        if (is_digit(at[strlen("HTTP/1.1 ")])) status = atoi(at + strlen("HTTP/1.1 "));
    return status;
}

/* The first client sends one request after the other, for `time` ns. */
static void load(int64_t time) {
    for (int64_t until = now + time; now < until; iterate()) queue_text(&clients[0], GOOD);
}

/* Accepts `count` connections. Then all but the first are idle, and the first is active. */
static void fill(int count) {
    connect_all(count, "");
    load(MS(80));
}

static void run_for(int64_t time) {
    for (wakes_at = now + time; now < wakes_at;) iterate();
    wakes_at = INT64_MAX;
}

static void run_full_poll(void) {
    for (full_polls = 0; full_polls == 0;) iterate();
}

/* As `before_poll`: a signal comes. */
static void stop_once(const struct pollfd pollfds[], nfds_t count) {
    (void)pollfds, (void)count;
    before_poll = NULL;
    server_stop(server);
}

static int count_logged(const char *text) {
    int count = 0;
    for (const char *at = log_text; (at = strstr(at, text)) != NULL; at++) count++;
    return count;
}

/* ---- Scripts ----
 *
 * A script is a row of steps; a trace is what happens then. In a script:
 *
 *     a          client a connects: clients are letters, and connect when they are first named
 *     a?         a comes into the listen queue, and is not accepted yet
 *     a:good     a sends a text of the table below (+ joins several), and the server reads it
 *     a<good     a sends a text, and the server does not read it yet
 *     a=50       a takes 50 more bytes of its responses; a=all: it takes all
 *     a.eof      a closes its end; a.reset: it resets the connection; a.EINTR: it sends nothing more,
 *                and reading fails
 *     9s, 50ms   time passes at once; +9s: the event loop runs for so long
 *     wait       the event loop runs until something happens; #3: three iterations
 *     tls        a TLS proxy is in front of the server
 *     stop       the shutdown begins; run: it begins, and the event loop runs to its end
 *     end        the server is destroyed
 *     recv!EINTR the next recv fails; accept!!EINVAL: each accept fails, until accept!!0
 *     same       the clients that follow have the same address
 *     fds=3      accept fails while three connections are open
 *     places=5   the server has a table for five connections, not for ten
 *     log        the latest line of the log is added to the trace
 *
 * In a trace, a200 is a response that a has received to its end (a200c: with Connection: close), a100
 * an interim response, a+ a connection that was accepted from the listen queue, a- one that the
 * server has closed; if this was logged, the reason follows. After `wait` and `run` it shows how long
 * they took, in tenths. */

static const struct {
    const char *name, *text;
} texts[] = {
    {"good", GOOD},
    {"partial", PARTIAL},
    {"rest", REST},
    {"version", " HTTP/1.1\r\n"},
    {"host", "Host: a\r\n\r\n"},
    {"bad", BAD},
    {"last", LAST},
    {"https", GET("https://a/")},
    {"expect", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"},
    {"x", "x"},
    {"line", "\r\n"},
    {"cr", "\r"},
    {"lf", "\n"},
    {"nothing", ""}, /* poll reports input, but there is none */
    {NULL, NULL},
};

static char names[32], inputs[32][256], trace[512];
static struct client shown[32]; /* as the trace shows them */
static size_t shown_log;        /* bytes of the log that the trace shows */

static void add_to_trace(const char *format, ...) {
    size_t len = strlen(trace);
    va_list list;
    va_start(list, format);
    if (len > 0) trace[len++] = ' ';
    vsnprintf(trace + len, sizeof trace - len, format, list);
    va_end(list);
}

/* Adds what has happened to the clients since the last call, and which losses were logged. */
static void trace_changes(void) {
    for (size_t i = 0; i < client_count; i++) {
        const struct client *c = &clients[i], *old = &shown[i];
        const char *closes = strstr(c->output, "\r\nConnection: close\r\n");
        if (old->waiting && !c->waiting) add_to_trace("%c+", names[i]);
        if (c->continues > old->continues) add_to_trace("%c100", names[i]);
        if (c->responses > old->responses)
            add_to_trace("%c%d%s", names[i], status_of(c), closes ? "c" : "");
        if (c->closed && !old->closed) add_to_trace("%c-", names[i]);
        shown[i] = *c;
    }
    for (const char *at; (at = strstr(log_text + shown_log, "closed: ")) != NULL;) {
        add_to_trace("(%.*s)", (int)strcspn(at + 8, "\n"), at + 8);
        shown_log = (size_t)(at + 8 - log_text);
    }
}

/* Adds the latest line of the log, without its first part. */
static void trace_log(void) {
    const char *line = log_text, *next;
    while ((next = strstr(line, "] ")) != NULL) line = next + 2;
    add_to_trace("%.*s", (int)strcspn(line, "\n"), line);
}

/* Returns the texts that are named in `words`. */
static const char *join_texts(const char *words, char to[256]) {
    size_t len;
    *to = '\0';
    for (const char *word = words; *word; word += len + (word[len] == '+')) {
        size_t i = 0;
        len = strcspn(word, "+");
        while (texts[i].name && (strlen(texts[i].name) != len || strncmp(texts[i].name, word, len)))
            i++;
        must(texts[i].name, "a script has only texts that exist");
        if (texts[i].name) strcat(to, texts[i].text);
    }
    return to;
}

/* `what` is that which stands after the name of the client, such as ":good". */
static void run_client_step(size_t i, const char *what) {
    struct client *c = &clients[i];
    const char *value = *what ? what + 1 : "";
    if (i == client_count) queue_clients(1);
    if (*what == '?') shown[i].waiting = true;
    while (c->waiting && *what != '?' && *what != '<') iterate();
    if (*what == ':') deliver(c, join_texts(value, inputs[i]));
    if (*what == '<') queue_text(c, join_texts(value, inputs[i]));
    if (*what == '=') c->window = strcmp(value, "all") == 0 ? SIZE_MAX : (size_t)atoi(value);
    if (*what != '.') return;
    c->at_eof = strcmp(value, "eof") == 0;
    c->reset = strcmp(value, "reset") == 0;
    c->error = strcmp(value, "EINTR") == 0 ? EINTR : 0;
}

/* Such as accept!EINTR. */
static void fail_call(const char *name, bool always, const char *error) {
    static const char *const calls[] = {
        [ACCEPT] = "accept", [FCNTL] = "fcntl", [RECV] = "recv",
        [SEND] = "send",     [POLL] = "poll",   [SHUTDOWN] = "shutdown"};
    static const struct {
        const char *name;
        int number;
    } errors[] = {{"0", 0},           {"EBADF", EBADF},      {"ECONNABORTED", ECONNABORTED},
                  {"EPROTO", EPROTO}, {"EINTR", EINTR},      {"EINVAL", EINVAL},
                  {"EMFILE", EMFILE}, {"ENFILE", ENFILE},    {"ENOBUFS", ENOBUFS},
                  {"ENOMEM", ENOMEM}, {"ENOTCONN", ENOTCONN}};
    size_t call = 0, i = 0;
    while (call < COUNT(calls) && strcmp(calls[call], name) != 0) call++;
    while (i < COUNT(errors) && strcmp(errors[i].name, error) != 0) i++;
    must(call < COUNT(calls) && i < COUNT(errors), "a script has only errors that exist");
    if (!violation) (always ? fail_always : fail_next)[call] = errors[i].number;
}

static void run_until_change(void) {
    size_t len = strlen(trace);
    int64_t start = now;
    for (; strlen(trace) == len && now - start < SEC(60); trace_changes()) iterate();
}

static void run_word(const char *word) {
    int n;
    char call[16], marks[3], error[16];
    if (sscanf(word, "%15[a-z]%2[!]%15s", call, marks, error) == 3)
        fail_call(call, marks[1] == '!', error);
    else if (sscanf(word, "#%d", &n) == 1)
        while (n-- > 0) iterate();
    else if (sscanf(word, "places=%d", &n) == 1)
        begin_server((size_t)n);
    else if (sscanf(word, "fds=%d", &n) == 1)
        max_open = n;
    else if (strcmp(word, "same") == 0)
        network = 7;
    else if (strcmp(word, "tls") == 0)
        listener.behind_tls = true;
    else if (strcmp(word, "log") == 0)
        trace_log();
    else if (strcmp(word, "wait") == 0)
        run_until_change();
    else if (strcmp(word, "stop") == 0)
        server_stop(server), begin_shutdown(server);
    else if (strcmp(word, "run") == 0)
        server_stop(server), server_run(server);
    else if (strcmp(word, "end") == 0)
        close_server();
    else
        must(false, "a script has only steps that exist");
}

static void run_script(const char *script) {
    char step[32], unit;
    memset(names, 0, sizeof names);
    memset(shown, 0, sizeof shown);
    trace[0] = '\0';
    shown_log = 0;
    for (int len, n; sscanf(script, "%31s%n", step, &len) == 1; script += len) {
        size_t i = strcspn(names, (char[]){*step, '\0'});
        int64_t start = now;
        if (islower((unsigned char)*step) && (!step[1] || strchr("?:<=.", step[1]))) {
            names[i] = *step;
            run_client_step(i, step + 1);
        } else if (sscanf(step, "%d%c", &n, &unit) == 2) {
            int64_t time = unit == 'm' ? MS(n) : SEC(n);
            *step == '+' ? run_for(time) : (void)(now += time);
        } else {
            run_word(step);
        }
        trace_changes();
        if (strcmp(step, "wait") == 0 || strcmp(step, "run") == 0)
            add_to_trace("after %.1f s", (double)((now - start) / MS(100)) / 10);
    }
}

/* clang-format off */
static const struct {
    const char *sentence, *script, *trace;
} scripts[] = {
    {"an idle connection is closed after 15 s",
     "a wait", "a- after 15.0 s"},
    {"an idle connection is closed 15 s after its latest response",
     "a 9s a:good wait log", "a200 a- after 15.0 s \"GET / HTTP/1.1\" 200 0"},
    {"a response that is not read is dropped after 10 s",
     "a=50 a:good wait", "a- (the client did not read the response in time) after 10.0 s"},
    {"a response that is read in small pieces has 10 s in all",
     "a=1 a:good +4s a=1 +5s a=1 wait",
     "a- (the client did not read the response in time) after 1.0 s"},
    {"after the last response the connection is closed at once if no input is left",
     "a:last", "a200c a-"},
    {"after the last response the connection lingers for 2 s if input is left",
     "a:last+x wait", "a200c a- after 2.0 s"},
    {"after a malformed request the connection lingers for 2 s",
     "a:bad wait", "a400c a- after 2.0 s"},
    {"a request that is incomplete 10 s after its first byte gets a 408, and is logged",
     "a +9s a:x wait log wait", "a408c after 10.0 s \"x\" 408 117 a- after 2.0 s"},
    {"an empty line of which half has come is a request that is incomplete",
     "a +9s a:cr wait log", "a408c after 10.0 s \"\" 408 117"},
    {"a request that comes in small pieces has 10 s in all",
     "a:partial +4s a:version +5s a:x wait", "a408c after 1.0 s"},
    {"a request has 10 s from when the response to the one before it is sent",
     "a:partial b=1 b:good+partial 9s b=all a:rest+partial wait",
     "a200 b200 a408c b408c after 10.0 s"},
    {"empty lines do not change the deadline of a connection",
     "a +5s a:line +5s a:line+line +4s a:line wait", "a- after 1.0 s"},
    {"a poll that is interrupted closes no connection: it has not looked at them",
     "a b 15s poll!EINTR #1", ""},
    {"an empty line may come in two pieces, and before a request",
     "a:cr a:lf a:cr a:lf+good", "a200"},

    {"lingering and idle connections are evicted first, by the nearest deadline; no loss is logged",
     "places=5 a:partial b c:partial 50ms d:bad b:line e:good f g", "d400c e200 d- b-"},
    {"then the others are, by the nearest deadline, and those that are active last",
     "places=3 a:partial b:partial 50ms c:good d e f",
     "c200 a- (evicted for another connection) b- (evicted for another connection) c-"},
    {"an idle connection is not evicted before others in the first 50 ms",
     "places=2 a:partial b:good c", "b200 a- (evicted for another connection)"},
    {"of 9 buffers in use, that of the oldest request or response is needed for the next",
     "places=20 a b:bad c d e f g h i j k c=1 c:good 1ms d:partial 1ms e=1 e:good 1ms f:partial "
     "1ms g=1 g:good 1ms h:partial 1ms i=1 i:good 1ms j:partial 1ms k=1 k:good",
     "b400c c- (evicted for another connection)"},
    {"out of descriptors, a client with more than 1/16 of the places loses one, wherever it stands",
     "fds=3 a same b c 50ms d? #1 #1 +100ms c:good d:good e? #1", "b- d+ c200 d200 c-"},
    {"out of descriptors, each iteration evicts one connection, and the next one accepts",
     "fds=3 a b c d? e? #1 #1 #1 #1", "a- d+ b- e+"},

    {"out of descriptors, the iteration that has evicted a connection does not call accept again",
     "places=20 a accept!EMFILE b? #1", "a-"},
    {"a connection that was closed is no part of its client's share",
     "places=32 a same b c d d.eof d:nothing fds=3 e? #1", "d- a-"},
    {"out of descriptors without a connection, accepting pauses for 100 ms",
     "accept!!EMFILE a? #1 accept!!0 wait", "a+ after 0.1 s"},
    {"out of memory, accepting pauses for 100 ms, with and without a connection",
     "accept!!ENFILE a? #1 accept!!0 wait accept!!ENOBUFS b? #1 accept!!0 wait "
     "accept!!ENOMEM c? #1 accept!!0 wait accept!!EINVAL d? #1 accept!!0 wait",
     "a+ after 0.1 s b+ after 0.1 s c+ after 0.1 s d+ after 0.1 s"},
    {"accepting goes on at once after a signal, and after a connection that is gone already",
     "places=20 accept!EINTR a? #1 accept!ECONNABORTED b? #1 accept!EPROTO c? #1", "a+ b+ c+"},
    {"a connection that cannot be made non-blocking is closed, and accepting goes on",
     "places=20 fcntl!EBADF a? b? #1", "a+ a- b+"},

    {"a shutdown without a request in progress ends at once, and closes idle connections",
     "a:good b:good run", "a200 b200 a- b- after 0.0 s"},
    {"a request in progress is finished with Connection: close during a shutdown",
     "a:partial b=1 b:good c:partial d stop wait 1s a:rest b=all wait wait",
     "d- after 0.0 s a200c a- b200 after 0.0 s b- after 0.0 s"},
    {"a request in the listen queue or in a socket when the shutdown begins is served",
     "a +1s b? c? a<good b<good c<good run", "a200c a- b+ b200c b- c+ c200c c- after 0.0 s"},
    {"a request in a socket when the shutdown begins is served, even if all places are taken",
     "places=2 a b +1s a<good b<good run", "a200c a- b200c b- after 0.0 s"},
    {"during a shutdown an idle connection has a millisecond to send a request",
     "a:partial b? c? stop a:version b:good 1ms a:host", "b+ c+ b200c b- a200c a- c-"},
    {"for the listen queue idle connections are evicted, and requests in progress are not",
     "places=5 a:partial b c d 50ms e:good f? g? h? i? stop", "e200 b- c- d- f+ g+ h+"},
    {"nor are those of a client that exceeds its share",
     "places=4 a same b:partial c:partial d:partial +100ms e? f? stop", "a- e+"},
    {"nor are they out of descriptors",
     "fds=4 a:partial same b:partial c:partial d:partial +100ms e? f? stop", ""},
    {"at a shutdown no more connections are accepted than there are places",
     "places=2 a? b? c? stop", "a+ b+"},
    {"a failing poll closes no idle connection during a shutdown",
     "a:good stop poll!!EINVAL #3 poll!!0 a:good", "a200 a200c a-"},
    {"server_destroy closes all connections, and logs those with a request in progress",
     "a b:partial end", "a- b- (the server was stopped)"},

    {"100 (Continue) is sent once for each request, and before the body",
     "a:expect a:x a:x a:expect a:x a:x", "a100 a200 a100 a200"},
    {"a read that a signal interrupts is repeated at once",
     "a:partial recv!EINTR a<rest #1", "a200"},
    {"a send that a signal interrupts is repeated when the socket takes output",
     "send!EINTR a:good wait", "a200 after 0.0 s"},
    {"a lingering connection ends when its client has closed, and nothing is logged",
     "a:bad a:nothing a.EINTR a:nothing a:x a.eof a:nothing", "a400c a-"},
    {"a lingering connection ends when its client resets it, and nothing is logged",
     "a:bad a:x a.reset a:nothing", "a400c a-"},
    {"if the last response takes several writes, the connection is closed after the last of them",
     "a=1 a:last a=all wait", "a200c a- after 0.0 s"},
    {"if our side cannot be shut down, the connection is closed at once, and nothing is logged",
     "shutdown!ENOTCONN a:bad", "a400c a-"},
    {"a client that leaves before the response is sent is logged",
     "a=1 a:good a.reset #1", "a- (the client left before the response was sent)"},
    {"a client that leaves is not logged if no request is lost by it",
     "a a.eof a:nothing", "a-"},
    {"a client that leaves is logged if a request is lost by it, or one byte of it",
     "a:x a.eof a:nothing", "a- (the client left in the middle of a request)"},
    {"a rejected request is logged with its first line that is not empty",
     "a:good+line+line+x+lf log", "a400c \"x\" 400 112"},
    {"that line is logged as empty if it is, even if a CR is in front of it",
     "a:expect+x+cr+lf log", "a100 a400c \"\" 400 112"},
    {"a request for an https URI is misdirected (RFC 9110 7.4)",
     "a:https a:good", "a421 a200"},
    {"behind TLS a request for an https URI is served",
     "tls a:https a:good", "a200 a200"},
};
/* clang-format on */

static void test_script(size_t i) {
    TEST(scripts[i].sentence) {
        begin_server(10);
        run_script(scripts[i].script);
        CASE(scripts[i].script);
        CHECK_STR(trace, scripts[i].trace);
    }
}

/* ---- Active and full polls ---- */

static void test_full_polls(void) {
    TEST("while a connection is active, a full poll is due after 8 ms and 4 us for each other") {
        static const int idle[] = {1, 1500};
        for (int i = 0; i < 2; i++) {
            int64_t interval = MS(8) + idle[i] * INT64_C(4000);
            begin_server(2000);
            fill(idle[i] + 1);
            run_full_poll();
            int64_t start = now;
            for (full_polls = 0; full_polls < 10;) load(1);
            CHECK_BETWEEN((now - start) / 10, interval, interval + 2 * POLL_COST);
            CHECK_INT(last_poll.timeout, 0);
        }
    }
    ON_SERVER("an active poll looks at the listener and the active ones, a full poll at all") {
        fill(5);
        run_full_poll();
        queue_clients(1);
        load(1);
        CHECK_INT(last_poll.count, FIRST + 1);
        CHECK_INT(accepted, 6);
        iterate();
        CHECK_INT(last_poll.count, FIRST + 2);
        CHECK_BETWEEN(last_poll.timeout, 8, 9);
        iterate();
        CHECK(last_poll.was_full && last_poll.timeout == 0);
    }
}

static void test_waiting(void) {
    ON_SERVER("a connection is active for 50 ms after it was accepted, or its latest response") {
        fill(3);
        connect_client();
        deliver(&clients[1], GOOD);
        load(MS(49));
        CHECK_INT(server->active_end, FIRST + 3);
        load(MS(10));
        CHECK_INT(server->active_end, FIRST + 1);
    }
    ON_SERVER("poll waits for ever, or until the next deadline, if no connection is active") {
        iterate();
        CHECK_INT(last_poll.timeout, -1);
        struct client *client = connect_client();
        run_for(SEC(10));
        deliver(client, GOOD);
        int polls = 0;
        for (; !client->closed; polls++) iterate();
        CHECK_BETWEEN(polls, 0, 19);
    }
    ON_SERVER("connections whose deadlines are close together expire in one iteration") {
        struct client *first = connect_client();
        now += MS(50);
        struct client *second = connect_client();
        while (!first->closed) iterate();
        CHECK(!second->closed);
        iterate();
        CHECK(second->closed);
        CHECK_BETWEEN(last_poll.timeout, 100, 101);
    }
}

/* ---- Eviction ---- */

static void test_shares(void) {
    static const struct {
        size_t places;
        const char *input; /* PARTIAL: it is about buffers */
        int total, held;   /* how many are in use, and by the client in question */
        bool loses;        /* the client in question */
    } cases[] = {{4, "", 4, 1, false},         {4, "", 4, 2, true},
                 {31, "", 31, 2, true},        {32, "", 32, 2, false},
                 {32, "", 32, 3, true},        {47, "", 47, 2, false},
                 {20, PARTIAL, 9, 1, false},   {20, PARTIAL, 9, 2, true},
                 {496, PARTIAL, 32, 2, false}, {496, PARTIAL, 32, 3, true}};
    TEST("a client with over 1/16 of the places or buffers loses its own, not that of another "
         "client") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            int first = cases[i].total - cases[i].held;
            begin_server(cases[i].places);
            connect_all(first, cases[i].input);
            now += MS(50);
            network = 7;
            if (*cases[i].input) connect_all(++first, ""); /* without a buffer it does not count */
            connect_all(cases[i].total + 1, cases[i].input);
            CHECK_INT(clients[first].closed, cases[i].loses);
            CHECK_INT(clients[0].closed, !cases[i].loses);
        }
    }
}

/* ---- Accepting ---- */

static void test_accept(void) {
    TEST("an iteration accepts 1/16 of the table, and 64 at most") {
        static const int places[] = {1, 160, 1000, 1600}, expected[] = {1, 11, 63, 64};
        for (size_t i = 0; i < COUNT(places); i++) {
            begin_server((size_t)places[i]);
            queue_clients(200);
            iterate();
            CHECK_INT(accepted, expected[i]);
        }
    }
    TEST("an iteration calls accept once for each connection that waits, and once in vain") {
        begin_server(160);
        queue_clients(3);
        iterate();
        CHECK_INT(accepts, 4);
    }
    ON_SERVER("while a connection is active, too, accept is tried ten times a second") {
        fill(2);
        fail_always[ACCEPT] = ENFILE;
        queue_clients(1);
        accepts = 0;
        load(SEC(1));
        CHECK_INT(accepts, 10);
    }
}

static void test_addresses(void) {
    TEST("without LISTEN_FDS no socket is inherited, even if LISTEN_PID is the server") {
        char pid[24];
        snprintf(pid, sizeof pid, "%ld", (long)getpid());
        setenv("LISTEN_PID", pid, 1);
        unsetenv("LISTEN_FDS");
        begin_server(1);
        unsetenv("LISTEN_PID");
        CHECK(!listener.inherited && listener.fd == FAKE_LISTENER);
    }
    TEST("the network of an IPv6 client is its /64, and a mapped IPv4 address counts as IPv4") {
        static const struct {
            const char *address, *name;
            uint64_t network;
        } cases[] = {
            {"2001:db8:0:10::ff0a", "2001:db8:0:10::ff0a", UINT64_C(0x20010db800000010)},
            {"::1", "::1", 0},
            {"::ffff:192.0.2.1", "192.0.2.1", 0xc0000201},
            {"::fffe:192.0.2.1", ":", 0},
            {"0:0:1::ffff:192.0.2.1", ":", UINT64_C(0x10000)},
        };
        begin_server(1);
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct client *c = queue_client_at(i);
            struct peer peer = {0, ""};
            c->address.v6.sin6_family = AF_INET6;
            inet_pton(AF_INET6, cases[i].address, &c->address.v6.sin6_addr);
            fake_close(listen_accept(&listener, &peer));
            CHECK_HAS(peer.name, cases[i].name);
            CHECK_INT(peer.network, cases[i].network);
        }
    }
}

/* ---- Failures of poll ---- */

static void test_poll_errors(void) {
    TEST("while poll fails it is tried 100 times a second, and connections still expire") {
        static const int errors[] = {EINVAL, ENOMEM, EAGAIN};
        for (size_t i = 0; i < COUNT(errors); i++) {
            begin_server(10);
            fill(3);
            fail_always[POLL] = errors[i];
            for (int64_t start = now; now < start + SEC(1);) iterate();
            CHECK_BETWEEN(pauses, 90, 101);
            CHECK_INT(open_clients, 3);
            now += SEC(15);
            iterate();
            CHECK_INT(open_clients, 0);
            fail_always[POLL] = 0;
            CHECK_INT(connect_and_send(GOOD)->responses, 1);
        }
    }
}

/* ---- Shutdown ---- */

static void test_server_stop(void) {
    TEST("server_stop ends the wait of a full poll and of an active poll") {
        for (int active = 0; active < 2; active++) {
            begin_server(10);
            fill(3);
            if (!active) now += MS(50);
            run_full_poll();
            int64_t start = now;
            before_poll = stop_once;
            while (!server->stop_requested) iterate();
            CHECK_BETWEEN(now - start, 0, 2 * POLL_COST);
            CHECK_INT(last_poll.was_full, !active);
        }
    }
    ON_SERVER("server_stop may be called any number of times, never blocks, keeps errno") {
        errno = EDOM;
        for (int i = 0; i < 100; i++) server_stop(server); /* one byte may be written */
        CHECK(errno == EDOM && stop_pipe_is_ready);
    }
    ON_SERVER("a shutdown calls accept once for each place at most, however often it fails") {
        fail_always[ACCEPT] = ECONNABORTED;
        server_stop(server);
        begin_shutdown(server);
        CHECK_INT(accepts, 10);
    }
    ON_SERVER("server_run returns 5 seconds after server_stop, whatever is in progress") {
        struct client *half = connect_and_send(PARTIAL);
        int64_t start = now;
        full_polls = 0;
        before_poll = stop_once;
        server_run(server);
        CHECK_BETWEEN(now - start, SEC(5), SEC(5) + MS(20));
        CHECK_BETWEEN(full_polls, 400, 510);
        CHECK(!half->closed);
    }
}

/* ---- Events ---- */

static void test_input(void) {
    TEST("an event reads at most 4,096 bytes, and nothing behind the buffer") {
        static char large[HTTP_BUFFER_SIZE + 1];
        memset(large, 'x', HTTP_BUFFER_SIZE);
        memcpy(large, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 28);
        begin_server(10);
        struct client *client = connect_client(), *other = connect_client();
        queue_text(client, large);
        for (int i = 1; i <= 4; i++) {
            CHECK_INT(client->responses, 0);
            queue_text(other, GOOD);
            iterate();
            CHECK_INT(client->reads, i);
            CHECK_INT(other->responses, i);
        }
        CHECK_INT(status_of(client), 431);
        client = connect_client();
        client->max_read = 4095; /* in the end there is room for less than 4,096 bytes */
        deliver(client, large);
        CHECK_INT(status_of(client), 431);
    }
    ON_SERVER("all requests in a full buffer get their responses") {
        static char full[HTTP_BUFFER_SIZE + 1];
        memset(full, 'x', HTTP_BUFFER_SIZE);
        memcpy(full, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 28);
        strcpy(full + HTTP_BUFFER_SIZE - strlen("\r\n\r\n" GOOD), "\r\n\r\n" GOOD);
        size_t len = connect_and_send(GOOD)->output_len;
        struct client *client = connect_and_send(full);
        CHECK_INT(client->output_len, 2 * len);
        CHECK_INT(client->output[0], 'H');
    }
    TEST("a byte that cannot begin a request is rejected at once, after however many requests") {
        char text[100 * sizeof GOOD] = "";
        for (size_t i = 0; i < 100; i++) {
            strcpy(text + i * (sizeof GOOD - 1), GOOD "\n");
            begin_server(1);
            CHECK_INT(status_of(connect_and_send(text)), 400);
            CHECK_INT(state_of(&server->connections[FIRST]), LINGERING);
        }
    }
}

static void test_output(void) {
    ON_SERVER("a response of which one byte is left is sent to the end") {
        struct client *client = connect_and_send(GOOD);
        size_t len = client->output_len;
        client->window = len - 1;
        deliver(client, GOOD);
        CHECK_INT(client->responses, 1);
        CHECK_INT(client->window, 0);
        client->window = len;
        run_full_poll();
        CHECK_INT(client->responses, 2);
        CHECK_INT(client->window, len - 1);
    }
    ON_SERVER("a lost response is logged, even if as much input as output is lost") {
        struct client *client = connect_and_send(GOOD);
        client->window = client->output_len - 1;
        deliver(client, GOOD "x");
        run_for(SEC(11));
        CHECK(client->closed);
        CHECK_INT(count_logged("did not read the response"), 1);
    }
    TEST("all requests of one read get their responses, though the output buffer holds few") {
        static char text[150 * sizeof GOOD];
        for (int i = 0; i < 150; i++) strcat(text, GOOD);
        begin_server(10);
        size_t len = connect_and_send(GOOD)->output_len;
        CHECK_INT(SIZE_MAX - connect_and_send(text)->window, 150 * len);
        CHECK(150 * len > HTTP_BUFFER_SIZE);
    }
}

static void test_date(void) {
    TEST("there is no Date if the clock was never set (RFC 9110 6.6.1), nor after year 9999") {
        static const struct {
            int64_t time;
            const char *date;
        } cases[] = {
            {-2, NULL},
            {-1, NULL}, /* what time returns if it fails */
            {0, NULL},
            {EARLIEST_CLOCK_TIME - 1, NULL},
            {EARLIEST_CLOCK_TIME, "\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"},
            {EARLIEST_CLOCK_TIME + 61, "\r\nDate: Thu, 01 Jan 2026 00:01:01 GMT\r\n"},
            {INT64_C(4294967296), "\r\nDate: Sun, 07 Feb 2106 06:28:16 GMT\r\n"},
            {INT64_C(1) << 42, NULL},
            {INT64_C(1) << 60, NULL}, /* gmtime_r fails */
        };
        begin_server(10);
        struct client *client = connect_client();
        for (size_t i = 0; i < COUNT(cases) && (time_t)cases[i].time == cases[i].time; i++) {
            wall_clock = (time_t)cases[i].time;
            client->output_len = 0;
            deliver(client, GOOD);
            if (cases[i].date) CHECK_HAS(client->output, cases[i].date);
            CHECK_INT(strstr(client->output, "Date:") != NULL, cases[i].date != NULL);
        }
        CHECK(sizeof wall_clock == 4 || count_logged(" - - [-] \"GET / ") > 0);
    }
}

static void test_handlers(void) {
    TEST("what a handler returns is sent and logged, from 200 to 599; anything else is a 500") {
        static const int statuses[] = {0,   100, 199, 200, 201, 204, 205,
                                       302, 304, 422, 599, 600, -200};
        for (size_t i = 0; i < COUNT(statuses); i++) {
            char logged[64];
            begin_server(10);
            handler_status = statuses[i];
            bool valid = handler_status >= 200 && handler_status <= 599;
            bool has_body = handler_status != 204 && handler_status != 205 && handler_status != 304;
            int status = valid ? handler_status : 500;
            struct client *client = connect_and_send(GET("/secret"));
            snprintf(logged, sizeof logged, "\"GET /secret HTTP/1.1\" %d %s", status,
                     has_body ? "" : "0\n");
            CHECK_INT(status_of(client), status);
            CHECK_HAS(log_text, logged);
            CHECK_INT(strstr(client->output, "\r\n\r\nopen") != NULL, valid && has_body);
            CHECK_INT(strstr(client->output, "\r\nX: sesame\r\n") != NULL, valid);
        }
    }
}

/* ---- Secrets ---- */

static int count_in(const void *from, const void *to) {
    int count = 0;
    for (const char *at = from, *end = to; at + 6 <= end; at++)
        count += memcmp(at, "sesame", 6) == 0;
    return count;
}

/* Returns how often "sesame" is in the server's memory. The connections hold nothing of a request, and
 * have gaps without a value. */
static int count_secrets(void) {
    const char *end = (const char *)server + server_memory_size(server->max_nfds - FIRST);
    return count_in(server, server->connections) + count_in(first_buffer(server), end);
}

static void test_erasing(void) {
    TEST("a request is nowhere in memory after its response, however it came") {
        static const char *const pieces[][2] = {
            {"GET / HTTP/1.1\r\nHost: a\r\nX: open sesame\r\n\r\n", ""},
            {"GET / HTTP/1.1\r\nHost: a\r\nX: open sesame\r\n", "\r\n"},
            {"GET / HTTP/1.1\r\nHost: a\r\nX: open sesame\r\n", "\r\nGET /"},
            {BAD, "sesame"},
            {GET("/?sesame"), ""},
        };
        begin_server(10);
        for (size_t i = 0; i < COUNT(pieces); i++) {
            struct client *client = connect_and_send(pieces[i][0]);
            CHECK_INT(count_secrets(), !client->responses);
            deliver(client, pieces[i][1]);
            CHECK_INT(client->responses, 1);
            CHECK_INT(count_secrets(), 0);
        }
    }
    TEST("a response is nowhere in memory once it is sent, or its connection is closed") {
        for (int i = 0; i < 3; i++) {
            begin_server(10);
            struct client *client = connect_and_send(GET("/secret"));
            CHECK_INT(client->responses, 1);
            CHECK_INT(count_secrets(), 0);
            client->window = 1;
            deliver(client, i == 0 ? GET("/secret") : GET("/secret") PARTIAL);
            CHECK_INT(count_secrets(), 2); /* in a field, and in the body */
            client->window = i == 2 ? 0 : SIZE_MAX;
            while (client->responses == 1 && !client->closed) iterate();
            CHECK_INT(client->closed, i == 2);
            CHECK_INT(count_secrets(), 0);
        }
    }
    ON_SERVER("a response that does not fit becomes a 500, and is nowhere in memory then") {
        CHECK_INT(status_of(connect_and_send(GET("/large"))), 500);
        CHECK_INT(open_clients, 1);
        CHECK_INT(count_secrets(), 0);
        CHECK_HAS(log_text, "] \"GET /large HTTP/1.1\" 500 ");
    }
}

/* ---- The log ---- */

static void test_log_of_server(void) {
    ON_SERVER("while the log is blocked it is tried ten times a second") {
        log_is_blocked = true;
        connect_and_send(GOOD);
        run_for(SEC(1));
        full_polls = 0;
        run_for(SEC(1));
        CHECK_BETWEEN(full_polls, 10, 11);
        log_is_blocked = false;
        iterate();
        CHECK_HAS(log_text, "200 0\n");
        iterate();
        CHECK_BETWEEN(last_poll.timeout, 1001, 15000);
    }
    ON_SERVER("a log that is gone wakes no server, and is tried again with the next line") {
        fail_always[WRITE] = EPIPE;
        struct client *client = connect_and_send(GOOD);
        run_for(SEC(1));
        fail_always[WRITE] = 0;
        deliver(client, PARTIAL);
        CHECK_INT(log_len, 0);
        run_for(SEC(1));
        iterate();
        CHECK_BETWEEN(last_poll.timeout, 8001, 15000);
        CHECK_INT(client->responses, 2);
        CHECK_INT(count_logged("200 0\n"), 1);
        CHECK_INT(count_logged("408"), 1);
    }
}

/* Returns how many lines were written or are reported as dropped, or -1 if a line is not whole.
 * `*reports` is how often some are reported. */
static int count_lines(int *reports) {
    int lines = 0, dropped;
    *reports = 0;
    for (const char *at = log_text, *end; *at; at = end + 1) {
        if ((end = strchr(at, '\n')) == NULL) return -1;
        bool is_report = sscanf(at, "server: log lines dropped: %d", &dropped) == 1;
        bool is_line = strncmp(at, "client - - [", 12) == 0 && strncmp(end - 7, "\" 200 0", 7) == 0;
        if (!is_report && !is_line) return -1;
        *reports += is_report;
        lines += is_report ? dropped : 1;
    }
    return lines;
}

/* Logs a request-line of so many bytes. */
static void log_bytes(int len, char byte) {
    static char line[3000];
    memset(line, byte, (size_t)len);
    log_request(&access_log, "client", (struct str){line, (size_t)len}, 200, 0);
}

static void test_lines(void) {
    int reports;
    TEST("no line is dropped while the log takes lines, however many and how long they are") {
        start_log();
        for (int i = 0; i < 3000; i++) log_bytes(i, 'x');
        log_flush(&access_log);
        CHECK_INT(count_lines(&reports), 3000);
        CHECK_INT(reports, 0);
    }
    TEST("a request-line takes 1,024 bytes of the log, whatever its bytes are") {
        static const char bytes[] = {'x', '\x1f', '\xff', '"'};
        for (size_t i = 0; i < COUNT(bytes); i++) {
            start_log();
            log_bytes(2000, bytes[i]);
            log_flush(&access_log);
            CHECK_BETWEEN(strrchr(log_text, '"') - strchr(log_text, '"') - 1, 1017, 1024);
        }
    }
    TEST("dropped lines are counted and reported once, and those around them are whole") {
        start_log();
        for (int i = 0; i < 981; i++) {
            log_is_blocked = i < 980;
            if (i < 980) log_bytes(i, 'x');
            log_is_blocked = log_is_blocked && access_log.dropped != 5;
            log_flush(&access_log);
        }
        CHECK_INT(count_lines(&reports), 980);
        CHECK_BETWEEN(reports, 2, 100);
    }
}

static void test_log(void) {
    TEST("a log that became full while its disk was full is written again when there is space") {
        start_log();
        fail_always[WRITE] = ENOSPC;
        for (int i = 0; i < 2000; i++) {
            log_bytes(100, 'x');
            log_flush(&access_log);
        }
        CHECK(access_log.dropped > 0 && access_log.lines.len > 0);
        fail_always[WRITE] = 0;
        log_bytes(100, 'y');
        log_flush(&access_log);
        CHECK_INT(access_log.dropped, 0);
        CHECK_INT(access_log.lines.len, 0);
    }
    TEST("a statement that does not fit is dropped and counted like any other line") {
        start_log();
        log_is_blocked = true;
        for (int i = 0; i < 2000; i++) log_statement(&access_log, "SELECT", STR("parameter"));
        CHECK(access_log.dropped > 0);
    }
    TEST("a quiet log has no lines about requests and connections, but statements") {
        start_log();
        access_log.quiet = true;
        log_bytes(1, 'x');
        log_closed(&access_log, "client", "reason");
        log_statement(&access_log, "SELECT", STR("parameter"));
        log_flush(&access_log);
        CHECK_STR(log_text, "SELECT  ['parameter']\n");
    }
}

static void test_memory(void) {
    TEST("1/16 of the places get buffers, 8 at least, but no more than all; and one is added") {
        static const size_t sizes[][2] = {{1, 2},    {7, 8},      {8, 9},     {143, 9},
                                          {144, 10}, {1600, 101}, {5000, 313}};
        for (size_t i = 0; i < COUNT(sizes); i++) {
            allocated = 0;
            begin_server(sizes[i][0]);
            CHECK_INT(allocated, server_memory_size(sizes[i][0]));
            CHECK_INT(server->buffer_count, sizes[i][1]);
            CHECK_INT(server->free_buffer_count, sizes[i][1]);
        }
    }
}

int main(void) {
    alarm(300);
    for (size_t i = 0; i < COUNT(scripts); i++) test_script(i);
    test_full_polls();
    test_waiting();
    test_shares();
    test_accept();
    test_addresses();
    test_poll_errors();
    test_server_stop();
    test_input();
    test_output();
    test_date();
    test_handlers();
    test_erasing();
    test_log_of_server();
    test_lines();
    test_log();
    test_memory();
    close_server();
    TEST("the rules of the fake system and the invariants hold in all iterations")
    CHECK_STR(violation, NULL);
    return test_report();
}
