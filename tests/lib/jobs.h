/* A JOBS frame put together for the tests of the worker, as a broker would send it.
 *
 *     leat_buf frame = {0};
 *     struct test_jobs jobs = must_begin_jobs(&frame, 77, 1);       epoch, number of the first
 *     must_add_run(&jobs, "echo");
 *     must_add_job(&jobs, 42, 1, "payload");
 *     must_finish_jobs(&jobs, 0);
 *
 * Channel is "default", batch 9, places count up from 1. */
#ifndef LEAT_TEST_JOBS_H
#define LEAT_TEST_JOBS_H

#include <assert.h>

#include "proto/records.h"

struct test_jobs {
    leat_buf *frame;
    uint16_t runs;
    uint16_t jobs; /* of the run that is open */
    size_t run_at;
};

static inline struct test_jobs
must_begin_jobs(leat_buf *frame, uint64_t epoch, uint64_t first_number)
{
    const leat_jobs_head head = {.epoch = epoch, .first_number = first_number};
    leat_frame_begin(frame, LEAT_CMD_JOBS);
    leat_jobs_put_head(frame, &head);
    return (struct test_jobs){.frame = frame};
}

static inline void
must_add_run_that_needs(struct test_jobs *jobs, const char *handler, const char *needs)
{
    const leat_jobs_run run = {.channel = leat_text_of("default"),
                               .handler = leat_text_of(handler),
                               .batch = 9,
                               .needs = leat_text_of(needs)};
    if (jobs->runs > 0)
        leat_jobs_set_run(jobs->frame, jobs->run_at, jobs->jobs);
    jobs->run_at = leat_jobs_put_run(jobs->frame, &run);
    jobs->runs++;
    jobs->jobs = 0;
}

static inline void
must_add_run(struct test_jobs *jobs, const char *handler)
{
    must_add_run_that_needs(jobs, handler, "");
}

static inline void
must_add_job(struct test_jobs *jobs, uint64_t id, uint32_t attempt, const char *payload)
{
    const leat_text text = leat_text_of(payload);
    const leat_bytes bytes = {.data = (const uint8_t *)text.data, .size = (uint32_t)text.size};
    leat_jobs_put_job(jobs->frame, id, attempt, ++jobs->jobs, bytes);
}

static inline void
must_finish_jobs(struct test_jobs *jobs, uint64_t sequence)
{
    leat_jobs_set_run(jobs->frame, jobs->run_at, jobs->jobs);
    leat_frame_finish(jobs->frame, 0, jobs->runs, sequence);
    assert(!jobs->frame->failed);
}

#endif
