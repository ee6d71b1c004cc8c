/* threshold: figures and the limits that are set to them. */
#include "tests/lib/test.h"

#include <string.h>

#include "client/cli/threshold.h"

Test(cli_threshold, a_pair_is_a_figure_and_its_limit)
{
    char why[256];
    leat_thresholds limits = {0};
    cr_assert(leat_thresholds_take(&limits, "ready=1_000", why));
    cr_assert(leat_thresholds_take(&limits, "oldest=1h30m", why));
    cr_assert(leat_thresholds_take(&limits, "dead=0", why));
    cr_assert(eq(int, limits.given[LEAT_METRIC_READY], 1));
    cr_assert(eq(dbl, limits.limit[LEAT_METRIC_READY], 1000));
    cr_assert(eq(dbl, limits.limit[LEAT_METRIC_OLDEST], 5400));
    cr_assert(eq(int, limits.given[LEAT_METRIC_HELD], 0));
}

Test(cli_threshold, only_more_than_the_limit_is_too_much)
{
    char why[256];
    leat_thresholds limits = {0};
    cr_assert(leat_thresholds_take(&limits, "dead=0", why));
    cr_assert(leat_thresholds_take(&limits, "oldest=250ms", why));
    cr_assert(eq(int, leat_thresholds_exceeds(&limits, LEAT_METRIC_DEAD, 0), 0));
    cr_assert(eq(int, leat_thresholds_exceeds(&limits, LEAT_METRIC_DEAD, 1), 1));
    cr_assert(eq(int, leat_thresholds_exceeds(&limits, LEAT_METRIC_OLDEST, 0.25), 0));
    cr_assert(eq(int, leat_thresholds_exceeds(&limits, LEAT_METRIC_OLDEST, 0.26), 1));
    cr_assert(eq(int, leat_thresholds_exceeds(&limits, LEAT_METRIC_READY, 1e9), 0));
}

Test(cli_threshold, what_is_no_pair_is_named)
{
    static const struct {
        const char *pair;
        const char *why;
    } cases[] = {
        {"ready",     "\"ready\": write it as ready=1000 or oldest=60s"                         },
        {"redy=1",    "no figure \"redy\", did you mean \"ready\"?"                             },
        {"=1",        "no figure \"\"; there are ready, running, delayed, held, dead and oldest"},
        {"ready=-1",  "\"ready=-1\": ready is a whole number"                                   },
        {"ready=",    "\"ready=\": ready is a whole number"                                     },
        {"oldest=1y", "\"oldest=1y\": oldest is a duration, as 60s or 1h30m"                    },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[256];
        leat_thresholds limits = {0};
        cr_assert(leat_thresholds_take(&limits, cases[i].pair, why) == false);
        LEAT_SAME_TEXT(why, cases[i].why);
    }
}

Test(cli_threshold, each_figure_is_found_by_its_name)
{
    for (int i = 0; i < LEAT_METRICS; i++) {
        const char *const name = leat_metric_name((leat_metric)i);
        cr_assert(eq(int, (int)leat_metric_of(name, strlen(name)), i));
    }
    cr_assert(eq(int, (int)leat_metric_of("read", 4), LEAT_METRICS));
}
