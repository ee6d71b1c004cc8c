/* Classes: what decides which workers can take a job (handler, needs, traits), and which do. See
 * class.c. */
#ifndef LEAT_CORE_CLASS_H
#define LEAT_CORE_CLASS_H

#include "broker/core/machine.h"

leat_class *leat_class_ensure(leat_core *core,
                              leat_channel *channel,
                              leat_text handler,
                              leat_text needs,
                              leat_text traits,
                              leat_err *err);
/* Work out which classes a worker serves (after HELLO), or which workers serve a new class. */
void leat_class_match_peer(leat_core *core, leat_peer *peer);
bool leat_class_is_served(const leat_peer *peer, const leat_class *class);
/* What a worker lacks for this class, in the order in which people would look for it. */
typedef enum leat_lack {
    LEAT_LACK_NOTHING,
    LEAT_LACK_CHANNEL,
    LEAT_LACK_HANDLER,
    LEAT_LACK_TRAIT,
    LEAT_LACK_NEED,
} leat_lack;
leat_lack leat_class_lack(const leat_peer *peer, const leat_class *class);
void leat_class_ran(leat_class *class, uint64_t run_us);
/* Wall seconds since when the one that is next has waited; UINT32_MAX: there is none. */
uint32_t leat_class_oldest(const leat_core *core, const leat_class *class);
/* Does the worker have free what a job of this class needs? Take it, give it back. */
bool leat_class_fits(const leat_peer *peer, const leat_class *class);
void leat_class_use(leat_peer *peer, const leat_class *class, bool more);

#endif
