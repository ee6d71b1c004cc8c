/* Reading wall times. See when.h. */
#include "proto/base/when.h"

#include <time.h>

#include "proto/base/option.h"

#define DAY_S 86400

/* Two digits at *text, at most max; *text moves behind them. */
static bool
take_two(const char **text, int max, int *out)
{
    const char *const p = *text;
    if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
        return false;
    *out = (p[0] - '0') * 10 + (p[1] - '0');
    *text = p + 2;
    return *out <= max;
}

static bool
take_sign(const char **text, char sign)
{
    if (**text != sign)
        return false;
    ++*text;
    return true;
}

/* HH:MM[:SS] of the local clock: the next one after now_ms, or the last one up to it. */
static bool
parse_clock(const char *p, int64_t now_ms, bool is_next, int64_t *at_ms)
{
    int hour;
    int minute;
    int second = 0;
    struct tm parts;
    const time_t now = (time_t)(now_ms / 1000);
    if (!take_two(&p, 23, &hour) || !take_sign(&p, ':') || !take_two(&p, 59, &minute) ||
        (*p != '\0' && (!take_sign(&p, ':') || !take_two(&p, 59, &second) || *p != '\0')) ||
        localtime_r(&now, &parts) == NULL)
        return false;
    /* Tomorrow is a day later on the calendar, which is not always 24 hours. */
    for (int day = 0; day <= 1; day++) {
        struct tm then = {.tm_year = parts.tm_year,
                          .tm_mon = parts.tm_mon,
                          .tm_mday = parts.tm_mday + (is_next ? day : -day),
                          .tm_hour = hour,
                          .tm_min = minute,
                          .tm_sec = second,
                          .tm_isdst = -1};
        const time_t at = mktime(&then);
        if (at == (time_t)-1)
            return false;
        *at_ms = (int64_t)at * 1000;
        if (is_next ? *at_ms > now_ms : *at_ms <= now_ms)
            return true;
    }
    return false;
}

/* Days since 1970 of a date in the calendar that is used today, for years from 1970. */
static int64_t
days_of(int year, int month, int day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    const int past = year - 1;
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    const int64_t years = (int64_t)past * 365 + past / 4 - past / 100 + past / 400;
    return years - 719162 + before[month - 1] + (leap && month > 2) + day - 1;
}

static int
month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (leap && month == 2);
}

static bool
take_date(const char **p, int *year, int *month, int *day)
{
    int century;
    if (!take_two(p, 99, &century) || !take_two(p, 99, year) || !take_sign(p, '-') ||
        !take_two(p, 12, month) || !take_sign(p, '-') || !take_two(p, 31, day))
        return false;
    *year += century * 100;
    return *year >= 1970 && *month >= 1 && *day >= 1 && *day <= month_days(*year, *month);
}

/* "Z", "+02:00": seconds to the east of UTC. */
static bool
take_offset(const char **p, int *seconds)
{
    int hours;
    int minutes;
    const int sign = **p == '-' ? -1 : 1;
    *seconds = 0;
    if (take_sign(p, 'Z') || take_sign(p, 'z'))
        return true;
    if ((!take_sign(p, '+') && !take_sign(p, '-')) || !take_two(p, 23, &hours) ||
        !take_sign(p, ':') || !take_two(p, 59, &minutes))
        return false;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

/* What stands behind the seconds: ".25". More than ms is not kept. */
static bool
take_fraction(const char **p, int *ms)
{
    int scale = 100;
    *ms = 0;
    if (!take_sign(p, '.'))
        return true;
    if (**p < '0' || **p > '9')
        return false;
    for (; **p >= '0' && **p <= '9'; ++*p) {
        *ms += (**p - '0') * scale;
        scale /= 10;
    }
    return true;
}

static bool
parse_stamp(const char *p, int64_t *at_ms)
{
    int year;
    int month;
    int day;
    int hour;
    int minute;
    int second;
    int ms;
    int offset_s;
    if (!take_date(&p, &year, &month, &day) ||
        (!take_sign(&p, 'T') && !take_sign(&p, 't') && !take_sign(&p, ' ')) ||
        !take_two(&p, 23, &hour) || !take_sign(&p, ':') || !take_two(&p, 59, &minute) ||
        !take_sign(&p, ':') || !take_two(&p, 60, &second) || !take_fraction(&p, &ms) ||
        !take_offset(&p, &offset_s) || *p != '\0')
        return false;
    const int64_t seconds =
        days_of(year, month, day) * DAY_S + (hour * 3600L + minute * 60L + second - offset_s);
    *at_ms = seconds * 1000 + ms;
    return *at_ms > 0;
}

bool
leat_when_parse(const char *text, int64_t now_ms, int64_t *at_ms)
{
    return parse_clock(text, now_ms, true, at_ms) || parse_stamp(text, at_ms);
}

bool
leat_when_since(const char *text, int64_t now_ms, int64_t *since_ms)
{
    int64_t ago_ms;
    if (leat_parse_duration(text, &ago_ms)) {
        *since_ms = ago_ms < now_ms ? now_ms - ago_ms : 0;
        return true;
    }
    return parse_clock(text, now_ms, false, since_ms) || parse_stamp(text, since_ms);
}
