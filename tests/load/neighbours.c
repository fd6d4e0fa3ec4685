/* neighbours.c - noisy neighbours: whatever other clients do, a client is served.
 *
 *     SERVER=./server build/load/neighbours [FAULT]...
 *
 * Each fault has a row in `faults` and a function that causes it, while a client sends a request every
 * 5 ms (the probe, see live.h). It is repeated once on the same server, and each time the server must
 * be unharmed. The table shows how long the probe waited; the test checks that it was served, not how
 * fast. Arguments select the faults whose names begin with them.
 *
 * It takes a minute and a half and needs 10,200 descriptors; with fewer, the first fault is smaller.
 * slowhttptest is used if it is installed. Nothing leaves the loopback interface.
 */
#include "live.h"

#define MANY        10000
#define ENTRY_BYTES 128 /* the maximum for an idle connection */
#define POOL_BYTES                                                                                 \
    (65 * (2 * 16384 + 4096)) /* the maximum for the buffers, with 1,024 connections */

static const char partial_body[] =
    "POST /login HTTP/1.1\r\n" HOST "Content-Length: 99\r\n\r\n{\"user";

static size_t max_fds;
static int peers[MANY];

static int dial_peer(const struct child *server) { return dial(server).fd; }

/* Connects `count` peers. Stops if that fails, and returns how many there are. */
static int dial_peers(const struct child *server, int count) {
    int i = 0;
    while (i < count && (peers[i] = dial_peer(server)) >= 0) i++;
    return i;
}

static void hang_up_peers(int count) {
    for (int i = 0; i < count; i++) close(peers[i]);
}

static bool send_to(int fd, const char *text) {
    return send(fd, text, strlen(text), 0) == (ssize_t)strlen(text);
}

/* Returns the share of the CPU that the server uses in a second without requests. */
static double measure_rest(const struct child *server) {
    double cpu = measure_usage(server).cpu;
    pause_ms(1000);
    return measure_usage(server).cpu - cpu;
}

/* Returns the CPU seconds of the server for a request on a new connection. */
static double measure_requests(const struct child *server, long time_ms) {
    double cpu = measure_usage(server).cpu;
    struct probe *probe = begin_probe(server, false);
    pause_ms(time_ms);
    struct figures figures = end_probe(probe);
    CHECK(was_served(figures));
    return (measure_usage(server).cpu - cpu) / (double)figures.count;
}

/* ---- The faults; `start` was measured before the first run ---- */

static void sit_idle(struct child *server, struct usage start) {
    int count = max_fds < MANY + 200 ? (int)max_fds - 200 : MANY;
    CHECK(dial_peers(server, count) == count);
    CHECK(wait_for_descriptors(server, start.descriptors + count));
    pause_ms(500);
    struct usage full = measure_usage(server);
    double rest = measure_rest(server);
    for (int keep_alive = 0; keep_alive < 2; keep_alive++) {
        struct probe *probe = begin_probe(server, keep_alive);
        pause_ms(1000);
        CHECK(was_served(end_probe(probe)));
    }
    CHECK(rest < 0.01);
    size_t more = full.resident > start.resident ? full.resident - start.resident : 0;
    CHECK(more <= (size_t)count * ENTRY_BYTES);
    SHOW("%zu bytes each, %.2f %% CPU", more / (size_t)count, rest * 100);
    hang_up_peers(count);
}

/* Starts slowhttptest with 1,000 connections, which ends after 12 s. */
static pid_t start_slowhttptest(const struct child *server, const char *mode) {
    char url[64];
    pid_t pid = fork();
    if (pid != 0) return pid;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/home", server->port);
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execlp("slowhttptest", "slowhttptest", mode, "-c", "1000", "-r", "1000", "-l", "12", "-i", "1",
           "-k", "10", "-w", "10", "-y", "20", "-n", "5", "-z", "5", "-u", url, (char *)NULL);
    _exit(127);
}

/* Partial heads, partial bodies, and many requests without reading the responses. */
static void dial_stuck_peers(const struct child *server, int count) {
    for (int i = 0; i < count; i++) {
        peers[i] = i % 3 == 0 ? dial_without_reading(server) : dial_peer(server);
        if (i % 3 > 0) CHECK(send_to(peers[i], i % 3 == 1 ? "GET /ho" : partial_body));
    }
}

/* slowhttptest in three modes. When its connections are open, peers of ours come and do nothing more:
 * the server has to close them. */
static void go_slowly(struct child *server, struct usage start) {
    static const char *const modes[] = {"-H", "-B", "-X"}; /* slow heads, bodies, reads */
    pid_t pids[COUNT(modes)];
    bool found = true;
    int status;
    struct probe *probe = begin_probe(server, false);
    for (size_t i = 0; i < COUNT(modes); i++) pids[i] = start_slowhttptest(server, modes[i]);
    pause_ms(3000);
    double began = now();
    dial_stuck_peers(server, 60);
    for (size_t i = 0; i < COUNT(modes); i++) {
        waitpid(pids[i], &status, 0);
        found &= !WIFEXITED(status) || WEXITSTATUS(status) != 127;
    }
    struct figures figures = end_probe(probe);
    CHECK(wait_for_descriptors(server, start.descriptors));
    CHECK(was_served(figures));
    SHOW("closed after %.1f s%s", now() - began, found ? "" : ", slowhttptest is not installed");
    hang_up_peers(60);
}

/* Their requests never end. Peers that the server evicts come again. */
static void send_byte_by_byte(struct child *server, struct usage start) {
    size_t evicted = 0;
    CHECK(dial_peers(server, 500) == 500);
    struct probe *probe = begin_probe(server, false);
    for (int byte = 0; byte < 200; byte++) {
        for (int i = 0; i < 500; i++) {
            if (send(peers[i], "X", 1, MSG_DONTWAIT) == 1) continue;
            evicted++;
            close(peers[i]);
            peers[i] = dial_peer(server);
        }
        pause_ms(10);
    }
    struct usage full = measure_usage(server);
    CHECK(was_served(end_probe(probe)));
    CHECK(full.resident <= start.resident + POOL_BYTES);
    SHOW("%zu KiB more, %zu evicted", (full.resident - start.resident) / 1024, evicted);
    hang_up_peers(500);
}

/* A server that tries again and again to accept would use all of the CPU. */
static void run_out_of_descriptors(struct child *server, struct usage start) {
    (void)start;
    double cost = measure_requests(server, 1000);
    CHECK(dial_peers(server, 200) == 200);
    double times = measure_requests(server, 3000) / cost;
    CHECK(times < 10);
    pause_ms(500);
    double rest = measure_rest(server);
    CHECK(rest < 0.01);
    hang_up_peers(200);
    double released = now();
    CHECK(ask_once(server, HOME) == 401);
    double waited = now() - released;
    CHECK(waited < 1);
    SHOW("%.1f times the CPU, %.2f %% at rest, served %.0f ms after", times, rest * 100,
         waited * 1000);
}

/* Reads the responses of `count` peers, up to the first wrong one. Returns how many were right. */
static int read_responses(int count) {
    static struct client client;
    int right = 0;
    for (; right < count; right++) {
        client.fd = peers[right];
        client.len = 0;
        if (read_response(&client) != 401) break;
    }
    return right;
}

/* More than the 1,024 that select and FD_SET support. */
static void use_high_descriptors(struct child *server, struct usage start) {
    (void)start;
    struct probe *probe = begin_probe(server, false);
    CHECK(dial_peers(server, 2000) == 2000);
    for (int i = 0; i < 2000; i++) CHECK(send_to(peers[i], HOME));
    int served = read_responses(2000);
    CHECK(was_served(end_probe(probe)));
    CHECK(served == 2000);
    SHOW("%d of 2000 served", served);
    hang_up_peers(2000);
}

static void burst(struct child *server, struct usage start) {
    (void)start;
    kill(server->pid, SIGSTOP);
    CHECK(dial_peers(server, 1500) == 1500);
    for (int i = 0; i < 1500; i++) CHECK(send_to(peers[i], HOME));
    kill(server->pid, SIGCONT);
    double began = now();
    int served = read_responses(1500);
    double took = now() - began;
    CHECK(served == 1500);
    CHECK(took < 1);
    SHOW("%d of 1500 within %.0f ms", served, took * 1000);
    hang_up_peers(1500);
}

/* Half of them are half-closed before: Linux has another error for that, EPIPE. */
static void reset_after(int fd, bool half_close) {
    if (half_close) shutdown(fd, SHUT_WR);
    reset(fd);
}

static void reset_everywhere(struct child *server, struct usage start) {
    static const struct {
        const char *sends;
        bool reads; /* a response, before the reset */
    } states[] = {
        {"", false},           /* idle, before the first request */
        {"GET /ho", false},    /* a partial head */
        {partial_body, false}, /* a partial body */
        {HOME, false},         /* the response is on its way */
        {HOME, true},          /* idle, between two requests */
        {"bad\r\n\r\n", true}  /* the connection lingers */
    };
    (void)start;
    struct probe *probe = begin_probe(server, false);
    for (size_t i = 0; i < 3000; i++) {
        struct client client = dial(server);
        CHECK(send_text(&client, states[i % COUNT(states)].sends));
        if (states[i % COUNT(states)].reads) CHECK(read_response(&client) > 0);
        reset_after(client.fd, i / COUNT(states) % 2);
        if (i % 50 == 0) reset_after(dial_without_reading(server), i % 100); /* unsent output */
    }
    CHECK(was_served(end_probe(probe)));
    SHOW("3060 resets");
}

/* ---- One address that opens as many connections as it can ---- */

#define OTHERS    16   /* other addresses, from 127.0.0.2 on */
#define KEPT_OPEN 2000 /* connections of the one address */

struct attack {
    const struct child *server;
    int per_second, fds[KEPT_OPEN];
    const char *text; /* is sent on each connection */
    size_t opened;
    bool over;
    pthread_mutex_t mutex; /* of `over` */
    pthread_t thread;
};

static bool attack_is_over(struct attack *attack) {
    pthread_mutex_lock(&attack->mutex);
    bool over = attack->over;
    pthread_mutex_unlock(&attack->mutex);
    return over;
}

/* A new connection takes the place of the oldest one. Connecting does not wait for the server. */
static void open_one(struct attack *attack) {
    struct sockaddr_in address = loopback(attack->server->port);
    int *fd = &attack->fds[attack->opened++ % KEPT_OPEN];
    if (*fd > 0) reset(*fd);
    *fd = socket(AF_INET, SOCK_STREAM, 0);
    fcntl(*fd, F_SETFL, O_NONBLOCK);
    connect(*fd, (struct sockaddr *)&address, sizeof address);
    send(*fd, attack->text, strlen(attack->text), 0);
}

static void *run_attack(void *argument) {
    struct attack *attack = argument;
    double began = now();
    while (!attack_is_over(attack)) {
        size_t due = (size_t)((now() - began) * attack->per_second);
        while (attack->opened < due) open_one(attack);
        pause_ms(1);
    }
    for (size_t i = 0; i < KEPT_OPEN; i++)
        if (attack->fds[i] > 0) reset(attack->fds[i]);
    return NULL;
}

static struct attack *begin_attack(const struct child *server, int per_second, const char *text) {
    struct attack *attack = calloc(1, sizeof *attack);
    if (!attack) exit(1);
    attack->server = server;
    attack->per_second = per_second;
    attack->text = text;
    pthread_mutex_init(&attack->mutex, NULL);
    if (pthread_create(&attack->thread, NULL, run_attack, attack) != 0) exit(1);
    return attack;
}

/* Returns how many connections were opened. */
static size_t end_attack(struct attack *attack) {
    pthread_mutex_lock(&attack->mutex);
    attack->over = true;
    pthread_mutex_unlock(&attack->mutex);
    pthread_join(attack->thread, NULL);
    size_t opened = attack->opened;
    free(attack);
    return opened;
}

/* Each other address sends a request in two pieces, 100 ms apart. Returns how many are served. */
static int send_in_two_pieces(const struct child *server) {
    static struct client clients[OTHERS];
    int served = 0;
    for (int i = 0; i < OTHERS; i++) {
        clients[i] = dial_from(server, 2 + i);
        send_text(&clients[i], "GET /ho");
    }
    pause_ms(100);
    for (int i = 0; i < OTHERS; i++) send_text(&clients[i], "me HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < OTHERS; i++) {
        served += read_response(&clients[i]) == 401;
        hang_up(&clients[i]);
    }
    return served;
}

/* The idle clients of other addresses are served at the end as well. */
static void resist(struct child *server, int per_second, const char *text) {
    static struct client idle[OTHERS];
    int served = 0, idle_served = 0;
    for (int i = 0; i < OTHERS; i++) {
        idle[i] = dial_from(server, 2 + i);
        CHECK(ask(&idle[i], HOME) == 401);
    }
    double began = now();
    struct attack *attack = begin_attack(server, per_second, text);
    pause_ms(500);
    for (int i = 0; i < 30; i++) served += send_in_two_pieces(server);
    for (int i = 0; i < OTHERS; i++) {
        idle_served += ask(&idle[i], HOME) == 401;
        hang_up(&idle[i]);
    }
    size_t opened = end_attack(attack);
    CHECK(opened > 2000); /* the table is full */
    CHECK(served == 30 * OTHERS);
    CHECK(idle_served == OTHERS);
    SHOW("%d of %d and %d of %d idle ones served, %.0f a second", served, 30 * OTHERS, idle_served,
         OTHERS, (double)opened / (now() - began));
}

static void send_single_bytes(struct child *server, struct usage start) {
    (void)start;
    resist(server, 700, "G");
}

static void open_silent_ones(struct child *server, struct usage start) {
    (void)start;
    resist(server, 20000, "");
}

/* ---- All of them ---- */

static const struct fault {
    const char *name;
    void (*cause)(struct child *server, struct usage start);
    const char *options, *runner; /* NULL if there is none */
} faults[] = {
    {"10,000 idle connections", sit_idle, "-c 12000", NULL},
    {"slow heads, bodies and reads", go_slowly, "", NULL},
    {"one byte every 10 ms on 500 connections", send_byte_by_byte, "", NULL},
    {"200 clients for 64 descriptors", run_out_of_descriptors, "", "prlimit --nofile=64"},
    {"descriptors above 1,024", use_high_descriptors, "-c 4096", NULL},
    {"1,500 requests to a stopped process", burst, "", NULL},
    {"1,500 requests, at most 16 connections", burst, "-c 16", NULL},
    {"resets in every state", reset_everywhere, "", NULL},
    {"one address opens 700 a second, with a byte each", send_single_bytes, "", NULL},
    {"one address opens 20,000 silent ones a second", open_silent_ones, "", NULL},
};

static void try_fault(const struct fault *fault) {
    static struct child server;
    char options[80];
    snprintf(options, sizeof options, "-a 127.0.0.1 -p 0 -q %s", fault->options);
    if (fault->runner) setenv("RUNNER", fault->runner, 1);
    server = start(options);
    unsetenv("RUNNER");
    CHECK(server.serves);
    struct usage start = measure_usage(&server), before = start;
    bool good = server.serves;
    for (int run = 1; good && run <= 2; run++) {
        forget_row();
        fault->cause(&server, start);
        CHECK(good = is_unharmed(&server, before, run > 1));
        before = measure_usage(&server);
    }
    CHECK(stop(&server, SIGTERM) == 0);
    CHECK(fault->runner || server.stderr_text[0] == '\0'); /* or it says that -c was cut */
    print_row(fault->name);
}

static bool is_selected(const struct fault *fault, char **arguments) {
    bool selected = !*arguments;
    for (; *arguments && !selected; arguments++)
        selected = strncmp(fault->name, *arguments, strlen(*arguments)) == 0;
    return selected;
}

int main(int argc, char **argv) {
    (void)argc;
    max_fds = begin_load();
    printf("%-49s | %s\n", "fault", "figure");
    for (size_t i = 0; i < COUNT(faults); i++) {
        if (!is_selected(&faults[i], argv + 1)) continue;
        TEST(faults[i].name) { try_fault(&faults[i]); }
    }
    return test_report();
}
