/* Parked frames: SENDs and SELECTs that wait in line, undecided.
 *
 * A parked frame has a post in each channel's line of senders in which it waits, and a select
 * receivers in those that it would take from. It is volatile: when its connection goes it is
 * forgotten, and the peer sends the sequence again, at the end of the line. What is already in of a
 * SEND is kept with its sequence in the session's window, so that it goes on behind it. */
#include "broker/core/park.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/core/batch.h"
#include "broker/core/channel.h"
#include "broker/core/outbox.h"
#include "broker/core/receiver.h"
#include "broker/core/select.h"
#include "broker/core/window.h"

leat_parked *
leat_park_new(leat_core *core,
              leat_peer *peer,
              const leat_frame *frame,
              const uint8_t *body,
              size_t size,
              leat_err *err)
{
    *err = LEAT_ERR_LIMIT;
    if (peer->parked_bytes > 0 && peer->parked_bytes + size > LEAT_PARKED_BYTES_MAX)
        return NULL;
    *err = LEAT_ERR_NOMEM;
    leat_parked *const parked = calloc(1, sizeof *parked);
    if (parked == NULL)
        return NULL;
    leat_put_bytes(&parked->body, body, size);
    if (parked->body.failed || !leat_window_park(core, peer, frame->sequence)) {
        leat_buf_fini(&parked->body);
        free(parked);
        return NULL;
    }
    parked->peer = peer;
    parked->sequence = frame->sequence;
    parked->command = frame->command;
    parked->count = frame->count;
    leat_list_init(&parked->posts);
    leat_list_init(&parked->receivers);
    leat_list_append(&peer->parked, &parked->of_peer);
    peer->parked_bytes += size;
    *err = LEAT_ERR_OK;
    return parked;
}

void
leat_park_count(leat_core *core, leat_parked *parked, leat_batch *batch)
{
    (void)core;
    parked->batch = batch->id;
    batch->parked++;
}

bool
leat_park_post(
    leat_core *core, leat_parked *parked, leat_channel *channel, uint16_t index, leat_bytes payload)
{
    leat_post *const post = calloc(1, sizeof *post);
    if (post == NULL)
        return false;
    post->parked = parked;
    post->channel = channel;
    post->index = index;
    post->payload = payload;
    leat_list_append(&channel->senders, &post->of_channel);
    leat_list_append(&parked->posts, &post->of_parked);
    if (!leat_list_is_linked(&channel->blocked))
        leat_list_append(&core->blocked, &channel->blocked);
    return true;
}

static void answer_seal(leat_core *core, leat_batch *batch);

/* Out of all lines. */
static void
drop_posts(leat_parked *parked)
{
    LEAT_LIST_FOREACH_SAFE (node, after, &parked->posts) {
        leat_post *const post = LEAT_CONTAINER_OF(node, leat_post, of_parked);
        leat_list_remove(&post->of_channel);
        leat_list_remove(&post->of_parked);
        if (leat_list_is_empty(&post->channel->senders) &&
            leat_list_is_linked(&post->channel->blocked))
            leat_list_remove(&post->channel->blocked);
        free(post);
    }
}

void
leat_park_sealing(leat_core *core, leat_parked *parked, leat_batch *batch)
{
    (void)core;
    drop_posts(parked);
    if (parked->batch != 0)
        batch->parked--;
    parked->batch = batch->id;
    parked->sealing = true;
}

void
leat_park_free(leat_core *core, leat_parked *parked)
{
    leat_peer *const peer = parked->peer;
    drop_posts(parked);
    LEAT_LIST_FOREACH_SAFE (node, after, &parked->receivers) {
        leat_receiver *const receiver = LEAT_CONTAINER_OF(node, leat_receiver, of_peer);
        leat_receiver_unwait(receiver);
        leat_list_remove(&receiver->of_channel);
        leat_list_remove(&receiver->of_peer);
        free(receiver);
    }
    leat_batch *const batch =
        parked->batch == 0 ? NULL : leat_table_get(&core->batches, parked->batch);
    leat_list_remove(&parked->of_peer);
    peer->parked_bytes -= parked->body.size;
    const bool send = parked->command == LEAT_CMD_SEND && !parked->sealing;
    if (leat_list_is_linked(&parked->impatient))
        leat_list_remove(&parked->impatient);
    leat_buf_fini(&parked->body);
    free(parked);
    if (batch != NULL && send && --batch->parked == 0)
        answer_seal(core, batch);
}

void
leat_park_drop_all(leat_core *core, leat_peer *peer)
{
    /* Seals first: what they wait for is not in because it is dropped. */
    LEAT_LIST_FOREACH_SAFE (node, after, &peer->parked) {
        leat_parked *const parked = LEAT_CONTAINER_OF(node, leat_parked, of_peer);
        if (parked->command == LEAT_CMD_COMMAND || parked->sealing)
            leat_park_free(core, parked);
    }
    while (!leat_list_is_empty(&peer->parked))
        leat_park_free(core,
                       LEAT_CONTAINER_OF(leat_list_first(&peer->parked), leat_parked, of_peer));
    leat_window_unpark(peer);
}

leat_parked *
leat_park_find(const leat_peer *peer, uint64_t sequence)
{
    LEAT_LIST_FOREACH (node, &peer->parked) {
        leat_parked *const parked = LEAT_CONTAINER_OF(node, leat_parked, of_peer);
        if (parked->sequence == sequence)
            return parked;
    }
    return NULL;
}

/* ------------------------------------------------------------------------------ sealing */

static void
decide_seal(leat_core *core, leat_peer *peer, uint64_t sequence)
{
    leat_buf record = {0};
    char text[64];
    (void)snprintf(text, sizeof text, "{\"sequence\":\"%llu\",\"result\":{}}",
                   (unsigned long long)sequence);
    leat_put_bytes(&record, text, strlen(text));
    leat_window_decide(core, peer, sequence, LEAT_CMD_REPLY, &record, true);
    leat_buf_fini(&record);
}

/* Nothing that was sent to the batch waits any more: its seals are decided. */
static void
answer_seal(leat_core *core, leat_batch *batch)
{
    leat_peer *const peer = leat_table_get(&core->peers, batch->session);
    if (peer == NULL)
        return;
    LEAT_LIST_FOREACH_SAFE (node, after, &peer->parked) {
        leat_parked *const parked = LEAT_CONTAINER_OF(node, leat_parked, of_peer);
        if (parked->batch != batch->id)
            continue;
        if (parked->sealing) {
            leat_submit_sealed(core, parked);
            continue;
        }
        if (parked->command != LEAT_CMD_COMMAND)
            continue;
        leat_batch_seal(core, batch, false);
        decide_seal(core, peer, parked->sequence);
        leat_park_free(core, parked);
    }
}

bool
leat_park_seal(leat_core *core, leat_peer *peer, const leat_frame *frame, leat_batch *batch)
{
    leat_err err;
    if (batch->parked == 0 || batch->session != peer->key)
        return false;
    leat_parked *const parked = leat_park_new(core, peer, frame, (const uint8_t *)"", 0, &err);
    if (parked != NULL)
        parked->batch = batch->id;
    else
        leat_core_fault(core, err);
    return true;
}

/* ------------------------------------------------------------------------------ withdrawing */

static void
withdraw_receive(leat_core *core, leat_peer *peer, leat_text name)
{
    leat_channel *const channel = leat_channel_find(core, name);
    leat_receiver *const receiver = channel == NULL ? NULL : leat_receiver_of(peer, channel);
    const uint64_t served = receiver == NULL ? 0 : receiver->served;
    if (receiver != NULL && !LEAT_FAULT(WITHDRAWN_SERVED))
        receiver->credit = 0;
    /* Behind what is on its way to it: the same queue, see close_grant. */
    leat_effect *const effect = leat_outbox_add(
        core, peer->disk_grants > 0 || channel == NULL ? LEAT_DISK : channel->durability,
        LEAT_EFFECT_WITHDRAWN);
    if (effect == NULL)
        return;
    effect->peer = peer->key;
    effect->connection = peer->connection;
    effect->position = served;
    leat_withdrawn_put(&effect->bytes, &(leat_withdrawn){.channel = name, .served = served});
}

void
leat_park_on_withdraw(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    const leat_err err = leat_withdraw_open(body, size, frame->count, &records);
    if (err != LEAT_ERR_OK) {
        leat_core_refuse_body(core, peer, frame, err);
        return;
    }
    for (uint16_t i = 0; i < frame->count; i++) {
        leat_withdraw withdraw;
        leat_withdraw_next(&records, &withdraw);
        if (withdraw.kind == LEAT_WITHDRAW_RECV) {
            withdraw_receive(core, peer, withdraw.channel);
            continue;
        }
        leat_parked *const parked = leat_park_find(peer, withdraw.sequence);
        if (parked == NULL || parked->command == LEAT_CMD_COMMAND)
            continue; /* decided: its answer is on its way */
        if (parked->command == LEAT_CMD_SELECT)
            leat_select_decide(core, parked, LEAT_NO_CASE, LEAT_ERR_TIMEOUT, 0, false, "withdrawn");
        else
            leat_submit_give_up(core, parked, LEAT_ERR_TIMEOUT, "withdrawn");
    }
}
