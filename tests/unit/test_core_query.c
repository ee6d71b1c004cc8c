/* Questions: what the machine says of itself, and why something does not run. */
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

TestSuite(core_query, .init = setup, .fini = teardown);

#define SAYS(text, part) cr_assert(ne(ptr, strstr((text), (part)), NULL), "%s", (text))

static const char *
must_ask_batch(uint64_t batch)
{
    char arguments[64];
    (void)snprintf(arguments, sizeof arguments, "{\"batch\":\"%llu\"}", (unsigned long long)batch);
    return must_ask(client, "status", arguments);
}

Test(core_query, ping_says_who_answers)
{
    const char *const reply = must_ask(client, "ping", "{}");

    SAYS(reply, "\"id\":\"1\"");
    SAYS(reply, "\"broker\":\"b0000000000000000000000000000000\"");
    SAYS(reply, "\"software\":\"leat test\"");
    SAYS(reply, "\"store\":\"memory\"");
    SAYS(reply, "\"uptime_s\":0");
}

Test(core_query, status_counts_the_jobs_of_a_channel)
{
    leat_send_head head = test_head("echo", 1);
    (void)must_send(client, &head, 10);
    head.settings.delay_ms = 5000;
    (void)must_send(client, &head, 3);
    test_peer *const worker = must_worker(&w, "w1", 4, "echo");
    peer_credit(worker, 4);
    must_settle(&w);
    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1000000, "", 0);
    (void)peer_done(worker, &worker->jobs[1], LEAT_END_FATAL, 1000000, "", 0);
    must_settle(&w);

    const char *const reply = must_ask(client, "status", "{}");

    SAYS(
        reply,
        "\"ready\":\"4\",\"running\":\"4\",\"delayed\":\"3\",\"held\":\"0\",\"paused\":false,\"dead\":\"1\",\"done\":\"1\"");
    SAYS(reply, "\"workers\":{\"up\":1,\"draining\":0,\"lost\":0,\"slots\":4,\"busy\":4}");
    SAYS(reply, "\"channels_left_off\":0");
}

Test(core_query, status_says_how_long_the_oldest_waits)
{
    const leat_send_head head = test_head("echo", 1);
    (void)must_send(client, &head, 1);
    world_pass(&w, 7000);

    SAYS(must_ask(client, "status", "{}"), "\"oldest_s\":7");
}

Test(core_query, a_batch_without_a_worker_for_its_handler_says_so)
{
    const leat_send_head head = test_head("thumb", 1);
    const uint64_t batch = must_send(client, &head, 2)->sent.batch;
    (void)must_worker(&w, "w1", 1, "echo");

    SAYS(must_ask_batch(batch), "\"reason\":\"no worker offers handler \\\"thumb\\\"\"");
    SAYS(must_ask(client, "status", "{}"), "no worker offers handler \\\"thumb\\\"");
}

Test(core_query, a_batch_without_a_worker_for_its_channel_says_so)
{
    leat_send_head head = test_head("echo", 1);
    head.channel = leat_text_of("images");
    const uint64_t batch = must_send(client, &head, 2)->sent.batch;
    (void)must_worker(&w, "w1", 1, "echo");

    SAYS(must_ask_batch(batch), "\"reason\":\"no worker for channel \\\"images\\\"\"");
}

Test(core_query, a_batch_whose_worker_is_away_says_so)
{
    const leat_send_head head = test_head("echo", 1);
    test_peer *const worker = must_worker(&w, "w1", 1, "echo");
    const uint64_t batch = must_send(client, &head, 2)->sent.batch;
    peer_cut(worker);

    SAYS(must_ask_batch(batch),
         "\"reason\":\"no worker that offers handler \\\"echo\\\" is connected\"");
}

Test(core_query, a_worker_that_is_silent_too_long_is_lost_and_no_busy_slot)
{
    const leat_send_head head = test_head("echo", 1);
    test_peer *const worker = must_worker(&w, "w1", 1, "echo");
    peer_credit(worker, 1);
    worker->mute = worker->deaf = true;
    world_pass(&w, LEAT_LOST_MS + 1000);
    const uint64_t batch = must_send(client, &head, 1)->sent.batch;

    SAYS(must_ask_batch(batch),
         "\"reason\":\"no worker that offers handler \\\"echo\\\" is connected\"");
    SAYS(must_ask(client, "workers", "{}"), "\"state\":\"lost\"");
    SAYS(must_ask(client, "status", "{}"), "\"workers\":{\"up\":0,\"draining\":0,\"lost\":1");
}

Test(core_query, a_batch_that_waits_for_slots_says_so)
{
    const leat_send_head head = test_head("echo", 1);
    test_peer *const worker = must_worker(&w, "w1", 1, "echo");
    peer_credit(worker, 1);
    (void)must_send(client, &head, 1);
    const leat_send_head next = test_head("echo", 2);
    const uint64_t batch = must_send(client, &next, 1)->sent.batch;

    SAYS(must_ask_batch(batch), "\"reason\":\"all slots are busy\"");
}

Test(core_query, a_batch_that_runs_needs_no_reason)
{
    const leat_send_head head = test_head("echo", 1);
    test_peer *const worker = must_worker(&w, "w1", 1, "echo");
    peer_credit(worker, 1);
    const uint64_t batch = must_send(client, &head, 2)->sent.batch;

    SAYS(must_ask_batch(batch), "\"reason\":\"\"");
}

Test(core_query, an_unknown_batch_is_not_found)
{
    SAYS(must_ask_batch(1ULL << 50), "\"code\":\"NOT_FOUND\"");
}

Test(core_query, a_finished_batch_is_known)
{
    leat_send_head head = test_head("echo", 1);
    head.flags = LEAT_SEND_SEAL;
    const uint64_t batch = must_send(client, &head, 3)->sent.batch;
    test_peer *const worker = must_worker(&w, "w1", 3, "echo");
    peer_credit(worker, 3);
    must_settle(&w);
    must_end_all(worker, LEAT_END_DONE);
    world_pass(&w, 5000);

    const char *const reply = must_ask_batch(batch);

    SAYS(reply, "\"done\":\"3\"");
    SAYS(reply, "\"sealed\":true,\"finished\":true,\"abandoned\":false");
}

Test(core_query, batches_are_named_the_newest_first)
{
    char want[64];
    uint64_t last = 0;
    for (uint32_t tag = 1; tag <= 40; tag++) {
        const leat_send_head head = test_head("echo", tag);
        last = must_send(client, &head, 2)->sent.batch;
    }

    const char *const reply = must_ask(client, "batches", "{}");

    (void)snprintf(want, sizeof want, "\"batches\":[{\"id\":\"%llu\",", (unsigned long long)last);
    SAYS(reply, want);
    unsigned rows = 0;
    for (const char *p = strstr(reply, "\"finished\":false"); p != NULL;
         p = strstr(p + 1, "\"finished\":false"))
        rows++;
    cr_assert(eq(u32, rows, 32));
}

Test(core_query, batches_are_named_once_also_when_they_have_finished)
{
    leat_send_head head = test_head("echo", 1);
    head.flags = LEAT_SEND_SEAL;
    const uint64_t first = must_send(client, &head, 2)->sent.batch;
    test_peer *const worker = must_worker(&w, "w1", 2, "echo");
    peer_credit(worker, 2);
    must_settle(&w);
    must_end_all(worker, LEAT_END_DONE);
    head.tag = 2;
    head.flags = 0;
    const uint64_t second = must_send(client, &head, 2)->sent.batch;
    char want[200];

    (void)snprintf(want, sizeof want,
                   "{\"batches\":[{\"id\":\"%llu\",\"name\":\"\",\"finished\":false},"
                   "{\"id\":\"%llu\",\"name\":\"\",\"finished\":true}]}",
                   (unsigned long long)second, (unsigned long long)first);
    SAYS(must_ask(client, "batches", "{}"), want);
}

Test(core_query, workers_are_listed_with_what_they_do)
{
    test_peer *const worker = must_worker(&w, "anna", 4, "echo sleep:timer");
    const leat_send_head head = test_head("echo", 1);
    (void)must_send(client, &head, 2);
    peer_credit(worker, 4);
    must_settle(&w);
    test_peer *const away = must_worker(&w, "bert", 1, "echo");
    peer_cut(away);

    const char *const reply = must_ask(client, "workers", "{}");

    SAYS(reply, "\"name\":\"anna\",\"host\":\"host\",\"pid\":100,\"slots\":4,\"running\":2");
    SAYS(reply, "\"state\":\"up\"");
    SAYS(reply, "\"handlers\":[\"echo\",\"sleep\"],\"channels\":[\"default\"]");
    SAYS(reply, "\"state\":\"away\"");
    SAYS(reply, "\"left_off\":0");
}

Test(core_query, a_worker_that_takes_no_more_is_draining)
{
    test_peer *const worker = must_worker(&w, "anna", 4, "echo");
    peer_credit(worker, 4);
    peer_credit(worker, 0);

    SAYS(must_ask(client, "workers", "{}"), "\"state\":\"draining\"");
}

/* peers.c asserts that every reply can be parsed within the limits of JSON bodies. */
Test(core_query, the_largest_answers_keep_to_the_limits)
{
    char name[LEAT_NAME_BYTES_MAX + 1];
    memset(name, '"', LEAT_NAME_BYTES_MAX); /* each is two bytes in JSON */
    name[LEAT_NAME_BYTES_MAX] = '\0';
    for (unsigned i = 0; i < 150; i++) {
        (void)snprintf(name, 5, "%04u", i);
        name[4] = '"';
        leat_send_head head = test_head(name, 0);
        head.channel = leat_text_of(name);
        (void)must_send(client, &head, 1);
    }
    for (unsigned i = 0; i < 20; i++) {
        test_peer *const worker = must_worker(&w, name, 1, "echo");
        for (uint32_t h = 1; h < LEAT_HANDLERS_MAX; h++) {
            memcpy(worker->hello->handlers[h].name, name, sizeof name);
            (void)snprintf(worker->hello->handlers[h].name, 5, "%04u", h);
            worker->hello->handlers[h].name[4] = 'h';
            worker->hello->handlers[h].runs = LEAT_RUNS_INLINE;
            if (h < 100)
                worker->hello->handler_count = h + 1;
        }
        must_resume(worker);
    }

    const char *reply = must_ask(client, "status", "{}");
    SAYS(reply, "\"channels\":[{");
    reply = must_ask(client, "workers", "{\"offset\":0}");
    SAYS(reply, "\"workers\":[{");
    cr_assert(eq(ptr, strstr(reply, "\"left_off\":0}"), NULL), "something must be left off");
    reply = must_ask(client, "workers", "{\"offset\":19}");
    SAYS(reply, "\"left_off\":0");
}

Test(core_query, an_unknown_query_is_unsupported)
{
    SAYS(must_ask(client, "weather", "{}"), "\"code\":\"UNSUPPORTED\"");
}

Test(core_query, arguments_of_the_wrong_type_harm_nobody)
{
    SAYS(must_ask(client, "status", "{\"batch\":42}"), "\"code\":\"MALFORMED\"");
    SAYS(must_ask(client, "workers", "{\"offset\":\"x\"}"), "\"code\":\"MALFORMED\"");
    SAYS(must_ask(client, "workers", "[1]"), "\"code\":\"MALFORMED\"");
    (void)must_ask(client, "ping", "null");
}

Test(core_query, too_many_questions_at_once_are_refused)
{
    client->deaf = true;
    for (unsigned i = 0; i < 100; i++) {
        leat_buf frame = {0};
        static const char text[] = "{\"id\":\"1\",\"query\":\"ping\"}";
        leat_frame_begin(&frame, LEAT_CMD_QUERY);
        leat_put_bytes(&frame, text, sizeof text - 1);
        leat_frame_finish(&frame, 0, 1, 0);
        peer_say(client, &frame);
    }
    cr_assert(eq(int, client->error, LEAT_ERR_LIMIT));
    client->deaf = false;
    must_settle(&w);

    (void)must_ask(client, "ping", "{}");
}

/* A job alone has no object; its end is found in the store when it is there. */
Test(core_query, about_a_job_whose_end_is_not_on_disk_is_answered_when_it_is)
{
    const leat_send_head head = test_head("echo", 0);
    const uint64_t job = must_send(client, &head, 1)->sent.first_id;
    test_peer *const worker = must_worker(&w, "w1", 1, "echo");
    peer_credit(worker, 1);
    must_settle(&w);
    w.disk->hold = true;
    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    must_settle(&w);

    char body[96];
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_QUERY);
    const int size = snprintf(
        body, sizeof body, "{\"id\":\"7\",\"query\":\"status\",\"arguments\":{\"batch\":\"%llu\"}}",
        (unsigned long long)job);
    leat_put_bytes(&frame, body, (size_t)size);
    leat_frame_finish(&frame, 0, 1, 0);
    const size_t before = peer_frames(client, LEAT_CMD_REPLY);
    peer_say(client, &frame);
    must_settle(&w);
    cr_assert(eq(sz, peer_frames(client, LEAT_CMD_REPLY), before));
    w.disk->hold = false;
    test_late_let_all(w.disk);
    must_settle(&w);

    cr_assert(eq(sz, peer_frames(client, LEAT_CMD_REPLY), before + 1));
    SAYS(client->reply, "\"done\":\"1\"");
}
