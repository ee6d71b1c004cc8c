/* broker/store/lmdb: opening, what must be refused, damage, and a disk that takes no more. */
#include "tests/lib/test.h"

#include <lmdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/store/lmdb.h"
#include "broker/store/tables.h"
#include "proto/base/crc32c.h"
#include "proto/base/random.h"
#include "tests/lib/stores.h"

static leat_test_store t;
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

TestSuite(store_lmdb, .init = init, .fini = fini);

/* Open the folder beside t.store, which must fail. */
static leat_err
open_at(const char *path)
{
    leat_store *store = NULL;
    const leat_store_lmdb_options options = {.path = path};
    const leat_err err = leat_store_lmdb_open(&options, &store, why);
    leat_store_destroy(&store);
    return err;
}

static void
must_say(const char *word)
{
    cr_assert(ne(ptr, strstr(why, word), NULL), "\"%s\" is not in: %s", word, why);
}

/* Make a store that holds some of everything, close it. */
static void
fill_and_close(void)
{
    leat_test_put_pack(&t, 64, 20, 100);
    leat_changes_put(&t.changes, LEAT_OBJECT_BATCH, 5, "THE-OBJECT", 10);
    static const uint64_t ids[] = {1, 2};
    leat_buf turn = {0};
    leat_test_put_ends(
        &turn, &(leat_test_ends){
                   .batch = 5, .first_position = 1, .worker = "THE-WORKER", .ids = ids, .n = 2});
    leat_changes_turn(&t.changes, 1, turn.data, turn.size);
    leat_changes_turn(&t.changes, 2, "\7\0\0\0\0\0\0\0THE-TURN", 16);
    leat_buf_fini(&turn);
    leat_test_store_commit(&t);
    leat_test_store_trim(&t, 2);
    leat_store_destroy(&t.store);
}

static void
read_file(uint8_t **data, size_t *size)
{
    char path[PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/data.mdb", t.path);
    FILE *const file = fopen(path, "rb");
    cr_assert(ne(ptr, file, NULL));
    cr_assert(eq(int, fseek(file, 0, SEEK_END), 0));
    *size = (size_t)ftell(file);
    rewind(file);
    *data = malloc(*size);
    cr_assert(eq(sz, fread(*data, 1, *size, file), *size));
    cr_assert(eq(int, fclose(file), 0));
}

static void
write_file(const uint8_t *data, size_t size)
{
    char path[PATH_MAX];
    (void)leat_tmp_write(&t.tmp, "store/data.mdb", data, size, path);
}

/* Change one bit of every place where the file has these bytes. */
static void
flip(const char *bytes)
{
    uint8_t *data;
    size_t size;
    read_file(&data, &size);
    bool found = false;
    const size_t n = strlen(bytes);
    for (size_t i = 0; i + n <= size; i++) {
        if (memcmp(data + i, bytes, n) == 0) {
            data[i] ^= 1;
            found = true;
        }
    }
    cr_assert(found);
    write_file(data, size);
    free(data);
}

static void
must_open_again(void)
{
    const leat_store_lmdb_options options = {.path = t.path};
    LEAT_PASS(leat_store_lmdb_open(&options, &t.store, why));
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

static const leat_load pass = {.object = pass_object, .pack = pass_numbered, .turn = pass_numbered};

Test(store_lmdb, what_is_durable_is_there_after_opening_again)
{
    fill_and_close();
    must_open_again();

    char *const dump = leat_test_dump(&t);
    cr_assert(eq(int, strncmp(dump, "object 3 5 THE-OBJECT\npack 64 0:100 1:100 ", 42), 0), "%s",
              dump);
    cr_assert(ne(ptr, strstr(dump, "\nturn 2 16\n"), NULL), "%s", dump);
    free(dump);
    cr_assert(eq(u64, leat_test_store_facts(&t).history_jobs, 2));
    cr_assert(eq(u64, leat_test_store_facts(&t).trimmed, 2));
}

Test(store_lmdb, closing_waits_for_what_was_given)
{
    for (uint64_t i = 1; i <= 300; i++) {
        leat_test_put_pack(&t, i * 32, 1, 1000);
        LEAT_PASS(leat_store_commit(t.store, &t.changes, i));
    }
    leat_store_destroy(&t.store);
    must_open_again();

    char *dump = leat_test_dump(&t);
    unsigned lines = 0;
    for (const char *at = dump; *at != '\0'; at++)
        lines += *at == '\n';
    cr_assert(eq(uint, lines, 300));
    free(dump);
}

Test(store_lmdb, the_eventfd_is_readable_when_something_is_durable)
{
    leat_changes_put(&t.changes, LEAT_OBJECT_META, 0, "x", 1);
    LEAT_PASS(leat_store_commit(t.store, &t.changes, 1));

    struct pollfd item = {.fd = leat_store_lmdb_fd(t.store), .events = POLLIN};
    cr_assert(eq(int, poll(&item, 1, -1), 1));
    uint64_t events;
    cr_assert(eq(int, (int)read(item.fd, &events, sizeof events), 8));
    cr_assert(eq(u64, leat_store_durable_upto(t.store), 1));
    cr_assert(leat_store_lmdb_sentence(t.store)[0] == '\0');
}

Test(store_lmdb, facts_tell_the_size_of_the_file)
{
    leat_test_put_pack(&t, 64, 20, 1000);
    leat_test_store_commit(&t);

    const leat_store_facts facts = leat_test_store_facts(&t);

    cr_assert(ge(u64, facts.file_bytes, 20000));
    cr_assert(ge(u64, facts.used_bytes, 20000));
    cr_assert(le(u64, facts.used_bytes, facts.file_bytes));
}

Test(store_lmdb, folders_are_made_for_their_owner_only)
{
    char path[PATH_MAX];
    LEAT_PASS(open_at(leat_tmp_path(&t.tmp, "one/two/three/", path)));

    static const char *const made[] = {"one", "one/two", "one/two/three", "store"};
    for (size_t i = 0; i < 4; i++) {
        struct stat info;
        cr_assert(eq(int, stat(leat_tmp_path(&t.tmp, made[i], path), &info), 0));
        cr_assert(eq(uint, info.st_mode & 0777, 0700));
    }
}

Test(store_lmdb, what_a_cut_has_left_of_a_new_store_is_thrown_away)
{
    static const uint8_t half[5000] = {0};
    char path[PATH_MAX];
    struct stat info;
    (void)leat_tmp_write(&t.tmp, "cut/data.mdb.new", half, sizeof half, path);

    LEAT_PASS(open_at(leat_tmp_path(&t.tmp, "cut", path)));
    cr_assert(ne(int, stat(leat_tmp_path(&t.tmp, "cut/data.mdb.new", path), &info), 0));
    cr_assert(eq(int, stat(leat_tmp_path(&t.tmp, "cut/data.mdb", path), &info), 0));
    LEAT_PASS(open_at(leat_tmp_path(&t.tmp, "cut", path)));
}

Test(store_lmdb, a_second_broker_is_told_who_has_the_store)
{
    LEAT_FAILS(open_at(t.path), LEAT_ERR_IN_USE);

    char pid[32];
    (void)snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    must_say(pid);
    must_say(t.path);
}

Test(store_lmdb, a_path_under_a_file_is_denied)
{
    char path[PATH_MAX];
    (void)leat_tmp_write(&t.tmp, "file", "x", 1, path);
    LEAT_FAILS(open_at(path), LEAT_ERR_DENIED);
    must_say(path);
    LEAT_FAILS(open_at(leat_tmp_path(&t.tmp, "file/store", path)), LEAT_ERR_DENIED);
    must_say(path);
    LEAT_FAILS(open_at(leat_tmp_path(&t.tmp, "file/store/deep", path)), LEAT_ERR_DENIED);
    LEAT_FAILS(open_at(""), LEAT_ERR_DENIED);
}

/* Write the store's own row again, from outside, with another format number. */
static void
set_format(uint32_t format)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi objects;
    uint8_t key[17] = {2}; /* LEAT_TABLE_OBJECTS, and the row's key */
    uint8_t data[256];
    MDB_val at = {.mv_size = 16, .mv_data = key + 1};
    MDB_val value;
    cr_assert(eq(int, mdb_env_create(&env), 0));
    cr_assert(eq(int, mdb_env_set_maxdbs(env, 8), 0));
    /* The stored map size is more than valgrind can give. */
    cr_assert(eq(int, mdb_env_set_mapsize(env, 1U << 26), 0));
    cr_assert(eq(int, mdb_env_open(env, t.path, 0, 0600), 0));
    cr_assert(eq(int, mdb_txn_begin(env, NULL, 0, &txn), 0));
    cr_assert(eq(int, mdb_dbi_open(txn, "objects", 0, &objects), 0));
    cr_assert(eq(int, mdb_get(txn, objects, &at, &value), 0));
    cr_assert(lt(sz, value.mv_size, sizeof data));
    memcpy(data, value.mv_data, value.mv_size);
    value.mv_data = data;
    leat_store_u32(data, format);
    const size_t size = value.mv_size - 4;
    leat_store_u64(data + size - 8, mdb_txn_id(txn));
    leat_store_u32(data + size, leat_crc32c(leat_crc32c(0, key, sizeof key), data, size));
    cr_assert(eq(int, mdb_put(txn, objects, &at, &value, 0), 0));
    cr_assert(eq(int, mdb_txn_commit(txn), 0));
    mdb_env_close(env);
}

Test(store_lmdb, a_store_of_a_newer_version_is_refused)
{
    leat_store_destroy(&t.store);

    set_format(LEAT_STORE_FORMAT + 1);
    LEAT_FAILS(open_at(t.path), LEAT_ERR_VERSION);
    must_say("newer");
    must_say("data.mdb");

    set_format(0);
    LEAT_FAILS(open_at(t.path), LEAT_ERR_CORRUPT);
    set_format(LEAT_STORE_FORMAT);
    LEAT_PASS(open_at(t.path));
}

Test(store_lmdb, a_flipped_bit_in_an_object_or_a_turn_ends_the_load)
{
    static const char *const bytes[] = {"THE-OBJECT", "THE-TURN"};
    fill_and_close();
    for (size_t i = 0; i < 2; i++) {
        flip(bytes[i]);
        must_open_again();
        LEAT_FAILS(leat_store_load(t.store, &pass), LEAT_ERR_CORRUPT);
        leat_store_destroy(&t.store);
        flip(i == 0 ? "UHE-OBJECT" : "UHE-TURN");
    }
    must_open_again();
    LEAT_PASS(leat_store_load(t.store, &pass));
}

Test(store_lmdb, a_flipped_bit_never_gives_a_wrong_payload)
{
    fill_and_close();
    char payload[32];
    memset(payload, leat_test_payload_byte(70), sizeof payload - 1);
    payload[sizeof payload - 1] = '\0';
    flip(payload);
    flip("THE-WORKER");
    must_open_again();

    LEAT_FAILS(leat_store_load(t.store, &pass), LEAT_ERR_CORRUPT);
    static const leat_fetch fetches[] = {
        {.kind = LEAT_FETCH_JOB,   .id = 64, .position = 0},
        {.kind = LEAT_FETCH_JOB,   .id = 70, .position = 0},
        {.kind = LEAT_FETCH_ENDED, .id = 1,  .position = 0},
        {.kind = LEAT_FETCH_LOG,   .id = 5,  .position = 1},
    };
    for (size_t i = 0; i < 4; i++) {
        leat_test_answer answer = leat_test_fetch(&t, &fetches[i]);
        LEAT_FAILS(answer.fetched.err, LEAT_ERR_CORRUPT);
        cr_assert(eq(sz, answer.fetched.size, 0));
        free(answer.data);
    }
}

Test(store_lmdb, a_damaged_pack_does_not_keep_others_from_ending)
{
    fill_and_close();
    char payload[32];
    memset(payload, leat_test_payload_byte(70), sizeof payload - 1);
    payload[sizeof payload - 1] = '\0';
    flip(payload);
    must_open_again();

    leat_changes_keep(&t.changes, 2, 1);
    leat_test_store_commit(&t);
    leat_test_answer answer = leat_test_fetch(&t, &(leat_fetch){.kind = LEAT_FETCH_JOB, .id = 64});
    LEAT_FAILS(answer.fetched.err, LEAT_ERR_CORRUPT);
    free(answer.data);
    leat_changes_keep(&t.changes, 2, 0);
    leat_test_store_commit(&t);
    LEAT_PASS(leat_store_load(t.store, &pass));
}

/* New ends of a chunk whose row is damaged go into a row of their own. */
Test(store_lmdb, damaged_history_takes_no_new_ends_and_loses_none)
{
    fill_and_close();
    flip("THE-WORKER");
    must_open_again();
    static const uint64_t ids[] = {3};
    leat_buf turn = {0};
    leat_test_put_ends(&turn,
                       &(leat_test_ends){.batch = 5, .first_position = 3, .ids = ids, .n = 1});
    leat_changes_turn(&t.changes, 3, turn.data, turn.size);
    leat_buf_fini(&turn);
    leat_test_store_commit(&t);
    leat_test_store_trim(&t, 4);

    leat_test_answer answer = leat_test_fetch(&t, &(leat_fetch){.kind = LEAT_FETCH_ENDED, .id = 3});
    LEAT_PASS(answer.fetched.err);
    free(answer.data);
    flip("UHE-WORKER");
    answer = leat_test_fetch(&t, &(leat_fetch){.kind = LEAT_FETCH_ENDED, .id = 1});
    LEAT_PASS(answer.fetched.err);
    free(answer.data);
}

/* Where the pages end; what follows are zeros, taken ahead. */
static size_t
end_of_pages(void)
{
    MDB_env *env;
    MDB_envinfo info;
    MDB_stat stat_env;
    cr_assert(eq(int, mdb_env_create(&env), 0));
    cr_assert(eq(int, mdb_env_set_mapsize(env, 1U << 26), 0));
    cr_assert(eq(int, mdb_env_open(env, t.path, MDB_RDONLY, 0600), 0));
    cr_assert(eq(int, mdb_env_info(env, &info), 0));
    cr_assert(eq(int, mdb_env_stat(env, &stat_env), 0));
    mdb_env_close(env);
    return (info.me_last_pgno + 1) * stat_env.ms_psize;
}

Test(store_lmdb, a_file_cut_short_is_refused_at_every_length)
{
    for (uint64_t i = 1; i < 40; i++)
        leat_test_put_pack(&t, i * 32, 20, 100);
    fill_and_close();
    uint8_t *data;
    size_t size;
    read_file(&data, &size);
    const size_t end = end_of_pages();
    cr_assert(gt(sz, size, end));

    for (size_t left = end - 1; left > 4096; left -= left > 8192 ? 3333 : 511) {
        write_file(data, left);
        LEAT_FAILS(open_at(t.path), LEAT_ERR_CORRUPT);
        must_say("data.mdb");
    }
    write_file(data, size);
    LEAT_PASS(open_at(t.path));
    free(data);
}

/* A page that is taken and given back in one commit is never written: when it is the last one, the
 * file ends before it. */
Test(store_lmdb, pages_at_the_end_that_were_never_written_are_not_missed)
{
    static const uint8_t large[40000] = {1};
    struct stat before;
    struct stat after;
    char path[PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/data.mdb", t.path);
    for (uint64_t i = 1; i <= 20;
         i++) { /* single pages get free: all but the large one uses them */
        leat_changes_put(&t.changes, LEAT_OBJECT_CHANNEL, i, "kept", 4);
        leat_test_store_commit(&t);
    }
    leat_changes_put(&t.changes, LEAT_OBJECT_BATCH, 5, large, sizeof large);
    leat_changes_drop(&t.changes, LEAT_OBJECT_BATCH, 5);
    leat_test_store_commit(&t);
    leat_store_destroy(&t.store);
    cr_assert(eq(int, stat(path, &before), 0));

    must_open_again();
    leat_test_store_reopen(&t);
    cr_assert(eq(int, stat(path, &after), 0));
    cr_assert(gt(i64, after.st_size, before.st_size)); /* else this has tried nothing */
}

Test(store_lmdb, what_is_no_store_is_refused)
{
    leat_store_destroy(&t.store);
    uint8_t zeros[16384] = {0};
    write_file(zeros, sizeof zeros);
    LEAT_FAILS(open_at(t.path), LEAT_ERR_CORRUPT);
    must_say("data.mdb");
    write_file((const uint8_t *)"hello", 5);
    LEAT_FAILS(open_at(t.path), LEAT_ERR_CORRUPT);
}

Test(store_lmdb, tables_of_somebody_else_are_left_alone)
{
    leat_store_destroy(&t.store);
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    char path[PATH_MAX];
    (void)leat_tmp_write(&t.tmp, "other/readme", "x", 1, path);
    (void)leat_tmp_path(&t.tmp, "other", path);
    cr_assert(eq(int, mdb_env_create(&env), 0));
    cr_assert(eq(int, mdb_env_set_maxdbs(env, 8), 0));
    cr_assert(eq(int, mdb_env_set_mapsize(env, 1U << 26), 0));
    cr_assert(eq(int, mdb_env_open(env, path, 0, 0600), 0));
    cr_assert(eq(int, mdb_txn_begin(env, NULL, 0, &txn), 0));
    cr_assert(eq(int, mdb_dbi_open(txn, "cats", MDB_CREATE, &dbi), 0));
    cr_assert(eq(int, mdb_txn_commit(txn), 0));
    mdb_env_close(env);

    LEAT_FAILS(open_at(path), LEAT_ERR_CORRUPT);
    must_say("no store");
}

/* The limit on a file's size stands for the end of the disk. */
static void
fill_disk(void)
{
    struct stat file;
    char path[PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/data.mdb", t.path);
    cr_assert(eq(int, stat(path, &file), 0));
    const struct rlimit limit = {.rlim_cur = (rlim_t)file.st_size + 65536,
                                 .rlim_max = RLIM_INFINITY};
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &limit), 0));
}

Test(store_lmdb, a_full_disk_has_room_for_what_is_there_and_says_so)
{
    leat_store_room room;
    fill_disk();
    leat_store_get_room(t.store, 1U << 26, true, &room);
    cr_assert(room.full);
    cr_assert(lt(u64, room.bytes, 1U << 26));
    cr_assert(gt(u64, room.bytes, 100000));

    leat_test_put_pack(&t, 64, 20, 1000);
    leat_test_store_commit(&t);
    leat_store_room after;
    leat_store_get_room(t.store, 1U << 26, true, &after);
    cr_assert(lt(u64, after.bytes + 19000, room.bytes));
}

Test(store_lmdb, a_long_turn_is_put_in_parts_on_a_full_disk_and_read_whole)
{
    uint64_t ids[1000];
    leat_store_room room;
    leat_buf turn = {0};
    for (uint64_t i = 0; i < 1000; i++)
        ids[i] = 64 + i;
    leat_test_put_ends(
        &turn,
        &(leat_test_ends){.batch = 5, .first_position = 1, .worker = "w", .ids = ids, .n = 1000});
    fill_disk();
    leat_store_get_room(t.store, 1U << 26, true, &room);
    cr_assert(room.full);
    leat_changes_turn(&t.changes, 1, turn.data, turn.size);
    leat_test_store_commit(&t);
    char *const parts = leat_test_dump(&t);

    leat_test_store_reopen(&t);
    char *const again = leat_test_dump(&t);
    cr_assert(eq(int, strcmp(parts, again), 0));
    cr_assert(ne(ptr, strstr(parts, "turn 1"), NULL), "%s", parts);
    const leat_fetch fetch = {
        .kind = LEAT_FETCH_LOG, .id = 5, .position = 1, .turn = 1, .max_bytes = 1U << 20};
    leat_test_answer answer = leat_test_fetch(&t, &fetch);
    LEAT_PASS(answer.fetched.err);
    free(answer.data);

    leat_test_store_trim(&t, 2);
    char *const trimmed = leat_test_dump(&t);
    cr_assert(eq(ptr, strstr(trimmed, "turn 1"), NULL), "%s", trimmed);
    free(parts);
    free(again);
    free(trimmed);
    leat_buf_fini(&turn);
}

/* Rows of OBJECTS that are parts of others; the store is closed. */
static uint64_t
count_parts(void)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val value;
    uint64_t parts = 0;
    cr_assert(eq(int, mdb_env_create(&env), 0));
    cr_assert(eq(int, mdb_env_set_maxdbs(env, 8), 0));
    /* The store's own map beside it may be as large as addresses allow. */
    cr_assert(eq(int, mdb_env_set_mapsize(env, 1U << 26), 0));
    cr_assert(eq(int, mdb_env_open(env, t.path, MDB_RDONLY | MDB_NOLOCK, 0600), 0));
    cr_assert(eq(int, mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0));
    cr_assert(eq(int, mdb_dbi_open(txn, leat_table_name(LEAT_TABLE_OBJECTS), 0, &dbi), 0));
    cr_assert(eq(int, mdb_cursor_open(txn, dbi, &cursor), 0));
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS)
        parts += leat_load_u64(key.mv_data) == LEAT_PARTS_KIND;
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    return parts;
}

static void
must_be_alike(leat_test_store *left, leat_test_store *right)
{
    char *const a = leat_test_dump(left);
    char *const b = leat_test_dump(right);
    cr_assert(eq(int, strcmp(a, b), 0), "%s\n---\n%s", a, b);
    free(a);
    free(b);
}

/* An object that is new, or takes the place of a longer or shorter one. Every third one looks like
 * what stands for parts. */
static void
put_object(leat_test_store *to, uint64_t id, uint64_t seed)
{
    leat_random random;
    uint8_t data[20000];
    leat_random_seed(&random, seed);
    const size_t size = seed % 3 == 0 ? 13 : leat_random_below(&random, sizeof data);
    memset(data, (int)(seed % 3 == 0 ? 255 : 'a' + seed % 26), size);
    leat_changes_put(&to->changes, LEAT_OBJECT_SESSION, id, data, size);
}

Test(store_lmdb, long_rows_in_parts_are_like_whole_ones_and_leave_nothing_behind, .timeout = 60)
{
    leat_test_store like;
    leat_test_store *const both[] = {&t, &like};
    leat_store_room room;
    leat_test_store_init(&like, LEAT_TEST_MEMORY, NULL);
    for (unsigned s = 0; s < 2; s++) { /* some are there, and whole, before the disk is full */
        put_object(both[s], 1, 7);
        leat_test_put_pack(both[s], 64, 20, 2000);
        leat_test_store_commit(both[s]);
    }
    fill_disk();
    leat_store_get_room(t.store, 1U << 26, true, &room);
    cr_assert(room.full);
    for (uint64_t round = 0; round < 60; round++) {
        for (unsigned s = 0; s < 2; s++) {
            put_object(both[s], 1 + round % 3, round);
            if (round % 4 == 1)
                leat_changes_drop(&both[s]->changes, LEAT_OBJECT_SESSION, 1 + round % 5);
            if (round == 3)
                leat_test_put_pack(both[s], 96, 10, 3000);
            if (round % 7 == 5)
                leat_changes_keep(&both[s]->changes, 2, ~((1U << (round / 7 + 1)) - 1U));
            leat_test_store_commit(both[s]);
        }
        if (round % 20 == 10) {
            leat_test_store_reopen(&t);
            leat_store_get_room(t.store, 1U << 26, true, &room);
            cr_assert(room.full);
        }
        must_be_alike(&t, &like);
    }
    for (unsigned s = 0; s < 2; s++) {
        for (uint64_t id = 1; id <= 5; id++)
            leat_changes_drop(&both[s]->changes, LEAT_OBJECT_SESSION, id);
        leat_changes_keep(&both[s]->changes, 2, 0);
        leat_changes_keep(&both[s]->changes, 3, 1U << 4);
        leat_test_store_commit(both[s]);
    }
    must_be_alike(&t, &like);
    leat_store_destroy(&t.store);
    cr_assert(eq(u64, count_parts(), 2)); /* of the one job that is left, 3000 bytes */
    must_open_again();
    must_be_alike(&t, &like);
    leat_changes_keep(&t.changes, 3, 0);
    leat_test_store_commit(&t);
    leat_store_destroy(&t.store);
    cr_assert(eq(u64, count_parts(), 0));
    leat_test_store_fini(&like);
}

Test(store_lmdb, after_a_failed_commit_nothing_is_accepted_any_more)
{
    leat_test_put_pack(&t, 32, 1, 100);
    leat_test_store_commit(&t);
    cr_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    const struct rlimit limit = {.rlim_cur = 1U << 16, .rlim_max = RLIM_INFINITY};
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &limit), 0));

    leat_test_put_pack(&t, 64, 1, 1U << 20);
    LEAT_PASS(leat_store_commit(t.store, &t.changes, 2));

    struct pollfd item = {.fd = leat_store_lmdb_fd(t.store), .events = POLLIN};
    cr_assert(eq(int, poll(&item, 1, -1), 1));
    cr_assert(eq(u64, leat_store_durable_upto(t.store), 1));
    (void)snprintf(why, sizeof why, "%s", leat_store_lmdb_sentence(t.store));
    must_say("data.mdb");
    LEAT_FAILS(leat_store_commit(t.store, &t.changes, 3), LEAT_ERR_IO);
    const struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &none), 0));
    leat_store_destroy(&t.store);

    must_open_again();
    char *const dump = leat_test_dump(&t);
    cr_assert(eq(int, strcmp(dump, "pack 32 0:100\n"), 0), "%s", dump);
    free(dump);
}
