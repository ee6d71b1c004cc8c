/* leat_results: what each job printed, in files: DIR/NUMBER/stdout, stderr, exit and command. The
 * number is the job's among the inputs, so a job that is run again takes the place of the first. */
#ifndef LEAT_CLI_RESULTS_H
#define LEAT_CLI_RESULTS_H

#include "client/cli/command.h"
#include "client/cli/flight.h"

#define LEAT_ROW_RESULTS                                                               \
    {                                                                                  \
        .name = "results", .type = LEAT_OPTION_TEXT, .value = "DIR", .takes = "<dir>", \
        .help = "files of each job, too: DIR/NUMBER/stdout, stderr, exit, command",    \
        .flags = LEAT_OPTION_NOT_IN_FILE                                               \
    }

/* Make the folder. LEAT_ERR_…: errno says why not. */
LEAT_NODISCARD leat_err leat_results_open(const char *folder);

/* Write the files of a job that has ended. LEAT_ERR_…: errno says why not. */
LEAT_NODISCARD leat_err leat_results_put(const char *folder,
                                         const leat_flying *job,
                                         const leat_completed *done);

#endif
