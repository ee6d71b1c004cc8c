/* Channels by name. A channel is made by whoever names it first; it is found by the hash of its
 * name, and names whose hashes collide take the next free number. */
#include <stdlib.h>

#include "broker/core/machine.h"

static uint64_t
hash_name(leat_text name)
{
    uint64_t hash = 0xcbf29ce484222325ULL; /* FNV-1a */
    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ (uint8_t)name.data[i]) * 0x100000001b3ULL;
    return hash;
}

leat_channel *
leat_channel_find(const leat_core *core, leat_text name)
{
    for (uint64_t hash = hash_name(name);; hash++) {
        leat_channel *const channel = leat_table_get(&core->channels, hash);
        if (channel == NULL || leat_text_is(leat_text_of(channel->name), name))
            return channel;
    }
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
    uint64_t hash = hash_name(name);
    while (leat_table_find(&core->channels, hash) != 0)
        hash++;
    if (leat_table_add(&core->channels, hash, channel, &channel->index) != LEAT_ERR_OK) {
        free(channel);
        return NULL;
    }
    memcpy(channel->name, name.data, name.size);
    leat_list_init(&channel->receivers);
    channel->durability = core->options.default_memory ? LEAT_MEMORY : LEAT_DISK;
    channel->rate_ms = core->now.mono_ms;
    channel->id = core->next_channel_id++;
    *err = LEAT_ERR_OK;
    return channel;
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
    return channel->closed && channel->ready + channel->running + channel->delayed == 0;
}
