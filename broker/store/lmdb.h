/* leat_store_lmdb: the store in one LMDB environment, written by one commit thread, synced.
 *
 * No WRITEMAP, no NOSYNC. The folder is made (0700) if it is missing; leat.lock in it is flock()ed
 * before LMDB is touched, because LMDB itself would let two brokers open one store. After any error
 * of a commit the store is stopped: commit returns LEAT_ERR_IO for ever. */
#ifndef LEAT_STORE_LMDB_H
#define LEAT_STORE_LMDB_H

#include "broker/store/store.h"

typedef struct leat_store_lmdb_options {
    const char *path; /* folder */
    leat_retention retention;
    bool watch_signals; /* the process notes in leat.lock which signal ends it (guard.h) */
} leat_store_lmdb_options;

/* why (at least 512 bytes) gets one sentence on failure that names path and cause.
 *
 * LEAT_ERR_IN_USE   another process has the store (its pid is in the sentence).
 * LEAT_ERR_DENIED   the folder cannot be made or written.
 * LEAT_ERR_VERSION  the store was written by a newer Leat. (One of an older is written again.)
 * LEAT_ERR_CORRUPT  the file is shorter than its own pages, is no store, or is missing beside its
 *                   lock file, or its pages are damaged (pages.h). Rows are read by load.
 * LEAT_ERR_BAD_STATE  too many lives in a row were ended by a signal.
 * LEAT_ERR_NO_SPACE, LEAT_ERR_IO, LEAT_ERR_NOMEM. */
LEAT_NODISCARD leat_err leat_store_lmdb_open(const leat_store_lmdb_options *options,
                                             leat_store **out,
                                             char why[512]);

/* Readable (eventfd) when durable_upto has risen or a commit has failed; the reader reads 8 bytes.
 */
int leat_store_lmdb_fd(leat_store *store);

/* What stopped the store, or "". */
const char *leat_store_lmdb_sentence(leat_store *store);

#endif
