/* wire: a peer over a link and nothing else, for programs that measure. A measurement that met an
 * error is worth nothing, so whatever goes wrong ends the process with a sentence. */
#ifndef LEAT_BENCH_WIRE_H
#define LEAT_BENCH_WIRE_H

#include "proto/link/link.h"
#include "proto/records.h"

#define WIRE_FRAME_JOBS 512U /* in a frame of ours */
#define WIRE_HANDLER    "noop"

__attribute__((noreturn)) void wire_fail(const char *what, const char *why);
void wire_must(leat_err err, const char *what);

typedef struct wire_peer {
    leat_role role;
    const char *broker;
    const char *channel; /* of a worker … */
    uint64_t channels;   /* … unless it serves so many, … */
    uint64_t first;      /* … from this one on: see wire_channel */
    uint64_t slots;      /* of a worker */
    void *context;       /* ZeroMQ's, shared; NULL: one of its own */
    const leat_key *key; /* NULL: none */
} wire_peer;

/* The name of one of many channels. */
#define WIRE_CHANNEL_BYTES 24U
void wire_channel(uint64_t number, char name[WIRE_CHANNEL_BYTES]);

leat_link *wire_connect(const wire_peer *peer);

/* The next frame, or false: nothing now. *up: there is a connection; when it is lost, that is the
 * end of the run. */
bool wire_next(leat_link *link, leat_link_event *event, bool *up);

/* How many records a frame has got accepted: 0, if it is no SENT. */
uint64_t wire_accepted(const leat_link_event *event);

/* An ACKED for ends that were all wanted. */
void wire_check_acked(const leat_link_event *event);

/* A worker's credit, of all its handlers. */
void wire_credit(leat_link *link, uint64_t items);

/* Jobs that a worker holds: a ring. */
typedef struct wire_hands {
    leat_token *jobs; /* owned */
    uint64_t capacity;
    uint64_t first;
    uint64_t count;
    uint64_t started; /* the highest number of JOBS that came */
} wire_hands;

/* Room for `hold` jobs; freed by the end of the process, or by free(hands->jobs). */
void wire_hands_init(wire_hands *hands, uint64_t hold);
void wire_hands_take(wire_hands *hands, const leat_link_event *event);
/* The oldest; there is one. */
leat_token wire_hands_let_go(wire_hands *hands);

#endif
