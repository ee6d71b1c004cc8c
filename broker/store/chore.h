/* leat_chores: the thread that makes a backup or a check beside the store's work. Internal to the
 * LMDB store. */
#ifndef LEAT_CHORE_H
#define LEAT_CHORE_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "broker/store/copy.h"

typedef struct leat_chores {
    MDB_env *env;       /* borrowed */
    const char *folder; /* borrowed */
    const char *path;   /* of the file; borrowed */
    char *target;       /* owned */
    pthread_t thread;
    bool has_thread;
    atomic_bool stop;
    leat_backup backup;

    pthread_mutex_t mutex; /* chore */
    leat_chore chore;
} leat_chores;

void leat_chores_init(leat_chores *chores, MDB_env *env, const char *folder, const char *path);
/* Stops what runs, and waits for it. */
void leat_chores_fini(leat_chores *chores);

/* As leat_store_start_chore and leat_store_get_chore. */
LEAT_NODISCARD leat_err leat_chores_start(leat_chores *chores,
                                          leat_chore_kind kind,
                                          const char *target,
                                          char why[512]);
void leat_chores_get(leat_chores *chores, leat_chore *out);

#endif
