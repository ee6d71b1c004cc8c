/* Chunks of records, a free list through them, and a table by token. See slot.h. */
#include "worker/slot.h"

#include <stdlib.h>

#define CHUNK     1024U
#define TABLE_MIN 64U

void
leat_slots_init(leat_slots *slots)
{
    *slots = (leat_slots){.free = LEAT_SLOT_NOWHERE};
}

void
leat_slots_fini(leat_slots *slots)
{
    for (uint32_t i = 0; i < slots->chunk_count; i++)
        free(slots->chunks[i]);
    free(slots->chunks);
    free(slots->table);
    leat_slots_init(slots);
}

leat_slot *
leat_slots_at(leat_slots *slots, uint32_t handle)
{
    assert(handle / CHUNK < slots->chunk_count);
    return &slots->chunks[handle / CHUNK][handle % CHUNK];
}

/* ------------------------------------------------------------------------ the table by token */

/* Ids are handed out one after the other: a multiplication spreads neighbours over the table. */
static size_t
home_of(const leat_slots *slots, uint64_t id)
{
    return (size_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (slots->table_cap - 1);
}

static void
table_put(leat_slots *slots, uint64_t id, uint32_t handle)
{
    size_t at = home_of(slots, id);
    while (slots->table[at] != LEAT_SLOT_NOWHERE)
        at = (at + 1) & (slots->table_cap - 1);
    slots->table[at] = handle;
}

/* Room for `count` entries with at least a third of the table empty. */
static leat_err
table_reserve(leat_slots *slots, size_t count)
{
    if (count * 3 <= slots->table_cap * 2)
        return LEAT_ERR_OK;
    const size_t cap = slots->table_cap == 0 ? TABLE_MIN : slots->table_cap * 2;
    uint32_t *const table = malloc(cap * sizeof *table);
    if (table == NULL)
        return LEAT_ERR_NOMEM;
    memset(table, 0xff, cap * sizeof *table);

    uint32_t *const old = slots->table;
    const size_t old_cap = slots->table_cap;
    slots->table = table;
    slots->table_cap = cap;
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i] != LEAT_SLOT_NOWHERE)
            table_put(slots, leat_slots_at(slots, old[i])->token.id, old[i]);
    }
    free(old);
    return LEAT_ERR_OK;
}

/* Take the entry out and move up those behind it that would not be found any more. */
static void
table_remove(leat_slots *slots, const leat_slot *slot)
{
    const size_t mask = slots->table_cap - 1;
    size_t hole = home_of(slots, slot->token.id);
    while (slots->table[hole] != slot->handle) {
        assert(slots->table[hole] != LEAT_SLOT_NOWHERE);
        hole = (hole + 1) & mask;
    }
    for (size_t at = (hole + 1) & mask; slots->table[at] != LEAT_SLOT_NOWHERE;
         at = (at + 1) & mask) {
        const size_t home = home_of(slots, leat_slots_at(slots, slots->table[at])->token.id);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            slots->table[hole] = slots->table[at];
            hole = at;
        }
    }
    slots->table[hole] = LEAT_SLOT_NOWHERE;
}

leat_slot *
leat_slots_find(leat_slots *slots, const leat_token *token)
{
    if (slots->table_cap == 0)
        return NULL;
    const size_t mask = slots->table_cap - 1;
    for (size_t at = home_of(slots, token->id); slots->table[at] != LEAT_SLOT_NOWHERE;
         at = (at + 1) & mask) {
        leat_slot *const slot = leat_slots_at(slots, slots->table[at]);
        if (slot->token.id == token->id && slot->token.attempt == token->attempt &&
            slot->token.epoch == token->epoch)
            return slot;
    }
    return NULL;
}

/* ------------------------------------------------------------------------------- the records */

static leat_err
grow(leat_slots *slots)
{
    leat_slot **const chunks =
        reallocarray(slots->chunks, (size_t)slots->chunk_count + 1, sizeof(void *));
    if (chunks == NULL)
        return LEAT_ERR_NOMEM;
    slots->chunks = chunks;
    leat_slot *const chunk = calloc(CHUNK, sizeof *chunk);
    if (chunk == NULL)
        return LEAT_ERR_NOMEM;
    const uint32_t first = slots->chunk_count * CHUNK;
    chunks[slots->chunk_count++] = chunk;
    for (uint32_t i = CHUNK; i-- > 0;) {
        chunk[i].handle = first + i;
        chunk[i].next_free = slots->free;
        slots->free = first + i;
    }
    return LEAT_ERR_OK;
}

leat_err
leat_slots_enter(leat_slots *slots,
                 const leat_token *token,
                 const leat_handler *handler,
                 int64_t started_us,
                 leat_slot **out)
{
    assert(handler != NULL);
    leat_err err = table_reserve(slots, (size_t)slots->count + 1);
    if (err == LEAT_ERR_OK && slots->free == LEAT_SLOT_NOWHERE)
        err = grow(slots);
    if (err != LEAT_ERR_OK)
        return err;

    leat_slot *const slot = leat_slots_at(slots, slots->free);
    slots->free = slot->next_free;
    slots->count++;
    *slot = (leat_slot){
        .token = *token,
        .started_us = started_us,
        .handler = handler,
        .heap_at = LEAT_HEAP_NOWHERE,
        .handle = slot->handle,
        .next_free = LEAT_SLOT_NOWHERE,
    };
    table_put(slots, token->id, slot->handle);
    *out = slot;
    return LEAT_ERR_OK;
}

void
leat_slots_leave(leat_slots *slots, leat_slot **slot_p)
{
    leat_slot *const slot = *slot_p;
    assert(slot->handler != NULL);
    assert(slot->heap_at == LEAT_HEAP_NOWHERE);
    table_remove(slots, slot);
    slot->handler = NULL;
    slot->task = NULL;
    slot->next_free = slots->free;
    slots->free = slot->handle;
    slots->count--;
    *slot_p = NULL;
}

leat_slot *
leat_slots_each(leat_slots *slots, uint32_t *next)
{
    while (*next < slots->chunk_count * CHUNK) {
        leat_slot *const slot = leat_slots_at(slots, (*next)++);
        if (slot->handler != NULL)
            return slot;
    }
    return NULL;
}
