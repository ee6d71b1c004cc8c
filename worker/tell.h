/* leat_tell: what a handler tells while it runs, on its way to the broker.
 *
 *     handler's thread ── leat_call_progress, … ──► leat_tell ── the loop ──► leat_tellings ──►
 * link └── checkpoint ──► outbox (sequenced)
 *
 * A job has one leat_tell: its last progress, the log lines that the loop has not fetched, its last
 * checkpoint. A progress and a checkpoint replace what was there, a line that finds no room is
 * dropped (the offset of the next one shows how much); so a handler never waits, and what it tells
 * never grows. leat_tellings are the two frames that the loop fills, also with the output of
 * commands; what finds no room there is dropped. Checkpoints are not: they go as ends do. */
#ifndef LEAT_WORKER_TELL_H
#define LEAT_WORKER_TELL_H

#include "proto/link/link.h"
#include "proto/told.h"

#define LEAT_TELL_LOG_BYTES   65536U /* lines of one job that the loop has not fetched */
#define LEAT_TELL_PROGRESS_MS 100    /* a job's progress leaves no more often, but for the last */
#define LEAT_TELL_FLUSH_MS    20     /* frames leave no more often, but for what an end follows */

/* Under the lock of who owns it, but for what is the loop's. */
typedef struct leat_tell {
    bool has_progress;
    bool has_checkpoint;
    uint16_t text_bytes;
    uint64_t done;
    uint64_t of;
    char text[LEAT_PROGRESS_TEXT_MAX];
    leat_buf log;        /* owned; lines that follow one another … */
    uint64_t log_at;     /* … from this offset on */
    uint64_t log_end;    /* offset behind the last line, dropped or not */
    leat_buf checkpoint; /* owned */
    int64_t sent_ms;     /* monotonic; when a progress left last. The loop's */
    bool is_heard;       /* something of it lies in the frames, or has left in them. The loop's */
} leat_tell;

/* Empty, memory goes back. */
void leat_tell_reset(leat_tell *tell);
bool leat_tell_has(const leat_tell *tell);
void leat_tell_progress(leat_tell *tell, uint64_t done, uint64_t of, leat_text text);
void leat_tell_log(leat_tell *tell, const void *data, size_t size);
/* LEAT_ERR_TOO_LARGE, LEAT_ERR_NOMEM: the one before stays. */
LEAT_NODISCARD leat_err leat_tell_checkpoint(leat_tell *tell, const void *data, size_t size);

/* The frames that are filled. One thread. */
typedef struct leat_tellings {
    leat_buf progress;
    leat_buf log;
    uint16_t progress_count;
    uint16_t log_count;
    int64_t flushed_ms; /* monotonic */
} leat_tellings;

void leat_tellings_fini(leat_tellings *tellings);
void leat_tellings_progress(
    leat_tellings *tellings, const leat_token *token, uint64_t done, uint64_t of, leat_text text);
/* Output of a stream of the attempt, which begins at offset; any size. */
void leat_tellings_log(leat_tellings *tellings,
                       const leat_token *token,
                       leat_stream stream,
                       uint64_t offset,
                       const void *data,
                       size_t size);
/* What a job has told and not sent, but for the checkpoint. last: also a progress whose time has
 * not come. False: that waits. */
bool leat_tellings_take(
    leat_tellings *tellings, const leat_token *token, leat_tell *tell, bool last, int64_t now_ms);
/* Hand the frames to the link, if their time has come or now is true; without a connection they are
 * dropped, and while the link has not got rid of what it has they wait. */
void leat_tellings_flush(leat_tellings *tellings, leat_link *link, bool now, int64_t now_ms);
/* Monotonic ms at which flush has something to do; INT64_MAX: there is nothing. */
int64_t leat_tellings_due_ms(const leat_tellings *tellings);

#endif
