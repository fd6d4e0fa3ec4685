/* load.c - the client of the measurements, for what a general load generator does not do.
 *
 *     load [-c CONNECTIONS] [-n TIMES] [-t SECONDS] [-p PAUSE] [-o FILE] PORT WHAT
 *
 * WHAT is one of
 *     home     logs in once, then sends GET /home on every connection, again and again
 *     login    sends POST /login on every connection, again and again
 *     logout   the same, with a POST /logout after each POST /login
 *     idle     like home, but on one connection after the other, so that each is idle in between
 *     hold     sends one GET /home on every connection, prints "ready", and keeps the connections
 *              until its input ends
 *     flood    sends GET /home on every connection, without waiting for responses, until it is killed
 *     start COMMAND ...
 *              runs COMMAND, measures the time until it has responded to a GET /home on PORT, and
 *              kills it
 *
 * A batch is sent on all connections before the responses are read; with one connection it is one
 * request at a time. There are -n batches, or -t seconds of them, and then one line on standard output:
 * requests, seconds, and of the times of the batches the median, the 99th percentile and the maximum in
 * microseconds. -p pauses for so many microseconds before each batch. -o writes the id of each session
 * that was opened, one on each line.
 *
 * What it sends depends only on the options, so that the instructions of a server can be counted. It
 * ends with status 1 after a response other than 200, or none in 10 seconds.
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_RESPONSE 4096    /* bytes */
#define SESSION_ID   40      /* digits in the id of a session */
#define MAX_TIME     1000000 /* microseconds: longer batches count as this long */
#define HOLD_BATCH   500     /* connections that `hold` opens before it reads */
#define FLOOD        128     /* requests in one write of `flood` */

struct client {
    int fd;
    char session_id[SESSION_ID + 1];
};

static size_t connections = 1;
static long max_batches;
static double seconds;
static struct timespec pause_time;
static FILE *ids;
static unsigned port;
static struct client *clients;
static unsigned histogram[MAX_TIME + 1]; /* how many batches took so many microseconds */
static long requests, batches;

static void fail(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, errno ? strerror(errno) : "not as expected");
    exit(1);
}

static double read_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- One connection ---- */

static int try_connect(void) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval timeout = {10, 0};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0) fail("socket");
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    return fd;
}

static void send_text(const struct client *client, const char *text) {
    size_t len = strlen(text);
    if (send(client->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len) fail("send");
}

/* Returns the length of the response at the start of `text`, or 0 if it is not known yet. */
static size_t response_length(const char *text) {
    const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
    if (!end) return 0;
    if (!length || length > end) fail("the response has no Content-Length");
    return (size_t)(end + 4 - text) + (size_t)atol(length + strlen("Content-Length: "));
}

/* Reads one response, and keeps the id of a session that it opens. */
static void read_response(struct client *client) {
    static const char cookie[] = "Set-Cookie: session_id=";
    char in[MAX_RESPONSE + 1];
    size_t len = 0, whole = 0;
    while (whole == 0 || len < whole) {
        ssize_t n = recv(client->fd, in + len, MAX_RESPONSE - len, 0);
        if (n <= 0) fail("recv");
        len += (size_t)n;
        in[len] = '\0';
        whole = response_length(in);
    }
    errno = 0;
    if (strncmp(in, "HTTP/1.1 200", 12) != 0 || len > whole) fail("the response is not a 200");
    const char *id = strstr(in, cookie);
    if (!id) return;
    memcpy(client->session_id, id + strlen(cookie), SESSION_ID);
    if (ids && strncmp(client->session_id, "DELETED", 7) != 0)
        fprintf(ids, "%s\n", client->session_id);
}

/* ---- Requests ---- */

static void send_home(const struct client *client) {
    char text[256];
    snprintf(text, sizeof text,
             "GET /home HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: session_id=%s\r\n\r\n",
             client->session_id);
    send_text(client, text);
}

static void send_login(const struct client *client) {
    send_text(client, "POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 35\r\n\r\n"
                      "{\"username\":\"foo\",\"password\":\"foo\"}");
}

static void send_logout(const struct client *client) {
    char text[256];
    snprintf(text, sizeof text,
             "POST /logout HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: session_id=%s\r\n"
             "Content-Length: 2\r\n\r\n{}",
             client->session_id);
    send_text(client, text);
}

/* Sends a request on each of clients[from .. to), then reads the responses. */
static void send_batch(void (*send_it)(const struct client *), size_t from, size_t to) {
    for (size_t i = from; i < to; i++) send_it(&clients[i]);
    for (size_t i = from; i < to; i++) read_response(&clients[i]);
    requests += (long)(to - from);
}

/* Opens all connections. They share the session of the first one. */
static void open_clients(bool log_in) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    clients = calloc(connections, sizeof *clients);
    if (!clients) fail("calloc");
    for (size_t i = 0; i < connections; i++) {
        clients[i].fd = try_connect();
        if (clients[i].fd < 0) fail("connect");
        memset(clients[i].session_id, '0', SESSION_ID);
        if (i == 0 && log_in) send_batch(send_login, 0, 1);
        memcpy(clients[i].session_id, clients[0].session_id, SESSION_ID);
        if (log_in && i % HOLD_BATCH == HOLD_BATCH - 1)
            send_batch(send_home, i + 1 - HOLD_BATCH, i + 1);
    }
    requests = 0;
}

/* ---- Batches ---- */

static void add_time(double us) { histogram[us < MAX_TIME ? (size_t)us : MAX_TIME]++; }

/* If `in_turn`, a batch is one request, on the next connection. */
static void send_batches(void (*first)(const struct client *),
                         void (*second)(const struct client *), bool in_turn) {
    double start = read_clock(), now = start;
    for (; max_batches ? batches < max_batches : now - start < seconds; batches++) {
        size_t from = in_turn ? (size_t)batches % connections : 0;
        size_t to = in_turn ? from + 1 : connections;
        if (pause_time.tv_nsec > 0) nanosleep(&pause_time, NULL);
        double before = read_clock();
        send_batch(first, from, to);
        if (second) send_batch(second, from, to);
        now = read_clock();
        add_time((now - before) * 1e6);
    }
    seconds = now - start;
}

/* Returns the microseconds within which this share of the batches was done. */
static size_t percentile(double share) {
    double left = share * (double)batches;
    size_t time = 0;
    while (time < MAX_TIME && (left -= histogram[time]) > 0) time++;
    return time;
}

static void report(void) {
    printf("%ld %.6f %lu %lu %lu\n", requests, seconds, (unsigned long)percentile(0.5),
           (unsigned long)percentile(0.99), (unsigned long)percentile(1));
}

/* ---- Connections that do nothing, and connections that do too much ---- */

/* They end with a reset, so that their ports are free at once. */
static void hold(void) {
    struct linger reset = {1, 0};
    send_batch(send_home, connections - connections % HOLD_BATCH, connections);
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    for (size_t i = 0; i < connections; i++)
        setsockopt(clients[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

static size_t make_flood(char *text, size_t size) {
    size_t len = 0;
    for (int i = 0; i < FLOOD; i++)
        len += (size_t)snprintf(text + len, size - len,
                                "GET /home HTTP/1.1\r\nHost: x\r\nCookie: session_id=%s\r\n\r\n",
                                clients[0].session_id);
    return len;
}

static void flood(void) {
    static char text[FLOOD * 128], in[65536];
    size_t len = make_flood(text, sizeof text);
    struct pollfd *pollfds = calloc(connections, sizeof *pollfds);
    size_t *sent = calloc(connections, sizeof *sent);
    if (!pollfds || !sent) fail("calloc");
    for (size_t i = 0; i < connections; i++) {
        fcntl(clients[i].fd, F_SETFL, O_NONBLOCK);
        pollfds[i] = (struct pollfd){clients[i].fd, POLLIN | POLLOUT, 0};
    }
    while (poll(pollfds, (nfds_t)connections, -1) > 0) {
        for (size_t i = 0; i < connections; i++) {
            ssize_t n = 0;
            if (pollfds[i].revents & POLLOUT)
                n = send(pollfds[i].fd, text + sent[i], len - sent[i], MSG_NOSIGNAL);
            if (n > 0) sent[i] = (sent[i] + (size_t)n) % len;
            if (pollfds[i].revents & POLLIN && recv(pollfds[i].fd, in, sizeof in, 0) == 0)
                fail("the server has ended a connection");
        }
    }
}

/* ---- The start of a server ---- */

static pid_t run(char **command) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    setpgid(0, 0);
    execvp(command[0], command);
    _exit(127);
}

static void measure_start(char **command) {
    struct timespec retry_time = {0, 50000};
    struct client client = {-1, ""};
    double start = read_clock();
    pid_t pid = run(command);
    while ((client.fd = try_connect()) < 0 && read_clock() - start < 10)
        nanosleep(&retry_time, NULL);
    if (client.fd < 0) fail("the server does not start");
    memset(client.session_id, '0', SESSION_ID);
    send_home(&client);
    char in[MAX_RESPONSE];
    if (recv(client.fd, in, sizeof in, 0) <= 0) fail("recv");
    printf("%.3f\n", (read_clock() - start) * 1e3);
    kill(-pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

int main(int argc, char **argv) {
    int option;
    while ((option = getopt(argc, argv, "+c:n:t:p:o:")) != -1) {
        switch (option) {
        case 'c': connections = (size_t)atol(optarg); break;
        case 'n': max_batches = atol(optarg); break;
        case 't': seconds = atof(optarg); break;
        case 'p': pause_time.tv_nsec = atol(optarg) * 1000; break;
        case 'o': ids = fopen(optarg, "w"); break;
        default: return 2;
        }
    }
    if (argc - optind < 2) return 2;
    port = (unsigned)atoi(argv[optind]);
    const char *what = argv[optind + 1];
    bool needs_session = strcmp(what, "login") != 0 && strcmp(what, "logout") != 0;
    if (strcmp(what, "start") == 0) {
        measure_start(argv + optind + 2);
        return 0;
    }
    open_clients(needs_session);
    if (strcmp(what, "home") == 0) send_batches(send_home, NULL, false);
    if (strcmp(what, "login") == 0) send_batches(send_login, NULL, false);
    if (strcmp(what, "logout") == 0) send_batches(send_login, send_logout, false);
    if (strcmp(what, "idle") == 0) send_batches(send_home, NULL, true);
    if (strcmp(what, "hold") == 0) hold();
    if (strcmp(what, "flood") == 0) flood();
    if (batches > 0) report();
    return 0;
}
