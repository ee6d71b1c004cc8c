/* Checkpoints: what a running job has left for its next attempt.
 *
 * The bytes are an object in the store, one a job: a newer one takes its place, so that no number
 * of checkpoints makes the store or its turns grow, and the load reads each once. It is written in
 * the commit that acknowledges it, and goes in the commit of the job's end. Memory has a small
 * record of each; the bytes are fetched when JOBS are written, as payloads are. */
#include "broker/core/checkpoint.h"

#include <stdlib.h>

#include "broker/core/lease.h"
#include "broker/core/room.h"

#define FORMAT 1U

static leat_checkpoint *
find(const leat_core *core, const leat_item *item)
{
    return (item->flags & (LEAT_ITEM_MESSAGE | LEAT_ITEM_TELLS)) != LEAT_ITEM_TELLS
               ? NULL
               : leat_table_get(&core->checkpoints, item->id);
}

uint32_t
leat_checkpoint_bytes(const leat_core *core, const leat_item *item)
{
    const leat_checkpoint *const checkpoint = find(core, item);
    return checkpoint == NULL ? 0 : checkpoint->bytes;
}

static leat_book *
book_of(leat_core *core, const leat_checkpoint *checkpoint)
{
    return &core->books[checkpoint->memory ? LEAT_MEMORY : LEAT_DISK];
}

static void
forget(leat_core *core, leat_checkpoint *checkpoint)
{
    leat_table_remove(&core->checkpoints, checkpoint->job);
    free(checkpoint);
}

/* NULL: there are too many, or no memory. */
static leat_checkpoint *
add(leat_core *core, uint64_t job, leat_err *err)
{
    *err = core->checkpoints.count >= LEAT_CHECKPOINTS_MAX ? LEAT_ERR_LIMIT : LEAT_ERR_NOMEM;
    leat_checkpoint *const checkpoint =
        *err == LEAT_ERR_LIMIT ? NULL : calloc(1, sizeof *checkpoint);
    if (checkpoint == NULL)
        return NULL;
    checkpoint->job = job;
    if (leat_table_add(&core->checkpoints, job, checkpoint, &checkpoint->index) == LEAT_ERR_OK)
        return checkpoint;
    free(checkpoint);
    return NULL;
}

/* ------------------------------------------------------------------------------ keeping */

void
leat_checkpoint_drop(leat_core *core, const leat_item *item)
{
    leat_checkpoint *const checkpoint = find(core, item);
    if (checkpoint == NULL)
        return;
    leat_changes_drop(&book_of(core, checkpoint)->changes, LEAT_OBJECT_CHECKPOINT, item->id);
    forget(core, checkpoint);
}

/* A frame that was lost and comes again may come behind a later one. */
static bool
is_overtaken(const leat_checkpoint *checkpoint, uint32_t attempt, uint64_t sequence)
{
    return checkpoint != NULL && checkpoint->attempt == attempt && checkpoint->sequence > sequence;
}

/* One without bytes is kept too: it must not be overtaken either. */
static leat_err
keep(leat_core *core, leat_item *item, const leat_checkpoint_record *record, uint64_t sequence)
{
    leat_checkpoint *checkpoint = find(core, item);
    if (is_overtaken(checkpoint, record->token.attempt, sequence))
        return LEAT_ERR_OK;
    leat_err err = leat_room_ask_checkpoint(core, item, record->data.size);
    if (err != LEAT_ERR_OK)
        return err;
    if (checkpoint == NULL)
        checkpoint = add(core, item->id, &err);
    if (checkpoint == NULL)
        return err;
    checkpoint->attempt = record->token.attempt;
    checkpoint->sequence = sequence;
    checkpoint->bytes = record->data.size;
    checkpoint->memory = leat_item_durability(core, item) == LEAT_MEMORY;
    item->flags |= LEAT_ITEM_TELLS;

    leat_buf *const out = &core->scratch;
    leat_buf_reset(out);
    leat_put_u8(out, FORMAT);
    leat_put_u32(out, record->token.attempt);
    leat_put_u64(out, sequence);
    leat_put_u32(out, record->data.size);
    leat_put_bytes(out, record->data.data, record->data.size);
    if (out->failed)
        leat_core_fault(core, LEAT_ERR_NOMEM);
    else
        leat_changes_put(&book_of(core, checkpoint)->changes, LEAT_OBJECT_CHECKPOINT, item->id,
                         out->data, out->size);
    return LEAT_ERR_OK;
}

void
leat_checkpoint_on_frame(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    struct leat_acking acking = {0};
    leat_err err = leat_checkpoint_open(body, size, frame->count, &records);
    if (err != LEAT_ERR_OK) {
        leat_core_refuse_body(core, peer, frame, err);
        return;
    }
    for (uint16_t i = 0; i < frame->count; i++) {
        leat_checkpoint_record record;
        leat_checkpoint_next(&records, &record);
        const uint32_t index = leat_lease_of(core, peer, &record.token);
        if (index == LEAT_NOBODY) {
            leat_acking_except(&acking, &record.token, LEAT_ERR_STALE);
            continue;
        }
        leat_item *const item = leat_items_at(&core->items, index);
        if (leat_item_durability(core, item) == LEAT_DISK)
            acking.depends = true;
        err = keep(core, item, &record, frame->sequence);
        if (err != LEAT_ERR_OK)
            leat_acking_except(&acking, &record.token, err);
    }
    leat_acking_finish(core, peer, frame->sequence, &acking);
}

/* ------------------------------------------------------------------------------ loading */

/* What an object's record says behind its format. */
static bool
read_record(leat_reader *r, leat_checkpoint *checkpoint, leat_bytes *data)
{
    checkpoint->attempt = leat_read_u32(r);
    checkpoint->sequence = leat_read_u64(r);
    checkpoint->bytes = data->size = leat_read_u32(r);
    data->data = leat_read_bytes(r, data->size);
    return !r->failed && r->at == r->end && data->size <= LEAT_CHECKPOINT_BYTES_MAX;
}

leat_err
leat_checkpoint_apply(leat_core *core, uint64_t job, leat_reader *record)
{
    leat_bytes data;
    leat_err err;
    leat_checkpoint read = {0};
    if (!read_record(record, &read, &data))
        return LEAT_ERR_CORRUPT;
    if (LEAT_FAULT(CHECKPOINT_FORGOT))
        return LEAT_ERR_OK;
    leat_checkpoint *const checkpoint = add(core, job, &err);
    if (checkpoint == NULL)
        return err;
    checkpoint->attempt = read.attempt;
    checkpoint->sequence = read.sequence;
    checkpoint->bytes = read.bytes;
    return LEAT_ERR_OK;
}

void
leat_checkpoint_settle(leat_core *core)
{
    for (uint32_t i = leat_table_next(&core->checkpoints, 0); i != 0;
         i = leat_table_next(&core->checkpoints, i)) {
        leat_checkpoint *const checkpoint = leat_table_at(&core->checkpoints, i);
        const uint32_t index = leat_items_find(&core->items, checkpoint->job);
        if (index != LEAT_NOBODY) {
            leat_items_at(&core->items, index)->flags |= LEAT_ITEM_TELLS;
            continue;
        }
        leat_changes_drop(&core->books[LEAT_DISK].changes, LEAT_OBJECT_CHECKPOINT, checkpoint->job);
        forget(core, checkpoint);
    }
}

void
leat_checkpoint_fini(leat_core *core)
{
    for (uint32_t i = leat_table_next(&core->checkpoints, 0); i != 0;
         i = leat_table_next(&core->checkpoints, i))
        free(leat_table_at(&core->checkpoints, i));
    leat_table_fini(&core->checkpoints);
}

/* ------------------------------------------------------------------------------ handing out */

struct fetching {
    leat_restored *out;
    struct leat_restored_one *one;
};

static void
on_object(void *context, const leat_fetched *fetched)
{
    const struct fetching *const f = context;
    leat_reader r = leat_reader_over(fetched->data, fetched->size);
    leat_checkpoint read;
    leat_bytes data;
    if (fetched->err != LEAT_ERR_OK || leat_read_u8(&r) != FORMAT || !read_record(&r, &read, &data))
        return;
    f->one->at = f->out->bytes.size;
    leat_put_bytes(&f->out->bytes, data.data, data.size);
    if (!f->out->bytes.failed)
        f->one->size = data.size;
}

static bool
grow(leat_restored *out, uint32_t most)
{
    if (out->ones == NULL)
        out->ones = malloc(most * sizeof *out->ones);
    return out->ones != NULL;
}

void
leat_restored_fetch(leat_core *core, const leat_effect *effect, leat_restored *out)
{
    for (uint32_t i = 0; i < effect->grant_count && core->checkpoints.count > 0; i++) {
        const uint32_t index = leat_items_find(&core->items, effect->grants[i].id);
        const leat_item *const item =
            index == LEAT_NOBODY ? NULL : leat_items_at(&core->items, index);
        if (item == NULL || leat_checkpoint_bytes(core, item) == 0)
            continue;
        if (!grow(out, effect->grant_count)) {
            leat_core_fault(core, LEAT_ERR_NOMEM);
            return;
        }
        struct fetching fetching = {.out = out, .one = &out->ones[out->count++]};
        *fetching.one = (struct leat_restored_one){.grant = i};
        const leat_fetch fetch = {.kind = LEAT_FETCH_OBJECT,
                                  .object_kind = LEAT_OBJECT_CHECKPOINT,
                                  .id = effect->grants[i].id};
        if (leat_store_fetch(core->books[effect->durability].store, &fetch, 1, on_object,
                             &fetching) != LEAT_ERR_OK)
            leat_core_fault(core, LEAT_ERR_IO);
    }
    if (out->bytes.failed)
        leat_core_fault(core, LEAT_ERR_NOMEM);
}

bool
leat_restored_find(const leat_restored *restored, uint32_t grant, leat_bytes *out)
{
    uint32_t low = 0;
    uint32_t high = restored->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (restored->ones[middle].grant < grant)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == restored->count || restored->ones[low].grant != grant)
        return false;
    *out = (leat_bytes){restored->bytes.data + restored->ones[low].at, restored->ones[low].size};
    return true;
}

void
leat_restored_fini(leat_restored *restored)
{
    leat_buf_fini(&restored->bytes);
    free(restored->ones);
}
