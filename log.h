/* log.h - the access log, which never waits for a reader. The head of log.c has the rules. */
#ifndef LOG_H
#define LOG_H

#include "http.h"

#include <time.h>

struct log {
    bool quiet;        /* only statements are logged */
    int fd;            /* standard error, or the terminal behind it */
    bool blocked;      /* the output takes no more bytes at the moment: call log_flush again soon */
    bool failed;       /* the last write failed, and no line was added since */
    uint64_t dropped;  /* lines that did not fit; not yet reported */
    struct text lines; /* formatted, but not yet written */
    time_t second;     /* the second that `timestamp` was made for */
    char timestamp[24];
    char lines_storage[HTTP_BUFFER_SIZE];
};

/* Starts to log on standard error; this cannot fail. With `quiet` there are no lines for
 * requests and connections. */
void log_open(struct log *log, bool quiet);

/* Adds a line for a response: the client, the request-line, the status, and the Content-Length. */
void log_request(struct log *log, const char *peer, struct str request_line, int status,
                 size_t body_len);

/* Adds a line for a connection that was closed before everything was sent or received. */
void log_closed(struct log *log, const char *peer, const char *reason);

/* Adds a line for an SQL statement and its parameter. */
void log_statement(struct log *log, const char *statement, struct str parameter);

/* Writes as much as is possible without blocking. */
void log_flush(struct log *log);

/* Closes what log_open has opened. Flush the log before. */
void log_end(struct log *log);

#endif
