/* leat_item: a job or message that is alive, and the table that finds it by id.
 *
 * Items lie in a slab (chunks of 4 096, never moved) and are named by a u32 index; 0 is nobody. The
 * table maps ids to indices in leaves of 512 ids, which are freed when nobody in them is alive. For
 * each chunk of 32 ids (the unit in which jobs leave the store) a leaf counts who is alive and
 * remembers whether somebody has ended since the store was last told.
 *
 * Ended jobs are not here: they are in the store. What an item shares with others is in its class
 * (handler, limits) and batch; its payload is in the store. */
#ifndef LEAT_ITEM_H
#define LEAT_ITEM_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/core/state.h"
#include "proto/base/err.h"
#include "proto/limits.h"

#define LEAT_NOBODY 0U

#define LEAT_ITEM_SUSPECT  1U /* was lost while code ran in a worker's process: handed out alone */
#define LEAT_ITEM_CLAIMED  2U /* leased: named by CLAIM since its worker's last HELLO */
#define LEAT_ITEM_CAPPED   2U /* ready: lies in its key's heap, waiting for room */
#define LEAT_ITEM_RETURNED 4U /* lies in its line's heap, not in the line */
#define LEAT_ITEM_MESSAGE  8U
#define LEAT_ITEM_HANDED   16U /* message: was handed out before */
#define LEAT_ITEM_FAILED   16U /* job: how attempts of it ended is kept, see failure.c */
#define LEAT_ITEM_STARTED  32U /* named by CLAIM as running */
#define LEAT_ITEM_ANSWERED                                                                       \
    32U                        /* message: the answer to the select that has received it is made \
                                */
#define LEAT_ITEM_SELECTED 64U /* message: received by a select */
#define LEAT_ITEM_TELLS    64U /* job: has told a progress, or left a checkpoint */
#define LEAT_ITEM_JOINED                                                     \
    128U /* others wait for its completion too, or it recovers one: unique.c \
          */

typedef struct leat_item {
    uint64_t id;
    uint32_t batch; /* slab index, LEAT_NOBODY: a batch of its own without an object */
    uint32_t terms; /* index: how it is to be treated */
    uint32_t next;  /* in its line or its holder's leases; position in a heap while there */
    uint32_t prev;
    uint32_t holder; /* index of its peer while leased, of the batch that it waits for while held */
    uint32_t number; /* of JOBS in the holder's session, low 32 bits */
    uint32_t attempt;
    uint32_t payload_bytes : 21;
    uint32_t charge : 11; /* of its flow while leased, see share.c */
    uint32_t place;       /* in its batch, from 1 */
    uint32_t since_s;     /* wall seconds; when it became ready, but for what came back */
    uint16_t failed;
    uint16_t snoozed;
    uint8_t lost;
    uint8_t state : 4;    /* leat_state; written by leat_item_apply only */
    uint8_t priority : 4; /* 0 … 9 */
    uint8_t flags;
    uint8_t epoch; /* index into the core's epochs: the one of its last attempt */
} leat_item;

static_assert(sizeof(leat_item) <= 56, "ten million of them are kept in memory");
static_assert(LEAT_PAYLOAD_BYTES_MAX < 1U << 21, "payload_bytes has 21 bits");

typedef struct leat_leaf {
    uint64_t number; /* id / 512 */
    uint32_t alive;
    uint8_t chunk_alive[16]; /* of each 32 ids */
    uint16_t chunk_ended;    /* bit: somebody ended since the store was told */
    uint32_t items[512];
} leat_leaf;

typedef struct leat_items {
    leat_item **slabs; /* owns */
    uint32_t slab_count;
    uint32_t used; /* indices ever handed out, 0 included */
    uint32_t free; /* head of the free list */
    uint32_t alive;
    leat_leaf **leaves; /* owns; hash table by number, open addressing */
    uint32_t leaf_capacity;
    uint32_t leaf_count;
    leat_leaf *last; /* the leaf of the last look-up */
    leat_leaf *spare;
} leat_items;

LEAT_NODISCARD leat_err leat_items_init(leat_items *items);
void leat_items_fini(leat_items *items);

/* Room for count more items with ids first … first + count - 1, so that as many leat_items_add
 * cannot fail. LEAT_ERR_NOMEM: nothing has changed for the user. */
LEAT_NODISCARD leat_err leat_items_reserve(leat_items *items, uint64_t first, uint32_t count);

/* A new item with this id, zeroed but for id; its index. Room must have been reserved. */
uint32_t leat_items_add(leat_items *items, uint64_t id);

/* Index of the item, or LEAT_NOBODY. O(1). */
uint32_t leat_items_find(leat_items *items, uint64_t id);

static inline leat_item *
leat_items_at(const leat_items *items, uint32_t index)
{
    assert(index != LEAT_NOBODY && index < items->used);
    return &items->slabs[index >> 12][index & 4095U];
}

/* The item has ended: forget it. Returns true when its chunk of 32 ids has nobody left; the store
 * can then drop the whole chunk (and chunk_ended is cleared). */
bool leat_items_remove(leat_items *items, uint32_t index);

/* The leaf with this number (id / 512), or NULL; and the numbers of at most max leaves, in no
 * order: how many there are. For who walks all items. */
leat_leaf *leat_items_leaf(leat_items *items, uint64_t number);
uint32_t leat_items_leaves(const leat_items *items, uint64_t *numbers, uint32_t max);

/* The only writer of item->state: look the arrow up, count its cost. LEAT_ERR_BAD_STATE: no row. */
LEAT_NODISCARD leat_err leat_item_apply(leat_item *item, leat_event event);
/* The same for an event that has a row here, because the caller has looked at the state. */
static inline void
leat_item_must(leat_item *item, leat_event event)
{
    const leat_err err = leat_item_apply(item, event);
    assert(err == LEAT_ERR_OK);
    (void)err;
}
/* Put a loaded item into the state that the store says. */
void leat_item_restore(leat_item *item, leat_state state);

#endif
