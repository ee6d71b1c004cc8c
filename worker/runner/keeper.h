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
 * What goes over the socket stands in message.h. A keeper is of one of these kinds:
 *   a program a job (oneshot.c), told by START; any number of them, one after the other
 *   a program that does job after job (stdio.c), told by SERVE, for the rest of the keeper's life
 *   a plug-in (plugin.c), loaded in a child that does job after job; told by SERVE as well */
#ifndef LEAT_WORKER_RUNNER_KEEPER_H
#define LEAT_WORKER_RUNNER_KEEPER_H

#define LEAT_KEEPER_NAME   "leat-keeper" /* argv[0] */
#define LEAT_KEEPER_SOCKET 3

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
