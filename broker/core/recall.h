/* Recalling: what a worker has got and not started is asked back, because another one idles or
 * since it is not wanted there any more. See recall.c. */
#ifndef LEAT_CORE_RECALL_H
#define LEAT_CORE_RECALL_H

#include "broker/core/machine.h"

/* What is with workers and has not started is not wanted there any more: all of it is asked back,
 * and what still is goes out again. */
void leat_recall_all(leat_core *core);
/* … of one. */
void leat_recall_from(leat_core *core, leat_peer *peer);
/* Workers with nothing to do: others give back what they have not started. */
void leat_recall_longest(leat_core *core);

#endif
