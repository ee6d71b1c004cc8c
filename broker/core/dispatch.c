/* Dispatch: ready items meet credit, and senders in line meet room.
 *
 * Workers that may take jobs stand in a line (core->hungry). In each round everyone is given some:
 * from the channel of which it has had least by its weight, of that the class whose turn it is (see
 * share.c). Some is what runs in LEAT_QUANTUM_US, and one of what runs longer or has never been
 * measured, so that few jobs are spread. It holds at most what runs in that time and on the way to
 * it beyond its slots: short jobs keep it busy for a round trip, long ones are never hoarded,
 * unmeasured ones get its idle slots, and what is counted (caps, capacities, needs) is never held
 * ahead. What one has and has not started is asked back when a slot elsewhere has nothing to do.
 * Messages go to clients with RECV credit. Attempts are part of this turn's commit; JOBS leave
 * after it. */
#include <stdlib.h>

#include "broker/core/machine.h"

#define GRANT_BYTES_MAX (LEAT_FRAME_BYTES_CLOSE - 8192U) /* room for the runs' heads */
#define GRANT_JOBS_MAX  2048U
#define RUN_BYTES       20U /* of a run's head beside its names */
#define RUN_BYTES_MAX   (RUN_BYTES + 3U * (1U + LEAT_NAME_BYTES_MAX))

/* A grant that is being collected for one peer. */
struct leat_filling {
    leat_peer *peer;
    leat_durability durability;
    leat_effect effect;
    uint32_t capacity;
    size_t bytes;
    uint32_t class; /* of the last item: another one begins a run */
    uint32_t batch;
    uint64_t limit;
};

/* ------------------------------------------------------------------------------ collecting */

/* Room for one more grant. */
static bool
room(struct leat_filling *f)
{
    if (f->effect.grant_count < f->capacity)
        return true;
    const uint32_t capacity = f->capacity == 0 ? 64 : f->capacity * 2;
    leat_grant *const grants = realloc(f->effect.grants, capacity * sizeof *grants);
    if (grants == NULL)
        return false;
    f->effect.grants = grants;
    f->capacity = capacity;
    return true;
}

static void
close_grant(leat_core *core, struct leat_filling *f)
{
    if (f->effect.grant_count == 0)
        return;
    leat_book *const book = &core->books[f->durability];
    if (f->durability == LEAT_DISK && !f->effect.messages && !LEAT_FAULT(ATTEMPT_LATE)) {
        const size_t at =
            leat_turn_put_leases(&book->turn, f->peer->key, f->effect.position, core->epoch);
        for (uint32_t i = 0; i < f->effect.grant_count; i++) {
            leat_put_u64(&book->turn, f->effect.grants[i].id);
            leat_put_u32(&book->turn, f->effect.grants[i].attempt);
        }
        leat_turn_end_leases(&book->turn, at, f->effect.grant_count);
    }
    if (!f->effect.messages)
        f->peer->dirty = true; /* its next number */
    /* JOBS leave in the order of their numbers: not before those that still wait for the disk. */
    const leat_durability queue = f->peer->disk_grants > 0 ? LEAT_DISK : f->durability;
    leat_effect *const effect = leat_outbox_add(core, queue, LEAT_EFFECT_GRANT);
    if (effect == NULL)
        return;
    f->peer->disk_grants += queue == LEAT_DISK;
    f->effect.durability = f->durability;
    if (f->effect.messages) {
        const leat_item *const first = leat_items_at(&core->items, f->effect.grants[0].index);
        f->effect.batch = leat_class_of(core, first)->channel->index;
        f->effect.position = leat_class_of(core, first)->channel->id;
    }
    f->effect.kind = LEAT_EFFECT_GRANT;
    f->effect.number = effect->number;
    f->effect.peer = f->peer->key;
    f->effect.connection = f->peer->connection;
    *effect = f->effect;
    f->effect = (leat_effect){0};
    f->capacity = 0;
    f->bytes = 0;
    f->class = 0;
    f->peer->grants_waiting++;
    leat_peer_update_hunger(core, f->peer);
}

static void
grant(leat_core *core, struct leat_filling *f, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    const leat_err err = leat_item_apply(item, LEAT_EVENT_LEASE);
    assert(err == LEAT_ERR_OK && f->peer != NULL);
    (void)err;
    if (f->effect.grant_count == 0)
        f->effect.position = f->peer->next_number;
    item->number = (uint32_t)f->peer->next_number++;
    item->epoch = (uint8_t)(core->epoch_count - 1);
    leat_channel_take_token(leat_class_of(core, item)->channel);
    leat_lease_append(core, f->peer, index);
    f->effect.grants[f->effect.grant_count++] =
        (leat_grant){.id = item->id, .index = index, .attempt = item->attempt};
    f->bytes += LEAT_JOBS_JOB_BYTES + (size_t)item->payload_bytes;
    if ((item->flags & LEAT_ITEM_TELLS) != 0)
        f->bytes += 4 + RUN_BYTES_MAX + (size_t)leat_checkpoint_bytes(core, item);
    const leat_terms *const terms = leat_terms_of(core, item);
    const leat_class *const class = terms->class;
    if (class->index == f->class && item->batch == f->batch && item->batch != LEAT_NOBODY &&
        terms->run_limit_ms == f->limit)
        return;
    f->bytes += RUN_BYTES + strlen(class->channel->name) + strlen(class->handler) +
                strlen(class->needs) + 1;
    f->class = class->index;
    f->batch = item->batch;
    f->limit = terms->run_limit_ms;
}

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
        const struct leat_filling *const f = peer->filling;
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
            } else if (class->channel == choice->class->channel &&
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

/* The worker's grant of this turn: what it is given in several visits leaves in one frame. */
static struct leat_filling *
filling_of(leat_core *core, leat_peer *peer)
{
    if (peer->filling == NULL)
        peer->filling = calloc(1, sizeof *peer->filling);
    if (peer->filling == NULL)
        return NULL;
    peer->filling->peer = peer;
    if (!leat_list_is_linked(&peer->fed))
        leat_list_append(&core->fed, &peer->fed);
    return peer->filling;
}

static bool
is_full(const struct leat_filling *f)
{
    return f->effect.grant_count >= GRANT_JOBS_MAX || f->bytes >= GRANT_BYTES_MAX;
}

/* Would the item, with its checkpoint, make a frame too large that has something already? */
static bool
is_crowded(const leat_core *core, const struct leat_filling *f, uint32_t index)
{
    const leat_item *const item = leat_items_at(&core->items, index);
    return (item->flags & LEAT_ITEM_TELLS) != 0 && f->effect.grant_count > 0 &&
           f->bytes + item->payload_bytes + leat_checkpoint_bytes(core, item) > GRANT_BYTES_MAX;
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
    struct leat_filling *const f = filling_of(core, peer);
    if (f == NULL) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return false;
    }
    const leat_durability durability = choice.class->channel->durability;
    if (f->durability != durability || is_full(f))
        close_grant(core, f);
    f->durability = durability;
    const uint64_t quantum = quantum_of(choice.class);
    const uint32_t fill = fill_of(peer, choice.class);
    /* What bounds one more job changes with each that is given, but for the fill only where
     * something is counted. */
    const bool counted = is_counted(choice.class) || choice.class->channel->rules.rate_per_ks > 0;
    uint64_t taken = 0;
    bool crowded = false;
    while (taken < quantum && !is_full(f) && peer->held < fill &&
           (!counted || may_give(core, peer, choice.class)) &&
           peer->held_bytes <= peer->credit_bytes && may_take(core, peer, &choice)) {
        if (!room(f)) {
            leat_core_fault(core, LEAT_ERR_NOMEM);
            break;
        }
        if (is_crowded(core, f, choice.best.index)) {
            f->bytes = GRANT_BYTES_MAX; /* full: the next visit begins another one */
            crowded = true;
            break;
        }
        leat_line_take(core, choice.class, choice.best.index);
        grant(core, f, choice.best.index);
        taken++;
    }
    charge_track(peer, choice.class, taken);
    if (peer->suspects > 0)
        close_grant(core, f);
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
        close_grant(core, LEAT_CONTAINER_OF(node, leat_peer, fed)->filling);
    }
}

void
leat_dispatch_forget(leat_peer *peer)
{
    if (leat_list_is_linked(&peer->fed))
        leat_list_remove(&peer->fed);
    if (peer->filling != NULL)
        free(peer->filling->effect.grants);
    free(peer->filling);
    peer->filling = NULL;
}

/* ------------------------------------------------------------------------------ recalling */

/* Jobs that lie in its line: more than it has slots, and not started as far as is known. */
static uint32_t
line_of(const leat_peer *peer)
{
    const uint64_t given = peer->next_number - 1;
    const uint64_t ahead = given > peer->started ? given - peer->started : 0;
    const uint32_t over = peer->held > peer->slots ? peer->held - peer->slots : 0;
    return ahead < over ? (uint32_t)ahead : over;
}

/* Could this worker run what lies in the other one's line? Judged by the last of it. */
static bool
could_run(leat_core *core, leat_peer *idle, const leat_peer *from)
{
    if (from->lease_tail == LEAT_NOBODY)
        return false;
    const leat_item *const last = leat_items_at(&core->items, from->lease_tail);
    leat_class *const class = leat_class_of(core, last);
    return class->mean_ns / 1000 > LEAT_QUANTUM_US && (last->flags & LEAT_ITEM_SUSPECT) == 0 &&
           leat_class_is_served(idle, class) && leat_class_fits(idle, class);
}

static void
recall(leat_core *core, leat_peer *peer, uint32_t n)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_RECALL);
    leat_tokens_put(LEAT_CMD_RECALL, &frame, &(leat_token_record){.items = n});
    leat_frame_finish(&frame, 0, 1, 0);
    if (leat_peer_send(core, peer, &frame))
        peer->recalled += n;
    leat_buf_fini(&frame);
}

/* Is there a worker with nothing to do that could take over from this one? */
static bool
has_taker(leat_core *core, const leat_peer *from)
{
    LEAT_LIST_FOREACH (node, &core->hungry) {
        leat_peer *const peer = LEAT_CONTAINER_OF(node, leat_peer, hungry);
        if (peer != from && peer->held == 0 && could_run(core, peer, from))
            return true;
    }
    return false;
}

/* Who has most in its line gives half of it back, if somebody else has nothing to do. One at a
 * time: it is looked at again soon. Long jobs only: what is over within the quantum is over before
 * it could be moved. */
void
leat_dispatch_recall(leat_core *core)
{
    leat_peer *richest = NULL;
    uint32_t most = 0;
    if (leat_list_is_empty(&core->hungry))
        return;
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0;
         i = leat_table_next(&core->peers, i)) {
        leat_peer *const peer = leat_table_at(&core->peers, i);
        const uint32_t line = peer->role == LEAT_ROLE_WORKER ? line_of(peer) : 0;
        if (line <= most || peer->recalled > 0 || peer->claiming || !leat_peer_can_send(peer) ||
            !has_taker(core, peer))
            continue;
        most = line;
        richest = peer;
    }
    if (richest != NULL)
        recall(core, richest, (most + 1) / 2);
}

void
leat_dispatch_recall_from(leat_core *core, leat_peer *peer)
{
    const uint64_t given = peer->next_number - 1;
    if (peer->role == LEAT_ROLE_WORKER && peer->held > 0 && given > peer->started &&
        leat_peer_can_send(peer))
        recall(core, peer, peer->held);
}

void
leat_dispatch_recall_all(leat_core *core)
{
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0;
         i = leat_table_next(&core->peers, i)) {
        leat_dispatch_recall_from(core, leat_table_at(&core->peers, i));
    }
}

/* ------------------------------------------------------------------------------ receivers */

/* A peer may receive from many channels, and a channel have many receivers, but hardly both: the
 * shorter list decides how long it takes. */
leat_receiver *
leat_dispatch_receiver_of(const leat_peer *peer, const leat_channel *channel)
{
    leat_list_node *mine = leat_list_first(&peer->receivers);
    leat_list_node *others = leat_list_first(&channel->receivers);
    while (mine != NULL && others != NULL) {
        leat_receiver *const of_peer = LEAT_CONTAINER_OF(mine, leat_receiver, of_peer);
        leat_receiver *const of_channel = LEAT_CONTAINER_OF(others, leat_receiver, of_channel);
        if (of_peer->channel == channel)
            return of_peer;
        if (of_channel->peer == peer && of_channel->select == NULL)
            return of_channel;
        mine = leat_list_next(&peer->receivers, mine);
        others = leat_list_next(&channel->receivers, others);
    }
    return NULL;
}

void
leat_dispatch_receiver_free(leat_core *core, leat_receiver *receiver)
{
    (void)core;
    receiver->peer->wait_count--;
    leat_list_remove(&receiver->of_peer);
    leat_list_remove(&receiver->of_channel);
    free(receiver);
}

void
leat_dispatch_return_messages(leat_core *core, leat_peer *peer)
{
    for (uint32_t index = peer->lease_head; index != LEAT_NOBODY;) {
        const leat_item *const item = leat_items_at(&core->items, index);
        const uint32_t next = item->next;
        if ((item->flags & LEAT_ITEM_MESSAGE) != 0)
            leat_lease_release(core, index);
        index = next;
    }
}

bool
leat_dispatch_receive(leat_core *core, leat_parked *parked, leat_channel *channel, uint16_t index)
{
    (void)core;
    leat_receiver *const receiver = calloc(1, sizeof *receiver);
    if (receiver == NULL)
        return false;
    receiver->peer = parked->peer;
    receiver->channel = channel;
    receiver->select = parked;
    receiver->index = index;
    receiver->credit = 1;
    receiver->receives = 1;
    leat_list_append(&parked->receivers, &receiver->of_peer);
    leat_list_append(&channel->receivers, &receiver->of_channel);
    return true;
}

void
leat_dispatch_receiver_credit(leat_core *core, leat_peer *peer, const leat_credit *credit)
{
    leat_err err = LEAT_ERR_OK;
    leat_channel *const channel = leat_channel_ensure(core, credit->channel, &err);
    if (channel == NULL || channel->kind == LEAT_KIND_JOBS) {
        leat_outbox_error(core, peer->route, peer, channel == NULL ? err : LEAT_ERR_WRONG_KIND, 0,
                          channel == NULL ? NULL : "jobs are taken by workers, not received");
        return;
    }
    leat_receiver *receiver = leat_dispatch_receiver_of(peer, channel);
    if (receiver == NULL) {
        if (credit->items == 0)
            return;
        receiver = calloc(1, sizeof *receiver);
        if (receiver == NULL || peer->wait_count >= LEAT_WAITS_MAX) {
            free(receiver);
            leat_outbox_error(core, peer->route, peer, LEAT_ERR_LIMIT, 0, NULL);
            return;
        }
        receiver->peer = peer;
        receiver->channel = channel;
        peer->wait_count++;
        leat_list_append(&peer->receivers, &receiver->of_peer);
        leat_list_append(&channel->receivers, &receiver->of_channel);
    }
    receiver->credit = credit->items;
    receiver->receives = credit->receives;
    receiver->told_closed = false;
    if (leat_channel_is_drained(channel))
        leat_dispatch_channel_drained(core, channel);
}

void
leat_dispatch_message_taken(leat_core *core, leat_peer *peer, const leat_item *item)
{
    if ((item->flags & LEAT_ITEM_SELECTED) != 0)
        return;
    leat_receiver *const receiver =
        leat_dispatch_receiver_of(peer, leat_class_of(core, item)->channel);
    if (receiver != NULL && receiver->held > 0)
        receiver->held--;
}

void
leat_dispatch_channel_drained(leat_core *core, const leat_channel *channel)
{
    if (leat_list_is_empty(&channel->receivers))
        return;
    leat_effect *const effect = leat_outbox_add(core, LEAT_DISK, LEAT_EFFECT_DRAINED);
    if (effect != NULL)
        effect->position = channel->index;
}

static leat_receiver *
first_select(const leat_channel *channel)
{
    LEAT_LIST_FOREACH (node, &channel->receivers) {
        leat_receiver *const receiver = LEAT_CONTAINER_OF(node, leat_receiver, of_channel);
        if (receiver->select != NULL)
            return receiver;
    }
    return NULL;
}

void
leat_dispatch_tell_drained(leat_core *core, const leat_channel *channel)
{
    if (!leat_channel_is_drained(channel))
        return; /* something has come back meanwhile */
    for (leat_receiver *one; (one = first_select(channel)) != NULL;)
        leat_select_decide(core, one->select, one->index, LEAT_ERR_CLOSED, 0, false,
                           "the channel is closed and empty");
    LEAT_LIST_FOREACH (node, &channel->receivers) {
        leat_receiver *const receiver = LEAT_CONTAINER_OF(node, leat_receiver, of_channel);
        leat_peer *const peer = receiver->peer;
        if (receiver->told_closed || receiver->credit == 0 || !leat_peer_can_send(peer))
            continue;
        leat_buf frame = {0};
        leat_frame_begin(&frame, LEAT_CMD_ITEMS);
        const size_t at =
            leat_items_put_messages(&frame, leat_text_of(channel->name), LEAT_ITEMS_CLOSED);
        leat_items_set_messages(&frame, at, 0);
        leat_frame_finish(&frame, 0, 1, 0);
        receiver->told_closed = leat_peer_send(core, peer, &frame);
        leat_buf_fini(&frame);
    }
}

/* ------------------------------------------------------------------------------ messages */

static bool
wants_message(const leat_receiver *receiver)
{
    const leat_peer *const peer = receiver->peer;
    if (peer->route == 0 || peer->unreachable || peer->lost || peer->ended)
        return false;
    if (receiver->select != NULL)
        return true; /* its answer waits in the window, not on the way */
    const bool asked = receiver->channel->rules.capacity == LEAT_UNLIMITED
                           ? receiver->held < receiver->credit
                           : receiver->credit > 0 && receiver->served < receiver->receives;
    return asked && peer->out_unconfirmed_bytes < LEAT_OUT_BYTES &&
           peer->out_sequence - peer->out_seen + peer->grants_waiting < LEAT_OUT_FRAMES - 2;
}

leat_receiver *
leat_dispatch_wanting(const leat_channel *channel, const leat_parked *except)
{
    LEAT_LIST_FOREACH (node, &channel->receivers) {
        leat_receiver *const receiver = LEAT_CONTAINER_OF(node, leat_receiver, of_channel);
        if ((receiver->select == NULL || receiver->select != except) && wants_message(receiver))
            return receiver;
    }
    return NULL;
}

/* The class of a channel's messages with something ready. */
static leat_class *
message_class(const leat_core *core, const leat_channel *channel)
{
    for (uint32_t i = 0; i < channel->class_count; i++) {
        leat_class *const class = leat_table_at(&core->classes, channel->classes[i]);
        if (class->handler[0] == '\0' && class->ready > 0)
            return class;
    }
    return NULL;
}

/* The message whose turn it is, if it may be handed out now. */
static leat_class *
next_message(leat_core *core, leat_channel *channel, leat_candidate *out)
{
    leat_class *const class = message_class(core, channel);
    return class != NULL && leat_channel_gives(core, channel) && leat_line_first(core, class, out)
               ? class
               : NULL;
}

bool
leat_dispatch_has_message(leat_core *core, leat_channel *channel)
{
    leat_candidate first;
    return next_message(core, channel, &first) != NULL;
}

void
leat_dispatch_hand(leat_core *core, leat_receiver *receiver, uint32_t index)
{
    leat_peer *const peer = receiver->peer;
    struct leat_filling f = {
        .peer = peer, .durability = receiver->channel->durability, .effect.messages = true};
    leat_list_remove(&receiver->of_channel); /* behind the others */
    leat_list_append(&receiver->channel->receivers, &receiver->of_channel);
    if (!room(&f)) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    leat_line_take(core, leat_class_of(core, leat_items_at(&core->items, index)), index);
    receiver->served++;
    grant(core, &f, index);
    if (receiver->select != NULL) {
        leat_select_received(core, receiver, index);
    } else {
        receiver->held++;
        close_grant(core, &f);
    }
    free(f.effect.grants);
}

void
leat_dispatch_hand_first(leat_core *core, leat_receiver *receiver)
{
    leat_candidate first;
    if (next_message(core, receiver->channel, &first) != NULL)
        leat_dispatch_hand(core, receiver, first.index);
}

/* To a receiver by itself, as many as it wants when it is the only one: they leave in one frame. */
static bool
give_many(leat_core *core, leat_receiver *receiver, leat_class *class)
{
    leat_channel *const channel = receiver->channel;
    struct leat_filling f = {.peer = receiver->peer, .durability = channel->durability};
    leat_candidate first;
    bool given = false;
    f.effect.messages = true;
    leat_list_remove(&receiver->of_channel);
    const bool alone = leat_list_is_empty(&channel->receivers);
    leat_list_append(&channel->receivers, &receiver->of_channel);
    while (wants_message(receiver) && f.effect.grant_count < GRANT_JOBS_MAX &&
           f.bytes < GRANT_BYTES_MAX && leat_channel_gives(core, channel) &&
           leat_line_first(core, class, &first)) {
        if (!room(&f)) {
            leat_core_fault(core, LEAT_ERR_NOMEM);
            break;
        }
        leat_line_take(core, class, first.index);
        grant(core, &f, first.index);
        receiver->held++;
        receiver->served++;
        given = true;
        if (!alone)
            break; /* the next one is the next receiver's */
    }
    close_grant(core, &f);
    free(f.effect.grants);
    return given;
}

/* Items of a channel of messages, to its receivers in turn. */
static bool
deliver(leat_core *core, leat_channel *channel)
{
    bool progress = false;
    leat_candidate first;
    leat_class *class;
    while (core->fault == LEAT_ERR_OK && (class = next_message(core, channel, &first)) != NULL) {
        leat_receiver *const receiver = leat_dispatch_wanting(channel, NULL);
        if (receiver == NULL)
            break;
        if (receiver->select != NULL)
            leat_dispatch_hand(core, receiver, first.index);
        else if (!give_many(core, receiver, class))
            break;
        progress = true;
    }
    return progress;
}

static bool
deliver_messages(leat_core *core)
{
    bool progress = false;
    for (uint32_t w = 0; w < core->active_words; w++) {
        for (uint64_t bits = core->active[w]; bits != 0; bits &= bits - 1) {
            const leat_class *const class =
                leat_table_at(&core->classes, w * 64 + (uint32_t)__builtin_ctzll(bits));
            if (class->handler[0] == '\0' && !leat_list_is_empty(&class->channel->receivers))
                progress = deliver(core, class->channel) || progress;
        }
    }
    return progress;
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
    struct leat_filling *const f = filling_of(core, peer);
    if (f == NULL) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    if (f->durability != class->channel->durability || is_full(f))
        close_grant(core, f);
    f->durability = class->channel->durability;
    if (!leat_line_first(core, class, &first))
        return; /* it waits for its time */
    if (!room(f)) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    leat_line_take(core, class, first.index);
    grant(core, f, first.index);
    charge_track(peer, class, 1);
    leat_peer_update_hunger(core, peer);
}

/* A message of a rendezvous channel: straight into the hands of who waits for it. */
static bool
meet(leat_core *core, leat_post *post)
{
    leat_channel *const channel = post->channel;
    leat_receiver *const receiver = leat_dispatch_wanting(channel, post->parked);
    leat_candidate first;
    if (receiver == NULL || channel->ready > 0 || !leat_channel_gives(core, channel))
        return false;
    if (!leat_submit_next(core, channel, post, 1))
        return true; /* refused: the next in line */
    if (next_message(core, channel, &first) != NULL)
        leat_dispatch_hand(core, receiver, first.index);
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
        progress = deliver_messages(core) || progress;
        progress = feed_all(core) || progress;
    }
    give_up_impatient(core);
    close_grants(core);
}

/* ------------------------------------------------------------------------------ leaving */

/* A frame of JOBS or messages that is being written from grants and payloads. */
struct writing {
    leat_core *core;
    leat_effect *effect;
    leat_buf frame;
    uint16_t runs;
    uint16_t run_jobs;
    size_t run_at;
    uint32_t class;
    uint64_t batch;
    uint64_t limit;
    bool with_checkpoints; /* of the run */
    leat_restored restored;
    uint32_t sent;
    bool failed;              /* a job's record could not be read: its grant says attempt 0 */
    const uint8_t *pack_data; /* the store may use it again for another pack */
    uint64_t pack_id;         /* the pack that the last payload came from, NULL: none */
    leat_pack pack;
    uint32_t pack_left; /* jobs of it behind `job` */
    leat_pack_job job;
};

static void
end_run(struct writing *w)
{
    if (w->runs == 0)
        return;
    if (w->effect->messages)
        leat_items_set_messages(&w->frame, w->run_at, w->run_jobs);
    else
        leat_jobs_set_run(&w->frame, w->run_at, w->run_jobs);
}

static void
start_run(struct writing *w, const leat_item *item, uint64_t batch, bool with_checkpoints)
{
    const leat_terms *const terms = leat_terms_of(w->core, item);
    const leat_class *const class = terms->class;
    end_run(w);
    w->class = class->index;
    w->batch = batch;
    w->limit = terms->run_limit_ms;
    w->with_checkpoints = with_checkpoints;
    w->run_jobs = 0;
    w->runs++;
    if (w->effect->messages) {
        w->run_at = leat_items_put_messages(&w->frame, leat_text_of(class->channel->name), 0);
        return;
    }
    const leat_jobs_run run = {
        .channel = leat_text_of(class->channel->name),
        .handler = leat_text_of(class->handler),
        .batch = batch,
        .run_limit_ms = terms->run_limit_ms,
        .needs = leat_text_of(class->needs),
        .checkpoints = with_checkpoints,
    };
    w->run_at = leat_jobs_put_run(&w->frame, &run);
}

/* Find the payload of id in its pack. Ids mostly rise, so the search goes on where it was. */
static bool
find_in_pack(struct writing *w, const leat_fetched *fetched, uint64_t id)
{
    const uint64_t offset = id - fetched->pack_id;
    if (w->pack_data != fetched->data || w->pack_id != fetched->pack_id || w->job.offset > offset) {
        if (leat_pack_open(fetched->data, fetched->size, &w->pack) != LEAT_ERR_OK)
            return false;
        w->pack_data = fetched->data;
        w->pack_id = fetched->pack_id;
        w->pack_left = w->pack.count;
        w->job = (leat_pack_job){0};
    }
    while (w->pack_left > 0 && (w->job.payload == NULL || w->job.offset < offset)) {
        leat_pack_next(&w->pack, &w->job);
        w->pack_left--;
    }
    return w->job.payload != NULL && w->job.offset == offset;
}

static void
on_payload(void *context, const leat_fetched *fetched)
{
    struct writing *const w = context;
    leat_grant *const granted = &w->effect->grants[fetched->fetch.cookie];
    leat_item *const item = leat_items_at(&w->core->items, granted->index);

    leat_bytes checkpoint = {0};
    const bool restores =
        leat_restored_find(&w->restored, (uint32_t)fetched->fetch.cookie, &checkpoint);

    if (fetched->err != LEAT_ERR_OK || !find_in_pack(w, fetched, granted->id) ||
        (restores && checkpoint.size == 0)) {
        granted->attempt = 0;
        w->failed = true;
        return;
    }
    const uint64_t batch =
        item->batch == LEAT_NOBODY
            ? item->id
            : ((const leat_batch *)leat_table_at(&w->core->batches, item->batch))->id;
    const leat_terms *const terms = leat_terms_of(w->core, item);
    if (w->runs == 0 || w->class != terms->class->index || w->batch != batch ||
        w->limit != terms->run_limit_ms || w->with_checkpoints != restores)
        start_run(w, item, batch, restores);
    const leat_bytes payload = {w->job.payload, w->job.payload_bytes};
    if (w->effect->messages)
        leat_items_put_message(
            &w->frame, &(leat_message){
                           .id = item->id,
                           .flags = (item->flags & LEAT_ITEM_HANDED) != 0 ? LEAT_ITEM_AGAIN : 0,
                           .payload = payload,
                       });
    else
        leat_jobs_put_job(&w->frame, item->id, item->attempt, item->place, payload);
    if (restores)
        leat_jobs_put_checkpoint(&w->frame, checkpoint);
    /* The peer counts what it gets: jobs that left the grant in between have no number. */
    item->number = (uint32_t)(w->effect->position + w->sent++);
    if (w->effect->messages) /* of a job the bit says something else */
        item->flags |= LEAT_ITEM_HANDED;
    w->run_jobs++;
}

bool
leat_pack_find(const leat_fetched *fetched, uint64_t id, leat_bytes *payload)
{
    leat_pack pack;
    if (leat_pack_open(fetched->data, fetched->size, &pack) != LEAT_ERR_OK)
        return false;
    for (uint8_t i = 0; i < pack.count; i++) {
        leat_pack_job job;
        leat_pack_next(&pack, &job);
        if (fetched->pack_id + job.offset == id) {
            *payload = (leat_bytes){job.payload, job.payload_bytes};
            return true;
        }
    }
    return false;
}

void
leat_dispatch_end_unreadable(leat_core *core, uint32_t index)
{
    static const char sentence[] = "its record in the store is damaged";
    leat_item *const item = leat_items_at(&core->items, index);
    leat_peer *const peer = leat_table_at(&core->peers, item->holder);
    leat_lease_unlink(core, peer, index, 0);
    const leat_err err = leat_item_apply(item, LEAT_EVENT_FAIL);
    assert(err == LEAT_ERR_OK || item->state == LEAT_STATE_STOPPING);
    (void)err;
    leat_lease_end(core, index, LEAT_OUTCOME_DEAD, NULL, 0,
                   (leat_bytes){(const uint8_t *)sentence, sizeof sentence - 1});
}

bool
leat_dispatch_is_current(leat_core *core, const leat_peer *peer, const leat_grant *granted)
{
    if (leat_items_find(&core->items, granted->id) != granted->index)
        return false;
    const leat_item *const item = leat_items_at(&core->items, granted->index);
    return item->holder == peer->index && item->attempt == granted->attempt &&
           leat_state_is_held_by_worker((leat_state)item->state);
}

void
leat_dispatch_unserve(leat_core *core, const leat_effect *effect, uint32_t n)
{
    const leat_peer *const peer = leat_table_get(&core->peers, effect->peer);
    if (!effect->messages || n == 0 || peer == NULL || effect->connection != peer->connection)
        return;
    const leat_channel *const channel = leat_table_at(&core->channels, (uint32_t)effect->batch);
    if (channel == NULL || channel->id != effect->position)
        return;
    leat_receiver *const receiver = leat_dispatch_receiver_of(peer, channel);
    if (receiver != NULL)
        receiver->served -= n < receiver->served ? n : receiver->served;
}

void
leat_dispatch_grant(leat_core *core, const leat_book *book, leat_effect *effect)
{
    leat_peer *const peer = leat_table_get(&core->peers, effect->peer);
    if (peer == NULL)
        return;
    peer->grants_waiting--;
    peer->disk_grants -= book == &core->books[LEAT_DISK];
    leat_peer_update_hunger(core, peer);
    /* A grant of before this HELLO is not sent after it: END will say that it never came. */
    if (peer->route == 0 || peer->unreachable || peer->ended || peer->claiming ||
        peer->welcome_due || effect->connection != peer->connection || effect->grant_count == 0)
        return;

    struct writing w = {.core = core, .effect = effect};
    leat_fetch *const fetches = malloc(effect->grant_count * sizeof *fetches);
    if (fetches == NULL) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < effect->grant_count; i++) {
        if (leat_dispatch_is_current(core, peer, &effect->grants[i]))
            fetches[count++] =
                (leat_fetch){.kind = LEAT_FETCH_JOB, .id = effect->grants[i].id, .cookie = i};
    }
    leat_frame_begin(&w.frame, effect->messages ? LEAT_CMD_ITEMS : LEAT_CMD_JOBS);
    if (!effect->messages)
        leat_jobs_put_head(
            &w.frame, &(leat_jobs_head){.epoch = core->epoch, .first_number = effect->position});
    leat_store *const store = core->books[effect->durability].store;
    if (!effect->messages)
        leat_restored_fetch(core, effect, &w.restored);
    if (count > 0 && leat_store_fetch(store, fetches, count, on_payload, &w) != LEAT_ERR_OK)
        leat_core_fault(core, LEAT_ERR_IO);
    free(fetches);
    end_run(&w);
    leat_dispatch_unserve(core, effect, effect->grant_count - w.sent);
    if (w.runs > 0) {
        leat_frame_finish(&w.frame, 0, w.runs, 0);
        (void)leat_peer_send(core, peer, &w.frame);
    }
    leat_buf_fini(&w.frame);
    leat_restored_fini(&w.restored);
    for (uint32_t i = 0; i < effect->grant_count && w.failed; i++) {
        if (effect->grants[i].attempt == 0)
            leat_dispatch_end_unreadable(core, effect->grants[i].index);
    }
}
