/* sleep: nothing, for a while. A million of them are a million small records (runner/sleep.h). */
#include "proto/base/option.h"
#include "worker/handler.h"

leat_end
leat_handle_sleep(leat_call *call)
{
    char word[LEAT_CALL_WORD_BYTES];
    int64_t ms;
    if (!leat_call_word(call, word) || !leat_parse_duration(word, &ms) || ms < 0 ||
        ms > LEAT_DELAY_MS_MAX)
        return leat_call_end(call, LEAT_END_FATAL,
                             "sleep wants a duration like 250ms, 1s or 1h30m, at most a year");
    call->sleep_ms = ms;
    return LEAT_END_DONE;
}
