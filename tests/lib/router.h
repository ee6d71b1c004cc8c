/* A broker that says what the test tells it to: a bare ROUTER socket and LEAT/1 by hand.
 *
 * One thread uses a router. Everything must succeed: a failure of ZeroMQ or a frame that cannot be
 * read ends the test. Frames go to the route that was read last, numbered as a broker does. */
#ifndef LEAT_TEST_ROUTER_H
#define LEAT_TEST_ROUTER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/control.h"
#include "proto/frame.h"
#include "proto/records.h"

typedef struct leat_router {
    void *context;
    void *socket; /* NULL while closed */
    char endpoint[128];
    uint8_t route[64];
    size_t route_size;
    uint64_t sequence; /* of the last frame that was numbered */
    int64_t lost_ms;   /* of WELCOME */
    uint32_t window_frames;
    char broker[33];
    char secret[41]; /* Z85: a CURVE server, its ZAP domain is "leat"; "": neither */
} leat_router;

/* A frame from a peer; body lives until the next read. */
typedef struct leat_router_frame {
    leat_frame head;
    uint8_t *body;
    size_t size;
} leat_router_frame;

/* Bind to endpoint; with a port of 0 the system chooses one. router->endpoint is what to connect
 * to. A closed router may be opened again: same address, routes forgotten, numbers go on. */
void leat_router_init(leat_router *router, const char *endpoint);
/* The same with CURVE. Somebody answers at inproc://zeromq.zap.01 of router->context, in a thread
 * of its own, or every client is let in. */
void leat_router_init_curve(leat_router *router, const char *endpoint, const char *secret);
void leat_router_open(leat_router *router);
/* As if the process had been killed. */
void leat_router_close(leat_router *router);
void leat_router_fini(leat_router *router);

/* The next frame, HEARTBEATs too, waiting at most timeout_ms. */
bool leat_router_read(leat_router *router, int timeout_ms, leat_router_frame *frame);
void leat_router_frame_fini(leat_router_frame *frame);

/* Send a frame that was begun with leat_frame_begin and hangs in buf; count records. buf is empty
 * after. */
void leat_router_send(leat_router *router, leat_buf *buf, uint16_t count);
/* Any bytes, in `parts` equal parts. */
void leat_router_send_raw(leat_router *router, const void *data, size_t size, int parts);

void leat_router_welcome(leat_router *router, bool resumed);
void leat_router_sent(
    leat_router *router, uint64_t sequence, uint64_t batch, uint64_t first_id, uint32_t accepted);
void leat_router_acked(leat_router *router, uint64_t sequence);
void leat_router_error(leat_router *router, leat_err code, uint64_t sequence, const char *sentence);
void leat_router_reply(leat_router *router, const char *json);
void leat_router_heartbeat(leat_router *router);
void leat_router_bye(leat_router *router);

/* The HELLO in frame; on the heap, to be freed. */
leat_hello *leat_router_hello(const leat_router_frame *frame);

#endif
