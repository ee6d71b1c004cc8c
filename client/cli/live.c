/* What running jobs print. See live.h. */
#include "client/cli/live.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/bytes.h"

#define STREAMS   3U     /* stdout, stderr, a handler's lines */
#define HELD_MAX  65536U /* bytes of a line that waits for its end */
#define TAG_BYTES 64U

/* What has been shown of a job that has not ended. */
typedef struct speaker {
    uint32_t place; /* 0: free */
    uint32_t attempt;
    uint64_t shown[STREAMS]; /* offset behind what was shown or is held */
    leat_buf held[STREAMS];  /* the beginning of a line */
} speaker;

struct leat_live {
    uint64_t batch;
    leat_live_options options;
    speaker *speakers; /* owned; in no order: as many as run at the same time */
    size_t count, capacity;
    uint8_t *ended; /* owned; a bit a place */
    size_t ended_bytes;
    /* Who has written last, and whether its line is open. */
    FILE *last_out;
    uint32_t last_place;
    unsigned last_stream;
    bool is_open;
};

leat_live *
leat_live_new(uint64_t batch, const leat_live_options *options)
{
    leat_live *const live = calloc(1, sizeof *live);
    if (live == NULL)
        return NULL;
    live->batch = batch;
    live->options = *options;
    return live;
}

static void
forget(leat_live *live, speaker *one)
{
    for (unsigned i = 0; i < STREAMS; i++)
        leat_buf_fini(&one->held[i]);
    *one = live->speakers[--live->count];
}

void
leat_live_free(leat_live **live_p)
{
    leat_live *const live = *live_p;
    *live_p = NULL;
    if (live == NULL)
        return;
    while (live->count > 0)
        forget(live, live->speakers);
    free(live->speakers);
    free(live->ended);
    free(live);
}

/* ------------------------------------------------------------------------------ writing */

static FILE *
file_of(const leat_live *live, unsigned stream)
{
    return stream == 1 ? live->options.err : live->options.out;
}

/* Bytes of one stream of a job. Where somebody else's line is open, it is closed first. */
static void
put(leat_live *live, uint32_t place, unsigned stream, const uint8_t *data, size_t size)
{
    char tag[TAG_BYTES] = "";
    FILE *const out = file_of(live, stream);
    const bool is_other = live->last_place != place || live->last_stream != stream;
    if (live->options.tags)
        (void)snprintf(tag, sizeof tag, "%" PRIu64 "/%" PRIu32 "\t", live->batch, place);
    if (size == 0)
        return;
    if (live->is_open && is_other && !live->options.single) {
        (void)fputc('\n', live->last_out);
        live->is_open = false;
    }
    if (live->last_out != NULL && live->last_out != out)
        (void)fflush(live->last_out); /* in the order in which it came */
    live->last_out = out;
    live->last_place = place;
    live->last_stream = stream;
    while (size > 0) {
        const uint8_t *const end = memchr(data, '\n', size);
        const size_t line = end == NULL ? size : (size_t)(end - data) + 1;
        if (!live->is_open)
            (void)fputs(tag, out);
        (void)fwrite(data, 1, line, out);
        live->is_open = end == NULL;
        data += line;
        size -= line;
    }
}

static void
put_held(leat_live *live, speaker *one, unsigned stream)
{
    leat_buf *const held = &one->held[stream];
    put(live, one->place, stream, held->data, held->size);
    leat_buf_reset(held);
}

/* A line of ours in the stream. */
static void
put_note(leat_live *live, uint32_t place, unsigned stream, uint64_t bytes, const char *what)
{
    char text[128];
    const bool breaks = live->is_open && live->last_place == place && live->last_stream == stream;
    const int size = snprintf(text, sizeof text, "%s... leat: %" PRIu64 " bytes are %s here ...\n",
                              breaks ? "\n" : "", bytes, what);
    put(live, place, stream, (const uint8_t *)text, (size_t)size);
}

/* ------------------------------------------------------------------------------ who speaks */

static bool
has_ended(const leat_live *live, uint32_t place)
{
    return place / 8 < live->ended_bytes && (live->ended[place / 8] >> (place % 8) & 1U) != 0;
}

static void
note_ended(leat_live *live, uint32_t place)
{
    if (place / 8 >= live->ended_bytes) {
        const size_t bytes = ((size_t)place / 8 + 1) * 2;
        uint8_t *const grown = realloc(live->ended, bytes);
        if (grown == NULL)
            return; /* then something of it may be shown twice */
        memset(grown + live->ended_bytes, 0, bytes - live->ended_bytes);
        live->ended = grown;
        live->ended_bytes = bytes;
    }
    live->ended[place / 8] |= (uint8_t)(1U << (place % 8));
}

static speaker *
find(leat_live *live, uint32_t place)
{
    for (size_t i = 0; i < live->count; i++) {
        if (live->speakers[i].place == place)
            return &live->speakers[i];
    }
    return NULL;
}

static speaker *
ensure(leat_live *live, uint32_t place)
{
    speaker *one = find(live, place);
    if (one != NULL)
        return one;
    if (live->count == live->capacity) {
        const size_t capacity = live->capacity == 0 ? 16 : live->capacity * 2;
        speaker *const grown = realloc(live->speakers, capacity * sizeof *grown);
        if (grown == NULL)
            return NULL;
        live->speakers = grown;
        live->capacity = capacity;
    }
    one = &live->speakers[live->count++];
    *one = (speaker){.place = place};
    return one;
}

/* ------------------------------------------------------------------------------ while it runs */

/* Whole lines are shown, what is behind the last one waits. */
static void
show(leat_live *live, speaker *one, unsigned stream, const uint8_t *data, size_t size)
{
    leat_buf *const held = &one->held[stream];
    const uint8_t *const end = memrchr(data, '\n', size);
    const size_t lines = end == NULL ? 0 : (size_t)(end - data) + 1;
    const size_t whole = live->options.single ? size : lines;
    if (whole > 0) {
        put_held(live, one, stream);
        put(live, one->place, stream, data, whole);
    }
    leat_put_bytes(held, data + whole, size - whole);
    if (held->size > HELD_MAX || held->failed)
        put_held(live, one, stream);
}

/* What comes of this job from now on begins with a line. */
static void
end_attempt(leat_live *live, speaker *one)
{
    for (unsigned i = 0; i < STREAMS; i++) {
        put_held(live, one, i);
        one->shown[i] = 0;
    }
    if (live->is_open && live->last_place == one->place) {
        (void)fputc('\n', live->last_out);
        live->is_open = false;
    }
}

void
leat_live_told(leat_live *live, const leat_told *told)
{
    const unsigned stream = (unsigned)told->stream - 1;
    if (told->data == NULL || told->size == 0 || stream >= STREAMS || has_ended(live, told->place))
        return;
    speaker *const one = ensure(live, told->place);
    if (one == NULL || told->attempt < one->attempt)
        return;
    if (told->attempt > one->attempt) { /* all begins anew */
        end_attempt(live, one);
        one->attempt = told->attempt;
    }
    const uint64_t end = told->offset + told->size;
    if (end <= one->shown[stream])
        return;
    if (told->offset > one->shown[stream]) {
        put_held(live, one, stream);
        put_note(live, one->place, stream, told->offset - one->shown[stream], "missing");
        one->shown[stream] = told->offset;
    }
    const size_t from = (size_t)(one->shown[stream] - told->offset);
    show(live, one, stream, (const uint8_t *)told->data + from, told->size - from);
    one->shown[stream] = end;
}

void
leat_live_flush(leat_live *live)
{
    for (size_t i = 0; i < live->count; i++) {
        for (unsigned stream = 0; stream < STREAMS; stream++)
            put_held(live, &live->speakers[i], stream);
    }
    (void)fflush(live->options.out);
    (void)fflush(live->options.err);
}

bool
leat_live_holds(const leat_live *live)
{
    for (size_t i = 0; i < live->count; i++) {
        for (unsigned stream = 0; stream < STREAMS; stream++) {
            if (live->speakers[i].held[stream].size > 0)
                return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------------------ when it has ended
 */

/* Bytes from there on; of no bytes there is no address to go on from. */
static leat_bytes
skip(leat_bytes bytes, uint64_t from)
{
    if (from == 0)
        return bytes;
    return (leat_bytes){bytes.data + from, bytes.size - (uint32_t)from};
}

/* Without its first bytes. */
static void
cut_head(leat_ending_stream *s, uint64_t from)
{
    const uint64_t head = from < s->head.size ? from : s->head.size;
    const uint64_t cut = from - head < s->cut ? from - head : s->cut;
    const uint64_t rest = from - head - cut;
    const uint64_t tail = rest < s->tail.size ? rest : s->tail.size;
    s->head = skip(s->head, head);
    s->cut -= cut;
    s->tail = skip(s->tail, tail);
}

/* So many lines at the end of these bytes; *lines is what is missing to that. */
static leat_bytes
last_lines(leat_bytes bytes, uint64_t *lines, bool at_end)
{
    uint32_t from = bytes.size;
    if (at_end && from > 0 && bytes.data[from - 1] == '\n')
        from--; /* the end of the last line */
    for (; from > 0; from--) {
        if (bytes.data[from - 1] == '\n' && --*lines == 0)
            break;
    }
    return skip(bytes, from);
}

static void
keep_tail(leat_ending_stream *s, uint64_t lines)
{
    const bool tail_ends = s->tail.size > 0;
    s->tail = last_lines(s->tail, &lines, true);
    if (lines == 0) {
        s->head.size = 0;
        s->cut = 0;
    } else if (s->cut == 0) {
        s->head = last_lines(s->head, &lines, !tail_ends);
    }
}

static void
show_rest(leat_live *live, uint32_t place, unsigned stream, const leat_ending_stream *rest)
{
    put(live, place, stream, rest->head.data, rest->head.size);
    if (rest->cut > 0)
        put_note(live, place, stream, rest->cut, "cut out");
    put(live, place, stream, rest->tail.data, rest->tail.size);
}

bool
leat_live_ended(leat_live *live, uint32_t place, uint32_t attempt, const leat_ending *ending)
{
    speaker *const one = find(live, place);
    const bool was_shown = one != NULL;
    uint64_t shown[STREAMS] = {0};
    if (one != NULL && one->attempt != attempt)
        end_attempt(live, one);
    for (unsigned i = 0; i < STREAMS && one != NULL; i++) {
        put_held(live, one, i);
        shown[i] = one->shown[i];
    }
    if (one != NULL)
        forget(live, one);
    note_ended(live, place);
    for (unsigned i = 0; i < 2 && ending != NULL; i++) {
        leat_ending_stream rest = i == 0 ? ending->out : ending->err;
        if (shown[i] > 0)
            cut_head(&rest, shown[i]);
        else if (live->options.tail > 0)
            keep_tail(&rest, live->options.tail);
        show_rest(live, place, i, &rest);
    }
    /* The next job's first line is to be a line of its own. */
    if (live->is_open && live->options.tags) {
        (void)fputc('\n', live->last_out);
        live->is_open = false;
    }
    return was_shown || ending != NULL;
}
