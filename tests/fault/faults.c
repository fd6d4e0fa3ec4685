/* faults.c - makes every call of the server fail, and checks what the server does then.
 *
 *     faults              all tests; run.sh builds it, and it runs in the top folder
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
 * Most of the time is spent waiting. So several workers run at a time, each in a folder of its own,
 * which has its injection and its socket.
 */
#include "scenario.h"

#include "../../log.h"

#include <sys/mman.h>

#define FOLDER     "build/fault"
#define SERVER     "../server" /* these are seen from the folder of a worker */
#define SOCKET     "./socket"
#define USERS      "users"
#define USUAL      LOOPBACK "-c 10"
#define LONG_WAIT  5000 /* ms for what must happen */
#define SHORT_WAIT 20   /* ms for what may not happen */
#define WORKERS    6

/* What is tried is in the case. */
#define EXPECT(holds, what) test_check((holds), (what), __FILE__, __LINE__)

enum start { REFUSES, GOES_ON, EITHER, LATER };

static const struct row {
    const char *name;
    enum start start;
    int errors[24];
} rows[CALLS] = {
#define CALL(type, name, parameters, arguments, failure, start, ...) {#name, start, {__VA_ARGS__}},
#define OWN(name, start, ...)                                        {#name, start, {__VA_ARGS__}},
#include "calls.h"
};

/* What a worker has done, in memory that the main process shares. It tries one call in one phase. */
struct result {
    int tried, passed;
};
static struct result (*results)[PHASES], *result;

/* ---- The server under test ---- */

static struct child server;
static int status;                   /* exit status of the latest one */
static int stdout_file, pty, own_fd; /* its output; our side of its terminal; a listening socket */

/* Nothing fails. */
static void clear_injection(void) { *injection = (struct injection){.first = 1, .every = 1}; }

static void *map_file(const char *path, size_t size) {
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0) test_give_up("map a file");
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) test_give_up("map a file");
    close(fd);
    return memory;
}

static void open_injection(const char *path) {
    injection = map_file(path, sizeof *injection);
    setenv(INJECTION_VARIABLE, path, 1);
    clear_injection();
}

/* Waits until the server has ended, and reads its output. A read of its terminal returns a part of
 * it, and fails at the end. */
static void await_end(void) {
    size_t len = 0, size = sizeof server.stderr_text - 1;
    max_wait = LONG_WAIT;
    status = wait_for_end(&server);
    ssize_t n = pread(stdout_file, server.stdout_text, sizeof server.stdout_text - 1, 0);
    server.stdout_text[n > 0 ? n : 0] = '\0';
    if (pty <= 0) return;
    for (; (n = read(pty, server.stderr_text + len, size - len)) > 0;) len += (size_t)n;
    server.stderr_text[len] = '\0';
    close(pty);
}

static bool has_ended(void) {
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)server.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
}

/* Returns whether the server serves. If it does not, it has ended. Whether it prints that it serves
 * does not count, because this may fail. */
static bool start_server(struct setup setup) {
    max_wait = LONG_WAIT;
    setup.out = stdout_file;
    if (ftruncate(stdout_file, 0) < 0) test_give_up("empty a file");
    server = start_as(setup);
    if (setup.err) close(setup.err);
    for (int tries = 0; injection->phase == AT_START && !has_ended(); tries++) {
        if (tries == 10 * LONG_WAIT) kill(server.pid, SIGKILL);
        pause_us(100);
    }
    if (injection->phase != AT_START) return true;
    await_end();
    return false;
}

static bool start_with(const char *options) {
    pty = 0;
    return start_server((struct setup){.options = options});
}

/* ---- Expectations ---- */

static void expect_stdout(bool needs_done) {
    char lines[512];
    snprintf(lines, sizeof lines,
             "DB: Creating users table in memory...\nDB: Adding users...\nServing on %s...\n%s",
             injection->address_name,
             needs_done || strstr(server.stdout_text, "Done") ? "Done\n" : "");
    CHECK_STR(server.stdout_text, lines);
}

/* The server has stopped. */
static void expect_good_end(void) {
    EXPECT(status == 0, server.stderr_text[0] ? server.stderr_text : "the exit status is 0");
    CHECK_STR(injection->violation, "");
}

static void stop_server(void) {
    kill(server.pid, SIGTERM);
    await_end();
    expect_good_end();
}

/* A start that failed printed one line with the cause. */
static void expect_cause(const struct row *row, int error) {
    const char *text = server.stderr_text, *end = strchr(text, '\n');
    bool is_usage = strstr(text, "; -h lists the options"); /* the address is not parsed */
    bool is_in_use =
        row->start == EITHER && strstr(text, strerror(EADDRINUSE)); /* a stale socket */
    bool is_memory = error == ENOMEM && strstr(text, "out of memory");
    CHECK_INT(status, is_usage ? 2 : 1);
    EXPECT(strncmp(text, "server: ", 8) == 0 && end && end[1] == '\0', "one line with the cause");
    if (!is_usage && !is_in_use && !is_memory) CHECK_HAS(text, strerror(error));
    EXPECT(!strstr(server.stdout_text, "Serving on"), "it does not print that it serves");
}

/* ---- Faults at the start ---- */

static const struct sockaddr_un socket_address = {.sun_family = AF_UNIX, .sun_path = SOCKET};

static int bind_socket(const void *address, size_t len) {
    int fd = socket(((const struct sockaddr *)address)->sa_family, SOCK_STREAM, 0);
    if (bind(fd, address, (socklen_t)len) < 0) test_give_up("bind a socket");
    return fd;
}

/* A socket file that no process listens at, as a server that was killed leaves it. Its mode is not
 * the one that a server's gets. */
static void leave_socket(void) {
    unlink(SOCKET);
    close(bind_socket(&socket_address, sizeof socket_address));
    chmod(SOCKET, 0600);
}

static bool server_left_socket(void) {
    struct stat file;
    return stat(SOCKET, &file) == 0 && (file.st_mode & 0777) != 0600;
}

enum way { IPV4, IPV6, UNIX, USERS_FILE, TERMINAL, INHERITED, WAYS };
static const char *const ways[WAYS] = {[IPV4] = LOOPBACK,     [IPV6] = "-a ::1 -p 0",
                                       [UNIX] = "-a " SOCKET, [USERS_FILE] = "-p 0 -e -u " USERS,
                                       [TERMINAL] = "-p 0",   [INHERITED] = "-p 0"};
static enum way way;

static bool start_this_way(void) {
    struct setup setup = {.options = ways[way], .listener = way == INHERITED ? own_fd : 0};
    leave_socket();
    pty = way == TERMINAL ? open_pty(&setup.err) : 0;
    return start_server(setup);
}

static void inject(const struct row *row, int error, enum phase phase, int first, int last) {
    char fault[160];
    clear_injection();
    injection->fails[row - rows] = true;
    injection->at[phase] = true;
    injection->error = error;
    injection->first = first;
    injection->last = last;
    snprintf(fault, sizeof fault, "%s: %s at call %d%s", row->name, strerror(error), first,
             last > first ? " and from then on" : "");
    CASE(fault);
}

/* Returns whether there was such a call. */
static bool has_hit(const struct row *row) {
    bool hit = injection->injected[row - rows] > 0;
    result->tried += hit;
    return hit;
}

static bool fail_at_start(const struct row *row, int error, int first, int last) {
    inject(row, error, AT_START, first, last);
    bool serves = start_this_way(), hit = has_hit(row);
    if (serves) {
        EXPECT(!hit || row->start == GOES_ON || row->start == EITHER, "the start fails");
        EXPECT(is_served(), "a client is served");
        stop_server();
        EXPECT(hit || !strstr(server.stderr_text, "server: "),
               "without a fault nothing is reported");
    } else {
        EXPECT(row->start == REFUSES || row->start == EITHER, "the server starts");
        expect_cause(row, error);
        EXPECT(!server_left_socket(), "no socket file is left behind");
    }
    return hit;
}

/* The start fails for another reason, and this cannot be printed. */
static bool fail_message(const struct row *row, int error, int first, int last) {
    inject(row, error, AT_START, first, last);
    EXPECT(!start_with("-u none") && status == 1, "exit status 1");
    bool hit = has_hit(row);
    EXPECT(hit == !server.stderr_text[0], "the message is all that is lost");
    inject(row, error, AT_START, first, last);
    EXPECT(!start_with("-p none") && status == 2, "exit status 2");
    return hit;
}

/* ---- Faults while serving, and while stopping ---- */

static int calls_made(void) {
    int sum = 0;
    for (int call = 0; call < CALLS; call++) sum += injection->calls[WHILE_SERVING][call];
    return sum;
}

/* A call that fails is not repeated without a pause. */
static void expect_calm(void) {
    pause_ms(20);
    int before = calls_made();
    pause_ms(20);
    EXPECT(calls_made() - before < 400, "the server does not spin");
}

/* These lose nothing: the call is repeated, or the client had left already. */
static bool is_harmless(int error) {
    return error == EINTR || error == EAGAIN || error == ECONNABORTED || error == EPROTO;
}

static bool fail_serving(const struct row *row, int error, int first, int last) {
    char failed[512];
    bool once = last == first;
    inject(row, error, WHILE_SERVING, first, last);
    CHECK(start_with(USUAL));
    max_wait = once ? LONG_WAIT : SHORT_WAIT;
    int lost = run_scenario(!once, failed, sizeof failed);
    bool hit = has_hit(row);
    if (once) EXPECT(lost <= !is_harmless(error), failed);
    if (!once && first == 1 && !is_harmless(error)) expect_calm();
    injection->last = 0;
    max_wait = LONG_WAIT;
    EXPECT(is_served(), "a client is served after the fault");
    stop_server();
    expect_stdout(true);
    return hit;
}

/* The server is stopped while one connection is idle, one has sent a partial request, and two wait
 * to be accepted. Returns how many do not get what they are due: all but the idle one a response. */
static int stop_with_clients(bool once) {
    struct client idle = connect_client(), partial = connect_client(), waiting[2];
    EXPECT(send_text(&partial, "GET /") && is_served(), "a client is served before the stop");
    kill(server.pid, SIGSTOP);
    waitpid(server.pid, NULL, WUNTRACED);
    if (!once) max_wait = SHORT_WAIT;
    for (int i = 0; i < 2; i++) {
        waiting[i] = connect_client();
        send_text(&waiting[i], GET("/"));
    }
    injection->phase = WHILE_STOPPING;
    kill(server.pid, SIGTERM);
    kill(server.pid, SIGCONT);
    int lost = !read_status(&waiting[0], 404) + !read_status(&waiting[1], 404);
    lost += !(send_text(&partial, " HTTP/1.1\r\nHost: a\r\n\r\n") && read_status(&partial, 404));
    lost += !is_closed(&idle);
    if (!once) injection->clock_shift = 1000000000; /* for what can never finish */
    await_end();
    hang_up(&idle), hang_up(&partial), hang_up(&waiting[0]), hang_up(&waiting[1]);
    return lost;
}

static bool fail_stopping(const struct row *row, int error, int first, int last) {
    bool is_accept = row == &rows[CALL_accept], is_recv = row == &rows[CALL_recv];
    bool once = last == first, has_path = row == &rows[CALL_unlink]; /* its file is removed */
    inject(row, error, WHILE_STOPPING, first, last);
    CHECK(start_with(has_path ? "-c 10 -a " SOCKET : USUAL));
    int lost = stop_with_clients(once);
    bool ends_queue = is_accept && (error == EAGAIN || !is_harmless(error));
    /* A connection whose request cannot be read yet counts as idle, and is closed after 1 ms. */
    bool seems_idle = is_recv && error == EAGAIN;
    int may_lose = ends_queue ? 2 : seems_idle || !is_harmless(error);
    if (once) EXPECT(lost <= may_lose, "at most one is lost");
    expect_good_end();
    expect_stdout(row != &rows[CALL_puts] && row != &rows[CALL_poll]); /* these print "Done" */
    return has_hit(row);
}

typedef bool attempt(const struct row *row, int error, int first, int last);

static bool uses_ipv6, quick; /* one errno at all calls of the start, then three at the first */

/* Every errno, once and for good, at the first, second, third ... call until there is none. */
static void try_all(const struct row *row, attempt *try) {
    int most_errors = !quick ? INT_MAX : try == fail_at_start ? 1 : 3;
    int most_calls = quick && try != fail_at_start ? 1 : INT_MAX;
    for (const int *error = row->errors; *error && error - row->errors < most_errors; error++) {
        int count = 0; /* of calls that were made, and failed */
        while (!test_is_bad && count < most_calls && try(row, *error, count + 1, count + 1))
            count++;
        if (count == 0) return;
        for (int n = 1; n <= count && !test_is_bad; n++) try(row, *error, n, FOR_GOOD);
    }
}

static void try_ways(const struct row *row) {
    if (row == &rows[CALL_fprintf]) try_all(row, fail_message);
    for (way = 0; way < WAYS && !test_is_bad; way++)
        if (way != IPV6 || uses_ipv6) try_all(row, fail_at_start);
}

static void test_row(const struct row *row, enum phase phase) {
    static const char *const sentences[] = {
        [AT_START] = "a failing %s at the start is reported, or does no harm",
        [WHILE_SERVING] = "a failing %s costs at most one connection",
        [WHILE_STOPPING] = "a failing %s while the server stops costs at most one connection",
    };
    char name[128];
    snprintf(name, sizeof name, sentences[phase], row->name);
    TEST(name) {
        if (phase == AT_START)
            try_ways(row);
        else
            try_all(row, phase == WHILE_SERVING ? fail_serving : fail_stopping);
    }
}

/* ---- The workers ---- */

/* Goes to a folder of its own, and runs servers there. */
static void enter_folder(const char *name) {
    struct sockaddr_in address = loopback(0);
    mkdir(name, 0700);
    if (chdir(name) < 0) test_give_up("enter a folder");
    setenv("SERVER", SERVER, 1);
    open_injection("injection");
    stdout_file = open("stdout", O_RDWR | O_CREAT | O_APPEND, 0600);
    own_fd = bind_socket(&address, sizeof address);
    int fd = open(USERS, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (write(fd, "foo:foo\n", 8) != 8 || listen(own_fd, 8) < 0) test_give_up("prepare a folder");
    close(fd);
}

static void work(int row, enum phase phase) {
    char name[64];
    snprintf(name, sizeof name, FOLDER "/%s.%d", rows[row].name, (int)phase);
    result = &results[row][phase];
    enter_folder(name);
    test_row(&rows[row], phase);
    result->passed = tests_passed;
    exit(0);
}

static bool is_due(int row, const char *only) { return !only || strcmp(only, rows[row].name) == 0; }

/* Adds up what the workers have done. One that has not passed has failed, or did not end. */
static int add_results(int row) {
    int tried = 0;
    for (int phase = 0; phase < PHASES; phase++) {
        tried += results[row][phase].tried;
        tests_passed += results[row][phase].passed;
        tests_failed += !results[row][phase].passed;
    }
    CASE(rows[row].name);
    CHECK(tried > 0);
    return tried;
}

/* Tries each row in each phase, several at a time. */
static void test_rows(const char *only) {
    static const enum phase longest_first[] = {WHILE_SERVING, WHILE_STOPPING, AT_START};
    int running = 0, tried = 0;
    for (int i = 0; i < PHASES; i++) {
        for (int row = 0; row < CALLS; row++) {
            if (!is_due(row, only)) continue;
            if (running++ >= WORKERS) wait(NULL);
            if (fork() == 0) work(row, longest_first[i]);
        }
    }
    while (wait(NULL) > 0) continue;
    TEST("every call was made to fail") {
        for (int row = 0; row < CALLS; row++)
            if (is_due(row, only)) tried += add_results(row);
        if (only) CASE(only);
        EXPECT(tried > 0, "calls.h has such a call");
    }
    printf("%d servers met a fault\n", tried);
}

/* ---- More than a single fault ---- */

/* The whole scenario. Every second call that may have this error has it, and calls move at most so
 * many bytes; 0 is neither. */
static void test_scenario(const char *sentence, int fault, size_t max_moved) {
    char failed[512];
    TEST(sentence) {
        clear_injection();
        injection->at[WHILE_SERVING] = injection->at[WHILE_STOPPING] = true;
        injection->error = fault;
        injection->max_moved = max_moved;
        injection->every = 2;
        injection->last = FOR_GOOD;
        for (const struct row *row = rows; row < rows + CALLS; row++)
            for (const int *error = row->errors; *error; error++)
                injection->fails[row - rows] |= *error == fault;
        CHECK(start_with(USUAL));
        run_scenario(false, failed, sizeof failed);
        CHECK_STR(failed, "");
        CHECK(is_served());
        stop_server();
        expect_stdout(!fault); /* "Done" is not repeated if it fails */
    }
}

/* ---- Sessions, descriptors, memory, files ---- */

/* Returns whether the session exists after so many seconds. */
static bool exists_after(const char *session, int64_t seconds) {
    injection->clock_shift = seconds * INT64_C(1000000000);
    struct client c = connect_client();
    bool exists = ask_as(&c, session, "GET /home", 200);
    hang_up(&c);
    return exists;
}

static void test_sessions(void) {
    char idle[41], busy[41];
    TEST("a session ends 1800 seconds after its last use, and 28800 seconds after its start") {
        clear_injection();
        CHECK(start_with(USUAL));
        struct client c = connect_client();
        CHECK(begin_session(&c, idle) && begin_session(&c, busy));
        hang_up(&c);
        CHECK(exists_after(busy, 1799));
        CHECK(!exists_after(idle, 1800));
        CHECK(exists_after(busy, 1800));
        for (int i = 2; i < 17; i++) CHECK(exists_after(busy, i * 1799));
        CHECK(exists_after(busy, 28799));
        CHECK(!exists_after(busy, 28800));
        stop_server();
    }
}

/* The server keeps 16 descriptors for other uses than connections, but has one connection at least. */
static void test_descriptors(void) {
    TEST("a server that may hardly open any files has one connection, and serves") {
        FILE *script = fopen("limited", "w");
        CHECK(script && fputs("ulimit -n 16; exec \"$@\"\n", script) > 0 && fclose(script) == 0);
        setenv("RUNNER", "sh limited", 1);
        clear_injection();
        CHECK(start_with(LOOPBACK "-q"));
        unsetenv("RUNNER");
        CHECK(is_served() && is_served());
        stop_server();
        CHECK_STR(server.stderr_text,
                  "server: at most 1 connections, because only 16 files may be open\n");
    }
}

static void test_memory(void) {
    TEST("-h prints the memory that the start takes, without that of the users") {
        clear_injection();
        CHECK(!start_with(LOOPBACK "-c 2000 -s 5000 -h") && status == 0);
        const char *at = strstr(server.stdout_text, "before -h: ");
        size_t printed = at ? (size_t)atol(at + strlen("before -h: ")) : 0;
        clear_injection();
        CHECK(start_with(LOOPBACK "-c 2000 -s 5000"));
        stop_server();
        size_t taken = injection->allocated + sizeof(struct log);
        CHECK(taken > printed && taken < printed + 256);
    }
}

static void test_files(void) {
    static const char no_secret[] = "server: cannot read /dev/urandom: ";
    static const struct {
        const char *options, *message, *cause; /* NULL: that of EIO */
        int first;                             /* read that returns too few bytes */
        size_t shortfall;
        bool only_files;
    } cases[] = {
        {USUAL, no_secret, NULL, 1, 1, false},
        {USUAL, no_secret, NULL, 1, 32, false},
        {USUAL, no_secret, "it is not a device", 1, 0, true},
        {"-p 0 -u " USERS, "server: cannot read " USERS ": ", "it ended early", 2, 1, false},
    };
    char expected[128];
    TEST("a random source or a users file that ends early, or is not what it should, is reported") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            clear_injection();
            injection->first = cases[i].first;
            injection->read_shortfall = cases[i].shortfall;
            injection->only_files = cases[i].only_files;
            CHECK(!start_with(cases[i].options) && status == 1);
            snprintf(expected, sizeof expected, "%s%s\n", cases[i].message,
                     cases[i].cause ? cases[i].cause : strerror(EIO));
            CHECK_STR(server.stderr_text, expected);
        }
    }
}

static void test_busy_socket(void) {
    TEST("a start at the socket of a busy server fails, and does not block") {
        int fd, failed = 0;
        clear_injection();
        unlink(SOCKET);
        if (listen(bind_socket(&socket_address, sizeof socket_address), 1) < 0) CHECK(false);
        for (int i = 0; i < 8; i++) { /* until the queue is full */
            fd = socket(AF_UNIX, SOCK_STREAM, 0);
            fcntl(fd, F_SETFL, O_NONBLOCK);
            failed += connect(fd, (const void *)&socket_address, sizeof socket_address) < 0;
        }
        CHECK(failed > 0);
        CHECK(!start_with("-a " SOCKET) && status == 1);
    }
}

static int run_with_one_byte(char **command) {
    open_injection(FOLDER "/injection");
    injection->max_moved = 1;
    execvp(*command, command);
    perror(*command);
    return 1;
}

int main(int argc, char **argv) {
    const char *only = argc > 1 ? argv[1] : NULL;
    struct rlimit limit;
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2 && strcmp(only, "-1") == 0) return run_with_one_byte(argv + 2);
    quick = only && strcmp(only, "-q") == 0;
    if (quick) only = NULL;
    setvbuf(stdout, NULL, _IOLBF, 0);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 512;
    setrlimit(RLIMIT_NOFILE, &limit);
    uses_ipv6 = has_ipv6();
    results = map_file(FOLDER "/results", CALLS * sizeof *results);
    test_rows(only);
    if (!only) {
        enter_folder(FOLDER "/main");
        test_scenario("a server whose calls never fail serves every client", 0, 0);
        test_scenario("a server whose calls move one byte serves every client", 0, 1);
        test_scenario("a server whose every second call is interrupted serves all", EINTR, 0);
        test_scenario("a server whose every second call would block serves all", EAGAIN, 0);
        test_sessions();
        test_descriptors();
        test_memory();
        test_files();
        test_busy_socket();
    }
    return test_report();
}
