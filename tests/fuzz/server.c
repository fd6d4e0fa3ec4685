/* server.c - fuzzes the whole server, in one process, on the fake system.
 * `sh tests/fuzz/run.sh 60 server` runs it for 60 seconds.
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

/* ---- The server ---- */

static char known_token[DB_TOKEN_LEN];

static void open_example(void) {
    static const struct db_options options = {.max_users = 1, .max_sessions = 64, .echo = log_sql};
    wall_clock = 784111777;
    open_server(routes, CONNECTIONS);
    poll_waits = false;
    before_poll = NULL;
    db = db_create(&options);
    HOLDS(db && db_add_user(db, STR("foo"), STR("foo")));
    struct user *foo = db_authenticate(db, STR("foo"), STR("foo"), now);
    memcpy(known_token, db_add_session(db, foo, now)->token, sizeof known_token);
}

/* ---- The log: whole lines of printable ASCII in these formats, so that no client can forge one ---- */

static void check_log(void) {
    static const char format[] =
        "^(10\\.0\\.0\\.[0-4] - - \\[[^]]*\\] \"[^\"]*\" (closed: [^\"]*|[0-9]{3} [0-9]+)"
        "|server: log lines dropped: [0-9]+|(INSERT|SELECT|UPDATE|DELETE) .*'\\])$";
    static regex_t line;
    char *save;
    if (!line.re_nsub) HOLDS(regcomp(&line, format, REG_EXTENDED) == 0);
    HOLDS(log_len > 0 && log_text[log_len - 1] == '\n' && strlen(log_text) == log_len);
    HOLDS(access_log.lines.len == 0 && access_log.dropped == 0);
    for (size_t i = 0; i < log_len; i++)
        HOLDS(log_text[i] == '\n' || (log_text[i] >= 0x20 && log_text[i] <= 0x7e));
    for (char *at = strtok_r(log_text, "\n", &save); at; at = strtok_r(NULL, "\n", &save))
        HOLDS(regexec(&line, at, 0, NULL, 0) == 0);
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

static void check_connections(void) {
    if (violation) fprintf(stderr, "%s\n", violation);
    HOLDS(!violation);
    for (size_t i = FIRST; i < server->nfds; i++) {
        const struct connection *c = &server->connections[i];
        HOLDS(!poll_waits || server->now < deadline_of(server, c) + 2 * TIMER_SLACK);
    }
}

/* ---- The event loop, as server_run runs it ---- */

static bool has_ended(void) {
    return server->shutdown_deadline > 0 &&
           (server->nfds == FIRST || server->now >= server->shutdown_deadline);
}

/* A connection is only evicted for another one, and only one that is not busy. */
static void step_into_shutdown(void) {
    size_t free_buffers = server->free_buffer_count, nfds = server->nfds;
    begin_shutdown(server);
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
    int64_t next_full_poll = server->next_full_poll;
    iterate();
    check_connections();
    HOLDS(!waits_for_ever() || server->nfds == FIRST);
    bool was_full = server->next_full_poll != next_full_poll;
    if (last_poll.ready == 0 && !was_full && !poll_waits)
        known_full_poll = server->next_full_poll = 0;
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
    client->address.v4.sin_addr.s_addr =
        htonl(0x0a000000 + (uint32_t)(number % MAX_CLIENTS < 4 ? number % MAX_CLIENTS : 4));
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
    queue_input(client, client->input, client->input_len + len);
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
    case 'l':
        log_is_blocked = number % 2;
        log_max_write = number;
        break;
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
    log_is_blocked = false;
    log_max_write = 0;
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

/* Time alone ends all connections. Then nothing wakes the server. */
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
}

/* Every client sends the same as in the script, all at once, and one comes after the other. The empty
 * line in front of it makes no difference. */
static void run_in_order(const struct client script[], size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!script[i].output) continue;
        struct client *client = connect_once(i);
        client->output = in_order[i];
        queue_input(client, memcpy(sent[i], "\r\n", 2), 2 + sent_len[i]);
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

/* Replaces the tokens of sessions, because no two of them are the same. */
static void hide_tokens(struct client *client) {
    for (size_t at = 0, len; at < client->output_len; at += len + 1) {
        len = strspn(client->output + at, "0123456789abcdef");
        if (len >= DB_TOKEN_LEN) memset(client->output + at, 'x', len);
    }
}

/* Returns what a client has received: the complete responses, without one about a timeout. */
static struct str responses_to(const struct client *client) {
    struct str all = {client->output, client->output_len};
    all.len = check_responses(all);
    HOLDS(all.len == client->output_len || disturbed || client->reset ||
          client->output_len == OUTPUT_SIZE);
    const char *timeout = strstr(client->output, "HTTP/1.1 408 ");
    if (timeout && timeout < all.s + all.len) all.len = (size_t)(timeout - all.s);
    return all;
}

static void compare(struct client *client, struct client *alone) {
    hide_tokens(client);
    hide_tokens(alone);
    struct str got = responses_to(client), expected = responses_to(alone);
    HOLDS(got.len <= alone->output_len && memcmp(got.s, alone->output, got.len) == 0);
    HOLDS(got.len == expected.len || disturbed || client->reset);
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
