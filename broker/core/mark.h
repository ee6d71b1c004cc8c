/* Marks: commands on many items. See mark.c. */
#ifndef LEAT_CORE_MARK_H
#define LEAT_CORE_MARK_H

#include "broker/core/machine.h"

/* End all waiting items of a batch (and stop what runs), or of a channel, up to an id; in slices.
 */
void leat_mark_batch(leat_core *core, leat_batch *batch, bool running);
void leat_mark_channel(leat_core *core, leat_channel *channel, uint64_t upto);
void leat_mark_step(leat_core *core);
/* Is it to be ended rather than handed out? */
bool leat_mark_has(const leat_core *core, const leat_item *item);
static inline bool
leat_mark_is_pending(const leat_core *core)
{
    return !leat_list_is_empty(&core->marked);
}
void leat_mark_fini(leat_core *core);

#endif
