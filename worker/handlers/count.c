/* count: counts to N with a pause before each step, and tells all that a job can tell: progress, a
 * line for each number, and a checkpoint, from which the next attempt goes on. */
#include <stdio.h>
#include <time.h>

#include "proto/base/option.h"
#include "worker/handler.h"

#define N_MAX     1000000U
#define PAUSE_MAX 60000U /* ms */
#define SLICE_MS  10U

/* "N" or "N MS". */
static bool
read_payload(const leat_call *call, uint64_t *n, uint64_t *pause_ms)
{
    char word[LEAT_CALL_WORD_BYTES];
    *pause_ms = 0;
    if (!leat_call_word(call, word))
        return false;
    char *const blank = strchr(word, ' ');
    if (blank != NULL) {
        *blank = '\0';
        if (!leat_parse_number(blank + 1, pause_ms))
            return false;
    }
    return leat_parse_number(word, n) && *n <= N_MAX && *pause_ms <= PAUSE_MAX;
}

/* The number that an earlier attempt came to. */
static uint64_t
read_checkpoint(const leat_call *call)
{
    return call->checkpoint.size == 8 ? leat_load_u64(call->checkpoint.data) : 0;
}

/* False: it was cancelled. */
static bool
pause_for(const leat_call *call, uint64_t ms)
{
    while (ms > 0 && !leat_call_is_cancelled(call)) {
        const uint64_t slice = ms < SLICE_MS ? ms : SLICE_MS;
        const struct timespec t = {.tv_nsec = (long)slice * 1000000L};
        (void)nanosleep(&t, NULL);
        ms -= slice;
    }
    return !leat_call_is_cancelled(call);
}

leat_end
leat_handle_count(leat_call *call)
{
    uint64_t n;
    uint64_t pause_ms;
    if (!read_payload(call, &n, &pause_ms))
        return leat_call_end(call, LEAT_END_FATAL,
                             "count wants N up to 1000000, or N and a pause in ms ('20 100')");
    const uint64_t from = read_checkpoint(call);
    for (uint64_t i = from + 1; i <= n; i++) {
        uint8_t checkpoint[8];
        if (!pause_for(call, pause_ms))
            return leat_call_stopped(call);
        leat_call_log(call, "%llu\n", (unsigned long long)i);
        leat_call_progress(call, i, n, "counting");
        leat_store_u64(checkpoint, i);
        const leat_err err = leat_call_checkpoint(call, checkpoint, sizeof checkpoint);
        if (err != LEAT_ERR_OK)
            return leat_call_say(call, LEAT_END_FAILED, "cannot leave a checkpoint: %s",
                                 leat_err_message(err));
    }
    return leat_call_say(call, LEAT_END_DONE, "%llu from %llu", (unsigned long long)n,
                         (unsigned long long)from);
}
