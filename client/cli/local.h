/* leat_local: a broker or worker that runs on this host, so that it can be told to end by a signal,
 * as its user would do it. What has its number by now is never taken for it: the process is held by
 * a descriptor before it is looked at. */
#ifndef LEAT_CLI_LOCAL_H
#define LEAT_CLI_LOCAL_H

#include <sys/types.h>

#include "client/cli/cli.h"

/* Hold process pid, which must be `program` ("leat-worker"). *fd is the caller's.
 *
 * LEAT_ERR_NOT_FOUND  there is no such process, or it is another program.
 * LEAT_ERR_DENIED, LEAT_ERR_IO. */
LEAT_NODISCARD leat_err leat_local_hold(pid_t pid, const char *program, int *fd);

/* Send it SIGTERM and wait for its end, at most as long as --timeout of the command says. `what` is
 * it, for people. Failures are printed; returns the exit code. */
int leat_local_end(leat_cli *cli, int fd, const char *what);

/* The process that listens on the socket of an ipc:// endpoint; 0: nobody, or it cannot be told. */
pid_t leat_local_listener(const char *endpoint);

/* Was it started by the `leat up` of this user that runs now? That one would start it again. */
bool leat_local_is_of_up(pid_t pid);

/* Is it the name of this host? */
bool leat_local_is_host(const char *name);

#endif
