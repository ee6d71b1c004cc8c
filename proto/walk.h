/* leat_walk: what the decoders of records.h have in common. Private to them.
 *
 * It is on the way of every job, so it is here to be inlined with the sizes that each command has.
 */
#ifndef LEAT_WALK_H
#define LEAT_WALK_H

#include "proto/records.h"

/* The body was walked to its end: nothing may be missing and nothing left over. */
static inline leat_err
leat_walk_verdict(const leat_reader *reader)
{
    return reader->failed || reader->at != reader->end ? LEAT_ERR_MALFORMED : LEAT_ERR_OK;
}

/* Pass `count` records of `fixed` bytes whose last four are the size of a payload behind them.
 * kind_at: offset of a byte that must be 1 … kind_max, or kind_max 0 for none. */
static inline leat_err
leat_walk_payloads(
    leat_reader *reader, size_t count, size_t fixed, size_t kind_at, unsigned kind_max)
{
    const uint8_t *at = reader->at;
    size_t left = leat_reader_left(reader);
    if (reader->failed)
        return LEAT_ERR_MALFORMED;
    for (size_t i = 0; i < count; i++) {
        if (left < fixed)
            return LEAT_ERR_MALFORMED;
        const size_t payload_bytes = leat_load_u32(at + fixed - 4);
        if (kind_max != 0 && (unsigned)at[kind_at] - 1U >= kind_max)
            return LEAT_ERR_MALFORMED;
        if (payload_bytes > LEAT_PAYLOAD_BYTES_MAX)
            return LEAT_ERR_TOO_LARGE;
        if (left - fixed < payload_bytes)
            return LEAT_ERR_MALFORMED;
        at += fixed + payload_bytes;
        left -= fixed + payload_bytes;
    }
    reader->at = at;
    return LEAT_ERR_OK;
}

/* A payload with its size before it. data may be NULL when size is 0. */
static inline void
leat_put_payload(leat_buf *buf, const void *data, size_t size)
{
    assert(size <= LEAT_PAYLOAD_BYTES_MAX);
    uint8_t *const p = leat_buf_room(buf, 4 + size);
    if (p == NULL)
        return;
    leat_store_u32(p, (uint32_t)size);
    if (size > 0)
        memcpy(p + 4, data, size);
}

#endif
