/* leat_attempts: how the attempts of a job ended that did not end well, for people. */
#ifndef LEAT_CLI_ATTEMPTS_H
#define LEAT_CLI_ATTEMPTS_H

#include <cjson/cJSON.h>

#include "client/cli/cli.h"

/* The rows of "attempt_list" and "older_attempts", each behind `indent` blanks:
 *   2 on w1, 14:02, after 0.31 s: exit 3 */
void leat_attempts_print(const leat_cli *cli, const cJSON *failure, unsigned indent, FILE *out);

/* The end of what its command wrote to stderr, if it did. */
void
leat_attempts_print_stderr(const leat_cli *cli, const cJSON *failure, unsigned indent, FILE *out);

/* What the broker knows of a dead job, by its own number: the caller's; NULL when it is not (any
 * more) among the dead, or cannot be asked. Says nothing. */
cJSON *leat_attempts_ask(leat_cli *cli, uint64_t job);

#endif
