/* leat_pulse: what a beat does, without its thread: a connection that sends nothing but heartbeats,
 * and an eye on the worker's loop. beat.h says why.
 *
 *     loop ── atomics: what a heartbeat says, and that it turns ──► pulse ── link ──► broker
 *
 * The loop tells its figures in every pass, so they are no messages: the pulse looks at them
 * whenever its thread wakes, at the link's due times and at least every second. Which thread that
 * is differs: an actor of CZMQ in leat-worker (beat.c), a plain one in somebody else's program
 * (guest_beat.c). */
#ifndef LEAT_WORKER_PULSE_H
#define LEAT_WORKER_PULSE_H

#include <stdatomic.h>

#include "proto/link/link.h"

typedef struct leat_pulse {
    atomic_uint_fast64_t turns;
    atomic_uint_fast64_t started;
    atomic_uint_fast32_t running;

    /* the thread's own */
    leat_link_options options;
    leat_key key;    /* what options.key points at, if it does */
    leat_link *link; /* NULL: no session yet, or refused */
    uint64_t turns_seen;
    int64_t turned_ms; /* when the loop was last seen turning */
    bool stalled;
} leat_pulse;

/* hello and key as leat_beat_new has them; both are copied. pulse is zero, and must not move. */
void leat_pulse_init(leat_pulse *pulse, const leat_hello *hello, const leat_key *key);
/* Closes the connection; by the thread, or when that has ended. */
void leat_pulse_fini(leat_pulse *pulse);

/* From any thread: what the heartbeats say; also: the loop has turned. */
void leat_pulse_turn(leat_pulse *pulse, uint64_t started, uint32_t running);

/* ---- the thread's ---- */

/* Connect anew, for another session or to another broker. */
void leat_pulse_follow(leat_pulse *pulse, const char *endpoint, const leat_session_id *session);
/* Beat, if that is due and the loop turns. */
void leat_pulse_work(leat_pulse *pulse);
/* How long the thread may sleep, ms, and which descriptor wakes it before; -1: none. */
int64_t leat_pulse_wait_ms(const leat_pulse *pulse, int *fd);

#endif
