/* Room: what may still be written, asked before anything changes. See room.c. */
#ifndef LEAT_CORE_ROOM_H
#define LEAT_CORE_ROOM_H

#include "broker/core/machine.h"

/* What the end of a job with these settings needs, but for its payload. */
uint64_t leat_room_end_of(const leat_settings *settings, bool message);
/* The item is alive from now on, or no longer: its end has its room. */
void leat_room_promise(leat_core *core, const leat_item *item);
void leat_room_keep_promise(leat_core *core, const leat_item *item);
uint64_t leat_room_promised_to(const leat_core *core, const leat_item *item);
/* So many more batches get the completion of an item on disk, or fewer. */
void leat_room_join(leat_core *core, uint32_t count);
void leat_room_leave(leat_core *core, uint32_t count);
/* Take room for so many bytes now and for ends that will be promised, and leave a spare of so many
 * turns. LEAT_ERR_NO_SPACE: it is not there. */
LEAT_NODISCARD leat_err leat_room_ask(leat_core *core,
                                      unsigned spare_turns,
                                      uint64_t bytes,
                                      uint64_t ends);
/* … for items that come in. */
struct leat_sending {
    leat_durability durability;
    const leat_settings *settings;
    uint64_t payload_bytes; /* of all, with their lengths */
    uint32_t count;
    bool messages;
};
LEAT_NODISCARD leat_err leat_room_ask_for(leat_core *core, const struct leat_sending *sending);
LEAT_NODISCARD leat_err leat_room_ask_join(leat_core *core);
/* … for the result of an attempt. */
LEAT_NODISCARD leat_err leat_room_ask_result(leat_core *core,
                                             const leat_item *item,
                                             bool fails,
                                             uint32_t size);
/* May so much be written that can be done without? It is taken then. */
bool leat_room_has_spare(leat_core *core, uint64_t bytes);
/* … for a checkpoint. */
LEAT_NODISCARD leat_err leat_room_ask_checkpoint(leat_core *core,
                                                 const leat_item *item,
                                                 uint32_t size);
/* After loading, before anything is written. */
/* The disk is full, and there is less than sends would leave free: what is only kept gives way. */
bool leat_room_is_short(const leat_core *core);
void leat_room_begin(leat_core *core);
void leat_room_end_turn(leat_core *core);

#endif
