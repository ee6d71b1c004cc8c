/* The hand: it walks the live items behind the turns, so that old turn records can go. See
 * hand.c. */
#ifndef LEAT_CORE_HAND_H
#define LEAT_CORE_HAND_H

#include "broker/core/machine.h"

/* A step of the round, with this turn. */
void leat_hand_step(leat_core *core);
void leat_hand_write_meta(leat_core *core);
/* Nobody lives in this chunk any more: its records leave the store, with this turn or, on a full
 * disk, some of the next ones. */
void leat_hand_clear(leat_core *core, leat_durability durability, uint64_t chunk);
/* On a full disk it does not wait for the next tick. */
bool leat_hand_is_urgent(const leat_core *core);

#endif
