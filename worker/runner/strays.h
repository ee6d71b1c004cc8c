/* leat_strays: ending processes that somebody left behind.
 *
 * A process that calls prctl(PR_SET_CHILD_SUBREAPER) becomes the parent of every descendant whose
 * own parent has ended, whatever session or group that one has moved to. So whoever kills all its
 * children, and then those that it inherits by that, ends all its descendants; it needs no list. */
#ifndef LEAT_WORKER_RUNNER_STRAYS_H
#define LEAT_WORKER_RUNNER_STRAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Kill all descendants of this process but the `spared` children and theirs, and reap what becomes
 * its child by that, for at most limit_ms. *count grows by how many were reaped. false: some are
 * still there. */
bool leat_strays_end(const pid_t *spared, size_t spared_count, int64_t limit_ms, uint32_t *count);

#endif
