/* leat_joblog: a line for each job that has run, in the columns of GNU parallel's job logs:
 *
 *   Seq  Host  Starttime  JobRuntime  Send  Receive  Exitval  Signal  Command
 *
 * with tabs between; Host is the worker. A log that is read again, ours or parallel's, says which
 * commands need not run: they are known by their words, however they are quoted, and not by their
 * place among the inputs. */
#ifndef LEAT_CLI_JOBLOG_H
#define LEAT_CLI_JOBLOG_H

#include <stdbool.h>
#include <stdio.h>

#include "client/cli/command.h"
#include "client/cli/flight.h"

#define LEAT_ROWS_OF_JOBLOG                                                            \
    {.name = "joblog",                                                                 \
     .type = LEAT_OPTION_TEXT,                                                         \
     .value = "F",                                                                     \
     .takes = "<file>",                                                                \
     .help = "a line for each job that has run, as GNU parallel writes it",            \
     .flags = LEAT_OPTION_NOT_IN_FILE},                                                \
        {.name = "resume",                                                             \
         .type = LEAT_OPTION_FLAG,                                                     \
         .help = "run only what is not in the joblog, and go on in it",                \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                            \
    {                                                                                  \
        .name = "retry-failed", .type = LEAT_OPTION_FLAG,                              \
        .help = "run what failed by the joblog; with --resume also what is not in it", \
        .flags = LEAT_OPTION_NOT_IN_FILE                                               \
    }

typedef struct leat_logged leat_logged;

typedef struct leat_joblog {
    FILE *file;        /* owned; NULL: there is no log */
    int failed;        /* errno of what could not be written, else 0 */
    leat_logged *rows; /* owned: what was in it, in the order of their commands */
    size_t row_count;
    size_t row_room;
} leat_joblog;

/* What a log is asked for. */
typedef enum leat_joblog_want {
    LEAT_JOBLOG_ALL = 0, /* nothing is read: a new log */
    LEAT_JOBLOG_NEW,     /* what is not in the log */
    LEAT_JOBLOG_FAILED,  /* what is in it and has not succeeded */
    LEAT_JOBLOG_NEW_AND_FAILED,
} leat_joblog_want;

/* Open a log for writing. With LEAT_JOBLOG_ALL it begins anew, else it is read first (there may be
 * none) and goes on. LEAT_ERR_MALFORMED: *line is none of a job log. LEAT_ERR_NOMEM. Others: errno.
 */
LEAT_NODISCARD leat_err leat_joblog_open(leat_joblog *log,
                                         const char *path,
                                         leat_joblog_want want,
                                         uint64_t *line);

/* Is this command wanted? Of one that is logged twice, two are taken for those that were. */
bool leat_joblog_wants(leat_joblog *log, leat_text command, leat_joblog_want want);

/* Log a job that has run. */
void leat_joblog_put(leat_joblog *log, const leat_flying *job, const leat_completed *done);

void leat_joblog_fini(leat_joblog *log);

#endif
