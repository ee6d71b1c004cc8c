/* The op list of a turn: written by the core, walked by the stores. Layout in store.h. */
#include <assert.h>

#include "broker/store/store.h"
#include "broker/store/tables.h"

void
leat_changes_fini(leat_changes *changes)
{
    leat_buf_fini(&changes->ops);
    changes->count = 0;
}

/* The room of a whole op at once, so that memory that runs out never leaves half an op. */
static uint8_t *
put_op(leat_changes *changes, leat_op op, size_t size)
{
    uint8_t *const p = leat_buf_room(&changes->ops, 1 + size);
    if (p == NULL)
        return NULL;
    changes->count++;
    *p = (uint8_t)op;
    return p + 1;
}

static void
put_sized(leat_changes *changes, leat_op op, uint64_t number, const void *data, size_t size)
{
    assert(size <= UINT32_MAX);

    uint8_t *const p = put_op(changes, op, 12 + size);
    if (p == NULL)
        return;
    leat_store_u64(p, number);
    leat_store_u32(p + 8, (uint32_t)size);
    if (size > 0)
        memcpy(p + 12, data, size);
}

void
leat_changes_pack(leat_changes *changes, uint64_t first_id, const void *data, size_t size)
{
    put_sized(changes, LEAT_OP_PACK, first_id, data, size);
}

void
leat_changes_keep(leat_changes *changes, uint64_t chunk, uint32_t mask)
{
    uint8_t *const p = put_op(changes, LEAT_OP_KEEP, 12);
    if (p == NULL)
        return;
    leat_store_u64(p, chunk);
    leat_store_u32(p + 8, mask);
}

void
leat_changes_turn(leat_changes *changes, uint64_t number, const void *data, size_t size)
{
    put_sized(changes, LEAT_OP_TURN, number, data, size);
}

void
leat_changes_trim(leat_changes *changes, uint64_t number)
{
    uint8_t *const p = put_op(changes, LEAT_OP_TRIM, 8);
    if (p != NULL)
        leat_store_u64(p, number);
}

void
leat_changes_put(
    leat_changes *changes, leat_object_kind kind, uint64_t id, const void *data, size_t size)
{
    assert(kind >= LEAT_OBJECT_META && kind <= LEAT_OBJECT_LAST);
    assert(size <= UINT32_MAX);

    uint8_t *const p = put_op(changes, LEAT_OP_PUT, 13 + size);
    if (p == NULL)
        return;
    *p = (uint8_t)kind;
    leat_store_u64(p + 1, id);
    leat_store_u32(p + 9, (uint32_t)size);
    if (size > 0)
        memcpy(p + 13, data, size);
}

void
leat_changes_drop(leat_changes *changes, leat_object_kind kind, uint64_t id)
{
    assert(kind >= LEAT_OBJECT_META && kind <= LEAT_OBJECT_LAST);

    uint8_t *const p = put_op(changes, LEAT_OP_DROP, 9);
    if (p == NULL)
        return;
    *p = (uint8_t)kind;
    leat_store_u64(p + 1, id);
}

bool
leat_changes_next(leat_reader *ops, leat_change *change)
{
    if (leat_reader_left(ops) == 0)
        return false;
    *change = (leat_change){.op = leat_read_u8(ops)};
    switch ((leat_op)change->op) {
    case LEAT_OP_PACK:
    case LEAT_OP_TURN:
        change->id = leat_read_u64(ops);
        change->size = leat_read_u32(ops);
        change->data = leat_read_bytes(ops, change->size);
        break;
    case LEAT_OP_KEEP:
        change->id = leat_read_u64(ops);
        change->mask = leat_read_u32(ops);
        break;
    case LEAT_OP_TRIM:
        change->id = leat_read_u64(ops);
        break;
    case LEAT_OP_PUT:
        change->kind = leat_read_u8(ops);
        change->id = leat_read_u64(ops);
        change->size = leat_read_u32(ops);
        change->data = leat_read_bytes(ops, change->size);
        break;
    case LEAT_OP_DROP:
        change->kind = leat_read_u8(ops);
        change->id = leat_read_u64(ops);
        break;
    default:
        assert(false && "an op that nobody writes");
    }
    assert(!ops->failed);
    return true;
}
