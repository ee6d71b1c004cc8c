/* Head and tail of a stream in one buffer. See capture.h. */
#include "worker/runner/capture.h"

#include <stdlib.h>

#define ROOM_MIN 16384U

void
leat_capture_reset(leat_capture *capture, size_t max)
{
    assert(max >= 2);
    if (capture->room > max)
        leat_capture_fini(capture);
    capture->max = max;
    capture->total = 0;
}

void
leat_capture_fini(leat_capture *capture)
{
    free(capture->data);
    *capture = (leat_capture){0};
}

static size_t
half_of(const leat_capture *capture)
{
    return capture->max / 2;
}

/* Where byte number `at` lies, or would. */
static size_t
place_of(const leat_capture *capture, uint64_t at)
{
    const size_t half = half_of(capture);
    if (at < capture->max)
        return (size_t)at;
    return half + (size_t)((at - half) % (capture->max - half));
}

uint8_t *
leat_capture_room(leat_capture *capture, size_t *size)
{
    const size_t at = place_of(capture, capture->total);
    if (at >= capture->room) {
        size_t room = capture->room == 0 ? ROOM_MIN : capture->room * 4;
        if (room > capture->max)
            room = capture->max;
        uint8_t *const data = realloc(capture->data, room);
        if (data == NULL)
            return NULL;
        capture->data = data;
        capture->room = room;
    }
    *size = capture->room - at;
    return capture->data + at;
}

void
leat_capture_filled(leat_capture *capture, size_t size)
{
    capture->total += size;
}

static void
reverse(uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size / 2; i++) {
        const uint8_t byte = data[i];
        data[i] = data[size - 1 - i];
        data[size - 1 - i] = byte;
    }
}

/* Put the ring's bytes into the order in which they came. */
static void
straighten(leat_capture *capture)
{
    uint8_t *const ring = capture->data + half_of(capture);
    const size_t size = capture->max - half_of(capture);
    const size_t oldest = place_of(capture, capture->total) - half_of(capture);
    reverse(ring, oldest);
    reverse(ring + oldest, size - oldest);
    reverse(ring, size);
}

leat_ending_stream
leat_capture_finish(leat_capture *capture, size_t budget)
{
    leat_ending_stream stream = {.head = {.data = capture->data}};
    if (budget > capture->max)
        budget = capture->max;
    if (capture->total <= budget) {
        stream.head.size = (uint32_t)capture->total;
        return stream;
    }
    size_t end = (size_t)capture->total;
    if (capture->total > capture->max) {
        straighten(capture);
        end = capture->max;
    }
    stream.head.size = (uint32_t)(budget / 2);
    stream.tail.size = (uint32_t)(budget - budget / 2);
    stream.tail.data = capture->data + end - stream.tail.size;
    stream.cut = capture->total - budget;
    return stream;
}

void
leat_capture_share(
    size_t max, uint64_t first, uint64_t second, size_t *first_budget, size_t *second_budget)
{
    const size_t half = max / 2;
    if (first <= half)
        *first_budget = (size_t)first;
    else if (second < half)
        *first_budget = max - (size_t)second;
    else
        *first_budget = half;
    *second_budget = max - *first_budget;
}

static bool
is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

leat_text
leat_capture_last_line(const leat_ending_stream *stream)
{
    const leat_bytes bytes = stream->tail.size > 0 ? stream->tail : stream->head;
    size_t end = bytes.size;
    while (end > 0 && is_blank(bytes.data[end - 1]))
        end--;
    size_t begin = end;
    while (begin > 0 && bytes.data[begin - 1] != '\n')
        begin--;
    if (end == 0)
        return (leat_text){0};
    return (leat_text){.data = (const char *)bytes.data + begin, .size = end - begin};
}
