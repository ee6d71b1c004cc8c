/* The link of a peer that nobody answers, but as it was written down. */
#include "tests/bench/count/link.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/records.h"

#define NOW_MS 5000000

struct leat_link {
    bool told_up;
    bool asked; /* a frame without a sequence has left */
    uint64_t sequence;
    uint64_t answered;
    leat_link_body body;
    leat_session_id session;
};

static const leat_buf *frames;
static size_t frame_count;
static size_t frame_at;
static const leat_welcome welcome = {.broker = "00",
                                     .epoch = 1,
                                     .window_frames = LEAT_WINDOW_FRAMES,
                                     .lost_ms = 10000,
                                     .heartbeat_busy_ms = 1000,
                                     .heartbeat_idle_ms = 5000};

/* Time stands still: what is counted must not hang on it. */
int64_t
leat_clock_mono_ms(void)
{
    return NOW_MS;
}

int64_t
leat_clock_mono_us(void)
{
    return NOW_MS * 1000LL;
}

int64_t
leat_clock_wall_ms(void)
{
    return 1700000000000;
}

void
leat_count_link_frames(const leat_buf *given, size_t count)
{
    frames = given;
    frame_count = count;
    frame_at = 0;
}

size_t
leat_count_link_left(void)
{
    return frame_count - frame_at;
}

leat_err
leat_link_new(const leat_link_options *options, leat_link **out)
{
    (void)options;
    *out = calloc(1, sizeof **out);
    return *out == NULL ? LEAT_ERR_NOMEM : LEAT_ERR_OK;
}

void
leat_link_destroy(leat_link **link_p)
{
    free(*link_p);
    *link_p = NULL;
}

void
leat_link_bye(leat_link **link_p, int linger_ms)
{
    (void)linger_ms;
    leat_link_destroy(link_p);
}

/* The highest sequence that a SENT answers. */
static uint64_t
answers_upto(const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    leat_sent sent = {0};
    const leat_err err = leat_sent_open(body, size, frame->count, &records);
    assert(err == LEAT_ERR_OK);
    (void)err;
    for (uint16_t i = 0; i < frame->count; i++)
        leat_sent_next(&records, &sent);
    return sent.sequence;
}

bool
leat_link_next(leat_link *link, leat_link_event *event)
{
    leat_frame frame;
    if (!link->told_up) {
        link->told_up = true;
        *event = (leat_link_event){.kind = LEAT_LINK_UP, .welcome = &welcome};
        return true;
    }
    if (frame_at == frame_count)
        return false;
    const leat_buf *const next = &frames[frame_at];
    const leat_err err = leat_frame_decode(next->data, next->size, LEAT_SIDE_BROKER, &frame);
    assert(err == LEAT_ERR_OK);
    (void)err;
    const uint8_t *const body = next->data + LEAT_FRAME_BYTES;
    const size_t size = next->size - LEAT_FRAME_BYTES;
    if (frame.command == LEAT_CMD_SENT) {
        const uint64_t upto = answers_upto(&frame, body, size);
        if (upto > link->sequence)
            return false;
        link->answered = upto;
    } else if (frame.command == LEAT_CMD_ITEMS && !link->asked) {
        return false;
    }
    frame_at++;
    link->body = (leat_link_body){.data = body, .size = size};
    *event =
        (leat_link_event){.kind = LEAT_LINK_FRAME, .frame = frame, .body = body, .body_size = size};
    return true;
}

void
leat_link_wait(leat_link *link, int64_t until_ms)
{
    (void)link;
    (void)until_ms;
    assert(false && "nothing can come any more");
}

void
leat_link_send(leat_link *link, leat_buf *frame_p)
{
    link->asked = true;
    leat_buf_fini(frame_p);
}

uint64_t
leat_link_send_sequenced(leat_link *link, leat_buf *frame_p)
{
    leat_buf_fini(frame_p);
    return ++link->sequence;
}

uint32_t
leat_link_unanswered(const leat_link *link)
{
    return (uint32_t)(link->sequence - link->answered);
}

uint32_t
leat_link_room(const leat_link *link)
{
    return LEAT_WINDOW_FRAMES - leat_link_unanswered(link) % LEAT_WINDOW_FRAMES;
}

leat_link_body *
leat_link_take_body(leat_link *link)
{
    leat_link_body *const taken = malloc(sizeof *taken);
    if (taken != NULL)
        *taken = link->body;
    return taken;
}

void
leat_link_body_free(leat_link_body **body_p)
{
    free(*body_p);
    *body_p = NULL;
}

bool
leat_link_is_up(const leat_link *link)
{
    return link->told_up;
}

bool
leat_link_is_clear(const leat_link *link)
{
    (void)link;
    return true;
}

int64_t
leat_link_down_since_ms(const leat_link *link)
{
    (void)link;
    return INT64_MAX;
}

const char *
leat_link_endpoint(const leat_link *link)
{
    (void)link;
    return "nowhere";
}

const leat_session_id *
leat_link_session(const leat_link *link)
{
    return &link->session;
}

void
leat_link_tried(const leat_link *link, char *out, size_t size)
{
    (void)link;
    if (size > 0)
        out[0] = '\0';
}

void
leat_link_drop(leat_link *link, const char *why)
{
    (void)link;
    (void)why;
    assert(false && "what was written down is well-formed");
}

int
leat_link_fd(leat_link *link)
{
    (void)link;
    return -1;
}

int
leat_link_fd_beside_due(const leat_link *link)
{
    (void)link;
    return -1;
}

int64_t
leat_link_due_ms(const leat_link *link)
{
    (void)link;
    return INT64_MAX;
}

void
leat_link_wake(leat_link *link)
{
    (void)link;
}

void
leat_link_set_beat(leat_link *link, uint64_t started, uint32_t running)
{
    (void)link;
    (void)started;
    (void)running;
}

void
leat_link_beat_now(leat_link *link)
{
    (void)link;
}

void
leat_link_process_init(void)
{
}
