/* When a schedule fires. See cron.h. */
#include "broker/core/cron.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "proto/base/bytes.h"

#define MINUTE_S    60
#define DAY_MINUTES 1440
#define EVERY_HOUR  0xffffffU
#define WORDS_MAX   6U /* one more than there are fields, so that a sixth is seen */
#define SHOWN_BYTES 24U

/* ------------------------------------------------------------------------------------ sentences */

__attribute__((format(printf, 2, 3))) static leat_err
refuse(char why[LEAT_CRON_WHY_BYTES], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    /* clang-tidy 14 forgets what va_start is in the second of two builds of a file (sim_faults). */
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    (void)vsnprintf(why, LEAT_CRON_WHY_BYTES, format, arguments);
    va_end(arguments);
    return LEAT_ERR_CONFIG;
}

/* A piece of the expression as it may stand in a sentence, which goes to logs and terminals: short,
 * and printable. */
typedef struct shown {
    char text[SHOWN_BYTES];
} shown;

static shown
show(leat_text text)
{
    shown out = {{0}};
    const size_t size = text.size < sizeof out.text ? text.size : sizeof out.text - 1;
    for (size_t i = 0; i < size; i++)
        out.text[i] = (char)(text.data[i] >= ' ' && text.data[i] <= '~' ? text.data[i] : '?');
    if (text.size > size)
        memcpy(out.text + size - 3, "...", 3);
    return out;
}

/* ----------------------------------------------------------------------------------------- text */

static char
lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* Whether text is the word, which is in small letters. */
static bool
is_word(leat_text text, const char *word, size_t word_size)
{
    if (text.size != word_size)
        return false;
    for (size_t i = 0; i < word_size; i++) {
        if (lower(text.data[i]) != word[i])
            return false;
    }
    return true;
}

/* What stands before the first `c` (all of it if there is none); *rest is what follows, with NULL
 * for its data if there is no `c`. */
static leat_text
cut(leat_text text, char c, leat_text *rest)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == c) {
            *rest = (leat_text){.data = text.data + i + 1, .size = text.size - i - 1};
            return (leat_text){.data = text.data, .size = i};
        }
    }
    *rest = (leat_text){.data = NULL, .size = 0};
    return text;
}

/* The words between blanks, at most WORDS_MAX of them. */
static size_t
split(leat_text text, leat_text words[WORDS_MAX])
{
    size_t count = 0;
    size_t i = 0;
    while (count < WORDS_MAX) {
        while (i < text.size && (text.data[i] == ' ' || text.data[i] == '\t'))
            i++;
        if (i == text.size)
            break;
        const size_t start = i;
        while (i < text.size && text.data[i] != ' ' && text.data[i] != '\t')
            i++;
        words[count++] = (leat_text){.data = text.data + start, .size = i - start};
    }
    return count;
}

/* The digits at the front as a number that stops growing where no limit of ours is any more;
 * *digits is how many there are. */
static int64_t
number_of(leat_text text, size_t *digits)
{
    int64_t number = 0;
    size_t i = 0;
    for (; i < text.size && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
        if (number <= LEAT_CRON_EVERY_S_MAX)
            number = number * 10 + (text.data[i] - '0');
    }
    *digits = i;
    return number;
}

/* --------------------------------------------------------------------------------------- fields */

#define NAME_BYTES ((size_t)3)

static const struct field {
    const char *name;
    unsigned min;
    unsigned max;      /* that may be written */
    unsigned last;     /* of `*`: 7 is Sunday once more */
    const char *words; /* of NAME_BYTES letters each, the first one is min; "": none */
} fields[] = {
    {"minute",       0, 59, 59, ""                                    },
    {"hour",         0, 23, 23, ""                                    },
    {"day of month", 1, 31, 31, ""                                    },
    {"month",        1, 12, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
    {"day of week",  0, 7,  6,  "sunmontuewedthufrisat"               },
};
enum {
    MINUTE,
    HOUR,
    DAY,
    MONTH,
    WEEKDAY,
    FIELDS
};

/* One field as it is read. */
typedef struct set {
    uint64_t mask;
    bool has_star;
} set;

/* A number from min to field's max. `what` stands before it in the sentence: "", "the step ". */
static leat_err
read_number(const struct field *field,
            leat_text text,
            const char *what,
            unsigned min,
            unsigned *value,
            char why[LEAT_CRON_WHY_BYTES])
{
    size_t digits;
    const int64_t number = number_of(text, &digits);
    if (text.size == 0)
        return refuse(why, "%s: a value is missing", field->name);
    if (digits != text.size)
        return refuse(why, "%s: %s\"%s\" is no number%s", field->name, what, show(text).text,
                      field->words[0] == '\0' ? "" : " and no name");
    if (number > (int64_t)field->max)
        return refuse(why, "%s: %s%s is over %u", field->name, what, show(text).text, field->max);
    if (number < (int64_t)min)
        return refuse(why, "%s: %s%s is under %u", field->name, what, show(text).text, min);
    *value = (unsigned)number;
    return LEAT_ERR_OK;
}

/* A number or a name; *is_name says which. */
static leat_err
read_value(const struct field *field,
           leat_text text,
           unsigned *value,
           bool *is_name,
           char why[LEAT_CRON_WHY_BYTES])
{
    *is_name = true;
    for (size_t i = 0; field->words[i * NAME_BYTES] != '\0'; i++) {
        if (is_word(text, field->words + i * NAME_BYTES, NAME_BYTES)) {
            *value = field->min + (unsigned)i;
            return LEAT_ERR_OK;
        }
    }
    *is_name = false;
    return read_number(field, text, "", field->min, value, why);
}

/* What stands before the step: `*`, a value, a range. */
static leat_err
read_range(const struct field *field,
           leat_text text,
           unsigned *low,
           unsigned *high,
           char why[LEAT_CRON_WHY_BYTES])
{
    leat_text upper;
    bool is_name;
    const leat_text lower_text = cut(text, '-', &upper);
    leat_err err = read_value(field, lower_text, low, &is_name, why);
    *high = *low;
    if (err != LEAT_ERR_OK || upper.data == NULL)
        return err;

    err = read_value(field, upper, high, &is_name, why);
    if (err != LEAT_ERR_OK)
        return err;
    if (is_name && *high == 0 && *low > 0)
        *high = 7; /* FRI-SUN: whoever writes a name does not think of its number */
    if (*high < *low)
        return refuse(why, "%s: %s runs backwards", field->name, show(text).text);
    return LEAT_ERR_OK;
}

/* What stands between two commas. */
static leat_err
read_item(const struct field *field, leat_text text, set *out, char why[LEAT_CRON_WHY_BYTES])
{
    leat_text step_text;
    unsigned low = field->min;
    unsigned high = field->last;
    unsigned step = 1;
    const leat_text range = cut(text, '/', &step_text);
    if (is_word(range, "*", 1)) {
        out->has_star = true;
    } else {
        const leat_err err = read_range(field, range, &low, &high, why);
        if (err != LEAT_ERR_OK)
            return err;
    }
    if (step_text.data != NULL) {
        const leat_err err = read_number(field, step_text, "the step ", 1, &step, why);
        if (err != LEAT_ERR_OK)
            return err;
        /* Some read 5/15 as 5-59/15, others as 5: refused, so that nobody has to know. */
        if (memchr(range.data, '-', range.size) == NULL && !is_word(range, "*", 1))
            return refuse(why, "%s: %s has a step but no range (%u-%u/%u)", field->name,
                          show(text).text, low, field->last, step);
    }
    for (unsigned value = low; value <= high; value += step)
        out->mask |= UINT64_C(1) << value;
    return LEAT_ERR_OK;
}

static leat_err
read_field(const struct field *field, leat_text text, set *out, char why[LEAT_CRON_WHY_BYTES])
{
    leat_text rest;
    *out = (set){0};
    do {
        const leat_err err = read_item(field, cut(text, ',', &rest), out, why);
        if (err != LEAT_ERR_OK)
            return err;
        text = rest;
    } while (text.data != NULL);
    return LEAT_ERR_OK;
}

/* ------------------------------------------------------------------------------------- calendar */

static bool
is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* month: 1-12. */
static unsigned
month_length(int year, unsigned month)
{
    static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return lengths[month - 1] + (month == 2 && is_leap(year) ? 1U : 0U);
}

/* Days from the first of 1970 to the first of `year`. */
static int64_t
year_start(int year)
{
    const int before = year - 1; /* the last whole year */
    const int leaps = before / 4 - before / 100 + before / 400;
    return (int64_t)(year - 1970) * 365 + leaps - 477; /* 477 of them before 1970 */
}

/* A month somewhere in time. */
typedef struct month {
    int64_t start; /* its first day, in days since 1970 */
    int year;
    unsigned number; /* 1-12 */
} month;

/* The month that a day (since 1970, not much before) lies in. */
static month
month_of(int64_t day)
{
    /* A year has 146097 / 400 days. From 1969, and one less: the guess may only be too early. */
    month at = {.year = (int)(1968 + (day + 365) * 400 / 146097), .number = 1};
    while (year_start(at.year + 1) <= day)
        at.year++;
    at.start = year_start(at.year);
    while (at.start + month_length(at.year, at.number) <= day) {
        at.start += month_length(at.year, at.number);
        at.number++;
    }
    return at;
}

static void
month_advance(month *at)
{
    at->start += month_length(at->year, at->number);
    at->year += at->number == 12;
    at->number = at->number % 12 + 1;
}

/* Bits 1 … of the days of a month on which the schedule fires. */
static uint64_t
days_of(const leat_cron *cron, const month *at)
{
    if ((cron->months >> at->number & 1U) == 0)
        return 0;
    /* The first of 1970 was a Thursday; 371 days are weeks, and more than there are before it. */
    const unsigned weekday = (unsigned)((at->start + 371 + 4) % 7);
    /* The week turned so that its first bit is the month's first day, and put down five times. */
    const uint64_t once = cron->weekdays;
    const uint64_t week = (once >> weekday | once << (7 - weekday)) & 0x7fU;
    const uint64_t weekdays = week * UINT64_C(0x10204081) << 1;
    const uint64_t either = cron->is_either_day ? cron->days | weekdays : cron->days & weekdays;
    return either & ((UINT64_C(2) << month_length(at->year, at->number)) - 2);
}

/* ---------------------------------------------------------------------------------------- parse */

/* Whether there is such a day in a long enough time. In a day of every month or a weekday there is;
 * and a day of a month has every weekday once in a while. */
static bool
has_day(const leat_cron *cron)
{
    if (cron->is_either_day)
        return true;
    for (unsigned number = 1; number <= 12; number++) {
        if ((cron->months >> number & 1U) != 0 &&
            (cron->days & ((UINT64_C(2) << month_length(2000, number)) - 2)) != 0)
            return true;
    }
    return false;
}

static leat_err
parse_fields(leat_text text, leat_cron *cron, char why[LEAT_CRON_WHY_BYTES])
{
    static const char *const counts[] = {"none", "1", "2", "3", "4", "5", "more"};
    leat_text words[WORDS_MAX];
    set sets[FIELDS];
    const size_t count = split(text, words);
    if (count != FIELDS)
        return refuse(why,
                      "five fields are needed (minute, hour, day of month, month, day of week), "
                      "there are %s",
                      counts[count]);
    for (size_t i = 0; i < FIELDS; i++) {
        const leat_err err = read_field(&fields[i], words[i], &sets[i], why);
        if (err != LEAT_ERR_OK)
            return err;
    }
    const uint64_t weekdays = sets[WEEKDAY].mask;
    const leat_cron made = {
        .minutes = sets[MINUTE].mask,
        .hours = (uint32_t)sets[HOUR].mask,
        .days = (uint32_t)sets[DAY].mask,
        .months = (uint16_t)sets[MONTH].mask,
        .weekdays = (uint8_t)((weekdays | weekdays >> 7) & 0x7fU),
        .is_either_day = !sets[DAY].has_star && !sets[WEEKDAY].has_star,
    };
    if (!has_day(&made))
        return refuse(why, "day of month: %s never comes in month %s", show(words[DAY]).text,
                      show(words[MONTH]).text);
    *cron = made;
    return LEAT_ERR_OK;
}

/* "1h30m" in seconds; -1: it is none. Far too long ones are just too long. */
static int64_t
duration_s(leat_text text)
{
    static const struct {
        char letter;
        int64_t unit_s;
    } units[] = {
        {'d', 86400},
        {'h', 3600 },
        {'m', 60   },
        {'s', 1    },
    };
    int64_t total_s = 0;
    size_t next = 0; /* units before this one have had their turn */
    while (text.size > 0) {
        size_t digits;
        const int64_t number = number_of(text, &digits);
        if (digits == 0 || digits == text.size)
            return -1;
        const char letter = text.data[digits];
        while (next < sizeof units / sizeof *units && units[next].letter != letter)
            next++;
        if (next == sizeof units / sizeof *units)
            return -1;
        total_s += number * units[next++].unit_s;
        text.data += digits + 1;
        text.size -= digits + 1;
    }
    return total_s;
}

static leat_err
parse_every(leat_text text, int64_t start_s, leat_cron *cron, char why[LEAT_CRON_WHY_BYTES])
{
    leat_text words[WORDS_MAX];
    if (split(text, words) != 2)
        return refuse(why, "@every: one duration is needed, as in \"@every 1h30m\"");
    const int64_t every_s = duration_s(words[1]);
    if (every_s < 0)
        return refuse(why, "@every: \"%s\" is no duration like 90s, 1h30m or 7d",
                      show(words[1]).text);
    if (every_s < 1)
        return refuse(why, "@every: %s is under 1 s", show(words[1]).text);
    if (every_s > LEAT_CRON_EVERY_S_MAX)
        return refuse(why, "@every: %s is over 366 days", show(words[1]).text);
    if (start_s < 0 || start_s > LEAT_CRON_S_MAX)
        return refuse(why, "@every: the start is not in the years 1970 to 9999");
    *cron = (leat_cron){.every_s = (int32_t)every_s, .start_s = start_s};
    return LEAT_ERR_OK;
}

leat_err
leat_cron_parse(
    const char *text, size_t size, int64_t start_s, leat_cron *cron, char why[LEAT_CRON_WHY_BYTES])
{
    static const struct {
        const char *word;
        const char *fields;
    } words_known[] = {
        {"@hourly",   "0 * * * *"},
        {"@daily",    "0 0 * * *"},
        {"@midnight", "0 0 * * *"},
        {"@weekly",   "0 0 * * 0"},
        {"@monthly",  "0 0 1 * *"},
        {"@yearly",   "0 0 1 1 *"},
        {"@annually", "0 0 1 1 *"},
    };
    leat_text words[WORDS_MAX];
    const leat_text all = {.data = text, .size = size};
    why[0] = '\0';
    if (size > LEAT_CRON_TEXT_BYTES_MAX)
        return refuse(why, "longer than %u bytes", LEAT_CRON_TEXT_BYTES_MAX);

    const size_t count = split(all, words);
    if (count == 0 || words[0].data[0] != '@')
        return parse_fields(all, cron, why);
    if (is_word(words[0], "@every", strlen("@every")))
        return parse_every(all, start_s, cron, why);
    for (size_t i = 0; count == 1 && i < sizeof words_known / sizeof *words_known; i++) {
        if (is_word(words[0], words_known[i].word, strlen(words_known[i].word)))
            return parse_fields(leat_text_of(words_known[i].fields), cron, why);
    }
    return refuse(why, "%s%s is none of @hourly @daily @midnight @weekly @monthly @yearly @every",
                  show(words[0]).text, count == 1 ? "" : " with a field after it");
}

/* ----------------------------------------------------------------------------------------- next */

/* The lowest bit of mask that is not below `from` (at most 63), or -1. */
static int
first_from(uint64_t mask, unsigned from)
{
    const uint64_t rest = mask >> from;
    return rest == 0 ? -1 : (int)from + __builtin_ctzll(rest);
}

/* The first minute of the day, from `from` (0-1439) on, that is in both masks; -1: none is left. */
static int
minute_from(const leat_cron *cron, unsigned from)
{
    const unsigned hour = from / 60;
    if ((cron->hours >> hour & 1U) != 0) {
        const int minute = first_from(cron->minutes, from % 60);
        if (minute >= 0)
            return (int)hour * 60 + minute;
    }
    const int later = first_from(cron->hours, hour + 1);
    return later < 0 ? -1 : later * 60 + first_from(cron->minutes, 0);
}

/* The first second of local time, from from_s on, that the fields name. False: not up to the year
 * 10000. What was parsed comes within 40 years (the longest is a 29th of February on one weekday,
 * over a year 2100 that has none), and a month is one step. */
static bool
find_local(const leat_cron *cron, int64_t from_s, int64_t *local_s)
{
    /* Up to the next whole minute, counted from a day early enough that nothing is below zero. */
    const int64_t early = 3 * (int64_t)DAY_MINUTES;
    const int64_t from_minute = (from_s + early * MINUTE_S + MINUTE_S - 1) / MINUTE_S;
    const int64_t first = from_minute / DAY_MINUTES - 3;
    month at = month_of(first);
    unsigned day = (unsigned)(first - at.start) + 1; /* of the month */
    assert(day >= 1 && day <= 31);
    if ((days_of(cron, &at) >> day & 1U) != 0) {
        const int minute = minute_from(cron, (unsigned)(from_minute % DAY_MINUTES));
        if (minute >= 0) {
            *local_s = (first * DAY_MINUTES + minute) * MINUTE_S;
            return true;
        }
    }
    for (day++; at.year <= 10000; day = 1, month_advance(&at)) {
        const int found = first_from(days_of(cron, &at), day);
        if (found > 0) {
            *local_s = ((at.start + found - 1) * DAY_MINUTES + minute_from(cron, 0)) * MINUTE_S;
            return true;
        }
    }
    return false;
}

static bool
next_every(const leat_cron *cron, int64_t after_s, int64_t *at_s)
{
    *at_s = cron->start_s;
    if (after_s >= cron->start_s)
        *at_s += ((after_s - cron->start_s) / cron->every_s + 1) * cron->every_s;
    return true;
}

/* One offset after the other. `passed_s` is the local time up to which the clock has come before,
 * this second not included: a time below it has fired, and a time between it and the local time at
 * which the next offset begins lies in a gap. */
static bool
next_in_zone(const leat_cron *cron, const leat_zone *zone, int64_t after_s, int64_t *at_s)
{
    int64_t passed_s = INT64_MIN;
    for (uint32_t i = 0; i < zone->count; i++) {
        const bool is_last = i + 1 == zone->count;
        const int64_t offset_s = zone->changes[i].offset_s;
        const int64_t begin_s = i == 0 ? -LEAT_CRON_S_MAX - 1 : zone->changes[i].from_s;
        const int64_t end_s = is_last ? LEAT_CRON_S_MAX + 1 : zone->changes[i + 1].from_s;
        assert(offset_s >= -LEAT_ZONE_OFFSET_S_MAX && offset_s <= LEAT_ZONE_OFFSET_S_MAX);
        assert(begin_s < end_s && end_s <= LEAT_CRON_S_MAX + 1);
        if (end_s > after_s + 1) {
            int64_t low_s = after_s + 1 + offset_s;
            int64_t local_s;
            if (after_s < begin_s)
                low_s = cron->hours == EVERY_HOUR ? begin_s + offset_s : passed_s;
            else if (low_s < passed_s && cron->hours != EVERY_HOUR)
                low_s = passed_s;
            if (!find_local(cron, low_s, &local_s))
                return false;
            *at_s = local_s - offset_s < begin_s ? begin_s : local_s - offset_s;
            if (*at_s < end_s)
                return true;
        }
        if (passed_s < end_s + offset_s)
            passed_s = end_s + offset_s;
    }
    return false;
}

bool
leat_cron_next(const leat_cron *cron, const leat_zone *zone, int64_t after_s, int64_t *next_s)
{
    int64_t at_s;
    if (after_s >= LEAT_CRON_S_MAX)
        return false;
    if (after_s < -1)
        after_s = -1;
    if (!(cron->every_s > 0 ? next_every(cron, after_s, &at_s)
                            : next_in_zone(cron, zone, after_s, &at_s)))
        return false;
    if (at_s > LEAT_CRON_S_MAX)
        return false;
    *next_s = at_s;
    return true;
}
