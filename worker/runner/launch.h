/* leat_launch: one program, from what a job says to a running process. The keeper's only: it must
 * have one thread and every signal blocked. */
#ifndef LEAT_WORKER_RUNNER_LAUNCH_H
#define LEAT_WORKER_RUNNER_LAUNCH_H

#include <sys/types.h>

#include "proto/exec.h"

/* What every program of this worker has at most, and who it is. */
typedef struct leat_launch_rights {
    uint64_t limits[LEAT_EXEC_LIMITS]; /* 0: as the worker has it */
    bool drops;                        /* becomes uid and gid, without other groups */
    uid_t uid;
    gid_t gid;
} leat_launch_rights;

typedef struct leat_launch {
    const leat_launch_rights *rights;
    const leat_exec *exec;
    leat_reader job_variables; /* what the worker says of the job, as leat_exec_next reads them */
    uint32_t job_variable_count;
    bool keeps_input; /* its stdin is a pipe, also without exec->input */

    pid_t pid;     /* of the process, leader of a session and group of its own */
    int input;     /* write end of its stdin; -1: it has /dev/null */
    int output[2]; /* read ends of its stdout and stderr */
} leat_launch;

typedef struct leat_launch_failure {
    int code;        /* 126: it cannot be run; 127: there is none */
    bool is_passing; /* it may work another time: no process, no memory */
    char sentence[LEAT_SENTENCE_BYTES_MAX];
} leat_launch_failure;

/* false: nothing was started, *failure says why. The ends are not blocking. */
bool leat_launch_run(leat_launch *launch, leat_launch_failure *failure);

/* Limits and user for this process, which a keeper has forked and which goes with it. Not the CPU
 * time: it is a job's. false: errno says why. */
bool leat_launch_confine(const leat_launch_rights *rights, pid_t keeper);

#endif
