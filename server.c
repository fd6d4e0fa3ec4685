/* server.c - the socket server: one process, one thread, one poll(2) loop.
 *
 *     struct server *server = server_create(&listener, routes, &log, 1024);
 *     server_run(server);          returns after server_stop(server)
 *     server_destroy(server);
 *
 * To read this file, look at the two drawings at its beginning, and then begin near its end with
 * server_run, run_once and handle_event.
 *
 * Events. A connection has an event when poll finds it ready. Then the server reads at most
 * MAX_READ bytes from it, handles the requests in them, and sends the responses. So no
 * connection holds up the others.
 *
 * Buffers. A connection takes a buffer from a small pool when its event begins, and gives it
 * back at the end if neither unparsed input nor unsent output is left in it. So most events use
 * the same buffer.
 *
 * Active and full polls. The cost of poll grows with the number of descriptors. So most
 * iterations look only at the active connections, those of the last 50 ms. All are looked at
 * every 8 ms, plus 4 us for each inactive one, and whenever none is active.
 *
 * Eviction. If all connections or all buffers are in use, one connection is closed. It is one of
 *     1. the client that needs the place or the buffer, if it holds more than 1/16 of them;
 *     2. or else the winner of a majority vote, if that client holds more than 1/16 of them;
 *     3. or else any client.
 * Connections that are not busy go first, and among equals the one with the nearest deadline.
 *
 * This file must not know users or sessions, and must not own state of the whole process, such as
 * signal handlers. It waits only in poll: never for a client, and never for what takes the log.
 */
#define _POSIX_C_SOURCE 200809L
#include "server.h"
#include "clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef SERVER_SECOND /* in ns; tests make it shorter, and with it all timeouts below */
#define SERVER_SECOND NS_PER_S
#endif
#define SHUTDOWN_TIMEOUT (5 * SERVER_SECOND)  /* to finish requests after server_stop */
#define ACTIVE_TIME      (SERVER_SECOND / 20) /* from the last change of state or response */
#define TIMER_SLACK      (SERVER_SECOND / 10) /* a timeout may be this late: many expire together */
#define RETRY_TIME       (SERVER_SECOND / 10) /* until accept or a blocked log is tried again */

#define FULL_POLL_INTERVAL     (8 * NS_PER_MS) /* between full polls while a connection is active */
#define FULL_POLL_PER_INACTIVE 4000            /* plus this many ns for each inactive connection */
#define STOPPING_POLL_MS       10 /* how often connections are looked at during a shutdown */
#define POLL_RETRY_MS          10 /* after poll itself has failed */

#define MAX_READ    4096 /* bytes read in one event */
#define MAX_ACCEPTS 64   /* connections accepted in one iteration */
#define MIN_BUFFERS 8    /* the pool has 1/16 of the connections, but at least these */

/* The life of a connection.
 *
 *            accept
 *              |
 *              v      part of a request      +---------+-- 10 s -----> 408, then close
 *         +--------+ ----------------------> | READING |-- EOF ------> closed, logged
 *   15 s  |  IDLE  |                         +---------+
 *  or EOF |        | <----------------------  |       ^
 * closed <-        |   all requests handled   |       | all sent, and part of
 *         |        |                          |       | the next request is here
 *         |        |   the socket is full     v       |
 *         |        | ----------------------> +---------+-- 10 s -----> closed, logged
 *         +--------+ <---------------------- | WRITING |-- error ----> closed, logged
 *                      all sent, no input    +---------+
 *
 *     When the last response is sent (close_after_response):
 *         no input left:   close
 *         input left over: shutdown(SHUT_WR), then LINGERING: input is discarded until EOF or for
 *                          2 s. Closing at once could reset the connection and destroy the response
 *                          (RFC 9112 section 9.6).
 *
 * The state is computed from the data, so the two cannot disagree: see state_of. */
enum conn_state { IDLE, READING, WRITING, LINGERING };

static const int64_t timeouts[] = {
    [IDLE] = 15 * SERVER_SECOND,     /* between two requests */
    [READING] = 10 * SERVER_SECOND,  /* to receive a request, from its first byte */
    [WRITING] = 10 * SERVER_SECOND,  /* to send a response */
    [LINGERING] = 2 * SERVER_SECOND, /* for the client to close after our last response */
};

struct buffer {
    struct text in, out;                   /* unparsed input, unsent output */
    char in_storage[HTTP_BUFFER_SIZE + 1]; /* one byte more, for the sentinel of the parser */
    char out_storage[HTTP_BUFFER_SIZE];
};

struct connection {
    int64_t since;             /* the time of the last change of state or the last response */
    struct buffer *buffer;     /* for unparsed input and unsent output; NULL if there is neither */
    bool close_after_response; /* no further request is read */
    bool lingering;            /* our side of the connection is shut down */
    bool continue_sent;        /* a 100 (Continue) was sent; reset when the response is made */
    struct peer peer;
};

/* The arrays. pollfds[i] and connections[i] belong together and move together.
 *
 *                       pollfds[]         connections[]            buffers
 *     LISTENER    0     listener          (unused)
 *     STOP_PIPE   1     stop pipe         (unused)
 *     FIRST       2     fd 12             { ..., buffer *} ------> [in | out]
 *                 3     fd 15             { ..., NULL    }
 *     ------- active_end = 4 -----------------------------         [in | out] <-- free_buffers[0]
 *                 4     fd  9             { ..., NULL    }         [in | out] <-- free_buffers[1]
 *     ------- nfds = 5 -----------------------------------              free_buffer_count = 2
 *                 5 ... not in use
 *
 *   Rule 1. [FIRST .. active_end) are the connections that were active at the last full poll, or
 *           were accepted since; [active_end .. nfds) are the others. There are no gaps, so closing
 *           a connection moves others. Nothing keeps a pointer or an index to a connection across a
 *           close, an eviction or an accept.
 *   Rule 2. Loops that may close a connection go from high to low. Closing one moves entries only
 *           to lower indexes, so no entry is missed. An entry may be reached twice, but then its
 *           revents is 0. An event closes at most one connection, so the loop stays
 *           below nfds.
 *   Rule 3. revents is cleared before an event is handled.
 *   Rule 4. Between two events at least one buffer is free. */
enum { LISTENER, STOP_PIPE, FIRST };

struct server {
    struct listener *listener;
    const struct route *routes;
    struct log *log;

    struct pollfd *pollfds;
    struct connection *connections;
    size_t active_end, nfds, max_nfds;
    struct buffer **free_buffers;
    size_t free_buffer_count, buffer_count;

    int64_t now;               /* monotonic time in ns, read once an iteration */
    int64_t next_full_poll;    /* while a connection is active */
    int64_t next_deadline;     /* valid if no connection is active */
    int64_t accept_resumes_at; /* accepting is paused until then */
    int64_t shutdown_deadline; /* valid if stopping */
    bool stopping;             /* begin_shutdown was called */
    volatile sig_atomic_t stop_requested;
    int stop_pipe[2];

    time_t date_second; /* the second that `date` was made for */
    char date[30];      /* strlen("Sun, 06 Nov 1994 08:49:37 GMT") + 1; empty if it is not known */
    struct http_request request;
    struct http_response response;
};

/* Reads both clocks, and formats the date of responses once a second. If the monotonic clock fails,
 * time advances by a millisecond, so that timeouts still expire. */
static void update_clock(struct server *server) {
    struct timespec monotonic;
    struct tm tm;
    time_t second = time(NULL);
    if (clock_gettime(CLOCK_MONOTONIC, &monotonic) == 0)
        server->now = (int64_t)monotonic.tv_sec * NS_PER_S + monotonic.tv_nsec;
    else
        server->now += NS_PER_MS;
    if (second == server->date_second) return;
    server->date_second = second;
    if (second < EARLIEST_CLOCK_TIME || !gmtime_r(&second, &tm) ||
        strftime(server->date, sizeof server->date, "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
        server->date[0] = '\0';
}

/* ---- Connections ---- */

static enum conn_state state_of(const struct connection *c) {
    if (c->lingering) return LINGERING;
    if (!c->buffer) return IDLE;
    return c->buffer->out.len > 0 ? WRITING : READING;
}

/* During a shutdown the timeout of an idle connection is a millisecond. It is checked after the
 * events, so a request that has arrived is still handled. */
static int64_t deadline_of(const struct server *server, const struct connection *c) {
    enum conn_state state = state_of(c);
    return c->since + (server->stopping && state == IDLE ? NS_PER_MS : timeouts[state]);
}

static bool is_active(const struct server *server, const struct connection *c) {
    return c->since > server->now - ACTIVE_TIME;
}

static void swap_entries(struct server *server, size_t a, size_t b) {
    struct pollfd *pollfds = server->pollfds, pollfd = pollfds[a];
    struct connection *connections = server->connections, c = connections[a];
    pollfds[a] = pollfds[b];
    pollfds[b] = pollfd;
    connections[a] = connections[b];
    connections[b] = c;
}

/* A new connection is active, because a request usually follows at once. */
static void add_connection(struct server *server, int fd, const struct peer *peer) {
    size_t i = server->nfds++;
    server->pollfds[i] = (struct pollfd){fd, POLLIN, 0};
    struct connection *c = &server->connections[i];
    memset(c, 0, sizeof *c);
    c->since = server->now;
    c->peer = *peer;
    swap_entries(server, i, server->active_end++);
}

static void remove_entry(struct server *server, size_t i) {
    if (i < server->active_end) {
        swap_entries(server, i, --server->active_end);
        i = server->active_end;
    }
    swap_entries(server, i, --server->nfds);
}

static void partition_active(struct server *server) {
    server->active_end = FIRST;
    for (size_t i = FIRST; i < server->nfds; i++)
        if (is_active(server, &server->connections[i]))
            swap_entries(server, i, server->active_end++);
}

static struct buffer *take_buffer(struct server *server) {
    struct buffer *buffer = server->free_buffers[--server->free_buffer_count];
    buffer->in = (struct text){buffer->in_storage, 0, HTTP_BUFFER_SIZE, false};
    buffer->out = TEXT(buffer->out_storage);
    return buffer;
}

static void release_buffer(struct server *server, struct connection *c) {
    if (!c->buffer) return;
    text_clear(&c->buffer->in);
    text_clear(&c->buffer->out);
    server->free_buffers[server->free_buffer_count++] = c->buffer;
    c->buffer = NULL;
}

/* `reason` goes to the log only if unparsed input or unsent output is lost. */
static void close_connection(struct server *server, size_t i, const char *reason) {
    struct connection *c = &server->connections[i];
    bool is_loss = c->buffer && c->buffer->in.len + c->buffer->out.len > 0;
    if (is_loss && reason) log_closed(server->log, c->peer.name, reason);
    release_buffer(server, c);
    close(server->pollfds[i].fd);
    remove_entry(server, i);
}

/* ---- Eviction ---- */

enum resource { PLACE, BUFFER }; /* what a connection is evicted for */

/* A client is known by the network of its address: see struct peer. */

static bool holds(const struct connection *c, enum resource wanted) {
    return c->buffer || wanted == PLACE;
}

/* Returns whether a request is in progress or likely to come. */
static bool is_busy(const struct server *server, const struct connection *c) {
    return c->buffer || (!c->lingering && is_active(server, c));
}

/* Returns whether a client holds more than 1/16 of the places or buffers. One that holds only one
 * never does, however small the table is. */
static bool exceeds_share(const struct server *server, const uint64_t *client,
                          enum resource wanted) {
    size_t held = 0, total = wanted == BUFFER ? server->buffer_count : server->max_nfds - FIRST;
    for (size_t i = FIRST; i < server->nfds; i++) {
        const struct connection *c = &server->connections[i];
        held += c->peer.network == *client && holds(c, wanted);
    }
    return held > 1 && held > total / 16;
}

/* Returns a client that exceeds its share, or NULL: `asking`, or else the winner of a majority vote
 * (Boyer and Moore). A client that holds the majority wins. Without a majority any may win. */
static const uint64_t *client_over_share(const struct server *server, const uint64_t *asking,
                                         enum resource wanted) {
    const uint64_t *holder = NULL;
    size_t votes = 0;
    if (asking && exceeds_share(server, asking, wanted)) return asking;
    for (size_t i = FIRST; i < server->nfds; i++) {
        const struct connection *c = &server->connections[i];
        if (!holds(c, wanted)) continue;
        if (votes == 0) holder = &c->peer.network;
        votes = c->peer.network == *holder ? votes + 1 : votes - 1;
    }
    /* `holder` is not NULL, because at least one connection holds what is wanted. */
    return exceeds_share(server, holder, wanted) ? holder : NULL;
}

/* Returns the index of the connection to evict, or 0 if no connection qualifies. If `client` is
 * not NULL, only its connections qualify. A connection that is not busy is preferred. Among equals
 * it is the one with the nearest deadline. */
static size_t find_victim(const struct server *server, const uint64_t *client,
                          enum resource wanted) {
    size_t victim = 0;
    int64_t lowest = INT64_MAX;
    for (size_t i = FIRST; i < server->nfds; i++) {
        const struct connection *c = &server->connections[i];
        if (!holds(c, wanted) || (client && c->peer.network != *client)) continue;
        /* A busy connection ranks behind all deadlines. */
        int64_t rank = deadline_of(server, c) + (is_busy(server, c) ? INT64_MAX / 2 : 0);
        if (rank >= lowest) continue;
        lowest = rank;
        victim = i;
    }
    return victim;
}

/* There must be a victim. */
static void evict(struct server *server, const uint64_t *client, enum resource wanted) {
    close_connection(server, find_victim(server, client, wanted), "evicted for another connection");
}

/* ---- Requests and responses ---- */

static void finish_response(struct server *server, struct connection *c, struct str request_line) {
    struct http_response *res = &server->response;
    http_format_response(&c->buffer->out, res, str_of(server->date));
    log_request(server->log, c->peer.name, request_line, res->status, res->body.len);
    c->close_after_response = res->close;
    c->continue_sent = false;
    c->since = server->now;
    text_clear(&res->body);
    text_clear(&res->extra_fields);
}

/* Replaces a response that cannot be sent. */
static void make_sendable(struct http_response *res) {
    bool invalid = res->status < 200 || res->status > 599;
    if (invalid || res->body.truncated) {
        text_clear(&res->extra_fields);
        res->status = route_error(res, 500,
                                  invalid ? "The handler returned an invalid status"
                                          : "The response is too large");
    }
    if (res->status == 204 || res->status == 205 || res->status == 304)
        text_clear(&res->body); /* RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5 */
}

static void handle_request(struct server *server, struct connection *c) {
    struct http_request *req = &server->request;
    struct http_response *res = &server->response;
    req->received_at = server->now;
    http_response_init(res, req);
    if (server->stopping) res->close = true;
    if (req->is_https && !server->listener->behind_tls)
        res->status = route_error(res, 421, "This server does not serve https URIs");
    else
        res->status = route_request(server->routes, req, res);
    make_sendable(res);
    finish_response(server, c, req->request_line);
}

/* Responds to input that is not a valid request. The input is not consumed, so the connection
 * lingers. */
static void reject_request(struct server *server, struct connection *c, struct str input,
                           int status) {
    struct http_response *res = &server->response;
    struct str line = str_split(&input, '\n'), rest = line;
    /* HEAD gets no body, and without keep_alive the connection is closed. */
    struct http_request *req = &server->request;
    memset(req, 0, sizeof *req);
    req->method = str_split(&rest, ' ');
    if (line.len > 0 && line.s[line.len - 1] == '\r') line.len--;
    http_response_init(res, req);
    res->status = route_error(res, status, http_refusal(status));
    finish_response(server, c, line);
}

/* Handles complete requests while their responses fit the output buffer. Returns whether the buffer
 * holds output to send. */
static bool process_input(struct server *server, struct connection *c) {
    struct text *in = &c->buffer->in, *out = &c->buffer->out;
    size_t used = 0;
    while (!c->close_after_response && out->cap - out->len >= HTTP_MAX_RESPONSE) {
        used += http_empty_lines_len(in->s + used, in->len - used);
        int n = http_parse(in->s + used, in->len - used, &server->request);
        if (server->request.send_continue && !c->continue_sent) { /* even if the body is here */
            text_put(out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
            c->continue_sent = true;
        }
        if (n < 0) reject_request(server, c, str_from(text_str(in), used), -n);
        if (n <= 0) break;
        handle_request(server, c);
        used += (size_t)n;
    }
    text_drop(in, used);
    return out->len > 0;
}

/* ---- Events ---- */

/* EAGAIN and EWOULDBLOCK have the same number on most systems; there the last part is left out. */
static bool is_temporary(int error) {
    return error == EAGAIN || error == EINTR || (EWOULDBLOCK != EAGAIN && error == EWOULDBLOCK);
}

/* Appends what the client has sent to the input. Returns false if the connection was closed. */
static bool receive(struct server *server, size_t i) {
    struct text *in = &server->connections[i].buffer->in;
    size_t max = in->cap - in->len < MAX_READ ? in->cap - in->len : MAX_READ;
    int fd = server->pollfds[i].fd;
    ssize_t n = recv(fd, in->s + in->len, max, 0);
    if (n < 0 && errno == EINTR)
        n = recv(fd, in->s + in->len, max, 0); /* now: a shutdown closes what has no input */
    if (n > 0) in->len += (size_t)n;
    if (n > 0 || (n < 0 && is_temporary(errno))) return true;
    close_connection(server, i, "the client left in the middle of a request");
    return false;
}

/* Sends as much of the output as the socket takes. Returns false if the connection was closed. */
static bool send_output(struct server *server, size_t i) {
    struct text *out = &server->connections[i].buffer->out;
    ssize_t n = send(server->pollfds[i].fd, out->s, out->len, 0);
    if (n > 0) text_drop(out, (size_t)n);
    if (n >= 0 || is_temporary(errno)) return true;
    close_connection(server, i, "the client left before the response was sent");
    return false;
}

/* Closes the connection, lets it linger, or waits for its next event: what is left in its buffer
 * decides. `old_state` is its state before this event. */
static void end_event(struct server *server, size_t i, enum conn_state old_state) {
    struct connection *c = &server->connections[i];
    struct text *in = &c->buffer->in, *out = &c->buffer->out;
    if (c->close_after_response && out->len == 0) {
        if (!c->lingering && in->len > 0)
            c->lingering = shutdown(server->pollfds[i].fd, SHUT_WR) == 0;
        if (!c->lingering) {
            close_connection(server, i, NULL);
            return;
        }
        text_clear(in);
    }
    server->pollfds[i].events = out->len > 0 ? POLLOUT : POLLIN;
    if (in->len == 0 && out->len == 0) release_buffer(server, c);
    if (state_of(c) != old_state) c->since = server->now;
}

/* As long as the socket takes all the output, the input that is left is handled. The input of a
 * lingering connection is not: process_input handles nothing after the last response. Eviction
 * is the last act of an event, because it moves connections. */
static void handle_event(struct server *server, size_t i) {
    struct connection *c = &server->connections[i];
    enum conn_state old_state = state_of(c);
    uint64_t network = c->peer.network;
    if (!c->buffer) c->buffer = take_buffer(server);
    bool open = old_state == WRITING ? send_output(server, i) : receive(server, i);
    while (open && c->buffer->out.len == 0 && process_input(server, c))
        open = send_output(server, i);
    if (open) end_event(server, i, old_state);
    if (server->free_buffer_count == 0)
        evict(server, client_over_share(server, &network, BUFFER), BUFFER);
}

static void expire_connection(struct server *server, size_t i) {
    struct connection *c = &server->connections[i];
    if (state_of(c) == READING) {
        reject_request(server, c, text_str(&c->buffer->in), 408);
        if (send_output(server, i)) end_event(server, i, READING);
    } else {
        close_connection(server, i, "the client did not read the response in time");
    }
}

/* ---- Accepting ---- */

/* Returns whether it should be called again at once. If no descriptors are left, a connection is
 * evicted. After other errors accepting pauses, or poll would report the listener at once. During
 * a shutdown the victim is the one that begin_shutdown has found. */
static bool accept_connection(struct server *server) {
    struct peer peer;
    int fd = listen_accept(server->listener, &peer);
    if (fd >= 0) {
        if (server->nfds == server->max_nfds)
            evict(server, server->stopping ? NULL : client_over_share(server, &peer.network, PLACE),
                  PLACE);
        add_connection(server, fd, &peer);
        return true;
    }
    if (errno == ECONNABORTED || errno == EPROTO || errno == EINTR) return true;
    if (is_temporary(errno)) return false;
    if (errno == EMFILE && server->nfds > FIRST && !server->stopping)
        evict(server, client_over_share(server, NULL, PLACE), PLACE);
    else
        server->accept_resumes_at = server->now + RETRY_TIME;
    return false;
}

/* Accepts at most 1/16 of the table at once, so that a new connection is not evicted for the
 * next one before it could send its request. */
static void accept_connections(struct server *server) {
    size_t max = server->max_nfds / 16 + 1;
    for (size_t i = 0; i < max && i < MAX_ACCEPTS; i++)
        if (!accept_connection(server)) return;
}

/* ---- The event loop ----
 *
 *     run_once:  poll --> update_clock --> handle_events --> [after a full poll: expire, partition]
 *                 |                        from high to low,                     |
 *                 |                        the listener last                 log_flush
 *                 |
 *                 +-- active poll: the listener, the stop pipe, and the active connections
 *                 +-- full poll:   all connections
 *
 *     under load:  a a a a a a F a a a a a a a F a a a      a = active poll, F = full poll
 *     at rest:     F.....................F............      F waits until the next deadline
 */

/* `polled` is the number of entries that poll has looked at. The listener is handled last, because
 * accepting moves connections. */
static void handle_events(struct server *server, size_t polled) {
    for (size_t i = polled; i-- > FIRST;) {
        if (server->pollfds[i].revents == 0) continue;
        server->pollfds[i].revents = 0;
        handle_event(server, i);
    }
    if (server->pollfds[LISTENER].revents != 0) accept_connections(server);
}

/* A connection that expires here and stays open is active. Its new deadline is not needed yet:
 * while a connection is active, poll does not wait for deadlines. */
static void after_full_poll(struct server *server) {
    server->next_deadline = INT64_MAX;
    for (size_t i = server->nfds; i-- > FIRST;) {
        int64_t deadline = deadline_of(server, &server->connections[i]);
        if (server->now >= deadline)
            expire_connection(server, i);
        else if (deadline < server->next_deadline)
            server->next_deadline = deadline;
    }
    partition_active(server);
    int64_t inactive = (int64_t)(server->nfds - server->active_end);
    server->next_full_poll = server->now + FULL_POLL_INTERVAL + inactive * FULL_POLL_PER_INACTIVE;
}

/* Returns a little more than `ns`, so that poll does not return too early. */
static int to_ms(int64_t ns) { return (int)(ns / NS_PER_MS + 1); }

/* Returns how long a full poll may wait, in ms; -1 means until an event. */
static int full_poll_timeout(const struct server *server) {
    if (server->stopping) return STOPPING_POLL_MS;
    if (server->active_end > FIRST) return 0;
    if (server->log->blocked || server->now < server->accept_resumes_at) return to_ms(RETRY_TIME);
    if (server->next_deadline == INT64_MAX) return -1;
    int64_t wait = server->next_deadline - server->now;
    return to_ms(wait > TIMER_SLACK ? wait : TIMER_SLACK);
}

/* After EINTR nothing is known, so nothing expires. If poll fails otherwise, for example because
 * the limit on descriptors was lowered, connections still expire, so that the server recovers.
 * During a shutdown they do not, because an idle one may have sent a request that poll has not
 * reported. */
static void run_once(struct server *server) {
    bool full =
        server->stopping || server->active_end == FIRST || server->now >= server->next_full_poll;
    size_t n = full ? server->nfds : server->active_end;
    int timeout = full ? full_poll_timeout(server) : to_ms(server->next_full_poll - server->now);
    bool paused = server->now < server->accept_resumes_at;
    server->pollfds[LISTENER].fd = paused ? -1 : server->listener->fd;
    int ready = poll(server->pollfds, (nfds_t)n, timeout);
    bool failed = ready < 0 && errno != EINTR;
    update_clock(server);
    if (ready > 0) handle_events(server, n);
    if ((full && ready >= 0) || (failed && !server->stopping)) after_full_poll(server);
    log_flush(server->log);
    if (failed) poll(NULL, 0, POLL_RETRY_MS);
}

/* Accepts what waits in the listen queue, at most a full table, as long as no request in progress
 * is evicted for it, and stops listening. */
static void begin_shutdown(struct server *server) {
    server->stopping = true;
    server->shutdown_deadline = server->now + SHUTDOWN_TIMEOUT;
    for (size_t left = server->max_nfds - FIRST; left > 0; left--) {
        size_t victim = server->nfds == server->max_nfds ? find_victim(server, NULL, PLACE) : 0;
        if (victim > 0 && is_busy(server, &server->connections[victim])) break;
        if (!accept_connection(server)) break;
    }
    listen_close(server->listener);
    server->pollfds[STOP_PIPE].fd = -1; /* it stays readable */
}

void server_run(struct server *server) {
    while (!server->stop_requested) run_once(server);
    begin_shutdown(server);
    while (server->nfds > FIRST && server->now < server->shutdown_deadline) run_once(server);
}

/* The self-pipe idiom: the byte makes poll return, even if the signal comes just before poll. At
 * most a few bytes are written, so the write cannot block. */
void server_stop(struct server *server) {
    int saved_errno = errno;
    if (!server->stop_requested) {
        server->stop_requested = 1;
        ssize_t written = write(server->stop_pipe[1], "", 1);
        (void)written;
    }
    errno = saved_errno;
}

/* ---- Create and destroy ---- */

/* Buffers for 1/16 of the connections, but not fewer than MIN_BUFFERS and not more than there are
 * connections; and one for the next event. */
static size_t pool_size(size_t max_connections) {
    size_t size = max_connections / 16;
    if (size < MIN_BUFFERS) size = MIN_BUFFERS;
    if (size > max_connections) size = max_connections;
    return size + 1;
}

size_t server_memory_size(size_t max_connections) {
    size_t entries = FIRST + max_connections, buffers = pool_size(max_connections);
    return sizeof(struct server) + entries * (sizeof(struct connection) + sizeof(struct pollfd)) +
           buffers * (sizeof(struct buffer) + sizeof(struct buffer *));
}

/* All memory is one piece: the struct, the arrays and the buffers, in the order of falling
 * alignment. calloc does not touch the pages of a large piece, so entries that are never used
 * cost nothing. */
static struct server *allocate(size_t max_connections) {
    size_t entries = FIRST + max_connections, buffers = pool_size(max_connections);
    struct server *server = calloc(1, server_memory_size(max_connections));
    if (!server) return NULL;
    server->connections = (struct connection *)(server + 1);
    struct buffer *pool = (struct buffer *)(server->connections + entries);
    server->free_buffers = (struct buffer **)(pool + buffers);
    server->pollfds = (struct pollfd *)(server->free_buffers + buffers);
    server->max_nfds = entries;
    server->free_buffer_count = server->buffer_count = buffers;
    for (size_t i = 0; i < buffers; i++) server->free_buffers[i] = &pool[i];
    return server;
}

struct server *server_create(struct listener *listener, const struct route routes[],
                             struct log *log, size_t max_connections) {
    struct server *server = allocate(max_connections);
    if (!server) return NULL;
    if (pipe(server->stop_pipe) < 0) {
        int saved_errno = errno;
        free(server);
        errno = saved_errno;
        return NULL;
    }
    server->listener = listener;
    server->routes = routes;
    server->log = log;
    server->active_end = server->nfds = FIRST;
    server->next_deadline = INT64_MAX;
    server->date_second = -1;
    server->pollfds[LISTENER].events = POLLIN;
    server->pollfds[STOP_PIPE] = (struct pollfd){server->stop_pipe[0], POLLIN, 0};
    update_clock(server);
    return server;
}

void server_destroy(struct server *server) {
    while (server->nfds > FIRST) close_connection(server, FIRST, "the server was stopped");
    close(server->stop_pipe[0]);
    close(server->stop_pipe[1]);
    free(server);
}
