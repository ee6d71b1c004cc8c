/* Unique keys: one live job for each key of a channel and principal; what is sent with the same key
 * joins it. For a while after the job's end its completion is kept with the key, and whoever comes
 * then is given that. */
#include "broker/core/unique.h"

#include <stdlib.h>

#include "broker/core/batch.h"
#include "broker/core/channel.h"
#include "broker/core/link.h"
#include "broker/core/terms.h"
#include "broker/core/timer.h"

static uint64_t
hash_of(const leat_channel *channel, uint64_t principal, leat_text name)
{
    const uint64_t owner = leat_hash_u64(leat_hash_u64(3, channel->index), principal);
    return leat_hash(owner, name.data, name.size);
}

leat_unique *
leat_unique_find(leat_core *core, const leat_channel *channel, uint64_t principal, leat_text name)
{
    for (uint64_t hash = hash_of(channel, principal, name);; hash++) {
        leat_unique *const unique = leat_table_get(&core->uniques, hash);
        if (unique == NULL)
            return NULL;
        if (unique->channel == channel->index && unique->principal == principal &&
            leat_text_is(leat_text_of(unique->name), name)) {
            if (unique->ended && core->now.wall_ms >= (int64_t)unique->until_wall_ms)
                return NULL;
            return unique;
        }
    }
}

void
leat_unique_free(leat_core *core, leat_unique *unique)
{
    leat_table_remove(&core->uniques, unique->hash);
    leat_buf_fini(&unique->log);
    free(unique);
}

static leat_durability
durability_of(const leat_core *core, const leat_unique *unique)
{
    return ((leat_channel *)leat_table_at(&core->channels, unique->channel))->durability;
}

/* Forget a key whose window is over. */
static void
drop(leat_core *core, leat_unique *unique)
{
    leat_book *const book = &core->books[durability_of(core, unique)];
    leat_turn_put_object(&book->turn, LEAT_OBJECT_UNIQUE, unique->job, NULL, 0);
    leat_changes_drop(&book->changes, LEAT_OBJECT_UNIQUE, unique->job);
    leat_unique_free(core, unique);
}

leat_err
leat_unique_add(leat_core *core,
                const leat_channel *channel,
                uint64_t principal,
                leat_text name,
                uint64_t window_ms,
                uint64_t job)
{
    uint64_t hash = hash_of(channel, principal, name);
    leat_unique *unique;
    while ((unique = leat_table_get(&core->uniques, hash)) != NULL) {
        if (unique->channel == channel->index && unique->principal == principal &&
            leat_text_is(leat_text_of(unique->name), name)) {
            drop(core, unique); /* out of its window: else it had been joined */
            break;
        }
        hash++;
    }
    unique = calloc(1, sizeof *unique);
    if (unique == NULL ||
        leat_table_add(&core->uniques, hash, unique, &unique->index) != LEAT_ERR_OK) {
        free(unique);
        return LEAT_ERR_NOMEM;
    }
    unique->hash = hash;
    unique->channel = channel->index;
    unique->principal = principal;
    unique->window_ms = window_ms;
    unique->job = job;
    memcpy(unique->name, name.data, name.size);
    return LEAT_ERR_OK;
}

leat_err
leat_unique_join(leat_core *core, const leat_unique *unique, leat_batch *batch, uint32_t place)
{
    if (!unique->ended) {
        const uint32_t index = leat_items_find(&core->items, unique->job);
        assert(index != LEAT_NOBODY);
        return leat_link_join(core, leat_items_at(&core->items, index), batch, place);
    }
    leat_reader log = leat_reader_over(unique->log.data, unique->log.size);
    leat_items_run run;
    leat_completion completion;
    if (leat_log_open(&log, &run) != LEAT_ERR_OK || run.n != 1)
        return LEAT_ERR_CORRUPT;
    leat_items_next_completion(&log, &completion);
    completion.place = place;
    leat_batch_copy_completion(core, batch, &completion);
    return LEAT_ERR_OK;
}

/* ------------------------------------------------------------------------------ the end */

void
leat_unique_put(const leat_core *core, const leat_unique *unique, leat_buf *buf)
{
    const leat_channel *const channel = leat_table_at(&core->channels, unique->channel);
    leat_put_u8(buf, 1);
    leat_put_text8(buf, leat_text_of(channel->name));
    leat_put_u64(buf, unique->principal);
    leat_put_text8(buf, leat_text_of(unique->name));
    leat_put_u64(buf, unique->until_wall_ms);
    leat_put_u32(buf, (uint32_t)unique->log.size);
    leat_put_bytes(buf, unique->log.data, unique->log.size);
}

leat_err
leat_unique_apply(leat_core *core, uint64_t job, leat_reader *r)
{
    const leat_text channel_name = leat_read_text8(r);
    const uint64_t principal = leat_read_u64(r);
    const leat_text name = leat_read_text8(r);
    const uint64_t until = leat_read_u64(r);
    const uint32_t size = leat_read_u32(r);
    const uint8_t *const log = leat_read_bytes(r, size);
    leat_err err;
    if (r->failed || !leat_name_is_valid(channel_name) || !leat_name_is_valid(name))
        return LEAT_ERR_CORRUPT;
    leat_channel *const channel = leat_channel_ensure(core, channel_name, &err);
    if (channel == NULL)
        return err;
    leat_unique *unique = NULL;
    for (uint64_t hash = hash_of(channel, principal, name);
         (unique = leat_table_get(&core->uniques, hash)) != NULL; hash++) {
        if (unique->job == job)
            break;
    }
    if (unique == NULL) {
        err = leat_unique_add(core, channel, principal, name, 1, job);
        if (err != LEAT_ERR_OK)
            return err;
        for (uint64_t hash = hash_of(channel, principal, name);
             (unique = leat_table_get(&core->uniques, hash)) != NULL && unique->job != job; hash++)
            ;
        assert(unique != NULL);
    }
    unique->ended = true;
    unique->until_wall_ms = until;
    leat_buf_reset(&unique->log);
    leat_put_bytes(&unique->log, log, size);
    leat_timer_set(core, LEAT_TIMER_UNIQUE, (int64_t)until, unique->hash, 0);
    return unique->log.failed ? LEAT_ERR_NOMEM : LEAT_ERR_OK;
}

static leat_unique *
of_job(leat_core *core, const leat_item *item)
{
    const leat_terms *const terms = leat_terms_of(core, item);
    if (!terms->unique)
        return NULL;
    const leat_settings settings = leat_terms_settings(terms);
    leat_unique *const unique =
        leat_unique_find(core, terms->class->channel, terms->principal, settings.unique);
    return unique == NULL || unique->job != item->id ? NULL : unique;
}

void
leat_unique_end(leat_core *core,
                const leat_item *item,
                leat_outcome outcome,
                const leat_peer *worker,
                uint64_t run_us,
                leat_bytes result)
{
    leat_unique *const unique = of_job(core, item);
    if (unique == NULL)
        return;
    if (unique->window_ms == 0) {
        leat_unique_free(core, unique); /* while the job lived, its own record spoke of the key */
        return;
    }
    unique->ended = true;
    unique->until_wall_ms = (uint64_t)core->now.wall_ms + unique->window_ms;
    leat_put_u16(&unique->log, worker == NULL ? 0 : 1);
    if (worker != NULL)
        leat_put_text8(&unique->log, leat_text_of(worker->name));
    leat_put_u16(&unique->log, 1);
    const leat_completion completion = {
        .job = item->id,
        .place = item->place,
        .attempt = item->attempt,
        .outcome = outcome,
        .worker = worker == NULL ? LEAT_NO_WORKER : 0,
        .ended_ms = (uint64_t)core->now.wall_ms,
        .run_us = run_us,
        .result = result,
    };
    leat_items_put_completion(&unique->log, &completion);
    if (unique->log.failed)
        leat_core_fault(core, LEAT_ERR_NOMEM);
    leat_book *const book = &core->books[durability_of(core, unique)];
    leat_buf record = {0};
    leat_unique_put(core, unique, &record);
    if (record.failed)
        leat_core_fault(core, LEAT_ERR_NOMEM);
    leat_changes_put(&book->changes, LEAT_OBJECT_UNIQUE, unique->job, record.data, record.size);
    leat_buf_fini(&record);
    leat_timer_set(core, LEAT_TIMER_UNIQUE, (int64_t)unique->until_wall_ms, unique->hash, 0);
}

void
leat_unique_on_timer(leat_core *core, uint64_t hash)
{
    leat_unique *const unique = leat_table_get(&core->uniques, hash);
    if (unique != NULL && unique->ended && core->now.wall_ms >= (int64_t)unique->until_wall_ms)
        drop(core, unique);
}
