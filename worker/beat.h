/* leat_beat: the worker's pulse, an actor with a thread and a connection of its own.
 *
 * The broker takes a session for lost when its heartbeats stay out, and gives its jobs to others.
 * So heartbeats do not wait behind the worker's frames: a second connection (HELLO role `beat`,
 * naming the worker's session) sends nothing else. It also watches the worker's loop. A loop that
 * has not turned for LEAT_BEAT_STALL_MS would keep jobs that it does not run, so the beat falls
 * silent until the loop turns again; the loop wakes at least every LEAT_BEAT_TURN_MS for this. */
#ifndef LEAT_WORKER_BEAT_H
#define LEAT_WORKER_BEAT_H

#include "proto/control.h"
#include "proto/link/key.h"

#define LEAT_BEAT_STALL_MS 5000
#define LEAT_BEAT_TURN_MS  1000

typedef struct leat_beat leat_beat;

/* leat_link_process_init for a process with a beat: keep CZMQ from the signals, start it, then seed
 * libzmq. CZMQ seeds too, with the second of the day, so this comes before the process's first link
 * or leat_link_process_init; more calls do nothing. */
void leat_beat_process_init(void);

/* Start the actor, after leat_beat_process_init; it does nothing before it is told a session.
 * hello: whose name, host, pid and software the beat says; copied. key: the worker's, copied; NULL:
 * none. LEAT_ERR_NOMEM. CZMQ ends the process when the actor's thread or its pipe's descriptors
 * cannot be had. */
LEAT_NODISCARD leat_err leat_beat_new(const leat_hello *hello,
                                      const leat_key *key,
                                      leat_beat **out);

/* Close its connection and end the actor. */
void leat_beat_destroy(leat_beat **beat_p);

/* Beat for this session at this endpoint from now on; both are copied. The same as before changes
 * nothing. */
void leat_beat_set_session(leat_beat *beat, const leat_session_id *session, const char *endpoint);

/* What the heartbeats say; also: the loop has turned. */
void leat_beat_turn(leat_beat *beat, uint64_t started, uint32_t running);

#endif
