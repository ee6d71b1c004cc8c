/* Threads, a queue, a list of what has ended. See compute.h. */
#include "worker/runner/compute.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "proto/base/clock.h"

/* A result's memory is kept for the next task up to this size. */
#define KEEP_BYTES 4096U

struct leat_pool {
    pthread_mutex_t lock;
    pthread_mutex_t words; /* of `telling` and what its tasks tell; never with the other one */
    leat_list telling;     /* leat_teller_of.node: for the loop to look at */
    pthread_cond_t wake;
    leat_list queue;   /* under lock: not begun */
    leat_list running; /* under lock */
    leat_list ended;   /* under lock: for the loop to fetch */
    bool stopping;     /* under lock */
    int ended_fd;      /* eventfd: `ended` was empty and is not any more, or a task tells */

    /* the loop's own */
    leat_list fetched; /* taken from `ended` in one go */
    leat_list stock;   /* free tasks */
    uint32_t count;
    uint32_t thread_count; /* started */
    pthread_t threads[];
};

/* ------------------------------------------------------------------------------- the threads */

static void
run(leat_task *task)
{
    const int64_t begin_us = leat_clock_mono_us();
    task->end = task->handler->run(&task->call);
    task->run_us = (uint64_t)(leat_clock_mono_us() - begin_us);
}

static void
tell_loop(const leat_pool *pool)
{
    const uint64_t one = 1;
    /* It cannot fail: the counter is read long before it is full. */
    while (write(pool->ended_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

static void *
thread_main(void *argument)
{
    leat_pool *const pool = argument;
    prctl(PR_SET_NAME, "leat-pool");

    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->stopping && leat_list_is_empty(&pool->queue))
            pthread_cond_wait(&pool->wake, &pool->lock);
        if (pool->stopping)
            break;
        leat_list_node *const node = leat_list_take_first(&pool->queue);
        assert(node != NULL);
        leat_task *const task = LEAT_CONTAINER_OF(node, leat_task, node);
        task->begun = true;
        leat_list_append(&pool->running, node);
        pthread_mutex_unlock(&pool->lock);

        run(task);

        pthread_mutex_lock(&pool->lock);
        const bool was_empty = leat_list_is_empty(&pool->ended);
        leat_list_remove(node);
        leat_list_append(&pool->ended, node);
        if (was_empty) {
            pthread_mutex_unlock(&pool->lock);
            tell_loop(pool);
            pthread_mutex_lock(&pool->lock);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* --------------------------------------------------------------------------- what they tell */

/* The loop has to look at it; unlocks. */
static void
end_telling(leat_teller_of *teller)
{
    leat_pool *const pool = teller->pool;
    const bool is_new = leat_tell_has(&teller->tell) && !leat_list_is_linked(&teller->node);
    if (is_new)
        leat_list_append(&pool->telling, &teller->node);
    pthread_mutex_unlock(&pool->words);
    if (is_new)
        tell_loop(pool);
}

static leat_teller_of *
begin_telling(leat_listener *listener)
{
    leat_teller_of *const of = LEAT_CONTAINER_OF(listener, leat_teller_of, listener);
    pthread_mutex_lock(&of->pool->words);
    return of;
}

static void
tell_progress(leat_listener *listener, uint64_t done, uint64_t of, leat_text text)
{
    leat_teller_of *const self = begin_telling(listener);
    leat_tell_progress(&self->tell, done, of, text);
    end_telling(self);
}

static void
tell_log(leat_listener *listener, const char *text, size_t size)
{
    leat_teller_of *const self = begin_telling(listener);
    leat_tell_log(&self->tell, text, size);
    end_telling(self);
}

static leat_err
tell_checkpoint(leat_listener *listener, const void *data, size_t size)
{
    leat_teller_of *const self = begin_telling(listener);
    const leat_err err = leat_tell_checkpoint(&self->tell, data, size);
    end_telling(self);
    return err;
}

/* ------------------------------------------------------------------------------------- life */

static leat_err
start_threads(leat_pool *pool, uint32_t threads)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    while (failed == 0 && pool->thread_count < threads) {
        failed = pthread_create(&pool->threads[pool->thread_count], NULL, thread_main, pool);
        if (failed == 0)
            pool->thread_count++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0 ? LEAT_ERR_OK : LEAT_ERR_LIMIT;
}

leat_err
leat_pool_new(uint32_t threads, leat_pool **out)
{
    assert(threads > 0);
    leat_pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->threads[0]);
    if (pool == NULL)
        return LEAT_ERR_NOMEM;
    leat_list_init(&pool->queue);
    leat_list_init(&pool->running);
    leat_list_init(&pool->ended);
    leat_list_init(&pool->fetched);
    leat_list_init(&pool->stock);
    leat_list_init(&pool->telling);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_mutex_init(&pool->words, NULL);
    pthread_cond_init(&pool->wake, NULL);

    leat_err err;
    pool->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    err = pool->ended_fd < 0 ? leat_err_from_errno(errno) : start_threads(pool, threads);
    if (err != LEAT_ERR_OK) {
        leat_pool_destroy(&pool);
        return err;
    }
    *out = pool;
    return LEAT_ERR_OK;
}

static void
free_tasks(leat_list *tasks)
{
    LEAT_LIST_FOREACH_SAFE (node, after, tasks) {
        leat_task *const task = LEAT_CONTAINER_OF(node, leat_task, node);
        leat_line_frame_drop(&task->frame);
        leat_buf_fini(&task->out);
        leat_tell_reset(&task->teller.tell);
        free(task);
    }
    leat_list_init(tasks);
}

void
leat_pool_destroy(leat_pool **pool_p)
{
    leat_pool *const pool = *pool_p;
    *pool_p = NULL;
    if (pool == NULL)
        return;

    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    LEAT_LIST_FOREACH (node, &pool->running)
        leat_pool_cancel(LEAT_CONTAINER_OF(node, leat_task, node));
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);

    free_tasks(&pool->queue);
    free_tasks(&pool->ended);
    free_tasks(&pool->fetched);
    free_tasks(&pool->stock);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->words);
    if (pool->ended_fd >= 0)
        close(pool->ended_fd);
    free(pool);
}

/* ------------------------------------------------------------------------- the loop's side */

leat_task *
leat_pool_task(leat_pool *pool)
{
    leat_list_node *const node = leat_list_take_first(&pool->stock);
    if (node != NULL)
        return LEAT_CONTAINER_OF(node, leat_task, node);
    return calloc(1, sizeof(leat_task));
}

void
leat_pool_give_back(leat_pool *pool, leat_task **task_p)
{
    leat_task *const task = *task_p;
    *task_p = NULL;
    leat_line_frame_drop(&task->frame);
    leat_tell_reset(&task->teller.tell);
    if (task->out.capacity > KEEP_BYTES)
        leat_buf_fini(&task->out);
    const leat_buf out = task->out;
    *task = (leat_task){.out = out};
    leat_list_append(&pool->stock, &task->node);
}

void
leat_pool_submit(leat_pool *pool, leat_task *task)
{
    leat_buf_reset(&task->out);
    task->begun = false;
    atomic_store_explicit(&task->cancel, false, memory_order_relaxed);
    task->call.out = &task->out;
    task->call.cancel = &task->cancel;

    task->teller.listener = (leat_listener){tell_progress, tell_log, tell_checkpoint};
    task->teller.pool = pool;
    task->job.listener = &task->teller.listener;
    task->call.job = &task->job;
    pthread_mutex_lock(&pool->lock);
    leat_list_append(&pool->queue, &task->node);
    pthread_cond_signal(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    pool->count++;
}

bool
leat_pool_withdraw(leat_pool *pool, leat_task *task)
{
    pthread_mutex_lock(&pool->lock);
    const bool withdrawn = !task->begun;
    if (withdrawn)
        leat_list_remove(&task->node);
    pthread_mutex_unlock(&pool->lock);
    pool->count -= withdrawn;
    return withdrawn;
}

leat_task *
leat_pool_withdraw_last(leat_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    leat_list_node *const node = leat_list_last(&pool->queue);
    if (node != NULL)
        leat_list_remove(node);
    pthread_mutex_unlock(&pool->lock);
    if (node == NULL)
        return NULL;
    pool->count--;
    return LEAT_CONTAINER_OF(node, leat_task, node);
}

void
leat_pool_cancel(leat_task *task)
{
    atomic_store_explicit(&task->cancel, true, memory_order_relaxed);
}

void
leat_pool_each_telling(leat_pool *pool, leat_pool_visit *visit, void *context)
{
    pthread_mutex_lock(&pool->words);
    LEAT_LIST_FOREACH_SAFE (node, after, &pool->telling) {
        leat_teller_of *const teller = LEAT_CONTAINER_OF(node, leat_teller_of, node);
        if (visit(context, LEAT_CONTAINER_OF(teller, leat_task, teller)))
            leat_list_remove(node);
    }
    pthread_mutex_unlock(&pool->words);
}

/* A task that has ended tells no more: what it has told is its owner's. */
static void
stop_telling(leat_pool *pool, leat_task *task)
{
    pthread_mutex_lock(&pool->words);
    if (leat_list_is_linked(&task->teller.node))
        leat_list_remove(&task->teller.node);
    pthread_mutex_unlock(&pool->words);
}

leat_task *
leat_pool_next_ended(leat_pool *pool)
{
    if (leat_list_is_empty(&pool->fetched)) {
        /* Read the eventfd before the list: what ends in between is told again. Also with nothing
         * in the pool: a thread tells after it has let go of the list. */
        uint64_t told;
        while (read(pool->ended_fd, &told, sizeof told) < 0 && errno == EINTR) {
        }
        pthread_mutex_lock(&pool->lock);
        leat_list_append_all(&pool->fetched, &pool->ended);
        pthread_mutex_unlock(&pool->lock);
    }
    leat_list_node *const node = leat_list_take_first(&pool->fetched);
    if (node == NULL)
        return NULL;
    pool->count--;
    stop_telling(pool, LEAT_CONTAINER_OF(node, leat_task, node));
    return LEAT_CONTAINER_OF(node, leat_task, node);
}

int
leat_pool_fd(const leat_pool *pool)
{
    return pool->ended_fd;
}

uint32_t
leat_pool_count(const leat_pool *pool)
{
    return pool->count;
}

uint32_t
leat_pool_threads(const leat_pool *pool)
{
    return pool->thread_count;
}
