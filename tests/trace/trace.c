/* trace.c - records every call of the server while it runs. It is linked to the sources, which are
 * compiled with -finstrument-functions: then the compiler calls the two hooks below at the begin and at
 * the end of each function. The linker's option --wrap leads the system calls here too.
 *
 * Each record is a line on the descriptor TRACE, which trace.sh opens:
 *
 *     + 401a2c            a function begins; this is its address
 *     -                   the function that began last ends
 *     = recv 171          a system call, and what it returned
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TRACE = 9 };

#define NOT_TRACED __attribute__((no_instrument_function))

/* The caller may still look at errno. */
static NOT_TRACED void record_result(const char *name, long result) {
    int saved_errno = errno;
    if (result < 0 && saved_errno == EAGAIN)
        dprintf(TRACE, "= %s EAGAIN\n", name);
    else
        dprintf(TRACE, "= %s %ld\n", name, result);
    errno = saved_errno;
}

NOT_TRACED void __cyg_profile_func_enter(void *function, void *caller);
NOT_TRACED void __cyg_profile_func_exit(void *function, void *caller);

void __cyg_profile_func_enter(void *function, void *caller) {
    int saved_errno = errno;
    (void)caller;
    dprintf(TRACE, "+ %lx\n", (unsigned long)(uintptr_t)function);
    errno = saved_errno;
}

void __cyg_profile_func_exit(void *function, void *caller) {
    int saved_errno = errno;
    (void)function;
    (void)caller;
    dprintf(TRACE, "-\n");
    errno = saved_errno;
}

/* WRAP(type, name, parameters, arguments): calls the function and records what it returned. */
#define WRAP(type, name, parameters, arguments)                                                    \
    NOT_TRACED type __real_##name parameters;                                                      \
    NOT_TRACED type __wrap_##name parameters;                                                      \
    type __wrap_##name parameters {                                                                \
        type result = __real_##name arguments;                                                     \
        record_result(#name, (long)result);                                                        \
        return result;                                                                             \
    }

WRAP(int, poll, (struct pollfd * fds, nfds_t n, int timeout), (fds, n, timeout))
WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(int, bind, (int fd, const struct sockaddr *address, socklen_t len), (fd, address, len))
WRAP(int, listen, (int fd, int backlog), (fd, backlog))
WRAP(int, accept, (int fd, struct sockaddr *address, socklen_t *len), (fd, address, len))
WRAP(ssize_t, recv, (int fd, void *at, size_t len, int flags), (fd, at, len, flags))
WRAP(ssize_t, send, (int fd, const void *at, size_t len, int flags), (fd, at, len, flags))
WRAP(int, shutdown, (int fd, int how), (fd, how))
WRAP(ssize_t, read, (int fd, void *at, size_t len), (fd, at, len))
WRAP(ssize_t, write, (int fd, const void *at, size_t len), (fd, at, len))
WRAP(int, close, (int fd), (fd))
