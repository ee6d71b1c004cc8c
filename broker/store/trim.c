/* Trimming: the ends of turns that are no longer needed move into history.
 *
 * Jobs end in any order, and a job that is put where its id belongs costs a page of the store. So
 * many turns are hauled together: copied, sorted once by id, written chunk after chunk from the
 * left, then by batch and position into logs, and only then deleted. Each of these is done in small
 * pieces, in the transactions of many commits. When the process ends in between, the haul begins
 * again: what is in history already is found there and not written twice. */
#include <assert.h>
#include <stdlib.h>

#include "broker/store/tables.h"
#include "proto/limits.h"

/* Copies of turns in one haul; with the arrays beside them about twice as much memory. */
#define HAUL_BYTES ((size_t)16 * 1024 * 1024)
/* Memory that a haul keeps for the next one. */
#define HAUL_BYTES_KEPT ((size_t)1024 * 1024)

/* What a step may read and write, in bytes. */
#define STEP_BYTES_MIN ((size_t)256 * 1024)
#define STEP_BYTES_MAX ((size_t)4 * 1024 * 1024)
/* Turns that wait; more of them make the steps as large as they may be. */
#define BACKLOG_TURNS 4096U

/* A chunk's row is merged with new ends until it has grown to this. */
#define HISTORY_MERGE_BYTES ((size_t)64 * 1024)
/* Ends of one chunk that are written together: many batches may hear of one job. */
#define HISTORY_GROUP_MAX 256U
/* Ids in one LOGS row: large enough to be cheap, small enough to be written again. */
#define LOG_ROW_IDS 128U

#define NO_WORKER SIZE_MAX

/* One ended job on its way. */
struct ended {
    uint64_t batch;
    uint64_t position;
    size_t completion; /* as in records.h; offset into `turns` */
    size_t worker;     /* text8; offset into `turns`, or NO_WORKER */
};

/* Neighbours in a batch's log: ends[at] … ends[at + n - 1]. */
struct run {
    uint64_t batch;
    uint64_t first;
    size_t at;
    size_t n;
};

/* ends in the order of their ids. */
struct place {
    uint64_t id;
    uint32_t at; /* index into ends */
    uint16_t worker;
    bool known; /* is in history already */
};

/* Bufs as arrays. */
#define PUSH(buf, type)   ((type *)(void *)leat_buf_room((buf), sizeof(type)))
#define ARRAY(buf, type)  ((type *)(void *)(buf)->data)
#define LENGTH(buf, type) ((buf)->size / sizeof(type))

void
leat_haul_fini(leat_haul *haul)
{
    leat_buf_fini(&haul->turns);
    leat_buf_fini(&haul->numbers);
    leat_buf_fini(&haul->ends);
    leat_buf_fini(&haul->runs);
    leat_buf_fini(&haul->order);
    leat_buf_fini(&haul->spare);
    leat_buf_fini(&haul->workers);
}

static void
empty(leat_buf *buf)
{
    if (buf->capacity > HAUL_BYTES_KEPT)
        leat_buf_fini(buf);
    else
        leat_buf_reset(buf);
}

/* --------------------------------------------------------------------------------- gathering */

/* Where each of the run's names starts, so that a completion finds its own at once. */
static const uint8_t *const *
index_workers(leat_haul *haul, const leat_items_run *run)
{
    leat_buf_reset(&haul->workers);
    const uint8_t *at = run->worker_names;
    for (unsigned i = 0; i < run->workers; i++) {
        const uint8_t **const slot = PUSH(&haul->workers, const uint8_t *);
        if (slot == NULL)
            return NULL;
        *slot = at;
        at += 1U + at[0];
    }
    return ARRAY(&haul->workers, const uint8_t *);
}

/* Neighbours in a log, if there are any; then none. false: no memory. */
static bool
end_stretch(leat_haul *haul, struct run *stretch)
{
    if (stretch->n == 0)
        return true;
    struct run *const run = PUSH(&haul->runs, struct run);
    if (run == NULL)
        return false;
    *run = *stretch;
    stretch->n = 0;
    return true;
}

/* The ends of one ENDS entry. LEAT_ERR_CORRUPT: its log is none. */
static leat_err
gather_entry(leat_history *history, const leat_turn_entry *entry)
{
    leat_haul *const haul = &history->haul;
    leat_reader log = leat_reader_over(entry->data, entry->size);
    leat_items_run run;
    if (leat_log_open(&log, &run) != LEAT_ERR_OK || entry->number > UINT64_MAX - run.n)
        return LEAT_ERR_CORRUPT;
    if (run.n == 0 || (entry->flags & LEAT_ENDS_FORGET) != 0)
        return LEAT_ERR_OK;
    const uint8_t *const *const workers = index_workers(haul, &run);
    struct ended *const ends =
        (struct ended *)(void *)leat_buf_room(&haul->ends, run.n * sizeof(struct ended));
    struct place *const places =
        (struct place *)(void *)leat_buf_room(&haul->order, run.n * sizeof(struct place));
    if (ends == NULL || places == NULL || haul->workers.failed)
        return LEAT_ERR_NOMEM;

    const bool alone = (entry->flags & LEAT_ENDS_ALONE) != 0;
    const bool only_failed = (entry->flags & LEAT_ENDS_FAILED) != 0;
    const size_t at = LENGTH(&haul->ends, struct ended) - run.n;
    size_t kept = 0;
    struct run stretch = {.batch = entry->id};
    for (unsigned i = 0; i < run.n; i++) {
        leat_completion c;
        const uint8_t *const completion = log.at;
        leat_items_next_completion(&log, &c);
        if (only_failed && c.outcome == LEAT_OUTCOME_DONE) {
            if (!end_stretch(haul, &stretch))
                return LEAT_ERR_NOMEM;
            continue;
        }
        ends[kept] = (struct ended){
            .batch = alone ? c.job : entry->id,
            .position = alone ? entry->number : entry->number + i,
            .completion = (size_t)(completion - haul->turns.data),
            .worker = c.worker == LEAT_NO_WORKER ? NO_WORKER
                                                 : (size_t)(workers[c.worker] - haul->turns.data),
        };
        places[kept] = (struct place){.id = c.job, .at = (uint32_t)(at + kept)};
        if (!alone && stretch.n++ == 0) {
            stretch.first = entry->number + i;
            stretch.at = at + kept;
        }
        kept++;
        if (c.ended_ms > history->newest_ms)
            history->newest_ms = c.ended_ms;
    }
    haul->ends.size -= (run.n - kept) * sizeof(struct ended);
    haul->order.size -= (run.n - kept) * sizeof(struct place);
    return end_stretch(haul, &stretch) ? LEAT_ERR_OK : LEAT_ERR_NOMEM;
}

static leat_err
gather_turn(leat_history *history, const uint8_t *data, size_t size)
{
    leat_reader record = leat_reader_over(data, size);
    leat_turn_entry entry;
    while (leat_turn_next(&record, &entry)) {
        if (entry.kind != LEAT_TURN_ENDS)
            continue;
        const leat_err err = gather_entry(history, &entry);
        if (err != LEAT_ERR_OK)
            return err;
    }
    return record.failed ? LEAT_ERR_CORRUPT : LEAT_ERR_OK;
}

/* Order by id: by its digits, from the lowest, leaving out those that all ids share. */
static leat_err
sort_places(leat_haul *haul)
{
    enum {
        DIGIT_BITS = 11,
        DIGITS = 1 << DIGIT_BITS
    };
    struct place *from = ARRAY(&haul->order, struct place);
    const size_t count = LENGTH(&haul->order, struct place);
    bool sorted = true;
    uint64_t varies = 0;
    for (size_t i = 1; i < count; i++) {
        sorted = sorted && from[i - 1].id <= from[i].id;
        varies |= from[i].id ^ from[0].id;
    }
    if (sorted)
        return LEAT_ERR_OK;
    leat_buf_reset(&haul->spare);
    struct place *to = (struct place *)(void *)leat_buf_room(&haul->spare, haul->order.size);
    if (to == NULL)
        return LEAT_ERR_NOMEM;
    for (unsigned shift = 0; shift < 64 && varies >> shift != 0; shift += DIGIT_BITS) {
        if ((varies >> shift & (DIGITS - 1U)) == 0)
            continue;
        size_t starts[DIGITS + 1] = {0};
        for (size_t i = 0; i < count; i++)
            starts[(from[i].id >> shift & (DIGITS - 1U)) + 1]++;
        for (unsigned d = 1; d < DIGITS; d++)
            starts[d] += starts[d - 1];
        for (size_t i = 0; i < count; i++)
            to[starts[from[i].id >> shift & (DIGITS - 1U)]++] = from[i];
        struct place *const swap = from;
        from = to;
        to = swap;
    }
    if ((void *)from != (void *)haul->order.data) {
        const leat_buf swap = haul->order;
        haul->order = haul->spare;
        haul->spare = swap;
    }
    return LEAT_ERR_OK;
}

static int
compare_runs(const void *a, const void *b)
{
    const struct run *const x = a;
    const struct run *const y = b;
    if (x->batch != y->batch)
        return x->batch < y->batch ? -1 : 1;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* Everything is gathered. */
static leat_err
end_copying(leat_haul *haul)
{
    const size_t runs = LENGTH(&haul->runs, struct run);
    if (runs > 1)
        qsort(haul->runs.data, runs, sizeof(struct run), compare_runs);
    haul->phase = LEAT_HAUL_CHUNKS;
    haul->at = 0;
    return sort_places(haul);
}

/* Take one more turn into the haul. */
static leat_err
copy_turn(leat_history *history, leat_kv *kv, size_t *used)
{
    leat_haul *const haul = &history->haul;
    if (haul->next < history->trimmed)
        haul->next = history->trimmed;
    if (haul->next >= history->target || haul->turns.size >= HAUL_BYTES)
        return end_copying(haul);
    leat_row row;
    leat_err err = kv->ops->at_or_after(kv, LEAT_TABLE_TURNS, (leat_key){.low = haul->next}, &row);
    if (err != LEAT_ERR_OK && err != LEAT_ERR_NOT_FOUND && err != LEAT_ERR_CORRUPT)
        return err;
    if (err == LEAT_ERR_NOT_FOUND || row.key.low >= history->target) {
        haul->next = history->target;
        return LEAT_ERR_OK;
    }
    haul->next = row.key.low + 1;
    *used += row.size + 64;
    if (err == LEAT_ERR_CORRUPT) {
        /* Nothing that is damaged is deleted by itself. */
        leat_kv_report(LEAT_TABLE_TURNS, row.key, "damaged, left behind");
        return LEAT_ERR_OK;
    }
    const size_t at = haul->turns.size;
    leat_put_bytes(&haul->turns, row.data, row.size);
    if (haul->turns.failed)
        return LEAT_ERR_NOMEM;
    err = gather_turn(history, haul->turns.data + at, row.size);
    if (err == LEAT_ERR_CORRUPT) {
        leat_kv_report(LEAT_TABLE_TURNS, row.key, "no turn record, left behind");
        return LEAT_ERR_OK;
    }
    leat_put_bytes(&haul->numbers, &row.key.low, sizeof row.key.low);
    return haul->numbers.failed ? LEAT_ERR_NOMEM : err;
}

/* -------------------------------------------------------------------------------- by chunk */

/* Ends of one chunk that are written together, and the row that takes them. */
struct group {
    struct place *places;
    size_t count;
    size_t fresh; /* not known */
    leat_key key;
    leat_history_row old; /* what stands at key, if anything */
    bool found;
};

static uint64_t
batch_of(const leat_history *history, const struct place *place)
{
    return ARRAY(&history->haul.ends, struct ended)[place->at].batch;
}

static uint64_t
position_of(const leat_history *history, const struct place *place)
{
    return ARRAY(&history->haul.ends, struct ended)[place->at].position;
}

/* Mark what a row of the chunk has already: a job writes one completion at a place of a batch's
 * log. A batch that has joined a job more than once has several of it. */
static void
mark_known(const leat_history *history, struct group *group, const leat_history_row *row)
{
    uint32_t ids = 0; /* of the group, by their place in the chunk */
    for (size_t i = 0; i < group->count; i++)
        ids |= 1U << group->places[i].id % LEAT_CHUNK_IDS;
    leat_reader log = row->log;
    for (unsigned j = 0; j < row->n; j++) {
        leat_completion c;
        leat_items_next_completion(&log, &c);
        if ((ids >> c.job % LEAT_CHUNK_IDS & 1U) == 0)
            continue;
        const uint64_t batch = leat_load_u64(row->pairs + (size_t)j * 16);
        const uint64_t position = leat_load_u64(row->pairs + (size_t)j * 16 + 8);
        for (size_t i = 0; i < group->count; i++) {
            if (group->places[i].id == c.job && batch_of(history, &group->places[i]) == batch &&
                position_of(history, &group->places[i]) == position)
                group->places[i].known = true;
        }
    }
}

/* Mark what the group itself has twice. */
static void
mark_repeated(const leat_history *history, struct group *group)
{
    for (size_t i = 1; i < group->count; i++) {
        struct place *const place = &group->places[i];
        for (size_t j = i; j-- > 0 && group->places[j].id == place->id;)
            place->known |= batch_of(history, &group->places[j]) == batch_of(history, place) &&
                            position_of(history, &group->places[j]) == position_of(history, place);
    }
}

/* Look at the rows of the group's chunk: what is known already, and which row has room, or else the
 * key for a new one. A damaged row is left as it is, for a person to look at. */
static leat_err
scan_chunk(const leat_history *history, leat_kv *kv, struct group *group)
{
    const uint64_t first = group->places[0].id / LEAT_CHUNK_IDS * LEAT_CHUNK_IDS;
    const uint64_t last = first + (LEAT_CHUNK_IDS - 1);
    uint64_t free_id = first;
    leat_key from = leat_history_key(first);
    for (;;) {
        leat_row row;
        leat_history_row opened;
        leat_err err = kv->ops->at_or_after(kv, LEAT_TABLE_HISTORY, from, &row);
        if (err == LEAT_ERR_NOT_FOUND)
            break;
        if (err != LEAT_ERR_OK && err != LEAT_ERR_CORRUPT)
            return err;
        if (row.key.low > last)
            break;
        if (row.key.low == free_id)
            free_id++;
        if (err == LEAT_ERR_OK)
            err = leat_history_open(&row, &opened);
        if (err == LEAT_ERR_OK) {
            mark_known(history, group, &opened);
            if (!group->found && row.size < HISTORY_MERGE_BYTES) {
                group->found = true;
                group->key = row.key;
                group->old = opened;
            }
        }
        if (row.key.low == last)
            break;
        from.low = row.key.low + 1;
    }
    if (!group->found)
        group->key = leat_history_key(free_id);
    for (size_t i = 0; i < group->count; i++)
        group->fresh += !group->places[i].known;
    return LEAT_ERR_OK;
}

/* Give each of the group the number of its worker's name, and append the names that are new to
 * names. Returns how many names there are then. */
static unsigned
number_workers(const leat_history *history, struct group *group, const uint8_t *names[])
{
    unsigned workers = 0;
    const uint8_t *at = group->old.run.worker_names;
    for (; workers < group->old.run.workers; workers++) {
        names[workers] = at;
        at += 1U + at[0];
    }
    for (size_t i = 0; i < group->count; i++) {
        struct place *const place = &group->places[i];
        const size_t worker = ARRAY(&history->haul.ends, struct ended)[place->at].worker;
        place->worker = LEAT_NO_WORKER;
        if (worker == NO_WORKER || place->known)
            continue;
        const uint8_t *const name = history->haul.turns.data + worker;
        unsigned w = 0;
        while (w < workers && names[w] != name && memcmp(names[w], name, 1U + name[0]) != 0)
            w++;
        if (w == workers)
            names[workers++] = name;
        place->worker = (uint16_t)w;
    }
    return workers;
}

/* What stands in the row and the new ones of the group, as one row in history->record. */
static leat_err
build_row(leat_history *history,
          const struct group *group,
          const uint8_t *const names[],
          unsigned workers)
{
    leat_buf *const record = &history->record;
    const leat_history_row *const old = &group->old;
    const struct ended *const ends = ARRAY(&history->haul.ends, struct ended);
    const uint16_t n = (uint16_t)(old->n + group->fresh);
    leat_buf_reset(record);
    leat_put_u16(record, n);
    leat_put_bytes(record, old->pairs, (size_t)old->n * 16);
    for (size_t i = 0; i < group->count; i++) {
        if (!group->places[i].known) {
            leat_put_u64(record, ends[group->places[i].at].batch);
            leat_put_u64(record, ends[group->places[i].at].position);
        }
    }
    leat_put_u16(record, (uint16_t)workers);
    for (unsigned w = 0; w < workers; w++)
        leat_put_bytes(record, names[w], 1U + names[w][0]);
    leat_put_u16(record, n);
    leat_put_bytes(record, old->log.at, leat_reader_left(&old->log));
    for (size_t i = 0; i < group->count; i++) {
        if (group->places[i].known)
            continue;
        leat_reader reader = {.at =
                                  history->haul.turns.data + ends[group->places[i].at].completion};
        leat_completion c;
        leat_items_next_completion(&reader, &c);
        c.worker = group->places[i].worker;
        leat_items_put_completion(record, &c);
        history->jobs++;
        history->bytes += c.result.size;
    }
    return record->failed ? LEAT_ERR_NOMEM : LEAT_ERR_OK;
}

static leat_err
write_group(leat_history *history, leat_kv *kv, struct group *group)
{
    assert(group->count <= HISTORY_GROUP_MAX);

    mark_repeated(history, group);
    leat_err err = scan_chunk(history, kv, group);
    if (err != LEAT_ERR_OK || group->fresh == 0)
        return err;
    if (!group->found && group->key.low / LEAT_CHUNK_IDS != group->places[0].id / LEAT_CHUNK_IDS) {
        /* 32 rows of 64 KiB and more: thousands of batches have joined each of these jobs. */
        leat_kv_report(LEAT_TABLE_HISTORY, group->key, "a chunk takes no more ended jobs");
        return LEAT_ERR_OK;
    }
    const size_t names_max = (size_t)group->old.run.workers + group->fresh;
    const uint8_t **const names = malloc((names_max + 1) * sizeof *names);
    if (names == NULL)
        return LEAT_ERR_NOMEM;
    const unsigned workers = number_workers(history, group, names);
    err = build_row(history, group, names, workers);
    free(names);
    if (err != LEAT_ERR_OK)
        return err;
    return kv->ops->put(kv, LEAT_TABLE_HISTORY, group->key, history->record.data,
                        history->record.size);
}

static leat_err
write_chunk(leat_history *history, leat_kv *kv, size_t *used)
{
    leat_haul *const haul = &history->haul;
    struct place *const order = ARRAY(&haul->order, struct place);
    const size_t count = LENGTH(&haul->order, struct place);
    if (haul->at == count) {
        haul->phase = LEAT_HAUL_LOGS;
        haul->at = 0;
        haul->in_run = 0;
        return LEAT_ERR_OK;
    }
    struct group group = {.places = order + haul->at, .count = 1};
    const uint64_t chunk = group.places[0].id / LEAT_CHUNK_IDS;
    while (group.count < HISTORY_GROUP_MAX && haul->at + group.count < count &&
           group.places[group.count].id / LEAT_CHUNK_IDS == chunk)
        group.count++;
    haul->at += group.count;
    leat_buf_reset(&history->record);
    const leat_err err = write_group(history, kv, &group);
    *used += history->record.size + 256;
    return err;
}

/* -------------------------------------------------------------------------------- by batch */

/* The LOGS row that is being filled. */
struct log_row {
    leat_key key;
    uint64_t highest_id;
    unsigned n;
    uint64_t ids[LOG_ROW_IDS];
};

static void
add_to_log_row(struct log_row *row, uint64_t id)
{
    row->ids[row->n++] = id;
    if (id > row->highest_id)
        row->highest_id = id;
}

static leat_err
put_log_row(leat_kv *kv, const struct log_row *row)
{
    uint8_t data[10 + LOG_ROW_IDS * 8];
    leat_store_u64(data, row->highest_id);
    leat_store_u16(data + 8, (uint16_t)row->n);
    for (unsigned i = 0; i < row->n; i++)
        leat_store_u64(data + 10 + (size_t)i * 8, row->ids[i]);
    const size_t size = 10 + (size_t)row->n * 8;
    leat_err err = LEAT_ERR_OK;
    if (row->n > 1) {
        /* Rows that an earlier haul has begun at other positions; see begin_log_row. */
        const leat_key second = {.high = row->key.high, .low = row->key.low + 1};
        const leat_key last = {.high = row->key.high, .low = row->key.low + row->n - 1};
        err = kv->ops->del(kv, LEAT_TABLE_LOGS, second, last);
    }
    if (err == LEAT_ERR_OK)
        err = kv->ops->put(kv, LEAT_TABLE_LOGS, row->key, data, size);
    return err;
}

/* Begin at (batch, position): go on in the row that ends right before it, if there is one with
 * room. A row that has this position already is from a haul that did not come to its end: it is cut
 * here, and what was behind comes again, since its turns are still there. */
static leat_err
begin_log_row(leat_kv *kv, struct log_row *row, uint64_t batch, uint64_t position)
{
    row->key = (leat_key){.high = batch, .low = position};
    row->highest_id = 0;
    row->n = 0;
    leat_row seen;
    leat_log_row before;
    const leat_err err = kv->ops->at_or_before(kv, LEAT_TABLE_LOGS, row->key, &seen);
    if (err == LEAT_ERR_NOT_FOUND || err == LEAT_ERR_CORRUPT)
        return LEAT_ERR_OK;
    if (err != LEAT_ERR_OK)
        return err;
    if (seen.key.high != batch || leat_log_row_open(&seen, &before) != LEAT_ERR_OK ||
        position - before.first > before.n || position - before.first >= LOG_ROW_IDS)
        return LEAT_ERR_OK;
    row->key = seen.key;
    for (unsigned i = 0; i < position - before.first; i++)
        add_to_log_row(row, leat_load_u64(before.ids + (size_t)i * 8));
    return LEAT_ERR_OK;
}

/* One LOGS row: as many neighbours as there are and fit. */
static leat_err
write_log_row(leat_history *history, leat_kv *kv, size_t *used)
{
    leat_haul *const haul = &history->haul;
    const struct run *const runs = ARRAY(&haul->runs, struct run);
    const size_t count = LENGTH(&haul->runs, struct run);
    if (haul->at == count) {
        haul->phase = LEAT_HAUL_TURNS;
        haul->at = 0;
        return LEAT_ERR_OK;
    }
    const struct ended *const ends = ARRAY(&haul->ends, struct ended);
    struct log_row row;
    leat_err err =
        begin_log_row(kv, &row, runs[haul->at].batch, runs[haul->at].first + haul->in_run);
    if (err != LEAT_ERR_OK)
        return err;
    while (row.n < LOG_ROW_IDS && haul->at < count) {
        const struct run *const run = runs + haul->at;
        if (run->batch != row.key.high || run->first + haul->in_run != row.key.low + row.n)
            break;
        const uint8_t *const completion =
            haul->turns.data + ends[run->at + haul->in_run].completion;
        add_to_log_row(&row, leat_load_u64(completion));
        if (++haul->in_run == run->n) {
            haul->at++;
            haul->in_run = 0;
        }
    }
    *used += row.n * 8U + 256U;
    return put_log_row(kv, &row);
}

/* ----------------------------------------------------------------------------------- a step */

/* Delete one of the haul's turns; at the end the haul is over. */
static leat_err
delete_turn(leat_history *history, leat_kv *kv, size_t *used)
{
    leat_haul *const haul = &history->haul;
    if (haul->at < LENGTH(&haul->numbers, uint64_t)) {
        const leat_key key = {.low = ARRAY(&haul->numbers, uint64_t)[haul->at++]};
        *used += 1024;
        return kv->ops->del(kv, LEAT_TABLE_TURNS, key, key);
    }
    history->trimmed = haul->next;
    history->changed = true;
    haul->phase = LEAT_HAUL_COPY;
    empty(&haul->turns);
    empty(&haul->numbers);
    empty(&haul->ends);
    empty(&haul->runs);
    empty(&haul->order);
    empty(&haul->spare);
    return LEAT_ERR_OK;
}

leat_err
leat_history_step(leat_history *history, leat_kv *kv, size_t list_bytes)
{
    size_t budget = STEP_BYTES_MAX;
    if (list_bytes > 0 && history->target - history->trimmed <= BACKLOG_TURNS) {
        budget = list_bytes < STEP_BYTES_MAX / 4 ? list_bytes * 4 : STEP_BYTES_MAX;
        budget = budget < STEP_BYTES_MIN ? STEP_BYTES_MIN : budget;
    }
    size_t used = 0;
    leat_err err = LEAT_ERR_OK;
    while (err == LEAT_ERR_OK && used < budget && history->trimmed < history->target) {
        /* Written counters follow what was written, also when the step ends inside the haul. */
        history->changed = true;
        switch (history->haul.phase) {
        case LEAT_HAUL_COPY:
            err = copy_turn(history, kv, &used);
            break;
        case LEAT_HAUL_CHUNKS:
            err = write_chunk(history, kv, &used);
            break;
        case LEAT_HAUL_LOGS:
            err = write_log_row(history, kv, &used);
            break;
        case LEAT_HAUL_TURNS:
            err = delete_turn(history, kv, &used);
            break;
        }
    }
    /* Not inside a haul: its jobs would leave before their rows of the log have come. */
    if (err == LEAT_ERR_OK && history->haul.phase == LEAT_HAUL_COPY)
        err = leat_history_retain(history, kv);
    return err;
}
