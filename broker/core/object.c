/* The records of channels, batches, sessions and the broker itself, and the head of a job pack:
 * bytes <-> objects. A record begins with its own format number; fields are only ever added at the
 * end under a new number, and old numbers are read for ever.
 *
 *   META      u8 2 · 16 broker id · u64 epoch · u64 reserved_upto · u64 next_channel_id ·
 *             u64 number (of the turn before) · u64 batches_dropped · u64 dead_dropped (from 2)
 *   CHANNEL   u8 3 · text8 name · u8 kind · u8 durability · u8 flags (1 closed, 2 paused, 4 being
 *             removed) · u64 paused_until_ms · u64 capacity · u64 running_max · u64 key_max ·
 *             u32 weight · u32 rate_per_ks · u32 burst · u64 purged_upto · u16 defaults ·
 *             settings · u8 keep (from 3)
 *   BATCH     u8 4 · text8 name · text8 channel · text8 handler · u8 durability · u64 session ·
 *             u32 tag · u64 principal · u8 flags (1 sealed, 2 abandoned, 4 finished, 8 halted,
 *             16 cancelled with what runs) · u64 cancel_upto · u64 retry_of · u8 halt on ·
 *             u8 flags (1 running, 2 percent) · u32 n · u64 log_end · counters ·
 *             u64 ended_ms (wall; from 3) · text8 labels (from 4)
 *   SESSION   u8 2 · 16 id · u8 role · text8 name · text8 host · u64 next_number · u64 settled ·
 *             u16 handlers · n × (text8 name · u8 runs) · u16 answers ·
 *             n × (u64 sequence · u8 command · u32 size · bytes) · u64 principal · text8 its name ·
 *             u8 flags (1 set aside; from 2)
 *   PACK head u8 2 · u64 batch · u32 place · u8 message · u64 principal · u64 share ·
 *             u64 recovers · u64 due_wall_ms · u64 expires_wall_ms · u64 born_wall_ms ·
 *             text8 channel · text8 handler · text8 flow · u16 settings · settings
 *
 * DEAD, UNIQUE, SCHEDULE, CHECKPOINT and FAILURE are with their nouns (dead.c, unique.c, …).
 */
#include "broker/core/object.h"

#include <stdlib.h>

#include "broker/core/batch.h"
#include "broker/core/channel.h"
#include "broker/core/checkpoint.h"
#include "broker/core/class.h"
#include "broker/core/dead.h"
#include "broker/core/failure.h"
#include "broker/core/peer.h"
#include "broker/core/schedule.h"
#include "broker/core/timer.h"
#include "broker/core/unique.h"
#include "broker/core/window.h"

#define FORMAT   1U
#define FORMAT_2 2U /* pack heads, the broker itself, sessions, the dead */
#define FORMAT_3 3U /* channels */
#define FORMAT_4 4U /* batches */

/* ------------------------------------------------------------------------------ writing */

void
leat_object_put_meta(leat_core *core, leat_buf *buf)
{
    leat_put_u8(buf, FORMAT_2);
    leat_put_bytes(buf, core->broker_id, sizeof core->broker_id);
    leat_put_u64(buf, core->epoch);
    leat_put_u64(buf, core->reserved_upto);
    leat_put_u64(buf, core->next_channel_id);
    leat_put_u64(buf, core->books[LEAT_DISK].number);
    leat_put_u64(buf, core->archive.dropped);
    leat_put_u64(buf, core->dead_dropped);
}

void
leat_object_put_channel(const leat_channel *channel, leat_buf *buf)
{
    const leat_channel_rules *const rules = &channel->rules;
    leat_put_u8(buf, FORMAT_3);
    leat_put_text8(buf, leat_text_of(channel->name));
    leat_put_u8(buf, (uint8_t)channel->kind);
    leat_put_u8(buf, (uint8_t)channel->durability);
    leat_put_u8(buf, (uint8_t)((channel->closed ? 1U : 0U) | (channel->paused ? 2U : 0U) |
                               (channel->removed ? 4U : 0U)));
    leat_put_u64(buf, channel->paused_until_ms);
    leat_put_u64(buf, rules->capacity);
    leat_put_u64(buf, rules->running_max);
    leat_put_u64(buf, rules->key_max);
    leat_put_u32(buf, rules->weight);
    leat_put_u32(buf, rules->rate_per_ks);
    leat_put_u32(buf, rules->burst);
    leat_put_u64(buf, channel->purged_upto);
    leat_put_u16(buf, (uint16_t)channel->defaults.size);
    leat_put_bytes(buf, channel->defaults.data, channel->defaults.size);
    leat_put_u8(buf, (uint8_t)rules->keep);
}

void
leat_object_put_batch(const leat_core *core, const leat_batch *batch, leat_buf *buf)
{
    const leat_channel *const channel = leat_table_at(&core->channels, batch->channel);
    const leat_class *const class =
        batch->class == 0 ? NULL : leat_table_at(&core->classes, batch->class);
    leat_put_u8(buf, FORMAT_4);
    leat_put_text8(buf, leat_text_of(batch->name));
    leat_put_text8(buf, leat_text_of(channel->name));
    leat_put_text8(buf, leat_text_of(class == NULL ? "" : class->handler));
    leat_put_u8(buf, (uint8_t)batch->durability);
    leat_put_u64(buf, batch->session);
    leat_put_u32(buf, batch->tag);
    leat_put_u64(buf, batch->principal);
    leat_put_u8(buf, (uint8_t)((batch->sealed ? 1U : 0U) | (batch->abandoned ? 2U : 0U) |
                               (batch->finished ? 4U : 0U) | (batch->halted ? 8U : 0U) |
                               (batch->cancel_running ? 16U : 0U)));
    leat_put_u64(buf, batch->cancel_upto);
    leat_put_u64(buf, batch->retry_of);
    leat_put_u8(buf, (uint8_t)batch->halt.on);
    leat_put_u8(buf, (uint8_t)((batch->halt.running ? 1U : 0U) | (batch->halt.percent ? 2U : 0U)));
    leat_put_u32(buf, batch->halt.n);
    leat_put_u64(buf, batch->log_end);
    leat_put_u64(buf, batch->counters.total);
    leat_put_u64(buf, batch->counters.done);
    leat_put_u64(buf, batch->counters.dead);
    leat_put_u64(buf, batch->counters.cancelled);
    leat_put_u64(buf, batch->counters.expired);
    leat_put_u64(buf, batch->counters.skipped);
    leat_put_u64(buf, (uint64_t)batch->ended_ms);
    leat_put_text8(buf, leat_text_of(batch->labels));
}

static bool
is_kept(const leat_answer *answer)
{
    return answer->stored && answer->bytes != NULL;
}

void
leat_object_put_session(const leat_peer *peer, leat_buf *buf)
{
    leat_put_u8(buf, FORMAT_2);
    leat_put_bytes(buf, peer->session.bytes, sizeof peer->session.bytes);
    leat_put_u8(buf, (uint8_t)peer->role);
    leat_put_text8(buf, leat_text_of(peer->name));
    leat_put_text8(buf, leat_text_of(peer->host));
    leat_put_u64(buf, peer->next_number);
    leat_put_u64(buf, peer->settled);
    leat_put_u16(buf, (uint16_t)peer->handler_count);
    for (uint32_t i = 0; i < peer->handler_count; i++) {
        leat_put_text8(buf, leat_text_of(peer->handlers[i].name));
        leat_put_u8(buf, (uint8_t)peer->handlers[i].runs);
    }
    uint16_t answers = 0;
    for (uint32_t i = 0; i < peer->window_capacity; i++)
        answers = (uint16_t)(answers + is_kept(&peer->window[i]));
    leat_put_u16(buf, answers);
    for (uint64_t i = 1; i <= peer->window_capacity; i++) {
        const uint64_t sequence = peer->settled + i;
        const leat_answer *const answer = &peer->window[sequence & (peer->window_capacity - 1)];
        if (!is_kept(answer))
            continue;
        leat_put_u64(buf, sequence);
        leat_put_u8(buf, answer->command);
        leat_put_u32(buf, answer->size);
        leat_put_bytes(buf, answer->bytes, answer->size);
    }
    leat_put_u64(buf, peer->principal);
    leat_put_text8(buf, leat_text_of(peer->principal_name));
    leat_put_u8(buf, peer->aside ? 1U : 0U);
}

void
leat_object_put_pack_head(const leat_pack_head *head, leat_buf *buf)
{
    leat_put_u8(buf, FORMAT_2);
    leat_put_u64(buf, head->batch);
    leat_put_u32(buf, head->place);
    leat_put_u8(buf, head->message ? 1 : 0);
    leat_put_u64(buf, head->owner.principal);
    leat_put_u64(buf, head->owner.share);
    leat_put_u64(buf, head->recovers);
    leat_put_u64(buf, head->due_wall_ms);
    leat_put_u64(buf, head->expires_wall_ms);
    leat_put_u64(buf, head->born_wall_ms);
    leat_put_text8(buf, head->channel);
    leat_put_text8(buf, head->handler);
    leat_put_text8(buf, head->flow);
    leat_put_u16(buf, (uint16_t)head->settings.size);
    leat_put_bytes(buf, head->settings.data, head->settings.size);
}

/* ------------------------------------------------------------------------------ reading */

static bool
is_known(leat_object_kind kind, unsigned format)
{
    switch (kind) {
    case LEAT_OBJECT_META:
        return format == FORMAT || format == FORMAT_2;
    case LEAT_OBJECT_CHANNEL:
        return format == FORMAT_2 || format == FORMAT_3;
    case LEAT_OBJECT_BATCH:
        return format >= FORMAT_2 && format <= FORMAT_4;
    case LEAT_OBJECT_SESSION:
    case LEAT_OBJECT_DEAD:
        return format == FORMAT || format == FORMAT_2;
    case LEAT_OBJECT_FAILURE:
    case LEAT_OBJECT_UNIQUE:
    case LEAT_OBJECT_SCHEDULE:
    case LEAT_OBJECT_CHECKPOINT:
        return format == FORMAT;
    }
    return false;
}

leat_err
leat_object_read_pack_head(const uint8_t *data, size_t size, leat_pack_head *head)
{
    leat_reader r = leat_reader_over(data, size);
    const uint8_t format = leat_read_u8(&r);
    head->batch = leat_read_u64(&r);
    head->place = leat_read_u32(&r);
    head->message = leat_read_u8(&r) != 0;
    head->owner.principal = leat_read_u64(&r);
    head->owner.share = leat_read_u64(&r);
    head->recovers = leat_read_u64(&r);
    head->due_wall_ms = leat_read_u64(&r);
    head->expires_wall_ms = leat_read_u64(&r);
    head->born_wall_ms = leat_read_u64(&r);
    head->channel = leat_read_text8(&r);
    head->handler = leat_read_text8(&r);
    head->flow = leat_read_text8(&r);
    head->settings.size = leat_read_u16(&r);
    head->settings.data = leat_read_bytes(&r, head->settings.size);
    if (r.failed || format != FORMAT_2 || !leat_name_is_valid(head->channel) ||
        (head->flow.size > 0 && !leat_name_is_valid(head->flow)) ||
        (head->message ? head->handler.size != 0 : !leat_name_is_valid(head->handler)))
        return LEAT_ERR_CORRUPT;
    return LEAT_ERR_OK;
}

static leat_err
apply_meta(leat_core *core, unsigned format, leat_reader *r)
{
    const uint8_t *const id = leat_read_bytes(r, sizeof core->broker_id);
    const uint64_t epoch = leat_read_u64(r);
    const uint64_t reserved_upto = leat_read_u64(r);
    const uint64_t next_channel_id = leat_read_u64(r);
    const uint64_t number = leat_read_u64(r);
    const uint64_t batches_dropped = format < FORMAT_2 ? 0 : leat_read_u64(r);
    const uint64_t dead_dropped = format < FORMAT_2 ? 0 : leat_read_u64(r);
    if (r->failed)
        return LEAT_ERR_CORRUPT;
    core->archive.dropped = batches_dropped;
    core->dead_dropped = dead_dropped;
    memcpy(core->broker_id, id, sizeof core->broker_id);
    if (epoch > core->epoch)
        core->epoch = epoch;
    core->reserved_upto = reserved_upto;
    if (next_channel_id > core->next_channel_id)
        core->next_channel_id = next_channel_id;
    if (number > core->books[LEAT_DISK].number)
        core->books[LEAT_DISK].number = number;
    return LEAT_ERR_OK;
}

static leat_err
apply_channel(leat_core *core, unsigned format, uint64_t id, leat_reader *r)
{
    const leat_text name = leat_read_text8(r);
    const uint8_t kind = leat_read_u8(r);
    const uint8_t durability = leat_read_u8(r);
    const uint8_t flags = leat_read_u8(r);
    const uint64_t paused_until = leat_read_u64(r);
    leat_channel_rules rules;
    rules.capacity = leat_read_u64(r);
    rules.running_max = leat_read_u64(r);
    rules.key_max = leat_read_u64(r);
    rules.weight = leat_read_u32(r);
    rules.rate_per_ks = leat_read_u32(r);
    rules.burst = leat_read_u32(r);
    const uint64_t purged_upto = leat_read_u64(r);
    const uint16_t defaults = leat_read_u16(r);
    const uint8_t *const settings = leat_read_bytes(r, defaults);
    const uint8_t keep = format < FORMAT_3 ? LEAT_KEEP_ALL : leat_read_u8(r);
    leat_settings known;
    rules.keep = (leat_keeping)keep;
    if (r->failed || keep > LEAT_KEEP_NONE || !leat_name_is_valid(name) ||
        kind > LEAT_KIND_MESSAGES || durability > LEAT_MEMORY || rules.weight == 0 ||
        leat_settings_read(settings, defaults, &known) != LEAT_ERR_OK)
        return LEAT_ERR_CORRUPT;
    leat_err err = LEAT_ERR_OK;
    leat_channel *const channel = leat_channel_ensure(core, name, &err);
    if (channel == NULL)
        return err;
    channel->id = id;
    channel->kind = (leat_kind)kind;
    channel->durability = (leat_durability)durability;
    channel->closed = (flags & 1U) != 0;
    channel->paused = (flags & 2U) != 0;
    channel->removed = (flags & 4U) != 0;
    channel->paused_until_ms = paused_until;
    leat_channel_set_rules(core, channel, &rules);
    channel->tokens = 0;
    channel->purged_upto = purged_upto;
    leat_buf_reset(&channel->defaults);
    leat_put_bytes(&channel->defaults, settings, defaults);
    if (channel->defaults.failed)
        return LEAT_ERR_NOMEM;
    if (channel->paused && paused_until > 0)
        leat_timer_set(core, LEAT_TIMER_RESUME, (int64_t)paused_until, id, 0);
    channel->dirty = true; /* it may come from a turn record, which goes with the next round */
    if (id >= core->next_channel_id)
        core->next_channel_id = id + 1;
    return LEAT_ERR_OK;
}

static void
read_counters(leat_reader *r, leat_counters *counters)
{
    counters->total = leat_read_u64(r);
    counters->done = leat_read_u64(r);
    counters->dead = leat_read_u64(r);
    counters->cancelled = leat_read_u64(r);
    counters->expired = leat_read_u64(r);
    counters->skipped = leat_read_u64(r);
}

leat_err
leat_object_read_batch(
    const leat_core *core, uint64_t id, const uint8_t *data, size_t size, leat_batch_record *out)
{
    leat_reader reader = leat_reader_over(data, size);
    leat_reader *const r = &reader;
    const unsigned format = leat_read_u8(r);
    *out = (leat_batch_record){.id = id};
    if (!is_known(LEAT_OBJECT_BATCH, format))
        return LEAT_ERR_CORRUPT;
    out->name = leat_read_text8(r);
    out->channel = leat_read_text8(r);
    out->handler = leat_read_text8(r);
    const uint8_t durability = leat_read_u8(r);
    out->durability = (leat_durability)durability;
    out->session = leat_read_u64(r);
    out->tag = leat_read_u32(r);
    out->principal = leat_read_u64(r);
    const uint8_t flags = leat_read_u8(r);
    out->sealed = (flags & 1U) != 0;
    out->abandoned = (flags & 2U) != 0;
    out->finished = (flags & 4U) != 0;
    out->halted = (flags & 8U) != 0;
    out->cancel_running = (flags & 16U) != 0;
    out->cancel_upto = leat_read_u64(r);
    out->retry_of = leat_read_u64(r);
    const uint8_t halt_on = leat_read_u8(r);
    const uint8_t halt_flags = leat_read_u8(r);
    out->halt = (leat_halt){
        .on = (leat_halt_on)halt_on,
        .running = (halt_flags & 1U) != 0,
        .percent = (halt_flags & 2U) != 0,
        .n = leat_read_u32(r),
    };
    out->log_end = leat_read_u64(r);
    read_counters(r, &out->counters);
    /* Of an older record nobody knows the time: it counts from now on. */
    out->ended_ms = format < FORMAT_3 ? core->now.wall_ms : (int64_t)leat_read_u64(r);
    if (format >= FORMAT_4)
        out->labels = leat_read_text8(r);
    if (r->failed || out->name.size > LEAT_NAME_BYTES_MAX || !leat_name_is_valid(out->channel) ||
        (out->labels.size > 0 && !leat_labels_is_valid(out->labels)) ||
        out->handler.size > LEAT_NAME_BYTES_MAX || durability > LEAT_MEMORY ||
        halt_on > LEAT_HALT_DONE)
        return LEAT_ERR_CORRUPT;
    return LEAT_ERR_OK;
}

static leat_err
apply_batch(leat_core *core, uint64_t id, const uint8_t *data, size_t size)
{
    leat_batch_record record;
    leat_err err = leat_object_read_batch(core, id, data, size, &record);
    if (err != LEAT_ERR_OK)
        return err;
    err = LEAT_ERR_NOMEM;
    leat_channel *const channel = leat_channel_ensure(core, record.channel, &err);
    leat_batch *batch = leat_table_get(&core->batches, id);
    if (batch == NULL && channel != NULL)
        batch = leat_batch_new(core, id, channel);
    if (batch == NULL)
        return err;
    memset(batch->name, 0, sizeof batch->name);
    memcpy(batch->name, record.name.size == 0 ? "" : record.name.data, record.name.size);
    leat_batch_set_labels(core, batch, record.labels);
    batch->durability = record.durability;
    batch->session = record.session;
    batch->tag = record.tag;
    batch->sealed = record.sealed;
    batch->abandoned = record.abandoned;
    batch->halted = record.halted;
    batch->cancel_running = record.cancel_running;
    batch->cancel_upto = record.cancel_upto;
    batch->retry_of = record.retry_of;
    batch->principal = record.principal;
    batch->halt = record.halt;
    batch->log_end = batch->durable_end = record.log_end;
    batch->counters = batch->durable_counters = record.counters;
    if (record.handler.size > 0) {
        const leat_class *const class =
            leat_class_ensure(core, channel, record.handler, (leat_text){0}, (leat_text){0}, &err);
        batch->class = class == NULL ? 0 : class->index;
    }
    batch->ended_ms = record.ended_ms;
    if (record.finished && !batch->finished) {
        batch->finished = true;
        leat_list_append(&core->finished, &batch->finished_node);
    }
    return LEAT_ERR_OK;
}

static leat_err
apply_session(leat_core *core, unsigned format, uint64_t key, leat_reader *r)
{
    leat_session_id session;
    const uint8_t *const id = leat_read_bytes(r, sizeof session.bytes);
    const uint8_t role = leat_read_u8(r);
    const leat_text name = leat_read_text8(r);
    const leat_text host = leat_read_text8(r);
    const uint64_t next_number = leat_read_u64(r);
    const uint64_t settled = leat_read_u64(r);
    const uint16_t handlers = leat_read_u16(r);
    if (r->failed || role < LEAT_ROLE_CLIENT || role > LEAT_ROLE_WORKER ||
        name.size > LEAT_NAME_BYTES_MAX || host.size > LEAT_NAME_BYTES_MAX ||
        handlers > LEAT_HANDLERS_MAX || leat_load_u64(id) != key)
        return LEAT_ERR_CORRUPT;
    memcpy(session.bytes, id, sizeof session.bytes);

    leat_peer *peer = leat_peer_find(core, &session);
    if (peer == NULL)
        peer = leat_peer_new(core, &session);
    leat_hello_handler *const list = calloc(handlers == 0 ? 1U : handlers, sizeof *list);
    if (peer == NULL || list == NULL) {
        free(list);
        return LEAT_ERR_NOMEM;
    }
    free(peer->handlers);
    peer->handlers = list;
    peer->handler_count = handlers;
    peer->role = (leat_role)role;
    memcpy(peer->name, name.size == 0 ? "" : name.data, name.size);
    memcpy(peer->host, host.size == 0 ? "" : host.data, host.size);
    peer->grace_ms = LEAT_RESTART_GRACE_MS;
    if (next_number > peer->next_number)
        peer->next_number = next_number;
    for (uint16_t i = 0; i < handlers; i++) {
        const leat_text handler = leat_read_text8(r);
        const uint8_t runs = leat_read_u8(r);
        if (r->failed || handler.size > LEAT_NAME_BYTES_MAX)
            return LEAT_ERR_CORRUPT;
        memcpy(list[i].name, handler.size == 0 ? "" : handler.data, handler.size);
        list[i].runs = (leat_runs)runs;
    }
    if (settled > peer->settled)
        leat_window_reconnect(peer, settled);
    const uint16_t answers = leat_read_u16(r);
    for (uint16_t i = 0; i < answers; i++) {
        const uint64_t sequence = leat_read_u64(r);
        const uint8_t command = leat_read_u8(r);
        const uint32_t size = leat_read_u32(r);
        const uint8_t *const bytes = leat_read_bytes(r, size);
        if (r->failed)
            return LEAT_ERR_CORRUPT;
        leat_window_restore(core, peer, sequence, command, bytes, size);
    }
    peer->principal = leat_read_u64(r);
    const leat_text principal = leat_read_text8(r);
    const uint8_t flags = format >= FORMAT_2 ? leat_read_u8(r) : 0;
    if (r->failed || principal.size >= sizeof peer->principal_name)
        return LEAT_ERR_CORRUPT;
    peer->aside = (flags & 1U) != 0;
    memcpy(peer->principal_name, principal.size == 0 ? "" : principal.data, principal.size);
    return LEAT_ERR_OK;
}

leat_err
leat_object_apply(
    leat_core *core, leat_object_kind kind, uint64_t id, const uint8_t *data, size_t size)
{
    leat_reader r = leat_reader_over(data, size);
    const unsigned format = leat_read_u8(&r);
    if (!is_known(kind, format))
        return LEAT_ERR_CORRUPT;
    switch (kind) {
    case LEAT_OBJECT_META:
        return apply_meta(core, format, &r);
    case LEAT_OBJECT_CHANNEL:
        return apply_channel(core, format, id, &r);
    case LEAT_OBJECT_BATCH:
        return apply_batch(core, id, data, size);
    case LEAT_OBJECT_SESSION:
        return apply_session(core, format, id, &r);
    case LEAT_OBJECT_DEAD:
        return leat_dead_apply(core, format, id, &r);
    case LEAT_OBJECT_FAILURE:
        return leat_failure_apply(core, id, &r);
    case LEAT_OBJECT_UNIQUE:
        return leat_unique_apply(core, id, &r);
    case LEAT_OBJECT_SCHEDULE:
        return leat_schedule_apply(core, id, &r);
    case LEAT_OBJECT_CHECKPOINT:
        return leat_checkpoint_apply(core, id, &r);
    }
    return LEAT_ERR_CORRUPT;
}
