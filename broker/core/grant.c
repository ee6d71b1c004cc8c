/* Grants: items on their way to who has got them. They are collected while the match goes on, one
 * for a peer, and are part of this turn's commit; JOBS and ITEMS are written when that is durable,
 * with payloads from the store. */
#include "broker/core/grant.h"

#include <stdlib.h>

#include "broker/core/channel.h"
#include "broker/core/checkpoint.h"
#include "broker/core/lease.h"
#include "broker/core/outbox.h"
#include "broker/core/peer.h"
#include "broker/core/receiver.h"
#include "broker/core/terms.h"

#define GRANT_JOBS_MAX 2048U
#define RUN_BYTES      20U /* of a run's head beside its names */
#define RUN_BYTES_MAX  (RUN_BYTES + 3U * (1U + LEAT_NAME_BYTES_MAX))

/* ------------------------------------------------------------------------------ collecting */

leat_filling *
leat_grant_of(leat_core *core, leat_peer *peer)
{
    if (peer->filling == NULL)
        peer->filling = calloc(1, sizeof *peer->filling);
    if (peer->filling == NULL)
        return NULL;
    peer->filling->peer = peer;
    if (!leat_list_is_linked(&peer->fed))
        leat_list_append(&core->fed, &peer->fed);
    return peer->filling;
}

bool
leat_grant_is_full(const leat_filling *f)
{
    return f->effect.grant_count >= GRANT_JOBS_MAX || f->bytes >= LEAT_GRANT_BYTES_MAX;
}

bool
leat_grant_room(leat_filling *f)
{
    if (f->effect.grant_count < f->capacity)
        return true;
    const uint32_t capacity = f->capacity == 0 ? 64 : f->capacity * 2;
    leat_grant *const grants = realloc(f->effect.grants, capacity * sizeof *grants);
    if (grants == NULL)
        return false;
    f->effect.grants = grants;
    f->capacity = capacity;
    return true;
}

void
leat_grant_close(leat_core *core, leat_filling *f)
{
    if (f->effect.grant_count == 0)
        return;
    leat_book *const book = &core->books[f->durability];
    if (f->durability == LEAT_DISK && !f->effect.messages && !LEAT_FAULT(ATTEMPT_LATE)) {
        const size_t at =
            leat_turn_put_leases(&book->turn, f->peer->key, f->effect.position, core->epoch);
        for (uint32_t i = 0; i < f->effect.grant_count; i++) {
            leat_put_u64(&book->turn, f->effect.grants[i].id);
            leat_put_u32(&book->turn, f->effect.grants[i].attempt);
        }
        leat_turn_end_leases(&book->turn, at, f->effect.grant_count);
    }
    if (!f->effect.messages)
        f->peer->dirty = true; /* its next number */
    /* JOBS leave in the order of their numbers: not before those that still wait for the disk. */
    const leat_durability queue = f->peer->disk_grants > 0 ? LEAT_DISK : f->durability;
    leat_effect *const effect = leat_outbox_add(core, queue, LEAT_EFFECT_GRANT);
    if (effect == NULL)
        return;
    f->peer->disk_grants += queue == LEAT_DISK;
    f->effect.durability = f->durability;
    if (f->effect.messages && !f->mixed) {
        const leat_item *const first = leat_items_at(&core->items, f->effect.grants[0].index);
        f->effect.batch = leat_class_of(core, first)->channel->index;
        f->effect.position = leat_class_of(core, first)->channel->id;
    }
    f->effect.kind = LEAT_EFFECT_GRANT;
    f->effect.number = effect->number;
    f->effect.peer = f->peer->key;
    f->effect.connection = f->peer->connection;
    *effect = f->effect;
    f->effect = (leat_effect){0};
    f->capacity = 0;
    f->bytes = 0;
    f->class = 0;
    f->peer->grants_waiting++;
    leat_peer_update_hunger(core, f->peer);
}

void
leat_grant_add(leat_core *core, leat_filling *f, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    const leat_err err = leat_item_apply(item, LEAT_EVENT_LEASE);
    assert(err == LEAT_ERR_OK && f->peer != NULL);
    (void)err;
    if (f->effect.grant_count == 0)
        f->effect.position = f->peer->next_number;
    item->number = (uint32_t)f->peer->next_number++;
    item->epoch = (uint8_t)(core->epoch_count - 1);
    leat_channel_take_token(leat_class_of(core, item)->channel);
    leat_lease_append(core, f->peer, index);
    f->effect.grants[f->effect.grant_count++] =
        (leat_grant){.id = item->id, .index = index, .attempt = item->attempt};
    f->bytes += LEAT_JOBS_JOB_BYTES + (size_t)item->payload_bytes;
    if ((item->flags & LEAT_ITEM_TELLS) != 0)
        f->bytes += 4 + RUN_BYTES_MAX + (size_t)leat_checkpoint_bytes(core, item);
    const leat_terms *const terms = leat_terms_of(core, item);
    const leat_class *const class = terms->class;
    if (class->index == f->class && item->batch == f->batch && item->batch != LEAT_NOBODY &&
        terms->run_limit_ms == f->limit)
        return;
    f->bytes += RUN_BYTES + strlen(class->channel->name) + strlen(class->handler) +
                strlen(class->needs) + 1;
    f->class = class->index;
    f->batch = item->batch;
    f->limit = terms->run_limit_ms;
}

/* ------------------------------------------------------------------------------ leaving */

/* A frame of JOBS or messages that is being written from grants and payloads. */
struct writing {
    leat_core *core;
    leat_effect *effect;
    leat_buf frame;
    uint16_t runs;
    uint16_t run_jobs;
    size_t run_at;
    uint32_t class;
    uint64_t batch;
    uint64_t limit;
    bool with_checkpoints; /* of the run */
    leat_restored restored;
    uint32_t sent;
    bool failed;              /* a job's record could not be read: its grant says attempt 0 */
    const uint8_t *pack_data; /* the store may use it again for another pack */
    uint64_t pack_id;         /* the pack that the last payload came from, NULL: none */
    leat_pack pack;
    uint32_t pack_left; /* jobs of it behind `job` */
    leat_pack_job job;
};

static void
end_run(struct writing *w)
{
    if (w->runs == 0)
        return;
    if (w->effect->messages)
        leat_items_set_messages(&w->frame, w->run_at, w->run_jobs);
    else
        leat_jobs_set_run(&w->frame, w->run_at, w->run_jobs);
}

static void
start_run(struct writing *w, const leat_item *item, uint64_t batch, bool with_checkpoints)
{
    const leat_terms *const terms = leat_terms_of(w->core, item);
    const leat_class *const class = terms->class;
    end_run(w);
    w->class = class->index;
    w->batch = batch;
    w->limit = terms->run_limit_ms;
    w->with_checkpoints = with_checkpoints;
    w->run_jobs = 0;
    w->runs++;
    if (w->effect->messages) {
        w->run_at = leat_items_put_messages(&w->frame, leat_text_of(class->channel->name), 0);
        return;
    }
    const leat_jobs_run run = {
        .channel = leat_text_of(class->channel->name),
        .handler = leat_text_of(class->handler),
        .batch = batch,
        .run_limit_ms = terms->run_limit_ms,
        .needs = leat_text_of(class->needs),
        .checkpoints = with_checkpoints,
    };
    w->run_at = leat_jobs_put_run(&w->frame, &run);
}

/* Find the payload of id in its pack. Ids mostly rise, so the search goes on where it was. */
static bool
find_in_pack(struct writing *w, const leat_fetched *fetched, uint64_t id)
{
    const uint64_t offset = id - fetched->pack_id;
    if (w->pack_data != fetched->data || w->pack_id != fetched->pack_id || w->job.offset > offset) {
        if (leat_pack_open(fetched->data, fetched->size, &w->pack) != LEAT_ERR_OK)
            return false;
        w->pack_data = fetched->data;
        w->pack_id = fetched->pack_id;
        w->pack_left = w->pack.count;
        w->job = (leat_pack_job){0};
    }
    while (w->pack_left > 0 && (w->job.payload == NULL || w->job.offset < offset)) {
        leat_pack_next(&w->pack, &w->job);
        w->pack_left--;
    }
    return w->job.payload != NULL && w->job.offset == offset;
}

static void
on_payload(void *context, const leat_fetched *fetched)
{
    struct writing *const w = context;
    leat_grant *const granted = &w->effect->grants[fetched->fetch.cookie];
    leat_item *const item = leat_items_at(&w->core->items, granted->index);

    leat_bytes checkpoint = {0};
    const bool restores =
        leat_restored_find(&w->restored, (uint32_t)fetched->fetch.cookie, &checkpoint);

    if (fetched->err != LEAT_ERR_OK || !find_in_pack(w, fetched, granted->id) ||
        (restores && checkpoint.size == 0)) {
        granted->attempt = 0;
        w->failed = true;
        return;
    }
    const uint64_t batch =
        item->batch == LEAT_NOBODY
            ? item->id
            : ((const leat_batch *)leat_table_at(&w->core->batches, item->batch))->id;
    const leat_terms *const terms = leat_terms_of(w->core, item);
    if (w->runs == 0 || w->class != terms->class->index || w->batch != batch ||
        w->limit != terms->run_limit_ms || w->with_checkpoints != restores)
        start_run(w, item, batch, restores);
    const leat_bytes payload = {w->job.payload, w->job.payload_bytes};
    if (w->effect->messages)
        leat_items_put_message(
            &w->frame, &(leat_message){
                           .id = item->id,
                           .flags = (item->flags & LEAT_ITEM_HANDED) != 0 ? LEAT_ITEM_AGAIN : 0,
                           .payload = payload,
                       });
    else
        leat_jobs_put_job(&w->frame, item->id, item->attempt, item->place, payload);
    if (restores)
        leat_jobs_put_checkpoint(&w->frame, checkpoint);
    /* The peer counts what it gets: jobs that left the grant in between have no number. */
    item->number = (uint32_t)(w->effect->position + w->sent++);
    if (w->effect->messages) /* of a job the bit says something else */
        item->flags |= LEAT_ITEM_HANDED;
    w->run_jobs++;
}

bool
leat_pack_find(const leat_fetched *fetched, uint64_t id, leat_bytes *payload)
{
    leat_pack pack;
    if (leat_pack_open(fetched->data, fetched->size, &pack) != LEAT_ERR_OK)
        return false;
    for (uint8_t i = 0; i < pack.count; i++) {
        leat_pack_job job;
        leat_pack_next(&pack, &job);
        if (fetched->pack_id + job.offset == id) {
            *payload = (leat_bytes){job.payload, job.payload_bytes};
            return true;
        }
    }
    return false;
}

void
leat_grant_end_unreadable(leat_core *core, uint32_t index)
{
    static const char sentence[] = "its record in the store is damaged";
    leat_item *const item = leat_items_at(&core->items, index);
    leat_peer *const peer = leat_table_at(&core->peers, item->holder);
    leat_lease_unlink(core, peer, index, 0);
    const leat_err err = leat_item_apply(item, LEAT_EVENT_FAIL);
    assert(err == LEAT_ERR_OK || item->state == LEAT_STATE_STOPPING);
    (void)err;
    leat_lease_end(core, index, LEAT_OUTCOME_DEAD, NULL, 0,
                   (leat_bytes){(const uint8_t *)sentence, sizeof sentence - 1});
}

bool
leat_grant_is_current(leat_core *core, const leat_peer *peer, const leat_grant *granted)
{
    if (leat_items_find(&core->items, granted->id) != granted->index)
        return false;
    const leat_item *const item = leat_items_at(&core->items, granted->index);
    return item->holder == peer->index && item->attempt == granted->attempt &&
           leat_state_is_held_by_worker((leat_state)item->state);
}

void
leat_grant_write(leat_core *core, const leat_book *book, leat_effect *effect)
{
    leat_peer *const peer = leat_table_get(&core->peers, effect->peer);
    if (peer == NULL)
        return;
    peer->grants_waiting--;
    leat_receiver_relieve(core, peer);
    peer->disk_grants -= book == &core->books[LEAT_DISK];
    leat_peer_update_hunger(core, peer);
    /* A grant of before this HELLO is not sent after it: END will say that it never came. */
    if (peer->route == 0 || peer->unreachable || peer->ended || peer->claiming ||
        peer->welcome_due || effect->connection != peer->connection || effect->grant_count == 0)
        return;

    struct writing w = {.core = core, .effect = effect};
    leat_fetch *const fetches = malloc(effect->grant_count * sizeof *fetches);
    if (fetches == NULL) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < effect->grant_count; i++) {
        if (leat_grant_is_current(core, peer, &effect->grants[i]))
            fetches[count++] =
                (leat_fetch){.kind = LEAT_FETCH_JOB, .id = effect->grants[i].id, .cookie = i};
        else
            effect->grants[i].id = 0;
    }
    leat_frame_begin(&w.frame, effect->messages ? LEAT_CMD_ITEMS : LEAT_CMD_JOBS);
    if (!effect->messages)
        leat_jobs_put_head(
            &w.frame, &(leat_jobs_head){.epoch = core->epoch, .first_number = effect->position});
    leat_store *const store = core->books[effect->durability].store;
    if (!effect->messages)
        leat_restored_fetch(core, effect, &w.restored);
    if (count > 0 && leat_store_fetch(store, fetches, count, on_payload, &w) != LEAT_ERR_OK)
        leat_core_fault(core, LEAT_ERR_IO);
    free(fetches);
    end_run(&w);
    leat_receiver_unserve(core, effect, false);
    if (w.runs > 0) {
        leat_frame_finish(&w.frame, 0, w.runs, 0);
        (void)leat_peer_send(core, peer, &w.frame);
    }
    leat_buf_fini(&w.frame);
    leat_restored_fini(&w.restored);
    for (uint32_t i = 0; i < effect->grant_count && w.failed; i++) {
        if (effect->grants[i].attempt == 0)
            leat_grant_end_unreadable(core, effect->grants[i].index);
    }
}
