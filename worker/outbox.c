/* Open frames, closed frames, and the way to the link. See outbox.h. */
#include "worker/outbox.h"

#include <stdlib.h>

#include "proto/told.h"

#define SNOOZE_BYTES (LEAT_TOKEN_BYTES + 8U)
#define CLOSED_MIN   8U

static_assert(LEAT_FRAME_BYTES_CLOSE / LEAT_CHECKPOINT_BYTES > LEAT_RECORDS_MAX,
              "records of CHECKPOINT have to be counted");
static_assert(LEAT_FRAME_BYTES_CLOSE > LEAT_RECORDS_MAX * SNOOZE_BYTES + LEAT_FRAME_BYTES,
              "frames of RELEASE and SNOOZE are closed by their count");

void
leat_outbox_init(leat_outbox *outbox)
{
    *outbox = (leat_outbox){0};
}

void
leat_outbox_fini(leat_outbox *outbox)
{
    for (size_t i = 0; i < outbox->count; i++)
        leat_buf_fini(&outbox->closed[outbox->first + i]);
    free(outbox->closed);
    leat_buf_fini(&outbox->done);
    leat_buf_fini(&outbox->release);
    leat_buf_fini(&outbox->snooze);
    leat_buf_fini(&outbox->checkpoint);
    leat_outbox_init(outbox);
}

void
leat_outbox_drop(leat_outbox *outbox)
{
    const leat_outbox before = *outbox;
    leat_outbox_fini(outbox);
    outbox->started = before.started;
    outbox->recorder = before.recorder;
    outbox->noted = before.noted;
}

/* Write the figures that are known only now. */
static void
finish(leat_outbox *outbox, leat_buf *frame, uint16_t count)
{
    leat_frame_finish(frame, 0, count, 0);
    if (frame == &outbox->done)
        leat_store_u64(frame->data + LEAT_FRAME_BYTES, outbox->started);
}

/* Room for one more closed frame, at the end. */
static bool
reserve(leat_outbox *outbox)
{
    if (outbox->first + outbox->count < outbox->capacity)
        return true;
    if (outbox->first > 0) {
        memmove(outbox->closed, outbox->closed + outbox->first,
                outbox->count * sizeof *outbox->closed);
        outbox->first = 0;
        return true;
    }
    const size_t capacity = outbox->capacity == 0 ? CLOSED_MIN : outbox->capacity * 2;
    leat_buf *const closed = reallocarray(outbox->closed, capacity, sizeof *closed);
    if (closed == NULL) {
        outbox->failed = true;
        return false;
    }
    outbox->closed = closed;
    outbox->capacity = capacity;
    return true;
}

static void
close_frame(leat_outbox *outbox, leat_buf *frame, uint16_t *count)
{
    if (*count == 0)
        return;
    if (frame->failed)
        outbox->failed = true;
    if (outbox->failed || !reserve(outbox))
        return;
    finish(outbox, frame, *count);
    outbox->closed[outbox->first + outbox->count++] = *frame;
    leat_buf_init(frame);
    *count = 0;
}

/* A checkpoint behind the end of its attempt would be STALE. */
static void
close_end(leat_outbox *outbox, leat_buf *frame, uint16_t *count)
{
    close_frame(outbox, &outbox->checkpoint, &outbox->checkpoint_count);
    close_frame(outbox, frame, count);
}

void
leat_outbox_checkpoint(leat_outbox *outbox, const leat_token *token, leat_bytes data)
{
    leat_buf *const frame = &outbox->checkpoint;
    const leat_checkpoint_record record = {.token = *token, .data = data};
    if (outbox->checkpoint_count == LEAT_RECORDS_MAX ||
        frame->size + LEAT_CHECKPOINT_BYTES + data.size > LEAT_FRAME_BYTES_CLOSE)
        close_frame(outbox, frame, &outbox->checkpoint_count);
    if (outbox->failed)
        return;
    if (outbox->checkpoint_count == 0) {
        leat_buf_reset(frame);
        leat_frame_begin(frame, LEAT_CMD_CHECKPOINT);
    }
    leat_checkpoint_put(frame, &record);
    outbox->checkpoint_count++;
    if (frame->failed)
        outbox->failed = true;
}

bool
leat_outbox_is_flowing(const leat_outbox *outbox)
{
    return outbox->count == 0;
}

void
leat_outbox_done(leat_outbox *outbox, const leat_done *done)
{
    leat_buf *const frame = &outbox->done;
    const size_t bytes = LEAT_DONE_BYTES + (size_t)done->result.size;
    if (outbox->done_count == LEAT_RECORDS_MAX ||
        (outbox->done_count > 0 && frame->size + bytes > LEAT_FRAME_BYTES_CLOSE))
        close_end(outbox, frame, &outbox->done_count);
    if (outbox->failed)
        return;
    if (outbox->done_count == 0) {
        leat_buf_reset(frame);
        leat_frame_begin(frame, LEAT_CMD_DONE);
        leat_done_put_head(frame, outbox->started);
    }
    leat_done_put(frame, done);
    outbox->done_count++;
    if (frame->failed)
        outbox->failed = true;
}

/* Add a record of RELEASE or SNOOZE to its open frame. */
static void
add_token(leat_outbox *outbox,
          leat_command command,
          leat_buf *frame,
          uint16_t *count,
          const leat_token_record *record)
{
    if (*count == LEAT_RECORDS_MAX)
        close_end(outbox, frame, count);
    if (outbox->failed)
        return;
    if (*count == 0) {
        leat_buf_reset(frame);
        leat_frame_begin(frame, command);
    }
    leat_tokens_put(command, frame, record);
    ++*count;
    if (frame->failed)
        outbox->failed = true;
}

void
leat_outbox_release(leat_outbox *outbox, const leat_token *token)
{
    add_token(outbox, LEAT_CMD_RELEASE, &outbox->release, &outbox->release_count,
              &(leat_token_record){.token = *token});
}

void
leat_outbox_snooze(leat_outbox *outbox, const leat_token *token, uint64_t delay_ms)
{
    add_token(outbox, LEAT_CMD_SNOOZE, &outbox->snooze, &outbox->snooze_count,
              &(leat_token_record){.token = *token, .delay_ms = delay_ms});
}

/* Write down what a frame reports, before it leaves. */
static void
note_report(leat_outbox *outbox, const leat_buf *frame)
{
    uint64_t started;
    leat_reader records;
    const uint16_t count = leat_load_u16(frame->data + 4);
    const leat_err err = leat_done_open(frame->data + LEAT_FRAME_BYTES,
                                        frame->size - LEAT_FRAME_BYTES, count, &started, &records);
    assert(err == LEAT_ERR_OK); /* we have written it */
    (void)err;
    outbox->noted++;
    for (uint16_t i = 0; i < count; i++) {
        leat_done done;
        leat_done_next(&records, &done);
        leat_recorder_note(outbox->recorder, &(leat_note){.operation = LEAT_NOTE_REPORT,
                                                          .phase = LEAT_PHASE_INVOKE,
                                                          .number = outbox->noted,
                                                          .job = done.token.id,
                                                          .attempt = done.token.attempt,
                                                          .epoch = (uint32_t)done.token.epoch,
                                                          .code = (uint8_t)done.end});
    }
}

static void
send_closed(leat_outbox *outbox, leat_link *link, uint32_t *room)
{
    for (; *room > 0 && outbox->count > 0; (*room)--) {
        leat_buf *const frame = &outbox->closed[outbox->first];
        const bool noted = outbox->recorder != NULL && frame->data[3] == LEAT_CMD_DONE;
        if (noted)
            note_report(outbox, frame);
        const uint64_t sequence = leat_link_send_sequenced(link, frame);
        if (sequence == 0)
            outbox->failed = true;
        else if (noted) /* by this the answer names it */
            leat_recorder_note(outbox->recorder, &(leat_note){.operation = LEAT_NOTE_REPORT,
                                                              .phase = LEAT_PHASE_OK,
                                                              .number = outbox->noted,
                                                              .batch = sequence});
        outbox->first++;
        outbox->count--;
    }
    if (outbox->count == 0)
        outbox->first = 0;
}

void
leat_outbox_flush(leat_outbox *outbox, leat_link *link)
{
    if (leat_outbox_is_empty(outbox) || outbox->failed)
        return;
    uint32_t room = leat_link_room(link);
    send_closed(outbox, link, &room);
    if (room > outbox->count)
        close_frame(outbox, &outbox->checkpoint, &outbox->checkpoint_count);
    if (room > outbox->count)
        close_frame(outbox, &outbox->done, &outbox->done_count);
    if (room > outbox->count)
        close_frame(outbox, &outbox->release, &outbox->release_count);
    if (room > outbox->count)
        close_frame(outbox, &outbox->snooze, &outbox->snooze_count);
    send_closed(outbox, link, &room);
}

bool
leat_outbox_is_empty(const leat_outbox *outbox)
{
    return outbox->count == 0 && outbox->done_count == 0 && outbox->release_count == 0 &&
           outbox->snooze_count == 0 && outbox->checkpoint_count == 0;
}

/* The tokens of a frame of DONE or SNOOZE; it is not finished while it is open. */
static void
each_in(leat_command command,
        const leat_buf *frame,
        uint16_t count,
        leat_outbox_visit *visit,
        void *context)
{
    uint64_t started;
    leat_reader records;
    const uint8_t *const body = frame->data + LEAT_FRAME_BYTES;
    const size_t size = frame->size - LEAT_FRAME_BYTES;
    const leat_err err = command == LEAT_CMD_DONE
                             ? leat_done_open(body, size, count, &started, &records)
                             : leat_tokens_open(command, body, size, count, &records);
    assert(err == LEAT_ERR_OK); /* we have written it */
    (void)err;
    for (uint16_t i = 0; i < count; i++) {
        leat_done done;
        leat_token_record record;
        if (command == LEAT_CMD_DONE)
            leat_done_next(&records, &done);
        else
            leat_tokens_next(command, &records, &record);
        visit(context, command == LEAT_CMD_DONE ? &done.token : &record.token);
    }
}

void
leat_outbox_each_done(const leat_outbox *outbox, leat_outbox_visit *visit, void *context)
{
    for (size_t i = 0; i < outbox->count; i++) {
        const leat_buf *const frame = &outbox->closed[outbox->first + i];
        const leat_command command = (leat_command)frame->data[3];
        if (command == LEAT_CMD_DONE || command == LEAT_CMD_SNOOZE)
            each_in(command, frame, leat_load_u16(frame->data + 4), visit, context);
    }
    if (outbox->done_count > 0)
        each_in(LEAT_CMD_DONE, &outbox->done, outbox->done_count, visit, context);
    if (outbox->snooze_count > 0)
        each_in(LEAT_CMD_SNOOZE, &outbox->snooze, outbox->snooze_count, visit, context);
}
