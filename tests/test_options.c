/* test_options.c - the server seen from outside: how it starts, each of its options, the file of
 * users, sessions by the clock, and the sockets that it can listen on.
 *
 * It starts $SERVER again and again; see client.h. What it answers is tested by test_server.c.
 */
#include "client.h"

#define LOOPBACK "-a 127.0.0.1 -p 0 "

static struct client dial_path(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return dial_address(&address, sizeof address, 0);
}

static bool is_one_line(const char *text) {
    const char *end = strchr(text, '\n');
    return end && end > text && end[1] == '\0';
}

/* ---- The start ---- */

/* Whether a server with these options is refused with this status and one line that tells `why`. */
static bool is_refused(struct setup setup, int status, const char *why) {
    struct child child = start_as(setup);
    int result = child.serves ? stop(&child, SIGKILL) : wait_for_end(&child);
    return result == status && is_one_line(child.complaints) && strstr(child.complaints, why) &&
           !strstr(child.said, "Serving") && !strstr(child.said, "Done");
}

static const struct {
    const char *options, *why; /* what the line must tell */
} wrong[] = {
    {"-x", "-x: there is no such option"},
    {"--port", "--"},
    {"-p", "-p: a value is missing"},
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
    {"-c 1000001", "-c: takes a whole number from 1 to 1000000;"},
    {"-s 100000001", "-s: takes a whole number from 1 to 100000000;"},
    {"-i 1000000001", "-i: takes a whole number from 0 to 1000000000;"},
    {"-b 1000001", "-b: takes a whole number from 0 to 1000000;"},
    {"-s 0", "-s"},
    {"-s 1.5", "-s"},
    {"-i -1", "-i"},
    {"-i soon", "-i"},
    {"-l ''", "-l"},
    {"-b ten", "-b"},
    {"-a", "-a"},
    {"-a ''", "-a: takes an IPv4 or IPv6 address"},
    {"-a localhost", "-a: takes an IPv4 or IPv6 address"},
    {"-a 256.0.0.1", "-a: takes an IPv4 or IPv6 address"},
    {"-a 0.0.0.0:80", "-a: takes an IPv4 or IPv6 address"},
    {"-u", "-u"},
    {"8080", "8080"},
    {"-q extra", "extra"},
    {"-qx", "-x"},
    {"-p 0 -- -q", "-q"},
};

static void test_start(void) {
    TEST("the start and the end are told on standard output, word for word") {
        char want[200];
        struct child child = start("-p 0");
        CHECK(child.port > 0 && ask_once(&child, LOGIN) == 200);
        CHECK(stop(&child, SIGTERM) == 0);
        snprintf(want, sizeof want,
                 "DB: Creating users table in memory...\nDB: Adding users...\n"
                 "Serving on 0.0.0.0:%d...\nDone\n",
                 child.port);
        CHECK(strcmp(child.said, want) == 0);
    }
    TEST("-h tells of every option on standard output, and is no error") {
        struct child child = start("-h");
        CHECK(wait_for_end(&child) == 0 && strcmp(child.complaints, "") == 0);
        for (const char *option = "apucsilbSqhV"; *option; option++) {
            char line[] = {' ', '-', *option, ' ', '\0'};
            CHECK_CASE(strstr(child.said, line), line);
        }
    }
    TEST("the numbers of connections and sessions are 1024 and 4096 where none is given") {
        struct child usual = start("-h"), named = start("-c 1024 -s 4096 -h");
        CHECK(wait_for_end(&usual) == 0 && wait_for_end(&named) == 0);
        CHECK(strcmp(usual.said, named.said) == 0);
    }
    TEST("-V tells the version on one line, and is no error") {
        struct child child = start("-V");
        CHECK(wait_for_end(&child) == 0 && strcmp(child.complaints, "") == 0);
        CHECK(is_one_line(child.said) && strncmp(child.said, "server ", 7) == 0);
    }
    TEST("each option takes its largest value") {
        struct child child = start("-c 1000000 -s 100000000 -i 1000000000 -l 1000000000 "
                                   "-b 1000000 -p 65535 -h");
        CHECK(wait_for_end(&child) == 0 && child.complaints[0] == '\0');
    }
    TEST("without -p the port is 8080") {
        struct child child = start("-a 127.0.0.1");
        bool taken = strstr(complaints(&child), strerror(EADDRINUSE));
        CHECK(taken || child.port == 8080);
        CHECK(stop(&child, SIGTERM) == taken);
    }
    TEST("a wrong option ends with status 2 and one line that names it") {
        for (size_t i = 0; i < COUNT(wrong); i++)
            CHECK_CASE(is_refused((struct setup){.options = wrong[i].options}, 2, wrong[i].why),
                       wrong[i].options);
    }
}

/* Dials as soon as the server listens at `path`. */
static struct client dial_soon(const char *path) {
    struct client client = {.fd = -1};
    for (int i = 0; i < PATIENCE / 10 && client.fd < 0; i++, pause_ms(10)) client = dial_path(path);
    return client;
}

static void check_closed(const char *path) {
    char options[1024];
    snprintf(options, sizeof options, "-a %s", path);
    struct child child = start_as((struct setup){.options = options, .closed = true});
    struct client client = dial_soon(path);
    CHECK(ask(&client, GET("/home")) == 401 && ask(&client, LOGIN) == 200);
    for (int fd = 0; fd < 3; fd++) {
        struct stat status;
        char name[60]; /* which only some systems have */
        snprintf(name, sizeof name, "/proc/%ld/fd/%d", (long)child.pid, fd);
        CHECK(stat(name, &status) < 0 || !(S_ISSOCK(status.st_mode) || S_ISFIFO(status.st_mode)));
    }
    hang_up(&client);
    CHECK(stop(&child, SIGTERM) == 0);
}

static void check_unread(const char *path) {
    char options[1024];
    snprintf(options, sizeof options, "-a %s", path);
    struct child child = start_as((struct setup){.options = options, .unread = true});
    struct client client = dial_soon(path);
    CHECK(ask(&client, GET("/home")) == 401);
    hang_up(&client);
    CHECK(stop(&child, SIGTERM) == 0);
}

static void test_failed_start(void) {
    char options[1024];
    TEST("a port that is taken: status 1 and one line with the cause") {
        struct child first = start(LOOPBACK);
        char why[100];
        snprintf(options, sizeof options, "-a 127.0.0.1 -p %d", first.port);
        snprintf(why, sizeof why, "listen on 127.0.0.1, port %d: %s", first.port,
                 strerror(EADDRINUSE));
        CHECK(is_refused((struct setup){.options = options}, 1, why));
        CHECK(ask_once(&first, LOGIN) == 200);
        CHECK(stop(&first, SIGTERM) == 0);
    }
    TEST("an address that is not ours: status 1 and one line that names it") {
        CHECK(is_refused((struct setup){.options = "-a 192.0.2.1 -p 0"}, 1, "192.0.2.1, port 0:"));
        CHECK(is_refused((struct setup){.options = "-a /no/such/folder/s"}, 1,
                         "/no/such/folder/s: No such file"));
    }
    TEST("a file of users that is not there: status 1 and one line that names it") {
        snprintf(options, sizeof options, LOOPBACK "-u %s", path_of("none"));
        CHECK(is_refused((struct setup){.options = options}, 1, path_of("none")));
        CHECK(is_refused((struct setup){.options = options}, 1, strerror(ENOENT)));
    }
    TEST("a name of 1,500 bytes is told by its first 1,024, and the cause with it") {
        char name[1500 + 1] = "", told[1100], long_options[2000];
        memset(name, 'x', 1500);
        snprintf(told, sizeof told, " %.1024s: %s\n", name, strerror(ENAMETOOLONG));
        snprintf(long_options, sizeof long_options, LOOPBACK "-u %s", name);
        CHECK(is_refused((struct setup){.options = long_options}, 1, told));
        CHECK(is_refused((struct setup){.options = name}, 2, "only options are taken"));
    }
    TEST("a port can be served again as soon as a server has ended") {
        struct child first = start(LOOPBACK);
        struct client client = dial(&first);
        CHECK(ask(&client, LOGIN) == 200);
        CHECK(stop(&first, SIGKILL) == 128 + SIGKILL);
        snprintf(options, sizeof options, "-a 127.0.0.1 -p %d", first.port);
        struct child second = start(options);
        CHECK(second.serves && ask_once(&second, LOGIN) == 200);
        CHECK(stop(&second, SIGTERM) == 0);
        hang_up(&client);
    }
    TEST("a server without standard descriptors gives their numbers to no socket") {
        check_closed(path_of("closed"));
    }
    TEST("a server whose output nobody reads serves all the same, and -h is no error") {
        check_unread(path_of("mute"));
        struct child child = start_as((struct setup){.options = "-h", .unread = true});
        CHECK(wait_for_end(&child) == 0);
    }
}

/* ---- The file of users ---- */

/* Writes a file of users that its owner alone may read, and the options that name it. */
static const char *write_users(const char *text) {
    static char options[200];
    const char *path = path_of("users");
    unlink(path);
    FILE *file = fopen(path, "w");
    if (!file) exit(1);
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
    {FOO, 401},
};

/* A second line is what is wrong; the first is a good one. */
static const struct {
    const char *line, *why;
} bad_users[] = {
    {"nobody\n", "users:2: "},
    {"x", "users:2: "},
    {":password\n", "users:2: "},
    {"name:\n", "users:2: "},
    {"name:\r\n", "users:2: "},
    {"ann:other\n", "users:2: this name has a line already"},
    {"# not the second\n\nname:\n", "users:4: "},
    {"#\n#\nname:\n", "users:4: "},
    {LONGEST "5:password\n", "users:2: "},
    {"name:" LONGEST "5", "users:2: "},
    {LONGEST LONGEST LONGEST ":password\n", "users:2: "},
    {"n\xe4me:password\n", "users:2: "},
    {"name:\xc3\n", "users:2: "},
};

static void test_users(void) {
    char id[41];
    TEST("-u: a user a line, name:password; comments and empty lines do not count") {
        struct child child = start(write_users(good_users));
        for (size_t i = 0; i < COUNT(logins); i++)
            CHECK_CASE(log_in(&child, logins[i].credentials, id) == logins[i].status,
                       logins[i].credentials);
        CHECK(stop(&child, SIGTERM) == 0);
        CHECK(!strstr(child.complaints, "secret"));
    }
    TEST("a name is greeted as it is, in ASCII") {
        struct child child = start(write_users(good_users));
        struct client client = dial(&child);
        char request[200];
        CHECK(log_in(&child, LOGIN_AS("j\\u00f6rg", "p\\u20ac"), id) == 200);
        snprintf(request, sizeof request,
                 "GET /home HTTP/1.1\r\n" HOST "Cookie: session_id=%s\r\n\r\n", id);
        CHECK(ask(&client, request) == 200);
        CHECK(strcmp(client.body, "{\"message\": \"Hello, j\\u00f6rg\"}") == 0);
        hang_up(&client);
        CHECK(stop(&child, SIGTERM) == 0);
    }
}

static void check_piped_users(void) {
    char id[41];
    const char *options = write_users("");
    unlink(path_of("users"));
    CHECK(mkfifo(path_of("users"), 0600) == 0);
    pid_t writer = fork();
    if (writer == 0) {
        int fd = open(path_of("users"), O_WRONLY);
        _exit(write(fd, "ann:secret\n", 11) != 11);
    }
    struct child child = start(options);
    CHECK(!child.serves || log_in(&child, LOGIN_AS("ann", "secret"), id) == 200);
    CHECK(child.serves ? stop(&child, SIGTERM) == 0 : wait_for_end(&child) == 1);
    kill(writer, SIGKILL);
    waitpid(writer, NULL, 0);
}

static void test_bad_users(void) {
    char text[2048];
    TEST("-u: a bad line ends with status 1, and is named by file and number") {
        for (size_t i = 0; i < COUNT(bad_users); i++) {
            snprintf(text, sizeof text, "ann:secret\n%s", bad_users[i].line);
            CHECK_CASE(
                is_refused((struct setup){.options = write_users(text)}, 1, bad_users[i].why),
                bad_users[i].line);
        }
    }
    TEST("-u: a file that others may read is refused") {
        static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610};
        for (size_t i = 0; i < COUNT(modes); i++) {
            const char *options = write_users("ann:secret\n");
            chmod(path_of("users"), modes[i]);
            CHECK(is_refused((struct setup){.options = options}, 1, path_of("users")));
        }
    }
    TEST("-u: a file without a user is refused, as nobody could log in") {
        static const char *const files[] = {"", "\n", "# ann:secret\n\n"};
        for (size_t i = 0; i < COUNT(files); i++)
            CHECK_CASE(
                is_refused((struct setup){.options = write_users(files[i])}, 1, "users: no user"),
                files[i]);
    }
    TEST("-u: a FIFO is refused at once, whoever may or may not write into it") {
        const char *options = write_users("");
        unlink(path_of("users"));
        CHECK(mkfifo(path_of("users"), 0600) == 0);
        CHECK(is_refused((struct setup){.options = options}, 1, "this is no ordinary file"));
        unlink(path_of("users"));
    }
    TEST("-u: users who come through a pipe are read, or refused; never are they missing") {
        check_piped_users();
    }
}

/* ---- Sessions and logins; seconds are real ones here ---- */

/* Sleeps until `ms` after `since`. Returns whether that is kept, give or take a quarter second. */
static bool sleep_until(int64_t since, int64_t ms) {
    int64_t left = since + ms - read_clock();
    if (left > 0) pause_ms((long)left);
    return read_clock() - since < ms + 250;
}

static void check_endings(void) {
    struct child idle = start(LOOPBACK "-i 1 -l 0"), old = start(LOOPBACK "-i 0 -l 1");
    char used[41], unused[41], aged[41];
    CHECK(log_in(&idle, FOO, used) == 200 && log_in(&idle, FOO, unused) == 200);
    CHECK(log_in(&old, FOO, aged) == 200);
    int64_t since = read_clock();
    if (sleep_until(since, 600)) CHECK(visit(&idle, used) == 200 && visit(&old, aged) == 200);
    if (sleep_until(since, 1200)) CHECK(visit(&idle, used) == 200);
    CHECK(visit(&idle, unused) == 401);
    CHECK(visit(&old, aged) == 401);
    sleep_until(read_clock(), 1100);
    CHECK(visit(&idle, used) == 401);
    CHECK(stop(&idle, SIGTERM) == 0 && stop(&old, SIGTERM) == 0);
}

/* "foo" has failed three times, and so has a name that nobody has: they get the same answers. */
static void check_slowing(void) {
    static const char wrong_foo[] = LOGIN_AS("foo", "no"), unknown[] = LOGIN_AS("bar", "no");
    char options[300], id[41], alive[41];
    snprintf(options, sizeof options, "%s -b 3", write_users("foo:foo\nann:ann\n"));
    struct child child = start(options);
    CHECK(log_in(&child, FOO, alive) == 200);
    int64_t since = read_clock();
    for (int i = 0; i < 3; i++) CHECK(log_in(&child, wrong_foo, id) == 401);
    for (int i = 0; i < 3; i++) CHECK(log_in(&child, unknown, id) == 401);
    struct client client = dial(&child);
    int status = ask(&client, LOGIN);
    if (sleep_until(since, 0)) {
        CHECK(status == 429 && has_line(&client, "Retry-After: 1\r\n"));
        CHECK(log_in(&child, unknown, id) == 429);
    }
    CHECK(log_in(&child, LOGIN_AS("ann", "ann"), id) == 200);
    CHECK(visit(&child, alive) == 200);
    sleep_until(read_clock(), 1100);
    CHECK(log_in(&child, FOO, id) == 200);
    CHECK(log_in(&child, wrong_foo, id) == 401 && log_in(&child, FOO, id) == 200);
    hang_up(&client);
    CHECK(stop(&child, SIGTERM) == 0);
}

static void test_sessions(void) {
    TEST("-S marks the cookie Secure, when it is set and when it is cleared") {
        struct child child = start(LOOPBACK "-S");
        struct client client = dial(&child);
        CHECK(ask(&client, LOGIN) == 200);
        hide_ids(client.head);
        CHECK(has_line(&client, "Set-Cookie: session_id=<id>; Path=/; HttpOnly; SameSite=Lax; "
                                "Secure\r\n"));
        CHECK(ask(&client, "POST /logout HTTP/1.1\r\n" HOST "Cookie: session_id=x\r\n\r\n") == 200);
        CHECK(strstr(client.head, "; Secure; Expires="));
        hang_up(&client);
        CHECK(stop(&child, SIGTERM) == 0);
    }
    TEST("-i ends a session that is not used, and -l any, in their time") { check_endings(); }
    TEST("-b slows a name down that fails in a row, known or not, and nobody else") {
        check_slowing();
    }
    TEST("-b 0 slows nobody down") {
        struct child child = start(LOOPBACK "-b 0");
        char id[41];
        int refused = 0;
        for (int i = 0; i < 30; i++) refused += log_in(&child, LOGIN_AS("foo", "no"), id) == 401;
        CHECK(refused == 30 && log_in(&child, FOO, id) == 200);
        CHECK(stop(&child, SIGTERM) == 0);
    }
    TEST("without -b ten failures in a row slow a name down, and nine do not") {
        struct child child = start(LOOPBACK);
        char id[41];
        int64_t since = read_clock();
        for (int i = 0; i < 9; i++) CHECK(log_in(&child, LOGIN_AS("foo", "no"), id) == 401);
        CHECK(log_in(&child, FOO, id) == 200);
        for (int i = 0; i < 10; i++) CHECK(log_in(&child, LOGIN_AS("foo", "no"), id) == 401);
        int status = log_in(&child, FOO, id);
        if (sleep_until(since, 0)) CHECK(status == 429);
        CHECK(stop(&child, SIGTERM) == 0);
    }
    TEST("-s: a user's share of sessions is used by the latest of them") {
        char options[300], ids[4][41];
        snprintf(options, sizeof options, "%s -s 4", write_users("ann:ann\nfoo:foo\n"));
        struct child child = start(options);
        CHECK(log_in(&child, LOGIN_AS("ann", "ann"), ids[3]) == 200);
        for (int i = 0; i < 3; i++) CHECK(log_in(&child, FOO, ids[i]) == 200);
        CHECK(visit(&child, ids[0]) == 401);
        for (int i = 1; i < 4; i++) CHECK(visit(&child, ids[i]) == 200);
        CHECK(stop(&child, SIGTERM) == 0);
    }
}

/* ---- What it listens on ---- */

static void check_path(const char *path) {
    char options[300], said[300];
    snprintf(options, sizeof options, "-a %s", path);
    snprintf(said, sizeof said, "Serving on %s...\n", path);
    struct child child = start(options);
    CHECK(strstr(child.said, said));
    struct client client = dial_path(path);
    CHECK(ask(&client, LOGIN) == 200);
    hang_up(&client);
    CHECK(is_refused((struct setup){.options = options}, 1, strerror(EADDRINUSE)));
    client = dial_path(path);
    CHECK(ask(&client, LOGIN) == 200);
    hang_up(&client);
    CHECK(stop(&child, SIGTERM) == 0);
    CHECK(strncmp(child.complaints, "unix - - [", 10) == 0);
    CHECK(access(path, F_OK) < 0);
}

/* Another server takes the path, and the first one stops: the other's file stays. */
static void check_path_taken(const char *path) {
    char options[300];
    snprintf(options, sizeof options, "-a %s", path);
    struct child first = start(options);
    CHECK(unlink(path) == 0);
    struct child second = start(options);
    CHECK(stop(&first, SIGTERM) == 0);
    struct client client = dial_path(path);
    CHECK(ask(&client, LOGIN) == 200);
    hang_up(&client);
    CHECK(stop(&second, SIGTERM) == 0 && access(path, F_OK) < 0);
}

/* Many slashes count as one, so any path can be made longer with them. */
static void check_long_path(void) {
    char slashes[sizeof((struct sockaddr_un *)0)->sun_path] = "", options[1024];
    const char *path = path_of("long"); /* begins with one */
    memset(slashes, '/', sizeof slashes - strlen(path) - 1);
    snprintf(options, sizeof options, "-a %s%s", slashes, path);
    struct child child = start(options);
    CHECK(child.serves && stop(&child, SIGTERM) == 0);
    snprintf(options, sizeof options, "-a /%s%s", slashes, path);
    CHECK(is_refused((struct setup){.options = options}, 2, "-a: takes"));
}

/* A socket at `path`, or at any port of the loopback address, that listens. */
static int listen_on(const char *path, int *port) {
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = loopback(0);
    socklen_t len = sizeof in;
    int fd = socket(path ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
    if (path) snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    const struct sockaddr *address = path ? (void *)&un : (void *)&in;
    if (bind(fd, address, path ? sizeof un : sizeof in) < 0 || listen(fd, 8) < 0) exit(1);
    if (!path && getsockname(fd, (void *)&in, &len) == 0) *port = ntohs(in.sin_port);
    return fd;
}

static void check_hand_over(void) {
    int port = 0, fd = listen_on(NULL, &port);
    struct child child = start_as((struct setup){.options = "-p 1", .listener = fd});
    CHECK(child.port == port);
    close(fd);
    CHECK(ask_once(&child, LOGIN) == 200);
    CHECK(stop(&child, SIGTERM) == 0);

    fd = listen_on(NULL, &port);
    child = start_as((struct setup){.options = LOOPBACK, .listener = fd, .told = getpid()});
    CHECK(child.serves && child.port != port);
    CHECK(stop(&child, SIGTERM) == 0);
    close(fd);
}

static void check_path_handed_over(const char *path) {
    int fd = listen_on(path, NULL);
    for (int i = 0; i < 2; i++) {
        struct child child = start_as((struct setup){.options = "-p 1", .listener = fd});
        struct client client = dial_path(path);
        CHECK(ask(&client, LOGIN) == 200);
        hang_up(&client);
        CHECK(stop(&child, SIGTERM) == 0);
        CHECK(access(path, F_OK) == 0);
    }
    close(fd);
}

/* Whether the first line of the log begins with this address, in any of the forms it can take. */
static bool is_logged_from(const struct child *child, const char *address) {
    struct in6_addr want, seen;
    char text[64] = "";
    sscanf(child->complaints, "%63s", text);
    return inet_pton(AF_INET6, address, &want) == 1 && inet_pton(AF_INET6, text, &seen) == 1 &&
           memcmp(&want, &seen, sizeof want) == 0;
}

static void check_ipv6(void) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    char said[100];
    struct child child = start("-a ::1 -p 0");
    snprintf(said, sizeof said, "Serving on [::1]:%d...\n", child.port);
    CHECK(strstr(child.said, said));
    address.sin6_port = htons((uint16_t)child.port);
    struct client client = dial_address(&address, sizeof address, 0);
    CHECK(ask(&client, LOGIN) == 200);
    hang_up(&client);
    CHECK(stop(&child, SIGTERM) == 0);
    CHECK(is_logged_from(&child, "::1"));

    child = start("-a :: -p 0");
    snprintf(said, sizeof said, "Serving on [::]:%d...\n", child.port);
    CHECK(strstr(child.said, said));
    CHECK(ask_once(&child, LOGIN) == 200);
    CHECK(stop(&child, SIGTERM) == 0);
    CHECK(strstr(child.complaints, "127.0.0.1 - - ["));
}

static bool has_ipv6(void) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool has = fd >= 0 && bind(fd, (void *)&address, sizeof address) == 0;
    if (fd >= 0) close(fd);
    return has;
}

static void test_listeners(void) {
    TEST("an address with a slash is the path of a Unix socket, which goes when the server goes") {
        check_path(path_of("socket"));
    }
    TEST("the socket that a killed server left behind is taken over") {
        close(listen_on(path_of("stale"), NULL));
        check_path(path_of("stale"));
    }
    TEST("the path of a Unix socket may be as long as the system takes") { check_long_path(); }
    TEST("a stop leaves a socket file on which another server listens by now") {
        check_path_taken(path_of("taken"));
    }
    TEST("a file that is no socket is left alone") {
        struct stat status;
        char options[300];
        write_users("ann:secret\n");
        snprintf(options, sizeof options, "-a %s", path_of("users"));
        CHECK(is_refused((struct setup){.options = options}, 1, path_of("users")));
        CHECK(stat(path_of("users"), &status) == 0 && S_ISREG(status.st_mode));
    }
    TEST("a listening socket that a supervisor hands over is used as it is, by whom it is for") {
        check_hand_over();
    }
    TEST("a Unix socket that was handed over stays: it is the supervisor's") {
        check_path_handed_over(path_of("given"));
    }
    TEST("of several listening sockets that are handed over none is guessed") {
        int port = 0, fd = listen_on(NULL, &port);
        struct setup two = {.options = LOOPBACK, .listener = fd, .count = "2"};
        CHECK(is_refused(two, 1, strerror(EINVAL)));
        close(fd);
    }
    TEST("what is handed over and does not listen is refused with status 1") {
        int fd = open("/dev/null", O_RDWR);
        CHECK(is_refused((struct setup){.options = LOOPBACK, .listener = fd}, 1, "in place of"));
        close(fd);
    }
    if (!has_ipv6()) {
        printf("IPv6 is skipped: this machine has none\n");
        return;
    }
    TEST("IPv6 is served, and :: serves IPv4 as well") { check_ipv6(); }
}

int main(void) {
    begin_tests();
    struct child first = start(LOOPBACK);
    TEST("the server starts, and ends when it is told to") {
        CHECK(first.serves);
        CHECK(stop(&first, SIGTERM) == 0);
    }
    if (tests_failed > 0) return test_report();
    test_start();
    test_failed_start();
    test_users();
    test_bad_users();
    test_sessions();
    test_listeners();
    return test_report();
}
