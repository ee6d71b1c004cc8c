/* crash_verify: is everything in a store that a broker had promised, and nothing else?
 *
 *     promises (upto a moment) ──┐
 *     store ── walk, load ───────┴──► found: figures, and a sentence for each violation
 *
 * The store is opened as a broker opens it, walked record by record, and loaded into a core; what
 * the core then has is what counts as alive. */
#ifndef LEAT_TEST_CRASH_VERIFY_H
#define LEAT_TEST_CRASH_VERIFY_H

#include <stdio.h>

#include "tests/crash/promise.h"

typedef struct crash_found {
    uint64_t acknowledged; /* jobs and messages that were accepted */
    uint64_t ends;         /* ends of jobs that were acknowledged, cancels and messages included */
    uint64_t alive;        /* in the core after the load */
    uint64_t ended;        /* found in turn records and history … */
    uint64_t history;      /* … in history only */
    uint64_t lost;         /* not there, or not in the state that was acknowledged */
    uint64_t phantom;      /* there, and nobody has asked for it */
    uint64_t twice;        /* in two states, or for a second time */
    uint64_t attempts;     /* an attempt's number is below one that was given out */
    bool unopened;         /* the store cannot be opened or loaded */
} crash_found;

/* The moment from which the store is. What was promised before it must be there, what was meant
 * before it may be. */
typedef struct crash_moment {
    uint64_t at;  /* the broker had written so much (crash_promise.at) */
    size_t sure;  /* so many promises had been read for certain … */
    size_t meant; /* … and no more than so many intentions written down */
} crash_moment;
#define CRASH_MOMENT_LAST ((crash_moment){UINT64_MAX, SIZE_MAX, SIZE_MAX})

/* witnesses gets a line for each of the first violations; NULL: none. */
void crash_verify(const char *store,
                  const crash_promises *promises,
                  const crash_moment *moment,
                  FILE *witnesses,
                  crash_found *found);

bool crash_found_is_valid(const crash_found *found);
/* As one JSON object without a line's end. */
void crash_found_print(const crash_found *found, FILE *out);

#endif
