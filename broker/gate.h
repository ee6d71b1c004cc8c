/* leat_gate: ROUTER sockets on one side, the core's frames on the other.
 *
 * It knows bytes and connections, never what a frame means: a connection is the identity that a
 * ROUTER gave it and becomes a leat_route, a number that is never used twice. It also knows which
 * key speaks on a connection, and looks that up for every frame: a key that is revoked is out at
 * once. */
#ifndef LEAT_GATE_H
#define LEAT_GATE_H

#include <zmq.h>

#include "broker/access.h"
#include "broker/core/core.h"

typedef struct leat_gate leat_gate;

/* access: the keys, borrowed for the gate's life, or NULL: there are none. Starts the ZAP handler.
 */
LEAT_NODISCARD leat_err leat_gate_new(leat_access *access, leat_gate **out);
void leat_gate_destroy(leat_gate **gate_p);

/* Listen at url. ipc:// anywhere: who may open the socket is let in. tcp:// with keys (and then
 * encrypted, and tried by the self-test before anybody is served); without any only on loopback and
 * with insecure_loopback. why gets a sentence that names the url on failure.
 *
 * LEAT_ERR_DENIED   an address that needs keys, or one that let somebody in at the self-test.
 * LEAT_ERR_IN_USE   somebody listens there.
 * LEAT_ERR_CONFIG   no address that can be understood, or a path that is too long.
 * LEAT_ERR_IO */
LEAT_NODISCARD leat_err leat_gate_bind(leat_gate *gate,
                                       const char *url,
                                       bool insecure_loopback,
                                       char why[512]);

/* The sockets, for the loop to wait on: fills items (at most max), returns how many there are. */
int leat_gate_poll_items(const leat_gate *gate, zmq_pollitem_t *items, int max);

/* Give the core what has come, workers' frames before clients': results make room, sends take it.
 * At most LEAT_TURN_FRAMES_MAX frames and about LEAT_TURN_BYTES_MAX bytes; the rest waits in the
 * sockets, which then stay readable. */
void leat_gate_receive(leat_gate *gate, leat_core *core, leat_now now);

/* Look at the keys directory, if it is time to (or `force`), and tell the core who is out. */
void leat_gate_refresh(leat_gate *gate, leat_core *core, leat_now now, bool force);

/* The gate as the core's way out. */
leat_core_out leat_gate_out(leat_gate *gate);

#endif
