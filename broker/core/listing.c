/* Lists that may be long: batches, and the jobs of one batch, also those that have ended.
 *
 * They lie in several places, which are walked one after the other, each from its end to its
 * beginning, so that what is new mostly comes first:
 *
 *   batches:  in memory ─► live jobs that are batches of their own ─► records of finished batches
 *             ─► ended jobs that were batches of their own: in turn records ─► in history
 *   jobs:     those that are alive, by place ─► the batch's log
 *
 * An answer looks at a bounded part and says where the next one goes on: "PLACE.AT.WITHIN", which
 * nobody but this file reads. What moves from one place to the next meanwhile may be told twice,
 * and is told apart by its number. */
#include "broker/core/listing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/core/archive.h"
#include "broker/core/batch.h"
#include "broker/core/dead.h"
#include "broker/core/failure.h"
#include "broker/core/link.h"
#include "broker/core/object.h"
#include "broker/core/query.h"
#include "broker/core/steer.h"
#include "broker/core/terms.h"

#define PAGE_BYTES 30000U /* a row that begins below this is taken */
#define ROW_BYTES  460U   /* of a row beside its names, which may double */
#define LOOKS_MAX  16384U /* what one answer may look at, … */
#define LOOK_FETCH 16U    /* … where reading a record counts so many, */
#define LOOK_TURN  512U   /* a turn record so many, */
#define LOOK_PART  4096U  /* a part of history so many, */
#define LOOK_END   8U     /* and a job in a batch's log so many */
#define PART_BYTES (32U * LEAT_COMPLETION_BYTES)
#define LOG_BYTES  32768U
#define ERROR_MAX  200U /* of an error, in a list */
#define FROM_END   UINT64_MAX

typedef struct listing {
    leat_core *core;
    const leat_peer *peer;
    /* what is asked for */
    uint32_t states; /* bits */
    uint64_t above;
    leat_text channel;
    leat_text name;
    leat_text where;
    const cJSON *labels; /* NULL: any */
    int64_t since_ms;
    bool mine;
    leat_batch *batch; /* of jobs */
    uint64_t below;    /* … before this place */
    /* where it stands */
    unsigned place;
    uint64_t at;
    uint64_t within;
    uint32_t looks;
    uint64_t next; /* said by a fetch */
    size_t bytes;
    cJSON *list;
} listing;

/* One place: true when it has been walked to its end, false when the answer is full. */
typedef bool walk(listing *self);

static bool
is_full(const listing *self)
{
    return self->bytes >= PAGE_BYTES || self->looks >= LOOKS_MAX;
}

/* ------------------------------------------------------------------------------ which batches */

#define WAITING 1U
#define RUNNING 2U
#define DONE    4U
#define FAILED  8U
#define TROUBLE 16U /* at least one job has ended other than done */
#define ALL     31U

static const struct word {
    const char *word;
    uint32_t states;
} batch_words[] = {
    {"live",     WAITING | RUNNING},
    {"waiting",  WAITING          },
    {"running",  RUNNING          },
    {"finished", DONE | FAILED    },
    {"done",     DONE             },
    {"failed",   TROUBLE          },
    {"all",      ALL              },
};

static uint32_t
states_of(const leat_batch_record *record)
{
    const leat_counters *const c = &record->counters;
    const bool trouble = leat_counters_ended(c) > c->done;
    const uint32_t state = record->finished      ? trouble ? FAILED : DONE
                           : record->running > 0 ? RUNNING
                                                 : WAITING;
    return state | (trouble ? TROUBLE : 0);
}

static bool
holds(leat_text text, leat_text part)
{
    return part.size == 0 ||
           (text.size > 0 && memmem(text.data, text.size, part.data, part.size) != NULL);
}

/* All of these? */
static bool
has_labels(const leat_batch_record *record, const cJSON *labels)
{
    const cJSON *label;
    cJSON_ArrayForEach(label, labels)
    {
        if (!leat_labels_have(record->labels, leat_text_of(label->string),
                              leat_text_of(label->valuestring)))
            return false;
    }
    return true;
}

static bool
is_wanted(const listing *self, const leat_batch_record *record)
{
    return record->id > self->above && (states_of(record) & self->states) != 0 &&
           (self->channel.size == 0 || leat_text_is(record->channel, self->channel)) &&
           (self->name.size == 0 || leat_text_is(record->name, self->name)) &&
           has_labels(record, self->labels) && holds(record->name, self->where) &&
           (!record->finished || record->ended_ms >= self->since_ms) &&
           (!self->mine || record->principal == self->peer->principal);
}

static void
add_batch(listing *self, const leat_batch_record *record)
{
    if (!is_wanted(self, record))
        return;
    cJSON *const row = cJSON_CreateObject();
    (void)cJSON_AddItemToArray(self->list, row);
    leat_query_add_batch(row, record);
    (void)cJSON_AddNumberToObject(row, "ended_ms", record->finished ? (double)record->ended_ms : 0);
    self->bytes +=
        ROW_BYTES + 2 * (record->name.size + record->channel.size) + 3 * record->labels.size;
}

/* ------------------------------------------------------------------------------ their places */

static bool
walk_memory(listing *self)
{
    const leat_table *const batches = &self->core->batches;
    uint64_t i = self->at < batches->used ? self->at : batches->used;
    for (; i > 1 && !is_full(self); self->looks++) {
        const leat_batch *const batch = leat_table_at(batches, (uint32_t)--i);
        /* A job alone that has ended is shown from where its end is kept, which knows more. */
        if (batch != NULL && !(batch->alone && batch->finished)) {
            const leat_batch_record record = leat_query_record(self->core, batch);
            add_batch(self, &record);
        }
    }
    self->at = i;
    return i <= 1;
}

static void
add_item(listing *self, const leat_item *item)
{
    const leat_terms *const terms = leat_terms_of(self->core, item);
    const leat_batch_record record = {
        .id = item->id,
        .channel = leat_text_of(terms->class->channel->name),
        .principal = terms->principal,
        .sealed = true,
        .counters = {.total = 1},
        .running = leat_state_is_held_by_worker((leat_state)item->state),
        .delayed = item->state == LEAT_STATE_DELAYED,
        .held = item->state == LEAT_STATE_HELD,
    };
    add_batch(self, &record);
}

static bool
walk_items(listing *self)
{
    const leat_items *const items = &self->core->items;
    uint64_t i = self->at < items->used ? self->at : items->used;
    for (; i > 1 && !is_full(self); self->looks++) {
        const leat_item *const item = leat_items_at(items, (uint32_t)--i);
        if (item->id > self->above && item->batch == LEAT_NOBODY &&
            (item->flags & LEAT_ITEM_MESSAGE) == 0)
            add_item(self, item);
    }
    self->at = i;
    return i <= 1;
}

static void
on_record(void *context, const leat_fetched *fetched)
{
    listing *const self = context;
    leat_batch_record record;
    if (fetched->err == LEAT_ERR_OK &&
        leat_object_read_batch(self->core, fetched->fetch.id, fetched->data, fetched->size,
                               &record) == LEAT_ERR_OK)
        add_batch(self, &record);
}

static bool
walk_archive(listing *self)
{
    const leat_archive *const archive = &self->core->archive;
    const uint64_t end = archive->gone + archive->count;
    uint64_t i = self->at < end ? self->at : end;
    for (; i > archive->gone && !is_full(self); self->looks++) {
        const leat_archived *const row = &archive->rows[archive->first + (--i - archive->gone)];
        if (row->id <= self->above || leat_table_find(&self->core->batches, row->id) != 0 ||
            ((int64_t)row->ended_s + 1) * 1000 <= self->since_ms)
            continue;
        const leat_fetch fetch = {
            .kind = LEAT_FETCH_OBJECT, .object_kind = LEAT_OBJECT_BATCH, .id = row->id};
        (void)leat_store_fetch(self->core->books[row->memory ? LEAT_MEMORY : LEAT_DISK].store,
                               &fetch, 1, on_record, self);
        self->looks += LOOK_FETCH;
    }
    self->at = i;
    return i <= archive->gone;
}

/* ---- ended jobs that were batches of their own ---- */

static void
count(leat_counters *counters, leat_outcome outcome)
{
    counters->done += outcome == LEAT_OUTCOME_DONE;
    counters->dead += outcome == LEAT_OUTCOME_DEAD;
    counters->cancelled += outcome == LEAT_OUTCOME_CANCELLED;
    counters->expired += outcome == LEAT_OUTCOME_EXPIRED;
    counters->skipped += outcome == LEAT_OUTCOME_SKIPPED;
}

/* Of a dead one more is known: it is among the dead. */
static void
add_ended(listing *self, const leat_completion *completion)
{
    const leat_corpse *const corpse = leat_table_get(&self->core->dead, completion->job);
    leat_batch_record record = {
        .id = completion->job,
        .sealed = true,
        .finished = true,
        .counters = {.total = 1},
        .ended_ms = (int64_t)completion->ended_ms,
    };
    count(&record.counters, completion->outcome);
    if (corpse != NULL) {
        const leat_channel *const channel = leat_table_at(&self->core->channels, corpse->channel);
        record.channel = leat_text_of(channel->name);
        record.principal = corpse->principal;
    }
    if (corpse != NULL || !self->mine)
        add_batch(self, &record);
}

static void
on_alone(void *context, const leat_fetched *fetched)
{
    listing *const self = context;
    leat_items_run run;
    leat_reader log = leat_reader_over(fetched->data, fetched->size);
    self->next = fetched->err == LEAT_ERR_OK ? fetched->position : 0;
    if (fetched->err != LEAT_ERR_OK || leat_log_open(&log, &run) != LEAT_ERR_OK)
        return;
    for (unsigned i = 0; i < run.n; i++) {
        leat_completion completion;
        leat_items_next_completion(&log, &completion);
        add_ended(self, &completion);
    }
}

/* Nothing but its number, outcome and time is known of an ended job alone, and it has no name. */
static bool
wants_alone(const listing *self)
{
    return self->name.size == 0 && self->where.size == 0 && self->labels == NULL;
}

static bool
walk_turns(listing *self, leat_durability durability)
{
    const leat_book *const book = &self->core->books[durability];
    for (uint32_t i = book->lone_count; i > 0 && wants_alone(self); i--) {
        const leat_lone *const lone = &book->lone[i - 1];
        if (lone->turn > self->at || lone->id_max <= self->above ||
            lone->turn > leat_store_durable_upto(book->store))
            continue;
        if (lone->turn < self->at)
            self->within = 0;
        self->at = lone->turn;
        do {
            if (is_full(self))
                return false;
            const leat_fetch fetch = {.kind = LEAT_FETCH_ALONE,
                                      .turn = lone->turn,
                                      .position = self->within,
                                      .max_bytes = PART_BYTES};
            (void)leat_store_fetch(book->store, &fetch, 1, on_alone, self);
            self->looks += LOOK_TURN;
            self->within = self->next;
        } while (self->next != 0);
        self->at--;
    }
    return true;
}

static bool
walk_history(listing *self, leat_durability durability)
{
    if (self->at > self->core->next_id)
        self->at = self->core->next_id;
    while (self->at > self->above && wants_alone(self)) {
        if (is_full(self))
            return false;
        const leat_fetch fetch = {
            .kind = LEAT_FETCH_ALONE, .id = self->at, .max_bytes = PART_BYTES};
        (void)leat_store_fetch(self->core->books[durability].store, &fetch, 1, on_alone, self);
        self->looks += LOOK_PART;
        self->at = self->next;
    }
    return true;
}

static bool
walk_disk_turns(listing *self)
{
    return walk_turns(self, LEAT_DISK);
}

static bool
walk_disk_history(listing *self)
{
    return walk_history(self, LEAT_DISK);
}

static bool
walk_memory_turns(listing *self)
{
    return walk_turns(self, LEAT_MEMORY);
}

static bool
walk_memory_history(listing *self)
{
    return walk_history(self, LEAT_MEMORY);
}

#define LIVE_PLACES 2U /* nothing but what has finished lies behind these */
static walk *const batch_places[] = {
    walk_memory,       walk_items,        walk_archive,        walk_disk_turns,
    walk_disk_history, walk_memory_turns, walk_memory_history,
};

/* ------------------------------------------------------------------------------ which jobs */

#define BIT(name)    (1U << LEAT_STATE_##name)
#define JOBS_WAITING (BIT(HELD) | BIT(DELAYED) | BIT(READY))
#define JOBS_RUNNING (BIT(LEASED) | BIT(STOPPING) | BIT(OVERDUE))
#define JOBS_FAILED  (BIT(DEAD) | BIT(CANCELLED) | BIT(EXPIRED) | BIT(SKIPPED))

static const struct word job_words[] = {
    {"open",      JOBS_WAITING | JOBS_RUNNING | JOBS_FAILED            },
    {"live",      JOBS_WAITING | JOBS_RUNNING                          },
    {"waiting",   JOBS_WAITING                                         },
    {"running",   JOBS_RUNNING                                         },
    {"finished",  JOBS_FAILED | BIT(DONE)                              },
    {"failed",    JOBS_FAILED                                          },
    {"held",      BIT(HELD)                                            },
    {"delayed",   BIT(DELAYED)                                         },
    {"ready",     BIT(READY)                                           },
    {"done",      BIT(DONE)                                            },
    {"dead",      BIT(DEAD)                                            },
    {"cancelled", BIT(CANCELLED)                                       },
    {"expired",   BIT(EXPIRED)                                         },
    {"skipped",   BIT(SKIPPED)                                         },
    {"all",       JOBS_WAITING | JOBS_RUNNING | JOBS_FAILED | BIT(DONE)},
};

static void
add_live(listing *self, const leat_item *item, uint32_t place)
{
    const leat_state state = (leat_state)item->state;
    if ((self->states & 1U << state) == 0 || self->where.size > 0)
        return;
    const bool is_leased = leat_state_is_held_by_worker(state);
    const leat_peer *const worker =
        is_leased ? leat_table_at(&self->core->peers, item->holder) : NULL;
    cJSON *const row = cJSON_CreateObject();
    (void)cJSON_AddItemToArray(self->list, row);
    (void)cJSON_AddNumberToObject(row, "place", place);
    (void)leat_json_add_u64(row, "job", item->id);
    (void)cJSON_AddStringToObject(row, "state",
                                  state == LEAT_STATE_LEASED    ? "running"
                                  : state == LEAT_STATE_OVERDUE ? "stopping"
                                                                : leat_state_name(state));
    (void)cJSON_AddNumberToObject(row, "attempt", item->attempt);
    (void)cJSON_AddNumberToObject(row, "failed", item->failed);
    (void)cJSON_AddNumberToObject(row, "lost", item->lost);
    (void)cJSON_AddStringToObject(row, "worker", worker == NULL ? "" : worker->name);
    self->bytes += ROW_BYTES + (worker == NULL ? 0 : 2 * strlen(worker->name));
}

/* at: the place that was looked at last. */
static bool
walk_places(listing *self)
{
    const uint64_t all = self->batch->counters.total;
    const uint64_t total = all < self->below ? all : self->below - 1;
    uint64_t place = self->at == FROM_END ? 0 : self->at;
    if ((self->states & (JOBS_WAITING | JOBS_RUNNING)) == 0 ||
        leat_counters_ended(&self->batch->counters) == all)
        return true;
    for (; place < total && !is_full(self); self->looks++) {
        const uint64_t id = leat_batch_job(self->batch, (uint32_t)++place);
        uint32_t index = id == 0 ? LEAT_NOBODY : leat_items_find(&self->core->items, id);
        if (index == LEAT_NOBODY && self->batch->joins > 0) {
            index = leat_link_job(self->core, self->batch, (uint32_t)place);
            self->looks += self->core->links.count;
        }
        if (index != LEAT_NOBODY)
            add_live(self, leat_items_at(&self->core->items, index), (uint32_t)place);
    }
    self->at = place;
    return place >= total;
}

static leat_state
state_of(leat_outcome outcome)
{
    switch (outcome) {
    case LEAT_OUTCOME_DONE:
        return LEAT_STATE_DONE;
    case LEAT_OUTCOME_DEAD:
        return LEAT_STATE_DEAD;
    case LEAT_OUTCOME_CANCELLED:
        return LEAT_STATE_CANCELLED;
    case LEAT_OUTCOME_EXPIRED:
        return LEAT_STATE_EXPIRED;
    case LEAT_OUTCOME_SKIPPED:
        return LEAT_STATE_SKIPPED;
    case LEAT_OUTCOME_LOST:
        break;
    }
    return LEAT_STATE_DEAD;
}

static bool
is_wanted_end(const listing *self, const leat_completion *c)
{
    const leat_text result = {.data = (const char *)c->result.data, .size = c->result.size};
    return (self->states & 1U << state_of(c->outcome)) != 0 &&
           (int64_t)c->ended_ms >= self->since_ms && c->place < self->below &&
           (self->where.size == 0 ||
            (c->outcome != LEAT_OUTCOME_DONE && holds(result, self->where)));
}

static void
add_end(listing *self, const leat_items_run *run, const leat_completion *c)
{
    const leat_text worker = leat_items_worker(run, c->worker);
    char name[LEAT_NAME_BYTES_MAX + 1];
    (void)snprintf(name, sizeof name, "%.*s", (int)worker.size,
                   worker.size == 0 ? "" : worker.data);
    cJSON *const row = cJSON_CreateObject();
    (void)cJSON_AddItemToArray(self->list, row);
    (void)cJSON_AddNumberToObject(row, "place", c->place);
    (void)leat_json_add_u64(row, "job", c->job);
    (void)cJSON_AddStringToObject(row, "state", leat_outcome_name(c->outcome));
    (void)cJSON_AddNumberToObject(row, "attempt", c->attempt);
    (void)cJSON_AddStringToObject(row, "worker", name);
    (void)cJSON_AddNumberToObject(row, "ended_ms", (double)c->ended_ms);
    (void)leat_json_add_u64(row, "run_us", c->run_us);
    self->bytes += ROW_BYTES + 2 * worker.size;
    if (c->outcome == LEAT_OUTCOME_DONE)
        return;
    const leat_bytes why = leat_failure_why(c->result);
    const size_t size = why.size < ERROR_MAX ? why.size : ERROR_MAX;
    (void)leat_json_add_bytes(row, "error", why.data, size);
    self->bytes += 2 * size;
}

static void
on_log(void *context, const leat_fetched *fetched)
{
    listing *const self = context;
    leat_items_run run;
    leat_reader log = leat_reader_over(fetched->data, fetched->size);
    self->next = FROM_END; /* nothing more of it is kept, or it cannot be read from here on */
    if (fetched->err != LEAT_ERR_OK || leat_log_open(&log, &run) != LEAT_ERR_OK || run.n == 0)
        return;
    self->next = fetched->position;
    for (unsigned i = 0; i < run.n && !is_full(self); i++) {
        leat_completion completion;
        leat_items_next_completion(&log, &completion);
        if (is_wanted_end(self, &completion))
            add_end(self, &run, &completion);
        self->next++;
        self->looks += LOOK_END;
    }
}

/* at: the position that comes next. */
static bool
walk_log(listing *self)
{
    const leat_batch *const batch = self->batch;
    if (self->at == FROM_END)
        self->at = 1;
    if ((self->states & (JOBS_FAILED | BIT(DONE))) == 0)
        return true;
    while (self->at <= batch->durable_end) {
        if (is_full(self))
            return false;
        leat_fetch fetch = {
            .kind = LEAT_FETCH_LOG, .id = batch->id, .position = self->at, .max_bytes = LOG_BYTES};
        for (uint32_t i = batch->segment_count; i > 0 && fetch.turn == 0; i--) {
            if (batch->segments[i - 1].first <= self->at)
                fetch.turn = batch->segments[i - 1].turn;
        }
        (void)leat_store_fetch(self->core->books[batch->durability].store, &fetch, 1, on_log, self);
        self->looks += LOOK_FETCH;
        if (self->next == FROM_END)
            return true;
        self->at = self->next;
    }
    return true;
}

static walk *const job_places[] = {walk_places, walk_log};

/* ------------------------------------------------------------------------------ the question */

static bool
read_cursor(listing *self, const char *text)
{
    uint64_t numbers[3] = {0};
    const char *p = text;
    for (unsigned i = 0; i < 3; i++) {
        char *end;
        if (*p < '0' || *p > '9')
            return false;
        numbers[i] = strtoull(p, &end, 10);
        if (*end != (i < 2 ? '.' : '\0'))
            return false;
        p = end + 1;
    }
    self->place = numbers[0] > UINT8_MAX ? UINT8_MAX : (unsigned)numbers[0];
    self->at = numbers[1];
    self->within = numbers[2];
    return true;
}

/* A text that may be left out; "" stands for that too. */
static bool
read_text(const cJSON *arguments, const char *key, leat_text *out)
{
    const char *text = "";
    if (leat_steer_has(arguments, key) && !leat_json_text(arguments, key, &text))
        return false;
    *out = leat_text_of(text);
    return true;
}

static leat_err
read_states(listing *self,
            const cJSON *arguments,
            const struct word *words,
            size_t word_count,
            char message[256])
{
    const char *given = words[0].word; /* the first is what is shown when nothing is said */
    size_t used;
    if (leat_steer_has(arguments, "state") && !leat_json_text(arguments, "state", &given))
        given = "";
    for (size_t i = 0; i < word_count; i++) {
        if (strcmp(words[i].word, given) == 0) {
            self->states = words[i].states;
            return LEAT_ERR_OK;
        }
    }
    used = (size_t)snprintf(message, 256, "\"state\" is one of");
    for (size_t i = 0; i < word_count && used < 230; i++)
        used += (size_t)snprintf(message + used, 256 - used, " %s", words[i].word);
    return LEAT_ERR_MALFORMED;
}

static leat_err
read_question(listing *self, const cJSON *arguments, char message[256])
{
    leat_text cursor = {0};
    self->at = FROM_END;
    if (read_text(arguments, "cursor", &cursor) && read_text(arguments, "where", &self->where) &&
        (cursor.size == 0 || read_cursor(self, cursor.data)) &&
        (!leat_steer_has(arguments, "since_ms") ||
         leat_json_int(arguments, "since_ms", 0, LEAT_WALL_MS_MAX, &self->since_ms)))
        return LEAT_ERR_OK;
    (void)snprintf(message, 256,
                   "\"cursor\" is that of an answer, \"where\" a text, \"since_ms\" a time in ms "
                   "since 1970");
    return LEAT_ERR_MALFORMED;
}

/* As much as one answer takes. */
static cJSON *
answer(listing *self, const char *key, walk *const *places, size_t place_count)
{
    char cursor[80] = "";
    cJSON *const json = cJSON_CreateObject();
    self->list = cJSON_AddArrayToObject(json, key);
    bool is_over = true;
    while (is_over && self->place < place_count) {
        is_over = places[self->place](self);
        if (!is_over)
            break;
        self->place++;
        self->at = FROM_END;
        self->within = 0;
    }
    if (!is_over)
        (void)snprintf(cursor, sizeof cursor, "%u.%" PRIu64 ".%" PRIu64, self->place, self->at,
                       self->within);
    (void)cJSON_AddStringToObject(json, "cursor", cursor);
    return json;
}

static bool
read_labels(listing *self, const cJSON *arguments)
{
    const cJSON *label;
    self->labels = cJSON_GetObjectItemCaseSensitive(arguments, "labels");
    cJSON_ArrayForEach(label, self->labels)
    {
        if (!cJSON_IsString(label))
            return false;
    }
    return self->labels == NULL || cJSON_IsObject(self->labels);
}

/* Is anything kept of what has ended? */
static bool
has_ended(const leat_core *core)
{
    bool any = core->archive.count > 0;
    for (int d = 0; d < LEAT_DURABILITY_COUNT; d++) {
        leat_store_facts facts;
        leat_store_get_facts(core->books[d].store, &facts);
        any = any || facts.history_jobs > 0 || core->books[d].lone_count > 0;
    }
    return any;
}

leat_err
leat_listing_batches(leat_core *core,
                     const leat_peer *peer,
                     const cJSON *arguments,
                     cJSON **result,
                     char message[256])
{
    listing self = {.core = core, .peer = peer};
    leat_err err = read_question(&self, arguments, message);
    if (err == LEAT_ERR_OK)
        err = read_states(&self, arguments, batch_words, sizeof batch_words / sizeof *batch_words,
                          message);
    if (err != LEAT_ERR_OK)
        return err;
    if (!read_labels(&self, arguments) || !read_text(arguments, "channel", &self.channel) ||
        !read_text(arguments, "name", &self.name) ||
        (leat_steer_has(arguments, "above") && !leat_json_u64(arguments, "above", &self.above)) ||
        (leat_steer_has(arguments, "mine") && !leat_json_bool(arguments, "mine", &self.mine))) {
        (void)snprintf(
            message, 256,
            "\"channel\" and \"name\" are texts, \"labels\" an object of such, \"above\" is the number of a batch as "
            "text, \"mine\" true or false");
        return LEAT_ERR_MALFORMED;
    }
    const bool only_live = (self.states & ~(WAITING | RUNNING)) == 0;
    *result = answer(&self, "batches", batch_places,
                     only_live ? LIVE_PLACES : sizeof batch_places / sizeof *batch_places);
    (void)leat_json_add_u64(*result, "finished", core->archive.count);
    (void)cJSON_AddBoolToObject(*result, "hides", only_live && has_ended(core));
    return LEAT_ERR_OK;
}

leat_err
leat_listing_jobs(leat_core *core, const cJSON *arguments, cJSON **result, char message[256])
{
    listing self = {.core = core};
    uint64_t id;
    if (!leat_json_u64(arguments, "batch", &id)) {
        (void)snprintf(message, 256, "\"batch\" is the number of a batch as text, as in \"42\"");
        return LEAT_ERR_MALFORMED;
    }
    leat_err err = read_question(&self, arguments, message);
    if (err == LEAT_ERR_OK)
        err =
            read_states(&self, arguments, job_words, sizeof job_words / sizeof *job_words, message);
    if (err != LEAT_ERR_OK)
        return err;
    self.below = FROM_END;
    if (leat_steer_has(arguments, "below") &&
        (!leat_json_u64(arguments, "below", &self.below) || self.below == 0)) {
        (void)snprintf(message, 256, "\"below\" is a place as text, from 1");
        return LEAT_ERR_MALFORMED;
    }
    self.batch = leat_batch_find(core, id);
    if (self.batch == NULL) {
        leat_archive_explain(core, id, message, 256);
        return LEAT_ERR_NOT_FOUND;
    }
    *result = answer(&self, "jobs", job_places, sizeof job_places / sizeof *job_places);
    (void)leat_json_add_u64(*result, "total", self.batch->counters.total);
    (void)leat_json_add_u64(*result, "done", self.batch->counters.done);
    return LEAT_ERR_OK;
}
