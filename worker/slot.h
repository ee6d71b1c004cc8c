/* leat_slots: the jobs that have been started and have not ended, one record each.
 *
 * A slot holds what is needed to end its job: the token, who runs it, since when. Records lie in
 * chunks that never move and are used again, so a pointer is good until leat_slots_leave and a
 * handle (32 bits) until the same moment; nothing is allocated a job once a chunk is there. A table
 * from token to record answers STOP in O(1). Inline jobs begin and end in one go and take no slot;
 * how many slots may be taken at once is the worker's to keep (run.c). */
#ifndef LEAT_WORKER_SLOT_H
#define LEAT_WORKER_SLOT_H

#include "proto/base/heap.h"
#include "worker/handler.h"

typedef struct leat_task leat_task;
typedef struct leat_run leat_run;

typedef struct leat_slot {
    leat_token token;
    int64_t started_us;          /* monotonic */
    uint64_t value;              /* timer: what run() left for finish() */
    const leat_handler *handler; /* borrowed; NULL: the record is free */
    union {
        leat_task *task; /* pool: owned by the pool; NULL for a timer */
        leat_run *run;   /* child: owned by the commands */
    };
    leat_given *given; /* timer: to be taken back at the end; NULL: nothing */
    uint32_t heap_at;  /* timer: position in the heap of runner/sleep */
    uint32_t handle;   /* of this record; its own index, for ever */
    uint32_t next_free;
} leat_slot;

static_assert(sizeof(leat_slot) <= 80, "a million sleeping jobs are a million of these");

#define LEAT_SLOT_NOWHERE UINT32_MAX

typedef struct leat_slots {
    leat_slot **chunks; /* owned */
    uint32_t chunk_count;
    uint32_t free;    /* handle of the first free record; NOWHERE: none */
    uint32_t count;   /* taken */
    uint32_t *table;  /* owned; open addressing, NOWHERE = empty */
    size_t table_cap; /* power of two, or 0 */
} leat_slots;

void leat_slots_init(leat_slots *slots);
void leat_slots_fini(leat_slots *slots);

/* A record for a job that starts now; token, handler and started_us are set, the rest is zero.
 * LEAT_ERR_NOMEM: nothing has changed. */
LEAT_NODISCARD leat_err leat_slots_enter(leat_slots *slots,
                                         const leat_token *token,
                                         const leat_handler *handler,
                                         int64_t started_us,
                                         leat_slot **out);

/* The job has ended: its record is free. *slot_p is NULL afterwards. */
void leat_slots_leave(leat_slots *slots, leat_slot **slot_p);

/* The record of this very attempt, or NULL. */
leat_slot *leat_slots_find(leat_slots *slots, const leat_token *token);

leat_slot *leat_slots_at(leat_slots *slots, uint32_t handle);

/* The taken record with the smallest handle that is not below *next, and *next behind it; NULL at
 * the end. Begin with *next = 0; the record that was returned may leave meanwhile. */
leat_slot *leat_slots_each(leat_slots *slots, uint32_t *next);

#endif
