/* histogram: shares of times, within its precision. */
#include "tests/lib/test.h"

#include <math.h>

#include "client/cli/histogram.h"

TestSuite(cli_histogram);

static bool
is_near(double got, double want)
{
    return fabs(got - want) <= want / 128;
}

Test(cli_histogram, an_empty_one_has_no_times)
{
    const leat_histogram empty = {0};
    cr_assert(leat_histogram_us(&empty, 0.5) <= 0);
}

Test(cli_histogram, shares_of_a_thousand_times_are_found)
{
    leat_histogram one = {0};
    for (int64_t us = 1; us <= 1000; us++)
        leat_histogram_add(&one, us * 1000);
    cr_assert(eq(u64, one.count, 1000));
    cr_assert(eq(u64, one.max_ns, 1000000));
    cr_assert(is_near(leat_histogram_us(&one, 0.5), 500));
    cr_assert(is_near(leat_histogram_us(&one, 0.99), 990));
    cr_assert(is_near(leat_histogram_us(&one, 1), 1000));
    cr_assert(is_near(leat_histogram_us(&one, 0), 1));
}

Test(cli_histogram, every_time_is_kept_to_within_a_part_of_128)
{
    for (uint64_t ns = 1; ns < (1ULL << 62U); ns = ns * 3 / 2 + 1) {
        leat_histogram one = {0};
        leat_histogram_add(&one, (int64_t)ns);
        cr_assert(is_near(leat_histogram_us(&one, 0.5), (double)ns / 1000), "%llu",
                  (unsigned long long)ns);
    }
}

Test(cli_histogram, the_longest_and_the_impossible_time_fit)
{
    leat_histogram one = {0};
    leat_histogram_add(&one, INT64_MAX);
    leat_histogram_add(&one, -5);
    cr_assert(eq(u64, one.count, 2));
    cr_assert(eq(u64, one.buckets[0], 1));
    cr_assert(eq(u64, one.max_ns, INT64_MAX));
}

Test(cli_histogram, two_become_one)
{
    leat_histogram one = {0};
    leat_histogram other = {0};
    leat_histogram_add(&one, 1000);
    leat_histogram_add(&other, 3000);
    leat_histogram_add(&other, 3000);
    leat_histogram_merge(&one, &other);
    cr_assert(eq(u64, one.count, 3));
    cr_assert(eq(u64, one.max_ns, 3000));
    cr_assert(is_near(leat_histogram_us(&one, 0.5), 3));
}
