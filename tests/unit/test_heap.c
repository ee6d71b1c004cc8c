/* heap: smallest first, with positions that the owner keeps. */
#include "tests/lib/test.h"

#include "proto/base/heap.h"
#include "proto/base/random.h"
#include "tests/lib/alloc.h"

#define HANDLES 64U

/* An owner of HANDLES objects: where each lies, and what key it should have. */
typedef struct owner {
    leat_heap heap;
    uint32_t positions[HANDLES];
    int64_t keys[HANDLES];
} owner;

static void
moved(void *context, uint32_t handle, uint32_t position)
{
    owner *const self = context;
    self->positions[handle] = position;
}

static void
owner_init(owner *self)
{
    leat_heap_init(&self->heap, moved, self);
    for (uint32_t i = 0; i < HANDLES; i++)
        self->positions[i] = LEAT_HEAP_NOWHERE;
    LEAT_PASS(leat_heap_reserve(&self->heap, HANDLES));
}

static void
push(owner *self, uint32_t handle, int64_t key)
{
    self->keys[handle] = key;
    leat_heap_push(&self->heap, key, handle);
}

/* Every position is true, every key is the one that was given, no child comes before its parent. */
static void
check(const owner *self)
{
    uint32_t in = 0;
    for (uint32_t handle = 0; handle < HANDLES; handle++) {
        const uint32_t position = self->positions[handle];
        if (position == LEAT_HEAP_NOWHERE)
            continue;
        in++;
        cr_assert(lt(u32, position, self->heap.count));
        const leat_heap_entry entry = self->heap.entries[position];
        cr_assert(eq(u32, entry.handle, handle));
        cr_assert(eq(i64, entry.key, self->keys[handle]));
        if (position > 0)
            cr_assert(le(i64, self->heap.entries[(position - 1) / 2].key, entry.key));
    }
    cr_assert(eq(u32, in, leat_heap_count(&self->heap)));
}

Test(heap, entries_come_out_by_key_and_equal_keys_by_handle)
{
    static const int64_t keys[] = {5, INT64_MAX, -3, 5, 0, INT64_MIN, 5};
    static const uint32_t want[] = {5, 2, 4, 0, 3, 6, 1};
    owner self;
    owner_init(&self);
    for (uint32_t i = 0; i < 7; i++)
        push(&self, i, keys[i]);

    for (uint32_t i = 0; i < 7; i++) {
        cr_assert(eq(u32, leat_heap_first(&self.heap).handle, want[i]));
        const leat_heap_entry entry = leat_heap_pop(&self.heap);
        cr_assert(eq(u32, entry.handle, want[i]));
        cr_assert(eq(u32, self.positions[want[i]], LEAT_HEAP_NOWHERE));
    }
    cr_assert(leat_heap_is_empty(&self.heap));
    leat_heap_fini(&self.heap);
}

Test(heap, positions_stay_true_over_thousands_of_random_changes)
{
    owner self;
    leat_random random;
    leat_random_seed(&random, 1);
    owner_init(&self);

    for (int i = 0; i < 4000; i++) {
        const uint32_t handle = (uint32_t)leat_random_below(&random, HANDLES);
        const int64_t key = (int64_t)leat_random_below(&random, 40) - 20;
        if (self.positions[handle] == LEAT_HEAP_NOWHERE) {
            push(&self, handle, key);
        } else if (leat_random_below(&random, 3) == 0) {
            leat_heap_remove(&self.heap, self.positions[handle]);
        } else {
            self.keys[handle] = key;
            leat_heap_change(&self.heap, self.positions[handle], key);
        }
        check(&self);
    }
    for (int64_t before = INT64_MIN; !leat_heap_is_empty(&self.heap);) {
        const int64_t key = leat_heap_pop(&self.heap).key;
        cr_assert(le(i64, before, key));
        before = key;
    }
    leat_heap_fini(&self.heap);
}

Test(heap, a_heap_that_nobody_watches_works_without_positions)
{
    leat_heap heap;
    leat_heap_init(&heap, NULL, NULL);
    LEAT_PASS(leat_heap_reserve(&heap, 3));
    leat_heap_push(&heap, 2, 20);
    leat_heap_push(&heap, 1, 10);
    leat_heap_push(&heap, 3, 30);

    cr_assert(eq(u32, leat_heap_pop(&heap).handle, 10));
    cr_assert(eq(u32, leat_heap_pop(&heap).handle, 20));
    cr_assert(eq(u32, leat_heap_pop(&heap).handle, 30));
    leat_heap_fini(&heap);
}

Test(heap, unsigned_keys_keep_their_order)
{
    static const uint64_t keys[] = {0, 1, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX};
    for (size_t i = 1; i < sizeof keys / sizeof *keys; i++)
        cr_assert(lt(i64, leat_heap_key_of_u64(keys[i - 1]), leat_heap_key_of_u64(keys[i])));
}

Test(heap, without_memory_reserve_says_so_and_the_heap_is_as_before)
{
    owner self;
    owner_init(&self);
    push(&self, 1, 10);
    leat_alloc_fail_after(0);
    LEAT_FAILS(leat_heap_reserve(&self.heap, 100000), LEAT_ERR_NOMEM);

    cr_assert(leat_alloc_has_failed());
    check(&self);
    LEAT_PASS(leat_heap_reserve(&self.heap, 100000));
    check(&self);
    leat_heap_fini(&self.heap);
}

Test(heap, more_entries_than_positions_exist_are_a_limit)
{
    leat_heap heap;
    leat_heap_init(&heap, NULL, NULL);
    LEAT_FAILS(leat_heap_reserve(&heap, LEAT_HEAP_NOWHERE), LEAT_ERR_LIMIT);
    cr_assert(eq(u32, heap.capacity, 0));
}
