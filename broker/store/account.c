/* The free pages of the store's file. See account.h. */
#include "broker/store/account.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FREE_DBI   0U /* LMDB's own tables have these numbers … */
#define MAIN_DBI   1U
#define META_PAGES 2U /* … and the file begins with these */

static int
open_txn(leat_account *account, MDB_env *env)
{
    return account->txn == NULL ? mdb_txn_begin(env, NULL, MDB_RDONLY, &account->txn)
                                : mdb_txn_renew(account->txn);
}

static int
add_pages(MDB_txn *txn, MDB_dbi dbi, uint64_t *pages)
{
    MDB_stat stat;
    const int rc = mdb_stat(txn, dbi, &stat);
    if (rc == MDB_SUCCESS)
        *pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    return rc;
}

/* What commit `number` has freed. A record is a count and so many page numbers. */
static int
freed_by(MDB_txn *txn, uint64_t number, uint64_t *pages)
{
    size_t id = number;
    MDB_val key = {.mv_size = sizeof id, .mv_data = &id};
    MDB_val value;
    MDB_cursor *cursor;
    *pages = 0;
    int rc = mdb_cursor_open(txn, FREE_DBI, &cursor);
    if (rc != MDB_SUCCESS)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET);
    if (rc == MDB_SUCCESS && value.mv_size >= sizeof(size_t)) {
        size_t count;
        memcpy(&count, value.mv_data, sizeof count);
        *pages = count;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? MDB_SUCCESS : rc;
}

struct readers {
    uint64_t oldest;
};

/* LMDB lists its readers as text: "pid thread txnid", "-" for one that is not open. */
static int
on_reader(const char *line, void *context)
{
    struct readers *const readers = context;
    unsigned long long txn = 0;
    if (sscanf(line, "%*d %*x %llu", &txn) == 1 && txn < readers->oldest)
        readers->oldest = txn;
    return 0;
}

/* Readers live for one call, except those that copy the store. */
static void
look_at_readers(leat_account *account, MDB_env *env)
{
    struct readers readers = {.oldest = UINT64_MAX};
    (void)mdb_reader_list(env, on_reader, &readers);
    if (readers.oldest >= account->last_txn - 1) {
        account->held_txn = 0;
    } else if (account->held_txn == 0 || readers.oldest < account->held_txn) {
        account->held_txn = readers.oldest;
        account->held_freed = account->freed - account->freed_last - account->freed_before;
    }
}

int
leat_account_measure(leat_account *account, MDB_env *env, const MDB_dbi *dbis, unsigned count)
{
    MDB_envinfo info;
    MDB_stat stat;
    uint64_t used = META_PAGES;
    int rc = open_txn(account, env);
    if (rc != MDB_SUCCESS)
        return rc;
    rc = mdb_env_info(env, &info);
    if (rc == MDB_SUCCESS)
        rc = mdb_env_stat(env, &stat);
    if (rc == MDB_SUCCESS)
        rc = add_pages(account->txn, FREE_DBI, &used);
    if (rc == MDB_SUCCESS)
        rc = add_pages(account->txn, MAIN_DBI, &used);
    for (unsigned i = 0; i < count && rc == MDB_SUCCESS; i++)
        rc = add_pages(account->txn, dbis[i], &used);
    if (rc == MDB_SUCCESS && info.me_last_txnid != account->last_txn) {
        account->last_txn = info.me_last_txnid;
        account->freed_before = account->freed_last;
        rc = freed_by(account->txn, account->last_txn, &account->freed_last);
        account->freed += account->freed_last;
    }
    mdb_txn_reset(account->txn);
    if (rc != MDB_SUCCESS)
        return rc;

    look_at_readers(account, env);
    const uint64_t pages = (uint64_t)info.me_last_pgno + 1;
    const uint64_t unused = pages > used ? pages - used : 0;
    uint64_t pending = account->freed_last + account->freed_before;
    if (account->held_txn != 0 && account->freed - account->held_freed > pending)
        pending = account->freed - account->held_freed;
    pending = pending < unused ? pending : unused;
    account->end_bytes = pages * stat.ms_psize;
    account->free_bytes = (unused - pending) * stat.ms_psize;
    account->pending_bytes = pending * stat.ms_psize;
    return MDB_SUCCESS;
}

void
leat_account_fini(leat_account *account)
{
    if (account->txn != NULL)
        mdb_txn_abort(account->txn);
    account->txn = NULL;
}
