/* timing.c - the time of a login or a session look-up reveals nothing.
 *
 *     sh tests/load/run.sh timing
 *
 * Each row of `pairs` has two inputs for which a call must take the same time or, to show that a
 * difference can be measured, must not. The call is made 100,000 times, on one of them at random, and
 * Welch's t shows how certain a difference is: below 4.5 there is none.
 *
 * The functions of db.c are called in this process, because over a socket the noise of the kernel is a
 * thousand times as large as the difference. A busy machine disturbs this measurement as well, so each
 * pair has five tries: a difference in the code shows in all of them.
 */
#define _POSIX_C_SOURCE 200809L
#include "../../db.h"
#include "../test.h"

#include <math.h>
#include <time.h>

#define CALLS 100000
#define BOUND 4.5
#define TRIES 5

static struct db *db;
static struct str input; /* both inputs of a pair are copied to the same place, because of caches */
static char input_storage[DB_MAX_NAME], early[DB_TOKEN_LEN], late[DB_TOKEN_LEN];

static void log_in(void) { db_authenticate(db, input, STR("wrong"), 1); }
static void find_session(void) { db_use_session(db, input, 1); }

/* clang-format off */
static const struct pair {
    const char *name;
    void (*call)(void);
    struct str inputs[2];
    bool differ;
} pairs[] = {
    {"an unknown name takes as long as a wrong password", log_in,
     {STR_INIT("foo"), STR_INIT("oof")}, false},
    {"comparing a token takes as long wherever it differs", find_session,
     {{early, sizeof early}, {late, sizeof late}}, false},
    {"one more block of SHA-1 can be measured", log_in,
     {STR_INIT("foo"), STR_INIT("a name so long that SHA-1 has one block more to do")}, true},
};
/* clang-format on */

/* ---- Welch's t ---- */

struct sample {
    double count, mean, squares; /* the sum of squared differences from the mean */
};

static void add(struct sample *sample, double value) {
    double before = value - sample->mean;
    sample->count++;
    sample->mean += before / sample->count;
    sample->squares += before * (value - sample->mean);
}

static double find_t(const struct sample *a, const struct sample *b) {
    double error = a->squares / (a->count - 1) / a->count + b->squares / (b->count - 1) / b->count;
    return fabs(a->mean - b->mean) / sqrt(error > 0 ? error : 1e-9);
}

static double measure(const struct pair *pair, int which) {
    struct timespec start, end;
    input = (struct str){input_storage, pair->inputs[which].len};
    memcpy(input_storage, pair->inputs[which].s, input.len);
    clock_gettime(CLOCK_MONOTONIC, &start);
    pair->call();
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
}

static double find_shortest(const struct pair *pair, int which) {
    double shortest = measure(pair, which);
    for (int i = 0; i < 1000; i++) shortest = fmin(shortest, measure(pair, which));
    return shortest;
}

static double compare(const struct pair *pair) {
    struct sample samples[2] = {{0, 0, 0}, {0, 0, 0}};
    double limit = 3 * fmax(find_shortest(pair, 0), find_shortest(pair, 1));
    for (int i = 0; i < CALLS; i++) {
        int which = rand() / (RAND_MAX / 2 + 1);
        double time = measure(pair, which);
        if (time < limit) /* otherwise it was interrupted */
            add(&samples[which], time);
    }
    return find_t(&samples[0], &samples[1]);
}

/* Makes two tokens that differ from that of a session in one digit. The first eight digits choose the
 * bucket of the index, so they are not compared in constant time. */
static void make_tokens(void) {
    struct user *user = db_authenticate(db, STR("foo"), STR("right"), 1);
    const char *token = db_add_session(db, user, 1)->token;
    memcpy(early, token, sizeof early);
    memcpy(late, token, sizeof late);
    early[8] = early[8] == '0' ? '1' : '0';
    late[sizeof late - 1] = late[sizeof late - 1] == '0' ? '1' : '0';
}

int main(void) {
    db = db_create(&(struct db_options){.secret = "timing", .max_users = 1, .max_sessions = 16});
    db_add_user(db, STR("foo"), STR("right"));
    make_tokens();
    for (size_t i = 0; i < COUNT(pairs); i++) {
        double t = compare(&pairs[i]);
        for (int try = 1; try < TRIES && (t > BOUND) != pairs[i].differ; try++)
            t = compare(&pairs[i]);
        TEST(pairs[i].name) { CHECK((t > BOUND) == pairs[i].differ); }
        printf("%-65s | t = %.1f\n", pairs[i].name, t);
    }
    db_destroy(db);
    return test_report();
}
