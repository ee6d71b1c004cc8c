/* Batches: counters, and a log of completions that every waiter reads from its own position.
 *
 * Within a turn completions collect in batch->log; at the end of the turn (or when it is long) the
 * log becomes one ENDS entry of the turn record. While somebody waits, a copy is kept as a piece,
 * so that waiters at the end of the log are served from memory; who is further behind reads the
 * store, where segments say in which turn record a position lies until it has moved into history.
 */
#include "broker/core/batch.h"

#include <stdlib.h>
#include <string.h>

#include "broker/core/archive.h"
#include "broker/core/cursor.h"
#include "broker/core/hold.h"
#include "broker/core/lease.h"
#include "broker/core/link.h"
#include "broker/core/mark.h"
#include "broker/core/news.h"
#include "broker/core/object.h"
#include "broker/core/outbox.h"
#include "broker/core/terms.h"
#include "broker/core/watch.h"

#define PIECE_BYTES_MAX 4194304U /* of one batch, kept in memory */
#define LOG_BYTES_MAX   1048576U /* of one ENDS entry, and one result more */

leat_batch *
leat_batch_new(leat_core *core, uint64_t id, leat_channel *channel)
{
    leat_batch *const batch = calloc(1, sizeof *batch);
    if (batch == NULL)
        return NULL;
    if (leat_table_add(&core->batches, id, batch, &batch->index) != LEAT_ERR_OK) {
        free(batch);
        return NULL;
    }
    batch->id = id;
    batch->channel = channel->index;
    batch->durability = channel->durability;
    leat_list_init(&batch->pieces);
    leat_list_init(&batch->cursors);
    leat_list_init(&batch->watches);
    return batch;
}

static void
drop_piece(leat_batch *batch, leat_piece *piece)
{
    batch->piece_bytes -= piece->log.size;
    leat_list_remove(&piece->of_batch);
    leat_buf_fini(&piece->log);
    free(piece);
}

void
leat_batch_free(leat_core *core, leat_batch *batch)
{
    assert(leat_list_is_empty(&batch->cursors));

    leat_watch_batch_gone(core, batch);
    while (!leat_list_is_empty(&batch->pieces))
        drop_piece(batch, LEAT_CONTAINER_OF(leat_list_first(&batch->pieces), leat_piece, of_batch));
    if (leat_list_is_linked(&batch->finished_node))
        leat_list_remove(&batch->finished_node);
    if (leat_list_is_linked(&batch->stale_node))
        leat_list_remove(&batch->stale_node);
    if (leat_list_is_linked(&batch->deciding))
        leat_list_remove(&batch->deciding);
    leat_table_remove(&core->batches, batch->id);
    leat_buf_fini(&batch->log);
    free(batch->labels);
    free(batch->log_workers);
    free(batch->segments);
    free(batch->ranges);
    free(batch->afters);
    free(batch);
}

void
leat_batch_set_labels(leat_core *core, leat_batch *batch, leat_text labels)
{
    free(batch->labels);
    batch->labels = labels.size == 0 ? NULL : strndup(labels.data, labels.size);
    if (labels.size > 0 && batch->labels == NULL)
        leat_core_fault(core, LEAT_ERR_NOMEM);
}

/* ------------------------------------------------------------------------------ its jobs */

void
leat_batch_add_range(leat_core *core, leat_batch *batch, uint64_t id, uint32_t place, uint32_t n)
{
    struct leat_range *const last =
        batch->range_count == 0 ? NULL : &batch->ranges[batch->range_count - 1];
    if (last != NULL && last->id + last->n == id && last->place + last->n == place &&
        (place == 0) == (last->place == 0)) {
        last->n += n;
        return;
    }
    if (batch->range_count == batch->range_capacity) {
        const uint32_t capacity = batch->range_capacity == 0 ? 4 : batch->range_capacity * 2;
        struct leat_range *const ranges = realloc(batch->ranges, capacity * sizeof *ranges);
        if (ranges == NULL) {
            leat_core_fault(core, LEAT_ERR_NOMEM);
            return;
        }
        batch->ranges = ranges;
        batch->range_capacity = capacity;
    }
    assert(batch->ranges != NULL);
    batch->ranges[batch->range_count++] = (struct leat_range){.id = id, .place = place, .n = n};
}

uint64_t
leat_batch_job(const leat_batch *batch, uint32_t place)
{
    if (batch->alone)
        return place == 1 ? batch->id : 0;
    for (uint32_t i = 0; i < batch->range_count; i++) {
        const struct leat_range *const range = &batch->ranges[i];
        if (range->place != 0 && place >= range->place && place - range->place < range->n)
            return range->id + (place - range->place);
    }
    return 0;
}

void
leat_batch_touch(leat_core *core, leat_batch *batch)
{
    if (batch->touched)
        return;
    if (core->touched_count == core->touched_capacity) {
        const uint32_t capacity = core->touched_capacity == 0 ? 64 : core->touched_capacity * 2;
        uint32_t *const touched = realloc(core->touched, capacity * sizeof *touched);
        if (touched == NULL) {
            leat_core_fault(core, LEAT_ERR_NOMEM);
            return;
        }
        core->touched = touched;
        core->touched_capacity = capacity;
    }
    core->touched[core->touched_count++] = batch->index;
    batch->touched = true;
}

/* ------------------------------------------------------------------------------ completing */

static void
count_end(leat_counters *counters, leat_outcome outcome)
{
    switch (outcome) {
    case LEAT_OUTCOME_DONE:
        counters->done++;
        break;
    case LEAT_OUTCOME_DEAD:
        counters->dead++;
        break;
    case LEAT_OUTCOME_CANCELLED:
        counters->cancelled++;
        break;
    case LEAT_OUTCOME_EXPIRED:
        counters->expired++;
        break;
    case LEAT_OUTCOME_SKIPPED:
        counters->skipped++;
        break;
    case LEAT_OUTCOME_LOST:
        assert(false && "a job that is in the table is not lost");
    }
}

/* The worker's place among the names of this flush. */
static uint16_t
name_worker(leat_core *core, leat_batch *batch, leat_peer *worker)
{
    if (worker == NULL)
        return LEAT_NO_WORKER;
    if (worker->stamp == batch->log_stamp)
        return worker->stamp_index;
    /* It may have been named here before and have ended jobs of another batch since. */
    for (uint16_t i = batch->log_worker_count; i > 0; i--) {
        if (batch->log_workers[i - 1] == worker->index) {
            worker->stamp = batch->log_stamp;
            worker->stamp_index = (uint16_t)(i - 1);
            return worker->stamp_index;
        }
    }
    if (batch->log_worker_count == batch->log_worker_capacity) {
        const uint16_t capacity =
            batch->log_worker_capacity == 0 ? 8 : (uint16_t)(batch->log_worker_capacity * 2);
        uint32_t *const workers = realloc(batch->log_workers, capacity * sizeof *workers);
        if (workers == NULL) {
            leat_core_fault(core, LEAT_ERR_NOMEM);
            return LEAT_NO_WORKER;
        }
        batch->log_workers = workers;
        batch->log_worker_capacity = capacity;
    }
    batch->log_workers[batch->log_worker_count] = worker->index;
    worker->stamp = batch->log_stamp;
    worker->stamp_index = batch->log_worker_count;
    return batch->log_worker_count++;
}

void
leat_batch_note_lone(leat_core *core, leat_durability durability, uint64_t turn, uint64_t id)
{
    leat_book *const book = &core->books[durability];
    if (book->lone_count == 0 || book->lone[book->lone_count - 1].turn != turn) {
        if (book->lone_count == book->lone_capacity) {
            const size_t capacity = book->lone_capacity == 0 ? 64 : (size_t)book->lone_capacity * 2;
            leat_lone *const lone = realloc(book->lone, capacity * sizeof *lone);
            if (lone == NULL) {
                leat_core_fault(core, LEAT_ERR_NOMEM);
                return;
            }
            book->lone = lone;
            book->lone_capacity = (uint32_t)capacity;
        }
        book->lone[book->lone_count++] = (leat_lone){.turn = turn, .id_min = id, .id_max = id};
    }
    leat_lone *const last = &book->lone[book->lone_count - 1];
    if (id < last->id_min)
        last->id_min = id;
    if (id > last->id_max)
        last->id_max = id;
}

/* What the store keeps of completions, by the rule of their channel. What somebody waits for is
 * kept like all else: it has not been read. */
static uint8_t
flags_of_ends(const leat_channel *channel, bool is_waited_for)
{
    if (is_waited_for || channel->rules.keep == LEAT_KEEP_ALL)
        return 0;
    return channel->rules.keep == LEAT_KEEP_NONE ? LEAT_ENDS_FORGET : LEAT_ENDS_FAILED;
}

/* A batch of one without an object: its whole log is this one completion. */
static void
complete_lone(leat_core *core,
              const leat_item *item,
              leat_completion *completion,
              leat_peer *worker)
{
    const leat_durability durability = leat_item_durability(core, item);
    leat_book *const book = &core->books[durability];
    leat_counters counters = {.total = 1};
    leat_buf *const log = &core->scratch;

    count_end(&counters, completion->outcome);
    leat_buf_reset(log);
    leat_put_u16(log, worker == NULL ? 0 : 1);
    if (worker != NULL)
        leat_put_text8(log, leat_text_of(worker->name));
    leat_put_u16(log, 1);
    completion->worker = worker == NULL ? LEAT_NO_WORKER : 0;
    leat_items_put_completion(log, completion);
    leat_turn_put_ends(&book->turn, item->id, 1,
                       LEAT_ENDS_ALONE | flags_of_ends(leat_class_of(core, item)->channel, false),
                       &counters, log->data, log->size);
    leat_batch_note_lone(core, durability, book->number + 1, item->id);
    leat_news_alone(core, LEAT_NEWS_BATCH_FINISHED, item, &counters);
}

static void flush_log(leat_core *core, leat_batch *batch);

/* Enough has happened for the rest to be given up? */
static bool
halts(const leat_batch *batch)
{
    const leat_counters *const c = &batch->counters;
    const uint64_t ended = leat_counters_ended(c);
    uint64_t n = batch->halt.n;
    if (batch->halt.on == LEAT_HALT_NEVER || batch->halted ||
        (batch->halt.percent && !batch->sealed))
        return false;
    if (batch->halt.percent)
        n = (c->total * n + 99) / 100;
    switch (batch->halt.on) {
    case LEAT_HALT_NEVER:
        break;
    case LEAT_HALT_FAIL:
        return ended - c->done >= n;
    case LEAT_HALT_SUCCESS:
        return c->done >= n;
    case LEAT_HALT_DONE:
        return ended >= n;
    }
    return false;
}

/* A completion has come into the log. */
static void
note_completion(leat_core *core, leat_batch *batch, leat_outcome outcome)
{
    batch->log_n++;
    batch->log_end++;
    count_end(&batch->counters, outcome);
    leat_batch_touch(core, batch);
    leat_hold_look(core, batch);
    if (batch->log_n == LEAT_RECORDS_MAX || batch->log.size > LOG_BYTES_MAX)
        flush_log(core, batch);
    if (halts(batch)) {
        batch->halted = true;
        batch->dirty = !batch->alone;
        leat_mark_batch(core, batch, batch->halt.running);
    }
}

void
leat_batch_complete(leat_core *core,
                    const leat_item *item,
                    uint32_t index,
                    uint32_t place,
                    leat_outcome outcome,
                    leat_peer *worker,
                    uint64_t run_us,
                    leat_bytes result)
{
    const leat_link *const link = leat_link_of(core, item);
    leat_completion completion = {
        .job = link == NULL || link->recovers == 0 ? item->id : link->recovers,
        .place = place,
        .attempt = item->attempt,
        .outcome = outcome,
        .ended_ms = (uint64_t)core->now.wall_ms,
        .run_us = run_us,
        .result = result,
    };
    core->books[leat_item_durability(core, item)].ends++;
    if (index == LEAT_NOBODY) {
        complete_lone(core, item, &completion, worker);
        return;
    }
    leat_batch *const batch = leat_table_at(&core->batches, index);
    if (batch->log_n == 0)
        batch->log_stamp = ++core->stamp;
    completion.worker = name_worker(core, batch, worker);
    leat_items_put_completion(&batch->log, &completion);
    note_completion(core, batch, outcome);
    if (!leat_list_is_empty(&batch->watches))
        leat_watch_completed(batch, place);
}

void
leat_batch_copy_completion(leat_core *core, leat_batch *batch, leat_completion *completion)
{
    if (batch->log_n == 0)
        batch->log_stamp = ++core->stamp;
    completion->worker = LEAT_NO_WORKER; /* who had it may be long gone */
    leat_items_put_completion(&batch->log, completion);
    note_completion(core, batch, completion->outcome);
}

bool
leat_batch_is_over(const leat_batch *batch)
{
    return leat_counters_ended(&batch->counters) == batch->counters.total;
}

static bool
is_over(const leat_batch *batch)
{
    return batch->sealed && leat_batch_is_over(batch);
}

void
leat_batch_seal(leat_core *core, leat_batch *batch, bool abandoned)
{
    if (batch->sealed)
        return;
    batch->sealed = true;
    batch->abandoned = abandoned;
    batch->dirty = true;
    leat_news_batch(core, LEAT_NEWS_BATCH_SEALED, batch);
    leat_batch_touch(core, batch);
    leat_hold_look(core, batch);
    if (halts(batch)) {
        batch->halted = true;
        leat_mark_batch(core, batch, batch->halt.running);
    }
}

/* ------------------------------------------------------------------------------ end of the turn */

void
leat_batch_add_segment(leat_core *core, leat_batch *batch, uint64_t first, uint64_t turn)
{
    if (batch->segment_count > 0 && batch->segments[batch->segment_count - 1].turn == turn)
        return;
    if (batch->segment_count == batch->segment_capacity) {
        /* First let go of what has moved into history. */
        leat_store_facts facts;
        leat_store_get_facts(core->books[batch->durability].store, &facts);
        uint32_t gone = 0;
        while (gone < batch->segment_count && batch->segments[gone].turn < facts.trimmed)
            gone++;
        batch->segment_count -= gone;
        if (gone > 0)
            memmove(batch->segments, batch->segments + gone,
                    batch->segment_count * sizeof *batch->segments);
    }
    if (batch->segment_count == batch->segment_capacity) {
        const uint32_t capacity = batch->segment_capacity == 0 ? 4 : batch->segment_capacity * 2;
        leat_segment *const segments = realloc(batch->segments, capacity * sizeof *segments);
        if (segments == NULL) {
            leat_core_fault(core, LEAT_ERR_NOMEM);
            return;
        }
        batch->segments = segments;
        batch->segment_capacity = capacity;
    }
    batch->segments[batch->segment_count++] = (leat_segment){.first = first, .turn = turn};
}

static void
keep_piece(leat_core *core, leat_batch *batch, uint64_t first, leat_buf *log)
{
    leat_piece *const piece = calloc(1, sizeof *piece);
    if (piece == NULL) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    piece->first = first;
    piece->n = batch->log_n;
    piece->log = *log;
    leat_buf_init(log);
    batch->piece_bytes += piece->log.size;
    leat_list_append(&batch->pieces, &piece->of_batch);
    while (batch->piece_bytes > PIECE_BYTES_MAX) {
        leat_piece *const oldest =
            LEAT_CONTAINER_OF(leat_list_first(&batch->pieces), leat_piece, of_batch);
        if (oldest == piece)
            break;
        drop_piece(batch, oldest);
    }
}

/* The completions of this turn so far become an ENDS entry. */
static void
flush_log(leat_core *core, leat_batch *batch)
{
    leat_book *const book = &core->books[batch->durability];
    const uint64_t first = batch->log_end - batch->log_n + 1;
    leat_buf log = {0};

    leat_put_u16(&log, batch->log_worker_count);
    for (uint16_t i = 0; i < batch->log_worker_count; i++) {
        const leat_peer *const worker = leat_table_at(&core->peers, batch->log_workers[i]);
        leat_put_text8(&log, leat_text_of(worker->name));
    }
    leat_put_u16(&log, batch->log_n);
    leat_put_bytes(&log, batch->log.data, batch->log.size);
    if (log.failed || batch->log.failed)
        leat_core_fault(core, LEAT_ERR_NOMEM);
    const uint8_t flags = flags_of_ends(leat_table_at(&core->channels, batch->channel),
                                        !leat_list_is_empty(&batch->cursors));
    leat_turn_put_ends(&book->turn, batch->id, first, (batch->alone ? LEAT_ENDS_ALONE : 0U) | flags,
                       &batch->counters, log.data, log.size);
    leat_batch_add_segment(core, batch, first, book->number + 1);
    if (batch->alone)
        leat_batch_note_lone(core, batch->durability, book->number + 1, batch->id);
    if (!leat_list_is_empty(&batch->cursors))
        keep_piece(core, batch, first, &log);
    leat_buf_fini(&log);
    if (batch->log.capacity > 65536)
        leat_buf_fini(&batch->log); /* many batches may be alive */
    leat_buf_reset(&batch->log);
    batch->log_n = 0;
    batch->log_worker_count = 0;
}

void
leat_batch_write_turn(leat_core *core)
{
    for (uint32_t i = 0; i < core->touched_count; i++) {
        leat_batch *const batch = leat_table_at(&core->batches, core->touched[i]);
        leat_book *const book = &core->books[batch->durability];
        if (batch->log_n > 0)
            flush_log(core, batch);
        if (!batch->alone && !batch->finished && !leat_list_is_linked(&batch->stale_node))
            leat_list_append(&core->stale, &batch->stale_node);
        if (!batch->finished && is_over(batch)) {
            batch->finished = true;
            batch->ended_ms = core->now.wall_ms;
            batch->dirty = true;
            leat_news_batch(core, LEAT_NEWS_BATCH_FINISHED, batch);
            if (!batch->alone)
                leat_archive_add(core, batch);
            leat_list_append(&core->finished, &batch->finished_node);
        }
        if (batch->dirty && !batch->alone) {
            leat_buf *const record = &core->scratch;
            leat_buf_reset(record);
            leat_object_put_batch(core, batch, record);
            leat_turn_put_object(&book->turn, LEAT_OBJECT_BATCH, batch->id, record->data,
                                 record->size);
            if (batch->finished) {
                if (leat_list_is_linked(&batch->stale_node))
                    leat_list_remove(&batch->stale_node);
                /* Its last word: the record by which it is found when it is no longer in memory. */
                leat_changes_put(&book->changes, LEAT_OBJECT_BATCH, batch->id, record->data,
                                 record->size);
            }
            batch->dirty = false;
        }
        batch->touched = false;
        batch->number = book->number + 1;
        leat_effect *const effect = leat_outbox_add(core, batch->durability, LEAT_EFFECT_LOG);
        if (effect != NULL) {
            effect->batch = batch->id;
            effect->position = batch->log_end;
            effect->counters = batch->counters;
        }
    }
    core->touched_count = 0;
}

void
leat_batch_durable(leat_core *core, uint64_t id, uint64_t position, const leat_counters *counters)
{
    leat_batch *const batch = leat_table_get(&core->batches, id);
    if (batch == NULL)
        return;
    if (position > batch->durable_end)
        batch->durable_end = position;
    batch->durable_counters = *counters;
    if (!leat_list_is_empty(&batch->watches))
        leat_watch_durable(core, batch);
    LEAT_LIST_FOREACH (node, &batch->cursors)
        leat_cursor_wake(core, LEAT_CONTAINER_OF(node, leat_cursor, of_batch));
}

void
leat_batch_trim_pieces(leat_batch *batch)
{
    uint64_t slowest = UINT64_MAX;
    LEAT_LIST_FOREACH (node, &batch->cursors) {
        const leat_cursor *const cursor = LEAT_CONTAINER_OF(node, leat_cursor, of_batch);
        if (cursor->handed < slowest)
            slowest = cursor->handed;
    }
    for (;;) {
        leat_list_node *const node = leat_list_first(&batch->pieces);
        if (node == NULL)
            return;
        leat_piece *const piece = LEAT_CONTAINER_OF(node, leat_piece, of_batch);
        if (piece->first + piece->n - 1 > slowest)
            return;
        drop_piece(batch, piece);
    }
}

void
leat_batch_sweep(leat_core *core)
{
    leat_store_facts facts[LEAT_DURABILITY_COUNT];
    for (int d = 0; d < LEAT_DURABILITY_COUNT; d++) {
        leat_book *const book = &core->books[d];
        leat_store_get_facts(book->store, &facts[d]);
        uint32_t gone = 0;
        while (gone < book->lone_count && book->lone[gone].turn < facts[d].trimmed)
            gone++;
        if (gone > 0) {
            book->lone_count -= gone;
            memmove(book->lone, book->lone + gone, book->lone_count * sizeof *book->lone);
        }
    }
    LEAT_LIST_FOREACH_SAFE (node, after, &core->finished) {
        leat_batch *const batch = LEAT_CONTAINER_OF(node, leat_batch, finished_node);
        const uint64_t last =
            batch->segment_count == 0 ? 0 : batch->segments[batch->segment_count - 1].turn;
        if (last != 0 && last >= facts[batch->durability].trimmed)
            break; /* the ones behind it have finished later */
        if (leat_list_is_empty(&batch->cursors) && !batch->touched && batch->waiters == 0 &&
            batch->parked == 0 && batch->joins == 0) {
            const uint64_t id = batch->id;
            const bool out = batch->out;
            const bool memory = batch->durability == LEAT_MEMORY;
            leat_batch_free(core, batch);
            if (out)
                leat_archive_left(core, id, memory);
        }
    }
}
