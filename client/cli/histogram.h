/* leat_histogram: how often which time occurred, in memory that does not grow with how many.
 *
 * Times up to 127 ns are exact, longer ones are kept to within 1/128. */
#ifndef LEAT_CLI_HISTOGRAM_H
#define LEAT_CLI_HISTOGRAM_H

#include <stdint.h>

#define LEAT_HISTOGRAM_BUCKETS (58U * 128U)

typedef struct leat_histogram {
    uint64_t count;
    uint64_t max_ns;
    uint64_t buckets[LEAT_HISTOGRAM_BUCKETS];
} leat_histogram;

/* A zeroed one is empty. Negative times count as 0. */
void leat_histogram_add(leat_histogram *self, int64_t ns);
/* Take in what another one has. */
void leat_histogram_merge(leat_histogram *self, const leat_histogram *other);
/* The time that `share` (0 … 1) of all do not exceed, in microseconds; 0 when there are none. */
double leat_histogram_us(const leat_histogram *self, double share);

#endif
