/* What can be said of jobs and channels, with a real broker and a real worker. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <leat.h>

#include "tests/lib/programs.h"

static programs p;
static leat *client;
static leat_batch_options options;

#define MUST(expr, want)                                                                    \
    do {                                                                                    \
        const leat_status got_ = (expr);                                                    \
        cr_assert(eq(int, (int)got_, (int)(want)), "%s: %s", #expr, leat_sentence(client)); \
    } while (0)

static void
begin(void)
{
    programs_init(&p);
    programs_start_broker(&p);
    MUST(leat_connect(p.broker_url, &client), LEAT_OK);
    leat_batch_options_init(&options);
}

static void
end(void)
{
    leat_disconnect(&client);
    programs_fini(&p);
}

TestSuite(settings, .init = begin, .fini = end, .timeout = 100);
TestSuite(cancel, .init = begin, .fini = end, .timeout = 100);
TestSuite(channel, .init = begin, .fini = end, .timeout = 100);

/* A sealed batch of n jobs of one handler, with `options`. */
static uint64_t
send_batch(const char *handler, const char *payload, int n)
{
    leat_batch *batch;
    MUST(leat_batch_open(client, &options, &batch), LEAT_OK);
    for (int i = 0; i < n; i++)
        MUST(leat_batch_add(batch, handler, payload, strlen(payload)), LEAT_OK);
    MUST(leat_batch_seal(batch), LEAT_OK);
    const uint64_t id = leat_batch_id(batch);
    leat_batch_free(&batch);
    return id;
}

/* Wait for the end of a batch; how many ended so. */
static leat_counts
wait_for(uint64_t batch)
{
    leat_wait *wait;
    leat_completed done;
    leat_status status;
    MUST(leat_wait_open(client, batch, &wait), LEAT_OK);
    while ((status = leat_wait_next(wait, &done, 20000)) == LEAT_OK)
        continue;
    MUST(status, LEAT_END);
    const leat_counts counts = leat_wait_counts(wait);
    leat_wait_free(&wait);
    return counts;
}

/* ---------------------------------------------------------------------------------- settings */

Test(settings, a_job_waits_for_another_batch_and_is_skipped_when_that_fails)
{
    const uint64_t first = send_batch("fail", "fatal:no", 1);
    options.after_batch = first;
    const uint64_t second = send_batch("noop", "", 2);
    programs_start_worker(&p, 0, 2);
    cr_expect(eq(u64, wait_for(second).skipped, 2));
    options.after = LEAT_WHEN_FAILED;
    cr_expect(eq(u64, wait_for(send_batch("noop", "", 2)).done, 2));
}

Test(settings, jobs_with_the_same_key_are_one)
{
    uint64_t first;
    uint64_t second;
    options.unique = "report";
    MUST(leat_submit(client, &options, "noop", "", 0, &first), LEAT_OK);
    MUST(leat_submit(client, &options, "noop", "", 0, &second), LEAT_OK);
    cr_expect(eq(u64, first, second));
}

Test(settings, what_is_not_started_in_time_expires)
{
    options.expires_ms = 100;
    cr_expect(eq(u64, wait_for(send_batch("noop", "", 3)).expired, 3));
}

Test(settings, a_batch_halts_at_its_first_failure)
{
    options.halt = LEAT_HALT_AT_FAILED;
    options.halt_n = 1;
    const uint64_t batch = send_batch("fail", "fatal:no", 20);
    programs_start_worker(&p, 0, 1);
    const leat_counts counts = wait_for(batch);
    cr_expect(eq(u64, counts.dead + counts.cancelled, 20));
    cr_expect(ge(u64, counts.dead, 1));
    cr_expect(ge(u64, counts.cancelled, 1));
}

Test(settings, completions_are_also_sent_to_a_channel)
{
    const void *data;
    size_t size;
    char text[512];
    options.reply = "answers";
    programs_start_worker(&p, 0, 1);
    (void)send_batch("echo", "hello", 1);
    MUST(leat_recv(client, "answers", &data, &size, 20000), LEAT_OK);
    (void)snprintf(text, sizeof text, "%.*s", (int)size, (const char *)data);
    cr_expect(ne(ptr, strstr(text, "\"result\":\"hello\""), NULL), "%s", text);
}

Test(settings, a_dead_job_is_recovered)
{
    const leat_follow recover = {"echo", "", 0};
    options.recover = &recover;
    programs_start_worker(&p, 0, 1);
    const leat_counts counts = wait_for(send_batch("fail", "fatal:no", 1));
    cr_expect(eq(u64, counts.done, 1));
    cr_expect(eq(u64, counts.dead, 0));
}

Test(settings, what_follows_runs_when_the_job_has_ended)
{
    const void *data;
    size_t size;
    const leat_follow follow = {"echo", "cleaned", 7};
    options.finally = &follow;
    options.finally_count = 1;
    options.reply = "answers";
    programs_start_worker(&p, 0, 1);
    (void)send_batch("fail", "fatal:no", 1);
    MUST(leat_recv(client, "answers", &data, &size, 20000), LEAT_OK);
}

Test(settings, a_run_that_takes_too_long_is_stopped)
{
    options.run_limit_ms = 200;
    options.grace_ms = 200;
    options.failures = 1;
    programs_start_worker(&p, 0, 1);
    cr_expect(eq(u64, wait_for(send_batch("sleep", "60s", 1)).dead, 1));
}

/* -------------------------------------------------------------------------------- cancelling */

Test(cancel, what_waits_is_cancelled_by_places)
{
    leat_cancelled cancelled;
    const uint64_t batch = send_batch("noop", "", 10);
    MUST(leat_cancel(client, batch, 3, 5, &cancelled), LEAT_OK);
    cr_expect(eq(u64, cancelled.cancelled, 3));
    programs_start_worker(&p, 0, 1);
    const leat_counts counts = wait_for(batch);
    cr_expect(eq(u64, counts.cancelled, 3));
    cr_expect(eq(u64, counts.done, 7));
    MUST(leat_cancel(client, batch, 1, 10, &cancelled), LEAT_OK);
    cr_expect(eq(u64, cancelled.ended, 10));
}

Test(cancel, a_whole_batch_is_cancelled)
{
    leat_cancelled cancelled;
    const uint64_t batch = send_batch("noop", "", 10);
    MUST(leat_cancel(client, batch, 0, 0, &cancelled), LEAT_OK);
    cr_expect(cancelled.cancelled == 10 || cancelled.is_in_background);
    cr_expect(eq(u64, wait_for(batch).cancelled, 10));
    MUST(leat_cancel(client, 987654321, 0, 0, &cancelled), LEAT_NOT_FOUND);
}

Test(cancel, jobs_are_cancelled_by_their_numbers)
{
    uint64_t jobs[3];
    leat_cancelled cancelled;
    MUST(leat_submit(client, NULL, "noop", "", 0, &jobs[0]), LEAT_OK);
    MUST(leat_submit(client, NULL, "noop", "", 0, &jobs[1]), LEAT_OK);
    jobs[2] = 987654321;
    MUST(leat_cancel_jobs(client, jobs, 3, &cancelled), LEAT_OK);
    cr_expect(eq(u64, cancelled.cancelled, 2));
    cr_expect(eq(u64, cancelled.not_found, 1));
    cr_expect(eq(u64, wait_for(jobs[0]).cancelled, 1));
}

Test(cancel, what_runs_is_told_to_stop)
{
    leat_wait *wait;
    leat_completed done;
    leat_cancelled cancelled;
    programs_start_worker(&p, 0, 1);
    const uint64_t batch = send_batch("sleep", "60s", 1);
    MUST(leat_wait_open(client, batch, &wait), LEAT_OK);
    MUST(leat_wait_next(wait, &done, 1000), LEAT_TIMED_OUT); /* it runs by now */
    MUST(leat_cancel(client, batch, 1, 1, &cancelled), LEAT_OK);
    cr_expect(eq(u64, cancelled.stopping, 1));
    MUST(leat_wait_next(wait, &done, 20000), LEAT_OK);
    cr_expect(eq(int, done.outcome, LEAT_CANCELLED));
}

Test(cancel, the_dead_of_a_batch_are_tried_again)
{
    uint64_t again = 0;
    uint64_t jobs = 0;
    programs_start_worker(&p, 0, 1);
    const uint64_t batch = send_batch("fail", "fatal:no", 3);
    cr_expect(eq(u64, wait_for(batch).dead, 3));
    MUST(leat_retry(client, batch, &again, &jobs), LEAT_OK);
    cr_expect(eq(u64, jobs, 3));
    cr_expect(ne(u64, again, batch));
    cr_expect(eq(u64, wait_for(again).dead, 3));
}

/* ---------------------------------------------------------------------------------- channels */

Test(channel, a_batch_goes_into_a_small_channel_as_there_is_room)
{
    leat_channel_options small;
    leat_channel_options_init(&small);
    small.kind = LEAT_KIND_JOBS;
    small.capacity = 5;
    MUST(leat_channel_new(client, "default", &small), LEAT_OK);
    leat_batch *batch;
    MUST(leat_batch_open(client, NULL, &batch), LEAT_OK);
    for (int i = 0; i < 300; i++)
        MUST(leat_batch_add(batch, "noop", "", 0), LEAT_OK);
    MUST(leat_batch_push(batch), LEAT_NOT_YET);
    (void)usleep(200000);
    MUST(leat_batch_push(batch), LEAT_NOT_YET);
    programs_start_worker(&p, 0, 2);
    MUST(leat_batch_seal(batch), LEAT_OK);
    cr_expect(eq(u64, leat_batch_accepted(batch), 300));
    cr_expect(eq(u64, wait_for(leat_batch_id(batch)).done, 300));
}

Test(channel, a_channel_is_made_changed_paused_emptied_and_removed)
{
    const void *data;
    size_t size;
    uint64_t marked = 0;
    leat_channel_options rules;
    MUST(leat_make(client, "c", 2), LEAT_OK);
    MUST(leat_make(client, "c", 2), LEAT_OK); /* as it is */
    MUST(leat_send(client, "c", "1", 1), LEAT_OK);
    MUST(leat_send(client, "c", "2", 1), LEAT_OK);
    MUST(leat_try_send(client, "c", "3", 1), LEAT_FULL);
    leat_channel_options_init(&rules);
    rules.capacity = 3;
    MUST(leat_channel_set(client, "c", &rules), LEAT_OK);
    MUST(leat_try_send(client, "c", "3", 1), LEAT_OK);
    MUST(leat_channel_pause(client, "c", -1), LEAT_OK);
    MUST(leat_try_recv(client, "c", &data, &size), LEAT_TIMED_OUT);
    MUST(leat_channel_resume(client, "c"), LEAT_OK);
    MUST(leat_try_recv(client, "c", &data, &size), LEAT_OK);
    MUST(leat_acknowledge(client), LEAT_OK);
    cr_expect(ne(int, (int)leat_channel_remove(client, "c", 0), (int)LEAT_OK));
    MUST(leat_channel_purge(client, "c", &marked), LEAT_OK);
    cr_expect(eq(u64, marked, 2));
    MUST(leat_try_recv(client, "c", &data, &size), LEAT_TIMED_OUT);
    MUST(leat_channel_remove(client, "c", 0), LEAT_OK);
    MUST(leat_make(client, "c", 1), LEAT_OK); /* a new one */
    MUST(leat_send(client, "c", "1", 1), LEAT_OK);
    MUST(leat_try_send(client, "c", "2", 1), LEAT_FULL);
    MUST(leat_channel_set(client, "no such channel", &rules), LEAT_NOT_FOUND);
}
