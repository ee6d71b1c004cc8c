/* The table of live items: by id, by index, in leaves that go when they are empty. */
#include "broker/core/item.h"

#include <stdlib.h>

#include "proto/base/random.h"
#include "tests/lib/alloc.h"
#include "tests/lib/test.h"

static uint32_t
must_add(leat_items *items, uint64_t id)
{
    LEAT_PASS(leat_items_reserve(items, id, 1));
    return leat_items_add(items, id);
}

Test(item, an_added_item_is_found_by_its_id_and_zeroed)
{
    leat_items items;
    LEAT_PASS(leat_items_init(&items));

    const uint32_t index = must_add(&items, 1000);

    cr_assert(ne(u32, index, LEAT_NOBODY));
    cr_assert(eq(u32, leat_items_find(&items, 1000), index));
    cr_assert(eq(u64, leat_items_at(&items, index)->id, 1000));
    cr_assert(eq(u32, leat_items_at(&items, index)->attempt, 0));
    cr_assert(eq(u32, leat_items_find(&items, 1001), LEAT_NOBODY));
    cr_assert(eq(u32, leat_items_find(&items, 1000 + (1ULL << 32)), LEAT_NOBODY));
    leat_items_fini(&items);
}

Test(item, the_last_one_of_a_chunk_says_that_it_is_empty)
{
    leat_items items;
    uint32_t index[LEAT_CHUNK_IDS];
    LEAT_PASS(leat_items_init(&items));
    LEAT_PASS(leat_items_reserve(&items, 64, LEAT_CHUNK_IDS + 1));
    for (uint32_t i = 0; i < LEAT_CHUNK_IDS; i++)
        index[i] = leat_items_add(&items, 64 + i);
    const uint32_t next = leat_items_add(&items, 64 + LEAT_CHUNK_IDS);

    for (uint32_t i = 1; i < LEAT_CHUNK_IDS; i++)
        cr_assert(not(leat_items_remove(&items, index[i])));

    cr_assert(eq(u32, leat_items_leaf(&items, 0)->chunk_alive[2], 1));
    cr_assert(eq(u32, leat_items_leaf(&items, 0)->chunk_ended, 4));
    cr_assert(leat_items_remove(&items, index[0]));
    cr_assert(eq(u32, leat_items_leaf(&items, 0)->chunk_ended, 0));
    cr_assert(eq(u32, leat_items_find(&items, 96), next));
    leat_items_fini(&items);
}

Test(item, a_leaf_without_items_is_gone)
{
    leat_items items;
    uint64_t numbers[4];
    LEAT_PASS(leat_items_init(&items));
    const uint32_t a = must_add(&items, 5);
    const uint32_t b = must_add(&items, 512 * 7 + 1);
    cr_assert(eq(u32, leat_items_leaves(&items, numbers, 4), 2));

    cr_assert(leat_items_remove(&items, b));

    cr_assert(eq(u32, leat_items_leaves(&items, numbers, 4), 1));
    cr_assert(eq(u64, numbers[0], 0));
    cr_assert(eq(ptr, leat_items_leaf(&items, 7), NULL));
    cr_assert(leat_items_remove(&items, a));
    cr_assert(eq(u32, items.alive, 0));
    cr_assert(eq(u32, items.leaf_count, 0));
    leat_items_fini(&items);
}

Test(item, an_index_is_used_again)
{
    leat_items items;
    LEAT_PASS(leat_items_init(&items));
    const uint32_t first = must_add(&items, 1);
    (void)leat_items_remove(&items, first);

    for (uint64_t id = 2; id < 100000; id++)
        (void)leat_items_remove(&items, must_add(&items, id));

    cr_assert(eq(u32, items.slab_count, 1));
    leat_items_fini(&items);
}

Test(item, a_reservation_without_memory_leaves_what_is_there)
{
    leat_items items;
    LEAT_PASS(leat_items_init(&items));
    const uint32_t index = must_add(&items, 3);

    for (int after = 0;; after++) {
        leat_alloc_fail_after(after);
        const leat_err err = leat_items_reserve(&items, 100000, 5000);
        if (!leat_alloc_has_failed())
            break;
        LEAT_FAILS(err, LEAT_ERR_NOMEM);
    }

    cr_assert(eq(u32, leat_items_find(&items, 3), index));
    cr_assert(eq(u32, items.alive, 1));
    LEAT_PASS(leat_items_reserve(&items, 100000, 5000));
    leat_items_fini(&items);
}

#define MODEL_IDS 100000U

/* Random ids come and go; a plain array says what must be there. */
Test(item, a_hundred_thousand_random_ids_behave_like_an_array)
{
    leat_items items;
    leat_random random;
    uint32_t *const model = calloc(MODEL_IDS, sizeof *model);
    uint32_t alive = 0;
    LEAT_PASS(leat_items_init(&items));
    leat_random_seed(&random, 1);

    for (unsigned step = 0; step < 4 * MODEL_IDS; step++) {
        const uint32_t slot = (uint32_t)leat_random_below(&random, MODEL_IDS);
        const uint64_t id = (uint64_t)slot * (slot % 3 == 0 ? 1 : 1009); /* dense and sparse */
        if (slot % 3 != 0 && (uint64_t)slot * 1009 < MODEL_IDS)
            continue; /* would be a dense id as well */
        cr_assert(eq(u32, leat_items_find(&items, id), model[slot]));
        if (model[slot] == LEAT_NOBODY) {
            model[slot] = must_add(&items, id);
            alive++;
        } else {
            cr_assert(eq(u64, leat_items_at(&items, model[slot])->id, id));
            (void)leat_items_remove(&items, model[slot]);
            model[slot] = LEAT_NOBODY;
            alive--;
        }
        cr_assert(eq(u32, items.alive, alive));
    }

    for (uint32_t slot = 0; slot < MODEL_IDS; slot++) {
        if (model[slot] != LEAT_NOBODY)
            (void)leat_items_remove(&items, model[slot]);
    }
    cr_assert(eq(u32, items.alive, 0));
    cr_assert(eq(u32, items.leaf_count, 0));
    leat_items_fini(&items);
    free(model);
}
