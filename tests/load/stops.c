/* stops.c - the shutdown of a server under load, and the start of the next one.
 *
 *     SERVER=./server build/load/stops
 *
 * Clients send requests without a pause, others have connections in every state, and then the server
 * gets signals, or is killed. No response may be incomplete, the exit status must be 0, and another
 * server must be able to serve on the same port at once. It takes ten seconds, and prints a table
 * `test | figure`.
 */
#include "live.h"

#define WORKERS 6
#define BATCH   5

/* ---- Clients that send requests without a pause, until the server does not listen any more ---- */

struct worker {
    const struct child *server;
    pthread_t thread;
    size_t responses, incomplete;
};

static struct worker workers[WORKERS];

/* Sends batches of requests until the connection ends. */
static void keep_asking(struct worker *worker, struct client *client) {
    int status = 1;
    while (status > 0) {
        for (int i = 0; i < BATCH; i++) send_text(client, HOME);
        for (int i = 0; i < BATCH && status > 0; i++) {
            status = read_response(client);
            worker->responses += status == 401;
        }
    }
    worker->incomplete += client->len > 0 || status == TIMED_OUT;
}

static void *work(void *argument) {
    struct worker *worker = argument;
    for (;;) {
        struct client client = dial(worker->server);
        if (client.fd < 0) return NULL;
        keep_asking(worker, &client);
        hang_up(&client);
    }
}

static void begin_work(const struct child *server) {
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.server = server};
        CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
}

/* Waits for the clients and adds their figures to the sums. */
static void end_work(size_t *responses, size_t *incomplete) {
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        *responses += workers[i].responses;
        *incomplete += workers[i].incomplete;
    }
}

/* ---- Peers in every state. Each sends something before the signal, and the rest after it. If `before`
 * is NULL, it sends many requests and does not read the responses before the signal. ---- */

static const struct peer {
    const char *name, *before, *after;
    bool reads; /* a response, before the signal */
    bool must_be_served;
} peers[] = {
    {"idle, before the first request", "", "", false, false},
    {"idle, between two requests", HOME, "", true, false},
    {"a partial head", "GET /ho", "me HTTP/1.1\r\n" HOST "\r\n", false, true},
    {"a partial body", "POST /login HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\n{", "...", false,
     true},
    {"a partial chunk", "POST /login HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n4\r\n{",
     "...\r\n0\r\n\r\n", false, true},
    {"the connection lingers", "bad\r\n\r\n", "", true, false},
    {"unsent output", NULL, "", false, true},
};

static struct client clients[COUNT(peers)];

static void begin_peers(const struct child *server) {
    for (size_t i = 0; i < COUNT(peers); i++) {
        const struct peer *peer = &peers[i];
        clients[i] =
            peer->before ? dial(server) : (struct client){.fd = dial_without_reading(server)};
        if (peer->before) CHECK_CASE(send_text(&clients[i], peer->before), peer->name);
        if (peer->reads) CHECK_CASE(read_response(&clients[i]) > 0, peer->name);
    }
}

/* Each sends the rest and reads to the end. All responses must be complete. Returns their number. */
static size_t end_peers(void) {
    size_t responses = 0;
    for (size_t i = 0; i < COUNT(peers); i++) {
        const struct peer *peer = &peers[i];
        size_t count = 0;
        int status;
        send_text(&clients[i], peer->after);
        while ((status = read_response(&clients[i])) > 0) count++;
        CHECK_CASE(status == ENDED, peer->name);
        CHECK_CASE(count > 0 || !peer->must_be_served, peer->name);
        hang_up(&clients[i]);
        responses += count;
    }
    return responses;
}

static void drop_peers(void) {
    for (size_t i = 0; i < COUNT(peers); i++) hang_up(&clients[i]);
}

/* ---- The tests ---- */

static struct child server;

static void start_here(int port) {
    char options[80];
    snprintf(options, sizeof options, "-a 127.0.0.1 -p %d", port);
    server = start(options);
    CHECK(server.serves);
}

static void begin(void) {
    start_here(0);
    begin_work(&server);
    begin_peers(&server);
    pause_ms(50);
}

/* Another server serves on the port of the one that has ended. */
static void start_again(void) {
    start_here(server.port);
    CHECK(ask_once(&server, HOME) == 401);
    CHECK(stop(&server, SIGTERM) == 0);
}

static bool prints_done(void) { return strstr(server.stdout_text, "...\nDone\n") != NULL; }

/* Each signal starts the same shutdown, however often it comes. */
static void send_signals(int count) {
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    for (int i = 0; i < count; i++) {
        kill(server.pid, numbers[(count + i) % 3]);
        if (i % 10 == 9) pause_ms(1);
    }
}

static void stop_in_every_state(void) {
    size_t responses = 0, incomplete = 0, after_signal = 0;
    double longest = 0;
    for (int i = 0; i < 10; i++) {
        begin();
        pause_ms(i * 14);
        double began = now();
        send_signals(i % 2 ? 100 : 1 + i);
        pause_ms(20);
        after_signal += end_peers();
        send_signals(i % 2 ? 3 : 0);
        CHECK(wait_for_end(&server) == 0);
        if (now() - began > longest) longest = now() - began;
        CHECK(prints_done());
        end_work(&responses, &incomplete);
    }
    CHECK(incomplete == 0);
    CHECK(responses > 0);
    SHOW("%zu responses, %zu incomplete, %zu after the signal", responses, incomplete,
         after_signal);
    SHOW("ended in %.2f s", longest);
}

static void kill_and_start_again(void) {
    size_t responses = 0, incomplete = 0; /* a killed server cuts some off */
    for (int i = 0; i < 5; i++) {
        begin();
        stop(&server, SIGKILL);
        end_work(&responses, &incomplete);
        start_again();
        drop_peers();
    }
    SHOW("5 of 5 started at once");
}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    {"a shutdown under load leaves no response incomplete", stop_in_every_state},
    {"after a kill under load it starts again at once", kill_and_start_again},
};

int main(void) {
    begin_load();
    for (size_t i = 0; i < COUNT(tests); i++) {
        TEST(tests[i].name) { tests[i].run(); }
        print_row(tests[i].name);
    }
    return test_report();
}
