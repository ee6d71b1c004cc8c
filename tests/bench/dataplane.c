/* dataplane: the limit that ZeroMQ, LMDB and this machine set to any broker of this kind.
 *
 *     client ──64-byte records──► broker ──► worker        three processes, loopback TCP,
 *     client ◄──16-byte answers── broker ◄── worker        one ROUTER for each side
 *
 * The broker moves bytes and does nothing else: no state, no checks, no limits. A message carries
 * as many records as are waiting, at most --records. With --durable each turn's new records and
 * finished records are one synced LMDB commit before anything leaves, which is the least that a
 * durable broker has to do. --latency keeps one record on its way and prints the round trip.
 *
 * It is the yardstick for `./dev bench`: never a model for the broker. */
#include <errno.h>
#include <lmdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "proto/base/option.h"

#define RECORD_BYTES   64U
#define ANSWER_BYTES   16U                /* client <- broker: sequence, id */
#define RESULT_BYTES   24U                /* broker <- worker: sequence, id, end */
#define RING_RECORDS   ((size_t)1 << 21U) /* records that the broker holds; --window is below it */
#define WORKER_CREDIT  20000U             /* records at the worker at a time */
#define TURN_FRAMES    64                 /* messages read from one side in one turn */
#define STORE_BYTES    ((size_t)8 << 30U)
#define ENDPOINT_BYTES 64U
#define QUIET_MS       10000 /* no message for so long: the measurement is broken */

typedef struct settings {
    uint64_t jobs;
    uint64_t window;
    uint64_t records;
    bool durable;
    bool latency;
} settings;

typedef struct endpoints {
    char client[ENDPOINT_BYTES];
    char worker[ENDPOINT_BYTES];
} endpoints;

static const leat_option rows[] = {
    {"jobs",    'n', LEAT_OPTION_NUMBER, "N",  "1000000", "records to move",                   1, 0,       0,                       NULL},
    {"window",  'w', LEAT_OPTION_NUMBER, "N",  "100000",  "records on their way",              1, 1000000, 0,                       NULL},
    {"records", 'r', LEAT_OPTION_NUMBER, "N",  "512",     "most records in a message",         1, 8192,    0,                       NULL},
    {"durable", 'd', LEAT_OPTION_FLAG,   NULL, NULL,      "commit to LMDB, synced",            0, 0,       0,                       NULL},
    {"latency", 'l', LEAT_OPTION_FLAG,   NULL, NULL,      "one record at a time, round trips", 0, 0,       0,
     NULL                                                                                                                               },
    {"help",    'h', LEAT_OPTION_FLAG,   NULL, NULL,      "show this",                         0, 0,       LEAT_OPTION_NOT_IN_FILE, NULL},
};

/* A measurement that met an error is worth nothing: say what it was and end this process. */
__attribute__((noreturn, format(printf, 1, 2))) static void
fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fputs("dataplane: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    _exit(1);
}

static void
must_zmq(int result, const char *what)
{
    if (result < 0)
        fail("%s: %s", what, zmq_strerror(errno));
}

static void
must_lmdb(int result, const char *what)
{
    if (result != 0)
        fail("%s: %s", what, mdb_strerror(result));
}

static void *
must_memory(void *memory)
{
    if (memory == NULL)
        fail("out of memory");
    return memory;
}

static int64_t
now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ------------------------------------------------------------------------------------- sockets */

static void *
socket_new(void *context, int type)
{
    void *const socket = must_memory(zmq_socket(context, type));
    const int unlimited = 0; /* the window is the limit */
    const int linger_ms = 1000;
    must_zmq(zmq_setsockopt(socket, ZMQ_SNDHWM, &unlimited, sizeof unlimited), "ZMQ_SNDHWM");
    must_zmq(zmq_setsockopt(socket, ZMQ_RCVHWM, &unlimited, sizeof unlimited), "ZMQ_RCVHWM");
    must_zmq(zmq_setsockopt(socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms), "ZMQ_LINGER");
    return socket;
}

/* A DEALER of a context of its own, connected. */
static void *
dealer_new(const char *endpoint, void **context)
{
    *context = must_memory(zmq_ctx_new());
    void *const socket = socket_new(*context, ZMQ_DEALER);
    must_zmq(zmq_connect(socket, endpoint), endpoint);
    return socket;
}

/* A ROUTER on a free loopback port. */
static void *
router_new(void *context, char endpoint[ENDPOINT_BYTES])
{
    size_t size = ENDPOINT_BYTES;
    void *const socket = socket_new(context, ZMQ_ROUTER);
    must_zmq(zmq_bind(socket, "tcp://127.0.0.1:*"), "bind");
    must_zmq(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &size), "ZMQ_LAST_ENDPOINT");
    return socket;
}

/* ------------------------------------------------------------------------------------- worker */

/* Answer every record at once, until an empty message. */
static void
worker_run(const char *endpoint)
{
    void *context;
    void *const socket = dealer_new(endpoint, &context);
    must_zmq(zmq_send(socket, "", 0, 0), "worker's hello");

    for (;;) {
        zmq_msg_t in;
        zmq_msg_t out;
        (void)zmq_msg_init(&in);
        must_zmq(zmq_msg_recv(&in, socket, 0), "worker's receive");
        const size_t n = zmq_msg_size(&in) / RECORD_BYTES;
        const char *const records = zmq_msg_data(&in);

        must_zmq(zmq_msg_init_size(&out, n * RESULT_BYTES), "worker's memory");
        char *const results = zmq_msg_data(&out);
        for (size_t i = 0; i < n; i++) {
            memcpy(results + i * RESULT_BYTES, records + i * RECORD_BYTES, ANSWER_BYTES);
            memset(results + i * RESULT_BYTES + ANSWER_BYTES, 1, RESULT_BYTES - ANSWER_BYTES);
        }
        (void)zmq_msg_close(&in);
        if (n == 0) {
            (void)zmq_msg_close(&out);
            break;
        }
        must_zmq(zmq_msg_send(&out, socket, 0), "worker's send");
    }
    (void)zmq_close(socket);
    (void)zmq_ctx_term(context);
}

/* ------------------------------------------------------------------------------------- client */

static void
client_send(void *socket, uint64_t first, size_t n)
{
    zmq_msg_t out;
    must_zmq(zmq_msg_init_size(&out, n * RECORD_BYTES), "client's memory");
    char *const records = zmq_msg_data(&out);
    memset(records, 'A', n * RECORD_BYTES);
    for (size_t i = 0; i < n; i++) {
        const uint64_t sequence = first + i;
        memcpy(records + i * RECORD_BYTES, &sequence, sizeof sequence);
    }
    must_zmq(zmq_msg_send(&out, socket, 0), "client's send");
}

/* Answers in the next message. */
static uint64_t
client_receive(void *socket)
{
    zmq_msg_t in;
    (void)zmq_msg_init(&in);
    must_zmq(zmq_msg_recv(&in, socket, 0), "client's receive");
    const uint64_t n = zmq_msg_size(&in) / ANSWER_BYTES;
    (void)zmq_msg_close(&in);
    return n;
}

static void
client_throughput(void *socket, const settings *set)
{
    const int64_t start_ns = now_ns();
    uint64_t sent = 0;
    uint64_t done = 0;
    while (done < set->jobs) {
        while (sent < set->jobs && sent - done < set->window) {
            const uint64_t left = set->jobs - sent;
            const uint64_t room = set->window - (sent - done);
            uint64_t n = left < room ? left : room;
            n = n < set->records ? n : set->records;
            client_send(socket, sent, n);
            sent += n;
        }
        done += client_receive(socket);
    }
    const double seconds = (double)(now_ns() - start_ns) * 1e-9;
    (void)printf("%.0f jobs/s  %llu jobs in %.3f s  %s  window %llu  records %llu\n",
                 (double)set->jobs / seconds, (unsigned long long)set->jobs, seconds,
                 set->durable ? "durable" : "memory", (unsigned long long)set->window,
                 (unsigned long long)set->records);
}

static int
by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* In microseconds, of sorted times. */
static double
percentile_us(const int64_t *times_ns, uint64_t count, uint64_t percent)
{
    const uint64_t at = count * percent / 100;
    return (double)times_ns[at < count ? at : count - 1] * 1e-3;
}

static void
client_latency(void *socket, const settings *set)
{
    int64_t *const trips_ns = must_memory(calloc(set->jobs, sizeof *trips_ns));
    for (uint64_t i = 0; i < set->jobs; i++) {
        const int64_t start_ns = now_ns();
        client_send(socket, i, 1);
        (void)client_receive(socket);
        trips_ns[i] = now_ns() - start_ns;
    }
    qsort(trips_ns, set->jobs, sizeof *trips_ns, by_value);
    (void)printf("p50 %.1f us  p99 %.1f us  %llu round trips  %s\n",
                 percentile_us(trips_ns, set->jobs, 50), percentile_us(trips_ns, set->jobs, 99),
                 (unsigned long long)set->jobs, set->durable ? "durable" : "memory");
    free(trips_ns);
}

static void
client_run(const char *endpoint, const settings *set)
{
    void *context;
    void *const socket = dealer_new(endpoint, &context);
    if (set->latency)
        client_latency(socket, set);
    else
        client_throughput(socket, set);
    (void)fflush(stdout);
    must_zmq(zmq_send(socket, "", 0, 0), "client's end");
    (void)zmq_close(socket);
    (void)zmq_ctx_term(context);
}

/* ------------------------------------------------------------------------------------- store */

typedef struct store {
    char folder[4096];
    MDB_env *env; /* NULL: memory */
    MDB_dbi table;
} store;

static void
store_open(store *self)
{
    MDB_txn *txn;
    const char *const parent = getenv("TMPDIR"); // NOLINT(concurrency-mt-unsafe): one thread yet
    (void)snprintf(self->folder, sizeof self->folder, "%s/leat-dataplane-XXXXXX",
                   parent != NULL ? parent : "/tmp");
    if (mkdtemp(self->folder) == NULL)
        fail("%s cannot be made", self->folder);
    must_lmdb(mdb_env_create(&self->env), "mdb_env_create");
    must_lmdb(mdb_env_set_mapsize(self->env, STORE_BYTES), "mdb_env_set_mapsize");
    must_lmdb(mdb_env_open(self->env, self->folder, 0, 0600), self->folder);
    must_lmdb(mdb_txn_begin(self->env, NULL, 0, &txn), "mdb_txn_begin");
    must_lmdb(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &self->table), "mdb_dbi_open");
    must_lmdb(mdb_txn_commit(txn), "mdb_txn_commit");
}

static void
store_close(store *self)
{
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    if (self->env == NULL)
        return;
    mdb_env_close(self->env);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[sizeof self->folder + 16];
        (void)snprintf(path, sizeof path, "%s/%s", self->folder, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(self->folder);
}

/* ------------------------------------------------------------------------------------- broker */

typedef struct route {
    char id[16];
    size_t size; /* 0: not heard of yet */
} route;

typedef struct broker {
    void *clients;
    void *workers;
    route client;
    route worker;
    char *ring; /* records; three positions in it, each behind the one before */
    uint64_t received;
    uint64_t committed;
    uint64_t dispatched;
    uint64_t credit;
    char *answers; /* of this turn */
    size_t answer_count;
    bool ended; /* the client has said so */
    store store;
} broker;

static char *
ring_at(const broker *self, uint64_t position)
{
    return self->ring + (position & (RING_RECORDS - 1)) * RECORD_BYTES;
}

/* One message of a ROUTER: its route and its second part. false: none is waiting. */
static bool
receive(void *socket, route *from, zmq_msg_t *body)
{
    const int size = zmq_recv(socket, from->id, sizeof from->id, ZMQ_DONTWAIT);
    if (size < 0)
        return false;
    from->size = (size_t)size;
    (void)zmq_msg_init(body);
    must_zmq(zmq_msg_recv(body, socket, 0), "broker's receive");
    return true;
}

static void
take_records(broker *self)
{
    zmq_msg_t body;
    for (int i = 0; i < TURN_FRAMES && receive(self->clients, &self->client, &body); i++) {
        const size_t n = zmq_msg_size(&body) / RECORD_BYTES;
        const char *const records = zmq_msg_data(&body);
        for (size_t k = 0; k < n; k++) {
            char *const record = ring_at(self, self->received);
            memcpy(record, records + k * RECORD_BYTES, RECORD_BYTES);
            self->received++;
            memcpy(record + 8, &self->received, 8); /* the id */
        }
        self->ended = n == 0;
        (void)zmq_msg_close(&body);
    }
}

static void
take_results(broker *self)
{
    zmq_msg_t body;
    for (int i = 0; i < TURN_FRAMES && receive(self->workers, &self->worker, &body); i++) {
        const size_t n = zmq_msg_size(&body) / RESULT_BYTES;
        const char *const results = zmq_msg_data(&body);
        for (size_t k = 0; k < n; k++)
            memcpy(self->answers + (self->answer_count + k) * ANSWER_BYTES,
                   results + k * RESULT_BYTES, ANSWER_BYTES);
        self->answer_count += n;
        self->credit += n == 0 ? WORKER_CREDIT : n; /* empty: the worker's hello */
        (void)zmq_msg_close(&body);
    }
}

/* New records in, finished ones out, one synced commit. */
static void
commit(broker *self)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    if (self->store.env == NULL || (self->committed == self->received && self->answer_count == 0))
        return;
    must_lmdb(mdb_txn_begin(self->store.env, NULL, 0, &txn), "mdb_txn_begin");
    must_lmdb(mdb_cursor_open(txn, self->store.table, &cursor), "mdb_cursor_open");
    for (; self->committed < self->received; self->committed++) {
        char *const record = ring_at(self, self->committed);
        MDB_val key = {8, record + 8};
        MDB_val value = {RECORD_BYTES, record};
        must_lmdb(mdb_cursor_put(cursor, &key, &value, MDB_APPEND), "mdb_cursor_put");
    }
    for (size_t i = 0; i < self->answer_count; i++) {
        MDB_val key = {8, self->answers + i * ANSWER_BYTES + 8};
        MDB_val value;
        must_lmdb(mdb_cursor_get(cursor, &key, &value, MDB_SET), "mdb_cursor_get");
        must_lmdb(mdb_cursor_del(cursor, 0), "mdb_cursor_del");
    }
    mdb_cursor_close(cursor);
    must_lmdb(mdb_txn_commit(txn), "mdb_txn_commit");
}

static void
let_out(broker *self, uint64_t records_max)
{
    while (self->dispatched < self->received && self->credit > 0) {
        zmq_msg_t out;
        uint64_t n = self->received - self->dispatched;
        n = n < records_max ? n : records_max;
        n = n < self->credit ? n : self->credit;
        must_zmq(zmq_msg_init_size(&out, n * RECORD_BYTES), "broker's memory");
        char *const records = zmq_msg_data(&out);
        for (uint64_t k = 0; k < n; k++)
            memcpy(records + k * RECORD_BYTES, ring_at(self, self->dispatched + k), RECORD_BYTES);
        must_zmq(zmq_send(self->workers, self->worker.id, self->worker.size, ZMQ_SNDMORE), "route");
        must_zmq(zmq_msg_send(&out, self->workers, 0), "broker's send to the worker");
        self->dispatched += n;
        self->credit -= n;
    }
    if (self->answer_count > 0) {
        must_zmq(zmq_send(self->clients, self->client.id, self->client.size, ZMQ_SNDMORE), "route");
        must_zmq(zmq_send(self->clients, self->answers, self->answer_count * ANSWER_BYTES, 0),
                 "broker's send to the client");
        self->answer_count = 0;
    }
}

/* Turns until the client has ended; then the worker is told. */
static void
broker_run(broker *self, uint64_t records_max)
{
    while (!self->ended) {
        zmq_pollitem_t items[] = {
            {self->clients, 0, ZMQ_POLLIN, 0},
            {self->workers, 0, ZMQ_POLLIN, 0}
        };
        const int ready = zmq_poll(items, 2, QUIET_MS);
        must_zmq(ready, "zmq_poll");
        if (ready == 0)
            fail("nothing has moved for %d ms, a process is gone", QUIET_MS);
        take_records(self);
        take_results(self);
        commit(self);
        let_out(self, records_max);
    }
    must_zmq(zmq_send(self->workers, self->worker.id, self->worker.size, ZMQ_SNDMORE), "route");
    must_zmq(zmq_send(self->workers, "", 0, 0), "broker's end");
}

/* ------------------------------------------------------------------------------------- processes
 */

/* Start the worker or the client; it waits for the endpoints, which the broker knows only after its
 * bind. Forked before this process has a context, so no socket crosses the fork. */
static pid_t
start(bool worker, const settings *set, int *pipe_end)
{
    int ends[2];
    endpoints at;
    if (pipe(ends) != 0)
        fail("no pipe");
    const pid_t pid = fork();
    if (pid < 0)
        fail("no process");
    if (pid > 0) {
        (void)close(ends[0]);
        *pipe_end = ends[1];
        return pid;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)close(ends[1]);
    if (read(ends[0], &at, sizeof at) != (ssize_t)sizeof at)
        fail("the broker did not start");
    if (worker)
        worker_run(at.worker);
    else
        client_run(at.client, set);
    _exit(0);
}

static int
measure(const settings *set)
{
    broker self = {.store.env = NULL};
    endpoints at;
    int pipes[2];
    int failed = 0;
    const pid_t children[] = {start(true, set, &pipes[0]), start(false, set, &pipes[1])};

    if (set->durable)
        store_open(&self.store);
    self.ring = must_memory(malloc(RING_RECORDS * RECORD_BYTES));
    self.answers = must_memory(malloc((set->window + WORKER_CREDIT) * ANSWER_BYTES));
    void *const context = must_memory(zmq_ctx_new());
    self.clients = router_new(context, at.client);
    self.workers = router_new(context, at.worker);
    for (int i = 0; i < 2; i++) {
        if (write(pipes[i], &at, sizeof at) != (ssize_t)sizeof at)
            fail("a process has ended too early");
        (void)close(pipes[i]);
    }

    broker_run(&self, set->records);

    (void)zmq_close(self.clients);
    (void)zmq_close(self.workers);
    (void)zmq_ctx_term(context);
    for (int i = 0; i < 2; i++) {
        int status;
        failed |= waitpid(children[i], &status, 0) != children[i] || status != 0;
    }
    store_close(&self.store);
    free(self.ring);
    free(self.answers);
    return failed;
}

int
main(int argc, char **argv)
{
    int status = 2;
    leat_options *options = NULL;
    if (leat_options_new(rows, sizeof rows / sizeof *rows, &options) != LEAT_ERR_OK)
        return 1;
    if (leat_options_read_arguments(options, argc, argv, false) != LEAT_ERR_OK) {
        (void)fprintf(stderr, "dataplane: %s\n", leat_options_why(options));
    } else if (leat_options_flag(options, "help")) {
        (void)printf("dataplane [OPTIONS]: what ZeroMQ and LMDB allow on this machine\n\n");
        leat_options_print_help(options, stdout);
        status = 0;
    } else {
        const settings set = {
            .jobs = leat_options_number(options, "jobs"),
            .window = leat_options_number(options, "window"),
            .records = leat_options_number(options, "records"),
            .durable = leat_options_flag(options, "durable"),
            .latency = leat_options_flag(options, "latency"),
        };
        status = measure(&set);
    }
    leat_options_destroy(&options);
    return status;
}
