/* load.c - the client of the measurements, for what a general load generator does not do.
 *
 *     load [-c CONNECTIONS] [-n ROUNDS] [-t SECONDS] [-p PAUSE] [-o FILE] PORT WHAT
 *
 * WHAT is one of
 *     home     logs in once, then each round is a GET /home on every connection
 *     login    each round is a POST /login on every connection
 *     turn     each round is a POST /login and then a POST /logout on every connection
 *     hold     a GET /home on every connection; says "ready" and holds them until its input ends
 *     flood    sends GET /home on every connection, waiting for no answer, until it is killed
 *     start COMMAND ...
 *              runs COMMAND and takes the time until it has answered a GET /home on PORT, then
 *              kills it
 *
 * A round writes to all connections and then reads from all: with one connection it is one request
 * at a time. It goes on for -n rounds or -t seconds, and ends with one line on standard output:
 * requests, seconds, and of the rounds' times the median, the 99th percentile and the longest in
 * microseconds. -p rests so many microseconds before each round. -o writes the id of each session
 * that was opened, one a line.
 *
 * What it sends depends on the options alone, so that a server's steps can be counted. Any answer
 * other than 200, and none in 10 seconds, ends it with status 1.
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

#define ANSWER     4096    /* bytes in an answer, at most */
#define SESSION_ID 40      /* digits in a session's id */
#define LONGEST    1000000 /* microseconds: longer rounds count as this long */
#define AT_ONCE    500     /* connections that `hold` opens before it reads */
#define FLOOD      128     /* requests in one write of `flood`, at most */

struct client {
    int fd;
    char session_id[SESSION_ID + 1];
};

static size_t connections = 1;
static long rounds;
static double seconds;
static struct timespec rest;
static FILE *ids;
static unsigned port;
static struct client *clients;
static unsigned took[LONGEST + 1]; /* how many rounds took so many microseconds */
static long requests, rounds_done;

static void fail(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what,
            errno ? strerror(errno) : "that is not as it should be");
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
    struct timeval most = {10, 0};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0) fail("socket");
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    return fd;
}

static void send_text(const struct client *client, const char *text) {
    size_t len = strlen(text);
    if (send(client->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len) fail("send");
}

/* The length of the answer that `text` begins with, 0 where that is not known yet. */
static size_t answer_length(const char *text) {
    const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
    if (!end) return 0;
    if (!length || length > end) fail("the answer has no Content-Length");
    return (size_t)(end + 4 - text) + (size_t)atol(length + strlen("Content-Length: "));
}

/* Reads one answer, and keeps the id of a session that it opens. */
static void read_answer(struct client *client) {
    static const char cookie[] = "Set-Cookie: session_id=";
    char in[ANSWER + 1];
    size_t len = 0, whole = 0;
    while (whole == 0 || len < whole) {
        ssize_t n = recv(client->fd, in + len, ANSWER - len, 0);
        if (n <= 0) fail("recv");
        len += (size_t)n;
        in[len] = '\0';
        whole = answer_length(in);
    }
    errno = 0;
    if (strncmp(in, "HTTP/1.1 200", 12) != 0 || len > whole) fail("the answer is not a 200");
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

/* One request on each of clients[from .. to). */
static void ask(void (*send_it)(const struct client *), size_t from, size_t to) {
    for (size_t i = from; i < to; i++) send_it(&clients[i]);
    for (size_t i = from; i < to; i++) read_answer(&clients[i]);
    requests += (long)(to - from);
}

/* Opens all connections; those that come later have the first one's session. */
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
        if (i == 0 && log_in) ask(send_login, 0, 1);
        memcpy(clients[i].session_id, clients[0].session_id, SESSION_ID);
        if (log_in && i % AT_ONCE == AT_ONCE - 1) ask(send_home, i + 1 - AT_ONCE, i + 1);
    }
    requests = 0;
}

/* ---- Rounds ---- */

static void play_rounds(void (*first)(const struct client *),
                        void (*second)(const struct client *)) {
    double start = read_clock(), now = start;
    for (; rounds ? rounds_done < rounds : now - start < seconds; rounds_done++) {
        if (rest.tv_nsec > 0) nanosleep(&rest, NULL);
        double before = read_clock();
        ask(first, 0, connections);
        if (second) ask(second, 0, connections);
        now = read_clock();
        double time = (now - before) * 1e6;
        took[time < LONGEST ? (size_t)time : LONGEST]++;
    }
    seconds = now - start;
}

/* Microseconds that this part of the rounds did not need. */
static size_t percentile(double part) {
    double left = part * (double)rounds_done;
    size_t time = 0;
    while (time < LONGEST && (left -= took[time]) > 0) time++;
    return time;
}

static void report(void) {
    printf("%ld %.6f %lu %lu %lu\n", requests, seconds, (unsigned long)percentile(0.5),
           (unsigned long)percentile(0.99), (unsigned long)percentile(1));
}

/* ---- Connections that do nothing, and connections that do too much ---- */

/* They end with a reset, so that no port waits to be used again. */
static void hold(void) {
    struct linger reset = {1, 0};
    ask(send_home, connections - connections % AT_ONCE, connections);
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    for (size_t i = 0; i < connections; i++)
        setsockopt(clients[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

static size_t make_flood(char *text, size_t room) {
    size_t len = 0;
    for (int i = 0; i < FLOOD; i++)
        len += (size_t)snprintf(text + len, room - len,
                                "GET /home HTTP/1.1\r\nHost: x\r\nCookie: session_id=%s\r\n\r\n",
                                clients[0].session_id);
    return len;
}

static void flood(void) {
    static char text[FLOOD * 128], in[65536];
    size_t len = make_flood(text, sizeof text);
    struct pollfd *polled = calloc(connections, sizeof *polled);
    size_t *sent = calloc(connections, sizeof *sent);
    if (!polled || !sent) fail("calloc");
    for (size_t i = 0; i < connections; i++) {
        fcntl(clients[i].fd, F_SETFL, O_NONBLOCK);
        polled[i] = (struct pollfd){clients[i].fd, POLLIN | POLLOUT, 0};
    }
    while (poll(polled, (nfds_t)connections, -1) > 0) {
        for (size_t i = 0; i < connections; i++) {
            ssize_t n = 0;
            if (polled[i].revents & POLLOUT)
                n = send(polled[i].fd, text + sent[i], len - sent[i], MSG_NOSIGNAL);
            if (n > 0) sent[i] = (sent[i] + (size_t)n) % len;
            if (polled[i].revents & POLLIN && recv(polled[i].fd, in, sizeof in, 0) == 0)
                fail("the server has ended a connection");
        }
    }
}

/* ---- The start of a server ---- */

static pid_t run(char **command) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    int nowhere = open("/dev/null", O_RDWR);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    setpgid(0, 0);
    execvp(command[0], command);
    _exit(127);
}

static void take_time_of_start(char **command) {
    struct timespec little = {0, 50000};
    struct client client = {-1, ""};
    double start = read_clock();
    pid_t pid = run(command);
    while ((client.fd = try_connect()) < 0 && read_clock() - start < 10) nanosleep(&little, NULL);
    if (client.fd < 0) fail("the server does not start");
    memset(client.session_id, '0', SESSION_ID);
    send_home(&client);
    char in[ANSWER];
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
        case 'n': rounds = atol(optarg); break;
        case 't': seconds = atof(optarg); break;
        case 'p': rest.tv_nsec = atol(optarg) * 1000; break;
        case 'o': ids = fopen(optarg, "w"); break;
        default: return 2;
        }
    }
    if (argc - optind < 2) return 2;
    port = (unsigned)atoi(argv[optind]);
    const char *what = argv[optind + 1];
    bool logs_in_first = strcmp(what, "login") != 0 && strcmp(what, "turn") != 0;
    if (strcmp(what, "start") == 0) {
        take_time_of_start(argv + optind + 2);
        return 0;
    }
    open_clients(logs_in_first);
    if (strcmp(what, "home") == 0) play_rounds(send_home, NULL);
    if (strcmp(what, "login") == 0) play_rounds(send_login, NULL);
    if (strcmp(what, "turn") == 0) play_rounds(send_login, send_logout);
    if (strcmp(what, "hold") == 0) hold();
    if (strcmp(what, "flood") == 0) flood();
    if (rounds_done > 0) report();
    return 0;
}
