/* db.h - the tables `users` and `user_sessions`, in memory. See the head of db.c for the rules. */
#ifndef DB_H
#define DB_H

#include "sha1.h"
#include "str.h"

#define DB_SECRET     32  /* bytes of the secret that all hashes are keyed with */
#define DB_NAME       255 /* bytes in a user's name or password, at most */
#define DB_SESSION_ID 40  /* hexadecimal digits in a session's id */
#define DB_COUNTERS   256 /* counters of failed logins under names that nobody has */
#define DB_SECOND     INT64_C(1000000000) /* times are in ns, on a clock that only goes forward */

/* Failed logins in a row under the name with this hash. */
struct counter {
    int64_t last; /* when the latest one was */
    uint64_t name;
    uint32_t failures;
};

/* A row of users. */
struct user {
    struct user *next;               /* in the table, in the order of insertion */
    struct user *chain;              /* the next one in this bucket of the index */
    struct session *oldest, *newest; /* this user's rows of user_sessions */
    uint32_t id, sessions;           /* the row's number, from 1, and how many sessions there are */
    unsigned char password[SHA1_SIZE]; /* a keyed hash of name and password */
    struct str username;
    struct counter counter;
};

/* A row of user_sessions. */
struct session {
    struct session *older, *newer; /* of the same user, in the order of insertion */
    struct session *chain; /* the next one in this bucket of the index, or in the free list */
    struct user *user;
    uint64_t id; /* the row's number, from 1 */
    int64_t born, used;
    char session_id[DB_SESSION_ID];
};

struct db_options {
    unsigned char secret[DB_SECRET]; /* unknown to everybody else, another one at each start */
    size_t users, sessions;          /* rows; there are never fewer sessions than users */
    int64_t idle, lifetime;          /* ns that a session lives unused, and at all; 0 is for ever */
    uint32_t failures;               /* wrong logins in a row before a name is slowed; 0 is never */
};

struct db;

/* The bytes of memory that db_create takes; db_add_user takes a row and the name for each user. */
uint64_t db_memory(const struct db_options *options);

/* Sets the tables aside. Returns NULL where there is no memory. */
struct db *db_create(const struct db_options *options);
void db_destroy(struct db *db);

/* Adds a user; a name and a password have 1 to DB_NAME bytes. Returns false where the name is taken
 * or all rows are. All users come before the first session: the shares depend on how many there are. */
bool db_add_user(struct db *db, struct str username, struct str password);

/* Seconds that must pass before a login as `username` is looked at again, 0 if none. The name need
 * not exist. */
unsigned db_login_wait(struct db *db, struct str username, int64_t now);

/* The user with this name and password, or NULL; either is counted for db_login_wait. */
struct user *db_find_user(struct db *db, struct str username, struct str password, int64_t now);

/* Adds a session of `user`; where the user's share of rows is full, their oldest one ends. */
const struct session *db_add_session(struct db *db, struct user *user, int64_t now);

/* The session with this id, which is used by that, or NULL. */
const struct session *db_find_session(struct db *db, struct str session_id, int64_t now);

/* Ends the session with this id, if there is one. */
void db_delete_session(struct db *db, struct str session_id);

#endif
