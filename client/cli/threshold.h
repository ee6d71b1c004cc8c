/* leat_thresholds: from which figures on a channel is worth a warning, or is critical:
 * "ready=1000,oldest=60s". */
#ifndef LEAT_CLI_THRESHOLD_H
#define LEAT_CLI_THRESHOLD_H

#include <stdbool.h>
#include <stddef.h>

typedef enum leat_metric {
    LEAT_METRIC_READY = 0,
    LEAT_METRIC_RUNNING,
    LEAT_METRIC_DELAYED,
    LEAT_METRIC_HELD,
    LEAT_METRIC_DEAD,
    LEAT_METRIC_OLDEST, /* seconds that the oldest ready item has waited */
    LEAT_METRICS
} leat_metric;

typedef struct leat_thresholds {
    bool given[LEAT_METRICS];
    double limit[LEAT_METRICS]; /* more than that is too much */
} leat_thresholds;

/* The metric's name: "ready", …; of the one with this name, or LEAT_METRICS. */
const char *leat_metric_name(leat_metric metric);
leat_metric leat_metric_of(const char *name, size_t size);

/* Read one pair, "oldest=60s", into out. false: why has a sentence. */
bool leat_thresholds_take(leat_thresholds *out, const char *pair, char why[256]);

bool leat_thresholds_exceeds(const leat_thresholds *limits, leat_metric metric, double figure);

#endif
