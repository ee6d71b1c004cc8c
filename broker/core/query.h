/* Answers to queries: the machine as JSON, for people and monitoring. See query.c. */
#ifndef LEAT_CORE_QUERY_H
#define LEAT_CORE_QUERY_H

#include "broker/core/machine.h"

cJSON *leat_query_ping(leat_core *core);
cJSON *leat_query_status(leat_core *core);
cJSON *leat_query_batch(leat_core *core, const leat_batch *batch);
cJSON *leat_query_workers(leat_core *core, uint32_t offset);
/* Sessions of the worker that is named in arguments. */
LEAT_NODISCARD leat_err leat_query_worker(leat_core *core,
                                          const cJSON *arguments,
                                          cJSON **result,
                                          char message[256]);
/* The newest of those that are in memory or have finished last. */
cJSON *leat_query_batches(const leat_core *core);

/* How a batch in memory stands; borrowed from it. */
leat_batch_record leat_query_record(const leat_core *core, const leat_batch *batch);
/* What is shown of a batch wherever it is shown. */
void leat_query_add_batch(cJSON *row, const leat_batch_record *record);

#endif
