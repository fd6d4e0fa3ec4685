/* db.c - the tables `users` and `user_sessions`, in memory.
 *
 * Users are a linked list in the order of insertion; each user's sessions are another one that hangs
 * from the user. A look-up does not walk them: an index of buckets, picked by a hash, leads to a
 * row in a step or two, however many rows there are.
 *
 *   - A session's id is a SHA-1 over a secret, the time and the row's number, so it can be neither
 *     guessed nor made up; its own first digits pick the bucket.
 *   - No password is kept, only a SHA-1 over the secret, the name and the password.
 *   - Unknown names and wrong passwords cost the same steps and get the same answer.
 *   - A user may hold rows/users sessions. Over that their own oldest gives way, so that nobody
 *     costs another user a session and the table is never full.
 *   - After some failures in a row a name must wait before it may try again; nothing ever sleeps.
 *
 * All memory is set aside by db_create and db_add_user; after that nothing is allocated. It never
 * knows HTTP, and it never reads a clock: callers say what time it is.
 */
#include "db.h"

#include <stdlib.h>

struct db {
    struct db_options options;
    struct user *first, **end; /* the table users, and where its next row is linked in */
    uint32_t user_count;
    uint64_t last_session_id;
    struct session *free; /* rows of user_sessions that are not in use any more */
    struct session *rows; /* all of them; from [fresh] on none was ever touched */
    size_t fresh;
    struct user **users_by_name; /* buckets, the mask of their number below */
    struct session **sessions_by_id;
    size_t user_mask, session_mask;
    struct counter counters[DB_COUNTERS];
};

/* ---- The start and the end ---- */

/* How many buckets keep the chains short: a power of two, at least one for each row. */
static size_t bucket_count(size_t rows) {
    size_t count = 1;
    while (count < rows) count *= 2;
    return count;
}

uint64_t db_memory(const struct db_options *options) {
    uint64_t rows = options->sessions < options->users ? options->users : options->sessions;
    return sizeof(struct db) + rows * sizeof(struct session) +
           (uint64_t)bucket_count((size_t)rows) * sizeof(struct session *) +
           (uint64_t)bucket_count(options->users) * sizeof(struct user *);
}

struct db *db_create(const struct db_options *options) {
    struct db *db = calloc(1, sizeof *db);
    if (!db) return NULL;
    db->options = *options;
    db->end = &db->first;
    if (db->options.sessions < options->users) db->options.sessions = options->users;
    size_t rows = db->options.sessions;
    db->user_mask = bucket_count(options->users) - 1;
    db->session_mask = bucket_count(rows) - 1;
    db->rows = calloc(rows, sizeof *db->rows);
    db->users_by_name = calloc(db->user_mask + 1, sizeof(struct user *));
    db->sessions_by_id = calloc(db->session_mask + 1, sizeof(struct session *));
    if (!db->rows || !db->users_by_name || !db->sessions_by_id) {
        db_destroy(db);
        return NULL;
    }
    return db;
}

void db_destroy(struct db *db) {
    for (struct user *user = db->first, *next; user; user = next) {
        next = user->next;
        free(user);
    }
    free(db->rows);
    free(db->users_by_name);
    free(db->sessions_by_id);
    free(db);
}

/* ---- Hashes ---- */

/* FNV-1a begun at a part of the secret: enough to spread names, and which two share a bucket is not
 * known beforehand. With 64 bits no two names have one hash by chance. */
static uint64_t hash_name(const struct db *db, struct str name) {
    uint64_t hash;
    memcpy(&hash, db->options.secret, sizeof hash);
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)name.s[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

/* The name's length stands before it, so that no other pair makes the same bytes. */
static void hash_password(const struct db *db, struct str name, struct str password,
                          unsigned char digest[SHA1_SIZE]) {
    struct sha1 sha1;
    unsigned char length = (unsigned char)name.len;
    sha1_begin(&sha1);
    sha1_add(&sha1, db->options.secret, DB_SECRET);
    sha1_add(&sha1, &length, 1);
    sha1_add(&sha1, name.s, name.len);
    sha1_add(&sha1, password.s, password.len);
    sha1_end(&sha1, digest);
}

/* The same time is taken wherever two texts differ, so that it tells nothing about the secret one.
 * `len` is a multiple of 4. */
static bool equal_in_constant_time(const void *a, const void *b, size_t len) {
    uint32_t differ = 0, x, y;
    for (size_t i = 0; i < len; i += 4) {
        memcpy(&x, (const char *)a + i, 4);
        memcpy(&y, (const char *)b + i, 4);
        differ |= x ^ y;
    }
    return differ == 0;
}

/* ---- users ---- */

bool db_add_user(struct db *db, struct str username, struct str password) {
    uint64_t hash = hash_name(db, username);
    struct user **bucket = &db->users_by_name[hash & db->user_mask];
    for (struct user *user = *bucket; user; user = user->chain)
        if (str_equal(user->username, username)) return false;
    struct user *user =
        db->user_count < db->options.users ? calloc(1, sizeof *user + username.len) : NULL;
    if (!user) return false;
    char *name = (char *)(user + 1);
    memcpy(name, username.s, username.len);
    user->username = (struct str){name, username.len};
    user->counter.name = hash;
    user->id = ++db->user_count;
    hash_password(db, username, password, user->password);
    user->chain = *bucket;
    *bucket = user;
    *db->end = user;
    db->end = &user->next;
    return true;
}

/* The users in the bucket of this hash or, where there are none, in the next one that has some: so an
 * unknown name, too, waits for memory that was not looked at before. */
static struct user *find_chain(const struct db *db, uint64_t hash) {
    size_t bucket = (size_t)hash & db->user_mask;
    while (db->first && !db->users_by_name[bucket]) bucket = (bucket + 1) & db->user_mask;
    return db->users_by_name[bucket];
}

/* A user's own, or one that names share that nobody has. No name is compared and no walk ends early, so
 * that it takes the same time whether somebody has the name. */
static struct counter *find_counter(struct db *db, uint64_t hash) {
    struct counter *counter = &db->counters[hash % DB_COUNTERS];
    for (struct user *user = find_chain(db, hash); user; user = user->chain)
        counter = user->counter.name == hash ? &user->counter : counter;
    return counter;
}

/* 1, 2, 4 ... 30 seconds after the latest failure. */
unsigned db_login_wait(struct db *db, struct str username, int64_t now) {
    uint64_t hash = hash_name(db, username);
    uint32_t limit = db->options.failures;
    const struct counter *counter = find_counter(db, hash);
    if (limit == 0 || counter->name != hash || counter->failures < limit) return 0;
    uint32_t over = counter->failures - limit;
    int64_t until = counter->last + (over < 5 ? 1 << over : 30) * DB_SECOND;
    return now < until ? (unsigned)((until - now + DB_SECOND - 1) / DB_SECOND) : 0;
}

/* Names that nobody has share counters: the one that fails most holds it, a failure under another
 * takes one off, and at none it changes hands. With hundreds of failures under other names somebody
 * could so find out that nobody has a name; to forget a user's failures no number of them will do. */
static void count_failure(struct counter *counter, uint64_t hash, int64_t now) {
    if (counter->name != hash && counter->failures > 0)
        counter->failures--;
    else
        *counter =
            (struct counter){now, hash, counter->failures + (counter->failures < UINT32_MAX)};
}

/* The name is part of the digest, so no other user's fits. */
struct user *db_find_user(struct db *db, struct str username, struct str password, int64_t now) {
    unsigned char digest[SHA1_SIZE];
    uint64_t hash = hash_name(db, username);
    struct user *user = find_chain(db, hash);
    hash_password(db, username, password, digest);
    while (user && !equal_in_constant_time(user->password, digest, sizeof digest))
        user = user->chain;
    if (user)
        user->counter.failures = 0;
    else
        count_failure(find_counter(db, hash), hash, now);
    return user;
}

/* ---- user_sessions ---- */

/* The first eight digits, their bits mixed by a multiplication. What is no digit leads to some bucket
 * too, and there to no session. */
static struct session **id_bucket(const struct db *db, const char *session_id) {
    uint64_t digits;
    memcpy(&digits, session_id, sizeof digits);
    return &db->sessions_by_id[digits * UINT64_C(0x9e3779b97f4a7c15) >> 32 & db->session_mask];
}

/* As in the reference a SHA-1 in hexadecimal; over the time, the row's number and the secret. */
static void make_session_id(const struct db *db, struct session *session) {
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[SHA1_SIZE];
    const uint64_t once[] = {(uint64_t)session->born, session->id};
    struct sha1 sha1;
    sha1_begin(&sha1);
    sha1_add(&sha1, db->options.secret, DB_SECRET);
    sha1_add(&sha1, once, sizeof once);
    sha1_end(&sha1, digest);
    for (size_t i = 0; i < SHA1_SIZE; i++) {
        session->session_id[2 * i] = digits[digest[i] >> 4];
        session->session_id[2 * i + 1] = digits[digest[i] & 15];
    }
    wipe(digest, sizeof digest);
}

static void end_session(struct db *db, struct session *session) {
    struct user *user = session->user;
    struct session **link = id_bucket(db, session->session_id);
    while (*link != session) link = &(*link)->chain;
    *link = session->chain;
    *(session->older ? &session->older->newer : &user->oldest) = session->newer;
    *(session->newer ? &session->newer->older : &user->newest) = session->older;
    user->sessions--;
    *session = (struct session){.chain = db->free}; /* the id is gone from memory */
    db->free = session;
}

/* The shares of all users together are no more than the rows, so there is one. */
static struct session *take_row(struct db *db) {
    struct session *session = db->free;
    if (!session) return &db->rows[db->fresh++];
    db->free = session->chain;
    return session;
}

const struct session *db_add_session(struct db *db, struct user *user, int64_t now) {
    if (user->sessions >= db->options.sessions / db->user_count) end_session(db, user->oldest);
    struct session *session = take_row(db);
    *session = (struct session){
        .older = user->newest, .user = user, .id = ++db->last_session_id, .born = now, .used = now};
    make_session_id(db, session);
    struct session **bucket = id_bucket(db, session->session_id);
    session->chain = *bucket;
    *bucket = session;
    *(user->newest ? &user->newest->newer : &user->oldest) = session;
    user->newest = session;
    user->sessions++;
    return session;
}

static struct session *find_row(struct db *db, struct str session_id) {
    if (session_id.len != DB_SESSION_ID) return NULL;
    struct session *session = *id_bucket(db, session_id.s);
    while (session && !equal_in_constant_time(session->session_id, session_id.s, DB_SESSION_ID))
        session = session->chain;
    return session;
}

static bool has_ended(const struct db *db, const struct session *session, int64_t now) {
    int64_t idle = db->options.idle, lifetime = db->options.lifetime;
    return (idle > 0 && now - session->used >= idle) ||
           (lifetime > 0 && now - session->born >= lifetime);
}

const struct session *db_find_session(struct db *db, struct str session_id, int64_t now) {
    struct session *session = find_row(db, session_id);
    if (session && has_ended(db, session, now)) {
        end_session(db, session);
        return NULL;
    }
    if (session) session->used = now;
    return session;
}

void db_delete_session(struct db *db, struct str session_id) {
    struct session *session = find_row(db, session_id);
    if (session) end_session(db, session);
}
