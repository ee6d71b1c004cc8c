/* Which of a peer's sequences a broker's frame answers: SENT, SELECTED, ACKED, REPLY and ERROR name
 * them. */
#include "proto/link/machine.h"

static bool
note_sent(leat_window *window, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    if (leat_sent_open(body, size, frame->count, &records) != LEAT_ERR_OK)
        return false;
    for (uint16_t i = 0; i < frame->count; i++) {
        leat_sent sent;
        leat_sent_next(&records, &sent);
        (void)leat_window_answer(window, sent.sequence);
    }
    return true;
}

static bool
note_selected(leat_window *window, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    if (leat_selected_open(body, size, frame->count, &records) != LEAT_ERR_OK)
        return false;
    for (uint16_t i = 0; i < frame->count; i++) {
        leat_selected selected;
        leat_selected_next(&records, &selected);
        (void)leat_window_answer(window, selected.sequence);
    }
    return true;
}

static bool
note_acked(leat_window *window, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    if (leat_acked_open(body, size, frame->count, &records) != LEAT_ERR_OK)
        return false;
    for (uint16_t i = 0; i < frame->count; i++) {
        leat_acked acked;
        leat_acked_next(&records, &acked);
        bool again = false; /* some of its records the broker had no room for */
        for (uint16_t k = 0; k < acked.exceptions; k++) {
            leat_acked_exception exception;
            leat_acked_next_exception(&records, &exception);
            again |= exception.code == LEAT_ERR_NO_SPACE;
        }
        if (again)
            (void)leat_window_refuse(window, acked.sequence);
        else
            (void)leat_window_answer(window, acked.sequence);
    }
    return true;
}

static bool
note_reply(leat_window *window, const uint8_t *body, size_t size)
{
    char why[128];
    cJSON *json = NULL;
    if (leat_json_parse(body, size, &json, why) != LEAT_ERR_OK)
        return true; /* asked again it would be the same: the one who asked has to hear of it */
    uint64_t sequence;
    if (leat_json_u64(json, "sequence", &sequence))
        (void)leat_window_answer(window, sequence);
    cJSON_Delete(json);
    return true;
}

bool
leat_link_note_answers(leat_window *window,
                       const leat_frame *frame,
                       const uint8_t *body,
                       size_t size)
{
    leat_error_record error;
    switch ((unsigned)frame->command) {
    case LEAT_CMD_SENT:
        return note_sent(window, frame, body, size);
    case LEAT_CMD_SELECTED:
        return note_selected(window, frame, body, size);
    case LEAT_CMD_ACKED:
        return note_acked(window, frame, body, size);
    case LEAT_CMD_REPLY:
        return note_reply(window, body, size);
    case LEAT_CMD_ERROR:
        if (leat_error_open(body, size, &error) != LEAT_ERR_OK)
            return false;
        if (error.sequence != 0)
            (void)leat_window_answer(window, error.sequence);
        return true;
    default:
        return true;
    }
}
