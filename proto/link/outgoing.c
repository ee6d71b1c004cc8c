/* Frames on their way to ZeroMQ: in order, without a copy, and never into a full pipe. What the
 * pipe does not take waits in line; `seen` is written when a frame leaves for the first time,
 * because from then on ZeroMQ's thread may read its bytes. */
#include "proto/link/machine.h"

#include <stdlib.h>

#include "proto/base/clock.h"

/* A frame that waits for room in the pipe. */
typedef struct waiting_frame {
    leat_list_node node;
    uint64_t sequence; /* 0: none; then the message is the only copy */
    zmq_msg_t msg;
} waiting_frame;

static void
free_frame(void *data, void *hint)
{
    (void)hint;
    free(data);
}

bool
leat_link_take_frame(leat_buf *frame_p, zmq_msg_t *msg)
{
    leat_buf frame = *frame_p;
    leat_buf_init(frame_p);
    if (!frame.failed && zmq_msg_init_data(msg, frame.data, frame.size, free_frame, NULL) == 0)
        return true;
    leat_buf_fini(&frame);
    return false;
}

/* Give msg to ZeroMQ with `seen` in it, unless ZeroMQ has had these bytes before. false: the pipe
 * is full. */
static bool
transmit(leat_link *link, zmq_msg_t *msg, uint64_t sequence)
{
    const bool is_new =
        sequence == 0 || leat_window_state_of(&link->window, sequence) == LEAT_WINDOW_NEW;
    if (is_new)
        leat_frame_set_seen(zmq_msg_data(msg), link->seen);
    if (!leat_connection_send(&link->connection, msg))
        return false;
    if (is_new) {
        if (sequence != 0)
            leat_window_mark_sent(&link->window, sequence);
        link->unconfirmed = 0;
        link->unconfirmed_bytes = 0;
    }
    return true;
}

static bool
wait_in_line(leat_link *link, zmq_msg_t *msg, uint64_t sequence)
{
    waiting_frame *const frame = calloc(1, sizeof *frame);
    if (frame == NULL)
        return false;
    frame->sequence = sequence;
    (void)zmq_msg_init(&frame->msg);
    (void)zmq_msg_move(&frame->msg, msg);
    leat_list_append(&link->waiting, &frame->node);
    return true;
}

void
leat_link_post(leat_link *link, zmq_msg_t *msg, uint64_t sequence)
{
    const bool sent = leat_list_is_empty(&link->waiting) && transmit(link, msg, sequence);
    if (!sent && !wait_in_line(link, msg, sequence)) {
        /* Without memory the order can only be kept by a new connection: it sends all again. */
        (void)zmq_msg_close(msg);
        link->torn = true;
    }
}

void
leat_link_post_kept(leat_link *link, uint64_t sequence)
{
    zmq_msg_t *const kept = leat_window_find(&link->window, sequence);
    if (kept == NULL)
        return;
    zmq_msg_t copy;
    (void)zmq_msg_init(&copy);
    (void)zmq_msg_copy(&copy, kept);
    leat_link_post(link, &copy, sequence);
}

void
leat_link_send_waiting(leat_link *link)
{
    LEAT_LIST_FOREACH_SAFE (node, after, &link->waiting) {
        waiting_frame *const frame = LEAT_CONTAINER_OF(node, waiting_frame, node);
        if (!transmit(link, &frame->msg, frame->sequence))
            return;
        leat_list_remove(&frame->node);
        (void)zmq_msg_close(&frame->msg);
        free(frame);
    }
}

bool
leat_link_is_clear(const leat_link *link)
{
    return leat_list_is_empty(&link->waiting);
}

void
leat_link_send(leat_link *link, leat_buf *frame_p)
{
    zmq_msg_t msg;
    if (link->phase != LEAT_PHASE_UP || !leat_link_take_frame(frame_p, &msg)) {
        leat_buf_fini(frame_p);
        return;
    }
    leat_link_post(link, &msg, 0);
    leat_link_note_sent(link);
}

uint64_t
leat_link_send_sequenced(leat_link *link, leat_buf *frame_p)
{
    zmq_msg_t msg;
    if (!leat_link_take_frame(frame_p, &msg))
        return 0;
    leat_frame_set_sequence(zmq_msg_data(&msg), link->window.last + 1);
    leat_window_keep(&link->window, &msg);
    const uint64_t sequence = link->window.last;
    if (link->phase == LEAT_PHASE_UP) {
        leat_link_post_kept(link, sequence);
        leat_link_note_sent(link);
    }
    return sequence;
}

void
leat_link_send_beat(leat_link *link, int64_t now_ms)
{
    leat_buf frame = {0};
    zmq_msg_t msg;
    leat_frame_begin(&frame, LEAT_CMD_HEARTBEAT);
    leat_heartbeat_put(&frame, &link->beat);
    leat_frame_finish(&frame, 0, 1, 0);
    link->beat_ms = now_ms + (link->beat.running > 0 ? link->welcome.heartbeat_busy_ms
                                                     : link->welcome.heartbeat_idle_ms);
    if (leat_link_take_frame(&frame, &msg))
        leat_link_post(link, &msg, 0);
}

void
leat_link_set_beat(leat_link *link, uint64_t started, uint32_t running)
{
    const bool gets_busy = link->beat.running == 0 && running > 0;
    link->beat.started = started;
    link->beat.running = running;
    if (gets_busy && link->phase == LEAT_PHASE_UP) {
        const int64_t soon_ms = leat_clock_mono_ms() + link->welcome.heartbeat_busy_ms;
        if (soon_ms < link->beat_ms)
            link->beat_ms = soon_ms;
    }
}

void
leat_link_beat_now(leat_link *link)
{
    if (link->phase != LEAT_PHASE_UP)
        return;
    leat_link_send_beat(link, leat_clock_mono_ms());
    leat_link_note_sent(link);
}

void
leat_link_drop_waiting(leat_link *link)
{
    LEAT_LIST_FOREACH_SAFE (node, after, &link->waiting) {
        waiting_frame *const frame = LEAT_CONTAINER_OF(node, waiting_frame, node);
        leat_list_remove(&frame->node);
        (void)zmq_msg_close(&frame->msg);
        free(frame);
    }
}
