/* Links: what hangs on a job beside its own batch. See machine.h. */
#include "broker/core/link.h"

#include <stdlib.h>

#include "broker/core/batch.h"
#include "broker/core/lease.h"
#include "broker/core/room.h"

leat_link *
leat_link_of(const leat_core *core, const leat_item *item)
{
    return (item->flags & LEAT_ITEM_JOINED) == 0 ? NULL : leat_table_get(&core->links, item->id);
}

leat_link *
leat_link_ensure(leat_core *core, leat_item *item)
{
    leat_link *link = leat_link_of(core, item);
    if (link != NULL)
        return link;
    link = calloc(1, sizeof *link);
    if (link == NULL || leat_table_add(&core->links, item->id, link, &link->index) != LEAT_ERR_OK) {
        free(link);
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return NULL;
    }
    link->id = item->id;
    item->flags |= LEAT_ITEM_JOINED;
    return link;
}

void
leat_link_free(leat_core *core, leat_link *link)
{
    leat_table_remove(&core->links, link->id);
    free(link->joins);
    free(link);
}

static void
drop_join(leat_core *core, leat_join join)
{
    leat_batch *const batch = leat_table_at(&core->batches, join.batch);
    batch->joins--;
    if (batch->durability == LEAT_DISK)
        leat_room_leave(core, 1);
}

void
leat_link_drop(leat_core *core, leat_item *item)
{
    leat_link *const link = leat_link_of(core, item);
    if (link == NULL)
        return;
    for (uint32_t i = 0; i < link->count; i++)
        drop_join(core, link->joins[i]);
    item->flags &= (uint8_t)~LEAT_ITEM_JOINED;
    leat_link_free(core, link);
}

void
leat_link_write(leat_core *core, const leat_item *item)
{
    const leat_link *const link = leat_link_of(core, item);
    if (link == NULL || leat_item_durability(core, item) != LEAT_DISK || LEAT_FAULT(JOIN_FORGOT))
        return;
    const leat_batch *const first =
        item->batch == LEAT_NOBODY ? NULL : leat_table_at(&core->batches, item->batch);
    leat_buf joins = {0};
    for (uint32_t i = 0; i < link->count; i++) {
        const leat_batch *const batch = leat_table_at(&core->batches, link->joins[i].batch);
        leat_put_u64(&joins, batch->id);
        leat_put_u32(&joins, link->joins[i].place);
    }
    if (joins.failed)
        leat_core_fault(core, LEAT_ERR_NOMEM);
    leat_turn_put_joins(&core->books[LEAT_DISK].turn, item->id, first == NULL ? 0 : first->id,
                        item->place, link->count, joins.data, joins.size);
    leat_buf_fini(&joins);
}

leat_err
leat_link_add(leat_core *core, leat_link *link, leat_batch *batch, uint32_t place)
{
    leat_join *const joins = realloc(link->joins, (link->count + 1) * sizeof *joins);
    if (joins == NULL)
        return LEAT_ERR_NOMEM;
    link->joins = joins;
    joins[link->count++] = (leat_join){.batch = batch->index, .place = place};
    batch->joins++;
    if (batch->durability == LEAT_DISK)
        leat_room_join(core, 1);
    return LEAT_ERR_OK;
}

leat_err
leat_link_join(leat_core *core, leat_item *item, leat_batch *batch, uint32_t place)
{
    leat_link *const link = leat_link_ensure(core, item);
    if (link == NULL)
        return LEAT_ERR_NOMEM;
    const leat_err err = leat_link_add(core, link, batch, place);
    if (err == LEAT_ERR_OK)
        leat_link_write(core, item);
    return err;
}

void
leat_link_move(leat_core *core, leat_item *from, leat_item *to)
{
    leat_link *const link = leat_link_of(core, from);
    leat_link *const other = link == NULL ? NULL : leat_link_ensure(core, to);
    if (other == NULL)
        return;
    assert(other->count == 0);
    other->joins = link->joins;
    other->count = link->count;
    link->joins = NULL;
    link->count = 0;
    leat_link_write(core, to);
    leat_link_drop(core, from);
}

/* Count the item among the live ones of its batch, or no longer. */
static void
count(leat_core *core, const leat_item *item, bool more)
{
    leat_batch *const batch =
        item->batch == LEAT_NOBODY ? NULL : leat_table_at(&core->batches, item->batch);
    const uint64_t one = more ? 1 : UINT64_MAX;
    if (batch == NULL)
        return;
    if (leat_state_is_held_by_worker((leat_state)item->state))
        batch->running += one;
    else if (item->state == LEAT_STATE_DELAYED)
        batch->delayed += one;
    else if (item->state == LEAT_STATE_HELD)
        batch->held += one;
}

uint32_t
leat_link_job(leat_core *core, const leat_batch *batch, uint32_t place)
{
    for (uint32_t i = leat_table_next(&core->links, 0); i != 0 && batch->joins > 0;
         i = leat_table_next(&core->links, i)) {
        const leat_link *const link = leat_table_at(&core->links, i);
        for (uint32_t k = 0; k < link->count; k++) {
            if (link->joins[k].batch == batch->index && link->joins[k].place == place)
                return leat_items_find(&core->items, link->id);
        }
    }
    return LEAT_NOBODY;
}

bool
leat_link_leave(leat_core *core, uint32_t index, leat_batch *batch)
{
    leat_item *const item = leat_items_at(&core->items, index);
    leat_link *const link = leat_link_of(core, item);
    if (link == NULL || link->count == 0)
        return false;
    uint32_t place = item->place;
    uint32_t at = 0;
    if (item->batch != batch->index) {
        while (at < link->count && link->joins[at].batch != batch->index)
            at++;
        if (at == link->count)
            return false;
        place = link->joins[at].place;
    }
    leat_batch_complete(core, item, batch->index, place, LEAT_OUTCOME_CANCELLED, NULL, 0,
                        (leat_bytes){0});
    const leat_join left = link->joins[at];
    link->joins[at] = link->joins[--link->count];
    drop_join(core, left);
    if (item->batch == batch->index) { /* another one takes the first place */
        count(core, item, false);
        item->batch = left.batch;
        item->place = left.place;
        count(core, item, true);
        leat_batch_add_range(core, leat_table_at(&core->batches, left.batch), item->id, left.place,
                             1);
    }
    leat_link_write(core, item);
    return true;
}
