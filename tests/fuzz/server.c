/* server.c - fuzzes the whole server, in one process, in a world of our own.
 *
 * An input is a play: its bytes are what a peer sends, and \377 begins a stage direction of a
 * letter and a number, which is one character: '0' is 0, '9' is 9, 'A' is 17 and 'O' is 31.
 *
 *     c  the peer that speaks from here on; where it is new it connects
 *     r  that many rounds and one more are played, or fewer where nothing is left to do
 *     t  2^number microseconds pass
 *     x  the peer says its last 2^number bytes again
 *     k  the peer says the id of a session that there is
 *     i  the server reads so many bytes of this peer at once; 0 is any
 *     o  the peer takes 8 * number^2 more bytes of answers, and 31 is any
 *     e  the peer has nothing more to say (even), or resets the connection (odd)
 *     l  the log's sink is full (odd), or has room
 *     f  one of the faults in world.h is about to happen
 *     s  a signal to stop comes
 *
 * After each round the table, the buffers and the descriptors are whole, and at the end all are
 * given back. Responses and log lines are well-formed. Each peer gets the answers that it would get
 * if it were alone and said everything at once; who is cut off gets the first of them.
 */
#define _POSIX_C_SOURCE 200809L
#include "world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
#define nanosleep                         fake_nanosleep
#define time(to)                          ((time_t)784111777)
#define pipe                              fake_pipe
#define socket                            fake_socket
#define bind(fd, address, len)            fake_other(address)
#define listen(fd, backlog)               fake_other("")
#define setsockopt(fd, at, name, on, len) fake_other(on)
#define getsockname(fd, address, len)     fake_other(len)
#define sigaction(number, action, old)    fake_other(action)
#define setrlimit(resource, limit)        fake_other(limit)
#define main                              app_main
#include "../../server.c"

#include "../../app.c"

/* ---- The house ---- */

static struct server *server;
static size_t buffers;
static char known_id[DB_SESSION_ID];

static void open_house(void) {
    static const struct server_options options = {.address = "0.0.0.0", .connections = CONNECTIONS};
    const char *failed;
    stop_signals = 0;
    is_patient = sink_is_full = is_signalled = false;
    clock_now = START;
    memset(peers, 0, sizeof peers);
    memset(errors, 0, sizeof errors);
    db = db_create(&(struct db_options){.users = 1, .sessions = 64});
    HOLDS(db && db_add_user(db, STR("foo"), STR("foo")));
    struct user *foo = db_find_user(db, STR("foo"), STR("foo"), clock_now);
    memcpy(known_id, db_add_session(db, foo, clock_now)->session_id, sizeof known_id);
    server = server_create(&options, routes, &failed);
    HOLDS(server);
    server->log_may_block = true;
    buffers = server->pooled;
}

static void close_house(void) {
    server_destroy(server);
    db_destroy(db);
    for (int i = 0; i < PEERS; i++) HOLDS(!peers[i].open);
    HOLDS(!listens);
}

static bool is_known_id_good(void) {
    return db_find_session(db, (struct str){known_id, DB_SESSION_ID}, clock_now) != NULL;
}

/* Each connection that was ever used stands once in the table and has a descriptor of its own, each
 * buffer is owned or in the pool, what all share is done with, and no deadline is slept over. */
static void check_books(void) {
    unsigned slots = 0, open = 0;
    size_t known = server->pooled;
    for (size_t i = 1; i <= server->fresh; i++)
        slots |= 1u << (server->table[i] - server->connections);
    HOLDS(slots == (1u << server->fresh) - 1);
    HOLDS(server->busy >= 1 && server->busy <= server->count && server->count <= CONNECTIONS + 1);
    for (size_t i = 1; i < server->count; i++) {
        const struct connection *c = server->table[i];
        HOLDS(c->place == i);
        HOLDS(c->state == READING || (c->state == WRITING) == (c->buffer != NULL));
        HOLDS(server->polled[i].events == (c->state == WRITING ? POLLOUT : POLLIN));
        HOLDS(!is_patient || server->now < c->deadline + 2 * NAP_TIME);
        open |= 1u << (server->polled[i].fd - FIRST_PEER);
        known += c->buffer != NULL;
    }
    for (unsigned i = 0; i < PEERS; i++) HOLDS(peers[i].open == (open >> i & 1));
    HOLDS(known == buffers && server->out.len == 0);
    HOLDS(!is_asleep || server->count == 1);
}

/* Returns whether there may be more to do. After a quick round that found nothing the full one comes
 * at once, without the sleep between. */
static bool play(void) {
    if (is_over(server)) return false;
    bool full = is_full(server);
    play_round(server);
    check_books();
    bool silent = server->last_turn != server->now;
    if (silent && !full) server->look_due = 0;
    return !silent || !full;
}

static void play_until_silent(void) {
    for (int rounds = 0; play(); rounds++) HOLDS(rounds < 100000);
}

/* ---- The play ---- */

static bool disturbed; /* somebody may be cut off */
static char said[PEERS][SAID], told[2][PEERS][TOLD];

static struct peer *call_peer(size_t number, int performance) {
    struct peer *peer = &peers[number % PEERS];
    if (peer->known) return peer;
    *peer = (struct peer){.known = true, .waits = true, .takes = ANY};
    peer->said = said[number % PEERS];
    peer->told = told[performance][number % PEERS];
    return peer;
}

static void speak(struct peer *peer, const char *bytes, size_t len) {
    size_t room = SAID - peer->said_len;
    if (peer->is_done || peer->has_reset) return;
    if (len > room) len = room;
    memcpy(peer->said + peer->said_len, bytes, len);
    peer->said_len += len;
}

static void repeat(struct peer *peer, size_t len) {
    if (len > peer->said_len) len = peer->said_len;
    speak(peer, peer->said + peer->said_len - len, len);
}

static void prepare_fault(size_t number) {
    const struct fault *fault = &faults[number % (sizeof faults / sizeof *faults)];
    errors[fault->call] = fault->error;
    disturbed = disturbed || fault->hurts;
}

static void direct(struct peer *peer, char letter, unsigned number) {
    switch (letter) {
    case 'r':
        while (play() && number-- > 0) continue;
        break;
    case 't': clock_now += INT64_C(1000) << number; break;
    case 'x': repeat(peer, (size_t)1 << number); break;
    case 'k': speak(peer, known_id, sizeof known_id); break;
    case 'i': peer->piece = number; break;
    case 'o': peer->takes = number == 31 ? ANY : (size_t)8 * number * number; break;
    case 'e': *(number % 2 ? &peer->has_reset : &peer->is_done) = true; break;
    case 'l': sink_is_full = number % 2; break;
    case 'f': prepare_fault(number); break;
    case 's': on_stop_signal(SIGTERM); break;
    default: break;
    }
}

static void perform(const char *input, size_t size) {
    struct peer *peer = call_peer(0, 0);
    for (size_t i = 0; i < size; i++) {
        if (input[i] != '\377' || size - i < 3) {
            speak(peer, input + i, 1);
            continue;
        }
        char letter = input[++i];
        unsigned number = (unsigned)(input[++i] - '0') & 31;
        if (letter == 'c')
            peer = call_peer(number, 0);
        else
            direct(peer, letter, number);
    }
}

/* Takes all obstacles away, and lets happen what they held up. */
static void come_to_rest(void) {
    memset(errors, 0, sizeof errors);
    sink_is_full = false;
    for (size_t i = 0; i < PEERS; i++) {
        if (!peers[i].known) continue;
        disturbed = disturbed || i >= buffers;
        peers[i].piece = 0;
        peers[i].takes = ANY;
    }
    play_until_silent();
    clock_now +=
        REST_TIME; /* the listener may be at rest: a full round wakes it, the next listens */
    play_until_silent();
    play_until_silent();
    disturbed = disturbed || clock_now - START >= MESSAGE_TIME;
}

/* Time alone ends all connections, and then nothing wakes the server. */
static void wait_until_gone(void) {
    int64_t start = clock_now;
    is_patient = true;
    for (int rounds = 0; server->count > 1 && !is_over(server); rounds++) {
        HOLDS(rounds < 2000);
        play();
    }
    HOLDS(clock_now - start < 2 * IDLE_TIME);
    is_asleep = false;
    for (int rounds = 0; rounds < 5 && !is_asleep; rounds++) play();
    HOLDS(is_asleep || is_over(server));
}

/* Every peer says the same as `before`, all at once, and one comes after the other. */
static void perform_in_order(const struct peer before[]) {
    for (size_t i = 0; i < PEERS; i++) {
        if (!before[i].known) continue;
        call_peer(i, 1)->said_len = before[i].said_len;
        play_until_silent();
    }
}

/* ---- The answers ---- */

/* Whether the byte is in a session's id: no two are the same. */
static bool is_in_id(struct str s, size_t at) {
    size_t from = at, to = at;
    while (from > 0 && isxdigit((unsigned char)s.s[from - 1])) from--;
    while (to < s.len && isxdigit((unsigned char)s.s[to])) to++;
    return to - from >= DB_SESSION_ID;
}

/* What `peer` was told, as far as it is whole and not about the time it took. */
static struct str answers(const struct peer *peer) {
    struct str all = {peer->told, peer->told_len};
    all.len = check_responses(all);
    HOLDS(all.len == peer->told_len || disturbed || peer->has_reset || peer->told_len == TOLD);
    for (size_t i = all.len; i-- > 0;)
        if (starts_with(str_from(all, i), STR("HTTP/1.1 408 "))) return (struct str){all.s, i};
    return all;
}

static void compare(const struct peer *peer, const struct peer *alone) {
    struct str got = answers(peer), expected = {alone->told, alone->told_len};
    HOLDS(got.len <= expected.len);
    for (size_t i = 0; i < got.len; i++) HOLDS(got.s[i] == expected.s[i] || is_in_id(expected, i));
    HOLDS(got.len == answers(alone).len || disturbed || peer->has_reset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct peer before[PEERS];
    disturbed = false;
    open_house();
    perform((const char *)data, size);
    come_to_rest();
    bool comparable = is_known_id_good() && !stop_signals;
    disturbed = disturbed || stop_signals;
    wait_until_gone();
    close_house();
    memcpy(before, peers, sizeof before);

    open_house();
    perform_in_order(before);
    comparable = comparable && is_known_id_good();
    for (int i = 0; i < PEERS; i++) {
        if (!before[i].known) continue;
        if (comparable)
            compare(&before[i], &peers[i]);
        else
            answers(&before[i]);
    }
    close_house();
    return 0;
}
