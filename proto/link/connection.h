/* leat_connection: one ZeroMQ socket from its connect to its end, with its monitor.
 *
 * libzmq never reconnects it: what comes after a loss is a new leat_connection. It knows no
 * protocol of ours; link.c does. All calls return at once. */
#ifndef LEAT_CONNECTION_H
#define LEAT_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include <zmq.h>

#include "proto/base/err.h"
#include "proto/link/key.h"

typedef struct leat_connection {
    void *socket;  /* owned DEALER; NULL: closed */
    void *monitor; /* owned PAIR with the socket's events */
    int epoll_fd;  /* borrowed; both sockets' descriptors are in it while open */
    int socket_fd;
    int monitor_fd;
    bool started; /* the connect has begun: the name was found */
} leat_connection;

typedef enum leat_connection_news {
    LEAT_CONNECTION_QUIET = 0,
    LEAT_CONNECTION_READY,   /* the handshake is done, frames may be sent */
    LEAT_CONNECTION_REFUSED, /* nobody listens there */
    LEAT_CONNECTION_FOREIGN, /* somebody listens, but does not speak ZeroMQ as we do */
    LEAT_CONNECTION_KEYS,    /* one side wants keys and the other has none */
    LEAT_CONNECTION_KEY,     /* the other side does not accept our key */
    LEAT_CONNECTION_GONE,    /* was connected, is not any more */
} leat_connection_news;

/* Begin to connect. number makes the monitor's name unique in the context. key: of a principal,
 * used (CURVE) where the endpoint is TCP; NULL: none. LEAT_ERR_CONFIG: ZeroMQ does not understand
 * the endpoint; LEAT_ERR_NOMEM, LEAT_ERR_IO. connection is closed after an error. */
LEAT_NODISCARD leat_err leat_connection_open(leat_connection *connection,
                                             void *context,
                                             int epoll_fd,
                                             const char *endpoint,
                                             const leat_key *key,
                                             uint64_t number);

/* Does a connection to this endpoint use the key? A unix socket has its own guard. */
bool leat_connection_wants_key(const char *endpoint);

/* Idempotent. What is not yet on the wire is thrown away after linger_ms. */
void leat_connection_close(leat_connection *connection, int linger_ms);

/* What the monitor has to say next; ask until QUIET. */
leat_connection_news leat_connection_next_news(leat_connection *connection);

/* A whole message into msg (initialised by the caller); false: none is there. */
bool leat_connection_receive(leat_connection *connection, zmq_msg_t *msg);

/* false: the pipe is full or not yet there, msg is unchanged. true: msg is empty. */
bool leat_connection_send(leat_connection *connection, zmq_msg_t *msg);

/* ZMQ_POLLIN, ZMQ_POLLOUT. The descriptor is edge-triggered: after a send or a receive only this
 * tells whether there is more. */
int leat_connection_ready(const leat_connection *connection);

#endif
