/* How attempts ended that did not end well: kept with the job, bounded, over restarts, and handed
 * on to who recovers it. */
#include <stdio.h>
#include <stdlib.h>

#include "broker/core/machine.h"
#include "broker/core/object.h"
#include "broker/store/memory.h"
#include "proto/exec.h"
#include "tests/lib/peers.h"
#include "tests/lib/test.h"

static test_world w;
static test_peer *client;
static leat_sent sent;

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

TestSuite(core_failure, .init = setup, .fini = teardown);

static test_peer *
must_hire(const char *name, const char *handlers)
{
    test_peer *const worker = must_worker(&w, name, 1, handlers);
    peer_credit(worker, 1);
    must_settle(&w);
    return worker;
}

/* One job, of which so many attempts may fail. */
static void
must_submit(const char *handler, uint16_t failures)
{
    leat_send_head head = test_head(handler, 5);
    head.flags = LEAT_SEND_SEAL;
    head.settings.failures = failures;
    head.settings.backoff_min_ms = head.settings.backoff_max_ms = 1000;
    sent = must_send(client, &head, 1)->sent;
}

static void
must_fail(test_peer *worker, const void *result, size_t size)
{
    cr_assert(eq(sz, peer_open_jobs(worker), 1));
    (void)peer_done(worker, &worker->jobs[worker->job_count - 1], LEAT_END_FAILED, 2500, result,
                    size);
    must_settle(&w);
    world_pass(&w, 1100); /* the next attempt is due */
}

static void
must_lose(test_peer *worker, bool started)
{
    if (started) {
        worker->started = 1;
        peer_beat(worker);
        must_settle(&w);
    }
    peer_cut(worker);
    world_pass(&w, LEAT_GONE_GRACE_MS + 500);
}

static void
must_show(void)
{
    must_query(client, "dead.show", "{\"job\":\"%llu\"}", (unsigned long long)sent.first_id);
}

static void
must_explain(void)
{
    must_query(client, "explain", "{\"batch\":\"%llu\",\"place\":1}",
               (unsigned long long)sent.batch);
}

/* What a command answers that exits with 3, having written this to stderr. */
static leat_buf
ending_of(leat_ending_how how, uint8_t code, const char *head, uint64_t cut, const char *tail)
{
    leat_buf buf = {0};
    leat_ending_put(&buf, &(leat_ending){
                              .sentence = leat_text_of("exit 3"),
                              .how = how,
                              .code = code,
                              .err = {.head = {(const uint8_t *)head, (uint32_t)strlen(head)},
                                      .cut = cut,
                                      .tail = {(const uint8_t *)tail, (uint32_t)strlen(tail)}},
    });
    return buf;
}

/* ------------------------------------------------------------------------------ the dead */

Test(core_failure, a_death_says_how_each_attempt_ended)
{
    must_submit("echo", 2);
    test_peer *const first = must_hire("w1", "echo");
    const double began_ms = (double)w.now.wall_ms;
    must_fail(first, "no bread", 8);
    peer_bye(first);
    must_settle(&w);
    must_fail(must_hire("w2", "echo"), "no wine", 7);

    must_show();

    LEAT_SAME_TEXT(said_text(&w, "attempt_list.0.worker"), "w1");
    LEAT_SAME_TEXT(said_text(&w, "attempt_list.0.end"), "failed");
    LEAT_SAME_TEXT(said_text(&w, "attempt_list.0.error"), "no bread");
    cr_assert(eq(dbl, said(&w, "attempt_list.0.attempt"), 1.0));
    cr_assert(eq(dbl, said(&w, "attempt_list.0.run_us"), 2500.0));
    cr_assert(ge(dbl, said(&w, "attempt_list.0.ended_ms"), began_ms));
    LEAT_SAME_TEXT(said_text(&w, "attempt_list.1.worker"), "w2");
    LEAT_SAME_TEXT(said_text(&w, "attempt_list.1.error"), "no wine");
    cr_assert(gt(dbl, said(&w, "attempt_list.1.ended_ms"), said(&w, "attempt_list.0.ended_ms")));
    cr_assert(eq(dbl, said(&w, "attempt_list.2.attempt"), -1.0));
    cr_assert(eq(dbl, said(&w, "older_attempts"), 0.0));
}

Test(core_failure, of_a_command_the_code_and_what_it_wrote_last)
{
    char long_text[4096];
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    leat_buf ending = ending_of(LEAT_ENDING_EXIT, 3, long_text, 10, "disk full\n");
    must_submit("command", 1);
    must_fail(must_hire("w1", "command:child"), ending.data, ending.size);
    leat_buf_fini(&ending);

    must_show();

    cr_assert(eq(dbl, said(&w, "exit"), 3.0));
    cr_assert(eq(dbl, said(&w, "attempt_list.0.exit"), 3.0));
    LEAT_SAME_TEXT(said_text(&w, "attempt_list.0.error"), "exit 3");
    const char *const text = said_text(&w, "stderr");
    cr_assert(eq(sz, strlen(text), 2048));
    LEAT_SAME_TEXT(text + 2048 - 10, "disk full\n");
    cr_assert(eq(dbl, said(&w, "stderr_is_tail"), 1.0));
    must_query(client, "dead", "{}");
    LEAT_SAME_TEXT(said_text(&w, "dead.0.worker"), "w1");
    cr_assert(eq(dbl, said(&w, "dead.0.exit"), 3.0));
}

Test(core_failure, a_signal_is_a_signal_and_a_short_stderr_is_all_of_it)
{
    leat_buf ending = ending_of(LEAT_ENDING_SIGNAL, 11, "ouch", 0, "");
    must_submit("command", 1);
    must_fail(must_hire("w1", "command:child"), ending.data, ending.size);
    leat_buf_fini(&ending);

    must_show();

    cr_assert(eq(dbl, said(&w, "signal"), 11.0));
    cr_assert(eq(dbl, said(&w, "exit"), -1.0));
    LEAT_SAME_TEXT(said_text(&w, "stderr"), "ouch");
    cr_assert(eq(dbl, said(&w, "stderr_is_tail"), 0.0));
}

Test(core_failure, a_tail_begins_with_a_whole_character)
{
    char text[2049 + 2];
    memset(text, 'x', sizeof text);
    text[0] = 'y';
    text[1] = (char)0xc3; /* é: its second byte is the 2048th from the end */
    text[2] = (char)0xa9;
    text[sizeof text - 1] = '\0';
    leat_buf ending = ending_of(LEAT_ENDING_EXIT, 1, text, 0, "");
    must_submit("command", 1);
    must_fail(must_hire("w1", "command:child"), ending.data, ending.size);
    leat_buf_fini(&ending);

    must_show();

    cr_assert(eq(sz, strlen(said_text(&w, "stderr")), 2047));
}

Test(core_failure, the_last_eight_are_kept_and_the_older_counted)
{
    must_submit("echo", 11);
    test_peer *const worker = must_hire("w1", "echo");
    for (unsigned i = 1; i <= 11; i++) {
        char why[16];
        (void)snprintf(why, sizeof why, "no %u", i);
        must_fail(worker, why, strlen(why));
    }

    must_show();

    cr_assert(eq(dbl, said(&w, "older_attempts"), 3.0));
    LEAT_SAME_TEXT(said_text(&w, "attempt_list.0.error"), "no 4");
    LEAT_SAME_TEXT(said_text(&w, "attempt_list.7.error"), "no 11");
    cr_assert(eq(dbl, said(&w, "attempt_list.8.attempt"), -1.0));
}

Test(core_failure, a_long_reason_is_cut)
{
    char why[1000];
    memset(why, 'w', sizeof why);
    must_submit("echo", 1);
    must_fail(must_hire("w1", "echo"), why, sizeof why);

    must_show();

    cr_assert(eq(sz, strlen(said_text(&w, "attempt_list.0.error")), 200));
    cr_assert(eq(sz, strlen(said_text(&w, "error")), 1000));
}

Test(core_failure, what_is_lost_with_its_worker_says_so)
{
    must_submit("cmd", 3);
    for (unsigned i = 0; i < LEAT_LOSSES_DEFAULT; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "w%u", i);
        must_lose(must_hire(name, "cmd:child"), true);
    }

    must_show();

    LEAT_SAME_TEXT(said_text(&w, "attempt_list.0.end"), "lost");
    LEAT_SAME_TEXT(said_text(&w, "attempt_list.0.worker"), "w0");
    LEAT_SAME_TEXT(said_text(&w, "attempt_list.4.worker"), "w4");
    cr_assert(eq(dbl, said(&w, "older_attempts"), 0.0));
}

Test(core_failure, what_had_not_started_is_no_failure)
{
    must_submit("cmd", 1);
    must_lose(must_hire("w1", "cmd:child"), false);

    must_explain();
    cr_assert(eq(dbl, said(&w, "failure.attempts"), -1.0));
    must_fail(must_hire("w2", "cmd:child"), "no", 2);

    must_show();
    LEAT_SAME_TEXT(said_text(&w, "attempt_list.0.worker"), "w2");
    cr_assert(eq(dbl, said(&w, "attempt_list.1.attempt"), -1.0));
}

Test(core_failure, a_suspect_is_told_apart)
{
    must_submit("echo", 1);
    must_lose(must_hire("w1", "echo:inline"), false);
    must_fail(must_hire("w2", "echo:inline"), "no", 2);

    must_show();

    LEAT_SAME_TEXT(said_text(&w, "attempt_list.0.end"), "suspect");
    LEAT_SAME_TEXT(said_text(&w, "attempt_list.1.end"), "failed");
    cr_assert(eq(dbl, said(&w, "older_attempts"), 0.0));
}

/* ------------------------------------------------------------------------------ the living */

Test(core_failure, of_a_job_that_is_tried_again_it_is_told_before_its_end)
{
    must_submit("echo", 3);
    must_explain();
    cr_assert(eq(dbl, said(&w, "failure.attempts"), -1.0));
    must_fail(must_hire("w1", "echo"), "no bread", 8);

    must_explain();

    LEAT_SAME_TEXT(said_text(&w, "failure.attempt_list.0.error"), "no bread");
    cr_assert(eq(dbl, said(&w, "failure.failed"), 1.0));
}

Test(core_failure, a_dead_job_is_explained)
{
    must_submit("echo", 1);
    must_fail(must_hire("w1", "echo"), "no bread", 8);
    world_pass(&w, 10000); /* its batch is a record by now */

    must_explain();

    LEAT_SAME_TEXT(said_text(&w, "failure.error"), "no bread");
    LEAT_SAME_TEXT(said_text(&w, "failure.attempt_list.0.worker"), "w1");
}

/* … and the worker goes before the next attempt is due. */
static void
must_fail_on(const char *name, const char *why)
{
    test_peer *const worker = must_hire(name, "echo");
    (void)peer_done(worker, &worker->jobs[0], LEAT_END_FAILED, 1, why, strlen(why));
    must_settle(&w);
    peer_bye(worker);
    world_pass(&w, 1100);
}

Test(core_failure, it_outlives_the_broker)
{
    must_submit("echo", 3);
    must_fail_on("w1", "no bread");
    must_restart(&w);
    must_resume(client);
    must_fail_on("w2", "no wine");
    world_pass(&w, 10000); /* the hand has passed */
    must_restart(&w);
    must_resume(client);
    must_explain();
    LEAT_SAME_TEXT(said_text(&w, "failure.attempt_list.1.error"), "no wine");

    must_fail_on("w3", "no more");
    must_restart(&w);
    must_resume(client);
    must_show();

    LEAT_SAME_TEXT(said_text(&w, "attempt_list.0.worker"), "w1");
    LEAT_SAME_TEXT(said_text(&w, "attempt_list.1.worker"), "w2");
    LEAT_SAME_TEXT(said_text(&w, "attempt_list.2.worker"), "w3");
    cr_assert(eq(dbl, said(&w, "older_attempts"), 0.0));
}

static void
on_object(void *context, const leat_fetched *fetched)
{
    *(leat_err *)context = fetched->err;
}

/* What the store says of the job's failures. */
static leat_err
stored(void)
{
    leat_err err = LEAT_ERR_IO;
    const leat_fetch fetch = {
        .kind = LEAT_FETCH_OBJECT, .object_kind = LEAT_OBJECT_FAILURE, .id = sent.first_id};
    LEAT_PASS(leat_store_fetch(test_late_store(w.disk), &fetch, 1, on_object, &err));
    return err;
}

Test(core_failure, nothing_is_left_of_a_job_that_is_done_in_the_end)
{
    must_submit("echo", 3);
    test_peer *const worker = must_hire("w1", "echo");
    must_fail(worker, "no bread", 8);
    LEAT_PASS(stored());

    must_end_all(worker, LEAT_END_DONE);

    LEAT_FAILS(stored(), LEAT_ERR_NOT_FOUND);
    must_restart(&w);
    must_resume(client);
    LEAT_FAILS(stored(), LEAT_ERR_NOT_FOUND);
    cr_assert(eq(u64, must_figure(client, sent.batch, "done"), 1));
}

/* What a job that ends well pays is one look at its flags. */
Test(core_failure, a_job_of_which_nothing_has_failed_is_not_marked)
{
    must_submit("echo", 3);
    test_peer *const worker = must_hire("w1", "echo");
    const uint32_t index = leat_items_find(&w.core->items, sent.first_id);
    const leat_item *item = leat_items_at(&w.core->items, index);
    cr_assert(eq(u32, item->flags & LEAT_ITEM_FAILED, 0));

    must_fail(worker, "no bread", 8);

    item = leat_items_at(&w.core->items, leat_items_find(&w.core->items, sent.first_id));
    cr_assert(ne(u32, item->flags & LEAT_ITEM_FAILED, 0));
}

Test(core_failure, a_job_that_dies_at_once_has_it_with_the_dead_only)
{
    must_submit("echo", 1);
    must_fail(must_hire("w1", "echo"), "no bread", 8);

    LEAT_FAILS(stored(), LEAT_ERR_NOT_FOUND);
}

Test(core_failure, on_a_full_disk_it_is_done_without)
{
    must_submit("echo", 2);
    test_peer *const worker = must_hire("w1", "echo");
    leat_store_facts facts;
    leat_store_get_facts(w.disk->under, &facts);
    leat_store_memory_limit(w.disk->under, facts.used_bytes);
    world_turn(&w);

    must_fail(worker, "no bread", 8);
    must_fail(worker, "no wine", 7);

    must_show();
    LEAT_SAME_TEXT(said_text(&w, "error"), "no wine");
    cr_assert(eq(dbl, said(&w, "attempt_list.0.attempt"), -1.0));
}

/* What brokers wrote before there were lists: read for ever. */
Test(core_failure, the_dead_of_before_are_shown_without)
{
    static const uint8_t format_1[] = {
        1,                                                                /* format */
        7, 'd', 'e', 'f',  'a',  'u',  'l',  't',                         /* channel */
        4, 'e', 'c', 'h',  'o',                                           /* handler */
        0, 0,   0,   0,    0,    0,    0,    9,                           /* batch */
        0, 0,   0,   2,                                                   /* place */
        0, 0,   0,   0,    0,    0,    0,    0,   0, 0, 0, 0, 0, 0, 0, 1, /* principal, share */
        0, 0,   0,   3,    0,    3,    0,    0,   0, 0, /* attempts, failed, lost, snoozed */
        0, 0,   1,   0x8b, 0xcf, 0xe5, 0x68, 0,         /* ended_ms */
        0, 0,   0,   0,                                 /* settings */
        0, 0,   0,   2,    'n',  'o',                   /* error */
        0, 0,   0,   3,    'f',  'o',  'o',             /* payload */
    };
    w.now.wall_ms = 0x18bcfe56800;
    LEAT_PASS(leat_object_apply(w.core, LEAT_OBJECT_DEAD, 10, format_1, sizeof format_1));
    leat_changes_put(&w.core->books[LEAT_DISK].changes, LEAT_OBJECT_DEAD, 10, format_1,
                     sizeof format_1);
    must_settle(&w);
    must_restart(&w);
    must_resume(client);

    must_query(client, "dead.show", "{\"job\":\"10\"}");

    LEAT_SAME_TEXT(said_text(&w, "error"), "no");
    LEAT_SAME_TEXT(said_text(&w, "payload"), "foo");
    cr_assert(eq(dbl, said(&w, "failed"), 3.0));
    cr_assert(eq(dbl, said(&w, "attempt_list.0.attempt"), -1.0));
    cr_assert(eq(dbl, said(&w, "older_attempts"), 0.0));
}

/* ------------------------------------------------------------------------------ recover */

static char *
text_at(leat_bytes bytes, const char *list, const char *key)
{
    char why[128];
    cJSON *json;
    LEAT_PASS(leat_json_parse(bytes.data, bytes.size, &json, why));
    const cJSON *from = json;
    if (list != NULL)
        from = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(json, list), 0);
    char *const text = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(from, key));
    cJSON_Delete(json);
    return text == NULL ? strdup("(nothing)") : text;
}

static void
must_say(leat_bytes bytes, const char *list, const char *key, const char *want)
{
    char *const got = text_at(bytes, list, key);
    LEAT_SAME_TEXT(got, want);
    free(got);
}

Test(core_failure, who_recovers_is_told_all_of_it)
{
    leat_send_head head = test_head("command", 5);
    head.settings.failures = 1;
    head.settings.recover = (leat_follower){.handler = leat_text_of("rescue")};
    sent = must_send(client, &head, 1)->sent;
    leat_buf ending = ending_of(LEAT_ENDING_EXIT, 3, "no such file\n", 0, "");
    test_peer *const worker = must_hire("w1", "command:child rescue");
    must_fail(worker, ending.data, ending.size);
    leat_buf_fini(&ending);

    cr_assert(eq(sz, worker->job_count, 2));
    const leat_bytes payload = worker->jobs[1].payload;
    must_say(payload, NULL, "error", "\"exit 3\"");
    must_say(payload, NULL, "exit", "3");
    must_say(payload, NULL, "stderr", "\"no such file\\n\"");
    must_say(payload, NULL, "failed", "1");
    must_say(payload, NULL, "older_attempts", "0");
    must_say(payload, "attempt_list", "worker", "\"w1\"");
    must_say(payload, "attempt_list", "end", "\"failed\"");
}
