/* The bodies of the data frames: texts, and what clients and both sides say. Jobs and tokens are in
 * jobs.c, completions and messages in items.c.
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

/* --------------------------------------------------------------------------------------- text */

/* Length of the UTF-8 sequence at p (left > 0 bytes), or 0 when there is none: a stray or missing
 * continuation, an overlong form, a surrogate, or beyond U+10FFFF. */
static size_t
utf8_length(const uint8_t *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    const size_t length = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (left < length)
        return 0;
    /* Only the second byte has a narrower range, and only after these first bytes. */
    const uint8_t low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xc0U) != 0x80U)
            return 0;
    return length;
}

bool
leat_text_is_utf8(leat_text text)
{
    const uint8_t *const p = (const uint8_t *)text.data;
    for (size_t i = 0; i < text.size;) {
        const size_t length = utf8_length(p + i, text.size - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

bool
leat_name_is_valid(leat_text name)
{
    if (name.size == 0 || name.size > LEAT_NAME_BYTES_MAX)
        return false;
    const uint8_t *const p = (const uint8_t *)name.data;
    for (size_t i = 0; i < name.size;) {
        if (p[i] < 0x20 || p[i] == 0x7f)
            return false;
        const size_t length = utf8_length(p + i, name.size - i);
        if (length == 0 || (p[i] == 0xc2 && p[i + 1] < 0xa0)) /* U+0080 … U+009F */
            return false;
        i += length;
    }
    return true;
}

/* The longest front of text that is at most LEAT_SENTENCE_BYTES_MAX bytes and does not end inside a
 * character. */
static leat_text
clip_sentence(leat_text text)
{
    if (text.size <= LEAT_SENTENCE_BYTES_MAX)
        return text;
    size_t size = LEAT_SENTENCE_BYTES_MAX;
    while (size > 0 && ((uint8_t)text.data[size] & 0xc0U) == 0x80U)
        size--;
    return (leat_text){.data = text.data, .size = size};
}

/* --------------------------------------------------------------------------------------- SEND */

leat_send_head
leat_send_head_default(void)
{
    return (leat_send_head){.priority = LEAT_PRIORITY_DEFAULT, .failures = LEAT_FAILURES_DEFAULT};
}

/* One setting's value; its size is already right. */
static leat_err
read_setting(leat_send_head *head, leat_setting key, const uint8_t *value, size_t size)
{
    bool good = true;
    switch (key) {
    case LEAT_SETTING_PRIORITY:
        head->priority = value[0];
        good = head->priority < LEAT_PRIORITIES;
        break;
    case LEAT_SETTING_FAILURES:
        head->failures = leat_load_u16(value);
        good = head->failures > 0;
        break;
    case LEAT_SETTING_DELAY_MS:
        head->delay_ms = leat_load_u64(value);
        good = head->delay_ms <= LEAT_DELAY_MS_MAX;
        break;
    case LEAT_SETTING_RUN_LIMIT_MS:
        head->run_limit_ms = leat_load_u64(value);
        break;
    case LEAT_SETTING_NAME:
        head->name = (leat_text){.data = (const char *)value, .size = size};
        good = leat_name_is_valid(head->name);
        break;
    default:
        return LEAT_ERR_UNSUPPORTED;
    }
    return good ? LEAT_ERR_OK : LEAT_ERR_MALFORMED;
}

/* Sizes by key; 0 is text. */
static const uint8_t setting_bytes[] = {
#define SETTING_SIZE(name, key, size, meaning) [key] = (size),
    LEAT_SETTING_MAP(SETTING_SIZE)
#undef SETTING_SIZE
};

#define SETTING_OPTIONAL 128U /* keys from here on may be skipped */

static leat_err
read_settings(leat_reader settings, leat_send_head *head)
{
    uint32_t given = 0;
    static_assert(sizeof setting_bytes <= 32, "one bit a key");

    while (leat_reader_left(&settings) > 0 && !settings.failed) {
        const unsigned key = leat_read_u8(&settings);
        const size_t size = leat_read_u8(&settings);
        const uint8_t *const value = leat_read_bytes(&settings, size);
        if (value == NULL)
            return LEAT_ERR_MALFORMED;
        if (key >= SETTING_OPTIONAL)
            continue;
        if (key == 0 || key >= sizeof setting_bytes)
            return LEAT_ERR_UNSUPPORTED;
        if ((given & 1U << key) != 0 || (setting_bytes[key] != 0 && setting_bytes[key] != size))
            return LEAT_ERR_MALFORMED;
        given |= 1U << key;
        const leat_err err = read_setting(head, (leat_setting)key, value, size);
        if (err != LEAT_ERR_OK)
            return err;
    }
    return settings.failed ? LEAT_ERR_MALFORMED : LEAT_ERR_OK;
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

    leat_err err = read_settings(leat_reader_over(settings, settings_size), head);
    if (err != LEAT_ERR_OK)
        return err;
    *records = reader;
    err = leat_walk_payloads(&reader, count, 4, 0, 0);
    return err != LEAT_ERR_OK ? err : leat_walk_verdict(&reader);
}

/* key, size, and room for the value. */
static uint8_t *
put_setting(leat_buf *buf, leat_setting key, size_t size)
{
    uint8_t *const p = leat_buf_room(buf, 2 + size);
    if (p == NULL)
        return NULL;
    p[0] = (uint8_t)key;
    p[1] = (uint8_t)size;
    return p + 2;
}

/* What has its default is not written: a plain job has no settings at all. */
static void
put_settings(leat_buf *buf, const leat_send_head *head)
{
    uint8_t *p;
    if (head->priority != LEAT_PRIORITY_DEFAULT) {
        p = put_setting(buf, LEAT_SETTING_PRIORITY, 1);
        if (p != NULL)
            p[0] = head->priority;
    }
    if (head->failures != LEAT_FAILURES_DEFAULT) {
        p = put_setting(buf, LEAT_SETTING_FAILURES, 2);
        if (p != NULL)
            leat_store_u16(p, head->failures);
    }
    if (head->delay_ms != 0) {
        p = put_setting(buf, LEAT_SETTING_DELAY_MS, 8);
        if (p != NULL)
            leat_store_u64(p, head->delay_ms);
    }
    if (head->run_limit_ms != 0) {
        p = put_setting(buf, LEAT_SETTING_RUN_LIMIT_MS, 8);
        if (p != NULL)
            leat_store_u64(p, head->run_limit_ms);
    }
    if (head->name.size > 0) {
        p = put_setting(buf, LEAT_SETTING_NAME, head->name.size);
        if (p != NULL)
            memcpy(p, head->name.data, head->name.size);
    }
}

void
leat_send_put_head(leat_buf *buf, const leat_send_head *head)
{
    assert((head->flags & ~LEAT_SEND_FLAGS) == 0);
    assert(leat_name_is_valid(head->channel));
    assert(head->handler.size == 0 || leat_name_is_valid(head->handler));
    assert(head->name.size == 0 || leat_name_is_valid(head->name));
    assert(head->priority < LEAT_PRIORITIES && head->failures > 0);
    assert(head->delay_ms <= LEAT_DELAY_MS_MAX);

    leat_put_u8(buf, head->flags);
    leat_put_text8(buf, head->channel);
    leat_put_text8(buf, head->handler);
    leat_put_u64(buf, head->batch);
    leat_put_u32(buf, head->tag);
    leat_put_u16(buf, 0);
    const size_t settings_at = buf->size;
    put_settings(buf, head);
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
    leat_put_text16(buf, clip_sentence(sent->sentence));
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
            (void)leat_read_u32(&reader);
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
        break;
    case LEAT_CREDIT_WAIT:
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
        break;
    case LEAT_CREDIT_WAIT:
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
    leat_put_text16(buf, clip_sentence(error->sentence));
}
