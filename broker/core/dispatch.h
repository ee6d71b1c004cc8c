/* Dispatch: ready items meet credit, and senders in line meet room. See dispatch.c. */
#ifndef LEAT_CORE_DISPATCH_H
#define LEAT_CORE_DISPATCH_H

#include "broker/core/machine.h"

void leat_dispatch_match(leat_core *core);
/* The peer is freed. */
void leat_dispatch_forget(leat_peer *peer);
/* Let the one in line go on, as far as there is room or somebody waits; true if something went in.
 */
bool leat_dispatch_serve_sender(leat_core *core, leat_post *post);

#endif
