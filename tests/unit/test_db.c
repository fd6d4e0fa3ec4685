/* test_db.c - tests db.c: who may log in, which sessions exist, and who must wait. The clock is a
 * variable that the tests move.
 *
 * Run them with `make test TEST=db`. They see the tables only through db.h. That nothing is allocated
 * after the users were added is tested by tests/fault, which runs the whole server and watches malloc.
 */
#include "db.h"
#include "tests/test.h"

#define SEC(n) ((int64_t)(n)*NS_PER_S)

/* ---- The tables under test ---- */

static struct db *db;
static struct user *foo, *bar, *baz; /* their passwords are their names */
static int64_t now;

/* Options without timeouts and login delays. */
static struct db_options defaults(size_t users, size_t sessions) {
    struct db_options options = {.max_users = users, .max_sessions = sessions};
    memset(options.secret, 0x5e, sizeof options.secret);
    return options;
}

static struct user *authenticate(struct str name, struct str password) {
    return db_authenticate(db, name, password, now);
}

static struct user *add_user(struct str name) {
    CHECK(db_add_user(db, name, name));
    struct user *user = authenticate(name, name);
    if (!user) test_give_up("add a user");
    return user;
}

/* Begins a test with new tables, `count` of the three users, and the clock at 0. */
static void begin_tables(struct db_options options, int count) {
    if (db) db_destroy(db);
    db = db_create(&options);
    if (!db) test_give_up("create the tables");
    now = 0;
    foo = count > 0 ? add_user(STR("foo")) : NULL;
    bar = count > 1 ? add_user(STR("bar")) : NULL;
    baz = count > 2 ? add_user(STR("baz")) : NULL;
}

/* A copy of a token, which stays when the session is deleted. */
struct token {
    char digits[DB_TOKEN_LEN];
};

static struct str token_str(const struct token *token) {
    return (struct str){token->digits, sizeof token->digits};
}

static struct token token_of(const struct session *session) {
    struct token token;
    memcpy(token.digits, session->token, sizeof token.digits);
    return token;
}

static struct token log_in(struct user *user) { return token_of(db_add_session(db, user, now)); }

static void log_out(const struct token *token) { db_delete_session(db, token_str(token)); }

/* Returns its user, or NULL if there is no such session. */
static const struct user *use_session(const struct token *token) {
    const struct session *session = db_use_session(db, token_str(token), now);
    return session ? session->user : NULL;
}

/* Returns whether the memory contains these bytes. */
static bool contains(const void *memory, size_t size, const void *bytes, size_t len) {
    const char *at = memory;
    for (size_t i = 0; i + len <= size; i++)
        if (memcmp(at + i, bytes, len) == 0) return true;
    return false;
}

/* The i-th of many names. */
static struct str name_of(int i) {
    static char name[16];
    snprintf(name, sizeof name, "name%d", i);
    return str_of(name);
}

/* ---- Users ---- */

static const struct {
    struct str name, password;
    const char *why;
} wrong[] = {
    {STR_INIT("foo"), STR_INIT("fo"), "a part of the password"},
    {STR_INIT("foo"), STR_INIT("fooo"), "more than the password"},
    {STR_INIT("foo"), STR_INIT("Foo"), "another case"},
    {STR_INIT("foo"), STR_INIT("foo\0"), "a NUL after the password"},
    {STR_INIT("foo"), STR_INIT("x\0y"), "another user's password"},
    {STR_INIT("foo"), STR_INIT(""), "an empty password"},
    {STR_INIT("Foo"), STR_INIT("foo"), "another case of the name"},
    {STR_INIT("fo"), STR_INIT("ofoo"), "the same bytes, split elsewhere"},
    {STR_INIT("foof"), STR_INIT("oo"), "the same bytes, split elsewhere"},
    {STR_INIT("unknown"), STR_INIT("foo"), "an unknown user"},
    {STR_INIT("x\0z"), STR_INIT("x\0y"), "the name differs after a NUL"},
    {STR_INIT("x"), STR_INIT("x\0y"), "the name ends before a NUL"},
    {STR_INIT(""), STR_INIT(""), "an empty name"},
};

static void test_passwords(void) {
    TEST("only the whole name and the whole password authenticate a user") {
        begin_tables(defaults(2, 2), 1);
        CHECK_VIEW(foo->username, STR("foo"));
        CHECK_VIEW(add_user(STR("x\0y"))->username, STR("x\0y"));
        for (size_t i = 0; i < COUNT(wrong); i++) {
            CASE(wrong[i].why);
            CHECK(!authenticate(wrong[i].name, wrong[i].password));
        }
    }
    TEST("without users every login fails") {
        begin_tables(defaults(1, 1), 0);
        CHECK(!authenticate(STR("foo"), STR("foo")));
    }
    TEST("names and passwords have up to DB_MAX_NAME bytes, and all of them are compared") {
        char bytes[DB_MAX_NAME], other[DB_MAX_NAME];
        struct str name = {bytes, DB_MAX_NAME}, changed = {other, DB_MAX_NAME};
        begin_tables(defaults(1, 1), 0);
        memset(bytes, 0xff, sizeof bytes);
        add_user(name);
        for (size_t i = 0; i < DB_MAX_NAME; i++) {
            memcpy(other, bytes, sizeof bytes);
            other[i]--;
            CHECK(!authenticate(name, changed));
            CHECK(!authenticate(changed, name));
        }
        CHECK(!authenticate(name, (struct str){bytes, DB_MAX_NAME - 1}));
    }
}

static void test_users(void) {
    TEST("a name that exists is rejected, and so is one user too many; nothing else changes") {
        begin_tables(defaults(2, 2), 1);
        errno = 0;
        CHECK(!db_add_user(db, STR("foo"), STR("new")));
        CHECK(!db_add_user(db, STR("foo"), STR("foo")));
        bar = add_user(STR("bar"));
        CHECK(!db_add_user(db, STR("baz"), STR("baz")));
        CHECK_INT(errno, 0);
        CHECK(!authenticate(STR("foo"), STR("new")));
        CHECK(!authenticate(STR("baz"), STR("baz")));
        CHECK(authenticate(STR("foo"), STR("foo")) == foo);
        CHECK(authenticate(STR("bar"), STR("bar")) == bar);
    }
}

/* ---- Sessions ---- */

static void test_sessions(void) {
    TEST("a session is found by its token, is numbered from 1, and belongs to its user") {
        begin_tables(defaults(2, 8), 2);
        for (uint64_t i = 1; i <= 4; i++) {
            struct user *user = i % 2 ? foo : bar;
            const struct session *session = db_add_session(db, user, now++);
            CHECK(db_use_session(db, (struct str){session->token, DB_TOKEN_LEN}, now) == session);
            CHECK_INT(session->id, i);
            CHECK(session->user == user);
        }
    }
    TEST("all 40 digits of a token are compared, and their case and number too") {
        begin_tables(defaults(1, 1), 1);
        struct token token = log_in(foo), changed = token;
        for (int i = 0; i < DB_TOKEN_LEN; i++) {
            for (const char *digit = "0123456789abcdefABCDEF"; *digit; digit++) {
                changed.digits[i] = *digit;
                CHECK(use_session(&changed) == (*digit == token.digits[i] ? foo : NULL));
            }
            changed.digits[i] = '\0';
            CHECK(!use_session(&changed));
            changed = token;
        }
        char longer[DB_TOKEN_LEN + 1] = {0};
        memcpy(longer, token.digits, DB_TOKEN_LEN);
        CHECK(!db_use_session(db, (struct str){longer, DB_TOKEN_LEN + 1}, now));
        CHECK(!db_use_session(db, (struct str){longer, DB_TOKEN_LEN - 1}, now));
        CHECK(!db_use_session(db, STR(""), now));
    }
}

static void test_shares(void) {
    TEST("a user who logs in beyond their share loses their own oldest session and no other") {
        begin_tables(defaults(3, 8), 3); /* two for each, and two stay free */
        struct token first = log_in(foo), second = log_in(foo), other = log_in(bar);
        struct token another = log_in(bar), third = log_in(foo);
        CHECK(!use_session(&first));
        CHECK(use_session(&second) == foo);
        CHECK(use_session(&third) == foo);
        for (int i = 0; i < 1000; i++) log_in(foo);
        CHECK(!use_session(&second));
        CHECK(!use_session(&third));
        CHECK(use_session(&other) == bar);
        CHECK(use_session(&another) == bar);
    }
    TEST("the share is max_sessions divided by the number of users, and at least one") {
        begin_tables(defaults(3, 8), 1);
        struct token first = log_in(foo);
        for (int i = 1; i < 8; i++) log_in(foo);
        CHECK(use_session(&first));
        log_in(foo);
        CHECK(!use_session(&first));
        begin_tables(defaults(3, 3), 3);
        struct token one = log_in(foo), two = log_in(bar), three = log_in(baz);
        CHECK(use_session(&one) == foo);
        CHECK(use_session(&two) == bar);
        CHECK(use_session(&three) == baz);
    }
}

/* The sessions that a user must have, oldest first, and one that was deleted. */
struct model {
    struct user *user;
    struct token live[4], deleted;
    unsigned count;
};

static void delete_in_model(struct model *model, unsigned at) {
    model->deleted = model->live[at];
    model->count--;
    memmove(&model->live[at], &model->live[at + 1], (model->count - at) * sizeof model->live[0]);
}

static bool agrees_with(const struct model *model) {
    const struct user *user = model->user;
    const struct link *link = user->sessions.next;
    for (unsigned i = 0; i < model->count && link != &user->sessions; i++, link = link->next) {
        struct token token = token_of((const struct session *)link);
        if (memcmp(&token, &model->live[i], sizeof token) != 0 || use_session(&token) != user)
            return false;
    }
    return link == &user->sessions && user->session_count == model->count &&
           !use_session(&model->deleted);
}

/* Pseudo-random numbers, the same ones in every run. */
static unsigned random_below(unsigned below) {
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(state >> 33) % below;
}

static void test_any_order(void) {
    TEST("logins and logouts in any order leave the newest sessions that were not deleted") {
        begin_tables(defaults(3, 12), 3);
        struct model models[3] = {{.user = foo}, {.user = bar}, {.user = baz}};
        for (now = 0; now < 3000; now++) {
            struct model *model = &models[random_below(3)];
            if (random_below(2) == 0) {
                if (model->count == 4) delete_in_model(model, 0);
                model->live[model->count++] = log_in(model->user);
            } else if (model->count > 0) {
                delete_in_model(model, random_below(model->count));
                for (int i = 0; i < 2; i++) log_out(&model->deleted); /* twice changes nothing */
            }
            for (int i = 0; i < 3; i++) CHECK(agrees_with(&models[i]));
        }
    }
}

static void test_expiry(void) {
    static const struct {
        int64_t idle_timeout, max_lifetime;
        int64_t first_use, last_use; /* since the login */
        bool exists;
        const char *why;
    } cases[] = {
        {SEC(10), SEC(100), 0, SEC(10) - 1, true, "a nanosecond before the idle timeout"},
        {SEC(10), SEC(100), 0, SEC(10), false, "the idle timeout"},
        {SEC(10), SEC(100), SEC(9), SEC(18), true, "each use restarts the idle timeout"},
        {SEC(10), SEC(100), SEC(9), SEC(20), false, "the idle timeout since the last use"},
        {SEC(100), SEC(50), SEC(40), SEC(50) - 1, true, "a nanosecond before its lifetime"},
        {SEC(100), SEC(50), SEC(40), SEC(50), false, "its lifetime, although it is used"},
        {SEC(100), SEC(50), SEC(60), SEC(61), false, "its lifetime before the first use"},
        {0, SEC(50), 0, SEC(49), true, "no idle timeout"},
        {0, SEC(50), 0, SEC(51), false, "no idle timeout, but a lifetime"},
        {SEC(10), 0, 0, SEC(11), false, "no lifetime, but an idle timeout"},
        {1, 0, 0, 1, false, "the shortest idle timeout"},
        {0, 1, 0, 1, false, "the shortest lifetime"},
        {0, 0, 0, INT64_C(1) << 60, true, "neither, after 36 years"},
    };
    TEST("a session expires after idle_timeout without a use, or after max_lifetime") {
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct db_options options = defaults(1, 1);
            CASE(cases[i].why);
            options.idle_timeout = cases[i].idle_timeout;
            options.max_lifetime = cases[i].max_lifetime;
            begin_tables(options, 1);
            now = SEC(1000);
            struct token token = log_in(foo);
            now = SEC(1000) + cases[i].first_use;
            use_session(&token);
            now = SEC(1000) + cases[i].last_use;
            CHECK_INT(use_session(&token) == foo, cases[i].exists);
            now = SEC(1000); /* even if the clock went back */
            CHECK_INT(use_session(&token) == foo, cases[i].exists);
        }
    }
}

/* ---- Tokens and the index ---- */

#define TOKENS 65536
static struct token tokens[TOKENS]; /* sorted */

static int compare_tokens(const void *a, const void *b) { return memcmp(a, b, DB_TOKEN_LEN); }

static void test_tokens(void) {
    begin_tables(defaults(1, 1), 1);
    for (int i = 0; i < TOKENS; i++) tokens[i] = log_in(foo);
    qsort(tokens, TOKENS, sizeof *tokens, compare_tokens);
    TEST("tokens are 40 lower-case hexadecimal digits; any two in a row have all 256 values") {
        static bool seen[DB_TOKEN_LEN][16][16];
        int values = 0;
        for (int i = 0; i < TOKENS; i++)
            for (int at = 0; at < DB_TOKEN_LEN; at++) {
                int digit = hex_value(tokens[i].digits[at]);
                int before = at > 0 ? hex_value(tokens[i].digits[at - 1]) : 0;
                CHECK_BETWEEN(digit, 0, 15);
                CHECK_INT(tokens[i].digits[at], hex_digit(digit));
                values += !seen[at][before & 15][digit & 15];
                seen[at][before & 15][digit & 15] = true;
            }
        CHECK_INT(values, 16 + (DB_TOKEN_LEN - 1) * 256);
    }
    TEST("no token occurs twice, even if the clock stands still") {
        for (int i = 1; i < TOKENS; i++) CHECK(compare_tokens(&tokens[i - 1], &tokens[i]) != 0);
    }
    TEST("another secret, or another time, makes other tokens of the same row") {
        struct db_options options = defaults(1, 1);
        options.secret[DB_SECRET_SIZE - 1] ^= 1;
        for (int i = 0; i < 2; i++) {
            begin_tables(i == 0 ? options : defaults(1, 1), 1);
            now = i;
            struct token token = log_in(foo);
            CHECK(!bsearch(&token, tokens, TOKENS, sizeof token, compare_tokens));
        }
    }
}

static void test_index(void) {
    enum { USERS = 1024, SESSIONS = 4096 };
    const struct user *next = NULL;
    int users_after = 0, sessions_after = 0;
    begin_tables(defaults(USERS, SESSIONS), 0);
    for (int i = 0; i < USERS; i++) add_user(name_of(i));
    TEST("users are numbered from 1 and linked in the order of insertion, and all are found") {
        for (uint32_t i = 0; i < USERS; i++) {
            const struct user *user = authenticate(name_of((int)i), name_of((int)i));
            CHECK(user);
            if (!user) break;
            CHECK_INT(user->id, i + 1);
            CHECK(user == next || i == 0);
            next = user->next;
            while ((user = user->hash_next) != NULL) users_after++;
        }
        CHECK(next == NULL);
    }
    TEST("among thousands of rows the chains of the buckets are short") {
        for (int i = 0; i < SESSIONS; i++) {
            struct user *user = authenticate(name_of(i % USERS), name_of(i % USERS));
            const struct session *row = user ? db_add_session(db, user, now) : NULL;
            while (row && (row = row->hash_next) != NULL) sessions_after++;
        }
        CHECK_BETWEEN(users_after, 0, USERS - 1);
        CHECK_BETWEEN(sessions_after, 0, SESSIONS - 1);
    }
}

/* ---- Failed logins ---- */

static void begin_delaying(uint32_t max_failures) {
    struct db_options options = defaults(1001, 1001);
    options.max_failures = max_failures;
    begin_tables(options, 1);
}

static void fail_logins(struct str name, int times) {
    while (times-- > 0) CHECK(!authenticate(name, STR("wrong")));
}

static unsigned delay(struct str name) { return db_login_delay(db, name, now); }

static const struct str foo_and_unknown[] = {STR_INIT("foo"), STR_INIT("unknown")};

static void check_delays(struct str name) {
    static const unsigned delays[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    begin_delaying(10);
    now = SEC(1000);
    fail_logins(name, 9);
    CHECK_INT(delay(name), 0);
    for (size_t n = 0; n < COUNT(delays); n++) {
        fail_logins(name, 1);
        CHECK_INT(delay(name), delays[n]);
        now += SEC(delays[n]) - 1;
        CHECK_INT(delay(name), 1);
        now++;
        CHECK_INT(delay(name), 0);
    }
}

static void test_delays(void) {
    TEST("from max_failures on a name waits 1, 2, 4 ... 60 seconds, known or unknown") {
        for (int i = 0; i < 2; i++) check_delays(foo_and_unknown[i]);
    }
    TEST("a successful login resets the failures") {
        begin_delaying(3);
        fail_logins(STR("foo"), 5);
        CHECK_INT(delay(STR("foo")), 4);
        CHECK(authenticate(STR("foo"), STR("foo")));
        CHECK_INT(delay(STR("foo")), 0);
        fail_logins(STR("foo"), 2);
        CHECK_INT(delay(STR("foo")), 0);
        fail_logins(STR("foo"), 1);
        CHECK_INT(delay(STR("foo")), 1);
    }
    TEST("each of many users has failures of their own") {
        begin_delaying(1);
        for (int i = 0; i < 1000; i++) add_user(name_of(i));
        for (int i = 0; i < 1000; i++) fail_logins(name_of(i), 1);
        for (int i = 0; i < 1000; i++) CHECK_INT(delay(name_of(i)), 1);
    }
    TEST("the number of failures does not overflow") {
        begin_delaying(3);
        foo->failures.count = UINT32_MAX; /* pretends that there were this many */
        fail_logins(STR("foo"), 1);
        CHECK_INT(delay(STR("foo")), 60);
    }
    TEST("if max_failures is 0 no name must wait") {
        begin_delaying(0);
        fail_logins(STR("foo"), 1000);
        CHECK_INT(delay(STR("foo")), 0);
    }
}

/* Returns a name that shares its Boyer-Moore majority count with "unknown": one failure of it
 * decrements the count of "unknown" from 1 to 0. */
static struct str find_sharing_name(void) {
    int i = 0;
    begin_delaying(1);
    fail_logins(STR("unknown"), 1);
    while (delay(STR("unknown")) > 0 && i < 100 * DB_SHARED_COUNTS) fail_logins(name_of(i++), 1);
    CHECK_INT(delay(STR("unknown")), 0);
    return name_of(i - 1);
}

static void test_shared_counts(void) {
    TEST("a name is never delayed by failures of another one, whichever count they share") {
        for (int i = 0; i < 2; i++) {
            begin_delaying(3);
            fail_logins(foo_and_unknown[i], 1000);
            for (int n = 0; n < 4 * DB_SHARED_COUNTS; n++) CHECK_INT(delay(name_of(n)), 0);
            CHECK_INT(delay(foo_and_unknown[!i]), 0);
        }
    }
    TEST("neither failures nor a success of other names change the failures of a user") {
        begin_delaying(10);
        add_user(STR("bar"));
        fail_logins(STR("foo"), 13);
        for (int i = 0; i < 40 * DB_SHARED_COUNTS; i++) fail_logins(name_of(i), 1);
        CHECK(authenticate(STR("bar"), STR("bar")));
        CHECK_INT(delay(STR("foo")), 8);
    }
    TEST("unknown names share Boyer-Moore majority counts: others decrement, and replace at 0") {
        struct str unknown = STR("unknown"), other = find_sharing_name();
        begin_delaying(3);
        fail_logins(unknown, 5);
        CHECK_INT(delay(unknown), 4);
        fail_logins(other, 1);
        CHECK_INT(delay(unknown), 2);
        fail_logins(other, 4 + 2);
        CHECK_INT(delay(other), 0);
        CHECK_INT(delay(unknown), 0);
        fail_logins(other, 1);
        CHECK_INT(delay(other), 1);
        CHECK_INT(delay(unknown), 0);
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
#define CHECK_ECHO(...)                                                                            \
    do {                                                                                           \
        char storage[sizeof echoed_storage];                                                       \
        struct text expected = TEXT(storage);                                                      \
        text_put_all(&expected, __VA_ARGS__);                                                      \
        CHECK_VIEW(text_str(&echoed), text_str(&expected));                                        \
        text_clear(&echoed);                                                                       \
    } while (0)

static void test_echo(void) {
    struct db_options options = defaults(1, 1);
    options.echo = record_echo;
    options.max_lifetime = SEC(10);
    options.max_failures = 1;
    struct str made_up = STR("made up"), password = STR("secret");
    TEST("an operation on users echoes its statement with the username, and never a password") {
        begin_tables(options, 1);
        CHECK_ECHO(INSERT_USER, foo->username, SELECT_USER, foo->username);
        CHECK(!db_add_user(db, foo->username, password));
        CHECK(!db_add_user(db, made_up, password));
        CHECK_INT(delay(made_up), 0);
        CHECK_ECHO(STR(""));
        CHECK(!authenticate(made_up, password));
        CHECK_ECHO(SELECT_USER, made_up);
    }
    TEST("an operation on sessions echoes its statements with the token") {
        begin_tables(options, 1);
        text_clear(&echoed);
        struct token one = log_in(foo);
        struct str first = token_str(&one);
        CHECK_ECHO(INSERT_SESSION, first);
        CHECK(use_session(&one) == foo);
        CHECK_ECHO(SELECT_SESSION, first, UPDATE_SESSION, first);
        struct token two = log_in(foo); /* the share is one session */
        struct str second = token_str(&two);
        CHECK_ECHO(DELETE_SESSION, first, INSERT_SESSION, second);
        CHECK(!use_session(&one));
        CHECK_ECHO(SELECT_SESSION, first);
        now = SEC(10);
        CHECK(!use_session(&two)); /* it has expired */
        CHECK_ECHO(SELECT_SESSION, second, DELETE_SESSION, second);
        one = log_in(foo);
        log_out(&one);
        CHECK_ECHO(INSERT_SESSION, first, SELECT_SESSION, first, DELETE_SESSION, first);
        db_delete_session(db, made_up);
        CHECK_ECHO(SELECT_SESSION, made_up);
    }
}

/* ---- Memory ---- */

static uint64_t memory_size(size_t users, size_t sessions) {
    struct db_options options = defaults(users, sessions);
    return db_memory_size(&options);
}

static void test_memory(void) {
    TEST("a user takes a part of the index; a session that and its row, at most 128 bytes") {
        const uint64_t n = 65536, row = sizeof(struct session), link = sizeof(void *);
        CHECK_INT(memory_size(n, n) - memory_size(1, n), (n - 1) * link);
        CHECK_INT(memory_size(n, 2 * n) - memory_size(n, n), n * (row + link));
        CHECK_INT(memory_size(1, n + 1) - memory_size(1, n), row + n * link);
        CHECK_BETWEEN(memory_size(1, n + 1) - memory_size(1, 1), 0, n * 128);
    }
    TEST("a user's row contains no password, and does not reveal who has the same one") {
        unsigned char hashes[3][SHA1_SIZE];
        for (unsigned char i = 0; i < 3; i++) {
            struct db_options options = defaults(1, 1);
            options.secret[0] ^= i / 2; /* the third time another secret */
            struct str name = i == 1 ? STR("bar") : STR("foo"), password = STR("correct horse");
            begin_tables(options, 0);
            CHECK(db_add_user(db, name, password));
            const struct user *user = authenticate(name, password);
            if (!user) continue;
            CHECK(!contains(user, sizeof *user + name.len, password.s, 4));
            memcpy(hashes[i], user->password_hash, SHA1_SIZE);
            for (int j = 0; j < i; j++) CHECK(memcmp(hashes[i], hashes[j], SHA1_SIZE) != 0);
        }
    }
    TEST("no part of a token stays in its row, however the session is deleted") {
        for (int way = 0; way < 3; way++) {
            struct db_options options = defaults(1, 1);
            options.max_lifetime = SEC(10);
            begin_tables(options, 1);
            const struct session *row = db_add_session(db, foo, now);
            struct token token = token_of(row);
            CHECK(contains(row, sizeof *row, token.digits, sizeof token.digits));
            if (way == 0) log_out(&token);
            now = SEC(10);
            if (way == 1) CHECK(!use_session(&token));
            if (way == 2) CHECK(db_add_session(db, foo, now) == row);
            for (int i = 0; i < DB_TOKEN_LEN; i += 8)
                CHECK(!contains(row, sizeof *row, token.digits + i, 8));
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
    test_tokens();
    test_index();
    test_delays();
    test_shared_counts();
    test_echo();
    test_memory();
    db_destroy(db);
    return test_report();
}
