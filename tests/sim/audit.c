/* The audit: everything that the core counts as it goes is counted again from its items, and no cap
 * is exceeded. It looks into the core's memory between turns, and changes nothing. */
#include <inttypes.h>
#include <stdlib.h>

#include "tests/sim/sim.h"

#include "broker/core/class.h"
#include "broker/core/link.h"
#include "broker/core/receiver.h"
#include "broker/core/room.h"
#include "broker/core/terms.h"

#define LEAVES_MAX 4096U

struct count {
    uint64_t ready, running, delayed, held;
    uint64_t live; /* of a batch: completions that are to come */
    uint64_t limited, suspects, capped;
    uint64_t fresh; /* sent to be ready at once, and not handed out yet */
};

struct audit {
    sim *s;
    const leat_core *core;
    uint64_t promised;                                         /* room on disk */
    struct count *channels, *classes, *batches, *peers, *keys; /* owned, by index */
};

static struct count *
counts(const leat_table *table)
{
    struct count *const list = calloc((size_t)table->used + 1, sizeof *list);
    if (list == NULL)
        abort();
    return list;
}

static void
count_state(struct count *count, const leat_item *item)
{
    switch ((leat_state)item->state) {
    case LEAT_STATE_READY:
        count->ready++;
        break;
    case LEAT_STATE_LEASED:
    case LEAT_STATE_STOPPING:
    case LEAT_STATE_OVERDUE:
        count->running++;
        break;
    case LEAT_STATE_DELAYED:
        count->delayed++;
        break;
    case LEAT_STATE_HELD:
        count->held++;
        break;
    case LEAT_STATE_DONE:
    case LEAT_STATE_DEAD:
    case LEAT_STATE_CANCELLED:
    case LEAT_STATE_EXPIRED:
    case LEAT_STATE_SKIPPED:
        break;
    }
}

static bool
is_fresh(const sim *s, const leat_item *item)
{
    const sim_job *const job = sim_job_find(s, item->id);
    return item->state == LEAT_STATE_READY && item->attempt == 0 &&
           (item->flags & (LEAT_ITEM_RETURNED | LEAT_ITEM_CAPPED | LEAT_ITEM_HANDED)) == 0 &&
           job != NULL && job->fresh && job->life == s->life;
}

static void
count_item(struct audit *a, const leat_item *item)
{
    const leat_terms *const terms = leat_terms_of(a->core, item);
    const leat_link *const link = leat_link_of(a->core, item);
    const bool runs = leat_state_is_held_by_worker((leat_state)item->state);
    struct count *const channel = &a->channels[terms->class->channel->index];
    if (leat_state_is_final((leat_state)item->state))
        sim_fail(a->s, "item %" PRIu64 " has ended and is in the table", item->id);
    count_state(channel, item);
    count_state(&a->classes[terms->class->index], item);
    a->classes[terms->class->index].capped +=
        item->state == LEAT_STATE_READY && (item->flags & LEAT_ITEM_CAPPED) != 0;
    channel->fresh += is_fresh(a->s, item);
    if (item->batch != LEAT_NOBODY) {
        count_state(&a->batches[item->batch], item);
        a->batches[item->batch].live++;
    }
    for (uint32_t i = 0; link != NULL && i < link->count; i++)
        a->batches[link->joins[i].batch].live++;
    if (terms->key != NULL)
        count_state(&a->keys[terms->key->index], item);
    if (!runs)
        return;
    a->peers[item->holder].running++;
    a->peers[item->holder].limited += terms->run_limit_ms > 0;
    a->peers[item->holder].suspects += (item->flags & LEAT_ITEM_SUSPECT) != 0;
}

static void
count_items(struct audit *a)
{
    static uint64_t leaves[LEAVES_MAX];
    leat_items *const items = &a->s->core->items;
    const uint32_t n = leat_items_leaves(items, leaves, LEAVES_MAX);
    uint32_t alive = 0;
    for (uint32_t i = 0; i < n; i++) {
        const leat_leaf *const leaf = leat_items_leaf(items, leaves[i]);
        for (uint32_t k = 0; k < 512; k++) {
            if (leaf->items[k] == LEAT_NOBODY)
                continue;
            alive++;
            count_item(a, leat_items_at(items, leaf->items[k]));
            a->promised += leat_room_promised_to(a->core, leat_items_at(items, leaf->items[k]));
        }
    }
    if (alive != items->alive)
        sim_fail(a->s, "%u items are alive, %u are counted", alive, items->alive);
}

/* ---------------------------------------------------------------------------------- comparing */

static void
same(sim *s, const char *what, const char *name, uint64_t counted, uint64_t is)
{
    if (counted != is)
        sim_fail(s, "%s \"%s\": the core counts %" PRIu64 ", there are %" PRIu64, what, name, is,
                 counted);
}

static void
audit_channels(const struct audit *a)
{
    sim *const s = a->s;
    for (uint32_t i = leat_table_next(&a->core->channels, 0); i != 0;
         i = leat_table_next(&a->core->channels, i)) {
        const leat_channel *const channel = leat_table_at(&a->core->channels, i);
        const struct count *const c = &a->channels[channel->index];
        same(s, "ready in channel", channel->name, c->ready, channel->ready);
        same(s, "running in channel", channel->name, c->running, channel->running);
        same(s, "delayed in channel", channel->name, c->delayed, channel->delayed);
        same(s, "held in channel", channel->name, c->held, channel->held);
        if (c->fresh > channel->rules.capacity)
            sim_fail(s,
                     "channel \"%s\" has room for %" PRIu64 ", and %" PRIu64 " were sent into it",
                     channel->name, channel->rules.capacity, c->fresh);
    }
}

void
sim_audit_caps(sim *s)
{
    for (uint32_t i = leat_table_next(&s->core->channels, 0); i != 0;
         i = leat_table_next(&s->core->channels, i)) {
        const leat_channel *const channel = leat_table_at(&s->core->channels, i);
        const unsigned at = sim_channel_index(sim_channel_of(s, leat_text_of(channel->name)));
        /* A cap that was lowered holds for what comes. */
        if (channel->running > channel->rules.running_max &&
            channel->rules.running_max == s->capped_max[at] &&
            channel->running > s->capped_running[at])
            sim_fail(s, "channel \"%s\" runs %" PRIu64 " jobs, and may run %" PRIu64, channel->name,
                     channel->running, channel->rules.running_max);
        if (channel->paused && channel->running > s->paused_running[at])
            sim_fail(s, "channel \"%s\" is paused, and gives out items", channel->name);
        s->capped_running[at] = channel->running;
        s->capped_max[at] = channel->rules.running_max;
        s->paused_running[at] = channel->paused ? channel->running : UINT64_MAX;
    }
}

static void
audit_classes(const struct audit *a)
{
    for (uint32_t i = leat_table_next(&a->core->classes, 0); i != 0;
         i = leat_table_next(&a->core->classes, i)) {
        const leat_class *const class = leat_table_at(&a->core->classes, i);
        const struct count *const c = &a->classes[class->index];
        same(a->s, "in the lines of class", class->handler, c->ready - c->capped, class->ready);
        same(a->s, "running of class", class->handler, c->running, class->running);
    }
    for (uint32_t i = leat_table_next(&a->core->keys, 0); i != 0;
         i = leat_table_next(&a->core->keys, i)) {
        const leat_key *const key = leat_table_at(&a->core->keys, i);
        same(a->s, "running with key", key->name, a->keys[key->index].running, key->running);
        if (key->running > key->channel->rules.key_max)
            sim_fail(a->s, "%" PRIu64 " jobs run with key \"%s\", %" PRIu64 " may", key->running,
                     key->name, key->channel->rules.key_max);
    }
}

static void
audit_batches(const struct audit *a)
{
    sim *const s = a->s;
    for (uint32_t i = leat_table_next(&a->core->batches, 0); i != 0;
         i = leat_table_next(&a->core->batches, i)) {
        const leat_batch *const batch = leat_table_at(&a->core->batches, i);
        const struct count *const c = &a->batches[batch->index];
        const uint64_t ended = leat_counters_ended(&batch->counters);
        if (batch->alone)
            continue; /* its job does not point to it */
        if (batch->running != c->running || batch->delayed != c->delayed || batch->held != c->held)
            sim_fail(s,
                     "batch %" PRIu64 " counts %" PRIu64 " running, %" PRIu64 " delayed, %" PRIu64
                     " held, and has %" PRIu64 ", %" PRIu64 ", %" PRIu64,
                     batch->id, batch->running, batch->delayed, batch->held, c->running, c->delayed,
                     c->held);
        if (batch->counters.total != ended + c->live)
            sim_fail(s,
                     "batch %" PRIu64 " has accepted %" PRIu64 ", of which %" PRIu64
                     " have ended and %" PRIu64 " live",
                     batch->id, batch->counters.total, ended, c->live);
    }
}

static uint64_t
needed(const leat_core *core, const leat_peer *peer, const char *name)
{
    uint64_t sum = 0;
    for (uint32_t index = peer->lease_head; index != LEAT_NOBODY;
         index = leat_items_at(&core->items, index)->next) {
        const leat_class *const class = leat_class_of(core, leat_items_at(&core->items, index));
        for (uint32_t i = 0; i < class->need_count; i++) {
            if (leat_text_is(class->need[i].name, leat_text_of(name)))
                sum += class->need[i].amount;
        }
    }
    return sum;
}

static void
audit_peers(const struct audit *a)
{
    sim *const s = a->s;
    for (uint32_t i = leat_table_next(&a->core->peers, 0); i != 0;
         i = leat_table_next(&a->core->peers, i)) {
        const leat_peer *const peer = leat_table_at(&a->core->peers, i);
        const struct count *const c = &a->peers[peer->index];
        same(s, "held by", peer->name, c->running, peer->held);
        same(s, "suspects of", peer->name, c->suspects, peer->suspects);
        same(s, "limited of", peer->name, c->limited, peer->limited);
        if (peer->suspects > 1 || (peer->suspects == 1 && peer->held > 1))
            sim_fail(s, "worker \"%s\" has a suspect and more beside it", peer->name);
        for (uint32_t h = 0; h < peer->have_count; h++) {
            const uint64_t used = peer->haves[h].used;
            same(s, peer->haves[h].have.name, peer->name,
                 needed(a->core, peer, peer->haves[h].have.name), used);
            if (used > peer->haves[h].have.amount)
                sim_fail(s, "worker \"%s\" gives %" PRIu64 " %s, and has %" PRIu64, peer->name,
                         used, peer->haves[h].have.name, peer->haves[h].have.amount);
        }
    }
}

/* ---------------------------------------------------------------------------------- idling */

/* With the faults off nobody is idle while there is something for him. */
static void
audit_idle(const struct audit *a)
{
    LEAT_LIST_FOREACH (node, &a->core->hungry) {
        const leat_peer *const peer = LEAT_CONTAINER_OF(node, leat_peer, hungry);
        if (peer->held > 0 || peer->orphans > 0)
            continue;
        for (uint32_t i = leat_table_next(&a->core->classes, 0); i != 0;
             i = leat_table_next(&a->core->classes, i)) {
            const leat_class *const class = leat_table_at(&a->core->classes, i);
            const leat_channel *const channel = class->channel;
            if (class->handler[0] == '\0' || class->ready == 0 || channel->paused ||
                channel->rules.rate_per_ks > 0 || channel->running >= channel->rules.running_max ||
                channel->rules.key_max != LEAT_UNLIMITED || !leat_class_is_served(peer, class) ||
                !leat_class_fits(peer, class))
                continue;
            sim_fail(a->s, "worker \"%s\" is idle, and %" PRIu64 " jobs %s of \"%s\" are ready",
                     peer->name, class->ready, class->handler, channel->name);
        }
    }
}

/* A receiver that wants a message gets it: it has been given, or the next match will look. */
static void
audit_receivers(const struct audit *a)
{
    const leat_core *const core = a->core;
    for (uint32_t i = leat_table_next(&core->classes, 0); i != 0;
         i = leat_table_next(&core->classes, i)) {
        const leat_class *const class = leat_table_at(&core->classes, i);
        const leat_channel *const channel = class->channel;
        if (class->handler[0] != '\0' || class->ready == 0 || channel->paused ||
            channel->rules.rate_per_ks > 0 || channel->running >= channel->rules.running_max ||
            (core->stirred[i / 64] >> (i % 64) & 1U) != 0)
            continue;
        const leat_receiver *const receiver = leat_receiver_wanting(channel, NULL);
        if (receiver != NULL && !(leat_list_is_linked(&receiver->waiting) &&
                                  leat_list_is_linked(&receiver->peer->relieved)))
            sim_fail(a->s, "\"%s\" has %" PRIu64 " messages, and nobody looks at who wants one",
                     channel->name, class->ready);
    }
}

static void
audit_outbox(const struct audit *a)
{
    for (unsigned d = 0; d < LEAT_DURABILITY_COUNT; d++) {
        const leat_book *const book = &a->core->books[d];
        if (book->effect_count > 20000)
            sim_fail(a->s, "%u effects wait in the outbox", book->effect_count);
    }
}

void
sim_audit(sim *s)
{
    struct audit a = {
        .s = s,
        .core = s->core,
        .channels = counts(&s->core->channels),
        .classes = counts(&s->core->classes),
        .batches = counts(&s->core->batches),
        .peers = counts(&s->core->peers),
        .keys = counts(&s->core->keys),
    };
    count_items(&a);
    if (a.promised != s->core->room.ends)
        sim_fail(s, "room for ends: %" PRIu64 " is promised, %" PRIu64 " is kept free", a.promised,
                 s->core->room.ends);
    audit_channels(&a);
    audit_classes(&a);
    audit_batches(&a);
    audit_peers(&a);
    audit_outbox(&a);
    audit_receivers(&a);
    if (s->healing)
        audit_idle(&a);
    free(a.channels);
    free(a.classes);
    free(a.batches);
    free(a.peers);
    free(a.keys);
}

void
sim_audit_tell(sim *s)
{
    for (uint32_t i = leat_table_next(&s->core->classes, 0); i != 0;
         i = leat_table_next(&s->core->classes, i)) {
        const leat_class *const class = leat_table_at(&s->core->classes, i);
        if (class->ready + class->running > 0 || class->channel->ready > 0)
            sim_note(s,
                     "class %s/%s (%s; %s): %" PRIu64 " in lines, %" PRIu64 " run; %" PRIu64
                     " ready, %" PRIu64 " run in the channel%s",
                     class->channel->name, class->handler, class->needs, class->traits,
                     class->ready, class->running, class->channel->ready, class->channel->running,
                     class->channel->paused ? ", paused" : "");
    }
    for (uint32_t i = leat_table_next(&s->core->keys, 0); i != 0;
         i = leat_table_next(&s->core->keys, i)) {
        const leat_key *const key = leat_table_at(&s->core->keys, i);
        sim_note(s, "key %s of %s: %" PRIu64 " run, %u wait", key->name, key->channel->name,
                 key->running, key->parked.count);
    }
}
