/* Load: the live state from the store. See load.c. */
#ifndef LEAT_CORE_LOAD_H
#define LEAT_CORE_LOAD_H

#include "broker/core/machine.h"

LEAT_NODISCARD leat_err leat_load_all(leat_core *core, char why[256]);
/* Attempts are given out under this epoch from now on: the last of core->epochs. */
LEAT_NODISCARD leat_err leat_load_epoch(leat_core *core, uint64_t epoch);

#endif
