/* A backup or a check in a thread of its own. See chore.h. */
#include "broker/store/chore.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/store/check.h"
#include "proto/base/log.h"

static const char *
name_of(leat_chore_kind kind)
{
    return kind == LEAT_CHORE_BACKUP ? "backup" : "check";
}

static void
tell(const leat_chores *chores, const leat_chore *chore)
{
    if (chore->err != LEAT_ERR_OK)
        LEAT_LOG(LEAT_LOG_ERROR, "store.chore", chore->sentence,
                 LEAT_KV_TEXT("chore", name_of(chore->kind)), LEAT_KV_ERR(chore->err));
    else if (chore->kind == LEAT_CHORE_BACKUP)
        LEAT_LOG(LEAT_LOG_INFO, "store.chore", "backup made", LEAT_KV_TEXT("to", chores->target),
                 LEAT_KV_U64("bytes", chore->bytes));
    else
        LEAT_LOG(chore->findings > 0 ? LEAT_LOG_ERROR : LEAT_LOG_INFO, "store.chore",
                 chore->findings > 0 ? chore->found[0] : "nothing is damaged",
                 LEAT_KV_TEXT("chore", "check"), LEAT_KV_U64("findings", chore->findings));
}

static void *
run(void *arg)
{
    leat_chores *const chores = arg;
    leat_chore chore = {.kind = chores->chore.kind}; /* nobody changes it while it runs */
    if (chore.kind == LEAT_CHORE_BACKUP) {
        chore.err = leat_copy_backup(&chores->backup, chore.sentence);
        chore.bytes = atomic_load(&chores->backup.bytes);
    } else {
        chore.err =
            leat_check_env(chores->env, chores->path, leat_copy_growth_max(chores->folder, 0),
                           &chores->stop, &chore, chore.sentence);
    }
    if (chore.err != LEAT_ERR_OK && chore.sentence[0] == '\0')
        (void)snprintf(chore.sentence, sizeof chore.sentence, "%s", leat_err_message(chore.err));
    tell(chores, &chore);
    pthread_mutex_lock(&chores->mutex);
    chores->chore = chore;
    pthread_mutex_unlock(&chores->mutex);
    return NULL;
}

void
leat_chores_init(leat_chores *chores, MDB_env *env, const char *folder, const char *path)
{
    chores->env = env;
    chores->folder = folder;
    chores->path = path;
    pthread_mutex_init(&chores->mutex, NULL);
}

static void
join(leat_chores *chores)
{
    if (chores->has_thread)
        (void)pthread_join(chores->thread, NULL);
    chores->has_thread = false;
    free(chores->target);
    chores->target = NULL;
}

void
leat_chores_fini(leat_chores *chores)
{
    atomic_store(&chores->stop, true);
    join(chores);
    pthread_mutex_destroy(&chores->mutex);
}

leat_err
leat_chores_start(leat_chores *chores, leat_chore_kind kind, const char *target, char why[512])
{
    leat_chore now;
    leat_chores_get(chores, &now);
    if (now.running) {
        (void)snprintf(why, 512, "a %s runs already", name_of(now.kind));
        return LEAT_ERR_BAD_STATE;
    }
    join(chores);
    chores->target = strdup(target);
    if (chores->target == NULL) {
        (void)snprintf(why, 512, "%s", leat_err_message(LEAT_ERR_NOMEM));
        return LEAT_ERR_NOMEM;
    }
    chores->backup.env = chores->env;
    chores->backup.folder = chores->folder;
    chores->backup.to = chores->target;
    chores->backup.stop = &chores->stop;
    atomic_store(&chores->backup.bytes, 0);
    chores->chore = (leat_chore){.kind = kind, .running = true};

    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int rc = pthread_create(&chores->thread, NULL, run, chores);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    chores->has_thread = rc == 0;
    if (rc == 0)
        return LEAT_ERR_OK;
    chores->chore = (leat_chore){0};
    (void)snprintf(why, 512, "no thread can be started");
    return LEAT_ERR_NOMEM;
}

void
leat_chores_get(leat_chores *chores, leat_chore *out)
{
    pthread_mutex_lock(&chores->mutex);
    *out = chores->chore;
    pthread_mutex_unlock(&chores->mutex);
    if (out->running)
        out->bytes = atomic_load(&chores->backup.bytes);
}
