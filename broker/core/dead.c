/* Dead jobs: kept with payload and error for a person, until they are retried, removed, or out of
 * retention (leat_keep). Memory has what they are found by; the rest is an
 * object in the store, written in the turn of the death. */
#include "broker/core/dead.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/core/archive.h"
#include "broker/core/channel.h"
#include "broker/core/explain.h"
#include "broker/core/failure.h"
#include "broker/core/news.h"
#include "broker/core/room.h"
#include "broker/core/steer.h"
#include "broker/core/terms.h"
#include "broker/core/unique.h"

#define FORMAT 2U /* from 2 on: how its attempts ended, behind the payload */

static leat_corpse *
add(leat_core *core, uint64_t job, int64_t ended_ms)
{
    leat_corpse *const corpse = calloc(1, sizeof *corpse);
    if (corpse == NULL || leat_table_add(&core->dead, job, corpse, &corpse->index) != LEAT_ERR_OK) {
        free(corpse);
        return NULL;
    }
    corpse->job = job;
    corpse->ended_ms = ended_ms;
    /* The oldest first: from the store they come by number, which is nearly that. */
    leat_list_node *before = leat_list_last(&core->corpses);
    while (before != NULL && LEAT_CONTAINER_OF(before, leat_corpse, node)->ended_ms > ended_ms)
        before = leat_list_before(&core->corpses, before);
    if (before == NULL)
        leat_list_prepend(&core->corpses, &corpse->node);
    else
        leat_list_link(before, &corpse->node, before->next);
    return corpse;
}

/* Its batch's record is kept as long as it is; a batch of its own has none. */
static void
mourn(leat_core *core, const leat_corpse *corpse)
{
    if (corpse->batch != corpse->job)
        leat_archive_mourn(core, corpse->batch, corpse->memory);
}

static void
forget(leat_core *core, leat_corpse *corpse)
{
    leat_list_remove(&corpse->node);
    leat_table_remove(&core->dead, corpse->job);
    free(corpse);
}

static leat_book *
book_of(leat_core *core, const leat_corpse *corpse)
{
    return &core->books[corpse->memory ? LEAT_MEMORY : LEAT_DISK];
}

void
leat_dead_drop(leat_core *core, leat_corpse *corpse)
{
    const uint64_t batch = corpse->batch;
    const bool alone = batch == corpse->job;
    leat_changes_drop(&book_of(core, corpse)->changes, LEAT_OBJECT_DEAD, corpse->job);
    leat_channel *const channel = leat_table_at(&core->channels, corpse->channel);
    channel->dead--;
    forget(core, corpse);
    if (!alone)
        leat_archive_bury(core, batch);
}

void
leat_dead_add(leat_core *core, const leat_item *item, leat_bytes error)
{
    const leat_terms *const terms = leat_terms_of(core, item);
    leat_channel *const channel = terms->class->channel;
    const leat_batch *const batch =
        item->batch == LEAT_NOBODY ? NULL : leat_table_at(&core->batches, item->batch);
    leat_buf payload = {0};
    leat_corpse *const corpse = add(core, item->id, core->now.wall_ms);
    if (corpse == NULL) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    corpse->batch = batch == NULL ? item->id : batch->id;
    corpse->place = item->place;
    corpse->channel = channel->index;
    corpse->principal = terms->principal;
    corpse->memory = channel->durability == LEAT_MEMORY;
    channel->dead++;
    mourn(core, corpse);
    (void)leat_follow_payload(core, item, &payload);

    leat_buf record = {0};
    leat_put_u8(&record, FORMAT);
    leat_put_text8(&record, leat_text_of(channel->name));
    leat_put_text8(&record, leat_text_of(terms->class->handler));
    leat_put_u64(&record, corpse->batch);
    leat_put_u32(&record, item->place);
    leat_put_u64(&record, terms->principal);
    leat_put_u64(&record, terms->line->flow->share->principal);
    leat_put_u32(&record, item->attempt);
    leat_put_u16(&record, item->failed);
    leat_put_u16(&record, item->lost);
    leat_put_u16(&record, item->snoozed);
    leat_put_u64(&record, (uint64_t)corpse->ended_ms);
    leat_put_u32(&record, (uint32_t)terms->settings.size);
    leat_put_bytes(&record, terms->settings.data, terms->settings.size);
    leat_put_u32(&record, error.size);
    leat_put_bytes(&record, error.data, error.size);
    leat_put_u32(&record, (uint32_t)payload.size);
    leat_put_bytes(&record, payload.data, payload.size);
    leat_bytes attempts = leat_failure_list(core, item);
    if (!corpse->memory && !leat_room_has_spare(core, attempts.size))
        attempts.size = 0;
    leat_put_u32(&record, attempts.size);
    leat_put_bytes(&record, attempts.data, attempts.size);
    if (record.failed || payload.failed)
        leat_core_fault(core, LEAT_ERR_NOMEM);
    leat_changes_put(&book_of(core, corpse)->changes, LEAT_OBJECT_DEAD, item->id, record.data,
                     record.size);
    leat_buf_fini(&record);
    leat_buf_fini(&payload);
    leat_news_dead(core, corpse, error);
}

static bool
read_record(leat_reader *r, unsigned format, leat_obituary *out)
{
    out->channel = leat_read_text8(r);
    out->handler = leat_read_text8(r);
    out->batch = leat_read_u64(r);
    out->place = leat_read_u32(r);
    out->owner.principal = leat_read_u64(r);
    out->owner.share = leat_read_u64(r);
    out->attempts = leat_read_u32(r);
    out->failed = leat_read_u16(r);
    out->lost = leat_read_u16(r);
    out->snoozed = leat_read_u16(r);
    out->ended_ms = leat_read_u64(r);
    out->settings.size = leat_read_u32(r);
    out->settings.data = leat_read_bytes(r, out->settings.size);
    out->error.size = leat_read_u32(r);
    out->error.data = leat_read_bytes(r, out->error.size);
    out->payload.size = leat_read_u32(r);
    out->payload.data = leat_read_bytes(r, out->payload.size);
    out->attempt_list = (leat_bytes){0};
    if (format >= 2) {
        out->attempt_list.size = leat_read_u32(r);
        out->attempt_list.data = leat_read_bytes(r, out->attempt_list.size);
    }
    return !r->failed && leat_name_is_valid(out->channel) && leat_name_is_valid(out->handler);
}

leat_err
leat_dead_apply(leat_core *core, unsigned format, uint64_t job, leat_reader *record)
{
    leat_obituary about;
    leat_err err;
    if (!read_record(record, format, &about))
        return LEAT_ERR_CORRUPT;
    leat_channel *const channel = leat_channel_ensure(core, about.channel, &err);
    if (channel == NULL)
        return err;
    leat_corpse *const corpse = add(core, job, (int64_t)about.ended_ms);
    if (corpse == NULL)
        return LEAT_ERR_NOMEM;
    corpse->batch = about.batch;
    corpse->place = about.place;
    corpse->channel = channel->index;
    corpse->principal = about.owner.principal;
    channel->dead++;
    mourn(core, corpse);
    return LEAT_ERR_OK;
}

struct reading {
    leat_core *core;
    bool found;
};

static void
on_object(void *context, const leat_fetched *fetched)
{
    struct reading *const r = context;
    if (fetched->err != LEAT_ERR_OK)
        return;
    leat_buf_reset(&r->core->scratch);
    leat_put_bytes(&r->core->scratch, fetched->data, fetched->size);
    r->found = !r->core->scratch.failed;
}

bool
leat_dead_read(leat_core *core, const leat_corpse *corpse, leat_obituary *out)
{
    struct reading reading = {.core = core};
    const leat_fetch fetch = {
        .kind = LEAT_FETCH_OBJECT, .object_kind = LEAT_OBJECT_DEAD, .id = corpse->job};
    (void)leat_store_fetch(book_of(core, corpse)->store, &fetch, 1, on_object, &reading);
    if (!reading.found)
        return false; /* it died in this moment, and is not on disk yet */
    leat_reader r = leat_reader_over(core->scratch.data, core->scratch.size);
    const unsigned format = leat_read_u8(&r);
    return format >= 1 && format <= FORMAT && read_record(&r, format, out);
}

leat_corpse *
leat_dead_at(const leat_core *core, uint64_t batch, uint32_t place)
{
    for (leat_list_node *node = leat_list_last(&core->corpses); node != NULL;
         node = leat_list_before(&core->corpses, node)) {
        leat_corpse *const corpse = LEAT_CONTAINER_OF(node, leat_corpse, node);
        if (corpse->batch == batch && corpse->place == place)
            return corpse;
    }
    return NULL;
}

leat_err
leat_dead_read_filter(leat_core *core,
                      const cJSON *arguments,
                      leat_dead_filter *out,
                      char message[256])
{
    leat_channel *channel = NULL;
    *out = (leat_dead_filter){0};
    if (leat_steer_has(arguments, "channel")) {
        const leat_err err = leat_explain_named(core, arguments, &channel, message);
        if (err != LEAT_ERR_OK)
            return err;
    }
    out->channel = channel;
    if ((!leat_steer_has(arguments, "error") || leat_json_text(arguments, "error", &out->error)) &&
        (!leat_steer_has(arguments, "since_ms") ||
         leat_json_int(arguments, "since_ms", 0, LEAT_WALL_MS_MAX, &out->since_ms)))
        return LEAT_ERR_OK;
    (void)snprintf(message, 256, "\"error\" is a text, \"since_ms\" a time in ms since 1970");
    return LEAT_ERR_MALFORMED;
}

bool
leat_dead_matches(leat_core *core, const leat_corpse *corpse, const leat_dead_filter *filter)
{
    leat_obituary about;
    if (corpse->ended_ms < filter->since_ms ||
        (filter->channel != NULL && corpse->channel != filter->channel->index))
        return false;
    if (filter->error == NULL)
        return true;
    return leat_dead_read(core, corpse, &about) && about.error.size > 0 &&
           memmem(about.error.data, about.error.size, filter->error, strlen(filter->error)) != NULL;
}

void
leat_dead_sweep(leat_core *core)
{
    for (uint32_t budget = LEAT_TURN_ENDS_MAX; budget > 0; budget--) {
        leat_list_node *const node = leat_list_first(&core->corpses);
        if (node == NULL)
            return;
        leat_corpse *const corpse = LEAT_CONTAINER_OF(node, leat_corpse, node);
        if (core->dead.count <= core->options.keep.dead_max &&
            core->now.wall_ms - corpse->ended_ms < core->options.keep.dead_ms_max)
            return;
        core->dead_dropped++;
        leat_dead_drop(core, corpse);
    }
}

void
leat_dead_fini(leat_core *core)
{
    while (!leat_list_is_empty(&core->corpses))
        forget(core, LEAT_CONTAINER_OF(leat_list_first(&core->corpses), leat_corpse, node));
}
