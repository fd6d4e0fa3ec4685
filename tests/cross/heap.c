/* heap.c - counts the bytes that a program asks of the heap. The linker puts these functions in front of
 * the C library's (--wrap=malloc, --wrap=calloc). At the end of the program they write the sum to the file
 * that HEAP_COUNT names. The server frees nothing before its end, so this is what it holds; what the
 * allocator adds to each piece is not counted. */
#include <stdio.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static size_t asked;

static void write_count(void) {
    FILE *file = fopen(getenv("HEAP_COUNT"), "w");
    if (!file) return;
    fprintf(file, "%lu\n", (unsigned long)asked);
    fclose(file);
}

static void *count(void *piece, size_t size) {
    if (asked == 0) atexit(write_count);
    asked += size;
    return piece;
}

void *__wrap_malloc(size_t size) { return count(__real_malloc(size), size); }

void *__wrap_calloc(size_t count_of, size_t size) {
    return count(__real_calloc(count_of, size), count_of * size);
}
