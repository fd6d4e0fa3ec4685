/* server.c - fuzzes the whole server, in one process, on the fake operating system of world.h.
 *
 * An input is a script. Its bytes are what a peer sends. \377 begins a command of a letter and a
 * number, which is one character: '0' is 0, '9' is 9, 'A' is 17 and 'O' is 31.
 *
 *     c  the peer that sends from here on; a new one connects
 *     r  run the event loop number + 1 times, or less often if nothing is left to do
 *     t  2^number microseconds pass
 *     x  the peer sends its last 2^number bytes again
 *     k  the peer sends the token of a session that exists
 *     i  the server reads at most so many bytes of this peer at once; 0 = any
 *     o  the peer receives 8 * number^2 more bytes, and with 31 any
 *     e  the peer sends nothing more (even), or resets the connection (odd)
 *     l  the output of the log is blocked (odd), or takes so many bytes at once; 0 = any
 *     f  one of the faults in world.h is about to happen
 *     s  a signal stops the server, now (even) or during the next poll (odd)
 *
 * After each iteration the arrays and the buffers follow the rules in server.c, and at the end all
 * resources were given back. Responses and log lines are well-formed. Each peer gets the responses
 * that it would get if it were alone and sent everything at once; a peer that was cut off gets the
 * first of them.
 */
#define _POSIX_C_SOURCE 200809L
#include "world.h"

#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#define CONNECTIONS 12 /* fewer than peers, and more than buffers */

#define accept                            fake_accept
#define recv                              fake_recv
#define send                              fake_send
#define shutdown                          fake_shutdown
#define close(fd)                         fake_close(fd)
#define fcntl                             fake_fcntl
#define poll                              fake_poll
#define write                             fake_write
#define clock_gettime                     fake_clock_gettime
#define time(to)                          ((time_t)784111777)
#define pipe                              fake_pipe
#define socket                            fake_socket
#define bind(fd, address, len)            fake_other((len) > 0 ? (address) : NULL)
#define listen(fd, backlog)               fake_other("")
#define setsockopt(fd, at, name, on, len) fake_other(on)
#define getsockname(fd, address, len)     fake_other(len)
#define isatty(fd)                        false
#define main                              app_main
#include "../../server.c"

#include "../../listen.c"
#include "../../log.c"

#include "../../app.c"

/* ---- The server ---- */

static struct listener listener;
static char known_token[DB_TOKEN_LEN];
static bool signal_in_poll, shutdown_begins;

/* Each connection after the latest iteration; `output` is the length of all its output. */
static struct {
    bool open;
    enum conn_state state;
    int64_t since;
    size_t output;
} last_seen[PEERS];

static void open_server(void) {
    static const struct db_options options = {.max_users = 1, .max_sessions = 64, .echo = echo};
    poll_waits = stop_pipe_is_ready = signal_in_poll = log_is_blocked = false;
    log_max_write = 0;
    clock_now = START;
    memset(peers, 0, sizeof peers);
    memset(errors, 0, sizeof errors);
    memset(last_seen, 0, sizeof last_seen);
    log_open(&access_log, false);
    db = db_create(&options);
    HOLDS(db && db_add_user(db, STR("foo"), STR("foo")));
    struct user *foo = db_authenticate(db, STR("foo"), STR("foo"), clock_now);
    memcpy(known_token, db_add_session(db, foo, clock_now)->token, sizeof known_token);
    HOLDS(!listen_open(&listener, "0.0.0.0", 8080));
    server = server_create(&listener, routes, &access_log, CONNECTIONS);
    HOLDS(server);
}

static void close_server(void) {
    last_fd = -1;
    server_destroy(server);
    listen_close(&listener);
    db_destroy(db);
    for (int i = 0; i < PEERS; i++) HOLDS(!peers[i].open);
    HOLDS(!listening && access_log.lines.len == 0 && access_log.dropped == 0 && log_line_len == 0);
}

static bool token_is_valid(void) {
    return db_use_session(db, (struct str){known_token, DB_TOKEN_LEN}, clock_now) != NULL;
}

/* The handler keeps errno, because it may run between a call and a look at errno. */
static void stop(void) {
    errno = ERANGE;
    on_stop_signal(SIGTERM);
    HOLDS(errno == ERANGE && server->stop_requested && stop_pipe_is_ready);
}

static void deliver_signal_in_poll(void) {
    if (!signal_in_poll) return;
    signal_in_poll = false;
    stop();
    errors[POLL] = EINTR;
}

/* ---- The invariants: the rules in server.c, above `enum { LISTENER, ...` ---- */

static size_t buffers_in_use(void) { return server->buffer_count - server->free_buffer_count; }

static void mark_buffer(bool seen[], const struct buffer *buffer) {
    const struct buffer *pool = (const struct buffer *)(server->connections + server->max_nfds);
    HOLDS(buffer >= pool && buffer < pool + server->buffer_count && !seen[buffer - pool]);
    seen[buffer - pool] = true;
}

/* The state, the buffer and the events of a connection agree, and the two arrays agree about the
 * peer. Input that waits is the beginning of a request; everything else was responded to. */
static void check_connection(const struct connection *c, const struct pollfd *pollfd) {
    static struct http_request req;
    enum conn_state state = state_of(c);
    bool has_input = c->buffer && c->buffer->in.len > 0;
    int peer = pollfd->fd - FIRST_PEER_FD;
    HOLDS(peer_at(pollfd->fd) && c->peer.network == network_of(peer));
    HOLDS((c->buffer != NULL) == (state == READING || state == WRITING));
    HOLDS(!c->buffer || has_input || c->buffer->out.len > 0);
    HOLDS(pollfd->events == (state == WRITING ? POLLOUT : POLLIN) && pollfd->revents == 0);
    HOLDS(!c->close_after_response || state == WRITING || state == LINGERING);
    HOLDS(!c->continue_sent || has_input);
    HOLDS(state != READING || http_parse(c->buffer->in.s, c->buffer->in.len, &req) == 0);
    HOLDS(state != READING || http_empty_lines_len(c->buffer->in.s, c->buffer->in.len) == 0);
    HOLDS(!poll_waits || server->now < deadline_of(server, c) + 2 * TIMER_SLACK);
    if (server->active_end == FIRST && server->shutdown_deadline == 0)
        HOLDS(deadline_of(server, c) >= server->next_deadline);
}

/* `since` is the time of the last change of state or the last response. Nothing else changes it: no
 * 100 (Continue), no empty line, and no part of a request. */
static void check_since(const struct connection *c, int peer) {
    size_t output = peers[peer].received_len + (c->buffer ? c->buffer->out.len : 0);
    bool responded = output - last_seen[peer].output > strlen("HTTP/1.1 100 Continue\r\n\r\n");
    bool changed = !last_seen[peer].open || state_of(c) != last_seen[peer].state || responded;
    HOLDS(c->since == (changed ? server->now : last_seen[peer].since));
    last_seen[peer].open = true;
    last_seen[peer].state = state_of(c);
    last_seen[peer].since = c->since;
    last_seen[peer].output = output;
}

static void check_invariants(void) {
    bool has_entry[PEERS] = {false}, seen[CONNECTIONS + 1] = {false};
    HOLDS(FIRST <= server->active_end && server->active_end <= server->nfds);
    HOLDS(server->nfds <= FIRST + CONNECTIONS && server->free_buffer_count >= 1);
    for (size_t i = FIRST; i < server->nfds; i++) {
        const struct connection *c = &server->connections[i];
        int peer = server->pollfds[i].fd - FIRST_PEER_FD;
        check_connection(c, &server->pollfds[i]);
        check_since(c, peer);
        has_entry[peer] = true;
        if (c->buffer) mark_buffer(seen, c->buffer);
    }
    size_t open = 0;
    for (int i = 0; i < PEERS; i++) {
        HOLDS(peers[i].open == has_entry[i] && !peers[i].has_event);
        open += peers[i].open;
    }
    HOLDS(open == server->nfds - FIRST); /* so no fd has two entries */
    for (size_t i = 0; i < server->free_buffer_count; i++)
        mark_buffer(seen, server->free_buffers[i]);
    for (size_t i = 0; i < server->buffer_count; i++) HOLDS(seen[i]);
    HOLDS(server->response.body.len == 0 && server->response.extra_fields.len == 0);
}

static void check_zero(const char *bytes, size_t len) {
    HOLDS(bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

/* Buffers that are not in use are erased. */
static void check_erased(void) {
    for (size_t i = 0; i < server->free_buffer_count; i++) {
        const struct buffer *buffer = server->free_buffers[i];
        check_zero(buffer->in_storage, sizeof buffer->in_storage);
        check_zero(buffer->out_storage, sizeof buffer->out_storage);
    }
    check_zero(server->response.body_storage, sizeof server->response.body_storage);
}

/* Returns how many connections a peer's client has besides this peer, or how many buffers. */
static size_t held_by(int peer, bool for_buffer) {
    size_t held = 0;
    for (size_t i = FIRST; i < server->nfds; i++) {
        int other = server->pollfds[i].fd - FIRST_PEER_FD;
        if (client_of(other) != client_of(peer)) continue;
        held += for_buffer ? server->connections[i].buffer != NULL : other != peer;
    }
    return held;
}

/* Called when a connection is closed. If the last call was for another one, and this one is too
 * young to have expired, it is evicted. A client that holds more than its share evicts only its own
 * connections. The share is one here, because 1/16 of the table or of the pool is less. */
static void check_close(int fd) {
    int peer = last_fd - FIRST_PEER_FD;
    size_t i = FIRST;
    while (i < server->nfds && server->pollfds[i].fd != fd) i++;
    const struct connection *c = &server->connections[i];
    if (last_fd < 0 || i == server->nfds) return;
    HOLDS(!shutdown_begins || !is_busy(server, c));
    if (server->stop_requested || server->now - c->since >= timeouts[LINGERING]) return;
    if (client_of(fd - FIRST_PEER_FD) == client_of(peer)) return;
    HOLDS(held_by(peer, !last_was_accept) <= 1);
}

/* ---- The event loop, as server_run runs it ---- */

static bool has_ended(void) {
    return server->shutdown_deadline > 0 &&
           (server->nfds == FIRST || server->now >= server->shutdown_deadline);
}

/* Returns when an iteration that begins now has to end, if poll waits. */
static int64_t latest_end(void) {
    int64_t deadline = server->shutdown_deadline > 0 ? server->shutdown_deadline : INT64_MAX;
    for (size_t i = FIRST; i < server->nfds; i++) {
        int64_t other = deadline_of(server, &server->connections[i]);
        if (other < deadline) deadline = other;
    }
    if (deadline == INT64_MAX) return INT64_MAX;
    return (deadline > clock_now ? deadline : clock_now) + TIMER_SLACK + 3 * NS_PER_MS;
}

/* A connection is only evicted for another one, and only one that is not busy. */
static void step_into_shutdown(void) {
    size_t in_use = buffers_in_use(), nfds = server->nfds;
    shutdown_begins = true;
    begin_shutdown(server);
    shutdown_begins = false;
    HOLDS(!listening && buffers_in_use() == in_use && server->nfds >= nfds);
    check_invariants();
}

/* Runs one step. Returns whether there may be more to do. After an active poll without events a
 * full poll follows at once, unless poll waits. */
static bool step(void) {
    if (has_ended()) return false;
    if (server->stop_requested && server->shutdown_deadline == 0) {
        step_into_shutdown();
        return true;
    }
    int64_t next_full_poll = server->next_full_poll, latest = latest_end();
    run_once(server);
    check_invariants();
    HOLDS(!waits_for_ever || server->nfds == FIRST);
    HOLDS(!poll_waits || server->now <= latest);
    bool was_full = server->next_full_poll != next_full_poll;
    if (last_ready == 0 && !was_full && !poll_waits) server->next_full_poll = 0;
    return last_ready != 0 || !was_full;
}

static void step_until_silent(void) {
    for (int steps = 0; step(); steps++) HOLDS(steps < 100000);
}

/* ---- The script ---- */

static bool disturbed; /* a peer may be cut off */
static char sent[PEERS][2 + MAX_SENT], received[2][PEERS][MAX_RECEIVED];

static struct fake_peer *connect_peer(size_t number, int performance) {
    struct fake_peer *peer = &peers[number % PEERS];
    if (peer->exists) return peer;
    *peer = (struct fake_peer){.exists = true, .waiting = true, .window = ANY};
    peer->sent = sent[number % PEERS] + 2;
    peer->received = received[performance][number % PEERS];
    return peer;
}

static void peer_sends(struct fake_peer *peer, const char *bytes, size_t len) {
    size_t left = MAX_SENT - peer->sent_len;
    if (peer->at_eof || peer->reset) return;
    if (len > left) len = left;
    memcpy(peer->sent + peer->sent_len, bytes, len);
    peer->sent_len += len;
}

static void repeat(struct fake_peer *peer, size_t len) {
    if (len > peer->sent_len) len = peer->sent_len;
    peer_sends(peer, peer->sent + peer->sent_len - len, len);
}

static void prepare_fault(size_t number) {
    const struct fault *fault = &faults[number % (sizeof faults / sizeof *faults)];
    errors[fault->call] = fault->error;
    disturbed = disturbed || fault->hurts;
}

static void set_log_output(unsigned number) {
    log_is_blocked = number % 2;
    log_max_write = number;
}

static void run_command(struct fake_peer *peer, char letter, unsigned number) {
    switch (letter) {
    case 'r':
        while (step() && number-- > 0) continue;
        break;
    case 't': clock_now += INT64_C(1000) << number; break;
    case 'x': repeat(peer, (size_t)1 << number); break;
    case 'k': peer_sends(peer, known_token, sizeof known_token); break;
    case 'i': peer->max_read = number; break;
    case 'o': peer->window = number == 31 ? ANY : (size_t)8 * number * number; break;
    case 'e': *(number % 2 ? &peer->reset : &peer->at_eof) = true; break;
    case 'l': set_log_output(number); break;
    case 'f': prepare_fault(number); break;
    case 's':
        if (number % 2)
            signal_in_poll = true;
        else
            stop();
        break;
    default: break;
    }
}

static void run_script(const char *input, size_t size) {
    struct fake_peer *peer = connect_peer(0, 0);
    for (size_t i = 0; i < size; i++) {
        if (input[i] != '\377' || size - i < 3) {
            peer_sends(peer, input + i, 1);
            continue;
        }
        char letter = input[++i];
        unsigned number = (unsigned)(input[++i] - '0') & 31;
        if (letter == 'c')
            peer = connect_peer(number, 0);
        else
            run_command(peer, letter, number);
    }
}

/* Removes all obstacles, and runs until nothing is left to do. If accepting is paused, the first
 * iteration notices that the pause is over, and the next one accepts. */
static void remove_obstacles(void) {
    size_t count = 0;
    memset(errors, 0, sizeof errors);
    set_log_output(0);
    for (int i = 0; i < PEERS; i++) {
        if (!peers[i].exists) continue;
        count++;
        peers[i].max_read = 0;
        peers[i].window = ANY;
    }
    disturbed = disturbed || count >= server->buffer_count; /* there may have been evictions */
    step_until_silent();
    clock_now += RETRY_TIME;
    step_until_silent();
    step_until_silent();
    disturbed = disturbed || clock_now - START >= timeouts[READING];
}

/* Time alone ends all connections. Then nothing wakes the server, and nothing is left in memory. */
static void wait_until_all_are_closed(void) {
    int64_t start = clock_now;
    poll_waits = true;
    for (int steps = 0; server->nfds > FIRST && !has_ended(); steps++) {
        HOLDS(steps < 2000);
        step();
    }
    HOLDS(clock_now - start < 2 * timeouts[IDLE]);
    waits_for_ever = false;
    for (int steps = 0; steps < 5 && !waits_for_ever; steps++) step();
    HOLDS(waits_for_ever || has_ended());
    check_erased();
}

/* Every peer sends the same as in the script, all at once, and one comes after the other. The empty
 * line in front of it makes no difference. */
static void run_in_order(const struct fake_peer script[]) {
    for (size_t i = 0; i < PEERS; i++) {
        if (!script[i].exists) continue;
        struct fake_peer *peer = connect_peer(i, 1);
        peer->sent = memcpy(sent[i], "\r\n", 2);
        peer->sent_len = 2 + script[i].sent_len;
        step_until_silent();
    }
}

/* The server ends in time although it still has connections. */
static void run_to_the_end(void) {
    int64_t start = clock_now;
    poll_waits = true;
    stop();
    server_run(server);
    HOLDS(has_ended() && clock_now - start < SHUTDOWN_TIMEOUT + TIMER_SLACK);
}

/* ---- The responses ---- */

/* Returns whether the byte is in the token of a session: no two tokens are the same. */
static bool is_in_token(struct str s, size_t at) {
    size_t from = at, to = at;
    while (from > 0 && isxdigit((unsigned char)s.s[from - 1])) from--;
    while (to < s.len && isxdigit((unsigned char)s.s[to])) to++;
    return to - from >= DB_TOKEN_LEN;
}

/* Returns what `peer` has received: the complete responses, without one about a timeout. */
static struct str responses_to(const struct fake_peer *peer) {
    struct str all = {peer->received, peer->received_len};
    all.len = check_responses(all);
    HOLDS(all.len == peer->received_len || disturbed || peer->reset ||
          peer->received_len == MAX_RECEIVED);
    for (size_t i = all.len; i-- > 0;)
        if (all.s[i] == 'H' && starts_with(str_from(all, i), STR("HTTP/1.1 408 ")))
            return (struct str){all.s, i};
    return all;
}

static void compare(const struct fake_peer *peer, const struct fake_peer *alone) {
    struct str got = responses_to(peer), expected = {alone->received, alone->received_len};
    HOLDS(got.len <= expected.len);
    if (memcmp(got.s, expected.s, got.len) != 0)
        for (size_t i = 0; i < got.len; i++)
            HOLDS(got.s[i] == expected.s[i] || is_in_token(expected, i));
    HOLDS(got.len == responses_to(alone).len || disturbed || peer->reset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fake_peer script[PEERS];
    disturbed = false;
    open_server();
    run_script((const char *)data, size);
    remove_obstacles();
    bool comparable = token_is_valid() && !server->stop_requested;
    disturbed = disturbed || server->stop_requested;
    wait_until_all_are_closed();
    close_server();
    memcpy(script, peers, sizeof script);

    open_server();
    run_in_order(script);
    comparable = comparable && token_is_valid();
    for (int i = 0; i < PEERS; i++) {
        if (!script[i].exists) continue;
        if (comparable)
            compare(&script[i], &peers[i]);
        else
            responses_to(&script[i]);
    }
    run_to_the_end();
    close_server();
    return 0;
}
