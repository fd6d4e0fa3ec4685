/* secrets.c - the memory of a running server, and so a core file, contains no password and no ended
 * session.
 *
 *     SERVER=./server build/load/secrets
 *
 * Registers are not searched: they keep parts of what was copied last until the next copy, and C cannot
 * erase them.
 */
#include "load.h"

/* All parts of these differ, so that eight bytes are enough to recognise one. */
#define PASSWORD "kX3vQ9zL7mWp2TfRjC5nY8bH4sGd6VtMxE1wUaKqP0rZoIyFgBeDlNiSuAhJcTvO"
#define MISTYPED "hB5nY8cJ4sGd6VtM"
#define PIECE    8

#define RIGHT LOGIN_AS("secretive", PASSWORD)
#define WRONG LOGIN_AS("secretive", MISTYPED)

static struct child server;

/* Returns how many places contain PIECE bytes of `secret` in a row. */
static int count_pieces(const char *memory, size_t len, const char *secret) {
    int count = 0;
    for (size_t at = 0; at + PIECE <= strlen(secret); at++) {
        const char *place = memory, *end = memory + len - PIECE;
        while (place <= end && (place = memchr(place, secret[at], (size_t)(end - place) + 1))) {
            count += memcmp(place, secret + at, PIECE) == 0;
            place++;
        }
    }
    return count;
}

/* The same in all readable memory of the server. */
static int search_memory(const char *secret) {
    char line[512], rights[8];
    unsigned long from, to;
    int count = 0;
    FILE *maps = fopen(text_of("/proc/%ld/maps", (long)server.pid), "r");
    int memory = open(text_of("/proc/%ld/mem", (long)server.pid), O_RDONLY);
    if (!maps || memory < 0) test_give_up("read the memory of the server");
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) != 3 || rights[0] != 'r') continue;
        char *copy = malloc(to - from);
        ssize_t n = copy ? pread(memory, copy, to - from, (off_t)from) : 0;
        if (n > PIECE) count += count_pieces(copy, (size_t)n, secret);
        free(copy);
    }
    fclose(maps);
    close(memory);
    return count;
}

/* Sends most of a login, so that a buffer contains most of a password. */
static struct client send_most_of(const char *request) {
    struct client client = dial(&server);
    CHECK(send_bytes(&client, request, strlen(request) - 4));
    pause_ms(100);
    CHECK(search_memory(PASSWORD) > 0);
    return client;
}

static void use_secrets(char id[41]) {
    char login[256];
    snprintf(login, sizeof login, "POST /login HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n%s",
             strlen(RIGHT), RIGHT);
    CHECK_INT(log_in(&server, WRONG, id), 401);
    struct client client = send_most_of(login);
    CHECK_INT(ask(&client, login + strlen(login) - 4), 200);
    hang_up(&client);
    client = send_most_of(login);
    reset(client.fd);
    CHECK_INT(log_in(&server, RIGHT, id), 200);
    CHECK_INT(visit(&server, id), 200);
    CHECK(search_memory(id) > 0);
    client = dial(&server);
    CHECK_INT(ask_with(&client, "POST /logout", COOKIE, NULL, id), 200);
    hang_up(&client);
    pause_ms(100);
}

int main(void) {
    static const char users[] = "foo:foo\nsecretive:" PASSWORD "\n";
    char id[41];
    begin_load();
    int fd = open(path_of("users"), O_WRONLY | O_CREAT, 0600);
    if (write(fd, users, sizeof users - 1) < 0) test_give_up("write a users file");
    close(fd);
    TEST("memory contains no password and no ended session") {
        server = start(text_of(LOOPBACK "-b 0 -u %s", path_of("users")));
        use_secrets(id);
        CHECK_INT(search_memory(PASSWORD), 0);
        CHECK_INT(search_memory(MISTYPED), 0);
        CHECK_INT(search_memory(id), 0);
        CHECK_INT(stop(&server, SIGTERM), 0);
    }
    return test_report();
}
