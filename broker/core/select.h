/* SELECT: several sends and receives, of which one happens. See select.c. */
#ifndef LEAT_CORE_SELECT_H
#define LEAT_CORE_SELECT_H

#include "broker/core/machine.h"

void leat_select_on_frame(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
/* A case has happened, or none will: answer, and out of all lines. */
void leat_select_decide(leat_core *core,
                        leat_parked *parked,
                        uint16_t index,
                        leat_err code,
                        uint64_t id,
                        bool depends,
                        const char *sentence);
/* The select has received the item at index, which is leased to its peer. */
void leat_select_received(leat_core *core, leat_receiver *receiver, uint32_t index);
void leat_select_release(leat_core *core, leat_effect *effect);

#endif
