/* line: jobs that wait in the frames in which they came. */
#include "tests/lib/test.h"

#include "tests/lib/alloc.h"
#include "tests/lib/jobs.h"
#include "worker/line.h"

static leat_line line;

static void
setup(void)
{
    size_t count;
    const leat_handler *const rows = leat_handlers(&count);
    leat_line_init(&line, rows, count);
}

static void
teardown(void)
{
    leat_line_fini(&line);
}

TestSuite(line, .init = setup, .fini = teardown);

static leat_err
push(const leat_buf *frame)
{
    return leat_line_push(&line, frame->data + LEAT_FRAME_BYTES, frame->size - LEAT_FRAME_BYTES,
                          leat_load_u16(frame->data + 4));
}

/* Jobs first … first + count - 1 of one handler, numbered like their ids. */
static void
must_push_run(const char *handler, uint64_t first, uint64_t count)
{
    leat_buf frame = {0};
    struct test_jobs jobs = must_begin_jobs(&frame, 77, first);
    must_add_run(&jobs, handler);
    for (uint64_t id = first; id < first + count; id++)
        must_add_job(&jobs, id, 1, "x");
    must_finish_jobs(&jobs, 0);
    LEAT_PASS(push(&frame));
    leat_buf_fini(&frame);
}

static uint64_t
must_take(void)
{
    leat_line_job job;
    cr_assert(leat_line_first(&line, &job));
    leat_line_advance(&line);
    return job.number;
}

Test(line, jobs_come_out_in_the_order_of_their_numbers_across_runs_and_frames)
{
    leat_buf frame = {0};
    struct test_jobs jobs = must_begin_jobs(&frame, 77, 5);
    must_add_run(&jobs, "echo");
    must_add_job(&jobs, 42, 3, "first");
    must_add_run(&jobs, "sleep");
    must_add_job(&jobs, 40, 1, "1s");
    must_add_job(&jobs, 41, 1, "");
    must_finish_jobs(&jobs, 0);
    LEAT_PASS(push(&frame));
    leat_buf_fini(&frame);
    must_push_run("noop", 8, 2);

    leat_line_job job;
    cr_assert(eq(u64, line.count, 5));
    cr_assert(leat_line_first(&line, &job));
    cr_assert(eq(u64, job.number, 5));
    cr_assert(eq(u64, job.token.id, 42));
    cr_assert(eq(u32, job.token.attempt, 3));
    cr_assert(eq(u64, job.token.epoch, 77));
    cr_assert(eq(int, strcmp(job.handler->name, "echo"), 0));
    cr_assert(eq(int, memcmp(job.payload.data, "first", 5), 0));
    leat_line_advance(&line);
    cr_assert(leat_line_first(&line, &job));
    cr_assert(eq(int, strcmp(job.handler->name, "sleep"), 0));
    cr_assert(eq(u64, must_take(), 6));
    cr_assert(eq(u64, must_take(), 7));
    cr_assert(eq(u64, must_take(), 8));
    cr_assert(eq(u64, must_take(), 9));
    cr_assert(not(leat_line_first(&line, &job)));
    cr_assert(eq(u64, line.count, 0));
}

Test(line, each_job_says_what_its_run_needs)
{
    leat_buf frame = {0};
    struct test_jobs jobs = must_begin_jobs(&frame, 77, 1);
    must_add_run_that_needs(&jobs, "echo", "gpu=1,mem=5");
    must_add_job(&jobs, 1, 1, "");
    must_add_job(&jobs, 2, 1, "");
    must_add_run(&jobs, "echo");
    must_add_job(&jobs, 3, 1, "");
    must_finish_jobs(&jobs, 0);
    LEAT_PASS(push(&frame));
    leat_buf_fini(&frame);

    leat_line_job job;
    for (int i = 0; i < 2; i++) {
        cr_assert(leat_line_first(&line, &job));
        cr_assert(leat_text_is(job.needs, leat_text_of("gpu=1,mem=5")));
        leat_line_advance(&line);
    }
    cr_assert(leat_line_first(&line, &job));
    cr_assert(eq(sz, job.needs.size, 0));
}

Test(line, the_first_job_stays_until_it_is_taken)
{
    must_push_run("echo", 1, 2);
    leat_line_job job;

    cr_assert(leat_line_first(&line, &job));
    cr_assert(leat_line_first(&line, &job));

    cr_assert(eq(u64, job.number, 1));
    cr_assert(eq(u64, line.count, 2));
}

Test(line, a_run_without_jobs_is_passed_over)
{
    leat_buf frame = {0};
    struct test_jobs jobs = must_begin_jobs(&frame, 77, 1);
    must_add_run(&jobs, "echo");
    must_add_run(&jobs, "noop");
    must_add_job(&jobs, 7, 1, "");
    must_finish_jobs(&jobs, 0);
    LEAT_PASS(push(&frame));
    leat_buf_fini(&frame);

    leat_line_job job;
    cr_assert(leat_line_first(&line, &job));
    cr_assert(eq(int, strcmp(job.handler->name, "noop"), 0));
}

Test(line, a_handler_that_the_worker_does_not_have_is_named_and_has_no_row)
{
    must_push_run("thumb", 1, 1);

    leat_line_job job;
    cr_assert(leat_line_first(&line, &job));
    cr_assert(job.handler == NULL);
    cr_assert(leat_text_is(job.handler_name, leat_text_of("thumb")));
}

Test(line, a_held_frame_keeps_its_payload_after_the_line_has_moved_on)
{
    must_push_run("primes", 1, 1);
    leat_line_job job;
    cr_assert(leat_line_first(&line, &job));
    leat_line_frame *held = leat_line_frame_hold(job.frame);
    leat_line_advance(&line);
    leat_line_drop(&line);

    cr_assert(eq(int, job.payload.data[0], 'x'));
    leat_line_frame_drop(&held);
    cr_assert(held == NULL);
}

static bool
strike_odd(void *context, const leat_line_job *job)
{
    *(uint64_t *)context += job->number;
    return job->number % 2 == 1;
}

static bool
strike_all(void *context, const leat_line_job *job)
{
    *(uint64_t *)context += job->number;
    return true;
}

Test(line, what_is_struck_out_is_never_seen_again_and_keeps_its_number)
{
    must_push_run("echo", 1, 3);
    must_push_run("echo", 4, 3);
    uint64_t sum = 0;

    leat_line_walk(&line, strike_odd, &sum);
    cr_assert(eq(u64, sum, 21));
    cr_assert(eq(u64, line.count, 3));
    sum = 0;
    leat_line_walk(&line, strike_odd, &sum);

    cr_assert(eq(u64, sum, 12));
    cr_assert(eq(u64, must_take(), 2));
    cr_assert(eq(u64, must_take(), 4));
    cr_assert(eq(u64, must_take(), 6));
    leat_line_job job;
    cr_assert(not(leat_line_first(&line, &job)));
}

Test(line, a_walk_begins_at_the_first_job_that_was_not_taken)
{
    must_push_run("echo", 1, 3);
    (void)must_take();
    uint64_t sum = 0;

    leat_line_walk(&line, strike_all, &sum);

    cr_assert(eq(u64, sum, 5));
    cr_assert(eq(u64, line.count, 0));
    must_push_run("echo", 9, 1);
    cr_assert(eq(u64, must_take(), 9));
}

Test(line, a_frame_that_is_cut_leaves_the_line_as_it_was)
{
    must_push_run("echo", 1, 1);
    leat_buf frame = {0};
    struct test_jobs jobs = must_begin_jobs(&frame, 77, 2);
    must_add_run(&jobs, "echo");
    must_add_job(&jobs, 2, 1, "payload");
    must_finish_jobs(&jobs, 0);

    for (size_t size = 0; size < frame.size - LEAT_FRAME_BYTES; size++)
        LEAT_FAILS(leat_line_push(&line, frame.data + LEAT_FRAME_BYTES, size, 1),
                   LEAT_ERR_MALFORMED);

    cr_assert(eq(u64, line.count, 1));
    cr_assert(eq(u64, must_take(), 1));
    leat_buf_fini(&frame);
}

Test(line, without_memory_nothing_is_taken_in)
{
    leat_buf frame = {0};
    struct test_jobs jobs = must_begin_jobs(&frame, 77, 1);
    must_add_run(&jobs, "echo");
    must_add_job(&jobs, 1, 1, "");
    must_finish_jobs(&jobs, 0);

    leat_alloc_fail_after(0);
    LEAT_FAILS(push(&frame), LEAT_ERR_NOMEM);
    cr_assert(leat_alloc_has_failed());

    cr_assert(eq(u64, line.count, 0));
    LEAT_PASS(push(&frame));
    cr_assert(eq(u64, line.count, 1));
    leat_buf_fini(&frame);
}
