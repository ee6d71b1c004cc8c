/* SEND: ids, batches, refusals, delays, order. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/peers.h"
#include "tests/lib/test.h"

static test_world w;

static void
setup(void)
{
    world_init(&w);
}

static void
teardown(void)
{
    world_fini(&w);
}

TestSuite(core_send, .init = setup, .fini = teardown);

static leat_err
code_of(test_peer *client, const leat_send_head *head)
{
    const uint64_t sequence = peer_send(client, head, 1, 0);
    must_settle(&w);
    return must_answer(client, sequence)->code;
}

Test(core_send, ids_of_a_frame_are_contiguous_and_rise)
{
    test_peer *const client = must_client(&w);
    const leat_send_head head = test_head("echo", 1);

    const leat_sent a = must_send(client, &head, 100)->sent;
    const leat_sent b = must_send(client, &head, 50)->sent;

    cr_assert(gt(u64, a.batch, 0));
    cr_assert(gt(u64, a.first_id, a.batch));
    cr_assert(eq(u64, b.batch, a.batch));
    cr_assert(eq(u64, b.first_id, a.first_id + 100));
    cr_assert(eq(u64, must_figure(client, a.batch, "total"), 150));
}

Test(core_send, tags_are_the_sessions_own)
{
    test_peer *const client = must_client(&w);
    test_peer *const other = must_client(&w);
    const leat_send_head one = test_head("echo", 1);
    const leat_send_head two = test_head("echo", 2);

    const uint64_t a = must_send(client, &one, 1)->sent.batch;
    const uint64_t b = must_send(client, &two, 1)->sent.batch;
    const uint64_t c = must_send(other, &one, 1)->sent.batch;

    cr_assert(ne(u64, a, b));
    cr_assert(ne(u64, a, c));
    cr_assert(eq(u64, must_send(client, &one, 1)->sent.batch, a));
}

Test(core_send, places_count_up_over_the_frames_of_a_batch)
{
    test_peer *const client = must_client(&w);
    test_peer *const worker = must_worker(&w, "w1", 20, "echo");
    const leat_send_head head = test_head("echo", 1);
    (void)must_send(client, &head, 7);
    (void)must_send(client, &head, 5);

    peer_credit(worker, 20);
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 12));
    for (uint32_t i = 0; i < 12; i++) {
        char payload[8];
        (void)snprintf(payload, sizeof payload, "%u", i < 7 ? i : i - 7);
        cr_assert(eq(u32, worker->jobs[i].place, i + 1));
        cr_assert(eq(u64, worker->jobs[i].number, i + 1));
        cr_assert(leat_text_is(
            leat_text_of(payload),
            (leat_text){(const char *)worker->jobs[i].payload.data, worker->jobs[i].payload.size}));
    }
}

Test(core_send, the_batch_keeps_its_name)
{
    test_peer *const client = must_client(&w);
    leat_send_head head = test_head("echo", 1);
    char question[64];
    head.settings.name = leat_text_of("nightly");
    const uint64_t batch = must_send(client, &head, 1)->sent.batch;

    (void)snprintf(question, sizeof question, "{\"batch\":\"%llu\"}", (unsigned long long)batch);
    const char *const status = must_ask(client, "status", question);

    cr_assert(ne(ptr, strstr(status, "\"name\":\"nightly\""), NULL), "%s", status);
}

Test(core_send, a_job_alone_is_the_batch_with_its_own_id)
{
    test_peer *const client = must_client(&w);
    const leat_send_head head = test_head("echo", 0);

    const leat_sent sent = must_send(client, &head, 3)->sent;

    cr_assert(eq(u64, sent.batch, sent.first_id));
    for (uint64_t id = sent.first_id; id < sent.first_id + 3; id++)
        cr_assert(eq(u64, must_figure(client, id, "total"), 1));
}

Test(core_send, a_sealed_batch_takes_no_more)
{
    test_peer *const client = must_client(&w);
    leat_send_head head = test_head("echo", 1);
    head.flags = LEAT_SEND_SEAL;
    (void)must_send(client, &head, 1);
    head.flags = 0;

    cr_assert(eq(int, code_of(client, &head), LEAT_ERR_BAD_STATE));
}

Test(core_send, a_batch_is_sealed_by_command_too)
{
    test_peer *const client = must_client(&w);
    leat_send_head head = test_head("echo", 1);
    char arguments[64];
    const uint64_t batch = must_send(client, &head, 1)->sent.batch;
    (void)snprintf(arguments, sizeof arguments, "{\"batch\":\"%llu\"}", (unsigned long long)batch);

    cr_assert(eq(int, must_command(client, "batch.seal", arguments)->code, LEAT_ERR_OK));

    cr_assert(eq(int, code_of(client, &head), LEAT_ERR_BAD_STATE));
}

Test(core_send, another_session_adds_to_a_batch_by_its_id)
{
    test_peer *const client = must_client(&w);
    test_peer *const other = must_client(&w);
    leat_send_head head = test_head("echo", 1);
    const uint64_t batch = must_send(client, &head, 1)->sent.batch;
    head.tag = 0;
    head.batch = batch;

    cr_assert(eq(u64, must_send(other, &head, 2)->sent.batch, batch));

    cr_assert(eq(u64, must_figure(client, batch, "total"), 3));
}

Test(core_send, an_unknown_batch_is_not_found)
{
    test_peer *const client = must_client(&w);
    leat_send_head head = test_head("echo", 0);
    head.batch = 123456789;

    cr_assert(eq(int, code_of(client, &head), LEAT_ERR_NOT_FOUND));
}

Test(core_send, a_closed_channel_takes_nothing)
{
    test_peer *const client = must_client(&w);
    const leat_send_head head = test_head("echo", 0);
    (void)must_send(client, &head, 1);
    (void)must_command(client, "channel.close", "{\"channel\":\"default\"}");

    cr_assert(eq(int, code_of(client, &head), LEAT_ERR_CLOSED));
    must_restart(&w);
    must_resume(client);
    cr_assert(eq(int, code_of(client, &head), LEAT_ERR_CLOSED));
}

Test(core_send, a_channel_is_still_closed_after_rounds_and_two_restarts)
{
    test_peer *const client = must_client(&w);
    const leat_send_head head = test_head("echo", 0);
    (void)must_command(client, "channel.close", "{\"channel\":\"default\"}");
    must_restart(&w);
    world_pass(&w, 3000);
    must_restart(&w);
    test_peer *const other = must_client(&w);

    cr_assert(eq(int, code_of(other, &head), LEAT_ERR_CLOSED));
}

Test(core_send, a_channel_holds_jobs_or_messages)
{
    test_peer *const client = must_client(&w);
    const leat_send_head jobs = test_head("echo", 0);
    const leat_send_head messages = test_head("", 0);
    (void)must_send(client, &jobs, 1);

    cr_assert(eq(int, code_of(client, &messages), LEAT_ERR_WRONG_KIND));
}

Test(core_send, a_batch_is_in_one_place_only)
{
    test_peer *const client = must_client(&w);
    leat_send_head head = test_head("echo", 1);
    (void)must_command(client, "channel.new", "{\"channel\":\"m\",\"durability\":\"memory\"}");
    (void)must_send(client, &head, 1);
    head.channel = leat_text_of("m");

    cr_assert(eq(int, code_of(client, &head), LEAT_ERR_BAD_STATE));
}

Test(core_send, a_payload_of_the_limit_is_taken)
{
    test_peer *const client = must_client(&w);
    test_peer *const worker = must_worker(&w, "w1", 1, "echo");
    const leat_send_head head = test_head("echo", 0);
    const uint64_t sequence = peer_send(client, &head, 1, LEAT_PAYLOAD_BYTES_MAX);
    peer_credit(worker, 1);
    must_settle(&w);

    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_OK));
    cr_assert(eq(sz, worker->job_count, 1));
    cr_assert(eq(u32, worker->jobs[0].payload.size, LEAT_PAYLOAD_BYTES_MAX));
}

Test(core_send, a_payload_over_the_limit_is_too_large)
{
    test_peer *const client = must_client(&w);
    const leat_send_head head = test_head("echo", 0);
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_SEND);
    leat_send_put_head(&frame, &head);
    leat_put_u32(&frame, LEAT_PAYLOAD_BYTES_MAX + 1);
    uint8_t *const payload = leat_buf_room(&frame, LEAT_PAYLOAD_BYTES_MAX + 1);
    memset(payload, 'x', LEAT_PAYLOAD_BYTES_MAX + 1);
    leat_frame_finish(&frame, 0, 1, 0);

    const uint64_t sequence = peer_say_numbered(client, &frame);
    must_settle(&w);

    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_TOO_LARGE));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
}

Test(core_send, a_worker_does_not_send)
{
    test_peer *const worker = must_worker(&w, "w1", 1, "echo");
    const leat_send_head head = test_head("echo", 0);

    const uint64_t sequence = peer_send(worker, &head, 1, 0);
    must_settle(&w);

    cr_assert(eq(int, must_answer(worker, sequence)->code, LEAT_ERR_DENIED));
}

Test(core_send, a_delayed_job_becomes_ready_in_time)
{
    test_peer *const client = must_client(&w);
    test_peer *const worker = must_worker(&w, "w1", 4, "echo");
    leat_send_head head = test_head("echo", 1);
    head.settings.delay_ms = 5000;
    peer_credit(worker, 4);
    const uint64_t batch = must_send(client, &head, 2)->sent.batch;
    cr_assert(eq(u64, must_figure(client, batch, "delayed"), 2));

    world_pass(&w, 4990);
    cr_assert(eq(sz, worker->job_count, 0));
    world_pass(&w, 10);

    cr_assert(eq(sz, worker->job_count, 2));
    cr_assert(eq(u64, must_figure(client, batch, "delayed"), 0));
    cr_assert(eq(u64, must_figure(client, batch, "running"), 2));
}

Test(core_send, thousands_that_are_due_at_once_all_become_ready)
{
    test_peer *const client = must_client(&w);
    leat_send_head head = test_head("echo", 1);
    head.settings.delay_ms = 1000;
    const uint64_t batch = must_send(client, &head, 8000)->sent.batch;

    world_pass(&w, 2000);

    cr_assert(eq(u64, must_figure(client, batch, "ready"), 8000));
}

Test(core_send, priority_nine_goes_before_zero_and_equals_in_order)
{
    test_peer *const client = must_client(&w);
    test_peer *const worker = must_worker(&w, "w1", 100, "echo");
    leat_send_head head = test_head("echo", 0);
    for (unsigned p = 0; p <= 9; p++) {
        head.settings.priority = (uint8_t)p;
        (void)must_send(client, &head, 3);
    }

    peer_credit(worker, 100);
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 30));
    const uint64_t lowest = peer_job(worker, worker->jobs[27].token.id)->token.id;
    for (unsigned i = 0; i < 30; i++)
        cr_assert(eq(u64, worker->jobs[i].token.id, lowest + (9U - i / 3U) * 3ULL + i % 3U));
}

Test(core_send, classes_of_one_priority_are_served_first_in_first_out)
{
    test_peer *const client = must_client(&w);
    test_peer *const worker = must_worker(&w, "w1", 100, "a b c");
    const char *const handlers[] = {"a", "b", "c"};
    for (unsigned i = 0; i < 30; i++) {
        const leat_send_head head = test_head(handlers[i * 7 % 3], 0);
        (void)must_send(client, &head, 1);
    }

    peer_credit(worker, 100);
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 30));
    for (unsigned i = 1; i < 30; i++)
        cr_assert(eq(u64, worker->jobs[i].token.id, worker->jobs[i - 1].token.id + 1));
}

Test(core_send, a_jobs_frame_of_many_small_batches_keeps_to_the_frame_limit)
{
    test_peer *const client = must_client(&w);
    char name[LEAT_NAME_BYTES_MAX + 1];
    memset(name, 'n', LEAT_NAME_BYTES_MAX);
    name[LEAT_NAME_BYTES_MAX] = '\0';
    test_peer *const worker = must_worker(&w, "w1", 5000, name);
    const leat_send_head head = test_head(name, 0); /* each alone: a run each */
    (void)must_send(client, &head, 1900);
    (void)peer_send(client, &head, 1, LEAT_PAYLOAD_BYTES_MAX);
    (void)must_send(client, &head, 1900);

    peer_credit(worker, 5000);
    must_settle(&w); /* peers.c checks every frame against LEAT_FRAME_BYTES_MAX */

    cr_assert(eq(sz, worker->job_count, 3801));
}
