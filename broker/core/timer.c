/* Timers: what has to be looked at at a time, by monotonic and by wall clock. A timer that no
 * longer concerns anybody is not taken back; whoever is called looks for himself. */
#include "broker/core/timer.h"

#include <stdlib.h>

#include "broker/core/schedule.h"
#include "broker/core/steer.h"
#include "broker/core/stop.h"
#include "broker/core/terms.h"
#include "broker/core/unique.h"

struct entry {
    leat_timer_kind kind;
    uint64_t id;
    uint32_t n;    /* attempt, or how many ids */
    uint32_t next; /* free list */
};

struct leat_timers {
    leat_heap mono;
    leat_heap wall;
    struct entry *entries; /* owned; [0] is nobody */
    uint32_t used, capacity, free;
};

leat_err
leat_timers_init(leat_core *core)
{
    core->timers = calloc(1, sizeof *core->timers);
    if (core->timers == NULL)
        return LEAT_ERR_NOMEM;
    core->timers->used = 1;
    leat_heap_init(&core->timers->mono, NULL, NULL);
    leat_heap_init(&core->timers->wall, NULL, NULL);
    return LEAT_ERR_OK;
}

void
leat_timers_fini(leat_core *core)
{
    if (core->timers == NULL)
        return;
    leat_heap_fini(&core->timers->mono);
    leat_heap_fini(&core->timers->wall);
    free(core->timers->entries);
    free(core->timers);
    core->timers = NULL;
}

static bool
is_mono(leat_timer_kind kind)
{
    return kind == LEAT_TIMER_LIMIT || kind == LEAT_TIMER_FORCE;
}

static uint32_t
take_entry(struct leat_timers *timers)
{
    if (timers->free != 0) {
        const uint32_t at = timers->free;
        timers->free = timers->entries[at].next;
        return at;
    }
    if (timers->used >= timers->capacity) {
        const uint32_t capacity = timers->capacity == 0 ? 64 : timers->capacity * 2;
        struct entry *const entries = realloc(timers->entries, capacity * sizeof *entries);
        if (entries == NULL)
            return 0;
        timers->entries = entries;
        timers->capacity = capacity;
    }
    return timers->used++;
}

void
leat_timer_set(leat_core *core, leat_timer_kind kind, int64_t at_ms, uint64_t id, uint32_t n)
{
    struct leat_timers *const timers = core->timers;
    leat_heap *const heap = is_mono(kind) ? &timers->mono : &timers->wall;
    const uint32_t at = take_entry(timers);
    if (at == 0 || leat_heap_reserve(heap, heap->count + 1U) != LEAT_ERR_OK) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    timers->entries[at] = (struct entry){.kind = kind, .id = id, .n = n};
    leat_heap_push(heap, at_ms, at);
}

/* Items of one SEND, as far as they still wait. What runs goes on; what comes back is looked at
 * when it would be handed out again. */
static void
expire(leat_core *core, struct entry e)
{
    for (uint32_t i = 0; i < e.n; i++) {
        const uint32_t index = leat_items_find(&core->items, e.id + i);
        if (index == LEAT_NOBODY)
            continue;
        if (core->ends_left == 0) { /* the rest with the next turn */
            leat_timer_set(core, LEAT_TIMER_EXPIRE, core->now.wall_ms, e.id + i, e.n - i);
            return;
        }
        if (LEAT_FAULT(EXPIRED_STARTED))
            continue;
        const leat_item *const item = leat_items_at(&core->items, index);
        const uint64_t at = leat_terms_of(core, item)->expires_wall_ms;
        if (at == 0 || core->now.wall_ms < (int64_t)at ||
            leat_state_is_held_by_worker((leat_state)item->state))
            continue;
        core->ends_left--;
        leat_stop_expire(core, index);
    }
}

static void
call(leat_core *core, struct entry e)
{
    switch (e.kind) {
    case LEAT_TIMER_LIMIT:
    case LEAT_TIMER_FORCE:
        leat_stop_on_timer(core, e.id, e.n, e.kind == LEAT_TIMER_LIMIT);
        break;
    case LEAT_TIMER_EXPIRE:
        expire(core, e);
        break;
    case LEAT_TIMER_RESUME:
        leat_steer_resume_due(core, e.id);
        break;
    case LEAT_TIMER_UNIQUE:
        leat_unique_on_timer(core, e.id);
        break;
    case LEAT_TIMER_SCHEDULE:
        leat_schedule_on_timer(core, e.id);
        break;
    }
}

static void
run(leat_core *core, leat_heap *heap, int64_t now_ms)
{
    struct leat_timers *const timers = core->timers;
    for (uint32_t budget = heap->count; budget > 0; budget--) {
        if (leat_heap_is_empty(heap) || leat_heap_first(heap).key > now_ms || core->ends_left == 0)
            return;
        const uint32_t at = leat_heap_pop(heap).handle;
        const struct entry e = timers->entries[at];
        timers->entries[at].next = timers->free;
        timers->free = at;
        call(core, e);
    }
}

void
leat_timers_due(leat_core *core)
{
    run(core, &core->timers->mono, core->now.mono_ms);
    run(core, &core->timers->wall, core->now.wall_ms);
}

int64_t
leat_timers_next_ms(const leat_core *core)
{
    const struct leat_timers *const timers = core->timers;
    int64_t next = INT64_MAX;
    if (!leat_heap_is_empty(&timers->mono))
        next = leat_heap_first(&timers->mono).key;
    if (!leat_heap_is_empty(&timers->wall)) {
        const int64_t wait = leat_heap_first(&timers->wall).key - core->now.wall_ms;
        const int64_t at = core->now.mono_ms + (wait < 0 ? 0 : wait);
        if (at < next)
            next = at;
    }
    return next;
}
