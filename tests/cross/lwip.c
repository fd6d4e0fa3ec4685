/* lwip.c - runs the example over lwIP, the TCP/IP stack of small boards, in a process of the host. The
 * stack is Debian's library liblwip, the interface a loopback interface inside of the process, and the
 * client a thread that logs in, is greeted and logs out.
 *
 * The main of app.c is compiled with the name app_main. The last line is `N passed, N failed`.
 */
#include <lwip/netif.h>
#include <lwip/sockets.h>
#include <lwip/tcpip.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PORT 8080

int app_main(int argc, char **argv);

static struct netif loopback;
static int passed, failed;
static char token[41];

static err_t send_back(struct netif *netif, struct pbuf *packet, const ip4_addr_t *address) {
    (void)address;
    return netif_loop_output(netif, packet);
}

static err_t init_loopback(struct netif *netif) {
    netif->name[0] = 'l';
    netif->name[1] = 'o';
    netif->mtu = 1500;
    netif->output = send_back;
    return ERR_OK;
}

/* ---- The client ---- */

static int connect_to_server(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = lwip_htons(PORT)};
    struct timespec pause = {0, 10000000};
    address.sin_addr.s_addr = lwip_htonl(INADDR_LOOPBACK);
    for (int tries = 0; tries < 1000; tries++) {
        int fd = lwip_socket(AF_INET, SOCK_STREAM, 0);
        if (lwip_connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
        lwip_close(fd);
        nanosleep(&pause, NULL);
    }
    return -1;
}

/* Sends a request on a connection of its own and returns the response. */
static const char *ask(const char *method, const char *path, const char *body) {
    static char response[4096];
    char request[512];
    size_t len = 0;
    ssize_t n = 1;
    int fd = connect_to_server();
    snprintf(request, sizeof request,
             "%s %s HTTP/1.1\r\nHost: board\r\nConnection: close\r\nCookie: session_id=%s\r\n"
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             method, path, token, strlen(body), body);
    lwip_send(fd, request, strlen(request), 0);
    while (n > 0 && len < sizeof response - 1) {
        n = lwip_recv(fd, response + len, sizeof response - 1 - len, 0);
        if (n > 0) len += (size_t)n;
    }
    response[len] = '\0';
    lwip_close(fd);
    return response;
}

static void check(const char *sentence, const char *method, const char *path, const char *body,
                  const char *status, const char *expected) {
    const char *response = ask(method, path, body);
    bool good = !strncmp(response, status, strlen(status)) && strstr(response, expected);
    passed += good;
    failed += !good;
    if (!good)
        printf("FAIL %s\n     expected: %s, %s\n     seen: %s\n", sentence, status, expected,
               response);
    const char *id = strstr(response, "session_id=");
    if (id && !token[0]) snprintf(token, sizeof token, "%s", id + strlen("session_id="));
}

static void *run_client(void *unused) {
    const char *foo = "{\"username\":\"foo\",\"password\":\"foo\"}", *ok = "HTTP/1.1 200";
    (void)unused;
    check("before the login", "GET", "/home", "", "HTTP/1.1 401", "I can't let you do that");
    check("the login", "POST", "/login", foo, ok, "\"Logged in\"");
    check("the greeting", "GET", "/home", "", ok, "\"Hello, foo\"");
    check("an unknown path", "GET", "/nothing", "", "HTTP/1.1 404", "/nothing");
    check("the logout", "POST", "/logout", "", ok, "\"logged out\"");
    check("after the logout", "GET", "/home", "", "HTTP/1.1 401", "I can't let you do that");
    printf("%d passed, %d failed\n", passed, failed);
    fflush(stdout);
    _exit(failed > 0);
}

/* ---- Main ---- */

static void add_interface(void *done) {
    ip4_addr_t address, netmask, gateway;
    IP4_ADDR(&address, 127, 0, 0, 1);
    IP4_ADDR(&netmask, 255, 0, 0, 0);
    ip4_addr_set_zero(&gateway);
    netif_add(&loopback, &address, &netmask, &gateway, NULL, init_loopback, tcpip_input);
    netif_set_default(&loopback);
    netif_set_link_up(&loopback);
    netif_set_up(&loopback);
    sys_sem_signal(done);
}

int main(void) {
    char *arguments[] = {"server", "-a", "127.0.0.1", "-c", "4", "-s", "4", "-q", NULL};
    sys_sem_t done;
    pthread_t client;
    sys_sem_new(&done, 0);
    tcpip_init(add_interface, &done);
    sys_sem_wait(&done);
    alarm(60);
    if (pthread_create(&client, NULL, run_client, NULL) != 0) return 1;
    return app_main(8, arguments);
}
