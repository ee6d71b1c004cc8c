/* leat_line: jobs that have come and are not started yet, in the order of their numbers.
 *
 *      push ──► [ frame │ frame │ frame ] ──► first, advance
 *                 ^ a copy of JOBS' body; its jobs are read where they lie
 *
 * A waiting job has no record of its own: the line keeps the received frames and a cursor into the
 * first of them, so ten thousand waiting jobs cost their bytes on the wire and one allocation a
 * frame. A job that leaves the line out of turn (stopped, given back) is struck out in the copy.
 * Frames are counted: who needs a payload after advance (the pool) holds its frame. One thread. */
#ifndef LEAT_WORKER_LINE_H
#define LEAT_WORKER_LINE_H

#include "worker/handler.h"

typedef struct leat_line_frame leat_line_frame;

/* A place in the line. */
typedef struct leat_line_cursor {
    leat_line_frame *frame;      /* NULL: at the end */
    leat_reader records;         /* behind the last job that was read */
    const leat_handler *handler; /* of the present run; NULL: this worker does not have it */
    leat_jobs_run run;           /* the present one */
    uint64_t number;             /* of the next job */
    uint16_t runs;               /* of the frame, not begun */
    uint16_t jobs;               /* of the run, not read */
} leat_line_cursor;

typedef struct leat_line_job {
    leat_token token;
    uint64_t number;
    const leat_handler *handler; /* NULL: the worker has no handler of that name */
    leat_text handler_name;
    leat_text needs;       /* lies in frame, as the payload does; empty: nothing */
    uint64_t run_limit_ms; /* 0: none */
    leat_bytes payload;    /* lies in frame */
    leat_bytes checkpoint; /* of an earlier attempt; lies in frame; empty: none */
    leat_text channel;
    uint64_t batch;
    uint32_t place; /* in its batch, from 1 */
    leat_line_frame *frame;
} leat_line_job;

typedef struct leat_line {
    const leat_handler *handlers; /* borrowed */
    size_t handler_count;
    leat_line_frame *last;
    leat_line_cursor at;     /* before the first job */
    leat_line_cursor behind; /* behind the job that leat_line_first has shown */
    uint64_t count;          /* jobs in the line that are not struck out */
} leat_line;

/* handlers: the rows that runs are matched with, borrowed for the line's life. */
void leat_line_init(leat_line *line, const leat_handler *handlers, size_t handler_count);
void leat_line_fini(leat_line *line);

/* Append the jobs of a JOBS frame. body is copied.
 *
 * LEAT_ERR_NOMEM, and what leat_jobs_open finds wrong: the line is unchanged. */
LEAT_NODISCARD leat_err leat_line_push(leat_line *line,
                                       const uint8_t *body,
                                       size_t size,
                                       uint16_t count);

/* The first job, which stays in the line; false: it is empty. */
bool leat_line_first(leat_line *line, leat_line_job *job);

/* Take the job that leat_line_first has shown out of the line; its payload is then only good for
 * who holds the frame. */
void leat_line_advance(leat_line *line);

/* Look at every job, first to last. visit returns true to strike the job out. */
typedef bool leat_line_visit(void *context, const leat_line_job *job);
void leat_line_walk(leat_line *line, leat_line_visit *visit, void *context);

/* Forget everything in the line. */
void leat_line_drop(leat_line *line);

leat_line_frame *leat_line_frame_hold(leat_line_frame *frame);
void leat_line_frame_drop(leat_line_frame **frame_p);

#endif
