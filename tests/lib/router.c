/* The scripted broker of the link's and the library's tests. */
#include "tests/lib/router.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zmq.h>

#define MUST(condition)                                                           \
    do {                                                                          \
        if (!(condition)) {                                                       \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                              \
        }                                                                         \
    } while (0)

void
leat_router_init(leat_router *router, const char *endpoint)
{
    leat_router_init_curve(router, endpoint, "");
}

void
leat_router_init_curve(leat_router *router, const char *endpoint, const char *secret)
{
    *router = (leat_router){.lost_ms = LEAT_LOST_MS, .window_frames = LEAT_WINDOW_FRAMES};
    (void)snprintf(router->endpoint, sizeof router->endpoint, "%s", endpoint);
    (void)snprintf(router->secret, sizeof router->secret, "%s", secret);
    memset(router->broker, 'a', sizeof router->broker - 1);
    router->context = zmq_ctx_new();
    MUST(router->context != NULL);
    leat_router_open(router);
}

void
leat_router_open(leat_router *router)
{
    const int zero = 0;
    const int one = 1;
    router->socket = zmq_socket(router->context, ZMQ_ROUTER);
    MUST(router->socket != NULL);
    MUST(zmq_setsockopt(router->socket, ZMQ_LINGER, &zero, sizeof zero) == 0);
    MUST(zmq_setsockopt(router->socket, ZMQ_ROUTER_MANDATORY, &one, sizeof one) == 0);
    if (router->secret[0] != '\0') {
        MUST(zmq_setsockopt(router->socket, ZMQ_CURVE_SERVER, &one, sizeof one) == 0);
        MUST(zmq_setsockopt(router->socket, ZMQ_CURVE_SECRETKEY, router->secret,
                            sizeof router->secret) == 0);
        MUST(zmq_setsockopt(router->socket, ZMQ_ZAP_DOMAIN, "leat", 4) == 0);
    }
    /* A closed socket gives its address back a moment later, in another thread. */
    int rc = -1;
    for (int i = 0; i < 1000 && rc != 0; i++) {
        rc = zmq_bind(router->socket, router->endpoint);
        if (rc != 0) {
            MUST(errno == EADDRINUSE);
            (void)zmq_poll(NULL, 0, 5);
        }
    }
    MUST(rc == 0);
    size_t size = sizeof router->endpoint;
    MUST(zmq_getsockopt(router->socket, ZMQ_LAST_ENDPOINT, router->endpoint, &size) == 0);
}

void
leat_router_close(leat_router *router)
{
    if (router->socket != NULL)
        MUST(zmq_close(router->socket) == 0);
    router->socket = NULL;
    router->route_size = 0;
}

void
leat_router_fini(leat_router *router)
{
    leat_router_close(router);
    MUST(zmq_ctx_term(router->context) == 0);
    router->context = NULL;
}

bool
leat_router_read(leat_router *router, int timeout_ms, leat_router_frame *frame)
{
    zmq_pollitem_t item = {.socket = router->socket, .events = ZMQ_POLLIN};
    if (zmq_poll(&item, 1, timeout_ms) <= 0)
        return false;
    zmq_msg_t msg;
    MUST(zmq_msg_init(&msg) == 0);
    MUST(zmq_msg_recv(&msg, router->socket, 0) >= 0);
    MUST(zmq_msg_size(&msg) <= sizeof router->route);
    router->route_size = zmq_msg_size(&msg);
    memcpy(router->route, zmq_msg_data(&msg), router->route_size);
    MUST(zmq_msg_more(&msg));
    MUST(zmq_msg_recv(&msg, router->socket, 0) >= 0);
    MUST(!zmq_msg_more(&msg));
    const size_t size = zmq_msg_size(&msg);
    MUST(leat_frame_decode(zmq_msg_data(&msg), size, LEAT_SIDE_PEER, &frame->head) == LEAT_ERR_OK);
    frame->size = size - LEAT_FRAME_BYTES;
    frame->body = malloc(frame->size + 1);
    MUST(frame->body != NULL);
    memcpy(frame->body, (uint8_t *)zmq_msg_data(&msg) + LEAT_FRAME_BYTES, frame->size);
    MUST(zmq_msg_close(&msg) == 0);
    return true;
}

void
leat_router_frame_fini(leat_router_frame *frame)
{
    free(frame->body);
    *frame = (leat_router_frame){0};
}

/* false: that peer is gone, and nobody misses the frame. */
static bool
send_route(leat_router *router)
{
    if (zmq_send(router->socket, router->route, router->route_size, ZMQ_SNDMORE) >= 0)
        return true;
    MUST(errno == EHOSTUNREACH);
    return false;
}

static void
send_buf(leat_router *router, leat_buf *buf)
{
    MUST(!buf->failed);
    if (send_route(router))
        MUST(zmq_send(router->socket, buf->data, buf->size, 0) >= 0);
    leat_buf_fini(buf);
}

void
leat_router_send(leat_router *router, leat_buf *buf, uint16_t count)
{
    leat_frame_finish(buf, 0, count, ++router->sequence);
    send_buf(router, buf);
}

void
leat_router_send_raw(leat_router *router, const void *data, size_t size, int parts)
{
    MUST(send_route(router));
    for (int i = 0; i < parts; i++)
        MUST(zmq_send(router->socket, data, size, i + 1 < parts ? ZMQ_SNDMORE : 0) >= 0);
}

void
leat_router_welcome(leat_router *router, bool resumed)
{
    leat_welcome welcome = {
        .epoch = 1,
        .resumed = resumed,
        .software = "leat test",
        .heartbeat_busy_ms = LEAT_HEARTBEAT_BUSY_MS,
        .heartbeat_idle_ms = LEAT_HEARTBEAT_IDLE_MS,
        .lost_ms = router->lost_ms,
        .frame_bytes_max = LEAT_FRAME_BYTES_MAX,
        .payload_bytes_max = LEAT_PAYLOAD_BYTES_MAX,
        .window_frames = router->window_frames,
    };
    memcpy(welcome.broker, router->broker, sizeof welcome.broker);
    leat_buf buf = {0};
    leat_welcome_put(&buf, &welcome, ++router->sequence, 0);
    send_buf(router, &buf);
}

void
leat_router_sent(
    leat_router *router, uint64_t sequence, uint64_t batch, uint64_t first_id, uint32_t accepted)
{
    const leat_sent sent = {
        .sequence = sequence, .batch = batch, .first_id = first_id, .accepted = accepted};
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_SENT);
    leat_sent_put(&buf, &sent);
    leat_router_send(router, &buf, 1);
}

void
leat_router_acked(leat_router *router, uint64_t sequence)
{
    const leat_acked acked = {.sequence = sequence};
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_ACKED);
    leat_acked_put(&buf, &acked);
    leat_router_send(router, &buf, 1);
}

void
leat_router_error(leat_router *router, leat_err code, uint64_t sequence, const char *sentence)
{
    const leat_error_record error = {
        .code = (uint16_t)code, .sequence = sequence, .sentence = leat_text_of(sentence)};
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_ERROR);
    leat_error_put(&buf, &error);
    leat_router_send(router, &buf, 1);
}

void
leat_router_reply(leat_router *router, const char *json)
{
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_REPLY);
    leat_put_bytes(&buf, json, strlen(json));
    leat_router_send(router, &buf, 1);
}

void
leat_router_heartbeat(leat_router *router)
{
    const leat_heartbeat heartbeat = {0};
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_HEARTBEAT);
    leat_heartbeat_put(&buf, &heartbeat);
    leat_router_send(router, &buf, 1);
}

void
leat_router_bye(leat_router *router)
{
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_BYE);
    leat_router_send(router, &buf, 0);
}

leat_hello *
leat_router_hello(const leat_router_frame *frame)
{
    char why[128] = "";
    leat_hello *const hello = calloc(1, sizeof *hello);
    MUST(hello != NULL);
    MUST(frame->head.command == LEAT_CMD_HELLO);
    MUST(leat_hello_decode(frame->body, frame->size, hello, why) == LEAT_ERR_OK);
    return hello;
}
