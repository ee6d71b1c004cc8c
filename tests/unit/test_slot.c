/* slot: records of started jobs, found by token; and sleep, their heap of timers. */
#include "tests/lib/test.h"

#include "tests/lib/alloc.h"
#include "worker/runner/sleep.h"
#include "worker/slot.h"

static leat_slots slots;
static leat_sleep timers;
static const leat_handler *handler;

static void
setup(void)
{
    size_t count;
    handler = leat_handlers(&count);
    leat_slots_init(&slots);
    leat_sleep_init(&timers, &slots);
}

static void
teardown(void)
{
    leat_sleep_fini(&timers);
    leat_slots_fini(&slots);
}

TestSuite(slot, .init = setup, .fini = teardown);

static leat_token
token_of(uint64_t id)
{
    return (leat_token){.id = id, .attempt = 1, .epoch = 77};
}

static leat_slot *
must_enter(uint64_t id)
{
    const leat_token token = token_of(id);
    leat_slot *slot = NULL;
    LEAT_PASS(leat_slots_enter(&slots, &token, handler, 1000, &slot));
    return slot;
}

Test(slot, a_job_is_found_by_its_whole_token_until_it_leaves)
{
    leat_slot *slot = must_enter(42);
    const leat_token other_attempt = {.id = 42, .attempt = 2, .epoch = 77};
    const leat_token other_epoch = {.id = 42, .attempt = 1, .epoch = 78};
    const leat_token token = token_of(42);

    cr_assert(leat_slots_find(&slots, &token) == slot);
    cr_assert(leat_slots_find(&slots, &other_attempt) == NULL);
    cr_assert(leat_slots_find(&slots, &other_epoch) == NULL);
    cr_assert(eq(u32, slots.count, 1));
    leat_slots_leave(&slots, &slot);

    cr_assert(slot == NULL);
    cr_assert(leat_slots_find(&slots, &token) == NULL);
    cr_assert(eq(u32, slots.count, 0));
}

Test(slot, two_attempts_of_one_job_are_two_records)
{
    const leat_token second = {.id = 42, .attempt = 2, .epoch = 77};
    leat_slot *one = must_enter(42);
    leat_slot *two = NULL;
    LEAT_PASS(leat_slots_enter(&slots, &second, handler, 0, &two));

    leat_slots_leave(&slots, &one);

    cr_assert(leat_slots_find(&slots, &second) == two);
}

Test(slot, thousands_come_and_go_in_any_order_and_each_is_found)
{
    enum {
        COUNT = 5000
    };
    for (uint64_t id = 1; id <= COUNT; id++)
        (void)must_enter(id * 7);
    for (uint64_t i = 1; i <= COUNT; i += 2) {
        const leat_token token = token_of(i * 7);
        leat_slot *slot = leat_slots_find(&slots, &token);
        cr_assert(slot != NULL);
        leat_slots_leave(&slots, &slot);
    }

    for (uint64_t i = 1; i <= COUNT; i++) {
        const leat_token token = token_of(i * 7);
        const leat_slot *const slot = leat_slots_find(&slots, &token);
        cr_assert(eq(int, slot != NULL, i % 2 == 0));
    }
    cr_assert(eq(u32, slots.count, COUNT / 2));
}

Test(slot, records_are_used_again_and_do_not_move)
{
    leat_slot *const first = must_enter(1);
    leat_slot *second = must_enter(2);
    leat_slot *const place = second;
    leat_slots_leave(&slots, &second);
    for (uint64_t id = 3; id < 3000; id++)
        (void)must_enter(id);

    const leat_token token = token_of(1);
    const leat_token again = token_of(3);
    cr_assert(leat_slots_find(&slots, &token) == first);
    cr_assert(leat_slots_find(&slots, &again) == place);
}

Test(slot, each_shows_every_record_once_also_while_they_leave)
{
    uint64_t sum = 0;
    uint32_t next = 0;
    leat_slot *slot;
    for (uint64_t id = 1; id <= 100; id++)
        (void)must_enter(id);

    while ((slot = leat_slots_each(&slots, &next)) != NULL) {
        sum += slot->token.id;
        leat_slots_leave(&slots, &slot);
    }

    cr_assert(eq(u64, sum, 5050));
    cr_assert(eq(u32, slots.count, 0));
}

Test(slot, without_memory_nothing_has_changed)
{
    const leat_token token = token_of(1);
    int after = 0;
    for (;; after++) {
        leat_slot *slot = NULL;
        leat_alloc_fail_after(after);
        const leat_err err = leat_slots_enter(&slots, &token, handler, 0, &slot);
        if (!leat_alloc_has_failed()) {
            LEAT_PASS(err);
            break;
        }
        LEAT_FAILS(err, LEAT_ERR_NOMEM);
        cr_assert(eq(u32, slots.count, 0));
        cr_assert(leat_slots_find(&slots, &token) == NULL);
    }
    cr_assert(gt(int, after, 0));
}

Test(slot, sleepers_wake_in_the_order_of_their_times)
{
    static const int64_t due_us[] = {500, 100, 900, 300, 700};
    for (size_t i = 0; i < 5; i++)
        LEAT_PASS(leat_sleep_add(&timers, must_enter((uint64_t)due_us[i]), due_us[i]));

    cr_assert(eq(i64, leat_sleep_due_us(&timers), 100));
    cr_assert(leat_sleep_next_due(&timers, 99) == NULL);
    cr_assert(eq(u64, leat_sleep_next_due(&timers, 500)->token.id, 100));
    cr_assert(eq(u64, leat_sleep_next_due(&timers, 500)->token.id, 300));
    cr_assert(eq(u64, leat_sleep_next_due(&timers, 500)->token.id, 500));
    cr_assert(leat_sleep_next_due(&timers, 500) == NULL);
    cr_assert(eq(u32, leat_sleep_count(&timers), 2));
    cr_assert(eq(i64, leat_sleep_due_us(&timers), 700));
}

Test(slot, a_sleeper_that_is_woken_early_is_in_the_heap_no_more)
{
    leat_slot *slots_of[10];
    for (int i = 0; i < 10; i++) {
        slots_of[i] = must_enter((uint64_t)i);
        LEAT_PASS(leat_sleep_add(&timers, slots_of[i], 100 - i));
    }

    leat_sleep_remove(&timers, slots_of[9]);
    leat_sleep_remove(&timers, slots_of[4]);
    leat_slots_leave(&slots, &slots_of[4]);

    cr_assert(eq(u32, leat_sleep_count(&timers), 8));
    cr_assert(eq(i64, leat_sleep_due_us(&timers), 92));
    for (int left = 8; left > 0; left--)
        cr_assert(leat_sleep_next_due(&timers, 100) != NULL);
    cr_assert(eq(i64, leat_sleep_due_us(&timers), INT64_MAX));
}

Test(slot, a_million_sleepers_take_less_than_400_bytes_each)
{
    /* What a sleeper costs: its record, its entry in the heap that has doubled, its entries in the
     * table that has doubled. */
    const size_t bytes = sizeof(leat_slot) + 2 * sizeof(leat_heap_entry) + 3 * sizeof(*slots.table);

    cr_assert(le(sz, bytes, 400));
    cr_assert(eq(u32, slots.count, 0));
}
