/* sessions.c - sessions and passwords of a running server, under load.
 *
 *     SERVER=./server build/load/sessions
 *
 * What needs no socket or no load, such as the timeouts, is in tests/unit/test_db.c. It takes fifteen
 * seconds, and prints a table `test | figure`.
 */
#include "live.h"

/* All parts of these differ, so that eight bytes are enough to recognise one. */
#define PASSWORD "kX3vQ9zL7mWp2TfRjC5nY8bH4sGd6VtMxE1wUaKqP0rZoIyFgBeDlNiSuAhJcTvO"
#define MISTYPED "hB5nY8cJ4sGd6VtM"
#define PIECE    8

#define BAR       "{\"username\":\"bar\",\"password\":\"bar\"}"
#define NOT_BAR   "{\"username\":\"bar\",\"password\":\"rab\"}"
#define SECRETIVE "{\"username\":\"secretive\",\"password\":\"" PASSWORD "\"}"
#define CARELESS  "{\"username\":\"secretive\",\"password\":\"" MISTYPED "\"}"

static struct child server;

static void write_users(void) {
    static const char users[] = "foo:foo\nbar:bar\nsecretive:" PASSWORD "\n";
    int fd = open(path_of("users"), O_WRONLY | O_CREAT, 0600);
    CHECK(write(fd, users, sizeof users - 1) == sizeof users - 1);
    close(fd);
}

static void start_with(const char *more) {
    char options[400];
    snprintf(options, sizeof options, "-a 127.0.0.1 -p 0 -u %s %s", path_of("users"), more);
    server = start(options);
    CHECK(server.serves);
}

static void write_login(char request[256], const char *credentials) {
    snprintf(request, 256, "POST /login HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n%s",
             strlen(credentials), credentials);
}

/* ---- One name under attack ---- */

struct attack {
    size_t refused, delayed, other; /* 401, 429 */
};

/* Sends 10 wrong logins every ms, for 3 s. */
static void *attack_name(void *argument) {
    struct attack *attack = argument;
    struct client client = dial(&server);
    char request[256];
    write_login(request, NOT_BAR);
    double began = now();
    for (int i = 1; i <= 3000; i++) {
        for (int j = 0; j < 10; j++) send_text(&client, request);
        for (int j = 0; j < 10; j++) {
            int status = read_response(&client);
            ++*(status == 401   ? &attack->refused
                : status == 429 ? &attack->delayed
                                : &attack->other);
        }
        double ahead = began + i / 1000.0 - now();
        if (ahead > 0) pause_us((long)(ahead * 1e6));
    }
    hang_up(&client);
    return NULL;
}

static void log_in_during_attack(void) {
    static double times[10000];
    struct attack attack = {0, 0, 0};
    pthread_t thread;
    char id[41];
    size_t count = 0;
    start_with("-q");
    CHECK(pthread_create(&thread, NULL, attack_name, &attack) == 0);
    double began = now();
    while (now() - began < 2.9 && count < COUNT(times)) {
        double asked = now();
        CHECK(log_in(&server, FOO, id) == 200);
        times[count++] = (now() - asked) * 1000;
        pause_ms(3);
    }
    pthread_join(thread, NULL);
    double took = now() - began, p99 = find_p99(times, count);
    CHECK(attack.refused >= 10 && attack.delayed > attack.refused && attack.other == 0);
    CHECK(p99 < 1000);
    SHOW("p99 of the other user %.2f ms, %.0f wrong logins a second", p99,
         (double)(attack.refused + attack.delayed) / took);
    SHOW("%zu of them 401", attack.refused);
}

/* ---- A million logins ---- */

/* Sends 25 logins at once and copies the first and the last id. Returns how many succeeded. */
static size_t log_in_often(struct client *client, const char *request, char ids[2][41]) {
    size_t right = 0;
    for (int i = 0; i < 25; i++) send_text(client, request);
    for (int i = 0; i < 25; i++) {
        right += read_response(client) == 200;
        const char *id = strstr(client->head, "session_id=");
        if (id) snprintf(ids[i > 0], 41, "%.40s", id + strlen("session_id="));
    }
    return right;
}

static void log_in_a_million_times(void) {
    struct usage warm = {0, 0, 0};
    char other[41], ids[2][41] = {"", ""}, first[41] = "", request[256];
    size_t right = 0;
    start_with("-q");
    struct client client = dial(&server);
    write_login(request, BAR);
    CHECK(log_in(&server, FOO, other) == 200);
    double began = now();
    for (size_t i = 0; i < 40000 && right == 25 * i; i++) {
        right += log_in_often(&client, request, ids);
        if (i == 0) memcpy(first, ids[0], sizeof first);
        if (i == 4000) warm = measure_usage(&server);
    }
    double took = now() - began;
    size_t resident = measure_usage(&server).resident;
    CHECK(right == 1000000);
    CHECK(visit(&server, other) == 200);
    CHECK(visit(&server, first) == 401);
    CHECK(visit(&server, ids[1]) == 200);
    CHECK(resident <= warm.resident + MEMORY_SLACK);
    SHOW("%.0f a second, memory %zu KiB, then %zu KiB", 1e6 / took, warm.resident / 1024,
         resident / 1024);
    hang_up(&client);
}

/* ---- What memory, and so a core file, contains. Registers are not searched: they keep parts of what
 * was copied last until the next copy, and C cannot erase them. ---- */

/* Returns how many places contain PIECE bytes of `secret` in a row. */
static size_t count_pieces(const char *memory, size_t len, const char *secret, size_t secret_len) {
    size_t count = 0;
    for (size_t at = 0; at + PIECE <= secret_len; at++) {
        const char *place = memory, *end = memory + len - PIECE;
        while (place <= end && (place = memchr(place, secret[at], (size_t)(end - place) + 1))) {
            count += memcmp(place, secret + at, PIECE) == 0;
            place++;
        }
    }
    return count;
}

/* The same in all readable memory of the server. */
static size_t search_memory(const char *secret, size_t secret_len) {
    char path[64], line[512], rights[8];
    unsigned long from, to;
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)server.pid);
    FILE *maps = fopen(path, "r");
    snprintf(path, sizeof path, "/proc/%d/mem", (int)server.pid);
    int memory = open(path, O_RDONLY);
    CHECK(maps && memory >= 0);
    while (maps && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) != 3 || rights[0] != 'r') continue;
        char *copy = malloc(to - from);
        ssize_t n = copy ? pread(memory, copy, to - from, (off_t)from) : 0;
        if (n > PIECE) count += count_pieces(copy, (size_t)n, secret, secret_len);
        free(copy);
    }
    if (maps) fclose(maps);
    close(memory);
    return count;
}

/* In two pieces, so that a buffer contains most of a password in between. */
static void log_in_in_two_pieces(const char *request) {
    struct client client = dial(&server);
    size_t half = strlen(request) - 4;
    CHECK(send_bytes(&client, request, half));
    pause_ms(100);
    CHECK(search_memory(PASSWORD, strlen(PASSWORD)) > 0);
    CHECK(ask(&client, request + half) == 200);
    hang_up(&client);
}

/* Sends most of a login, then resets the connection. */
static void leave_in_the_middle(const char *request) {
    struct client client = dial(&server);
    CHECK(send_bytes(&client, request, strlen(request) - 4));
    pause_ms(100);
    reset(client.fd);
}

static void log_out(const char *id) {
    char request[256] = "POST /logout HTTP/1.1\r\n";
    add_session(request, id);
    CHECK(ask_once(&server, request) == 200);
}

static void search_for_secrets(void) {
    char id[41], request[256];
    start_with("-b 0");
    write_login(request, SECRETIVE);
    CHECK(log_in(&server, CARELESS, id) == 401);
    log_in_in_two_pieces(request);
    leave_in_the_middle(request);
    CHECK(log_in(&server, SECRETIVE, id) == 200);
    CHECK(visit(&server, id) == 200);
    CHECK(search_memory(id, 40) > 0);
    log_out(id);
    pause_ms(100);
    CHECK(search_memory(PASSWORD, strlen(PASSWORD)) == 0);
    CHECK(search_memory(MISTYPED, strlen(MISTYPED)) == 0);
    CHECK(search_memory(id, 40) == 0);
    SHOW("no %d bytes in a row of any secret", PIECE);
}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    {"while one name is attacked, another user logs in", log_in_during_attack},
    {"a million logins cost no other user a session", log_in_a_million_times},
    {"memory contains no password and no ended session", search_for_secrets},
};

int main(void) {
    begin_load();
    write_users();
    for (size_t i = 0; i < COUNT(tests); i++) {
        TEST(tests[i].name) {
            tests[i].run();
            CHECK(stop(&server, SIGTERM) == 0);
        }
        print_row(tests[i].name);
    }
    return test_report();
}
