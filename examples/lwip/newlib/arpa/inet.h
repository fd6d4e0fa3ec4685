/* newlib has no such header. http.c validates IPv6 literals with inet_pton, so lwIP needs LWIP_IPV6. */
#include <lwip/sockets.h>
#define inet_pton(family, text, to) lwip_inet_pton((family), (text), (to))
