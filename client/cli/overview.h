/* leat_overview: what `leat status` and `leat top` show of a whole broker. */
#ifndef LEAT_CLI_OVERVIEW_H
#define LEAT_CLI_OVERVIEW_H

#include <stdio.h>

#include <cjson/cJSON.h>

#include "client/cli/cli.h"

/* Print the answer to the query `status`; with --plain only its channels. */
void leat_overview_print(const leat_cli *cli, const cJSON *answer, FILE *out);

#endif
