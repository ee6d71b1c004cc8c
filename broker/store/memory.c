/* The memory store: five sorted tables, applied at once.
 *
 * A table is an array of pages, a page an array of rows; both are sorted by key. Finding is two
 * binary searches, the first of which runs over keys that lie side by side. A row goes into the
 * last page or a half-empty one nearly always, so a put moves little. What jobs do (rising puts,
 * deletes from the left) touches the ends only. */
#include "broker/store/memory.h"

#include <assert.h>
#include <stdlib.h>

#include "broker/store/tables.h"

#define PAGE_ROWS 128U

struct row {
    leat_key key;
    uint8_t *data; /* owned */
    size_t size;
};

struct page {
    unsigned count;
    struct row rows[PAGE_ROWS];
};

struct slot {
    leat_key first; /* of the page's rows; the page has at least one */
    struct page *page;
};

struct table {
    struct slot *slots; /* owned; used: slots[start … start + count - 1] */
    size_t start;
    size_t count;
    size_t capacity;
    uint64_t rows;
    uint64_t bytes;
};

struct memory_kv {
    leat_kv kv;
    struct table tables[LEAT_TABLES];
};

typedef struct memory_store {
    leat_store store;
    struct memory_kv tables;
    leat_history history;
    leat_fetcher fetcher;
    uint64_t durable_upto;
    uint64_t commits;
    uint64_t limit_bytes; /* 0: none */
    bool failed;          /* memory ran out inside a commit */
} memory_store;

/* ---------------------------------------------------------------------------------- tables */

/* The last slot whose first key is at or below key; count if there is none. */
static size_t
find_slot(const struct table *table, leat_key key)
{
    if (table->count == 0)
        return 0;
    const struct slot *const slots = table->slots + table->start;
    if (leat_key_compare(slots[0].first, key) > 0)
        return table->count;
    /* Puts rise and deletes come from the left: look there first. */
    if (leat_key_compare(slots[table->count - 1].first, key) <= 0)
        return table->count - 1;
    if (leat_key_compare(slots[1].first, key) > 0)
        return 0;
    size_t low = 0; /* at or below key */
    size_t high = table->count;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (leat_key_compare(slots[middle].first, key) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* How many rows of the page have a key below key. */
static unsigned
find_row(const struct page *page, leat_key key)
{
    unsigned low = 0;
    unsigned high = page->count;
    if (leat_key_compare(page->rows[high - 1].key, key) < 0)
        return high;
    while (low < high) {
        const unsigned middle = (low + high) / 2;
        if (leat_key_compare(page->rows[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void
show_row(const struct page *page, unsigned index, leat_row *row)
{
    *row = (leat_row){.key = page->rows[index].key,
                      .data = page->rows[index].data,
                      .size = page->rows[index].size};
}

static struct table *
table_of(leat_kv *kv, leat_table table)
{
    return &((struct memory_kv *)kv)->tables[table];
}

static leat_err
kv_at_or_after(leat_kv *kv, leat_table which, leat_key key, leat_row *row)
{
    const struct table *const table = table_of(kv, which);
    if (table->count == 0)
        return LEAT_ERR_NOT_FOUND;
    size_t slot = find_slot(table, key);
    unsigned index = 0;
    if (slot == table->count) {
        slot = 0; /* every row is above it */
    } else {
        index = find_row(table->slots[table->start + slot].page, key);
        if (index == table->slots[table->start + slot].page->count) {
            if (++slot == table->count)
                return LEAT_ERR_NOT_FOUND;
            index = 0;
        }
    }
    show_row(table->slots[table->start + slot].page, index, row);
    return LEAT_ERR_OK;
}

static leat_err
kv_at_or_before(leat_kv *kv, leat_table which, leat_key key, leat_row *row)
{
    const struct table *const table = table_of(kv, which);
    const size_t slot = find_slot(table, key);
    if (slot == table->count)
        return LEAT_ERR_NOT_FOUND;
    const struct page *const page = table->slots[table->start + slot].page;
    unsigned index = find_row(page, key);
    if (index == page->count || leat_key_compare(page->rows[index].key, key) != 0)
        index--; /* the first row is at or below key, so there is one before */
    show_row(page, index, row);
    return LEAT_ERR_OK;
}

/* Room for one more slot at index. */
static leat_err
insert_slot(struct table *table, size_t index, leat_key first, struct page *page)
{
    if (table->start + table->count == table->capacity) {
        if (table->start > table->capacity / 2) {
            memmove(table->slots, table->slots + table->start, table->count * sizeof *table->slots);
        } else {
            const size_t capacity = table->capacity == 0 ? 16 : table->capacity * 2;
            struct slot *const slots = malloc(capacity * sizeof *slots);
            if (slots == NULL)
                return LEAT_ERR_NOMEM;
            if (table->count > 0)
                memcpy(slots, table->slots + table->start, table->count * sizeof *slots);
            free(table->slots);
            table->slots = slots;
            table->capacity = capacity;
        }
        table->start = 0;
    }
    struct slot *const at = table->slots + table->start + index;
    memmove(at + 1, at, (table->count - index) * sizeof *at);
    *at = (struct slot){.first = first, .page = page};
    table->count++;
    return LEAT_ERR_OK;
}

static void
remove_slot(struct table *table, size_t index)
{
    struct slot *const at = table->slots + table->start + index;
    free(at->page);
    table->count--;
    if (index == 0)
        table->start++;
    else
        memmove(at, at + 1, (table->count - index) * sizeof *at);
    if (table->count == 0)
        table->start = 0;
}

/* Make room in a full page: the upper half of its rows goes into a new one. At the right end
 * nothing moves, so that rising keys fill their pages. */
static leat_err
split_page(struct table *table, size_t slot, leat_key key)
{
    struct page *const page = table->slots[table->start + slot].page;
    struct page *const right = malloc(sizeof *right);
    if (right == NULL)
        return LEAT_ERR_NOMEM;
    const bool append =
        slot + 1 == table->count && leat_key_compare(page->rows[page->count - 1].key, key) < 0;
    const unsigned kept = append ? page->count - 1 : page->count / 2;
    right->count = page->count - kept;
    memcpy(right->rows, page->rows + kept, right->count * sizeof *right->rows);
    const leat_err err = insert_slot(table, slot + 1, right->rows[0].key, right);
    if (err != LEAT_ERR_OK) {
        free(right);
        return err;
    }
    page->count = kept;
    return LEAT_ERR_OK;
}

/* Where key belongs: a page with room for one more row. */
static leat_err
make_room(struct table *table, leat_key key, struct slot **out)
{
    size_t slot = find_slot(table, key);
    if (table->count == 0) {
        struct page *const page = malloc(sizeof *page);
        if (page == NULL)
            return LEAT_ERR_NOMEM;
        page->count = 0;
        const leat_err err = insert_slot(table, 0, key, page);
        if (err != LEAT_ERR_OK) {
            free(page);
            return err;
        }
        slot = 0;
    } else if (slot == table->count) {
        slot = 0;
    }
    if (table->slots[table->start + slot].page->count == PAGE_ROWS) {
        const leat_err err = split_page(table, slot, key);
        if (err != LEAT_ERR_OK)
            return err;
        if (leat_key_compare(table->slots[table->start + slot + 1].first, key) <= 0)
            slot++;
    }
    *out = table->slots + table->start + slot;
    return LEAT_ERR_OK;
}

static leat_err
kv_put(leat_kv *kv, leat_table which, leat_key key, const void *data, size_t size)
{
    struct table *const table = table_of(kv, which);
    uint8_t *const copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        return LEAT_ERR_NOMEM;
    if (size > 0)
        memcpy(copy, data, size);

    leat_row seen;
    struct slot *slot;
    if (kv_at_or_before(kv, which, key, &seen) == LEAT_ERR_OK &&
        leat_key_compare(seen.key, key) == 0) {
        slot = table->slots + table->start + find_slot(table, key);
        struct row *const old = slot->page->rows + find_row(slot->page, key);
        table->bytes += size - old->size;
        free(old->data);
        old->data = copy;
        old->size = size;
        return LEAT_ERR_OK;
    }
    const leat_err err = make_room(table, key, &slot);
    if (err != LEAT_ERR_OK) {
        free(copy);
        return err;
    }
    struct page *const page = slot->page;
    const unsigned at = page->count == 0 ? 0 : find_row(page, key);
    memmove(page->rows + at + 1, page->rows + at, (page->count - at) * sizeof *page->rows);
    page->rows[at] = (struct row){.key = key, .data = copy, .size = size};
    page->count++;
    slot->first = page->rows[0].key;
    table->rows++;
    table->bytes += size;
    return LEAT_ERR_OK;
}

static leat_err
kv_del(leat_kv *kv, leat_table which, leat_key from, leat_key upto)
{
    struct table *const table = table_of(kv, which);
    size_t slot = find_slot(table, from);
    if (slot == table->count)
        slot = 0; /* from the first row on, if there is one */
    while (slot < table->count) {
        struct slot *const at = table->slots + table->start + slot;
        struct page *const page = at->page;
        const unsigned first = find_row(page, from);
        unsigned end = first;
        while (end < page->count && leat_key_compare(page->rows[end].key, upto) <= 0) {
            table->bytes -= page->rows[end].size;
            free(page->rows[end++].data);
        }
        const bool reached = end < page->count;
        table->rows -= end - first;
        memmove(page->rows + first, page->rows + end, (page->count - end) * sizeof *page->rows);
        page->count -= end - first;
        if (page->count == 0) {
            remove_slot(table, slot);
        } else {
            at->first = page->rows[0].key;
            slot++;
        }
        if (reached)
            break;
    }
    return LEAT_ERR_OK;
}

static uint64_t
kv_count(leat_kv *kv, leat_table which)
{
    return table_of(kv, which)->rows;
}

static const leat_kv_ops memory_kv_ops = {
    .at_or_after = kv_at_or_after,
    .at_or_before = kv_at_or_before,
    .put = kv_put,
    .del = kv_del,
    .count = kv_count,
};

static void
table_fini(struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        struct page *const page = table->slots[table->start + i].page;
        for (unsigned j = 0; j < page->count; j++)
            free(page->rows[j].data);
        free(page);
    }
    free(table->slots);
}

/* -------------------------------------------------------------------------------- the store */

static leat_err
memory_commit(leat_store *store, leat_changes *changes, uint64_t number)
{
    memory_store *const self = (memory_store *)store;
    const size_t bytes = changes->ops.size;
    leat_err err = self->failed ? LEAT_ERR_IO : LEAT_ERR_OK;
    if (err == LEAT_ERR_OK && changes->ops.failed)
        err = LEAT_ERR_NOMEM;
    if (err == LEAT_ERR_OK)
        err = leat_tables_apply(&self->history, &self->tables.kv, changes);
    if (err == LEAT_ERR_OK)
        err = leat_history_step(&self->history, &self->tables.kv, bytes == 0 ? 1 : bytes);
    leat_changes_fini(changes);
    if (err != LEAT_ERR_OK) {
        /* Half a list may be in the tables: there is no way back. */
        self->failed = true;
        return err;
    }
    self->commits++;
    self->durable_upto = number;
    return LEAT_ERR_OK;
}

static uint64_t
memory_durable_upto(leat_store *store)
{
    return ((memory_store *)store)->durable_upto;
}

static leat_err
memory_fetch(leat_store *store,
             const leat_fetch *fetches,
             size_t count,
             leat_fetched_fn *call,
             void *context)
{
    memory_store *const self = (memory_store *)store;
    leat_tables_fetch(&self->fetcher, &self->tables.kv, fetches, count, call, context);
    return LEAT_ERR_OK;
}

static leat_err
memory_load(leat_store *store, const leat_load *load)
{
    memory_store *const self = (memory_store *)store;
    leat_fetcher_loaded(&self->fetcher, self->history.target);
    return leat_tables_load(&self->history, &self->tables.kv, load);
}

static void
memory_facts(leat_store *store, leat_store_facts *facts)
{
    const memory_store *const self = (memory_store *)store;
    *facts = (leat_store_facts){
        .history_jobs = self->history.jobs,
        .history_dropped = self->history.dropped,
        .trimmed = self->history.trimmed,
        .commits = self->commits,
    };
    for (unsigned i = 0; i < LEAT_TABLES; i++)
        facts->used_bytes += self->tables.tables[i].bytes;
    facts->full = self->limit_bytes > 0;
    if (facts->full && facts->used_bytes < self->limit_bytes)
        facts->room_bytes = self->limit_bytes - facts->used_bytes;
}

static void
memory_room(leat_store *store, uint64_t wanted, uint64_t run, bool wait, leat_store_room *room)
{
    const memory_store *const self = (memory_store *)store;
    leat_store_facts facts;
    (void)wanted;
    (void)run;
    (void)wait;
    memory_facts(store, &facts);
    *room = (leat_store_room){.bytes = UINT64_MAX, .run_bytes = UINT64_MAX};
    if (self->limit_bytes == 0)
        return;
    const uint64_t limit = self->limit_bytes;
    room->bytes = facts.used_bytes < limit ? limit - facts.used_bytes : 0;
    room->run_bytes = room->bytes;
    room->full = true;
}

void
leat_store_memory_limit(leat_store *store, uint64_t bytes)
{
    ((memory_store *)store)->limit_bytes = bytes;
}

static void
memory_destroy(leat_store **store_p)
{
    memory_store *const self = (memory_store *)*store_p;
    *store_p = NULL;
    for (unsigned i = 0; i < LEAT_TABLES; i++)
        table_fini(&self->tables.tables[i]);
    leat_history_fini(&self->history);
    leat_fetcher_fini(&self->fetcher);
    free(self);
}

static const leat_store_ops memory_ops = {
    .commit = memory_commit,
    .durable_upto = memory_durable_upto,
    .fetch = memory_fetch,
    .load = memory_load,
    .facts = memory_facts,
    .room = memory_room,
    .destroy = memory_destroy,
};

leat_err
leat_store_memory_new(const leat_retention *retention, leat_store **out)
{
    memory_store *const self = calloc(1, sizeof *self);
    if (self == NULL)
        return LEAT_ERR_NOMEM;
    self->store.ops = &memory_ops;
    self->tables.kv.ops = &memory_kv_ops;
    leat_history_init(&self->history, retention);
    *out = &self->store;
    return LEAT_ERR_OK;
}
