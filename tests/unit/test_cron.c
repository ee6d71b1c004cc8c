/* cron: what may be written, when it fires, and what changes of the clocks do to it. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "broker/core/cron.h"
#include "proto/base/random.h"

/* ---- zones: the first row of each is the offset before the first change that is meant ---- */

static const leat_zone_change utc_changes[] = {
    {0, 0},
};
/* +1, in summer +2; both changes at 01:00 UTC. */
static const leat_zone_change berlin_changes[] = {
    {1698541200, 3600}, /* 2023-10-29 01:00 */
    {1711846800, 7200}, /* 2024-03-31 01:00 */
    {1729990800, 3600}, /* 2024-10-27 01:00 */
    {1743296400, 7200}, /* 2025-03-30 01:00 */
    {1761440400, 3600}, /* 2025-10-26 01:00 */
};
/* -5, in summer -4; both at 02:00 on the clock. */
static const leat_zone_change new_york_changes[] = {
    {1699164000, -18000}, /* 2023-11-05 06:00 */
    {1710054000, -14400}, /* 2024-03-10 07:00 */
    {1730613600, -18000}, /* 2024-11-03 06:00 */
    {1741503600, -14400}, /* 2025-03-09 07:00 */
    {1762063200, -18000}, /* 2025-11-02 06:00 */
};
/* +10:30, in summer +11: half an hour is put on and taken back at 02:00 on the clock. */
static const leat_zone_change lord_howe_changes[] = {
    {1680361200, 37800}, /* 2023-04-01 15:00 */
    {1696087800, 39600}, /* 2023-09-30 15:30 */
    {1712415600, 37800}, /* 2024-04-06 15:00 */
    {1728142200, 39600}, /* 2024-10-05 15:30 */
};
/* Goes over the date line: there was no 30th of December 2011. */
static const leat_zone_change apia_changes[] = {
    {1316872800, -36000}, /* 2011-09-24 14:00 */
    {1325239200, 50400 }, /* 2011-12-30 10:00 */
    {1333202400, 46800 }, /* 2012-03-31 14:00 */
};
/* Summer begins at midnight: there is no 00:00 on that day. */
static const leat_zone_change beirut_changes[] = {
    {1698526800, 7200 }, /* 2023-10-28 21:00 */
    {1711836000, 10800}, /* 2024-03-30 22:00 */
    {1729976400, 7200 }, /* 2024-10-26 21:00 */
};
/* Local mean time, which lies between whole minutes. */
static const leat_zone_change mean_changes[] = {
    {0, 3208},
};
/* Nobody's: back, forward a part of it, back again, within a night. */
static const leat_zone_change restless_changes[] = {
    {1704056400, 7200}, /* 2023-12-31 21:00 */
    {1704070800, 3600}, /* 2024-01-01 01:00: 03:00 is 02:00 */
    {1704072600, 7200}, /* 2024-01-01 01:30: 02:30 is 03:30 */
    {1704074400, 1800}, /* 2024-01-01 02:00: 04:00 is 02:30 */
};

#define ZONE(rows)                                                   \
    {                                                                \
        .changes = (rows), .count = sizeof(rows) / sizeof((rows)[0]) \
    }
static const leat_zone utc = ZONE(utc_changes);
static const leat_zone berlin = ZONE(berlin_changes);
static const leat_zone new_york = ZONE(new_york_changes);
static const leat_zone lord_howe = ZONE(lord_howe_changes);
static const leat_zone apia = ZONE(apia_changes);
static const leat_zone beirut = ZONE(beirut_changes);
static const leat_zone mean = ZONE(mean_changes);
static const leat_zone restless = ZONE(restless_changes);

/* ---- helpers ---- */

/* "2024-02-29 12:00" or "… 12:00:30", UTC. */
static int64_t
time_of(const char *text)
{
    struct tm tm = {0};
    const char *const seconds = strptime(text, "%Y-%m-%d %H:%M", &tm);
    cr_assert(seconds != NULL, "%s", text);
    if (*seconds != '\0')
        cr_assert(ne(ptr, strptime(seconds, ":%S", &tm), NULL), "%s", text);
    return timegm(&tm);
}

static const char *
text_of(int64_t at_s, char out[32])
{
    struct tm tm;
    const time_t at = at_s;
    cr_assert(ne(ptr, gmtime_r(&at, &tm), NULL));
    cr_assert(
        ne(sz, strftime(out, 32, tm.tm_sec == 0 ? "%Y-%m-%d %H:%M" : "%Y-%m-%d %H:%M:%S", &tm), 0));
    return out;
}

static leat_cron
parse(const char *text)
{
    char why[LEAT_CRON_WHY_BYTES] = "untouched";
    leat_cron cron;
    const leat_err err = leat_cron_parse(text, strlen(text), 0, &cron, why);
    cr_assert(eq(int, (int)err, LEAT_ERR_OK), "%s: %s", text, why);
    LEAT_SAME_TEXT(why, "");
    return cron;
}

/* The expression fires at these times ("2024-02-29 12:00, 2024-02-29 12:30"), one after the other.
 */
static void
fires(const leat_zone *zone, const char *expression, const char *after, const char *times)
{
    const leat_cron cron = parse(expression);
    int64_t at_s = time_of(after);
    char got[256] = "";
    while (strlen(got) < strlen(times)) {
        char text[32];
        cr_assert(leat_cron_next(&cron, zone, at_s, &at_s), "%s", expression);
        const size_t used = strlen(got);
        (void)snprintf(got + used, sizeof got - used, "%s%s", used == 0 ? "" : ", ",
                       text_of(at_s, text));
    }
    cr_assert(eq(str, got, leat_test_text(times)), "%s after %s", expression, after);
}

/* ---- expressions ---- */

Test(cron, each_form_of_a_field_fires_at_its_times)
{
    fires(&utc, "* * * * *", "2024-01-01 00:00", "2024-01-01 00:01, 2024-01-01 00:02");
    fires(&utc, "* * * * *", "2024-01-01 00:00:59", "2024-01-01 00:01");
    fires(&utc, "* * * * *", "2023-12-31 23:59", "2024-01-01 00:00");
    fires(&utc, "5 * * * *", "2024-01-01 00:05", "2024-01-01 01:05");
    fires(&utc, "5 * * * *", "2024-01-01 00:04:59", "2024-01-01 00:05");
    fires(&utc, "*/15 * * * *", "2024-01-01 23:20",
          "2024-01-01 23:30, 2024-01-01 23:45, 2024-01-02 00:00");
    fires(&utc, "*/25 * * * *", "2024-01-01 23:20",
          "2024-01-01 23:25, 2024-01-01 23:50, 2024-01-02 00:00");
    fires(&utc, "10-20/5,59 8-9 * * *", "2024-01-01 08:16",
          "2024-01-01 08:20, 2024-01-01 08:59, 2024-01-01 09:10");
    fires(&utc, "0 0-23/8 * * *", "2024-01-01 01:00",
          "2024-01-01 08:00, 2024-01-01 16:00, 2024-01-02 00:00");
    fires(&utc, "30 4 1,15 * *", "2024-01-01 04:30", "2024-01-15 04:30, 2024-02-01 04:30");
    fires(&utc, "0 0 31 * *", "2024-01-31 00:00",
          "2024-03-31 00:00, 2024-05-31 00:00, 2024-07-31 00:00, 2024-08-31 00:00");
    fires(&utc, "0 0 1 JAN,jul *", "2024-02-01 00:00", "2024-07-01 00:00, 2025-01-01 00:00");
    fires(&utc, "0 0 1 Jan-Mar *", "2024-02-01 00:00", "2024-03-01 00:00, 2025-01-01 00:00");
    fires(&utc, "0 0 1 */5 *", "2024-01-01 00:00",
          "2024-06-01 00:00, 2024-11-01 00:00, 2025-01-01 00:00");
    fires(&utc, "0 9 * * MON-FRI", "2024-03-01 09:00", "2024-03-04 09:00, 2024-03-05 09:00");
    fires(&utc, "0 9 * * sat,sun", "2024-03-01 09:00",
          "2024-03-02 09:00, 2024-03-03 09:00, 2024-03-09 09:00");
    fires(&utc, "0 9 * * FRI-SUN", "2024-03-01 09:00",
          "2024-03-02 09:00, 2024-03-03 09:00, 2024-03-08 09:00");
    fires(&utc, "0 9 * * SUN-MON", "2024-03-01 09:00",
          "2024-03-03 09:00, 2024-03-04 09:00, 2024-03-10 09:00");
    fires(&utc, "0 9 * * SUN-SUN", "2024-03-01 09:00", "2024-03-03 09:00, 2024-03-10 09:00");
    fires(&utc, "0 9 * * 7", "2024-03-01 09:00", "2024-03-03 09:00, 2024-03-10 09:00");
    fires(&utc, "0 9 * * 0", "2024-03-01 09:00", "2024-03-03 09:00, 2024-03-10 09:00");
    fires(&utc, "0 9 * * 6-7", "2024-03-01 09:00",
          "2024-03-02 09:00, 2024-03-03 09:00, 2024-03-09 09:00");
    fires(&utc, "0 9 * * */3", "2024-03-02 09:00",
          "2024-03-03 09:00, 2024-03-06 09:00, 2024-03-09 09:00, 2024-03-10 09:00");
    fires(&utc, " \t0  0\t*   * *  ", "2024-01-01 00:00", "2024-01-02 00:00");
    fires(&utc, "0007 00 * * *", "2024-01-01 00:00", "2024-01-01 00:07");
    fires(&utc, "59 23 31 12 *", "2024-12-31 23:59", "2025-12-31 23:59");
}

Test(cron, words_stand_for_five_fields)
{
    fires(&utc, "@hourly", "2024-02-29 10:20", "2024-02-29 11:00, 2024-02-29 12:00");
    fires(&utc, "@daily", "2024-02-28 10:20", "2024-02-29 00:00, 2024-03-01 00:00");
    fires(&utc, "@midnight", "2024-02-28 10:20", "2024-02-29 00:00, 2024-03-01 00:00");
    fires(&utc, "@weekly", "2024-02-28 10:20", "2024-03-03 00:00, 2024-03-10 00:00");
    fires(&utc, "@monthly", "2024-02-28 10:20", "2024-03-01 00:00, 2024-04-01 00:00");
    fires(&utc, "@yearly", "2024-02-28 10:20", "2025-01-01 00:00, 2026-01-01 00:00");
    fires(&utc, "@annually", "2024-02-28 10:20", "2025-01-01 00:00, 2026-01-01 00:00");
    fires(&utc, "\t@Hourly  ", "2024-02-29 10:20", "2024-02-29 11:00, 2024-02-29 12:00");
}

Test(cron, a_day_of_month_or_of_week_will_do_unless_one_of_them_has_a_star)
{
    /* The first of March 2024 is a Friday, the 13th of September too. */
    fires(&utc, "0 0 13 * 5", "2024-03-01 00:00",
          "2024-03-08 00:00, 2024-03-13 00:00, 2024-03-15 00:00");
    fires(&utc, "0 0 13 * *", "2024-03-01 00:00", "2024-03-13 00:00, 2024-04-13 00:00");
    fires(&utc, "0 0 * * 5", "2024-03-01 00:00", "2024-03-08 00:00, 2024-03-15 00:00");
    fires(&utc, "0 0 */12 * 5", "2024-03-01 00:00",
          "2024-09-13 00:00, 2024-10-25 00:00, 2024-11-01 00:00");
    fires(&utc, "0 0 13 * */5", "2024-03-01 00:00", "2024-09-13 00:00, 2024-10-13 00:00");
    fires(&utc, "0 0 1-7,* * 5", "2024-03-01 00:00", "2024-03-08 00:00, 2024-03-15 00:00");
    fires(&utc, "0 0 1-31 * 5", "2024-03-01 00:00", "2024-03-02 00:00");
    fires(&utc, "0 0 30 2 1", "2024-03-01 00:00", "2025-02-03 00:00, 2025-02-10 00:00");
    fires(&utc, "0 0 31 2,3 *", "2024-03-31 00:00", "2025-03-31 00:00");
}

Test(cron, the_29th_of_february_comes_in_leap_years)
{
    fires(&utc, "0 0 29 2 *", "2023-03-01 00:00", "2024-02-29 00:00, 2028-02-29 00:00");
    fires(&utc, "0 0 29 2 *", "2095-03-01 00:00",
          "2096-02-29 00:00, 2104-02-29 00:00, 2108-02-29 00:00");
    fires(&utc, "0 0 29 2 *", "1996-03-01 00:00", "2000-02-29 00:00, 2004-02-29 00:00");
    /* Only on Sundays: a wait of 40 years. */
    fires(&utc, "0 0 29 2 */7", "2088-03-01 00:00", "2128-02-29 00:00");
    fires(&utc, "0 0 28-31 2 *", "2100-02-01 00:00", "2100-02-28 00:00, 2101-02-28 00:00");
    fires(&utc, "0 0 1 3 *", "2024-02-28 00:00", "2024-03-01 00:00, 2025-03-01 00:00");
    fires(&utc, "0 12 * * *", "2024-02-28 12:00", "2024-02-29 12:00, 2024-03-01 12:00");
    fires(&utc, "0 12 * * *", "2023-02-28 12:00", "2023-03-01 12:00");
}

Test(cron, every_counts_from_the_start)
{
    static const struct {
        const char *expression;
        int64_t start_s;
        int64_t after_s;
        int64_t next_s;
    } rows[] = {
        {"@every 90s",       1000,            1000,                1090           },
        {"@every 90s",       1000,            1089,                1090           },
        {"@every 90s",       1000,            1090,                1180           },
        {"@every 90s",       1000,            999,                 1000           },
        {"@every 90s",       1000,            -5,                  1000           },
        {"@every 90s",       0,               INT64_MIN,           0              },
        {"@every 1s",        7,               8,                   9              },
        {"@every 1h30m",     0,               1,                   5400           },
        {"@every 1d2h3m4s",  0,               0,                   93784          },
        {" @EVERY\t7d ",     100,             100,                 604900         },
        {"@every 366d",      0,               1,                   31622400       },
        {"@every 31622400s", 0,               1,                   31622400       },
        {"@every 0h1m",      0,               0,                   60             },
        {"@every 1s",        LEAT_CRON_S_MAX, 0,                   LEAT_CRON_S_MAX},
        {"@every 1s",        0,               LEAT_CRON_S_MAX - 1, LEAT_CRON_S_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char why[LEAT_CRON_WHY_BYTES];
        leat_cron cron;
        int64_t next_s;
        LEAT_PASS(leat_cron_parse(rows[i].expression, strlen(rows[i].expression), rows[i].start_s,
                                  &cron, why));
        cr_assert(leat_cron_next(&cron, NULL, rows[i].after_s, &next_s));
        cr_assert(eq(i64, next_s, rows[i].next_s), "row %zu", i);
    }
}

Test(cron, what_is_wrong_is_said_with_its_field)
{
#define NEEDED  "five fields are needed (minute, hour, day of month, month, day of week), there are "
#define NO_WORD " is none of @hourly @daily @midnight @weekly @monthly @yearly @every"
    static const struct {
        const char *expression;
        const char *why;
    } rows[] = {
        {"",                                 NEEDED "none"                                           },
        {" \t ",                             NEEDED "none"                                           },
        {"5",                                NEEDED "1"                                              },
        {"* * *",                            NEEDED "3"                                              },
        {"* * * *",                          NEEDED "4"                                              },
        {"0 * * * * *",                      NEEDED "more"                                           },
        {"* * * * * * * *",                  NEEDED "more"                                           },
        {"75 * * * *",                       "minute: 75 is over 59"                                 },
        {"60 * * * *",                       "minute: 60 is over 59"                                 },
        {"0-60 * * * *",                     "minute: 60 is over 59"                                 },
        {"* 24 * * *",                       "hour: 24 is over 23"                                   },
        {"* * 0 * *",                        "day of month: 0 is under 1"                            },
        {"* * 32 * *",                       "day of month: 32 is over 31"                           },
        {"* * * 0 *",                        "month: 0 is under 1"                                   },
        {"* * * 13 *",                       "month: 13 is over 12"                                  },
        {"* * * * 8",                        "day of week: 8 is over 7"                              },
        {"4294967296 * * * *",               "minute: 4294967296 is over 59"                         },
        {"18446744073709551617 * * * *",     "minute: 18446744073709551617 is over 59"               },
        {"000000000000000000000060 * * * *", "minute: 00000000000000000000... is over 59"            },
        {"x * * * *",                        "minute: \"x\" is no number"                            },
        {"JAN * * * *",                      "minute: \"JAN\" is no number"                          },
        {"* * * * JAN",                      "day of week: \"JAN\" is no number and no name"         },
        {"* * * JANUARY *",                  "month: \"JANUARY\" is no number and no name"           },
        {"* * * ja *",                       "month: \"ja\" is no number and no name"                },
        {"1x * * * *",                       "minute: \"1x\" is no number"                           },
        {"+1 * * * *",                       "minute: \"+1\" is no number"                           },
        {"1.5 * * * *",                      "minute: \"1.5\" is no number"                          },
        {"*5 * * * *",                       "minute: \"*5\" is no number"                           },
        {"** * * * *",                       "minute: \"**\" is no number"                           },
        {"? * * * *",                        "minute: \"?\" is no number"                            },
        {"* * L * *",                        "day of month: \"L\" is no number"                      },
        {"* * 15W * *",                      "day of month: \"15W\" is no number"                    },
        {"* * * * MON#2",                    "day of week: \"MON#2\" is no number and no name"       },
        {"1-2-3 * * * *",                    "minute: \"2-3\" is no number"                          },
        {"* 22-4 * * *",                     "hour: 22-4 runs backwards"                             },
        {"* * * * 5-0",                      "day of week: 5-0 runs backwards"                       },
        {"* * * * FRI-MON",                  "day of week: FRI-MON runs backwards"                   },
        {"* * * DEC-JAN *",                  "month: DEC-JAN runs backwards"                         },
        {"-5 * * * *",                       "minute: a value is missing"                            },
        {"5- * * * *",                       "minute: a value is missing"                            },
        {", * * * *",                        "minute: a value is missing"                            },
        {"1, * * * *",                       "minute: a value is missing"                            },
        {"1,,2 * * * *",                     "minute: a value is missing"                            },
        {"/5 * * * *",                       "minute: a value is missing"                            },
        {"*/ * * * *",                       "minute: a value is missing"                            },
        {"*/0 * * * *",                      "minute: the step 0 is under 1"                         },
        {"*/60 * * * *",                     "minute: the step 60 is over 59"                        },
        {"* 1-5/24 * * *",                   "hour: the step 24 is over 23"                          },
        {"*/x * * * *",                      "minute: the step \"x\" is no number"                   },
        {"* * * */JAN *",                    "month: the step \"JAN\" is no number and no name"      },
        {"*/5/5 * * * *",                    "minute: the step \"5/5\" is no number"                 },
        {"5/15 * * * *",                     "minute: 5/15 has a step but no range (5-59/15)"        },
        {"* * * * TUE/2",                    "day of week: TUE/2 has a step but no range (2-6/2)"    },
        {"1,75 * * * *",                     "minute: 75 is over 59"                                 },
        {"\x01\xe2\x7f\x9c * * * *",         "minute: \"????\" is no number"                         },
        {"*\n* * * *",                       NEEDED "4"                                              },
        {"* * *\n* * *",                     "day of month: \"*?*\" is no number"                    },
        {"0 0 30 2 *",                       "day of month: 30 never comes in month 2"               },
        {"0 0 30-31 FEB *",                  "day of month: 30-31 never comes in month FEB"          },
        {"0 0 31 2,4,6,9,11 */2",            "day of month: 31 never comes in month 2,4,6,9,11"      },
        {"@dayly",                           "@dayly" NO_WORD                                        },
        {"@reboot",                          "@reboot" NO_WORD                                       },
        {"@",                                "@" NO_WORD                                             },
        {"@hourly *",                        "@hourly with a field after it" NO_WORD                 },
        {"@every",                           "@every: one duration is needed, as in \"@every 1h30m\""},
        {"@every 1h 30m",                    "@every: one duration is needed, as in \"@every 1h30m\""},
        {"@every x",                         "@every: \"x\" is no duration like 90s, 1h30m or 7d"    },
        {"@every 90",                        "@every: \"90\" is no duration like 90s, 1h30m or 7d"   },
        {"@every 1h30",                      "@every: \"1h30\" is no duration like 90s, 1h30m or 7d" },
        {"@every 1m1h",                      "@every: \"1m1h\" is no duration like 90s, 1h30m or 7d" },
        {"@every 1s1s",                      "@every: \"1s1s\" is no duration like 90s, 1h30m or 7d" },
        {"@every 1w",                        "@every: \"1w\" is no duration like 90s, 1h30m or 7d"   },
        {"@every 1H",                        "@every: \"1H\" is no duration like 90s, 1h30m or 7d"   },
        {"@every 100ms",                     "@every: \"100ms\" is no duration like 90s, 1h30m or 7d"},
        {"@every -5s",                       "@every: \"-5s\" is no duration like 90s, 1h30m or 7d"  },
        {"@every 0s",                        "@every: 0s is under 1 s"                               },
        {"@every 366d1s",                    "@every: 366d1s is over 366 days"                       },
        {"@every 99999999999999999999d",     "@every: 99999999999999999999d is over 366 days"        },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char why[LEAT_CRON_WHY_BYTES] = "";
        leat_cron cron = {.every_s = -7};
        const char *const text = rows[i].expression;
        const leat_err err = leat_cron_parse(text, strlen(text), 0, &cron, why);
        cr_assert(eq(int, (int)err, LEAT_ERR_CONFIG), "%s", text);
        LEAT_SAME_TEXT(why, rows[i].why);
        cr_assert(eq(i32, cron.every_s, -7), "%s was refused and filled in", text);
    }
}

Test(cron, a_sentence_for_the_longest_pieces_fits)
{
    static const char piece[] = "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm";
    char text[LEAT_CRON_TEXT_BYTES_MAX];
    char why[LEAT_CRON_WHY_BYTES];
    leat_cron cron;
    int size = snprintf(text, sizeof text, "@%s *", piece);
    LEAT_FAILS(leat_cron_parse(text, (size_t)size, 0, &cron, why), LEAT_ERR_CONFIG);
    LEAT_SAME_TEXT(why, "@mmmmmmmmmmmmmmmmmmm... with a field after it" NO_WORD);

    size = snprintf(text, sizeof text, "* * * * */%s", piece);
    LEAT_FAILS(leat_cron_parse(text, (size_t)size, 0, &cron, why), LEAT_ERR_CONFIG);
    LEAT_SAME_TEXT(why,
                   "day of week: the step \"mmmmmmmmmmmmmmmmmmmm...\" is no number and no name");
}

Test(cron, the_end_of_the_text_is_its_size)
{
    char why[LEAT_CRON_WHY_BYTES];
    leat_cron cron;
    LEAT_PASS(leat_cron_parse("* * * * *75", 9, 0, &cron, why));
    LEAT_FAILS(leat_cron_parse("* * * * *\0", 10, 0, &cron, why), LEAT_ERR_CONFIG);
    LEAT_SAME_TEXT(why, "day of week: \"*?\" is no number and no name");
    LEAT_FAILS(leat_cron_parse(NULL, 0, 0, &cron, why), LEAT_ERR_CONFIG);
}

Test(cron, one_byte_over_the_limit_is_too_long)
{
    char text[LEAT_CRON_TEXT_BYTES_MAX + 1];
    char why[LEAT_CRON_WHY_BYTES];
    leat_cron cron;
    memset(text, ' ', sizeof text);
    for (size_t i = 0; i < 9; i += 2)
        text[i] = '*';
    LEAT_PASS(leat_cron_parse(text, LEAT_CRON_TEXT_BYTES_MAX, 0, &cron, why));
    LEAT_FAILS(leat_cron_parse(text, LEAT_CRON_TEXT_BYTES_MAX + 1, 0, &cron, why), LEAT_ERR_CONFIG);
    LEAT_SAME_TEXT(why, "longer than 512 bytes");
}

Test(cron, a_start_outside_of_the_calendar_is_refused_for_every_only)
{
    static const char every[] = "@every 1s";
    char why[LEAT_CRON_WHY_BYTES];
    leat_cron cron;
    LEAT_FAILS(leat_cron_parse(every, strlen(every), -1, &cron, why), LEAT_ERR_CONFIG);
    LEAT_SAME_TEXT(why, "@every: the start is not in the years 1970 to 9999");
    LEAT_FAILS(leat_cron_parse(every, strlen(every), LEAT_CRON_S_MAX + 1, &cron, why),
               LEAT_ERR_CONFIG);
    LEAT_PASS(leat_cron_parse("@daily", strlen("@daily"), INT64_MIN, &cron, why));
}

/* ---- zones and their changes ---- */

Test(cron, fields_are_read_on_the_clock_of_the_zone)
{
    fires(&berlin, "0 8 * * *", "2024-01-10 00:00", "2024-01-10 07:00, 2024-01-11 07:00");
    fires(&berlin, "0 8 * * *", "2024-07-10 00:00", "2024-07-10 06:00, 2024-07-11 06:00");
    fires(&berlin, "0 0 1 * *", "2024-01-10 00:00",
          "2024-01-31 23:00, 2024-02-29 23:00, 2024-03-31 22:00");
    fires(&berlin, "0 0 1 1 *", "2024-01-10 00:00", "2024-12-31 23:00, 2025-12-31 23:00");
    /* The first offset holds before, the last one after. */
    fires(&berlin, "0 8 * * *", "2003-01-10 00:00", "2003-01-10 07:00");
    fires(&berlin, "0 8 * * *", "2033-07-10 00:00", "2033-07-10 07:00");
    fires(&new_york, "0 0 * * MON", "2024-01-10 00:00", "2024-01-15 05:00, 2024-01-22 05:00");
    fires(&new_york, "30 23 31 12 *", "2024-01-10 00:00", "2025-01-01 04:30");
    fires(&mean, "* * * * *", "2024-01-10 00:00", "2024-01-10 00:00:32, 2024-01-10 00:01:32");
    fires(&mean, "0 1 * * *", "2024-01-10 00:00", "2024-01-10 00:06:32, 2024-01-11 00:06:32");
}

Test(cron, what_is_skipped_in_spring_fires_once_after_the_gap)
{
    fires(&berlin, "30 2 * * *", "2024-03-30 00:00",
          "2024-03-30 01:30, 2024-03-31 01:00, 2024-04-01 00:30");
    fires(&berlin, "30 2 31 3 *", "2024-03-30 00:00", "2024-03-31 01:00, 2025-03-31 00:30");
    fires(&berlin, "*/15 2 * * *", "2024-03-30 22:00", "2024-03-31 01:00, 2024-04-01 00:00");
    fires(&berlin, "30 1-3 * * *", "2024-03-30 22:00",
          "2024-03-31 00:30, 2024-03-31 01:00, 2024-03-31 01:30, 2024-03-31 23:30");
    fires(&berlin, "0 2,3 * * *", "2024-03-30 22:00", "2024-03-31 01:00, 2024-04-01 00:00");
    fires(&berlin, "0 3 * * *", "2024-03-30 22:00", "2024-03-31 01:00, 2024-04-01 01:00");
    fires(&berlin, "0 */2 * * *", "2024-03-30 22:00",
          "2024-03-30 23:00, 2024-03-31 01:00, 2024-03-31 02:00, 2024-03-31 04:00");
    /* Asked just before, at and just after the change. */
    fires(&berlin, "30 2 * * *", "2024-03-31 00:59:59", "2024-03-31 01:00");
    fires(&berlin, "30 2 * * *", "2024-03-31 01:00", "2024-04-01 00:30");
    fires(&berlin, "30 2 * * *", "2024-03-31 01:00:01", "2024-04-01 00:30");
    fires(&new_york, "0 2 * * *", "2024-03-09 12:00", "2024-03-10 07:00, 2024-03-11 06:00");
    fires(&new_york, "59 1 * * *", "2024-03-09 12:00", "2024-03-10 06:59, 2024-03-11 05:59");
    fires(&new_york, "1 3 * * SUN", "2024-03-09 12:00", "2024-03-10 07:01, 2024-03-17 07:01");
    fires(&beirut, "@daily", "2024-03-29 12:00",
          "2024-03-29 22:00, 2024-03-30 22:00, 2024-03-31 21:00");
}

Test(cron, what_comes_twice_in_autumn_fires_in_the_first)
{
    fires(&berlin, "30 2 * * *", "2024-10-26 00:00",
          "2024-10-26 00:30, 2024-10-27 00:30, 2024-10-28 01:30");
    fires(&berlin, "30 2 27 10 *", "2024-10-26 00:00", "2024-10-27 00:30, 2025-10-27 01:30");
    fires(
        &berlin, "*/30 2-3 * * *", "2024-10-26 22:00",
        "2024-10-27 00:00, 2024-10-27 00:30, 2024-10-27 02:00, 2024-10-27 02:30, 2024-10-28 01:00");
    fires(&berlin, "0 1 * * *", "2024-10-26 22:00", "2024-10-26 23:00, 2024-10-28 00:00");
    fires(&berlin, "0 3 * * *", "2024-10-26 22:00", "2024-10-27 02:00, 2024-10-28 02:00");
    fires(&berlin, "30 2 * * *", "2024-10-27 00:29:59", "2024-10-27 00:30");
    /* In the second of the two hours, the first has been. */
    fires(&berlin, "30 2 * * *", "2024-10-27 01:00", "2024-10-28 01:30");
    fires(&berlin, "30 2 * * *", "2024-10-27 01:29:59", "2024-10-28 01:30");
    fires(&new_york, "0 1 * * *", "2024-11-02 12:00", "2024-11-03 05:00, 2024-11-04 06:00");
    fires(&new_york, "0 2 * * *", "2024-11-02 12:00", "2024-11-03 07:00, 2024-11-04 07:00");
    /* Midnight is put back to 23:00 just before it comes. */
    fires(&beirut, "0 0 * * *", "2024-10-26 00:00", "2024-10-26 22:00, 2024-10-27 22:00");
    fires(&beirut, "30 23 * * *", "2024-10-26 00:00", "2024-10-26 20:30, 2024-10-27 21:30");
}

Test(cron, where_every_hour_will_do_real_time_goes_on)
{
    fires(&berlin, "30 * * * *", "2024-03-31 00:00",
          "2024-03-31 00:30, 2024-03-31 01:30, 2024-03-31 02:30");
    fires(&berlin, "*/20 * * * *", "2024-03-31 00:30",
          "2024-03-31 00:40, 2024-03-31 01:00, 2024-03-31 01:20");
    fires(&berlin, "30 * * * *", "2024-10-26 23:00",
          "2024-10-26 23:30, 2024-10-27 00:30, 2024-10-27 01:30, 2024-10-27 02:30");
    fires(&berlin, "30 0-23 * * *", "2024-10-26 23:00",
          "2024-10-26 23:30, 2024-10-27 00:30, 2024-10-27 01:30, 2024-10-27 02:30");
    fires(&berlin, "0 * * * *", "2024-10-27 00:00", "2024-10-27 01:00, 2024-10-27 02:00");
    fires(&berlin, "@hourly", "2024-10-27 01:00", "2024-10-27 02:00");
    fires(&berlin, "59 * 31 3 *", "2024-03-31 00:00",
          "2024-03-31 00:59, 2024-03-31 01:59, 2024-03-31 02:59");
}

Test(cron, a_change_of_half_an_hour_is_half_a_gap)
{
    /* October: 02:00 is 02:30. */
    fires(&lord_howe, "15 2 * * *", "2024-10-05 00:00", "2024-10-05 15:30, 2024-10-06 15:15");
    fires(&lord_howe, "30 2 * * *", "2024-10-05 00:00", "2024-10-05 15:30, 2024-10-06 15:30");
    fires(&lord_howe, "45 2 * * *", "2024-10-05 00:00", "2024-10-05 15:45, 2024-10-06 15:45");
    fires(&lord_howe, "*/15 2 * * *", "2024-10-05 00:00",
          "2024-10-05 15:30, 2024-10-05 15:45, 2024-10-06 15:00");
    fires(&lord_howe, "15 * * * *", "2024-10-05 14:00", "2024-10-05 14:45, 2024-10-05 16:15");
    /* April: 02:00 is 01:30. */
    fires(&lord_howe, "45 1 * * *", "2024-04-06 00:00", "2024-04-06 14:45, 2024-04-07 15:15");
    fires(&lord_howe, "15 1 * * *", "2024-04-06 00:00", "2024-04-06 14:15, 2024-04-07 14:45");
    fires(&lord_howe, "0 2 * * *", "2024-04-06 00:00", "2024-04-06 15:30, 2024-04-07 15:30");
    fires(&lord_howe, "45 * * * *", "2024-04-06 14:00",
          "2024-04-06 14:45, 2024-04-06 15:15, 2024-04-06 16:15");
}

Test(cron, a_day_that_is_left_out_fires_once_when_the_next_begins)
{
    fires(&apia, "0 12 * * *", "2011-12-29 23:00",
          "2011-12-30 10:00, 2011-12-30 22:00, 2011-12-31 22:00");
    fires(&apia, "0 12 30 12 *", "2011-12-01 00:00", "2011-12-30 10:00, 2012-12-29 23:00");
    fires(&apia, "0 * 30 12 *", "2011-12-01 00:00", "2012-12-29 11:00");
}

Test(cron, a_clock_that_goes_back_and_forth_fires_when_it_first_gets_there)
{
    fires(&restless, "15 2 * * *", "2023-12-31 22:00", "2024-01-01 00:15, 2024-01-02 01:45");
    fires(&restless, "15 3 * * *", "2023-12-31 22:00", "2024-01-01 01:30, 2024-01-02 02:45");
    fires(&restless, "45 3 * * *", "2023-12-31 22:00", "2024-01-01 01:45, 2024-01-02 03:15");
    fires(&restless, "0 4 * * *", "2023-12-31 22:00", "2024-01-01 03:30, 2024-01-02 03:30");
    fires(&restless, "15 * * * *", "2023-12-31 23:59",
          "2024-01-01 00:15, 2024-01-01 01:15, 2024-01-01 02:45, 2024-01-01 03:45");
}

/* ---- the ends of time ---- */

Test(cron, nothing_comes_before_1970_or_after_9999)
{
    fires(&utc, "0 0 1 1 *", "1969-06-01 00:00", "1970-01-01 00:00");
    fires(&utc, "59 23 31 12 *", "9999-12-31 23:58", "9999-12-31 23:59");
    static const char *const over[] = {
        "59 23 31 12 *", /* in the year 10000 */
        "0 0 29 2 */7",  /* later still: that day of 10000 is no Sunday */
        "@every 366d",
    };
    for (size_t i = 0; i < sizeof over / sizeof *over; i++) {
        const leat_cron cron = parse(over[i]);
        int64_t next_s = 7;
        cr_assert(not(leat_cron_next(&cron, &utc, LEAT_CRON_S_MAX - 10, &next_s)), "%s", over[i]);
        cr_assert(not(leat_cron_next(&cron, &utc, LEAT_CRON_S_MAX, &next_s)));
        cr_assert(not(leat_cron_next(&cron, &utc, INT64_MAX, &next_s)));
        cr_assert(eq(i64, next_s, 7));
    }
}

Test(cron, the_furthest_clocks_keep_to_the_calendar)
{
    static const leat_zone_change ends[] = {
        {-LEAT_CRON_S_MAX, LEAT_ZONE_OFFSET_S_MAX },
        {0,                -LEAT_ZONE_OFFSET_S_MAX},
        {LEAT_CRON_S_MAX,  LEAT_ZONE_OFFSET_S_MAX },
    };
    const leat_zone zone = ZONE(ends);
    const leat_cron hourly = parse("@hourly");
    const leat_cron daily = parse("@daily");
    int64_t next_s;
    cr_assert(leat_cron_next(&hourly, &zone, INT64_MIN, &next_s));
    cr_assert(eq(i64, next_s, 0));
    /* In 1970 it goes back from the second day, 02:00, to the 30th of December; the third is next.
     */
    cr_assert(leat_cron_next(&daily, &zone, INT64_MIN, &next_s));
    cr_assert(eq(i64, next_s, 2 * 86400 + LEAT_ZONE_OFFSET_S_MAX));
    cr_assert(not(leat_cron_next(&hourly, &zone, LEAT_CRON_S_MAX - 1, &next_s)));
}

/* ---- against a clock that is watched minute by minute ---- */

/* An expression with its meaning, made without the parser. */
typedef struct wish {
    char text[256];
    bool minutes[60], hours[24], days[32], months[13], weekdays[7];
    bool is_star[5];
    bool is_every_hour;
} wish;

/* A field of random form: its text behind the text there is, and its values. */
static void
add_field(
    wish *self, leat_random *random, int min, int max, unsigned stars, bool *values, bool *star)
{
    const size_t used = strlen(self->text);
    char *const out = self->text + used;
    const size_t room = sizeof self->text - used;
    const int span = max - min + 1;
    const char *const blank = used == 0 ? "" : " ";
    *star = false;
    if (leat_random_below(random, 10) < stars) {
        const int step = leat_random_below(random, 3) == 0
                             ? 1 + (int)leat_random_below(random, (uint64_t)span / 2)
                             : 1;
        if (step == 1)
            (void)snprintf(out, room, "%s*", blank);
        else
            (void)snprintf(out, room, "%s*/%d", blank, step);
        for (int i = min; i <= max; i += step)
            values[i] = true;
        *star = true;
        return;
    }
    const int items = 1 + (int)leat_random_below(random, 3);
    size_t at = 0;
    for (int item = 0; item < items; item++) {
        const int low = min + (int)leat_random_below(random, (uint64_t)span);
        const int high = low + (int)leat_random_below(random, (uint64_t)(max - low) + 1);
        const int step = 1 + (int)leat_random_below(random, 4);
        const char *const before = item == 0 ? blank : ",";
        if (high == low)
            at += (size_t)snprintf(out + at, room - at, "%s%d", before, low);
        else if (step == 1 || step > max)
            at += (size_t)snprintf(out + at, room - at, "%s%d-%d", before, low, high);
        else
            at += (size_t)snprintf(out + at, room - at, "%s%d-%d/%d", before, low, high, step);
        for (int i = low; i <= high; i += step > max ? 1 : step)
            values[i] = true;
    }
}

static void
make_wish(wish *self, leat_random *random)
{
    *self = (wish){0};
    add_field(self, random, 0, 59, 2, self->minutes, &self->is_star[0]);
    add_field(self, random, 0, 23, 3, self->hours, &self->is_star[1]);
    add_field(self, random, 1, 31, 6, self->days, &self->is_star[2]);
    add_field(self, random, 1, 12, 9, self->months, &self->is_star[3]);
    add_field(self, random, 0, 6, 6, self->weekdays, &self->is_star[4]);
    self->is_every_hour = true;
    for (int i = 0; i < 24; i++)
        self->is_every_hour = self->is_every_hour && self->hours[i];
}

/* Whether the wish is for this minute of local time. */
static bool
is_wished(const wish *self, int64_t local_s)
{
    static struct tm tm; /* of the day looked at last: gmtime_r is most of the work */
    static time_t day = -1;
    const time_t hour = local_s % 86400 / 3600;
    const time_t minute = local_s % 3600 / 60;
    if (!self->minutes[minute] || !self->hours[hour])
        return false;
    if (local_s / 86400 != day) {
        const time_t at = local_s;
        cr_assert(ne(ptr, gmtime_r(&at, &tm), NULL));
        day = local_s / 86400;
    }
    const bool is_day = self->days[tm.tm_mday];
    const bool is_weekday = self->weekdays[tm.tm_wday];
    const bool is_in_both = self->is_star[2] || self->is_star[4];
    return self->months[tm.tm_mon + 1] &&
           (is_in_both ? is_day && is_weekday : is_day || is_weekday);
}

static int64_t
offset_at(const leat_zone *zone, int64_t at_s)
{
    uint32_t i = zone->count - 1;
    while (i > 0 && zone->changes[i].from_s > at_s)
        i--;
    return zone->changes[i].offset_s;
}

/* The first minute after after_s, or -1 if there is none up to upto_s. Watches the clock from three
 * days before. */
static int64_t
watch(const wish *self, const leat_zone *zone, int64_t after_s, int64_t upto_s)
{
    int64_t at_s = after_s - after_s % 60 - INT64_C(3) * 86400;
    int64_t highest_s = at_s + offset_at(zone, at_s);
    for (; at_s <= upto_s; at_s += 60) {
        const int64_t local_s = at_s + offset_at(zone, at_s);
        bool fires = false;
        if (self->is_every_hour)
            fires = is_wished(self, local_s);
        for (; highest_s < local_s; highest_s += 60) {
            if (!self->is_every_hour)
                fires = fires || is_wished(self, highest_s + 60);
        }
        if (fires && at_s > after_s)
            return at_s;
    }
    return -1;
}

Test(cron, it_agrees_with_somebody_who_watches_the_clock)
{
    static const leat_zone *const zones[] = {&utc,       &berlin, &berlin, &new_york,
                                             &lord_howe, &apia,   &beirut, &restless};
    leat_random random;
    leat_random_seed(&random, 11);
    unsigned found = 0;
    for (unsigned i = 0; i < 4000; i++) {
        wish wished;
        char why[LEAT_CRON_WHY_BYTES];
        leat_cron cron;
        make_wish(&wished, &random);
        const leat_zone *const zone =
            zones[leat_random_below(&random, sizeof zones / sizeof zones[0])];
        const leat_err err = leat_cron_parse(wished.text, strlen(wished.text), 0, &cron, why);
        if (err != LEAT_ERR_OK) {
            cr_assert(ne(ptr, strstr(why, "never comes"), NULL), "%s: %s", wished.text, why);
            continue;
        }
        /* From two days before a change to two days after it. */
        const uint64_t change = leat_random_below(&random, zone->count);
        int64_t at_s = zone->changes[change].from_s - INT64_C(2) * 86400 +
                       (int64_t)leat_random_below(&random, UINT64_C(4) * 86400);
        at_s = at_s < 1000000 ? at_s + 1700000000 : at_s;
        const int64_t upto_s = at_s + INT64_C(10) * 86400;
        for (unsigned j = 0; j < 3; j++) {
            const int64_t want_s = watch(&wished, zone, at_s, upto_s);
            int64_t next_s;
            cr_assert(leat_cron_next(&cron, zone, at_s, &next_s), "%s", wished.text);
            if (want_s < 0) {
                cr_assert(gt(i64, next_s, upto_s), "%s in zone %p after %lld", wished.text,
                          (const void *)zone, (long long)at_s);
                break;
            }
            cr_assert(eq(i64, next_s, want_s), "%s after %lld", wished.text, (long long)at_s);
            at_s = next_s;
            found++;
        }
    }
    cr_assert(gt(u32, found, 5000));
}
