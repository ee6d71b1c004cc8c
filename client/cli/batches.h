/* leat_batches: the batches that a command's operands name. */
#ifndef LEAT_CLI_BATCHES_H
#define LEAT_CLI_BATCHES_H

#include <cjson/cJSON.h>

#include "client/cli/cli.h"
#include "client/cli/selector.h"
#include "proto/limits.h"

/* The selector of an operand, with `last` and @NAME turned into the batch's number; for a name the
 * broker is asked, and cli connected. On anything but
 * LEAT_EXIT_OK the reason has been printed. */
int leat_batches_select(leat_cli *cli, const char *text, leat_selector *out);

/* The same for a command that takes whole batches only. */
int leat_batches_number(leat_cli *cli, const char *text, uint64_t *batch);

/* Does the selector mean the job that has ended so? */
bool leat_batches_has(const leat_selector *which, const leat_completed *done);

/* "batch 42", "job 42/17", "jobs 42/10-20". */
void leat_batches_words(const leat_selector *which, char *out, size_t size);

/* "env=prod,team=x" of a batch that the broker has told; out holds what all labels take. */
const char *leat_batches_labels(const cJSON *batch, char out[LEAT_LABELS_BYTES_MAX + 1]);

/* "done", "dead", … for leat_completed.outcome, or "?". */
const char *leat_batches_outcome(int outcome);

/* Ask the broker about a batch. On LEAT_EXIT_OK *json is the caller's (cJSON_Delete): the object
 * {"id": …, "total": …, …}. The library's status is returned in *status when it is not NULL, and
 * then nothing is printed. */
int leat_batches_ask(leat_cli *cli, uint64_t batch, leat_status *status, cJSON **json);

#endif
