/* A binary heap in an array: the children of i are 2i + 1 and 2i + 2. */
#include "proto/base/heap.h"

#include <stdlib.h>

#define CAPACITY_MIN 16U

void
leat_heap_init(leat_heap *heap, leat_heap_moved *moved, void *owner)
{
    *heap = (leat_heap){.moved = moved, .owner = owner};
}

void
leat_heap_fini(leat_heap *heap)
{
    free(heap->entries);
    leat_heap_init(heap, heap->moved, heap->owner);
}

leat_err
leat_heap_reserve(leat_heap *heap, size_t count)
{
    if (count <= heap->capacity)
        return LEAT_ERR_OK;
    if (count >= LEAT_HEAP_NOWHERE)
        return LEAT_ERR_LIMIT;
    size_t capacity = heap->capacity < CAPACITY_MIN ? CAPACITY_MIN : heap->capacity;
    while (capacity < count)
        capacity *= 2;
    if (capacity >= LEAT_HEAP_NOWHERE)
        capacity = LEAT_HEAP_NOWHERE - 1;
    leat_heap_entry *const entries = reallocarray(heap->entries, capacity, sizeof *entries);
    if (entries == NULL)
        return LEAT_ERR_NOMEM;
    heap->entries = entries;
    heap->capacity = (uint32_t)capacity;
    return LEAT_ERR_OK;
}

static bool
is_before(leat_heap_entry a, leat_heap_entry b)
{
    return a.key != b.key ? a.key < b.key : a.handle < b.handle;
}

static void
tell(const leat_heap *heap, uint32_t handle, uint32_t position)
{
    if (heap->moved != NULL)
        heap->moved(heap->owner, handle, position);
}

static void
place(leat_heap *heap, leat_heap_entry entry, uint32_t position)
{
    heap->entries[position] = entry;
    tell(heap, entry.handle, position);
}

/* Move the hole at `at` up while its parent comes after entry; where it ends. */
static uint32_t
rise(leat_heap *heap, leat_heap_entry entry, uint32_t at)
{
    while (at > 0) {
        const uint32_t parent = (at - 1) / 2;
        if (!is_before(entry, heap->entries[parent]))
            break;
        place(heap, heap->entries[parent], at);
        at = parent;
    }
    return at;
}

/* Move the hole at `at` down while a child comes before entry; where it ends. */
static uint32_t
sink(leat_heap *heap, leat_heap_entry entry, uint32_t at)
{
    for (;;) {
        const uint64_t left = 2 * (uint64_t)at + 1;
        if (left >= heap->count)
            return at;
        uint32_t child = (uint32_t)left;
        if (left + 1 < heap->count && is_before(heap->entries[child + 1], heap->entries[child]))
            child++;
        if (!is_before(heap->entries[child], entry))
            return at;
        place(heap, heap->entries[child], at);
        at = child;
    }
}

/* Put entry into the hole at `position`, or where it has to go from there. */
static void
settle(leat_heap *heap, leat_heap_entry entry, uint32_t position)
{
    const uint32_t risen = rise(heap, entry, position);
    place(heap, entry, risen == position ? sink(heap, entry, position) : risen);
}

void
leat_heap_push(leat_heap *heap, int64_t key, uint32_t handle)
{
    assert(heap->count < heap->capacity);
    settle(heap, (leat_heap_entry){.key = key, .handle = handle}, heap->count++);
}

leat_heap_entry
leat_heap_pop(leat_heap *heap)
{
    const leat_heap_entry first = leat_heap_first(heap);
    leat_heap_remove(heap, 0);
    return first;
}

void
leat_heap_remove(leat_heap *heap, uint32_t position)
{
    assert(position < heap->count);
    const uint32_t handle = heap->entries[position].handle;
    const leat_heap_entry last = heap->entries[--heap->count];
    if (position < heap->count)
        settle(heap, last, position);
    tell(heap, handle, LEAT_HEAP_NOWHERE);
}

void
leat_heap_change(leat_heap *heap, uint32_t position, int64_t key)
{
    assert(position < heap->count);
    settle(heap, (leat_heap_entry){.key = key, .handle = heap->entries[position].handle}, position);
}
