/* leat_store_memory: the store without a disk. What is committed is durable at once and gone with
 * the process. For channels declared memory, for tests and for the simulator. */
#ifndef LEAT_STORE_MEMORY_H
#define LEAT_STORE_MEMORY_H

#include "broker/store/store.h"

LEAT_NODISCARD leat_err leat_store_memory_new(const leat_retention *retention, leat_store **out);

/* From now on it says that it has room for so many bytes in all (0: no end), as a disk that is full
 * would. It takes what comes nevertheless: to keep to it is the core's. */
void leat_store_memory_limit(leat_store *store, uint64_t bytes);

#endif
