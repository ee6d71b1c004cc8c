/* A job's words, and the frames that carry them. See tell.h. */
#include "worker/tell.h"

/* -------------------------------------------------------------------------------- one job's */

void
leat_tell_reset(leat_tell *tell)
{
    leat_buf_fini(&tell->log);
    leat_buf_fini(&tell->checkpoint);
    *tell = (leat_tell){0};
}

bool
leat_tell_has(const leat_tell *tell)
{
    return tell->has_progress || tell->has_checkpoint || tell->log.size > 0;
}

void
leat_tell_progress(leat_tell *tell, uint64_t done, uint64_t of, leat_text text)
{
    const size_t size = text.size < sizeof tell->text ? text.size : sizeof tell->text;
    tell->has_progress = true;
    tell->done = done;
    tell->of = of;
    tell->text_bytes = (uint16_t)size;
    if (size > 0)
        memcpy(tell->text, text.data, size);
}

void
leat_tell_log(leat_tell *tell, const void *data, size_t size)
{
    const uint64_t at = tell->log_end;
    tell->log_end += size;
    if (tell->log.size == 0)
        tell->log_at = at;
    if (tell->log_at + tell->log.size != at || tell->log.size + size > LEAT_TELL_LOG_BYTES)
        return; /* dropped, and so is what follows until the loop has been here */
    leat_put_bytes(&tell->log, data, size);
    if (tell->log.failed)
        leat_buf_fini(&tell->log);
}

leat_err
leat_tell_checkpoint(leat_tell *tell, const void *data, size_t size)
{
    leat_buf checkpoint = {0};
    if (size > LEAT_CHECKPOINT_BYTES_MAX)
        return LEAT_ERR_TOO_LARGE;
    leat_put_bytes(&checkpoint, data, size);
    if (checkpoint.failed) {
        leat_buf_fini(&checkpoint);
        return LEAT_ERR_NOMEM;
    }
    leat_buf_fini(&tell->checkpoint);
    tell->checkpoint = checkpoint;
    tell->has_checkpoint = true;
    return LEAT_ERR_OK;
}

/* -------------------------------------------------------------------------------- the frames */

void
leat_tellings_fini(leat_tellings *tellings)
{
    leat_buf_fini(&tellings->progress);
    leat_buf_fini(&tellings->log);
    tellings->progress_count = tellings->log_count = 0;
}

/* Room for a record of so many bytes, in a frame that is begun if need be. */
static bool
open_frame(leat_buf *frame, uint16_t *count, leat_command command, size_t bytes)
{
    if (*count > 0 && (*count == LEAT_RECORDS_MAX || frame->size + bytes > LEAT_FRAME_BYTES_CLOSE))
        return false;
    if (*count == 0) {
        leat_buf_reset(frame);
        leat_frame_begin(frame, command);
    }
    (*count)++;
    return true;
}

void
leat_tellings_progress(
    leat_tellings *tellings, const leat_token *token, uint64_t done, uint64_t of, leat_text text)
{
    const leat_progress progress = {.from.token = *token, .done = done, .of = of, .text = text};
    if (open_frame(&tellings->progress, &tellings->progress_count, LEAT_CMD_PROGRESS,
                   LEAT_TELLER_BYTES + 18U + text.size))
        leat_progress_put(&tellings->progress, &progress);
}

void
leat_tellings_log(leat_tellings *tellings,
                  const leat_token *token,
                  leat_stream stream,
                  uint64_t offset,
                  const void *data,
                  size_t size)
{
    const uint8_t *at = data;
    while (size > 0) {
        const uint32_t piece = size < LEAT_LOG_BYTES_MAX ? (uint32_t)size : LEAT_LOG_BYTES_MAX;
        const leat_output output = {
            .from.token = *token, .stream = stream, .offset = offset, .data = {at, piece}
        };
        if (!open_frame(&tellings->log, &tellings->log_count, LEAT_CMD_LOG,
                        LEAT_OUTPUT_BYTES + (size_t)piece))
            return;
        leat_output_put(&tellings->log, &output);
        at += piece;
        offset += piece;
        size -= piece;
    }
}

bool
leat_tellings_take(
    leat_tellings *tellings, const leat_token *token, leat_tell *tell, bool last, int64_t now_ms)
{
    if (tell->log.size > 0) {
        tell->is_heard = true;
        leat_tellings_log(tellings, token, LEAT_STREAM_LOG, tell->log_at, tell->log.data,
                          tell->log.size);
        leat_buf_reset(&tell->log);
    }
    if (!tell->has_progress)
        return true;
    if (!last && now_ms < tell->sent_ms + LEAT_TELL_PROGRESS_MS)
        return false;
    tell->is_heard = true;
    leat_tellings_progress(tellings, token, tell->done, tell->of,
                           (leat_text){tell->text, tell->text_bytes});
    tell->has_progress = false;
    tell->sent_ms = now_ms;
    return true;
}

static void
send_frame(leat_link *link, leat_buf *frame, uint16_t *count)
{
    if (*count == 0)
        return;
    leat_frame_finish(frame, 0, *count, 0);
    *count = 0;
    if (frame->failed)
        leat_buf_fini(frame); /* lost, without memory */
    else
        leat_link_send(link, frame);
}

void
leat_tellings_flush(leat_tellings *tellings, leat_link *link, bool now, int64_t now_ms)
{
    if (tellings->progress_count == 0 && tellings->log_count == 0)
        return;
    if (!leat_link_is_up(link)) {
        leat_tellings_fini(tellings);
        return;
    }
    if ((!now && now_ms < leat_tellings_due_ms(tellings)) || !leat_link_is_clear(link))
        return;
    tellings->flushed_ms = now_ms;
    send_frame(link, &tellings->log, &tellings->log_count);
    send_frame(link, &tellings->progress, &tellings->progress_count);
}

int64_t
leat_tellings_due_ms(const leat_tellings *tellings)
{
    return tellings->progress_count == 0 && tellings->log_count == 0
               ? INT64_MAX
               : tellings->flushed_ms + LEAT_TELL_FLUSH_MS;
}
