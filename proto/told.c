/* What a running job tells. See told.h. */
#include "proto/told.h"

#include "proto/walk.h"

static leat_token
read_token(leat_reader *reader)
{
    leat_token token;
    token.id = leat_read_u64(reader);
    token.attempt = leat_read_u32(reader);
    token.epoch = leat_read_u64(reader);
    return token;
}

static void
put_token(leat_buf *buf, const leat_token *token)
{
    leat_put_u64(buf, token->id);
    leat_put_u32(buf, token->attempt);
    leat_put_u64(buf, token->epoch);
}

static leat_teller
read_teller(leat_reader *reader)
{
    leat_teller teller;
    teller.token = read_token(reader);
    teller.batch = leat_read_u64(reader);
    teller.place = leat_read_u32(reader);
    teller.gap = leat_read_u32(reader);
    return teller;
}

static void
put_teller(leat_buf *buf, const leat_teller *teller)
{
    put_token(buf, &teller->token);
    leat_put_u64(buf, teller->batch);
    leat_put_u32(buf, teller->place);
    leat_put_u32(buf, teller->gap);
}

/* Bytes with a u32 before them, of which there may be `max`. */
static leat_err
pass_bytes(leat_reader *reader, uint32_t max)
{
    const uint32_t size = leat_read_u32(reader);
    if (!reader->failed && size > max)
        return LEAT_ERR_TOO_LARGE;
    (void)leat_read_bytes(reader, size);
    return reader->failed ? LEAT_ERR_MALFORMED : LEAT_ERR_OK;
}

static leat_bytes
read_bytes(leat_reader *reader)
{
    leat_bytes data;
    data.size = leat_read_u32(reader);
    data.data = leat_read_bytes(reader, data.size);
    return data;
}

static void
put_bytes(leat_buf *buf, leat_bytes data)
{
    leat_put_u32(buf, data.size);
    leat_put_bytes(buf, data.data, data.size);
}

/* ---------------------------------------------------------------------------------- PROGRESS */

leat_err
leat_progress_open(const uint8_t *body, size_t size, uint16_t count, leat_reader *records)
{
    leat_reader reader = leat_reader_over(body, size);
    *records = reader;
    for (uint16_t i = 0; i < count; i++) {
        (void)leat_read_bytes(&reader, LEAT_TELLER_BYTES + 16U);
        if (leat_read_text16(&reader).size > LEAT_PROGRESS_TEXT_MAX)
            return LEAT_ERR_TOO_LARGE;
    }
    return leat_walk_verdict(&reader);
}

void
leat_progress_next(leat_reader *records, leat_progress *progress)
{
    progress->from = read_teller(records);
    progress->done = leat_read_u64(records);
    progress->of = leat_read_u64(records);
    progress->text = leat_read_text16(records);
}

void
leat_progress_put(leat_buf *buf, const leat_progress *progress)
{
    assert(progress->text.size <= LEAT_PROGRESS_TEXT_MAX);
    put_teller(buf, &progress->from);
    leat_put_u64(buf, progress->done);
    leat_put_u64(buf, progress->of);
    leat_put_text16(buf, progress->text);
}

/* --------------------------------------------------------------------------------------- LOG */

leat_err
leat_output_open(const uint8_t *body, size_t size, uint16_t count, leat_reader *records)
{
    leat_reader reader = leat_reader_over(body, size);
    *records = reader;
    for (uint16_t i = 0; i < count; i++) {
        (void)leat_read_bytes(&reader, LEAT_TELLER_BYTES);
        const uint8_t stream = leat_read_u8(&reader);
        (void)leat_read_u64(&reader);
        if (!reader.failed && (stream < LEAT_STREAM_OUT || stream > LEAT_STREAM_LAST))
            return LEAT_ERR_MALFORMED;
        const leat_err err = pass_bytes(&reader, LEAT_LOG_BYTES_MAX);
        if (err != LEAT_ERR_OK)
            return err;
    }
    return leat_walk_verdict(&reader);
}

void
leat_output_next(leat_reader *records, leat_output *output)
{
    output->from = read_teller(records);
    output->stream = (leat_stream)leat_read_u8(records);
    output->offset = leat_read_u64(records);
    output->data = read_bytes(records);
}

void
leat_output_put(leat_buf *buf, const leat_output *output)
{
    assert(output->stream >= LEAT_STREAM_OUT && output->stream <= LEAT_STREAM_LAST);
    assert(output->data.size <= LEAT_LOG_BYTES_MAX);
    put_teller(buf, &output->from);
    leat_put_u8(buf, (uint8_t)output->stream);
    leat_put_u64(buf, output->offset);
    put_bytes(buf, output->data);
}

/* -------------------------------------------------------------------------------- CHECKPOINT */

leat_err
leat_checkpoint_open(const uint8_t *body, size_t size, uint16_t count, leat_reader *records)
{
    leat_reader reader = leat_reader_over(body, size);
    *records = reader;
    for (uint16_t i = 0; i < count; i++) {
        (void)leat_read_bytes(&reader, LEAT_TOKEN_BYTES);
        const leat_err err = pass_bytes(&reader, LEAT_CHECKPOINT_BYTES_MAX);
        if (err != LEAT_ERR_OK)
            return err;
    }
    return leat_walk_verdict(&reader);
}

void
leat_checkpoint_next(leat_reader *records, leat_checkpoint_record *checkpoint)
{
    checkpoint->token = read_token(records);
    checkpoint->data = read_bytes(records);
}

void
leat_checkpoint_put(leat_buf *buf, const leat_checkpoint_record *checkpoint)
{
    assert(checkpoint->data.size <= LEAT_CHECKPOINT_BYTES_MAX);
    put_token(buf, &checkpoint->token);
    put_bytes(buf, checkpoint->data);
}
