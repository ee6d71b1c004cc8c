/* worker/amount: what a worker has, and which of it each job was given. */
#include "tests/lib/test.h"

#include "tests/lib/alloc.h"
#include "worker/amount.h"

static leat_amounts amounts;

static void
setup(void)
{
    static const leat_hello_have haves[] = {
        {"gpu",   4                          },
        {"mem",   1000000                    },
        {"most",  LEAT_AMOUNT_NUMBERS_MAX    },
        {"sum",   LEAT_AMOUNT_NUMBERS_MAX + 1},
        {"empty", 0                          },
    };
    leat_amounts_init(&amounts, haves, sizeof haves / sizeof *haves);
}

static void
teardown(void)
{
    leat_amounts_fini(&amounts);
}

TestSuite(worker_amount, .init = setup, .fini = teardown);

static leat_given *
must_give(const char *needs)
{
    leat_given *given = NULL;
    LEAT_PASS(leat_amounts_give(&amounts, leat_text_of(needs), &given));
    return given;
}

static void
must_not_give(const char *needs, leat_err err)
{
    leat_given *given = NULL;
    LEAT_FAILS(leat_amounts_give(&amounts, leat_text_of(needs), &given), err);
    cr_assert(given == NULL);
}

static void
must_have_numbers(const leat_given *given, const char *name, uint64_t count, const uint16_t *want)
{
    const leat_given_amount *const one = leat_given_of(given, name);
    cr_assert(one != NULL);
    cr_assert(eq(u64, one->amount, count));
    for (uint64_t i = 0; i < count; i++)
        cr_assert(eq(u16, one->numbers[i], want[i]));
}

Test(worker_amount, each_job_gets_the_lowest_numbers_that_nobody_has)
{
    leat_given *first = must_give("gpu=1");
    leat_given *second = must_give("gpu=2");
    must_have_numbers(first, "gpu", 1, (const uint16_t[]){0});
    must_have_numbers(second, "gpu", 2, (const uint16_t[]){1, 2});

    leat_amounts_take_back(&amounts, &first);
    leat_given *const third = must_give("gpu=2");

    cr_assert(first == NULL);
    must_have_numbers(third, "gpu", 2, (const uint16_t[]){0, 3});
    leat_amounts_take_back(&amounts, &second);
    must_have_numbers(must_give("gpu=2"), "gpu", 2, (const uint16_t[]){1, 2});
}

Test(worker_amount, what_others_hold_is_waited_for_and_nothing_of_the_rest_is_given)
{
    leat_given *gpus = must_give("gpu=4");

    must_not_give("gpu=1,mem=600000", LEAT_ERR_FULL);
    leat_given *mem = must_give("mem=600000");
    must_not_give("mem=600000", LEAT_ERR_FULL);

    leat_amounts_take_back(&amounts, &gpus);
    must_not_give("gpu=1,mem=600000", LEAT_ERR_FULL);
    leat_amounts_take_back(&amounts, &mem);
    must_have_numbers(must_give("gpu=1,mem=600000"), "gpu", 1, (const uint16_t[]){0});
}

Test(worker_amount, what_the_worker_never_has_is_not_waited_for)
{
    (void)must_give("gpu=4");

    must_not_give("gpu=5", LEAT_ERR_NOT_FOUND);
    must_not_give("gpu=1,tpu=1", LEAT_ERR_NOT_FOUND);
    must_not_give("empty=1", LEAT_ERR_NOT_FOUND);
    must_not_give("gp=1", LEAT_ERR_NOT_FOUND);
    must_not_give("gpus=1", LEAT_ERR_NOT_FOUND);
}

Test(worker_amount, a_job_without_needs_gets_nothing)
{
    leat_given *given = must_give("");

    cr_assert(given == NULL);
    cr_assert(leat_given_of(given, "gpu") == NULL);
    leat_amounts_take_back(&amounts, &given);
}

Test(worker_amount, only_what_was_given_is_found)
{
    const leat_given *const given = must_give("gpu=1,mem=5");

    cr_assert(eq(u32, given->count, 2));
    LEAT_SAME_TEXT(given->amounts[0].name, "gpu");
    LEAT_SAME_TEXT(given->amounts[1].name, "mem");
    cr_assert(leat_given_of(given, "most") == NULL);
}

Test(worker_amount, large_amounts_have_no_numbers)
{
    const leat_given *const given = must_give("most=1024,sum=1025");
    const leat_given_amount *const most = leat_given_of(given, "most");
    const leat_given_amount *const sum = leat_given_of(given, "sum");

    cr_assert(eq(u64, most->amount, 1024));
    for (uint16_t i = 0; i < 1024; i++)
        cr_assert(eq(u16, most->numbers[i], i));
    cr_assert(eq(u64, sum->amount, 1025));
    cr_assert(sum->numbers == NULL);
    must_not_give("most=1", LEAT_ERR_FULL);
    must_not_give("sum=1", LEAT_ERR_FULL);
}

Test(worker_amount, numbers_of_several_things_lie_side_by_side)
{
    const leat_given *const given = must_give("gpu=2,most=3");

    must_have_numbers(given, "gpu", 2, (const uint16_t[]){0, 1});
    must_have_numbers(given, "most", 3, (const uint16_t[]){0, 1, 2});
}

Test(worker_amount, without_memory_nothing_has_changed)
{
    leat_given *given = NULL;
    leat_alloc_fail_after(0);
    LEAT_FAILS(leat_amounts_give(&amounts, leat_text_of("gpu=4"), &given), LEAT_ERR_NOMEM);
    cr_assert(leat_alloc_has_failed());

    cr_assert(given == NULL);
    cr_assert(eq(u32, must_give("gpu=4")->count, 1));
}
