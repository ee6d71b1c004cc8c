/* Writing wall times. */
#include "client/cli/when.h"

#include <stdio.h>
#include <time.h>

#define DAY_MS ((int64_t)86400 * 1000)

const char *
leat_when_text(int64_t at_ms, int64_t now_ms, char out[LEAT_WHEN_BYTES])
{
    struct tm parts;
    const time_t seconds = (time_t)(at_ms / 1000);
    const bool near = at_ms - now_ms < DAY_MS && now_ms - at_ms < DAY_MS;
    if (at_ms <= 0 || localtime_r(&seconds, &parts) == NULL ||
        strftime(out, LEAT_WHEN_BYTES, near ? "%H:%M" : "%Y-%m-%d %H:%M", &parts) == 0)
        (void)snprintf(out, LEAT_WHEN_BYTES, "-");
    return out;
}
