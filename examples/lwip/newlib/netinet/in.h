/* newlib has no such header, and lwIP without IPv6 no such constant. listen.h asks for it. */
#include <lwip/sockets.h>
#ifndef INET6_ADDRSTRLEN
#define INET6_ADDRSTRLEN 46
#endif
