/* Damage of a store, its older formats, copies of it: broker/store/pages, check, copy, guard. */
#include "tests/lib/test.h"

#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/store/check.h"
#include "broker/store/copy.h"
#include "broker/store/guard.h"
#include "broker/store/lmdb.h"
#include "broker/store/lmdb_env.h"
#include "broker/store/offline.h"
#include "broker/store/tables.h"
#include "tests/lib/stores.h"

#define META_TXNID 144U /* of the first page: where the number of its commit stands */

static leat_test_store t;
static leat_chore chore;
static char why[512];

static void
init(void)
{
    leat_test_store_init(&t, LEAT_TEST_LMDB, NULL);
}

static void
fini(void)
{
    leat_test_store_fini(&t);
}

TestSuite(store_damage, .init = init, .fini = fini);

static void
must_say(const char *word)
{
    cr_assert(ne(ptr, strstr(why, word), NULL), "\"%s\" is not in: %s", word, why);
}

static void
read_file(const char *folder, const char *name, uint8_t **data, size_t *size)
{
    char path[PATH_MAX + 64];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *const file = fopen(path, "rb");
    cr_assert(ne(ptr, file, NULL), "%s", path);
    cr_assert(eq(int, fseek(file, 0, SEEK_END), 0));
    *size = (size_t)ftell(file);
    rewind(file);
    *data = calloc(1, *size + 1);
    cr_assert(eq(sz, fread(*data, 1, *size, file), *size));
    cr_assert(eq(int, fclose(file), 0));
}

static void
write_file(const uint8_t *data, size_t size)
{
    char path[PATH_MAX];
    (void)leat_tmp_write(&t.tmp, "store/data.mdb", data, size, path);
}

/* Open the store again, which must fail, and leave the file as it is. */
static void
must_refuse(leat_err wanted, const char *word)
{
    uint8_t *before;
    uint8_t *after;
    size_t size;
    size_t size_after;
    const leat_store_lmdb_options options = {.path = t.path};
    read_file(t.path, "data.mdb", &before, &size);
    LEAT_FAILS(leat_store_lmdb_open(&options, &t.store, why), wanted);
    must_say(word);
    read_file(t.path, "data.mdb", &after, &size_after);
    cr_assert(eq(sz, size, size_after));
    cr_assert(eq(int, memcmp(before, after, size), 0));
    free(before);
    free(after);
}

static void
must_open(void)
{
    const leat_store_lmdb_options options = {.path = t.path};
    const leat_err err = leat_store_lmdb_open(&options, &t.store, why);
    cr_assert(eq(int, err, LEAT_ERR_OK), "%s", why);
}

static void
must_check(const char *folder, uint64_t findings, const char *word)
{
    LEAT_PASS(leat_offline_check(folder, &chore, why));
    cr_assert(eq(u64, chore.findings, findings), "%s", chore.found[0]);
    cr_assert(ne(ptr, strstr(chore.found[0], word), NULL), "%s", chore.found[0]);
}

/* Many rows, of all sizes; some have gone again, so that there are free pages. */
static void
fill(void)
{
    for (uint64_t round = 1; round <= 20; round++) {
        for (uint64_t i = 0; i < 40; i++)
            leat_test_put_pack(&t, (round * 40 + i) * 32, 3, i % 8 == 0 ? 3000 : 40);
        leat_changes_put(&t.changes, LEAT_OBJECT_BATCH, round, "AN-OBJECT", 9);
        if (round > 4) {
            for (uint64_t i = 0; i < 40; i++)
                leat_changes_keep(&t.changes, (round - 4) * 40 + i, 0);
        }
        leat_test_store_commit(&t);
    }
}

static void
fill_and_close(void)
{
    fill();
    leat_store_destroy(&t.store);
}

Test(store_damage, every_page_of_a_good_store_is_in_use_or_free)
{
    fill_and_close();

    must_check(t.path, 0, "");

    cr_assert(gt(u64, chore.pages, 20));
    cr_assert(eq(u64, chore.rows, 4 * 40 + 20 + 1));
}

Test(store_damage, a_row_that_is_gone_is_missed_by_check_and_by_load)
{
    fill_and_close();
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi jobs;
    uint64_t id = (uint64_t)20 * 40 * 32;
    MDB_val key = {.mv_size = sizeof id, .mv_data = &id};
    cr_assert(eq(int, leat_lmdb_env_open(t.path, 0, &env), 0));
    cr_assert(eq(int, mdb_txn_begin(env, NULL, 0, &txn), 0));
    cr_assert(eq(int, mdb_dbi_open(txn, "jobs", MDB_INTEGERKEY, &jobs), 0));
    cr_assert(eq(int, mdb_del(txn, jobs, &key, NULL), 0));
    cr_assert(eq(int, mdb_txn_commit(txn), 0));
    mdb_env_close(env);

    must_check(t.path, 2, "table jobs: 159 rows are there, and 160 were written");
    must_refuse(LEAT_ERR_CORRUPT, "160 were written");
}

Test(store_damage, a_first_page_that_says_it_is_newer_than_it_can_be_is_not_believed)
{
    fill_and_close();
    uint8_t *data;
    size_t size;
    read_file(t.path, "data.mdb", &data, &size);
    for (unsigned bit = 0; bit < 32; bit++) {
        data[META_TXNID + bit / 8] ^= (uint8_t)(1U << (bit % 8));
        write_file(data, size);
        must_refuse(LEAT_ERR_CORRUPT, bit == 1 ? "the first pages are of commit" : "contradict");
        data[META_TXNID + bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    write_file(data, size);
    free(data);
    must_open();
}

/* Each bit of the pages that lead to rows: found, refused, or without any effect; never a signal.
 */
Test(store_damage, no_bit_of_a_branch_ends_the_process, .timeout = 300)
{
    fill_and_close();
    uint8_t *data;
    size_t size;
    unsigned found = 0;
    read_file(t.path, "data.mdb", &data, &size);
    for (size_t page = 2; page < size / 4096; page++) {
        if ((data[page * 4096 + 10] & 3) != 1) /* a branch */
            continue;
        for (size_t at = page * 4096; at < page * 4096 + 40; at++) {
            data[at] ^= 4;
            write_file(data, size);
            LEAT_PASS(leat_offline_check(t.path, &chore, why));
            cr_assert(eq(ptr, strstr(chore.found[0], "signal"), NULL), "%s", chore.found[0]);
            found += chore.findings > 0;
            data[at] ^= 4;
        }
    }
    free(data);
    cr_assert(gt(uint, found, 20));
}

Test(store_damage, a_store_of_format_1_is_written_again_with_all_that_is_in_it)
{
    uint8_t *old;
    uint8_t *again;
    size_t size;
    size_t size_again;
    leat_store_destroy(&t.store);
    read_file(LEAT_SOURCE_DIR "/tests/data/stores/1", "data.mdb", &old, &size);
    write_file(old, size);
    must_check(t.path, 0, "");
    cr_assert(eq(u64, chore.rows, 40));

    must_open();
    char *dump = leat_test_dump(&t);
    cr_assert(ne(ptr, strstr(dump, "\npack 7 0:5 1:4 2:5\n"), NULL), "%s", dump);
    free(dump);
    leat_store_destroy(&t.store);
    must_check(t.path, 0, "");
    cr_assert(eq(u64, chore.rows, 40));
    uint32_t format;
    LEAT_PASS(leat_copy_read_format(t.path, &format, why));
    cr_assert(eq(u32, format, LEAT_STORE_FORMAT));

    /* once, and in place of the old one */
    read_file(t.path, "data.mdb", &again, &size_again);
    cr_assert(size_again != size || memcmp(old, again, size) != 0);
    free(again);
    char path[PATH_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/" LEAT_STORE_NEW_FILE, t.path);
    cr_assert(ne(int, access(path, F_OK), 0));
    free(old);
    must_open();
}

Test(store_damage, a_store_of_format_2_with_a_turn_in_parts_is_written_again_whole)
{
    uint8_t *old;
    size_t size;
    leat_store_destroy(&t.store);
    read_file(LEAT_SOURCE_DIR "/tests/data/stores/2", "data.mdb", &old, &size);
    write_file(old, size);
    must_check(t.path, 0, "");

    must_open();
    char *dump = leat_test_dump(&t);
    cr_assert(ne(ptr, strstr(dump, "object 2 3 a channel\n"), NULL), "%s", dump);
    cr_assert(ne(ptr, strstr(dump, "turn 1 "), NULL), "%s", dump);
    free(dump);
    const leat_fetch fetch = {
        .kind = LEAT_FETCH_LOG, .id = 5, .position = 1000, .turn = 1, .max_bytes = 1};
    leat_test_answer answer = leat_test_fetch(&t, &fetch);
    leat_reader completions;
    leat_completion last;
    (void)leat_test_open_log(&answer, &completions);
    leat_items_next_completion(&completions, &last);
    cr_assert(eq(u64, last.job, 64 + 999));
    free(answer.data);
    leat_store_destroy(&t.store);
    must_check(t.path, 0, "");

    size_t flips = 0;
    for (size_t i = 0; i + 31 <= size; i++) { /* and with a part that is damaged, not at all */
        if (leat_load_u64(old + i) == 0 && leat_load_u64(old + i + 8) == (1U << 12 | 3U)) {
            old[i + 30] ^= 1;
            flips++;
        }
    }
    cr_assert(gt(sz, flips, 0));
    write_file(old, size);
    free(old);
    must_refuse(LEAT_ERR_CORRUPT, "nothing was changed");
}

Test(store_damage, a_damaged_store_of_format_1_stays_what_it_is)
{
    uint8_t *data;
    size_t size;
    leat_store_destroy(&t.store);
    read_file(LEAT_SOURCE_DIR "/tests/data/stores/1", "data.mdb", &data, &size);
    for (size_t i = 0; i + 5 <= size; i++) {
        if (memcmp(data + i, "alpha", 5) == 0)
            data[i] ^= 1;
    }
    write_file(data, size);
    free(data);

    must_refuse(LEAT_ERR_CORRUPT, "table jobs, row 0/7");
    must_say("nothing was changed");
}

Test(store_damage, compact_keeps_what_is_there_and_leaves_out_what_is_free)
{
    fill();
    char *const before = leat_test_dump(&t);
    uint64_t bytes_before;
    uint64_t bytes;
    LEAT_FAILS(leat_offline_compact(t.path, &bytes_before, &bytes, why), LEAT_ERR_IN_USE);
    leat_store_destroy(&t.store);

    LEAT_PASS(leat_offline_compact(t.path, &bytes_before, &bytes, why));

    cr_assert(lt(u64, bytes, bytes_before));
    must_check(t.path, 0, "");
    must_open();
    char *const after = leat_test_dump(&t);
    cr_assert(eq(int, strcmp(before, after), 0));
    free(before);
    free(after);
}

/* ------------------------------------------------------------------------------------ backups */

static void
await_chore(void)
{
    do {
        (void)usleep(1000);
        leat_store_get_chore(t.store, &chore);
    } while (chore.running);
}

Test(store_damage, a_backup_of_a_store_that_is_written_to_is_one_moment_of_it)
{
    char path[PATH_MAX];
    (void)leat_tmp_path(&t.tmp, "copy", path);
    fill();
    LEAT_PASS(leat_store_start_chore(t.store, LEAT_CHORE_BACKUP, path, why));
    for (uint64_t i = 1; i <= 50; i++) {
        leat_changes_put(&t.changes, LEAT_OBJECT_SESSION, i, "LATER", 5);
        leat_test_store_commit(&t);
    }
    await_chore();
    cr_assert(eq(int, chore.err, LEAT_ERR_OK), "%s", chore.sentence);
    cr_assert(gt(u64, chore.bytes, UINT64_C(20) * 4096));

    must_check(path, 0, "");
    const uint64_t later = chore.rows - (4 * 40 + 20 + 1);
    cr_assert(le(u64, later, 50));
    leat_store_destroy(&t.store);
    (void)snprintf(t.path, sizeof t.path, "%s", path);
    must_open();
    char *const dump = leat_test_dump(&t);
    uint64_t seen = 0;
    for (const char *at = dump; (at = strstr(at, "LATER")) != NULL; at++)
        seen++;
    free(dump);
    cr_assert(eq(u64, seen, later));
}

static leat_err
pass_object(void *context, leat_object_kind kind, uint64_t id, const uint8_t *data, size_t size)
{
    (void)context;
    (void)kind;
    (void)id;
    (void)data;
    (void)size;
    return LEAT_ERR_OK;
}

static leat_err
pass_numbered(void *context, uint64_t number, const uint8_t *data, size_t size)
{
    (void)context;
    (void)number;
    (void)data;
    (void)size;
    return LEAT_ERR_OK;
}

static bool
is_copy(void)
{
    leat_loaded loaded;
    const leat_load load = {
        .object = pass_object, .pack = pass_numbered, .turn = pass_numbered, .loaded = &loaded};
    LEAT_PASS(leat_store_load(t.store, &load));
    return loaded.is_copy;
}

Test(store_damage, a_copy_says_so_until_somebody_has_started_from_it)
{
    char path[PATH_MAX];
    uint64_t bytes;
    (void)leat_tmp_path(&t.tmp, "copy", path);
    fill();
    cr_assert(is_copy() == false);
    leat_store_destroy(&t.store);
    LEAT_PASS(leat_offline_backup(t.path, path, &bytes, why));
    LEAT_FAILS(leat_offline_backup(t.path, path, &bytes, why), LEAT_ERR_CONFIG);
    must_say("there already");
    (void)snprintf(t.path, sizeof t.path, "%s", path);

    must_open();
    cr_assert(is_copy());
    leat_store_destroy(&t.store);
    must_open();
    cr_assert(is_copy());
    leat_changes_put(&t.changes, LEAT_OBJECT_META, 0, "x", 1);
    LEAT_PASS(leat_store_commit(t.store, &t.changes, 1));
    leat_store_destroy(&t.store);
    must_open();
    cr_assert(is_copy() == false);
}

Test(store_damage, a_backup_that_is_stopped_leaves_nothing)
{
    char path[PATH_MAX];
    char part[PATH_MAX + 8];
    const atomic_bool stop = true;
    leat_backup backup = {.folder = t.path, .stop = &stop};
    (void)leat_tmp_path(&t.tmp, "copy", path);
    (void)snprintf(part, sizeof part, "%s.part", path);
    fill_and_close();
    backup.to = path;
    cr_assert(eq(int, leat_lmdb_env_open(t.path, MDB_RDONLY, &backup.env), 0));

    LEAT_FAILS(leat_copy_backup(&backup, why), LEAT_ERR_INTERRUPTED);

    mdb_env_close(backup.env);
    cr_assert(ne(int, access(path, F_OK), 0));
    cr_assert(ne(int, access(part, F_OK), 0));
}

Test(store_damage, a_check_beside_the_work_finds_a_row_that_is_damaged)
{
    fill();
    LEAT_PASS(leat_store_start_chore(t.store, LEAT_CHORE_CHECK, "", why));
    await_chore();
    cr_assert(eq(int, chore.err, LEAT_ERR_OK), "%s", chore.sentence);
    cr_assert(eq(u64, chore.findings, 0), "%s", chore.found[0]);

    uint8_t *data;
    size_t size;
    read_file(t.path, "data.mdb", &data, &size);
    for (size_t i = 0; i + 9 <= size; i++) {
        if (memcmp(data + i, "AN-OBJECT", 9) == 0)
            data[i] ^= 1;
    }
    write_file(data, size);
    free(data);
    LEAT_PASS(leat_store_start_chore(t.store, LEAT_CHORE_CHECK, "", why));
    await_chore();
    cr_assert(eq(u64, chore.findings, 20));
    cr_assert(eq(u64, chore.rows_damaged, 20));
    cr_assert(ne(ptr, strstr(chore.found[0], "table objects: row 3/1"), NULL), "%s",
              chore.found[0]);
}

/* -------------------------------------------------------------------------------------- guard */

/* A process that opens the store and is ended by a signal; what leat.lock says then. */
static void
end_by(int number, const char *wanted)
{
    uint8_t *text;
    size_t size;
    int status;
    const pid_t child = fork();
    if (child == 0) {
        const leat_store_lmdb_options options = {.path = t.path, .watch_signals = true};
        (void)signal(number, SIG_DFL); /* a sanitizer has one of its own */
        if (leat_store_lmdb_open(&options, &t.store, why) != LEAT_ERR_OK)
            _exit(9);
        (void)raise(number);
        _exit(8);
    }
    cr_assert(eq(int, waitpid(child, &status, 0), child));
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    cr_assert(code != 9 && code != 8, "%s", why);
    read_file(t.path, "leat.lock", &text, &size);
    const char *const said = strstr((const char *)text, "faults");
    cr_assert(eq(int, strcmp(said == NULL ? "" : said, wanted), 0), "%s", (const char *)text);
    free(text);
}

Test(store_damage, three_lives_that_a_signal_ends_are_enough)
{
    leat_store_destroy(&t.store);
    end_by(SIGSEGV, "faults 1 signal 11\n");
    end_by(SIGKILL, "faults 1 signal 11\n");
    end_by(SIGBUS, "faults 1 signal 11\nfaults 2 signal 7\n");
    must_open();
    leat_store_destroy(&t.store); /* in order: it counts anew */
    end_by(SIGABRT, "faults 1 signal 6\n");
    end_by(SIGABRT, "faults 1 signal 6\nfaults 2 signal 6\n");
    end_by(SIGFPE, "faults 2 signal 6\nfaults 3 signal 8\n");
    must_refuse(LEAT_ERR_BAD_STATE, "3 starts in a row");
    must_say("leat store check");
    must_refuse(LEAT_ERR_BAD_STATE, "remove");
    must_check(t.path, 0, "");

    char path[PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/leat.lock", t.path);
    cr_assert(eq(int, unlink(path), 0));
    must_open();
}
