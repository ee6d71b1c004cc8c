/* Classes: what decides which workers can take a job (handler, needs, traits), and which do. */
#include "broker/core/class.h"

#include <stdlib.h>

#include "broker/core/share.h"

static bool
has_bit(const uint64_t *words, uint32_t count, uint32_t bit)
{
    return bit / 64 < count && (words[bit / 64] >> (bit % 64) & 1U) != 0;
}

/* Room for a bit in a set. */
static bool
reserve_bit(uint64_t **words, uint32_t *count, uint32_t bit)
{
    if (bit / 64 < *count)
        return true;
    const uint32_t grown = bit / 64 + 1;
    uint64_t *const more = realloc(*words, grown * sizeof **words);
    if (more == NULL)
        return false;
    memset(more + *count, 0, (grown - *count) * sizeof *more);
    *words = more;
    *count = grown;
    return true;
}

/* A bit in each of the core's sets of classes. */
static bool
reserve_bits(leat_core *core, uint32_t bit)
{
    uint32_t words = core->active_words; /* of both */
    return reserve_bit(&core->stirred, &words, bit) &&
           reserve_bit(&core->active, &core->active_words, bit);
}

/* ------------------------------------------------------------------------------ who serves what */

static bool
has_trait(const leat_peer *peer, leat_text name, leat_text value)
{
    for (uint32_t i = 0; i < peer->trait_count; i++) {
        if (leat_text_is(leat_text_of(peer->traits[i].name), name))
            return leat_text_is(leat_text_of(peer->traits[i].value), value);
    }
    return false;
}

static struct leat_have *
have_of(const leat_peer *peer, leat_text name)
{
    for (uint32_t i = 0; i < peer->have_count; i++) {
        if (leat_text_is(leat_text_of(peer->haves[i].have.name), name))
            return &peer->haves[i];
    }
    return NULL;
}

static bool
offers_channel(const leat_peer *peer, const leat_channel *channel)
{
    if (peer->channel_count == 0)
        return strcmp(channel->name, "default") == 0;
    for (uint32_t i = 0; i < peer->channel_count; i++) {
        if (strcmp(peer->channels[i], channel->name) == 0)
            return true;
    }
    return false;
}

static bool
offers_handler(const leat_peer *peer, const leat_class *class)
{
    for (uint32_t i = 0; i < peer->handler_count; i++) {
        if (strcmp(peer->handlers[i].name, class->handler) == 0)
            return true;
    }
    return false;
}

leat_lack
leat_class_lack(const leat_peer *peer, const leat_class *class)
{
    leat_text traits = leat_text_of(class->traits);
    leat_text name;
    leat_text value;
    if (!offers_channel(peer, class->channel))
        return LEAT_LACK_CHANNEL;
    if (!offers_handler(peer, class))
        return LEAT_LACK_HANDLER;
    while (leat_traits_next(&traits, &name, &value)) {
        if (!has_trait(peer, name, value))
            return LEAT_LACK_TRAIT;
    }
    for (uint32_t i = 0; i < class->need_count; i++) {
        const struct leat_have *const have = have_of(peer, class->need[i].name);
        if (have == NULL || have->have.amount < class->need[i].amount)
            return LEAT_LACK_NEED;
    }
    return LEAT_LACK_NOTHING;
}

bool
leat_class_is_served(const leat_peer *peer, const leat_class *class)
{
    return has_bit(peer->classes, peer->class_words, class->index);
}

static void
offer(leat_core *core, leat_peer *peer, leat_class *class)
{
    if (leat_class_is_served(peer, class) || class->handler[0] == '\0' ||
        leat_class_lack(peer, class) != LEAT_LACK_NOTHING)
        return;
    if (!reserve_bit(&peer->classes, &peer->class_words, class->index)) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    peer->classes[class->index / 64] |= 1ULL << (class->index % 64);
    class->offered++;
}

void
leat_class_match_peer(leat_core *core, leat_peer *peer)
{
    for (uint32_t i = leat_table_next(&core->classes, 0); i != 0;
         i = leat_table_next(&core->classes, i))
        offer(core, peer, leat_table_at(&core->classes, i));
}

bool
leat_class_fits(const leat_peer *peer, const leat_class *class)
{
    for (uint32_t i = 0; i < class->need_count; i++) {
        const struct leat_have *const have = have_of(peer, class->need[i].name);
        if (have == NULL || have->have.amount < have->used ||
            have->have.amount - have->used < class->need[i].amount)
            return false;
    }
    return true;
}

void
leat_class_use(leat_peer *peer, const leat_class *class, bool more)
{
    for (uint32_t i = 0; i < class->need_count; i++) {
        struct leat_have *const have = have_of(peer, class->need[i].name);
        if (have == NULL)
            continue; /* the worker is back with less than it had */
        if (more)
            have->used += class->need[i].amount;
        else
            have->used -= have->used < class->need[i].amount ? have->used : class->need[i].amount;
    }
}

/* ------------------------------------------------------------------------------ making */

static uint64_t
hash_text(uint64_t seed, leat_text text)
{
    return leat_hash(seed, text.size == 0 ? "" : text.data, text.size);
}

static void
copy_text(char out[LEAT_NAME_BYTES_MAX + 1], leat_text text)
{
    memcpy(out, text.size == 0 ? "" : text.data, text.size);
}

leat_class *
leat_class_ensure(leat_core *core,
                  leat_channel *channel,
                  leat_text handler,
                  leat_text needs,
                  leat_text traits,
                  leat_err *err)
{
    uint64_t hash = hash_text(hash_text(hash_text(channel->index, handler), needs), traits);
    leat_class *class;
    *err = LEAT_ERR_OK;
    for (; (class = leat_table_get(&core->classes, hash)) != NULL; hash++) {
        if (class->channel == channel && leat_text_is(leat_text_of(class->handler), handler) &&
            leat_text_is(leat_text_of(class->needs), needs) &&
            leat_text_is(leat_text_of(class->traits), traits))
            return class;
    }
    *err = LEAT_ERR_LIMIT;
    if (core->classes.count >= LEAT_CLASSES_MAX)
        return NULL;
    *err = LEAT_ERR_NOMEM;
    class = calloc(1, sizeof *class);
    uint32_t *const list =
        realloc(channel->classes, (channel->class_count + 1) * sizeof *channel->classes);
    if (list != NULL)
        channel->classes = list;
    if (class == NULL || list == NULL ||
        leat_table_add(&core->classes, hash, class, &class->index) != LEAT_ERR_OK) {
        free(class);
        return NULL;
    }
    if (!reserve_bits(core, class->index)) {
        leat_table_remove(&core->classes, hash);
        free(class);
        return NULL;
    }
    channel->classes[channel->class_count++] = class->index;
    class->channel = channel;
    copy_text(class->handler, handler);
    copy_text(class->needs, needs);
    copy_text(class->traits, traits);
    leat_text left = leat_text_of(class->needs);
    leat_need need;
    while (leat_needs_next(&left, &need.name, &need.amount))
        class->need[class->need_count++] = need;
    for (unsigned p = 0; p < LEAT_PRIORITIES; p++)
        leat_rank_init(core, &class->ranks[p]);

    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0;
         i = leat_table_next(&core->peers, i)) {
        leat_peer *const peer = leat_table_at(&core->peers, i);
        if (peer->role == LEAT_ROLE_WORKER)
            offer(core, peer, class);
    }
    *err = LEAT_ERR_OK;
    return class;
}

void
leat_class_ran(leat_class *class, uint64_t run_us)
{
    uint64_t ns = run_us * 1000;
    if (ns < 200)
        ns = 200; /* shorter than a microsecond: not known more exactly */
    if (class->mean_ns == 0)
        class->mean_ns = ns;
    else
        class->mean_ns += (uint64_t)(((int64_t)ns - (int64_t) class->mean_ns) / 16);
}
