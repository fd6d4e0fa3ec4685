/* plan.h - what is to go wrong in the server under test, and what the server tells of itself.
 *
 * The plan lies in a file that both map: the driver writes it before the start and while the server
 * runs; the server counts its calls in it. So a fault can be lifted without a word to the server.
 */
#ifndef PLAN_H
#define PLAN_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define PLAN_VARIABLE "FAULT_PLAN" /* the environment variable that names the file */

enum phase { STARTING, SERVING, STOPPING, PHASES };

#define CALL(type, name, ...) CALL_##name,
#define OWN(name, ...)        CALL_##name,
enum call {
#include "calls.h"
    CALLS
};
#undef CALL
#undef OWN

struct plan {
    /* Told by the driver: in these phases these calls fail with this error, from the first of them
     * to the last, each `every`-th. */
    bool at[PHASES], fails[CALLS];
    int first, last, every, error;
    size_t most;         /* bytes that a call moves at once; 0 is no limit */
    bool empty;          /* what is read has no bytes */
    long long ahead;     /* ns that the monotonic clock is put forward */
    long long wall_jump; /* seconds that the wall clock is set forward */

    /* Told by the server; only the driver begins STOPPING. */
    enum phase phase;
    int calls[PHASES][CALLS];
    int injected[CALLS]; /* faults */
    int allocations;     /* calls of malloc and its like after the start */
    size_t heap;         /* bytes that were allocated at the start; 0 where nobody counts */
    char address[128];   /* where it listens */
    char wrong[128];     /* the first thing in its books that was wrong */
};

#define FOR_GOOD INT_MAX /* as plan.last */

/* In the server under test: the plan, an empty one where there is no file. */
struct plan *the_plan(void);

/* In the server under test: where heap.c counts what is allocated; NULL while that is no fault. */
extern int *allocations;

/* In the server under test: bytes that heap.c has given so far; 0 where it is left out. */
extern size_t heap_used;

/* In the server under test: notes in the plan what is wrong in the server's books. */
void check_books(void);

/* In the server under test: a descriptor was opened or closed. */
void note_descriptor(int fd);

#endif
