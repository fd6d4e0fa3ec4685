/* states_db.c - visits every state that the table of sessions can reach, by any number of operations.
 *
 * There are 2 users, 4 rows and 4 buckets. A state is what the links say: which sessions are in which
 * lists, in which order. Times and ids are no part of it: whether a session has expired is chosen
 * anew for each operation, and so is the bucket of each new session. So the states are finitely many,
 * although operations, times and ids are not. From each state every operation is tried once, and
 * the rules at the head of db.c are checked after each.
 *
 * SHA-1 is replaced: its digest is the token that the walk has chosen.
 */
#include "../../db.c"

#include <stdio.h>

enum { USERS = 2, ROWS = 4, BUCKETS = 4, SHARE = ROWS / USERS, SERIALS = ROWS + 1 };
enum { MAX_STATES = 1 << 16 };

static unsigned char next_digest[SHA1_SIZE];
void sha1_init(struct sha1 *sha1) { (void)sha1; }
void sha1_update(struct sha1 *sha1, const void *data, size_t len) {
    (void)sha1, (void)data, (void)len;
}
void sha1_final(struct sha1 *sha1, unsigned char digest[SHA1_SIZE]) {
    (void)sha1;
    memcpy(digest, next_digest, SHA1_SIZE);
}

/* One digest for each serial number and bucket, found by trial. */
static unsigned char digests[SERIALS][BUCKETS][SHA1_SIZE];

static struct db *db;
static struct user *users[USERS];

/* ---- States ---- */

struct snapshot {
    struct db db;
    struct session rows[ROWS];
    struct session *buckets[BUCKETS];
    struct user users[USERS];
};

/* What two states have in common if they are the same: the rows of each list, by number. */
struct key {
    signed char by_age[USERS][ROWS + 1], bucket[BUCKETS][ROWS + 1], free[ROWS + 1], first_unused;
};

#include "walk.h"

static void save(struct snapshot *to) {
    to->db = *db;
    memcpy(to->rows, db->session_rows, sizeof to->rows);
    memcpy(to->buckets, db->session_buckets, sizeof to->buckets);
    for (int i = 0; i < USERS; i++) to->users[i] = *users[i];
}

/* All pointers stay valid, because everything returns to its own address. */
static void restore(const struct snapshot *from) {
    *db = from->db;
    memcpy(db->session_rows, from->rows, sizeof from->rows);
    memcpy(db->session_buckets, from->buckets, sizeof from->buckets);
    for (int i = 0; i < USERS; i++) *users[i] = from->users[i];
}

static signed char row_number(const struct session *session) {
    check(session >= db->session_rows && session < db->session_rows + ROWS,
          "a list links only rows of the table");
    return (signed char)(session - db->session_rows);
}

/* ---- The rules ---- */

enum use { UNUSED, FREE, LISTED, INDEXED };

static void walk_user(int u, enum use use[ROWS], struct key *key) {
    const struct link *head = &users[u]->sessions;
    int count = 0;
    for (const struct link *link = head->next; link != head; link = link->next, count++) {
        const struct session *session = (const struct session *)link;
        signed char row = row_number(session);
        check(use[row] == UNUSED, "a session is in one list, once");
        check(link->next->prev == link && link->prev->next == link, "links point both ways");
        check(session->user == users[u], "a session is in the list of its user");
        use[row] = LISTED;
        key->by_age[u][count] = row;
    }
    check(head->next->prev == head && head->prev->next == head, "a list is a circle");
    check((int)users[u]->session_count == count, "session_count is the length of the list");
    check(count <= SHARE, "a user has at most their share");
}

static void walk_bucket(int b, enum use use[ROWS], struct key *key) {
    int count = 0;
    for (const struct session *s = db->session_buckets[b]; s; s = s->hash_next) {
        signed char row = row_number(s);
        check(use[row] == LISTED, "the index holds each session once, and no other row");
        check(session_bucket(db, s->token) == &db->session_buckets[b],
              "a session is in the bucket of its token");
        use[row] = INDEXED;
        key->bucket[b][count++] = row;
    }
}

static void walk_free(enum use use[ROWS], struct key *key) {
    static const char zeros[DB_TOKEN_LEN];
    int count = 0;
    for (const struct session *s = db->free_sessions; s; s = s->hash_next) {
        signed char row = row_number(s);
        check(use[row] == UNUSED, "a free row is free once, and no session");
        check(memcmp(s->token, zeros, sizeof zeros) == 0 && !s->user, "a free row is erased");
        use[row] = FREE;
        key->free[count++] = row;
    }
}

/* Checks the state and returns its key. */
static struct key check_state(void) {
    struct key key;
    enum use use[ROWS] = {UNUSED};
    memset(&key, -1, sizeof key);
    for (int u = 0; u < USERS; u++) walk_user(u, use, &key);
    for (int b = 0; b < BUCKETS; b++) walk_bucket(b, use, &key);
    walk_free(use, &key);
    check(db->first_unused <= ROWS, "no row behind the table is used");
    for (size_t row = 0; row < ROWS; row++)
        check(row < db->first_unused ? use[row] == FREE || use[row] == INDEXED : use[row] == UNUSED,
              "each row is a session that can be found, or free, or was never used");
    key.first_unused = (signed char)db->first_unused;
    return key;
}

static void arrive(void) {
    struct key key = check_state();
    arrive_at(&key);
}

/* ---- Operations ---- */

/* Chooses a digest that no session has, in this bucket. */
static void choose_token(int bucket) {
    for (int serial = 0; serial < SERIALS; serial++) {
        bool taken = false;
        for (int b = 0; b < BUCKETS; b++)
            for (const struct session *s = db->session_buckets[b]; s; s = s->hash_next)
                taken = taken || s->token[1] == hex_digit(serial);
        if (taken) continue;
        memcpy(next_digest, digests[serial][bucket], SHA1_SIZE);
        return;
    }
    check(false, "there is a token left");
}

static struct str copy_token(const struct session *session, char copy[DB_TOKEN_LEN]) {
    memcpy(copy, session->token, DB_TOKEN_LEN);
    return (struct str){copy, DB_TOKEN_LEN};
}

static void add(int u, int bucket) {
    char oldest[DB_TOKEN_LEN];
    operation = "add";
    bool full = users[u]->session_count == SHARE;
    uint32_t count = users[u]->session_count, others = users[1 - u]->session_count;
    if (full) copy_token((const struct session *)users[u]->sessions.next, oldest);
    choose_token(bucket);
    const struct session *session = db_add_session(db, users[u], 0);
    check(users[u]->sessions.prev == &session->by_age, "a new session is the newest of its user");
    check(users[u]->session_count == (full ? SHARE : count + 1), "one session is added");
    check(users[1 - u]->session_count == others, "no other user loses a session");
    check(db_use_session(db, token_of(session), 0) == session, "a new session is found");
    if (full)
        check(!db_use_session(db, (struct str){oldest, DB_TOKEN_LEN}, 0), "the oldest one is gone");
    arrive();
}

/* A session is used in time, used too late, or deleted. */
static void end(const struct snapshot *state, int row) {
    char copy[DB_TOKEN_LEN];
    struct session *session = &db->session_rows[row];
    if (!session->user) return;
    struct str token = copy_token(session, copy);
    operation = "use";
    check(db_use_session(db, token, 9) == session, "a session that is in time is found");
    session->last_used_at = 0;
    arrive();
    for (int by_delete = 0; by_delete < 2; by_delete++) {
        restore(state);
        operation = by_delete ? "delete" : "expire";
        if (by_delete)
            db_delete_session(db, token);
        else
            check(!db_use_session(db, token, 10), "a session that has expired is not found");
        check(!db_use_session(db, token, 0), "a session that has ended is gone");
        arrive();
    }
}

/* A token that does not exist is not found, whatever its bucket, and changes nothing. */
static void miss(const struct snapshot *state) {
    struct snapshot after;
    operation = "unknown token";
    for (int b = 0; b < BUCKETS; b++) {
        char token[DB_TOKEN_LEN + 1] = "";
        for (size_t i = 0; i < SHA1_SIZE; i++)
            sprintf(token + 2 * i, "%02x", digests[SERIALS - 1][b][i]);
        token[DB_TOKEN_LEN - 1] = 'x';
        check(!db_use_session(db, (struct str){token, DB_TOKEN_LEN}, 0), "it is not found");
        db_delete_session(db, (struct str){token, DB_TOKEN_LEN});
    }
    save(&after);
    check(memcmp(after.rows, state->rows, sizeof after.rows) == 0 &&
              memcmp(after.buckets, state->buckets, sizeof after.buckets) == 0,
          "an unknown token changes nothing");
}

static void try_all_operations(const struct snapshot *state) {
    for (int u = 0; u < USERS; u++)
        for (int b = 0; b < BUCKETS; b++) {
            restore(state);
            add(u, b);
        }
    for (int row = 0; row < ROWS; row++) {
        restore(state);
        end(state, row);
    }
    restore(state);
    miss(state);
}

/* ---- Start ---- */

/* The serial number is in the second digit; the last digits are tried until the bucket is right. */
static void find_digests(void) {
    for (int serial = 0; serial < SERIALS; serial++)
        for (int bucket = 0; bucket < BUCKETS; bucket++) {
            unsigned char *digest = digests[serial][bucket];
            char token[DB_TOKEN_LEN + 1];
            do {
                digest[0] = (unsigned char)serial;
                digest[1]++;
                for (size_t i = 0; i < SHA1_SIZE; i++) sprintf(token + 2 * i, "%02x", digest[i]);
            } while (session_bucket(db, token) != &db->session_buckets[bucket]);
        }
}

int main(void) {
    struct db_options options = {.max_users = USERS, .max_sessions = ROWS, .idle_timeout = 10};
    snapshots = calloc(MAX_STATES, sizeof *snapshots);
    keys = calloc(MAX_STATES, sizeof *keys);
    db = db_create(&options);
    if (!snapshots || !keys || !db) return 1;
    find_digests();
    check(db->session_mask == BUCKETS - 1, "there are as many buckets as the walk expects");
    check(db_add_user(db, STR("a"), STR("x")) && db_add_user(db, STR("b"), STR("x")) &&
              !db_add_user(db, STR("c"), STR("x")),
          "there is room for two users");
    users[0] = db->users_head;
    users[1] = users[0]->next;
    arrive();
    walk("db.c", try_all_operations);
    return 0;
}
