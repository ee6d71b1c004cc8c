/* leat_amounts: what this worker has to give (--have gpu=4), and what its jobs hold of it.
 *
 *     "gpu=2,mem=1000" ── give ──► leat_given { gpu: 0, 3 · mem: 1000 } ── take_back ──►
 *
 * What there is at most LEAT_AMOUNT_NUMBERS_MAX of has numbers from 0, and a job is told which ones
 * are its own, the lowest free ones; of what there is more of (bytes of memory) only the sum is
 * kept. The broker has the same sums and hands out no job that does not fit; here they decide which
 * job waits while one that nobody wants any more has not let go of its share.
 *
 * The loop gives and takes back. What was given does not change until then, so a handler may read
 * it on any thread. */
#ifndef LEAT_WORKER_AMOUNT_H
#define LEAT_WORKER_AMOUNT_H

#include "proto/base/list.h"
#include "proto/control.h"

/* More than that of one thing are not told apart. */
#define LEAT_AMOUNT_NUMBERS_MAX 1024U

/* So much of one thing, for one job. */
typedef struct leat_given_amount {
    const char *name; /* valid for the worker's life */
    uint64_t amount;
    const uint16_t *numbers; /* `amount` of them, rising; NULL: they have none */
} leat_given_amount;

/* What one job was given, by rising names. */
typedef struct leat_given {
    leat_list_node node; /* of leat_amounts */
    uint32_t count;
    leat_given_amount amounts[LEAT_NEEDS_MAX];
    uint16_t numbers[];
} leat_given;

typedef struct leat_amount {
    char name[33];
    uint64_t total;
    uint64_t left;
    uint64_t taken[LEAT_AMOUNT_NUMBERS_MAX / 64]; /* a bit a number, where there are numbers */
} leat_amount;

typedef struct leat_amounts {
    leat_amount rows[LEAT_HAVES_MAX];
    uint32_t count;
    leat_list given; /* owns what has not been taken back */
} leat_amounts;

/* amounts must not move afterwards. count is at most LEAT_HAVES_MAX. */
void leat_amounts_init(leat_amounts *amounts, const leat_hello_have *haves, size_t count);

/* Frees what has not been taken back, too: no handler runs any more. */
void leat_amounts_fini(leat_amounts *amounts);

/* Give a job what it needs, all or nothing. needs is valid (leat_needs_is_valid) or empty; *given
 * is NULL where it is empty.
 *
 * LEAT_ERR_FULL       others hold it: wait until something has been taken back.
 * LEAT_ERR_NOT_FOUND  the worker never has so much of it.
 * LEAT_ERR_NOMEM.     Nothing has changed. */
LEAT_NODISCARD leat_err leat_amounts_give(leat_amounts *amounts,
                                          leat_text needs,
                                          leat_given **given);

/* The job has ended. *given_p may be NULL, and is NULL afterwards. */
void leat_amounts_take_back(leat_amounts *amounts, leat_given **given_p);

/* What was given of `name`, or NULL; given may be NULL. */
const leat_given_amount *leat_given_of(const leat_given *given, const char *name);

#endif
