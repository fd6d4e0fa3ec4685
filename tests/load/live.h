/* live.h - additions to ../client.h for tests under load: a client that is served all the time, the
 * resources that the server uses, and a table of figures.
 *
 *     begin_load();
 *     struct child server = start("-a 127.0.0.1 -p 0 -q");
 *     struct probe *probe = begin_probe(&server, false);
 *     ... misuse the server ...
 *     CHECK(was_served(end_probe(probe)));
 *     CHECK(is_unharmed(&server, before, true));
 *     CHECK(stop(&server, SIGTERM) == 0);
 *     print_row("misuse");
 *
 * These tests need the server with its real timeouts: tests/load/run.sh names it in SERVER. They read
 * in Linux's /proc what it uses. Times are in seconds. They are shown, but the limits for them are
 * generous.
 */
#ifndef LIVE_H
#define LIVE_H

#include "../client.h"

#include <pthread.h>
#include <sys/resource.h>

#define MEMORY_SLACK (256 * 1024) /* bytes by which memory may grow in a test */
#define IDLE_TIME    0.5          /* seconds in which the CPU time of an idle server is measured */
#define MAX_PROBES   20000        /* requests of one probe */

#define HOME     GET("/home")
#define SHORTEST "GET / HTTP/1.1\r\nHost:\r\n\r\n" /* the response is ten times as long */
#define TOO_MUCH (64 * 1024) /* bytes of it: the responses do not fit the socket */

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

static inline int compare_times(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts `count` times and returns the 99th percentile. */
static inline double find_p99(double *times, size_t count) {
    qsort(times, count, sizeof *times, compare_times);
    return count > 0 ? times[count * 99 / 100] : 0;
}

/* ---- Clients ---- */

/* Connects with a small receive window, so that the server soon has to wait. */
static inline struct client dial_with_small_window(const struct child *server) {
    struct sockaddr_in address = loopback(server->port);
    struct client client = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    int segment = 536, window = 2048;
    setsockopt(client.fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    CHECK(connect(client.fd, (struct sockaddr *)&address, sizeof address) == 0);
    return client;
}

/* Sends `text` again and again, at most `max` bytes, until the socket is full. */
static inline void flood(int fd, const char *text, size_t max) {
    size_t len = strlen(text), sent = 0;
    ssize_t n = 1;
    while (n > 0 && sent < max) {
        n = send(fd, text + sent % len, len - sent % len, MSG_DONTWAIT);
        if (n > 0) sent += (size_t)n;
    }
}

/* Sends many requests without reading the responses, so that the server has unsent output. */
static inline int dial_without_reading(const struct child *server) {
    struct client client = dial_with_small_window(server);
    flood(client.fd, SHORTEST, TOO_MUCH);
    return client.fd;
}

/* Closes with a reset. */
static inline void reset(int fd) {
    struct linger at_once = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

/* Adds the cookie of a session and the end of the head to `request`, which has 256 bytes. */
static inline void add_session(char *request, const char *id) {
    size_t len = strlen(request);
    snprintf(request + len, 256 - len, HOST "Cookie: session_id=%s\r\n\r\n", id);
}

/* ---- The table: `what | figure`, a row for each test ---- */

#define FIGURE 80 /* maximum length */

static char row[8 * FIGURE];

static inline char *begin_figure(void) {
    size_t len = strlen(row);
    if (len > 0 && len < sizeof row - FIGURE - 2) len += (size_t)sprintf(row + len, ", ");
    return row + (len < sizeof row - FIGURE ? len : sizeof row - FIGURE);
}

/* Adds a figure to the row. */
#define SHOW(...) (void)snprintf(begin_figure(), FIGURE, __VA_ARGS__)

static inline void forget_row(void) { row[0] = '\0'; }

static inline void print_row(const char *name) {
    printf("%-49s | %s\n", name, row);
    fflush(stdout);
    forget_row();
}

/* ---- The probe: a client that sends a request every 5 ms ---- */

struct probe {
    const struct child *server;
    bool keep_alive, over;
    char request[256];
    pthread_t thread;
    pthread_mutex_t mutex; /* of `over` */
    struct client client;
    size_t count, failed;
    double times[MAX_PROBES];
};

struct figures {
    size_t count, failed; /* requests, and those without exactly the right response */
    double p99;           /* in ms */
};

static inline bool is_over(struct probe *probe) {
    pthread_mutex_lock(&probe->mutex);
    bool over = probe->over;
    pthread_mutex_unlock(&probe->mutex);
    return over;
}

static inline bool greet(struct probe *probe) {
    if (!probe->keep_alive) probe->client = dial(probe->server);
    bool right = ask(&probe->client, probe->request) == 200;
    if (!probe->keep_alive) hang_up(&probe->client);
    return right && strcmp(probe->client.body, HELLO) == 0;
}

static inline void *run_probe(void *argument) {
    struct probe *probe = argument;
    while (probe->count < MAX_PROBES && !is_over(probe)) {
        double start = now();
        probe->failed += !greet(probe);
        probe->times[probe->count++] = (now() - start) * 1000;
        pause_ms(5);
    }
    return NULL;
}

/* Logs in and begins: with `keep_alive` on one connection, otherwise on a new one each time. */
static inline struct probe *begin_probe(const struct child *server, bool keep_alive) {
    char id[41];
    struct probe *probe = calloc(1, sizeof *probe);
    if (!probe) exit(1);
    probe->server = server;
    probe->keep_alive = keep_alive;
    CHECK(log_in(server, FOO, id) == 200);
    snprintf(probe->request, sizeof probe->request, "GET /home HTTP/1.1\r\n%s",
             keep_alive ? "" : "Connection: close\r\n");
    add_session(probe->request, id);
    if (keep_alive) probe->client = dial(server);
    pthread_mutex_init(&probe->mutex, NULL);
    if (pthread_create(&probe->thread, NULL, run_probe, probe) != 0) exit(1);
    return probe;
}

static inline struct figures end_probe(struct probe *probe) {
    pthread_mutex_lock(&probe->mutex);
    probe->over = true;
    pthread_mutex_unlock(&probe->mutex);
    pthread_join(probe->thread, NULL);
    if (probe->keep_alive) hang_up(&probe->client);
    struct figures figures = {probe->count, probe->failed, find_p99(probe->times, probe->count)};
    free(probe);
    return figures;
}

/* Returns whether every request was served, and 99 % of them within a second. The table shows the
 * speed; this is the promise. */
static inline bool was_served(struct figures figures) {
    SHOW("p99 %.2f ms of %zu", figures.p99, figures.count);
    if (figures.failed > 0) printf("     %zu requests of the probe failed\n", figures.failed);
    return figures.count > 0 && figures.failed == 0 && figures.p99 < 1000;
}

/* ---- Resources ---- */

struct usage {
    int descriptors; /* open */
    size_t resident; /* bytes of memory */
    double cpu;      /* seconds */
};

/* The figure in statm may be hundreds of pages off; this one is exact. */
static inline size_t measure_memory(const struct child *server) {
    char path[64], line[256];
    unsigned long kib = 0;
    snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", (long)server->pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file) && sscanf(line, "Rss: %lu kB", &kib) != 1)
        continue;
    if (file) fclose(file);
    return kib * 1024;
}

static inline struct usage measure_usage(const struct child *server) {
    clockid_t clock;
    bool alive = clock_getcpuclockid(server->pid, &clock) == 0;
    return (struct usage){count_descriptors(server), measure_memory(server),
                          alive ? seconds_of(clock) : 0};
}

/* Waits until exactly so many descriptors are open. */
static inline bool wait_for_descriptors(const struct child *server, int descriptors) {
    double end = now() + 20;
    while (count_descriptors(server) != descriptors && now() < end) pause_ms(5);
    return count_descriptors(server) == descriptors;
}

static inline bool expect(bool condition, const char *violation) {
    if (!condition) printf("     %s\n", violation);
    return condition;
}

/* Returns whether the same process works as before: a new login and its greeting succeed, the
 * descriptors are those of `before`, and less than 1 % of the CPU is used without requests. If `warm`,
 * this is not the first run, and memory has not grown. Prints what is violated. */
static inline bool is_unharmed(const struct child *server, struct usage before, bool warm) {
    char id[41];
    if (!expect(waitpid(server->pid, NULL, WNOHANG) == 0, "the server has ended")) return false;
    bool all = expect(log_in(server, FOO, id) == 200, "a new login fails");
    all &= expect(visit(server, id) == 200, "its greeting fails");
    all &= expect(wait_for_descriptors(server, before.descriptors),
                  "the number of descriptors is not as before");
    double cpu = measure_usage(server).cpu;
    pause_ms((long)(IDLE_TIME * 1000));
    struct usage after = measure_usage(server);
    all &= expect(after.cpu - cpu < IDLE_TIME / 100, "1 % of the CPU is used without requests");
    return all & expect(!warm || after.resident <= before.resident + MEMORY_SLACK,
                        "memory has grown by more than 256 KiB");
}

#endif
