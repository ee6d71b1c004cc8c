/* leat_birth: how a store comes to be, so that a power cut at any moment leaves either none or a
 * whole one.
 *
 * Two things need care. A name is on disk only when the folder that it lies in was synced, which
 * neither mkdir nor LMDB does. And LMDB writes its first two pages without a sync between them and
 * what follows: half of them is a file that it refuses for ever. So an empty environment is made
 * under another name, synced, and renamed. All functions set errno when they return false. */
#ifndef LEAT_STORE_BIRTH_H
#define LEAT_STORE_BIRTH_H

#include <stdbool.h>

/* The names in this folder are on disk. */
bool leat_birth_sync(const char *folder);

/* Make the folder and those above it that are missing, for the owner only. path is changed and put
 * back. */
bool leat_birth_folder(char *path);

/* See that data.mdb is in the folder: if it is not, make an empty one, and sync the names of the
 * folders above. What an earlier try has left is thrown away. The folder is locked by the caller.
 */
bool leat_birth_data(const char *folder);

#endif
