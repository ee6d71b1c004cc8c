/* One walk a command: read, tell, write again. */
#include "tests/lib/transcript.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "proto/control.h"
#include "proto/records.h"
#include "proto/told.h"

typedef struct walk {
    leat_command command;
    uint16_t count;
    const uint8_t *body;
    size_t size;
    leat_buf *text; /* or NULL */
    leat_buf *copy;
} walk;

__attribute__((format(printf, 2, 3))) static void
say(leat_buf *text, const char *format, ...)
{
    if (text == NULL)
        return;
    char line[256];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    assert(n >= 0 && (size_t)n < sizeof line);
    leat_put_bytes(text, line, (size_t)n);
}

static void
say_number(leat_buf *text, const char *name, uint64_t value)
{
    say(text, "%s %" PRIu64 "\n", name, value);
}

static void
say_bytes(leat_buf *text, const char *name, const void *data, size_t size)
{
    if (text == NULL)
        return;
    const uint8_t *const p = data;
    say(text, "%s \"", name);
    for (size_t i = 0; i < size; i++) {
        if (p[i] < 0x20 || p[i] > 0x7e || p[i] == '"' || p[i] == '\\')
            say(text, "\\x%02x", p[i]);
        else
            say(text, "%c", p[i]);
    }
    say(text, "\"\n");
}

static void
say_text(leat_buf *text, const char *name, leat_text value)
{
    say_bytes(text, name, value.data, value.size);
}

static void
say_token(leat_buf *text, const leat_token *token)
{
    say_number(text, "id", token->id);
    say_number(text, "attempt", token->attempt);
    say_number(text, "epoch", token->epoch);
}

/* What is not set is not told. */
static void
say_set(leat_buf *text, const char *name, uint64_t value)
{
    if (value != 0)
        say_number(text, name, value);
}

static void
say_set_text(leat_buf *text, const char *name, leat_text value)
{
    if (value.size > 0)
        say_text(text, name, value);
}

static void
say_follower(leat_buf *text, const char *name, const leat_follower *follower)
{
    if (follower->handler.size == 0)
        return;
    say_text(text, name, follower->handler);
    say_bytes(text, "with", follower->payload.data, follower->payload.size);
}

static void
say_settings(leat_buf *text, const leat_settings *s)
{
    if (s->priority != LEAT_PRIORITY_NOTHING)
        say_number(text, "priority", s->priority);
    say_set(text, "failures", s->failures);
    say_set(text, "delay_ms", s->delay_ms);
    say_set(text, "run_limit_ms", s->run_limit_ms);
    say_set_text(text, "name", s->name);
    say_set(text, "losses", s->losses);
    say_set(text, "snoozes", s->snoozes);
    say_set(text, "backoff_min_ms", s->backoff_min_ms);
    say_set(text, "backoff_max_ms", s->backoff_max_ms);
    say_set(text, "grace_ms", s->grace_ms);
    say_set(text, "at_ms", s->at_ms);
    say_set(text, "expires_ms", s->expires_ms);
    say_set_text(text, "unique", s->unique);
    say_set(text, "unique_for_ms", s->unique_for_ms);
    say_set_text(text, "flow", s->flow);
    say_set_text(text, "key", s->key);
    say_set_text(text, "needs", s->needs);
    say_set_text(text, "traits", s->traits);
    say_set_text(text, "reply", s->reply);
    say_set_text(text, "reply_handler", s->reply_handler);
    say_set(text, "after_batch", s->after_batch);
    say_set(text, "after", s->after);
    for (uint8_t i = 0; i < s->finally_count; i++)
        say_follower(text, "finally", &s->finally[i]);
    say_follower(text, "recover", &s->recover);
    if (s->halt.on != LEAT_HALT_NEVER) {
        say_number(text, "halt", s->halt.on);
        say_number(text, "halt_running", s->halt.running);
        say_number(text, "halt_percent", s->halt.percent);
        say_number(text, "halt_n", s->halt.n);
    }
}

static leat_err
walk_send(walk *w)
{
    leat_send_head head;
    leat_reader records;
    const leat_err err = leat_send_open(w->body, w->size, w->count, &head, &records);
    if (err != LEAT_ERR_OK)
        return err;
    say_number(w->text, "flags", head.flags);
    say_text(w->text, "channel", head.channel);
    say_text(w->text, "handler", head.handler);
    say_number(w->text, "batch", head.batch);
    say_number(w->text, "tag", head.tag);
    say_settings(w->text, &head.settings);
    leat_send_put_head(w->copy, &head);
    for (uint16_t i = 0; i < w->count; i++) {
        const leat_bytes payload = leat_send_next(&records);
        say_bytes(w->text, "payload", payload.data, payload.size);
        leat_send_put(w->copy, payload.data, payload.size);
    }
    return records.at == records.end ? LEAT_ERR_OK : LEAT_ERR_CORRUPT;
}

static leat_err
walk_sent(walk *w)
{
    leat_reader records;
    const leat_err err = leat_sent_open(w->body, w->size, w->count, &records);
    if (err != LEAT_ERR_OK)
        return err;
    for (uint16_t i = 0; i < w->count; i++) {
        leat_sent sent;
        leat_sent_next(&records, &sent);
        say_number(w->text, "sequence", sent.sequence);
        say_number(w->text, "batch", sent.batch);
        say_number(w->text, "first_id", sent.first_id);
        say_number(w->text, "accepted", sent.accepted);
        say_number(w->text, "code", sent.code);
        say_text(w->text, "sentence", sent.sentence);
        leat_sent_put(w->copy, &sent);
    }
    return records.at == records.end ? LEAT_ERR_OK : LEAT_ERR_CORRUPT;
}

static leat_err
walk_credit(walk *w)
{
    leat_reader records;
    const leat_err err = leat_credit_open(w->body, w->size, w->count, &records);
    if (err != LEAT_ERR_OK)
        return err;
    for (uint16_t i = 0; i < w->count; i++) {
        leat_credit credit;
        leat_credit_next(&records, &credit);
        say_number(w->text, "kind", credit.kind);
        if (credit.kind == LEAT_CREDIT_WORK)
            say_number(w->text, "handler", credit.handler);
        if (credit.kind == LEAT_CREDIT_RECV)
            say_text(w->text, "channel", credit.channel);
        if (credit.kind == LEAT_CREDIT_WAIT) {
            say_number(w->text, "batch", credit.batch);
            say_number(w->text, "position", credit.position);
            say_number(w->text, "goal_kind", credit.goal_kind);
            say_number(w->text, "goal", credit.goal);
        }
        say_number(w->text, "items", credit.items);
        if (credit.kind == LEAT_CREDIT_WORK)
            say_number(w->text, "bytes", credit.bytes);
        if (credit.kind == LEAT_CREDIT_RECV)
            say_number(w->text, "receives", credit.receives);
        leat_credit_put(w->copy, &credit);
    }
    return records.at == records.end ? LEAT_ERR_OK : LEAT_ERR_CORRUPT;
}

static leat_err
walk_jobs(walk *w)
{
    leat_jobs_head head;
    leat_reader records;
    const leat_err err = leat_jobs_open(w->body, w->size, w->count, &head, &records);
    if (err != LEAT_ERR_OK)
        return err;
    say_number(w->text, "epoch", head.epoch);
    say_number(w->text, "first_number", head.first_number);
    leat_jobs_put_head(w->copy, &head);
    for (uint16_t i = 0; i < w->count; i++) {
        leat_jobs_run run;
        leat_jobs_next_run(&records, &run);
        say_number(w->text, run.checkpoints ? "jobs_with_checkpoints" : "jobs", run.jobs);
        say_text(w->text, "channel", run.channel);
        say_text(w->text, "handler", run.handler);
        say_number(w->text, "batch", run.batch);
        say_number(w->text, "run_limit_ms", run.run_limit_ms);
        say_text(w->text, "needs", run.needs);
        const uint16_t jobs = run.jobs;
        run.jobs = 0;
        leat_jobs_set_run(w->copy, leat_jobs_put_run(w->copy, &run), jobs);
        for (uint16_t j = 0; j < jobs; j++) {
            leat_jobs_job job;
            leat_jobs_next_job(&records, &run, &job);
            say_number(w->text, "id", job.id);
            say_number(w->text, "attempt", job.attempt);
            say_number(w->text, "place", job.place);
            say_bytes(w->text, "payload", job.payload.data, job.payload.size);
            leat_jobs_put_job(w->copy, job.id, job.attempt, job.place, job.payload);
            if (!run.checkpoints)
                continue;
            say_bytes(w->text, "checkpoint", job.checkpoint.data, job.checkpoint.size);
            leat_jobs_put_checkpoint(w->copy, job.checkpoint);
        }
    }
    return records.at == records.end ? LEAT_ERR_OK : LEAT_ERR_CORRUPT;
}

static leat_err
walk_done(walk *w)
{
    uint64_t started;
    leat_reader records;
    const leat_err err = leat_done_open(w->body, w->size, w->count, &started, &records);
    if (err != LEAT_ERR_OK)
        return err;
    say_number(w->text, "started", started);
    leat_done_put_head(w->copy, started);
    for (uint16_t i = 0; i < w->count; i++) {
        leat_done done;
        leat_done_next(&records, &done);
        say_token(w->text, &done.token);
        say_number(w->text, "end", done.end);
        say_number(w->text, "run_us", done.run_us);
        say_bytes(w->text, "result", done.result.data, done.result.size);
        leat_done_put(w->copy, &done);
    }
    return records.at == records.end ? LEAT_ERR_OK : LEAT_ERR_CORRUPT;
}

static leat_err
walk_acked(walk *w)
{
    leat_reader records;
    const leat_err err = leat_acked_open(w->body, w->size, w->count, &records);
    if (err != LEAT_ERR_OK)
        return err;
    for (uint16_t i = 0; i < w->count; i++) {
        leat_acked acked;
        leat_acked_next(&records, &acked);
        say_number(w->text, "sequence", acked.sequence);
        say_number(w->text, "code", acked.code);
        say_number(w->text, "exceptions", acked.exceptions);
        leat_acked_put(w->copy, &acked);
        for (uint16_t j = 0; j < acked.exceptions; j++) {
            leat_acked_exception exception;
            leat_acked_next_exception(&records, &exception);
            say_number(w->text, "id", exception.id);
            say_number(w->text, "attempt", exception.attempt);
            say_number(w->text, "code", exception.code);
            leat_acked_put_exception(w->copy, &exception);
        }
    }
    return records.at == records.end ? LEAT_ERR_OK : LEAT_ERR_CORRUPT;
}

static void
walk_completions(walk *w, leat_reader *records, const leat_items_run *run)
{
    say_number(w->text, "batch", run->batch);
    say_number(w->text, "first_position", run->first_position);
    say_number(w->text, "total", run->counters.total);
    say_number(w->text, "done", run->counters.done);
    say_number(w->text, "dead", run->counters.dead);
    say_number(w->text, "cancelled", run->counters.cancelled);
    say_number(w->text, "expired", run->counters.expired);
    say_number(w->text, "skipped", run->counters.skipped);
    say_number(w->text, "flags", run->flags);
    say_number(w->text, "workers", run->workers);
    leat_items_put_completions(w->copy, run->batch, run->first_position, &run->counters,
                               run->flags);
    leat_put_u16(w->copy, run->workers);
    const uint8_t *at = run->worker_names;
    for (uint16_t i = 0; i < run->workers; i++) {
        const leat_text name = {.data = (const char *)at + 1, .size = at[0]};
        say_text(w->text, "worker", name);
        leat_put_text8(w->copy, name);
        at += 1 + name.size;
    }
    say_number(w->text, "n", run->n);
    leat_put_u16(w->copy, run->n);
    for (uint16_t i = 0; i < run->n; i++) {
        leat_completion completion;
        leat_items_next_completion(records, &completion);
        say_number(w->text, "job", completion.job);
        say_number(w->text, "place", completion.place);
        say_number(w->text, "attempt", completion.attempt);
        say(w->text, "outcome %s\n", leat_outcome_name(completion.outcome));
        say_number(w->text, "worker", completion.worker);
        say_number(w->text, "ended_ms", completion.ended_ms);
        say_number(w->text, "run_us", completion.run_us);
        say_bytes(w->text, "result", completion.result.data, completion.result.size);
        leat_items_put_completion(w->copy, &completion);
    }
}

static void
walk_messages(walk *w, leat_reader *records, const leat_items_run *run)
{
    say_text(w->text, "channel", run->channel);
    say_number(w->text, "flags", run->flags);
    say_number(w->text, "n", run->n);
    const size_t at = leat_items_put_messages(w->copy, run->channel, run->flags);
    for (uint16_t i = 0; i < run->n; i++) {
        leat_message message;
        leat_items_next_message(records, &message);
        say_number(w->text, "id", message.id);
        say_number(w->text, "flags", message.flags);
        say_bytes(w->text, "payload", message.payload.data, message.payload.size);
        leat_items_put_message(w->copy, &message);
    }
    leat_items_set_messages(w->copy, at, run->n);
}

static leat_err
walk_items(walk *w)
{
    leat_reader records;
    const leat_err err = leat_items_open(w->body, w->size, w->count, &records);
    if (err != LEAT_ERR_OK)
        return err;
    for (uint16_t i = 0; i < w->count; i++) {
        leat_items_run run;
        leat_items_next_run(&records, &run);
        say_number(w->text, "kind", run.kind);
        if (run.kind == LEAT_ITEMS_COMPLETIONS)
            walk_completions(w, &records, &run);
        else
            walk_messages(w, &records, &run);
    }
    return records.at == records.end ? LEAT_ERR_OK : LEAT_ERR_CORRUPT;
}

static leat_err
walk_ack(walk *w)
{
    leat_reader records;
    const leat_err err = leat_ack_open(w->body, w->size, w->count, &records);
    if (err != LEAT_ERR_OK)
        return err;
    for (uint16_t i = 0; i < w->count; i++) {
        leat_ack ack;
        leat_ack_next(&records, &ack);
        say_number(w->text, "kind", ack.kind);
        say_number(w->text, ack.kind == LEAT_ACK_BATCH ? "batch" : "id", ack.id);
        if (ack.kind == LEAT_ACK_BATCH)
            say_number(w->text, "position", ack.position);
        leat_ack_put(w->copy, &ack);
    }
    return records.at == records.end ? LEAT_ERR_OK : LEAT_ERR_CORRUPT;
}

static leat_err
walk_tokens(walk *w)
{
    leat_reader records;
    const leat_err err = leat_tokens_open(w->command, w->body, w->size, w->count, &records);
    if (err != LEAT_ERR_OK)
        return err;
    for (uint16_t i = 0; i < w->count; i++) {
        leat_token_record record;
        leat_tokens_next(w->command, &records, &record);
        if (w->command != LEAT_CMD_END && w->command != LEAT_CMD_RECALL)
            say_token(w->text, &record.token);
        if (w->command == LEAT_CMD_STOP) {
            say_number(w->text, "reason", record.reason);
            say_number(w->text, "grace_ms", record.grace_ms);
        }
        if (w->command == LEAT_CMD_SNOOZE)
            say_number(w->text, "delay_ms", record.delay_ms);
        if (w->command == LEAT_CMD_CLAIM)
            say_number(w->text, "started", record.started);
        if (w->command == LEAT_CMD_END)
            say_number(w->text, "claims", record.claims);
        if (w->command == LEAT_CMD_RECALL)
            say_number(w->text, "items", record.items);
        leat_tokens_put(w->command, w->copy, &record);
    }
    return records.at == records.end ? LEAT_ERR_OK : LEAT_ERR_CORRUPT;
}

static void
say_teller(leat_buf *text, const leat_teller *teller)
{
    say_token(text, &teller->token);
    say_number(text, "batch", teller->batch);
    say_number(text, "place", teller->place);
    say_number(text, "gap", teller->gap);
}

static leat_err
walk_progress(walk *w)
{
    leat_reader records;
    const leat_err err = leat_progress_open(w->body, w->size, w->count, &records);
    if (err != LEAT_ERR_OK)
        return err;
    for (uint16_t i = 0; i < w->count; i++) {
        leat_progress progress;
        leat_progress_next(&records, &progress);
        say_teller(w->text, &progress.from);
        say_number(w->text, "done", progress.done);
        say_number(w->text, "of", progress.of);
        say_text(w->text, "text", progress.text);
        leat_progress_put(w->copy, &progress);
    }
    return records.at == records.end ? LEAT_ERR_OK : LEAT_ERR_CORRUPT;
}

static leat_err
walk_log(walk *w)
{
    leat_reader records;
    const leat_err err = leat_output_open(w->body, w->size, w->count, &records);
    if (err != LEAT_ERR_OK)
        return err;
    for (uint16_t i = 0; i < w->count; i++) {
        leat_output output;
        leat_output_next(&records, &output);
        say_teller(w->text, &output.from);
        say_number(w->text, "stream", output.stream);
        say_number(w->text, "offset", output.offset);
        say_bytes(w->text, "data", output.data.data, output.data.size);
        leat_output_put(w->copy, &output);
    }
    return records.at == records.end ? LEAT_ERR_OK : LEAT_ERR_CORRUPT;
}

static leat_err
walk_checkpoint(walk *w)
{
    leat_reader records;
    const leat_err err = leat_checkpoint_open(w->body, w->size, w->count, &records);
    if (err != LEAT_ERR_OK)
        return err;
    for (uint16_t i = 0; i < w->count; i++) {
        leat_checkpoint_record checkpoint;
        leat_checkpoint_next(&records, &checkpoint);
        say_token(w->text, &checkpoint.token);
        say_bytes(w->text, "data", checkpoint.data.data, checkpoint.data.size);
        leat_checkpoint_put(w->copy, &checkpoint);
    }
    return records.at == records.end ? LEAT_ERR_OK : LEAT_ERR_CORRUPT;
}

static leat_err
walk_select(walk *w)
{
    uint8_t flags;
    leat_reader records;
    const leat_err err = leat_select_open(w->body, w->size, w->count, &flags, &records);
    if (err != LEAT_ERR_OK)
        return err;
    say_number(w->text, "flags", flags);
    leat_select_put_head(w->copy, flags);
    for (uint16_t i = 0; i < w->count; i++) {
        leat_select_case one;
        leat_select_next(&records, &one);
        say_number(w->text, "kind", one.kind);
        say_text(w->text, "channel", one.channel);
        say_bytes(w->text, "payload", one.payload.data, one.payload.size);
        leat_select_put(w->copy, &one);
    }
    return records.at == records.end ? LEAT_ERR_OK : LEAT_ERR_CORRUPT;
}

static leat_err
walk_selected(walk *w)
{
    leat_reader records;
    const leat_err err = leat_selected_open(w->body, w->size, w->count, &records);
    if (err != LEAT_ERR_OK)
        return err;
    for (uint16_t i = 0; i < w->count; i++) {
        leat_selected selected;
        leat_selected_next(&records, &selected);
        say_number(w->text, "sequence", selected.sequence);
        say_number(w->text, "case", selected.index);
        say_number(w->text, "code", selected.code);
        say_number(w->text, "id", selected.id);
        say_number(w->text, "flags", selected.flags);
        say_bytes(w->text, "payload", selected.payload.data, selected.payload.size);
        say_text(w->text, "sentence", selected.sentence);
        leat_selected_put(w->copy, &selected);
    }
    return records.at == records.end ? LEAT_ERR_OK : LEAT_ERR_CORRUPT;
}

static leat_err
walk_withdraw(walk *w)
{
    leat_reader records;
    const leat_err err = leat_withdraw_open(w->body, w->size, w->count, &records);
    if (err != LEAT_ERR_OK)
        return err;
    for (uint16_t i = 0; i < w->count; i++) {
        leat_withdraw withdraw;
        leat_withdraw_next(&records, &withdraw);
        say_number(w->text, "kind", withdraw.kind);
        if (withdraw.kind == LEAT_WITHDRAW_SEQUENCE)
            say_number(w->text, "sequence", withdraw.sequence);
        else
            say_text(w->text, "channel", withdraw.channel);
        leat_withdraw_put(w->copy, &withdraw);
    }
    return records.at == records.end ? LEAT_ERR_OK : LEAT_ERR_CORRUPT;
}

static leat_err
walk_withdrawn(walk *w)
{
    leat_reader records;
    const leat_err err = leat_withdrawn_open(w->body, w->size, w->count, &records);
    if (err != LEAT_ERR_OK)
        return err;
    for (uint16_t i = 0; i < w->count; i++) {
        leat_withdrawn withdrawn;
        leat_withdrawn_next(&records, &withdrawn);
        say_text(w->text, "channel", withdrawn.channel);
        say_number(w->text, "served", withdrawn.served);
        leat_withdrawn_put(w->copy, &withdrawn);
    }
    return records.at == records.end ? LEAT_ERR_OK : LEAT_ERR_CORRUPT;
}

static leat_err
walk_cancel(walk *w)
{
    leat_reader records;
    const leat_err err = leat_cancel_open(w->body, w->size, w->count, &records);
    if (err != LEAT_ERR_OK)
        return err;
    for (uint16_t i = 0; i < w->count; i++) {
        const uint64_t id = leat_cancel_next(&records);
        say_number(w->text, "id", id);
        leat_cancel_put(w->copy, id);
    }
    return records.at == records.end ? LEAT_ERR_OK : LEAT_ERR_CORRUPT;
}

static leat_err
walk_heartbeat(walk *w)
{
    leat_heartbeat heartbeat;
    const leat_err err = leat_heartbeat_open(w->body, w->size, &heartbeat);
    if (err != LEAT_ERR_OK)
        return err;
    say_number(w->text, "started", heartbeat.started);
    say_number(w->text, "running", heartbeat.running);
    leat_heartbeat_put(w->copy, &heartbeat);
    return LEAT_ERR_OK;
}

static leat_err
walk_error(walk *w)
{
    leat_error_record error;
    const leat_err err = leat_error_open(w->body, w->size, &error);
    if (err != LEAT_ERR_OK)
        return err;
    say_number(w->text, "code", error.code);
    say_number(w->text, "sequence", error.sequence);
    say_text(w->text, "sentence", error.sentence);
    leat_error_put(w->copy, &error);
    return LEAT_ERR_OK;
}

static const struct {
    leat_command command;
    leat_err (*walk)(walk *w);
} walks[] = {
    {LEAT_CMD_HEARTBEAT,  walk_heartbeat },
    {LEAT_CMD_ERROR,      walk_error     },
    {LEAT_CMD_SEND,       walk_send      },
    {LEAT_CMD_SENT,       walk_sent      },
    {LEAT_CMD_CREDIT,     walk_credit    },
    {LEAT_CMD_JOBS,       walk_jobs      },
    {LEAT_CMD_DONE,       walk_done      },
    {LEAT_CMD_ACKED,      walk_acked     },
    {LEAT_CMD_ITEMS,      walk_items     },
    {LEAT_CMD_ACK,        walk_ack       },
    {LEAT_CMD_STOP,       walk_tokens    },
    {LEAT_CMD_RELEASE,    walk_tokens    },
    {LEAT_CMD_SNOOZE,     walk_tokens    },
    {LEAT_CMD_CLAIM,      walk_tokens    },
    {LEAT_CMD_END,        walk_tokens    },
    {LEAT_CMD_RECALL,     walk_tokens    },
    {LEAT_CMD_CANCEL,     walk_cancel    },
    {LEAT_CMD_SELECT,     walk_select    },
    {LEAT_CMD_SELECTED,   walk_selected  },
    {LEAT_CMD_WITHDRAW,   walk_withdraw  },
    {LEAT_CMD_WITHDRAWN,  walk_withdrawn },
    {LEAT_CMD_PROGRESS,   walk_progress  },
    {LEAT_CMD_LOG,        walk_log       },
    {LEAT_CMD_CHECKPOINT, walk_checkpoint},
};

leat_err
leat_transcript_body(leat_command command,
                     uint16_t count,
                     const uint8_t *body,
                     size_t size,
                     leat_buf *text,
                     leat_buf *copy)
{
    walk w = {command, count, body, size, text, copy};
    for (size_t i = 0; i < sizeof walks / sizeof *walks; i++)
        if (walks[i].command == command)
            return walks[i].walk(&w);
    return LEAT_ERR_UNSUPPORTED;
}

/* ---------------------------------------------------------------------------------------- JSON */

static leat_err
walk_hello(
    const uint8_t *body, size_t size, const leat_frame *frame, leat_buf *text, leat_buf *copy)
{
    static leat_hello hello;
    char why[128];
    const leat_err err = leat_hello_decode(body, size, &hello, why);
    if (err != LEAT_ERR_OK)
        return err;
    say(text, "role %s\n", leat_role_name(hello.role));
    char session[33];
    leat_session_id_format(&hello.session, session);
    say(text, "session %s\n", session);
    say(text, "resume %s\n", hello.resume ? "true" : "false");
    say_number(text, "connection", hello.connection);
    say_number(text, "floor", hello.floor);
    say_text(text, "software", leat_text_of(hello.software));
    say_text(text, "name", leat_text_of(hello.name));
    say_text(text, "host", leat_text_of(hello.host));
    say_number(text, "pid", (uint64_t)hello.pid);
    say_number(text, "slots", hello.slots);
    for (uint32_t i = 0; i < hello.handler_count; i++) {
        say_text(text, "handler", leat_text_of(hello.handlers[i].name));
        say(text, "runs %s\n", leat_runs_name(hello.handlers[i].runs));
    }
    for (uint32_t i = 0; i < hello.channel_count; i++)
        say_text(text, "channel", leat_text_of(hello.channels[i]));
    for (uint32_t i = 0; i < hello.trait_count; i++) {
        say_text(text, "trait", leat_text_of(hello.traits[i].name));
        say_text(text, "value", leat_text_of(hello.traits[i].value));
    }
    for (uint32_t i = 0; i < hello.have_count; i++) {
        say_text(text, "have", leat_text_of(hello.haves[i].name));
        say_number(text, "amount", hello.haves[i].amount);
    }
    leat_hello_put(copy, &hello, frame->seen);
    return LEAT_ERR_OK;
}

static leat_err
walk_welcome(
    const uint8_t *body, size_t size, const leat_frame *frame, leat_buf *text, leat_buf *copy)
{
    leat_welcome welcome;
    char why[128];
    const leat_err err = leat_welcome_decode(body, size, &welcome, why);
    if (err != LEAT_ERR_OK)
        return err;
    say(text, "broker %s\n", welcome.broker);
    say_number(text, "epoch", welcome.epoch);
    say(text, "resumed %s\n", welcome.resumed ? "true" : "false");
    say_text(text, "software", leat_text_of(welcome.software));
    say_number(text, "heartbeat_busy_ms", (uint64_t)welcome.heartbeat_busy_ms);
    say_number(text, "heartbeat_idle_ms", (uint64_t)welcome.heartbeat_idle_ms);
    say_number(text, "lost_ms", (uint64_t)welcome.lost_ms);
    say_number(text, "frame_bytes_max", welcome.frame_bytes_max);
    say_number(text, "payload_bytes_max", welcome.payload_bytes_max);
    say_number(text, "window_frames", welcome.window_frames);
    leat_welcome_put(copy, &welcome, frame->sequence, frame->seen);
    return LEAT_ERR_OK;
}

/* QUERY, COMMAND, REPLY: told as they stand. */
static leat_err
walk_json(const uint8_t *body, size_t size, leat_buf *text, leat_buf *copy)
{
    cJSON *json = NULL;
    char why[128];
    const leat_err err = leat_json_parse(body, size, &json, why);
    if (err != LEAT_ERR_OK)
        return err;
    if (text != NULL) {
        say(text, "json ");
        leat_put_bytes(text, body, size);
        say(text, "\n");
    }
    leat_json_put(copy, json);
    cJSON_Delete(json);
    return LEAT_ERR_OK;
}

static bool
is_json(leat_command command)
{
    return command == LEAT_CMD_QUERY || command == LEAT_CMD_COMMAND || command == LEAT_CMD_REPLY;
}

leat_err
leat_transcript(const uint8_t *data, size_t size, leat_side from, leat_buf *text, leat_buf *copy)
{
    leat_frame frame;
    leat_err err = leat_frame_decode(data, size, from, &frame);
    if (err != LEAT_ERR_OK)
        return err;
    say(text, "command %s\n", leat_command_name(frame.command));
    say_number(text, "count", frame.count);
    say_number(text, "shard", frame.shard);
    say_number(text, "sequence", frame.sequence);
    say_number(text, "seen", frame.seen);

    const uint8_t *const body = data + LEAT_FRAME_BYTES;
    const size_t body_size = size - LEAT_FRAME_BYTES;
    if (frame.command == LEAT_CMD_HELLO)
        return walk_hello(body, body_size, &frame, text, copy);
    if (frame.command == LEAT_CMD_WELCOME)
        return walk_welcome(body, body_size, &frame, text, copy);

    const size_t at = copy->size;
    leat_frame_begin(copy, frame.command);
    if (is_json(frame.command))
        err = walk_json(body, body_size, text, copy);
    else if (frame.command != LEAT_CMD_BYE)
        err = leat_transcript_body(frame.command, frame.count, body, body_size, text, copy);
    leat_frame_finish(copy, at, frame.count, frame.sequence);
    if (err == LEAT_ERR_OK && !copy->failed)
        leat_frame_set_seen(copy->data + at, frame.seen);
    return err;
}
