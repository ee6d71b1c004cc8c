/* News: what has happened, for who wants to hear of it.
 *
 *     batch, dead, peer, steer, schedule ──► ring of the last LEAT_NEWS_MAX ──► query `events`
 *                                                └► who waits for the next one is answered
 *
 * Each has a number, rising by one. The ring is in memory and begins anew with the process; who
 * asks too late learns how many have gone. News leave when what they speak of is on disk. Jobs that
 * are batches of their own make news only while somebody listens: there may be millions of them. */
#include "broker/core/news.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/core/control.h"
#include "broker/core/dead.h"
#include "broker/core/failure.h"
#include "broker/core/lease.h"
#include "broker/core/steer.h"
#include "broker/core/terms.h"

#define PAGE_BYTES   30000U /* a row that begins below this is taken */
#define ROW_BYTES    300U   /* of a row beside its texts, which may double */
#define LISTENING_MS 2000   /* so long after a question somebody listens */

static const char *const words[] = {
#define NEWS_WORD(name, word) word,
    LEAT_NEWS_MAP(NEWS_WORD)
#undef NEWS_WORD
};

leat_err
leat_news_init(leat_news *news)
{
    leat_list_init(&news->waiting);
    news->next = 1;
    news->ring = calloc(LEAT_NEWS_MAX, sizeof *news->ring);
    return news->ring == NULL ? LEAT_ERR_NOMEM : LEAT_ERR_OK;
}

void
leat_news_fini(leat_news *news)
{
    free(news->ring);
}

/* ------------------------------------------------------------------------------ what happens */

static leat_news_item *
add(leat_core *core, leat_news_kind kind)
{
    leat_news *const news = &core->news;
    leat_news_item *const item = &news->ring[news->next % LEAT_NEWS_MAX];
    memset(item, 0, offsetof(leat_news_item, name));
    item->name[0] = item->about[0] = '\0';
    item->number = news->next++;
    item->wall_ms = core->now.wall_ms;
    item->kind = kind;
    return item;
}

/* It may be told when this turn is on disk. */
static void
depend(leat_core *core, leat_news_item *item, leat_durability durability)
{
    item->durability = durability;
    item->commit = core->books[durability].number + 1;
}

static void
set_text(char out[LEAT_NAME_BYTES_MAX + 1], const char *text)
{
    (void)snprintf(out, LEAT_NAME_BYTES_MAX + 1, "%s", text);
}

static bool
somebody_listens(const leat_core *core)
{
    return !leat_list_is_empty(&core->news.waiting) ||
           core->now.mono_ms < core->news.asked_ms + LISTENING_MS;
}

static void
add_counters(leat_news_item *item, const leat_counters *counters)
{
    item->jobs = counters->total;
    item->done = counters->done;
    item->failed = leat_counters_ended(counters) - counters->done;
}

void
leat_news_batch(leat_core *core, leat_news_kind kind, const leat_batch *batch)
{
    if (batch->alone && !somebody_listens(core))
        return;
    const leat_channel *const channel = leat_table_at(&core->channels, batch->channel);
    leat_news_item *const item = add(core, kind);
    depend(core, item, batch->durability);
    item->id = batch->id;
    add_counters(item, &batch->counters);
    set_text(item->name, batch->name);
    set_text(item->about, channel->name);
}

void
leat_news_alone(leat_core *core,
                leat_news_kind kind,
                const leat_item *job,
                const leat_counters *counters)
{
    if (!somebody_listens(core))
        return;
    leat_news_item *const item = add(core, kind);
    depend(core, item, leat_item_durability(core, job));
    item->id = job->id;
    add_counters(item, counters);
    set_text(item->about, leat_class_of(core, job)->channel->name);
}

void
leat_news_dead(leat_core *core, const leat_corpse *corpse, leat_bytes error)
{
    const leat_channel *const channel = leat_table_at(&core->channels, corpse->channel);
    const leat_bytes why = leat_failure_why(error);
    leat_news_item *const item = add(core, LEAT_NEWS_JOB_DEAD);
    depend(core, item, corpse->memory ? LEAT_MEMORY : LEAT_DISK);
    item->id = corpse->batch;
    item->job = corpse->job;
    item->place = corpse->place;
    item->about_bytes = (uint8_t)(why.size < LEAT_NAME_BYTES_MAX ? why.size : LEAT_NAME_BYTES_MAX);
    if (item->about_bytes > 0)
        memcpy(item->about, why.data, item->about_bytes);
    set_text(item->name, channel->name);
}

/* What is seen of a worker waits for no disk. */
void
leat_news_worker(leat_core *core, leat_news_kind kind, const leat_peer *peer)
{
    if (peer->role != LEAT_ROLE_WORKER)
        return;
    leat_news_item *const item = add(core, kind);
    item->jobs = peer->slots;
    set_text(item->name, peer->name);
    set_text(item->about, peer->host);
}

void
leat_news_channel(leat_core *core, leat_news_kind kind, const leat_channel *channel)
{
    leat_news_item *const item = add(core, kind);
    depend(core, item, LEAT_DISK);
    set_text(item->name, channel->name);
}

void
leat_news_schedule(leat_core *core, const char *name, uint64_t batch)
{
    leat_news_item *const item = add(core, LEAT_NEWS_SCHEDULE_FIRED);
    depend(core, item, LEAT_DISK);
    item->id = batch;
    set_text(item->name, name);
}

void
leat_news_started(leat_core *core)
{
    leat_news_item *const item = add(core, LEAT_NEWS_BROKER_STARTED);
    set_text(item->name, core->options.software);
}

/* ------------------------------------------------------------------------------ telling */

static uint64_t
oldest(const leat_news *news)
{
    return news->next > LEAT_NEWS_MAX ? news->next - LEAT_NEWS_MAX : 1;
}

static bool
may_be_told(const leat_core *core, const leat_news_item *item)
{
    return item->commit <= leat_store_durable_upto(core->books[item->durability].store);
}

static void
add_batch_row(cJSON *row, const leat_news_item *item)
{
    (void)leat_json_add_u64(row, "batch", item->id);
    (void)cJSON_AddStringToObject(row, "name", item->name);
    (void)cJSON_AddStringToObject(row, "channel", item->about);
    if (item->kind == LEAT_NEWS_BATCH_SUBMITTED)
        return;
    (void)leat_json_add_u64(row, "jobs", item->jobs);
    (void)leat_json_add_u64(row, "done", item->done);
    (void)leat_json_add_u64(row, "failed", item->failed);
}

static void
add_dead_row(cJSON *row, const leat_news_item *item)
{
    (void)leat_json_add_u64(row, "batch", item->id);
    (void)cJSON_AddNumberToObject(row, "place", item->place);
    (void)leat_json_add_u64(row, "job", item->job);
    (void)cJSON_AddStringToObject(row, "channel", item->name);
    (void)leat_json_add_bytes(row, "error", item->about, item->about_bytes);
}

static void
add_row(cJSON *list, const leat_news_item *item)
{
    cJSON *const row = cJSON_CreateObject();
    (void)cJSON_AddItemToArray(list, row);
    (void)leat_json_add_u64(row, "number", item->number);
    (void)cJSON_AddNumberToObject(row, "at_ms", (double)item->wall_ms);
    (void)cJSON_AddStringToObject(row, "event", words[item->kind]);
    switch (item->kind) {
    case LEAT_NEWS_BROKER_STARTED:
        (void)cJSON_AddStringToObject(row, "software", item->name);
        break;
    case LEAT_NEWS_BATCH_SUBMITTED:
    case LEAT_NEWS_BATCH_SEALED:
    case LEAT_NEWS_BATCH_FINISHED:
        add_batch_row(row, item);
        break;
    case LEAT_NEWS_JOB_DEAD:
        add_dead_row(row, item);
        break;
    case LEAT_NEWS_WORKER_UP:
    case LEAT_NEWS_WORKER_LOST:
    case LEAT_NEWS_WORKER_LEFT:
    case LEAT_NEWS_WORKER_SET_ASIDE:
    case LEAT_NEWS_WORKER_TAKEN_BACK:
        (void)cJSON_AddStringToObject(row, "worker", item->name);
        (void)cJSON_AddStringToObject(row, "host", item->about);
        (void)cJSON_AddNumberToObject(row, "slots", (double)item->jobs);
        break;
    case LEAT_NEWS_CHANNEL_SET:
    case LEAT_NEWS_CHANNEL_PAUSED:
    case LEAT_NEWS_CHANNEL_RESUMED:
    case LEAT_NEWS_CHANNEL_CLOSED:
    case LEAT_NEWS_CHANNEL_PURGED:
    case LEAT_NEWS_CHANNEL_REMOVED:
        (void)cJSON_AddStringToObject(row, "channel", item->name);
        break;
    case LEAT_NEWS_SCHEDULE_FIRED:
        (void)cJSON_AddStringToObject(row, "schedule", item->name);
        (void)leat_json_add_u64(row, "batch", item->id);
        break;
    }
}

/* "EPOCH.NUMBER": of the last one that was told. Of another life of the broker: from the first. */
static bool
read_cursor(const leat_core *core, const char *text, uint64_t *after)
{
    char *end;
    *after = 0;
    if (*text == '\0')
        return true;
    const unsigned long long epoch = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '.' || end[1] < '0' || end[1] > '9')
        return false;
    const unsigned long long number = strtoull(end + 1, &end, 10);
    if (epoch == core->epoch && number < core->news.next)
        *after = number;
    return *end == '\0';
}

static leat_err
read_question(leat_core *core,
              const cJSON *arguments,
              const char **cursor,
              uint64_t *after,
              bool *wait,
              char message[256])
{
    *cursor = "";
    *wait = false;
    if ((!leat_steer_has(arguments, "cursor") || leat_json_text(arguments, "cursor", cursor)) &&
        (!leat_steer_has(arguments, "wait") || leat_json_bool(arguments, "wait", wait)) &&
        read_cursor(core, *cursor, after))
        return LEAT_ERR_OK;
    (void)snprintf(message, 256, "\"cursor\" is that of an answer, \"wait\" true or false");
    return LEAT_ERR_MALFORMED;
}

leat_err
leat_news_query(leat_core *core, const cJSON *arguments, cJSON **result, char message[256])
{
    leat_news *const news = &core->news;
    char text[64];
    const char *cursor;
    uint64_t after;
    bool wait;
    const leat_err err = read_question(core, arguments, &cursor, &after, &wait, message);
    if (err != LEAT_ERR_OK)
        return err;
    news->asked_ms = core->now.mono_ms;
    const uint64_t first = after + 1 > oldest(news) ? after + 1 : oldest(news);
    cJSON *const json = cJSON_CreateObject();
    cJSON *const list = cJSON_AddArrayToObject(json, "events");
    size_t bytes = 0;
    uint64_t number = first;
    for (; number < news->next && bytes < PAGE_BYTES; number++) {
        const leat_news_item *const item = &news->ring[number % LEAT_NEWS_MAX];
        if (!may_be_told(core, item))
            break;
        add_row(list, item);
        bytes += ROW_BYTES + 2 * (strlen(item->name) + sizeof item->about);
    }
    if (wait && number == first) {
        cJSON_Delete(json); /* the question stays */
        return LEAT_ERR_OK;
    }
    (void)snprintf(text, sizeof text, "%" PRIu64 ".%" PRIu64, core->epoch, number - 1);
    (void)cJSON_AddStringToObject(json, "cursor", text);
    (void)leat_json_add_u64(json, "lost", *cursor == '\0' ? 0 : first - after - 1);
    *result = json;
    return LEAT_ERR_OK;
}

void
leat_news_release(leat_core *core)
{
    leat_news *const news = &core->news;
    if (leat_list_is_empty(&news->waiting))
        return;
    uint64_t number = news->told + 1 > oldest(news) ? news->told + 1 : oldest(news);
    while (number < news->next && may_be_told(core, &news->ring[number % LEAT_NEWS_MAX]))
        number++;
    if (number - 1 == news->told)
        return;
    news->told = number - 1;
    leat_control_ask_again(core, &news->waiting);
}
