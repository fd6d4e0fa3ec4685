/* neighbours.c - noisy neighbours: whatever other clients do, a client is served.
 *
 *     SERVER=./server build/load/neighbours
 *
 * Each misuse has a row in `misuses` and a function, which runs while the probe of load.h sends a request
 * every 5 ms. It is repeated once on the same server, and each time the server must be unharmed. The table
 * shows how long the probe waited; the test checks that it was served, not how fast.
 *
 * It takes a minute and needs 10,200 descriptors; with fewer, the first misuse is smaller.
 * slowhttptest is used if it is installed. Nothing leaves the loopback interface.
 */
#include "load.h"

#define MANY        10000
#define ENTRY_BYTES 128 /* the maximum for an idle connection */

#define PARTIAL_HEAD "GET /ho"
#define REST_OF_HEAD "me HTTP/1.1\r\n" HOST "\r\n"
#define PARTIAL_BODY "POST /login HTTP/1.1\r\n" HOST "Content-Length: 99\r\n\r\n{\"user"
#define WRONG_LOGIN                                                                                \
    "POST /login HTTP/1.1\r\n" HOST "Content-Length: 35\r\n\r\n" LOGIN_AS("bar", "rab")

static size_t max_fds;
static struct child server;
static struct usage at_start; /* before the first run of the misuse */

/* ---- Peers ---- */

static int peers[MANY];

static bool send_to(int fd, const char *text) {
    return send(fd, text, strlen(text), MSG_DONTWAIT) == (ssize_t)strlen(text);
}

/* Connects `count` peers, which send a text. */
static void dial_peers(int count, const char *text) {
    for (int i = 0; i < count; i++) {
        peers[i] = dial(&server).fd;
        CHECK(peers[i] >= 0);
        CHECK(send_to(peers[i], text));
    }
}

static void hang_up_peers(int count) {
    for (int i = 0; i < count; i++) close(peers[i]);
}

/* Reads a response of each peer, up to the first wrong one. Returns how many were right. */
static int read_responses(int count) {
    static struct client client;
    for (int i = 0; i < count; i++) {
        client.fd = peers[i];
        client.len = 0;
        if (read_response(&client) != 401) return i;
    }
    return count;
}

/* ---- The misuses ---- */

static void sit_idle(void) {
    int count = max_fds < MANY + 200 ? (int)max_fds - 200 : MANY;
    dial_peers(count, "");
    CHECK_INT(wait_for_descriptors(&server, at_start.descriptors + count),
              at_start.descriptors + count);
    pause_ms(500);
    struct usage full = measure_usage(&server);
    double rest = measure_rest(&server);
    CHECK(rest < AT_REST);
    for (int keep_alive = 0; keep_alive < 2; keep_alive++) { /* its descriptor is the highest */
        begin_probe(&server, keep_alive);
        pause_ms(1000);
        CHECK(was_served(end_probe()));
    }
    size_t more = full.resident > at_start.resident ? full.resident - at_start.resident : 0;
    CHECK(more <= (size_t)count * ENTRY_BYTES);
    SHOW("%zu bytes each, %.2f %% CPU", more / (size_t)count, rest * 100);
    hang_up_peers(count);
}

/* Partial heads, partial bodies, and many requests without reading the responses. The server has to
 * close them, because they do nothing more. */
static void dial_stuck_peers(int count) {
    for (int i = 0; i < count; i++) {
        peers[i] = i % 3 == 0 ? dial_without_reading(&server, 0).fd : dial(&server).fd;
        if (i % 3 > 0) CHECK(send_to(peers[i], i % 3 == 1 ? PARTIAL_HEAD : PARTIAL_BODY));
    }
}

/* slowhttptest in three modes, slow heads, bodies and reads, each with 1,000 connections for 12 s. When
 * they are open, peers of ours come. */
static void go_slowly(void) {
    const char *command = text_of(
        "for mode in -H -B -X; do slowhttptest $mode -c 1000 -r 1000 -l 12 -i 1 -k 10 -w 10 "
        "-y 20 -n 5 -z 5 -u http://127.0.0.1:%d/home >/dev/null 2>&1 & done; wait",
        server.port);
    if (system("command -v slowhttptest >/dev/null") != 0) SHOW("slowhttptest is not installed");
    begin_probe(&server, false);
    FILE *tools = popen(command, "r");
    if (!tools) test_give_up("start a shell");
    pause_ms(3000);
    dial_stuck_peers(60);
    pclose(tools);
    CHECK(was_served(end_probe()));
    CHECK_INT(wait_for_descriptors(&server, at_start.descriptors), at_start.descriptors);
    hang_up_peers(60);
}

static void burst(void) {
    kill(server.pid, SIGSTOP);
    dial_peers(1500, HOME);
    kill(server.pid, SIGCONT);
    double began = now();
    CHECK_INT(read_responses(1500), 1500);
    SHOW("all within %.0f ms", (now() - began) * 1000);
    hang_up_peers(1500);
}

/* ---- One name under attack: another user logs in ---- */

static size_t refused, delayed, wrong;

/* Sends ten wrong logins. */
static bool guess(void *state) {
    struct client *client = state;
    for (int i = 0; i < 10; i++) send_text(client, WRONG_LOGIN);
    for (int i = 0; i < 10; i++) {
        int status = read_response(client);
        ++*(status == 401 ? &refused : status == 429 ? &delayed : &wrong);
    }
    pause_ms(1);
    return true;
}

static void guess_passwords(void) {
    struct client client = dial(&server);
    struct thread guesser;
    char id[41];
    refused = delayed = wrong = 0;
    begin_probe(&server, true);
    begin_thread(&guesser, guess, &client);
    for (int i = 0; i < 500; i++, pause_ms(3)) CHECK_INT(log_in(&server, FOO, id), 200);
    end_thread(&guesser);
    CHECK(was_served(end_probe()));
    CHECK(delayed > refused);
    CHECK_INT(wrong, 0);
    SHOW("%zu wrong logins, %zu of them 401", refused + delayed, refused);
    hang_up(&client);
}

/* ---- One address that opens as many connections as it can ---- */

#define OTHERS    16   /* other addresses, from 127.0.0.2 on */
#define KEPT_OPEN 2000 /* connections of the one address */

static struct attack {
    double began, per_second;
    const char *text; /* is sent on each connection */
    size_t opened;
    int fds[KEPT_OPEN];
} attack;

/* A new connection takes the place of the oldest one. Connecting does not wait for the server. */
static void open_one(void) {
    struct sockaddr_in address = loopback(server.port);
    int *fd = &attack.fds[attack.opened++ % KEPT_OPEN];
    if (*fd > 0) reset(*fd);
    *fd = socket(AF_INET, SOCK_STREAM, 0);
    fcntl(*fd, F_SETFL, O_NONBLOCK);
    connect(*fd, (struct sockaddr *)&address, sizeof address);
    send_to(*fd, attack.text);
}

static bool open_those_due(void *unused) {
    size_t due = (size_t)((now() - attack.began) * attack.per_second);
    (void)unused;
    while (attack.opened < due) open_one();
    pause_ms(1);
    return true;
}

/* Each other address sends a request in two pieces, 100 ms apart. Returns how many are served. */
static int send_in_two_pieces(void) {
    for (int i = 0; i < OTHERS; i++) {
        peers[i] = dial_from(&server, 2 + i).fd;
        send_to(peers[i], PARTIAL_HEAD);
    }
    pause_ms(100);
    for (int i = 0; i < OTHERS; i++) send_to(peers[i], REST_OF_HEAD);
    int served = read_responses(OTHERS);
    hang_up_peers(OTHERS);
    return served;
}

/* Idle clients of the other addresses are served at the end as well. */
static void resist(double per_second, const char *text) {
    static struct client idle[OTHERS];
    struct thread thread;
    for (int i = 0; i < OTHERS; i++) {
        idle[i] = dial_from(&server, 2 + i);
        CHECK_INT(ask(&idle[i], HOME), 401);
    }
    attack = (struct attack){.began = now(), .per_second = per_second, .text = text};
    begin_thread(&thread, open_those_due, NULL);
    pause_ms(500);
    for (int i = 0; i < 30; i++) CHECK_INT(send_in_two_pieces(), OTHERS);
    for (int i = 0; i < OTHERS; i++) {
        CHECK_INT(ask(&idle[i], HOME), 401);
        hang_up(&idle[i]);
    }
    end_thread(&thread);
    for (size_t i = 0; i < KEPT_OPEN; i++)
        if (attack.fds[i] > 0) reset(attack.fds[i]);
    CHECK(attack.opened > KEPT_OPEN); /* the table is full */
    SHOW("%.0f a second", (double)attack.opened / (now() - attack.began));
}

static void send_single_bytes(void) { resist(700, "G"); }
static void open_silent_ones(void) { resist(20000, ""); }

/* ---- All of them ---- */

static const struct misuse {
    const char *name;
    void (*run)(void);
    const char *options;
} misuses[] = {
    {"10,000 idle connections", sit_idle, "-c 12000"},
    {"slow heads, bodies and reads", go_slowly, ""},
    {"1,500 requests to a stopped process", burst, ""},
    {"1,500 requests, at most 16 connections", burst, "-c 16"},
    {"wrong logins without end", guess_passwords, ""},
    {"one address opens 700 a second, with a byte each", send_single_bytes, ""},
    {"one address opens 20,000 silent ones a second", open_silent_ones, ""},
};

static void try_misuse(const struct misuse *misuse) {
    server = start(text_of(LOOPBACK "-q %s", misuse->options));
    CHECK(server.serves);
    struct usage before = at_start = measure_usage(&server);
    for (int run = 1; !test_is_bad && run <= 2; run++) {
        *row = '\0';
        misuse->run();
        check_unharmed(&server, before, run > 1);
        before = measure_usage(&server);
    }
    CHECK_INT(stop(&server, SIGTERM), 0);
    CHECK_STR(server.stderr_text, "");
    print_row(misuse->name);
}

int main(void) {
    max_fds = begin_load();
    for (size_t i = 0; i < COUNT(misuses); i++) TEST(misuses[i].name) try_misuse(&misuses[i]);
    return test_report();
}
