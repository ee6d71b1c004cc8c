/* The pool under the thread sanitizer: four threads, many small tasks, cancels and withdraws all
 * the time. Criterion cannot run under it, so this is a plain program: it ends with 0 when every
 * task that was handed over has come back exactly once, with the right result and what it told. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/random.h"
#include "worker/runner/compute.h"

#define THREADS 4U
#define TASKS   20000U
#define AT_ONCE 64U

static leat_pool *pool;
static uint32_t ended;
static uint32_t stopped;
static uint32_t wrong;
static uint32_t checkpoints; /* that were told, as seen here */

/* Answers its payload twice; looks at the cancel flag on the way. */
static leat_end
run(leat_call *call)
{
    for (int i = 0; i < 50; i++) {
        if (leat_call_is_cancelled(call))
            return leat_call_stopped(call);
    }
    leat_call_progress(call, 1, 2, "half");
    leat_call_log(call, "a line\n");
    if (leat_call_checkpoint(call, call->payload.data, call->payload.size) != LEAT_ERR_OK)
        return leat_call_end(call, LEAT_END_FAILED, "no checkpoint");
    return leat_call_say(call, LEAT_END_DONE, "%.*s%.*s", (int)call->payload.size,
                         (const char *)call->payload.data, (int)call->payload.size,
                         (const char *)call->payload.data);
}

static const leat_handler handler = {"twice", LEAT_RUNS_POOL, run, NULL, "", NULL};

static void
take_checkpoint(leat_task *task)
{
    leat_tell *const tell = &task->teller.tell;
    checkpoints += tell->has_checkpoint && tell->checkpoint.size == 1;
    tell->has_checkpoint = tell->has_progress = false;
    leat_buf_reset(&tell->log);
}

static bool
hear(void *context, leat_task *task)
{
    (void)context;
    take_checkpoint(task);
    return true;
}

static void
fetch_ended(void)
{
    leat_task *task;
    leat_pool_each_telling(pool, hear, NULL);
    while ((task = leat_pool_next_ended(pool)) != NULL) {
        const bool done = task->end == LEAT_END_DONE;
        if (done ? task->call.result.size != 2 || memcmp(task->call.result.data, "xx", 2) != 0
                 : task->call.result.size != 7)
            wrong++;
        stopped += !done;
        take_checkpoint(task);
        ended++;
        leat_pool_give_back(pool, &task);
    }
}

static void
wait_for_room(uint32_t most)
{
    for (fetch_ended(); leat_pool_count(pool) > most; fetch_ended()) {
        struct pollfd fd = {.fd = leat_pool_fd(pool), .events = POLLIN};
        (void)poll(&fd, 1, -1);
    }
}

int
main(void)
{
    static const uint8_t payload[] = "x";
    leat_random random;
    uint32_t withdrawn = 0;
    leat_random_seed(&random, 1);
    if (leat_pool_new(THREADS, &pool) != LEAT_ERR_OK)
        return EXIT_FAILURE;

    for (uint32_t i = 0; i < TASKS; i++) {
        wait_for_room(AT_ONCE - 1);
        leat_task *task = leat_pool_task(pool);
        if (task == NULL)
            return EXIT_FAILURE;
        task->handler = &handler;
        task->call.payload = (leat_bytes){.data = payload, .size = 1};
        leat_pool_submit(pool, task);

        /* The task is the pool's, and stays where it is until it is fetched below. */
        const uint64_t chance = leat_random_below(&random, 8);
        if (chance == 0)
            leat_pool_cancel(task);
        if (chance == 1 && leat_pool_withdraw(pool, task)) {
            withdrawn++;
            leat_pool_give_back(pool, &task);
        }
        if (chance == 2 && (task = leat_pool_withdraw_last(pool)) != NULL) {
            withdrawn++;
            leat_pool_give_back(pool, &task);
        }
    }
    wait_for_room(0);
    leat_pool_destroy(&pool);

    (void)printf("%u ended (%u stopped), %u withdrawn, %u wrong, %u checkpoints\n", ended, stopped,
                 withdrawn, wrong, checkpoints);
    return ended + withdrawn == TASKS && wrong == 0 && checkpoints == ended - stopped
               ? EXIT_SUCCESS
               : EXIT_FAILURE;
}
