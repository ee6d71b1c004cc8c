/* leat_lmdb_env: an LMDB environment with our tables, opened. Internal to the LMDB store. */
#ifndef LEAT_STORE_LMDB_ENV_H
#define LEAT_STORE_LMDB_ENV_H

#include <lmdb.h>

#include "broker/store/tables.h"

/* Open the file `path` with MDB_… flags, under the largest map that the system allows: address
 * space only, nothing of it is memory. LMDB's number; *env is NULL on failure. */
int leat_lmdb_env_open(const char *path, unsigned flags, MDB_env **env);

/* Open our tables in a transaction; with `make` they are made. MDB_INVALID: one of them is missing,
 * so it is somebody else's file. */
int leat_lmdb_tables_open(MDB_txn *txn, bool make, MDB_dbi dbis[LEAT_TABLES]);

/* LMDB's words for its own numbers, the system's for the others. */
const char *leat_lmdb_words(int rc, char text[64]);

#endif
