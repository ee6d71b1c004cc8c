/* leat_window: the sequenced frames of a session that have no answer yet.
 *
 * Sequences are dense: 1, 2, 3 …; everything up to `floor` is answered, at most LEAT_WINDOW_FRAMES
 * lie above it. A frame's bytes are shared with ZeroMQ from its first send on and are not changed
 * after that. */
#ifndef LEAT_WINDOW_H
#define LEAT_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include <zmq.h>

#include "proto/limits.h"

typedef enum leat_window_state {
    LEAT_WINDOW_FREE = 0,
    LEAT_WINDOW_NEW,     /* never given to ZeroMQ: nobody else can see its bytes */
    LEAT_WINDOW_SENT,    /* may have arrived */
    LEAT_WINDOW_REFUSED, /* answered, and still here: see leat_window_refuse */
} leat_window_state;

typedef struct leat_window {
    uint64_t floor;
    uint64_t last; /* highest sequence that is in use */
    uint32_t unanswered;
    uint32_t refused;
    zmq_msg_t frames[LEAT_WINDOW_FRAMES]; /* at sequence % LEAT_WINDOW_FRAMES, unless FREE */
    uint8_t states[LEAT_WINDOW_FRAMES];   /* leat_window_state */
} leat_window;

/* Empty; the next sequence is 1. A zeroed window is the same. */
void leat_window_reset(leat_window *window);

/* How many more may be kept when the other side allows `frames`. */
uint32_t leat_window_room(const leat_window *window, uint32_t frames);

/* Keep frame under the sequence window->last + 1. frame is empty after. There must be room. */
void leat_window_keep(leat_window *window, zmq_msg_t *frame);

/* The state of a sequence; FREE when it is answered or was never in use. */
leat_window_state leat_window_state_of(const leat_window *window, uint64_t sequence);

/* The kept frame, or NULL. */
zmq_msg_t *leat_window_find(leat_window *window, uint64_t sequence);

void leat_window_mark_sent(leat_window *window, uint64_t sequence);

/* Its answer has come: forget it. false: it was not waiting for one. */
bool leat_window_answer(leat_window *window, uint64_t sequence);

/* The same, but its bytes stay until forget_refused: something of it will be said again. */
bool leat_window_refuse(leat_window *window, uint64_t sequence);
zmq_msg_t *leat_window_find_refused(leat_window *window, uint64_t sequence);
void leat_window_forget_refused(leat_window *window);

#endif
