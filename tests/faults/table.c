/* table.c - the arrays of connections in server.c against a simple model.
 *
 * The server runs on stand-ins for the system: poll finds random entries ready, accept succeeds or
 * fails, recv and send move random amounts or fail, the clock advances at random, and a descriptor
 * that was closed is given out again at once. The model is an array with a few flags for each
 * descriptor. Before each iteration both must agree. In each iteration every connection that was
 * ready, and was not closed before its event, has one event, and no other connection has one.
 */
#define _POSIX_C_SOURCE 200809L
#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static unsigned below(unsigned limit) { /* the upper half of a linear congruential generator */
    static unsigned long long state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % limit;
}

static bool one_in(unsigned n) { return below(n) == 0; }

static int fail(int error) {
    errno = error;
    return -1;
}

static bool is_random = true;

static int model_accept(void *address);
static int model_clock(struct timespec *to);
static int model_close(int fd);
static int model_fcntl(int fd);
static int model_poll(struct pollfd pollfds[], nfds_t count);
static ssize_t model_recv(int fd, char *to, size_t len);
static ssize_t model_send(int fd, size_t len);
static int model_shutdown(int fd);

/* The system's headers have been read above, so these change only server.c and listen.c. */
#define accept(fd, address, len)      ((void)(fd), (void)(len), model_accept(address))
#define clock_gettime(clock, to)      model_clock(to)
#define close(fd)                     model_close(fd)
#define fcntl(fd, command, value)     model_fcntl(fd)
#define poll(pollfds, count, timeout) ((void)(timeout), model_poll(pollfds, count))
#define recv(fd, to, len, flags)      model_recv(fd, to, len)
#define send(fd, from, len, flags)    model_send(fd, len)
#define shutdown(fd, how)             model_shutdown(fd)

/* So that the object of listen.c may be linked, too. */
#define listen_valid_address model_listen_valid_address
#define listen_open          model_listen_open
#define listen_close         model_listen_close
#define listen_accept        model_listen_accept

#include "../../listen.c"
#include "../../server.c"
#undef close

#include "books.h"

#define SERVERS     100
#define ITERATIONS  10000 /* of each server */
#define CONNECTIONS 20
#define LISTENER_FD 900
#define FIRST_FD    1000              /* the first descriptor in the model */
#define DESCRIPTORS (CONNECTIONS + 1) /* one more is open until a connection is evicted */

static struct {
    bool open;
    bool ready;   /* poll said so in this iteration */
    bool writes;  /* poll was asked whether it can send */
    bool active;  /* when the active connections were last moved to the front, or accepted since */
    bool flushed; /* all output was sent in this event, so another send belongs to it */
    int events;   /* in this iteration */
    size_t bytes; /* that it has sent */
} model[DESCRIPTORS];

static struct server *server;
static int64_t now;
static struct sockaddr_in6 next_address = {.sin6_family = AF_INET6}; /* of a client */
static const char *wrong_set, *wrong_events, *wrong_invariant; /* the first error of each kind */

/* ---- The system ---- */

static int model_clock(struct timespec *to) {
    now += one_in(10000) ? below(20) * NS_PER_S : 1 + below(1000000);
    *to = (struct timespec){(time_t)(now / NS_PER_S), (long)(now % NS_PER_S)};
    return 0;
}

/* The clients have three addresses. */
static int model_accept(void *address) {
    static const int errors[] = {EAGAIN, EAGAIN, EAGAIN, ECONNABORTED, EMFILE, ENFILE};
    int i = 0;
    if (is_random && one_in(4)) return fail(errors[below(6)]);
    while (model[i].open) i++;
    memset(&model[i], 0, sizeof model[i]);
    model[i].open = model[i].active = true;
    if (is_random) next_address.sin6_addr.s6_addr[0] = (unsigned char)below(3);
    memcpy(address, &next_address, sizeof next_address);
    return FIRST_FD + i;
}

static void end_events(int i) {
    if (model[i].events != model[i].ready)
        wrong_events = model[i].events ? "an event too many" : "an event was skipped";
    model[i].ready = model[i].flushed = false;
    model[i].events = 0;
}

static int model_fcntl(int fd) {
    (void)fd;
    return is_random && one_in(100) ? fail(EBADF) : 0;
}

static int model_shutdown(int fd) {
    (void)fd;
    return one_in(20) ? fail(ENOTCONN) : 0;
}

static int model_close(int fd) {
    int i = fd - FIRST_FD;
    if (fd == LISTENER_FD) return 0;
    if (i < 0) return close(fd);
    if (!model[i].open) wrong_set = "a descriptor was closed twice";
    if (model[i].events == 0) model[i].ready = false; /* it was closed before its event */
    end_events(i);
    model[i].open = false;
    return 0;
}

/* Receives some bytes of an endless series of requests, now and then a wrong one. */
/* The first EINTR does not count as an event, because the server reads again in the same one. */
static ssize_t model_recv(int fd, char *to, size_t len) {
    static bool interrupted;
    static const char requests[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n";
    static const int errors[] = {EAGAIN, EINTR, ECONNRESET, ETIMEDOUT};
    size_t n = 1 + below(60);
    int error = one_in(30) ? errors[below(4)] : 0;
    interrupted = error == EINTR && !interrupted;
    if (!interrupted) model[fd - FIRST_FD].events++;
    if (error) return fail(error);
    if (one_in(30)) return 0;
    for (size_t i = 0; i < n && i < len; i++)
        to[i] = requests[model[fd - FIRST_FD].bytes++ % (sizeof requests - 1)];
    if (one_in(30)) to[0] = '?';
    return (ssize_t)(n < len ? n : len);
}

/* The event of a connection that waits to send begins with a send. Any other send belongs to an event
 * that has begun. */
static ssize_t model_send(int fd, size_t len) {
    static const int errors[] = {EAGAIN, EINTR, ECONNRESET, EPIPE};
    int i = fd - FIRST_FD;
    if (model[i].writes && !model[i].flushed) model[i].events++;
    model[i].flushed = false;
    if (one_in(30)) return fail(errors[below(4)]);
    if (one_in(4)) return (ssize_t)below((unsigned)len);
    model[i].flushed = true;
    return (ssize_t)len;
}

/* Returns whether pollfds[FIRST .. end) are the open connections of the model, or the active ones. */
static bool is_polled_set(const struct pollfd pollfds[], size_t end, bool full) {
    size_t expected = FIRST;
    for (int i = 0; i < DESCRIPTORS; i++) expected += model[i].open && (full || model[i].active);
    for (size_t i = FIRST; i < end; i++) {
        int place = pollfds[i].fd - FIRST_FD;
        if (place < 0 || !model[place].open || !(full || model[place].active)) return false;
        for (size_t j = FIRST; j < i; j++)
            if (pollfds[j].fd == pollfds[i].fd) return false;
    }
    return end == expected;
}

static int model_poll(struct pollfd pollfds[], nfds_t count) {
    static const int errors[] = {EINTR, EINTR, ENOMEM};
    int ready = 0;
    if (!pollfds) return 0;
    if (!is_polled_set(pollfds, count, true) && !is_polled_set(pollfds, count, false))
        wrong_set = "the polled connections are not those of the model";
    if (pollfds[STOP_PIPE].fd != (server->shutdown_deadline ? -1 : server->stop_pipe[0]))
        wrong_set = "the stop pipe is not polled";
    if (one_in(50)) return fail(errors[below(3)]);
    for (size_t i = 0; i < count; i++) {
        bool is_ready = one_in(4) && pollfds[i].fd >= LISTENER_FD;
        pollfds[i].revents = is_ready ? pollfds[i].events : 0;
        ready += is_ready;
        if (i < FIRST) continue;
        model[pollfds[i].fd - FIRST_FD].ready = is_ready;
        model[pollfds[i].fd - FIRST_FD].writes = pollfds[i].events == POLLOUT;
    }
    return ready;
}

/* ---- The iterations ---- */

static int empty_page(const struct http_request *req, struct http_response *res) {
    (void)req, (void)res;
    return 200;
}

static bool is_wrong(void) { return wrong_set || wrong_events || wrong_invariant; }

static void iterate(void) {
    int64_t before = server->next_full_poll;
    run_once(server);
    for (int i = 0; i < DESCRIPTORS; i++)
        if (model[i].open) end_events(i);
    for (size_t i = FIRST; i < server->nfds && server->next_full_poll != before; i++)
        model[server->pollfds[i].fd - FIRST_FD].active = is_active(server, &server->connections[i]);
    if (!wrong_invariant) wrong_invariant = invariant_violation(server);
}

/* A server from its beginning to its end. */
static void run_server(void) {
    static const struct route routes[] = {{"GET", "/", empty_page}, {NULL, NULL, NULL}};
    struct listener listener = {.fd = LISTENER_FD};
    static struct log log_; /* `log` is a function of <math.h> */
    log_open(&log_, true);
    server = server_create(&listener, routes, &log_, CONNECTIONS);
    if (!server) exit(1);
    for (int i = 0; i < ITERATIONS && !is_wrong(); i++) iterate();
    begin_shutdown(server);
    while (server->nfds > FIRST && server->now < server->shutdown_deadline && !is_wrong())
        iterate();
    server_destroy(server);
    for (int i = 0; i < DESCRIPTORS; i++)
        if (model[i].open) wrong_set = "a descriptor was not closed";
}

static void test_addresses(void) {
    static const struct {
        const char *address, *name;
        uint64_t network;
    } cases[] = {
        {"2001:db8:0:10::ff0a", "2001:db8:0:10::ff0a", UINT64_C(0x20010db800000010)},
        {"::1", "::1", 0},
        {"::ffff:192.0.2.1", "192.0.2.1", 0xc0000201},
        {"::fffe:192.0.2.1", NULL, 0},
        {"0:0:1::ffff:192.0.2.1", NULL, UINT64_C(0x10000)},
    };
    TEST("the network of an IPv6 client is its /64, and a mapped IPv4 address counts as IPv4") {
        is_random = false;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct listener listener = {.fd = LISTENER_FD};
            struct peer peer;
            inet_pton(AF_INET6, cases[i].address, &next_address.sin6_addr);
            listen_accept(&listener, &peer);
            model[0].open = false;
            bool is_name = cases[i].name ? strcmp(peer.name, cases[i].name) == 0
                                         : strchr(peer.name, ':') != NULL;
            CHECK_CASE(is_name && peer.network == cases[i].network, cases[i].address);
        }
    }
}

int main(void) {
    for (int i = 0; i < SERVERS && !is_wrong(); i++) run_server();
    TEST("an active poll looks at the active connections, a full poll at all")
    CHECK_CASE(!wrong_set, wrong_set);
    TEST("a connection that is ready has one event in an iteration, and no other has one")
    CHECK_CASE(!wrong_events, wrong_events);
    TEST("the invariants hold after each of a million iterations")
    CHECK_CASE(!wrong_invariant, wrong_invariant);
    test_addresses();
    return test_report();
}
