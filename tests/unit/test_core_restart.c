/* The broker is killed and comes back: everything that was answered is there again. */
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

TestSuite(core_restart, .init = setup, .fini = teardown);

static test_peer *
must_hire(const char *name, uint32_t slots)
{
    test_peer *const worker = must_worker(&w, name, slots, "echo:child");
    peer_credit(worker, slots);
    must_settle(&w);
    return worker;
}

static uint64_t
must_submit(unsigned n, uint8_t flags, uint64_t delay_ms)
{
    leat_send_head head = test_head("echo", (uint32_t)w.heard);
    head.flags = flags;
    head.settings.delay_ms = delay_ms;
    return must_send(client, &head, n)->sent.batch;
}

Test(core_restart, the_epoch_rises)
{
    const uint64_t before = leat_core_get_facts(w.core).epoch;

    must_restart(&w);

    cr_assert(gt(u64, leat_core_get_facts(w.core).epoch, before));
}

Test(core_restart, ready_jobs_are_there_in_their_order)
{
    leat_send_head head = test_head("echo", 1);
    head.settings.priority = 2;
    const uint64_t low = must_send(client, &head, 40)->sent.first_id;
    head.settings.priority = 8;
    const uint64_t high = must_send(client, &head, 40)->sent.first_id;
    must_restart(&w);
    must_resume(client);

    test_peer *const worker = must_hire("w1", 80);

    cr_assert(eq(sz, worker->job_count, 80));
    for (uint64_t i = 0; i < 40; i++) {
        cr_assert(eq(u64, worker->jobs[i].token.id, high + i));
        cr_assert(eq(u64, worker->jobs[40 + i].token.id, low + i));
        cr_assert(eq(u32, worker->jobs[i].place, 41 + i));
    }
}

Test(core_restart, delayed_jobs_become_ready_in_time)
{
    const uint64_t batch = must_submit(3, 0, 10000);
    must_restart(&w); /* 2 s pass */
    test_peer *const worker = must_hire("w1", 3);
    must_resume(client);
    cr_assert(eq(u64, must_figure(client, batch, "delayed"), 3));

    world_pass(&w, 7900);
    cr_assert(eq(sz, worker->job_count, 0));
    world_pass(&w, 200);

    cr_assert(eq(sz, worker->job_count, 3));
}

Test(core_restart, failures_are_not_forgotten)
{
    const uint64_t batch = must_submit(1, 0, 0);
    test_peer *worker = must_hire("w1", 1);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert(eq(sz, peer_open_jobs(worker), 1));
        (void)peer_done(worker, &worker->jobs[worker->job_count - 1], LEAT_END_FAILED, 1, "", 0);
        must_settle(&w);
        must_restart(&w);
        must_resume(client);
        worker = must_hire("w", 1);
        world_pass(&w, 3000);
    }

    cr_assert(eq(u64, must_figure(client, batch, "dead"), 1));
}

Test(core_restart, held_jobs_wait_for_their_worker_and_ready_ones_flow)
{
    const uint64_t batch = must_submit(6, 0, 0);
    test_peer *const worker = must_hire("w1", 3);
    must_restart(&w);
    must_resume(client);

    test_peer *const other = must_hire("w2", 10);
    cr_assert(eq(sz, other->job_count, 3)); /* those that nobody holds */
    cr_assert(eq(u64, other->jobs[0].token.id, worker->jobs[2].token.id + 1));
    world_pass(&w, LEAT_RESTART_GRACE_MS - 3000);
    cr_assert(eq(sz, other->job_count, 3));
    must_resume_worker(worker, 3, true);
    const uint64_t sequence = peer_done_many(worker, 0, 3, LEAT_END_DONE, 1);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(worker, sequence)->exceptions, 0));
    cr_assert(eq(u64, must_figure(client, batch, "done"), 3));
    cr_assert(eq(u64, must_figure(client, batch, "running"), 3));
}

Test(core_restart, what_its_worker_does_not_claim_returns)
{
    (void)must_submit(4, 0, 0);
    test_peer *const worker = must_hire("w1", 4);
    must_restart(&w);
    test_peer *const other = must_hire("w2", 10);

    must_resume_worker(worker, 1, true);

    cr_assert(eq(sz, other->job_count, 3));
    cr_assert(eq(u32, other->jobs[0].token.attempt, 2));
}

Test(core_restart, a_worker_that_does_not_come_back_is_lost_after_the_grace)
{
    (void)must_submit(2, 0, 0);
    test_peer *const worker = must_hire("w1", 2);
    must_restart(&w);
    test_peer *const other = must_hire("w2", 2);

    worker->mute = true;
    world_pass(&w, LEAT_RESTART_GRACE_MS + 1000);

    cr_assert(eq(sz, other->job_count, 2));
}

Test(core_restart, done_of_before_the_kill_is_answered_the_same_and_counts_once)
{
    const uint64_t batch = must_submit(2, 0, 0);
    test_peer *const worker = must_hire("w1", 2);
    worker->deaf = true;
    const uint64_t sequence = peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    must_settle(&w);
    must_restart(&w);
    worker->deaf = false;

    must_resume(worker);
    peer_repeat(worker, sequence);
    peer_claim(worker, 1, true);
    must_settle(&w);
    must_resume(client);

    cr_assert(eq(u32, must_answer(worker, sequence)->times, 2));
    cr_assert(eq(u64, must_figure(client, batch, "done"), 1));
    cr_assert(eq(u64, must_figure(client, batch, "running"), 1));
}

Test(core_restart, an_end_that_was_not_durable_is_taken_when_it_is_said_again)
{
    const uint64_t batch = must_submit(1, LEAT_SEND_SEAL, 0);
    test_peer *const worker = must_hire("w1", 1);
    w.disk->hold = true;
    const uint64_t sequence = peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    must_settle(&w);
    must_restart(&w);

    must_resume(worker);
    peer_repeat(worker, sequence);
    peer_claim(worker, 0, true);
    must_settle(&w);
    must_resume(client);
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(worker, sequence)->exceptions, 0));
    cr_assert(peer_has_positions(client, batch, 1, 1));
}

Test(core_restart, an_attempt_that_was_not_durable_never_left)
{
    (void)must_submit(1, 0, 0);
    test_peer *const worker = must_worker(&w, "w1", 1, "echo:child");
    w.disk->hold = true;
    peer_credit(worker, 1);
    must_settle(&w);
    must_restart(&w);

    test_peer *const other = must_hire("w2", 1);

    cr_assert(eq(sz, worker->job_count, 0));
    cr_assert(eq(u32, other->jobs[0].token.attempt, 1));
}

Test(core_restart, a_batch_goes_on_with_its_counters_log_and_seal)
{
    const uint64_t batch = must_submit(10, LEAT_SEND_SEAL, 0);
    test_peer *const worker = must_hire("w1", 5);
    (void)peer_done_many(worker, 0, 3, LEAT_END_DONE, 1);
    (void)peer_done_many(worker, 3, 1, LEAT_END_FATAL, 1);
    must_settle(&w);
    const size_t jobs = worker->job_count;

    must_restart(&w);
    must_resume(client);
    must_resume_worker(worker, jobs, true);
    peer_credit(worker, 100);
    peer_wait(client, batch, 2, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);
    must_end_all(worker, LEAT_END_DONE);

    cr_assert(peer_has_positions(client, batch, 3, 10));
    const test_run *const last = peer_last_run(client, batch);
    cr_assert(eq(u64, last->counters.total, 10));
    cr_assert(eq(u64, last->counters.done, 9));
    cr_assert(eq(u64, last->counters.dead, 1));
    cr_assert(eq(u32, last->flags, LEAT_ITEMS_SEALED | LEAT_ITEMS_FINISHED | LEAT_ITEMS_GOAL));
}

Test(core_restart, a_finished_batch_can_be_waited_for)
{
    const uint64_t batch = must_submit(50, LEAT_SEND_SEAL, 0);
    must_end_all(must_hire("w1", 50), LEAT_END_DONE);
    must_restart(&w);
    must_resume(client);

    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);

    cr_assert(peer_has_positions(client, batch, 1, 50));
    cr_assert(ne(u32, peer_flags(client, batch) & LEAT_ITEMS_GOAL, 0));
}

Test(core_restart, a_job_alone_that_has_ended_can_be_waited_for)
{
    const leat_send_head head = test_head("echo", 0);
    const uint64_t id = must_send(client, &head, 3)->sent.first_id;
    must_end_all(must_hire("w1", 3), LEAT_END_DONE);
    must_restart(&w);
    must_resume(client);

    peer_wait(client, id + 1, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);

    cr_assert(peer_has_positions(client, id + 1, 1, 1));
}

Test(core_restart, an_open_batch_takes_more_by_its_tag)
{
    leat_send_head head = test_head("echo", 7);
    const uint64_t batch = must_send(client, &head, 2)->sent.batch;
    must_restart(&w);
    must_resume(client);

    const uint64_t again = must_send(client, &head, 3)->sent.batch;

    cr_assert(eq(u64, again, batch));
    cr_assert(eq(u64, must_figure(client, batch, "total"), 5));
}

Test(core_restart, ids_are_never_used_twice)
{
    const leat_send_head head = test_head("echo", 0);
    leat_send_head memory = head;
    memory.channel = leat_text_of("m");
    (void)must_command(client, "channel.new", "{\"channel\":\"m\",\"durability\":\"memory\"}");
    uint64_t highest = 0;

    for (unsigned life = 0; life < 5; life++) {
        const uint64_t a = must_send(client, &head, 10)->sent.first_id;
        const uint64_t b = must_send(client, &memory, 10)->sent.first_id;
        cr_assert(gt(u64, a, highest));
        cr_assert(gt(u64, b, a + 9));
        highest = b + 9;
        must_restart(&w);
        must_resume(client);
    }
}

Test(core_restart, ids_go_on_where_they_were_after_an_end_in_order)
{
    const leat_send_head head = test_head("echo", 0);
    uint64_t next = must_send(client, &head, 10)->sent.first_id + 10;

    for (unsigned life = 0; life < 3; life++) {
        leat_core_goodbye(w.core, w.now);
        must_restart(&w);
        must_resume(client);
        const uint64_t first = must_send(client, &head, 10)->sent.first_id;
        cr_assert(eq(u64, first, next));
        next = first + 10;
    }
}

Test(core_restart, ids_are_skipped_after_an_end_that_was_none)
{
    const leat_send_head head = test_head("echo", 0);
    const uint64_t first = must_send(client, &head, 10)->sent.first_id;
    leat_core_goodbye(w.core, w.now);
    must_restart(&w);
    must_resume(client);
    (void)must_send(client, &head, 10);

    must_restart(&w); /* killed */
    must_resume(client);

    cr_assert(ge(u64, must_send(client, &head, 10)->sent.first_id, first + LEAT_ID_RESERVE));
}

Test(core_restart, a_memory_channel_is_empty_and_is_there)
{
    leat_send_head head = test_head("echo", 0);
    (void)must_command(client, "channel.new", "{\"channel\":\"m\",\"durability\":\"memory\"}");
    head.channel = leat_text_of("m");
    (void)must_send(client, &head, 10);

    must_restart(&w);
    must_resume(client);

    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
    const char *const status = must_ask(client, "status", "{}");
    cr_assert(
        ne(ptr, strstr(status, "\"name\":\"m\",\"kind\":\"jobs\",\"durability\":\"memory\""), NULL),
        "%s", status);
}

Test(core_restart, numbers_of_jobs_rise_though_a_memory_channel_had_some)
{
    leat_send_head head = test_head("echo", 0);
    (void)must_command(client, "channel.new", "{\"channel\":\"m\",\"durability\":\"memory\"}");
    test_peer *const worker = world_peer(&w, "w1", 1, "echo");
    worker->hello->channel_count = 2;
    (void)snprintf(worker->hello->channels[0], LEAT_NAME_BYTES_MAX, "m");
    (void)snprintf(worker->hello->channels[1], LEAT_NAME_BYTES_MAX, "default");
    peer_connect(worker, false);
    must_settle(&w);
    peer_credit(worker, 1);
    head.channel = leat_text_of("m");
    (void)must_send(client, &head, 50);
    must_end_all(worker, LEAT_END_DONE);
    const uint64_t number = worker->jobs[worker->job_count - 1].number;

    must_restart(&w);
    must_resume(client);
    must_resume_worker(worker, 0, false);
    peer_credit(worker, 1);
    head.channel = leat_text_of("default");
    (void)must_send(client, &head, 1);

    cr_assert(gt(u64, worker->jobs[worker->job_count - 1].number, number));
}

Test(core_restart, a_claim_of_a_memory_job_is_stale)
{
    leat_send_head head = test_head("echo", 0);
    (void)must_command(client, "channel.new",
                       "{\"channel\":\"default\",\"durability\":\"memory\"}");
    (void)must_send(client, &head, 1);
    test_peer *const worker = must_hire("w1", 1);
    cr_assert(eq(sz, worker->job_count, 1));

    must_restart(&w);
    must_resume_worker(worker, 1, true);

    cr_assert(eq(sz, worker->stop_count, 1));
}

/* Everything at once, killed after every commit that is on disk: what was answered holds. */
Test(core_restart, whatever_reached_the_disk_is_loaded)
{
    for (size_t let = 0; let < 12; let++) {
        world_fini(&w);
        world_init(&w);
        client = must_client(&w);
        test_peer *const worker = must_worker(&w, "w1", 2, "echo:child");
        const leat_send_head head = test_head("echo", 1);
        w.disk->hold = true;
        peer_credit(worker, 2);
        const uint64_t sequence = peer_send(client, &head, 5, 0);
        for (size_t turn = 0; turn < let; turn++) {
            must_settle(&w);
            if (w.disk->count > 0)
                test_late_let(w.disk, 1);
            must_settle(&w);
            if (peer_open_jobs(worker) > 0)
                (void)peer_done_many(worker, worker->job_count - peer_open_jobs(worker), 1,
                                     LEAT_END_DONE, 1);
            must_settle(&w);
            world_jump(&w, 150);
        }
        uint64_t acked = 0;
        for (size_t i = 0; i < worker->answer_count; i++)
            acked += worker->answers[i].exceptions == 0;
        const test_answer *const sent = peer_answer(client, sequence);
        const uint64_t batch = sent == NULL ? 0 : sent->sent.batch;

        must_restart(&w);
        must_resume(client);

        if (batch != 0) {
            cr_assert(eq(u64, must_figure(client, batch, "total"), 5));
            cr_assert(ge(u64, must_figure(client, batch, "done"), acked));
        } else {
            cr_assert(eq(u64, acked, 0));
        }
    }
}

Test(core_restart, a_store_that_has_stopped_stops_the_core)
{
    const leat_send_head head = test_head("echo", 0);
    const uint64_t sequence = peer_send(client, &head, 1, 0);
    w.disk->fail_commits = 1;

    leat_core_tick(w.core, w.now);
    LEAT_FAILS(leat_core_commit(w.core, w.now), LEAT_ERR_IO);

    cr_assert(eq(ptr, peer_answer(client, sequence), NULL));
    LEAT_FAILS(leat_core_commit(w.core, w.now), LEAT_ERR_IO);
    must_restart(&w);
    must_resume(client);
    peer_repeat(client, sequence);
    must_settle(&w);
    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_OK));
}
