/* Receivers: clients with RECV credit and selects that would receive, and how messages get to them,
 * in turn. */
#include "broker/core/receiver.h"

#include <stdlib.h>

#include "broker/core/channel.h"
#include "broker/core/grant.h"
#include "broker/core/lease.h"
#include "broker/core/outbox.h"
#include "broker/core/peer.h"
#include "broker/core/select.h"
#include "broker/core/share.h"
#include "broker/core/terms.h"

/* ------------------------------------------------------------------------------ receivers */

/* A peer may receive from many channels, and a channel have many receivers, but hardly both: the
 * shorter list decides how long it takes. */
leat_receiver *
leat_receiver_of(const leat_peer *peer, const leat_channel *channel)
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
leat_receiver_unwait(leat_receiver *receiver)
{
    if (leat_list_is_linked(&receiver->waiting))
        leat_list_remove(&receiver->waiting);
}

void
leat_receiver_free(leat_core *core, leat_receiver *receiver)
{
    (void)core;
    receiver->peer->wait_count--;
    leat_receiver_unwait(receiver);
    leat_list_remove(&receiver->of_peer);
    leat_list_remove(&receiver->of_channel);
    free(receiver);
}

void
leat_receiver_return_messages(leat_core *core, leat_peer *peer)
{
    for (uint32_t index = peer->lease_head; index != LEAT_NOBODY;) {
        const leat_item *const item = leat_items_at(&core->items, index);
        const uint32_t next = item->next;
        if ((item->flags & LEAT_ITEM_MESSAGE) != 0)
            leat_lease_release(core, index);
        index = next;
    }
}

void
leat_receiver_stir(leat_core *core, const leat_channel *channel)
{
    for (uint32_t i = 0; i < channel->class_count; i++) {
        const uint32_t class = channel->classes[i];
        core->stirred[class / 64] |= 1ULL << (class % 64);
    }
}

void
leat_receiver_relieve(leat_core *core, leat_peer *peer)
{
    if (!leat_list_is_empty(&peer->waited) && !leat_list_is_linked(&peer->relieved) &&
        !LEAT_FAULT(STIR_FORGOT))
        leat_list_append(&core->relieved, &peer->relieved);
}

bool
leat_receiver_of_select(leat_core *core, leat_parked *parked, leat_channel *channel, uint16_t index)
{
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
    leat_receiver_stir(core, channel);
    return true;
}

void
leat_receiver_credit(leat_core *core, leat_peer *peer, const leat_credit *credit)
{
    leat_err err = LEAT_ERR_OK;
    leat_channel *const channel = leat_channel_ensure(core, credit->channel, &err);
    if (channel == NULL || channel->kind == LEAT_KIND_JOBS) {
        leat_outbox_error(core, peer->route, peer, channel == NULL ? err : LEAT_ERR_WRONG_KIND, 0,
                          channel == NULL ? NULL : "jobs are taken by workers, not received");
        return;
    }
    leat_receiver *receiver = leat_receiver_of(peer, channel);
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
    leat_receiver_stir(core, channel);
    if (leat_channel_is_drained(channel))
        leat_receiver_channel_drained(core, channel);
}

void
leat_receiver_message_taken(leat_core *core, leat_peer *peer, const leat_item *item)
{
    leat_receiver_stir(core, leat_class_of(core, item)->channel);
    if ((item->flags & LEAT_ITEM_SELECTED) != 0)
        return;
    leat_receiver *const receiver = leat_receiver_of(peer, leat_class_of(core, item)->channel);
    if (receiver != NULL && receiver->held > 0)
        receiver->held--;
}

void
leat_receiver_channel_drained(leat_core *core, const leat_channel *channel)
{
    if (leat_list_is_empty(&channel->receivers))
        return;
    leat_effect *const effect = leat_outbox_add(core, LEAT_DISK, LEAT_EFFECT_DRAINED);
    if (effect != NULL)
        effect->position = channel->index;
}

/* The channel is looked at again when more can be sent to this receiver's peer. */
static void
wait_for(leat_receiver *receiver)
{
    if (!leat_list_is_linked(&receiver->waiting))
        leat_list_append(&receiver->peer->waited, &receiver->waiting);
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
leat_receiver_tell_drained(leat_core *core, const leat_channel *channel)
{
    if (!leat_channel_is_drained(channel))
        return; /* something has come back meanwhile */
    for (leat_receiver *one; (one = first_select(channel)) != NULL;)
        leat_select_decide(core, one->select, one->index, LEAT_ERR_CLOSED, 0, false,
                           "the channel is closed and empty");
    LEAT_LIST_FOREACH (node, &channel->receivers) {
        leat_receiver *const receiver = LEAT_CONTAINER_OF(node, leat_receiver, of_channel);
        leat_peer *const peer = receiver->peer;
        if (receiver->told_closed || receiver->credit == 0)
            continue;
        if (!leat_peer_can_send(peer)) {
            wait_for(receiver);
            continue;
        }
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

/* So many messages of a channel have not left, that this peer was to have. */
static void
unserve(
    leat_core *core, const leat_peer *peer, uint32_t channel_index, uint64_t channel_id, uint32_t n)
{
    const leat_channel *const channel = leat_table_at(&core->channels, channel_index);
    if (n == 0 || channel == NULL || channel->id != channel_id)
        return;
    leat_receiver *const receiver = leat_receiver_of(peer, channel);
    if (receiver == NULL)
        return;
    receiver->served -= n < receiver->served ? n : receiver->served;
    leat_receiver_stir(core, channel);
}

/* A grant that has not left: its item was gone, or could not be read. */
static bool
has_stayed(const leat_grant *granted)
{
    return granted->id == 0 || granted->attempt == 0;
}

void
leat_receiver_unserve(leat_core *core, const leat_effect *effect, bool all)
{
    const leat_peer *const peer = leat_table_get(&core->peers, effect->peer);
    uint32_t at = 0;
    if (!effect->messages || peer == NULL || effect->connection != peer->connection)
        return;
    leat_reader served = leat_reader_over(effect->bytes.data, effect->bytes.size);
    while (at < effect->grant_count) {
        const bool mixed = effect->batch == 0;
        const uint32_t channel = mixed ? leat_read_u32(&served) : (uint32_t)effect->batch;
        const uint64_t id = mixed ? leat_read_u64(&served) : effect->position;
        const uint32_t end = mixed ? at + leat_read_u32(&served) : effect->grant_count;
        uint32_t n = 0;
        for (; at < end; at++)
            n += all || has_stayed(&effect->grants[at]);
        unserve(core, peer, channel, id, n);
    }
}

/* ------------------------------------------------------------------------------ messages */

static bool
is_there(const leat_peer *peer)
{
    return peer->route != 0 && !peer->unreachable && !peer->lost && !peer->ended;
}

/* Can it be sent more? A select's answer waits in the window, not on the way. */
static bool
has_way(const leat_peer *peer)
{
    return is_there(peer) && peer->out_unconfirmed_bytes < LEAT_OUT_BYTES &&
           peer->out_sequence - peer->out_seen + peer->grants_waiting < LEAT_OUT_FRAMES - 2;
}

static bool
wants_message(const leat_receiver *receiver)
{
    const leat_peer *const peer = receiver->peer;
    if (!is_there(peer))
        return false;
    if (receiver->select != NULL)
        return true;
    const bool asked = receiver->channel->rules.capacity == LEAT_UNLIMITED
                           ? receiver->held < receiver->credit
                           : receiver->credit > 0 && receiver->served < receiver->receives;
    return asked && has_way(peer);
}

leat_receiver *
leat_receiver_wanting(const leat_channel *channel, const leat_parked *except)
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
leat_receiver_has_message(leat_core *core, leat_channel *channel)
{
    leat_candidate first;
    return next_message(core, channel, &first) != NULL;
}

void
leat_receiver_hand(leat_core *core, leat_receiver *receiver, uint32_t index)
{
    leat_peer *const peer = receiver->peer;
    leat_filling f = {
        .peer = peer, .durability = receiver->channel->durability, .effect.messages = true};
    leat_list_remove(&receiver->of_channel); /* behind the others */
    leat_list_append(&receiver->channel->receivers, &receiver->of_channel);
    if (!leat_grant_room(&f)) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    leat_line_take(core, leat_class_of(core, leat_items_at(&core->items, index)), index);
    receiver->served++;
    leat_grant_add(core, &f, index);
    if (receiver->select != NULL) {
        leat_select_received(core, receiver, index);
    } else {
        receiver->held++;
        leat_grant_close(core, &f);
    }
    free(f.effect.grants);
}

void
leat_receiver_hand_first(leat_core *core, leat_receiver *receiver)
{
    leat_candidate first;
    if (next_message(core, receiver->channel, &first) != NULL)
        leat_receiver_hand(core, receiver, first.index);
}

/* What this receiver is given leaves with what its peer is given of other channels in this turn, if
 * they have no capacity. */
static leat_filling *
filling_for(leat_core *core, const leat_receiver *receiver, leat_filling *own)
{
    leat_peer *const peer = receiver->peer;
    const leat_channel *const channel = receiver->channel;
    const bool mixed = channel->rules.capacity == LEAT_UNLIMITED && peer->role == LEAT_ROLE_CLIENT;
    leat_filling *const f = mixed ? leat_grant_of(core, peer) : own;
    if (f == NULL)
        return NULL;
    if (!mixed)
        *f = (leat_filling){.peer = peer};
    else if (f->durability != channel->durability || leat_grant_is_full(f))
        leat_grant_close(core, f);
    f->durability = channel->durability;
    f->effect.messages = true;
    f->mixed = mixed;
    return f;
}

/* The next `count` grants are of this channel: u32 index · u64 id · u32 count. */
static void
note_served(leat_buf *served, const leat_channel *channel, uint32_t count)
{
    leat_put_u32(served, channel->index);
    leat_put_u64(served, channel->id);
    leat_put_u32(served, count);
}

/* To a receiver by itself, as many as it wants when it is the only one: they leave in one frame. */
static bool
give_many(leat_core *core, leat_receiver *receiver, leat_class *class)
{
    leat_channel *const channel = receiver->channel;
    leat_filling own = {0};
    leat_filling *const f = filling_for(core, receiver, &own);
    leat_candidate first;
    uint32_t given = 0;
    if (f == NULL) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return false;
    }
    leat_list_remove(&receiver->of_channel);
    const bool alone = leat_list_is_empty(&channel->receivers);
    leat_list_append(&channel->receivers, &receiver->of_channel);
    while (wants_message(receiver) && !leat_grant_is_full(f) && leat_channel_gives(core, channel) &&
           leat_line_first(core, class, &first)) {
        if (!leat_grant_room(f)) {
            leat_core_fault(core, LEAT_ERR_NOMEM);
            break;
        }
        leat_line_take(core, class, first.index);
        leat_grant_add(core, f, first.index);
        receiver->held++;
        receiver->served++;
        given++;
        if (!alone)
            break; /* the next one is the next receiver's */
    }
    if (f->mixed && given > 0)
        note_served(&f->effect.bytes, channel, given);
    if (f->effect.bytes.failed)
        leat_core_fault(core, LEAT_ERR_NOMEM);
    leat_grant_close(core, &own);
    free(own.effect.grants);
    return given > 0;
}

/* Nobody takes what is ready: who has too much on the way is waited for. Everything else for which
 * it may lie there stirs the channel when it changes. */
static void
wait_for_all(const leat_channel *channel)
{
    LEAT_LIST_FOREACH (node, &channel->receivers) {
        leat_receiver *const receiver = LEAT_CONTAINER_OF(node, leat_receiver, of_channel);
        if (!has_way(receiver->peer))
            wait_for(receiver);
    }
}

/* Items of a channel of messages, to its receivers in turn. */
static bool
deliver(leat_core *core, leat_channel *channel)
{
    bool progress = false;
    leat_candidate first;
    leat_class *class;
    while (core->fault == LEAT_ERR_OK && (class = next_message(core, channel, &first)) != NULL) {
        leat_receiver *const receiver = leat_receiver_wanting(channel, NULL);
        if (receiver == NULL) {
            wait_for_all(channel);
            break;
        }
        if (receiver->select != NULL)
            leat_receiver_hand(core, receiver, first.index);
        else if (!give_many(core, receiver, class) && wants_message(receiver))
            break; /* a fault; else what was open has just taken its way, and others may want it */
        progress = true;
    }
    return progress;
}

/* What has waited for this peer, in turn, as far as it can be sent. */
static bool
deliver_waited(leat_core *core, leat_peer *peer)
{
    bool progress = false;
    while (core->fault == LEAT_ERR_OK && has_way(peer)) {
        leat_list_node *const node = leat_list_take_first(&peer->waited);
        if (node == NULL)
            break;
        const leat_receiver *const receiver = LEAT_CONTAINER_OF(node, leat_receiver, waiting);
        leat_channel *const channel = receiver->channel;
        if (!receiver->told_closed && leat_channel_is_drained(channel))
            leat_receiver_channel_drained(core, channel);
        progress = deliver(core, channel) || progress;
    }
    return progress;
}

bool
leat_receiver_deliver(leat_core *core)
{
    bool progress = false;
    for (leat_list_node *node; (node = leat_list_take_first(&core->relieved)) != NULL;)
        progress = deliver_waited(core, LEAT_CONTAINER_OF(node, leat_peer, relieved)) || progress;
    LEAT_LIST_FOREACH (node, &core->rated)
        leat_receiver_stir(core, LEAT_CONTAINER_OF(node, leat_channel, rated));
    for (uint32_t w = 0; w < core->active_words; w++) {
        uint64_t bits = core->stirred[w] & core->active[w];
        core->stirred[w] = 0;
        for (; bits != 0; bits &= bits - 1) {
            const leat_class *const class =
                leat_table_at(&core->classes, w * 64 + (uint32_t)__builtin_ctzll(bits));
            if (class->handler[0] == '\0' && !leat_list_is_empty(&class->channel->receivers))
                progress = deliver(core, class->channel) || progress;
        }
    }
    return progress;
}
