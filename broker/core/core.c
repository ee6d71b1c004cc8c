/* The broker as a deterministic machine: what comes in, and the order of a turn. See core.h. */
#include "broker/core/core.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/core/archive.h"
#include "broker/core/batch.h"
#include "broker/core/channel.h"
#include "broker/core/checkpoint.h"
#include "broker/core/control.h"
#include "broker/core/cursor.h"
#include "broker/core/dead.h"
#include "broker/core/dispatch.h"
#include "broker/core/failure.h"
#include "broker/core/hand.h"
#include "broker/core/hold.h"
#include "broker/core/lease.h"
#include "broker/core/link.h"
#include "broker/core/load.h"
#include "broker/core/machine.h"
#include "broker/core/mark.h"
#include "broker/core/news.h"
#include "broker/core/outbox.h"
#include "broker/core/park.h"
#include "broker/core/peer.h"
#include "broker/core/recall.h"
#include "broker/core/receiver.h"
#include "broker/core/room.h"
#include "broker/core/schedule.h"
#include "broker/core/select.h"
#include "broker/core/share.h"
#include "broker/core/stop.h"
#include "broker/core/submit.h"
#include "broker/core/timer.h"
#include "broker/core/unique.h"
#include "broker/core/watch.h"
#include "broker/core/window.h"

#define SWEEP_MS 200
/* Peers give a broker up that is silent for LEAT_LOST_MS. */
#define STOOD_MS  (LEAT_LOST_MS / 2)
#define LATE_MS   1000 /* a turn that is later than this moves all deadlines by its lateness */
#define RATE_MS   1000
#define RECALL_MS 20 /* idle workers are looked at no more often */

/* ------------------------------------------------------------------------------ life */

void
leat_core_item_moved(void *owner, uint32_t handle, uint32_t position)
{
    leat_core *const core = owner;
    leat_items_at(&core->items, handle)->next = position;
}

leat_err
leat_core_new(const leat_core_options *options, leat_now now, leat_core **out)
{
    leat_core *core = calloc(1, sizeof *core);
    if (core == NULL)
        return LEAT_ERR_NOMEM;
    core->options = *options;
    leat_keep *const keep = &core->options.keep;
    if (keep->batches_max == 0)
        keep->batches_max = LEAT_BATCHES_KEPT_MAX;
    if (keep->batch_ms_max == 0)
        keep->batch_ms_max = LEAT_BATCH_MS_MAX;
    if (keep->dead_max == 0)
        keep->dead_max = LEAT_DEAD_MAX;
    if (keep->dead_ms_max == 0)
        keep->dead_ms_max = LEAT_DEAD_MS_MAX;
    core->now = now;
    core->start_ms = now.mono_ms;
    core->sweep_ms = now.mono_ms;
    core->expected_ms = now.mono_ms;
    core->stood_ms = now.mono_ms - LEAT_LOST_MS;
    core->next_channel_id = 1;
    core->books[LEAT_DISK].store = options->disk;
    core->books[LEAT_MEMORY].store = options->memory;
    memcpy(core->broker_id, options->broker_id, sizeof core->broker_id);
    leat_random_seed(&core->random, options->seed);
    leat_table_init(&core->channels);
    leat_table_init(&core->classes);
    leat_table_init(&core->terms);
    leat_table_init(&core->keys);
    leat_table_init(&core->stalls);
    leat_table_init(&core->lines);
    leat_table_init(&core->shares);
    leat_table_init(&core->flows);
    leat_table_init(&core->links);
    leat_table_init(&core->uniques);
    leat_table_init(&core->dead);
    leat_table_init(&core->archive.mourned);
    leat_table_init(&core->schedules);
    leat_table_init(&core->tellings);
    leat_table_init(&core->checkpoints);
    leat_table_init(&core->failures);
    leat_table_init(&core->batches);
    leat_table_init(&core->peers);
    leat_table_init(&core->connections);
    leat_heap_init(&core->delayed, leat_core_item_moved, core);
    leat_list_init(&core->accruing);
    leat_list_init(&core->blocked);
    leat_list_init(&core->rated);
    leat_list_init(&core->impatient);
    leat_list_init(&core->deciding);
    leat_list_init(&core->marked);
    leat_list_init(&core->corpses);
    leat_list_init(&core->hungry);
    leat_list_init(&core->fed);
    leat_list_init(&core->speaking);
    leat_list_init(&core->relieved);
    leat_list_init(&core->waking);
    leat_list_init(&core->questions);
    leat_list_init(&core->finished);
    leat_list_init(&core->stale);
    core->hello = malloc(sizeof *core->hello);
    core->ends_left = LEAT_TURN_ENDS_MAX;
    if (leat_news_init(&core->news) != LEAT_ERR_OK || core->hello == NULL ||
        leat_items_init(&core->items) != LEAT_ERR_OK || leat_timers_init(core) != LEAT_ERR_OK) {
        leat_core_destroy(&core);
        return LEAT_ERR_NOMEM;
    }
    *out = core;
    return LEAT_ERR_OK;
}

/* Everything in which ready items stand; the items themselves go with their slab. */
static void
free_lines(leat_core *core)
{
    for (uint32_t i = leat_table_next(&core->terms, 0); i != 0;
         i = leat_table_next(&core->terms, i)) {
        leat_terms *const terms = leat_table_at(&core->terms, i);
        leat_buf_fini(&terms->settings);
        free(terms);
    }
    for (uint32_t i = leat_table_next(&core->keys, 0); i != 0;
         i = leat_table_next(&core->keys, i)) {
        leat_key *const key = leat_table_at(&core->keys, i);
        leat_heap_fini(&key->parked);
        free(key);
    }
    for (uint32_t i = leat_table_next(&core->lines, 0); i != 0;
         i = leat_table_next(&core->lines, i)) {
        leat_line *const line = leat_table_at(&core->lines, i);
        leat_heap_fini(&line->returned);
        free(line);
    }
    for (uint32_t i = leat_table_next(&core->stalls, 0); i != 0;
         i = leat_table_next(&core->stalls, i)) {
        leat_stall *const stall = leat_table_at(&core->stalls, i);
        leat_heap_fini(&stall->lines);
        free(stall);
    }
    for (uint32_t i = leat_table_next(&core->flows, 0); i != 0;
         i = leat_table_next(&core->flows, i))
        free(leat_table_at(&core->flows, i));
    for (uint32_t i = leat_table_next(&core->shares, 0); i != 0;
         i = leat_table_next(&core->shares, i))
        free(leat_table_at(&core->shares, i));
    for (uint32_t i = leat_table_next(&core->classes, 0); i != 0;
         i = leat_table_next(&core->classes, i)) {
        leat_class *const class = leat_table_at(&core->classes, i);
        for (unsigned p = 0; p < LEAT_PRIORITIES; p++)
            leat_heap_fini(&class->ranks[p]);
        free(class);
    }
}

void
leat_core_destroy(leat_core **core_p)
{
    leat_core *const core = *core_p;
    if (core == NULL)
        return;
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0;
         i = leat_table_next(&core->peers, i))
        leat_peer_free(core, leat_table_at(&core->peers, i));
    for (uint32_t i = leat_table_next(&core->batches, 0); i != 0;
         i = leat_table_next(&core->batches, i))
        leat_batch_free(core, leat_table_at(&core->batches, i));
    free_lines(core);
    for (uint32_t i = leat_table_next(&core->channels, 0); i != 0;
         i = leat_table_next(&core->channels, i))
        leat_channel_free(leat_table_at(&core->channels, i));
    while (leat_table_next(&core->links, 0) != 0)
        leat_link_free(core, leat_table_at(&core->links, leat_table_next(&core->links, 0)));
    while (leat_table_next(&core->uniques, 0) != 0)
        leat_unique_free(core, leat_table_at(&core->uniques, leat_table_next(&core->uniques, 0)));
    leat_dead_fini(core);
    leat_archive_fini(core);
    leat_checkpoint_fini(core);
    leat_failure_fini(core);
    leat_watch_fini(core);
    leat_control_drop_questions(core);
    leat_news_fini(&core->news);
    leat_mark_fini(core);
    leat_timers_fini(core);
    leat_schedules_fini(core);
    for (uint32_t i = leat_table_next(&core->connections, 0); i != 0;
         i = leat_table_next(&core->connections, i))
        free(leat_table_at(&core->connections, i));
    leat_outbox_fini(core);
    for (int d = 0; d < LEAT_DURABILITY_COUNT; d++) {
        leat_changes_fini(&core->books[d].changes);
        leat_buf_fini(&core->books[d].turn);
        free(core->books[d].lone);
    }
    leat_table_fini(&core->channels);
    leat_table_fini(&core->classes);
    leat_table_fini(&core->terms);
    leat_table_fini(&core->keys);
    leat_table_fini(&core->stalls);
    leat_table_fini(&core->lines);
    leat_table_fini(&core->shares);
    leat_table_fini(&core->flows);
    leat_table_fini(&core->links);
    leat_table_fini(&core->uniques);
    leat_table_fini(&core->dead);
    leat_table_fini(&core->batches);
    leat_table_fini(&core->peers);
    leat_table_fini(&core->connections);
    leat_items_fini(&core->items);
    leat_heap_fini(&core->delayed);
    leat_buf_fini(&core->scratch);
    leat_buf_fini(&core->terms_scratch);
    free(core->active);
    free(core->stirred);
    free(core->epochs);
    free(core->touched);
    free(core->round_leaves);
    free(core->cleared);
    free(core->hello);
    free(core);
    *core_p = NULL;
}

leat_err
leat_core_load(leat_core *core, leat_now now, char why[256])
{
    core->now = now;
    leat_err err = leat_load_all(core, why);
    if (err != LEAT_ERR_OK)
        return err;

    /* Wall seconds: an epoch is new even when the store was put back to an older state. */
    const uint64_t wall_s = (uint64_t)(now.wall_ms / 1000);
    core->epoch = core->epoch + 1 > wall_s ? core->epoch + 1 : wall_s;
    err = leat_load_epoch(core, core->epoch);
    if (err != LEAT_ERR_OK) {
        (void)snprintf(why, 256, "the store cannot be loaded: %s", leat_err_message(err));
        return err;
    }
    leat_room_begin(core);
    leat_turn_put_ids(&core->books[LEAT_DISK].turn, core->reserved_upto);
    leat_hand_write_meta(core);
    err = leat_core_commit(core, now);
    core->load_number = core->books[LEAT_DISK].number;
    if (err != LEAT_ERR_OK)
        (void)snprintf(why, 256, "the store cannot be written: %s", leat_err_message(err));
    return err;
}

uint64_t
leat_core_next_ids(leat_core *core, leat_durability durability, uint32_t count)
{
    if (durability != core->last_durability) {
        /* What leaves the store together must lie in one store. */
        core->last_durability = durability;
        core->next_id = (core->next_id + LEAT_CHUNK_IDS - 1) / LEAT_CHUNK_IDS * LEAT_CHUNK_IDS;
    }
    const uint64_t first = core->next_id;
    core->next_id += count;
    /* Reserved long before they are used: an answer that waits for no commit may name them. */
    if (core->next_id + LEAT_ID_RESERVE / 2 > core->reserved_upto) {
        core->reserved_upto = core->next_id + LEAT_ID_RESERVE;
        leat_turn_put_ids(&core->books[LEAT_DISK].turn, core->reserved_upto);
    }
    return first;
}

/* ------------------------------------------------------------------------------ frames */

static leat_connection *
connection_of(leat_core *core, leat_route route)
{
    leat_connection *connection = leat_table_get(&core->connections, route);
    if (connection != NULL)
        return connection;
    connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->route = route;
    if (leat_table_add(&core->connections, route, connection, &connection->index) != LEAT_ERR_OK) {
        free(connection);
        return NULL;
    }
    return connection;
}

bool
leat_core_is_worker(const leat_core *core, leat_route route)
{
    const leat_connection *const connection = leat_table_get(&core->connections, route);
    return connection != NULL && connection->peer != NULL &&
           connection->peer->role == LEAT_ROLE_WORKER;
}

void
leat_core_refuse_body(leat_core *core, leat_peer *peer, const leat_frame *frame, leat_err err)
{
    const char *const name = leat_command_name(frame->command);
    char sentence[128];
    if (err == LEAT_ERR_TOO_LARGE)
        (void)snprintf(sentence, sizeof sentence, "%s: a payload is over %u bytes", name,
                       LEAT_PAYLOAD_BYTES_MAX);
    else if (err == LEAT_ERR_UNSUPPORTED)
        (void)snprintf(sentence, sizeof sentence, "%s: a setting that is not known here", name);
    else
        (void)snprintf(sentence, sizeof sentence, "%s: the body is not %u record%s", name,
                       frame->count, frame->count == 1 ? "" : "s");
    leat_outbox_error(core, peer->route, peer, err, frame->sequence, sentence);
}

bool
leat_core_has_session(const leat_core *core, leat_route route)
{
    const leat_connection *const connection = leat_table_get(&core->connections, route);
    return connection != NULL && connection->peer != NULL;
}

static void
on_credit(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    const leat_err err = leat_credit_open(body, size, frame->count, &records);
    if (err != LEAT_ERR_OK) {
        leat_core_refuse_body(core, peer, frame, err);
        return;
    }
    for (uint16_t i = 0; i < frame->count; i++) {
        leat_credit credit;
        leat_credit_next(&records, &credit);
        const bool work = credit.kind == LEAT_CREDIT_WORK;
        if (work != (peer->role == LEAT_ROLE_WORKER)) {
            leat_outbox_error(core, peer->route, peer, LEAT_ERR_DENIED, 0,
                              work ? "CREDIT: WORK is for workers, this session is a client's"
                                   : "CREDIT: RECV and WAIT are for clients, this session is a "
                                     "worker's");
            return;
        }
        switch (credit.kind) {
        case LEAT_CREDIT_WORK:
            peer->draining = credit.items == 0;
            peer->credit_items = credit.items;
            peer->credit_bytes = credit.bytes;
            leat_peer_update_hunger(core, peer);
            break;
        case LEAT_CREDIT_RECV:
            leat_receiver_credit(core, peer, &credit);
            break;
        case LEAT_CREDIT_WAIT:
            leat_cursor_credit(core, peer, &credit);
            break;
        }
    }
}

static void
on_heartbeat(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_heartbeat heartbeat;
    const leat_err err = leat_heartbeat_open(body, size, &heartbeat);
    if (err != LEAT_ERR_OK) {
        leat_core_refuse_body(core, peer, frame, err);
        return;
    }
    peer->running = heartbeat.running;
    if (heartbeat.running == 0)
        peer->orphans = 0;
    peer->recalled = 0; /* what it could give back it has by now */
    leat_lease_on_started(core, peer, heartbeat.started);
}

static bool
needs_sequence(leat_command command)
{
    return command == LEAT_CMD_SEND || command == LEAT_CMD_DONE || command == LEAT_CMD_RELEASE ||
           command == LEAT_CMD_SNOOZE || command == LEAT_CMD_COMMAND ||
           command == LEAT_CMD_CANCEL || command == LEAT_CMD_SELECT ||
           command == LEAT_CMD_CHECKPOINT;
}

static bool
has_no_sequence(leat_command command)
{
    return command == LEAT_CMD_HEARTBEAT || command == LEAT_CMD_BYE || command == LEAT_CMD_QUERY ||
           command == LEAT_CMD_CREDIT || command == LEAT_CMD_CLAIM || command == LEAT_CMD_END ||
           command == LEAT_CMD_WITHDRAW || command == LEAT_CMD_PROGRESS || command == LEAT_CMD_LOG;
}

static bool
is_for_worker(leat_command command)
{
    return command == LEAT_CMD_DONE || command == LEAT_CMD_RELEASE || command == LEAT_CMD_SNOOZE ||
           command == LEAT_CMD_CLAIM || command == LEAT_CMD_END || command == LEAT_CMD_CHECKPOINT ||
           command == LEAT_CMD_PROGRESS || command == LEAT_CMD_LOG;
}

static bool
is_for_client(leat_command command)
{
    return command == LEAT_CMD_SEND || command == LEAT_CMD_ACK || command == LEAT_CMD_CANCEL ||
           command == LEAT_CMD_SELECT || command == LEAT_CMD_WITHDRAW;
}

static void
refuse(
    leat_core *core, leat_peer *peer, const leat_frame *frame, leat_err err, const char *sentence)
{
    char whole[128];
    (void)snprintf(whole, sizeof whole, "%s: %s", leat_command_name(frame->command), sentence);
    leat_outbox_error(core, peer->route, peer, err, frame->sequence, whole);
}

static void
serve(leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    const bool worker = peer->role == LEAT_ROLE_WORKER;
    if (frame->sequence > 0 && has_no_sequence(frame->command)) {
        refuse(core, peer, frame, LEAT_ERR_MALFORMED, "this command has no sequence");
        return;
    }
    if ((is_for_worker(frame->command) && !worker) || (is_for_client(frame->command) && worker)) {
        refuse(core, peer, frame, LEAT_ERR_DENIED,
               worker ? "a worker does not send this" : "only workers send this");
        return;
    }
    if ((int)frame->command == LEAT_CMD_SEND)
        leat_submit_on_send(core, peer, frame, body, size);
    else if (frame->command == LEAT_CMD_DONE)
        leat_lease_on_done(core, peer, frame, body, size);
    else if (frame->command == LEAT_CMD_CREDIT)
        on_credit(core, peer, frame, body, size);
    else if (frame->command == LEAT_CMD_ACK)
        leat_lease_on_ack(core, peer, frame, body, size);
    else if (frame->command == LEAT_CMD_PROGRESS || frame->command == LEAT_CMD_LOG)
        leat_watch_on_told(core, peer, frame, body, size);
    else if (frame->command == LEAT_CMD_CHECKPOINT)
        leat_checkpoint_on_frame(core, peer, frame, body, size);
    else if (is_for_worker(frame->command))
        leat_lease_on_tokens(core, peer, frame, body, size);
    else if (frame->command == LEAT_CMD_HEARTBEAT)
        on_heartbeat(core, peer, frame, body, size);
    else if (frame->command == LEAT_CMD_QUERY)
        leat_control_on_query(core, peer, frame, body, size);
    else if (frame->command == LEAT_CMD_COMMAND)
        leat_control_on_command(core, peer, frame, body, size);
    else if (frame->command == LEAT_CMD_SELECT)
        leat_select_on_frame(core, peer, frame, body, size);
    else if (frame->command == LEAT_CMD_WITHDRAW)
        leat_park_on_withdraw(core, peer, frame, body, size);
    else if (frame->command == LEAT_CMD_CANCEL)
        leat_stop_on_cancel(core, peer, frame, body, size);
    else if (frame->command == LEAT_CMD_BYE)
        leat_peer_end(core, peer);
    else
        refuse(core, peer, frame, LEAT_ERR_UNSUPPORTED, leat_err_message(LEAT_ERR_UNSUPPORTED));
}

static void
refuse_outside(leat_core *core, const leat_peer *peer)
{
    leat_outbox_error(core, peer->route, NULL, LEAT_ERR_LIMIT, 0,
                      "more frames without a read answer than WELCOME grants");
}

/* A frame whose header is wrong. */
static void
refuse_header(
    leat_core *core, leat_connection *connection, leat_err err, const uint8_t *data, size_t size)
{
    leat_peer *const peer = connection->beat ? NULL : connection->peer;
    char what[128];
    char sentence[192];
    uint64_t sequence = 0;
    leat_frame_explain(data, size, LEAT_SIDE_PEER, what, sizeof what);
    (void)snprintf(sentence, sizeof sentence, "frame refused: %s", what);
    if (peer != NULL && peer->route == connection->route && size >= LEAT_FRAME_BYTES &&
        leat_load_u16(data) == LEAT_FRAME_MAGIC && data[2] == LEAT_FRAME_VERSION) {
        sequence = leat_load_u64(data + 8);
        leat_peer_heard(core, peer, sequence, leat_load_u64(data + 16));
        const leat_window_verdict verdict =
            sequence == 0 ? LEAT_WINDOW_NEW : leat_window_check(core, peer, sequence);
        if (verdict == LEAT_WINDOW_OUTSIDE)
            refuse_outside(core, peer);
        if (verdict != LEAT_WINDOW_NEW)
            return;
    }
    leat_outbox_error(core, connection->route, peer, err, sequence, sentence);
}

static void
on_peer_frame(leat_core *core,
              leat_connection *connection,
              const leat_frame *frame,
              const uint8_t *body,
              size_t size)
{
    leat_peer *const peer = connection->peer;
    if (peer == NULL) {
        if (!connection->told)
            leat_outbox_error(core, connection->route, NULL, LEAT_ERR_HELLO_FIRST, 0, NULL);
        connection->told = true;
        return;
    }
    if (connection->beat) {
        if (connection->route == peer->beat_route && frame->command == LEAT_CMD_HEARTBEAT) {
            peer->heard_ms = core->now.mono_ms;
            peer->grace_ms = peer->route == 0 ? peer->grace_ms : LEAT_LOST_MS;
            if (peer->route != 0 && peer->lost) {
                peer->lost = false;
                leat_peer_update_hunger(core, peer);
            }
            on_heartbeat(core, peer, frame, body, size);
        }
        return;
    }
    if (connection->route != peer->route || peer->welcome_due)
        return; /* an old connection, or words before WELCOME */
    leat_peer_heard(core, peer, frame->sequence, frame->seen);
    if (frame->sequence == 0 && needs_sequence(frame->command)) {
        refuse(core, peer, frame, LEAT_ERR_MALFORMED, "this command needs a sequence");
        return;
    }
    if (frame->sequence == 0) {
        serve(core, peer, frame, body, size);
        return;
    }
    switch (leat_window_check(core, peer, frame->sequence)) {
    case LEAT_WINDOW_NEW:
        serve(core, peer, frame, body, size);
        break;
    case LEAT_WINDOW_OUTSIDE:
        refuse_outside(core, peer);
        break;
    case LEAT_WINDOW_REPEAT:
    case LEAT_WINDOW_DROP:
        break;
    }
}

void
leat_core_on_frame(leat_core *core,
                   leat_now now,
                   leat_route route,
                   const leat_principal *principal,
                   const uint8_t *data,
                   size_t size,
                   bool more)
{
    leat_frame frame;
    core->now = now;
    leat_connection *const connection = connection_of(core, route);
    if (connection == NULL)
        return; /* no memory for a stranger */
    if (principal == NULL) {
        if (!connection->told)
            leat_outbox_error(core, route, NULL, LEAT_ERR_DENIED, 0,
                              "this key is not allowed (any more)");
        connection->told = true;
        return;
    }
    if (more) {
        leat_outbox_error(core, route, NULL, LEAT_ERR_MALFORMED, 0,
                          "message refused: it has more than one part; the session is ended");
        if (connection->peer != NULL && !connection->beat)
            leat_peer_end(core, connection->peer);
        connection->peer = NULL;
        return;
    }
    const leat_err err = leat_frame_decode(data, size, LEAT_SIDE_PEER, &frame);
    if (err != LEAT_ERR_OK) {
        refuse_header(core, connection, err, data, size);
        return;
    }
    const uint8_t *const body = data + LEAT_FRAME_BYTES;
    const size_t body_size = size - LEAT_FRAME_BYTES;
    if (frame.command == LEAT_CMD_HELLO)
        leat_control_on_hello(core, connection, principal, &frame, body, body_size);
    else
        on_peer_frame(core, connection, &frame, body, body_size);
}

void
leat_core_check_principals(leat_core *core,
                           leat_now now,
                           bool (*is_allowed)(const void *context, uint64_t principal),
                           const void *context)
{
    core->now = now;
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0;
         i = leat_table_next(&core->peers, i)) {
        leat_peer *const peer = leat_table_at(&core->peers, i);
        char sentence[160];
        if (peer->ended || is_allowed(context, peer->principal))
            continue;
        (void)snprintf(sentence, sizeof sentence, "key \"%s\" was revoked", peer->principal_name);
        leat_outbox_error(core, peer->route, peer, LEAT_ERR_DENIED, 0, sentence);
        leat_peer_end(core, peer);
    }
}

void
leat_core_on_gone(leat_core *core, leat_now now, leat_route route)
{
    core->now = now;
    leat_connection *const connection = leat_table_get(&core->connections, route);
    if (connection == NULL)
        return;
    leat_peer *const peer = connection->peer;
    if (peer != NULL && connection->beat && peer->beat_route == route)
        peer->beat_route = 0;
    if (peer != NULL && !connection->beat && peer->route == route) {
        leat_peer_unreachable(core, peer); /* what it sent before may still be unread */
        return;
    }
    leat_table_remove(&core->connections, route);
    free(connection);
}

/* ------------------------------------------------------------------------------ the turn */

static void
update_rates(leat_core *core)
{
    for (uint32_t i = leat_table_next(&core->channels, 0); i != 0;
         i = leat_table_next(&core->channels, i)) {
        leat_channel *const channel = leat_table_at(&core->channels, i);
        const int64_t ms = core->now.mono_ms - channel->rate_ms;
        if (ms < RATE_MS)
            continue;
        channel->done_per_s = (double)(channel->done - channel->rate_done) * 1000.0 / (double)ms;
        channel->rate_done = channel->done;
        channel->rate_ms = core->now.mono_ms;
    }
}

/* The broker itself was stopped or busy: nobody else is late for that. */
static void
forgive(leat_core *core, int64_t late_ms)
{
    if (late_ms >= STOOD_MS)
        core->stood_ms = core->now.mono_ms;
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0;
         i = leat_table_next(&core->peers, i)) {
        leat_peer *const peer = leat_table_at(&core->peers, i);
        peer->heard_ms += late_ms;
        if (peer->heard_ms > core->now.mono_ms)
            peer->heard_ms = core->now.mono_ms;
        if (peer->gone_ms != INT64_MAX)
            peer->gone_ms += late_ms;
    }
}

void
leat_core_tick(leat_core *core, leat_now now)
{
    core->now = now;
    if (now.mono_ms - core->expected_ms > LATE_MS)
        forgive(core, now.mono_ms - core->expected_ms);
    leat_peer_take_down(core);
    leat_lease_due(core);
    leat_timers_due(core);
    leat_mark_step(core);
    if (now.mono_ms >= core->sweep_ms) {
        core->sweep_ms = now.mono_ms + SWEEP_MS;
        leat_peer_sweep(core);
        update_rates(core);
        leat_batch_sweep(core);
        leat_dead_sweep(core);
        leat_share_accrue(core);
    }
}

int64_t
leat_core_next_due_ms(const leat_core *core)
{
    int64_t due = core->sweep_ms;
    if (!leat_heap_is_empty(&core->delayed)) {
        const int64_t wait = leat_heap_first(&core->delayed).key - core->now.wall_ms;
        const int64_t at = core->now.mono_ms + (wait < 0 ? 0 : wait);
        if (at < due)
            due = at;
    }
    const int64_t timers = leat_timers_next_ms(core);
    if (timers < due)
        due = timers;
    /* A rate lets something go before the next look at everything. */
    LEAT_LIST_FOREACH (node, &core->rated) {
        const int64_t at =
            leat_channel_gives_ms(core, LEAT_CONTAINER_OF(node, leat_channel, rated));
        if (at < due)
            due = at;
    }
    return due;
}

static leat_err
commit_book(leat_core *core, leat_book *book)
{
    if (book->turn.failed || book->changes.ops.failed)
        leat_core_fault(core, LEAT_ERR_NOMEM);
    if (core->fault != LEAT_ERR_OK)
        return core->fault;
    if (book->turn.size == 0 && book->changes.count == 0) {
        /* Nothing to write: what would have waited for this commit waits for the one before. */
        for (uint32_t i = book->effect_count; i > 0; i--) {
            leat_effect *const effect =
                &book->effects[(book->effect_head + i - 1) % book->effect_capacity];
            if (effect->number <= book->number)
                break;
            effect->number = book->number;
        }
        return LEAT_ERR_OK;
    }
    book->number++;
    if (book->turn.size > 0)
        leat_changes_turn(&book->changes, book->number, book->turn.data, book->turn.size);
    leat_buf_reset(&book->turn);
    book->ends = 0;
    if (book->changes.ops.failed)
        return LEAT_ERR_NOMEM;
    return leat_store_commit(book->store, &book->changes, book->number);
}

leat_err
leat_core_commit(leat_core *core, leat_now now)
{
    core->now = now;
    leat_hold_step(core);
    leat_dispatch_match(core);
    if (core->recall_ms <= now.mono_ms) {
        core->recall_ms = now.mono_ms + RECALL_MS;
        leat_recall_longest(core);
    }
    leat_batch_write_turn(core);
    leat_archive_retain(core);
    core->ends_left = LEAT_TURN_ENDS_MAX;
    for (int d = 0; d < LEAT_DURABILITY_COUNT; d++) {
        if (core->books[d].turn.size > 0 || core->books[d].changes.count > 0)
            core->round_wanted = true;
    }
    leat_hand_step(core);
    for (int d = 0; d < LEAT_DURABILITY_COUNT; d++) {
        const leat_err err = commit_book(core, &core->books[d]);
        if (err != LEAT_ERR_OK) {
            leat_core_fault(core, err);
            return err;
        }
    }
    leat_room_end_turn(core);
    core->turns++;
    return LEAT_ERR_OK;
}

void
leat_core_release(leat_core *core, leat_now now)
{
    core->now = now;
    /* Ids of this life may be named by what waits for no commit: their block is reserved first. */
    if (leat_store_durable_upto(core->books[LEAT_DISK].store) < core->load_number)
        return;
    leat_outbox_release(core);
    core->expected_ms = leat_core_next_due_ms(core);
}

bool
leat_core_is_busy(const leat_core *core)
{
    return core->somebody_gone || leat_mark_is_pending(core) || leat_hand_is_urgent(core) ||
           !leat_list_is_empty(&core->deciding);
}

void
leat_core_goodbye(leat_core *core, leat_now now)
{
    core->now = now;
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0;
         i = leat_table_next(&core->peers, i)) {
        leat_peer *const peer = leat_table_at(&core->peers, i);
        if (!leat_peer_can_send(peer))
            continue;
        leat_buf frame = {0};
        leat_frame_begin(&frame, LEAT_CMD_BYE);
        leat_frame_finish(&frame, 0, 0, 0);
        (void)leat_peer_send(core, peer, &frame);
        leat_buf_fini(&frame);
    }
    core->reserved_upto = core->next_id;
    leat_turn_put_ids(&core->books[LEAT_DISK].turn, core->reserved_upto);
    leat_hand_write_meta(core);
    if (commit_book(core, &core->books[LEAT_DISK]) != LEAT_ERR_OK)
        leat_core_fault(core, LEAT_ERR_IO); /* then the block stays reserved: nothing is lost */
}

leat_core_facts
leat_core_get_facts(const leat_core *core)
{
    return (leat_core_facts){
        .epoch = core->epoch,
        .items = core->items.alive,
        .batches = core->batches.count,
        .peers = core->peers.count,
        .turns = core->turns,
        .refused_frames = core->refused_frames,
    };
}
