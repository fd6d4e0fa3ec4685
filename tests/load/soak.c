/* soak.c - a mixed load for a given time.
 *
 *     SERVER=./server build/load/soak [SECONDS]
 *
 * For 600 s, or SECONDS, clients log in, are greeted and log out; others guess passwords, do not log
 * out, send malformed requests, reset connections or send byte by byte. All the time the probe of
 * load.h sends requests. Memory, descriptors and the p99 of the probe are measured 120 times. Each of
 * the three must be level by this rule:
 *
 *     The first tenth is ignored, because buffers are used there for the first time. The rest is split
 *     into halves. The median of the second half may exceed that of the first half by at most 256 KiB
 *     of memory, 10 descriptors or, for p99, as much again and 20 ms.
 *
 * A leak of one byte per request shows in ten minutes. It never uses more than half a CPU.
 */
#include "load.h"

#define SAMPLES 120
#define SLOW    100 /* connections that send byte by byte */

static struct child server;

/* ---- The load. Each row is a thread that repeats a step ---- */

struct load {
    const char *name;
    bool (*step)(struct load *load); /* returns whether the responses were right */
    long pause;                      /* ms between two steps */
    unsigned long random;
    struct thread thread;
    size_t done, wrong;
};

/* Returns a number below `bound`, the same ones in every run. */
static size_t pick(struct load *load, size_t bound) {
    load->random = (load->random * 1103515245 + 12345) & 0x7fffffff;
    return (load->random >> 8) % bound;
}

/* Logs in, is greeted five times on one connection, logs out, and is refused. */
static bool use_session(struct load *load) {
    char id[41];
    bool right = log_in(&server, FOO, id) == 200;
    (void)load;
    struct client client = dial(&server);
    for (int i = 0; i < 5; i++)
        right &= ask_with(&client, "GET /home", COOKIE, NULL, id) == 200 &&
                 strcmp(client.body, HELLO) == 0;
    right &= ask_with(&client, "POST /logout", COOKIE, NULL, id) == 200;
    right &= ask_with(&client, "GET /home", COOKIE, NULL, id) == 401;
    hang_up(&client);
    return right;
}

static bool forget_to_log_out(struct load *load) {
    char id[41];
    (void)load;
    return log_in(&server, FOO, id) == 200;
}

static bool guess(struct load *load) {
    char id[41], credentials[80];
    snprintf(credentials, sizeof credentials, "{\"username\":\"user%zu\",\"password\":\"guess\"}",
             pick(load, 50));
    int status = log_in(&server, credentials, id);
    return status == 401 || status == 429;
}

/* A request with some bytes changed. All responses must be complete. */
static bool send_bad_bytes(struct load *load) {
    char bytes[] = LOGIN;
    size_t len = strlen(bytes);
    struct client client = dial(&server);
    for (size_t i = 0; i <= pick(load, 4); i++) bytes[pick(load, len)] = (char)pick(load, 256);
    bool right = send_bytes(&client, bytes, pick(load, 4) ? len : pick(load, len));
    shutdown(client.fd, SHUT_WR);
    int status;
    while ((status = read_response(&client)) > 0) continue;
    hang_up(&client);
    return right && status == ENDED;
}

/* In every state: idle, reading, with a response on its way, and lingering. A connection that is
 * half-closed before has another error in Linux, EPIPE. */
static bool reset_connections(struct load *load) {
    static const char *const texts[] = {
        "", "GET /ho", "POST /login HTTP/1.1\r\n" HOST "Content-Length: 99\r\n\r\n{", HOME,
        "bad\r\n\r\n"};
    struct client client = dial(&server);
    bool right = send_text(&client, texts[pick(load, COUNT(texts))]);
    if (pick(load, 2)) pause_ms(1);
    if (pick(load, 2)) shutdown(client.fd, SHUT_WR);
    reset(client.fd);
    return right;
}

/* Sends one more byte on every slow connection. One that the server closed is opened again. */
static bool send_byte_by_byte(struct load *load) {
    static int fds[SLOW];
    for (size_t i = 0; i < SLOW; i++) {
        if (load->done > 0 && send(fds[i], "X", 1, MSG_DONTWAIT) == 1) continue;
        if (load->done > 0) close(fds[i]);
        fds[i] = dial(&server).fd;
    }
    return true;
}

static struct load loads[] = {
    {.name = "sessions", .step = use_session, .pause = 10, .random = 1},
    {.name = "sessions", .step = use_session, .pause = 20, .random = 2},
    {.name = "forgotten sessions", .step = forget_to_log_out, .pause = 10, .random = 3},
    {.name = "guesses", .step = guess, .pause = 5, .random = 4},
    {.name = "malformed requests", .step = send_bad_bytes, .pause = 5, .random = 5},
    {.name = "resets", .step = reset_connections, .pause = 5, .random = 6},
    {.name = "single bytes", .step = send_byte_by_byte, .pause = 100, .random = 7},
};

static bool run_load(void *state) {
    struct load *load = state;
    load->wrong += !load->step(load);
    load->done++;
    pause_ms(load->pause);
    return true;
}

/* ---- What is measured ---- */

static struct series {
    const char *name, *unit;
    double factor, more; /* the second half may be the first half * factor + more */
    double values[SAMPLES];
} series[] = {
    {"memory is level", "KiB", 1, 256, {0}},
    {"the number of descriptors is level", "open", 1, 10, {0}},
    {"the p99 of the probe is level", "ms", 2, 20, {0}},
};

static size_t requests, failed; /* of the probe */

static void take_samples(double seconds) {
    double start = now();
    for (size_t i = 0; i < SAMPLES; i++) {
        begin_probe(&server, false);
        double left = start + seconds * (double)(i + 1) / SAMPLES - now();
        if (left > 0) pause_us((long)(left * 1e6));
        struct usage usage = measure_usage(&server);
        struct figures figures = end_probe();
        requests += figures.count;
        failed += figures.failed;
        series[0].values[i] = (double)usage.resident / 1024;
        series[1].values[i] = usage.descriptors;
        series[2].values[i] = figures.p99;
        if ((i + 1) % (SAMPLES / 10) > 0) continue;
        printf("%4.0f s: %zu KiB, %d descriptors, p99 %.2f ms\n", now() - start,
               usage.resident / 1024, usage.descriptors, figures.p99);
        fflush(stdout);
    }
}

static void check_level(struct series *one) {
    size_t warm = SAMPLES / 10, half = (SAMPLES - warm) / 2;
    double first = percentile(one->values + warm, half, 0.5);
    double second = percentile(one->values + warm + half, half, 0.5);
    printf("%-34s | median %.4g, then %.4g %s\n", one->name, first, second, one->unit);
    CHECK(second <= first * one->factor + one->more);
}

/* ---- From the start to the end ---- */

static void soak(double seconds) {
    for (size_t i = 0; i < COUNT(loads); i++) begin_thread(&loads[i].thread, run_load, &loads[i]);
    take_samples(seconds);
    for (size_t i = 0; i < COUNT(loads); i++) {
        end_thread(&loads[i].thread);
        printf("%-34s | %zu, %zu wrong\n", loads[i].name, loads[i].done, loads[i].wrong);
        CASE(loads[i].name);
        CHECK_INT(loads[i].wrong, 0);
    }
    printf("%-34s | %zu, %zu failed\n", "probe", requests, failed);
    CASE("probe");
    CHECK_INT(failed, 0);
    CHECK(requests > 0);
}

int main(int argc, char **argv) {
    double seconds = argc > 1 ? atof(argv[1]) : 600;
    begin_load();
    alarm((unsigned)seconds + 60);
    server = start_as((struct setup){.options = LOOPBACK "-s 256 -i 5 -l 20",
                                     .err = open("/dev/null", O_WRONLY)});
    struct usage before = measure_usage(&server);
    TEST("all responses are right") soak(seconds);
    for (size_t i = 0; i < COUNT(series); i++) TEST(series[i].name) check_level(&series[i]);
    TEST("the server is unharmed at the end, and ends in order") {
        check_unharmed(&server, before, false);
        CHECK_INT(stop(&server, SIGTERM), 0);
    }
    return test_report();
}
