/* The compiled file of a time zone. See tzif.h. */
#include "broker/tzif.h"

#include <assert.h>
#include <stdio.h>

#include "proto/base/bytes.h"

#define DAY_S  86400
#define HOUR_S 3600
#define YEAR_S 31556952 /* on the average */

static leat_err
refuse(leat_err err, char why[LEAT_TZIF_WHY_BYTES], const char *words)
{
    (void)snprintf(why, LEAT_TZIF_WHY_BYTES, "%s", words);
    return err;
}

/* ------------------------------------------------------------------------------- the table made */

typedef struct table {
    leat_zone_change *out; /* borrowed */
    uint32_t count;        /* at least one */
    uint32_t max;
    int64_t upto_s;
    bool is_full; /* there was one more */
} table;

static table
table_over(leat_zone_change *out, uint32_t max, int64_t from_s, int64_t upto_s)
{
    assert(from_s >= -LEAT_CRON_S_MAX && from_s <= upto_s && upto_s <= LEAT_CRON_S_MAX);
    assert(max >= 1);
    out[0] = (leat_zone_change){.from_s = from_s, .offset_s = 0};
    return (table){.out = out, .count = 1, .max = max, .upto_s = upto_s};
}

/* From at_s on this offset holds. What comes before the last row, or with it, takes its place: that
 * is how the first row gets the offset of the last change before the table begins, and how two
 * changes in one moment (the end of one year's summer time and the beginning of the next) become
 * none. */
static void
table_add(table *self, int64_t at_s, int32_t offset_s)
{
    leat_zone_change *const last = &self->out[self->count - 1];
    if (at_s > self->upto_s)
        return;
    if (at_s <= last->from_s) {
        last->offset_s = offset_s;
        if (self->count > 1 && last[-1].offset_s == offset_s)
            self->count--;
    } else if (offset_s != last->offset_s && self->count == self->max) {
        self->is_full = true;
    } else if (offset_s != last->offset_s) {
        self->out[self->count++] = (leat_zone_change){.from_s = at_s, .offset_s = offset_s};
    }
}

static leat_err
table_end(const table *self, uint32_t *count, char why[LEAT_TZIF_WHY_BYTES])
{
    if (self->is_full)
        return refuse(LEAT_ERR_LIMIT, why, "has more changes in this time than fit");
    *count = self->count;
    return LEAT_ERR_OK;
}

/* ------------------------------------------------------------------------------------- the rule */

/* A day of every year, and a time on it. */
typedef struct turn {
    enum {
        NTH_DAY,
        NTH_DAY_OF_365,
        WEEKDAY
    } form;
    int day;        /* NTH_DAY 0-365, NTH_DAY_OF_365 1-365, WEEKDAY 0-6 from Sunday */
    int month;      /* of WEEKDAY: 1-12 */
    int week;       /* of WEEKDAY: 1-4, 5 is the last */
    int32_t time_s; /* since local midnight; may be below 0 and over a day */
} turn;

typedef struct rule {
    int32_t standard_s; /* ahead of UTC */
    int32_t summer_s;
    bool has_summer; /* otherwise standard only, and the turns are not there */
    turn begin;      /* by the standard clock */
    turn end;        /* by the summer clock */
} rule;

static bool
is_between(char c, char low, char high)
{
    return c >= low && c <= high;
}

static bool
is_letter(char c)
{
    return is_between(c, 'a', 'z') || is_between(c, 'A', 'Z');
}

/* What is next in the text, 0 at its end. A text with a 0 in it stops being a rule there. */
static char
peek(const leat_text *text)
{
    if (text->size == 0)
        return '\0';
    return text->data[0];
}

static void
skip(leat_text *text)
{
    text->data++;
    text->size--;
}

/* Whether c is next; it is then passed. */
static bool
eat(leat_text *text, char c)
{
    if (text->size == 0 || text->data[0] != c)
        return false;
    skip(text);
    return true;
}

/* Digits that make min … max. */
static bool
eat_number(leat_text *text, int min, int max, int *number)
{
    bool is_there = false;
    *number = 0;
    for (; is_between(peek(text), '0', '9'); skip(text)) {
        is_there = true;
        *number = *number * 10 + (peek(text) - '0');
        if (*number > max)
            return false;
    }
    return is_there && *number >= min;
}

/* "CET", "<+0330>": three characters and more. */
static bool
eat_name(leat_text *text)
{
    size_t size = 0;
    const bool is_quoted = eat(text, '<');
    while (is_letter(peek(text)) || (is_quoted && (is_between(peek(text), '0', '9') ||
                                                   peek(text) == '+' || peek(text) == '-'))) {
        skip(text);
        size++;
    }
    return size >= 3 && (!is_quoted || eat(text, '>'));
}

/* "5", "-10:30", "+2:00:00"; hours up to hours_max. */
static bool
eat_time(leat_text *text, int hours_max, int32_t *time_s)
{
    int hours;
    int minutes = 0;
    int seconds = 0;
    const bool is_below = eat(text, '-');
    if (!is_below)
        (void)eat(text, '+');
    if (!eat_number(text, 0, hours_max, &hours))
        return false;
    if (eat(text, ':')) {
        if (!eat_number(text, 0, 59, &minutes))
            return false;
        if (eat(text, ':') && !eat_number(text, 0, 59, &seconds))
            return false;
    }
    *time_s = hours * HOUR_S + minutes * 60 + seconds;
    if (is_below)
        *time_s = -*time_s;
    return true;
}

/* ",M3.5.0/2", ",J79", ",365". */
static bool
eat_turn(leat_text *text, turn *out)
{
    *out = (turn){.form = NTH_DAY, .time_s = 2 * HOUR_S};
    if (!eat(text, ','))
        return false;
    if (eat(text, 'M')) {
        out->form = WEEKDAY;
        if (!eat_number(text, 1, 12, &out->month) || !eat(text, '.') ||
            !eat_number(text, 1, 5, &out->week) || !eat(text, '.') ||
            !eat_number(text, 0, 6, &out->day))
            return false;
    } else if (eat(text, 'J')) {
        out->form = NTH_DAY_OF_365;
        if (!eat_number(text, 1, 365, &out->day))
            return false;
    } else if (!eat_number(text, 0, 365, &out->day)) {
        return false;
    }
    return !eat(text, '/') || eat_time(text, 167, &out->time_s);
}

/* All of the text as a rule. */
static bool
parse_rule(leat_text text, rule *out)
{
    int32_t west_s;
    *out = (rule){0};
    if (!eat_name(&text) || !eat_time(&text, 24, &west_s))
        return false;
    out->standard_s = -west_s;
    if (text.size == 0)
        return true;

    if (!eat_name(&text))
        return false;
    west_s -= HOUR_S;
    if (peek(&text) != ',' && !eat_time(&text, 24, &west_s))
        return false;
    out->summer_s = -west_s;
    out->has_summer = true;
    return eat_turn(&text, &out->begin) && eat_turn(&text, &out->end) && text.size == 0;
}

/* Days before a year's first, counted from the year 0 on a calendar that has always been ours. The
 * 40 000 years put before keep the divisions above zero; they are 100 times the calendar's 400. */
static int64_t
days_before(int64_t year)
{
    const int64_t before = year + 40000 - 1;
    return before * 365 + before / 4 - before / 100 + before / 400 - INT64_C(100) * 146097;
}

/* Local seconds since 1970 at which the turn comes in a year. */
static int64_t
turn_in(const turn *self, int64_t year)
{
    static const int month_starts[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    const int64_t start = days_before(year) - days_before(1970);
    const bool is_leap = days_before(year + 1) - days_before(year) == 366;
    int64_t day = start + self->day;
    if (self->form == NTH_DAY_OF_365) {
        day += is_leap && self->day >= 60 ? 0 : -1; /* the 29th of February is never counted */
    } else if (self->form == WEEKDAY) {
        const int leap_before = is_leap && self->month > 2;
        const int leap_within = is_leap && self->month == 2;
        const int64_t first = start + month_starts[self->month - 1] + leap_before;
        const int64_t next = start + month_starts[self->month] + leap_before + leap_within;
        /* The first of 1970 was a Thursday. 40 000 years are a whole number of weeks. */
        const int64_t weekday = (first + INT64_C(100) * 146097 + 4) % 7;
        day = first + (self->day - weekday + 7) % 7 + (self->week - 1) * INT64_C(7);
        if (day >= next)
            day -= 7; /* there is no fifth one: the last is the fourth */
    }
    return day * DAY_S + self->time_s;
}

static int64_t
year_of(int64_t at_s)
{
    return (at_s + INT64_C(40000) * YEAR_S) / YEAR_S - 40000 + 1970;
}

/* The changes of the rule after after_s. */
static void
table_add_rule(table *self, const rule *known, int64_t after_s)
{
    if (!known->has_summer)
        return;
    /* Two years early: year_of may be one off, and what holds at the start began before it. */
    const int64_t last = year_of(self->upto_s) + 1;
    for (int64_t year = year_of(self->out[0].from_s) - 2; year <= last; year++) {
        const int64_t begin_s = turn_in(&known->begin, year) - known->standard_s;
        const int64_t end_s = turn_in(&known->end, year) - known->summer_s;
        if (begin_s > end_s && end_s > after_s) /* south of the equator */
            table_add(self, end_s, known->standard_s);
        if (begin_s > after_s)
            table_add(self, begin_s, known->summer_s);
        if (begin_s <= end_s && end_s > after_s)
            table_add(self, end_s, known->standard_s);
    }
}

leat_err
leat_tzif_read_rule(const char *text,
                    size_t size,
                    int64_t from_s,
                    int64_t upto_s,
                    leat_zone_change *out,
                    uint32_t max,
                    uint32_t *count,
                    char why[LEAT_TZIF_WHY_BYTES])
{
    rule known;
    table made = table_over(out, max, from_s, upto_s);
    why[0] = '\0';
    if (!parse_rule((leat_text){.data = text, .size = size}, &known))
        return refuse(LEAT_ERR_CORRUPT, why, "is no rule for a time zone");
    out[0].offset_s = known.standard_s;
    table_add_rule(&made, &known, INT64_MIN);
    return table_end(&made, count, why);
}

/* ------------------------------------------------------------------------------------- the file */

typedef struct header {
    char version;
    uint64_t isut_count, isstd_count, leap_count, time_count, type_count, char_count;
} header;

/* False: the bytes end, or are something else. */
static bool
read_header(leat_reader *reader, header *out)
{
    const uint8_t *const magic = leat_read_bytes(reader, 4);
    out->version = (char)leat_read_u8(reader);
    (void)leat_read_bytes(reader, 15);
    out->isut_count = leat_read_u32(reader);
    out->isstd_count = leat_read_u32(reader);
    out->leap_count = leat_read_u32(reader);
    out->time_count = leat_read_u32(reader);
    out->type_count = leat_read_u32(reader);
    out->char_count = leat_read_u32(reader);
    return !reader->failed && memcmp(magic, "TZif", 4) == 0;
}

/* The bytes of the old block, whose times have 4 bytes. Counts of 32 bits cannot overflow it. */
static uint64_t
old_bytes(const header *head)
{
    return head->time_count * 5 + head->type_count * 6 + head->char_count + head->leap_count * 8 +
           head->isstd_count + head->isut_count;
}

/* What lies between the two headers and the rule, borrowed. */
typedef struct block {
    header head;
    const uint8_t *times;
    const uint8_t *types; /* of the times */
    const uint8_t *kinds; /* 6 bytes each: the types */
    leat_text rule;
} block;

static bool
read_block(leat_reader *reader, block *out)
{
    const header *const head = &out->head;
    const uint64_t rest =
        head->char_count + head->leap_count * 12 + head->isstd_count + head->isut_count;
    const uint64_t all = head->time_count * 9 + head->type_count * 6 + rest;
    if (all > leat_reader_left(reader))
        return false;
    out->times = leat_read_bytes(reader, (size_t)head->time_count * 8);
    out->types = leat_read_bytes(reader, (size_t)head->time_count);
    out->kinds = leat_read_bytes(reader, (size_t)head->type_count * 6);
    (void)leat_read_bytes(reader, (size_t)rest);

    if (leat_read_u8(reader) != '\n')
        return false;
    const size_t left = leat_reader_left(reader);
    const uint8_t *const end = left == 0 ? NULL : memchr(reader->at, '\n', left);
    if (end == NULL)
        return false;
    out->rule = (leat_text){.data = (const char *)reader->at, .size = (size_t)(end - reader->at)};
    return true;
}

/* False: further from UTC than a clock can be. */
static bool
offset_of(const block *self, size_t type, int32_t *offset_s)
{
    *offset_s = (int32_t)leat_load_u32(self->kinds + type * 6);
    return *offset_s >= -LEAT_ZONE_OFFSET_S_MAX && *offset_s <= LEAT_ZONE_OFFSET_S_MAX;
}

/* The times into the table; *last_s is the last of them. */
static leat_err
add_times(const block *self, table *made, int64_t *last_s, char why[LEAT_TZIF_WHY_BYTES])
{
    for (size_t i = 0; i < self->head.time_count; i++) {
        int32_t offset_s;
        const int64_t at_s = (int64_t)leat_load_u64(self->times + i * 8);
        if (i > 0 && at_s <= *last_s)
            return refuse(LEAT_ERR_CORRUPT, why, "is damaged: its times do not rise");
        if (self->types[i] >= self->head.type_count)
            return refuse(LEAT_ERR_CORRUPT, why, "is damaged: a time has no type");
        if (!offset_of(self, self->types[i], &offset_s))
            return refuse(LEAT_ERR_CORRUPT, why, "is damaged: a clock is days away from UTC");
        table_add(made, at_s, offset_s);
        *last_s = at_s;
    }
    return LEAT_ERR_OK;
}

leat_err
leat_tzif_read(const uint8_t *data,
               size_t size,
               int64_t from_s,
               int64_t upto_s,
               leat_zone_change *out,
               uint32_t max,
               uint32_t *count,
               char why[LEAT_TZIF_WHY_BYTES])
{
    leat_reader reader = leat_reader_over(data, size);
    table made = table_over(out, max, from_s, upto_s);
    header old;
    block body;
    rule known = {0};
    int64_t last_s = INT64_MIN;
    why[0] = '\0';
    if (!read_header(&reader, &old))
        return refuse(LEAT_ERR_CORRUPT, why, "is no time zone file");
    if (old.version < '2')
        return refuse(LEAT_ERR_UNSUPPORTED, why, "is of version 1, which ends in 2037");
    if (old_bytes(&old) > leat_reader_left(&reader))
        return refuse(LEAT_ERR_CORRUPT, why, "is damaged: it ends too early");
    (void)leat_read_bytes(&reader, (size_t)old_bytes(&old));
    if (!read_header(&reader, &body.head) || !read_block(&reader, &body))
        return refuse(LEAT_ERR_CORRUPT, why, "is damaged: it ends too early");

    if (body.head.leap_count > 0)
        return refuse(LEAT_ERR_UNSUPPORTED, why, "counts leap seconds");
    if (body.head.type_count == 0 || !offset_of(&body, 0, &out[0].offset_s))
        return refuse(LEAT_ERR_CORRUPT, why, "is damaged: it says no offset");
    if (body.rule.size > 0 && !parse_rule(body.rule, &known))
        return refuse(LEAT_ERR_CORRUPT, why, "is damaged: it ends in no rule");
    if (body.rule.size > 0 && body.head.time_count == 0)
        out[0].offset_s = known.standard_s; /* the rule holds at all times, its summer is added */
    const leat_err err = add_times(&body, &made, &last_s, why);
    if (err != LEAT_ERR_OK)
        return err;
    table_add_rule(&made, &known, last_s);
    return table_end(&made, count, why);
}
