/* Objects by a small index and by a 64-bit id. See table.h. */
#include "broker/core/table.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 64U

void
leat_table_init(leat_table *table)
{
    *table = (leat_table){.used = 1};
}

void
leat_table_fini(leat_table *table)
{
    free((void *)table->objects);
    free(table->free);
    free(table->slots);
    *table = (leat_table){0};
}

static uint32_t
home_of(const leat_table *table, uint64_t id)
{
    return (uint32_t)((id * 0x9e3779b97f4a7c15ULL) >> 32) & (table->slot_capacity - 1);
}

static void
insert(leat_table *table, uint64_t id, uint32_t index)
{
    uint32_t i = home_of(table, id);
    while (table->slots[i].index != 0)
        i = (i + 1) & (table->slot_capacity - 1);
    table->slots[i].id = id;
    table->slots[i].index = index;
}

static leat_err
room_for_slot(leat_table *table)
{
    if ((table->count + 1) * 2 <= table->slot_capacity)
        return LEAT_ERR_OK;
    struct leat_table_slot *const old = table->slots;
    const uint32_t old_capacity = table->slot_capacity;
    const uint32_t capacity = old_capacity == 0 ? SLOTS_MIN : old_capacity * 2;
    struct leat_table_slot *const slots = calloc(capacity, sizeof *slots);
    if (slots == NULL)
        return LEAT_ERR_NOMEM;
    table->slots = slots;
    table->slot_capacity = capacity;
    for (uint32_t i = 0; i < old_capacity; i++) {
        if (old[i].index != 0)
            insert(table, old[i].id, old[i].index);
    }
    free(old);
    return LEAT_ERR_OK;
}

static leat_err
room_for_index(leat_table *table)
{
    if (table->free_count > 0 || table->used < table->capacity)
        return LEAT_ERR_OK;
    const uint32_t capacity = table->capacity == 0 ? 64 : table->capacity * 2;
    void **const objects = realloc((void *)table->objects, capacity * sizeof *objects);
    if (objects == NULL)
        return LEAT_ERR_NOMEM;
    table->objects = objects;
    uint32_t *const free_indices = realloc(table->free, capacity * sizeof *free_indices);
    if (free_indices == NULL)
        return LEAT_ERR_NOMEM;
    table->free = free_indices;
    table->capacity = capacity;
    objects[0] = NULL;
    return LEAT_ERR_OK;
}

leat_err
leat_table_add(leat_table *table, uint64_t id, void *object, uint32_t *index)
{
    assert(object != NULL);

    leat_err err = room_for_slot(table);
    if (err != LEAT_ERR_OK)
        return err;
    err = room_for_index(table);
    if (err != LEAT_ERR_OK)
        return err;

    *index = table->free_count > 0 ? table->free[--table->free_count] : table->used++;
    table->objects[*index] = object;
    insert(table, id, *index);
    table->count++;
    return LEAT_ERR_OK;
}

static uint32_t
slot_of(const leat_table *table, uint64_t id)
{
    if (table->slot_capacity == 0)
        return UINT32_MAX;
    for (uint32_t i = home_of(table, id);; i = (i + 1) & (table->slot_capacity - 1)) {
        if (table->slots[i].index == 0)
            return UINT32_MAX;
        if (table->slots[i].id == id)
            return i;
    }
}

uint32_t
leat_table_find(const leat_table *table, uint64_t id)
{
    const uint32_t slot = slot_of(table, id);
    return slot == UINT32_MAX ? 0 : table->slots[slot].index;
}

void
leat_table_remove(leat_table *table, uint64_t id)
{
    uint32_t hole = slot_of(table, id);
    assert(hole != UINT32_MAX);

    const uint32_t index = table->slots[hole].index;
    const uint32_t mask = table->slot_capacity - 1;
    for (uint32_t i = (hole + 1) & mask; table->slots[i].index != 0; i = (i + 1) & mask) {
        const uint32_t home = home_of(table, table->slots[i].id);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            table->slots[hole] = table->slots[i];
            hole = i;
        }
    }
    table->slots[hole].index = 0;
    table->objects[index] = NULL;
    table->free[table->free_count++] = index;
    table->count--;
}

uint32_t
leat_table_next(const leat_table *table, uint32_t after)
{
    for (uint32_t i = after + 1; i < table->used; i++) {
        if (table->objects[i] != NULL)
            return i;
    }
    return 0;
}
