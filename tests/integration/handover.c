/* handover.c - a minimal supervisor for the tests of socket activation. It listens, and runs a program
 * that inherits the listening socket as its descriptor 3 (see sd_listen_fds(3)).
 *
 *     handover - PROGRAM [ARGUMENT...]     listens on a free port of 127.0.0.1
 *     handover PATH PROGRAM [ARGUMENT...]  listens on a Unix socket
 *
 * It prints "Listening on PORT" (or PATH), and "Started PID" when it starts the program: with the first
 * connection, and after the program has ended again with the next one. SIGTERM ends both. It never
 * accepts a connection itself. */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { INHERITED_FD = 3, POLL_MS = 100 /* SIGTERM is noticed this late */ };

static volatile sig_atomic_t stopping;

static void on_stop(int number) { stopping = number; }

static void must(int result, const char *what) {
    if (result >= 0) return;
    perror(what);
    exit(1);
}

static int listen_at_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(fd, "socket");
    must(bind(fd, (struct sockaddr *)&address, len), "bind");
    must(getsockname(fd, (struct sockaddr *)&address, &len), "getsockname");
    must(listen(fd, SOMAXCONN), "listen");
    printf("Listening on %d\n", ntohs(address.sin_port));
    return fd;
}

static int listen_at_path(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    must(fd, "socket");
    must(strlen(path) < sizeof address.sun_path ? 0 : -1, path);
    strcpy(address.sun_path, path);
    must(bind(fd, (struct sockaddr *)&address, sizeof address), path);
    must(listen(fd, SOMAXCONN), "listen");
    printf("Listening on %s\n", path);
    return fd;
}

static void become(char **command, int listener) {
    char pid[24];
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    must(dup2(listener, INHERITED_FD), "dup2");
    if (listener != INHERITED_FD) close(listener);
    must(setenv("LISTEN_PID", pid, 1), "setenv");
    must(setenv("LISTEN_FDS", "1", 1), "setenv");
    execvp(command[0], command);
    must(-1, command[0]);
}

static void run(char **command, int listener) {
    pid_t child = fork();
    must(child, "fork");
    if (child == 0) become(command, listener);
    printf("Started %ld\n", (long)child);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) kill(child, SIGTERM);
}

int main(int argc, char **argv) {
    struct sigaction action = {.sa_handler = on_stop};
    must(argc > 2 ? 0 : -1, "handover -|PATH PROGRAM [ARGUMENT...]");
    setvbuf(stdout, NULL, _IOLBF, 0);
    must(sigaction(SIGTERM, &action, NULL), "sigaction");
    int listener = strcmp(argv[1], "-") == 0 ? listen_at_port() : listen_at_path(argv[1]);
    while (!stopping) {
        struct pollfd waiting = {listener, POLLIN, 0};
        if (poll(&waiting, 1, POLL_MS) > 0) run(argv + 2, listener);
    }
    return 0;
}
