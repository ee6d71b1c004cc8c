/* Fetching: the packs, objects, and completions that the core asks for by key.
 *
 * What a row was read for is remembered within one call: jobs of one pack, completions of one turn
 * and ended jobs of one chunk are asked for together. Ends are looked for in the turn that the core
 * names and then in history, so that a turn that has been moved in the meantime is no error. */
#include <assert.h>

#include "broker/store/tables.h"
#include "proto/limits.h"

/* Names of workers in one log that is put together from history; it ends early when they are used
 * up. */
#define NAMES_MAX 256U
/* Chunks of history that one look for jobs alone goes through. */
#define ALONE_CHUNKS 256U

/* One call of fetch. */
struct fetching {
    leat_fetcher *fetcher;
    leat_kv *kv;

    leat_row pack; /* the last pack, or key UINT64_MAX */
    uint32_t ids;  /* bit i: it holds id key + i */

    leat_err turn_err; /* the last turn */
    leat_row turn;
    bool has_turn;

    leat_err chunk_err; /* the last chunk of history */
    uint64_t chunk;
    unsigned chunk_rows;
    leat_history_row rows[LEAT_CHUNK_IDS];
    bool has_chunk;
};

void
leat_fetcher_fini(leat_fetcher *fetcher)
{
    leat_buf_fini(&fetcher->names);
    leat_buf_fini(&fetcher->completions);
    leat_buf_fini(&fetcher->log);
    leat_buf_fini(&fetcher->unmoved);
}

void
leat_fetcher_loaded(leat_fetcher *fetcher, uint64_t end)
{
    leat_buf_fini(&fetcher->unmoved);
    fetcher->has_unmoved = false;
    fetcher->unmoved_end = end;
}

/* -------------------------------------------------------------------------------- packs */

static leat_err
read_pack(struct fetching *f, uint64_t id)
{
    f->ids = 0;
    const leat_key key = {.low = id};
    leat_err err = f->kv->ops->at_or_before(f->kv, LEAT_TABLE_JOBS, key, &f->pack);
    if (err == LEAT_ERR_CORRUPT) {
        leat_kv_report(LEAT_TABLE_JOBS, f->pack.key, "the checksum does not fit");
        /* Damage in another chunk is no answer for this one. */
        return f->pack.key.low / LEAT_CHUNK_IDS == id / LEAT_CHUNK_IDS ? err : LEAT_ERR_NOT_FOUND;
    }
    if (err != LEAT_ERR_OK)
        return err;
    leat_pack pack;
    err = leat_pack_open(f->pack.data, f->pack.size, &pack);
    if (err != LEAT_ERR_OK) {
        leat_kv_report(LEAT_TABLE_JOBS, f->pack.key, "no pack");
        return err;
    }
    for (unsigned i = 0; i < pack.count; i++) {
        leat_pack_job job;
        leat_pack_next(&pack, &job);
        f->ids |= 1U << job.offset;
    }
    return LEAT_ERR_OK;
}

static void
fetch_job(struct fetching *f, leat_fetched *fetched)
{
    const uint64_t id = fetched->fetch.id;
    bool here = f->ids != 0 && id - f->pack.key.low < LEAT_CHUNK_IDS;
    if (!here || (f->ids >> (id - f->pack.key.low) & 1U) == 0) {
        fetched->err = read_pack(f, id);
        if (fetched->err != LEAT_ERR_OK) {
            f->ids = 0;
            return;
        }
        here = id - f->pack.key.low < LEAT_CHUNK_IDS;
    }
    if (!here || (f->ids >> (id - f->pack.key.low) & 1U) == 0) {
        fetched->err = LEAT_ERR_NOT_FOUND;
        return;
    }
    fetched->data = f->pack.data;
    fetched->size = f->pack.size;
    fetched->pack_id = f->pack.key.low;
}

static void
fetch_object(struct fetching *f, leat_fetched *fetched)
{
    leat_row row = {0};
    const leat_key key = {.high = fetched->fetch.object_kind, .low = fetched->fetch.id};
    fetched->err = leat_kv_get(f->kv, LEAT_TABLE_OBJECTS, key, &row);
    if (fetched->err == LEAT_ERR_CORRUPT)
        leat_kv_report(LEAT_TABLE_OBJECTS, key, "the checksum does not fit");
    if (fetched->err == LEAT_ERR_OK) {
        fetched->data = row.data;
        fetched->size = row.size;
    }
}

/* -------------------------------------------------------------------------------- in a turn */

static leat_err
read_turn(struct fetching *f, uint64_t number)
{
    if (f->has_turn && f->turn.key.low == number)
        return f->turn_err;
    const leat_key key = {.low = number};
    f->turn_err = leat_kv_get(f->kv, LEAT_TABLE_TURNS, key, &f->turn);
    f->turn.key = key;
    f->has_turn = true;
    if (f->turn_err == LEAT_ERR_CORRUPT)
        leat_kv_report(LEAT_TABLE_TURNS, key, "the checksum does not fit");
    return f->turn_err;
}

/* The next ENDS entry that may hold job (0: any) or be of batch (0: any), with its log opened;
 * false at the end, *err tells a damaged record. */
static bool
next_ends(leat_reader *record,
          uint64_t job,
          uint64_t batch,
          leat_turn_entry *entry,
          leat_reader *log,
          leat_items_run *run,
          leat_err *err)
{
    while (leat_turn_next(record, entry)) {
        if (entry->kind != LEAT_TURN_ENDS)
            continue;
        /* A turn may have thousands that hold one job each: they are passed by without a look at
         * their logs. */
        const bool alone = (entry->flags & LEAT_ENDS_ALONE) != 0;
        const uint64_t wanted = job != 0 ? job : batch;
        if (alone && entry->id != 0 && wanted != 0 && entry->id != wanted)
            continue;
        if (!alone && batch != 0 && entry->id != batch)
            continue;
        *log = leat_reader_over(entry->data, entry->size);
        if (leat_log_open(log, run) == LEAT_ERR_OK && entry->number <= UINT64_MAX - run->n)
            return true;
        *err = LEAT_ERR_CORRUPT;
        return false;
    }
    if (record->failed)
        *err = LEAT_ERR_CORRUPT;
    return false;
}

/* A log with this one completion. */
static leat_err
answer_one(struct fetching *f,
           leat_fetched *fetched,
           const leat_items_run *run,
           const leat_completion *completion)
{
    leat_buf *const log = &f->fetcher->log;
    leat_completion c = *completion;
    const leat_text name = leat_items_worker(run, c.worker);
    leat_buf_reset(log);
    if (c.worker == LEAT_NO_WORKER) {
        leat_put_u16(log, 0);
    } else {
        leat_put_u16(log, 1);
        leat_put_text8(log, name);
        c.worker = 0;
    }
    leat_put_u16(log, 1);
    leat_items_put_completion(log, &c);
    if (log->failed)
        return LEAT_ERR_NOMEM;
    fetched->data = log->data;
    fetched->size = log->size;
    return LEAT_ERR_OK;
}

/* Completion `from` and those after it, about max_bytes, with the names of the whole run. */
static leat_err
answer_part(struct fetching *f,
            leat_fetched *fetched,
            const leat_items_run *run,
            leat_reader completions,
            uint64_t from)
{
    leat_buf *const log = &f->fetcher->log;
    const uint8_t *const names_end = completions.at - 2; /* n stands between */
    leat_completion c;
    for (uint64_t i = 0; i < from; i++)
        leat_items_next_completion(&completions, &c);
    const uint8_t *const start = completions.at;
    uint16_t n = 0;
    do {
        leat_items_next_completion(&completions, &c);
        n++;
    } while (from + n < run->n && (size_t)(completions.at - start) < fetched->fetch.max_bytes);

    leat_buf_reset(log);
    leat_put_u16(log, run->workers);
    leat_put_bytes(log, run->worker_names, (size_t)(names_end - run->worker_names));
    leat_put_u16(log, n);
    leat_put_bytes(log, start, (size_t)(completions.at - start));
    if (log->failed)
        return LEAT_ERR_NOMEM;
    fetched->data = log->data;
    fetched->size = log->size;
    return LEAT_ERR_OK;
}

static leat_err
ended_in_turn(struct fetching *f, leat_fetched *fetched)
{
    leat_err err = read_turn(f, fetched->fetch.turn);
    if (err != LEAT_ERR_OK)
        return err;
    leat_reader record = leat_reader_over(f->turn.data, f->turn.size);
    leat_turn_entry entry;
    leat_reader log;
    leat_items_run run;
    bool found = false;
    while (next_ends(&record, fetched->fetch.id, 0, &entry, &log, &run, &err)) {
        const bool alone = (entry.flags & LEAT_ENDS_ALONE) != 0;
        for (unsigned i = 0; i < run.n && (alone || !found); i++) {
            leat_completion c;
            leat_items_next_completion(&log, &c);
            if (c.job != fetched->fetch.id)
                continue;
            const leat_err answered = answer_one(f, fetched, &run, &c);
            if (alone || answered != LEAT_ERR_OK) {
                fetched->batch = c.job;
                return answered;
            }
            fetched->batch = entry.id; /* of one that has joined it, if there is no other */
            found = true;
        }
    }
    return err == LEAT_ERR_OK && !found ? LEAT_ERR_NOT_FOUND : err;
}

/* The completion of the batch that is one job, in an entry that is marked ALONE. */
static leat_err
alone_in_entry(struct fetching *f,
               leat_fetched *fetched,
               const leat_turn_entry *entry,
               const leat_items_run *run,
               leat_reader log)
{
    for (unsigned i = 0; i < run->n && entry->number >= fetched->fetch.position; i++) {
        leat_completion c;
        leat_items_next_completion(&log, &c);
        if (c.job != fetched->fetch.id)
            continue;
        fetched->position = entry->number;
        return answer_one(f, fetched, run, &c);
    }
    return LEAT_ERR_NOT_FOUND;
}

static leat_err
log_in_turn(struct fetching *f, leat_fetched *fetched)
{
    leat_err err = read_turn(f, fetched->fetch.turn);
    if (err != LEAT_ERR_OK)
        return err;
    leat_reader record = leat_reader_over(f->turn.data, f->turn.size);
    leat_turn_entry entry;
    leat_reader log;
    leat_items_run run;
    while (next_ends(&record, 0, fetched->fetch.id, &entry, &log, &run, &err)) {
        if ((entry.flags & LEAT_ENDS_ALONE) != 0) {
            err = alone_in_entry(f, fetched, &entry, &run, log);
            if (err != LEAT_ERR_NOT_FOUND)
                return err;
            err = LEAT_ERR_OK;
            continue;
        }
        /* A turn's entries of one batch come in the order of their positions. */
        if (run.n == 0 || entry.number + run.n <= fetched->fetch.position)
            continue;
        const uint64_t position =
            fetched->fetch.position > entry.number ? fetched->fetch.position : entry.number;
        fetched->position = position;
        return answer_part(f, fetched, &run, log, position - entry.number);
    }
    return err == LEAT_ERR_OK ? LEAT_ERR_NOT_FOUND : err;
}

/* ------------------------------------------------------------------------------- in history */

/* Read the rows of the chunk that id belongs to into f->rows. */
static leat_err
read_chunk(struct fetching *f, uint64_t id)
{
    const uint64_t chunk = id / LEAT_CHUNK_IDS;
    if (f->has_chunk && f->chunk == chunk)
        return f->chunk_err;
    const uint64_t last = id | (LEAT_CHUNK_IDS - 1);
    leat_key key = {.low = chunk * LEAT_CHUNK_IDS};
    f->has_chunk = true;
    f->chunk = chunk;
    f->chunk_rows = 0;
    f->chunk_err = LEAT_ERR_OK;
    while (f->chunk_rows < LEAT_CHUNK_IDS) {
        leat_row row;
        leat_err err = f->kv->ops->at_or_after(f->kv, LEAT_TABLE_HISTORY, key, &row);
        if (err != LEAT_ERR_OK && err != LEAT_ERR_CORRUPT) {
            if (err != LEAT_ERR_NOT_FOUND)
                f->chunk_err = err;
            break;
        }
        if (row.key.low > last)
            break;
        if (err == LEAT_ERR_OK)
            err = leat_history_open(&row, &f->rows[f->chunk_rows]);
        if (err == LEAT_ERR_OK) {
            f->chunk_rows++;
        } else {
            leat_kv_report(LEAT_TABLE_HISTORY, row.key, "damaged");
            f->chunk_err = err;
        }
        if (row.key.low == last)
            break;
        key.low = row.key.low + 1;
    }
    return f->chunk_err;
}

/* An ended job: of this batch, at this position if it is not 0 (a batch may have joined a job more
 * than once), or with `any` of the first that is found. A damaged row of the chunk
 * is only an error if the job is in none of the others. */
static leat_err
find_ended(struct fetching *f,
           uint64_t id,
           uint64_t batch,
           uint64_t position,
           bool any,
           const leat_history_row **row,
           leat_completion *completion,
           uint64_t pair[2])
{
    const leat_err err = read_chunk(f, id);
    for (unsigned r = 0; r < f->chunk_rows; r++) {
        leat_reader log = f->rows[r].log;
        for (unsigned i = 0; i < f->rows[r].n; i++) {
            leat_items_next_completion(&log, completion);
            if (completion->job != id)
                continue;
            pair[0] = leat_load_u64(f->rows[r].pairs + (size_t)i * 16);
            pair[1] = leat_load_u64(f->rows[r].pairs + (size_t)i * 16 + 8);
            if (!any && (pair[0] != batch || (position != 0 && pair[1] != position)))
                continue;
            *row = &f->rows[r];
            return LEAT_ERR_OK;
        }
    }
    return err == LEAT_ERR_OK ? LEAT_ERR_NOT_FOUND : err;
}

static leat_err
ended_in_history(struct fetching *f, leat_fetched *fetched)
{
    const leat_history_row *row;
    leat_completion c;
    uint64_t pair[2];
    const uint64_t id = fetched->fetch.id;
    leat_err err = find_ended(f, id, id, 0, false, &row, &c, pair);
    if (err != LEAT_ERR_OK) /* of one that has joined it; also beside a damaged row */
        err = find_ended(f, id, 0, 0, true, &row, &c, pair);
    if (err != LEAT_ERR_OK)
        return err;
    fetched->batch = pair[0];
    return answer_one(f, fetched, &row->run, &c);
}

/* The batch of one job: it has no row in LOGS. */
static leat_err
log_of_one(struct fetching *f, leat_fetched *fetched)
{
    const leat_history_row *row;
    leat_completion c;
    uint64_t pair[2];
    const uint64_t id = fetched->fetch.id;
    const leat_err err = find_ended(f, id, id, 0, false, &row, &c, pair);
    if (err != LEAT_ERR_OK)
        return err;
    if (pair[1] < fetched->fetch.position)
        return LEAT_ERR_NOT_FOUND;
    fetched->position = pair[1];
    return answer_one(f, fetched, &row->run, &c);
}

/* A log that is put together job by job. */
struct gathering {
    leat_fetched *fetched;
    uint64_t next; /* position */
    uint16_t n;
    uint16_t workers;
    leat_text names[NAMES_MAX];
};

static struct gathering
begin_gathering(struct fetching *f, leat_fetched *fetched)
{
    leat_buf_reset(&f->fetcher->names);
    leat_buf_reset(&f->fetcher->completions);
    return (struct gathering){.fetched = fetched, .next = fetched->fetch.position};
}

/* Add one job; false when the log is full. */
static bool
gather(struct fetching *f,
       struct gathering *g,
       const leat_items_run *run,
       const leat_completion *completion)
{
    leat_completion c = *completion;
    if (c.worker != LEAT_NO_WORKER) {
        const leat_text name = leat_items_worker(run, c.worker);
        uint16_t w = 0;
        while (w < g->workers && !leat_text_is(g->names[w], name))
            w++;
        if (w == NAMES_MAX)
            return false;
        if (w == g->workers) {
            g->names[g->workers++] = name;
            leat_put_text8(&f->fetcher->names, name);
        }
        c.worker = w;
    }
    leat_items_put_completion(&f->fetcher->completions, &c);
    if (g->n++ == 0)
        g->fetched->position = g->next;
    return f->fetcher->completions.size < g->fetched->fetch.max_bytes && g->n < LEAT_RECORDS_MAX;
}

static leat_err
end_gathering(struct fetching *f, const struct gathering *g)
{
    leat_buf *const log = &f->fetcher->log;
    leat_buf_reset(log);
    leat_put_u16(log, g->workers);
    leat_put_bytes(log, f->fetcher->names.data, f->fetcher->names.size);
    leat_put_u16(log, g->n);
    leat_put_bytes(log, f->fetcher->completions.data, f->fetcher->completions.size);
    if (log->failed || f->fetcher->names.failed || f->fetcher->completions.failed)
        return LEAT_ERR_NOMEM;
    g->fetched->data = log->data;
    g->fetched->size = log->size;
    return LEAT_ERR_OK;
}

/* Jobs of one LOGS row from g->next on. *more: the row was read to its end and nothing is full. */
static leat_err
gather_row(struct fetching *f, struct gathering *g, const leat_log_row *log, bool *more)
{
    *more = false;
    for (; g->next < log->first + log->n; g->next++) {
        const uint64_t id = leat_load_u64(log->ids + (size_t)(g->next - log->first) * 8);
        const leat_history_row *row;
        leat_completion c;
        uint64_t pair[2];
        const leat_err err = find_ended(f, id, log->batch, g->next, false, &row, &c, pair);
        if (err == LEAT_ERR_NOT_FOUND && g->n == 0)
            continue; /* out of retention: the log begins behind it */
        if (err != LEAT_ERR_OK)
            return g->n > 0 ? LEAT_ERR_OK : err; /* positions have no holes: end before it */
        if (!gather(f, g, &row->run, &c))
            return LEAT_ERR_OK;
    }
    *more = true;
    return LEAT_ERR_OK;
}

/* The row that holds (batch, position), or the next of the batch. */
static leat_err
find_log_row(struct fetching *f, uint64_t batch, uint64_t position, leat_log_row *log)
{
    const leat_key key = {.high = batch, .low = position};
    leat_row row;
    leat_err err = f->kv->ops->at_or_before(f->kv, LEAT_TABLE_LOGS, key, &row);
    if (err == LEAT_ERR_OK && row.key.high == batch &&
        leat_log_row_open(&row, log) == LEAT_ERR_OK && position - log->first < log->n)
        return LEAT_ERR_OK;
    if (err == LEAT_ERR_IO || err == LEAT_ERR_NOMEM)
        return err;
    const bool damaged = err == LEAT_ERR_CORRUPT && row.key.high == batch;
    if (damaged)
        leat_kv_report(LEAT_TABLE_LOGS, row.key, "the checksum does not fit");
    err = f->kv->ops->at_or_after(f->kv, LEAT_TABLE_LOGS, key, &row);
    if ((err == LEAT_ERR_OK || err == LEAT_ERR_CORRUPT) && row.key.high != batch)
        err = LEAT_ERR_NOT_FOUND;
    if (err == LEAT_ERR_OK)
        err = leat_log_row_open(&row, log);
    return err == LEAT_ERR_NOT_FOUND && damaged ? LEAT_ERR_CORRUPT : err;
}

static leat_err
log_in_history(struct fetching *f, leat_fetched *fetched)
{
    struct gathering g = begin_gathering(f, fetched);
    bool more = true;
    while (more) {
        leat_log_row row;
        leat_err err = find_log_row(f, fetched->fetch.id, g.next, &row);
        if (err == LEAT_ERR_OK && row.first > g.next && g.n > 0)
            break;
        if (err == LEAT_ERR_OK) {
            if (row.first > g.next)
                g.next = row.first;
            err = gather_row(f, &g, &row, &more);
        }
        if (err != LEAT_ERR_OK) {
            if (g.n > 0)
                break;
            return err == LEAT_ERR_NOT_FOUND ? log_of_one(f, fetched) : err;
        }
    }

    return end_gathering(f, &g);
}

/* ------------------------------------------------------------------------------- jobs alone */

static leat_err
alone_in_turn(struct fetching *f, leat_fetched *fetched)
{
    const uint64_t skip = fetched->fetch.position;
    struct gathering g = begin_gathering(f, fetched);
    leat_err err = read_turn(f, fetched->fetch.turn);
    if (err != LEAT_ERR_OK)
        return err;
    leat_reader record = leat_reader_over(f->turn.data, f->turn.size);
    leat_turn_entry entry;
    leat_reader log;
    leat_items_run run;
    uint64_t seen = 0;
    bool full = false;
    while (!full && next_ends(&record, 0, 0, &entry, &log, &run, &err)) {
        for (unsigned i = 0; (entry.flags & LEAT_ENDS_ALONE) != 0 && i < run.n && !full; i++) {
            leat_completion c;
            leat_items_next_completion(&log, &c);
            c.result.size = 0;
            if ((entry.id == 0 || c.job == entry.id) && seen++ >= skip)
                full = !gather(f, &g, &run, &c);
        }
    }
    fetched->position = full ? skip + g.n : 0;
    return err == LEAT_ERR_OK ? end_gathering(f, &g) : err;
}

/* Of the chunk that was read. */
static void
gather_chunk(struct fetching *f, struct gathering *g)
{
    for (unsigned r = 0; r < f->chunk_rows; r++) {
        const leat_history_row *const row = &f->rows[r];
        leat_reader log = row->log;
        for (unsigned i = 0; i < row->n; i++) {
            leat_completion c;
            leat_items_next_completion(&log, &c);
            c.result.size = 0;
            if (c.job == leat_load_u64(row->pairs + (size_t)i * 16))
                (void)gather(f, g, &row->run, &c);
        }
    }
}

/* A chunk is taken whole, so there must be room for its names. What is damaged is passed by. */
static leat_err
alone_in_history(struct fetching *f, leat_fetched *fetched)
{
    struct gathering g = begin_gathering(f, fetched);
    uint64_t id = fetched->fetch.id | (LEAT_CHUNK_IDS - 1);
    for (unsigned looks = 0;
         looks == 0 || (looks < ALONE_CHUNKS && g.workers + LEAT_CHUNK_IDS <= NAMES_MAX &&
                        f->fetcher->completions.size < fetched->fetch.max_bytes);
         looks++) {
        leat_row row;
        const leat_err err =
            f->kv->ops->at_or_before(f->kv, LEAT_TABLE_HISTORY, leat_history_key(id), &row);
        if (err == LEAT_ERR_NOT_FOUND) {
            id = 0;
            break;
        }
        if (err != LEAT_ERR_OK && err != LEAT_ERR_CORRUPT)
            return err;
        const uint64_t first = row.key.low - row.key.low % LEAT_CHUNK_IDS;
        (void)read_chunk(f, first);
        gather_chunk(f, &g);
        id = first == 0 ? 0 : first - 1;
        if (id == 0)
            break;
    }
    fetched->position = id;
    return end_gathering(f, &g);
}

/* --------------------------------------------------------------------- turns that nobody knows */

/* Batches and jobs of which a turn has ends: ids from id_min to id_max. */
struct range {
    uint64_t turn;
    uint64_t id_min;
    uint64_t id_max;
};

static void
widen(struct range *range, uint64_t id)
{
    if (id == 0)
        return;
    if (range->id_min == 0 || id < range->id_min)
        range->id_min = id;
    if (id > range->id_max)
        range->id_max = id;
}

static void
look_over_turn(leat_buf *ranges, uint64_t number, const leat_row *row)
{
    struct range range = {.turn = number};
    leat_reader record = leat_reader_over(row->data, row->size);
    leat_turn_entry entry;
    leat_reader log;
    leat_items_run run;
    leat_err err = LEAT_ERR_OK;
    while (next_ends(&record, 0, 0, &entry, &log, &run, &err)) {
        widen(&range, entry.id);
        for (unsigned i = 0; i < run.n; i++) {
            leat_completion completion;
            leat_items_next_completion(&log, &completion);
            widen(&range, completion.job);
        }
    }
    if (range.id_min != 0)
        leat_put_bytes(ranges, &range, sizeof range);
}

/* One walk over them; damaged ones are passed by, as they are when they are moved. */
static leat_err
look_over_unmoved(struct fetching *f)
{
    leat_fetcher *const fetcher = f->fetcher;
    leat_key key = {0};
    leat_buf_reset(&fetcher->unmoved);
    for (;;) {
        leat_row row;
        const leat_err err = f->kv->ops->at_or_after(f->kv, LEAT_TABLE_TURNS, key, &row);
        if (err == LEAT_ERR_NOT_FOUND)
            break;
        if (err != LEAT_ERR_OK && err != LEAT_ERR_CORRUPT)
            return err;
        if (row.key.low >= fetcher->unmoved_end)
            break;
        if (err == LEAT_ERR_OK)
            look_over_turn(&fetcher->unmoved, row.key.low, &row);
        key.low = row.key.low + 1;
    }
    fetcher->has_unmoved = !fetcher->unmoved.failed;
    return fetcher->has_unmoved ? LEAT_ERR_OK : LEAT_ERR_NOMEM;
}

/* An end that the caller believes in history, from a turn that was not loaded: it was about to be
 * moved when the store was closed. What has been moved since is in history within this read. */
static leat_err
look_in_unmoved(struct fetching *f, leat_fetched *fetched)
{
    leat_fetcher *const fetcher = f->fetcher;
    leat_row first;
    if (fetcher->unmoved_end == 0)
        return LEAT_ERR_NOT_FOUND;
    f->has_turn = false; /* others are read */
    leat_err err = f->kv->ops->at_or_after(f->kv, LEAT_TABLE_TURNS, (leat_key){0}, &first);
    if (err == LEAT_ERR_NOT_FOUND ||
        (err == LEAT_ERR_OK && first.key.low >= fetcher->unmoved_end)) {
        leat_fetcher_loaded(fetcher, 0);
        return LEAT_ERR_NOT_FOUND;
    }
    if (!fetcher->has_unmoved) {
        err = look_over_unmoved(f);
        if (err != LEAT_ERR_OK)
            return err;
    }
    const struct range *const ranges = (const struct range *)(const void *)fetcher->unmoved.data;
    const size_t count = fetcher->unmoved.size / sizeof *ranges;
    for (size_t i = 0; i < count; i++) {
        if (fetched->fetch.id < ranges[i].id_min || fetched->fetch.id > ranges[i].id_max)
            continue;
        fetched->fetch.turn = ranges[i].turn;
        err = fetched->fetch.kind == LEAT_FETCH_LOG ? log_in_turn(f, fetched)
                                                    : ended_in_turn(f, fetched);
        if (err != LEAT_ERR_NOT_FOUND)
            return err;
    }
    fetched->fetch.turn = 0;
    return LEAT_ERR_NOT_FOUND;
}

/* --------------------------------------------------------------------------------- the face */

/* In the turn that is named, and if it is not there (any more), in history. */
static leat_err
fetch_ends(struct fetching *f, leat_fetched *fetched)
{
    const bool is_log = fetched->fetch.kind == LEAT_FETCH_LOG;
    leat_err err;
    if (fetched->fetch.turn != 0) {
        err = is_log ? log_in_turn(f, fetched) : ended_in_turn(f, fetched);
        if (err != LEAT_ERR_NOT_FOUND)
            return err;
    }
    err = is_log ? log_in_history(f, fetched) : ended_in_history(f, fetched);
    return err == LEAT_ERR_NOT_FOUND ? look_in_unmoved(f, fetched) : err;
}

void
leat_tables_fetch(leat_fetcher *fetcher,
                  leat_kv *kv,
                  const leat_fetch *fetches,
                  size_t count,
                  leat_fetched_fn *call,
                  void *context)
{
    struct fetching f;
    f.fetcher = fetcher;
    f.kv = kv;
    f.ids = 0;
    f.has_turn = false;
    f.has_chunk = false;
    for (size_t i = 0; i < count; i++) {
        leat_fetched fetched = {.fetch = fetches[i], .err = LEAT_ERR_OK};
        switch (fetches[i].kind) {
        case LEAT_FETCH_JOB:
            fetch_job(&f, &fetched);
            break;
        case LEAT_FETCH_OBJECT:
            fetch_object(&f, &fetched);
            break;
        case LEAT_FETCH_LOG:
        case LEAT_FETCH_ENDED:
            fetched.err = fetch_ends(&f, &fetched);
            break;
        case LEAT_FETCH_ALONE:
            fetched.err =
                fetches[i].turn != 0 ? alone_in_turn(&f, &fetched) : alone_in_history(&f, &fetched);
            break;
        default:
            assert(false && "a kind that nobody fetches");
            fetched.err = LEAT_ERR_UNSUPPORTED;
        }
        call(context, &fetched);
    }
}
