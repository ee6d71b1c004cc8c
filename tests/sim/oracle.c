/* The oracle: what was sent, what became durable, what left the broker; and whether these agree. */
#include <inttypes.h>
#include <stdlib.h>

#include "broker/core/state.h"
#include "broker/store/memory.h"
#include "broker/store/turn.h"
#include "tests/sim/sim.h"

static const char poison[] = "its worker died each time while it ran";

/* ---------------------------------------------------------------------------------- tables */

static size_t
slot_of(const sim *s, uint64_t id)
{
    size_t i = (size_t)(id * 0x9e3779b97f4a7c15ULL >> 40) % s->job_slots;
    while (s->jobs[i].id != 0 && s->jobs[i].id != id)
        i = (i + 1) % s->job_slots;
    return i;
}

sim_job *
sim_job_find(sim *s, uint64_t id)
{
    if (s->job_slots == 0)
        return NULL;
    sim_job *const job = &s->jobs[slot_of(s, id)];
    return job->id == 0 ? NULL : job;
}

static sim_job *
add_job(sim *s, uint64_t id)
{
    if ((s->job_count + 1) * 2 > s->job_slots) {
        sim_job *const old = s->jobs;
        const size_t slots = s->job_slots;
        s->job_slots = slots == 0 ? 4096 : slots * 2;
        s->jobs = calloc(s->job_slots, sizeof *s->jobs);
        if (s->jobs == NULL)
            abort();
        for (size_t i = 0; i < slots; i++) {
            if (old[i].id != 0)
                s->jobs[slot_of(s, old[i].id)] = old[i];
        }
        free(old);
    }
    sim_job *const job = &s->jobs[slot_of(s, id)];
    job->id = id;
    s->job_count++;
    return job;
}

static sim_job *
must_job(sim *s, uint64_t id, const char *where)
{
    sim_job *const job = sim_job_find(s, id);
    if (job == NULL)
        sim_fail(s, "phantom: %s names job %" PRIu64 ", which is in no store", where, id);
    return job;
}

sim_batch *
sim_batch_of(sim *s, uint64_t id)
{
    for (size_t i = s->batch_count; i > 0; i--) {
        if (s->batches[i - 1].id == id)
            return &s->batches[i - 1];
    }
    return NULL;
}

static sim_batch *
ensure_batch(sim *s, uint64_t id, sim_durability durability)
{
    sim_batch *batch = sim_batch_of(s, id);
    if (batch != NULL)
        return batch;
    if (s->batch_count == s->batch_capacity) {
        s->batch_capacity = s->batch_capacity == 0 ? 256 : s->batch_capacity * 2;
        s->batches = realloc(s->batches, s->batch_capacity * sizeof *s->batches);
        if (s->batches == NULL)
            abort();
    }
    batch = &s->batches[s->batch_count++];
    *batch = (sim_batch){.id = id, .durability = durability, .life = s->life};
    return batch;
}

static bool
is_lost(const sim *s, const sim_job *job)
{
    return s->ops[job->op].channel->durability == SIM_MEMORY && job->life < s->life;
}

static uint64_t
hash_of(const leat_completion *c)
{
    uint64_t hash = sim_hash(1, &c->job, sizeof c->job);
    hash = sim_hash(hash, &c->attempt, sizeof c->attempt);
    hash = sim_hash(hash, &c->outcome, sizeof c->outcome);
    return sim_hash(hash, c->result.data, c->result.size);
}

/* ---------------------------------------------------------------------------------- durable */

static void
born(sim *s, uint64_t id, const leat_pack_job *record)
{
    if (record->payload_bytes < 8)
        sim_fail(s, "phantom: record %" PRIu64 " has a payload that nobody sent", id);
    const uint32_t number = leat_load_u32(record->payload);
    const uint32_t index = leat_load_u32(record->payload + 4);
    if (number >= s->op_count || index >= s->ops[number].n)
        sim_fail(s, "phantom: record %" PRIu64 " has a payload that nobody sent", id);
    sim_op *const op = &s->ops[number];
    if (op->status == SIM_OP_REFUSED)
        sim_fail(s, "op %u was refused, and is in the store as %" PRIu64, number, id);
    if (sim_job_find(s, id) != NULL)
        sim_fail(s, "id %" PRIu64 " was used before", id);
    const sim_job *const before = op->ids[index] == 0 ? NULL : sim_job_find(s, op->ids[index]);
    if (before != NULL && !is_lost(s, before))
        sim_fail(s, "op %u.%u is in the store twice: %" PRIu64 " and %" PRIu64, number, index,
                 before->id, id);
    sim_job *const job = add_job(s, id);
    *job = (sim_job){.id = id, .op = number, .index = index, .life = s->life};
    op->ids[index] = id;
    if (op->channel->messages)
        s->figures.messages++;
    else
        s->figures.jobs++;
}

static void
on_pack(sim *s, const leat_change *change)
{
    leat_pack pack;
    if (leat_pack_open(change->data, change->size, &pack) != LEAT_ERR_OK)
        sim_fail(s, "a pack that cannot be read");
    for (unsigned i = 0; i < pack.count; i++) {
        leat_pack_job record;
        leat_pack_next(&pack, &record);
        born(s, change->id + record.offset, &record);
    }
}

static void
on_leases(sim *s, const leat_turn_entry *entry)
{
    for (uint32_t i = 0; i < entry->n; i++) {
        uint64_t id;
        uint32_t attempt;
        leat_turn_lease(entry, i, &id, &attempt);
        sim_job *const job = must_job(s, id, "a lease");
        const sim_op *const op = &s->ops[job->op];
        if (job->ended)
            sim_fail(s, "job %" PRIu64 " has ended and is given out", id);
        if (attempt < job->attempt_durable || attempt > job->attempt_durable + 1)
            sim_fail(s, "job %" PRIu64 ": attempt %u after %u", id, attempt, job->attempt_durable);
        if (attempt == 1 && job->attempt_durable == 0 && op->delay_ms == 0 && op->failures == 3) {
            if (id < s->turn_last[op->handler][op->priority])
                sim_fail(s, "job %" PRIu64 " is given out after younger ones", id);
            if (id > s->turn_high[op->handler][op->priority])
                s->turn_high[op->handler][op->priority] = id;
        }
        job->attempt_durable = attempt;
    }
}

static void
check_end(sim *s, const sim_job *job, const leat_completion *c)
{
    const sim_op *const op = &s->ops[job->op];
    const bool own = c->result.size >= 13;
    if (job->ended)
        sim_fail(s, "job %" PRIu64 " ends a second time", job->id);
    if (op->channel->durability == SIM_DISK && c->attempt != job->attempt_durable)
        sim_fail(s, "job %" PRIu64 " ends with attempt %u, the last is %u", job->id, c->attempt,
                 job->attempt_durable);
    if (c->outcome == LEAT_OUTCOME_DEAD && c->result.size == sizeof poison - 1 &&
        memcmp(c->result.data, poison, c->result.size) == 0) {
        const unsigned runs = (unsigned)sim_handlers[op->handler].runs;
        if (runs == LEAT_RUNS_TIMER)
            sim_fail(s, "job %" PRIu64 " only slept and is poison", job->id);
        if (runs == LEAT_RUNS_CHILD && job->starts < LEAT_LOSSES_DEFAULT)
            sim_fail(s, "job %" PRIu64 " is poison, and was started %u times", job->id,
                     job->starts);
        return;
    }
    if (!own)
        sim_fail(s, "job %" PRIu64 " has a result that nobody reported", job->id);
    if (leat_load_u64(c->result.data) != job->id)
        sim_fail(s, "job %" PRIu64 " has the result of %" PRIu64, job->id,
                 leat_load_u64(c->result.data));
    if (leat_load_u32(c->result.data + 8) != c->attempt)
        sim_fail(s, "job %" PRIu64 " ends by attempt %u, the last is %u", job->id,
                 leat_load_u32(c->result.data + 8), c->attempt);
    const unsigned end = c->result.data[12];
    if ((end == LEAT_END_DONE) != (c->outcome == LEAT_OUTCOME_DONE))
        sim_fail(s, "job %" PRIu64 " ends as %s", job->id, leat_outcome_name(c->outcome));
    if (end == LEAT_END_FAILED && job->fails_said < op->failures)
        sim_fail(s, "job %" PRIu64 " is dead after %u failures of %u", job->id, job->fails_said,
                 op->failures);
}

static void
ended(sim *s, uint64_t batch_id, uint64_t position, const leat_completion *c)
{
    sim_job *const job = must_job(s, c->job, "a completion");
    check_end(s, job, c);
    job->ended = true;
    job->ended_attempt = c->attempt;
    job->outcome = (uint8_t)c->outcome;
    job->batch = batch_id == 0 ? job->id : batch_id;
    job->position = position;
    job->hash = hash_of(c);
    s->figures.completions++;
    sim_batch *const batch = ensure_batch(s, job->batch, s->ops[job->op].channel->durability);
    if (position != batch->end + 1)
        sim_fail(s, "batch %" PRIu64 ": position %" PRIu64 " after %" PRIu64, batch->id, position,
                 batch->end);
    if (batch->end == batch->capacity) {
        batch->capacity = batch->capacity == 0 ? 8 : batch->capacity * 2;
        batch->jobs = realloc(batch->jobs, batch->capacity * sizeof *batch->jobs);
        if (batch->jobs == NULL)
            abort();
    }
    batch->jobs[batch->end++] = job->id;
}

static void
on_ends(sim *s, const leat_turn_entry *entry)
{
    leat_reader log = leat_reader_over(entry->data, entry->size);
    leat_items_run run;
    if (leat_log_open(&log, &run) != LEAT_ERR_OK)
        sim_fail(s, "a log that cannot be read");
    for (uint16_t i = 0; i < run.n; i++) {
        leat_completion completion;
        leat_items_next_completion(&log, &completion);
        ended(s, entry->id, entry->number + (entry->id == 0 ? 0 : i), &completion);
    }
}

static void
on_item(sim *s, const leat_turn_entry *entry)
{
    sim_job *const job = must_job(s, entry->id, "an item");
    const sim_op *const op = &s->ops[job->op];
    if (job->ended)
        sim_fail(s, "job %" PRIu64 " has ended and changes", job->id);
    if (op->channel->messages) {
        job->ended = leat_state_is_final((leat_state)entry->state);
        return;
    }
    if (entry->attempt < job->attempt_durable)
        sim_fail(s, "job %" PRIu64 " goes back to attempt %u from %u", job->id, entry->attempt,
                 job->attempt_durable);
    if (entry->failed > job->fails_said || entry->failed >= op->failures)
        sim_fail(s, "job %" PRIu64 ": %u failures, %u reported, %u allowed", job->id, entry->failed,
                 job->fails_said, op->failures);
    if (entry->snoozed > job->snoozes_said)
        sim_fail(s, "job %" PRIu64 ": %u snoozes, %u reported", job->id, entry->snoozed,
                 job->snoozes_said);
    const unsigned runs = (unsigned)sim_handlers[op->handler].runs;
    const unsigned losses = runs == LEAT_RUNS_TIMER   ? 0
                            : runs == LEAT_RUNS_CHILD ? job->starts
                                                      : entry->attempt;
    if (entry->lost > losses)
        sim_fail(s, "job %" PRIu64 " (%s): %u losses, started %u times", job->id,
                 sim_handlers[op->handler].name, entry->lost, job->starts);
}

static void
on_turn(sim *s, const leat_change *change)
{
    leat_reader record = leat_reader_over(change->data, change->size);
    leat_turn_entry entry;
    while (leat_turn_next(&record, &entry)) {
        if (entry.kind == LEAT_TURN_LEASES)
            on_leases(s, &entry);
        else if (entry.kind == LEAT_TURN_ENDS)
            on_ends(s, &entry);
        else if (entry.kind == LEAT_TURN_ITEM)
            on_item(s, &entry);
    }
    if (record.failed)
        sim_fail(s, "a turn record that cannot be read");
    memcpy(s->turn_last, s->turn_high, sizeof s->turn_last);
}

/* ---------------------------------------------------------------------------------- the store */

static sim_store *
store_of(leat_store *store)
{
    return (sim_store *)store;
}

static void
apply(sim_store *store, sim_commit *commit)
{
    leat_reader ops = leat_reader_over(commit->changes.ops.data, commit->changes.ops.size);
    leat_change change;
    while (leat_changes_next(&ops, &change)) {
        if (change.op == 1)
            on_pack(store->sim, &change);
        else if (change.op == 3)
            on_turn(store->sim, &change);
    }
    if (leat_store_commit(store->under, &commit->changes, commit->number) != LEAT_ERR_OK)
        sim_fail(store->sim, "the memory store refuses a commit");
    store->durable = commit->number;
}

static leat_err
store_commit(leat_store *of, leat_changes *changes, uint64_t number)
{
    sim_store *const store = store_of(of);
    sim_commit commit = {.changes = *changes, .number = number};
    *changes = (leat_changes){0};
    if (store->durability == SIM_MEMORY) {
        apply(store, &commit);
        return LEAT_ERR_OK;
    }
    if (store->count == store->capacity) {
        store->capacity = store->capacity == 0 ? 16 : store->capacity * 2;
        store->waiting = realloc(store->waiting, store->capacity * sizeof *store->waiting);
        if (store->waiting == NULL)
            abort();
    }
    store->waiting[store->count++] = commit;
    return LEAT_ERR_OK;
}

static uint64_t
store_durable_upto(leat_store *of)
{
    return store_of(of)->durable;
}

static leat_err
store_fetch(
    leat_store *of, const leat_fetch *fetches, size_t count, leat_fetched_fn *call, void *context)
{
    return leat_store_fetch(store_of(of)->under, fetches, count, call, context);
}

static leat_err
store_load(leat_store *of, const leat_load *load)
{
    return leat_store_load(store_of(of)->under, load);
}

static void
store_facts(leat_store *of, leat_store_facts *facts)
{
    leat_store_get_facts(store_of(of)->under, facts);
}

static void
store_destroy(leat_store **store_p)
{
    sim_store *store = store_of(*store_p);
    *store_p = NULL;
    sim_store_free(&store);
}

sim_store *
sim_store_new(sim *s, sim_durability durability)
{
    static const leat_store_ops ops = {
        .commit = store_commit,
        .durable_upto = store_durable_upto,
        .fetch = store_fetch,
        .load = store_load,
        .facts = store_facts,
        .destroy = store_destroy,
    };
    const leat_retention retention = LEAT_RETENTION_DEFAULT;
    sim_store *const store = calloc(1, sizeof *store);
    if (store == NULL || leat_store_memory_new(&retention, &store->under) != LEAT_ERR_OK)
        abort();
    store->store.ops = &ops;
    store->sim = s;
    store->durability = durability;
    return store;
}

void
sim_store_let(sim_store *store, size_t n)
{
    for (size_t i = 0; i < n; i++)
        apply(store, &store->waiting[i]);
    store->count -= n;
    if (store->count > 0)
        memmove(store->waiting, store->waiting + n, store->count * sizeof *store->waiting);
}

void
sim_store_crash(sim_store *store)
{
    for (size_t i = 0; i < store->count; i++)
        leat_changes_fini(&store->waiting[i].changes);
    store->count = 0;
    store->durable = 0;
}

void
sim_store_free(sim_store **store_p)
{
    sim_store *const store = *store_p;
    *store_p = NULL;
    if (store == NULL)
        return;
    sim_store_crash(store);
    leat_store_destroy(&store->under);
    free(store->waiting);
    free(store);
}

/* ---------------------------------------------------------------------------------- leaving */

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

static void
out_sent(sim *s, sim_peer *peer, leat_reader *records)
{
    const uint8_t *const start = records->at;
    leat_sent sent;
    leat_sent_next(records, &sent);
    sim_said *const said = must_said(s, peer, sent.sequence);
    const sim_op *const op = &s->ops[said->op];
    note_answer(s, peer, said, start, (size_t)(records->at - start));
    if (sent.code != LEAT_ERR_OK)
        return;
    said->accepted = op->channel->durability == SIM_DISK;
    if (sent.accepted != op->n)
        sim_fail(s, "op %u: %u of %u accepted", said->op, sent.accepted, op->n);
    for (uint32_t i = 0; i < op->n; i++) {
        if (op->ids[i] != sent.first_id + i)
            sim_fail(s, "op %u.%u is answered ok with id %" PRIu64 ", the store has %" PRIu64,
                     said->op, i, sent.first_id + i, op->ids[i]);
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
    bool message_stale = false;
    for (unsigned e = 0; e < acked.exceptions; e++) {
        leat_acked_exception exception;
        leat_acked_next_exception(records, &exception);
        s->figures.stale++;
        message_stale = true;
        for (unsigned i = 0; i < said->report_count; i++)
            stale[i] |= said->reports[i].token.id == exception.id &&
                        said->reports[i].token.attempt == exception.attempt;
    }
    note_answer(s, peer, said, start, (size_t)(records->at - start));
    for (unsigned i = 0; i < said->report_count; i++) {
        const sim_report *const report = &said->reports[i];
        const sim_job *const job = must_job(s, report->token.id, "an answer");
        if (stale[i] && report->trusted)
            sim_fail(s, "job %" PRIu64 ".%u is STALE, and worker %u has held it all the time",
                     job->id, report->token.attempt, peer->index);
        if (stale[i] || report->command != LEAT_CMD_DONE || report->end == LEAT_END_FAILED)
            continue;
        if (!job->ended || job->ended_attempt != report->token.attempt)
            sim_fail(s, "job %" PRIu64 ".%u is acknowledged, and its end is not in the store",
                     job->id, report->token.attempt);
    }
    if (said->message != 0 && !message_stale) {
        sim_job *const job = must_job(s, said->message, "an acknowledgement");
        if (!job->ended && !is_lost(s, job) && s->ops[job->op].channel->durability == SIM_DISK)
            sim_fail(s, "message %" PRIu64 " is acknowledged, and is alive in the store", job->id);
        job->ended = true;
    }
}

static void
out_job(sim *s, const sim_peer *peer, const leat_jobs_job *record)
{
    sim_job *const job = must_job(s, record->id, "JOBS");
    const sim_op *const op = &s->ops[job->op];
    const bool disk = op->channel->durability == SIM_DISK;
    if (record->payload.size < 8 || leat_load_u32(record->payload.data) != job->op ||
        leat_load_u32(record->payload.data + 4) != job->index)
        sim_fail(s, "job %" PRIu64 " is given out with another payload", job->id);
    if (is_lost(s, job))
        sim_fail(s, "job %" PRIu64 " was in memory only and is given out", job->id);
    if (job->ended)
        sim_fail(s, "job %" PRIu64 " has ended and is given out", job->id);
    if (record->attempt <= job->attempt_out)
        sim_fail(s, "job %" PRIu64 ": attempt %u leaves after %u", job->id, record->attempt,
                 job->attempt_out);
    if (disk && record->attempt != job->attempt_durable)
        sim_fail(s, "job %" PRIu64 ": attempt %u leaves, the store has %u", job->id,
                 record->attempt, job->attempt_durable);
    if (op->delay_ms > 0 && op->high_wall < op->delivered_wall + (int64_t)op->delay_ms)
        sim_fail(s, "job %" PRIu64 " leaves %" PRId64 " ms early", job->id,
                 op->delivered_wall + (int64_t)op->delay_ms - op->high_wall);
    if (job->not_before_wall > 0 && job->early_attempt + 1 == record->attempt &&
        job->high_wall < job->not_before_wall)
        sim_fail(s, "job %" PRIu64 ": attempt %u leaves %" PRId64 " ms early", job->id,
                 record->attempt, job->not_before_wall - job->high_wall);
    if (job->holder != NULL) {
        for (size_t i = 0; i < job->holder->hold_count; i++) {
            const sim_hold *const hold = &job->holder->holds[i];
            if (hold->token.id == job->id && hold->token.attempt == job->holder_attempt &&
                hold->trusted && sim_peer_is_steady(s, job->holder))
                sim_fail(s, "job %" PRIu64 " is given to worker %u while %u has it", job->id,
                         peer->index, job->holder->index);
        }
    }
    job->attempt_out = record->attempt;
    job->not_before_wall = 0;
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
            leat_jobs_next_job(&records, &record);
            out_job(s, peer, &record);
        }
    }
}

static void
out_message(sim *s, const sim_peer *peer, const leat_message *message)
{
    sim_job *const job = must_job(s, message->id, "a message");
    if (job->ended)
        sim_fail(s, "message %" PRIu64 " was acknowledged and is given out again", job->id);
    if (is_lost(s, job))
        sim_fail(s, "message %" PRIu64 " was in memory only and is given out", job->id);
    if (message->payload.size < 8 || leat_load_u32(message->payload.data) != job->op)
        sim_fail(s, "message %" PRIu64 " is given out with another payload", job->id);
    if (job->out_life == s->life && (message->flags & LEAT_ITEM_AGAIN) == 0)
        sim_fail(s, "message %" PRIu64 " comes again to %u and does not say so", job->id,
                 peer->index);
    job->out_life = s->life;
}

static void
out_items(sim *s, const sim_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    if (leat_items_open(body, size, frame->count, &records) != LEAT_ERR_OK)
        sim_fail(s, "an ITEMS frame that cannot be read");
    for (unsigned r = 0; r < frame->count; r++) {
        leat_items_run run;
        leat_items_next_run(&records, &run);
        for (unsigned i = 0; i < run.n; i++) {
            leat_message message;
            leat_completion completion;
            if (run.kind == LEAT_ITEMS_MESSAGES) {
                leat_items_next_message(&records, &message);
                out_message(s, peer, &message);
                continue;
            }
            leat_items_next_completion(&records, &completion);
            const sim_job *const job = must_job(s, completion.job, "ITEMS");
            if (!job->ended || job->batch != run.batch || job->position != run.first_position + i ||
                job->hash != hash_of(&completion))
                sim_fail(s,
                         "batch %" PRIu64 ", position %" PRIu64 ": job %" PRIu64
                         " is not what the store has",
                         run.batch, run.first_position + i, completion.job);
        }
    }
}

void
sim_oracle_out(sim *s, sim_peer *peer, const leat_buf *buf)
{
    leat_frame frame;
    if (leat_frame_decode(buf->data, buf->size, LEAT_SIDE_BROKER, &frame) != LEAT_ERR_OK)
        sim_fail(s, "a frame that cannot be read leaves");
    const uint8_t *const body = buf->data + LEAT_FRAME_BYTES;
    const size_t size = buf->size - LEAT_FRAME_BYTES;
    leat_reader records;
    if (frame.command == LEAT_CMD_SENT) {
        if (leat_sent_open(body, size, frame.count, &records) != LEAT_ERR_OK)
            sim_fail(s, "a SENT frame that cannot be read");
        for (unsigned i = 0; i < frame.count; i++)
            out_sent(s, peer, &records);
    } else if (frame.command == LEAT_CMD_ACKED) {
        if (leat_acked_open(body, size, frame.count, &records) != LEAT_ERR_OK)
            sim_fail(s, "an ACKED frame that cannot be read");
        for (unsigned i = 0; i < frame.count; i++)
            out_acked(s, peer, &records);
    } else if (frame.command == LEAT_CMD_JOBS) {
        out_jobs(s, peer, &frame, body, size);
    } else if (frame.command == LEAT_CMD_ITEMS) {
        out_items(s, peer, &frame, body, size);
    }
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
    said->read = true;
    if (said->command == LEAT_CMD_SEND) {
        sim_op *const op = &s->ops[said->op];
        if (op->delivered_wall == INT64_MAX)
            op->high_wall = s->now.wall_ms;
        if (op->delivered_wall > s->now.wall_ms) /* it may have been forgotten with its turn */
            op->delivered_wall = s->now.wall_ms;
    }
    for (unsigned i = 0; i < said->report_count; i++) {
        const sim_report *const report = &said->reports[i];
        sim_job *const job = sim_job_find(s, report->token.id);
        if (job == NULL || !report->trusted || !sim_peer_is_steady(s, peer) ||
            job->early_attempt >= report->token.attempt)
            continue;
        int64_t delay = 0;
        if (report->command == LEAT_CMD_SNOOZE)
            delay = (int64_t)report->delay_ms;
        else if (report->command == LEAT_CMD_DONE && report->end == LEAT_END_FAILED)
            delay = 500;
        job->early_attempt = report->token.attempt;
        job->not_before_wall = delay == 0 ? 0 : s->now.wall_ms + delay;
        job->high_wall = s->now.wall_ms;
    }
}

void
sim_oracle_pass(sim *s)
{
    for (uint32_t i = 0; i < s->op_count; i++) {
        if (s->ops[i].high_wall < s->now.wall_ms)
            s->ops[i].high_wall = s->now.wall_ms;
    }
    for (size_t i = 0; i < s->job_slots; i++) {
        if (s->jobs[i].not_before_wall > 0 && s->jobs[i].high_wall < s->now.wall_ms)
            s->jobs[i].high_wall = s->now.wall_ms;
    }
}

void
sim_oracle_restart(sim *s)
{
    for (size_t i = 0; i < s->job_slots; i++)
        s->jobs[i].not_before_wall = 0; /* a report may have been forgotten with its turn */
}

/* ---------------------------------------------------------------------------------- the end */

bool
sim_oracle_is_done(sim *s)
{
    for (uint32_t i = 0; i < s->op_count; i++) {
        if (s->ops[i].status == SIM_OP_OPEN)
            return false;
    }
    for (size_t i = 0; i < s->job_slots; i++) {
        const sim_job *const job = &s->jobs[i];
        if (job->id != 0 && !job->ended && !is_lost(s, job) &&
            (s->ops[job->op].channel->durability == SIM_DISK || !s->ops[job->op].channel->messages))
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
    for (size_t i = 0; i < s->job_slots; i++) {
        const sim_job *const job = &s->jobs[i];
        if (job->id != 0 && !job->ended && !is_lost(s, job))
            sim_note(s, "job %" PRIu64 " (op %u, %s) is still alive: attempt %u, out %u", job->id,
                     job->op, s->ops[job->op].channel->name, job->attempt_durable,
                     job->attempt_out);
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
    sim_fail(s, "not everything has ended");
}

void
sim_oracle_free(sim *s)
{
    for (uint32_t i = 0; i < s->op_count; i++)
        free(s->ops[i].ids);
    for (size_t i = 0; i < s->batch_count; i++)
        free(s->batches[i].jobs);
    free(s->batches);
    free(s->jobs);
}
