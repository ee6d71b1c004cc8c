/* SELECT: several sends and receives, of which one happens.
 *
 * All cases lie in the lines of their channels at once. What can proceed when the frame comes is
 * looked for first, and one of it is chosen at random, as Go does; else the first that can proceed
 * later takes the others out of their lines in the same step. A message that was received is leased
 * to the peer before the answer leaves; if the connection goes before the peer has confirmed the
 * answer, message and answer go back, and the select that comes again begins anew. */
#include "broker/core/select.h"

#include <stdlib.h>

#include "broker/core/channel.h"
#include "broker/core/dispatch.h"
#include "broker/core/grant.h"
#include "broker/core/lease.h"
#include "broker/core/outbox.h"
#include "broker/core/park.h"
#include "broker/core/receiver.h"
#include "broker/core/window.h"

void
leat_select_decide(leat_core *core,
                   leat_parked *parked,
                   uint16_t index,
                   leat_err code,
                   uint64_t id,
                   bool depends,
                   const char *sentence)
{
    const leat_selected selected = {
        .sequence = parked->sequence,
        .index = index,
        .code = (uint16_t)code,
        .id = id,
        .sentence = leat_text_of(sentence),
    };
    leat_buf record = {0};
    leat_selected_put(&record, &selected);
    leat_window_decide(core, parked->peer, parked->sequence, LEAT_CMD_SELECTED, &record, depends);
    leat_buf_fini(&record);
    leat_park_free(core, parked);
}

void
leat_select_received(leat_core *core, leat_receiver *receiver, uint32_t index)
{
    leat_parked *const parked = receiver->select;
    leat_item *const item = leat_items_at(&core->items, index);
    leat_peer *const peer = parked->peer;
    item->flags |= LEAT_ITEM_SELECTED;
    leat_effect *const effect =
        leat_outbox_add(core, leat_item_durability(core, item), LEAT_EFFECT_SELECTED);
    leat_grant *const grant = malloc(sizeof *grant);
    if (effect == NULL || grant == NULL) {
        free(grant);
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    *grant = (leat_grant){.id = item->id, .index = index, .attempt = item->attempt};
    effect->peer = peer->key;
    effect->connection = peer->connection;
    effect->batch = parked->sequence;
    effect->position = receiver->index;
    effect->durability = leat_item_durability(core, item);
    effect->grants = grant;
    effect->grant_count = 1;
    leat_park_free(core, parked);
}

struct writing {
    leat_core *core;
    leat_peer *peer;
    leat_effect *effect;
    bool found;
};

static void
on_payload(void *context, const leat_fetched *fetched)
{
    struct writing *const w = context;
    const leat_grant *const grant = w->effect->grants;
    leat_item *const item = leat_items_at(&w->core->items, grant->index);
    leat_bytes payload;
    if (fetched->err != LEAT_ERR_OK || !leat_pack_find(fetched, grant->id, &payload))
        return;
    const leat_selected selected = {
        .sequence = w->effect->batch,
        .index = (uint16_t)w->effect->position,
        .code = LEAT_ERR_OK,
        .id = grant->id,
        .flags = (item->flags & LEAT_ITEM_HANDED) != 0 ? LEAT_ITEM_AGAIN : 0,
        .payload = payload,
        .sentence = leat_text_of(""),
    };
    leat_buf record = {0};
    leat_selected_put(&record, &selected);
    item->flags |= LEAT_ITEM_HANDED | LEAT_ITEM_ANSWERED;
    leat_window_decide(w->core, w->peer, w->effect->batch, LEAT_CMD_SELECTED, &record, false);
    leat_window_set_passing(w->peer, w->effect->batch);
    leat_buf_fini(&record);
    w->found = true;
}

/* What was received went back because the peer was silent for too long; its connection stands. */
static void
give_up(leat_core *core, leat_peer *peer, const leat_effect *effect)
{
    const leat_selected selected = {
        .sequence = effect->batch,
        .index = LEAT_NO_CASE,
        .code = LEAT_ERR_TIMEOUT,
        .sentence = leat_text_of("this session was silent for too long"),
    };
    leat_buf record = {0};
    leat_selected_put(&record, &selected);
    leat_window_decide(core, peer, effect->batch, LEAT_CMD_SELECTED, &record, false);
    leat_buf_fini(&record);
}

void
leat_select_release(leat_core *core, leat_effect *effect)
{
    leat_peer *const peer = leat_table_get(&core->peers, effect->peer);
    if (peer == NULL || peer->ended || peer->route == 0 || effect->connection != peer->connection)
        return; /* the message went back with the connection */
    if (!leat_grant_is_current(core, peer, effect->grants)) {
        give_up(core, peer, effect);
        return;
    }
    struct writing w = {.core = core, .peer = peer, .effect = effect};
    const leat_fetch fetch = {.kind = LEAT_FETCH_JOB, .id = effect->grants->id};
    leat_store *const store = core->books[effect->durability].store;
    if (leat_store_fetch(store, &fetch, 1, on_payload, &w) != LEAT_ERR_OK)
        leat_core_fault(core, LEAT_ERR_IO);
    if (w.found)
        return;
    const leat_selected selected = {
        .sequence = effect->batch,
        .index = (uint16_t)effect->position,
        .code = LEAT_ERR_CORRUPT,
        .id = effect->grants->id,
        .sentence = leat_text_of("the message's record in the store is damaged"),
    };
    leat_buf record = {0};
    leat_selected_put(&record, &selected);
    leat_window_decide(core, peer, effect->batch, LEAT_CMD_SELECTED, &record, false);
    leat_buf_fini(&record);
    leat_grant_end_unreadable(core, effect->grants->index);
}

/* ------------------------------------------------------------------------------ coming in */

/* A receive proceeds when there is a message, or never will be one again. */
static bool
can_receive(leat_core *core, leat_receiver *receiver, bool *closed)
{
    *closed = leat_channel_is_drained(receiver->channel);
    return *closed || leat_receiver_has_message(core, receiver->channel);
}

static bool
can_send(leat_core *core, const leat_post *post, bool *closed)
{
    leat_channel *const channel = post->channel;
    *closed = channel->closed;
    if (*closed)
        return true;
    /* Others of this select may stand in the same line: only who is not of it comes first. */
    leat_list_node *const head = leat_list_first(&channel->senders);
    assert(head != NULL); /* this one is in it */
    if (LEAT_CONTAINER_OF(head, leat_post, of_channel)->parked != post->parked)
        return false;
    if (channel->rules.capacity == 0)
        return channel->ready == 0 && leat_channel_gives(core, channel) &&
               leat_receiver_wanting(channel, post->parked) != NULL;
    return leat_channel_room(channel) > 0;
}

/* Do the one case; it can proceed. */
static void
proceed(leat_core *core, leat_parked *parked, leat_receiver *receiver, leat_post *post, bool closed)
{
    if (receiver != NULL && closed) {
        leat_receiver_channel_drained(core, receiver->channel); /* told when that is on disk */
        return;
    }
    if (receiver != NULL) {
        leat_receiver_hand_first(core, receiver);
        return;
    }
    if (closed)
        leat_select_decide(core, parked, post->index, LEAT_ERR_CLOSED, 0, true,
                           "the channel is closed");
    else
        (void)leat_dispatch_serve_sender(core, post);
}

/* True: a case has happened, or is bound to. */
static bool
try_now(leat_core *core, leat_parked *parked)
{
    leat_receiver *receivers[LEAT_CASES_MAX];
    leat_post *posts[LEAT_CASES_MAX];
    bool closed[LEAT_CASES_MAX];
    unsigned n = 0;
    LEAT_LIST_FOREACH (node, &parked->receivers) {
        leat_receiver *const receiver = LEAT_CONTAINER_OF(node, leat_receiver, of_peer);
        if (!can_receive(core, receiver, &closed[n]))
            continue;
        posts[n] = NULL;
        receivers[n++] = receiver;
    }
    LEAT_LIST_FOREACH (node, &parked->posts) {
        leat_post *const post = LEAT_CONTAINER_OF(node, leat_post, of_parked);
        if (!can_send(core, post, &closed[n]))
            continue;
        receivers[n] = NULL;
        posts[n++] = post;
    }
    if (n == 0)
        return false;
    const unsigned chosen = n == 1 ? 0 : (unsigned)leat_random_below(&core->random, n);
    proceed(core, parked, receivers[chosen], posts[chosen], closed[chosen]);
    return true;
}

static leat_err
add_case(leat_core *core, leat_parked *parked, const leat_select_case *one, uint16_t index)
{
    leat_err err = LEAT_ERR_OK;
    leat_channel *const channel = leat_channel_ensure(core, one->channel, &err);
    if (channel == NULL)
        return err;
    if (channel->kind == LEAT_KIND_JOBS)
        return LEAT_ERR_WRONG_KIND;
    const bool added = one->kind == LEAT_SELECT_SEND
                           ? leat_park_post(core, parked, channel, index, one->payload)
                           : leat_receiver_of_select(core, parked, channel, index);
    return added ? LEAT_ERR_OK : LEAT_ERR_NOMEM;
}

void
leat_select_on_frame(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    uint8_t flags;
    leat_reader records;
    leat_err err = leat_select_open(body, size, frame->count, &flags, &records);
    if (err != LEAT_ERR_OK) {
        leat_core_refuse_body(core, peer, frame, err);
        return;
    }
    leat_parked *const parked = leat_park_new(core, peer, frame, body, size, &err);
    if (parked == NULL) {
        leat_outbox_error(core, peer->route, peer, err, frame->sequence,
                          "SELECT: too much of this session waits in line");
        return;
    }
    err = leat_select_open(parked->body.data, parked->body.size, frame->count, &flags, &records);
    for (uint16_t i = 0; i < frame->count && err == LEAT_ERR_OK; i++) {
        leat_select_case one;
        leat_select_next(&records, &one);
        err = add_case(core, parked, &one, i);
        if (err != LEAT_ERR_OK)
            leat_select_decide(core, parked, i, err, 0, false,
                               err == LEAT_ERR_WRONG_KIND ? "the channel holds jobs"
                                                          : leat_err_message(err));
    }
    /* Whoever stands in line for a rendezvous may still meet it in this turn. */
    if (err == LEAT_ERR_OK && !try_now(core, parked) && (flags & LEAT_SELECT_DEFAULT) != 0)
        leat_list_append(&core->impatient, &parked->impatient);
}
