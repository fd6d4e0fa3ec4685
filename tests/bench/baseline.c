/* baseline.c - the baseline: the least that a server with one poll(2) loop can do.
 *
 *     baseline PORT          serves on 127.0.0.1
 *     baseline PORT close    the same, but closes each connection after the response
 *
 * It responds to every empty line with the same bytes, as many as our server sends. It parses nothing,
 * looks nothing up and has no timeouts. So its only cost is poll, recv and send, and the difference to
 * another server is what the rest of that server costs. It trusts its clients: use it only for
 * measurements.
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CONNECTIONS 20000
#define MAX_READ        16384
#define HEAD                                                                                       \
    "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: application/json\r\n" \
    "Cache-Control: no-store\r\nContent-Length: 25\r\n"
#define BODY "\r\n{\"message\": \"Hello, foo\"}"

static struct pollfd pollfds[MAX_CONNECTIONS]; /* [0] is the listener */
static size_t nfds = 1;
static bool close_after_response;

static int listen_at(unsigned port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, SOMAXCONN) < 0)
        exit(1);
    return fd;
}

static void accept_all(void) {
    int fd;
    while (nfds < MAX_CONNECTIONS && (fd = accept(pollfds[0].fd, NULL, NULL)) >= 0) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
        pollfds[nfds++] = (struct pollfd){fd, POLLIN, 0};
    }
}

/* Writes the responses to the requests in the string `in`. Returns their length. */
static size_t respond(char *out, const char *in) {
    static const char keep_open[] = HEAD BODY, closing[] = HEAD "Connection: close\r\n" BODY;
    const char *text = close_after_response ? closing : keep_open;
    size_t len = strlen(text), n = 0;
    for (; (in = strstr(in, "\r\n\r\n")) != NULL; in += 4, n += len) memcpy(out + n, text, len);
    return n;
}

static void serve(size_t i) {
    static char in[MAX_READ + 1], out[MAX_READ / 4 * sizeof(HEAD BODY "Connection: close")];
    ssize_t got = recv(pollfds[i].fd, in, MAX_READ, 0);
    in[got > 0 ? got : 0] = '\0';
    size_t n = respond(out, in);
    bool sent = n > 0 && send(pollfds[i].fd, out, n, MSG_NOSIGNAL) > 0;
    if (got > 0 && (n == 0 || (sent && !close_after_response))) return;
    close(pollfds[i].fd);
    pollfds[i] = pollfds[--nfds];
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    close_after_response = argc > 2 && strcmp(argv[2], "close") == 0;
    pollfds[0] = (struct pollfd){listen_at((unsigned)atoi(argv[1])), POLLIN, 0};
    for (;;) {
        int ready = poll(pollfds, (nfds_t)nfds, -1);
        for (size_t i = nfds - 1; i > 0 && ready > 0; i--) {
            if (!pollfds[i].revents) continue;
            ready--;
            serve(i);
        }
        if (pollfds[0].revents) accept_all();
    }
}
