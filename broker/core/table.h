/* leat_table: objects by a small index and by a 64-bit id.
 *
 * The index (from 1; 0 is nobody) is what items keep instead of a pointer; it is used again after
 * the object has left. The table owns nothing but itself. */
#ifndef LEAT_TABLE_H
#define LEAT_TABLE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

typedef struct leat_table {
    void **objects; /* by index; a free one holds NULL */
    uint32_t capacity;
    uint32_t used; /* indices ever given out, 0 included */
    uint32_t count;
    uint32_t *free; /* stack of indices to use again */
    uint32_t free_count;
    struct leat_table_slot {
        uint64_t id;
        uint32_t index; /* 0: empty */
    } * slots;          /* open addressing by id */
    uint32_t slot_capacity;
} leat_table;

void leat_table_init(leat_table *table);
void leat_table_fini(leat_table *table);

/* Add object under id, which nobody has; *index is filled. LEAT_ERR_NOMEM: unchanged. */
LEAT_NODISCARD leat_err leat_table_add(leat_table *table,
                                       uint64_t id,
                                       void *object,
                                       uint32_t *index);
void leat_table_remove(leat_table *table, uint64_t id);

/* Index by id, or 0. O(1). */
uint32_t leat_table_find(const leat_table *table, uint64_t id);

static inline void *
leat_table_at(const leat_table *table, uint32_t index)
{
    assert(index < table->used);
    return table->objects[index];
}

/* Object by id, or NULL. */
static inline void *
leat_table_get(const leat_table *table, uint64_t id)
{
    const uint32_t index = leat_table_find(table, id);
    return index == 0 ? NULL : table->objects[index];
}

/* Walk: the first index above `after` that holds an object, or 0. Objects may leave on the way. */
uint32_t leat_table_next(const leat_table *table, uint32_t after);

#endif
