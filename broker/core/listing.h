/* Lists that may be long: batches, and the jobs of one batch, also those that have ended. See
 * listing.c. */
#ifndef LEAT_CORE_LISTING_H
#define LEAT_CORE_LISTING_H

#include "broker/core/machine.h"

/* The queries batch.list and job.list. */
LEAT_NODISCARD leat_err leat_listing_batches(leat_core *core,
                                             const leat_peer *peer,
                                             const cJSON *arguments,
                                             cJSON **result,
                                             char message[256]);
LEAT_NODISCARD leat_err leat_listing_jobs(leat_core *core,
                                          const cJSON *arguments,
                                          cJSON **result,
                                          char message[256]);

#endif
