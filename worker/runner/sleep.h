/* leat_sleep: jobs that only wait, on one heap of timers. No thread, no code of theirs runs: a
 * sleeping job is its slot and a heap entry. Belongs to the worker's loop. */
#ifndef LEAT_WORKER_RUNNER_SLEEP_H
#define LEAT_WORKER_RUNNER_SLEEP_H

#include "worker/slot.h"

typedef struct leat_sleep {
    leat_heap heap;
    leat_slots *slots; /* borrowed; knows the handles in the heap */
} leat_sleep;

/* slots: borrowed for sleep's life; must not move. */
void leat_sleep_init(leat_sleep *sleep, leat_slots *slots);
void leat_sleep_fini(leat_sleep *sleep);

/* Let the slot sleep until due_us (monotonic). LEAT_ERR_NOMEM: it does not. */
LEAT_NODISCARD leat_err leat_sleep_add(leat_sleep *sleep, leat_slot *slot, int64_t due_us);

/* Wake a slot that sleeps before its time. */
void leat_sleep_remove(leat_sleep *sleep, leat_slot *slot);

/* Take out the next slot that is due at now_us, or NULL. Equal times come in any fixed order. */
leat_slot *leat_sleep_next_due(leat_sleep *sleep, int64_t now_us);

/* When the next one is due, or INT64_MAX. */
int64_t leat_sleep_due_us(const leat_sleep *sleep);

uint32_t leat_sleep_count(const leat_sleep *sleep);

#endif
