/* leat_listen: what `leat up --listen [ADDR]` serves to other hosts, and the keys that this needs.
 */
#ifndef LEAT_CLI_LISTEN_H
#define LEAT_CLI_LISTEN_H

#include "client/cli/cli.h"
#include "client/cli/state.h"
#include "proto/limits.h"

typedef struct leat_listen {
    char bind[LEAT_URL_BYTES_MAX]; /* what the broker binds; "": nothing */
    char url[LEAT_URL_BYTES_MAX];  /* what others connect to */
    char keys[LEAT_PATH_BYTES];    /* the keys directory */
} leat_listen;

/* HOST, HOST:PORT, :PORT, [IPV6], [IPV6]:PORT, "" -> host ("" when not told) and port (5328 when
 * not told); "tcp://" may stand before it. false: it is none of these. */
bool leat_listen_split(const char *told, char host[LEAT_URL_BYTES_MAX], unsigned *port);

/* The first address of this host that is not loopback, IPv4; false: there is none. */
bool leat_listen_own_address(char host[LEAT_URL_BYTES_MAX]);

/* Fill listen for ADDR ("": the first address of this host) and make what is missing: the keys
 * directory, the broker's key, `address` and, when nobody is allowed yet, me.key there. Failures
 * are printed; returns the exit code. */
int leat_listen_prepare(const leat_cli *cli, const char *told, leat_listen *listen);

#endif
