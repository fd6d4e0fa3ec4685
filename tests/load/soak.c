/* soak.c - a mixed load for a given time.
 *
 *     SERVER=./server build/load/soak [SECONDS]
 *
 * For 600 s, or SECONDS, clients log in, are greeted and log out; others guess passwords, do not log
 * out, send malformed requests, reset connections or send byte by byte. All the time the probe of
 * live.h sends requests. Memory, descriptors and the p99 of the probe are measured 120 times. Each of
 * the three must be level by this rule:
 *
 *     The first tenth is ignored, because buffers are used there for the first time. The rest is split
 *     into halves. The median of the second half may exceed that of the first half by at most 256 KiB
 *     of memory, 10 descriptors or, for p99, as much again and 2 ms.
 *
 * A leak of one byte per request shows in ten minutes. It never uses more than half a CPU.
 */
#include "live.h"

#define SAMPLES 120
#define SLOW    100 /* connections that send byte by byte */

static struct child server;
static double end_time;

/* ---- The load. Each of these is a thread; `done` counts its steps, `wrong` those that failed ---- */

struct load {
    const char *name;
    bool (*step)(struct load *load);
    long pause; /* ms between two steps */
    unsigned long random;
    pthread_t thread;
    size_t done, wrong;
};

/* Returns a number below `bound`, the same ones in every run. */
static size_t pick(struct load *load, size_t bound) {
    load->random = (load->random * 1103515245 + 12345) & 0x7fffffff;
    return (load->random >> 8) % bound;
}

/* Logs in, is greeted five times on one connection, logs out, and is refused. */
static bool use_session(struct load *load) {
    char id[41], home[256] = "GET /home HTTP/1.1\r\n", logout[256] = "POST /logout HTTP/1.1\r\n";
    bool right = log_in(&server, FOO, id) == 200;
    (void)load;
    add_session(home, id);
    add_session(logout, id);
    struct client client = dial(&server);
    for (int i = 0; i < 5; i++)
        right &= ask(&client, home) == 200 && strcmp(client.body, HELLO) == 0;
    right &= ask(&client, logout) == 200;
    right &= ask(&client, home) == 401;
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

static bool reset_connections(struct load *load) {
    static const char *const texts[] = {"", "GET /ho", HOME, "bad\r\n\r\n"};
    struct client client = dial(&server);
    bool right = send_text(&client, texts[pick(load, 4)]);
    if (pick(load, 2)) pause_ms(1);
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
    for (size_t i = 0; now() >= end_time && i < SLOW; i++) close(fds[i]);
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

static void *run_load(void *argument) {
    struct load *load = argument;
    bool last = false;
    while (!last) {
        last = now() >= end_time;
        load->wrong += !load->step(load);
        load->done++;
        pause_ms(load->pause);
    }
    return NULL;
}

/* ---- What is measured ---- */

static struct series {
    const char *name, *unit;
    double factor, more; /* the second half may be the first half * factor + more */
    double values[SAMPLES];
} series[] = {
    {"resident memory", "KiB", 1, 256, {0}},
    {"descriptors", "open", 1, 10, {0}},
    {"p99 of the probe", "ms", 2, 2, {0}},
};

static size_t requests, failed; /* of the probe */

static void take_sample(size_t i, double until) {
    struct probe *probe = begin_probe(&server, false);
    if (until > now()) pause_us((long)((until - now()) * 1e6));
    struct usage usage = measure_usage(&server);
    struct figures figures = end_probe(probe);
    requests += figures.count;
    failed += figures.failed;
    series[0].values[i] = (double)usage.resident / 1024;
    series[1].values[i] = (double)usage.descriptors;
    series[2].values[i] = figures.p99;
}

static void take_samples(double seconds) {
    double start = now();
    for (size_t i = 0; i < SAMPLES; i++) {
        take_sample(i, start + seconds * (double)(i + 1) / SAMPLES);
        if ((i + 1) % (SAMPLES / 10) > 0) continue;
        printf("%4.0f s:", now() - start);
        for (size_t j = 0; j < COUNT(series); j++)
            printf(" %s %.4g %s%s", series[j].name, series[j].values[i], series[j].unit,
                   j + 1 < COUNT(series) ? "," : "\n");
        fflush(stdout);
    }
}

static double find_median(const double *values, size_t count) {
    double sorted[SAMPLES];
    memcpy(sorted, values, count * sizeof *values);
    find_p99(sorted, count); /* sorts them */
    return sorted[count / 2];
}

static bool is_level(const struct series *one) {
    size_t warm = SAMPLES / 10, half = (SAMPLES - warm) / 2;
    double first = find_median(one->values + warm, half);
    double second = find_median(one->values + warm + half, half);
    printf("%-18s median %.4g, then %.4g %s\n", one->name, first, second, one->unit);
    return second <= first * one->factor + one->more;
}

/* ---- From the start to the end ---- */

static void soak(double seconds) {
    end_time = now() + seconds;
    for (size_t i = 0; i < COUNT(loads); i++)
        CHECK(pthread_create(&loads[i].thread, NULL, run_load, &loads[i]) == 0);
    take_samples(seconds);
    for (size_t i = 0; i < COUNT(loads); i++) {
        pthread_join(loads[i].thread, NULL);
        printf("%-18s %zu, %zu wrong\n", loads[i].name, loads[i].done, loads[i].wrong);
    }
    printf("%-18s %zu, %zu wrong\n", "probe", requests, failed);
}

int main(int argc, char **argv) {
    double seconds = argc > 1 ? atof(argv[1]) : 600;
    begin_load();
    alarm((unsigned)seconds + 60);
    int log = open("/dev/null", O_WRONLY);
    TEST("it starts") {
        server = start_as((struct setup){"-a 127.0.0.1 -p 0 -s 256 -i 5 -l 20", .err = log});
        CHECK(server.serves);
    }
    struct usage before = measure_usage(&server);
    TEST("all responses are right") {
        soak(seconds);
        for (size_t i = 0; i < COUNT(loads); i++) CHECK_CASE(loads[i].wrong == 0, loads[i].name);
        CHECK(requests > 0 && failed == 0);
    }
    for (size_t i = 0; i < COUNT(series); i++) TEST(series[i].name) {
            CHECK_CASE(is_level(&series[i]), "it has grown");
        }
    TEST("the server is unharmed at the end") { CHECK(is_unharmed(&server, before, false)); }
    TEST("it stops") { CHECK(stop(&server, SIGTERM) == 0); }
    return test_report();
}
