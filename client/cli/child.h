/* leat_child: the processes that `leat demo` and `leat up` start, and the certainty that they end.
 *
 * A child dies with its parent (PR_SET_PDEATHSIG), also when the parent is killed. Its signals and
 * its mask are reset before it begins. */
#ifndef LEAT_CLI_CHILD_H
#define LEAT_CLI_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/base/err.h"

typedef struct leat_child {
    pid_t pid;  /* 0: not started, or ended and reaped */
    bool ended; /* it was started and has ended; status is set */
    int status; /* as waitpid gives it */
} leat_child;

typedef struct leat_child_plan {
    const char *path;         /* of the program, or a name to look up in PATH */
    char *const *argv;        /* NULL-terminated */
    char *const *environment; /* NULL-terminated; NULL: ours */
    int stdin_fd;             /* -1: /dev/null; any other is duplicated, 0 keeps ours */
    int stdout_fd;            /* duplicated; 1 keeps ours */
    int stderr_fd;
    int death_signal; /* sent to it when we end; 0: none */
    bool own_group;   /* Ctrl-C on our terminal does not reach it */
} leat_child_plan;

/* Start it and know that exec has happened. LEAT_ERR_NOT_FOUND, LEAT_ERR_DENIED, …: it could not be
 * run, errno says why, and there is no child. */
LEAT_NODISCARD leat_err leat_child_start(const leat_child_plan *plan, leat_child *child);

/* Look whether it has ended, without waiting. true: it runs no more (or never did). */
bool leat_child_has_ended(leat_child *child);

/* Send a signal to one that runs. */
void leat_child_signal(const leat_child *child, int number);

/* SIGTERM to all that run, up to grace_ms for them to end, then SIGKILL. All are reaped when this
 * returns. */
void leat_children_end(leat_child *children, size_t count, int64_t grace_ms);

/* The exit code as a shell gives it: its own, or 128 + signal. */
int leat_child_exit_code(const leat_child *child);
/* "exit 1", "signal 9"; static storage until the next call. */
const char *leat_child_end_words(const leat_child *child);

/* Find a program of ours: in $LEAT_BIN_DIR if that is set, else beside the running program, else in
 * PATH. LEAT_ERR_NOT_FOUND. */
LEAT_NODISCARD leat_err leat_program_find(const char *name, char *out, size_t size);

typedef enum leat_environment {
    LEAT_ENVIRONMENT_CLEAN = 1, /* without LEAT_… settings, which are meant for this program; the
                                   level of logs stays */
    LEAT_ENVIRONMENT_WHOLE,
} leat_environment;

/* Our environment with `more` ("A=b", NULL-terminated, copied) added or put in place. NULL without
 * memory; free with leat_environment_free. */
char **leat_environment_new(leat_environment kind, const char *const *more);
void leat_environment_free(char **environment);

#endif
