/* db.c - the tables `users` and `user_sessions`, in memory.
 *
 *     users, in the order of insertion        the sessions of one user, by age
 *
 *     users_head --> [foo] --> [bar] --> NULL      [foo] <--> [s1] <--> [s4] <--> back to [foo]
 *                      ^         ^                            ^         ^
 *     user_buckets   --+---------+   session_buckets   -------+---------+
 *     by the hash of the username    by the first digits of the token
 *
 * The list of sessions gives the oldest one. A look-up goes through a hash index of chained
 * buckets, in which hash_next links the rows of a bucket.
 *
 *   - The token of a session is a SHA-1 over a secret, the time and a number that is never used
 *     twice. So it cannot be guessed.
 *   - No password is stored, only a SHA-1 over the secret, the username and the password.
 *   - An unknown username and a wrong password take the same steps and get the same response. A
 *     single login does not tell whether a username exists; thousands of failures can.
 *   - Each user may have max_sessions / users sessions. Beyond that their own oldest one is
 *     deleted. So no user can push out another's session, and the table never overflows.
 *   - After several consecutive failures a username must wait before the next attempt. The server
 *     never sleeps for that.
 *
 * All memory is allocated by db_create and db_add_user. This file knows nothing of HTTP, and it
 * must not read a clock: callers pass `now`.
 */
#include "db.h"

#include <stdlib.h>

struct db {
    struct db_options options;
    struct user *users_head, **users_tail; /* *users_tail is where the next row is linked */
    uint32_t user_count;
    uint64_t last_session_id;
    struct session *session_rows; /* all rows */
    size_t first_unused; /* rows from here on were never used, so they take no physical memory */
    struct session *free_sessions; /* rows that were used before */
    struct user **user_buckets;
    struct session **session_buckets;
    size_t user_mask, session_mask; /* number of buckets - 1 */
    struct login_failures shared_failures[DB_SHARED_COUNTS];
};

/* ---- Echo ---- */

/* Reports the SQL statement that the Python original would run. This program runs no SQL. */
static void echo(const struct db *db, const char *statement, struct str parameter) {
    if (db->options.echo) db->options.echo(statement, parameter);
}

static struct str token_of(const struct session *session) {
    return (struct str){session->token, DB_TOKEN_LEN};
}

/* ---- Create and destroy ---- */

/* Returns a power of two, with at least one bucket for each row: that keeps the chains short. */
static size_t bucket_count(size_t rows) {
    size_t count = 1;
    while (count < rows) count *= 2;
    return count;
}

uint64_t db_memory_size(const struct db_options *options) {
    uint64_t user_buckets = bucket_count(options->max_users);
    uint64_t session_buckets = bucket_count(options->max_sessions);
    return sizeof(struct db) + options->max_sessions * (uint64_t)sizeof(struct session) +
           user_buckets * sizeof(struct user *) + session_buckets * sizeof(struct session *);
}

struct db *db_create(const struct db_options *options) {
    struct db *db = calloc(1, sizeof *db);
    if (!db) return NULL;
    db->options = *options;
    db->users_tail = &db->users_head;
    db->user_mask = bucket_count(options->max_users) - 1;
    db->session_mask = bucket_count(options->max_sessions) - 1;
    db->session_rows = calloc(options->max_sessions, sizeof *db->session_rows);
    db->user_buckets = calloc(db->user_mask + 1, sizeof(struct user *));
    db->session_buckets = calloc(db->session_mask + 1, sizeof(struct session *));
    if (db->session_rows && db->user_buckets && db->session_buckets) return db;
    db_destroy(db);
    return NULL;
}

void db_destroy(struct db *db) {
    while (db->users_head) {
        struct user *user = db->users_head;
        db->users_head = user->next;
        free(user);
    }
    free(db->session_rows);
    free(db->user_buckets);
    free(db->session_buckets);
    free(db);
}

/* ---- Hashes ---- */

/* FNV-1a, seeded with a part of the secret so that a list of usernames that collide cannot be
 * made in advance. 64 bits make an accidental collision negligible; find_failures relies on
 * that. */
static uint64_t hash_name(const struct db *db, struct str name) {
    uint64_t hash;
    memcpy(&hash, db->options.secret, sizeof hash);
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)name.s[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

/* The length of the name is hashed before the name, so that ("ab", "c") and ("a", "bc") differ. */
static void hash_password(const struct db *db, struct str name, struct str password,
                          unsigned char digest[SHA1_SIZE]) {
    struct sha1 sha1;
    unsigned char name_len = (unsigned char)name.len;
    sha1_init(&sha1);
    sha1_update(&sha1, db->options.secret, DB_SECRET_SIZE);
    sha1_update(&sha1, &name_len, 1);
    sha1_update(&sha1, name.s, name.len);
    sha1_update(&sha1, password.s, password.len);
    sha1_final(&sha1, digest);
}

/* The time that it takes does not depend on where a and b differ, so it reveals nothing about
 * them. */
static bool constant_time_equal(const void *a, const void *b, size_t len) {
    const unsigned char *x = a, *y = b;
    unsigned diff = 0;
    for (size_t i = 0; i < len; i++) diff |= (unsigned)(x[i] ^ y[i]);
    return diff == 0;
}

/* ---- users ---- */

bool db_add_user(struct db *db, struct str username, struct str password) {
    uint64_t hash = hash_name(db, username);
    struct user **bucket = &db->user_buckets[hash & db->user_mask];
    for (const struct user *user = *bucket; user; user = user->hash_next)
        if (str_equal(user->username, username)) return false;
    if (db->user_count == db->options.max_users) return false;
    struct user *user = calloc(1, sizeof *user + username.len);
    if (!user) return false;
    char *name = (char *)(user + 1);
    memcpy(name, username.s, username.len);
    user->username = (struct str){name, username.len};
    user->id = ++db->user_count;
    user->sessions = (struct link){&user->sessions, &user->sessions};
    user->failures.name_hash = hash;
    hash_password(db, username, password, user->password_hash);
    user->hash_next = *bucket;
    *bucket = user;
    *db->users_tail = user;
    db->users_tail = &user->next;
    echo(db, "INSERT INTO users (username, password) VALUES (?, '***')", username);
    return true;
}

/* Returns the first user in the bucket of this hash or, if the bucket is empty, in the next one
 * that is not. So the look-up of an unknown username reads the row of some user too, and takes
 * about as long as that of a known one. */
static struct user *first_candidate(const struct db *db, uint64_t hash) {
    size_t bucket = (size_t)hash & db->user_mask;
    while (db->users_head && !db->user_buckets[bucket]) bucket = (bucket + 1) & db->user_mask;
    return db->user_buckets[bucket];
}

/* Returns the failure count of a username: the user's own, or one that unknown usernames share. The
 * walk does not end early, so it takes about the same time whether the user exists or not. */
static struct login_failures *find_failures(struct db *db, uint64_t hash) {
    struct login_failures *failures = &db->shared_failures[hash % DB_SHARED_COUNTS];
    for (struct user *user = first_candidate(db, hash); user; user = user->hash_next)
        failures = user->failures.name_hash == hash ? &user->failures : failures;
    return failures;
}

/* The delay is 1, 2, 4, 8, 16, 32, 60, 60 ... seconds after the latest failure. */
unsigned db_login_delay(struct db *db, struct str username, int64_t now) {
    uint64_t hash = hash_name(db, username);
    uint32_t max = db->options.max_failures;
    const struct login_failures *failures = find_failures(db, hash);
    if (max == 0 || failures->name_hash != hash || failures->count < max) return 0;
    uint32_t excess = failures->count - max;
    int64_t end = failures->last_at + (excess < 6 ? 1 << excess : 60) * NS_PER_S;
    return now < end ? (unsigned)((end - now + NS_PER_S - 1) / NS_PER_S) : 0;
}

/* Each user has a count of their own. Unknown usernames share counts, and a count belongs to one
 * name at a time: a failure of this name increments it, a failure of another name decrements it,
 * and at 0 the next name takes it over. This is the majority vote of Boyer and Moore. For
 * example: A fails three times (A:3), B fails (A:2), B fails twice (A:0), B fails (B:1).
 *
 * So unknown names are delayed like known ones, in a fixed amount of memory. An attacker can still
 * tell unknown names from known ones: thousands of failures under other names lower a shared count,
 * but never the count of a user. */
static void count_failure(struct login_failures *failures, uint64_t hash, int64_t now) {
    if (failures->name_hash != hash && failures->count > 0) {
        failures->count--;
        return;
    }
    failures->name_hash = hash;
    failures->last_at = now;
    failures->count += failures->count < UINT32_MAX;
}

/* Usernames are not compared: the name is part of what is hashed, so only the hash of the right
 * user can match. */
struct user *db_authenticate(struct db *db, struct str username, struct str password, int64_t now) {
    unsigned char digest[SHA1_SIZE];
    uint64_t hash = hash_name(db, username);
    struct user *user = first_candidate(db, hash);
    echo(db, "SELECT * FROM users WHERE username = ? AND password = '***' LIMIT 1", username);
    hash_password(db, username, password, digest);
    while (user && !constant_time_equal(user->password_hash, digest, sizeof digest))
        user = user->hash_next;
    if (user)
        user->failures.count = 0;
    else
        count_failure(find_failures(db, hash), hash, now);
    return user;
}

/* ---- user_sessions ---- */

/* The first eight digits choose the bucket. A multiplication mixes their bits. A token that was
 * made up leads to some bucket too, and is not found there. */
static struct session **session_bucket(const struct db *db, const char *token) {
    uint64_t digits;
    memcpy(&digits, token, sizeof digits);
    return &db->session_buckets[((digits * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & db->session_mask];
}

/* A SHA-1 in hexadecimal, as in the Python original; over the secret, the time and the row's id. */
static void make_token(const struct db *db, struct session *session) {
    const uint64_t nonce[] = {(uint64_t)session->created_at, session->id};
    unsigned char digest[SHA1_SIZE];
    struct sha1 sha1;
    sha1_init(&sha1);
    sha1_update(&sha1, db->options.secret, DB_SECRET_SIZE);
    sha1_update(&sha1, nonce, sizeof nonce);
    sha1_final(&sha1, digest);
    for (size_t i = 0; i < SHA1_SIZE; i++) {
        session->token[2 * i] = hex_digit(digest[i] >> 4);
        session->token[2 * i + 1] = hex_digit(digest[i]);
    }
}

/* The token is erased with the rest of the row. */
static void delete_session(struct db *db, struct session *session) {
    struct session **place = session_bucket(db, session->token);
    echo(db, "DELETE FROM user_sessions WHERE session_id = ?", token_of(session));
    while (*place != session) place = &(*place)->hash_next;
    *place = session->hash_next;
    session->by_age.prev->next = session->by_age.next;
    session->by_age.next->prev = session->by_age.prev;
    session->user->session_count--;
    secure_zero(session, sizeof *session);
    session->hash_next = db->free_sessions;
    db->free_sessions = session;
}

/* Takes a row that is not in use. There is always one, because users * share <= rows. */
static struct session *alloc_session(struct db *db) {
    struct session *session = db->free_sessions;
    if (!session) return &db->session_rows[db->first_unused++];
    db->free_sessions = session->hash_next;
    return session;
}

const struct session *db_add_session(struct db *db, struct user *user, int64_t now) {
    if (user->session_count >= db->options.max_sessions / db->user_count)
        delete_session(db, (struct session *)user->sessions.next);
    struct session *session = alloc_session(db);
    session->id = ++db->last_session_id;
    session->user = user;
    session->created_at = session->last_used_at = now;
    make_token(db, session);
    struct session **bucket = session_bucket(db, session->token);
    session->hash_next = *bucket;
    *bucket = session;
    session->by_age = (struct link){user->sessions.prev, &user->sessions};
    user->sessions.prev->next = &session->by_age;
    user->sessions.prev = &session->by_age;
    user->session_count++;
    echo(db, "INSERT INTO user_sessions (session_id) VALUES (?)", token_of(session));
    return session;
}

static struct session *find_session(const struct db *db, struct str token) {
    echo(db, "SELECT * FROM user_sessions WHERE session_id = ? LIMIT 1", token);
    if (token.len != DB_TOKEN_LEN) return NULL;
    struct session *session = *session_bucket(db, token.s);
    while (session && !constant_time_equal(session->token, token.s, DB_TOKEN_LEN))
        session = session->hash_next;
    return session;
}

static bool is_expired(const struct db *db, const struct session *session, int64_t now) {
    int64_t idle_timeout = db->options.idle_timeout, max_lifetime = db->options.max_lifetime;
    if (idle_timeout > 0 && now - session->last_used_at >= idle_timeout) return true;
    return max_lifetime > 0 && now - session->created_at >= max_lifetime;
}

const struct session *db_use_session(struct db *db, struct str token, int64_t now) {
    struct session *session = find_session(db, token);
    if (!session) return NULL;
    if (is_expired(db, session, now)) {
        delete_session(db, session);
        return NULL;
    }
    session->last_used_at = now;
    echo(db, "UPDATE user_sessions SET last_used_at = CURRENT_TIMESTAMP WHERE session_id = ?",
         token_of(session));
    return session;
}

void db_delete_session(struct db *db, struct str token) {
    struct session *session = find_session(db, token);
    if (session) delete_session(db, session);
}
