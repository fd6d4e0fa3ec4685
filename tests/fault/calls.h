/* calls.h - every call of the sources that can fail, one row for each.
 *
 *     CALL(type, name, parameters, arguments, what it returns if it fails, at the start, errnos)
 *     OWN(name, at the start, errnos)     for a call whose stand-in is written by hand
 *
 * The errnos are those that POSIX.1-2017 lists for the call, "shall" and "may" alike, except those
 * that its arguments here rule out, and a few that Linux adds. A failure at the start leads to
 *
 *     REFUSES   one line with the cause, and exit status 1
 *     GOES_ON   a server that works
 *     EITHER    one of the two: it depends on what the call is for
 *     LATER     nothing, because the start does not make the call
 *
 * A call fails without being made; but a descriptor is free even if close fails, as on most systems,
 * and what strftime has written is unspecified. There is no include guard: each file that includes
 * this defines first what a row means to it. names.sh takes the names from here too.
 */
/* clang-format off */

#define WRITE_ERRORS EAGAIN, EBADF, EFBIG, EINTR, EIO, ENOSPC, ENXIO, EPIPE
#define PATH_ERRORS  EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR

/* Sockets */
CALL(int, accept, (int fd, struct sockaddr *address, socklen_t *len), (fd, address, len), -1, LATER,
     EAGAIN, EBADF, ECONNABORTED, EINTR, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOTSOCK,
     EOPNOTSUPP, EPROTO, EPERM)
CALL(int, bind, (int fd, const struct sockaddr *address, socklen_t len), (fd, address, len), -1,
     REFUSES, PATH_ERRORS, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EALREADY, EBADF, EINPROGRESS,
     EINVAL, EIO, EISCONN, ENOBUFS, ENOTSOCK, EOPNOTSUPP, EROFS)
CALL(int, connect, (int fd, const struct sockaddr *address, socklen_t len), (fd, address, len), -1,
     EITHER, PATH_ERRORS, EAGAIN, ECONNREFUSED, ECONNRESET, EINTR, EIO, EPROTOTYPE, ETIMEDOUT)
CALL(int, getsockname, (int fd, struct sockaddr *address, socklen_t *len), (fd, address, len), -1,
     REFUSES, EBADF, EINVAL, ENOBUFS, ENOTSOCK, EOPNOTSUPP)
CALL(int, listen, (int fd, int backlog), (fd, backlog), -1, REFUSES, EACCES, EADDRINUSE, EBADF,
     EDESTADDRREQ, EINVAL, ENOBUFS, ENOTSOCK, EOPNOTSUPP)
CALL(ssize_t, recv, (int fd, void *at, size_t len, int flags), (fd, at, max_moved(len), flags), -1,
     LATER, EAGAIN, EBADF, ECONNRESET, EINTR, EINVAL, EIO, ENOBUFS, ENOMEM, ENOTCONN, ENOTSOCK,
     EOPNOTSUPP, ETIMEDOUT)
CALL(ssize_t, send, (int fd, const void *at, size_t len, int flags),
     (fd, at, max_moved(len), flags), -1, LATER, EACCES, EAGAIN, EBADF, ECONNRESET, EDESTADDRREQ,
     EINTR, EIO, EMSGSIZE, ENETDOWN, ENETUNREACH, ENOBUFS, ENOTCONN, ENOTSOCK, EOPNOTSUPP, EPIPE)
CALL(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len),
     (fd, level, name, value, len), -1, GOES_ON, EBADF, EDOM, EINVAL, EISCONN, ENOBUFS, ENOMEM,
     ENOPROTOOPT, ENOTSOCK)
CALL(int, shutdown, (int fd, int how), (fd, how), -1, LATER, EBADF, EINVAL, ENOBUFS, ENOTCONN,
     ENOTSOCK)
CALL(int, socket, (int domain, int type, int protocol), (domain, type, protocol), -1, EITHER,
     EACCES, EAFNOSUPPORT, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTONOSUPPORT, EPROTOTYPE)
CALL(int, inet_pton, (int family, const char *from, void *to), (family, from, to), -1, EITHER,
     EAFNOSUPPORT)

/* Descriptors and files */
CALL(int, close, (int fd), (fd), (__real_close(fd), -1), GOES_ON, EBADF, EINTR, EIO)
OWN(fcntl, EITHER, EBADF, EINVAL, EPERM)
OWN(open, EITHER, PATH_ERRORS, EINTR, EIO, EMFILE, ENFILE, ENOMEM, ENXIO, EOVERFLOW)
CALL(int, poll, (struct pollfd pollfds[], nfds_t count, int timeout), (pollfds, count, timeout), -1,
     GOES_ON, EAGAIN, EINTR, EINVAL, ENOMEM)
OWN(fstat, REFUSES, EBADF, EIO, EOVERFLOW)
CALL(int, isatty, (int fd), (fd), 0, GOES_ON, EBADF, ENOTTY)
CALL(int, lstat, (const char *path, struct stat *to), (path, to), -1, EITHER, PATH_ERRORS, EIO,
     EOVERFLOW)
CALL(int, pipe, (int ends[2]), (ends), -1, REFUSES, EMFILE, ENFILE)
CALL(ssize_t, read, (int fd, void *at, size_t len), (fd, at, max_read(len)), -1, REFUSES, EAGAIN,
     EBADF, EINTR, EIO, EISDIR, ENOBUFS, ENOMEM, ENXIO, EOVERFLOW)
CALL(char *, ttyname, (int fd), (fd), NULL, GOES_ON, EBADF, EMFILE, ENFILE, ENOTTY)
CALL(int, unlink, (const char *path), (path), -1, EITHER, PATH_ERRORS, EBUSY, EPERM, EROFS)
CALL(ssize_t, write, (int fd, const void *at, size_t len), (fd, at, max_moved(len)), -1, GOES_ON,
     WRITE_ERRORS)

/* Time, signals, memory, limits */
CALL(void *, calloc, (size_t count, size_t size), (1, counted(count * size)), NULL, REFUSES, ENOMEM)
CALL(void *, malloc, (size_t size), (counted(size)), NULL, REFUSES, ENOMEM)
OWN(clock_gettime, GOES_ON, EINVAL, EOVERFLOW)
OWN(time, GOES_ON, EOVERFLOW)
CALL(struct tm *, gmtime_r, (const time_t *from, struct tm *to), (from, to), NULL, GOES_ON,
     EOVERFLOW)
CALL(struct tm *, localtime_r, (const time_t *from, struct tm *to), (from, to), NULL, GOES_ON,
     EOVERFLOW)
CALL(size_t, strftime, (char *to, size_t size, const char *format, const struct tm *tm),
     (to, size, format, tm), (memset(to, 0x55, size), (size_t)0), GOES_ON, EOVERFLOW)
CALL(int, sigaction, (int number, const struct sigaction *to, struct sigaction *from),
     (number, to, from), -1, REFUSES, EINVAL, ENOTSUP)
CALL(int, sigprocmask, (int how, const sigset_t *set, sigset_t *before), (how, set, before), -1,
     REFUSES, EINVAL)
CALL(int, getrlimit, (int limit, struct rlimit *to), (limit, to), -1, GOES_ON, EINVAL)
CALL(int, setrlimit, (int limit, const struct rlimit *to), (limit, to), -1, GOES_ON, EINVAL, EPERM)

/* Messages. A stand-in fails for the write that stdio would make. */
CALL(int, fflush, (FILE *file), (file), EOF, GOES_ON, WRITE_ERRORS)
CALL(int, puts, (const char *line), (line), EOF, GOES_ON, WRITE_ERRORS, ENOMEM)
OWN(fprintf, REFUSES, WRITE_ERRORS, ENOMEM)
OWN(printf, GOES_ON, WRITE_ERRORS, ENOMEM)

/* clang-format on */
