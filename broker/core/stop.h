/* Stopping: jobs that are cancelled, over their run limit, or of no use any more. See stop.c. */
#ifndef LEAT_CORE_STOP_H
#define LEAT_CORE_STOP_H

#include "broker/core/machine.h"

/* What became of a job that was to be cancelled. */
typedef enum leat_cancelled {
    LEAT_CANCELLED_NOW,      /* it waited, and has ended */
    LEAT_CANCELLED_STOPPING, /* it runs, and was told to stop */
    LEAT_CANCELLED_LATE,     /* there is nothing left to cancel */
} leat_cancelled;
leat_cancelled leat_stop_cancel(leat_core *core, uint32_t index);
/* A waiting item is of no use any more. */
void leat_stop_expire(leat_core *core, uint32_t index);
/* Runs that have been reported as started since: their run limits begin. */
void leat_stop_on_started(leat_core *core, leat_peer *peer, uint64_t before);
/* Say STOP again for all that is to stop, to a worker that is back. */
void leat_stop_again(leat_core *core, leat_peer *peer);
void leat_stop_release(leat_core *core, const leat_effect *effect);
void leat_stop_on_timer(leat_core *core, uint64_t id, uint32_t attempt, bool limit);
void leat_stop_on_cancel(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);

#endif
