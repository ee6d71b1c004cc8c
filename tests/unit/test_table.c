/* Objects by index and by id. */
#include "broker/core/table.h"

#include <stdlib.h>

#include "proto/base/random.h"
#include "tests/lib/alloc.h"
#include "tests/lib/test.h"

Test(table, an_object_is_found_by_id_and_by_index)
{
    leat_table table;
    int object = 1;
    uint32_t index = 0;
    leat_table_init(&table);

    LEAT_PASS(leat_table_add(&table, 77, &object, &index));

    cr_assert(ne(u32, index, 0));
    cr_assert(eq(u32, leat_table_find(&table, 77), index));
    cr_assert(eq(ptr, leat_table_get(&table, 77), &object));
    cr_assert(eq(ptr, leat_table_at(&table, index), &object));
    cr_assert(eq(ptr, leat_table_get(&table, 78), NULL));
    leat_table_fini(&table);
}

Test(table, an_empty_table_holds_nobody)
{
    leat_table table;
    leat_table_init(&table);

    cr_assert(eq(u32, leat_table_find(&table, 0), 0));
    cr_assert(eq(u32, leat_table_next(&table, 0), 0));
    leat_table_fini(&table);
}

Test(table, the_smallest_and_the_largest_id_are_ids_like_others)
{
    leat_table table;
    int a = 0;
    int b = 0;
    uint32_t index;
    leat_table_init(&table);

    LEAT_PASS(leat_table_add(&table, 0, &a, &index));
    LEAT_PASS(leat_table_add(&table, UINT64_MAX, &b, &index));

    cr_assert(eq(ptr, leat_table_get(&table, 0), &a));
    cr_assert(eq(ptr, leat_table_get(&table, UINT64_MAX), &b));
    leat_table_fini(&table);
}

Test(table, a_walk_visits_everybody_once_though_some_leave)
{
    leat_table table;
    int objects[100];
    unsigned visited = 0;
    leat_table_init(&table);
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t index;
        objects[i] = 0;
        LEAT_PASS(leat_table_add(&table, 3ULL * i, &objects[i], &index));
    }

    for (uint32_t i = leat_table_next(&table, 0); i != 0; i = leat_table_next(&table, i)) {
        int *const object = leat_table_at(&table, i);
        (*object)++;
        visited++;
        if (visited % 2 == 0)
            leat_table_remove(&table, (uint64_t)(object - objects) * 3);
    }

    cr_assert(eq(u32, visited, 100));
    cr_assert(eq(u32, table.count, 50));
    leat_table_fini(&table);
}

Test(table, a_table_without_memory_refuses_and_keeps_what_it_has)
{
    leat_table table;
    int object = 0;
    uint32_t index = 0;
    leat_table_init(&table);

    for (int after = 0;; after++) {
        leat_alloc_fail_after(after);
        const leat_err err = leat_table_add(&table, 5, &object, &index);
        if (!leat_alloc_has_failed())
            break;
        LEAT_FAILS(err, LEAT_ERR_NOMEM);
        cr_assert(eq(u32, table.count, 0));
        cr_assert(eq(u32, leat_table_find(&table, 5), 0));
    }

    cr_assert(eq(ptr, leat_table_get(&table, 5), &object));
    leat_table_fini(&table);
}

#define MODEL 5000U

Test(table, random_ids_behave_like_an_array)
{
    leat_table table;
    leat_random random;
    static char objects[MODEL];
    static bool there[MODEL];
    uint32_t count = 0;
    leat_table_init(&table);
    leat_random_seed(&random, 3);

    for (unsigned step = 0; step < 200000; step++) {
        const uint32_t slot = (uint32_t)leat_random_below(&random, MODEL);
        const uint64_t id = (uint64_t)slot << (slot % 40);
        if (slot != 0 && (slot & 1U) == 0)
            continue; /* odd numbers shifted are different ids */
        cr_assert(eq(ptr, leat_table_get(&table, id), there[slot] ? &objects[slot] : NULL));
        if (there[slot]) {
            leat_table_remove(&table, id);
            count--;
        } else {
            uint32_t index;
            LEAT_PASS(leat_table_add(&table, id, &objects[slot], &index));
            count++;
        }
        there[slot] = !there[slot];
        cr_assert(eq(u32, table.count, count));
    }
    leat_table_fini(&table);
}
