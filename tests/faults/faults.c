/* faults.c - makes every call of the server fail, and looks at what becomes of it.
 *
 *     faults              all tests
 *     faults CALL         the faults of one call alone, such as `faults recv`
 *     faults -q           a few faults of each call: a few seconds, not a minute
 *     faults -1 COMMAND   runs COMMAND with servers that move one byte a call
 *
 * Each call in calls.h fails at its first, second, third ... call, until there is none more, with
 * each of its errnos, once and for good:
 *
 *   - at the start: one line with the cause and exit status 1, or a server that is whole;
 *   - while it serves the walk of walk.c: one connection is lost at most, none by EINTR and EAGAIN;
 *     once the fault is over a newcomer is served;
 *   - while it stops: the same, and "Done".
 *
 * In every round the server's books balance (see books.c), it allocates nothing once it serves, and
 * it exits with status 0. The server runs as a child, its calls replaced when it was linked; what
 * is to fail stands in a file that both map, so that nothing of it is in the server's own code.
 *
 * Most of the time is spent waiting, so several workers share the work, each with a server, a plan
 * and a socket of its own.
 */
#define _XOPEN_SOURCE 700 /* POSIX.1-2008, and its terminals */
#include "walk.h"

#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SERVER     "build/faults/server"
#define USERS      "build/faults/users"
#define ROWS_FILE  "build/faults/rows"
#define CALLS_FILE "build/faults/calls" /* the names that the rooms leave to libc, from run.sh */
#define PATIENCE   5000                 /* ms for what must come */
#define IMPATIENCE 20                   /* ms for what may not */
#define WORKERS    6

enum start { REFUSES, GOES_ON, EITHER, LATER };

struct row {
    const char *name;
    enum start start;
    int errors[24];
    int starts, refusals, serving, lost, stopping; /* what was tried, and what came of it */
};

static const struct row table[CALLS] = {
#define CALL(type, name, parameters, arguments, failure, start, ...)                               \
    {#name, start, {__VA_ARGS__}, 0, 0, 0, 0, 0},
#define OWN(name, start, ...) {#name, start, {__VA_ARGS__}, 0, 0, 0, 0, 0},
#include "calls.h"
};
static struct row *rows; /* the table, in memory that all workers share */

/* ---- The server under test ---- */

/* What a start needs beside its arguments. */
struct extras {
    bool terminal;      /* standard error is one */
    int closed;         /* standard descriptors that are closed, a bit for each */
    int listener;       /* a listening socket that is handed over, or 0 */
    rlim_t descriptors; /* how many it may have at most, half of them at once; or 0 */
};

static pid_t server;                   /* 0 where none runs */
static int status;                     /* of the latest one: its exit status, or -1 */
static int said_pipe[2], told_pipe[2]; /* its standard output and error */
static char said[4096], told[65536];   /* what it wrote there */
static char plan_file[64], socket_file[64];

static void pause_ms(long ms) { nanosleep(&(struct timespec){0, ms * 1000000}, NULL); }

/* A plan under which nothing fails. */
static void clear_plan(void) { *plan = (struct plan){.first = 1, .every = 1}; }

static void *map_file(const char *path, size_t size) {
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0) exit(2);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) exit(2);
    close(fd);
    return memory;
}

/* The files of a process that runs servers; the number is its own. */
static void open_plan(int number) {
    snprintf(plan_file, sizeof plan_file, "build/faults/plan.%d", number);
    snprintf(socket_file, sizeof socket_file, "build/faults/socket.%d", number);
    plan = map_file(plan_file, sizeof *plan);
    setenv(PLAN_VARIABLE, plan_file, 1);
    clear_plan();
}

static void become_server(const char *const arguments[], const struct extras *extras) {
    char own[24];
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(said_pipe[1], STDOUT_FILENO);
    dup2(told_pipe[1], STDERR_FILENO);
    close(null);
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (extras->closed >> fd & 1) close(fd);
    if (extras->listener > 0) {
        dup2(extras->listener, 3);
        snprintf(own, sizeof own, "%ld", (long)getpid());
        setenv("LISTEN_FDS", "1", 1);
        setenv("LISTEN_PID", own, 1);
    }
    if (extras->descriptors)
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){extras->descriptors / 2, extras->descriptors});
    execv(SERVER, (char *const *)(size_t)arguments);
    _exit(127);
}

static void read_all(int fd, char *text, size_t room) {
    ssize_t n = read(fd, text, room - 1);
    text[n > 0 ? n : 0] = '\0';
    close(fd);
}

static bool has_ended(void) {
    int raw;
    if (waitpid(server, &raw, WNOHANG) != server) return false;
    status = WIFEXITED(raw) ? WEXITSTATUS(raw) : -1;
    server = 0;
    read_all(said_pipe[0], said, sizeof said);
    read_all(told_pipe[0], told, sizeof told);
    return true;
}

/* A server that does not end is killed. */
static void await_end(void) {
    for (int ms = 0; ms < PATIENCE; ms++) {
        if (has_ended()) return;
        pause_ms(1);
    }
    kill(server, SIGKILL);
    while (!has_ended()) pause_ms(1);
}

static void open_terminal(int ends[2]) {
    ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
    if (ends[0] < 0 || grantpt(ends[0]) < 0 || unlockpt(ends[0]) < 0) exit(2);
    ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY);
}

/* Returns whether the server serves; where it does not, it has ended. */
static bool start(const char *const arguments[], struct extras extras) {
    patience = PATIENCE;
    if (pipe(said_pipe) < 0 || (!extras.terminal && pipe(told_pipe) < 0)) exit(2);
    if (extras.terminal) open_terminal(told_pipe);
    int ends[] = {said_pipe[0], said_pipe[1], told_pipe[0], told_pipe[1]};
    for (int i = 0; i < 4; i++) fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    server = fork();
    if (server == 0) become_server(arguments, &extras);
    close(said_pipe[1]);
    close(told_pipe[1]);
    for (int tries = 0; plan->phase == STARTING; tries++) {
        if (has_ended()) return false;
        if (tries == 10 * PATIENCE) kill(server, SIGKILL);
        nanosleep(&(struct timespec){0, 100000}, NULL);
    }
    return true;
}

/* ---- What must hold ---- */

static char what_fails[160]; /* the fault that is tried now */

static void expect(bool holds, const char *what) {
    char text[1024];
    if (holds) return;
    snprintf(text, sizeof text, "%s: %s", what_fails, what);
    CHECK_CASE(false, text);
}

static void expect_lines(void) {
    char lines[512];
    snprintf(lines, sizeof lines,
             "DB: Creating users table in memory...\nDB: Adding users...\nServing on %s...\nDone\n",
             plan->address);
    expect(strcmp(said, lines) == 0, "its lines on standard output");
}

/* Tells the server to stop, and sees that all is in order at its end. */
static void expect_good_end(void) {
    kill(server, SIGTERM);
    await_end();
    expect(status == 0, told[0] ? told : "exit status 0");
    expect(plan->wrong[0] == '\0', plan->wrong);
    expect(plan->allocations == 0, "nothing is allocated after the start");
}

/* A start that failed said why, in one line. */
static void expect_cause(const struct row *row, int error) {
    const char *end = strchr(told, '\n');
    bool is_usage = strstr(told, "; -h lists the options"); /* an address that cannot be parsed */
    expect(status == (is_usage ? 2 : 1), "exit status 1, or 2 for a wrong option");
    expect(strncmp(told, "server: ", 8) == 0 && end && end[1] == '\0', "one line that says why");
    bool is_taken =
        row->start == EITHER && strstr(told, strerror(EADDRINUSE)); /* by a stale socket */
    expect(is_usage || is_taken || strstr(told, strerror(error)), "the cause is named");
    expect(!strstr(said, "Serving on"), "it does not say that it serves");
}

/* ---- Faults at the start ---- */

static const char *const usual[] = {"server", "-a", "127.0.0.1", "-p", "0", "-c", "10", NULL};
static int handed_over; /* a listening socket */

static int listen_somewhere(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 8) < 0) exit(2);
    int high = fcntl(fd, F_DUPFD, 10);
    close(fd);
    fcntl(high, F_SETFD, FD_CLOEXEC);
    return high;
}

/* A socket file that nobody listens at, as a server leaves it that was killed. */
static void leave_socket(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(address.sun_path, socket_file);
    unlink(socket_file);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) exit(2);
    close(fd);
}

static void write_users(void) {
    int fd = open(USERS, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (write(fd, "foo:foo\n", 8) != 8) exit(2);
    close(fd);
}

static bool has_ipv6(void) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return bound;
}

static const char *const ways[][10] = {
    {"server", "-a", "127.0.0.1", "-p", "0"},
    {"server", "-a", "::1", "-p", "0"},
    {"server", "-a", socket_file},
    {"server", "-p", "0", "-u", USERS},
    {"server", "-p", "0"}, /* from a terminal */
    {"server"},            /* with a listening socket that is handed over */
};
#define WAYS      (sizeof ways / sizeof *ways)
#define IPV6      1
#define TERMINAL  (WAYS - 2)
#define HAND_OVER (WAYS - 1)
static size_t way;

static bool start_a_way(void) {
    leave_socket();
    return start(ways[way], (struct extras){.listener = way == HAND_OVER ? handed_over : 0,
                                            .terminal = way == TERMINAL,
                                            .descriptors = 64});
}

static void plan_fault(const struct row *row, int error, enum phase phase, int first, int last) {
    clear_plan();
    plan->fails[row - rows] = true;
    plan->at[phase] = true;
    plan->error = error;
    plan->first = first;
    plan->last = last;
    snprintf(what_fails, sizeof what_fails, "%s: %s at call %d%s", row->name, strerror(error),
             first, last > first ? " and from then on" : "");
}

static bool has_hit(const struct row *row) { return plan->injected[row - rows] > 0; }

/* Returns whether there was such a call. */
static bool fail_at_start(struct row *row, int error, int first, int last) {
    plan_fault(row, error, STARTING, first, last);
    bool serves = start_a_way(), hit = has_hit(row);
    row->starts += hit;
    if (serves) {
        expect(!hit || row->start == GOES_ON || row->start == EITHER, "the start fails");
        expect(is_served(), "who goes on serves");
        expect_good_end();
    } else {
        expect(row->start == REFUSES || row->start == EITHER, "the start goes on");
        expect_cause(row, error);
        row->refusals++;
    }
    return hit;
}

/* ---- Faults while serving, and while stopping ---- */

static int calls_made(void) {
    int sum = 0;
    for (int call = 0; call < CALLS; call++) sum += plan->calls[SERVING][call];
    return sum;
}

/* With nothing to do, whatever fails is not asked again and again. */
static void expect_calm(void) {
    pause_ms(20);
    int before = calls_made();
    pause_ms(20);
    expect(calls_made() - before < 400, "the server is calm");
}

/* Nothing is lost by these: the call is made again, or a peer was gone already. */
static bool is_passing(int error) {
    return error == EINTR || error == EAGAIN || error == ECONNABORTED || error == EPROTO;
}

static bool fail_serving(struct row *row, int error, int first, int last) {
    char wrong[512];
    bool once = last == first;
    plan_fault(row, error, SERVING, first, last);
    if (!start(usual, (struct extras){0})) return false;
    patience = once ? PATIENCE : IMPATIENCE;
    int lost = walk(!once, wrong, sizeof wrong);
    bool hit = has_hit(row);
    if (once) expect(lost <= !is_passing(error), wrong);
    if (!once && first == 1 && !is_passing(error)) expect_calm();
    plan->last = 0;
    patience = PATIENCE;
    expect(is_served(), "who comes after the fault is served");
    expect_good_end();
    expect_lines();
    row->serving += hit;
    row->lost += once && lost;
    return hit;
}

/* The server is stopped while one connection is idle, one has sent half a request, and two wait to
 * be accepted; all but the idle one are to be answered. */
static bool fail_stopping(struct row *row, int error, int first, int last) {
    bool once = last == first;
    static const char *const at_path[] = {"server", "-a", socket_file, "-c", "10", NULL};
    bool goes = row == &rows[CALL_unlink]; /* with its socket's file */
    struct client idle, half, waiting[2];
    plan_fault(row, error, STOPPING, first, last);
    if (!start(goes ? at_path : usual, (struct extras){0})) return false;
    idle = dial(), half = dial();
    expect(say(&half, "GET /") && is_served(), "served before the end");
    kill(server, SIGSTOP);
    waitpid(server, NULL, WUNTRACED);
    if (!once) patience = IMPATIENCE;
    for (int i = 0; i < 2; i++) {
        waiting[i] = dial();
        say(&waiting[i], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    plan->phase = STOPPING;
    kill(server, SIGTERM);
    kill(server, SIGCONT);
    int lost = !hear(&waiting[0], 404) + !hear(&waiting[1], 404);
    lost += !(say(&half, " HTTP/1.1\r\nHost: a\r\n\r\n") && hear(&half, 404));
    lost += !is_closed(&idle);
    if (!once) plan->ahead = 1000000000; /* for what can never finish */
    bool hit = has_hit(row);
    bool all_wait = row == &rows[CALL_accept] && (error == EAGAIN || !is_passing(error));
    if (once) expect(lost <= (all_wait ? 2 : !is_passing(error)), "one is lost at most");
    await_end();
    hit = hit || has_hit(row);
    expect(status == 0, told[0] ? told : "exit status 0");
    expect(plan->wrong[0] == '\0', plan->wrong);
    if (strcmp(row->name, "write") != 0) expect_lines();
    hang_up(&idle), hang_up(&half), hang_up(&waiting[0]), hang_up(&waiting[1]);
    row->stopping += hit;
    return hit;
}

typedef bool attempt(struct row *row, int error, int first, int last);

static bool quick; /* one error at all calls of the start, three at the first call afterwards */

/* Every error, once and for good, at the first, second, third ... call until there is none. */
static void try_all(struct row *row, attempt *try) {
    int most_errors = !quick ? INT_MAX : try == fail_at_start ? 1 : 3;
    int most_calls = quick && try != fail_at_start ? 1 : INT_MAX;
    for (const int *error = row->errors; *error && error - row->errors < most_errors; error++) {
        for (int for_good = 0; for_good < 2; for_good++) {
            int n = 1;
            while (!test_is_bad && n <= most_calls && try(row, *error, n, for_good ? FOR_GOOD : n))
                n++;
            if (n == 1) return; /* there is no such call at all */
        }
    }
}

static void try_ways(struct row *row) {
    for (way = 0; way < WAYS && !test_is_bad; way++)
        if (way != IPV6 || has_ipv6()) try_all(row, fail_at_start);
}

static void test_row(struct row *row, enum phase phase) {
    static const char *const sentences[] = {
        [STARTING] = "a failing %s at the start is reported or does no harm",
        [SERVING] = "a failing %s costs one connection at most",
        [STOPPING] = "a failing %s while the server stops costs one at most",
    };
    char name[128];
    snprintf(name, sizeof name, sentences[phase], row->name);
    TEST(name) {
        if (phase == STARTING)
            try_ways(row);
        else
            try_all(row, phase == SERVING ? fail_serving : fail_stopping);
    }
}

/* ---- The workers ---- */

struct job {
    int row;
    enum phase phase;
};

/* Takes jobs until there are none, and says what came of them. */
static void work(int number, int jobs, int results) {
    struct job job;
    open_plan(number);
    handed_over = listen_somewhere();
    while (read(jobs, &job, sizeof job) == sizeof job) test_row(&rows[job.row], job.phase);
    int counts[] = {tests_passed, tests_failed};
    if (write(results, counts, sizeof counts) != sizeof counts) exit(2);
    unlink(socket_file);
    exit(0);
}

/* The longest jobs come first. All of them have room in a pipe. */
static void hand_out(int jobs, const char *only) {
    static const enum phase order[] = {SERVING, STOPPING, STARTING};
    for (size_t i = 0; i < PHASES; i++) {
        for (int row = 0; row < CALLS; row++) {
            struct job job = {row, order[i]};
            if (only && strcmp(only, rows[row].name) != 0) continue;
            if (write(jobs, &job, sizeof job) != sizeof job) exit(2);
        }
    }
}

static void test_rows(const char *only) {
    int jobs[2], results[2], counts[2], workers = 0;
    if (pipe(jobs) < 0 || pipe(results) < 0) exit(2);
    hand_out(jobs[1], only);
    close(jobs[1]);
    for (int i = 1; i <= WORKERS; i++)
        if (fork() == 0) work(i, jobs[0], results[1]);
    close(results[1]);
    for (; read(results[0], counts, sizeof counts) == sizeof counts; workers++) {
        tests_passed += counts[0];
        tests_failed += counts[1];
    }
    TEST("every worker comes to its end") CHECK(workers == WORKERS);
    while (wait(NULL) > 0)
        ;
}

/* Prints what was tried, and sees that no row was in vain. */
static void print_rows(const char *only) {
    char name[128];
    int all = 0;
    printf("%-13s %6s  %6s %7s  %7s %5s  %8s\n", "call", "errors", "starts", "refused", "serving",
           "lost", "stopping");
    for (const struct row *row = rows; row < rows + CALLS; row++) {
        int errors = 0, tried = row->starts + row->serving + row->stopping;
        if (only && strcmp(only, row->name) != 0) continue;
        while (row->errors[errors]) errors++;
        printf("%-13s %6d  %6d %7d  %7d %5d  %8d\n", row->name, errors, row->starts, row->refusals,
               row->serving, row->lost, row->stopping);
        snprintf(name, sizeof name, "%s was made to fail", row->name);
        TEST(name) CHECK(tried > 0);
        all += tried;
    }
    printf("%d servers met a fault\n", all);
}

/* ---- What is no single fault ---- */

/* The walk, in full, under a plan that was made before. */
static void expect_walk(const char *name) {
    char wrong[512];
    snprintf(what_fails, sizeof what_fails, "%s", name);
    if (!start(usual, (struct extras){0})) {
        expect(false, told);
        return;
    }
    expect(walk(false, wrong, sizeof wrong) == 0, wrong);
    expect(is_served(), "served afterwards");
    expect_good_end();
    if (!plan->error) expect_lines(); /* a line that fails is not said again */
}

static void storm(int error) {
    clear_plan();
    plan->at[SERVING] = plan->at[STOPPING] = true;
    plan->error = error;
    plan->every = 2;
    plan->last = FOR_GOOD;
    for (const struct row *row = rows; row < rows + CALLS; row++)
        for (const int *listed = row->errors; *listed; listed++)
            plan->fails[row - rows] |= *listed == error;
    expect_walk(strerror(error));
}

static void test_storms(void) {
    TEST("a server whose calls fail at nothing serves all") {
        clear_plan();
        expect_walk("no fault");
    }
    TEST("a server whose calls move one byte serves all") {
        clear_plan();
        plan->most = 1;
        expect_walk("one byte a call");
    }
    TEST("a server that is interrupted in every second call serves all") storm(EINTR);
    TEST("a server that is told to wait in every second call serves all") storm(EAGAIN);
}

static bool date_is(time_t time) {
    char date[64];
    strftime(date, sizeof date, "\r\nDate: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime(&time));
    return strstr(heard, date) != NULL;
}

#define SECOND_NS 1000000000LL

/* Whether the session is known when the clock is so many seconds ahead. */
static bool lives(const char *session, long long seconds) {
    plan->ahead = seconds * SECOND_NS;
    struct client c = dial();
    bool known = ask_as(&c, session, "GET /home", 200);
    hang_up(&c);
    return known;
}

static void test_lives(void) {
    char idle[41], busy[41];
    TEST("a session ends 1800 seconds after its last use, and 28800 after its beginning") {
        clear_plan();
        CHECK(start(usual, (struct extras){0}));
        struct client c = dial();
        CHECK(log_in(&c, idle) && log_in(&c, busy));
        hang_up(&c);
        for (int i = 1; i < 17; i++) CHECK(lives(busy, i * 1799));
        CHECK(lives(busy, 28799) && !lives(busy, 28800));
        plan->ahead = 30000 * SECOND_NS;
        c = dial();
        CHECK(log_in(&c, idle) && log_in(&c, busy));
        hang_up(&c);
        CHECK(lives(busy, 31799) && !lives(idle, 31800) && lives(busy, 31800));
        expect_good_end();
    }
}

static void test_clocks(void) {
    static const long long jumps[] = {86400, -86400, 0, 2208988800 - 1700000000, 4294967296, 1};
    char session[41];
    TEST("a jump of the wall clock changes the Date and nothing else") {
        clear_plan();
        start(usual, (struct extras){0});
        struct client c = dial();
        CHECK(log_in(&c, session));
        for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
            plan->wall_jump = jumps[i];
            time_t now = time(NULL) + (time_t)jumps[i];
            CHECK(ask_as(&c, session, "GET /home", 200));
            CHECK(date_is(now) || date_is(now + 1));
        }
        plan->wall_jump = 1LL << 60; /* into a year that no date can tell */
        CHECK(ask_as(&c, session, "GET /home", 200));
        CHECK(strstr(heard, "\r\nDate: Mon, 01 Jan 1900 00:00:00 GMT\r\n"));
        hang_up(&c);
        expect_good_end();
    }
}

/* ---- Descriptors ---- */

static void test_descriptors(void) {
    struct client many[40];
    const size_t count = sizeof many / sizeof *many;
    TEST("a server without descriptors waits calmly, and serves when there are some") {
        clear_plan();
        start(usual, (struct extras){.descriptors = 20});
        for (size_t i = 0; i < count; i++) many[i] = dial();
        expect_calm();
        for (size_t i = 0; i < count; i++) hang_up(&many[i]);
        patience = 1000;
        CHECK(is_served());
        expect_good_end();
    }
    TEST("closed standard descriptors are never a socket's") {
        static const char *const at_socket[] = {"server", "-a", socket_file, NULL};
        for (int closed = 1; closed < 8; closed++) {
            clear_plan();
            CHECK(start(at_socket, (struct extras){.closed = closed}) && is_served());
            expect_good_end();
        }
    }
}

static void test_limits(void) {
    TEST("a server may have fewer descriptors than it wants, and has fewer connections then") {
        /* With as many as it wants, after it has asked; with a few; with too few for any but one. */
        static const int limits[] = {40, 20, 16};
        for (int i = 0; i < 3; i++) {
            clear_plan();
            start(usual, (struct extras){.descriptors = (rlim_t)limits[i]});
            struct client first = dial();
            struct pollfd gave_way = {first.fd, POLLIN, 0};
            CHECK(is_served() && is_served());
            CHECK(poll(&gave_way, 1, 0) == (limits[i] == 16));
            hang_up(&first);
            expect_good_end();
        }
    }
}

/* What is said is what is allocated, but for some KB of libc's own, for time zones and the like. */
static void test_memory(void) {
    static const char *const large[] = {"server", "-a", "127.0.0.1", "-p", "0", "-c",
                                        "2000",   "-s", "5000",      "-h", NULL};
    const char *same[sizeof large / sizeof *large];
    memcpy(same, large, sizeof large);
    same[9] = NULL; /* without -h */
    TEST("-h tells the memory that the start takes") {
        clear_plan();
        CHECK(!start(large, (struct extras){0}) && status == 0);
        const char *told_at = strstr(said, "before -h: ");
        size_t tells = told_at ? (size_t)atol(told_at + strlen("before -h: ")) : 0;
        CHECK(start(same, (struct extras){0}));
        expect_good_end();
        if (plan->heap > 0) CHECK(plan->heap > tells && plan->heap < tells + 16384);
    }
}

static void test_entropy(void) {
    TEST("a source of entropy that gives a few bytes at a time is read until they are enough") {
        clear_plan();
        plan->most = 20; /* of 32 */
        CHECK(start(usual, (struct extras){0}) && is_served());
        expect_good_end();
    }
    TEST("a source of entropy that is empty is no source: the start fails, and says so") {
        clear_plan();
        plan->empty = true;
        CHECK(!start(usual, (struct extras){0}));
        expect_cause(&rows[CALL_read], EIO);
    }
}

/* A listening socket file with as many waiting as it takes, so that one more would have to wait. */
static void leave_crowded_socket(int fds[8]) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, socket_file);
    unlink(socket_file);
    for (int i = 0; i < 8; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM, 0);
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
        if (i > 0)
            connect(fds[i], (struct sockaddr *)&address, sizeof address);
        else if (bind(fds[i], (struct sockaddr *)&address, sizeof address) < 0 ||
                 listen(fds[i], 1) < 0)
            exit(2);
    }
}

static void test_crowded_socket(void) {
    int fds[8];
    TEST(
        "a start at a socket that another is too busy to accept from fails, and waits for nobody") {
        static const char *const at_socket[] = {"server", "-a", socket_file, NULL};
        clear_plan();
        leave_crowded_socket(fds);
        CHECK(!start(at_socket, (struct extras){0}) && status == 1);
        for (int i = 0; i < 8; i++) close(fds[i]);
        if (server) expect_good_end();
    }
}

/* ---- The table itself ---- */

static bool is_listed(const char *name) {
    static const char *const others[] = {CANNOT_FAIL};
    for (const struct row *row = rows; row < rows + CALLS; row++)
        if (strcmp(row->name, name) == 0) return true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(others[i], name) == 0) return true;
    return false;
}

static void test_table(void) {
    char name[64];
    FILE *file = fopen(CALLS_FILE, "r");
    TEST("every call that the rooms make is in the table, or cannot fail") {
        while (file && fscanf(file, "%63s", name) == 1) CHECK_CASE(is_listed(name), name);
        CHECK(file && fclose(file) == 0);
    }
}

static int run_with_one_byte(char **command) {
    plan->most = 1;
    execvp(*command, command);
    perror(*command);
    return 1;
}

int main(int argc, char **argv) {
    const char *only = argc > 1 ? argv[1] : NULL;
    open_plan(0);
    if (argc > 2 && strcmp(only, "-1") == 0) return run_with_one_byte(argv + 2);
    quick = only && strcmp(only, "-q") == 0;
    if (quick) only = NULL;
    setvbuf(stdout, NULL, _IOLBF, 0);
    write_users();
    rows = map_file(ROWS_FILE, sizeof table);
    memcpy(rows, table, sizeof table);
    test_rows(only);
    if (!only) {
        test_storms();
        test_lives();
        test_clocks();
        test_descriptors();
        test_limits();
        test_entropy();
        test_memory();
        test_crowded_socket();
        test_table();
    }
    print_rows(only);
    return test_report();
}
