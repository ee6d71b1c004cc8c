/* What the broker says: connections that come and go, jobs, stops, answers.
 *
 * After WELCOME on a session that goes on, the worker names everything it still holds (CLAIM …
 * END); what it does not name was never delivered and goes to others. What ended while there was no
 * connection and is still in the outbox is held, too. A session that the broker does not know any
 * more has given its jobs away: they are dropped without a word, and END is empty. */
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "worker/parts.h"

static void
stop_with(leat_engine *worker, leat_err err, const char *sentence)
{
    if (worker->phase == LEAT_WORKER_STOPPED)
        return;
    worker->phase = LEAT_WORKER_STOPPED;
    worker->result = err;
    const size_t size = strnlen(sentence, sizeof worker->sentence - 1);
    memcpy(worker->sentence, sentence, size);
    worker->sentence[size] = '\0';
}

/* ---------------------------------------------------------------------------------------- claims
 */

typedef struct claims {
    leat_link *link;
    leat_buf frame;
    uint16_t count; /* in frame */
    uint64_t total;
} claims;

static void
send_claims(claims *c)
{
    if (c->count == 0)
        return;
    leat_frame_finish(&c->frame, 0, c->count, 0);
    /* Without memory the frame stays away: what it names goes to others, and our ends of it are
     * STALE. */
    if (!c->frame.failed)
        leat_link_send(c->link, &c->frame);
    leat_buf_reset(&c->frame);
    c->count = 0;
}

static void
claim(claims *c, const leat_token *token, uint8_t started)
{
    const leat_token_record record = {.token = *token, .started = started};
    if (c->count == LEAT_RECORDS_MAX)
        send_claims(c);
    if (c->count == 0)
        leat_frame_begin(&c->frame, LEAT_CMD_CLAIM);
    leat_tokens_put(LEAT_CMD_CLAIM, &c->frame, &record);
    c->count++;
    c->total++;
}

static bool
claim_waiting(void *context, const leat_line_job *job)
{
    claim(context, &job->token, 0);
    return false;
}

static void
claim_ended(void *context, const leat_token *token)
{
    claim(context, token, 1);
}

/* Name everything that is held, then say that this was all. */
static void
claim_all(leat_engine *worker)
{
    claims c = {.link = worker->link};
    uint32_t next = 0;
    const leat_slot *slot;
    leat_outbox_each_done(&worker->outbox, claim_ended, &c);
    leat_kept_each(&worker->kept, claim_ended, &c);
    while ((slot = leat_slots_each(&worker->slots, &next)) != NULL)
        claim(&c, &slot->token, 1);
    leat_line_walk(&worker->line, claim_waiting, &c);
    send_claims(&c);

    const leat_token_record end = {.claims = c.total};
    leat_frame_begin(&c.frame, LEAT_CMD_END);
    leat_tokens_put(LEAT_CMD_END, &c.frame, &end);
    leat_frame_finish(&c.frame, 0, 1, 0);
    if (!c.frame.failed)
        leat_link_send(worker->link, &c.frame);
    leat_buf_fini(&c.frame);
}

/* ------------------------------------------------------------------------------- connections */

bool
leat_engine_is_blocked(const leat_engine *worker)
{
    return worker->kept.count > 0 || worker->kept.asked;
}

bool
leat_engine_has_enough(const leat_engine *worker)
{
    return worker->jobs_max != 0 && worker->begun >= worker->jobs_max;
}

/* What runs is outstanding, too: of what it is still to do nothing lies here for others to wait
 * for. */
uint32_t
leat_engine_window(const leat_engine *worker)
{
    const uint32_t whole = worker->slot_max + LEAT_WORKER_LINE_JOBS;
    if (worker->phase != LEAT_WORKER_WORKING || leat_engine_is_blocked(worker))
        return 0;
    if (worker->jobs_max == 0)
        return whole;
    const uint64_t still = worker->jobs_max - worker->begun + leat_engine_unended(worker);
    return leat_engine_has_enough(worker) ? 0 : still < whole ? (uint32_t)still : whole;
}

void
leat_engine_say_credit(leat_engine *worker)
{
    worker->said_window = leat_engine_window(worker);
    const leat_credit credit = {
        .kind = LEAT_CREDIT_WORK,
        .handler = LEAT_CREDIT_ALL_HANDLERS,
        .items = worker->said_window,
        .bytes = worker->said_window == 0 ? 0 : LEAT_WORKER_BYTES,
    };
    leat_buf frame;
    leat_buf_init(&frame);
    leat_frame_begin(&frame, LEAT_CMD_CREDIT);
    leat_credit_put(&frame, &credit);
    leat_frame_finish(&frame, 0, 1, 0);
    if (frame.failed)
        stop_with(worker, LEAT_ERR_NOMEM, leat_err_message(LEAT_ERR_NOMEM));
    else
        leat_link_send(worker->link, &frame);
    leat_buf_fini(&frame);
}

static void
on_up(leat_engine *worker, const leat_link_event *event)
{
    const uint64_t held = worker->slots.count + worker->line.count;
    LEAT_LOG(LEAT_LOG_INFO, "worker.up", event->resumed ? "connected again" : "connected",
             LEAT_KV_TEXT("endpoint", leat_link_endpoint(worker->link)),
             LEAT_KV_TEXT("broker", event->welcome->broker),
             LEAT_KV_U64("epoch", event->welcome->epoch),
             LEAT_KV_TEXT("software", event->welcome->software), LEAT_KV_U64("held", held));
    worker->up = true;
    worker->said_down_ms = 0;
    if (!event->resumed) {
        if (worker->recorder != NULL)
            leat_recorder_note(worker->recorder, &(leat_note){.operation = LEAT_NOTE_SESSION});
        if (held > 0)
            LEAT_LOG(LEAT_LOG_WARN, "worker.dropped",
                     "the broker has given this worker's jobs to others",
                     LEAT_KV_U64("jobs", held));
        leat_engine_drop_jobs(worker);
    }
    claim_all(worker);
    leat_engine_say_credit(worker);
    leat_beat_set_session(worker->beat, leat_link_session(worker->link),
                          leat_link_endpoint(worker->link));
}

static void
on_down(leat_engine *worker, const leat_link_event *event)
{
    const int64_t now_ms = leat_clock_mono_ms();
    worker->up = false;
    /* Every failed round of tries says DOWN: once is enough, the loop reminds. */
    if (worker->said_down_ms != 0)
        return;
    worker->said_down_ms = now_ms;
    LEAT_LOG(LEAT_LOG_WARN, "worker.down", "no broker, trying again and again",
             LEAT_KV_TEXT("endpoint", leat_link_endpoint(worker->link)), LEAT_KV_ERR(event->err),
             LEAT_KV_TEXT("why", event->sentence));
}

/* ------------------------------------------------------------------------------------ frames */

static bool
release_waiting(void *context, const leat_line_job *job)
{
    leat_engine *const worker = context;
    leat_outbox_release(&worker->outbox, &job->token);
    return true;
}

void
leat_engine_release_line(leat_engine *worker)
{
    leat_line_walk(&worker->line, release_waiting, worker);
}

void
leat_engine_release_all(leat_engine *worker)
{
    leat_engine_release_line(worker);
    while (leat_engine_release_last_task(worker)) {
    }
}

static void
on_jobs(leat_engine *worker, const leat_link_event *event)
{
    const leat_err err =
        leat_line_push(&worker->line, event->body, event->body_size, event->frame.count);
    if (err != LEAT_ERR_OK) {
        /* Jobs that are ours and that we cannot name: only a new session gives them back. */
        LEAT_LOG(LEAT_LOG_ERROR, "worker.jobs", "cannot take a frame of jobs", LEAT_KV_ERR(err));
        stop_with(worker, err, leat_err_message(err));
    } else if (worker->phase != LEAT_WORKER_WORKING || leat_engine_is_blocked(worker)) {
        leat_engine_release_all(worker);
    } else if (leat_engine_has_enough(worker)) {
        leat_engine_release_line(worker);
    }
}

typedef struct stops {
    leat_engine *worker;
    leat_token_record *records; /* by id, attempt */
    size_t count;
} stops;

static int
compare_tokens(const void *left, const void *right)
{
    const leat_token_record *const a = left;
    const leat_token_record *const b = right;
    if (a->token.id != b->token.id)
        return a->token.id < b->token.id ? -1 : 1;
    return (a->token.attempt > b->token.attempt) - (a->token.attempt < b->token.attempt);
}

static bool
stop_waiting(void *context, const leat_line_job *job)
{
    const stops *const s = context;
    const leat_token_record key = {.token = job->token};
    const leat_token_record *const stop =
        bsearch(&key, s->records, s->count, sizeof key, compare_tokens);
    if (stop == NULL || stop->token.epoch != job->token.epoch)
        return false;
    if (stop->reason != LEAT_STOP_STALE)
        leat_outbox_release(&s->worker->outbox, &job->token);
    return true;
}

static void
on_stop(leat_engine *worker, const leat_link_event *event, leat_reader records)
{
    const uint16_t count = event->frame.count;
    stops s = {.worker = worker, .records = calloc(count, sizeof *s.records)};
    if (s.records == NULL) {
        /* The broker ends what is not stopped in time by itself. */
        LEAT_LOG(LEAT_LOG_ERROR, "worker.stop", "out of memory, jobs are not stopped",
                 LEAT_KV_U64("jobs", count));
        return;
    }
    for (uint16_t i = 0; i < count; i++) {
        leat_token_record record;
        leat_tokens_next(LEAT_CMD_STOP, &records, &record);
        leat_slot *const slot = leat_slots_find(&worker->slots, &record.token);
        if (slot != NULL)
            leat_engine_stop_slot(worker, slot,
                                  record.reason == LEAT_STOP_STALE ? LEAT_WORKER_STOP_SILENTLY
                                                                   : LEAT_WORKER_STOP_ANSWER,
                                  &record);
        else if (!leat_kept_drop(&worker->kept, &record.token))
            s.records[s.count++] = record;
        else if (record.reason != LEAT_STOP_STALE)
            leat_outbox_release(&worker->outbox, &record.token);
    }
    /* What is neither in a slot nor in the line has ended; its DONE is on the way. */
    if (s.count > 0 && worker->line.count > 0) {
        qsort(s.records, s.count, sizeof *s.records, compare_tokens);
        leat_line_walk(&worker->line, stop_waiting, &s);
    }
    free(s.records);
}

typedef struct recall {
    leat_engine *worker;
    uint64_t skip; /* jobs at the front that stay */
} recall;

static bool
recall_waiting(void *context, const leat_line_job *job)
{
    recall *const r = context;
    if (r->skip > 0) {
        r->skip--;
        return false;
    }
    leat_outbox_release(&r->worker->outbox, &job->token);
    return true;
}

/* Another worker idles: give back the newest `items` that cannot start here. What can is started
 * before, or JOBS and RECALL that are read in one go would send work away from idle slots; and what
 * lies in the pool's queue stays while there is a thread for it. So a suspect is never given back:
 * it has the worker to itself. */
static void
on_recall(leat_engine *worker, uint32_t items)
{
    if (worker->phase == LEAT_WORKER_WORKING)
        leat_engine_start_jobs(worker);
    const uint64_t waiting = worker->line.count;
    recall r = {.worker = worker, .skip = waiting > items ? waiting - items : 0};
    leat_line_walk(&worker->line, recall_waiting, &r);
    for (uint64_t i = waiting; i < items; i++) {
        if (leat_pool_count(worker->pool) <= leat_pool_threads(worker->pool) ||
            !leat_engine_release_last_task(worker))
            break;
    }
}

static void
on_tokens(leat_engine *worker, const leat_link_event *event)
{
    const leat_command command = event->frame.command;
    leat_reader records;
    const leat_err err =
        leat_tokens_open(command, event->body, event->body_size, event->frame.count, &records);
    if (err != LEAT_ERR_OK) {
        LEAT_LOG(LEAT_LOG_WARN, "worker.frame", "cannot read a frame of the broker",
                 LEAT_KV_TEXT("command", leat_command_name(command)), LEAT_KV_ERR(err));
    } else if (command == LEAT_CMD_STOP) {
        on_stop(worker, event, records);
    } else {
        leat_token_record record;
        leat_tokens_next(command, &records, &record);
        on_recall(worker, record.items);
    }
}

static void
note_refused_end(leat_engine *worker, uint64_t sequence, const leat_acked_exception *exception)
{
    leat_recorder_note(worker->recorder, &(leat_note){.operation = LEAT_NOTE_REPORT,
                                                      .phase = LEAT_PHASE_FAIL,
                                                      .number = sequence,
                                                      .job = exception->id,
                                                      .attempt = exception->attempt,
                                                      .code = (uint8_t)exception->code});
}

/* After its exceptions: of what the frame reported, the rest was accepted. */
static void
note_answer(leat_engine *worker, const leat_acked *acked)
{
    leat_recorder_note(
        worker->recorder,
        &(leat_note){.operation = LEAT_NOTE_ANSWER,
                     .phase = acked->code == LEAT_ERR_OK ? LEAT_PHASE_OK : LEAT_PHASE_FAIL,
                     .number = acked->sequence,
                     .code = (uint8_t)acked->code});
}

/* The broker had no room for these results: keep them, give back what has not started, and take
 * nothing new. */
static void
keep_refused(leat_engine *worker, uint64_t sequence, const leat_token *tokens, size_t count)
{
    size_t size;
    const uint8_t *const frame = leat_link_refused(worker->link, sequence, &size);
    const bool was_blocked = leat_engine_is_blocked(worker);
    if (frame == NULL)
        return; /* answered twice: they are here already, or on their way again */
    if (frame[3] == LEAT_CMD_CHECKPOINT)
        return; /* the one before it stays; the next one may find room */
    if (leat_kept_add(&worker->kept, frame, size, tokens, count, leat_clock_mono_ms()) !=
        LEAT_ERR_OK) {
        /* Only a new session gives the jobs back. */
        stop_with(worker, LEAT_ERR_NOMEM, leat_err_message(LEAT_ERR_NOMEM));
        return;
    }
    if (was_blocked)
        return;
    LEAT_LOG(LEAT_LOG_WARN, "worker.kept",
             "the broker has no space for results: they are kept, nothing new is taken",
             LEAT_KV_U64("results", worker->kept.count), LEAT_KV_U64("bytes", worker->kept.bytes));
    leat_engine_release_all(worker);
    leat_engine_say_credit(worker);
}

/* One answer to a frame of ours. */
static void
on_answer(leat_engine *worker, const leat_acked *acked, leat_reader *records)
{
    leat_token *const refused = calloc((size_t)acked->exceptions + 1, sizeof *refused);
    leat_acked_exception exception = {0};
    size_t refused_count = 0;
    uint64_t stale = 0;
    for (uint16_t k = 0; k < acked->exceptions; k++) {
        leat_acked_next_exception(records, &exception);
        if (worker->recorder != NULL)
            note_refused_end(worker, acked->sequence, &exception);
        if (exception.code == LEAT_ERR_NO_SPACE && refused != NULL)
            refused[refused_count++] =
                (leat_token){.id = exception.id, .attempt = exception.attempt};
        else
            stale++;
    }
    if (worker->recorder != NULL)
        note_answer(worker, acked);
    worker->stale += stale;
    if (stale > 0)
        LEAT_LOG(LEAT_LOG_INFO, "worker.stale", "the broker did not want some ends or checkpoints",
                 LEAT_KV_U64("jobs", stale), LEAT_KV_U64("last", exception.id),
                 LEAT_KV_ERR(leat_err_from_number(exception.code)));
    if (acked->code != LEAT_ERR_OK)
        LEAT_LOG(LEAT_LOG_WARN, "worker.refused", "the broker refused a frame",
                 LEAT_KV_U64("sequence", acked->sequence),
                 LEAT_KV_ERR(leat_err_from_number(acked->code)));
    if (refused == NULL)
        stop_with(worker, LEAT_ERR_NOMEM, leat_err_message(LEAT_ERR_NOMEM));
    else if (refused_count > 0)
        keep_refused(worker, acked->sequence, refused, refused_count);
    else
        leat_kept_taken(&worker->kept, leat_clock_mono_ms());
    free(refused);
}

static void
on_acked(leat_engine *worker, const leat_link_event *event)
{
    leat_reader records;
    const bool was_blocked = leat_engine_is_blocked(worker);
    if (leat_acked_open(event->body, event->body_size, event->frame.count, &records) != LEAT_ERR_OK)
        return;
    for (uint16_t i = 0; i < event->frame.count; i++) {
        leat_acked acked;
        leat_acked_next(&records, &acked);
        on_answer(worker, &acked, &records);
    }
    if (was_blocked && !leat_engine_is_blocked(worker)) {
        LEAT_LOG(LEAT_LOG_INFO, "worker.room", "the broker has taken all results");
        leat_engine_say_credit(worker);
    }
}

static void
on_error(const leat_link_event *event)
{
    leat_error_record error;
    if (leat_error_open(event->body, event->body_size, &error) != LEAT_ERR_OK)
        return;
    LEAT_LOG(LEAT_LOG_WARN, "worker.error", "the broker reports an error",
             LEAT_KV_ERR(leat_err_from_number(error.code)), LEAT_KV_U64("sequence", error.sequence),
             LEAT_KV_SPAN("why", error.sentence));
}

static void
on_frame(leat_engine *worker, const leat_link_event *event)
{
    const leat_command command = event->frame.command;
    if (command == LEAT_CMD_JOBS)
        on_jobs(worker, event);
    else if (command == LEAT_CMD_STOP || command == LEAT_CMD_RECALL)
        on_tokens(worker, event);
    else if (command == LEAT_CMD_ACKED)
        on_acked(worker, event);
    else if (command == LEAT_CMD_ERROR)
        on_error(event);
    else
        LEAT_LOG(LEAT_LOG_DEBUG, "worker.frame", "not for a worker",
                 LEAT_KV_TEXT("command", leat_command_name(command)));
}

void
leat_engine_on_event(leat_engine *worker, const leat_link_event *event)
{
    switch (event->kind) {
    case LEAT_LINK_UP:
        on_up(worker, event);
        break;
    case LEAT_LINK_DOWN:
        on_down(worker, event);
        break;
    case LEAT_LINK_FRAME:
        on_frame(worker, event);
        break;
    case LEAT_LINK_UNKNOWN:
        LEAT_LOG(LEAT_LOG_DEBUG, "worker.unknown", "the session is gone, so is what was sent in it",
                 LEAT_KV_U64("sequence", event->sequence));
        break;
    case LEAT_LINK_REFUSED:
        LEAT_LOG(LEAT_LOG_ERROR, "worker.refused", "the broker refuses this worker",
                 LEAT_KV_ERR(event->err), LEAT_KV_TEXT("why", event->sentence));
        stop_with(worker, event->err, event->sentence);
        break;
    }
}
