/* leat_account: how much of the store's file is free, page by page.
 *
 *     0 ─── used, free, pending ───┤ end        the extent's zeros ├ extent
 *
 * Every page below the end is in one of the trees, or free. LMDB counts the pages of each tree, so
 * what is free follows without a walk. Of it, pending is what the last commits have freed: a page
 * is used again by the next commit but one, and not while a reader is open that is older than its
 * freeing (a backup). LMDB keeps one record a commit of what that has freed. */
#ifndef LEAT_STORE_ACCOUNT_H
#define LEAT_STORE_ACCOUNT_H

#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct leat_account {
    uint64_t end_bytes;     /* of the last page that was ever used */
    uint64_t free_bytes;    /* of pages below it that the next commit may use */
    uint64_t pending_bytes; /* of pages that are free and that it may not use yet */

    MDB_txn *txn; /* owned; a reader, open during a call only */
    uint64_t last_txn;
    uint64_t freed;        /* pages, since the account was opened */
    uint64_t freed_last;   /* … by the last commit … */
    uint64_t freed_before; /* … and the one before */
    uint64_t held_txn;     /* the oldest reader that is open; 0: none */
    uint64_t held_freed;   /* `freed` when it was seen first, without the last commits */
} leat_account;

/* Look at everything again; after a commit, by the thread that commits. LMDB's number. */
int leat_account_measure(leat_account *account, MDB_env *env, const MDB_dbi *dbis, unsigned count);

void leat_account_fini(leat_account *account);

#endif
