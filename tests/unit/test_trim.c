/* broker/store/trim: a haul that is broken off at any step and begins again, over a plain table. */
#include "tests/lib/test.h"

#include "broker/store/tables.h"
#include "proto/limits.h"
#include "tests/lib/stores.h"

enum {
    ROWS_MAX = 4096,
    JOBS = 600, /* one ends in each turn */
    RESULT_BYTES = 4000,
};

/* The tables as one sorted array. */
struct plain_row {
    leat_table table;
    leat_key key;
    uint8_t *data;
    size_t size;
};

struct plain_kv {
    leat_kv kv;
    struct plain_row rows[ROWS_MAX];
    size_t count;
};

static struct plain_kv plain;
static leat_history history;

static int
compare(leat_table table_a, leat_key a, leat_table table_b, leat_key b)
{
    if (table_a != table_b)
        return table_a < table_b ? -1 : 1;
    return leat_key_compare(a, b);
}

/* How many rows are below. */
static size_t
place_of(leat_table table, leat_key key)
{
    size_t low = 0;
    size_t high = plain.count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (compare(plain.rows[middle].table, plain.rows[middle].key, table, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static leat_err
show(size_t index, leat_table table, leat_row *row)
{
    if (index >= plain.count || plain.rows[index].table != table)
        return LEAT_ERR_NOT_FOUND;
    row->key = plain.rows[index].key;
    row->data = plain.rows[index].data;
    row->size = plain.rows[index].size;
    return LEAT_ERR_OK;
}

static leat_err
plain_at_or_after(leat_kv *kv, leat_table table, leat_key key, leat_row *row)
{
    (void)kv;
    return show(place_of(table, key), table, row);
}

static leat_err
plain_at_or_before(leat_kv *kv, leat_table table, leat_key key, leat_row *row)
{
    (void)kv;
    const size_t at = place_of(table, key);
    if (show(at, table, row) == LEAT_ERR_OK && leat_key_compare(row->key, key) == 0)
        return LEAT_ERR_OK;
    return at == 0 ? LEAT_ERR_NOT_FOUND : show(at - 1, table, row);
}

static leat_err
plain_del(leat_kv *kv, leat_table table, leat_key from, leat_key upto)
{
    (void)kv;
    const size_t at = place_of(table, from);
    size_t end = at;
    while (end < plain.count &&
           compare(plain.rows[end].table, plain.rows[end].key, table, upto) <= 0)
        free(plain.rows[end++].data);
    memmove(plain.rows + at, plain.rows + end, (plain.count - end) * sizeof *plain.rows);
    plain.count -= end - at;
    return LEAT_ERR_OK;
}

static leat_err
plain_put(leat_kv *kv, leat_table table, leat_key key, const void *data, size_t size)
{
    LEAT_PASS(plain_del(kv, table, key, key));
    cr_assert(lt(sz, plain.count, ROWS_MAX));
    const size_t at = place_of(table, key);
    uint8_t *const copy = malloc(size + 1);
    cr_assert(ne(ptr, copy, NULL));
    memcpy(copy, data, size);
    memmove(plain.rows + at + 1, plain.rows + at, (plain.count - at) * sizeof *plain.rows);
    plain.rows[at] = (struct plain_row){.table = table, .key = key, .data = copy, .size = size};
    plain.count++;
    return LEAT_ERR_OK;
}

static uint64_t
plain_count(leat_kv *kv, leat_table table)
{
    (void)kv;
    uint64_t count = 0;
    for (size_t i = 0; i < plain.count; i++)
        count += plain.rows[i].table == table;
    return count;
}

static const leat_kv_ops plain_ops = {
    .at_or_after = plain_at_or_after,
    .at_or_before = plain_at_or_before,
    .put = plain_put,
    .del = plain_del,
    .count = plain_count,
};

static void
begin(const leat_retention *retention)
{
    plain.kv.ops = &plain_ops;
    leat_history_init(&history, retention);
}

static void
fini(void)
{
    leat_history_fini(&history);
    while (plain.count > 0)
        free(plain.rows[--plain.count].data);
}

TestSuite(trim, .fini = fini);

static size_t
count_rows(leat_table table)
{
    size_t count = 0;
    for (size_t i = 0; i < plain.count; i++)
        count += plain.rows[i].table == table;
    return count;
}

/* Job number * factor % JOBS ends in each turn. */
static void
put_turns_by(uint64_t factor)
{
    leat_buf turn = {0};
    for (uint64_t number = 1; number <= JOBS; number++) {
        const uint64_t id = number * factor % JOBS;
        leat_buf_reset(&turn);
        leat_test_put_ends(&turn, &(leat_test_ends){.batch = 9000,
                                                    .first_position = number,
                                                    .worker = "w1",
                                                    .ids = &id,
                                                    .n = 1,
                                                    .result_bytes = RESULT_BYTES});
        LEAT_PASS(plain_put(&plain.kv, LEAT_TABLE_TURNS, (leat_key){.low = number}, turn.data,
                            turn.size));
    }
    leat_buf_fini(&turn);
    history.target = JOBS + 1;
    history.changed = true;
    LEAT_PASS(leat_history_save(&history, &plain.kv));
}

/* So that no chunk is complete before the last turns. */
static void
put_turns(void)
{
    put_turns_by(7);
}

/* A step with its save, as in one transaction. */
static void
must_step(void)
{
    LEAT_PASS(leat_history_step(&history, &plain.kv, 1));
    LEAT_PASS(leat_history_save(&history, &plain.kv));
}

/* The process ends, and comes back with what was saved. */
static void
break_off(void)
{
    const leat_retention retention = history.retention;
    leat_history_fini(&history);
    leat_history_init(&history, &retention);
    LEAT_PASS(leat_history_read(&history, &plain.kv));
}

static void
check_answer(void *context, const leat_fetched *fetched)
{
    uint64_t *const position = context;
    LEAT_PASS(fetched->err);
    cr_assert(eq(u64, fetched->position, *position));
    leat_reader log = leat_reader_over(fetched->data, fetched->size);
    leat_items_run run;
    LEAT_PASS(leat_log_open(&log, &run));
    for (unsigned i = 0; i < run.n; i++) {
        leat_completion c;
        leat_items_next_completion(&log, &c);
        cr_assert(eq(u64, c.job, *position * 7 % JOBS));
        cr_assert(eq(uint, c.result.size, RESULT_BYTES));
        cr_assert(eq(uint, c.result.data[RESULT_BYTES - 1], leat_test_payload_byte(c.job)));
        ++*position;
    }
}

/* Every completion is in history, once, in its place. */
static void
must_be_whole(void)
{
    cr_assert(eq(u64, history.trimmed, JOBS + 1));
    cr_assert(eq(u64, history.jobs, JOBS));
    cr_assert(eq(u64, history.bytes, (uint64_t)JOBS * RESULT_BYTES));
    cr_assert(eq(sz, count_rows(LEAT_TABLE_TURNS), 0));
    cr_assert(eq(sz, count_rows(LEAT_TABLE_LOGS), (JOBS + 127) / 128));
    leat_fetcher fetcher = {0};
    uint64_t position = 1;
    while (position <= JOBS) {
        const leat_fetch fetch = {
            .kind = LEAT_FETCH_LOG, .id = 9000, .position = position, .max_bytes = 1U << 20};
        leat_tables_fetch(&fetcher, &plain.kv, &fetch, 1, check_answer, &position);
    }
    cr_assert(eq(u64, position, JOBS + 1));
    leat_fetcher_fini(&fetcher);
}

/* How many steps it takes without a break. */
static unsigned
count_steps(void)
{
    unsigned steps = 0;
    begin(NULL);
    put_turns();
    while (leat_history_is_pending(&history)) {
        must_step();
        steps++;
    }
    return steps;
}

Test(trim, a_haul_of_many_steps_moves_everything)
{
    const unsigned steps = count_steps();

    cr_assert(ge(uint, steps, 10));
    must_be_whole();
}

Test(trim, a_haul_that_is_broken_off_at_any_step_begins_again_and_moves_everything_once)
{
    const unsigned steps = count_steps();
    for (unsigned broken = 1; broken < steps; broken++) {
        fini();
        begin(NULL);
        put_turns();
        for (unsigned i = 0; i < broken; i++)
            must_step();
        break_off();

        while (leat_history_is_pending(&history))
            must_step();

        must_be_whole();
    }
}

Test(trim, a_second_haul_of_other_size_after_a_break_leaves_no_row_of_the_first)
{
    begin(NULL);
    put_turns();
    while (count_rows(LEAT_TABLE_LOGS) == 0)
        must_step();
    cr_assert(gt(sz, count_rows(LEAT_TABLE_TURNS), 0));
    break_off();

    /* First only 100 of its turns, so that its rows of the log are cut in the middle. */
    history.target = 101;
    while (leat_history_is_pending(&history))
        must_step();
    history.target = JOBS + 1;
    while (leat_history_is_pending(&history))
        must_step();

    must_be_whole();
}

/* Ids leave from 0 on, so the lowest that is left has the number of those that went. */
Test(trim, rows_of_the_log_leave_with_their_jobs)
{
    begin(&(leat_retention){.jobs_max = 100});
    put_turns_by(1);
    while (leat_history_is_pending(&history))
        must_step();

    cr_assert(le(u64, history.jobs, 100));
    cr_assert(gt(u64, history.jobs, 0));
    cr_assert(eq(u64, history.jobs + history.dropped, JOBS));
    for (size_t i = 0; i < plain.count; i++) {
        leat_log_row log;
        if (plain.rows[i].table != LEAT_TABLE_LOGS)
            continue;
        const leat_row row = {
            .key = plain.rows[i].key, .data = plain.rows[i].data, .size = plain.rows[i].size};
        LEAT_PASS(leat_log_row_open(&row, &log));
        cr_assert(ge(u64, log.highest_id, history.dropped));
    }
}
