/* test_db.c - tests db.c: who may log in, which sessions exist, and who must wait. The tests move
 * the clock.
 *
 * They see the tables only through db.h. That nothing is allocated after the users were added is
 * tested by tests/fault, which runs the whole server and watches malloc.
 */
#include "db.h"
#include "tests/test.h"

#include <errno.h>
#include <stdlib.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define TOKENS       65536              /* tokens whose randomness is tested */
#define YEARS_36     (INT64_C(1) << 60) /* in ns */
#define SEC(n)       ((int64_t)(n)*NS_PER_S)

/* ---- The tables under test ---- */

/* Options without timeouts and login delays. */
static struct db_options defaults(size_t users, size_t sessions) {
    struct db_options options = {.max_users = users, .max_sessions = sessions};
    memset(options.secret, 0x5e, sizeof options.secret);
    return options;
}

static struct db *create(struct db_options options) {
    struct db *db = db_create(&options);
    if (!db) test_give_up("create the tables");
    return db;
}

/* Adds users whose passwords are their names, and stores their rows. */
static void add_users(struct db *db, const char *const names[], size_t count,
                      struct user *users[]) {
    for (size_t i = 0; i < count; i++) {
        CHECK(db_add_user(db, str_of(names[i]), str_of(names[i])));
        users[i] = db_authenticate(db, str_of(names[i]), str_of(names[i]), 0);
        CHECK(users[i] != NULL);
    }
}

/* Returns the session of this user that is one newer than `session`, or the oldest one for NULL.
 * No other function of this file looks at the list. */
static const struct session *next_session(const struct user *user, const struct session *session) {
    const struct link *link = session ? session->by_age.next : user->sessions.next;
    return link == &user->sessions ? NULL : (const struct session *)link;
}

/* A copy of a token, which stays when the session is deleted. */
struct token {
    char digits[DB_TOKEN_LEN];
};

static struct str token_str(const struct token *token) {
    return (struct str){token->digits, sizeof token->digits};
}

static struct token log_in(struct db *db, struct user *user, int64_t now) {
    struct token token;
    memcpy(token.digits, db_add_session(db, user, now)->token, sizeof token.digits);
    return token;
}

/* Uses a session. Returns its user, or NULL if there is no such session. */
static const struct user *user_of(struct db *db, const struct token *token, int64_t now) {
    const struct session *session = db_use_session(db, token_str(token), now);
    return session ? session->user : NULL;
}

static void log_out(struct db *db, const struct token *token) {
    db_delete_session(db, token_str(token));
}

/* Returns whether the memory contains these bytes. */
static bool contains(const void *memory, size_t size, const void *bytes, size_t len) {
    const char *at = memory;
    for (size_t i = 0; i + len <= size; i++)
        if (memcmp(at + i, bytes, len) == 0) return true;
    return false;
}

/* Pseudo-random numbers, the same ones in every run. */
static unsigned random_below(unsigned below) {
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(state >> 33) % below;
}

/* ---- Users ---- */

static void test_passwords(void) {
    static const struct {
        struct str name, password;
        const char *why;
    } wrong[] = {
        {STR_INIT("foo"), STR_INIT("ba"), "a part of the password"},
        {STR_INIT("foo"), STR_INIT("barr"), "more than the password"},
        {STR_INIT("foo"), STR_INIT("Bar"), "another case"},
        {STR_INIT("foo"), STR_INIT("bar\0"), "a NUL after the password"},
        {STR_INIT("foo"), STR_INIT("foo"), "the name"},
        {STR_INIT("foo"), STR_INIT("x"), "another user's password"},
        {STR_INIT("foo"), STR_INIT(""), "an empty password"},
        {STR_INIT("Foo"), STR_INIT("bar"), "another case of the name"},
        {STR_INIT("fo"), STR_INIT("obar"), "the same bytes, split elsewhere"},
        {STR_INIT("foob"), STR_INIT("ar"), "the same bytes, split elsewhere"},
        {STR_INIT("unknown"), STR_INIT("bar"), "an unknown user"},
        {STR_INIT("a\0c"), STR_INIT("x"), "the name differs after a NUL"},
        {STR_INIT("a"), STR_INIT("x"), "the name ends before a NUL"},
        {STR_INIT(""), STR_INIT(""), "an empty name"},
    };
    TEST("only the whole name and the whole password authenticate a user") {
        struct db *db = create(defaults(2, 2));
        CHECK(db_add_user(db, STR("foo"), STR("bar")));
        CHECK(db_add_user(db, STR("a\0b"), STR("x")));
        const struct user *foo = db_authenticate(db, STR("foo"), STR("bar"), 0);
        const struct user *with_nul = db_authenticate(db, STR("a\0b"), STR("x"), 0);
        CHECK(foo && str_equal(foo->username, STR("foo")));
        CHECK(with_nul && str_equal(with_nul->username, STR("a\0b")));
        for (size_t i = 0; i < COUNT(wrong); i++) {
            CASE(wrong[i].why);
            CHECK(!db_authenticate(db, wrong[i].name, wrong[i].password, 0));
        }
        db_destroy(db);
    }
    TEST("without users every login fails") {
        struct db *db = create(defaults(1, 1));
        CHECK(!db_authenticate(db, STR("foo"), STR("foo"), 0));
        db_destroy(db);
    }
    TEST("names and passwords have up to DB_MAX_NAME bytes, and all of them are compared") {
        struct db *db = create(defaults(2, 2));
        char long_name[DB_MAX_NAME], other[DB_MAX_NAME];
        struct str name = {long_name, DB_MAX_NAME}, changed = {other, DB_MAX_NAME};
        memset(long_name, 0xff, DB_MAX_NAME);
        CHECK(db_add_user(db, name, name) && db_authenticate(db, name, name, 0));
        for (size_t i = 0; i < DB_MAX_NAME; i++) {
            memcpy(other, long_name, DB_MAX_NAME);
            other[i]--;
            CHECK(!db_authenticate(db, name, changed, 0) && !db_authenticate(db, changed, name, 0));
        }
        CHECK(!db_authenticate(db, name, (struct str){long_name, DB_MAX_NAME - 1}, 0));
        db_destroy(db);
    }
}

static void test_users(void) {
    TEST("a name that exists is rejected, and the first password stays") {
        struct db *db = create(defaults(3, 3));
        CHECK(db_add_user(db, STR("foo"), STR("bar")));
        errno = 0;
        CHECK(!db_add_user(db, STR("foo"), STR("baz")) && !db_add_user(db, STR("foo"), STR("bar")));
        CHECK_INT(errno, 0);
        CHECK(db_authenticate(db, STR("foo"), STR("bar"), 0));
        CHECK(!db_authenticate(db, STR("foo"), STR("baz"), 0));
        db_destroy(db);
    }
    TEST("there are at most max_users users") {
        struct db *db = create(defaults(2, 2));
        CHECK(db_add_user(db, STR("a"), STR("x")) && db_add_user(db, STR("b"), STR("x")));
        errno = 0;
        CHECK(!db_add_user(db, STR("c"), STR("x")));
        CHECK_INT(errno, 0);
        CHECK(!db_authenticate(db, STR("c"), STR("x"), 0));
        CHECK(db_authenticate(db, STR("a"), STR("x"), 0));
        CHECK(db_authenticate(db, STR("b"), STR("x"), 0));
        db_destroy(db);
    }
    TEST("users are numbered from 1 and linked in the order of insertion, and all are found") {
        enum { USERS = 1000 };
        struct db *db = create(defaults(USERS, USERS));
        const struct user *next = NULL;
        char name[16];
        for (int i = 0; i < USERS; i++) {
            snprintf(name, sizeof name, "user%d", i);
            CHECK(db_add_user(db, str_of(name), STR("x")));
        }
        for (int i = 0; i < USERS; i++) {
            snprintf(name, sizeof name, "user%d", i);
            const struct user *user = db_authenticate(db, str_of(name), STR("x"), 0);
            CHECK(user && user->id == (uint32_t)i + 1 && (user == next || i == 0));
            next = user ? user->next : NULL;
        }
        CHECK(next == NULL);
        db_destroy(db);
    }
}

/* ---- Sessions ---- */

static void test_sessions(void) {
    struct user *users[2];
    struct db *db = create(defaults(2, 8));
    add_users(db, (const char *[]){"foo", "bar"}, 2, users);
    TEST("a session is found by its token, is numbered from 1, and belongs to its user") {
        for (uint64_t i = 1; i <= 4; i++) {
            const struct session *session = db_add_session(db, users[i % 2], SEC(i));
            struct str token = {session->token, DB_TOKEN_LEN};
            CHECK(db_use_session(db, token, SEC(i)) == session);
            CHECK(session->id == i && session->user == users[i % 2]);
        }
    }
    TEST("all 40 digits of a token are compared, and their case and number too") {
        struct token token = log_in(db, users[0], 0), changed = token;
        for (int i = 0; i < DB_TOKEN_LEN; i++) {
            for (const char *digit = "0123456789abcdefABCDEF"; *digit; digit++) {
                changed.digits[i] = *digit;
                CHECK(user_of(db, &changed, 0) == (*digit == token.digits[i] ? users[0] : NULL));
            }
            changed.digits[i] = '\0';
            CHECK(!user_of(db, &changed, 0));
            changed.digits[i] = token.digits[i];
        }
        char longer[DB_TOKEN_LEN + 1] = {0};
        memcpy(longer, token.digits, DB_TOKEN_LEN);
        CHECK(!db_use_session(db, (struct str){longer, DB_TOKEN_LEN + 1}, 0));
        CHECK(!db_use_session(db, (struct str){longer, DB_TOKEN_LEN - 1}, 0));
        CHECK(!db_use_session(db, STR(""), 0));
    }
    TEST("a logout deletes only its session, and a second logout nothing") {
        struct token one = log_in(db, users[0], 0), two = log_in(db, users[0], 0);
        struct token other = log_in(db, users[1], 0);
        for (int i = 0; i < 2; i++) {
            log_out(db, &one);
            CHECK(!user_of(db, &one, 0));
            CHECK(user_of(db, &two, 0) == users[0] && user_of(db, &other, 0) == users[1]);
        }
    }
    db_destroy(db);
}

static void test_shares(void) {
    struct user *users[3];
    static const char *const names[] = {"foo", "bar", "baz"};
    TEST("a user who logs in beyond their share loses their own oldest session and no other") {
        struct db *db = create(defaults(3, 8)); /* two for each, and two stay free */
        struct token tokens[3][3];
        add_users(db, names, 3, users);
        for (int i = 0; i < 3; i++)
            for (int user = 0; user < 3; user++) tokens[user][i] = log_in(db, users[user], 0);
        for (int i = 0; i < 3; i++)
            for (int user = 0; user < 3; user++)
                CHECK(user_of(db, &tokens[user][i], 0) == (i > 0 ? users[user] : NULL));
        for (int i = 0; i < 1000; i++) log_in(db, users[0], 0);
        CHECK(!user_of(db, &tokens[0][2], 0));
        for (int user = 1; user < 3; user++)
            CHECK(user_of(db, &tokens[user][1], 0) && user_of(db, &tokens[user][2], 0));
        db_destroy(db);
    }
    TEST("the share is max_sessions divided by the number of users") {
        struct db *db = create(defaults(3, 8));
        add_users(db, names, 1, users);
        struct token first = log_in(db, users[0], 0);
        for (int i = 1; i < 8; i++) log_in(db, users[0], 0);
        CHECK(user_of(db, &first, 0));
        log_in(db, users[0], 0);
        CHECK(!user_of(db, &first, 0));
        db_destroy(db);
    }
    TEST("if there are as many sessions as users, each user may have one") {
        struct db *db = create(defaults(3, 3));
        struct token tokens[3];
        add_users(db, names, 3, users);
        for (int user = 0; user < 3; user++) tokens[user] = log_in(db, users[user], 0);
        for (int user = 0; user < 3; user++) CHECK(user_of(db, &tokens[user], 0) == users[user]);
        db_destroy(db);
    }
}

/* The sessions that a user must have, oldest first, and one that was deleted. */
struct model {
    struct token live[4], deleted;
    unsigned count;
};

static void delete_in_model(struct model *model, unsigned at) {
    model->deleted = model->live[at];
    model->count--;
    memmove(&model->live[at], &model->live[at + 1], (model->count - at) * sizeof model->live[0]);
}

static void test_any_order(void) {
    TEST("logins and logouts in any order leave the newest sessions that were not deleted") {
        struct user *users[3];
        struct model models[3] = {{.count = 0}};
        struct db *db = create(defaults(3, 12));
        int wrong = 0;
        add_users(db, (const char *[]){"foo", "bar", "baz"}, 3, users);
        for (int step = 0; step < 3000; step++) {
            unsigned user = random_below(3);
            struct model *model = &models[user];
            if (random_below(2) == 0) {
                if (model->count == 4) delete_in_model(model, 0);
                model->live[model->count++] = log_in(db, users[user], step);
            } else if (model->count > 0) {
                delete_in_model(model, random_below(model->count));
                log_out(db, &model->deleted);
            }
            for (int i = 0; i < 3; i++) {
                const struct session *session = next_session(users[i], NULL);
                for (unsigned n = 0; n < models[i].count; n++) {
                    wrong += user_of(db, &models[i].live[n], step) != users[i] ||
                             memcmp(session->token, &models[i].live[n], DB_TOKEN_LEN) != 0;
                    session = next_session(users[i], session);
                }
                wrong += session != NULL || users[i]->session_count != models[i].count;
                wrong += user_of(db, &models[i].deleted, step) != NULL;
            }
        }
        CHECK_INT(wrong, 0);
        db_destroy(db);
    }
}

static void test_expiry(void) {
    static const struct {
        int64_t idle_timeout, max_lifetime;
        int64_t first_use, last_use; /* since the login; 0 if there is no first one */
        bool exists;
        const char *why;
    } cases[] = {
        {SEC(10), SEC(100), 0, SEC(9), true, "a second before the idle timeout"},
        {SEC(10), SEC(100), 0, SEC(10) - 1, true, "a nanosecond before"},
        {SEC(10), SEC(100), 0, SEC(10), false, "the idle timeout"},
        {SEC(10), SEC(100), 0, SEC(11), false, "a second after"},
        {SEC(10), SEC(100), SEC(9), SEC(18), true, "each use restarts the idle timeout"},
        {SEC(10), SEC(100), SEC(9), SEC(20), false, "the idle timeout since the last use"},
        {SEC(100), SEC(50), SEC(40), SEC(49), true, "a second before its lifetime"},
        {SEC(100), SEC(50), SEC(40), SEC(50) - 1, true, "a nanosecond before"},
        {SEC(100), SEC(50), SEC(40), SEC(50), false, "its lifetime, although it is used"},
        {SEC(100), SEC(50), SEC(40), SEC(51), false, "a second after"},
        {SEC(100), SEC(50), SEC(60), SEC(61), false, "its lifetime before the first use"},
        {0, SEC(50), 0, SEC(49), true, "no idle timeout"},
        {0, SEC(50), 0, SEC(51), false, "no idle timeout, but a lifetime"},
        {SEC(10), 0, 0, SEC(11), false, "no lifetime, but an idle timeout"},
        {1, 0, 0, 1, false, "the shortest idle timeout"},
        {0, 1, 0, 1, false, "the shortest lifetime"},
        {0, 0, 0, YEARS_36, true, "neither"},
    };
    TEST("a session expires after idle_timeout without a use, or after max_lifetime") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct db_options options = defaults(1, 2);
            options.idle_timeout = cases[i].idle_timeout;
            options.max_lifetime = cases[i].max_lifetime;
            struct db *db = create(options);
            struct user *user;
            add_users(db, (const char *[]){"foo"}, 1, &user);
            struct token token = log_in(db, user, SEC(1000));
            if (cases[i].first_use > 0) user_of(db, &token, SEC(1000) + cases[i].first_use);
            bool found = user_of(db, &token, SEC(1000) + cases[i].last_use);
            CASE(cases[i].why);
            CHECK_INT(found, cases[i].exists);
            found = user_of(db, &token, SEC(1000)); /* even if the clock went back */
            CHECK_INT(found, cases[i].exists);
            db_destroy(db);
        }
    }
}

/* ---- The index ---- */

static void test_index(void) {
    enum { USERS = 1024, SESSIONS = 4096 };
    struct db *db = create(defaults(USERS, SESSIONS));
    TEST("among thousands of rows the chains of the buckets are short") {
        int users_after = 0, sessions_after = 0, longest = 0;
        char name[16];
        for (int i = 0; i < SESSIONS; i++) {
            snprintf(name, sizeof name, "user%d", i % USERS);
            if (i < USERS) CHECK(db_add_user(db, str_of(name), STR("x")));
            struct user *user = db_authenticate(db, str_of(name), STR("x"), 0);
            const struct session *row = user ? db_add_session(db, user, 0) : NULL;
            int after = 0;
            while (row && (row = row->hash_next)) after++;
            sessions_after += after;
            if (after > longest) longest = after;
            while (i < USERS && user && (user = user->hash_next)) users_after++;
        }
        CHECK(users_after < USERS && sessions_after < SESSIONS && longest < 16);
    }
    db_destroy(db);
}

/* ---- Tokens ---- */

static struct token drawn[TOKENS]; /* sorted, once they are drawn */

static int compare_tokens(const void *a, const void *b) { return memcmp(a, b, DB_TOKEN_LEN); }

/* Draws tokens of one user. The clock stands still, so only the number of the row differs. */
static void draw_tokens(struct db_options options) {
    struct db *db = create(options);
    struct user *user;
    add_users(db, (const char *[]){"foo"}, 1, &user);
    for (int i = 0; i < TOKENS; i++) drawn[i] = log_in(db, user, 0);
    qsort(drawn, TOKENS, sizeof *drawn, compare_tokens);
    db_destroy(db);
}

static int digit_value(char digit) {
    static const char digits[] = "0123456789abcdef";
    const char *at = memchr(digits, digit, 16);
    return at ? (int)(at - digits) : -1;
}

static void test_tokens(void) {
    struct db_options options = defaults(1, 1);
    draw_tokens(options);
    TEST("tokens are 40 lower-case hexadecimal digits, and each bit is set in half of them") {
        int set[DB_TOKEN_LEN][4] = {{0}}, invalid = 0, uneven = 0;
        for (int i = 0; i < TOKENS; i++) {
            for (int at = 0; at < DB_TOKEN_LEN; at++) {
                int value = digit_value(drawn[i].digits[at]);
                invalid += value < 0;
                for (int bit = 0; bit < 4; bit++) set[at][bit] += value >> bit & 1;
            }
        }
        /* five standard deviations of that many fair coins are TOKENS / 102 */
        for (int at = 0; at < DB_TOKEN_LEN; at++)
            for (int bit = 0; bit < 4; bit++)
                uneven += abs(set[at][bit] - TOKENS / 2) > TOKENS / 100;
        CHECK_INT(invalid, 0);
        CHECK_INT(uneven, 0);
    }
    TEST("two digits of a token that follow each other have all 256 values") {
        static bool seen[DB_TOKEN_LEN - 1][16][16];
        int values = 0;
        for (int i = 0; i < TOKENS; i++) {
            for (int at = 0; at < DB_TOKEN_LEN - 1; at++) {
                int one = digit_value(drawn[i].digits[at]);
                int two = digit_value(drawn[i].digits[at + 1]);
                if (one < 0 || two < 0 || seen[at][one][two]) continue;
                seen[at][one][two] = true;
                values++;
            }
        }
        CHECK_INT(values, (DB_TOKEN_LEN - 1) * 256);
    }
    TEST("no token occurs twice, even if the clock stands still") {
        int twice = 0;
        for (int i = 1; i < TOKENS; i++) twice += compare_tokens(&drawn[i - 1], &drawn[i]) == 0;
        CHECK_INT(twice, 0);
    }
    TEST("a secret that differs in one bit makes other tokens") {
        struct user *user;
        int same = 0;
        options.secret[DB_SECRET_SIZE - 1] ^= 1;
        struct db *db = create(options);
        add_users(db, (const char *[]){"foo"}, 1, &user);
        for (int i = 0; i < 1000; i++) {
            struct token token = log_in(db, user, 0);
            same += bsearch(&token, drawn, TOKENS, sizeof *drawn, compare_tokens) != NULL;
        }
        CHECK_INT(same, 0);
        db_destroy(db);
    }
    TEST("with the same secret the same row has another token at another time") {
        struct token first[2];
        for (int i = 0; i < 2; i++) {
            struct user *user;
            struct db *db = create(options);
            add_users(db, (const char *[]){"foo"}, 1, &user);
            first[i] = log_in(db, user, i);
            db_destroy(db);
        }
        CHECK(compare_tokens(&first[0], &first[1]) != 0);
    }
}

/* ---- Failed logins ---- */

static struct db *create_delaying(uint32_t max_failures) {
    struct db_options options = defaults(2, 2);
    options.max_failures = max_failures;
    struct db *db = create(options);
    CHECK(db_add_user(db, STR("foo"), STR("bar")));
    return db;
}

static void fail(struct db *db, struct str name, int times, int64_t now) {
    while (times-- > 0) CHECK(!db_authenticate(db, name, STR("wrong"), now));
}

static void test_delays(void) {
    static const unsigned delays[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    static const struct str names[] = {STR_INIT("foo"), STR_INIT("unknown")};
    for (int i = 0; i < 2; i++) {
        TEST("from max_failures on a name waits 1, 2, 4 ... 60 seconds, known or unknown") {
            struct db *db = create_delaying(10);
            int64_t now = SEC(1000);
            fail(db, names[i], 9, now);
            CHECK_INT(db_login_delay(db, names[i], now), 0);
            for (size_t n = 0; n < COUNT(delays); n++) {
                fail(db, names[i], 1, now);
                CHECK_INT(db_login_delay(db, names[i], now), delays[n]);
                now += SEC(delays[n]);
                CHECK_INT(db_login_delay(db, names[i], now - 1), 1);
                CHECK_INT(db_login_delay(db, names[i], now), 0);
            }
            db_destroy(db);
        }
    }
    TEST("a successful login resets the failures") {
        struct db *db = create_delaying(3);
        fail(db, STR("foo"), 5, 0);
        CHECK_INT(db_login_delay(db, STR("foo"), 0), 4);
        CHECK(db_authenticate(db, STR("foo"), STR("bar"), SEC(4)));
        CHECK_INT(db_login_delay(db, STR("foo"), 0), 0);
        fail(db, STR("foo"), 2, SEC(5));
        CHECK_INT(db_login_delay(db, STR("foo"), SEC(5)), 0);
        fail(db, STR("foo"), 1, SEC(5));
        CHECK_INT(db_login_delay(db, STR("foo"), SEC(5)), 1);
        db_destroy(db);
    }
    TEST("the number of failures does not overflow") {
        struct db *db = create_delaying(3);
        struct user *user = db_authenticate(db, STR("foo"), STR("bar"), 0);
        CHECK(user != NULL);
        if (user) user->failures.count = UINT32_MAX; /* pretends that there were this many */
        fail(db, STR("foo"), 1, 0);
        CHECK_INT(db_login_delay(db, STR("foo"), 0), 60);
        db_destroy(db);
    }
    TEST("if max_failures is 0 no name must wait") {
        struct db *db = create_delaying(0);
        fail(db, STR("foo"), 1000, 0);
        CHECK_INT(db_login_delay(db, STR("foo"), 0), 0);
        db_destroy(db);
    }
}

/* Returns a name that shares its Boyer-Moore majority count with "unknown": one failure of it
 * decrements the count of "unknown" from 1 to 0. */
static struct str find_sharing_name(void) {
    static char name[16];
    struct db *db = create_delaying(1);
    fail(db, STR("unknown"), 1, 0);
    for (int i = 0; db_login_delay(db, STR("unknown"), 0) > 0 && i < 100 * DB_SHARED_COUNTS; i++) {
        snprintf(name, sizeof name, "name%d", i);
        fail(db, str_of(name), 1, 0);
    }
    CHECK_INT(db_login_delay(db, STR("unknown"), 0), 0);
    db_destroy(db);
    return str_of(name);
}

static void test_shared_counts(void) {
    static const struct str names[] = {STR_INIT("foo"), STR_INIT("unknown")};
    char name[16];
    TEST("a name is never delayed by failures of another one, whichever count they share") {
        for (int i = 0; i < 2; i++) {
            struct db *db = create_delaying(3);
            int delayed = 0;
            fail(db, names[i], 1000, 0);
            for (int n = 0; n < 4 * DB_SHARED_COUNTS; n++) {
                snprintf(name, sizeof name, "name%d", n);
                delayed += db_login_delay(db, str_of(name), 0) > 0;
            }
            CHECK_INT(delayed, 0);
            CHECK_INT(db_login_delay(db, names[!i], 0), 0);
            db_destroy(db);
        }
    }
    TEST("neither failures nor a success of other names change the failures of a user") {
        struct db *db = create_delaying(10);
        CHECK(db_add_user(db, STR("ann"), STR("right")));
        fail(db, STR("foo"), 13, 0);
        for (int i = 0; i < 40 * DB_SHARED_COUNTS; i++) {
            snprintf(name, sizeof name, "name%d", i);
            fail(db, str_of(name), 1, 0);
        }
        CHECK(db_authenticate(db, STR("ann"), STR("right"), 0));
        CHECK_INT(db_login_delay(db, STR("foo"), 0), 8);
        db_destroy(db);
    }
    TEST("unknown names share Boyer-Moore majority counts: others decrement, and replace at 0") {
        struct str other = find_sharing_name();
        struct db *db = create_delaying(3);
        fail(db, STR("unknown"), 5, 0);
        CHECK_INT(db_login_delay(db, STR("unknown"), 0), 4);
        fail(db, other, 1, 0);
        CHECK_INT(db_login_delay(db, STR("unknown"), 0), 2);
        fail(db, other, 4 + 2, 0);
        CHECK_INT(db_login_delay(db, other, 0), 0);
        CHECK_INT(db_login_delay(db, STR("unknown"), 0), 0);
        fail(db, other, 1, 0);
        CHECK_INT(db_login_delay(db, other, 0), 1);
        CHECK_INT(db_login_delay(db, STR("unknown"), 0), 0);
        db_destroy(db);
    }
}

/* ---- Echo ---- */

#define INSERT_USER    STR("INSERT INTO users (username, password) VALUES (?, '***')")
#define SELECT_USER    STR("SELECT * FROM users WHERE username = ? AND password = '***' LIMIT 1")
#define INSERT_SESSION STR("INSERT INTO user_sessions (session_id) VALUES (?)")
#define SELECT_SESSION STR("SELECT * FROM user_sessions WHERE session_id = ? LIMIT 1")
#define DELETE_SESSION STR("DELETE FROM user_sessions WHERE session_id = ?")
#define UPDATE_SESSION                                                                             \
    STR("UPDATE user_sessions SET last_used_at = CURRENT_TIMESTAMP WHERE session_id = ?")

static char echoed_storage[512];
static struct text echoed = {echoed_storage, 0, sizeof echoed_storage, false};

static void record_echo(const char *statement, struct str parameter) {
    text_put_all(&echoed, str_of(statement), parameter);
}

/* Checks that exactly these statements and parameters were echoed since the last check. */
#define CHECK_ECHO(...) check_echo(PIECES(__VA_ARGS__))
static void check_echo(const struct str pieces[], size_t count) {
    char storage[sizeof echoed_storage];
    struct text expected = TEXT(storage);
    text_put_pieces(&expected, pieces, count);
    CHECK_VIEW(text_str(&echoed), text_str(&expected));
    text_clear(&echoed);
}

static void test_echo(void) {
    struct db_options options = defaults(1, 1);
    options.echo = record_echo;
    options.max_lifetime = SEC(10);
    options.max_failures = 1;
    struct db *db = create(options);
    struct str foo = STR("foo"), made_up = STR("made up"), password = STR("secret");
    TEST("an operation on users echoes its statement with the username, and never a password") {
        CHECK(db_add_user(db, foo, password));
        CHECK_ECHO(INSERT_USER, foo);
        CHECK(!db_add_user(db, foo, password) && !db_add_user(db, made_up, password));
        CHECK(!db_login_delay(db, made_up, 0));
        CHECK_ECHO(STR(""));
        CHECK(!db_authenticate(db, made_up, password, 0));
        CHECK_ECHO(SELECT_USER, made_up);
        CHECK(db_authenticate(db, foo, password, 0));
        CHECK_ECHO(SELECT_USER, foo);
    }
    TEST("an operation on sessions echoes its statements with the token") {
        struct user *user = db_authenticate(db, foo, password, 0);
        text_clear(&echoed);
        struct token one = log_in(db, user, 0);
        struct str first = token_str(&one);
        CHECK_ECHO(INSERT_SESSION, first);
        CHECK(user_of(db, &one, 0) == user);
        CHECK_ECHO(SELECT_SESSION, first, UPDATE_SESSION, first);
        struct token two = log_in(db, user, 0); /* the share is one session */
        struct str second = token_str(&two);
        CHECK_ECHO(DELETE_SESSION, first, INSERT_SESSION, second);
        CHECK(!user_of(db, &one, 0));
        CHECK_ECHO(SELECT_SESSION, first);
        CHECK(!user_of(db, &two, SEC(10))); /* it has expired */
        CHECK_ECHO(SELECT_SESSION, second, DELETE_SESSION, second);
        one = log_in(db, user, 0);
        log_out(db, &one);
        CHECK_ECHO(INSERT_SESSION, first, SELECT_SESSION, first, DELETE_SESSION, first);
        db_delete_session(db, made_up);
        CHECK_ECHO(SELECT_SESSION, made_up);
    }
    db_destroy(db);
}

/* ---- Memory ---- */

static void test_memory(void) {
    TEST("a session takes at most 128 bytes, its part of the index included") {
        struct db_options few = defaults(1, 1), many = defaults(1, 65537);
        CHECK(db_memory_size(&many) > db_memory_size(&few) + 65536 * sizeof(struct session));
        CHECK(db_memory_size(&many) - db_memory_size(&few) <= 65536 * 128);
    }
    TEST("a user takes a part of the index, and a session its row and a part of the index") {
        struct db_options one = defaults(1, 65536), many = defaults(65536, 65536);
        CHECK_INT(db_memory_size(&many), db_memory_size(&one) + 65535 * sizeof(struct user *));
        struct db_options twice = defaults(65536, 131072);
        CHECK(db_memory_size(&twice) - db_memory_size(&many) ==
              65536 * (sizeof(struct session) + sizeof(void *)));
    }
    TEST("a user's row contains no password, and does not reveal who has the same one") {
        struct db *db = create(defaults(2, 2));
        struct str password = STR("correct horse");
        CHECK(db_add_user(db, STR("foo"), password) && db_add_user(db, STR("bar"), password));
        const struct user *foo = db_authenticate(db, STR("foo"), password, 0);
        const struct user *bar = db_authenticate(db, STR("bar"), password, 0);
        CHECK(!contains(foo, sizeof *foo + foo->username.len, password.s, 4));
        CHECK(memcmp(foo->password_hash, bar->password_hash, SHA1_SIZE) != 0);
        struct db_options options = defaults(1, 1);
        options.secret[0] ^= 1;
        struct db *other = create(options);
        CHECK(db_add_user(other, STR("foo"), password));
        bar = db_authenticate(other, STR("foo"), password, 0);
        CHECK(bar && memcmp(foo->password_hash, bar->password_hash, SHA1_SIZE) != 0);
        db_destroy(other);
        db_destroy(db);
    }
    TEST("no part of a token stays in its row, however the session is deleted") {
        for (int way = 0; way < 3; way++) {
            struct db_options options = defaults(1, 1);
            options.max_lifetime = SEC(10);
            struct db *db = create(options);
            struct user *user;
            add_users(db, (const char *[]){"foo"}, 1, &user);
            const struct session *row = db_add_session(db, user, 0);
            struct token token;
            memcpy(token.digits, row->token, sizeof token.digits);
            CHECK(contains(row, sizeof *row, token.digits, sizeof token.digits));
            if (way == 0) log_out(db, &token);
            if (way == 1) CHECK(!user_of(db, &token, SEC(10)));
            if (way == 2) CHECK(db_add_session(db, user, 0) == row);
            for (int i = 0; i < DB_TOKEN_LEN; i += 8)
                CHECK(!contains(row, sizeof *row, token.digits + i, 8));
            db_destroy(db);
        }
    }
}

int main(void) {
    test_passwords();
    test_users();
    test_sessions();
    test_shares();
    test_any_order();
    test_expiry();
    test_index();
    test_tokens();
    test_delays();
    test_shared_counts();
    test_echo();
    test_memory();
    return test_report();
}
