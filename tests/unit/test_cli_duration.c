/* duration: the three forms in which durations are shown. */
#include "tests/lib/test.h"

#include "client/cli/duration.h"

TestSuite(cli_duration);

typedef struct sample {
    double seconds;
    const char *text;
} sample;

static void
must_give(const char *(*format)(double, char[LEAT_DURATION_BYTES]), const sample *samples, size_t n)
{
    char out[LEAT_DURATION_BYTES];
    for (size_t i = 0; i < n; i++)
        LEAT_SAME_TEXT(format(samples[i].seconds, out), samples[i].text);
}

Test(cli_duration, short_form)
{
    static const sample samples[] = {
        {0,       "0.0s" },
        {0.44,    "0.4s" },
        {9.8,     "9.8s" },
        {9.96,    "10s"  },
        {42.9,    "42s"  },
        {60,      "1m0s" },
        {725,     "12m5s"},
        {3600,    "1h0m" },
        {11520,   "3h12m"},
        {86400,   "1d0h" },
        {442800,  "5d3h" },
        {-1,      "-"    },
        {0.0 / 1, "0.0s" },
    };
    must_give(leat_duration_short, samples, sizeof samples / sizeof *samples);
}

Test(cli_duration, as_on_a_clock)
{
    static const sample samples[] = {
        {0,      "0:00"     },
        {9.9,    "0:09"     },
        {725,    "12:05"    },
        {3723,   "1:02:03"  },
        {360000, "100:00:00"},
        {-1,     "-"        },
    };
    must_give(leat_duration_clock, samples, sizeof samples / sizeof *samples);
}

Test(cli_duration, in_a_sentence)
{
    static const sample samples[] = {
        {0.31,  "0.31 s"    },
        {0.996, "1.0 s"     },
        {4.4,   "4.4 s"     },
        {99.96, "100 s"     },
        {250,   "250 s"     },
        {725,   "12 min 5 s"},
        {11520, "3 h 12 min"},
        {90000, "25 h 0 min"},
        {-1,    "0.00 s"    },
    };
    must_give(leat_duration_spoken, samples, sizeof samples / sizeof *samples);
}

Test(cli_duration, what_is_beyond_all_measure_still_fits)
{
    char out[LEAT_DURATION_BYTES];
    const char *const huge = leat_duration_short(1e300, out);

    LEAT_SAME_TEXT(huge, "11574074074d1h");
}
