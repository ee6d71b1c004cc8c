/* The outbox: effects that wait for the commit that they depend on. See outbox.c. */
#ifndef LEAT_CORE_OUTBOX_H
#define LEAT_CORE_OUTBOX_H

#include "broker/core/machine.h"

leat_effect *leat_outbox_add(leat_core *core, leat_durability durability, leat_effect_kind kind);
void leat_outbox_release(leat_core *core);
void leat_outbox_drop_grants(leat_core *core, uint64_t peer);
void leat_outbox_fini(leat_core *core);
/* Say something to a route or peer at once, outside of any window. */
void leat_outbox_error(leat_core *core,
                       leat_route route,
                       leat_peer *peer,
                       leat_err err,
                       uint64_t sequence,
                       const char *sentence);

#endif
