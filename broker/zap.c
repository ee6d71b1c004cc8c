/* The ZAP handler. See zap.h. */
#include "broker/zap.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"

#define ENDPOINT  "inproc://zeromq.zap.01"
#define PARTS_MAX 16U
#define KEY_BYTES 32U
#define TEST_MS   2000
#define REFUSED_LOGS \
    10 /* lines about refused keys a minute: a flood of them must not fill a disk */

struct leat_zap {
    void *socket;
    leat_access *access;
    pthread_t thread;
    atomic_bool logs;
    int64_t minute;
    unsigned logged;
};

/* ------------------------------------------------------------------------------ the handler */

/* A request: version, id, domain, address, identity, mechanism, credentials. */
struct request {
    zmq_msg_t parts[PARTS_MAX];
    unsigned count;
};

static bool
part_is(struct request *request, unsigned i, const char *text)
{
    return i < request->count && zmq_msg_size(&request->parts[i]) == strlen(text) &&
           memcmp(zmq_msg_data(&request->parts[i]), text, strlen(text)) == 0;
}

/* False: the context is being shut down. */
static bool
receive(void *socket, struct request *request)
{
    request->count = 0;
    for (;;) {
        zmq_msg_t part;
        (void)zmq_msg_init(&part);
        if (zmq_msg_recv(&part, socket, 0) < 0) {
            (void)zmq_msg_close(&part);
            if (errno == EINTR)
                continue;
            return false;
        }
        const int more = zmq_msg_more(&part);
        if (request->count < PARTS_MAX)
            request->parts[request->count++] = part;
        else
            (void)zmq_msg_close(&part);
        if (!more)
            return true;
    }
}

static void
log_refused(struct leat_zap *zap, struct request *request, const char *key)
{
    const int64_t minute = leat_clock_mono_ms() / 60000;
    if (minute != zap->minute) {
        zap->minute = minute;
        zap->logged = 0;
    }
    if (!atomic_load(&zap->logs) || zap->logged++ >= REFUSED_LOGS)
        return;
    LEAT_LOG(LEAT_LOG_WARN, "access.refused", "a key that is not allowed",
             LEAT_KV_TEXT("public", key),
             LEAT_KV_BYTES("address", zmq_msg_data(&request->parts[3]),
                           zmq_msg_size(&request->parts[3])));
}

/* The Z85 text of the key if it may come in, else "". */
static void
judge(struct leat_zap *zap, struct request *request, char key[LEAT_KEY_Z85_BYTES + 1])
{
    key[0] = '\0';
    if (request->count < 7 || !part_is(request, 0, "1.0") ||
        !part_is(request, 2, LEAT_ZAP_DOMAIN) || !part_is(request, 5, "CURVE") ||
        zmq_msg_size(&request->parts[6]) != KEY_BYTES)
        return;
    if (zmq_z85_encode(key, zmq_msg_data(&request->parts[6]), KEY_BYTES) == NULL)
        key[0] = '\0';
    if (key[0] != '\0' && !leat_access_allows(zap->access, key)) {
        log_refused(zap, request, key);
        key[0] = '\0';
    }
}

static void
answer(struct leat_zap *zap, struct request *request, const char *user)
{
    const char *const code = user[0] != '\0' ? "200" : "400";
    const char *const text = user[0] != '\0' ? "OK" : "not allowed";
    void *const socket = zap->socket;
    (void)zmq_send(socket, "1.0", 3, ZMQ_SNDMORE);
    if (request->count > 1)
        (void)zmq_msg_send(&request->parts[1], socket, ZMQ_SNDMORE);
    else
        (void)zmq_send(socket, "", 0, ZMQ_SNDMORE);
    (void)zmq_send(socket, code, 3, ZMQ_SNDMORE);
    (void)zmq_send(socket, text, strlen(text), ZMQ_SNDMORE);
    (void)zmq_send(socket, user, strlen(user), ZMQ_SNDMORE);
    (void)zmq_send(socket, "", 0, 0);
}

static void *
handle(void *argument)
{
    struct leat_zap *const zap = argument;
    struct request request;
    while (receive(zap->socket, &request)) {
        char user[LEAT_KEY_Z85_BYTES + 1];
        judge(zap, &request, user);
        answer(zap, &request, user);
        for (unsigned i = 0; i < request.count; i++)
            (void)zmq_msg_close(&request.parts[i]);
    }
    (void)zmq_close(zap->socket);
    return NULL;
}

leat_err
leat_zap_start(void *context, leat_access *access, leat_zap **out)
{
    leat_zap *const zap = calloc(1, sizeof *zap);
    if (zap == NULL)
        return LEAT_ERR_NOMEM;
    zap->access = access;
    zap->socket = zmq_socket(context, ZMQ_REP);
    const int linger = 0;
    if (zap->socket == NULL ||
        zmq_setsockopt(zap->socket, ZMQ_LINGER, &linger, sizeof linger) != 0 ||
        zmq_bind(zap->socket, ENDPOINT) != 0 ||
        pthread_create(&zap->thread, NULL, handle, zap) != 0) {
        if (zap->socket != NULL)
            (void)zmq_close(zap->socket);
        free(zap);
        return LEAT_ERR_IO;
    }
    *out = zap;
    return LEAT_ERR_OK;
}

void
leat_zap_log_refused(leat_zap *zap, bool on)
{
    atomic_store(&zap->logs, on);
}

void
leat_zap_stop(leat_zap **zap_p)
{
    leat_zap *const zap = *zap_p;
    if (zap == NULL)
        return;
    (void)pthread_join(zap->thread, NULL);
    free(zap);
    *zap_p = NULL;
}

/* ------------------------------------------------------------------------------ the self-test */

enum intruder {
    STRANGER,
    NOBODY,
    PLAIN,
    INTRUDER_COUNT
};

static const char *const intruder_names[] = {
    "a key that nobody has allowed", "a connection without a key", "a user name and password"};

static bool
disguise(void *socket, enum intruder intruder, const char *server_key)
{
    char public_key[LEAT_KEY_Z85_BYTES + 1];
    char secret_key[LEAT_KEY_Z85_BYTES + 1];
    if (intruder == NOBODY)
        return true;
    if (intruder == PLAIN)
        return zmq_setsockopt(socket, ZMQ_PLAIN_USERNAME, "admin", 5) == 0 &&
               zmq_setsockopt(socket, ZMQ_PLAIN_PASSWORD, "admin", 5) == 0;
    return zmq_curve_keypair(public_key, secret_key) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key, LEAT_KEY_Z85_BYTES + 1) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public_key, sizeof public_key) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret_key, sizeof secret_key) == 0;
}

/* What becomes of the handshake: 1 let in, -1 refused, 0 not known in time. */
static int
watch(void *monitor)
{
    const int64_t end = leat_clock_mono_ms() + TEST_MS;
    for (;;) {
        const int64_t left = end - leat_clock_mono_ms();
        const int wait = left < 0 ? 0 : (int)left;
        (void)zmq_setsockopt(monitor, ZMQ_RCVTIMEO, &wait, sizeof wait);
        zmq_msg_t event;
        zmq_msg_t address;
        (void)zmq_msg_init(&event);
        (void)zmq_msg_init(&address);
        if (zmq_msg_recv(&event, monitor, 0) < 6 || zmq_msg_recv(&address, monitor, 0) < 0) {
            (void)zmq_msg_close(&event);
            (void)zmq_msg_close(&address);
            return 0;
        }
        uint16_t kind;
        memcpy(&kind, zmq_msg_data(&event), sizeof kind);
        (void)zmq_msg_close(&event);
        (void)zmq_msg_close(&address);
        if (kind == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
            return 1;
        if (kind == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH ||
            kind == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL ||
            kind == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL || kind == ZMQ_EVENT_DISCONNECTED)
            return -1;
    }
}

static int
intrude(void *context, const char *url, enum intruder intruder, const char *server_key)
{
    static const char spy[] = "inproc://self-test";
    const int never = -1;
    const int none = 0;
    int seen = 0;
    void *const socket = zmq_socket(context, ZMQ_DEALER);
    void *const monitor = zmq_socket(context, ZMQ_PAIR);
    if (socket != NULL && monitor != NULL &&
        zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none) == 0 &&
        zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &never, sizeof never) == 0 &&
        disguise(socket, intruder, server_key) &&
        zmq_socket_monitor(socket, spy, ZMQ_EVENT_ALL) == 0 && zmq_connect(monitor, spy) == 0 &&
        zmq_connect(socket, url) == 0)
        seen = watch(monitor);
    if (socket != NULL) {
        (void)zmq_socket_monitor(socket, NULL, 0);
        (void)zmq_close(socket);
    }
    if (monitor != NULL)
        (void)zmq_close(monitor);
    return seen;
}

leat_err
leat_zap_self_test(const char *url, const char *server_key, char why[512])
{
    leat_err err = LEAT_ERR_OK;
    for (enum intruder i = STRANGER; i < INTRUDER_COUNT && err == LEAT_ERR_OK; i++) {
        void *const context = zmq_ctx_new(); /* of its own: the monitor's name can be used again */
        const int seen = context == NULL ? 0 : intrude(context, url, i, server_key);
        if (context != NULL)
            (void)zmq_ctx_term(context);
        if (seen < 0)
            continue;
        err = LEAT_ERR_BAD_STATE;
        (void)snprintf(why, 512, "self-test of %s: %s was %s; this broker does not serve", url,
                       intruder_names[i], seen > 0 ? "let in" : "not refused in time");
    }
    return err;
}
