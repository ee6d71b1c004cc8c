/* Calls of a core, written down and made again. */
#include "tests/bench/count/recording.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/store/memory.h"
#include "proto/base/crc32c.h"

typedef enum call_kind {
    CALL_FRAME = 1,
    CALL_GONE,
    CALL_TICK,
    CALL_COMMIT,
    CALL_RELEASE,
} call_kind;

typedef struct call {
    call_kind kind;
    leat_now now;
    leat_route route;
    const leat_principal *principal;
    uint8_t *data; /* owned */
    size_t size;
} call;

/* What has left a core. */
typedef struct sent {
    uint64_t frames;
    uint64_t bytes;
    uint32_t crc;
} sent;

struct leat_recording {
    bool on;
    leat_core_options options;
    leat_core_out out; /* of the world */
    leat_now now;      /* when the core was made */
    call *calls;
    size_t count, capacity;
    size_t marked; /* calls before the mark */
    sent first;    /* what the recorded core has sent … */
    sent second;   /* … and the other one */
    leat_core *core;
    leat_store *disk;
    leat_store *memory;
};

static leat_recording *recording;

/* NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): names of the linker */
leat_err __real_leat_core_new(const leat_core_options *options, leat_now now, leat_core **out);
void __real_leat_core_on_frame(leat_core *core,
                               leat_now now,
                               leat_route route,
                               const leat_principal *principal,
                               const uint8_t *data,
                               size_t size,
                               bool more);
void __real_leat_core_on_gone(leat_core *core, leat_now now, leat_route route);
void __real_leat_core_tick(leat_core *core, leat_now now);
leat_err __real_leat_core_commit(leat_core *core, leat_now now);
void __real_leat_core_release(leat_core *core, leat_now now);

leat_err __wrap_leat_core_new(const leat_core_options *options, leat_now now, leat_core **out);
void __wrap_leat_core_on_frame(leat_core *core,
                               leat_now now,
                               leat_route route,
                               const leat_principal *principal,
                               const uint8_t *data,
                               size_t size,
                               bool more);
void __wrap_leat_core_on_gone(leat_core *core, leat_now now, leat_route route);
void __wrap_leat_core_tick(leat_core *core, leat_now now);
leat_err __wrap_leat_core_commit(leat_core *core, leat_now now);
void __wrap_leat_core_release(leat_core *core, leat_now now);

/* ---- what leaves ---- */

/* The CRC is of headers only: the whole would cost more than what is measured. */
static void
note(sent *self, const leat_buf *frame)
{
    self->frames++;
    self->bytes += frame->size;
    self->crc = leat_crc32c(self->crc, frame->data, frame->size < 24 ? frame->size : 24);
}

static leat_delivery
on_first(void *context, leat_route route, leat_buf *frame_p)
{
    leat_recording *const self = context;
    if (self->on)
        note(&self->first, frame_p);
    return self->out.frame(self->out.context, route, frame_p);
}

static leat_delivery
on_second(void *context, leat_route route, leat_buf *frame_p)
{
    leat_recording *const self = context;
    (void)route;
    note(&self->second, frame_p);
    leat_buf_fini(frame_p);
    return LEAT_DELIVERY_OK;
}

/* ---- calls ---- */

static call *
write_down(call_kind kind, leat_now now)
{
    if (recording == NULL || !recording->on)
        return NULL;
    if (recording->count == recording->capacity) {
        recording->capacity = recording->capacity == 0 ? 1024 : recording->capacity * 2;
        recording->calls =
            reallocarray(recording->calls, recording->capacity, sizeof *recording->calls);
        assert(recording->calls != NULL);
    }
    call *const one = &recording->calls[recording->count++];
    *one = (call){.kind = kind, .now = now};
    return one;
}

leat_err
__wrap_leat_core_new(const leat_core_options *options, leat_now now, leat_core **out)
{
    leat_core_options shimmed = *options;
    if (recording != NULL && recording->on) {
        recording->options = *options;
        recording->out = options->out;
        recording->now = now;
        shimmed.out = (leat_core_out){.context = recording, .frame = on_first};
    }
    return __real_leat_core_new(&shimmed, now, out);
}

void
__wrap_leat_core_on_frame(leat_core *core,
                          leat_now now,
                          leat_route route,
                          const leat_principal *principal,
                          const uint8_t *data,
                          size_t size,
                          bool more)
{
    call *const one = write_down(CALL_FRAME, now);
    assert(!more);
    if (one != NULL) {
        one->route = route;
        one->principal = principal;
        one->data = malloc(size);
        assert(one->data != NULL);
        memcpy(one->data, data, size);
        one->size = size;
    }
    __real_leat_core_on_frame(core, now, route, principal, data, size, more);
}

void
__wrap_leat_core_on_gone(leat_core *core, leat_now now, leat_route route)
{
    call *const one = write_down(CALL_GONE, now);
    if (one != NULL)
        one->route = route;
    __real_leat_core_on_gone(core, now, route);
}

void
__wrap_leat_core_tick(leat_core *core, leat_now now)
{
    (void)write_down(CALL_TICK, now);
    __real_leat_core_tick(core, now);
}

leat_err
__wrap_leat_core_commit(leat_core *core, leat_now now)
{
    (void)write_down(CALL_COMMIT, now);
    return __real_leat_core_commit(core, now);
}

void
__wrap_leat_core_release(leat_core *core, leat_now now)
{
    (void)write_down(CALL_RELEASE, now);
    __real_leat_core_release(core, now);
}

/* NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming) */

/* ---- the recording ---- */

void
leat_recording_begin(leat_recording **out)
{
    assert(recording == NULL);
    recording = calloc(1, sizeof *recording);
    assert(recording != NULL);
    recording->on = true;
    *out = recording;
}

void
leat_recording_end(leat_recording *self)
{
    self->on = false;
}

void
leat_recording_mark(leat_recording *self)
{
    self->marked = self->count;
}

void
leat_recording_destroy(leat_recording **recording_p)
{
    leat_recording *const self = *recording_p;
    *recording_p = NULL;
    recording = NULL;
    leat_core_destroy(&self->core);
    leat_store_destroy(&self->disk);
    leat_store_destroy(&self->memory);
    for (size_t i = 0; i < self->count; i++)
        free(self->calls[i].data);
    free(self->calls);
    free(self);
}

static void
make(leat_recording *self, const call *one)
{
    leat_err err = LEAT_ERR_OK;
    switch (one->kind) {
    case CALL_FRAME:
        __real_leat_core_on_frame(self->core, one->now, one->route, one->principal, one->data,
                                  one->size, false);
        break;
    case CALL_GONE:
        __real_leat_core_on_gone(self->core, one->now, one->route);
        break;
    case CALL_TICK:
        __real_leat_core_tick(self->core, one->now);
        break;
    case CALL_COMMIT:
        err = __real_leat_core_commit(self->core, one->now);
        assert(err == LEAT_ERR_OK);
        break;
    case CALL_RELEASE:
        __real_leat_core_release(self->core, one->now);
        break;
    }
    (void)err;
}

void
leat_recording_prepare(leat_recording *self)
{
    char why[256];
    leat_core_options options = self->options;
    leat_err err = leat_store_memory_new(&LEAT_RETENTION_DEFAULT, &self->disk);
    assert(err == LEAT_ERR_OK);
    err = leat_store_memory_new(&LEAT_RETENTION_DEFAULT, &self->memory);
    assert(err == LEAT_ERR_OK);
    options.disk = self->disk;
    options.memory = self->memory;
    options.out = (leat_core_out){.context = self, .frame = on_second};
    options.zone = NULL;
    err = __real_leat_core_new(&options, self->now, &self->core);
    assert(err == LEAT_ERR_OK);
    err = leat_core_load(self->core, self->now, why);
    assert(err == LEAT_ERR_OK);
    (void)err;
    for (size_t i = 0; i < self->marked; i++)
        make(self, &self->calls[i]);
}

void
leat_recording_play(leat_recording *self)
{
    for (size_t i = self->marked; i < self->count; i++)
        make(self, &self->calls[i]);
}

bool
leat_recording_is_same(const leat_recording *self)
{
    return self->first.frames > 0 && self->first.frames == self->second.frames &&
           self->first.bytes == self->second.bytes && self->first.crc == self->second.crc;
}
