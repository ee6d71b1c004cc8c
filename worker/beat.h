/* leat_beat: the worker's pulse, on a thread and a connection of its own.
 *
 * The broker takes a session for lost when its heartbeats stay out, and gives its jobs to others.
 * So heartbeats do not wait behind the worker's frames: a second connection (HELLO role `beat`,
 * naming the worker's session) sends nothing else. It also watches the worker's loop. A loop that
 * has not turned for LEAT_BEAT_STALL_MS would keep jobs that it does not run, so the beat falls
 * silent until the loop turns again; the loop wakes at least every LEAT_BEAT_TURN_MS for this. */
#ifndef LEAT_WORKER_BEAT_H
#define LEAT_WORKER_BEAT_H

#include "proto/control.h"

#define LEAT_BEAT_STALL_MS 5000
#define LEAT_BEAT_TURN_MS  1000

typedef struct leat_beat leat_beat;

/* Start the thread; it does nothing before it is told a session. hello: whose name, host, pid and
 * software the beat says; copied. LEAT_ERR_NOMEM, LEAT_ERR_LIMIT, LEAT_ERR_IO. */
LEAT_NODISCARD leat_err leat_beat_new(const leat_hello *hello, leat_beat **out);

/* Stop the thread and close its connection. */
void leat_beat_destroy(leat_beat **beat_p);

/* Beat for this session at this endpoint from now on; both are copied. The same as before changes
 * nothing. */
void leat_beat_set_session(leat_beat *beat, const leat_session_id *session, const char *endpoint);

/* What the heartbeats say; also: the loop has turned. */
void leat_beat_turn(leat_beat *beat, uint64_t started, uint32_t running);

#endif
