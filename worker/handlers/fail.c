/* fail: ends in failure, with the payload as what is known of it. "fatal:TEXT" is not tried again;
 * anything else is, while the job has failures left. */
#include "worker/handler.h"

#define FATAL "fatal:"

leat_end
leat_handle_fail(leat_call *call)
{
    const size_t fatal_bytes = sizeof FATAL - 1;
    leat_bytes text = call->payload;
    leat_end end = LEAT_END_FAILED;

    if (text.size >= fatal_bytes && memcmp(text.data, FATAL, fatal_bytes) == 0) {
        end = LEAT_END_FATAL;
        text.data += fatal_bytes;
        text.size -= (uint32_t)fatal_bytes;
    }
    if (text.size == 0)
        return leat_call_end(call, end, "failed, as asked");
    call->result = text;
    return end;
}
