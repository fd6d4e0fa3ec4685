/* event_loop.c - tests of the event loop of server.c and of log.c, on the fake system.
 *
 * The clock is fake and the network is simulated. So the tests can measure every timeout, count the
 * polls, and see which connection is evicted, and they take no time.
 */
#define _POSIX_C_SOURCE 200809L
#define MAX_CLIENTS     1600
#include "fake_system.h"

#include "../test.h"

#define LATE      (110 * NS_PER_MS) /* how much later than its deadline a connection may expire */
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define GOOD      GET("/")
#define BAD       "not a request\n" /* it is rejected, and input is left over */
#define LAST      "GET / HTTP/1.0\r\n\r\n"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static uint32_t network; /* of the next clients; 0 gives each its own */

/* ---- What happens ---- */

static int empty_page(const struct http_request *req, struct http_response *res) {
    (void)req, (void)res;
    return 200;
}

static int secret_page(const struct http_request *req, struct http_response *res) {
    (void)req;
    http_add_field(res, STR("X"), STR("sesame"));
    text_put(&res->body, STR("open sesame"));
    return 200;
}

static int handler_status;

static int page_with_status(const struct http_request *req, struct http_response *res) {
    (void)req;
    http_add_field(res, STR("X"), STR("y"));
    text_put(&res->body, STR("page"));
    return handler_status;
}

static int large_page(const struct http_request *req, struct http_response *res) {
    (void)req;
    http_add_field(res, STR("X"), STR("fits"));
    http_add_field(res, STR("X"), STR("sesame"),
                   ((struct str){res->body.s, sizeof res->extra_fields_storage}));
    while (!res->body.truncated) text_put(&res->body, STR("open sesame"));
    return 200;
}

static void begin(size_t max_connections) {
    static const struct route routes[] = {
        {"GET", "/", empty_page},        {"POST", "/", empty_page},
        {"GET", "/large", large_page},   {"GET", "/status", page_with_status},
        {"GET", "/secret", secret_page}, {NULL, NULL, NULL}};
    wall_clock = EARLIEST_CLOCK_TIME;
    network = 0;
    open_server(routes, max_connections);
}

static void end(void) { close_server(); }

/* The client sends something, or recv has nothing to read if it is empty. */
static void give(struct client *c, const char *input) { give_input(c, input, strlen(input)); }

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
static void send_input(struct client *c, const char *input) {
    for (give(c, input); c->is_readable && !c->closed;) iterate();
}

static struct client *connect_and_send(const char *input) {
    struct client *c = connect_client();
    send_input(c, input);
    return c;
}

/* Returns whether the latest response has this status. */
static bool has_status(const struct client *c, const char *status) {
    const char *latest = "", *at = c->output;
    for (; c->output_len > 0 && (at = strstr(at, "HTTP/1.1 ")) != NULL; at++)
        if (is_digit(at[strlen("HTTP/1.1 ")])) latest = at + strlen("HTTP/1.1 ");
    return strncmp(latest, status, strlen(status)) == 0;
}

/* The first client sends one request after the other, for `time` ns. */
static void load(int64_t time) {
    for (int64_t until = now + time; now < until; iterate()) give(&clients[0], GOOD);
}

/* Accepts `count` connections. Then all but the first are idle, and the first is active. */
static void fill(int count) {
    while (accepted < count) connect_client();
    load(80 * NS_PER_MS);
}

static void wait_for(int64_t time) {
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

static bool is_between(int64_t time, int64_t min, int64_t max) {
    return time >= min && time <= max;
}

/* Returns whether the server closes the connection `timeout` ns after `start`. */
static bool closes_after(const struct client *c, int64_t start, int64_t timeout) {
    while (!c->closed && now < start + NS_PER_S * 60) iterate();
    return is_between(now - start, timeout, timeout + LATE);
}

static int count_logged(const char *text) {
    int count = 0;
    for (const char *at = log_text; (at = strstr(at, text)) != NULL; at++) count++;
    return count;
}

static bool is_logged(const char *text) { return count_logged(text) > 0; }

/* ---- Active and full polls ---- */

static void test_polls(void) {
    TEST("while a connection is active, a full poll is due after 8 ms and 4 us for each that is "
         "not") {
        static const int idle[] = {1, 1500};
        for (int i = 0; i < 2; i++) {
            int64_t interval = 8 * NS_PER_MS + idle[i] * INT64_C(4000);
            begin(2000);
            fill(idle[i] + 1);
            run_full_poll();
            int64_t start = now;
            for (full_polls = 0; full_polls < 10;) load(1);
            CHECK(is_between((now - start) / 10, interval, interval + 2 * POLL_COST));
            CHECK(last_poll.timeout == 0);
            end();
        }
    }
    TEST("an active poll looks at the listener and the active connections, until a full poll is "
         "due") {
        begin(10);
        fill(5);
        run_full_poll();
        queue_clients(1);
        load(1);
        CHECK(last_poll.count == FIRST + 1 && accepted == 6);
        iterate();
        CHECK(last_poll.count == FIRST + 2 && is_between(last_poll.timeout, 8, 9));
        iterate();
        CHECK(last_poll.was_full && last_poll.timeout == 0);
        end();
    }
    TEST("a connection is active for 50 ms after it was accepted, or after its latest response") {
        begin(10);
        fill(3);
        connect_client();
        send_input(&clients[1], GOOD);
        load(50 * NS_PER_MS - NS_PER_MS);
        CHECK(server->active_end == FIRST + 3);
        load(10 * NS_PER_MS);
        CHECK(server->active_end == FIRST + 1);
        end();
    }
    TEST("an idle connection that sends a request is served after the next full poll") {
        begin(2000);
        fill(1501);
        int64_t start = now;
        for (give(&clients[7], GOOD); clients[7].is_readable; iterate()) give(&clients[0], GOOD);
        CHECK(now - start < 15 * NS_PER_MS && clients[7].responses == 1);
        end();
    }
    TEST("without a connection poll waits for ever") {
        begin(10);
        iterate();
        CHECK(last_poll.timeout == -1);
        end();
    }
    TEST("without an active connection poll waits until the next deadline") {
        begin(10);
        struct client *client = connect_client();
        wait_for(10 * NS_PER_S);
        send_input(client, GOOD);
        int polls = 0;
        for (; !client->closed; polls++) iterate();
        CHECK(polls < 20);
        end();
    }
    TEST("connections whose deadlines are close together expire in one iteration") {
        begin(10);
        struct client *first = connect_client();
        now += 50 * NS_PER_MS;
        struct client *second = connect_client();
        while (!first->closed) iterate();
        CHECK(!second->closed);
        iterate();
        CHECK(second->closed && is_between(last_poll.timeout, 100, 101));
        end();
    }
}

/* ---- Timeouts ---- */

static void test_timeouts(void) {
    static const struct {
        const char *input;
        size_t window;
        int seconds, responses;
        const char *logged;
    } cases[] = {
        {NULL, SIZE_MAX, 15, 0, NULL},
        {GOOD, SIZE_MAX, 15, 1, "] \"GET / HTTP/1.1\" 200 0\n"},
        {GOOD, 50, 10, 0, "] \"-\" closed: the client did not read the response in time\n"},
        {BAD, SIZE_MAX, 2, 1, "] \"not a request\" 400 "},
        {LAST, SIZE_MAX, 0, 1, NULL},
        {LAST "x", SIZE_MAX, 2, 1, NULL},
    };
    TEST("idle connections are closed after 15 seconds, unread responses after 10, lingering ones "
         "after 2") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            begin(10);
            struct client *client = connect_client();
            int64_t start = now;
            client->window = cases[i].window;
            if (cases[i].input) send_input(client, cases[i].input);
            CHECK(closes_after(client, start, cases[i].seconds * NS_PER_S));
            CHECK(client->responses == cases[i].responses);
            CHECK(!cases[i].logged || is_logged(cases[i].logged));
            CHECK(cases[i].logged || !is_logged("closed"));
            end();
        }
    }
    TEST("a request that is incomplete 10 seconds after its first byte gets a 408, however many "
         "bytes have followed") {
        static const char *const requests[] = {"X", "\r", "GET / HTTP/1.1\r\n"};
        for (int i = 0; i < 3; i++) {
            begin(10);
            struct client *client = connect_client();
            wait_for(9 * NS_PER_S);
            int64_t start = now;
            for (const char *at = requests[i]; *at; at++) {
                char byte[] = {*at, '\0'};
                send_input(client, byte);
                wait_for(NS_PER_S / 2);
            }
            while (client->responses == 0) iterate();
            CHECK(is_between(now - start, 10 * NS_PER_S, 10 * NS_PER_S + LATE));
            CHECK(has_status(client, "408") && !client->closed && is_logged("\" 408 "));
            CHECK(closes_after(client, now, 2 * NS_PER_S));
            end();
        }
    }
    TEST("a response that is read in small pieces has 10 seconds in all") {
        begin(10);
        struct client *client = connect_client();
        int64_t start = now;
        client->window = 1;
        for (send_input(client, GOOD); !client->closed; wait_for(NS_PER_S / 2)) client->window = 1;
        CHECK(is_between(now - start, 10 * NS_PER_S, 10 * NS_PER_S + NS_PER_S));
        end();
    }
    TEST("a request that follows another has 10 seconds from when the response before it is sent") {
        begin(10);
        struct client *late = connect_and_send("GET /"), *slow = connect_client();
        slow->window = 1;
        send_input(slow, GOOD "GET /");
        now += 9 * NS_PER_S;
        slow->window = SIZE_MAX;
        send_input(late, " HTTP/1.1\r\nHost: a\r\n\r\nGET /");
        CHECK(late->responses == 1 && slow->responses == 1);
        int64_t start = now;
        while (late->responses == 1 && slow->responses == 1) iterate();
        CHECK(is_between(now - start, 10 * NS_PER_S, 10 * NS_PER_S + LATE));
        CHECK(late->responses == 2 && slow->responses == 2 && has_status(slow, "408"));
        end();
    }
    TEST("empty lines change neither the state nor the deadline of a connection") {
        begin(10);
        struct client *client = connect_client();
        int64_t start = now;
        for (int i = 0; i < 14; i++) {
            wait_for(NS_PER_S);
            send_input(client, "\r\n\r\n");
            CHECK(server->active_end == FIRST && server->free_buffer_count == server->buffer_count);
        }
        CHECK(closes_after(client, start, 15 * NS_PER_S) && client->responses == 0);
        end();
    }
    TEST("an empty line may come in two pieces") {
        begin(10);
        struct client *client = connect_and_send("\r");
        CHECK(server->free_buffer_count < server->buffer_count);
        send_input(client, "\n");
        CHECK(server->free_buffer_count == server->buffer_count);
        send_input(client, "\r");
        send_input(client, "\n" GOOD);
        CHECK(client->responses == 1 && has_status(client, "200"));
        end();
    }
}

/* ---- Eviction ---- */

static void test_eviction(void) {
    TEST("lingering and idle connections are evicted first, by the nearest deadline, then the "
         "others") {
        begin(5);
        struct client *active, *half = connect_and_send("GET /"), *lingers, *idle, *later;
        idle = connect_client();
        later = connect_and_send("GET /");
        now += 50 * NS_PER_MS;
        lingers = connect_and_send(BAD);
        send_input(idle, "\r\n"); /* it stays idle */
        active = connect_and_send(GOOD);
        struct client *const order[] = {lingers, idle, half, later, active};
        for (int i = 0; i < 5; i++) {
            CHECK(!order[i]->closed);
            connect_client();
            CHECK(order[i]->closed && open_clients == 5);
        }
        CHECK(is_logged("] \"-\" closed: evicted for another connection\n"));
        CHECK(count_logged("closed") == 2); /* half and later */
        end();
    }
    TEST("an idle connection is not evicted before others in the first 50 ms") {
        begin(2);
        struct client *half = connect_and_send("GET /");
        connect_and_send(GOOD);
        connect_client();
        CHECK(half->closed && !clients[1].closed);
        end();
    }
    TEST("if all buffers are in use, the oldest request or response is evicted") {
        begin(20); /* with 8 buffers, and one for the next event */
        struct client *idle = connect_client(), *lingers = connect_and_send(BAD);
        while (accepted < 11) connect_client();
        for (int i = 2; i < 11; i++, now += NS_PER_MS) {
            clients[i].window = 1;
            CHECK(!clients[2].closed);
            send_input(&clients[i], i % 2 ? "GET /" : GOOD);
        }
        CHECK(clients[2].closed && !idle->closed && !lingers->closed && open_clients == 10);
        end();
    }
    TEST("a client that holds more than 1/16 of the places pays for itself; its first is spared") {
        static const struct {
            int places, held;
            bool pays;
        } cases[] = {{4, 1, false}, {4, 2, true}, {32, 2, false}, {32, 3, true}, {47, 2, false}};
        for (size_t i = 0; i < COUNT(cases); i++) {
            begin((size_t)cases[i].places);
            while (accepted < cases[i].places - cases[i].held) connect_client();
            now += 50 * NS_PER_MS;
            network = 7;
            while (accepted < cases[i].places) connect_client();
            connect_client();
            CHECK(clients[cases[i].places - cases[i].held].closed == cases[i].pays);
            CHECK(clients[0].closed != cases[i].pays);
            end();
        }
    }
    TEST("a client that holds more than 1/16 of the buffers pays for itself; its first is spared") {
        static const struct {
            size_t connections;
            int buffers, held; /* with the one that asks */
            bool pays;
        } cases[] = {{20, 9, 1, false}, {20, 9, 2, true}, {496, 32, 2, false}, {496, 32, 3, true}};
        for (size_t i = 0; i < COUNT(cases); i++) {
            int others = cases[i].buffers - cases[i].held;
            begin(cases[i].connections);
            while (accepted < others) connect_and_send("GET /");
            now += NS_PER_MS;
            network = 7;
            connect_client(); /* without a buffer it does not count */
            while (accepted < cases[i].buffers + 1) connect_and_send("GET /");
            CHECK(clients[others + 1].closed == cases[i].pays);
            CHECK(clients[0].closed != cases[i].pays && open_clients == cases[i].buffers);
            end();
        }
    }
}

/* ---- Accepting ---- */

static void test_accept(void) {
    TEST("an iteration accepts 1/16 of the table, and 64 at most") {
        static const struct {
            size_t places;
            int accepted;
        } cases[] = {{1, 1}, {160, 11}, {1000, 63}, {1600, 64}};
        for (size_t i = 0; i < COUNT(cases); i++) {
            begin(cases[i].places);
            queue_clients(200);
            iterate();
            CHECK(accepted == cases[i].accepted);
            end();
        }
    }
    TEST("out of descriptors, each iteration evicts one connection, and the next one accepts") {
        begin(10);
        max_open = 3;
        for (int i = 0; i < 3; i++) connect_client();
        queue_clients(2);
        for (int i = 0; i < 2; i++) {
            iterate();
            CHECK(clients[i].closed && open_clients == 2 && accepted == 3 + i);
            iterate();
            CHECK(!clients[i + 1].closed || i == 0);
            CHECK(last_poll.looked_at_listener && accepted == 4 + i);
        }
        end();
    }
    TEST("out of memory, or of descriptors without a connection, accepting pauses for 100 ms") {
        static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EINVAL};
        for (size_t i = 0; i < COUNT(errors); i++)
            for (int others = 0; others < (errors[i] == EMFILE ? 1 : 2); others++) {
                begin(10);
                while (accepted < others) connect_client();
                fail_always[ACCEPT] = errors[i];
                queue_clients(1);
                iterate();
                int64_t start = now;
                iterate();
                CHECK(!last_poll.looked_at_listener);
                fail_always[ACCEPT] = 0;
                while (queued > 0) iterate();
                CHECK(is_between(now - start, 100 * NS_PER_MS, 210 * NS_PER_MS));
                CHECK(open_clients == others + 1);
                end();
            }
    }
    TEST("while a connection is active, too, accept is tried ten times a second") {
        begin(10);
        fill(2);
        fail_always[ACCEPT] = ENFILE;
        queue_clients(1);
        accepts = 0;
        load(NS_PER_S);
        CHECK(accepts == 10);
        end();
    }
    TEST("accepting goes on after a signal, and after a connection that is gone already") {
        static const int errors[] = {EINTR, ECONNABORTED, EPROTO};
        for (size_t i = 0; i < COUNT(errors); i++) {
            begin(100);
            queue_clients(1);
            fail_always[ACCEPT] = errors[i];
            iterate();
            CHECK(accepts == 7);
            fail_always[ACCEPT] = 0;
            iterate();
            CHECK(last_poll.looked_at_listener && accepted == 1);
            end();
        }
    }
}

/* ---- Failures of poll ---- */

static void test_poll_errors(void) {
    TEST("while poll fails it is tried 100 times a second, and connections still expire") {
        static const int errors[] = {EINVAL, ENOMEM, EAGAIN};
        for (size_t i = 0; i < COUNT(errors); i++) {
            begin(10);
            fill(3);
            fail_always[POLL] = errors[i];
            pauses = 0;
            for (int64_t start = now; now < start + NS_PER_S;) iterate();
            CHECK(is_between(pauses, 90, 101) && open_clients == 3);
            now += 15 * NS_PER_S;
            iterate();
            CHECK(open_clients == 0);
            fail_always[POLL] = 0;
            CHECK(connect_and_send(GOOD)->responses == 1);
            end();
        }
    }
    TEST("a poll that is interrupted closes no connection, because it has not looked at them") {
        begin(10);
        fill(3);
        now += 15 * NS_PER_S;
        fail_always[POLL] = EINTR;
        pauses = 0;
        for (int i = 0; i < 3; i++) iterate();
        CHECK(open_clients == 3 && pauses == 0);
        end();
    }
}

/* ---- Shutdown ---- */

static void test_shutdown(void) {
    TEST("server_stop ends the wait of a full poll and of an active poll") {
        for (int active = 0; active < 2; active++) {
            begin(10);
            fill(3);
            if (!active) now += 50 * NS_PER_MS;
            run_full_poll();
            int64_t start = now;
            before_poll = stop_once;
            while (!server->stop_requested) iterate();
            CHECK(now - start <= 2 * POLL_COST && last_poll.was_full == !active);
            end();
        }
    }
    TEST("server_stop may be called any number of times, never blocks and keeps errno") {
        begin(10);
        errno = EDOM;
        for (int i = 0; i < 100; i++) server_stop(server); /* one byte may be written */
        CHECK(errno == EDOM && stop_pipe_is_ready);
        end();
    }
    TEST("a shutdown without a request in progress ends at once, and idle connections are closed") {
        begin(10);
        for (int i = 0; i < 3; i++) connect_and_send(GOOD);
        int64_t start = now;
        before_poll = stop_once;
        server_run(server);
        CHECK(now - start <= 40 * NS_PER_MS && open_clients == 0 && listener.fd == -1);
        CHECK(!is_logged("closed"));
        end();
    }
    TEST("a request in progress is finished with Connection: close") {
        begin(10);
        struct client *half = connect_and_send("GET /"), *never = connect_and_send("GET /");
        struct client *idle = connect_client(), *slow = connect_client();
        slow->window = 1;
        send_input(slow, GOOD);
        server_stop(server);
        begin_shutdown(server);
        int64_t start = now;
        while (!idle->closed) iterate();
        CHECK(now - start <= 12 * NS_PER_MS);
        now += NS_PER_S;
        send_input(half, " HTTP/1.1\r\nHost: a\r\n\r\n");
        CHECK(half->closed && strstr(half->output, "\r\nConnection: close\r\n"));
        slow->window = SIZE_MAX;
        for (int i = 0; i < 3; i++) iterate();
        CHECK(slow->closed && slow->responses == 1 && !never->closed);
        end();
    }
    TEST("server_run returns 5 seconds after server_stop, whatever is in progress") {
        begin(10);
        struct client *half = connect_and_send("GET /");
        int64_t start = now;
        full_polls = 0;
        before_poll = stop_once;
        server_run(server);
        CHECK(is_between(now - start, 5 * NS_PER_S, 5 * NS_PER_S + 20 * NS_PER_MS));
        CHECK(is_between(full_polls, 400, 510) && !half->closed);
        end();
    }
    TEST("server_destroy closes all connections, and logs those with a request in progress") {
        begin(10);
        connect_client();
        connect_and_send("GET /");
        end();
        CHECK(open_clients == 0 && count_logged("] \"-\" closed: the server was stopped\n") == 1);
    }
    TEST("a request that is in the listen queue, or in a socket, when the shutdown begins is "
         "served") {
        begin(10);
        connect_client();
        now += NS_PER_S;
        queue_clients(8);
        for (int i = 0; i < 9; i++) give(&clients[i], GOOD);
        server_stop(server);
        server_run(server);
        for (int i = 0; i < 9; i++) CHECK(clients[i].responses == 1 && clients[i].closed);
        end();
    }
    TEST("a request that is in a socket when the shutdown begins is served, even if all places are "
         "taken") {
        begin(2);
        for (int i = 0; i < 2; i++) connect_client();
        wait_for(NS_PER_S);
        for (int i = 0; i < 2; i++) give(&clients[i], GOOD);
        server_stop(server);
        server_run(server);
        CHECK(clients[0].responses == 1 && clients[1].responses == 1);
        end();
    }
    TEST("during a shutdown an idle connection has a millisecond to send a request") {
        begin(10);
        struct client *half = connect_and_send("GET /");
        queue_clients(2);
        begin_shutdown(server);
        send_input(half, " HTTP/1.1\r\n");
        send_input(&clients[1], GOOD);
        CHECK(clients[1].responses == 1 && !clients[2].closed);
        now += NS_PER_MS;
        send_input(half, "Host: a\r\n\r\n");
        CHECK(half->responses == 1 && clients[2].closed);
        end();
    }
    TEST("for the listen queue idle connections are evicted, and requests in progress are not") {
        begin(5);
        struct client *half = connect_and_send("GET /");
        for (int i = 0; i < 3; i++) connect_client();
        now += 50 * NS_PER_MS;
        struct client *active = connect_and_send(GOOD);
        queue_clients(5);
        begin_shutdown(server);
        CHECK(accepted == 8 && !half->closed && !active->closed && open_clients == 5);
        for (int i = 1; i < 4; i++) CHECK(clients[i].closed);
        end();
    }
    TEST("for the listen queue no request in progress is evicted, even out of descriptors, or of a "
         "client that exceeds its share") {
        for (int out = 0; out < 2; out++) {
            begin(out ? 8 : 4);
            send_input(connect_client(), out ? "GET /" : "");
            network = 7;
            while (accepted < 4) connect_and_send("GET /");
            wait_for(100 * NS_PER_MS);
            queue_clients(2);
            max_open = out ? 4 : MAX_CLIENTS;
            begin_shutdown(server);
            for (int i = 1 - out; i < 4; i++) CHECK(!clients[i].closed);
            end();
        }
    }
    TEST("a failing poll closes no idle connection during a shutdown") {
        begin(10);
        struct client *client = connect_and_send(GOOD);
        begin_shutdown(server);
        fail_always[POLL] = EINVAL;
        pauses = 0;
        for (int i = 0; i < 3; i++) iterate();
        CHECK(!client->closed && pauses == 3);
        fail_always[POLL] = 0;
        send_input(client, GOOD);
        CHECK(client->responses == 2 && client->closed);
        end();
    }
}

/* ---- Events ---- */

static void test_events(void) {
    static char large[HTTP_BUFFER_SIZE + 1];
    memset(large, 'x', HTTP_BUFFER_SIZE);
    memcpy(large, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 28);
    TEST("an event reads at most 4,096 bytes, and nothing behind the buffer") {
        begin(10);
        struct client *client = connect_client(), *other = connect_client();
        give(client, large);
        for (int i = 1; i <= 4; i++) {
            CHECK(client->responses == 0);
            give(other, GOOD);
            iterate();
            CHECK(client->reads == i && other->responses == i);
        }
        CHECK(client->responses == 1 && has_status(client, "431"));
        end();
    }
    TEST("a response of which one byte is left is sent to the end") {
        begin(10);
        struct client *client = connect_and_send(GOOD);
        size_t len = SIZE_MAX - client->window;
        client->window = len - 1;
        send_input(client, GOOD);
        CHECK(client->responses == 1 && client->window == 0);
        client->window = len;
        run_full_poll();
        CHECK(client->responses == 2 && client->window == len - 1);
        end();
    }
    TEST("a byte that cannot begin a request is rejected at once, after any number of requests") {
        char text[100 * sizeof GOOD] = "";
        for (size_t i = 0; i < 100; i++) {
            strcpy(text + i * (sizeof GOOD - 1), GOOD "\n");
            begin(1);
            CHECK(has_status(connect_and_send(text), "400"));
            CHECK(state_of(&server->connections[FIRST]) == LINGERING);
            end();
        }
    }
    TEST(
        "all requests of one read get their responses, even if the output buffer holds only some") {
        static char text[150 * sizeof GOOD];
        for (int i = 0; i < 150; i++) strcat(text, GOOD);
        begin(10);
        size_t len = SIZE_MAX - connect_and_send(GOOD)->window;
        CHECK(SIZE_MAX - connect_and_send(text)->window == 150 * len);
        CHECK(150 * len > HTTP_BUFFER_SIZE);
        end();
    }
    TEST("100 (Continue) is sent once for each request, and before the body") {
        static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                                   "Content-Length: 3\r\n\r\n";
        begin(10);
        struct client *client = connect_client();
        for (int i = 1; i <= 2; i++) {
            send_input(client, head);
            CHECK(client->continues == i && client->responses == i - 1);
            send_input(client, "a");
            send_input(client, "b");
            CHECK(client->continues == i && client->responses == i - 1);
            send_input(client, "c");
            CHECK(client->continues == i && client->responses == i);
        }
        end();
    }
    TEST("a response whose body does not fit becomes a 500") {
        begin(10);
        struct client *client = connect_and_send(GET("/large"));
        CHECK(client->responses == 1 && !client->closed && has_status(client, "500"));
        CHECK(is_logged("] \"GET /large HTTP/1.1\" 500 "));
        end();
    }
    TEST("a lingering connection ends when its client has closed, and nothing is logged") {
        for (int i = 0; i < 2; i++) {
            begin(10);
            struct client *client = connect_and_send(BAD);
            send_input(client, "");
            client->error = EINTR;
            send_input(client, "");
            send_input(client, "more");
            CHECK(!client->closed);
            client->error = ECONNRESET;
            client->at_eof = i > 0;
            send_input(client, "");
            CHECK(client->closed && !is_logged("closed"));
            end();
        }
    }
    TEST("a client that leaves is logged if a request or a response is lost by it") {
        begin(10);
        for (int i = 0; i < 2; i++) {
            struct client *client = connect_client();
            if (i > 0) send_input(client, "GET /");
            client->at_eof = true;
            send_input(client, "");
            CHECK(client->closed && client->responses == 0);
            CHECK(is_logged("closed: the client left in the middle of a request\n") == (i > 0));
        }
        end();
    }
    TEST("the date has a new value each second") {
        begin(10);
        CHECK(strcmp(server->date, "Thu, 01 Jan 2026 00:00:00 GMT") == 0);
        wall_clock += 61;
        connect_client();
        CHECK(strcmp(server->date, "Thu, 01 Jan 2026 00:01:01 GMT") == 0);
        end();
    }
    TEST("there is no Date until the wall clock was set (RFC 9110 section 6.6.1), nor if the year "
         "has "
         "more than four digits") {
        static const struct {
            int64_t time;
            const char *date;
        } cases[] = {
            {-2, NULL},
            {-1, NULL}, /* what time returns if it fails */
            {0, NULL},
            {EARLIEST_CLOCK_TIME - 1, NULL},
            {EARLIEST_CLOCK_TIME, "\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"},
            {INT64_C(4294967296), "\r\nDate: Sun, 07 Feb 2106 06:28:16 GMT\r\n"},
            {INT64_C(1) << 42, NULL},
            {INT64_C(1) << 60, NULL}, /* gmtime_r fails */
        };
        begin(10);
        struct client *client = connect_client();
        for (size_t i = 0; i < COUNT(cases) && (time_t)cases[i].time == cases[i].time; i++) {
            const char *date = cases[i].date ? cases[i].date : "\r\nDate:";
            wall_clock = (time_t)cases[i].time;
            client->output_len = 0;
            send_input(client, GOOD);
            CHECK((strstr(client->output, date) != NULL) == (cases[i].date != NULL));
        }
        CHECK(sizeof wall_clock == 4 || is_logged(" - - [-] \"GET / "));
        end();
    }
    TEST("what a handler returns is what is sent and logged, from 200 to 599; else it is a 500") {
        static const int statuses[] = {0,   100, 199, 200, 201, 204, 205,
                                       302, 304, 422, 599, 600, -200};
        for (size_t i = 0; i < COUNT(statuses); i++) {
            char status[8], logged[64];
            begin(10);
            handler_status = statuses[i];
            bool valid = handler_status >= 200 && handler_status <= 599;
            bool has_body = handler_status != 204 && handler_status != 205 && handler_status != 304;
            struct client *client = connect_and_send(GET("/status"));
            snprintf(status, sizeof status, "%d ", valid ? handler_status : 500);
            snprintf(logged, sizeof logged, "\"GET /status HTTP/1.1\" %s", status);
            CHECK(has_status(client, status) && is_logged(logged));
            CHECK((strstr(client->output, "\r\n\r\npage") != NULL) == (valid && has_body));
            CHECK((strstr(client->output, "\r\nX: y\r\n") != NULL) == valid);
            CHECK(has_body || is_logged(" 0\n"));
            end();
        }
    }
    TEST("a request for an https URI is served behind TLS, and otherwise misdirected (9110 7.4)") {
        for (int i = 0; i < 2; i++) {
            begin(10);
            listener.behind_tls = i > 0;
            struct client *client = connect_and_send(GET("https://a/"));
            CHECK(has_status(client, i > 0 ? "200" : "421") && !client->closed);
            listener.behind_tls = false;
            CHECK(has_status(connect_and_send(GET("http://a/")), "200"));
            end();
        }
    }
}

/* ---- Secrets ---- */

/* Returns how often the word is in the server's memory. */
static int count_word(const char *word) {
    size_t len = strlen(word), size = server_memory_size(server->max_nfds - FIRST);
    const char *memory = (const char *)server;
    int count = 0;
    for (size_t i = 0; i + len <= size; i++) count += memcmp(memory + i, word, len) == 0;
    return count;
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
        begin(10);
        for (size_t i = 0; i < COUNT(pieces); i++) {
            struct client *client = connect_and_send(pieces[i][0]);
            CHECK(count_word("sesame") == !client->responses);
            send_input(client, pieces[i][1]);
            CHECK(client->responses == 1 && count_word("sesame") == 0);
        }
        end();
    }
    TEST("a response is nowhere in memory once it is sent, or its connection is closed") {
        for (int i = 0; i < 3; i++) {
            begin(10);
            struct client *client = connect_and_send(GET("/secret"));
            CHECK(client->responses == 1 && count_word("sesame") == 0);
            client->window = 1;
            send_input(client, i == 0 ? GET("/secret") : GET("/secret") "GET /");
            CHECK(count_word("sesame") == 2); /* in a field, and in the body */
            client->window = i == 2 ? 0 : SIZE_MAX;
            while (client->responses == 1 && !client->closed) iterate();
            CHECK(client->closed == (i == 2) && count_word("sesame") == 0);
            end();
        }
    }
    TEST("what did not fit a response is nowhere in memory after it") {
        begin(10);
        CHECK(connect_and_send(GET("/large"))->responses == 1 && count_word("sesame") == 0);
        end();
    }
}

/* ---- The log ---- */

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

static void log_bytes(int len, char byte) {
    static char line[3000];
    memset(line, byte, (size_t)len);
    log_request(&access_log, "client", (struct str){line, (size_t)len}, 200, 0);
}

static void test_log(void) {
    int reports;
    TEST("while the log is blocked it is tried ten times a second") {
        begin(10);
        log_is_blocked = true;
        connect_and_send(GOOD);
        wait_for(NS_PER_S);
        full_polls = 0;
        wait_for(NS_PER_S);
        CHECK(is_between(full_polls, 10, 11));
        log_is_blocked = false;
        iterate();
        CHECK(is_logged("200 0\n"));
        iterate();
        CHECK(last_poll.timeout > 1000);
        end();
    }
    TEST("a log whose output is gone does not wake the server, and is tried again with the next "
         "line, but not before") {
        begin(10);
        fail_always[WRITE] = EPIPE;
        struct client *client = connect_and_send(GOOD);
        wait_for(NS_PER_S);
        fail_always[WRITE] = 0;
        send_input(client, "GET /");
        CHECK(log_len == 0);
        wait_for(NS_PER_S);
        iterate();
        CHECK(last_poll.timeout > 8000 && client->responses == 2);
        CHECK(count_logged("200 0\n") == 1 && count_logged("408") == 1);
        end();
    }
    TEST("no line is dropped while the log takes lines, however many and however long they are") {
        start_log();
        for (int i = 0; i < 3000; i++) log_bytes(i, 'x');
        log_flush(&access_log);
        CHECK(count_lines(&reports) == 3000 && reports == 0);
    }
    TEST("a request-line takes 1,024 bytes of the log, whatever its bytes are") {
        static const char bytes[] = {'x', '\x1f', '\xff', '"'};
        for (size_t i = 0; i < COUNT(bytes); i++) {
            start_log();
            log_bytes(2000, bytes[i]);
            log_flush(&access_log);
            const char *first = strchr(log_text, '"'), *last = strrchr(log_text, '"');
            CHECK(is_between(last - first - 1, 1017, 1024));
        }
    }
    TEST("dropped lines are counted and reported once, and those around them are whole") {
        start_log();
        for (int i = 0; i < 980; i++) {
            log_is_blocked = true;
            log_bytes(i, 'x');
            log_is_blocked = access_log.dropped != 5;
            log_flush(&access_log);
        }
        log_is_blocked = false;
        log_flush(&access_log);
        CHECK(count_lines(&reports) == 980 && is_between(reports, 2, 100));
    }
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
        CHECK(access_log.dropped == 0 && access_log.lines.len == 0);
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
        log_flush(&access_log);
        CHECK(log_len == 0);
        log_statement(&access_log, "SELECT", STR("parameter"));
        log_flush(&access_log);
        CHECK_STR(log_text, "SELECT  ['parameter']\n");
    }
    TEST("a rejected request is logged with its first line; empty lines before it are dropped") {
        begin(10);
        connect_and_send("POST / HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\nX\n");
        CHECK(is_logged("] \"X\" 400 "));
        end();
    }
}

static void test_inheriting(void) {
    TEST("without LISTEN_FDS no socket is inherited, even if LISTEN_PID is the server") {
        char pid[24];
        snprintf(pid, sizeof pid, "%ld", (long)getpid());
        setenv("LISTEN_PID", pid, 1);
        unsetenv("LISTEN_FDS");
        begin(1);
        CHECK(!listener.inherited && listener.fd == FAKE_LISTENER);
        end();
        unsetenv("LISTEN_PID");
    }
}

static void test_memory(void) {
    TEST("server_memory_size is what server_create allocates") {
        static const size_t sizes[] = {1, 100, 1000, 5000};
        for (size_t i = 0; i < COUNT(sizes); i++) {
            allocated = 0;
            begin(sizes[i]);
            CHECK(allocated == server_memory_size(sizes[i]));
            end();
        }
    }
    TEST("there are buffers for 1/16 of the connections, for 8 at least, but for no more than "
         "there are, and one for the next event") {
        static const size_t sizes[][2] = {{1, 2}, {7, 8}, {8, 9}, {143, 9}, {144, 10}, {1600, 101}};
        for (size_t i = 0; i < COUNT(sizes); i++) {
            begin(sizes[i][0]);
            CHECK(server->buffer_count == sizes[i][1]);
            CHECK(server->free_buffer_count == sizes[i][1]);
            end();
        }
    }
}

int main(void) {
    alarm(60);
    test_memory();
    test_inheriting();
    test_polls();
    test_timeouts();
    test_eviction();
    test_accept();
    test_poll_errors();
    test_shutdown();
    test_events();
    test_erasing();
    test_log();
    TEST("the invariants hold between all iterations")
    CHECK_CASE(!violation, violation);
    return test_report();
}
