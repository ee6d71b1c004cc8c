/* Rows in LMDB: keys and values in its bytes, with checksums. */
#include "broker/store/lmdb_kv.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "broker/store/fault.h"
#include "proto/base/crc32c.h"

#define CRC_BYTES 4U

/* Rows in parts. */
#define PART_BYTES  1900U
#define SPLIT_MARK  255U
#define SPLIT_BYTES 13U

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
part_key(uint64_t number)
{
    return (leat_key){.high = LEAT_PARTS_KIND, .low = number};
}

static bool
is_part(leat_table table, leat_key key)
{
    return table == LEAT_TABLE_OBJECTS && key.high == LEAT_PARTS_KIND;
}

/* What stands for a row that was put in parts: u8 255 · u32 size · u64 number of the first. */
static bool
is_split(const uint8_t *data, size_t size)
{
    return size == SPLIT_BYTES && data[0] == SPLIT_MARK;
}

static uint64_t
parts_of(uint64_t size)
{
    return (size + PART_BYTES - 1) / PART_BYTES;
}

/* Where a row is put together. */
static leat_buf *
whole_of(leat_lmdb_kv *kv, leat_table table)
{
    return table == LEAT_TABLE_HISTORY ? &kv->rows[kv->next_row++ % LEAT_LMDB_KV_ROWS]
                                       : &kv->whole[table];
}

/* The row as if it had not been put in parts. */
static leat_err
join_parts(leat_lmdb_kv *kv, leat_table table, leat_row *row)
{
    const uint32_t size = leat_load_u32(row->data + 1);
    uint64_t number = leat_load_u64(row->data + 5);
    leat_buf *const whole = whole_of(kv, table);
    leat_buf_reset(whole);
    row->data = NULL;
    row->size = 0;
    for (; whole->size < size; number++) {
        struct key_bytes bytes;
        MDB_val at = *encode_key(LEAT_TABLE_OBJECTS, part_key(number), &bytes);
        MDB_val value;
        leat_row piece = {0};
        const int rc = mdb_get(kv->txn, kv->dbis[LEAT_TABLE_OBJECTS], &at, &value);
        if (rc == MDB_NOTFOUND)
            return LEAT_ERR_CORRUPT;
        const leat_err err = rc == MDB_SUCCESS
                                 ? show_row(kv, LEAT_TABLE_OBJECTS, &at, &value, &piece)
                                 : leat_lmdb_result(kv, rc);
        if (err != LEAT_ERR_OK)
            return err;
        if (piece.size == 0 || piece.size > size - whole->size)
            return LEAT_ERR_CORRUPT;
        leat_put_bytes(whole, piece.data, piece.size);
        if (whole->failed)
            return LEAT_ERR_NOMEM;
    }
    row->data = whole->data;
    row->size = whole->size;
    return LEAT_ERR_OK;
}

static leat_err
show(leat_lmdb_kv *kv, leat_table table, const MDB_val *key, const MDB_val *value, leat_row *row)
{
    const leat_err err = show_row(kv, table, key, value, row);
    if (err != LEAT_ERR_OK || is_part(table, row->key) || !is_split(row->data, row->size))
        return err;
    return join_parts(kv, table, row);
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

static leat_err del_rows(leat_lmdb_kv *kv, leat_table table, leat_key from, leat_key upto);

static leat_err
drop_parts(leat_lmdb_kv *kv, const uint8_t head[SPLIT_BYTES])
{
    const uint64_t count = parts_of(leat_load_u32(head + 1));
    const uint64_t first = leat_load_u64(head + 5);
    return del_rows(kv, LEAT_TABLE_OBJECTS, part_key(first), part_key(first + count - 1));
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
        uint8_t head[SPLIT_BYTES];
        const bool split = !is_part(table, found) && value.mv_size == SPLIT_BYTES + CRC_BYTES &&
                           is_split(value.mv_data, SPLIT_BYTES);
        if (split)
            memcpy(head, value.mv_data, sizeof head);
        rc = mdb_cursor_del(cursor, 0);
        if (rc == MDB_SUCCESS && split) {
            const leat_err err = drop_parts(kv, head);
            if (err != LEAT_ERR_OK)
                return err;
        }
        if (leat_key_compare(found, upto) == 0)
            break;
    }
    return rc == MDB_NOTFOUND ? LEAT_ERR_OK : leat_lmdb_result(kv, rc);
}

/* A row that will be written over may have parts. */
static leat_err
drop_parts_at(leat_lmdb_kv *kv, leat_table table, leat_key key)
{
    struct key_bytes bytes;
    MDB_val at = *encode_key(table, key, &bytes);
    MDB_val value;
    uint8_t head[SPLIT_BYTES];
    const int rc = mdb_get(kv->txn, kv->dbis[table], &at, &value);
    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        return leat_lmdb_result(kv, rc);
    if (rc == MDB_NOTFOUND || value.mv_size != SPLIT_BYTES + CRC_BYTES ||
        !is_split(value.mv_data, SPLIT_BYTES))
        return LEAT_ERR_OK;
    memcpy(head, value.mv_data, sizeof head);
    return drop_parts(kv, head);
}

/* Parts are numbered on, so that they lie one behind the other and fill their pages. */
static leat_err
number_parts(leat_lmdb_kv *kv)
{
    struct key_bytes bytes;
    MDB_val at = *encode_key(LEAT_TABLE_OBJECTS, part_key(UINT64_MAX), &bytes);
    MDB_val value;
    MDB_cursor *cursor;
    leat_key last = {0};
    int rc = kv_cursor(kv, LEAT_TABLE_OBJECTS, &cursor);
    if (rc != MDB_SUCCESS)
        return leat_lmdb_result(kv, rc);
    rc = mdb_cursor_get(cursor, &at, &value, MDB_SET_RANGE);
    if (rc == MDB_SUCCESS || rc == MDB_NOTFOUND)
        rc = mdb_cursor_get(cursor, &at, &value, rc == MDB_SUCCESS ? MDB_PREV : MDB_LAST);
    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        return leat_lmdb_result(kv, rc);
    if (rc == MDB_SUCCESS && !decode_key(LEAT_TABLE_OBJECTS, &at, &last))
        return LEAT_ERR_CORRUPT;
    kv->parts = last.high == LEAT_PARTS_KIND ? last.low : 0;
    kv->has_parts = true;
    return LEAT_ERR_OK;
}

static leat_err
put_parts(leat_lmdb_kv *kv, leat_table table, leat_key key, const uint8_t *data, size_t size)
{
    uint8_t head[SPLIT_BYTES] = {SPLIT_MARK};
    leat_store_u32(head + 1, (uint32_t)size);
    leat_store_u64(head + 5, kv->parts + 1);
    leat_err err = LEAT_ERR_OK;
    for (size_t at = 0; at < size && err == LEAT_ERR_OK; at += PART_BYTES)
        err = put_row(kv, LEAT_TABLE_OBJECTS, part_key(++kv->parts), data + at,
                      size - at < PART_BYTES ? size - at : PART_BYTES);
    return err == LEAT_ERR_OK ? put_row(kv, table, key, head, sizeof head) : err;
}

static leat_err
kv_put(leat_kv *base, leat_table table, leat_key key, const void *data, size_t size)
{
    leat_lmdb_kv *const kv = kv_of(base);
    /* What looks like the head of parts is put in parts itself, so that nothing else does. */
    const bool parts = size > 0 && ((kv->split && size > PART_BYTES) || is_split(data, size));
    leat_err err = kv->has_parts ? LEAT_ERR_OK : number_parts(kv);
    assert(!is_part(table, key));
    if (err == LEAT_ERR_OK && kv->parts > 0) /* else nothing has to be looked up */
        err = drop_parts_at(kv, table, key);
    if (err != LEAT_ERR_OK)
        return err;
    return parts ? put_parts(kv, table, key, data, size) : put_row(kv, table, key, data, size);
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
leat_lmdb_kv_fini(leat_lmdb_kv *kv)
{
    leat_lmdb_kv_forget(kv);
    for (unsigned i = 0; i < LEAT_TABLES; i++)
        leat_buf_fini(&kv->whole[i]);
    for (unsigned i = 0; i < LEAT_LMDB_KV_ROWS; i++)
        leat_buf_fini(&kv->rows[i]);
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
