/* Jobs that wait for another batch: until every job of it is done, has ended, or one has failed. */
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

TestSuite(core_after, .init = setup, .fini = teardown);

static uint64_t
must_submit(const char *handler, unsigned n, uint8_t flags)
{
    leat_send_head head = test_head(handler, (uint32_t)w.heard);
    head.flags = flags;
    head.settings.failures = 1;
    return must_send(client, &head, n)->sent.batch;
}

static leat_send_head
after_head(uint32_t tag, uint64_t batch, leat_after after)
{
    leat_send_head head = test_head("then", tag);
    head.settings.after = after;
    head.settings.after_batch = batch;
    return head;
}

static uint64_t
must_submit_after(uint64_t batch, leat_after after, unsigned n)
{
    leat_send_head head = after_head((uint32_t)w.heard, batch, after);
    head.flags = LEAT_SEND_SEAL;
    return must_send(client, &head, n)->sent.batch;
}

/* A worker for what comes first, and one for what waits. */
static test_peer *
must_hire(const char *handler)
{
    test_peer *const worker = must_worker(&w, "w1", 10, handler);
    peer_credit(worker, 10);
    must_settle(&w);
    return worker;
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

static void
seal(uint64_t batch)
{
    must_do(client, "batch.seal", "{\"batch\":\"%llu\"}", (unsigned long long)batch);
    must_settle(&w);
}

static leat_err
code_of(const leat_send_head *head)
{
    const uint64_t sequence = peer_send(client, head, 1, 0);
    must_settle(&w);
    return must_answer(client, sequence)->code;
}

/* ------------------------------------------------------------------------------ ok */

Test(core_after, what_waits_is_held)
{
    const uint64_t first = must_submit("first", 2, LEAT_SEND_SEAL);
    const uint64_t then = must_submit_after(first, LEAT_AFTER_OK, 3);
    test_peer *const worker = must_hire("then");

    cr_assert(eq(sz, worker->job_count, 0));
    cr_assert(eq(u64, must_figure(client, then, "held"), 3));
    cr_assert(eq(u64, must_figure(client, then, "ready"), 0));
    must_query(client, "channel", "{\"channel\":\"default\"}");
    cr_assert(eq(dbl, said(&w, "held"), 3.0));
}

Test(core_after, it_goes_when_every_job_is_done)
{
    const uint64_t first = must_submit("first", 2, LEAT_SEND_SEAL);
    const uint64_t then = must_submit_after(first, LEAT_AFTER_OK, 3);
    test_peer *const worker = must_hire("first");
    test_peer *const other = must_hire("then");

    end_one(worker, LEAT_END_DONE);
    cr_assert(eq(sz, other->job_count, 0));
    end_one(worker, LEAT_END_DONE);

    cr_assert(eq(sz, other->job_count, 3));
    cr_assert(eq(u64, must_figure(client, then, "held"), 0));
    for (unsigned i = 0; i < 3; i++)
        cr_assert(eq(u32, other->jobs[i].place, i + 1));
}

Test(core_after, it_is_skipped_as_soon_as_one_fails)
{
    const uint64_t first = must_submit("first", 2, 0);
    const uint64_t then = must_submit_after(first, LEAT_AFTER_OK, 3);
    test_peer *const worker = must_hire("first");

    end_one(worker, LEAT_END_FAILED);

    cr_assert(eq(u64, must_figure(client, then, "skipped"), 3));
    peer_wait(client, then, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);
    cr_assert(peer_has_positions(client, then, 1, 3));
    cr_assert(eq(int, client->completions[0].completion.outcome, LEAT_OUTCOME_SKIPPED));
}

Test(core_after, an_open_batch_may_still_get_jobs)
{
    const uint64_t first = must_submit("first", 1, 0);
    (void)must_submit_after(first, LEAT_AFTER_OK, 1);
    test_peer *const other = must_hire("then");
    end_one(must_hire("first"), LEAT_END_DONE);
    cr_assert(eq(sz, other->job_count, 0));

    seal(first);

    cr_assert(eq(sz, other->job_count, 1));
}

Test(core_after, a_cancelled_batch_is_not_ok)
{
    const uint64_t first = must_submit("first", 5, LEAT_SEND_SEAL);
    const uint64_t then = must_submit_after(first, LEAT_AFTER_OK, 1);

    must_do(client, "batch.cancel", "{\"batch\":\"%llu\"}", (unsigned long long)first);
    must_settle(&w);

    cr_assert(eq(u64, must_figure(client, then, "skipped"), 1));
}

Test(core_after, an_empty_batch_is_ok)
{
    leat_send_head head = test_head("first", 77);
    const uint64_t first = must_send(client, &head, 1)->sent.batch;
    (void)must_submit_after(first, LEAT_AFTER_OK, 1);
    end_one(must_hire("first"), LEAT_END_DONE);
    seal(first);

    cr_assert(eq(sz, must_hire("then")->job_count, 1));
}

/* ------------------------------------------------------------------------------ any, failed */

Test(core_after, any_end_will_do)
{
    const uint64_t first = must_submit("first", 2, LEAT_SEND_SEAL);
    (void)must_submit_after(first, LEAT_AFTER_ANY, 1);
    test_peer *const worker = must_hire("first");
    test_peer *const other = must_hire("then");
    end_one(worker, LEAT_END_FAILED);
    cr_assert(eq(sz, other->job_count, 0));

    end_one(worker, LEAT_END_DONE);

    cr_assert(eq(sz, other->job_count, 1));
}

Test(core_after, one_failure_is_enough)
{
    const uint64_t first = must_submit("first", 3, 0);
    (void)must_submit_after(first, LEAT_AFTER_FAILED, 1);
    test_peer *const worker = must_hire("first");
    test_peer *const other = must_hire("then");
    end_one(worker, LEAT_END_DONE);
    cr_assert(eq(sz, other->job_count, 0));

    end_one(worker, LEAT_END_FAILED);

    cr_assert(eq(sz, other->job_count, 1));
}

Test(core_after, without_a_failure_it_is_skipped)
{
    const uint64_t first = must_submit("first", 1, LEAT_SEND_SEAL);
    const uint64_t then = must_submit_after(first, LEAT_AFTER_FAILED, 2);

    end_one(must_hire("first"), LEAT_END_DONE);

    cr_assert(eq(u64, must_figure(client, then, "skipped"), 2));
}

Test(core_after, what_waits_for_something_skipped_is_decided_too)
{
    const uint64_t first = must_submit("first", 1, LEAT_SEND_SEAL);
    const uint64_t second = must_submit_after(first, LEAT_AFTER_OK, 1);
    const uint64_t third = must_submit_after(second, LEAT_AFTER_OK, 1);
    (void)must_submit_after(third, LEAT_AFTER_ANY, 1);
    test_peer *const other = must_hire("then");

    end_one(must_hire("first"), LEAT_END_FAILED);
    must_settle(&w);

    cr_assert(eq(u64, must_figure(client, second, "skipped"), 1));
    cr_assert(eq(u64, must_figure(client, third, "skipped"), 1));
    cr_assert(eq(sz, other->job_count, 1));
}

Test(core_after, a_chain_goes_one_after_the_other)
{
    uint64_t batch = must_submit("then", 1, LEAT_SEND_SEAL);
    for (unsigned i = 0; i < 100; i++) /* all of them wait at once */
        batch = must_submit_after(batch, LEAT_AFTER_OK, 1);
    test_peer *const worker = must_hire("then");
    for (unsigned i = 0; i <= 100; i++) {
        cr_assert(eq(sz, worker->job_count, i + 1));
        end_one(worker, LEAT_END_DONE);
    }
    cr_assert(eq(u64, must_figure(client, batch, "done"), 1));
}

Test(core_after, several_batches_wait_for_one)
{
    const uint64_t first = must_submit("first", 1, LEAT_SEND_SEAL);
    (void)must_submit_after(first, LEAT_AFTER_OK, 1);
    (void)must_submit_after(first, LEAT_AFTER_ANY, 1);
    const uint64_t never = must_submit_after(first, LEAT_AFTER_FAILED, 1);
    test_peer *const other = must_hire("then");

    end_one(must_hire("first"), LEAT_END_DONE);

    cr_assert(eq(sz, other->job_count, 2));
    cr_assert(eq(u64, must_figure(client, never, "skipped"), 1));
}

Test(core_after, jobs_of_one_batch_wait_for_several)
{
    const uint64_t one = must_submit("first", 1, LEAT_SEND_SEAL);
    const uint64_t two = must_submit("second", 1, LEAT_SEND_SEAL);
    leat_send_head head = after_head(9, one, LEAT_AFTER_OK);
    const uint64_t then = must_send(client, &head, 1)->sent.batch;
    head.settings.after_batch = two;
    (void)must_send(client, &head, 1);
    test_peer *const other = must_hire("then");

    end_one(must_hire("second"), LEAT_END_DONE);
    cr_assert(eq(sz, other->job_count, 1));
    cr_assert(eq(u32, other->jobs[0].place, 2));
    cr_assert(eq(u64, must_figure(client, then, "held"), 1));
    end_one(must_hire("first"), LEAT_END_DONE);

    cr_assert(eq(sz, other->job_count, 2));
}

/* ------------------------------------------------------------------------------ ended already */

Test(core_after, a_batch_that_has_ended_lets_it_go_at_once)
{
    const uint64_t first = must_submit("first", 1, LEAT_SEND_SEAL);
    must_end_all(must_hire("first"), LEAT_END_DONE);

    (void)must_submit_after(first, LEAT_AFTER_OK, 2);
    const uint64_t never = must_submit_after(first, LEAT_AFTER_FAILED, 2);

    cr_assert(eq(sz, must_hire("then")->job_count, 2));
    cr_assert(eq(u64, must_figure(client, never, "skipped"), 2));
}

Test(core_after, one_that_is_in_the_store_only_is_found)
{
    const uint64_t first = must_submit("first", 2, LEAT_SEND_SEAL);
    must_end_all(must_hire("first"), LEAT_END_DONE);
    world_pass(&w, 5000); /* out of memory */

    (void)must_submit_after(first, LEAT_AFTER_OK, 2);

    cr_assert(eq(sz, must_hire("then")->job_count, 2));
}

Test(core_after, one_in_the_store_is_found_after_a_restart)
{
    const uint64_t first = must_submit("first", 2, LEAT_SEND_SEAL);
    must_end_all(must_hire("first"), LEAT_END_FAILED);
    world_pass(&w, 5000);
    must_restart(&w);
    must_resume(client);

    const uint64_t never = must_submit_after(first, LEAT_AFTER_OK, 2);

    cr_assert(eq(u64, must_figure(client, never, "skipped"), 2));
}

Test(core_after, a_batch_of_one_can_be_waited_for)
{
    leat_send_head head = test_head("first", 0);
    const uint64_t first = must_send(client, &head, 1)->sent.batch;
    (void)must_submit_after(first, LEAT_AFTER_OK, 1);
    test_peer *const other = must_hire("then");
    cr_assert(eq(sz, other->job_count, 0));

    end_one(must_hire("first"), LEAT_END_DONE);

    cr_assert(eq(sz, other->job_count, 1));
}

Test(core_after, a_batch_of_one_that_has_ended_lets_it_go)
{
    leat_send_head head = test_head("first", 0);
    const uint64_t first = must_send(client, &head, 1)->sent.batch;
    must_end_all(must_hire("first"), LEAT_END_DONE);
    world_pass(&w, 5000);

    (void)must_submit_after(first, LEAT_AFTER_OK, 1);

    cr_assert(eq(sz, must_hire("then")->job_count, 1));
}

Test(core_after, a_job_alone_can_wait)
{
    const uint64_t first = must_submit("first", 1, LEAT_SEND_SEAL);
    leat_send_head head = after_head(0, first, LEAT_AFTER_OK);
    const uint64_t then = must_send(client, &head, 1)->sent.batch;

    end_one(must_hire("first"), LEAT_END_FAILED);

    peer_wait(client, then, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);
    cr_assert(eq(int, client->completions[0].completion.outcome, LEAT_OUTCOME_SKIPPED));
}

/* ------------------------------------------------------------------------------ many */

Test(core_after, many_are_let_go_in_slices)
{
    const uint64_t first = must_submit("first", 1, LEAT_SEND_SEAL);
    leat_send_head head = after_head(9, first, LEAT_AFTER_OK);
    const uint64_t then = must_send(client, &head, 5000)->sent.batch;
    test_peer *const worker = must_hire("first");

    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    world_turn(&w);
    cr_assert(leat_core_is_busy(w.core)); /* it goes on without being asked */
    for (unsigned i = 0; i < 5; i++)
        world_turn(&w);

    cr_assert(not(leat_core_is_busy(w.core)));
    cr_assert(eq(u64, must_figure(client, then, "ready"), 5000));
}

Test(core_after, many_are_skipped_in_slices)
{
    const uint64_t first = must_submit("first", 1, LEAT_SEND_SEAL);
    leat_send_head head = after_head(9, first, LEAT_AFTER_OK);
    const uint64_t then = must_send(client, &head, 5000)->sent.batch;
    test_peer *const worker = must_hire("first");

    (void)peer_done(worker, &worker->jobs[0], LEAT_END_FATAL, 1, "", 0);
    uint32_t before = leat_core_get_facts(w.core).items;
    for (unsigned turn = 0; leat_core_get_facts(w.core).items > 0; turn++) {
        world_turn(&w);
        cr_assert(lt(u32, turn, 5));
        cr_assert(le(u32, before - leat_core_get_facts(w.core).items, LEAT_TURN_ENDS_MAX + 1));
        before = leat_core_get_facts(w.core).items;
    }
    must_settle(&w);

    cr_assert(eq(u64, must_figure(client, then, "skipped"), 5000));
}

Test(core_after, a_restart_in_the_middle_of_it_loses_nobody)
{
    const uint64_t first = must_submit("first", 1, LEAT_SEND_SEAL);
    leat_send_head head = after_head(9, first, LEAT_AFTER_OK);
    const uint64_t then = must_send(client, &head, 5000)->sent.batch;
    test_peer *const worker = must_hire("first");
    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    world_turn(&w);

    must_restart(&w);
    must_resume(client);
    for (unsigned i = 0; i < 5; i++)
        world_turn(&w);

    cr_assert(eq(u64, must_figure(client, then, "ready"), 5000));
    cr_assert(eq(u64, must_figure(client, then, "held"), 0));
}

/* ------------------------------------------------------------------------------ refused */

Test(core_after, a_batch_does_not_wait_for_itself)
{
    leat_send_head head = test_head("then", 9);
    const uint64_t batch = must_send(client, &head, 1)->sent.batch;
    head = after_head(9, batch, LEAT_AFTER_OK);

    cr_assert(eq(int, code_of(&head), LEAT_ERR_BAD_STATE));
    LEAT_SAME_TEXT(must_answer(client, client->sequence)->sentence,
                   "\"after\" would make the batch wait for itself");
}

Test(core_after, a_circle_of_two_is_refused)
{
    leat_send_head head = test_head("then", 8);
    const uint64_t one = must_send(client, &head, 1)->sent.batch;
    head = after_head(9, one, LEAT_AFTER_OK);
    const uint64_t two = must_send(client, &head, 1)->sent.batch;

    head = after_head(8, two, LEAT_AFTER_OK);

    cr_assert(eq(int, code_of(&head), LEAT_ERR_BAD_STATE));
}

Test(core_after, a_circle_of_many_is_refused)
{
    uint64_t batches[20];
    leat_send_head head = test_head("then", 100);
    batches[0] = must_send(client, &head, 1)->sent.batch;
    for (uint32_t i = 1; i < 20; i++) {
        head = after_head(100 + i, batches[i - 1], LEAT_AFTER_OK);
        batches[i] = must_send(client, &head, 1)->sent.batch;
    }
    for (uint32_t i = 1; i < 20; i++) {
        head = after_head(100, batches[i], LEAT_AFTER_ANY);
        cr_assert(eq(int, code_of(&head), LEAT_ERR_BAD_STATE));
    }
    head = after_head(119, batches[0], LEAT_AFTER_ANY); /* the same way twice is no circle */
    cr_assert(eq(int, code_of(&head), LEAT_ERR_OK));
}

Test(core_after, a_circle_is_refused_after_a_restart)
{
    leat_send_head head = test_head("then", 8);
    const uint64_t one = must_send(client, &head, 1)->sent.batch;
    head = after_head(9, one, LEAT_AFTER_OK);
    const uint64_t two = must_send(client, &head, 1)->sent.batch;
    must_restart(&w);
    must_resume(client);

    head = after_head(8, two, LEAT_AFTER_OK);

    cr_assert(eq(int, code_of(&head), LEAT_ERR_BAD_STATE));
}

Test(core_after, a_batch_that_is_not_there_is_refused)
{
    const leat_send_head head = after_head(9, UINT64_C(1) << 40, LEAT_AFTER_OK);

    cr_assert(eq(int, code_of(&head), LEAT_ERR_NOT_FOUND));
}

Test(core_after, a_time_and_a_batch_are_not_both_waited_for)
{
    const uint64_t first = must_submit("first", 1, LEAT_SEND_SEAL);
    leat_send_head head = after_head(9, first, LEAT_AFTER_OK);
    head.settings.delay_ms = 1000;

    cr_assert(eq(int, code_of(&head), LEAT_ERR_BAD_STATE));
}

Test(core_after, one_batch_waits_for_sixty_four_at_most)
{
    for (unsigned i = 0; i <= LEAT_AFTERS_MAX; i++) {
        const uint64_t first = must_submit("first", 1, 0);
        leat_send_head head = after_head(9, first, LEAT_AFTER_OK);
        head.tag = 1 << 30;
        cr_assert(eq(int, code_of(&head), i < LEAT_AFTERS_MAX ? LEAT_ERR_OK : LEAT_ERR_LIMIT));
    }
}

/* ------------------------------------------------------------------------------ restarts */

Test(core_after, what_is_held_is_held_after_a_restart)
{
    const uint64_t first = must_submit("first", 1, LEAT_SEND_SEAL);
    const uint64_t then = must_submit_after(first, LEAT_AFTER_OK, 3);
    world_pass(&w, 3000);

    must_restart(&w);
    must_resume(client);
    test_peer *const other = must_hire("then");
    cr_assert(eq(sz, other->job_count, 0));
    cr_assert(eq(u64, must_figure(client, then, "held"), 3));
    end_one(must_hire("first"), LEAT_END_DONE);

    cr_assert(eq(sz, other->job_count, 3));
}

Test(core_after, what_was_let_go_is_ready_after_a_restart)
{
    const uint64_t first = must_submit("first", 1, LEAT_SEND_SEAL);
    (void)must_submit_after(first, LEAT_AFTER_OK, 3);
    must_end_all(must_hire("first"), LEAT_END_DONE);

    must_restart(&w);
    must_resume(client);

    cr_assert(eq(sz, must_hire("then")->job_count, 3));
}

Test(core_after, what_was_let_go_is_ready_when_the_hand_has_passed)
{
    const uint64_t first = must_submit("first", 1, LEAT_SEND_SEAL);
    (void)must_submit_after(first, LEAT_AFTER_OK, 3);
    must_end_all(must_hire("first"), LEAT_END_DONE);
    world_pass(&w, 5000);

    must_restart(&w);
    must_resume(client);

    cr_assert(eq(sz, must_hire("then")->job_count, 3));
}

Test(core_after, what_was_skipped_stays_skipped)
{
    const uint64_t first = must_submit("first", 1, LEAT_SEND_SEAL);
    const uint64_t then = must_submit_after(first, LEAT_AFTER_OK, 3);
    must_end_all(must_hire("first"), LEAT_END_FAILED);

    must_restart(&w);
    must_resume(client);

    cr_assert(eq(sz, must_hire("then")->job_count, 0));
    cr_assert(eq(u64, must_figure(client, then, "skipped"), 3));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
}

Test(core_after, a_batch_in_memory_that_is_gone_is_never_met)
{
    must_do(client, "channel.new", "{\"channel\":\"m\",\"durability\":\"memory\"}");
    leat_send_head head = test_head("first", 9);
    head.channel = leat_text_of("m");
    head.flags = LEAT_SEND_SEAL;
    const uint64_t first = must_send(client, &head, 1)->sent.batch;
    head = after_head(10, first, LEAT_AFTER_ANY);
    head.flags = LEAT_SEND_SEAL;
    head.settings.finally_count = 1;
    head.settings.finally[0] = (leat_follower){.handler = leat_text_of("clean")};
    const uint64_t then = must_send(client, &head, 2)->sent.batch;

    must_restart(&w);
    must_resume(client);

    cr_assert(eq(u64, must_figure(client, then, "skipped"), 2));
    cr_assert(eq(sz, must_hire("clean")->job_count, 2)); /* what follows them has numbers */
    must_restart(&w);
    must_resume(client);
    cr_assert(eq(u64, must_figure(client, then, "skipped"), 2));
}

Test(core_after, explain_says_what_it_waits_for)
{
    const uint64_t first = must_submit("first", 1, LEAT_SEND_SEAL);
    const uint64_t then = must_submit_after(first, LEAT_AFTER_OK, 3);
    char want[64];
    (void)snprintf(want, sizeof want, "waits for batch %llu", (unsigned long long)first);

    must_query(client, "explain", "{\"batch\":\"%llu\"}", (unsigned long long)then);

    LEAT_SAME_TEXT(said_text(&w, "reasons.0.reason"), want);
    cr_assert(eq(dbl, said(&w, "reasons.0.jobs"), 3.0));
    LEAT_SAME_TEXT(said_text(&w, "reasons.0.hint"), "leat status");
}
