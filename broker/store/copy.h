/* leat_copy: stores as whole files. New ones, those of an older format, compact ones, backups: each
 * is written beside, synced, and then takes its name, so that no half of one ever has it.
 *
 * Internal to broker/store and the broker's verbs. */
#ifndef LEAT_COPY_H
#define LEAT_COPY_H

#include <lmdb.h>
#include <stdatomic.h>

#include "broker/store/store.h"

/* The files of a store's folder. */
#define LEAT_STORE_FILE     "data.mdb"
#define LEAT_STORE_NEW_FILE "data.mdb.new" /* until it is whole */

/* Make an empty store in a folder that is locked and has none. */
LEAT_NODISCARD leat_err leat_copy_make(const char *folder, char why[512]);

/* The format of the store in a folder. LEAT_ERR_VERSION: newer than ours. */
LEAT_NODISCARD leat_err leat_copy_read_format(const char *folder, uint32_t *format, char why[512]);

/* Write the store of a locked folder again, row by row, in the present format and without free
 * pages, and put it in the old one's place. A row whose checksum does not fit ends it, and so do
 * rows that are missing: the old one stays then.
 *
 * LEAT_ERR_VERSION, LEAT_ERR_CORRUPT, LEAT_ERR_NO_SPACE, LEAT_ERR_IO, LEAT_ERR_NOMEM. */
LEAT_NODISCARD leat_err leat_copy_rebuild(const char *folder, char why[512]);

/* A backup of an environment, consistent as of now, into a folder that is made: written into
 * TO.part, marked as a copy, checked page by page, synced, renamed. It may be written to meanwhile;
 * what it grows by is watched, since it cannot use pages again while somebody reads.
 *
 * LEAT_ERR_CONFIG       the target is there already, or cannot be made.
 * LEAT_ERR_NO_SPACE     there is no room for it, or the store has grown too much.
 * LEAT_ERR_CORRUPT      the copy is damaged as the store is.
 * LEAT_ERR_INTERRUPTED  *stop has become true.
 * LEAT_ERR_VERSION, LEAT_ERR_IO, LEAT_ERR_DENIED, LEAT_ERR_NOMEM. */
typedef struct leat_backup {
    MDB_env *env;
    const char *folder; /* of the store */
    const char *to;
    uint64_t growth_max; /* bytes by which the store may grow meanwhile; 0: half of the free room */
    const atomic_bool *stop;
    _Atomic uint64_t bytes; /* copied so far */
} leat_backup;
LEAT_NODISCARD leat_err leat_copy_backup(leat_backup *backup, char why[512]);

/* By how many bytes the environment may grow while somebody reads: half of what is free on its
 * disk, after `taken` bytes of it are used. */
uint64_t leat_copy_growth_max(const char *folder, uint64_t taken);

/* Bytes from the file's beginning that are in use. */
uint64_t leat_copy_size(MDB_env *env);

#endif
