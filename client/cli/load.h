/* leat_load: one client of `leat bench`, in a thread of its own: a connection, a batch that it
 * sends, and the completions of it, each timed.
 *
 *     leat_load_start(&loads[i], &plan)      connects, fills the channel to its depth, and waits
 *     leat_load_state(&loads[i])             … until it says READY
 *     leat_load_go(&loads[i])                now it counts
 *     leat_load_state(&loads[i])             … until it says ENDED: status, sentence, figures
 *     leat_load_join(&loads[i])
 *
 * Every figure is of jobs whose completion this client was handed: a job that is lost, or ends
 * other than done, makes the measurement fail instead of faster. */
#ifndef LEAT_CLI_LOAD_H
#define LEAT_CLI_LOAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <leat.h>

#include "client/cli/histogram.h"
#include "proto/base/err.h"

typedef struct leat_load_plan {
    leat_connect_options connection;
    const char *channel;
    const char *handler;
    const void *payload; /* borrowed, of every job */
    size_t payload_bytes;
    uint64_t jobs;  /* that are measured */
    uint64_t depth; /* jobs that wait in the channel before and all the time */
    uint64_t window;
    uint32_t frame_records; /* 0: as many as fit */
    uint64_t rate;          /* jobs a second; 0: as fast as it goes */
    int64_t patience_ms;    /* without any completion for so long it has failed */
    bool one_by_one;        /* each job is sent when the one before has come back */
} leat_load_plan;

typedef enum leat_load_state {
    LEAT_LOAD_STARTING = 0,
    LEAT_LOAD_READY,
    LEAT_LOAD_GOING,
    LEAT_LOAD_ENDED,
} leat_load_state;

typedef struct leat_load {
    const leat_load_plan *plan; /* borrowed */
    pthread_t thread;
    atomic_int state;
    pthread_mutex_t lock; /* of `broker` against an interrupt while it is being freed */
    leat *broker;
    leat_batch *batch;
    leat_wait *wait;
    uint32_t *added_us; /* owned; by job, when it was added */
    uint64_t added;     /* jobs of all kinds … */
    uint64_t ended;     /* … and completions */
    int64_t began_ns;
    /* read when it has ended: */
    leat_status status;
    char sentence[512];
    uint64_t not_done;
    int64_t ended_ns;
    int64_t last_start_ms; /* wall time at which the last job began to run */
    int64_t ended_wall_ms;
    leat_histogram times;
} leat_load;

/* LEAT_ERR_NOMEM, LEAT_ERR_IO: no thread. */
LEAT_NODISCARD leat_err leat_load_start(leat_load *self, const leat_load_plan *plan);
leat_load_state leat_load_state_of(leat_load *self);
void leat_load_go(leat_load *self);
/* Get it out of whatever it waits for; it ends with LEAT_REFUSED. Call again until it has. */
void leat_load_interrupt(leat_load *self);
/* Of one that was started; frees all but the figures. */
void leat_load_join(leat_load *self);

#endif
