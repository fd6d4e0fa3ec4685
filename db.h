/* db.h - the tables `users` and `user_sessions`, in memory. The head of db.c has the rules and a
 * drawing. */
#ifndef DB_H
#define DB_H

#include "clock.h"
#include "sha1.h"
#include "str.h"

#define DB_SECRET_SIZE 32  /* bytes of the secret key of all hashes */
#define DB_MAX_NAME    255 /* bytes in a username or a password */
#define DB_TOKEN_LEN   40  /* hexadecimal digits in a session_id */

/* Failure counts that unknown usernames share, 24 bytes each; see count_failure in db.c. A build
 * for a small board may lower it. */
#ifndef DB_SHARED_COUNTS
#define DB_SHARED_COUNTS 256
#endif

/* Consecutive failed logins for one username. */
struct login_failures {
    int64_t last_at; /* when the latest one happened */
    uint64_t name_hash;
    uint32_t count;
};

/* A link of a circular list. The list of a user's sessions begins and ends at the user, and an
 * empty list links to itself. So inserting and removing need no special case. */
struct link {
    struct link *prev, *next;
};

/* A row of `users`. Callers may read `username`; the other columns belong to db.c. */
struct user {
    uint32_t id; /* from 1 */
    struct str username;
    unsigned char password_hash[SHA1_SIZE]; /* keyed; of name and password */
    struct login_failures failures;
    struct user *next;      /* in the order of insertion */
    struct user *hash_next; /* in the same bucket of the index */
    struct link sessions;   /* `next` is the oldest session, `prev` the newest */
    uint32_t session_count;
};

/* A row of `user_sessions`. Callers may read `token` and `user`. */
struct session {
    struct link by_age;       /* among the sessions of the user; must be the first member */
    uint64_t id;              /* from 1 */
    char token[DB_TOKEN_LEN]; /* the column session_id, which the cookie holds */
    struct user *user;
    int64_t created_at, last_used_at;
    struct session *hash_next; /* in the same bucket of the index, or in the free list */
};

struct db_options {
    unsigned char secret[DB_SECRET_SIZE]; /* random, and new at every start */
    size_t max_users, max_sessions;       /* max_sessions >= max_users */
    int64_t idle_timeout, max_lifetime;   /* of a session, in ns; 0 = none */
    /* Consecutive failed logins before a username must wait; 0 = unlimited. */
    uint32_t max_failures;
    /* Called with the SQL statement that the Python original would run, and its parameter.
     * May be NULL. */
    void (*echo)(const char *statement, struct str parameter);
};

struct db;

/* Returns the bytes that db_create allocates. Each user takes sizeof(struct user) and the length
 * of the username in addition. */
uint64_t db_memory_size(const struct db_options *options);

/* Allocates empty tables. Returns NULL if out of memory. */
struct db *db_create(const struct db_options *options);
void db_destroy(struct db *db);

/* Adds a user. Name and password have 1 to DB_MAX_NAME bytes. Returns false if the name exists, the
 * table is full, or memory is out (only then errno is set). Add all users before the first session:
 * the share of a user in the sessions depends on the number of users. */
bool db_add_user(struct db *db, struct str username, struct str password);

/* Returns the seconds to wait before the next login attempt for this username, or 0. The username
 * need not exist. */
unsigned db_login_delay(struct db *db, struct str username, int64_t now);

/* Checks a password. Returns the user, and resets the failures of the username; or returns NULL,
 * and counts one more failure for it (see db_login_delay). */
struct user *db_authenticate(struct db *db, struct str username, struct str password, int64_t now);

/* Adds a session of `user` and returns it. If the user's share of the sessions is used up, the
 * oldest of their sessions is deleted, even if a younger one has expired. */
const struct session *db_add_session(struct db *db, struct user *user, int64_t now);

/* Finds the session with this token and restarts its idle timeout. Returns NULL if it does not
 * exist, or has expired; then it is deleted. */
const struct session *db_use_session(struct db *db, struct str token, int64_t now);

/* Deletes the session with this token, if there is one. */
void db_delete_session(struct db *db, struct str token);

#endif
