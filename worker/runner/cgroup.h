/* leat_cgroup: control groups for commands, where this process may make some.
 *
 *     DIR/leat-PID/1, /2, …    one for each keeper and what it runs
 *
 * DIR is the worker's own group: of version 2, or of version 1's pids controller. A group bounds
 * how many processes there are in it, also for root and for a program that forks faster than it
 * can be killed. Without the right to make groups everything else works the same. */
#ifndef LEAT_WORKER_RUNNER_CGROUP_H
#define LEAT_WORKER_RUNNER_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEAT_CGROUP_BYTES 512U

typedef struct leat_cgroup {
    char parent[LEAT_CGROUP_BYTES]; /* DIR; "": no groups */
    char own[LEAT_CGROUP_BYTES];    /* DIR/leat-PID */
    bool counts;                    /* it can bound the number of processes */
} leat_cgroup;

/* See where the worker's group can be made; the first keeper makes it, the last one removes it.
 * out->own is "" when that cannot be done; why gets half a sentence. */
void leat_cgroup_open(leat_cgroup *out, char why[128]);

/* Remove it, if it is still there; those of the keepers must have been left. */
void leat_cgroup_close(leat_cgroup *cgroup);

/* Make the group `own`/number, bound it to so many processes (0: not at all) and move the calling
 * process into it. false: it stays where it is. out: its path, "" then. */
bool leat_cgroup_enter(const char *own,
                       uint32_t number,
                       uint64_t processes,
                       char out[LEAT_CGROUP_BYTES]);

/* Bound the group to so many processes beside the keeper (0: not at all); or, with is_held, let no
 * process of it make another one: then whoever kills them is quicker than they are. */
void leat_cgroup_bound(const char *path, uint64_t processes, bool is_held);

/* Go back to the group above the worker's, and remove the group and, if it is empty, the worker's.
 */
void leat_cgroup_leave(const char *path);

#endif
