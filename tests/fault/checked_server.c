/* checked_server.c - server.c, with its invariants checked in every iteration of the event loop.
 *
 * They concern the connections, the buffers and the open descriptors. The first invariant that is
 * broken is noted in struct injection, for the driver to read.
 */
#include "../../server.c"

#include "injection.h"
#include "invariants.h"

#include <sys/stat.h>

#define MAX_DESCRIPTORS 128

int __real_poll(struct pollfd pollfds[], nfds_t count, int timeout);
int __real_fstat(int fd, struct stat *to);
void __real_server_run(struct server *server);
void __wrap_server_run(struct server *server);

int *allocations;
size_t heap_used;
static const struct server *watched; /* the server while it runs, otherwise NULL */
static size_t others;    /* descriptors that are neither the listener nor a connection */
static int highest = 11; /* no descriptor above it was ever open */
static bool has_changed = true;

void note_descriptor(int fd) {
    if (fd > highest) highest = fd;
    has_changed = true;
}

/* One call finds all of them: poll reports POLLNVAL for each that is closed. The call is made only
 * after one was opened or closed, because a server that moves one byte per call runs a million
 * iterations. */
static size_t open_descriptors(void) {
    struct pollfd all[MAX_DESCRIPTORS];
    static size_t count;
    if (!has_changed) return count;
    has_changed = false;
    count = 0;
    int end = highest < MAX_DESCRIPTORS ? highest + 1 : MAX_DESCRIPTORS;
    for (int fd = 0; fd < end; fd++) all[fd] = (struct pollfd){fd, 0, 0};
    if (__real_poll(all, (nfds_t)end, 0) < 0) return 0;
    for (int fd = 0; fd < end; fd++) count += !(all[fd].revents & POLLNVAL);
    return count;
}

static bool is_standard_fd_wrong(void) {
    struct stat status;
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (__real_fstat(fd, &status) < 0 || S_ISSOCK(status.st_mode)) return true;
    return false;
}

static const char *find_violation(void) {
    size_t listeners = watched->listener->fd >= 0, connections = watched->nfds - FIRST;
    if (open_descriptors() != others + listeners + connections)
        return "each open descriptor belongs to a connection";
    return invariant_violation(watched);
}

static void note(const char *violation) {
    char *noted = the_injection()->violation;
    if (violation && !*noted) memcpy(noted, violation, strlen(violation));
}

/* The log calls poll too, even while an event is handled. */
void check_invariants(const struct pollfd *pollfds) {
    if (watched && pollfds == watched->pollfds) note(find_violation());
}

/* Runs between "Serving on" and "Done". */
void __wrap_server_run(struct server *server) {
    struct injection *injection = the_injection();
    watched = server;
    others = open_descriptors() - 1;
    if (is_standard_fd_wrong()) note("no standard descriptor is closed, or a socket");
    memcpy(injection->address, server->listener->name, strlen(server->listener->name));
    injection->heap = heap_used;
    injection->phase = SERVING;
    allocations = &injection->allocations;
    __real_server_run(server);
    check_invariants(server->pollfds);
    allocations = NULL;
    watched = NULL;
}
