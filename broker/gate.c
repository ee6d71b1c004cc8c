/* ROUTER sockets on one side, the core's frames on the other. See gate.h. */
#include "broker/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/core/table.h"
#include "broker/zap.h"
#include "proto/base/list.h"
#include "proto/base/log.h"

#define SOCKETS_MAX 16
/* ZMQ_ZAP_ENFORCE_DOMAIN: a draft name in 4.3.4, which works by its number. */
#define ENFORCE_ZAP_DOMAIN 93
#define IDENTITY_MAX       8U
#define REFRESH_MS         200   /* how often the keys directory is looked at */
#define SILENT_MS          60000 /* a connection that serves no session is forgotten after this */
#define KEEPALIVE_IDLE_S   10
#define UNCONFIRMED_MS     20000
#define PIPE_FRAMES        16 /* high-water mark of one connection: a fuse, the window is lower */

struct place {
    leat_list_node by_age; /* in gate->by_age */
    leat_route route;
    int64_t heard_ms;  /* monotonic; or when it was last seen to be of use */
    uint32_t index;    /* in gate->places */
    uint32_t by_index; /* in gate->identities */
    uint64_t key;      /* of its identity, in gate->identities */
    int socket;
    uint8_t identity[IDENTITY_MAX];
    uint8_t identity_size;
    uint64_t generation;      /* of the keys, when `principal` was looked up */
    bool known;               /* principal is somebody */
    leat_principal principal; /* who speaks here */
};

struct leat_gate {
    void *context;
    void *sockets[SOCKETS_MAX];
    int locks[SOCKETS_MAX];  /* descriptors of the lock files of ipc paths, -1: none */
    bool curve[SOCKETS_MAX]; /* peers have keys */
    bool tcp[SOCKETS_MAX];
    int socket_count;
    leat_table places;     /* by route; owns */
    leat_table identities; /* by socket and identity */
    leat_list by_age;      /* the one that has been silent for longest first */
    leat_route next_route;
    leat_access *access; /* borrowed; NULL: no keys */
    leat_zap *zap;
    int64_t refresh_ms; /* monotonic; next look at the keys */
};

/* LEAT_FAULT_OPEN_DOOR is a bug that we put in on purpose, to see the self-test find it. */
#ifdef LEAT_FAULT_OPEN_DOOR
#define DOOR_IS_OPEN true
#else
#define DOOR_IS_OPEN false
#endif

static leat_err
start_zap(leat_gate *gate)
{
    return DOOR_IS_OPEN ? LEAT_ERR_OK : leat_zap_start(gate->context, gate->access, &gate->zap);
}

leat_err
leat_gate_new(leat_access *access, leat_gate **out)
{
    leat_gate *gate = calloc(1, sizeof *gate);
    if (gate == NULL)
        return LEAT_ERR_NOMEM;
    leat_table_init(&gate->places);
    leat_table_init(&gate->identities);
    leat_list_init(&gate->by_age);
    gate->next_route = 1;
    gate->context = zmq_ctx_new();
    if (gate->context == NULL) {
        free(gate);
        return LEAT_ERR_NOMEM;
    }
    (void)zmq_ctx_set(gate->context, ZMQ_MAX_SOCKETS, 65535);
    gate->access = access;
    if (access != NULL && start_zap(gate) != LEAT_ERR_OK) {
        leat_gate_destroy(&gate);
        return LEAT_ERR_IO;
    }
    *out = gate;
    return LEAT_ERR_OK;
}

void
leat_gate_destroy(leat_gate **gate_p)
{
    leat_gate *const gate = *gate_p;
    if (gate == NULL)
        return;
    for (int i = 0; i < gate->socket_count; i++)
        (void)zmq_close(gate->sockets[i]);
    (void)zmq_ctx_shutdown(gate->context); /* ends the ZAP handler */
    leat_zap_stop(&gate->zap);
    (void)zmq_ctx_term(gate->context);
    for (int i = 0; i < gate->socket_count; i++) {
        if (gate->locks[i] >= 0)
            (void)close(gate->locks[i]);
    }
    for (uint32_t i = leat_table_next(&gate->places, 0); i != 0;
         i = leat_table_next(&gate->places, i))
        free(leat_table_at(&gate->places, i));
    leat_table_fini(&gate->places);
    leat_table_fini(&gate->identities);
    free(gate);
    *gate_p = NULL;
}

/* ------------------------------------------------------------------------------ binding */

static bool
is_loopback(const char *host, size_t size)
{
    return (size == 9 && strncmp(host, "localhost", 9) == 0) ||
           (size == 5 && strncmp(host, "[::1]", 5) == 0) ||
           (size > 4 && strncmp(host, "127.", 4) == 0);
}

/* libzmq takes the low 16 bits of a number that is too large, and a port of its own for 0 and *,
 * which nobody would know. */
static bool
is_port(const char *text)
{
    unsigned port = 0;
    size_t digits = 0;
    for (; text[digits] >= '0' && text[digits] <= '9' && digits < 6; digits++)
        port = port * 10 + (unsigned)(text[digits] - '0');
    return digits > 0 && text[digits] == '\0' && port > 0 && port <= 65535;
}

/* An open port that nobody can use would only be something to attack. */
static leat_err
check_keys(const leat_gate *gate, const char *url, const char *port, char why[512])
{
    if (leat_access_count(gate->access) > 0)
        return LEAT_ERR_OK;
    (void)snprintf(why, 512,
                   "--bind %s: no key is allowed yet. Make one:  "
                   "leat key new w1 --role worker --keys DIR --broker tcp://HOST%s",
                   url, port);
    return LEAT_ERR_DENIED;
}

static leat_err
check_tcp(const leat_gate *gate, const char *url, bool insecure_loopback, char why[512])
{
    const char *const host = url + strlen("tcp://");
    const char *const port = strrchr(host, ':');
    if (port == NULL || port == host || !is_port(port + 1)) {
        (void)snprintf(why, 512, "--bind %s: no port from 1 to 65535 (tcp://127.0.0.1:5328)", url);
        return LEAT_ERR_CONFIG;
    }
    if (gate->access != NULL)
        return check_keys(gate, url, port, why);
    if (!is_loopback(host, (size_t)(port - host))) {
        (void)snprintf(why, 512,
                       "--bind %s: others can reach it, so it needs keys: --keys DIR. Make some:  "
                       "leat key new w1 --role worker --keys DIR --broker tcp://HOST%s",
                       url, port);
        return LEAT_ERR_DENIED;
    }
    if (!insecure_loopback) {
        (void)snprintf(why, 512,
                       "--bind %s: every user of this machine can reach it; use ipc://, give "
                       "--keys DIR, or add --insecure-loopback",
                       url);
        return LEAT_ERR_DENIED;
    }
    return LEAT_ERR_OK;
}

/* libzmq takes over the path of a socket that somebody serves, without a word. A lock beside it
 * prevents that. */
static leat_err
lock_ipc(const char *url, int *lock, char why[512])
{
    const char *const path = url + strlen("ipc://");
    char file[sizeof((struct sockaddr_un *)0)->sun_path + 8];
    if (strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path) {
        (void)snprintf(why, 512, "--bind %s: the path has %zu bytes, a socket's path ends at 107",
                       url, strlen(path));
        return LEAT_ERR_CONFIG;
    }
    if (path[0] == '\0' || path[0] == '*') {
        (void)snprintf(why, 512, "--bind %s: no path (ipc:///run/leat/broker.sock)", url);
        return LEAT_ERR_CONFIG;
    }
    if (path[0] != '/' && path[0] != '@') {
        (void)snprintf(why, 512, "--bind %s: the path of a socket begins with /", url);
        return LEAT_ERR_CONFIG;
    }
    if (path[0] == '@')
        return LEAT_ERR_OK; /* an abstract name: the kernel refuses a second one */
    (void)snprintf(file, sizeof file, "%s.lock", path);
    const int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        const int errnum = errno;
        (void)snprintf(why, 512, "--bind %s: cannot open %s: %s", url, file,
                       strerrordesc_np(errnum));
        return leat_err_from_errno(errnum) == LEAT_ERR_DENIED ? LEAT_ERR_DENIED : LEAT_ERR_IO;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        (void)close(fd);
        (void)snprintf(why, 512, "--bind %s: in use by another broker", url);
        return LEAT_ERR_IN_USE;
    }
    *lock = fd;
    return LEAT_ERR_OK;
}

static void
set_int(void *socket, int option, int value)
{
    const int rc = zmq_setsockopt(socket, option, &value, sizeof value);
    assert(rc == 0);
    (void)rc;
}

static void *
new_router(leat_gate *gate)
{
    void *const socket = zmq_socket(gate->context, ZMQ_ROUTER);
    if (socket == NULL)
        return NULL;
    const int64_t message_bytes = LEAT_WIRE_BYTES_MAX;
    (void)zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &message_bytes, sizeof message_bytes);
    set_int(socket, ZMQ_ROUTER_MANDATORY,
            1); /* a send that cannot be sent is an error, not silence */
    set_int(socket, ZMQ_SNDHWM, PIPE_FRAMES);
    set_int(socket, ZMQ_RCVHWM, PIPE_FRAMES);
    set_int(socket, ZMQ_LINGER, 0); /* what is not confirmed is asked for again */
    set_int(socket, ZMQ_HANDSHAKE_IVL, 5000);
    set_int(socket, ZMQ_BACKLOG, 4096);
    set_int(socket, ZMQ_IPV6, 1);
    /* Not ZeroMQ's heartbeats: libzmq looks for a timer that it cancels among those of all
     * connections, and each of its probes cancels one, so that 10 000 idle peers took most of a
     * core. HEARTBEAT tells who is alive; what a vanished host leaves behind TCP finds out: by
     * what it does not confirm, and by asking where there is nothing to confirm. */
    set_int(socket, ZMQ_TCP_KEEPALIVE, 1);
    set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S);
    set_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_IDLE_S);
    set_int(socket, ZMQ_TCP_MAXRT, UNCONFIRMED_MS);
    return socket;
}

/* An address that means "all of this host's" is reached by loopback. */
static void
self_test_url(const char *url, char out[LEAT_URL_BYTES_MAX])
{
    static const char *const all[] = {"tcp://*:", "tcp://0.0.0.0:", "tcp://[::]:"};
    (void)snprintf(out, LEAT_URL_BYTES_MAX, "%s", url);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strncmp(url, all[i], strlen(all[i])) == 0)
            (void)snprintf(out, LEAT_URL_BYTES_MAX, "tcp://127.0.0.1:%s", url + strlen(all[i]));
    }
}

static void
use_keys(const leat_gate *gate, void *socket)
{
    const leat_key *const own = leat_access_key(gate->access);
    set_int(socket, ZMQ_CURVE_SERVER, 1);
    int rc = zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, own->secret, sizeof own->secret);
    assert(rc == 0);
    if (!DOOR_IS_OPEN) {
        rc = zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, LEAT_ZAP_DOMAIN, sizeof LEAT_ZAP_DOMAIN - 1);
        assert(rc == 0);
        set_int(socket, ENFORCE_ZAP_DOMAIN, 1);
    }
    (void)rc;
}

leat_err
leat_gate_bind(leat_gate *gate, const char *url, bool insecure_loopback, char why[512])
{
    leat_err err = LEAT_ERR_OK;
    int lock = -1;
    if (gate->socket_count == SOCKETS_MAX) {
        (void)snprintf(why, 512, "--bind %s: more than %d addresses", url, SOCKETS_MAX);
        return LEAT_ERR_CONFIG;
    }
    if (strncmp(url, "tcp://", 6) == 0)
        err = check_tcp(gate, url, insecure_loopback, why);
    else if (strncmp(url, "ipc://", 6) == 0)
        err = lock_ipc(url, &lock, why);
    else {
        (void)snprintf(why, 512, "--bind %s: an address begins with ipc:// or tcp://", url);
        err = LEAT_ERR_CONFIG;
    }
    if (err != LEAT_ERR_OK)
        return err;

    void *const socket = new_router(gate);
    const bool tcp = strncmp(url, "tcp://", 6) == 0;
    const bool curve = gate->access != NULL && tcp;
    if (socket != NULL && curve)
        use_keys(gate, socket);
    if (socket == NULL || zmq_bind(socket, url) != 0) {
        const int errnum = errno;
        (void)snprintf(why, 512, "--bind %s: %s", url,
                       errnum == EADDRINUSE ? "in use by another process" : zmq_strerror(errnum));
        if (socket != NULL)
            (void)zmq_close(socket);
        if (lock >= 0)
            (void)close(lock);
        if (errnum == EADDRINUSE)
            return LEAT_ERR_IN_USE;
        return errnum == EINVAL || errnum == ENODEV ? LEAT_ERR_CONFIG : LEAT_ERR_IO;
    }
    gate->locks[gate->socket_count] = lock;
    gate->curve[gate->socket_count] = curve;
    gate->tcp[gate->socket_count] = tcp;
    gate->sockets[gate->socket_count++] = socket;
    if (!curve)
        return LEAT_ERR_OK;
    char reachable[LEAT_URL_BYTES_MAX];
    self_test_url(url, reachable);
    if (gate->zap != NULL)
        leat_zap_log_refused(gate->zap, false);
    err = leat_zap_self_test(reachable, leat_access_key(gate->access)->public_key, why);
    if (gate->zap != NULL)
        leat_zap_log_refused(gate->zap, true);
    return err;
}

int
leat_gate_poll_items(const leat_gate *gate, zmq_pollitem_t *items, int max)
{
    assert(gate->socket_count <= max);
    for (int i = 0; i < gate->socket_count; i++)
        items[i] = (zmq_pollitem_t){.socket = gate->sockets[i], .events = ZMQ_POLLIN};
    return gate->socket_count;
}

/* ------------------------------------------------------------------------------ places */

/* ROUTER identities that we did not choose are a zero byte and 32 bits. */
static uint64_t
key_of(int socket, const uint8_t *identity, size_t size)
{
    uint64_t key = (uint64_t)socket + 1;
    for (size_t i = 0; i < size; i++)
        key = key << 8 | identity[i];
    return key;
}

static struct place *
place_of(leat_gate *gate, int socket, const uint8_t *identity, size_t size)
{
    if (size > IDENTITY_MAX - 1)
        return NULL; /* no peer of ours sets an identity */
    const uint64_t key = key_of(socket, identity, size);
    struct place *place = leat_table_get(&gate->identities, key);
    if (place != NULL)
        return place;
    place = calloc(1, sizeof *place);
    if (place == NULL)
        return NULL;
    place->route = gate->next_route;
    place->key = key;
    place->socket = socket;
    place->identity_size = (uint8_t)size;
    memcpy(place->identity, identity, size);
    if (leat_table_add(&gate->places, place->route, place, &place->index) != LEAT_ERR_OK) {
        free(place);
        return NULL;
    }
    if (leat_table_add(&gate->identities, key, place, &place->by_index) != LEAT_ERR_OK) {
        leat_table_remove(&gate->places, place->route);
        free(place);
        return NULL;
    }
    gate->next_route++;
    leat_list_append(&gate->by_age, &place->by_age);
    return place;
}

static void
make_youngest(leat_gate *gate, struct place *place, int64_t now_ms)
{
    place->heard_ms = now_ms;
    leat_list_remove(&place->by_age);
    leat_list_append(&gate->by_age, &place->by_age);
}

static void
forget_place(leat_gate *gate, struct place *place)
{
    leat_list_remove(&place->by_age);
    leat_table_remove(&gate->identities, place->key);
    leat_table_remove(&gate->places, place->route);
    free(place);
}

/* A ROUTER does not say when a connection has ended, so those that have said BYE, or never were
 * anybody's, are forgotten for their silence. A session's own is the core's to give up. */
static void
forget_silent(leat_gate *gate, leat_core *core, leat_now now)
{
    for (unsigned budget = LEAT_TURN_FRAMES_MAX; budget > 0; budget--) {
        if (leat_list_is_empty(&gate->by_age))
            return;
        struct place *const place =
            LEAT_CONTAINER_OF(leat_list_first(&gate->by_age), struct place, by_age);
        if (now.mono_ms - place->heard_ms < SILENT_MS)
            return;
        if (leat_core_has_session(core, place->route)) {
            make_youngest(gate, place, now.mono_ms);
        } else {
            leat_core_on_gone(core, now, place->route);
            forget_place(gate, place);
        }
    }
}

/* ------------------------------------------------------------------------------ in */

struct arrival {
    leat_route route;
    zmq_msg_t message;
    leat_principal principal; /* if known */
    bool known;
    bool more;
    bool worker;
};

/* Who has sent this message. The key is the connection's, so the answer is good until the keys
 * change. */
static void
identify(leat_gate *gate, struct place *place, zmq_msg_t *message)
{
    if (!gate->curve[place->socket]) {
        place->principal = gate->tcp[place->socket] ? leat_principal_anybody : leat_principal_local;
        place->known = true;
        return;
    }
    const uint64_t generation = leat_access_generation(gate->access);
    if (place->generation == generation)
        return;
    const char *const public_key = zmq_msg_gets(message, "User-Id");
    const leat_principal *const principal =
        public_key == NULL ? NULL : leat_access_find(gate->access, public_key);
    place->generation = generation;
    place->known = principal != NULL;
    if (principal != NULL)
        place->principal = *principal;
}

/* One message off a socket; false when there is none. A message of several parts is read to its
 * end, of which only the first counts. */
static bool
take_one(leat_gate *gate, int s, leat_now now, struct arrival *arrival)
{
    zmq_msg_t identity;
    (void)zmq_msg_init(&identity);
    if (zmq_msg_recv(&identity, gate->sockets[s], ZMQ_DONTWAIT) < 0)
        return false;
    (void)zmq_msg_init(&arrival->message);
    arrival->route = 0;
    arrival->more = false;
    if (zmq_msg_more(&identity) &&
        zmq_msg_recv(&arrival->message, gate->sockets[s], ZMQ_DONTWAIT) >= 0) {
        struct place *const place =
            place_of(gate, s, zmq_msg_data(&identity), zmq_msg_size(&identity));
        if (place != NULL) {
            make_youngest(gate, place, now.mono_ms);
            identify(gate, place, &arrival->message);
            arrival->principal = place->principal;
            arrival->known = place->known;
        }
        arrival->route = place == NULL ? 0 : place->route;
        arrival->more = zmq_msg_more(&arrival->message);
        for (int more = arrival->more; more;) {
            zmq_msg_t part;
            (void)zmq_msg_init(&part);
            more = zmq_msg_recv(&part, gate->sockets[s], ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&part);
            (void)zmq_msg_close(&part);
        }
    }
    (void)zmq_msg_close(&identity);
    return true;
}

static void
give(leat_core *core, leat_now now, struct arrival *arrival)
{
    if (arrival->route != 0)
        leat_core_on_frame(core, now, arrival->route, arrival->known ? &arrival->principal : NULL,
                           zmq_msg_data(&arrival->message), zmq_msg_size(&arrival->message),
                           arrival->more);
    (void)zmq_msg_close(&arrival->message);
}

void
leat_gate_receive(leat_gate *gate, leat_core *core, leat_now now)
{
    struct arrival arrivals[LEAT_TURN_FRAMES_MAX];
    unsigned count = 0;
    size_t bytes = 0;
    for (bool any = true; any;) {
        any = false;
        for (int s = 0; s < gate->socket_count; s++) {
            if (count == LEAT_TURN_FRAMES_MAX || bytes > LEAT_TURN_BYTES_MAX)
                break;
            if (take_one(gate, s, now, &arrivals[count])) {
                any = true;
                bytes += zmq_msg_size(&arrivals[count++].message);
            }
        }
    }
    for (unsigned i = 0; i < count; i++) {
        arrivals[i].worker = leat_core_is_worker(core, arrivals[i].route);
        if (arrivals[i].worker)
            give(core, now, &arrivals[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        if (!arrivals[i].worker)
            give(core, now, &arrivals[i]);
    }
    forget_silent(gate, core, now);
}

static bool
is_allowed(const void *context, uint64_t principal)
{
    const leat_gate *const gate = context;
    return principal == LEAT_PRINCIPAL_LOCAL || leat_access_has(gate->access, principal);
}

void
leat_gate_refresh(leat_gate *gate, leat_core *core, leat_now now, bool force)
{
    if (gate->access == NULL || (!force && now.mono_ms < gate->refresh_ms))
        return;
    gate->refresh_ms = now.mono_ms + REFRESH_MS;
    if (leat_access_refresh(gate->access, force)) {
        LEAT_LOG(LEAT_LOG_INFO, "access.read", "allowed keys read",
                 LEAT_KV_U64("allowed", leat_access_count(gate->access)));
        leat_core_check_principals(core, now, is_allowed, gate);
    }
}

/* ------------------------------------------------------------------------------ out */

static void
free_bytes(void *data, void *hint)
{
    (void)hint;
    free(data);
}

static leat_delivery
send_frame(void *context, leat_route route, leat_buf *frame_p)
{
    leat_gate *const gate = context;
    struct place *const place = leat_table_get(&gate->places, route);
    if (place == NULL) {
        leat_buf_fini(frame_p);
        return LEAT_DELIVERY_GONE;
    }
    void *const socket = gate->sockets[place->socket];
    if (zmq_send(socket, place->identity, place->identity_size, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
        leat_buf_fini(frame_p);
        /* The place stays: messages that came from there before may be waiting in the socket. */
        return errno == EAGAIN ? LEAT_DELIVERY_FULL : LEAT_DELIVERY_GONE;
    }
    zmq_msg_t message;
    (void)zmq_msg_init_data(&message, frame_p->data, frame_p->size, free_bytes, NULL);
    leat_buf_init(frame_p);
    if (zmq_msg_send(&message, socket, ZMQ_DONTWAIT) < 0) {
        (void)zmq_msg_close(&message);
        return LEAT_DELIVERY_FULL;
    }
    return LEAT_DELIVERY_OK;
}

leat_core_out
leat_gate_out(leat_gate *gate)
{
    return (leat_core_out){.context = gate, .frame = send_frame};
}
