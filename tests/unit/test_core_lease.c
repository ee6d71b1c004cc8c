/* Leases: attempts, tokens, failures, losses, claims, credit. */
#include <stdio.h>

#include "tests/lib/peers.h"
#include "tests/lib/test.h"

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

TestSuite(core_lease, .init = setup, .fini = teardown);

static uint64_t
must_submit(const char *handler, unsigned n)
{
    leat_send_head head = test_head(handler, 1);
    return must_send(client, &head, n)->sent.batch;
}

static test_peer *
must_hire(const char *name, uint32_t slots, const char *handlers)
{
    test_peer *const worker = must_worker(&w, name, slots, handlers);
    peer_credit(worker, 1000);
    must_settle(&w);
    return worker;
}

static void
kill_seen(test_peer *worker)
{
    worker->mute = true;
    peer_cut(worker);
    world_pass(&w, LEAT_GONE_GRACE_MS + 500);
}

Test(core_lease, jobs_leave_only_when_their_attempt_is_on_disk)
{
    (void)must_submit("echo", 1);
    test_peer *const worker = must_worker(&w, "w1", 1, "echo");
    w.disk->hold = true;

    peer_credit(worker, 1);
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, 0));
    test_late_let_all(w.disk);
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 1));
    cr_assert(eq(u32, worker->jobs[0].token.attempt, 1));
    cr_assert(eq(u64, worker->jobs[0].token.epoch, leat_core_get_facts(w.core).epoch));
}

Test(core_lease, an_attempt_number_is_never_used_twice)
{
    (void)must_submit("echo", 1);
    test_peer *const worker = must_hire("w1", 1, "echo");

    for (uint32_t attempt = 1; attempt <= 5; attempt++) {
        cr_assert(eq(sz, worker->job_count, attempt));
        cr_assert(eq(u32, worker->jobs[attempt - 1].token.attempt, attempt));
        worker->jobs[attempt - 1].over = true;
        (void)peer_token(worker, LEAT_CMD_RELEASE, &worker->jobs[attempt - 1], 0);
        must_settle(&w);
    }
    must_restart(&w);
    must_resume_worker(worker, 0, false);
    peer_credit(worker, 1);
    must_settle(&w);

    cr_assert(eq(u32, worker->jobs[worker->job_count - 1].token.attempt, 7));
}

Test(core_lease, a_result_with_an_old_token_is_stale_and_changes_nothing)
{
    const uint64_t batch = must_submit("echo", 1);
    test_peer *const worker = must_hire("w1", 1, "echo");
    test_job old = worker->jobs[0];
    (void)peer_token(worker, LEAT_CMD_RELEASE, &old, 0);
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, 2));

    const uint64_t sequence = peer_done(worker, &old, LEAT_END_DONE, 1, "", 0);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(worker, sequence)->exceptions, 1));
    cr_assert(eq(u32, must_answer(worker, sequence)->exception.code, LEAT_ERR_STALE));
    cr_assert(eq(u64, must_figure(client, batch, "done"), 0));
    const uint64_t good = peer_done(worker, &worker->jobs[1], LEAT_END_DONE, 1, "", 0);
    must_settle(&w);
    cr_assert(eq(u32, must_answer(worker, good)->exceptions, 0));
    cr_assert(eq(u64, must_figure(client, batch, "done"), 1));
}

Test(core_lease, another_workers_token_is_stale)
{
    (void)must_submit("echo", 1);
    test_peer *const worker = must_hire("w1", 1, "echo");
    test_peer *const thief = must_hire("w2", 1, "echo");
    test_job job = worker->jobs[0];

    const uint64_t sequence = peer_done(thief, &job, LEAT_END_DONE, 1, "", 0);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(thief, sequence)->exceptions, 1));
}

Test(core_lease, the_same_job_twice_in_a_frame_ends_once)
{
    const uint64_t batch = must_submit("echo", 1);
    test_peer *const worker = must_hire("w1", 1, "echo");
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_DONE);
    leat_done_put_head(&frame, 1);
    const leat_done done = {.token = worker->jobs[0].token, .end = LEAT_END_DONE};
    leat_done_put(&frame, &done);
    leat_done_put(&frame, &done);
    leat_frame_finish(&frame, 0, 2, 0);

    const uint64_t sequence = peer_say_numbered(worker, &frame);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(worker, sequence)->exceptions, 1));
    cr_assert(eq(u64, must_figure(client, batch, "done"), 1));
}

Test(core_lease, a_job_is_dead_after_three_failures_with_back_off_between)
{
    const uint64_t batch = must_submit("fail", 1);
    test_peer *const worker = must_hire("w1", 1, "fail");

    for (size_t i = 0; i < 3; i++) {
        cr_assert(eq(sz, worker->job_count, i + 1));
        const uint64_t sequence = peer_done(worker, &worker->jobs[i], LEAT_END_FAILED, 1, "no", 2);
        must_settle(&w);
        cr_assert(eq(u32, must_answer(worker, sequence)->exceptions, 0));
        if (i == 2)
            break;
        cr_assert(eq(u64, must_figure(client, batch, "delayed"), 1));
        world_pass(&w, 500 * (1 << i) - 10); /* half of 1 s, 2 s */
        cr_assert(eq(sz, worker->job_count, i + 1));
        world_pass(&w, 500 * (1 << i) + 20);
    }

    cr_assert(eq(u64, must_figure(client, batch, "dead"), 1));
    peer_wait(client, batch, 0, LEAT_GOAL_COUNT, 1, 10);
    must_settle(&w);
    cr_assert(eq(sz, client->completion_count, 1));
    cr_assert(eq(int, client->completions[0].completion.outcome, LEAT_OUTCOME_DEAD));
    cr_assert(eq(u32, client->completions[0].completion.attempt, 3));
    cr_assert(eq(u32, client->completions[0].completion.result.size, 2));
}

Test(core_lease, a_fatal_failure_is_dead_at_once)
{
    const uint64_t batch = must_submit("fail", 1);
    test_peer *const worker = must_hire("w1", 1, "fail");

    (void)peer_done(worker, &worker->jobs[0], LEAT_END_FATAL, 1, "", 0);
    must_settle(&w);

    cr_assert(eq(u64, must_figure(client, batch, "dead"), 1));
    peer_wait(client, batch, 0, LEAT_GOAL_COUNT, 1, 10);
    must_settle(&w);
    cr_assert(eq(u32, client->completions[0].completion.result.size, 0)); /* nothing made up */
}

Test(core_lease, failures_of_one_makes_the_first_failure_fatal)
{
    test_peer *const worker = must_hire("w1", 1, "fail");
    leat_send_head head = test_head("fail", 1);
    head.settings.failures = 1;
    const uint64_t batch = must_send(client, &head, 1)->sent.batch;

    (void)peer_done(worker, &worker->jobs[0], LEAT_END_FAILED, 1, "", 0);
    must_settle(&w);

    cr_assert(eq(u64, must_figure(client, batch, "dead"), 1));
}

Test(core_lease, a_released_job_goes_back_to_its_old_place)
{
    (void)must_submit("echo", 5);
    test_peer *const worker = must_hire("w1", 2, "echo");
    cr_assert(eq(sz, worker->job_count, 2));
    const uint64_t first = worker->jobs[0].token.id;
    peer_credit(worker, 0);

    (void)peer_token(worker, LEAT_CMD_RELEASE, &worker->jobs[0], 0);
    must_settle(&w);
    test_peer *const other = must_hire("w2", 1, "echo");

    cr_assert(eq(u64, other->jobs[0].token.id, first));
}

Test(core_lease, a_snoozed_job_comes_back_after_its_delay_uncounted)
{
    const uint64_t batch = must_submit("echo", 1);
    test_peer *const worker = must_hire("w1", 1, "echo");

    for (size_t i = 0; i < 5; i++) { /* more often than it may fail */
        (void)peer_token(worker, LEAT_CMD_SNOOZE, &worker->jobs[i], 700);
        must_settle(&w);
        world_pass(&w, 690);
        cr_assert(eq(sz, worker->job_count, i + 1));
        world_pass(&w, 20);
        cr_assert(eq(sz, worker->job_count, i + 2));
    }
    (void)peer_done(worker, &worker->jobs[5], LEAT_END_DONE, 1, "", 0);
    must_settle(&w);

    cr_assert(eq(u64, must_figure(client, batch, "done"), 1));
}

Test(core_lease, a_worker_is_lost_after_ten_seconds_of_silence)
{
    (void)must_submit("sleep", 1);
    test_peer *const worker = must_hire("w1", 1, "sleep:timer");
    test_peer *const other = must_hire("w2", 1, "sleep:timer");
    peer_beat(worker);

    worker->mute = worker->deaf = true;
    world_pass(&w, LEAT_LOST_MS - 500);
    cr_assert(eq(sz, other->job_count, 0));
    world_pass(&w, 1000);

    cr_assert(eq(sz, other->job_count, 1));
    cr_assert(eq(u32, other->jobs[0].token.attempt, 2));
}

Test(core_lease, a_connection_seen_gone_has_a_second_to_come_back)
{
    (void)must_submit("sleep", 1);
    test_peer *const worker = must_hire("w1", 1, "sleep:timer");
    test_peer *const other = must_hire("w2", 1, "sleep:timer");

    peer_cut(worker);
    world_pass(&w, LEAT_GONE_GRACE_MS - 100);
    cr_assert(eq(sz, other->job_count, 0));
    must_resume_worker(worker, 1, true);
    world_pass(&w, 3000);
    cr_assert(eq(sz, other->job_count, 0));
    peer_cut(worker);
    world_pass(&w, LEAT_GONE_GRACE_MS + 500);

    cr_assert(eq(sz, other->job_count, 1));
}

/* While the broker stands still its peers give it up; that they are gone is seen when it goes on.
 */
Test(core_lease, who_left_a_broker_that_stood_still_has_longer_to_come_back)
{
    (void)must_submit("sleep", 1);
    test_peer *const worker = must_hire("w1", 1, "sleep:timer");
    test_peer *const other = must_hire("w2", 1, "sleep:timer");

    world_jump(&w, 30000);
    must_settle(&w);
    peer_cut(worker);
    world_pass(&w, LEAT_GONE_GRACE_MS + 1500);
    cr_assert(eq(sz, other->job_count, 0));
    must_resume_worker(worker, 1, true);
    world_pass(&w, 3000);
    cr_assert(eq(sz, other->job_count, 0));

    /* Who does not come back is lost nevertheless. */
    peer_cut(worker);
    world_pass(&w, LEAT_LOST_MS + 500);
    cr_assert(eq(sz, other->job_count, 1));
}

Test(core_lease, after_a_pause_of_the_broker_the_second_is_a_second_again)
{
    (void)must_submit("sleep", 1);
    test_peer *const worker = must_hire("w1", 1, "sleep:timer");
    test_peer *const other = must_hire("w2", 1, "sleep:timer");

    world_jump(&w, 30000);
    must_settle(&w);
    world_pass(&w, LEAT_LOST_MS + 500);
    peer_cut(worker);
    world_pass(&w, LEAT_GONE_GRACE_MS + 500);

    cr_assert(eq(sz, other->job_count, 1));
}

Test(core_lease, what_only_slept_is_never_counted)
{
    const uint64_t batch = must_submit("sleep", 1);

    for (unsigned i = 0; i < 12; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "w%u", i);
        test_peer *const worker = must_hire(name, 1, "sleep:timer");
        cr_assert(eq(sz, worker->job_count, 1));
        worker->started = 1;
        peer_beat(worker);
        kill_seen(worker);
    }

    cr_assert(eq(u64, must_figure(client, batch, "ready"), 1));
}

Test(core_lease, what_ran_in_a_child_is_poison_after_five_losses)
{
    const uint64_t batch = must_submit("cmd", 1);

    for (unsigned i = 0; i < LEAT_LOSSES_DEFAULT; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "w%u", i);
        test_peer *const worker = must_hire(name, 1, "cmd:child");
        cr_assert(eq(sz, worker->job_count, 1));
        worker->started = 1;
        peer_beat(worker);
        kill_seen(worker);
    }

    cr_assert(eq(u64, must_figure(client, batch, "dead"), 1));
    peer_wait(client, batch, 0, LEAT_GOAL_COUNT, 1, 5);
    must_settle(&w);
    cr_assert(eq(u32, client->completions[0].completion.attempt, LEAT_LOSSES_DEFAULT));
    cr_assert(gt(u32, client->completions[0].completion.result.size, 0));
}

Test(core_lease, what_had_not_started_in_a_child_is_not_counted)
{
    const uint64_t batch = must_submit("cmd", 3);

    for (unsigned i = 0; i < 8; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "w%u", i);
        test_peer *const worker = must_hire(name, 3, "cmd:child");
        cr_assert(eq(sz, worker->job_count, 3));
        kill_seen(worker); /* it never said that it had started one */
    }

    cr_assert(eq(u64, must_figure(client, batch, "ready"), 3));
}

Test(core_lease, only_what_had_started_is_counted)
{
    const uint64_t batch = must_submit("cmd", 2);

    for (unsigned i = 0; i < LEAT_LOSSES_DEFAULT; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "w%u", i);
        test_peer *const worker = must_hire(name, 2, "cmd:child");
        cr_assert(eq(sz, worker->job_count, 2));
        worker->started = 1;
        peer_beat(worker);
        kill_seen(worker);
    }

    cr_assert(eq(u64, must_figure(client, batch, "dead"), 1));
    cr_assert(eq(u64, must_figure(client, batch, "ready"), 1));
}

Test(core_lease, suspects_are_handed_out_alone_until_they_end)
{
    const uint64_t batch = must_submit("echo", 4);
    kill_seen(must_hire("w1", 4, "echo:inline"));
    test_peer *const worker = must_hire("w2", 4, "echo:inline");

    for (size_t i = 0; i < 4; i++) {
        cr_assert(eq(sz, worker->job_count, i + 1));
        (void)peer_done(worker, &worker->jobs[i], LEAT_END_DONE, 1000, "", 0);
        must_settle(&w);
    }

    cr_assert(eq(u64, must_figure(client, batch, "done"), 4));
}

Test(core_lease, poison_inside_a_worker_takes_no_innocent_job_with_it)
{
    const uint64_t batch = must_submit("echo", 10);
    const uint64_t bad = batch + 3;

    for (unsigned i = 0; i < 30; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "w%u", i);
        test_peer *const worker = must_hire(name, 10, "echo:inline");
        while (peer_open_jobs(worker) > 0) {
            size_t at = 0;
            while (worker->jobs[at].over)
                at++;
            if (worker->jobs[at].token.id == bad)
                break; /* it dies of this one */
            (void)peer_done(worker, &worker->jobs[at], LEAT_END_DONE, 1000, "", 0);
            must_settle(&w);
        }
        if (peer_open_jobs(worker) == 0)
            break;
        kill_seen(worker);
    }

    cr_assert(eq(u64, must_figure(client, batch, "done"), 9));
    cr_assert(eq(u64, must_figure(client, batch, "dead"), 1));
}

Test(core_lease, a_suspect_is_still_one_after_a_restart)
{
    (void)must_submit("echo", 3);
    kill_seen(must_hire("w1", 3, "echo:inline"));
    must_restart(&w);
    must_resume(client);

    test_peer *const worker = must_hire("w2", 3, "echo:inline");

    cr_assert(eq(sz, worker->job_count, 1));
}

Test(core_lease, a_worker_that_says_bye_costs_its_jobs_nothing)
{
    const uint64_t batch = must_submit("cmd", 2);

    for (unsigned i = 0; i < 8; i++) {
        test_peer *const worker = must_hire("w", 2, "cmd:child");
        cr_assert(eq(sz, worker->job_count, 2));
        worker->started = 2;
        peer_beat(worker);
        peer_bye(worker);
        must_settle(&w);
        world_pass(&w, 300);
    }

    cr_assert(eq(u64, must_figure(client, batch, "ready"), 2));
}

Test(core_lease, a_result_and_bye_in_one_turn_are_both_taken)
{
    const uint64_t batch = must_submit("echo", 2);
    test_peer *const worker = must_hire("the name", 1, "echo");
    world_jump(&w, 400); /* the sweep that frees ended peers is due in this turn */

    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "r", 1);
    peer_bye(worker);
    must_settle(&w);

    cr_assert(eq(u64, must_figure(client, batch, "done"), 1));
    peer_wait(client, batch, 0, LEAT_GOAL_COUNT, 1, 10);
    must_settle(&w);
    cr_assert(leat_text_is(client->completions[0].worker, leat_text_of("the name")));
    world_pass(&w, 1000);
    cr_assert(eq(u32, leat_core_get_facts(w.core).peers, 1));
}

Test(core_lease, what_is_claimed_stays_and_what_is_not_returns_uncounted)
{
    const uint64_t batch = must_submit("cmd", 4);
    test_peer *const worker = must_hire("w1", 4, "cmd:child");
    test_peer *const other = must_hire("w2", 4, "cmd:child");
    cr_assert(eq(sz, worker->job_count, 4));

    peer_cut(worker);
    must_resume(worker);
    world_pass(&w, 500);
    cr_assert(eq(sz, other->job_count, 0)); /* nobody gets anything before END */
    peer_claim(worker, 2, true);
    must_settle(&w);

    cr_assert(eq(sz, other->job_count, 2));
    cr_assert(eq(u64, other->jobs[0].token.id, worker->jobs[2].token.id));
    must_end_all(worker, LEAT_END_DONE);
    must_end_all(other, LEAT_END_DONE);
    cr_assert(eq(u64, must_figure(client, batch, "done"), 4));
}

Test(core_lease, a_claim_of_what_is_lost_is_stopped_as_stale)
{
    (void)must_submit("sleep", 2);
    test_peer *const worker = must_hire("w1", 2, "sleep:timer");
    kill_seen(worker);
    worker->mute = false;

    must_resume_worker(worker, 2, true);

    cr_assert(eq(sz, worker->stop_count, 2));
    cr_assert(eq(u64, worker->stops[0].token.id, worker->jobs[0].token.id));
}

Test(core_lease, done_of_before_the_cut_is_taken_after_it)
{
    const uint64_t batch = must_submit("echo", 1);
    test_peer *const worker = must_hire("w1", 1, "echo");
    peer_cut(worker);
    must_resume(worker);

    const uint64_t sequence = peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    peer_claim(worker, 0, false);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(worker, sequence)->exceptions, 0));
    cr_assert(eq(u64, must_figure(client, batch, "done"), 1));
}

/* peers.c asserts that the numbers rise. */
Test(core_lease, jobs_in_memory_do_not_overtake_those_that_wait_for_the_disk)
{
    leat_send_head head = test_head("echo", 0);
    (void)must_command(client, "channel.new", "{\"channel\":\"m\",\"durability\":\"memory\"}");
    test_peer *const worker = world_peer(&w, "w1", 100, "echo");
    worker->hello->channel_count = 2;
    (void)snprintf(worker->hello->channels[0], LEAT_NAME_BYTES_MAX, "m");
    (void)snprintf(worker->hello->channels[1], LEAT_NAME_BYTES_MAX, "default");
    peer_connect(worker, false);
    must_settle(&w);
    for (unsigned i = 0; i < 5; i++) {
        head.channel = leat_text_of(i % 2 == 0 ? "default" : "m");
        (void)must_send(client, &head, 2);
    }
    w.disk->hold = true;

    peer_credit(worker, 100);
    must_settle(&w);
    test_late_let_all(w.disk);
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 10));
    for (uint64_t i = 0; i < 10; i++)
        cr_assert(eq(u64, worker->jobs[i].number, i + 1));
}

Test(core_lease, a_grant_of_the_old_connection_is_not_sent_on_the_new_one)
{
    (void)must_submit("echo", 3);
    test_peer *const worker = must_worker(&w, "w1", 3, "echo");
    w.disk->hold = true;
    peer_credit(worker, 3);
    must_settle(&w); /* granted, waits for the disk */

    peer_cut(worker);
    peer_connect(worker, true);
    test_late_let_all(w.disk);
    w.disk->hold = false;
    must_settle(&w);
    cr_assert(worker->welcome);
    cr_assert(eq(sz, worker->job_count, 0));
    peer_claim(worker, 0, false);
    peer_credit(worker, 3);
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 3));
    cr_assert(eq(u32, worker->jobs[0].token.attempt, 2));
}

Test(core_lease, a_grant_before_a_second_hello_on_the_same_connection_is_not_sent_either)
{
    (void)must_submit("echo", 3);
    test_peer *const worker = must_worker(&w, "w1", 3, "echo");
    w.disk->hold = true;
    peer_credit(worker, 3);
    must_settle(&w);

    w.routes = worker->route - 1;
    worker->hello->connection--;
    peer_connect(worker, true);
    test_late_let_all(w.disk);
    w.disk->hold = false;
    must_settle(&w);

    cr_assert(worker->welcome); /* peers.c: no JOBS before WELCOME */
    cr_assert(eq(sz, worker->job_count, 0));
}

Test(core_lease, credit_is_respected)
{
    (void)must_submit("echo", 50);
    test_peer *const worker = must_worker(&w, "w1", 10, "echo");
    peer_credit(worker, 3);
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, 3));

    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, 4));
    peer_credit(worker, 0);
    (void)peer_done(worker, &worker->jobs[1], LEAT_END_DONE, 1, "", 0);
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 4));
}

Test(core_lease, credit_counts_bytes_too)
{
    const leat_send_head head = test_head("echo", 1);
    (void)peer_send(client, &head, 20, 10000);
    test_peer *const worker = must_worker(&w, "w1", 20, "echo");

    peer_credit_bytes(worker, 20, 45000);
    must_settle(&w);

    cr_assert(ge(sz, worker->job_count, 4));
    cr_assert(le(sz, worker->job_count, 5));
}

Test(core_lease, of_an_unknown_class_a_worker_gets_its_idle_slots_only)
{
    (void)must_submit("echo", 100);

    test_peer *const worker = must_hire("w1", 4, "echo");

    cr_assert(eq(sz, worker->job_count, 4));
}

Test(core_lease, jobs_nobody_has_measured_are_spread_over_the_workers)
{
    const test_peer *const one = must_hire("w1", 4, "echo");
    const test_peer *const two = must_hire("w2", 4, "echo");
    const test_peer *const three = must_hire("w3", 4, "echo");

    (void)must_submit("echo", 3);

    cr_expect(eq(sz, one->job_count, 1));
    cr_expect(eq(sz, two->job_count, 1));
    cr_expect(eq(sz, three->job_count, 1));
}

Test(core_lease, short_jobs_are_filled_ahead_and_long_ones_are_not)
{
    (void)must_submit("short", 5000);
    (void)must_submit("long", 1);
    test_peer *const worker = must_hire("w1", 4, "short");
    for (size_t i = 0; i < 4; i++)
        (void)peer_done(worker, &worker->jobs[i], LEAT_END_DONE, 50, "", 0); /* 50 µs */
    must_settle(&w);
    /* 5 ms ÷ 50 µs = 100 a slot, beyond the slots */
    cr_assert(ge(sz, peer_open_jobs(worker), 300));
    cr_assert(le(sz, peer_open_jobs(worker), 404));

    leat_send_head head = test_head("long", 2);
    (void)must_send(client, &head, 100);
    test_peer *const slow = must_hire("w2", 4, "long");
    const size_t first = slow->job_count;
    for (size_t i = 0; i < first; i++)
        (void)peer_done(slow, &slow->jobs[i], LEAT_END_DONE, 3600000000ULL, "", 0); /* 1 h */
    must_settle(&w);

    cr_assert(eq(sz, first, 4));
    cr_assert(eq(sz, peer_open_jobs(slow), 4));
}

Test(core_lease, two_workers_share_what_there_is)
{
    test_peer *const a = must_hire("a", 5, "echo");
    test_peer *const b = must_hire("b", 5, "echo");

    (void)must_submit("echo", 10);

    cr_assert(eq(sz, a->job_count, 5));
    cr_assert(eq(sz, b->job_count, 5));
}

Test(core_lease, a_worker_gets_only_its_handlers_and_channels)
{
    test_peer *const worker = world_peer(&w, "w1", 10, "a");
    worker->hello->channel_count = 2;
    (void)snprintf(worker->hello->channels[0], LEAT_NAME_BYTES_MAX, "x");
    (void)snprintf(worker->hello->channels[1], LEAT_NAME_BYTES_MAX, "y");
    peer_connect(worker, false);
    must_settle(&w);
    peer_credit(worker, 100);
    leat_send_head head = test_head("a", 0);
    (void)must_send(client, &head, 1); /* default */
    head.channel = leat_text_of("y");
    (void)must_send(client, &head, 1);
    head.handler = leat_text_of("b");
    (void)must_send(client, &head, 1);

    cr_assert(eq(sz, worker->job_count, 1));
    cr_assert(leat_text_is(worker->jobs[0].channel, leat_text_of("y")));
    cr_assert(leat_text_is(worker->jobs[0].handler, leat_text_of("a")));
}

Test(core_lease, a_worker_that_does_not_confirm_gets_no_more_than_the_way_takes)
{
    leat_send_head head = test_head("echo", 1);
    test_peer *const worker = must_worker(&w, "w1", 5000, "echo");
    worker->deaf = true;
    peer_credit(worker, 5000);

    for (unsigned i = 0; i < 30; i++) {
        (void)must_send(client, &head, 10); /* a frame each; peers.c counts them */
        world_turn(&w);
    }

    cr_assert(lt(sz, worker->job_count, 300));
    worker->deaf = false;
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, 300));
}

Test(core_lease, jobs_whose_records_cannot_be_read_end_dead_in_the_open)
{
    const uint64_t batch = must_submit("echo", 10);
    test_peer *const worker = must_worker(&w, "w1", 10, "echo");
    w.disk->corrupt_from = 2;
    w.disk->corrupt_fetches = 3;

    peer_credit(worker, 10);
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 7));
    cr_assert(eq(u64, must_figure(client, batch, "dead"), 3));
    must_end_all(worker, LEAT_END_DONE);
    cr_assert(eq(u64, must_figure(client, batch, "done"), 7));
}

Test(core_lease, a_repeated_done_ends_nothing_twice)
{
    const uint64_t batch = must_submit("echo", 2);
    test_peer *const worker = must_hire("w1", 1, "echo");
    worker->deaf = true;
    const uint64_t sequence = peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    must_settle(&w);

    peer_repeat(worker, sequence);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(worker, sequence)->times, 2));
    cr_assert(eq(u32, must_answer(worker, sequence)->exceptions, 0));
    cr_assert(eq(u64, must_figure(client, batch, "done"), 1));
}

Test(core_lease, acked_waits_for_the_disk)
{
    (void)must_submit("echo", 1);
    test_peer *const worker = must_hire("w1", 1, "echo");
    w.disk->hold = true;

    const uint64_t sequence = peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    must_settle(&w);
    cr_assert(eq(ptr, peer_answer(worker, sequence), NULL));
    test_late_let_all(w.disk);
    must_settle(&w);

    cr_assert(ne(ptr, peer_answer(worker, sequence), NULL));
}

Test(core_lease, a_client_reports_no_results)
{
    (void)must_submit("echo", 1);
    test_peer *const worker = must_hire("w1", 1, "echo");
    test_job job = worker->jobs[0];

    const uint64_t sequence = peer_done(client, &job, LEAT_END_DONE, 1, "", 0);
    must_settle(&w);

    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_DENIED));
}

Test(core_lease, a_silent_worker_with_a_full_way_is_given_nothing)
{
    test_peer *const worker = must_hire("w1", 64, "echo");
    (void)must_submit("echo", 1);
    worker->deaf = worker->mute = true;
    for (int i = 0; i < 9; i++) { /* heartbeats fill its way, and nobody confirms them */
        world_jump(&w, 1000);
        world_turn(&w);
    }
    const size_t jobs = worker->job_count;
    leat_send_head head = test_head("echo", 2);
    (void)must_send(client, &head, 5);

    cr_assert(eq(sz, worker->job_count, jobs));
    cr_assert(le(u64, worker->got - worker->seen, LEAT_OUT_FRAMES));
}
