/* A client that loads a broker. */
#include "client/cli/load.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/base/clock.h"

#define ADD_RUN   512U /* jobs added between two looks at the completions */
#define CLOCK_RUN 64U  /* completions between two looks at the clock, while none is waited for */

static int64_t
now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- both ways ---- */

static leat_status
add(leat_load *self, uint64_t n)
{
    const leat_load_plan *const plan = self->plan;
    const uint32_t now_us = (uint32_t)((now_ns() - self->began_ns) / 1000);
    leat_status status = LEAT_OK;
    for (uint64_t i = 0; i < n && status == LEAT_OK; i++) {
        status = leat_batch_add(self->batch, plan->handler, plan->payload, plan->payload_bytes);
        if (status == LEAT_OK)
            self->added_us[self->added++] = now_us;
    }
    return status;
}

/* Jobs that lay in the channel before the start have no time of their own. */
static void
take(leat_load *self, const leat_completed *done, int64_t now)
{
    const int64_t start_ms = done->ended_ms - done->run_us / 1000;
    self->ended++;
    self->not_done += done->outcome != LEAT_DONE;
    if (start_ms > self->last_start_ms)
        self->last_start_ms = start_ms;
    if (done->place > self->plan->depth && done->place <= self->added && !self->plan->one_by_one) {
        const uint32_t now_us = (uint32_t)((now - self->began_ns) / 1000);
        const uint32_t took_us =
            now_us - self->added_us[done->place - 1]; /* may wrap, as both do */
        leat_histogram_add(&self->times, (int64_t)took_us * 1000);
    }
}

/* Read the completions that are here; with a timeout, wait for the first of them. */
static leat_status
receive(leat_load *self, int64_t timeout_ms)
{
    leat_completed done;
    int64_t now = 0;
    for (unsigned i = 0;; i++) {
        const leat_status status = leat_wait_next(self->wait, &done, timeout_ms);
        if (status == LEAT_TIMED_OUT && timeout_ms == 0)
            return LEAT_OK;
        if (status != LEAT_OK)
            return status;
        if (i % CLOCK_RUN == 0)
            now = now_ns();
        take(self, &done, now);
        timeout_ms = 0;
    }
}

/* ---- before the start ---- */

static leat_status
fill(leat_load *self)
{
    leat_status status = LEAT_OK;
    while (status == LEAT_OK && self->added < self->plan->depth) {
        const uint64_t left = self->plan->depth - self->added;
        status = add(self, left < ADD_RUN ? left : ADD_RUN);
    }
    return status == LEAT_OK && self->plan->depth > 0 ? leat_batch_flush(self->batch) : status;
}

static leat_status
prepare(leat_load *self)
{
    leat_batch_options options;
    leat *broker;
    leat_status status = leat_connect_with(&self->plan->connection, &broker);
    (void)pthread_mutex_lock(&self->lock);
    self->broker = broker;
    (void)pthread_mutex_unlock(&self->lock);

    leat_batch_options_init(&options);
    options.channel = self->plan->channel;
    options.frame_records = self->plan->frame_records;
    if (status == LEAT_OK)
        status = leat_batch_open(self->broker, &options, &self->batch);
    if (status == LEAT_OK)
        status = fill(self);
    return status;
}

/* ---- measured ---- */

/* The wait needs the batch's number, which comes with the first answer. */
static leat_status
begin(leat_load *self)
{
    leat_status status = LEAT_OK;
    if (self->added == 0) {
        status = add(self, 1);
        if (status == LEAT_OK)
            status = leat_batch_flush(self->batch);
    }
    if (status == LEAT_OK)
        status = leat_wait_open(self->broker, leat_batch_id(self->batch), &self->wait);
    return status;
}

/* How many jobs may be added now; 0: *wait_ms is the time until that may be different. */
static uint64_t
room(const leat_load *self, int64_t *wait_ms)
{
    const leat_load_plan *const plan = self->plan;
    const uint64_t most = self->ended + plan->depth + plan->window;
    const uint64_t total = plan->jobs + plan->depth;
    uint64_t upto = most < total ? most : total;
    *wait_ms = plan->patience_ms;
    if (plan->rate > 0 && self->added < upto) {
        const double seconds = (double)(now_ns() - self->began_ns) * 1e-9;
        const uint64_t due = (uint64_t)(seconds * (double)plan->rate) + 1 + plan->depth;
        if (due <= self->added)
            *wait_ms = 1 + (int64_t)((self->added - due) * 1000 / plan->rate);
        upto = due < upto ? due : upto;
    }
    const uint64_t n = upto > self->added ? upto - self->added : 0;
    return n < ADD_RUN ? n : ADD_RUN;
}

/* As fast as it goes, or as fast as the rate says: then what is collected leaves at once, and a
 * wait that runs out only means that the next job is due. */
static leat_status
stream(leat_load *self)
{
    const leat_load_plan *const plan = self->plan;
    const uint64_t total = plan->jobs + plan->depth;
    leat_status status = LEAT_OK;
    while (status == LEAT_OK && self->added < total && self->ended < plan->jobs) {
        int64_t wait_ms;
        const uint64_t n = room(self, &wait_ms);
        if (n > 0)
            status = add(self, n);
        if (status == LEAT_OK && (n == 0 || plan->rate > 0)) {
            status = leat_batch_push(self->batch);
            if (status == LEAT_NOT_YET)
                status = LEAT_OK;
        }
        if (status == LEAT_OK)
            status = receive(self, n > 0 ? 0 : wait_ms);
        if (status == LEAT_TIMED_OUT && plan->rate > 0 && wait_ms < plan->patience_ms)
            status = LEAT_OK;
    }
    if (status == LEAT_OK) /* with a depth, jobs are left over */
        status = plan->depth == 0 ? leat_batch_seal(self->batch) : leat_batch_flush(self->batch);
    while (status == LEAT_OK && self->ended < plan->jobs)
        status = receive(self, plan->patience_ms);
    return status == LEAT_END ? LEAT_OK : status;
}

static leat_status
one_by_one(leat_load *self)
{
    leat_completed done;
    leat_status status = LEAT_OK;
    int64_t from_ns = self->began_ns;
    for (uint64_t i = 0; i < self->plan->jobs && status == LEAT_OK; i++) {
        if (i > 0 || self->plan->depth > 0) { /* else begin has sent it */
            from_ns = now_ns();
            status = add(self, 1);
            if (status == LEAT_OK)
                status = leat_batch_push(self->batch);
        }
        if (status == LEAT_OK || status == LEAT_NOT_YET)
            status = leat_wait_next(self->wait, &done, self->plan->patience_ms);
        if (status == LEAT_OK) {
            const int64_t now = now_ns();
            take(self, &done, now);
            leat_histogram_add(&self->times, now - from_ns);
        }
    }
    return status;
}

/* ---- the thread ---- */

static void
wait_for_go(leat_load *self)
{
    const struct timespec look = {.tv_nsec = 200000};
    atomic_store(&self->state, LEAT_LOAD_READY);
    while (atomic_load(&self->state) == LEAT_LOAD_READY) {
        (void)leat_process(self->broker); /* others may take long to fill their channel */
        (void)nanosleep(&look, NULL);
    }
}

static void *
run(void *context)
{
    leat_load *const self = context;
    self->began_ns = now_ns();
    leat_status status = prepare(self);
    if (status == LEAT_OK) {
        wait_for_go(self);
        self->began_ns = now_ns();
        status = begin(self);
    }
    if (status == LEAT_OK)
        status = self->plan->one_by_one ? one_by_one(self) : stream(self);
    self->ended_ns = now_ns();
    self->ended_wall_ms = leat_clock_wall_ms();
    self->status = status;
    if (status != LEAT_OK)
        (void)snprintf(self->sentence, sizeof self->sentence, "%s",
                       self->broker == NULL ? "out of memory" : leat_sentence(self->broker));
    atomic_store(&self->state, LEAT_LOAD_ENDED);
    return NULL;
}

leat_err
leat_load_start(leat_load *self, const leat_load_plan *plan)
{
    sigset_t all;
    sigset_t before;
    *self = (leat_load){.plan = plan};
    self->added_us = calloc(plan->jobs + plan->depth, sizeof *self->added_us);
    if (self->added_us == NULL)
        return LEAT_ERR_NOMEM;
    (void)pthread_mutex_init(&self->lock, NULL);
    /* Signals are for the thread that watches. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(&self->thread, NULL, run, self);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0)
        return LEAT_ERR_OK;
    (void)pthread_mutex_destroy(&self->lock);
    free(self->added_us);
    self->added_us = NULL;
    errno = failed;
    return leat_err_from_errno(failed);
}

leat_load_state
leat_load_state_of(leat_load *self)
{
    return (leat_load_state)atomic_load(&self->state);
}

void
leat_load_go(leat_load *self)
{
    atomic_store(&self->state, LEAT_LOAD_GOING);
}

void
leat_load_interrupt(leat_load *self)
{
    int ready = LEAT_LOAD_READY;
    (void)atomic_compare_exchange_strong(&self->state, &ready, LEAT_LOAD_GOING);
    (void)pthread_mutex_lock(&self->lock);
    if (self->broker != NULL)
        leat_interrupt(self->broker);
    (void)pthread_mutex_unlock(&self->lock);
}

void
leat_load_join(leat_load *self)
{
    (void)pthread_join(self->thread, NULL);
    if (self->broker != NULL)
        leat_disconnect(&self->broker);
    (void)pthread_mutex_destroy(&self->lock);
    free(self->added_us);
    self->added_us = NULL;
}
