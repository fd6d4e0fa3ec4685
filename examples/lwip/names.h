/* names.h - is included in front of server.c and port.c (-include), and gives the calls for sockets to
 * lwIP. lwIP's own macros (LWIP_COMPAT_SOCKETS) would do so in every file, and take `poll` and `close`
 * from app.c, which uses them for files.
 *
 * The system's headers come first, so that they are not changed. */
#include <lwip/sockets.h>
#include <poll.h>
#include <unistd.h>

#define accept(fd, address, len)             lwip_accept((fd), (address), (len))
#define bind(fd, address, len)               lwip_bind((fd), (address), (len))
#define close(fd)                            lwip_close(fd)
#define connect(fd, address, len)            lwip_connect((fd), (address), (len))
#define getsockname(fd, address, len)        lwip_getsockname((fd), (address), (len))
#define listen(fd, backlog)                  lwip_listen((fd), (backlog))
#define poll(fds, count, timeout)            lwip_poll((fds), (count), (timeout))
#define recv(fd, to, size, flags)            lwip_recv((fd), (to), (size), (flags))
#define send(fd, from, size, flags)          lwip_send((fd), (from), (size), (flags))
#define setsockopt(fd, level, name, at, len) lwip_setsockopt((fd), (level), (name), (at), (len))
#define shutdown(fd, how)                    lwip_shutdown((fd), (how))
#define socket(domain, type, protocol)       lwip_socket((domain), (type), (protocol))
#define write(fd, from, size)                lwip_write((fd), (from), (size))

/* lwIP has no pipes; see port.c. */
#define pipe(ends) lwip_pipe(ends)
int lwip_pipe(int ends[2]);
