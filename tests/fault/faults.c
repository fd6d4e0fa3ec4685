/* faults.c - makes every call of the server fail, and checks what the server does then.
 *
 *     faults              all tests
 *     faults CALL         the faults of one call, such as `faults recv`
 *     faults -q           a few faults of each call: takes seconds, not a minute
 *     faults -1 COMMAND   runs COMMAND with servers that move one byte per call
 *
 * Each call in calls.h fails at its first, second, third ... time, until there are no more, with
 * each of its errnos, once and for good:
 *
 *   - at the start: one line with the cause and exit status 1, or a server that works;
 *   - while it serves the clients of scenario.c: at most one connection is lost, and none by EINTR and
 *     EAGAIN; a client that comes after the fault is served;
 *   - while it stops: the same, and then "Done".
 *
 * In every iteration the server's invariants hold (see checked_server.c), it allocates nothing after
 * "Serving on", and it exits with status 0. The server runs as a child. Its calls were replaced
 * when it was linked, and what fails is in a file that both processes map; so its own code is not
 * changed.
 *
 * Most of the time is spent waiting. So several workers share the jobs, each with a server, an
 * injection and a socket of its own.
 */
#include "scenario.h"

#include "../../log.h"

#include <sys/mman.h>

#define SERVER     "build/fault/server"
#define USERS      "build/fault/users"
#define ROWS_FILE  "build/fault/rows"
#define CALLS_FILE "build/fault/calls" /* the names that the sources leave to libc, from run.sh */
#define LONG_WAIT  5000                /* ms for what must happen */
#define SHORT_WAIT 20                  /* ms for what may not happen */
#define WORKERS    6

enum start { REFUSES, GOES_ON, EITHER, LATER };

struct row {
    const char *name;
    enum start start;
    int errors[24];
    int tried;
};

static const struct row table[CALLS] = {
#define CALL(type, name, parameters, arguments, failure, start, ...)                               \
    {#name, start, {__VA_ARGS__}, 0},
#define OWN(name, start, ...) {#name, start, {__VA_ARGS__}, 0},
#include "calls.h"
};
static struct row *rows; /* a copy of the table, in memory that all workers share */

/* ---- The server under test ---- */

/* How a server is started, in addition to its arguments. */
struct extras {
    bool terminal;      /* standard error is one */
    int listener;       /* a listening socket that is inherited, or 0 */
    int inherited;      /* other descriptors that are */
    rlim_t descriptors; /* the hard limit on descriptors, twice the soft limit; or 0 */
};

static pid_t server;                               /* 0 if none runs */
static int status;                                 /* exit status of the latest one, or -1 */
static int out_pipe[2], err_pipe[2];               /* its standard output and error */
static char stdout_text[4096], stderr_text[65536]; /* what it wrote there */
static char injection_file[64], socket_file[64];

/* Nothing fails. */
static void clear_injection(void) { *injection = (struct injection){.first = 1, .every = 1}; }

static void *map_file(const char *path, size_t size) {
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0) exit(2);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) exit(2);
    close(fd);
    return memory;
}

/* Each process that runs servers has files of its own. */
static void open_injection(int number) {
    snprintf(injection_file, sizeof injection_file, "build/fault/injection.%d", number);
    snprintf(socket_file, sizeof socket_file, "build/fault/socket.%d", number);
    injection = map_file(injection_file, sizeof *injection);
    setenv(INJECTION_VARIABLE, injection_file, 1);
    clear_injection();
}

static void become_server(const char *const arguments[], const struct extras *extras) {
    char pid[24];
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(out_pipe[1], STDOUT_FILENO);
    dup2(err_pipe[1], STDERR_FILENO);
    for (int i = 0; i < extras->inherited; i++) dup(null);
    close(null);
    if (extras->listener > 0) {
        dup2(extras->listener, 3);
        snprintf(pid, sizeof pid, "%ld", (long)getpid());
        setenv("LISTEN_FDS", "1", 1);
        setenv("LISTEN_PID", pid, 1);
    }
    if (extras->descriptors)
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){extras->descriptors / 2, extras->descriptors});
    signal(SIGPIPE, SIG_DFL);
    execv(SERVER, (char *const *)(size_t)arguments);
    _exit(127);
}

static void read_all(int fd, char *text, size_t size) {
    ssize_t n = read(fd, text, size - 1);
    text[n > 0 ? n : 0] = '\0';
    close(fd);
}

static bool has_ended(void) {
    int raw;
    if (waitpid(server, &raw, WNOHANG) != server) return false;
    status = WIFEXITED(raw) ? WEXITSTATUS(raw) : -1;
    server = 0;
    read_all(out_pipe[0], stdout_text, sizeof stdout_text);
    read_all(err_pipe[0], stderr_text, sizeof stderr_text);
    return true;
}

/* Kills the server if it does not end. */
static void await_end(void) {
    for (int ms = 0; ms < LONG_WAIT; ms++) {
        if (has_ended()) return;
        pause_ms(1);
    }
    kill(server, SIGKILL);
    while (!has_ended()) pause_ms(1);
}

/* Returns whether the server serves. If it does not, it has ended. */
static bool start_server(const char *const arguments[], struct extras extras) {
    max_wait = LONG_WAIT;
    if (pipe(out_pipe) < 0 || (!extras.terminal && pipe(err_pipe) < 0)) exit(2);
    if (extras.terminal) err_pipe[0] = open_pty(&err_pipe[1]);
    int ends[] = {out_pipe[0], out_pipe[1], err_pipe[0], err_pipe[1]};
    for (int i = 0; i < 4; i++) fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    server = fork();
    if (server == 0) become_server(arguments, &extras);
    close(out_pipe[1]);
    close(err_pipe[1]);
    for (int tries = 0; injection->phase == STARTING; tries++) {
        if (has_ended()) return false;
        if (tries == 10 * LONG_WAIT) kill(server, SIGKILL);
        nanosleep(&(struct timespec){0, 100000}, NULL);
    }
    return true;
}

/* ---- Expectations ---- */

static char fault[160]; /* the one that is tried now */

static void expect(bool holds, const char *what) {
    CASE(fault);
    test_check(holds, what, __FILE__, __LINE__);
}

static void expect_stdout(bool needs_done) {
    char lines[512];
    snprintf(lines, sizeof lines,
             "DB: Creating users table in memory...\nDB: Adding users...\nServing on %s...\n",
             injection->address);
    bool is_start = strncmp(stdout_text, lines, strlen(lines)) == 0;
    const char *rest = is_start ? stdout_text + strlen(lines) : "?";
    expect(strcmp(rest, "Done\n") == 0 || (!needs_done && !*rest), "the lines on standard output");
}

/* The server has stopped. */
static void expect_good_end(void) {
    expect(status == 0, stderr_text[0] ? stderr_text : "the exit status is 0");
    expect(injection->violation[0] == '\0', injection->violation);
    expect(injection->allocations == 0, "nothing is allocated after the start");
}

static void stop_server(void) {
    kill(server, SIGTERM);
    await_end();
    expect_good_end();
}

/* A start that failed printed one line with the cause. */
static void expect_cause(const struct row *row, int error) {
    const char *end = strchr(stderr_text, '\n');
    bool is_usage = strstr(stderr_text, "; -h lists the options"); /* the address is not parsed */
    expect(status == (is_usage ? 2 : 1), "exit status 1, or 2 for a wrong option");
    expect(strncmp(stderr_text, "server: ", 8) == 0 && end && end[1] == '\0',
           "one line with the cause");
    bool is_in_use = /* the stale socket was not removed */
        row->start == EITHER && strstr(stderr_text, strerror(EADDRINUSE));
    bool is_memory = error == ENOMEM && strstr(stderr_text, "out of memory");
    expect(is_usage || is_in_use || is_memory || strstr(stderr_text, strerror(error)),
           "the cause is printed");
    expect(!strstr(stdout_text, "Serving on"), "it does not print that it serves");
}

/* ---- Faults at the start ---- */

static const char *const usual[] = {"server", "-a", "127.0.0.1", "-p", "0", "-c", "10", NULL};
static int listener; /* to be inherited */

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

/* A socket file that no process listens at, as a server that was killed leaves it. Its mode is not
 * the one that a server's gets. */
static void leave_socket(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(address.sun_path, socket_file);
    unlink(socket_file);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) exit(2);
    chmod(socket_file, 0600);
    close(fd);
}

static bool server_left_socket(void) {
    struct stat file;
    return stat(socket_file, &file) == 0 && (file.st_mode & 0777) != 0600;
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
    {"server", "-p", "0", "-u", USERS, "-e"},
    {"server", "-p", "0"}, /* from a terminal */
    {"server"},            /* with a listening socket that is inherited */
};
#define WAYS       (sizeof ways / sizeof *ways)
#define IPV6       1
#define USERS_FILE 3
#define TERMINAL   (WAYS - 2)
#define INHERIT    (WAYS - 1)
static size_t way;

static bool start_this_way(void) {
    leave_socket();
    return start_server(
        ways[way],
        (struct extras){.listener = way == INHERIT ? listener : 0,
                        .terminal = way == TERMINAL,
                        .descriptors = 2000}); /* enough, once the soft limit is raised */
}

static void inject(const struct row *row, int error, enum phase phase, int first, int last) {
    clear_injection();
    injection->fails[row - rows] = true;
    injection->at[phase] = true;
    injection->error = error;
    injection->first = first;
    injection->last = last;
    snprintf(fault, sizeof fault, "%s: %s at call %d%s", row->name, strerror(error), first,
             last > first ? " and from then on" : "");
}

static bool has_hit(const struct row *row) { return injection->injected[row - rows] > 0; }

/* Returns whether there was such a call. */
static bool fail_at_start(struct row *row, int error, int first, int last) {
    inject(row, error, STARTING, first, last);
    bool serves = start_this_way(), hit = has_hit(row);
    row->tried += hit;
    if (serves) {
        expect(!hit || row->start == GOES_ON || row->start == EITHER, "the start fails");
        expect(is_served(), "a client is served");
        stop_server();
    } else {
        expect(row->start == REFUSES || row->start == EITHER, "the server starts");
        expect_cause(row, error);
        expect(!server_left_socket(), "no socket file is left behind");
    }
    return hit;
}

/* The start fails for another reason, and this cannot be printed. */
static bool fail_message(struct row *row, int error, int first, int last) {
    static const char *const no_users[] = {"server", "-u", "build/fault/none", NULL};
    static const char *const no_number[] = {"server", "-p", "none", NULL};
    inject(row, error, STARTING, first, last);
    expect(!start_server(no_users, (struct extras){0}) && status == 1, "exit status 1");
    bool hit = has_hit(row);
    expect(hit == !stderr_text[0], "the message is all that is lost");
    inject(row, error, STARTING, first, last);
    expect(!start_server(no_number, (struct extras){0}) && status == 2, "exit status 2");
    row->tried += hit;
    return hit;
}

/* ---- Faults while serving, and while stopping ---- */

static int calls_made(void) {
    int sum = 0;
    for (int call = 0; call < CALLS; call++) sum += injection->calls[SERVING][call];
    return sum;
}

/* A call that fails is not repeated without a pause. */
static void expect_calm(void) {
    pause_ms(20);
    int before = calls_made();
    pause_ms(20);
    expect(calls_made() - before < 400, "the server does not spin");
}

/* These lose nothing: the call is repeated, or the client had left already. */
static bool is_harmless(int error) {
    return error == EINTR || error == EAGAIN || error == ECONNABORTED || error == EPROTO;
}

static bool fail_serving(struct row *row, int error, int first, int last) {
    char failed[512];
    bool once = last == first;
    inject(row, error, SERVING, first, last);
    if (!start_server(usual, (struct extras){0})) return false;
    max_wait = once ? LONG_WAIT : SHORT_WAIT;
    int lost = run_scenario(!once, failed, sizeof failed);
    bool hit = has_hit(row);
    if (once) expect(lost <= !is_harmless(error), failed);
    if (!once && first == 1 && !is_harmless(error)) expect_calm();
    injection->last = 0;
    max_wait = LONG_WAIT;
    expect(is_served(), "a client is served after the fault");
    stop_server();
    expect_stdout(true);
    row->tried += hit;
    return hit;
}

/* The server is stopped while one connection is idle, one has sent a partial request, and two wait
 * to be accepted. All but the idle one get their responses. */
static bool fail_stopping(struct row *row, int error, int first, int last) {
    bool once = last == first;
    static const char *const at_path[] = {"server", "-a", socket_file, "-c", "10", NULL};
    bool has_path = row == &rows[CALL_unlink]; /* its socket file is removed */
    struct client idle, partial, waiting[2];
    inject(row, error, STOPPING, first, last);
    if (!start_server(has_path ? at_path : usual, (struct extras){0})) return false;
    idle = connect_client(), partial = connect_client();
    expect(send_text(&partial, "GET /") && is_served(), "a client is served before the stop");
    kill(server, SIGSTOP);
    waitpid(server, NULL, WUNTRACED);
    if (!once) max_wait = SHORT_WAIT;
    for (int i = 0; i < 2; i++) {
        waiting[i] = connect_client();
        send_text(&waiting[i], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    injection->phase = STOPPING;
    kill(server, SIGTERM);
    kill(server, SIGCONT);
    int lost = !read_status(&waiting[0], 404) + !read_status(&waiting[1], 404);
    lost += !(send_text(&partial, " HTTP/1.1\r\nHost: a\r\n\r\n") && read_status(&partial, 404));
    lost += !is_closed(&idle);
    if (!once) injection->clock_shift = 1000000000; /* for what can never finish */
    bool hit = has_hit(row);
    bool ends_queue = row == &rows[CALL_accept] && (error == EAGAIN || !is_harmless(error));
    /* A connection whose request cannot be read yet counts as idle, and is closed after 1 ms. */
    bool seems_idle = row == &rows[CALL_recv] && error == EAGAIN;
    int may_lose = ends_queue ? 2 : seems_idle || !is_harmless(error);
    if (once) expect(lost <= may_lose, "at most one is lost");
    await_end();
    hit = hit || has_hit(row);
    expect_good_end();
    expect_stdout(row != &rows[CALL_puts] && row != &rows[CALL_poll]); /* these print "Done" */
    hang_up(&idle), hang_up(&partial), hang_up(&waiting[0]), hang_up(&waiting[1]);
    row->tried += hit;
    return hit;
}

typedef bool attempt(struct row *row, int error, int first, int last);

static bool quick; /* one errno at all calls of the start, three at the first call afterwards */

/* Every errno, once and for good, at the first, second, third ... call until there is none. */
static void try_all(struct row *row, attempt *try) {
    int most_errors = !quick ? INT_MAX : try == fail_at_start ? 1 : 3;
    int most_calls = quick && try != fail_at_start ? 1 : INT_MAX;
    for (const int *error = row->errors; *error && error - row->errors < most_errors; error++) {
        for (int for_good = 0; for_good < 2; for_good++) {
            int n = 1;
            while (!test_is_bad && n <= most_calls && try(row, *error, n, for_good ? FOR_GOOD : n))
                n++;
            if (n == 1) return; /* the call is not made at all */
        }
    }
}

static void try_ways(struct row *row) {
    if (row == &rows[CALL_fprintf]) try_all(row, fail_message);
    for (way = 0; way < WAYS && !test_is_bad; way++)
        if (way != IPV6 || has_ipv6()) try_all(row, fail_at_start);
}

static void test_row(struct row *row, enum phase phase) {
    static const char *const sentences[] = {
        [STARTING] = "a failing %s at the start is reported, or does no harm",
        [SERVING] = "a failing %s costs at most one connection",
        [STOPPING] = "a failing %s while the server stops costs at most one connection",
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

/* Takes jobs until there are none, and reports the results. */
static void work(int number, int jobs, int results) {
    struct job job;
    open_injection(number);
    listener = listen_somewhere();
    while (read(jobs, &job, sizeof job) == sizeof job) test_row(&rows[job.row], job.phase);
    int counts[] = {tests_passed, tests_failed};
    if (write(results, counts, sizeof counts) != sizeof counts) exit(2);
    unlink(socket_file);
    exit(0);
}

/* The longest jobs come first. All of them fit in a pipe. */
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
    TEST("every worker finishes") CHECK(workers == WORKERS);
    while (wait(NULL) > 0)
        ;
}

/* Checks that each row was tried. */
static void check_rows(const char *only) {
    char name[128];
    int all = 0;
    for (const struct row *row = rows; row < rows + CALLS; row++) {
        if (only && strcmp(only, row->name) != 0) continue;
        snprintf(name, sizeof name, "%s was made to fail", row->name);
        TEST(name) CHECK(row->tried > 0);
        all += row->tried;
    }
    printf("%d servers met a fault\n", all);
}

/* ---- More than a single fault ---- */

/* The whole scenario, with an injection that was made before. */
static void expect_all_steps(const char *name) {
    char failed[512];
    snprintf(fault, sizeof fault, "%s", name);
    if (!start_server(usual, (struct extras){0})) {
        expect(false, stderr_text);
        return;
    }
    expect(run_scenario(false, failed, sizeof failed) == 0, failed);
    expect(is_served(), "a client is served afterwards");
    stop_server();
    expect_stdout(!injection->error); /* "Done" is not repeated if it fails */
}

static void fail_every_second(int error) {
    clear_injection();
    injection->at[SERVING] = injection->at[STOPPING] = true;
    injection->error = error;
    injection->every = 2;
    injection->last = FOR_GOOD;
    for (const struct row *row = rows; row < rows + CALLS; row++)
        for (const int *listed = row->errors; *listed; listed++)
            injection->fails[row - rows] |= *listed == error;
    expect_all_steps(strerror(error));
}

static void test_many_faults(void) {
    TEST("a server whose calls never fail serves every client") {
        clear_injection();
        expect_all_steps("no fault");
    }
    TEST("a server whose calls move one byte serves every client") {
        clear_injection();
        injection->max_moved = 1;
        expect_all_steps("one byte per call");
    }
    TEST("a server whose every second call is interrupted serves every client")
    fail_every_second(EINTR);
    TEST("a server whose every second call would block serves every client")
    fail_every_second(EAGAIN);
}

#define SECOND_NS 1000000000LL

/* Returns whether the session exists after so many seconds. */
static bool exists_after(const char *session, long long seconds) {
    injection->clock_shift = seconds * SECOND_NS;
    struct client c = connect_client();
    bool exists = ask_as(&c, session, "GET /home", 200);
    hang_up(&c);
    return exists;
}

static void test_sessions(void) {
    char idle[41], busy[41];
    TEST("a session ends 1800 seconds after its last use, and 28800 seconds after its start") {
        clear_injection();
        CHECK(start_server(usual, (struct extras){0}));
        struct client c = connect_client();
        CHECK(begin_session(&c, idle) && begin_session(&c, busy));
        hang_up(&c);
        for (int i = 1; i < 17; i++) CHECK(exists_after(busy, i * 1799));
        CHECK(exists_after(busy, 28799) && !exists_after(busy, 28800));
        injection->clock_shift = 30000 * SECOND_NS;
        c = connect_client();
        CHECK(begin_session(&c, idle) && begin_session(&c, busy));
        hang_up(&c);
        CHECK(exists_after(busy, 31799) && !exists_after(idle, 31800) && exists_after(busy, 31800));
        stop_server();
    }
}

/* ---- Descriptors ---- */

static void test_descriptors(void) {
    struct client many[40];
    const size_t count = sizeof many / sizeof *many;
    TEST("a server that is out of descriptors evicts for a new connection, and does not spin") {
        clear_injection(); /* 2 are left, for the 4 connections that the limit promises */
        start_server(usual, (struct extras){.descriptors = 20, .inherited = 12});
        for (size_t i = 0; i < count; i++) many[i] = connect_client();
        expect_calm();
        CHECK(is_closed(&many[0]) && ask_as(&many[count - 1], "", "GET /", 404) && is_served());
        for (size_t i = 0; i < count; i++) hang_up(&many[i]);
        CHECK(injection->injected[CALL_accept] == 0 && is_served());
        stop_server();
    }
}

static void test_limits(void) {
    TEST("a server that may not open enough descriptors has fewer connections") {
        /* 24 connections, after the soft limit was raised; 4; and 1, because less cannot be. */
        static const int limits[] = {40, 20, 16};
        for (int i = 0; i < 3; i++) {
            clear_injection();
            start_server(usual, (struct extras){.descriptors = (rlim_t)limits[i]});
            struct client first = connect_client();
            struct pollfd evicted = {first.fd, POLLIN, 0};
            CHECK(is_served() && is_served());
            CHECK(poll(&evicted, 1, 0) == (limits[i] == 16));
            hang_up(&first);
            stop_server();
        }
    }
}

/* libc allocates some KB for itself, for time zones and stdout. The log is not on the heap. */
static void test_memory(void) {
    static const char *const large[] = {"server", "-a", "127.0.0.1", "-p", "0", "-c",
                                        "2000",   "-s", "5000",      "-h", NULL};
    const char *same[sizeof large / sizeof *large];
    memcpy(same, large, sizeof large);
    same[9] = NULL; /* without -h */
    TEST("-h prints the memory that the start takes") {
        clear_injection();
        CHECK(!start_server(large, (struct extras){0}) && status == 0);
        const char *at = strstr(stdout_text, "before -h: ");
        size_t printed = at ? (size_t)atol(at + strlen("before -h: ")) : 0;
        CHECK(start_server(same, (struct extras){0}));
        stop_server();
        size_t taken = injection->heap + sizeof(struct log);
        if (injection->heap > 0) CHECK(taken > printed && taken < printed + 16384);
    }
}

static void test_entropy(void) {
    TEST("a random source that gives too few bytes, or none, is reported at the start") {
        for (size_t shortfall = 1; shortfall <= 32; shortfall += 31) {
            clear_injection();
            injection->read_shortfall = shortfall; /* of 32 */
            CHECK(!start_server(usual, (struct extras){0}));
            expect_cause(&rows[CALL_read], EIO);
        }
    }
    TEST("a random source that is not a device is refused at the start") {
        clear_injection();
        injection->only_files = true;
        CHECK(!start_server(usual, (struct extras){0}) && status == 1);
        CHECK_STR(stderr_text, "server: cannot read /dev/urandom: it is not a device\n");
    }
    TEST("a users file that ends early is reported at the start") {
        clear_injection();
        injection->first = 2; /* the first read is that of the random source */
        injection->read_shortfall = 1;
        CHECK(!start_server(ways[USERS_FILE], (struct extras){0}) && status == 1);
        CHECK(strcmp(stderr_text, "server: cannot read " USERS ": it ended early\n") == 0);
    }
}

/* A listening socket whose queue is full, so that connecting to it would block. */
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
    TEST("a start at the socket of a busy server fails, and does not block") {
        static const char *const at_socket[] = {"server", "-a", socket_file, NULL};
        clear_injection();
        leave_crowded_socket(fds);
        CHECK(!start_server(at_socket, (struct extras){0}) && status == 1);
        for (int i = 0; i < 8; i++) close(fds[i]);
        if (server) stop_server();
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
    TEST("every call that the sources make is in the table, or cannot fail") {
        while (file && fscanf(file, "%63s", name) == 1) CHECK_CASE(is_listed(name), name);
        CHECK(file && fclose(file) == 0);
    }
}

static int run_with_one_byte(char **command) {
    injection->max_moved = 1;
    execvp(*command, command);
    perror(*command);
    return 1;
}

int main(int argc, char **argv) {
    const char *only = argc > 1 ? argv[1] : NULL;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_DFL); /* under nohup it is ignored, and the server would leave it so */
    open_injection(0);
    if (argc > 2 && strcmp(only, "-1") == 0) return run_with_one_byte(argv + 2);
    quick = only && strcmp(only, "-q") == 0;
    if (quick) only = NULL;
    setvbuf(stdout, NULL, _IOLBF, 0);
    write_users();
    rows = map_file(ROWS_FILE, sizeof table);
    memcpy(rows, table, sizeof table);
    test_rows(only);
    if (!only) {
        test_many_faults();
        test_sessions();
        test_descriptors();
        test_limits();
        test_entropy();
        test_memory();
        test_crowded_socket();
        test_table();
    }
    check_rows(only);
    return test_report();
}
