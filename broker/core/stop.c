/* Stopping: jobs that are cancelled, over their run limit, or of no use any more.
 *
 * What waits ends at once. What runs is told to stop: the flag is on disk before STOP leaves, so
 * that neither a lost worker nor a restart forgets it, and whatever the worker answers but a result
 * is the end. One that does not answer within its grace and LEAT_STOP_MARGIN_MS is ended by force;
 * its token is void from then on, and its slot counts as taken until the worker speaks of it. */
#include "broker/core/stop.h"

#include <stdlib.h>

#include "broker/core/grant.h"
#include "broker/core/hold.h"
#include "broker/core/lease.h"
#include "broker/core/outbox.h"
#include "broker/core/peer.h"
#include "broker/core/share.h"
#include "broker/core/steer.h"
#include "broker/core/terms.h"
#include "broker/core/timer.h"
#include "broker/core/window.h"

/* Out of wherever it waits. */
static void
take_out(leat_core *core, uint32_t index)
{
    const leat_item *const item = leat_items_at(&core->items, index);
    if (item->state == LEAT_STATE_READY)
        leat_line_remove(core, index);
    else if (item->state == LEAT_STATE_DELAYED)
        leat_lease_undelay(core, index);
    else
        leat_hold_remove(core, index);
}

static void
tell(leat_core *core, uint32_t index, leat_stop_reason reason)
{
    leat_item *const item = leat_items_at(&core->items, index);
    const leat_peer *const peer = leat_table_at(&core->peers, item->holder);
    /* Behind the JOBS frame that brings it, see close_grant. */
    leat_effect *const effect =
        leat_outbox_add(core, peer->disk_grants > 0 ? LEAT_DISK : leat_item_durability(core, item),
                        LEAT_EFFECT_STOP);
    leat_grant *const grant = malloc(sizeof *grant);
    if (effect == NULL || grant == NULL) {
        free(grant);
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    *grant = (leat_grant){.id = item->id, .index = index, .attempt = item->attempt};
    effect->peer = peer->key;
    effect->position = reason;
    effect->grants = grant;
    effect->grant_count = 1;
    leat_timer_set(core, LEAT_TIMER_FORCE,
                   core->now.mono_ms + (int64_t)leat_terms_of(core, item)->grace_ms +
                       LEAT_STOP_MARGIN_MS,
                   item->id, item->attempt);
}

leat_cancelled
leat_stop_cancel(leat_core *core, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    const bool held = leat_state_is_held_by_worker((leat_state)item->state);
    if (held && (item->flags & LEAT_ITEM_MESSAGE) != 0)
        return LEAT_CANCELLED_LATE; /* a client has it */
    if (item->state == LEAT_STATE_STOPPING)
        return LEAT_CANCELLED_STOPPING;
    if (held) {
        leat_item_must(item, LEAT_EVENT_CANCEL);
        if (!LEAT_FAULT(CANCEL_FORGOT))
            leat_lease_write_item(core, item);
        tell(core, index, LEAT_STOP_CANCEL);
        return LEAT_CANCELLED_STOPPING;
    }
    take_out(core, index);
    leat_item_must(item, LEAT_EVENT_CANCEL);
    leat_lease_end(core, index, LEAT_OUTCOME_CANCELLED, NULL, 0, (leat_bytes){0});
    return LEAT_CANCELLED_NOW;
}

void
leat_stop_expire(leat_core *core, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    take_out(core, index);
    leat_item_must(item, LEAT_EVENT_EXPIRE);
    leat_lease_end(core, index, LEAT_OUTCOME_EXPIRED, NULL, 0, (leat_bytes){0});
}

/* ------------------------------------------------------------------------------ run limits */

void
leat_stop_on_started(leat_core *core, leat_peer *peer, uint64_t before)
{
    if (peer->limited == 0)
        return;
    /* Leases lie in the order of their numbers, and what has not started is at the end. */
    for (uint32_t index = peer->lease_tail; index != LEAT_NOBODY;) {
        const leat_item *const item = leat_items_at(&core->items, index);
        const int32_t ahead = (int32_t)(item->number - (uint32_t)peer->started);
        if ((int32_t)(item->number - (uint32_t)before) <= 0)
            return;
        const uint64_t limit = leat_terms_of(core, item)->run_limit_ms;
        if (ahead <= 0 && limit > 0)
            leat_timer_set(core, LEAT_TIMER_LIMIT, core->now.mono_ms + (int64_t)limit, item->id,
                           item->attempt);
        index = item->prev;
    }
}

void
leat_stop_on_timer(leat_core *core, uint64_t id, uint32_t attempt, bool limit)
{
    const uint32_t index = leat_items_find(&core->items, id);
    if (index == LEAT_NOBODY)
        return;
    leat_item *const item = leat_items_at(&core->items, index);
    if ((item->attempt != attempt && !LEAT_FAULT(STOP_NO_TOKEN)) ||
        !leat_state_is_held_by_worker((leat_state)item->state))
        return;
    if (limit && item->state == LEAT_STATE_LEASED) {
        leat_item_must(item, LEAT_EVENT_LIMIT);
        leat_lease_write_item(core, item);
        tell(core, index, LEAT_STOP_LIMIT);
    } else if (!limit && item->state != LEAT_STATE_LEASED) {
        leat_peer *const peer = leat_table_at(&core->peers, item->holder);
        peer->orphans++;
        leat_lease_release(core, index);
        leat_peer_update_hunger(core, peer);
    }
}

void
leat_stop_again(leat_core *core, leat_peer *peer)
{
    for (uint32_t index = peer->lease_head; index != LEAT_NOBODY;) {
        const leat_item *const item = leat_items_at(&core->items, index);
        const uint32_t next = item->next;
        const uint64_t limit = leat_terms_of(core, item)->run_limit_ms;
        if (item->state == LEAT_STATE_STOPPING)
            tell(core, index, LEAT_STOP_CANCEL);
        else if (item->state == LEAT_STATE_OVERDUE)
            tell(core, index, LEAT_STOP_LIMIT);
        else if (limit > 0 && (item->flags & LEAT_ITEM_STARTED) != 0)
            leat_timer_set(core, LEAT_TIMER_LIMIT, core->now.mono_ms + (int64_t)limit, item->id,
                           item->attempt);
        index = next;
    }
}

/* ------------------------------------------------------------------------------ leaving */

void
leat_stop_release(leat_core *core, const leat_effect *effect)
{
    leat_peer *const peer = leat_table_get(&core->peers, effect->peer);
    if (peer == NULL || peer->route == 0 || !leat_grant_is_current(core, peer, effect->grants))
        return; /* a worker that comes back is told again */
    const leat_item *const item = leat_items_at(&core->items, effect->grants->index);
    leat_reply *const reply = calloc(1, sizeof *reply);
    if (reply == NULL) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    leat_frame_begin(&reply->frame, LEAT_CMD_STOP);
    leat_tokens_put(LEAT_CMD_STOP, &reply->frame,
                    &(leat_token_record){
                        .token = {item->id, item->attempt, core->epochs[item->epoch]},
                        .reason = (uint8_t)effect->position,
                        .grace_ms = (uint32_t)leat_terms_of(core, item)->grace_ms,
    });
    leat_frame_finish(&reply->frame, 0, 1, 0);
    leat_list_append(&peer->replies, &reply->node);
    peer->reply_count++;
    leat_peer_speak(core, peer);
}

/* ------------------------------------------------------------------------------ CANCEL */

void
leat_stop_on_cancel(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    leat_acked acked = {.sequence = frame->sequence};
    leat_buf exceptions = {0};
    const leat_err err = leat_cancel_open(body, size, frame->count, &records);
    if (err != LEAT_ERR_OK) {
        leat_core_refuse_body(core, peer, frame, err);
        return;
    }
    for (uint16_t i = 0; i < frame->count; i++) {
        const uint64_t id = leat_cancel_next(&records);
        const leat_err what = leat_steer_cancel_job(core, peer, id);
        if (what == LEAT_ERR_OK)
            continue;
        acked.exceptions++;
        leat_acked_put_exception(&exceptions, &(leat_acked_exception){id, 0, (uint16_t)what});
    }
    leat_buf record = {0};
    leat_acked_put(&record, &acked);
    leat_put_bytes(&record, exceptions.data, exceptions.size);
    record.failed |= exceptions.failed;
    leat_window_decide(core, peer, frame->sequence, LEAT_CMD_ACKED, &record, true);
    leat_buf_fini(&record);
    leat_buf_fini(&exceptions);
}
