/* kept: results that the broker had no room for, and when they are said again. */
#include "tests/lib/test.h"

#include "worker/kept.h"

static leat_kept kept;
static leat_outbox outbox;

static void
setup(void)
{
    leat_kept_init(&kept);
    leat_outbox_init(&outbox);
}

static void
teardown(void)
{
    leat_kept_fini(&kept);
    leat_outbox_fini(&outbox);
}

TestSuite(worker_kept, .init = setup, .fini = teardown);

/* A frame with the ends of jobs 1 … n; those with these ids are refused. */
static void
refuse(unsigned n, const uint64_t *ids, size_t count, int64_t now_ms)
{
    leat_buf frame = {0};
    leat_token tokens[8] = {0};
    leat_frame_begin(&frame, LEAT_CMD_DONE);
    leat_done_put_head(&frame, 0);
    for (uint64_t id = 1; id <= n; id++) {
        const leat_done done = {
            .token = {.id = id, .attempt = 1,      .epoch = 9},
            .end = LEAT_END_DONE,
            .run_us = id,
            .result = {(const uint8_t *)"result",        6}
        };
        leat_done_put(&frame, &done);
    }
    leat_frame_finish(&frame, 0, (uint16_t)n, 0);
    for (size_t i = 0; i < count; i++)
        tokens[i] = (leat_token){.id = ids[i], .attempt = 1};
    LEAT_PASS(leat_kept_add(&kept, frame.data, frame.size, tokens, count, now_ms));
    leat_buf_fini(&frame);
}

Test(worker_kept, only_what_was_refused_is_kept)
{
    static const uint64_t ids[] = {2, 5};
    refuse(5, ids, 2, 1000);
    cr_assert(eq(sz, kept.count, 2));
    cr_assert(eq(sz, kept.bytes, 12));
}

Test(worker_kept, one_is_said_again_after_a_while_and_the_others_when_it_is_taken)
{
    static const uint64_t ids[] = {1, 2, 3};
    refuse(3, ids, 3, 1000);
    leat_kept_say(&kept, &outbox, 1000 + LEAT_KEPT_AGAIN_MS - 1);
    cr_assert(eq(int, outbox.done_count, 0));
    leat_kept_say(&kept, &outbox, 1000 + LEAT_KEPT_AGAIN_MS);
    leat_kept_say(&kept, &outbox, 9000);
    cr_assert(eq(int, outbox.done_count, 1));
    cr_assert(kept.asked);
    leat_kept_taken(&kept, 2500);
    leat_kept_say(&kept, &outbox, 2500);
    cr_assert(eq(int, outbox.done_count, 2));
    leat_kept_taken(&kept, 2600);
    leat_kept_say(&kept, &outbox, 2600);
    leat_kept_taken(&kept, 2700);
    cr_assert(eq(int, outbox.done_count, 3));
    cr_assert(eq(sz, kept.count, 0));
    cr_assert(not(kept.asked));
    cr_assert(eq(i64, kept.again_ms, INT64_MAX));
}

Test(worker_kept, refused_again_it_waits_again)
{
    static const uint64_t ids[] = {1};
    refuse(1, ids, 1, 1000);
    leat_kept_say(&kept, &outbox, 2000);
    cr_assert(eq(sz, kept.count, 0));
    refuse(1, ids, 1, 2100);
    cr_assert(eq(sz, kept.count, 1));
    cr_assert(not(kept.asked));
    cr_assert(eq(i64, kept.again_ms, 2100 + LEAT_KEPT_AGAIN_MS));
}

Test(worker_kept, one_that_is_to_stop_is_forgotten)
{
    static const uint64_t ids[] = {1, 2};
    refuse(2, ids, 2, 1000);
    cr_assert(leat_kept_drop(&kept, &(leat_token){.id = 1, .attempt = 1}));
    cr_assert(not(leat_kept_drop(&kept, &(leat_token){.id = 1, .attempt = 1})));
    cr_assert(not(leat_kept_drop(&kept, &(leat_token){.id = 2, .attempt = 2})));
    cr_assert(eq(sz, kept.count, 1));
    cr_assert(eq(sz, kept.bytes, 6));
}

static void
count(void *context, const leat_token *token)
{
    *(uint64_t *)context += token->id;
}

Test(worker_kept, they_are_named_after_a_reconnect)
{
    static const uint64_t ids[] = {2, 3};
    uint64_t sum = 0;
    refuse(3, ids, 2, 1000);
    leat_kept_each(&kept, count, &sum);
    cr_assert(eq(u64, sum, 5));
}
