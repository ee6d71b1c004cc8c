/* Marks: commands on many items. A mark says that the items of a batch, or of a channel, with ids
 * up to one are to be ended; it is stored and answered at once, and the items are ended in slices
 * of at most LEAT_TURN_ENDS_MAX a turn. What is marked is never handed out in between. */
#include "broker/core/mark.h"

#include <stdlib.h>

#include "broker/core/batch.h"
#include "broker/core/channel.h"
#include "broker/core/link.h"
#include "broker/core/recall.h"
#include "broker/core/stop.h"
#include "broker/core/terms.h"

#define VISITS_MAX 50000U /* items that are only looked at, a turn */

struct leat_mark {
    leat_list_node node;
    uint64_t batch;   /* id; 0: a channel's */
    uint64_t channel; /* id of its object */
    uint64_t upto;    /* of a channel: ids */
    uint32_t range;   /* of the batch, and in it */
    uint32_t offset;
    uint64_t *leaves; /* owned; of a channel: numbers of the leaves to be visited */
    uint32_t leaf_count;
    uint32_t at; /* item slot, counted over all leaves */
};

static leat_mark *
add(leat_core *core)
{
    leat_mark *const mark = calloc(1, sizeof *mark);
    if (mark == NULL)
        leat_core_fault(core, LEAT_ERR_NOMEM);
    else
        leat_list_append(&core->marked, &mark->node);
    return mark;
}

static void
drop(leat_mark *mark)
{
    leat_list_remove(&mark->node);
    free(mark->leaves);
    free(mark);
}

void
leat_mark_fini(leat_core *core)
{
    while (!leat_list_is_empty(&core->marked))
        drop(LEAT_CONTAINER_OF(leat_list_first(&core->marked), leat_mark, node));
}

/* The one job of the batch is dead, and another one is to bring its completion. */
static void
cancel_recovery(leat_core *core, const leat_batch *batch)
{
    for (uint32_t i = 0; i < batch->range_count; i++) {
        const uint32_t index = leat_items_find(&core->items, batch->ranges[i].id);
        if (index != LEAT_NOBODY && leat_items_at(&core->items, index)->batch == batch->index) {
            (void)leat_stop_cancel(core, index);
            return;
        }
    }
}

void
leat_mark_batch(leat_core *core, leat_batch *batch, bool running)
{
    if (leat_counters_ended(&batch->counters) == batch->counters.total && batch->sealed)
        return;
    if (batch->cancel_upto == 0)
        batch->cancel_upto = core->next_id - 1; /* nothing is added to it from now on */
    batch->cancel_running = batch->cancel_running || running;
    if (!batch->alone) {
        batch->dirty = true;
        leat_batch_touch(core, batch);
    }
    if (batch->alone) {
        const uint32_t index = leat_items_find(&core->items, batch->id);
        if (index == LEAT_NOBODY)
            cancel_recovery(core, batch);
        else if (!leat_link_leave(core, index, batch))
            (void)leat_stop_cancel(core, index);
        return;
    }
    if (!running && batch->running > 0)
        leat_recall_all(core); /* what waits in a worker's line has not started either */
    leat_mark *const mark = add(core);
    if (mark != NULL)
        mark->batch = batch->id;
}

void
leat_mark_channel(leat_core *core, leat_channel *channel, uint64_t upto)
{
    channel->purged_upto = upto;
    leat_channel_changed(core, channel);
    leat_mark *const mark = add(core);
    if (mark == NULL)
        return;
    mark->channel = channel->id;
    mark->upto = upto;
    const uint32_t count = core->items.leaf_count;
    mark->leaves = malloc((count == 0 ? 1 : count) * sizeof *mark->leaves);
    if (mark->leaves == NULL)
        leat_core_fault(core, LEAT_ERR_NOMEM);
    else
        mark->leaf_count = leat_items_leaves(&core->items, mark->leaves, count);
}

bool
leat_mark_has(const leat_core *core, const leat_item *item)
{
    if (leat_list_is_empty(&core->marked))
        return false;
    const leat_batch *const batch =
        item->batch == LEAT_NOBODY ? NULL : leat_table_at(&core->batches, item->batch);
    if (batch != NULL && item->id <= batch->cancel_upto && !leat_link_is_shared(core, item))
        return true;
    return item->id <= leat_class_of(core, item)->channel->purged_upto;
}

/* ------------------------------------------------------------------------------ slices */

static void
end_one(leat_core *core, uint32_t index, leat_batch *batch, bool running)
{
    const leat_item *const item = leat_items_at(&core->items, index);
    if (leat_state_is_held_by_worker((leat_state)item->state) && !running)
        return;
    core->ends_left--;
    if (batch != NULL && leat_link_leave(core, index, batch))
        return; /* others want it */
    (void)leat_stop_cancel(core, index);
}

/* True: the mark is done. */
static bool
step_batch(leat_core *core, leat_mark *mark, uint32_t *visits)
{
    leat_batch *const batch = leat_table_get(&core->batches, mark->batch);
    if (batch == NULL)
        return true;
    for (; mark->range < batch->range_count; mark->range++, mark->offset = 0) {
        const struct leat_range range = batch->ranges[mark->range];
        for (; mark->offset < range.n; mark->offset++) {
            if (*visits == 0 || core->ends_left == 0)
                return false;
            --*visits;
            const uint64_t id = range.id + mark->offset;
            const uint32_t index =
                id > batch->cancel_upto ? LEAT_NOBODY : leat_items_find(&core->items, id);
            if (index != LEAT_NOBODY && leat_items_at(&core->items, index)->batch == batch->index)
                end_one(core, index, batch, batch->cancel_running);
        }
    }
    /* What it has of others. */
    for (uint32_t i = leat_table_next(&core->links, 0); i != 0 && batch->joins > 0;
         i = leat_table_next(&core->links, i)) {
        const leat_link *const link = leat_table_at(&core->links, i);
        const uint32_t index = leat_items_find(&core->items, link->id);
        if (index != LEAT_NOBODY)
            (void)leat_link_leave(core, index, batch);
    }
    return true;
}

static bool
step_channel(leat_core *core, leat_mark *mark, uint32_t *visits)
{
    leat_channel *channel = NULL;
    for (uint32_t i = leat_table_next(&core->channels, 0); i != 0 && channel == NULL;
         i = leat_table_next(&core->channels, i)) {
        leat_channel *const one = leat_table_at(&core->channels, i);
        channel = one->id == mark->channel ? one : NULL;
    }
    for (; channel != NULL && mark->at < mark->leaf_count * 512U; mark->at++) {
        const leat_leaf *const leaf = leat_items_leaf(&core->items, mark->leaves[mark->at / 512]);
        if (*visits == 0 || core->ends_left == 0)
            return false;
        --*visits;
        if (leaf == NULL) {
            mark->at |= 511U;
            continue;
        }
        const uint32_t index = leaf->items[mark->at % 512];
        if (index == LEAT_NOBODY)
            continue;
        const leat_item *const item = leat_items_at(&core->items, index);
        if (item->id <= mark->upto && leat_class_of(core, item)->channel == channel)
            end_one(core, index, NULL, false);
    }
    if (channel == NULL)
        return true;
    if (channel->purged_upto == mark->upto) /* else there is a later one */
        channel->purged_upto = 0;
    if (channel->removed && channel->ready + channel->delayed + channel->held == 0)
        channel->kind = LEAT_KIND_NONE;
    leat_channel_changed(core, channel);
    return true;
}

void
leat_mark_step(leat_core *core)
{
    uint32_t visits = VISITS_MAX;
    LEAT_LIST_FOREACH_SAFE (node, after, &core->marked) {
        leat_mark *const mark = LEAT_CONTAINER_OF(node, leat_mark, node);
        if (!(mark->batch != 0 ? step_batch(core, mark, &visits)
                               : step_channel(core, mark, &visits)))
            return;
        drop(mark);
    }
}
