/* SELECT, SELECTED, WITHDRAW, WITHDRAWN, CANCEL: bytes <-> values. See records.h. */
#include "proto/records.h"
#include "proto/walk.h"

/* ------------------------------------------------------------------------------------- SELECT */

leat_err
leat_select_open(
    const uint8_t *body, size_t size, uint16_t count, uint8_t *flags, leat_reader *records)
{
    leat_reader reader = leat_reader_over(body, size);
    *flags = leat_read_u8(&reader);
    *records = reader;
    if ((*flags & ~LEAT_SELECT_DEFAULT) != 0 || count > LEAT_CASES_MAX)
        return LEAT_ERR_MALFORMED;
    for (uint16_t i = 0; i < count; i++) {
        const uint8_t kind = leat_read_u8(&reader);
        const leat_text channel = leat_read_text8(&reader);
        const uint32_t bytes = leat_read_u32(&reader);
        if (reader.failed || kind < LEAT_SELECT_SEND || kind > LEAT_SELECT_RECV ||
            !leat_name_is_valid(channel) || (kind == LEAT_SELECT_RECV && bytes > 0))
            return LEAT_ERR_MALFORMED;
        if (bytes > LEAT_PAYLOAD_BYTES_MAX)
            return LEAT_ERR_TOO_LARGE;
        (void)leat_read_bytes(&reader, bytes);
    }
    return leat_walk_verdict(&reader);
}

void
leat_select_next(leat_reader *records, leat_select_case *one)
{
    one->kind = (leat_select_kind)leat_read_u8(records);
    one->channel = leat_read_text8(records);
    one->payload.size = leat_read_u32(records);
    one->payload.data = leat_read_bytes(records, one->payload.size);
}

void
leat_select_put_head(leat_buf *buf, uint8_t flags)
{
    assert((flags & ~LEAT_SELECT_DEFAULT) == 0);
    leat_put_u8(buf, flags);
}

void
leat_select_put(leat_buf *buf, const leat_select_case *one)
{
    assert(one->kind == LEAT_SELECT_SEND ||
           (one->kind == LEAT_SELECT_RECV && one->payload.size == 0));
    assert(leat_name_is_valid(one->channel));
    leat_put_u8(buf, (uint8_t)one->kind);
    leat_put_text8(buf, one->channel);
    leat_put_payload(buf, one->payload.data, one->payload.size);
}

/* ----------------------------------------------------------------------------------- SELECTED */

#define SELECTED_BYTES 25U /* up to and with the payload's size */

leat_err
leat_selected_open(const uint8_t *body, size_t size, uint16_t count, leat_reader *records)
{
    leat_reader reader = leat_reader_over(body, size);
    *records = reader;
    for (uint16_t i = 0; i < count; i++) {
        (void)leat_read_bytes(&reader, SELECTED_BYTES - 4);
        const uint32_t bytes = leat_read_u32(&reader);
        if (!reader.failed && bytes > LEAT_PAYLOAD_BYTES_MAX)
            return LEAT_ERR_TOO_LARGE;
        (void)leat_read_bytes(&reader, bytes);
        if (leat_read_text16(&reader).size > LEAT_SENTENCE_BYTES_MAX)
            return LEAT_ERR_MALFORMED;
    }
    return leat_walk_verdict(&reader);
}

void
leat_selected_next(leat_reader *records, leat_selected *selected)
{
    selected->sequence = leat_read_u64(records);
    selected->index = leat_read_u16(records);
    selected->code = leat_read_u16(records);
    selected->id = leat_read_u64(records);
    selected->flags = leat_read_u8(records);
    selected->payload.size = leat_read_u32(records);
    selected->payload.data = leat_read_bytes(records, selected->payload.size);
    selected->sentence = leat_read_text16(records);
}

void
leat_selected_put(leat_buf *buf, const leat_selected *selected)
{
    leat_put_u64(buf, selected->sequence);
    leat_put_u16(buf, selected->index);
    leat_put_u16(buf, selected->code);
    leat_put_u64(buf, selected->id);
    leat_put_u8(buf, selected->flags);
    leat_put_payload(buf, selected->payload.data, selected->payload.size);
    leat_put_text16(buf, leat_sentence_clip(selected->sentence));
}

/* ----------------------------------------------------------------------------------- WITHDRAW */

leat_err
leat_withdraw_open(const uint8_t *body, size_t size, uint16_t count, leat_reader *records)
{
    leat_reader reader = leat_reader_over(body, size);
    *records = reader;
    for (uint16_t i = 0; i < count; i++) {
        switch (leat_read_u8(&reader)) {
        case LEAT_WITHDRAW_SEQUENCE:
            (void)leat_read_u64(&reader);
            break;
        case LEAT_WITHDRAW_RECV:
            if (!leat_name_is_valid(leat_read_text8(&reader)))
                return LEAT_ERR_MALFORMED;
            break;
        default:
            return LEAT_ERR_MALFORMED;
        }
    }
    return leat_walk_verdict(&reader);
}

void
leat_withdraw_next(leat_reader *records, leat_withdraw *withdraw)
{
    *withdraw = (leat_withdraw){.kind = (leat_withdraw_kind)leat_read_u8(records)};
    if (withdraw->kind == LEAT_WITHDRAW_SEQUENCE)
        withdraw->sequence = leat_read_u64(records);
    else
        withdraw->channel = leat_read_text8(records);
}

void
leat_withdraw_put(leat_buf *buf, const leat_withdraw *withdraw)
{
    assert(withdraw->kind == LEAT_WITHDRAW_SEQUENCE || withdraw->kind == LEAT_WITHDRAW_RECV);
    leat_put_u8(buf, (uint8_t)withdraw->kind);
    if (withdraw->kind == LEAT_WITHDRAW_SEQUENCE) {
        leat_put_u64(buf, withdraw->sequence);
    } else {
        assert(leat_name_is_valid(withdraw->channel));
        leat_put_text8(buf, withdraw->channel);
    }
}

leat_err
leat_withdrawn_open(const uint8_t *body, size_t size, uint16_t count, leat_reader *records)
{
    leat_reader reader = leat_reader_over(body, size);
    *records = reader;
    for (uint16_t i = 0; i < count; i++) {
        if (!leat_name_is_valid(leat_read_text8(&reader)))
            return LEAT_ERR_MALFORMED;
        (void)leat_read_u64(&reader);
    }
    return leat_walk_verdict(&reader);
}

void
leat_withdrawn_next(leat_reader *records, leat_withdrawn *withdrawn)
{
    withdrawn->channel = leat_read_text8(records);
    withdrawn->served = leat_read_u64(records);
}

void
leat_withdrawn_put(leat_buf *buf, const leat_withdrawn *withdrawn)
{
    assert(leat_name_is_valid(withdrawn->channel));
    leat_put_text8(buf, withdrawn->channel);
    leat_put_u64(buf, withdrawn->served);
}

/* ------------------------------------------------------------------------------------- CANCEL */

leat_err
leat_cancel_open(const uint8_t *body, size_t size, uint16_t count, leat_reader *records)
{
    *records = leat_reader_over(body, size);
    return size == (size_t)count * 8 ? LEAT_ERR_OK : LEAT_ERR_MALFORMED;
}

void
leat_cancel_put(leat_buf *buf, uint64_t id)
{
    leat_put_u64(buf, id);
}
