/* The oracle: what leaves the broker, and whether it agrees with the mirror of the store and with
 * what the peers have said. */
#include <inttypes.h>
#include <stdlib.h>

#include "broker/core/state.h"
#include "tests/sim/sim.h"

/* ---------------------------------------------------------------------------------- answers */

static void
note_answer(sim *s, const sim_peer *peer, sim_said *said, const void *record, size_t size)
{
    const uint64_t hash = sim_hash(7, record, size);
    /* What only memory knew is decided anew after a restart; else the same answer comes again. */
    if ((said->arrived || said->accepted) && said->hash != hash)
        sim_fail(s, "peer %u: another answer to %" PRIu64 " than before", peer->index,
                 said->sequence);
    said->answered = true;
    said->hash = hash;
    s->figures.answers++;
}

static sim_said *
must_said(sim *s, sim_peer *peer, uint64_t sequence)
{
    sim_said *const said = sim_peer_said(peer, sequence);
    if (said == NULL || !said->read)
        sim_fail(s, "peer %u: an answer to %" PRIu64 ", which was not said", peer->index, sequence);
    return said;
}

bool
sim_job_is_of(const sim_job *job, uint32_t op)
{
    return job != NULL && job->origin == SIM_SENT && job->op == op;
}

/* The SEND has joined a job that was there: is that one of its key? */
static bool
has_joined(sim *s, const sim_said *said, const leat_sent *sent)
{
    const sim_op *const op = &s->ops[said->op];
    const sim_job *const job = sim_job_find(s, sent->first_id);
    if (op->settings.unique.size == 0 || sim_job_is_of(job, said->op))
        return false;
    if (job == NULL || job->unique == 0 || job->channel != op->channel)
        sim_fail(s, "op %u has joined %" PRIu64 ", which has no unique key", said->op,
                 sent->first_id);
    if (op->ids[0] != 0 && sim_job_find(s, op->ids[0])->life == s->life)
        sim_fail(s, "op %u has joined %" PRIu64 ", and is in the store", said->op, sent->first_id);
    if (job->ended && job->unique_for_ms == 0 && op->channel->durability == SIM_DISK &&
        !job->joined)
        sim_fail(s, "op %u has joined %" PRIu64 ", which had ended", said->op, sent->first_id);
    return true;
}

static void
out_sent(sim *s, sim_peer *peer, leat_reader *records)
{
    const uint8_t *const start = records->at;
    leat_sent sent;
    leat_sent_next(records, &sent);
    sim_said *const said = must_said(s, peer, sent.sequence);
    const sim_op *const op = &s->ops[said->op];
    note_answer(s, peer, said, start, (size_t)(records->at - start));
    if (sent.accepted == 0 && sent.code != LEAT_ERR_OK)
        return;
    if (sent.accepted > op->n || (sent.code == LEAT_ERR_OK && sent.accepted != op->n))
        sim_fail(s, "op %u: %u of %u accepted, code %u", said->op, sent.accepted, op->n, sent.code);
    said->accepted = op->channel->durability == SIM_DISK;
    if (has_joined(s, said, &sent))
        return;
    for (uint32_t i = 0; i < sent.accepted; i++) {
        const sim_job *const job = op->ids[i] == 0 ? NULL : sim_job_find(s, op->ids[i]);
        if (job == NULL || (op->ids[i] != sent.first_id + i && !job->retry))
            sim_fail(s, "op %u.%u is answered ok with id %" PRIu64 ", the store has %" PRIu64,
                     said->op, i, sent.first_id + i, op->ids[i]);
        if (op->channel->capacity == 0 && job->fresh && job->channel->durability == SIM_DISK &&
            !job->channel->messages && job->attempt_durable == 0 && !job->ended)
            sim_fail(s, "op %u.%u is answered ok by a rendezvous, and nobody has it", said->op, i);
    }
    for (uint32_t i = sent.accepted; i < op->n; i++) {
        if (op->ids[i] != 0 && op->channel->durability == SIM_DISK)
            sim_fail(s, "op %u.%u is in the store, and only %u are said to be", said->op, i,
                     sent.accepted);
    }
}

static void
out_selected(sim *s, sim_peer *peer, leat_reader *records)
{
    const uint8_t *const start = records->at;
    leat_selected selected;
    leat_selected_next(records, &selected);
    sim_said *const said = must_said(s, peer, selected.sequence);
    const sim_op *const op = &s->ops[said->op];
    note_answer(s, peer, said, start, (size_t)(records->at - start));
    const bool ok = selected.code == LEAT_ERR_OK;
    if (ok && selected.index >= op->n)
        sim_fail(s, "select %u: case %u of %u", said->op, selected.index, op->n);
    const bool sends = ok && (op->sends >> selected.index & 1U) != 0;
    for (uint32_t i = 0; i < op->n; i++) {
        const sim_job *const job = op->ids[i] == 0 ? NULL : sim_job_find(s, op->ids[i]);
        if (job == NULL || sim_job_is_lost(s, job))
            continue;
        if (!sends || i != selected.index)
            sim_fail(s,
                     "select %u: case %u (code %u) is said to have happened, and %u is in the "
                     "store",
                     said->op, selected.index, selected.code, i);
    }
    if (sends && op->ids[selected.index] != selected.id)
        sim_fail(s, "select %u has sent %" PRIu64 ", the store has %" PRIu64, said->op, selected.id,
                 op->ids[selected.index]);
    if (sends)
        said->accepted = op->cases[selected.index]->durability == SIM_DISK;
    s->figures.selects++;
    if (!ok || sends)
        return;
    sim_job *const job = sim_job_find(s, selected.id);
    if (job == NULL || job->channel != op->cases[selected.index] || job->ended ||
        sim_job_is_lost(s, job))
        sim_fail(s, "select %u has received %" PRIu64 ", which cannot be", said->op, selected.id);
    if (sim_hash(5, selected.payload.data, selected.payload.size) != job->payload_hash)
        sim_fail(s, "message %" PRIu64 " is given out with another payload", job->id);
    if (job->out_life == s->life && (selected.flags & LEAT_ITEM_AGAIN) == 0 &&
        (job->reader != peer || job->reader_route != peer->route))
        sim_fail(s, "message %" PRIu64 " comes again to select %u and does not say so", job->id,
                 said->op);
    job->out_life = s->life;
    job->reader = peer;
    job->reader_route = peer->route;
}

/* It may have been ended by force: it was told to stop, and has not answered for so long. */
static bool
may_be_forced(const sim *s, const sim_job *job, uint32_t attempt)
{
    /* The store does not say, or not yet. */
    if (job->channel->durability == SIM_MEMORY ||
        (s->disk->count > 0 && job->stop_attempt != attempt))
        return job->run_limit_ms > 0 || job->cancels_asked > 0 ||
               sim_batch_of(s, job->batch) == NULL || sim_batch_of(s, job->batch)->cancel_asked ||
               sim_batch_of(s, job->batch)->may_halt || job->joined;
    if (job->stop_attempt != attempt)
        return (job->stopped >> (attempt % 64) & 1U) != 0;
    return job->stop_attempt != 0 &&
           s->now.mono_ms >= job->stop_mono + (int64_t)job->grace_ms + LEAT_STOP_MARGIN_MS;
}

/* A frame may be lost on the way and come again behind the end of its job: then it is late. */
static bool
is_late(const sim_peer *peer, const sim_report *report)
{
    for (size_t i = 0; i < peer->hold_count; i++) {
        if (peer->holds[i].token.id == report->token.id &&
            peer->holds[i].token.attempt == report->token.attempt)
            return false;
    }
    return report->command == LEAT_CMD_CHECKPOINT;
}

static void
check_report(sim *s, const sim_peer *peer, const sim_report *report, bool stale)
{
    const sim_job *const job = sim_job_find(s, report->token.id);
    if (job == NULL)
        sim_fail(s, "phantom: an answer for job %" PRIu64, report->token.id);
    if (stale && report->trusted && !is_late(peer, report) &&
        !may_be_forced(s, job, report->token.attempt))
        sim_fail(s, "job %" PRIu64 ".%u is STALE, and worker %u has held it all the time", job->id,
                 report->token.attempt, peer->index);
    if (!stale && report->command == LEAT_CMD_CHECKPOINT)
        sim_told_acked(s, report);
    if (stale || report->command != LEAT_CMD_DONE || report->end == LEAT_END_FAILED ||
        job->recovers != 0)
        return;
    if (!job->ended || job->ended_attempt != report->token.attempt)
        sim_fail(s,
                 "job %" PRIu64 ".%u is acknowledged, its end is not in the store, but %s %u of %s",
                 job->id, report->token.attempt, leat_state_name(job->state), job->ended_attempt,
                 job->channel->name);
}

/* A cancelled job has ended, or was told to stop, or is another batch's too. */
static void
check_cancelled(sim *s, const sim_said *said, const bool *exception)
{
    for (unsigned i = 0; i < said->cancel_count; i++) {
        const sim_job *const job = sim_job_find(s, said->cancels[i]);
        const sim_job *const dead =
            job == NULL || job->recovers == 0 ? NULL : sim_job_find(s, job->recovers);
        if (dead != NULL && dead->joined)
            continue;
        if (exception[i] || job == NULL || job->ended || job->joined || said->arrived ||
            said->accepted || job->channel->durability == SIM_MEMORY)
            continue;
        if (job->state != LEAT_STATE_STOPPING)
            sim_fail(s, "job %" PRIu64 " is said to be cancelled, and is %s", job->id,
                     leat_state_name(job->state));
    }
}

static void
out_acked(sim *s, sim_peer *peer, leat_reader *records)
{
    const uint8_t *const start = records->at;
    leat_acked acked;
    leat_acked_next(records, &acked);
    sim_said *const said = must_said(s, peer, acked.sequence);
    bool stale[SIM_HELD_MAX] = {false};
    bool late[4] = {false};
    bool message_stale = false;
    for (unsigned e = 0; e < acked.exceptions; e++) {
        leat_acked_exception exception;
        leat_acked_next_exception(records, &exception);
        s->figures.stale++;
        message_stale = true;
        for (unsigned i = 0; i < said->report_count; i++)
            stale[i] |= said->reports[i].token.id == exception.id &&
                        said->reports[i].token.attempt == exception.attempt;
        for (unsigned i = 0; i < said->cancel_count; i++)
            late[i] |= said->cancels[i] == exception.id;
    }
    check_cancelled(s, said, late);
    note_answer(s, peer, said, start, (size_t)(records->at - start));
    if (said->cancel_count > 0)
        said->accepted = true;
    for (unsigned i = 0; i < said->report_count; i++)
        check_report(s, peer, &said->reports[i], stale[i]);
    if (said->message != 0 && !message_stale) {
        sim_job *const job = sim_job_find(s, said->message);
        if (job == NULL)
            sim_fail(s, "phantom: message %" PRIu64 " is acknowledged", said->message);
        if (!job->ended && !sim_job_is_lost(s, job) && job->channel->durability == SIM_DISK)
            sim_fail(s, "message %" PRIu64 " is acknowledged, and is alive in the store", job->id);
        if (!job->ended)
            sim_job_ends(s, job);
        job->ended = true;
    }
}

/* ---------------------------------------------------------------------------------- items */

static void
out_job(sim *s, const sim_peer *peer, const leat_jobs_run *run, const leat_jobs_job *record)
{
    sim_job *const job = sim_job_find(s, record->id);
    if (job == NULL)
        sim_fail(s, "phantom: JOBS has %" PRIu64 ", which is in no store", record->id);
    const bool disk = job->channel->durability == SIM_DISK;
    if (sim_hash(5, record->payload.data, record->payload.size) != job->payload_hash)
        sim_fail(s, "job %" PRIu64 " is given out with another payload", job->id);
    const bool alone = !job->joined && (disk || job->unique == 0); /* nobody else has it too */
    if (job->recovers == 0 && (record->place != job->place || run->batch != job->batch) && alone)
        sim_fail(s, "job %" PRIu64 " is given out as %" PRIu64 ".%u", job->id, run->batch,
                 record->place);
    if (run->run_limit_ms != job->run_limit_ms)
        sim_fail(s, "job %" PRIu64 " is given out with another run limit", job->id);
    if (sim_job_is_lost(s, job))
        sim_fail(s, "job %" PRIu64 " was in memory only and is given out", job->id);
    if (job->ended)
        sim_fail(s, "job %" PRIu64 " has ended and is given out", job->id);
    if (record->attempt <= job->attempt_out)
        sim_fail(s, "job %" PRIu64 ": attempt %u leaves after %u", job->id, record->attempt,
                 job->attempt_out);
    if (disk && record->attempt != job->attempt_durable)
        sim_fail(s, "job %" PRIu64 ": attempt %u leaves, the store has %u", job->id,
                 record->attempt, job->attempt_durable);
    if (!disk && job->attempt_out == 0 && job->due_wall > s->now.wall_ms &&
        s->now.wall_ms == s->high_wall)
        sim_fail(s, "job %" PRIu64 " leaves %" PRId64 " ms early", job->id,
                 job->due_wall - s->now.wall_ms);
    if (job->holder != NULL) {
        for (size_t i = 0; i < job->holder->hold_count; i++) {
            const sim_hold *const hold = &job->holder->holds[i];
            if (hold->token.id == job->id && hold->token.attempt == job->holder_attempt &&
                hold->trusted && sim_peer_is_steady(s, job->holder) &&
                !may_be_forced(s, job, hold->token.attempt))
                sim_fail(s, "job %" PRIu64 " is given to worker %u while %u has it", job->id,
                         peer->index, job->holder->index);
        }
    }
    sim_told_job(s, job, record);
    job->attempt_out = record->attempt;
}

static void
out_jobs(sim *s, const sim_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_jobs_head head;
    leat_reader records;
    if (leat_jobs_open(body, size, frame->count, &head, &records) != LEAT_ERR_OK)
        sim_fail(s, "a JOBS frame that cannot be read");
    for (unsigned r = 0; r < frame->count; r++) {
        leat_jobs_run run;
        leat_jobs_next_run(&records, &run);
        for (unsigned i = 0; i < run.jobs; i++) {
            leat_jobs_job record;
            leat_jobs_next_job(&records, &run, &record);
            out_job(s, peer, &run, &record);
        }
    }
}

static void
out_message(sim *s, sim_peer *peer, const leat_message *message)
{
    sim_job *const job = sim_job_find(s, message->id);
    if (job == NULL)
        sim_fail(s, "phantom: message %" PRIu64 " is in no store", message->id);
    if (job->ended)
        sim_fail(s, "message %" PRIu64 " was acknowledged and is given out again", job->id);
    if (sim_job_is_lost(s, job))
        sim_fail(s, "message %" PRIu64 " was in memory only and is given out", job->id);
    if (sim_hash(5, message->payload.data, message->payload.size) != job->payload_hash)
        sim_fail(s, "message %" PRIu64 " is given out with another payload", job->id);
    if (job->out_life == s->life && (message->flags & LEAT_ITEM_AGAIN) == 0)
        sim_fail(s, "message %" PRIu64 " comes again to %u and does not say so", job->id,
                 peer->index);
    if (job->reader != NULL && job->out_life == s->life &&
        job->reader->route == job->reader_route && job->reader->broken_ms == 0 &&
        job->reader->shaky_ms == 0)
        sim_fail(s, "message %" PRIu64 " is given to %u while %u has it", job->id, peer->index,
                 job->reader->index);
    sim_recv *const recv = &peer->recv[sim_channel_index(job->channel)];
    recv->out++;
    if (s->options.verbose)
        sim_note(s, "message %" PRIu64 " of %s leaves for %u, its number %" PRIu64, job->id,
                 job->channel->name, peer->index, recv->out);
    if (recv->withdrawn)
        sim_fail(s, "message %" PRIu64 " leaves for %u, which has withdrawn", job->id, peer->index);
    if (job->channel->capacity != SIM_UNLIMITED && recv->out > recv->asked_read)
        sim_fail(s, "peer %u has begun %" PRIu64 " receives in \"%s\", and gets %" PRIu64,
                 peer->index, recv->asked_read, job->channel->name, recv->out);
    job->out_life = s->life;
    job->reader = peer;
    job->reader_route = peer->route;
}

static void
out_completion(sim *s, const leat_items_run *run, unsigned i, const leat_completion *completion)
{
    const sim_batch *const batch = sim_batch_of(s, run->batch);
    const uint64_t position = run->first_position + i;
    if (batch == NULL || position > batch->end ||
        batch->ends[position - 1].job != completion->job ||
        batch->ends[position - 1].hash != sim_hash_of(completion, true))
        sim_fail(
            s, "batch %" PRIu64 ", position %" PRIu64 ": job %" PRIu64 " is not what the store has",
            run->batch, position, completion->job);
}

static void
out_items(sim *s, sim_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    if (leat_items_open(body, size, frame->count, &records) != LEAT_ERR_OK)
        sim_fail(s, "an ITEMS frame that cannot be read");
    for (unsigned r = 0; r < frame->count; r++) {
        leat_items_run run;
        leat_items_next_run(&records, &run);
        if (run.kind == LEAT_ITEMS_MESSAGES && (run.flags & LEAT_ITEMS_CLOSED) != 0 &&
            !s->close_asked[sim_channel_index(sim_channel_of(s, run.channel))])
            sim_fail(s, "peer %u is told that a channel is closed, which nobody has closed",
                     peer->index);
        for (unsigned i = 0; i < run.n; i++) {
            leat_message message;
            leat_completion completion;
            if (run.kind == LEAT_ITEMS_MESSAGES) {
                leat_items_next_message(&records, &message);
                out_message(s, peer, &message);
                continue;
            }
            leat_items_next_completion(&records, &completion);
            out_completion(s, &run, i, &completion);
        }
    }
}

static void
out_withdrawn(sim *s, sim_peer *peer, leat_reader *records)
{
    leat_withdrawn withdrawn;
    leat_withdrawn_next(records, &withdrawn);
    sim_recv *const recv = &peer->recv[sim_channel_index(sim_channel_of(s, withdrawn.channel))];
    if (withdrawn.served != recv->out)
        sim_fail(s, "peer %u is told of %" PRIu64 " messages from \"%.*s\", %" PRIu64 " have left",
                 peer->index, withdrawn.served, (int)withdrawn.channel.size, withdrawn.channel.data,
                 recv->out);
    recv->withdrawn = true;
    s->figures.withdrawn++;
}

static void
out_reply(sim *s, sim_peer *peer, const uint8_t *body, size_t size)
{
    char why[128];
    cJSON *json;
    uint64_t sequence;
    if (leat_json_parse(body, size, &json, why) != LEAT_ERR_OK)
        sim_fail(s, "a reply that cannot be read: %s", why);
    if (leat_json_u64(json, "sequence", &sequence)) {
        sim_said *const said = must_said(s, peer, sequence);
        note_answer(s, peer, said, body, size);
        if (cJSON_GetObjectItemCaseSensitive(json, "result") != NULL)
            said->accepted = true;
    }
    cJSON_Delete(json);
}

typedef void answer_fn(sim *s, sim_peer *peer, leat_reader *records);

static void
out_answers(sim *s,
            sim_peer *peer,
            const leat_frame *frame,
            leat_err (*open)(const uint8_t *, size_t, uint16_t, leat_reader *),
            answer_fn *next,
            const uint8_t *body,
            size_t size)
{
    leat_reader records;
    if (open(body, size, frame->count, &records) != LEAT_ERR_OK)
        sim_fail(s, "a frame of answers that cannot be read");
    for (unsigned i = 0; i < frame->count; i++)
        next(s, peer, &records);
}

void
sim_oracle_out(sim *s, sim_peer *peer, const leat_buf *buf)
{
    leat_frame frame;
    if (leat_frame_decode(buf->data, buf->size, LEAT_SIDE_BROKER, &frame) != LEAT_ERR_OK)
        sim_fail(s, "a frame that cannot be read leaves");
    const uint8_t *const body = buf->data + LEAT_FRAME_BYTES;
    const size_t size = buf->size - LEAT_FRAME_BYTES;
    if (frame.command == LEAT_CMD_SENT)
        out_answers(s, peer, &frame, leat_sent_open, out_sent, body, size);
    else if (frame.command == LEAT_CMD_ACKED)
        out_answers(s, peer, &frame, leat_acked_open, out_acked, body, size);
    else if (frame.command == LEAT_CMD_SELECTED)
        out_answers(s, peer, &frame, leat_selected_open, out_selected, body, size);
    else if (frame.command == LEAT_CMD_WITHDRAWN)
        out_answers(s, peer, &frame, leat_withdrawn_open, out_withdrawn, body, size);
    else if (frame.command == LEAT_CMD_JOBS)
        out_jobs(s, peer, &frame, body, size);
    else if (frame.command == LEAT_CMD_ITEMS)
        out_items(s, peer, &frame, body, size);
    else if (frame.command == LEAT_CMD_PROGRESS || frame.command == LEAT_CMD_LOG)
        sim_told_out(s, peer, &frame, body, size);
    else if (frame.command == LEAT_CMD_REPLY)
        out_reply(s, peer, body, size);
    if (frame.sequence == 0)
        return;
    if (frame.command == LEAT_CMD_WELCOME)
        peer->core_seen = frame.sequence - 1;
    else if (frame.sequence != peer->core_out + 1)
        sim_fail(s, "peer %u: frame %" PRIu64 " after %" PRIu64, peer->index, frame.sequence,
                 peer->core_out);
    peer->core_out = frame.sequence;
    if (peer->core_out - peer->core_seen > LEAT_OUT_FRAMES)
        sim_fail(s, "peer %u: %" PRIu64 " frames on their way", peer->index,
                 peer->core_out - peer->core_seen);
}

/* ---------------------------------------------------------------------------------- arriving */

void
sim_oracle_read(sim *s, const sim_peer *peer, sim_said *said)
{
    (void)peer;
    said->read = true;
    if (said->command == LEAT_CMD_SEND && said->seals)
        s->ops[said->op].sealing = true;
    sim_batch *const batch = said->verb == SIM_VERB_SEAL ? sim_batch_of(s, said->batch) : NULL;
    if (batch != NULL)
        batch->may_be_sealed = true;
}

void
sim_oracle_credit(sim *s, sim_peer *peer, const leat_buf *frame)
{
    leat_reader records;
    const uint16_t count = leat_load_u16(frame->data + 4);
    if (leat_credit_open(frame->data + LEAT_FRAME_BYTES, frame->size - LEAT_FRAME_BYTES, count,
                         &records) != LEAT_ERR_OK)
        sim_fail(s, "a CREDIT of ours that cannot be read");
    for (uint16_t i = 0; i < count; i++) {
        leat_credit credit;
        leat_credit_next(&records, &credit);
        if (credit.kind != LEAT_CREDIT_RECV)
            continue;
        sim_recv *const recv = &peer->recv[sim_channel_index(sim_channel_of(s, credit.channel))];
        if (credit.receives > recv->asked_read)
            recv->asked_read = credit.receives;
        recv->withdrawn = false;
    }
}

/* ---------------------------------------------------------------------------------- the end */

static bool
is_left(const sim *s, const sim_job *job)
{
    return !sim_job_is_lost(s, job) &&
           (job->channel->durability == SIM_DISK || !job->channel->messages);
}

static bool
is_short(const sim *s, const sim_batch *batch)
{
    return batch->durability == SIM_DISK && batch->end < batch->accepted && s->life > 0;
}

bool
sim_oracle_is_done(sim *s)
{
    for (uint32_t i = 0; i < s->op_count; i++) {
        if (s->ops[i].status == SIM_OP_OPEN)
            return false;
    }
    for (size_t i = 0; i < s->live_count; i++) {
        if (is_left(s, s->live[i]))
            return false;
    }
    for (size_t i = 0; i < s->batch_count; i++) {
        if (is_short(s, s->batch_list[i]))
            return false;
    }
    for (unsigned i = 0; i < s->peer_count; i++) {
        const sim_peer *const peer = &s->peers[i];
        if (peer->hold_count > 0)
            return false;
        for (unsigned w = 0; w < peer->wait_count; w++) {
            const sim_batch *const batch = sim_batch_of(s, peer->waits[w].batch);
            if (!peer->waits[w].over && batch != NULL && (batch->sealed || batch->accepted == 0))
                return false;
        }
    }
    return true;
}

/* Everything should have ended, and has not: say what. */
void
sim_oracle_end(sim *s)
{
    if (sim_oracle_is_done(s))
        return;
    for (uint32_t i = 0; i < s->op_count; i++) {
        if (s->ops[i].status == SIM_OP_OPEN)
            sim_note(s, "op %u is still not answered", i);
    }
    for (size_t i = 0; i < s->live_count; i++) {
        const sim_job *const job = s->live[i];
        if (is_left(s, job))
            sim_note(s, "%" PRIu64 " (op %d, %s) is still %s: attempt %u, out %u", job->id,
                     (int)job->op, job->channel->name, leat_state_name(job->state),
                     job->attempt_durable, job->attempt_out);
    }
    for (size_t i = 0; i < s->batch_count; i++) {
        if (is_short(s, s->batch_list[i]))
            sim_note(s, "batch %" PRIu64 " has %" PRIu64 " completions of %" PRIu64,
                     s->batch_list[i]->id, s->batch_list[i]->end, s->batch_list[i]->accepted);
    }
    for (unsigned i = 0; i < s->peer_count; i++) {
        const sim_peer *const peer = &s->peers[i];
        if (peer->hold_count > 0)
            sim_note(s, "worker %u still holds %zu", i, peer->hold_count);
        for (unsigned w = 0; w < peer->wait_count; w++) {
            if (!peer->waits[w].over)
                sim_note(s, "peer %u still waits for %" PRIu64 " at %" PRIu64 " (state %d)", i,
                         peer->waits[w].batch, peer->waits[w].position, (int)peer->state);
        }
    }
    sim_audit_tell(s);
    sim_fail(s, "not everything has ended");
}
