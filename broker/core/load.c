/* Load: the live state from the store. Objects make channels, batches and sessions; packs make
 * items; turn records, in order, say what became of them; then every item is put into its line,
 * into the timers, or into the hands of the session that holds it. */
#include "broker/core/load.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/core/archive.h"
#include "broker/core/batch.h"
#include "broker/core/channel.h"
#include "broker/core/checkpoint.h"
#include "broker/core/failure.h"
#include "broker/core/hand.h"
#include "broker/core/hold.h"
#include "broker/core/lease.h"
#include "broker/core/link.h"
#include "broker/core/mark.h"
#include "broker/core/news.h"
#include "broker/core/object.h"
#include "broker/core/room.h"
#include "broker/core/share.h"
#include "broker/core/submit.h"
#include "broker/core/terms.h"
#include "broker/core/timer.h"
#include "broker/core/unique.h"
#include "broker/core/window.h"

#define NUMBERS_SKIPPED (1U << 22) /* of JOBS, at each start */

/* Until all turns are read, an item's due time lies in its links. */
static void
set_due(leat_item *item, uint64_t due_wall_ms)
{
    item->next = (uint32_t)(due_wall_ms >> 32);
    item->prev = (uint32_t)due_wall_ms;
}

static int64_t
take_due(leat_item *item)
{
    const uint64_t due = (uint64_t)item->next << 32 | item->prev;
    item->next = item->prev = LEAT_NOBODY;
    return (int64_t)due;
}

/* Items whose batch was not known when their pack was read: its record is in a turn. */
struct orphan {
    uint64_t item;
    uint64_t batch;
};

struct loading {
    leat_core *core;
    struct orphan *orphans;
    size_t orphan_count, orphan_capacity;
    uint64_t last_turn;
    leat_buf last_head;     /* of the pack before, without its place and times … */
    leat_terms *last_terms; /* … and its terms, kept: packs beside each other are often alike */
};

static leat_err
add_orphan(struct loading *l, uint64_t item, uint64_t batch)
{
    if (l->orphan_count == l->orphan_capacity) {
        const size_t capacity = l->orphan_capacity == 0 ? 1024 : l->orphan_capacity * 2;
        struct orphan *const orphans = realloc(l->orphans, capacity * sizeof *orphans);
        if (orphans == NULL)
            return LEAT_ERR_NOMEM;
        l->orphans = orphans;
        l->orphan_capacity = capacity;
    }
    l->orphans[l->orphan_count++] = (struct orphan){.item = item, .batch = batch};
    return LEAT_ERR_OK;
}

static leat_err
on_object(void *context, leat_object_kind kind, uint64_t id, const uint8_t *data, size_t size)
{
    const struct loading *const l = context;
    const leat_err err = leat_object_apply(l->core, kind, id, data, size);
    const leat_batch *const batch = err == LEAT_ERR_OK && kind == LEAT_OBJECT_BATCH
                                        ? leat_table_get(&l->core->batches, id)
                                        : NULL;
    if (batch != NULL && batch->finished)
        leat_archive_add(l->core, batch);
    return err;
}

static leat_err
add_item(struct loading *l,
         const leat_pack_head *head,
         leat_terms *terms,
         uint64_t id,
         const leat_pack_job *job)
{
    leat_core *const core = l->core;
    if (leat_items_find(&core->items, id) != LEAT_NOBODY)
        return LEAT_ERR_CORRUPT;
    const leat_err err = leat_items_reserve(&core->items, id, 1);
    if (err != LEAT_ERR_OK)
        return err;
    leat_item *const item = leat_items_at(&core->items, leat_items_add(&core->items, id));
    item->terms = terms->index;
    leat_terms_keep(terms);
    item->payload_bytes = job->payload_bytes & ((1U << 21) - 1);
    item->place = head->batch == 0      ? 1
                  : head->recovers != 0 ? head->place
                                        : head->place + job->offset;
    item->since_s = (uint32_t)((head->due_wall_ms > head->born_wall_ms ? head->due_wall_ms
                                                                       : head->born_wall_ms) /
                               1000);
    item->priority = terms->priority & 15U;
    item->flags = head->message ? LEAT_ITEM_MESSAGE : 0;
    leat_item_restore(item, terms->after != LEAT_AFTER_NOTHING ? LEAT_STATE_HELD
                            : head->due_wall_ms == 0           ? LEAT_STATE_READY
                                                               : LEAT_STATE_DELAYED);
    set_due(item, head->due_wall_ms);
    leat_room_promise(core, item);
    if (head->expires_wall_ms != 0)
        leat_timer_set(core, LEAT_TIMER_EXPIRE, (int64_t)head->expires_wall_ms, id, 1);
    leat_link *const link = head->recovers == 0 ? NULL : leat_link_ensure(core, item);
    if (link != NULL)
        link->recovers = head->recovers;
    if (head->batch == 0)
        return LEAT_ERR_OK;
    item->batch = leat_table_find(&core->batches, head->batch);
    return item->batch != LEAT_NOBODY ? LEAT_ERR_OK : add_orphan(l, id, head->batch);
}

/* What of a head decides the terms, as bytes. */
static void
put_likeness(const leat_pack_head *head, leat_buf *buf)
{
    leat_put_u64(buf, head->batch);
    leat_put_u64(buf, head->recovers);
    leat_put_u64(buf, head->expires_wall_ms);
    leat_put_u64(buf, head->owner.principal);
    leat_put_u64(buf, head->owner.share);
    leat_put_u8(buf, head->message ? 1 : 0);
    leat_put_text8(buf, head->channel);
    leat_put_text8(buf, head->handler);
    leat_put_text8(buf, head->flow);
    leat_put_bytes(buf, head->settings.data, head->settings.size);
}

/* Terms of a pack; they live as long as l->last_terms is not another. */
static leat_err
terms_of_pack(struct loading *l, const leat_pack_head *head, leat_terms **out)
{
    leat_core *const core = l->core;
    leat_buf *const likeness = &core->scratch;
    leat_buf_reset(likeness);
    put_likeness(head, likeness);
    if (likeness->failed)
        return LEAT_ERR_NOMEM;
    *out = l->last_terms;
    if (l->last_terms != NULL && likeness->size == l->last_head.size &&
        memcmp(likeness->data, l->last_head.data, likeness->size) == 0)
        return LEAT_ERR_OK;

    leat_err err;
    leat_channel *const channel = leat_channel_ensure(core, head->channel, &err);
    leat_settings settings;
    if (channel == NULL)
        return err;
    if (leat_settings_read(head->settings.data, head->settings.size, &settings) != LEAT_ERR_OK)
        return LEAT_ERR_CORRUPT;
    settings.flow = head->flow;
    leat_terms *const terms =
        leat_terms_ensure(core, channel, head->handler, &settings, head->owner,
                          head->recovers != 0 ? 0 : head->batch, head->expires_wall_ms, &err);
    if (terms == NULL)
        return err;
    channel->kind = head->message ? LEAT_KIND_MESSAGES : LEAT_KIND_JOBS;
    if (l->last_terms != NULL)
        leat_terms_drop(core, l->last_terms);
    *out = l->last_terms = terms;
    leat_buf_reset(&l->last_head);
    put_likeness(head, &l->last_head);
    return l->last_head.failed ? LEAT_ERR_NOMEM : LEAT_ERR_OK;
}

static leat_err
on_pack(void *context, uint64_t first_id, const uint8_t *data, size_t size)
{
    struct loading *const l = context;
    leat_pack pack;
    leat_pack_head head;
    leat_err err = leat_pack_open(data, size, &pack);
    if (err == LEAT_ERR_OK)
        err = leat_object_read_pack_head(pack.head, pack.head_size, &head);
    leat_terms *terms = NULL;
    if (err == LEAT_ERR_OK)
        err = terms_of_pack(l, &head, &terms);
    for (uint8_t i = 0; i < pack.count && err == LEAT_ERR_OK; i++) {
        leat_pack_job job;
        leat_pack_next(&pack, &job);
        err = add_item(l, &head, terms, first_id + job.offset, &job);
    }
    return err;
}

/* ------------------------------------------------------------------------------ turns */

static leat_err
epoch_index(leat_core *core, uint64_t epoch, uint8_t *index)
{
    for (uint32_t i = 0; i < core->epoch_count; i++) {
        if (core->epochs[i] == epoch) {
            *index = (uint8_t)i;
            return LEAT_ERR_OK;
        }
    }
    if (core->epoch_count >= UINT8_MAX)
        return LEAT_ERR_LIMIT;
    uint64_t *const epochs = realloc(core->epochs, (core->epoch_count + 1) * sizeof *epochs);
    if (epochs == NULL)
        return LEAT_ERR_NOMEM;
    core->epochs = epochs;
    *index = (uint8_t)core->epoch_count;
    epochs[core->epoch_count++] = epoch;
    return LEAT_ERR_OK;
}

leat_err
leat_load_epoch(leat_core *core, uint64_t epoch)
{
    uint8_t index;
    return epoch_index(core, epoch, &index);
}

/* What a turn record says of an object is not in the object's own record, and the turn goes with
 * the next round of the hand: the round has to write the object. */
static void
note_changed(leat_core *core, leat_object_kind kind, uint64_t id)
{
    leat_peer *const peer = kind == LEAT_OBJECT_SESSION ? leat_table_get(&core->peers, id) : NULL;
    leat_batch *const batch = kind == LEAT_OBJECT_BATCH ? leat_table_get(&core->batches, id) : NULL;
    if (peer != NULL)
        peer->dirty = true;
    if (batch != NULL && !batch->finished && !leat_list_is_linked(&batch->stale_node))
        leat_list_append(&core->stale, &batch->stale_node);
}

static leat_err
apply_leases(leat_core *core, const leat_turn_entry *entry)
{
    leat_peer *const peer = leat_table_get(&core->peers, entry->session);
    uint8_t epoch;
    const leat_err err = epoch_index(core, entry->epoch, &epoch);
    if (err != LEAT_ERR_OK)
        return err;
    for (uint32_t i = 0; i < entry->n; i++) {
        uint64_t id;
        uint32_t attempt;
        leat_turn_lease(entry, i, &id, &attempt);
        const uint32_t index = leat_items_find(&core->items, id);
        if (index == LEAT_NOBODY)
            continue; /* it has ended since, and its record is gone */
        leat_item *const item = leat_items_at(&core->items, index);
        if (attempt < item->attempt)
            continue;
        item->attempt = attempt;
        item->number = (uint32_t)(entry->number + i);
        item->epoch = epoch;
        item->holder = peer == NULL ? LEAT_NOBODY : peer->index;
        if (!leat_state_is_held_by_worker((leat_state)item->state))
            leat_item_restore(item, LEAT_STATE_LEASED);
    }
    if (peer != NULL && entry->number + entry->n > peer->next_number)
        peer->next_number = entry->number + entry->n;
    note_changed(core, LEAT_OBJECT_SESSION, entry->session);
    return LEAT_ERR_OK;
}

static void
drop_item(leat_core *core, uint64_t id)
{
    const uint32_t index = leat_items_find(&core->items, id);
    if (index == LEAT_NOBODY)
        return;
    leat_item *const item = leat_items_at(&core->items, index);
    leat_terms *const terms = leat_terms_of(core, item);
    leat_link_drop(core, item);
    leat_room_keep_promise(core, item);
    if (leat_items_remove(&core->items, index))
        leat_hand_clear(core, LEAT_DISK, id / LEAT_CHUNK_IDS);
    leat_terms_drop(core, terms);
}

/* Is this completion the job's end? A batch that has given up its claim on a job that lives on has
 * had one as well; the JOINS that do not name the claim any more were written before. A batch may
 * have several claims on one job, so the place tells them apart. */
static bool
is_end_of(leat_core *core, uint64_t batch, const leat_completion *completion)
{
    const uint64_t id = completion->job;
    const uint32_t index = leat_items_find(&core->items, id);
    if (index == LEAT_NOBODY)
        return true;
    const leat_item *const item = leat_items_at(&core->items, index);
    const leat_link *const link = leat_link_of(core, item);
    if (link == NULL || link->recovers != 0)
        return true;
    const leat_batch *const first =
        item->batch == LEAT_NOBODY ? NULL : leat_table_at(&core->batches, item->batch);
    if (batch == (first == NULL ? id : first->id) && completion->place == item->place)
        return true;
    for (uint32_t i = 0; i < link->count; i++) {
        const leat_batch *const joined = leat_table_at(&core->batches, link->joins[i].batch);
        if (joined->id == batch && completion->place == link->joins[i].place)
            return true;
    }
    return false;
}

/* A batch that was made in the same turn has its object behind the entry that names it. */
static leat_batch *
batch_named(leat_core *core, const leat_item *item, uint64_t id)
{
    leat_batch *const batch = leat_table_get(&core->batches, id);
    return batch != NULL ? batch : leat_batch_new(core, id, leat_class_of(core, item)->channel);
}

static leat_err
apply_joins(leat_core *core, const leat_turn_entry *entry)
{
    const uint32_t index = leat_items_find(&core->items, entry->id);
    if (index == LEAT_NOBODY)
        return LEAT_ERR_OK;
    leat_item *const item = leat_items_at(&core->items, index);
    const leat_link *const before = leat_link_of(core, item);
    const uint64_t recovers = before == NULL ? 0 : before->recovers; /* its pack has said so */
    leat_link_drop(core, item);
    leat_link *const link = leat_link_ensure(core, item);
    if (link == NULL)
        return LEAT_ERR_NOMEM;
    link->recovers = recovers;
    /* 0 and its own id: a batch of its own. What it recovers is found when all is read. */
    const leat_batch *const first = entry->batch == 0 || entry->batch == item->id || recovers != 0
                                        ? leat_table_get(&core->batches, entry->batch)
                                        : batch_named(core, item, entry->batch);
    item->batch = first == NULL ? LEAT_NOBODY : first->index;
    item->place = entry->place;
    for (uint32_t i = 0; i < entry->n; i++) {
        uint64_t batch;
        uint32_t place;
        leat_turn_lease(entry, i, &batch, &place);
        leat_batch *const joined = batch_named(core, item, batch);
        if (joined == NULL)
            return LEAT_ERR_NOMEM;
        const leat_err err = leat_link_add(core, link, joined, place);
        if (err != LEAT_ERR_OK)
            return err;
    }
    return LEAT_ERR_OK;
}

static leat_err
apply_ends(leat_core *core, uint64_t turn, const leat_turn_entry *entry)
{
    leat_reader log = leat_reader_over(entry->data, entry->size);
    leat_items_run run;
    if (leat_log_open(&log, &run) != LEAT_ERR_OK)
        return LEAT_ERR_CORRUPT;
    leat_batch *const batch = leat_table_get(&core->batches, entry->id);
    if (batch != NULL) {
        batch->counters = entry->counters;
        batch->durable_counters = entry->counters;
        batch->log_end = batch->durable_end = entry->number + run.n - 1;
        leat_batch_add_segment(core, batch, entry->number, turn);
        note_changed(core, LEAT_OBJECT_BATCH, batch->id);
    } else if ((entry->flags & LEAT_ENDS_ALONE) != 0) {
        leat_batch_note_lone(core, LEAT_DISK, turn, entry->id);
    }
    for (uint16_t i = 0; i < run.n; i++) {
        leat_completion completion;
        leat_items_next_completion(&log, &completion);
        if (is_end_of(core, entry->id != 0 ? entry->id : completion.job, &completion))
            drop_item(core, completion.job);
    }
    return LEAT_ERR_OK;
}

static void
apply_item(leat_core *core, const leat_turn_entry *entry)
{
    const uint32_t index = leat_items_find(&core->items, entry->id);
    if (index == LEAT_NOBODY || entry->state >= LEAT_STATE_COUNT)
        return;
    if (leat_state_is_final((leat_state)entry->state)) {
        drop_item(core, entry->id);
        return;
    }
    leat_item *const item = leat_items_at(&core->items, index);
    leat_item_restore(item, (leat_state)entry->state);
    item->flags = (uint8_t)((item->flags & (LEAT_ITEM_MESSAGE | LEAT_ITEM_JOINED)) | entry->flags);
    item->attempt = entry->attempt;
    item->failed = entry->failed;
    item->lost = (uint8_t)entry->lost;
    item->snoozed = entry->snoozed;
    set_due(item, entry->due_wall_ms);
}

static leat_err
apply_object(leat_core *core, const leat_turn_entry *entry)
{
    if (entry->size > 0) {
        const leat_object_kind kind = (leat_object_kind)entry->object_kind;
        const leat_err err = leat_object_apply(core, kind, entry->id, entry->data, entry->size);
        note_changed(core, kind, entry->id);
        return err;
    }
    if (entry->object_kind == LEAT_OBJECT_SESSION) {
        leat_peer *const peer = leat_table_get(&core->peers, entry->id);
        if (peer != NULL)
            peer->ended = true; /* freed by the first sweep; its leases are nobody's */
    }
    return LEAT_ERR_OK;
}

static leat_err
on_turn(void *context, uint64_t number, const uint8_t *data, size_t size)
{
    struct loading *const l = context;
    leat_reader record = leat_reader_over(data, size);
    leat_turn_entry entry;
    leat_err err = LEAT_ERR_OK;
    while (err == LEAT_ERR_OK && leat_turn_next(&record, &entry)) {
        leat_peer *peer;
        switch (entry.kind) {
        case LEAT_TURN_LEASES:
            err = apply_leases(l->core, &entry);
            break;
        case LEAT_TURN_ENDS:
            err = apply_ends(l->core, number, &entry);
            break;
        case LEAT_TURN_ITEM:
            apply_item(l->core, &entry);
            break;
        case LEAT_TURN_ANSWER:
            peer = leat_table_get(&l->core->peers, entry.session);
            if (peer != NULL)
                leat_window_restore(l->core, peer, entry.number, entry.command, entry.data,
                                    entry.size);
            note_changed(l->core, LEAT_OBJECT_SESSION, entry.session);
            break;
        case LEAT_TURN_CURSOR:
            break; /* cursors are said again by who waits */
        case LEAT_TURN_OBJECT:
            err = apply_object(l->core, &entry);
            break;
        case LEAT_TURN_IDS:
            l->core->reserved_upto = entry.number; /* a broker that ended in order lowers it */
            break;
        case LEAT_TURN_JOINS:
            err = apply_joins(l->core, &entry);
            break;
        }
    }
    if (number > l->last_turn)
        l->last_turn = number;
    return err == LEAT_ERR_OK && record.failed ? LEAT_ERR_CORRUPT : err;
}

/* ------------------------------------------------------------------------------ placing */

/* A unique key is taken by its live job. */
static void
place_unique(leat_core *core, const leat_item *item)
{
    const leat_terms *const terms = leat_terms_of(core, item);
    if (!terms->unique)
        return;
    const leat_settings settings = leat_terms_settings(terms);
    if (leat_unique_add(core, terms->class->channel, terms->principal, settings.unique,
                        settings.unique_for_ms, item->id) != LEAT_ERR_OK)
        leat_core_fault(core, LEAT_ERR_NOMEM);
}

static void
place(leat_core *core, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    const int64_t due = take_due(item);

    place_unique(core, item);
    if (leat_state_is_held_by_worker((leat_state)item->state)) {
        leat_peer *const holder =
            item->holder == LEAT_NOBODY ? NULL : leat_table_at(&core->peers, item->holder);
        if (holder != NULL && !holder->ended && (item->flags & LEAT_ITEM_MESSAGE) == 0) {
            leat_share_adopt(core, item);
            leat_lease_append(core, holder, index);
            return;
        }
        item->holder = LEAT_NOBODY;
        if (item->state == LEAT_STATE_STOPPING) { /* told to stop, and nobody has it any more */
            leat_item_restore(item, LEAT_STATE_CANCELLED);
            leat_lease_end(core, index, LEAT_OUTCOME_CANCELLED, NULL, 0, (leat_bytes){0});
            return;
        }
        if (item->state == LEAT_STATE_OVERDUE) {
            leat_lease_time_out(core, index, NULL);
            return;
        }
        leat_item_restore(item, LEAT_STATE_READY);
    }
    item->holder = LEAT_NOBODY;
    if (item->state == LEAT_STATE_HELD)
        leat_hold_add(core, index);
    else if (item->state == LEAT_STATE_DELAYED)
        leat_lease_delay_until(core, index, due);
    else
        leat_line_append(core, index); /* in order of ids: that is every item's old place */
}

/* Where the job stands in its batch, so that it is found by its place. */
static void
place_range(leat_core *core, const leat_item *item)
{
    const leat_link *const link = leat_link_of(core, item);
    leat_batch *const batch =
        item->batch == LEAT_NOBODY ? NULL : leat_table_at(&core->batches, item->batch);
    const bool recovers = link != NULL && link->recovers != 0;
    if (batch != NULL && (!batch->alone || recovers))
        leat_batch_add_range(core, batch, item->id, recovers ? 0 : item->place, 1);
}

static int
by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Will it end as soon as it is placed? */
static bool
ends_at_once(leat_core *core, const leat_item *item)
{
    if (item->state == LEAT_STATE_HELD)
        return item->holder == LEAT_NOBODY &&
               leat_batch_find(core, leat_terms_of(core, item)->after_batch) == NULL;
    if (item->state != LEAT_STATE_STOPPING && item->state != LEAT_STATE_OVERDUE)
        return false;
    const leat_peer *const holder =
        item->holder == LEAT_NOBODY ? NULL : leat_table_at(&core->peers, item->holder);
    return holder == NULL || holder->ended;
}

static void
place_leaf(leat_core *core, uint64_t number, bool ending)
{
    const leat_leaf *leaf = leat_items_leaf(&core->items, number);
    for (uint32_t k = 0; k < 512 && leaf != NULL; k++) {
        const uint32_t index = leaf->items[k];
        if (index == LEAT_NOBODY || number * 512 + k >= core->first_id_of_life)
            continue; /* … or it was sent just now, and stands where it belongs */
        if (!ending)
            place_range(core, leat_items_at(&core->items, index));
        if (ends_at_once(core, leat_items_at(&core->items, index)) == ending)
            place(core, index);
        leaf = leat_items_leaf(&core->items, number); /* its last item may have ended */
    }
}

/* First what lives on: what ends at once may be waited for, and is found only while it is alive. */
static leat_err
place_all(leat_core *core)
{
    const uint32_t count = core->items.leaf_count;
    uint64_t *const leaves = malloc((count == 0 ? 1 : count) * sizeof *leaves);
    if (leaves == NULL)
        return LEAT_ERR_NOMEM;
    (void)leat_items_leaves(&core->items, leaves, count);
    qsort(leaves, count, sizeof *leaves, by_number);
    for (uint32_t i = 0; i < count; i++)
        place_leaf(core, leaves[i], false);
    for (uint32_t i = 0; i < count; i++)
        place_leaf(core, leaves[i], true);
    free(leaves);
    return LEAT_ERR_OK;
}

/* Sessions hold their leases in the order of their numbers. */
static leat_err
sort_leases(leat_core *core)
{
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0;
         i = leat_table_next(&core->peers, i)) {
        leat_peer *const peer = leat_table_at(&core->peers, i);
        uint64_t *const order = malloc((peer->held + 1U) * sizeof *order);
        uint32_t count = 0;
        if (order == NULL)
            return LEAT_ERR_NOMEM;
        for (uint32_t index = peer->lease_head; index != LEAT_NOBODY;) {
            const leat_item *const item = leat_items_at(&core->items, index);
            /* How far it is behind the next number: 32 bits of that are kept. */
            const uint32_t behind = (uint32_t)peer->next_number - item->number;
            order[count++] = (uint64_t)(UINT32_MAX - behind) << 32 | index;
            index = item->next;
        }
        qsort(order, count, sizeof *order, by_number);
        peer->lease_head = peer->lease_tail = LEAT_NOBODY;
        for (uint32_t k = 0; k < count; k++) {
            leat_item *const item = leat_items_at(&core->items, (uint32_t)order[k]);
            item->prev = peer->lease_tail;
            item->next = LEAT_NOBODY;
            if (peer->lease_tail == LEAT_NOBODY)
                peer->lease_head = (uint32_t)order[k];
            else
                leat_items_at(&core->items, peer->lease_tail)->next = (uint32_t)order[k];
            peer->lease_tail = (uint32_t)order[k];
        }
        free(order);
    }
    return LEAT_ERR_OK;
}

/* The batch of one of a dead job whose recover job has not ended. */
static leat_batch *
lone_batch(leat_core *core, const leat_item *item, uint64_t id)
{
    leat_batch *const batch = leat_batch_new(core, id, leat_class_of(core, item)->channel);
    if (batch == NULL)
        return NULL;
    batch->alone = batch->sealed = true;
    batch->class = leat_class_of(core, item)->index;
    batch->principal = leat_terms_of(core, item)->principal;
    batch->counters.total = batch->durable_counters.total = 1;
    return batch;
}

static leat_err
adopt(struct loading *l)
{
    leat_core *const core = l->core;
    for (size_t i = 0; i < l->orphan_count; i++) {
        const uint32_t index = leat_items_find(&core->items, l->orphans[i].item);
        if (index == LEAT_NOBODY)
            continue;
        leat_item *const item = leat_items_at(&core->items, index);
        if (item->batch != LEAT_NOBODY)
            continue; /* it has another one now, which joined it */
        item->batch = leat_table_find(&core->batches, l->orphans[i].batch);
        const leat_link *const link = leat_link_of(core, item);
        if (item->batch == LEAT_NOBODY && link != NULL && link->recovers == l->orphans[i].batch) {
            const leat_batch *const batch = lone_batch(core, item, l->orphans[i].batch);
            item->batch = batch == NULL ? LEAT_NOBODY : batch->index;
        }
        if (item->batch == LEAT_NOBODY)
            return LEAT_ERR_CORRUPT; /* a job without the batch that it was accepted with */
    }
    for (uint32_t i = leat_table_next(&core->batches, 0); i != 0;
         i = leat_table_next(&core->batches, i)) {
        const leat_batch *const batch = leat_table_at(&core->batches, i);
        leat_peer *const peer = leat_table_get(&core->peers, batch->session);
        if (batch->tag != 0 && peer != NULL && !peer->ended &&
            leat_peer_tag(peer, batch->tag, batch->id) != LEAT_ERR_OK)
            return LEAT_ERR_NOMEM;
    }
    return LEAT_ERR_OK;
}

/* Jobs of memory channels have numbers that no record tells, as many as were given out since the
 * session was last written: go on behind them. */
static void
skip_numbers(leat_core *core)
{
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0;
         i = leat_table_next(&core->peers, i)) {
        leat_peer *const peer = leat_table_at(&core->peers, i);
        peer->next_number += NUMBERS_SKIPPED;
        peer->dirty = true;
    }
}

/* What was to be ended and has not been yet. */
static void
resume_marks(leat_core *core)
{
    for (uint32_t i = leat_table_next(&core->batches, 0); i != 0;
         i = leat_table_next(&core->batches, i)) {
        leat_batch *const batch = leat_table_at(&core->batches, i);
        if (batch->cancel_upto != 0 && !leat_batch_is_over(batch))
            leat_mark_batch(core, batch, batch->cancel_running);
    }
    for (uint32_t i = leat_table_next(&core->channels, 0); i != 0;
         i = leat_table_next(&core->channels, i)) {
        leat_channel *const channel = leat_table_at(&core->channels, i);
        if (channel->purged_upto != 0)
            leat_mark_channel(core, channel, channel->purged_upto);
    }
}

leat_err
leat_load_all(leat_core *core, char why[256])
{
    struct loading l = {.core = core};
    leat_loaded loaded = {0};
    const leat_load load = {
        .context = &l, .object = on_object, .pack = on_pack, .turn = on_turn, .loaded = &loaded};
    leat_news_started(core);
    leat_room_begin(core); /* is the disk full? */
    leat_err err = leat_store_load(core->books[LEAT_DISK].store, &load);
    if (l.last_terms != NULL)
        leat_terms_drop(core, l.last_terms);
    leat_buf_fini(&l.last_head);
    leat_archive_sort(core);
    if (err == LEAT_ERR_OK)
        leat_failure_settle(core);
    if (err == LEAT_ERR_OK)
        err = adopt(&l);
    if (err == LEAT_ERR_OK)
        leat_checkpoint_settle(core);
    /* Ids of the block that was reserved last may have been given out: begin behind it. What ends
     * while it is placed may have jobs that follow it. */
    if (core->reserved_upto == 0)
        core->reserved_upto = 1;
    if (loaded.is_copy) /* what was given out since the backup is known to others */
        core->reserved_upto += LEAT_ID_RESTORE_SKIP;
    core->next_id = core->first_id_of_life = core->reserved_upto;
    core->reserved_upto += LEAT_ID_RESERVE;
    /* What ends while it is placed is in the turn behind the last one. */
    if (core->books[LEAT_DISK].number < l.last_turn)
        core->books[LEAT_DISK].number = l.last_turn;
    if (err == LEAT_ERR_OK)
        err = place_all(core);
    if (err == LEAT_ERR_OK)
        err = sort_leases(core);
    if (err == LEAT_ERR_OK)
        resume_marks(core);
    skip_numbers(core);
    free(l.orphans);
    if (err == LEAT_ERR_OK)
        err = core->fault;
    if (err == LEAT_ERR_OK)
        leat_batch_sweep(core); /* those that are but a record leave memory at once */
    if (err == LEAT_ERR_CORRUPT)
        (void)snprintf(
            why, 256,
            "%.140s; nothing was changed. `leat store check` names all that is damaged; put "
            "a backup in its place",
            loaded.damage[0] != '\0' ? loaded.damage : "a record contradicts the others");
    else if (err != LEAT_ERR_OK)
        (void)snprintf(why, 256, "the store cannot be loaded: %s", leat_err_message(err));
    return err;
}
