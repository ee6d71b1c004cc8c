/* Watching: what running jobs tell (PROGRESS, LOG) goes to the clients that watch their batches.
 *
 *     worker ── PROGRESS, LOG ──► token checked ──► watches of the job's batches ──► peer->told
 *                                     └► the last progress of the job, for queries
 *
 * All of it may be lost, and nothing of it is stored. A peer has one open frame of each kind; what
 * does not fit into it while there is no room on the way is dropped, and counted with the watch
 * that it was for: its next record says how many (gap). Only half of the room on the way is used,
 * so that answers and completions never wait behind a log. A watch ends with its connection, or
 * when its batch (its one job) is over and that is on disk, which is the only thing here that is
 * told for certain. */
#include "broker/core/watch.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/core/batch.h"
#include "broker/core/lease.h"
#include "broker/core/link.h"
#include "broker/core/peer.h"
#include "broker/core/steer.h"

#define SHOWN_MAX     20U    /* rows of progress in one answer: they stay below its limit */
#define LOOKED_AT_MAX 10000U /* jobs that are looked through for them */
#define FRAMES_MAX    (LEAT_OUT_FRAMES / 2U)

enum {
    TOLD_PROGRESS = 0,
    TOLD_LOG = 1
};
static const leat_command told_commands[2] = {LEAT_CMD_PROGRESS, LEAT_CMD_LOG};

/* ------------------------------------------------------------------------------ the last word */

static void
keep(leat_core *core, leat_item *item, const leat_progress *progress)
{
    leat_telling *telling =
        (item->flags & LEAT_ITEM_TELLS) == 0 ? NULL : leat_table_get(&core->tellings, item->id);
    if (telling == NULL) {
        if (core->tellings.count >= LEAT_TOLD_JOBS_MAX)
            return;
        telling = calloc(1, sizeof *telling);
        if (telling == NULL ||
            leat_table_add(&core->tellings, item->id, telling, &telling->index) != LEAT_ERR_OK) {
            free(telling);
            return; /* one progress less is shown */
        }
        telling->job = item->id;
        item->flags |= LEAT_ITEM_TELLS;
    }
    telling->attempt = item->attempt;
    telling->done = progress->done;
    telling->of = progress->of;
    telling->told_ms = core->now.mono_ms;
    telling->text_bytes = (uint16_t)progress->text.size;
    if (progress->text.size > 0)
        memcpy(telling->text, progress->text.data, progress->text.size);
}

void
leat_watch_forget(leat_core *core, leat_item *item)
{
    leat_telling *const telling = leat_table_get(&core->tellings, item->id);
    if (telling != NULL) {
        leat_table_remove(&core->tellings, item->id);
        free(telling);
    }
    item->flags &= (uint8_t)~LEAT_ITEM_TELLS;
    if (leat_table_find(&core->checkpoints, item->id) != 0)
        item->flags |= LEAT_ITEM_TELLS;
}

void
leat_watch_fini(leat_core *core)
{
    for (uint32_t i = leat_table_next(&core->tellings, 0); i != 0;
         i = leat_table_next(&core->tellings, i))
        free(leat_table_at(&core->tellings, i));
    leat_table_fini(&core->tellings);
}

static void
add_row(const leat_core *core, const leat_telling *telling, uint32_t place, cJSON *list)
{
    cJSON *const row = cJSON_CreateObject();
    (void)cJSON_AddItemToArray(list, row);
    (void)leat_json_add_u64(row, "job", telling->job);
    (void)cJSON_AddNumberToObject(row, "place", place);
    (void)cJSON_AddNumberToObject(row, "attempt", telling->attempt);
    (void)leat_json_add_u64(row, "done", telling->done);
    (void)leat_json_add_u64(row, "of", telling->of);
    (void)leat_json_add_bytes(row, "text", telling->text, telling->text_bytes);
    (void)cJSON_AddNumberToObject(row, "told_s",
                                  (double)(core->now.mono_ms - telling->told_ms) / 1000.0);
}

/* The job of the batch at this place, alive or LEAT_NOBODY. joined: also one that the batch has
 * joined, which takes longer to find. */
static uint32_t
job_at(leat_core *core, const leat_batch *batch, uint32_t place, bool joined)
{
    const uint64_t id = leat_batch_job(batch, place);
    const uint32_t index = id == 0 ? LEAT_NOBODY : leat_items_find(&core->items, id);
    return index != LEAT_NOBODY || !joined ? index : leat_link_job(core, batch, place);
}

/* What the job of the batch at this place has told, or NULL. */
static const leat_telling *
telling_at(leat_core *core, const leat_batch *batch, uint32_t place, bool joined)
{
    const uint32_t index = job_at(core, batch, place, joined);
    const leat_item *const item = index == LEAT_NOBODY ? NULL : leat_items_at(&core->items, index);
    return item == NULL || (item->flags & LEAT_ITEM_TELLS) == 0
               ? NULL
               : leat_table_get(&core->tellings, item->id);
}

void
leat_watch_add_progress(leat_core *core, const leat_batch *batch, uint64_t place, cJSON *list)
{
    const uint64_t first = place == 0 ? 1 : place;
    const uint64_t last = place == 0 ? batch->counters.total : place;
    uint32_t looked = 0;
    for (uint64_t p = first; p <= last && looked < LOOKED_AT_MAX && core->tellings.count > 0 &&
                             cJSON_GetArraySize(list) < (int)SHOWN_MAX;
         p++, looked++) {
        const leat_telling *const telling = telling_at(core, batch, (uint32_t)p, place != 0);
        if (telling != NULL)
            add_row(core, telling, (uint32_t)p, list);
    }
}

/* ------------------------------------------------------------------------------ passing on */

/* Room for one more record of so many bytes in the peer's open frame. */
static bool
has_room(const leat_peer *peer, unsigned kind, size_t bytes)
{
    const struct leat_telling_frame *const told = &peer->told[kind];
    return told->count == 0 ||
           (told->count < LEAT_RECORDS_MAX && told->frame.size + bytes <= LEAT_FRAME_BYTES_CLOSE);
}

/* The peer's frame of this kind, to which a record is added. */
static leat_buf *
open_frame(leat_core *core, leat_peer *peer, unsigned kind)
{
    struct leat_telling_frame *const told = &peer->told[kind];
    if (told->count++ == 0) {
        leat_buf_reset(&told->frame);
        leat_frame_begin(&told->frame, told_commands[kind]);
    }
    leat_peer_speak(core, peer);
    return &told->frame;
}

/* A record of one watch, as it came but for whom it is for. */
static leat_teller
teller_of(leat_watch *watch, const leat_teller *from, uint32_t place)
{
    const leat_teller teller = {
        .token = from->token, .batch = watch->batch_id, .place = place, .gap = watch->gap};
    watch->gap = 0;
    return teller;
}

static bool
wants(leat_watch *watch, uint32_t place, unsigned kind, size_t bytes)
{
    if (watch->place != 0 && watch->place != place)
        return false;
    if (has_room(watch->peer, kind, bytes))
        return true;
    if (watch->gap < UINT32_MAX)
        watch->gap++;
    return false;
}

static void
tell_progress(leat_core *core, leat_watch *watch, uint32_t place, const leat_progress *progress)
{
    if (!wants(watch, place, TOLD_PROGRESS, LEAT_TELLER_BYTES + 18U + progress->text.size))
        return;
    leat_progress told = *progress;
    told.from = teller_of(watch, &progress->from, place);
    leat_progress_put(open_frame(core, watch->peer, TOLD_PROGRESS), &told);
}

static void
tell_output(leat_core *core, leat_watch *watch, uint32_t place, const leat_output *output)
{
    if (!wants(watch, place, TOLD_LOG, LEAT_OUTPUT_BYTES + (size_t)output->data.size))
        return;
    leat_output told = *output;
    told.from = teller_of(watch, &output->from, place);
    leat_output_put(open_frame(core, watch->peer, TOLD_LOG), &told);
}

/* One of the two is NULL. */
static void
tell_batch(leat_core *core,
           const leat_batch *batch,
           uint32_t place,
           const leat_progress *progress,
           const leat_output *output)
{
    LEAT_LIST_FOREACH (node, &batch->watches) {
        leat_watch *const watch = LEAT_CONTAINER_OF(node, leat_watch, of_batch);
        if (progress != NULL)
            tell_progress(core, watch, place, progress);
        else
            tell_output(core, watch, place, output);
    }
}

static void
tell_all(leat_core *core,
         const leat_item *item,
         const leat_progress *progress,
         const leat_output *output)
{
    if (item->batch != LEAT_NOBODY)
        tell_batch(core, leat_table_at(&core->batches, item->batch), item->place, progress, output);
    const leat_link *const link = leat_link_of(core, item);
    for (uint32_t i = 0; link != NULL && i < link->count; i++)
        tell_batch(core, leat_table_at(&core->batches, link->joins[i].batch), link->joins[i].place,
                   progress, output);
}

/* The item whose running attempt tells this; LEAT_NOBODY: an old one does, which is lost. */
static uint32_t
told_by(leat_core *core, const leat_peer *peer, const leat_token *token)
{
    if (LEAT_FAULT(PROGRESS_STALE)) {
        const uint32_t index = leat_items_find(&core->items, token->id);
        const bool message = index != LEAT_NOBODY &&
                             (leat_items_at(&core->items, index)->flags & LEAT_ITEM_MESSAGE) != 0;
        return message ? LEAT_NOBODY : index;
    }
    return leat_lease_of(core, peer, token);
}

void
leat_watch_on_told(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    const bool is_log = frame->command == LEAT_CMD_LOG;
    leat_reader records;
    const leat_err err = is_log ? leat_output_open(body, size, frame->count, &records)
                                : leat_progress_open(body, size, frame->count, &records);
    if (err != LEAT_ERR_OK) {
        leat_core_refuse_body(core, peer, frame, err);
        return;
    }
    for (uint16_t i = 0; i < frame->count; i++) {
        leat_progress progress = {0};
        leat_output output = {0};
        if (is_log)
            leat_output_next(&records, &output);
        else
            leat_progress_next(&records, &progress);
        const uint32_t index =
            told_by(core, peer, is_log ? &output.from.token : &progress.from.token);
        if (index == LEAT_NOBODY)
            continue;
        leat_item *const item = leat_items_at(&core->items, index);
        if (!is_log && leat_state_is_held_by_worker((leat_state)item->state))
            keep(core, item, &progress);
        tell_all(core, item, is_log ? NULL : &progress, is_log ? &output : NULL);
    }
}

/* ------------------------------------------------------------------------------ leaving */

static bool
may_leave(const leat_peer *peer)
{
    return peer->out_sequence - peer->out_seen + peer->grants_waiting < FRAMES_MAX &&
           peer->out_unconfirmed_bytes < LEAT_OUT_BYTES / 2U && leat_peer_can_send(peer);
}

/* False: it stays, there is no room on the way. */
static bool
send_told(leat_core *core, leat_peer *peer, unsigned kind)
{
    struct leat_telling_frame *const told = &peer->told[kind];
    if (told->count == 0)
        return true;
    if (!may_leave(peer))
        return false;
    leat_frame_finish(&told->frame, 0, told->count, 0);
    told->count = 0;
    if (!told->frame.failed) /* without memory it is lost */
        (void)leat_peer_send(core, peer, &told->frame);
    leat_buf_fini(&told->frame);
    return true;
}

static void
free_watch(leat_watch *watch)
{
    leat_list_remove(&watch->of_peer);
    if (watch->batch != NULL)
        leat_list_remove(&watch->of_batch);
    else
        watch->peer->watches_over--;
    watch->peer->watch_count--;
    free(watch);
}

/* Behind everything else of its watch, for certain, and once. */
static void
tell_over(leat_core *core, leat_peer *peer)
{
    LEAT_LIST_FOREACH_SAFE (node, after, &peer->watches) {
        leat_watch *const watch = LEAT_CONTAINER_OF(node, leat_watch, of_peer);
        if (watch->batch != NULL)
            continue;
        if (!has_room(peer, TOLD_PROGRESS, LEAT_TELLER_BYTES + 18U))
            return;
        const leat_progress over = {
            .from = {.batch = watch->batch_id, .place = watch->place, .gap = watch->gap}
        };
        leat_progress_put(open_frame(core, peer, TOLD_PROGRESS), &over);
        free_watch(watch);
    }
}

void
leat_watch_release(leat_core *core, leat_peer *peer)
{
    if (!send_told(core, peer, TOLD_LOG))
        return;
    if (peer->watches_over > 0)
        tell_over(core, peer);
    if (send_told(core, peer, TOLD_PROGRESS) && peer->watches_over > 0 && !peer->unreachable)
        leat_peer_speak(core, peer); /* more than one frame of them */
}

/* ------------------------------------------------------------------------------ a watch's life */

void
leat_watch_drop_all(leat_peer *peer)
{
    while (!leat_list_is_empty(&peer->watches))
        free_watch(LEAT_CONTAINER_OF(leat_list_first(&peer->watches), leat_watch, of_peer));
    for (unsigned kind = 0; kind < 2; kind++) {
        leat_buf_fini(&peer->told[kind].frame);
        peer->told[kind].count = 0;
    }
}

static void
end_watch(leat_core *core, leat_watch *watch)
{
    leat_list_remove(&watch->of_batch);
    watch->batch = NULL;
    watch->peer->watches_over++;
    leat_peer_speak(core, watch->peer);
}

void
leat_watch_completed(leat_batch *batch, uint32_t place)
{
    LEAT_LIST_FOREACH (node, &batch->watches) {
        leat_watch *const watch = LEAT_CONTAINER_OF(node, leat_watch, of_batch);
        if (watch->place == place)
            watch->over_at = batch->log_end;
    }
}

/* Everything that it may be told of has ended, on disk. */
static bool
is_over(const leat_core *core, const leat_batch *batch, uint64_t over_at)
{
    const leat_book *const book = &core->books[batch->durability];
    return (over_at != 0 && over_at <= batch->durable_end) ||
           (batch->finished && batch->number <= leat_store_durable_upto(book->store));
}

void
leat_watch_durable(leat_core *core, leat_batch *batch)
{
    LEAT_LIST_FOREACH_SAFE (node, after, &batch->watches) {
        leat_watch *const watch = LEAT_CONTAINER_OF(node, leat_watch, of_batch);
        if (is_over(core, batch, watch->over_at))
            end_watch(core, watch);
    }
}

void
leat_watch_batch_gone(leat_core *core, leat_batch *batch)
{
    while (!leat_list_is_empty(&batch->watches))
        end_watch(core, LEAT_CONTAINER_OF(leat_list_first(&batch->watches), leat_watch, of_batch));
}

static leat_watch *
watch_of(const leat_peer *peer, uint64_t batch, uint32_t place)
{
    LEAT_LIST_FOREACH (node, &peer->watches) {
        leat_watch *const watch = LEAT_CONTAINER_OF(node, leat_watch, of_peer);
        if (watch->batch_id == batch && watch->place == place)
            return watch;
    }
    return NULL;
}

/* What is known of the running jobs goes first. */
static void
tell_known(leat_core *core, leat_watch *watch)
{
    const leat_batch *const batch = watch->batch;
    const uint64_t first = watch->place == 0 ? 1 : watch->place;
    const uint64_t last = watch->place == 0 ? batch->counters.total : watch->place;
    uint32_t looked = 0;
    for (uint64_t p = first; p <= last && looked < LOOKED_AT_MAX && core->tellings.count > 0;
         p++, looked++) {
        const leat_telling *const telling = telling_at(core, batch, (uint32_t)p, watch->place != 0);
        if (telling == NULL)
            continue;
        const leat_item *const item =
            leat_items_at(&core->items, leat_items_find(&core->items, telling->job));
        const leat_progress progress = {
            .from.token = {item->id, item->attempt, core->epochs[item->epoch]},
            .done = telling->done,
            .of = telling->of,
            .text = {telling->text,        telling->text_bytes        },
        };
        tell_progress(core, watch, (uint32_t)p, &progress);
    }
}

static leat_err
begin(leat_core *core, leat_peer *peer, leat_batch *batch, uint32_t place, char message[256])
{
    leat_watch *watch = watch_of(peer, batch->id, place);
    if (watch != NULL)
        return LEAT_ERR_OK;
    if (peer->watch_count >= LEAT_WATCHES_MAX) {
        (void)snprintf(message, 256, "this session watches %u batches and jobs, and no more",
                       LEAT_WATCHES_MAX);
        return LEAT_ERR_LIMIT;
    }
    watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return LEAT_ERR_NOMEM;
    watch->peer = peer;
    watch->batch = batch;
    watch->batch_id = batch->id;
    watch->place = place;
    if (place != 0 && job_at(core, batch, place, true) == LEAT_NOBODY)
        watch->over_at = batch->log_end; /* it has ended, and that is not on disk yet */
    leat_list_append(&peer->watches, &watch->of_peer);
    leat_list_append(&batch->watches, &watch->of_batch);
    peer->watch_count++;
    tell_known(core, watch);
    return LEAT_ERR_OK;
}

static cJSON *
answer(uint64_t batch, uint32_t place, bool over)
{
    cJSON *const json = cJSON_CreateObject();
    (void)leat_json_add_u64(json, "batch", batch);
    if (place != 0)
        (void)cJSON_AddNumberToObject(json, "place", place);
    (void)cJSON_AddBoolToObject(json, "over", over);
    return json;
}

/* "batch", and perhaps "place". */
static leat_err
read_arguments(const cJSON *arguments, uint64_t *batch, uint32_t *place, char message[256])
{
    int64_t number = 0;
    if (!leat_json_u64(arguments, "batch", batch)) {
        (void)snprintf(message, 256, "\"batch\" is the number of a batch as text, as in \"42\"");
        return LEAT_ERR_MALFORMED;
    }
    if (leat_steer_has(arguments, "place") &&
        !leat_json_int(arguments, "place", 1, UINT32_MAX, &number)) {
        (void)snprintf(message, 256, "\"place\" is a number from 1");
        return LEAT_ERR_MALFORMED;
    }
    *place = (uint32_t)number;
    return LEAT_ERR_OK;
}

static leat_err
watch_batch(
    leat_core *core, leat_peer *peer, uint64_t id, uint32_t place, bool *over, char message[256])
{
    if (peer->role == LEAT_ROLE_WORKER) {
        (void)snprintf(message, 256, "a worker does not watch");
        return LEAT_ERR_DENIED;
    }
    leat_batch *const batch = leat_batch_find(core, id);
    if (batch == NULL || place > batch->counters.total) {
        (void)snprintf(message, 256, batch == NULL ? "no batch %llu" : "no such job in batch %llu",
                       (unsigned long long)id);
        return LEAT_ERR_NOT_FOUND;
    }
    const bool ended = place != 0 && job_at(core, batch, place, true) == LEAT_NOBODY;
    *over = is_over(core, batch, ended ? batch->log_end : 0);
    return *over ? LEAT_ERR_OK : begin(core, peer, batch, place, message);
}

bool
leat_watch_query(leat_core *core,
                 leat_peer *peer,
                 const cJSON *arguments,
                 const char *name,
                 cJSON **result,
                 char message[256],
                 leat_err *err)
{
    const bool begins = strcmp(name, "watch") == 0;
    uint64_t batch;
    uint32_t place;
    bool over = true;
    if (!begins && strcmp(name, "unwatch") != 0)
        return false;
    *err = read_arguments(arguments, &batch, &place, message);
    if (*err == LEAT_ERR_OK && begins) {
        *err = watch_batch(core, peer, batch, place, &over, message);
    } else if (*err == LEAT_ERR_OK) {
        leat_watch *const watch = watch_of(peer, batch, place);
        if (watch != NULL)
            free_watch(watch);
    }
    if (*err == LEAT_ERR_OK)
        *result = answer(batch, place, over);
    return true;
}
