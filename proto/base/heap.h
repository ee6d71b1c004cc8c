/* leat_heap: the smallest key first, with entries that can be taken out or changed anywhere.
 *
 * An entry is a key and a 32-bit handle of the owner's (a slab index). Where an entry lies changes
 * with almost every call; the heap tells the owner, who keeps the position beside its object and
 * hands it back to remove or change the entry in O(log n). Equal keys come out by handle, so that
 * the order is the same in every run.
 *
 *     leat_heap_reserve → leat_heap_push …, leat_heap_first, leat_heap_pop, leat_heap_remove
 *
 * Memory is taken by leat_heap_reserve only, when work is admitted; a push after it cannot fail. */
#ifndef LEAT_HEAP_H
#define LEAT_HEAP_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

/* The position of what is in no heap. */
#define LEAT_HEAP_NOWHERE UINT32_MAX

/* Entry `handle` now lies at `position`, or is out (LEAT_HEAP_NOWHERE). Must not call the heap. */
typedef void leat_heap_moved(void *owner, uint32_t handle, uint32_t position);

typedef struct leat_heap_entry {
    int64_t key;
    uint32_t handle;
} leat_heap_entry;

typedef struct leat_heap {
    leat_heap_entry *entries; /* owned */
    uint32_t count;
    uint32_t capacity;
    leat_heap_moved *moved; /* NULL: nobody wants to know */
    void *owner;            /* borrowed; first argument of moved */
} leat_heap;

/* An unsigned key in the order of the signed one. */
static inline int64_t
leat_heap_key_of_u64(uint64_t key)
{
    return (int64_t)(key ^ (UINT64_C(1) << 63));
}

/* Empty, without memory. moved may be NULL when entries are only taken from the top. */
void leat_heap_init(leat_heap *heap, leat_heap_moved *moved, void *owner);

/* Give the memory back; nobody is told about what was still in. The heap is as after init. */
void leat_heap_fini(leat_heap *heap);

/* Room for `count` entries in all. Grows by doubling, so calling it before every push is O(1) over
 * many. LEAT_ERR_NOMEM, LEAT_ERR_LIMIT (LEAT_HEAP_NOWHERE entries): the heap is unchanged. */
LEAT_NODISCARD leat_err leat_heap_reserve(leat_heap *heap, size_t count);

/* Put an entry in; there must be room. O(log n). */
void leat_heap_push(leat_heap *heap, int64_t key, uint32_t handle);

static inline bool
leat_heap_is_empty(const leat_heap *heap)
{
    return heap->count == 0;
}

static inline uint32_t
leat_heap_count(const leat_heap *heap)
{
    return heap->count;
}

/* The entry with the smallest key; the heap must not be empty. O(1). */
static inline leat_heap_entry
leat_heap_first(const leat_heap *heap)
{
    assert(heap->count > 0);
    return heap->entries[0];
}

/* Take the first entry out and return it; the heap must not be empty. O(log n). */
leat_heap_entry leat_heap_pop(leat_heap *heap);

/* Take the entry at `position` out. O(log n). */
void leat_heap_remove(leat_heap *heap, uint32_t position);

/* Give the entry at `position` another key. O(log n). */
void leat_heap_change(leat_heap *heap, uint32_t position, int64_t key);

#endif
