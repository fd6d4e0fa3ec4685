/* newlib has no such header. */
#include <lwip/sockets.h>
