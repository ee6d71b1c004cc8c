/* leat_check: a store looked at, page by page, without changing anything. Internal to broker/store
 * and the broker's verbs. */
#ifndef LEAT_CHECK_H
#define LEAT_CHECK_H

#include <lmdb.h>
#include <stdatomic.h>

#include "broker/store/store.h"

/* Look at a file that nobody writes, in a child process: a signal that ends it is a finding. Result
 * and findings in *chore. LEAT_ERR_OK: it was looked at. Others: why (at least 512 bytes) has the
 * sentence. */
LEAT_NODISCARD leat_err leat_check_file(const char *path, leat_chore *chore, char why[512]);

/* The sentence about a store that was looked at and is of a newer format: what is found in it says
 * nothing. LEAT_ERR_VERSION. */
LEAT_NODISCARD leat_err leat_check_refuse_newer(const char *path,
                                                const leat_chore *chore,
                                                char why[512]);

/* Look at an environment that this process has open, as of now, while it is written to. A reader is
 * held meanwhile; it is given up when *stop becomes true (LEAT_ERR_INTERRUPTED), or when the file
 * grows by more than growth_max bytes (LEAT_ERR_NO_SPACE). */
LEAT_NODISCARD leat_err leat_check_env(MDB_env *env,
                                       const char *path,
                                       uint64_t growth_max,
                                       const atomic_bool *stop,
                                       leat_chore *chore,
                                       char why[512]);

#endif
