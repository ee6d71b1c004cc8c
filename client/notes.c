/* What a client writes down when it was given a folder for histories: each record that it sends,
 * before it leaves, what became of it, and what it was shown. See proto/base/recorder.h.
 *
 * Records are numbered by this handle; a frame keeps the number of its first one for the answer. */
#include <stdlib.h>
#include <string.h>

#include "client/client.h"

leat_status
leat_notes_open(leat *self, const char *folder)
{
    char why[512] = "";
    if (folder == NULL || folder[0] == '\0')
        return LEAT_OK;
    const leat_err err = leat_recorder_open(folder, "client", &self->recorder, why);
    return err == LEAT_ERR_OK ? LEAT_OK : leat_fail(self, LEAT_WRONG_USE, "%s", why);
}

const char *
leat_history_trouble(const leat *self)
{
    return self->recorder == NULL ? "" : leat_recorder_trouble(self->recorder);
}

/* ---- what is sent ---- */

static uint32_t
name_of(leat_text text)
{
    return leat_note_name(text.data, text.size);
}

/* The jobs that the broker makes by itself, of any record of the frame. Returns the flags that its
 * records have for it. */
static uint8_t
note_followers(leat *self, uint64_t number, const leat_settings *settings)
{
    uint8_t flags = 0;
    leat_note note = {.operation = LEAT_NOTE_FOLLOW, .number = number};
    if (settings->recover.handler.size > 0) {
        note.extra = name_of(settings->recover.handler);
        note.flags = LEAT_NOTE_RECOVERS;
        flags |= note.flags;
        leat_recorder_note(self->recorder, &note);
    }
    for (uint8_t i = 0; i < settings->finally_count; i++) {
        const leat_follower *const follower = &settings->finally[i];
        note.extra = name_of(follower->handler);
        note.flags = LEAT_NOTE_FINALLY;
        note.hash = leat_note_hash(follower->payload.data, follower->payload.size);
        flags |= note.flags;
        leat_recorder_note(self->recorder, &note);
    }
    return flags;
}

static void
note_send(leat *self, const uint8_t *body, size_t size, uint16_t count)
{
    leat_send_head head;
    leat_reader records;
    const leat_err err = leat_send_open(body, size, count, &head, &records);
    assert(err == LEAT_ERR_OK); /* we have written it */
    (void)err;
    leat_note note = {.operation = LEAT_NOTE_SEND,
                      .phase = LEAT_PHASE_INVOKE,
                      .batch = head.batch,
                      .extra = name_of(head.channel),
                      .attempt = head.settings.failures | (uint32_t)(head.settings.losses & 0xffffU)
                                                              << 16,
                      .flags = note_followers(self, self->noted + 1, &head.settings)};
    if (head.handler.size == 0)
        note.flags |= LEAT_NOTE_MESSAGE;
    if (head.settings.unique.size > 0)
        note.flags |= LEAT_NOTE_UNIQUE;
    for (uint16_t i = 0; i < count; i++) {
        const leat_bytes payload = leat_send_next(&records);
        note.number = ++self->noted;
        note.hash = leat_note_hash(payload.data, payload.size);
        leat_recorder_note(self->recorder, &note);
    }
}

/* A select: its sends have the numbers of their cases. */
static void
note_select(leat *self, const uint8_t *body, size_t size, uint16_t count)
{
    uint8_t flags;
    leat_reader records;
    const leat_err err = leat_select_open(body, size, count, &flags, &records);
    assert(err == LEAT_ERR_OK);
    (void)err;
    for (uint16_t i = 0; i < count; i++) {
        leat_select_case one;
        leat_select_next(&records, &one);
        self->noted++;
        if (one.kind != LEAT_SELECT_SEND)
            continue;
        leat_recorder_note(self->recorder,
                           &(leat_note){.operation = LEAT_NOTE_SEND,
                                        .phase = LEAT_PHASE_INVOKE,
                                        .number = self->noted,
                                        .hash = leat_note_hash(one.payload.data, one.payload.size),
                                        .extra = name_of(one.channel),
                                        .flags = LEAT_NOTE_MESSAGE});
    }
}

void
leat_notes_on_post(leat *self, const leat_buf *frame, uint64_t *first, uint32_t *count)
{
    const uint64_t before = self->noted;
    if (frame->failed) /* it does not leave */
        return;
    const leat_command command = (leat_command)frame->data[3];
    const uint16_t records = leat_load_u16(frame->data + 4);
    const uint8_t *const body = frame->data + LEAT_FRAME_BYTES;
    const size_t size = frame->size - LEAT_FRAME_BYTES;
    if (command == LEAT_CMD_SEND)
        note_send(self, body, size, records);
    else if (command == LEAT_CMD_SELECT)
        note_select(self, body, size, records);
    *first = before + 1;
    *count = (uint32_t)(self->noted - before);
}

/* ---- what became of it ---- */

static void
note_answer(leat *self, leat_note_phase phase, uint64_t first, uint32_t count, leat_note note)
{
    if (count == 0)
        return;
    note.operation = LEAT_NOTE_SEND;
    note.phase = (uint8_t)phase;
    note.number = first;
    note.extra = count;
    leat_recorder_note(self->recorder, &note);
}

void
leat_notes_on_sent(leat *self, const leat_open_frame *frame, const leat_sent *sent)
{
    const uint32_t in = sent->accepted < frame->notes ? sent->accepted : frame->notes;
    note_answer(self, LEAT_PHASE_OK, frame->first_note, in,
                (leat_note){.job = sent->first_id, .batch = sent->batch});
    note_answer(self, LEAT_PHASE_FAIL, frame->first_note + in, frame->notes - in,
                (leat_note){.code = (uint8_t)sent->code});
}

void
leat_notes_on_selected(leat *self, const leat_open_frame *frame, const leat_selected *selected)
{
    const bool is_case = selected->index < frame->notes && selected->code == LEAT_ERR_OK;
    const uint32_t before = is_case ? selected->index : frame->notes;
    note_answer(self, LEAT_PHASE_FAIL, frame->first_note, before, (leat_note){0});
    if (!is_case)
        return;
    note_answer(self, LEAT_PHASE_OK, frame->first_note + before, 1,
                (leat_note){.job = selected->id});
    note_answer(self, LEAT_PHASE_FAIL, frame->first_note + before + 1, frame->notes - before - 1,
                (leat_note){0});
}

void
leat_notes_on_refusal(leat *self, const leat_open_frame *frame, leat_status status)
{
    note_answer(self, status == LEAT_UNKNOWN ? LEAT_PHASE_UNKNOWN : LEAT_PHASE_FAIL,
                frame->first_note, frame->notes, (leat_note){.code = (uint8_t)status});
}

/* ---- what was shown ---- */

void
leat_notes_shown(leat *self, uint32_t wait, const leat_completed *shown)
{
    leat_recorder_note(self->recorder,
                       &(leat_note){.operation = LEAT_NOTE_SHOWN,
                                    .phase = LEAT_PHASE_OK,
                                    .number = shown->position,
                                    .batch = shown->batch,
                                    .epoch = wait,
                                    .job = shown->job,
                                    .attempt = shown->attempt,
                                    .code = (uint8_t)shown->outcome,
                                    .hash = leat_note_hash(shown->result, shown->result_size)});
}

void
leat_notes_received(leat *self, const char *channel, const leat_message *message)
{
    leat_recorder_note(
        self->recorder,
        &(leat_note){.operation = LEAT_NOTE_RECEIVED,
                     .phase = LEAT_PHASE_OK,
                     .job = message->id,
                     .extra = leat_note_name(channel, strlen(channel)),
                     .hash = leat_note_hash(message->payload.data, message->payload.size)});
}

void
leat_notes_asked(leat *self, leat_note_operation operation, uint64_t job, uint64_t batch)
{
    if (self->recorder != NULL)
        leat_recorder_note(self->recorder, &(leat_note){.operation = (uint8_t)operation,
                                                        .phase = LEAT_PHASE_INVOKE,
                                                        .number = ++self->noted,
                                                        .job = job,
                                                        .batch = batch});
}

void
leat_notes_told(
    leat *self, leat_note_operation operation, leat_status status, uint64_t job, uint64_t batch)
{
    if (self->recorder == NULL)
        return;
    const leat_note_phase phase = status == LEAT_OK          ? LEAT_PHASE_OK
                                  : status == LEAT_NOT_FOUND ? LEAT_PHASE_FAIL
                                                             : LEAT_PHASE_UNKNOWN;
    leat_recorder_note(self->recorder, &(leat_note){.operation = (uint8_t)operation,
                                                    .phase = (uint8_t)phase,
                                                    .number = self->noted,
                                                    .job = job,
                                                    .batch = batch,
                                                    .code = (uint8_t)status});
}
