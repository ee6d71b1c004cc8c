/* A peer that speaks LEAT/1 by hand to a real broker: a bare DEALER socket that sends any bytes,
 * and reads what the broker says. Everything but the broker's answers must succeed: it asserts. */
#ifndef LEAT_TEST_PEER_H
#define LEAT_TEST_PEER_H

#include <zmq.h>

#include "proto/control.h"
#include "proto/frame.h"
#include "proto/records.h"

/* About 60 KiB, because of hello. */
typedef struct peer {
    void *context;
    void *socket;
    leat_hello hello;  /* a client's; the test changes what it likes before peer_hello */
    uint64_t sequence; /* of the last frame that had one; the test counts it up */
    uint64_t seen;     /* goes out with every frame of peer_send */
    zmq_msg_t message; /* the last frame read: its header, and borrowed from it the body */
    leat_frame frame;
    const uint8_t *body;
    size_t size;
} peer;

/* Connect, and say nothing yet. A read waits for 10 s. */
void peer_open(peer *self, const char *url);
void peer_close(peer *self);

void peer_send_bytes(const peer *self, const void *data, size_t size);
/* Send what is in buf, with `seen` in its header; buf is empty after. */
void peer_send(const peer *self, leat_buf *buf);
/* The next frame that is no HEARTBEAT; its command. */
unsigned peer_read(peer *self);

/* Say HELLO; say it and read WELCOME; the same with a new session, over the same connection. */
void peer_hello(const peer *self);
void peer_join(peer *self);
void peer_join_as_new(peer *self);

/* A SEND for handler noop in channel default: its header and head; the whole of it with one job. */
void peer_begin_send(leat_buf *buf);
void peer_put_send(leat_buf *buf, uint64_t sequence);
/* A frame whose body is this text. */
void peer_put_json(leat_buf *buf, leat_command command, const char *json, uint64_t sequence);

/* The next frame is an ERROR with this code, about this sequence, whose sentence has these words.
 */
void peer_expect_error(peer *self, leat_err code, uint64_t sequence, const char *words);
/* The session works: a SEND with the next sequence is taken in. */
void peer_expect_goes_on(peer *self);

#endif
