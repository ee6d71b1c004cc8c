/* leat_kept: ends of attempts for whose results the broker had no room (NO_SPACE).
 *
 * The worker keeps them and takes nothing new meanwhile. After a second it says the first one
 * again; when that is taken, the others follow. Jobs that wait here are the worker's still: they
 * are claimed after a reconnect, and go back when the broker asks to stop them. What is kept is at
 * most one result for each job that ran when the first was refused. */
#ifndef LEAT_WORKER_KEPT_H
#define LEAT_WORKER_KEPT_H

#include "proto/base/list.h"
#include "worker/outbox.h"

typedef struct leat_kept {
    leat_list ends; /* owned */
    size_t count;
    size_t bytes;     /* of results */
    bool asked;       /* one has been said again and is not answered */
    int64_t again_ms; /* monotonic: not before; INT64_MAX: nothing is to be said */
} leat_kept;

#define LEAT_KEPT_AGAIN_MS 1000

void leat_kept_init(leat_kept *kept);
void leat_kept_fini(leat_kept *kept);

/* Take these records out of a frame of DONE (whole, as it was sent). LEAT_ERR_NOMEM. */
LEAT_NODISCARD leat_err leat_kept_add(leat_kept *kept,
                                      const uint8_t *frame,
                                      size_t size,
                                      const leat_token *tokens,
                                      size_t count,
                                      int64_t now_ms);

/* A frame was answered without such a refusal: there may be room for the next one now. */
void leat_kept_taken(leat_kept *kept, int64_t now_ms);

/* Put the next one into the outbox, if it is time. */
void leat_kept_say(leat_kept *kept, leat_outbox *outbox, int64_t now_ms);

/* Forget this one; false: it is not here. */
bool leat_kept_drop(leat_kept *kept, const leat_token *token);

void leat_kept_each(const leat_kept *kept, leat_outbox_visit *visit, void *context);

#endif
