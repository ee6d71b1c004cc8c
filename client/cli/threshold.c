/* Thresholds. See threshold.h. */
#include "client/cli/threshold.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/option.h"

static const char *const names[LEAT_METRICS] = {"ready", "running", "delayed",
                                                "held",  "dead",    "oldest"};

const char *
leat_metric_name(leat_metric metric)
{
    return names[metric];
}

leat_metric
leat_metric_of(const char *name, size_t size)
{
    for (size_t i = 0; i < LEAT_METRICS; i++) {
        if (strlen(names[i]) == size && memcmp(names[i], name, size) == 0)
            return (leat_metric)i;
    }
    return LEAT_METRICS;
}

static const char *
name_at(const void *context, size_t i)
{
    (void)context;
    return names[i];
}

static bool
unknown_name(const char *pair, size_t size, char why[256])
{
    char word[64];
    (void)snprintf(word, sizeof word, "%.*s", (int)(size < 60 ? size : 60), pair);
    const char *const meant = leat_suggest(word, name_at, NULL, LEAT_METRICS);
    if (meant != NULL)
        (void)snprintf(why, 256, "no figure \"%s\", did you mean \"%s\"?", word, meant);
    else
        (void)snprintf(why, 256,
                       "no figure \"%s\"; there are ready, running, delayed, held, dead and oldest",
                       word);
    return false;
}

bool
leat_thresholds_take(leat_thresholds *out, const char *pair, char why[256])
{
    int64_t ms;
    uint64_t number;
    const char *const sign = strchr(pair, '=');
    if (sign == NULL) {
        (void)snprintf(why, 256, "\"%.100s\": write it as ready=1000 or oldest=60s", pair);
        return false;
    }
    const leat_metric metric = leat_metric_of(pair, (size_t)(sign - pair));
    if (metric == LEAT_METRICS)
        return unknown_name(pair, (size_t)(sign - pair), why);
    if (metric == LEAT_METRIC_OLDEST) {
        if (!leat_parse_duration(sign + 1, &ms)) {
            (void)snprintf(why, 256, "\"%.100s\": oldest is a duration, as 60s or 1h30m", pair);
            return false;
        }
        out->limit[metric] = (double)ms / 1000;
    } else {
        if (!leat_parse_number(sign + 1, &number)) {
            (void)snprintf(why, 256, "\"%.100s\": %s is a whole number", pair, names[metric]);
            return false;
        }
        out->limit[metric] = (double)number;
    }
    out->given[metric] = true;
    return true;
}

bool
leat_thresholds_exceeds(const leat_thresholds *limits, leat_metric metric, double figure)
{
    return limits->given[metric] && figure > limits->limit[metric];
}
