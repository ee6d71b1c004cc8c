/* Room: what may still be written, asked before anything changes.
 *
 *     room of the store ─┬─ the ends of all that is alive (core->room.ends): promised
 *                        ├─ spare: turns of the largest size, so that what is under way goes on
 *                        └─ free: sends, schedules, large results take it
 *
 * Everything that was accepted must be able to end on a disk that gives no more. So a job takes
 * from the room what its record needs and what its end will: completion with a small result, the
 * turns in between, what follows it (defer, recover, reply), its payload once more if it dies and
 * that is large. A small payload finds its place where the job's record was. Nothing is kept in an
 * item for this: what an end needs is worked out again from the item's terms whenever it is asked.
 *
 * Who asks leaves a spare of so many turns: sends three, so that one large result is always
 * possible and nothing waits for nothing; results and orders of the broker's own two; commands one,
 * so that a full channel can be set and a schedule made. What ends, releases, leases, or cancels is
 * never asked. Only the disk has an end: what is in memory is the machine's. */
#include "broker/core/room.h"

#include "broker/core/lease.h"
#include "broker/core/link.h"
#include "broker/core/terms.h"

/* The end of a job: its completion and a small result, or its rows in the turns of two rounds
 * while it lives, and a third on top for what pages waste. */
#define END_BYTES      384U
#define MESSAGE_BYTES  64U   /* the end of a message: an entry */
#define FOLLOWER_BYTES 640U  /* a job that follows: head, names, settings, and its own end */
#define FAILURE_BYTES  1024U /* what a recover job is told, beside the payload */
#define RECORD_BYTES   24U   /* what a pack needs for a job */
#define PACK_BYTES     320U  /* … and itself: names, terms, key */
#define PAGE_BYTES     4096U

/* ------------------------------------------------------------------------------ what ends need */

uint64_t
leat_room_end_of(const leat_settings *settings, bool message)
{
    uint64_t bytes = END_BYTES;
    if (message)
        return MESSAGE_BYTES;
    for (uint8_t i = 0; i < settings->finally_count; i++)
        bytes += FOLLOWER_BYTES + settings->finally[i].payload.size;
    if (settings->recover.handler.size > 0)
        bytes += FOLLOWER_BYTES + FAILURE_BYTES + (uint64_t)settings->recover.payload.size * 2;
    if (settings->reply.size > 0)
        bytes += FOLLOWER_BYTES + (uint64_t)LEAT_ROOM_RESULT_BYTES * 2;
    if (settings->unique_for_ms > 0)
        bytes += END_BYTES;
    return bytes;
}

/* What the payload adds: a copy among the dead, and in what a recover job is told. */
static uint64_t
copies_of(const leat_terms *terms, uint64_t payload_bytes)
{
    const uint64_t large = payload_bytes > LEAT_ROOM_RESULT_BYTES ? payload_bytes + PAGE_BYTES : 0;
    return terms->recovers ? large + payload_bytes * 2 : large;
}

static uint64_t
end_bytes(const leat_core *core, const leat_item *item)
{
    const leat_terms *const terms = leat_terms_of(core, item);
    if (terms->class->channel->durability != LEAT_DISK)
        return 0;
    if ((item->flags & LEAT_ITEM_MESSAGE) != 0)
        return terms->end_bytes;
    return terms->end_bytes + copies_of(terms, item->payload_bytes);
}

void
leat_room_promise(leat_core *core, const leat_item *item)
{
    core->room.ends += end_bytes(core, item);
}

void
leat_room_keep_promise(leat_core *core, const leat_item *item)
{
    const uint64_t bytes = end_bytes(core, item);
    assert(core->room.ends >= bytes);
    core->room.ends -= bytes;
}

uint64_t
leat_room_promised_to(const leat_core *core, const leat_item *item)
{
    const leat_link *const link = leat_link_of(core, item);
    const bool disk = leat_item_durability(core, item) == LEAT_DISK;
    return end_bytes(core, item) + (disk && link != NULL ? (uint64_t)link->count * END_BYTES : 0);
}

/* ------------------------------------------------------------------------------ asking */

/* Is so much there beside what is promised? What is known is as fresh as it has to be. */
static bool
has(leat_core *core, uint64_t bytes)
{
    struct leat_room *const room = &core->room;
    const uint64_t wanted = room->ends + room->taken + bytes;
    if (!room->known || room->seen.bytes < wanted) {
        leat_store_get_room(core->books[LEAT_DISK].store, wanted, true, &room->seen);
        room->known = true;
        room->full = room->seen.full;
    }
    return room->seen.bytes >= wanted;
}

leat_err
leat_room_ask(leat_core *core, unsigned spare_turns, uint64_t bytes, uint64_t ends)
{
    const uint64_t spare = (uint64_t)spare_turns * LEAT_ROOM_TURN_BYTES;
    if (LEAT_FAULT(ROOM_IGNORED))
        return LEAT_ERR_OK;
    if (!has(core, spare + bytes + ends)) {
        core->room.refused++;
        return LEAT_ERR_NO_SPACE;
    }
    core->room.taken += bytes;
    return LEAT_ERR_OK;
}

/* As they are in a pack. */
static uint64_t
settings_bytes(const leat_settings *s)
{
    uint64_t bytes = 64 + (uint64_t)s->unique.size + s->flow.size + s->key.size + s->needs.size +
                     s->traits.size + s->reply.size + s->reply_handler.size +
                     s->recover.handler.size + s->recover.payload.size;
    for (uint8_t i = 0; i < s->finally_count; i++)
        bytes += (uint64_t)s->finally[i].handler.size + s->finally[i].payload.size;
    return bytes;
}

bool
leat_room_has_spare(leat_core *core, uint64_t bytes)
{
    const uint64_t spare = (uint64_t)LEAT_ROOM_RESULT_TURNS * LEAT_ROOM_TURN_BYTES;
    if (LEAT_FAULT(ROOM_IGNORED))
        return true;
    if (!has(core, spare + bytes))
        return false;
    core->room.taken += bytes;
    return true;
}

leat_err
leat_room_ask_for(leat_core *core, const struct leat_sending *sending)
{
    const leat_settings *const s = sending->settings;
    const uint64_t payloads = sending->payload_bytes;
    const uint64_t count = sending->count;
    if (sending->durability != LEAT_DISK)
        return LEAT_ERR_OK;
    /* Twice: a record a little over half a page has a page for itself. */
    const uint64_t packs = payloads / PACK_BYTES + count / LEAT_CHUNK_IDS + 2;
    const uint64_t pack = PACK_BYTES + settings_bytes(s);
    const uint64_t bytes =
        payloads * 2 + count * RECORD_BYTES + (packs < count ? packs : count) * pack + PAGE_BYTES;
    uint64_t ends = count * leat_room_end_of(s, sending->messages);
    if (!sending->messages && payloads > LEAT_ROOM_RESULT_BYTES)
        ends += payloads + PAGE_BYTES;
    if (s->recover.handler.size > 0)
        ends += payloads * 2;
    return leat_room_ask(core, LEAT_ROOM_SEND_TURNS, bytes, ends);
}

leat_err
leat_room_ask_join(leat_core *core)
{
    return leat_room_ask(core, LEAT_ROOM_SEND_TURNS, PAGE_BYTES / 2, END_BYTES);
}

void
leat_room_join(leat_core *core, uint32_t count)
{
    core->room.ends += (uint64_t)count * END_BYTES;
}

void
leat_room_leave(leat_core *core, uint32_t count)
{
    assert(core->room.ends >= (uint64_t)count * END_BYTES);
    core->room.ends -= (uint64_t)count * END_BYTES;
}

/* How often the result will be written. */
static uint64_t
copies_of_result(const leat_core *core, const leat_item *item)
{
    const leat_terms *const terms = leat_terms_of(core, item);
    const leat_link *const link = leat_link_of(core, item);
    return 1 + (link == NULL ? 0 : link->count) + (terms->unique ? 1 : 0) +
           (terms->follows ? 2 : 0);
}

leat_err
leat_room_ask_result(leat_core *core, const leat_item *item, bool fails, uint32_t size)
{
    const uint64_t copies = copies_of_result(core, item) + (fails ? 1 : 0);
    if (size <= LEAT_ROOM_RESULT_BYTES || leat_item_durability(core, item) != LEAT_DISK)
        return LEAT_ERR_OK; /* promised */
    return leat_room_ask(core, LEAT_ROOM_RESULT_TURNS, copies * ((uint64_t)size + PAGE_BYTES), 0);
}

/* ------------------------------------------------------------------------------ the turn */

/* Ahead of who asks: as much as sends leave free. */
static void
look_ahead(leat_core *core, bool wait)
{
    struct leat_room *const room = &core->room;
    const uint64_t wanted = room->ends + (uint64_t)LEAT_ROOM_SEND_TURNS * LEAT_ROOM_TURN_BYTES;
    leat_store_get_room(core->books[LEAT_DISK].store, wanted, wait, &room->seen);
    room->full = room->seen.full;
}

leat_err
leat_room_ask_checkpoint(leat_core *core, const leat_item *item, uint32_t size)
{
    if (leat_item_durability(core, item) != LEAT_DISK)
        return LEAT_ERR_OK;
    return leat_room_ask(core, LEAT_ROOM_RESULT_TURNS, (uint64_t)size + PAGE_BYTES, 0);
}

bool
leat_room_is_short(const leat_core *core)
{
    const struct leat_room *const room = &core->room;
    return room->full &&
           room->seen.bytes < room->ends + (uint64_t)LEAT_ROOM_SEND_TURNS * LEAT_ROOM_TURN_BYTES;
}

void
leat_room_begin(leat_core *core)
{
    look_ahead(core, true);
}

void
leat_room_end_turn(leat_core *core)
{
    core->room.known = false;
    core->room.taken = 0;
    look_ahead(core, false);
}
