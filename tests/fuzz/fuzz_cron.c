/* Any bytes as a schedule: refused with a sentence, or it fires for ever.
 *
 * The first line is the expression. What follows, as far as it goes, is a u32 for the start, a u32
 * for the time that is asked about, and rows of the zone's table: a u32 for the seconds since the
 * row before, a u32 for the offset. Checked: a sentence is printable and tells of every refusal;
 * the next time is after the one that was asked about, the same from every moment in between, and
 * one that the fields name on the zone's clock, or the end of a gap; times rise. */
#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "broker/core/cron.h"
#include "proto/base/bytes.h"

#define ROWS_MAX 16U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int32_t
offset_at(const leat_zone *zone, int64_t at_s)
{
    uint32_t i = zone->count - 1;
    while (i > 0 && zone->changes[i].from_s > at_s)
        i--;
    return zone->changes[i].offset_s;
}

static bool
is_bit(uint64_t mask, int bit)
{
    return (mask >> bit & 1U) != 0;
}

static bool
is_named(const leat_cron *cron, int64_t local_s)
{
    struct tm tm;
    const time_t local = local_s;
    assert(gmtime_r(&local, &tm) != NULL);
    const bool is_day = is_bit(cron->days, tm.tm_mday);
    const bool is_weekday = is_bit(cron->weekdays, tm.tm_wday);
    return tm.tm_sec == 0 && is_bit(cron->minutes, tm.tm_min) && is_bit(cron->hours, tm.tm_hour) &&
           is_bit(cron->months, tm.tm_mon + 1) &&
           (cron->is_either_day ? is_day || is_weekday : is_day && is_weekday);
}

static void
check_time(const leat_cron *cron, const leat_zone *zone, int64_t after_s, int64_t next_s)
{
    int64_t same_s;
    assert(next_s > after_s);
    assert(leat_cron_next(cron, zone, next_s - 1, &same_s) && same_s == next_s);
    const int64_t between_s = after_s + (next_s - after_s) / 2;
    assert(leat_cron_next(cron, zone, between_s, &same_s) && same_s == next_s);
    if (cron->every_s > 0) {
        assert(next_s >= cron->start_s && (next_s - cron->start_s) % cron->every_s == 0);
        return;
    }
    const int32_t offset_s = offset_at(zone, next_s);
    const bool is_after_gap = offset_s > offset_at(zone, next_s - 1);
    assert(is_named(cron, next_s + offset_s) || (is_after_gap && cron->hours != 0xffffff));
}

static leat_zone
read_zone(leat_reader *reader, leat_zone_change rows[ROWS_MAX])
{
    leat_zone zone = {.changes = rows, .count = 1};
    rows[0] = (leat_zone_change){0};
    for (uint32_t i = 0; i < ROWS_MAX; i++) {
        const int64_t gap_s = leat_read_u32(reader);
        const int64_t offset_s = leat_read_u32(reader);
        if (reader->failed)
            break;
        rows[i].from_s = i == 0 ? gap_s : rows[i - 1].from_s + 1 + gap_s;
        rows[i].offset_s =
            (int32_t)(offset_s % (2 * LEAT_ZONE_OFFSET_S_MAX + 1) - LEAT_ZONE_OFFSET_S_MAX);
        zone.count = i + 1;
    }
    return zone;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *const end = size == 0 ? NULL : memchr(data, '\n', size);
    const size_t text_size = end == NULL ? size : (size_t)(end - data);
    leat_reader reader = leat_reader_over(data, size);
    leat_zone_change rows[ROWS_MAX];
    char why[LEAT_CRON_WHY_BYTES];
    leat_cron cron;
    (void)leat_read_bytes(&reader, end == NULL ? size : text_size + 1);
    const int64_t start_s = leat_read_u32(&reader);
    int64_t at_s = leat_read_u32(&reader);
    const leat_zone zone = read_zone(&reader, rows);

    const leat_err err = leat_cron_parse((const char *)data, text_size, start_s, &cron, why);
    assert(err == LEAT_ERR_OK || err == LEAT_ERR_CONFIG);
    assert((err == LEAT_ERR_OK) == (why[0] == '\0'));
    for (size_t i = 0; why[i] != '\0'; i++)
        assert(isprint((unsigned char)why[i]));
    if (err != LEAT_ERR_OK)
        return 0;
    for (int i = 0; i < 5; i++) {
        int64_t next_s;
        assert(leat_cron_next(&cron, &zone, at_s, &next_s)); /* no table reaches the year 10000 */
        check_time(&cron, &zone, at_s, next_s);
        at_s = next_s;
    }
    return 0;
}
