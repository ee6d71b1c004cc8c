/* The outbox: effects that wait for the commit that they depend on.
 *
 * Each book has a queue in the order of its commits. What is released goes out in frames if the
 * peer has room on the way; grants always have, it was kept for them when they were made. */
#include "broker/core/outbox.h"

#include <stdlib.h>

#include "broker/core/batch.h"
#include "broker/core/control.h"
#include "broker/core/cursor.h"
#include "broker/core/grant.h"
#include "broker/core/news.h"
#include "broker/core/peer.h"
#include "broker/core/receiver.h"
#include "broker/core/select.h"
#include "broker/core/stop.h"
#include "broker/core/watch.h"
#include "broker/core/window.h"

leat_effect *
leat_outbox_add(leat_core *core, leat_durability durability, leat_effect_kind kind)
{
    leat_book *const book = &core->books[durability];
    if (book->effect_count == book->effect_capacity) {
        const uint32_t capacity = book->effect_capacity == 0 ? 64 : book->effect_capacity * 2;
        leat_effect *const effects = malloc(capacity * sizeof *effects);
        if (effects == NULL) {
            leat_core_fault(core, LEAT_ERR_NOMEM);
            return NULL;
        }
        for (uint32_t i = 0; i < book->effect_count; i++)
            effects[i] = book->effects[(book->effect_head + i) % book->effect_capacity];
        free(book->effects);
        book->effects = effects;
        book->effect_head = 0;
        book->effect_capacity = capacity;
    }
    leat_effect *const effect =
        &book->effects[(book->effect_head + book->effect_count) % book->effect_capacity];
    book->effect_count++;
    *effect = (leat_effect){.kind = kind, .number = book->number + 1};
    return effect;
}

/* Behind the messages that were handed out before, which have left. */
static void
tell_withdrawn(leat_core *core, const leat_effect *effect)
{
    leat_peer *const peer = leat_table_get(&core->peers, effect->peer);
    if (peer == NULL || peer->ended || peer->route == 0 || peer->connection != effect->connection)
        return;
    leat_reply *const reply = calloc(1, sizeof *reply);
    if (reply == NULL) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    leat_frame_begin(&reply->frame, LEAT_CMD_WITHDRAWN);
    leat_put_bytes(&reply->frame, effect->bytes.data, effect->bytes.size);
    leat_frame_finish(&reply->frame, 0, 1, 0);
    leat_list_append(&peer->replies, &reply->node);
    peer->reply_count++;
    leat_peer_speak(core, peer);
}

static void
release_book(leat_core *core, leat_book *book)
{
    const uint64_t durable = leat_store_durable_upto(book->store);
    while (book->effect_count > 0) {
        leat_effect effect = book->effects[book->effect_head];
        if (effect.number > durable &&
            !(LEAT_FAULT(JOBS_EARLY) && effect.kind == LEAT_EFFECT_GRANT))
            return;
        book->effect_head = (book->effect_head + 1) % book->effect_capacity;
        book->effect_count--;
        switch (effect.kind) {
        case LEAT_EFFECT_GRANT:
            leat_grant_write(core, book, &effect);
            break;
        case LEAT_EFFECT_LOG:
            leat_batch_durable(core, effect.batch, effect.position, &effect.counters);
            break;
        case LEAT_EFFECT_DRAINED:
            leat_receiver_tell_drained(core,
                                       leat_table_at(&core->channels, (uint32_t)effect.position));
            break;
        case LEAT_EFFECT_SELECTED:
            leat_select_release(core, &effect);
            break;
        case LEAT_EFFECT_WITHDRAWN:
            tell_withdrawn(core, &effect);
            break;
        case LEAT_EFFECT_STOP:
            leat_stop_release(core, &effect);
            break;
        }
        leat_buf_fini(&effect.bytes);
        free(effect.grants);
    }
}

/* What is collected for a peer leaves: completions, welcome, answers. */
static void
speak(leat_core *core, leat_peer *peer)
{
    if (peer->ended)
        return;
    if (peer->welcome_due)
        leat_control_welcome(core, peer);
    if (peer->welcome_due || peer->route == 0)
        return;
    if (peer->items_runs > 0) {
        leat_frame_finish(&peer->items_frame, 0, peer->items_runs, 0);
        peer->items_runs = 0;
        (void)leat_peer_send(core, peer, &peer->items_frame);
    }
    leat_control_release_replies(core, peer);
    leat_window_release(core, peer);
    leat_watch_release(core, peer);
}

void
leat_outbox_release(leat_core *core)
{
    /* Memory first: what lies in its queue is of this turn and was numbered before what the disk's
     * has of it, see close_grant. */
    release_book(core, &core->books[LEAT_MEMORY]);
    release_book(core, &core->books[LEAT_DISK]);
    leat_cursor_release(core);
    leat_control_ask_again(core, &core->questions);
    leat_news_release(core);

    leat_list later;
    leat_list_init(&later);
    for (;;) {
        leat_list_node *const node = leat_list_take_first(&core->speaking);
        if (node == NULL)
            break;
        leat_peer *const peer = LEAT_CONTAINER_OF(node, leat_peer, speaking);
        speak(core, peer);
        /* What waits for a commit is looked at again when there is one. */
        if ((peer->welcome_due || peer->due_count > 0 || peer->reply_count > 0) && !peer->ended &&
            peer->route != 0 && !leat_list_is_linked(&peer->speaking))
            leat_list_append(&later, &peer->speaking);
    }
    leat_list_append_all(&core->speaking, &later);
}

void
leat_outbox_drop_grants(leat_core *core, uint64_t peer)
{
    for (int d = 0; d < LEAT_DURABILITY_COUNT; d++) {
        leat_book *const book = &core->books[d];
        for (uint32_t i = 0; i < book->effect_count; i++) {
            leat_effect *const effect =
                &book->effects[(book->effect_head + i) % book->effect_capacity];
            if (effect->kind != LEAT_EFFECT_GRANT || effect->peer != peer)
                continue;
            leat_receiver_unserve(core, effect, true);
            effect->grant_count = 0;
        }
    }
}

void
leat_outbox_fini(leat_core *core)
{
    for (int d = 0; d < LEAT_DURABILITY_COUNT; d++) {
        leat_book *const book = &core->books[d];
        for (uint32_t i = 0; i < book->effect_count; i++) {
            leat_effect *const effect =
                &book->effects[(book->effect_head + i) % book->effect_capacity];
            free(effect->grants);
            leat_buf_fini(&effect->bytes);
        }
        free(book->effects);
    }
}

void
leat_outbox_error(leat_core *core,
                  leat_route route,
                  leat_peer *peer,
                  leat_err err,
                  uint64_t sequence,
                  const char *sentence)
{
    leat_text text = leat_text_of(sentence == NULL ? leat_err_message(err) : sentence);
    if (text.size > LEAT_SENTENCE_BYTES_MAX)
        text.size = LEAT_SENTENCE_BYTES_MAX;
    const leat_error_record record = {
        .code = (uint16_t)err, .sequence = sequence, .sentence = text};

    core->refused_frames++;
    if (peer != NULL && sequence > 0) {
        leat_buf answer = {0};
        leat_error_put(&answer, &record);
        leat_window_decide(core, peer, sequence, LEAT_CMD_ERROR, &answer, false);
        leat_buf_fini(&answer);
        return;
    }
    if (route == 0 || (peer != NULL && peer->route == route && !leat_peer_can_send(peer)))
        return; /* it does not read: one more sentence would not be read either */
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_ERROR);
    leat_error_put(&frame, &record);
    leat_frame_finish(&frame, 0, 1, 0);
    if (peer != NULL && peer->route == route)
        (void)leat_peer_send(core, peer, &frame);
    else if (!frame.failed)
        (void)core->options.out.frame(core->options.out.context, route, &frame);
    leat_buf_fini(&frame);
}
