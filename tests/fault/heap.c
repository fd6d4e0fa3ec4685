/* heap.c - a heap that counts, instead of libc's, so that calls of malloc inside libc are seen too.
 *
 * Memory is never reused, because a server that allocates only at its start needs no more.
 * Sanitizers bring a heap of their own; builds with one leave this file out.
 */
#include "injection.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HEAP_SIZE (32 << 20) /* bytes */
#define ALIGN     16         /* enough for every type */

static union {
    char bytes[HEAP_SIZE];
    long double most_aligned;
} heap;
static size_t used;

void *malloc(size_t size) {
    if (allocations) ++*allocations;
    if (size > HEAP_SIZE - 2 * ALIGN - used) return NULL;
    char *at = heap.bytes + used + ALIGN;
    memcpy(at - ALIGN, &size, sizeof size);
    used += (size + 2 * ALIGN - 1) / ALIGN * ALIGN;
    heap_used += size;
    return at;
}

void free(void *at) { (void)at; }

void *calloc(size_t count, size_t size) {
    /* memory that was never used is zero */
    return size && count > SIZE_MAX / size ? NULL : malloc(count * size);
}

void *realloc(void *at, size_t size) {
    size_t before = 0;
    if (at) memcpy(&before, (char *)at - ALIGN, sizeof before);
    void *to = malloc(size);
    if (to && at) memcpy(to, at, before < size ? before : size);
    return to;
}
