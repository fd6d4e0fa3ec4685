/* init.c - the first program of a board whose kernel needs help before the server can run: it loads
 * modules, configures the network interface, and becomes the server.
 *
 *     ip=10.0.2.15:::255.255.255.0 -- -p 80 -q          at the end of the kernel's command line
 *
 * The modules are /modules/1.ko, /modules/2.ko and so on, in the order of loading. `ip=` has the form
 * that a kernel with CONFIG_IP_PNP reads (admin-guide/nfs/nfsroot.rst). A kernel without it passes the
 * parameter to the first program in the environment; only the address and the netmask are used here.
 * What follows `--` are the arguments of the first program, and so of the server.
 *
 * The server replaces this program, and keeps its process id, 1. SIGCHLD stays ignored, so the kernel
 * reaps orphans.
 *
 * For the test a child stays behind. It does what the lines that it reads from the console say: see
 * obey.
 */
#define _GNU_SOURCE /* syscall, struct ifreq */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void complain(const char *what) { printf("init: %s: %s\n", what, strerror(errno)); }

static void sleep_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* ---- Before the server ---- */

static void load_modules(void) {
    for (int number = 1;; number++) {
        char path[32];
        snprintf(path, sizeof path, "/modules/%d.ko", number);
        int fd = open(path, O_RDONLY);
        if (fd < 0) return;
        if (syscall(SYS_finit_module, fd, "", 0) < 0) complain(path);
        close(fd);
    }
}

/* Copies the field of `ip=` with this number, which begins at 0. A missing field is empty. */
static void copy_field(char *to, size_t size, const char *fields, int number) {
    while (number-- > 0) {
        const char *colon = strchr(fields, ':');
        fields = colon ? colon + 1 : "";
    }
    snprintf(to, size, "%.*s", (int)strcspn(fields, ":"), fields);
}

static void put_address(struct ifreq *request, const char *address) {
    struct sockaddr_in in = {.sin_family = AF_INET};
    inet_pton(AF_INET, address, &in.sin_addr);
    memcpy(&request->ifr_addr, &in, sizeof in);
}

/* A driver may find its device a little later than its module was loaded. */
static void configure(const char *interface, const char *address, const char *netmask) {
    struct ifreq request = {0};
    int fd = socket(AF_INET, SOCK_DGRAM, 0), tries = 0;
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
    put_address(&request, address);
    while (ioctl(fd, SIOCSIFADDR, &request) < 0 && tries++ < 100) sleep_ms(50);
    put_address(&request, netmask);
    if (ioctl(fd, SIOCSIFNETMASK, &request) < 0) complain(interface);
    request.ifr_flags = IFF_UP;
    if (ioctl(fd, SIOCSIFFLAGS, &request) < 0) complain(interface);
    close(fd);
}

/* Prints how long the server's first read of the random source will take: the second one is fast. */
static void read_random(void) {
    struct timespec before, after;
    char bytes[32];
    int fd = open("/dev/urandom", O_RDONLY);
    clock_gettime(CLOCK_MONOTONIC, &before);
    ssize_t n = read(fd, bytes, sizeof bytes);
    clock_gettime(CLOCK_MONOTONIC, &after);
    long ms = (long)(after.tv_sec - before.tv_sec) * 1000;
    ms += (after.tv_nsec - before.tv_nsec) / 1000000;
    printf("init: %d random bytes in %ld ms\n", (int)n, ms);
    close(fd);
}

/* ---- Beside the server, for the test ---- */

/* Prints the lines of a file that begin with one of two names. */
static void print_lines(const char *path, const char *first, const char *second) {
    char line[128];
    FILE *file = fopen(path, "r");
    if (!file) return;
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, first, strlen(first)) || !strncmp(line, second, strlen(second)))
            printf("init: %s", line);
    fclose(file);
}

/* Makes a process whose parent ends before it does, so that process 1 becomes its parent. Returns its
 * id. */
static pid_t make_orphan(void) {
    int ends[2];
    pid_t orphan = 0;
    if (pipe(ends) < 0) return 0;
    if (fork() == 0) {
        orphan = fork();
        if (orphan > 0) _exit(write(ends[1], &orphan, sizeof orphan) < 0);
        while (getppid() != 1) sleep_ms(10);
        _exit(0);
    }
    if (read(ends[0], &orphan, sizeof orphan) < 0) complain("pipe");
    close(ends[0]);
    close(ends[1]);
    return orphan;
}

/* A process that has ended and was not reaped still has its id. */
static void print_whether_reaped(pid_t pid) {
    int tries = 0;
    while (kill(pid, 0) == 0 && tries++ < 100) sleep_ms(20);
    printf("init: the orphan was %s\n", kill(pid, 0) < 0 ? "reaped" : "not reaped");
}

/* memory: prints how much the server and the machine use.
 * orphan: makes an orphan and prints whether it was reaped.
 * stop:   sends SIGTERM to the server. */
static void obey(const char *line) {
    if (!strcmp(line, "memory\n")) {
        print_lines("/proc/1/smaps_rollup", "Rss:", "Anonymous:");
        print_lines("/proc/meminfo", "MemTotal:", "MemAvailable:");
    } else if (!strcmp(line, "orphan\n")) {
        print_whether_reaped(make_orphan());
    } else if (!strcmp(line, "stop\n")) {
        kill(1, SIGTERM);
    }
}

static void obey_console(void) {
    char line[32];
    mkdir("/proc", 0555);
    mount("proc", "/proc", "proc", 0, NULL);
    while (fgets(line, sizeof line, stdin)) obey(line);
    _exit(0);
}

/* ---- Main ---- */

int main(int argc, char **argv) {
    const char *ip = getenv("ip");
    char address[32], netmask[32];
    (void)argc;
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    load_modules();
    read_random();
    configure("lo", "127.0.0.1", "255.0.0.0");
    if (ip) {
        copy_field(address, sizeof address, ip, 0);
        copy_field(netmask, sizeof netmask, ip, 3);
        configure("eth0", address, netmask);
    }
    signal(SIGCHLD, SIG_IGN);
    if (fork() == 0) obey_console();
    execv("/server", argv);
    complain("/server");
    return 1;
}
