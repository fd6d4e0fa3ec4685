/* scenario.h - clients that make the server do everything that it can do. See the head of scenario.c. */
#ifndef SCENARIO_H
#define SCENARIO_H

extern int max_wait; /* ms that a response may take */

#define MAX_WAIT max_wait
#include "../client.h"
#include "injection.h"

extern struct injection *injection; /* of the server that the clients connect to */

/* Connects. The client has fd -1 if that fails. */
struct client connect_client(void);

/* Reads the next response. Returns whether it has this status and all its parts. */
bool read_status(struct client *c, int status);

/* Returns whether the server closes the connection, after any bytes. */
bool is_closed(struct client *c);

/* Logs in, and stores the session id. */
bool begin_session(struct client *c, char session[41]);

/* Sends a request with this method and path, and the cookie of the session. Returns whether the
 * response has this status. */
bool ask_as(struct client *c, const char *session, const char *line, int status);

/* Logs in and is greeted, on a connection of its own. */
bool is_served(void);

/* Runs all steps, or up to the first that fails. Returns how many failed, and stores their names in
 * `failed`. */
int run_scenario(bool stop_early, char *failed, size_t size);

#endif
