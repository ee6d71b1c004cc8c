/* leat_folder: the folder that a store lies in, and sentences about it. Internal to broker/store.
 */
#ifndef LEAT_FOLDER_H
#define LEAT_FOLDER_H

#include "proto/base/err.h"

/* A path in the folder; the caller frees it. NULL without memory. */
char *leat_folder_path(const char *folder, const char *name);

/* Make the folder (0700) and those above it that are missing. why (at least 512 bytes) gets a
 * sentence. */
LEAT_NODISCARD leat_err leat_folder_make(const char *path, char why[512]);

/* What was made, renamed or removed in it is on disk afterwards. */
LEAT_NODISCARD leat_err leat_folder_sync(const char *path);

/* The names of this folder and of all above it are on disk: any of them may have been made just
 * now, by us or by a start that was cut. Those that we may not read are somebody else's, and older.
 */
LEAT_NODISCARD leat_err leat_folder_sync_upwards(const char *folder);

/* What was renamed to path is on disk under its name. */
LEAT_NODISCARD leat_err leat_folder_sync_parent(const char *path);

/* "WHAT PATH: the system's words" into why; the error that fits. */
LEAT_NODISCARD leat_err leat_folder_refuse(char why[512],
                                           const char *what,
                                           const char *path,
                                           int errnum);

#endif
