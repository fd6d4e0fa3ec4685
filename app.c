/* app.c - the example: log in, be greeted, log out. Its routes and handlers, and main.
 *
 * To read the whole server, begin here at the end, with main. To add a route, write a function like
 * those below and give it a row in `routes`:
 *
 *     static int hello(const struct http_request *req, struct http_response *res)
 *     {
 *         (void)req;
 *         text_put(&res->body, STR("{\"message\": \"Hello, world\"}"));
 *         return 200;
 *     }
 *     ...
 *     {"GET", "/hello", hello},
 *
 * It never touches a socket.
 */
#define _POSIX_C_SOURCE 200809L
#include "db.h"
#include "json.h"
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION "1.0"

static struct db *db;
static bool cookie_is_secure; /* -S */

/* ---- Sessions in cookies ---- */

/* The user who is logged in, or NULL. */
static const struct user *current_user(const struct http_request *req) {
    struct str id = http_cookie(req, STR("session_id"));
    const struct session *session = db_find_session(db, id, req->received);
    return session ? session->user : NULL;
}

static void set_session_cookie(struct http_response *res, struct str id, struct str expires) {
    http_add_field(res, STR("Set-Cookie"), STR("session_id="), id,
                   STR("; Path=/; HttpOnly; SameSite=Lax"),
                   cookie_is_secure ? STR("; Secure") : STR(""), expires);
}

/* ---- Handlers ---- */

/* A 401 says how to log in (RFC 9110 section 15.5.2). */
static int unauthorized(struct http_response *res, struct str message) {
    http_add_field(res, STR("WWW-Authenticate"),
                   STR("Cookie form-action=\"/login\", cookie-name=\"session_id\""));
    return server_error(res, 401, message);
}

static int home(const struct http_request *req, struct http_response *res) {
    const struct user *user = current_user(req);
    if (!user) return unauthorized(res, STR("I can't let you do that"));
    text_put(&res->body, STR("{\"message\": \"Hello, "));
    json_escape(&res->body, user->username);
    text_put(&res->body, STR("\"}"));
    return 200;
}

/* Reads name and password from the body. Returns an empty view, or what is wrong with it. */
static struct str read_credentials(struct str body, struct text *name, struct text *password) {
    struct json_member members[] = {{.name = STR("username")}, {.name = STR("password")}};
    if (body.len == 0) return STR("Please specify username and password");
    enum json_type type = json_read_object(body, members, 2);
    if (type == JSON_INVALID) return STR("Expected JSON in request body");
    if (type != JSON_OBJECT) return STR("Expected a JSON object in request body");
    if (members[0].type != JSON_STRING || members[1].type != JSON_STRING ||
        members[0].value.len == 0 || members[1].value.len == 0)
        return STR("Please specify username and password");
    json_unescape(name, members[0].value);
    json_unescape(password, members[1].value);
    if (name->cut || password->cut) return STR("Username and password have 255 bytes at most");
    return STR("");
}

static int too_many_failures(struct http_response *res, unsigned seconds) {
    char room[16];
    struct text wait = TEXT(room);
    text_put_number(&wait, seconds);
    http_add_field(res, STR("Retry-After"), text_str(&wait));
    return server_error(res, 429, STR("Too many failed logins, please wait"));
}

static int log_in(struct http_response *res, struct str username, struct str password,
                  int64_t now) {
    unsigned wait = db_login_wait(db, username, now);
    if (wait > 0) return too_many_failures(res, wait);
    struct user *user = db_find_user(db, username, password, now);
    if (!user) return unauthorized(res, STR("Invalid username or password"));
    const struct session *session = db_add_session(db, user, now);
    struct str id = {session->session_id, DB_SESSION_ID};
    set_session_cookie(res, id, STR(""));
    text_add(&res->body, STR("{\"message\": \"Logged in\", \"session_id\": \""), id, STR("\"}"));
    return 200;
}

static int login(const struct http_request *req, struct http_response *res) {
    char name_room[DB_NAME], password_room[DB_NAME];
    struct text name = TEXT(name_room), password = TEXT(password_room);
    struct str wrong = read_credentials(req->body, &name, &password);
    int status = wrong.len > 0 ? server_error(res, 400, wrong)
                               : log_in(res, text_str(&name), text_str(&password), req->received);
    wipe(password.s, password.len);
    return status;
}

static int logout(const struct http_request *req, struct http_response *res) {
    struct str id = http_cookie(req, STR("session_id"));
    if (id.len == 0 || str_equal(id, STR("DELETED"))) {
        text_put(&res->body, STR("{\"message\": \"Not logged in\"}"));
        return 200;
    }
    db_delete_session(db, id);
    set_session_cookie(res, STR("DELETED"), STR("; Expires=Thu, 01 Jan 1970 00:00:00 GMT"));
    text_put(&res->body, STR("{\"message\": \"logged out\"}"));
    return 200;
}

/* clang-format off */
static const struct route routes[] = {
    {"GET",  "/home",   home},
    {"POST", "/home",   home},
    {"POST", "/login",  login},
    {"POST", "/logout", logout},
    {NULL,   NULL,      NULL},
};
/* clang-format on */

/* ---- Options ---- */

struct options {
    struct server_options server;
    struct db_options db;
    const char *users_file; /* NULL for the example's user */
};

static const char usage[] =
    "usage: server [-a ADDRESS] [-p PORT] [-u FILE] [-c CONNECTIONS] [-s SESSIONS]\n"
    "              [-i IDLE] [-l LIFETIME] [-b FAILURES] [-S] [-q] [-h] [-V]\n"
    "  -a  address to serve on, or the path of a Unix socket; 0.0.0.0\n"
    "  -p  port, 0 takes a free one; 8080\n"
    "  -u  file of users, name:password a line, for its owner's eyes alone; foo:foo\n"
    "  -c  connections at most; 1024\n"
    "  -s  sessions at most, shared out evenly among the users; 4096\n"
    "  -i  seconds that a session lives unused, 0 for ever; 1800\n"
    "  -l  seconds that a session lives at all, 0 for ever; 28800\n"
    "  -b  failed logins in a row before a name is slowed, 0 never; 10\n"
    "  -S  mark the cookie Secure, behind TLS\n"
    "  -q  no access log\n"
    "  -h  this help\n"
    "  -V  the version";

/* Writes a line made of pieces, at most MOST_SAID bytes of each: one of them may be a user's. */
#define MOST_SAID            1024
#define say(descriptor, ...) say_all((descriptor), (const struct str[STR_PIECES]){__VA_ARGS__})
static void say_all(int descriptor, const struct str pieces[STR_PIECES]) {
    char room[2 * MOST_SAID];
    struct text line = TEXT(room);
    for (size_t i = 0; i < STR_PIECES; i++) {
        size_t len = pieces[i].len < MOST_SAID ? pieces[i].len : MOST_SAID;
        text_put(&line, (struct str){pieces[i].s, len});
    }
    text_put(&line, STR("\n"));
    for (ssize_t n; line.len > 0; line.s += n, line.len -= (size_t)n)
        if ((n = write(descriptor, line.s, line.len)) <= 0) return; /* who closed it has no need */
}

static int wrong_usage(char option, struct str what) {
    say(STDERR_FILENO, STR("server: -"), (struct str){&option, 1}, STR(": "), what,
        STR("; -h lists the options"));
    return 2;
}

static int wrong_number(char option, uint64_t least, uint64_t most) {
    char room[80];
    struct text what = TEXT(room);
    text_put(&what, STR("takes a whole number from "));
    text_put_number(&what, least);
    text_put(&what, STR(" to "));
    text_put_number(&what, most);
    return wrong_usage(option, text_str(&what));
}

/* The number `text` says, from `least` to `most`. Any other text ends the program. */
static uint64_t parse_number(char option, const char *text, uint64_t least, uint64_t most) {
    uint64_t number = 0;
    const char *at = text;
    while (is_digit(*at) && number <= most) number = number * 10 + (uint64_t)(*at++ - '0');
    if (at == text || *at || number < least || number > most)
        exit(wrong_number(option, least, most));
    return number;
}

static int64_t parse_seconds(char option, const char *text) {
    return (int64_t)parse_number(option, text, 0, 1000000000) * DB_SECOND;
}

/* Ends with what the options so far cost, so that a board can be chosen by it. */
static void print_help(const struct options *options) {
    char room[64];
    struct text memory = TEXT(room);
    text_put_number(&memory, server_memory(&options->server) + db_memory(&options->db));
    text_put(&memory, STR(" bytes, and "));
    text_put_number(&memory, sizeof(struct user));
    say(STDOUT_FILENO, STR(usage));
    say(STDOUT_FILENO, STR("Memory with the options before -h: "), text_str(&memory),
        STR(" and the name for each user."));
}

static void parse_options(struct options *options, int argc, char **argv) {
    int option;
    while ((option = getopt(argc, argv, ":a:p:u:c:s:i:l:b:SqhV")) != -1) {
        switch (option) {
        case 'a':
            if (!server_is_address(options->server.address = optarg))
                exit(wrong_usage('a', STR("takes an IPv4 or IPv6 address, or a short path")));
            break;
        case 'p': options->server.port = (unsigned)parse_number('p', optarg, 0, 65535); break;
        case 'u': options->users_file = optarg; break;
        case 'c':
            options->server.connections = (size_t)parse_number('c', optarg, 1, 1000000);
            break;
        case 's': options->db.sessions = (size_t)parse_number('s', optarg, 1, 100000000); break;
        case 'i': options->db.idle = parse_seconds('i', optarg); break;
        case 'l': options->db.lifetime = parse_seconds('l', optarg); break;
        case 'b': options->db.failures = (uint32_t)parse_number('b', optarg, 0, 1000000); break;
        case 'S': cookie_is_secure = true; break;
        case 'q': options->server.quiet = true; break;
        case 'h': print_help(options); exit(0);
        case 'V': say(STDOUT_FILENO, STR("server " VERSION)); exit(0);
        case ':': exit(wrong_usage((char)optopt, STR("a value is missing")));
        default: exit(wrong_usage((char)optopt, STR("there is no such option")));
        }
    }
    if (optind < argc) {
        say(STDERR_FILENO, STR("server: "), str_of(argv[optind]),
            STR(": only options are taken; -h lists them"));
        exit(2);
    }
}

/* ---- The start ---- */

static int complain(const char *what, struct str with) {
    say(STDERR_FILENO, STR("server: cannot "), str_of(what), STR(" "), with, STR(": "),
        str_of(strerror(errno)));
    return -1;
}

/* Closed standard descriptors would be given to sockets, and messages be written into those. */
static void open_standard_descriptors(void) {
    int fd;
    do fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    close(fd);
}

/* Who closes our output has no need of it, and no server ends for that. */
static int ignore_broken_pipes(void) {
    struct sigaction action = {.sa_handler = SIG_IGN};
    return sigaction(SIGPIPE, &action, NULL) < 0 ? complain("ignore", STR("broken pipes")) : 0;
}

/* Reads until `text` is full or nothing more comes. Returns false where that fails. */
static bool read_text(int fd, struct text *text) {
    ssize_t n = 1;
    while (n > 0 && text->len < text->room) {
        n = read(fd, text->s + text->len, text->room - text->len);
        text->len += n > 0 ? (size_t)n : 0;
    }
    return n >= 0;
}

static int read_secret(unsigned char secret[DB_SECRET]) {
    static const char source[] = "/dev/urandom";
    struct text text = {(char *)secret, 0, DB_SECRET, false};
    int fd = open(source, O_RDONLY);
    if (fd >= 0) errno = EIO; /* the cause where it ends too soon */
    bool whole = fd >= 0 && read_text(fd, &text) && text.len == text.room;
    if (!whole) complain("read", STR(source));
    close(fd);
    return whole ? 0 : -1;
}

/* ---- The file of users: name:password a line; blank lines and lines with # do not count ---- */

static int reject(const char *path, struct str why) {
    say(STDERR_FILENO, STR("server: "), str_of(path), STR(": "), why);
    return -1;
}

/* Reads all of a file that only its owner may read. `text->s` is to be freed, and was a secret. */
static int open_users(const char *path, struct text *text) {
    struct stat status;
    int fd = open(path, O_RDONLY | O_NONBLOCK), result = -1; /* no FIFO makes it wait */
    if (fd < 0 || fstat(fd, &status) < 0) {
        complain("read", str_of(path));
    } else if (!S_ISREG(status.st_mode)) {
        reject(path, STR("this is no ordinary file"));
    } else if (status.st_mode & (S_IRWXG | S_IRWXO)) {
        reject(path, STR("others may read the passwords; chmod 600"));
    } else {
        *text = (struct text){malloc((size_t)status.st_size + 1), 0, (size_t)status.st_size, false};
        result = text->s && read_text(fd, text) ? 0 : complain("read", str_of(path));
    }
    close(fd);
    return result;
}

/* Adds the user on a line. Returns an empty view, or what is wrong with the line. */
static struct str add_user(struct str line) {
    bool colon = memchr(line.s, ':', line.len) != NULL, utf8 = json_is_utf8(line);
    struct str name = str_cut(&line, ':'), password = line;
    if (!colon) return STR("there is no colon between name and password");
    if (name.len == 0 || password.len == 0) return STR("the name or the password is empty");
    if (name.len > DB_NAME || password.len > DB_NAME)
        return STR("the name or the password is longer than 255 bytes");
    if (!utf8) return STR("this is no UTF-8, and nobody could log in with it");
    errno = 0;
    if (!db_add_user(db, name, password))
        return errno ? str_of(strerror(errno)) : STR("this name has a line already");
    return STR("");
}

/* Takes the next line off `users`; empty where it holds no user. */
static struct str cut_line(struct str *users) {
    struct str line = str_cut(users, '\n');
    if (line.len > 0 && line.s[line.len - 1] == '\r') line.len--;
    if (line.len > 0 && line.s[0] == '#') line.len = 0;
    return line;
}

static int add_users(const char *path, struct str users) {
    for (uint64_t number = 1; users.len > 0; number++) {
        char room[20];
        struct text where = TEXT(room);
        struct str line = cut_line(&users);
        if (line.len == 0) continue;
        struct str wrong = add_user(line);
        if (wrong.len == 0) continue;
        text_put_number(&where, number);
        say(STDERR_FILENO, STR("server: "), str_of(path), STR(":"), text_str(&where), STR(": "),
            wrong);
        return -1;
    }
    return 0;
}

static int fill_db(struct options *options, const char *path, struct str users) {
    for (struct str rest = users; rest.len > 0;) options->db.users += cut_line(&rest).len > 0;
    if (options->db.users == 0) return reject(path, STR("no user is in it"));
    say(STDOUT_FILENO, STR("DB: Creating users table in memory..."));
    db = db_create(&options->db);
    if (!db) return complain("keep", STR("so many users and sessions"));
    say(STDOUT_FILENO, STR("DB: Adding users..."));
    return add_users(path, users);
}

static int create_db(struct options *options) {
    struct text users = {NULL, 0, 0, false};
    if (!options->users_file) return fill_db(options, "the example", STR("foo:foo"));
    int result = open_users(options->users_file, &users);
    if (result == 0) result = fill_db(options, options->users_file, text_str(&users));
    wipe(users.s, users.len);
    free(users.s);
    return result;
}

static int cannot_serve(const struct server_options *options, const char *failed) {
    char room[160]; /* the path of a Unix socket is shorter */
    struct text where = TEXT(room);
    text_put(&where, str_of(options->address));
    if (!strchr(options->address, '/')) {
        text_put(&where, STR(", port "));
        text_put_number(&where, options->port);
    }
    return -complain(failed, text_str(&where));
}

int main(int argc, char **argv) {
    struct options options = {
        .server = {.address = "0.0.0.0", .port = 8080, .connections = 1024},
        .db = {.sessions = 4096,
               .idle = 1800 * DB_SECOND,
               .lifetime = 28800 * DB_SECOND,
               .failures = 10},
    };
    open_standard_descriptors();
    if (ignore_broken_pipes() < 0) return 1;
    parse_options(&options, argc, argv);
    if (read_secret(options.db.secret) < 0 || create_db(&options) < 0) return 1;
    const char *failed;
    struct server *server = server_create(&options.server, routes, &failed);
    if (!server) return cannot_serve(&options.server, failed);
    say(STDOUT_FILENO, STR("Serving on "), server_name(server), STR("..."));
    server_run(server);
    server_destroy(server);
    db_destroy(db);
    say(STDOUT_FILENO, STR("Done"));
    return 0;
}
