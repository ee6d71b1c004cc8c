/* Batches and those who wait for them: everybody sees every completion, in order, until it has
 * acknowledged it; goals are told when they are reached. */
#include <stdio.h>

#include "tests/lib/peers.h"
#include "tests/lib/test.h"

#define ALL 100000U

static test_world w;
static test_peer *client;

static void
setup(void)
{
    world_init(&w);
    client = must_client(&w);
}

static void
teardown(void)
{
    world_fini(&w);
}

TestSuite(core_batch, .init = setup, .fini = teardown);

static uint64_t
must_submit(unsigned n, uint8_t flags)
{
    leat_send_head head = test_head("echo", (uint32_t)w.heard); /* any tag that is new */
    head.flags = flags;
    return must_send(client, &head, n)->sent.batch;
}

static test_peer *
must_hire(uint32_t slots)
{
    test_peer *const worker = must_worker(&w, "w1", slots, "echo");
    peer_credit(worker, slots);
    must_settle(&w);
    return worker;
}

static bool
has_goal(const test_peer *peer, uint64_t batch)
{
    return (peer_flags(peer, batch) & LEAT_ITEMS_GOAL) != 0;
}

Test(core_batch, two_waiters_see_every_completion_in_order)
{
    test_peer *const other = must_client(&w);
    const uint64_t batch = must_submit(100, LEAT_SEND_SEAL);
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    peer_wait(other, batch, 0, LEAT_GOAL_ALL, 0, ALL);

    must_end_all(must_hire(7), LEAT_END_DONE);

    cr_assert(peer_has_positions(client, batch, 1, 100));
    cr_assert(peer_has_positions(other, batch, 1, 100));
    const test_run *const last = peer_last_run(other, batch);
    cr_assert(eq(u32, last->flags, LEAT_ITEMS_SEALED | LEAT_ITEMS_FINISHED | LEAT_ITEMS_GOAL));
    cr_assert(eq(u64, last->counters.total, 100));
    cr_assert(eq(u64, last->counters.done, 100));
}

Test(core_batch, a_completion_says_what_was_done)
{
    const uint64_t batch = must_submit(1, LEAT_SEND_SEAL);
    test_peer *const worker = must_hire(1);
    world_pass(&w, 1234);

    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 77, "result", 6);
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);

    const test_completion *const c = &client->completions[0];
    cr_assert(eq(u64, c->completion.job, worker->jobs[0].token.id));
    cr_assert(eq(u32, c->completion.place, 1));
    cr_assert(eq(u32, c->completion.attempt, 1));
    cr_assert(eq(int, c->completion.outcome, LEAT_OUTCOME_DONE));
    cr_assert(eq(u64, c->completion.run_us, 77));
    cr_assert(eq(u64, c->completion.ended_ms, (uint64_t)w.now.wall_ms));
    cr_assert(eq(int, memcmp(c->completion.result.data, "result", 6), 0));
    cr_assert(leat_text_is(c->worker, leat_text_of("w1")));
}

Test(core_batch, completions_leave_only_when_they_are_on_disk)
{
    const uint64_t batch = must_submit(2, LEAT_SEND_SEAL);
    test_peer *const worker = must_hire(2);
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);
    w.disk->hold = true;

    (void)peer_done_many(worker, 0, 2, LEAT_END_DONE, 1);
    must_settle(&w);
    cr_assert(eq(sz, client->completion_count, 0));
    cr_assert(not(has_goal(client, batch)));
    test_late_let_all(w.disk);
    must_settle(&w);

    cr_assert(peer_has_positions(client, batch, 1, 2));
    cr_assert(has_goal(client, batch));
}

Test(core_batch, nothing_that_is_told_of_a_batch_is_ahead_of_the_disk)
{
    const uint64_t batch = must_submit(4, LEAT_SEND_SEAL);
    test_peer *const worker = must_hire(4);
    peer_wait(client, batch, 0, LEAT_GOAL_COUNT, 2, ALL);
    must_settle(&w);
    w.disk->hold = true;
    (void)peer_done_many(worker, 0, 2, LEAT_END_DONE, 1);
    must_settle(&w);
    (void)peer_done_many(worker, 2, 2, LEAT_END_DONE, 1);
    must_settle(&w);

    test_late_let(w.disk, 1); /* the first two */
    must_settle(&w);

    cr_assert(peer_has_positions(client, batch, 1, 2));
    cr_assert(has_goal(client, batch));
    cr_assert(eq(u32, peer_flags(client, batch) & LEAT_ITEMS_FINISHED, 0));
    cr_assert(eq(u64, peer_last_run(client, batch)->counters.done, 2));
}

Test(core_batch, the_goal_ok_is_told_though_more_is_on_its_way_to_the_disk)
{
    const uint64_t batch = must_submit(4, 0);
    test_peer *const worker = must_hire(4);
    peer_wait(client, batch, 0, LEAT_GOAL_OK, 2, ALL);
    must_settle(&w);
    w.disk->hold = true;
    (void)peer_done_many(worker, 0, 2, LEAT_END_DONE, 1);
    must_settle(&w);
    (void)peer_done_many(worker, 2, 1, LEAT_END_DONE, 1);
    must_settle(&w);
    cr_assert(not(has_goal(client, batch)));

    test_late_let(w.disk, 1);
    must_settle(&w);

    cr_assert(has_goal(client, batch));
    cr_assert(peer_has_positions(client, batch, 1, 2));
}

Test(core_batch, the_goal_count_is_told_with_the_completions_that_count)
{
    const uint64_t batch = must_submit(10, 0);
    test_peer *const worker = must_hire(10);
    peer_wait(client, batch, 0, LEAT_GOAL_COUNT, 3, ALL);

    (void)peer_done_many(worker, 0, 2, LEAT_END_DONE, 1);
    must_settle(&w);
    cr_assert(not(has_goal(client, batch)));
    (void)peer_done_many(worker, 2, 1, LEAT_END_FATAL, 1);
    must_settle(&w);

    cr_assert(has_goal(client, batch));
    cr_assert(peer_has_positions(client, batch, 1, 3));
}

Test(core_batch, the_goal_ok_counts_what_is_done_only)
{
    const uint64_t batch = must_submit(10, 0);
    test_peer *const worker = must_hire(10);
    peer_wait(client, batch, 0, LEAT_GOAL_OK, 2, ALL);

    (void)peer_done_many(worker, 0, 1, LEAT_END_DONE, 1);
    (void)peer_done_many(worker, 1, 5, LEAT_END_FATAL, 1);
    must_settle(&w);
    cr_assert(not(has_goal(client, batch)));
    (void)peer_done_many(worker, 6, 1, LEAT_END_DONE, 1);
    must_settle(&w);

    cr_assert(has_goal(client, batch));
    cr_assert(peer_has_positions(client, batch, 1, 7));
}

Test(core_batch, the_goal_all_waits_for_the_seal)
{
    char arguments[64];
    const uint64_t batch = must_submit(3, 0);
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_end_all(must_hire(3), LEAT_END_DONE);
    cr_assert(peer_has_positions(client, batch, 1, 3));
    cr_assert(not(has_goal(client, batch)));

    (void)snprintf(arguments, sizeof arguments, "{\"batch\":\"%llu\"}", (unsigned long long)batch);
    (void)must_command(client, "batch.seal", arguments);

    cr_assert(has_goal(client, batch));
    cr_assert(
        eq(u32, peer_last_run(client, batch)->flags & LEAT_ITEMS_FINISHED, LEAT_ITEMS_FINISHED));
}

Test(core_batch, a_goal_that_cannot_be_reached_ends_with_the_batch)
{
    const uint64_t batch = must_submit(3, LEAT_SEND_SEAL);
    peer_wait(client, batch, 0, LEAT_GOAL_OK, 3, ALL);

    must_end_all(must_hire(3), LEAT_END_FATAL);

    cr_assert(has_goal(client, batch));
    cr_assert(
        eq(u32, peer_last_run(client, batch)->flags & LEAT_ITEMS_FINISHED, LEAT_ITEMS_FINISHED));
}

Test(core_batch, an_empty_wait_on_a_finished_batch_is_told_at_once)
{
    const uint64_t batch = must_submit(3, LEAT_SEND_SEAL);
    must_end_all(must_hire(3), LEAT_END_DONE);

    peer_wait(client, batch, 3, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);

    cr_assert(has_goal(client, batch));
    cr_assert(eq(sz, client->completion_count, 0));
}

Test(core_batch, who_comes_later_gets_everything_from_the_beginning)
{
    const uint64_t batch = must_submit(500, LEAT_SEND_SEAL);
    must_end_all(must_hire(50), LEAT_END_DONE);
    test_peer *const other = must_client(&w);

    peer_wait(other, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);

    cr_assert(peer_has_positions(other, batch, 1, 500));
    cr_assert(has_goal(other, batch));
}

Test(core_batch, who_comes_after_the_hands_round_gets_everything_too)
{
    const uint64_t batch = must_submit(500, LEAT_SEND_SEAL);
    must_end_all(must_hire(50), LEAT_END_DONE);
    world_pass(&w, 5000);
    cr_assert(eq(u32, leat_core_get_facts(w.core).batches, 0));

    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);

    cr_assert(peer_has_positions(client, batch, 1, 500));
    cr_assert(has_goal(client, batch));
}

Test(core_batch, a_waiter_gets_no_more_than_its_credit_beyond_what_it_acknowledged)
{
    const uint64_t batch = must_submit(100, LEAT_SEND_SEAL);
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, 30);

    must_end_all(must_hire(10), LEAT_END_DONE);
    cr_assert(peer_has_positions(client, batch, 1, 30));
    peer_ack_position(client, batch, 20);
    must_settle(&w);
    cr_assert(peer_has_positions(client, batch, 1, 50));
    cr_assert(not(has_goal(client, batch)));
    peer_wait(client, batch, 50, LEAT_GOAL_ALL, 0, 1000);
    must_settle(&w);

    cr_assert(peer_has_positions(client, batch, 1, 100));
    cr_assert(has_goal(client, batch));
}

Test(core_batch, acknowledging_what_was_not_handed_out_changes_nothing)
{
    const uint64_t batch = must_submit(10, LEAT_SEND_SEAL);
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, 5);
    must_end_all(must_hire(10), LEAT_END_DONE);

    peer_ack_position(client, batch, 9);
    peer_ack_position(client, batch + 100, 1);
    must_settle(&w);

    cr_assert(peer_has_positions(client, batch, 1, 5));
}

Test(core_batch, a_wait_goes_on_at_its_position_on_a_new_connection)
{
    const uint64_t batch = must_submit(100, LEAT_SEND_SEAL);
    test_peer *const worker = must_hire(100);
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    (void)peer_done_many(worker, 0, 60, LEAT_END_DONE, 1);
    must_settle(&w);
    peer_cut(client);
    (void)peer_done_many(worker, 60, 40, LEAT_END_DONE, 1);
    must_settle(&w);

    must_resume(client);
    peer_wait(client, batch, 60, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);

    cr_assert(peer_has_positions(client, batch, 1, 100));
    cr_assert(has_goal(client, batch));
}

Test(core_batch, a_wait_that_goes_back_gets_it_again)
{
    const uint64_t batch = must_submit(10, LEAT_SEND_SEAL);
    must_end_all(must_hire(10), LEAT_END_DONE);
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);
    peer_ack_position(client, batch, 10);
    must_settle(&w);

    peer_wait(client, batch, 4, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);

    cr_assert(eq(sz, client->completion_count, 16));
    cr_assert(eq(u64, client->completions[10].position, 5));
}

Test(core_batch, a_second_wait_for_the_same_batch_replaces_the_first)
{
    const uint64_t batch = must_submit(10, 0);
    test_peer *const worker = must_hire(10);
    peer_wait(client, batch, 0, LEAT_GOAL_COUNT, 2, ALL);
    (void)peer_done_many(worker, 0, 5, LEAT_END_DONE, 1);
    must_settle(&w);
    cr_assert(has_goal(client, batch));
    const size_t runs = client->run_count;

    peer_wait(client, batch, 5, LEAT_GOAL_COUNT, 9, ALL);
    (void)peer_done_many(worker, 5, 3, LEAT_END_DONE, 1);
    must_settle(&w);
    cr_assert(gt(sz, client->run_count, runs));
    cr_assert(eq(u32, peer_last_run(client, batch)->flags & LEAT_ITEMS_GOAL, 0));
    (void)peer_done_many(worker, 8, 1, LEAT_END_DONE, 1);
    must_settle(&w);

    cr_assert(peer_has_positions(client, batch, 1, 9));
    cr_assert(eq(u32, peer_last_run(client, batch)->flags & LEAT_ITEMS_GOAL, LEAT_ITEMS_GOAL));
}

Test(core_batch, a_wait_that_was_given_up_is_sent_nothing)
{
    const uint64_t batch = must_submit(10, 0);
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, 0);

    must_end_all(must_hire(10), LEAT_END_DONE);

    cr_assert(eq(sz, client->completion_count, 0));
}

Test(core_batch, bye_seals_what_its_session_left_open)
{
    test_peer *const other = must_client(&w);
    const uint64_t batch = must_submit(3, 0);
    peer_wait(other, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_end_all(must_hire(3), LEAT_END_DONE);
    cr_assert(not(has_goal(other, batch)));

    peer_bye(client);
    must_settle(&w);

    cr_assert(has_goal(other, batch));
    cr_assert(
        eq(u32, peer_last_run(other, batch)->flags & LEAT_ITEMS_ABANDONED, LEAT_ITEMS_ABANDONED));
}

Test(core_batch, the_end_of_its_hour_seals_what_a_session_left_open)
{
    test_peer *const other = must_client(&w);
    const uint64_t batch = must_submit(3, 0);
    peer_wait(other, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_end_all(must_hire(3), LEAT_END_DONE);
    must_restart(&w); /* tags are known again after it */
    must_resume(other);
    peer_wait(other, batch, 3, LEAT_GOAL_ALL, 0, ALL);
    client->mute = true;

    world_pass(&w, LEAT_SESSION_MS + 1000);

    cr_assert(has_goal(other, batch));
    cr_assert(
        eq(u32, peer_last_run(other, batch)->flags & LEAT_ITEMS_ABANDONED, LEAT_ITEMS_ABANDONED));
}

Test(core_batch, a_job_alone_can_be_waited_for_while_it_lives)
{
    const leat_send_head head = test_head("echo", 0);
    const uint64_t id = must_send(client, &head, 2)->sent.first_id;
    peer_wait(client, id, 0, LEAT_GOAL_ALL, 0, ALL);
    peer_wait(client, id + 1, 0, LEAT_GOAL_ALL, 0, ALL);

    must_end_all(must_hire(1), LEAT_END_DONE);

    for (uint64_t i = id; i <= id + 1; i++) {
        cr_assert(peer_has_positions(client, i, 1, 1));
        cr_assert(has_goal(client, i));
    }
}

Test(core_batch, a_job_alone_can_be_waited_for_when_it_has_ended)
{
    const leat_send_head head = test_head("echo", 0);
    const uint64_t id = must_send(client, &head, 3)->sent.first_id;
    must_end_all(must_hire(3), LEAT_END_DONE);

    peer_wait(client, id + 1, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);

    cr_assert(peer_has_positions(client, id + 1, 1, 1));
    cr_assert(has_goal(client, id + 1));
    cr_assert(eq(u64, client->completions[0].completion.job, id + 1));
}

Test(core_batch, a_job_alone_can_be_waited_for_after_the_hands_round)
{
    const leat_send_head head = test_head("echo", 0);
    const uint64_t id = must_send(client, &head, 3)->sent.first_id;
    must_end_all(must_hire(3), LEAT_END_FATAL);
    world_pass(&w, 5000);

    peer_wait(client, id + 2, 0, LEAT_GOAL_COUNT, 1, ALL);
    must_settle(&w);

    cr_assert(peer_has_positions(client, id + 2, 1, 1));
    cr_assert(has_goal(client, id + 2));
    cr_assert(eq(u64, must_figure(client, id, "dead"), 1));
}

Test(core_batch, a_job_alone_whose_end_is_on_its_way_to_the_disk_is_not_unknown)
{
    const leat_send_head head = test_head("echo", 0);
    const uint64_t id = must_send(client, &head, 1)->sent.first_id;
    test_peer *const worker = must_hire(1);
    w.disk->hold = true;
    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    must_settle(&w);

    peer_wait(client, id, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);
    cr_assert(eq(u32, peer_flags(client, id), 0));
    test_late_let_all(w.disk);
    must_settle(&w);

    cr_assert(peer_has_positions(client, id, 1, 1));
    cr_assert(has_goal(client, id));
}

Test(core_batch, a_job_alone_whose_wait_comes_with_its_end_is_not_unknown)
{
    const leat_send_head head = test_head("echo", 0);
    const uint64_t id = must_send(client, &head, 1)->sent.first_id;
    test_peer *const worker = must_hire(1);

    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    peer_wait(client, id, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);

    cr_assert(peer_has_positions(client, id, 1, 1));
    cr_assert(has_goal(client, id));
}

Test(core_batch, an_unknown_id_is_told_so)
{
    peer_wait(client, 1ULL << 40, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);

    cr_assert(eq(u32, peer_flags(client, 1ULL << 40), LEAT_ITEMS_UNKNOWN));
}

Test(core_batch, a_job_of_a_batch_is_no_batch)
{
    const uint64_t batch = must_submit(3, 0);

    peer_wait(client, batch + 1, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);

    cr_assert(eq(u32, peer_flags(client, batch + 1), LEAT_ITEMS_UNKNOWN));
}

Test(core_batch, what_is_out_of_retention_is_said_to_be)
{
    world_fini(&w);
    world_init_keeping(&w, 128);
    client = must_client(&w);
    const uint64_t batch = must_submit(600, LEAT_SEND_SEAL);
    const uint64_t young = must_submit(10, LEAT_SEND_SEAL);
    must_end_all(must_hire(610), LEAT_END_DONE);
    for (unsigned i = 0; i < 20; i++) {
        (void)must_submit(1, 0); /* the store trims with commits */
        world_pass(&w, 1000);
    }

    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    peer_wait(client, young, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);

    cr_assert(ne(u32, peer_flags(client, batch) & LEAT_ITEMS_EXPIRED, 0));
    cr_assert(has_goal(client, batch));
    cr_assert(eq(u64, peer_last_run(client, batch)->counters.done, 600));
    cr_assert(not(peer_has_positions(client, batch, 1, 600)));
    cr_assert(peer_has_positions(client, young, 1, 10));
}

Test(core_batch, what_was_in_memory_is_lost_after_a_restart)
{
    (void)must_command(client, "channel.new", "{\"channel\":\"m\",\"durability\":\"memory\"}");
    leat_send_head head = test_head("echo", 1);
    head.channel = leat_text_of("m");
    const uint64_t batch = must_send(client, &head, 3)->sent.batch;
    head.tag = 0;
    const uint64_t alone = must_send(client, &head, 1)->sent.first_id;

    must_restart(&w);
    must_resume(client);
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    peer_wait(client, alone, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);

    cr_assert(eq(u32, peer_flags(client, batch), LEAT_ITEMS_LOST));
    cr_assert(eq(u32, peer_flags(client, alone), LEAT_ITEMS_LOST));
}

Test(core_batch, large_results_come_each_in_its_frame)
{
    static uint8_t result[700000];
    const uint64_t batch = must_submit(12, LEAT_SEND_SEAL);
    test_peer *const worker = must_hire(12);
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);

    for (size_t i = 0; i < 12; i++) {
        memset(result, (int)i, sizeof result);
        (void)peer_done(worker, &worker->jobs[i], LEAT_END_DONE, 1, result, sizeof result);
    }
    must_settle(&w);

    cr_assert(peer_has_positions(client, batch, 1, 12));
    for (size_t i = 0; i < 12; i++) {
        cr_assert(eq(u32, client->completions[i].completion.result.size, sizeof result));
        cr_assert(eq(u32, client->completions[i].completion.result.data[sizeof result - 1], i));
    }
    cr_assert(has_goal(client, batch));
}

Test(core_batch, a_large_result_behind_small_ones_keeps_to_the_frame_limit)
{
    static uint8_t large[LEAT_PAYLOAD_BYTES_MAX];
    static uint8_t small[60000];
    const uint64_t batch = must_submit(12, LEAT_SEND_SEAL);
    test_peer *const worker = must_hire(12);
    must_end_all(must_hire(1), LEAT_END_DONE);
    for (size_t i = 0; i < 12; i++)
        (void)peer_done(worker, &worker->jobs[i], LEAT_END_DONE, 1, i % 5 == 4 ? large : small,
                        i % 5 == 4 ? sizeof large : sizeof small);
    must_settle(&w);

    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);

    cr_assert(peer_has_positions(client, batch, 1, 12));
}

Test(core_batch, many_long_names_before_a_large_result_keep_to_the_frame_limit)
{
    static uint8_t large[LEAT_PAYLOAD_BYTES_MAX];
    test_peer *workers[220];
    char name[LEAT_NAME_BYTES_MAX + 1];
    memset(name, 'n', sizeof name - 1);
    name[LEAT_NAME_BYTES_MAX] = '\0';
    const uint64_t batch = must_submit(221, LEAT_SEND_SEAL);
    for (unsigned i = 0; i < 220; i++) {
        (void)snprintf(name, 5, "%04u", i);
        name[4] = 'n';
        workers[i] = must_worker(&w, name, i == 0 ? 2 : 1, "echo");
        peer_credit(workers[i], 2);
        must_settle(&w);
    }
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);

    for (unsigned i = 0; i < 220; i++) /* 220 KiB and the names, then 1 MiB */
        (void)peer_done(workers[i], &workers[i]->jobs[0], LEAT_END_DONE, 1, large, 930);
    (void)peer_done(workers[0], &workers[0]->jobs[1], LEAT_END_DONE, 1, large, sizeof large);
    must_settle(&w);

    cr_assert(peer_has_positions(client, batch, 1, 221));
}

Test(core_batch, twenty_thousand_completions_of_one_turn)
{
    const leat_send_head head = test_head("echo", 999999);
    for (unsigned i = 0; i < 5; i++)
        (void)must_send(client, &head, 4000);
    const uint64_t batch = must_send(client, &head, 1)->sent.batch;
    test_peer *const worker = must_hire(20001);
    test_peer *const other = must_client(&w);
    peer_wait(client, batch, 0, LEAT_GOAL_COUNT, 20001, ALL);
    cr_assert(eq(sz, worker->job_count, 20001));

    for (size_t i = 0; i < 20001; i += 4000)
        (void)peer_done_many(worker, i, i + 4000 > 20001 ? 20001 - i : 4000, LEAT_END_DONE, 1);
    must_settle(&w);
    peer_wait(other, batch, 0, LEAT_GOAL_COUNT, 20001, ALL);
    must_settle(&w);

    cr_assert(peer_has_positions(client, batch, 1, 20001));
    cr_assert(peer_has_positions(other, batch, 1, 20001));
    cr_assert(has_goal(client, batch));
}

Test(core_batch, batches_that_end_in_turns_name_their_workers_once)
{
    char name[LEAT_NAME_BYTES_MAX + 1];
    memset(name, 'n', LEAT_NAME_BYTES_MAX);
    name[LEAT_NAME_BYTES_MAX] = '\0';
    const uint64_t a = must_submit(3000, LEAT_SEND_SEAL);
    const uint64_t b = must_submit(3000, LEAT_SEND_SEAL);
    test_peer *const worker = must_worker(&w, name, 6000, "echo");
    peer_credit(worker, 6000);
    must_settle(&w);
    peer_wait(client, a, 0, LEAT_GOAL_ALL, 0, ALL);
    peer_wait(client, b, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);

    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_DONE);
    leat_done_put_head(&frame, 0);
    for (size_t i = 0; i < 6000; i++) {
        const size_t at = i / 2 + (i % 2) * 3000;
        leat_done_put(&frame, &(leat_done){.token = worker->jobs[at].token, .end = LEAT_END_DONE});
    }
    leat_frame_finish(&frame, 0, 6000, 0);
    (void)peer_say_numbered(worker, &frame);
    const size_t before = client->frame_count;
    must_settle(&w);

    size_t bytes = 0;
    for (size_t i = before; i < client->frame_count; i++)
        bytes += client->frames[i].size;
    cr_assert(peer_has_positions(client, a, 1, 3000));
    cr_assert(peer_has_positions(client, b, 1, 3000));
    cr_assert(leat_text_is(client->completions[0].worker, leat_text_of(name)));
    cr_assert(lt(sz, bytes, 6000 * LEAT_COMPLETION_BYTES + 10000));
}

Test(core_batch, a_waiter_that_does_not_confirm_holds_nobody_up)
{
    test_peer *const other = must_client(&w);
    const uint64_t batch = must_submit(200, LEAT_SEND_SEAL);
    client->deaf = true;
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    peer_wait(other, batch, 0, LEAT_GOAL_ALL, 0, ALL);

    must_end_all(must_hire(5), LEAT_END_DONE); /* forty turns, a frame each */
    cr_assert(peer_has_positions(other, batch, 1, 200));
    cr_assert(lt(sz, client->completion_count, 200));
    client->deaf = false;
    must_settle(&w);

    cr_assert(peer_has_positions(client, batch, 1, 200));
    cr_assert(has_goal(client, batch));
}

Test(core_batch, many_batches_are_waited_for_at_once)
{
    uint64_t batch[200];
    for (unsigned i = 0; i < 200; i++) {
        const leat_send_head head = test_head("echo", i + 1);
        batch[i] = must_send(client, &head, 3)->sent.batch;
        peer_wait(client, batch[i], 0, LEAT_GOAL_COUNT, 3, 10);
    }

    must_end_all(must_hire(600), LEAT_END_DONE);

    for (unsigned i = 0; i < 200; i++) {
        cr_assert(peer_has_positions(client, batch[i], 1, 3));
        cr_assert(has_goal(client, batch[i]));
    }
}
