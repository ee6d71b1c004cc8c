/* Cursors: who waits for a batch, how far it has read, and what it is handed next.
 *
 * A cursor is served during release, when the log (or its credit, or the room on the way to its
 * peer) has grown: from a piece in memory if its position lies in one, else from the store. It is
 * told GOAL when what it asked for is reached and nothing that counts is left to hand out.
 *
 * The first chapter finds the batch that somebody names (leat_batch_find), also for submit and
 * query: alive, in the store, or one job that is a batch of its own. */
#include "broker/core/cursor.h"

#include <stdlib.h>

#include "broker/core/archive.h"
#include "broker/core/batch.h"
#include "broker/core/channel.h"
#include "broker/core/object.h"
#include "broker/core/outbox.h"
#include "broker/core/peer.h"
#include "broker/core/terms.h"

/* A frame that has grown to this takes no further run: a few completions would not be worth it. */
#define FRAME_BYTES_FULL (LEAT_FRAME_BYTES_CLOSE - 16384U)
/* Names of workers and the head of a run may make a frame so much larger. */
#define FRAME_BYTES_SPARE 2048U

void
leat_cursor_wake(leat_core *core, leat_cursor *cursor)
{
    if (!leat_list_is_linked(&cursor->waking))
        leat_list_append(&core->waking, &cursor->waking);
}

void
leat_cursor_free(leat_core *core, leat_cursor *cursor)
{
    (void)core;
    if (leat_list_is_linked(&cursor->waking))
        leat_list_remove(&cursor->waking);
    if (leat_list_is_linked(&cursor->of_batch))
        leat_list_remove(&cursor->of_batch);
    leat_list_remove(&cursor->of_peer);
    cursor->peer->wait_count--;
    if (cursor->batch != NULL)
        leat_batch_trim_pieces(cursor->batch);
    free(cursor);
}

/* ------------------------------------------------------------------------------ finding */

struct lookup {
    leat_core *core;
    uint64_t id;
    bool found;
};

static void
on_object(void *context, const leat_fetched *fetched)
{
    struct lookup *const lookup = context;
    if (fetched->err == LEAT_ERR_OK)
        lookup->found = leat_object_apply(lookup->core, LEAT_OBJECT_BATCH, lookup->id,
                                          fetched->data, fetched->size) == LEAT_ERR_OK;
}

/* A job that was a batch of its own and has ended: give it an object again. */
static void
on_ended(void *context, const leat_fetched *fetched)
{
    struct lookup *const lookup = context;
    leat_reader log = leat_reader_over(fetched->data, fetched->size);
    leat_items_run run;
    if (lookup->found || fetched->err != LEAT_ERR_OK || fetched->batch != lookup->id ||
        leat_log_open(&log, &run) != LEAT_ERR_OK || run.n != 1)
        return;
    leat_completion completion;
    leat_items_next_completion(&log, &completion);
    leat_core *const core = lookup->core;
    leat_err err;
    leat_channel *const channel = leat_channel_ensure(core, leat_text_of("default"), &err);
    leat_batch *const batch = channel == NULL ? NULL : leat_batch_new(core, lookup->id, channel);
    if (batch == NULL)
        return;
    batch->durability = fetched->fetch.cookie == 0 ? LEAT_DISK : LEAT_MEMORY;
    batch->alone = batch->sealed = batch->finished = true;
    batch->counters.total = 1;
    batch->counters.done = completion.outcome == LEAT_OUTCOME_DONE;
    batch->counters.dead = completion.outcome == LEAT_OUTCOME_DEAD;
    batch->counters.cancelled = completion.outcome == LEAT_OUTCOME_CANCELLED;
    batch->counters.expired = completion.outcome == LEAT_OUTCOME_EXPIRED;
    batch->counters.skipped = completion.outcome == LEAT_OUTCOME_SKIPPED;
    batch->durable_counters = batch->counters;
    batch->log_end = batch->durable_end = 1;
    leat_list_append(&core->finished, &batch->finished_node);
    lookup->found = true;
    if (fetched->fetch.turn == 0)
        return;
    batch->segments = malloc(sizeof *batch->segments);
    if (batch->segments != NULL) {
        batch->segments[0] = (leat_segment){.first = 1, .turn = fetched->fetch.turn};
        batch->segment_count = batch->segment_capacity = 1;
    }
}

static void
look_for_lone(leat_core *core, leat_durability durability, struct lookup *lookup)
{
    leat_book *const book = &core->books[durability];
    leat_fetch fetch = {.kind = LEAT_FETCH_ENDED, .id = lookup->id, .cookie = (uint64_t)durability};
    (void)leat_store_fetch(book->store, &fetch, 1, on_ended, lookup);
    for (uint32_t i = 0; i < book->lone_count && !lookup->found; i++) {
        if (lookup->id < book->lone[i].id_min || lookup->id > book->lone[i].id_max)
            continue;
        if (book->lone[i].turn > leat_store_durable_upto(book->store))
            continue;
        fetch.turn = book->lone[i].turn;
        (void)leat_store_fetch(book->store, &fetch, 1, on_ended, lookup);
    }
}

/* The job is alive and a batch of its own: that gets an object. */
static leat_batch *
lone_of(leat_core *core, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    leat_class *const class = leat_class_of(core, item);
    leat_batch *const batch = leat_batch_new(core, item->id, class->channel);
    if (batch == NULL)
        return NULL;
    batch->alone = batch->sealed = true;
    batch->class = class->index;
    batch->principal = leat_terms_of(core, item)->principal;
    batch->counters.total = batch->durable_counters.total = 1;
    batch->running = leat_state_is_held_by_worker((leat_state)item->state);
    batch->delayed = item->state == LEAT_STATE_DELAYED;
    batch->held = item->state == LEAT_STATE_HELD;
    item->batch = batch->index;
    return batch;
}

/* The batch with this id: alive, finished and in the store, or the one job that is its own batch.
 */
leat_batch *
leat_batch_find(leat_core *core, uint64_t id)
{
    leat_batch *batch = leat_table_get(&core->batches, id);
    if (batch != NULL)
        return batch;

    const uint32_t index = leat_items_find(&core->items, id);
    const leat_item *const item = index == LEAT_NOBODY ? NULL : leat_items_at(&core->items, index);
    if (item != NULL && (item->flags & LEAT_ITEM_MESSAGE) != 0)
        return NULL;
    if (item != NULL && item->batch == LEAT_NOBODY)
        return lone_of(core, index);

    /* A job of somebody's batch may have been a batch of its own that gave it up to who joined it.
     */
    struct lookup lookup = {.core = core, .id = id};
    leat_fetch fetch = {.kind = LEAT_FETCH_OBJECT, .object_kind = LEAT_OBJECT_BATCH, .id = id};
    for (int d = 0; d < LEAT_DURABILITY_COUNT && !lookup.found; d++)
        (void)leat_store_fetch(core->books[d].store, &fetch, 1, on_object, &lookup);
    for (int d = 0; d < LEAT_DURABILITY_COUNT && !lookup.found; d++)
        look_for_lone(core, (leat_durability)d, &lookup);
    return leat_table_get(&core->batches, id);
}

/* ------------------------------------------------------------------------------ asking */

static leat_cursor *
cursor_of(const leat_peer *peer, uint64_t batch)
{
    LEAT_LIST_FOREACH (node, &peer->cursors) {
        leat_cursor *const cursor = LEAT_CONTAINER_OF(node, leat_cursor, of_peer);
        if (cursor->batch_id == batch)
            return cursor;
    }
    return NULL;
}

void
leat_cursor_credit(leat_core *core, leat_peer *peer, const leat_credit *credit)
{
    leat_cursor *cursor = cursor_of(peer, credit->batch);
    if (credit->items == 0) {
        if (cursor != NULL)
            leat_cursor_free(core, cursor);
        return;
    }
    if (cursor == NULL) {
        if (peer->wait_count >= LEAT_WAITS_MAX) {
            leat_outbox_error(core, peer->route, peer, LEAT_ERR_LIMIT, 0,
                              "too many waits in one session");
            return;
        }
        cursor = calloc(1, sizeof *cursor);
        if (cursor == NULL) {
            leat_outbox_error(core, peer->route, peer, LEAT_ERR_NOMEM, 0, NULL);
            return;
        }
        cursor->peer = peer;
        cursor->batch_id = credit->batch;
        cursor->handed = credit->position;
        leat_list_append(&peer->cursors, &cursor->of_peer);
        peer->wait_count++;
        cursor->batch = leat_batch_find(core, credit->batch);
        if (cursor->batch != NULL)
            leat_list_append(&cursor->batch->cursors, &cursor->of_batch);
    }
    /* What is behind its position is asked for, also if it was handed out: the peer may have lost
     * it. */
    cursor->told = false;
    cursor->handed = cursor->acked = credit->position;
    cursor->goal_kind = credit->goal_kind;
    cursor->goal = credit->goal;
    cursor->items = credit->items;
    leat_cursor_wake(core, cursor);
}

void
leat_cursor_ack(leat_core *core, leat_peer *peer, uint64_t batch, uint64_t position)
{
    leat_cursor *const cursor = cursor_of(peer, batch);
    if (cursor == NULL || position <= cursor->acked || position > cursor->handed)
        return;
    cursor->acked = position;
    leat_cursor_wake(core, cursor);
}

/* ------------------------------------------------------------------------------ serving */

/* True when a frame is open that has room for so many more bytes, or one may be opened. */
static bool
open_frame(leat_core *core, leat_peer *peer, size_t bytes)
{
    if (peer->items_runs > 0 &&
        (peer->items_frame.size >= FRAME_BYTES_FULL ||
         peer->items_frame.size + bytes > LEAT_FRAME_BYTES_CLOSE + FRAME_BYTES_SPARE)) {
        leat_frame_finish(&peer->items_frame, 0, peer->items_runs, 0);
        peer->items_runs = 0;
        (void)leat_peer_send(core, peer, &peer->items_frame);
    }
    if (peer->items_runs > 0)
        return true;
    if (peer->route == 0 || !leat_peer_can_send(peer))
        return false;
    leat_buf_reset(&peer->items_frame);
    leat_frame_begin(&peer->items_frame, LEAT_CMD_ITEMS);
    return true;
}

static uint8_t
flags_of(const leat_core *core, const leat_cursor *cursor)
{
    const leat_batch *const batch = cursor->batch;
    const leat_book *const book = &core->books[batch->durability];
    uint8_t flags = batch->sealed ? LEAT_ITEMS_SEALED : 0;
    if (batch->abandoned)
        flags |= LEAT_ITEMS_ABANDONED;
    if (batch->finished && batch->number <= leat_store_durable_upto(book->store))
        flags |= LEAT_ITEMS_FINISHED;
    if (cursor->expired)
        flags |= LEAT_ITEMS_EXPIRED;
    return flags;
}

/* Everything that the goal speaks of is on disk and has been handed out. */
static bool
goal_is_reached(leat_core *core, const leat_cursor *cursor)
{
    const leat_batch *const batch = cursor->batch;
    if (cursor->goal_kind == LEAT_GOAL_COUNT && cursor->handed >= cursor->goal)
        return true;
    if (cursor->handed < batch->durable_end && !LEAT_FAULT(GOAL_EARLY))
        return false;
    if (cursor->goal_kind == LEAT_GOAL_OK && batch->durable_counters.done >= cursor->goal)
        return true;
    return batch->finished && batch->durable_end == batch->log_end &&
           batch->number <= leat_store_durable_upto(core->books[batch->durability].store);
}

static void
put_run(leat_core *core,
        leat_cursor *cursor,
        uint64_t first,
        uint8_t flags,
        const uint8_t *log,
        size_t size)
{
    static const uint8_t empty_log[4] = {0, 0, 0, 0}; /* no workers, no completions */
    leat_peer *const peer = cursor->peer;
    const leat_counters none = {0};
    leat_items_put_completions(&peer->items_frame, cursor->batch_id, first,
                               cursor->batch == NULL ? &none : &cursor->batch->durable_counters,
                               flags);
    if (log == NULL)
        leat_put_bytes(&peer->items_frame, empty_log, sizeof empty_log);
    else
        leat_put_bytes(&peer->items_frame, log, size);
    peer->items_runs++;
    if (peer->items_frame.failed)
        leat_core_fault(core, LEAT_ERR_NOMEM);
}

/* Write completions of log, from the one `skip` on, into core->scratch as a log of its own: at most
 * max, and at most bytes of them, but for a single larger one. Returns how many. */
static uint16_t
slice_log(
    leat_core *core, const uint8_t *log, size_t size, uint64_t skip, uint32_t max, size_t bytes)
{
    leat_reader reader = leat_reader_over(log, size);
    leat_items_run run;
    if (leat_log_open(&reader, &run) != LEAT_ERR_OK)
        return 0;
    const uint8_t *const names_end = reader.at - 2; /* n stands between */
    leat_completion completion;
    for (uint64_t i = 0; i < skip && i < run.n; i++)
        leat_items_next_completion(&reader, &completion);
    const uint8_t *const start = reader.at;
    const uint8_t *end = start;
    const uint16_t left = skip >= run.n ? 0 : (uint16_t)(run.n - skip);
    uint16_t n = 0;
    while (n < left && n < max) {
        leat_items_next_completion(&reader, &completion);
        if (n > 0 && (size_t)(reader.at - start) > bytes)
            break;
        end = reader.at;
        n++;
    }
    leat_buf *const out = &core->scratch;
    leat_buf_reset(out);
    leat_put_bytes(out, log, (size_t)(names_end - log));
    leat_put_u16(out, n);
    leat_put_bytes(out, start, (size_t)(end - start));
    return n;
}

static uint32_t
credit_of(const leat_cursor *cursor)
{
    const uint64_t ahead = cursor->handed - cursor->acked;
    return ahead >= cursor->items ? 0 : (uint32_t)(cursor->items - ahead);
}

/* Hand out what a log holds from the cursor's position on. */
static bool
hand_out(leat_core *core, leat_cursor *cursor, uint64_t first, const uint8_t *log, size_t size)
{
    if (!open_frame(core, cursor->peer, 0))
        return false;
    if (first > cursor->handed + 1) { /* older ones are out of retention */
        cursor->handed = first - 1;
        cursor->acked = cursor->handed;
        cursor->expired = true;
    }
    const uint64_t skip = cursor->handed + 1 - first;
    const uint16_t n = slice_log(core, log, size, skip, credit_of(cursor),
                                 LEAT_FRAME_BYTES_CLOSE - cursor->peer->items_frame.size);
    if (n == 0 || !open_frame(core, cursor->peer, core->scratch.size))
        return false;
    put_run(core, cursor, cursor->handed + 1,
            flags_of(core, cursor) & (uint8_t)~LEAT_ITEMS_FINISHED, core->scratch.data,
            core->scratch.size);
    cursor->handed += n + (uint64_t)(LEAT_FAULT(CURSOR_SKIPS) && n > 2);
    return true;
}

struct log_answer {
    leat_core *core;
    leat_cursor *cursor;
    bool progress;
};

static void
on_log(void *context, const leat_fetched *fetched)
{
    struct log_answer *const answer = context;
    if (fetched->err == LEAT_ERR_OK) {
        answer->progress =
            hand_out(answer->core, answer->cursor, fetched->position, fetched->data, fetched->size);
    } else if (fetched->err == LEAT_ERR_NOT_FOUND || fetched->err == LEAT_ERR_CORRUPT) {
        /* Out of retention as a whole, or damaged from here on, which the store has logged: the
         * counters are what is left of it. Who waited for more would wait for ever. */
        answer->cursor->handed = answer->cursor->acked = answer->cursor->batch->durable_end;
        answer->cursor->expired = true;
        answer->progress = true;
    }
}

static bool
serve_from_store(leat_core *core, leat_cursor *cursor)
{
    const leat_batch *const batch = cursor->batch;
    const uint64_t position = cursor->handed + 1;
    uint64_t turn = 0;
    for (uint32_t i = batch->segment_count; i > 0 && turn == 0; i--) {
        if (batch->segments[i - 1].first <= position)
            turn = batch->segments[i - 1].turn;
    }
    const leat_fetch fetch = {
        .kind = LEAT_FETCH_LOG,
        .id = batch->id,
        .position = position,
        .turn = turn,
        .max_bytes = LEAT_FRAME_BYTES_CLOSE,
    };
    struct log_answer answer = {.core = core, .cursor = cursor};
    (void)leat_store_fetch(core->books[batch->durability].store, &fetch, 1, on_log, &answer);
    return answer.progress;
}

static bool
serve_from_piece(leat_core *core, leat_cursor *cursor, bool *found)
{
    const uint64_t position = cursor->handed + 1;
    *found = false;
    LEAT_LIST_FOREACH (node, &cursor->batch->pieces) {
        leat_piece *const piece = LEAT_CONTAINER_OF(node, leat_piece, of_batch);
        if (position >= piece->first && position < piece->first + piece->n) {
            *found = true;
            return hand_out(core, cursor, piece->first, piece->log.data, piece->log.size);
        }
    }
    return false;
}

static void
tell_end(leat_core *core, leat_cursor *cursor, uint8_t flags)
{
    if (cursor->told || !open_frame(core, cursor->peer, 0))
        return;
    put_run(core, cursor, cursor->handed + 1, flags, NULL, 0);
    cursor->told = true;
}

bool
leat_cursor_is_on_its_way(const leat_core *core, uint64_t id)
{
    for (int d = 0; d < LEAT_DURABILITY_COUNT; d++) {
        const leat_book *const book = &core->books[d];
        const uint64_t durable = leat_store_durable_upto(book->store);
        for (uint32_t i = book->lone_count; i > 0 && book->lone[i - 1].turn > durable; i--) {
            if (id >= book->lone[i - 1].id_min && id <= book->lone[i - 1].id_max)
                return true;
        }
    }
    return false;
}

/* False: it has to be looked at again when more is on disk. */
static bool
find_batch(leat_core *core, leat_cursor *cursor)
{
    if (cursor->batch != NULL || cursor->told)
        return true;
    /* Asked before, since it may arrive meanwhile. */
    const bool on_its_way = leat_cursor_is_on_its_way(core, cursor->batch_id);
    cursor->batch = leat_batch_find(core, cursor->batch_id);
    if (cursor->batch == NULL)
        return !on_its_way;
    leat_list_append(&cursor->batch->cursors, &cursor->of_batch);
    return true;
}

static void
serve(leat_core *core, leat_cursor *cursor)
{
    if (cursor->peer->route == 0)
        return;
    if (cursor->batch == NULL) {
        /* Out of retention; or else, with an id of an earlier life, it was in memory only. */
        const uint64_t id = cursor->batch_id;
        tell_end(core, cursor,
                 leat_archive_may_have_had(core, id) ? LEAT_ITEMS_UNKNOWN | LEAT_ITEMS_EXPIRED
                 : id < core->first_id_of_life       ? LEAT_ITEMS_LOST
                                                     : LEAT_ITEMS_UNKNOWN);
        return;
    }
    while (cursor->handed < cursor->batch->durable_end && credit_of(cursor) > 0) {
        if (cursor->goal_kind == LEAT_GOAL_COUNT && cursor->handed >= cursor->goal)
            break;
        bool in_memory;
        bool progress = serve_from_piece(core, cursor, &in_memory);
        if (!in_memory)
            progress = serve_from_store(core, cursor);
        if (!progress)
            break;
    }
    leat_batch_trim_pieces(cursor->batch);
    if (goal_is_reached(core, cursor))
        tell_end(core, cursor, flags_of(core, cursor) | LEAT_ITEMS_GOAL);
}

void
leat_cursor_release(leat_core *core)
{
    leat_list later;
    leat_list_init(&later);
    for (;;) {
        leat_list_node *const node = leat_list_take_first(&core->waking);
        if (node == NULL)
            break;
        leat_cursor *const cursor = LEAT_CONTAINER_OF(node, leat_cursor, waking);
        if (!find_batch(core, cursor)) {
            leat_list_append(&later, node);
            continue;
        }
        serve(core, cursor);
        leat_peer_speak(core, cursor->peer); /* its frame is closed with its answers */
    }
    leat_list_append_all(&core->waking, &later);
}
