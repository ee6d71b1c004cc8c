/* What follows a job: defer and recover jobs, and completions that are sent to a channel. See
 * follow.c. */
#ifndef LEAT_CORE_FOLLOW_H
#define LEAT_CORE_FOLLOW_H

#include "broker/core/machine.h"

/* The item has ended: submit what follows it. True: its completion is not written, a recover job
 * will. */
bool leat_follow_end(leat_core *core,
                     uint32_t index,
                     leat_outcome outcome,
                     leat_peer *worker,
                     uint64_t run_us,
                     leat_bytes result);

#endif
