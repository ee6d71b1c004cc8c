/* Pages that were never written. See tail.h. */
#include "broker/store/tail.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FREE_DBI    0U /* LMDB's own: transaction -> how many, and the numbers of its free pages */
#define MISSING_MAX 65536U

struct missing {
    size_t first;
    size_t count;
    bool *is_free; /* owned; by page */
    size_t free_count;
};

/* One list of free pages; size is what the file says of it, and may be damaged. */
static void
note_list(struct missing *missing, const void *data, size_t size)
{
    size_t count = 0;
    size_t page;
    if (size >= sizeof count)
        memcpy(&count, data, sizeof count);
    for (size_t i = 1; i <= count && (i + 1) * sizeof page <= size; i++) {
        memcpy(&page, (const uint8_t *)data + i * sizeof page, sizeof page);
        if (page - missing->first >= missing->count || missing->is_free[page - missing->first])
            continue;
        missing->is_free[page - missing->first] = true;
        missing->free_count++;
    }
}

/* The pages that are missing read as zeros here, which is no page of a tree: LMDB says so. */
static int
walk(MDB_env *env, struct missing *missing)
{
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val data;
    int rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    if (rc != MDB_SUCCESS)
        return rc;
    rc = mdb_cursor_open(txn, FREE_DBI, &cursor);
    while (rc == MDB_SUCCESS && (rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == MDB_SUCCESS)
        note_list(missing, data.mv_data, data.mv_size);
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return rc == MDB_NOTFOUND ? MDB_SUCCESS : rc;
}

bool
leat_tail_is_free(MDB_env *env, const char *path, uint64_t bytes, uint64_t wanted)
{
    MDB_stat pages;
    bool is_free = false;
    struct missing missing = {0};
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || mdb_env_stat(env, &pages) != MDB_SUCCESS)
        goto done;
    missing.first = (size_t)(bytes / pages.ms_psize);
    missing.count = (size_t)(wanted / pages.ms_psize) - missing.first;
    if (missing.count > MISSING_MAX)
        goto done;
    missing.is_free = calloc(missing.count, sizeof *missing.is_free);
    /* Before the walk: what lies behind the end of a mapped file cannot be read without SIGBUS. */
    if (missing.is_free == NULL || ftruncate(fd, (off_t)wanted) != 0)
        goto done;
    is_free = walk(env, &missing) == MDB_SUCCESS && missing.free_count == missing.count;
    if (!is_free && ftruncate(fd, (off_t)bytes) != 0)
        is_free = false;

done:
    free(missing.is_free);
    if (fd >= 0)
        (void)close(fd);
    return is_free;
}
