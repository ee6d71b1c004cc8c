/* Parked frames: SENDs and SELECTs that wait in line, undecided. See park.c. */
#ifndef LEAT_CORE_PARK_H
#define LEAT_CORE_PARK_H

#include "broker/core/machine.h"

/* Its sequence waits. LEAT_ERR_LIMIT: too much of this session does; LEAT_ERR_NOMEM. */
leat_parked *leat_park_new(leat_core *core,
                           leat_peer *peer,
                           const leat_frame *frame,
                           const uint8_t *body,
                           size_t size,
                           leat_err *err);
/* It is one of those whose end the seal of this batch waits for. */
void leat_park_count(leat_core *core, leat_parked *parked, leat_batch *batch);
/* Take it out of all lines and forget it; its sequence is decided by the caller. */
void leat_park_free(leat_core *core, leat_parked *parked);
void leat_park_drop_all(leat_core *core, leat_peer *peer);
leat_parked *leat_park_find(const leat_peer *peer, uint64_t sequence);
bool leat_park_post(leat_core *core,
                    leat_parked *parked,
                    leat_channel *channel,
                    uint16_t index,
                    leat_bytes payload);
void leat_park_on_withdraw(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
/* The parked SEND is in: only its seal waits for others to the same batch. */
void leat_park_sealing(leat_core *core, leat_parked *parked, leat_batch *batch);
/* They are in: it is decided. */
void leat_submit_sealed(leat_core *core, leat_parked *parked);
/* The SEND that waits gets its answer. */
void leat_submit_give_up(leat_core *core, leat_parked *parked, leat_err err, const char *sentence);

/* The channel has been closed: nobody who waits to send into it will. */
void leat_submit_refuse_line(leat_core *core, leat_channel *channel);
/* SENDs of this session to the batch wait in line: the command to seal it waits too, and is
 * answered when they are in. False: nothing waits. */
bool leat_park_seal(leat_core *core, leat_peer *peer, const leat_frame *frame, leat_batch *batch);

#endif
