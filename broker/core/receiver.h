/* Receivers: clients with RECV credit and selects that would receive, and how messages get to
 * them, in turn. See receiver.c. */
#ifndef LEAT_CORE_RECEIVER_H
#define LEAT_CORE_RECEIVER_H

#include "broker/core/machine.h"

void leat_receiver_credit(leat_core *core, leat_peer *peer, const leat_credit *credit);
void leat_receiver_free(leat_core *core, leat_receiver *receiver);
/* The channel is closed and nothing is left in it: told to its receivers when that is on disk. */
void leat_receiver_channel_drained(leat_core *core, const leat_channel *channel);
void leat_receiver_tell_drained(leat_core *core, const leat_channel *channel);
leat_receiver *leat_receiver_of(const leat_peer *peer, const leat_channel *channel);
/* A place for a select among a channel's receivers. */
bool leat_receiver_of_select(leat_core *core,
                             leat_parked *parked,
                             leat_channel *channel,
                             uint16_t index);
/* Is a message there that could be received now? */
bool leat_receiver_has_message(leat_core *core, leat_channel *channel);
/* Does somebody wait for a message of it, other than this select? */
leat_receiver *leat_receiver_wanting(const leat_channel *channel, const leat_parked *except);
/* Hand the item, which is ready and first, to this receiver. */
void leat_receiver_hand(leat_core *core, leat_receiver *receiver, uint32_t index);
/* Hand it the first message of its channel, if it may be handed out now. */
void leat_receiver_hand_first(leat_core *core, leat_receiver *receiver);
/* Hand out what receivers wait for, in all channels; true if something was. */
bool leat_receiver_deliver(leat_core *core);
/* Something has changed for the receivers of a channel: the next match looks at it. Channels in
 * which nothing changes cost nothing. */
void leat_receiver_stir(leat_core *core, const leat_channel *channel);
/* More can be sent to this peer: what has waited for it is looked at by the next match. */
void leat_receiver_relieve(leat_core *core, leat_peer *peer);
/* The receiver is being freed. */
void leat_receiver_unwait(leat_receiver *receiver);
void leat_receiver_message_taken(leat_core *core, leat_peer *peer, const leat_item *item);
/* Everything that a client has received and not acknowledged goes back. */
void leat_receiver_return_messages(leat_core *core, leat_peer *peer);
/* Messages of a grant do not leave, all of them or those that have stayed: they are not among those
 * that were served. */
void leat_receiver_unserve(leat_core *core, const leat_effect *effect, bool all);

#endif
