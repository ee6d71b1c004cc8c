/* The mirror: every job, batch and dead entry as the store has them. It reads each commit when it
 * becomes durable, as a broker would that loads the store, and looks whether what is written there
 * may be: by the rules of the states, by what the peers have done, and by the clocks of its turn.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/core/failure.h"
#include "broker/core/object.h"
#include "broker/core/state.h"
#include "broker/store/lmdb.h"
#include "broker/store/memory.h"
#include "tests/sim/sim.h"

static const char poison[] = "its worker died each time while it ran";
static const char too_long[] = "it ran longer than its limit";
static const char too_often[] = "it asked for later too often";

/* ---------------------------------------------------------------------------------- tables */

static size_t
slot_of(const sim_map *map, uint64_t key)
{
    size_t i = (size_t)(key * 0x9e3779b97f4a7c15ULL >> 32) % map->slots;
    while (map->values[i] != NULL && map->keys[i] != key)
        i = (i + 1) % map->slots;
    return i;
}

void *
sim_map_get(const sim_map *map, uint64_t key)
{
    return map->slots == 0 ? NULL : map->values[slot_of(map, key)];
}

void
sim_map_put(sim_map *map, uint64_t key, void *value)
{
    if ((map->count + 1) * 2 > map->slots) {
        const sim_map old = *map;
        map->slots = old.slots == 0 ? 1024 : old.slots * 2;
        map->keys = calloc(map->slots, sizeof *map->keys);
        map->values = calloc(map->slots, sizeof *map->values);
        if (map->keys == NULL || map->values == NULL)
            abort();
        for (size_t i = 0; i < old.slots; i++) {
            if (old.values[i] == NULL)
                continue;
            const size_t at = slot_of(map, old.keys[i]);
            map->keys[at] = old.keys[i];
            map->values[at] = old.values[i];
        }
        free(old.keys);
        free(old.values);
    }
    const size_t at = slot_of(map, key);
    map->keys[at] = key;
    map->values[at] = value;
    map->count++;
}

void
sim_map_free(sim_map *map)
{
    free(map->keys);
    free(map->values);
    *map = (sim_map){0};
}

/* Room for one more in an array of things. */
static void
grow(void *array_p, size_t count, size_t *capacity, size_t size)
{
    void *array;
    if (count < *capacity)
        return;
    memcpy(&array, array_p, sizeof array);
    *capacity = *capacity == 0 ? 64 : *capacity * 2;
    array = realloc(array, *capacity * size);
    if (array == NULL)
        abort();
    memcpy(array_p, &array, sizeof array);
}

sim_job *
sim_job_find(const sim *s, uint64_t id)
{
    return sim_map_get(&s->jobs, id);
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
sim_batch_of(const sim *s, uint64_t id)
{
    return sim_map_get(&s->batches, id);
}

sim_batch *
sim_batch_ensure(sim *s, uint64_t id, sim_durability durability)
{
    sim_batch *batch = sim_batch_of(s, id);
    if (batch != NULL)
        return batch;
    batch = calloc(1, sizeof *batch);
    if (batch == NULL)
        abort();
    *batch = (sim_batch){.id = id, .durability = durability, .life = s->life};
    sim_map_put(&s->batches, id, batch);
    grow(&s->batch_list, s->batch_count, &s->batch_capacity, sizeof(sim_batch *));
    s->batch_list[s->batch_count++] = batch;
    return batch;
}

bool
sim_job_is_lost(const sim *s, const sim_job *job)
{
    return job->channel->durability == SIM_MEMORY && job->life < s->life;
}

uint64_t
sim_hash_of(const leat_completion *c, bool with_place)
{
    uint64_t hash = sim_hash(1, &c->job, sizeof c->job);
    if (with_place)
        hash = sim_hash(hash, &c->place, sizeof c->place);
    hash = sim_hash(hash, &c->attempt, sizeof c->attempt);
    hash = sim_hash(hash, &c->outcome, sizeof c->outcome);
    return sim_hash(hash, c->result.data, c->result.size);
}

/* A fact of the store, for who follows a job's history. */
static void
note_fact(sim *s, uint64_t job, const char *what, uint64_t number)
{
    if (s->options.verbose || s->options.history != NULL)
        sim_note(s, "store: job %" PRIu64 " %s %" PRIu64, job, what, number);
}

static void
touch(sim *s, sim_job *job)
{
    grow(&s->touched, s->touched_count, &s->touched_capacity, sizeof(sim_job *));
    s->touched[s->touched_count++] = job;
}

void
sim_job_ends(sim *s, sim_job *job)
{
    if (s->live_count == 0 || s->live[job->live_at] != job)
        return;
    s->live[job->live_at] = s->live[--s->live_count];
    s->live[job->live_at]->live_at = job->live_at;
}

/* ---------------------------------------------------------------------------------- births */

/* First in, first out holds among the jobs that one line of the core has: of one class, priority
 * and flow (what the setting names, a batch, or what a principal sends alone). */
static uint64_t
line_of(const leat_pack_head *head, const leat_settings *settings)
{
    const leat_text texts[] = {head->channel, head->handler, settings->needs, settings->traits,
                               head->flow};
    uint64_t hash = 11;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        hash = sim_hash(sim_hash(hash, texts[i].data, texts[i].size), "/", 1);
    hash = sim_hash(hash, &settings->priority, 1);
    hash = sim_hash(hash, &head->owner.share, sizeof head->owner.share);
    if (head->flow.size == 0)
        hash = sim_hash(hash, &head->batch, sizeof head->batch);
    return hash;
}

static uint64_t
unique_of(const leat_pack_head *head, const leat_settings *settings)
{
    if (settings->unique.size == 0)
        return 0;
    uint64_t hash = sim_hash(13, head->channel.data, head->channel.size);
    hash = sim_hash(hash, &head->owner.principal, sizeof head->owner.principal);
    return sim_hash(hash, settings->unique.data, settings->unique.size);
}

/* It is a dead one that is tried again: its entry goes in the same commit. */
static const sim_job *
take_dropped(sim *s, uint64_t payload_hash, unsigned handler)
{
    for (size_t i = 0; i < s->dropped_count; i++) {
        const sim_job *const dead = s->dropped[i] == 0 ? NULL : sim_job_find(s, s->dropped[i]);
        if (dead == NULL || dead->payload_hash != payload_hash || dead->handler != handler)
            continue;
        s->dropped[i] = 0;
        return dead;
    }
    return NULL;
}

static void
check_times(sim *s, const sim_op *op, const leat_pack_head *head, uint32_t number)
{
    const uint64_t wall = (uint64_t)s->commit->at.wall_ms;
    uint64_t due = op->settings.delay_ms == 0 ? 0 : wall + op->settings.delay_ms;
    if (op->settings.at_ms > due)
        due = op->settings.at_ms;
    if (head->due_wall_ms != (due > wall ? due : 0))
        sim_fail(s, "op %u is due at %" PRIu64 ", and should be at %" PRIu64, number,
                 head->due_wall_ms, due);
    if (head->expires_wall_ms !=
        (op->settings.expires_ms == 0 ? 0 : wall + op->settings.expires_ms))
        sim_fail(s, "op %u expires at %" PRIu64 ", and should after %" PRIu64 " ms", number,
                 head->expires_wall_ms, op->settings.expires_ms);
}

/* A record that a client has sent. */
static void
born_sent(sim *s, sim_job *job, const leat_pack_head *head, const leat_settings *settings)
{
    const uint64_t id = job->id;
    if (job->op >= s->op_count || job->index >= s->ops[job->op].n)
        sim_fail(s, "phantom: record %" PRIu64 " has a payload that nobody sent", id);
    sim_op *const op = &s->ops[job->op];
    const sim_channel *const channel = op->select ? op->cases[job->index] : op->channel;
    if (channel != job->channel || head->message != channel->messages ||
        (!channel->messages && job->handler != op->handler) ||
        (op->select && (op->sends >> job->index & 1U) == 0))
        sim_fail(s, "op %u.%u is in the store as something else: %" PRIu64, job->op, job->index,
                 id);
    if (op->settings.priority != LEAT_PRIORITY_NOTHING &&
        settings->priority != op->settings.priority)
        sim_fail(s, "op %u has another priority in the store", job->op);
    if (job->retry) {
        op->ids[job->index] = id;
        return;
    }
    if (op->status == SIM_OP_REFUSED ||
        (op->status == SIM_OP_PARTLY && !op->select && job->index >= op->accepted))
        sim_fail(s, "op %u.%u was refused, and is in the store as %" PRIu64, job->op, job->index,
                 id);
    for (uint32_t i = 0; i < op->n; i++) {
        const sim_job *const before = op->ids[i] == 0 ? NULL : sim_job_find(s, op->ids[i]);
        if ((i == job->index || op->select) && before != NULL && before->op == job->op &&
            before != job && !sim_job_is_lost(s, before))
            sim_fail(s, "op %u.%u is in the store twice: %" PRIu64 " and %" PRIu64, job->op,
                     job->index, before->id, id);
        if (op->select)
            op->ids[i] = 0;
    }
    /* The rest of a SEND that waited in line has its ids from before, and its place from now. */
    job->waited = op->n > 1 && channel->capacity != SIM_UNLIMITED;
    check_times(s, op, head, job->op);
    op->ids[job->index] = id;
    job->fresh = head->due_wall_ms == 0 && job->after == 0 && !job->keyed;
}

static void
mark_ended(sim *s, sim_job *job, leat_outcome outcome, uint32_t attempt)
{
    job->ended = true;
    job->ended_commit = s->commit->serial;
    job->ended_attempt = attempt;
    job->outcome = (uint8_t)outcome;
    job->is_dead = outcome == LEAT_OUTCOME_DEAD;
    sim_job_ends(s, job);
    touch(s, job);
    if (job->op == SIM_NO_OP)
        return;
    if (job->origin == SIM_SENT)
        s->ops[job->op].ended++;
    else if (job->origin == SIM_FINALLY)
        s->ops[job->op].finally_ended[job->index]++;
}

/* What the broker sends by itself must come from something. */
static void
born_reply(sim *s, const sim_job *job, uint64_t of)
{
    sim_job *from = must_job(s, of, "a reply");
    if (from->recovers != 0 && !from->replies)
        from = must_job(s, from->recovers, "a reply");
    if (!from->replies)
        sim_fail(s, "job %" PRIu64 " has asked for no reply, and %" PRIu64 " is one", of, job->id);
    from->replies_born++;
    touch(s, from);
    s->figures.replies++;
}

static void
born_scheduled(sim *s, const sim_job *job, unsigned which)
{
    sim_schedule *const schedule = &s->schedules[which % SIM_SCHEDULES];
    const int64_t minute = s->commit->at.wall_ms / 60000;
    if (which >= SIM_SCHEDULES || !schedule->added)
        sim_fail(s, "job %" PRIu64 " is of schedule %u, which nobody has made", job->id, which);
    s->figures.scheduled++;
    /* Resumed after the clock was put back, it goes by the clock: also when that comes to a minute
     * in which it has run before. */
    if (minute > schedule->last_minute || schedule->resumed) {
        schedule->resumed &= minute != schedule->last_minute;
        schedule->last_minute = minute;
        return;
    }
    if (schedule->runs_asked == 0)
        sim_fail(s, "schedule %u runs a second time in its minute", which);
    schedule->runs_asked--;
}

static void
born_recover(sim *s, sim_job *job, uint64_t of)
{
    sim_job *const dead = must_job(s, of, "a recover job");
    if (!dead->recovers_when_dead || dead->recoverer != 0)
        sim_fail(s, "job %" PRIu64 " recovers %" PRIu64 ", which has none, or one already", job->id,
                 of);
    dead->recoverer = job->id;
    job->recovers = of;
    job->batch = dead->batch;
    job->replies = false; /* that reply speaks of the dead one */
    if (!dead->ended && dead->channel->durability == SIM_MEMORY) /* no other record tells */
        mark_ended(s, dead, LEAT_OUTCOME_DEAD, dead->attempt_out);
    touch(s, dead);
    s->figures.recovered++;
}

static uint64_t
job_in(const leat_pack_job *record)
{
    static const char key[] = "\"job\":\"";
    const char *const at = memmem(record->payload, record->payload_bytes, key, sizeof key - 1);
    return at == NULL ? 0 : strtoull(at + sizeof key - 1, NULL, 10);
}

/* Where it comes from, by its payload. */
static void
find_origin(sim *s,
            sim_job *job,
            const leat_pack_head *head,
            const leat_settings *settings,
            const leat_pack_job *record)
{
    const uint32_t word =
        record->payload_bytes < SIM_PAYLOAD_MIN ? 0 : leat_load_u32(record->payload);
    const sim_job *const again =
        head->recovers != 0 ? NULL : take_dropped(s, job->payload_hash, job->handler);
    job->retry = again != NULL;
    s->figures.retries += job->retry;
    if (word == SIM_WORD_SENT || word == SIM_WORD_FINALLY) {
        job->op = leat_load_u32(record->payload + 4);
        job->index = leat_load_u32(record->payload + 8);
    }
    if (word == SIM_WORD_SENT) {
        job->origin = SIM_SENT;
        born_sent(s, job, head, settings);
    } else if (word == SIM_WORD_FINALLY) {
        job->origin = SIM_FINALLY;
        if (job->op >= s->op_count || job->index >= s->ops[job->op].settings.finally_count)
            sim_fail(s, "phantom: %" PRIu64 " is a finally job that nobody sent", job->id);
        if (job->retry)
            s->ops[job->op].finally_again[job->index]++;
        else
            s->ops[job->op].finally_born[job->index]++;
        s->figures.finally++;
    } else if (head->recovers != 0) {
        job->origin = SIM_RECOVER;
        born_recover(s, job, head->recovers);
    } else if (again != NULL) {
        job->origin = again->origin;
    } else if (word == SIM_WORD_SCHEDULE) {
        job->origin = SIM_SCHEDULED;
        born_scheduled(s, job, leat_load_u32(record->payload + 4));
    } else if (word == SIM_WORD_RESULT) {
        job->origin = SIM_REPLY;
        born_reply(s, job, leat_load_u64(record->payload + 4));
    } else if (record->payload_bytes > 0 && record->payload[0] == '{') {
        job->origin = SIM_REPLY;
        born_reply(s, job, job_in(record));
    } else {
        sim_fail(s, "phantom: record %" PRIu64 " has a payload that nobody sent", job->id);
    }
    if (s->commit->full && (job->origin == SIM_SENT || job->origin == SIM_SCHEDULED || job->retry))
        sim_fail(s, "%" PRIu64 " is taken in on a full disk", job->id);
}

static void
put_in_batch(sim *s, sim_job *job, const leat_pack_head *head)
{
    sim_batch *const batch = sim_batch_ensure(s, job->batch, job->channel->durability);
    batch->born++;
    batch->live++;
    batch->is_lone = head->batch == 0;
    if (batch->born > 1)
        return;
    batch->may_be_sealed = batch->is_lone || job->origin != SIM_SENT || job->retry;
    if (job->origin == SIM_SENT && !job->retry) {
        const sim_op *const op = &s->ops[job->op];
        batch->halt = batch->is_lone ? (leat_halt){0} : op->settings.halt;
        for (uint32_t i = 0; i < s->op_count && !batch->is_lone; i++) {
            const sim_op *const one = &s->ops[i]; /* the first one of the batch may have joined */
            if (one->peer == op->peer && one->generation == op->generation && one->tag == op->tag &&
                one->settings.halt.on != LEAT_HALT_NEVER)
                batch->may_halt = true;
        }
        batch->peer = op->peer;
        batch->generation = op->generation;
        batch->tag = op->tag;
    }
}

static void
born(sim *s, uint64_t id, const leat_pack_job *record, const leat_pack_head *head, uint8_t offset)
{
    leat_settings settings;
    if (leat_settings_read(head->settings.data, head->settings.size, &settings) != LEAT_ERR_OK)
        sim_fail(s, "record %" PRIu64 " has settings that cannot be read", id);
    sim_job *job = sim_job_find(s, id);
    const bool again = job != NULL;
    /* What was only in memory and nobody was told of may leave its id to another one. */
    if (again && !(sim_job_is_lost(s, job) && job->attempt_out == 0 && job->out_life == 0))
        sim_fail(s, "id %" PRIu64 " was used before", id);
    if (!again)
        job = calloc(1, sizeof *job);
    if (job == NULL)
        abort();
    *job = (sim_job){
        .id = id,
        .op = SIM_NO_OP,
        .channel = sim_channel_of(s, head->channel),
        .handler = head->message ? 0 : sim_handler_of(s, head->handler),
        .life = s->life,
        .born_commit = s->commit->serial,
        .payload_hash = sim_hash(5, record->payload, record->payload_bytes),
        .batch = head->batch == 0 ? id : head->batch,
        .place = head->batch == 0 && head->recovers == 0 ? 1
                 : head->recovers != 0                   ? head->place
                                                         : head->place + offset,
        .keyed = settings.key.size > 0,
        .failures = settings.failures == 0 ? LEAT_FAILURES_DEFAULT : settings.failures,
        .losses = (uint8_t)(settings.losses == 0 ? LEAT_LOSSES_DEFAULT : settings.losses),
        .snoozes = settings.snoozes == 0 ? LEAT_SNOOZES_DEFAULT : settings.snoozes,
        .finally_count = settings.finally_count,
        .recovers_when_dead = settings.recover.handler.size > 0,
        .replies = settings.reply.size > 0,
        .replies_if_done = settings.reply_handler.size > 0,
        .after = settings.after,
        .after_batch = settings.after_batch,
        .run_limit_ms = settings.run_limit_ms,
        .grace_ms = settings.grace_ms == 0 ? LEAT_GRACE_MS_DEFAULT : settings.grace_ms,
        .backoff_min_ms =
            settings.backoff_min_ms == 0 ? LEAT_BACKOFF_MIN_MS : settings.backoff_min_ms,
        .unique = unique_of(head, &settings),
        .unique_for_ms = settings.unique_for_ms,
        .expires_wall = (int64_t)head->expires_wall_ms,
        .due_wall = (int64_t)head->due_wall_ms,
        .born_due = (int64_t)head->due_wall_ms,
        .state_commit = s->commit->serial,
        .state = settings.after != 0      ? LEAT_STATE_HELD
                 : head->due_wall_ms != 0 ? LEAT_STATE_DELAYED
                                          : LEAT_STATE_READY,
    };
    if (settings.backoff_max_ms != 0 && job->backoff_min_ms > settings.backoff_max_ms)
        job->backoff_min_ms = settings.backoff_max_ms;
    find_origin(s, job, head, &settings, record);
    if (!head->message && !job->keyed && !job->waited && job->recovers == 0)
        job->line = line_of(head, &settings);
    if (!again)
        sim_map_put(&s->jobs, id, job);
    note_fact(s, id, leat_state_name(job->state), job->batch);
    job->live_at = s->live_count;
    grow(&s->live, s->live_count, &s->live_capacity, sizeof(sim_job *));
    s->live[s->live_count++] = job;
    touch(s, job);
    if (head->message) {
        s->figures.messages++;
        return;
    }
    s->figures.jobs++;
    if (job->recovers == 0)
        put_in_batch(s, job, head);
}

static void
on_pack(sim *s, const leat_change *change)
{
    leat_pack pack;
    leat_pack_head head;
    if (leat_pack_open(change->data, change->size, &pack) != LEAT_ERR_OK ||
        leat_object_read_pack_head(pack.head, pack.head_size, &head) != LEAT_ERR_OK)
        sim_fail(s, "a pack that cannot be read");
    for (unsigned i = 0; i < pack.count; i++) {
        leat_pack_job record;
        leat_pack_next(&pack, &record);
        born(s, change->id + record.offset, &record, &head, record.offset);
    }
}

/* ---------------------------------------------------------------------------------- leases */

static void
take_token(sim *s, const sim_job *job)
{
    const unsigned i = sim_channel_index(job->channel);
    const double rate = job->channel->rate;
    if (job->channel->rate == 0)
        return;
    const int64_t ms = s->commit->at.mono_ms - s->tokens_ms[i];
    s->tokens_ms[i] = s->commit->at.mono_ms;
    s->tokens[i] += rate * (double)ms / 1000.0;
    if (s->tokens[i] > rate)
        s->tokens[i] = rate;
    s->tokens[i] -= 1;
    if (s->tokens[i] < -0.01)
        sim_fail(s, "job %" PRIu64 " goes out of \"%s\" faster than its rate", job->id,
                 job->channel->name);
}

static void
note_line(sim *s, const sim_job *job)
{
    if (job->line == 0)
        return;
    for (size_t i = 0; i < s->line_count; i++) {
        if (s->lines[i].hash != job->line)
            continue;
        if (s->lines[i].high < job->id)
            s->lines[i].high = job->id;
        return;
    }
    grow(&s->lines, s->line_count, &s->line_capacity, sizeof *s->lines);
    s->lines[s->line_count++] = (sim_line){.hash = job->line, .high = job->id};
}

static void
check_lease(sim *s, const sim_job *job, uint32_t attempt)
{
    const sim_batch *const batch = sim_batch_of(s, job->batch);
    const bool again = job->state == LEAT_STATE_LEASED && job->lease_life < s->life;
    if (job->ended)
        sim_fail(s, "job %" PRIu64 " has ended and is given out", job->id);
    if (attempt < job->attempt_durable || attempt > job->attempt_durable + 1)
        sim_fail(s, "job %" PRIu64 ": attempt %u after %u", job->id, attempt, job->attempt_durable);
    if (job->state != LEAT_STATE_READY && !again)
        sim_fail(s, "job %" PRIu64 " is %s and is given out", job->id, leat_state_name(job->state));
    if (job->expires_wall != 0 && s->commit->at.wall_ms >= job->expires_wall)
        sim_fail(s, "job %" PRIu64 " is given out %" PRId64 " ms after its expiry", job->id,
                 s->commit->at.wall_ms - job->expires_wall);
    if (job->doomed)
        sim_fail(s, "job %" PRIu64 " was cancelled, and that was answered, and is given out",
                 job->id);
    if (batch != NULL && batch->halted_commit != 0 && batch->halted_commit < s->commit->serial &&
        !job->joined && job->recovers == 0)
        sim_fail(s, "batch %" PRIu64 " has halted, and job %" PRIu64 " of it is given out",
                 batch->id, job->id);
}

static void
on_leases(sim *s, const leat_turn_entry *entry)
{
    for (uint32_t i = 0; i < entry->n; i++) {
        uint64_t id;
        uint32_t attempt;
        leat_turn_lease(entry, i, &id, &attempt);
        sim_job *const job = must_job(s, id, "a lease");
        if (attempt == job->attempt_durable && leat_state_is_held_by_worker(job->state))
            continue; /* said again, before the turn that said it first goes */
        check_lease(s, job, attempt);
        take_token(s, job);
        note_line(s, job);
        note_fact(s, id, "is given out, attempt", attempt);
        job->attempt_durable = attempt;
        job->state = LEAT_STATE_LEASED;
        job->state_commit = s->commit->serial;
        job->lease_life = s->life;
        job->lease_mono = s->commit->at.mono_ms;
        touch(s, job);
    }
}

/* ---------------------------------------------------------------------------------- ends */

/* Somebody has asked that it be cancelled, as far as this batch is concerned. */
static bool
may_be_cancelled(const sim *s, const sim_job *job, const sim_batch *batch)
{
    const bool own = batch->id == job->batch || job->own_left;
    const bool unknown = batch->born == 0; /* it may be one that halts */
    const sim_job *const by = job->recoverer == 0 ? NULL : sim_job_find(s, job->recoverer);
    if (by != NULL && by->cancels_asked > 0)
        return true;
    const bool late = job->joined_late;
    return batch->cancel_asked || unknown || late || batch->may_halt ||
           s->purge_asked[sim_channel_index(job->channel)] || (own && job->cancels_asked > 0) ||
           job->cancels_asked > 1;
}

static bool
says(leat_bytes result, const char *text)
{
    return result.size == strlen(text) && memcmp(result.data, text, result.size) == 0;
}

static void
check_dead(sim *s, const sim_job *job, leat_bytes result)
{
    const unsigned runs = (unsigned)sim_handlers[job->handler].runs;
    if (says(result, poison)) {
        if (runs == LEAT_RUNS_TIMER)
            sim_fail(s, "job %" PRIu64 " only slept and is poison", job->id);
        if (runs == LEAT_RUNS_CHILD && job->starts + job->releases_said < job->losses)
            sim_fail(s, "job %" PRIu64 " is poison, and was started %u times", job->id,
                     job->starts);
    } else if (says(result, too_long)) {
        if (job->run_limit_ms == 0)
            sim_fail(s, "job %" PRIu64 " is over a limit that it has not", job->id);
    } else if (says(result, too_often)) {
        if (job->snoozes_said < job->snoozes)
            sim_fail(s, "job %" PRIu64 " was put off %u times, and may be %u", job->id,
                     job->snoozes_said, job->snoozes);
    } else {
        sim_fail(s, "job %" PRIu64 " is dead for a reason that nobody reported", job->id);
    }
}

/* The end of `job` by this outcome and result, in this attempt. */
static void
check_end(sim *s, const sim_job *job, leat_outcome outcome, uint32_t attempt, leat_bytes result)
{
    const bool own =
        result.size == SIM_RESULT_BYTES && leat_load_u32(result.data) == SIM_WORD_RESULT;
    const unsigned end = own ? result.data[16] : 0;
    if (job->ended)
        sim_fail(s, "job %" PRIu64 " ends a second time", job->id);
    if (job->channel->durability == SIM_DISK && attempt != job->attempt_durable)
        sim_fail(s, "job %" PRIu64 " ends with attempt %u, the last is %u", job->id, attempt,
                 job->attempt_durable);
    if (own &&
        (leat_load_u64(result.data + 4) != job->id || leat_load_u32(result.data + 12) != attempt))
        sim_fail(s, "job %" PRIu64 ".%u has the result of %" PRIu64 ".%u", job->id, attempt,
                 leat_load_u64(result.data + 4), leat_load_u32(result.data + 12));
    if (own && (end == LEAT_END_DONE) != (outcome == LEAT_OUTCOME_DONE))
        sim_fail(s, "job %" PRIu64 " ends as %s", job->id, leat_outcome_name(outcome));
    switch (outcome) {
    case LEAT_OUTCOME_DONE:
        if (!own)
            sim_fail(s, "job %" PRIu64 " has a result that nobody reported", job->id);
        break;
    case LEAT_OUTCOME_DEAD:
        if (!own)
            check_dead(s, job, result);
        else if (end == LEAT_END_FAILED && job->fails_said + job->timeouts < job->failures &&
                 job->channel->durability == SIM_DISK)
            sim_fail(s, "job %" PRIu64 " is dead after %u failures of %u", job->id, job->fails_said,
                     job->failures);
        s->figures.dead++;
        break;
    case LEAT_OUTCOME_CANCELLED:
        s->figures.cancelled++;
        break;
    case LEAT_OUTCOME_EXPIRED:
        if (job->expires_wall == 0 || s->commit->at.wall_ms < job->expires_wall)
            sim_fail(s, "job %" PRIu64 " expires too early", job->id);
        s->figures.expired++;
        break;
    case LEAT_OUTCOME_SKIPPED:
        if (job->after == LEAT_AFTER_NOTHING)
            sim_fail(s, "job %" PRIu64 " waits for nothing and is skipped", job->id);
        s->figures.skipped++;
        break;
    case LEAT_OUTCOME_LOST:
        sim_fail(s, "job %" PRIu64 " is in a store and ends as lost", job->id);
    }
}

static void
note_halt(const sim *s, sim_batch *batch)
{
    const leat_halt *const halt = &batch->halt;
    const uint64_t done = batch->end - batch->bad;
    if (batch->halted_commit != 0 || halt->percent)
        return;
    if ((halt->on == LEAT_HALT_FAIL && batch->bad >= halt->n) ||
        (halt->on == LEAT_HALT_SUCCESS && done >= halt->n) ||
        (halt->on == LEAT_HALT_DONE && batch->end >= halt->n))
        batch->halted_commit = s->commit->serial;
}

/* The batch has one more completion. */
static void
add_end(sim *s, sim_batch *batch, uint64_t position, const leat_completion *c)
{
    if (position != batch->end + 1)
        sim_fail(s, "batch %" PRIu64 ": position %" PRIu64 " after %" PRIu64, batch->id, position,
                 batch->end);
    for (uint64_t i = 0; i < batch->end; i++) {
        if (batch->ends[i].place == c->place)
            sim_fail(s,
                     "batch %" PRIu64 ": place %u has two completions, of %" PRIu64 " and %" PRIu64,
                     batch->id, c->place, batch->ends[i].job, c->job);
    }
    if (batch->end == batch->capacity) {
        batch->capacity = batch->capacity == 0 ? 4 : batch->capacity * 2;
        batch->ends = realloc(batch->ends, batch->capacity * sizeof *batch->ends);
        if (batch->ends == NULL)
            abort();
    }
    batch->ends[batch->end++] =
        (sim_end){.job = c->job, .place = c->place, .hash = sim_hash_of(c, true)};
    note_fact(s, c->job, leat_outcome_name(c->outcome), batch->id);
    batch->bad += c->outcome != LEAT_OUTCOME_DONE;
    note_halt(s, batch);
    s->figures.completions++;
}

/* Takes the claim away; false: the job has none of this batch and place. */
static bool
take_claim(sim_job *job, const sim_batch *batch, uint32_t place)
{
    if (!job->joined)
        return batch->id == job->batch && place == job->place;
    for (unsigned i = 0; i < job->claim_count; i++) {
        if (job->claims[i].batch != batch->id || job->claims[i].place != place)
            continue;
        job->claims[i] = job->claims[--job->claim_count];
        return true;
    }
    return false;
}

/* A completion of the job that this batch has a claim on. */
static void
end_claim(sim *s, sim_job *job, const sim_batch *batch, const leat_completion *c)
{
    const uint64_t hash = sim_hash_of(c, false);
    if (job->ended && job->ended_commit == s->commit->serial && job->joined && !job->is_dead) {
        if (hash != job->hash)
            sim_fail(s, "job %" PRIu64 " ends in two ways for two batches", job->id);
        return;
    }
    if (job->recoverer != 0) { /* its end is the recover job's */
        sim_job *const by = must_job(s, job->recoverer, "a recovery");
        const bool several = /* claims; of a job in memory nothing says how many */
            job->joined || (job->channel->durability == SIM_MEMORY && job->unique != 0);
        if (job->completed && !(several && by->ended_commit == s->commit->serial))
            sim_fail(s, "job %" PRIu64 " is recovered twice", job->id);
        if (by->ended && by->ended_commit != s->commit->serial)
            sim_fail(s, "recover job %" PRIu64 " had ended before", by->id);
        if (!job->completed && !by->ended) {
            check_end(s, by, c->outcome, c->attempt, c->result);
            if (c->outcome == LEAT_OUTCOME_CANCELLED && by->cancels_asked == 0 &&
                !may_be_cancelled(s, job, batch))
                sim_fail(s, "recover job %" PRIu64 " is cancelled, nobody wanted it", by->id);
            mark_ended(s, by, c->outcome, c->attempt);
        }
        job->completed = true;
        return;
    }
    if (job->ended && job->ended_commit == s->commit->serial && job->joined && hash == job->hash)
        return;
    check_end(s, job, c->outcome, c->attempt, c->result);
    if (c->outcome == LEAT_OUTCOME_CANCELLED && !may_be_cancelled(s, job, batch))
        sim_fail(s, "job %" PRIu64 " is cancelled, and nobody wanted it", job->id);
    if (c->outcome == LEAT_OUTCOME_SKIPPED)
        job->held_decided = true;
    mark_ended(s, job, c->outcome, c->attempt);
    job->hash = hash;
}

/* Nothing in the store says who has joined a job that is only in memory: the core does. */
static void
end_unknown_claim(sim *s, sim_job *job, const sim_batch *batch, const leat_completion *c)
{
    const bool alive = leat_items_find(&s->core->items, job->id) != LEAT_NOBODY;
    if (job->ended && job->unique_for_ms > 0 && job->hash == sim_hash_of(c, false))
        return; /* who came later gets the completion that there is */
    if (c->outcome == LEAT_OUTCOME_CANCELLED && !may_be_cancelled(s, job, batch))
        sim_fail(s, "job %" PRIu64 " is cancelled for batch %" PRIu64 ", which wants it", job->id,
                 batch->id);
    if (alive && c->outcome != LEAT_OUTCOME_CANCELLED)
        sim_fail(s, "job %" PRIu64 " has a completion, and is alive", job->id);
    if (alive || (job->ended && job->recoverer == 0))
        return;
    end_claim(s, job, batch, c);
}

static void
ended(sim *s, uint64_t batch_id, uint64_t position, const leat_completion *c)
{
    sim_job *const job = must_job(s, c->job, "a completion");
    sim_batch *const batch =
        sim_batch_ensure(s, batch_id == 0 ? c->job : batch_id, job->channel->durability);
    if (job->channel->messages)
        sim_fail(s, "message %" PRIu64 " has a completion", job->id);
    const bool own = batch->id == job->batch && c->place == job->place;
    if (job->channel->durability == SIM_MEMORY && job->unique != 0) {
        end_unknown_claim(s, job, batch, c);
    } else if (take_claim(job, batch, c->place)) {
        end_claim(s, job, batch, c);
        if (job->joined && c->outcome == LEAT_OUTCOME_CANCELLED && !may_be_cancelled(s, job, batch))
            sim_fail(s, "job %" PRIu64 " is cancelled for batch %" PRIu64 ", which wants it",
                     job->id, batch->id);
    } else if (job->joined && c->outcome == LEAT_OUTCOME_CANCELLED) {
        if (!may_be_cancelled(s, job, batch)) /* it has left those that wait for the job */
            sim_fail(s, "batch %" PRIu64 " gives up job %" PRIu64 ", and nobody wanted that",
                     batch->id, job->id);
    } else if (job->ended && job->unique != 0 && job->unique_for_ms > 0 && !own) {
        if (job->hash != sim_hash_of(c, false) && !job->recovers_when_dead)
            sim_fail(s, "job %" PRIu64 ": who came later gets another completion", job->id);
    } else {
        sim_fail(s, "batch %" PRIu64 " has no claim on job %" PRIu64 ", or no more", batch->id,
                 job->id);
    }
    job->own_left |= own && !job->ended; /* what is cancelled next is another one's */
    if (own)
        batch->live--;
    add_end(s, batch, position, c);
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
    const sim_batch *const batch = entry->id == 0 ? NULL : sim_batch_of(s, entry->id);
    if (batch != NULL && leat_counters_ended(&entry->counters) != batch->end)
        sim_fail(s, "batch %" PRIu64 " counts %" PRIu64 " ends and has %" PRIu64, batch->id,
                 leat_counters_ended(&entry->counters), batch->end);
    if (batch != NULL && batch->end > entry->counters.total)
        sim_fail(s, "batch %" PRIu64 ": more have ended than were accepted", batch->id);
}

/* ---------------------------------------------------------------------------------- changes */

static void
check_counts(sim *s, const sim_job *job, const leat_turn_entry *entry)
{
    const unsigned runs = (unsigned)sim_handlers[job->handler].runs;
    /* A release that died with its worker: a later job had started, so this one may have, too. */
    const unsigned losses = runs == LEAT_RUNS_TIMER   ? 0
                            : runs == LEAT_RUNS_CHILD ? job->starts + job->releases_said
                                                      : entry->attempt;
    if (entry->attempt < job->attempt_durable)
        sim_fail(s, "job %" PRIu64 " goes back to attempt %u from %u", job->id, entry->attempt,
                 job->attempt_durable);
    if (entry->failed > job->fails_said + job->timeouts)
        sim_fail(s, "job %" PRIu64 ": %u failures, %u reported, %u timeouts", job->id,
                 entry->failed, job->fails_said, job->timeouts);
    if (entry->snoozed > job->snoozes_said)
        sim_fail(s, "job %" PRIu64 ": %u snoozes, %u reported", job->id, entry->snoozed,
                 job->snoozes_said);
    if (entry->lost > losses)
        sim_fail(s, "job %" PRIu64 " (%s): %u losses, started %u times", job->id,
                 sim_handlers[job->handler].name, entry->lost, job->starts);
    if (leat_state_is_final((leat_state)entry->state))
        return;
    if (entry->failed >= job->failures || entry->lost >= job->losses ||
        entry->snoozed >= job->snoozes)
        sim_fail(s,
                 "job %" PRIu64 " lives with %u of %u failures, %u of %u losses, %u of %u "
                 "snoozes",
                 job->id, entry->failed, job->failures, entry->lost, job->losses, entry->snoozed,
                 job->snoozes);
}

static void
check_delay(sim *s, const sim_job *job, const leat_turn_entry *entry)
{
    const int64_t wait = (int64_t)entry->due_wall_ms - s->commit->at.wall_ms;
    if (entry->failed > job->failed && wait < (int64_t)(job->backoff_min_ms / 2))
        sim_fail(s, "job %" PRIu64 " waits only %" PRId64 " ms after a failure", job->id, wait);
    if (entry->snoozed > job->snoozed && wait < (int64_t)job->snooze_ms)
        sim_fail(s, "job %" PRIu64 " waits only %" PRId64 " ms of %" PRIu64, job->id, wait,
                 job->snooze_ms);
}

static void
check_arrow(sim *s, sim_job *job, const leat_turn_entry *entry)
{
    const leat_state from = job->state;
    const leat_state to = (leat_state)entry->state;
    const bool worker = from == LEAT_STATE_LEASED || from == LEAT_STATE_OVERDUE;
    bool may = false;
    switch (to) {
    case LEAT_STATE_READY:
        may = from == LEAT_STATE_LEASED || from == LEAT_STATE_HELD || from == LEAT_STATE_DELAYED;
        if (from == LEAT_STATE_DELAYED && s->commit->at.wall_ms < job->due_wall)
            sim_fail(s, "job %" PRIu64 " is ready %" PRId64 " ms early", job->id,
                     job->due_wall - s->commit->at.wall_ms);
        job->held_decided |= from == LEAT_STATE_HELD;
        break;
    case LEAT_STATE_DELAYED:
        /* After a restart one that was never given out is again what its pack says. */
        may = worker || (job->attempt_durable == 0 && (int64_t)entry->due_wall_ms == job->born_due);
        check_delay(s, job, entry);
        break;
    case LEAT_STATE_STOPPING:
        may = worker;
        break;
    case LEAT_STATE_OVERDUE:
        may = from == LEAT_STATE_LEASED && job->run_limit_ms > 0 &&
              s->commit->at.mono_ms - job->lease_mono >= (int64_t)job->run_limit_ms;
        job->timeouts++;
        break;
    case LEAT_STATE_DEAD:
    case LEAT_STATE_DONE:
    case LEAT_STATE_CANCELLED:
    case LEAT_STATE_EXPIRED:
    case LEAT_STATE_SKIPPED:
    case LEAT_STATE_HELD:
    case LEAT_STATE_LEASED:
        break;
    }
    if (!may)
        sim_fail(s, "job %" PRIu64 " goes from %s to %s", job->id, leat_state_name(from),
                 leat_state_name(to));
}

/* Its last word where the completion is not its own: it is recovered, or recovers another one. */
static void
on_last_word(sim *s, sim_job *job, const leat_turn_entry *entry)
{
    if (job->recovers != 0) {
        if (!job->ended) /* its completion follows, as the dead one's */
            job->state = (leat_state)entry->state;
        return;
    }
    if (entry->state != LEAT_STATE_DEAD || !job->recovers_when_dead)
        sim_fail(s, "job %" PRIu64 " ends as %s without a completion", job->id,
                 leat_state_name((leat_state)entry->state));
    mark_ended(s, job, LEAT_OUTCOME_DEAD, entry->attempt);
    s->figures.dead++;
}

/* Nothing has changed: the turn that said it first goes. */
static bool
is_said_again(const sim_job *job, const leat_turn_entry *entry)
{
    return entry->state == job->state && entry->attempt == job->attempt_durable &&
           entry->failed == job->failed && entry->lost == job->lost &&
           entry->snoozed == job->snoozed &&
           (job->state != LEAT_STATE_DELAYED || (int64_t)entry->due_wall_ms == job->due_wall);
}

static void
on_item(sim *s, const leat_turn_entry *entry)
{
    sim_job *const job = must_job(s, entry->id, "an item");
    if (job->ended && job->recovers == 0)
        sim_fail(s, "job %" PRIu64 " has ended and changes", job->id);
    if (job->channel->messages) {
        job->ended = leat_state_is_final((leat_state)entry->state);
        if (job->ended) {
            job->ended_commit = s->commit->serial;
            sim_job_ends(s, job);
        }
        return;
    }
    if (entry->state >= LEAT_STATE_COUNT)
        sim_fail(s, "job %" PRIu64 " has a state that does not exist", job->id);
    const bool again = is_said_again(job, entry);
    if (entry->state == LEAT_STATE_OVERDUE && !again)
        check_arrow(s, job, entry);
    check_counts(s, job, entry);
    if (again)
        return;
    note_fact(s, job->id, leat_state_name((leat_state)entry->state), entry->due_wall_ms);
    touch(s, job);
    if (leat_state_is_final((leat_state)entry->state)) {
        on_last_word(s, job, entry);
        return;
    }
    if (entry->state != LEAT_STATE_OVERDUE)
        check_arrow(s, job, entry);
    if (entry->state == LEAT_STATE_STOPPING || entry->state == LEAT_STATE_OVERDUE) {
        job->stopped |= 1ULL << (job->attempt_durable % 64);
        if (job->stop_attempt != job->attempt_durable) /* else it knows already */
            job->stop_mono = s->commit->at.mono_ms;
        job->stop_attempt = job->attempt_durable;
        s->figures.stops++;
    }
    job->state = (leat_state)entry->state;
    job->state_commit = s->commit->serial;
    job->due_wall = (int64_t)entry->due_wall_ms;
    job->failed = entry->failed;
    job->lost = entry->lost;
    job->snoozed = entry->snoozed;
}

static void
on_joins(sim *s, const leat_turn_entry *entry)
{
    sim_job *job = must_job(s, entry->id, "a join");
    if (job->recovers != 0)
        job = must_job(s, job->recovers, "a join");
    if (entry->n == 0 && !job->joined)
        return;
    sim_claim *const claims = realloc(job->claims, (entry->n + 1) * sizeof *claims);
    if (claims == NULL)
        abort();
    job->claims = claims;
    claims[0] =
        (sim_claim){.batch = entry->batch == 0 ? job->id : entry->batch, .place = entry->place};
    for (uint32_t i = 0; i < entry->n; i++) {
        leat_turn_lease(entry, i, &claims[i + 1].batch, &claims[i + 1].place);
        sim_batch *const batch = sim_batch_ensure(s, claims[i + 1].batch, job->channel->durability);
        if (batch->born == 0)
            batch->may_be_sealed = true;
    }
    if (job->claim_count < entry->n + 1) {
        s->figures.joins++;
        job->joined_late |= job->state == LEAT_STATE_STOPPING; /* it ends with what it has joined */
    }
    job->claim_count = entry->n + 1;
    job->joined = true;
    touch(s, job);
}

/* ---------------------------------------------------------------------------------- dead */

/* Of every failure and loss that was counted it is kept how it came, but for what is too old. */
static void
check_failures(sim *s, const sim_job *job, const leat_change *change)
{
    leat_reader r = leat_reader_over(change->data, change->size);
    const uint8_t format = leat_read_u8(&r);
    (void)leat_read_text8(&r); /* channel, handler */
    (void)leat_read_text8(&r);
    (void)leat_read_bytes(&r, 8 + 4 + 8 + 8 + 4); /* batch, place, owner, attempts */
    uint32_t counted = leat_read_u16(&r);         /* failed, lost */
    counted += leat_read_u16(&r);
    (void)leat_read_bytes(&r, 2 + 8); /* snoozed, ended_ms */
    for (unsigned i = 0; i < 3; i++)  /* settings, error, payload */
        (void)leat_read_bytes(&r, leat_read_u32(&r));
    const uint32_t size = leat_read_u32(&r);
    const leat_bytes list = {leat_read_bytes(&r, size), size};
    uint32_t older = 0;
    uint8_t n = 0;
    leat_reader attempts;
    if (r.failed || format != 2 || (size > 0 && !leat_failure_open(list, &older, &n, &attempts)))
        sim_fail(s, "the dead entry of job %" PRIu64 " cannot be read", job->id);
    else if (!s->disk_was_full && n < LEAT_FAILURES_KEPT && n < counted)
        sim_fail(s,
                 "job %" PRIu64 " has died of %" PRIu32 " failures and losses, %u of them are told",
                 job->id, counted, n);
}

static void
on_dead(sim *s, const leat_change *change)
{
    const uint64_t id = change->id;
    sim_job *const job = must_job(s, id, "a dead entry");
    check_failures(s, job, change);
    if (job->is_listed)
        sim_fail(s, "job %" PRIu64 " is among the dead twice", id);
    job->is_listed = true;
    s->dead_ids[s->dead_count++ % 128] = id;
    touch(s, job);
}

static void
on_dead_dropped(sim *s, uint64_t id)
{
    sim_job *const job = must_job(s, id, "a dead entry");
    if (!job->is_listed)
        sim_fail(s, "job %" PRIu64 " is taken off the list of the dead, and was not in it", id);
    job->is_listed = false;
    grow(&s->dropped, s->dropped_count, &s->dropped_capacity, sizeof *s->dropped);
    s->dropped[s->dropped_count++] = id;
}

/* ---------------------------------------------------------------------------------- a commit */

static void
on_turn(sim *s, const leat_change *change)
{
    leat_reader record = leat_reader_over(change->data, change->size);
    leat_turn_entry entry;
    while (leat_turn_next(&record, &entry)) {
        switch (entry.kind) {
        case LEAT_TURN_LEASES:
            on_leases(s, &entry);
            break;
        case LEAT_TURN_ENDS:
            on_ends(s, &entry);
            break;
        case LEAT_TURN_ITEM:
            on_item(s, &entry);
            break;
        case LEAT_TURN_JOINS:
            on_joins(s, &entry);
            break;
        case LEAT_TURN_ANSWER:
            if (s->decided_count < sizeof s->decided / sizeof *s->decided)
                s->decided[s->decided_count++] = (struct sim_decided){
                    .session = entry.session, .sequence = entry.number, .command = entry.command};
            break;
        case LEAT_TURN_CURSOR:
        case LEAT_TURN_OBJECT:
        case LEAT_TURN_IDS:
            break;
        }
    }
    if (record.failed)
        sim_fail(s, "a turn record that cannot be read");
}

/* In the turn in which something was taken out of a line, nothing older stays behind in it. */
static void
check_order(sim *s)
{
    for (size_t i = 0; i < s->live_count && s->line_count > 0; i++) {
        const sim_job *const job = s->live[i];
        if (job->line == 0 || job->state != LEAT_STATE_READY ||
            job->channel->durability != SIM_DISK)
            continue;
        for (size_t l = 0; l < s->line_count; l++) {
            if (s->lines[l].hash == job->line && s->lines[l].high > job->id)
                sim_fail(s, "job %" PRIu64 " is ready and was passed over for %" PRIu64, job->id,
                         s->lines[l].high);
        }
    }
}

static bool
was_sealed(const sim *s, const sim_batch *batch)
{
    if (batch->may_be_sealed || s->peers[batch->peer].generation != batch->generation)
        return true;
    for (uint32_t i = 0; i < s->op_count; i++) {
        const sim_op *const op = &s->ops[i];
        if (op->sealing && op->peer == batch->peer && op->generation == batch->generation &&
            op->tag == batch->tag)
            return true;
    }
    return false;
}

/* A job that waited for a batch goes on, or is skipped, just as the batch has it. */
static void
check_held(sim *s, sim_job *job)
{
    const sim_batch *const batch = sim_batch_of(s, job->after_batch);
    const bool met = job->outcome != LEAT_OUTCOME_SKIPPED;
    job->held_decided = false;
    if (batch == NULL || job->channel->durability == SIM_MEMORY || batch->durability == SIM_MEMORY)
        return;
    const bool over = batch->live == 0 && was_sealed(s, batch);
    const bool failed = batch->bad > 0;
    const bool right = job->after == LEAT_AFTER_OK       ? (met ? over && !failed : failed)
                       : job->after == LEAT_AFTER_FAILED ? (met ? failed : over && !failed)
                                                         : met && over;
    if (!right)
        sim_fail(s,
                 "job %" PRIu64 " %s: batch %" PRIu64 " has %" PRIu64 " alive, %" PRIu64
                 " not done%s",
                 job->id, met ? "goes on" : "is skipped", batch->id, batch->live, batch->bad,
                 over ? ", is over" : "");
}

/* What follows a job is in the commit of its end. */
static void
check_following(sim *s, const sim_job *job)
{
    if (job->op == SIM_NO_OP || s->close_asked[sim_channel_index(job->channel)])
        return;
    sim_op *const op = &s->ops[job->op];
    const unsigned n = op->settings.finally_count;
    for (unsigned i = 0; i < n && !op->select; i++) {
        const uint64_t due = i + 1 == n ? op->ended : op->finally_ended[i + 1];
        if (op->finally_born[i] < due && op->finally_again[i] > 0) {
            op->finally_born[i]++; /* one like it left the list of the dead in the same turn */
            op->finally_again[i]--;
        }
        if (op->finally_born[i] != due)
            sim_fail(
                s, "op %u: finally job %u was submitted %" PRIu64 " times, and should be %" PRIu64,
                job->op, i, op->finally_born[i], due);
    }
}

static void
check_replies(sim *s, const sim_job *job)
{
    const sim_job *const by = job->recoverer == 0 ? job : sim_job_find(s, job->recoverer);
    const bool completed = by == job ? job->ended : job->completed;
    const bool due = completed && (!job->replies_if_done || by->outcome == LEAT_OUTCOME_DONE);
    const bool late = job->channel->durability == SIM_MEMORY; /* it is in another store */
    if (job->replies && job->replies_born != (due ? 1U : 0U) && (!late || job->replies_born > 1))
        sim_fail(s, "job %" PRIu64 " has %u replies, and should have %d", job->id,
                 job->replies_born, due);
}

static void
check_unique(sim *s, const sim_job *job)
{
    for (size_t i = 0; i < s->live_count && job->unique != 0; i++) {
        if (s->live[i] != job && s->live[i]->unique == job->unique)
            sim_fail(s, "jobs %" PRIu64 " and %" PRIu64 " are alive with one unique key",
                     s->live[i]->id, job->id);
    }
}

static void
check_touched(sim *s, sim_job *job)
{
    if (job->held_decided)
        check_held(s, job);
    if (!job->ended && job->born_commit == s->commit->serial)
        check_unique(s, job);
    check_following(s, job);
    check_replies(s, job);
    if (job->ended && job->checkpoint_stored)
        sim_fail(s, "job %" PRIu64 " has ended, and its checkpoint is in the store", job->id);
    if (job->ended && job->failure_stored)
        sim_fail(s, "job %" PRIu64 " has ended, and its failures are in the store", job->id);
    if (job->is_listed && !job->is_dead)
        sim_fail(s, "job %" PRIu64 " is not dead and is listed among them", job->id);
    if (job->is_dead && job->ended_commit == s->commit->serial &&
        job->is_listed != (job->recoverer == 0))
        sim_fail(s, "job %" PRIu64 " has died and is %slisted among the dead", job->id,
                 job->is_listed ? "" : "not ");
    if (job->ended && job->recoverer == 0 && job->claim_count > 0)
        sim_fail(s,
                 "job %" PRIu64 " has ended, and batch %" PRIu64 " that has joined it gets nothing",
                 job->id, job->claims[0].batch);
    const sim_job *const dead = job->recovers == 0 ? NULL : sim_job_find(s, job->recovers);
    if (dead != NULL && (job->ended || leat_state_is_final(job->state)) &&
        (!dead->completed || dead->claim_count > 0))
        sim_fail(s, "job %" PRIu64 " has recovered %" PRIu64 ", which gets no completion", job->id,
                 dead->id);
}

static sim_said *
decided_said(sim *s, const struct sim_decided *decided)
{
    for (unsigned i = 0; i < s->peer_count; i++) {
        sim_peer *const peer = &s->peers[i];
        if (leat_load_u64(peer->session.bytes) == decided->session)
            return sim_peer_said(peer, decided->sequence);
    }
    return NULL;
}

static bool
waits(const sim_job *job)
{
    return job->state == LEAT_STATE_READY || job->state == LEAT_STATE_DELAYED ||
           job->state == LEAT_STATE_HELD;
}

/* What a command says of jobs holds from its commit on. */
static void
on_decided(sim *s, const struct sim_decided *decided)
{
    const sim_said *const said = decided_said(s, decided);
    if (said == NULL)
        return;
    for (size_t i = 0; i < s->live_count; i++) {
        sim_job *const job = s->live[i];
        if (job->channel->durability != SIM_DISK || job->channel->messages ||
            job->born_commit == s->commit->serial)
            continue;
        if (said->verb == SIM_VERB_PURGE)
            job->doomed |= waits(job) && job->state_commit < s->commit->serial &&
                           sim_channel_index(job->channel) == said->what;
        else if (said->verb == SIM_VERB_CANCEL_BATCH)
            job->doomed |= job->batch == said->batch && !job->joined;
    }
}

/* A checkpoint is stored, or goes. */
static void
on_checkpoint(sim *s, uint64_t id, bool stored)
{
    sim_job *const job = must_job(s, id, "a checkpoint");
    job->checkpoint_stored = stored;
    touch(s, job);
}

/* … and how its attempts failed. */
static void
on_failure(sim *s, uint64_t id, bool stored)
{
    sim_job *const job = must_job(s, id, "a failure");
    job->failure_stored = stored;
    touch(s, job);
}

/* Only a full disk presses, and only what nobody can still come back for: an hour at least, by a
 * clock that is set forth and back. */
static void
on_batch_dropped(sim *s, uint64_t id)
{
    sim_batch *const batch = sim_batch_of(s, id);
    if (batch == NULL)
        return; /* it was never on disk */
    if (!s->disk_was_full || s->high_wall - s->low_wall <= LEAT_SESSION_MS)
        sim_fail(s, "the record of batch %" PRIu64 " is dropped", id);
    batch->dropped = true;
}

static void
apply(sim_store *store, sim_commit *commit)
{
    sim *const s = store->sim;
    leat_reader ops = leat_reader_over(commit->changes.ops.data, commit->changes.ops.size);
    const leat_reader start = ops;
    leat_change change;
    s->commit = commit;
    s->dropped_count = s->touched_count = s->line_count = s->decided_count = 0;
    while (leat_changes_next(&ops, &change)) {
        if (change.op == 6 && change.kind == LEAT_OBJECT_DEAD)
            on_dead_dropped(s, change.id);
    }
    ops = start;
    while (leat_changes_next(&ops, &change)) {
        if (change.op == 1)
            on_pack(s, &change);
        else if (change.op == 3)
            on_turn(s, &change);
        else if (change.op == 5 && change.kind == LEAT_OBJECT_DEAD)
            on_dead(s, &change);
        else if (change.op == 6 && change.kind == LEAT_OBJECT_BATCH)
            on_batch_dropped(s, change.id);
        else if (change.kind == LEAT_OBJECT_CHECKPOINT && (change.op == 5 || change.op == 6))
            on_checkpoint(s, change.id, change.op == 5);
        else if (change.kind == LEAT_OBJECT_FAILURE && (change.op == 5 || change.op == 6))
            on_failure(s, change.id, change.op == 5);
    }
    check_order(s);
    for (size_t i = 0; i < s->touched_count; i++)
        check_touched(s, s->touched[i]);
    for (unsigned i = 0; i < s->decided_count; i++)
        on_decided(s, &s->decided[i]);
    s->commit = NULL;
    if (leat_store_commit(store->under, &commit->changes, commit->number) != LEAT_ERR_OK)
        sim_fail(s, "the store refuses a commit");
    while (leat_store_durable_upto(store->under) < commit->number)
        (void)sched_yield(); /* a store with a thread of its own */
    store->durable = commit->number;
}

/* ---------------------------------------------------------------------------------- the store */

static sim_store *
store_of(leat_store *store)
{
    return (sim_store *)store;
}

static leat_err
store_commit(leat_store *of, leat_changes *changes, uint64_t number)
{
    sim_store *const store = store_of(of);
    sim *const s = store->sim;
    sim_commit commit = {
        .changes = *changes, .number = number, .serial = ++s->serial, .at = s->now};
    commit.full = store->durability == SIM_DISK && s->disk_full;
    *changes = (leat_changes){0};
    if (store->durability == SIM_MEMORY) {
        apply(store, &commit);
        return LEAT_ERR_OK;
    }
    grow(&store->waiting, store->count, &store->capacity, sizeof *store->waiting);
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
store_room(leat_store *of, uint64_t wanted, bool wait, leat_store_room *room)
{
    leat_store_get_room(store_of(of)->under, wanted, wait, room);
    if (store_of(of)->durability == SIM_DISK && store_of(of)->sim->disk_full)
        *room = (leat_store_room){.full = true};
}

static void
store_destroy(leat_store **store_p)
{
    sim_store *store = store_of(*store_p);
    *store_p = NULL;
    sim_store_free(&store);
}

static void
open_under(sim_store *store)
{
    const leat_retention retention = LEAT_RETENTION_DEFAULT;
    const char *const folder = store->durability == SIM_DISK ? store->sim->options.lmdb : NULL;
    char why[512] = "";
    const leat_err err =
        folder == NULL ? leat_store_memory_new(&retention, &store->under)
                       : leat_store_lmdb_open(
                             &(leat_store_lmdb_options){.path = folder, .retention = retention},
                             &store->under, why);
    if (err != LEAT_ERR_OK)
        sim_fail(store->sim, "no store: %s %s", leat_err_message(err), why);
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
        .room = store_room,
        .destroy = store_destroy,
    };
    sim_store *const store = calloc(1, sizeof *store);
    if (store == NULL)
        abort();
    store->store.ops = &ops;
    store->sim = s;
    store->durability = durability;
    open_under(store);
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

static void
forget_waiting(sim_store *store)
{
    for (size_t i = 0; i < store->count; i++)
        leat_changes_fini(&store->waiting[i].changes);
    store->count = 0;
    store->durable = 0;
}

void
sim_store_crash(sim_store *store)
{
    forget_waiting(store);
    if (store->sim->options.lmdb == NULL)
        return;
    leat_store_destroy(&store->under);
    open_under(store);
}

void
sim_store_free(sim_store **store_p)
{
    sim_store *const store = *store_p;
    *store_p = NULL;
    if (store == NULL)
        return;
    forget_waiting(store);
    leat_store_destroy(&store->under);
    free(store->waiting);
    free(store);
}

void
sim_mirror_free(sim *s)
{
    for (size_t i = 0; i < s->jobs.slots; i++) {
        sim_job *const job = s->jobs.values[i];
        if (job != NULL)
            free(job->claims);
        free(job);
    }
    for (size_t i = 0; i < s->batch_count; i++) {
        free(s->batch_list[i]->ends);
        free(s->batch_list[i]);
    }
    sim_map_free(&s->jobs);
    sim_map_free(&s->batches);
    free(s->batch_list);
    free(s->live);
    free(s->dropped);
    free(s->touched);
    free(s->lines);
}
