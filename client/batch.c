/* Batches: jobs are written straight into the frame that carries them; a full frame leaves at once
 * and answers are read in passing, so that many frames are on their way while the next is filled.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"

#define WINDOW_JOBS 100000U
/* A frame's buffer: one that closes at LEAT_FRAME_BYTES_CLOSE seldom grows beyond it. */
#define FRAME_RESERVE (LEAT_FRAME_BYTES_CLOSE + 16384U)

struct leat_batch {
    leat_list_node node;
    leat *self;
    uint32_t window_jobs;
    uint32_t frame_records;
    leat_buf settings;   /* as bytes; head points into it */
    leat_send_head head; /* of every frame: channel and settings */
    char channel[LEAT_NAME_BYTES_MAX + 1];
    uint32_t tag;
    uint64_t id;
    uint64_t accepted;
    uint32_t unanswered; /* jobs that were sent */
    bool sealed;
    leat_status failed; /* for good */
    char why[LEAT_SENTENCE_BYTES_MAX + 1];

    leat_buf frame; /* being filled */
    uint32_t count; /* jobs in it */
    size_t records_at;
    uint64_t frame_id;                     /* the batch's id as the frame's head has it */
    char handler[LEAT_NAME_BYTES_MAX + 1]; /* of the frame, or of the last one */
};

/* Check options, copy what they point to, and prepare the head of all frames. */
static leat_status
read_options(leat_batch *batch, const leat_batch_options *given)
{
    leat *const self = batch->self;
    leat_batch_options options;
    leat_status status = leat_options_read(self, given, &options);
    if (status == LEAT_OK)
        status = leat_options_put(self, &options, &batch->settings);
    if (status != LEAT_OK)
        return status;
    (void)snprintf(batch->channel, sizeof batch->channel, "%s",
                   options.channel != NULL ? options.channel : "default");
    batch->head = leat_send_head_default();
    batch->head.channel = leat_text_of(batch->channel);
    const leat_err err =
        leat_settings_read(batch->settings.data, batch->settings.size, &batch->head.settings);
    assert(err == LEAT_ERR_OK);
    (void)err;
    batch->window_jobs = options.window_jobs == 0 ? WINDOW_JOBS : options.window_jobs;
    batch->frame_records = options.frame_records;
    if (batch->frame_records == 0 || batch->frame_records > LEAT_RECORDS_MAX)
        batch->frame_records = LEAT_RECORDS_MAX;
    if (batch->frame_records > batch->window_jobs)
        batch->frame_records = batch->window_jobs;
    if (options.unique != NULL) /* each is answered for itself: it may join another */
        batch->frame_records = 1;
    return LEAT_OK;
}

static leat_batch *
new_batch(leat *self)
{
    leat_batch *const batch = calloc(1, sizeof *batch);
    if (batch == NULL)
        return NULL;
    batch->self = self;
    batch->tag = ++self->next_tag;
    leat_list_append(&self->batches, &batch->node);
    return batch;
}

leat_status
leat_batch_open(leat *self, const leat_batch_options *options, leat_batch **out)
{
    leat_begin(self);
    *out = NULL;
    leat_batch *batch = new_batch(self);
    if (batch == NULL)
        return leat_fail(self, LEAT_NO_MEMORY, "out of memory");
    const leat_status status = read_options(batch, options);
    if (status == LEAT_OK)
        *out = batch;
    else
        leat_batch_free(&batch);
    return status;
}

/* ------------------------------------------------------------------------------- the frame */

static void
put_head(const leat_batch *batch, leat_buf *frame, uint8_t flags)
{
    leat_send_head head = batch->head;
    head.flags = flags;
    head.handler = leat_text_of(batch->handler);
    head.batch = batch->id;
    head.tag = batch->id == 0 ? batch->tag : 0;
    leat_frame_begin(frame, LEAT_CMD_SEND);
    leat_send_put_head(frame, &head);
}

static void
begin_frame(leat_batch *batch)
{
    (void)leat_buf_room(&batch->frame, FRAME_RESERVE);
    leat_buf_reset(&batch->frame);
    put_head(batch, &batch->frame, 0);
    batch->records_at = batch->frame.size;
    batch->frame_id = batch->id;
}

/* The same jobs under another head: with flags, or with the id that came in the meantime, because a
 * tag means something else in a later session. */
static void
change_head(leat_batch *batch, uint8_t flags)
{
    leat_buf frame = {0};
    const size_t records_bytes = batch->frame.size - batch->records_at;
    (void)leat_buf_room(&frame, batch->frame.size + 16);
    leat_buf_reset(&frame);
    put_head(batch, &frame, flags);
    const size_t records_at = frame.size;
    leat_put_bytes(&frame, batch->frame.data + batch->records_at, records_bytes);
    frame.failed |= batch->frame.failed;
    leat_buf_fini(&batch->frame);
    batch->frame = frame;
    batch->records_at = records_at;
    batch->frame_id = batch->id;
}

static bool
is_full(const leat_batch *batch)
{
    return batch->frame.size >= LEAT_FRAME_BYTES_CLOSE || batch->count >= batch->frame_records;
}

/* The frame may leave now. One larger than the whole window goes alone. Sequences are spared for
 * what has to be said while frames wait in line. */
static bool
has_window(const leat_batch *batch)
{
    const leat *const self = batch->self;
    return leat_has_room(self, batch->frame.size) &&
           (leat_link_room(self->link) > LEAT_OPEN_FRAMES_SPARED ||
            leat_link_unanswered(self->link) == 0) &&
           (batch->unanswered == 0 || batch->unanswered + batch->count <= batch->window_jobs);
}

static leat_status
say_failed(leat_batch *batch)
{
    return leat_fail(batch->self, batch->failed, "%s", batch->why);
}

static leat_status
post_frame(leat_batch *batch, uint8_t flags)
{
    if (flags != 0 || batch->frame_id != batch->id)
        change_head(batch, flags);
    leat_frame_finish(&batch->frame, 0, (uint16_t)batch->count, 0);
    const uint32_t jobs = batch->count;
    batch->count = 0;
    leat_open_frame *const open = leat_post(batch->self, &batch->frame);
    if (open == NULL) {
        static const char why[] = "out of memory: jobs of this batch are missing";
        leat_batch_on_failure(batch, LEAT_NO_MEMORY,
                              (leat_text){.data = why, .size = sizeof why - 1}, 0);
        return say_failed(batch);
    }
    open->batch = batch;
    open->jobs = jobs;
    batch->unanswered += jobs;
    return LEAT_OK;
}

/* Send what is collected as soon as the window allows. After an interruption it is still there. */
static leat_status
send_frame(leat_batch *batch, uint8_t flags)
{
    while (batch->failed == LEAT_OK && !has_window(batch)) {
        const leat_status status = leat_turn(batch->self, INT64_MAX);
        if (status != LEAT_OK)
            return status;
    }
    return batch->failed != LEAT_OK ? say_failed(batch) : post_frame(batch, flags);
}

/* --------------------------------------------------------------------------------- adding */

/* Make the frame one of this handler. */
static leat_status
change_handler(leat_batch *batch, const char *handler)
{
    leat_status status = leat_check_name(batch->self, "handler", handler);
    if (status == LEAT_OK && batch->count > 0)
        status = send_frame(batch, 0);
    if (status == LEAT_OK)
        (void)snprintf(batch->handler, sizeof batch->handler, "%s", handler);
    return status;
}

leat_status
leat_batch_add(leat_batch *batch, const char *handler, const void *payload, size_t size)
{
    leat *const self = batch->self;
    leat_begin(self);
    if (batch->failed != LEAT_OK)
        return say_failed(batch);
    if (batch->sealed)
        return leat_fail(self, LEAT_WRONG_USE, "the batch is sealed");
    if (size > LEAT_PAYLOAD_BYTES_MAX)
        return leat_fail(self, LEAT_TOO_LARGE, "a payload of %zu bytes is over the limit of %u",
                         size, LEAT_PAYLOAD_BYTES_MAX);
    leat_status status = LEAT_OK;
    if (handler == NULL || strcmp(handler, batch->handler) != 0)
        status = change_handler(batch, handler);
    if (status == LEAT_OK && batch->count > 0 && is_full(batch))
        status = send_frame(batch, 0);
    if (status != LEAT_OK)
        return status;

    if (batch->count == 0)
        begin_frame(batch);
    leat_send_put(&batch->frame, payload, size);
    if (batch->frame.failed) {
        batch->failed = LEAT_NO_MEMORY;
        (void)snprintf(batch->why, sizeof batch->why, "out of memory");
        return say_failed(batch);
    }
    batch->count++;
    if (is_full(batch) && has_window(batch)) {
        status = post_frame(batch, 0);
        leat_turn_quickly(self);
    }
    return status;
}

/* ---------------------------------------------------------------------- what follows its jobs */

/* The same settings with other followers, for the jobs from here on. */
static leat_status
change_settings(leat_batch *batch, const leat_settings *settings)
{
    leat *const self = batch->self;
    leat_status status = LEAT_OK;
    leat_buf bytes = {0};
    leat_settings_put(&bytes, settings);
    if (bytes.failed)
        status = leat_fail(self, LEAT_NO_MEMORY, "out of memory");
    else if (bytes.size > LEAT_SETTINGS_BYTES_MAX)
        status = leat_fail(self, LEAT_TOO_LARGE,
                           "what follows the jobs and their other settings are over %u bytes",
                           LEAT_SETTINGS_BYTES_MAX);
    else if (batch->count > 0)
        status = send_frame(batch, 0); /* one frame, one set of settings */
    if (status != LEAT_OK) {
        leat_buf_fini(&bytes);
        return status;
    }
    leat_buf_fini(&batch->settings);
    batch->settings = bytes;
    const leat_err err =
        leat_settings_read(batch->settings.data, batch->settings.size, &batch->head.settings);
    assert(err == LEAT_ERR_OK);
    (void)err;
    return LEAT_OK;
}

static leat_status
check_follower(leat_batch *batch, const char *handler, size_t size)
{
    leat *const self = batch->self;
    leat_begin(self);
    if (batch->failed != LEAT_OK)
        return say_failed(batch);
    if (batch->sealed)
        return leat_fail(self, LEAT_WRONG_USE, "the batch is sealed");
    if (size > LEAT_SETTINGS_BYTES_MAX)
        return leat_fail(self, LEAT_TOO_LARGE, "what follows a job has at most %u bytes",
                         LEAT_SETTINGS_BYTES_MAX);
    return handler == NULL ? LEAT_OK : leat_check_name(self, "handler", handler);
}

static leat_follower
follower_of(const char *handler, const void *payload, size_t size)
{
    return (leat_follower){
        .handler = leat_text_of(handler), .payload = {.data = payload, .size = (uint32_t)size}
    };
}

leat_status
leat_defer(leat_batch *batch, const char *handler, const void *payload, size_t size)
{
    leat_status status = check_follower(batch, handler == NULL ? "" : handler, size);
    if (status != LEAT_OK)
        return status;
    leat_settings settings = batch->head.settings;
    if (settings.finally_count == LEAT_FINALLY_MAX)
        return leat_fail(batch->self, LEAT_WRONG_USE, "at most %u jobs follow a job",
                         LEAT_FINALLY_MAX);
    settings.finally[settings.finally_count++] = follower_of(handler, payload, size);
    return change_settings(batch, &settings);
}

leat_status
leat_recover(leat_batch *batch, const char *handler, const void *with, size_t size)
{
    const leat_status status = check_follower(batch, handler, size);
    if (status != LEAT_OK)
        return status;
    leat_settings settings = batch->head.settings;
    settings.recover = handler == NULL ? (leat_follower){0} : follower_of(handler, with, size);
    return change_settings(batch, &settings);
}

static leat_status
await_answers(leat_batch *batch)
{
    leat_status status = LEAT_OK;
    while (status == LEAT_OK && batch->failed == LEAT_OK && batch->unanswered > 0)
        status = leat_turn(batch->self, INT64_MAX);
    if (status == LEAT_OK && batch->failed != LEAT_OK)
        status = say_failed(batch);
    return status;
}

leat_status
leat_batch_flush(leat_batch *batch)
{
    leat_begin(batch->self);
    if (batch->failed != LEAT_OK)
        return say_failed(batch);
    leat_status status = LEAT_OK;
    if (batch->count > 0)
        status = send_frame(batch, 0);
    return status == LEAT_OK ? await_answers(batch) : status;
}

leat_status
leat_batch_push(leat_batch *batch)
{
    leat *const self = batch->self;
    leat_begin(self);
    leat_status status = leat_pump(self);
    if (status == LEAT_OK && batch->failed == LEAT_OK && batch->count > 0 && has_window(batch))
        status = post_frame(batch, 0);
    if (batch->failed != LEAT_OK)
        return say_failed(batch);
    if (status != LEAT_OK || (batch->count == 0 && batch->unanswered == 0))
        return status;
    return leat_fail(self, LEAT_NOT_YET, "not everything is accepted yet");
}

int
leat_batch_has_room(const leat_batch *batch)
{
    return batch->failed != LEAT_OK || batch->count == 0 || has_window(batch);
}

/* Nothing is left to be sent: say it by name. */
static leat_status
seal_by_command(leat_batch *batch)
{
    char arguments[48];
    const char *answer;
    (void)snprintf(arguments, sizeof arguments, "{\"batch\":\"%llu\"}",
                   (unsigned long long)batch->id);
    return leat_command_do(batch->self, "batch.seal", arguments, &answer);
}

leat_status
leat_batch_seal(leat_batch *batch)
{
    leat_begin(batch->self);
    if (batch->failed != LEAT_OK)
        return say_failed(batch);
    if (batch->sealed)
        return await_answers(batch);
    leat_status status = LEAT_OK;
    if (batch->count > 0) {
        status = send_frame(batch, LEAT_SEND_SEAL);
        batch->sealed = status == LEAT_OK;
        return status == LEAT_OK ? await_answers(batch) : status;
    }
    status = await_answers(batch);
    if (status == LEAT_OK && batch->id != 0)
        status = seal_by_command(batch);
    batch->sealed = status == LEAT_OK;
    return status;
}

uint64_t
leat_batch_id(const leat_batch *batch)
{
    return batch->id;
}

uint64_t
leat_batch_accepted(const leat_batch *batch)
{
    return batch->accepted;
}

/* ---------------------------------------------------------------------------------- answers */

void
leat_batch_on_failure(leat_batch *batch, leat_status status, leat_text why, uint32_t jobs)
{
    batch->unanswered -= jobs;
    if (batch->failed != LEAT_OK)
        return;
    batch->failed = status;
    (void)snprintf(batch->why, sizeof batch->why, "%.*s", (int)why.size, why.data);
}

void
leat_batch_on_sent(leat_batch *batch, const leat_sent *sent, uint32_t jobs)
{
    if (batch->id == 0)
        batch->id = sent->batch;
    batch->accepted += sent->accepted;
    const leat_err code = leat_err_from_number(sent->code);
    if (code == LEAT_ERR_OK)
        batch->unanswered -= jobs;
    else
        leat_batch_on_failure(batch, leat_status_of(code), sent->sentence, jobs);
}

/* ---------------------------------------------------------------------------------- the end */

void
leat_batch_free(leat_batch **batch_p)
{
    leat_batch *const batch = *batch_p;
    *batch_p = NULL;
    if (batch == NULL)
        return;
    for (uint32_t i = 0; i < LEAT_WINDOW_FRAMES; i++)
        if (batch->self->open_frames[i].batch == batch)
            batch->self->open_frames[i].batch = NULL;
    leat_list_remove(&batch->node);
    leat_buf_fini(&batch->frame);
    leat_buf_fini(&batch->settings);
    free(batch);
}

void
leat_batches_free(leat *self)
{
    LEAT_LIST_FOREACH_SAFE (node, after, &self->batches) {
        leat_batch *batch = LEAT_CONTAINER_OF(node, leat_batch, node);
        leat_batch_free(&batch);
    }
}

/* -------------------------------------------------------------------------------- one job */

leat_status
leat_submit(leat *self,
            const leat_batch_options *options,
            const char *handler,
            const void *payload,
            size_t size,
            uint64_t *id)
{
    leat_begin(self);
    leat_status status = leat_check_name(self, "handler", handler);
    if (status != LEAT_OK)
        return status;
    leat_batch *batch = new_batch(self); /* only for its head: the job is a batch of its own */
    if (batch == NULL)
        return leat_fail(self, LEAT_NO_MEMORY, "out of memory");
    status = read_options(batch, options);
    if (status == LEAT_OK) {
        leat_send_head head = batch->head;
        head.handler = leat_text_of(handler);
        status = leat_send_one(self, &head, payload, size, INT64_MAX, id);
    }
    leat_batch_free(&batch);
    return status;
}
