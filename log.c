/* log.c - the access log, which never waits for a reader.
 *
 * One call adds one line to a buffer; log_flush, called once an iteration of the event loop,
 * writes as much of it as the output takes without blocking. While the output is blocked, the
 * caller should call log_flush from time to time. A line that does not fit the buffer is dropped
 * and counted, and the count is reported when lines can be written again. If the output is gone
 * (a closed pipe, a full disk), it is tried again when another line is added.
 *
 * The format of a line is that of the Python original. Every byte of it is printable ASCII, so
 * that a client cannot forge a line or send commands to a terminal.
 */
#define _POSIX_C_SOURCE 200809L
#include "log.h"
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#define MAX_TEXT      1024 /* bytes of a request-line or parameter in the log */
#define LINE_OVERHEAD 192  /* address, time, status, size or reason, or a statement */
#define MAX_LINE      (MAX_TEXT + LINE_OVERHEAD)

/* If standard error is a terminal, it is opened again with O_NONBLOCK: a terminal that was
 * stopped with Ctrl-S would block us, and setting the flag on the shared descriptor would change
 * it for other programs too. */
void log_open(struct log *log, bool quiet) {
    const char *terminal = isatty(STDERR_FILENO) ? ttyname(STDERR_FILENO) : NULL;
    int fd = terminal ? open(terminal, O_WRONLY | O_NONBLOCK | O_NOCTTY) : -1;
    memset(log, 0, sizeof *log);
    log->quiet = quiet;
    log->fd = fd >= 0 ? fd : STDERR_FILENO;
    log->lines = TEXT(log->lines_storage);
    log->second = -1;
    tzset();
}

/* ---- Output ---- */

/* POLLOUT means that a pipe takes PIPE_BUF bytes without blocking, if no other process writes to
 * it at the same moment. For a regular file poll always reports POLLOUT, so a slow disk makes us
 * wait. */
static void write_lines(struct log *log) {
    struct pollfd output = {log->fd, POLLOUT, 0};
    size_t done = 0;
    ssize_t n = 0;
    while (done < log->lines.len) {
        size_t left = log->lines.len - done;
        log->blocked = poll(&output, 1, 0) != 1;
        if (log->blocked) break;
        n = write(log->fd, log->lines.s + done, left < _POSIX_PIPE_BUF ? left : _POSIX_PIPE_BUF);
        if (n < 0) log->blocked = errno == EAGAIN || errno == EINTR;
        if (n <= 0) break;
        done += (size_t)n;
    }
    text_drop(&log->lines, done);
    log->failed = n < 0 && !log->blocked;
}

void log_flush(struct log *log) {
    if (log->lines.len > 0 && !log->failed) write_lines(log);
    if (log->dropped == 0 || log->lines.len > 0) return;
    text_put_all(&log->lines, STR("server: log lines dropped: "), NUMBER(log->dropped), STR("\n"));
    log->dropped = 0;
    write_lines(log);
}

void log_end(struct log *log) {
    if (log->fd != STDERR_FILENO) close(log->fd);
}

/* ---- Lines ---- */

/* Returns whether the longest possible line fits. If not, even after a flush, the line is
 * counted as dropped. */
static bool reserve_line(struct log *log) {
    log->failed = false;
    if (log->lines.cap - log->lines.len < MAX_LINE) log_flush(log);
    if (log->lines.cap - log->lines.len >= MAX_LINE) return true;
    log->dropped++;
    return false;
}

/* Appends at most MAX_TEXT bytes. Quotes, backslashes, and all bytes that are not printable ASCII
 * become \xNN. */
static void put_escaped(struct text *out, struct str s) {
    size_t end = out->len + MAX_TEXT - strlen("\\xNN");
    for (size_t i = 0; i < s.len && out->len < end; i++) {
        if (is_unescaped_ascii(s.s[i])) {
            text_put(out, (struct str){s.s + i, 1});
        } else {
            char escape[] = {'\\', 'x', hex_digit(s.s[i] >> 4), hex_digit(s.s[i])};
            text_put(out, (struct str){escape, sizeof escape});
        }
    }
}

/* The local time, as in "06/Nov/1994 08:49:37"; it is formatted once a second. */
static struct str timestamp(struct log *log) {
    time_t now = time(NULL);
    struct tm tm;
    if (now != log->second) {
        log->second = now;
        if (now < EARLIEST_CLOCK_TIME || !localtime_r(&now, &tm) ||
            strftime(log->timestamp, sizeof log->timestamp, "%d/%b/%Y %H:%M:%S", &tm) == 0)
            strcpy(log->timestamp, "-"); /* it is not known */
    }
    return str_of(log->timestamp);
}

/* Returns false if the line must be left out. */
static bool begin_line(struct log *log, const char *peer, struct str request_line) {
    if (log->quiet || !reserve_line(log)) return false;
    text_put_all(&log->lines, str_of(peer), STR(" - - ["), timestamp(log), STR("] \""));
    put_escaped(&log->lines, request_line);
    text_put(&log->lines, STR("\" "));
    return true;
}

void log_request(struct log *log, const char *peer, struct str request_line, int status,
                 size_t body_len) {
    if (!begin_line(log, peer, request_line)) return;
    text_put_all(&log->lines, NUMBER((size_t)status), STR(" "), NUMBER(body_len), STR("\n"));
}

void log_closed(struct log *log, const char *peer, const char *reason) {
    if (!begin_line(log, peer, STR("-"))) return;
    text_put_all(&log->lines, STR("closed: "), str_of(reason), STR("\n"));
}

void log_statement(struct log *log, const char *statement, struct str parameter) {
    if (!reserve_line(log)) return;
    text_put_all(&log->lines, str_of(statement), STR("  ['"));
    put_escaped(&log->lines, parameter);
    text_put(&log->lines, STR("']\n"));
}
