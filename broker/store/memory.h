/* leat_store_memory: the store without a disk. What is committed is durable at once and gone with
 * the process. For channels declared memory, for tests and for the simulator. */
#ifndef LEAT_STORE_MEMORY_H
#define LEAT_STORE_MEMORY_H

#include "broker/store/store.h"

LEAT_NODISCARD leat_err leat_store_memory_new(const leat_retention *retention, leat_store **out);

#endif
