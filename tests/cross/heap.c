/* heap.c - measures how much of the heap a program uses. The linker puts these functions in front of
 * the C library's (--wrap=malloc, calloc, realloc and free). At the end of the program they write the
 * largest number of bytes that were held at once to the file that HEAP_COUNT names.
 *
 * Only the bytes that were asked for are counted, not what the allocator adds to each piece.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD 32 /* in front of each piece, for its size; a multiple of every alignment */

void *__real_malloc(size_t size);
void __real_free(void *piece);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *piece, size_t size);
void __wrap_free(void *piece);

static size_t held, max_held;

static void write_count(void) {
    const char *path = getenv("HEAP_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%lu\n", (unsigned long)max_held);
    fclose(file);
}

void *__wrap_malloc(size_t size) {
    static bool registered;
    if (!registered) registered = atexit(write_count) == 0;
    char *piece = __real_malloc(size + HEAD);
    if (!piece) return NULL;
    memcpy(piece, &size, sizeof size);
    held += size;
    if (held > max_held) max_held = held;
    return piece + HEAD;
}

void *__wrap_calloc(size_t count, size_t size) {
    void *piece = __wrap_malloc(count * size);
    return piece ? memset(piece, 0, count * size) : NULL;
}

void __wrap_free(void *piece) {
    size_t size;
    if (!piece) return;
    memcpy(&size, (char *)piece - HEAD, sizeof size);
    held -= size;
    __real_free((char *)piece - HEAD);
}

void *__wrap_realloc(void *piece, size_t size) {
    size_t before = 0;
    void *larger = __wrap_malloc(size);
    if (piece) memcpy(&before, (char *)piece - HEAD, sizeof before);
    if (!larger || !piece) return larger;
    memcpy(larger, piece, before < size ? before : size);
    __wrap_free(piece);
    return larger;
}
