/* app.c - the example: log in, be greeted, log out. Its routes and handlers, and main.
 *
 * In this file begin with main, at its end. To add a route, write a function like this and add a
 * row to `routes`:
 *
 *     static int hello(const struct http_request *req, struct http_response *res) {
 *         struct str agent = http_find_field(req, STR("User-Agent"));
 *         text_put(&res->body, STR("{\"hello\": \""));
 *         json_escape(&res->body, agent);
 *         text_put(&res->body, STR("\"}"));
 *         return 200;
 *     }
 *     ...
 *     {"GET", "/hello", hello},
 *
 * The program is a rewrite of a Python program, the "Full Authentication Example" of pycnic. If
 * a format looks arbitrary, it is the format of that program, "the Python original".
 *
 * Secrets. A core file or a leak of memory must not contain passwords. So a password is erased
 * after use, and a buffer is erased when it is emptied (text_drop and text_clear in str.c). db.c
 * stores keyed hashes instead of passwords, and erases the token of a session that it deletes.
 *
 * This file must not do socket I/O.
 */
#define _POSIX_C_SOURCE 200809L
#include "db.h"
#include "json.h"
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION "2.0"

#define RESERVED_FDS 16         /* descriptors for other things than connections */
#define MAX_SECONDS  1000000000 /* of the timeouts of a session */

static struct db *db;
static struct server *server;
static struct log access_log;
static bool behind_tls; /* -S: a proxy decrypts */

/* Prints why the server cannot start, and ends the program. If `cause` is NULL, errno has it. */
static void fail(const char *action, const char *object, const char *cause) {
    if (!cause) cause = strerror(errno);
    fprintf(stderr, "server: cannot %s %s: %s\n", action, object, cause);
    exit(1);
}

/* ---- The session cookie ---- */

/* What logout sets the cookie to, as the Python original does. */
#define DELETED_COOKIE STR("DELETED")

static void set_session_cookie(struct http_response *res, struct str token, const char *expires) {
    http_add_field(res, STR("Set-Cookie"), STR("session_id="), token,
                   STR("; Path=/; HttpOnly; SameSite=Lax"), behind_tls ? STR("; Secure") : STR(""),
                   str_of(expires));
}

/* Returns the user of the request's session, and restarts its idle timeout; or returns NULL. */
static const struct user *current_user(const struct http_request *req) {
    struct str token = http_find_cookie(req, STR("session_id"));
    if (token.len == 0) return NULL;
    const struct session *session = db_use_session(db, token, req->received_at);
    return session ? session->user : NULL;
}

/* ---- Handlers ---- */

/* A 401 says how to log in (RFC 9110 section 15.5.2). */
static int unauthorized(struct http_response *res, const char *message) {
    http_add_field(res, STR("WWW-Authenticate"),
                   STR("Cookie form-action=\"/login\", cookie-name=\"session_id\""));
    return route_error(res, 401, message);
}

static int handle_home(const struct http_request *req, struct http_response *res) {
    const struct user *user = current_user(req);
    if (!user) return unauthorized(res, "I can't let you do that");
    text_put(&res->body, STR("{\"message\": \"Hello, "));
    json_escape(&res->body, user->username);
    text_put(&res->body, STR("\"}"));
    return 200;
}

/* Reads the username and the password from the body. Returns NULL, or what is wrong. */
static const char *parse_credentials(struct str body, struct text *username,
                                     struct text *password) {
    struct json_member members[2];
    struct text *outputs[] = {username, password};
    members[0].name = STR("username");
    members[1].name = STR("password");
    if (body.len == 0) return "Please specify username and password";
    enum json_type type = json_find_members(body, members, 2);
    if (type == JSON_INVALID) return "Expected JSON in request body";
    if (type != JSON_OBJECT) return "Expected a JSON object in request body";
    for (size_t i = 0; i < 2; i++) {
        if (members[i].type != JSON_STRING || members[i].value.len == 0)
            return "Please specify username and password";
        json_unescape(outputs[i], members[i].value);
    }
    if (username->truncated || password->truncated)
        return "The username or the password is longer than 255 bytes";
    return NULL;
}

static int start_session(struct http_response *res, struct str username, struct str password,
                         int64_t now) {
    unsigned delay_s = db_login_delay(db, username, now);
    if (delay_s > 0) {
        http_add_field(res, STR("Retry-After"), NUMBER(delay_s));
        return route_error(res, 429, "Too many failed logins, please wait");
    }
    struct user *user = db_authenticate(db, username, password, now);
    if (!user) return unauthorized(res, "Invalid username or password");
    const struct session *session = db_add_session(db, user, now);
    struct str token = {session->token, DB_TOKEN_LEN};
    set_session_cookie(res, token, "");
    text_put_all(&res->body, STR("{\"message\": \"Logged in\", \"session_id\": \""), token,
                 STR("\"}"));
    return 200;
}

static int handle_login(const struct http_request *req, struct http_response *res) {
    char username_storage[DB_MAX_NAME], password_storage[DB_MAX_NAME];
    struct text username = TEXT(username_storage), password = TEXT(password_storage);
    const char *error = parse_credentials(req->body, &username, &password);
    int status =
        error ? route_error(res, 400, error)
              : start_session(res, text_str(&username), text_str(&password), req->received_at);
    text_clear(&password);
    return status;
}

static int handle_logout(const struct http_request *req, struct http_response *res) {
    struct str token = http_find_cookie(req, STR("session_id"));
    if (token.len == 0 || str_equal(token, DELETED_COOKIE)) {
        text_put(&res->body, STR("{\"message\": \"Not logged in\"}"));
        return 200;
    }
    db_delete_session(db, token);
    set_session_cookie(res, DELETED_COOKIE, "; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
    text_put(&res->body, STR("{\"message\": \"logged out\"}"));
    return 200;
}

/* clang-format off */
static const struct route routes[] = {
    {"GET",  "/home",   handle_home},
    {"POST", "/home",   handle_home},
    {"POST", "/login",  handle_login},
    {"POST", "/logout", handle_logout},
    {NULL,   NULL,      NULL},
};
/* clang-format on */

/* ---- Options ---- */

struct options {
    const char *address;
    unsigned port;
    const char *users_file; /* NULL for the user of the example */
    size_t max_connections;
    bool quiet;
    struct db_options db;
};

static const struct options defaults = {
    .address = "0.0.0.0",
    .port = 8080,
    .max_connections = 1024,
    .db = {.max_sessions = 4096,
           .idle_timeout = 1800 * NS_PER_S,
           .max_lifetime = 28800 * NS_PER_S,
           .max_failures = 10},
};

static const char usage[] =
    "usage: server [OPTION [VALUE]]... (defaults in parentheses)\n"
    "  -a  address: IPv4, IPv6, or path of a Unix socket (0.0.0.0)\n"
    "  -p  port, 0 = pick a free one (8080)\n"
    "  -u  users file with mode 600: lines of name:password (foo:foo)\n"
    "  -c  limit on connections (1024)\n"
    "  -s  limit on sessions, shared evenly among the users (4096)\n"
    "  -i  idle timeout of a session in seconds, 0 = none (1800)\n"
    "  -l  maximum lifetime of a session in seconds, 0 = none (28800)\n"
    "  -b  failed logins in a row before a username must wait, 0 = unlimited (10)\n"
    "  -e  log the SQL of the Python original, with session ids\n"
    "  -S  behind a TLS proxy: Secure cookie, https URIs\n"
    "  -q  log no requests\n"
    "  -h  this help\n"
    "  -V  the version\n";

/* Does not return. */
static void usage_error(int option, const char *message) {
    fprintf(stderr, "server: -%c: %s; -h lists the options\n", option, message);
    exit(2);
}

/* Parses a whole number from `min` to `max`. Anything else ends the program. The loop stops
 * before a digit that could make the number overflow; what is left of the text is then an error. */
static unsigned parse_number(int option, const char *text, unsigned min, unsigned max) {
    unsigned number = 0;
    const char *p = text;
    char message[64];
    for (; is_digit(*p) && number <= max / 10; p++) number = number * 10 + (unsigned)(*p - '0');
    snprintf(message, sizeof message, "expected a whole number from %u to %u", min, max);
    if (p == text || *p != '\0' || number < min || number > max) usage_error(option, message);
    return number;
}

static void log_sql(const char *statement, struct str parameter) {
    log_statement(&access_log, statement, parameter);
}

/* The memory is printed for the options before -h, so that they can be chosen for a small
 * computer. */
static void print_help(const struct options *options) {
    uint64_t memory = sizeof access_log + server_memory_size(options->max_connections) +
                      db_memory_size(&options->db);
    printf("%sMemory with the options before -h: %llu bytes, and for each user %zu bytes and the "
           "name.\n",
           usage, (unsigned long long)memory, sizeof(struct user));
}

static void parse_option(struct options *options, int option, const char *value) {
    switch (option) {
    case 'a':
        if (!listen_valid_address(value))
            usage_error(option, "expected an IPv4 or IPv6 address, or a short path with a slash");
        options->address = value;
        break;
    case 'p': options->port = parse_number(option, value, 0, 65535); break;
    case 'u': options->users_file = value; break;
    case 'c': options->max_connections = parse_number(option, value, 1, 1000000); break;
    case 's': options->db.max_sessions = parse_number(option, value, 1, 100000000); break;
    case 'i':
        options->db.idle_timeout = parse_number(option, value, 0, MAX_SECONDS) * NS_PER_S;
        break;
    case 'l':
        options->db.max_lifetime = parse_number(option, value, 0, MAX_SECONDS) * NS_PER_S;
        break;
    case 'b': options->db.max_failures = parse_number(option, value, 0, 1000000); break;
    case 'e': options->db.echo = log_sql; break;
    case 'S': behind_tls = true; break;
    case 'q': options->quiet = true; break;
    case 'h': print_help(options); exit(0);
    case 'V': printf("server " VERSION "\n"); exit(0);
    case ':': usage_error(optopt, "the value is missing"); break;
    default: usage_error(optopt, "there is no such option"); break;
    }
}

static void parse_options(struct options *options, int argc, char **argv) {
    int option;
    while ((option = getopt(argc, argv, ":a:p:u:c:s:i:l:b:eSqhV")) != -1)
        parse_option(options, option, optarg);
    if (optind == argc) return;
    fprintf(stderr, "server: %s: unexpected argument; -h lists the options\n", argv[optind]);
    exit(2);
}

/* ---- The users file: lines of name:password; empty lines and comments (#) are ignored ---- */

/* Reads a file that only its owner may access. Returns NULL, or why it failed. The caller must
 * clear `text` and free text->s. */
static const char *read_users_file(int fd, struct text *text) {
    struct stat status;
    if (fstat(fd, &status) < 0) return strerror(errno);
    if (!S_ISREG(status.st_mode)) return "it is not a regular file";
    if (status.st_mode & (S_IRWXG | S_IRWXO)) return "others may access it; chmod 600";
    text->cap = (size_t)status.st_size;
    text->s = malloc(text->cap + 1); /* malloc(0) may return NULL */
    ssize_t n = text->s ? read(fd, text->s, text->cap) : -1;
    if (n < 0) return strerror(errno);
    text->len = (size_t)n;
    return text->len < text->cap ? "it ended early" : NULL;
}

/* Removes the next line from `users`. A comment becomes an empty line. */
static struct str next_line(struct str *users) {
    struct str line = str_split(users, '\n');
    size_t blanks = 0;
    if (line.len > 0 && line.s[line.len - 1] == '\r') line.len--;
    while (blanks < line.len && (line.s[blanks] == ' ' || line.s[blanks] == '\t')) blanks++;
    if (blanks < line.len && line.s[blanks] == '#') line.len = 0;
    return line;
}

static bool has_control_byte(struct str s) {
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.s[i] < ' ' || s.s[i] == 0x7f) return true;
    return false;
}

/* Adds the user on a line. Returns NULL, or what is wrong with the line. */
static const char *add_user(struct str line) {
    if (!json_is_utf8(line)) return "it is not UTF-8, so the user could not log in";
    if (has_control_byte(line)) return "it contains a control character";
    if (!memchr(line.s, ':', line.len)) return "expected name:password";
    struct str password = line;
    struct str username = str_split(&password, ':');
    if (username.len == 0 || password.len == 0) return "the name or the password is empty";
    if (username.len > DB_MAX_NAME || password.len > DB_MAX_NAME)
        return "the name or the password is longer than 255 bytes";
    errno = 0;
    if (db_add_user(db, username, password)) return NULL;
    return errno != 0 ? strerror(errno) : "this name exists already";
}

/* Counts the users, creates the tables and adds the users. There is at least one session for
 * each user. `path` is for error messages. */
static void fill_db(struct db_options *options, const char *path, struct str users) {
    for (struct str rest = users; rest.len > 0;) options->max_users += next_line(&rest).len > 0;
    if (options->max_users == 0) fail("read", path, "there are no users in it");
    if (options->max_sessions < options->max_users) options->max_sessions = options->max_users;
    puts("DB: Creating users table in memory...");
    db = db_create(options);
    if (!db) fail("create", "the tables", "out of memory");
    puts("DB: Adding users...");
    for (unsigned number = 1; users.len > 0; number++) {
        struct str line = next_line(&users);
        const char *error = line.len > 0 ? add_user(line) : NULL;
        if (!error) continue;
        fprintf(stderr, "server: %s:%u: %s\n", path, number, error);
        exit(1);
    }
}

static void open_db(struct options *options) {
    const char *path = options->users_file;
    struct text users = {NULL, 0, 0, false};
    if (!path) {
        fill_db(&options->db, "the example", STR("foo:foo"));
        return;
    }
    int fd = open(path, O_RDONLY | O_NONBLOCK); /* opening a FIFO must not block */
    if (fd < 0) fail("read", path, NULL);
    const char *error = read_users_file(fd, &users);
    close(fd);
    if (error) fail("read", path, error);
    /* Some editors begin a UTF-8 file with a byte order mark. */
    struct str lines = text_str(&users);
    if (lines.len >= 3 && memcmp(lines.s, "\xef\xbb\xbf", 3) == 0) lines = str_from(lines, 3);
    fill_db(&options->db, path, lines);
    text_clear(&users);
    free(users.s);
}

/* ---- The process: descriptors, random bytes, signals ---- */

/* If one of the descriptors 0 to 2 is closed, a socket would get its number, and messages would
 * be sent to a client. So the closed ones are opened on /dev/null. open returns the lowest free
 * number; the first one above 2 is closed again. */
static void open_standard_fds(void) {
    int fd = 0;
    while (fd >= 0 && fd <= STDERR_FILENO) fd = open("/dev/null", O_RDWR);
    close(fd);
}

/* Fills the secret from the system's random source. It must be a device: in a chroot it could be
 * an ordinary file, which others may have read. */
static void read_secret(unsigned char secret[DB_SECRET_SIZE]) {
    static const char path[] = "/dev/urandom";
    struct stat status;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &status) < 0) fail("read", path, NULL);
    if (!S_ISCHR(status.st_mode)) fail("read", path, "it is not a device");
    errno = EIO; /* if it ends early */
    if (read(fd, secret, DB_SECRET_SIZE) != DB_SECRET_SIZE) fail("read", path, NULL);
    close(fd);
}

/* Raises the limit on open files so that `max_connections` fit. Returns how many do fit. */
static size_t raise_fd_limit(size_t max_connections) {
    struct rlimit limit;
    rlim_t wanted = (rlim_t)max_connections + RESERVED_FDS;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted) return max_connections;
    struct rlimit raised = {wanted < limit.rlim_max ? wanted : limit.rlim_max, limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
    if (limit.rlim_cur >= wanted) return max_connections;
    size_t fit = limit.rlim_cur > RESERVED_FDS ? (size_t)(limit.rlim_cur - RESERVED_FDS) : 1;
    fprintf(stderr, "server: at most %zu connections, because only %llu files may be open\n", fit,
            (unsigned long long)limit.rlim_cur);
    return fit;
}

static void on_stop_signal(int number) {
    (void)number;
    server_stop(server);
}

/* Sets the handler of a signal, and unblocks the signal. */
static void set_handler(int number, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    if (sigaction(number, &action, NULL) < 0 || sigprocmask(SIG_UNBLOCK, &set, NULL) < 0)
        fail("handle", "signals", NULL);
}

/* SIGINT and SIGTERM stop the server, even if they were ignored or blocked at the start: a shell
 * ignores SIGINT for `server &` in a script. SIGHUP stops it too, unless it was ignored at the
 * start, as under nohup. */
static void handle_stop_signals(void) {
    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) < 0) fail("handle", "signals", NULL);
    if (hangup.sa_handler != SIG_IGN) set_handler(SIGHUP, on_stop_signal);
    set_handler(SIGINT, on_stop_signal);
    set_handler(SIGTERM, on_stop_signal);
}

/* Signals are blocked before, because their handler must not see a destroyed server. */
static void destroy_server(void) {
    sigset_t all_signals;
    sigfillset(&all_signals);
    sigprocmask(SIG_BLOCK, &all_signals, NULL);
    server_destroy(server);
}

/* A terminal that was stopped with Ctrl-S must not keep the program from ending. */
static void print_done(void) {
    struct pollfd output = {STDOUT_FILENO, POLLOUT, 0};
    if (poll(&output, 1, 0) == 1) puts("Done");
}

/* ---- Main ---- */

int main(int argc, char **argv) {
    struct options options = defaults;
    struct listener listener;
    open_standard_fds();
    /* A closed pipe must not end the server, nor must a log that has reached its maximum size. */
    set_handler(SIGPIPE, SIG_IGN);
    set_handler(SIGXFSZ, SIG_IGN);
    parse_options(&options, argc, argv);
    log_open(&access_log, options.quiet);
    read_secret(options.db.secret);
    open_db(&options);
    options.max_connections = raise_fd_limit(options.max_connections);
    server = server_create(&listener, routes, &access_log, options.max_connections);
    if (!server) fail("create", "the server", NULL);
    handle_stop_signals();
    const char *error = listen_open(&listener, options.address, options.port);
    if (error) {
        destroy_server();
        fail("listen on", listener.name, error);
    }
    listener.behind_tls = behind_tls;
    fflush(stdout); /* what was printed so far comes before the log lines */
    log_flush(&access_log);
    printf("Serving on %s...\n", listener.name);
    fflush(stdout);
    server_run(server);
    destroy_server();
    log_flush(&access_log);
    db_destroy(db);
    log_end(&access_log);
    print_done();
    return 0;
}
