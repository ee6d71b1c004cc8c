/* The archive: batches that have finished, and of which a record in the store is what is left.
 *
 *     finished ──► log in history ──► out of memory (batch.c) ──► by its record (leat_batch_find)
 *         └──────────────► archive, by the time of their ends ──► record dropped
 *
 * A record goes when more batches have finished since than are kept, when its time is over, or when
 * the disk is full and room is short, once its client is surely gone: the oldest first. Not while
 * somebody needs it: a batch that is in memory (who waits for it, jobs that run after it) goes when
 * it leaves memory, and one that has jobs among the dead with the last of them. Both stay marked as
 * `out`. What is kept is 16 bytes a batch. */
#include "broker/core/archive.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/core/room.h"

#define RETAINED_A_TURN 64U /* and two for each batch that finishes */
#define ROWS_MIN        64U

/* A batch with jobs among the dead. */
struct mourning {
    uint32_t index;
    uint32_t dead;
    bool memory;
    bool out; /* of retention */
};

static bool
reserve_row(leat_archive *archive)
{
    if (archive->first + archive->count < archive->capacity)
        return true;
    if (archive->first > archive->capacity / 2) {
        memmove(archive->rows, archive->rows + archive->first,
                archive->count * sizeof *archive->rows);
        archive->first = 0;
        return true;
    }
    const size_t capacity = archive->capacity == 0 ? ROWS_MIN : (size_t)archive->capacity * 2;
    leat_archived *const rows = reallocarray(archive->rows, capacity, sizeof *rows);
    if (rows == NULL)
        return false;
    archive->rows = rows;
    archive->capacity = (uint32_t)capacity;
    return true;
}

void
leat_archive_add(leat_core *core, const leat_batch *batch)
{
    leat_archive *const archive = &core->archive;
    assert(batch->finished && !batch->alone);
    if (!reserve_row(archive)) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    archive->rows[archive->first + archive->count++] = (leat_archived){
        .id = batch->id,
        .ended_s = (uint32_t)(batch->ended_ms / 1000),
        .memory = batch->durability == LEAT_MEMORY,
    };
    archive->fresh++;
}

static int
by_end(const void *left, const void *right)
{
    const leat_archived *const a = left;
    const leat_archived *const b = right;
    if (a->ended_s != b->ended_s)
        return a->ended_s < b->ended_s ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

void
leat_archive_sort(leat_core *core)
{
    leat_archive *const archive = &core->archive;
    if (archive->count > 1)
        qsort(archive->rows + archive->first, archive->count, sizeof *archive->rows, by_end);
}

/* Its time is over: its record goes now, or with the last who needs it. */
static void
let_go(leat_core *core, uint64_t id, bool memory)
{
    leat_batch *const batch = leat_table_get(&core->batches, id);
    struct mourning *const mourning = leat_table_get(&core->archive.mourned, id);
    if (batch != NULL) {
        batch->out = true;
    } else if (mourning != NULL) {
        mourning->out = true;
    } else {
        leat_changes_drop(&core->books[memory ? LEAT_MEMORY : LEAT_DISK].changes, LEAT_OBJECT_BATCH,
                          id);
        core->archive.dropped++;
    }
}

void
leat_archive_retain(leat_core *core)
{
    leat_archive *const archive = &core->archive;
    const leat_keep *const keep = &core->options.keep;
    uint32_t budget = RETAINED_A_TURN + 2 * archive->fresh;
    const bool is_short = leat_room_is_short(core);
    archive->fresh = 0;
    for (; budget > 0 && archive->count > 0; budget--) {
        const leat_archived oldest = archive->rows[archive->first];
        const int64_t age_ms = core->now.wall_ms - (int64_t)oldest.ended_s * 1000;
        const bool pressed = is_short && !oldest.memory && age_ms > LEAT_SESSION_MS;
        if (!pressed && archive->count <= keep->batches_max && age_ms < keep->batch_ms_max)
            return;
        archive->first++;
        archive->count--;
        archive->gone++;
        let_go(core, oldest.id, oldest.memory);
    }
}

void
leat_archive_left(leat_core *core, uint64_t id, bool memory)
{
    let_go(core, id, memory);
}

void
leat_archive_mourn(leat_core *core, uint64_t id, bool memory)
{
    struct mourning *mourning = leat_table_get(&core->archive.mourned, id);
    if (mourning == NULL) {
        mourning = calloc(1, sizeof *mourning);
        if (mourning == NULL ||
            leat_table_add(&core->archive.mourned, id, mourning, &mourning->index) != LEAT_ERR_OK) {
            free(mourning);
            leat_core_fault(core, LEAT_ERR_NOMEM);
            return;
        }
        mourning->memory = memory;
    }
    mourning->dead++;
}

void
leat_archive_bury(leat_core *core, uint64_t id)
{
    struct mourning *const mourning = leat_table_get(&core->archive.mourned, id);
    if (mourning == NULL || --mourning->dead > 0)
        return;
    const bool out = mourning->out;
    const bool memory = mourning->memory;
    leat_table_remove(&core->archive.mourned, id);
    free(mourning);
    if (out)
        let_go(core, id, memory);
}

bool
leat_archive_may_have_had(const leat_core *core, uint64_t id)
{
    uint64_t dropped = core->archive.dropped;
    for (int d = 0; d < LEAT_DURABILITY_COUNT; d++) {
        leat_store_facts facts;
        leat_store_get_facts(core->books[d].store, &facts);
        dropped += facts.history_dropped; /* among them batches of one */
    }
    return id != 0 && id < core->next_id && dropped > 0;
}

void
leat_archive_explain(const leat_core *core, uint64_t id, char *out, size_t size)
{
    if (!leat_archive_may_have_had(core, id)) {
        (void)snprintf(out, size, "no batch %llu", (unsigned long long)id);
        return;
    }
    (void)snprintf(out, size,
                   "no batch %llu any more: what has finished is kept for %lld hours, the last %u "
                   "batches",
                   (unsigned long long)id, (long long)(core->options.keep.batch_ms_max / 3600000),
                   core->options.keep.batches_max);
}

void
leat_archive_fini(leat_core *core)
{
    leat_table *const mourned = &core->archive.mourned;
    for (uint32_t i = leat_table_next(mourned, 0); i != 0; i = leat_table_next(mourned, i))
        free(leat_table_at(mourned, i));
    leat_table_fini(mourned);
    free(core->archive.rows);
}
