/* Shares: whose turn it is among ready items of one class.
 *
 *     class ── rank (priority) ── stall (principal) ── line (flow) ── item, by id
 *
 * Each principal has a share of its channel, and its flows have shares of that. What is handed out
 * is charged to flow and share with the time that it will probably run (the class's mean),
 * corrected when it has ended; who was given least is next (start-time fair queueing, Goyal, Vin,
 * Cheng 1996: one that wakes starts where the channel is, so nobody saves up). Every LEAT_AGING_MS
 * of waiting is worth a priority: what waits long enough is equal to what has just come with the
 * highest one. Only the item whose turn it is in its rank is looked at, so what is bounded is the
 * waiting of a flow, not of each of its items.
 *
 * A line lives while terms name it, a flow while it has lines, a share while it has flows: that is
 * as long as somebody has items. */
#include "broker/core/share.h"

#include <stdlib.h>

#include "broker/core/class.h"
#include "broker/core/mark.h"
#include "broker/core/stop.h"
#include "broker/core/terms.h"

#define UNKNOWN_US 1000   /* charged for a run of which nothing is known */
#define SLICE_NS   262144 /* turns are taken by */
#define MESSAGE_US 1      /* messages take turns by number */

/* ------------------------------------------------------------------------------ making */

static void
line_moved(void *owner, uint32_t handle, uint32_t position)
{
    const leat_core *const core = owner;
    ((leat_line *)leat_table_at(&core->lines, handle))->position = position;
}

static void
stall_moved(void *owner, uint32_t handle, uint32_t position)
{
    const leat_core *const core = owner;
    ((leat_stall *)leat_table_at(&core->stalls, handle))->position = position;
}

void
leat_rank_init(leat_core *core, leat_heap *rank)
{
    leat_heap_init(rank, stall_moved, core);
}

/* Shares and flows are looked up by table: without keys every session has a share, and a principal
 * may have a million flows. */
static leat_share *
share_ensure(leat_core *core, leat_channel *channel, uint64_t principal)
{
    uint64_t hash = leat_hash_u64(leat_hash_u64(4, channel->index), principal);
    leat_share *share;
    for (; (share = leat_table_get(&core->shares, hash)) != NULL; hash++) {
        if (share->channel == channel && share->principal == principal)
            return share;
    }
    share = calloc(1, sizeof *share);
    uint32_t index;
    if (share == NULL || leat_table_add(&core->shares, hash, share, &index) != LEAT_ERR_OK) {
        free(share);
        return NULL;
    }
    share->hash = hash;
    share->channel = channel;
    share->principal = principal;
    share->vtime_ns = channel->vtime_ns;
    leat_list_init(&share->stalls);
    return share;
}

static void
share_drop(leat_core *core, leat_share *share)
{
    if (share->users > 0)
        return;
    leat_table_remove(&core->shares, share->hash);
    free(share);
}

static uint64_t
flow_hash(const leat_share *share, uint64_t key)
{
    return leat_hash_u64(share->hash, key);
}

static leat_flow *
flow_ensure(leat_core *core, leat_share *share, uint64_t key)
{
    uint64_t hash = flow_hash(share, key);
    leat_flow *flow;
    for (; (flow = leat_table_get(&core->flows, hash)) != NULL; hash++) {
        if (flow->share == share && flow->key == key)
            return flow;
    }
    flow = calloc(1, sizeof *flow);
    uint32_t index;
    if (flow == NULL || leat_table_add(&core->flows, hash, flow, &index) != LEAT_ERR_OK) {
        free(flow);
        return NULL;
    }
    flow->hash = hash;
    flow->share = share;
    flow->key = key;
    flow->vtime_ns = share->flow_vtime_ns;
    leat_list_init(&flow->lines);
    share->users++;
    return flow;
}

/* Its share is the caller's to drop, as with a stall. */
static void
flow_drop(leat_core *core, leat_flow *flow)
{
    if (flow->users > 0)
        return;
    leat_share *const share = flow->share;
    assert(flow->running == 0 && flow->ready == 0);
    leat_table_remove(&core->flows, flow->hash);
    if (leat_list_is_linked(&flow->accruing))
        leat_list_remove(&flow->accruing);
    free(flow);
    share->users--;
}

static leat_stall *
stall_ensure(leat_core *core, leat_class *class, uint8_t priority, leat_share *share)
{
    uint64_t hash =
        leat_hash_u64(leat_hash_u64(leat_hash_u64(5, share->hash), class->index), priority);
    leat_stall *stall;
    for (; (stall = leat_table_get(&core->stalls, hash)) != NULL; hash++) {
        if (stall->share == share && stall->class == class && stall->priority == priority)
            return stall;
    }
    stall = calloc(1, sizeof *stall);
    if (stall == NULL || leat_table_add(&core->stalls, hash, stall, &stall->index) != LEAT_ERR_OK) {
        free(stall);
        return NULL;
    }
    stall->hash = hash;
    stall->position = LEAT_HEAP_NOWHERE;
    stall->class = class;
    stall->priority = priority;
    stall->share = share;
    leat_heap_init(&stall->lines, line_moved, core);
    share->users++;
    return stall;
}

static void
stall_drop(leat_core *core, leat_stall *stall)
{
    if (stall->users > 0)
        return;
    leat_share *const share = stall->share;
    assert(leat_heap_is_empty(&stall->lines));
    leat_table_remove(&core->stalls, stall->hash);
    leat_heap_fini(&stall->lines);
    free(stall);
    share->users--;
}

static leat_line *
line_ensure(leat_core *core, leat_stall *stall, leat_flow *flow)
{
    uint64_t hash = leat_hash_u64(leat_hash_u64(6, stall->hash), flow->hash);
    leat_line *line;
    for (; (line = leat_table_get(&core->lines, hash)) != NULL; hash++) {
        if (line->stall == stall && line->flow == flow)
            return line;
    }
    line = calloc(1, sizeof *line);
    if (line == NULL || leat_table_add(&core->lines, hash, line, &line->index) != LEAT_ERR_OK) {
        free(line);
        return NULL;
    }
    line->hash = hash;
    line->position = LEAT_HEAP_NOWHERE;
    line->flow = flow;
    line->stall = stall;
    leat_heap_init(&line->returned, leat_core_item_moved, core);
    flow->users++;
    stall->users++;
    return line;
}

leat_line *
leat_line_ensure(
    leat_core *core, leat_class *class, uint8_t priority, uint64_t principal, uint64_t key)
{
    leat_share *const share = share_ensure(core, class->channel, principal);
    if (share == NULL)
        return NULL;
    leat_flow *const flow = flow_ensure(core, share, key);
    leat_stall *const stall = flow == NULL ? NULL : stall_ensure(core, class, priority, share);
    leat_line *const line = stall == NULL ? NULL : line_ensure(core, stall, flow);
    if (line != NULL) {
        line->users++;
        return line;
    }
    if (stall != NULL)
        stall_drop(core, stall);
    if (flow != NULL)
        flow_drop(core, flow);
    share_drop(core, share);
    return NULL;
}

void
leat_line_drop(leat_core *core, leat_line *line)
{
    if (--line->users > 0)
        return;
    leat_flow *const flow = line->flow;
    leat_stall *const stall = line->stall;
    assert(line->head == LEAT_NOBODY && leat_heap_is_empty(&line->returned));
    assert(line->position == LEAT_HEAP_NOWHERE);
    leat_table_remove(&core->lines, line->hash);
    leat_heap_fini(&line->returned);
    free(line);
    flow->users--;
    stall->users--;
    leat_share *const share = flow->share;
    stall_drop(core, stall);
    flow_drop(core, flow);
    share_drop(core, share);
}

/* ------------------------------------------------------------------------------ charging */

/* Turns are taken by slices of time: who is in the same slice as another one is as good, and goes
 * on until he has left it. So short jobs of one flow follow each other, which lie together in the
 * store and leave together. */
static int64_t
slice_of(int64_t vtime_ns)
{
    assert(vtime_ns >= 0); /* nothing is taken back that was not given */
    return (int64_t)((uint64_t)vtime_ns / SLICE_NS);
}

/* Flow and share were given so much more (or less): with another slice they move in every heap in
 * which they lie. */
static void
give(leat_flow *flow, int64_t us)
{
    leat_share *const share = flow->share;
    const int64_t of_flow = slice_of(flow->vtime_ns);
    const int64_t of_share = slice_of(share->vtime_ns);
    flow->vtime_ns += us * 1000;
    share->vtime_ns += us * 1000;
    const int64_t flow_slice = slice_of(flow->vtime_ns);
    const int64_t share_slice = slice_of(share->vtime_ns);
    if (flow_slice != of_flow) {
        LEAT_LIST_FOREACH (node, &flow->lines) {
            leat_line *const line = LEAT_CONTAINER_OF(node, leat_line, of_flow);
            leat_heap_change(&line->stall->lines, line->position, flow_slice);
        }
    }
    if (share_slice != of_share) {
        LEAT_LIST_FOREACH (node, &share->stalls) {
            leat_stall *const stall = LEAT_CONTAINER_OF(node, leat_stall, of_share);
            leat_heap_change(&stall->class->ranks[stall->priority], stall->position, share_slice);
        }
    }
}

/* What an item was charged, in 11 bits: 5 of exponent, 6 of mantissa, in us, never more than was
 * said. */
static uint32_t
charge_code(uint64_t us)
{
    if (us < 64)
        return (uint32_t)us;
    const unsigned shift = 57U - (unsigned)__builtin_clzll(us);
    if (shift > 30)
        return (31U << 6) | 63U;
    return ((shift + 1) << 6) | (uint32_t)((us >> shift) & 63U);
}

static int64_t
charge_us(uint32_t code)
{
    const uint32_t exponent = code >> 6;
    return exponent == 0 ? (int64_t)code : (int64_t)(64U + (code & 63U)) << (exponent - 1);
}

/* How long the item will probably run. Of a class of which none has ended yet, at least as long as
 * what runs of its flow has run so far. */
static uint64_t
expected_us(const leat_core *core,
            const leat_item *item,
            const leat_class *class,
            const leat_flow *flow)
{
    if ((item->flags & LEAT_ITEM_MESSAGE) != 0)
        return MESSAGE_US;
    if (class->mean_ns > 0)
        return class->mean_ns / 1000;
    const int64_t age_ms =
        flow->running == 0 ? 0 : core->now.mono_ms - flow->start_ms / (int64_t)flow->running;
    return age_ms > 0 ? (uint64_t)age_ms * 1000 : UNKNOWN_US;
}

static void
charge(leat_core *core, leat_item *item, const leat_class *class, leat_flow *flow)
{
    const uint64_t us = expected_us(core, item, class, flow);
    leat_share *const share = flow->share;
    if (flow->vtime_ns > share->flow_vtime_ns)
        share->flow_vtime_ns = flow->vtime_ns;
    if (share->vtime_ns > share->channel->vtime_ns)
        share->channel->vtime_ns = share->vtime_ns;
    item->charge = charge_code(us == 0 ? 1 : us) & 2047U;
    const int64_t charged = charge_us(item->charge);
    flow->charged_us += charged;
    flow->start_ms += core->now.mono_ms;
    flow->running++;
    if (!leat_list_is_linked(&flow->accruing) && (item->flags & LEAT_ITEM_MESSAGE) == 0)
        leat_list_append(&core->accruing, &flow->accruing);
    give(flow, charged);
}

void
leat_share_adopt(leat_core *core, leat_item *item)
{
    const leat_terms *const terms = leat_terms_of(core, item);
    charge(core, item, terms->class, terms->line->flow);
}

/* When the run that has ended began is not kept. One that says that it ran longer than the flow's
 * runs are old on average began when it says; for a shorter one the mean is taken, since it may
 * have waited in its worker's line. */
static int64_t
start_of(const leat_core *core, const leat_flow *flow, uint64_t run_us)
{
    const int64_t mean = flow->start_ms / flow->running;
    const int64_t said = core->now.mono_ms - (int64_t)(run_us / 1000);
    return flow->running > 1 && said < mean ? said : flow->start_ms / flow->running;
}

/* How much longer what runs has run than the flow was charged for it, at least as much as was
 * accrued and is not due. */
static int64_t
over_us(const leat_core *core, const leat_flow *flow)
{
    const int64_t ran_us = ((int64_t)flow->running * core->now.mono_ms - flow->start_ms) * 1000;
    const int64_t over = ran_us - flow->charged_us - flow->accrued_us;
    return flow->running == 0 || over < -flow->accrued_us ? -flow->accrued_us : over;
}

void
leat_share_settle(leat_core *core, leat_item *item, uint64_t run_us)
{
    leat_flow *const flow = leat_terms_of(core, item)->line->flow;
    const int64_t charged = charge_us(item->charge);
    int64_t more = (item->flags & LEAT_ITEM_MESSAGE) != 0 ? 0 : (int64_t)run_us - charged;
    assert(flow->running > 0);
    flow->start_ms -= start_of(core, flow, run_us);
    flow->charged_us -= charged;
    flow->running--;
    item->charge = 0;
    /* What was charged ahead of its end has been paid, but for what the others account for. */
    const int64_t over = over_us(core, flow);
    if (over < 0) {
        flow->accrued_us += over;
        more += over;
    }
    if (flow->running == 0)
        flow->start_ms = flow->charged_us = 0;
    if (flow->running == 0 && leat_list_is_linked(&flow->accruing))
        leat_list_remove(&flow->accruing);
    give(flow, more);
}

void
leat_share_accrue(leat_core *core)
{
    LEAT_LIST_FOREACH (node, &core->accruing) {
        leat_flow *const flow = LEAT_CONTAINER_OF(node, leat_flow, accruing);
        const int64_t over = over_us(core, flow);
        if (over <= 0)
            continue;
        flow->accrued_us += over;
        give(flow, over);
    }
}

/* ------------------------------------------------------------------------------ lines */

static void
became_ready(leat_core *core, leat_item *item)
{
    leat_line *const line = leat_terms_of(core, item)->line;
    leat_stall *const stall = line->stall;
    leat_class *const class = stall->class;
    leat_flow *const flow = line->flow;
    leat_share *const share = flow->share;

    if (flow->ready++ == 0 && flow->vtime_ns < share->flow_vtime_ns)
        flow->vtime_ns = share->flow_vtime_ns;
    class->ready++;
    if (line->position != LEAT_HEAP_NOWHERE)
        return;
    if (leat_heap_reserve(&stall->lines, stall->lines.count + 1U) != LEAT_ERR_OK ||
        leat_heap_reserve(&class->ranks[stall->priority],
                          class->ranks[stall->priority].count + 1U) != LEAT_ERR_OK) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    leat_heap_push(&stall->lines, slice_of(flow->vtime_ns), line->index);
    leat_list_append(&flow->lines, &line->of_flow);
    if (stall->position != LEAT_HEAP_NOWHERE)
        return;
    if (leat_list_is_empty(&share->stalls) && share->vtime_ns < share->channel->vtime_ns)
        share->vtime_ns = share->channel->vtime_ns;
    leat_heap_push(&class->ranks[stall->priority], slice_of(share->vtime_ns), stall->index);
    leat_list_append(&share->stalls, &stall->of_share);
    class->filled |= (uint16_t)(1U << stall->priority);
    core->active[class->index / 64] |= 1ULL << (class->index % 64);
    core->stirred[class->index / 64] |= 1ULL << (class->index % 64);
}

/* The item is out of its line. */
static void
left_line(leat_core *core, leat_item *item)
{
    leat_line *const line = leat_terms_of(core, item)->line;
    leat_stall *const stall = line->stall;
    leat_class *const class = stall->class;
    leat_heap *const rank = &class->ranks[stall->priority];

    item->next = item->prev = LEAT_NOBODY;
    line->flow->ready--;
    class->ready--;
    if (line->head != LEAT_NOBODY || !leat_heap_is_empty(&line->returned))
        return;
    leat_heap_remove(&stall->lines, line->position);
    leat_list_remove(&line->of_flow);
    if (!leat_heap_is_empty(&stall->lines))
        return;
    leat_heap_remove(rank, stall->position);
    leat_list_remove(&stall->of_share);
    if (!leat_heap_is_empty(rank))
        return;
    class->filled &= (uint16_t) ~(1U << stall->priority);
    if (class->filled == 0)
        core->active[class->index / 64] &= ~(1ULL << (class->index % 64));
}

void
leat_line_append(leat_core *core, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    leat_terms *const terms = leat_terms_of(core, item);
    leat_line *const line = terms->line;
    assert(item->state == LEAT_STATE_READY);

    terms->class->channel->ready++;
    item->prev = line->tail;
    item->next = LEAT_NOBODY;
    if (line->tail == LEAT_NOBODY)
        line->head = index;
    else
        leat_items_at(&core->items, line->tail)->next = index;
    line->tail = index;
    became_ready(core, item);
}

/* Back by its id, without counting it as ready in its channel. */
static void
put_back(leat_core *core, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    leat_heap *const returned = &leat_terms_of(core, item)->line->returned;
    if (leat_heap_reserve(returned, returned->count + 1U) != LEAT_ERR_OK) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    item->flags |= LEAT_ITEM_RETURNED;
    leat_heap_push(returned, leat_heap_key_of_u64(item->id), index);
    became_ready(core, item);
}

void
leat_line_return(leat_core *core, uint32_t index)
{
    assert(leat_items_at(&core->items, index)->state == LEAT_STATE_READY);
    leat_class_of(core, leat_items_at(&core->items, index))->channel->ready++;
    put_back(core, index);
}

/* Out of the line, still counted as ready in its channel. */
static void
unlink_item(leat_core *core, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    leat_line *const line = leat_terms_of(core, item)->line;
    if ((item->flags & LEAT_ITEM_RETURNED) != 0) {
        leat_heap_remove(&line->returned, item->next);
        item->flags &= (uint8_t)~LEAT_ITEM_RETURNED;
    } else {
        if (item->prev == LEAT_NOBODY)
            line->head = item->next;
        else
            leat_items_at(&core->items, item->prev)->next = item->next;
        if (item->next == LEAT_NOBODY)
            line->tail = item->prev;
        else
            leat_items_at(&core->items, item->next)->prev = item->prev;
    }
    left_line(core, item);
}

void
leat_line_remove(leat_core *core, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    leat_terms *const terms = leat_terms_of(core, item);
    terms->class->channel->ready--;
    if ((item->flags & LEAT_ITEM_CAPPED) == 0) {
        unlink_item(core, index);
        if (terms->key != NULL)
            leat_key_settle(core, terms->key); /* what it was to be the next of */
        return;
    }
    leat_heap_remove(&terms->key->parked, item->next);
    item->flags &= (uint8_t)~LEAT_ITEM_CAPPED;
    item->next = item->prev = LEAT_NOBODY;
}

/* Both parts of a line are in order of ids; the smaller id goes first: that is the old place of
 * what has come back. */
static uint32_t
line_first(const leat_core *core, const leat_line *line)
{
    if (leat_heap_is_empty(&line->returned))
        return line->head;
    const leat_heap_entry first = leat_heap_first(&line->returned);
    if (line->head == LEAT_NOBODY)
        return first.handle;
    const uint64_t head = leat_items_at(&core->items, line->head)->id;
    return first.key < leat_heap_key_of_u64(head) ? first.handle : line->head;
}

/* ------------------------------------------------------------------------------ keys */

static bool
key_is_full(const leat_key *key)
{
    return key != NULL && key->running >= key->channel->rules.key_max;
}

/* Priority, then id; ids have 52 bits beside the shard. */
static int64_t
parked_key(const leat_item *item)
{
    return (int64_t)((uint64_t)(LEAT_PRIORITIES - 1 - item->priority) << 56 |
                     (item->id & ((1ULL << 56) - 1)));
}

static void
park(leat_core *core, leat_key *key, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    if (leat_heap_reserve(&key->parked, key->parked.count + 1U) != LEAT_ERR_OK) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    unlink_item(core, index);
    item->flags |= LEAT_ITEM_CAPPED;
    leat_heap_push(&key->parked, parked_key(item), index);
}

/* As many as the key has room for go back into their lines; more would be parked again. */
void
leat_key_settle(leat_core *core, leat_key *key)
{
    const uint64_t max = key->channel->rules.key_max;
    for (uint64_t room = max > key->running ? max - key->running : 0;
         room > 0 && !leat_heap_is_empty(&key->parked); room--) {
        const uint32_t index = leat_heap_pop(&key->parked).handle;
        leat_item *const item = leat_items_at(&core->items, index);
        item->flags &= (uint8_t)~LEAT_ITEM_CAPPED;
        item->next = item->prev = LEAT_NOBODY;
        put_back(core, index);
    }
}

void
leat_key_count(leat_core *core, leat_key *key, bool more)
{
    if (more) {
        key->running++;
        return;
    }
    key->running--;
    leat_key_settle(core, key);
}

/* ------------------------------------------------------------------------------ whose turn */

/* Not to be handed out: true if it has left the line. With `false` it stays, for a later turn. */
static bool
clear_away(leat_core *core, const leat_terms *terms, uint32_t index)
{
    if (key_is_full(terms->key)) {
        park(core, terms->key, index);
        return core->fault == LEAT_ERR_OK;
    }
    if (core->ends_left == 0)
        return false;
    core->ends_left--;
    if (leat_terms_are_over(core, terms))
        leat_stop_expire(core, index);
    else
        (void)leat_stop_cancel(core, index);
    return true;
}

static bool
may_go(const leat_core *core, const leat_terms *terms, const leat_item *item)
{
    return !key_is_full(terms->key) &&
           (LEAT_FAULT(EXPIRED_STARTED) || !leat_terms_are_over(core, terms)) &&
           (!leat_mark_is_pending(core) || !leat_mark_has(core, item));
}

/* A priority, and one more for every LEAT_AGING_MS of waiting, up to the highest. */
static unsigned
level_of(const leat_core *core, unsigned priority, const leat_item *item)
{
    const int64_t waited = core->now.wall_ms - (int64_t)item->since_s * 1000;
    const int64_t level = (int64_t)priority + (waited > 0 ? waited / LEAT_AGING_MS : 0);
    return level < (int64_t)LEAT_PRIORITIES ? (unsigned)level : LEAT_PRIORITIES - 1;
}

/* The first of one rank that may go; false: there is none. */
static bool
rank_first(leat_core *core, const leat_class *class, unsigned p, leat_candidate *out)
{
    while ((class->filled >> p & 1U) != 0) {
        const leat_stall *const stall =
            leat_table_at(&core->stalls, leat_heap_first(&class->ranks[p]).handle);
        const leat_line *const line =
            leat_table_at(&core->lines, leat_heap_first(&stall->lines).handle);
        const uint32_t index = line_first(core, line);
        const leat_item *const item = leat_items_at(&core->items, index);
        const leat_terms *const terms = leat_terms_of(core, item);
        if (may_go(core, terms, item)) {
            *out = (leat_candidate){
                .index = index,
                .id = item->id,
                .level = level_of(core, p, item),
                .share_slice = slice_of(stall->share->vtime_ns),
                .flow_slice = slice_of(line->flow->vtime_ns),
            };
            return true;
        }
        if (!clear_away(core, terms, index))
            return false;
    }
    return false;
}

bool
leat_line_first(leat_core *core, leat_class *class, leat_candidate *out)
{
    bool found = false;
    for (unsigned ranks = class->filled; ranks != 0;) { /* mostly there is one */
        const unsigned p = 31U - (unsigned)__builtin_clz(ranks);
        leat_candidate one;
        ranks &= ~(1U << p);
        if (!rank_first(core, class, p, &one))
            continue;
        if (!found || leat_candidate_compare(&one, out) < 0)
            *out = one;
        found = true;
    }
    return found;
}

int
leat_candidate_compare(const leat_candidate *a, const leat_candidate *b)
{
    if (a->level != b->level)
        return a->level > b->level ? -1 : 1;
    if (a->share_slice != b->share_slice)
        return a->share_slice < b->share_slice ? -1 : 1;
    if (a->flow_slice != b->flow_slice)
        return a->flow_slice < b->flow_slice ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

void
leat_line_take(leat_core *core, leat_class *class, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    leat_flow *const flow = leat_terms_of(core, item)->line->flow;
    class->channel->ready--;
    unlink_item(core, index);
    charge(core, item, class, flow);
}

uint32_t
leat_class_oldest(const leat_core *core, const leat_class *class)
{
    uint32_t oldest = UINT32_MAX;
    for (unsigned p = 0; p < LEAT_PRIORITIES; p++) {
        if ((class->filled >> p & 1U) == 0)
            continue;
        const leat_stall *const stall =
            leat_table_at(&core->stalls, leat_heap_first(&class->ranks[p]).handle);
        const leat_line *const line =
            leat_table_at(&core->lines, leat_heap_first(&stall->lines).handle);
        const leat_item *const item = leat_items_at(&core->items, line_first(core, line));
        if (item->since_s < oldest)
            oldest = item->since_s;
    }
    return oldest;
}
