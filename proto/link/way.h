/* leat_way: which broker a program speaks to, and with which key: what it was given, else what the
 * environment says, else what the key file says, else the usual places. The same for clients and
 * for workers in somebody's program. */
#ifndef LEAT_LINK_WAY_H
#define LEAT_LINK_WAY_H

#include "proto/link/key.h"
#include "proto/link/link.h"

typedef struct leat_way {
    char *endpoints[LEAT_LINK_ENDPOINTS_MAX]; /* owned */
    size_t count;
    leat_key key;
    bool has_key;
} leat_way;

/* broker: URLs with commas between; NULL: LEAT_BROKER, … key_file: NULL: LEAT_KEY_FILE, if it is
 * set; "": none. Give *out to leat_way_fini in any case.
 *
 * LEAT_ERR_CONFIG  an address or the key file is not understood; why says which.
 * LEAT_ERR_DENIED  the key file is open to others, or is not for this user; why says so.
 * LEAT_ERR_NOMEM. */
LEAT_NODISCARD leat_err leat_way_find(const char *broker,
                                      const char *key_file,
                                      leat_way *out,
                                      char why[LEAT_KEY_WHY_BYTES]);

/* Wipes the key, too. */
void leat_way_fini(leat_way *way);

/* A variable of the environment that is set and not empty, or NULL. */
const char *leat_way_variable(const char *name);

#endif
