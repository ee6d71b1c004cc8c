/* leat_access: the keys directory: the broker's own pair, and who is allowed.
 *
 *     KEYS/broker.key      the broker's pair, owner only
 *     KEYS/allowed/NAME    name, role and public key of one principal
 *
 * The table is read at the start and again when the directory has changed. The ZAP handler asks it
 * from its own thread, everything else is the loop's. Each change makes a new generation, so that
 * what the gate remembers of a connection is good for one generation only. */
#ifndef LEAT_ACCESS_H
#define LEAT_ACCESS_H

#include "broker/core/principal.h"
#include "proto/base/err.h"
#include "proto/link/key.h"

typedef struct leat_access leat_access;

/* Read the directory. why gets a sentence on failure.
 * LEAT_ERR_NOT_FOUND  no directory, or no broker.key in it.
 * LEAT_ERR_DENIED     broker.key can be read by others.
 * LEAT_ERR_CONFIG     broker.key is no key file. */
LEAT_NODISCARD leat_err leat_access_open(const char *dir, leat_access **out, char why[512]);
void leat_access_close(leat_access **access_p);

/* The broker's pair. Borrowed. */
const leat_key *leat_access_key(const leat_access *access);

/* How many are allowed. */
size_t leat_access_count(leat_access *access);

/* Read again if the directory has changed since, or if `force`. True: others are allowed than
 * before, there is a new generation. */
bool leat_access_refresh(leat_access *access, bool force);
uint64_t leat_access_generation(const leat_access *access);

/* Who has this public key (Z85, 40 characters); NULL: nobody who is allowed. Valid until the next
 * refresh. */
const leat_principal *leat_access_find(leat_access *access, const char *public_key);

/* The same question from any thread. A key that was allowed a moment ago is waited for until the
 * table has been read again (some 200 ms), if the directory says that it has changed. */
bool leat_access_allows(leat_access *access, const char *public_key);

/* Whether a principal is still allowed. */
bool leat_access_has(leat_access *access, uint64_t principal);

#endif
