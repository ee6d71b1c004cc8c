/* Live items, and the table that finds them by id. See item.h. */
#include "broker/core/item.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SLAB_ITEMS 4096U
#define LEAF_IDS   512U

/* ------------------------------------------------------------------------------------ slab */

leat_err
leat_items_init(leat_items *items)
{
    *items = (leat_items){.used = 1};
    items->leaf_capacity = 1024;
    items->leaves = calloc(items->leaf_capacity, sizeof(leat_leaf *));
    return items->leaves == NULL ? LEAT_ERR_NOMEM : LEAT_ERR_OK;
}

void
leat_items_fini(leat_items *items)
{
    for (uint32_t i = 0; i < items->slab_count; i++)
        free(items->slabs[i]);
    for (uint32_t i = 0; i < items->leaf_capacity && items->leaves != NULL; i++)
        free(items->leaves[i]);
    free(items->spare);
    free((void *)items->slabs);
    free((void *)items->leaves);
    *items = (leat_items){0};
}

static leat_err
add_slab(leat_items *items)
{
    leat_item **const slabs =
        /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is meant */
        realloc((void *)items->slabs, (items->slab_count + 1) * sizeof *items->slabs);
    if (slabs == NULL)
        return LEAT_ERR_NOMEM;
    items->slabs = slabs;
    slabs[items->slab_count] = calloc(SLAB_ITEMS, sizeof(leat_item));
    if (slabs[items->slab_count] == NULL)
        return LEAT_ERR_NOMEM;
    items->slab_count++;
    return LEAT_ERR_OK;
}

/* ------------------------------------------------------------------------------------ leaves */

static uint32_t
leaf_slot(const leat_items *items, uint64_t number)
{
    return (uint32_t)((number * 0x9e3779b97f4a7c15ULL) >> 32) & (items->leaf_capacity - 1);
}

static leat_leaf *
leaf_find(leat_items *items, uint64_t number)
{
    if (items->last != NULL && items->last->number == number)
        return items->last;
    for (uint32_t i = leaf_slot(items, number);; i = (i + 1) & (items->leaf_capacity - 1)) {
        leat_leaf *const leaf = items->leaves[i];
        if (leaf == NULL)
            return NULL;
        if (leaf->number == number) {
            items->last = leaf;
            return leaf;
        }
    }
}

static void
leaf_insert(leat_items *items, leat_leaf *leaf)
{
    uint32_t i = leaf_slot(items, leaf->number);
    while (items->leaves[i] != NULL)
        i = (i + 1) & (items->leaf_capacity - 1);
    items->leaves[i] = leaf;
}

static leat_err
leaf_room(leat_items *items)
{
    if ((items->leaf_count + 1) * 2 <= items->leaf_capacity)
        return LEAT_ERR_OK;
    leat_leaf **const old = items->leaves;
    const uint32_t old_capacity = items->leaf_capacity;
    leat_leaf **const grown = calloc((size_t)old_capacity * 2, sizeof(leat_leaf *));
    if (grown == NULL)
        return LEAT_ERR_NOMEM;
    items->leaves = grown;
    items->leaf_capacity = old_capacity * 2;
    for (uint32_t i = 0; i < old_capacity; i++) {
        if (old[i] != NULL)
            leaf_insert(items, old[i]);
    }
    free((void *)old);
    return LEAT_ERR_OK;
}

static leat_err
leaf_ensure(leat_items *items, uint64_t number)
{
    if (leaf_find(items, number) != NULL)
        return LEAT_ERR_OK;
    leat_err err = leaf_room(items);
    if (err != LEAT_ERR_OK)
        return err;
    leat_leaf *leaf = items->spare;
    items->spare = NULL;
    if (leaf == NULL)
        leaf = malloc(sizeof *leaf);
    if (leaf == NULL)
        return LEAT_ERR_NOMEM;
    memset(leaf, 0, sizeof *leaf);
    leaf->number = number;
    leaf_insert(items, leaf);
    items->leaf_count++;
    items->last = leaf;
    return LEAT_ERR_OK;
}

/* Linear probing: what lies behind the hole and hashed before it moves up. */
static void
leaf_remove(leat_items *items, leat_leaf *leaf)
{
    const uint32_t mask = items->leaf_capacity - 1;
    uint32_t hole = leaf_slot(items, leaf->number);
    while (items->leaves[hole] != leaf)
        hole = (hole + 1) & mask;
    for (uint32_t i = (hole + 1) & mask; items->leaves[i] != NULL; i = (i + 1) & mask) {
        const uint32_t home = leaf_slot(items, items->leaves[i]->number);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            items->leaves[hole] = items->leaves[i];
            hole = i;
        }
    }
    items->leaves[hole] = NULL;
    items->leaf_count--;
    if (items->last == leaf)
        items->last = NULL;
    free(items->spare);
    items->spare = leaf; /* the next leaf is usually wanted soon */
}

/* ------------------------------------------------------------------------------------ items */

leat_err
leat_items_reserve(leat_items *items, uint64_t first, uint32_t count)
{
    assert(count > 0);

    for (uint64_t n = first / LEAF_IDS; n <= (first + count - 1) / LEAF_IDS; n++) {
        const leat_err err = leaf_ensure(items, n);
        if (err != LEAT_ERR_OK)
            return err;
    }
    /* The free list is not counted: at worst a slab more than needed. */
    while ((uint64_t)items->slab_count * SLAB_ITEMS < (uint64_t)items->used + count) {
        const leat_err err = add_slab(items);
        if (err != LEAT_ERR_OK)
            return err;
    }
    return LEAT_ERR_OK;
}

uint32_t
leat_items_add(leat_items *items, uint64_t id)
{
    leat_leaf *const leaf = leaf_find(items, id / LEAF_IDS);
    const unsigned at = (unsigned)(id % LEAF_IDS);
    assert(leaf != NULL && leaf->items[at] == LEAT_NOBODY);

    uint32_t index = items->free;
    if (index != LEAT_NOBODY) {
        items->free = leat_items_at(items, index)->next;
    } else {
        index = items->used++;
        assert(index >> 12 < items->slab_count);
    }
    leat_item *const item = leat_items_at(items, index);
    *item = (leat_item){.id = id};
    leaf->items[at] = index;
    leaf->alive++;
    leaf->chunk_alive[at / LEAT_CHUNK_IDS]++;
    items->alive++;
    return index;
}

uint32_t
leat_items_find(leat_items *items, uint64_t id)
{
    const leat_leaf *const leaf = leaf_find(items, id / LEAF_IDS);
    return leaf == NULL ? LEAT_NOBODY : leaf->items[id % LEAF_IDS];
}

bool
leat_items_remove(leat_items *items, uint32_t index)
{
    leat_item *const item = leat_items_at(items, index);
    leat_leaf *const leaf = leaf_find(items, item->id / LEAF_IDS);
    const unsigned at = (unsigned)(item->id % LEAF_IDS);
    const unsigned chunk = at / LEAT_CHUNK_IDS;
    assert(leaf != NULL && leaf->items[at] == index);

    leaf->items[at] = LEAT_NOBODY;
    leaf->alive--;
    leaf->chunk_alive[chunk]--;
    leaf->chunk_ended |= (uint16_t)(1U << chunk);
    items->alive--;
    item->id = 0;
    item->next = items->free;
    items->free = index;

    const bool empty = leaf->chunk_alive[chunk] == 0;
    if (empty)
        leaf->chunk_ended &= (uint16_t) ~(1U << chunk);
    if (leaf->alive == 0)
        leaf_remove(items, leaf);
    return empty;
}

leat_leaf *
leat_items_leaf(leat_items *items, uint64_t number)
{
    return leaf_find(items, number);
}

uint32_t
leat_items_leaves(const leat_items *items, uint64_t *numbers, uint32_t max)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < items->leaf_capacity && n < max; i++) {
        if (items->leaves[i] != NULL)
            numbers[n++] = items->leaves[i]->number;
    }
    return n;
}

leat_err
leat_item_apply(leat_item *item, leat_event event)
{
    leat_state to;
    leat_cost cost;
    const leat_err err = leat_state_next((leat_state)item->state, event, &to, &cost);
    if (err != LEAT_ERR_OK)
        return err;

    item->state = (uint8_t)to & 15U;
    switch (cost) {
    case LEAT_COST_NONE:
        break;
    case LEAT_COST_ATTEMPT:
        item->attempt++;
        break;
    case LEAT_COST_FAILED:
        item->failed++;
        break;
    case LEAT_COST_LOST:
        item->lost++;
        break;
    case LEAT_COST_SNOOZED:
        item->snoozed++;
        break;
    }
    return LEAT_ERR_OK;
}

void
leat_item_restore(leat_item *item, leat_state state)
{
    item->state = (uint8_t)state & 15U;
}
