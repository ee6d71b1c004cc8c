/* Rows in LMDB: keys and values in its bytes, with checksums. */
#include "broker/store/lmdb_kv.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "broker/store/fault.h"
#include "proto/base/crc32c.h"

#define CRC_BYTES 4U

/* Turns in parts. */
#define PART_BYTES  1900U
#define PART_BITS   12U
#define PARTS_MAX   ((1U << PART_BITS) - 1U)
#define SPLIT_MARK  255U /* no entry of a turn begins with it */
#define SPLIT_BYTES 5U

leat_err
leat_lmdb_err(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return LEAT_ERR_OK;
    case MDB_NOTFOUND:
        return LEAT_ERR_NOT_FOUND;
    case ENOMEM:
        return LEAT_ERR_NOMEM;
    case ENOSPC:
    case MDB_MAP_FULL:
        return LEAT_ERR_NO_SPACE;
    case MDB_PAGE_NOTFOUND:
    case MDB_CORRUPTED:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_VALSIZE:
    case MDB_BAD_DBI:
        return LEAT_ERR_CORRUPT;
    default:
        return rc > 0 ? leat_err_from_errno(rc) : LEAT_ERR_IO;
    }
}

/* -------------------------------------------------------------------------------------- rows */

/* A key in the bytes that LMDB sorts by: a native number, or two big-endian ones. */
struct key_bytes {
    _Alignas(uint64_t) uint8_t bytes[16];
    MDB_val val;
};

bool
leat_lmdb_has_one_number(leat_table table)
{
    return table == LEAT_TABLE_JOBS || table == LEAT_TABLE_TURNS || table == LEAT_TABLE_HISTORY;
}

static MDB_val *
encode_key(leat_table table, leat_key key, struct key_bytes *out)
{
    out->val.mv_data = out->bytes;
    if (leat_lmdb_has_one_number(table)) {
        assert(key.high == 0);
        memcpy(out->bytes, &key.low, sizeof key.low);
        out->val.mv_size = sizeof key.low;
    } else {
        leat_store_u64(out->bytes, key.high);
        leat_store_u64(out->bytes + 8, key.low);
        out->val.mv_size = 16;
    }
    return &out->val;
}

static bool
decode_key(leat_table table, const MDB_val *val, leat_key *key)
{
    *key = (leat_key){0};
    if (leat_lmdb_has_one_number(table)) {
        if (val->mv_size != sizeof key->low)
            return false;
        memcpy(&key->low, val->mv_data, sizeof key->low);
        return true;
    }
    if (val->mv_size != 16)
        return false;
    key->high = leat_load_u64(val->mv_data);
    key->low = leat_load_u64((const uint8_t *)val->mv_data + 8);
    return true;
}

static uint32_t
row_crc(leat_table table, leat_key key, const void *data, size_t size)
{
    uint8_t prefix[17];
    prefix[0] = (uint8_t)table;
    leat_store_u64(prefix + 1, key.high);
    leat_store_u64(prefix + 9, key.low);
    return leat_crc32c(leat_crc32c(0, prefix, sizeof prefix), data, size);
}

static leat_lmdb_kv *
kv_of(leat_kv *kv)
{
    return (leat_lmdb_kv *)kv;
}

leat_err
leat_lmdb_result(leat_lmdb_kv *kv, int rc)
{
    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        kv->rc = rc;
    return leat_lmdb_err(rc);
}

static int
kv_cursor(leat_lmdb_kv *kv, leat_table table, MDB_cursor **out)
{
    int rc = MDB_SUCCESS;
    if (kv->cursors[table] == NULL)
        rc = mdb_cursor_open(kv->txn, kv->dbis[table], &kv->cursors[table]);
    *out = kv->cursors[table];
    return rc;
}

/* Values lie in one mapping, so that what is between two of them does, too. */
static void
note_seen(leat_lmdb_kv *kv, uint8_t *data, size_t size)
{
    if (kv->seen_first == NULL || data < kv->seen_first)
        kv->seen_first = data;
    if (data + size > kv->seen_last)
        kv->seen_last = data + size;
}

void
leat_lmdb_kv_let_pages_go(leat_lmdb_kv *kv)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    if (kv->seen_first == NULL)
        return;
    const size_t before = (uintptr_t)kv->seen_first % page;
    /* Only advice: where it is not taken, the pages are memory for a while longer. */
    (void)madvise(kv->seen_first - before, (size_t)(kv->seen_last - kv->seen_first) + before,
                  MADV_DONTNEED);
    kv->seen_first = kv->seen_last = NULL;
}

leat_err
leat_lmdb_open_row(leat_table table, const MDB_val *key, const MDB_val *value, leat_row *row)
{
    row->data = NULL;
    row->size = 0;
    if (!decode_key(table, key, &row->key))
        return LEAT_ERR_IO; /* a table that is not ours */
    if (value->mv_size < CRC_BYTES)
        return LEAT_ERR_CORRUPT;
    const uint8_t *const data = value->mv_data;
    const size_t size = value->mv_size - CRC_BYTES;
    if (leat_load_u32(data + size) != row_crc(table, row->key, data, size) &&
        !LEAT_STORE_FAULT(NO_CRC))
        return LEAT_ERR_CORRUPT;
    row->data = data;
    row->size = size;
    return LEAT_ERR_OK;
}

/* Of the reader, whose pages are given back. */
static leat_err
show_row(
    leat_lmdb_kv *kv, leat_table table, const MDB_val *key, const MDB_val *value, leat_row *row)
{
    const leat_err err = leat_lmdb_open_row(table, key, value, row);
    if (err == LEAT_ERR_OK)
        note_seen(kv, value->mv_data, value->mv_size);
    return err;
}

static leat_key
part_key(uint64_t number, unsigned part)
{
    return (leat_key){.low = number << PART_BITS | part};
}

static bool
is_split(leat_table table, const uint8_t *data, size_t size)
{
    return table == LEAT_TABLE_TURNS && size == SPLIT_BYTES && data[0] == SPLIT_MARK;
}

/* The row of a turn that was put in parts, as if it had not been. */
static leat_err
join_parts(leat_lmdb_kv *kv, leat_row *row)
{
    const uint64_t number = row->key.low;
    const uint32_t size = leat_load_u32(row->data + 1);
    leat_buf_reset(&kv->whole);
    row->data = NULL;
    row->size = 0;
    for (unsigned part = 1; kv->whole.size < size; part++) {
        struct key_bytes bytes;
        MDB_val at = *encode_key(LEAT_TABLE_OBJECTS, part_key(number, part), &bytes);
        MDB_val value;
        leat_row piece = {0};
        if (part > PARTS_MAX)
            return LEAT_ERR_CORRUPT;
        const int rc = mdb_get(kv->txn, kv->dbis[LEAT_TABLE_OBJECTS], &at, &value);
        if (rc == MDB_NOTFOUND)
            return LEAT_ERR_CORRUPT;
        const leat_err err = rc == MDB_SUCCESS
                                 ? show_row(kv, LEAT_TABLE_OBJECTS, &at, &value, &piece)
                                 : leat_lmdb_result(kv, rc);
        if (err != LEAT_ERR_OK)
            return err;
        if (piece.size == 0 || piece.size > size - kv->whole.size)
            return LEAT_ERR_CORRUPT;
        leat_put_bytes(&kv->whole, piece.data, piece.size);
        if (kv->whole.failed)
            return LEAT_ERR_NOMEM;
    }
    row->data = kv->whole.data;
    row->size = kv->whole.size;
    return LEAT_ERR_OK;
}

static leat_err
show(leat_lmdb_kv *kv, leat_table table, const MDB_val *key, const MDB_val *value, leat_row *row)
{
    const leat_err err = show_row(kv, table, key, value, row);
    return err == LEAT_ERR_OK && is_split(table, row->data, row->size) ? join_parts(kv, row) : err;
}

static leat_err
kv_at_or_after(leat_kv *base, leat_table table, leat_key key, leat_row *row)
{
    leat_lmdb_kv *const kv = kv_of(base);
    struct key_bytes bytes;
    MDB_val at = *encode_key(table, key, &bytes);
    MDB_val value;
    MDB_cursor *cursor;
    int rc = kv_cursor(kv, table, &cursor);
    if (rc == MDB_SUCCESS)
        rc = mdb_cursor_get(cursor, &at, &value, MDB_SET_RANGE);
    if (rc != MDB_SUCCESS)
        return leat_lmdb_result(kv, rc);
    return show(kv, table, &at, &value, row);
}

static leat_err
kv_at_or_before(leat_kv *base, leat_table table, leat_key key, leat_row *row)
{
    leat_lmdb_kv *const kv = kv_of(base);
    struct key_bytes bytes;
    MDB_val at = *encode_key(table, key, &bytes);
    MDB_val value;
    MDB_cursor *cursor;
    int rc = kv_cursor(kv, table, &cursor);
    if (rc == MDB_SUCCESS) {
        rc = mdb_cursor_get(cursor, &at, &value, MDB_SET_RANGE);
        leat_key found;
        if (rc == MDB_NOTFOUND)
            rc = mdb_cursor_get(cursor, &at, &value, MDB_LAST);
        else if (rc == MDB_SUCCESS &&
                 (!decode_key(table, &at, &found) || leat_key_compare(found, key) != 0))
            rc = mdb_cursor_get(cursor, &at, &value, MDB_PREV);
    }
    if (rc != MDB_SUCCESS)
        return leat_lmdb_result(kv, rc);
    return show(kv, table, &at, &value, row);
}

/* Remember the highest key, so that rising ones are appended: full pages, and no search. */
static leat_err
find_highest(leat_lmdb_kv *kv, leat_table table, MDB_cursor *cursor)
{
    MDB_val at;
    MDB_val value;
    const int rc = mdb_cursor_get(cursor, &at, &value, MDB_LAST);
    kv->highest[table] = (leat_key){0};
    if (rc == MDB_SUCCESS && !decode_key(table, &at, &kv->highest[table]))
        return LEAT_ERR_CORRUPT;
    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        return leat_lmdb_result(kv, rc);
    kv->has_highest[table] = true;
    return LEAT_ERR_OK;
}

static leat_err
put_row(leat_lmdb_kv *kv, leat_table table, leat_key key, const void *data, size_t size)
{
    struct key_bytes bytes;
    MDB_cursor *cursor;
    int rc = kv_cursor(kv, table, &cursor);
    if (rc != MDB_SUCCESS)
        return leat_lmdb_result(kv, rc);
    if (!kv->has_highest[table]) {
        const leat_err err = find_highest(kv, table, cursor);
        if (err != LEAT_ERR_OK)
            return err;
    }
    MDB_val at = *encode_key(table, key, &bytes);
    MDB_val value = {.mv_size = size + CRC_BYTES};
    const bool rises = leat_key_compare(key, kv->highest[table]) > 0;
    rc = mdb_cursor_put(cursor, &at, &value, MDB_RESERVE | (rises ? MDB_APPEND : 0U));
    if (rc == MDB_KEYEXIST) {
        value = (MDB_val){.mv_size = size + CRC_BYTES};
        rc = mdb_cursor_put(cursor, &at, &value, MDB_RESERVE);
    }
    if (rc != MDB_SUCCESS)
        return leat_lmdb_result(kv, rc);
    if (rises)
        kv->highest[table] = key;
    if (size > 0)
        memcpy(value.mv_data, data, size);
    leat_store_u32((uint8_t *)value.mv_data + size, row_crc(table, key, data, size));
    return LEAT_ERR_OK;
}

static leat_err
kv_put(leat_kv *base, leat_table table, leat_key key, const void *data, size_t size)
{
    leat_lmdb_kv *const kv = kv_of(base);
    uint8_t head[SPLIT_BYTES] = {SPLIT_MARK};
    if (table != LEAT_TABLE_TURNS || !kv->split || size <= PART_BYTES ||
        size > (size_t)PARTS_MAX * PART_BYTES)
        return put_row(kv, table, key, data, size);
    leat_err err = LEAT_ERR_OK;
    unsigned part = 1;
    for (size_t at = 0; at < size && err == LEAT_ERR_OK; at += PART_BYTES, part++)
        err = put_row(kv, LEAT_TABLE_OBJECTS, part_key(key.low, part), (const uint8_t *)data + at,
                      size - at < PART_BYTES ? size - at : PART_BYTES);
    leat_store_u32(head + 1, (uint32_t)size);
    return err == LEAT_ERR_OK ? put_row(kv, table, key, head, sizeof head) : err;
}

static leat_err
del_rows(leat_lmdb_kv *kv, leat_table table, leat_key from, leat_key upto)
{
    MDB_cursor *cursor;
    int rc = kv_cursor(kv, table, &cursor);
    while (rc == MDB_SUCCESS) {
        struct key_bytes bytes;
        MDB_val at = *encode_key(table, from, &bytes);
        MDB_val value;
        leat_key found;
        rc = mdb_cursor_get(cursor, &at, &value, MDB_SET_RANGE);
        if (rc != MDB_SUCCESS)
            break;
        if (!decode_key(table, &at, &found))
            return LEAT_ERR_CORRUPT;
        if (leat_key_compare(found, upto) > 0)
            return LEAT_ERR_OK;
        if (value.mv_size >= CRC_BYTES &&
            is_split(table, value.mv_data, value.mv_size - CRC_BYTES)) {
            const leat_err err = del_rows(kv, LEAT_TABLE_OBJECTS, part_key(found.low, 1),
                                          part_key(found.low, PARTS_MAX));
            if (err != LEAT_ERR_OK)
                return err;
        }
        rc = mdb_cursor_del(cursor, 0);
        if (leat_key_compare(found, upto) == 0)
            break;
    }
    return rc == MDB_NOTFOUND ? LEAT_ERR_OK : leat_lmdb_result(kv, rc);
}

static leat_err
kv_del(leat_kv *base, leat_table table, leat_key from, leat_key upto)
{
    return del_rows(kv_of(base), table, from, upto);
}

static uint64_t
kv_count(leat_kv *base, leat_table table)
{
    leat_lmdb_kv *const kv = kv_of(base);
    MDB_stat stat = {0};
    if (mdb_stat(kv->txn, kv->dbis[table], &stat) != MDB_SUCCESS)
        return UINT64_MAX;
    return stat.ms_entries;
}

static uint64_t
kv_txnid(leat_kv *base)
{
    return mdb_txn_id(kv_of(base)->txn);
}

static const leat_kv_ops lmdb_kv_ops = {
    .at_or_after = kv_at_or_after,
    .at_or_before = kv_at_or_before,
    .put = kv_put,
    .del = kv_del,
    .count = kv_count,
    .txnid = kv_txnid,
};

void
leat_lmdb_kv_init(leat_lmdb_kv *kv, const MDB_dbi *dbis)
{
    *kv = (leat_lmdb_kv){.kv.ops = &lmdb_kv_ops, .dbis = dbis};
}

void
leat_lmdb_kv_forget(leat_lmdb_kv *kv)
{
    for (unsigned i = 0; i < LEAT_TABLES; i++) {
        if (kv->cursors[i] != NULL)
            mdb_cursor_close(kv->cursors[i]);
        kv->cursors[i] = NULL;
    }
}
