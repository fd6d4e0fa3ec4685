/* lwipopts.h - lwIP's options for the sources of the server. A board has its own file; it needs these. */
#define LWIP_SOCKET                 1
#define LWIP_COMPAT_SOCKETS         0 /* names.h does it */
#define LWIP_SOCKET_SELECT          0
#define LWIP_SOCKET_POLL            1
#define LWIP_IPV6                   1 /* for inet_pton */
#define LWIP_TCP                    1
#define LWIP_UDP                    1
#define LWIP_HAVE_LOOPIF            1 /* for the stop pipe */
#define LWIP_NETIF_LOOPBACK         1
#define LWIP_NETIF_LOOPBACK_MULTITHREADING 1
#define LWIP_TIMEVAL_PRIVATE        0
#define LWIP_TCPIP_CORE_LOCKING     1
#define MEM_ALIGNMENT               4
