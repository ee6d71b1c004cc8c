/* Why does it not run? Read from the places in which jobs wait, in the order in which they would
 * be let go. See explain.c. */
#ifndef LEAT_CORE_EXPLAIN_H
#define LEAT_CORE_EXPLAIN_H

#include "broker/core/machine.h"

/* The channel that `channel` of a query names. */
LEAT_NODISCARD leat_err leat_explain_named(leat_core *core,
                                           const cJSON *arguments,
                                           leat_channel **channel,
                                           char message[256]);
/* The queries channel, explain, dead, dead.show and schedules. False: name is none of them. */
bool leat_explain_query(leat_core *core,
                        const cJSON *arguments,
                        const char *name,
                        cJSON **result,
                        char message[256],
                        leat_err *err);
/* Why nothing of this class runs, or "". */
void leat_explain_class(const leat_core *core, const leat_class *class, char *out, size_t size);

#endif
