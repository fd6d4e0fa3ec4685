/* rounds.c - the rounds of server.c on clocks that are told what to say.
 *
 * Nothing is left to chance here: each test says who comes, who speaks, and what a poll costs. Time
 * goes on by that, by what poll sleeps, and by the work of each answer. So it can be counted how
 * often everyone is looked at, how long poll may sleep, and who gives way to whom.
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

static int told_accept(int fd, struct sockaddr *address, socklen_t *len);
static void *told_calloc(size_t count, size_t size);
static int told_clock(clockid_t clock, struct timespec *to);
static int told_close(int fd);
static int told_fcntl(int fd, int command, int value);
static void *told_malloc(size_t size);
static int told_nanosleep(const struct timespec *time, struct timespec *left);
static int told_poll(struct pollfd polled[], nfds_t count, int timeout);
static ssize_t told_recv(int fd, void *at, size_t len, int flags);
static ssize_t told_send(int fd, const void *at, size_t len, int flags);
static int told_shutdown(int fd, int how);
static time_t told_time(time_t *to);

/* The system's headers have been read above, so that these change server.c alone. */
#define accept        told_accept
#define calloc        told_calloc
#define clock_gettime told_clock
#define close         told_close
#define fcntl         told_fcntl
#define malloc        told_malloc
#define nanosleep     told_nanosleep
#define poll          told_poll
#define recv          told_recv
#define send          told_send
#define shutdown      told_shutdown
#define time(to)      told_time(to)
#include "../../server.c"
#undef calloc
#undef close
#undef fcntl
#undef malloc
#undef poll

#define FIRST   1000 /* descriptor of the first who comes; each later one has the next */
#define PEERS   4000 /* come to a server at most */
#define NEVER   (INT64_MAX / 2)
#define WORK    INT64_C(10000) /* ns that an answer takes */
#define BAD     "no request\n" /* as no CR stands before LF; no more is read after its answer */
#define GOOD    "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define CLOSING "GET / HTTP/1.0\r\n\r\n"

static struct peer {
    const char *says; /* in its next turn; NULL for nothing, and it is not ready then */
    int error;        /* of recv, where there is no more of that */
    size_t takes;     /* bytes of answers */
    int turns, answers;
    bool closed; /* by the server */
} peers[PEERS];

static struct server *server;
static int64_t now, cpu;     /* the two clocks, in ns */
static int64_t silence_ends; /* then the first peer speaks */
static int64_t look_at_one;  /* ns that poll takes for an entry, and 4 times that to sleep */
static int newcomers, come;  /* who wait to be accepted, and who have come so far */
static int accepts;          /* how often accept was asked */
static int accept_error, poll_error;
static bool signal_comes; /* when poll begins to sleep */
static bool log_takes;    /* lines */
static size_t allocated;  /* bytes */

/* What poll was told, and what it has done. */
static int timeout_given;
static bool was_full, listener_was_polled;
static int full_rounds;
static int64_t full_time; /* in full rounds, sleep left out */
static int64_t paused;    /* ns that it slept outside of poll */
static bool log_was_waited_for, overflowed;

static int fail(int error) {
    errno = error;
    return -1;
}

/* ---- The system ---- */

static int told_clock(clockid_t clock, struct timespec *to) {
    int64_t time = clock == CLOCK_PROCESS_CPUTIME_ID ? cpu : now;
    *to = (struct timespec){(time_t)(time / 1000000000), (long)(time % 1000000000)};
    return 0;
}

/* That of a board that has just started, which has no other clock. */
static time_t told_time(time_t *to) {
    (void)to;
    return (time_t)(now / SERVER_SECOND - 1);
}

static int told_accept(int fd, struct sockaddr *address, socklen_t *len) {
    (void)fd, (void)address, (void)len;
    accepts++;
    if (accept_error) return fail(accept_error);
    if (newcomers == 0) return fail(EAGAIN);
    newcomers--;
    peers[come] = (struct peer){.takes = SIZE_MAX};
    return FIRST + come++;
}

static void *told_calloc(size_t count, size_t size) {
    allocated += count * size;
    return calloc(count, size);
}

/* It may hold anything. */
static void *told_malloc(size_t size) {
    void *memory = malloc(size);
    allocated += size;
    return memory ? memset(memory, 0xa5, size) : NULL;
}

static int told_fcntl(int fd, int command, int value) {
    return fd < FIRST ? fcntl(fd, command, value) : 0;
}

static int told_nanosleep(const struct timespec *time, struct timespec *left) {
    (void)left;
    paused += time->tv_sec * SERVER_SECOND + time->tv_nsec;
    now += time->tv_sec * SERVER_SECOND + time->tv_nsec;
    return 0;
}

static int told_close(int fd) {
    if (fd < FIRST) return close(fd);
    peers[fd - FIRST].closed = true;
    return 0;
}

/* Whether these bytes are in one of the server's buffers for input. */
static bool is_room(const char *at, size_t len) {
    const struct buffer *buffer = server->buffers; /* the shared one is the last */
    while (buffer < server->shared && (at < buffer->in || at >= buffer->in + HTTP_BUFFER)) buffer++;
    return at >= buffer->in && at + len <= buffer->in + HTTP_BUFFER;
}

static ssize_t told_recv(int fd, void *at, size_t len, int flags) {
    overflowed |= !is_room(at, len);
    struct peer *peer = &peers[fd - FIRST];
    const char *says = peer->says ? peer->says : "";
    size_t n = strlen(says) < len ? strlen(says) : len;
    (void)flags;
    peer->says = says[n] ? says + n : NULL;
    peer->turns++;
    if (n == 0) return fail(peer->error ? peer->error : EAGAIN);
    memcpy(at, says, n);
    return (ssize_t)n;
}

static ssize_t told_send(int fd, const void *at, size_t len, int flags) {
    struct peer *peer = &peers[fd - FIRST];
    size_t n = len < peer->takes ? len : peer->takes;
    (void)at, (void)flags;
    now += WORK;
    cpu += WORK;
    if (n == 0) return fail(EAGAIN);
    peer->takes -= n;
    peer->answers += n == len;
    return (ssize_t)n;
}

static int told_shutdown(int fd, int how) {
    (void)fd, (void)how;
    return 0;
}

/* What poll finds of an entry: a descriptor that is none of the server's may always be ready. */
static short find(const struct pollfd *entry) {
    if (entry->fd < 0 || entry->fd == signal_pipe[0]) return 0;
    if (entry->fd == server->listener) return newcomers > 0 ? POLLIN : 0;
    if (entry->fd < FIRST) return POLLIN;
    const struct peer *peer = &peers[entry->fd - FIRST];
    if (entry->events == POLLOUT) return peer->takes > 0 ? POLLOUT : 0;
    return peer->says ? POLLIN : 0;
}

static int count_ready(struct pollfd polled[], nfds_t count) {
    int ready = 0;
    for (nfds_t i = 0; i < count; i++) {
        polled[i].revents = find(&polled[i]);
        ready += polled[i].revents != 0;
    }
    return ready;
}

/* A sleep ends with its time or with the silence. A signal comes before it, as the worst one does. */
static int sleep_on(struct pollfd polled[], nfds_t count, int timeout) {
    if (signal_comes && was_full) {
        on_stop_signal(SIGTERM);
        signal_comes = false;
        return poll(&polled[count - 1], 1, 0);
    }
    if (timeout == 0) return 0;
    int64_t until = now + timeout * MILLISECOND;
    now = timeout > 0 && until < silence_ends ? until : silence_ends;
    if (now == silence_ends) {
        peers[0].says = GOOD;
        silence_ends = NEVER;
    }
    return count_ready(polled, count);
}

static int told_poll(struct pollfd polled[], nfds_t count, int timeout) {
    if (polled != server->polled) { /* the log is asked about */
        log_was_waited_for |= timeout != 0;
        polled[0].revents = POLLOUT;
        return log_takes;
    }
    int64_t cost = (int64_t)count * look_at_one * (timeout ? 4 : 1);
    now += cost;
    cpu += cost;
    timeout_given = timeout;
    listener_was_polled = polled[0].fd >= 0;
    was_full = count > server->count;
    full_rounds += was_full;
    full_time += was_full ? cost : 0;
    if (poll_error) return fail(poll_error);
    int ready = count_ready(polled, count);
    return ready ? ready : sleep_on(polled, count, timeout);
}

/* ---- What happens ---- */

static int large_page(const struct http_request *req, struct http_response *res) {
    (void)req;
    http_add_field(res, STR("X"), STR("has room"));
    http_add_field(res, STR("X"), STR("sesame"), (struct str){res->body.s, HTTP_EXTRA});
    while (!res->body.cut) text_put(&res->body, STR("open sesame"));
    return 200;
}

static int empty_page(const struct http_request *req, struct http_response *res) {
    (void)req, (void)res;
    return 200;
}

static int secret_page(const struct http_request *req, struct http_response *res) {
    (void)req;
    http_add_field(res, STR("X"), STR("sesame"));
    text_put(&res->body, STR("open sesame"));
    return 200;
}

/* A server to which nobody has come yet. */
static void begin(size_t connections) {
    static struct server_options options;
    static const struct route routes[] = {{"GET", "/", empty_page},
                                          {"GET", "/large", large_page},
                                          {"GET", "/secret", secret_page},
                                          {NULL, NULL, NULL}};
    const char *failed;
    options =
        (struct server_options){.address = "127.0.0.1", .connections = connections, .quiet = true};
    stop_signals = newcomers = come = accept_error = poll_error = 0;
    look_at_one = 0;
    log_takes = true;
    signal_comes = log_was_waited_for = false;
    now = cpu = SERVER_SECOND;
    silence_ends = NEVER;
    server = server_create(&options, routes, &failed);
    if (!server) exit(1);
}

static void end(void) { server_destroy(server); }

/* One more comes. Returns who. */
static struct peer *bring(void) {
    for (newcomers = 1; newcomers > 0;) play_round(server);
    return &peers[come - 1];
}

/* A peer speaks, and has its turn. */
static void speak(struct peer *peer, const char *says) {
    for (peer->says = says; peer->says && !peer->closed;) play_round(server);
}

/* The first peer asks without a pause, for `time` ns. */
static void load(int64_t time) {
    for (int64_t until = now + time; now < until; play_round(server)) peers[0].says = GOOD;
}

/* `count` come, and all but the first are idle then. */
static void fill(int count) {
    while (come < count) bring();
    now += 2 * BUSY_TIME;
    full_rounds = 0;
    while (full_rounds == 0) load(1);
}

static void play_full_round(void) {
    for (full_rounds = 0; full_rounds == 0;) play_round(server);
}

/* ---- When everyone is looked at ---- */

#define IDLE 1500                         /* connections */
#define LOOK ((IDLE + 2) * INT64_C(1000)) /* ns that a look at everyone takes: one entry is 1000 */

static void begin_with_idle(void) {
    begin(IDLE + 100);
    look_at_one = 1000;
    fill(IDLE);
    silence_ends = now + SERVER_SECOND; /* what a sleep costs is known after one */
    while (silence_ends != NEVER) play_round(server);
    load(SERVER_SECOND / 10);
}

static bool is_about(int64_t time, int64_t expected) {
    return time > expected - expected / 100 && time < expected + expected / 100;
}

static void test_load(void) {
    TEST("beside load everyone is looked at after 32 times what the look before has cost") {
        begin_with_idle();
        int64_t start = now;
        full_time = full_rounds = 0;
        load(10 * SERVER_SECOND);
        CHECK(is_about((now - start - full_time) / full_rounds, 32 * LOOK));
        CHECK(full_time == full_rounds * LOOK);
        end();
    }
    TEST("beside load an idle connection that asks is answered after the next look at everyone") {
        begin_with_idle();
        int64_t start = now;
        for (peers[7].says = GOOD; peers[7].says; play_round(server)) peers[0].says = GOOD;
        CHECK(now - start < 34 * LOOK);
        end();
    }
    TEST("where nobody is idle everyone is looked at ten times a second") {
        begin(10);
        bring();
        load(SERVER_SECOND);
        full_rounds = 0;
        load(10 * SERVER_SECOND);
        CHECK(full_rounds >= 98 && full_rounds <= 101);
        end();
    }
    TEST("who has asked is polled in quick rounds for a twentieth of a second") {
        begin_with_idle();
        speak(&peers[7], GOOD);
        load(BUSY_TIME / 2);
        CHECK(server->busy == 3);
        load(BUSY_TIME / 2 + 34 * LOOK);
        CHECK(server->busy == 2);
        end();
    }
}

static void test_silence(void) {
    TEST("where nothing else is to do everyone is looked at after 4 times what that has cost") {
        begin_with_idle();
        play_full_round();
        int64_t start = now;
        play_full_round();
        CHECK(timeout_given == 0);
        CHECK(now - start > 4 * LOOK && now - start < 5 * LOOK + 2 * MILLISECOND);
        end();
    }
    TEST("poll sleeps on everyone after a silence of 4 times what that costs, and no sooner") {
        begin_with_idle();
        int64_t start = now;
        do play_full_round();
        while (timeout_given == 0);
        int64_t silence = now - timeout_given * MILLISECOND - start;
        CHECK(silence > 4 * 4 * LOOK && silence < 4 * 4 * LOOK + 10 * LOOK);
        end();
    }
    TEST("where a look costs next to nothing it is made every 8 ms beside load, and after 1 ms "
         "else") {
        begin(10);
        look_at_one = 1000;
        fill(5);
        full_rounds = 0;
        load(SERVER_SECOND);
        CHECK(full_rounds >= 123 && full_rounds <= 125);
        now += SERVER_SECOND / 10; /* the load is over */
        speak(&peers[0], GOOD);
        play_full_round();
        int64_t start = now;
        while (!is_full(server)) play_round(server);
        CHECK(now - start >= MILLISECOND && now - start <= 3 * MILLISECOND);
        end();
    }
    TEST("after nine turns within 0.25 ms of one another a quick round may sleep for 10 ms, once") {
        static const struct {
            int turns, gap, timeout;
        } cases[] = {{9, 249999, 11}, {8, 249999, 1}, {9, 250000, 1}};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            begin(10);
            fill(5);
            now += MILLISECOND;
            speak(&peers[0], GOOD);
            for (int turns = 0; turns < cases[i].turns; turns++) {
                now += cases[i].gap - WORK;
                speak(&peers[0], GOOD);
            }
            play_round(server);
            CHECK(!was_full && timeout_given == cases[i].timeout);
            play_full_round();
            play_round(server);
            CHECK(!was_full && timeout_given <= 2);
            end();
        }
    }
}

static void test_pauses(void) {
    TEST("a newcomer beside 16 who are busy is followed by a pause of a microsecond for each, a "
         "quarter of a millisecond at most") {
        static const struct {
            int others, pause; /* in microseconds: for the others and the listener */
        } cases[] = {{15, 0}, {16, 17}, {248, 249}, {1500, 250}};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            begin(2000);
            for (newcomers = cases[i].others; newcomers > 0;) play_round(server);
            paused = 0;
            bring();
            CHECK(paused == cases[i].pause * MILLISECOND / 1000);
            end();
        }
    }
    TEST("no pause follows where one in 16 was ready, or where nobody is new") {
        begin(100);
        for (newcomers = 40; newcomers > 0;) play_round(server);
        paused = 0;
        peers[0].says = peers[1].says = GOOD;
        bring();
        speak(&peers[0], GOOD);
        CHECK(paused == 0);
        bring();
        CHECK(paused > 0);
        end();
    }
}

/* ---- How long poll sleeps ---- */

static void test_sleep(void) {
    TEST("with nobody there poll sleeps until somebody comes") {
        begin(10);
        silence_ends = now + 60 * SERVER_SECOND;
        play_round(server);
        CHECK(was_full && timeout_given == -1);
        end();
    }
    TEST("an idle connection ends 15 seconds after its last request, and poll sleeps until then") {
        begin(10);
        speak(bring(), GOOD);
        int64_t start = now;
        int rounds = 0;
        for (; !peers[0].closed; rounds++) play_round(server);
        CHECK(now - start >= IDLE_TIME && now - start <= IDLE_TIME + 2 * MILLISECOND);
        CHECK(rounds < 10);
        end();
    }
    TEST("connections whose times end close together end in one round") {
        begin(10);
        speak(bring(), GOOD);
        now += NAP_TIME / 2;
        speak(bring(), GOOD);
        while (!peers[0].closed) play_round(server);
        play_round(server);
        if (!was_full) play_round(server);
        CHECK(peers[1].closed && timeout_given == (int)(NAP_TIME / MILLISECOND) + 1);
        end();
    }
}

/* ---- The log ---- */

/* The server writes a log, as into a pipe. Returns the file that it goes to. */
static FILE *begin_log(void) {
    static struct server_options loud = {.connections = 10};
    FILE *file = tmpfile();
    if (!file) exit(1);
    server->options = &loud;
    server->log_sink = dup(fileno(file));
    server->log_may_block = true;
    return file;
}

/* The lines in the file, those that are told to be lost among them. `*told` is how often that was. */
static int count_lines(FILE *file, int *told) {
    char line[2000];
    int lines = 0, lost;
    *told = 0;
    rewind(file);
    while (fgets(line, sizeof line, file)) {
        bool is_told = sscanf(line, "server: lines of the log that were lost: %d", &lost) == 1;
        *told += is_told;
        lines += is_told ? lost : 1;
    }
    return lines;
}

/* Whether all lines of the file tell of a page, or of lines that are lost. */
static bool are_whole(FILE *file) {
    char line[2000];
    bool whole = true;
    rewind(file);
    while (whole && fgets(line, sizeof line, file)) {
        const char *page = strstr(line, "] \"GET /"), *end = strstr(line, " HTTP/1.1\" 404 ");
        whole = (page && end && line[strlen(line) - 1] == '\n') || strstr(line, "that were lost: ");
    }
    return whole;
}

/* How long the request-line is in the last line of the file. */
static int logged_length(FILE *file) {
    char line[2000] = "";
    rewind(file);
    while (fgets(line, sizeof line, file)) continue;
    return (int)(strrchr(line, '"') - strchr(line, '"') - 1);
}

static bool has_line(FILE *file, const char *end) {
    char line[2000];
    bool has = false;
    rewind(file);
    while (!has && fgets(line, sizeof line, file)) has = strstr(line, end) != NULL;
    return has;
}

static void test_time(void) {
    TEST("days, hours, minutes and seconds have two digits") {
        const struct tm tm = {
            .tm_mday = 9, .tm_mon = 11, .tm_year = 99, .tm_hour = 10, .tm_min = 11};
        char room[24];
        struct text text = TEXT(room);
        put_time(&text, &tm, STR("/"));
        CHECK(str_equal(text_str(&text), STR("09/Dec/1999 10:11:00")));
    }
    TEST("the time is told from the first second of 1970 on, and is another one each second") {
        begin(10);
        CHECK(str_equal(text_str(&server->date), STR("Thu, 01 Jan 1970 00:00:00 GMT")));
        now += 61 * SERVER_SECOND;
        speak(bring(), GOOD);
        CHECK(str_equal(text_str(&server->date), STR("Thu, 01 Jan 1970 00:01:01 GMT")));
        end();
    }
}

static void test_log(void) {
    static char many[100 * (sizeof GOOD - 1) + 1];
    int told;
    for (int i = 0; i < 100; i++) strcat(many, GOOD);
    TEST("while the log takes no lines it is asked ten times a second, and not waited for") {
        begin(10);
        FILE *file = begin_log();
        log_takes = false;
        speak(bring(), GOOD);
        CHECK(server->log.len > 0);
        silence_ends = now + SERVER_SECOND;
        for (int rounds = 0; silence_ends != NEVER; rounds++) {
            CHECK(rounds < 30 && timeout_given >= 0 && timeout_given <= 101);
            play_round(server);
        }
        log_takes = true;
        play_round(server);
        CHECK(server->log.len == 0 && !log_was_waited_for && count_lines(file, &told) == 2);
        end();
        fclose(file);
    }
    TEST("no line is lost while the log takes lines, however many come in a round") {
        begin(10);
        FILE *file = begin_log();
        for (int i = 0; i < 10; i++) bring();
        for (int i = 0; i < 10; i++) peers[i].says = many;
        play_full_round();
        CHECK(count_lines(file, &told) == 1000 && told == 0);
        end();
        fclose(file);
    }
    TEST("no line is lost while the log takes lines, however long they are") {
        static char three[4000];
        begin(10);
        FILE *file = begin_log();
        for (int i = 0; i < 10; i++) bring();
        for (int len = 900; len < 1000; len++) {
            three[0] = '\0';
            for (int i = 0; i < 3; i++)
                sprintf(three + strlen(three), "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", len, 0);
            for (int i = 0; i < 10; i++) peers[i].says = three;
            while (peers[0].says) play_round(server);
        }
        CHECK(count_lines(file, &told) == 100 * 30 && told == 0);
        end();
        fclose(file);
    }
    TEST("a request-line takes 1,024 bytes of the log, whatever bytes it is of") {
        static char plain[3000], control[3000];
        sprintf(plain, "%02000d\r\n\r\n", 0);
        strcpy(control, plain);
        memset(control, 0x1f, 2000);
        begin(10);
        FILE *file = begin_log();
        speak(bring(), plain);
        CHECK(logged_length(file) <= 1024 && logged_length(file) > 1016);
        speak(bring(), control);
        CHECK(logged_length(file) <= 1024 && logged_length(file) > 1016);
        CHECK(has_line(file, "\\x1f\\x1f"));
        end();
        fclose(file);
    }
    TEST("a line that is lost is counted, and that is told once") {
        begin(10);
        FILE *file = begin_log();
        log_takes = false;
        bring();
        for (int i = 0; i < 10; i++) speak(&peers[0], many);
        log_takes = true;
        for (int i = 0; i < 10; i++) speak(&peers[0], GOOD);
        CHECK(count_lines(file, &told) == 1010 && told == 1);
        end();
        fclose(file);
    }
    TEST("the lines before and behind a lost one are whole, however long they are") {
        static char page[LOG_LINE + 100];
        begin(10);
        FILE *file = begin_log();
        log_takes = false;
        bring();
        for (int len = 0; len < 980; len++) {
            sprintf(page, "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", len, 0);
            speak(&peers[0], page);
            log_takes = server->log_lost == 5;
            play_round(server);
            log_takes = false;
        }
        log_takes = true;
        play_round(server);
        CHECK(are_whole(file) && count_lines(file, &told) == 980);
        end();
        fclose(file);
    }
    TEST("of what is refused the first line with something in it is told") {
        begin(10);
        FILE *file = begin_log();
        speak(bring(), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n\r\nX\n");
        CHECK(has_line(file, "] \"X\" 400 "));
        end();
        fclose(file);
    }
}

/* ---- The end ---- */

static void test_stop(void) {
    TEST("a signal that comes just before poll sleeps ends the sleep, and is nobody's turn") {
        begin(10);
        speak(bring(), GOOD);
        signal_comes = true;
        play_full_round();
        CHECK(stop_signals == 1 && server->last_turn == server->now);
        CHECK(peers[0].turns == 1 && !peers[0].closed);
        end();
    }
    TEST("a signal that comes just before the first sleep ends it, too") {
        begin(10);
        now += SERVER_SECOND; /* it counts as silence */
        signal_comes = true;
        play_round(server);
        CHECK(stop_signals == 1 && server->last_turn == server->now);
        end();
    }
    TEST("a signal never makes the server wait, however many come") {
        begin(10);
        for (int i = 0; i < 100000; i++) on_stop_signal(SIGTERM);
        CHECK(stop_signals == 100000);
        end();
    }
    TEST("told to stop, the server ends as soon as nothing is in flight") {
        begin(10);
        for (int i = 0; i < 5; i++) speak(bring(), GOOD);
        speak(&peers[3], "GET /");
        int64_t start = now;
        stop_signals = 1;
        while (!is_over(server) && !peers[4].closed) play_round(server);
        CHECK(now - start < 15 * MILLISECOND);
        now += NAP_TIME;
        speak(&peers[3], " HTTP/1.1\r\nHost: a\r\n\r\n");
        CHECK(peers[3].answers == 2 && peers[3].closed && is_over(server));
        end();
    }
    TEST("told to stop, the server waits 5 seconds for what is in flight, and looks 100 times a "
         "second") {
        begin(10);
        speak(bring(), "GET /");
        int64_t start = now;
        int rounds = 0;
        stop_signals = 1;
        for (; !is_over(server); rounds++) play_round(server);
        CHECK(now - start >= STOP_TIME && now - start <= STOP_TIME + 20 * MILLISECOND);
        CHECK(rounds >= 400 && rounds <= 1200);
        end();
    }
    TEST("told to stop, the server takes in newcomers in place of who is idle") {
        begin(4);
        for (int i = 0; i < 4; i++) speak(bring(), GOOD);
        now += BUSY_TIME;
        speak(&peers[0], GOOD);
        newcomers = 5;
        stop_signals = 1;
        CHECK(!is_over(server) && come == 7 && !peers[0].closed);
        for (int i = 1; i < 4; i++) CHECK(peers[i].closed && !peers[i + 3].closed);
        end();
    }
    TEST("told to stop, the server takes in newcomers as far as there are places: nobody gives "
         "way") {
        static const int here[] = {0, 99};
        for (int i = 0; i < 2; i++) {
            begin(100);
            while (come < here[i]) bring();
            newcomers = 200;
            stop_signals = 1;
            CHECK(!is_over(server));
            for (int peer = 0; peer < here[i]; peer++) CHECK(!peers[peer].closed);
            CHECK(come == 100 && server->count == 101);
            end();
        }
    }
}

/* ---- Faults ---- */

static void test_poll_errors(void) {
    TEST("while poll fails for good it is asked 100 times a second, and who is overdue ends") {
        begin(10);
        fill(3);
        now += IDLE_TIME;
        poll_error = EINVAL;
        paused = 0;
        for (int i = 0; i < 3; i++) play_round(server);
        CHECK(peers[0].closed && peers[1].closed && peers[2].closed);
        CHECK(paused == 3 * SERVER_SECOND / 100);
        poll_error = 0;
        speak(bring(), GOOD);
        CHECK(peers[3].answers == 1);
        end();
    }
    TEST("told to stop, the server lets nobody go whom a failing poll has not looked at") {
        begin(10);
        speak(bring(), GOOD);
        stop_signals = 1;
        CHECK(!is_over(server));
        poll_error = EINVAL;
        for (int i = 0; i < 3; i++) play_round(server);
        CHECK(was_full && !peers[0].closed);
        poll_error = 0;
        speak(&peers[0], GOOD);
        CHECK(peers[0].answers == 2);
        end();
    }
    TEST("a poll that is interrupted ends nobody, as it has not looked who speaks") {
        begin(10);
        fill(3);
        now += IDLE_TIME;
        poll_error = EINTR;
        for (int i = 0; i < 3; i++) play_round(server);
        CHECK(!peers[0].closed && !peers[1].closed && !peers[2].closed);
        end();
    }
}

static void test_accept(void) {
    TEST(
        "without descriptors the listener rests for a tenth of a second, and is then asked again") {
        begin(10);
        fill(1);
        accept_error = EMFILE;
        newcomers = 1;
        play_full_round();
        int64_t start = now;
        play_full_round();
        CHECK(!listener_was_polled);
        accept_error = 0;
        while (newcomers > 0) play_round(server);
        CHECK(now - start >= REST_TIME - MILLISECOND && now - start <= REST_TIME + 3 * MILLISECOND);
        end();
    }
    TEST("beside load, too, the listener without descriptors is asked ten times a second") {
        begin(10);
        fill(2);
        accept_error = EMFILE;
        newcomers = 1;
        accepts = 0;
        load(SERVER_SECOND);
        CHECK(accepts >= 9 && accepts <= 11);
        end();
    }
    TEST("the listener does not rest for a signal, or for somebody who has gone again") {
        static const int passing[] = {EAGAIN, EINTR, ECONNABORTED, EPROTO};
        for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
            begin(10);
            accept_error = passing[i];
            newcomers = 1;
            play_round(server);
            play_round(server);
            CHECK(listener_was_polled);
            end();
        }
    }
    TEST("the listener that rests wakes with nobody there") {
        begin(10);
        accept_error = ENFILE;
        newcomers = 1;
        play_round(server);
        accept_error = 0;
        int64_t start = now;
        while (newcomers > 0 && now - start < SERVER_SECOND) play_round(server);
        CHECK(now - start <= REST_TIME + NAP_TIME + 10 * MILLISECOND);
        end();
    }
    TEST("a round takes in a sixteenth of the table and one more, but 64 at most") {
        static const struct {
            size_t table;
            int few;
        } cases[] = {{1, 1}, {160, 11}, {1000, 63}, {1600, 64}};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            begin(cases[i].table);
            newcomers = 200;
            play_round(server);
            CHECK(come == cases[i].few);
            end();
        }
    }
}

static void test_giving_way(void) {
    TEST("a request in flight gives way to nobody while there is one who lingers") {
        begin(2);
        struct peer *half = bring();
        speak(half, "GET /");
        now += MESSAGE_TIME - SERVER_SECOND; /* its end is nearer */
        struct peer *lingers = bring();
        speak(lingers, BAD);
        bring();
        CHECK(lingers->closed && !half->closed);
        end();
    }
    TEST("who comes to a full table gives way to no other newcomer while somebody lingers") {
        begin(16); /* takes in two a round */
        for (int i = 0; i < 16; i++) speak(bring(), BAD);
        newcomers = 2;
        play_round(server);
        CHECK(come == 18 && !peers[16].closed && !peers[17].closed);
        end();
    }
    TEST("in a full table an idle one gives way, then one that lingers, then the oldest request") {
        begin(3);
        struct peer *half = bring(), *lingers = bring(), *idle = bring();
        speak(half, "GET /");
        speak(lingers, BAD);
        now += MILLISECOND;
        speak(idle, GOOD);
        now += BUSY_TIME;
        struct peer *second = bring();
        CHECK(idle->closed && !half->closed && !lingers->closed);
        speak(second, "GET /");
        struct peer *third = bring();
        CHECK(lingers->closed && !half->closed && !second->closed);
        now += MILLISECOND;
        speak(third, "GET /");
        bring();
        CHECK(half->closed && !second->closed && !third->closed);
        end();
    }
    TEST("where all buffers are in use, the oldest message gives way, and nobody else does") {
        begin(20); /* with 8 buffers */
        struct peer *idle = bring();
        for (int i = 1; i <= 9; i++, now += MILLISECOND) bring();
        for (int i = 1; i <= 8; i++, now += MILLISECOND) speak(&peers[i], "GET /");
        speak(&peers[9], "GET /");
        for (int i = 2; i <= 9; i++) CHECK(!peers[i].closed);
        CHECK(peers[1].closed && !idle->closed);
        end();
    }
}

/* ---- Turns ---- */

static void test_turns(void) {
    int told;
    static char first[READ_AT_ONCE + 1];
    memset(first, 'x', READ_AT_ONCE);
    TEST("a request whose first bytes fill one read, and that comes on later, is answered") {
        begin(10);
        memcpy(first, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 28);
        speak(bring(), first);
        CHECK(peers[0].answers == 0 && peers[0].turns == 2);
        speak(&peers[0], "\r\n\r\n");
        CHECK(peers[0].answers == 1 && server->response.status == 200);
        end();
    }
    TEST("a request that grows over its buffer is refused, and nothing is read behind the buffer") {
        begin(10);
        struct peer *peer = bring();
        memcpy(first, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 28);
        speak(peer, first);
        memset(first, 'x', READ_AT_ONCE);
        for (int i = 0; i < 8 && peer->answers == 0; i++) speak(peer, first + 1000);
        CHECK(peer->answers == 1 && !overflowed);
        end();
    }
    TEST("what is refused is read no further, so that its answer goes out") {
        begin(10);
        memcpy(first, BAD, strlen(BAD));
        struct peer *peer = bring();
        peer->error = ECONNRESET;
        speak(peer, first);
        CHECK(peer->answers == 1);
        end();
    }
    TEST("an answer of which one byte is left is sent to the end") {
        begin(10);
        struct peer *peer = bring();
        speak(peer, GOOD);
        size_t whole = SIZE_MAX - peer->takes;
        peer->takes = whole - 1;
        speak(peer, GOOD);
        CHECK(peer->answers == 1 && peer->takes == 0);
        peer->takes = whole;
        play_full_round();
        CHECK(peer->answers == 2 && peer->takes == whole - 1);
        end();
    }
    TEST("an answer that is not taken in 10 seconds is told of, and a silent peer is not") {
        begin(10);
        FILE *file = begin_log();
        struct peer *silent = bring(), *peer = bring();
        peer->takes = 100;
        peer->says = GOOD;
        int64_t start = now;
        while (!peer->closed) play_round(server);
        CHECK(now - start >= MESSAGE_TIME && now - start < MESSAGE_TIME + NAP_TIME);
        while (!silent->closed) play_round(server);
        CHECK(has_line(file, "] \"-\" closed: the peer did not take the answer in time\n"));
        CHECK(count_lines(file, &told) == 2);
        end();
        fclose(file);
    }
    TEST("an answer that is taken drop by drop has 10 seconds in all") {
        begin(10);
        struct peer *peer = bring();
        peer->takes = 1;
        speak(peer, GOOD);
        for (int second = 0; second < 10 && !peer->closed; second++) {
            now += SERVER_SECOND;
            peer->takes = 1;
            play_full_round();
        }
        CHECK(peer->closed);
        end();
    }
    TEST("half a request has 10 seconds from when the answer to the one before is taken") {
        begin(10);
        struct peer *late = bring(), *slow = bring();
        speak(late, "GET /");
        slow->takes = 1;
        speak(slow, GOOD "GET /");
        now += 9 * SERVER_SECOND;
        slow->takes = SIZE_MAX;
        speak(late, " HTTP/1.1\r\nHost: a\r\n\r\nGET /");
        CHECK(late->answers == 1 && slow->answers == 1);
        int64_t start = now;
        while (late->answers == 1 && slow->answers == 1) play_round(server);
        CHECK(is_about(now - start, MESSAGE_TIME));
        CHECK(late->answers == 2 && slow->answers == 2 && server->response.status == 408);
        end();
    }
    TEST("a last answer lingers for 2 seconds where one byte is unread, and not where none is") {
        static const char *const last[] = {CLOSING, CLOSING "x", BAD};
        for (int i = 0; i < 3; i++) {
            begin(10);
            struct peer *peer = bring();
            int64_t start = now;
            speak(peer, last[i]);
            CHECK(peer->answers == 1 && peer->closed == (i == 0));
            while (!peer->closed) play_round(server);
            CHECK(i == 0 || is_about(now - start, LINGER_TIME));
            end();
        }
    }
    TEST("who sends half a request has 10 seconds, then an answer, and 2 more to read it") {
        begin(10);
        FILE *file = begin_log();
        struct peer *peer = bring();
        speak(peer, "\r\nX");
        int64_t start = now;
        while (peer->answers == 0) play_round(server);
        CHECK(is_about(now - start, MESSAGE_TIME) && !peer->closed);
        while (!peer->closed) play_round(server);
        CHECK(is_about(now - start, MESSAGE_TIME + LINGER_TIME));
        CHECK(has_line(file, "] \"X\" 408 "));
        end();
        fclose(file);
    }
    TEST("who is told to go on, and is gone, leaves nothing to those who come next") {
        static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                                   "Content-Length: 8000\r\n\r\n";
        char first[READ_AT_ONCE + 1] = "";
        memset(first, 'x', READ_AT_ONCE);
        memcpy(first, head, sizeof head - 1);
        begin(10);
        struct peer *peer = bring();
        peer->error = ECONNRESET;
        speak(peer, first);
        speak(peer, "");
        CHECK(peer->closed && peer->answers == 1 && server->out.len == 0);
        end();
    }
    TEST("who sends as much as is read at once, of a request, and is gone keeps no buffer") {
        char first[READ_AT_ONCE + 1] = "";
        memset(first, 'x', READ_AT_ONCE);
        begin(10);
        size_t buffers = server->pooled;
        struct peer *peer = bring();
        peer->error = ECONNRESET;
        speak(peer, first);
        CHECK(peer->closed && server->pooled == buffers);
        end();
    }
    TEST("a byte that begins no request is refused at once, behind however many requests") {
        char text[100 * sizeof GOOD] = "";
        for (int i = 0; i < 100; i++) {
            strcpy(text + (size_t)i * (sizeof GOOD - 1), GOOD "\n");
            begin(1);
            speak(bring(), text);
            CHECK(server->table[1]->state == LINGERING);
            end();
        }
    }
    TEST("a body that is larger than an answer can be becomes a 500") {
        begin(10);
        FILE *file = begin_log();
        speak(bring(), "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        CHECK(peers[0].answers == 1 && !peers[0].closed);
        play_full_round();
        CHECK(has_line(file, "\"GET /large HTTP/1.1\" 500 "));
        end();
        fclose(file);
    }
    TEST("a connection that lingers ends when its peer has, in silence, and not for a wait") {
        static const int waits[] = {EAGAIN, EINTR};
        begin(10);
        FILE *file = begin_log();
        struct peer *peer = bring();
        speak(peer, BAD);
        for (int i = 0; i < 2; i++) {
            peer->error = waits[i];
            speak(peer, "");
            CHECK(!peer->closed);
        }
        speak(peer, "more");
        CHECK(!peer->closed);
        peer->error = ECONNRESET;
        speak(peer, "");
        CHECK(peer->closed && count_lines(file, &told) == 1);
        end();
        fclose(file);
    }
}

/* How often the word stands in the server's memory. */
static int count_word(const char *word) {
    const char *parts[] = {(char *)server, (char *)server->buffers};
    size_t sizes[] = {sizeof *server, (size_t)((char *)(server->shared + 1) - parts[1])};
    int count = 0;
    for (int i = 0; i < 2; i++)
        for (size_t at = 0; at + strlen(word) <= sizes[i]; at++)
            count += memcmp(parts[i] + at, word, strlen(word)) == 0;
    return count;
}

static void test_wiping(void) {
    TEST("what a request has said is nowhere in memory after its answer, however it came") {
        begin(10);
        struct peer *peer = bring();
        speak(peer, "GET / HTTP/1.1\r\nHost: a\r\nX: open sesame\r\n\r\n");
        CHECK(peer->answers == 1 && count_word("sesame") == 0);
        speak(peer, "GET / HTTP/1.1\r\nHost: a\r\nX: open sesame\r\n");
        CHECK(count_word("sesame") == 1);
        speak(peer, "\r\n");
        CHECK(peer->answers == 2 && count_word("sesame") == 0);
        speak(peer, "GET / HTTP/1.1\r\nHost: a\r\nX: open sesame\r\n");
        speak(peer, "\r\nGET /");
        CHECK(peer->answers == 3 && count_word("sesame") == 0);
        speak(bring(), BAD);
        speak(&peers[1], "sesame");
        CHECK(!peers[1].closed && count_word("sesame") == 0);
        speak(bring(), "GET /?sesame HTTP/1.1\r\nHost: a\r\n\r\n");
        CHECK(peers[2].answers == 1 && count_word("sesame") == 0);
        end();
    }
    TEST("what an answer has said is nowhere in memory once it is taken, or its peer is gone") {
        begin(10);
        for (int i = 0; i < 3; i++) {
            struct peer *peer = bring();
            speak(peer, "GET /secret HTTP/1.1\r\nHost: a\r\n\r\n");
            CHECK(peer->answers == 1 && count_word("sesame") == 0);
            peer->takes = 1;
            speak(peer, i == 0 ? "GET /secret HTTP/1.1\r\nHost: a\r\n\r\n"
                               : "GET /secret HTTP/1.1\r\nHost: a\r\n\r\nGET /");
            CHECK(peer->answers == 1);
            CHECK(count_word("sesame") == 2); /* in a field, and in the body */
            peer->takes = i == 2 ? 0 : SIZE_MAX;
            while (peer->answers == 1 && !peer->closed) play_round(server);
            CHECK(peer->closed == (i == 2) && count_word("sesame") == 0);
        }
        end();
    }
    TEST("what a handler has said and had no room for is nowhere in memory after its answer") {
        begin(10);
        speak(bring(), "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        CHECK(peers[0].answers == 1 && count_word("sesame") == 0);
        end();
    }
}

static void test_memory(void) {
    TEST("the memory that is told is the memory that is taken") {
        static const size_t tables[] = {1, 100, 1000, 5000};
        for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
            allocated = 0;
            begin(tables[i]);
            CHECK(allocated == server_memory(server->options));
            end();
        }
    }
    TEST("a sixteenth of the connections, and 8 at least, may have a message in flight") {
        static const size_t sizes[][2] = {{1, 8}, {143, 8}, {144, 9}, {1600, 100}};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            begin(sizes[i][0]);
            CHECK(server->pooled == sizes[i][1]);
            end();
        }
    }
}

int main(void) {
    alarm(60); /* what hangs ends: SIGTERM is the server's here */
    test_memory();
    test_wiping();
    test_load();
    test_silence();
    test_pauses();
    test_sleep();
    test_time();
    test_log();
    test_stop();
    test_poll_errors();
    test_accept();
    test_giving_way();
    test_turns();
    return test_report();
}
