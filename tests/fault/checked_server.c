/* checked_server.c - server.c, with its invariants checked before each poll of the event loop.
 *
 * They concern the connections, the buffers and the open descriptors. The first invariant that is
 * broken is noted in struct injection, for faults.c to read.
 */
#define _POSIX_C_SOURCE 200809L
#include "injection.h"

#include <poll.h>
#include <sys/resource.h>

static int checked_poll(struct pollfd pollfds[], nfds_t count, int timeout);

#define poll checked_poll
#include "../../server.c"
#undef poll

#include "invariants.h"

#define MAX_DESCRIPTORS 128

int __real_poll(struct pollfd pollfds[], nfds_t count, int timeout);
int __real_getrlimit(int limit, struct rlimit *to);
int __real_getsockname(int fd, struct sockaddr *address, socklen_t *len);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
void __real_server_run(struct server *server);
void __wrap_server_run(struct server *server);

static const struct server *watched; /* the server while it runs, otherwise NULL */
static size_t others; /* descriptors that are neither the listener nor a connection */

/* One call finds all of them: poll reports POLLNVAL for each that is closed. It does not take more
 * entries than files may be open. */
static size_t open_descriptors(void) {
    struct pollfd all[MAX_DESCRIPTORS];
    struct rlimit limit;
    size_t count = 0, max = MAX_DESCRIPTORS;
    if (__real_getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < max) max = limit.rlim_cur;
    for (size_t fd = 0; fd < max; fd++) all[fd] = (struct pollfd){(int)fd, 0, 0};
    __real_poll(all, (nfds_t)max, 0);
    for (size_t fd = 0; fd < max; fd++) count += !(all[fd].revents & POLLNVAL);
    return count;
}

static void check_invariants(void) {
    struct injection *injection = the_injection();
    char *noted = injection->violation;
    const char *violation = invariant_violation(watched);
    const int *calls = injection->calls[injection->phase];
    if (calls[CALL_malloc] + calls[CALL_calloc] > 0)
        violation = "nothing is allocated after the start";
    size_t listeners = watched->listener->fd >= 0, connections = watched->nfds - FIRST;
    if (open_descriptors() != others + listeners + connections)
        violation = "each open descriptor belongs to a connection";
    if (violation && !*noted) strcpy(noted, violation);
}

/* A poll without descriptors is a pause. EINTR is the only error that it can have. */
static int checked_poll(struct pollfd pollfds[], nfds_t count, int timeout) {
    if (pollfds && watched) check_invariants();
    bool can_fail = pollfds || the_injection()->error == EINTR;
    return can_fail ? poll(pollfds, count, timeout) : __real_poll(pollfds, count, timeout);
}

/* Runs between "Serving on" and "Done". The connections inherit a small buffer in the kernel, so that
 * it is soon full if the client does not read. */
void __wrap_server_run(struct server *server) {
    struct injection *injection = the_injection();
    int fd = server->listener->fd, small = 2048;
    injection->address_len = sizeof injection->address;
    watched = server;
    others = open_descriptors() - 1;
    __real_getsockname(fd, (struct sockaddr *)&injection->address, &injection->address_len);
    __real_setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    strcpy(injection->address_name, server->listener->name);
    injection->phase = WHILE_SERVING;
    __real_server_run(server);
    check_invariants();
    watched = NULL;
}
