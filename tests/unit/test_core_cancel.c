/* Giving up: cancelled jobs and batches, run limits, what is of no use any more, purged channels.
 */
#include <stdio.h>

#include "tests/lib/peers.h"
#include "tests/lib/test.h"

#define ALL   100000U
#define GRACE 5000 /* unless a job says otherwise */

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

TestSuite(core_cancel, .init = setup, .fini = teardown);

static leat_sent
must_submit(unsigned n)
{
    leat_send_head head = test_head("echo", (uint32_t)w.heard);
    head.flags = LEAT_SEND_SEAL;
    return must_send(client, &head, n)->sent;
}

static test_peer *
must_hire(uint32_t slots)
{
    test_peer *const worker = must_worker(&w, "w1", slots, "echo");
    peer_credit(worker, slots);
    must_settle(&w);
    return worker;
}

/* The worker has started what it has. */
static void
start_all(test_peer *worker)
{
    worker->started = worker->jobs[worker->job_count - 1].number;
    peer_beat(worker);
    must_settle(&w);
}

/* What CANCEL of one job is answered: OK, or the exception. */
static leat_err
cancel_job(test_peer *peer, uint64_t id)
{
    const uint64_t sequence = peer_cancel(peer, id);
    must_settle(&w);
    const test_answer *const answer = must_answer(peer, sequence);
    cr_assert(eq(int, answer->command, LEAT_CMD_ACKED));
    return answer->exceptions == 0 ? LEAT_ERR_OK : leat_err_from_number(answer->exception.code);
}

static void
cancel_batch(uint64_t batch)
{
    must_do(client, "batch.cancel", "{\"batch\":\"%llu\"}", (unsigned long long)batch);
}

static leat_outcome
must_wait_for(uint64_t batch)
{
    client->completion_count = 0;
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);
    cr_assert(gt(sz, client->completion_count, 0));
    return client->completions[client->completion_count - 1].completion.outcome;
}

static bool
is_over(uint64_t batch)
{
    return must_figure(client, batch, "total") ==
           must_figure(client, batch, "done") + must_figure(client, batch, "dead") +
               must_figure(client, batch, "cancelled") + must_figure(client, batch, "expired");
}

/* ------------------------------------------------------------------------------ one job */

Test(core_cancel, a_job_that_waits_ends_at_once)
{
    const leat_sent sent = must_submit(2);

    LEAT_PASS(cancel_job(client, sent.first_id));

    cr_assert(eq(u64, must_figure(client, sent.batch, "cancelled"), 1));
    test_peer *const worker = must_hire(4);
    cr_assert(eq(sz, worker->job_count, 1));
    cr_assert(eq(u64, worker->jobs[0].token.id, sent.first_id + 1));
}

Test(core_cancel, a_delayed_job_ends_at_once)
{
    leat_send_head head = test_head("echo", 0);
    head.settings.delay_ms = 60000;
    const leat_sent sent = must_send(client, &head, 1)->sent;

    LEAT_PASS(cancel_job(client, sent.first_id));

    cr_assert(eq(int, must_wait_for(sent.batch), LEAT_OUTCOME_CANCELLED));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
    world_pass(&w, 70000);
    cr_assert(eq(sz, must_hire(1)->job_count, 0));
}

Test(core_cancel, a_held_job_ends_at_once)
{
    leat_send_head head = test_head("echo", 5);
    const uint64_t target = must_send(client, &head, 1)->sent.batch;
    head = test_head("echo", 0);
    head.settings.after = LEAT_AFTER_ANY;
    head.settings.after_batch = target;
    const leat_sent sent = must_send(client, &head, 1)->sent;

    LEAT_PASS(cancel_job(client, sent.first_id));

    cr_assert(eq(int, must_wait_for(sent.batch), LEAT_OUTCOME_CANCELLED));
}

Test(core_cancel, a_job_that_waits_to_be_tried_again_ends_at_once)
{
    const leat_sent sent = must_submit(1);
    test_peer *const worker = must_hire(1);
    (void)peer_done(worker, &worker->jobs[0], LEAT_END_FAILED, 1, "", 0);
    must_settle(&w);

    LEAT_PASS(cancel_job(client, sent.first_id));

    cr_assert(eq(int, must_wait_for(sent.batch), LEAT_OUTCOME_CANCELLED));
}

Test(core_cancel, a_running_job_is_told_to_stop)
{
    leat_send_head head = test_head("echo", 0);
    head.settings.grace_ms = 1234;
    const leat_sent sent = must_send(client, &head, 1)->sent;
    test_peer *const worker = must_hire(1);

    LEAT_PASS(cancel_job(client, sent.first_id));

    cr_assert(eq(sz, worker->stop_count, 1));
    cr_assert(eq(u64, worker->stops[0].token.id, sent.first_id));
    cr_assert(eq(u32, worker->stops[0].token.attempt, 1));
    cr_assert(eq(int, worker->stops[0].reason, LEAT_STOP_CANCEL));
    cr_assert(eq(u32, worker->stops[0].grace_ms, 1234));
    cr_assert(not(is_over(sent.batch)));
}

Test(core_cancel, stop_waits_for_the_disk)
{
    const leat_sent sent = must_submit(1);
    test_peer *const worker = must_hire(1);
    w.disk->hold = true;

    (void)peer_cancel(client, sent.first_id);
    must_settle(&w);
    cr_assert(eq(sz, worker->stop_count, 0));
    test_late_let_all(w.disk);
    must_settle(&w);

    cr_assert(eq(sz, worker->stop_count, 1));
}

Test(core_cancel, a_stop_comes_behind_the_job_that_it_stops)
{
    const leat_sent sent = must_submit(1);
    test_peer *const worker = must_worker(&w, "w1", 1, "echo");
    w.disk->hold = true;
    peer_credit(worker, 1);
    world_turn(&w);

    (void)peer_cancel(client, sent.first_id);
    test_late_let_all(w.disk);
    must_settle(&w);
    test_late_let_all(w.disk);
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 1));
    cr_assert(eq(sz, worker->stop_count, 1));
    cr_assert(eq(int, worker->last_command_number, LEAT_CMD_STOP));
}

Test(core_cancel, whatever_it_answers_but_a_result_is_the_end)
{
    const struct {
        leat_command command;
        leat_end end;
    } rows[] = {
        {LEAT_CMD_RELEASE, 0              },
        {LEAT_CMD_SNOOZE,  0              },
        {LEAT_CMD_DONE,    LEAT_END_FAILED},
        {LEAT_CMD_DONE,    LEAT_END_FATAL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const leat_sent sent = must_submit(1);
        test_peer *const worker = must_hire(1);
        LEAT_PASS(cancel_job(client, sent.first_id));
        if (rows[i].command == LEAT_CMD_DONE)
            (void)peer_done(worker, &worker->jobs[0], rows[i].end, 1, "", 0);
        else
            (void)peer_token(worker, rows[i].command, &worker->jobs[0], 1000);
        must_settle(&w);
        cr_assert(eq(int, must_wait_for(sent.batch), LEAT_OUTCOME_CANCELLED), "row %zu", i);
        peer_bye(worker);
        must_settle(&w);
    }
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
}

Test(core_cancel, a_result_that_comes_late_wins)
{
    const leat_sent sent = must_submit(1);
    test_peer *const worker = must_hire(1);
    LEAT_PASS(cancel_job(client, sent.first_id));

    const uint64_t sequence = peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "r", 1);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(worker, sequence)->exceptions, 0));
    cr_assert(eq(int, must_wait_for(sent.batch), LEAT_OUTCOME_DONE));
}

Test(core_cancel, cancelling_twice_stops_once)
{
    const leat_sent sent = must_submit(1);
    test_peer *const worker = must_hire(1);

    LEAT_PASS(cancel_job(client, sent.first_id));
    LEAT_PASS(cancel_job(client, sent.first_id));

    cr_assert(eq(sz, worker->stop_count, 1));
}

Test(core_cancel, the_end_is_too_late)
{
    const leat_sent sent = must_submit(1);
    must_end_all(must_hire(1), LEAT_END_DONE);

    LEAT_FAILS(cancel_job(client, sent.first_id), LEAT_ERR_TOO_LATE);
    LEAT_FAILS(cancel_job(client, UINT64_C(1) << 50), LEAT_ERR_NOT_FOUND);
}

Test(core_cancel, messages_are_not_cancelled)
{
    leat_send_head head = test_head("", 0);
    head.channel = leat_text_of("c");
    const uint64_t id = must_send(client, &head, 1)->sent.first_id;

    LEAT_FAILS(cancel_job(client, id), LEAT_ERR_NOT_FOUND);
}

Test(core_cancel, what_is_not_ones_own_is_denied)
{
    const leat_principal anna = {.id = 11, .name = "anna", .role = "client", .may_ask = true};
    const leat_principal bert = {.id = 12, .name = "bert", .role = "client", .may_ask = true};
    test_peer *const a = must_client_of(&w, &anna);
    test_peer *const b = must_client_of(&w, &bert);
    leat_send_head head = test_head("echo", 3);
    const leat_sent sent = must_send(a, &head, 1)->sent;
    head.tag = 0;
    const leat_sent alone = must_send(a, &head, 1)->sent;

    LEAT_FAILS(cancel_job(b, sent.first_id), LEAT_ERR_DENIED);
    LEAT_FAILS(cancel_job(b, alone.first_id), LEAT_ERR_DENIED);
    LEAT_FAILS(
        code_of_command(b, "batch.cancel", "{\"batch\":\"%llu\"}", (unsigned long long)sent.batch),
        LEAT_ERR_DENIED);
    LEAT_PASS(cancel_job(a, sent.first_id));
    LEAT_PASS(cancel_job(a, alone.first_id));
}

/* ------------------------------------------------------------------------------ by force */

Test(core_cancel, one_that_does_not_answer_is_ended_by_force)
{
    const leat_sent sent = must_submit(1);
    test_peer *const worker = must_hire(1);
    LEAT_PASS(cancel_job(client, sent.first_id));

    world_pass(&w, GRACE + LEAT_STOP_MARGIN_MS - 300);
    cr_assert(not(is_over(sent.batch)));
    world_pass(&w, 600);

    cr_assert(eq(int, must_wait_for(sent.batch), LEAT_OUTCOME_CANCELLED));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
    const uint64_t sequence = peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    must_settle(&w);
    cr_assert(eq(u32, must_answer(worker, sequence)->exceptions, 1));
    cr_assert(eq(u32, must_answer(worker, sequence)->exception.code, LEAT_ERR_STALE));
}

Test(core_cancel, its_slot_counts_as_taken_until_the_worker_speaks_of_it)
{
    const leat_sent sent = must_submit(1);
    test_peer *const worker = must_hire(1);
    start_all(worker);
    worker->running = 1;
    LEAT_PASS(cancel_job(client, sent.first_id));
    world_pass(&w, GRACE + LEAT_STOP_MARGIN_MS + 500);

    (void)must_submit(1);
    world_pass(&w, 1000);
    cr_assert(eq(sz, worker->job_count, 1));
    worker->running = 0;
    (void)peer_token(worker, LEAT_CMD_RELEASE, &worker->jobs[0], 0);
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 2));
}

Test(core_cancel, a_heartbeat_without_running_jobs_frees_the_slot_too)
{
    const leat_sent sent = must_submit(1);
    test_peer *const worker = must_hire(1);
    worker->running = 1;
    LEAT_PASS(cancel_job(client, sent.first_id));
    world_pass(&w, GRACE + LEAT_STOP_MARGIN_MS + 500);
    (void)must_submit(1);
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, 1));

    worker->running = 0;
    world_pass(&w, 1100);

    cr_assert(eq(sz, worker->job_count, 2));
}

Test(core_cancel, a_worker_that_is_lost_does_not_bring_a_stopped_job_back)
{
    const leat_sent sent = must_submit(1);
    test_peer *const worker = must_hire(1);
    LEAT_PASS(cancel_job(client, sent.first_id));

    peer_cut(worker);
    world_pass(&w, 2000);

    cr_assert(eq(int, must_wait_for(sent.batch), LEAT_OUTCOME_CANCELLED));
}

/* ------------------------------------------------------------------------------ restarts */

Test(core_cancel, a_resumed_worker_is_told_again)
{
    const leat_sent sent = must_submit(1);
    test_peer *const worker = must_hire(1);
    LEAT_PASS(cancel_job(client, sent.first_id));

    must_restart(&w);
    must_resume(client);
    must_resume_worker(worker, ALL, true);

    cr_assert(eq(sz, worker->stop_count, 2));
    cr_assert(eq(u64, worker->stops[1].token.id, sent.first_id));
    cr_assert(eq(int, worker->stops[1].reason, LEAT_STOP_CANCEL));
    (void)peer_token(worker, LEAT_CMD_RELEASE, &worker->jobs[0], 0);
    must_settle(&w);
    cr_assert(eq(int, must_wait_for(sent.batch), LEAT_OUTCOME_CANCELLED));
}

Test(core_cancel, after_a_restart_it_is_ended_by_force_too)
{
    const leat_sent sent = must_submit(1);
    test_peer *const worker = must_hire(1);
    LEAT_PASS(cancel_job(client, sent.first_id));
    must_restart(&w);
    must_resume(client);
    must_resume_worker(worker, ALL, true);

    world_pass(&w, GRACE + LEAT_STOP_MARGIN_MS + 500);

    cr_assert(eq(int, must_wait_for(sent.batch), LEAT_OUTCOME_CANCELLED));
}

Test(core_cancel, what_a_resumed_worker_does_not_have_any_more_is_over)
{
    const leat_sent sent = must_submit(1);
    test_peer *const worker = must_hire(1);
    LEAT_PASS(cancel_job(client, sent.first_id));

    must_restart(&w);
    must_resume(client);
    must_resume_worker(worker, 0, false);

    cr_assert(eq(int, must_wait_for(sent.batch), LEAT_OUTCOME_CANCELLED));
}

Test(core_cancel, a_worker_that_does_not_come_back_after_a_restart_ends_it)
{
    const leat_sent sent = must_submit(1);
    (void)must_hire(1);
    LEAT_PASS(cancel_job(client, sent.first_id));

    must_restart(&w);
    must_resume(client);
    world_pass(&w, LEAT_RESTART_GRACE_MS + 1000);

    cr_assert(eq(int, must_wait_for(sent.batch), LEAT_OUTCOME_CANCELLED));
}

Test(core_cancel, a_cancelled_job_stays_cancelled)
{
    const leat_sent sent = must_submit(3);
    LEAT_PASS(cancel_job(client, sent.first_id + 1));

    must_restart(&w);
    must_resume(client);

    test_peer *const worker = must_hire(4);
    cr_assert(eq(sz, worker->job_count, 2));
    cr_assert(eq(u64, must_figure(client, sent.batch, "cancelled"), 1));
}

/* ------------------------------------------------------------------------------ run limits */

static leat_sent
must_submit_limited(uint64_t limit_ms, uint16_t failures, unsigned n)
{
    leat_send_head head = test_head("echo", (uint32_t)w.heard);
    head.flags = LEAT_SEND_SEAL;
    head.settings.run_limit_ms = limit_ms;
    head.settings.failures = failures;
    return must_send(client, &head, n)->sent;
}

Test(core_cancel, a_run_limit_begins_with_the_reported_start)
{
    (void)must_submit_limited(3000, 1, 1);
    test_peer *const worker = must_hire(1);
    cr_assert(eq(u64, worker->jobs[0].run_limit_ms, 3000));
    world_pass(&w, 5000); /* in the worker's line */
    cr_assert(eq(sz, worker->stop_count, 0));

    start_all(worker);
    world_pass(&w, 2900);
    cr_assert(eq(sz, worker->stop_count, 0));
    world_pass(&w, 200);

    cr_assert(eq(sz, worker->stop_count, 1));
    cr_assert(eq(int, worker->stops[0].reason, LEAT_STOP_LIMIT));
    cr_assert(eq(u32, worker->stops[0].grace_ms, GRACE));
}

Test(core_cancel, every_run_has_its_own_limit)
{
    (void)must_submit_limited(3000, 1, 3);
    test_peer *const worker = must_hire(3);
    for (unsigned i = 0; i < 3; i++) {
        worker->started = worker->jobs[i].number;
        peer_beat(worker);
        world_pass(&w, 1000);
    }
    cr_assert(eq(sz, worker->stop_count, 1));
    world_pass(&w, 1000);
    cr_assert(eq(sz, worker->stop_count, 2));
    world_pass(&w, 1000);
    cr_assert(eq(sz, worker->stop_count, 3));
}

Test(core_cancel, a_job_over_its_limit_is_dead_when_no_failure_is_left)
{
    const leat_sent sent = must_submit_limited(1000, 1, 1);
    test_peer *const worker = must_hire(1);
    start_all(worker);
    world_pass(&w, 1100);

    (void)peer_token(worker, LEAT_CMD_RELEASE, &worker->jobs[0], 0);
    must_settle(&w);

    cr_assert(eq(int, must_wait_for(sent.batch), LEAT_OUTCOME_DEAD));
    must_query(client, "dead", "{}");
    cr_assert(eq(dbl, said(&w, "dead.0.failed"), 1.0));
    LEAT_SAME_TEXT(said_text(&w, "dead.0.error"), "it ran longer than its limit");
}

Test(core_cancel, a_job_over_its_limit_is_tried_again_with_failures_left)
{
    const leat_sent sent = must_submit_limited(1000, 2, 1);
    test_peer *const worker = must_hire(1);
    start_all(worker);
    world_pass(&w, 1100);
    (void)peer_token(worker, LEAT_CMD_RELEASE, &worker->jobs[0], 0);
    must_settle(&w);
    cr_assert(eq(u64, must_figure(client, sent.batch, "delayed"), 1));

    world_pass(&w, 2000);

    cr_assert(eq(sz, worker->job_count, 2));
    cr_assert(eq(u32, worker->jobs[1].token.attempt, 2));
}

Test(core_cancel, a_result_over_the_limit_is_a_result)
{
    const leat_sent sent = must_submit_limited(1000, 1, 1);
    test_peer *const worker = must_hire(1);
    start_all(worker);
    world_pass(&w, 1100);

    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1100000, "", 0);
    must_settle(&w);

    cr_assert(eq(int, must_wait_for(sent.batch), LEAT_OUTCOME_DONE));
}

Test(core_cancel, one_over_its_limit_that_does_not_answer_is_ended_by_force)
{
    const leat_sent sent = must_submit_limited(1000, 1, 1);
    test_peer *const worker = must_hire(1);
    start_all(worker);

    world_pass(&w, 1000 + GRACE + LEAT_STOP_MARGIN_MS + 500);

    cr_assert(eq(int, must_wait_for(sent.batch), LEAT_OUTCOME_DEAD));
}

Test(core_cancel, one_over_its_limit_can_be_cancelled)
{
    const leat_sent sent = must_submit_limited(1000, 3, 1);
    test_peer *const worker = must_hire(1);
    start_all(worker);
    world_pass(&w, 1100);

    LEAT_PASS(cancel_job(client, sent.first_id));
    (void)peer_token(worker, LEAT_CMD_RELEASE, &worker->jobs[0], 0);
    must_settle(&w);

    cr_assert(eq(int, must_wait_for(sent.batch), LEAT_OUTCOME_CANCELLED));
}

Test(core_cancel, a_lost_worker_with_a_job_over_its_limit_is_a_failure)
{
    const leat_sent sent = must_submit_limited(1000, 1, 1);
    test_peer *const worker = must_hire(1);
    start_all(worker);
    world_pass(&w, 1100);

    peer_cut(worker);
    world_pass(&w, 2000);

    cr_assert(eq(int, must_wait_for(sent.batch), LEAT_OUTCOME_DEAD));
}

Test(core_cancel, a_job_over_its_limit_is_so_after_a_restart)
{
    const leat_sent sent = must_submit_limited(1000, 1, 1);
    test_peer *const worker = must_hire(1);
    start_all(worker);
    world_pass(&w, 1100);

    must_restart(&w);
    must_resume(client);
    must_resume_worker(worker, ALL, true);

    cr_assert(eq(sz, worker->stop_count, 2));
    cr_assert(eq(int, worker->stops[1].reason, LEAT_STOP_LIMIT));
    (void)peer_token(worker, LEAT_CMD_RELEASE, &worker->jobs[0], 0);
    must_settle(&w);
    cr_assert(eq(int, must_wait_for(sent.batch), LEAT_OUTCOME_DEAD));
}

Test(core_cancel, a_limit_begins_anew_with_a_claim_after_a_restart)
{
    (void)must_submit_limited(3000, 1, 1);
    test_peer *const worker = must_hire(1);
    start_all(worker);
    world_pass(&w, 2000);
    must_restart(&w);
    must_resume(client);

    must_resume_worker(worker, ALL, true);
    world_pass(&w, 2900);
    cr_assert(eq(sz, worker->stop_count, 0));
    world_pass(&w, 300);

    cr_assert(eq(sz, worker->stop_count, 1));
}

Test(core_cancel, what_starts_after_a_restart_has_its_limit)
{
    leat_send_head head = test_head("echo", 0);
    head.settings.run_limit_ms = 3000;
    head.settings.priority = 1;
    const leat_sent later = must_send(client, &head, 1)->sent; /* the smaller id … */
    head.settings.priority = 9;
    const leat_sent sooner = must_send(client, &head, 1)->sent; /* … has the higher number */
    test_peer *const worker = must_hire(2);
    cr_assert(eq(u64, worker->jobs[0].token.id, sooner.first_id));
    cr_assert(eq(u64, worker->jobs[1].token.id, later.first_id));
    must_restart(&w);
    must_resume(client);
    must_resume_worker(worker, ALL, false);

    worker->started = worker->jobs[1].number;
    peer_beat(worker);
    must_settle(&w);
    world_pass(&w, 3500);

    cr_assert(eq(sz, worker->stop_count, 2));
}

Test(core_cancel, a_channel_gives_its_jobs_a_limit)
{
    must_do(client, "channel.new", "{\"channel\":\"default\",\"run_limit_ms\":700,\"grace_ms\":9}");
    (void)must_submit(1);
    test_peer *const worker = must_hire(1);
    cr_assert(eq(u64, worker->jobs[0].run_limit_ms, 700));

    start_all(worker);
    world_pass(&w, 1000);

    cr_assert(eq(sz, worker->stop_count, 1));
    cr_assert(eq(u32, worker->stops[0].grace_ms, 9));
}

/* ------------------------------------------------------------------------------ batches */

Test(core_cancel, a_batch_is_cancelled_with_what_runs)
{
    const leat_sent sent = must_submit(10);
    test_peer *const worker = must_hire(3);

    cancel_batch(sent.batch);
    cr_assert(eq(dbl, said(&w, "cancelled"), 7.0));
    cr_assert(eq(dbl, said(&w, "stopping"), 3.0));
    cr_assert(eq(dbl, said(&w, "ended"), 0.0));
    cr_assert(eq(dbl, said(&w, "marked"), 0.0));
    must_settle(&w);

    cr_assert(eq(sz, worker->stop_count, 3));
    cr_assert(eq(u64, must_figure(client, sent.batch, "cancelled"), 7));
}

Test(core_cancel, a_batch_of_one_is_cancelled)
{
    leat_send_head head = test_head("echo", 0);
    const leat_sent sent = must_send(client, &head, 1)->sent;

    cancel_batch(sent.batch);
    must_settle(&w);

    cr_assert(eq(int, must_wait_for(sent.batch), LEAT_OUTCOME_CANCELLED));
}

Test(core_cancel, places_of_a_batch_are_cancelled)
{
    const leat_sent sent = must_submit(10);
    test_peer *const worker = must_hire(3);

    must_do(client, "batch.cancel", "{\"batch\":\"%llu\",\"from\":3,\"upto\":5}",
            (unsigned long long)sent.batch);

    cr_assert(eq(dbl, said(&w, "cancelled"), 2.0));
    cr_assert(eq(dbl, said(&w, "stopping"), 1.0));
    cr_assert(eq(sz, worker->stop_count, 1));
    cr_assert(eq(u32, worker->jobs[2].place, 3));
    cr_assert(eq(u64, worker->stops[0].token.id, worker->jobs[2].token.id));
}

Test(core_cancel, one_place_of_a_batch_is_cancelled)
{
    const leat_sent sent = must_submit(10);

    must_do(client, "batch.cancel", "{\"batch\":\"%llu\",\"from\":4,\"upto\":4}",
            (unsigned long long)sent.batch);

    cr_assert(eq(u64, must_figure(client, sent.batch, "cancelled"), 1));
    cr_assert(eq(u64, must_figure(client, sent.batch, "total"), 10));
}

Test(core_cancel, places_of_several_sends_are_found)
{
    leat_send_head head = test_head("echo", 3);
    const leat_sent first = must_send(client, &head, 5)->sent;
    (void)must_submit(3);
    const leat_sent second = must_send(client, &head, 5)->sent;

    must_do(client, "batch.cancel", "{\"batch\":\"%llu\",\"from\":5,\"upto\":6}",
            (unsigned long long)first.batch);

    LEAT_FAILS(cancel_job(client, first.first_id + 4), LEAT_ERR_TOO_LATE);
    LEAT_FAILS(cancel_job(client, second.first_id), LEAT_ERR_TOO_LATE);
    LEAT_PASS(cancel_job(client, second.first_id + 1));
}

Test(core_cancel, places_are_found_after_a_restart)
{
    const leat_sent sent = must_submit(10);
    must_restart(&w);
    must_resume(client);

    must_do(client, "batch.cancel", "{\"batch\":\"%llu\",\"from\":2,\"upto\":4}",
            (unsigned long long)sent.batch);

    cr_assert(eq(dbl, said(&w, "cancelled"), 3.0));
    LEAT_FAILS(cancel_job(client, sent.first_id + 1), LEAT_ERR_TOO_LATE);
}

Test(core_cancel, places_that_are_not_there_are_refused)
{
    const leat_sent sent = must_submit(10);
    const unsigned long long batch = sent.batch;

    LEAT_FAILS(code_of_command(client, "batch.cancel", "{\"batch\":\"%llu\",\"from\":11}", batch),
               LEAT_ERR_NOT_FOUND);
    LEAT_SAME_TEXT(said_text(&w, "error.code"), "NOT_FOUND");
    LEAT_FAILS(code_of_command(client, "batch.cancel", "{\"batch\":\"%llu\",\"from\":4,\"upto\":3}",
                               batch),
               LEAT_ERR_NOT_FOUND);
    LEAT_FAILS(code_of_command(client, "batch.cancel", "{\"batch\":\"%llu\",\"from\":0}", batch),
               LEAT_ERR_MALFORMED);
    LEAT_FAILS(code_of_command(client, "batch.cancel", "{\"batch\":\"999999999\"}"),
               LEAT_ERR_NOT_FOUND);
}

Test(core_cancel, two_thousand_places_are_the_most_at_once)
{
    const leat_sent sent = must_submit(4000);

    LEAT_FAILS(code_of_command(client, "batch.cancel",
                               "{\"batch\":\"%llu\",\"from\":1,\"upto\":2001}",
                               (unsigned long long)sent.batch),
               LEAT_ERR_MALFORMED);
    must_do(client, "batch.cancel", "{\"batch\":\"%llu\",\"from\":1,\"upto\":2000}",
            (unsigned long long)sent.batch);
    cr_assert(eq(u64, must_figure(client, sent.batch, "cancelled"), 2000));
}

Test(core_cancel, nothing_is_added_to_a_cancelled_batch)
{
    leat_send_head head = test_head("echo", 3);
    const leat_sent sent = must_send(client, &head, 5)->sent;
    cancel_batch(sent.batch);

    const uint64_t sequence = peer_send(client, &head, 1, 0);
    must_settle(&w);

    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_BAD_STATE));
}

Test(core_cancel, a_large_batch_is_ended_in_slices)
{
    const leat_sent sent = must_submit(7000);

    const uint64_t sequence = peer_command(client, "batch.cancel", "{\"batch\":\"0\"}");
    must_settle(&w);
    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_NOT_FOUND));
    char arguments[64];
    (void)snprintf(arguments, sizeof arguments, "{\"batch\":\"%llu\"}",
                   (unsigned long long)sent.batch);
    (void)peer_command(client, "batch.cancel", arguments);
    const uint32_t items = leat_core_get_facts(w.core).items;
    for (unsigned turn = 1; leat_core_get_facts(w.core).items > 0; turn++) {
        world_turn(&w);
        const uint32_t left = leat_core_get_facts(w.core).items;
        cr_assert(le(u32, items - left, turn * LEAT_TURN_ENDS_MAX));
        cr_assert(lt(u32, turn, 6));
    }
    must_settle(&w);

    cr_assert(eq(u64, must_figure(client, sent.batch, "cancelled"), 7000));
    client->completion_count = 0;
    peer_wait(client, sent.batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);
    cr_assert(peer_has_positions(client, sent.batch, 1, 7000));
}

Test(core_cancel, a_marked_job_is_never_handed_out)
{
    const leat_sent sent = must_submit(7000);
    const leat_sent other = must_submit(5);
    test_peer *const worker = must_worker(&w, "w1", 10000, "echo");
    char arguments[64];
    (void)snprintf(arguments, sizeof arguments, "{\"batch\":\"%llu\"}",
                   (unsigned long long)sent.batch);

    (void)peer_command(client, "batch.cancel", arguments);
    peer_credit(worker, 10000);
    must_settle(&w);
    world_pass(&w, 1000);

    cr_assert(eq(sz, worker->job_count, 5));
    for (size_t i = 0; i < 5; i++)
        cr_assert(eq(u64, worker->jobs[i].batch, other.batch));
}

Test(core_cancel, a_mark_goes_on_after_a_restart)
{
    const leat_sent sent = must_submit(7000);
    char arguments[64];
    (void)snprintf(arguments, sizeof arguments, "{\"batch\":\"%llu\"}",
                   (unsigned long long)sent.batch);
    (void)peer_command(client, "batch.cancel", arguments);
    world_turn(&w);
    cr_assert(gt(u32, leat_core_get_facts(w.core).items, 0));

    must_restart(&w);
    test_peer *const worker = must_worker(&w, "w1", 10000, "echo");
    peer_credit(worker, 10000);
    must_resume(client);
    world_pass(&w, 1000);

    cr_assert(eq(sz, worker->job_count, 0));
    cr_assert(eq(u64, must_figure(client, sent.batch, "cancelled"), 7000));
}

Test(core_cancel, what_runs_is_told_to_stop_after_a_restart_of_a_mark)
{
    const leat_sent sent = must_submit(7000);
    test_peer *const worker = must_hire(3);
    char arguments[64];
    (void)snprintf(arguments, sizeof arguments, "{\"batch\":\"%llu\"}",
                   (unsigned long long)sent.batch);
    (void)peer_command(client, "batch.cancel", arguments);
    world_turn(&w);

    must_restart(&w);
    must_resume(client);
    must_resume_worker(worker, ALL, true);
    world_pass(&w, 500);
    while (peer_open_jobs(worker) > 0) {
        test_job *job = worker->jobs;
        while (job->over)
            job++;
        job->over = true;
        (void)peer_token(worker, LEAT_CMD_RELEASE, job, 0);
    }
    must_settle(&w);

    cr_assert(eq(u64, must_figure(client, sent.batch, "cancelled"), 7000));
    cr_assert(eq(sz, worker->job_count, 3));
}

Test(core_cancel, a_suspect_of_a_cancelled_batch_does_not_come_back)
{
    const leat_sent sent = must_submit(3);
    test_peer *const worker = must_hire(3);
    start_all(worker);
    cancel_batch(sent.batch);
    peer_cut(worker);
    world_pass(&w, 2000);

    cr_assert(eq(u64, must_figure(client, sent.batch, "cancelled"), 3));
}

/* ------------------------------------------------------------------------------ expiry */

static leat_sent
must_submit_expiring(uint64_t ms, unsigned n)
{
    leat_send_head head = test_head("echo", (uint32_t)w.heard);
    head.flags = LEAT_SEND_SEAL;
    head.settings.expires_ms = ms;
    return must_send(client, &head, n)->sent;
}

Test(core_cancel, what_has_not_started_expires)
{
    const leat_sent sent = must_submit_expiring(1000, 3);
    world_pass(&w, 900);
    cr_assert(eq(u64, must_figure(client, sent.batch, "expired"), 0));

    world_pass(&w, 200);

    cr_assert(eq(u64, must_figure(client, sent.batch, "expired"), 3));
    cr_assert(eq(sz, must_hire(3)->job_count, 0));
}

Test(core_cancel, what_runs_does_not_expire)
{
    const leat_sent sent = must_submit_expiring(1000, 1);
    test_peer *const worker = must_hire(1);
    world_pass(&w, 2000);
    cr_assert(eq(u64, must_figure(client, sent.batch, "expired"), 0));

    must_end_all(worker, LEAT_END_DONE);

    cr_assert(eq(u64, must_figure(client, sent.batch, "done"), 1));
}

Test(core_cancel, what_comes_back_too_late_expires)
{
    const leat_sent sent = must_submit_expiring(1000, 1);
    test_peer *const worker = must_hire(1);
    world_pass(&w, 2000);

    (void)peer_token(worker, LEAT_CMD_RELEASE, &worker->jobs[0], 0);
    must_settle(&w);

    cr_assert(eq(u64, must_figure(client, sent.batch, "expired"), 1));
}

Test(core_cancel, what_waits_to_be_tried_again_too_late_expires)
{
    const leat_sent sent = must_submit_expiring(1500, 1);
    test_peer *const worker = must_hire(1);
    world_pass(&w, 1400);
    (void)peer_done(worker, &worker->jobs[0], LEAT_END_FAILED, 1, "", 0);
    must_settle(&w);

    world_pass(&w, 2000);

    cr_assert(eq(u64, must_figure(client, sent.batch, "expired"), 1));
    cr_assert(eq(sz, worker->job_count, 1));
}

Test(core_cancel, what_expired_while_the_broker_was_away_does_not_run)
{
    const leat_sent sent = must_submit_expiring(1500, 3); /* a restart takes 2 s */
    must_restart(&w);
    must_resume(client);

    test_peer *const worker = must_hire(3);

    cr_assert(eq(sz, worker->job_count, 0));
    cr_assert(eq(u64, must_figure(client, sent.batch, "expired"), 3));
}

Test(core_cancel, many_expire_in_slices)
{
    const leat_sent sent = must_submit_expiring(1000, 5000);
    world_jump(&w, 1001);
    uint32_t before = 5000;
    for (unsigned turn = 0; before > 0; turn++) {
        world_turn(&w);
        const uint32_t left = leat_core_get_facts(w.core).items;
        cr_assert(le(u32, before - left, LEAT_TURN_ENDS_MAX));
        cr_assert(lt(u32, turn, 5));
        before = left;
    }
    must_settle(&w);
    cr_assert(eq(u64, must_figure(client, sent.batch, "expired"), 5000));
}

/* ------------------------------------------------------------------------------ purging */

Test(core_cancel, a_purge_ends_what_waits_and_lets_run_what_runs)
{
    const leat_sent sent = must_submit(5000);
    leat_send_head head = test_head("echo", (uint32_t)w.heard);
    head.settings.delay_ms = 100000;
    (void)must_send(client, &head, 5);
    test_peer *const worker = must_hire(3);

    must_do(client, "channel.purge", "{\"channel\":\"default\"}");
    cr_assert(eq(dbl, said(&w, "marked"), 5002.0));
    world_pass(&w, 1000);

    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 3));
    cr_assert(eq(u64, must_figure(client, sent.batch, "cancelled"), 4997));
    must_end_all(worker, LEAT_END_DONE);
    cr_assert(eq(u64, must_figure(client, sent.batch, "done"), 3));
}

Test(core_cancel, what_comes_after_a_purge_is_kept)
{
    (void)must_submit(5000);
    (void)peer_command(client, "channel.purge", "{\"channel\":\"default\"}");
    leat_send_head head = test_head("echo", 99);
    (void)peer_send(client, &head, 7, 0);
    must_settle(&w);
    world_pass(&w, 1000);

    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 7));
}

Test(core_cancel, a_purge_during_a_purge_means_more)
{
    (void)must_submit(5000);
    (void)peer_command(client, "channel.purge", "{\"channel\":\"default\"}");
    world_turn(&w);
    leat_send_head head = test_head("echo", 99);
    (void)peer_send(client, &head, 5000, 0);
    (void)peer_command(client, "channel.purge", "{\"channel\":\"default\"}");
    must_settle(&w);
    world_pass(&w, 2000);

    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
}

Test(core_cancel, a_purge_goes_on_after_a_restart)
{
    (void)must_submit(5000);
    (void)peer_command(client, "channel.purge", "{\"channel\":\"default\"}");
    world_turn(&w);

    must_restart(&w);
    must_resume(client);
    test_peer *const worker = must_hire(100);
    world_pass(&w, 1000);

    cr_assert(eq(sz, worker->job_count, 0));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
}

Test(core_cancel, messages_are_purged)
{
    leat_send_head head = test_head("", 0);
    head.channel = leat_text_of("c");
    (void)must_send(client, &head, 20);

    must_do(client, "channel.purge", "{\"channel\":\"c\"}");
    must_settle(&w);

    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
    must_restart(&w);
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
}

Test(core_cancel, a_channel_with_something_in_it_is_not_removed)
{
    (void)must_submit(2);

    LEAT_FAILS(code_of_command(client, "channel.remove", "{\"channel\":\"default\"}"),
               LEAT_ERR_BAD_STATE);
    LEAT_SAME_TEXT(said_text(&w, "error.message"),
                   "channel \"default\" is not empty: 2 wait, 0 run");
    LEAT_FAILS(code_of_command(client, "channel.remove", "{\"channel\":\"nowhere\"}"),
               LEAT_ERR_NOT_FOUND);
}

Test(core_cancel, a_channel_is_removed_with_what_waits)
{
    (void)must_submit(3000);

    must_do(client, "channel.remove", "{\"channel\":\"default\",\"purge\":true}");
    world_pass(&w, 1000);

    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
    leat_send_head head = test_head("", 0); /* the name is free for anything */
    (void)must_send(client, &head, 1);
}

Test(core_cancel, a_removed_channel_has_no_settings_any_more)
{
    must_do(client, "channel.new",
            "{\"channel\":\"c\",\"kind\":\"messages\",\"capacity\":1,\"rate\":5,\"priority\":3}");
    must_do(client, "channel.close", "{\"channel\":\"c\"}");

    must_do(client, "channel.remove", "{\"channel\":\"c\"}");

    must_query(client, "channel", "{\"channel\":\"c\"}");
    cr_assert(eq(dbl, said(&w, "capacity"), -1.0));
    cr_assert(eq(dbl, said(&w, "rate"), -1.0));
    cr_assert(eq(dbl, said(&w, "priority"), -1.0));
    cr_assert(eq(dbl, said(&w, "closed"), 0.0));
    LEAT_SAME_TEXT(said_text(&w, "kind"), "none");
}
