/* floor.c - the least that a server on one poll(2) loop can do.
 *
 *     floor PORT          serves on 127.0.0.1
 *     floor PORT close    the same, and ends each connection after its answer
 *
 * It answers every empty line that comes in with the same bytes, as many as ours are. It parses
 * nothing, looks nothing up and keeps no deadline, so all it costs is poll, recv and send. How near
 * a server comes to it tells what the rest of that server costs. It trusts its peers: it is for
 * measuring alone.
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS  20000
#define READ_AT_ONCE 16384
#define HEAD                                                                                       \
    "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: application/json\r\n" \
    "Cache-Control: no-store\r\nContent-Length: 25\r\n"
#define BODY "\r\n{\"message\": \"Hello, foo\"}"

static struct pollfd polled[CONNECTIONS]; /* [0] is the listener */
static size_t count = 1;
static bool closes;

static int listen_at(unsigned port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    perror("floor: cannot listen");
    exit(1);
}

static void accept_all(void) {
    int fd;
    while ((fd = accept(polled[0].fd, NULL, NULL)) >= 0) {
        if (count == CONNECTIONS || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
            close(fd);
        else
            polled[count++] = (struct pollfd){fd, POLLIN, 0};
    }
}

/* Returns how many bytes of answers to `in`, a string, are in `out` now. */
static size_t answer(char *out, const char *in) {
    static const char going_on[] = HEAD BODY, closing[] = HEAD "Connection: close\r\n" BODY;
    const char *text = closes ? closing : going_on;
    size_t len = strlen(text), n = 0;
    for (; (in = strstr(in, "\r\n\r\n")) != NULL; in += 4, n += len) memcpy(out + n, text, len);
    return n;
}

static void serve(size_t i) {
    static char in[READ_AT_ONCE + 1], out[READ_AT_ONCE / 4 * sizeof(HEAD BODY "Connection: close")];
    ssize_t got = recv(polled[i].fd, in, READ_AT_ONCE, 0);
    size_t n = 0;
    if (got > 0) {
        in[got] = '\0';
        n = answer(out, in);
    }
    if (got > 0 && (n == 0 || (send(polled[i].fd, out, n, MSG_NOSIGNAL) > 0 && !closes))) return;
    close(polled[i].fd);
    polled[i] = polled[--count];
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    closes = argc > 2 && strcmp(argv[2], "close") == 0;
    polled[0] = (struct pollfd){listen_at((unsigned)atoi(argv[1])), POLLIN, 0};
    for (;;) {
        int ready = poll(polled, (nfds_t)count, -1);
        for (size_t i = count; i-- > 0 && ready > 0;) {
            if (!polled[i].revents) continue;
            ready--;
            if (i > 0)
                serve(i);
            else
                accept_all();
        }
    }
}
