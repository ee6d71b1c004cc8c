/* Peers: sessions across their connections. When they are heard of, when they are missed, what may
 * be on its way to them, and their end. */
#include "broker/core/peer.h"

#include <stdlib.h>

#include "broker/core/batch.h"
#include "broker/core/control.h"
#include "broker/core/cursor.h"
#include "broker/core/dispatch.h"
#include "broker/core/lease.h"
#include "broker/core/news.h"
#include "broker/core/object.h"
#include "broker/core/outbox.h"
#include "broker/core/park.h"
#include "broker/core/recall.h"
#include "broker/core/receiver.h"
#include "broker/core/watch.h"
#include "broker/core/window.h"

static uint64_t
key_of(const leat_session_id *session)
{
    return leat_load_u64(session->bytes);
}

leat_peer *
leat_peer_find(const leat_core *core, const leat_session_id *session)
{
    leat_peer *const peer = leat_table_get(&core->peers, key_of(session));
    if (peer == NULL || memcmp(&peer->session, session, sizeof *session) != 0)
        return NULL;
    return peer;
}

leat_peer *
leat_peer_new(leat_core *core, const leat_session_id *session)
{
    leat_peer *const peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return NULL;
    peer->key = key_of(session);
    if (leat_table_find(&core->peers, peer->key) != 0 ||
        leat_table_add(&core->peers, peer->key, peer, &peer->index) != LEAT_ERR_OK) {
        free(peer);
        return NULL;
    }
    peer->session = *session;
    peer->heard_ms = core->now.mono_ms;
    peer->spoken_ms = core->now.mono_ms;
    peer->gone_ms = INT64_MAX;
    peer->grace_ms = LEAT_LOST_MS;
    peer->next_number = 1;
    leat_list_init(&peer->cursors);
    leat_list_init(&peer->receivers);
    leat_list_init(&peer->waited);
    leat_list_init(&peer->parked);
    leat_list_init(&peer->replies);
    leat_list_init(&peer->watches);
    return peer;
}

void
leat_peer_free(leat_core *core, leat_peer *peer)
{
    while (!leat_list_is_empty(&peer->cursors))
        leat_cursor_free(core,
                         LEAT_CONTAINER_OF(leat_list_first(&peer->cursors), leat_cursor, of_peer));
    while (!leat_list_is_empty(&peer->receivers))
        leat_receiver_free(
            core, LEAT_CONTAINER_OF(leat_list_first(&peer->receivers), leat_receiver, of_peer));
    leat_park_drop_all(core, peer);
    leat_watch_drop_all(peer);
    leat_control_drop_replies(core, peer);
    if (leat_list_is_linked(&peer->hungry))
        leat_list_remove(&peer->hungry);
    leat_dispatch_forget(peer);
    if (leat_list_is_linked(&peer->speaking))
        leat_list_remove(&peer->speaking);
    if (leat_list_is_linked(&peer->relieved))
        leat_list_remove(&peer->relieved);
    for (uint32_t i = 0; i < peer->class_words * 64; i++) {
        if ((peer->classes[i / 64] >> (i % 64) & 1U) != 0)
            ((leat_class *)leat_table_at(&core->classes, i))->offered--;
    }
    leat_table_remove(&core->peers, peer->key);
    leat_window_fini(peer);
    leat_buf_fini(&peer->items_frame);
    for (unsigned i = 0; i < 2; i++)
        leat_buf_fini(&peer->told[i].frame);
    free(peer->handlers);
    free((void *)peer->channels);
    free(peer->classes);
    free(peer->traits);
    free(peer->haves);
    free(peer->tracks);
    free(peer->tallies);
    free(peer->tags);
    free(peer);
}

/* What a client's session holds beside its batches. */
static void
drop_asking(leat_core *core, leat_peer *peer)
{
    while (!leat_list_is_empty(&peer->cursors))
        leat_cursor_free(core,
                         LEAT_CONTAINER_OF(leat_list_first(&peer->cursors), leat_cursor, of_peer));
    while (!leat_list_is_empty(&peer->receivers))
        leat_receiver_free(
            core, LEAT_CONTAINER_OF(leat_list_first(&peer->receivers), leat_receiver, of_peer));
}

static void
forget_route(leat_core *core, leat_route *route)
{
    leat_connection *const connection = leat_table_get(&core->connections, *route);
    if (connection != NULL)
        connection->peer = NULL;
    *route = 0;
}

/* Batches that the session has not sealed get no more jobs: their waiters must see an end. */
static void
seal_abandoned(leat_core *core, const leat_peer *peer)
{
    for (uint32_t i = 0; i < peer->tag_count; i++) {
        leat_batch *const batch = leat_table_get(&core->batches, peer->tags[i].batch);
        if (batch != NULL)
            leat_batch_seal(core, batch, true);
    }
}

/* The connection is gone or replaced: what is asked for over it is void, the session is not. */
void
leat_peer_away(leat_core *core, leat_peer *peer)
{
    drop_asking(core, peer);
    if (peer->role == LEAT_ROLE_CLIENT)
        leat_receiver_return_messages(core, peer);
    leat_park_drop_all(core, peer);
    leat_watch_drop_all(peer);
    peer->items_runs = 0;
    peer->recalled = 0;
    peer->route = 0;
    peer->unreachable = false;
    peer->credit_items = 0;
    peer->welcome_due = false;
    leat_control_drop_replies(core, peer);
    leat_peer_update_hunger(core, peer);
}

void
leat_peer_end(leat_core *core, leat_peer *peer)
{
    if (peer->ended)
        return;
    peer->ended = true;
    peer->ended_turn = core->turns;
    leat_news_worker(core, LEAT_NEWS_WORKER_LEFT, peer);
    leat_peer_away(core, peer);
    leat_lease_return_all(core, peer, false);
    seal_abandoned(core, peer);
    leat_outbox_drop_grants(core, peer->key);
    for (uint32_t i = leat_table_next(&core->connections, 0); i != 0;
         i = leat_table_next(&core->connections, i)) {
        leat_connection *const connection = leat_table_at(&core->connections, i);
        if (connection->peer == peer)
            connection->peer = NULL;
    }
    forget_route(core, &peer->beat_route);
    leat_turn_put_object(&core->books[LEAT_DISK].turn, LEAT_OBJECT_SESSION, peer->key, NULL, 0);
    leat_changes_drop(&core->books[LEAT_DISK].changes, LEAT_OBJECT_SESSION, peer->key);
}

void
leat_peer_write(leat_core *core, leat_peer *peer)
{
    leat_buf_reset(&core->scratch);
    leat_object_put_session(peer, &core->scratch);
    leat_turn_put_object(&core->books[LEAT_DISK].turn, LEAT_OBJECT_SESSION, peer->key,
                         core->scratch.data, core->scratch.size);
    peer->dirty = true;
}

void
leat_peer_set_aside(leat_core *core, leat_peer *peer, bool aside)
{
    if (peer->aside == aside)
        return;
    peer->aside = aside;
    leat_news_worker(core, aside ? LEAT_NEWS_WORKER_SET_ASIDE : LEAT_NEWS_WORKER_TAKEN_BACK, peer);
    if (aside)
        leat_recall_from(core, peer); /* what has not started is for others */
    leat_peer_write(core, peer);
    leat_peer_update_hunger(core, peer);
}

void
leat_peer_lose(leat_core *core, leat_peer *peer)
{
    peer->lost = true;
    leat_news_worker(core, LEAT_NEWS_WORKER_LOST, peer);
    leat_outbox_drop_grants(core, peer->key);
    leat_lease_return_all(core, peer, true);
    leat_peer_update_hunger(core, peer);
}

/* ------------------------------------------------------------------------------ hearing, speaking
 */

/* How long a frame and its confirmation take, at best: a peer with nothing to say confirms late. */
static void
note_trip(const leat_core *core, leat_peer *peer)
{
    const int64_t ms = core->now.mono_ms - peer->out_ms[peer->out_seen % LEAT_OUT_FRAMES];
    if (ms <= peer->trip_ms || peer->trip_ms < 0)
        peer->trip_ms = ms;
    else
        peer->trip_ms += (ms - peer->trip_ms + 63) / 64; /* the way may have become longer */
    if (peer->trip_ms > LEAT_TRIP_MS_MAX)
        peer->trip_ms = LEAT_TRIP_MS_MAX;
}

void
leat_peer_heard(leat_core *core, leat_peer *peer, uint64_t sequence, uint64_t seen)
{
    peer->heard_ms = core->now.mono_ms;
    if (!peer->unreachable) /* else it has said this before it left */
        peer->gone_ms = INT64_MAX;
    peer->grace_ms = LEAT_LOST_MS;
    if (peer->lost) { /* it was silent, and its connection has stood */
        peer->lost = false;
        leat_peer_update_hunger(core, peer);
        leat_receiver_relieve(core, peer);
    }
    if (sequence > peer->in_seen)
        peer->in_seen = sequence;
    if (seen <= peer->out_seen || seen > peer->out_sequence)
        return;
    while (peer->out_seen < seen) {
        peer->out_seen++;
        note_trip(core, peer);
        peer->out_unconfirmed_bytes -= peer->out_bytes[peer->out_seen % LEAT_OUT_FRAMES];
        peer->out_bytes[peer->out_seen % LEAT_OUT_FRAMES] = 0;
    }
    leat_window_confirm(peer, seen);
    leat_peer_speak(core, peer);
    LEAT_LIST_FOREACH (node, &peer->cursors)
        leat_cursor_wake(core, LEAT_CONTAINER_OF(node, leat_cursor, of_peer));
    leat_receiver_relieve(core, peer);
    leat_peer_update_hunger(core, peer);
}

bool
leat_peer_can_send(const leat_peer *peer)
{
    return peer->route != 0 && !peer->unreachable && !peer->welcome_due &&
           peer->out_sequence - peer->out_seen + peer->grants_waiting < LEAT_OUT_FRAMES &&
           peer->out_unconfirmed_bytes < LEAT_OUT_BYTES;
}

bool
leat_peer_send(leat_core *core, leat_peer *peer, leat_buf *frame_p)
{
    assert(peer->out_sequence - peer->out_seen < LEAT_OUT_FRAMES);

    if (frame_p->failed) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return false;
    }
    if (peer->route == 0 || peer->unreachable)
        return false;
    peer->out_sequence++;
    peer->out_bytes[peer->out_sequence % LEAT_OUT_FRAMES] = (uint32_t)frame_p->size;
    peer->out_ms[peer->out_sequence % LEAT_OUT_FRAMES] = core->now.mono_ms;
    peer->out_unconfirmed_bytes += frame_p->size;
    leat_frame_set_sequence(frame_p->data, peer->out_sequence);
    leat_frame_set_seen(frame_p->data, peer->in_seen);
    peer->spoken_ms = core->now.mono_ms;
    leat_peer_update_hunger(core, peer); /* also a heartbeat takes room from grants */
    if (core->options.out.frame(core->options.out.context, peer->route, frame_p) ==
        LEAT_DELIVERY_OK)
        return true;
    /* Gone, or so far behind that its pipe is full: either way this connection is over. What hangs
     * on it is taken down by the next tick, since somebody may be walking through it now. */
    peer->unreachable = true;
    core->somebody_gone = true;
    return false;
}

void
leat_peer_speak(leat_core *core, leat_peer *peer)
{
    if (!leat_list_is_linked(&peer->speaking))
        leat_list_append(&core->speaking, &peer->speaking);
}

void
leat_peer_update_hunger(leat_core *core, leat_peer *peer)
{
    const bool hungry = peer->role == LEAT_ROLE_WORKER && peer->route != 0 && !peer->ended &&
                        !peer->claiming && !peer->lost && !peer->aside && peer->suspects == 0 &&
                        peer->held < peer->credit_items && peer->held_bytes <= peer->credit_bytes &&
                        !peer->unreachable &&
                        peer->out_sequence - peer->out_seen + peer->grants_waiting <
                            LEAT_OUT_FRAMES - 2 && /* answers need room too */
                        peer->out_unconfirmed_bytes < LEAT_OUT_BYTES;
    if (hungry == leat_list_is_linked(&peer->hungry))
        return;
    if (hungry)
        leat_list_append(&core->hungry, &peer->hungry);
    else
        leat_list_remove(&peer->hungry);
}

/* ------------------------------------------------------------------------------ sweeping */

static void
beat(leat_core *core, leat_peer *peer)
{
    const int64_t interval = peer->held > 0 ? LEAT_HEARTBEAT_BUSY_MS : LEAT_HEARTBEAT_IDLE_MS;
    if (peer->route == 0 || core->now.mono_ms - peer->spoken_ms < interval ||
        !leat_peer_can_send(peer))
        return;
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_HEARTBEAT);
    leat_heartbeat_put(&frame, &(leat_heartbeat){0});
    leat_frame_finish(&frame, 0, 1, 0);
    (void)leat_peer_send(core, peer, &frame);
    leat_buf_fini(&frame);
}

/* Is the connection gone, and the time over in which the session may come back? Connections that
 * end because the broker itself stood still are made anew when the peers' next tries are due: that
 * is no reason to run everything again. */
static bool
is_gone(const leat_core *core, const leat_peer *peer)
{
    if (peer->gone_ms == INT64_MAX)
        return false;
    const int64_t grace_ms =
        peer->gone_ms - core->stood_ms < LEAT_LOST_MS ? LEAT_LOST_MS : LEAT_GONE_GRACE_MS;
    return core->now.mono_ms - peer->gone_ms > grace_ms;
}

static void
sweep_one(leat_core *core, leat_peer *peer)
{
    const int64_t silent = core->now.mono_ms - peer->heard_ms;
    if (peer->ended) {
        if (core->turns > peer->ended_turn) /* the turn in which it ended may still name it */
            leat_peer_free(core, peer);
        return;
    }
    if (silent > LEAT_SESSION_MS) {
        leat_peer_end(core, peer);
        return;
    }
    const bool gone = is_gone(core, peer);
    if (gone && peer->route != 0) {
        forget_route(core, &peer->route);
        leat_peer_away(core, peer);
    }
    /* Also one that holds nothing: what it would be given now would be lost with it. */
    if (!peer->lost && (gone || silent > peer->grace_ms))
        leat_peer_lose(core, peer);
    beat(core, peer);
}

void
leat_peer_unreachable(leat_core *core, leat_peer *peer)
{
    peer->unreachable = true;
    if (peer->gone_ms == INT64_MAX)
        peer->gone_ms = core->now.mono_ms;
    leat_peer_update_hunger(core, peer);
}

void
leat_peer_take_down(leat_core *core)
{
    if (!core->somebody_gone)
        return;
    core->somebody_gone = false;
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0;
         i = leat_table_next(&core->peers, i)) {
        leat_peer *const peer = leat_table_at(&core->peers, i);
        if (peer->unreachable)
            leat_peer_unreachable(core, peer);
    }
}

void
leat_peer_sweep(leat_core *core)
{
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0;
         i = leat_table_next(&core->peers, i))
        sweep_one(core, leat_table_at(&core->peers, i));
}
