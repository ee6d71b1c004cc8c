/* Tallies: how the last attempts of a worker ended, by class, and which worker stands out.
 *
 * A host on which something is broken fails quickly and so is given most. What it is that fails is
 * seen only beside the others: a worker stands out when it fails at least half of what it runs, and
 * the others, of the same class in the same ten minutes, at most a quarter as much. What to do
 * about it is a person's business (worker.drain).
 *
 * Of each worker and class there is a ring of minutes; of so many classes as a worker ran last. */
#include "broker/core/tally.h"

#include <stdio.h>
#include <stdlib.h>

#define MINUTE_MS    60000
#define FAILED_LEAST 5U  /* fewer are no pattern */
#define OTHERS_LEAST 10U /* … nor is what so few tell of the others */
#define ROWS_MAX     8U  /* of one answer */

/* ------------------------------------------------------------------------------ counting */

static int64_t
minute_of(const leat_core *core)
{
    return core->now.mono_ms / MINUTE_MS;
}

/* Whatever a monotonic clock begins with. */
static unsigned
slot_of(int64_t minute)
{
    const int64_t at = minute % LEAT_TALLY_MINUTES;
    return (unsigned)(at < 0 ? at + LEAT_TALLY_MINUTES : at);
}

static void
begin(leat_tally *tally, int64_t minute)
{
    tally->minute = minute;
    tally->slot = slot_of(minute);
    tally->over_ms = (minute + 1) * MINUTE_MS;
}

/* The one of this class comes first: it is asked for next, most of the time. */
static leat_tally *
tally_of(leat_core *core, leat_peer *peer, const leat_class *class)
{
    leat_tally *const rows =
        peer->tallies == NULL ? calloc(LEAT_TALLIES, sizeof *rows) : peer->tallies;
    uint32_t at = 0;
    peer->tallies = rows;
    if (rows == NULL)
        return NULL;
    while (at < LEAT_TALLIES && rows[at].class != class->index && rows[at].class != 0)
        at++;
    if (at == LEAT_TALLIES) { /* the one that was asked for longest ago makes place */
        at = LEAT_TALLIES - 1;
        rows[at].class = 0;
    }
    leat_tally found = rows[at];
    if (found.class == 0) {
        found = (leat_tally){.class = class->index};
        begin(&found, minute_of(core));
    }
    memmove(&rows[1], &rows[0], at * sizeof *rows);
    rows[0] = found;
    return &rows[0];
}

/* Minutes that have gone are empty. A clock that goes back does not bring them again. */
static void
turn_on(leat_tally *tally, int64_t minute)
{
    if (minute <= tally->minute)
        return;
    int64_t gone = minute - tally->minute;
    if (gone > LEAT_TALLY_MINUTES)
        gone = LEAT_TALLY_MINUTES;
    for (; gone > 0; gone--) {
        const unsigned at = slot_of(minute - gone + 1);
        tally->ended[at] = tally->failed[at] = 0;
    }
    begin(tally, minute);
}

leat_tally *
leat_tally_now(leat_core *core, leat_peer *peer, const leat_class *class)
{
    leat_tally *const tally = tally_of(core, peer, class);
    if (tally != NULL)
        turn_on(tally, minute_of(core));
    return tally;
}

/* ------------------------------------------------------------------------------ adding up */

struct sum {
    uint64_t ended, failed;
};

static struct sum
sum_of(const leat_core *core, const leat_tally *tally)
{
    struct sum sum = {0};
    leat_tally now = *tally;
    turn_on(&now, minute_of(core));
    for (unsigned i = 0; i < LEAT_TALLY_MINUTES; i++) {
        sum.ended += now.ended[i];
        sum.failed += now.failed[i];
    }
    return sum;
}

/* Of all workers, by index of the class; NULL: no memory. */
static struct sum *
sum_all(const leat_core *core)
{
    /* Index 0 is nobody's. */
    struct sum *const all = calloc((size_t)core->classes.used + 1, sizeof *all);
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0 && all != NULL;
         i = leat_table_next(&core->peers, i)) {
        const leat_peer *const peer = leat_table_at(&core->peers, i);
        for (uint32_t t = 0; t < LEAT_TALLIES && peer->tallies != NULL; t++) {
            const leat_tally *const tally = &peer->tallies[t];
            if (tally->class == 0)
                continue;
            const struct sum sum = sum_of(core, tally);
            assert(tally->class < core->classes.used);
            all[tally->class].ended += sum.ended;
            all[tally->class].failed += sum.failed;
        }
    }
    return all;
}

static bool
stands_out(const struct sum *own, const struct sum *others)
{
    return own->failed >= FAILED_LEAST && own->failed * 2 >= own->ended &&
           others->ended >= OTHERS_LEAST &&
           others->failed * own->ended * 4 <= own->failed * others->ended;
}

/* A row of one worker and class. */
static void
add_row(cJSON *list,
        const leat_core *core,
        const leat_peer *peer,
        const leat_tally *tally,
        const struct sum *all,
        bool only_bad)
{
    const leat_class *const class = leat_table_at(&core->classes, tally->class);
    const struct sum own = sum_of(core, tally);
    const struct sum others = {all[tally->class].ended - own.ended,
                               all[tally->class].failed - own.failed};
    const bool bad = stands_out(&own, &others);
    if (own.ended == 0 || (only_bad && !bad) || cJSON_GetArraySize(list) >= (int)ROWS_MAX)
        return;
    cJSON *const row = cJSON_CreateObject();
    (void)cJSON_AddItemToArray(list, row);
    (void)cJSON_AddStringToObject(row, "worker", peer->name);
    (void)cJSON_AddStringToObject(row, "host", peer->host);
    (void)cJSON_AddStringToObject(row, "channel", class->channel->name);
    (void)cJSON_AddStringToObject(row, "handler", class->handler);
    (void)cJSON_AddNumberToObject(row, "minutes", LEAT_TALLY_MINUTES);
    (void)cJSON_AddNumberToObject(row, "ended", (double)own.ended);
    (void)cJSON_AddNumberToObject(row, "failed", (double)own.failed);
    (void)cJSON_AddNumberToObject(row, "others_ended", (double)others.ended);
    (void)cJSON_AddNumberToObject(row, "others_failed", (double)others.failed);
    (void)cJSON_AddBoolToObject(row, "stands_out", bad);
    (void)cJSON_AddBoolToObject(row, "drained", peer->aside);
}

void
leat_tally_add_outliers(const leat_core *core, const leat_channel *channel, cJSON *json)
{
    cJSON *const list = cJSON_AddArrayToObject(json, "outliers");
    struct sum *const all = sum_all(core);
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0 && all != NULL;
         i = leat_table_next(&core->peers, i)) {
        const leat_peer *const peer = leat_table_at(&core->peers, i);
        for (uint32_t t = 0; t < LEAT_TALLIES && peer->tallies != NULL; t++) {
            const leat_tally *const tally = &peer->tallies[t];
            const leat_class *const class =
                tally->class == 0 ? NULL : leat_table_at(&core->classes, tally->class);
            if (class != NULL && class->channel == channel)
                add_row(list, core, peer, tally, all, true);
        }
    }
    free(all);
}

void
leat_tally_add_worker(const leat_core *core, const leat_peer *peer, cJSON *json)
{
    cJSON *const list = cJSON_AddArrayToObject(json, "lately");
    struct sum *const all = sum_all(core);
    for (uint32_t t = 0; t < LEAT_TALLIES && peer->tallies != NULL && all != NULL; t++) {
        if (peer->tallies[t].class != 0)
            add_row(list, core, peer, &peer->tallies[t], all, false);
    }
    free(all);
}
