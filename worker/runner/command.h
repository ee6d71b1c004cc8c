/* leat_commands: programs as jobs, run by keepers (keeper.h).
 *
 *     loop ── prepare ──► go ══ socket ══► keeper ──► program
 *        hear, next_ended ◄══════════════════╛
 *
 * The loop's thread only. A run is a keeper with a job; there are as many keepers as there were
 * jobs at the same time, started when they are needed and used again; one whose program lives for
 * more than one job is used for that one only. prepare hands nothing out
 * yet: the heartbeat that says what has been started leaves before go does. */
#ifndef LEAT_WORKER_RUNNER_COMMAND_H
#define LEAT_WORKER_RUNNER_COMMAND_H

#include "proto/base/list.h"
#include "worker/line.h"
#include "worker/runner/cgroup.h"
#include "worker/runner/launch.h"
#include "worker/runner/message.h"
#include "worker/slot.h"
#include "worker/tell.h"

/* Commands that one worker runs at the same time, whatever its slots are. */
#define LEAT_COMMANDS_MAX 1024U

typedef struct leat_commands_options {
    const char *keeper; /* the program that has leat_keeper_main; NULL: this one. Borrowed */
    leat_launch_rights rights;
    const char *const *variables; /* that every program is given; borrowed */
    size_t variable_count;
    uint32_t recycle_jobs;  /* jobs that a program over stdio does before it is started anew; 0: any
                               number */
    uint32_t plugin_jobs;   /* the same of a plug-in's process … */
    uint64_t plugin_memory; /* … and bytes with which it is started anew; 0: any number */
    uint32_t keepers_max;   /* at the same time, idle ones too; 0: LEAT_COMMANDS_MAX, and no more */
    bool has_cgroup;        /* put what runs into control groups where that is allowed */
} leat_commands_options;

struct leat_run {
    leat_list_node node;
    uint32_t number; /* of the keeper, from 1 */
    pid_t keeper;
    const leat_program *serves; /* borrowed: does jobs of this program for its life; NULL: of any
                                   that is a process a job */
    int socket;
    leat_buf out;   /* to the keeper */
    size_t sent;    /* of out */
    leat_buf in;    /* from the keeper: a message as far as it has come */
    bool is_busy;   /* from prepare to give_back */
    bool is_told;   /* go has been */
    bool is_gone;   /* the keeper is; not used again */
    bool leaves;    /* it was told that it is not needed any more */
    bool has_ended; /* and lies where next_ended finds it, or has been fetched */

    leat_slot *slot;        /* borrowed; NULL: nobody wants the result any more. The loop's */
    leat_given *given;      /* the loop's, which takes it back */
    leat_list_node telling; /* the loop's: while it has to look at `tell` again */
    leat_tell tell;         /* the loop's: the job's progress and checkpoint */
    bool has_told;          /* anything at all */
    leat_end end;           /* from here on: set when it has ended */
    bool snoozes;           /* … without an end: it asks for another attempt after delay_ms */
    uint64_t delay_ms;
    uint64_t run_us;
    leat_bytes result; /* borrowed until give_back */
};

/* What the program is told of its job, as LEAT_JOB_… */
typedef struct leat_run_job {
    const leat_line_job *job;
    const leat_given *given;
    const char *worker;
    const char *broker;
} leat_run_job;

typedef struct leat_commands leat_commands;

/* options is copied. LEAT_ERR_NOMEM, LEAT_ERR_LIMIT. */
LEAT_NODISCARD leat_err leat_commands_new(const leat_commands_options *options,
                                          leat_commands **out);

/* End everything that runs, and the keepers. */
void leat_commands_destroy(leat_commands **commands_p);

/* Is there a keeper for one more job of this handler, or room for one? If not, and one idles, that
 * one is made to leave: ask again when leat_commands_fd is readable. */
bool leat_commands_may_prepare(leat_commands *commands, const leat_handler *handler);

/* A run for this job. Its payload must be what its handler takes: a leat_exec, or anything for
 * a program of the worker's own.
 *
 * LEAT_ERR_MALFORMED, LEAT_ERR_UNSUPPORTED, LEAT_ERR_TOO_LARGE: the payload is none.
 * LEAT_ERR_NOMEM, LEAT_ERR_LIMIT, LEAT_ERR_IO: no keeper can be had now. */
LEAT_NODISCARD leat_err leat_commands_prepare(leat_commands *commands,
                                              const leat_run_job *what,
                                              leat_run **out);

/* Is there something that has been prepared and not handed out? */
bool leat_commands_has_prepared(const leat_commands *commands);
/* Hand it out. */
void leat_commands_go(leat_commands *commands);

/* Tell the program to end (SIGTERM), and kill it after grace_ms; flags: LEAT_ENDING_CANCELLED or
 * _LIMIT. It ends like any other. A run that has not been handed out ends without having run. */
void leat_commands_stop(leat_commands *commands, leat_run *run, uint32_t grace_ms, uint8_t flags);

/* Have `hear` called, by leat_commands_next_ended, with what the jobs of runs tell; it copies what
 * it wants to keep. Never after the run's end, and before it has been given back. */
typedef void leat_commands_hear(void *context, leat_run *run, const leat_message_told *told);
void leat_commands_listen(leat_commands *commands, leat_commands_hear *hear, void *context);

/* The next run that has ended (it is the caller's until give_back), or NULL. */
leat_run *leat_commands_next_ended(leat_commands *commands);
void leat_commands_give_back(leat_commands *commands, leat_run **run_p);

/* Readable when next_ended may have something; the same for the object's life. */
int leat_commands_fd(const leat_commands *commands);

/* Runs that are prepared, run, or have ended and were not given back. */
uint32_t leat_commands_count(const leat_commands *commands);

/* "cgroup v2 …", or why there is none; for the log. Static storage. */
const char *leat_commands_cgroup(const leat_commands *commands);

#endif
