/* A wall time as it is shown; how it is typed is proto/base/when.h. */
#ifndef LEAT_CLI_WHEN_H
#define LEAT_CLI_WHEN_H

#include <stdint.h>

#include "proto/base/when.h"

#define LEAT_WHEN_BYTES 32U

/* For people, in local time: "14:02" within a day of now_ms, else "2030-05-01 14:02"; "-" for 0.
 * Returns out. */
const char *leat_when_text(int64_t at_ms, int64_t now_ms, char out[LEAT_WHEN_BYTES]);

#endif
