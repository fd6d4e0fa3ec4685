/* table.c - the table of connections in server.c against a simple model.
 *
 * The server plays its rounds on stand-ins for the system: poll finds random entries ready,
 * accept brings somebody or fails, recv and send move random amounts or fail, the clock runs at
 * random, and a descriptor that was closed is given out again at once. The model is an array with
 * a few flags for each descriptor. Before each round both must tell the same; in each round every
 * connection that was ready, and was not closed before it was its turn, has one turn, and nobody
 * else has one.
 */
#define _POSIX_C_SOURCE 200809L
#include "../test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int model_accept(int fd, struct sockaddr *address, socklen_t *len);
static int model_clock(clockid_t clock, struct timespec *to);
static int model_close(int fd);
static int model_fcntl(int fd, int command, int value);
static int model_poll(struct pollfd polled[], nfds_t count, int timeout);
static ssize_t model_recv(int fd, void *at, size_t len, int flags);
static ssize_t model_send(int fd, const void *at, size_t len, int flags);
static int model_shutdown(int fd, int how);

/* The system's headers have been read above, so that these change server.c alone. */
#define accept        model_accept
#define clock_gettime model_clock
#define close         model_close
#define fcntl         model_fcntl
#define poll          model_poll
#define recv          model_recv
#define send          model_send
#define shutdown      model_shutdown
#include "../../server.c"

#include "books.h"

#define ROUNDS      1000000
#define CONNECTIONS 20
#define FIRST       1000              /* descriptor of the first place in the model */
#define PLACES      (CONNECTIONS + 1) /* one more is open until another has given way */

static struct {
    bool open;
    bool ready;   /* poll said so in this round */
    bool busy;    /* was not idle at the latest full round, or is new: polled in quick rounds too */
    int turns;    /* in this round */
    size_t bytes; /* that it has sent */
} model[PLACES];

static struct server *server;
static size_t buffers;
static int64_t now;
static int clocks; /* how often this round has read it: before poll only a full round does */
static bool full;  /* the round that is played */
static const char *wrong_set, *wrong_turns, *wrong_books; /* the first thing that was wrong */

static unsigned below(unsigned limit) { /* a linear congruence, its upper half */
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % limit;
}

static bool one_in(unsigned n) { return below(n) == 0; }

static int fail(int error) {
    errno = error;
    return -1;
}

/* ---- The system ---- */

static int model_clock(clockid_t clock, struct timespec *to) {
    (void)clock;
    clocks++;
    now += one_in(10000) ? below(20) * SERVER_SECOND : below(1000000);
    *to = (struct timespec){(time_t)(now / 1000000000), (long)(now % 1000000000)};
    return 0;
}

static int model_accept(int fd, struct sockaddr *address, socklen_t *len) {
    static const int errors[] = {EAGAIN, EAGAIN, EAGAIN, ECONNABORTED, EMFILE};
    int place = 0;
    (void)fd, (void)address, (void)len;
    if (one_in(4)) return fail(errors[below(5)]);
    while (model[place].open) place++;
    model[place].open = model[place].busy = true;
    model[place].ready = false;
    model[place].turns = 0;
    model[place].bytes = 0;
    return FIRST + place;
}

static int model_fcntl(int fd, int command, int value) {
    (void)fd, (void)command, (void)value;
    return one_in(100) ? fail(EBADF) : 0;
}

static void end_turns(int place) {
    if (model[place].turns != model[place].ready)
        wrong_turns = model[place].turns ? "a turn too many" : "a turn was skipped";
    model[place].ready = false;
    model[place].turns = 0;
}

static int model_close(int fd) {
    int place = fd - FIRST;
    if (place < 0) return 0;
    if (!model[place].open) wrong_set = "closed twice";
    if (model[place].turns == 0) model[place].ready = false; /* it was not its turn yet */
    end_turns(place);
    model[place].open = false;
    return 0;
}

static void begin_turn(int fd) { model[fd - FIRST].turns++; }

/* Some bytes of requests that follow one another without end, now and then a wrong one. */
static ssize_t model_recv(int fd, void *at, size_t len, int flags) {
    static const char requests[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    static const int errors[] = {EAGAIN, EINTR, ECONNRESET, ETIMEDOUT};
    char *to = at;
    size_t n = 1 + below(60);
    (void)flags;
    begin_turn(fd);
    if (one_in(30)) return fail(errors[below(4)]);
    if (one_in(30)) return 0;
    for (size_t i = 0; i < n && i < len; i++)
        to[i] = requests[model[fd - FIRST].bytes++ % (sizeof requests - 1)];
    if (one_in(30)) to[0] = '?';
    return (ssize_t)(n < len ? n : len);
}

static bool is_writing(int fd) {
    for (size_t i = 1; i < server->count; i++)
        if (server->polled[i].fd == fd) return server->table[i]->state == WRITING;
    return false;
}

/* A turn of who writes begins with a send; any other send is the end of a turn. */
static ssize_t model_send(int fd, const void *at, size_t len, int flags) {
    static const int errors[] = {EAGAIN, EINTR, ECONNRESET, EPIPE};
    (void)at, (void)flags;
    if (is_writing(fd)) begin_turn(fd);
    if (one_in(30)) return fail(errors[below(4)]);
    return one_in(4) ? (ssize_t)below((unsigned)len) : (ssize_t)len;
}

static int model_shutdown(int fd, int how) {
    (void)fd, (void)how;
    return one_in(20) ? fail(ENOTCONN) : 0;
}

/* Whether polled[1 .. end) are those of the model that this round has to poll. */
static bool polls_the_right(const struct pollfd polled[], size_t end) {
    size_t expected = 0;
    for (int place = 0; place < PLACES; place++)
        expected += model[place].open && (full || model[place].busy);
    for (size_t i = 1; i < end; i++) {
        int place = polled[i].fd - FIRST;
        if (place < 0 || !model[place].open || !(full || model[place].busy)) return false;
        for (size_t j = 1; j < i; j++)
            if (polled[j].fd == polled[i].fd) return false;
    }
    return end - 1 == expected;
}

static int model_poll(struct pollfd polled[], nfds_t count, int timeout) {
    int ready = 0;
    (void)timeout;
    full = clocks > 0;
    size_t end = count > server->count ? count - 1 : count; /* the last one is the signals' pipe */
    if (!polls_the_right(polled, end)) wrong_set = "the polled are not the model's";
    if (one_in(50)) return fail(EINTR);
    for (size_t i = 0; i < count; i++) {
        bool is = one_in(4) && i < end && polled[i].events;
        polled[i].revents = is ? polled[i].events : 0;
        if (i > 0 && i < end) model[polled[i].fd - FIRST].ready = is;
        ready += is;
    }
    return ready;
}

/* ---- The rounds ---- */

static int empty_page(const struct http_request *req, struct http_response *res) {
    (void)req, (void)res;
    return 200;
}

static void play(void) {
    clocks = 0;
    play_round(server);
    for (int place = 0; place < PLACES; place++)
        if (model[place].open) end_turns(place);
    for (size_t i = 1; i < server->count && full; i++)
        model[server->polled[i].fd - FIRST].busy = !is_idle(server, server->table[i], BUSY_TIME);
    if (!wrong_books) wrong_books = books_are_wrong(server, buffers);
}

static void test_addresses(void) {
    static const struct {
        const char *address, *text;
    } cases[] = {
        {"2001:db8:0:10::ff0a", "2001:db8:0:10:0:0:0:ff0a"},
        {"::1", "0:0:0:0:0:0:0:1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::fffe:192.0.2.1", "0:0:0:0:0:fffe:c000:201"},
        {"1::ffff:192.0.2.1", "1:0:0:0:0:ffff:c000:201"},
        {"0:0:1::ffff:192.0.2.1", "0:0:1:0:0:ffff:c000:201"},
    };
    TEST("an IPv6 address is told in full, and one that maps IPv4 as that") {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            union address address = {.v6.sin6_family = AF_INET6};
            char room[INET6_ADDRSTRLEN];
            struct text text = TEXT(room);
            inet_pton(AF_INET6, cases[i].address, &address.v6.sin6_addr);
            put_address(&text, &address);
            CHECK_CASE(str_equal(text_str(&text), str_of(cases[i].text)), cases[i].address);
        }
    }
}

int main(void) {
    static const struct server_options options = {
        .address = "127.0.0.1", .connections = CONNECTIONS, .quiet = true};
    static const struct route routes[] = {{"GET", "/", empty_page}, {NULL, NULL, NULL}};
    const char *failed;
    server = server_create(&options, routes, &failed);
    if (!server) return 1;
    buffers = server->pooled;
    for (long i = 0; i < ROUNDS && !wrong_set && !wrong_turns && !wrong_books; i++) play();
    TEST("a quick round polls the busy connections, a full round all")
    CHECK_CASE(!wrong_set, wrong_set);
    TEST("a connection that is ready has one turn in a round, and no other has one")
    CHECK_CASE(!wrong_turns, wrong_turns);
    TEST("places, buffers and connections agree after each of a million rounds")
    CHECK_CASE(!wrong_books, wrong_books);
    test_addresses();
    server_destroy(server);
    return test_report();
}
