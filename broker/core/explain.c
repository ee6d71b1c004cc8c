/* Why does it not run? Read from the places in which jobs wait, in the order in which they would be
 * let go; and the other things that are asked about one channel, the dead, and schedules. */
#include "broker/core/explain.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/core/archive.h"
#include "broker/core/batch.h"
#include "broker/core/channel.h"
#include "broker/core/class.h"
#include "broker/core/dead.h"
#include "broker/core/failure.h"
#include "broker/core/lease.h"
#include "broker/core/peer.h"
#include "broker/core/query.h"
#include "broker/core/schedule.h"
#include "broker/core/steer.h"
#include "broker/core/tally.h"
#include "broker/core/terms.h"
#include "broker/core/watch.h"

#define REASONS_MAX 16U

/* ------------------------------------------------------------------------------ one class */

/* What the workers that are here lack, at best: the further down, the nearer. */
static leat_lack
nearest(const leat_core *core, const leat_class *class, bool *away, bool *aside)
{
    leat_lack best = LEAT_LACK_CHANNEL;
    bool any = false;
    *away = *aside = false;
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0;
         i = leat_table_next(&core->peers, i)) {
        const leat_peer *const peer = leat_table_at(&core->peers, i);
        if (peer->role != LEAT_ROLE_WORKER || peer->ended)
            continue;
        const leat_lack lack = leat_class_lack(peer, class);
        if (!leat_peer_is_here(peer) || peer->lost || peer->draining || peer->aside) {
            *away = *away || lack == LEAT_LACK_NOTHING;
            *aside = *aside || (peer->aside && lack == LEAT_LACK_NOTHING);
            continue;
        }
        if (lack == LEAT_LACK_NOTHING)
            return lack;
        if (!any || lack > best)
            best = lack;
        any = true;
    }
    return best;
}

/* Is there a worker with a free slot whose amounts are in use? */
static bool
lacks_room(const leat_core *core, const leat_class *class)
{
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0;
         i = leat_table_next(&core->peers, i)) {
        const leat_peer *const peer = leat_table_at(&core->peers, i);
        if (leat_peer_is_here(peer) && !peer->lost && !peer->draining && !peer->aside &&
            leat_class_is_served(peer, class) && peer->held < peer->slots &&
            !leat_class_fits(peer, class))
            return true;
    }
    return false;
}

static void
explain_workers(const leat_core *core, const leat_class *class, char *out, size_t size)
{
    bool away;
    bool aside;
    const leat_lack lack = nearest(core, class, &away, &aside);
    if (lack == LEAT_LACK_NOTHING && lacks_room(core, class)) {
        (void)snprintf(out, size, "%s is not free on any worker", class->needs);
        return;
    }
    if (lack == LEAT_LACK_NOTHING) {
        (void)snprintf(out, size, "all slots are busy");
        return;
    }
    if (aside) {
        (void)snprintf(out, size, "the workers that offer handler \"%s\" are drained",
                       class->handler);
        return;
    }
    if (away) {
        (void)snprintf(out, size, "no worker that offers handler \"%s\" is connected",
                       class->handler);
        return;
    }
    switch (lack) {
    case LEAT_LACK_NOTHING:
        break;
    case LEAT_LACK_CHANNEL:
        (void)snprintf(out, size, "no worker for channel \"%s\"", class->channel->name);
        break;
    case LEAT_LACK_HANDLER:
        (void)snprintf(out, size, "no worker offers handler \"%s\"", class->handler);
        break;
    case LEAT_LACK_TRAIT:
        (void)snprintf(out, size, "no worker has the traits %s", class->traits);
        break;
    case LEAT_LACK_NEED:
        (void)snprintf(out, size, "no worker has as much as %s", class->needs);
        break;
    }
}

/* What holds a whole channel, or "". */
static void
explain_channel(const leat_core *core, const leat_channel *channel, char *out, size_t size)
{
    out[0] = '\0';
    if (channel->paused && channel->paused_until_ms > 0)
        (void)snprintf(out, size, "channel \"%s\" is paused for %lld s more", channel->name,
                       ((long long)channel->paused_until_ms - (long long)core->now.wall_ms) / 1000);
    else if (channel->paused)
        (void)snprintf(out, size, "channel \"%s\" is paused", channel->name);
    else if (channel->running >= channel->rules.running_max)
        (void)snprintf(out, size, "channel \"%s\" runs at most %llu jobs at once", channel->name,
                       (unsigned long long)channel->rules.running_max);
    else if (channel->rules.rate_per_ks > 0 && channel->tokens < 1)
        (void)snprintf(out, size, "channel \"%s\" hands out %g items a second", channel->name,
                       channel->rules.rate_per_ks / 1000.0);
}

void
leat_explain_class(const leat_core *core, const leat_class *class, char *out, size_t size)
{
    explain_channel(core, class->channel, out, size);
    if (out[0] == '\0')
        explain_workers(core, class, out, size);
}

/* ------------------------------------------------------------------------------ one item */

static void
explain_item(leat_core *core, const leat_item *item, char *out, size_t size)
{
    const leat_terms *const terms = leat_terms_of(core, item);
    const leat_batch *target;
    double wait_s;
    switch ((leat_state)item->state) {
    case LEAT_STATE_HELD:
        target = item->holder == 0 ? NULL : leat_table_at(&core->batches, item->holder);
        (void)snprintf(out, size, "waits for batch %llu",
                       target == NULL ? 0ULL : (unsigned long long)target->id);
        break;
    case LEAT_STATE_DELAYED:
        wait_s = (double)(leat_delay_of(core, item) - core->now.wall_ms) / 1000.0;
        (void)snprintf(out, size, "%s for %.1f s more",
                       item->failed > 0 ? "waits to be tried again" : "is not due",
                       wait_s < 0 ? 0 : wait_s);
        break;
    case LEAT_STATE_READY:
        if ((item->flags & LEAT_ITEM_CAPPED) != 0)
            (void)snprintf(out, size, "of key \"%s\" %llu jobs run, and no more may",
                           terms->key->name, (unsigned long long)terms->key->running);
        else if ((item->flags & LEAT_ITEM_SUSPECT) != 0)
            (void)snprintf(out, size,
                           "its worker was lost while it may have run: it waits to run alone");
        else
            leat_explain_class(core, terms->class, out, size);
        break;
    case LEAT_STATE_LEASED:
        (void)snprintf(out, size, "runs, or is next, on worker \"%s\"",
                       ((const leat_peer *)leat_table_at(&core->peers, item->holder))->name);
        break;
    case LEAT_STATE_STOPPING:
    case LEAT_STATE_OVERDUE:
        (void)snprintf(out, size, "was told to stop on worker \"%s\"",
                       ((const leat_peer *)leat_table_at(&core->peers, item->holder))->name);
        break;
    case LEAT_STATE_DONE:
    case LEAT_STATE_DEAD:
    case LEAT_STATE_CANCELLED:
    case LEAT_STATE_EXPIRED:
    case LEAT_STATE_SKIPPED:
        break;
    }
}

/* ------------------------------------------------------------------------------ one dead job */

#define DEAD_BYTES_MAX 32768U /* a row that begins below this is taken */
#define DEAD_ERROR_MAX 400U   /* of an error, in a list */
#define DEAD_ROW_BYTES (1000U + 6U * DEAD_ERROR_MAX / 4U)
#define DEAD_LOOKS_MAX 1000U /* dead jobs that one part of a list looks at */

static void
add_dead(cJSON *row, const leat_corpse *corpse, const leat_obituary *about, size_t error_max)
{
    /* What is text of it ends at the first NUL; a command's output may stand behind. */
    const size_t most = about->error.size < error_max ? about->error.size : error_max;
    const size_t size = strnlen((const char *)about->error.data, most);
    char *const channel = strndup(about->channel.data, about->channel.size);
    char *const handler = strndup(about->handler.data, about->handler.size);
    (void)leat_json_add_u64(row, "job", corpse->job);
    (void)leat_json_add_u64(row, "batch", corpse->batch);
    (void)cJSON_AddNumberToObject(row, "place", corpse->place);
    (void)cJSON_AddStringToObject(row, "channel", channel == NULL ? "" : channel);
    (void)cJSON_AddStringToObject(row, "handler", handler == NULL ? "" : handler);
    (void)cJSON_AddNumberToObject(row, "attempts", about->attempts);
    (void)cJSON_AddNumberToObject(row, "failed", about->failed);
    (void)cJSON_AddNumberToObject(row, "lost", about->lost);
    (void)cJSON_AddNumberToObject(row, "snoozed", about->snoozed);
    (void)cJSON_AddNumberToObject(row, "ended_ms", (double)about->ended_ms);
    (void)leat_json_add_bytes(row, "error", about->error.data, size);
    free(channel);
    free(handler);
}

/* How it came to this. */
static void
add_failure(cJSON *json, const leat_obituary *about)
{
    leat_failure_add_last(json, about->error);
    leat_failure_add_attempts(json, about->attempt_list);
}

/* ------------------------------------------------------------------------------ a batch */

struct reasons {
    unsigned count;
    bool failing; /* attempts of its jobs have failed */
    struct {
        uint64_t jobs;
        char text[256];
    } rows[REASONS_MAX];
};

static void
add_reason(struct reasons *reasons, const char *text)
{
    for (unsigned i = 0; i < reasons->count; i++) {
        if (strcmp(reasons->rows[i].text, text) == 0) {
            reasons->rows[i].jobs++;
            return;
        }
    }
    if (reasons->count == REASONS_MAX)
        return;
    reasons->rows[reasons->count].jobs = 1;
    (void)snprintf(reasons->rows[reasons->count++].text, sizeof reasons->rows[0].text, "%s", text);
}

/* What a person can do about it. */
static const char *
hint_of(const char *reason)
{
    if (strstr(reason, "is paused") != NULL)
        return "leat channel resume";
    if (strncmp(reason, "no worker for channel", 21) == 0)
        return "leat-worker --channel";
    if (strncmp(reason, "no worker", 9) == 0 || strncmp(reason, "the workers", 11) == 0)
        return "leat worker ls";
    if (strncmp(reason, "waits for batch", 15) == 0)
        return "leat status";
    return "";
}

#define LOOKED_AT_MAX 10000U

static void
collect(leat_core *core, const leat_batch *batch, uint64_t place, struct reasons *reasons)
{
    uint32_t looked = 0;
    const uint64_t first = place == 0 ? 1 : place;
    const uint64_t last = place == 0 ? batch->counters.total : place;
    for (uint64_t p = first; p <= last && looked < LOOKED_AT_MAX; p++, looked++) {
        char text[256] = "";
        const uint64_t id = leat_batch_job(batch, (uint32_t)p);
        const uint32_t index = id == 0 ? LEAT_NOBODY : leat_items_find(&core->items, id);
        if (index == LEAT_NOBODY)
            continue;
        const leat_item *const item = leat_items_at(&core->items, index);
        reasons->failing = reasons->failing || leat_failure_list(core, item).size > 0;
        explain_item(core, item, text, sizeof text);
        if (text[0] != '\0')
            add_reason(reasons, text);
    }
}

/* How attempts of this job have failed, if any has. */
static void
explain_failure(leat_core *core, const leat_batch *batch, uint32_t place, cJSON *json)
{
    const uint64_t id = leat_batch_job(batch, place);
    const uint32_t index = id == 0 ? LEAT_NOBODY : leat_items_find(&core->items, id);
    const leat_item *const item = index == LEAT_NOBODY ? NULL : leat_items_at(&core->items, index);
    const leat_corpse *const corpse = item != NULL ? NULL : leat_dead_at(core, batch->id, place);
    leat_obituary about;
    if (item != NULL && leat_failure_list(core, item).size > 0) {
        cJSON *const failure = cJSON_AddObjectToObject(json, "failure");
        (void)cJSON_AddNumberToObject(failure, "attempts", item->attempt);
        (void)cJSON_AddNumberToObject(failure, "failed", item->failed);
        (void)cJSON_AddNumberToObject(failure, "lost", item->lost);
        leat_failure_add_attempts(failure, leat_failure_list(core, item));
    } else if (corpse != NULL && leat_dead_read(core, corpse, &about)) {
        cJSON *const failure = cJSON_AddObjectToObject(json, "failure");
        add_dead(failure, corpse, &about, DEAD_ERROR_MAX);
        add_failure(failure, &about);
    }
}

static leat_err
explain_batch(leat_core *core, const cJSON *arguments, cJSON **result, char message[256])
{
    uint64_t id;
    int64_t place = 0;
    if (!leat_json_u64(arguments, "batch", &id)) {
        (void)snprintf(message, 256, "\"batch\" is the number of a batch as text, as in \"42\"");
        return LEAT_ERR_MALFORMED;
    }
    if (leat_steer_has(arguments, "place") &&
        !leat_json_int(arguments, "place", 1, UINT32_MAX, &place)) {
        (void)snprintf(message, 256, "\"place\" is a number from 1");
        return LEAT_ERR_MALFORMED;
    }
    leat_batch *const batch = leat_batch_find(core, id);
    if (batch == NULL || (uint64_t)place > batch->counters.total) {
        if (batch == NULL)
            leat_archive_explain(core, id, message, 256);
        else
            (void)snprintf(message, 256, "no such job in batch %llu", (unsigned long long)id);
        return LEAT_ERR_NOT_FOUND;
    }
    struct reasons *const reasons = calloc(1, sizeof *reasons);
    if (reasons == NULL)
        return LEAT_ERR_NOMEM;
    collect(core, batch, (uint64_t)place, reasons);
    cJSON *const json = leat_query_batch(core, batch);
    cJSON *const list = cJSON_AddArrayToObject(json, "reasons");
    for (unsigned i = 0; i < reasons->count; i++) {
        cJSON *const row = cJSON_CreateObject();
        (void)cJSON_AddItemToArray(list, row);
        (void)leat_json_add_u64(row, "jobs", reasons->rows[i].jobs);
        (void)cJSON_AddStringToObject(row, "reason", reasons->rows[i].text);
        (void)cJSON_AddStringToObject(row, "hint", hint_of(reasons->rows[i].text));
    }
    if (reasons->failing || batch->counters.dead > 0)
        leat_tally_add_outliers(core, leat_table_at(&core->channels, batch->channel), json);
    free(reasons);
    if (place != 0 || batch->counters.total == 1)
        explain_failure(core, batch, place == 0 ? 1 : (uint32_t)place, json);
    leat_watch_add_progress(core, batch, (uint64_t)place, cJSON_AddArrayToObject(json, "progress"));
    *result = json;
    return LEAT_ERR_OK;
}

/* ------------------------------------------------------------------------------ a channel */

leat_err
leat_explain_named(leat_core *core,
                   const cJSON *arguments,
                   leat_channel **channel,
                   char message[256])
{
    const char *name;
    if (!leat_json_text(arguments, "channel", &name) || !leat_name_is_valid(leat_text_of(name))) {
        (void)snprintf(message, 256, "\"channel\" must name a channel (1 to 128 bytes of text)");
        return LEAT_ERR_MALFORMED;
    }
    *channel = leat_channel_find(core, leat_text_of(name));
    if (*channel != NULL)
        return LEAT_ERR_OK;
    (void)snprintf(message, 256, "no channel \"%.128s\"", name);
    return LEAT_ERR_NOT_FOUND;
}

static void
add_bound(cJSON *json, const char *key, uint64_t value)
{
    if (value == LEAT_UNLIMITED)
        (void)cJSON_AddNullToObject(json, key);
    else
        (void)cJSON_AddNumberToObject(json, key, (double)value);
}

static void
add_default(cJSON *json, const char *key, uint64_t value)
{
    if (value != 0)
        (void)cJSON_AddNumberToObject(json, key, (double)value);
}

/* What holds the next job, or "". */
static void
holds(const leat_core *core, const leat_channel *channel, char *out, size_t size)
{
    explain_channel(core, channel, out, size);
    for (uint32_t i = 0; i < channel->class_count && out[0] == '\0'; i++) {
        const leat_class *const class = leat_table_at(&core->classes, channel->classes[i]);
        if (class->ready > 0 && class->handler[0] != '\0')
            explain_workers(core, class, out, size);
    }
}

static leat_err
explain_one_channel(leat_core *core, const cJSON *arguments, cJSON **result, char message[256])
{
    static const char *const kinds[] = {"none", "jobs", "messages"};
    leat_channel *channel = NULL;
    char reason[256] = "";
    uint64_t line = 0;
    const leat_err err = leat_explain_named(core, arguments, &channel, message);
    if (err != LEAT_ERR_OK)
        return err;
    LEAT_LIST_FOREACH (node, &channel->senders)
        line++;
    const leat_settings defaults = leat_channel_defaults(channel);
    holds(core, channel, reason, sizeof reason);
    cJSON *const json = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(json, "name", channel->name);
    (void)cJSON_AddStringToObject(json, "kind", kinds[channel->kind]);
    (void)cJSON_AddStringToObject(json, "durability",
                                  channel->durability == LEAT_DISK ? "disk" : "memory");
    (void)cJSON_AddBoolToObject(json, "closed", channel->closed);
    (void)cJSON_AddBoolToObject(json, "paused", channel->paused);
    (void)cJSON_AddNumberToObject(json, "paused_until_ms", (double)channel->paused_until_ms);
    add_bound(json, "capacity", channel->rules.capacity);
    add_bound(json, "running_max", channel->rules.running_max);
    add_bound(json, "key_max", channel->rules.key_max);
    (void)cJSON_AddNumberToObject(json, "weight", channel->rules.weight);
    (void)cJSON_AddStringToObject(json, "keep", leat_steer_keep_word(channel->rules.keep));
    if (channel->rules.rate_per_ks > 0) {
        (void)cJSON_AddNumberToObject(json, "rate", channel->rules.rate_per_ks / 1000.0);
        (void)cJSON_AddNumberToObject(json, "burst", channel->rules.burst);
    }
    if (defaults.priority != LEAT_PRIORITY_NOTHING)
        (void)cJSON_AddNumberToObject(json, "priority", defaults.priority);
    add_default(json, "failures", defaults.failures);
    add_default(json, "losses", defaults.losses);
    add_default(json, "snoozes", defaults.snoozes);
    add_default(json, "backoff_min_ms", defaults.backoff_min_ms);
    add_default(json, "backoff_max_ms", defaults.backoff_max_ms);
    add_default(json, "run_limit_ms", defaults.run_limit_ms);
    add_default(json, "grace_ms", defaults.grace_ms);
    add_default(json, "expires_ms", defaults.expires_ms);
    (void)leat_json_add_u64(json, "ready", channel->ready);
    (void)leat_json_add_u64(json, "running", channel->running);
    (void)leat_json_add_u64(json, "delayed", channel->delayed);
    (void)leat_json_add_u64(json, "held", channel->held);
    (void)leat_json_add_u64(json, "senders", line);
    (void)leat_json_add_u64(json, "done", channel->done);
    (void)leat_json_add_u64(json, "dead", channel->dead);
    (void)leat_json_add_u64(json, "released", channel->released);
    (void)leat_json_add_u64(json, "replies_dropped", channel->replies_dropped);
    (void)cJSON_AddStringToObject(json, "holds", reason);
    *result = json;
    return LEAT_ERR_OK;
}

/* ------------------------------------------------------------------------------ the dead */

/* Where a list of the dead goes on: behind the one that a cursor "ENDED_MS.JOB" names, or where it
 * would stand. NULL: there are no more. */
static leat_list_node *
dead_after(const leat_core *core, int64_t ended_ms, uint64_t job)
{
    const leat_corpse *const last = leat_table_get(&core->dead, job);
    if (last != NULL)
        return leat_list_before(&core->corpses, &last->node);
    leat_list_node *node = leat_list_last(&core->corpses);
    while (node != NULL && LEAT_CONTAINER_OF(node, leat_corpse, node)->ended_ms > ended_ms)
        node = leat_list_before(&core->corpses, node);
    return node;
}

static bool
read_dead_cursor(const leat_core *core, const char *text, leat_list_node **node)
{
    char *end;
    if (*text == '\0') {
        *node = leat_list_last(&core->corpses);
        return true;
    }
    const long long ended_ms = strtoll(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '.' || end[1] < '0' || end[1] > '9')
        return false;
    const unsigned long long job = strtoull(end + 1, &end, 10);
    *node = dead_after(core, ended_ms, job);
    return *end == '\0';
}

static bool
add_dead_row(leat_core *core, const leat_corpse *corpse, cJSON *list)
{
    leat_obituary about;
    if (!leat_dead_read(core, corpse, &about))
        return false;
    cJSON *const row = cJSON_CreateObject();
    (void)cJSON_AddItemToArray(list, row);
    add_dead(row, corpse, &about, DEAD_ERROR_MAX);
    leat_failure_add_end(row, about.attempt_list);
    return true;
}

/* So many at a time, of which each may have to be read; "cursor" of the answer says where the next
 * part begins. */
static void
list_dead_part(
    leat_core *core, const leat_dead_filter *filter, leat_list_node *node, cJSON *json, cJSON *list)
{
    char cursor[64] = "";
    size_t bytes = 0;
    for (unsigned looks = 0; node != NULL; node = leat_list_before(&core->corpses, node)) {
        const leat_corpse *const corpse = LEAT_CONTAINER_OF(node, leat_corpse, node);
        if (leat_dead_matches(core, corpse, filter) && add_dead_row(core, corpse, list))
            bytes += DEAD_ROW_BYTES;
        if ((bytes >= DEAD_BYTES_MAX || ++looks == DEAD_LOOKS_MAX) &&
            node != leat_list_first(&core->corpses)) {
            (void)snprintf(cursor, sizeof cursor, "%lld.%llu", (long long)corpse->ended_ms,
                           (unsigned long long)corpse->job);
            break;
        }
    }
    (void)cJSON_AddStringToObject(json, "cursor", cursor);
}

static void
list_dead_from(
    leat_core *core, const leat_dead_filter *filter, int64_t offset, cJSON *json, cJSON *list)
{
    size_t bytes = 0;
    int64_t number = 0;
    uint64_t left_off = 0;
    for (leat_list_node *node = leat_list_last(&core->corpses); node != NULL;
         node = leat_list_before(&core->corpses, node)) { /* the newest first */
        const leat_corpse *const corpse = LEAT_CONTAINER_OF(node, leat_corpse, node);
        if (!leat_dead_matches(core, corpse, filter) || number++ < offset)
            continue;
        if (bytes >= DEAD_BYTES_MAX)
            left_off++;
        else if (add_dead_row(core, corpse, list))
            bytes += DEAD_ROW_BYTES;
    }
    (void)leat_json_add_u64(json, "left_off", left_off);
}

static leat_err
list_dead(leat_core *core, const cJSON *arguments, cJSON **result, char message[256])
{
    leat_dead_filter filter;
    leat_list_node *node = NULL;
    const char *cursor = NULL;
    int64_t offset = 0;
    const leat_err err = leat_dead_read_filter(core, arguments, &filter, message);
    if (err != LEAT_ERR_OK)
        return err;
    if ((leat_steer_has(arguments, "offset") &&
         !leat_json_int(arguments, "offset", 0, INT32_MAX, &offset)) ||
        (leat_steer_has(arguments, "cursor") && (!leat_json_text(arguments, "cursor", &cursor) ||
                                                 !read_dead_cursor(core, cursor, &node)))) {
        (void)snprintf(message, 256, "\"offset\" is a number from 0, \"cursor\" that of an answer");
        return LEAT_ERR_MALFORMED;
    }
    cJSON *const json = cJSON_CreateObject();
    cJSON *const list = cJSON_AddArrayToObject(json, "dead");
    if (cursor != NULL)
        list_dead_part(core, &filter, node, json, list);
    else
        list_dead_from(core, &filter, offset, json, list);
    (void)leat_json_add_u64(json, "dropped", core->dead_dropped);
    *result = json;
    return LEAT_ERR_OK;
}

static leat_err
show_dead(leat_core *core, const cJSON *arguments, cJSON **result, char message[256])
{
    uint64_t job;
    leat_obituary about;
    if (!leat_json_u64(arguments, "job", &job)) {
        (void)snprintf(message, 256, "\"job\" is the number of a job as text");
        return LEAT_ERR_MALFORMED;
    }
    const leat_corpse *const corpse = leat_table_get(&core->dead, job);
    if (corpse == NULL || !leat_dead_read(core, corpse, &about)) {
        (void)snprintf(message, 256, "no dead job %llu", (unsigned long long)job);
        return LEAT_ERR_NOT_FOUND;
    }
    cJSON *const json = cJSON_CreateObject();
    add_dead(json, corpse, &about, 8192);
    add_failure(json, &about);
    /* A reply is bounded; so much of a large payload is shown, and how much there is. */
    const size_t shown = about.payload.size < 16384 ? about.payload.size : 16384;
    (void)leat_json_add_bytes(json, "payload", about.payload.data, shown);
    (void)leat_json_add_u64(json, "payload_bytes", about.payload.size);
    *result = json;
    return LEAT_ERR_OK;
}

static leat_err
list_schedules(leat_core *core, const cJSON *arguments, cJSON **result, char message[256])
{
    int64_t offset = 0;
    if (leat_steer_has(arguments, "offset") &&
        !leat_json_int(arguments, "offset", 0, INT32_MAX, &offset)) {
        (void)snprintf(message, 256, "\"offset\" is a number from 0 to 2147483647");
        return LEAT_ERR_MALFORMED;
    }
    *result = leat_schedule_query(core, (uint32_t)offset);
    return LEAT_ERR_OK;
}

bool
leat_explain_query(leat_core *core,
                   const cJSON *arguments,
                   const char *name,
                   cJSON **result,
                   char message[256],
                   leat_err *err)
{
    static const struct {
        const char *name;
        leat_err (*ask)(leat_core *, const cJSON *, cJSON **, char[256]);
    } rows[] = {
        {"channel",   explain_one_channel},
        {"explain",   explain_batch      },
        {"dead",      list_dead          },
        {"dead.show", show_dead          },
        {"schedules", list_schedules     },
        {"worker",    leat_query_worker  },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].name, name) != 0)
            continue;
        *err = rows[i].ask(core, arguments, result, message);
        return true;
    }
    return false;
}
