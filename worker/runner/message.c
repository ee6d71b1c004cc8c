/* Messages of workers and keepers. See message.h. */
#include "worker/runner/message.h"

#include <stdlib.h>

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
    serve->memory_max = leat_read_u64(&body);
    serve->variables = leat_message_variables(&body, &serve->variable_count);
    serve->exec = (leat_bytes){.data = body.at, .size = (uint32_t)leat_reader_left(&body)};
    return !body.failed;
}

void
leat_message_job_put(leat_buf *buf, const leat_message_job *job)
{
    leat_put_u64(buf, job->id);
    leat_put_u64(buf, job->batch);
    leat_put_u32(buf, job->place);
    leat_put_u32(buf, job->attempt);
    leat_put_u64(buf, job->left_ms);
    put_bytes32(buf, job->handler);
    put_bytes32(buf, job->channel);
    put_bytes32(buf, job->payload);
    put_bytes32(buf, job->checkpoint);
    put_bytes32(buf, job->given);
}

bool
leat_message_job_read(leat_reader body, leat_message_job *job)
{
    job->id = leat_read_u64(&body);
    job->batch = leat_read_u64(&body);
    job->place = leat_read_u32(&body);
    job->attempt = leat_read_u32(&body);
    job->left_ms = leat_read_u64(&body);
    job->handler = read_bytes32(&body);
    job->channel = read_bytes32(&body);
    job->payload = read_bytes32(&body);
    job->checkpoint = read_bytes32(&body);
    job->given = read_bytes32(&body);
    job->variables = leat_message_variables(&body, &job->variable_count);
    return !body.failed && leat_reader_left(&body) == 0;
}

void
leat_message_given_put(leat_buf *buf, const leat_given *given)
{
    for (uint32_t i = 0; given != NULL && i < given->count; i++) {
        const leat_given_amount *const one = &given->amounts[i];
        put_bytes32(buf, (leat_bytes){.data = (const uint8_t *)one->name,
                                      .size = (uint32_t)strlen(one->name) + 1});
        leat_put_u64(buf, one->amount);
        leat_put_u8(buf, one->numbers != NULL);
        for (uint64_t k = 0; one->numbers != NULL && k < one->amount; k++)
            leat_put_u16(buf, one->numbers[k]);
    }
}

/* One amount; its numbers go to *numbers, which moves behind them. */
static bool
read_amount(leat_reader *reader, leat_given_amount *one, uint16_t **numbers)
{
    const leat_bytes name = read_bytes32(reader);
    one->amount = leat_read_u64(reader);
    const bool has_numbers = leat_read_u8(reader) != 0;
    if (reader->failed || name.size == 0 || name.data[name.size - 1] != 0)
        return false;
    one->name = (const char *)name.data;
    one->numbers = has_numbers ? *numbers : NULL;
    for (uint64_t k = 0; has_numbers && k < one->amount && !reader->failed; k++)
        *(*numbers)++ = leat_read_u16(reader);
    return !reader->failed;
}

bool
leat_message_given_read(leat_bytes bytes, leat_given **out)
{
    leat_reader reader = leat_reader_over(bytes.data, bytes.size);
    *out = NULL;
    if (bytes.size == 0)
        return true;
    /* There are not more numbers than bytes, and one that is read behind their end. */
    leat_given *given =
        calloc(1, sizeof *given + ((size_t)bytes.size + 1) * sizeof *given->numbers);
    if (given == NULL)
        return false;
    uint16_t *numbers = given->numbers;
    while (leat_reader_left(&reader) > 0) {
        if (given->count == LEAT_NEEDS_MAX ||
            !read_amount(&reader, &given->amounts[given->count], &numbers)) {
            free(given);
            return false;
        }
        given->count++;
    }
    *out = given;
    return true;
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
