/* when: what is a time, and which one. */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <time.h>

#include "client/cli/when.h"

/* The clock of Berlin without a zone file: an hour ahead, in summer two. */
static void
live_in_berlin(void)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
    (void)setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
}

TestSuite(cli_when, .init = live_in_berlin);

#define NOON 1900000000000LL /* 2030-03-17 17:46:40 UTC, 18:46:40 in Berlin */

Test(cli_when, a_stamp_is_read_with_its_offset)
{
    const struct {
        const char *text;
        int64_t at_ms;
    } cases[] = {
        {"1970-01-01T00:00:01Z",           1000           },
        {"2000-02-29T12:00:00Z",           951825600000   },
        {"2030-03-17T17:46:40Z",           NOON           },
        {"2030-03-17t17:46:40z",           NOON           },
        {"2030-03-17 18:46:40+01:00",      NOON           },
        {"2030-03-17T12:16:40-05:30",      NOON           },
        {"2030-03-17T17:46:40.25Z",        NOON + 250     },
        {"2030-03-17T17:46:40.123456789Z", NOON + 123     },
        {"2016-12-31T23:59:60Z",           1483228800000  },
        {"9999-12-31T23:59:59Z",           253402300799000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t at_ms = 0;
        cr_assert(leat_when_parse(cases[i].text, 0, &at_ms), "%s", cases[i].text);
        cr_assert(eq(i64, at_ms, cases[i].at_ms), "%s", cases[i].text);
    }
}

Test(cli_when, a_clock_is_the_next_time_that_it_shows_it)
{
    const struct {
        const char *text;
        int64_t in_s;
    } cases[] = {
        {"18:47",    20        },
        {"18:46:41", 1         },
        {"18:46:40", 86400     }, /* now is not the next time */
        {"18:46",    86400 - 40},
        {"00:00",    18800     },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t at_ms = 0;
        cr_assert(leat_when_parse(cases[i].text, NOON, &at_ms), "%s", cases[i].text);
        cr_assert(eq(i64, at_ms - NOON, cases[i].in_s * 1000), "%s", cases[i].text);
    }
}

Test(cli_when, tomorrow_is_a_day_of_the_calendar_also_when_the_clocks_change)
{
    int64_t at_ms;
    const int64_t before = 1901120400000; /* 2030-03-30 18:00 in Berlin, the night loses an hour */

    cr_assert(leat_when_parse("18:00", before, &at_ms));

    cr_assert(eq(i64, at_ms - before, 23LL * 3600 * 1000));
}

Test(cli_when, anything_else_is_no_time)
{
    static const char *const none[] = {
        "",
        "now",
        "8:00",
        "24:00",
        "12:60",
        "12:00 ",
        "12:00:60",
        "12",
        "12:0",
        "-1:00",
        "2030-05-01",
        "2030-05-01T18:30",
        "2030-05-01T18:30:00",
        "2030-05-01T18:30:00+1",
        "2030-05-01T18:30:00Zx",
        "2030-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2030-13-01T00:00:00Z",
        "2030-00-01T00:00:00Z",
        "2030-01-00T00:00:00Z",
        "2030-04-31T00:00:00Z",
        "2030-01-01T24:00:00Z",
        "2030-01-01T00:00:61Z",
        "2030-01-01T00:00:00.Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00Z",
        "2030-01-01T00:00:00+24:00",
        "02030-01-01T00:00:00Z",
        "2030-1-1T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        int64_t at_ms;
        cr_assert(not(leat_when_parse(none[i], NOON, &at_ms)), "%s", none[i]);
    }
}

Test(cli_when, what_is_near_is_shown_without_its_day)
{
    char out[LEAT_WHEN_BYTES];
    LEAT_SAME_TEXT(leat_when_text(NOON, NOON, out), "18:46");
    LEAT_SAME_TEXT(leat_when_text(NOON + 3600000, NOON, out), "19:46");
    LEAT_SAME_TEXT(leat_when_text(NOON, NOON + 86400000, out), "2030-03-17 18:46");
    LEAT_SAME_TEXT(leat_when_text(NOON, NOON - 86400000, out), "2030-03-17 18:46");
    LEAT_SAME_TEXT(leat_when_text(0, NOON, out), "-");
}

Test(cli_when, since_is_a_time_ago_or_the_last_time_that_the_clock_showed_it)
{
    const struct {
        const char *text;
        int64_t ago_ms;
    } cases[] = {
        {"90",                   90000           },
        {"2h",                   7200000         },
        {"250ms",                250             },
        {"18:46",                40000           },
        {"18:46:40",             0               },
        {"18:47",                86400000 - 20000},
        {"2030-03-17T17:46:00Z", 40000           },
        {"99999d",               NOON            }, /* before all time */
    };
    int64_t since_ms;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert(leat_when_since(cases[i].text, NOON, &since_ms), "%s", cases[i].text);
        cr_assert(eq(i64, since_ms, NOON - cases[i].ago_ms), "%s", cases[i].text);
    }
    static const char *const wrong[] = {"", "yesterday", "25:00", "18:4", "-1h", "2030-03-17"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_assert(not(leat_when_since(wrong[i], NOON, &since_ms)), "%s", wrong[i]);
}
