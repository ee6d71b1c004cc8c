/* The hand: it walks the live items behind the turns, so that old turn records can go.
 *
 * A round visits every chunk of 32 ids that was alive when it began: of chunks in which jobs have
 * ended the store keeps only who is left; items that are more than freshly submitted are written
 * again as they are now. At its end the objects that have changed are written whole, and then
 * nothing in a turn record from before the round is needed to rebuild the live state: TRIM. Its
 * pace follows the ends, so that what it costs is a share of the work and not of the depth. */
#include "broker/core/hand.h"

#include <stdlib.h>

#include "broker/core/lease.h"
#include "broker/core/link.h"
#include "broker/core/object.h"
#include "broker/core/terms.h"

#define LEAF_CHUNKS   16U
#define CHUNKS_A_TURN 4U    /* and two jobs for each end */
#define ROUND_MS      200   /* rounds do not begin more often */
#define LOOKS_A_TURN  4096U /* at chunks in which nobody lives any more */

static void
write_item(leat_core *core, const leat_item *item)
{
    leat_buf *const turn = &core->books[LEAT_DISK].turn;
    leat_link_write(core, item);
    if ((item->state == LEAT_STATE_READY || item->state == LEAT_STATE_HELD) && item->attempt == 0 &&
        (item->state == LEAT_STATE_HELD || leat_terms_of(core, item)->after == LEAT_AFTER_NOTHING))
        return; /* its pack says everything */
    leat_lease_write_item(core, item);
    if (!leat_state_is_held_by_worker((leat_state)item->state) ||
        (item->flags & LEAT_ITEM_MESSAGE) != 0)
        return;
    const leat_peer *const holder = leat_table_at(&core->peers, item->holder);
    const size_t at =
        leat_turn_put_leases(turn, holder->key, item->number, core->epochs[item->epoch]);
    leat_put_u64(turn, item->id);
    leat_put_u32(turn, item->attempt);
    leat_turn_end_leases(turn, at, 1);
}

/* Who lives in the chunk: ids that follow may have come into it since it was empty. */
static uint32_t
alive_in(leat_core *core, uint64_t chunk)
{
    const leat_leaf *const leaf = leat_items_leaf(&core->items, chunk / LEAF_CHUNKS);
    uint32_t mask = 0;
    if (leaf == NULL || leaf->chunk_alive[chunk % LEAF_CHUNKS] == 0)
        return 0;
    const uint32_t *const slots = &leaf->items[chunk % LEAF_CHUNKS * LEAT_CHUNK_IDS];
    for (uint32_t i = 0; i < LEAT_CHUNK_IDS; i++)
        mask |= slots[i] == LEAT_NOBODY ? 0 : 1U << i;
    return mask;
}

void
leat_hand_clear(leat_core *core, leat_durability durability, uint64_t chunk)
{
    if (durability == LEAT_MEMORY || (!core->room.full && core->cleared_count == 0)) {
        leat_changes_keep(&core->books[durability].changes, chunk, 0);
        return;
    }
    if (core->cleared_count == core->cleared_capacity) {
        const uint32_t capacity = core->cleared_capacity == 0 ? 256 : core->cleared_capacity * 2;
        uint64_t *const cleared = realloc(core->cleared, capacity * sizeof *cleared);
        if (cleared == NULL) {
            leat_core_fault(core, LEAT_ERR_NOMEM);
            return;
        }
        core->cleared = cleared;
        core->cleared_capacity = capacity;
    }
    core->cleared[core->cleared_count++] = chunk;
}

/* What a turn deletes is of use two commits later, and until then costs pages itself: on a full
 * disk it is little at once. */
static void
tell_cleared(leat_core *core)
{
    uint32_t n = core->cleared_count;
    if (core->room.full && n > LEAT_ROOM_CHUNKS_MAX)
        n = LEAT_ROOM_CHUNKS_MAX;
    for (uint32_t i = 0; i < n; i++)
        leat_changes_keep(&core->books[LEAT_DISK].changes, core->cleared[i],
                          alive_in(core, core->cleared[i]));
    core->cleared_count -= n;
    core->cleared_upto += n;
    if (core->cleared_count > 0)
        memmove(core->cleared, core->cleared + n, core->cleared_count * sizeof *core->cleared);
}

bool
leat_hand_is_urgent(const leat_core *core)
{
    return core->room.full && (core->cleared_count > 0 || core->round_active);
}

/* False: nobody lives there. */
static bool
visit(leat_core *core, uint64_t leaf_number, uint32_t chunk_of_leaf)
{
    const uint64_t chunk = leaf_number * LEAF_CHUNKS + chunk_of_leaf;
    leat_leaf *const leaf = leat_items_leaf(&core->items, leaf_number);
    if (leaf == NULL || leaf->chunk_alive[chunk_of_leaf] == 0)
        return false;
    const uint32_t *const slots = &leaf->items[(size_t)chunk_of_leaf * LEAT_CHUNK_IDS];
    leat_durability durability = LEAT_DISK;
    uint32_t mask = 0;
    for (uint32_t i = 0; i < LEAT_CHUNK_IDS; i++) {
        if (slots[i] == LEAT_NOBODY)
            continue;
        const leat_item *const item = leat_items_at(&core->items, slots[i]);
        mask |= 1U << i;
        durability = leat_item_durability(core, item);
        if (durability == LEAT_DISK)
            write_item(core, item);
    }
    if ((leaf->chunk_ended >> chunk_of_leaf & 1U) == 0)
        return true;
    leaf->chunk_ended &= (uint16_t) ~(1U << chunk_of_leaf);
    leat_changes_keep(&core->books[durability].changes, chunk, mask);
    return true;
}

static bool
start_round(leat_core *core)
{
    const uint32_t count = core->items.leaf_count;
    uint64_t *const leaves = realloc(core->round_leaves, (count == 0 ? 1 : count) * sizeof *leaves);
    if (leaves == NULL)
        return false; /* tried again with the next turn */
    core->round_leaves = leaves;
    core->round_count = leat_items_leaves(&core->items, leaves, count) * LEAF_CHUNKS;
    core->round_at = 0;
    for (int d = 0; d < LEAT_DURABILITY_COUNT; d++)
        core->round_turn[d] = core->books[d].number + 1;
    core->round_active = true;
    core->round_wanted = false;
    core->round_ms = core->now.mono_ms;
    core->round_clear = core->cleared_upto + core->cleared_count;
    return true;
}

static void
put_object(leat_core *core, leat_durability durability, leat_object_kind kind, uint64_t id)
{
    leat_changes_put(&core->books[durability].changes, kind, id, core->scratch.data,
                     core->scratch.size);
    if (core->scratch.failed)
        leat_core_fault(core, LEAT_ERR_NOMEM);
}

void
leat_hand_write_meta(leat_core *core)
{
    leat_buf_reset(&core->scratch);
    leat_object_put_meta(core, &core->scratch);
    put_object(core, LEAT_DISK, LEAT_OBJECT_META, 0);
}

/* Everything that has changed since the last time, whole. */
static void
write_objects(leat_core *core)
{
    leat_hand_write_meta(core);
    for (uint32_t i = leat_table_next(&core->channels, 0); i != 0;
         i = leat_table_next(&core->channels, i)) {
        leat_channel *const channel = leat_table_at(&core->channels, i);
        if (!channel->dirty)
            continue;
        channel->dirty = false;
        leat_buf_reset(&core->scratch);
        leat_object_put_channel(channel, &core->scratch);
        put_object(core, LEAT_DISK, LEAT_OBJECT_CHANNEL, channel->id);
    }
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0;
         i = leat_table_next(&core->peers, i)) {
        leat_peer *const peer = leat_table_at(&core->peers, i);
        if (!peer->dirty || peer->ended)
            continue;
        peer->dirty = false;
        leat_buf_reset(&core->scratch);
        leat_object_put_session(peer, &core->scratch);
        put_object(core, LEAT_DISK, LEAT_OBJECT_SESSION, peer->key);
    }
    for (;;) {
        leat_list_node *const node = leat_list_take_first(&core->stale);
        if (node == NULL)
            break;
        leat_batch *const batch = LEAT_CONTAINER_OF(node, leat_batch, stale_node);
        leat_buf_reset(&core->scratch);
        leat_object_put_batch(core, batch, &core->scratch);
        put_object(core, batch->durability, LEAT_OBJECT_BATCH, batch->id);
    }
}

void
leat_hand_step(leat_core *core)
{
    if (core->cleared_count > 0)
        tell_cleared(core);
    if (!core->round_active &&
        (!core->round_wanted || core->now.mono_ms - core->round_ms < ROUND_MS ||
         !start_round(core)))
        return;

    const uint64_t ends = core->books[LEAT_DISK].ends + core->books[LEAT_MEMORY].ends;
    uint64_t budget = CHUNKS_A_TURN + ends / 16;
    if (core->room.full && budget > LEAT_ROOM_CHUNKS_MAX / 2)
        budget = LEAT_ROOM_CHUNKS_MAX / 2;
    for (uint32_t looks = LOOKS_A_TURN;
         looks > 0 && budget > 0 && core->round_at < core->round_count; looks--, core->round_at++)
        budget -= visit(core, core->round_leaves[core->round_at / LEAF_CHUNKS],
                        core->round_at % LEAF_CHUNKS);
    /* The turns that say who has ended stay until the store has been told whose records leave. */
    if (core->round_at < core->round_count || core->cleared_upto < core->round_clear)
        return;

    write_objects(core);
    for (int d = 0; d < LEAT_DURABILITY_COUNT; d++)
        leat_changes_trim(&core->books[d].changes, core->round_turn[d]);
    core->round_active = false;
}
