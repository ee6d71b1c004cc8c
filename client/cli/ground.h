/* leat_ground: what Leat stands on at this host, for `leat doctor`: programs and their settings,
 * folders, keys, limits, and the disk of a broker that runs here. */
#ifndef LEAT_CLI_GROUND_H
#define LEAT_CLI_GROUND_H

#include <sys/types.h>

#include "client/cli/finding.h"

/* leat-broker and leat-worker: are they here, of this version, and are their settings right? */
void leat_ground_programs(leat_findings *all);

/* The folders of the user's socket and state. */
void leat_ground_folders(leat_findings *all);

/* The key file that is in use, and the keys directory. */
void leat_ground_keys(const leat_cli *cli, leat_findings *all);

/* Descriptors that process pid (0: this one) may have open. */
void leat_ground_limits(leat_findings *all, pid_t pid);

/* The store's folder of a broker that is process pid here: room, and how long a synced write takes.
 * Nothing is left there. */
void leat_ground_disk(leat_findings *all, pid_t pid);

#endif
