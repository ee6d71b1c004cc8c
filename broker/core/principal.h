/* leat_principal: who speaks on a connection, as far as the core has to know. The gate takes it
 * from the key of the connection; the core only compares ids and asks what the role may do. */
#ifndef LEAT_PRINCIPAL_H
#define LEAT_PRINCIPAL_H

#include <stdbool.h>
#include <stdint.h>

#define LEAT_PRINCIPAL_LOCAL 0U /* the user who can open the broker's ipc socket */

typedef struct leat_principal {
    uint64_t id;     /* of its key; LEAT_PRINCIPAL_LOCAL without one */
    char name[65];   /* for sentences and logs */
    char role[9];    /* "client", "worker", "admin" */
    bool may_ask;    /* be a client */
    bool may_work;   /* be a worker, or its beat */
    bool is_anybody; /* any user of this machine may be behind it */
} leat_principal;

/* Who comes in by an ipc socket. */
static const leat_principal leat_principal_local = {
    .id = LEAT_PRINCIPAL_LOCAL,
    .name = "local",
    .role = "admin",
    .may_ask = true,
    .may_work = true,
};

/* Who comes in by a TCP address without keys: the same, but it may be somebody else. */
static const leat_principal leat_principal_anybody = {
    .id = LEAT_PRINCIPAL_LOCAL,
    .name = "local",
    .role = "admin",
    .may_ask = true,
    .may_work = true,
    .is_anybody = true,
};

#endif
