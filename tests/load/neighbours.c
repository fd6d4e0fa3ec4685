/* neighbours.c - load and bad neighbours: whatever other clients do, a real one is served.
 *
 *     SERVER=./server build/load/neighbours [FAULT]...
 *
 * Each fault has a row in `faults` and a function that brings it about, while a real client greets
 * every 5 ms (a probe, see live.h). A second round follows on the same server, and after each the
 * books must balance. The table shows how long the real client waited; the test asserts that it
 * was served, not how fast. Arguments pick faults by the start of their names.
 *
 * It takes a minute and a half and wants 10,200 descriptors; with fewer the first fault is
 * smaller. slowhttptest is used where it is installed. It never leaves loopback.
 */
#include "live.h"

#define MANY        10000
#define ENTRY_BYTES 128                       /* an idle connection costs at most, as designed */
#define POOL_BYTES  (64 * (2 * 16384 + 4096)) /* messages in flight cost, with 1,024 connections */

static const char half_a_body[] =
    "POST /login HTTP/1.1\r\n" HOST "Content-Length: 99\r\n\r\n{\"user";

static size_t limit; /* of our descriptors */
static int peers[MANY];

static int dial_peer(const struct child *server) { return dial(server).fd; }

/* Connects `count` peers, as far as that goes; returns how many there are. */
static int dial_peers(const struct child *server, int count) {
    int i = 0;
    while (i < count && (peers[i] = dial_peer(server)) >= 0) i++;
    return i;
}

static void hang_up_peers(int count) {
    for (int i = 0; i < count; i++) close(peers[i]);
}

static bool send_text(int fd, const char *text) {
    return send(fd, text, strlen(text), 0) == (ssize_t)strlen(text);
}

/* The part of the processor that the server takes in a second in which nobody asks. */
static double measure_rest(const struct child *server) {
    double cpu = take_books(server).cpu;
    pause_ms(1000);
    return take_books(server).cpu - cpu;
}

/* The seconds of the processor's time that the server takes for a greeting, on a connection each. */
static double measure_greetings(const struct child *server, long time_ms) {
    double cpu = take_books(server).cpu;
    struct probe *probe = begin_probe(server, false);
    pause_ms(time_ms);
    struct figures figures = end_probe(probe);
    CHECK(was_served(figures));
    return (take_books(server).cpu - cpu) / (double)figures.asked;
}

/* ---- The faults; each call is one round, and `start` was before the first ---- */

static void sit_idle(struct child *server, struct books start) {
    int count = limit < MANY + 200 ? (int)limit - 200 : MANY;
    CHECK(dial_peers(server, count) == count);
    CHECK(wait_for_descriptors(server, start.descriptors + count));
    pause_ms(500);
    struct books full = take_books(server);
    double rest = measure_rest(server);
    for (int kept = 0; kept < 2; kept++) {
        struct probe *probe = begin_probe(server, kept);
        pause_ms(1000);
        CHECK(was_served(end_probe(probe)));
    }
    CHECK(rest < 0.01);
    size_t more = full.resident > start.resident ? full.resident - start.resident : 0;
    CHECK(more <= (size_t)count * ENTRY_BYTES);
    SHOW("%zu bytes each, %.2f %% CPU", more / (size_t)count, rest * 100);
    hang_up_peers(count);
}

/* Starts slowhttptest with 1,000 connections, which gives up after 12 s. */
static pid_t start_slowhttptest(const struct child *server, const char *mode) {
    char url[64];
    pid_t pid = fork();
    if (pid != 0) return pid;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/home", server->port);
    int nowhere = open("/dev/null", O_RDWR);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    execlp("slowhttptest", "slowhttptest", mode, "-c", "1000", "-r", "1000", "-l", "12", "-i", "1",
           "-k", "10", "-w", "10", "-y", "20", "-n", "5", "-z", "5", "-u", url, (char *)NULL);
    _exit(127);
}

/* Half heads, half bodies, and some who ask for much and read nothing. */
static void dial_stuck_peers(const struct child *server, int count) {
    for (int i = 0; i < count; i++) {
        peers[i] = i % 3 == 0 ? dial_deaf(server) : dial_peer(server);
        if (i % 3 > 0) CHECK(send_text(peers[i], i % 3 == 1 ? "GET /ho" : half_a_body));
    }
}

/* slowhttptest three times over, and when its crowd has come, peers of ours, who never move again:
 * the server has to let them go by itself. */
static void go_slowly(struct child *server, struct books start) {
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
    SHOW("gone after %.1f s%s", now() - began, found ? "" : ", slowhttptest is not installed");
    hang_up_peers(60);
}

/* Their requests never end. Whom the server pushes out comes again. */
static void send_by_drops(struct child *server, struct books start) {
    size_t pushed_out = 0;
    CHECK(dial_peers(server, 500) == 500);
    struct probe *probe = begin_probe(server, false);
    for (int drop = 0; drop < 200; drop++) {
        for (int i = 0; i < 500; i++) {
            if (send(peers[i], "X", 1, MSG_DONTWAIT) == 1) continue;
            pushed_out++;
            close(peers[i]);
            peers[i] = dial_peer(server);
        }
        pause_ms(10);
    }
    struct books full = take_books(server);
    CHECK(was_served(end_probe(probe)));
    CHECK(full.resident <= start.resident + POOL_BYTES);
    SHOW("%zu KiB more, %zu pushed out", (full.resident - start.resident) / 1024, pushed_out);
    hang_up_peers(500);
}

/* A server that asks again and again for descriptors would take all of the processor. */
static void run_out_of_descriptors(struct child *server, struct books start) {
    (void)start;
    double cost = measure_greetings(server, 1000);
    CHECK(dial_peers(server, 200) == 200);
    double times = measure_greetings(server, 3000) / cost;
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

/* Linux lets us change the limit of another process, if only by a command. */
static bool limit_descriptors(const struct child *server, int count) {
    char command[80];
    snprintf(command, sizeof command, "prlimit --pid %ld --nofile=%d:", (long)server->pid, count);
    return system(command) == 0;
}

/* Nobody is connected, so nothing but its own clock can tell the server to try again. */
static void run_out_while_empty(struct child *server, struct books start) {
    /* count_descriptors counts the two entries that every directory has */
    CHECK(limit_descriptors(server, start.descriptors - 2));
    struct client client = dial(server);
    CHECK(say(&client, HOME));
    pause_ms(500);
    CHECK(measure_rest(server) < 0.01);
    CHECK(limit_descriptors(server, 1000));
    double released = now();
    CHECK(hear(&client) == 401);
    double waited = now() - released;
    CHECK(waited < 1);
    SHOW("served %.0f ms after", waited * 1000);
    hang_up(&client);
}

/* Hears the answers of `count` peers that have asked; stops at the first that is wrong. */
static int hear_peers(int count) {
    static struct client client;
    int right = 0;
    do client.fd = peers[right], client.len = 0;
    while (hear(&client) == 401 && ++right < count);
    return right;
}

/* Over the 1,024 that select and FD_SET know. */
static void use_high_descriptors(struct child *server, struct books start) {
    (void)start;
    struct probe *probe = begin_probe(server, false);
    CHECK(dial_peers(server, 2000) == 2000);
    for (int i = 0; i < 2000; i++) CHECK(send_text(peers[i], HOME));
    int answered = hear_peers(2000);
    CHECK(was_served(end_probe(probe)));
    CHECK(answered == 2000);
    SHOW("%d of 2000 answered", answered);
    hang_up_peers(2000);
}

static void burst(struct child *server, struct books start) {
    (void)start;
    kill(server->pid, SIGSTOP);
    CHECK(dial_peers(server, 1500) == 1500);
    for (int i = 0; i < 1500; i++) CHECK(send_text(peers[i], HOME));
    kill(server->pid, SIGCONT);
    double began = now();
    int answered = hear_peers(1500);
    double took = now() - began;
    CHECK(answered == 1500);
    CHECK(took < 1);
    SHOW("%d of 1500 within %.0f ms", answered, took * 1000);
    hang_up_peers(1500);
}

/* Half of them have said that they will send no more: Linux has another error for that, EPIPE. */
static void reset_after(int fd, bool half_close) {
    if (half_close) shutdown(fd, SHUT_WR);
    reset(fd);
}

static void reset_everywhere(struct child *server, struct books start) {
    static const struct {
        const char *sends;
        bool awaits; /* an answer, before the reset */
    } states[] = {
        {"", false},          /* nothing has come */
        {"GET /ho", false},   /* half a head */
        {half_a_body, false}, /* half a body */
        {HOME, false},        /* the answer is on its way */
        {HOME, true},         /* between two requests */
        {"bad\r\n\r\n", true} /* the connection lingers */
    };
    (void)start;
    struct probe *probe = begin_probe(server, false);
    for (size_t i = 0; i < 3000; i++) {
        struct client client = dial(server);
        CHECK(say(&client, states[i % COUNT(states)].sends));
        if (states[i % COUNT(states)].awaits) CHECK(hear(&client) > 0);
        reset_after(client.fd, i / COUNT(states) % 2);
        if (i % 50 == 0)
            reset_after(dial_deaf(server), i % 100); /* the answer waits for its reader */
    }
    CHECK(was_served(end_probe(probe)));
    SHOW("3060 resets");
}

static void close_by_half(struct child *server, struct books start) {
    static const struct {
        const char *sends;
        int status;
    } cases[] = {{HOME, 401}, {"GET /home HTTP/1.0\r\n\r\n", 401}, {"GET /ho", ENDED}, {"", ENDED}};
    size_t right = 0;
    bool good = true;
    (void)start;
    struct probe *probe = begin_probe(server, false);
    for (; right < 300 && good; right += good) {
        struct client client = dial(server);
        good = say(&client, cases[right % COUNT(cases)].sends);
        shutdown(client.fd, SHUT_WR);
        good &= hear(&client) == cases[right % COUNT(cases)].status && hear(&client) == ENDED;
        hang_up(&client);
        pause_ms(1);
    }
    CHECK(was_served(end_probe(probe)));
    CHECK(right == 300);
    SHOW("%zu of 300 answered and closed", right);
}

/* The answer comes long before the body has been sent; it must not be lost to a reset, not even
 * where there is no slot left for those who come meanwhile. */
static void send_too_much(struct child *server, struct books start) {
    static char body[256 * 1024];
    int clean = 0;
    bool good = true;
    (void)start;
    memset(body, 'x', sizeof body);
    CHECK(dial_peers(server, 20) == 20);
    struct probe *probe = begin_probe(server, false);
    for (; clean < 300 && good; clean += good) {
        struct client client = dial(server);
        good = say(&client, "POST /login HTTP/1.1\r\n" HOST "Content-Length: 262144\r\n\r\n");
        close(peers[clean % 20]);
        peers[clean % 20] = dial_peer(server);
        pause_ms(1);
        good &= say_bytes(&client, body, sizeof body);
        good &= hear(&client) == 413 && hear(&client) == ENDED;
        hang_up(&client);
    }
    hang_up_peers(20);
    CHECK(was_served(end_probe(probe)));
    CHECK(clean == 300);
    SHOW("%d of 300 read the 413 and a clean end", clean);
}

/* Half of them go on sending after the error, and half stay, silent. */
static void outstay(struct child *server, struct books start) {
    struct probe *probe = begin_probe(server, true);
    CHECK(dial_peers(server, 100) == 100);
    CHECK(wait_for_descriptors(server, start.descriptors + 101)); /* the probe's is one more */
    for (int i = 0; i < 100; i++) CHECK(send_text(peers[i], "bad\r\n\r\n"));
    double began = now();
    while (now() - began < 6 && count_descriptors(server) > start.descriptors + 1) {
        for (int i = 0; i < 50; i++) flood(peers[i], SHORTEST, 1000);
        pause_ms(10);
    }
    double took = now() - began;
    CHECK(took < 5);
    CHECK(was_served(end_probe(probe)));
    SHOW("closed after %.1f s", took);
    hang_up_peers(100);
}

static void send_signals(struct child *server, struct books start) {
    static const int signals[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH};
    (void)start;
    struct probe *probe = begin_probe(server, false);
    for (int i = 0; i < 10000; i++) {
        kill(server->pid, signals[i % 4]);
        if (i % 100 == 0) pause_ms(5);
    }
    CHECK(was_served(end_probe(probe)));
}

/* ---- A log that nobody reads ---- */

static int log_end; /* where a test could read the log */

static int open_pipe(void) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    log_end = ends[0];
    return ends[1];
}

static int open_pipe_without_reader(void) {
    int end = open_pipe();
    close(log_end);
    return end;
}

static int open_full_device(void) { return open("/dev/full", O_WRONLY); }

static int open_terminal(void) {
    log_end = posix_openpt(O_RDWR | O_NOCTTY);
    if (grantpt(log_end) < 0 || unlockpt(log_end) < 0) return -1;
    return open(ptsname(log_end), O_RDWR | O_NOCTTY);
}

/* Asks for more lines than any pipe or terminal holds. Returns how many requests were answered. */
static size_t fill_log(const struct child *server) {
    size_t answered = 0;
    struct client client = dial(server);
    while (answered < 5000 && ask(&client, HOME) == 401) answered++;
    hang_up(&client);
    return answered;
}

static void log_to_nobody(struct child *server, struct books start) {
    (void)start;
    struct probe *probe = begin_probe(server, true);
    CHECK(fill_log(server) == 5000);
    CHECK(was_served(end_probe(probe)));
}

/* Reads the log as far as it goes. Returns how many lines tell of a request, and adds to `lost`
 * what those say that tell of lost ones. Any other line is counted in `bad`. */
static size_t read_log(size_t *lost, size_t *bad) {
    static char line[512];
    static size_t len;
    size_t lines = 0;
    while (read(log_end, line + len, 1) == 1) {
        if (line[len++] != '\n' && len < sizeof line - 1) continue;
        line[len] = '\0';
        len = 0;
        if (strncmp(line, "server: ", 8) == 0)
            *lost += strtoul(strrchr(line, ' '), NULL, 10);
        else if (strncmp(line, "127.0.0.1 - - [", 15) == 0 && strstr(line, "] \""))
            lines++;
        else
            ++*bad;
    }
    return lines;
}

/* The reader sleeps, then wakes up: what is not there was counted. */
static void log_to_sleeper(struct child *server, struct books start) {
    size_t lost = 0, bad = 0, lines = 0;
    (void)start;
    read_log(&lost, &bad);
    lost = 0;
    struct probe *probe = begin_probe(server, true);
    size_t asked = fill_log(server) + 1; /* the probe's login is one more */
    struct figures figures = end_probe(probe);
    CHECK(was_served(figures));
    asked += figures.asked;
    for (int i = 0; i < 50; i++) {
        lines += read_log(&lost, &bad);
        asked += ask_once(server, HOME) == 401;
    }
    pause_ms(100);
    lines += read_log(&lost, &bad);
    CHECK(lost > 0);
    CHECK(bad == 0);
    CHECK(lines + lost == asked);
    SHOW("%zu lines and %zu lost of %zu", lines, lost, asked);
}

/* ---- All of them ---- */

static const struct fault {
    const char *name;
    void (*bring_about)(struct child *server, struct books start);
    const char *options, *runner; /* NULL for none */
    int (*open_log)(void);        /* NULL where nothing is logged */
} faults[] = {
    {"10,000 idle connections", sit_idle, "-c 12000", NULL, NULL},
    {"slow heads, bodies and reads", go_slowly, "", NULL, NULL},
    {"one byte every 10 ms on 500 connections", send_by_drops, "", NULL, NULL},
    {"200 clients for 64 descriptors", run_out_of_descriptors, "", "prlimit --nofile=64", NULL},
    {"no descriptors and no connection", run_out_while_empty, "", NULL, NULL},
    {"descriptors above 1,024", use_high_descriptors, "-c 4096", NULL, NULL},
    {"1,500 requests after a stop", burst, "", NULL, NULL},
    {"1,500 requests after a stop, for 16 slots", burst, "-c 16", NULL, NULL},
    {"resets in every state", reset_everywhere, "", NULL, NULL},
    {"half-closed connections", close_by_half, "", NULL, NULL},
    {"bodies of 256 KiB", send_too_much, "", NULL, NULL},
    {"bodies of 256 KiB, beside newcomers to 16 slots", send_too_much, "-c 16", NULL, NULL},
    {"peers that outstay their error", outstay, "", NULL, NULL},
    {"10,000 signals", send_signals, "", NULL, NULL},
    {"a log whose reader sleeps", log_to_sleeper, "", NULL, open_pipe},
    {"a log whose reader is gone", log_to_nobody, "", NULL, open_pipe_without_reader},
    {"a log on a full device", log_to_nobody, "", NULL, open_full_device},
    {"a log on a terminal that hangs", log_to_nobody, "", NULL, open_terminal},
};

static struct child start_for(const struct fault *fault, int log) {
    char options[80];
    snprintf(options, sizeof options, "-a 127.0.0.1 -p 0 %s %s", log ? "" : "-q", fault->options);
    if (fault->runner) setenv("RUNNER", fault->runner, 1);
    struct child server = start_as((struct setup){.options = options, .err = log});
    unsetenv("RUNNER");
    return server;
}

static void try_fault(const struct fault *fault) {
    static struct child server;
    int log = fault->open_log ? fault->open_log() : 0;
    server = start_for(fault, log);
    CHECK(server.serves);
    struct books start = take_books(&server), before = start;
    bool good = server.serves;
    for (int round = 1; good && round <= 2; round++) {
        forget_row();
        fault->bring_about(&server, start);
        CHECK(good = balances(&server, before, round > 1));
        before = take_books(&server);
    }
    CHECK(stop(&server, SIGTERM) == 0);
    CHECK(server.complaints[0] == '\0');
    if (log) close(log);
    print_row(fault->name);
}

static bool is_picked(const struct fault *fault, char **arguments) {
    bool picked = !*arguments;
    for (; *arguments && !picked; arguments++)
        picked = strncmp(fault->name, *arguments, strlen(*arguments)) == 0;
    return picked;
}

int main(int argc, char **argv) {
    (void)argc;
    limit = begin_load();
    printf("%-49s | %s\n", "fault", "figure");
    for (size_t i = 0; i < COUNT(faults); i++) {
        if (!is_picked(&faults[i], argv + 1)) continue;
        TEST(faults[i].name) { try_fault(&faults[i]); }
    }
    return test_report();
}
