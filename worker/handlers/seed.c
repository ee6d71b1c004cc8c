/* seed: the worker function of the program that all this grew from. It says that it starts, sleeps
 * its id times 100 ms, says that it is done, and pushes its id into the channel. Each line is one
 * write(2), so that the lines of several workers on one terminal never mix. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "worker/handler.h"

#define UNIT_MS 100
#define ID_MAX  ((uint64_t)LEAT_DELAY_MS_MAX / UNIT_MS)

static void
say(uint64_t id, const char *what)
{
    char line[64];
    const int size = snprintf(line, sizeof line, "Worker %" PRIu64 " %s\n", id, what);
    ssize_t written;
    /* Whoever reads standard output may be gone: that is no reason to fail the job. */
    do {
        written = write(STDOUT_FILENO, line, (size_t)size);
    } while (written < 0 && errno == EINTR);
}

leat_end
leat_handle_seed(leat_call *call)
{
    uint64_t id;
    if (!leat_call_number(call, 0, ID_MAX, &id))
        return leat_call_end(call, LEAT_END_FATAL, "seed wants its id as a whole number");
    say(id, "starting");
    call->value = id;
    call->sleep_ms = (int64_t)id * UNIT_MS;
    return LEAT_END_DONE;
}

leat_end
leat_handle_seed_end(leat_call *call)
{
    say(call->value, "done");
    return leat_call_say(call, LEAT_END_DONE, "%" PRIu64, call->value);
}
