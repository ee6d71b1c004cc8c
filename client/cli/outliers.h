/* leat_outliers: workers that fail what others do well, for people. */
#ifndef LEAT_CLI_OUTLIERS_H
#define LEAT_CLI_OUTLIERS_H

#include <cjson/cJSON.h>

#include "client/cli/cli.h"

/* A row of "outliers" or "lately" as a sentence without a name:
 *   failed 41 of 50 "sha256" in the last 10 minutes; the others 3 of 900 */
void leat_outliers_row(const cJSON *row, char *out, size_t size);

/* Of a list of such rows those that stand out, each with its worker's name and host, and what can
 * be done about it. */
void leat_outliers_print(const leat_cli *cli, const cJSON *list, FILE *out);

/* What can be done about the worker of these rows, if one of them stands out and it is not yet set
 * aside. */
void leat_outliers_hint(const leat_cli *cli, const cJSON *list, FILE *out);

#endif
