/* The window of answers: what has been decided for a session's sequences, kept until the peer
 * confirms. See window.c. */
#ifndef LEAT_CORE_WINDOW_H
#define LEAT_CORE_WINDOW_H

#include "broker/core/machine.h"

typedef enum leat_window_verdict {
    LEAT_WINDOW_NEW,
    LEAT_WINDOW_REPEAT,  /* decided before; the answer goes out again by itself */
    LEAT_WINDOW_DROP,    /* decided and confirmed */
    LEAT_WINDOW_OUTSIDE, /* beyond what WELCOME grants */
} leat_window_verdict;
leat_window_verdict leat_window_check(leat_core *core, leat_peer *peer, uint64_t sequence);
/* Decide: record is the answer's record as it goes into a frame of `command`. depends: it may leave
 * only after this turn is on disk (and is stored with it). */
void leat_window_decide(leat_core *core,
                        leat_peer *peer,
                        uint64_t sequence,
                        leat_command command,
                        const leat_buf *record,
                        bool depends);
void leat_window_restore(leat_core *core,
                         leat_peer *peer,
                         uint64_t sequence,
                         uint8_t command,
                         const void *data,
                         size_t size);
void leat_window_confirm(leat_peer *peer, uint64_t seen);
void leat_window_reconnect(leat_peer *peer, uint64_t floor);
/* Send what may leave. */
void leat_window_release(leat_core *core, leat_peer *peer);
void leat_window_fini(leat_peer *peer);

bool leat_window_park(leat_core *core, leat_peer *peer, uint64_t sequence);
/* What is in of a SEND that waits in line: kept with its sequence, and stored if it is durable. */
typedef struct leat_partial {
    uint64_t first_id;
    uint64_t batch;
    uint32_t taken;
} leat_partial;
void leat_window_put_partial(
    leat_core *core, leat_peer *peer, uint64_t sequence, const leat_partial *partial, bool depends);
/* false: nothing is in yet. */
bool leat_window_get_partial(const leat_peer *peer, uint64_t sequence, leat_partial *partial);
/* The connection is gone: what waited in line is not known any more, and answers that spoke of
 * messages which go back are void. */
void leat_window_unpark(leat_peer *peer);
void leat_window_set_passing(leat_peer *peer, uint64_t sequence);

#endif
