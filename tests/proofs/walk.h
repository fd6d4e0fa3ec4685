/* walk.h - what states_db.c and states_server.c share: the states that were reached.
 *
 * For files that define struct snapshot, a state from which the walk can go on; struct key, what two
 * states have in common if they are the same, without padding; save; and MAX_STATES.
 */
#ifndef WALK_H
#define WALK_H

enum { HASH_SIZE = 4 * MAX_STATES };

static void save(struct snapshot *to);

static struct snapshot *snapshots;
static struct key *keys;
static size_t state_count, transition_count, visiting;
static unsigned visited[HASH_SIZE]; /* number of a state + 1, by the hash of its key */
static const char *operation = "start";

static void check(bool holds, const char *rule) {
    if (holds) return;
    printf("FAIL: %s, after: %s (state %zu)\n", rule, operation, visiting);
    exit(1);
}

/* Adds the state to those to be visited, if it is new. */
static void arrive_at(const struct key *key) {
    uint64_t hash = 0;
    transition_count++;
    for (size_t i = 0; i < sizeof *key; i++)
        hash = (hash ^ ((const unsigned char *)key)[i]) * UINT64_C(0x100000001b3);
    size_t slot = (size_t)(hash ^ hash >> 29) % HASH_SIZE;
    while (visited[slot] > 0 && memcmp(&keys[visited[slot] - 1], key, sizeof *key) != 0)
        slot = (slot + 1) % HASH_SIZE;
    if (visited[slot] > 0) return;
    check(state_count < MAX_STATES, "the walk has room for all states");
    visited[slot] = (unsigned)state_count + 1;
    keys[state_count] = *key;
    save(&snapshots[state_count++]);
}

/* Visits the states that were reached, and those that are reached from them. */
static void walk(const char *file, void try_all_operations(const struct snapshot *from)) {
    for (visiting = 0; visiting < state_count; visiting++) try_all_operations(&snapshots[visiting]);
    printf("%s: %zu states, %zu transitions\n", file, state_count, transition_count);
}

#endif
