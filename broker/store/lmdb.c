/* The LMDB store: one environment, one commit thread, synced.
 *
 *     loop:           commit ──► queue (bounded) ─┐      fetch, load: a read transaction a call
 *     commit thread:                              └──► all that wait, in one transaction ──►
 *                     sync ──► durable_upto, eventfd ──► a step of history ──► …
 *
 * Two processes may open one LMDB environment, so leat.lock is flock()ed before it is touched. How
 * a new one is made lies in birth.c. */
#include "broker/store/lmdb.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/store/birth.h"
#include "broker/store/fault.h"
#include "broker/store/lmdb_kv.h"
#include "broker/store/tail.h"
#include "proto/base/log.h"

/* What may wait for the commit thread; commit() blocks when it is more. The loop produces far less
 * between two syncs, unless the disk stands still. */
#define QUEUE_LISTS 64U
#define QUEUE_BYTES ((size_t)64 * 1024 * 1024)

#define WHY_BYTES 512U

struct waiting {
    leat_changes changes;
    uint64_t number;
};

typedef struct lmdb_store {
    leat_store store;
    int lock_fd;
    int event_fd;
    MDB_env *env;
    MDB_dbi dbis[LEAT_TABLES];
    char *data_path;

    /* The reader: loop's thread only. */
    leat_lmdb_kv reader;
    leat_fetcher fetcher;

    /* The writer: commit thread only, once it runs. */
    leat_lmdb_kv writer;
    leat_history history;
    uint64_t used_bytes;
    uint64_t commits;
    pthread_t thread;
    bool has_thread;

    _Atomic uint64_t durable_upto;

    pthread_mutex_t mutex; /* everything below */
    pthread_cond_t work;   /* something waits, or stop */
    pthread_cond_t room;   /* the queue was taken, or the store has failed */
    struct waiting queue[QUEUE_LISTS];
    unsigned queue_count;
    size_t queue_bytes;
    bool stop;
    bool failed;
    char sentence[WHY_BYTES];
    leat_store_facts facts;
} lmdb_store;

static lmdb_store *
self_of(leat_store *store)
{
    return (lmdb_store *)store;
}

/* ----------------------------------------------------------------------------- transactions */

static int
begin_write(lmdb_store *self)
{
    return mdb_txn_begin(self->env, NULL, 0, &self->writer.txn);
}

static leat_err
end_write(lmdb_store *self, leat_err err)
{
    leat_lmdb_kv_forget(&self->writer);
    if (err == LEAT_ERR_OK)
        err = leat_lmdb_result(&self->writer, mdb_txn_commit(self->writer.txn));
    else
        mdb_txn_abort(self->writer.txn);
    self->writer.txn = NULL;
    return err;
}

static leat_err
begin_read(lmdb_store *self)
{
    leat_lmdb_kv *const reader = &self->reader;
    if (reader->txn == NULL)
        return leat_lmdb_result(reader, mdb_txn_begin(self->env, NULL, MDB_RDONLY, &reader->txn));
    int rc = mdb_txn_renew(reader->txn);
    for (unsigned i = 0; i < LEAT_TABLES && rc == MDB_SUCCESS; i++) {
        if (reader->cursors[i] != NULL)
            rc = mdb_cursor_renew(reader->txn, reader->cursors[i]);
    }
    return leat_lmdb_result(reader, rc);
}

/* An open reader keeps pages from being used again: it lives as long as one call. */
static void
end_read(lmdb_store *self)
{
    mdb_txn_reset(self->reader.txn);
}

/* ---------------------------------------------------------------------------- commit thread */

static void
wake(lmdb_store *self)
{
    const uint64_t one = 1;
    /* EAGAIN: the counter is full, so it is readable anyway. */
    const ssize_t n = write(self->event_fd, &one, sizeof one);
    (void)n;
}

/* LMDB's words for its own numbers, the system's for the others. */
static const char *
words_of(int rc, char text[64])
{
    return rc > 0 ? leat_log_errno_text(rc, text, 64) : mdb_strerror(rc);
}

/* Nothing is taken any more. The first sentence stays: it may have been given out. */
static void
refuse_more(lmdb_store *self, const char *cause)
{
    pthread_mutex_lock(&self->mutex);
    if (!self->failed)
        (void)snprintf(self->sentence, WHY_BYTES, "the store %s cannot be written: %s",
                       self->data_path, cause);
    self->failed = true;
    pthread_cond_broadcast(&self->room);
    pthread_mutex_unlock(&self->mutex);
    LEAT_LOG(LEAT_LOG_ERROR, "store.commit", "the store has stopped",
             LEAT_KV_TEXT("path", self->data_path), LEAT_KV_TEXT("why", cause));
    wake(self);
}

/* Before the transaction ends: what facts will tell when it has. */
static uint64_t
used_bytes(lmdb_store *self)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < LEAT_TABLES; i++) {
        MDB_stat stat;
        if (mdb_stat(self->writer.txn, self->dbis[i], &stat) == MDB_SUCCESS)
            bytes += (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) *
                     (uint64_t)stat.ms_psize;
    }
    return bytes;
}

static void
note_facts(lmdb_store *self)
{
    struct stat file;
    const bool has_size = stat(self->data_path, &file) == 0;
    pthread_mutex_lock(&self->mutex);
    if (has_size)
        self->facts.file_bytes = (uint64_t)file.st_size;
    self->facts.used_bytes = self->used_bytes;
    self->facts.history_jobs = self->history.jobs;
    self->facts.history_dropped = self->history.dropped;
    self->facts.trimmed = self->history.trimmed;
    self->facts.commits = self->commits;
    pthread_mutex_unlock(&self->mutex);
}

/* Apply the lists, take a step of history, sync. */
static leat_err
commit_lists(lmdb_store *self, const struct waiting *lists, unsigned count)
{
    leat_err err = leat_lmdb_result(&self->writer, begin_write(self));
    if (err != LEAT_ERR_OK)
        return err;
    size_t bytes = 0;
    for (unsigned i = 0; i < count && err == LEAT_ERR_OK; i++) {
        bytes += lists[i].changes.ops.size;
        err = leat_tables_apply(&self->history, &self->writer.kv, &lists[i].changes);
    }
    if (err == LEAT_ERR_OK)
        err = leat_history_step(&self->history, &self->writer.kv, bytes);
    if (err == LEAT_ERR_OK)
        err = leat_history_save(&self->history, &self->writer.kv);
    self->used_bytes = used_bytes(self);
    return end_write(self, err);
}

/* Wait for lists, and take all of them. False: there is nothing more to do, ever. */
static bool
take_lists(lmdb_store *self, struct waiting *lists, unsigned *count)
{
    pthread_mutex_lock(&self->mutex);
    while (self->queue_count == 0 && !self->stop && !leat_history_is_pending(&self->history))
        pthread_cond_wait(&self->work, &self->mutex);
    const bool go_on = self->queue_count > 0 || !self->stop;
    *count = self->queue_count;
    memcpy(lists, self->queue, *count * sizeof *lists);
    self->queue_count = 0;
    self->queue_bytes = 0;
    pthread_cond_broadcast(&self->room);
    pthread_mutex_unlock(&self->mutex);
    return go_on;
}

static void
tell_durable(lmdb_store *self, uint64_t number)
{
    atomic_store(&self->durable_upto, number);
    wake(self);
}

static void *
commit_thread(void *arg)
{
    lmdb_store *const self = arg;
    struct waiting lists[QUEUE_LISTS];
    unsigned count;
    while (take_lists(self, lists, &count)) {
        if (LEAT_STORE_FAULT(TOLD_EARLY) && count > 0)
            tell_durable(self, lists[count - 1].number);
        const leat_err err = commit_lists(self, lists, count);
        for (unsigned i = 0; i < count; i++)
            leat_changes_fini(&lists[i].changes);
        if (err != LEAT_ERR_OK) {
            char text[64];
            refuse_more(self, self->writer.rc != 0 ? words_of(self->writer.rc, text)
                                                   : leat_err_message(err));
            break;
        }
        self->commits++;
        note_facts(self);
        if (count > 0)
            tell_durable(self, lists[count - 1].number);
    }
    return NULL;
}

/* ----------------------------------------------------------------------------------- the face */

/* Blocks while QUEUE_LISTS lists or QUEUE_BYTES bytes wait already. */
static leat_err
lmdb_commit(leat_store *store, leat_changes *changes, uint64_t number)
{
    lmdb_store *const self = self_of(store);
    if (changes->ops.failed) {
        /* A later list must not become durable without this one. */
        leat_changes_fini(changes);
        refuse_more(self, leat_err_message(LEAT_ERR_NOMEM));
        return LEAT_ERR_NOMEM;
    }
    pthread_mutex_lock(&self->mutex);
    while (!self->failed &&
           (self->queue_count == QUEUE_LISTS ||
            (self->queue_count > 0 && self->queue_bytes + changes->ops.size > QUEUE_BYTES)))
        pthread_cond_wait(&self->room, &self->mutex);
    const bool failed = self->failed;
    if (!failed) {
        self->queue[self->queue_count++] = (struct waiting){.changes = *changes, .number = number};
        self->queue_bytes += changes->ops.size;
        pthread_cond_signal(&self->work);
    }
    pthread_mutex_unlock(&self->mutex);
    if (failed) {
        leat_changes_fini(changes);
        return LEAT_ERR_IO;
    }
    *changes = (leat_changes){0};
    return LEAT_ERR_OK;
}

static uint64_t
lmdb_durable_upto(leat_store *store)
{
    return atomic_load(&self_of(store)->durable_upto);
}

static leat_err
lmdb_fetch(leat_store *store,
           const leat_fetch *fetches,
           size_t count,
           leat_fetched_fn *call,
           void *context)
{
    lmdb_store *const self = self_of(store);
    if (begin_read(self) != LEAT_ERR_OK)
        return LEAT_ERR_IO;
    leat_tables_fetch(&self->fetcher, &self->reader.kv, fetches, count, call, context);
    end_read(self);
    return LEAT_ERR_OK;
}

/* The state of history that fits the tables is the one that the same transaction reads. */
static leat_err
lmdb_load(leat_store *store, const leat_load *load)
{
    lmdb_store *const self = self_of(store);
    leat_history history;
    leat_history_init(&history, NULL);
    leat_err err = begin_read(self);
    if (err != LEAT_ERR_OK)
        return err;
    err = leat_history_read(&history, &self->reader.kv);
    if (err == LEAT_ERR_OK)
        err = leat_tables_load(&history, &self->reader.kv, load);
    leat_lmdb_kv_let_pages_go(&self->reader);
    end_read(self);
    return err;
}

static void
lmdb_facts(leat_store *store, leat_store_facts *facts)
{
    lmdb_store *const self = self_of(store);
    pthread_mutex_lock(&self->mutex);
    *facts = self->facts;
    pthread_mutex_unlock(&self->mutex);
}

static void
lmdb_destroy(leat_store **store_p)
{
    lmdb_store *const self = self_of(*store_p);
    *store_p = NULL;
    if (self->has_thread) {
        pthread_mutex_lock(&self->mutex);
        self->stop = true;
        pthread_cond_signal(&self->work);
        pthread_mutex_unlock(&self->mutex);
        pthread_join(self->thread, NULL);
    }
    for (unsigned i = 0; i < self->queue_count; i++)
        leat_changes_fini(&self->queue[i].changes);
    if (self->reader.txn != NULL) {
        leat_lmdb_kv_forget(&self->reader);
        mdb_txn_abort(self->reader.txn);
    }
    if (self->env != NULL)
        mdb_env_close(self->env);
    leat_history_fini(&self->history);
    leat_fetcher_fini(&self->fetcher);
    pthread_cond_destroy(&self->work);
    pthread_cond_destroy(&self->room);
    pthread_mutex_destroy(&self->mutex);
    if (self->event_fd >= 0)
        close(self->event_fd);
    /* Last: another process may have the store from here on. */
    if (self->lock_fd >= 0)
        close(self->lock_fd);
    free(self->data_path);
    free(self);
}

static const leat_store_ops lmdb_ops = {
    .commit = lmdb_commit,
    .durable_upto = lmdb_durable_upto,
    .fetch = lmdb_fetch,
    .load = lmdb_load,
    .facts = lmdb_facts,
    .destroy = lmdb_destroy,
};

int
leat_store_lmdb_fd(leat_store *store)
{
    return self_of(store)->event_fd;
}

/* The sentence is written once, before `failed` is, and never again. */
const char *
leat_store_lmdb_sentence(leat_store *store)
{
    lmdb_store *const self = self_of(store);
    pthread_mutex_lock(&self->mutex);
    const char *const sentence = self->failed ? self->sentence : "";
    pthread_mutex_unlock(&self->mutex);
    return sentence;
}

/* -------------------------------------------------------------------------------- opening it */

static leat_err
refuse_errno(char *why, const char *what, const char *path, int errnum)
{
    char text[64];
    (void)snprintf(why, WHY_BYTES, "%s %s: %s", what, path,
                   leat_log_errno_text(errnum, text, sizeof text));
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return LEAT_ERR_NO_SPACE;
    case ENOMEM:
        return LEAT_ERR_NOMEM;
    case EIO:
    case EMFILE:
    case ENFILE:
        return LEAT_ERR_IO;
    default:
        return LEAT_ERR_DENIED;
    }
}

static leat_err
open_folder(const char *path, char *why)
{
    char *copy = strdup(path);
    if (copy == NULL)
        return LEAT_ERR_NOMEM;
    /* A slash at the end would make the last part empty. */
    size_t size = strlen(copy);
    while (size > 1 && copy[size - 1] == '/')
        copy[--size] = '\0';
    leat_err err = LEAT_ERR_OK;
    if (size == 0 || !leat_birth_folder(copy))
        err = refuse_errno(why, "cannot make the folder", path, size == 0 ? ENOENT : errno);
    free(copy);
    return err;
}

/* A path in the folder; the caller frees it. */
static char *
path_in(const char *folder, const char *name)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, name) < 0)
        return NULL;
    return path;
}

static leat_err
lock_folder(lmdb_store *self, const char *folder, char *why)
{
    char *const path = path_in(folder, "leat.lock");
    if (path == NULL)
        return LEAT_ERR_NOMEM;
    leat_err err = LEAT_ERR_OK;
    char pid[32] = "";
    int n;
    self->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (self->lock_fd < 0) {
        err = refuse_errno(why, "cannot open", path, errno);
        goto done;
    }
    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) {
            err = refuse_errno(why, "cannot lock", path, errno);
            goto done;
        }
        n = (int)pread(self->lock_fd, pid, sizeof pid - 1, 0);
        pid[n > 0 ? n : 0] = '\0';
        pid[strcspn(pid, "\n")] = '\0';
        (void)snprintf(why, WHY_BYTES, "the store %s is in use by process %s", folder,
                       pid[0] == '\0' ? "(unknown)" : pid);
        err = LEAT_ERR_IN_USE;
        goto done;
    }
    n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (n < 0 || ftruncate(self->lock_fd, 0) != 0 || pwrite(self->lock_fd, pid, (size_t)n, 0) != n)
        err = refuse_errno(why, "cannot write", path, errno);

done:
    free(path);
    return err;
}

/* The environment with the largest map that the system allows: address space only, nothing of it is
 * memory. */
static int
open_env(lmdb_store *self, const char *folder)
{
    int rc = ENOMEM;
    for (size_t map_bytes = (size_t)1 << 40; map_bytes >= (size_t)1 << 26; map_bytes >>= 2) {
        rc = mdb_env_create(&self->env);
        if (rc != MDB_SUCCESS)
            return rc;
        rc = mdb_env_set_maxdbs(self->env, LEAT_TABLES);
        if (rc == MDB_SUCCESS)
            rc = mdb_env_set_mapsize(self->env, map_bytes);
        /* NOTLS: a read transaction belongs to the store, not to the thread that calls it. */
        if (rc == MDB_SUCCESS)
            rc = mdb_env_open(self->env, folder,
                              MDB_NOTLS | (LEAT_STORE_FAULT(NO_SYNC) ? MDB_NOSYNC : 0U), 0600);
        if (rc == MDB_SUCCESS)
            return rc;
        mdb_env_close(self->env);
        self->env = NULL;
        if (rc != ENOMEM && rc != EINVAL && rc != EOVERFLOW)
            return rc;
    }
    return rc;
}

/* A file that was cut short ends the process with SIGBUS when the missing part is read. Opening has
 * read the two meta pages only. */
static leat_err
check_size(lmdb_store *self, char *why)
{
    MDB_envinfo info;
    MDB_stat stat_env;
    struct stat file;
    int rc = mdb_env_info(self->env, &info);
    if (rc == MDB_SUCCESS)
        rc = mdb_env_stat(self->env, &stat_env);
    if (rc != MDB_SUCCESS || stat(self->data_path, &file) != 0) {
        (void)snprintf(why, WHY_BYTES, "cannot look at %s", self->data_path);
        return LEAT_ERR_IO;
    }
    const uint64_t wanted = ((uint64_t)info.me_last_pgno + 1) * stat_env.ms_psize;
    if ((uint64_t)file.st_size >= wanted ||
        leat_tail_is_free(self->env, self->data_path, (uint64_t)file.st_size, wanted))
        return LEAT_ERR_OK;
    (void)snprintf(why, WHY_BYTES, "%s has been cut short: it has %llu bytes of %llu",
                   self->data_path, (unsigned long long)file.st_size, (unsigned long long)wanted);
    return LEAT_ERR_CORRUPT;
}

/* Open our tables in the write transaction; in an empty environment they are made. */
static int
open_tables(lmdb_store *self, bool *is_new)
{
    MDB_txn *const txn = self->writer.txn;
    MDB_dbi main_dbi;
    MDB_stat stat;
    int rc = mdb_dbi_open(txn, NULL, 0, &main_dbi);
    if (rc == MDB_SUCCESS)
        rc = mdb_stat(txn, main_dbi, &stat);
    if (rc != MDB_SUCCESS)
        return rc;
    *is_new = stat.ms_entries == 0;
    for (unsigned i = 0; i < LEAT_TABLES; i++) {
        const unsigned key = leat_lmdb_has_one_number((leat_table)i) ? MDB_INTEGERKEY : 0;
        rc = mdb_dbi_open(txn, leat_table_name((leat_table)i), key | (*is_new ? MDB_CREATE : 0U),
                          &self->dbis[i]);
        if (rc != MDB_SUCCESS)
            return rc == MDB_NOTFOUND ? MDB_INVALID : rc; /* somebody else's tables */
    }
    return MDB_SUCCESS;
}

static leat_err
read_state(lmdb_store *self, char *why)
{
    bool is_new = false;
    char text[64];
    int rc = begin_write(self);
    if (rc != MDB_SUCCESS) {
        (void)snprintf(why, WHY_BYTES, "cannot begin with %s: %s", self->data_path,
                       words_of(rc, text));
        return leat_lmdb_err(rc);
    }
    leat_err err;
    rc = open_tables(self, &is_new);
    if (rc != MDB_SUCCESS) {
        (void)snprintf(why, WHY_BYTES, "%s is no store of Leat: %s", self->data_path,
                       words_of(rc, text));
        err = end_write(self, leat_lmdb_err(rc));
        return err == LEAT_ERR_NOT_FOUND ? LEAT_ERR_CORRUPT : err;
    }
    err = leat_history_read(&self->history, &self->writer.kv);
    if (err == LEAT_ERR_NOT_FOUND && is_new) {
        self->history.changed = true;
        err = leat_history_save(&self->history, &self->writer.kv);
    } else if (err == LEAT_ERR_NOT_FOUND) {
        err = LEAT_ERR_CORRUPT;
    }
    self->used_bytes = used_bytes(self);
    err = end_write(self, err);
    if (err == LEAT_ERR_VERSION)
        (void)snprintf(why, WHY_BYTES, "%s was written by a newer version of Leat",
                       self->data_path);
    else if (err == LEAT_ERR_CORRUPT)
        (void)snprintf(why, WHY_BYTES, "%s is damaged: its own record cannot be read",
                       self->data_path);
    else if (err != LEAT_ERR_OK)
        (void)snprintf(why, WHY_BYTES, "cannot write %s: %s", self->data_path,
                       self->writer.rc != 0 ? words_of(self->writer.rc, text)
                                            : leat_err_message(err));
    return err;
}

static leat_err
open_data(lmdb_store *self, const char *folder, char *why)
{
    self->data_path = path_in(folder, "data.mdb");
    if (self->data_path == NULL)
        return LEAT_ERR_NOMEM;
    if (!leat_birth_data(folder))
        return refuse_errno(why, "cannot make", self->data_path, errno);
    const int rc = open_env(self, folder);
    if (rc != MDB_SUCCESS) {
        if (rc > 0)
            return refuse_errno(why, "cannot open", self->data_path, rc);
        (void)snprintf(why, WHY_BYTES, "%s is no store: %s", self->data_path, mdb_strerror(rc));
        return LEAT_ERR_CORRUPT;
    }
    leat_err err = check_size(self, why);
    if (err == LEAT_ERR_OK)
        err = read_state(self, why);
    if (err == LEAT_ERR_OK && !leat_birth_sync(folder))
        err = refuse_errno(why, "cannot sync the folder", folder, errno);
    return err;
}

/* The loop's thread takes the signals. */
static leat_err
start_thread(lmdb_store *self, char *why)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int rc = pthread_create(&self->thread, NULL, commit_thread, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        (void)snprintf(why, WHY_BYTES, "cannot start the commit thread");
        return LEAT_ERR_NOMEM;
    }
    self->has_thread = true;
    pthread_setname_np(self->thread, "leat-commit");
    return LEAT_ERR_OK;
}

leat_err
leat_store_lmdb_open(const leat_store_lmdb_options *options, leat_store **out, char why[512])
{
    lmdb_store *const self = calloc(1, sizeof *self);
    (void)snprintf(why, WHY_BYTES, "out of memory");
    if (self == NULL)
        return LEAT_ERR_NOMEM;
    self->store.ops = &lmdb_ops;
    self->lock_fd = -1;
    self->event_fd = -1;
    leat_lmdb_kv_init(&self->reader, self->dbis);
    leat_lmdb_kv_init(&self->writer, self->dbis);
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->work, NULL);
    pthread_cond_init(&self->room, NULL);
    leat_history_init(&self->history, &options->retention);

    leat_err err = open_folder(options->path, why);
    if (err == LEAT_ERR_OK)
        err = lock_folder(self, options->path, why);
    if (err == LEAT_ERR_OK)
        err = open_data(self, options->path, why);
    if (err == LEAT_ERR_OK) {
        self->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (self->event_fd < 0)
            err = refuse_errno(why, "cannot make an eventfd for", options->path, errno);
    }
    if (err == LEAT_ERR_OK) {
        note_facts(self);
        err = start_thread(self, why);
    }
    if (err == LEAT_ERR_OK) {
        why[0] = '\0';
        *out = &self->store;
        return LEAT_ERR_OK;
    }
    leat_store *store = &self->store;
    lmdb_destroy(&store);
    return err;
}
