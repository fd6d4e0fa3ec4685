/* test_options.c - the server seen from outside: how it starts, each of its options, the users file,
 * the timeouts of sessions, and the sockets that it can listen on.
 *
 * It starts $SERVER many times; see client.h. Its responses are tested by test_server.c.
 */
#include "tests/client.h"

#include <termios.h>

#define LOOPBACK "-a 127.0.0.1 -p 0 "

static struct client dial_path(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return dial_address(&address, sizeof address);
}

static bool is_one_line(const char *text) {
    const char *end = strchr(text, '\n');
    return end && end > text && end[1] == '\0';
}

/* ---- The start ---- */

/* The server must end at once, with this status and one line on standard error that contains `why`. */
static void check_refused(struct setup setup, int status, const char *why) {
    struct child child = start_as(setup);
    CHECK_INT(child.serves ? stop(&child, SIGKILL) : wait_for_end(&child), status);
    CHECK_HAS(child.stderr_text, why);
    CHECK(is_one_line(child.stderr_text));
    CHECK(!strstr(child.stdout_text, "Serving") && !strstr(child.stdout_text, "Done"));
}

static const struct {
    const char *options, *why; /* the line must contain it */
} wrong[] = {
    {"-x", "-x: there is no such option"},
    {"--port", "--"},
    {"-p", "-p: the value is missing"},
    {"-p ''", "-p"},
    {"-p 65536", "-p"},
    {"-p -1", "-p"},
    {"-p 80x", "-p"},
    {"-p 8:", "-p"},
    {"-p 8/", "-p"},
    {"-p 0x50", "-p"},
    {"-p +80", "-p"},
    {"-p 99999999999999999999999", "-p"},
    {"-c 0", "-c"},
    {"-c many", "-c"},
    {"-c 1000001", "-c: expected a whole number from 1 to 1000000;"},
    {"-s 100000001", "-s: expected a whole number from 1 to 100000000;"},
    {"-i 1000000001", "-i: expected a whole number from 0 to 1000000000;"},
    {"-b 1000001", "-b: expected a whole number from 0 to 1000000;"},
    {"-s 0", "-s"},
    {"-s 1.5", "-s"},
    {"-i -1", "-i"},
    {"-i soon", "-i"},
    {"-l ''", "-l"},
    {"-b ten", "-b"},
    {"-a", "-a"},
    {"-a ''", "-a: expected an IPv4 or IPv6 address"},
    {"-a localhost", "-a: expected an IPv4 or IPv6 address"},
    {"-a 256.0.0.1", "-a: expected an IPv4 or IPv6 address"},
    {"-a 0.0.0.0:80", "-a: expected an IPv4 or IPv6 address"},
    {"-u", "-u"},
    {"8080", "8080: unexpected argument"},
    {"-q extra", "extra"},
    {"-qx", "-x"},
    {"-p 0 -- -q", "-q"},
};

/* Does the pool get one buffer more with this number of connections? */
static const struct {
    int connections;
    bool grows;
} pool_steps[] = {{2, true},    {8, true},   {9, false},   {16, false}, {128, false},
                  {143, false}, {144, true}, {145, false}, {160, true}, {1024, true}};

#define SMALLEST_BUFFER 4096 /* bytes; a connection without one takes less than 1000 */

/* Returns the bytes that -h prints for this number of connections. */
static uint64_t memory_of(int connections) {
    char options[40];
    snprintf(options, sizeof options, "-c %d -h", connections);
    struct child child = start(options);
    CHECK_INT(wait_for_end(&child), 0);
    const char *memory = strstr(child.stdout_text, "Memory with the options before -h: ");
    return memory ? strtoull(memory + 35, NULL, 10) : 0;
}

static void test_start(void) {
    TEST("start and end are reported on standard output, in the words of the original") {
        char want[200];
        struct child child = start("-p 0");
        CHECK(child.port > 0);
        CHECK_INT(ask_once(&child, LOGIN), 200);
        CHECK_INT(stop(&child, SIGTERM), 0);
        snprintf(want, sizeof want,
                 "DB: Creating users table in memory...\nDB: Adding users...\n"
                 "Serving on 0.0.0.0:%d...\nDone\n",
                 child.port);
        CHECK_STR(child.stdout_text, want);
    }
    TEST("-h describes every option on standard output, and ends with status 0") {
        struct child child = start("-h");
        CHECK_INT(wait_for_end(&child), 0);
        CHECK_STR(child.stderr_text, "");
        for (const char *option = "apucsilbeSqhV"; *option; option++) {
            char line[] = {' ', '-', *option, ' ', '\0'};
            CASE(line);
            CHECK_HAS(child.stdout_text, line);
        }
    }
    TEST("without -c and -s there are 1024 connections and 4096 sessions") {
        struct child usual = start("-h"), named = start("-c 1024 -s 4096 -h");
        CHECK_INT(wait_for_end(&usual), 0);
        CHECK_INT(wait_for_end(&named), 0);
        CHECK_STR(usual.stdout_text, named.stdout_text);
    }
    TEST("-V prints the version on one line, and ends with status 0") {
        struct child child = start("-V");
        CHECK_INT(wait_for_end(&child), 0);
        CHECK_STR(child.stderr_text, "");
        CHECK(is_one_line(child.stdout_text));
        CHECK(strncmp(child.stdout_text, "server ", 7) == 0);
    }
    TEST("the pool has 1/16 of the connections, at least 8, and never more than connections") {
        for (size_t i = 0; i < COUNT(pool_steps); i++) {
            const uint64_t with = memory_of(pool_steps[i].connections);
            const uint64_t without = memory_of(pool_steps[i].connections - 1);
            CHECK(without > 0);
            CHECK_INT(with - without > SMALLEST_BUFFER, pool_steps[i].grows);
        }
    }
    TEST("each option takes its largest value") {
        struct child child = start("-c 1000000 -s 100000000 -i 1000000000 -l 1000000000 "
                                   "-b 1000000 -p 65535 -h");
        CHECK_INT(wait_for_end(&child), 0);
        CHECK_STR(child.stderr_text, "");
    }
    TEST("without -p the port is 8080") {
        struct child child = start("-a 127.0.0.1");
        bool taken = strstr(stderr_of(&child), strerror(EADDRINUSE));
        CHECK(taken || child.port == 8080);
        CHECK_INT(stop(&child, SIGTERM), taken);
    }
    TEST("a wrong option ends with status 2 and one line that names it") {
        for (size_t i = 0; i < COUNT(wrong); i++) {
            CASE(wrong[i].options);
            check_refused((struct setup){.options = wrong[i].options}, 2, wrong[i].why);
        }
    }
}

/* Connects as soon as the server listens on `path`. */
static struct client dial_soon(const char *path) {
    struct client client = {.fd = -1};
    for (int i = 0; i < MAX_WAIT / 10 && client.fd < 0; i++, pause_ms(10)) client = dial_path(path);
    return client;
}

static void check_no_fds(const char *path) {
    char options[1024];
    snprintf(options, sizeof options, "-a %s", path);
    struct child child = start_as((struct setup){.options = options, .no_fds = true});
    struct client client = dial_soon(path);
    CHECK_INT(ask(&client, GET("/home")), 401);
    CHECK_INT(ask(&client, LOGIN), 200);
    for (int fd = 0; fd < 3; fd++) {
        struct stat status;
        char name[60]; /* not every system has these files */
        snprintf(name, sizeof name, "/proc/%ld/fd/%d", (long)child.pid, fd);
        CHECK(stat(name, &status) < 0 || !(S_ISSOCK(status.st_mode) || S_ISFIFO(status.st_mode)));
    }
    hang_up(&client);
    CHECK_INT(stop(&child, SIGTERM), 0);
}

static void check_broken_stdout(const char *path) {
    char options[1024];
    snprintf(options, sizeof options, "-a %s", path);
    struct child child = start_as((struct setup){.options = options, .broken_stdout = true});
    struct client client = dial_soon(path);
    CHECK_INT(ask(&client, GET("/home")), 401);
    hang_up(&client);
    CHECK_INT(stop(&child, SIGTERM), 0);
}

/* Its standard output is a terminal, which is stopped as by Ctrl-S. */
static void check_stopped_terminal(const char *path) {
    char options[1024], text[1024] = "";
    const char *line = NULL;
    int terminal, ours = open_pty(&terminal);
    if (ours < 0) return;
    snprintf(options, sizeof options, "-a %s", path);
    struct child child = start_as((struct setup){.options = options, .out = terminal});
    while (!line || !strchr(line, '\n')) {
        size_t len = strlen(text);
        if (poll(&(struct pollfd){ours, POLLIN, 0}, 1, MAX_WAIT) != 1) break;
        if (read(ours, text + len, sizeof text - 1 - len) <= 0) break;
        line = strstr(text, "Serving on ");
    }
    CHECK(line);
    CHECK_INT(tcflow(terminal, TCOOFF), 0);
    CHECK_INT(stop(&child, SIGTERM), 0);
    CHECK_INT(poll(&(struct pollfd){ours, POLLIN, 0}, 1, 0), 0);
    close(terminal);
    close(ours);
}

static void test_failed_start(void) {
    char options[1024];
    TEST("a port that is taken ends with status 1 and one line with the cause") {
        struct child first = start(LOOPBACK);
        char why[100];
        snprintf(options, sizeof options, "-a 127.0.0.1 -p %d", first.port);
        snprintf(why, sizeof why, "cannot listen on 127.0.0.1:%d: %s", first.port,
                 strerror(EADDRINUSE));
        check_refused((struct setup){.options = options}, 1, why);
        CHECK_INT(ask_once(&first, LOGIN), 200);
        CHECK_INT(stop(&first, SIGTERM), 0);
    }
    TEST("an address that is not ours ends with status 1 and one line with the address and the "
         "cause") {
        check_refused((struct setup){.options = "-a 192.0.2.1 -p 0"}, 1,
                      "cannot listen on 192.0.2.1:0: ");
        check_refused((struct setup){.options = "-a /no/such/folder/s"}, 1,
                      "cannot listen on /no/such/folder/s: No such file");
    }
    if (!getenv("VALGRIND")) { /* it sets descriptors aside */
        TEST("if too few files may be open for -c, one line says how many connections there are") {
            struct child child = start_as((struct setup){.options = LOOPBACK, .max_fds = 40});
            CHECK_INT(ask_once(&child, LOGIN), 200);
            CHECK_INT(stop(&child, SIGTERM), 0);
            CHECK(strstr(child.stderr_text,
                         "server: at most 24 connections, because only 40 files may "
                         "be open\n") == child.stderr_text);
        }
    }
    TEST("a users file that does not exist ends with status 1 and one line with its name and the "
         "cause") {
        snprintf(options, sizeof options, LOOPBACK "-u %s", path_of("none"));
        check_refused((struct setup){.options = options}, 1, path_of("none"));
        check_refused((struct setup){.options = options}, 1, strerror(ENOENT));
    }
    TEST("a name of 1,500 bytes is printed in full, and the cause with it") {
        char name[1500 + 1] = "", line[1600], long_options[2000];
        memset(name, 'x', 1500);
        snprintf(line, sizeof line, "server: cannot read %s: %s\n", name, strerror(ENAMETOOLONG));
        snprintf(long_options, sizeof long_options, LOOPBACK "-u %s", name);
        check_refused((struct setup){.options = long_options}, 1, line);
        snprintf(line, sizeof line, "server: %s: unexpected argument", name);
        check_refused((struct setup){.options = name}, 2, line);
    }
    TEST("a port can be used again as soon as a server has ended") {
        struct child first = start(LOOPBACK);
        struct client client = dial(&first);
        CHECK_INT(ask(&client, LOGIN), 200);
        CHECK_INT(stop(&first, SIGKILL), 128 + SIGKILL);
        snprintf(options, sizeof options, "-a 127.0.0.1 -p %d", first.port);
        struct child second = start(options);
        CHECK(second.serves);
        CHECK_INT(ask_once(&second, LOGIN), 200);
        CHECK_INT(stop(&second, SIGTERM), 0);
        hang_up(&client);
    }
    TEST("no socket gets the number of a standard descriptor that is closed") {
        check_no_fds(path_of("closed"));
    }
    TEST("a server whose standard output is a broken pipe serves all the same, and -h ends with "
         "status 0") {
        check_broken_stdout(path_of("broken"));
        struct child child = start_as((struct setup){.options = "-h", .broken_stdout = true});
        CHECK_INT(wait_for_end(&child), 0);
    }
    TEST("a terminal that was stopped does not hold up the end, and gets no \"Done\"") {
        check_stopped_terminal(path_of("terminal"));
    }
}

/* ---- The users file ---- */

/* Writes a users file that only its owner may access. Returns the options that name it. */
static const char *write_users(const char *text) {
    static char options[200];
    const char *path = path_of("users");
    unlink(path);
    FILE *file = fopen(path, "w");
    if (!file) test_give_up("write a users file");
    fputs(text, file);
    fclose(file);
    chmod(path, 0600);
    snprintf(options, sizeof options, LOOPBACK "-u %s", path);
    return options;
}

#define TEN                      "0123456789"
#define FIFTY                    TEN TEN TEN TEN TEN
#define LONGEST                  FIFTY FIFTY FIFTY FIFTY FIFTY "01234" /* 255 bytes */
#define LOGIN_AS(name, password) "{\"username\":\"" name "\",\"password\":\"" password "\"}"

static const char good_users[] = "# name:password\n"
                                 " # name:password\n"
                                 " \t# name:password\n"
                                 "\n"
                                 "ann:secret\n"
                                 "\r\n"
                                 "bob:with\r\n"
                                 " c d : e \n"
                                 "j\xc3\xb6rg:p\xe2\x82\xac\n"
                                 "colons:a:b:\n"
                                 "quote\":\\\n"
                                 "hash:#\n" LONGEST ":" LONGEST "\n"
                                 "last:line";

static const struct {
    const char *credentials;
    int status;
} logins[] = {
    {LOGIN_AS("ann", "secret"), 200},
    {LOGIN_AS("bob", "with"), 200},
    {LOGIN_AS("bob", "with\\r"), 401},
    {LOGIN_AS(" c d ", " e "), 200},
    {LOGIN_AS("c d", "e"), 401},
    {LOGIN_AS("j\xc3\xb6rg", "p\xe2\x82\xac"), 200},
    {LOGIN_AS("j\\u00f6rg", "p\\u20ac"), 200},
    {LOGIN_AS("colons", "a:b:"), 200},
    {LOGIN_AS("colons:a", "b:"), 401},
    {LOGIN_AS("quote\\\"", "\\\\"), 200},
    {LOGIN_AS("hash", "#"), 200},
    {LOGIN_AS(LONGEST, LONGEST), 200},
    {LOGIN_AS(LONGEST "5", LONGEST), 400},
    {LOGIN_AS("last", "line"), 200},
    {LOGIN_AS("ann", "line"), 401},
    {LOGIN_AS("# name", "password"), 401},
    {LOGIN_AS(" # name", "password"), 401},
    {LOGIN_AS(" \\t# name", "password"), 401},
    {FOO, 401},
};

/* The first line of the file is valid; these follow it. */
static const struct {
    const char *line, *why;
} bad_users[] = {
    {"nobody\n", "users:2: expected name:password"},
    {"x", "users:2: "},
    {":password\n", "users:2: "},
    {"name:\n", "users:2: "},
    {"name:\r\n", "users:2: "},
    {"ann:other\n", "users:2: this name exists already"},
    {"# not the second\n\nname:\n", "users:4: "},
    {"#\n#\nname:\n", "users:4: "},
    {LONGEST "5:password\n", "users:2: "},
    {"name:" LONGEST "5", "users:2: "},
    {LONGEST LONGEST LONGEST ":password\n", "users:2: "},
    {"n\xe4me:password\n", "users:2: "},
    {"name:\xc3\n", "users:2: "},
    {"name:a\rb\n", "users:2: it contains a control character"},
    {"name:a\r\r\n", "users:2: it contains a control character"},
    {"na\tme:a\n", "users:2: it contains a control character"},
    {"name:a\x7f\n", "users:2: it contains a control character"},
    {" \n", "users:2: expected name:password"},
    {"\xef\xbb\xbf\xff:a\n", "users:2: "},
};

static void test_users(void) {
    char id[41];
    TEST("-u: each line is name:password; comments and blank lines are ignored") {
        struct child child = start(write_users(good_users));
        for (size_t i = 0; i < COUNT(logins); i++) {
            CASE(logins[i].credentials);
            CHECK_INT(log_in(&child, logins[i].credentials, id), logins[i].status);
        }
        CHECK_INT(stop(&child, SIGTERM), 0);
        CHECK(!strstr(child.stderr_text, "secret"));
    }
    TEST("-u: a byte order mark is skipped, and the lines are numbered from there") {
        struct child child = start(write_users("\xef\xbb\xbf"
                                               "ann:secret\n"));
        CHECK_INT(log_in(&child, LOGIN_AS("ann", "secret"), id), 200);
        CHECK_INT(stop(&child, SIGTERM), 0);
        child = start(write_users("\xef\xbb\xbf# name:secret\nann:secret\n"));
        CHECK_INT(log_in(&child, LOGIN_AS("ann", "secret"), id), 200);
        CHECK_INT(log_in(&child, LOGIN_AS("# name", "secret"), id), 401);
        CHECK_INT(stop(&child, SIGTERM), 0);
        check_refused((struct setup){.options = write_users("\xef\xbb\xbf")}, 1,
                      "users: there are no users in it");
    }
    TEST("the greeting contains the name, in ASCII") {
        struct child child = start(write_users(good_users));
        struct client client = dial(&child);
        char request[200];
        CHECK_INT(log_in(&child, LOGIN_AS("j\\u00f6rg", "p\\u20ac"), id), 200);
        snprintf(request, sizeof request,
                 "GET /home HTTP/1.1\r\n" HOST "Cookie: session_id=%s\r\n\r\n", id);
        CHECK_INT(ask(&client, request), 200);
        CHECK_STR(client.body, "{\"message\": \"Hello, j\\u00f6rg\"}");
        hang_up(&client);
        CHECK_INT(stop(&child, SIGTERM), 0);
    }
}

static void test_bad_users(void) {
    char text[2048];
    TEST("-u: an invalid line ends with status 1, and its file and number are printed") {
        for (size_t i = 0; i < COUNT(bad_users); i++) {
            snprintf(text, sizeof text, "ann:secret\n%s", bad_users[i].line);
            CASE(bad_users[i].line);
            check_refused((struct setup){.options = write_users(text)}, 1, bad_users[i].why);
        }
    }
    TEST("-u: a file that others may access is refused") {
        static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610};
        for (size_t i = 0; i < COUNT(modes); i++) {
            const char *options = write_users("ann:secret\n");
            chmod(path_of("users"), modes[i]);
            check_refused((struct setup){.options = options}, 1, path_of("users"));
        }
    }
    TEST("-u: a file without a user is refused") {
        static const char *const files[] = {"", "\n", "# ann:secret\n\n"};
        for (size_t i = 0; i < COUNT(files); i++) {
            CASE(files[i]);
            check_refused((struct setup){.options = write_users(files[i])}, 1,
                          "users: there are no users in it");
        }
    }
    TEST("-u: a FIFO is refused at once, whether a process writes to it or not") {
        struct setup setup = {.options = write_users("")};
        unlink(path_of("users"));
        CHECK_INT(mkfifo(path_of("users"), 0600), 0);
        check_refused(setup, 1, "not a regular file");
        int fifo = open(path_of("users"), O_RDWR); /* does not wait for the other side */
        CHECK_INT(write(fifo, "ann:secret\n", 11), 11);
        check_refused(setup, 1, "not a regular file");
        close(fifo);
        unlink(path_of("users"));
    }
}

/* ---- Sessions and logins; their seconds are real ones ---- */

/* Sleeps until `ms` after `since`. Returns false if it is more than 250 ms later by then. */
static bool sleep_until(int64_t since, int64_t ms) {
    int64_t left = since + ms - read_clock();
    if (left > 0) pause_ms((long)left);
    return read_clock() - since < ms + 250;
}

/* What must be alive is only checked if we are not late. */
static void check_expiry(void) {
    struct child idle = start(LOOPBACK "-i 1 -l 0"), old = start(LOOPBACK "-i 0 -l 1");
    char used[41], unused[41], aged[41];
    CHECK_INT(log_in(&idle, FOO, unused), 200);
    int64_t since = read_clock(); /* all sessions are younger, except `unused` */
    CHECK_INT(log_in(&idle, FOO, used), 200);
    CHECK_INT(log_in(&old, FOO, aged), 200);
    if (sleep_until(since, 600)) {
        int used_status = visit(&idle, used), aged_status = visit(&old, aged);
        if (read_clock() - since < 1000) {
            CHECK_INT(used_status, 200);
            CHECK_INT(aged_status, 200);
        }
    }
    int64_t used_at = read_clock();
    sleep_until(since, 1200);
    int status = visit(&idle, used);
    if (read_clock() - used_at < 1000) CHECK_INT(status, 200);
    CHECK_INT(visit(&idle, unused), 401);
    CHECK_INT(visit(&old, aged), 401);
    sleep_until(read_clock(), 1100);
    CHECK_INT(visit(&idle, used), 401);
    CHECK_INT(stop(&idle, SIGTERM), 0);
    CHECK_INT(stop(&old, SIGTERM), 0);
}

/* Returns whether a second has not passed yet. */
static bool is_within_a_second(int64_t since) { return read_clock() - since < 1000; }

/* "foo" has failed three times, and so has a name that does not exist: they get the same responses. */
static void check_delay(void) {
    static const char wrong_foo[] = LOGIN_AS("foo", "no"), unknown[] = LOGIN_AS("bar", "no");
    char options[300], id[41], alive[41];
    snprintf(options, sizeof options, "%s -b 3", write_users("foo:foo\nann:ann\n"));
    struct child child = start(options);
    CHECK_INT(log_in(&child, FOO, alive), 200);
    int64_t since = read_clock();
    for (int i = 0; i < 3; i++) CHECK_INT(log_in(&child, wrong_foo, id), 401);
    for (int i = 0; i < 3; i++) CHECK_INT(log_in(&child, unknown, id), 401);
    struct client client = dial(&child);
    int status = ask(&client, LOGIN), unknown_status = log_in(&child, unknown, id);
    if (is_within_a_second(since)) {
        CHECK_INT(status, 429);
        CHECK_LINE(&client, "Retry-After: 1\r\n");
        CHECK_INT(unknown_status, 429);
    }
    CHECK_INT(log_in(&child, LOGIN_AS("ann", "ann"), id), 200);
    CHECK_INT(visit(&child, alive), 200);
    sleep_until(read_clock(), 1100);
    CHECK_INT(log_in(&child, FOO, id), 200);
    CHECK_INT(log_in(&child, wrong_foo, id), 401);
    CHECK_INT(log_in(&child, FOO, id), 200);
    hang_up(&client);
    CHECK_INT(stop(&child, SIGTERM), 0);
}

static void test_sessions(void) {
    TEST("-S marks the cookie Secure, both when it is set and when it is deleted") {
        struct child child = start(LOOPBACK "-S");
        struct client client = dial(&child);
        CHECK_INT(ask(&client, LOGIN), 200);
        hide_ids(client.head);
        CHECK_LINE(&client, "Set-Cookie: session_id=<id>; Path=/; HttpOnly; SameSite=Lax; "
                            "Secure\r\n");
        CHECK_INT(ask(&client, "POST /logout HTTP/1.1\r\n" HOST "Cookie: session_id=x\r\n\r\n"),
                  200);
        CHECK_HAS(client.head, "; Secure; Expires=");
        CHECK_INT(ask(&client, GET("https://a/home")), 401);
        hang_up(&client);
        CHECK_INT(stop(&child, SIGTERM), 0);
    }
    TEST("without -S a request for an https URI gets 421") {
        struct child child = start(LOOPBACK);
        CHECK_INT(ask_once(&child, GET("https://a/home")), 421);
        CHECK_INT(ask_once(&child, GET("http://a/home")), 401);
        CHECK_INT(stop(&child, SIGTERM), 0);
    }
    TEST("-i ends a session that is not used, and -l every session, when their time is over") {
        check_expiry();
    }
    TEST("-b: a name must wait after failed logins in a row, known or not; other names need not") {
        check_delay();
    }
    TEST("-b 0: no name must wait") {
        struct child child = start(LOOPBACK "-b 0");
        char id[41];
        int refused = 0;
        for (int i = 0; i < 30; i++) refused += log_in(&child, LOGIN_AS("foo", "no"), id) == 401;
        CHECK_INT(refused, 30);
        CHECK_INT(log_in(&child, FOO, id), 200);
        CHECK_INT(stop(&child, SIGTERM), 0);
    }
    TEST("without -b a name must wait after ten failures in a row, but not after nine") {
        struct child child = start(LOOPBACK);
        char id[41];
        int64_t since = read_clock();
        for (int i = 0; i < 9; i++) CHECK_INT(log_in(&child, LOGIN_AS("foo", "no"), id), 401);
        CHECK_INT(log_in(&child, FOO, id), 200);
        for (int i = 0; i < 10; i++) CHECK_INT(log_in(&child, LOGIN_AS("foo", "no"), id), 401);
        int status = log_in(&child, FOO, id);
        if (is_within_a_second(since)) CHECK_INT(status, 429);
        CHECK_INT(stop(&child, SIGTERM), 0);
    }
    TEST("-s: each user has a share of the sessions, and keeps the latest of theirs") {
        char options[300], ids[4][41];
        snprintf(options, sizeof options, "%s -s 4", write_users("ann:ann\nfoo:foo\n"));
        struct child child = start(options);
        CHECK_INT(log_in(&child, LOGIN_AS("ann", "ann"), ids[3]), 200);
        for (int i = 0; i < 3; i++) CHECK_INT(log_in(&child, FOO, ids[i]), 200);
        CHECK_INT(visit(&child, ids[0]), 401);
        for (int i = 1; i < 4; i++) CHECK_INT(visit(&child, ids[i]), 200);
        CHECK_INT(stop(&child, SIGTERM), 0);
    }
    TEST("-s: fewer sessions than users are raised to one for each user") {
        char options[300], ids[2][41];
        snprintf(options, sizeof options, "%s -s 1", write_users("ann:ann\nfoo:foo\n"));
        struct child child = start(options);
        CHECK_INT(log_in(&child, LOGIN_AS("ann", "ann"), ids[0]), 200);
        CHECK_INT(log_in(&child, FOO, ids[1]), 200);
        CHECK_INT(visit(&child, ids[0]), 200);
        CHECK_INT(visit(&child, ids[1]), 200);
        CHECK_INT(stop(&child, SIGTERM), 0);
    }
}

/* ---- Echo ---- */

#define SELECT_USER(name)                                                                          \
    "SELECT * FROM users WHERE username = ? AND password = '***' LIMIT 1  ['" name "']\n"
#define INSERT_USER(name)  "INSERT INTO users (username, password) VALUES (?, '***')  ['" name "']\n"
#define SELECT_SESSION(id) "SELECT * FROM user_sessions WHERE session_id = ? LIMIT 1  ['" id "']\n"
#define UPDATE_SESSION                                                                             \
    "UPDATE user_sessions SET last_used_at = CURRENT_TIMESTAMP WHERE session_id = ?  ['<id>']\n"

/* What each request echoes. <id> stands for the id of the session of the first login. */
static const struct {
    const char *line, *fields, *body;
    int status;
    const char *statements;
} echoed[] = {
    {"POST /login", "", LOGIN_AS("ann", "secret"), 200,
     SELECT_USER("ann") "INSERT INTO user_sessions (session_id) VALUES (?)  ['<id>']\n"},
    {"POST /login", "", LOGIN_AS("ann", "secreT"), 401, SELECT_USER("ann")},
    {"POST /login", "", LOGIN_AS("a'\\n\\\"\\u00e4", "secret"), 401,
     SELECT_USER("a'\\x0a\\x22\\xc3\\xa4")},
    {"POST /login", "", "secret", 400, ""},
    {"GET /home", "Cookie: session_id=%s\r\n", NULL, 200, SELECT_SESSION("<id>") UPDATE_SESSION},
    {"GET /home", "Cookie: session_id=x\r\n", NULL, 401, SELECT_SESSION("x")},
    {"GET /home", "", NULL, 401, ""},
    {"POST /logout", "Cookie: session_id=%s\r\n", NULL, 200,
     SELECT_SESSION("<id>") "DELETE FROM user_sessions WHERE session_id = ?  ['<id>']\n"},
    {"POST /logout", "Cookie: session_id=%s\r\n", NULL, 200, SELECT_SESSION("<id>")},
    {"POST /logout", "Cookie: session_id=DELETED\r\n", NULL, 200, ""},
};

static int send_echoed(const struct child *child, size_t i, char id[41]) {
    char format[200], request[300], unused[41];
    if (echoed[i].body) return log_in(child, echoed[i].body, i == 0 ? id : unused);
    snprintf(format, sizeof format, "%s HTTP/1.1\r\n" HOST "%s\r\n", echoed[i].line,
             echoed[i].fields);
    const char *mark = strstr(format, "%s");
    int before = mark ? (int)(mark - format) : (int)strlen(format);
    snprintf(request, sizeof request, "%.*s%s%s", before, format, mark ? id : "",
             mark ? mark + 2 : "");
    return ask_once(child, request);
}

/* Removes the lines that are not statements. */
static void keep_statements(char *text) {
    while (*text) {
        char *next = strchr(text, '\n') + 1;
        if (strncmp(text, "127.0.0.1 - - [", 15) == 0)
            memmove(text, next, strlen(next) + 1);
        else
            text = next;
    }
}

static void check_echo(bool quiet) {
    char options[300], id[41], want[4096] = INSERT_USER("ann") INSERT_USER("b\\xc3\\xb6b");
    snprintf(options, sizeof options, "%s -e%s",
             write_users("ann:secret\nb\xc3\xb6"
                         "b:secret\n"),
             quiet ? " -q" : "");
    struct child child = start(options);
    CHECK_STR(stderr_of(&child), want);
    for (size_t i = 0; i < COUNT(echoed); i++) {
        CASE(echoed[i].line);
        CHECK_INT(send_echoed(&child, i, id), echoed[i].status);
        strcat(want, echoed[i].statements);
    }
    CHECK_INT(stop(&child, SIGTERM), 0);
    CHECK(!strstr(child.stderr_text, "secre"));
    hide_ids(child.stderr_text);
    if (!quiet) keep_statements(child.stderr_text);
    CHECK_STR(child.stderr_text, want);
}

#define MANY_USERS 500

/* The statements of the start are more than the buffer of the log holds. */
static void check_long_echo(void) {
    static char users[MANY_USERS * 8], options[300], want[MANY_USERS * 100];
    for (int i = 0; i < MANY_USERS; i++) {
        sprintf(users + strlen(users), "%04d:x\n", i);
        sprintf(want + strlen(want),
                "INSERT INTO users (username, password) VALUES (?, '***')  ['%04d']\n", i);
    }
    snprintf(options, sizeof options, "%s -e", write_users(users));
    struct child child = start(options);
    CHECK_INT(stop(&child, SIGTERM), 0);
    CHECK_STR(child.stderr_text, want);
}

static void test_echo(void) {
    TEST("-e logs the SQL statement of each operation with its parameter, never with a password") {
        check_echo(false);
    }
    TEST("-e logs the statements with -q too, and nothing else then") { check_echo(true); }
    TEST("-e logs the statement of each user at the start") { check_long_echo(); }
    TEST("without -e no statement is logged") {
        struct child child = start(LOOPBACK);
        CHECK_INT(ask_once(&child, LOGIN), 200);
        CHECK_INT(stop(&child, SIGTERM), 0);
        CHECK(!strstr(child.stderr_text, "SELECT") && !strstr(child.stderr_text, "INSERT"));
    }
}

/* ---- What it listens on ---- */

static void check_path(const char *path) {
    char options[300], serving[300];
    snprintf(options, sizeof options, "-a %s", path);
    snprintf(serving, sizeof serving, "Serving on %s...\n", path);
    struct child child = start(options);
    CHECK_HAS(child.stdout_text, serving);
    struct client client = dial_path(path);
    CHECK_INT(ask(&client, LOGIN), 200);
    hang_up(&client);
    check_refused((struct setup){.options = options}, 1, strerror(EADDRINUSE));
    client = dial_path(path);
    CHECK_INT(ask(&client, LOGIN), 200);
    hang_up(&client);
    CHECK_INT(stop(&child, SIGTERM), 0);
    CHECK(strncmp(child.stderr_text, "unix - - [", 10) == 0);
    CHECK(access(path, F_OK) < 0);
}

/* A second server takes over the path, and then the first one stops. */
static void check_path_taken(const char *path) {
    char options[300];
    snprintf(options, sizeof options, "-a %s", path);
    struct child first = start(options);
    CHECK_INT(unlink(path), 0);
    struct child second = start(options);
    CHECK_INT(stop(&first, SIGTERM), 0);
    struct client client = dial_path(path);
    CHECK_INT(ask(&client, LOGIN), 200);
    hang_up(&client);
    CHECK_INT(stop(&second, SIGTERM), 0);
    CHECK(access(path, F_OK) < 0);
}

/* Several slashes count as one, so a path can be made longer with them. */
static void check_long_path(void) {
    char slashes[sizeof((struct sockaddr_un *)0)->sun_path] = "", options[1024];
    const char *path = path_of("long"); /* begins with a slash */
    memset(slashes, '/', sizeof slashes - strlen(path) - 1);
    snprintf(options, sizeof options, "-a %s%s", slashes, path);
    struct child child = start(options);
    CHECK(child.serves);
    CHECK_INT(stop(&child, SIGTERM), 0);
    snprintf(options, sizeof options, "-a /%s%s", slashes, path);
    check_refused((struct setup){.options = options}, 2, "-a: expected");
}

/* Returns a socket that listens on `path` or, if it is NULL, on a port of the loopback address. */
static int listen_on(const char *path, int *port) {
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = loopback(0);
    socklen_t len = sizeof in;
    int fd = socket(path ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
    if (path) snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    const struct sockaddr *address = path ? (void *)&un : (void *)&in;
    if (bind(fd, address, path ? sizeof un : sizeof in) < 0 || listen(fd, 8) < 0)
        test_give_up("listen");
    if (!path && getsockname(fd, (void *)&in, &len) == 0) *port = ntohs(in.sin_port);
    return fd;
}

static void check_activation(void) {
    int port = 0, fd = listen_on(NULL, &port);
    struct child child = start_as((struct setup){.options = "-p 1", .listener = fd});
    CHECK_INT(child.port, port);
    close(fd);
    CHECK_INT(ask_once(&child, LOGIN), 200);
    CHECK_INT(stop(&child, SIGTERM), 0);

    fd = listen_on(NULL, &port);
    child = start_as((struct setup){.options = LOOPBACK, .listener = fd, .listen_pid = getpid()});
    CHECK(child.serves && child.port != port);
    CHECK_INT(stop(&child, SIGTERM), 0);
    close(fd);
}

static void check_inherited_path(const char *path) {
    int fd = listen_on(path, NULL);
    for (int i = 0; i < 2; i++) {
        struct child child = start_as((struct setup){.options = "-p 1", .listener = fd});
        struct client client = dial_path(path);
        CHECK_INT(ask(&client, LOGIN), 200);
        hang_up(&client);
        CHECK_INT(stop(&child, SIGTERM), 0);
        CHECK_INT(access(path, F_OK), 0);
    }
    close(fd);
}

/* How an address is written in "Serving on" and, if a client can connect from it, in the log. */
static const struct {
    const char *option, *serving, *client, *logged;
} ipv6[] = {
    {"::1", "[::1]", "::1", "::1"},
    {"0:0:0:0:0:0:0:1", "[::1]", "::1", "::1"},
    {"::", "[::]", "::1", "::1"},
    {"::", "[::]", "::ffff:127.0.0.1", "127.0.0.1"},
    {"::ffff:127.0.0.1", "127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1"},
};

static void check_ipv6(size_t i) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};
    char options[100], serving[100], logged[100];
    snprintf(options, sizeof options, "-a %s -p 0", ipv6[i].option);
    struct child child = start(options);
    snprintf(serving, sizeof serving, "Serving on %s:%d...\n", ipv6[i].serving, child.port);
    CASE(ipv6[i].option);
    CHECK_HAS(child.stdout_text, serving);
    inet_pton(AF_INET6, ipv6[i].client, &address.sin6_addr);
    address.sin6_port = htons((uint16_t)child.port);
    struct client client = dial_address(&address, sizeof address);
    CHECK_INT(ask(&client, LOGIN), 200);
    hang_up(&client);
    CHECK_INT(stop(&child, SIGTERM), 0);
    snprintf(logged, sizeof logged, "%s - - [", ipv6[i].logged);
    CHECK(strncmp(child.stderr_text, logged, strlen(logged)) == 0);
}

static bool has_ipv6(void) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool has = fd >= 0 && bind(fd, (void *)&address, sizeof address) == 0;
    if (fd >= 0) close(fd);
    return has;
}

static void test_listeners(void) {
    TEST("an address with a slash is the path of a Unix socket; its file is removed at the end") {
        check_path(path_of("socket"));
    }
    TEST("the socket file that a killed server left behind is replaced") {
        close(listen_on(path_of("stale"), NULL));
        check_path(path_of("stale"));
    }
    TEST("the path of a Unix socket may be as long as sun_path") { check_long_path(); }
    TEST("a socket file on which another server listens by now is not removed") {
        check_path_taken(path_of("taken"));
    }
    TEST("a file that is not a socket is not replaced") {
        struct stat status;
        char options[300];
        write_users("ann:secret\n");
        snprintf(options, sizeof options, "-a %s", path_of("users"));
        check_refused((struct setup){.options = options}, 1, path_of("users"));
        CHECK_INT(stat(path_of("users"), &status), 0);
        CHECK(S_ISREG(status.st_mode));
    }
    TEST("a listening socket that is inherited is used, if LISTEN_PID is the server") {
        check_activation();
    }
    TEST("the file of a Unix socket that was inherited is not removed") {
        check_inherited_path(path_of("inherited"));
    }
    TEST("no inherited socket, LISTEN_FDS=0, means that the server binds one itself") {
        struct child child =
            start_as((struct setup){.options = LOOPBACK, .listener = 2, .listen_fds = "0"});
        CHECK(child.port > 0);
        CHECK_INT(ask_once(&child, LOGIN), 200);
        CHECK_INT(stop(&child, SIGTERM), 0);
    }
    TEST("more than one inherited socket is refused with status 1") {
        int port = 0, fd = listen_on(NULL, &port);
        struct setup two = {.options = LOOPBACK, .listener = fd, .listen_fds = "2"};
        check_refused(two, 1, "LISTEN_FDS must be 1");
        close(fd);
    }
    TEST("an inherited descriptor that is not a socket is refused with status 1") {
        int fd = open("/dev/null", O_RDWR);
        check_refused((struct setup){.options = LOOPBACK, .listener = fd}, 1, strerror(ENOTSOCK));
        close(fd);
    }
    if (!has_ipv6()) {
        printf("skipped: this machine has no IPv6\n");
        return;
    }
    TEST("IPv6 addresses are served, and written in their short form; :: serves IPv4 as well") {
        for (size_t i = 0; i < COUNT(ipv6); i++) check_ipv6(i);
    }
}

int main(void) {
    begin_tests();
    test_start();
    test_failed_start();
    test_users();
    test_bad_users();
    test_sessions();
    test_echo();
    test_listeners();
    return test_report();
}
