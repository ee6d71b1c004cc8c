/* leat_outbox: what must reach the broker and be answered: ends of attempts (DONE), jobs given back
 * (RELEASE, SNOOZE) and checkpoints, gathered into frames.
 *
 * One frame of each kind is open; all that a pass of the loop has to say goes into it. It is closed
 * when it is full, or at the end of the pass if the link has room for one more sequenced frame;
 * without room it stays open and grows, so a slow broker gets fewer and larger frames. What the
 * link has taken is the link's to repeat; what is still here has to be claimed after a reconnect.
 * Out of memory is remembered (`failed`): then an end may be missing, and the worker must stop and
 * let the broker give its jobs to others. */
#ifndef LEAT_WORKER_OUTBOX_H
#define LEAT_WORKER_OUTBOX_H

#include "proto/base/recorder.h"
#include "proto/link/link.h"
#include "proto/records.h"

typedef struct leat_outbox {
    leat_buf done; /* open frame; empty: none is open */
    leat_buf release;
    leat_buf snooze;
    leat_buf checkpoint;
    uint16_t done_count; /* records in it */
    uint16_t release_count;
    uint16_t snooze_count;
    uint16_t checkpoint_count;
    uint64_t started; /* the highest number of JOBS that has been started, for DONE's head */
    leat_buf *closed; /* owned: frames in the order in which they leave, from `first` on */
    size_t first;
    size_t count; /* of closed, counted from `first` */
    size_t capacity;
    bool failed;
    leat_recorder *recorder; /* borrowed; NULL: nothing is recorded */
    uint64_t noted;          /* frames of DONE that were written down */
} leat_outbox;

void leat_outbox_init(leat_outbox *outbox);
void leat_outbox_fini(leat_outbox *outbox);

/* Forget all frames, as after init; started and the recorder stay. */
void leat_outbox_drop(leat_outbox *outbox);

/* Add the end of an attempt; the result is copied. */
void leat_outbox_done(leat_outbox *outbox, const leat_done *done);

/* Add a checkpoint of a running job; data is copied. It leaves before an end or release that is
 * added later. Does the link take what is added now, more or less at once? */
void leat_outbox_checkpoint(leat_outbox *outbox, const leat_token *token, leat_bytes data);
bool leat_outbox_is_flowing(const leat_outbox *outbox);

/* Add a job that goes back: it has not started, or was stopped before its end. */
void leat_outbox_release(leat_outbox *outbox, const leat_token *token);

/* Add a job that asks for another attempt, after delay_ms. */
void leat_outbox_snooze(leat_outbox *outbox, const leat_token *token, uint64_t delay_ms);

/* Hand as many frames to the link as it has room for. */
void leat_outbox_flush(leat_outbox *outbox, leat_link *link);

bool leat_outbox_is_empty(const leat_outbox *outbox);

/* Call visit for the token of each end and snooze that the link has not taken yet. */
typedef void leat_outbox_visit(void *context, const leat_token *token);
void leat_outbox_each_done(const leat_outbox *outbox, leat_outbox_visit *visit, void *context);

#endif
