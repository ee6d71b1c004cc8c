/* Classes: ready items in ten lines, and which workers serve them. */
#include <stdlib.h>

#include "broker/core/machine.h"

static uint64_t
hash_key(const leat_channel *channel, leat_text handler, uint16_t failures, uint64_t run_limit_ms)
{
    uint64_t hash = 0xcbf29ce484222325ULL;
    for (size_t i = 0; i < handler.size; i++)
        hash = (hash ^ (uint8_t)handler.data[i]) * 0x100000001b3ULL;
    hash = (hash ^ channel->index) * 0x9e3779b97f4a7c15ULL;
    hash = (hash ^ failures) * 0x9e3779b97f4a7c15ULL;
    return (hash ^ run_limit_ms) * 0x9e3779b97f4a7c15ULL;
}

static bool
has_bit(const uint64_t *words, uint32_t count, uint32_t bit)
{
    return bit / 64 < count && (words[bit / 64] >> (bit % 64) & 1U) != 0;
}

static bool
set_bit(uint64_t **words, uint32_t *count, uint32_t bit)
{
    if (bit / 64 >= *count) {
        const uint32_t grown = bit / 64 + 1;
        uint64_t *const more = realloc(*words, grown * sizeof **words);
        if (more == NULL)
            return false;
        memset(more + *count, 0, (grown - *count) * sizeof *more);
        *words = more;
        *count = grown;
    }
    (*words)[bit / 64] |= 1ULL << (bit % 64);
    return true;
}

/* ------------------------------------------------------------------------------ who serves what */

static bool
serves(const leat_peer *peer, const leat_class *class)
{
    bool channel = peer->channel_count == 0 && strcmp(class->channel->name, "default") == 0;
    for (uint32_t i = 0; i < peer->channel_count && !channel; i++)
        channel = strcmp(peer->channels[i], class->channel->name) == 0;
    if (!channel || class->handler[0] == '\0')
        return false;
    for (uint32_t i = 0; i < peer->handler_count; i++) {
        if (strcmp(peer->handlers[i].name, class->handler) == 0)
            return true;
    }
    return false;
}

static void
offer(leat_core *core, leat_peer *peer, leat_class *class)
{
    if (has_bit(peer->classes, peer->class_words, class->index) || !serves(peer, class))
        return;
    if (!set_bit(&peer->classes, &peer->class_words, class->index)) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    class->offered++;
}

void
leat_class_match_peer(leat_core *core, leat_peer *peer)
{
    for (uint32_t i = leat_table_next(&core->classes, 0); i != 0;
         i = leat_table_next(&core->classes, i))
        offer(core, peer, leat_table_at(&core->classes, i));
}

leat_class *
leat_class_ensure(leat_core *core,
                  leat_channel *channel,
                  leat_text handler,
                  uint16_t failures,
                  uint64_t run_limit_ms)
{
    uint64_t hash = hash_key(channel, handler, failures, run_limit_ms);
    leat_class *class;
    for (; (class = leat_table_get(&core->classes, hash)) != NULL; hash++) {
        if (class->channel == channel && class->failures == failures &&
            class->run_limit_ms == run_limit_ms &&
            leat_text_is(leat_text_of(class->handler), handler))
            return class;
    }
    class = calloc(1, sizeof *class);
    uint32_t *const list =
        realloc(channel->classes, (channel->class_count + 1) * sizeof *channel->classes);
    if (list != NULL)
        channel->classes = list;
    if (class == NULL || list == NULL ||
        leat_table_add(&core->classes, hash, class, &class->index) != LEAT_ERR_OK) {
        free(class);
        return NULL;
    }
    channel->classes[channel->class_count++] = class->index;
    class->channel = channel;
    class->failures = failures;
    class->run_limit_ms = run_limit_ms;
    memcpy(class->handler, handler.data, handler.size);
    for (unsigned p = 0; p < LEAT_PRIORITIES; p++)
        leat_heap_init(&class->lines[p].returned, NULL, NULL);

    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0;
         i = leat_table_next(&core->peers, i)) {
        leat_peer *const peer = leat_table_at(&core->peers, i);
        if (peer->role == LEAT_ROLE_WORKER)
            offer(core, peer, class);
    }
    return class;
}

/* ------------------------------------------------------------------------------ lines */

static void
became_ready(leat_core *core, leat_class *class, const leat_item *item)
{
    class->filled |= (uint16_t)(1U << item->priority);
    class->ready++;
    class->channel->ready++;
    if (!set_bit(&core->active, &core->active_words, class->index))
        leat_core_fault(core, LEAT_ERR_NOMEM);
}

void
leat_class_append(leat_core *core, leat_class *class, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    leat_line *const line = &class->lines[item->priority];
    assert(item->state == LEAT_STATE_READY);

    item->prev = line->tail;
    item->next = LEAT_NOBODY;
    if (line->tail == LEAT_NOBODY)
        line->head = index;
    else
        leat_items_at(&core->items, line->tail)->next = index;
    line->tail = index;
    became_ready(core, class, item);
}

void
leat_class_return(leat_core *core, leat_class *class, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    leat_heap *const returned = &class->lines[item->priority].returned;
    assert(item->state == LEAT_STATE_READY);

    if (leat_heap_reserve(returned, returned->count + 1U) != LEAT_ERR_OK) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    leat_heap_push(returned, leat_heap_key_of_u64(item->id), index);
    item->flags |= LEAT_ITEM_RETURNED;
    became_ready(core, class, item);
}

/* The best line, or -1. */
static int
best_line(const leat_class *class)
{
    return class->filled == 0 ? -1 : 31 - __builtin_clz(class->filled);
}

/* Both parts of a line are in order of ids; the smaller id goes first: that is the old place of
 * what has come back. */
static bool
returned_goes_first(const leat_core *core, const leat_line *line)
{
    if (leat_heap_is_empty(&line->returned))
        return false;
    if (line->head == LEAT_NOBODY)
        return true;
    const uint64_t head = leat_items_at(&core->items, line->head)->id;
    return leat_heap_first(&line->returned).key < leat_heap_key_of_u64(head);
}

static uint32_t
line_first(const leat_core *core, const leat_line *line)
{
    return returned_goes_first(core, line) ? leat_heap_first(&line->returned).handle : line->head;
}

int
leat_class_peek(const leat_core *core, const leat_class *class, uint32_t *index)
{
    const int p = best_line(class);
    if (p >= 0)
        *index = line_first(core, &class->lines[p]);
    return p;
}

/* The item is out of its line. */
static void
left_line(leat_core *core, leat_class *class, leat_item *item)
{
    const leat_line *const line = &class->lines[item->priority];
    if (line->head == LEAT_NOBODY && leat_heap_is_empty(&line->returned))
        class->filled &= (uint16_t) ~(1U << item->priority);
    item->next = item->prev = LEAT_NOBODY;
    class->ready--;
    class->channel->ready--;
    if (class->ready == 0)
        core->active[class->index / 64] &= ~(1ULL << (class->index % 64));
}

uint32_t
leat_class_take(leat_core *core, leat_class *class)
{
    const int p = best_line(class);
    assert(p >= 0);
    leat_line *const line = &class->lines[p];

    const bool returned = returned_goes_first(core, line);
    const uint32_t index = returned ? leat_heap_first(&line->returned).handle : line->head;
    leat_item *const item = leat_items_at(&core->items, index);
    if (returned) {
        (void)leat_heap_pop(&line->returned);
        item->flags &= (uint8_t)~LEAT_ITEM_RETURNED;
    } else {
        line->head = item->next;
        if (line->head == LEAT_NOBODY)
            line->tail = LEAT_NOBODY;
        else
            leat_items_at(&core->items, line->head)->prev = LEAT_NOBODY;
    }
    left_line(core, class, item);
    return index;
}

void
leat_class_remove(leat_core *core, leat_class *class, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    leat_line *const line = &class->lines[item->priority];
    assert((item->flags & LEAT_ITEM_RETURNED) == 0);

    if (item->prev == LEAT_NOBODY)
        line->head = item->next;
    else
        leat_items_at(&core->items, item->prev)->next = item->next;
    if (item->next == LEAT_NOBODY)
        line->tail = item->prev;
    else
        leat_items_at(&core->items, item->next)->prev = item->prev;
    left_line(core, class, item);
}

void
leat_class_ran(leat_class *class, uint64_t run_us)
{
    uint64_t ns = run_us * 1000;
    if (ns < 200)
        ns = 200; /* shorter than a microsecond: not known more exactly */
    if (class->mean_ns == 0)
        class->mean_ns = ns;
    else
        class->mean_ns += (uint64_t)(((int64_t)ns - (int64_t) class->mean_ns) / 16);
}
