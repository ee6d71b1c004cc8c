/* Watching: what running jobs tell (PROGRESS, LOG) goes to the clients that watch their batches.
 * See watch.c. */
#ifndef LEAT_CORE_WATCH_H
#define LEAT_CORE_WATCH_H

#include "broker/core/machine.h"

/* The last progress that a leased job has told. Its item is marked LEAT_ITEM_TELLS. */
typedef struct leat_telling {
    uint64_t job;
    uint32_t index;
    uint32_t attempt;
    uint64_t done;
    uint64_t of;
    int64_t told_ms; /* monotonic */
    uint16_t text_bytes;
    char text[LEAT_PROGRESS_TEXT_MAX];
} leat_telling;
/* A client is told what the jobs of a batch tell, over this connection. */
typedef struct leat_watch {
    leat_peer *peer;
    leat_batch *batch; /* NULL: nothing more will be told of it; it waits to be told so */
    uint64_t batch_id;
    uint64_t over_at; /* position in the batch's log with which its one job is over; 0: not yet */
    uint32_t place;   /* of its one job; 0: all */
    uint32_t gap;     /* records that were dropped since the last one that it was told */
    leat_list_node of_peer;
    leat_list_node of_batch;
} leat_watch;
/* PROGRESS, LOG. */
void leat_watch_on_told(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
/* The attempt is over: so is what it has told. */
void leat_watch_forget(leat_core *core, leat_item *item);
/* The job at this place has its completion; the batch's log is durable; the batch is freed. */
void leat_watch_completed(leat_batch *batch, uint32_t place);
void leat_watch_durable(leat_core *core, leat_batch *batch);
void leat_watch_batch_gone(leat_core *core, leat_batch *batch);
/* Send what is collected for the peer, as far as there is room. */
void leat_watch_release(leat_core *core, leat_peer *peer);
/* Its connection is gone, and what it watched with it. */
void leat_watch_drop_all(leat_peer *peer);
void leat_watch_fini(leat_core *core);
/* The queries watch and unwatch. False: name is none of them. */
bool leat_watch_query(leat_core *core,
                      leat_peer *peer,
                      const cJSON *arguments,
                      const char *name,
                      cJSON **result,
                      char message[256],
                      leat_err *err);
/* What the running jobs of a batch (place 0: all) have told, as rows of the list. */
void leat_watch_add_progress(leat_core *core, const leat_batch *batch, uint64_t place, cJSON *list);

#endif
