/* Tallies: how the last attempts of a worker ended, by class, and which worker stands out. See
 * tally.c. */
#ifndef LEAT_CORE_TALLY_H
#define LEAT_CORE_TALLY_H

#include "broker/core/machine.h"

#define LEAT_TALLY_MINUTES 10
#define LEAT_TALLIES       8U /* classes of one worker */
/* How the attempts of one class ended at one worker, by minute. */
typedef struct leat_tally {
    uint32_t class;  /* index; 0: none */
    uint32_t slot;   /* of minute */
    int64_t minute;  /* monotonic; the last one that was counted in … */
    int64_t over_ms; /* … and when it is over */
    uint32_t ended[LEAT_TALLY_MINUTES];
    uint32_t failed[LEAT_TALLY_MINUTES]; /* of these */
} leat_tally;
/* The worker's tally of this class, at the present minute; NULL: no memory. */
leat_tally *leat_tally_now(leat_core *core, leat_peer *peer, const leat_class *class);
/* An attempt of this class has ended so. */
static inline void
leat_tally_count(leat_core *core, leat_peer *peer, const leat_class *class, bool failed)
{
    leat_tally *tally = peer->tallies;
    if (tally == NULL || tally->class != class->index || core->now.mono_ms >= tally->over_ms)
        tally = leat_tally_now(core, peer, class);
    if (tally == NULL)
        return; /* it is but for people */
    tally->ended[tally->slot]++;
    tally->failed[tally->slot] += failed;
}
/* "outliers": workers that fail in this channel what others do well, with the numbers. */
void leat_tally_add_outliers(const leat_core *core, const leat_channel *channel, cJSON *json);
/* "lately": what this worker ended, beside what the others did. */
void leat_tally_add_worker(const leat_core *core, const leat_peer *peer, cJSON *json);

#endif
