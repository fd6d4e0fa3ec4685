/* timing.c - what the time of an answer tells: nothing.
 *
 * Each row of `pairs` has two inputs on which a call must take the same time, or, to show that the
 * measure sees what there is to see, must not. It is made 100,000 times, the dice say on which,
 * and Welch's t says how sure a difference is: under 4.5 there is none to be found.
 *
 * The calls are db.c's own, in this process. Over a socket the noise of the kernel is a thousand
 * times what is looked for, and would hide it; here it shows soonest. A busy machine disturbs the
 * measure all the same, so each pair has five chances: a difference in the code shows in all of
 * them.
 */
#define _POSIX_C_SOURCE 200809L
#include "../../db.h"
#include "../test.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#define CALLS 100000
#define BOUND 4.5
#define TRIES 5

static struct db *db;
static struct str input; /* both inputs of a pair take the same place, as places have times too */
static char input_room[DB_NAME], early[DB_SESSION_ID], late[DB_SESSION_ID];

static void log_in(void) { db_find_user(db, input, STR("wrong"), 1); }
static void find_session(void) { db_find_session(db, input, 1); }

static const struct pair {
    const char *name;
    void (*call)(void);
    struct str inputs[2];
    bool differ;
} pairs[] = {
    {"an unknown name takes the time of a wrong password",
     log_in,
     {STR_INIT("foo"), STR_INIT("oof")},
     false},
    {"a session's id is compared in the same time wherever it differs",
     find_session,
     {{early, sizeof early}, {late, sizeof late}},
     false},
    {"the measure sees one more block of SHA-1",
     log_in,
     {STR_INIT("foo"), STR_INIT("a name so long that SHA-1 has one block more to do")},
     true},
};

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
    input = (struct str){input_room, pair->inputs[which].len};
    memcpy(input_room, pair->inputs[which].s, input.len);
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
        if (time < limit) /* what took longer was interrupted */
            add(&samples[which], time);
    }
    return find_t(&samples[0], &samples[1]);
}

/* A session to be missed by a digit. The first eight digits pick its place in the index, and are
 * no secret of the comparison. */
static void make_ids(void) {
    struct user *user = db_find_user(db, STR("foo"), STR("right"), 1);
    const char *id = db_add_session(db, user, 1)->session_id;
    memcpy(early, id, sizeof early);
    memcpy(late, id, sizeof late);
    early[8] = early[8] == '0' ? '1' : '0';
    late[sizeof late - 1] = late[sizeof late - 1] == '0' ? '1' : '0';
}

int main(void) {
    db = db_create(&(struct db_options){.secret = "timing", .users = 1, .sessions = 16});
    db_add_user(db, STR("foo"), STR("right"));
    make_ids();
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        double t = compare(&pairs[i]);
        for (int try = 1; try < TRIES && (t > BOUND) != pairs[i].differ; try++)
            t = compare(&pairs[i]);
        TEST(pairs[i].name) { CHECK((t > BOUND) == pairs[i].differ); }
        printf("%-65s | t = %.1f\n", pairs[i].name, t);
    }
    db_destroy(db);
    return test_report();
}
