/* The LMDB store: one environment, one commit thread, synced.
 *
 *     loop:           commit ──► queue (bounded) ─┐      fetch, load: a read transaction a call
 *     commit thread:                              └──► all that wait, in one transaction ──►
 *                     sync ──► durable_upto, eventfd ──► a step of history ──► …
 *     extent.c:       zeros ahead of it all, so that no commit meets the end of the disk
 *
 * When the disk gives no more (`full`), commits become small, since what they free is of use only
 * two commits later, and finished history leaves before room is short (press).
 *
 * Before LMDB maps the file all of it is looked at without LMDB, which believes everything that it
 * reads. How a new one is made lies in copy.c. */
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
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "broker/store/account.h"
#include "broker/store/check.h"
#include "broker/store/chore.h"
#include "broker/store/copy.h"
#include "broker/store/extent.h"
#include "broker/store/fault.h"
#include "broker/store/folder.h"
#include "broker/store/guard.h"
#include "broker/store/lmdb_env.h"
#include "broker/store/lmdb_kv.h"
#include "broker/store/pages.h"
#include "broker/store/tail.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

/* What may wait for the commit thread; commit() blocks when it is more. The loop produces far less
 * between two syncs, unless the disk stands still. */
#define QUEUE_LISTS 64U
#define QUEUE_BYTES ((size_t)64 * 1024 * 1024)

#define WHY_BYTES 512U

/* What a list costs beside its bytes: pages above the ones that it changes. */
#define LIST_BYTES ((size_t)32 * 1024)
/* Taken from the disk before the first commit. */
#define FIRST_BYTES ((uint64_t)512 * 1024)
/* On a full disk: how much history a commit may move, and how many turns at once … */
#define FULL_STEP_BYTES ((size_t)32 * 1024)
#define FULL_HAUL_BYTES ((size_t)256 * 1024)
/* … what part of the file is kept free beyond what is wanted, at the cost of history … */
#define FULL_SPARE 16U
/* … and how often it is looked again whether something is free. */
#define LOOK_MS    100
#define WALK_MS    50
#define WALK_SHARE 20 /* … and of this many ms one, at most, is spent on it */
/* A record of the largest size fits: no walk. */
#define RUN_BYTES     ((uint64_t)(LEAT_FRAME_BYTES_MAX))
#define LOCK_BYTES    8192U
#define LOOK_AFTER_MS 60000

struct waiting {
    leat_changes changes;
    uint64_t number;
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): by who may touch it */
typedef struct lmdb_store {
    leat_store store;
    leat_guard guard;
    int event_fd;
    MDB_env *env;
    MDB_dbi dbis[LEAT_TABLES];
    char *folder;
    char *data_path;
    leat_extent *extent;
    leat_chores chores;
    bool has_chores;

    /* The reader: loop's thread only. */
    leat_lmdb_kv reader;
    leat_fetcher fetcher;

    /* The writer: commit thread only, once it runs. */
    leat_lmdb_kv writer;
    leat_history history;
    uint64_t used_bytes;
    uint64_t commits;
    leat_account account;
    int64_t walk_ms;    /* no walk of the free list before */
    bool press_for_run; /* history stands in the way of a long record, as far as a walk tells */
    int64_t look_after_ms;
    pthread_t thread;
    bool has_thread;

    _Atomic uint64_t durable_upto;

    pthread_mutex_t mutex; /* everything below */
    pthread_cond_t work;   /* something waits, or stop */
    pthread_cond_t room;   /* the queue was taken, something was applied, or the store has failed */
    struct waiting queue[QUEUE_LISTS];
    unsigned queue_count;
    size_t queue_bytes;
    size_t applying_bytes; /* of the lists that the commit thread has */
    unsigned applying_count;
    _Atomic uint64_t wanted; /* room */
    _Atomic uint64_t wanted_run;
    bool look_again; /* commit something, so that what is pending gets free */
    int64_t looked_ms;
    uint64_t end_bytes, free_bytes, run_bytes; /* of the account */
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
             LEAT_KV_TEXT("path", self->data_path), LEAT_KV_TEXT("why", cause),
             LEAT_KV_U64("file_bytes", leat_extent_bytes(self->extent)),
             LEAT_KV_U64("end_bytes", self->account.end_bytes),
             LEAT_KV_U64("free_bytes", self->account.free_bytes),
             LEAT_KV_U64("pending_bytes", self->account.pending_bytes),
             LEAT_KV_U64("run_bytes", self->account.run_bytes));
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
    self->end_bytes = self->account.end_bytes;
    self->free_bytes = self->account.free_bytes;
    self->run_bytes = self->account.run_bytes;
    self->applying_bytes = 0;
    self->applying_count = 0;
    pthread_cond_broadcast(&self->room);
    pthread_mutex_unlock(&self->mutex);
}

/* Bytes behind the last page that are the file's already. */
static uint64_t
tail_bytes(const lmdb_store *self, uint64_t end_bytes)
{
    const uint64_t bytes = leat_extent_bytes(self->extent);
    return bytes > end_bytes ? bytes - end_bytes : 0;
}

/* The free list may have pages and no run of them. A walk tells, and takes at most a part of the
 * time; until the next one, what is written may have taken from the run that was found. */
static int
look_for_run(lmdb_store *self, size_t written)
{
    leat_account *const account = &self->account;
    const uint64_t taken = (uint64_t)written * 2 + LIST_BYTES;
    const int64_t now_ms = leat_clock_mono_ms();
    account->run_bytes -= taken < account->run_bytes ? taken : account->run_bytes;
    if (now_ms < self->walk_ms || tail_bytes(self, account->end_bytes) >= self->wanted_run)
        return MDB_SUCCESS;
    const int rc = leat_account_walk(account, self->env);
    const int64_t took_ms = leat_clock_mono_ms() - now_ms;
    self->walk_ms = now_ms + (took_ms * WALK_SHARE > WALK_MS ? took_ms * WALK_SHARE : WALK_MS);
    self->press_for_run = account->run_bytes < self->wanted_run;
    return rc;
}

/* Count what is free after a commit of so many bytes. */
static leat_err
measure(lmdb_store *self, size_t written)
{
    int rc = leat_account_measure(&self->account, self->env, self->dbis, LEAT_TABLES);
    if (rc == MDB_SUCCESS && leat_extent_is_stuck(self->extent))
        rc = look_for_run(self, written);
    return leat_lmdb_result(&self->writer, rc);
}

/* Is room so short that history has to leave? Commit thread. */
static bool
is_pressed(lmdb_store *self)
{
    if (!leat_extent_is_stuck(self->extent) || self->history.jobs == 0)
        return false;
    if (self->press_for_run)
        return true;
    const leat_account *const account = &self->account;
    const uint64_t spare = leat_extent_bytes(self->extent) / FULL_SPARE;
    return account->free_bytes + account->pending_bytes + tail_bytes(self, account->end_bytes) <
           self->wanted + spare;
}

/* Space for a commit of so many bytes, if the disk has it: LMDB shall not extend the file itself.
 */
static leat_err
extend_for(lmdb_store *self, size_t bytes)
{
    const uint64_t most = (uint64_t)bytes * 2 + FIRST_BYTES;
    const leat_account *const account = &self->account;
    if (tail_bytes(self, account->end_bytes) < most)
        (void)leat_extent_wait(self->extent, account->end_bytes + most);
    self->writer.rc = leat_extent_error(self->extent);
    return self->writer.rc == 0 ? LEAT_ERR_OK : LEAT_ERR_IO;
}

/* How much history may be moved beside lists of so many bytes, so that all of it has its place in
 * the tail, should none of the free pages be of use. */
static size_t
step_within(const lmdb_store *self, size_t bytes)
{
    const uint64_t tail = tail_bytes(self, self->account.end_bytes);
    const uint64_t taken = (uint64_t)bytes * 2 + LIST_BYTES;
    const uint64_t step = tail > taken ? (tail - taken) / 4 : 0;
    return step > FULL_STEP_BYTES ? (size_t)step : FULL_STEP_BYTES;
}

/* Apply the lists, take a step of history, sync. */
static leat_err
commit_lists(lmdb_store *self, const struct waiting *lists, unsigned count)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < count; i++)
        bytes += lists[i].changes.ops.size;
    const bool pressed = is_pressed(self);
    leat_err err = extend_for(self, bytes);
    if (err == LEAT_ERR_OK)
        err = leat_lmdb_result(&self->writer, begin_write(self));
    if (err != LEAT_ERR_OK)
        return err;
    const bool full = leat_extent_is_stuck(self->extent);
    self->writer.split = full;
    for (unsigned i = 0; i < count && err == LEAT_ERR_OK; i++)
        err = leat_tables_apply(&self->history, &self->writer.kv, &lists[i].changes);
    self->history.step_bytes_max = full ? FULL_STEP_BYTES : step_within(self, bytes);
    self->history.haul_bytes_max = full ? FULL_HAUL_BYTES : 0;
    if (err == LEAT_ERR_OK)
        err = leat_history_step(&self->history, &self->writer.kv, bytes);
    if (err == LEAT_ERR_OK && pressed) {
        self->press_for_run = false; /* until the next walk */
        err = leat_history_press(&self->history, &self->writer.kv, bytes);
    }
    if (count > 0 && self->history.totals.is_copy) {
        /* The first list is the core's, which has left out the ids. */
        self->history.totals.is_copy = false;
        self->history.changed = true;
    }
    if (err == LEAT_ERR_OK)
        err = leat_history_save(&self->history, &self->writer.kv);
    self->used_bytes = used_bytes(self);
    err = end_write(self, err);
    return err == LEAT_ERR_OK ? measure(self, bytes) : err;
}

/* Once a minute: readers of processes that were killed keep pages from being used again, and a life
 * that lasts so long is a good one. */
static void
look_after(lmdb_store *self)
{
    const int64_t now_ms = leat_clock_mono_ms();
    int dead = 0;
    if (now_ms < self->look_after_ms)
        return;
    if (self->look_after_ms != 0) {
        (void)mdb_reader_check(self->env, &dead);
        leat_guard_forget_faults(&self->guard);
    }
    self->look_after_ms = now_ms + LOOK_AFTER_MS;
    if (dead > 0)
        LEAT_LOG(LEAT_LOG_WARN, "store.reader", "readers that are gone were taken off the list",
                 LEAT_KV_U64("readers", (uint64_t)dead));
}

static void
wait_for_work(lmdb_store *self)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOOK_AFTER_MS / 1000;
    (void)pthread_cond_timedwait(&self->work, &self->mutex, &until);
}

/* Wait for lists, and take all of them. False: there is nothing more to do, ever. */
static bool
take_lists(lmdb_store *self, struct waiting *lists, unsigned *count)
{
    pthread_mutex_lock(&self->mutex);
    while (self->queue_count == 0 && !self->stop && !self->look_again &&
           !leat_history_is_pending(&self->history) && !is_pressed(self)) {
        wait_for_work(self);
        look_after(self);
    }
    const bool go_on = self->queue_count > 0 || !self->stop;
    if (self->look_again)
        self->history.changed = true; /* what is written makes it a commit */
    self->look_again = false;
    /* On a full disk one after the other: each uses what the one before the last has freed. */
    *count = self->queue_count > 0 && leat_extent_is_stuck(self->extent) ? 1 : self->queue_count;
    memcpy(lists, self->queue, *count * sizeof *lists);
    self->queue_count -= *count;
    memmove(self->queue, self->queue + *count, self->queue_count * sizeof *lists);
    for (unsigned i = 0; i < *count; i++)
        self->applying_bytes += lists[i].changes.ops.size;
    self->applying_count = *count;
    self->queue_bytes -= self->applying_bytes;
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
        look_after(self);
        if (LEAT_STORE_FAULT(TOLD_EARLY) && count > 0)
            tell_durable(self, lists[count - 1].number);
        leat_err err = commit_lists(self, lists, count);
        if (LEAT_STORE_FAULT(ERRORS_IGNORED))
            err = LEAT_ERR_OK;
        for (unsigned i = 0; i < count; i++)
            leat_changes_fini(&lists[i].changes);
        if (err != LEAT_ERR_OK) {
            char text[64];
            refuse_more(self, self->writer.rc != 0 ? leat_lmdb_words(self->writer.rc, text)
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
    leat_fetcher_loaded(&self->fetcher, history.target);
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
    facts->room_bytes = self->free_bytes + tail_bytes(self, self->end_bytes);
    facts->full = leat_extent_is_stuck(self->extent);
    pthread_mutex_unlock(&self->mutex);
}

/* What there is, and what it would be without the lists that are on their way. */
static void
look_at_room(const lmdb_store *self, uint64_t *bytes, uint64_t *on_way)
{
    const uint64_t lists = self->queue_count + self->applying_count;
    *bytes = self->free_bytes + tail_bytes(self, self->end_bytes);
    *on_way = (self->queue_bytes + self->applying_bytes) * 3 / 2 + lists * LIST_BYTES;
}

/* The file's length with which there is as much room as wanted, a run of it at the end. */
static uint64_t
length_for(const lmdb_store *self, uint64_t wanted, uint64_t run)
{
    const uint64_t more = wanted > self->free_bytes ? wanted - self->free_bytes : 0;
    return self->end_bytes + (more > run ? more : run);
}

/* The longest run of pages that are surely free when everything on its way is in. */
static uint64_t
run_without(const lmdb_store *self, uint64_t on_way)
{
    const uint64_t tail = tail_bytes(self, self->end_bytes);
    const uint64_t run = tail > self->run_bytes ? tail : self->run_bytes;
    return run > on_way ? run - on_way : 0;
}

static void
ask_to_look(lmdb_store *self)
{
    const int64_t now_ms = leat_clock_mono_ms();
    if (now_ms - self->looked_ms < LOOK_MS)
        return;
    self->looked_ms = now_ms;
    self->look_again = true;
    pthread_cond_signal(&self->work);
}

static void
lmdb_room(leat_store *store, uint64_t wanted, uint64_t run, bool wait, leat_store_room *room)
{
    lmdb_store *const self = self_of(store);
    uint64_t bytes;
    uint64_t on_way;
    pthread_mutex_lock(&self->mutex);
    self->wanted = wanted;
    self->wanted_run = run;
    look_at_room(self, &bytes, &on_way);
    leat_extent_want(self->extent, length_for(self, wanted + on_way, run + on_way));
    while (wait && (bytes < wanted + on_way || run_without(self, on_way) < run) && !self->failed) {
        if (!leat_extent_is_stuck(self->extent) && leat_extent_error(self->extent) == 0) {
            const uint64_t length = length_for(self, wanted + on_way, run + on_way);
            pthread_mutex_unlock(&self->mutex);
            (void)leat_extent_wait(self->extent, length);
            pthread_mutex_lock(&self->mutex);
        } else if (bytes >= wanted && run_without(self, 0) >= run && on_way > 0) {
            pthread_cond_wait(&self->room, &self->mutex); /* it will be less than was feared */
        } else {
            ask_to_look(self);
            break;
        }
        look_at_room(self, &bytes, &on_way);
    }
    room->full = leat_extent_is_stuck(self->extent);
    room->bytes = bytes > on_way ? bytes - on_way : 0;
    room->run_bytes = run_without(self, on_way);
    pthread_mutex_unlock(&self->mutex);
}

static leat_err
lmdb_start_chore(leat_store *store, leat_chore_kind kind, const char *target, char why[512])
{
    return leat_chores_start(&self_of(store)->chores, kind, target, why);
}

static void
lmdb_chore(leat_store *store, leat_chore *chore)
{
    leat_chores_get(&self_of(store)->chores, chore);
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
    leat_buf_fini(&self->reader.whole);
    leat_buf_fini(&self->writer.whole);
    leat_extent_close(&self->extent);
    leat_account_fini(&self->account);
    if (self->has_chores)
        leat_chores_fini(&self->chores);
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
    leat_guard_release(&self->guard);
    free(self->folder);
    free(self->data_path);
    free(self);
}

static const leat_store_ops lmdb_ops = {
    .commit = lmdb_commit,
    .durable_upto = lmdb_durable_upto,
    .fetch = lmdb_fetch,
    .load = lmdb_load,
    .facts = lmdb_facts,
    .room = lmdb_room,
    .start_chore = lmdb_start_chore,
    .chore = lmdb_chore,
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

/* What lies there, before LMDB maps it. */
static leat_err
look_at_file(lmdb_store *self, char *why)
{
    char words[256] = "";
    leat_pages_head head;
    struct stat file;
    const int fd = open(self->data_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return leat_folder_refuse(why, "cannot open", self->data_path, errno);
    leat_err err = LEAT_ERR_CORRUPT;
    if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode))
        err = leat_pages_read_head(fd, &head, words);
    else
        (void)snprintf(words, sizeof words, "is no file");
    close(fd);
    if (err == LEAT_ERR_OK && head.missing_bytes > 0)
        err = leat_tail_mend(self->data_path, words);
    if (err != LEAT_ERR_OK)
        (void)snprintf(why, WHY_BYTES, "%s %s; nothing was changed. Put a backup in its place",
                       self->data_path, words);
    return err;
}

/* Everything, in a child process. A tree that is damaged is not written to: a list of free pages
 * that names a page in use would have it written over. What a row that is damaged means, whoever
 * reads it decides: of the live state it ends the load, of history only that row is lost. */
static leat_err
look_at_all(lmdb_store *self, char *why)
{
    leat_chore *const chore = malloc(sizeof *chore);
    if (chore == NULL)
        return LEAT_ERR_NOMEM;
    leat_err err = leat_check_file(self->data_path, chore, why);
    if (err == LEAT_ERR_OK && chore->format > LEAT_STORE_FORMAT)
        err = leat_check_refuse_newer(self->data_path, chore, why);
    if (err == LEAT_ERR_OK && chore->findings > chore->rows_damaged) {
        (void)snprintf(
            why, WHY_BYTES,
            "%s is damaged: %s; nothing was changed. `leat store check` names all that is "
            "damaged; put a backup in its place",
            self->data_path, chore->found[0]);
        err = LEAT_ERR_CORRUPT;
    }
    for (uint64_t i = 0; i < chore->findings && i < LEAT_CHORE_FOUND_MAX && err == LEAT_ERR_OK; i++)
        LEAT_LOG(LEAT_LOG_ERROR, "store.corrupt", chore->found[i],
                 LEAT_KV_TEXT("path", self->data_path));
    free(chore);
    return err;
}

/* LMDB makes its own file where the store's is missing, so a folder with one and not the other is
 * half of a copy. */
static leat_err
make_file(const char *folder, char *why)
{
    char *const lock = leat_folder_path(folder, "lock.mdb");
    if (lock == NULL)
        return LEAT_ERR_NOMEM;
    leat_err err;
    if (access(lock, F_OK) == 0) {
        (void)snprintf(why, WHY_BYTES,
                       "%s/" LEAT_STORE_FILE " is missing, and its lock.mdb is there: half of a "
                       "copy? Bring the file, or remove lock.mdb for a new store",
                       folder);
        err = LEAT_ERR_CORRUPT;
    } else {
        err = leat_copy_make(folder, why);
    }
    free(lock);
    return err;
}

/* One of an older format is written again in the present one. */
static leat_err
bring_up_to_date(lmdb_store *self, const char *folder, char *why)
{
    uint32_t format;
    leat_err err = leat_copy_read_format(folder, &format, why);
    if (err != LEAT_ERR_OK || format == LEAT_STORE_FORMAT)
        return err;
    LEAT_LOG(LEAT_LOG_INFO, "store.format", "the store is written again in the present format",
             LEAT_KV_TEXT("path", self->data_path), LEAT_KV_U64("from", format),
             LEAT_KV_U64("to", LEAT_STORE_FORMAT));
    return leat_copy_rebuild(folder, why);
}

/* LMDB's table of readers is a mapped file, which it makes with a hole: on a full disk touching
 * that is SIGBUS. So it is written before, with what is in it; the folder is ours alone. */
static leat_err
write_lock_file(const char *folder, char *why)
{
    uint8_t table[LOCK_BYTES] = {0};
    struct stat file;
    leat_err err = LEAT_ERR_OK;
    char *const path = leat_folder_path(folder, "lock.mdb");
    if (path == NULL)
        return LEAT_ERR_NOMEM;
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &file) != 0) {
        err = leat_folder_refuse(why, "cannot open", path, errno);
    } else if ((uint64_t)file.st_blocks * 512 < LOCK_BYTES) {
        if (pread(fd, table, sizeof table, 0) < 0 ||
            pwrite(fd, table, sizeof table, 0) != (ssize_t)sizeof table || fsync(fd) != 0)
            err = leat_folder_refuse(why, "cannot write", path, errno == 0 ? ENOSPC : errno);
    }
    if (fd >= 0)
        (void)close(fd);
    free(path);
    return err;
}

/* Space for what opening writes, if the disk has it. */
static leat_err
open_extent(lmdb_store *self, char *why)
{
    MDB_envinfo info;
    MDB_stat stat;
    errno = 0;
    const leat_err err = leat_extent_open(self->data_path, &self->extent);
    if (err != LEAT_ERR_OK)
        return leat_folder_refuse(why, "cannot extend", self->data_path,
                                  errno == 0 ? ENOMEM : errno);
    (void)mdb_env_info(self->env, &info);
    (void)mdb_env_stat(self->env, &stat);
    (void)leat_extent_wait(self->extent,
                           ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize + FIRST_BYTES);
    const int error = leat_extent_error(self->extent);
    return error == 0 ? LEAT_ERR_OK
                      : leat_folder_refuse(why, "cannot extend", self->data_path, error);
}

static leat_err
read_state(lmdb_store *self, char *why)
{
    char text[64];
    int rc = begin_write(self);
    if (rc != MDB_SUCCESS) {
        (void)snprintf(why, WHY_BYTES, "cannot begin with %s: %s", self->data_path,
                       leat_lmdb_words(rc, text));
        return leat_lmdb_err(rc);
    }
    leat_err err = LEAT_ERR_OK;
    rc = leat_lmdb_tables_open(self->writer.txn, false, self->dbis);
    if (rc != MDB_SUCCESS) {
        (void)snprintf(why, WHY_BYTES, "%s is no store of Leat: %s", self->data_path,
                       leat_lmdb_words(rc, text));
        err = end_write(self, leat_lmdb_err(rc));
        return err == LEAT_ERR_NOT_FOUND ? LEAT_ERR_CORRUPT : err;
    }
    err = open_extent(self, why); /* now that it is ours */
    if (err != LEAT_ERR_OK)
        return end_write(self, err);
    err = leat_history_read(&self->history, &self->writer.kv);
    self->used_bytes = used_bytes(self);
    err = end_write(self, err == LEAT_ERR_NOT_FOUND ? LEAT_ERR_CORRUPT : err);
    if (err == LEAT_ERR_CORRUPT)
        (void)snprintf(why, WHY_BYTES, "%s is damaged: its own record cannot be read",
                       self->data_path);
    else if (err != LEAT_ERR_OK)
        (void)snprintf(why, WHY_BYTES, "cannot write %s: %s", self->data_path,
                       self->writer.rc != 0 ? leat_lmdb_words(self->writer.rc, text)
                                            : leat_err_message(err));
    return err;
}

static leat_err
open_data(lmdb_store *self, char *why)
{
    leat_err err = LEAT_ERR_OK;
    if (access(self->data_path, F_OK) != 0 && errno == ENOENT)
        err = make_file(self->folder, why);
    if (err == LEAT_ERR_OK)
        err = look_at_file(self, why);
    if (err == LEAT_ERR_OK)
        err = look_at_all(self, why);
    if (err == LEAT_ERR_OK)
        err = bring_up_to_date(self, self->folder, why);
    if (err == LEAT_ERR_OK)
        err = write_lock_file(self->folder, why);
    if (err != LEAT_ERR_OK)
        return err;
    /* NOTLS: a read transaction belongs to the store, not to the thread that calls it. */
    const int rc = leat_lmdb_env_open(
        self->folder, MDB_NOTLS | (LEAT_STORE_FAULT(NO_SYNC) ? MDB_NOSYNC : 0U), &self->env);
    if (rc > 0)
        return leat_folder_refuse(why, "cannot open", self->data_path, rc);
    if (rc != MDB_SUCCESS) {
        (void)snprintf(why, WHY_BYTES, "%s is no store: %s", self->data_path, mdb_strerror(rc));
        return LEAT_ERR_CORRUPT;
    }
    err = read_state(self, why);
    if (err == LEAT_ERR_OK && (err = measure(self, 0)) != LEAT_ERR_OK)
        (void)snprintf(why, WHY_BYTES, "cannot look at %s", self->data_path);
    if (err == LEAT_ERR_OK && (err = leat_folder_sync(self->folder)) != LEAT_ERR_OK)
        (void)snprintf(why, WHY_BYTES, "cannot sync the folder %s", self->folder);
    return err;
}

/* The loop's thread takes the signals. */
static leat_err
start_thread(lmdb_store *self, char *why)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    leat_guard_spare_signals(&all);
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
    self->guard.fd = -1;
    self->event_fd = -1;
    leat_lmdb_kv_init(&self->reader, self->dbis);
    leat_lmdb_kv_init(&self->writer, self->dbis);
    pthread_mutex_init(&self->mutex, NULL);
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&self->work, &clock);
    pthread_condattr_destroy(&clock);
    pthread_cond_init(&self->room, NULL);
    leat_history_init(&self->history, &options->retention);

    self->folder = strdup(options->path);
    self->data_path = leat_folder_path(options->path, LEAT_STORE_FILE);
    leat_err err = self->folder == NULL || self->data_path == NULL
                       ? LEAT_ERR_NOMEM
                       : leat_folder_make(options->path, why);
    if (err == LEAT_ERR_OK)
        err = leat_guard_take(&self->guard, options->path, why);
    if (err == LEAT_ERR_OK && options->watch_signals)
        leat_guard_watch_signals(&self->guard);
    if (err == LEAT_ERR_OK)
        err = open_data(self, why);
    if (err == LEAT_ERR_OK) {
        self->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (self->event_fd < 0)
            err = leat_folder_refuse(why, "cannot make an eventfd for", options->path, errno);
    }
    if (err == LEAT_ERR_OK) {
        leat_chores_init(&self->chores, self->env, self->folder, self->data_path);
        self->has_chores = true;
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
