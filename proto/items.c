/* What a waiter and a receiver read: completions and messages. */
#include "proto/records.h"

#include "proto/walk.h"

#define COMPLETION_OUTCOME_AT 16U
#define COMPLETION_WORKER_AT  17U
#define MESSAGE_BYTES         13U
#define COMPLETIONS_FLAGS     (0xffU & ~LEAT_ITEMS_CLOSED)
#define MESSAGES_FLAGS        LEAT_ITEMS_CLOSED

/* Workers, their names and n; the reader then stands at the first completion. */
static void
read_log_head(leat_reader *reader, leat_items_run *run)
{
    run->workers = leat_read_u16(reader);
    run->worker_names = reader->at;
    for (uint16_t i = 0; i < run->workers && !reader->failed; i++)
        (void)leat_read_text8(reader);
    run->n = leat_read_u16(reader);
}

/* Pass run->n completions: like leat_walk_payloads, and the worker must be one of the run's. */
static leat_err
pass_completions(leat_reader *reader, const leat_items_run *run)
{
    const uint8_t *at = reader->at;
    size_t left = leat_reader_left(reader);
    for (unsigned i = 0; i < run->n; i++) {
        if (left < LEAT_COMPLETION_BYTES)
            return LEAT_ERR_MALFORMED;
        const unsigned worker = leat_load_u16(at + COMPLETION_WORKER_AT);
        const size_t result_bytes = leat_load_u32(at + LEAT_COMPLETION_BYTES - 4);
        if ((unsigned)at[COMPLETION_OUTCOME_AT] - 1U >= LEAT_OUTCOME_LOST ||
            (worker >= run->workers && worker != LEAT_NO_WORKER))
            return LEAT_ERR_MALFORMED;
        if (result_bytes > LEAT_PAYLOAD_BYTES_MAX)
            return LEAT_ERR_TOO_LARGE;
        if (left - LEAT_COMPLETION_BYTES < result_bytes)
            return LEAT_ERR_MALFORMED;
        at += LEAT_COMPLETION_BYTES + result_bytes;
        left -= LEAT_COMPLETION_BYTES + result_bytes;
    }
    reader->at = at;
    return LEAT_ERR_OK;
}

/* A worker without a name is an empty text; anything else is a name. */
static bool
worker_names_are_valid(const leat_items_run *run)
{
    const uint8_t *at = run->worker_names;
    for (unsigned i = 0; i < run->workers; i++) {
        const leat_text name = {.data = (const char *)at + 1, .size = at[0]};
        if (name.size > 0 && !leat_name_is_valid(name))
            return false;
        at += 1 + name.size;
    }
    return true;
}

/* Check the log that starts at the reader and pass it. */
static leat_err
pass_log(leat_reader *reader, leat_items_run *run)
{
    read_log_head(reader, run);
    if (reader->failed || run->n > LEAT_RECORDS_MAX || !worker_names_are_valid(run))
        return LEAT_ERR_MALFORMED;
    return pass_completions(reader, run);
}

static leat_err
pass_messages(leat_reader *reader, leat_items_run *run)
{
    run->channel = leat_read_text8(reader);
    run->flags = leat_read_u8(reader);
    run->n = leat_read_u16(reader);
    if (reader->failed || !leat_name_is_valid(run->channel) || (run->flags & ~MESSAGES_FLAGS) != 0)
        return LEAT_ERR_MALFORMED;
    leat_reader messages = *reader;
    const leat_err err = leat_walk_payloads(reader, run->n, MESSAGE_BYTES, 0, 0);
    if (err != LEAT_ERR_OK)
        return err;
    for (unsigned i = 0; i < run->n; i++) {
        leat_message message;
        leat_items_next_message(&messages, &message);
        if ((message.flags & ~LEAT_ITEM_AGAIN) != 0)
            return LEAT_ERR_MALFORMED;
    }
    return LEAT_ERR_OK;
}

leat_err
leat_items_open(const uint8_t *body, size_t size, uint16_t count, leat_reader *records)
{
    leat_reader reader = leat_reader_over(body, size);
    *records = reader;
    size_t n = 0;
    for (uint16_t i = 0; i < count; i++) {
        leat_items_run run;
        leat_err err = LEAT_ERR_MALFORMED;
        const unsigned kind = leat_read_u8(&reader);
        if (kind == LEAT_ITEMS_COMPLETIONS) {
            (void)leat_read_bytes(&reader, 64);
            if ((leat_read_u8(&reader) & ~COMPLETIONS_FLAGS) == 0)
                err = pass_log(&reader, &run);
        } else if (kind == LEAT_ITEMS_MESSAGES) {
            err = pass_messages(&reader, &run);
        }
        if (err != LEAT_ERR_OK)
            return err;
        n += run.n;
        if (n > LEAT_RECORDS_MAX)
            return LEAT_ERR_MALFORMED;
    }
    return leat_walk_verdict(&reader);
}

void
leat_items_next_run(leat_reader *records, leat_items_run *run)
{
    *run = (leat_items_run){.kind = (leat_items_kind)leat_read_u8(records)};
    if (run->kind == LEAT_ITEMS_MESSAGES) {
        run->channel = leat_read_text8(records);
        run->flags = leat_read_u8(records);
        run->n = leat_read_u16(records);
        return;
    }
    run->batch = leat_read_u64(records);
    run->first_position = leat_read_u64(records);
    run->counters.total = leat_read_u64(records);
    run->counters.done = leat_read_u64(records);
    run->counters.dead = leat_read_u64(records);
    run->counters.cancelled = leat_read_u64(records);
    run->counters.expired = leat_read_u64(records);
    run->counters.skipped = leat_read_u64(records);
    run->flags = leat_read_u8(records);
    read_log_head(records, run);
}

void
leat_items_next_completion(leat_reader *records, leat_completion *completion)
{
    const uint8_t *const p = records->at;
    completion->job = leat_load_u64(p);
    completion->place = leat_load_u32(p + 8);
    completion->attempt = leat_load_u32(p + 12);
    completion->outcome = (leat_outcome)p[COMPLETION_OUTCOME_AT];
    completion->worker = leat_load_u16(p + COMPLETION_WORKER_AT);
    completion->ended_ms = leat_load_u64(p + 19);
    completion->run_us = leat_load_u64(p + 27);
    completion->result.size = leat_load_u32(p + 35);
    completion->result.data = p + LEAT_COMPLETION_BYTES;
    records->at += LEAT_COMPLETION_BYTES + completion->result.size;
}

void
leat_items_next_message(leat_reader *records, leat_message *message)
{
    const uint8_t *const p = records->at;
    message->id = leat_load_u64(p);
    message->flags = p[8];
    message->payload.size = leat_load_u32(p + 9);
    message->payload.data = p + MESSAGE_BYTES;
    records->at += MESSAGE_BYTES + message->payload.size;
}

leat_text
leat_items_worker(const leat_items_run *run, uint16_t index)
{
    if (index == LEAT_NO_WORKER)
        return (leat_text){.data = "", .size = 0};
    assert(index < run->workers);
    const uint8_t *at = run->worker_names;
    for (unsigned i = 0; i < index; i++)
        at += 1U + at[0];
    return (leat_text){.data = (const char *)at + 1, .size = at[0]};
}

leat_err
leat_log_open(leat_reader *log, leat_items_run *run)
{
    *run = (leat_items_run){.kind = LEAT_ITEMS_COMPLETIONS};
    leat_reader reader = *log;
    leat_err err = pass_log(&reader, run);
    if (err == LEAT_ERR_OK)
        err = leat_walk_verdict(&reader);
    if (err == LEAT_ERR_OK)
        read_log_head(log, run);
    return err;
}

void
leat_items_put_completions(leat_buf *buf,
                           uint64_t batch,
                           uint64_t first_position,
                           const leat_counters *counters,
                           uint8_t flags)
{
    assert((flags & ~COMPLETIONS_FLAGS) == 0);

    uint8_t *const p = leat_buf_room(buf, 66);
    if (p == NULL)
        return;
    p[0] = LEAT_ITEMS_COMPLETIONS;
    leat_store_u64(p + 1, batch);
    leat_store_u64(p + 9, first_position);
    leat_store_u64(p + 17, counters->total);
    leat_store_u64(p + 25, counters->done);
    leat_store_u64(p + 33, counters->dead);
    leat_store_u64(p + 41, counters->cancelled);
    leat_store_u64(p + 49, counters->expired);
    leat_store_u64(p + 57, counters->skipped);
    p[65] = flags;
}

size_t
leat_items_put_messages(leat_buf *buf, leat_text channel, uint8_t flags)
{
    assert(leat_name_is_valid(channel));
    assert((flags & ~MESSAGES_FLAGS) == 0);

    leat_put_u8(buf, LEAT_ITEMS_MESSAGES);
    leat_put_text8(buf, channel);
    leat_put_u8(buf, flags);
    const size_t at = buf->size;
    leat_put_u16(buf, 0);
    return at;
}

void
leat_items_set_messages(leat_buf *buf, size_t at, uint16_t n)
{
    if (buf->failed)
        return;
    assert(at + 2 <= buf->size);
    leat_store_u16(buf->data + at, n);
}

void
leat_items_put_message(leat_buf *buf, const leat_message *message)
{
    assert((message->flags & ~LEAT_ITEM_AGAIN) == 0);
    leat_put_u64(buf, message->id);
    leat_put_u8(buf, message->flags);
    leat_put_payload(buf, message->payload.data, message->payload.size);
}
