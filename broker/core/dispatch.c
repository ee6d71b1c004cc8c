/* Dispatch: ready items meet credit, and senders in line meet room.
 *
 * Workers that may take jobs stand in a line (core->hungry). In each round everyone is given some:
 * from the channel of which it has had least by its weight, of that the class whose turn it is (see
 * share.c). Some is what runs in LEAT_QUANTUM_US, and one of what runs longer or has never been
 * measured, so that few jobs are spread. It holds at most what runs in that time and on the way to
 * it beyond its slots: short jobs keep it busy for a round trip, long ones are never hoarded,
 * unmeasured ones get its idle slots, and what is counted (caps, capacities, needs) is never held
 * ahead. Messages go to clients with RECV credit (receiver.c). What is given is collected in
 * grant.c; what is asked back is in recall.c. */
#include "broker/core/dispatch.h"

#include <stdlib.h>

#include "broker/core/channel.h"
#include "broker/core/checkpoint.h"
#include "broker/core/class.h"
#include "broker/core/grant.h"
#include "broker/core/park.h"
#include "broker/core/peer.h"
#include "broker/core/receiver.h"
#include "broker/core/select.h"
#include "broker/core/share.h"
#include "broker/core/submit.h"

/* ------------------------------------------------------------------------------ jobs */

struct choice {
    leat_class *class;
    leat_candidate best;
    leat_candidate next; /* of the best other class of the channel: where it is its turn */
    bool has_next;
};

/* Is what is handed out of this channel counted, so that nothing may lie in a worker's line? */
static bool
is_counted(const leat_class *class)
{
    const leat_channel_rules *const rules = &class->channel->rules;
    return class->need_count > 0 || rules->capacity != LEAT_UNLIMITED ||
           rules->running_max != LEAT_UNLIMITED || rules->key_max != LEAT_UNLIMITED;
}

/* How many jobs of this class the worker may hold at most, all its jobs counted. */
static uint32_t
fill_of(const leat_peer *peer, const leat_class *class)
{
    uint64_t fill = peer->slots > peer->orphans ? peer->slots - peer->orphans : 0;
    const uint64_t trip_ms = peer->trip_ms < 0 ? 0 : (uint64_t)peer->trip_ms;
    const uint64_t ahead_us = LEAT_QUANTUM_US + trip_ms * 1000;
    if (class->mean_ns > 0 && !is_counted(class))
        fill += ahead_us * 1000 * peer->slots / class->mean_ns;
    return fill < peer->credit_items ? (uint32_t)fill : peer->credit_items;
}

static struct leat_track *
track_of(leat_peer *peer, leat_channel *channel)
{
    for (uint32_t i = 0; i < peer->track_count; i++) {
        if (peer->tracks[i].channel == channel)
            return &peer->tracks[i];
    }
    struct leat_track *const tracks =
        realloc(peer->tracks, (peer->track_count + 1) * sizeof *tracks);
    if (tracks == NULL)
        return NULL;
    peer->tracks = tracks;
    tracks[peer->track_count] =
        (struct leat_track){.channel = channel, .vtime_ns = peer->track_vtime_ns};
    return &tracks[peer->track_count++];
}

static bool
may_give(leat_core *core, const leat_peer *peer, leat_class *class)
{
    return class->handler[0] != '\0' && peer->held < fill_of(peer, class) &&
           leat_channel_gives(core, class->channel) && leat_class_fits(peer, class);
}

/* Better than what was found? A channel of which the worker has had less goes first. */
static bool
is_better(leat_peer *peer,
          const struct choice *choice,
          leat_channel *channel,
          const leat_candidate *one)
{
    if (choice->class == NULL)
        return true;
    if (channel != choice->class->channel) {
        /* A frame is of one durability: what is open is filled before another one is begun. */
        const leat_filling *const f = peer->filling;
        const leat_durability other_durability = choice->class->channel->durability;
        if (f != NULL && f->effect.grant_count > 0 && channel->durability != other_durability)
            return channel->durability == f->durability;
        const struct leat_track *const a = track_of(peer, channel);
        const int64_t mine = a == NULL ? 0 : a->vtime_ns; /* before the next call moves it */
        const struct leat_track *const b = track_of(peer, choice->class->channel);
        const int64_t other = b == NULL ? 0 : b->vtime_ns;
        if (mine != other)
            return mine < other;
    }
    return leat_candidate_compare(one, &choice->best) < 0;
}

static bool
choose(leat_core *core, leat_peer *peer, struct choice *choice)
{
    *choice = (struct choice){0};
    const uint32_t words =
        peer->class_words < core->active_words ? peer->class_words : core->active_words;
    for (uint32_t w = 0; w < words; w++) {
        for (uint64_t bits = peer->classes[w] & core->active[w]; bits != 0; bits &= bits - 1) {
            leat_class *const class =
                leat_table_at(&core->classes, w * 64 + (uint32_t)__builtin_ctzll(bits));
            leat_candidate one;
            if (!may_give(core, peer, class) || !leat_line_first(core, class, &one))
                continue;
            if (is_better(peer, choice, class->channel, &one)) {
                choice->has_next =
                    choice->class != NULL && choice->class->channel == class->channel;
                choice->next = choice->best;
                choice->class = class;
                choice->best = one;
            } else if (choice->class != NULL && class->channel == choice->class->channel &&
                       (!choice->has_next || leat_candidate_compare(&one, &choice->next) < 0)) {
                choice->next = one;
                choice->has_next = true;
            }
        }
    }
    return choice->class != NULL;
}

/* Is it still this class's turn at this worker? A suspect is handed out with nothing beside it. */
static bool
may_take(leat_core *core, const leat_peer *peer, struct choice *choice)
{
    if (peer->suspects > 0 || !leat_line_first(core, choice->class, &choice->best) ||
        (choice->has_next && leat_candidate_compare(&choice->best, &choice->next) > 0))
        return false;
    const leat_item *const item = leat_items_at(&core->items, choice->best.index);
    return (item->flags & LEAT_ITEM_SUSPECT) == 0 || peer->held == 0;
}

/* So many jobs of a class one worker is given before it is the next one's turn. */
static uint64_t
quantum_of(const leat_class *class)
{
    const uint64_t quantum =
        class->mean_ns == 0 ? 0 : (uint64_t)LEAT_QUANTUM_US * 1000 / class->mean_ns;
    return quantum == 0 ? 1 : quantum;
}

/* Would the item, with its checkpoint, make a frame too large that has something already? */
static bool
is_crowded(const leat_core *core, const leat_filling *f, uint32_t index)
{
    const leat_item *const item = leat_items_at(&core->items, index);
    return (item->flags & LEAT_ITEM_TELLS) != 0 && f->effect.grant_count > 0 &&
           f->bytes + item->payload_bytes + leat_checkpoint_bytes(core, item) >
               LEAT_GRANT_BYTES_MAX;
}

static void
charge_track(leat_peer *peer, leat_class *class, uint64_t taken)
{
    if (peer->channel_count < 2)
        return;
    struct leat_track *const track = track_of(peer, class->channel);
    if (track == NULL)
        return;
    const uint64_t ns = class->mean_ns == 0 ? 1000000 : class->mean_ns;
    if (track->vtime_ns < peer->track_vtime_ns)
        track->vtime_ns = peer->track_vtime_ns; /* who was silent has saved nothing */
    peer->track_vtime_ns = track->vtime_ns;
    track->vtime_ns += (int64_t)(taken * ns / class->channel->rules.weight);
}

/* Give one worker its share of one class; true if it got something. */
static bool
feed(leat_core *core, leat_peer *peer)
{
    struct choice choice;
    if (!leat_list_is_linked(&peer->hungry) || !choose(core, peer, &choice))
        return false;
    leat_filling *const f = leat_grant_of(core, peer);
    if (f == NULL) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return false;
    }
    const leat_durability durability = choice.class->channel->durability;
    if (f->durability != durability || leat_grant_is_full(f))
        leat_grant_close(core, f);
    f->durability = durability;
    const uint64_t quantum = quantum_of(choice.class);
    const uint32_t fill = fill_of(peer, choice.class);
    /* What bounds one more job changes with each that is given, but for the fill only where
     * something is counted. */
    const bool counted = is_counted(choice.class) || choice.class->channel->rules.rate_per_ks > 0;
    uint64_t taken = 0;
    bool crowded = false;
    while (taken < quantum && !leat_grant_is_full(f) && peer->held < fill &&
           (!counted || may_give(core, peer, choice.class)) &&
           peer->held_bytes <= peer->credit_bytes && may_take(core, peer, &choice)) {
        if (!leat_grant_room(f)) {
            leat_core_fault(core, LEAT_ERR_NOMEM);
            break;
        }
        if (is_crowded(core, f, choice.best.index)) {
            f->bytes = LEAT_GRANT_BYTES_MAX; /* full: the next visit begins another one */
            crowded = true;
            break;
        }
        leat_line_take(core, choice.class, choice.best.index);
        leat_grant_add(core, f, choice.best.index);
        taken++;
    }
    charge_track(peer, choice.class, taken);
    if (peer->suspects > 0)
        leat_grant_close(core, f);
    leat_peer_update_hunger(core, peer);
    return taken > 0 || crowded;
}

static void
close_grants(leat_core *core)
{
    for (;;) {
        leat_list_node *const node = leat_list_take_first(&core->fed);
        if (node == NULL)
            return;
        leat_grant_close(core, LEAT_CONTAINER_OF(node, leat_peer, fed)->filling);
    }
}

void
leat_dispatch_forget(leat_peer *peer)
{
    if (leat_list_is_linked(&peer->fed))
        leat_list_remove(&peer->fed);
    if (peer->filling != NULL) {
        free(peer->filling->effect.grants);
        leat_buf_fini(&peer->filling->effect.bytes);
    }
    free(peer->filling);
    peer->filling = NULL;
}
/* ------------------------------------------------------------------------------ senders in line */

/* A worker that would take a job of this class now. */
static leat_peer *
taker_of(leat_core *core, leat_class *class)
{
    LEAT_LIST_FOREACH (node, &core->hungry) {
        leat_peer *const peer = LEAT_CONTAINER_OF(node, leat_peer, hungry);
        if (leat_class_is_served(peer, class) && peer->suspects == 0 &&
            peer->held_bytes <= peer->credit_bytes && may_give(core, peer, class))
            return peer;
    }
    return NULL;
}

/* The job that has just come in for this worker goes to it, before another one takes its slot. */
static void
give_one(leat_core *core, leat_peer *peer, leat_class *class)
{
    leat_candidate first;
    leat_filling *const f = leat_grant_of(core, peer);
    if (f == NULL) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    if (f->durability != class->channel->durability || leat_grant_is_full(f))
        leat_grant_close(core, f);
    f->durability = class->channel->durability;
    if (!leat_line_first(core, class, &first))
        return; /* it waits for its time */
    if (!leat_grant_room(f)) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    leat_line_take(core, class, first.index);
    leat_grant_add(core, f, first.index);
    charge_track(peer, class, 1);
    leat_peer_update_hunger(core, peer);
}

/* A message of a rendezvous channel: straight into the hands of who waits for it. */
static bool
meet(leat_core *core, leat_post *post)
{
    leat_channel *const channel = post->channel;
    leat_receiver *const receiver = leat_receiver_wanting(channel, post->parked);
    if (receiver == NULL || channel->ready > 0 || !leat_channel_gives(core, channel))
        return false;
    if (!leat_submit_next(core, channel, post, 1))
        return true; /* refused: the next in line */
    leat_receiver_hand_first(core, receiver);
    return true;
}

static bool
serve_rendezvous(leat_core *core, leat_post *post)
{
    leat_channel *const channel = post->channel;
    leat_err err;
    if (post->parked->command == LEAT_CMD_SELECT || post->parked->head.handler.size == 0)
        return meet(core, post);
    const leat_settings *const s = &post->parked->head.settings;
    leat_class *const class =
        leat_class_ensure(core, channel, post->parked->head.handler, s->needs, s->traits, &err);
    leat_peer *const peer = class == NULL || channel->ready > 0 ? NULL : taker_of(core, class);
    if (peer == NULL)
        return false;
    if (leat_submit_next(core, channel, post, 1))
        give_one(core, peer, class);
    return true;
}

bool
leat_dispatch_serve_sender(leat_core *core, leat_post *post)
{
    leat_channel *const channel = post->channel;
    if (channel->rules.capacity == 0)
        return serve_rendezvous(core, post);
    const uint64_t space = leat_channel_room(channel);
    if (space == 0)
        return false;
    (void)leat_submit_next(core, channel, post, space);
    return true;
}

/* The first of the line that somebody who waits would take from: in a channel with room that is the
 * first, in a rendezvous it is not one that would have to meet itself. */
static bool
serve_line(leat_core *core, leat_channel *channel)
{
    if (channel->closed) {
        leat_submit_refuse_line(core, channel);
        return false;
    }
    if (channel->purged_upto != 0)
        return false; /* ids that were given to a frame in line would fall under the purge */
    LEAT_LIST_FOREACH (node, &channel->senders) {
        leat_post *const post = LEAT_CONTAINER_OF(node, leat_post, of_channel);
        if (leat_dispatch_serve_sender(core, post))
            return true; /* the line has changed */
        if (post->parked->command != LEAT_CMD_SELECT || channel->rules.capacity != 0)
            return false;
    }
    return false;
}

static bool
serve_senders(leat_core *core)
{
    bool progress = false;
    LEAT_LIST_FOREACH_SAFE (node, after, &core->blocked) {
        leat_channel *const channel = LEAT_CONTAINER_OF(node, leat_channel, blocked);
        while (core->fault == LEAT_ERR_OK && !leat_list_is_empty(&channel->senders) &&
               serve_line(core, channel)) {
            progress = true;
            if (channel->rules.capacity == 0 && channel->ready > 0)
                break; /* a job that the match has to hand out first */
        }
    }
    return progress;
}

/* Those that would not wait have not been served: it is over for them. */
static void
give_up_impatient(leat_core *core)
{
    for (;;) {
        leat_list_node *const node = leat_list_take_first(&core->impatient);
        if (node == NULL)
            return;
        leat_parked *const parked = LEAT_CONTAINER_OF(node, leat_parked, impatient);
        if (parked->command == LEAT_CMD_SELECT)
            leat_select_decide(core, parked, LEAT_NO_CASE, LEAT_ERR_FULL, 0, false,
                               "no case can proceed");
        else
            leat_submit_give_up(core, parked, LEAT_ERR_FULL, "nobody waits for it");
    }
}
/* ------------------------------------------------------------------------------ the match */

static bool
feed_all(leat_core *core)
{
    bool progress = false;
    leat_list waiting;
    leat_list_init(&waiting);
    leat_list_append_all(&waiting, &core->hungry);
    for (;;) { /* each once, and back to the end of the line */
        leat_list_node *const node = leat_list_take_first(&waiting);
        if (node == NULL)
            return progress;
        leat_list_append(&core->hungry, node);
        if (feed(core, LEAT_CONTAINER_OF(node, leat_peer, hungry)))
            progress = true;
    }
}

void
leat_dispatch_match(leat_core *core)
{
    bool progress = true;
    while (progress && core->fault == LEAT_ERR_OK) {
        progress = serve_senders(core);
        progress = leat_receiver_deliver(core) || progress;
        progress = feed_all(core) || progress;
    }
    give_up_impatient(core);
    close_grants(core);
}
