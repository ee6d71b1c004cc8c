/* Holds: jobs that wait until a batch has ended. See hold.c. */
#ifndef LEAT_CORE_HOLD_H
#define LEAT_CORE_HOLD_H

#include "broker/core/machine.h"

/* Can jobs of this batch (NULL: a batch of their own) wait for the one that the settings name? */
LEAT_NODISCARD leat_err leat_hold_check(leat_core *core,
                                        const leat_batch *batch,
                                        const leat_settings *settings,
                                        const char **why);
/* May a batch of others join this job, which may wait for one? From now on it waits for that too.
 * BAD_STATE: it would wait for itself; LIMIT. */
LEAT_NODISCARD leat_err leat_hold_join(leat_core *core, const leat_item *item, leat_batch *batch);
/* The item waits for its batch: into the list, or decided at once if that is over. */
void leat_hold_add(leat_core *core, uint32_t index);
void leat_hold_remove(leat_core *core, uint32_t index);
void leat_hold_decide(leat_core *core, uint32_t index, bool met);
/* Something has changed that others may wait for. */
void leat_hold_look(leat_core *core, leat_batch *batch);
void leat_hold_step(leat_core *core);

#endif
