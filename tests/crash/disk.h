/* crash_disk.so: stands between a broker and the files of its store (LD_PRELOAD), writes down every
 * call that changes them, and kills the process at one of them. A test's, never installed.
 *
 *     CRASH_DISK_ROOT   the store's folder; only what lies in it (and the folder itself) counts
 *     CRASH_DISK_TRACE  file that gets the trace, outside of it
 *     CRASH_DISK_KILL   N: at the Nth call; none: never
 *     CRASH_DISK_HOW    before: it does not happen · after: it has happened · half: of a write only
 *                       the first half; of another call as after. Other threads go on for a
 *                       moment, so that an answer that leaves too early does leave
 *
 * The trace is a head and ops, each with its data behind it, padded to 8 bytes; processes that have
 * the store one after the other write into the same. `clock` counts ops;
 * an op that changes something is in it before the call, a sync after the call. So what somebody
 * was told while the clock stood at n may depend on the ops up to n, and on no others.
 *
 * Calls that would escape (a writable shared map, io_uring) are what points.py looks for: it counts
 * the system calls on the same files by strace. */
#ifndef LEAT_TEST_CRASH_DISK_H
#define LEAT_TEST_CRASH_DISK_H

#include <stdint.h>

#define DISK_TRACE_BYTES ((size_t)1 << 30) /* sparse */

typedef enum disk_kind {
    DISK_CREATE = 1, /* file: a new one, data: its path under the root */
    DISK_WRITE,      /* file, offset, data */
    DISK_WRITTEN,    /* ref: that WRITE is on the disk (O_DSYNC) */
    DISK_TRUNCATE,   /* file, offset: its size */
    DISK_SYNC,       /* file, ref: everything of it up to that op is on the disk */
    DISK_RENAME,     /* file, data: its new path */
    DISK_UNLINK,     /* file */
    DISK_FOLDER,     /* data: a new folder's path; "" is the root */
    DISK_SYNC_NAMES, /* data: a folder's path, ref: names in it, made up to that op, are on the disk
                      */
} disk_kind;

typedef struct disk_op {
    uint32_t kind;
    uint32_t file; /* from 1 */
    uint64_t number;
    uint64_t offset;
    uint64_t ref;
    uint64_t size; /* of the data that follows */
} disk_op;

typedef struct disk_head {
    _Atomic uint64_t clock; /* ops */
    uint64_t bytes;         /* of ops */
    _Atomic uint64_t calls; /* that could be the Nth */
    uint64_t spare[5];
} disk_head;

#endif
