/* test_options.c - the server seen from outside: how it starts, each of its options, the users file,
 * the timeouts of sessions, and the sockets that it can listen on.
 *
 * Run it with `make test TEST=options`. It starts $SERVER many times; see client.h. Its responses are
 * tested by test_server.c.
 */
#include "tests/client.h"

#include <termios.h>

/* ---- The start ---- */

static bool is_one_line(const char *text) {
    const char *end = strchr(text, '\n');
    return end && end > text && end[1] == '\0';
}

/* The server must end at once, with this status and one line on standard error that contains `why`. */
static void check_refused(struct setup setup, int status, const char *why) {
    struct child child = start_as(setup);
    CHECK_INT(child.serves ? stop(&child, SIGKILL) : wait_for_end(&child), status);
    CHECK_HAS(child.stderr_text, why);
    CHECK(is_one_line(child.stderr_text));
    CHECK(!strstr(child.stdout_text, "Serving"));
    CHECK(!strstr(child.stdout_text, "Done"));
}

static void check_refused_options(const char *options, int status, const char *why) {
    check_refused((struct setup){.options = options}, status, why);
}

/* The server must end by itself, in order. Returns what it has written to standard output. */
static const char *output_of(const char *options) {
    static struct child child;
    child = start(options);
    CHECK_INT(wait_for_end(&child), 0);
    CHECK_STR(child.stderr_text, "");
    return child.stdout_text;
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
    {"-p 8/", "-p"},
    {"-p 99999999999999999999999", "-p"},
    {"-c 0", "-c"},
    {"-c 1000001", "-c: expected a whole number from 1 to 1000000;"},
    {"-s 100000001", "-s: expected a whole number from 1 to 100000000;"},
    {"-i 1000000001", "-i: expected a whole number from 0 to 1000000000;"},
    {"-b 1000001", "-b: expected a whole number from 0 to 1000000;"},
    {"-s 0", "-s"},
    {"-l ''", "-l"},
    {"-a ''", "-a: expected an IPv4 or IPv6 address"},
    {"-a localhost", "-a: expected an IPv4 or IPv6 address"},
    {"-a 0.0.0.0:80", "-a: expected an IPv4 or IPv6 address"},
    {"8080", "8080: unexpected argument"},
    {"-qx", "-x"},
    {"-p 0 -- -q", "-q"},
};

static void test_start(void) {
    TEST("start and end are reported on standard output, in the words of the original") {
        struct child child = start("-p 0");
        CHECK_INT(ask_once(&child, LOGIN), 200);
        CHECK_INT(stop(&child, SIGTERM), 0);
        CHECK_STR(child.stdout_text,
                  text_of("DB: Creating users table in memory...\nDB: Adding users...\n"
                          "Serving on 0.0.0.0:%d...\nDone\n",
                          child.port));
    }
    TEST("-h describes every option on standard output, and ends with status 0") {
        const char *help = output_of("-h");
        for (const char *option = "apucsilbeSqhV"; *option; option++)
            CHECK_HAS(help, text_of("\n  -%c  ", *option));
    }
    TEST("without -c and -s there are 1024 connections and 4096 sessions") {
        char usual[4096];
        snprintf(usual, sizeof usual, "%s", output_of("-h"));
        CHECK_STR(output_of("-c 1024 -s 4096 -h"), usual);
    }
    TEST("-V prints the version on one line, and ends with status 0") {
        const char *version = output_of("-V");
        CHECK(is_one_line(version));
        CHECK(strncmp(version, "server ", 7) == 0);
    }
    TEST("each option takes its largest value") {
        output_of("-c 1000000 -s 100000000 -i 1000000000 -l 1000000000 -b 1000000 -p 65535 -h");
    }
    TEST("without -p the port is 8080") {
        struct child child = start("-a 127.0.0.1");
        bool taken = strstr(stderr_of(&child), strerror(EADDRINUSE));
        if (!taken) CHECK_INT(child.port, 8080);
        CHECK_INT(stop(&child, SIGTERM), taken);
    }
}

static struct client dial_path(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return dial_as(&address, sizeof address, false, 0);
}

/* A server that cannot print where it serves must serve there all the same. */
static void check_silent_start(struct setup setup) {
    const char *path = path_of("silent");
    struct client client = {.fd = -1};
    setup.options = text_of("-a %s", path);
    struct child child = start_as(setup);
    for (int i = 0; i < MAX_WAIT / 10 && client.fd < 0; i++, pause_ms(10)) client = dial_path(path);
    CHECK_INT(ask(&client, LOGIN), 200);
    for (int fd = 0; fd < (setup.before ? 3 : 0); fd++) {
        struct stat status; /* not every system has these files */
        bool found = stat(text_of("/proc/%ld/fd/%d", (long)child.pid, fd), &status) == 0;
        CHECK(!found || !(S_ISSOCK(status.st_mode) || S_ISFIFO(status.st_mode)));
    }
    hang_up(&client);
    CHECK_INT(stop(&child, SIGTERM), 0);
}

/* Its standard output is a terminal, which is stopped as by Ctrl-S. */
static void check_stopped_terminal(void) {
    char text[1024] = "";
    int terminal, ours = open_pty(&terminal);
    if (ours < 0) return;
    struct child child = start_as((struct setup){.options = LOOPBACK, .out = terminal});
    CHECK(read_until(ours, text, sizeof text, "Serving on "));
    CHECK_INT(tcflow(terminal, TCOOFF), 0);
    CHECK_INT(stop(&child, SIGTERM), 0);
    CHECK_INT(poll(&(struct pollfd){ours, POLLIN, 0}, 1, 0), 0);
    close(terminal);
    close(ours);
}

static void test_failed_starts(void) {
    TEST("a wrong option ends with status 2 and one line that names it") {
        for (size_t i = 0; i < COUNT(wrong); i++) {
            CASE(wrong[i].options);
            check_refused_options(wrong[i].options, 2, wrong[i].why);
        }
    }
    TEST("an address that cannot be had ends with status 1 and one line with it and the cause") {
        struct child first = start(LOOPBACK);
        check_refused_options(
            text_of("-a 127.0.0.1 -p %d", first.port), 1,
            text_of("cannot listen on 127.0.0.1:%d: %s", first.port, strerror(EADDRINUSE)));
        CHECK_INT(ask_once(&first, LOGIN), 200);
        CHECK_INT(stop(&first, SIGTERM), 0);
        check_refused_options("-a 192.0.2.1 -p 0", 1, "cannot listen on 192.0.2.1:0: ");
        check_refused_options("-a /no/such/s", 1, "cannot listen on /no/such/s: No such file");
    }
    TEST("a users file that does not exist ends with status 1 and one line with it and the cause") {
        const char *path = path_of("none");
        check_refused_options(text_of(LOOPBACK "-u %s", path), 1,
                              text_of("%s: %s", path, strerror(ENOENT)));
    }
    TEST("a name of 1,500 bytes is printed in full, and the cause with it") {
        const char *name = text_of("%01500d", 0);
        check_refused_options(
            text_of(LOOPBACK "-u %s", name), 1,
            text_of("server: cannot read %s: %s\n", name, strerror(ENAMETOOLONG)));
        check_refused_options(name, 2, text_of("server: %s: unexpected argument", name));
    }
}

static void test_odd_starts(void) {
    TEST("a port can be used again as soon as a server has ended") {
        struct child first = start(LOOPBACK);
        struct client client = dial(&first);
        CHECK_INT(ask(&client, LOGIN), 200);
        CHECK_INT(stop(&first, SIGKILL), 128 + SIGKILL);
        struct child second = start(text_of("-a 127.0.0.1 -p %d", first.port));
        CHECK_INT(ask_once(&second, LOGIN), 200);
        CHECK_INT(stop(&second, SIGTERM), 0);
        hang_up(&client);
    }
    if (!getenv("VALGRIND")) /* it sets descriptors aside */
        TEST("if too few files may be open for -c, one line says how many connections there are") {
            struct child child =
                start_as((struct setup){.options = LOOPBACK "-q", .before = "ulimit -n 40"});
            CHECK_INT(ask_once(&child, LOGIN), 200);
            CHECK_INT(stop(&child, SIGTERM), 0);
            CHECK_STR(child.stderr_text, "server: at most 24 connections, because only 40 files "
                                         "may be open\n");
        }
    TEST("no socket gets the number of a standard descriptor that is closed") {
        check_silent_start((struct setup){.before = "exec <&- >&- 2>&-"});
    }
    TEST("a server whose standard output is a broken pipe serves, and -h ends with status 0") {
        int broken = open_broken_pipe();
        check_silent_start((struct setup){.out = broken});
        struct child child = start_as((struct setup){.options = "-h", .out = broken});
        CHECK_INT(wait_for_end(&child), 0);
        close(broken);
    }
    TEST("a terminal that was stopped does not hold up the end, and gets no \"Done\"") {
        check_stopped_terminal();
    }
}

/* ---- The users file ---- */

/* Writes a users file that only its owner may access. Returns the options that name it. */
static const char *write_users(const char *text) {
    const char *path = path_of("users");
    unlink(path);
    FILE *file = fopen(path, "w");
    if (!file) test_give_up("write a users file");
    fputs(text, file);
    fclose(file);
    chmod(path, 0600);
    return text_of(LOOPBACK "-u %s", path);
}

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

/* The name as the greeting has it, in ASCII; NULL if the login is refused. */
static const struct {
    const char *credentials, *greeted;
} logins[] = {
    {LOGIN_AS("ann", "secret"), "ann"},
    {LOGIN_AS("ann", "line"), NULL},
    {LOGIN_AS("bob", "with"), "bob"},
    {LOGIN_AS("bob", "with\\r"), NULL},
    {LOGIN_AS(" c d ", " e "), " c d "},
    {LOGIN_AS("c d", "e"), NULL},
    {LOGIN_AS("j\xc3\xb6rg", "p\xe2\x82\xac"), "j\\u00f6rg"},
    {LOGIN_AS("j\\u00f6rg", "p\\u20ac"), "j\\u00f6rg"},
    {LOGIN_AS("colons", "a:b:"), "colons"},
    {LOGIN_AS("colons:a", "b:"), NULL},
    {LOGIN_AS("quote\\\"", "\\\\"), "quote\\\""},
    {LOGIN_AS("hash", "#"), "hash"},
    {LOGIN_AS(LONGEST, LONGEST), LONGEST},
    {LOGIN_AS("last", "line"), "last"},
    {LOGIN_AS("# name", "password"), NULL},
    {LOGIN_AS(" # name", "password"), NULL},
    {LOGIN_AS(" \\t# name", "password"), NULL},
    {FOO, NULL},
};

static void check_login(const struct child *child, size_t i) {
    char id[41];
    const int status = logins[i].greeted ? 200 : 401;
    CASE(logins[i].credentials);
    CHECK_INT(log_in(child, logins[i].credentials, id), status);
    struct client client = dial(child);
    CHECK_INT(ask_with(&client, "GET /home", COOKIE, NULL, id), status);
    if (logins[i].greeted)
        CHECK_STR(client.body, text_of("{\"message\": \"Hello, %s\"}", logins[i].greeted));
    hang_up(&client);
}

/* The first line of the file is valid; these follow it. */
static const struct {
    const char *line, *why;
} bad_users[] = {
    {"nobody\n", "users:2: expected name:password"},
    {":password\n", "users:2: "},
    {"name:\n", "users:2: "},
    {"name:\r\n", "users:2: "},
    {"ann:other\n", "users:2: this name exists already"},
    {"# not the second\n\nname:\n", "users:4: "},
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
    TEST("-u: each line is name:password; comments and blank lines are ignored") {
        struct child child = start(write_users(good_users));
        for (size_t i = 0; i < COUNT(logins); i++) check_login(&child, i);
        CHECK_INT(stop(&child, SIGTERM), 0);
        CHECK(!strstr(child.stderr_text, "secret"));
    }
    TEST("-u: a byte order mark is skipped, and what follows it is the first line") {
        char id[41];
        struct child child = start(write_users("\xef\xbb\xbf# name:secret\nann:secret\n"));
        CHECK_INT(log_in(&child, LOGIN_AS("ann", "secret"), id), 200);
        CHECK_INT(log_in(&child, LOGIN_AS("# name", "secret"), id), 401);
        CHECK_INT(stop(&child, SIGTERM), 0);
    }
}

static void test_refused_users(void) {
    TEST("-u: an invalid line ends with status 1, and its file and number are printed") {
        for (size_t i = 0; i < COUNT(bad_users); i++) {
            const char *options = write_users(text_of("ann:secret\n%s", bad_users[i].line));
            CASE(bad_users[i].line);
            check_refused_options(options, 1, bad_users[i].why);
        }
    }
    TEST("-u: a file that others may access is refused") {
        static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610};
        for (size_t i = 0; i < COUNT(modes); i++) {
            const char *options = write_users("ann:secret\n");
            chmod(path_of("users"), modes[i]);
            check_refused_options(options, 1, path_of("users"));
        }
    }
    TEST("-u: a file without a user is refused") {
        static const char *const files[] = {"", "\n", "# ann:secret\n\n", "\xef\xbb\xbf"};
        for (size_t i = 0; i < COUNT(files); i++) {
            CASE(files[i]);
            check_refused_options(write_users(files[i]), 1, "users: there are no users in it");
        }
    }
    TEST("-u: a FIFO is refused at once, whether a process writes to it or not") {
        const char *path = path_of("fifo"), *options = text_of(LOOPBACK "-u %s", path);
        CHECK_INT(mkfifo(path, 0600), 0);
        check_refused_options(options, 1, "not a regular file");
        int fifo = open(path, O_RDWR); /* does not wait for the other side */
        CHECK_INT(write(fifo, "ann:secret\n", 11), 11);
        check_refused_options(options, 1, "not a regular file");
        close(fifo);
    }
}

/* ---- Sessions and logins ----
 *
 * Their seconds are real ones. What must happen before a second has passed is only checked if we are
 * not late. */

static bool is_within_a_second(int64_t since) { return read_clock() - since < 1000; }

/* Two sessions begin, and one of them is used after 600 ms. `status` is what that one gets after 1.2
 * seconds; the other one has expired by then. */
static void check_expiry(const char *options, int status) {
    char used[41], unused[41];
    struct child child = start(text_of(LOOPBACK "%s", options));
    CASE(options);
    int64_t since = read_clock();
    CHECK_INT(log_in(&child, FOO, used), 200);
    CHECK_INT(log_in(&child, FOO, unused), 200);
    pause_ms(600);
    int64_t used_at = read_clock();
    int first = visit(&child, used);
    bool in_time = is_within_a_second(since);
    pause_ms(600);
    int second = visit(&child, used);
    in_time = in_time && is_within_a_second(used_at);
    if (in_time) CHECK_INT(first, 200);
    if (in_time || status == 401) CHECK_INT(second, status);
    CHECK_INT(visit(&child, unused), 401);
    CHECK_INT(stop(&child, SIGTERM), 0);
}

/* "foo" fails so often, and so does a name that does not exist: they get the same responses. */
static void check_delay(const char *options, int failures) {
    static const char wrong_foo[] = LOGIN_AS("foo", "no"), unknown[] = LOGIN_AS("bar", "no");
    char id[41];
    struct child child = start(text_of("%s %s", write_users("foo:foo\nann:ann\n"), options));
    for (int i = 1; i < failures; i++) CHECK_INT(log_in(&child, wrong_foo, id), 401);
    CHECK_INT(log_in(&child, FOO, id), 200);
    int64_t since = read_clock();
    for (int i = 0; i < failures; i++) CHECK_INT(log_in(&child, wrong_foo, id), 401);
    for (int i = 0; i < failures; i++) CHECK_INT(log_in(&child, unknown, id), 401);
    struct client client = dial(&child);
    int status = ask(&client, LOGIN), unknown_status = log_in(&child, unknown, id);
    if (is_within_a_second(since)) {
        CHECK_INT(status, 429);
        CHECK_LINE(&client, "Retry-After: 1\r\n");
        CHECK_STR(client.body,
                  ERROR("429", "Too Many Requests", "Too many failed logins, please wait"));
        CHECK_INT(unknown_status, 429);
    }
    hang_up(&client);
    CHECK_INT(log_in(&child, LOGIN_AS("ann", "ann"), id), 200);
    pause_ms(1100);
    CHECK_INT(log_in(&child, FOO, id), 200);
    CHECK_INT(stop(&child, SIGTERM), 0);
}

/* Each of two users has a share of so many sessions. */
static void check_share(const char *options, int share) {
    char ann[41], foo[8][41];
    struct child child = start(text_of("%s %s", write_users("ann:ann\nfoo:foo\n"), options));
    CASE(options);
    CHECK_INT(log_in(&child, LOGIN_AS("ann", "ann"), ann), 200);
    for (int i = 0; i <= share; i++) CHECK_INT(log_in(&child, FOO, foo[i]), 200);
    for (int i = 0; i <= share; i++) CHECK_INT(visit(&child, foo[i]), i == 0 ? 401 : 200);
    CHECK_INT(visit(&child, ann), 200);
    CHECK_INT(stop(&child, SIGTERM), 0);
}

static void test_sessions(void) {
    TEST("-S marks the cookie Secure, when it is set and when it is deleted, and https is served") {
        struct child child = start(LOOPBACK "-S");
        struct client client = dial(&child);
        CHECK_INT(ask(&client, LOGIN), 200);
        CHECK_HAS(client.head, "; Path=/; HttpOnly; SameSite=Lax; Secure\r\n");
        CHECK_INT(ask_with(&client, "POST /logout", COOKIE, NULL, "x"), 200);
        CHECK_HAS(client.head, "; Path=/; HttpOnly; SameSite=Lax; Secure; Expires=");
        CHECK_INT(ask(&client, GET("https://a/home")), 401);
        hang_up(&client);
        CHECK_INT(stop(&child, SIGTERM), 0);
    }
    TEST("-i ends a session that is not used, and -l every session, when their time is over") {
        check_expiry("-i 1 -l 0", 200);
        check_expiry("-i 0 -l 1", 401);
    }
    TEST("-b: a name must wait after failed logins in a row, known or not; other names need not") {
        check_delay("-b 3", 3);
    }
    TEST("without -b a name must wait after ten failures in a row, but not after nine") {
        check_delay("", 10);
    }
    TEST("-b 0: no name must wait") {
        struct child child = start(LOOPBACK "-b 0");
        char id[41];
        for (int i = 0; i < 30; i++) CHECK_INT(log_in(&child, LOGIN_AS("foo", "no"), id), 401);
        CHECK_INT(log_in(&child, FOO, id), 200);
        CHECK_INT(stop(&child, SIGTERM), 0);
    }
    TEST("-s: each user has an equal share of the sessions, at least one, and keeps the latest") {
        check_share("-s 4", 2);
        check_share("-s 1", 1);
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
    {"GET /home", COOKIE, NULL, 200, SELECT_SESSION("<id>") UPDATE_SESSION},
    {"GET /home", "Cookie: session_id=x\r\n", NULL, 401, SELECT_SESSION("x")},
    {"GET /home", "", NULL, 401, ""},
    {"POST /logout", COOKIE, NULL, 200,
     SELECT_SESSION("<id>") "DELETE FROM user_sessions WHERE session_id = ?  ['<id>']\n"},
    {"POST /logout", COOKIE, NULL, 200, SELECT_SESSION("<id>")},
    {"POST /logout", "Cookie: session_id=DELETED\r\n", NULL, 200, ""},
};

static void check_echo(void) {
    char id[41] = "", want[4096] = INSERT_USER("ann") INSERT_USER("j\\xc3\\xb6rg");
    const char *options = write_users("ann:secret\nj\xc3\xb6rg:secret\n");
    struct child child = start(text_of("%s -e -q", options));
    struct client client = dial(&child);
    CHECK_STR(stderr_of(&child), want);
    for (size_t i = 0; i < COUNT(echoed); i++) {
        CASE(echoed[i].line);
        CHECK_INT(ask_with(&client, echoed[i].line, echoed[i].fields, echoed[i].body, id),
                  echoed[i].status);
        if (i == 0) copy_id(&client, id);
        strcat(want, echoed[i].statements);
    }
    hang_up(&client);
    CHECK_INT(stop(&child, SIGTERM), 0);
    hide_ids(child.stderr_text);
    CHECK_STR(child.stderr_text, want);
}

#define MANY_USERS 500

/* The statements of the start are more than the buffer of the log holds. */
static void check_long_echo(void) {
    static char users[MANY_USERS * 8], want[MANY_USERS * 100];
    for (int i = 0; i < MANY_USERS; i++) {
        sprintf(users + strlen(users), "%04d:x\n", i);
        sprintf(want + strlen(want), INSERT_USER("%04d"), i);
    }
    struct child child = start(text_of("%s -e", write_users(users)));
    CHECK_INT(stop(&child, SIGTERM), 0);
    CHECK_STR(child.stderr_text, want);
}

static void test_echo(void) {
    TEST("-e logs the SQL statement of each operation with its parameter, never with a password; "
         "with -q it logs nothing else") {
        check_echo();
    }
    TEST("-e logs the statement of each user at the start") { check_long_echo(); }
}

/* ---- What it listens on ---- */

/* Logs in over a Unix socket. Returns the status. */
static int log_in_at(const char *path) {
    struct client client = dial_path(path);
    int status = ask(&client, LOGIN);
    hang_up(&client);
    return status;
}

static void check_path(const char *path) {
    const char *options = text_of("-a %s", path);
    struct child child = start(options);
    CHECK_HAS(child.stdout_text, text_of("Serving on %s...\n", path));
    CHECK_INT(log_in_at(path), 200);
    check_refused_options(options, 1, strerror(EADDRINUSE));
    CHECK_INT(log_in_at(path), 200);
    CHECK_INT(stop(&child, SIGTERM), 0);
    CHECK(strncmp(child.stderr_text, "unix - - [", 10) == 0);
    CHECK(access(path, F_OK) < 0);
}

/* A second server takes over the path, and then the first one stops. */
static void check_path_taken(const char *path) {
    const char *options = text_of("-a %s", path);
    struct child first = start(options);
    CHECK_INT(unlink(path), 0);
    struct child second = start(options);
    CHECK_INT(stop(&first, SIGTERM), 0);
    CHECK_INT(log_in_at(path), 200);
    CHECK_INT(stop(&second, SIGTERM), 0);
    CHECK(access(path, F_OK) < 0);
}

/* Several slashes count as one, so a path can be made longer with them. */
static void check_long_path(void) {
    char slashes[sizeof((struct sockaddr_un *)0)->sun_path] = "";
    const char *path = path_of("long"); /* begins with a slash */
    memset(slashes, '/', sizeof slashes - strlen(path) - 1);
    struct child child = start(text_of("-a %s%s", slashes, path));
    CHECK(child.serves);
    CHECK_INT(stop(&child, SIGTERM), 0);
    check_refused_options(text_of("-a /%s%s", slashes, path), 2, "-a: expected");
}

/* How a service manager passes a listening socket to the server; to us instead; and none. */
#define FOR_IT   "export LISTEN_FDS=1 LISTEN_PID=$$"
#define FOR_US   "export LISTEN_FDS=1 LISTEN_PID=$PPID"
#define FOR_NONE "export LISTEN_FDS=0 LISTEN_PID=$$"

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
    struct setup setup = {.options = "-p 1", .before = FOR_IT, .listener = fd};
    struct child child = start_as(setup);
    CHECK_INT(child.port, port);
    CHECK_INT(ask_once(&child, LOGIN), 200);
    CHECK_INT(stop(&child, SIGTERM), 0);
    setup.options = LOOPBACK;
    for (int i = 0; i < 2; i++) {
        setup.before = i == 0 ? FOR_US : FOR_NONE;
        child = start_as(setup);
        CHECK(child.serves);
        CHECK(child.port != port);
        CHECK_INT(stop(&child, SIGTERM), 0);
    }
    close(fd);
}

static void check_inherited_path(const char *path) {
    int fd = listen_on(path, NULL);
    for (int i = 0; i < 2; i++) {
        struct child child = start_as((struct setup){"-p 1", FOR_IT, .listener = fd});
        CHECK_INT(log_in_at(path), 200);
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
    struct child child = start(text_of("-a %s -p 0", ipv6[i].option));
    CASE(ipv6[i].option);
    CHECK_HAS(child.stdout_text, text_of("Serving on %s:%d...\n", ipv6[i].serving, child.port));
    inet_pton(AF_INET6, ipv6[i].client, &address.sin6_addr);
    address.sin6_port = htons((uint16_t)child.port);
    struct client client = dial_as(&address, sizeof address, false, 0);
    CHECK_INT(ask(&client, LOGIN), 200);
    hang_up(&client);
    CHECK_INT(stop(&child, SIGTERM), 0);
    CHECK(strstr(child.stderr_text, text_of("%s - - [", ipv6[i].logged)) == child.stderr_text);
}

static void test_paths(void) {
    TEST("an address with a slash is the path of a Unix socket; its file is removed at the end") {
        check_path(path_of("socket"));
    }
    TEST("the socket file that a killed server left behind is replaced") {
        const char *path = path_of("stale");
        close(listen_on(path, NULL));
        check_path(path);
    }
    TEST("the path of a Unix socket may be as long as sun_path") { check_long_path(); }
    TEST("a socket file on which another server listens by now is not removed") {
        check_path_taken(path_of("taken"));
    }
    TEST("a file that is not a socket is not replaced") {
        const char *path = path_of("users");
        struct stat status;
        write_users("ann:secret\n");
        check_refused_options(text_of("-a %s", path), 1, path);
        CHECK_INT(stat(path, &status), 0);
        CHECK(S_ISREG(status.st_mode));
    }
}

static void test_listeners(void) {
    TEST("a listening socket that is inherited is used, if LISTEN_PID is the server and LISTEN_FDS "
         "is not 0") {
        check_activation();
    }
    TEST("the file of a Unix socket that was inherited is not removed") {
        check_inherited_path(path_of("inherited"));
    }
    TEST("more than one inherited socket, or a descriptor that is no socket, is refused") {
        int null = open("/dev/null", O_RDWR);
        check_refused((struct setup){LOOPBACK, FOR_IT, .listener = null}, 1, strerror(ENOTSOCK));
        check_refused((struct setup){LOOPBACK, FOR_IT "; LISTEN_FDS=2", .listener = null}, 1,
                      "LISTEN_FDS must be 1");
        close(null);
    }
    if (!has_ipv6()) return;
    TEST("IPv6 addresses are served, and written in their short form; :: serves IPv4 as well") {
        for (size_t i = 0; i < COUNT(ipv6); i++) check_ipv6(i);
    }
}

int main(void) {
    begin_tests();
    test_start();
    test_failed_starts();
    test_odd_starts();
    test_users();
    test_refused_users();
    test_sessions();
    test_echo();
    test_paths();
    test_listeners();
    return test_report();
}
