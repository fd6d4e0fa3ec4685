/* server.c - the socket server: one process, one thread, one poll(2) loop.
 *
 *     bytes -> take_turn -> read_requests -> http_parse -> answer -> a handler -> http_write -> send_some
 *
 * Memory. All of it is set aside by server_create. A request is read into one buffer and its answers
 * are written into another; all connections share the two, and are done with them before their turn
 * ends. Only half a message in flight, a request that came in part or an answer that the peer takes
 * slowly, goes into a buffer of the connection's own, from a small pool. Where the pool or the table of
 * connections is used up, one of those with the least to lose gives way: whose time ends first.
 *
 * Rounds. poll(2) costs what it is asked to look at, so the busy connections, those that asked a moment
 * ago, stand in front of the idle ones. Most rounds are quick: they look at the front alone, and sleep
 * on it until a full round is due, or a little longer. A full round looks at everyone, ends what is
 * overdue, and sorts the table anew. It is due after 32 times what the one before has cost, so that it
 * takes a thirty-second of the time; after 4 times where nothing else is to do. To sleep on everyone
 * costs several times as much as to look, so a full round sleeps only after a silence of 4 times that.
 *
 * Pauses. Where clients open a connection for each request, they come one by one while many others
 * have come and not spoken yet: to look at all of these for each that comes would be much of the work.
 * So where the listener was ready, and few of many busy connections, the server waits for a microsecond
 * for each of them, a quarter of a millisecond at most: who comes meanwhile is dealt with in one round.
 *
 * Fairness. A turn reads READ_AT_ONCE bytes and answers the requests in them, unless one request
 * alone is larger; so no connection holds up the others for long.
 *
 * It never knows users or sessions. It waits in poll and in those pauses, never on a peer or on the log.
 */
#define _POSIX_C_SOURCE 200809L
#include "server.h"
#include "json.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef SERVER_SECOND /* in ns; a test makes it shorter and with it all that follows */
#define SERVER_SECOND INT64_C(1000000000)
#endif
#define MESSAGE_TIME (10 * SERVER_SECOND) /* for a request to be whole, or an answer to be taken */
#define IDLE_TIME    (15 * SERVER_SECOND) /* for a connection between two requests */
#define LINGER_TIME  (2 * SERVER_SECOND)  /* for a peer to read our last answer and close */
#define STOP_TIME    (5 * SERVER_SECOND)  /* for what is in flight when we are told to stop */
#define REST_TIME    (SERVER_SECOND / 10) /* for the listener when there are no descriptors */
#define BUSY_TIME    (SERVER_SECOND / 20) /* after a request another one is likely */
#define NAP_TIME     (SERVER_SECOND / 10) /* deadlines may pass unseen for so long */
#define MILLISECOND  INT64_C(1000000)     /* what poll counts in */
#define TICK         (10 * MILLISECOND)   /* of a system's own clock, where it is a slow one */
#define LOAD_SHARE   32                   /* full rounds take one part in so many of the time */
#define LOOK_SHARE   4                    /* ... where nothing else is to do */
#define FEW_READY    16                   /* fewer than one in so many busy entries */
#define FEW_TURNS    8                    /* so many, close to one another, are no load yet */

#define READ_AT_ONCE   4096            /* bytes of requests in one turn */
#define ACCEPT_AT_ONCE 64              /* connections in one round */
#define LOG_BUFFER     HTTP_BUFFER     /* bytes of log lines between two writes */
#define LOG_PIECE      _POSIX_PIPE_BUF /* in one write to a pipe, where poll says there is room */
#define LOG_LINE       1024            /* of a request-line in the log, at most */
#define LOG_REST       192             /* what a line of the log needs beside that */

enum state {
    READING, /* a request may come, or is on its way */
    WRITING, /* an answer waits for the peer; nothing more is read meanwhile */
    LINGERING /* the last answer is out and our side is shut: what still comes is thrown away, so that
                 no reset destroys the answer */
};

/* What a connection keeps of a message in flight. */
struct buffer {
    struct http_progress progress;
    size_t in_len, out_len;
    char in[HTTP_BUFFER], out[HTTP_BUFFER];
};

struct connection {
    int64_t deadline;      /* when what `state` waits for is overdue */
    struct buffer *buffer; /* NULL where nothing is in flight */
    size_t place;          /* in the table */
    enum state state;
    bool last;                   /* no request is read after the latest one */
    char peer[INET6_ADDRSTRLEN]; /* longer than what put_address writes, so a NUL ends it */
};

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
};

struct server {
    const struct server_options *options;
    const struct route *routes;

    /* The table. polled[i] and table[i] belong together. [0] is the listener, [1 .. busy) are the
     * busy connections, [busy .. count) the idle ones, [count ..) are free; in a full round
     * polled[count] is the pipe that a signal writes to. */
    struct pollfd *polled;
    struct connection **table, *connections;
    size_t busy, count, most;        /* `most` connections at a time */
    size_t fresh;                    /* connections[fresh ..] were never touched */
    struct buffer *buffers, *shared; /* `shared` by all, for what is done within a turn */
    struct buffer **pool;            /* [0 .. pooled) are free */
    size_t pooled;

    int64_t now;                /* ns, on the monotonic clock */
    int64_t look_due, full_due; /* when a full round is due: in silence, and beside load */
    int64_t next_deadline;      /* none is nearer, of connections and of the listener's rest */
    int64_t accept_due;         /* when the listener has rested; INT64_MAX where it does not */
    int64_t stop_by;            /* 0 where nobody stops us */
    int64_t last_turn;          /* when a round last found something to do */
    unsigned close_turns;       /* how many such rounds have followed one another closely */
    int64_t look_cost;          /* ns of the processor's time that poll takes on everyone, */
    int64_t sleep_cost;         /* and where it may sleep */
    int listener;               /* polled[0].fd where it does not rest; -1 where there is none */
    time_t second;              /* which `date` and `log_time` tell */
    int log_sink;
    bool log_may_block;
    uint64_t log_lost; /* lines */
    struct text log, out, name, date, log_time;
    struct http_request request;
    struct http_response response;
    char log_room[LOG_BUFFER];
    char name_room[sizeof(struct sockaddr_un) + 1]; /* a path, or an address and port */
    char date_room[32], log_time_room[24];
};

static volatile sig_atomic_t stop_signals; /* how many came */
static int signal_pipe[2] = {-1, -1};

static void on_stop_signal(int number) {
    int saved = errno;
    (void)number;
    stop_signals++;
    ssize_t written = write(signal_pipe[1], "", 1); /* wakes poll; a full pipe does too */
    (void)written;
    errno = saved;
}

/* ---- Time ---- */

/* The time in ns; where the clock fails, a millisecond after `latest`: so all comes to its end. */
static int64_t read_clock(clockid_t clock, int64_t latest) {
    struct timespec now;
    if (clock_gettime(clock, &now) < 0) return latest + MILLISECOND;
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void put_two_digits(struct text *text, int number) {
    if (number < 10) text_put(text, STR("0"));
    text_put_number(text, (uint64_t)number);
}

/* As in "06 Nov 1994 08:49:37". strftime and inet_ntop are done without: together they bring printf
 * along, a quarter of a static file. */
static void put_time(struct text *text, const struct tm *tm, struct str dash) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const int clock[] = {tm->tm_hour, tm->tm_min, tm->tm_sec};
    put_two_digits(text, tm->tm_mday);
    text_add(text, dash, (struct str){months + 3 * (size_t)tm->tm_mon, 3}, dash);
    text_put_number(text, (uint64_t)tm->tm_year + 1900);
    for (int i = 0; i < 3; i++) {
        text_put(text, i == 0 ? STR(" ") : STR(":"));
        put_two_digits(text, clock[i]);
    }
}

/* Once a round; the texts once a second. */
static void tell_time(struct server *server) {
    static const char days[] = "SunMonTueWedThuFriSat";
    static const struct tm none = {.tm_mday = 1, .tm_wday = 1}; /* a clock too far off for a date */
    struct tm tm;
    time_t second = time(NULL);
    server->now = read_clock(CLOCK_MONOTONIC, server->now);
    if (second == server->second) return;
    server->second = second;
    server->date = TEXT(server->date_room);
    server->log_time = TEXT(server->log_time_room);
    if (!gmtime_r(&second, &tm)) tm = none;
    text_put(&server->date, (struct str){days + 3 * (size_t)tm.tm_wday, 3});
    text_put(&server->date, STR(", "));
    put_time(&server->date, &tm, STR(" "));
    text_put(&server->date, STR(" GMT"));
    if (!localtime_r(&second, &tm)) tm = none;
    put_time(&server->log_time, &tm, STR("/"));
}

/* ---- The log: one line a request, in the reference's form ---- */

/* Standard error, or, where that is a terminal, a descriptor of our own for it: one that never makes
 * us wait, while who shares the terminal is left as they are. */
static int open_log(void) {
    const char *terminal = isatty(STDERR_FILENO) ? ttyname(STDERR_FILENO) : NULL;
    int own = terminal ? open(terminal, O_WRONLY | O_NONBLOCK | O_NOCTTY) : -1;
    return own < 0 ? STDERR_FILENO : own;
}

/* Writes what was gathered, as far as that goes without waiting: poll says of a pipe that it has
 * room for PIPE_BUF bytes at least, and a file never makes us wait. */
static void write_log(struct server *server) {
    struct text *log = &server->log;
    struct pollfd sink = {server->log_sink, POLLOUT, 0};
    bool may_block = server->log_may_block;
    size_t done = 0;
    while (done < log->len && (!may_block || poll(&sink, 1, 0) == 1)) {
        size_t n = log->len - done;
        ssize_t written =
            write(server->log_sink, log->s + done, may_block && n > LOG_PIECE ? LOG_PIECE : n);
        if (written <= 0) break;
        done += (size_t)written;
    }
    log->len -= done;
    memmove(log->s, log->s + done, log->len);
}

static void flush_log(struct server *server) {
    write_log(server);
    if (server->log_lost == 0 || server->log.len > 0) return;
    text_put(&server->log, STR("server: lines of the log that were lost: "));
    text_put_number(&server->log, server->log_lost);
    text_put(&server->log, STR("\n"));
    server->log_lost = 0;
    write_log(server);
}

/* Bytes that could forge a line, or a terminal's commands, are escaped. */
static void log_escaped(struct text *log, struct str s) {
    static const char digits[] = "0123456789abcdef";
    size_t most = log->len + LOG_LINE - 4;
    for (size_t i = 0; i < s.len && log->len < most; i++) {
        unsigned char byte = (unsigned char)s.s[i];
        char escape[4] = {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
        text_put(log,
                 is_plain(s.s[i]) ? (struct str){s.s + i, 1} : (struct str){escape, sizeof escape});
    }
}

/* Begins the line of an answer to the request that begins with `line`, or of an end. Where the longest
 * one may not fit it is lost, and counted. */
static void begin_log_line(struct server *server, const struct connection *c, struct str line) {
    struct text *log = &server->log;
    if (server->options->quiet) return;
    if (log->room - log->len < LOG_LINE + LOG_REST) flush_log(server);
    if (log->room - log->len < LOG_LINE + LOG_REST) {
        server->log_lost++;
        return;
    }
    text_add(log, str_of(c->peer), STR(" - - ["), text_str(&server->log_time), STR("] \""));
    log_escaped(log, line);
    text_put(log, STR("\" "));
}

/* Ends the line that was begun, if one was: with the answer or, where there is one, the reason of an
 * end. */
static void end_log_line(struct server *server, const char *reason) {
    struct text *log = &server->log;
    if (log->len == 0 || log->s[log->len - 1] == '\n') return;
    if (reason) {
        text_add(log, STR("closed: "), str_of(reason));
    } else {
        text_put_number(log, (uint64_t)server->response.status);
        text_put(log, STR(" "));
        text_put_number(log, server->response.body.len);
    }
    text_put(log, STR("\n"));
}

/* ---- The table of connections ---- */

static void swap_places(struct server *server, size_t a, size_t b) {
    struct pollfd polled = server->polled[a];
    struct connection *c = server->table[a];
    server->polled[a] = server->polled[b];
    server->table[a] = server->table[b];
    server->polled[b] = polled;
    server->table[b] = c;
    server->table[a]->place = a;
    server->table[b]->place = b;
}

static int descriptor(const struct server *server, const struct connection *c) {
    return server->polled[c->place].fd;
}

static void set_state(struct server *server, struct connection *c, enum state state, int64_t time) {
    c->state = state;
    c->deadline = server->now + time;
    if (c->deadline < server->next_deadline) server->next_deadline = c->deadline;
    server->polled[c->place].events = state == WRITING ? POLLOUT : POLLIN;
}

/* A newcomer is busy: its first request is on its way. */
static struct connection *add_connection(struct server *server, int fd) {
    size_t place = server->count++;
    if (place > server->fresh) server->table[place] = &server->connections[server->fresh++];
    server->polled[place] = (struct pollfd){fd, POLLIN, 0};
    struct connection *c = server->table[place];
    *c = (struct connection){.place = place};
    set_state(server, c, READING, IDLE_TIME);
    swap_places(server, place, server->busy++);
    return c;
}

/* Only entries from the ends of the two parts move, and only to the front. A round walks from the end to
 * the front: who moves comes by again, or for the first time; who has had a turn is not ready any more. */
static void remove_connection(struct server *server, struct connection *c) {
    if (c->place < server->busy) swap_places(server, c->place, --server->busy);
    swap_places(server, c->place, --server->count);
}

/* Whether nothing is in flight, and was not for `time` ns. */
static bool is_idle(const struct server *server, const struct connection *c, int64_t time) {
    return c->state == READING && !c->buffer && server->now - (c->deadline - IDLE_TIME) >= time;
}

static void sort_table(struct server *server) {
    server->busy = 1;
    for (size_t i = 1; i < server->count; i++)
        if (!is_idle(server, server->table[i], BUSY_TIME)) swap_places(server, i, server->busy++);
}

static void release_buffer(struct server *server, struct connection *c) {
    struct buffer *buffer = c->buffer;
    if (!buffer) return;
    wipe(buffer->in, buffer->in_len);
    wipe(buffer->out, buffer->out_len);
    buffer->in_len = buffer->out_len = 0;
    server->pool[server->pooled++] = buffer;
    c->buffer = NULL;
}

/* `reason` goes into the log; NULL where the end is an ordinary one. */
static void close_connection(struct server *server, struct connection *c, const char *reason) {
    if (reason) {
        begin_log_line(server, c, STR("-"));
        end_log_line(server, reason);
    }
    release_buffer(server, c);
    close(descriptor(server, c));
    remove_connection(server, c);
}

/* What would be lost: least where a client is idle, more where it has just come or reads its last
 * answer, most where a message is in flight. Where a buffer is wanted, who has none is not asked. */
static int worth(const struct server *server, const struct connection *c, bool buffer_wanted) {
    if (c->buffer) return 2;
    return buffer_wanted ? 3 : !is_idle(server, c, BUSY_TIME);
}

/* Closes a connection: of those worth least the one whose deadline is nearest. A walk over all of them,
 * as it is only done where something is used up. */
static void give_way(struct server *server, bool buffer_wanted) {
    struct connection *victim = server->table[1];
    for (size_t i = 2; i < server->count; i++) {
        struct connection *c = server->table[i];
        int more = worth(server, c, buffer_wanted) - worth(server, victim, buffer_wanted);
        if (more < 0 || (more == 0 && c->deadline < victim->deadline)) victim = c;
    }
    close_connection(server, victim, victim->buffer ? "it gave way to another" : NULL);
}

static struct buffer *own_buffer(struct server *server, struct connection *c) {
    if (c->buffer) return c->buffer;
    if (server->pooled == 0) give_way(server, true);
    return c->buffer = server->pool[--server->pooled];
}

/* ---- Answers ---- */

/* An error in the shape all errors have, its message in three pieces. A piece in the middle that is
 * too long for an answer is left out. */
static int error_about(struct http_response *res, int status, struct str before, struct str what,
                       struct str after) {
    struct text *body = &res->body;
    wipe(body->s, body->len); /* what a handler has begun */
    *body = TEXT(res->body_room);
    text_add(body, STR("{\"status\": \""), http_status(status), STR("\", \"status_code\": "));
    text_put_number(body, (uint64_t)status);
    text_put(body, STR(", \"error\": \""));
    text_put(body, before);
    json_escape(body, what);
    text_put(body, after);
    text_put(body, STR("\", \"data\": null}"));
    return body->cut ? error_about(res, status, before, STR("..."), after) : status;
}

int server_error(struct http_response *res, int status, struct str message) {
    return error_about(res, status, STR(""), message, STR(""));
}

/* What was wrong with bytes that are no request, or none that is taken. */
static struct str complaint(int status) {
    switch (status) {
    case 408: return STR("The request did not come in time");
    case 413: return STR("The request is larger than the server takes");
    case 414: return STR("The request-target is longer than the server takes");
    case 417: return STR("100-continue is the only expectation that is met");
    case 431: return STR("The header fields are more than the server takes");
    case 501: return STR("chunked is the only transfer coding that is understood");
    case 505: return STR("HTTP/1.0 and HTTP/1.1 are the versions that are understood");
    default: return STR("This is no HTTP/1.1 request");
    }
}

/* What may be asked of `path`: the methods in the table, and those that come with them. */
static void add_allow(const struct server *server, struct http_response *res, struct str path) {
    char room[HTTP_EXTRA];
    struct text methods = TEXT(room);
    for (const struct route *route = server->routes; route->method; route++) {
        if (!str_equal(path, str_of(route->path))) continue;
        text_put(&methods, str_of(route->method));
        text_put(&methods, STR(", "));
        if (str_equal(str_of(route->method), STR("GET"))) text_put(&methods, STR("HEAD, "));
    }
    text_put(&methods, STR("OPTIONS"));
    http_add_field(res, STR("Allow"), text_str(&methods));
}

/* Finds the request's route and has it handled. Returns the status. */
static int dispatch(const struct server *server, struct http_request *req,
                    struct http_response *res) {
    const struct route *route = server->routes;
    bool head = res->no_content, known = false;
    struct str method = head ? STR("GET") : req->method, path;
    http_decode_path(req);
    path = req->path;
    if (path.len > 1 && path.s[path.len - 1] == '/') path.len--; /* as in the reference */
    for (; route->method; route++) {
        if (!str_equal(path, str_of(route->path))) continue;
        known = true;
        if (str_equal(method, str_of(route->method))) break;
    }
    if (!known && !str_equal(path, STR("*")))
        return error_about(res, 404, STR("Path "), path, STR(" not found"));
    if (head || !route->method) add_allow(server, res, path);
    if (!route->method && str_equal(method, STR("OPTIONS"))) {
        text_put(&res->body, STR("{}"));
        return 200;
    }
    if (!route->method) return error_about(res, 405, STR(""), req->method, STR(" not allowed"));
    if (!str_equal(method, STR("GET")) && http_is_cross_site(req))
        return server_error(res, 403, STR("This request comes from a page of another site"));
    return route->handle(req, res);
}

/* Has the response written out, and its line in the log ended. */
static void write_answer(struct server *server, struct connection *c) {
    struct http_response *res = &server->response;
    c->last = res->close;
    http_write(&server->out, res, text_str(&server->date));
    end_log_line(server, NULL);
    wipe(res->body.s, res->body.len);
    wipe(res->extra.s, res->extra.len);
}

static void answer(struct server *server, struct connection *c) {
    struct http_request *req = &server->request;
    struct http_response *res = &server->response;
    begin_log_line(server, c, req->line); /* as it came: the path is decoded in place */
    req->received = server->now;
    http_begin_response(res, req);
    res->close |= server->stop_by != 0;
    res->status = dispatch(server, req, res);
    if (res->body.cut) res->status = server_error(res, 500, STR("The answer is too large"));
    write_answer(server, c);
}

/* The first line with something in it, without its end. */
static struct str first_line(struct str bytes) {
    struct str line;
    do {
        line = str_cut(&bytes, '\n');
        if (line.len > 0 && line.s[line.len - 1] == '\r') line.len--;
    } while (line.len == 0 && bytes.len > 0);
    return line;
}

/* Answers bytes that make no request, and lets the connection end. They stay unread, so it lingers. */
static void refuse(struct server *server, struct connection *c, struct str bytes, int status) {
    begin_log_line(server, c, first_line(bytes));
    struct http_request none = {.method = str_cut(&bytes, ' ')}; /* an answer to HEAD has no body */
    http_begin_response(&server->response, &none);
    server->response.status = server_error(&server->response, status, complaint(status));
    write_answer(server, c);
}

/* ---- Turns: what a connection does when poll has found it ready ---- */

/* Answers the requests in in[0 .. len), as far as they are whole and their answers have room. Returns
 * the bytes used up. */
static size_t answer_requests(struct server *server, struct connection *c, char *in, size_t len) {
    size_t used = 0;
    while (used < len && !c->last && server->out.room - server->out.len >= HTTP_RESPONSE) {
        int n = http_parse(in + used, len - used, &server->request);
        if (server->request.awaits_continue)
            text_put(&server->out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
        if (n < 0) refuse(server, c, (struct str){in + used, len - used}, -n);
        if (n <= 0) break;
        answer(server, c);
        used += (size_t)n;
    }
    return used;
}

/* The last comparison is left to systems that have two numbers: compilers warn of it elsewhere. */
static bool would_block(void) {
    return errno == EAGAIN || errno == EINTR || (EWOULDBLOCK != EAGAIN && errno == EWOULDBLOCK);
}

/* Sends the answers. Returns the bytes that went out, or -1 where the connection is broken, which is
 * closed. */
static ssize_t send_some(struct server *server, struct connection *c) {
    ssize_t n = send(descriptor(server, c), server->out.s, server->out.len, 0);
    if (n >= 0) return n;
    if (would_block()) return 0;
    close_connection(server, c, "the peer does not take the answer");
    return -1;
}

/* Keeps what is left of a turn until the next one: of the input, and of the output. */
static void keep(struct server *server, struct connection *c, struct str in, struct str out) {
    struct buffer *buffer = own_buffer(server, c);
    size_t before = buffer->in_len;
    memmove(buffer->in, in.s, in.len);
    if (before > in.len) wipe(buffer->in + in.len, before - in.len);
    buffer->in_len = in.len;
    buffer->progress = server->request.progress;
    memcpy(buffer->out, out.s, out.len);
    buffer->out_len = out.len;
}

/* What becomes of a connection after a turn that left these bytes of input and output over. A request
 * that was kept before, and has only grown, keeps its deadline. After the last answer our side ends; with
 * input unread the peer might lose that answer to a reset, so what comes is thrown away until the peer
 * has closed too (RFC 9112 section 9.6). */
static void settle(struct server *server, struct connection *c, struct str in, struct str out) {
    bool same_request = c->buffer && c->buffer->in == in.s;
    if (out.len > 0) {
        if (c->state != WRITING) set_state(server, c, WRITING, MESSAGE_TIME);
        keep(server, c, in, out);
    } else if (c->last && (in.len == 0 || shutdown(descriptor(server, c), SHUT_WR) < 0)) {
        close_connection(server, c, NULL);
    } else if (c->last) {
        release_buffer(server, c);
        set_state(server, c, LINGERING, LINGER_TIME);
    } else if (in.len > 0) {
        if (!same_request) set_state(server, c, READING, MESSAGE_TIME);
        keep(server, c, in, out);
    } else {
        release_buffer(server, c);
        set_state(server, c, READING, IDLE_TIME);
    }
}

/* Ends a turn: sends the answers and, while the peer takes them, answers what had no room before.
 * in[0 .. len) is what the answered requests have left. */
static void end_turn(struct server *server, struct connection *c, char *in, size_t len) {
    struct text *out = &server->out;
    ssize_t sent = 0;
    while (out->len > 0 && (sent = send_some(server, c)) == (ssize_t)out->len) {
        wipe(out->s, out->len);
        out->len = 0;
        sent = 0;
        if (c->state == WRITING) set_state(server, c, READING, MESSAGE_TIME);
        size_t used = len > 0 ? answer_requests(server, c, in, len) : 0;
        in += used;
        len -= used;
    }
    if (sent >= 0)
        settle(server, c, (struct str){in, len},
               (struct str){out->s + sent, out->len - (size_t)sent});
    wipe(out->s, out->len);
    out->len = 0;
}

/* Reads on into `buffer`. Returns the bytes read, 0 where there are none now, or -1 where the
 * connection is over, which is closed. */
static ssize_t receive(struct server *server, struct connection *c, struct buffer *buffer) {
    size_t len = buffer->in_len;
    size_t room = HTTP_BUFFER - len < READ_AT_ONCE ? HTTP_BUFFER - len : READ_AT_ONCE;
    ssize_t n = recv(descriptor(server, c), buffer->in + len, room, 0);
    if (n > 0) {
        buffer->in_len += (size_t)n;
        return n;
    }
    if (n < 0 && would_block()) return 0;
    close_connection(server, c, len > 0 ? "the peer left in the middle of a request" : NULL);
    return -1;
}

static void read_requests(struct server *server, struct connection *c) {
    struct buffer *buffer = c->buffer ? c->buffer : server->shared;
    size_t used;
    ssize_t n;
    server->request.progress = buffer->progress;
    do {
        n = receive(server, c, buffer);
        if (n < 0) return;
        used = answer_requests(server, c, buffer->in, buffer->in_len);
    } while (n == READ_AT_ONCE && server->out.len == 0); /* a full buffer is always answered */
    end_turn(server, c, buffer->in + used, buffer->in_len - used);
}

/* The rest of the answers goes back to where all are sent from. */
static void write_rest(struct server *server, struct connection *c) {
    struct buffer *kept = c->buffer;
    text_put(&server->out, (struct str){kept->out, kept->out_len});
    wipe(kept->out, kept->out_len);
    server->request.progress = kept->progress;
    end_turn(server, c, kept->in, kept->in_len);
}

/* What all share is empty when a turn ends. */
static void take_turn(struct server *server, struct connection *c) {
    struct buffer *shared = server->shared;
    if (c->state == READING)
        read_requests(server, c);
    else if (c->state == WRITING)
        write_rest(server, c);
    else
        receive(server, c, shared); /* and throws it away */
    wipe(shared->in, shared->in_len);
    shared->in_len = 0;
}

static void end_overdue(struct server *server, struct connection *c) {
    if (c->state == READING && c->buffer) {
        refuse(server, c, (struct str){c->buffer->in, c->buffer->in_len}, 408);
        end_turn(server, c, c->buffer->in, c->buffer->in_len);
    } else {
        close_connection(server, c,
                         c->state == WRITING ? "the peer did not take the answer in time" : NULL);
    }
}

/* ---- Rounds ---- */

/* accept's errors by their meaning: gone again, and others may wait behind; nobody there; or no
 * descriptors, no memory, or whatever a system has to say beyond: then the listener rests instead of
 * asking again and again. Returns whether there may be more. */
static bool rest_listener(struct server *server) {
    if (errno == ECONNABORTED || errno == EPROTO || errno == EINTR) return true;
    if (would_block()) return false;
    server->polled[0].fd = -1; /* with no events poll would still tell a broken one */
    server->accept_due = server->now + REST_TIME;
    if (server->accept_due < server->next_deadline) server->next_deadline = server->accept_due;
    return false;
}

/* Writes an IP address, "unix" for others. IPv6 is written out in full (RFC 4291 section 2.2). */
static void put_address(struct text *text, const union address *address) {
    bool v6 = address->any.sa_family == AF_INET6;
    const unsigned char *ip =
        v6 ? address->v6.sin6_addr.s6_addr : (const unsigned char *)&address->v4.sin_addr.s_addr;
    if (!v6 && address->any.sa_family != AF_INET) {
        text_put(text, STR("unix"));
    } else if (!v6 || IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr)) { /* section 2.5.5.2 */
        for (int i = 0; i < 4; i++) {
            if (i > 0) text_put(text, STR("."));
            text_put_number(text, ip[i + (v6 ? 12 : 0)]);
        }
    } else {
        for (int i = 0; i < 16; i += 2) {
            if (i > 0) text_put(text, STR(":"));
            text_put_hex(text, (unsigned)(ip[i] << 8 | ip[i + 1]));
        }
    }
}

/* Takes in a newcomer. Returns whether there may be more. */
static bool accept_connection(struct server *server) {
    union address peer = {.any.sa_family = AF_UNSPEC};
    socklen_t len = sizeof peer;
    int fd = accept(server->listener, &peer.any, &len);
    if (fd < 0) return rest_listener(server);
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        close(fd);
        return true;
    }
    if (server->count > server->most) give_way(server, false);
    struct connection *c = add_connection(server, fd);
    struct text name = TEXT(c->peer);
    put_address(&name, &peer);
    return true;
}

/* Takes in so few at once that each has a turn before it must give way to others. */
static void accept_some(struct server *server) {
    size_t few = server->most / 16 + 1;
    for (size_t i = 0; i < few && i < ACCEPT_AT_ONCE; i++)
        if (!accept_connection(server)) return;
}

/* Ends what is overdue and, where we stop, what is idle; but nobody goes for that where poll has not
 * looked who speaks. */
static void sweep(struct server *server, bool looked) {
    if (server->now >= server->accept_due) {
        server->polled[0].fd = server->listener;
        server->accept_due = INT64_MAX;
    }
    server->next_deadline = server->accept_due;
    for (size_t i = server->count; i-- > 1;) { /* who moves was looked at before */
        struct connection *c = server->table[i];
        bool let_go = looked && server->stop_by && is_idle(server, c, MILLISECOND);
        if (server->now >= c->deadline || let_go)
            end_overdue(server, c);
        else if (c->deadline < server->next_deadline)
            server->next_deadline = c->deadline;
    }
    sort_table(server);
}

static int milliseconds(int64_t time) { return (int)(time / MILLISECOND + 1); }

/* Whether the last round has found nothing to do. */
static bool is_silent(const struct server *server) { return server->last_turn < server->now; }

/* Whether the next round looks at everyone. */
static bool is_full(const struct server *server) {
    return server->now >= (is_silent(server) ? server->look_due : server->full_due);
}

/* How long a quick round may sleep: until everyone is to be looked at. Beside load a turn ends the sleep
 * long before that, and it is given a tick at least: for a shorter one the system sets a timer and takes
 * it back, a tenth of the time of a request. The price is that an idle client who asks just when the
 * load ends is seen so much later. */
static int64_t quick_sleep(const struct server *server) {
    int64_t time = server->look_due - server->now;
    int64_t least = !is_silent(server) && server->close_turns > FEW_TURNS ? TICK : 0;
    return time < least ? least : time;
}

/* How long poll may sleep in the next round, in ms; -1 is for ever. */
static int sleep_time(const struct server *server, bool full) {
    int64_t time = server->next_deadline - server->now;
    if (!full) return milliseconds(quick_sleep(server));
    if (server->now - server->last_turn < LOOK_SHARE * server->sleep_cost) return 0;
    if (server->stop_by) return milliseconds(NAP_TIME / 10); /* who falls idle is let go soon */
    if (server->log.len > 0) return milliseconds(NAP_TIME);  /* until the log takes lines again */
    if (server->next_deadline == INT64_MAX) return -1;       /* nobody is there */
    return milliseconds(time < NAP_TIME ? NAP_TIME : time);
}

/* poll has found `ready` of the first `entries` ready. The listener comes last, as newcomers would
 * change the table. */
static void take_turns(struct server *server, size_t entries, int ready) {
    for (size_t i = entries; i-- > 0 && ready > 0;) {
        if (i >= server->count || !server->polled[i].revents) continue;
        server->polled[i].revents = 0;
        ready--;
        if (i > 0)
            take_turn(server, server->table[i]);
        else
            accept_some(server);
    }
}

/* After a full round whose poll took `cost` ns of the processor's time: a sleep is none. Where nobody
 * is idle a quick round misses nobody; where we stop, who falls idle is let go soon. */
static void plan_full_round(struct server *server, int64_t cost, bool may_sleep) {
    if (cost > NAP_TIME) cost = NAP_TIME; /* after a clock that failed it may be anything */
    if (may_sleep) server->sleep_cost = cost;
    if (!may_sleep || cost < server->look_cost) server->look_cost = cost;
    int64_t least = MILLISECOND / LOOK_SHARE, look = server->look_cost;
    if (look < least || server->stop_by) look = least;
    bool nobody_idle = server->busy == server->count && !server->stop_by;
    server->look_due = server->now + (nobody_idle ? NAP_TIME : LOOK_SHARE * look);
    server->full_due = server->now + (nobody_idle ? NAP_TIME : LOAD_SHARE * look);
}

/* How long to pause, in ns, after a round that found the listener ready, and with it `ready` of the
 * entries; `busy` of these are looked at in every round. */
static long pause_time(size_t busy, int ready) {
    if (busy <= FEW_READY * (size_t)ready) return 0;
    return (busy < 250 ? (long)busy : 250) * 1000;
}

static void play_round(struct server *server) {
    bool full = is_full(server);
    int timeout = sleep_time(server, full);
    size_t busy = server->busy, entries = full ? server->count + 1 : busy;
    if (full)
        server->polled[server->count] =
            (struct pollfd){server->stop_by ? -1 : signal_pipe[0], POLLIN, 0};
    int64_t cost = full ? read_clock(CLOCK_PROCESS_CPUTIME_ID, 0) : 0;
    int ready = poll(server->polled, (nfds_t)entries, timeout);
    bool failed = ready < 0 && errno != EINTR;
    if (full) cost = read_clock(CLOCK_PROCESS_CPUTIME_ID, cost) - cost;
    tell_time(server);
    if (ready > 0) {
        bool soon = server->now - server->last_turn < MILLISECOND / 4;
        server->close_turns = soon ? server->close_turns + 1 : 0;
        server->last_turn = server->now;
    }
    long pause = server->polled[0].revents ? pause_time(busy, ready) : 0; /* the turns clear it */
    take_turns(server, entries, ready);
    if (full && (ready >= 0 || failed)) { /* interrupted, it looked at nobody */
        sweep(server, ready >= 0);
        plan_full_round(server, cost, timeout != 0);
    }
    if (server->log.len > 0) flush_log(server);
    if (failed) pause = 10000000; /* no memory for poll, say: it is not asked again and again */
    if (pause > 0) nanosleep(&(struct timespec){0, pause}, NULL);
}

/* ---- The start and the end ---- */

static bool is_path(const char *address) { return strchr(address, '/') != NULL; }

/* Reads the address and port into `to`; returns its length, 0 where it is no address. */
static socklen_t parse_address(const struct server_options *options, union address *to) {
    const char *text = options->address;
    memset(to, 0, sizeof *to);
    if (is_path(text) && strlen(text) < sizeof to->un.sun_path) {
        to->un.sun_family = AF_UNIX;
        memcpy(to->un.sun_path, text, strlen(text));
        return sizeof to->un;
    }
    if (inet_pton(AF_INET, text, &to->v4.sin_addr) == 1) {
        to->v4.sin_family = AF_INET;
        to->v4.sin_port = htons((uint16_t)options->port);
        return sizeof to->v4;
    }
    if (inet_pton(AF_INET6, text, &to->v6.sin6_addr) == 1) {
        to->v6.sin6_family = AF_INET6;
        to->v6.sin6_port = htons((uint16_t)options->port);
        return sizeof to->v6;
    }
    return 0;
}

bool server_is_address(const char *address) {
    union address parsed;
    return parse_address(&(struct server_options){.address = address}, &parsed) > 0;
}

/* A server that was killed leaves its socket file behind: nobody listens there, and it goes. Where
 * somebody does, nobody waits until they have time. */
static void remove_stale(const union address *address, socklen_t len) {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct stat file;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (lstat(address->un.sun_path, &file) == 0 && S_ISSOCK(file.st_mode) &&
        connect(fd, &address->any, len) < 0 && errno == ECONNREFUSED)
        unlink(address->un.sun_path);
    close(fd);
}

/* Makes the listener, bound to the address. */
static bool bind_listener(struct server *server) {
    union address address;
    socklen_t len = parse_address(server->options, &address);
    int on = 1, off = 0, fd = socket(address.any.sa_family, SOCK_STREAM, 0);
    server->listener = fd;
    if (fd < 0) return false;
    if (address.any.sa_family == AF_UNIX) remove_stale(&address, len);
    if (address.any.sa_family == AF_INET6) /* "::" takes IPv4 as well */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(fd, &address.any, len) == 0;
}

/* A supervisor may hand over sockets, from descriptor 3 on; the environment says how many. Returns
 * that number as text, or NULL where none are for us. */
static const char *handed_over(void) {
    const char *count = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
    char room[20];
    struct text own = TEXT(room);
    text_put_number(&own, (uint64_t)getpid());
    return pid && str_equal(str_of(pid), text_str(&own)) ? count : NULL;
}

static bool name_listener(struct server *server) {
    union address address;
    socklen_t len = sizeof address;
    memset(&address, 0, sizeof address);
    if (getsockname(server->listener, &address.any, &len) < 0) return false;
    bool v6 = address.any.sa_family == AF_INET6;
    if (address.any.sa_family == AF_UNIX) {
        struct str path = {address.un.sun_path,
                           sizeof address.un.sun_path}; /* no NUL ends a full one */
        text_put(&server->name, str_cut(&path, '\0'));
        return true;
    }
    if (v6) text_put(&server->name, STR("["));
    if (handed_over())
        put_address(&server->name, &address);
    else
        text_put(&server->name, str_of(server->options->address));
    text_put(&server->name, v6 ? STR("]:") : STR(":"));
    text_put_number(&server->name, ntohs(v6 ? address.v6.sin6_port : address.v4.sin_port));
    return true;
}

static bool open_listener(struct server *server) {
    const char *count = handed_over();
    int on = 1;
    if (count && strcmp(count, "1") != 0) { /* which of several is meant is not known */
        errno = EINVAL;
        return false;
    }
    if (count) server->listener = 3;
    if (!count && !bind_listener(server)) return false;
    int fd = server->listener;
    server->polled[0] = (struct pollfd){fd, POLLIN, 0};
    if (!name_listener(server) || listen(fd, SOMAXCONN) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return false;
    /* Accepted sockets inherit it where it matters; no answer waits for an acknowledgement then. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return true;
}

/* A server that is ended or halted by its terminal, by a log that is as large as a file may be, or by a
 * stray signal, serves nobody. */
static bool catch_signals(void) {
    static const int ignored[] = {SIGHUP, SIGPIPE, SIGTTOU, SIGUSR1, SIGUSR2, SIGXFSZ};
    struct sigaction action = {.sa_handler = SIG_IGN};
    sigfillset(&action.sa_mask); /* no signal interrupts what another one does */
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        if (sigaction(ignored[i], &action, NULL) < 0) return false;
    action.sa_handler = on_stop_signal;
    return pipe(signal_pipe) == 0 && fcntl(signal_pipe[1], F_SETFL, O_NONBLOCK) == 0 &&
           sigaction(SIGINT, &action, NULL) == 0 && sigaction(SIGTERM, &action, NULL) == 0 &&
           sigprocmask(SIG_UNBLOCK, &action.sa_mask, NULL) == 0; /* our starter's may block them */
}

/* Asks for a descriptor for each connection and a few more. Returns how many connections there can be
 * where the system has fewer. */
static size_t raise_limit(size_t connections) {
    const rlim_t others = 16;
    rlim_t wanted = (rlim_t)connections + others;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted) return connections;
    struct rlimit raised = {wanted < limit.rlim_max ? wanted : limit.rlim_max, limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
    if (limit.rlim_cur >= wanted) return connections;
    return limit.rlim_cur > others ? (size_t)(limit.rlim_cur - others) : 1;
}

static size_t count_buffers(size_t connections) {
    return connections / 16 < 8 ? 8 : connections / 16;
}

size_t server_memory(const struct server_options *options) {
    size_t connections = options->connections, buffers = count_buffers(connections);
    return sizeof(struct server) + (connections + 2) * sizeof(struct pollfd) +
           (connections + 1) * sizeof(struct connection *) +
           connections * sizeof(struct connection) + (buffers + 1) * sizeof(struct buffer) +
           buffers * sizeof(struct buffer *);
}

/* Zeros only where they count: of what is written before it is read a start touches nothing. */
static bool allocate(struct server *server) {
    size_t connections = server->options->connections, buffers = count_buffers(connections);
    server->polled = malloc((connections + 2) * sizeof *server->polled);
    server->table = malloc((connections + 1) * sizeof(struct connection *));
    server->connections = malloc(connections * sizeof *server->connections);
    server->buffers = calloc(buffers + 1, sizeof *server->buffers);
    server->pool = malloc(buffers * sizeof(struct buffer *));
    if (!server->polled || !server->table || !server->connections) return false;
    if (!server->buffers || !server->pool) return false;
    for (size_t i = 0; i < buffers; i++) server->pool[server->pooled++] = &server->buffers[i];
    server->shared = &server->buffers[buffers];
    server->out = TEXT(server->shared->out);
    return true;
}

struct server *server_create(const struct server_options *options, const struct route routes[],
                             const char **failed) {
    struct server *server = calloc(1, sizeof *server);
    struct stat log;
    *failed = "find memory to serve at";
    if (!server) return NULL;
    server->options = options;
    server->routes = routes;
    server->busy = server->count = 1;
    server->listener = -1;
    server->second = -1; /* none, that of a board that has just started included */
    server->next_deadline = server->accept_due = INT64_MAX;
    server->log = TEXT(server->log_room);
    server->name = TEXT(server->name_room);
    server->log_sink = open_log();
    server->log_may_block = fstat(STDERR_FILENO, &log) < 0 || !S_ISREG(log.st_mode);
    tzset();
    tell_time(server);
    server->most = raise_limit(options->connections);
    bool ready = allocate(server);
    if (ready) {
        *failed = "catch signals to serve at";
        ready = catch_signals();
    }
    if (ready) {
        *failed = handed_over() ? "take over a socket in place of" : "listen on";
        if (open_listener(server)) return server;
    }
    int cause = errno;
    server_destroy(server);
    errno = cause;
    return NULL;
}

struct str server_name(const struct server *server) {
    return text_str(&server->name);
}

/* Another server may listen on a socket file of the same name by now: that one stays. */
static void stop_listening(struct server *server) {
    union address address;
    if (server->listener < 0) return;
    close(server->listener);
    server->listener = server->polled[0].fd = -1;
    if (is_path(server->name.s) && !handed_over())
        remove_stale(&address, parse_address(server->options, &address));
}

/* Whose request is here by now is served; who is idle is let go in the next round, or for who waits. */
static void begin_stop(struct server *server) {
    server->stop_by = server->now + STOP_TIME;
    server->last_turn = server->now;
    server->look_due = server->full_due = 0;
    sort_table(server); /* some may have fallen idle since the last look */
    for (size_t i = 0; i < server->most; i++) {
        bool full = server->count > server->most && server->busy == server->count;
        if (full || !accept_connection(server)) break;
    }
    stop_listening(server);
}

static bool is_over(struct server *server) {
    if (stop_signals == 0) return false;
    if (server->stop_by == 0) begin_stop(server);
    return stop_signals > 1 || server->count == 1 || server->now >= server->stop_by;
}

void server_run(struct server *server) {
    while (!is_over(server)) play_round(server);
}

void server_destroy(struct server *server) {
    while (server->count > 1) {
        struct connection *c = server->table[1];
        close_connection(server, c, c->buffer ? "the server has stopped" : NULL);
    }
    flush_log(server);
    stop_listening(server);
    if (server->log_sink != STDERR_FILENO) close(server->log_sink);
    for (int i = 0; i < 2; i++) {
        close(signal_pipe[i]);
        signal_pipe[i] = -1;
    }
    free(server->polled);
    free(server->table);
    free(server->connections);
    free(server->buffers);
    free(server->pool);
    free(server);
}
