/* broker/store: what every store does, each test with both makers. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "proto/limits.h"
#include "tests/lib/stores.h"

#define BOTH(name)                                                                           \
    ParameterizedTestParameters(store, name)                                                 \
    {                                                                                        \
        static leat_test_maker makers[] = {LEAT_TEST_MEMORY, LEAT_TEST_LMDB};                \
        return cr_make_param_array(leat_test_maker, makers, sizeof makers / sizeof *makers); \
    }                                                                                        \
    ParameterizedTest(const leat_test_maker *maker, store, name)

static leat_test_store t;

static void
fini(void)
{
    leat_test_store_fini(&t);
}

TestSuite(store, .fini = fini);

static void
must_dump(const char *want)
{
    char *const got = leat_test_dump(&t);
    cr_assert(eq(int, strcmp(got, want), 0), "%s", got);
    free(got);
}

/* Fetching job id gives the pack with this key, and the right payload is in it. */
static void
must_fetch_job(uint64_t id, uint64_t pack_id)
{
    leat_test_answer answer = leat_test_fetch(&t, &(leat_fetch){.kind = LEAT_FETCH_JOB, .id = id});
    LEAT_PASS(answer.fetched.err);
    cr_assert(eq(u64, answer.fetched.pack_id, pack_id));
    leat_pack pack;
    LEAT_PASS(leat_pack_open(answer.data, answer.fetched.size, &pack));
    bool found = false;
    for (unsigned i = 0; i < pack.count; i++) {
        leat_pack_job job;
        leat_pack_next(&pack, &job);
        if (pack_id + job.offset != id)
            continue;
        found = true;
        for (uint32_t j = 0; j < job.payload_bytes; j++)
            cr_assert(eq(uint, job.payload[j], leat_test_payload_byte(id)));
    }
    cr_assert(found);
    free(answer.data);
}

static void
must_not_find(const leat_fetch *fetch)
{
    const leat_test_answer answer = leat_test_fetch(&t, fetch);
    LEAT_FAILS(answer.fetched.err, LEAT_ERR_NOT_FOUND);
    free(answer.data);
}

BOTH(a_new_store_is_empty)
{
    leat_test_store_init(&t, *maker, NULL);

    must_dump("");
    const leat_store_facts facts = leat_test_store_facts(&t);
    cr_assert(eq(u64, facts.history_jobs, 0));
    cr_assert(eq(u64, facts.trimmed, 0));
    cr_assert(eq(u64, leat_store_durable_upto(t.store), 0));
}

BOTH(load_gives_objects_then_packs_then_turns_in_the_order_of_their_keys)
{
    leat_test_store_init(&t, *maker, NULL);
    leat_changes_turn(&t.changes, 1, "abc", 3);
    leat_test_put_pack(&t, 320, 2, 1);
    leat_test_put_pack(&t, 64, 1, 0);
    leat_changes_put(&t.changes, LEAT_OBJECT_BATCH, 9, "nine", 4);
    leat_changes_put(&t.changes, LEAT_OBJECT_BATCH, UINT64_MAX, "last", 4);
    leat_changes_put(&t.changes, LEAT_OBJECT_META, 0, "meta", 4);
    leat_test_store_commit(&t);
    leat_changes_turn(&t.changes, 2, "", 0);
    leat_test_put_pack(&t, 96, 1, 2);
    leat_test_store_commit(&t);

    leat_test_store_reopen(&t);

    must_dump("object 1 0 meta\nobject 3 9 nine\nobject 3 18446744073709551615 last\n"
              "pack 64 0:0\npack 96 0:2\npack 320 0:1 1:1\nturn 1 3\nturn 2 0\n");
}

BOTH(objects_are_replaced_and_dropped)
{
    leat_test_store_init(&t, *maker, NULL);
    leat_changes_put(&t.changes, LEAT_OBJECT_CHANNEL, 1, "one", 3);
    leat_changes_put(&t.changes, LEAT_OBJECT_CHANNEL, 2, "two", 3);
    leat_changes_put(&t.changes, LEAT_OBJECT_SESSION, 1, "other", 5);
    leat_test_store_commit(&t);
    leat_changes_put(&t.changes, LEAT_OBJECT_CHANNEL, 1, "uno!", 4);
    leat_changes_drop(&t.changes, LEAT_OBJECT_CHANNEL, 2);
    leat_changes_drop(&t.changes, LEAT_OBJECT_CHANNEL, 3);
    leat_test_store_commit(&t);

    leat_test_store_reopen(&t);

    must_dump("object 2 1 uno!\nobject 4 1 other\n");
    leat_fetch fetch = {
        .kind = LEAT_FETCH_OBJECT, .object_kind = LEAT_OBJECT_CHANNEL, .id = 1, .cookie = 77};
    leat_test_answer answer = leat_test_fetch(&t, &fetch);
    LEAT_PASS(answer.fetched.err);
    cr_assert(eq(sz, answer.fetched.size, 4));
    cr_assert(eq(int, memcmp(answer.data, "uno!", 4), 0));
    cr_assert(eq(u64, answer.fetched.fetch.cookie, 77));
    free(answer.data);
    fetch.id = 2;
    must_not_find(&fetch);
}

BOTH(a_job_is_found_in_its_pack)
{
    leat_test_store_init(&t, *maker, NULL);
    leat_test_put_pack(&t, 100, 3, 8);
    leat_test_put_pack(&t, 103, 17, 8);
    leat_test_put_pack(&t, 200, 1, LEAT_PAYLOAD_BYTES_MAX);
    leat_test_store_commit(&t);

    must_fetch_job(100, 100);
    must_fetch_job(102, 100);
    must_fetch_job(103, 103);
    must_fetch_job(119, 103);
    must_fetch_job(200, 200);
    static const uint64_t none[] = {0, 99, 120, 199, 201, UINT64_MAX};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        must_not_find(&(leat_fetch){.kind = LEAT_FETCH_JOB, .id = none[i]});
}

BOTH(keep_cuts_ended_jobs_out_of_packs)
{
    leat_test_store_init(&t, *maker, NULL);
    leat_test_put_pack(&t, 95, 1, 1);  /* before the chunk */
    leat_test_put_pack(&t, 96, 4, 1);  /* all stay */
    leat_test_put_pack(&t, 100, 4, 2); /* two stay */
    leat_test_put_pack(&t, 104, 2, 3); /* none stays */
    leat_test_put_pack(&t, 127, 1, 4); /* the last of the chunk stays */
    leat_test_put_pack(&t, 128, 1, 5); /* behind it */
    leat_test_store_commit(&t);

    leat_changes_keep(&t.changes, 3, 0x8000000fU | 1U << 5 | 1U << 7);
    leat_test_store_commit(&t);

    leat_test_store_reopen(&t);
    must_dump("pack 95 0:1\npack 96 0:1 1:1 2:1 3:1\npack 100 1:2 3:2\npack 127 0:4\n"
              "pack 128 0:5\n");
    must_fetch_job(101, 100);
    must_fetch_job(103, 100);
    must_not_find(&(leat_fetch){.kind = LEAT_FETCH_JOB, .id = 100});
    must_not_find(&(leat_fetch){.kind = LEAT_FETCH_JOB, .id = 105});
}

BOTH(keep_can_cut_a_pack_again)
{
    leat_test_store_init(&t, *maker, NULL);
    leat_test_put_pack(&t, 33, 8, 1);
    leat_changes_keep(&t.changes, 1, 1U << 2 | 1U << 5);
    leat_changes_keep(&t.changes, 1, 1U << 5);
    leat_test_store_commit(&t);

    must_dump("pack 33 4:1\n");
    must_fetch_job(37, 33);
}

BOTH(keep_nothing_deletes_the_packs_of_one_chunk)
{
    leat_test_store_init(&t, *maker, NULL);
    for (uint64_t id = 0; id < 96; id += 16)
        leat_test_put_pack(&t, id, 16, 1);
    leat_test_store_commit(&t);
    leat_changes_keep(&t.changes, 1, 0);
    leat_changes_keep(&t.changes, 7, 0);
    leat_changes_keep(&t.changes, UINT64_MAX / LEAT_CHUNK_IDS, 1);
    leat_test_store_commit(&t);

    leat_test_store_reopen(&t);

    must_not_find(&(leat_fetch){.kind = LEAT_FETCH_JOB, .id = 40});
    must_fetch_job(31, 16);
    must_fetch_job(64, 64);
}

static void
count_fetched(void *context, const leat_fetched *fetched)
{
    unsigned *const calls = context;
    cr_assert(eq(u64, fetched->fetch.cookie, *calls));
    LEAT_PASS(fetched->err);
    cr_assert(eq(u64, fetched->pack_id, fetched->fetch.id - fetched->fetch.id % 16));
    ++*calls;
}

BOTH(many_jobs_are_fetched_in_one_call_one_answer_each)
{
    leat_test_store_init(&t, *maker, NULL);
    for (uint64_t id = 0; id < 4096; id += 16)
        leat_test_put_pack(&t, id, 16, 1);
    leat_test_store_commit(&t);
    leat_fetch fetches[512];
    for (uint64_t i = 0; i < 512; i++)
        fetches[i] = (leat_fetch){.kind = LEAT_FETCH_JOB, .id = 1000 + i * 3, .cookie = i};

    unsigned calls = 0;
    LEAT_PASS(leat_store_fetch(t.store, fetches, 512, count_fetched, &calls));

    cr_assert(eq(uint, calls, 512));
}

BOTH(packs_in_any_order_come_out_sorted)
{
    leat_test_store_init(&t, *maker, NULL);
    enum {
        PACKS = 2000
    };
    for (uint64_t i = 0; i < PACKS; i++)
        leat_test_put_pack(&t, i * 769 % PACKS * 32, 1, 1); /* 769 is prime to PACKS */
    leat_test_store_commit(&t);
    for (uint64_t i = 0; i < PACKS; i++) {
        const uint64_t chunk = i * 1231 % PACKS;
        if (chunk % 3 != 0)
            leat_changes_keep(&t.changes, chunk, 0);
    }
    leat_test_store_commit(&t);

    leat_test_store_reopen(&t);

    char *const got = leat_test_dump(&t);
    const char *at = got;
    for (unsigned chunk = 0; chunk < PACKS; chunk += 3) {
        char want[64];
        const int n = snprintf(want, sizeof want, "pack %u 0:1\n", chunk * 32);
        cr_assert(eq(int, strncmp(at, want, (size_t)n), 0));
        at += n;
    }
    cr_assert(at[0] == '\0');
    free(got);
}

static leat_err
refuse_pack(void *context, uint64_t first_id, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    ++*(unsigned *)context;
    return first_id == 32 ? LEAT_ERR_NOMEM : LEAT_ERR_OK;
}

BOTH(a_callback_that_refuses_ends_the_load)
{
    leat_test_store_init(&t, *maker, NULL);
    leat_test_put_pack(&t, 0, 1, 1);
    leat_test_put_pack(&t, 32, 1, 1);
    leat_test_put_pack(&t, 64, 1, 1);
    leat_test_store_commit(&t);

    unsigned calls = 0;
    const leat_load load = {.context = &calls, .pack = refuse_pack};
    LEAT_FAILS(leat_store_load(t.store, &load), LEAT_ERR_NOMEM);

    cr_assert(eq(uint, calls, 2));
}

/* A store that was closed while its turns went into history, and is read by somebody who knows none
 * of them. */
BOTH(ends_in_turns_that_are_not_loaded_any_more_are_found_like_those_in_history)
{
    enum {
        TURNS = 40,
        EACH = 100
    };
    const leat_load nothing = {0};
    leat_test_store_init(&t, *maker, NULL);
    for (uint64_t turn = 1; turn <= TURNS; turn++) {
        uint64_t ids[EACH];
        leat_buf record = {0};
        for (uint64_t i = 0; i < EACH; i++)
            ids[i] = turn * 1000 + i;
        leat_test_put_ends(&record, &(leat_test_ends){.batch = 7,
                                                      .first_position = (turn - 1) * EACH + 1,
                                                      .worker = "w",
                                                      .ids = ids,
                                                      .n = EACH,
                                                      .result_bytes = 1000});
        const uint64_t alone = turn * 1000 + EACH;
        leat_test_put_ends(&record, &(leat_test_ends){.batch = alone,
                                                      .first_position = 1,
                                                      .flags = LEAT_ENDS_ALONE,
                                                      .ids = &alone,
                                                      .n = 1});
        leat_changes_turn(&t.changes, turn, record.data, record.size);
        leat_buf_fini(&record);
        leat_test_store_commit(&t);
    }
    leat_changes_trim(&t.changes, TURNS + 1);
    leat_test_store_commit(&t);
    if (*maker == LEAT_TEST_MEMORY)
        cr_assert(lt(u64, leat_test_store_facts(&t).trimmed, TURNS));
    leat_test_store_reopen(&t);
    LEAT_PASS(leat_store_load(t.store, &nothing));

    for (uint64_t turn = 1; turn <= TURNS; turn++) {
        const leat_fetch log = {
            .kind = LEAT_FETCH_LOG, .id = 7, .position = (turn - 1) * EACH + 5, .max_bytes = 1};
        leat_test_answer answer = leat_test_fetch(&t, &log);
        LEAT_PASS(answer.fetched.err);
        leat_reader completions;
        leat_completion first;
        (void)leat_test_open_log(&answer, &completions);
        leat_items_next_completion(&completions, &first);
        cr_assert(eq(u64, first.job, turn * 1000 + 4));
        free(answer.data);
        for (uint64_t i = 0; i <= EACH; i += EACH / 2) {
            const uint64_t id = turn * 1000 + i;
            answer = leat_test_fetch(&t, &(leat_fetch){.kind = LEAT_FETCH_ENDED, .id = id});
            LEAT_PASS(answer.fetched.err);
            cr_assert(eq(u64, answer.fetched.batch, i < EACH ? 7 : id));
            free(answer.data);
        }
    }
    must_not_find(&(leat_fetch){.kind = LEAT_FETCH_ENDED, .id = 1500});
    must_not_find(&(leat_fetch){.kind = LEAT_FETCH_LOG, .id = 7, .position = TURNS * EACH + 1});
}

BOTH(a_list_without_ops_becomes_durable)
{
    leat_test_store_init(&t, *maker, NULL);

    leat_test_store_commit(&t);

    cr_assert(eq(u64, leat_store_durable_upto(t.store), 1));
}

Test(store, what_is_written_without_memory_is_left_out_as_a_whole)
{
    leat_changes changes = {0};
    leat_buf pack = {0};
    changes.ops.failed = pack.failed = true;
    leat_changes_pack(&changes, 64, "x", 1);
    leat_changes_keep(&changes, 2, 1);
    leat_changes_turn(&changes, 1, "x", 1);
    leat_changes_trim(&changes, 1);
    leat_changes_put(&changes, LEAT_OBJECT_META, 0, "x", 1);
    leat_changes_drop(&changes, LEAT_OBJECT_META, 0);
    leat_pack_put_job(&pack, 0, "x", 1);
    cr_assert(eq(sz, changes.ops.size, 0));
    cr_assert(eq(u32, changes.count, 0));
    cr_assert(eq(sz, pack.size, 0));
}

BOTH(after_a_list_that_is_not_whole_none_is_taken)
{
    leat_test_store_init(&t, *maker, NULL);
    leat_changes_put(&t.changes, LEAT_OBJECT_META, 0, "a", 1);
    t.changes.ops.failed = true; /* memory ran out while it was written */

    LEAT_FAILS(leat_store_commit(t.store, &t.changes, 1), LEAT_ERR_NOMEM);
    leat_changes_put(&t.changes, LEAT_OBJECT_META, 0, "b", 1);
    LEAT_FAILS(leat_store_commit(t.store, &t.changes, 2), LEAT_ERR_IO);

    cr_assert(eq(u64, leat_store_durable_upto(t.store), 0));
    must_dump("");
}
