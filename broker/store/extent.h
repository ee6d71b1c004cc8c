/* leat_extent: the space of the store's file, taken from the disk before it is needed.
 *
 *     0 ───────── pages in use ─────────┤ zeros, written and synced ├ bytes
 *                                       want ──────► helper thread ─┘  appends
 *
 * LMDB must never meet the end of the disk inside a commit, so whoever writes the file asks for
 * space ahead of it. What is ahead is written with zeros: an fallocated range would be turned into
 * a written one by each commit (a journal entry a sync), and a hole reserves nothing. Appending
 * never overwrites, whatever else writes the file. On file systems that copy on write (btrfs, ZFS)
 * written zeros reserve nothing either.
 *
 * A disk that is full is no error: the extent is `stuck`, and looks again every second while more
 * is wanted. A sync that fails is one: what is on disk is not known any more. */
#ifndef LEAT_STORE_EXTENT_H
#define LEAT_STORE_EXTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/err.h"

typedef struct leat_extent leat_extent;

/* path: the file, which exists; borrowed for the call. LEAT_ERR_IO, NOMEM, …: errno says why. */
LEAT_NODISCARD leat_err leat_extent_open(const char *path, leat_extent **out);
void leat_extent_close(leat_extent **extent_p);

/* Bytes of the file that have their place on the disk. Any thread, as the others. */
uint64_t leat_extent_bytes(const leat_extent *extent);

/* The file will soon be so long: more is taken in the background when less than half a step lies
 * beyond that. A step is a quarter of the file, at most 64 MiB or 1/16 of the file system, at least
 * 512 KiB, so that a small store stays small. */
void leat_extent_want(leat_extent *extent, uint64_t bytes);

/* Wait until it is so long. False: the disk has no space for that now, or a sync has failed. */
bool leat_extent_wait(leat_extent *extent, uint64_t bytes);

/* The last try has ended at the end of the disk. */
bool leat_extent_is_stuck(const leat_extent *extent);

/* errno of a sync or write that has failed other than for want of space; 0: none has. */
int leat_extent_error(const leat_extent *extent);

#endif
