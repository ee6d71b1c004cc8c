/* What follows a job: defer and recover jobs, and completions that are sent to a channel.
 *
 * They are submitted in the turn in which the job ends, so that there is no moment in which one is
 * on disk and the other is not, and so that they need nobody's memory before. Of several defer jobs
 * the last one given runs first and has the others as its own: each begins when the one before has
 * ended, wherever a worker is. */
#include "broker/core/follow.h"

#include <stdlib.h>

#include "broker/core/batch.h"
#include "broker/core/failure.h"
#include "broker/core/grant.h"
#include "broker/core/lease.h"
#include "broker/core/link.h"
#include "broker/core/room.h"
#include "broker/core/submit.h"
#include "broker/core/terms.h"
#include "broker/core/unique.h"

struct reading {
    uint64_t id;
    leat_buf *buf;
    bool found;
};

static void
on_payload(void *context, const leat_fetched *fetched)
{
    struct reading *const r = context;
    leat_bytes payload;
    if (fetched->err != LEAT_ERR_OK || !leat_pack_find(fetched, r->id, &payload))
        return;
    leat_put_bytes(r->buf, payload.data, payload.size);
    r->found = !r->buf->failed;
}

bool
leat_follow_payload(leat_core *core, const leat_item *item, leat_buf *buf)
{
    struct reading reading = {.id = item->id, .buf = buf};
    const leat_fetch fetch = {.kind = LEAT_FETCH_JOB, .id = item->id};
    leat_store *const store = core->books[leat_item_durability(core, item)].store;
    (void)leat_store_fetch(store, &fetch, 1, on_payload, &reading);
    return reading.found;
}

static void
add_number(cJSON *json, const char *key, uint64_t value)
{
    (void)leat_json_add_u64(json, key, value);
}

static uint64_t
batch_id_of(const leat_core *core, const leat_item *item)
{
    return item->batch == LEAT_NOBODY
               ? item->id
               : ((const leat_batch *)leat_table_at(&core->batches, item->batch))->id;
}

/* ------------------------------------------------------------------------------ defer */

static void
submit(leat_core *core, const leat_order *order, leat_channel *channel)
{
    uint64_t id;
    if (leat_submit_order(core, order, &id) != LEAT_ERR_OK)
        channel->replies_dropped++; /* closed meanwhile, or of the other kind: counted */
}

static void
defer(leat_core *core, const leat_item *item, const leat_settings *settings)
{
    leat_class *const class = leat_class_of(core, item);
    leat_order order = {
        .channel = leat_text_of(class->channel->name),
        .settings = leat_settings_nothing(),
        .owner = leat_terms_owner(leat_terms_of(core, item)),
        .inside = true,
        .promised = true,
    };
    const leat_follower *const last = &settings->finally[settings->finally_count - 1];
    order.handler = last->handler;
    order.payload = last->payload;
    order.settings.priority = settings->priority;
    order.settings.finally_count = (uint8_t)(settings->finally_count - 1);
    memcpy(order.settings.finally, settings->finally,
           order.settings.finally_count * sizeof *settings->finally);
    submit(core, &order, class->channel);
}

/* ------------------------------------------------------------------------------ recover */

/* The failure record that a recover job gets. */
static void
put_failure(leat_core *core,
            const leat_item *item,
            leat_bytes error,
            const leat_follower *recover,
            leat_buf *out)
{
    leat_buf payload = {0};
    const leat_bytes why = leat_failure_why(error);
    cJSON *const json = cJSON_CreateObject();
    add_number(json, "job", item->id);
    add_number(json, "batch", batch_id_of(core, item));
    (void)cJSON_AddNumberToObject(json, "place", item->place);
    (void)cJSON_AddStringToObject(json, "handler", leat_class_of(core, item)->handler);
    (void)cJSON_AddNumberToObject(json, "attempts", item->attempt);
    (void)cJSON_AddNumberToObject(json, "failed", item->failed);
    (void)cJSON_AddNumberToObject(json, "lost", item->lost);
    (void)leat_json_add_bytes(json, "error", why.data, why.size);
    if (leat_follow_payload(core, item, &payload))
        (void)leat_json_add_bytes(json, "payload", payload.data, payload.size);
    (void)leat_json_add_bytes(json, "with", recover->payload.data, recover->payload.size);
    /* Beside what was promised: on a full disk without it. */
    const leat_bytes list = leat_failure_list(core, item);
    if (leat_item_durability(core, item) == LEAT_MEMORY ||
        leat_room_has_spare(core, LEAT_FAILURE_JSON_BYTES + (uint64_t)list.size * 4)) {
        leat_failure_add_last(json, error);
        leat_failure_add_attempts(json, list);
    }
    leat_json_put(out, json);
    cJSON_Delete(json);
    leat_buf_fini(&payload);
}

static bool
recover(leat_core *core, leat_item *item, const leat_settings *settings, leat_bytes error)
{
    leat_class *const class = leat_class_of(core, item);
    leat_buf failure = {0};
    uint64_t id;
    if (settings->recover.handler.size == 0)
        return false;
    const uint64_t job = item->id;
    /* A job that was a batch of its own gets an object: its end is now another one's. */
    leat_batch *const batch = item->batch != LEAT_NOBODY
                                  ? leat_table_at(&core->batches, item->batch)
                                  : leat_batch_find(core, job);
    put_failure(core, item, error, &settings->recover, &failure);
    if (batch == NULL || failure.failed || failure.size > LEAT_PAYLOAD_BYTES_MAX) {
        leat_buf_fini(&failure);
        return false;
    }
    leat_order order = {
        .channel = leat_text_of(class->channel->name),
        .handler = settings->recover.handler,
        .settings = leat_settings_nothing(),
        .owner = leat_terms_owner(leat_terms_of(core, item)),
        .batch = batch,
        .recovers = job,
        .place = item->place,
        .inside = true,
        .promised = true,
        .payload = {failure.data, (uint32_t)failure.size},
    };
    order.settings.reply = settings->reply; /* its end is the completion that is sent there */
    order.settings.reply_handler = settings->reply_handler;
    const leat_err err = leat_submit_order(core, &order, &id);
    leat_buf_fini(&failure);
    if (err != LEAT_ERR_OK)
        return false;
    leat_batch_add_range(core, batch, id, 0, 1); /* cancelled with the batch */
    leat_link_move(core, item, leat_items_at(&core->items, leat_items_find(&core->items, id)));
    return true;
}

/* ------------------------------------------------------------------------------ reply */

static void
reply(leat_core *core,
      const leat_item *item,
      const leat_settings *settings,
      leat_outcome outcome,
      const leat_peer *worker,
      uint64_t run_us,
      leat_bytes result)
{
    leat_order order = {
        .channel = settings->reply,
        .handler = settings->reply_handler,
        .settings = leat_settings_nothing(),
        .owner = leat_terms_owner(leat_terms_of(core, item)),
        .payload = result,
        .promised = true,
    };
    leat_channel *const channel = leat_class_of(core, item)->channel;
    if (settings->reply_handler.size > 0) {
        if (outcome == LEAT_OUTCOME_DONE)
            submit(core, &order, channel);
        return;
    }
    const leat_link *const link = leat_link_of(core, item);
    leat_buf text = {0};
    cJSON *const json = cJSON_CreateObject();
    add_number(json, "job", link == NULL || link->recovers == 0 ? item->id : link->recovers);
    add_number(json, "batch", batch_id_of(core, item));
    (void)cJSON_AddNumberToObject(json, "place", item->place);
    (void)cJSON_AddStringToObject(json, "outcome", leat_outcome_name(outcome));
    (void)cJSON_AddNumberToObject(json, "attempt", item->attempt);
    (void)cJSON_AddStringToObject(json, "worker", worker == NULL ? "" : worker->name);
    add_number(json, "run_us", run_us);
    (void)leat_json_add_bytes(json, "result", result.data, result.size);
    leat_json_put(&text, json);
    cJSON_Delete(json);
    order.payload = (leat_bytes){text.data, (uint32_t)text.size};
    if (!text.failed && text.size <= LEAT_PAYLOAD_BYTES_MAX)
        submit(core, &order, channel);
    else
        channel->replies_dropped++;
    leat_buf_fini(&text);
}

bool
leat_follow_end(leat_core *core,
                uint32_t index,
                leat_outcome outcome,
                leat_peer *worker,
                uint64_t run_us,
                leat_bytes result)
{
    leat_item *const item = leat_items_at(&core->items, index);
    leat_terms *const terms = leat_terms_of(core, item);
    if (!terms->follows)
        return false;
    leat_terms_keep(terms); /* what is read from it is borrowed */
    const leat_settings settings = leat_terms_settings(terms);
    const bool recovered = outcome == LEAT_OUTCOME_DEAD && recover(core, item, &settings, result);
    if (settings.finally_count > 0)
        defer(core, item, &settings);
    if (settings.reply.size > 0 && !recovered)
        reply(core, item, &settings, outcome, worker, run_us, result);
    leat_terms_drop(core, terms);
    return recovered;
}
