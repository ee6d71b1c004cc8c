/* Frames that wait for their answer, by sequence. */
#include "proto/link/window.h"

#include <assert.h>

static uint32_t
slot_of(uint64_t sequence)
{
    return (uint32_t)(sequence % LEAT_WINDOW_FRAMES);
}

void
leat_window_reset(leat_window *window)
{
    for (uint32_t i = 0; i < LEAT_WINDOW_FRAMES; i++) {
        if (window->states[i] != LEAT_WINDOW_FREE)
            (void)zmq_msg_close(&window->frames[i]);
        window->states[i] = LEAT_WINDOW_FREE;
    }
    window->floor = 0;
    window->last = 0;
    window->unanswered = 0;
    window->refused = 0;
}

uint32_t
leat_window_room(const leat_window *window, uint32_t frames)
{
    const uint64_t used = window->last - window->floor;
    const uint32_t most = frames < LEAT_WINDOW_FRAMES ? frames : LEAT_WINDOW_FRAMES;
    return used < most ? most - (uint32_t)used : 0;
}

void
leat_window_keep(leat_window *window, zmq_msg_t *frame)
{
    assert(leat_window_room(window, LEAT_WINDOW_FRAMES) > 0);

    leat_window_forget_refused(window);
    window->last++;
    const uint32_t slot = slot_of(window->last);
    (void)zmq_msg_init(&window->frames[slot]);
    (void)zmq_msg_move(&window->frames[slot], frame);
    window->states[slot] = LEAT_WINDOW_NEW;
    window->unanswered++;
}

leat_window_state
leat_window_state_of(const leat_window *window, uint64_t sequence)
{
    if (sequence <= window->floor || sequence > window->last)
        return LEAT_WINDOW_FREE;
    const leat_window_state state = (leat_window_state)window->states[slot_of(sequence)];
    return state == LEAT_WINDOW_REFUSED ? LEAT_WINDOW_FREE : state;
}

zmq_msg_t *
leat_window_find(leat_window *window, uint64_t sequence)
{
    if (leat_window_state_of(window, sequence) == LEAT_WINDOW_FREE)
        return NULL;
    return &window->frames[slot_of(sequence)];
}

void
leat_window_mark_sent(leat_window *window, uint64_t sequence)
{
    assert(leat_window_state_of(window, sequence) != LEAT_WINDOW_FREE);

    window->states[slot_of(sequence)] = LEAT_WINDOW_SENT;
}

static void
settle(leat_window *window, uint64_t sequence, leat_window_state state)
{
    window->states[slot_of(sequence)] = (uint8_t)state;
    window->unanswered--;
    while (window->floor < window->last &&
           leat_window_state_of(window, window->floor + 1) == LEAT_WINDOW_FREE)
        window->floor++;
}

bool
leat_window_answer(leat_window *window, uint64_t sequence)
{
    zmq_msg_t *const frame = leat_window_find(window, sequence);
    if (frame == NULL)
        return false;
    (void)zmq_msg_close(frame);
    settle(window, sequence, LEAT_WINDOW_FREE);
    return true;
}

bool
leat_window_refuse(leat_window *window, uint64_t sequence)
{
    if (leat_window_find(window, sequence) == NULL)
        return false;
    window->refused++;
    settle(window, sequence, LEAT_WINDOW_REFUSED);
    return true;
}

zmq_msg_t *
leat_window_find_refused(leat_window *window, uint64_t sequence)
{
    if (sequence > window->last || window->last - sequence >= LEAT_WINDOW_FRAMES ||
        window->states[slot_of(sequence)] != LEAT_WINDOW_REFUSED)
        return NULL;
    return &window->frames[slot_of(sequence)];
}

void
leat_window_forget_refused(leat_window *window)
{
    for (uint32_t i = 0; i < LEAT_WINDOW_FRAMES && window->refused > 0; i++) {
        if (window->states[i] != LEAT_WINDOW_REFUSED)
            continue;
        (void)zmq_msg_close(&window->frames[i]);
        window->states[i] = LEAT_WINDOW_FREE;
        window->refused--;
    }
}
