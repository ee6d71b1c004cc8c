/* speaker: one session with a real broker, spoken by hand, that outlives the broker.
 *
 * One frame at a time is unanswered. When the connection goes, the speaker comes back as
 * PROTOCOL.md says (resume, the unanswered frame again with its sequence, then what `again` says),
 * so that a broker may be killed at any moment and the story goes on where it was. Whatever breaks
 * the protocol ends the process with SPEAKER_VIOLATED and a sentence. */
#ifndef LEAT_TEST_CRASH_SPEAKER_H
#define LEAT_TEST_CRASH_SPEAKER_H

#include <zmq.h>

#include "proto/control.h"
#include "proto/frame.h"

#define SPEAKER_VIOLATED 1
#define SPEAKER_ALONE    3 /* there is no broker any more, or it says nothing */

typedef struct speaker {
    void *zmq;
    void *socket;
    void *monitor; /* tells when the connection goes */
    const char *url;
    bool resumes; /* else the loss of the broker ends the process with SPEAKER_ALONE */
    leat_hello hello;
    leat_welcome welcome;
    uint64_t sequence; /* of the last numbered frame */
    uint64_t seen;
    unsigned unconfirmed; /* frames read since one was sent */
    uint64_t losses;      /* of the connection */
    leat_buf pending;     /* the numbered frame that has no answer, or empty */
    void (*again)(void *context);
    void *context;
    zmq_msg_t message; /* the last frame read: its header, and borrowed from it the body */
    leat_frame frame;
    const uint8_t *body;
    size_t size;
} speaker;

_Noreturn void speaker_die(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* hello is set by the caller before the first call: role, handlers, channels. */
void speaker_open(speaker *self);
void speaker_close(speaker *self);

/* Send a frame that is not answered; buf is empty after. */
void speaker_say(speaker *self, leat_buf *buf);
/* Send one that is, with the next sequence; it is the caller's to read on until the answer. */
void speaker_ask(speaker *self, leat_buf *buf);
/* The answer has come. */
void speaker_answered(speaker *self);
/* The next frame that is no HEARTBEAT; an ERROR is a violation. */
leat_command speaker_read(speaker *self);

#endif
