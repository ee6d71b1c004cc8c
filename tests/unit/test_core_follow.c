/* What follows a job: jobs that clean up behind it, one that recovers it, completions that are sent
 * to a channel. */
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

TestSuite(core_follow, .init = setup, .fini = teardown);

static leat_follower
follower(const char *handler, const char *payload)
{
    return (leat_follower){
        .handler = leat_text_of(handler),
        .payload = {(const uint8_t *)payload, (uint32_t)strlen(payload)},
    };
}

static test_peer *
must_hire(const char *handlers)
{
    test_peer *const worker = must_worker(&w, "w1", 4, handlers);
    peer_credit(worker, 4);
    must_settle(&w);
    return worker;
}

static bool
has_payload(const test_job *job, const char *text)
{
    return job->payload.size == strlen(text) && memcmp(job->payload.data, text, strlen(text)) == 0;
}

static test_job *
last_job(test_peer *worker)
{
    cr_assert(ne(sz, worker->job_count, 0));
    return &worker->jobs[worker->job_count - 1];
}

/* The worker ends its last job so. */
static void
end_last(test_peer *worker, leat_end end, const char *result)
{
    (void)peer_done(worker, last_job(worker), end, 1000, result, strlen(result));
    must_settle(&w);
}

static const leat_completion *
must_wait_for(test_peer *peer, uint64_t batch)
{
    peer_wait(peer, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);
    const leat_completion *found = NULL;
    for (size_t i = 0; i < peer->completion_count; i++) {
        if (peer->completions[i].batch == batch)
            found = &peer->completions[i].completion;
    }
    const bool is_there = found != NULL;
    cr_assert(is_there);
    return found;
}

/* The text at a key of a JSON object in bytes; the caller frees it. */
static char *
text_in(leat_bytes bytes, const char *key)
{
    char why[128];
    cJSON *json;
    LEAT_PASS(leat_json_parse(bytes.data, bytes.size, &json, why));
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(json, key);
    char *const text =
        cJSON_IsString(item) ? strdup(item->valuestring) : cJSON_PrintUnformatted(item);
    cJSON_Delete(json);
    return text == NULL ? strdup("(nothing)") : text;
}

static void
must_say(leat_bytes bytes, const char *key, const char *want)
{
    char *const got = text_in(bytes, key);
    LEAT_SAME_TEXT(got, want);
    free(got);
}

static void
must_say_number(leat_bytes bytes, const char *key, uint64_t want)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)want);
    must_say(bytes, key, text);
}

/* ------------------------------------------------------------------------------ clean up */

static leat_sent
must_send_with_cleanup(unsigned n)
{
    leat_send_head head = test_head("main", 0);
    head.settings.finally_count = 3;
    head.settings.finally[0] = follower("clean", "first");
    head.settings.finally[1] = follower("clean", "second");
    head.settings.finally[2] = follower("clean", "third");
    head.settings.failures = 1;
    return must_send(client, &head, n)->sent;
}

Test(core_follow, the_last_one_given_runs_first)
{
    (void)must_send_with_cleanup(1);
    test_peer *const worker = must_hire("main clean");
    cr_assert(eq(sz, worker->job_count, 1));

    end_last(worker, LEAT_END_DONE, "");
    cr_assert(eq(sz, worker->job_count, 2)); /* one after the other */
    cr_assert(has_payload(last_job(worker), "third"));
    end_last(worker, LEAT_END_DONE, "");
    cr_assert(has_payload(last_job(worker), "second"));
    end_last(worker, LEAT_END_DONE, "");
    cr_assert(has_payload(last_job(worker), "first"));
    end_last(worker, LEAT_END_DONE, "");

    cr_assert(eq(sz, worker->job_count, 4));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
}

Test(core_follow, they_run_however_the_job_ends)
{
    (void)must_send_with_cleanup(1);
    test_peer *const worker = must_hire("main clean");

    end_last(worker, LEAT_END_FATAL, "");

    cr_assert(has_payload(last_job(worker), "third"));
}

Test(core_follow, they_run_when_the_job_is_cancelled_before_it_has_run)
{
    const leat_sent sent = must_send_with_cleanup(1);

    (void)peer_cancel(client, sent.first_id);
    must_settle(&w);

    cr_assert(has_payload(last_job(must_hire("main clean")), "third"));
}

Test(core_follow, one_that_dies_does_not_keep_the_others_from_running)
{
    (void)must_send_with_cleanup(1);
    test_peer *const worker = must_hire("main clean");
    end_last(worker, LEAT_END_DONE, "");

    end_last(worker, LEAT_END_FATAL, "");

    cr_assert(has_payload(last_job(worker), "second"));
}

Test(core_follow, they_outlive_the_worker_that_was_lost)
{
    leat_send_head head = test_head("main", 0);
    head.settings.losses = 1;
    head.settings.finally_count = 1;
    head.settings.finally[0] = follower("clean", "x");
    (void)must_send(client, &head, 1);
    test_peer *const worker = must_worker(&w, "w1", 1, "main:child");
    peer_credit(worker, 1);
    must_settle(&w);
    worker->started = worker->jobs[0].number;
    peer_beat(worker);
    peer_cut(worker);
    world_pass(&w, 2000);

    test_peer *const other = must_hire("main clean");

    cr_assert(has_payload(last_job(other), "x"));
}

Test(core_follow, the_chain_goes_on_after_a_restart_at_every_link)
{
    (void)must_send_with_cleanup(1);
    const char *const order[] = {"0", "third", "second", "first"};
    for (unsigned i = 0; i < 4; i++) {
        test_peer *const worker = must_hire("main clean");
        cr_assert(eq(sz, worker->job_count, 1));
        cr_assert(has_payload(last_job(worker), order[i]));
        end_last(worker, LEAT_END_DONE, "");
        peer_bye(worker);
        must_settle(&w);
        must_restart(&w);
        must_resume(client);
    }
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
}

Test(core_follow, they_are_no_members_of_the_batch)
{
    leat_send_head head = test_head("main", 4);
    head.flags = LEAT_SEND_SEAL;
    head.settings.finally_count = 1;
    head.settings.finally[0] = follower("clean", "x");
    const uint64_t batch = must_send(client, &head, 3)->sent.batch;
    test_peer *const worker = must_hire("main clean");

    must_end_all(worker, LEAT_END_DONE);

    cr_assert(eq(sz, worker->job_count, 6));
    (void)must_wait_for(client, batch);
    cr_assert(peer_has_positions(client, batch, 1, 3));
    cr_assert(eq(u64, must_figure(client, batch, "total"), 3));
}

Test(core_follow, every_job_of_a_frame_has_its_own)
{
    (void)must_send_with_cleanup(5);
    test_peer *const worker = must_hire("main clean");

    must_end_all(worker, LEAT_END_DONE);

    cr_assert(eq(sz, worker->job_count, 20));
}

Test(core_follow, closing_a_channel_does_not_take_them_away)
{
    (void)must_send_with_cleanup(1);
    test_peer *const worker = must_hire("main clean");
    must_do(client, "channel.close", "{\"channel\":\"default\"}");

    must_end_all(worker, LEAT_END_DONE);

    cr_assert(eq(sz, worker->job_count, 4)); /* they were accepted with the job */
    must_query(client, "channel", "{\"channel\":\"default\"}");
    cr_assert(eq(dbl, said(&w, "replies_dropped"), 0.0));
}

/* ------------------------------------------------------------------------------ recover */

static leat_sent
must_send_with_recover(uint32_t tag, unsigned n)
{
    leat_send_head head = test_head("main", tag);
    head.flags = tag == 0 ? 0 : LEAT_SEND_SEAL;
    head.settings.recover = follower("rescue", "rope");
    head.settings.failures = 1;
    return must_send(client, &head, n)->sent;
}

Test(core_follow, a_dead_job_is_recovered_with_its_failure_record)
{
    const leat_sent sent = must_send_with_recover(4, 2);
    test_peer *const worker = must_hire("main rescue");
    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    must_settle(&w);

    (void)peer_done(worker, &worker->jobs[1], LEAT_END_FATAL, 1, "no bread", 8);
    must_settle(&w);

    const test_job *const rescue = last_job(worker);
    cr_assert(leat_text_is(rescue->handler, leat_text_of("rescue")));
    must_say_number(rescue->payload, "job", sent.first_id + 1);
    must_say_number(rescue->payload, "batch", sent.batch);
    must_say_number(rescue->payload, "place", 2);
    must_say_number(rescue->payload, "attempts", 1);
    must_say(rescue->payload, "handler", "main");
    must_say(rescue->payload, "error", "no bread");
    must_say(rescue->payload, "payload", "1");
    must_say(rescue->payload, "with", "rope");
}

Test(core_follow, bytes_in_a_failure_record_are_base64)
{
    (void)must_send_with_recover(4, 1);
    test_peer *const worker = must_hire("main rescue");

    (void)peer_done(worker, last_job(worker), LEAT_END_FATAL, 1, "\xff\xfe", 2);
    must_settle(&w);

    must_say(last_job(worker)->payload, "error_b64", "//4=");
}

Test(core_follow, its_end_is_the_completion)
{
    const leat_sent sent = must_send_with_recover(4, 1);
    test_peer *const worker = must_hire("main rescue");
    end_last(worker, LEAT_END_FATAL, "no bread");
    peer_wait(client, sent.batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);
    cr_assert(eq(sz, client->completion_count, 0)); /* nothing yet */
    cr_assert(eq(u64, must_figure(client, sent.batch, "dead"), 0));

    end_last(worker, LEAT_END_DONE, "cake");

    const leat_completion *const completion = must_wait_for(client, sent.batch);
    cr_assert(eq(u64, completion->job, sent.first_id));
    cr_assert(eq(u32, completion->place, 1));
    cr_assert(eq(int, completion->outcome, LEAT_OUTCOME_DONE));
    cr_assert(eq(int, memcmp(completion->result.data, "cake", 4), 0));
    cr_assert(eq(u64, must_figure(client, sent.batch, "done"), 1));
    cr_assert(eq(u64, must_figure(client, sent.batch, "total"), 1));
}

Test(core_follow, a_job_that_is_a_batch_of_its_own_is_recovered)
{
    const leat_sent sent = must_send_with_recover(0, 1);
    test_peer *const worker = must_hire("main rescue");
    end_last(worker, LEAT_END_FATAL, "");
    end_last(worker, LEAT_END_DONE, "cake");

    const leat_completion *const completion = must_wait_for(client, sent.batch);
    cr_assert(eq(u64, completion->job, sent.first_id));
    cr_assert(eq(int, completion->outcome, LEAT_OUTCOME_DONE));
}

Test(core_follow, a_job_that_is_done_is_not_recovered)
{
    const leat_sent sent = must_send_with_recover(4, 1);
    test_peer *const worker = must_hire("main rescue");

    end_last(worker, LEAT_END_DONE, "bread");

    cr_assert(eq(sz, worker->job_count, 1));
    cr_assert(eq(int, must_wait_for(client, sent.batch)->outcome, LEAT_OUTCOME_DONE));
}

Test(core_follow, a_job_that_is_cancelled_is_not_recovered)
{
    const leat_sent sent = must_send_with_recover(4, 1);

    must_do(client, "batch.cancel", "{\"batch\":\"%llu\"}", (unsigned long long)sent.batch);
    must_settle(&w);

    cr_assert(eq(int, must_wait_for(client, sent.batch)->outcome, LEAT_OUTCOME_CANCELLED));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
}

Test(core_follow, a_recover_job_that_dies_too_is_the_death_of_the_job)
{
    const leat_sent sent = must_send_with_recover(4, 1);
    test_peer *const worker = must_hire("main rescue");
    end_last(worker, LEAT_END_FATAL, "no bread");

    end_last(worker, LEAT_END_FATAL, "no rope");

    const leat_completion *const completion = must_wait_for(client, sent.batch);
    cr_assert(eq(u64, completion->job, sent.first_id));
    cr_assert(eq(int, completion->outcome, LEAT_OUTCOME_DEAD));
    cr_assert(eq(int, memcmp(completion->result.data, "no rope", 7), 0));
    cr_assert(eq(sz, worker->job_count, 2));
}

Test(core_follow, a_recover_job_may_fail_and_be_tried_again)
{
    const leat_sent sent = must_send_with_recover(4, 1);
    test_peer *const worker = must_hire("main rescue");
    end_last(worker, LEAT_END_FATAL, "");
    end_last(worker, LEAT_END_FAILED, "slipped");
    world_pass(&w, 2000);
    peer_credit(worker, 4);
    must_settle(&w);

    end_last(worker, LEAT_END_DONE, "");

    cr_assert(eq(int, must_wait_for(client, sent.batch)->outcome, LEAT_OUTCOME_DONE));
}

static void
recover_over_a_restart(uint32_t tag, int64_t pass_ms)
{
    const leat_sent sent = must_send_with_recover(tag, 1);
    test_peer *const worker = must_hire("main rescue");
    peer_credit(worker, 1); /* only one: the recover job waits */
    end_last(worker, LEAT_END_FATAL, "no bread");
    peer_bye(worker);
    must_settle(&w);
    world_pass(&w, pass_ms); /* the hand comes by */

    must_restart(&w);
    must_resume(client);
    test_peer *const other = must_hire("main rescue");

    cr_assert(leat_text_is(last_job(other)->handler, leat_text_of("rescue")));
    must_say_number(last_job(other)->payload, "job", sent.first_id);
    end_last(other, LEAT_END_DONE, "cake");
    const leat_completion *const completion = must_wait_for(client, sent.batch);
    cr_assert(eq(u64, completion->job, sent.first_id));
    cr_assert(eq(int, completion->outcome, LEAT_OUTCOME_DONE));
    cr_assert(peer_has_positions(client, sent.batch, 1, 1));
    must_restart(&w);
    must_resume(client);
    cr_assert(eq(u64, must_figure(client, sent.batch, "done"), 1));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
}

Test(core_follow, a_restart_between_death_and_recover_loses_nothing)
{
    recover_over_a_restart(4, 0);
}

Test(core_follow, so_it_is_when_the_hand_has_passed)
{
    recover_over_a_restart(4, 5000);
}

Test(core_follow, so_it_is_for_a_batch_of_one)
{
    recover_over_a_restart(0, 0);
}

Test(core_follow, so_it_is_for_a_batch_of_one_when_the_hand_has_passed)
{
    recover_over_a_restart(0, 5000);
}

Test(core_follow, a_job_is_recovered_in_a_closed_channel)
{
    const leat_sent sent = must_send_with_recover(4, 1);
    test_peer *const worker = must_hire("main rescue");
    must_do(client, "channel.close", "{\"channel\":\"default\"}");
    end_last(worker, LEAT_END_FATAL, "");

    end_last(worker, LEAT_END_DONE, "cake");

    cr_assert(eq(int, must_wait_for(client, sent.batch)->outcome, LEAT_OUTCOME_DONE));
}

Test(core_follow, a_batch_that_is_cancelled_takes_its_recover_jobs_along)
{
    const leat_sent sent = must_send_with_recover(4, 1);
    test_peer *const worker = must_hire("main");
    end_last(worker, LEAT_END_FATAL, "");

    must_do(client, "batch.cancel", "{\"batch\":\"%llu\"}", (unsigned long long)sent.batch);
    must_settle(&w);

    cr_assert(eq(int, must_wait_for(client, sent.batch)->outcome, LEAT_OUTCOME_CANCELLED));
    cr_assert(eq(u64, must_wait_for(client, sent.batch)->job, sent.first_id));
}

Test(core_follow, those_who_joined_a_job_get_what_its_recover_job_says)
{
    leat_send_head head = test_head("main", 0);
    head.settings.recover = follower("rescue", "rope");
    head.settings.failures = 1;
    head.settings.unique = leat_text_of("k");
    const leat_sent first = must_send(client, &head, 1)->sent;
    const leat_sent second = must_send(client, &head, 1)->sent;
    cr_assert(eq(u64, second.first_id, first.first_id));
    test_peer *const worker = must_hire("main");
    end_last(worker, LEAT_END_FATAL, "");
    must_restart(&w);
    must_resume(client);

    test_peer *const other = must_hire("rescue");
    end_last(other, LEAT_END_DONE, "cake");

    cr_assert(eq(int, must_wait_for(client, first.batch)->outcome, LEAT_OUTCOME_DONE));
    cr_assert(eq(int, must_wait_for(client, second.batch)->outcome, LEAT_OUTCOME_DONE));
    cr_assert(eq(u64, must_wait_for(client, second.batch)->job, first.first_id));
}

Test(core_follow, it_is_cleaned_up_behind_a_job_that_is_recovered)
{
    leat_send_head head = test_head("main", 0);
    head.settings.recover = follower("rescue", "");
    head.settings.finally_count = 1;
    head.settings.finally[0] = follower("clean", "x");
    head.settings.failures = 1;
    (void)must_send(client, &head, 1);
    test_peer *const worker = must_hire("main rescue clean");

    end_last(worker, LEAT_END_FATAL, "");

    cr_assert(eq(sz, worker->job_count, 3)); /* both, in any order */
}

/* ------------------------------------------------------------------------------ replies */

static leat_sent
must_send_with_reply(const char *channel, const char *handler)
{
    leat_send_head head = test_head("main", 0);
    head.settings.reply = leat_text_of(channel);
    head.settings.reply_handler = leat_text_of(handler);
    head.settings.failures = 1;
    return must_send(client, &head, 1)->sent;
}

Test(core_follow, a_completion_is_sent_to_a_channel_as_a_message)
{
    const leat_sent sent = must_send_with_reply("replies", "");
    test_peer *const worker = must_hire("main");
    end_last(worker, LEAT_END_DONE, "bread");

    peer_recv(client, "replies", 10);
    must_settle(&w);

    cr_assert(eq(sz, client->message_count, 1));
    const leat_bytes text = client->messages[0].message.payload;
    must_say_number(text, "job", sent.first_id);
    must_say_number(text, "batch", sent.batch);
    must_say_number(text, "place", 1);
    must_say_number(text, "attempt", 1);
    must_say_number(text, "run_us", 1000);
    must_say(text, "outcome", "done");
    must_say(text, "worker", "w1");
    must_say(text, "result", "bread");
}

Test(core_follow, a_death_is_sent_as_a_message_too)
{
    (void)must_send_with_reply("replies", "");
    end_last(must_hire("main"), LEAT_END_FATAL, "no bread");

    peer_recv(client, "replies", 10);
    must_settle(&w);

    must_say(client->messages[0].message.payload, "outcome", "dead");
    must_say(client->messages[0].message.payload, "result", "no bread");
}

Test(core_follow, the_reply_of_a_recovered_job_comes_when_that_has_ended)
{
    leat_send_head head = test_head("main", 0);
    head.settings.reply = leat_text_of("replies");
    head.settings.recover = follower("rescue", "");
    head.settings.failures = 1;
    const leat_sent sent = must_send(client, &head, 1)->sent;
    test_peer *const worker = must_hire("main rescue");
    peer_recv(client, "replies", 10);
    end_last(worker, LEAT_END_FATAL, "");
    cr_assert(eq(sz, client->message_count, 0));

    end_last(worker, LEAT_END_DONE, "cake");

    cr_assert(eq(sz, client->message_count, 1));
    must_say_number(client->messages[0].message.payload, "job", sent.first_id);
    must_say(client->messages[0].message.payload, "outcome", "done");
}

Test(core_follow, a_completion_is_sent_on_as_a_job)
{
    (void)must_send_with_reply("default", "next");
    test_peer *const worker = must_hire("main next");

    end_last(worker, LEAT_END_DONE, "bread");

    cr_assert(leat_text_is(last_job(worker)->handler, leat_text_of("next")));
    cr_assert(has_payload(last_job(worker), "bread"));
}

Test(core_follow, only_what_is_done_is_sent_on_as_a_job)
{
    (void)must_send_with_reply("default", "next");
    test_peer *const worker = must_hire("main next");

    end_last(worker, LEAT_END_FATAL, "bread");

    cr_assert(eq(sz, worker->job_count, 1));
}

Test(core_follow, a_reply_is_there_after_a_restart)
{
    (void)must_send_with_reply("replies", "");
    end_last(must_hire("main"), LEAT_END_DONE, "bread");

    must_restart(&w);
    must_resume(client);
    peer_recv(client, "replies", 10);
    must_settle(&w);

    cr_assert(eq(sz, client->message_count, 1));
}

Test(core_follow, a_reply_goes_in_above_the_capacity)
{
    must_do(client, "channel.new",
            "{\"channel\":\"replies\",\"kind\":\"messages\",\"capacity\":1}");
    (void)must_send_with_reply("replies", "");
    (void)must_send_with_reply("replies", "");
    test_peer *const worker = must_hire("main");

    must_end_all(worker, LEAT_END_DONE);

    must_query(client, "channel", "{\"channel\":\"replies\"}");
    cr_assert(eq(dbl, said(&w, "ready"), 2.0));
}

Test(core_follow, a_reply_to_a_closed_channel_is_counted)
{
    const leat_sent sent = must_send_with_reply("replies", "");
    must_do(client, "channel.close", "{\"channel\":\"replies\"}");

    end_last(must_hire("main"), LEAT_END_DONE, "bread");

    cr_assert(eq(int, must_wait_for(client, sent.batch)->outcome, LEAT_OUTCOME_DONE));
    must_query(client, "channel", "{\"channel\":\"default\"}");
    cr_assert(eq(dbl, said(&w, "replies_dropped"), 1.0));
}

Test(core_follow, a_handler_for_the_reply_without_a_channel_is_refused)
{
    leat_send_head head = test_head("main", 0);
    head.settings.reply_handler = leat_text_of("next");
    const uint64_t sequence = peer_send(client, &head, 1, 0);
    must_settle(&w);

    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_MALFORMED));
}

Test(core_follow, messages_have_nothing_that_follows)
{
    leat_send_head head = test_head("", 0);
    head.channel = leat_text_of("c");
    head.settings.finally_count = 1;
    head.settings.finally[0] = follower("clean", "");
    const uint64_t sequence = peer_send(client, &head, 1, 0);
    must_settle(&w);

    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_BAD_STATE));
}
