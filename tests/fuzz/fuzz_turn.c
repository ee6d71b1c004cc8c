/* Turn records: no bytes are read outside; the entries that are accepted, written again, are the
 * bytes that they were read from. Then the record goes through a store: its ends are moved into
 * history and fetched there, whatever they say. */
#include <stdlib.h>

#include "broker/store/memory.h"
#include "broker/store/turn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
put_leases(leat_buf *buf, const leat_turn_entry *entry)
{
    const size_t at = leat_turn_put_leases(buf, entry->session, entry->number, entry->epoch);
    for (uint32_t i = 0; i < entry->n; i++) {
        uint64_t job;
        uint32_t attempt;
        leat_turn_lease(entry, i, &job, &attempt);
        leat_put_u64(buf, job);
        leat_put_u32(buf, attempt);
    }
    leat_turn_end_leases(buf, at, entry->n);
}

static void
put_entry(leat_buf *buf, const leat_turn_entry *entry)
{
    switch (entry->kind) {
    case LEAT_TURN_LEASES:
        put_leases(buf, entry);
        break;
    case LEAT_TURN_ENDS:
        leat_turn_put_ends(buf, entry->id, entry->number, entry->flags, &entry->counters,
                           entry->data, entry->size);
        break;
    case LEAT_TURN_ITEM:
        leat_turn_put_item(buf, entry);
        break;
    case LEAT_TURN_ANSWER:
        leat_turn_put_answer(buf, entry->session, entry->number, entry->command, entry->data,
                             entry->size);
        break;
    case LEAT_TURN_CURSOR:
        leat_turn_put_cursor(buf, entry->session, entry->id, entry->number);
        break;
    case LEAT_TURN_OBJECT:
        leat_turn_put_object(buf, (leat_object_kind)entry->object_kind, entry->id, entry->data,
                             entry->size);
        break;
    case LEAT_TURN_IDS:
        leat_turn_put_ids(buf, entry->number);
        break;
    case LEAT_TURN_JOINS:
        leat_turn_put_joins(buf, entry->id, entry->batch, entry->place, entry->n, entry->data,
                            (size_t)entry->n * 12);
        break;
    }
}

static void
check_log(void *context, const leat_fetched *fetched)
{
    (void)context;
    if (fetched->err != LEAT_ERR_OK)
        return;
    leat_reader log = leat_reader_over(fetched->data, fetched->size);
    leat_items_run run;
    if (leat_log_open(&log, &run) != LEAT_ERR_OK || run.n == 0)
        abort();
}

/* Ask for what each ENDS entry says, in the turn and in history. */
static void
fetch_ends(leat_store *store, const uint8_t *data, size_t size)
{
    leat_reader record = leat_reader_over(data, size);
    leat_turn_entry entry;
    while (leat_turn_next(&record, &entry)) {
        if (entry.kind != LEAT_TURN_ENDS)
            continue;
        leat_fetch fetches[2] = {
            {.kind = LEAT_FETCH_LOG,
             .id = entry.id,
             .position = entry.number,
             .turn = 1,
             .max_bytes = 4096},
            {.kind = LEAT_FETCH_ENDED,      .id = entry.id, .turn = 1},
        };
        leat_reader log = leat_reader_over(entry.data, entry.size);
        leat_items_run run;
        if (leat_log_open(&log, &run) == LEAT_ERR_OK && run.n > 0) {
            leat_completion c;
            leat_items_next_completion(&log, &c);
            fetches[1].id = c.job;
        }
        if (leat_store_fetch(store, fetches, 2, check_log, NULL) != LEAT_ERR_OK)
            abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    leat_buf again = {0};
    leat_reader record = leat_reader_over(data, size);
    leat_turn_entry entry;
    while (leat_turn_next(&record, &entry))
        put_entry(&again, &entry);
    if (again.size > size || (again.size > 0 && memcmp(again.data, data, again.size) != 0) ||
        (!record.failed && again.size != size))
        abort();
    leat_buf_fini(&again);

    leat_store *store;
    leat_changes changes = {0};
    const leat_retention retention = {.jobs_max = 8};
    if (leat_store_memory_new(&retention, &store) != LEAT_ERR_OK)
        return 0;
    leat_changes_turn(&changes, 1, data, size);
    if (leat_store_commit(store, &changes, 1) != LEAT_ERR_OK)
        abort();
    fetch_ends(store, data, size);
    leat_changes_trim(&changes, 2);
    if (leat_store_commit(store, &changes, 2) != LEAT_ERR_OK)
        abort();
    fetch_ends(store, data, size);
    leat_store_destroy(&store);
    return 0;
}
