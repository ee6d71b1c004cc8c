/* leat_pool: handlers that compute, on a few threads.
 *
 *     loop ── submit ──► queue ──► thread ──► ended ── next_ended ──► loop
 *                                              └─ eventfd, when `ended` was empty
 *
 * The loop owns every task except between submit and next_ended, when the pool has it. All
 * functions are for the loop's thread; the pool's threads only run handlers. More tasks than
 * threads may be handed over, so that a thread goes on without waiting for the loop; what has not
 * begun can be taken back. */
#ifndef LEAT_WORKER_RUNNER_COMPUTE_H
#define LEAT_WORKER_RUNNER_COMPUTE_H

#include "proto/base/list.h"
#include "worker/line.h"
#include "worker/slot.h"
#include "worker/tell.h"

typedef struct leat_pool leat_pool;

/* What a task tells, and the way to it. */
typedef struct leat_teller_of {
    leat_listener listener; /* what job.listener points to */
    leat_pool *pool;
    leat_list_node node; /* under the pool's lock of words: while the loop has to look at it */
    leat_tell tell;      /* the same */
} leat_teller_of;

struct leat_task {
    leat_list_node node;
    bool begun; /* under the pool's lock */
    atomic_bool cancel;
    const leat_handler *handler; /* borrowed */
    leat_call call;
    leat_call_job job;      /* what call.job points to */
    leat_buf out;           /* what call.out points to */
    leat_teller_of teller;  /* what job.listener points into */
    leat_line_frame *frame; /* owned: holds the payload */
    leat_slot *slot;        /* borrowed; NULL: nobody wants the result any more. Loop only */
    leat_given *given;      /* what call.given points to. Loop only, which takes it back */
    leat_end end;           /* set when it has ended */
    uint64_t run_us;
};

/* A pool of `threads` (at least 1) threads, started with all signals blocked.
 * LEAT_ERR_NOMEM, LEAT_ERR_LIMIT (no more threads), LEAT_ERR_IO. */
LEAT_NODISCARD leat_err leat_pool_new(uint32_t threads, leat_pool **out);

/* Cancel everything, wait until the handlers have returned, free all. */
void leat_pool_destroy(leat_pool **pool_p);

/* An empty task for the caller to fill; out of memory NULL. */
leat_task *leat_pool_task(leat_pool *pool);

/* Give a task back to the pool's stock. Drops its frame; *task_p is NULL afterwards. */
void leat_pool_give_back(leat_pool *pool, leat_task **task_p);

/* Queue a task behind the others. It stays where it is until leat_pool_next_ended or a withdraw. */
void leat_pool_submit(leat_pool *pool, leat_task *task);

/* Take the task back if its handler has not begun; true: it is the caller's again. */
bool leat_pool_withdraw(leat_pool *pool, leat_task *task);

/* The same with the task that is last in the queue; NULL: everything has begun. */
leat_task *leat_pool_withdraw_last(leat_pool *pool);

/* Ask a task's handler to end soon. */
void leat_pool_cancel(leat_task *task);

/* The next task whose handler has returned (it is the caller's again), or NULL. */
leat_task *leat_pool_next_ended(leat_pool *pool);

/* Call visit for each task that has told something since; it takes what it can send, and returns
 * false to be called with this task again even if that tells no more. A task that has ended is not
 * among them. */
typedef bool leat_pool_visit(void *context, leat_task *task);
void leat_pool_each_telling(leat_pool *pool, leat_pool_visit *visit, void *context);

/* Readable when leat_pool_next_ended or _each_telling may have something; the same for the pool's
 * life. */
int leat_pool_fd(const leat_pool *pool);

/* Tasks that the pool has: queued, running, or ended and not fetched yet. */
uint32_t leat_pool_count(const leat_pool *pool);
uint32_t leat_pool_threads(const leat_pool *pool);

#endif
