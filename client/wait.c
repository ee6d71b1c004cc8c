/* Cursors on batches: completions are read in place from the frames that brought them.
 *
 * position   the last completion that was shown
 * received   the last one that lies here; what comes again after a reconnect is skipped
 * acked      the last one that the broker has been told of
 *
 * The broker sends at most WAIT_ITEMS completions beyond `acked`. A wait that nobody reads while
 * others are waited for keeps at most QUEUE_BYTES_MAX (and what was on its way), then it is given
 * up at the broker and asked for again when it has been read empty. */
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "proto/base/clock.h"

#define WAIT_ITEMS      65536U
#define ACK_ITEMS       8192U /* acknowledged at the latest after so many */
#define ACK_MS          200   /* or, when there is nothing to read, after this */
#define QUEUE_BYTES_MAX (64U << 20)

/* One run of completions, in a frame that it may share. */
typedef struct wait_run {
    leat_list_node node;
    leat_shared *shared;
    leat_items_run run;
    leat_reader records;
    uint32_t left;          /* completions not yet shown */
    uint64_t next_position; /* of the first of them */
} wait_run;

struct leat_wait {
    leat_list_node node;
    leat *self;
    uint64_t batch;
    uint32_t serial; /* of the handle's waits, for the history */
    leat_goal goal_kind;
    uint64_t goal;
    uint64_t shown; /* completions, or those that are done, as the goal counts */
    bool asked;     /* the broker knows of this wait, on this connection */
    bool reached;   /* it has said so, and everything that counts has come */
    uint64_t position;
    uint64_t received;
    uint64_t acked;
    int64_t acked_ms;
    leat_counters counters;
    uint8_t flags;
    leat_status over; /* NOT_FOUND, LOST: there is no such batch (any more) */
    bool elsewhere;   /* LOST because another store answers now */

    leat_list runs;
    size_t queued_bytes;
    wait_run *run;     /* being read, not in runs */
    leat_buf names;    /* of its workers, each terminated */
    uint32_t *name_at; /* where each begins */
    uint32_t name_capacity;
};

leat_status
leat_wait_open(leat *self, uint64_t batch, leat_wait **out)
{
    leat_begin(self);
    *out = NULL;
    if (batch == 0)
        return leat_fail(self, LEAT_WRONG_USE, "batch 0 is none: nothing was sent yet");
    LEAT_LIST_FOREACH (node, &self->waits) {
        if (LEAT_CONTAINER_OF(node, leat_wait, node)->batch == batch)
            return leat_fail(self, LEAT_WRONG_USE, "this connection already waits for batch %llu",
                             (unsigned long long)batch);
    }
    leat_wait *const wait = calloc(1, sizeof *wait);
    if (wait == NULL)
        return leat_fail(self, LEAT_NO_MEMORY, "out of memory");
    wait->self = self;
    wait->batch = batch;
    wait->serial = ++self->waits_opened;
    leat_list_init(&wait->runs);
    leat_list_append(&self->waits, &wait->node);
    *out = wait;
    return LEAT_OK;
}

void
leat_wait_goal(leat_wait *wait, uint64_t n, int ok)
{
    wait->goal_kind = n == 0 ? LEAT_GOAL_ALL : ok ? LEAT_GOAL_OK : LEAT_GOAL_COUNT;
    wait->goal = n;
}

leat_counts
leat_wait_counts(const leat_wait *wait)
{
    return (leat_counts){.total = wait->counters.total,
                         .done = wait->counters.done,
                         .dead = wait->counters.dead,
                         .cancelled = wait->counters.cancelled,
                         .expired = wait->counters.expired,
                         .skipped = wait->counters.skipped,
                         .sealed = (wait->flags & LEAT_ITEMS_SEALED) != 0,
                         .finished = (wait->flags & LEAT_ITEMS_FINISHED) != 0};
}

/* ---------------------------------------------------------------------- talking to the broker */

static void
send_credit(leat_wait *wait, uint32_t items)
{
    const leat_credit credit = {.kind = LEAT_CREDIT_WAIT,
                                .batch = wait->batch,
                                .position = wait->received,
                                .goal_kind = wait->goal_kind,
                                .goal = wait->goal,
                                .items = items};
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_CREDIT);
    leat_credit_put(&frame, &credit);
    if (!frame.failed)
        leat_frame_finish(&frame, 0, 1, 0);
    leat_link_send(wait->self->link, &frame);
    wait->asked = items > 0;
    if (wait->acked < wait->received)
        wait->acked = wait->received;
}

static void
send_ack(leat_wait *wait)
{
    if (wait->acked >= wait->position || !wait->asked || !leat_is_up(wait->self))
        return;
    const leat_ack ack = {.kind = LEAT_ACK_BATCH, .id = wait->batch, .position = wait->position};
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_ACK);
    leat_ack_put(&frame, &ack);
    if (!frame.failed)
        leat_frame_finish(&frame, 0, 1, 0);
    leat_link_send(wait->self->link, &frame);
    wait->acked = wait->position;
}

/* ------------------------------------------------------------------------------- what comes */

static leat_wait *
find_wait(leat *self, uint64_t batch)
{
    LEAT_LIST_FOREACH (node, &self->waits) {
        leat_wait *const wait = LEAT_CONTAINER_OF(node, leat_wait, node);
        if (wait->batch != batch)
            continue;
        if (node != leat_list_first(&self->waits)) { /* the next run is likely the same one's */
            leat_list_remove(&wait->node);
            leat_list_prepend(&self->waits, &wait->node);
        }
        return wait;
    }
    return NULL;
}

static void
queue_run(leat_wait *wait,
          const leat_items_run *run,
          const leat_reader *records,
          leat_shared *shared)
{
    const uint64_t last = run->first_position + run->n - 1;
    if (run->n == 0 || last <= wait->received)
        return;
    if (run->first_position > wait->received + 1 && (run->flags & LEAT_ITEMS_EXPIRED) == 0) {
        wait->asked = false; /* a frame between was lost here, without memory: ask again */
        return;
    }
    wait_run *const queued = calloc(1, sizeof *queued);
    if (queued == NULL) {
        wait->over = LEAT_NO_MEMORY;
        return;
    }
    shared->users++;
    *queued = (wait_run){.shared = shared,
                         .run = *run,
                         .records = *records,
                         .left = run->n,
                         .next_position = run->first_position};
    leat_list_append(&wait->runs, &queued->node);
    wait->received = last;
    wait->queued_bytes += shared->body->size;
    if (wait->queued_bytes > QUEUE_BYTES_MAX && wait->asked && leat_is_up(wait->self))
        send_credit(wait, 0);
}

bool
leat_waits_on_run(leat *self,
                  const leat_items_run *run,
                  const leat_reader *records,
                  leat_shared *shared)
{
    leat_wait *const wait = find_wait(self, run->batch);
    if (wait == NULL || wait->over != LEAT_OK || !wait->asked)
        return true;
    if ((run->flags & LEAT_ITEMS_UNKNOWN) != 0) {
        wait->flags = run->flags;
        wait->over = LEAT_NOT_FOUND;
        return true;
    }
    if (run->n > 0 && run->first_position > wait->received + 1 &&
        (run->flags & LEAT_ITEMS_EXPIRED) == 0)
        return false;
    wait->counters = run->counters;
    wait->flags = run->flags;
    if ((run->flags & LEAT_ITEMS_GOAL) != 0)
        wait->reached = true;
    queue_run(wait, run, records, shared);
    if ((run->flags & LEAT_ITEMS_LOST) != 0)
        wait->over = LEAT_LOST;
    return true;
}

void
leat_waits_on_gap(leat *self)
{
    LEAT_LIST_FOREACH (node, &self->waits)
        LEAT_CONTAINER_OF(node, leat_wait, node)->asked = false;
}

void
leat_waits_on_up(leat *self, bool is_same_broker)
{
    LEAT_LIST_FOREACH (node, &self->waits) {
        leat_wait *const wait = LEAT_CONTAINER_OF(node, leat_wait, node);
        if (!is_same_broker && wait->over == LEAT_OK) {
            wait->over = LEAT_LOST; /* its number means another batch there */
            wait->elsewhere = true;
        }
        if (wait->asked && !wait->reached && wait->over == LEAT_OK)
            send_credit(wait, WAIT_ITEMS);
    }
}

/* ------------------------------------------------------------------------------- reading */

static void
drop_run(wait_run **run_p)
{
    wait_run *const run = *run_p;
    *run_p = NULL;
    if (run == NULL)
        return;
    leat_shared_drop(&run->shared);
    free(run);
}

/* Lay the names of the run's workers out, terminated, so that a completion only points at one. */
static bool
read_names(leat_wait *wait, const leat_items_run *run, const leat_reader *records)
{
    if (run->workers > wait->name_capacity) {
        uint32_t *const name_at = realloc(wait->name_at, run->workers * sizeof *name_at);
        if (name_at == NULL)
            return false;
        wait->name_at = name_at;
        wait->name_capacity = run->workers;
    }
    leat_buf_reset(&wait->names);
    leat_put_u8(&wait->names, 0); /* the name of nobody, at 0 */
    leat_reader names =
        leat_reader_over(run->worker_names, (size_t)(records->at - run->worker_names));
    for (uint16_t i = 0; i < run->workers; i++) {
        const leat_text name = leat_read_text8(&names);
        wait->name_at[i] = (uint32_t)wait->names.size;
        leat_put_bytes(&wait->names, name.data, name.size);
        leat_put_u8(&wait->names, 0);
    }
    return !wait->names.failed;
}

/* Make the next queued run the one that is read; false: there is none, or no memory. */
static bool
next_run(leat_wait *wait)
{
    if (wait->run != NULL) {
        wait->queued_bytes -= wait->run->shared->body->size;
        drop_run(&wait->run);
    }
    if (wait->position >= wait->acked + ACK_ITEMS)
        send_ack(wait);
    leat_list_node *const node = leat_list_take_first(&wait->runs);
    if (node == NULL)
        return false;
    wait->run = LEAT_CONTAINER_OF(node, wait_run, node);
    if (read_names(wait, &wait->run->run, &wait->run->records))
        return true;
    wait->over = LEAT_NO_MEMORY;
    return false;
}

/* The next completion of the runs that are here. */
static bool
next_here(leat_wait *wait, leat_completed *out)
{
    for (;;) {
        wait_run *const run = wait->run;
        if (run == NULL || run->left == 0) {
            if (!next_run(wait))
                return false;
            continue;
        }
        leat_completion completion;
        leat_items_next_completion(&run->records, &completion);
        const uint64_t position = run->next_position++;
        run->left--;
        if (position <= wait->position)
            continue; /* shown before a reconnect */
        wait->position = position;
        const bool has_worker = completion.worker < run->run.workers;
        *out = (leat_completed){
            .batch = wait->batch,
            .position = position,
            .job = completion.job,
            .place = completion.place,
            .attempt = completion.attempt,
            .outcome = (int)completion.outcome,
            .worker = (const char *)wait->names.data +
                      (has_worker ? wait->name_at[completion.worker] : 0),
            .ended_ms = (int64_t)completion.ended_ms,
            .run_us = (int64_t)completion.run_us,
            .result = completion.result.data,
            .result_size = completion.result.size,
        };
        if (wait->self->recorder != NULL)
            leat_notes_shown(wait->self, wait->serial, out);
        if (wait->goal_kind != LEAT_GOAL_OK || completion.outcome == LEAT_OUTCOME_DONE)
            wait->shown++;
        return true;
    }
}

static bool
is_goal_shown(const leat_wait *wait)
{
    return wait->goal_kind != LEAT_GOAL_ALL && wait->shown >= wait->goal;
}

/* What to return when nothing is here; OK: wait for more. */
static leat_status
end_of(leat_wait *wait)
{
    leat *const self = wait->self;
    const unsigned long long batch = wait->batch;
    const bool all_ended = (wait->flags & LEAT_ITEMS_FINISHED) != 0 &&
                           wait->position >= leat_counters_ended(&wait->counters);
    switch ((unsigned)wait->over) {
    case LEAT_OK:
        break;
    case LEAT_NOT_FOUND:
        return leat_fail(
            self, LEAT_NOT_FOUND,
            (wait->flags & LEAT_ITEMS_EXPIRED) != 0
                ? "no batch %llu any more: it has finished and is out of retention, or "
                  "was in the broker's memory only"
                : "no batch %llu",
            batch);
    case LEAT_LOST:
        if (wait->elsewhere)
            return leat_fail(self, LEAT_LOST, "another store answers at %s, without batch %llu",
                             leat_link_endpoint(self->link), batch);
        return leat_fail(self, LEAT_LOST, "batch %llu was lost with the broker's memory", batch);
    default:
        return leat_fail(self, wait->over, "out of memory");
    }
    if (wait->reached || all_ended) {
        send_ack(wait);
        return LEAT_END;
    }
    return LEAT_OK;
}

leat_status
leat_wait_next(leat_wait *wait, leat_completed *out, int64_t timeout_ms)
{
    leat *const self = wait->self;
    leat_begin(self);
    if (is_goal_shown(wait)) {
        send_ack(wait);
        return LEAT_END;
    }
    if (next_here(wait, out))
        return LEAT_OK;

    const int64_t until_ms = leat_deadline_ms(timeout_ms);
    for (;;) {
        leat_status status = end_of(wait);
        if (status != LEAT_OK)
            return status;
        if (leat_is_up(self)) {
            if (!wait->asked)
                send_credit(wait, WAIT_ITEMS);
            else if (wait->acked < wait->position &&
                     leat_clock_mono_ms() - wait->acked_ms >= ACK_MS) {
                send_ack(wait);
                wait->acked_ms = leat_clock_mono_ms();
            }
        }
        status = leat_turn(self, until_ms);
        if (status == LEAT_OK && self->stray != LEAT_OK)
            status = leat_fail(self, self->stray, "%s", self->stray_sentence);
        if (next_here(wait, out)) {
            self->sentence[0] = '\0';
            return LEAT_OK;
        }
        if (status != LEAT_OK)
            return status;
    }
}

/* ---------------------------------------------------------------------------------- the end */

void
leat_wait_free(leat_wait **wait_p)
{
    leat_wait *const wait = *wait_p;
    *wait_p = NULL;
    if (wait == NULL)
        return;
    if (wait->asked && leat_is_up(wait->self)) {
        if (wait->reached || wait->over != LEAT_OK)
            send_ack(wait);
        else
            send_credit(wait, 0);
    }
    drop_run(&wait->run);
    LEAT_LIST_FOREACH_SAFE (node, after, &wait->runs) {
        wait_run *run = LEAT_CONTAINER_OF(node, wait_run, node);
        leat_list_remove(node);
        drop_run(&run);
    }
    leat_list_remove(&wait->node);
    leat_buf_fini(&wait->names);
    free(wait->name_at);
    free(wait);
}

void
leat_waits_free(leat *self)
{
    LEAT_LIST_FOREACH_SAFE (node, after, &self->waits) {
        leat_wait *wait = LEAT_CONTAINER_OF(node, leat_wait, node);
        leat_wait_free(&wait);
    }
}
