/* New stores, stores written again, backups. See copy.h.
 *
 * An older format is not changed in place: one transaction over everything would double the file,
 * and a crash in several would leave a store of two formats. The copy needs the same room, and the
 * old one is whole until the new one is. */
#include "broker/store/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "broker/store/folder.h"
#include "broker/store/lmdb_env.h"
#include "broker/store/lmdb_kv.h"
#include "broker/store/pages.h"

#define WHY_BYTES    512U
#define COMMIT_BYTES ((uint64_t)8 << 20) /* rows are written in transactions of this size */
#define PIECE_BYTES  ((size_t)64 << 10)

/* An environment and our tables in it, in one transaction. */
struct side {
    MDB_env *env;
    MDB_dbi dbis[LEAT_TABLES];
    leat_lmdb_kv kv;
};

static leat_err
refuse_rc(char *why, const char *what, const char *path, int rc)
{
    char text[64];
    (void)snprintf(why, WHY_BYTES, "%s %s: %s", what, path, leat_lmdb_words(rc, text));
    return leat_lmdb_err(rc);
}

static void
end_side(struct side *side)
{
    leat_lmdb_kv_fini(&side->kv);
    if (side->kv.txn != NULL)
        mdb_txn_abort(side->kv.txn);
    if (side->env != NULL)
        mdb_env_close(side->env);
    *side = (struct side){0};
}

static leat_err
begin_side(struct side *side, const char *path, unsigned flags, bool make, char *why)
{
    leat_lmdb_kv_init(&side->kv, side->dbis);
    int rc = leat_lmdb_env_open(path, MDB_NOSUBDIR | MDB_NOLOCK | flags, &side->env);
    if (rc == MDB_SUCCESS)
        rc = mdb_txn_begin(side->env, NULL, flags & MDB_RDONLY, &side->kv.txn);
    if (rc == MDB_SUCCESS)
        rc = leat_lmdb_tables_open(side->kv.txn, make, side->dbis);
    if (rc == MDB_INVALID)
        (void)snprintf(why, WHY_BYTES, "%s is no store of Leat", path);
    else if (rc != MDB_SUCCESS)
        return refuse_rc(why, "cannot open", path, rc);
    return leat_lmdb_err(rc);
}

/* Commit, and begin the next transaction unless it was the last. */
static leat_err
commit_side(struct side *side, bool last, const char *path, char *why)
{
    leat_lmdb_kv_forget(&side->kv);
    int rc = mdb_txn_commit(side->kv.txn);
    side->kv.txn = NULL;
    if (rc == MDB_SUCCESS && !last)
        rc = mdb_txn_begin(side->env, NULL, 0, &side->kv.txn);
    return rc == MDB_SUCCESS ? LEAT_ERR_OK : refuse_rc(why, "cannot write", path, rc);
}

static leat_err
take_place(const char *folder, const char *new_path, char *why)
{
    leat_err err = LEAT_ERR_NOMEM;
    char *const path = leat_folder_path(folder, LEAT_STORE_FILE);
    if (path == NULL)
        return err;
    if (rename(new_path, path) != 0)
        err = leat_folder_refuse(why, "cannot rename", new_path, errno);
    else if ((err = leat_folder_sync(folder)) != LEAT_ERR_OK)
        (void)snprintf(why, WHY_BYTES, "cannot sync the folder %s", folder);
    free(path);
    return err;
}

/* ----------------------------------------------------------------------------------- new ones */

static leat_err
write_empty(const char *path, char *why)
{
    struct side side = {0};
    leat_history history;
    leat_history_init(&history, NULL);
    history.changed = true;
    leat_err err = begin_side(&side, path, 0, true, why);
    if (err == LEAT_ERR_OK) {
        err = leat_history_save(&history, &side.kv.kv);
        if (err != LEAT_ERR_OK)
            err = refuse_rc(why, "cannot write", path, side.kv.rc);
    }
    if (err == LEAT_ERR_OK)
        err = commit_side(&side, true, path, why);
    end_side(&side);
    leat_history_fini(&history);
    return err;
}

leat_err
leat_copy_make(const char *folder, char why[512])
{
    char *const path = leat_folder_path(folder, LEAT_STORE_NEW_FILE);
    if (path == NULL)
        return LEAT_ERR_NOMEM;
    leat_err err = LEAT_ERR_OK;
    if (unlink(path) != 0 && errno != ENOENT) /* one that was not finished */
        err = leat_folder_refuse(why, "cannot remove", path, errno);
    if (err == LEAT_ERR_OK)
        err = write_empty(path, why);
    if (err == LEAT_ERR_OK && (err = leat_folder_sync_upwards(folder)) != LEAT_ERR_OK)
        (void)snprintf(why, WHY_BYTES, "cannot sync the folders above %s", folder);
    if (err == LEAT_ERR_OK)
        err = take_place(folder, path, why);
    if (err != LEAT_ERR_OK)
        (void)unlink(path);
    free(path);
    return err;
}

/* ------------------------------------------------------------------------------- written again */

struct rebuilding {
    const char *folder;
    char *old_path;
    char *new_path;
    struct side old;
    struct side new;
    leat_history history;
    uint64_t bytes; /* since the last commit */
    leat_buf whole; /* owned; a row that lay in parts */
    char *why;
};

/* In format 2 a long turn could be u8 255 · u32 size, and its bytes in rows of OBJECTS, kind 0, id
 * number << 12 | part from 1 on. */
static leat_err
join_turn_of_2(struct rebuilding *r, leat_row *row)
{
    leat_kv *const kv = &r->old.kv.kv;
    const uint32_t size = leat_load_u32(row->data + 1);
    leat_buf_reset(&r->whole);
    for (uint64_t part = 1; r->whole.size < size; part++) {
        leat_row piece = {0};
        const leat_key key = {.low = row->key.low << 12 | part};
        const leat_err err = leat_kv_get(kv, LEAT_TABLE_OBJECTS, key, &piece);
        if (err != LEAT_ERR_OK || piece.size == 0 || piece.size > size - r->whole.size) {
            (void)snprintf(r->why, WHY_BYTES,
                           "%s is damaged: a part of turn %" PRIu64 "; nothing was changed",
                           r->old_path, row->key.low);
            return LEAT_ERR_CORRUPT;
        }
        leat_put_bytes(&r->whole, piece.data, piece.size);
        if (r->whole.failed)
            return LEAT_ERR_NOMEM;
    }
    row->data = r->whole.data;
    row->size = r->whole.size;
    return LEAT_ERR_OK;
}

/* A row of an older format becomes one of the present here. From 1 to 2 only the store's own row
 * has changed, which leat_history_save writes anew; the core reads the records of format 2. */
static leat_err
copy_row(struct rebuilding *r, leat_table table, leat_row *row)
{
    /* The store's own row; parts of others, which come whole (lmdb_kv.h). */
    if (table == LEAT_TABLE_OBJECTS && (row->key.high == 0 || row->key.high == LEAT_PARTS_KIND))
        return LEAT_ERR_OK;
    leat_kv *const kv = &r->new.kv.kv;
    leat_err err = LEAT_ERR_OK;
    if (r->history.totals.format == 2 && table == LEAT_TABLE_TURNS && row->size == 5 &&
        row->data[0] == 255)
        err = join_turn_of_2(r, row);
    if (err != LEAT_ERR_OK)
        return err;
    err = kv->ops->put(kv, table, row->key, row->data, row->size);
    if (err != LEAT_ERR_OK)
        return refuse_rc(r->why, "cannot write", r->new_path, r->new.kv.rc);
    r->bytes += row->size;
    if (r->bytes < COMMIT_BYTES)
        return LEAT_ERR_OK;
    r->bytes = 0;
    return commit_side(&r->new, false, r->new_path, r->why);
}

static leat_err
copy_table(struct rebuilding *r, leat_table table)
{
    leat_kv *const kv = &r->old.kv.kv;
    leat_key key = {0};
    uint64_t rows = 0;
    for (;;) {
        leat_row row;
        leat_err err = kv->ops->at_or_after(kv, table, key, &row);
        if (err == LEAT_ERR_NOT_FOUND)
            break;
        if (err == LEAT_ERR_CORRUPT) {
            (void)snprintf(r->why, WHY_BYTES,
                           "%s is damaged: table %s, row %" PRIu64 "/%" PRIu64
                           "; nothing was changed",
                           r->old_path, leat_table_name(table), row.key.high, row.key.low);
            return err;
        }
        if (err != LEAT_ERR_OK)
            return refuse_rc(r->why, "cannot read", r->old_path, r->old.kv.rc);
        err = copy_row(r, table, &row);
        if (err != LEAT_ERR_OK)
            return err;
        rows++;
        key = row.key;
        key.low++;
        if (key.low == 0 && ++key.high == 0)
            break;
    }
    const leat_totals *const totals = &r->history.totals;
    const uint64_t own = table == LEAT_TABLE_OBJECTS ? 1 : 0;
    if (rows == kv->ops->count(kv, table) &&
        (totals->format < 2 || rows == totals->rows[table] + own))
        return LEAT_ERR_OK;
    (void)snprintf(r->why, WHY_BYTES,
                   "%s is damaged: rows of table %s are missing; nothing was "
                   "changed",
                   r->old_path, leat_table_name(table));
    return LEAT_ERR_CORRUPT;
}

static leat_err
read_own_row(struct side *side, const char *path, leat_history *history, char *why)
{
    const leat_err err = leat_history_read(history, &side->kv.kv);
    if (err == LEAT_ERR_VERSION)
        (void)snprintf(why, WHY_BYTES,
                       "%s was written by a newer version of Leat (format %u, this one reads up to "
                       "%u); nothing was changed",
                       path, history->totals.format, LEAT_STORE_FORMAT);
    else if (err != LEAT_ERR_OK)
        (void)snprintf(why, WHY_BYTES, "%s is damaged: its own record cannot be read", path);
    return err == LEAT_ERR_NOT_FOUND ? LEAT_ERR_CORRUPT : err;
}

leat_err
leat_copy_read_format(const char *folder, uint32_t *format, char why[512])
{
    struct side side = {0};
    leat_history history;
    char *const path = leat_folder_path(folder, LEAT_STORE_FILE);
    if (path == NULL)
        return LEAT_ERR_NOMEM;
    leat_history_init(&history, NULL);
    leat_err err = begin_side(&side, path, MDB_RDONLY, false, why);
    if (err == LEAT_ERR_OK)
        err = read_own_row(&side, path, &history, why);
    *format = history.totals.format;
    end_side(&side);
    leat_history_fini(&history);
    free(path);
    return err;
}

static leat_err
find_room(const struct rebuilding *r)
{
    struct statvfs disk;
    const uint64_t wanted = leat_copy_size(r->old.env);
    if (statvfs(r->folder, &disk) != 0)
        return leat_folder_refuse(r->why, "cannot look at", r->folder, errno);
    if ((uint64_t)disk.f_bavail * disk.f_frsize >= wanted)
        return LEAT_ERR_OK;
    (void)snprintf(r->why, WHY_BYTES,
                   "%s has to be written again beside itself and %" PRIu64
                   " MiB of disk are free, %" PRIu64 " are needed; nothing was changed",
                   r->old_path, (uint64_t)disk.f_bavail * disk.f_frsize >> 20, (wanted >> 20) + 1);
    return LEAT_ERR_NO_SPACE;
}

static leat_err
write_again(struct rebuilding *r)
{
    leat_err err = begin_side(&r->old, r->old_path, MDB_RDONLY, false, r->why);
    if (err == LEAT_ERR_OK)
        err = read_own_row(&r->old, r->old_path, &r->history, r->why);
    if (err == LEAT_ERR_OK)
        err = find_room(r);
    if (err == LEAT_ERR_OK && unlink(r->new_path) != 0 && errno != ENOENT)
        err = leat_folder_refuse(r->why, "cannot remove", r->new_path, errno);
    if (err == LEAT_ERR_OK)
        err = begin_side(&r->new, r->new_path, 0, true, r->why);
    for (unsigned i = 0; i < LEAT_TABLES && err == LEAT_ERR_OK; i++)
        err = copy_table(r, (leat_table)i);
    if (err != LEAT_ERR_OK)
        return err;
    r->history.totals.format = 0; /* its row is not in the new one yet */
    r->history.changed = true;
    err = leat_history_save(&r->history, &r->new.kv.kv);
    if (err != LEAT_ERR_OK)
        return refuse_rc(r->why, "cannot write", r->new_path, r->new.kv.rc);
    return commit_side(&r->new, true, r->new_path, r->why);
}

leat_err
leat_copy_rebuild(const char *folder, char why[512])
{
    struct rebuilding r = {.folder = folder, .why = why};
    leat_history_init(&r.history, NULL);
    r.old_path = leat_folder_path(folder, LEAT_STORE_FILE);
    r.new_path = leat_folder_path(folder, LEAT_STORE_NEW_FILE);
    leat_err err = LEAT_ERR_NOMEM;
    if (r.old_path != NULL && r.new_path != NULL)
        err = write_again(&r);
    end_side(&r.old);
    end_side(&r.new);
    if (err == LEAT_ERR_OK)
        err = take_place(folder, r.new_path, why);
    if (err != LEAT_ERR_OK && r.new_path != NULL)
        (void)unlink(r.new_path);
    leat_history_fini(&r.history);
    leat_buf_fini(&r.whole);
    free(r.old_path);
    free(r.new_path);
    return err;
}

/* ------------------------------------------------------------------------------------ backups */

uint64_t
leat_copy_size(MDB_env *env)
{
    MDB_envinfo info = {0};
    MDB_stat stat_env = {0};
    if (mdb_env_info(env, &info) != MDB_SUCCESS || mdb_env_stat(env, &stat_env) != MDB_SUCCESS)
        return 0;
    return ((uint64_t)info.me_last_pgno + 1) * stat_env.ms_psize;
}

uint64_t
leat_copy_growth_max(const char *folder, uint64_t taken)
{
    struct statvfs disk;
    if (statvfs(folder, &disk) != 0)
        return 0;
    const uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    return free_bytes > taken ? (free_bytes - taken) / 2 : 0;
}

struct copying {
    leat_backup *backup;
    char *part;      /* folder */
    char *part_file; /* and the file in it */
    int fd;
    int pipe[2];
    int rc; /* of the thread that writes into the pipe */
    uint64_t size;
    uint64_t growth_max;
    char *why;
};

/* LMDB writes the whole environment into a descriptor and cannot be told to stop: so it is a pipe,
 * which is closed. */
static void *
write_pipe(void *arg)
{
    struct copying *const c = arg;
    c->rc = mdb_env_copyfd2(c->backup->env, c->pipe[1], 0);
    (void)close(c->pipe[1]);
    return NULL;
}

static leat_err
write_whole(const struct copying *c, const uint8_t *data, size_t size)
{
    while (size > 0) {
        const ssize_t n = write(c->fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return leat_folder_refuse(c->why, "cannot write", c->part_file, n < 0 ? errno : ENOSPC);
        data += n;
        size -= (size_t)n;
    }
    return LEAT_ERR_OK;
}

static leat_err
may_go_on(const struct copying *c)
{
    const uint64_t now = leat_copy_size(c->backup->env);
    if (c->backup->stop != NULL && atomic_load(c->backup->stop)) {
        (void)snprintf(c->why, WHY_BYTES, "the backup was stopped");
        return LEAT_ERR_INTERRUPTED;
    }
    if (now <= c->size + c->growth_max)
        return LEAT_ERR_OK;
    (void)snprintf(c->why, WHY_BYTES,
                   "the backup was given up: the store has grown by %" PRIu64
                   " MiB meanwhile, and what is free of its disk does not allow more",
                   (now - c->size) >> 20);
    return LEAT_ERR_NO_SPACE;
}

static leat_err
read_pipe(struct copying *c)
{
    static const size_t bytes = PIECE_BYTES;
    uint8_t *const piece = malloc(bytes);
    leat_err err = piece == NULL ? LEAT_ERR_NOMEM : LEAT_ERR_OK;
    while (err == LEAT_ERR_OK) {
        const ssize_t n = read(c->pipe[0], piece, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        err = write_whole(c, piece, (size_t)n);
        atomic_fetch_add(&c->backup->bytes, (uint64_t)n);
        if (err == LEAT_ERR_OK)
            err = may_go_on(c);
    }
    free(piece);
    return err;
}

static leat_err
copy_file(struct copying *c)
{
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    if (pipe2(c->pipe, O_CLOEXEC) != 0)
        return leat_folder_refuse(c->why, "cannot make a pipe for", c->part, errno);
    /* Also SIGPIPE, which the closed pipe brings. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int rc = pthread_create(&thread, NULL, write_pipe, c);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        (void)close(c->pipe[0]);
        (void)close(c->pipe[1]);
        return leat_folder_refuse(c->why, "cannot start a thread for", c->part, rc);
    }
    leat_err err = read_pipe(c);
    (void)close(c->pipe[0]);
    (void)pthread_join(thread, NULL);
    if (err == LEAT_ERR_OK && c->rc != MDB_SUCCESS)
        err = refuse_rc(c->why, "cannot copy", c->backup->folder, c->rc);
    if (err == LEAT_ERR_OK && fsync(c->fd) != 0)
        err = leat_folder_refuse(c->why, "cannot sync", c->part_file, errno);
    return err;
}

/* Who starts from the copy must not give out again what was given out since. */
static leat_err
mark_copy(const struct copying *c)
{
    struct side side = {0};
    leat_history history;
    leat_history_init(&history, NULL);
    leat_err err = begin_side(&side, c->part_file, 0, false, c->why);
    if (err == LEAT_ERR_OK) {
        err = leat_history_read(&history, &side.kv.kv);
        if (err == LEAT_ERR_OK && history.totals.format != LEAT_STORE_FORMAT)
            err = LEAT_ERR_VERSION;
        if (err != LEAT_ERR_OK)
            (void)snprintf(c->why, WHY_BYTES, "the store %s %s", c->backup->folder,
                           err == LEAT_ERR_VERSION
                               ? "has another format than this version of Leat; start a broker on "
                                 "it once, or use the version that wrote it"
                               : "is damaged: its own record cannot be read");
    }
    if (err == LEAT_ERR_OK) {
        history.totals.is_copy = history.changed = true;
        err = leat_history_save(&history, &side.kv.kv);
        if (err != LEAT_ERR_OK)
            err = refuse_rc(c->why, "cannot write", c->part_file, side.kv.rc);
    }
    if (err == LEAT_ERR_OK)
        err = commit_side(&side, true, c->part_file, c->why);
    end_side(&side);
    leat_history_fini(&history);
    return err;
}

/* A backup that is found to be damaged when it is needed is none. */
static leat_err
check_copy(const struct copying *c)
{
    leat_pages pages = {0};
    const leat_err err = leat_pages_check(&pages, c->fd);
    if (err != LEAT_ERR_OK) {
        (void)snprintf(c->why, WHY_BYTES, "the copy in %s cannot be read: %s", c->part,
                       leat_err_message(err));
        return err;
    }
    if (pages.findings == 0)
        return LEAT_ERR_OK;
    (void)snprintf(c->why, WHY_BYTES,
                   "the store %s is damaged, and so is its copy, which was removed; `leat store "
                   "check` says where",
                   c->backup->folder);
    return LEAT_ERR_CORRUPT;
}

static leat_err
put_in_place(const struct copying *c)
{
    const char *const to = c->backup->to;
    leat_err err = leat_folder_sync(c->part);
    if (err != LEAT_ERR_OK) {
        (void)snprintf(c->why, WHY_BYTES, "cannot sync the folder %s", c->part);
        return err;
    }
    int rc = renameat2(AT_FDCWD, c->part, AT_FDCWD, to, RENAME_NOREPLACE);
    if (rc != 0 && (errno == EINVAL || errno == ENOSYS)) /* a file system that cannot */
        rc = rename(c->part, to);
    if (rc != 0)
        return leat_folder_refuse(c->why, "cannot make", to, errno);
    err = leat_folder_sync_parent(to);
    if (err != LEAT_ERR_OK)
        (void)snprintf(c->why, WHY_BYTES, "cannot sync the folder of %s", to);
    return err;
}

/* The folder to write into, if there is room for the copy. */
static leat_err
make_part(struct copying *c)
{
    const char *const to = c->backup->to;
    struct stat there;
    struct stat store;
    struct statvfs disk;
    if (lstat(to, &there) == 0) {
        (void)snprintf(c->why, WHY_BYTES, "%s is there already: a backup replaces nothing", to);
        return LEAT_ERR_CONFIG;
    }
    if (mkdir(c->part, 0700) != 0) {
        const bool left = errno == EEXIST;
        const leat_err err = leat_folder_refuse(c->why, "cannot make the folder", c->part, errno);
        if (left)
            (void)snprintf(c->why, WHY_BYTES,
                           "%s is there: a backup is being made, or was cut off. Remove it if none "
                           "is being made",
                           c->part);
        return left || err == LEAT_ERR_DENIED || err == LEAT_ERR_NOT_FOUND ? LEAT_ERR_CONFIG : err;
    }
    c->size = leat_copy_size(c->backup->env);
    if (statvfs(c->part, &disk) == 0 && (uint64_t)disk.f_bavail * disk.f_frsize < c->size) {
        (void)snprintf(c->why, WHY_BYTES,
                       "no room for the backup in %s: %" PRIu64 " MiB are free, %" PRIu64
                       " are needed",
                       to, (uint64_t)disk.f_bavail * disk.f_frsize >> 20, (c->size >> 20) + 1);
        (void)rmdir(c->part);
        return LEAT_ERR_NO_SPACE;
    }
    const bool same_disk = stat(c->part, &there) == 0 && stat(c->backup->folder, &store) == 0 &&
                           there.st_dev == store.st_dev;
    c->growth_max = c->backup->growth_max != 0
                        ? c->backup->growth_max
                        : leat_copy_growth_max(c->backup->folder, same_disk ? c->size : 0);
    return LEAT_ERR_OK;
}

static leat_err
fill_part(struct copying *c)
{
    c->fd = open(c->part_file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (c->fd < 0)
        return leat_folder_refuse(c->why, "cannot make", c->part_file, errno);
    leat_err err = copy_file(c);
    if (err == LEAT_ERR_OK)
        err = mark_copy(c);
    if (err == LEAT_ERR_OK)
        err = check_copy(c);
    (void)close(c->fd);
    return err;
}

leat_err
leat_copy_backup(leat_backup *backup, char why[512])
{
    struct copying c = {.backup = backup, .why = why};
    leat_err err = LEAT_ERR_NOMEM;
    (void)snprintf(why, WHY_BYTES, "%s", leat_err_message(err));
    if (asprintf(&c.part, "%s.part", backup->to) < 0)
        return err;
    c.part_file = leat_folder_path(c.part, LEAT_STORE_FILE);
    atomic_store(&backup->bytes, 0);
    if (c.part_file != NULL)
        err = make_part(&c);
    if (err == LEAT_ERR_OK) {
        err = fill_part(&c);
        if (err == LEAT_ERR_OK)
            err = put_in_place(&c);
        if (err != LEAT_ERR_OK) {
            (void)unlink(c.part_file);
            (void)rmdir(c.part);
        }
    }
    free(c.part_file);
    free(c.part);
    return err;
}
