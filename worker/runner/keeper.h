/* leat_keeper: the process that runs commands for a worker, one after the other, one at a time.
 *
 *     worker ══ socket ══ keeper ──► program ──► what the program starts
 *
 * A worker has threads and sockets, so it must not fork; it starts a keeper for each command that
 * is to run at the same time (its own program, under the name LEAT_KEEPER_NAME) and tells it what
 * to run. The keeper is small and has one thread. It starts the program, reads what it prints, and
 * tells how it ended. It is the parent of everything that the program leaves behind, and ends it;
 * when the worker ends in whatever way, the socket does, and the keeper ends everything and itself.
 *
 * What goes over the socket: u32 size · u8 kind · body, where size counts kind and body.
 *   START  u32 n · n × bytes32 variable · leat_exec       worker to keeper
 *   STOP   u32 grace_ms · u8 flags (of leat_ending)        worker to keeper
 *   ENDED  u8 end (of leat_end) · u64 run_us · leat_ending keeper to worker */
#ifndef LEAT_WORKER_RUNNER_KEEPER_H
#define LEAT_WORKER_RUNNER_KEEPER_H

#include <stdint.h>

#define LEAT_KEEPER_NAME      "leat-keeper" /* argv[0] */
#define LEAT_KEEPER_SOCKET    3
#define LEAT_KEEPER_HEAD      5U /* bytes of size and kind */
#define LEAT_KEEPER_BYTES_MAX (4U * 1024U * 1024U)

typedef enum leat_keeper_kind {
    LEAT_KEEPER_START = 1,
    LEAT_KEEPER_STOP,
    LEAT_KEEPER_ENDED,
} leat_keeper_kind;

/* Its arguments, all there, in this order; a number that is not said is 0. */
enum {
    LEAT_KEEPER_ARG_NAME = 0,
    LEAT_KEEPER_ARG_NUMBER, /* from 1 */
    LEAT_KEEPER_ARG_CPU,    /* limits of the worker */
    LEAT_KEEPER_ARG_MEMORY,
    LEAT_KEEPER_ARG_FILES,
    LEAT_KEEPER_ARG_PROCESSES,
    LEAT_KEEPER_ARG_UID, /* "": the worker's own */
    LEAT_KEEPER_ARG_GID,
    LEAT_KEEPER_ARG_CGROUP, /* of the worker, "": none */
    LEAT_KEEPER_ARGS
};

/* The keeper's whole life; its exit code. */
int leat_keeper_main(int argc, char *argv[]);

#endif
