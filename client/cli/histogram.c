/* Buckets of 128 steps for each power of two. */
#include "client/cli/histogram.h"

#include <assert.h>

#define STEPS 128U /* a power of two has so many */
#define BITS  7U

static unsigned
bucket_of(uint64_t ns)
{
    if (ns < STEPS)
        return (unsigned)ns;
    const unsigned shift = 63U - (unsigned)__builtin_clzll(ns) - BITS;
    return (shift + 1) * STEPS + (unsigned)((ns >> shift) & (STEPS - 1));
}

/* The middle of what falls into a bucket. */
static double
middle_ns(unsigned bucket)
{
    if (bucket < STEPS)
        return (double)bucket;
    const unsigned shift = bucket / STEPS - 1;
    const uint64_t first = (uint64_t)(STEPS + bucket % STEPS) << shift;
    return (double)first + (double)((1ULL << shift) - 1) / 2;
}

void
leat_histogram_add(leat_histogram *self, int64_t ns)
{
    const uint64_t time = ns < 0 ? 0 : (uint64_t)ns;
    const unsigned bucket = bucket_of(time);
    assert(bucket < LEAT_HISTOGRAM_BUCKETS);
    self->buckets[bucket]++;
    self->count++;
    if (time > self->max_ns)
        self->max_ns = time;
}

void
leat_histogram_merge(leat_histogram *self, const leat_histogram *other)
{
    for (unsigned i = 0; i < LEAT_HISTOGRAM_BUCKETS; i++)
        self->buckets[i] += other->buckets[i];
    self->count += other->count;
    if (other->max_ns > self->max_ns)
        self->max_ns = other->max_ns;
}

double
leat_histogram_us(const leat_histogram *self, double share)
{
    const double wanted = share * (double)self->count;
    uint64_t seen = 0;
    if (self->count == 0)
        return 0;
    for (unsigned i = 0; i < LEAT_HISTOGRAM_BUCKETS; i++) {
        seen += self->buckets[i];
        if (self->buckets[i] > 0 && (double)seen >= wanted)
            return middle_ns(i) / 1000;
    }
    return (double)self->max_ns / 1000;
}
