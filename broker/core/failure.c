/* Failures: how the attempts of a job ended that did not end well.
 *
 * The last few of a job are kept while it lives, in memory and as an object in the store, and go
 * into its record among the dead, or to the job that recovers it. A job of which nothing fails has
 * nothing here: its end looks at one bit. On a disk without room they are done without: what is
 * kept of a death must not be what cannot be written.
 *
 *   list: u32 older (that are not kept any more) · u8 n · n × attempt, the oldest first
 *   attempt: u32 attempt · u8 end · u8 how · u8 code (of a command: leat_ending_how, 0: of none) ·
 *            u64 ended_ms (wall) · u64 run_us · text8 worker · text8 why */
#include "broker/core/failure.h"

#include <stdlib.h>

#include "broker/core/lease.h"
#include "broker/core/room.h"
#include "proto/exec.h"

#define FORMAT       1U
#define HEAD_BYTES   5U
#define WHY_MAX      200U  /* bytes of a reason */
#define STDERR_MAX   2048U /* of what a command wrote last */
#define OBJECT_BYTES 64U   /* of a row in the store, beside the list */

static leat_book *
book_of(leat_core *core, const leat_failure *failure)
{
    return &core->books[failure->memory ? LEAT_MEMORY : LEAT_DISK];
}

static leat_failure *
find(const leat_core *core, const leat_item *item)
{
    return (item->flags & (LEAT_ITEM_MESSAGE | LEAT_ITEM_FAILED)) != LEAT_ITEM_FAILED
               ? NULL
               : leat_table_get(&core->failures, item->id);
}

static void
forget(leat_core *core, leat_failure *failure)
{
    leat_table_remove(&core->failures, failure->job);
    leat_buf_fini(&failure->list);
    free(failure);
}

static leat_failure *
add(leat_core *core, uint64_t job)
{
    leat_failure *const failure = calloc(1, sizeof *failure);
    if (failure != NULL)
        failure->job = job;
    if (failure != NULL &&
        leat_table_add(&core->failures, job, failure, &failure->index) == LEAT_ERR_OK)
        return failure;
    free(failure);
    return NULL;
}

/* ------------------------------------------------------------------------------ reading */

bool
leat_failure_open(leat_bytes list, uint32_t *older, uint8_t *n, leat_reader *attempts)
{
    leat_reader r = leat_reader_over(list.data, list.size);
    *older = leat_read_u32(&r);
    *n = leat_read_u8(&r);
    *attempts = r;
    for (uint8_t i = 0; i < *n && !r.failed; i++)
        (void)leat_failure_next(&r);
    return !r.failed && r.at == r.end && *n <= LEAT_FAILURES_KEPT;
}

leat_failed_attempt
leat_failure_next(leat_reader *attempts)
{
    leat_failed_attempt one = {.attempt = leat_read_u32(attempts)};
    one.end = leat_read_u8(attempts);
    one.how = leat_read_u8(attempts);
    one.code = leat_read_u8(attempts);
    one.ended_ms = leat_read_u64(attempts);
    one.run_us = leat_read_u64(attempts);
    one.worker = leat_read_text8(attempts);
    one.why = leat_read_text8(attempts);
    return one;
}

leat_bytes
leat_failure_list(const leat_core *core, const leat_item *item)
{
    const leat_failure *const failure = find(core, item);
    return failure == NULL ? (leat_bytes){0}
                           : (leat_bytes){failure->list.data, (uint32_t)failure->list.size};
}

/* ------------------------------------------------------------------------------ keeping */

/* Begin a list, or take its oldest away when it is full. */
static void
make_place(leat_buf *list, uint32_t older)
{
    if (list->size == 0) {
        leat_put_u32(list, older);
        leat_put_u8(list, 0);
        return;
    }
    if (list->data[4] < LEAT_FAILURES_KEPT)
        return;
    leat_reader r = leat_reader_over(list->data + HEAD_BYTES, list->size - HEAD_BYTES);
    (void)leat_failure_next(&r);
    const size_t gone = (size_t)(r.at - (list->data + HEAD_BYTES));
    memmove(list->data + HEAD_BYTES, r.at, (size_t)(r.end - r.at));
    list->size -= gone;
    leat_store_u32(list->data, leat_load_u32(list->data) + 1);
    list->data[4]--;
}

static void
append(leat_buf *list, const leat_failed_attempt *one)
{
    leat_put_u32(list, one->attempt);
    leat_put_u8(list, one->end);
    leat_put_u8(list, one->how);
    leat_put_u8(list, one->code);
    leat_put_u64(list, one->ended_ms);
    leat_put_u64(list, one->run_us);
    leat_put_text8(list, one->worker);
    leat_put_text8(list, one->why);
    if (!list->failed)
        list->data[4]++;
}

/* With this turn; a job that dies in it has its list in the record of its death. */
static void
write_object(leat_core *core, leat_failure *failure)
{
    leat_buf *const out = &core->scratch;
    if (!failure->memory && !leat_room_has_spare(core, OBJECT_BYTES + failure->list.size))
        return;
    leat_buf_reset(out);
    leat_put_u8(out, FORMAT);
    leat_put_bytes(out, failure->list.data, failure->list.size);
    if (out->failed) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    leat_changes_put(&book_of(core, failure)->changes, LEAT_OBJECT_FAILURE, failure->job, out->data,
                     out->size);
    failure->stored = true;
}

/* Failures and losses that were counted before this one. */
static uint32_t
counted_before(const leat_item *item, leat_attempt_end end)
{
    const uint32_t counted = (uint32_t)item->failed + item->lost;
    const bool counts =
        end == LEAT_ATTEMPT_FAILED || end == LEAT_ATTEMPT_TIMEOUT || end == LEAT_ATTEMPT_LOST;
    return counted > 0 && counts ? counted - 1 : counted;
}

void
leat_failure_note(leat_core *core,
                  leat_item *item,
                  leat_attempt_end end,
                  const leat_peer *worker,
                  uint64_t run_us,
                  leat_bytes result)
{
    const bool dies = item->state == LEAT_STATE_DEAD;
    leat_failure *failure = find(core, item);
    leat_ending ending;
    leat_text why = leat_ending_text(result.data, result.size);
    if (failure == NULL && !dies && core->failures.count >= LEAT_FAILING_MAX)
        return;
    if (failure == NULL)
        failure = add(core, item->id);
    if (failure == NULL) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    failure->memory = leat_item_durability(core, item) == LEAT_MEMORY;
    item->flags |= LEAT_ITEM_FAILED;
    if (why.size > WHY_MAX)
        why.size = WHY_MAX;
    const bool command = leat_ending_read(result.data, result.size, &ending) == LEAT_ERR_OK;
    make_place(&failure->list, counted_before(item, end));
    append(&failure->list, &(leat_failed_attempt){
                               .attempt = item->attempt,
                               .end = (uint8_t)end,
                               .how = command ? (uint8_t)ending.how : 0,
                               .code = command ? ending.code : 0,
                               .ended_ms = (uint64_t)core->now.wall_ms,
                               .run_us = run_us,
                               .worker = leat_text_of(worker == NULL ? "" : worker->name),
                               .why = why,
                           });
    if (failure->list.failed)
        leat_core_fault(core, LEAT_ERR_NOMEM);
    else if (!dies)
        write_object(core, failure);
}

void
leat_failure_drop(leat_core *core, const leat_item *item)
{
    leat_failure *const failure = find(core, item);
    if (failure == NULL)
        return;
    if (failure->stored)
        leat_changes_drop(&book_of(core, failure)->changes, LEAT_OBJECT_FAILURE, item->id);
    forget(core, failure);
}

/* ------------------------------------------------------------------------------ loading */

leat_err
leat_failure_apply(leat_core *core, uint64_t job, leat_reader *record)
{
    uint32_t older;
    uint8_t n;
    leat_reader attempts;
    const leat_bytes list = {record->at, (uint32_t)(record->end - record->at)};
    if (!leat_failure_open(list, &older, &n, &attempts))
        return LEAT_ERR_CORRUPT;
    if (LEAT_FAULT(FAILURES_FORGOT))
        return LEAT_ERR_OK;
    leat_failure *const failure = add(core, job);
    if (failure == NULL)
        return LEAT_ERR_NOMEM;
    failure->stored = true;
    leat_put_bytes(&failure->list, list.data, list.size);
    return failure->list.failed ? LEAT_ERR_NOMEM : LEAT_ERR_OK;
}

void
leat_failure_settle(leat_core *core)
{
    for (uint32_t i = leat_table_next(&core->failures, 0); i != 0;
         i = leat_table_next(&core->failures, i)) {
        leat_failure *const failure = leat_table_at(&core->failures, i);
        const uint32_t index = leat_items_find(&core->items, failure->job);
        if (index != LEAT_NOBODY) {
            leat_items_at(&core->items, index)->flags |= LEAT_ITEM_FAILED;
            continue;
        }
        leat_changes_drop(&core->books[LEAT_DISK].changes, LEAT_OBJECT_FAILURE, failure->job);
        forget(core, failure);
    }
}

void
leat_failure_fini(leat_core *core)
{
    for (uint32_t i = leat_table_next(&core->failures, 0); i != 0;
         i = leat_table_next(&core->failures, i)) {
        leat_failure *const failure = leat_table_at(&core->failures, i);
        leat_buf_fini(&failure->list);
        free(failure);
    }
    leat_table_fini(&core->failures);
}

/* ------------------------------------------------------------------------------ telling */

static const char *
end_word(uint8_t end)
{
    static const char *const words[] = {
#define LEAT_ATTEMPT_WORD(name, number, word) [number] = (word),
        LEAT_ATTEMPT_END_MAP(LEAT_ATTEMPT_WORD)
#undef LEAT_ATTEMPT_WORD
    };
    return end < sizeof words / sizeof *words && words[end] != NULL ? words[end] : "?";
}

static void
add_code(cJSON *json, uint8_t how, uint8_t code)
{
    if (how == LEAT_ENDING_SIGNAL)
        (void)cJSON_AddNumberToObject(json, "signal", code);
    else if (how != 0)
        (void)cJSON_AddNumberToObject(json, "exit", code);
}

/* The last bytes that a command wrote to stderr, from the beginning of a character on. */
static void
add_stderr(cJSON *json, const leat_ending_stream *stream)
{
    leat_buf whole = {0};
    leat_put_bytes(&whole, stream->head.data, stream->head.size);
    leat_put_bytes(&whole, stream->tail.data, stream->tail.size);
    size_t from = whole.size > STDERR_MAX ? whole.size - STDERR_MAX : 0;
    for (unsigned i = 0; from > 0 && i < 3 && (whole.data[from] & 0xC0U) == 0x80U; i++)
        from++;
    const bool all = from == 0 && stream->cut == 0;
    if (!whole.failed && whole.size > 0) {
        (void)leat_json_add_bytes(json, "stderr", whole.data + from, whole.size - from);
        (void)cJSON_AddBoolToObject(json, "stderr_is_tail", !all);
    }
    leat_buf_fini(&whole);
}

leat_bytes
leat_failure_why(leat_bytes error)
{
    leat_ending ending;
    if (leat_ending_read(error.data, error.size, &ending) != LEAT_ERR_OK)
        return error;
    return (leat_bytes){(const uint8_t *)ending.sentence.data, (uint32_t)ending.sentence.size};
}

void
leat_failure_add_last(cJSON *json, leat_bytes error)
{
    leat_ending ending;
    if (leat_ending_read(error.data, error.size, &ending) != LEAT_ERR_OK)
        return;
    add_code(json, (uint8_t)ending.how, ending.code);
    add_stderr(json, &ending.err);
}

static void
add_attempt(cJSON *list, const leat_failed_attempt *one)
{
    cJSON *const row = cJSON_CreateObject();
    (void)cJSON_AddItemToArray(list, row);
    (void)cJSON_AddNumberToObject(row, "attempt", one->attempt);
    (void)cJSON_AddStringToObject(row, "end", end_word(one->end));
    (void)leat_json_add_bytes(row, "worker", one->worker.data, one->worker.size);
    (void)cJSON_AddNumberToObject(row, "ended_ms", (double)one->ended_ms);
    (void)cJSON_AddNumberToObject(row, "run_us", (double)one->run_us);
    add_code(row, one->how, one->code);
    (void)leat_json_add_bytes(row, "error", one->why.data, one->why.size);
}

void
leat_failure_add_end(cJSON *json, leat_bytes list)
{
    uint32_t older;
    uint8_t n = 0;
    leat_reader attempts;
    leat_failed_attempt last = {0};
    if (list.size == 0 || !leat_failure_open(list, &older, &n, &attempts))
        return;
    for (uint8_t i = 0; i < n; i++)
        last = leat_failure_next(&attempts);
    (void)leat_json_add_bytes(json, "worker", last.worker.data, last.worker.size);
    add_code(json, last.how, last.code);
}

void
leat_failure_add_attempts(cJSON *json, leat_bytes list)
{
    uint32_t older = 0;
    uint8_t n = 0;
    leat_reader attempts;
    cJSON *const rows = cJSON_AddArrayToObject(json, "attempt_list");
    if (list.size > 0 && leat_failure_open(list, &older, &n, &attempts)) {
        for (uint8_t i = 0; i < n; i++) {
            const leat_failed_attempt one = leat_failure_next(&attempts);
            add_attempt(rows, &one);
        }
    }
    (void)cJSON_AddNumberToObject(json, "older_attempts", older);
}
