/* broker/store/extent, broker/store/account: space ahead of the store, and what of it is free. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/store/account.h"
#include "broker/store/extent.h"
#include "tests/lib/tmp.h"

static leat_tmp tmp;
static char path[PATH_MAX];
static leat_extent *extent;

static void
init(void)
{
    leat_tmp_init(&tmp);
    (void)leat_tmp_write(&tmp, "file", "data", 4, path);
    LEAT_PASS(leat_extent_open(path, &extent));
}

static void
fini(void)
{
    leat_extent_close(&extent);
    leat_tmp_fini(&tmp);
}

TestSuite(extent, .init = init, .fini = fini);

static uint64_t
file_bytes(void)
{
    struct stat info;
    cr_assert(eq(int, stat(path, &info), 0));
    return (uint64_t)info.st_size;
}

/* A limit on a file's size stands for the end of the disk. */
static void
limit_files(rlim_t bytes)
{
    const struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &limit), 0));
}

Test(extent, what_is_waited_for_is_there_and_a_step_more)
{
    cr_assert(leat_extent_wait(extent, 100000));
    cr_assert(ge(u64, leat_extent_bytes(extent), 100000));
    /* The step is taken without being waited for; closing does not leave it half done. */
    cr_assert(leat_extent_wait(extent, 100000 + (uint64_t)400 * 1024));
    cr_assert(le(u64, file_bytes(), (uint64_t)2 * 1024 * 1024));
    cr_assert(not(leat_extent_is_stuck(extent)));
}

Test(extent, it_is_written_and_no_hole)
{
    struct stat info;
    cr_assert(leat_extent_wait(extent, 3000000));
    cr_assert(eq(int, stat(path, &info), 0));
    cr_assert(ge(u64, (uint64_t)info.st_blocks * 512, 3000000));
}

Test(extent, nothing_that_is_there_is_overwritten)
{
    const int fd = open(path, O_RDWR);
    char data[5] = "";
    cr_assert(leat_extent_wait(extent, 4096));
    /* Somebody writes behind the end that the extent knows of. */
    const uint64_t beyond = file_bytes() + 1000000;
    cr_assert(eq(int, (int)pwrite(fd, "late", 4, (off_t)beyond), 4));
    cr_assert(leat_extent_wait(extent, beyond + 3000000));
    cr_assert(eq(int, (int)pread(fd, data, 4, (off_t)beyond), 4));
    cr_assert(eq(int, strcmp(data, "late"), 0));
    cr_assert(eq(int, (int)pread(fd, data, 4, 0), 4));
    cr_assert(eq(int, strcmp(data, "data"), 0));
    (void)close(fd);
}

Test(extent, the_end_of_the_disk_is_no_error)
{
    limit_files(1000000);
    cr_assert(not(leat_extent_wait(extent, 3000000)));
    cr_assert(leat_extent_is_stuck(extent));
    cr_assert(eq(int, leat_extent_error(extent), 0));
    /* All that there was has been taken, whole pages of it are of use. */
    cr_assert(eq(u64, leat_extent_bytes(extent), (uint64_t)1000000 / 4096 * 4096));
}

Test(extent, it_goes_on_when_there_is_space_again)
{
    limit_files(1000000);
    cr_assert(not(leat_extent_wait(extent, 3000000)));
    limit_files(RLIM_INFINITY);
    leat_extent_want(extent, 3000000);
    while (leat_extent_is_stuck(extent)) /* it looks once a second */
        (void)usleep(10000);
    cr_assert(leat_extent_wait(extent, 3000000));
}

/* ------------------------------------------------------------------------------ the account */

static MDB_env *env;
static MDB_dbi table;
static leat_account account;

static void
open_store(void)
{
    MDB_txn *txn;
    char folder[PATH_MAX];
    leat_tmp_init(&tmp);
    (void)leat_tmp_write(&tmp, "store/readme", "x", 1, folder);
    (void)leat_tmp_path(&tmp, "store", folder);
    cr_assert(eq(int, mdb_env_create(&env), 0));
    cr_assert(eq(int, mdb_env_set_maxdbs(env, 4), 0));
    cr_assert(eq(int, mdb_env_set_mapsize(env, 1U << 28), 0));
    cr_assert(eq(int, mdb_env_open(env, folder, MDB_NOTLS | MDB_NOSYNC, 0600), 0));
    cr_assert(eq(int, mdb_txn_begin(env, NULL, 0, &txn), 0));
    cr_assert(eq(int, mdb_dbi_open(txn, "rows", MDB_CREATE | MDB_INTEGERKEY, &table), 0));
    cr_assert(eq(int, mdb_txn_commit(txn), 0));
}

static void
close_store(void)
{
    leat_account_fini(&account);
    mdb_env_close(env);
    leat_tmp_fini(&tmp);
}

TestSuite(account, .init = open_store, .fini = close_store);

/* Put rows first … last of so many bytes, or delete them. */
static void
put_rows(size_t first, size_t last, size_t step, size_t bytes)
{
    static uint8_t data[1 << 16];
    MDB_txn *txn;
    cr_assert(eq(int, mdb_txn_begin(env, NULL, 0, &txn), 0));
    for (size_t i = first; i <= last; i += step) {
        MDB_val key = {.mv_size = sizeof i, .mv_data = &i};
        MDB_val value = {.mv_size = bytes, .mv_data = data};
        cr_assert(eq(
            int, bytes > 0 ? mdb_put(txn, table, &key, &value, 0) : mdb_del(txn, table, &key, NULL),
            0));
    }
    cr_assert(eq(int, mdb_txn_commit(txn), 0));
    cr_assert(eq(int, leat_account_measure(&account, env, &table, 1), 0));
}

/* The pages of LMDB's free list, one by one, as its own tool counts them. */
static uint64_t
walk_free(void)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val value;
    uint64_t pages = 0;
    cr_assert(eq(int, mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0));
    cr_assert(eq(int, mdb_cursor_open(txn, 0, &cursor), 0));
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        size_t n;
        memcpy(&n, value.mv_data, sizeof n);
        pages += n;
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return pages * 4096;
}

Test(account, free_and_pending_are_what_a_walk_finds)
{
    unsigned seed = 7;
    put_rows(1, 2000, 1, 700);
    for (unsigned i = 0; i < 200; i++) {
        seed = seed * 1103515245U + 12345U;
        const size_t first = 1 + seed / 65536U % 1900U;
        put_rows(first, first + seed % 60U, 1, i % 7U == 0 ? 9000 : 300 + i);
        cr_assert(eq(u64, account.free_bytes + account.pending_bytes, walk_free()));
    }
    put_rows(1, 2000, 1, 0);
    cr_assert(eq(u64, account.free_bytes + account.pending_bytes, walk_free()));
    cr_assert(gt(u64, account.pending_bytes, 1000000));
    put_rows(1, 1, 1, 10);
    put_rows(2, 2, 1, 10);
    put_rows(3, 3, 1, 10);
    cr_assert(gt(u64, account.free_bytes, 1000000));
}

Test(account, what_is_freed_behind_an_open_reader_is_not_free)
{
    MDB_txn *reader;
    put_rows(1, 2000, 1, 700);
    put_rows(2001, 2001, 1, 700);
    put_rows(2002, 2002, 1, 700);
    cr_assert(eq(int, mdb_txn_begin(env, NULL, MDB_RDONLY, &reader), 0));
    const uint64_t free_before = account.free_bytes + account.pending_bytes;
    for (size_t i = 0; i < 10; i++)
        put_rows(1 + i * 200, 200 + i * 200, 1, 0);
    for (size_t i = 0; i < 10; i++)
        put_rows(3000 + i, 3000 + i, 1, 700);
    cr_assert(le(u64, account.free_bytes, free_before));
    cr_assert(gt(u64, account.pending_bytes, 1000000));

    mdb_txn_abort(reader);
    for (size_t i = 0; i < 3; i++)
        put_rows(4000 + i, 4000 + i, 1, 700);
    cr_assert(gt(u64, account.free_bytes, 1000000));
}
