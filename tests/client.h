/* client.h - a server as a child process, and a client that talks to it: for tests that see the
 * server from outside.
 *
 *     struct child server = start(LOOPBACK);
 *     struct client client = dial(&server);
 *     CHECK_INT(ask(&client, GET("/home")), 401);
 *     CHECK_STR(client.body, UNAUTHORIZED);
 *     hang_up(&client);
 *     CHECK_INT(stop(&server, SIGTERM), 0);
 *
 * The server is the program that the environment variable SERVER names, or build/server. It is built
 * with -DSERVER_SECOND=50000000, so its timeouts are twenty times as short. RUNNER may name a command
 * that runs it, such as `qemu-arm`. That command must not write to standard error itself, because the
 * tests look at it.
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
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
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
#define LOOPBACK        "-a 127.0.0.1 -p 0 "

/* Requests, and their parts. COOKIE is the field with the session that ask_with is given. */
#define HOST      "Host: a\r\n"
#define COOKIE    "Cookie: session_id=<id>\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define SHORTEST  "GET / HTTP/1.1\r\nHost:\r\n\r\n" /* the response is ten times as long */
#define FOO       LOGIN_AS("foo", "foo")            /* 35 bytes */
#define LOGIN     "POST /login HTTP/1.1\r\n" HOST "Content-Length: 35\r\n\r\n" FOO

#define LOGIN_AS(name, password) "{\"username\":\"" name "\",\"password\":\"" password "\"}"

#define TEN     "0123456789"
#define FIFTY   TEN TEN TEN TEN TEN
#define LONGEST FIFTY FIFTY FIFTY FIFTY FIFTY "01234" /* name or password: 255 bytes */

/* Bodies of responses. */
#define LOGGED_IN    "{\"message\": \"Logged in\", \"session_id\": \"<id>\"}"
#define HELLO        "{\"message\": \"Hello, foo\"}"
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

/* Returns what printf would print, in memory that one of the next calls uses again. */
static inline const char *text_of(const char *format, ...) {
    static char texts[4][2048];
    static unsigned next;
    va_list list;
    char *text = texts[next++ % COUNT(texts)];
    va_start(list, format);
    vsnprintf(text, sizeof texts[0], format, list);
    va_end(list);
    return text;
}

static inline const char *path_of(const char *name) { return text_of("%s/%s", folder, name); }

static inline void kill_all(void) {
    for (size_t i = 0; i < COUNT(children); i++)
        if (children[i] > 0) kill(children[i], SIGKILL);
}

static inline void on_fatal_signal(int number) {
    kill_all();
    test_report_signal(number);
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
    const char *options; /* split by a shell */
    const char *before;  /* commands for that shell, such as "ulimit -n 40" */
    int out;             /* its standard output, instead of a pipe that we read */
    int err;             /* its standard error, instead of a file that we read */
    int listener;        /* becomes its descriptor 3 */
    bool blocks_signals; /* all signals are blocked at the start */
};

struct child {
    pid_t pid;
    int port;  /* 0 if it has none */
    int out;   /* we read its standard output here */
    FILE *err; /* it writes its standard error here */
    bool serves;
    char stdout_text[4096], stderr_text[65536]; /* what was read of them */
};

static inline void exec_server(const struct setup *setup, int out, int err) {
    static const int reset[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM}; /* we may have them ignored */
    const char *runner = getenv("RUNNER"), *server = getenv("SERVER");
    char command[4096];
    sigset_t all;
    snprintf(command, sizeof command, "%s\nexec %s %s %s", setup->before ? setup->before : "",
             runner ? runner : "", server ? server : "build/server", setup->options);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    if (setup->listener) dup2(setup->listener, 3);
    for (int fd = setup->listener ? 4 : 3; fd < 256; fd++) close(fd);
    for (size_t i = 0; i < COUNT(reset); i++) signal(reset[i], SIG_DFL);
    sigfillset(&all);
    if (setup->blocks_signals) sigprocmask(SIG_BLOCK, &all, NULL);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

/* Adds what comes from a pipe or a terminal to `text`, until a line with `part` is complete. Returns
 * that line, or NULL if it does not come. If `part` is NULL, it reads until the end. */
static inline const char *read_until(int fd, char *text, size_t size, const char *part) {
    size_t len = strlen(text);
    const char *line = NULL;
    while (!line || !strchr(line, '\n')) {
        if (poll(&(struct pollfd){fd, POLLIN, 0}, 1, MAX_WAIT) != 1) return NULL;
        ssize_t n = read(fd, text + len, size - 1 - len);
        if (n <= 0) return NULL;
        len += (size_t)n;
        text[len] = '\0';
        line = part ? strstr(text, part) : NULL;
    }
    return line;
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
    size_t i = 0;
    while (i < COUNT(children) - 1 && children[i] != 0) i++;
    children[i] = child.pid;
    close(out[1]);
    child.out = out[0];
    const char *serving =
        read_until(child.out, child.stdout_text, sizeof child.stdout_text, "Serving on ");
    const char *colon = serving ? strrchr(serving, ':') : NULL;
    child.serves = serving != NULL;
    child.port = colon ? atoi(colon + 1) : 0;
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
    read_until(child->out, child->stdout_text, sizeof child->stdout_text, NULL);
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
    printf("FAIL the server has ended before its time: wait status %d\n", status);
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

/* Returns the writing end of a pipe whose reading end is closed. */
static inline int open_broken_pipe(void) {
    int ends[2];
    if (pipe(ends) < 0) test_give_up("open a pipe");
    close(ends[0]);
    return ends[1];
}

/* Returns the number of open descriptors of the server, or -1 if the system does not tell it. */
static inline int count_descriptors(const struct child *child) {
    int count = 0;
    DIR *descriptors = opendir(text_of("/proc/%ld/fd", (long)child->pid));
    if (!descriptors) return -1;
    while (readdir(descriptors)) count++;
    closedir(descriptors);
    return count;
}

/* If there is no IPv6, it prints that tests are skipped. */
static inline bool has_ipv6(void) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool has = fd >= 0 && bind(fd, (void *)&address, sizeof address) == 0;
    if (fd >= 0) close(fd);
    if (!has) printf("skipped: this machine has no IPv6\n");
    return has;
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
    size_t len;   /* of the text in `in`, which belongs to the next responses */
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

static inline struct client dial_from(const struct child *server, int from) {
    struct sockaddr_in address = loopback(server->port);
    return dial_as(&address, sizeof address, false, from);
}

static inline struct client dial(const struct child *server) { return dial_from(server, 0); }

static inline void hang_up(struct client *client) {
    if (client->fd >= 0) close(client->fd);
    client->fd = -1;
}

/* Sends requests, and reads no response, until the server has taken nothing for `wait` ms. */
static inline struct client dial_without_reading(const struct child *server, int wait) {
    struct sockaddr_in address = loopback(server->port);
    struct client client = dial_as(&address, sizeof address, true, 0);
    struct pollfd polled = {client.fd, POLLOUT, 0};
    ssize_t n = 1;
    while (poll(&polled, 1, wait) == 1 && (n > 0 || errno == EAGAIN))
        n = send(client.fd, SHORTEST, strlen(SHORTEST), MSG_DONTWAIT);
    return client;
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
    size_t room = sizeof client->in - 1 - client->len;
    if (client->fd < 0 || room == 0) return BROKEN;
    if (poll(&polled, 1, MAX_WAIT) != 1) return TIMED_OUT;
    ssize_t n = recv(client->fd, client->in + client->len, room, 0);
    if (n > 0) client->len += (size_t)n;
    client->in[client->len] = '\0';
    return n > 0 ? 1 : n == 0 && client->len == 0 ? ENDED : BROKEN;
}

/* A header line of the latest response begins with this string literal. */
#define CHECK_LINE(client, start) CHECK_HAS((client)->head, "\r\n" start)

/* Reads one response. Returns its status, or one of the three values above. */
static inline int read_response(struct client *client) {
    const char *end;
    int more;
    client->head[0] = client->body[0] = '\0';
    while ((end = strstr(client->in, "\r\n\r\n")) == NULL)
        if ((more = read_more(client)) != 1) return more;
    size_t head = (size_t)(end + 4 - client->in), body = 0;
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
    memmove(client->in, client->in + head + body, client->len + 1);
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

/* Sends a request that is put together from these parts, and reads its response. `body` may be NULL.
 * In the fields, <id> stands for the session. */
static inline int ask_with(struct client *client, const char *line, const char *fields,
                           const char *body, const char *session) {
    char request[4096], length[48] = "";
    const char *mark = strstr(fields, "<id>");
    int before = mark ? (int)(mark - fields) : (int)strlen(fields);
    if (body) snprintf(length, sizeof length, "Content-Length: %zu\r\n", strlen(body));
    snprintf(request, sizeof request, "%s HTTP/1.1\r\n" HOST "%.*s%s%s%s\r\n%s", line, before,
             fields, mark ? session : "", mark ? mark + 4 : "", length, body ? body : "");
    return ask(client, request);
}

/* Copies the session id in the response to a login, or the empty string. */
static inline void copy_id(const struct client *client, char id[41]) {
    const char *value = strstr(client->body, "\"session_id\": \"");
    snprintf(id, 41, "%s", value ? value + 15 : "");
}

/* Logs in with these credentials (a JSON text) and copies the session id. Returns the status. */
static inline int log_in(const struct child *server, const char *credentials, char id[41]) {
    struct client client = dial(server);
    int status = ask_with(&client, "POST /login", "", credentials, NULL);
    copy_id(&client, id);
    hang_up(&client);
    return status;
}

/* Sends GET /home in the session `id`. Returns the status. */
static inline int visit(const struct child *server, const char *id) {
    struct client client = dial(server);
    int status = ask_with(&client, "GET /home", COOKIE, NULL, id);
    hang_up(&client);
    return status;
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
    struct child server = start(LOOPBACK);
    struct client client = dial(&server);
    if (server.serves && client.fd < 0) test_give_up("connect to 127.0.0.1");
    hang_up(&client);
    int status = stop(&server, SIGTERM);
    TEST("a server starts on a free port, and ends after SIGTERM") {
        CHECK_STR(server.stderr_text, "");
        CHECK(server.serves);
        CHECK_INT(status, 0);
    }
    if (test_is_bad) exit(test_report());
}

#endif
