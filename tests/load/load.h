/* load.h - additions to ../client.h for tests under load: threads, a client that is served all the time,
 * the resources that the server uses, and a table of figures.
 *
 *     begin_load();
 *     struct child server = start(LOOPBACK "-q");
 *     struct usage before = measure_usage(&server);
 *     begin_probe(&server, false);
 *     ... misuse the server ...
 *     CHECK(was_served(end_probe()));
 *     check_unharmed(&server, before, true);
 *     CHECK_INT(stop(&server, SIGTERM), 0);
 *     print_row("misuse");
 *
 * These tests need the server with its real timeouts: run.sh names it in SERVER. They read in Linux's
 * /proc what it uses. Times are in seconds. They are shown, but the limits for them are generous.
 */
#ifndef LOAD_H
#define LOAD_H

#include "../client.h"

#include <pthread.h>

#define MEMORY_SLACK (256 * 1024) /* bytes by which memory may grow in a test */
#define AT_REST      0.01         /* of the CPU: the server uses less without requests */
#define MAX_PROBES   20000        /* requests of one probe */

#define HOME GET("/home")

/* Must be called first. Raises the limit on descriptors as far as possible and returns it. */
static inline size_t begin_load(void) {
    struct rlimit limit;
    begin_tests();
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return (size_t)limit.rlim_cur;
}

/* ---- Time ---- */

static inline double seconds_of(clockid_t clock) {
    struct timespec time = {0, 0};
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static inline double now(void) { return seconds_of(CLOCK_MONOTONIC); }

static inline int compare_values(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the values. Returns the one that a share of them does not exceed; 0.5 is the median. */
static inline double percentile(double *values, size_t count, double share) {
    qsort(values, count, sizeof *values, compare_values);
    return count > 0 ? values[(size_t)((double)count * share)] : 0;
}

/* ---- Threads. Each repeats a step until it returns false, or until end_thread ---- */

struct thread {
    bool (*step)(void *state);
    void *state;
    bool over;
    pthread_t id;
};

static inline void *run_thread(void *argument) {
    struct thread *thread = argument;
    while (!__atomic_load_n(&thread->over, __ATOMIC_RELAXED) && thread->step(thread->state))
        continue;
    return NULL;
}

/* *thread must stay valid until end_thread. */
static inline void begin_thread(struct thread *thread, bool (*step)(void *), void *state) {
    *thread = (struct thread){.step = step, .state = state};
    if (pthread_create(&thread->id, NULL, run_thread, thread) != 0) test_give_up("start a thread");
}

static inline void end_thread(struct thread *thread) {
    __atomic_store_n(&thread->over, true, __ATOMIC_RELAXED);
    pthread_join(thread->id, NULL);
}

/* ---- Clients ---- */

/* Closes with a reset. */
static inline void reset(int fd) {
    struct linger at_once = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

/* ---- The table: `what | figure`, a row for each test ---- */

static char row[512];

/* Adds a figure to the row. */
#define SHOW(...) (void)snprintf(row + strlen(row), sizeof row - strlen(row), ", " __VA_ARGS__)

static inline void print_row(const char *name) {
    printf("%-50s | %s\n", name, *row ? row + strlen(", ") : "");
    fflush(stdout);
    *row = '\0';
}

/* ---- The probe: a client that sends a request every 5 ms ---- */

static struct {
    struct thread thread;
    const struct child *server;
    bool keep_alive;
    char id[41]; /* of its session */
    struct client client;
    size_t count, failed;
    double times[MAX_PROBES];
} probe;

struct figures {
    size_t count, failed; /* requests, and those without exactly the right response */
    double p99;           /* in ms */
};

static inline bool probe_once(void *unused) {
    double start = now();
    (void)unused;
    const char *fields = probe.keep_alive ? COOKIE : COOKIE "Connection: close\r\n";
    if (!probe.keep_alive) probe.client = dial(probe.server);
    bool right = ask_with(&probe.client, "GET /home", fields, NULL, probe.id) == 200;
    if (!probe.keep_alive) hang_up(&probe.client);
    probe.failed += !right || strcmp(probe.client.body, HELLO) != 0;
    probe.times[probe.count++] = (now() - start) * 1000;
    pause_ms(5);
    return probe.count < MAX_PROBES;
}

/* Logs in and begins: with `keep_alive` on one connection, otherwise on a new one each time. */
static inline void begin_probe(const struct child *server, bool keep_alive) {
    probe.server = server;
    probe.keep_alive = keep_alive;
    probe.count = probe.failed = 0;
    CHECK_INT(log_in(server, FOO, probe.id), 200);
    if (keep_alive) probe.client = dial(server);
    begin_thread(&probe.thread, probe_once, NULL);
}

static inline struct figures end_probe(void) {
    end_thread(&probe.thread);
    if (probe.keep_alive) hang_up(&probe.client);
    return (struct figures){probe.count, probe.failed, percentile(probe.times, probe.count, 0.99)};
}

/* Returns whether every request was served, and 99 % of them within a second. The table shows the
 * speed; this is the promise. */
static inline bool was_served(struct figures figures) {
    SHOW("p99 %.2f ms of %zu", figures.p99, figures.count);
    if (figures.failed > 0) SHOW("%zu of them failed", figures.failed);
    return figures.count > 0 && figures.failed == 0 && figures.p99 < 1000;
}

/* ---- Resources ---- */

struct usage {
    int descriptors; /* open */
    size_t resident; /* bytes of memory */
    double cpu;      /* seconds */
};

/* The memory in /proc/PID/statm may be hundreds of pages off; this one is exact. */
static inline struct usage measure_usage(const struct child *server) {
    char line[256];
    unsigned long kib = 0;
    clockid_t clock;
    FILE *file = fopen(text_of("/proc/%ld/smaps_rollup", (long)server->pid), "r");
    while (file && fgets(line, sizeof line, file) && sscanf(line, "Rss: %lu kB", &kib) != 1)
        continue;
    if (file) fclose(file);
    bool alive = clock_getcpuclockid(server->pid, &clock) == 0;
    return (struct usage){count_descriptors(server), kib * 1024, alive ? seconds_of(clock) : 0};
}

/* Returns the share of the CPU that the server uses in a second without requests. */
static inline double measure_rest(const struct child *server) {
    double cpu = measure_usage(server).cpu;
    pause_ms(1000);
    return measure_usage(server).cpu - cpu;
}

/* Waits until exactly so many descriptors are open. Returns how many are. */
static inline int wait_for_descriptors(const struct child *server, int descriptors) {
    double end = now() + 20;
    while (count_descriptors(server) != descriptors && now() < end) pause_ms(5);
    return count_descriptors(server);
}

/* Checks that the same process works as before: a new login and its greeting succeed, the descriptors
 * are those of `before`, and no CPU is used without requests. If `warm`, this is not the first run, and
 * memory has not grown. */
static inline void check_unharmed(const struct child *server, struct usage before, bool warm) {
    char id[41];
    CHECK_INT(waitpid(server->pid, NULL, WNOHANG), 0);
    CHECK_INT(log_in(server, FOO, id), 200);
    CHECK_INT(visit(server, id), 200);
    CHECK_INT(wait_for_descriptors(server, before.descriptors), before.descriptors);
    CHECK(measure_rest(server) < AT_REST);
    if (warm) CHECK_BETWEEN(measure_usage(server).resident, 0, before.resident + MEMORY_SLACK);
}

#endif
