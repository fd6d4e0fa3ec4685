/* books.c - server.c with its books checked in every round that it makes.
 *
 * The books are the table of connections, the pool of buffers and the open descriptors. The first
 * thing that is wrong in them is noted in the plan, for the driver to read.
 */
#include "../../server.c"

#include "books.h"
#include "plan.h"

#define MOST_DESCRIPTORS 128

int __real_poll(struct pollfd polled[], nfds_t count, int timeout);
int __real_fstat(int fd, struct stat *to);
void __wrap_server_run(struct server *server);

int *allocations;
size_t heap_used;
static const struct server *watched;
static size_t buffers, others; /* how many there are; descriptors that are no connection's */
static int highest = 11;       /* descriptor that was ever open, or more */
static bool has_changed = true;

void note_descriptor(int fd) {
    if (fd > highest) highest = fd;
    has_changed = true;
}

/* One call tells of them all: poll says of each that is closed that it is none. It is made when one
 * was opened or closed alone, as a server that moves one byte a call makes a million rounds. */
static size_t open_descriptors(void) {
    struct pollfd all[MOST_DESCRIPTORS];
    static size_t count;
    if (!has_changed) return count;
    has_changed = false;
    count = 0;
    int end = highest < MOST_DESCRIPTORS ? highest + 1 : MOST_DESCRIPTORS;
    for (int fd = 0; fd < end; fd++) all[fd] = (struct pollfd){fd, 0, 0};
    if (__real_poll(all, (nfds_t)end, 0) < 0) return 0;
    for (int fd = 0; fd < end; fd++) count += !(all[fd].revents & POLLNVAL);
    return count;
}

static bool a_socket_is_standard(void) {
    struct stat status;
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (__real_fstat(fd, &status) < 0 || S_ISSOCK(status.st_mode)) return true;
    return false;
}

static const char *what_is_wrong(void) {
    size_t listeners = watched->listener >= 0, connections = watched->count - 1;
    if (open_descriptors() != others + listeners + connections)
        return "the open descriptors are not those of the connections";
    return books_are_wrong(watched, buffers);
}

static void note(const char *wrong) {
    char *noted = the_plan()->wrong;
    if (wrong && !*noted) memcpy(noted, wrong, strlen(wrong));
}

void check_books(void) {
    if (watched) note(what_is_wrong());
}

/* The server has said that it serves, and begins to. */
void __wrap_server_run(struct server *server) {
    struct plan *plan = the_plan();
    struct str name = server_name(server);
    watched = server;
    buffers = server->pooled;
    others = open_descriptors() - 1;
    if (a_socket_is_standard()) note("a standard descriptor is closed, or a socket");
    memcpy(plan->address, name.s, name.len);
    plan->heap = heap_used;
    plan->phase = SERVING;
    allocations = &plan->allocations;
    server_run(server);
    check_books();
    allocations = NULL;
    watched = NULL;
}
