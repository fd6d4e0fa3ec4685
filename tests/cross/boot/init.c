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
#define _GNU_SOURCE /* syscall, strsep, struct ifreq */
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

/* Makes a process whose parent ends before it does, so that process 1 becomes its parent. Both are a
 * process group, which exists until the kernel has reaped the second, too. */
static void test_orphan(void) {
    int tries = 0;
    pid_t group = fork();
    setpgid(group, group);
    if (group == 0) {
        if (fork() == 0)
            while (getppid() != 1) sleep_ms(10);
        _exit(0);
    }
    while (kill(-group, 0) == 0 && tries++ < 100) sleep_ms(20);
    printf("init: the orphan was %s\n", kill(-group, 0) < 0 ? "reaped" : "not reaped");
}

/* memory: prints how much the server and the machine use.
 * orphan: makes an orphan and prints whether it was reaped.
 * stop:   sends SIGTERM to the server. */
static void obey(const char *line) {
    if (!strcmp(line, "memory\n")) {
        print_lines("/proc/1/smaps_rollup", "Rss:", "Anonymous:");
        print_lines("/proc/meminfo", "MemTotal:", "MemAvailable:");
    } else if (!strcmp(line, "orphan\n")) {
        test_orphan();
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
    char *ip = getenv("ip"); /* the address, two fields that are not used, the netmask */
    (void)argc;
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    load_modules();
    configure("lo", "127.0.0.1", "255.0.0.0");
    if (ip) {
        const char *address = strsep(&ip, ":");
        if (ip) strsep(&ip, ":");
        if (ip) strsep(&ip, ":");
        configure("eth0", address, ip ? strsep(&ip, ":") : "");
    }
    signal(SIGCHLD, SIG_IGN);
    if (fork() == 0) obey_console();
    execv("/server", argv);
    complain("/server");
    return 1;
}
