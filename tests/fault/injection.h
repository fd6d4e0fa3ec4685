/* injection.h - which calls fail in the server under test, and what the server reports.
 *
 * struct injection lies in a file that both processes map. The driver writes it before the start and
 * while the server runs; the server counts its calls in it. So a fault can be lifted at any time.
 */
#ifndef INJECTION_H
#define INJECTION_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define INJECTION_VARIABLE "FAULT_INJECTION" /* the environment variable that names the file */

enum phase { AT_START, WHILE_SERVING, WHILE_STOPPING, PHASES };

#define CALL(type, name, ...) CALL_##name,
#define OWN(name, ...)        CALL_##name,
enum call {
#include "calls.h"
    CALLS
};
#undef CALL
#undef OWN

struct injection {
    /* Set by the driver: in these phases these calls fail with this error, from the first of them
     * to the last, each `every`-th. */
    bool at[PHASES], fails[CALLS];
    int first, last, every, error;
    size_t max_moved;      /* bytes that recv, send or write moves at once; 0 is no limit */
    size_t read_shortfall; /* bytes that a read returns too few, from the first of them on */
    bool only_files;       /* no file is a device */
    long long clock_shift; /* ns that the monotonic clock is set forward */
    long long wall_shift;  /* seconds that the wall clock is set forward */

    /* Set by the server; only the driver begins WHILE_STOPPING. */
    enum phase phase;
    int calls[PHASES][CALLS];
    int injected[CALLS];             /* faults */
    size_t allocated;                /* bytes, at the start */
    struct sockaddr_storage address; /* where the server listens ... */
    socklen_t address_len;
    char address_name[128]; /* ... as it prints it */
    char violation[128];    /* the first invariant that was broken */
};

#define FOR_GOOD INT_MAX /* as `last` */

/* In the server under test: the injection, or an empty one if there is no file. */
struct injection *the_injection(void);

#endif
