/* The dead: kept with payload and error for a person, who looks, tries them again, or removes them.
 */
#include <stdio.h>
#include <stdlib.h>

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

TestSuite(core_dead, .init = setup, .fini = teardown);

/* A worker that fails everything of this channel with this error. */
static void
kill_all(const char *channel, const char *error)
{
    test_peer *const worker = world_peer(&w, "w1", 100, "echo");
    worker->hello->channel_count = 1;
    (void)snprintf(worker->hello->channels[0], sizeof worker->hello->channels[0], "%s", channel);
    peer_connect(worker, false);
    must_settle(&w);
    peer_credit(worker, 100);
    must_settle(&w);
    for (size_t i = 0; i < worker->job_count; i++) {
        (void)peer_done(worker, &worker->jobs[i], LEAT_END_FATAL, 1, error, strlen(error));
        must_settle(&w);
    }
    peer_bye(worker);
    must_settle(&w);
}

static leat_sent
must_bury(const char *channel, unsigned n, const char *error)
{
    leat_send_head head = test_head("echo", (uint32_t)w.heard);
    head.channel = leat_text_of(channel);
    head.flags = LEAT_SEND_SEAL;
    const leat_sent sent = must_send(client, &head, n)->sent;
    kill_all(channel, error);
    return sent;
}

static unsigned
count_dead(const char *arguments)
{
    must_query(client, "dead", "%s", arguments);
    unsigned n = 0;
    for (char path[32]; n < 1000; n++) {
        (void)snprintf(path, sizeof path, "dead.%u.job", n);
        if (said(&w, path) < 0)
            break;
    }
    return n;
}

static test_peer *
must_hire(void)
{
    test_peer *const worker = must_worker(&w, "w2", 100, "echo");
    peer_credit(worker, 100);
    must_settle(&w);
    return worker;
}

/* ------------------------------------------------------------------------------ looking */

Test(core_dead, a_dead_job_is_listed)
{
    const leat_sent sent = must_bury("default", 2, "no bread");

    cr_assert(eq(u32, count_dead("{}"), 2));
    cr_assert(eq(dbl, said(&w, "dead.0.job"), (double)(sent.first_id + 1))); /* the newest first */
    cr_assert(eq(dbl, said(&w, "dead.1.job"), (double)sent.first_id));
    cr_assert(eq(dbl, said(&w, "dead.1.batch"), (double)sent.batch));
    cr_assert(eq(dbl, said(&w, "dead.0.place"), 2.0));
    cr_assert(eq(dbl, said(&w, "dead.0.attempts"), 1.0));
    cr_assert(eq(dbl, said(&w, "dead.0.failed"), 1.0));
    cr_assert(eq(dbl, said(&w, "dead.0.lost"), 0.0));
    cr_assert(eq(dbl, said(&w, "dead.0.ended_ms"), (double)w.now.wall_ms));
    cr_assert(eq(dbl, said(&w, "left_off"), 0.0));
    LEAT_SAME_TEXT(said_text(&w, "dead.0.channel"), "default");
    LEAT_SAME_TEXT(said_text(&w, "dead.0.handler"), "echo");
    LEAT_SAME_TEXT(said_text(&w, "dead.0.error"), "no bread");
}

Test(core_dead, it_counts_all_attempts)
{
    leat_send_head head = test_head("echo", 0);
    (void)must_send(client, &head, 1);
    test_peer *const worker = must_hire();
    for (unsigned i = 0; i < LEAT_FAILURES_DEFAULT; i++) {
        (void)peer_done(worker, &worker->jobs[i], LEAT_END_FAILED, 1, "again", 5);
        world_pass(&w, 10000);
    }

    cr_assert(eq(u32, count_dead("{}"), 1));
    cr_assert(eq(dbl, said(&w, "dead.0.attempts"), 3.0));
    cr_assert(eq(dbl, said(&w, "dead.0.failed"), 3.0));
}

Test(core_dead, one_job_is_shown_with_its_payload)
{
    const leat_sent sent = must_bury("default", 3, "no bread");

    must_query(client, "dead.show", "{\"job\":\"%llu\"}", (unsigned long long)sent.first_id + 2);

    LEAT_SAME_TEXT(said_text(&w, "payload"), "2");
    LEAT_SAME_TEXT(said_text(&w, "error"), "no bread");
    cr_assert(eq(dbl, said(&w, "payload_bytes"), 1.0));
    must_query(client, "dead.show", "{\"job\":\"1\"}");
    LEAT_SAME_TEXT(said_text(&w, "error.code"), "NOT_FOUND");
}

Test(core_dead, of_a_large_payload_so_much_is_shown_as_fits)
{
    leat_send_head head = test_head("echo", 0);
    const uint64_t sequence = peer_send(client, &head, 1, LEAT_PAYLOAD_BYTES_MAX);
    must_settle(&w);
    const uint64_t job = must_answer(client, sequence)->sent.first_id;
    kill_all("default", "too heavy");

    must_query(client, "dead.show", "{\"job\":\"%llu\"}", (unsigned long long)job);

    cr_assert(eq(dbl, said(&w, "payload_bytes"), (double)LEAT_PAYLOAD_BYTES_MAX));
    cr_assert(eq(dbl, said(&w, "job"), (double)job));
}

Test(core_dead, the_list_is_filtered)
{
    (void)must_bury("default", 2, "no bread");
    (void)must_bury("other", 3, "no wine");
    (void)must_bury("other", 1, "no bread either");

    cr_assert(eq(u32, count_dead("{}"), 6));
    cr_assert(eq(u32, count_dead("{\"channel\":\"other\"}"), 4));
    cr_assert(eq(u32, count_dead("{\"error\":\"bread\"}"), 3));
    cr_assert(eq(u32, count_dead("{\"error\":\"bread\",\"channel\":\"other\"}"), 1));
    cr_assert(eq(u32, count_dead("{\"error\":\"cake\"}"), 0));
    cr_assert(eq(u32, count_dead("{\"offset\":4}"), 2));
    cr_assert(eq(u32, count_dead("{\"channel\":\"nowhere\"}"), 0));
    LEAT_SAME_TEXT(said_text(&w, "error.code"), "NOT_FOUND");
    cr_assert(eq(u32, count_dead("{\"error\":5}"), 0));
    LEAT_SAME_TEXT(said_text(&w, "error.code"), "MALFORMED");
}

Test(core_dead, since_a_time_means_those_that_died_since_then)
{
    (void)must_bury("default", 2, "no bread");
    world_pass(&w, 5000);
    const long long since_ms = w.now.wall_ms;
    char since[100];
    (void)must_bury("default", 1, "no wine");
    (void)must_bury("default", 1, "no bread");

    (void)snprintf(since, sizeof since, "{\"since_ms\":%lld}", since_ms);
    cr_assert(eq(u32, count_dead(since), 2));
    (void)snprintf(since, sizeof since, "{\"since_ms\":%lld,\"error\":\"bread\"}", since_ms);
    cr_assert(eq(u32, count_dead(since), 1));
    cr_assert(eq(u32, count_dead("{\"since_ms\":\"now\"}"), 0));
    LEAT_SAME_TEXT(said_text(&w, "error.code"), "MALFORMED");

    must_do(client, "dead.retry", "%s", since);
    cr_assert(eq(dbl, said(&w, "jobs"), 1.0));
    must_do(client, "dead.remove", "{\"since_ms\":%lld}", since_ms);
    cr_assert(eq(dbl, said(&w, "removed"), 1.0));
    cr_assert(eq(u32, count_dead("{}"), 2));
}

Test(core_dead, a_long_list_is_read_in_parts_that_are_bounded)
{
    char arguments[160];
    char cursor[64] = "";
    unsigned rows = 0;
    unsigned parts = 0;
    double last = 1e18;
    (void)must_bury("default", 40, "no bread");
    for (unsigned i = 0; i < 30; i++)
        (void)must_bury("other", 100, "no wine");
    do {
        (void)snprintf(arguments, sizeof arguments, "{\"error\":\"bread\",\"cursor\":\"%s\"}",
                       cursor);
        const unsigned n = count_dead(arguments);
        for (unsigned i = 0; i < n; i++) {
            char path[32];
            (void)snprintf(path, sizeof path, "dead.%u.job", i);
            cr_assert(lt(dbl, said(&w, path), last)); /* the newest first, each once */
            last = said(&w, path);
        }
        rows += n;
        parts++;
        (void)snprintf(cursor, sizeof cursor, "%s", said_text(&w, "cursor"));
        cr_assert(lt(u32, parts, 100));
    } while (*cursor != '\0');
    cr_assert(eq(u32, rows, 40));
    cr_assert(ge(u32, parts, 4)); /* of 3 040 a thousand each */

    /* behind one that is gone it goes on with what died before it */
    cr_assert(gt(u32, count_dead("{\"cursor\":\"9999999999999.1\"}"), 10));
    cr_assert(eq(u32, count_dead("{\"cursor\":\"0.1\"}"), 0));
    cr_assert(eq(u32, count_dead("{\"cursor\":\"x\"}"), 0));
    LEAT_SAME_TEXT(said_text(&w, "error.code"), "MALFORMED");
}

Test(core_dead, a_long_list_says_how_many_are_left_off)
{
    (void)must_bury("default", 100, "no bread");

    const unsigned shown = count_dead("{}");

    cr_assert(gt(u32, shown, 10));
    cr_assert(eq(dbl, said(&w, "left_off"), 100.0 - shown));
    char arguments[32];
    (void)snprintf(arguments, sizeof arguments, "{\"offset\":%u}", shown);
    cr_assert(gt(u32, count_dead(arguments), 0));
}

Test(core_dead, the_living_are_not_listed)
{
    leat_send_head head = test_head("echo", 5);
    const leat_sent sent = must_send(client, &head, 3)->sent;
    test_peer *const worker = must_hire();
    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    (void)peer_done(worker, &worker->jobs[1], LEAT_END_FAILED, 1, "", 0); /* tried again */
    (void)peer_cancel(client, sent.first_id + 2);
    must_settle(&w);
    (void)peer_token(worker, LEAT_CMD_RELEASE, &worker->jobs[2], 0);
    must_settle(&w);

    cr_assert(eq(u32, count_dead("{}"), 0));
}

/* ------------------------------------------------------------------------------ trying again */

static uint64_t
retried(void)
{
    return (uint64_t)said(&w, "batch");
}

Test(core_dead, a_retried_job_is_a_new_job_in_a_new_batch)
{
    const leat_sent sent = must_bury("default", 2, "no bread");

    must_do(client, "dead.retry", "{\"jobs\":[\"%llu\"]}", (unsigned long long)sent.first_id + 1);
    cr_assert(eq(dbl, said(&w, "jobs"), 1.0));
    const uint64_t batch = retried();
    cr_assert(ne(u64, batch, sent.batch));
    cr_assert(eq(u32, count_dead("{}"), 1));
    test_peer *const worker = must_hire();

    cr_assert(eq(sz, worker->job_count, 1));
    cr_assert(eq(u64, worker->jobs[0].batch, batch));
    cr_assert(ne(u64, worker->jobs[0].token.id, sent.first_id + 1));
    cr_assert(eq(u32, worker->jobs[0].token.attempt, 1));
    cr_assert(eq(int, worker->jobs[0].payload.data[0], '1'));
    must_end_all(worker, LEAT_END_DONE);
    must_query(client, "status", "{\"batch\":\"%llu\"}", (unsigned long long)batch);
    cr_assert(eq(dbl, said(&w, "batch.retry_of"), (double)sent.batch));
    cr_assert(eq(dbl, said(&w, "batch.done"), 1.0));
    cr_assert(eq(dbl, said(&w, "batch.finished"), 1.0));
    cr_assert(eq(u64, must_figure(client, sent.batch, "dead"), 2)); /* an end is final */
}

Test(core_dead, the_dead_of_a_batch_are_retried_together)
{
    const leat_sent sent = must_bury("default", 3, "no bread");
    (void)must_bury("default", 2, "no wine");

    must_do(client, "batch.retry", "{\"batch\":\"%llu\"}", (unsigned long long)sent.batch);

    cr_assert(eq(dbl, said(&w, "jobs"), 3.0));
    cr_assert(eq(u32, count_dead("{}"), 2));
    cr_assert(eq(sz, must_hire()->job_count, 3));
}

Test(core_dead, a_filter_chooses_who_is_retried)
{
    (void)must_bury("default", 3, "no bread");
    (void)must_bury("other", 2, "no wine");

    must_do(client, "dead.retry", "{\"error\":\"wine\"}");

    cr_assert(eq(dbl, said(&w, "jobs"), 2.0));
    cr_assert(eq(u32, count_dead("{\"channel\":\"other\"}"), 0));
    cr_assert(eq(u32, count_dead("{}"), 3));
}

Test(core_dead, a_retried_job_keeps_its_settings)
{
    leat_send_head head = test_head("echo", 0);
    head.settings.priority = 8;
    head.settings.failures = 1;
    head.settings.run_limit_ms = 777;
    head.settings.finally_count = 1;
    head.settings.finally[0] = (leat_follower){.handler = leat_text_of("clean")};
    (void)must_send(client, &head, 1);
    kill_all("default", "no bread");
    must_do(client, "dead.retry", "{}");

    test_peer *const worker = must_hire();
    cr_assert(eq(u64, worker->jobs[0].run_limit_ms, 777));
    (void)peer_done(worker, &worker->jobs[0], LEAT_END_FAILED, 1, "", 0);
    must_settle(&w);

    cr_assert(eq(u32, count_dead("{}"), 1)); /* one failure was the most */
}

Test(core_dead, a_retried_job_does_not_wait_again)
{
    const leat_sent first = must_bury("default", 1, "no bread");
    leat_send_head head = test_head("echo", 0);
    head.settings.after = LEAT_AFTER_FAILED;
    head.settings.after_batch = first.batch;
    const leat_sent then = must_send(client, &head, 1)->sent;
    kill_all("default", "no bread");

    must_do(client, "dead.retry", "{\"jobs\":[\"%llu\"]}", (unsigned long long)then.first_id);

    cr_assert(eq(sz, must_hire()->job_count, 1));
}

Test(core_dead, a_repeated_retry_is_one)
{
    (void)must_bury("default", 1, "no bread");
    const uint64_t sequence = peer_command(client, "dead.retry", "{}");
    peer_cut(client);
    must_settle(&w);
    must_resume(client);

    peer_repeat(client, sequence);
    must_settle(&w);

    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_OK));
    cr_assert(eq(sz, must_hire()->job_count, 1));
}

Test(core_dead, who_is_not_dead_is_not_retried)
{
    const leat_sent sent = must_bury("default", 1, "no bread");
    const unsigned long long job = sent.first_id;
    must_do(client, "dead.retry", "{\"jobs\":[\"%llu\"]}", job);

    LEAT_FAILS(code_of_command(client, "dead.retry", "{\"jobs\":[\"%llu\"]}", job),
               LEAT_ERR_NOT_FOUND);
    LEAT_FAILS(code_of_command(client, "dead.retry", "{\"jobs\":[]}"), LEAT_ERR_MALFORMED);
    LEAT_FAILS(code_of_command(client, "dead.retry", "{\"jobs\":[5]}"), LEAT_ERR_MALFORMED);
    LEAT_FAILS(code_of_command(client, "dead.retry", "{\"jobs\":\"5\"}"), LEAT_ERR_MALFORMED);
}

Test(core_dead, a_closed_channel_takes_nobody_back)
{
    (void)must_bury("default", 2, "no bread");
    must_do(client, "channel.close", "{\"channel\":\"default\"}");

    LEAT_FAILS(code_of_command(client, "dead.retry", "{}"), LEAT_ERR_CLOSED);

    cr_assert(eq(u32, count_dead("{}"), 2));
}

Test(core_dead, a_retry_goes_in_above_the_capacity)
{
    must_do(client, "channel.new", "{\"channel\":\"default\",\"capacity\":1}");
    (void)must_bury("default", 1, "no bread");
    (void)must_bury("default", 1, "no bread");

    must_do(client, "dead.retry", "{}");

    cr_assert(eq(dbl, said(&w, "jobs"), 2.0));
}

Test(core_dead, more_than_two_thousand_are_retried_in_several_commands)
{
    leat_send_head head = test_head("echo", 5);
    head.settings.failures = 1;
    (void)must_send(client, &head, 2100);
    test_peer *const worker = must_worker(&w, "w1", 3000, "echo");
    peer_credit(worker, 3000);
    must_settle(&w);
    must_end_all(worker, LEAT_END_FAILED);
    peer_credit(worker, 0);

    must_do(client, "dead.retry", "{}");
    cr_assert(eq(dbl, said(&w, "jobs"), 2000.0));
    cr_assert(eq(dbl, said(&w, "left"), 100.0));
    must_do(client, "dead.retry", "{}");
    cr_assert(eq(dbl, said(&w, "jobs"), 100.0));
}

/* ------------------------------------------------------------------------------ removing */

static double
dead_in_status(const char *channel)
{
    must_query(client, "channel", "{\"channel\":\"%s\"}", channel);
    return said(&w, "dead");
}

Test(core_dead, the_dead_are_removed)
{
    const leat_sent sent = must_bury("default", 3, "no bread");
    (void)must_bury("other", 2, "no wine");

    must_do(client, "dead.remove", "{\"jobs\":[\"%llu\"]}", (unsigned long long)sent.first_id);
    cr_assert(eq(dbl, said(&w, "removed"), 1.0));
    must_do(client, "dead.remove", "{\"channel\":\"other\"}");
    cr_assert(eq(dbl, said(&w, "removed"), 2.0));
    cr_assert(eq(u32, count_dead("{}"), 2));
    cr_assert(eq(dbl, dead_in_status("default"), 2.0));
    cr_assert(eq(dbl, dead_in_status("other"), 0.0));
    must_do(client, "dead.remove", "{\"error\":\"bread\"}");
    cr_assert(eq(u32, count_dead("{}"), 0));
    cr_assert(eq(dbl, dead_in_status("default"), 0.0));
    must_do(client, "dead.remove", "{}");
    cr_assert(eq(dbl, said(&w, "removed"), 0.0));
    must_restart(&w);
    must_resume(client);
    cr_assert(eq(u32, count_dead("{}"), 0));
}

/* ------------------------------------------------------------------------------ restarts */

Test(core_dead, the_dead_are_there_after_a_restart)
{
    const leat_sent sent = must_bury("default", 2, "no bread");

    must_restart(&w);
    must_resume(client);

    cr_assert(eq(dbl, dead_in_status("default"), 2.0));
    cr_assert(eq(u32, count_dead("{}"), 2));
    LEAT_SAME_TEXT(said_text(&w, "dead.0.error"), "no bread");
    must_query(client, "dead.show", "{\"job\":\"%llu\"}", (unsigned long long)sent.first_id);
    LEAT_SAME_TEXT(said_text(&w, "payload"), "0");
    must_do(client, "dead.retry", "{}");
    cr_assert(eq(sz, must_hire()->job_count, 2));
}

Test(core_dead, their_payload_outlives_their_record)
{
    const leat_sent sent = must_bury("default", 1, "no bread");
    world_pass(&w, 10000); /* the hand has passed twice */
    must_restart(&w);
    must_resume(client);
    world_pass(&w, 10000);

    must_query(client, "dead.show", "{\"job\":\"%llu\"}", (unsigned long long)sent.first_id);

    LEAT_SAME_TEXT(said_text(&w, "payload"), "0");
}

Test(core_dead, a_retry_is_over_a_restart_what_it_was)
{
    const leat_sent sent = must_bury("default", 2, "no bread");
    must_do(client, "dead.retry", "{}");
    const uint64_t batch = retried();

    must_restart(&w);
    must_resume(client);

    cr_assert(eq(u32, count_dead("{}"), 0));
    test_peer *const worker = must_hire();
    cr_assert(eq(sz, worker->job_count, 2));
    must_end_all(worker, LEAT_END_DONE);
    must_query(client, "status", "{\"batch\":\"%llu\"}", (unsigned long long)batch);
    cr_assert(eq(dbl, said(&w, "batch.retry_of"), (double)sent.batch));
    cr_assert(eq(dbl, said(&w, "batch.finished"), 1.0));
}

Test(core_dead, a_retry_that_was_not_on_disk_has_not_happened)
{
    (void)must_bury("default", 2, "no bread");
    w.disk->hold = true;
    (void)peer_command(client, "dead.retry", "{}");
    world_turn(&w);

    must_restart(&w);
    w.disk->hold = false;
    test_late_let_all(w.disk);
    must_resume(client);

    cr_assert(eq(u32, count_dead("{}"), 2));
    cr_assert(eq(sz, must_hire()->job_count, 0));
}

/* ------------------------------------------------------------------------------ retention */

Test(core_dead, they_are_kept_for_seven_days)
{
    (void)must_bury("default", 1, "no bread");
    world_jump(&w, LEAT_DEAD_MS_MAX - 3600000);
    (void)must_bury("default", 1, "no wine");
    cr_assert(eq(u32, count_dead("{}"), 2));

    world_jump(&w, 3600001);
    world_pass(&w, 1000);

    cr_assert(eq(u32, count_dead("{}"), 1));
    LEAT_SAME_TEXT(said_text(&w, "dead.0.error"), "no wine");
    cr_assert(eq(dbl, said(&w, "dropped"), 1.0));
}

Test(core_dead, the_seven_days_go_on_over_a_restart)
{
    /* The one with the higher number has died first. */
    leat_send_head head = test_head("echo", 5);
    head.settings.delay_ms = 7200000;
    (void)must_send(client, &head, 1);
    (void)must_bury("default", 1, "first");
    world_jump(&w, 7200001);
    world_pass(&w, 1000);
    kill_all("default", "second");
    cr_assert(eq(u32, count_dead("{}"), 2));

    must_restart(&w);
    must_resume(client);
    world_jump(&w, LEAT_DEAD_MS_MAX - 7200000);
    world_pass(&w, 1000);
    must_resume(client);

    cr_assert(eq(u32, count_dead("{}"), 1));
    LEAT_SAME_TEXT(said_text(&w, "dead.0.error"), "second");
}

Test(core_dead, those_in_memory_are_gone_with_the_process)
{
    must_do(client, "channel.new", "{\"channel\":\"m\",\"durability\":\"memory\"}");
    (void)must_bury("m", 2, "no bread");
    cr_assert(eq(u32, count_dead("{}"), 2));
    must_query(client, "status", "{}");
    cr_assert(eq(dbl, said(&w, "broker.dead_jobs"), 2.0));

    must_restart(&w);
    must_resume(client);

    cr_assert(eq(u32, count_dead("{}"), 0));
}
