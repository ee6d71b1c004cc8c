/* Timers of sleeping jobs: a heap of slot handles by due time. See sleep.h. */
#include "worker/runner/sleep.h"

static void
on_moved(void *owner, uint32_t handle, uint32_t position)
{
    leat_sleep *const sleep = owner;
    leat_slots_at(sleep->slots, handle)->heap_at = position;
}

void
leat_sleep_init(leat_sleep *sleep, leat_slots *slots)
{
    sleep->slots = slots;
    leat_heap_init(&sleep->heap, on_moved, sleep);
}

void
leat_sleep_fini(leat_sleep *sleep)
{
    leat_heap_fini(&sleep->heap);
}

leat_err
leat_sleep_add(leat_sleep *sleep, leat_slot *slot, int64_t due_us)
{
    const leat_err err = leat_heap_reserve(&sleep->heap, (size_t)sleep->heap.count + 1);
    if (err == LEAT_ERR_OK)
        leat_heap_push(&sleep->heap, due_us, slot->handle);
    return err;
}

void
leat_sleep_remove(leat_sleep *sleep, leat_slot *slot)
{
    assert(slot->heap_at != LEAT_HEAP_NOWHERE);
    leat_heap_remove(&sleep->heap, slot->heap_at);
}

leat_slot *
leat_sleep_next_due(leat_sleep *sleep, int64_t now_us)
{
    if (leat_sleep_due_us(sleep) > now_us)
        return NULL;
    return leat_slots_at(sleep->slots, leat_heap_pop(&sleep->heap).handle);
}

int64_t
leat_sleep_due_us(const leat_sleep *sleep)
{
    return leat_heap_is_empty(&sleep->heap) ? INT64_MAX : leat_heap_first(&sleep->heap).key;
}

uint32_t
leat_sleep_count(const leat_sleep *sleep)
{
    return leat_heap_count(&sleep->heap);
}
