/* Answers to queries: the machine as JSON, for people and monitoring. Bounded: what does not fit is
 * counted as left off. */
#include "broker/core/query.h"

#include <stdio.h>

#include "broker/core/class.h"
#include "broker/core/explain.h"
#include "broker/core/peer.h"
#include "broker/core/tally.h"

/* So many rows of each list stay below LEAT_JSON_BYTES_MAX, whatever the names. */
#define ROWS_MAX            50U
#define WORKER_LISTS_MAX    32U    /* handlers and channels that are shown of one worker */
#define WORKER_ROW_BYTES    800U   /* the rest of its row */
#define WORKER_LATELY_BYTES 12000U /* what it ended lately: LEAT_TALLIES rows with four names */
#define WORKERS_BYTES       32768U /* a row that begins below this is taken */
#define BATCHES_NEWEST      32U    /* that are named */
#define BATCHES_SEEN        4096U  /* in memory that are looked at */

cJSON *
leat_query_ping(leat_core *core)
{
    cJSON *const json = cJSON_CreateObject();
    char id[33];
    leat_session_id broker;
    memcpy(broker.bytes, core->broker_id, sizeof broker.bytes);
    leat_session_id_format(&broker, id);
    (void)cJSON_AddStringToObject(json, "broker", id);
    (void)leat_json_add_u64(json, "epoch", core->epoch);
    (void)cJSON_AddStringToObject(json, "software", core->options.software);
    (void)cJSON_AddNumberToObject(json, "pid", (double)core->options.pid);
    (void)cJSON_AddNumberToObject(json, "uptime_s",
                                  (double)(core->now.mono_ms - core->start_ms) / 1000.0);
    (void)cJSON_AddStringToObject(json, "store", core->options.store_name);
    return json;
}

static void
add_workers(const leat_core *core, cJSON *json)
{
    unsigned up = 0;
    unsigned draining = 0;
    unsigned lost = 0;
    double slots = 0;
    double busy = 0;
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0;
         i = leat_table_next(&core->peers, i)) {
        const leat_peer *const peer = leat_table_at(&core->peers, i);
        if (peer->role != LEAT_ROLE_WORKER || peer->ended)
            continue;
        if (!leat_peer_is_here(peer) || peer->lost) {
            lost++;
            continue;
        }
        if (peer->draining || peer->aside)
            draining++;
        else
            up++;
        slots += peer->slots;
        busy += peer->held < peer->slots ? peer->held : peer->slots;
    }
    cJSON *const workers = cJSON_AddObjectToObject(json, "workers");
    (void)cJSON_AddNumberToObject(workers, "up", up);
    (void)cJSON_AddNumberToObject(workers, "draining", draining);
    (void)cJSON_AddNumberToObject(workers, "lost", lost);
    (void)cJSON_AddNumberToObject(workers, "slots", slots);
    (void)cJSON_AddNumberToObject(workers, "busy", busy);
}

static double
oldest_s(const leat_core *core, const leat_channel *channel)
{
    uint32_t born = UINT32_MAX;
    for (uint32_t i = 0; i < channel->class_count; i++) {
        const leat_class *const class = leat_table_at(&core->classes, channel->classes[i]);
        const uint32_t since = leat_class_oldest(core, class);
        if (since < born)
            born = since;
    }
    const double now_s = (double)core->now.wall_ms / 1000.0;
    return born == UINT32_MAX || now_s < born ? 0 : now_s - born;
}

static void
add_channel(leat_core *core, cJSON *list, leat_channel *channel)
{
    static const char *const kinds[] = {"none", "jobs", "messages"};
    cJSON *const row = cJSON_CreateObject();
    (void)cJSON_AddItemToArray(list, row);
    (void)cJSON_AddStringToObject(row, "name", channel->name);
    (void)cJSON_AddStringToObject(row, "kind", kinds[channel->kind]);
    (void)cJSON_AddStringToObject(row, "durability",
                                  channel->durability == LEAT_DISK ? "disk" : "memory");
    (void)cJSON_AddBoolToObject(row, "closed", channel->closed);
    (void)leat_json_add_u64(row, "ready", channel->ready);
    (void)leat_json_add_u64(row, "running", channel->running);
    (void)leat_json_add_u64(row, "delayed", channel->delayed);
    (void)leat_json_add_u64(row, "held", channel->held);
    (void)cJSON_AddBoolToObject(row, "paused", channel->paused);
    (void)leat_json_add_u64(row, "dead", channel->dead);
    (void)leat_json_add_u64(row, "done", channel->done);
    (void)cJSON_AddNumberToObject(row, "oldest_s", oldest_s(core, channel));
    (void)cJSON_AddNumberToObject(row, "done_per_s", channel->done_per_s);
}

static void
add_waiting(const leat_core *core, cJSON *list)
{
    unsigned rows = 0;
    for (uint32_t i = leat_table_next(&core->classes, 0); i != 0 && rows < ROWS_MAX;
         i = leat_table_next(&core->classes, i)) {
        const leat_class *const class = leat_table_at(&core->classes, i);
        char reason[256];
        if (class->ready == 0 || class->handler[0] == '\0')
            continue;
        leat_explain_class(core, class, reason, sizeof reason);
        cJSON *const row = cJSON_CreateObject();
        (void)cJSON_AddItemToArray(list, row);
        (void)cJSON_AddStringToObject(row, "channel", class->channel->name);
        (void)cJSON_AddStringToObject(row, "handler", class->handler);
        (void)leat_json_add_u64(row, "ready", class->ready);
        (void)cJSON_AddStringToObject(row, "reason", reason);
        rows++;
    }
}

cJSON *
leat_query_status(leat_core *core)
{
    leat_store_facts facts;
    leat_store_get_facts(core->books[LEAT_DISK].store, &facts);
    cJSON *const json = cJSON_CreateObject();
    cJSON *const broker = leat_query_ping(core);
    (void)cJSON_AddItemToObject(json, "broker", broker);
    (void)leat_json_add_u64(broker, "file_bytes", facts.file_bytes);
    (void)leat_json_add_u64(broker, "used_bytes", facts.used_bytes);
    (void)leat_json_add_u64(broker, "room_bytes", facts.room_bytes);
    (void)leat_json_add_u64(broker, "promised_bytes", core->room.ends);
    (void)cJSON_AddBoolToObject(broker, "full", facts.full);
    (void)leat_json_add_u64(broker, "refused_for_space", core->room.refused);
    (void)leat_json_add_u64(broker, "history_jobs", facts.history_jobs);
    (void)leat_json_add_u64(broker, "history_batches", core->archive.count);
    (void)leat_json_add_u64(broker, "dead_jobs", core->dead.count);
    (void)leat_json_add_u64(broker, "dropped_jobs", facts.history_dropped);
    (void)leat_json_add_u64(broker, "dropped_batches", core->archive.dropped);
    (void)leat_json_add_u64(broker, "dropped_dead", core->dead_dropped);
    add_workers(core, json);
    cJSON *const channels = cJSON_AddArrayToObject(json, "channels");
    unsigned rows = 0;
    unsigned left_off = 0;
    for (uint32_t i = leat_table_next(&core->channels, 0); i != 0;
         i = leat_table_next(&core->channels, i)) {
        const leat_channel *const channel = leat_table_at(&core->channels, i);
        if (channel->kind == LEAT_KIND_NONE && !channel->closed)
            continue; /* but a name */
        if (rows++ < ROWS_MAX)
            add_channel(core, channels, leat_table_at(&core->channels, i));
        else
            left_off++;
    }
    (void)cJSON_AddNumberToObject(json, "channels_left_off", left_off);
    add_waiting(core, cJSON_AddArrayToObject(json, "waiting"));
    return json;
}

leat_batch_record
leat_query_record(const leat_core *core, const leat_batch *batch)
{
    const leat_channel *const channel = leat_table_at(&core->channels, batch->channel);
    return (leat_batch_record){
        .id = batch->id,
        .name = leat_text_of(batch->name),
        .labels = leat_text_of(batch->labels),
        .channel = leat_text_of(channel->name),
        .principal = batch->principal,
        .sealed = batch->sealed,
        .abandoned = batch->abandoned,
        .finished = batch->finished,
        .halted = batch->halted,
        .retry_of = batch->retry_of,
        .counters = batch->counters,
        .ended_ms = batch->ended_ms,
        .running = batch->running,
        .delayed = batch->delayed,
        .held = batch->held,
    };
}

static void
add_text(cJSON *row, const char *key, leat_text text)
{
    char copy[LEAT_NAME_BYTES_MAX + 1];
    assert(text.size <= LEAT_NAME_BYTES_MAX);
    memcpy(copy, text.size == 0 ? "" : text.data, text.size);
    copy[text.size] = '\0';
    (void)cJSON_AddStringToObject(row, key, copy);
}

static void
add_labels(cJSON *row, leat_text labels)
{
    char name[LEAT_NAME_BYTES_MAX + 1];
    leat_text key;
    leat_text value;
    cJSON *const object = cJSON_AddObjectToObject(row, "labels");
    while (leat_traits_next(&labels, &key, &value)) {
        (void)snprintf(name, sizeof name, "%.*s", (int)key.size, key.data);
        add_text(object, name, value);
    }
}

void
leat_query_add_batch(cJSON *row, const leat_batch_record *record)
{
    const leat_counters *const c = &record->counters;
    const uint64_t alive = c->total - leat_counters_ended(c);
    const uint64_t waiting = record->running + record->delayed + record->held;
    (void)leat_json_add_u64(row, "id", record->id);
    add_text(row, "name", record->name);
    add_text(row, "channel", record->channel);
    (void)leat_json_add_u64(row, "total", c->total);
    (void)leat_json_add_u64(row, "ready", alive > waiting ? alive - waiting : 0);
    (void)leat_json_add_u64(row, "running", record->running);
    (void)leat_json_add_u64(row, "delayed", record->delayed);
    (void)leat_json_add_u64(row, "held", record->held);
    (void)leat_json_add_u64(row, "done", c->done);
    (void)leat_json_add_u64(row, "dead", c->dead);
    (void)leat_json_add_u64(row, "cancelled", c->cancelled);
    (void)leat_json_add_u64(row, "expired", c->expired);
    (void)leat_json_add_u64(row, "skipped", c->skipped);
    (void)cJSON_AddBoolToObject(row, "sealed", record->sealed);
    (void)cJSON_AddBoolToObject(row, "finished", record->finished);
    (void)cJSON_AddBoolToObject(row, "abandoned", record->abandoned);
    (void)cJSON_AddBoolToObject(row, "halted", record->halted);
    if (record->retry_of != 0)
        (void)leat_json_add_u64(row, "retry_of", record->retry_of);
    add_labels(row, record->labels);
}

cJSON *
leat_query_batch(leat_core *core, const leat_batch *batch)
{
    const leat_batch_record record = leat_query_record(core, batch);
    const uint64_t alive = record.counters.total - leat_counters_ended(&record.counters);
    char reason[256] = "";
    if (alive > record.running + record.delayed + record.held && record.running == 0 &&
        batch->class != 0)
        leat_explain_class(core, leat_table_at(&core->classes, batch->class), reason,
                           sizeof reason);
    cJSON *const json = cJSON_CreateObject();
    cJSON *const row = cJSON_AddObjectToObject(json, "batch");
    leat_query_add_batch(row, &record);
    (void)cJSON_AddStringToObject(row, "reason", reason);
    return json;
}

/* A name may double when its quotes are escaped. */
static size_t
add_name(cJSON *list, const char *name)
{
    (void)cJSON_AddItemToArray(list, cJSON_CreateString(name));
    return 2 * strlen(name) + 3;
}

/* A row; about how many bytes it may have at most. */
static size_t
add_worker(const leat_core *core, cJSON *list, const leat_peer *peer)
{
    const char *state = peer->lost                 ? "lost"
                        : !leat_peer_is_here(peer) ? "away"
                        : peer->draining           ? "draining"
                        : peer->aside              ? peer->held > 0 ? "draining" : "drained"
                                                   : "up";
    cJSON *const row = cJSON_CreateObject();
    (void)cJSON_AddItemToArray(list, row);
    (void)cJSON_AddStringToObject(row, "name", peer->name);
    (void)cJSON_AddStringToObject(row, "host", peer->host);
    (void)cJSON_AddNumberToObject(row, "pid", (double)peer->pid);
    (void)cJSON_AddNumberToObject(row, "slots", peer->slots);
    const uint32_t running = peer->held < peer->slots ? peer->held : peer->slots;
    (void)cJSON_AddNumberToObject(row, "running", running);
    (void)cJSON_AddNumberToObject(row, "queued", peer->held - running);
    (void)cJSON_AddStringToObject(row, "state", state);
    (void)leat_json_add_u64(row, "done", peer->jobs_done);
    (void)cJSON_AddNumberToObject(row, "seen_s",
                                  (double)(core->now.mono_ms - peer->heard_ms) / 1000.0);
    size_t bytes = WORKER_ROW_BYTES;
    cJSON *const handlers = cJSON_AddArrayToObject(row, "handlers");
    for (uint32_t i = 0; i < peer->handler_count && i < WORKER_LISTS_MAX; i++)
        bytes += add_name(handlers, peer->handlers[i].name);
    cJSON *const channels = cJSON_AddArrayToObject(row, "channels");
    for (uint32_t i = 0; i < peer->channel_count && i < WORKER_LISTS_MAX; i++)
        bytes += add_name(channels, peer->channels[i]);
    if (peer->channel_count == 0)
        bytes += add_name(channels, "default");
    return bytes;
}

/* ---- the newest batches ---- */

/* Ids, the highest first. */
typedef struct newest {
    uint64_t ids[BATCHES_NEWEST];
    uint32_t count;
} newest;

static void
keep_if_new(newest *self, uint64_t id)
{
    uint32_t at = self->count;
    while (at > 0 && self->ids[at - 1] < id)
        at--;
    if (at == BATCHES_NEWEST || (at > 0 && self->ids[at - 1] == id))
        return;
    if (self->count < BATCHES_NEWEST)
        self->count++;
    memmove(&self->ids[at + 1], &self->ids[at], (self->count - at - 1) * sizeof *self->ids);
    self->ids[at] = id;
}

/* Of those in memory a bounded number is looked at: somebody has pressed a key, and the broker has
 * work to do. */
cJSON *
leat_query_batches(const leat_core *core)
{
    newest found = {0};
    const leat_archive *const archive = &core->archive;
    const uint32_t used = core->batches.used;
    for (uint32_t i =
             leat_table_next(&core->batches, used > BATCHES_SEEN ? used - BATCHES_SEEN : 0);
         i != 0; i = leat_table_next(&core->batches, i)) {
        const leat_batch *const batch = leat_table_at(&core->batches, i);
        keep_if_new(&found, batch->id);
    }
    for (uint32_t i = 0; i < archive->count && i < BATCHES_NEWEST; i++)
        keep_if_new(&found, archive->rows[archive->first + archive->count - 1 - i].id);

    cJSON *const json = cJSON_CreateObject();
    cJSON *const list = cJSON_AddArrayToObject(json, "batches");
    for (uint32_t i = 0; i < found.count; i++) {
        const leat_batch *const batch = leat_table_get(&core->batches, found.ids[i]);
        cJSON *const row = cJSON_CreateObject();
        char id[24];
        (void)snprintf(id, sizeof id, "%llu", (unsigned long long)found.ids[i]);
        (void)cJSON_AddStringToObject(row, "id", id);
        (void)cJSON_AddStringToObject(row, "name", batch == NULL ? "" : batch->name);
        (void)cJSON_AddBoolToObject(row, "finished", batch == NULL || batch->finished);
        (void)cJSON_AddItemToArray(list, row);
    }
    return json;
}

cJSON *
leat_query_workers(leat_core *core, uint32_t offset)
{
    cJSON *const json = cJSON_CreateObject();
    cJSON *const list = cJSON_AddArrayToObject(json, "workers");
    uint32_t number = 0;
    size_t bytes = 0;
    uint32_t left_off = 0;
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0;
         i = leat_table_next(&core->peers, i)) {
        const leat_peer *const peer = leat_table_at(&core->peers, i);
        if (peer->role != LEAT_ROLE_WORKER || peer->ended || number++ < offset)
            continue;
        if (bytes < WORKERS_BYTES)
            bytes += add_worker(core, list, peer);
        else
            left_off++;
    }
    (void)cJSON_AddNumberToObject(json, "left_off", left_off);
    return json;
}

leat_err
leat_query_worker(leat_core *core, const cJSON *arguments, cJSON **result, char message[256])
{
    const char *name;
    size_t bytes = 0;
    if (!leat_json_text(arguments, "worker", &name) || !leat_name_is_valid(leat_text_of(name))) {
        (void)snprintf(message, 256, "\"worker\" must name a worker (1 to 128 bytes of text)");
        return LEAT_ERR_MALFORMED;
    }
    cJSON *const json = cJSON_CreateObject();
    cJSON *const list = cJSON_AddArrayToObject(json, "workers");
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0 && bytes < WORKERS_BYTES;
         i = leat_table_next(&core->peers, i)) {
        const leat_peer *const peer = leat_table_at(&core->peers, i);
        if (peer->role != LEAT_ROLE_WORKER || peer->ended || strcmp(peer->name, name) != 0)
            continue;
        bytes += add_worker(core, list, peer) + WORKER_LATELY_BYTES;
        cJSON *const row = cJSON_GetArrayItem(list, cJSON_GetArraySize(list) - 1);
        (void)cJSON_AddBoolToObject(row, "drained", peer->aside);
        leat_tally_add_worker(core, peer, row);
    }
    if (cJSON_GetArraySize(list) == 0) {
        cJSON_Delete(json);
        (void)snprintf(message, 256, "no worker \"%.128s\"", name);
        return LEAT_ERR_NOT_FOUND;
    }
    *result = json;
    return LEAT_ERR_OK;
}
