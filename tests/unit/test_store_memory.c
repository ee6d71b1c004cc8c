/* broker/store/memory: its sorted tables against a plain model, and memory that runs out. */
#include "tests/lib/test.h"

#include "broker/store/memory.h"
#include "proto/base/random.h"
#include "tests/lib/alloc.h"
#include "tests/lib/stores.h"

static leat_test_store t;

static void
init(void)
{
    leat_test_store_init(&t, LEAT_TEST_MEMORY, NULL);
}

static void
fini(void)
{
    leat_test_store_fini(&t);
}

TestSuite(store_memory, .init = init, .fini = fini);

/* The model: for each of the first IDS numbers the value of its object, or 0 for none. */
enum {
    IDS = 4096
};

struct walk {
    const uint32_t *model;
    uint64_t next;
};

/* The next object that load hands out is the next that the model has. */
static leat_err
compare_object(void *context, leat_object_kind kind, uint64_t id, const uint8_t *data, size_t size)
{
    struct walk *const walk = context;
    while (walk->next < IDS && walk->model[walk->next] == 0)
        walk->next++;
    cr_assert(eq(int, (int)kind, LEAT_OBJECT_BATCH));
    cr_assert(eq(u64, id, walk->next));
    cr_assert(eq(sz, size, 4));
    cr_assert(eq(uint, leat_load_u32(data), walk->model[id]));
    walk->next++;
    return LEAT_ERR_OK;
}

static void
must_be_like(const uint32_t *model)
{
    struct walk walk = {.model = model};
    const leat_load load = {.context = &walk, .object = compare_object};
    LEAT_PASS(leat_store_load(t.store, &load));
    while (walk.next < IDS && model[walk.next] == 0)
        walk.next++;
    cr_assert(eq(u64, walk.next, IDS));
}

Test(store_memory, puts_and_drops_at_random_do_what_a_plain_array_does)
{
    static uint32_t model[IDS];
    leat_random random;
    leat_random_seed(&random, 7);
    uint32_t value = 0;
    for (unsigned round = 0; round < 60; round++) {
        /* It grows, stays, and shrinks to nothing. */
        const unsigned drops = round < 20 ? 20 : round < 40 ? 50 : 90;
        for (unsigned i = 0; i < 1000; i++) {
            const uint64_t id = leat_random_below(&random, IDS);
            uint8_t record[4];
            if (leat_random_below(&random, 100) < drops) {
                leat_changes_drop(&t.changes, LEAT_OBJECT_BATCH, id);
                model[id] = 0;
            } else {
                model[id] = ++value;
                leat_store_u32(record, value);
                leat_changes_put(&t.changes, LEAT_OBJECT_BATCH, id, record, sizeof record);
            }
        }
        leat_test_store_commit(&t);
        must_be_like(model);
    }
    for (uint64_t id = 0; id < IDS; id++) {
        leat_changes_drop(&t.changes, LEAT_OBJECT_BATCH, id);
        model[id] = 0;
    }
    leat_test_store_commit(&t);
    must_be_like(model);
    cr_assert(eq(u64, leat_test_store_facts(&t).used_bytes, 0));
}

Test(store_memory, every_allocation_may_fail_and_nothing_leaks)
{
    leat_buf turn = {0};
    static const uint64_t ids[] = {3, 40, 5};
    leat_test_put_ends(&turn, &(leat_test_ends){.batch = 1,
                                                .first_position = 1,
                                                .worker = "w1",
                                                .ids = ids,
                                                .n = 3,
                                                .result_bytes = 3});
    for (int after = 0;; after++) {
        leat_store *store = NULL;
        leat_changes changes = {0};
        leat_alloc_fail_after(after);
        leat_err err = leat_store_memory_new(NULL, &store);
        if (err == LEAT_ERR_OK) {
            leat_changes_turn(&changes, 1, turn.data, turn.size);
            leat_changes_put(&changes, LEAT_OBJECT_BATCH, 1, "b", 1);
            leat_changes_trim(&changes, 2);
            err = leat_store_commit(store, &changes, 1);
        }
        const bool failed = leat_alloc_has_failed();
        LEAT_FAILS(err, failed ? LEAT_ERR_NOMEM : LEAT_ERR_OK);
        if (failed && store != NULL) {
            /* A store that could not take a list takes none after it. */
            LEAT_FAILS(leat_store_commit(store, &changes, 2), LEAT_ERR_IO);
            cr_assert(eq(u64, leat_store_durable_upto(store), 0));
        }
        leat_store_destroy(&store);
        if (!failed) {
            cr_assert(gt(int, after, 5));
            break;
        }
    }
    leat_buf_fini(&turn);
}
