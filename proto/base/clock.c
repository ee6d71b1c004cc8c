/* The two clocks of the system, in the units of the house. */
#include "proto/base/clock.h"

#include <assert.h>
#include <time.h>

static struct timespec
now(clockid_t clock)
{
    struct timespec ts;
    const int rc = clock_gettime(clock, &ts);
    assert(rc == 0); /* both clocks exist on every Linux */
    (void)rc;
    return ts;
}

int64_t
leat_clock_mono_ms(void)
{
    return leat_clock_mono_us() / 1000;
}

int64_t
leat_clock_mono_us(void)
{
    const struct timespec ts = now(CLOCK_MONOTONIC);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
leat_clock_wall_ms(void)
{
    const struct timespec ts = now(CLOCK_REALTIME);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
