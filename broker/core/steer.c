/* Steering: the commands that change channels, batches, and dead jobs. Each answers a JSON object
 * that says what has changed, or an error that names the argument. */
#include "broker/core/steer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/core/archive.h"
#include "broker/core/batch.h"
#include "broker/core/channel.h"
#include "broker/core/chore.h"
#include "broker/core/dead.h"
#include "broker/core/link.h"
#include "broker/core/mark.h"
#include "broker/core/news.h"
#include "broker/core/park.h"
#include "broker/core/peer.h"
#include "broker/core/receiver.h"
#include "broker/core/room.h"
#include "broker/core/schedule.h"
#include "broker/core/share.h"
#include "broker/core/stop.h"
#include "broker/core/submit.h"
#include "broker/core/timer.h"

#define JOBS_MAX 1000U /* that one command names one by one */

leat_err
leat_steer_bad(struct leat_steering *s, const char *what)
{
    (void)snprintf(s->message, sizeof s->message, "%s", what);
    return LEAT_ERR_MALFORMED;
}

bool
leat_steer_has(const cJSON *arguments, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(arguments, key) != NULL;
}

/* Nobody's batch but one's own; whoever asks without a key is the owner of the machine. */
static bool
owns(const leat_peer *peer, const leat_batch *batch)
{
    return peer->principal == LEAT_PRINCIPAL_LOCAL || batch->principal == peer->principal ||
           batch->principal == LEAT_PRINCIPAL_LOCAL || peer->is_admin;
}

/* ------------------------------------------------------------------------------ settings */

/* An integer at key, or nothing: null and a missing key leave *out. */
static leat_err
number_at(struct leat_steering *s,
          const cJSON *json,
          const char *key,
          int64_t min,
          int64_t max,
          uint64_t *out)
{
    int64_t value;
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(json, key);
    if (item == NULL)
        return LEAT_ERR_OK;
    if (cJSON_IsNull(item)) {
        *out = 0;
        return LEAT_ERR_OK;
    }
    if (!leat_json_int(json, key, min, max, &value)) {
        (void)snprintf(s->message, sizeof s->message, "\"%s\" is a number from %lld to %lld", key,
                       (long long)min, (long long)max);
        return LEAT_ERR_MALFORMED;
    }
    *out = (uint64_t)value;
    return LEAT_ERR_OK;
}

static leat_err
name_at(struct leat_steering *s, const cJSON *json, const char *key, leat_text *out)
{
    const char *text;
    if (!leat_steer_has(json, key))
        return LEAT_ERR_OK;
    if (!leat_json_text(json, key, &text) || !leat_name_is_valid(leat_text_of(text))) {
        (void)snprintf(s->message, sizeof s->message, "\"%s\" is a name (1 to 128 bytes of text)",
                       key);
        return LEAT_ERR_MALFORMED;
    }
    *out = leat_text_of(text);
    return LEAT_ERR_OK;
}

leat_err
leat_steer_settings(struct leat_steering *s, const cJSON *json, bool of_job, leat_settings *out)
{
    const struct {
        const char *key;
        int64_t min, max;
    } rows[] = {
        {"failures",       1, UINT16_MAX         },
        {"losses",         1, UINT8_MAX          },
        {"snoozes",        1, UINT16_MAX         },
        {"backoff_min_ms", 1, LEAT_DELAY_MS_MAX  },
        {"backoff_max_ms", 1, LEAT_DELAY_MS_MAX  },
        {"run_limit_ms",   1, LEAT_DELAY_MS_MAX  },
        {"grace_ms",       1, LEAT_GRACE_MS_MAX  },
        {"expires_ms",     1, LEAT_DELAY_MS_MAX  },
        {"unique_for_ms",  1, LEAT_DELAY_MS_MAX  },
        {"priority",       0, LEAT_PRIORITIES - 1},
    };
    uint64_t values[10] = {
        out->failures,     out->losses,   out->snoozes,    out->backoff_min_ms, out->backoff_max_ms,
        out->run_limit_ms, out->grace_ms, out->expires_ms, out->unique_for_ms,  out->priority};
    leat_err err = LEAT_ERR_OK;
    for (unsigned i = 0; i < 10 && err == LEAT_ERR_OK; i++)
        err = number_at(s, json, rows[i].key, rows[i].min, rows[i].max, &values[i]);
    if (err != LEAT_ERR_OK)
        return err;
    out->failures = (uint16_t)values[0];
    out->losses = (uint16_t)values[1];
    out->snoozes = (uint16_t)values[2];
    out->backoff_min_ms = values[3];
    out->backoff_max_ms = values[4];
    out->run_limit_ms = values[5];
    out->grace_ms = values[6];
    out->expires_ms = values[7];
    out->unique_for_ms = values[8];
    if (cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(json, "priority")))
        values[9] = LEAT_PRIORITY_NOTHING;
    out->priority = (uint8_t)values[9];
    if (!of_job)
        return LEAT_ERR_OK;
    err = name_at(s, json, "unique", &out->unique);
    if (err == LEAT_ERR_OK)
        err = name_at(s, json, "flow", &out->flow);
    if (err == LEAT_ERR_OK)
        err = name_at(s, json, "key", &out->key);
    if (err == LEAT_ERR_OK)
        err = name_at(s, json, "needs", &out->needs);
    if (err == LEAT_ERR_OK)
        err = name_at(s, json, "traits", &out->traits);
    if (err != LEAT_ERR_OK)
        return err;
    if ((out->needs.size > 0 && !leat_needs_is_valid(out->needs)) ||
        (out->traits.size > 0 && !leat_traits_is_valid(out->traits)))
        return leat_steer_bad(s, "\"needs\" is \"gpu=1,mem=1024\", \"traits\" is \"zone=a\", "
                                 "names rising");
    return LEAT_ERR_OK;
}

/* ------------------------------------------------------------------------------ channels */

leat_err
leat_steer_channel(struct leat_steering *s, bool make, leat_channel **channel)
{
    const char *name;
    leat_err err = LEAT_ERR_OK;
    if (!leat_json_text(s->arguments, "channel", &name) || !leat_name_is_valid(leat_text_of(name)))
        return leat_steer_bad(s, "\"channel\" must name a channel (1 to 128 bytes of text)");
    *channel = make ? leat_channel_ensure(s->core, leat_text_of(name), &err)
                    : leat_channel_find(s->core, leat_text_of(name));
    /* One that nothing was ever sent to and nobody has made, or that was removed, is but a name. */
    if (*channel != NULL && (make || (*channel)->kind != LEAT_KIND_NONE || (*channel)->closed))
        return LEAT_ERR_OK;
    if (make)
        (void)snprintf(s->message, sizeof s->message, "%s", leat_err_message(err));
    else
        (void)snprintf(s->message, sizeof s->message, "no channel \"%.128s\"", name);
    return make ? err : LEAT_ERR_NOT_FOUND;
}

static leat_err
close_channel(struct leat_steering *s)
{
    leat_channel *channel = NULL;
    const leat_err err = leat_steer_channel(s, true, &channel);
    if (err != LEAT_ERR_OK)
        return err;
    channel->closed = true;
    leat_channel_changed(s->core, channel);
    leat_news_channel(s->core, LEAT_NEWS_CHANNEL_CLOSED, channel);
    leat_submit_refuse_line(s->core, channel);
    if (leat_channel_is_drained(channel))
        leat_receiver_channel_drained(s->core, channel);
    return LEAT_ERR_OK;
}

/* Capacity and caps: a number, or null for none. */
static leat_err
bound_at(struct leat_steering *s, const char *key, int64_t min, uint64_t *out)
{
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(s->arguments, key);
    uint64_t value = *out;
    if (item == NULL)
        return LEAT_ERR_OK;
    if (cJSON_IsNull(item)) {
        *out = LEAT_UNLIMITED;
        return LEAT_ERR_OK;
    }
    const leat_err err = number_at(s, s->arguments, key, min, INT64_C(1) << 53, &value);
    *out = value;
    return err;
}

static leat_err
rate_at(struct leat_steering *s, leat_channel_rules *rules)
{
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(s->arguments, "rate");
    uint64_t burst = rules->burst;
    if (item != NULL && cJSON_IsNull(item))
        rules->rate_per_ks = 0;
    else if (item != NULL &&
             (!cJSON_IsNumber(item) || item->valuedouble < 0.001 || item->valuedouble > 4e6))
        return leat_steer_bad(s, "\"rate\" is a number of items in a second, 0.001 to 4000000");
    else if (item != NULL)
        rules->rate_per_ks = (uint32_t)(item->valuedouble * 1000.0 + 0.5);
    const leat_err err = number_at(s, s->arguments, "burst", 1, 1000000, &burst);
    if (err != LEAT_ERR_OK)
        return err;
    const uint32_t whole = rules->rate_per_ks / 1000;
    rules->burst = leat_steer_has(s->arguments, "burst") && burst > 0 ? (uint32_t)burst
                   : rules->burst > 0 && item == NULL                 ? rules->burst
                   : whole > 0                                        ? whole
                                                                      : 1;
    return LEAT_ERR_OK;
}

static const char *const keep_words[] = {"all", "failed", "none"};

const char *
leat_steer_keep_word(leat_keeping keep)
{
    return keep_words[keep];
}

static leat_err
keep_at(struct leat_steering *s, leat_keeping *keep)
{
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(s->arguments, "keep");
    if (item == NULL)
        return LEAT_ERR_OK;
    if (cJSON_IsNull(item)) {
        *keep = LEAT_KEEP_ALL;
        return LEAT_ERR_OK;
    }
    for (unsigned i = 0; i < sizeof keep_words / sizeof *keep_words && cJSON_IsString(item); i++) {
        if (strcmp(item->valuestring, keep_words[i]) == 0) {
            *keep = (leat_keeping)i;
            return LEAT_ERR_OK;
        }
    }
    return leat_steer_bad(s, "\"keep\" is all, failed or none: of what jobs the ends are kept");
}

/* The rules and defaults as the arguments would make them; nothing is changed. */
static leat_err
read_rules(struct leat_steering *s,
           const leat_channel *channel,
           leat_channel_rules *rules,
           leat_buf *defaults)
{
    leat_settings settings = leat_channel_defaults(channel);
    *rules = channel->rules;
    uint64_t weight = rules->weight;
    leat_err err = bound_at(s, "capacity", 0, &rules->capacity);
    if (err == LEAT_ERR_OK)
        err = bound_at(s, "running_max", 1, &rules->running_max);
    if (err == LEAT_ERR_OK)
        err = bound_at(s, "key_max", 1, &rules->key_max);
    if (err == LEAT_ERR_OK)
        err = number_at(s, s->arguments, "weight", 1, 1000, &weight);
    if (err == LEAT_ERR_OK)
        err = rate_at(s, rules);
    if (err == LEAT_ERR_OK)
        err = keep_at(s, &rules->keep);
    if (err == LEAT_ERR_OK)
        err = leat_steer_settings(s, s->arguments, false, &settings);
    rules->weight = weight == 0 ? 1 : (uint32_t)weight;
    leat_settings_put(defaults, &settings);
    return err != LEAT_ERR_OK ? err : defaults->failed ? LEAT_ERR_NOMEM : LEAT_ERR_OK;
}

/* defaults is taken. */
static void
apply_rules(leat_core *core,
            leat_channel *channel,
            const leat_channel_rules *rules,
            leat_buf *defaults)
{
    if (rules->rate_per_ks != channel->rules.rate_per_ks || rules->burst != channel->rules.burst) {
        channel->tokens = rules->burst;
        channel->tokens_ms = core->now.mono_ms;
    }
    leat_channel_set_rules(core, channel, rules);
    leat_buf_fini(&channel->defaults);
    channel->defaults = *defaults;
    leat_buf_init(defaults);
    /* Keys may have room now. */
    for (uint32_t i = leat_table_next(&core->keys, 0); i != 0;
         i = leat_table_next(&core->keys, i)) {
        leat_key *const key = leat_table_at(&core->keys, i);
        if (key->channel == channel)
            leat_key_settle(core, key);
    }
    leat_channel_changed(core, channel);
    leat_news_channel(core, LEAT_NEWS_CHANNEL_SET, channel);
}

static bool
are_same_rules(const leat_channel *channel,
               const leat_channel_rules *rules,
               const leat_buf *defaults)
{
    const leat_channel_rules *const old = &channel->rules;
    return old->capacity == rules->capacity && old->running_max == rules->running_max &&
           old->key_max == rules->key_max && old->weight == rules->weight &&
           old->keep == rules->keep && old->rate_per_ks == rules->rate_per_ks &&
           (rules->rate_per_ks == 0 || old->burst == rules->burst) &&
           channel->defaults.size == defaults->size &&
           (defaults->size == 0 ||
            memcmp(channel->defaults.data, defaults->data, defaults->size) == 0);
}

static leat_err
new_channel(struct leat_steering *s)
{
    const cJSON *const arguments = s->arguments;
    const char *kind = "jobs";
    const char *durability = s->core->options.default_memory ? "memory" : "disk";
    leat_channel *channel = NULL;
    const bool texts =
        (!leat_steer_has(arguments, "kind") || leat_json_text(arguments, "kind", &kind)) &&
        (!leat_steer_has(arguments, "durability") ||
         leat_json_text(arguments, "durability", &durability));
    const bool jobs = strcmp(kind, "jobs") == 0;
    const bool disk = strcmp(durability, "disk") == 0;
    if (!texts || (!jobs && strcmp(kind, "messages") != 0) ||
        (!disk && strcmp(durability, "memory") != 0))
        return leat_steer_bad(s, "\"kind\" is jobs or messages, \"durability\" is disk or memory");
    leat_channel_rules rules;
    leat_buf defaults = {0};
    leat_err err = leat_steer_channel(s, true, &channel);
    if (err == LEAT_ERR_OK)
        err = read_rules(s, channel, &rules, &defaults);
    const leat_kind wanted = jobs ? LEAT_KIND_JOBS : LEAT_KIND_MESSAGES;
    const leat_durability where = disk ? LEAT_DISK : LEAT_MEMORY;
    if (err == LEAT_ERR_OK && channel->kind != LEAT_KIND_NONE &&
        (channel->kind != wanted || channel->durability != where ||
         !are_same_rules(channel, &rules, &defaults))) {
        (void)snprintf(s->message, sizeof s->message,
                       "the channel is there already, with other settings");
        err = LEAT_ERR_BAD_STATE;
    }
    if (err == LEAT_ERR_OK) {
        channel->kind = wanted;
        channel->durability = where;
        apply_rules(s->core, channel, &rules, &defaults);
    }
    leat_buf_fini(&defaults);
    return err;
}

static leat_err
set_channel(struct leat_steering *s)
{
    leat_channel *channel = NULL;
    leat_channel_rules rules;
    leat_buf defaults = {0};
    leat_err err = leat_steer_channel(s, false, &channel);
    if (err == LEAT_ERR_OK)
        err = read_rules(s, channel, &rules, &defaults);
    if (err == LEAT_ERR_OK)
        apply_rules(s->core, channel, &rules, &defaults);
    leat_buf_fini(&defaults);
    return err;
}

static leat_err
pause_channel(struct leat_steering *s)
{
    leat_channel *channel = NULL;
    uint64_t for_ms = 0;
    leat_err err = leat_steer_channel(s, false, &channel);
    if (err == LEAT_ERR_OK)
        err = number_at(s, s->arguments, "for_ms", 1, LEAT_DELAY_MS_MAX, &for_ms);
    if (err != LEAT_ERR_OK)
        return err;
    channel->paused = true;
    channel->paused_until_ms = for_ms == 0 ? 0 : (uint64_t)s->core->now.wall_ms + for_ms;
    if (for_ms > 0)
        leat_timer_set(s->core, LEAT_TIMER_RESUME, (int64_t)channel->paused_until_ms, channel->id,
                       0);
    leat_channel_changed(s->core, channel);
    leat_news_channel(s->core, LEAT_NEWS_CHANNEL_PAUSED, channel);
    return LEAT_ERR_OK;
}

static leat_err
resume_channel(struct leat_steering *s)
{
    leat_channel *channel = NULL;
    const leat_err err = leat_steer_channel(s, false, &channel);
    if (err != LEAT_ERR_OK)
        return err;
    channel->paused = false;
    channel->paused_until_ms = 0;
    leat_receiver_stir(s->core, channel);
    leat_channel_changed(s->core, channel);
    leat_news_channel(s->core, LEAT_NEWS_CHANNEL_RESUMED, channel);
    return LEAT_ERR_OK;
}

void
leat_steer_resume_due(leat_core *core, uint64_t id)
{
    for (uint32_t i = leat_table_next(&core->channels, 0); i != 0;
         i = leat_table_next(&core->channels, i)) {
        leat_channel *const channel = leat_table_at(&core->channels, i);
        if (channel->id != id || !channel->paused || channel->paused_until_ms == 0 ||
            core->now.wall_ms < (int64_t)channel->paused_until_ms)
            continue;
        channel->paused = false;
        channel->paused_until_ms = 0;
        leat_receiver_stir(core, channel);
        leat_channel_changed(core, channel);
        leat_news_channel(core, LEAT_NEWS_CHANNEL_RESUMED, channel);
    }
}

static leat_err
purge_channel(struct leat_steering *s)
{
    leat_channel *channel = NULL;
    const leat_err err = leat_steer_channel(s, false, &channel);
    if (err != LEAT_ERR_OK)
        return err;
    (void)leat_json_add_u64(s->result, "marked", channel->ready + channel->delayed + channel->held);
    leat_mark_channel(s->core, channel, s->core->next_id - 1);
    leat_news_channel(s->core, LEAT_NEWS_CHANNEL_PURGED, channel);
    return LEAT_ERR_OK;
}

static leat_err
remove_channel(struct leat_steering *s)
{
    leat_channel *channel = NULL;
    bool purge = false;
    const leat_err err = leat_steer_channel(s, false, &channel);
    if (err != LEAT_ERR_OK)
        return err;
    (void)leat_json_bool(s->arguments, "purge", &purge);
    const uint64_t waiting = channel->ready + channel->delayed + channel->held;
    if (channel->running > 0 || (waiting > 0 && !purge)) {
        (void)snprintf(s->message, sizeof s->message,
                       "channel \"%s\" is not empty: %llu wait, %llu run", channel->name,
                       (unsigned long long)waiting, (unsigned long long)channel->running);
        return LEAT_ERR_BAD_STATE;
    }
    /* What is left is a name without anything: it is given out again as new. */
    if (leat_channel_undeclare(s->core, channel) != LEAT_ERR_OK)
        return LEAT_ERR_NOMEM;
    channel->closed = channel->paused = false;
    channel->paused_until_ms = 0;
    channel->removed = waiting > 0;
    if (waiting > 0)
        leat_mark_channel(s->core, channel, s->core->next_id - 1);
    else
        channel->kind = LEAT_KIND_NONE;
    leat_channel_changed(s->core, channel);
    leat_news_channel(s->core, LEAT_NEWS_CHANNEL_REMOVED, channel);
    return LEAT_ERR_OK;
}

/* ------------------------------------------------------------------------------ batches */

leat_err
leat_steer_batch(struct leat_steering *s, leat_batch **batch)
{
    uint64_t id;
    if (!leat_json_u64(s->arguments, "batch", &id))
        return leat_steer_bad(s, "\"batch\" is the number of a batch as text, as in \"42\"");
    *batch = leat_batch_find(s->core, id);
    if (*batch != NULL)
        return LEAT_ERR_OK;
    leat_archive_explain(s->core, id, s->message, sizeof s->message);
    return LEAT_ERR_NOT_FOUND;
}

static leat_err
own_batch(struct leat_steering *s, leat_batch **batch)
{
    const leat_err err = leat_steer_batch(s, batch);
    if (err != LEAT_ERR_OK || owns(s->peer, *batch))
        return err;
    (void)snprintf(s->message, sizeof s->message, "batch %llu is not yours",
                   (unsigned long long)(*batch)->id);
    return LEAT_ERR_DENIED;
}

static leat_err
seal_batch(struct leat_steering *s)
{
    leat_batch *batch = NULL;
    const leat_err err = own_batch(s, &batch);
    if (err != LEAT_ERR_OK)
        return err;
    if (leat_park_seal(s->core, s->peer, s->frame, batch))
        s->parked = true;
    else
        leat_batch_seal(s->core, batch, false);
    return LEAT_ERR_OK;
}

leat_err
leat_steer_cancel_job(leat_core *core, const leat_peer *peer, uint64_t id)
{
    const uint32_t index = leat_items_find(&core->items, id);
    if (index == LEAT_NOBODY)
        return id == 0 || id >= core->next_id ? LEAT_ERR_NOT_FOUND : LEAT_ERR_TOO_LATE;
    const leat_item *const item = leat_items_at(&core->items, index);
    leat_batch *const batch = item->batch == LEAT_NOBODY
                                  ? leat_batch_find(core, id)
                                  : leat_table_at(&core->batches, item->batch);
    if ((item->flags & LEAT_ITEM_MESSAGE) != 0)
        return LEAT_ERR_NOT_FOUND;
    if (batch == NULL)
        return LEAT_ERR_NOMEM;
    if (!owns(peer, batch))
        return LEAT_ERR_DENIED;
    if (leat_link_leave(core, index, batch))
        return LEAT_ERR_OK;
    return leat_stop_cancel(core, index) == LEAT_CANCELLED_LATE ? LEAT_ERR_TOO_LATE : LEAT_ERR_OK;
}

static leat_err
cancel_places(struct leat_steering *s, leat_batch *batch, uint64_t from, uint64_t upto)
{
    uint64_t cancelled = 0;
    uint64_t stopping = 0;
    uint64_t ended = 0;
    for (uint64_t place = from; place <= upto; place++) {
        const uint64_t id = leat_batch_job(batch, (uint32_t)place);
        const uint32_t index = id == 0 ? leat_link_job(s->core, batch, (uint32_t)place)
                                       : leat_items_find(&s->core->items, id);
        if (index == LEAT_NOBODY) {
            ended++;
            continue;
        }
        if (leat_link_leave(s->core, index, batch)) {
            cancelled++;
            continue;
        }
        const leat_cancelled what = leat_stop_cancel(s->core, index);
        cancelled += what == LEAT_CANCELLED_NOW;
        stopping += what == LEAT_CANCELLED_STOPPING;
        ended += what == LEAT_CANCELLED_LATE;
    }
    (void)leat_json_add_u64(s->result, "cancelled", cancelled);
    (void)leat_json_add_u64(s->result, "stopping", stopping);
    (void)leat_json_add_u64(s->result, "ended", ended);
    (void)cJSON_AddBoolToObject(s->result, "marked", false);
    return LEAT_ERR_OK;
}

static leat_err
cancel_batch(struct leat_steering *s)
{
    leat_batch *batch = NULL;
    leat_err err = own_batch(s, &batch);
    if (err != LEAT_ERR_OK)
        return err;
    uint64_t from = 1;
    uint64_t upto = batch->counters.total;
    const bool all = !leat_steer_has(s->arguments, "from") && !leat_steer_has(s->arguments, "upto");
    err = number_at(s, s->arguments, "from", 1, UINT32_MAX, &from);
    if (err == LEAT_ERR_OK)
        err = number_at(s, s->arguments, "upto", 1, UINT32_MAX, &upto);
    if (err != LEAT_ERR_OK)
        return err;
    if (!all && (from > upto || upto > batch->counters.total)) {
        (void)snprintf(s->message, sizeof s->message, "batch %llu has %llu jobs",
                       (unsigned long long)batch->id, (unsigned long long)batch->counters.total);
        return LEAT_ERR_NOT_FOUND;
    }
    if (!all && upto - from >= LEAT_TURN_ENDS_MAX)
        return leat_steer_bad(s, "at most 2000 places at once; without places the whole batch");
    if (!all)
        return cancel_places(s, batch, from, upto);
    const leat_counters *const c = &batch->counters;
    const uint64_t live = c->total - leat_counters_ended(c);
    const uint64_t running = batch->running;
    (void)leat_json_add_u64(s->result, "cancelled", live - running);
    (void)leat_json_add_u64(s->result, "stopping", running);
    (void)leat_json_add_u64(s->result, "ended", leat_counters_ended(c));
    (void)cJSON_AddBoolToObject(s->result, "marked", live > LEAT_TURN_ENDS_MAX);
    batch->cancel_upto = 0; /* also what has recovered its dead since it halted */
    leat_mark_batch(s->core, batch, true);
    return LEAT_ERR_OK;
}

/* ------------------------------------------------------------------------------ the dead */

/* Which corpses a command means. */
struct choice {
    uint64_t jobs[JOBS_MAX];
    uint32_t job_count;
    leat_dead_filter filter;
    uint64_t batch;
};

static leat_err
read_jobs(struct leat_steering *s, struct choice *choice)
{
    const cJSON *const list = cJSON_GetObjectItemCaseSensitive(s->arguments, "jobs");
    const cJSON *item;
    if (list != NULL && !cJSON_IsArray(list))
        return leat_steer_bad(s, "\"jobs\" is a list of numbers as text");
    if (list != NULL && cJSON_GetArraySize(list) == 0)
        return leat_steer_bad(s, "\"jobs\" names no job");
    cJSON_ArrayForEach(item, list)
    {
        const char *const text = cJSON_GetStringValue(item);
        char *end = NULL;
        const unsigned long long id = text == NULL ? 0 : strtoull(text, &end, 10);
        if (text == NULL || id == 0 || *end != '\0')
            return leat_steer_bad(s, "\"jobs\" is a list of numbers as text");
        if (choice->job_count == JOBS_MAX)
            return leat_steer_bad(s, "at most 1000 jobs at once");
        choice->jobs[choice->job_count++] = id;
    }
    return LEAT_ERR_OK;
}

static leat_err
read_choice(struct leat_steering *s, struct choice *choice)
{
    const leat_err err = read_jobs(s, choice);
    return err != LEAT_ERR_OK
               ? err
               : leat_dead_read_filter(s->core, s->arguments, &choice->filter, s->message);
}

static bool
is_chosen(leat_core *core,
          const leat_peer *peer,
          const struct choice *choice,
          const leat_corpse *corpse)
{
    if (peer->principal != LEAT_PRINCIPAL_LOCAL && !peer->is_admin &&
        corpse->principal != peer->principal)
        return false; /* as if it were not there */
    if (choice->batch != 0 && corpse->batch != choice->batch)
        return false;
    for (uint32_t i = 0; i < choice->job_count; i++) {
        if (choice->jobs[i] == corpse->job)
            return true;
    }
    return choice->job_count == 0 && leat_dead_matches(core, corpse, &choice->filter);
}

/* Submit a dead job again, as the next of batch, and take it off the list. */
static leat_err
retry_one(struct leat_steering *s, leat_corpse *corpse, leat_batch **batch)
{
    leat_core *const core = s->core;
    leat_obituary about;
    if (!leat_dead_read(core, corpse, &about))
        return LEAT_ERR_NOT_FOUND;
    leat_buf record = {0}; /* the scratch that it is borrowed from is used on the way in */
    leat_put_bytes(&record, core->scratch.data, core->scratch.size);
    const ptrdiff_t moved = record.data - core->scratch.data;
    leat_channel *const channel = leat_table_at(&core->channels, corpse->channel);
    if (*batch == NULL) {
        *batch = record.failed ? NULL : leat_submit_batch(core, channel, s->peer->principal);
        if (*batch != NULL) {
            (*batch)->retry_of = corpse->batch;
            leat_news_batch(core, LEAT_NEWS_BATCH_SUBMITTED, *batch);
        }
    }
    leat_order order = {
        .channel = leat_text_of(channel->name),
        .handler = {about.handler.data + moved, about.handler.size},
        .owner = about.owner,
        .batch = *batch,
        .payload = {about.payload.data + moved, about.payload.size},
    };
    uint64_t id;
    leat_err err = *batch == NULL ? LEAT_ERR_NOMEM
                                  : leat_settings_read(about.settings.data + moved,
                                                       about.settings.size, &order.settings);
    order.settings.after = LEAT_AFTER_NOTHING;
    order.settings.after_batch = 0;
    order.settings.unique = (leat_text){0};
    order.settings.unique_for_ms = 0;
    if (err == LEAT_ERR_OK)
        err = leat_submit_order(core, &order, &id);
    leat_buf_fini(&record);
    if (err == LEAT_ERR_OK && !LEAT_FAULT(RETRY_KEEPS))
        leat_dead_drop(core, corpse);
    return err;
}

static leat_err
retry(struct leat_steering *s, struct choice *choice)
{
    leat_batch *batch = NULL;
    uint32_t jobs = 0;
    uint32_t left = 0;
    leat_durability durability = LEAT_DISK;
    leat_err why = LEAT_ERR_OK;
    LEAT_LIST_FOREACH_SAFE (node, after, &s->core->corpses) {
        leat_corpse *const corpse = LEAT_CONTAINER_OF(node, leat_corpse, node);
        const leat_channel *const channel = leat_table_at(&s->core->channels, corpse->channel);
        if (!is_chosen(s->core, s->peer, choice, corpse) ||
            (batch != NULL && channel->durability != durability))
            continue;
        if (jobs == LEAT_TURN_ENDS_MAX) {
            left++;
            continue;
        }
        const leat_err err = retry_one(s, corpse, &batch);
        durability = channel->durability;
        if (err == LEAT_ERR_OK) {
            jobs++;
        } else {
            left++;
            why = err;
        }
    }
    if (batch != NULL)
        leat_batch_seal(s->core, batch, false);
    if (batch == NULL) {
        (void)snprintf(s->message, sizeof s->message, "no such dead job");
        return LEAT_ERR_NOT_FOUND;
    }
    if (jobs == 0) {
        (void)snprintf(s->message, sizeof s->message, "%s", leat_err_message(why));
        return why;
    }
    (void)leat_json_add_u64(s->result, "batch", batch->id);
    (void)leat_json_add_u64(s->result, "jobs", jobs);
    (void)leat_json_add_u64(s->result, "left", left);
    return LEAT_ERR_OK;
}

static leat_err
retry_dead(struct leat_steering *s)
{
    struct choice choice = {0};
    const leat_err err = read_choice(s, &choice);
    return err != LEAT_ERR_OK ? err : retry(s, &choice);
}

static leat_err
retry_batch(struct leat_steering *s)
{
    leat_batch *batch = NULL;
    struct choice choice = {0};
    leat_err err = own_batch(s, &batch);
    if (err == LEAT_ERR_OK)
        err = read_jobs(s, &choice);
    if (err != LEAT_ERR_OK)
        return err;
    choice.batch = batch->id;
    return retry(s, &choice);
}

static leat_err
remove_dead(struct leat_steering *s)
{
    struct choice choice = {0};
    uint32_t removed = 0;
    const leat_err err = read_choice(s, &choice);
    if (err != LEAT_ERR_OK)
        return err;
    LEAT_LIST_FOREACH_SAFE (node, after, &s->core->corpses) {
        leat_corpse *const corpse = LEAT_CONTAINER_OF(node, leat_corpse, node);
        if (!is_chosen(s->core, s->peer, &choice, corpse))
            continue;
        leat_dead_drop(s->core, corpse);
        removed++;
    }
    (void)leat_json_add_u64(s->result, "removed", removed);
    return LEAT_ERR_OK;
}

/* ------------------------------------------------------------------------------ workers */

/* All sessions of this name, also one that is away: it may come back. */
static leat_err
drain_worker(struct leat_steering *s)
{
    const char *name;
    bool undo = false;
    unsigned count = 0;
    if (s->peer->principal != LEAT_PRINCIPAL_LOCAL && !s->peer->is_admin) {
        (void)snprintf(s->message, sizeof s->message, "workers are for keys with the role admin");
        return LEAT_ERR_DENIED;
    }
    if (!leat_json_text(s->arguments, "worker", &name) || !leat_name_is_valid(leat_text_of(name)))
        return leat_steer_bad(s, "\"worker\" must name a worker (1 to 128 bytes of text)");
    if (leat_steer_has(s->arguments, "undo") && !leat_json_bool(s->arguments, "undo", &undo))
        return leat_steer_bad(s, "\"undo\" is true or false");
    for (uint32_t i = leat_table_next(&s->core->peers, 0); i != 0;
         i = leat_table_next(&s->core->peers, i)) {
        leat_peer *const peer = leat_table_at(&s->core->peers, i);
        if (peer->role != LEAT_ROLE_WORKER || peer->ended || strcmp(peer->name, name) != 0)
            continue;
        leat_peer_set_aside(s->core, peer, !undo);
        count++;
    }
    if (count == 0) {
        (void)snprintf(s->message, sizeof s->message, "no worker \"%.128s\"", name);
        return LEAT_ERR_NOT_FOUND;
    }
    (void)cJSON_AddNumberToObject(s->result, "sessions", count);
    return LEAT_ERR_OK;
}

/* ------------------------------------------------------------------------------ which one */

leat_err
leat_steer(struct leat_steering *s, const char *name)
{
    /* What brings something new is measured against the room; what ends, stops or goes on never is:
     * that is what makes room. */
    static const struct {
        const char *name;
        leat_err (*run)(struct leat_steering *s);
        bool brings;
    } rows[] = {
        {"channel.close",   close_channel,        false},
        {"channel.new",     new_channel,          true },
        {"channel.set",     set_channel,          true },
        {"channel.pause",   pause_channel,        false},
        {"channel.resume",  resume_channel,       false},
        {"channel.purge",   purge_channel,        false},
        {"channel.remove",  remove_channel,       false},
        {"batch.seal",      seal_batch,           false},
        {"batch.cancel",    cancel_batch,         false},
        {"batch.retry",     retry_batch,          false}, /* each job asks, as the next one's do */
        {"dead.retry",      retry_dead,           false},
        {"dead.remove",     remove_dead,          false},
        {"schedule.add",    leat_schedule_add,    true },
        {"schedule.remove", leat_schedule_remove, false},
        {"schedule.pause",  leat_schedule_pause,  false},
        {"schedule.resume", leat_schedule_resume, false},
        {"schedule.run",    leat_schedule_run,    false},
        {"worker.drain",    drain_worker,         false},
        {"store.backup",    leat_chore_backup,    false},
        {"store.check",     leat_chore_check,     false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].name, name) != 0)
            continue;
        if (rows[i].brings && leat_room_ask(s->core, LEAT_ROOM_COMMAND_TURNS, LEAT_JSON_BYTES_MAX,
                                            0) != LEAT_ERR_OK) {
            (void)snprintf(s->message, sizeof s->message, "no space left in the store");
            return LEAT_ERR_NO_SPACE;
        }
        return rows[i].run(s);
    }
    (void)snprintf(s->message, sizeof s->message, "no command \"%.64s\"", name);
    return LEAT_ERR_UNSUPPORTED;
}
