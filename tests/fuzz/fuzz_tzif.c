/* Any bytes as a zone file, or as a rule alone: a table of changes, or words about what is wrong.
 *
 * Checked over short, long and all times: rows rise, lie in the time that was asked for, each has
 * another offset than the one before it, and none is further from UTC than a clock can be; the
 * table of half of a time is half of the table; words are there exactly if it is refused, and
 * schedules can be read with what is not. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "broker/tzif.h"

#define ROWS_MAX 128U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct rows {
    leat_zone_change at[ROWS_MAX];
    uint32_t count;
} rows;

static leat_err
read_rows(const uint8_t *data, size_t size, int64_t from_s, int64_t upto_s, rows *out)
{
    char why[LEAT_TZIF_WHY_BYTES];
    const bool is_file = size >= 4 && memcmp(data, "TZif", 4) == 0;
    const leat_err err =
        is_file ? leat_tzif_read(data, size, from_s, upto_s, out->at, ROWS_MAX, &out->count, why)
                : leat_tzif_read_rule((const char *)data, size, from_s, upto_s, out->at, ROWS_MAX,
                                      &out->count, why);
    assert(memchr(why, '\0', sizeof why) != NULL);
    assert((err == LEAT_ERR_OK) == (why[0] == '\0'));
    assert(err == LEAT_ERR_OK || err == LEAT_ERR_CORRUPT || err == LEAT_ERR_LIMIT ||
           (err == LEAT_ERR_UNSUPPORTED && is_file));
    return err;
}

static void
check_rows(const rows *self, int64_t from_s, int64_t upto_s)
{
    assert(self->count >= 1 && self->count <= ROWS_MAX);
    assert(self->at[0].from_s == from_s);
    for (uint32_t i = 0; i < self->count; i++) {
        const leat_zone_change *const row = &self->at[i];
        assert(row->from_s <= upto_s);
        assert(row->offset_s >= -LEAT_ZONE_OFFSET_S_MAX && row->offset_s <= LEAT_ZONE_OFFSET_S_MAX);
        assert(i == 0 || (row->from_s > row[-1].from_s && row->offset_s != row[-1].offset_s));
    }
}

/* The rows of a part of a time: the offset at its beginning, and the rows within. */
static void
check_part(const rows *whole, const rows *part, int64_t upto_s)
{
    uint32_t i = 0;
    while (i + 1 < whole->count && whole->at[i + 1].from_s <= part->at[0].from_s)
        i++;
    assert(part->at[0].offset_s == whole->at[i].offset_s);
    for (uint32_t j = 1; j < part->count; j++) {
        i++;
        assert(i < whole->count && part->at[j].from_s == whole->at[i].from_s &&
               part->at[j].offset_s == whole->at[i].offset_s);
    }
    assert(i + 1 == whole->count || whole->at[i + 1].from_s > upto_s);
}

static void
check_use(const rows *self, int64_t from_s)
{
    static const char daily[] = "30 2 * * *";
    const leat_zone zone = {.changes = self->at, .count = self->count};
    char why[LEAT_CRON_WHY_BYTES];
    leat_cron cron;
    int64_t next_s;
    assert(leat_cron_parse(daily, strlen(daily), 0, &cron, why) == LEAT_ERR_OK);
    if (leat_cron_next(&cron, &zone, from_s, &next_s))
        assert(next_s > from_s);
    else
        assert(from_s > LEAT_CRON_S_MAX - INT64_C(8) * 86400);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        int64_t from_s;
        int64_t upto_s;
    } times[] = {
        {0,                0               },
        {1700000000,       1800000000      },
        {1700000000,       3000000000      },
        {-LEAT_CRON_S_MAX, -LEAT_CRON_S_MAX},
        {LEAT_CRON_S_MAX,  LEAT_CRON_S_MAX },
        {-LEAT_CRON_S_MAX, LEAT_CRON_S_MAX },
    };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        rows whole;
        rows half;
        const int64_t from_s = times[i].from_s;
        const int64_t upto_s = times[i].upto_s;
        const int64_t middle_s = from_s + (upto_s - from_s) / 2;
        const leat_err err = read_rows(data, size, from_s, upto_s, &whole);
        if (err == LEAT_ERR_CORRUPT || err == LEAT_ERR_UNSUPPORTED)
            return 0;
        if (err == LEAT_ERR_LIMIT)
            continue;
        check_rows(&whole, from_s, upto_s);
        check_use(&whole, from_s);
        assert(read_rows(data, size, from_s, middle_s, &half) == LEAT_ERR_OK);
        check_rows(&half, from_s, middle_s);
        check_part(&whole, &half, middle_s);
        assert(read_rows(data, size, middle_s, upto_s, &half) == LEAT_ERR_OK);
        check_rows(&half, middle_s, upto_s);
        check_part(&whole, &half, upto_s);
    }
    return 0;
}
