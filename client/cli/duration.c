/* Durations for people, in the three forms that the screens use. */
#include "client/cli/duration.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

/* Beyond this many seconds (some 31 million years) nothing is meant any more. */
#define SECONDS_MAX 1e15

typedef struct parts {
    uint64_t days;
    unsigned hours;
    unsigned minutes;
    unsigned seconds;
} parts;

static parts
split(double seconds)
{
    const uint64_t whole = (uint64_t)(seconds > SECONDS_MAX ? SECONDS_MAX : seconds);
    return (parts){.days = whole / 86400,
                   .hours = (unsigned)(whole / 3600 % 24),
                   .minutes = (unsigned)(whole / 60 % 60),
                   .seconds = (unsigned)(whole % 60)};
}

const char *
leat_duration_short(double seconds, char out[LEAT_DURATION_BYTES])
{
    if (!(seconds >= 0)) {
        (void)snprintf(out, LEAT_DURATION_BYTES, "-");
        return out;
    }
    const parts p = split(seconds);
    if (p.days > 0)
        (void)snprintf(out, LEAT_DURATION_BYTES, "%" PRIu64 "d%uh", p.days, p.hours);
    else if (p.hours > 0)
        (void)snprintf(out, LEAT_DURATION_BYTES, "%uh%um", p.hours, p.minutes);
    else if (p.minutes > 0)
        (void)snprintf(out, LEAT_DURATION_BYTES, "%um%us", p.minutes, p.seconds);
    else if (seconds >= 9.95) /* 9.96 would be rounded to "10.0s" */
        (void)snprintf(out, LEAT_DURATION_BYTES, "%us", seconds < 10 ? 10 : p.seconds);
    else
        (void)snprintf(out, LEAT_DURATION_BYTES, "%.1fs", seconds);
    return out;
}

const char *
leat_duration_clock(double seconds, char out[LEAT_DURATION_BYTES])
{
    if (!(seconds >= 0)) {
        (void)snprintf(out, LEAT_DURATION_BYTES, "-");
        return out;
    }
    const parts p = split(seconds);
    const uint64_t hours = p.days * 24 + p.hours;
    if (hours > 0)
        (void)snprintf(out, LEAT_DURATION_BYTES, "%" PRIu64 ":%02u:%02u", hours, p.minutes,
                       p.seconds);
    else
        (void)snprintf(out, LEAT_DURATION_BYTES, "%u:%02u", p.minutes, p.seconds);
    return out;
}

const char *
leat_duration_spoken(double seconds, char out[LEAT_DURATION_BYTES])
{
    if (!(seconds >= 0))
        seconds = 0;
    const parts p = split(seconds);
    if (seconds < 0.995)
        (void)snprintf(out, LEAT_DURATION_BYTES, "%.2f s", seconds);
    else if (seconds < 99.95)
        (void)snprintf(out, LEAT_DURATION_BYTES, "%.1f s", seconds);
    else if (seconds < 600)
        (void)snprintf(out, LEAT_DURATION_BYTES, "%.0f s", seconds);
    else if (p.days == 0 && p.hours == 0)
        (void)snprintf(out, LEAT_DURATION_BYTES, "%u min %u s", p.minutes, p.seconds);
    else
        (void)snprintf(out, LEAT_DURATION_BYTES, "%" PRIu64 " h %u min", p.days * 24 + p.hours,
                       p.minutes);
    return out;
}
