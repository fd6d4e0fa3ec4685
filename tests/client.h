/* client.h - a server as a child process, and a client that talks to it: for tests that see the
 * server from outside.
 *
 *     struct child server = start("-a 127.0.0.1 -p 0");
 *     struct client client = dial(&server);
 *     CHECK(ask(&client, GET("/home")) == 401);
 *     CHECK(strcmp(client.body, ...) == 0);
 *     hang_up(&client);
 *     CHECK(stop(&server, SIGTERM) == 0);
 *
 * The server is the program that the environment names in SERVER, or build/server, built with
 * -DSERVER_SECOND=50000000: its deadlines come twenty times as fast. RUNNER may name a command to
 * run it with, split at blanks: `qemu-arm`, or `valgrind -q --log-file=FILE --error-exitcode=99`.
 * Such a command must say nothing itself on standard error: that goes to a file, and is looked at.
 *
 * Nothing here waits longer than PATIENCE, and the whole program no longer than ALL_PATIENCE; its
 * children and files end with it. Include this file first: it names the POSIX that is wanted.
 */
#ifndef CLIENT_H
#define CLIENT_H

#define _XOPEN_SOURCE 700 /* POSIX.1-2008, and its terminals */

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#ifndef SECOND
#define SECOND 50 /* of the server under test, in ms */
#endif
#define PATIENCE     15000 /* in ms: slower than this is as good as never */
#define ALL_PATIENCE 300   /* in s */
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Requests, and what they are made of. */
#define HOST      "Host: a\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define FOO       "{\"username\":\"foo\",\"password\":\"foo\"}" /* 35 bytes */
#define LOGIN     "POST /login HTTP/1.1\r\n" HOST "Content-Length: 35\r\n\r\n" FOO

/* Answers. */
#define LOGGED_IN "{\"message\": \"Logged in\", \"session_id\": \"<id>\"}"
#define HELLO     "{\"message\": \"Hello, foo\"}"
#define ERROR(code, reason, message)                                                               \
    "{\"status\": \"" code " " reason "\", \"status_code\": " code ", \"error\": \"" message       \
    "\", \"data\": null}"
#define NO_ENTRY ERROR("401", "Unauthorized", "I can't let you do that")

/* ---- Time ---- */

static inline int64_t read_clock(void) { /* in ms */
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void pause_us(long us) {
    nanosleep(&(struct timespec){us / 1000000, us % 1000000 * 1000}, NULL);
}

static inline void pause_ms(long ms) { pause_us(ms * 1000); }

/* ---- The end of the test program ---- */

static pid_t living[16]; /* children; 0 where there is none */
static char folder[] = "/tmp/server-test-XXXXXX";

static inline const char *path_of(const char *name) {
    static char path[2][320];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static inline void kill_all(void) {
    for (size_t i = 0; i < COUNT(living); i++)
        if (living[i] > 0) kill(living[i], SIGKILL);
}

static inline void give_up(int number) {
    (void)number;
    kill_all();
    _exit(1);
}

static inline void leave_nothing(void) {
    kill_all();
    DIR *files = opendir(folder);
    for (struct dirent *file; files && (file = readdir(files));) unlink(path_of(file->d_name));
    if (files) closedir(files);
    rmdir(folder);
}

/* To be called first. */
static inline void begin_tests(void) {
    if (!mkdtemp(folder)) exit(1);
    atexit(leave_nothing);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGALRM, give_up);
    signal(SIGTERM, give_up);
    signal(SIGINT, give_up);
    alarm(ALL_PATIENCE);
}

/* ---- Servers ---- */

/* How a server is to be started. What is left out is as usual. */
struct setup {
    const char *options; /* split at blanks; '' is an empty one */
    int err;             /* its standard error, in place of a file */
    int listener;        /* becomes its descriptor 3 ... */
    pid_t told;          /* ... and LISTEN_PID this, in place of its own */
    const char *count;   /* ... and LISTEN_FDS this, in place of 1 */
    bool closed;         /* it has no standard descriptors */
    bool unread;         /* nobody reads its standard output */
};

struct child {
    pid_t pid;
    int port;  /* 0 where it has none */
    int out;   /* where its standard output is read */
    FILE *err; /* where its standard error goes */
    bool serves;
    char said[4096], complaints[65536]; /* what it has written to them so far */
};

/* Appends the words of `text` to argv. `text` is changed, and must stay. */
static inline void add_words(char *argv[], size_t room, char *text) {
    size_t count = 0;
    while (argv[count]) count++;
    for (char *word = strtok(text, " "); word && count + 1 < room; word = strtok(NULL, " ")) {
        argv[count++] = strcmp(word, "''") == 0 ? word + 2 : word;
        argv[count] = NULL;
    }
}

static inline void hand_over(const struct setup *setup) {
    char pid[24];
    if (!setup->listener) return;
    snprintf(pid, sizeof pid, "%ld", (long)(setup->told ? setup->told : getpid()));
    setenv("LISTEN_FDS", setup->count ? setup->count : "1", 1);
    setenv("LISTEN_PID", pid, 1);
    dup2(setup->listener, 3);
}

static inline void become_server(const struct setup *setup, int out, int err) {
    const char *runner = getenv("RUNNER"), *server = getenv("SERVER");
    char *argv[64] = {NULL}, first[256], last[4096], program[256];
    snprintf(first, sizeof first, "%s", runner ? runner : "");
    snprintf(program, sizeof program, "%s", server ? server : "build/server");
    snprintf(last, sizeof last, "%s", setup->options);
    add_words(argv, COUNT(argv), first);
    add_words(argv, COUNT(argv), program);
    add_words(argv, COUNT(argv), last);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGHUP, SIG_DFL); /* whoever ignores it for us */
    int nobody[2];
    if (setup->unread && pipe(nobody) == 0) {
        close(nobody[0]);
        out = nobody[1];
    }
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    hand_over(setup);
    for (int fd = setup->listener ? 4 : 3; fd < 256; fd++) close(fd);
    for (int fd = 0; setup->closed && fd < 3; fd++) close(fd);
    execvp(argv[0], argv);
    _exit(127);
}

/* Reads what the server says until it serves, or says no more. */
static inline void listen_to(struct child *child) {
    size_t len = strlen(child->said);
    ssize_t n;
    while (!child->serves && len < sizeof child->said - 1) {
        if (poll(&(struct pollfd){child->out, POLLIN, 0}, 1, PATIENCE) != 1) break;
        n = read(child->out, child->said + len, sizeof child->said - 1 - len);
        if (n <= 0) break;
        len += (size_t)n;
        child->said[len] = '\0';
        child->serves = strstr(child->said, "Serving on") && child->said[len - 1] == '\n';
    }
    const char *colon = strrchr(child->said, ':');
    if (child->serves && colon) child->port = atoi(colon + 1);
}

static inline struct child start_as(struct setup setup) {
    struct child child = {.err = tmpfile()};
    int out[2];
    if (!child.err || pipe(out) < 0) exit(1);
    child.pid = fork();
    if (child.pid < 0) exit(1);
    if (child.pid == 0) become_server(&setup, out[1], setup.err ? setup.err : fileno(child.err));
    for (size_t i = 0; i < COUNT(living); i++) {
        if (living[i] != 0) continue;
        living[i] = child.pid;
        break;
    }
    close(out[1]);
    child.out = out[0];
    listen_to(&child);
    return child;
}

static inline struct child start(const char *options) {
    return start_as((struct setup){.options = options});
}

/* What the server has written to standard error so far. */
static inline const char *complaints(struct child *child) {
    ssize_t n = pread(fileno(child->err), child->complaints, sizeof child->complaints - 1, 0);
    child->complaints[n > 0 ? n : 0] = '\0';
    return child->complaints;
}

/* Waits until the server has ended and reads its last words. Returns its exit status, 128 and more
 * where a signal ended it, or -1 where it had to be killed. */
static inline int wait_for_end(struct child *child) {
    int status = -1, result = -1;
    int64_t start = read_clock();
    while (waitpid(child->pid, &status, WNOHANG) == 0 && read_clock() - start < PATIENCE)
        pause_ms(1);
    if (status == -1) {
        kill(child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
    } else {
        result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    for (size_t i = 0; i < COUNT(living); i++)
        if (living[i] == child->pid) living[i] = 0;
    child->serves = false;
    listen_to(child);
    complaints(child);
    close(child->out);
    fclose(child->err);
    return result;
}

static inline int stop(struct child *child, int number) {
    kill(child->pid, number);
    return wait_for_end(child);
}

/* Open descriptors of the server, or -1 where the system does not tell. */
static inline int count_descriptors(const struct child *child) {
    char path[40];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%ld/fd", (long)child->pid);
    DIR *descriptors = opendir(path);
    if (!descriptors) return -1;
    while (readdir(descriptors)) count++;
    closedir(descriptors);
    return count;
}

/* ---- Clients ---- */

/* What hear returns where it does not return a status. */
enum {
    ENDED = 0,   /* the server has closed the connection in good order */
    BROKEN = -1, /* it was reset, or closed in the middle of an answer */
    SILENT = -2  /* nothing came */
};

struct client {
    int fd;
    bool no_body; /* the answer has none: it is to HEAD */
    size_t len;   /* bytes of `in` that have not been heard */
    char in[32768];
    char head[4096], body[16384]; /* of the latest answer */
};

static inline struct client dial_address(const void *address, size_t len, int buffer) {
    struct client client = {.len = 0};
    int on = 1;
    client.fd = socket(((const struct sockaddr *)address)->sa_family, SOCK_STREAM, 0);
    if (buffer) setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (connect(client.fd, address, (socklen_t)len) < 0) {
        close(client.fd);
        client.fd = -1;
        return client;
    }
    setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return client;
}

static inline struct sockaddr_in loopback(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* Connects; fd is -1 where that fails. */
static inline struct client dial(const struct child *server) {
    struct sockaddr_in address = loopback(server->port);
    return dial_address(&address, sizeof address, 0);
}

static inline void hang_up(struct client *client) {
    if (client->fd >= 0) close(client->fd);
    client->fd = -1;
}

static inline bool say_bytes(struct client *client, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t n = send(client->fd, bytes, len, 0);
        if (n < 0) return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static inline bool say(struct client *client, const char *text) {
    return say_bytes(client, text, strlen(text));
}

/* Returns 1 where more has come, or what hear returns. */
static inline int read_more(struct client *client) {
    struct pollfd polled = {client->fd, POLLIN, 0};
    if (client->fd < 0 || client->len == sizeof client->in) return BROKEN;
    if (poll(&polled, 1, PATIENCE) != 1) return SILENT;
    ssize_t n = recv(client->fd, client->in + client->len, sizeof client->in - client->len, 0);
    if (n > 0) client->len += (size_t)n;
    return n > 0 ? 1 : n == 0 && client->len == 0 ? ENDED : BROKEN;
}

/* The length of the head that `in` begins with, 0 where it is not whole yet. */
static inline size_t head_length(const struct client *client) {
    for (size_t i = 4; i <= client->len; i++)
        if (memcmp(client->in + i - 4, "\r\n\r\n", 4) == 0) return i;
    return 0;
}

/* Whether the latest answer has a header line that begins so. */
static inline bool has_line(const struct client *client, const char *start) {
    const char *line = client->head;
    while ((line = strstr(line, "\r\n")) != NULL) {
        line += 2;
        if (strncmp(line, start, strlen(start)) == 0) return true;
    }
    return false;
}

/* Reads one answer. Returns its status, or one of the three values above. */
static inline int hear(struct client *client) {
    size_t head, body = 0;
    int more = 1;
    client->head[0] = client->body[0] = '\0';
    while ((head = head_length(client)) == 0)
        if ((more = read_more(client)) != 1) return more;
    if (head >= sizeof client->head) return BROKEN;
    memcpy(client->head, client->in, head);
    client->head[head] = '\0';
    const char *length = strstr(client->head, "\r\nContent-Length: ");
    if (length && !client->no_body) body = strtoul(length + 18, NULL, 10);
    if (body >= sizeof client->body) return BROKEN;
    while (client->len < head + body)
        if ((more = read_more(client)) != 1) return more;
    memcpy(client->body, client->in + head, body);
    client->body[body] = '\0';
    client->len -= head + body;
    memmove(client->in, client->in + head + body, client->len);
    return strncmp(client->head, "HTTP/1.1 ", 9) == 0 ? atoi(client->head + 9) : BROKEN;
}

static inline int ask(struct client *client, const char *request) {
    return say(client, request) ? hear(client) : BROKEN;
}

/* Asks on a connection of its own, for the status alone. */
static inline int ask_once(const struct child *server, const char *request) {
    struct client client = dial(server);
    int status = ask(&client, request);
    hang_up(&client);
    return status;
}

/* Puts <id> in place of each session id in `text`. */
static inline void hide_ids(char *text) {
    size_t digits;
    for (; *text; text += digits ? digits : 1) {
        digits = strspn(text, "0123456789abcdef");
        if (digits != 40) continue;
        memcpy(text, "<id>", 4);
        memmove(text + 4, text + 40, strlen(text + 40) + 1);
        digits = 4;
    }
}

/* Logs in with these credentials (a JSON text) and copies the session's id. Returns the status. */
static inline int log_in(const struct child *server, const char *credentials, char id[41]) {
    char request[2048];
    snprintf(request, sizeof request,
             "POST /login HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n%s", strlen(credentials),
             credentials);
    struct client client = dial(server);
    int status = ask(&client, request);
    const char *value = strstr(client.body, "\"session_id\": \"");
    id[0] = '\0';
    if (value) snprintf(id, 41, "%s", value + 15);
    hang_up(&client);
    return status;
}

/* The status of GET /home in the session `id`. */
static inline int visit(const struct child *server, const char *id) {
    char request[200];
    snprintf(request, sizeof request, "GET /home HTTP/1.1\r\n" HOST "Cookie: session_id=%s\r\n\r\n",
             id);
    return ask_once(server, request);
}

#endif
