/* echo and noop: as little work as a job can be. They run on the worker's loop. */
#include "worker/handler.h"

leat_end
leat_handle_echo(leat_call *call)
{
    call->result = call->payload;
    return LEAT_END_DONE;
}

/* Its signature is that of every handler. */
leat_end
leat_handle_noop(leat_call *call)
{
    call->result = (leat_bytes){0};
    return LEAT_END_DONE;
}
