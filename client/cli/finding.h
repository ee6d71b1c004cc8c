/* leat_findings: what `leat doctor` has found, a line each, with what to do about it. */
#ifndef LEAT_CLI_FINDING_H
#define LEAT_CLI_FINDING_H

#include <cjson/cJSON.h>

#include "client/cli/cli.h"

typedef enum leat_finding_state {
    LEAT_FINDING_OK = 0, /* these are exit codes, too, as those of monitoring plug-ins */
    LEAT_FINDING_WARN = 1,
    LEAT_FINDING_FAIL = 2,
    LEAT_FINDING_UNKNOWN = 3,
} leat_finding_state;

typedef struct leat_findings {
    cJSON *list; /* owned; {check, state, found, advice} */
    leat_finding_state worst;
    unsigned warnings;
    unsigned failures;
} leat_findings;

/* Add one. `check` is a word or two ("disk"); advice is a line of what to do, "" when nothing is to
 * be done. */
void leat_findings_add(leat_findings *all,
                       leat_finding_state state,
                       const char *check,
                       const char *advice,
                       const char *format,
                       ...) __attribute__((format(printf, 5, 6)));

/* "ok", "warn", "fail". */
const char *leat_finding_word(leat_finding_state state);

/* Print them as --json, --plain or for people, and free them. Returns the exit code. */
int leat_findings_print(const leat_cli *cli, leat_findings *all);

#endif
