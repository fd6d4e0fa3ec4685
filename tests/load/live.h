/* live.h - what the tests of load add to ../client.h: a real client that is served all the while,
 * the books of the running server, and a table of figures.
 *
 *     begin_load();
 *     struct child server = start("-a 127.0.0.1 -p 0 -q");
 *     struct probe *probe = begin_probe(&server, false);
 *     ... misuse the server ...
 *     CHECK(was_served(end_probe(probe)));
 *     CHECK(balances(&server, before, true));
 *     CHECK(stop(&server, SIGTERM) == 0);
 *     print_row("misuse");
 *
 * These tests want the server with its true seconds: tests/load/run.sh names it in SERVER. They
 * read what it holds in Linux's /proc. Times are in seconds, and shown, but never asserted
 * closely.
 */
#ifndef LIVE_H
#define LIVE_H

#include "../client.h"

#include <pthread.h>
#include <sys/resource.h>

#define MEMORY_SLACK (256 * 1024) /* bytes of memory that a round may leave behind */
#define IDLE_TIME    0.5          /* seconds over which an idle server's processor time is taken */
#define PROBES       20000        /* greetings of one probe, at most */

#define HOME     GET("/home")
#define SHORTEST "GET / HTTP/1.1\r\nHost:\r\n\r\n" /* its answer is ten times longer */
#define TOO_MUCH (64 * 1024)                       /* bytes of it: the answers have to wait */

/* To be called first. Takes as many descriptors as the system allows; returns how many. */
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

/* Sorts `count` times; returns the one that 99 % stay under. */
static inline double find_p99(double *times, size_t count) {
    qsort(times, count, sizeof *times, compare_times);
    return count > 0 ? times[count * 99 / 100] : 0;
}

/* ---- Clients ---- */

/* A client with little room on the way back: the server soon has to wait for it. */
static inline struct client dial_narrow(const struct child *server) {
    struct sockaddr_in address = loopback(server->port);
    struct client client = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    int segment = 536, window = 2048;
    setsockopt(client.fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    CHECK(connect(client.fd, (struct sockaddr *)&address, sizeof address) == 0);
    return client;
}

/* Sends `text` again and again, as far as that goes without waiting: `most` bytes at most. */
static inline void flood(int fd, const char *text, size_t most) {
    size_t len = strlen(text), sent = 0;
    ssize_t n = 1;
    while (n > 0 && sent < most) {
        n = send(fd, text + sent % len, len - sent % len, MSG_DONTWAIT);
        if (n > 0) sent += (size_t)n;
    }
}

/* One that asks for so much, and reads nothing, that an answer waits. */
static inline int dial_deaf(const struct child *server) {
    struct client client = dial_narrow(server);
    flood(client.fd, SHORTEST, TOO_MUCH);
    return client.fd;
}

/* Closes with a reset in place of an orderly end. */
static inline void reset(int fd) {
    struct linger at_once = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

/* Adds to `request`, which has 256 bytes, a session's cookie and the end of the head. */
static inline void add_session(char *request, const char *id) {
    size_t len = strlen(request);
    snprintf(request + len, 256 - len, HOST "Cookie: session_id=%s\r\n\r\n", id);
}

/* ---- The table: `what | figure`, a row for each test ---- */

#define FIGURE 80 /* bytes of one, at most */

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

/* ---- A real client, which greets every 5 ms ---- */

struct probe {
    const struct child *server;
    bool kept, over;
    char request[256];
    pthread_t thread;
    pthread_mutex_t mutex; /* of `over` */
    struct client client;
    size_t count, failed;
    double times[PROBES];
};

struct figures {
    size_t asked, failed; /* requests, and those without the right answer to the byte */
    double p99;           /* in ms */
};

static inline bool is_over(struct probe *probe) {
    pthread_mutex_lock(&probe->mutex);
    bool over = probe->over;
    pthread_mutex_unlock(&probe->mutex);
    return over;
}

static inline bool greet(struct probe *probe) {
    if (!probe->kept) probe->client = dial(probe->server);
    bool right = ask(&probe->client, probe->request) == 200;
    if (!probe->kept) hang_up(&probe->client);
    return right && strcmp(probe->client.body, HELLO) == 0;
}

static inline void *run_probe(void *argument) {
    struct probe *probe = argument;
    while (probe->count < PROBES && !is_over(probe)) {
        double start = now();
        probe->failed += !greet(probe);
        probe->times[probe->count++] = (now() - start) * 1000;
        pause_ms(5);
    }
    return NULL;
}

/* Logs in and begins; `kept` on one connection, else on a new one each time. */
static inline struct probe *begin_probe(const struct child *server, bool kept) {
    char id[41];
    struct probe *probe = calloc(1, sizeof *probe);
    if (!probe) exit(1);
    probe->server = server;
    probe->kept = kept;
    CHECK(log_in(server, FOO, id) == 200);
    snprintf(probe->request, sizeof probe->request, "GET /home HTTP/1.1\r\n%s",
             kept ? "" : "Connection: close\r\n");
    add_session(probe->request, id);
    if (kept) probe->client = dial(server);
    pthread_mutex_init(&probe->mutex, NULL);
    if (pthread_create(&probe->thread, NULL, run_probe, probe) != 0) exit(1);
    return probe;
}

static inline struct figures end_probe(struct probe *probe) {
    pthread_mutex_lock(&probe->mutex);
    probe->over = true;
    pthread_mutex_unlock(&probe->mutex);
    pthread_join(probe->thread, NULL);
    if (probe->kept) hang_up(&probe->client);
    struct figures figures = {probe->count, probe->failed, find_p99(probe->times, probe->count)};
    free(probe);
    return figures;
}

/* Whether the client got its answer every time, and 99 of 100 within a second: the promise, that
 * is, not the speed, which the table shows. */
static inline bool was_served(struct figures figures) {
    SHOW("p99 %.2f ms of %zu", figures.p99, figures.asked);
    if (figures.failed > 0) printf("     %zu greetings failed\n", figures.failed);
    return figures.asked > 0 && figures.failed == 0 && figures.p99 < 1000;
}

/* ---- The books ---- */

struct books {
    int descriptors; /* that are open */
    size_t resident; /* bytes of memory */
    double cpu;      /* seconds used */
};

/* The kernel's quick figure, in statm, may be hundreds of pages off; this one is counted. */
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

static inline struct books take_books(const struct child *server) {
    clockid_t clock;
    bool alive = clock_getcpuclockid(server->pid, &clock) == 0;
    return (struct books){count_descriptors(server), measure_memory(server),
                          alive ? seconds_of(clock) : 0};
}

/* Waits until exactly so many descriptors are open. */
static inline bool wait_for_descriptors(const struct child *server, int descriptors) {
    double end = now() + 20;
    while (count_descriptors(server) != descriptors && now() < end) pause_ms(5);
    return count_descriptors(server) == descriptors;
}

static inline bool agree(bool holds, const char *what) {
    if (!holds) printf("     %s\n", what);
    return holds;
}

/* Whether the same process goes on as before: a fresh login and greeting are answered, descriptors
 * are as in `before` and, where `warm` says that this round was not the first, memory too; less
 * than 1 % of the processor is used while nobody asks. Where not, it says which. */
static inline bool balances(const struct child *server, struct books before, bool warm) {
    char id[41];
    if (!agree(waitpid(server->pid, NULL, WNOHANG) == 0, "the server has ended")) return false;
    bool all = agree(log_in(server, FOO, id) == 200, "a fresh login is not answered");
    all &= agree(visit(server, id) == 200, "a fresh greeting is not answered");
    all &= agree(wait_for_descriptors(server, before.descriptors), "descriptors are not as before");
    double cpu = take_books(server).cpu;
    pause_ms((long)(IDLE_TIME * 1000));
    struct books after = take_books(server);
    all &= agree(after.cpu - cpu < IDLE_TIME / 100, "1 % of the processor is used for nothing");
    return all & agree(!warm || after.resident <= before.resident + MEMORY_SLACK,
                       "memory has grown by more than 256 KiB");
}

#endif
