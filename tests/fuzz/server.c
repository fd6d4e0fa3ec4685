/* server.c - fuzzes the whole server, in one process, on the fake system.
 *
 * An input is a script. Its bytes are what a client sends. \377 begins a command of a letter and a
 * number, which is one character: '0' is 0, '9' is 9, 'A' is 17 and 'O' is 31.
 *
 *     c  the client that sends from here on; a new one connects
 *     r  run the event loop number + 1 times, or less often if nothing is left to do
 *     t  2^number microseconds pass
 *     x  the client sends its last 2^number bytes again
 *     k  the client sends the token of a session that exists
 *     i  the server reads at most so many bytes of this client at once; 0 = any
 *     o  the client receives 8 * number^2 more bytes, and with 31 any
 *     e  the client sends nothing more (even), or resets the connection (odd)
 *     l  the output of the log is blocked (odd), or takes so many bytes at once; 0 = any
 *     f  one of the faults below is about to happen
 *     s  a signal stops the server, now (even) or during the next poll (odd)
 *
 * After each iteration the invariants hold, and at the end all resources were given back. Responses
 * and log lines are well-formed. Each client gets the responses that it would get if it were alone
 * and sent everything at once; a client that was cut off gets the first of them.
 */
#define _POSIX_C_SOURCE 200809L
#define MAX_CLIENTS     20
#define OUTPUT_SIZE     65536
#include "tests/fault/fake_system.h"

#include "fuzz.h"

#define main app_main
#include "../../app.c"

#define CONNECTIONS 12                             /* fewer than clients, and more than buffers */
#define MAX_SENT    ((size_t)HTTP_BUFFER_SIZE * 2) /* bytes that a client sends */

static const struct fault {
    enum fake_call call;
    int error;
    bool hurts; /* a client loses responses by it */
} faults[] = {{ACCEPT, EMFILE, true}, {ACCEPT, ECONNABORTED, false}, {ACCEPT, EINTR, false},
              {FCNTL, EBADF, true},   {RECV, EINTR, false},          {RECV, ECONNRESET, true},
              {RECV, EAGAIN, false},  {SEND, EINTR, false},          {SEND, EPIPE, true},
              {SEND, EAGAIN, false},  {SHUTDOWN, ENOTCONN, false},   {POLL, EINTR, false},
              {POLL, ENOMEM, false},  {WRITE, EIO, false},           {ACCEPT, ENFILE, false},
              {CLOCK, EINVAL, false}};

/* ---- Addresses: the first four clients have their own, and the others have two ---- */

#define SINGLE_CLIENTS 4 /* 10.0.0.0, 10.0.0.1, ... */
#define FIRST_IPV6     12 /* below: 10.0.0.4, some as an IPv4-mapped address; from here on: one /64 */

static size_t address_number(size_t client) {
    if (client < SINGLE_CLIENTS) return client;
    return SINGLE_CLIENTS + (client >= FIRST_IPV6);
}

static void set_address(union address *address, size_t client) {
    bool is_v6 = client >= FIRST_IPV6 || (client >= SINGLE_CLIENTS && client % 2 == 0);
    address->v4.sin_addr.s_addr = htonl(0x0a000000 + (uint32_t)address_number(client));
    if (!is_v6) return;
    memset(address, 0, sizeof *address);
    address->v6.sin6_family = AF_INET6;
    inet_pton(AF_INET6,
              client < FIRST_IPV6 ? "::ffff:10.0.0.4" : "2001:db8:0:1::", &address->v6.sin6_addr);
    if (client >= FIRST_IPV6) address->v6.sin6_addr.s6_addr[15] = (unsigned char)client;
}

/* What listen_accept has to store for a client. */
static uint64_t network_of(size_t client) {
    return client < FIRST_IPV6 ? 0x0a000000 + (uint64_t)address_number(client) : 0x20010db800000001;
}

/* ---- The server ---- */

static char known_token[DB_TOKEN_LEN];
static bool shutdown_begins;

/* Each connection after the latest iteration; `output` is the length of all its output. */
static struct {
    bool open;
    enum conn_state state;
    int64_t since;
    size_t output;
} last_seen[MAX_CLIENTS];

static void check_close(size_t client);

static void open_example(void) {
    static const struct db_options options = {.max_users = 1, .max_sessions = 64, .echo = log_sql};
    wall_clock = 784111777;
    open_server(routes, CONNECTIONS);
    poll_waits = false;
    before_poll = NULL;
    before_close = check_close;
    memset(last_seen, 0, sizeof last_seen);
    db = db_create(&options);
    HOLDS(db && db_add_user(db, STR("foo"), STR("foo")));
    struct user *foo = db_authenticate(db, STR("foo"), STR("foo"), now);
    memcpy(known_token, db_add_session(db, foo, now)->token, sizeof known_token);
}

/* ---- The log: whole lines of printable ASCII, so that no client can forge one ---- */

static void check_log_line(struct str line) {
    const struct str dropped = STR("server: log lines dropped: ");
    for (size_t i = 0; i < line.len; i++) HOLDS(line.s[i] >= 0x20 && line.s[i] <= 0x7e);
    if (starts_with(line, STR("10.0.0.")) || starts_with(line, STR("2001:db8:0:1::"))) {
        struct str client = str_split(&line, '"');
        HOLDS(client.len > 2 && memcmp(client.s + client.len - 2, "] ", 2) == 0);
        HOLDS(memchr(line.s, '"', line.len));
        str_split(&line, '"'); /* the request-line */
        HOLDS(line.len > 0 && !memchr(line.s, '"', line.len));
        HOLDS(starts_with(line, STR(" closed: ")) || (line.len > 5 && is_digit(line.s[1])));
    } else if (starts_with(line, dropped)) {
        for (size_t i = dropped.len; i < line.len; i++) HOLDS(is_digit(line.s[i]));
    } else {
        HOLDS(starts_with(line, STR("INSERT ")) || starts_with(line, STR("SELECT ")) ||
              starts_with(line, STR("UPDATE ")) || starts_with(line, STR("DELETE ")));
        HOLDS(memcmp(line.s + line.len - 2, "']", 2) == 0);
    }
}

static void check_log(void) {
    struct str rest = {log_text, log_len};
    HOLDS(log_len > 0 && log_text[log_len - 1] == '\n');
    while (rest.len > 0) check_log_line(str_split(&rest, '\n'));
    HOLDS(access_log.lines.len == 0 && access_log.dropped == 0);
}

static void close_example(void) {
    close_server();
    db_destroy(db);
    check_log();
    HOLDS(!violation);
}

static bool token_is_valid(void) {
    return db_use_session(db, (struct str){known_token, DB_TOKEN_LEN}, now) != NULL;
}

/* The handler keeps errno, because it may run between a call and a look at errno. */
static void stop(void) {
    errno = ERANGE;
    on_stop_signal(SIGTERM);
    HOLDS(errno == ERANGE && server->stop_requested && stop_pipe_is_ready);
}

/* As `before_poll`. */
static void stop_in_poll(const struct pollfd pollfds[], nfds_t count) {
    (void)pollfds, (void)count;
    before_poll = NULL;
    stop();
    fail_next[POLL] = EINTR;
}

/* ---- What holds after each iteration, besides the invariants ---- */

/* `since` is the time of the last change of state or the last response. Nothing else changes it: no
 * 100 (Continue), no empty line, and no part of a request. */
static void check_since(const struct connection *c, size_t client) {
    size_t output = clients[client].output_len + (c->buffer ? c->buffer->out.len : 0);
    bool responded = output - last_seen[client].output > strlen("HTTP/1.1 100 Continue\r\n\r\n");
    bool changed = !last_seen[client].open || state_of(c) != last_seen[client].state || responded;
    HOLDS(c->since == (changed ? server->now : last_seen[client].since));
    last_seen[client].open = true;
    last_seen[client].state = state_of(c);
    last_seen[client].since = c->since;
    last_seen[client].output = output;
}

static void check_connections(void) {
    if (violation) fprintf(stderr, "%s\n", violation);
    HOLDS(!violation);
    for (size_t i = FIRST; i < server->nfds; i++) {
        const struct connection *c = &server->connections[i];
        size_t client = (size_t)(client_of(server->pollfds[i].fd) - clients);
        HOLDS(c->peer.network == network_of(client));
        HOLDS(!poll_waits || server->now < deadline_of(server, c) + 2 * TIMER_SLACK);
        check_since(c, client);
    }
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

/* Returns how many connections have this client's address besides its own, or how many buffers. */
static size_t held_by(size_t client, bool for_buffer) {
    size_t held = 0;
    for (size_t i = FIRST; i < server->nfds; i++) {
        size_t other = (size_t)(client_of(server->pollfds[i].fd) - clients);
        if (address_number(other) != address_number(client)) continue;
        held += for_buffer ? server->connections[i].buffer != NULL : other != client;
    }
    return held;
}

/* Called when a connection is closed. If the last call was for another one, and this one is too
 * young to have expired, it is evicted. An address that holds more than its share evicts only its
 * own connections. The share is one here, because 1/16 of the table or of the pool is less. */
static void check_close(size_t client) {
    size_t i = FIRST;
    while (i < server->nfds && server->pollfds[i].fd != FIRST_FD + (int)client) i++;
    if (last_client == SIZE_MAX || i == server->nfds) return;
    const struct connection *c = &server->connections[i];
    HOLDS(!shutdown_begins || !is_busy(server, c));
    if (server->stop_requested || server->now - c->since >= timeouts[LINGERING]) return;
    if (address_number(client) == address_number(last_client)) return;
    HOLDS(held_by(last_client, !last_was_accept) <= 1);
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
    return (deadline > now ? deadline : now) + TIMER_SLACK + 3 * NS_PER_MS;
}

/* A connection is only evicted for another one, and only one that is not busy. */
static void step_into_shutdown(void) {
    size_t free_buffers = server->free_buffer_count, nfds = server->nfds;
    shutdown_begins = true;
    begin_shutdown(server);
    shutdown_begins = false;
    HOLDS(!is_listening && server->free_buffer_count == free_buffers && server->nfds >= nfds);
    check_system();
    check_connections();
}

static bool waits_for_ever(void) { return last_poll.ready == 0 && last_poll.timeout < 0; }

/* Runs one step. Returns whether there may be more to do. After an active poll without events a
 * full poll follows at once, unless poll waits. */
static bool step(void) {
    if (has_ended()) return false;
    if (server->stop_requested && server->shutdown_deadline == 0) {
        step_into_shutdown();
        return true;
    }
    int64_t next_full_poll = server->next_full_poll, latest = latest_end();
    iterate();
    check_connections();
    HOLDS(!waits_for_ever() || server->nfds == FIRST);
    HOLDS(!poll_waits || server->now <= latest);
    bool was_full = server->next_full_poll != next_full_poll;
    if (last_poll.ready == 0 && !was_full && !poll_waits) server->next_full_poll = 0;
    return last_poll.ready != 0 || !was_full;
}

static void step_until_silent(void) {
    for (int steps = 0; step(); steps++) HOLDS(steps < 100000);
}

/* ---- The script ---- */

static bool disturbed; /* a client may be cut off */
static char sent[MAX_CLIENTS][2 + MAX_SENT], in_order[MAX_CLIENTS][OUTPUT_SIZE + 1];
static size_t sent_len[MAX_CLIENTS];

static struct client *connect_once(size_t number) {
    struct client *client = &clients[number % MAX_CLIENTS];
    if (client->output) return client;
    queue_client_at(number % MAX_CLIENTS);
    set_address(&client->address, number % MAX_CLIENTS);
    client->input = sent[number % MAX_CLIENTS] + 2;
    client->window = OUTPUT_SIZE;
    return client;
}

static void client_sends(struct client *client, const char *bytes, size_t len) {
    size_t *to = &sent_len[client - clients], left = MAX_SENT - *to;
    if (client->at_eof || client->reset) return;
    if (len > left) len = left;
    memcpy(sent[client - clients] + 2 + *to, bytes, len);
    *to += len;
    give_input(client, client->input, client->input_len + len);
    client->is_readable = client->input_len > 0;
}

static void repeat(struct client *client, size_t len) {
    size_t all = sent_len[client - clients];
    if (len > all) len = all;
    client_sends(client, sent[client - clients] + 2 + all - len, len);
}

/* All of its output is kept. */
static void set_window(struct client *client, size_t size) {
    size_t left = OUTPUT_SIZE - client->output_len;
    client->window = size < left ? size : left;
}

static void prepare_fault(size_t number) {
    const struct fault *fault = &faults[number % (sizeof faults / sizeof *faults)];
    fail_next[fault->call] = fault->error;
    disturbed = disturbed || fault->hurts;
}

static void set_log_output(unsigned number) {
    log_is_blocked = number % 2;
    log_max_write = number;
}

static void run_command(struct client *client, char letter, unsigned number) {
    switch (letter) {
    case 'r':
        while (step() && number-- > 0) continue;
        break;
    case 't': now += INT64_C(1000) << number; break;
    case 'x': repeat(client, (size_t)1 << number); break;
    case 'k': client_sends(client, known_token, sizeof known_token); break;
    case 'i': client->max_read = number; break;
    case 'o': set_window(client, number == 31 ? OUTPUT_SIZE : (size_t)8 * number * number); break;
    case 'e': *(number % 2 ? &client->reset : &client->at_eof) = true; break;
    case 'l': set_log_output(number); break;
    case 'f': prepare_fault(number); break;
    case 's':
        if (number % 2)
            before_poll = stop_in_poll;
        else
            stop();
        break;
    default: break;
    }
}

static void run_script(const char *input, size_t size) {
    memset(sent_len, 0, sizeof sent_len);
    struct client *client = connect_once(0);
    for (size_t i = 0; i < size; i++) {
        if (input[i] != '\377' || size - i < 3) {
            client_sends(client, input + i, 1);
            continue;
        }
        char letter = input[++i];
        unsigned number = (unsigned)(input[++i] - '0') & 31;
        if (letter == 'c')
            client = connect_once(number);
        else
            run_command(client, letter, number);
    }
}

/* Removes all obstacles, and runs until nothing is left to do. If accepting is paused, the first
 * iteration notices that the pause is over, and the next one accepts. */
static void remove_obstacles(void) {
    size_t count = 0;
    memset(fail_next, 0, sizeof fail_next);
    set_log_output(0);
    for (size_t i = 0; i < client_count; i++) {
        if (!clients[i].output) continue;
        count++;
        clients[i].max_read = 0;
        set_window(&clients[i], OUTPUT_SIZE);
    }
    disturbed = disturbed || count >= server->buffer_count; /* there may have been evictions */
    step_until_silent();
    now += RETRY_TIME;
    step_until_silent();
    step_until_silent();
    disturbed = disturbed || now - START_TIME >= timeouts[READING];
}

/* Time alone ends all connections. Then nothing wakes the server, and nothing is left in memory. */
static void wait_until_all_are_closed(void) {
    int64_t start = now;
    poll_waits = true;
    for (int steps = 0; server->nfds > FIRST && !has_ended(); steps++) {
        HOLDS(steps < 2000);
        step();
    }
    HOLDS(now - start < 2 * timeouts[IDLE]);
    for (int steps = 0; steps < 5 && (steps == 0 || !waits_for_ever()); steps++) step();
    HOLDS(waits_for_ever() || has_ended());
    check_erased();
}

/* Every client sends the same as in the script, all at once, and one comes after the other. The empty
 * line in front of it makes no difference. */
static void run_in_order(const struct client script[], size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!script[i].output) continue;
        struct client *client = connect_once(i);
        client->output = in_order[i];
        give_input(client, memcpy(sent[i], "\r\n", 2), 2 + sent_len[i]);
        step_until_silent();
    }
}

/* The server ends in time although it still has connections. */
static void run_to_the_end(void) {
    int64_t start = now;
    poll_waits = true;
    stop();
    server_run(server);
    HOLDS(has_ended() && now - start < SHUTDOWN_TIMEOUT + TIMER_SLACK);
}

/* ---- The responses ---- */

/* Returns whether the byte is in the token of a session: no two tokens are the same. */
static bool is_in_token(struct str s, size_t at) {
    size_t from = at, to = at;
    while (from > 0 && isxdigit((unsigned char)s.s[from - 1])) from--;
    while (to < s.len && isxdigit((unsigned char)s.s[to])) to++;
    return to - from >= DB_TOKEN_LEN;
}

/* Returns what a client has received: the complete responses, without one about a timeout. */
static struct str responses_to(const struct client *client) {
    struct str all = {client->output, client->output_len};
    all.len = check_responses(all);
    HOLDS(all.len == client->output_len || disturbed || client->reset ||
          client->output_len == OUTPUT_SIZE);
    for (size_t i = all.len; i-- > 0;)
        if (all.s[i] == 'H' && starts_with(str_from(all, i), STR("HTTP/1.1 408 ")))
            return (struct str){all.s, i};
    return all;
}

static void compare(const struct client *client, const struct client *alone) {
    struct str got = responses_to(client), expected = {alone->output, alone->output_len};
    HOLDS(got.len <= expected.len);
    if (memcmp(got.s, expected.s, got.len) != 0)
        for (size_t i = 0; i < got.len; i++)
            HOLDS(got.s[i] == expected.s[i] || is_in_token(expected, i));
    HOLDS(got.len == responses_to(alone).len || disturbed || client->reset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct client script[MAX_CLIENTS];
    disturbed = false;
    open_example();
    run_script((const char *)data, size);
    remove_obstacles();
    bool comparable = token_is_valid() && !server->stop_requested;
    disturbed = disturbed || server->stop_requested;
    wait_until_all_are_closed();
    close_example();
    size_t count = client_count;
    memcpy(script, clients, sizeof script);

    open_example();
    run_in_order(script, count);
    comparable = comparable && token_is_valid();
    for (size_t i = 0; i < count; i++) {
        if (!script[i].output) continue;
        if (comparable)
            compare(&script[i], &clients[i]);
        else
            responses_to(&script[i]);
    }
    run_to_the_end();
    close_example();
    return 0;
}
