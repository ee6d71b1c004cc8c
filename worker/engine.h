/* leat_engine: a worker: takes jobs from a broker, runs them, and sends back how they ended.
 *
 *     broker ══ link ══ line ──► slots: sleep (a heap of timers) · compute (threads) ──► outbox
 *                             └► inline, on the loop ───────────────────────────────────┘   │
 *     broker ══ beat (thread)                                    link ◄── DONE, RELEASE ────┘
 *
 * One thread, the one that calls leat_engine_run, owns everything here but the pool's and the
 * beat's threads. Jobs are started in the order of their numbers. One pass of the loop: what the
 * link has, what has ended, what is due, what can start, one frame with all ends of the pass; then
 * it waits for the first of these. */
#ifndef LEAT_WORKER_ENGINE_H
#define LEAT_WORKER_ENGINE_H

#include "proto/link/key.h"
#include "worker/handler.h"
#include "worker/runner/command.h"

typedef struct leat_engine leat_engine;

typedef struct leat_engine_options {
    const char *const *endpoints; /* of the broker, tried in this order; copied */
    size_t endpoint_count;
    const leat_key *key;  /* of its principal; copied. NULL: none */
    const char *name;     /* at most LEAT_NAME_BYTES_MAX; copied */
    const char *software; /* names the program in the broker's logs; copied. NULL: "leat VERSION" */
    const char *history;  /* folder for what it starts and reports (proto/base/recorder.h); NULL:
                             nothing is recorded */
    uint32_t slots;       /* jobs at once, 1 … LEAT_SLOTS_MAX */
    uint32_t threads; /* for handlers that compute, at least 1; never more than slots are started */
    const char *const *channels;    /* to take jobs from; copied. None: "default" */
    size_t channel_count;           /* at most LEAT_SUBSCRIPTIONS_MAX */
    const leat_hello_trait *traits; /* what it says of its host, each name once; copied */
    size_t trait_count;             /* at most LEAT_TRAITS_MAX */
    const leat_hello_have *haves;   /* what it has for jobs that need it, each name once; copied */
    size_t have_count;              /* at most LEAT_HAVES_MAX */
    const leat_handler *handlers;   /* borrowed for the worker's life */
    size_t handler_count;
    const leat_commands_options *commands; /* for handlers that run as a child; copied. NULL: as if
                                              nothing was said */
    int64_t idle_exit_ms;  /* drain when there was nothing to do for so long; 0: never */
    int64_t until_mono_ms; /* drain at that time of the one clock or the other; 0: never */
    int64_t until_wall_ms;
    uint64_t jobs_max; /* drain after so many jobs; 0: never */
    int signal_fd; /* a signalfd whose first SIGTERM or SIGINT drains and whose second one stops;
                      borrowed; -1: none */
} leat_engine_options;

/* Everything but the connection. All threads that it starts have all signals blocked. A process
 * that makes sockets or links before calls leat_beat_process_init before those.
 *
 * LEAT_ERR_CONFIG  an endpoint that ZeroMQ does not understand, or a folder for histories that
 *                  cannot be written; the log says which.
 * LEAT_ERR_NOMEM, LEAT_ERR_LIMIT (threads, descriptors), LEAT_ERR_IO. */
LEAT_NODISCARD leat_err leat_engine_new(const leat_engine_options *options, leat_engine **out);

/* Without a word to the broker, if leat_engine_run has not said good-bye. Waits for handlers that
 * run on the pool, after asking them to stop. */
void leat_engine_destroy(leat_engine **worker_p);

/* Work until drained or stopped. A broker that is not there is waited for, for ever.
 *
 * LEAT_ERR_OK           drained: every job has ended or gone back, and the broker has said so.
 * LEAT_ERR_INTERRUPTED  stopped at once; handlers may still run on the pool.
 * LEAT_ERR_TIMEOUT      drained, but the broker did not answer the last results in time.
 * LEAT_ERR_NOMEM        an end could not be reported; the broker will give the jobs to others.
 * others                the broker refuses this worker for good; leat_engine_sentence says why. */
LEAT_NODISCARD leat_err leat_engine_run(leat_engine *worker);

/* Finish what runs, give back what has not started, then return from leat_engine_run. Any thread,
 * any number of times. */
void leat_engine_drain(leat_engine *worker);

/* Return from leat_engine_run now. Any thread. */
void leat_engine_stop(leat_engine *worker);

/* Jobs that ended here so far: all, those that did not end in LEAT_END_DONE, and those whose end
 * the broker did not want any more. */
uint64_t leat_engine_ended(const leat_engine *worker);
uint64_t leat_engine_failed(const leat_engine *worker);
uint64_t leat_engine_stale(const leat_engine *worker);

/* Why leat_engine_run returned something else than OK, for people; may be "". Valid for the
 * worker's life. */
const char *leat_engine_sentence(const leat_engine *worker);

/* The last signal that signal_fd brought, or 0. */
int leat_engine_signal(const leat_engine *worker);

#endif
