/* What a worker reads and writes: jobs, ends of attempts, and tokens. */
#include "proto/records.h"

#include "proto/walk.h"

/* --------------------------------------------------------------------------------------- JOBS */

#define WITH_CHECKPOINTS 0x8000U /* in a run's count of jobs */
static_assert(LEAT_RECORDS_MAX < WITH_CHECKPOINTS, "the bit is free");

/* Pass n jobs that have a checkpoint behind their payload. */
static leat_err
walk_checkpoints(leat_reader *reader, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const leat_err err = leat_walk_payloads(reader, 1, LEAT_JOBS_JOB_BYTES, 0, 0);
        if (err != LEAT_ERR_OK)
            return err;
        const uint32_t size = leat_read_u32(reader);
        if (!reader->failed && size > LEAT_CHECKPOINT_BYTES_MAX)
            return LEAT_ERR_TOO_LARGE;
        (void)leat_read_bytes(reader, size);
    }
    return reader->failed ? LEAT_ERR_MALFORMED : LEAT_ERR_OK;
}

leat_err
leat_jobs_open(
    const uint8_t *body, size_t size, uint16_t count, leat_jobs_head *head, leat_reader *records)
{
    leat_reader reader = leat_reader_over(body, size);
    head->epoch = leat_read_u64(&reader);
    head->first_number = leat_read_u64(&reader);
    *records = reader;

    size_t jobs = 0;
    for (uint16_t i = 0; i < count; i++) {
        const size_t bits = leat_read_u16(&reader);
        const size_t n = bits & (WITH_CHECKPOINTS - 1);
        const leat_text channel = leat_read_text8(&reader);
        const leat_text handler = leat_read_text8(&reader);
        (void)leat_read_bytes(&reader, 16);
        const leat_text needs = leat_read_text8(&reader);
        jobs += n;
        if (reader.failed || jobs > LEAT_RECORDS_MAX || !leat_name_is_valid(channel) ||
            !leat_name_is_valid(handler) || (needs.size > 0 && !leat_needs_is_valid(needs)))
            return LEAT_ERR_MALFORMED;
        const leat_err err = (bits & WITH_CHECKPOINTS) != 0
                                 ? walk_checkpoints(&reader, n)
                                 : leat_walk_payloads(&reader, n, LEAT_JOBS_JOB_BYTES, 0, 0);
        if (err != LEAT_ERR_OK)
            return err;
    }
    return leat_walk_verdict(&reader);
}

void
leat_jobs_next_run(leat_reader *records, leat_jobs_run *run)
{
    const uint16_t bits = leat_read_u16(records);
    run->jobs = bits & (WITH_CHECKPOINTS - 1);
    run->checkpoints = (bits & WITH_CHECKPOINTS) != 0;
    run->channel = leat_read_text8(records);
    run->handler = leat_read_text8(records);
    run->batch = leat_read_u64(records);
    run->run_limit_ms = leat_read_u64(records);
    run->needs = leat_read_text8(records);
}

void
leat_jobs_next_job(leat_reader *records, const leat_jobs_run *run, leat_jobs_job *job)
{
    const uint8_t *const p = records->at;
    job->id = leat_load_u64(p);
    job->attempt = leat_load_u32(p + 8);
    job->place = leat_load_u32(p + 12);
    job->payload.size = leat_load_u32(p + 16);
    job->payload.data = p + LEAT_JOBS_JOB_BYTES;
    records->at += LEAT_JOBS_JOB_BYTES + job->payload.size;
    job->checkpoint = (leat_bytes){0};
    if (!run->checkpoints)
        return;
    job->checkpoint.size = leat_load_u32(records->at);
    job->checkpoint.data = records->at + 4;
    records->at += 4 + job->checkpoint.size;
}

void
leat_jobs_put_head(leat_buf *buf, const leat_jobs_head *head)
{
    leat_put_u64(buf, head->epoch);
    leat_put_u64(buf, head->first_number);
}

size_t
leat_jobs_put_run(leat_buf *buf, const leat_jobs_run *run)
{
    assert(leat_name_is_valid(run->channel));
    assert(leat_name_is_valid(run->handler));
    assert(run->needs.size == 0 || leat_needs_is_valid(run->needs));

    const size_t at = buf->size;
    leat_put_u16(buf, (uint16_t)(run->jobs | (run->checkpoints ? WITH_CHECKPOINTS : 0)));
    leat_put_text8(buf, run->channel);
    leat_put_text8(buf, run->handler);
    leat_put_u64(buf, run->batch);
    leat_put_u64(buf, run->run_limit_ms);
    leat_put_text8(buf, run->needs);
    return at;
}

void
leat_jobs_set_run(leat_buf *buf, size_t at, uint16_t jobs)
{
    if (buf->failed)
        return;
    assert(at + 2 <= buf->size);
    const unsigned bits = leat_load_u16(buf->data + at) & WITH_CHECKPOINTS;
    leat_store_u16(buf->data + at, (uint16_t)(jobs | bits));
}

void
leat_jobs_put_checkpoint(leat_buf *buf, leat_bytes checkpoint)
{
    assert(checkpoint.size <= LEAT_CHECKPOINT_BYTES_MAX);
    leat_put_u32(buf, checkpoint.size);
    leat_put_bytes(buf, checkpoint.data, checkpoint.size);
}

/* --------------------------------------------------------------------------------------- DONE */

leat_err
leat_done_open(
    const uint8_t *body, size_t size, uint16_t count, uint64_t *started, leat_reader *records)
{
    leat_reader reader = leat_reader_over(body, size);
    *started = leat_read_u64(&reader);
    *records = reader;
    const leat_err err =
        leat_walk_payloads(&reader, count, LEAT_DONE_BYTES, LEAT_TOKEN_BYTES, LEAT_END_FATAL);
    return err != LEAT_ERR_OK ? err : leat_walk_verdict(&reader);
}

void
leat_done_put_head(leat_buf *buf, uint64_t started)
{
    leat_put_u64(buf, started);
}

static void
store_token(uint8_t *p, const leat_token *token)
{
    leat_store_u64(p, token->id);
    leat_store_u32(p + 8, token->attempt);
    leat_store_u64(p + 12, token->epoch);
}

static leat_token
load_token(const uint8_t *p)
{
    return (leat_token){
        .id = leat_load_u64(p),
        .attempt = leat_load_u32(p + 8),
        .epoch = leat_load_u64(p + 12),
    };
}

void
leat_done_put(leat_buf *buf, const leat_done *done)
{
    assert(done->end >= LEAT_END_DONE && done->end <= LEAT_END_FATAL);
    assert(done->result.size <= LEAT_PAYLOAD_BYTES_MAX);

    uint8_t *const p = leat_buf_room(buf, LEAT_DONE_BYTES + (size_t)done->result.size);
    if (p == NULL)
        return;
    store_token(p, &done->token);
    p[20] = (uint8_t)done->end;
    leat_store_u64(p + 21, done->run_us);
    leat_store_u32(p + 29, done->result.size);
    if (done->result.size > 0)
        memcpy(p + LEAT_DONE_BYTES, done->result.data, done->result.size);
}

/* -------------------------------------------------------------------------------------- ACKED */

#define EXCEPTION_BYTES 14U

leat_err
leat_acked_open(const uint8_t *body, size_t size, uint16_t count, leat_reader *records)
{
    leat_reader reader = leat_reader_over(body, size);
    *records = reader;
    for (uint16_t i = 0; i < count; i++) {
        (void)leat_read_bytes(&reader, 10);
        const size_t exceptions = leat_read_u16(&reader);
        (void)leat_read_bytes(&reader, exceptions * EXCEPTION_BYTES);
    }
    return leat_walk_verdict(&reader);
}

void
leat_acked_next(leat_reader *records, leat_acked *acked)
{
    acked->sequence = leat_read_u64(records);
    acked->code = leat_read_u16(records);
    acked->exceptions = leat_read_u16(records);
}

void
leat_acked_next_exception(leat_reader *records, leat_acked_exception *exception)
{
    exception->id = leat_read_u64(records);
    exception->attempt = leat_read_u32(records);
    exception->code = leat_read_u16(records);
}

void
leat_acked_put(leat_buf *buf, const leat_acked *acked)
{
    leat_put_u64(buf, acked->sequence);
    leat_put_u16(buf, acked->code);
    leat_put_u16(buf, acked->exceptions);
}

void
leat_acked_put_exception(leat_buf *buf, const leat_acked_exception *exception)
{
    leat_put_u64(buf, exception->id);
    leat_put_u32(buf, exception->attempt);
    leat_put_u16(buf, exception->code);
}

/* ------------------------------------------------------------------------------------- tokens */

/* Bytes of one record, 0 for a command that has none of this kind. */
static size_t
token_record_bytes(leat_command command)
{
    static const uint8_t bytes[] = {
        [LEAT_CMD_STOP] = LEAT_TOKEN_BYTES + 5,
        [LEAT_CMD_RELEASE] = LEAT_TOKEN_BYTES,
        [LEAT_CMD_SNOOZE] = LEAT_TOKEN_BYTES + 8,
        [LEAT_CMD_CLAIM] = LEAT_TOKEN_BYTES + 1,
        [LEAT_CMD_END] = 8,
        [LEAT_CMD_RECALL] = 4,
    };
    assert((size_t)command < sizeof bytes);
    return bytes[command];
}

leat_err
leat_tokens_open(
    leat_command command, const uint8_t *body, size_t size, uint16_t count, leat_reader *records)
{
    const size_t record_bytes = token_record_bytes(command);
    assert(record_bytes > 0);

    *records = leat_reader_over(body, size);
    if (size != count * record_bytes)
        return LEAT_ERR_MALFORMED;
    for (const uint8_t *at = body; at < body + size; at += record_bytes) {
        const uint8_t *const rest = at + LEAT_TOKEN_BYTES;
        if ((command == LEAT_CMD_STOP && rest[0] - 1U >= LEAT_STOP_STALE) ||
            (command == LEAT_CMD_SNOOZE && leat_load_u64(rest) > LEAT_DELAY_MS_MAX) ||
            (command == LEAT_CMD_CLAIM && rest[0] > 1))
            return LEAT_ERR_MALFORMED;
    }
    return LEAT_ERR_OK;
}

void
leat_tokens_next(leat_command command, leat_reader *records, leat_token_record *record)
{
    const uint8_t *const p = records->at;
    *record = (leat_token_record){0};
    records->at += token_record_bytes(command);
    if (command == LEAT_CMD_END) {
        record->claims = leat_load_u64(p);
    } else if (command == LEAT_CMD_RECALL) {
        record->items = leat_load_u32(p);
    } else {
        record->token = load_token(p);
        if (command == LEAT_CMD_STOP) {
            record->reason = p[LEAT_TOKEN_BYTES];
            record->grace_ms = leat_load_u32(p + LEAT_TOKEN_BYTES + 1);
        } else if (command == LEAT_CMD_SNOOZE) {
            record->delay_ms = leat_load_u64(p + LEAT_TOKEN_BYTES);
        } else if (command == LEAT_CMD_CLAIM) {
            record->started = p[LEAT_TOKEN_BYTES];
        }
    }
}

void
leat_tokens_put(leat_command command, leat_buf *buf, const leat_token_record *record)
{
    assert(token_record_bytes(command) > 0);
    assert(record->delay_ms <= LEAT_DELAY_MS_MAX);
    assert(record->started <= 1);

    uint8_t *const p = leat_buf_room(buf, token_record_bytes(command));
    if (p == NULL)
        return;
    if (command == LEAT_CMD_END) {
        leat_store_u64(p, record->claims);
    } else if (command == LEAT_CMD_RECALL) {
        leat_store_u32(p, record->items);
    } else {
        store_token(p, &record->token);
        if (command == LEAT_CMD_STOP) {
            p[LEAT_TOKEN_BYTES] = record->reason;
            leat_store_u32(p + LEAT_TOKEN_BYTES + 1, record->grace_ms);
        } else if (command == LEAT_CMD_SNOOZE) {
            leat_store_u64(p + LEAT_TOKEN_BYTES, record->delay_ms);
        } else if (command == LEAT_CMD_CLAIM) {
            p[LEAT_TOKEN_BYTES] = record->started;
        }
    }
}
