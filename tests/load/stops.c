/* stops.c - the shutdown of a server under load.
 *
 *     SERVER=./server build/load/stops
 *
 * Clients send requests without a pause, others do not read their responses, and then the server gets
 * signals. No response may be incomplete, and the exit status must be 0. What a shutdown does to a single
 * connection is in tests/fault/event_loop.c and tests/server/test_server.c. It takes seconds.
 */
#include "load.h"

#define WORKERS 6
#define BATCH   5

static struct child server;

static struct worker {
    struct thread thread;
    size_t responses, incomplete;
} workers[WORKERS];

/* Sends batches of requests on a new connection until it ends. Returns false when the server does not
 * listen any more. */
static bool work(void *argument) {
    struct worker *worker = argument;
    struct client client = dial(&server);
    int status = 1;
    if (client.fd < 0) return false;
    while (status > 0) {
        for (int i = 0; i < BATCH; i++) send_text(&client, HOME);
        for (int i = 0; i < BATCH && status > 0; i++) {
            status = read_response(&client);
            worker->responses += status == 401;
        }
    }
    worker->incomplete += client.len > 0 || status == TIMED_OUT;
    hang_up(&client);
    return true;
}

/* All responses that are on their way arrive, and then the end. */
static void check_slow_reader(struct client *client) {
    int status, count = 0;
    while ((status = read_response(client)) > 0) count++;
    CHECK_INT(status, ENDED);
    CHECK(count > 0);
    hang_up(client);
}

/* Each signal starts the same shutdown, however often it comes. */
static void send_signals(int count) {
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    for (int i = 0; i < count; i++) {
        kill(server.pid, numbers[(count + i) % 3]);
        if (i % 10 == 9) pause_ms(1);
    }
}

static void stop_under_load(int try) {
    server = start(LOOPBACK "-q");
    memset(workers, 0, sizeof workers);
    for (int i = 0; i < WORKERS; i++) begin_thread(&workers[i].thread, work, &workers[i]);
    struct client slow = dial_without_reading(&server, 0);
    pause_ms(50 + try * 14);
    send_signals(try % 2 ? 100 : 1 + try);
    check_slow_reader(&slow);
    send_signals(try % 2 ? 3 : 0);
    CHECK_INT(wait_for_end(&server), 0);
    CHECK_HAS(server.stdout_text, "...\nDone\n");
    for (int i = 0; i < WORKERS; i++) pthread_join(workers[i].thread.id, NULL);
}

int main(void) {
    size_t responses = 0, incomplete = 0;
    begin_load();
    TEST("a shutdown under load leaves no response incomplete") {
        for (int try = 0; try < 10; try++) {
            stop_under_load(try);
            for (int i = 0; i < WORKERS; i++) {
                responses += workers[i].responses;
                incomplete += workers[i].incomplete;
            }
        }
        CHECK_INT(incomplete, 0);
        CHECK(responses > 0);
        SHOW("%zu responses", responses);
    }
    print_row("ten shutdowns under load");
    return test_report();
}
