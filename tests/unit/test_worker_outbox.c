/* outbox: ends and returned jobs, gathered into frames for the link. The link here is never
 * connected: it keeps what it is given. */
#include "tests/lib/test.h"

#include "tests/lib/alloc.h"
#include "worker/outbox.h"

static leat_outbox outbox;
static leat_link *peer;

static void
setup(void)
{
    static const char *const endpoints[] = {"ipc:///nowhere/broker.sock"};
    static leat_link_options options;
    options.endpoints = endpoints;
    options.endpoint_count = 1;
    options.hello.role = LEAT_ROLE_WORKER;
    LEAT_PASS(leat_link_new(&options, &peer));
    leat_outbox_init(&outbox);
}

static void
teardown(void)
{
    leat_outbox_fini(&outbox);
    leat_link_destroy(&peer);
}

TestSuite(worker_outbox, .init = setup, .fini = teardown);

static void
add_done(uint64_t id, const void *result, uint32_t size)
{
    const leat_done done = {
        .token = {.id = id, .attempt = 1, .epoch = 77},
        .end = LEAT_END_DONE,
        .result = {.data = result,        .size = size      },
    };
    leat_outbox_done(&outbox, &done);
}

static void
sum_ids(void *context, const leat_token *token)
{
    *(uint64_t *)context += token->id;
}

static uint64_t
sum_of_ends(void)
{
    uint64_t sum = 0;
    leat_outbox_each_done(&outbox, sum_ids, &sum);
    return sum;
}

Test(worker_outbox, all_ends_of_a_pass_leave_in_one_frame)
{
    for (uint64_t id = 1; id <= 100; id++)
        add_done(id, "x", 1);
    cr_assert(eq(u64, sum_of_ends(), 5050));

    leat_outbox_flush(&outbox, peer);

    cr_assert(eq(u32, leat_link_unanswered(peer), 1));
    cr_assert(leat_outbox_is_empty(&outbox));
    cr_assert(eq(u64, sum_of_ends(), 0));
}

Test(worker_outbox, nothing_to_say_makes_no_frame)
{
    leat_outbox_flush(&outbox, peer);

    cr_assert(eq(u32, leat_link_unanswered(peer), 0));
}

Test(worker_outbox, a_frame_of_ends_closes_at_its_count)
{
    for (uint64_t id = 1; id <= LEAT_RECORDS_MAX; id++)
        add_done(id, NULL, 0);
    cr_assert(eq(sz, outbox.count, 1)); /* 33 bytes a record: closed by its size before */

    leat_outbox_flush(&outbox, peer);

    cr_assert(eq(u32, leat_link_unanswered(peer), 2));
}

Test(worker_outbox, a_frame_of_ends_closes_at_its_size_and_one_record_may_exceed_it)
{
    static uint8_t large[LEAT_PAYLOAD_BYTES_MAX];
    add_done(1, large, 200 * 1024);
    add_done(2, large, 100 * 1024);
    add_done(3, large, sizeof large);
    cr_assert(eq(sz, outbox.count, 2));
    cr_assert(eq(u64, sum_of_ends(), 6));

    leat_outbox_flush(&outbox, peer);

    cr_assert(eq(u32, leat_link_unanswered(peer), 3));
}

Test(worker_outbox, jobs_that_go_back_leave_in_a_frame_of_their_own)
{
    const leat_token token = {.id = 5, .attempt = 1, .epoch = 77};
    add_done(1, "x", 1);
    for (uint32_t i = 0; i < LEAT_RECORDS_MAX + 1; i++)
        leat_outbox_release(&outbox, &token);
    cr_assert(eq(u64, sum_of_ends(), 1));

    leat_outbox_flush(&outbox, peer);

    cr_assert(eq(u32, leat_link_unanswered(peer), 3));
    cr_assert(leat_outbox_is_empty(&outbox));
}

Test(worker_outbox, jobs_that_ask_for_later_leave_in_a_frame_of_their_own)
{
    const leat_token token = {.id = 5, .attempt = 1, .epoch = 77};
    leat_outbox_release(&outbox, &token);
    leat_outbox_snooze(&outbox, &token, 1500);
    cr_assert(not(leat_outbox_is_empty(&outbox)));
    leat_reader records;
    leat_token_record record;
    LEAT_PASS(leat_tokens_open(LEAT_CMD_SNOOZE, outbox.snooze.data + LEAT_FRAME_BYTES,
                               outbox.snooze.size - LEAT_FRAME_BYTES, 1, &records));
    leat_tokens_next(LEAT_CMD_SNOOZE, &records, &record);
    cr_assert(eq(u64, record.token.id, 5));
    cr_assert(eq(u64, record.delay_ms, 1500));

    leat_outbox_flush(&outbox, peer);

    cr_assert(eq(u32, leat_link_unanswered(peer), 2));
    cr_assert(leat_outbox_is_empty(&outbox));
}

Test(worker_outbox, without_room_in_the_window_the_frame_stays_open_and_grows)
{
    while (leat_link_room(peer) > 0) {
        add_done(1, NULL, 0);
        leat_outbox_flush(&outbox, peer);
    }
    const uint32_t full = leat_link_unanswered(peer);

    for (uint64_t id = 1; id <= 10; id++) {
        add_done(id, NULL, 0);
        leat_outbox_flush(&outbox, peer);
    }

    cr_assert(eq(u32, leat_link_unanswered(peer), full));
    cr_assert(eq(u16, outbox.done_count, 10));
    cr_assert(eq(u64, sum_of_ends(), 55));
}

Test(worker_outbox, what_is_dropped_is_gone_and_the_highest_start_is_kept)
{
    outbox.started = 7;
    add_done(1, "x", 1);

    leat_outbox_drop(&outbox);

    cr_assert(leat_outbox_is_empty(&outbox));
    cr_assert(eq(u64, sum_of_ends(), 0));
    cr_assert(eq(u64, outbox.started, 7));
}

Test(worker_outbox, an_end_for_which_there_is_no_memory_is_remembered)
{
    leat_alloc_fail_after(0);
    add_done(1, "x", 1);
    cr_assert(leat_alloc_has_failed());

    cr_assert(outbox.failed);
    leat_outbox_flush(&outbox, peer);
    cr_assert(eq(u32, leat_link_unanswered(peer), 0));
}

/* A job that was put off is this worker's until the broker has heard of it. */
Test(worker_outbox, who_asks_for_later_is_claimed_as_an_end_is)
{
    const leat_token token = {.id = 40, .attempt = 1, .epoch = 77};
    add_done(2, "x", 1);
    leat_outbox_snooze(&outbox, &token, 1500);
    cr_assert(eq(u64, sum_of_ends(), 42));
    for (uint64_t id = 1; id < LEAT_RECORDS_MAX + 1; id++) /* the frame of snoozes is closed */
        leat_outbox_snooze(&outbox, &(leat_token){.id = 1, .attempt = 1, .epoch = 77}, 1);
    cr_assert(eq(u64, sum_of_ends(), 42 + LEAT_RECORDS_MAX));

    leat_outbox_flush(&outbox, peer);
    cr_assert(eq(u64, sum_of_ends(), 0));
}

/* The link keeps frames in the order in which it was given them: by their commands. */
Test(worker_outbox, a_checkpoint_leaves_before_the_end_that_follows_it)
{
    static const uint8_t large[LEAT_CHECKPOINT_BYTES_MAX] = {1};
    const leat_token token = {.id = 1, .attempt = 1, .epoch = 77};
    leat_outbox_checkpoint(&outbox, &token, (leat_bytes){large, sizeof large});
    cr_assert(not(leat_outbox_is_empty(&outbox)));
    for (uint64_t id = 1; id <= LEAT_RECORDS_MAX + 1; id++) /* the frame of ends is closed */
        add_done(id, "", 0);

    cr_assert(eq(sz, outbox.count, 2));
    cr_assert(eq(int, outbox.closed[outbox.first].data[3], LEAT_CMD_CHECKPOINT));
    cr_assert(eq(int, outbox.closed[outbox.first + 1].data[3], LEAT_CMD_DONE));
    cr_assert(not(leat_outbox_is_flowing(&outbox)));
    leat_outbox_flush(&outbox, peer);
    cr_assert(eq(u32, leat_link_unanswered(peer), 3));
    cr_assert(leat_outbox_is_flowing(&outbox));
}

Test(worker_outbox, checkpoints_are_gathered_into_frames_of_a_legal_size)
{
    static const uint8_t large[LEAT_CHECKPOINT_BYTES_MAX] = {1};
    for (uint64_t id = 1; id <= 7; id++) {
        const leat_token token = {.id = id, .attempt = 1, .epoch = 77};
        leat_outbox_checkpoint(&outbox, &token, (leat_bytes){large, sizeof large});
    }

    leat_outbox_flush(&outbox, peer);

    cr_assert(eq(u32, leat_link_unanswered(peer), 3));
}
