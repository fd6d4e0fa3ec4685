/* wrap.c - stands in for the calls of calls.h in the server under test, by the linker's --wrap.
 *
 * Each stand-in asks the plan whether to fail, and otherwise makes the real call. Beyond that the
 * clocks can be moved, and recv, send, read and write be held to a few bytes a call.
 */
#define _POSIX_C_SOURCE 200809L
#include "plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int __real_open(const char *path, int flags, ...);
int __real_close(int fd);
int __real_fcntl(int fd, int command, ...);
int __real_clock_gettime(clockid_t clock, struct timespec *to);
time_t __real_time(time_t *to);

/* What a sanitizer or gcov does while the program ends is not the server's doing. */
static bool over;
static void end_plan(void) { over = true; }

struct plan *the_plan(void) {
    static struct plan none, *plan;
    if (plan) return plan;
    const char *path = getenv(PLAN_VARIABLE);
    int fd = path ? __real_open(path, O_RDWR) : -1;
    void *at = mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    __real_close(fd);
    plan = at == MAP_FAILED ? &none : at;
    atexit(end_plan);
    return plan;
}

static bool fails(enum call call) {
    struct plan *plan = the_plan();
    int n = ++plan->calls[plan->phase][call];
    if (over || !plan->fails[call] || !plan->at[plan->phase]) return false;
    if (n < plan->first || n > plan->last || (n - plan->first) % plan->every) return false;
    plan->injected[call]++;
    errno = plan->error;
    return true;
}

static size_t at_once(size_t len) {
    size_t most = the_plan()->most;
    return most && len > most && !over ? most : len;
}

static size_t to_be_read(size_t len) { return the_plan()->empty ? 0 : at_once(len); }

#define CALL(type, name, parameters, arguments, failure, ...)                                      \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters { return fails(CALL_##name) ? failure : __real_##name arguments; }
#define OWN(...)
#include "calls.h"

/* The connection's buffer in the kernel is a small one, so that a peer is soon too slow for it. */
int __real_accept(int fd, struct sockaddr *address, socklen_t *len);
int __wrap_accept(int fd, struct sockaddr *address, socklen_t *len);
int __wrap_accept(int fd, struct sockaddr *address, socklen_t *len) {
    int small = 2048, accepted = fails(CALL_accept) ? -1 : __real_accept(fd, address, len);
    if (accepted >= 0) __real_setsockopt(accepted, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    note_descriptor(accepted);
    return accepted;
}

/* The descriptor is free even where close fails, as it is on most systems. */
int __wrap_close(int fd);
int __wrap_close(int fd) {
    int result = __real_close(fd);
    note_descriptor(fd);
    return fails(CALL_close) ? -1 : result;
}

int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...) {
    va_list list;
    va_start(list, command);
    int flags = command == F_SETFL ? va_arg(list, int) : 0;
    void *lock = command == F_SETFL ? NULL : va_arg(list, void *); /* gcov's, on its file */
    va_end(list);
    if (command != F_SETFL) return __real_fcntl(fd, command, lock);
    return fails(CALL_fcntl) ? -1 : __real_fcntl(fd, command, flags);
}

int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    int mode = flags & O_CREAT ? va_arg(list, int) : 0;
    va_end(list);
    return fails(CALL_open) ? -1 : __real_open(path, flags, mode);
}

int __real_poll(struct pollfd polled[], nfds_t count, int timeout);
int __wrap_poll(struct pollfd polled[], nfds_t count, int timeout);
int __wrap_poll(struct pollfd polled[], nfds_t count, int timeout) {
    check_books();
    return fails(CALL_poll) ? -1 : __real_poll(polled, count, timeout);
}

/* A call that fails promises nothing about what it leaves behind. */
int __wrap_clock_gettime(clockid_t clock, struct timespec *to);
int __wrap_clock_gettime(clockid_t clock, struct timespec *to) {
    if (fails(CALL_clock_gettime)) {
        memset(to, 0x55, sizeof *to);
        return -1;
    }
    int result = __real_clock_gettime(clock, to);
    long long ahead = the_plan()->ahead + to->tv_nsec;
    to->tv_sec += (time_t)(ahead / 1000000000);
    to->tv_nsec = (long)(ahead % 1000000000);
    return result;
}

time_t __wrap_time(time_t *to);
time_t __wrap_time(time_t *to) {
    return fails(CALL_time) ? (time_t)-1 : __real_time(to) + (time_t)the_plan()->wall_jump;
}
