/* heap.c - a heap that counts, in place of libc's: a call of malloc inside libc is seen too.
 *
 * It gives memory away and never takes it back: a server that allocates at its start alone needs no
 * more. Sanitizers bring a heap of their own; builds with one leave this file out.
 */
#include "plan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ROOM  (32 << 20) /* bytes */
#define ALIGN 16         /* enough for every type */

static union {
    char bytes[ROOM];
    long double most_aligned;
} heap;
static size_t used;

void *malloc(size_t size) {
    if (allocations) ++*allocations;
    if (size > ROOM - 2 * ALIGN - used) return NULL;
    char *at = heap.bytes + used + ALIGN;
    memcpy(at - ALIGN, &size, sizeof size);
    used += (size + 2 * ALIGN - 1) / ALIGN * ALIGN;
    heap_used += size;
    return at;
}

void free(void *at) { (void)at; }

void *calloc(size_t count, size_t size) {
    return size && count > SIZE_MAX / size ? NULL : malloc(count * size); /* unused before: zeros */
}

void *realloc(void *at, size_t size) {
    size_t before = 0;
    if (at) memcpy(&before, (char *)at - ALIGN, sizeof before);
    void *to = malloc(size);
    if (to && at) memcpy(to, at, before < size ? before : size);
    return to;
}
