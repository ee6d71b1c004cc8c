/* Frames in a row and a cursor. See line.h.
 *
 * A struck job has attempt 0 in the copy; the broker counts attempts from 1. */
#include "worker/line.h"

#include <stdlib.h>

#define ATTEMPT_AT 8U /* offset of the attempt in a job of JOBS */

struct leat_line_frame {
    leat_line_frame *next;
    uint64_t epoch;
    uint64_t first_number;
    uint32_t refs;
    uint16_t runs;
    uint32_t records_at; /* offset of the first run in body */
    size_t size;
    uint8_t body[];
};

leat_line_frame *
leat_line_frame_hold(leat_line_frame *frame)
{
    frame->refs++;
    return frame;
}

void
leat_line_frame_drop(leat_line_frame **frame_p)
{
    leat_line_frame *const frame = *frame_p;
    *frame_p = NULL;
    if (frame != NULL && --frame->refs == 0)
        free(frame);
}

void
leat_line_init(leat_line *line, const leat_handler *handlers, size_t handler_count)
{
    *line = (leat_line){.handlers = handlers, .handler_count = handler_count};
}

/* -------------------------------------------------------------------------------- the cursor */

static leat_line_cursor
cursor_at(leat_line_frame *frame)
{
    leat_line_cursor cursor = {.frame = frame};
    if (frame != NULL) {
        cursor.records =
            leat_reader_over(frame->body + frame->records_at, frame->size - frame->records_at);
        cursor.number = frame->first_number;
        cursor.runs = frame->runs;
    }
    return cursor;
}

/* Begin the next run that has jobs; false: the frame has no more. */
static bool
cursor_run(const leat_line *line, leat_line_cursor *cursor)
{
    while (cursor->jobs == 0) {
        if (cursor->runs == 0)
            return false;
        leat_jobs_run run;
        leat_jobs_next_run(&cursor->records, &run);
        cursor->runs--;
        cursor->jobs = run.jobs;
        cursor->run = run;
        cursor->handler = leat_handler_find(line->handlers, line->handler_count, run.handler);
    }
    return true;
}

/* Read the next job of the cursor's frame; false: the frame has no more. token.attempt is 0 for a
 * job that is struck out. at: where the job begins in the body. */
static bool
cursor_read(const leat_line *line, leat_line_cursor *cursor, leat_line_job *job, size_t *at)
{
    if (cursor->jobs == 0 && !cursor_run(line, cursor))
        return false;
    leat_jobs_job read;
    *at = (size_t)(cursor->records.at - cursor->frame->body);
    leat_jobs_next_job(&cursor->records, &cursor->run, &read);
    cursor->jobs--;
    *job = (leat_line_job){
        .token = {.id = read.id, .attempt = read.attempt, .epoch = cursor->frame->epoch},
        .number = cursor->number++,
        .handler = cursor->handler,
        .handler_name = cursor->run.handler,
        .needs = cursor->run.needs,
        .run_limit_ms = cursor->run.run_limit_ms,
        .channel = cursor->run.channel,
        .batch = cursor->run.batch,
        .place = read.place,
        .payload = read.payload,
        .checkpoint = read.checkpoint,
        .frame = cursor->frame,
    };
    return true;
}

/* ---------------------------------------------------------------------------------- the line */

/* Jobs of a frame that are none which the broker has struck out itself. */
static uint64_t
count_jobs(leat_reader records, uint16_t runs)
{
    uint64_t jobs = 0;
    for (; runs > 0; runs--) {
        leat_jobs_run run;
        leat_jobs_next_run(&records, &run);
        for (uint16_t left = run.jobs; left > 0; left--) {
            leat_jobs_job job;
            leat_jobs_next_job(&records, &run, &job);
            jobs += job.attempt != 0;
        }
    }
    return jobs;
}

leat_err
leat_line_push(leat_line *line, const uint8_t *body, size_t size, uint16_t count)
{
    leat_line_frame *const frame = malloc(sizeof *frame + size);
    if (frame == NULL)
        return LEAT_ERR_NOMEM;
    memcpy(frame->body, body, size);

    leat_jobs_head head;
    leat_reader records;
    const leat_err err = leat_jobs_open(frame->body, size, count, &head, &records);
    if (err != LEAT_ERR_OK) {
        free(frame);
        return err;
    }
    frame->next = NULL;
    frame->epoch = head.epoch;
    frame->first_number = head.first_number;
    frame->refs = 1;
    frame->runs = count;
    frame->records_at = (uint32_t)(records.at - frame->body);
    frame->size = size;

    line->count += count_jobs(records, count);

    if (line->at.frame == NULL)
        line->at = cursor_at(frame);
    else
        line->last->next = frame;
    line->last = frame;
    return LEAT_ERR_OK;
}

/* Leave the first frame, which has been read to its end. */
static void
next_frame(leat_line *line)
{
    leat_line_frame *frame = line->at.frame;
    line->at = cursor_at(frame->next);
    if (line->at.frame == NULL)
        line->last = NULL;
    leat_line_frame_drop(&frame);
}

bool
leat_line_first(leat_line *line, leat_line_job *job)
{
    while (line->at.frame != NULL) {
        size_t at;
        line->behind = line->at;
        if (!cursor_read(line, &line->behind, job, &at)) {
            next_frame(line);
            continue;
        }
        if (job->token.attempt != 0)
            return true;
        line->at = line->behind;
    }
    return false;
}

void
leat_line_advance(leat_line *line)
{
    assert(line->count > 0);
    assert(line->behind.frame == line->at.frame && line->behind.number > line->at.number);
    line->at = line->behind;
    line->count--;
}

void
leat_line_walk(leat_line *line, leat_line_visit *visit, void *context)
{
    leat_line_cursor cursor = line->at;
    while (cursor.frame != NULL) {
        leat_line_job job;
        size_t at;
        if (!cursor_read(line, &cursor, &job, &at)) {
            cursor = cursor_at(cursor.frame->next);
            continue;
        }
        if (job.token.attempt != 0 && visit(context, &job)) {
            leat_store_u32(job.frame->body + at + ATTEMPT_AT, 0);
            line->count--;
        }
    }
    if (line->count == 0)
        leat_line_drop(line);
}

void
leat_line_drop(leat_line *line)
{
    while (line->at.frame != NULL)
        next_frame(line);
    line->count = 0;
}

void
leat_line_fini(leat_line *line)
{
    leat_line_drop(line);
}
