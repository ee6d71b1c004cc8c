/* Turn records: entries in, entries out. Layout in turn.h. */
#include "broker/store/turn.h"

#include <assert.h>

#define LEASE_BYTES 12U /* u64 job · u32 attempt */

static void
read_counters(leat_reader *record, leat_counters *counters)
{
    counters->total = leat_read_u64(record);
    counters->done = leat_read_u64(record);
    counters->dead = leat_read_u64(record);
    counters->cancelled = leat_read_u64(record);
    counters->expired = leat_read_u64(record);
    counters->skipped = leat_read_u64(record);
}

static void
read_data(leat_reader *record, leat_turn_entry *entry)
{
    entry->size = leat_read_u32(record);
    entry->data = leat_read_bytes(record, entry->size);
}

static void
read_leases(leat_reader *record, leat_turn_entry *entry)
{
    entry->session = leat_read_u64(record);
    entry->number = leat_read_u64(record);
    entry->epoch = leat_read_u64(record);
    entry->n = leat_read_u32(record);
    /* Compared before it is multiplied: n may be anything. */
    if (entry->n > leat_reader_left(record) / LEASE_BYTES)
        record->failed = true;
    else
        entry->size = entry->n * LEASE_BYTES;
    entry->data = leat_read_bytes(record, entry->size);
}

static void
read_item(leat_reader *record, leat_turn_entry *entry)
{
    entry->id = leat_read_u64(record);
    entry->state = leat_read_u8(record);
    entry->flags = leat_read_u8(record);
    entry->attempt = leat_read_u32(record);
    entry->failed = leat_read_u16(record);
    entry->lost = leat_read_u16(record);
    entry->snoozed = leat_read_u16(record);
    entry->due_wall_ms = leat_read_u64(record);
}

bool
leat_turn_next(leat_reader *record, leat_turn_entry *entry)
{
    if (record->failed || leat_reader_left(record) == 0)
        return false;
    *entry = (leat_turn_entry){.kind = (leat_turn_kind)leat_read_u8(record)};
    switch (entry->kind) {
    case LEAT_TURN_LEASES:
        read_leases(record, entry);
        break;
    case LEAT_TURN_ENDS:
        entry->id = leat_read_u64(record);
        entry->number = leat_read_u64(record);
        entry->flags = leat_read_u8(record);
        read_counters(record, &entry->counters);
        read_data(record, entry);
        break;
    case LEAT_TURN_ITEM:
        read_item(record, entry);
        break;
    case LEAT_TURN_ANSWER:
        entry->session = leat_read_u64(record);
        entry->number = leat_read_u64(record);
        entry->command = leat_read_u8(record);
        read_data(record, entry);
        break;
    case LEAT_TURN_CURSOR:
        entry->session = leat_read_u64(record);
        entry->id = leat_read_u64(record);
        entry->number = leat_read_u64(record);
        break;
    case LEAT_TURN_OBJECT:
        entry->object_kind = leat_read_u8(record);
        entry->id = leat_read_u64(record);
        read_data(record, entry);
        if (entry->object_kind < LEAT_OBJECT_META || entry->object_kind > LEAT_OBJECT_LAST)
            record->failed = true;
        break;
    case LEAT_TURN_IDS:
        entry->number = leat_read_u64(record);
        break;
    case LEAT_TURN_JOINS:
        entry->id = leat_read_u64(record);
        entry->batch = leat_read_u64(record);
        entry->place = leat_read_u32(record);
        entry->n = leat_read_u32(record);
        entry->data = leat_read_bytes(record, (size_t)entry->n * LEASE_BYTES);
        break;
    default:
        record->failed = true;
        break;
    }
    return !record->failed;
}

size_t
leat_turn_put_leases(leat_buf *buf, uint64_t session, uint64_t first_number, uint64_t epoch)
{
    leat_put_u8(buf, LEAT_TURN_LEASES);
    leat_put_u64(buf, session);
    leat_put_u64(buf, first_number);
    leat_put_u64(buf, epoch);
    const size_t at = buf->size;
    leat_put_u32(buf, 0);
    return at;
}

void
leat_turn_end_leases(leat_buf *buf, size_t at, uint32_t n)
{
    if (buf->failed)
        return; /* the place may not have been written */
    assert(buf->size - at == 4 + (size_t)n * LEASE_BYTES);
    leat_store_u32(buf->data + at, n);
}

void
leat_turn_put_ends(leat_buf *buf,
                   uint64_t batch,
                   uint64_t first_position,
                   uint8_t flags,
                   const leat_counters *counters,
                   const void *log,
                   size_t log_size)
{
    assert(log_size <= UINT32_MAX);

    leat_put_u8(buf, LEAT_TURN_ENDS);
    leat_put_u64(buf, batch);
    leat_put_u64(buf, first_position);
    leat_put_u8(buf, flags);
    leat_put_u64(buf, counters->total);
    leat_put_u64(buf, counters->done);
    leat_put_u64(buf, counters->dead);
    leat_put_u64(buf, counters->cancelled);
    leat_put_u64(buf, counters->expired);
    leat_put_u64(buf, counters->skipped);
    leat_put_u32(buf, (uint32_t)log_size);
    leat_put_bytes(buf, log, log_size);
}

void
leat_turn_put_item(leat_buf *buf, const leat_turn_entry *item)
{
    leat_put_u8(buf, LEAT_TURN_ITEM);
    leat_put_u64(buf, item->id);
    leat_put_u8(buf, item->state);
    leat_put_u8(buf, item->flags);
    leat_put_u32(buf, item->attempt);
    leat_put_u16(buf, item->failed);
    leat_put_u16(buf, item->lost);
    leat_put_u16(buf, item->snoozed);
    leat_put_u64(buf, item->due_wall_ms);
}

void
leat_turn_put_answer(leat_buf *buf,
                     uint64_t session,
                     uint64_t sequence,
                     uint8_t command,
                     const void *data,
                     size_t size)
{
    assert(size <= UINT32_MAX);

    leat_put_u8(buf, LEAT_TURN_ANSWER);
    leat_put_u64(buf, session);
    leat_put_u64(buf, sequence);
    leat_put_u8(buf, command);
    leat_put_u32(buf, (uint32_t)size);
    leat_put_bytes(buf, data, size);
}

void
leat_turn_put_cursor(leat_buf *buf, uint64_t session, uint64_t batch, uint64_t position)
{
    leat_put_u8(buf, LEAT_TURN_CURSOR);
    leat_put_u64(buf, session);
    leat_put_u64(buf, batch);
    leat_put_u64(buf, position);
}

void
leat_turn_put_object(
    leat_buf *buf, leat_object_kind kind, uint64_t id, const void *data, size_t size)
{
    assert(size <= UINT32_MAX);

    leat_put_u8(buf, LEAT_TURN_OBJECT);
    leat_put_u8(buf, (uint8_t)kind);
    leat_put_u64(buf, id);
    leat_put_u32(buf, (uint32_t)size);
    leat_put_bytes(buf, data, size);
}

void
leat_turn_put_ids(leat_buf *buf, uint64_t reserved_upto)
{
    leat_put_u8(buf, LEAT_TURN_IDS);
    leat_put_u64(buf, reserved_upto);
}

void
leat_turn_put_joins(leat_buf *buf,
                    uint64_t job,
                    uint64_t batch,
                    uint32_t place,
                    uint32_t n,
                    const void *pairs,
                    size_t size)
{
    assert(size == (size_t)n * LEASE_BYTES);

    leat_put_u8(buf, LEAT_TURN_JOINS);
    leat_put_u64(buf, job);
    leat_put_u64(buf, batch);
    leat_put_u32(buf, place);
    leat_put_u32(buf, n);
    leat_put_bytes(buf, pairs, size);
}
