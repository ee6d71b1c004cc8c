/* leat_plugin of leat.h, from the side of who loads it.
 *
 *     leat-worker ── ask: a child that only looks ──► names
 *     worker ══ keeper (plugin.c) ══ socket, pipes ══ child (plugin_child.c) ──► handler
 *
 * A plug-in's code runs in no other process than those children. The keeper has one thread, so it
 * may fork: no program is started for a child, and the plug-in is loaded before the job comes. */
#ifndef LEAT_WORKER_RUNNER_PLUGIN_H
#define LEAT_WORKER_RUNNER_PLUGIN_H

#include <leat.h>

#include "proto/limits.h"
#include "worker/runner/launch.h"

#define LEAT_PLUGIN_WHY_BYTES  512U
#define LEAT_PLUGIN_HELP_BYTES 256U

/* Load it, for good. LEAT_ERR_CONFIG: why has a sentence that begins with the path. */
LEAT_NODISCARD leat_err leat_plugin_load(const char *path,
                                         const leat_plugin **out,
                                         char why[LEAT_PLUGIN_WHY_BYTES]);

typedef struct leat_plugin_row {
    char name[LEAT_NAME_BYTES_MAX + 1];
    char help[LEAT_PLUGIN_HELP_BYTES];
} leat_plugin_row;

/* Which handlers it has: loads it in a child, so that whatever it does then is no more than a
 * sentence. This process has one thread. rows is the caller's to free.
 * LEAT_ERR_CONFIG: as leat_plugin_load; LEAT_ERR_NOMEM, LEAT_ERR_LIMIT, LEAT_ERR_IO. */
LEAT_NODISCARD leat_err leat_plugin_ask(const char *path,
                                        leat_plugin_row **rows,
                                        size_t *count,
                                        char why[LEAT_PLUGIN_WHY_BYTES]);

/* ---- the child of a keeper ---- */

/* Its descriptors beside the three streams. */
#define LEAT_PLUGIN_SOCKET 3
/* Where it writes why it dies: the number of the signal as a byte, then its stack as lines. */
#define LEAT_PLUGIN_TRACE 4

/* The child's whole life, in a process that has just been forked, with all signals blocked and
 * nothing open but the five. */
typedef struct leat_plugin_life {
    const char *path;
    const leat_launch_rights *rights;
    leat_reader variables; /* what the worker says, as leat_exec_next reads it */
    uint32_t variable_count;
    pid_t keeper;
} leat_plugin_life;

_Noreturn void leat_plugin_live(const leat_plugin_life *life);

#endif
