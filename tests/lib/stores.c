/* Stores for tests. */
#include "tests/lib/stores.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "broker/store/lmdb.h"
#include "broker/store/memory.h"

static void
must_open(leat_test_store *t)
{
    leat_err err;
    if (t->maker == LEAT_TEST_MEMORY) {
        err = leat_store_memory_new(&t->retention, &t->store);
    } else {
        char why[512];
        const leat_store_lmdb_options options = {.path = t->path, .retention = t->retention};
        err = leat_store_lmdb_open(&options, &t->store, why);
        if (err != LEAT_ERR_OK)
            (void)fprintf(stderr, "%s\n", why);
    }
    assert(err == LEAT_ERR_OK);
}

void
leat_test_store_init(leat_test_store *t, leat_test_maker maker, const leat_retention *retention)
{
    *t = (leat_test_store){.maker = maker};
    t->retention = retention == NULL ? LEAT_RETENTION_DEFAULT : *retention;
    if (maker == LEAT_TEST_LMDB) {
        leat_tmp_init(&t->tmp);
        (void)leat_tmp_path(&t->tmp, "store", t->path);
    }
    must_open(t);
}

void
leat_test_store_fini(leat_test_store *t)
{
    leat_store_destroy(&t->store);
    leat_changes_fini(&t->changes);
    if (t->maker == LEAT_TEST_LMDB)
        leat_tmp_fini(&t->tmp);
}

void
leat_test_store_reopen(leat_test_store *t)
{
    if (t->maker == LEAT_TEST_MEMORY)
        return;
    leat_store_destroy(&t->store);
    must_open(t);
}

void
leat_test_store_commit(leat_test_store *t)
{
    const leat_err err = leat_store_commit(t->store, &t->changes, ++t->number);
    assert(err == LEAT_ERR_OK);
    assert(t->changes.ops.size == 0 && t->changes.count == 0);
    while (leat_store_durable_upto(t->store) < t->number) {
        struct pollfd item = {.fd = leat_store_lmdb_fd(t->store), .events = POLLIN};
        const int n = poll(&item, 1, -1);
        assert(n == 1);
        uint64_t events;
        eventfd_read(item.fd, &events);
        assert(leat_store_lmdb_sentence(t->store)[0] == '\0');
    }
}

leat_store_facts
leat_test_store_facts(leat_test_store *t)
{
    leat_store_facts facts;
    leat_store_get_facts(t->store, &facts);
    return facts;
}

void
leat_test_store_trim(leat_test_store *t, uint64_t number)
{
    leat_changes_trim(&t->changes, number);
    do
        leat_test_store_commit(t);
    while (leat_test_store_facts(t).trimmed < number);
}

uint8_t
leat_test_payload_byte(uint64_t id)
{
    return (uint8_t)(id * 31 + 7);
}

void
leat_test_put_pack(leat_test_store *t, uint64_t first_id, unsigned n, uint32_t payload_bytes)
{
    leat_buf pack = {0};
    uint8_t *const payload = malloc(payload_bytes + 1U);
    assert(payload != NULL);
    leat_pack_put_head(&pack, "head", 4, (uint8_t)n);
    for (unsigned i = 0; i < n; i++) {
        memset(payload, leat_test_payload_byte(first_id + i), payload_bytes);
        leat_pack_put_job(&pack, (uint8_t)i, payload, payload_bytes);
    }
    assert(!pack.failed);
    leat_changes_pack(&t->changes, first_id, pack.data, pack.size);
    leat_buf_fini(&pack);
    free(payload);
}

void
leat_test_put_ends(leat_buf *turn, const leat_test_ends *ends)
{
    leat_buf log = {0};
    uint8_t *const result = malloc(ends->result_bytes + 1U);
    assert(result != NULL);
    leat_put_u16(&log, ends->worker == NULL ? 0 : 1);
    if (ends->worker != NULL)
        leat_put_text8(&log, leat_text_of(ends->worker));
    leat_put_u16(&log, (uint16_t)ends->n);
    for (unsigned i = 0; i < ends->n; i++) {
        const uint64_t id = ends->ids[i];
        memset(result, leat_test_payload_byte(id), ends->result_bytes);
        const leat_completion c = {
            .job = id,
            .place = (uint32_t)id,
            .attempt = 1,
            .outcome = LEAT_OUTCOME_DONE,
            .worker = ends->worker == NULL ? LEAT_NO_WORKER : 0,
            .ended_ms = ends->ended_ms == 0 ? id + 1 : ends->ended_ms,
            .run_us = 5,
            .result = {.data = result, .size = ends->result_bytes},
        };
        leat_items_put_completion(&log, &c);
    }
    const leat_counters counters = {.total = ends->n, .done = ends->n};
    leat_turn_put_ends(turn, ends->batch, ends->first_position, ends->flags, &counters, log.data,
                       log.size);
    assert(!turn->failed);
    leat_buf_fini(&log);
    free(result);
}

static void
copy_answer(void *context, const leat_fetched *fetched)
{
    leat_test_answer *const answer = context;
    assert(answer->data == NULL);
    answer->fetched = *fetched;
    answer->data = malloc(fetched->size + 1);
    assert(answer->data != NULL);
    if (fetched->size > 0)
        memcpy(answer->data, fetched->data, fetched->size);
    answer->fetched.data = answer->data;
}

leat_test_answer
leat_test_fetch(leat_test_store *t, const leat_fetch *fetch)
{
    leat_test_answer answer = {0};
    const leat_err err = leat_store_fetch(t->store, fetch, 1, copy_answer, &answer);
    assert(err == LEAT_ERR_OK);
    assert(answer.data != NULL);
    return answer;
}

leat_items_run
leat_test_open_log(const leat_test_answer *answer, leat_reader *completions)
{
    leat_items_run run;
    assert(answer->fetched.err == LEAT_ERR_OK);
    *completions = leat_reader_over(answer->data, answer->fetched.size);
    const leat_err err = leat_log_open(completions, &run);
    assert(err == LEAT_ERR_OK);
    return run;
}

static leat_err
dump_object(void *context, leat_object_kind kind, uint64_t id, const uint8_t *data, size_t size)
{
    (void)fprintf(context, "object %d %llu %.*s\n", (int)kind, (unsigned long long)id, (int)size,
                  size == 0 ? "" : (const char *)data);
    return LEAT_ERR_OK;
}

static leat_err
dump_pack(void *context, uint64_t first_id, const uint8_t *data, size_t size)
{
    leat_pack pack;
    const leat_err err = leat_pack_open(data, size, &pack);
    if (err != LEAT_ERR_OK)
        return err;
    (void)fprintf(context, "pack %llu", (unsigned long long)first_id);
    for (unsigned i = 0; i < pack.count; i++) {
        leat_pack_job job;
        leat_pack_next(&pack, &job);
        (void)fprintf(context, " %u:%u", (unsigned)job.offset, (unsigned)job.payload_bytes);
    }
    (void)fprintf(context, "\n");
    return LEAT_ERR_OK;
}

static leat_err
dump_turn(void *context, uint64_t number, const uint8_t *data, size_t size)
{
    (void)data;
    (void)fprintf(context, "turn %llu %zu\n", (unsigned long long)number, size);
    return LEAT_ERR_OK;
}

char *
leat_test_dump(leat_test_store *t)
{
    char *text = NULL;
    size_t size = 0;
    FILE *const out = open_memstream(&text, &size);
    assert(out != NULL);
    const leat_load load = {
        .context = out, .object = dump_object, .pack = dump_pack, .turn = dump_turn};
    const leat_err err = leat_store_load(t->store, &load);
    assert(err == LEAT_ERR_OK);
    const int closed = fclose(out);
    assert(closed == 0);
    return text;
}
