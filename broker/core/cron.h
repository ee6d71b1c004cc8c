/* leat_cron: when a schedule fires.
 *
 *     ┌ minute 0-59
 *     │ ┌ hour 0-23
 *     │ │ ┌ day of month 1-31
 *     │ │ │ ┌ month 1-12 or JAN-DEC
 *     │ │ │ │ ┌ day of week 0-7 or SUN-SAT, 0 and 7 are Sunday
 *     * * * * *
 *
 * A field is a list with commas of `*`, a value, a range `1-5`, and a step after `*` or a range:
 * `*`/15, 8-18/2. A range of weekdays may end in SUN or 7. Names may be in any case. Day of month
 * and day of week: if neither field contains a `*`, a day that is in one of them will do; otherwise
 * it has to be in both. Instead of the five fields: @hourly @daily @midnight @weekly @monthly
 * @yearly @annually, or "@every 1h30m": units d h m s, each once, in this order, 1 s … 366 days
 * together, counted in real seconds from the schedule's start.
 *
 * The fields are read on the clock of a zone, and clocks are changed. The rule is that of somebody
 * who looks at the clock all day: a schedule fires when the clock first comes to its time, or first
 * passes it. So what lies in the hour that is skipped in spring fires once, at the end of the gap;
 * what lies in the hour that comes twice in autumn fires in the first of the two. Only where every
 * hour will do (`*`, or all 24 of them) is the clock's past forgotten: these schedules mean real
 * time, go on after a gap as if nothing had been left out, and fire in both of two equal hours.
 *
 * Nothing here reads a clock, a file or a variable, takes memory or keeps state. Times are seconds
 * of UTC since 1970. */
#ifndef LEAT_CRON_H
#define LEAT_CRON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

#define LEAT_CRON_TEXT_BYTES_MAX 512U /* all fields written out as lists have 355 */
#define LEAT_CRON_WHY_BYTES      128U
#define LEAT_CRON_EVERY_S_MAX    31622400      /* 366 days */
#define LEAT_CRON_S_MAX          253402300799L /* the last second of the year 9999 */

/* One change of a zone's clocks. */
typedef struct leat_zone_change {
    int64_t from_s;   /* UTC: from this second on … */
    int32_t offset_s; /* … local time is UTC plus this */
} leat_zone_change;

/* No clock of the world is a whole day away from UTC; files may say up to 26 hours. */
#define LEAT_ZONE_OFFSET_S_MAX 93600

/* The clocks of one zone. changes: borrowed, at least one, from_s rising, from_s within
 * ±LEAT_CRON_S_MAX, offset_s within ±LEAT_ZONE_OFFSET_S_MAX. The first offset holds before its
 * from_s too, the last one for ever. So the table should begin two days before the times that are
 * asked about, or a clock that has just been put back is not known, and reach beyond the answer. */
typedef struct leat_zone {
    const leat_zone_change *changes;
    uint32_t count;
} leat_zone;

/* A schedule that was parsed; plain data, may be copied. Made by leat_cron_parse only. */
typedef struct leat_cron {
    uint64_t minutes; /* bit n: minute n */
    uint32_t hours;
    uint32_t days; /* of the month; bit 0 is not used */
    uint16_t months;
    uint8_t weekdays;   /* bit 0: Sunday */
    bool is_either_day; /* a day in `days` or in `weekdays` will do; otherwise in both */
    int32_t every_s;    /* > 0: @every, and nothing above counts */
    int64_t start_s;    /* of @every */
} leat_cron;

/* Read an expression.
 *
 * text, size  any bytes, borrowed; need not be terminated.
 * start_s     what @every counts from, 0 … LEAT_CRON_S_MAX; ignored by the other forms.
 * cron        filled only on LEAT_ERR_OK.
 * why         "", or a sentence that names the field ("minute: 75 is over 59"); always terminated
 *             and printable, whatever the text.
 *
 * LEAT_ERR_CONFIG  no such expression, or one whose day never comes (`0 0 30 2 *`). */
LEAT_NODISCARD leat_err leat_cron_parse(
    const char *text, size_t size, int64_t start_s, leat_cron *cron, char why[LEAT_CRON_WHY_BYTES]);

/* The first second after after_s at which the schedule fires. @every fires at its start too, if
 * that is after after_s, and never before it.
 *
 * zone     borrowed; @every does not look at it, so it may be NULL there.
 * after_s  any; what lies before 1970 is taken for the second before it.
 * next_s   filled only on true.
 *
 * False: not before the year 10000. The work is some hundred steps a clock change that lies between
 * after_s and the answer, and one for every earlier change of the table. */
LEAT_NODISCARD bool
leat_cron_next(const leat_cron *cron, const leat_zone *zone, int64_t after_s, int64_t *next_s);

#endif
