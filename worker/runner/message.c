/* Messages of workers and keepers. See message.h. */
#include "worker/runner/message.h"

size_t
leat_message_begin(leat_buf *buf, leat_message_kind kind)
{
    const size_t begin = buf->size;
    leat_put_u32(buf, 0);
    leat_put_u8(buf, (uint8_t)kind);
    return begin;
}

void
leat_message_finish(leat_buf *buf, size_t begin)
{
    if (!buf->failed)
        leat_store_u32(buf->data + begin, (uint32_t)(buf->size - begin - 4));
}

static leat_bytes
read_bytes32(leat_reader *reader)
{
    const uint32_t size = leat_read_u32(reader);
    const uint8_t *const data = leat_read_bytes(reader, size);
    return (leat_bytes){.data = data, .size = data == NULL ? 0 : size};
}

static void
put_bytes32(leat_buf *buf, leat_bytes bytes)
{
    leat_put_u32(buf, bytes.size);
    leat_put_bytes(buf, bytes.data, bytes.size);
}

leat_reader
leat_message_variables(leat_reader *reader, uint32_t *count)
{
    *count = leat_read_u32(reader);
    const leat_reader variables = *reader;
    for (uint32_t i = 0; i < *count && !reader->failed; i++)
        (void)read_bytes32(reader);
    return variables;
}

bool
leat_message_serve_read(leat_reader body, leat_message_serve *serve)
{
    serve->runner = leat_read_u8(&body);
    serve->jobs_max = leat_read_u32(&body);
    serve->variables = leat_message_variables(&body, &serve->variable_count);
    serve->exec = (leat_bytes){.data = body.at, .size = (uint32_t)leat_reader_left(&body)};
    return !body.failed;
}

void
leat_message_job_put(leat_buf *buf, const leat_message_job *job)
{
    leat_put_u64(buf, job->id);
    leat_put_u32(buf, job->attempt);
    leat_put_u64(buf, job->left_ms);
    put_bytes32(buf, job->handler);
    put_bytes32(buf, job->payload);
    put_bytes32(buf, job->checkpoint);
}

bool
leat_message_job_read(leat_reader body, leat_message_job *job)
{
    job->id = leat_read_u64(&body);
    job->attempt = leat_read_u32(&body);
    job->left_ms = leat_read_u64(&body);
    job->handler = read_bytes32(&body);
    job->payload = read_bytes32(&body);
    job->checkpoint = read_bytes32(&body);
    job->variables = leat_message_variables(&body, &job->variable_count);
    return !body.failed && leat_reader_left(&body) == 0;
}

void
leat_message_told_put(leat_buf *buf, const leat_message_told *told)
{
    leat_put_u8(buf, (uint8_t)told->kind);
    if (told->kind == LEAT_TELLING_PROGRESS) {
        leat_put_u64(buf, told->done);
        leat_put_u64(buf, told->of);
        leat_put_text16(buf, told->text);
        return;
    }
    if (told->kind == LEAT_TELLING_LOG) {
        leat_put_u8(buf, (uint8_t)told->stream);
        leat_put_u64(buf, told->offset);
    }
    put_bytes32(buf, told->data);
}

bool
leat_message_told_next(leat_reader *body, leat_message_told *told)
{
    if (leat_reader_left(body) == 0)
        return false;
    *told = (leat_message_told){.kind = (leat_message_telling)leat_read_u8(body)};
    switch (told->kind) {
    case LEAT_TELLING_PROGRESS:
        told->done = leat_read_u64(body);
        told->of = leat_read_u64(body);
        told->text = leat_read_text16(body);
        break;
    case LEAT_TELLING_LOG:
        told->stream = (leat_stream)leat_read_u8(body);
        told->offset = leat_read_u64(body);
        told->data = read_bytes32(body);
        if (told->stream < LEAT_STREAM_OUT || told->stream > LEAT_STREAM_LAST)
            body->failed = true;
        break;
    case LEAT_TELLING_CHECKPOINT:
        told->data = read_bytes32(body);
        break;
    default:
        body->failed = true;
        break;
    }
    return !body->failed;
}

void
leat_message_ended_put(leat_buf *buf, const leat_message_ended *ended)
{
    leat_put_u8(buf, ended->end);
    leat_put_u64(buf, ended->run_us);
    leat_put_u64(buf, ended->delay_ms);
}

bool
leat_message_ended_read(leat_reader body, leat_message_ended *ended)
{
    ended->end = leat_read_u8(&body);
    ended->run_us = leat_read_u64(&body);
    ended->delay_ms = leat_read_u64(&body);
    ended->result = (leat_bytes){.data = body.at, .size = (uint32_t)leat_reader_left(&body)};
    return !body.failed && ended->end >= LEAT_END_DONE && ended->end <= LEAT_MESSAGE_SNOOZED;
}
