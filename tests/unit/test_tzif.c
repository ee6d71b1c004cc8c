/* tzif: files made by hand and their rules, what is read from them, and what is refused. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "broker/tzif.h"
#include "proto/base/bytes.h"

#define ROWS_MAX  16U
#define TIMES_MAX 6U
#define KINDS_MAX 3U

/* What goes into a file; a zeroed one is damaged. */
typedef struct file {
    char version;
    const char *magic; /* of the second header; NULL: the right one */
    uint32_t old_times, old_kinds, old_chars, old_leaps;
    uint32_t isut_count, isstd_count, leap_count;
    uint32_t time_count;
    int64_t times[TIMES_MAX];
    uint8_t kinds_of[TIMES_MAX];
    uint32_t kind_count;
    int32_t kinds[KINDS_MAX]; /* offsets */
    char before_rule;
    const char *rule;
} file;

/* Berlin as it is: the file goes up to a spring, the rule takes over in autumn. */
static const file berlin = {
    .version = '2',
    .time_count = 3,
    .times = {1679792400, 1698541200, 1711846800}, /* 2023-03-26, 2023-10-29, 2024-03-31 */
    .kinds_of = {1,          0,                    1},
    .kind_count = 2,
    .kinds = {3600,         7200},
    .before_rule = '\n',
    .rule = "CET-1CEST,M3.5.0,M10.5.0/3\n",
};

static void
put_zeros(leat_buf *out, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        leat_put_u8(out, 0);
}

static void
put_header(leat_buf *out, const char *magic, char version, const uint32_t counts[6])
{
    leat_put_bytes(out, magic, 4);
    leat_put_u8(out, (uint8_t)version);
    put_zeros(out, 15);
    for (size_t i = 0; i < 6; i++)
        leat_put_u32(out, counts[i]);
}

static void
build(const file *self, leat_buf *out)
{
    const uint32_t old[6] = {
        0, 0, self->old_leaps, self->old_times, self->old_kinds, self->old_chars};
    const uint32_t counts[6] = {self->isut_count, self->isstd_count, self->leap_count,
                                self->time_count, self->kind_count,  4};
    leat_buf_reset(out);
    put_header(out, "TZif", self->version, old);
    put_zeros(out,
              self->old_times * 5 + self->old_kinds * 6 + self->old_chars + self->old_leaps * 8);
    put_header(out, self->magic == NULL ? "TZif" : self->magic, self->version, counts);
    for (size_t i = 0; i < self->time_count; i++)
        leat_put_u64(out, (uint64_t)self->times[i]);
    leat_put_bytes(out, self->kinds_of, self->time_count);
    for (size_t i = 0; i < self->kind_count; i++) {
        leat_put_u32(out, (uint32_t)self->kinds[i]);
        put_zeros(out, 2);
    }
    leat_put_bytes(out, "AAA", 4);
    put_zeros(out, self->leap_count * 12 + self->isstd_count + self->isut_count);
    leat_put_u8(out, (uint8_t)self->before_rule);
    leat_put_bytes(out, self->rule, strlen(self->rule));
}

/* "2024-02-29 12:00", UTC. */
static int64_t
time_of(const char *text)
{
    struct tm tm = {0};
    cr_assert(strptime(text, "%Y-%m-%d %H:%M", &tm) != NULL, "%s", text);
    return timegm(&tm);
}

/* "2024-02-29 12:00 +3600, …" */
static void
print_rows(const leat_zone_change *rows, uint32_t count, char out[1024])
{
    size_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        char text[32];
        struct tm tm;
        const time_t at = rows[i].from_s;
        cr_assert(gmtime_r(&at, &tm) != NULL);
        cr_assert(ne(sz, strftime(text, sizeof text, "%Y-%m-%d %H:%M", &tm), 0));
        used += (size_t)snprintf(out + used, 1024 - used, "%s%s %+d", i == 0 ? "" : ", ", text,
                                 rows[i].offset_s);
    }
}

/* The file says this between two times. */
static void
gives(const file *self, const char *from, const char *upto, const char *want)
{
    leat_buf bytes = {0};
    leat_zone_change rows[ROWS_MAX];
    uint32_t count;
    char why[LEAT_TZIF_WHY_BYTES];
    char got[1024];
    build(self, &bytes);
    const leat_err err = leat_tzif_read(bytes.data, bytes.size, time_of(from), time_of(upto), rows,
                                        ROWS_MAX, &count, why);
    cr_assert(eq(int, (int)err, LEAT_ERR_OK), "%s", why);
    LEAT_SAME_TEXT(why, "");
    print_rows(rows, count, got);
    LEAT_SAME_TEXT(got, want);
    leat_buf_fini(&bytes);
}

static void
is_refused(const file *self, leat_err want, const char *words)
{
    leat_buf bytes = {0};
    leat_zone_change rows[ROWS_MAX];
    uint32_t count = 77;
    char why[LEAT_TZIF_WHY_BYTES];
    build(self, &bytes);
    LEAT_FAILS(
        leat_tzif_read(bytes.data, bytes.size, 0, LEAT_CRON_S_MAX, rows, ROWS_MAX, &count, why),
        want);
    LEAT_SAME_TEXT(why, words);
    cr_assert(eq(u32, count, 77));
    leat_buf_fini(&bytes);
}

/* ---- files ---- */

Test(tzif, a_file_gives_its_changes_and_then_those_of_its_rule)
{
    gives(&berlin, "2023-01-01 00:00", "2025-06-01 00:00",
          "2023-01-01 00:00 +3600, 2023-03-26 01:00 +7200, 2023-10-29 01:00 +3600, "
          "2024-03-31 01:00 +7200, 2024-10-27 01:00 +3600, 2025-03-30 01:00 +7200");
    gives(&berlin, "2024-06-01 00:00", "2024-12-01 00:00",
          "2024-06-01 00:00 +7200, 2024-10-27 01:00 +3600");
    gives(&berlin, "2090-01-01 00:00", "2090-12-31 00:00",
          "2090-01-01 00:00 +3600, 2090-03-26 01:00 +7200, 2090-10-29 01:00 +3600");
    gives(&berlin, "9999-07-01 00:00", "9999-12-31 23:59",
          "9999-07-01 00:00 +7200, 9999-10-31 01:00 +3600");
}

Test(tzif, before_its_first_time_the_first_type_holds)
{
    gives(&berlin, "1970-01-01 00:00", "2023-03-26 01:00",
          "1970-01-01 00:00 +3600, 2023-03-26 01:00 +7200");
    gives(&berlin, "0100-01-01 00:00", "0100-01-01 00:00", "100-01-01 00:00 +3600");
}

Test(tzif, both_ends_belong_to_the_time_asked_for)
{
    gives(&berlin, "2024-03-31 01:00", "2024-10-27 01:00",
          "2024-03-31 01:00 +7200, 2024-10-27 01:00 +3600");
    gives(&berlin, "2024-03-31 00:59", "2024-10-27 00:59",
          "2024-03-31 00:59 +3600, 2024-03-31 01:00 +7200");
    gives(&berlin, "2024-10-27 00:59", "2024-10-27 00:59", "2024-10-27 00:59 +7200");
}

Test(tzif, without_a_rule_the_last_offset_holds)
{
    file self = berlin;
    self.rule = "\n";
    gives(&self, "2024-01-01 00:00", "2050-01-01 00:00",
          "2024-01-01 00:00 +3600, 2024-03-31 01:00 +7200");
}

Test(tzif, without_times_the_rule_holds_always)
{
    file self = berlin;
    self.time_count = 0;
    self.kinds[0] = 60;
    gives(&self, "1999-01-01 00:00", "1999-12-31 00:00",
          "1999-01-01 00:00 +3600, 1999-03-28 01:00 +7200, 1999-10-31 01:00 +3600");
    self.rule = "JST-9\n";
    gives(&self, "1999-01-01 00:00", "1999-12-31 00:00", "1999-01-01 00:00 +32400");
    self.rule = "\n";
    gives(&self, "1999-01-01 00:00", "1999-12-31 00:00", "1999-01-01 00:00 +60");
}

Test(tzif, the_rule_goes_on_after_the_last_time_only)
{
    /* Of Santiago: summer ends with the file, in the middle of what the rule says of the year. */
    const file south = {
        .version = '2',
        .time_count = 1,
        .times = {1712458800}, /* 2024-04-07 03:00 */
        .kinds_of = {     1         },
        .kind_count = 2,
        .kinds = { -7200,          -14400},
        .before_rule = '\n',
        .rule = "<-04>4<-03>,M9.1.6/24,M4.1.6/24\n",
    };
    gives(&south, "2023-01-01 00:00", "2024-12-31 00:00",
          "2023-01-01 00:00 -7200, 2024-04-07 03:00 -14400, 2024-09-08 04:00 -10800");

    /* Of nowhere: the rule's summer ends as it begins, but it is another zone than the file's. */
    file other = berlin;
    other.time_count = 1;
    other.kinds_of[0] = 0;
    other.kinds[0] = 1800;
    other.rule = "AAA0BBB,100/0,100/1\n";
    gives(&other, "2023-01-01 00:00", "2024-12-31 00:00",
          "2023-01-01 00:00 +1800, 2023-04-11 00:00 +0");
}

Test(tzif, a_time_that_changes_nothing_is_no_row)
{
    file self = berlin;
    self.kinds_of[1] = 1;
    gives(&self, "2023-01-01 00:00", "2024-06-01 00:00",
          "2023-01-01 00:00 +3600, 2023-03-26 01:00 +7200");
}

Test(tzif, what_is_not_needed_is_passed_over)
{
    file self = berlin;
    self.version = '4';
    self.old_times = 5;
    self.old_kinds = 3;
    self.old_chars = 9;
    self.old_leaps = 2;
    self.isut_count = 2;
    self.isstd_count = 2;
    self.rule = "CET-1CEST,M3.5.0,M10.5.0/3\nmore";
    gives(&self, "2024-01-01 00:00", "2024-12-31 00:00",
          "2024-01-01 00:00 +3600, 2024-03-31 01:00 +7200, 2024-10-27 01:00 +3600");
}

Test(tzif, one_change_more_than_fits_is_a_limit)
{
    leat_buf bytes = {0};
    leat_zone_change rows[3];
    uint32_t count = 77;
    char why[LEAT_TZIF_WHY_BYTES];
    const int64_t from_s = time_of("2024-01-01 00:00");
    const int64_t upto_s = time_of("2024-12-31 00:00");
    build(&berlin, &bytes);
    LEAT_FAILS(leat_tzif_read(bytes.data, bytes.size, from_s, upto_s, rows, 2, &count, why),
               LEAT_ERR_LIMIT);
    LEAT_SAME_TEXT(why, "has more changes in this time than fit");
    cr_assert(eq(u32, count, 77));
    LEAT_PASS(leat_tzif_read(bytes.data, bytes.size, from_s, upto_s, rows, 3, &count, why));
    cr_assert(eq(u32, count, 3));
    leat_buf_fini(&bytes);
}

Test(tzif, what_contradicts_itself_is_refused)
{
    file self = berlin;
    self.times[1] = self.times[0];
    is_refused(&self, LEAT_ERR_CORRUPT, "is damaged: its times do not rise");
    self = berlin;
    self.times[1] = INT64_MIN;
    is_refused(&self, LEAT_ERR_CORRUPT, "is damaged: its times do not rise");
    self = berlin;
    self.kinds_of[2] = 2;
    is_refused(&self, LEAT_ERR_CORRUPT, "is damaged: a time has no type");
    self = berlin;
    self.kinds[1] = LEAT_ZONE_OFFSET_S_MAX + 1;
    is_refused(&self, LEAT_ERR_CORRUPT, "is damaged: a clock is days away from UTC");
    self.kinds[1] = INT32_MIN;
    is_refused(&self, LEAT_ERR_CORRUPT, "is damaged: a clock is days away from UTC");
    self = berlin;
    self.kinds[0] = -LEAT_ZONE_OFFSET_S_MAX - 1;
    is_refused(&self, LEAT_ERR_CORRUPT, "is damaged: it says no offset");
    self = berlin;
    self.kind_count = 0;
    is_refused(&self, LEAT_ERR_CORRUPT, "is damaged: it says no offset");
    self = berlin;
    self.rule = "CET-1CEST\n";
    is_refused(&self, LEAT_ERR_CORRUPT, "is damaged: it ends in no rule");
    self = berlin;
    self.before_rule = 'x';
    is_refused(&self, LEAT_ERR_CORRUPT, "is damaged: it ends too early");
    self = berlin;
    self.magic = "TZIF";
    is_refused(&self, LEAT_ERR_CORRUPT, "is damaged: it ends too early");
}

Test(tzif, what_we_do_not_read_is_said)
{
    file self = berlin;
    self.version = '\0';
    is_refused(&self, LEAT_ERR_UNSUPPORTED, "is of version 1, which ends in 2037");
    self = berlin;
    self.leap_count = 1;
    is_refused(&self, LEAT_ERR_UNSUPPORTED, "counts leap seconds");
}

Test(tzif, every_strict_prefix_is_refused)
{
    leat_buf bytes = {0};
    file self = berlin;
    self.old_times = 2;
    self.old_kinds = 1;
    build(&self, &bytes);
    for (size_t size = 0; size < bytes.size; size++) {
        leat_zone_change rows[ROWS_MAX];
        uint32_t count;
        char why[LEAT_TZIF_WHY_BYTES];
        LEAT_FAILS(leat_tzif_read(bytes.data, size, 0, 2000000000, rows, ROWS_MAX, &count, why),
                   LEAT_ERR_CORRUPT);
        LEAT_SAME_TEXT(why, size < 44 ? "is no time zone file" : "is damaged: it ends too early");
    }
    leat_buf_fini(&bytes);
}

Test(tzif, counts_that_no_file_can_have_are_refused)
{
    leat_buf bytes = {0};
    build(&berlin, &bytes);
    /* Each count of each header in turn. */
    for (size_t i = 0; i < 12; i++) {
        leat_zone_change rows[ROWS_MAX];
        uint32_t count;
        char why[LEAT_TZIF_WHY_BYTES];
        uint8_t *const at = bytes.data + (i < 6 ? 20 : 64 - 24) + i * 4;
        const uint32_t was = leat_load_u32(at);
        leat_store_u32(at, UINT32_MAX);
        LEAT_FAILS(
            leat_tzif_read(bytes.data, bytes.size, 0, 2000000000, rows, ROWS_MAX, &count, why),
            LEAT_ERR_CORRUPT);
        LEAT_SAME_TEXT(why, "is damaged: it ends too early");
        leat_store_u32(at, was);
    }
    leat_buf_fini(&bytes);
}

/* ---- rules ---- */

static void
rule_gives(const char *rule, const char *want)
{
    leat_zone_change rows[ROWS_MAX];
    uint32_t count;
    char why[LEAT_TZIF_WHY_BYTES];
    char got[1024];
    const leat_err err =
        leat_tzif_read_rule(rule, strlen(rule), time_of("2024-01-01 00:00"),
                            time_of("2024-12-31 00:00"), rows, ROWS_MAX, &count, why);
    cr_assert(eq(int, (int)err, LEAT_ERR_OK), "%s %s", rule, why);
    LEAT_SAME_TEXT(why, "");
    print_rows(rows, count, got);
    cr_assert(eq(str, got, leat_test_text(want)), "%s", rule);
}

Test(tzif, a_rule_without_summer_is_one_row)
{
    rule_gives("UTC0", "2024-01-01 00:00 +0");
    rule_gives("JST-9", "2024-01-01 00:00 +32400");
    rule_gives("jst+9", "2024-01-01 00:00 -32400");
    rule_gives("<+0545>-5:45", "2024-01-01 00:00 +20700");
    rule_gives("<-03>3", "2024-01-01 00:00 -10800");
    rule_gives("LMT-0:53:28", "2024-01-01 00:00 +3208");
    rule_gives("AAA24:59:59", "2024-01-01 00:00 -89999");
}

Test(tzif, a_rule_names_days_in_three_ways)
{
    /* Weekdays of a week of the month, the fifth being the last. */
    rule_gives("CET-1CEST,M3.5.0,M10.5.0/3",
               "2024-01-01 00:00 +3600, 2024-03-31 01:00 +7200, 2024-10-27 01:00 +3600");
    rule_gives("EST5EDT,M3.2.0,M11.1.0",
               "2024-01-01 00:00 -18000, 2024-03-10 07:00 -14400, 2024-11-03 06:00 -18000");
    rule_gives("AAA0BBB,M2.5.4/0,M12.4.6/0",
               "2024-01-01 00:00 +0, 2024-02-29 00:00 +3600, 2024-12-27 23:00 +0");
    /* Days of the year without the 29th of February, counted from 1. */
    rule_gives("<+0330>-3:30<+0430>,J79/24,J263/24",
               "2024-01-01 00:00 +12600, 2024-03-20 20:30 +16200, 2024-09-20 19:30 +12600");
    rule_gives("AAA0BBB,J59/0,J60/0",
               "2024-01-01 00:00 +0, 2024-02-28 00:00 +3600, 2024-02-29 23:00 +0");
    /* Days of the year with it, counted from 0. */
    rule_gives("EST5EDT,78/2,262",
               "2024-01-01 00:00 -18000, 2024-03-19 07:00 -14400, 2024-09-19 06:00 -18000");
    rule_gives("AAA0BBB,59/0,60/0",
               "2024-01-01 00:00 +0, 2024-02-29 00:00 +3600, 2024-02-29 23:00 +0");
}

Test(tzif, summer_may_begin_and_end_in_odd_ways)
{
    /* South of the equator. */
    rule_gives("<-04>4<-03>,M9.1.6/24,M4.1.6/24",
               "2024-01-01 00:00 -10800, 2024-04-07 03:00 -14400, 2024-09-08 04:00 -10800");
    /* Half an hour. */
    rule_gives("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
               "2024-01-01 00:00 +39600, 2024-04-06 15:00 +37800, 2024-10-05 15:30 +39600");
    /* Before the day begins, and after it has ended. */
    rule_gives("<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
               "2024-01-01 00:00 -7200, 2024-03-31 01:00 -3600, 2024-10-27 01:00 -7200");
    rule_gives("IST-2IDT,M3.4.4/26,M10.5.0",
               "2024-01-01 00:00 +7200, 2024-03-29 00:00 +10800, 2024-10-26 23:00 +7200");
    rule_gives("AAA0BBB,M3.5.0/-167:59:59,M10.5.0/+167:59",
               "2024-01-01 00:00 +0, 2024-03-24 00:00 +3600, 2024-11-02 22:59 +0");
    /* Winter is what is put back. */
    rule_gives("IST-1GMT0,M10.5.0,M3.5.0/1",
               "2024-01-01 00:00 +0, 2024-03-31 01:00 +3600, 2024-10-27 01:00 +0");
    /* All year: each summer ends as the next one begins. */
    rule_gives("EST5EDT,0/0,J365/25", "2024-01-01 00:00 -14400");
    rule_gives("XXX3EDT4,0/0,J365/23", "2024-01-01 00:00 -14400");
    /* Never: it ends as it begins. */
    rule_gives("AAA0BBB,100/0,100/1", "2024-01-01 00:00 +0");
}

Test(tzif, a_table_over_many_years_has_every_change)
{
    static leat_zone_change rows[300];
    static const char text[] = "CET-1CEST,M3.5.0,M10.5.0/3";
    uint32_t count;
    char why[LEAT_TZIF_WHY_BYTES];
    LEAT_PASS(leat_tzif_read_rule(text, strlen(text), 0, time_of("2099-12-31 00:00"), rows, 300,
                                  &count, why));
    cr_assert(eq(u32, count, 1 + 2 * 130));
    for (uint32_t i = 1; i < count; i++) {
        struct tm tm;
        const time_t local = rows[i].from_s + rows[i - 1].offset_s;
        cr_assert(gmtime_r(&local, &tm) != NULL);
        cr_assert(eq(int, tm.tm_wday, 0));
        cr_assert(ge(int, tm.tm_mday, 25));
        cr_assert(eq(int, tm.tm_mon, i % 2 == 1 ? 2 : 9));
        cr_assert(eq(int, tm.tm_hour, i % 2 == 1 ? 2 : 3));
        cr_assert(eq(i32, rows[i].offset_s, i % 2 == 1 ? 7200 : 3600));
    }
}

Test(tzif, a_rule_with_more_changes_than_fit_is_a_limit)
{
    static const char text[] = "CET-1CEST,M3.5.0,M10.5.0/3";
    leat_zone_change rows[ROWS_MAX];
    uint32_t count;
    char why[LEAT_TZIF_WHY_BYTES];
    LEAT_FAILS(
        leat_tzif_read_rule(text, strlen(text), 0, LEAT_CRON_S_MAX, rows, ROWS_MAX, &count, why),
        LEAT_ERR_LIMIT);
}

Test(tzif, what_is_no_rule_is_refused)
{
    static const char *const rules[] = {
        "",
        "CET",
        "CE-1",
        "-1",
        "C1T-1",
        "<+01-1",
        "<+1>-1",
        "<CET>",
        "<+0:>-1",
        "CET-",
        "CET-25",
        "CET--1",
        "CET-1:60",
        "CET-1:",
        "CET-1:00:60",
        "CET-1:00:00:00",
        "CET-1 ",
        "CET-1CE",
        "CET-1CEST",
        "CET-1CEST-2",
        "CET-1CEST-25,M3.5.0,M10.5.0",
        "CET-1CEST,",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M3.5.0,",
        "CET-1CEST,M3.5.0M10.5.0",
        "CET-1CEST,M3.5.0,M10.5.0,",
        "CET-1CEST,M3.5.0,M10.5.0 ",
        "CET-1CEST,M0.5.0,M10.5.0",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.0.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,M3-5.0,M10.5.0",
        "CET-1CEST,M3.5-0,M10.5.0",
        "CET-1CEST,M3.5.,M10.5.0",
        "CET-1CEST,J0,J10",
        "CET-1CEST,J366,J10",
        "CET-1CEST,J,J10",
        "CET-1CEST,366,10",
        "CET-1CEST,x,10",
        "CET-1CEST,M3.5.0/,M10.5.0",
        "CET-1CEST,M3.5.0/168,M10.5.0",
        "CET-1CEST,M3.5.0/99999999999,M10.5.0",
        "CET-1CEST,M3.5.0,M10.5.0/x",
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        leat_zone_change rows[ROWS_MAX];
        uint32_t count = 77;
        char why[LEAT_TZIF_WHY_BYTES];
        const leat_err err = leat_tzif_read_rule(rules[i], strlen(rules[i]), 0, 2000000000, rows,
                                                 ROWS_MAX, &count, why);
        cr_assert(eq(int, (int)err, LEAT_ERR_CORRUPT), "%s", rules[i]);
        LEAT_SAME_TEXT(why, "is no rule for a time zone");
        cr_assert(eq(u32, count, 77));
    }
}
