/* The window of answers: what has been decided for a session's sequences, kept until the peer
 * confirms.
 *
 *   settled │ decided, left, decided, free …            ring by sequence, grows up to
 * LEAT_WINDOW_FRAMES └─ confirmed up to here
 *
 * An answer leaves after the commit that it depends on, in a frame whose number it remembers; when
 * the peer's `seen` has reached that number the answer is settled. A connection that is lost takes
 * frames with it: what had left and was not confirmed is decided again and leaves when the peer
 * asks again. */
#include "broker/core/window.h"

#include <stdlib.h>

#include "broker/core/peer.h"

static leat_answer *
slot_of(const leat_peer *peer, uint64_t sequence)
{
    return &peer->window[sequence & (peer->window_capacity - 1)];
}

static bool
grow_window(leat_peer *peer, uint64_t sequence)
{
    uint32_t capacity = peer->window_capacity == 0 ? 8 : peer->window_capacity;
    while (sequence - peer->settled > capacity)
        capacity *= 2;
    if (capacity == peer->window_capacity)
        return true;
    leat_answer *const window = calloc(capacity, sizeof *window);
    if (window == NULL)
        return false;
    for (uint64_t s = peer->settled + 1; s <= peer->settled + peer->window_capacity; s++)
        window[s & (capacity - 1)] = *slot_of(peer, s);
    free(peer->window);
    peer->window = window;
    peer->window_capacity = capacity;
    return true;
}

/* Rings of sequences. */
static bool
ring_push(uint64_t **ring, uint32_t *head, uint32_t *count, uint32_t *capacity, uint64_t value)
{
    if (*count == *capacity) {
        const uint32_t grown = *capacity == 0 ? 16 : *capacity * 2;
        uint64_t *const more = malloc(grown * sizeof *more);
        if (more == NULL)
            return false;
        for (uint32_t i = 0; i < *count; i++)
            more[i] = (*ring)[(*head + i) % *capacity];
        free(*ring);
        *ring = more;
        *head = 0;
        *capacity = grown;
    }
    (*ring)[(*head + *count) % *capacity] = value;
    (*count)++;
    return true;
}

static uint64_t
ring_pop(const uint64_t *ring, uint32_t *head, uint32_t *count, uint32_t capacity)
{
    const uint64_t value = ring[*head];
    *head = (*head + 1) % capacity;
    (*count)--;
    return value;
}

static void
queue(leat_core *core, leat_peer *peer, uint64_t sequence)
{
    leat_answer *const answer = slot_of(peer, sequence);
    if (answer->queued)
        return;
    if (!ring_push(&peer->due, &peer->due_head, &peer->due_count, &peer->due_capacity, sequence)) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    answer->queued = true;
    leat_peer_speak(core, peer);
}

leat_window_verdict
leat_window_check(leat_core *core, leat_peer *peer, uint64_t sequence)
{
    assert(sequence > 0);

    if (sequence <= peer->settled)
        return LEAT_WINDOW_DROP;
    if (sequence > peer->settled + LEAT_WINDOW_FRAMES)
        return LEAT_WINDOW_OUTSIDE;
    if (!grow_window(peer, sequence)) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return LEAT_WINDOW_DROP;
    }
    if (LEAT_FAULT(DEDUPE))
        return LEAT_WINDOW_NEW;
    switch (slot_of(peer, sequence)->state) {
    case LEAT_ANSWER_FREE:
        return LEAT_WINDOW_NEW;
    case LEAT_ANSWER_PARKED:
        break;
    case LEAT_ANSWER_DECIDED:
    case LEAT_ANSWER_LEFT:
        queue(core, peer, sequence);
        return LEAT_WINDOW_REPEAT;
    case LEAT_ANSWER_SETTLED:
        break;
    }
    return LEAT_WINDOW_DROP;
}

static bool
fill(leat_peer *peer, uint64_t sequence, uint8_t command, const void *data, size_t size)
{
    leat_answer *const answer = slot_of(peer, sequence);
    uint8_t *const bytes = malloc(size == 0 ? 1 : size);
    if (bytes == NULL)
        return false;
    memcpy(bytes, data, size);
    free(answer->bytes);
    *answer = (leat_answer){
        .state = LEAT_ANSWER_DECIDED,
        .command = command,
        .size = (uint32_t)size,
        .bytes = bytes,
    };
    return true;
}

bool
leat_window_park(leat_core *core, leat_peer *peer, uint64_t sequence)
{
    (void)core;
    leat_answer *const answer = slot_of(peer, sequence);
    assert(answer->state == LEAT_ANSWER_FREE);
    answer->state = LEAT_ANSWER_PARKED; /* with what is in of it already */
    return true;
}

#define PARTIAL_BYTES 20U

void
leat_window_put_partial(
    leat_core *core, leat_peer *peer, uint64_t sequence, const leat_partial *partial, bool depends)
{
    leat_answer *const answer = slot_of(peer, sequence);
    leat_buf record = {0};
    leat_put_u64(&record, partial->first_id);
    leat_put_u64(&record, partial->batch);
    leat_put_u32(&record, partial->taken);
    const leat_answer_state state = answer->state;
    if (record.failed || !fill(peer, sequence, LEAT_CMD_SEND, record.data, record.size)) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
    } else {
        answer->state = state;
        answer->stored = depends;
        if (depends)
            leat_turn_put_answer(&core->books[LEAT_DISK].turn, peer->key, sequence, LEAT_CMD_SEND,
                                 record.data, record.size);
        peer->dirty = true;
    }
    leat_buf_fini(&record);
}

bool
leat_window_get_partial(const leat_peer *peer, uint64_t sequence, leat_partial *partial)
{
    const leat_answer *const answer = slot_of(peer, sequence);
    if ((answer->state != LEAT_ANSWER_FREE && answer->state != LEAT_ANSWER_PARKED) ||
        answer->bytes == NULL || answer->size != PARTIAL_BYTES)
        return false;
    partial->first_id = leat_load_u64(answer->bytes);
    partial->batch = leat_load_u64(answer->bytes + 8);
    partial->taken = leat_load_u32(answer->bytes + 16);
    return true;
}

void
leat_window_unpark(leat_peer *peer)
{
    for (uint32_t i = 0; i < peer->window_capacity; i++) {
        leat_answer *const answer = &peer->window[i];
        if (answer->state == LEAT_ANSWER_PARKED && !LEAT_FAULT(PARK_LOST)) {
            answer->state = LEAT_ANSWER_FREE;
        } else if (answer->passing && answer->state != LEAT_ANSWER_SETTLED) {
            free(answer->bytes);
            *answer = (leat_answer){0};
        }
    }
}

void
leat_window_set_passing(leat_peer *peer, uint64_t sequence)
{
    slot_of(peer, sequence)->passing = true;
}

void
leat_window_decide(leat_core *core,
                   leat_peer *peer,
                   uint64_t sequence,
                   leat_command command,
                   const leat_buf *record,
                   bool depends)
{
    leat_book *const book = &core->books[LEAT_DISK];
    if (record->failed || !fill(peer, sequence, (uint8_t)command, record->data, record->size)) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    leat_answer *const answer = slot_of(peer, sequence);
    if (depends) {
        answer->number = book->number + 1;
        answer->stored = true;
        if (!LEAT_FAULT(ANSWERS_FORGOT))
            leat_turn_put_answer(&book->turn, peer->key, sequence, (uint8_t)command, record->data,
                                 record->size);
        peer->dirty = true;
    }
    queue(core, peer, sequence);
}

/* Move `settled` over what is settled. */
static void
advance(leat_peer *peer)
{
    while (peer->window_capacity > 0) {
        leat_answer *const answer = slot_of(peer, peer->settled + 1);
        if (answer->state != LEAT_ANSWER_SETTLED)
            return;
        *answer = (leat_answer){0};
        peer->settled++;
    }
}

/* The peer says that it has had every answer up to floor. */
static void
raise_floor(leat_peer *peer, uint64_t floor)
{
    for (uint32_t i = 0; i < peer->window_capacity && peer->settled < floor; i++) {
        leat_answer *const answer = slot_of(peer, ++peer->settled);
        free(answer->bytes);
        *answer = (leat_answer){0};
    }
    if (peer->settled < floor)
        peer->settled = floor; /* the ring is empty now */
    advance(peer);
}

void
leat_window_restore(leat_core *core,
                    leat_peer *peer,
                    uint64_t sequence,
                    uint8_t command,
                    const void *data,
                    size_t size)
{
    if (sequence <= peer->settled)
        return;
    /* More than a window above what is settled: the older ones must have been confirmed. */
    if (sequence > peer->settled + LEAT_WINDOW_FRAMES)
        raise_floor(peer, sequence - LEAT_WINDOW_FRAMES);
    if (!grow_window(peer, sequence) || !fill(peer, sequence, command, data, size))
        leat_core_fault(core, LEAT_ERR_NOMEM);
    else
        slot_of(peer, sequence)->stored = true;
    if (core->fault == LEAT_ERR_OK && command == LEAT_CMD_SEND)
        slot_of(peer, sequence)->state = LEAT_ANSWER_FREE; /* what is in of a SEND that waits */
}

static void
settle(leat_peer *peer, uint64_t sequence)
{
    leat_answer *const answer = slot_of(peer, sequence);
    free(answer->bytes);
    answer->bytes = NULL;
    answer->state = LEAT_ANSWER_SETTLED;
}

void
leat_window_confirm(leat_peer *peer, uint64_t seen)
{
    while (peer->left_count > 0) {
        const uint64_t sequence = peer->left[peer->left_head];
        if (sequence > peer->settled) {
            const leat_answer *const answer = slot_of(peer, sequence);
            if (answer->state == LEAT_ANSWER_LEFT && answer->frame > seen)
                return;
            if (answer->state == LEAT_ANSWER_LEFT && !answer->queued)
                settle(peer, sequence);
        }
        (void)ring_pop(peer->left, &peer->left_head, &peer->left_count, peer->left_capacity);
        advance(peer);
    }
}

void
leat_window_reconnect(leat_peer *peer, uint64_t floor)
{
    peer->left_count = 0;
    peer->due_count = 0;
    for (uint64_t i = 1; i <= peer->window_capacity; i++) {
        leat_answer *const answer = slot_of(peer, peer->settled + i);
        answer->queued = false;
        if (answer->state == LEAT_ANSWER_LEFT)
            answer->state = LEAT_ANSWER_DECIDED;
    }
    raise_floor(peer, floor);
}

/* ------------------------------------------------------------------------------ leaving */

struct out {
    leat_buf frame;
    leat_command command;
    uint16_t count;
    uint64_t sequences[LEAT_WINDOW_FRAMES];
};

static void
send_out(leat_core *core, leat_peer *peer, struct out *out)
{
    if (out->count == 0)
        return;
    leat_frame_finish(&out->frame, 0, out->count, 0);
    const uint16_t count = out->count;
    out->count = 0;
    if (!leat_peer_send(core, peer, &out->frame))
        return; /* the peer will ask again */
    for (uint16_t i = 0; i < count; i++) {
        leat_answer *const answer = slot_of(peer, out->sequences[i]);
        answer->state = LEAT_ANSWER_LEFT;
        answer->frame = peer->out_sequence;
        if (!ring_push(&peer->left, &peer->left_head, &peer->left_count, &peer->left_capacity,
                       out->sequences[i]))
            leat_core_fault(core, LEAT_ERR_NOMEM);
    }
}

void
leat_window_release(leat_core *core, leat_peer *peer)
{
    const uint64_t durable = leat_store_durable_upto(core->books[LEAT_DISK].store);
    struct out out;
    leat_buf_init(&out.frame);
    out.count = 0;
    out.command = LEAT_CMD_SENT;

    while (peer->due_count > 0 && peer->route != 0) {
        const uint64_t sequence = peer->due[peer->due_head];
        leat_answer *const answer = sequence > peer->settled ? slot_of(peer, sequence) : NULL;
        if (answer == NULL || answer->bytes == NULL || answer->state == LEAT_ANSWER_FREE ||
            answer->state == LEAT_ANSWER_PARKED) {
            (void)ring_pop(peer->due, &peer->due_head, &peer->due_count, peer->due_capacity);
            continue;
        }
        if (answer->number > durable && !LEAT_FAULT(ACK_EARLY))
            break; /* the ones behind it were decided later */
        const bool alone = answer->command == LEAT_CMD_REPLY || answer->command == LEAT_CMD_ERROR;
        if (out.count > 0 &&
            (alone || out.command != (leat_command)answer->command ||
             out.count == LEAT_WINDOW_FRAMES || out.frame.size >= LEAT_FRAME_BYTES_CLOSE))
            send_out(core, peer, &out);
        if (out.count == 0) {
            if (!leat_peer_can_send(peer))
                break;
            out.command = (leat_command)answer->command;
            leat_buf_reset(&out.frame);
            leat_frame_begin(&out.frame, out.command);
        }
        leat_put_bytes(&out.frame, answer->bytes, answer->size);
        out.sequences[out.count++] = sequence;
        answer->queued = false;
        (void)ring_pop(peer->due, &peer->due_head, &peer->due_count, peer->due_capacity);
        if (alone)
            send_out(core, peer, &out);
    }
    send_out(core, peer, &out);
    leat_buf_fini(&out.frame);
}

void
leat_window_fini(leat_peer *peer)
{
    for (uint32_t i = 0; i < peer->window_capacity; i++)
        free(peer->window[i].bytes);
    free(peer->window);
    free(peer->due);
    free(peer->left);
}
