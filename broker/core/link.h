/* Links: what hangs on a job beside its own batch. See link.c. */
#ifndef LEAT_CORE_LINK_H
#define LEAT_CORE_LINK_H

#include "broker/core/machine.h"

/* What hangs on a job beside its batch: batches that get its completion as well, or the dead job
 * that it recovers. Items that have one are marked LEAT_ITEM_JOINED. */
typedef struct leat_join {
    uint32_t batch; /* index */
    uint32_t place;
} leat_join;
typedef struct leat_link {
    uint64_t id;
    uint32_t index;
    uint64_t recovers; /* job; 0: none */
    uint32_t count;
    leat_join *joins; /* owned */
} leat_link;
leat_link *leat_link_of(const leat_core *core, const leat_item *item);
leat_link *leat_link_ensure(leat_core *core, leat_item *item);
/* Do other batches than its own want it too? */
static inline bool
leat_link_is_shared(const leat_core *core, const leat_item *item)
{
    if ((item->flags & LEAT_ITEM_JOINED) == 0)
        return false;
    const leat_link *const link = leat_link_of(core, item);
    return link != NULL && link->count > 0;
}
/* Batch gets the item's completion as well, at this place. Written with this turn. */
LEAT_NODISCARD leat_err leat_link_join(leat_core *core,
                                       leat_item *item,
                                       leat_batch *batch,
                                       uint32_t place);
/* The same without writing it: while loading. */
LEAT_NODISCARD leat_err leat_link_add(leat_core *core,
                                      leat_link *link,
                                      leat_batch *batch,
                                      uint32_t place);
/* Who waits for one waits for the other: nobody does yet. */
void leat_link_move(leat_core *core, leat_item *from, leat_item *to);
/* The job of others that has this place in the batch, or LEAT_NOBODY: its index. */
uint32_t leat_link_job(leat_core *core, const leat_batch *batch, uint32_t place);
/* The batch gives up its claim on the item: false if nobody else has one. */
bool leat_link_leave(leat_core *core, uint32_t index, leat_batch *batch);
void leat_link_write(leat_core *core, const leat_item *item);
void leat_link_drop(leat_core *core, leat_item *item);
void leat_link_free(leat_core *core, leat_link *link);

#endif
