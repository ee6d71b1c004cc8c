/* A store that becomes durable late. See latestore.h. */
#include "tests/lib/latestore.h"

#include <assert.h>
#include <stdlib.h>

static test_late *
late_of(leat_store *store)
{
    return (test_late *)store;
}

static void
apply(test_late *late, leat_changes *changes, uint64_t number)
{
    const leat_err err = leat_store_commit(late->under, changes, number);
    assert(err == LEAT_ERR_OK);
    (void)err;
    late->durable = number;
}

static leat_err
late_commit(leat_store *store, leat_changes *changes, uint64_t number)
{
    test_late *const late = late_of(store);
    if (late->fail_commits > 0) {
        late->fail_commits--;
        leat_changes_fini(changes);
        return LEAT_ERR_IO;
    }
    if (!late->hold) {
        assert(late->count == 0);
        apply(late, changes, number);
        return LEAT_ERR_OK;
    }
    if (late->count == late->capacity) {
        late->capacity = late->capacity == 0 ? 16 : late->capacity * 2;
        late->waiting = realloc(late->waiting, late->capacity * sizeof *late->waiting);
        assert(late->waiting != NULL);
    }
    late->waiting[late->count++] = (test_late_commit){.changes = *changes, .number = number};
    *changes = (leat_changes){0};
    return LEAT_ERR_OK;
}

static uint64_t
late_durable_upto(leat_store *store)
{
    return late_of(store)->durable;
}

struct call {
    test_late *late;
    leat_fetched_fn *call;
    void *context;
};

static void
on_fetched(void *context, const leat_fetched *fetched)
{
    const struct call *const call = context;
    test_late *const late = call->late;
    leat_fetched damaged = *fetched;
    if (fetched->fetch.kind == LEAT_FETCH_JOB && late->corrupt_fetches > 0) {
        if (late->corrupt_from > 0) {
            late->corrupt_from--;
        } else {
            late->corrupt_fetches--;
            damaged = (leat_fetched){.fetch = fetched->fetch, .err = LEAT_ERR_CORRUPT};
        }
    }
    call->call(call->context, &damaged);
}

static leat_err
late_fetch(leat_store *store,
           const leat_fetch *fetches,
           size_t count,
           leat_fetched_fn *call,
           void *context)
{
    struct call wrapped = {.late = late_of(store), .call = call, .context = context};
    return leat_store_fetch(wrapped.late->under, fetches, count, on_fetched, &wrapped);
}

static leat_err
late_load(leat_store *store, const leat_load *load)
{
    return leat_store_load(late_of(store)->under, load);
}

static void
late_facts(leat_store *store, leat_store_facts *facts)
{
    leat_store_get_facts(late_of(store)->under, facts);
}

static void
late_room(leat_store *store, uint64_t wanted, bool wait, leat_store_room *room)
{
    leat_store_get_room(late_of(store)->under, wanted, wait, room);
}

static void
late_destroy(leat_store **store_p)
{
    test_late *late = late_of(*store_p);
    *store_p = NULL;
    test_late_destroy(&late);
}

static const leat_store_ops late_ops = {
    .commit = late_commit,
    .durable_upto = late_durable_upto,
    .fetch = late_fetch,
    .load = late_load,
    .facts = late_facts,
    .room = late_room,
    .destroy = late_destroy,
};

test_late *
test_late_new(leat_store **under_p)
{
    test_late *const late = calloc(1, sizeof *late);
    assert(late != NULL);
    late->store.ops = &late_ops;
    late->under = *under_p;
    *under_p = NULL;
    return late;
}

void
test_late_destroy(test_late **late_p)
{
    test_late *const late = *late_p;
    *late_p = NULL;
    if (late == NULL)
        return;
    test_late_crash(late);
    free(late->waiting);
    leat_store_destroy(&late->under);
    free(late);
}

void
test_late_let(test_late *late, size_t n)
{
    assert(n <= late->count);
    for (size_t i = 0; i < n; i++)
        apply(late, &late->waiting[i].changes, late->waiting[i].number);
    late->count -= n;
    if (late->count > 0)
        memmove(late->waiting, late->waiting + n, late->count * sizeof *late->waiting);
}

void
test_late_let_all(test_late *late)
{
    test_late_let(late, late->count);
}

void
test_late_crash(test_late *late)
{
    for (size_t i = 0; i < late->count; i++)
        leat_changes_fini(&late->waiting[i].changes);
    late->count = 0;
    late->hold = false;
    late->durable = 0;
}
