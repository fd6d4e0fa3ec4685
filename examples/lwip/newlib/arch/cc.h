/* cc.h - what lwIP asks about the compiler. newlib has everything but errors as lwIP's. */
#define LWIP_ERRNO_STDINCLUDE 1
#include <sys/time.h>
