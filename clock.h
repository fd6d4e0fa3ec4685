/* clock.h - the unit of time. Points in time and durations are int64_t nanoseconds. Points in
 * time are read from a monotonic clock, which no administrator and no time server can set. Only
 * the dates in responses and in the log come from the wall clock. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

/* The first second of 2026, in seconds since 1970. If a wall clock shows an earlier time, it was
 * never set, as on a board without a battery. */
#define EARLIEST_CLOCK_TIME 1767225600

#endif
