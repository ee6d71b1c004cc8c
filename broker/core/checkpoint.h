/* Checkpoints: what a running job has left for its next attempt. See checkpoint.c. */
#ifndef LEAT_CORE_CHECKPOINT_H
#define LEAT_CORE_CHECKPOINT_H

#include "broker/core/machine.h"

/* What a job has left for its next attempt; the bytes are an object in the store, written in the
 * turn that acknowledges them. Its item is marked LEAT_ITEM_TELLS. */
typedef struct leat_checkpoint {
    uint64_t job;
    uint64_t sequence; /* of its frame, in the session that had the attempt */
    uint32_t attempt;
    uint32_t index;
    uint32_t bytes; /* 0: it was taken away */
    bool memory;    /* its object is in the memory store */
} leat_checkpoint;
void leat_checkpoint_on_frame(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
/* Bytes of the item's checkpoint; 0: it has none. */
uint32_t leat_checkpoint_bytes(const leat_core *core, const leat_item *item);
/* The job has ended: it needs none any more. */
void leat_checkpoint_drop(leat_core *core, const leat_item *item);
LEAT_NODISCARD leat_err leat_checkpoint_apply(leat_core *core, uint64_t job, leat_reader *record);
/* All is loaded: mark the items that have one. */
void leat_checkpoint_settle(leat_core *core);
void leat_checkpoint_fini(leat_core *core);
/* The checkpoints of the jobs of a grant, out of the store. */
typedef struct leat_restored {
    leat_buf bytes; /* owned; all of them */
    struct leat_restored_one {
        uint32_t grant; /* index; rising */
        uint32_t size;  /* 0: it cannot be read */
        size_t at;
    } * ones; /* owned */
    uint32_t count;
} leat_restored;
void leat_restored_fetch(leat_core *core, const leat_effect *effect, leat_restored *out);
/* False: there is none. Without bytes: it cannot be read. */
bool leat_restored_find(const leat_restored *restored, uint32_t grant, leat_bytes *out);
void leat_restored_fini(leat_restored *restored);

#endif
