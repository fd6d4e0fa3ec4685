/* test_db.c - proves db.c: who is let in, which sessions live, and who has to wait, on a clock that
 * the tests move.
 *
 * It looks at the tables only through db.h. That nothing is allocated once the users are added is
 * proved elsewhere, where malloc is watched while the whole server runs.
 */
#include "db.h"
#include "tests/test.h"

#include <stdlib.h>

#define IDS     65536              /* session ids that are looked at */
#define FOREVER (INT64_C(1) << 60) /* ns, some 36 years */
#define AT(t)   ((int64_t)(t)*DB_SECOND)

/* ---- The tables under test ---- */

/* Tables whose sessions never end, where nobody is slowed. */
static struct db_options defaults(size_t users, size_t sessions) {
    struct db_options options = {.users = users, .sessions = sessions};
    memset(options.secret, 0x5e, sizeof options.secret);
    return options;
}

static struct db *create(struct db_options options) {
    struct db *db = db_create(&options);
    if (!db) exit(1);
    return db;
}

/* Adds users whose passwords are their names, and gives the rows of all. */
static void add_users(struct db *db, const char *const names[], size_t count,
                      struct user *users[]) {
    for (size_t i = 0; i < count; i++) {
        CHECK(db_add_user(db, str_of(names[i]), str_of(names[i])));
        users[i] = db_find_user(db, str_of(names[i]), str_of(names[i]), 0);
        CHECK(users[i] != NULL);
    }
}

/* A session's id, in a place that stays when the session ends. */
struct id {
    char digits[DB_SESSION_ID];
};

static struct id log_in(struct db *db, struct user *user, int64_t now) {
    struct id id;
    memcpy(id.digits, db_add_session(db, user, now)->session_id, sizeof id.digits);
    return id;
}

/* Whose session this is at the time `now`; NULL where there is none. */
static const struct user *user_of(struct db *db, const struct id *id, int64_t now) {
    struct str view = {id->digits, sizeof id->digits};
    const struct session *session = db_find_session(db, view, now);
    return session ? session->user : NULL;
}

static void log_out(struct db *db, const struct id *id) {
    db_delete_session(db, (struct str){id->digits, sizeof id->digits});
}

/* Whether `needle` is somewhere in memory. */
static bool holds(const void *memory, size_t size, const void *needle, size_t len) {
    const char *at = memory;
    for (size_t i = 0; i + len <= size; i++)
        if (memcmp(at + i, needle, len) == 0) return true;
    return false;
}

/* Numbers that look random and are the same in every run. */
static unsigned next_random(unsigned below) {
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
        {STR_INIT("foo"), STR_INIT("bar\0"), "a NUL behind the password"},
        {STR_INIT("foo"), STR_INIT("foo"), "the name"},
        {STR_INIT("foo"), STR_INIT("x"), "another user's password"},
        {STR_INIT("foo"), STR_INIT(""), "nothing"},
        {STR_INIT("Foo"), STR_INIT("bar"), "another name's case"},
        {STR_INIT("fo"), STR_INIT("obar"), "the same bytes, divided elsewhere"},
        {STR_INIT("foob"), STR_INIT("ar"), "the same bytes, divided elsewhere"},
        {STR_INIT("nobody"), STR_INIT("bar"), "no user"},
        {STR_INIT("a\0c"), STR_INIT("x"), "the name differs behind a NUL"},
        {STR_INIT("a"), STR_INIT("x"), "the name ends before a NUL"},
        {STR_INIT(""), STR_INIT(""), "no user"},
    };
    TEST("a user is found by the whole name and the whole password, and by nothing else") {
        struct db *db = create(defaults(2, 2));
        CHECK(db_add_user(db, STR("foo"), STR("bar")));
        CHECK(db_add_user(db, STR("a\0b"), STR("x")));
        const struct user *foo = db_find_user(db, STR("foo"), STR("bar"), 0);
        const struct user *with_nul = db_find_user(db, STR("a\0b"), STR("x"), 0);
        CHECK(foo && str_equal(foo->username, STR("foo")));
        CHECK(with_nul && str_equal(with_nul->username, STR("a\0b")));
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
            CHECK_CASE(!db_find_user(db, wrong[i].name, wrong[i].password, 0), wrong[i].why);
        db_destroy(db);
    }
    TEST("where there are no users nobody is found") {
        struct db *db = create(defaults(1, 1));
        CHECK(!db_find_user(db, STR("foo"), STR("foo"), 0));
        db_destroy(db);
    }
    TEST("names and passwords have up to DB_NAME bytes, and each of them counts") {
        struct db *db = create(defaults(2, 2));
        char long_name[DB_NAME], other[DB_NAME];
        struct str name = {long_name, DB_NAME}, changed = {other, DB_NAME};
        memset(long_name, 0xff, DB_NAME);
        CHECK(db_add_user(db, name, name) && db_find_user(db, name, name, 0));
        for (size_t i = 0; i < DB_NAME; i++) {
            memcpy(other, long_name, DB_NAME);
            other[i]--;
            CHECK(!db_find_user(db, name, changed, 0) && !db_find_user(db, changed, name, 0));
        }
        CHECK(!db_find_user(db, name, (struct str){long_name, DB_NAME - 1}, 0));
        db_destroy(db);
    }
}

static void test_users(void) {
    TEST("a name that is taken is refused, and the first password stays") {
        struct db *db = create(defaults(3, 3));
        CHECK(db_add_user(db, STR("foo"), STR("bar")));
        CHECK(!db_add_user(db, STR("foo"), STR("baz")) && !db_add_user(db, STR("foo"), STR("bar")));
        CHECK(db_find_user(db, STR("foo"), STR("bar"), 0));
        CHECK(!db_find_user(db, STR("foo"), STR("baz"), 0));
        db_destroy(db);
    }
    TEST("there are no more users than rows were set aside for") {
        struct db *db = create(defaults(2, 2));
        CHECK(db_add_user(db, STR("a"), STR("x")) && db_add_user(db, STR("b"), STR("x")));
        CHECK(!db_add_user(db, STR("c"), STR("x")) && !db_find_user(db, STR("c"), STR("x"), 0));
        CHECK(db_find_user(db, STR("a"), STR("x"), 0) && db_find_user(db, STR("b"), STR("x"), 0));
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
            const struct user *user = db_find_user(db, str_of(name), STR("x"), 0);
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
    TEST("a session is found by its id, is numbered from 1, and is its user's") {
        for (uint64_t i = 1; i <= 4; i++) {
            const struct session *session = db_add_session(db, users[i % 2], AT(i));
            struct str view = {session->session_id, DB_SESSION_ID};
            CHECK(db_find_session(db, view, AT(i)) == session);
            CHECK(session->id == i && session->user == users[i % 2] && session->born == AT(i));
        }
    }
    TEST("each of the 40 digits counts, and so do case and length") {
        struct id id = log_in(db, users[0], 0), changed = id;
        for (int i = 0; i < DB_SESSION_ID; i++) {
            for (const char *digit = "0123456789abcdefABCDEF"; *digit; digit++) {
                changed.digits[i] = *digit;
                CHECK(user_of(db, &changed, 0) == (*digit == id.digits[i] ? users[0] : NULL));
            }
            changed.digits[i] = '\0';
            CHECK(!user_of(db, &changed, 0));
            changed.digits[i] = id.digits[i];
        }
        char longer[DB_SESSION_ID + 1] = {0};
        memcpy(longer, id.digits, DB_SESSION_ID);
        CHECK(!db_find_session(db, (struct str){longer, DB_SESSION_ID + 1}, 0));
        CHECK(!db_find_session(db, (struct str){longer, DB_SESSION_ID - 1}, 0));
        CHECK(!db_find_session(db, STR(""), 0));
    }
    TEST("a logout ends this session alone, and a second one nothing") {
        struct id one = log_in(db, users[0], 0), two = log_in(db, users[0], 0);
        struct id other = log_in(db, users[1], 0);
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
    TEST(
        "who logs in over their share of the rows loses their own oldest session, and no other's") {
        struct db *db = create(defaults(3, 8)); /* two each, and two that stay free */
        struct id ids[3][3];
        add_users(db, names, 3, users);
        for (int i = 0; i < 3; i++)
            for (int user = 0; user < 3; user++) ids[user][i] = log_in(db, users[user], 0);
        for (int i = 0; i < 3; i++)
            for (int user = 0; user < 3; user++)
                CHECK(user_of(db, &ids[user][i], 0) == (i > 0 ? users[user] : NULL));
        for (int i = 0; i < 1000; i++) log_in(db, users[0], 0);
        CHECK(!user_of(db, &ids[0][2], 0));
        for (int user = 1; user < 3; user++)
            CHECK(user_of(db, &ids[user][1], 0) && user_of(db, &ids[user][2], 0));
        db_destroy(db);
    }
    TEST("the rows are shared by the users there are") {
        struct db *db = create(defaults(3, 8));
        add_users(db, names, 1, users);
        struct id first = log_in(db, users[0], 0);
        for (int i = 1; i < 8; i++) log_in(db, users[0], 0);
        CHECK(user_of(db, &first, 0));
        log_in(db, users[0], 0);
        CHECK(!user_of(db, &first, 0));
        db_destroy(db);
    }
    TEST("each user has a row, even where fewer were asked for") {
        struct db *db = create(defaults(3, 1));
        struct id ids[3];
        add_users(db, names, 3, users);
        for (int user = 0; user < 3; user++) ids[user] = log_in(db, users[user], 0);
        for (int user = 0; user < 3; user++) CHECK(user_of(db, &ids[user], 0) == users[user]);
        db_destroy(db);
    }
}

/* A user's sessions as they must be, the oldest first; and one that ended. */
struct model {
    struct id live[4], ended;
    unsigned count;
};

static void end_in_model(struct model *model, unsigned at) {
    model->ended = model->live[at];
    model->count--;
    memmove(&model->live[at], &model->live[at + 1], (model->count - at) * sizeof model->live[0]);
}

static void test_any_order(void) {
    TEST("logins and logouts in any order leave alive what was neither ended nor the oldest") {
        struct user *users[3];
        struct model models[3] = {{.count = 0}};
        struct db *db = create(defaults(3, 12));
        int wrong = 0;
        add_users(db, (const char *[]){"foo", "bar", "baz"}, 3, users);
        for (int step = 0; step < 3000; step++) {
            unsigned user = next_random(3);
            struct model *model = &models[user];
            if (next_random(2) == 0) {
                if (model->count == 4) end_in_model(model, 0);
                model->live[model->count++] = log_in(db, users[user], step);
            } else if (model->count > 0) {
                end_in_model(model, next_random(model->count));
                log_out(db, &model->ended);
            }
            for (int i = 0; i < 3; i++) {
                for (unsigned n = 0; n < models[i].count; n++)
                    wrong += user_of(db, &models[i].live[n], step) != users[i];
                wrong += user_of(db, &models[i].ended, step) != NULL;
            }
        }
        CHECK(wrong == 0);
        db_destroy(db);
    }
}

static void test_expiry(void) {
    static const struct {
        int64_t idle, lifetime;
        int64_t used, looked_at; /* after the login: a use, 0 for none; and the look that counts */
        bool lives;
        const char *why;
    } cases[] = {
        {AT(10), AT(100), 0, AT(9), true, "a second before it was unused too long"},
        {AT(10), AT(100), 0, AT(10) - 1, true, "just before"},
        {AT(10), AT(100), 0, AT(10), false, "unused too long"},
        {AT(10), AT(100), 0, AT(11), false, "a second after"},
        {AT(10), AT(100), AT(9), AT(18), true, "each use counts"},
        {AT(10), AT(100), AT(9), AT(20), false, "unused too long since the last use"},
        {AT(100), AT(50), AT(40), AT(49), true, "a second before it is too old"},
        {AT(100), AT(50), AT(40), AT(50) - 1, true, "just before"},
        {AT(100), AT(50), AT(40), AT(50), false, "too old, though in use"},
        {AT(100), AT(50), AT(40), AT(51), false, "a second after"},
        {AT(100), AT(50), AT(60), AT(61), false, "too old at the use already"},
        {0, AT(50), 0, AT(49), true, "never unused too long"},
        {0, AT(50), 0, AT(51), false, "but too old"},
        {AT(10), 0, 0, AT(11), false, "never too old, but unused too long"},
        {0, 0, 0, FOREVER, true, "neither ever"},
    };
    TEST("a session ends when it was unused for its idle time, or when its lifetime is over") {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct db_options options = defaults(1, 2);
            options.idle = cases[i].idle;
            options.lifetime = cases[i].lifetime;
            struct db *db = create(options);
            struct user *user;
            add_users(db, (const char *[]){"foo"}, 1, &user);
            struct id id = log_in(db, user, AT(1000));
            if (cases[i].used > 0) user_of(db, &id, AT(1000) + cases[i].used);
            CHECK_CASE((user_of(db, &id, AT(1000) + cases[i].looked_at) != NULL) == cases[i].lives,
                       cases[i].why);
            /* it does not come back, even if time did */
            CHECK_CASE((user_of(db, &id, AT(1000)) != NULL) == cases[i].lives, cases[i].why);
            db_destroy(db);
        }
    }
}

/* ---- The index ---- */

static void test_index(void) {
    enum { USERS = 1024, SESSIONS = 4096 };
    struct db *db = create(defaults(USERS, SESSIONS));
    TEST("among thousands of rows the one that is looked for is one of the first in its bucket") {
        int users_behind = 0, sessions_behind = 0, most = 0;
        char name[16];
        for (int i = 0; i < SESSIONS; i++) {
            snprintf(name, sizeof name, "user%d", i % USERS);
            if (i < USERS) CHECK(db_add_user(db, str_of(name), STR("x")));
            struct user *user = db_find_user(db, str_of(name), STR("x"), 0);
            const struct session *row = user ? db_add_session(db, user, 0) : NULL;
            int behind = 0;
            while (row && (row = row->chain)) behind++;
            sessions_behind += behind;
            if (behind > most) most = behind;
            while (i < USERS && user && (user = user->chain)) users_behind++;
        }
        CHECK(users_behind < USERS && sessions_behind < SESSIONS && most < 16);
    }
    db_destroy(db);
}

/* ---- Session ids ---- */

static struct id drawn[IDS]; /* sorted, once they are drawn */

static int compare_ids(const void *a, const void *b) { return memcmp(a, b, sizeof(struct id)); }

/* Draws ids of one user. The clock stands still, so that nothing but the counter differs. */
static void draw_ids(struct db_options options) {
    struct db *db = create(options);
    struct user *user;
    add_users(db, (const char *[]){"foo"}, 1, &user);
    for (int i = 0; i < IDS; i++) drawn[i] = log_in(db, user, 0);
    qsort(drawn, IDS, sizeof *drawn, compare_ids);
    db_destroy(db);
}

static int digit_value(char digit) {
    static const char digits[] = "0123456789abcdef";
    const char *at = memchr(digits, digit, 16);
    return at ? (int)(at - digits) : -1;
}

static void test_ids(void) {
    struct db_options options = defaults(1, 1);
    draw_ids(options);
    TEST(
        "ids are 40 lower-case hexadecimal digits, and each of their bits is set in half of them") {
        int set[DB_SESSION_ID][4] = {{0}}, others = 0, uneven = 0;
        for (int i = 0; i < IDS; i++) {
            for (int at = 0; at < DB_SESSION_ID; at++) {
                int value = digit_value(drawn[i].digits[at]);
                others += value < 0;
                for (int bit = 0; bit < 4; bit++) set[at][bit] += value >> bit & 1;
            }
        }
        /* five standard deviations of so many fair coins are IDS / 102 */
        for (int at = 0; at < DB_SESSION_ID; at++)
            for (int bit = 0; bit < 4; bit++) uneven += abs(set[at][bit] - IDS / 2) > IDS / 100;
        CHECK(others == 0 && uneven == 0);
    }
    TEST("no id is given twice, though the clock stands still") {
        int twice = 0;
        for (int i = 1; i < IDS; i++) twice += compare_ids(&drawn[i - 1], &drawn[i]) == 0;
        CHECK(twice == 0);
    }
    TEST("with a secret that differs in one bit no id is the same") {
        struct user *user;
        int same = 0;
        options.secret[DB_SECRET - 1] ^= 1;
        struct db *db = create(options);
        add_users(db, (const char *[]){"foo"}, 1, &user);
        for (int i = 0; i < 1000; i++) {
            struct id id = log_in(db, user, 0);
            same += bsearch(&id, drawn, IDS, sizeof *drawn, compare_ids) != NULL;
        }
        CHECK(same == 0);
        db_destroy(db);
    }
    TEST("with the same secret the same row has another id at another time") {
        struct id first[2];
        for (int i = 0; i < 2; i++) {
            struct user *user;
            struct db *db = create(options);
            add_users(db, (const char *[]){"foo"}, 1, &user);
            first[i] = log_in(db, user, i);
            db_destroy(db);
        }
        CHECK(compare_ids(&first[0], &first[1]) != 0);
    }
}

/* ---- Failed logins ---- */

static struct db *slowing(uint32_t failures) {
    struct db_options options = defaults(2, 2);
    options.failures = failures;
    struct db *db = create(options);
    CHECK(db_add_user(db, STR("foo"), STR("bar")));
    return db;
}

static void fail(struct db *db, struct str name, int times, int64_t now) {
    while (times-- > 0) CHECK(!db_find_user(db, name, STR("wrong"), now));
}

static void test_waits(void) {
    static const unsigned waits[] = {1, 2, 4, 8, 16, 30, 30, 30};
    static const struct str names[] = {STR_INIT("foo"), STR_INIT("nobody")};
    for (int known = 0; known < 2; known++) {
        TEST("from the limit on a name waits 1, 2, 4 ... 30 seconds, whether there is such a user "
             "or not") {
            struct db *db = slowing(10);
            int64_t now = AT(1000);
            fail(db, names[known], 9, now);
            CHECK(db_login_wait(db, names[known], now) == 0);
            for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
                fail(db, names[known], 1, now);
                CHECK(db_login_wait(db, names[known], now) == waits[i]);
                now += AT(waits[i]);
                CHECK(db_login_wait(db, names[known], now - 1) == 1);
                CHECK(db_login_wait(db, names[known], now) == 0);
            }
            db_destroy(db);
        }
    }
    TEST("a right password clears the count") {
        struct db *db = slowing(3);
        fail(db, STR("foo"), 5, 0);
        CHECK(db_login_wait(db, STR("foo"), 0) == 4);
        CHECK(db_find_user(db, STR("foo"), STR("bar"), AT(4)));
        CHECK(db_login_wait(db, STR("foo"), 0) == 0);
        fail(db, STR("foo"), 2, AT(5));
        CHECK(db_login_wait(db, STR("foo"), AT(5)) == 0);
        fail(db, STR("foo"), 1, AT(5));
        CHECK(db_login_wait(db, STR("foo"), AT(5)) == 1);
        db_destroy(db);
    }
    TEST("with a limit of 0 nobody ever waits") {
        struct db *db = slowing(0);
        fail(db, STR("foo"), 1000, 0);
        CHECK(db_login_wait(db, STR("foo"), 0) == 0);
        db_destroy(db);
    }
}

/* Another name that shares the counter of "nobody": its failure takes the only one of that away. */
static struct str find_neighbour(void) {
    static char name[16];
    struct db *db = slowing(1);
    fail(db, STR("nobody"), 1, 0);
    for (int i = 0; db_login_wait(db, STR("nobody"), 0) > 0 && i < 100 * DB_COUNTERS; i++) {
        snprintf(name, sizeof name, "name%d", i);
        fail(db, str_of(name), 1, 0);
    }
    CHECK(db_login_wait(db, STR("nobody"), 0) == 0);
    db_destroy(db);
    return str_of(name);
}

static void test_neighbours(void) {
    static const struct str names[] = {STR_INIT("foo"), STR_INIT("nobody")};
    char name[16];
    TEST("nobody is slowed by the failures of another name, whatever counter they share") {
        for (int known = 0; known < 2; known++) {
            struct db *db = slowing(3);
            int slowed = 0;
            fail(db, names[known], 1000, 0);
            for (int i = 0; i < 4 * DB_COUNTERS; i++) {
                snprintf(name, sizeof name, "name%d", i);
                slowed += db_login_wait(db, str_of(name), 0) > 0;
            }
            CHECK(slowed == 0 && db_login_wait(db, names[!known], 0) == 0);
            db_destroy(db);
        }
    }
    TEST("a user's failures are not forgotten for any failures, or a success, under other names") {
        struct db *db = slowing(10);
        CHECK(db_add_user(db, STR("ann"), STR("right")));
        fail(db, STR("foo"), 13, 0);
        for (int i = 0; i < 40 * DB_COUNTERS; i++) {
            snprintf(name, sizeof name, "name%d", i);
            fail(db, str_of(name), 1, 0);
        }
        CHECK(db_find_user(db, STR("ann"), STR("right"), 0));
        CHECK(db_login_wait(db, STR("foo"), 0) == 8);
        db_destroy(db);
    }
    TEST("of names that nobody has, one that fails more often than the one it shares a counter "
         "with is slowed in its place") {
        struct str neighbour = find_neighbour();
        struct db *db = slowing(3);
        fail(db, STR("nobody"), 5, 0);
        fail(db, neighbour, 5 + 2, 0);
        CHECK(db_login_wait(db, neighbour, 0) == 0);
        fail(db, neighbour, 1, 0);
        CHECK(db_login_wait(db, neighbour, 0) == 1 && db_login_wait(db, STR("nobody"), 0) == 0);
        db_destroy(db);
    }
}

/* ---- Memory ---- */

static void test_memory(void) {
    TEST("a row of user_sessions costs at most 128 bytes, its part of the index included") {
        struct db_options few = defaults(1, 1), many = defaults(1, 65537);
        CHECK(db_memory(&many) > db_memory(&few) + 65536 * sizeof(struct session));
        CHECK(db_memory(&many) - db_memory(&few) <= 65536 * 128);
    }
    TEST("a user costs a part of the index, and a row of user_sessions where there is none to "
         "share") {
        struct db_options one = defaults(1, 65536), many = defaults(65536, 65536);
        struct db_options none = defaults(65536, 1);
        CHECK(db_memory(&many) == db_memory(&one) + 65535 * sizeof(struct user *));
        CHECK(db_memory(&none) == db_memory(&many));
        struct db_options twice = defaults(65536, 131072);
        CHECK(db_memory(&twice) - db_memory(&many) ==
              65536 * (sizeof(struct session) + sizeof(void *)));
    }
    TEST("a user's row holds no password, nor anything that tells who has the same one") {
        struct db *db = create(defaults(2, 2));
        struct str password = STR("correct horse");
        CHECK(db_add_user(db, STR("foo"), password) && db_add_user(db, STR("bar"), password));
        const struct user *foo = db_find_user(db, STR("foo"), password, 0);
        const struct user *bar = db_find_user(db, STR("bar"), password, 0);
        CHECK(!holds(foo, sizeof *foo + foo->username.len, password.s, 4));
        CHECK(memcmp(foo->password, bar->password, SHA1_SIZE) != 0);
        struct db_options options = defaults(1, 1);
        options.secret[0] ^= 1;
        struct db *another = create(options);
        CHECK(db_add_user(another, STR("foo"), password));
        bar = db_find_user(another, STR("foo"), password, 0);
        CHECK(bar && memcmp(foo->password, bar->password, SHA1_SIZE) != 0);
        db_destroy(another);
        db_destroy(db);
    }
    TEST("nothing of an id stays in its row, whether it ends by logout, by age or by a newer one") {
        for (int way = 0; way < 3; way++) {
            struct db_options options = defaults(1, 1);
            options.lifetime = AT(10);
            struct db *db = create(options);
            struct user *user;
            add_users(db, (const char *[]){"foo"}, 1, &user);
            const struct session *row = db_add_session(db, user, 0);
            struct id id;
            memcpy(id.digits, row->session_id, sizeof id.digits);
            CHECK(holds(row, sizeof *row, id.digits, sizeof id.digits));
            if (way == 0) log_out(db, &id);
            if (way == 1) CHECK(!user_of(db, &id, AT(10)));
            if (way == 2) CHECK(db_add_session(db, user, 0) == row);
            for (int i = 0; i < DB_SESSION_ID; i += 8)
                CHECK(!holds(row, sizeof *row, id.digits + i, 8));
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
    test_ids();
    test_waits();
    test_neighbours();
    test_memory();
    return test_report();
}
