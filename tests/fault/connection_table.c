/* connection_table.c - the arrays of connections in server.c under random events, on the fake system.
 *
 * Before each iteration chance decides which clients send, how much they take, which calls fail, and
 * how far the clock advances. A client whose connection was closed comes again at once, and gets the
 * same descriptor. The model is a flag for each client: whether its connection is active. Before
 * each poll, the server must look at exactly the active connections, or at all. The fake system
 * checks the events, and the invariants.
 */
#define _POSIX_C_SOURCE 200809L
#define MAX_CLIENTS     21 /* one more than connections, and waits until one is evicted */
#include "fake_system.h"

#include "../test.h"

#define SERVERS    100
#define ITERATIONS 10000 /* of each server */
#define REQUEST    "GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n"

static bool active[MAX_CLIENTS]; /* at the last full poll, or accepted since */

static unsigned below(unsigned limit) { /* the upper half of a linear congruential generator */
    static unsigned long long state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % limit;
}

static bool one_in(unsigned n) { return below(n) == 0; }

/* ---- Chance ---- */

static void choose_errors(void) {
    static const struct {
        enum fake_call call;
        unsigned one_in;
        int errors[4];
    } choices[] = {
        {ACCEPT, 2, {EAGAIN, ECONNABORTED, EMFILE, ENFILE}},
        {RECV, 6, {EAGAIN, EINTR, ECONNRESET, ETIMEDOUT}},
        {SEND, 6, {EAGAIN, EINTR, ECONNRESET, EPIPE}},
        {FCNTL, 100, {EBADF, EBADF, EBADF, EBADF}},
        {SHUTDOWN, 20, {ENOTCONN, ENOTCONN, ENOTCONN, ENOTCONN}},
        {POLL, 50, {EINTR, EINTR, EINTR, ENOMEM}},
    };
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
        if (one_in(choices[i].one_in)) fail_next[choices[i].call] = choices[i].errors[below(4)];
}

/* A client sends the next bytes of an endless series of requests, now and then a wrong one. */
static void choose_input(struct client *c) {
    static const char requests[] = REQUEST REQUEST REQUEST;
    static size_t at[MAX_CLIENTS];
    size_t len = 1 + below(60);
    if (c->input_len == 0) {
        size_t *start = &at[c - clients];
        give_input(c, requests + *start, len);
        *start = (*start + len) % strlen(REQUEST);
        if (one_in(30)) give_input(c, "?", 1);
    }
    c->is_readable = one_in(4);
    c->at_eof = c->is_readable && one_in(30);
}

/* The clients have three addresses. */
static void choose_clients(void) {
    for (size_t i = 0; i < client_count; i++) {
        struct client *c = &clients[i];
        if (c->waiting) c->address.v4.sin_addr.s_addr = below(3);
        choose_input(c);
        c->window = one_in(4) ? below(300) : SIZE_MAX;
    }
    for (size_t i = FIRST; i < server->nfds; i++)
        if (server->pollfds[i].events == POLLOUT && !one_in(4))
            client_of(server->pollfds[i].fd)->window = 0;
}

/* ---- The model ---- */

/* Returns whether pollfds[FIRST .. end) are the open connections, or the active ones. */
static bool is_polled_set(const struct pollfd pollfds[], size_t end, bool full) {
    bool seen[MAX_CLIENTS] = {false};
    for (size_t i = FIRST; i < end; i++) seen[client_of(pollfds[i].fd) - clients] = true;
    for (size_t i = 0; i < client_count; i++)
        if (seen[i] != (clients[i].open && (full || active[i]))) return false;
    return true;
}

static void check_polled_set(const struct pollfd pollfds[], nfds_t count) {
    must(is_polled_set(pollfds, count, true) || is_polled_set(pollfds, count, false),
         "an active poll looks at the active connections, a full poll at all");
    must(pollfds[STOP_PIPE].fd == (server->shutdown_deadline ? -1 : server->stop_pipe[0]),
         "the stop pipe is polled until the shutdown begins");
}

/* After a full poll the server decides again which connections are active. Otherwise those that are
 * new are added. */
static void update_model(bool decides_again) {
    for (size_t i = FIRST; i < server->nfds; i++) {
        const struct connection *c = &server->connections[i];
        bool *is_active_one = &active[client_of(server->pollfds[i].fd) - clients];
        *is_active_one =
            decides_again ? is_active(server, c) : *is_active_one || c->since == server->now;
    }
}

static void iterate_at_random(void) {
    int64_t next_full_poll = server->next_full_poll;
    now += one_in(10000) ? below(20) * NS_PER_S : 1 + below(1000000);
    choose_errors();
    choose_clients();
    iterate();
    update_model(server->next_full_poll != next_full_poll);
}

/* ---- The tests ---- */

static int empty_page(const struct http_request *req, struct http_response *res) {
    (void)req, (void)res;
    return 200;
}

static const struct route routes[] = {{"GET", "/", empty_page}, {NULL, NULL, NULL}};

/* A server from its beginning to its end. */
static void run_server(void) {
    open_server(routes, MAX_CLIENTS - 1);
    poll_waits = false;
    clients_return = true;
    before_poll = check_polled_set;
    for (size_t i = 0; i < MAX_CLIENTS; i++) queue_client_at(i);
    for (int i = 0; i < ITERATIONS && !violation; i++) iterate_at_random();
    begin_shutdown(server);
    update_model(false);
    while (server->nfds > FIRST && server->now < server->shutdown_deadline && !violation)
        iterate_at_random();
    before_poll = NULL;
    close_server();
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
        open_server(routes, 1);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct client *c = queue_client_at(i);
            struct peer peer = {0, ""};
            c->address.v6.sin6_family = AF_INET6;
            inet_pton(AF_INET6, cases[i].address, &c->address.v6.sin6_addr);
            fake_close(listen_accept(&listener, &peer));
            bool is_name = cases[i].name ? strcmp(peer.name, cases[i].name) == 0
                                         : strchr(peer.name, ':') != NULL;
            CHECK_CASE(is_name && peer.network == cases[i].network, cases[i].address);
        }
        close_server();
    }
}

int main(void) {
    for (int i = 0; i < SERVERS && !violation; i++) run_server();
    test_addresses();
    TEST("in a million iterations each connection that is ready has one event, each poll looks at "
         "the right ones, and the invariants hold")
    CHECK_CASE(!violation, violation);
    return test_report();
}
