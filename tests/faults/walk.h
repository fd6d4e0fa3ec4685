/* walk.h - a client that walks through all that the server does. See the head of walk.c. */
#ifndef WALK_H
#define WALK_H

#include "plan.h"

struct client {
    int fd;
    size_t len;    /* bytes in `in` */
    char in[2048]; /* what has come and was not heard yet */
};

extern struct plan *plan; /* of the server that is talked to, its address among it */
extern int patience;      /* ms that an answer may take */
extern char heard[2048];  /* the latest answer */

/* Connects. A client with fd -1 is one that could not. */
struct client dial(void);
void hang_up(struct client *c);

bool say(struct client *c, const char *text);

/* Whether an answer with this status comes next; it is in `heard` then. */
bool hear(struct client *c, int status);

/* Whether the server ends the connection, whatever it says before. */
bool is_closed(struct client *c);

bool log_in(struct client *c, char session[41]);

/* Sends the request with this method and path and the session's cookie. Whether the answer has this
 * status. */
bool ask_as(struct client *c, const char *session, const char *line, int status);

/* Logs in and is greeted, on a connection of its own. */
bool is_served(void);

/* Takes all steps, or up to the first that goes wrong. Returns how many went otherwise than they
 * should, and adds their names to `wrong`. */
int walk(bool stop_early, char *wrong, size_t room);

#endif
