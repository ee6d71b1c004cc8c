/* leat_lmdb_kv: the tables of an LMDB environment as seen by one transaction. Internal to the LMDB
 * store, which begins and ends the transactions.
 *
 * LMDB has no checksums: every value is followed by a CRC-32C over table, key and value. Keys of
 * one number are MDB_INTEGERKEY, the others are 16 bytes in network order, which sorts them.
 *
 * A long row lies in pages beside each other, and a full disk may have enough of them and no such
 * run. So there long rows are put in parts, each less than half a page: the row is then u8 255 ·
 * u32 size · u64 number of its first part, and the parts are rows of OBJECTS, kind LEAT_PARTS_KIND,
 * numbered on. Readers see it whole. */
#ifndef LEAT_STORE_LMDB_KV_H
#define LEAT_STORE_LMDB_KV_H

#include <lmdb.h>

#include "broker/store/tables.h"

/* Those of a chunk are looked at together, and one of another chunk is seen behind them. */
#define LEAT_LMDB_KV_ROWS (2U * LEAT_CHUNK_IDS)

typedef struct leat_lmdb_kv {
    leat_kv kv;
    const MDB_dbi *dbis; /* LEAT_TABLES; borrowed */
    MDB_txn *txn;
    MDB_cursor *cursors[LEAT_TABLES]; /* opened when first used */
    leat_key highest[LEAT_TABLES];    /* writer only: no key above it has been put */
    bool has_highest[LEAT_TABLES];
    bool split;                  /* writer only: put long rows in parts */
    bool has_parts;              /* writer only: `parts` has been looked up */
    uint64_t parts;              /* … the number of the last one; 0: there are none */
    leat_buf whole[LEAT_TABLES]; /* owned; a row that was put in parts, until the next such one
                                    of the table is read */
    leat_buf
        rows[LEAT_LMDB_KV_ROWS]; /* owned; the same of history, until so many others are read */
    unsigned next_row;
    uint8_t *seen_first; /* the lowest and the highest byte of the map that rows have */
    uint8_t *seen_last;  /* been shown of, see leat_lmdb_kv_let_pages_go; NULL: none */
    int rc;              /* the last error of LMDB's own, for the sentence */
} leat_lmdb_kv;

void leat_lmdb_kv_init(leat_lmdb_kv *kv, const MDB_dbi *dbis);

/* Close the cursors; before a write transaction ends, and before the reader does for good. */
void leat_lmdb_kv_forget(leat_lmdb_kv *kv);

/* The same, and what rows were put together in. */
void leat_lmdb_kv_fini(leat_lmdb_kv *kv);

/* Rows were read that nobody will read again soon: what of the map they have made memory of this
 * process is given back. The pages stay in the system's cache. */
void leat_lmdb_kv_let_pages_go(leat_lmdb_kv *kv);

/* LMDB's number as ours; leat_lmdb_result keeps it in kv->rc. */
LEAT_NODISCARD leat_err leat_lmdb_err(int rc);
LEAT_NODISCARD leat_err leat_lmdb_result(leat_lmdb_kv *kv, int rc);

/* A row as it lies in the file. LEAT_ERR_CORRUPT: its checksum does not fit; row->key is set.
 * LEAT_ERR_IO: the key is none of this table. */
LEAT_NODISCARD leat_err leat_lmdb_open_row(leat_table table,
                                           const MDB_val *key,
                                           const MDB_val *value,
                                           leat_row *row);

/* The table's key is one number (MDB_INTEGERKEY). */
bool leat_lmdb_has_one_number(leat_table table);

#endif
