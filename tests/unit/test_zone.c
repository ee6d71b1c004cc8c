/* zone: names and the files behind them. Every file is written here: the machine's own zone data
 * may be missing. */
#include "tests/lib/test.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "broker/zone.h"
#include "tests/lib/tmp.h"

#define FROM_S   1704067200 /* 2024-01-01 */
#define UPTO_S   1735689600 /* 2025-01-01 */
#define ROWS_MAX 8U

/* One type, four bytes of names, and a rule to be put behind it. */
#define NOTHING       "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define HEADER        "TZif2" NOTHING "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4"
#define ONE_TYPE      "\0\0\0\0\0\0"
#define FILE_OF(rule) HEADER ONE_TYPE "AAA\0" HEADER ONE_TYPE "AAA\0\n" rule "\n"

static const char berlin[] = FILE_OF("CET-1CEST,M3.5.0,M10.5.0/3");
static const char tokyo[] = FILE_OF("JST-9");

static leat_tmp tmp;
static char dir[PATH_MAX];
static char local_path[PATH_MAX];
static leat_zone_source source;

static void
setup(void)
{
    char path[PATH_MAX];
    leat_tmp_init(&tmp);
    (void)leat_tmp_path(&tmp, "zones", dir);
    (void)leat_tmp_path(&tmp, "localtime", local_path);
    source = (leat_zone_source){.dir = dir, .local_path = local_path, .tz = NULL};
    (void)leat_tmp_write(&tmp, "zones/Europe/Berlin", berlin, sizeof berlin - 1, path);
    (void)leat_tmp_write(&tmp, "zones/Asia/Tokyo", tokyo, sizeof tokyo - 1, path);
    (void)leat_tmp_write(&tmp, "zones/Etc/GMT+9", tokyo, sizeof tokyo - 1, path);
    (void)leat_tmp_write(&tmp, "zones/America/Port-au_Prince", tokyo, sizeof tokyo - 1, path);
    (void)leat_tmp_write(&tmp, "zones/short", berlin, 40, path);
    (void)leat_tmp_write(&tmp, "zones/empty", "", 0, path);
}

static void
teardown(void)
{
    leat_tmp_fini(&tmp);
}

TestSuite(zone, .init = setup, .fini = teardown);

/* So many rows of a year, and this offset in its first. */
static void
gives(const char *name, uint32_t count_wanted, int32_t offset_s)
{
    leat_zone_change rows[ROWS_MAX];
    uint32_t count;
    char why[LEAT_ZONE_WHY_BYTES];
    const leat_err err =
        leat_zone_read_from(&source, name, FROM_S, UPTO_S, rows, ROWS_MAX, &count, why);
    cr_assert(eq(int, (int)err, LEAT_ERR_OK), "%s: %s", name, why);
    LEAT_SAME_TEXT(why, "");
    cr_assert(eq(u32, count, count_wanted));
    cr_assert(eq(i64, rows[0].from_s, FROM_S - LEAT_ZONE_BEFORE_S));
    cr_assert(eq(i32, rows[0].offset_s, offset_s));
}

static void
is_refused(const char *name, leat_err want, const char *sentence)
{
    leat_zone_change rows[ROWS_MAX];
    uint32_t count = 77;
    char why[LEAT_ZONE_WHY_BYTES];
    LEAT_FAILS(leat_zone_read_from(&source, name, FROM_S, UPTO_S, rows, ROWS_MAX, &count, why),
               want);
    LEAT_SAME_TEXT(why, sentence);
    cr_assert(eq(u32, count, 77));
}

/* ---- names ---- */

Test(zone, a_name_is_a_file_of_the_directory)
{
    gives("Asia/Tokyo", 1, 32400);
    gives("Etc/GMT+9", 1, 32400);
    gives("America/Port-au_Prince", 1, 32400);
}

Test(zone, a_table_begins_two_days_early_and_has_the_changes)
{
    leat_zone_change rows[ROWS_MAX];
    uint32_t count;
    char why[LEAT_ZONE_WHY_BYTES];
    LEAT_PASS(
        leat_zone_read_from(&source, "Europe/Berlin", FROM_S, UPTO_S, rows, ROWS_MAX, &count, why));
    cr_assert(eq(u32, count, 3));
    cr_assert(eq(i64, rows[1].from_s, 1711846800));
    cr_assert(eq(i32, rows[1].offset_s, 7200));
    cr_assert(eq(i64, rows[2].from_s, 1729990800));
    cr_assert(eq(i32, rows[2].offset_s, 3600));

    /* Read in the second of the two hours, it knows that there was a first. */
    LEAT_PASS(leat_zone_read_from(&source, "Europe/Berlin", 1729990800, UPTO_S, rows, ROWS_MAX,
                                  &count, why));
    cr_assert(eq(u32, count, 2));
    cr_assert(eq(i32, rows[0].offset_s, 7200));
    cr_assert(eq(i64, rows[1].from_s, 1729990800));
}

Test(zone, utc_needs_no_file)
{
    source.dir = "/nowhere";
    gives("UTC", 1, 0);
}

Test(zone, a_zone_that_is_not_there_is_an_error_and_never_utc)
{
    is_refused("Europe/Berln", LEAT_ERR_NOT_FOUND,
               "no time zone \"Europe/Berln\" on this machine (package tzdata)");
    is_refused("utc", LEAT_ERR_NOT_FOUND, "no time zone \"utc\" on this machine (package tzdata)");
    is_refused("Europe", LEAT_ERR_NOT_FOUND,
               "no time zone \"Europe\" on this machine (package tzdata)");
    is_refused("Asia/Tokyo/x", LEAT_ERR_NOT_FOUND,
               "no time zone \"Asia/Tokyo/x\" on this machine (package tzdata)");
    /* A rule is for TZ only: a name means the same zone on every machine. */
    is_refused("JST-9", LEAT_ERR_NOT_FOUND,
               "no time zone \"JST-9\" on this machine (package tzdata)");
    source.dir = "/nowhere";
    is_refused("Europe/Berlin", LEAT_ERR_NOT_FOUND,
               "no time zone \"Europe/Berlin\" on this machine (package tzdata)");
}

Test(zone, what_is_no_name_is_not_looked_for)
{
    static const struct {
        const char *name;
        const char *sentence;
    } rows[] = {
        {"",                                                   "\"\" is no name of a time zone"              },
        {"/etc/localtime",                                     "\"/etc/localtime\" is no name of a time zone"},
        {"..",                                                 "\"..\" is no name of a time zone"            },
        {"Europe/../Asia",                                     "\"Europe/../Asia\" is no name of a time zone"},
        {"./Asia/Tokyo",                                       "\"./Asia/Tokyo\" is no name of a time zone"  },
        {"Asia/Tokyo/",                                        "\"Asia/Tokyo/\" is no name of a time zone"   },
        {"Asia//Tokyo",                                        "\"Asia//Tokyo\" is no name of a time zone"   },
        {"Asia Tokyo",                                         "\"Asia Tokyo\" is no name of a time zone"    },
        {":Asia/Tokyo",                                        "\":Asia/Tokyo\" is no name of a time zone"   },
        {"Asia\n\x1b\x7f\xe2",                                 "\"Asia????\" is no name of a time zone"      },
        {"a23456789_123456789_123456789_123456789_1234567890",
         "\"a23456789_123456789_123456789_123456789_12345678\" is no name of a time zone"                    },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert(not(leat_zone_name_is_valid(rows[i].name)), "%s", rows[i].name);
        is_refused(rows[i].name, LEAT_ERR_CONFIG, rows[i].sentence);
    }
    cr_assert(leat_zone_name_is_valid("Europe/Berlin"));
    cr_assert(leat_zone_name_is_valid("a23456789_123456789_123456789_123456789_12345678"));
    cr_assert(leat_zone_name_is_valid("local"));
}

/* ---- files ---- */

Test(zone, a_damaged_file_is_named)
{
    is_refused("empty", LEAT_ERR_CORRUPT, "time zone \"empty\" is no time zone file");
    is_refused("short", LEAT_ERR_CORRUPT, "time zone \"short\" is no time zone file");
}

Test(zone, more_changes_than_there_is_room_for_are_a_limit)
{
    leat_zone_change rows[2];
    uint32_t count;
    char why[LEAT_ZONE_WHY_BYTES];
    LEAT_FAILS(leat_zone_read_from(&source, "Europe/Berlin", FROM_S, UPTO_S, rows, 2, &count, why),
               LEAT_ERR_LIMIT);
    LEAT_SAME_TEXT(why, "time zone \"Europe/Berlin\" has more changes in this time than fit");
}

Test(zone, one_byte_over_the_limit_is_too_large)
{
    static char data[LEAT_ZONE_FILE_BYTES_MAX + 1];
    char path[PATH_MAX];
    memcpy(data, tokyo, sizeof tokyo);
    (void)leat_tmp_write(&tmp, "zones/large", data, LEAT_ZONE_FILE_BYTES_MAX, path);
    gives("large", 1, 32400);
    (void)leat_tmp_write(&tmp, "zones/large", data, LEAT_ZONE_FILE_BYTES_MAX + 1, path);
    is_refused("large", LEAT_ERR_TOO_LARGE,
               "time zone \"large\" can not be read: larger than the limit");
}

Test(zone, a_link_in_a_circle_can_not_be_read)
{
    char path[PATH_MAX];
    cr_assert(eq(int, symlink("circle", leat_tmp_path(&tmp, "zones/circle", path)), 0));
    is_refused("circle", LEAT_ERR_IO, "time zone \"circle\" can not be read: input/output error");
}

Test(zone, a_pipe_is_no_zone_and_is_not_waited_for)
{
    char path[PATH_MAX];
    cr_assert(eq(int, mkfifo(leat_tmp_path(&tmp, "zones/pipe", path), 0600), 0));
    is_refused("pipe", LEAT_ERR_CORRUPT, "time zone \"pipe\" is no time zone file");
}

/* ---- the machine's own ---- */

Test(zone, local_is_the_file_that_the_machine_says)
{
    char path[PATH_MAX];
    (void)leat_tmp_write(&tmp, "localtime", tokyo, sizeof tokyo - 1, path);
    gives("local", 1, 32400);
}

Test(zone, a_machine_without_the_file_is_on_utc)
{
    gives("local", 1, 0);
}

Test(zone, a_machine_whose_file_leads_nowhere_is_not)
{
    /* By a path from here: the sentence shows it, and it should be the same in every run. */
    cr_assert(eq(int, chdir(tmp.path), 0));
    source.local_path = "localtime";
    cr_assert(eq(int, symlink("zones/Europe/Paris", "localtime"), 0));
    is_refused("local", LEAT_ERR_NOT_FOUND, "localtime leads to no time zone (package tzdata)");
}

Test(zone, tz_comes_before_the_file)
{
    char path[PATH_MAX];
    (void)leat_tmp_write(&tmp, "localtime", tokyo, sizeof tokyo - 1, path);
    source.tz = "Europe/Berlin";
    gives("local", 3, 3600);
    source.tz = ":Europe/Berlin";
    gives("local", 3, 3600);
    source.tz = leat_tmp_path(&tmp, "zones/Europe/Berlin", path);
    gives("local", 3, 3600);
    source.tz = "EST5EDT,M3.2.0,M11.1.0";
    gives("local", 3, -18000);
    source.tz = "EST5"; /* could be a name */
    gives("local", 1, -18000);
    source.tz = "UTC";
    gives("local", 1, 0);
    source.tz = "";
    gives("local", 1, 0);
    source.tz = ":";
    gives("local", 1, 0);
    /* Only for "local". */
    source.tz = "UTC";
    gives("Asia/Tokyo", 1, 32400);
}

Test(zone, a_tz_that_names_nothing_is_an_error)
{
    leat_zone_change rows[2];
    uint32_t count;
    char why[LEAT_ZONE_WHY_BYTES];
    source.tz = "Europe/Berln";
    is_refused("local", LEAT_ERR_NOT_FOUND,
               "TZ \"Europe/Berln\" is no time zone on this machine (package tzdata)");
    source.tz = "/nowhere/\x01";
    is_refused("local", LEAT_ERR_NOT_FOUND,
               "TZ \"/nowhere/?\" is no time zone on this machine (package tzdata)");
    source.tz = "short";
    is_refused("local", LEAT_ERR_CORRUPT, "TZ \"short\" is no time zone file");
    /* A file by its mode, whose bytes can not be read: there is nothing at address 0. */
    source.tz = "/proc/self/mem";
    is_refused("local", LEAT_ERR_IO, "TZ \"/proc/self/mem\" can not be read: input/output error");
    source.tz = "EST5EDT,M3.2.0,M11.1.0";
    LEAT_FAILS(leat_zone_read_from(&source, "local", FROM_S, UPTO_S, rows, 2, &count, why),
               LEAT_ERR_LIMIT);
    LEAT_SAME_TEXT(why, "TZ \"EST5EDT,M3.2.0,M11.1.0\" has more changes in this time than fit");
}

Test(zone, the_machines_zones_are_read_without_being_told_where)
{
    leat_zone_change rows[ROWS_MAX];
    uint32_t count;
    char why[LEAT_ZONE_WHY_BYTES];
    LEAT_PASS(leat_zone_read("UTC", FROM_S, UPTO_S, rows, ROWS_MAX, &count, why));
    cr_assert(eq(u32, count, 1));
    LEAT_FAILS(leat_zone_read("No/Such", FROM_S, UPTO_S, rows, ROWS_MAX, &count, why),
               LEAT_ERR_NOT_FOUND);
    LEAT_SAME_TEXT(why, "no time zone \"No/Such\" on this machine (package tzdata)");
}
