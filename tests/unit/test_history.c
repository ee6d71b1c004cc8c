/* broker/store/history and fetch: ended jobs, in turns and in history; each test with both makers.
 */
#include "tests/lib/test.h"

#include "proto/limits.h"
#include "tests/lib/stores.h"

#define BOTH(name)                                                                           \
    ParameterizedTestParameters(history, name)                                               \
    {                                                                                        \
        static leat_test_maker makers[] = {LEAT_TEST_MEMORY, LEAT_TEST_LMDB};                \
        return cr_make_param_array(leat_test_maker, makers, sizeof makers / sizeof *makers); \
    }                                                                                        \
    ParameterizedTest(const leat_test_maker *maker, history, name)

#define IDS(...)                            \
    .ids = (const uint64_t[]){__VA_ARGS__}, \
    .n = sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t)

static leat_test_store t;
static leat_buf turn;

static void
fini(void)
{
    leat_test_store_fini(&t);
    leat_buf_fini(&turn);
}

TestSuite(history, .fini = fini);

/* The entries in `turn` as turn `number`, into the next commit. */
static void
put_turn(uint64_t number)
{
    leat_changes_turn(&t.changes, number, turn.data, turn.size);
    leat_buf_reset(&turn);
}

/* Completion number i of a fetched log is job id, with its own result and worker. */
static void
must_be_completion(const leat_items_run *run,
                   leat_reader *completions,
                   uint64_t id,
                   uint32_t result_bytes,
                   const char *worker)
{
    leat_completion c;
    leat_items_next_completion(completions, &c);
    cr_assert(eq(u64, c.job, id));
    cr_assert(eq(uint, c.place, id));
    cr_assert(eq(uint, c.attempt, 1));
    cr_assert(eq(int, (int)c.outcome, LEAT_OUTCOME_DONE));
    cr_assert(eq(uint, c.result.size, result_bytes));
    for (uint32_t i = 0; i < c.result.size; i++)
        cr_assert(eq(uint, c.result.data[i], leat_test_payload_byte(id)));
    if (worker == NULL)
        cr_assert(eq(uint, c.worker, LEAT_NO_WORKER));
    else
        cr_assert(leat_text_is(leat_items_worker(run, c.worker), leat_text_of(worker)));
}

/* The batch's log from `position` on is exactly these ids, beginning at position `first`. */
static void
must_log(uint64_t batch,
         uint64_t position,
         uint64_t in_turn,
         uint64_t first,
         const uint64_t *ids,
         unsigned n)
{
    const leat_fetch fetch = {.kind = LEAT_FETCH_LOG,
                              .id = batch,
                              .position = position,
                              .turn = in_turn,
                              .max_bytes = 1U << 20};
    leat_test_answer answer = leat_test_fetch(&t, &fetch);
    LEAT_PASS(answer.fetched.err);
    cr_assert(eq(u64, answer.fetched.position, first));
    leat_reader completions;
    const leat_items_run run = leat_test_open_log(&answer, &completions);
    cr_assert(eq(uint, run.n, n));
    for (unsigned i = 0; i < n; i++)
        must_be_completion(&run, &completions, ids[i], 3, "w1");
    free(answer.data);
}
#define MUST_LOG(batch, position, in_turn, first, ...)                         \
    must_log(batch, position, in_turn, first, (const uint64_t[]){__VA_ARGS__}, \
             sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void
must_not_find(const leat_fetch *fetch)
{
    const leat_test_answer answer = leat_test_fetch(&t, fetch);
    LEAT_FAILS(answer.fetched.err, LEAT_ERR_NOT_FOUND);
    free(answer.data);
}

static void
must_have_ended(uint64_t id, uint64_t in_turn, uint64_t batch, const char *worker)
{
    const leat_fetch fetch = {.kind = LEAT_FETCH_ENDED, .id = id, .turn = in_turn};
    leat_test_answer answer = leat_test_fetch(&t, &fetch);
    LEAT_PASS(answer.fetched.err);
    cr_assert(eq(u64, answer.fetched.batch, batch));
    leat_reader completions;
    const leat_items_run run = leat_test_open_log(&answer, &completions);
    cr_assert(eq(uint, run.n, 1));
    must_be_completion(&run, &completions, id, 3, worker);
    free(answer.data);
}

/* Batch 1000 ends jobs out of order in three turns, with another batch in between. */
static void
put_three_turns(void)
{
    leat_test_put_ends(
        &turn,
        &(leat_test_ends){
            .batch = 1000, .first_position = 1, .worker = "w1", IDS(70, 3, 68), .result_bytes = 3});
    leat_turn_put_ids(&turn, 1U << 20);
    put_turn(1);
    leat_test_put_ends(
        &turn, &(leat_test_ends){
                   .batch = 2000, .first_position = 1, .worker = "w1", IDS(69), .result_bytes = 3});
    leat_test_put_ends(
        &turn, &(leat_test_ends){
                   .batch = 1000, .first_position = 4, .worker = "w1", IDS(1), .result_bytes = 3});
    put_turn(2);
    leat_test_put_ends(
        &turn,
        &(leat_test_ends){
            .batch = 1000, .first_position = 5, .worker = "w1", IDS(2, 71), .result_bytes = 3});
    put_turn(5);
    leat_test_store_commit(&t);
}

BOTH(a_turn_gives_the_completions_of_a_batch)
{
    leat_test_store_init(&t, *maker, NULL);
    put_three_turns();

    MUST_LOG(1000, 1, 1, 1, 70, 3, 68);
    MUST_LOG(1000, 2, 1, 2, 3, 68);
    MUST_LOG(1000, 3, 1, 3, 68);
    MUST_LOG(1000, 4, 2, 4, 1);
    MUST_LOG(1000, 5, 5, 5, 2, 71);
    MUST_LOG(2000, 1, 2, 1, 69);
    must_not_find(&(leat_fetch){.kind = LEAT_FETCH_LOG, .id = 1000, .position = 4, .turn = 1});
    must_not_find(&(leat_fetch){.kind = LEAT_FETCH_LOG, .id = 1001, .position = 1, .turn = 1});
    must_not_find(&(leat_fetch){.kind = LEAT_FETCH_LOG, .id = 1000, .position = 1, .turn = 0});
}

BOTH(history_gives_the_same_completions_in_one_piece)
{
    leat_test_store_init(&t, *maker, NULL);
    put_three_turns();
    leat_test_store_trim(&t, 6);

    leat_test_store_reopen(&t);

    MUST_LOG(1000, 1, 0, 1, 70, 3, 68, 1, 2, 71);
    MUST_LOG(1000, 4, 0, 4, 1, 2, 71);
    MUST_LOG(1000, 6, 0, 6, 71);
    MUST_LOG(2000, 1, 0, 1, 69);
    MUST_LOG(2000, 0, 0, 1, 69);
    must_not_find(&(leat_fetch){.kind = LEAT_FETCH_LOG, .id = 1000, .position = 7});
    must_not_find(&(leat_fetch){.kind = LEAT_FETCH_LOG, .id = 1500, .position = 1});
    cr_assert(eq(u64, leat_test_store_facts(&t).history_jobs, 7));
}

BOTH(a_turn_that_was_moved_in_the_meantime_is_read_in_history)
{
    leat_test_store_init(&t, *maker, NULL);
    put_three_turns();
    leat_test_store_trim(&t, 3);

    MUST_LOG(1000, 2, 1, 2, 3, 68, 1);
    must_have_ended(69, 2, 2000, "w1");
    MUST_LOG(1000, 5, 5, 5, 2, 71);
    leat_test_store_trim(&t, 6);
    MUST_LOG(1000, 5, 5, 5, 2, 71);
}

BOTH(an_ended_job_is_found_by_its_id)
{
    leat_test_store_init(&t, *maker, NULL);
    put_three_turns();
    must_have_ended(68, 1, 1000, "w1");
    must_have_ended(69, 2, 2000, "w1");
    must_not_find(&(leat_fetch){.kind = LEAT_FETCH_ENDED, .id = 70, .turn = 2});

    leat_test_store_trim(&t, 6);

    must_have_ended(68, 0, 1000, "w1");
    must_have_ended(69, 0, 2000, "w1");
    must_have_ended(71, 0, 1000, "w1");
    must_not_find(&(leat_fetch){.kind = LEAT_FETCH_ENDED, .id = 72});
}

BOTH(trimmed_turns_are_not_loaded_again)
{
    leat_test_store_init(&t, *maker, NULL);
    put_three_turns();
    leat_test_store_trim(&t, 5);

    leat_test_store_reopen(&t);

    char *const got = leat_test_dump(&t);
    cr_assert(eq(int, strncmp(got, "turn 5 ", 7), 0), "%s", got);
    cr_assert(eq(ptr, strchr(got, '\n') + 1, got + strlen(got)));
    free(got);
    cr_assert(eq(u64, leat_test_store_facts(&t).trimmed, 5));
}

BOTH(each_job_keeps_its_own_worker)
{
    leat_test_store_init(&t, *maker, NULL);
    static const char *const workers[] = {"w1", NULL, "w2", "w1", "w3", "w2"};
    for (uint64_t i = 0; i < 6; i++) {
        leat_test_put_ends(&turn, &(leat_test_ends){.batch = 900,
                                                    .first_position = i + 1,
                                                    .worker = workers[i],
                                                    IDS(100 + i),
                                                    .result_bytes = 3});
        put_turn(i + 1);
        leat_test_store_commit(&t);
        leat_test_store_trim(&t, i + 2); /* one by one, so that rows are merged */
    }

    for (uint64_t i = 0; i < 6; i++)
        must_have_ended(100 + i, 0, 900, workers[i]);
    const leat_fetch fetch = {
        .kind = LEAT_FETCH_LOG, .id = 900, .position = 1, .max_bytes = 1U << 20};
    leat_test_answer answer = leat_test_fetch(&t, &fetch);
    leat_reader completions;
    const leat_items_run run = leat_test_open_log(&answer, &completions);
    cr_assert(eq(uint, run.n, 6));
    cr_assert(eq(uint, run.workers, 3));
    for (uint64_t i = 0; i < 6; i++)
        must_be_completion(&run, &completions, 100 + i, 3, workers[i]);
    free(answer.data);
}

BOTH(jobs_without_a_batch_are_their_own)
{
    leat_test_store_init(&t, *maker, NULL);
    leat_test_put_ends(&turn, &(leat_test_ends){.first_position = 1,
                                                .flags = LEAT_ENDS_ALONE,
                                                .worker = "w1",
                                                IDS(7, 300, 8),
                                                .result_bytes = 3});
    put_turn(1);
    leat_test_store_commit(&t);
    for (int moved = 0; moved < 2; moved++) {
        static const uint64_t ids[] = {7, 8, 300};
        for (size_t i = 0; i < 3; i++) {
            MUST_LOG(ids[i], 1, 1, 1, ids[i]);
            must_have_ended(ids[i], 1, ids[i], "w1");
            must_not_find(
                &(leat_fetch){.kind = LEAT_FETCH_LOG, .id = ids[i], .position = 2, .turn = 1});
        }
        leat_test_store_trim(&t, 2);
    }
}

/* Ends of jobs alone, all of them, by looks of about max_bytes each; how many looks it took. */
static unsigned
look_for_alone(uint64_t in_turn, uint64_t from, uint32_t max_bytes, uint64_t *ids, unsigned *n)
{
    unsigned looks = 0;
    leat_fetch fetch = {.kind = LEAT_FETCH_ALONE, .turn = in_turn, .max_bytes = max_bytes};
    *n = 0;
    *(in_turn == 0 ? &fetch.id : &fetch.position) = from;
    for (bool more = true; more; looks++) {
        leat_test_answer answer = leat_test_fetch(&t, &fetch);
        LEAT_PASS(answer.fetched.err);
        leat_reader completions;
        const leat_items_run run = leat_test_open_log(&answer, &completions);
        for (unsigned i = 0; i < run.n; i++) {
            leat_completion c;
            leat_items_next_completion(&completions, &c);
            cr_assert(eq(uint, c.result.size, 0));
            cr_assert(leat_text_is(leat_items_worker(&run, c.worker), leat_text_of("w1")));
            ids[(*n)++] = c.job;
        }
        more = answer.fetched.position != 0;
        *(in_turn == 0 ? &fetch.id : &fetch.position) = answer.fetched.position;
        free(answer.data);
    }
    return looks;
}

BOTH(jobs_alone_are_walked_in_parts)
{
    uint64_t ids[600];
    uint64_t got[600];
    unsigned n;
    leat_test_store_init(&t, *maker, NULL);
    for (uint64_t i = 0; i < 600; i++)
        ids[i] = 1000 + i;
    leat_test_put_ends(&turn, &(leat_test_ends){.first_position = 1,
                                                .flags = LEAT_ENDS_ALONE,
                                                .worker = "w1",
                                                .ids = ids,
                                                .n = 600,
                                                .result_bytes = 3});
    leat_test_put_ends(
        &turn, &(leat_test_ends){
                   .batch = 900, .first_position = 1, .worker = "w1", IDS(901), .result_bytes = 3});
    put_turn(1);
    leat_test_store_commit(&t);

    const unsigned looks = look_for_alone(1, 0, LEAT_COMPLETION_BYTES * 100, got, &n);
    cr_assert(eq(uint, n, 600));
    cr_assert(eq(uint, looks, 7)); /* the last one finds that there are no more */
    for (unsigned i = 0; i < 600; i++)
        cr_assert(eq(u64, got[i], ids[i]));

    leat_test_store_trim(&t, 2);
    cr_assert(ge(uint, look_for_alone(0, 1U << 20, LEAT_COMPLETION_BYTES * 100, got, &n), 5));
    cr_assert(eq(uint, n, 600)); /* and not the job of batch 900 */
    uint64_t sum = 0;
    for (unsigned i = 0; i < 600; i++)
        sum += got[i];
    cr_assert(eq(u64, sum, (uint64_t)(1000 + 1599) * 300));
    cr_assert(le(u64, got[599], 1031)); /* the highest chunk first */
    (void)look_for_alone(0, 1100, LEAT_COMPLETION_BYTES, got, &n);
    cr_assert(eq(uint, n, 1120 - 1000)); /* of its whole chunk, and of those below */
    (void)look_for_alone(0, 900, 1, got, &n);
    cr_assert(eq(uint, n, 0));
}

BOTH(jobs_that_are_not_kept_leave_a_gap)
{
    leat_test_store_init(&t, *maker, NULL);
    static const uint8_t flags[] = {0, LEAT_ENDS_FORGET, 0};
    for (uint64_t i = 0; i < 3; i++)
        leat_test_put_ends(&turn, &(leat_test_ends){.batch = 50,
                                                    .first_position = 1 + i * 2,
                                                    .flags = flags[i],
                                                    .worker = "w1",
                                                    IDS(10 + i * 2, 11 + i * 2),
                                                    .result_bytes = 3});
    put_turn(1);
    leat_test_store_commit(&t);
    MUST_LOG(50, 3, 1, 3, 12, 13);

    leat_test_store_trim(&t, 2);

    MUST_LOG(50, 1, 0, 1, 10, 11);
    MUST_LOG(50, 3, 0, 5, 14, 15);
    must_not_find(&(leat_fetch){.kind = LEAT_FETCH_ENDED, .id = 12});
    cr_assert(eq(u64, leat_test_store_facts(&t).history_jobs, 4));
}

BOTH(a_log_is_cut_at_max_bytes_but_never_to_nothing)
{
    leat_test_store_init(&t, *maker, NULL);
    uint64_t ids[600];
    for (uint64_t i = 0; i < 600; i++)
        ids[i] = 1000 + i * 7 % 600;
    leat_test_put_ends(&turn, &(leat_test_ends){.batch = 5,
                                                .first_position = 1,
                                                .worker = "w1",
                                                .ids = ids,
                                                .n = 600,
                                                .result_bytes = 3});
    put_turn(1);
    leat_test_store_commit(&t);
    for (int moved = 0; moved < 2; moved++) {
        for (uint32_t max_bytes = 0; max_bytes <= 42U * 300; max_bytes += 42 * 100) {
            uint64_t position = 1;
            while (position <= 600) {
                const leat_fetch fetch = {.kind = LEAT_FETCH_LOG,
                                          .id = 5,
                                          .turn = 1,
                                          .position = position,
                                          .max_bytes = max_bytes};
                leat_test_answer answer = leat_test_fetch(&t, &fetch);
                leat_reader completions;
                const leat_items_run run = leat_test_open_log(&answer, &completions);
                cr_assert(eq(u64, answer.fetched.position, position));
                const uint64_t left = 601 - position;
                const uint64_t want = max_bytes == 0 ? 1 : max_bytes / 42;
                cr_assert(eq(u64, run.n, want < left ? want : left));
                for (unsigned i = 0; i < run.n; i++)
                    must_be_completion(&run, &completions, ids[position - 1 + i], 3, "w1");
                position += run.n;
                free(answer.data);
            }
        }
        leat_test_store_trim(&t, 2);
    }
}

BOTH(results_of_the_largest_size_are_kept)
{
    leat_test_store_init(&t, *maker, NULL);
    for (uint64_t i = 0; i < 5; i++) {
        leat_test_put_ends(&turn, &(leat_test_ends){.batch = 900,
                                                    .first_position = i + 1,
                                                    .worker = "w1",
                                                    IDS(64 + i),
                                                    .result_bytes = LEAT_PAYLOAD_BYTES_MAX});
        put_turn(i + 1);
        leat_test_store_commit(&t);
        leat_test_store_trim(&t, i + 2);
    }
    leat_test_store_reopen(&t);

    for (uint64_t i = 0; i < 5; i++) {
        const leat_fetch fetch = {.kind = LEAT_FETCH_ENDED, .id = 64 + i};
        leat_test_answer answer = leat_test_fetch(&t, &fetch);
        leat_reader completions;
        leat_completion c;
        (void)leat_test_open_log(&answer, &completions);
        leat_items_next_completion(&completions, &c);
        cr_assert(eq(u64, c.job, 64 + i));
        cr_assert(eq(uint, c.result.size, LEAT_PAYLOAD_BYTES_MAX));
        cr_assert(eq(uint, c.result.data[c.result.size - 1], leat_test_payload_byte(64 + i)));
        free(answer.data);
    }
}

/* One job a turn, ids from `first` on, all in batch 7, which ends them in the order of their ids.
 */
static void
put_many_turns(uint64_t first, uint64_t n, uint32_t result_bytes, uint64_t ended_ms)
{
    for (uint64_t i = first; i < first + n; i++) {
        leat_test_put_ends(&turn, &(leat_test_ends){.batch = 7,
                                                    .first_position = i,
                                                    .worker = "w1",
                                                    IDS(i),
                                                    .result_bytes = result_bytes,
                                                    .ended_ms = ended_ms});
        put_turn(i);
    }
    leat_test_store_commit(&t);
}

BOTH(trimming_goes_in_steps_and_reaches_its_end)
{
    leat_test_store_init(&t, *maker, NULL);
    put_many_turns(1, 500, 10000, 0);
    leat_changes_trim(&t.changes, 501);
    leat_test_store_commit(&t);
    if (*maker == LEAT_TEST_MEMORY) /* the commit thread goes on by itself */
        cr_assert(lt(u64, leat_test_store_facts(&t).trimmed, 501));
    leat_test_store_reopen(&t);

    while (leat_test_store_facts(&t).trimmed < 501)
        leat_test_store_commit(&t);

    for (uint64_t id = 1; id <= 500; id++) {
        const leat_fetch fetch = {.kind = LEAT_FETCH_ENDED, .id = id};
        leat_test_answer answer = leat_test_fetch(&t, &fetch);
        LEAT_PASS(answer.fetched.err);
        cr_assert(eq(u64, answer.fetched.batch, 7));
        free(answer.data);
    }
    cr_assert(eq(u64, leat_test_store_facts(&t).history_jobs, 500));
    char *const dump = leat_test_dump(&t);
    cr_assert(eq(int, strcmp(dump, ""), 0), "%s", dump);
    free(dump);
}

BOTH(trimming_again_changes_nothing)
{
    leat_test_store_init(&t, *maker, NULL);
    put_three_turns();
    leat_test_store_trim(&t, 6);

    leat_test_store_trim(&t, 3);
    leat_test_store_trim(&t, 6);

    cr_assert(eq(u64, leat_test_store_facts(&t).trimmed, 6));
    cr_assert(eq(u64, leat_test_store_facts(&t).history_jobs, 7));
}

BOTH(an_end_that_is_told_twice_is_kept_once)
{
    leat_test_store_init(&t, *maker, NULL);
    for (uint64_t i = 1; i <= 2; i++) {
        leat_test_put_ends(
            &turn, &(leat_test_ends){
                       .batch = 7, .first_position = 1, .worker = "w1", IDS(3), .result_bytes = 3});
        put_turn(i);
        leat_test_store_commit(&t);
        leat_test_store_trim(&t, i + 1);
    }

    cr_assert(eq(u64, leat_test_store_facts(&t).history_jobs, 1));
    MUST_LOG(7, 1, 0, 1, 3);
}

BOTH(an_end_that_is_told_twice_at_once_is_kept_once)
{
    leat_test_store_init(&t, *maker, NULL);
    for (uint64_t i = 1; i <= 2; i++) {
        leat_test_put_ends(
            &turn,
            &(leat_test_ends){
                .batch = 7, .first_position = 1, .worker = "w1", IDS(3, 4), .result_bytes = 3});
        put_turn(i);
    }
    leat_test_store_commit(&t);
    leat_test_store_trim(&t, 3);

    cr_assert(eq(u64, leat_test_store_facts(&t).history_jobs, 2));
    MUST_LOG(7, 1, 0, 1, 3, 4);
}

BOTH(a_job_may_end_in_two_batches)
{
    leat_test_store_init(&t, *maker, NULL);
    for (uint64_t batch = 501; batch <= 502; batch++)
        leat_test_put_ends(
            &turn,
            &(leat_test_ends){
                .batch = batch, .first_position = 1, .worker = "w1", IDS(3), .result_bytes = 3});
    put_turn(1);
    leat_test_store_commit(&t);
    leat_test_store_trim(&t, 2);

    MUST_LOG(501, 1, 0, 1, 3);
    MUST_LOG(502, 1, 0, 1, 3);
}

BOTH(no_more_jobs_are_kept_than_retention_says)
{
    const leat_retention retention = {.jobs_max = 100};
    leat_test_store_init(&t, *maker, &retention);
    put_many_turns(1, 300, 3, 0);
    leat_test_store_trim(&t, 301);
    leat_test_store_commit(&t);

    const leat_store_facts facts = leat_test_store_facts(&t);
    cr_assert(le(u64, facts.history_jobs, 100));
    cr_assert(ge(u64, facts.history_jobs, 100 - LEAT_CHUNK_IDS));
    cr_assert(eq(u64, facts.history_jobs + facts.history_dropped, 300));
    must_not_find(&(leat_fetch){.kind = LEAT_FETCH_ENDED, .id = 150});
    must_have_ended(300, 0, 7, "w1");
    const uint64_t oldest = facts.history_dropped + 1;
    must_have_ended(oldest, 0, 7, "w1");
}

BOTH(a_log_begins_where_retention_has_left_it)
{
    const leat_retention retention = {.jobs_max = 100};
    leat_test_store_init(&t, *maker, &retention);
    put_many_turns(1, 300, 3, 0);
    leat_test_store_trim(&t, 301);
    leat_test_store_commit(&t);
    const uint64_t oldest = leat_test_store_facts(&t).history_dropped + 1;

    leat_test_store_reopen(&t);

    const leat_fetch fetch = {
        .kind = LEAT_FETCH_LOG, .id = 7, .position = 1, .max_bytes = 1U << 20};
    leat_test_answer answer = leat_test_fetch(&t, &fetch);
    leat_reader completions;
    const leat_items_run run = leat_test_open_log(&answer, &completions);
    cr_assert(eq(u64, answer.fetched.position, oldest));
    cr_assert(eq(uint, run.n, 300 - oldest + 1));
    for (uint64_t id = oldest; id <= 300; id++)
        must_be_completion(&run, &completions, id, 3, "w1");
    free(answer.data);
}

BOTH(a_log_whose_jobs_are_all_gone_is_not_found)
{
    const leat_retention retention = {.jobs_max = 64};
    leat_test_store_init(&t, *maker, &retention);
    leat_test_put_ends(
        &turn,
        &(leat_test_ends){
            .batch = 5000, .first_position = 1, .worker = "w1", IDS(2, 1, 33), .result_bytes = 3});
    put_turn(1);
    leat_test_store_commit(&t);
    leat_test_store_trim(&t, 2);
    MUST_LOG(5000, 1, 0, 1, 2, 1, 33);

    put_many_turns(64, 128, 3, 0);
    leat_test_store_trim(&t, 192);
    leat_test_store_commit(&t);

    must_not_find(&(leat_fetch){.kind = LEAT_FETCH_LOG, .id = 5000, .position = 1});
    must_not_find(&(leat_fetch){.kind = LEAT_FETCH_ENDED, .id = 33});
}

BOTH(results_are_kept_up_to_the_bytes_that_retention_says)
{
    const leat_retention retention = {.bytes_max = 10000};
    leat_test_store_init(&t, *maker, &retention);
    put_many_turns(1, 320, 100, 0);
    leat_test_store_trim(&t, 321);
    leat_test_store_commit(&t);

    const leat_store_facts facts = leat_test_store_facts(&t);
    cr_assert(le(u64, facts.history_jobs, 100));
    cr_assert(ge(u64, facts.history_jobs, 100 - LEAT_CHUNK_IDS));
}

BOTH(old_ends_leave_when_younger_ones_come)
{
    const leat_retention retention = {.age_ms_max = 1000};
    leat_test_store_init(&t, *maker, &retention);
    put_many_turns(32, 64, 3, 1000000);
    leat_test_store_trim(&t, 96);
    cr_assert(eq(u64, leat_test_store_facts(&t).history_jobs, 64));

    put_many_turns(96, 1, 3, 1001000);
    leat_test_store_trim(&t, 97);
    cr_assert(eq(u64, leat_test_store_facts(&t).history_jobs, 65));

    put_many_turns(97, 1, 3, 1001001);
    leat_test_store_trim(&t, 98);
    cr_assert(eq(u64, leat_test_store_facts(&t).history_jobs, 2));
    cr_assert(eq(u64, leat_test_store_facts(&t).history_dropped, 64));
}

BOTH(a_turn_that_is_no_turn_is_left_behind_and_the_others_are_moved)
{
    leat_test_store_init(&t, *maker, NULL);
    leat_test_put_ends(
        &turn, &(leat_test_ends){
                   .batch = 7, .first_position = 1, .worker = "w1", IDS(1), .result_bytes = 3});
    put_turn(1);
    leat_changes_turn(&t.changes, 2, "\xff no entry", 10);
    leat_test_put_ends(
        &turn, &(leat_test_ends){
                   .batch = 7, .first_position = 2, .worker = "w1", IDS(2), .result_bytes = 3});
    put_turn(3);
    leat_test_store_commit(&t);
    leat_test_store_trim(&t, 4);

    MUST_LOG(7, 1, 0, 1, 1, 2);
    char *const dump = leat_test_dump(&t);
    cr_assert(eq(int, strcmp(dump, ""), 0), "%s", dump);
    free(dump);
}
