/* Terms: how items are to be treated, shared by all that are treated alike.
 *
 * A job's own settings come first, then its channel's defaults, then the built-in ones; what comes
 * of it is fixed when the job is accepted. Terms live as long as an item has them. */
#include "broker/core/terms.h"

#include <stdlib.h>

#include "broker/core/channel.h"
#include "broker/core/class.h"
#include "broker/core/room.h"
#include "broker/core/share.h"

static uint64_t
or_else(uint64_t value, uint64_t other)
{
    return value != 0 ? value : other;
}

void
leat_terms_complete(leat_settings *s, const leat_channel *channel)
{
    if (channel->defaults.size == 0)
        return;
    const leat_settings d = leat_channel_defaults(channel);
    if (s->priority == LEAT_PRIORITY_NOTHING)
        s->priority = d.priority;
    s->failures = (uint16_t)or_else(s->failures, d.failures);
    s->losses = (uint16_t)or_else(s->losses, d.losses);
    s->snoozes = (uint16_t)or_else(s->snoozes, d.snoozes);
    s->backoff_min_ms = or_else(s->backoff_min_ms, d.backoff_min_ms);
    s->backoff_max_ms = or_else(s->backoff_max_ms, d.backoff_max_ms);
    s->run_limit_ms = or_else(s->run_limit_ms, d.run_limit_ms);
    s->grace_ms = or_else(s->grace_ms, d.grace_ms);
}

/* What concerns the batch or the moment of the submit, and not the jobs. */
static void
leave_out(leat_settings *s)
{
    s->name = (leat_text){0};
    s->halt = (leat_halt){0};
    s->labels = (leat_text){0};
    s->delay_ms = s->at_ms = s->expires_ms = 0;
    s->flow = (leat_text){0};
}

static leat_key *
key_ensure(leat_core *core, leat_channel *channel, leat_text name)
{
    uint64_t hash =
        leat_hash(leat_hash(0, &channel->index, sizeof channel->index), name.data, name.size);
    leat_key *key;
    for (; (key = leat_table_get(&core->keys, hash)) != NULL; hash++) {
        if (key->channel == channel && leat_text_is(leat_text_of(key->name), name))
            return key;
    }
    key = calloc(1, sizeof *key);
    if (key == NULL || leat_table_add(&core->keys, hash, key, &key->index) != LEAT_ERR_OK) {
        free(key);
        return NULL;
    }
    key->hash = hash;
    key->channel = channel;
    memcpy(key->name, name.data, name.size);
    leat_heap_init(&key->parked, leat_core_item_moved, core);
    return key;
}

static void
key_drop(leat_core *core, leat_key *key)
{
    if (--key->users > 0)
        return;
    assert(leat_heap_is_empty(&key->parked) && key->running == 0);
    leat_table_remove(&core->keys, key->hash);
    leat_heap_fini(&key->parked);
    free(key);
}

static void
fill(leat_terms *terms, const leat_settings *s)
{
    terms->priority =
        s->priority == LEAT_PRIORITY_NOTHING ? (uint8_t)LEAT_PRIORITY_DEFAULT : s->priority;
    terms->failures = (uint16_t)or_else(s->failures, LEAT_FAILURES_DEFAULT);
    terms->losses = (uint8_t)or_else(s->losses, LEAT_LOSSES_DEFAULT);
    terms->snoozes = (uint16_t)or_else(s->snoozes, LEAT_SNOOZES_DEFAULT);
    terms->backoff_max_ms = or_else(s->backoff_max_ms, LEAT_BACKOFF_MAX_MS);
    terms->backoff_min_ms = or_else(s->backoff_min_ms, LEAT_BACKOFF_MIN_MS);
    if (terms->backoff_min_ms > terms->backoff_max_ms)
        terms->backoff_min_ms = terms->backoff_max_ms;
    terms->run_limit_ms = s->run_limit_ms;
    terms->grace_ms = or_else(s->grace_ms, LEAT_GRACE_MS_DEFAULT);
    terms->after = s->after;
    terms->after_batch = s->after_batch;
    terms->unique = s->unique.size > 0;
    terms->recovers = s->recover.handler.size > 0;
    terms->follows = s->finally_count > 0 || s->recover.handler.size > 0 || s->reply.size > 0;
}

static leat_terms *
make(leat_core *core,
     uint64_t hash,
     leat_class *class,
     const leat_settings *s,
     leat_owner owner,
     uint64_t flow)
{
    leat_terms *const terms = calloc(1, sizeof *terms);
    if (terms == NULL)
        return NULL;
    terms->hash = hash;
    terms->class = class;
    terms->principal = owner.principal;
    fill(terms, s);
    terms->end_bytes = leat_room_end_of(s, class->handler[0] == '\0');
    terms->key = s->key.size == 0 ? NULL : key_ensure(core, class->channel, s->key);
    terms->line = leat_line_ensure(core, class, terms->priority, owner.share, flow);
    leat_settings_put(&terms->settings, s);
    if (terms->line == NULL || (s->key.size > 0 && terms->key == NULL) || terms->settings.failed ||
        leat_table_add(&core->terms, hash, terms, &terms->index) != LEAT_ERR_OK) {
        if (terms->line != NULL)
            leat_line_drop(core, terms->line);
        if (terms->key != NULL && terms->key->users++ == 0)
            key_drop(core, terms->key);
        leat_buf_fini(&terms->settings);
        free(terms);
        return NULL;
    }
    if (terms->key != NULL)
        terms->key->users++;
    return terms;
}

leat_terms *
leat_terms_ensure(leat_core *core,
                  leat_channel *channel,
                  leat_text handler,
                  const leat_settings *settings,
                  leat_owner owner,
                  uint64_t batch,
                  uint64_t expires_wall_ms,
                  leat_err *err)
{
    const uint64_t flow =
        settings->flow.size == 0 ? batch : leat_hash(1, settings->flow.data, settings->flow.size);
    leat_settings s = *settings;
    leave_out(&s);
    leat_class *const class = leat_class_ensure(core, channel, handler, s.needs, s.traits, err);
    if (class == NULL)
        return NULL;

    leat_buf *const content = &core->terms_scratch;
    leat_buf_reset(content);
    leat_put_u32(content, class->index);
    leat_put_u64(content, owner.principal);
    leat_put_u64(content, owner.share);
    leat_put_u64(content, flow);
    leat_put_u64(content, expires_wall_ms);
    const size_t at = content->size;
    leat_settings_put(content, &s);
    *err = content->failed ? LEAT_ERR_NOMEM : LEAT_ERR_TOO_LARGE;
    if (content->failed || content->size - at > LEAT_SETTINGS_BYTES_MAX)
        return NULL; /* with what the channel says they are more than can be read again */
    uint64_t hash = leat_hash(0, content->data, content->size);
    leat_terms *terms;
    for (; (terms = leat_table_get(&core->terms, hash)) != NULL; hash++) {
        if (terms->class == class && terms->line->flow->key == flow &&
            terms->principal == owner.principal &&
            terms->line->flow->share->principal == owner.share &&
            terms->expires_wall_ms == expires_wall_ms &&
            terms->settings.size == content->size - at &&
            (terms->settings.size == 0 ||
             memcmp(terms->settings.data, content->data + at, terms->settings.size) == 0))
            break;
    }
    *err = LEAT_ERR_NOMEM;
    if (terms == NULL) {
        terms = make(core, hash, class, &s, owner, flow);
        if (terms == NULL)
            return NULL;
        terms->expires_wall_ms = expires_wall_ms;
    }
    terms->users++;
    *err = LEAT_ERR_OK;
    return terms;
}

void
leat_terms_drop(leat_core *core, leat_terms *terms)
{
    assert(terms->users > 0);
    if (--terms->users > 0)
        return;
    leat_table_remove(&core->terms, terms->hash);
    leat_line_drop(core, terms->line);
    if (terms->key != NULL)
        key_drop(core, terms->key);
    leat_buf_fini(&terms->settings);
    free(terms);
}

leat_settings
leat_terms_settings(const leat_terms *terms)
{
    leat_settings settings;
    const leat_err err = leat_settings_read(terms->settings.data, terms->settings.size, &settings);
    assert(err == LEAT_ERR_OK);
    (void)err;
    return settings;
}
