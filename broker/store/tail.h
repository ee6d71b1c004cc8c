/* leat_tail: pages at the end of LMDB's file that were never written.
 *
 * LMDB writes no page that was taken and given back in one transaction. When that is the last page,
 * the file ends before it although the environment counts it, and nothing is missing: the page is
 * in the list of free ones. A file that was cut short looks the same from outside. */
#ifndef LEAT_STORE_TAIL_H
#define LEAT_STORE_TAIL_H

#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>

/* The file has `bytes` of the `wanted` that its pages come to. True: all that is missing is free,
 * and the file has its length now. False: it has lost something, or cannot be extended, and is as
 * it was. Nothing of the environment may have been read. */
bool leat_tail_is_free(MDB_env *env, const char *path, uint64_t bytes, uint64_t wanted);

#endif
