/* Peers: sessions across their connections. See peer.c. */
#ifndef LEAT_CORE_PEER_H
#define LEAT_CORE_PEER_H

#include "broker/core/machine.h"

leat_peer *leat_peer_new(leat_core *core, const leat_session_id *session);
void leat_peer_free(leat_core *core, leat_peer *peer);
leat_peer *leat_peer_find(const leat_core *core, const leat_session_id *session);
/* End the session: leases return, everything of it is forgotten. lost: it was not its wish. */
void leat_peer_end(leat_core *core, leat_peer *peer);
/* Silence has lasted too long: leases return, the session itself stays for an hour. */
void leat_peer_lose(leat_core *core, leat_peer *peer);
/* Its session as it is now, with this turn. */
void leat_peer_write(leat_core *core, leat_peer *peer);
/* A person wants a worker to be given nothing more, or something again. */
void leat_peer_set_aside(leat_core *core, leat_peer *peer, bool aside);
/* Nobody is at its route any more. What it sent before that is still read; a second later what it
 * asked for and holds is given up. */
void leat_peer_unreachable(leat_core *core, leat_peer *peer);
/* Peers that a send has found gone. */
void leat_peer_take_down(leat_core *core);
/* Everybody: who is silent for too long, who wants a heartbeat, who has ended. */
void leat_peer_sweep(leat_core *core);
/* A frame from it has arrived that confirms ours up to seen. */
void leat_peer_heard(leat_core *core, leat_peer *peer, uint64_t sequence, uint64_t seen);
/* It has a connection, as far as is known. */
static inline bool
leat_peer_is_here(const leat_peer *peer)
{
    return peer->route != 0 && !peer->unreachable;
}
bool leat_peer_can_send(const leat_peer *peer);
/* Send a finished frame: numbers it. buf is taken. False: the connection is gone. */
bool leat_peer_send(leat_core *core, leat_peer *peer, leat_buf *frame_p);
void leat_peer_speak(leat_core *core, leat_peer *peer);
/* Put the peer among the hungry, or take it out, as it is now. */
void leat_peer_update_hunger(leat_core *core, leat_peer *peer);
void leat_peer_away(leat_core *core, leat_peer *peer);

#endif
