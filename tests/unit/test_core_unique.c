/* Unique keys: one live job for each, whoever sends the same joins it; and batches that give
 * themselves up. */
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

TestSuite(core_unique, .init = setup, .fini = teardown);

static leat_send_head
unique_head(const char *key, uint32_t tag, uint64_t window_ms)
{
    leat_send_head head = test_head("echo", tag);
    head.settings.unique = leat_text_of(key);
    head.settings.unique_for_ms = window_ms;
    return head;
}

static leat_sent
must_send_unique(test_peer *peer, const char *key, uint32_t tag, uint64_t window_ms)
{
    const leat_send_head head = unique_head(key, tag, window_ms);
    return must_send(peer, &head, 1)->sent;
}

static test_peer *
must_hire(uint32_t slots)
{
    test_peer *const worker = must_worker(&w, "w1", slots, "echo");
    peer_credit(worker, slots);
    must_settle(&w);
    return worker;
}

/* The completions of a batch that the client has had. */
static const leat_completion *
completion_of(const test_peer *peer, uint64_t batch)
{
    for (size_t i = 0; i < peer->completion_count; i++) {
        if (peer->completions[i].batch == batch)
            return &peer->completions[i].completion;
    }
    return NULL;
}

static const leat_completion *
must_wait_for(test_peer *peer, uint64_t batch)
{
    peer_wait(peer, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);
    const leat_completion *const completion = completion_of(peer, batch);
    const bool found = completion != NULL;
    cr_assert(found);
    cr_assert(ne(u32, peer_flags(peer, batch) & LEAT_ITEMS_GOAL, 0));
    return completion;
}

static void
must_fire_again(test_peer *worker)
{
    must_resume_worker(worker, ALL, true);
    peer_credit(worker, worker->hello->slots);
    must_settle(&w);
}

/* ------------------------------------------------------------------------------ joining */

Test(core_unique, the_second_sender_of_a_key_is_told_the_first_job)
{
    const leat_sent first = must_send_unique(client, "k", 0, 0);
    const leat_sent second = must_send_unique(client, "k", 0, 0);

    cr_assert(eq(u64, second.first_id, first.first_id));
    cr_assert(ne(u64, second.batch, first.batch));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 1));
}

Test(core_unique, both_batches_get_the_completion)
{
    const leat_sent first = must_send_unique(client, "k", 0, 0);
    const leat_sent second = must_send_unique(client, "k", 0, 0);
    test_peer *const worker = must_hire(4);

    cr_assert(eq(sz, worker->job_count, 1));
    must_end_all(worker, LEAT_END_DONE);

    const leat_completion *const one = must_wait_for(client, first.batch);
    const leat_completion *const other = must_wait_for(client, second.batch);
    cr_assert(eq(u64, one->job, first.first_id));
    cr_assert(eq(u64, other->job, first.first_id));
    cr_assert(eq(int, other->outcome, LEAT_OUTCOME_DONE));
    cr_assert(eq(u32, other->place, 1));
    cr_assert(eq(u32, other->result.size, 1)); /* the job's payload, "0" */
}

Test(core_unique, sessions_without_keys_are_one_principal)
{
    test_peer *const other = must_client(&w);
    const leat_sent first = must_send_unique(client, "k", 0, 0);
    const leat_sent second = must_send_unique(other, "k", 0, 0);

    cr_assert(eq(u64, second.first_id, first.first_id));
    must_end_all(must_hire(1), LEAT_END_DONE);
    cr_assert(eq(u64, must_wait_for(other, second.batch)->job, first.first_id));
}

Test(core_unique, principals_do_not_join_each_other)
{
    const leat_principal anna = {.id = 11, .name = "anna", .role = "client", .may_ask = true};
    const leat_principal bert = {.id = 12, .name = "bert", .role = "client", .may_ask = true};
    test_peer *const a = must_client_of(&w, &anna);
    test_peer *const b = must_client_of(&w, &bert);

    const leat_sent one = must_send_unique(a, "k", 0, 0);
    const leat_sent other = must_send_unique(b, "k", 0, 0);

    cr_assert(ne(u64, other.first_id, one.first_id));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 2));
}

Test(core_unique, keys_of_other_channels_are_other_keys)
{
    leat_send_head head = unique_head("k", 0, 0);
    const leat_sent one = must_send(client, &head, 1)->sent;
    head.channel = leat_text_of("other");
    const leat_sent other = must_send(client, &head, 1)->sent;

    cr_assert(ne(u64, other.first_id, one.first_id));
}

Test(core_unique, a_join_counts_in_the_batch_that_it_was_sent_to)
{
    const leat_sent first = must_send_unique(client, "k", 0, 0);
    leat_send_head plain = test_head("echo", 5);
    const uint64_t batch = must_send(client, &plain, 2)->sent.batch;
    const leat_sent joined = must_send_unique(client, "k", 5, 0);

    cr_assert(eq(u64, joined.batch, batch));
    cr_assert(eq(u64, joined.first_id, first.first_id));
    cr_assert(eq(u64, must_figure(client, batch, "total"), 3));
    must_do(client, "batch.seal", "{\"batch\":\"%llu\"}", (unsigned long long)batch);
    must_end_all(must_hire(4), LEAT_END_DONE);
    (void)must_wait_for(client, batch);
    cr_assert(peer_has_positions(client, batch, 1, 3));
}

Test(core_unique, a_frame_with_a_key_has_one_record)
{
    const leat_send_head head = unique_head("k", 0, 0);
    const uint64_t sequence = peer_send(client, &head, 2, 0);
    must_settle(&w);

    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_MALFORMED));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
}

Test(core_unique, a_window_without_a_key_is_refused)
{
    leat_send_head head = test_head("echo", 0);
    head.settings.unique_for_ms = 1000;
    const uint64_t sequence = peer_send(client, &head, 1, 0);
    must_settle(&w);

    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_MALFORMED));
}

Test(core_unique, a_running_job_is_joined_too)
{
    const leat_sent first = must_send_unique(client, "k", 0, 0);
    test_peer *const worker = must_hire(1);
    const leat_sent second = must_send_unique(client, "k", 0, 0);

    cr_assert(eq(u64, second.first_id, first.first_id));
    must_end_all(worker, LEAT_END_DONE);
    cr_assert(eq(u64, must_wait_for(client, second.batch)->job, first.first_id));
}

Test(core_unique, the_death_of_the_job_is_everybodys)
{
    const leat_sent first = must_send_unique(client, "k", 0, 0);
    const leat_sent second = must_send_unique(client, "k", 0, 0);

    must_end_all(must_hire(1), LEAT_END_FATAL);

    cr_assert(eq(int, must_wait_for(client, first.batch)->outcome, LEAT_OUTCOME_DEAD));
    cr_assert(eq(int, must_wait_for(client, second.batch)->outcome, LEAT_OUTCOME_DEAD));
}

Test(core_unique, a_join_does_not_wait_for_room)
{
    must_do(client, "channel.new", "{\"channel\":\"default\",\"capacity\":1}");
    const leat_sent first = must_send_unique(client, "k", 0, 0);

    const leat_sent second = must_send_unique(client, "k", 0, 0);

    cr_assert(eq(u64, second.first_id, first.first_id));
}

Test(core_unique, a_repeated_frame_joins_once)
{
    (void)must_send_unique(client, "k", 0, 0);
    const leat_send_head head = unique_head("k", 7, 0);
    const uint64_t sequence = peer_send(client, &head, 1, 0);
    peer_cut(client); /* the answer does not reach it */
    world_turn(&w);
    must_resume(client);

    peer_repeat(client, sequence);
    must_settle(&w);

    const uint64_t batch = must_answer(client, sequence)->sent.batch;
    cr_assert(eq(u64, must_figure(client, batch, "total"), 1));
}

/* ------------------------------------------------------------------------------ the window */

Test(core_unique, after_the_end_the_key_is_free)
{
    const leat_sent first = must_send_unique(client, "k", 0, 0);
    must_end_all(must_hire(1), LEAT_END_DONE);

    const leat_sent second = must_send_unique(client, "k", 0, 0);

    cr_assert(ne(u64, second.first_id, first.first_id));
}

Test(core_unique, within_the_window_the_completion_is_given_again)
{
    const leat_sent first = must_send_unique(client, "k", 0, 10000);
    must_end_all(must_hire(1), LEAT_END_DONE);
    world_pass(&w, 9900);

    const leat_sent second = must_send_unique(client, "k", 0, 10000);

    cr_assert(eq(u64, second.first_id, first.first_id));
    const leat_completion *const other = must_wait_for(client, second.batch);
    cr_assert(eq(u64, other->job, first.first_id));
    cr_assert(eq(int, other->outcome, LEAT_OUTCOME_DONE));
    cr_assert(eq(u32, other->result.size, 1));
}

Test(core_unique, behind_the_window_the_key_is_free)
{
    const leat_sent first = must_send_unique(client, "k", 0, 10000);
    must_end_all(must_hire(1), LEAT_END_DONE);
    world_pass(&w, 10001);

    const leat_sent second = must_send_unique(client, "k", 0, 10000);

    cr_assert(ne(u64, second.first_id, first.first_id));
}

Test(core_unique, the_window_is_kept_over_a_restart)
{
    const leat_sent first = must_send_unique(client, "k", 0, 60000);
    must_end_all(must_hire(1), LEAT_END_DONE);

    must_restart(&w);
    must_resume(client);
    const leat_sent second = must_send_unique(client, "k", 0, 60000);

    cr_assert(eq(u64, second.first_id, first.first_id));
    cr_assert(eq(int, must_wait_for(client, second.batch)->outcome, LEAT_OUTCOME_DONE));
}

Test(core_unique, a_window_that_ended_while_the_broker_was_away_is_over)
{
    const leat_sent first = must_send_unique(client, "k", 0, 1500); /* a restart takes 2 s */
    must_end_all(must_hire(1), LEAT_END_DONE);

    must_restart(&w);
    must_resume(client);

    cr_assert(ne(u64, must_send_unique(client, "k", 0, 0).first_id, first.first_id));
}

/* ------------------------------------------------------------------------------ restarts */

Test(core_unique, a_join_is_kept_over_a_restart)
{
    const leat_sent first = must_send_unique(client, "k", 0, 0);
    const leat_sent second = must_send_unique(client, "k", 3, 0);

    must_restart(&w);
    must_resume(client);
    must_do(client, "batch.seal", "{\"batch\":\"%llu\"}", (unsigned long long)second.batch);
    must_end_all(must_hire(1), LEAT_END_DONE);

    cr_assert(eq(u64, must_wait_for(client, first.batch)->job, first.first_id));
    cr_assert(eq(u64, must_wait_for(client, second.batch)->job, first.first_id));
}

Test(core_unique, a_join_is_kept_when_the_hand_has_passed)
{
    const leat_sent first = must_send_unique(client, "k", 2, 0);
    const leat_sent second = must_send_unique(client, "k", 0, 0);
    world_pass(&w, 3000);

    must_restart(&w);
    must_resume(client);
    must_end_all(must_hire(1), LEAT_END_DONE);
    must_do(client, "batch.seal", "{\"batch\":\"%llu\"}", (unsigned long long)first.batch);

    cr_assert(eq(u64, must_wait_for(client, first.batch)->job, first.first_id));
    cr_assert(eq(u64, must_wait_for(client, second.batch)->job, first.first_id));
}

Test(core_unique, the_key_is_taken_after_a_restart)
{
    const leat_sent first = must_send_unique(client, "k", 0, 0);
    must_restart(&w);
    must_resume(client);

    const leat_sent second = must_send_unique(client, "k", 0, 0);

    cr_assert(eq(u64, second.first_id, first.first_id));
    must_end_all(must_hire(1), LEAT_END_DONE);
    (void)must_wait_for(client, first.batch);
    (void)must_wait_for(client, second.batch);
}

Test(core_unique, a_restart_while_it_runs_loses_nobody)
{
    const leat_sent first = must_send_unique(client, "k", 0, 0);
    const leat_sent second = must_send_unique(client, "k", 0, 0);
    test_peer *const worker = must_hire(1);

    must_restart(&w);
    must_resume(client);
    must_fire_again(worker);
    must_end_all(worker, LEAT_END_DONE);

    (void)must_wait_for(client, first.batch);
    (void)must_wait_for(client, second.batch);
    cr_assert(eq(sz, worker->job_count, 1));
}

Test(core_unique, a_completion_for_two_is_there_after_a_restart)
{
    const leat_sent first = must_send_unique(client, "k", 0, 0);
    const leat_sent second = must_send_unique(client, "k", 0, 0);
    must_end_all(must_hire(1), LEAT_END_DONE);

    must_restart(&w);
    must_resume(client);

    (void)must_wait_for(client, first.batch);
    (void)must_wait_for(client, second.batch);
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
}

/* ------------------------------------------------------------------------------ cancelling */

static void
cancel_batch(uint64_t batch)
{
    must_do(client, "batch.cancel", "{\"batch\":\"%llu\"}", (unsigned long long)batch);
    must_settle(&w);
}

Test(core_unique, cancelling_the_second_batch_leaves_the_first_its_job)
{
    const leat_sent first = must_send_unique(client, "k", 0, 0);
    const leat_sent second = must_send_unique(client, "k", 0, 0);

    cancel_batch(second.batch);

    cr_assert(eq(int, must_wait_for(client, second.batch)->outcome, LEAT_OUTCOME_CANCELLED));
    must_end_all(must_hire(1), LEAT_END_DONE);
    cr_assert(eq(int, must_wait_for(client, first.batch)->outcome, LEAT_OUTCOME_DONE));
    cr_assert(peer_has_positions(client, second.batch, 1, 1));
}

Test(core_unique, cancelling_the_first_batch_leaves_the_second_its_job)
{
    const leat_sent first = must_send_unique(client, "k", 0, 0);
    const leat_sent second = must_send_unique(client, "k", 0, 0);

    cancel_batch(first.batch);

    cr_assert(eq(int, must_wait_for(client, first.batch)->outcome, LEAT_OUTCOME_CANCELLED));
    must_end_all(must_hire(1), LEAT_END_DONE);
    cr_assert(eq(int, must_wait_for(client, second.batch)->outcome, LEAT_OUTCOME_DONE));
    cr_assert(peer_has_positions(client, first.batch, 1, 1));
}

Test(core_unique, cancelling_a_place_gives_up_its_join)
{
    const leat_sent first = must_send_unique(client, "k", 0, 0);
    leat_send_head plain = test_head("echo", 5);
    const uint64_t batch = must_send(client, &plain, 1)->sent.batch;
    (void)must_send_unique(client, "k", 5, 0);

    must_do(client, "batch.cancel", "{\"batch\":\"%llu\",\"from\":2}", (unsigned long long)batch);

    cr_assert(eq(dbl, said(&w, "cancelled"), 1.0));
    cr_assert(eq(u64, must_figure(client, batch, "cancelled"), 1));
    must_end_all(must_hire(2), LEAT_END_DONE);
    cr_assert(eq(int, must_wait_for(client, first.batch)->outcome, LEAT_OUTCOME_DONE));
}

Test(core_unique, the_last_one_who_cancels_ends_the_job)
{
    const leat_sent first = must_send_unique(client, "k", 0, 0);
    const leat_sent second = must_send_unique(client, "k", 0, 0);

    cancel_batch(first.batch);
    cancel_batch(second.batch);
    must_settle(&w);

    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
    cr_assert(eq(int, must_wait_for(client, second.batch)->outcome, LEAT_OUTCOME_CANCELLED));
    cr_assert(ne(u64, must_send_unique(client, "k", 0, 0).first_id, first.first_id));
}

Test(core_unique, a_cancelled_join_stays_cancelled_over_a_restart)
{
    const leat_sent first = must_send_unique(client, "k", 0, 0);
    const leat_sent second = must_send_unique(client, "k", 0, 0);
    cancel_batch(first.batch);

    must_restart(&w);
    must_resume(client);
    must_end_all(must_hire(1), LEAT_END_DONE);

    cr_assert(eq(int, must_wait_for(client, first.batch)->outcome, LEAT_OUTCOME_CANCELLED));
    cr_assert(eq(int, must_wait_for(client, second.batch)->outcome, LEAT_OUTCOME_DONE));
    cr_assert(peer_has_positions(client, first.batch, 1, 1));
    cr_assert(peer_has_positions(client, second.batch, 1, 1));
}

Test(core_unique, a_batch_that_gave_up_its_own_job_is_right_after_a_restart)
{
    leat_send_head head = unique_head("k", 4, 0);
    const leat_sent first = must_send(client, &head, 1)->sent;
    const leat_sent second = must_send_unique(client, "k", 5, 0);
    cancel_batch(first.batch);

    must_restart(&w);
    must_resume(client);
    must_end_all(must_hire(1), LEAT_END_DONE);

    cr_assert(eq(u64, must_figure(client, first.batch, "cancelled"), 1));
    cr_assert(eq(u64, must_figure(client, first.batch, "done"), 0));
    cr_assert(eq(u64, must_figure(client, second.batch, "done"), 1));
}

/* ------------------------------------------------------------------------------ halts */

static uint64_t
must_submit_halting(leat_halt halt, unsigned n, uint8_t flags)
{
    leat_send_head head = test_head("echo", (uint32_t)w.heard);
    head.settings.halt = halt;
    head.settings.failures = 1;
    head.flags = flags;
    return must_send(client, &head, n)->sent.batch;
}

static void
end_one(test_peer *worker, leat_end end)
{
    for (size_t i = 0; i < worker->job_count; i++) {
        if (worker->jobs[i].over)
            continue;
        (void)peer_done(worker, &worker->jobs[i], end, 1000, "", 0);
        break;
    }
    must_settle(&w);
}

Test(core_unique, a_batch_halts_at_its_first_failure)
{
    const uint64_t batch =
        must_submit_halting((leat_halt){.on = LEAT_HALT_FAIL, .n = 1}, 10, LEAT_SEND_SEAL);
    test_peer *const worker = must_hire(2);

    end_one(worker, LEAT_END_FAILED);
    must_settle(&w);

    cr_assert(eq(u64, must_figure(client, batch, "dead"), 1));
    cr_assert(eq(u64, must_figure(client, batch, "cancelled"), 8));
    cr_assert(eq(u64, must_figure(client, batch, "running"), 1)); /* it goes on */
    cr_assert(eq(sz, worker->stop_count, 0));
    must_end_all(worker, LEAT_END_DONE);
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);
    cr_assert(peer_has_positions(client, batch, 1, 10));
}

Test(core_unique, a_halt_can_stop_what_runs)
{
    const uint64_t batch = must_submit_halting(
        (leat_halt){.on = LEAT_HALT_FAIL, .n = 1, .running = true}, 10, LEAT_SEND_SEAL);
    test_peer *const worker = must_hire(2);

    end_one(worker, LEAT_END_FAILED);
    must_settle(&w);

    cr_assert(eq(sz, worker->stop_count, 1));
    cr_assert(eq(int, worker->stops[0].reason, LEAT_STOP_CANCEL));
    (void)peer_token(worker, LEAT_CMD_RELEASE, peer_job(worker, worker->stops[0].token.id), 0);
    must_settle(&w);
    cr_assert(eq(u64, must_figure(client, batch, "cancelled"), 9));
}

Test(core_unique, a_batch_halts_after_n_successes)
{
    const uint64_t batch =
        must_submit_halting((leat_halt){.on = LEAT_HALT_SUCCESS, .n = 3}, 10, LEAT_SEND_SEAL);
    test_peer *const worker = must_hire(1);

    end_one(worker, LEAT_END_DONE);
    end_one(worker, LEAT_END_FAILED);
    end_one(worker, LEAT_END_DONE);
    cr_assert(eq(u64, must_figure(client, batch, "cancelled"), 0));
    end_one(worker, LEAT_END_DONE);
    must_settle(&w);

    cr_assert(eq(u64, must_figure(client, batch, "done"), 3));
    cr_assert(eq(u64, must_figure(client, batch, "cancelled"), 6));
}

Test(core_unique, a_batch_halts_when_so_many_have_ended)
{
    const uint64_t batch =
        must_submit_halting((leat_halt){.on = LEAT_HALT_DONE, .n = 2}, 10, LEAT_SEND_SEAL);
    test_peer *const worker = must_hire(1);

    end_one(worker, LEAT_END_DONE);
    end_one(worker, LEAT_END_FAILED);
    must_settle(&w);

    cr_assert(eq(u64, must_figure(client, batch, "cancelled"), 8));
}

Test(core_unique, a_percentage_is_of_the_sealed_batch)
{
    const uint64_t batch =
        must_submit_halting((leat_halt){.on = LEAT_HALT_FAIL, .n = 20, .percent = true}, 10, 0);
    test_peer *const worker = must_hire(1);

    end_one(worker, LEAT_END_FAILED);
    end_one(worker, LEAT_END_FAILED);
    end_one(worker, LEAT_END_FAILED);
    cr_assert(eq(u64, must_figure(client, batch, "cancelled"), 0)); /* of how many is not known */
    must_do(client, "batch.seal", "{\"batch\":\"%llu\"}", (unsigned long long)batch);
    must_settle(&w);

    cr_assert(eq(u64, must_figure(client, batch, "cancelled"), 6));
    cr_assert(eq(u64, must_figure(client, batch, "running"), 1));
}

Test(core_unique, a_percentage_of_a_sealed_batch_is_rounded_up)
{
    const uint64_t batch = must_submit_halting(
        (leat_halt){.on = LEAT_HALT_FAIL, .n = 15, .percent = true}, 10, LEAT_SEND_SEAL);
    test_peer *const worker = must_hire(1);

    end_one(worker, LEAT_END_FAILED);
    cr_assert(eq(u64, must_figure(client, batch, "cancelled"), 0));
    end_one(worker, LEAT_END_FAILED);
    must_settle(&w);

    cr_assert(eq(u64, must_figure(client, batch, "cancelled"), 8));
}

Test(core_unique, nothing_is_added_to_a_batch_that_has_halted)
{
    leat_send_head head = test_head("echo", 9);
    head.settings.halt = (leat_halt){.on = LEAT_HALT_DONE, .n = 1};
    (void)must_send(client, &head, 2);
    test_peer *const worker = must_hire(1);
    end_one(worker, LEAT_END_DONE);
    must_settle(&w);

    const uint64_t sequence = peer_send(client, &head, 1, 0);
    must_settle(&w);

    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_BAD_STATE));
}

Test(core_unique, what_fails_in_a_halted_batch_is_not_tried_again)
{
    leat_send_head head = test_head("echo", 9);
    head.settings.halt = (leat_halt){.on = LEAT_HALT_SUCCESS, .n = 1};
    head.flags = LEAT_SEND_SEAL;
    const uint64_t batch = must_send(client, &head, 3)->sent.batch;
    test_peer *const worker = must_hire(2);
    end_one(worker, LEAT_END_DONE);
    must_settle(&w);

    end_one(worker, LEAT_END_FAILED); /* two failures would be left */

    cr_assert(eq(u64, must_figure(client, batch, "cancelled"), 2));
    cr_assert(eq(u64, must_figure(client, batch, "delayed"), 0));
}

Test(core_unique, what_asks_for_later_in_a_halted_batch_does_not_come_again)
{
    leat_send_head head = test_head("echo", 9);
    head.settings.halt = (leat_halt){.on = LEAT_HALT_SUCCESS, .n = 1};
    head.flags = LEAT_SEND_SEAL;
    const uint64_t batch = must_send(client, &head, 3)->sent.batch;
    test_peer *const worker = must_hire(2);
    end_one(worker, LEAT_END_DONE);
    must_settle(&w);

    (void)peer_token(worker, LEAT_CMD_SNOOZE, &worker->jobs[1], 1000);
    must_settle(&w);

    cr_assert(eq(u64, must_figure(client, batch, "cancelled"), 2));
}

Test(core_unique, a_halt_goes_on_after_a_restart)
{
    leat_send_head head = test_head("echo", 9);
    head.settings.halt = (leat_halt){.on = LEAT_HALT_DONE, .n = 1};
    head.flags = LEAT_SEND_SEAL;
    const uint64_t batch = must_send(client, &head, 8000)->sent.batch;
    test_peer *const worker = must_hire(1);
    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    world_turn(&w); /* the halt is stored, and no more than a slice is ended */

    must_restart(&w);
    must_resume(client);
    must_settle(&w);
    for (unsigned i = 0; i < 10; i++)
        world_turn(&w);

    cr_assert(eq(u64, must_figure(client, batch, "done"), 1));
    cr_assert(eq(u64, must_figure(client, batch, "cancelled"), 7999));
}

/* A batch that joined a job which waits for that batch would never be over. */
Test(core_unique, a_batch_does_not_join_a_job_that_waits_for_it)
{
    leat_send_head first = test_head("echo", 1);
    const uint64_t batch = must_send(client, &first, 1)->sent.batch;
    leat_send_head waits = unique_head("k", 2, 0);
    waits.settings.after = LEAT_AFTER_ANY;
    waits.settings.after_batch = batch;
    const uint64_t other = must_send(client, &waits, 1)->sent.batch;

    const leat_send_head again = unique_head("k", 1, 0);
    const uint64_t sequence = peer_send(client, &again, 1, 0);
    must_settle(&w);
    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_BAD_STATE));

    /* A third one may, and then waits for the batch as well: that must not wait for it. */
    const uint64_t third = must_send_unique(client, "k", 3, 0).batch;
    cr_assert(ne(u64, third, other));
    leat_send_head back = test_head("echo", 1);
    back.settings.after = LEAT_AFTER_ANY;
    back.settings.after_batch = third;
    const uint64_t refused = peer_send(client, &back, 1, 0);
    must_settle(&w);
    cr_assert(eq(int, must_answer(client, refused)->code, LEAT_ERR_BAD_STATE));
}
