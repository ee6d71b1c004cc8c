/* leat_tail: pages at the end of LMDB's file that were never written.
 *
 * LMDB writes no page that was taken and given back in one transaction. When that is the last page,
 * the file ends before it although the environment counts it, and nothing is missing: the page is
 * in the list of free ones. A file that was cut short looks the same from outside. */
#ifndef LEAT_STORE_TAIL_H
#define LEAT_STORE_TAIL_H

#include "proto/base/err.h"

/* Give a file that ends too early its length, if all that is missing is free; nothing may have it
 * open. LEAT_ERR_CORRUPT: it has lost something and is as it was; why (at least 256 bytes) gets the
 * words behind its name. */
LEAT_NODISCARD leat_err leat_tail_mend(const char *path, char why[256]);

#endif
