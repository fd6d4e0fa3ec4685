/* injection.c - stand-ins for the calls of calls.h in the server under test, by the linker's --wrap.
 *
 * Each stand-in asks struct injection whether to fail, and otherwise makes the real call. In
 * addition, the clocks can be set forward, and recv, send, read and write can be limited to a few
 * bytes per call.
 */
#define _POSIX_C_SOURCE 200809L
#include "injection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int __real_open(const char *path, int flags, ...);
int __real_close(int fd);
int __real_fcntl(int fd, int command, ...);
int __real_fstat(int fd, struct stat *to);
int __real_clock_gettime(clockid_t clock, struct timespec *to);
time_t __real_time(time_t *to);

/* Calls that a sanitizer or gcov makes at exit are not the server's. */
static bool over;
static void end_injection(void) { over = true; }

struct injection *the_injection(void) {
    static struct injection none, *injection;
    if (injection) return injection;
    const char *path = getenv(INJECTION_VARIABLE);
    int fd = path ? __real_open(path, O_RDWR) : -1;
    void *at = mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    __real_close(fd);
    injection = at == MAP_FAILED ? &none : at;
    atexit(end_injection);
    return injection;
}

static bool fails(enum call call) {
    struct injection *injection = the_injection();
    int n = ++injection->calls[injection->phase][call];
    if (over || !injection->fails[call] || !injection->at[injection->phase]) return false;
    if (n < injection->first || n > injection->last || (n - injection->first) % injection->every)
        return false;
    injection->injected[call]++;
    errno = injection->error;
    return true;
}

/* ---- Arguments and results that are changed on the way; calls.h names these ---- */

static size_t max_moved(size_t len) {
    size_t max = the_injection()->max_moved;
    return max && len > max && !over ? max : len;
}

static size_t max_read(size_t len) {
    struct injection *injection = the_injection();
    bool is_counted = injection->calls[injection->phase][CALL_read] >= injection->first;
    size_t shortfall = is_counted ? injection->read_shortfall : 0;
    return len > shortfall ? len - shortfall : 0;
}

static size_t counted(size_t size) {
    if (the_injection()->phase == AT_START) the_injection()->allocated += size;
    return size;
}

#define CALL(type, name, parameters, arguments, failure, ...)                                      \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters { return fails(CALL_##name) ? failure : __real_##name arguments; }
#define OWN(...)
#include "calls.h"

/* ---- Stand-ins that are written by hand ---- */

int __wrap_fcntl(int fd, int command, ...) {
    va_list list;
    va_start(list, command);
    int flags = command == F_SETFL ? va_arg(list, int) : 0;
    void *lock = command == F_SETFL ? NULL : va_arg(list, void *); /* of gcov, on its file */
    va_end(list);
    if (command != F_SETFL) return __real_fcntl(fd, command, lock);
    return fails(CALL_fcntl) ? -1 : __real_fcntl(fd, command, flags);
}

int __wrap_fstat(int fd, struct stat *to) {
    int result = fails(CALL_fstat) ? -1 : __real_fstat(fd, to);
    if (result == 0 && the_injection()->only_files) to->st_mode = S_IFREG | 0600;
    return result;
}

int __wrap_open(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    int mode = flags & O_CREAT ? va_arg(list, int) : 0;
    va_end(list);
    return fails(CALL_open) ? -1 : __real_open(path, flags, mode);
}

int __wrap_printf(const char *format, ...) {
    va_list list;
    va_start(list, format);
    int result = fails(CALL_printf) ? -1 : vprintf(format, list);
    va_end(list);
    return result;
}

int __wrap_fprintf(FILE *file, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int result = fails(CALL_fprintf) ? -1 : vfprintf(file, format, list);
    va_end(list);
    return result;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *to) {
    if (fails(CALL_clock_gettime)) {
        memset(to, 0x55, sizeof *to); /* what it has written is unspecified */
        return -1;
    }
    int result = __real_clock_gettime(clock, to);
    long long ns = the_injection()->clock_shift + to->tv_nsec;
    to->tv_sec += (time_t)(ns / 1000000000);
    to->tv_nsec = (long)(ns % 1000000000);
    return result;
}

time_t __wrap_time(time_t *to) {
    return fails(CALL_time) ? (time_t)-1 : __real_time(to) + (time_t)the_injection()->wall_shift;
}
