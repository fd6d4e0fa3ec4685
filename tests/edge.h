/* edge.h - memory in front of a page that must not be touched.
 *
 *     make_edge(4096);                      once
 *     parse(at_edge(STR("[1")));            a read beyond the text ends the program
 */
#ifndef EDGE_H
#define EDGE_H

#include "test.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static char *edge; /* the first byte that must not be touched */

/* At least `len` bytes in front of the edge may be used. */
static inline void make_edge(size_t len) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    len = (len + page - 1) / page * page;
    int fd = open("/dev/zero", O_RDWR);
    char *pages = mmap(NULL, len + page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (pages == MAP_FAILED || mprotect(pages + len, page, PROT_NONE) < 0)
        test_give_up("map memory");
    close(fd);
    edge = pages + len;
}

/* Returns a copy of the bytes that ends at the edge. */
static inline struct str at_edge(struct str bytes) {
    memcpy(edge - bytes.len, bytes.s, bytes.len);
    return (struct str){edge - bytes.len, bytes.len};
}

#endif
