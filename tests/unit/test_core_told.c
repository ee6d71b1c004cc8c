/* What running jobs tell: progress and logs for who watches, checkpoints for the next attempt. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/peers.h"
#include "tests/lib/test.h"

static test_world w;
static test_peer *client;
static test_peer *worker;

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

TestSuite(core_told, .init = setup, .fini = teardown);

static uint64_t
must_submit(uint32_t tag, unsigned n)
{
    leat_send_head head = test_head("echo", tag);
    return must_send(client, &head, n)->sent.batch;
}

static test_peer *
must_hire(const char *name)
{
    test_peer *const hired = must_worker(&w, name, 4, "echo");
    peer_credit(hired, 4);
    must_settle(&w);
    return hired;
}

static void
must_watch(test_peer *peer, uint64_t batch)
{
    must_query(peer, "watch", "{\"batch\":\"%llu\"}", (unsigned long long)batch);
}

static size_t
told_over(const test_peer *peer, uint64_t batch)
{
    size_t n = 0;
    for (size_t i = 0; i < peer->told_count; i++)
        n += peer->told[i].command == LEAT_CMD_PROGRESS &&
             peer->told[i].progress.from.token.id == 0 &&
             peer->told[i].progress.from.batch == batch;
    return n;
}

static const leat_progress *
last_progress(const test_peer *peer)
{
    cr_assert(gt(sz, peer->told_count, 0));
    const test_told *const last = &peer->told[peer->told_count - 1];
    cr_assert(eq(int, last->command, LEAT_CMD_PROGRESS));
    return &last->progress;
}

/* ---------------------------------------------------------------------------------- watching */

Test(core_told, who_watches_a_batch_is_told_what_its_jobs_tell)
{
    const uint64_t batch = must_submit(1, 2);
    worker = must_hire("w1");
    must_watch(client, batch);

    peer_progress(worker, &worker->jobs[1].token, 3, 10, "three");
    must_settle(&w);

    const leat_progress *const progress = last_progress(client);
    cr_assert(eq(u64, progress->from.token.id, worker->jobs[1].token.id));
    cr_assert(eq(u64, progress->from.batch, batch));
    cr_assert(eq(u32, progress->from.place, 2));
    cr_assert(eq(u32, progress->from.gap, 0));
    cr_assert(eq(u64, progress->done, 3));
    cr_assert(eq(u64, progress->of, 10));
    cr_assert(leat_text_is(progress->text, leat_text_of("three")));
}

Test(core_told, logs_come_in_order_with_their_offsets)
{
    const uint64_t batch = must_submit(1, 1);
    worker = must_hire("w1");
    must_watch(client, batch);

    peer_log(worker, &worker->jobs[0].token, 0, "one\n");
    peer_log(worker, &worker->jobs[0].token, 4, "two\n");
    must_settle(&w);

    cr_assert(eq(sz, client->told_count, 2));
    cr_assert(eq(u64, client->told[0].output.offset, 0));
    cr_assert(eq(u64, client->told[1].output.offset, 4));
    cr_assert(eq(int, memcmp(client->told[1].output.data.data, "two\n", 4), 0));
}

Test(core_told, who_does_not_watch_hears_nothing)
{
    const uint64_t batch = must_submit(1, 1);
    test_peer *const other = must_client(&w);
    worker = must_hire("w1");
    must_watch(other, batch);

    peer_log(worker, &worker->jobs[0].token, 0, "one\n");
    must_settle(&w);
    cr_assert(eq(sz, client->told_count, 0));
    cr_assert(eq(sz, other->told_count, 1));

    must_query(other, "unwatch", "{\"batch\":\"%llu\"}", (unsigned long long)batch);
    peer_log(worker, &worker->jobs[0].token, 4, "two\n");
    must_settle(&w);

    cr_assert(eq(sz, other->told_count, 1));
}

Test(core_told, one_job_of_a_batch_can_be_watched_until_it_has_ended)
{
    const uint64_t batch = must_submit(1, 2);
    worker = must_hire("w1");
    must_query(client, "watch", "{\"batch\":\"%llu\",\"place\":2}", (unsigned long long)batch);

    peer_progress(worker, &worker->jobs[0].token, 1, 0, "");
    peer_progress(worker, &worker->jobs[1].token, 2, 0, "");
    must_settle(&w);
    cr_assert(eq(sz, client->told_count, 1));
    cr_assert(eq(u64, last_progress(client)->done, 2));

    (void)peer_done(worker, &worker->jobs[1], LEAT_END_DONE, 1, "", 0);
    must_settle(&w);

    cr_assert(eq(sz, told_over(client, batch), 1));
}

Test(core_told, a_job_alone_can_be_watched)
{
    const uint64_t job = must_submit(0, 1);
    worker = must_hire("w1");
    must_watch(client, job);

    peer_progress(worker, &worker->jobs[0].token, 1, 2, "");
    must_settle(&w);

    cr_assert(eq(u64, last_progress(client)->from.batch, job));
}

Test(core_told, what_was_told_before_comes_first)
{
    const uint64_t batch = must_submit(1, 1);
    worker = must_hire("w1");
    peer_progress(worker, &worker->jobs[0].token, 7, 9, "seven");
    must_settle(&w);

    must_watch(client, batch);
    must_settle(&w);

    cr_assert(eq(u64, last_progress(client)->done, 7));
}

Test(core_told, the_end_is_told_when_it_is_on_disk_and_once)
{
    const uint64_t batch = must_submit(1, 1);
    must_do(client, "batch.seal", "{\"batch\":\"%llu\"}", (unsigned long long)batch);
    worker = must_hire("w1");
    must_watch(client, batch);
    w.disk->hold = true;
    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    must_settle(&w);
    cr_assert(eq(sz, told_over(client, batch), 0));

    test_late_let_all(w.disk);
    w.disk->hold = false;
    must_settle(&w);
    world_pass(&w, 1000);

    cr_assert(eq(sz, told_over(client, batch), 1));
    must_watch(client, batch);
    cr_assert(eq(dbl, said(&w, "over"), 1.0));
}

Test(core_told, what_an_old_attempt_tells_is_not_passed_on)
{
    const uint64_t batch = must_submit(1, 1);
    worker = must_hire("w1");
    must_watch(client, batch);
    const leat_token old = worker->jobs[0].token;
    worker->jobs[0].over = true;
    (void)peer_token(worker, LEAT_CMD_RELEASE, &worker->jobs[0], 0);
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, 2));

    peer_progress(worker, &old, 1, 0, "");
    peer_log(worker, &old, 0, "old\n");
    must_settle(&w);
    cr_assert(eq(sz, client->told_count, 0));

    peer_progress(worker, &worker->jobs[1].token, 1, 0, "");
    must_settle(&w);
    cr_assert(eq(sz, client->told_count, 1));
}

Test(core_told, somebody_elses_job_is_not_told_of)
{
    const uint64_t batch = must_submit(1, 1);
    worker = must_hire("w1");
    test_peer *const other = must_hire("w2");
    must_watch(client, batch);

    peer_progress(other, &worker->jobs[0].token, 1, 0, "");
    must_settle(&w);

    cr_assert(eq(sz, client->told_count, 0));
}

Test(core_told, a_watch_ends_with_its_connection)
{
    const uint64_t batch = must_submit(1, 1);
    worker = must_hire("w1");
    must_watch(client, batch);
    peer_cut(client);
    world_pass(&w, 100);
    must_resume(client);

    peer_log(worker, &worker->jobs[0].token, 0, "one\n");
    must_settle(&w);

    cr_assert(eq(sz, client->told_count, 0));
}

Test(core_told, who_does_not_read_is_told_less_and_how_much_less)
{
    static char line[LEAT_LOG_BYTES_MAX + 1];
    const uint64_t batch = must_submit(1, 1);
    const unsigned pieces = 400; /* 6.5 MB */
    worker = must_hire("w1");
    must_watch(client, batch);
    memset(line, 'x', LEAT_LOG_BYTES_MAX);
    client->deaf = true;
    for (unsigned i = 0; i < pieces; i++) {
        peer_log(worker, &worker->jobs[0].token, (uint64_t)i * LEAT_LOG_BYTES_MAX, line);
        must_settle(&w);
    }
    const size_t before = client->told_count;
    cr_assert(lt(sz, before, pieces / 2));

    client->deaf = false;
    peer_beat(client);
    must_settle(&w);
    const size_t held = client->told_count - before;
    peer_log(worker, &worker->jobs[0].token, (uint64_t)pieces * LEAT_LOG_BYTES_MAX, "end");
    must_settle(&w);

    /* What was held is at most a frame, and the one behind it says how many are missing. */
    const leat_output *const last = &client->told[client->told_count - 1].output;
    cr_assert(le(sz, held, LEAT_FRAME_BYTES_CLOSE / LEAT_LOG_BYTES_MAX));
    cr_assert(eq(sz, before + held + last->from.gap, pieces));
    cr_assert(eq(u64, last->offset, (uint64_t)pieces * LEAT_LOG_BYTES_MAX));
}

Test(core_told, a_log_leaves_room_for_answers)
{
    const uint64_t batch = must_submit(1, 1);
    worker = must_hire("w1");
    must_watch(client, batch);
    client->deaf = true;
    for (unsigned i = 0; i < 20; i++) {
        peer_log(worker, &worker->jobs[0].token, i, "x");
        must_settle(&w);
    }

    must_query(client, "ping", "{}");
    cr_assert(said_text(&w, "broker") != NULL);
}

Test(core_told, the_last_progress_is_shown_until_its_attempt_ends)
{
    const uint64_t batch = must_submit(1, 1);
    worker = must_hire("w1");
    peer_progress(worker, &worker->jobs[0].token, 4, 9, "four");
    peer_progress(worker, &worker->jobs[0].token, 5, 9, "five");
    must_settle(&w);

    must_query(client, "explain", "{\"batch\":\"%llu\",\"place\":1}", (unsigned long long)batch);
    cr_assert(eq(dbl, said(&w, "progress.0.done"), 5));
    cr_assert(eq(int, strcmp(said_text(&w, "progress.0.text"), "five"), 0));

    worker->jobs[0].over = true;
    (void)peer_token(worker, LEAT_CMD_SNOOZE, &worker->jobs[0], 60000);
    must_settle(&w);
    must_query(client, "explain", "{\"batch\":\"%llu\"}", (unsigned long long)batch);
    cr_assert(eq(dbl, said(&w, "progress.0.done"), -1));
}

Test(core_told, a_batch_that_there_is_not_cannot_be_watched)
{
    const uint64_t batch = must_submit(1, 1);
    char arguments[64];
    (void)must_ask(client, "watch", "{\"batch\":\"4711\"}");
    cr_assert(strstr(client->reply, "NOT_FOUND") != NULL);
    (void)snprintf(arguments, sizeof arguments, "{\"batch\":\"%llu\",\"place\":2}",
                   (unsigned long long)batch);
    (void)must_ask(client, "watch", arguments);
    cr_assert(strstr(client->reply, "NOT_FOUND") != NULL);
    (void)must_ask(client, "watch", "{\"batch\":4711}");
    cr_assert(strstr(client->reply, "MALFORMED") != NULL);
    worker = must_hire("w1");
    (void)must_ask(worker, "watch", arguments);
    cr_assert(strstr(worker->reply, "DENIED") != NULL);
}

Test(core_told, a_client_tells_nothing)
{
    (void)must_submit(1, 1);
    worker = must_hire("w1");

    peer_progress(client, &worker->jobs[0].token, 1, 0, "");
    must_settle(&w);

    cr_assert(eq(int, client->error, LEAT_ERR_DENIED));
}

Test(core_told, a_session_watches_so_many_and_no_more)
{
    char arguments[64];
    const uint64_t batch = must_submit(1, LEAT_WATCHES_MAX + 1);
    for (unsigned i = 1; i <= LEAT_WATCHES_MAX; i++)
        must_query(client, "watch", "{\"batch\":\"%llu\",\"place\":%u}", (unsigned long long)batch,
                   i);
    (void)snprintf(arguments, sizeof arguments, "{\"batch\":\"%llu\",\"place\":%u}",
                   (unsigned long long)batch, LEAT_WATCHES_MAX + 1);
    (void)must_ask(client, "watch", arguments);
    cr_assert(strstr(client->reply, "LIMIT") != NULL);

    must_query(client, "unwatch", "{\"batch\":\"%llu\",\"place\":1}", (unsigned long long)batch);
    must_query(client, "watch", "%s", arguments);
}

/* -------------------------------------------------------------------------------- checkpoints */

/* The job comes back, and the last one of the worker is its next attempt. */
static const test_job *
must_come_again(test_peer *peer)
{
    const size_t count = peer->job_count;
    test_job *const job = &peer->jobs[count - 1];
    job->over = true;
    (void)peer_token(peer, LEAT_CMD_RELEASE, job, 0);
    must_settle(&w);
    cr_assert(eq(sz, peer->job_count, count + 1));
    return &peer->jobs[count];
}

static void
must_have(const test_job *job, const char *text)
{
    cr_assert(eq(u32, job->checkpoint.size, (uint32_t)strlen(text)));
    cr_assert(strlen(text) == 0 || memcmp(job->checkpoint.data, text, strlen(text)) == 0);
}

Test(core_told, the_next_attempt_gets_the_last_checkpoint)
{
    (void)must_submit(1, 1);
    worker = must_hire("w1");
    must_have(&worker->jobs[0], "");

    (void)peer_checkpoint(worker, &worker->jobs[0].token, "one", 3);
    const uint64_t sequence = peer_checkpoint(worker, &worker->jobs[0].token, "second", 6);
    must_settle(&w);
    cr_assert(eq(u16, must_answer(worker, sequence)->exceptions, 0));

    must_have(must_come_again(worker), "second");
    must_have(must_come_again(worker), "second");
    (void)peer_checkpoint(worker, &worker->jobs[2].token, "", 0);
    must_settle(&w);
    must_have(must_come_again(worker), "");
}

Test(core_told, a_checkpoint_is_acknowledged_when_it_is_on_disk)
{
    (void)must_submit(1, 1);
    worker = must_hire("w1");
    w.disk->hold = true;
    const uint64_t sequence = peer_checkpoint(worker, &worker->jobs[0].token, "one", 3);
    must_settle(&w);
    cr_assert(peer_answer(worker, sequence) == NULL);

    test_late_let_all(w.disk);
    must_settle(&w);

    cr_assert(eq(u16, must_answer(worker, sequence)->exceptions, 0));
}

Test(core_told, a_checkpoint_survives_the_broker)
{
    (void)must_submit(1, 2);
    worker = must_hire("w1");
    (void)peer_checkpoint(worker, &worker->jobs[0].token, "one", 3);
    must_settle(&w);
    must_restart(&w);
    must_resume_worker(worker, 2, true);
    must_settle(&w);
    worker->mute = true;
    peer_cut(worker);
    world_pass(&w, LEAT_GONE_GRACE_MS + 1000);

    test_peer *const other = must_hire("w2");
    world_pass(&w, 2000);
    while (peer_open_jobs(other) > 0 && other->job_count < 2)
        must_end_all(other, LEAT_END_DONE);

    for (size_t i = 0; i < other->job_count; i++)
        must_have(&other->jobs[i],
                  other->jobs[i].token.id == worker->jobs[0].token.id ? "one" : "");
    cr_assert(eq(sz, other->job_count, 2));
}

static void
on_object(void *context, const leat_fetched *fetched)
{
    *(leat_err *)context = fetched->err;
}

/* What the store says of the job's checkpoint. */
static leat_err
stored(uint64_t job)
{
    leat_err err = LEAT_ERR_IO;
    const leat_fetch fetch = {
        .kind = LEAT_FETCH_OBJECT, .object_kind = LEAT_OBJECT_CHECKPOINT, .id = job};
    LEAT_PASS(leat_store_fetch(test_late_store(w.disk), &fetch, 1, on_object, &err));
    return err;
}

Test(core_told, a_checkpoint_goes_with_its_job)
{
    (void)must_submit(1, 1);
    worker = must_hire("w1");
    const leat_token token = worker->jobs[0].token;
    (void)peer_checkpoint(worker, &token, "one", 3);
    must_settle(&w);
    LEAT_PASS(stored(token.id));
    must_end_all(worker, LEAT_END_DONE);
    cr_assert(eq(int, stored(token.id), LEAT_ERR_NOT_FOUND));

    const uint64_t sequence = peer_checkpoint(worker, &token, "two", 3);
    must_settle(&w);

    cr_assert(eq(u16, must_answer(worker, sequence)->exceptions, 1));
    cr_assert(eq(u16, must_answer(worker, sequence)->exception.code, LEAT_ERR_STALE));
    cr_assert(eq(int, stored(token.id), LEAT_ERR_NOT_FOUND));
}

Test(core_told, an_old_attempt_leaves_no_checkpoint)
{
    (void)must_submit(1, 1);
    worker = must_hire("w1");
    const leat_token old = worker->jobs[0].token;
    (void)peer_checkpoint(worker, &old, "first", 5);
    must_settle(&w);
    (void)must_come_again(worker);

    const uint64_t sequence = peer_checkpoint(worker, &old, "late", 4);
    must_settle(&w);

    cr_assert(eq(u16, must_answer(worker, sequence)->exception.code, LEAT_ERR_STALE));
    must_have(must_come_again(worker), "first");
}

Test(core_told, a_memory_channel_keeps_checkpoints_too)
{
    must_do(client, "channel.new", "{\"channel\":\"m\",\"durability\":\"memory\"}");
    leat_send_head head = test_head("echo", 1);
    head.channel = leat_text_of("m");
    (void)must_send(client, &head, 1);
    worker = world_peer(&w, "w1", 1, "echo");
    (void)snprintf(worker->hello->channels[0], sizeof worker->hello->channels[0], "m");
    worker->hello->channel_count = 1;
    peer_connect(worker, false);
    must_settle(&w);
    peer_credit(worker, 1);
    must_settle(&w);

    (void)peer_checkpoint(worker, &worker->jobs[0].token, "one", 3);
    must_settle(&w);

    must_have(must_come_again(worker), "one");
}

Test(core_told, a_checkpoint_has_a_largest_size)
{
    static uint8_t bytes[LEAT_CHECKPOINT_BYTES_MAX + 1];
    leat_buf frame = {0};
    (void)must_submit(1, 1);
    worker = must_hire("w1");
    const uint64_t most =
        peer_checkpoint(worker, &worker->jobs[0].token, bytes, LEAT_CHECKPOINT_BYTES_MAX);
    must_settle(&w);
    cr_assert(eq(int, must_answer(worker, most)->command, LEAT_CMD_ACKED));
    cr_assert(eq(u32, must_come_again(worker)->checkpoint.size, LEAT_CHECKPOINT_BYTES_MAX));

    leat_frame_begin(&frame, LEAT_CMD_CHECKPOINT);
    leat_put_u64(&frame, worker->jobs[1].token.id);
    leat_put_u32(&frame, worker->jobs[1].token.attempt);
    leat_put_u64(&frame, worker->jobs[1].token.epoch);
    leat_put_u32(&frame, sizeof bytes);
    leat_put_bytes(&frame, bytes, sizeof bytes);
    leat_frame_finish(&frame, 0, 1, 0);
    const uint64_t more = peer_say_numbered(worker, &frame);
    must_settle(&w);

    cr_assert(eq(int, must_answer(worker, more)->code, LEAT_ERR_TOO_LARGE));
}

Test(core_told, large_jobs_with_checkpoints_leave_in_frames_of_a_legal_size)
{
    static uint8_t bytes[LEAT_CHECKPOINT_BYTES_MAX];
    leat_send_head head = test_head("echo", 1);
    (void)peer_send(client, &head, 1, LEAT_PAYLOAD_BYTES_MAX);
    for (unsigned i = 0; i < 6; i++)
        (void)peer_send(client, &head, 1, 200000);
    must_settle(&w);
    worker = must_worker(&w, "w1", 10, "echo");
    peer_credit(worker, 10);
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, 7));
    for (size_t i = 0; i < 7; i++)
        (void)peer_checkpoint(worker, &worker->jobs[i].token, bytes, sizeof bytes);
    must_settle(&w);
    for (size_t i = 0; i < 7; i++) {
        worker->jobs[i].over = true;
        (void)peer_token(worker, LEAT_CMD_RELEASE, &worker->jobs[i], 0);
    }
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 14));
    for (size_t i = 7; i < 14; i++)
        cr_assert(eq(u32, worker->jobs[i].checkpoint.size, sizeof bytes));
}

/* One record of each kind for the jobs jobs[from … from + n - 1]; the sequence of the CHECKPOINT.
 */
static uint64_t
tell_of_many(size_t from, uint16_t n)
{
    leat_buf progress = {0};
    leat_buf checkpoint = {0};
    leat_frame_begin(&progress, LEAT_CMD_PROGRESS);
    leat_frame_begin(&checkpoint, LEAT_CMD_CHECKPOINT);
    for (size_t i = from; i < from + n; i++) {
        const leat_token *const token = &worker->jobs[i].token;
        leat_progress_put(&progress, &(leat_progress){.from.token = *token, .done = 1});
        leat_checkpoint_put(&checkpoint, &(leat_checkpoint_record){
                                             .token = *token, .data = {(const uint8_t *)"x", 1}
        });
    }
    leat_frame_finish(&progress, 0, n, 0);
    leat_frame_finish(&checkpoint, 0, n, 0);
    peer_say(worker, &progress);
    return peer_say_numbered(worker, &checkpoint);
}

Test(core_told, so_many_jobs_have_a_checkpoint_and_a_progress_and_no_more)
{
    static_assert(LEAT_CHECKPOINTS_MAX == LEAT_TOLD_JOBS_MAX, "both are tried at once");
    const unsigned step = 4000;
    leat_send_head head = test_head("echo", 1);
    uint64_t batch = 0;
    for (unsigned sent = 0; sent < LEAT_CHECKPOINTS_MAX + step; sent += step)
        batch = must_send(client, &head, step)->sent.batch;
    worker = must_worker(&w, "w1", LEAT_CHECKPOINTS_MAX + step, "echo");
    peer_credit(worker, LEAT_CHECKPOINTS_MAX + step);
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, LEAT_CHECKPOINTS_MAX + step));
    for (size_t i = 0; i < LEAT_CHECKPOINTS_MAX; i += step) {
        const uint64_t sequence = tell_of_many(i, (uint16_t)step);
        must_settle(&w);
        cr_assert(eq(u16, must_answer(worker, sequence)->exceptions, 0));
    }

    const uint64_t more = tell_of_many(LEAT_CHECKPOINTS_MAX, 1);
    must_settle(&w);
    cr_assert(eq(u16, must_answer(worker, more)->exceptions, 1));
    cr_assert(eq(u16, must_answer(worker, more)->exception.code, LEAT_ERR_LIMIT));
    must_query(client, "explain", "{\"batch\":\"%llu\",\"place\":%u}", (unsigned long long)batch,
               worker->jobs[LEAT_CHECKPOINTS_MAX].place);
    cr_assert(eq(dbl, said(&w, "progress.0.done"), -1));
    must_query(client, "explain", "{\"batch\":\"%llu\",\"place\":%u}", (unsigned long long)batch,
               worker->jobs[0].place);
    cr_assert(eq(dbl, said(&w, "progress.0.done"), 1));

    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    const uint64_t again = tell_of_many(LEAT_CHECKPOINTS_MAX, 1);
    must_settle(&w);
    cr_assert(eq(u16, must_answer(worker, again)->exceptions, 0));
}
