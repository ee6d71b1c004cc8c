/* Jobs that nobody can run: their batch waits, `leat status` says why, and they run as soon as a
 * worker with their handler comes. */
#include <stdio.h>
#include <string.h>

#include <leat.h>

#include "tests/lib/peer.h"
#include "tests/lib/programs.h"
#include "tests/lib/test.h"

static programs p;
static leat *client;

static void
set_up(void)
{
    programs_init(&p);
    programs_start_broker(&p);
    programs_start_worker(&p, 0, 2);
    const leat_connect_options options = {.broker = p.broker_url, .timeout_ms = 10000};
    cr_assert(eq(int, leat_connect_with(&options, &client), LEAT_OK));
}

static void
tear_down(void)
{
    leat_disconnect(&client);
    cr_expect(eq(int, programs_stop_broker(&p), 0), "%s", programs_log(&p, "broker"));
    programs_fini(&p);
}

TestSuite(unserved, .init = set_up, .fini = tear_down, .timeout = 60);

static uint64_t
submit(const char *handler, unsigned count)
{
    leat_batch *batch;
    cr_assert(eq(int, leat_batch_open(client, NULL, &batch), LEAT_OK));
    for (unsigned i = 0; i < count; i++)
        cr_assert(eq(int, leat_batch_add(batch, handler, "x", 1), LEAT_OK));
    cr_assert(eq(int, leat_batch_seal(batch), LEAT_OK), "%s", leat_sentence(client));
    const uint64_t id = leat_batch_id(batch);
    leat_batch_free(&batch);
    return id;
}

/* A job of the worker ends: it has joined, and what waits now does not wait for that. */
static void
wait_for_worker(void)
{
    leat_wait *wait;
    leat_completed c;
    cr_assert(eq(int, leat_wait_open(client, submit("noop", 1), &wait), LEAT_OK));
    cr_assert(eq(int, leat_wait_next(wait, &c, 10000), LEAT_OK), "%s", programs_log(&p, "w0"));
    leat_wait_free(&wait);
}

static void
expect_done(uint64_t batch, unsigned jobs)
{
    leat_wait *wait;
    leat_completed c;
    leat_status status;
    unsigned done = 0;
    cr_assert(eq(int, leat_wait_open(client, batch, &wait), LEAT_OK));
    while ((status = leat_wait_next(wait, &c, 10000)) == LEAT_OK)
        done += c.outcome == LEAT_DONE && c.attempt == 1;
    cr_assert(eq(int, status, LEAT_END), "%s", leat_sentence(client));
    cr_expect(eq(uint, done, jobs));
    leat_wait_free(&wait);
}

static void
show(const char *batch, char *out, size_t size)
{
    const char *const argv[] = {"leat", "status", batch, NULL};
    const int code = programs_run(&p, out, size, "leat", argv);
    cr_expect(eq(int, code, 0), "%s", out);
}

/* Take the jobs that the broker gives, and end them. */
static void
run_jobs(peer *worker, unsigned jobs)
{
    while (jobs > 0) {
        leat_jobs_head head;
        leat_reader records;
        leat_buf buf = {0};
        unsigned count = 0;
        if (peer_read(worker) == LEAT_CMD_ACKED)
            continue; /* may come behind the next jobs */
        cr_assert(eq(uint, worker->frame.command, LEAT_CMD_JOBS));
        LEAT_PASS(leat_jobs_open(worker->body, worker->size, worker->frame.count, &head, &records));
        leat_frame_begin(&buf, LEAT_CMD_DONE);
        leat_done_put_head(&buf, head.first_number);
        for (uint16_t i = 0; i < worker->frame.count; i++) {
            leat_jobs_run run;
            leat_jobs_next_run(&records, &run);
            for (uint16_t n = 0; n < run.jobs; n++) {
                leat_jobs_job job;
                leat_jobs_next_job(&records, &run, &job);
                const leat_done done = {
                    .token = {job.id, job.attempt, head.epoch},
                      .end = LEAT_END_DONE
                };
                leat_done_put(&buf, &done);
                count++;
            }
        }
        leat_frame_finish(&buf, 0, (uint16_t)count, ++worker->sequence);
        peer_send(worker, &buf);
        cr_assert(le(uint, count, jobs));
        jobs -= count;
    }
}

Test(unserved, a_batch_without_a_worker_for_its_handler_says_why_it_waits_and_runs_when_one_comes)
{
    const leat_credit credit = {.kind = LEAT_CREDIT_WORK,
                                .handler = LEAT_CREDIT_ALL_HANDLERS,
                                .items = 1,
                                .bytes = LEAT_PAYLOAD_BYTES_MAX};
    char number[32];
    char out[8192];
    leat_buf buf = {0};
    leat_wait *wait;
    leat_completed c;
    peer worker;
    wait_for_worker();
    const uint64_t batch = submit("thumb", 3);
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)batch);
    cr_assert(eq(int, leat_wait_open(client, batch, &wait), LEAT_OK));
    cr_expect(eq(int, leat_wait_next(wait, &c, 0), LEAT_TIMED_OUT));
    leat_wait_free(&wait);

    show(NULL, out, sizeof out);
    cr_expect(ne(ptr, strstr(out, "3 jobs wait in \"default\": no worker offers handler \"thumb\""),
                 NULL),
              "%s", out);
    show(number, out, sizeof out);
    cr_expect(ne(ptr, strstr(out, "3 waiting"), NULL), "%s", out);
    cr_expect(ne(ptr, strstr(out, "no worker offers handler \"thumb\""), NULL), "%s", out);

    peer_open(&worker, p.broker_url);
    worker.hello.role = LEAT_ROLE_WORKER;
    worker.hello.slots = 1;
    worker.hello.handler_count = 1;
    worker.hello.handlers[0].runs = LEAT_RUNS_INLINE;
    (void)snprintf(worker.hello.name, sizeof worker.hello.name, "thumbs");
    (void)snprintf(worker.hello.handlers[0].name, LEAT_NAME_BYTES_MAX, "thumb");
    peer_join(&worker);
    leat_frame_begin(&buf, LEAT_CMD_CREDIT);
    leat_credit_put(&buf, &credit);
    leat_frame_finish(&buf, 0, 1, 0);
    peer_send(&worker, &buf);
    run_jobs(&worker, 3);

    expect_done(batch, 3);
    show(number, out, sizeof out);
    cr_expect(ne(ptr, strstr(out, "3 done"), NULL), "%s", out);
    cr_expect(eq(ptr, strstr(out, "no worker"), NULL), "%s", out);
    peer_close(&worker);
}

Test(unserved, a_channel_that_no_worker_serves_is_named)
{
    char out[8192];
    const char *const send[] = {"leat",      "submit", "--channel", "thumbs",
                                "--handler", "echo",   "something", NULL};
    cr_assert(eq(int, programs_run(&p, out, sizeof out, "leat", send), 0), "%s", out);
    show(NULL, out, sizeof out);
    cr_expect(
        ne(ptr, strstr(out, "1 job waits in \"thumbs\": no worker for channel \"thumbs\""), NULL),
        "%s", out);
}
