/* Workers that fail what others do well: named with the numbers, and set aside by a person. */
#include <stdio.h>
#include <stdlib.h>

#include "broker/core/machine.h"
#include "broker/core/object.h"
#include "broker/core/peer.h"
#include "tests/lib/peers.h"
#include "tests/lib/test.h"

static test_world w;
static test_peer *client;
static uint64_t batch;
static uint32_t tags;

static void
setup(void)
{
    world_init(&w);
    client = must_client(&w);
    tags = 0;
}

static void
teardown(void)
{
    world_fini(&w);
}

TestSuite(core_tally, .init = setup, .fini = teardown);

/* So many jobs, each with one try, run by this worker, of which so many fail. */
static void
must_run(test_peer *worker, const char *handler, unsigned n, unsigned failing)
{
    leat_send_head head = test_head(handler, ++tags);
    head.flags = LEAT_SEND_SEAL;
    head.settings.failures = 1;
    batch = must_send(client, &head, n)->sent.batch;
    peer_credit(worker, n);
    must_settle(&w);
    for (unsigned i = 0; peer_open_jobs(worker) > 0; i++) {
        test_job *job = &worker->jobs[0];
        while (job->over)
            job++;
        (void)peer_done(worker, job, i < failing ? LEAT_END_FATAL : LEAT_END_DONE, 1000, "", 0);
        must_settle(&w);
    }
    peer_credit(worker, 0);
    must_settle(&w);
}

static test_peer *
hire(const char *name)
{
    return must_worker(&w, name, 1000, "echo sleep");
}

static void
must_explain(void)
{
    must_query(client, "explain", "{\"batch\":\"%llu\"}", (unsigned long long)batch);
}

static bool
is_named(const char *name)
{
    const char *const said = said_text(&w, "outliers.0.worker");
    return said != NULL && strcmp(said, name) == 0;
}

Test(core_tally, who_fails_what_others_do_well_is_named_with_the_numbers)
{
    must_run(hire("w1"), "echo", 60, 1);
    must_run(hire("w2"), "echo", 40, 2);
    must_run(hire("w7"), "echo", 50, 41);

    must_explain();

    cr_assert(is_named("w7"));
    LEAT_SAME_TEXT(said_text(&w, "outliers.0.host"), "host");
    LEAT_SAME_TEXT(said_text(&w, "outliers.0.handler"), "echo");
    cr_assert(eq(dbl, said(&w, "outliers.0.failed"), 41.0));
    cr_assert(eq(dbl, said(&w, "outliers.0.ended"), 50.0));
    cr_assert(eq(dbl, said(&w, "outliers.0.others_failed"), 3.0));
    cr_assert(eq(dbl, said(&w, "outliers.0.others_ended"), 100.0));
    cr_assert(eq(dbl, said(&w, "outliers.0.minutes"), 10.0));
    cr_assert(eq(dbl, said(&w, "outliers.1.ended"), -1.0));
    must_query(client, "worker", "{\"worker\":\"w7\"}");
    cr_assert(eq(dbl, said(&w, "workers.0.lately.0.failed"), 41.0));
    cr_assert(eq(dbl, said(&w, "workers.0.lately.0.stands_out"), 1.0));
    must_query(client, "worker", "{\"worker\":\"w2\"}");
    cr_assert(eq(dbl, said(&w, "workers.0.lately.0.stands_out"), 0.0));
}

Test(core_tally, a_job_that_fails_everywhere_accuses_nobody)
{
    must_run(hire("w1"), "echo", 20, 20);
    must_run(hire("w2"), "echo", 20, 18);

    must_explain();

    cr_assert(eq(dbl, said(&w, "outliers.0.ended"), -1.0));
}

Test(core_tally, few_failures_and_few_others_are_no_pattern)
{
    must_run(hire("w1"), "echo", 60, 0);
    must_run(hire("w2"), "echo", 4, 4);
    must_explain();
    cr_assert(eq(dbl, said(&w, "outliers.0.ended"), -1.0));

    must_run(hire("w3"), "sleep", 9, 0);
    must_run(hire("w4"), "sleep", 9, 9);
    must_explain();
    cr_assert(eq(dbl, said(&w, "outliers.0.ended"), -1.0));
}

Test(core_tally, a_worker_that_fails_now_and_then_does_not_stand_out)
{
    must_run(hire("w1"), "echo", 100, 0);
    must_run(hire("w2"), "echo", 100, 49);

    must_explain();

    cr_assert(eq(dbl, said(&w, "outliers.0.ended"), -1.0));
}

Test(core_tally, each_handler_is_compared_with_itself)
{
    must_run(hire("w1"), "echo", 100, 0);
    must_run(hire("w2"), "sleep", 20, 20); /* it alone runs these: nobody does them well */

    must_explain();

    cr_assert(eq(dbl, said(&w, "outliers.0.ended"), -1.0));
}

Test(core_tally, what_was_ten_minutes_ago_is_forgotten)
{
    test_peer *const bad = hire("w7");
    must_run(hire("w1"), "echo", 60, 0);
    must_run(bad, "echo", 20, 20);
    world_pass(&w, 9 * 60000 - 1000);
    peer_beat(bad);
    must_explain();
    cr_assert(is_named("w7"));

    world_pass(&w, 62000);

    must_explain();
    cr_assert(eq(dbl, said(&w, "outliers.0.ended"), -1.0));
}

Test(core_tally, the_window_moves_with_the_minutes)
{
    test_peer *const worker = hire("w1");
    for (unsigned i = 0; i < 25; i++) {
        must_run(worker, "echo", 3, i % 2);
        world_pass(&w, 60000);
        peer_beat(worker);
    }

    must_query(client, "worker", "{\"worker\":\"w1\"}");

    /* Nine whole minutes have been counted in, and the present one is empty. */
    cr_assert(eq(dbl, said(&w, "workers.0.lately.0.ended"), 27.0));
    cr_assert(eq(dbl, said(&w, "workers.0.lately.0.failed"), 4.0));
}

Test(core_tally, a_clock_may_begin_before_zero_and_go_back)
{
    test_peer *const worker = hire("w1");
    const int64_t steps_ms[] = {-5400000, 60000, 60000, -180000, 7, 60000};
    for (unsigned i = 0; i < 6; i++) {
        w.now.mono_ms += steps_ms[i];
        peer_beat(worker);
        must_run(worker, "echo", 2, 1);
    }

    must_query(client, "worker", "{\"worker\":\"w1\"}");

    cr_assert(eq(dbl, said(&w, "workers.0.lately.0.ended"), 12.0));
    cr_assert(eq(dbl, said(&w, "workers.0.lately.0.failed"), 6.0));
}

Test(core_tally, so_many_classes_are_kept_and_the_last_ones)
{
    test_peer *const worker = must_worker(&w, "w1", 100, "h0 h1 h2 h3 h4 h5 h6 h7 h8 h9");
    for (unsigned i = 0; i < 10; i++) {
        char handler[8];
        (void)snprintf(handler, sizeof handler, "h%u", i);
        must_run(worker, handler, 2, 0);
    }
    must_run(worker, "h9", 2, 0);

    must_query(client, "worker", "{\"worker\":\"w1\"}");

    LEAT_SAME_TEXT(said_text(&w, "workers.0.lately.0.handler"), "h9");
    cr_assert(eq(dbl, said(&w, "workers.0.lately.0.ended"), 4.0));
    LEAT_SAME_TEXT(said_text(&w, "workers.0.lately.7.handler"), "h2");
    cr_assert(eq(dbl, said(&w, "workers.0.lately.8.ended"), -1.0));
}

Test(core_tally, a_batch_in_which_nothing_failed_accuses_nobody)
{
    must_run(hire("w1"), "echo", 60, 0);
    must_run(hire("w7"), "echo", 20, 20);
    must_run(hire("w2"), "echo", 5, 0);

    must_explain();

    cr_assert(eq(dbl, said(&w, "outliers.0.ended"), -1.0));
}

/* ------------------------------------------------------------------------------ setting aside */

static unsigned
jobs_given(test_peer *worker)
{
    leat_send_head head = test_head("echo", ++tags);
    head.flags = LEAT_SEND_SEAL;
    const size_t before = worker->job_count;
    (void)must_send(client, &head, 1);
    must_settle(&w);
    return (unsigned)(worker->job_count - before);
}

Test(core_tally, a_drained_worker_is_given_nothing_until_it_is_undone)
{
    test_peer *const worker = hire("w7");
    peer_credit(worker, 100);
    must_settle(&w);
    cr_assert(eq(u32, jobs_given(worker), 1));

    must_do(client, "worker.drain", "{\"worker\":\"w7\"}");
    cr_assert(eq(u32, jobs_given(worker), 0));
    must_query(client, "workers", "{}");
    LEAT_SAME_TEXT(said_text(&w, "workers.0.state"), "draining"); /* it runs one */
    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    must_settle(&w);
    must_query(client, "worker", "{\"worker\":\"w7\"}");
    LEAT_SAME_TEXT(said_text(&w, "workers.0.state"), "drained");
    cr_assert(eq(dbl, said(&w, "workers.0.drained"), 1.0));
    must_query(client, "status", "{}");
    LEAT_SAME_TEXT(said_text(&w, "waiting.0.reason"),
                   "the workers that offer handler \"echo\" are drained");

    must_do(client, "worker.drain", "{\"worker\":\"w7\",\"undo\":true}");
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, 2));
}

Test(core_tally, it_is_asked_for_what_it_has_not_begun)
{
    test_peer *const worker = hire("w7");
    peer_credit(worker, 100);
    must_settle(&w);
    (void)jobs_given(worker);
    const size_t before = peer_frames(worker, LEAT_CMD_RECALL);

    must_do(client, "worker.drain", "{\"worker\":\"w7\"}");

    cr_assert(eq(sz, peer_frames(worker, LEAT_CMD_RECALL), before + 1));
}

Test(core_tally, it_stays_drained_over_reconnects_and_restarts)
{
    test_peer *const worker = hire("w7");
    must_do(client, "worker.drain", "{\"worker\":\"w7\"}");
    peer_cut(worker);
    must_resume_worker(worker, 0, false);
    peer_credit(worker, 100);
    cr_assert(eq(u32, jobs_given(worker), 0));

    must_restart(&w);
    must_resume(client);
    must_resume_worker(worker, 0, false);
    peer_credit(worker, 100);
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, 0));
    world_pass(&w, 10000); /* the hand has written the session anew */
    must_restart(&w);
    must_resume(client);
    must_resume_worker(worker, 0, false);
    peer_credit(worker, 100);
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, 0));

    must_do(client, "worker.drain", "{\"worker\":\"w7\",\"undo\":true}");
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, 1));
}

Test(core_tally, what_is_wrong_is_answered)
{
    (void)hire("w7");

    LEAT_FAILS(code_of_command(client, "worker.drain", "{\"worker\":\"w8\"}"), LEAT_ERR_NOT_FOUND);
    LEAT_FAILS(code_of_command(client, "worker.drain", "{}"), LEAT_ERR_MALFORMED);
    LEAT_FAILS(code_of_command(client, "worker.drain", "{\"worker\":\"w7\",\"undo\":1}"),
               LEAT_ERR_MALFORMED);
    must_query(client, "worker", "{\"worker\":\"w8\"}");
    LEAT_SAME_TEXT(said_text(&w, "error.code"), "NOT_FOUND");
    must_query(client, "worker", "{\"worker\":5}");
    LEAT_SAME_TEXT(said_text(&w, "error.code"), "MALFORMED");
}

Test(core_tally, only_an_admin_drains)
{
    (void)hire("w7");
    const leat_principal principal = {.id = 77, .name = "somebody", .may_ask = true};
    test_peer *const other = must_client_of(&w, &principal);

    LEAT_FAILS(code_of_command(other, "worker.drain", "{\"worker\":\"w7\"}"), LEAT_ERR_DENIED);
}

/* As brokers wrote it before there was a flag: read for ever. */
Test(core_tally, a_session_of_before_is_not_set_aside)
{
    test_peer *const worker = hire("w7");
    leat_peer *const peer = leat_peer_find(w.core, &worker->hello->session);
    leat_buf record = {0};
    peer->aside = true;
    leat_object_put_session(peer, &record);
    LEAT_PASS(leat_object_apply(w.core, LEAT_OBJECT_SESSION, peer->key, record.data, record.size));
    cr_assert(eq(int, peer->aside, 1));

    record.data[0] = 1; /* the format, which has nothing behind the principal's name */
    record.size--;
    LEAT_PASS(leat_object_apply(w.core, LEAT_OBJECT_SESSION, peer->key, record.data, record.size));

    cr_assert(eq(int, peer->aside, 0));
    leat_buf_fini(&record);
}
