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
 * The server is the program that the environment variable SERVER names, or build/server. It is built
 * with -DSERVER_SECOND=50000000, so its timeouts are twenty times as short. RUNNER may name a command
 * that runs it, split at blanks: `qemu-arm`, or `valgrind -q --log-file=FILE --error-exitcode=99`.
 * Such a command must not write to standard error itself, because the tests look at it.
 *
 * Nothing here waits longer than MAX_WAIT, and the whole program ends after TOTAL_TIMEOUT_S; its
 * children and files are removed then. Include this file first, because it chooses the version of
 * POSIX.
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
#include <sys/resource.h>
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
#ifndef MAX_WAIT
#define MAX_WAIT 15000 /* in ms */
#endif
#define TOTAL_TIMEOUT_S 300
#define COUNT(array)    (sizeof(array) / sizeof *(array))

/* Requests, and their parts. */
#define HOST      "Host: a\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define FOO       "{\"username\":\"foo\",\"password\":\"foo\"}" /* 35 bytes */
#define LOGIN     "POST /login HTTP/1.1\r\n" HOST "Content-Length: 35\r\n\r\n" FOO

/* Bodies of responses. */
#define LOGGED_IN "{\"message\": \"Logged in\", \"session_id\": \"<id>\"}"
#define HELLO     "{\"message\": \"Hello, foo\"}"
#define ERROR(code, reason, message)                                                               \
    "{\"status\": \"" code " " reason "\", \"status_code\": " code ", \"error\": \"" message       \
    "\", \"data\": null}"
#define UNAUTHORIZED ERROR("401", "Unauthorized", "I can't let you do that")

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

static pid_t children[16]; /* 0 = not in use */
static char folder[] = "/tmp/server-test-XXXXXX";

static inline const char *path_of(const char *name) {
    static char path[2][320];
    static int i;
    i = !i;
    snprintf(path[i], sizeof path[i], "%s/%s", folder, name);
    return path[i];
}

static inline void kill_all(void) {
    for (size_t i = 0; i < COUNT(children); i++)
        if (children[i] > 0) kill(children[i], SIGKILL);
}

static inline void on_fatal_signal(int number) {
    kill_all();
    test_stop(number);
}

static inline void cleanup(void) {
    kill_all();
    DIR *files = opendir(folder);
    for (struct dirent *file; files && (file = readdir(files));) unlink(path_of(file->d_name));
    if (files) closedir(files);
    rmdir(folder);
}

/* ---- Servers ---- */

/* How a server is started. Zero is the default of every member. */
struct setup {
    const char *options;    /* split at blanks; '' is an empty option */
    int out;                /* its standard output, instead of a pipe that we read */
    int err;                /* its standard error, instead of a file that we read */
    int listener;           /* becomes its descriptor 3 ... */
    pid_t listen_pid;       /* ... LISTEN_PID, instead of its own process ID ... */
    const char *listen_fds; /* ... and LISTEN_FDS, instead of 1 */
    bool no_fds;            /* its standard descriptors are closed */
    bool broken_stdout;     /* its standard output is a pipe without a reader */
    int ignored_signal;     /* is ignored at the start */
    int extra_fds, max_fds; /* descriptors that it inherits, and its limit on them */
    rlim_t max_file;        /* the size of a file that it may write */
};

struct child {
    pid_t pid;
    int port;  /* 0 if it has none */
    int out;   /* we read its standard output here */
    FILE *err; /* it writes its standard error here */
    bool serves;
    char stdout_text[4096], stderr_text[65536]; /* what was read of them */
};

/* Appends the words of `text` to argv. `text` is changed, and must stay valid. */
static inline void add_words(char *argv[], size_t size, char *text) {
    size_t count = 0;
    while (argv[count]) count++;
    for (char *word = strtok(text, " "); word && count + 1 < size; word = strtok(NULL, " ")) {
        argv[count++] = strcmp(word, "''") == 0 ? word + 2 : word;
        argv[count] = NULL;
    }
}

static inline void pass_listener(const struct setup *setup) {
    char pid[24];
    if (!setup->listener) return;
    snprintf(pid, sizeof pid, "%ld", (long)(setup->listen_pid ? setup->listen_pid : getpid()));
    setenv("LISTEN_FDS", setup->listen_fds ? setup->listen_fds : "1", 1);
    setenv("LISTEN_PID", pid, 1);
    dup2(setup->listener, 3);
}

static inline void set_limit(int resource, rlim_t max) {
    struct rlimit both = {max, max};
    if (max > 0) setrlimit(resource, &both);
}

static inline void exec_server(const struct setup *setup, int out, int err) {
    static const int reset[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM}; /* we may have them ignored */
    int broken[2];
    const char *runner = getenv("RUNNER"), *server = getenv("SERVER");
    char *argv[64] = {NULL}, first[256], last[4096], program[256];
    snprintf(first, sizeof first, "%s", runner ? runner : "");
    snprintf(program, sizeof program, "%s", server ? server : "build/server");
    snprintf(last, sizeof last, "%s", setup->options);
    add_words(argv, COUNT(argv), first);
    add_words(argv, COUNT(argv), program);
    add_words(argv, COUNT(argv), last);
    for (size_t i = 0; i < COUNT(reset); i++) signal(reset[i], SIG_DFL);
    if (setup->ignored_signal) signal(setup->ignored_signal, SIG_IGN);
    if (setup->broken_stdout && pipe(broken) == 0) {
        close(broken[0]);
        out = broken[1];
    }
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    pass_listener(setup);
    for (int fd = setup->listener ? 4 : 3; fd < 256; fd++) close(fd);
    for (int fd = 0; setup->no_fds && fd < 3; fd++) close(fd);
    for (int i = 0; i < setup->extra_fds; i++) open("/dev/null", O_RDWR);
    set_limit(RLIMIT_NOFILE, (rlim_t)setup->max_fds);
    set_limit(RLIMIT_FSIZE, setup->max_file);
    execvp(argv[0], argv);
    fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* Reads the standard output of the server until it serves, or until the end. */
static inline void read_stdout(struct child *child) {
    size_t len = strlen(child->stdout_text);
    ssize_t n;
    while (!child->serves && len < sizeof child->stdout_text - 1) {
        if (poll(&(struct pollfd){child->out, POLLIN, 0}, 1, MAX_WAIT) != 1) break;
        n = read(child->out, child->stdout_text + len, sizeof child->stdout_text - 1 - len);
        if (n <= 0) break;
        len += (size_t)n;
        child->stdout_text[len] = '\0';
        child->serves =
            strstr(child->stdout_text, "Serving on") && child->stdout_text[len - 1] == '\n';
    }
    const char *colon = strrchr(child->stdout_text, ':');
    if (child->serves && colon) child->port = atoi(colon + 1);
}

static inline struct child start_as(struct setup setup) {
    struct child child = {.err = tmpfile()};
    int out[2];
    if (!child.err || pipe(out) < 0) test_give_up("open a file in /tmp, and a pipe");
    child.pid = fork();
    if (child.pid < 0) test_give_up("start a process");
    if (child.pid == 0)
        exec_server(&setup, setup.out ? setup.out : out[1],
                    setup.err ? setup.err : fileno(child.err));
    for (size_t i = 0; i < COUNT(children); i++) {
        if (children[i] != 0) continue;
        children[i] = child.pid;
        break;
    }
    close(out[1]);
    child.out = out[0];
    read_stdout(&child);
    return child;
}

static inline struct child start(const char *options) {
    return start_as((struct setup){.options = options});
}

/* Returns what the server has written to standard error, or the end of it if that is long. */
static inline const char *stderr_of(struct child *child) {
    struct stat file;
    off_t max = sizeof child->stderr_text - 1, start = 0;
    if (fstat(fileno(child->err), &file) == 0 && file.st_size > max) start = file.st_size - max;
    ssize_t n = pread(fileno(child->err), child->stderr_text, (size_t)max, start);
    child->stderr_text[n > 0 ? n : 0] = '\0';
    return child->stderr_text;
}

/* Waits until the server has ended, and reads the rest of its output. Returns its exit status, 128
 * plus the number of the signal that ended it, or -1 if it did not end. */
static inline int wait_for_end(struct child *child) {
    int status = -1, result = -1;
    int64_t start = read_clock();
    while (waitpid(child->pid, &status, WNOHANG) == 0 && read_clock() - start < MAX_WAIT)
        pause_ms(1);
    if (status == -1) {
        kill(child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
    } else {
        result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    for (size_t i = 0; i < COUNT(children); i++)
        if (children[i] == child->pid) children[i] = 0;
    child->serves = false;
    read_stdout(child);
    stderr_of(child);
    close(child->out);
    fclose(child->err);
    return result;
}

static inline int stop(struct child *child, int number) {
    kill(child->pid, number);
    return wait_for_end(child);
}

/* Ends the program if the server has ended, because the tests that follow need it. */
static inline void expect_alive(struct child *child) {
    int status;
    if (waitpid(child->pid, &status, WNOHANG) == 0) return;
    printf("FAIL the server has ended before its time: %s %d\n",
           WIFSIGNALED(status) ? "signal" : "status",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    tests_failed++;
    exit(test_report());
}

/* Opens a pseudo-terminal. Returns our side of it, or fails the test and returns -1. */
static inline int open_pty(int *theirs) {
    int ours = posix_openpt(O_RDWR | O_NOCTTY);
    if (ours >= 0 && grantpt(ours) == 0 && unlockpt(ours) == 0)
        *theirs = open(ptsname(ours), O_RDWR | O_NOCTTY);
    else
        *theirs = -1;
    if (*theirs >= 0) return ours;
    CASE(strerror(errno));
    test_check(false, "open a pseudo-terminal", __FILE__, __LINE__);
    if (ours >= 0) close(ours);
    return -1;
}

/* Returns the number of open descriptors of the server, or -1 if the system does not tell it. */
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

/* What read_response returns if there is no status. */
enum {
    ENDED = 0,     /* the server has closed the connection */
    BROKEN = -1,   /* it was reset, or closed in the middle of a response */
    TIMED_OUT = -2 /* nothing came */
};

struct client {
    int fd;
    bool no_body; /* the responses have none, because the requests are HEAD */
    size_t len;   /* bytes in `in`, which belong to the next responses */
    char in[32768];
    char head[4096], body[16384]; /* of the latest response */
};

static inline struct sockaddr_in loopback(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* Connects; fd is -1 if that fails. With a small window the responses soon have to wait for us. `from`
 * is the last byte of our own address in 127.0.0.0/8; 0 leaves it to the system. */
static inline struct client dial_as(const void *address, size_t len, bool small_window, int from) {
    struct client client = {.len = 0};
    struct sockaddr_in own = loopback(0);
    int on = 1, segment = 536, window = 2048;
    bool failed = false;
    client.fd = socket(((const struct sockaddr *)address)->sa_family, SOCK_STREAM, 0);
    if (small_window) {
        setsockopt(client.fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
        setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    }
    if (from > 0) {
        own.sin_addr.s_addr = htonl((INADDR_LOOPBACK & ~(uint32_t)255) + (uint32_t)from);
        failed = bind(client.fd, (void *)&own, sizeof own) < 0;
    }
    if (failed || connect(client.fd, address, (socklen_t)len) < 0) {
        close(client.fd);
        client.fd = -1;
        return client;
    }
    setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return client;
}

static inline struct client dial_address(const void *address, size_t len) {
    return dial_as(address, len, false, 0);
}

static inline struct client dial_from(const struct child *server, int from) {
    struct sockaddr_in address = loopback(server->port);
    return dial_as(&address, sizeof address, false, from);
}

static inline struct client dial(const struct child *server) { return dial_from(server, 0); }

static inline void hang_up(struct client *client) {
    if (client->fd >= 0) close(client->fd);
    client->fd = -1;
}

static inline bool send_bytes(struct client *client, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t n = send(client->fd, bytes, len, 0);
        if (n < 0) return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static inline bool send_text(struct client *client, const char *text) {
    return send_bytes(client, text, strlen(text));
}

/* Returns 1 if more has come, or what read_response returns. */
static inline int read_more(struct client *client) {
    struct pollfd polled = {client->fd, POLLIN, 0};
    if (client->fd < 0 || client->len == sizeof client->in) return BROKEN;
    if (poll(&polled, 1, MAX_WAIT) != 1) return TIMED_OUT;
    ssize_t n = recv(client->fd, client->in + client->len, sizeof client->in - client->len, 0);
    if (n > 0) client->len += (size_t)n;
    return n > 0 ? 1 : n == 0 && client->len == 0 ? ENDED : BROKEN;
}

/* Returns the length of the head at the start of `in`, 0 if it is incomplete. */
static inline size_t head_length(const struct client *client) {
    for (size_t i = 4; i <= client->len; i++)
        if (memcmp(client->in + i - 4, "\r\n\r\n", 4) == 0) return i;
    return 0;
}

/* Returns whether a header line of the latest response begins with `start`. */
static inline bool has_line(const struct client *client, const char *start) {
    const char *line = client->head;
    while ((line = strstr(line, "\r\n")) != NULL) {
        line += 2;
        if (strncmp(line, start, strlen(start)) == 0) return true;
    }
    return false;
}

/* A header line of the latest response begins with this string literal. */
#define CHECK_LINE(client, start) CHECK_HAS((client)->head, "\r\n" start)

/* Reads one response. Returns its status, or one of the three values above. */
static inline int read_response(struct client *client) {
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
    return send_text(client, request) ? read_response(client) : BROKEN;
}

/* Sends a request on a new connection and returns the status. */
static inline int ask_once(const struct child *server, const char *request) {
    struct client client = dial(server);
    int status = ask(&client, request);
    hang_up(&client);
    return status;
}

/* Replaces each session id in `text` with <id>. */
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

/* Logs in with these credentials (a JSON text) and copies the session id. Returns the status. */
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

/* Returns the status of GET /home in the session `id`. */
static inline int visit(const struct child *server, const char *id) {
    char request[200];
    snprintf(request, sizeof request, "GET /home HTTP/1.1\r\n" HOST "Cookie: session_id=%s\r\n\r\n",
             id);
    return ask_once(server, request);
}

/* Must be called first. Ends the program if no server can be reached: each test would only say so. */
static inline void begin_tests(void) {
    if (!mkdtemp(folder)) test_give_up("create a folder in /tmp");
    atexit(cleanup);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGALRM, on_fatal_signal);
    signal(SIGINT, on_fatal_signal);
    test_catch_signals(on_fatal_signal);
    alarm(TOTAL_TIMEOUT_S);
    struct child server = start("-a 127.0.0.1 -p 0");
    struct client client = dial(&server);
    if (server.serves && client.fd < 0) test_give_up("connect to 127.0.0.1");
    hang_up(&client);
    bool serves = server.serves;
    int status = stop(&server, SIGTERM);
    TEST("a server starts on a free port, and ends after SIGTERM") {
        CHECK_STR(server.stderr_text, "");
        CHECK(serves);
        CHECK_INT(status, 0);
    }
    if (test_is_bad) exit(test_report());
}

#endif
