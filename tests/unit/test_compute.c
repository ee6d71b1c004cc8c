/* compute: the pool of threads. Its threads are held at gates, so nothing here depends on time. */
#include "tests/lib/test.h"

#include <poll.h>
#include <semaphore.h>

#include "worker/runner/compute.h"

static leat_pool *pool;
static sem_t begun; /* a handler has begun */
static sem_t gate;  /* lets one handler go on */

static void
setup(void)
{
    (void)sem_init(&begun, 0, 0);
    (void)sem_init(&gate, 0, 0);
    LEAT_PASS(leat_pool_new(1, &pool));
}

static void
teardown(void)
{
    leat_pool_destroy(&pool);
    (void)sem_destroy(&begun);
    (void)sem_destroy(&gate);
}

TestSuite(compute, .init = setup, .fini = teardown);

/* Waits at the gate; then fails if it was cancelled, and answers its payload if not. */
static leat_end
run_gated(leat_call *call)
{
    sem_post(&begun);
    while (sem_wait(&gate) != 0)
        continue;
    if (leat_call_is_cancelled(call))
        return leat_call_stopped(call);
    return leat_call_say(call, LEAT_END_DONE, "%.*s!", (int)call->payload.size,
                         (const char *)call->payload.data);
}

static leat_end
run_until_cancelled(leat_call *call)
{
    sem_post(&begun);
    while (!leat_call_is_cancelled(call))
        continue;
    return leat_call_stopped(call);
}

static const leat_handler gated = {"gated", LEAT_RUNS_POOL, run_gated, NULL, "", NULL, NULL};
static const leat_handler endless = {"endless", LEAT_RUNS_POOL, run_until_cancelled, NULL, "", NULL,
                                     NULL};

static leat_task *
must_submit(const leat_handler *handler, const char *payload)
{
    leat_task *const task = leat_pool_task(pool);
    cr_assert(task != NULL);
    task->handler = handler;
    task->call.payload =
        (leat_bytes){.data = (const uint8_t *)payload, .size = (uint32_t)strlen(payload)};
    leat_pool_submit(pool, task);
    return task;
}

/* The next task that ends; waits for it. */
static leat_task *
must_end(void)
{
    leat_task *task;
    while ((task = leat_pool_next_ended(pool)) == NULL) {
        struct pollfd fd = {.fd = leat_pool_fd(pool), .events = POLLIN};
        (void)poll(&fd, 1, -1);
    }
    return task;
}

static bool
answers(const leat_task *task, const char *text)
{
    return task->call.result.size == strlen(text) &&
           memcmp(task->call.result.data, text, strlen(text)) == 0;
}

Test(compute, tasks_end_in_the_order_in_which_they_came_with_their_results)
{
    static const char *const payloads[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        (void)must_submit(&gated, payloads[i]);
        sem_post(&gate);
    }
    cr_assert(eq(u32, leat_pool_count(pool), 3));

    for (int i = 0; i < 3; i++) {
        leat_task *task = must_end();
        cr_assert(eq(int, (int)task->end, LEAT_END_DONE));
        cr_assert(eq(u32, task->call.result.size, 2));
        cr_assert(eq(int, task->call.result.data[0], (uint8_t)payloads[i][0]));
        leat_pool_give_back(pool, &task);
    }
    cr_assert(eq(u32, leat_pool_count(pool), 0));
}

Test(compute, a_task_that_has_not_begun_can_be_taken_back)
{
    leat_task *const running = must_submit(&gated, "a");
    leat_task *waiting = must_submit(&gated, "b");
    while (sem_wait(&begun) != 0)
        continue;

    cr_assert(not(leat_pool_withdraw(pool, running)));
    cr_assert(leat_pool_withdraw(pool, waiting));

    cr_assert(eq(u32, leat_pool_count(pool), 1));
    leat_pool_give_back(pool, &waiting);
    sem_post(&gate);
    leat_task *task = must_end();
    cr_assert(task == running);
    leat_pool_give_back(pool, &task);
}

Test(compute, the_last_of_the_queue_is_withdrawn_first_and_what_runs_never)
{
    (void)must_submit(&gated, "a");
    while (sem_wait(&begun) != 0)
        continue;
    leat_task *const second = must_submit(&gated, "b");
    leat_task *const third = must_submit(&gated, "c");

    leat_task *first_back = leat_pool_withdraw_last(pool);
    leat_task *second_back = leat_pool_withdraw_last(pool);

    cr_assert(first_back == third);
    cr_assert(second_back == second);
    cr_assert(leat_pool_withdraw_last(pool) == NULL);
    leat_pool_give_back(pool, &first_back);
    leat_pool_give_back(pool, &second_back);
    sem_post(&gate);
    leat_task *task = must_end();
    leat_pool_give_back(pool, &task);
}

Test(compute, a_cancelled_handler_sees_it)
{
    leat_task *task = must_submit(&endless, "");
    while (sem_wait(&begun) != 0)
        continue;

    leat_pool_cancel(task);

    task = must_end();
    cr_assert(eq(int, (int)task->end, LEAT_END_FAILED));
    cr_assert(answers(task, "stopped"));
    leat_pool_give_back(pool, &task);
}

Test(compute, a_task_that_is_used_again_knows_nothing_of_its_last_life)
{
    leat_task *task = must_submit(&endless, "");
    leat_pool_cancel(task);
    task = must_end();
    leat_task *const place = task;
    leat_pool_give_back(pool, &task);

    task = must_submit(&gated, "again");
    sem_post(&gate);
    cr_assert(task == place);
    task = must_end();

    cr_assert(eq(int, (int)task->end, LEAT_END_DONE));
    cr_assert(answers(task, "again!"));
    cr_assert(task->slot == NULL);
    leat_pool_give_back(pool, &task);
}

Test(compute, destroying_the_pool_cancels_what_runs_and_forgets_what_waits)
{
    (void)must_submit(&endless, "");
    while (sem_wait(&begun) != 0)
        continue;
    (void)must_submit(&endless, "");

    leat_pool_destroy(&pool);

    cr_assert(pool == NULL);
    cr_assert(ne(int, sem_trywait(&begun), 0));
}
