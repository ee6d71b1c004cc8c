/* leat_cores: which cores a process may run on, as people type them: 0-3,8. */
#ifndef LEAT_CORES_H
#define LEAT_CORES_H

#include <sched.h>
#include <stdbool.h>

#include "proto/base/err.h"

/* "0-3,8": numbers and ranges with commas between, each below CPU_SETSIZE. false: it is none. */
bool leat_cores_parse(const char *text, cpu_set_t *out);

/* Keep this thread, and all that it starts from now on, on the cores that text names.
 *
 * LEAT_ERR_MALFORMED  it is no such list.
 * LEAT_ERR_NOT_FOUND  it names a core that this process may not run on, or that is not there. */
LEAT_NODISCARD leat_err leat_cores_keep_to(const char *text);

#endif
