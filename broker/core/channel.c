/* Channels by name, and how much goes in and out of them. A channel is made by whoever names it
 * first; it is found by the hash of its name, and names whose hashes collide take the next free
 * number. */
#include "broker/core/channel.h"

#include <stdlib.h>

#include "broker/core/object.h"
#include "broker/core/receiver.h"

leat_channel *
leat_channel_find(const leat_core *core, leat_text name)
{
    for (uint64_t hash = leat_hash(0, name.data, name.size);; hash++) {
        leat_channel *const channel = leat_table_get(&core->channels, hash);
        if (channel == NULL || leat_text_is(leat_text_of(channel->name), name))
            return channel;
    }
}

leat_err
leat_channel_undeclare(leat_core *core, leat_channel *channel)
{
    static const leat_channel_rules built_in = {.capacity = LEAT_UNLIMITED,
                                                .running_max = LEAT_UNLIMITED,
                                                .key_max = LEAT_UNLIMITED,
                                                .weight = 1};
    const leat_core_options *const options = &core->options;
    leat_buf defaults = {0};
    leat_put_bytes(&defaults, options->channel_settings.data, options->channel_settings.size);
    if (defaults.failed)
        return LEAT_ERR_NOMEM;
    leat_buf_fini(&channel->defaults);
    channel->defaults = defaults;
    leat_channel_set_rules(core, channel,
                           options->channel_rules == NULL ? &built_in : options->channel_rules);
    channel->tokens = channel->rules.burst;
    channel->tokens_ms = core->now.mono_ms;
    return LEAT_ERR_OK;
}

leat_channel *
leat_channel_ensure(leat_core *core, leat_text name, leat_err *err)
{
    assert(leat_name_is_valid(name));

    leat_channel *channel = leat_channel_find(core, name);
    *err = LEAT_ERR_OK;
    if (channel != NULL)
        return channel;
    *err = LEAT_ERR_LIMIT;
    if (core->channels.count >= LEAT_CHANNELS_MAX)
        return NULL;
    *err = LEAT_ERR_NOMEM;
    channel = calloc(1, sizeof *channel);
    if (channel == NULL)
        return NULL;
    uint64_t hash = leat_hash(0, name.data, name.size);
    while (leat_table_find(&core->channels, hash) != 0)
        hash++;
    if (leat_channel_undeclare(core, channel) != LEAT_ERR_OK ||
        leat_table_add(&core->channels, hash, channel, &channel->index) != LEAT_ERR_OK) {
        if (leat_list_is_linked(&channel->rated))
            leat_list_remove(&channel->rated);
        leat_channel_free(channel);
        return NULL;
    }
    memcpy(channel->name, name.data, name.size);
    leat_list_init(&channel->receivers);
    leat_list_init(&channel->senders);
    channel->durability = core->options.default_memory ? LEAT_MEMORY : LEAT_DISK;
    channel->rate_ms = core->now.mono_ms;
    channel->id = core->next_channel_id++;
    *err = LEAT_ERR_OK;
    return channel;
}

void
leat_channel_free(leat_channel *channel)
{
    free(channel->classes);
    leat_buf_fini(&channel->defaults);
    free(channel);
}

void
leat_channel_changed(leat_core *core, leat_channel *channel)
{
    leat_buf *const record = &core->scratch;
    leat_buf_reset(record);
    leat_object_put_channel(channel, record);
    leat_turn_put_object(&core->books[LEAT_DISK].turn, LEAT_OBJECT_CHANNEL, channel->id,
                         record->data, record->size);
    channel->dirty = true;
}

bool
leat_channel_is_drained(const leat_channel *channel)
{
    return channel->closed &&
           channel->ready + channel->running + channel->delayed + channel->held == 0;
}

void
leat_channel_set_rules(leat_core *core, leat_channel *channel, const leat_channel_rules *rules)
{
    if (leat_list_is_linked(&channel->rated))
        leat_list_remove(&channel->rated);
    if (rules->rate_per_ks > 0)
        leat_list_append(&core->rated, &channel->rated);
    channel->rules = *rules;
    leat_receiver_stir(core, channel);
}

uint64_t
leat_channel_room(const leat_channel *channel)
{
    const uint64_t capacity = channel->rules.capacity;
    if (capacity == LEAT_UNLIMITED)
        return LEAT_UNLIMITED;
    if (LEAT_FAULT(ROOM_OFF) && channel->ready == capacity)
        return 1;
    return channel->ready < capacity ? capacity - channel->ready : 0;
}

leat_settings
leat_channel_defaults(const leat_channel *channel)
{
    leat_settings settings;
    const leat_err err =
        leat_settings_read(channel->defaults.data, channel->defaults.size, &settings);
    assert(err == LEAT_ERR_OK); /* it was checked when it came, and when it was loaded */
    (void)err;
    return settings;
}

/* ------------------------------------------------------------------------------ rate */

/* Count the tokens that have come since the last look. After a restart the bucket is empty: what
 * was taken before is not known. */
static void
fill_bucket(const leat_core *core, leat_channel *channel)
{
    const double per_ms = channel->rules.rate_per_ks / 1e6;
    const int64_t ms = core->now.mono_ms - channel->tokens_ms;
    if (ms <= 0)
        return;
    channel->tokens += (double)ms * per_ms;
    if (channel->tokens > channel->rules.burst)
        channel->tokens = channel->rules.burst;
    channel->tokens_ms = core->now.mono_ms;
}

bool
leat_channel_gives(leat_core *core, leat_channel *channel)
{
    if (channel->paused ||
        channel->running >= channel->rules.running_max + (LEAT_FAULT(CAP_LATE) ? 1 : 0))
        return false;
    if (channel->rules.rate_per_ks == 0)
        return true;
    fill_bucket(core, channel);
    return channel->tokens >= 1;
}

void
leat_channel_take_token(leat_channel *channel)
{
    if (channel->rules.rate_per_ks > 0)
        channel->tokens -= 1;
}

int64_t
leat_channel_gives_ms(const leat_core *core, const leat_channel *channel)
{
    if (channel->rules.rate_per_ks == 0 || channel->ready == 0 || channel->paused ||
        channel->tokens >= 1)
        return INT64_MAX;
    const double ms = (1 - channel->tokens) * 1e6 / channel->rules.rate_per_ks;
    const int64_t at = channel->tokens_ms + (int64_t)ms + 1;
    return at > core->now.mono_ms ? at : core->now.mono_ms + 1;
}
