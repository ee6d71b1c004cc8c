/* One ZeroMQ socket and its monitor. What libzmq 4.3.4 tells with ZMQ_RECONNECT_IVL -1 (tried):
 *
 *   refused TCP, missing or stale ipc file   CLOSED within a millisecond
 *   connect timeout                          CLOSED
 *   a name that is not found                 nothing at all: the caller has a timer
 *   something that is no ZeroMQ              CONNECTED, HANDSHAKE_FAILED_NO_DETAIL, DISCONNECTED
 *   a broker that does not know our key      CONNECTED, HANDSHAKE_FAILED_AUTH (400)
 *   a broker with another key than ours says CONNECTED, HANDSHAKE_FAILED_NO_DETAIL, DISCONNECTED
 *   only one side with keys                  CONNECTED, HANDSHAKE_FAILED_PROTOCOL (mechanism) or,
 *                                            when the other one was faster, as in the line above
 *   a killed peer                            DISCONNECTED within a millisecond
 *
 * A monitor's name stays taken for a moment after its socket was closed, hence the numbers. */
#include "proto/link/connection.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "proto/limits.h"

#define SEND_FRAMES_MAX    32   /* ZMQ_SNDHWM: the window bounds us, this is the pipe's depth */
#define RECEIVE_FRAMES_MAX 8    /* ZMQ_RCVHWM: the broker has at most as many on their way */
#define HANDSHAKE_MS       5000 /* ZeroMQ's own greeting */
#define PROBE_MS           5000 /* ZeroMQ's heartbeat: proves the process, ours proves the loop */
#define PROBE_TIMEOUT_MS   15000
#define KEEPALIVE_IDLE_S   30
#define ZAP_REFUSED        400

#define WATCHED_EVENTS                                                             \
    (ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_CONNECT_RETRIED | \
     ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |   \
     ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |  \
     ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

static const struct {
    int name;
    int value;
} settings[] = {
    {ZMQ_RECONNECT_IVL,       -1                     },
    {ZMQ_LINGER,              0                      },
    {ZMQ_IMMEDIATE,           1                      },
    {ZMQ_SNDHWM,              SEND_FRAMES_MAX        },
    {ZMQ_RCVHWM,              RECEIVE_FRAMES_MAX     },
    {ZMQ_IPV6,                1                      },
    {ZMQ_CONNECT_TIMEOUT,     LEAT_CONNECT_TIMEOUT_MS},
    {ZMQ_HANDSHAKE_IVL,       HANDSHAKE_MS           },
    {ZMQ_HEARTBEAT_IVL,       PROBE_MS               },
    {ZMQ_HEARTBEAT_TIMEOUT,   PROBE_TIMEOUT_MS       },
    {ZMQ_HEARTBEAT_TTL,       0                      }, /* a timer in the broker, see broker/gate.c */
    {ZMQ_TCP_KEEPALIVE,       1                      },
    {ZMQ_TCP_KEEPALIVE_IDLE,  KEEPALIVE_IDLE_S       },
    {ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_IDLE_S / 3   },
};

static leat_err
set_options(void *socket)
{
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const int value = settings[i].value;
        if (zmq_setsockopt(socket, settings[i].name, &value, sizeof value) != 0)
            return leat_err_from_errno(errno);
    }
    const int64_t bytes_max = LEAT_WIRE_BYTES_MAX;
    if (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &bytes_max, sizeof bytes_max) != 0)
        return leat_err_from_errno(errno);
    return LEAT_ERR_OK;
}

/* Put the socket's descriptor into the epoll set; -1 on failure. It must leave the set before the
 * socket is closed: another thread closes it, later, and its number may be taken again by then. */
static int
watch(void *socket, int epoll_fd)
{
    int fd = -1;
    size_t size = sizeof fd;
    if (zmq_getsockopt(socket, ZMQ_FD, &fd, &size) != 0)
        return -1;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? fd : -1;
}

static leat_err
open_monitor(leat_connection *connection, void *context, uint64_t number)
{
    char name[64];
    (void)snprintf(name, sizeof name, "inproc://leat-%p-%" PRIu64, (void *)connection, number);
    if (zmq_socket_monitor(connection->socket, name, WATCHED_EVENTS) != 0)
        return leat_err_from_errno(errno);
    connection->monitor = zmq_socket(context, ZMQ_PAIR);
    if (connection->monitor == NULL)
        return leat_err_from_errno(errno);
    const int none = 0;
    if (zmq_setsockopt(connection->monitor, ZMQ_LINGER, &none, sizeof none) != 0 ||
        zmq_connect(connection->monitor, name) != 0)
        return leat_err_from_errno(errno);
    return LEAT_ERR_OK;
}

bool
leat_connection_wants_key(const char *endpoint)
{
    return strncmp(endpoint, "tcp://", 6) == 0;
}

static leat_err
set_key(void *socket, const leat_key *key)
{
    const size_t size = LEAT_KEY_Z85_BYTES + 1;
    if (zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, key->broker_public, size) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, key->public_key, size) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, key->secret, size) != 0)
        return LEAT_ERR_UNSUPPORTED; /* the key was checked: it is libzmq that cannot */
    return LEAT_ERR_OK;
}

leat_err
leat_connection_open(leat_connection *connection,
                     void *context,
                     int epoll_fd,
                     const char *endpoint,
                     const leat_key *key,
                     uint64_t number)
{
    *connection = (leat_connection){.epoll_fd = epoll_fd, .socket_fd = -1, .monitor_fd = -1};

    leat_err err = LEAT_ERR_OK;
    connection->socket = zmq_socket(context, ZMQ_DEALER);
    if (connection->socket == NULL)
        return leat_err_from_errno(errno);
    err = set_options(connection->socket);
    if (err == LEAT_ERR_OK && key != NULL && leat_connection_wants_key(endpoint))
        err = set_key(connection->socket, key);
    if (err != LEAT_ERR_OK)
        goto done;
    err = open_monitor(connection, context, number);
    if (err != LEAT_ERR_OK)
        goto done;
    connection->socket_fd = watch(connection->socket, epoll_fd);
    connection->monitor_fd = watch(connection->monitor, epoll_fd);
    if (connection->socket_fd < 0 || connection->monitor_fd < 0) {
        err = LEAT_ERR_IO;
        goto done;
    }
    if (zmq_connect(connection->socket, endpoint) != 0)
        err = errno == ENOMEM || errno == EMTHREAD ? leat_err_from_errno(errno) : LEAT_ERR_CONFIG;

done:
    if (err != LEAT_ERR_OK)
        leat_connection_close(connection, 0);
    return err;
}

void
leat_connection_close(leat_connection *connection, int linger_ms)
{
    if (connection->socket == NULL)
        return;
    if (connection->socket_fd >= 0)
        (void)epoll_ctl(connection->epoll_fd, EPOLL_CTL_DEL, connection->socket_fd, NULL);
    if (connection->monitor_fd >= 0)
        (void)epoll_ctl(connection->epoll_fd, EPOLL_CTL_DEL, connection->monitor_fd, NULL);
    (void)zmq_socket_monitor(connection->socket, NULL, 0);
    (void)zmq_setsockopt(connection->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    (void)zmq_close(connection->socket);
    if (connection->monitor != NULL)
        (void)zmq_close(connection->monitor);
    connection->socket = NULL;
    connection->monitor = NULL;
    connection->socket_fd = -1;
    connection->monitor_fd = -1;
}

/* The number of one event, and its value; its address part is thrown away. 0: none. */
static unsigned
read_event(void *monitor, uint32_t *value)
{
    uint16_t number = 0;
    zmq_msg_t msg;
    *value = 0;
    (void)zmq_msg_init(&msg);
    if (zmq_msg_recv(&msg, monitor, ZMQ_DONTWAIT) >= (int)(sizeof number + sizeof *value)) {
        const uint8_t *const data = zmq_msg_data(&msg);
        memcpy(&number, data, sizeof number);
        memcpy(value, data + sizeof number, sizeof *value);
    }
    while (zmq_msg_more(&msg) && zmq_msg_recv(&msg, monitor, ZMQ_DONTWAIT) >= 0)
        continue;
    (void)zmq_msg_close(&msg);
    return number;
}

leat_connection_news
leat_connection_next_news(leat_connection *connection)
{
    for (;;) {
        uint32_t value;
        switch (read_event(connection->monitor, &value)) {
        case 0:
            return LEAT_CONNECTION_QUIET;
        case ZMQ_EVENT_CONNECTED:
        case ZMQ_EVENT_CONNECT_DELAYED:
            connection->started = true;
            continue;
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
            return LEAT_CONNECTION_READY;
        case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            return LEAT_CONNECTION_FOREIGN;
        case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
            return value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH ? LEAT_CONNECTION_KEYS
                                                                       : LEAT_CONNECTION_FOREIGN;
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
            /* 500 is the other side's own trouble, and may pass. */
            return value == ZAP_REFUSED ? LEAT_CONNECTION_KEY : LEAT_CONNECTION_FOREIGN;
        case ZMQ_EVENT_DISCONNECTED:
            return LEAT_CONNECTION_GONE;
        case ZMQ_EVENT_CLOSED:
        case ZMQ_EVENT_CONNECT_RETRIED:
            return LEAT_CONNECTION_REFUSED;
        default:
            continue;
        }
    }
}

bool
leat_connection_receive(leat_connection *connection, zmq_msg_t *msg)
{
    return zmq_msg_recv(msg, connection->socket, ZMQ_DONTWAIT) >= 0;
}

bool
leat_connection_send(leat_connection *connection, zmq_msg_t *msg)
{
    return zmq_msg_send(msg, connection->socket, ZMQ_DONTWAIT) >= 0;
}

int
leat_connection_ready(const leat_connection *connection)
{
    int events = 0;
    size_t size = sizeof events;
    if (connection->socket == NULL ||
        zmq_getsockopt(connection->socket, ZMQ_EVENTS, &events, &size) != 0)
        return 0;
    return events;
}
