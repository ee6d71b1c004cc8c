/* frames: what bare ZeroMQ does with many connections, and with large messages. The yardstick of
 * `./dev bench scale`, as dataplane is that of `./dev bench`.
 *
 *   frames turn --count N       a ROUTER and N DEALERs in --processes processes, each of which has
 *                               one message on its way: as fast as it goes
 *   frames relay                DEALER ─► ROUTER ─► DEALER and back, --window messages on their way
 *   frames idle --count N       N DEALERs that do nothing; bytes of memory a connection, in the
 *                               process of the ROUTER, and what CPU it needs for them in a second
 *
 * With --curve all is encrypted; with --beat connections probe each other as Leat's do. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "proto/base/option.h"

#define ENDPOINT_BYTES 64U
#define KEY_BYTES      41U
#define PROCESSES_MAX  16U
#define SOCKETS_MAX    65535
#define READY_MAX      256
#define IDENTITY_BYTES 5U
#define QUIET_MS       30000 /* nothing for so long: the measurement is broken */
#define SLICE          50U   /* connections that are made at the same time, of one process */

typedef struct settings {
    uint64_t count;
    uint64_t processes;
    uint64_t frames;
    uint64_t bytes;
    uint64_t answer;
    uint64_t window;
    uint64_t seconds;
    bool curve;
    bool beat;
} settings;

/* What a process has to know of the ROUTER. */
typedef struct place {
    char endpoint[ENDPOINT_BYTES];
    char server_public[KEY_BYTES];
    char server_secret[KEY_BYTES];
    char client_public[KEY_BYTES];
    char client_secret[KEY_BYTES];
} place;

static const leat_option rows[] = {
    {"count",     'n', LEAT_OPTION_NUMBER, "N",  "1",      "connections",                             1, 0, 0,                       NULL},
    {"processes", 'p', LEAT_OPTION_NUMBER, "N",  "1",      "that the connections are of",             1,
     PROCESSES_MAX,                                                                                         0,                       NULL},
    {"frames",    'f', LEAT_OPTION_NUMBER, "N",  "200000", "messages, both ways together",            1, 0, 0,
     NULL                                                                                                                                },
    {"bytes",     'b', LEAT_OPTION_NUMBER, "N",  "64",     "of each",                                 1, 0, 0,                       NULL},
    {"answer",    'a', LEAT_OPTION_NUMBER, "N",  "64",     "bytes of each answer",                    1, 0, 0,                       NULL},
    {"window",    'w', LEAT_OPTION_NUMBER, "N",  "16",     "relay: messages on their way",            1, 0, 0,                       NULL},
    {"seconds",   's', LEAT_OPTION_NUMBER, "S",  "10",     "idle: how long the CPU time is measured", 1,
     3600,                                                                                                  0,                       NULL},
    {"curve",     'c', LEAT_OPTION_FLAG,   NULL, NULL,     "encrypted",                               0, 0, 0,                       NULL},
    {"beat",      0,   LEAT_OPTION_FLAG,   NULL, NULL,     "ZeroMQ's heartbeats, every 5 s",          0, 0, 0,                       NULL},
    {"help",      'h', LEAT_OPTION_FLAG,   NULL, NULL,     "show this",                               0, 0, LEAT_OPTION_NOT_IN_FILE, NULL},
};

__attribute__((noreturn)) static void
fail(const char *what)
{
    (void)fprintf(stderr, "frames: %s: %s\n", what, zmq_strerror(errno));
    _exit(1);
}

static void
must(int result, const char *what)
{
    if (result < 0)
        fail(what);
}

static void *
must_memory(void *memory)
{
    if (memory == NULL)
        fail("memory");
    return memory;
}

static double
now_s(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---------------------------------------------------------------------------------- sockets */

static void
set_int(void *socket, int name, int value)
{
    must(zmq_setsockopt(socket, name, &value, sizeof value), "a socket's option");
}

static void
set_text(void *socket, int name, const char *value)
{
    must(zmq_setsockopt(socket, name, value, strlen(value) + 1), "a socket's key");
}

static void *
socket_new(void *context, int type, const settings *set)
{
    void *const socket = must_memory(zmq_socket(context, type));
    set_int(socket, ZMQ_LINGER, 0);
    set_int(socket, ZMQ_SNDHWM, 0);
    set_int(socket, ZMQ_RCVHWM, 0);
    set_int(socket, ZMQ_BACKLOG, 4096);
    if (set->beat) {
        set_int(socket, ZMQ_HEARTBEAT_IVL, 5000);
        set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, 15000);
        set_int(socket, ZMQ_HEARTBEAT_TTL, 20000);
    }
    return socket;
}

static void *
context_new(void)
{
    void *const context = must_memory(zmq_ctx_new());
    must(zmq_ctx_set(context, ZMQ_MAX_SOCKETS, SOCKETS_MAX), "ZMQ_MAX_SOCKETS");
    return context;
}

static void *
dealer_new(void *context, const place *at, const settings *set)
{
    void *const socket = socket_new(context, ZMQ_DEALER, set);
    if (set->curve) {
        set_text(socket, ZMQ_CURVE_SERVERKEY, at->server_public);
        set_text(socket, ZMQ_CURVE_PUBLICKEY, at->client_public);
        set_text(socket, ZMQ_CURVE_SECRETKEY, at->client_secret);
    }
    must(zmq_connect(socket, at->endpoint), "connect");
    return socket;
}

static void *
router_new(void *context, place *at, const settings *set)
{
    size_t size = sizeof at->endpoint;
    void *const socket = socket_new(context, ZMQ_ROUTER, set);
    set_int(socket, ZMQ_ROUTER_MANDATORY, 1);
    if (set->curve) {
        set_int(socket, ZMQ_CURVE_SERVER, 1);
        set_text(socket, ZMQ_CURVE_SECRETKEY, at->server_secret);
    }
    must(zmq_bind(socket, "tcp://127.0.0.1:*"), "bind");
    must(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, at->endpoint, &size), "ZMQ_LAST_ENDPOINT");
    return socket;
}

static void
send_bytes(void *socket, uint64_t bytes)
{
    zmq_msg_t out;
    must(zmq_msg_init_size(&out, bytes), "memory");
    memset(zmq_msg_data(&out), 'A', bytes);
    must(zmq_msg_send(&out, socket, 0), "send");
}

/* ---------------------------------------------------------------------------------- dealers */

/* Answer what has come. A socket's descriptor shows a change, not a state: read to the end. */
static uint64_t
answer(void *socket, const settings *set)
{
    zmq_msg_t in;
    uint64_t n = 0;
    for (;; n++) {
        (void)zmq_msg_init(&in);
        const int size = zmq_msg_recv(&in, socket, ZMQ_DONTWAIT);
        (void)zmq_msg_close(&in);
        if (size < 0)
            return n;
        if (set->answer > 0)
            send_bytes(socket, set->answer);
    }
}

/* One process of `count` connections: each says hello and answers, until it is ended. */
__attribute__((noreturn)) static void
be_dealers(const place *at, const settings *set, uint64_t count)
{
    void *const context = context_new();
    void **const sockets = must_memory(calloc(count, sizeof *sockets));
    const int epoll_fd = epoll_create1(0);
    uint64_t started = 0;
    uint64_t heard = 0; /* that have been answered for the first time */
    bool *const known = must_memory(calloc(count, sizeof *known));
    for (;;) {
        struct epoll_event ready[READY_MAX];
        for (; started < count && started - heard < SLICE; started++) {
            int fd = -1;
            size_t size = sizeof fd;
            sockets[started] = dealer_new(context, at, set);
            must(zmq_getsockopt(sockets[started], ZMQ_FD, &fd, &size), "ZMQ_FD");
            struct epoll_event event = {.events = EPOLLIN, .data.u64 = started};
            must(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event), "epoll");
            send_bytes(sockets[started], set->answer);
            heard += answer(sockets[started], set) > 0;
        }
        const int n = epoll_wait(epoll_fd, ready, READY_MAX, 100);
        for (int i = 0; i < n; i++) {
            const uint64_t who = ready[i].data.u64;
            if (answer(sockets[who], set) > 0 && !known[who]) {
                known[who] = true;
                heard++;
            }
        }
    }
}

/* ----------------------------------------------------------------------------------- router */

typedef struct router {
    void *socket;
    uint64_t heard; /* connections that have said something … */
    uint64_t frames;
} router;

/* One message in; sent back to whom it came from, as `bytes`, unless that is 0. */
static void
turn_one(router *self, uint64_t bytes)
{
    uint8_t identity[IDENTITY_BYTES];
    zmq_msg_t in;
    must(zmq_recv(self->socket, identity, sizeof identity, 0), "a message");
    (void)zmq_msg_init(&in);
    must(zmq_msg_recv(&in, self->socket, 0), "a message");
    (void)zmq_msg_close(&in);
    self->frames++;
    if (bytes == 0)
        return;
    must(zmq_send(self->socket, identity, sizeof identity, ZMQ_SNDMORE), "route");
    send_bytes(self->socket, bytes);
    self->frames++;
}

/* Of this process and those, so far. */
static double
cpu_s(const pid_t *children, uint64_t count)
{
    double sum = now_s(CLOCK_PROCESS_CPUTIME_ID);
    for (uint64_t i = 0; i < count; i++) {
        clockid_t clock;
        if (clock_getcpuclockid(children[i], &clock) == 0)
            sum += now_s(clock);
    }
    return sum;
}

static void
turn(router *self, const settings *set, const pid_t *children)
{
    /* Everyone is there, and then so many messages. */
    while (self->heard < set->count) {
        turn_one(self, set->bytes);
        self->heard++; /* or an answer: near enough for a start */
    }
    self->frames = 0;
    const double start_s = now_s(CLOCK_MONOTONIC);
    const double used_s = cpu_s(children, set->processes);
    while (self->frames < set->frames)
        turn_one(self, set->bytes);
    const double seconds = now_s(CLOCK_MONOTONIC) - start_s;
    (void)printf("{\"connections\": %llu, \"frames_per_second\": %.0f, \"cpu_us\": %.2f}\n",
                 (unsigned long long)set->count, (double)self->frames / seconds,
                 (cpu_s(children, set->processes) - used_s) * 1e6 / (double)self->frames);
}

/* ------------------------------------------------------------------------------------- idle */

static uint64_t
memory_bytes(void)
{
    char line[256];
    uint64_t kib = 0;
    FILE *const file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "RssAnon:", 8) == 0 || strncmp(line, "RssShmem:", 9) == 0)
            kib += strtoull(strchr(line, ':') + 1, NULL, 10);
    }
    if (file != NULL)
        (void)fclose(file);
    return kib * 1024;
}

static void
idle(router *self, const settings *set)
{
    const uint64_t before = memory_bytes();
    for (uint64_t i = 0; i < set->count; i++)
        turn_one(self, set->bytes);
    zmq_pollitem_t item = {.socket = self->socket, .events = ZMQ_POLLIN};
    (void)zmq_poll(&item, 1, 1000);
    const uint64_t after = memory_bytes();
    const double cpu_s = now_s(CLOCK_PROCESS_CPUTIME_ID);
    (void)poll(NULL, 0, (int)set->seconds * 1000);
    (void)printf("{\"connections\": %llu, \"bytes_a_connection\": %.0f, \"cpu\": %.4f}\n",
                 (unsigned long long)set->count, (double)(after - before) / (double)set->count,
                 (now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu_s) / (double)set->seconds);
}

/* ------------------------------------------------------------------------------------ relay */

/* The client of a relay: sends and receives, `window` messages on their way. */
__attribute__((noreturn)) static void
be_client(const place *at, const settings *set)
{
    void *const socket = dealer_new(context_new(), at, set);
    const uint64_t warm = set->window * 2;
    uint64_t sent = 0;
    double start_s = 0;
    send_bytes(socket, 0); /* who it is */
    for (uint64_t got = 0; got < set->frames + warm; got++) {
        zmq_msg_t in;
        for (; sent < set->frames + warm && sent - got < set->window; sent++)
            send_bytes(socket, set->bytes);
        (void)zmq_msg_init(&in);
        must(zmq_msg_recv(&in, socket, 0), "receive");
        if (zmq_msg_size(&in) != set->bytes)
            fail("a message is not what was sent");
        (void)zmq_msg_close(&in);
        if (got == warm)
            start_s = now_s(CLOCK_MONOTONIC);
    }
    const double seconds = now_s(CLOCK_MONOTONIC) - start_s;
    (void)printf("{\"bytes_per_second\": %.0f, \"bytes\": %llu}\n",
                 (double)(set->frames * set->bytes) / seconds, (unsigned long long)set->bytes);
    (void)fflush(stdout);
    _exit(0);
}

/* Its worker: every message goes back as it is; an empty one says that it is there. */
__attribute__((noreturn)) static void
be_worker(const place *at, const settings *set)
{
    void *const socket = dealer_new(context_new(), at, set);
    send_bytes(socket, 1);
    for (;;) {
        zmq_msg_t message;
        (void)zmq_msg_init(&message);
        must(zmq_msg_recv(&message, socket, 0), "receive");
        must(zmq_msg_send(&message, socket, 0), "send");
    }
}

/* Messages of one go to the other, until the client has ended. */
static int
relay(router *self, const settings *set, pid_t client)
{
    uint8_t who[2][IDENTITY_BYTES]; /* client, worker: an empty message, one byte */
    bool known[2] = {false, false};
    uint64_t early = 0; /* messages of the client that came before the worker */
    zmq_msg_t kept[1024];
    int status = 0;
    (void)set;
    while (waitpid(client, &status, WNOHANG) == 0) {
        zmq_pollitem_t item = {.socket = self->socket, .events = ZMQ_POLLIN};
        uint8_t identity[IDENTITY_BYTES];
        (void)zmq_poll(&item, 1, 10);
        while (zmq_recv(self->socket, identity, sizeof identity, ZMQ_DONTWAIT) >= 0) {
            zmq_msg_t message;
            (void)zmq_msg_init(&message);
            must(zmq_msg_recv(&message, self->socket, 0), "receive");
            if (zmq_msg_size(&message) <= 1) {
                const size_t side = zmq_msg_size(&message);
                memcpy(who[side], identity, sizeof identity);
                known[side] = true;
                (void)zmq_msg_close(&message);
                continue;
            }
            const bool from_client = memcmp(identity, who[0], sizeof identity) == 0;
            if (!known[1]) {
                if (early == sizeof kept / sizeof *kept)
                    fail("no worker has come");
                kept[early++] = message;
                continue;
            }
            must(zmq_send(self->socket, who[from_client], sizeof identity, ZMQ_SNDMORE), "route");
            must(zmq_msg_send(&message, self->socket, 0), "send");
        }
        for (uint64_t i = 0; known[1] && i < early; i++) {
            must(zmq_send(self->socket, who[1], sizeof identity, ZMQ_SNDMORE), "route");
            must(zmq_msg_send(&kept[i], self->socket, 0), "send");
        }
        early = known[1] ? 0 : early;
    }
    return status;
}

/* -------------------------------------------------------------------------------- processes */

/* A child that waits for the place, which is known after the bind: it is forked before this process
 * has a context. */
static pid_t
start(const settings *set, int part, uint64_t count, int *pipe_end)
{
    int ends[2];
    place at;
    must(pipe(ends), "pipe");
    const pid_t pid = fork();
    must(pid, "fork");
    if (pid > 0) {
        (void)close(ends[0]);
        *pipe_end = ends[1];
        return pid;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)close(ends[1]);
    if (read(ends[0], &at, sizeof at) != (ssize_t)sizeof at)
        _exit(1);
    if (part == 'c')
        be_client(&at, set);
    if (part == 'w')
        be_worker(&at, set);
    be_dealers(&at, set, count);
}

static int
measure(const char *what, const settings *set)
{
    const bool relays = strcmp(what, "relay") == 0;
    const uint64_t count = relays ? 2 : set->processes;
    pid_t children[PROCESSES_MAX];
    int pipes[PROCESSES_MAX];
    place at = {.endpoint = ""};
    int status = 0;
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t share = set->count / count + (i < set->count % count);
        children[i] = start(set, !relays ? 'd' : i == 0 ? 'c' : 'w', share, &pipes[i]);
    }
    if (set->curve) {
        must(zmq_curve_keypair(at.server_public, at.server_secret), "keys");
        must(zmq_curve_keypair(at.client_public, at.client_secret), "keys");
    }
    router self = {.socket = router_new(context_new(), &at, set)};
    set_int(self.socket, ZMQ_RCVTIMEO, QUIET_MS);
    for (uint64_t i = 0; i < count; i++) {
        if (write(pipes[i], &at, sizeof at) != (ssize_t)sizeof at)
            fail("a process has ended too early");
        (void)close(pipes[i]);
    }
    if (relays)
        status = relay(&self, set, children[0]);
    else if (strcmp(what, "turn") == 0)
        turn(&self, set, children);
    else
        idle(&self, set);
    (void)fflush(stdout);
    for (uint64_t i = relays ? 1 : 0; i < count; i++) {
        (void)kill(children[i], SIGKILL);
        (void)waitpid(children[i], NULL, 0);
    }
    return status == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
    int status = 2;
    leat_options *options = NULL;
    if (leat_options_new(rows, sizeof rows / sizeof *rows, &options) != LEAT_ERR_OK)
        return 1;
    const leat_err err = leat_options_read_arguments(options, argc, argv, false);
    const char *const what = err == LEAT_ERR_OK && leat_options_operand_count(options) == 1
                                 ? leat_options_operand(options, 0)
                                 : "";
    if (err != LEAT_ERR_OK) {
        (void)fprintf(stderr, "frames: %s\n", leat_options_why(options));
    } else if (leat_options_flag(options, "help")) {
        (void)printf("frames turn|relay|idle [OPTIONS]: what bare ZeroMQ does\n\n");
        leat_options_print_help(options, stdout);
        status = 0;
    } else if (strcmp(what, "turn") != 0 && strcmp(what, "relay") != 0 &&
               strcmp(what, "idle") != 0) {
        (void)fputs("frames: say turn, relay or idle\n", stderr);
    } else {
        const settings set = {
            .count = leat_options_number(options, "count"),
            .processes = leat_options_number(options, "processes"),
            .frames = leat_options_number(options, "frames"),
            .bytes = strcmp(what, "idle") == 0 ? 1 : leat_options_number(options, "bytes"),
            .answer = strcmp(what, "idle") == 0 ? 0 : leat_options_number(options, "answer"),
            .window = leat_options_number(options, "window"),
            .seconds = leat_options_number(options, "seconds"),
            .curve = leat_options_flag(options, "curve"),
            .beat = leat_options_flag(options, "beat"),
        };
        status = measure(what, &set);
    }
    leat_options_destroy(&options);
    return status;
}
