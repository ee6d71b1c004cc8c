/* What the files of the engine share: engine.c (life, loop, drain), session.c (what the
 * broker says) and run.c (starting and ending jobs). Nobody else includes it. */
#ifndef LEAT_WORKER_PARTS_H
#define LEAT_WORKER_PARTS_H

#include "proto/link/link.h"
#include "worker/amount.h"
#include "worker/beat.h"
#include "worker/engine.h"
#include "worker/kept.h"
#include "worker/line.h"
#include "worker/outbox.h"
#include "worker/runner/command.h"
#include "worker/runner/compute.h"
#include "worker/runner/sleep.h"
#include "worker/slot.h"

/* Jobs that may lie in the line beyond the slots: the broker decides how many it makes of them. */
#define LEAT_WORKER_LINE_JOBS 8192U
/* Payload bytes that may be here at once. */
#define LEAT_WORKER_BYTES (64U * 1024U * 1024U)
/* How long handlers may run on the loop between two looks at the link and the timers. */
#define LEAT_WORKER_SLICE_US 1000
/* Tasks that the pool may have beyond its threads, so that a thread need not wait for the loop. */
#define LEAT_WORKER_AHEAD 32U
/* How long the end of a job may wait for others while there is more to do, and how long it has run
 * then at least: a frame, a turn of the broker and a commit for each end of a command would cost a
 * fifth of what it takes to start a program. */
#define LEAT_WORKER_HOLD_MS     2
#define LEAT_WORKER_HOLD_MIN_US 500
/* How long a drained worker waits for the broker's answer to its last results. */
#define LEAT_WORKER_ANSWER_MS 10000
/* How often a worker without a broker says so. */
#define LEAT_WORKER_WAITING_MS 30000

typedef enum leat_engine_phase {
    LEAT_WORKER_WORKING = 1,
    LEAT_WORKER_DRAINING, /* no credit, nothing new is started */
    LEAT_WORKER_STOPPED,  /* leat_engine_run returns `result` */
} leat_engine_phase;

struct leat_engine {
    leat_engine_phase phase;
    leat_err result; /* STOPPED: what leat_engine_run returns */
    leat_link *link;
    leat_beat *beat;
    leat_line line;
    leat_slots slots;
    leat_sleep sleep;
    leat_amounts amounts;
    leat_pool *pool;
    leat_commands *commands; /* NULL: no handler runs as a child */
    char name[LEAT_NAME_BYTES_MAX + 1];
    leat_outbox outbox;
    uint16_t held;           /* ends in its open frame that may wait */
    int64_t held_ms;         /* monotonic; since when the first of them waits */
    leat_kept kept;          /* results that the broker has no room for */
    leat_recorder *recorder; /* owned; NULL: nothing is recorded */
    bool said_trouble;       /* that it has stopped */
    leat_tellings tellings;  /* progress and output on their way */
    bool tells;              /* something in them has to leave before an end that is in outbox */
    leat_list telling;       /* runs of `commands` whose progress or checkpoint waits */
    int64_t telling_ms;      /* monotonic; a progress waits for this. INT64_MAX: none does */
    leat_buf scratch;        /* results of handlers that run on the loop */
    uint32_t slot_max;
    uint32_t said_window; /* items of the last CREDIT */
    uint64_t started;     /* the highest number of JOBS that was started */
    bool up;      /* between the link's UP and DOWN, as told: what ends in between stays in the
                     outbox, since only UP says whether its session goes on */
    bool backlog; /* there is work that needs no waiting */

    int epoll_fd;
    int wake_fd;   /* eventfd: somebody asks (asked_drain, asked_stop) */
    int signal_fd; /* borrowed, or -1 */
    int signal;    /* the last one */
    atomic_bool asked_drain;
    atomic_bool asked_stop;

    int64_t idle_exit_ms; /* as in leat_engine_options */
    int64_t until_mono_ms;
    int64_t until_wall_ms;
    uint64_t jobs_max;
    uint64_t begun;  /* jobs that were started */
    int64_t idle_ms; /* since when there is nothing to do; 0: there is something */

    int64_t said_down_ms;  /* when the log last said that there is no broker */
    int64_t answer_due_ms; /* draining, everything has ended: wait until then; 0: not yet */
    uint64_t ended;        /* jobs */
    uint64_t failed;       /* of ended: not DONE */
    uint64_t stale;        /* ends that the broker did not want any more */
    char sentence[LEAT_SENTENCE_BYTES_MAX];
};

/* ---- session.c ---- */

/* Act on what the link has handed out. */
void leat_engine_on_event(leat_engine *worker, const leat_link_event *event);

/* Tell the broker how much may be outstanding: nothing while draining. */
void leat_engine_say_credit(leat_engine *worker);

/* The items of that. */
uint32_t leat_engine_window(const leat_engine *worker);

/* It has started as many jobs as it was to. */
bool leat_engine_has_enough(const leat_engine *worker);

/* Results wait for room at the broker: nothing new is taken. */
bool leat_engine_is_blocked(const leat_engine *worker);

/* Give back everything in the line; and in the pool's queue, too. */
void leat_engine_release_line(leat_engine *worker);
void leat_engine_release_all(leat_engine *worker);

/* ---- run.c ---- */

/* Start jobs from the line, in order, until no slot is free or the slice is over (then backlog is
 * set). */
void leat_engine_start_jobs(leat_engine *worker);

/* Report the ends of what has slept its time, and of what the pool has finished. */
void leat_engine_end_sleepers(leat_engine *worker, int64_t now_us);
void leat_engine_end_tasks(leat_engine *worker);
/* The same of what the keepers have finished. */
void leat_engine_end_commands(leat_engine *worker);

/* A leat_commands_hear; context is the engine. */
void leat_engine_hear_run(void *context, leat_run *run, const leat_message_told *told);

/* Take what running handlers have told since, as far as its time has come. */
void leat_engine_hear_tasks(leat_engine *worker, int64_t now_ms);

/* Give back the task that is last in the pool's queue; false: all have begun. */
bool leat_engine_release_last_task(leat_engine *worker);

/* Slots at work. */
uint32_t leat_engine_running(const leat_engine *worker);

/* Jobs that were started and have not ended, those in the pool's queue among them. */
uint32_t leat_engine_unended(const leat_engine *worker);

/* End a job that has a slot because the broker asks for it. What sleeps or has not begun is ended
 * here and now; a handler that runs is only asked, and keeps its slot until it has returned. Nobody
 * waits for it here: it is the broker that loses patience with one that does not listen, and has
 * the job's end by itself then. A command is asked, and killed after the grace of `why` (NULL: at
 * once, nobody wants it any more). */
typedef enum leat_engine_stopping {
    LEAT_WORKER_STOP_ANSWER = 1, /* it goes back, or its end is reported if that was quicker */
    LEAT_WORKER_STOP_SILENTLY    /* the job is somebody else's */
} leat_engine_stopping;
void leat_engine_stop_slot(leat_engine *worker,
                           leat_slot *slot,
                           leat_engine_stopping how,
                           const leat_token_record *why);

/* The session is gone: whatever the worker holds belongs to nobody. */
void leat_engine_drop_jobs(leat_engine *worker);

#endif
