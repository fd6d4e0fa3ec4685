/* stops.c - the end of a server under load, and the start of the next one.
 *
 *     SERVER=./server build/load/stops
 *
 * Clients ask without a pause, others are in every state that a connection can be in, and then the
 * server is told to stop, or is killed. What must hold: no answer that began is cut short, the
 * exit status is 0, and another server can serve on the same port at once. It takes twenty
 * seconds, and prints a table `test | figure`.
 */
#include "live.h"

#define WORKERS 6
#define BATCH   5

/* ---- Clients that ask without a pause, until nobody listens any more ---- */

struct worker {
    const struct child *server;
    pthread_t thread;
    size_t answered, halves;
};

static struct worker workers[WORKERS];

/* Sends batches of requests until the connection ends. */
static void keep_asking(struct worker *worker, struct client *client) {
    int status = 1;
    while (status > 0) {
        for (int i = 0; i < BATCH; i++) say(client, HOME);
        for (int i = 0; i < BATCH && status > 0; i++) {
            status = hear(client);
            worker->answered += status == 401;
        }
    }
    worker->halves += client->len > 0 || status == SILENT;
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

/* Adds what was done to the sums. */
static void end_work(size_t *answered, size_t *halves) {
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        *answered += workers[i].answered;
        *halves += workers[i].halves;
    }
}

/* ---- Peers in every state. Each says something before the stop, and the rest after it; who says
 * NULL is deaf: asks for much and reads nothing before the stop. ---- */

static const struct peer {
    const char *name, *before, *after;
    bool hears; /* an answer, before the stop */
    bool must_be_answered;
} peers[] = {
    {"nothing has come", "", "", false, false},
    {"between two requests", HOME, "", true, false},
    {"half a head", "GET /ho", "me HTTP/1.1\r\n" HOST "\r\n", false, true},
    {"half a body", "POST /login HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\n{", "...", false,
     true},
    {"half a chunk", "POST /login HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n4\r\n{",
     "...\r\n0\r\n\r\n", false, true},
    {"the connection lingers", "bad\r\n\r\n", "", true, false},
    {"the answer waits for its reader", NULL, "", false, true},
};

static struct client clients[COUNT(peers)];

static void begin_peers(const struct child *server) {
    for (size_t i = 0; i < COUNT(peers); i++) {
        const struct peer *peer = &peers[i];
        clients[i] = peer->before ? dial(server) : (struct client){.fd = dial_deaf(server)};
        if (peer->before) CHECK_CASE(say(&clients[i], peer->before), peer->name);
        if (peer->hears) CHECK_CASE(hear(&clients[i]) > 0, peer->name);
    }
}

/* Everybody does the rest, reads to the end, and has whole answers alone. Returns how many. */
static size_t end_peers(void) {
    size_t answered = 0;
    for (size_t i = 0; i < COUNT(peers); i++) {
        const struct peer *peer = &peers[i];
        size_t count = 0;
        int status;
        say(&clients[i], peer->after);
        while ((status = hear(&clients[i])) > 0) count++;
        CHECK_CASE(status == ENDED, peer->name);
        CHECK_CASE(count > 0 || !peer->must_be_answered, peer->name);
        hang_up(&clients[i]);
        answered += count;
    }
    return answered;
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

static void begin(bool busy) {
    start_here(0);
    if (busy) begin_work(&server);
    begin_peers(&server);
    pause_ms(50);
}

/* Lets another server serve on the port of the one that has ended, and stops it. */
static void start_again(void) {
    start_here(server.port);
    CHECK(ask_once(&server, HOME) == 401);
    CHECK(stop(&server, SIGTERM) == 0);
}

static bool says_done(void) { return strstr(server.said, "...\nDone\n") != NULL; }

static void stop_in_every_state(void) {
    size_t answered = 0, halves = 0, waiting = 0;
    double longest = 0;
    for (int i = 0; i < 10; i++) {
        begin(true);
        pause_ms(i * 14);
        double told = now();
        kill(server.pid, SIGTERM);
        pause_ms(20);
        waiting += end_peers();
        CHECK(wait_for_end(&server) == 0);
        if (now() - told > longest) longest = now() - told;
        CHECK(says_done());
        end_work(&answered, &halves);
    }
    CHECK(halves == 0);
    CHECK(answered > 0);
    SHOW("%zu answers, %zu cut short, %zu after the signal", answered, halves, waiting);
    SHOW("gone in %.2f s", longest);
}

/* Tells the server to stop, so often, beside peers who never do the rest. Returns how
 * long it took. */
static double stop_beside_the_stuck(int signals) {
    double told = now();
    for (int i = 0; i < signals; i++) {
        kill(server.pid, SIGTERM);
        pause_ms(100);
    }
    CHECK(wait_for_end(&server) == 0);
    double took = now() - told;
    CHECK(says_done());
    SHOW("gone in %.2f s", took);
    return took;
}

static void stop_once(void) {
    begin(false);
    CHECK(stop_beside_the_stuck(1) < 6);
    CHECK(strstr(server.complaints, "closed: the server has stopped") != NULL);
    start_again();
    drop_peers();
}

static void stop_twice(void) {
    size_t answered = 0, halves = 0;
    begin(true);
    CHECK(stop_beside_the_stuck(2) < 2);
    end_work(&answered, &halves);
    CHECK(halves == 0);
    start_again();
    drop_peers();
    SHOW("%zu answers, %zu cut short", answered, halves);
}

static void kill_and_start_again(void) {
    size_t answered = 0, halves = 0;
    for (int i = 0; i < 5; i++) {
        begin(true);
        stop(&server, SIGKILL);
        end_work(&answered, &halves);
        start_again();
        drop_peers();
    }
    SHOW("5 of 5 started at once");
}

static void start_a_second_one(void) {
    char options[80];
    start_here(0);
    snprintf(options, sizeof options, "-a 127.0.0.1 -p %d", server.port);
    static struct child second;
    second = start(options);
    CHECK(!second.serves);
    CHECK(wait_for_end(&second) == 1);
    CHECK(strstr(second.complaints, "Address already in use\n") != NULL);
    CHECK(ask_once(&server, HOME) == 401);
    CHECK(stop(&server, SIGTERM) == 0);
    SHOW("exit status 1, and it says why");
}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    {"a stop under load cuts no answer short", stop_in_every_state},
    {"a stop waits 5 s for those who are stuck", stop_once},
    {"a second signal ends it at once", stop_twice},
    {"killed under load, it starts again at once", kill_and_start_again},
    {"a second server on the port says why not", start_a_second_one},
};

int main(void) {
    begin_load();
    for (size_t i = 0; i < COUNT(tests); i++) {
        TEST(tests[i].name) { tests[i].run(); }
        print_row(tests[i].name);
    }
    return test_report();
}
