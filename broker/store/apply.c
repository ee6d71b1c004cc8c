/* Applying a turn's op list to the tables, and handing the tables out again at the start. */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "broker/store/fault.h"
#include "broker/store/tables.h"
#include "proto/base/log.h"
#include "proto/limits.h"

const char *
leat_table_name(leat_table table)
{
    static const char *const names[LEAT_TABLES] = {
        "jobs", "turns", "objects", "history", "logs",
    };
    assert(table < LEAT_TABLES);
    return names[table];
}

leat_err
leat_kv_get(leat_kv *kv, leat_table table, leat_key key, leat_row *row)
{
    const leat_err err = kv->ops->at_or_after(kv, table, key, row);
    if (err != LEAT_ERR_OK && err != LEAT_ERR_CORRUPT)
        return err;
    /* Also a damaged neighbour only says that the row itself is not there. */
    return leat_key_compare(row->key, key) == 0 ? err : LEAT_ERR_NOT_FOUND;
}

void
leat_kv_report(leat_table table, leat_key key, const char *what)
{
    LEAT_LOG(LEAT_LOG_ERROR, "store.corrupt", what, LEAT_KV_TEXT("table", leat_table_name(table)),
             LEAT_KV_U64("high", key.high), LEAT_KV_U64("low", key.low));
}

/* ------------------------------------------------------------------------------------ apply */

/* Write a pack again without the jobs whose bit is not in mask. Bit i is id first_id - first_id %
 * LEAT_CHUNK_IDS + i. */
static leat_err
cut_pack(leat_kv *kv, const leat_row *row, uint32_t mask, leat_buf *scratch)
{
    const uint64_t base = row->key.low % LEAT_CHUNK_IDS;
    leat_pack pack;
    if (leat_pack_open(row->data, row->size, &pack) != LEAT_ERR_OK) {
        leat_kv_report(LEAT_TABLE_JOBS, row->key, "no pack, left alone");
        return LEAT_ERR_OK;
    }

    leat_pack counted = pack;
    leat_pack_job job;
    uint8_t kept = 0;
    for (unsigned i = 0; i < pack.count; i++) {
        leat_pack_next(&counted, &job);
        const uint64_t bit = base + job.offset;
        kept = (uint8_t)(kept + (bit < LEAT_CHUNK_IDS && (mask >> bit & 1U) != 0));
    }
    if (kept == pack.count)
        return LEAT_ERR_OK;
    if (kept == 0)
        return kv->ops->del(kv, LEAT_TABLE_JOBS, row->key, row->key);

    leat_buf_reset(scratch);
    leat_pack_put_head(scratch, pack.head, pack.head_size, kept);
    for (unsigned i = 0; i < pack.count; i++) {
        leat_pack_next(&pack, &job);
        const uint64_t bit = base + job.offset;
        if (bit < LEAT_CHUNK_IDS && (mask >> bit & 1U) != 0)
            leat_pack_put_job(scratch, job.offset, job.payload, job.payload_bytes);
    }
    if (scratch->failed)
        return LEAT_ERR_NOMEM;
    return kv->ops->put(kv, LEAT_TABLE_JOBS, row->key, scratch->data, scratch->size);
}

static leat_err
keep(leat_kv *kv, uint64_t chunk, uint32_t mask, leat_buf *scratch)
{
    const leat_key first = {.low = chunk * LEAT_CHUNK_IDS};
    const leat_key last = {.low = first.low + (LEAT_CHUNK_IDS - 1)};
    if (mask == 0)
        return kv->ops->del(kv, LEAT_TABLE_JOBS, first, last);

    leat_key key = first;
    for (;;) {
        leat_row row;
        leat_err err = kv->ops->at_or_after(kv, LEAT_TABLE_JOBS, key, &row);
        if (err == LEAT_ERR_NOT_FOUND)
            return LEAT_ERR_OK;
        if (err != LEAT_ERR_OK && err != LEAT_ERR_CORRUPT)
            return err;
        const leat_key at = row.key;
        if (at.low > last.low)
            return LEAT_ERR_OK;
        if (err == LEAT_ERR_CORRUPT)
            leat_kv_report(LEAT_TABLE_JOBS, at, "damaged, left alone");
        else if ((err = cut_pack(kv, &row, mask, scratch)) != LEAT_ERR_OK)
            return err;
        if (at.low == last.low)
            return LEAT_ERR_OK;
        key.low = at.low + 1;
    }
}

leat_err
leat_tables_apply(leat_history *history, leat_kv *kv, const leat_changes *changes)
{
    leat_reader ops = leat_reader_over(changes->ops.data, changes->ops.size);
    leat_change change;
    while (leat_changes_next(&ops, &change)) {
        const leat_key number = {.low = change.id};
        const leat_key object = {.high = change.kind, .low = change.id};
        leat_err err = LEAT_ERR_OK;
        if (LEAT_STORE_FAULT(NO_TRIM) && (change.op == LEAT_OP_KEEP || change.op == LEAT_OP_TRIM))
            continue;
        switch ((leat_op)change.op) {
        case LEAT_OP_PACK:
            err = kv->ops->put(kv, LEAT_TABLE_JOBS, number, change.data, change.size);
            break;
        case LEAT_OP_KEEP:
            err = keep(kv, change.id, change.mask, &history->record);
            break;
        case LEAT_OP_TURN:
            err = kv->ops->put(kv, LEAT_TABLE_TURNS, number, change.data, change.size);
            break;
        case LEAT_OP_TRIM:
            if (change.id > history->target) {
                history->target = change.id;
                history->changed = true;
            }
            break;
        case LEAT_OP_PUT:
            err = kv->ops->put(kv, LEAT_TABLE_OBJECTS, object, change.data, change.size);
            break;
        case LEAT_OP_DROP:
            err = kv->ops->del(kv, LEAT_TABLE_OBJECTS, object, object);
            break;
        default:
            assert(false && "an op that nobody writes");
        }
        if (err != LEAT_ERR_OK)
            return err;
    }
    return LEAT_ERR_OK;
}

/* ------------------------------------------------------------------------------------- load */

static leat_err
hand_out(const leat_load *load, leat_table table, const leat_row *row)
{
    switch (table) {
    case LEAT_TABLE_OBJECTS:
        if (row->key.high == 0 || row->key.high == LEAT_PARTS_KIND)
            return LEAT_ERR_OK; /* the store's own; parts, whose rows come whole */
        return load->object(load->context, (leat_object_kind)row->key.high, row->key.low, row->data,
                            row->size);
    case LEAT_TABLE_JOBS:
        return load->pack(load->context, row->key.low, row->data, row->size);
    case LEAT_TABLE_TURNS:
        return load->turn(load->context, row->key.low, row->data, row->size);
    case LEAT_TABLE_HISTORY:
    case LEAT_TABLE_LOGS:
    case LEAT_TABLES:
        break;
    }
    assert(false && "a table that is not loaded");
    return LEAT_ERR_IO;
}

/* The first damage is the one that is told. */
__attribute__((format(printf, 2, 3))) static leat_err
damaged(const leat_load *load, const char *format, ...)
{
    va_list arguments;
    if (load->loaded == NULL || load->loaded->damage[0] != '\0')
        return LEAT_ERR_CORRUPT;
    va_start(arguments, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is not */
    (void)vsnprintf(load->loaded->damage, sizeof load->loaded->damage, format, arguments);
    va_end(arguments);
    return LEAT_ERR_CORRUPT;
}

/* Also a damaged tree can lose rows without an error. */
static leat_err
compare_count(const leat_history *history,
              leat_kv *kv,
              leat_table table,
              uint64_t count,
              const leat_load *load)
{
    const uint64_t of_tree = kv->ops->count(kv, table);
    const leat_totals *const totals = &history->totals;
    const uint64_t wanted =
        totals->format < 2 ? of_tree : totals->rows[table] + (table == LEAT_TABLE_OBJECTS ? 1 : 0);
    if (count == of_tree && count == wanted)
        return LEAT_ERR_OK;
    leat_kv_report(table, (leat_key){.high = count, .low = wanted},
                   "rows are missing: found high of low");
    return damaged(load, "table %s: %" PRIu64 " rows are there, and %" PRIu64 " were written",
                   leat_table_name(table), count == wanted ? of_tree : count, wanted);
}

/* Turns below the target are not handed out: what they say is older than the objects and packs, and
 * only their ends still wait to be moved. They are walked nevertheless, so that rows are counted.
 */
static leat_err
load_table(const leat_history *history,
           leat_kv *kv,
           leat_table table,
           leat_key from,
           const leat_load *load)
{
    leat_key key = {0};
    uint64_t count = 0;
    for (;;) {
        leat_row row;
        leat_err err = kv->ops->at_or_after(kv, table, key, &row);
        if (err == LEAT_ERR_NOT_FOUND)
            break;
        if (err != LEAT_ERR_OK && err != LEAT_ERR_CORRUPT)
            return err;
        if (err == LEAT_ERR_CORRUPT)
            leat_kv_report(table, row.key, "the checksum does not fit");
        if (leat_key_compare(row.key, from) >= 0) {
            if (err == LEAT_ERR_OK)
                err = hand_out(load, table, &row);
            if (err == LEAT_ERR_CORRUPT)
                return damaged(load, "table %s, row %" PRIu64 "/%" PRIu64 " is damaged",
                               leat_table_name(table), row.key.high, row.key.low);
            if (err != LEAT_ERR_OK)
                return err;
        }
        count++;
        key = row.key;
        key.low++;
        if (key.low == 0 && ++key.high == 0)
            break;
    }
    return compare_count(history, kv, table, count, load);
}

leat_err
leat_tables_load(const leat_history *history, leat_kv *kv, const leat_load *load)
{
    const leat_key all = {0};
    const leat_key live = {.low = history->target};
    if (load->loaded != NULL)
        *load->loaded = (leat_loaded){.is_copy = history->totals.is_copy};
    leat_err err = load_table(history, kv, LEAT_TABLE_OBJECTS, all, load);
    if (err == LEAT_ERR_OK)
        err = load_table(history, kv, LEAT_TABLE_JOBS, all, load);
    if (err == LEAT_ERR_OK)
        err = load_table(history, kv, LEAT_TABLE_TURNS, live, load);
    /* The others are only counted: reading them all would take as long as they are large. */
    for (unsigned i = LEAT_TABLE_HISTORY; i < LEAT_TABLES && err == LEAT_ERR_OK; i++)
        err = compare_count(history, kv, (leat_table)i, kv->ops->count(kv, (leat_table)i), load);
    return err;
}
