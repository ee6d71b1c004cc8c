/* leat_service: a broker and workers of one's own, started as real processes beside this program,
 * with their logs in files. What `leat demo`, `leat up` and `leat bench` have in common. */
#ifndef LEAT_CLI_SERVICE_H
#define LEAT_CLI_SERVICE_H

#include "client/cli/child.h"
#include "client/cli/cli.h"
#include "client/cli/state.h"

typedef struct leat_service {
    char folder[LEAT_PATH_BYTES]; /* logs, store, socket */
    bool temporary;               /* the folder is removed by leat_service_end */
    char broker_path[LEAT_PATH_BYTES];
    char worker_path[LEAT_PATH_BYTES];
    char config[LEAT_PATH_BYTES]; /* given to both as --config; "": none */
    char endpoint[256];
    char listen[256];           /* bound by the broker too; "": nothing */
    char keys[LEAT_PATH_BYTES]; /* given to the broker as --keys; "": none */
    char **environment;         /* owned; of the children */
    bool allows_commands;       /* workers run programs */
    int death_signal;           /* what the children get when this process dies */
    leat_child broker;
    leat_child *workers; /* owned */
    size_t worker_count;
} leat_service;

/* Find the two programs. Failures are printed; returns the exit code. */
int leat_service_programs(leat_cli *cli, leat_service *service);

/* A folder under $TMPDIR that is removed at the end, an empty config file in it, and an environment
 * without settings: nothing of the user's reaches the children. */
int leat_service_temporary(leat_cli *cli, leat_service *service, const char *name);

/* Start the broker with --bind endpoint --data folder/store (and what listen, keys and `more` add;
 * NULL: nothing) and wait until it listens. LEAT_ERR_IN_USE: somebody else has the address, nothing
 * is printed and another may be tried. LEAT_ERR_INTERRUPTED: a signal came. Other failures are
 * printed with the end of the log. */
LEAT_NODISCARD leat_err leat_service_start_broker(leat_cli *cli,
                                                  leat_service *service,
                                                  const char *more);

/* The same on a free port of 127.0.0.1, without keys. `what` is what is done, for people. Failures
 * are printed; returns the exit code. */
int leat_service_start_loopback(leat_cli *cli, leat_service *service, const char *what);

/* Start worker `index` (from 0) with a name and slots; its stdout goes to stdout_fd, or into its
 * log when that is -1. Failures are printed. */
LEAT_NODISCARD leat_err leat_service_start_worker(leat_cli *cli,
                                                  leat_service *service,
                                                  size_t index,
                                                  const char *name,
                                                  unsigned slots,
                                                  int stdout_fd);

/* Ask the connected broker until `count` workers are up, at most limit_ms. Failures (a child that
 * ended among them) are printed; returns the exit code. */
int leat_service_workers_up(leat_cli *cli, leat_service *service, size_t count, int64_t limit_ms);

/* Print the last lines of a child's log to stderr. name: "broker", "worker-1". */
void leat_service_show_log(const leat_cli *cli, const leat_service *service, const char *name);

/* End the workers and then the broker: SIGTERM, grace_ms, SIGKILL. */
void leat_service_stop(leat_service *service, int64_t grace_ms);

/* stop without much grace, remove what is temporary and free everything. Of a zeroed service too.
 */
void leat_service_end(leat_service *service);

#endif
