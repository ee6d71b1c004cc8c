/* Holds: jobs that wait until a batch has ended.
 *
 * What waits hangs in lists of the batch, one for each condition. When a condition is met, or can
 * no longer be, its list is let go in slices. A job may wait for a batch to which jobs are still
 * added, as long as the edges do not close a circle. */
#include "broker/core/hold.h"

#include <stdlib.h>

#include "broker/core/batch.h"
#include "broker/core/lease.h"
#include "broker/core/share.h"
#include "broker/core/terms.h"

enum verdict {
    OPEN,
    MET,
    UNMET,
};

static enum verdict
verdict_of(const leat_batch *batch, leat_after after)
{
    const leat_counters *const c = &batch->counters;
    const bool over = (batch->sealed || LEAT_FAULT(HELD_EARLY)) && leat_batch_is_over(batch);
    const bool failed = leat_counters_ended(c) > c->done;
    switch (after) {
    case LEAT_AFTER_NOTHING:
        return MET;
    case LEAT_AFTER_OK:
        return failed ? UNMET : over ? MET : OPEN;
    case LEAT_AFTER_ANY:
        return over ? MET : OPEN;
    case LEAT_AFTER_FAILED:
        return failed ? MET : over ? UNMET : OPEN;
    }
    return OPEN;
}

/* The batch that a batch of one job waits for, which has no list of them; 0: none. */
static uint64_t
after_of_lone(leat_core *core, const leat_batch *batch)
{
    const uint32_t index = batch->alone ? leat_items_find(&core->items, batch->id) : LEAT_NOBODY;
    const leat_item *const item = index == LEAT_NOBODY ? NULL : leat_items_at(&core->items, index);
    return item == NULL || item->state != LEAT_STATE_HELD ? 0
                                                          : leat_terms_of(core, item)->after_batch;
}

/* Put a batch at the end of the walk, unless it is in it. */
static leat_batch *
walk_to(leat_core *core, uint64_t walk, leat_batch *last, uint64_t id)
{
    leat_batch *const next = id == 0 ? NULL : leat_table_get(&core->batches, id);
    if (next == NULL || next->finished || next->walk == walk)
        return last;
    next->walk = walk;
    next->walk_next = NULL;
    last->walk_next = next;
    return next;
}

/* Does `from` wait, by whatever way, for `id`? Each batch is looked at once. */
static bool
leads_to(leat_core *core, leat_batch *from, uint64_t id)
{
    const uint64_t walk = ++core->stamp;
    leat_batch *last = from;
    from->walk = walk;
    from->walk_next = NULL;
    for (const leat_batch *at = from; at != NULL; at = at->walk_next) {
        if (at->id == id)
            return true;
        last = walk_to(core, walk, last, after_of_lone(core, at));
        for (uint32_t i = 0; i < at->after_count; i++)
            last = walk_to(core, walk, last, at->afters[i]);
    }
    return false;
}

leat_err
leat_hold_check(leat_core *core,
                const leat_batch *batch,
                const leat_settings *settings,
                const char **why)
{
    if (settings->after == LEAT_AFTER_NOTHING)
        return LEAT_ERR_OK;
    leat_batch *const target = leat_batch_find(core, settings->after_batch);
    *why = "there is no batch with the number of \"after\"";
    if (target == NULL)
        return LEAT_ERR_NOT_FOUND;
    *why = "\"after\" would make the batch wait for itself";
    if (batch == NULL)
        return LEAT_ERR_OK;
    if (leads_to(core, target, batch->id))
        return LEAT_ERR_BAD_STATE;
    for (uint32_t i = 0; i < batch->after_count; i++) {
        if (batch->afters[i] == target->id)
            return LEAT_ERR_OK;
    }
    *why = "the jobs of one batch wait for too many others";
    return batch->after_count < LEAT_AFTERS_MAX ? LEAT_ERR_OK : LEAT_ERR_LIMIT;
}

static void
note_edge(leat_core *core, leat_batch *batch, uint64_t target)
{
    for (uint32_t i = 0; i < batch->after_count; i++) {
        if (batch->afters[i] == target)
            return;
    }
    uint64_t *const afters = realloc(batch->afters, (batch->after_count + 1) * sizeof *afters);
    if (afters == NULL) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    batch->afters = afters;
    afters[batch->after_count++] = target;
}

leat_err
leat_hold_join(leat_core *core, const leat_item *item, leat_batch *batch)
{
    leat_batch *const target = item->state != LEAT_STATE_HELD
                                   ? NULL
                                   : leat_batch_find(core, leat_terms_of(core, item)->after_batch);
    if (target == NULL)
        return LEAT_ERR_OK;
    if (leads_to(core, target, batch->id))
        return LEAT_ERR_BAD_STATE;
    if (batch->after_count >= LEAT_AFTERS_MAX)
        return LEAT_ERR_LIMIT;
    note_edge(core, batch, target->id);
    return LEAT_ERR_OK;
}

static void
count(leat_core *core, const leat_item *item, bool more)
{
    leat_batch *const batch =
        item->batch == LEAT_NOBODY ? NULL : leat_table_at(&core->batches, item->batch);
    leat_channel *const channel = leat_class_of(core, item)->channel;
    const uint64_t one = more ? 1 : UINT64_MAX;
    channel->held += one;
    if (batch != NULL)
        batch->held += one;
}

void
leat_hold_add(leat_core *core, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    const leat_terms *const terms = leat_terms_of(core, item);
    leat_batch *const target = leat_batch_find(core, terms->after_batch);
    assert(item->state == LEAT_STATE_HELD);
    item->holder = target == NULL ? 0 : target->index;
    item->next = item->prev = LEAT_NOBODY;
    count(core, item, true);
    if (target == NULL) { /* after a restart: it is out of retention, or was in memory */
        leat_hold_decide(core, index, false);
        return;
    }
    if (item->batch != LEAT_NOBODY)
        note_edge(core, leat_table_at(&core->batches, item->batch), target->id);
    struct leat_waiting *const list = &target->waiting[terms->after];
    item->prev = list->tail;
    if (list->tail == LEAT_NOBODY)
        list->head = index;
    else
        leat_items_at(&core->items, list->tail)->next = index;
    list->tail = index;
    target->waiters++;
    leat_hold_look(core, target);
}

void
leat_hold_remove(leat_core *core, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    count(core, item, false);
    if (item->holder == 0)
        return;
    leat_batch *const target = leat_table_at(&core->batches, item->holder);
    struct leat_waiting *const list = &target->waiting[leat_terms_of(core, item)->after];
    if (item->prev == LEAT_NOBODY)
        list->head = item->next;
    else
        leat_items_at(&core->items, item->prev)->next = item->next;
    if (item->next == LEAT_NOBODY)
        list->tail = item->prev;
    else
        leat_items_at(&core->items, item->next)->prev = item->prev;
    item->next = item->prev = LEAT_NOBODY;
    item->holder = 0;
    target->waiters--;
}

void
leat_hold_decide(leat_core *core, uint32_t index, bool met)
{
    leat_item *const item = leat_items_at(&core->items, index);
    leat_hold_remove(core, index);
    leat_item_must(item, met ? LEAT_EVENT_MET : LEAT_EVENT_UNMET);
    if (!met) {
        leat_lease_end(core, index, LEAT_OUTCOME_SKIPPED, NULL, 0, (leat_bytes){0});
        return;
    }
    item->since_s = (uint32_t)(core->now.wall_ms / 1000);
    leat_line_return(core, index);
    leat_lease_write_item(core, item);
}

void
leat_hold_look(leat_core *core, leat_batch *batch)
{
    if (batch->waiters > 0 && !leat_list_is_linked(&batch->deciding))
        leat_list_append(&core->deciding, &batch->deciding);
}

/* True: everything that could be decided is. */
static bool
step(leat_core *core, leat_batch *batch)
{
    for (leat_after after = LEAT_AFTER_OK; after <= LEAT_AFTER_FAILED; after++) {
        const enum verdict verdict = verdict_of(batch, after);
        while (verdict != OPEN && batch->waiting[after].head != LEAT_NOBODY) {
            if (core->ends_left == 0)
                return false;
            core->ends_left--;
            leat_hold_decide(core, batch->waiting[after].head, verdict == MET);
        }
    }
    return true;
}

void
leat_hold_step(leat_core *core)
{
    LEAT_LIST_FOREACH_SAFE (node, after, &core->deciding) {
        leat_batch *const batch = LEAT_CONTAINER_OF(node, leat_batch, deciding);
        if (!step(core, batch))
            return;
        leat_list_remove(&batch->deciding);
    }
}
