/* History: the store's own row, the rows of ended jobs, and how they leave again by retention. How
 * they come is in trim.c. */
#include "broker/store/tables.h"
#include "proto/limits.h"

#define STATE_BYTES_1 52U /* of format 1 */
#define STATE_BYTES   (STATE_BYTES_1 + 1U + 8U * LEAT_TABLES + 8U)
#define FLAG_COPY     1U

/* Chunks that one step takes out of retention. */
#define DROPS_MAX 256U
/* … and when room is short: so many, and one more for so many bytes that come in. */
#define PRESSED_MIN   32U
#define PRESSED_BYTES 1024U

/* A job that leaves history, and where it stands in a log. */
struct leaving {
    uint64_t batch;
    uint64_t position;
    uint64_t id;
};

void
leat_history_init(leat_history *history, const leat_retention *retention)
{
    const leat_retention fallback = LEAT_RETENTION_DEFAULT;
    *history = (leat_history){.retention = retention == NULL ? fallback : *retention};
    if (history->retention.jobs_max == 0)
        history->retention.jobs_max = fallback.jobs_max;
    if (history->retention.bytes_max == 0)
        history->retention.bytes_max = fallback.bytes_max;
    if (history->retention.age_ms_max == 0)
        history->retention.age_ms_max = fallback.age_ms_max;
}

void
leat_history_fini(leat_history *history)
{
    leat_haul_fini(&history->haul);
    leat_buf_fini(&history->leaving);
    leat_buf_fini(&history->record);
}

leat_err
leat_totals_read(const leat_row *row, leat_totals *totals)
{
    leat_reader reader = leat_reader_over(row->data, row->size);
    *totals = (leat_totals){.format = leat_read_u32(&reader)};
    if (!reader.failed && totals->format > LEAT_STORE_FORMAT)
        return LEAT_ERR_VERSION;
    if (totals->format == 1 && row->size == STATE_BYTES_1)
        return LEAT_ERR_OK;
    (void)leat_read_bytes(&reader, STATE_BYTES_1 - sizeof totals->format);
    const uint8_t flags = leat_read_u8(&reader);
    totals->is_copy = (flags & FLAG_COPY) != 0;
    for (unsigned i = 0; i < LEAT_TABLES; i++)
        totals->rows[i] = leat_read_u64(&reader);
    totals->txnid = leat_read_u64(&reader);
    return totals->format >= 2 && row->size == STATE_BYTES && flags <= FLAG_COPY ? LEAT_ERR_OK
                                                                                 : LEAT_ERR_CORRUPT;
}

leat_err
leat_history_read(leat_history *history, leat_kv *kv)
{
    leat_row row;
    leat_err err = leat_kv_get(kv, LEAT_TABLE_OBJECTS, (leat_key){0}, &row);
    if (err == LEAT_ERR_OK)
        err = leat_totals_read(&row, &history->totals);
    if (err != LEAT_ERR_OK)
        return err;
    leat_reader reader = leat_reader_over(row.data, row.size);
    (void)leat_read_u32(&reader); /* the format */
    history->target = leat_read_u64(&reader);
    history->trimmed = leat_read_u64(&reader);
    history->jobs = leat_read_u64(&reader);
    history->bytes = leat_read_u64(&reader);
    history->dropped = leat_read_u64(&reader);
    history->newest_ms = leat_read_u64(&reader);
    history->changed = false;
    return LEAT_ERR_OK;
}

/* How many rows the tables have now, without the store's own; and in which transaction. */
static void
count_rows(leat_history *history, leat_kv *kv)
{
    leat_totals *const totals = &history->totals;
    for (unsigned i = 0; i < LEAT_TABLES; i++) {
        uint64_t rows = kv->ops->count(kv, (leat_table)i);
        if (i == LEAT_TABLE_OBJECTS && totals->format != 0)
            rows--; /* it is there already */
        if (rows != totals->rows[i])
            history->changed = true;
        totals->rows[i] = rows;
    }
    if (kv->ops->txnid != NULL) {
        totals->txnid = kv->ops->txnid(kv);
        history->changed = true;
    }
}

leat_err
leat_history_save(leat_history *history, leat_kv *kv)
{
    leat_totals *const totals = &history->totals;
    count_rows(history, kv);
    if (!history->changed)
        return LEAT_ERR_OK;
    uint8_t state[STATE_BYTES];
    leat_store_u32(state, LEAT_STORE_FORMAT);
    leat_store_u64(state + 4, history->target);
    leat_store_u64(state + 12, history->trimmed);
    leat_store_u64(state + 20, history->jobs);
    leat_store_u64(state + 28, history->bytes);
    leat_store_u64(state + 36, history->dropped);
    leat_store_u64(state + 44, history->newest_ms);
    state[STATE_BYTES_1] = totals->is_copy ? FLAG_COPY : 0;
    for (unsigned i = 0; i < LEAT_TABLES; i++)
        leat_store_u64(state + STATE_BYTES_1 + 1 + (size_t)i * 8, totals->rows[i]);
    leat_store_u64(state + STATE_BYTES - 8, totals->txnid);
    const leat_err err = kv->ops->put(kv, LEAT_TABLE_OBJECTS, (leat_key){0}, state, sizeof state);
    if (err == LEAT_ERR_OK) {
        history->changed = false;
        totals->format = LEAT_STORE_FORMAT;
    }
    return err;
}

leat_err
leat_history_open(const leat_row *row, leat_history_row *out)
{
    leat_reader reader = leat_reader_over(row->data, row->size);
    out->n = leat_read_u16(&reader);
    out->pairs = leat_read_bytes(&reader, (size_t)out->n * 16);
    if (reader.failed)
        return LEAT_ERR_CORRUPT;
    out->log = reader;
    if (leat_log_open(&out->log, &out->run) != LEAT_ERR_OK || out->run.n != out->n)
        return LEAT_ERR_CORRUPT;
    return LEAT_ERR_OK;
}

leat_err
leat_log_row_open(const leat_row *row, leat_log_row *out)
{
    leat_reader reader = leat_reader_over(row->data, row->size);
    out->batch = row->key.high;
    out->first = row->key.low;
    out->highest_id = leat_read_u64(&reader);
    out->n = leat_read_u16(&reader);
    out->ids = leat_read_bytes(&reader, (size_t)out->n * 8);
    if (reader.failed || out->n == 0 || out->first > UINT64_MAX - out->n ||
        leat_reader_left(&reader) != 0)
        return LEAT_ERR_CORRUPT;
    return LEAT_ERR_OK;
}

/* ------------------------------------------------------------------------------- retention */

/* The LOGS row of a job that has left history goes with the last of its jobs. Chunks leave in the
 * order of their ids, so that is the one with the highest. */
static leat_err
drop_log_row(leat_kv *kv, uint64_t batch, uint64_t position, uint64_t id)
{
    leat_row seen;
    leat_log_row row;
    const leat_key key = {.high = batch, .low = position};
    const leat_err err = kv->ops->at_or_before(kv, LEAT_TABLE_LOGS, key, &seen);
    if (err == LEAT_ERR_NOT_FOUND || err == LEAT_ERR_CORRUPT)
        return LEAT_ERR_OK;
    if (err != LEAT_ERR_OK)
        return err;
    if (seen.key.high != batch || leat_log_row_open(&seen, &row) != LEAT_ERR_OK ||
        position - row.first >= row.n || row.highest_id != id)
        return LEAT_ERR_OK;
    return kv->ops->del(kv, LEAT_TABLE_LOGS, seen.key, seen.key);
}

/* Count a row's jobs and bytes and take note of where they stand in logs (history->leaving).
 * LEAT_ERR_CORRUPT: it is no row of ended jobs. */
static leat_err
look_at_row(leat_history *history, const leat_row *row, uint64_t *bytes, uint64_t *newest_ms)
{
    leat_history_row old;
    const leat_err err = leat_history_open(row, &old);
    if (err != LEAT_ERR_OK)
        return err;
    for (unsigned i = 0; i < old.n; i++) {
        leat_completion c;
        leat_items_next_completion(&old.log, &c);
        *bytes += c.result.size;
        if (c.ended_ms > *newest_ms)
            *newest_ms = c.ended_ms;
        struct leaving *const job =
            (struct leaving *)(void *)leat_buf_room(&history->leaving, sizeof *job);
        if (job == NULL)
            return LEAT_ERR_NOMEM;
        *job = (struct leaving){.batch = leat_load_u64(old.pairs + (size_t)i * 16),
                                .position = leat_load_u64(old.pairs + (size_t)i * 16 + 8),
                                .id = c.job};
    }
    return LEAT_ERR_OK;
}

static bool
is_over(const leat_history *history)
{
    return history->jobs > history->retention.jobs_max ||
           history->bytes > history->retention.bytes_max;
}

/* A chunk of history, as far as retention has to know it. */
struct chunk {
    leat_key first;
    leat_key last;
    uint64_t bytes;
    uint64_t newest_ms;
    bool damaged; /* a row of it */
};

/* The first chunk from key on; its jobs are in history->leaving. LEAT_ERR_NOT_FOUND: there is none.
 */
static leat_err
find_chunk(leat_history *history, leat_kv *kv, leat_key key, struct chunk *chunk)
{
    bool any = false;
    *chunk = (struct chunk){.last = {.low = UINT64_MAX}};
    leat_buf_reset(&history->leaving);
    for (;;) {
        leat_row row;
        leat_err err = kv->ops->at_or_after(kv, LEAT_TABLE_HISTORY, key, &row);
        if (err == LEAT_ERR_NOT_FOUND)
            break;
        if (err != LEAT_ERR_OK && err != LEAT_ERR_CORRUPT)
            return err;
        if (!any)
            chunk->last.low = row.key.low | (LEAT_CHUNK_IDS - 1);
        if (row.key.low > chunk->last.low)
            break;
        any = true;
        if (err == LEAT_ERR_OK)
            err = look_at_row(history, &row, &chunk->bytes, &chunk->newest_ms);
        if (err == LEAT_ERR_CORRUPT)
            chunk->damaged = true;
        else if (err != LEAT_ERR_OK)
            return err;
        if (row.key.low == chunk->last.low)
            break;
        key.low = row.key.low + 1;
    }
    chunk->first.low = chunk->last.low - (LEAT_CHUNK_IDS - 1);
    return any ? LEAT_ERR_OK : LEAT_ERR_NOT_FOUND;
}

/* The chunk with the lowest ids in which nothing is damaged: that is left for a person to look at,
 * and nobody can tell how old it is. */
static leat_err
find_oldest(leat_history *history, leat_kv *kv, struct chunk *chunk)
{
    leat_key key = {0};
    for (;;) {
        const leat_err err = find_chunk(history, kv, key, chunk);
        if (err != LEAT_ERR_OK || !chunk->damaged)
            return err;
        if (chunk->last.low == UINT64_MAX)
            return LEAT_ERR_NOT_FOUND;
        key.low = chunk->last.low + 1;
    }
}

/* Drop the oldest chunk, if it is out of retention or room is short. *dropped tells. A chunk that
 * is young holds back the ones behind it: order is by id, not by end. */
static leat_err
drop_oldest(leat_history *history, leat_kv *kv, bool pressed, bool *dropped)
{
    struct chunk chunk;
    *dropped = false;
    leat_err err = find_oldest(history, kv, &chunk);
    if (err == LEAT_ERR_NOT_FOUND) {
        /* Only damage makes counters that count nothing; they start again. */
        history->jobs = 0;
        history->bytes = 0;
        history->changed = true;
        return LEAT_ERR_OK;
    }
    if (err != LEAT_ERR_OK)
        return err;
    if (!pressed && !is_over(history) &&
        history->newest_ms - chunk.newest_ms <= history->retention.age_ms_max)
        return LEAT_ERR_OK;

    err = kv->ops->del(kv, LEAT_TABLE_HISTORY, chunk.first, chunk.last);
    const struct leaving *const jobs = (const void *)history->leaving.data;
    const size_t count = history->leaving.size / sizeof *jobs;
    for (size_t i = 0; i < count && err == LEAT_ERR_OK; i++) {
        if (jobs[i].batch != jobs[i].id) /* else it is alone and has no row */
            err = drop_log_row(kv, jobs[i].batch, jobs[i].position, jobs[i].id);
    }
    history->jobs -= count < history->jobs ? count : history->jobs;
    history->bytes -= chunk.bytes < history->bytes ? chunk.bytes : history->bytes;
    history->dropped += count;
    history->changed = true;
    *dropped = true;
    return err;
}

leat_err
leat_history_retain(leat_history *history, leat_kv *kv)
{
    bool dropped = history->jobs > 0;
    leat_err err = LEAT_ERR_OK;
    for (unsigned i = 0; i < DROPS_MAX && dropped && err == LEAT_ERR_OK; i++)
        err = drop_oldest(history, kv, false, &dropped);
    return err;
}

leat_err
leat_history_press(leat_history *history, leat_kv *kv, size_t list_bytes)
{
    const size_t chunks = PRESSED_MIN + list_bytes / PRESSED_BYTES;
    bool dropped = history->jobs > 0 && history->haul.phase == LEAT_HAUL_COPY;
    leat_err err = LEAT_ERR_OK;
    for (size_t i = 0; i < chunks && i < DROPS_MAX && dropped && err == LEAT_ERR_OK; i++)
        err = drop_oldest(history, kv, true, &dropped);
    return err;
}

bool
leat_history_is_pending(const leat_history *history)
{
    return history->trimmed < history->target || is_over(history);
}
