/* leat_flight: the jobs that `leat run` has sent and not yet shown, by their place in the batch,
 * with what has to be known of them then. It holds no more than the window of run lets in. */
#ifndef LEAT_CLI_FLIGHT_H
#define LEAT_CLI_FLIGHT_H

#include <stdbool.h>
#include <stdio.h>

#include <leat.h>

#include "proto/base/bytes.h"

typedef struct leat_flying {
    struct leat_flying *next; /* in the same bucket */
    uint32_t place;           /* in the batch, from 1 */
    uint32_t slot;            /* what {%} is, from 1 */
    uint64_t number;          /* among the inputs, from 1 */
    leat_text arguments;
    leat_text command; /* as one would type it; "" where nobody wants it */

    bool has_ended; /* and is held back until those before it are shown */
    leat_completed done;
    void *result;  /* owned; NULL: in the file */
    long spilt_at; /* … here */
    char *worker;  /* owned */
} leat_flying;

typedef struct leat_flight {
    leat_flying **buckets; /* owned */
    size_t bucket_count;
    size_t count;
    size_t text_bytes;  /* of all texts */
    size_t held_bytes;  /* of results in memory */
    FILE *spill;        /* owned: results for which there is no room in memory */
    size_t spilt_count; /* … that are in it */
} leat_flight;

/* A new job; texts are copied. NULL without memory. */
leat_flying *
leat_flight_add(leat_flight *flight, uint32_t place, leat_text arguments, leat_text command);

/* NULL: there is none. */
leat_flying *leat_flight_find(const leat_flight *flight, uint32_t place);

/* Keep how a job ended; what does not fit into memory goes to a file without a name. false: neither
 * memory nor disk has room. */
bool leat_flight_hold(leat_flight *flight, leat_flying *job, const leat_completed *done);

/* The completion of a job that is held, valid until it is removed. false: it could not be read
 * again. */
bool leat_flight_held(leat_flight *flight, leat_flying *job, leat_completed *out);

/* *job_p is freed, and NULL afterwards. */
void leat_flight_remove(leat_flight *flight, leat_flying **job_p);

void leat_flight_fini(leat_flight *flight);

#endif
