/* burn: uses CPU time. A bare number is microseconds; with a unit it is a duration. What counts is
 * the thread's own CPU time, so that a busy machine does not make the work smaller. */
#include <time.h>

#include "proto/base/option.h"
#include "worker/handler.h"

#define US_MAX ((uint64_t)LEAT_DELAY_MS_MAX * 1000U)

static uint64_t
cpu_us(void)
{
    struct timespec t;
    const int failed = clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    assert(failed == 0);
    (void)failed;
    return (uint64_t)t.tv_sec * 1000000U + (uint64_t)t.tv_nsec / 1000U;
}

/* A few microseconds of arithmetic that no compiler can leave out. */
static void
spin(void)
{
    volatile uint32_t state = 1;
    for (int i = 0; i < 1000; i++)
        state = state * 1664525U + 1013904223U;
}

leat_end
leat_handle_burn(leat_call *call)
{
    uint64_t us;
    if (!leat_call_number(call, 0, US_MAX, &us)) {
        char word[LEAT_CALL_WORD_BYTES];
        int64_t ms;
        if (!leat_call_word(call, word) || !leat_parse_duration(word, &ms) || ms < 0 ||
            ms > LEAT_DELAY_MS_MAX)
            return leat_call_end(call, LEAT_END_FATAL,
                                 "burn wants microseconds (1500) or a duration (10ms, 2s)");
        us = (uint64_t)ms * 1000U;
    }

    const uint64_t end_us = cpu_us() + us;
    while (cpu_us() < end_us) {
        if (leat_call_is_cancelled(call))
            return leat_call_stopped(call);
        spin();
    }
    return LEAT_END_DONE;
}
