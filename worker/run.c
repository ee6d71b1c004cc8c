/* Starting and ending jobs.
 *
 * Jobs leave the line strictly in the order of their numbers: `started` then says all there is to
 * say about which of them may have run: poison does not spread. A slot is taken by a
 * sleeping job, and by a thread of the pool that has something to do; the pool may have more tasks
 * than threads, which have not begun and take no slot.
 *
 * What a job needs of the worker's amounts is its own from its start to the end of its run, also
 * when nobody wants the result any more: what runs still uses it. */
#include <stdio.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "worker/parts.h"

/* Sleepers that are ended in one pass. */
#define SLEEPERS_A_PASS 8192U

/* Slots that `tasks` in the pool take. */
static uint32_t
slots_of(const leat_engine *worker, uint32_t tasks)
{
    const uint32_t threads = leat_pool_threads(worker->pool);
    return tasks < threads ? tasks : threads;
}

static uint32_t
commands_of(const leat_engine *worker)
{
    return worker->commands == NULL ? 0 : leat_commands_count(worker->commands);
}

uint32_t
leat_engine_running(const leat_engine *worker)
{
    return leat_sleep_count(&worker->sleep) + slots_of(worker, leat_pool_count(worker->pool)) +
           commands_of(worker);
}

uint32_t
leat_engine_unended(const leat_engine *worker)
{
    return leat_sleep_count(&worker->sleep) + leat_pool_count(worker->pool) + commands_of(worker);
}

/* ------------------------------------------------------------------------------------- ends */

static void
note_start(leat_engine *worker, const leat_line_job *job)
{
    leat_recorder_note(
        worker->recorder,
        &(leat_note){.operation = LEAT_NOTE_START,
                     .phase = LEAT_PHASE_INVOKE,
                     .number = job->number,
                     .job = job->token.id,
                     .attempt = job->token.attempt,
                     .epoch = (uint32_t)job->token.epoch,
                     .extra = leat_note_name(job->handler_name.data, job->handler_name.size),
                     .hash = leat_note_hash(job->payload.data, job->payload.size)});
}

static void
note_end(leat_engine *worker, const leat_done *done)
{
    leat_recorder_note(worker->recorder,
                       &(leat_note){.operation = LEAT_NOTE_END,
                                    .phase = LEAT_PHASE_OK,
                                    .job = done->token.id,
                                    .attempt = done->token.attempt,
                                    .epoch = (uint32_t)done->token.epoch,
                                    .code = (uint8_t)done->end,
                                    .hash = leat_note_hash(done->result.data, done->result.size)});
}

static void
report(
    leat_engine *worker, const leat_token *token, leat_end end, uint64_t run_us, leat_bytes result)
{
    static const char too_large[] = "the result is larger than a result may be";
    leat_done done = {.token = *token, .end = end, .run_us = run_us, .result = result};
    if (result.size > LEAT_PAYLOAD_BYTES_MAX) {
        done.end = LEAT_END_FATAL;
        done.result.data = (const uint8_t *)too_large;
        done.result.size = sizeof too_large - 1;
    }
    if (worker->recorder != NULL)
        note_end(worker, &done);
    leat_outbox_done(&worker->outbox, &done);
    if (run_us >= LEAT_WORKER_HOLD_MIN_US && worker->held++ == 0)
        worker->held_ms = leat_clock_mono_ms();
    worker->ended++;
    worker->failed += done.end != LEAT_END_DONE;
}

static void
report_text(
    leat_engine *worker, const leat_token *token, leat_end end, uint64_t run_us, const char *text)
{
    const leat_bytes result = {.data = (const uint8_t *)text, .size = (uint32_t)strlen(text)};
    report(worker, token, end, run_us, result);
}

static leat_call
call_on_loop(leat_engine *worker, leat_bytes payload, const leat_given *given)
{
    leat_buf_reset(&worker->scratch);
    return (leat_call){.payload = payload, .out = &worker->scratch, .given = given};
}

/* What a job brings with it beside its payload. */
static void
fill_call(leat_call *call, const leat_line_job *job, int64_t now_us)
{
    call->checkpoint = job->checkpoint;
    call->until_ms = job->run_limit_ms == 0 ? 0 : now_us / 1000 + (int64_t)job->run_limit_ms;
}

/* A sleeper has ended in whatever way. */
static void
leave(leat_engine *worker, leat_slot **slot_p)
{
    leat_amounts_take_back(&worker->amounts, &(*slot_p)->given);
    leat_slots_leave(&worker->slots, slot_p);
}

/* A task has ended in whatever way, or never begun. */
static void
give_back(leat_engine *worker, leat_task **task_p)
{
    leat_task *const task = *task_p;
    if (task->slot != NULL)
        leat_slots_leave(&worker->slots, &task->slot);
    leat_amounts_take_back(&worker->amounts, &task->given);
    leat_pool_give_back(worker->pool, task_p);
}

void
leat_engine_end_sleepers(leat_engine *worker, int64_t now_us)
{
    leat_slot *slot;
    uint32_t left = SLEEPERS_A_PASS;
    while ((slot = leat_sleep_next_due(&worker->sleep, now_us)) != NULL) {
        leat_call call = call_on_loop(worker, (leat_bytes){0}, slot->given);
        call.value = slot->value;
        const leat_end end =
            slot->handler->finish == NULL ? LEAT_END_DONE : slot->handler->finish(&call);
        report(worker, &slot->token, end, (uint64_t)(now_us - slot->started_us), call.result);
        leave(worker, &slot);
        if (--left == 0) {
            worker->backlog = true;
            break;
        }
    }
}

/* Its attempt is over: what it has told leaves, and the checkpoint if there will be another one.
 * Both before the end is reported. */
static void
take_last_words(leat_engine *worker, const leat_token *token, leat_tell *tell, bool comes_again)
{
    if (leat_tell_has(tell))
        (void)leat_tellings_take(&worker->tellings, token, tell, true, leat_clock_mono_ms());
    worker->tells |= tell->is_heard; /* what was heard before may still lie there */
    if (tell->has_checkpoint && comes_again)
        leat_outbox_checkpoint(
            &worker->outbox, token,
            (leat_bytes){tell->checkpoint.data, (uint32_t)tell->checkpoint.size});
}

/* Take what a running job has told, as far as its time has come; false: something waits. */
static bool
hear(leat_engine *worker, const leat_token *token, leat_tell *tell, int64_t now_ms)
{
    const bool said = leat_tellings_take(&worker->tellings, token, tell, false, now_ms);
    if (!said && tell->sent_ms + LEAT_TELL_PROGRESS_MS < worker->telling_ms)
        worker->telling_ms = tell->sent_ms + LEAT_TELL_PROGRESS_MS;
    if (!tell->has_checkpoint)
        return said;
    /* What waits here is replaced by a newer one; what is in the outbox is not. */
    if (!worker->up || !leat_outbox_is_flowing(&worker->outbox))
        return false;
    leat_outbox_checkpoint(&worker->outbox, token,
                           (leat_bytes){tell->checkpoint.data, (uint32_t)tell->checkpoint.size});
    tell->has_checkpoint = false;
    return said;
}

struct hearing {
    leat_engine *worker;
    int64_t now_ms;
};

static bool
hear_task(void *context, leat_task *task)
{
    const struct hearing *const h = context;
    return task->slot == NULL || /* nobody wants to know */
           hear(h->worker, &task->slot->token, &task->teller.tell, h->now_ms);
}

/* What a job has told that a keeper watches over. Its output leaves with the next frame: the keeper
 * sends it no more often than it may leave. */
void
leat_engine_hear_run(void *context, leat_run *run, const leat_message_told *told)
{
    leat_engine *const worker = context;
    if (run->slot == NULL)
        return;
    if (told->kind == LEAT_TELLING_LOG) {
        leat_tellings_log(&worker->tellings, &run->slot->token, told->stream, told->offset,
                          told->data.data, told->data.size);
        return;
    }
    if (told->kind == LEAT_TELLING_PROGRESS)
        leat_tell_progress(&run->tell, told->done, told->of, told->text);
    else if (leat_tell_checkpoint(&run->tell, told->data.data, told->data.size) != LEAT_ERR_OK)
        LEAT_LOG(LEAT_LOG_WARN, "worker.checkpoint", "a checkpoint is lost",
                 LEAT_KV_U64("job", run->slot->token.id), LEAT_KV_U64("bytes", told->data.size));
    if (!leat_list_is_linked(&run->telling))
        leat_list_append(&worker->telling, &run->telling);
}

void
leat_engine_hear_tasks(leat_engine *worker, int64_t now_ms)
{
    struct hearing hearing = {.worker = worker, .now_ms = now_ms};
    worker->telling_ms = INT64_MAX;
    leat_pool_each_telling(worker->pool, hear_task, &hearing);
    LEAT_LIST_FOREACH_SAFE (node, after, &worker->telling) {
        leat_run *const run = LEAT_CONTAINER_OF(node, leat_run, telling);
        if (run->slot == NULL || hear(worker, &run->slot->token, &run->tell, now_ms))
            leat_list_remove(node);
    }
}

void
leat_engine_end_tasks(leat_engine *worker)
{
    leat_task *task;
    while ((task = leat_pool_next_ended(worker->pool)) != NULL) {
        if (task->slot != NULL)
            take_last_words(worker, &task->slot->token, &task->teller.tell,
                            task->call.stopped || task->end == LEAT_END_FAILED);
        if (task->slot != NULL && task->call.stopped)
            leat_outbox_release(&worker->outbox, &task->slot->token);
        else if (task->slot != NULL && task->call.snoozes)
            leat_outbox_snooze(&worker->outbox, &task->slot->token, (uint64_t)task->call.sleep_ms);
        else if (task->slot != NULL)
            report(worker, &task->slot->token, task->end, task->run_us, task->call.result);
        give_back(worker, &task);
    }
}

void
leat_engine_end_commands(leat_engine *worker)
{
    leat_run *run;
    while (worker->commands != NULL && (run = leat_commands_next_ended(worker->commands)) != NULL) {
        if (run->slot != NULL) {
            take_last_words(worker, &run->slot->token, &run->tell, run->end == LEAT_END_FAILED);
            worker->tells |= run->has_told;
            if (run->snoozes)
                leat_outbox_snooze(&worker->outbox, &run->slot->token, run->delay_ms);
            else
                report(worker, &run->slot->token, run->end, run->run_us, run->result);
            leat_slots_leave(&worker->slots, &run->slot);
        }
        leat_amounts_take_back(&worker->amounts, &run->given);
        leat_commands_give_back(worker->commands, &run);
    }
}

bool
leat_engine_release_last_task(leat_engine *worker)
{
    leat_task *task = leat_pool_withdraw_last(worker->pool);
    if (task == NULL)
        return false;
    if (task->slot != NULL)
        leat_outbox_release(&worker->outbox, &task->slot->token);
    give_back(worker, &task);
    return true;
}

/* -------------------------------------------------------------------------------------- starts */

/* A job that cannot be started for lack of memory fails, and may succeed elsewhere. */
static void
report_nomem(leat_engine *worker, const leat_line_job *job)
{
    report_text(worker, &job->token, LEAT_END_FAILED, 0, "the worker is out of memory");
}

/* A starter takes *given_p for as long as the job runs; what it leaves there, the job does not need
 * any more. */
static void
start_timer(leat_engine *worker, const leat_line_job *job, leat_given **given_p, int64_t now_us)
{
    leat_call call = call_on_loop(worker, job->payload, *given_p);
    fill_call(&call, job, now_us);
    const leat_end end = job->handler->run(&call);
    if (end != LEAT_END_DONE) {
        report(worker, &job->token, end, 0, call.result);
        return;
    }

    leat_slot *slot;
    leat_err err = leat_slots_enter(&worker->slots, &job->token, job->handler, now_us, &slot);
    if (err == LEAT_ERR_OK) {
        err = leat_sleep_add(&worker->sleep, slot, now_us + call.sleep_ms * 1000);
        if (err != LEAT_ERR_OK)
            leat_slots_leave(&worker->slots, &slot);
    }
    if (err != LEAT_ERR_OK) {
        report_nomem(worker, job);
        return;
    }
    slot->value = call.value;
    slot->given = *given_p;
    *given_p = NULL;
}

/* Which job it is, for who asks. */
static void
fill_job(leat_call_job *out, const leat_line_job *job)
{
    *out = (leat_call_job){
        .id = job->token.id,
        .batch = job->batch,
        .place = job->place,
        .attempt = job->token.attempt,
        .handler = job->handler_name,
        .channel = job->channel,
        .row = job->handler,
    };
}

static void
start_task(leat_engine *worker, const leat_line_job *job, leat_given **given_p, int64_t now_us)
{
    leat_task *task = leat_pool_task(worker->pool);
    if (task == NULL || leat_slots_enter(&worker->slots, &job->token, job->handler, now_us,
                                         &task->slot) != LEAT_ERR_OK) {
        if (task != NULL)
            leat_pool_give_back(worker->pool, &task);
        report_nomem(worker, job);
        return;
    }
    task->slot->task = task;
    task->handler = job->handler;
    fill_job(&task->job, job);
    task->call.payload = job->payload;
    fill_call(&task->call, job, now_us);
    task->call.given = *given_p;
    task->given = *given_p;
    *given_p = NULL;
    task->frame = leat_line_frame_hold(job->frame);
    leat_pool_submit(worker->pool, task);
}

/* A payload that is none will never be one; a keeper may be had another time, or elsewhere. */
static void
report_not_prepared(leat_engine *worker, const leat_line_job *job, leat_err err)
{
    char text[160];
    if (err == LEAT_ERR_MALFORMED || err == LEAT_ERR_UNSUPPORTED || err == LEAT_ERR_TOO_LARGE) {
        (void)snprintf(text, sizeof text,
                       "the payload says no command (%s); send it by `leat run` or `leat submit`",
                       leat_err_message(err));
        report_text(worker, &job->token, LEAT_END_FATAL, 0, text);
        return;
    }
    (void)snprintf(text, sizeof text, "the worker cannot start a process: %s",
                   leat_err_message(err));
    report_text(worker, &job->token, LEAT_END_FAILED, 0, text);
}

static void
start_command(leat_engine *worker, const leat_line_job *job, leat_given **given_p, int64_t now_us)
{
    const leat_run_job what = {
        .job = job,
        .given = *given_p,
        .worker = worker->name,
        .broker = leat_link_endpoint(worker->link),
    };
    leat_slot *slot;
    leat_run *run;
    if (leat_slots_enter(&worker->slots, &job->token, job->handler, now_us, &slot) != LEAT_ERR_OK) {
        report_nomem(worker, job);
        return;
    }
    const leat_err err = leat_commands_prepare(worker->commands, &what, &run);
    if (err != LEAT_ERR_OK) {
        leat_slots_leave(&worker->slots, &slot);
        report_not_prepared(worker, job, err);
        return;
    }
    slot->run = run;
    run->slot = slot;
    run->given = *given_p;
    *given_p = NULL;
}

/* What has been prepared runs now: first the broker is told that it has been started, so that a
 * worker that dies over it does not leave it uncounted. */
static void
begin_commands(leat_engine *worker)
{
    if (worker->commands == NULL || !leat_commands_has_prepared(worker->commands))
        return;
    leat_link_set_beat(worker->link, worker->started, leat_engine_running(worker));
    leat_link_beat_now(worker->link);
    leat_commands_go(worker->commands);
}

static void
report_no_handler(leat_engine *worker, const leat_line_job *job)
{
    char text[64 + LEAT_NAME_BYTES_MAX];
    (void)snprintf(text, sizeof text, "this worker has no handler \"%.*s\"",
                   (int)job->handler_name.size, job->handler_name.data);
    report_text(worker, &job->token, LEAT_END_FATAL, 0, text);
}

/* The broker does not hand such a job to this worker; another one may have what it needs. */
static void
report_needs(leat_engine *worker, const leat_line_job *job)
{
    char text[64 + LEAT_NAME_BYTES_MAX];
    (void)snprintf(text, sizeof text, "this worker does not have \"%.*s\"", (int)job->needs.size,
                   job->needs.data);
    report_text(worker, &job->token, LEAT_END_FAILED, 0, text);
}

/* May the job start now? Handlers that run on the loop always may. */
static bool
has_room(const leat_engine *worker, const leat_line_job *job)
{
    if (job->handler == NULL || job->handler->runs == LEAT_RUNS_INLINE)
        return true;
    const uint32_t sleepers = leat_sleep_count(&worker->sleep);
    const uint32_t commands = commands_of(worker);
    const uint32_t tasks = leat_pool_count(worker->pool);
    if (job->handler->runs == LEAT_RUNS_CHILD &&
        (commands >= LEAT_COMMANDS_MAX ||
         !leat_commands_may_prepare(worker->commands, job->handler)))
        return false;
    if (job->handler->runs == LEAT_RUNS_TIMER || job->handler->runs == LEAT_RUNS_CHILD)
        return sleepers + commands + slots_of(worker, tasks) < worker->slot_max;
    return sleepers + commands + slots_of(worker, tasks + 1) <= worker->slot_max &&
           tasks < leat_pool_threads(worker->pool) + LEAT_WORKER_AHEAD;
}

/* Run the handler, or hand it to what runs it; returns the time after that. */
static int64_t
run(leat_engine *worker, const leat_line_job *job, leat_given **given_p, int64_t now_us)
{
    if (job->handler->runs == LEAT_RUNS_TIMER) {
        start_timer(worker, job, given_p, now_us);
        return leat_clock_mono_us();
    }
    if (job->handler->runs == LEAT_RUNS_POOL) {
        start_task(worker, job, given_p, now_us);
        return leat_clock_mono_us();
    }
    if (job->handler->runs == LEAT_RUNS_CHILD) {
        start_command(worker, job, given_p, now_us);
        return leat_clock_mono_us();
    }
    leat_call call = call_on_loop(worker, job->payload, *given_p);
    fill_call(&call, job, now_us);
    const leat_end end = job->handler->run(&call);
    const int64_t after_us = leat_clock_mono_us();
    report(worker, &job->token, end, (uint64_t)(after_us - now_us), call.result);
    return after_us;
}

/* Start the first job of the line; *now_us is the time before and after it. false: others hold what
 * it needs, it waits. */
static bool
start(leat_engine *worker, const leat_line_job *job, int64_t *now_us)
{
    leat_given *given = NULL;
    leat_err err = LEAT_ERR_OK;
    if (job->handler != NULL && job->needs.size > 0)
        err = leat_amounts_give(&worker->amounts, job->needs, &given);
    if (err == LEAT_ERR_FULL)
        return false;

    if (worker->recorder != NULL)
        note_start(worker, job);
    worker->started = job->number;
    worker->outbox.started = job->number;
    if (job->handler == NULL)
        report_no_handler(worker, job);
    else if (err == LEAT_ERR_NOT_FOUND)
        report_needs(worker, job);
    else if (err != LEAT_ERR_OK)
        report_nomem(worker, job);
    else
        *now_us = run(worker, job, &given, *now_us);
    if (given != NULL)
        leat_amounts_take_back(&worker->amounts, &given);
    return true;
}

void
leat_engine_start_jobs(leat_engine *worker)
{
    leat_line_job job;
    if (worker->line.count == 0 || leat_engine_has_enough(worker))
        return;
    const int64_t begin_us = leat_clock_mono_us();
    int64_t now_us = begin_us;
    while (leat_line_first(&worker->line, &job) && has_room(worker, &job)) {
        if (now_us - begin_us > LEAT_WORKER_SLICE_US) {
            worker->backlog = true;
            break;
        }
        if (!start(worker, &job, &now_us))
            break;
        leat_line_advance(&worker->line);
        worker->begun++;
        if (leat_engine_has_enough(worker)) {
            leat_engine_release_line(worker);
            break;
        }
    }
    begin_commands(worker);
}

/* --------------------------------------------------------------------------------------- stops */

static void
stop_sleeper(leat_engine *worker, leat_slot *slot, leat_engine_stopping how)
{
    leat_sleep_remove(&worker->sleep, slot);
    if (how == LEAT_WORKER_STOP_ANSWER)
        leat_outbox_release(&worker->outbox, &slot->token);
    leave(worker, &slot);
}

static void
stop_task(leat_engine *worker, leat_slot *slot, leat_engine_stopping how)
{
    leat_task *task = slot->task;
    if (leat_pool_withdraw(worker->pool, task)) {
        if (how == LEAT_WORKER_STOP_ANSWER)
            leat_outbox_release(&worker->outbox, &slot->token);
        give_back(worker, &task);
        return;
    }
    leat_pool_cancel(task);
    if (how == LEAT_WORKER_STOP_SILENTLY)
        leat_slots_leave(&worker->slots, &task->slot);
}

static void
stop_command(leat_engine *worker,
             leat_slot *slot,
             leat_engine_stopping how,
             const leat_token_record *why)
{
    leat_run *const run = slot->run;
    const bool is_limit = why != NULL && why->reason == LEAT_STOP_LIMIT;
    if (how == LEAT_WORKER_STOP_SILENTLY)
        leat_slots_leave(&worker->slots, &run->slot);
    leat_commands_stop(worker->commands, run,
                       how == LEAT_WORKER_STOP_SILENTLY || why == NULL ? 0 : why->grace_ms,
                       is_limit ? LEAT_ENDING_LIMIT : LEAT_ENDING_CANCELLED);
}

void
leat_engine_stop_slot(leat_engine *worker,
                      leat_slot *slot,
                      leat_engine_stopping how,
                      const leat_token_record *why)
{
    if (slot->handler->runs == LEAT_RUNS_CHILD)
        stop_command(worker, slot, how, why);
    else if (slot->task == NULL)
        stop_sleeper(worker, slot, how);
    else
        stop_task(worker, slot, how);
}

void
leat_engine_drop_jobs(leat_engine *worker)
{
    uint32_t next = 0;
    leat_slot *slot;
    while ((slot = leat_slots_each(&worker->slots, &next)) != NULL)
        leat_engine_stop_slot(worker, slot, LEAT_WORKER_STOP_SILENTLY, NULL);
    leat_line_drop(&worker->line);
    leat_outbox_drop(&worker->outbox);
    leat_tellings_fini(&worker->tellings);
    leat_kept_fini(&worker->kept);
    worker->started = 0;
    worker->outbox.started = 0;
}
