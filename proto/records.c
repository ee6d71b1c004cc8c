/* The bodies of the data frames: what clients and both sides say. Jobs and tokens are in jobs.c,
 * completions and messages in items.c, selects in select.c, settings in settings.c.
 *
 * An open() walks the lengths of a body once and looks at every byte that a later reader would
 * otherwise have to doubt; a next() then only loads. Both are on the way of every job: no
 * allocation, no call inside the loops over records. */
#include "proto/records.h"

#include "proto/walk.h"

const char *
leat_outcome_name(unsigned outcome)
{
    switch (outcome) {
#define OUTCOME_CASE(name, number, word) \
    case (number):                       \
        return (word);
        LEAT_OUTCOME_MAP(OUTCOME_CASE)
#undef OUTCOME_CASE
    default:
        return "?";
    }
}

/* --------------------------------------------------------------------------------------- SEND */

leat_send_head
leat_send_head_default(void)
{
    return (leat_send_head){.settings = leat_settings_nothing()};
}

leat_err
leat_send_open(
    const uint8_t *body, size_t size, uint16_t count, leat_send_head *head, leat_reader *records)
{
    leat_reader reader = leat_reader_over(body, size);
    *head = leat_send_head_default();
    head->flags = leat_read_u8(&reader);
    head->channel = leat_read_text8(&reader);
    head->handler = leat_read_text8(&reader);
    head->batch = leat_read_u64(&reader);
    head->tag = leat_read_u32(&reader);
    const size_t settings_size = leat_read_u16(&reader);
    const uint8_t *const settings = leat_read_bytes(&reader, settings_size);
    if (settings == NULL || (head->flags & ~LEAT_SEND_FLAGS) != 0 ||
        !leat_name_is_valid(head->channel) ||
        (head->handler.size > 0 && !leat_name_is_valid(head->handler)))
        return LEAT_ERR_MALFORMED;

    leat_err err = leat_settings_read(settings, settings_size, &head->settings);
    if (err != LEAT_ERR_OK)
        return err;
    *records = reader;
    err = leat_walk_payloads(&reader, count, 4, 0, 0);
    return err != LEAT_ERR_OK ? err : leat_walk_verdict(&reader);
}

void
leat_send_put_head(leat_buf *buf, const leat_send_head *head)
{
    assert((head->flags & ~LEAT_SEND_FLAGS) == 0);
    assert(leat_name_is_valid(head->channel));
    assert(head->handler.size == 0 || leat_name_is_valid(head->handler));

    leat_put_u8(buf, head->flags);
    leat_put_text8(buf, head->channel);
    leat_put_text8(buf, head->handler);
    leat_put_u64(buf, head->batch);
    leat_put_u32(buf, head->tag);
    leat_put_u16(buf, 0);
    const size_t settings_at = buf->size;
    leat_settings_put(buf, &head->settings);
    assert(buf->size - settings_at <= LEAT_SETTINGS_BYTES_MAX);
    if (!buf->failed)
        leat_store_u16(buf->data + settings_at - 2, (uint16_t)(buf->size - settings_at));
}

void
leat_send_put(leat_buf *buf, const void *payload, size_t size)
{
    leat_put_payload(buf, payload, size);
}

/* --------------------------------------------------------------------------------------- SENT */

leat_err
leat_sent_open(const uint8_t *body, size_t size, uint16_t count, leat_reader *records)
{
    leat_reader reader = leat_reader_over(body, size);
    *records = reader;
    for (uint16_t i = 0; i < count; i++) {
        (void)leat_read_bytes(&reader, 30);
        if (leat_read_text16(&reader).size > LEAT_SENTENCE_BYTES_MAX)
            return LEAT_ERR_MALFORMED;
    }
    return leat_walk_verdict(&reader);
}

void
leat_sent_next(leat_reader *records, leat_sent *sent)
{
    const uint8_t *const p = records->at;
    sent->sequence = leat_load_u64(p);
    sent->batch = leat_load_u64(p + 8);
    sent->first_id = leat_load_u64(p + 16);
    sent->accepted = leat_load_u32(p + 24);
    sent->code = leat_load_u16(p + 28);
    sent->sentence.size = leat_load_u16(p + 30);
    sent->sentence.data = (const char *)p + 32;
    records->at += 32 + sent->sentence.size;
}

void
leat_sent_put(leat_buf *buf, const leat_sent *sent)
{
    uint8_t *const p = leat_buf_room(buf, 30);
    if (p == NULL)
        return;
    leat_store_u64(p, sent->sequence);
    leat_store_u64(p + 8, sent->batch);
    leat_store_u64(p + 16, sent->first_id);
    leat_store_u32(p + 24, sent->accepted);
    leat_store_u16(p + 28, sent->code);
    leat_put_text16(buf, leat_sentence_clip(sent->sentence));
}

/* ------------------------------------------------------------------------------------- CREDIT */

leat_err
leat_credit_open(const uint8_t *body, size_t size, uint16_t count, leat_reader *records)
{
    leat_reader reader = leat_reader_over(body, size);
    *records = reader;
    for (uint16_t i = 0; i < count; i++) {
        leat_reader record = reader;
        leat_credit credit;
        switch (leat_read_u8(&reader)) {
        case LEAT_CREDIT_WORK:
            if (leat_read_bytes(&reader, 10) == NULL)
                return LEAT_ERR_MALFORMED;
            leat_credit_next(&record, &credit);
            if (credit.handler >= LEAT_HANDLERS_MAX && credit.handler != LEAT_CREDIT_ALL_HANDLERS)
                return LEAT_ERR_MALFORMED;
            break;
        case LEAT_CREDIT_RECV:
            if (!leat_name_is_valid(leat_read_text8(&reader)))
                return LEAT_ERR_MALFORMED;
            (void)leat_read_bytes(&reader, 12);
            break;
        case LEAT_CREDIT_WAIT:
            if (leat_read_bytes(&reader, 29) == NULL)
                return LEAT_ERR_MALFORMED;
            leat_credit_next(&record, &credit);
            if (credit.goal_kind > LEAT_GOAL_OK)
                return LEAT_ERR_MALFORMED;
            break;
        default:
            return LEAT_ERR_MALFORMED;
        }
    }
    return leat_walk_verdict(&reader);
}

void
leat_credit_next(leat_reader *records, leat_credit *credit)
{
    *credit = (leat_credit){.kind = (leat_credit_kind)leat_read_u8(records)};
    switch (credit->kind) {
    case LEAT_CREDIT_WORK:
        credit->handler = leat_read_u16(records);
        credit->items = leat_read_u32(records);
        credit->bytes = leat_read_u32(records);
        break;
    case LEAT_CREDIT_RECV:
        credit->channel = leat_read_text8(records);
        credit->items = leat_read_u32(records);
        credit->receives = leat_read_u64(records);
        break;
    case LEAT_CREDIT_WAIT:
    default: /* open has looked at it */
        credit->batch = leat_read_u64(records);
        credit->position = leat_read_u64(records);
        credit->goal_kind = (leat_goal)leat_read_u8(records);
        credit->goal = leat_read_u64(records);
        credit->items = leat_read_u32(records);
        break;
    }
}

void
leat_credit_put(leat_buf *buf, const leat_credit *credit)
{
    leat_put_u8(buf, (uint8_t)credit->kind);
    switch (credit->kind) {
    case LEAT_CREDIT_WORK:
        assert(credit->handler < LEAT_HANDLERS_MAX || credit->handler == LEAT_CREDIT_ALL_HANDLERS);
        leat_put_u16(buf, credit->handler);
        leat_put_u32(buf, credit->items);
        leat_put_u32(buf, credit->bytes);
        break;
    case LEAT_CREDIT_RECV:
        assert(leat_name_is_valid(credit->channel));
        leat_put_text8(buf, credit->channel);
        leat_put_u32(buf, credit->items);
        leat_put_u64(buf, credit->receives);
        break;
    case LEAT_CREDIT_WAIT:
    default:
        leat_put_u64(buf, credit->batch);
        leat_put_u64(buf, credit->position);
        leat_put_u8(buf, (uint8_t)credit->goal_kind);
        leat_put_u64(buf, credit->goal);
        leat_put_u32(buf, credit->items);
        break;
    }
}

/* ---------------------------------------------------------------------------------------- ACK */

leat_err
leat_ack_open(const uint8_t *body, size_t size, uint16_t count, leat_reader *records)
{
    leat_reader reader = leat_reader_over(body, size);
    *records = reader;
    for (uint16_t i = 0; i < count; i++) {
        const unsigned kind = leat_read_u8(&reader);
        if (kind != LEAT_ACK_BATCH && kind != LEAT_ACK_MESSAGE)
            return LEAT_ERR_MALFORMED;
        (void)leat_read_bytes(&reader, kind == LEAT_ACK_BATCH ? 16 : 8);
    }
    return leat_walk_verdict(&reader);
}

void
leat_ack_next(leat_reader *records, leat_ack *ack)
{
    ack->kind = (leat_ack_kind)leat_read_u8(records);
    ack->id = leat_read_u64(records);
    ack->position = ack->kind == LEAT_ACK_BATCH ? leat_read_u64(records) : 0;
}

void
leat_ack_put(leat_buf *buf, const leat_ack *ack)
{
    leat_put_u8(buf, (uint8_t)ack->kind);
    leat_put_u64(buf, ack->id);
    if (ack->kind == LEAT_ACK_BATCH)
        leat_put_u64(buf, ack->position);
}

/* --------------------------------------------------------------------------- HEARTBEAT, ERROR */

leat_err
leat_heartbeat_open(const uint8_t *body, size_t size, leat_heartbeat *heartbeat)
{
    leat_reader reader = leat_reader_over(body, size);
    heartbeat->started = leat_read_u64(&reader);
    heartbeat->running = leat_read_u32(&reader);
    return leat_walk_verdict(&reader);
}

void
leat_heartbeat_put(leat_buf *buf, const leat_heartbeat *heartbeat)
{
    leat_put_u64(buf, heartbeat->started);
    leat_put_u32(buf, heartbeat->running);
}

leat_err
leat_error_open(const uint8_t *body, size_t size, leat_error_record *error)
{
    leat_reader reader = leat_reader_over(body, size);
    error->code = leat_read_u16(&reader);
    error->sequence = leat_read_u64(&reader);
    error->sentence = leat_read_text16(&reader);
    if (error->sentence.size > LEAT_SENTENCE_BYTES_MAX)
        return LEAT_ERR_MALFORMED;
    return leat_walk_verdict(&reader);
}

void
leat_error_put(leat_buf *buf, const leat_error_record *error)
{
    leat_put_u16(buf, error->code);
    leat_put_u64(buf, error->sequence);
    leat_put_text16(buf, leat_sentence_clip(error->sentence));
}
