/* parity NAME: one program of programs.def. Where the broker is says LEAT_BROKER. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/parity/parity.h"

#define X(name) void parity_##name(void);
#include "tests/parity/programs.def"
#undef X

static const struct program {
    const char *name;
    void (*run)(void);
} programs[] = {
#define X(name) {#name, parity_##name},
#include "tests/parity/programs.def"
#undef X
};

static const char *running; /* the program's name */
static _Thread_local leat *handle;

/* A call that had to succeed did not. */
_Noreturn static void
die(const char *what, leat_status status)
{
    (void)fprintf(stderr, "%s: %s: %d: %s\n", running, what, (int)status, leat_sentence(handle));
    (void)fflush(stdout);
    _exit(1);
}

static leat *
dial(void)
{
    leat *broker;
    const leat_status status = leat_connect(NULL, &broker);
    if (status != LEAT_OK) {
        handle = broker;
        die("connect", status);
    }
    return broker;
}

leat *
here(void)
{
    return handle;
}

/* ------------------------------------------------------------------------------- goroutines */

struct goroutine {
    leat *handle;
    void (*f)(args given);
    args given;
};

static void *
run_goroutine(void *context)
{
    struct goroutine *const self = context;
    handle = self->handle;
    self->f(self->given);
    leat_disconnect(&handle);
    free(self);
    return NULL;
}

void
go(void (*f)(args given), args given)
{
    pthread_t thread;
    struct goroutine *const self = malloc(sizeof *self);
    if (self == NULL)
        abort();
    *self = (struct goroutine){.handle = dial(), .f = f, .given = given};
    if (pthread_create(&thread, NULL, run_goroutine, self) != 0 || pthread_detach(thread) != 0)
        abort();
}

/* --------------------------------------------------------------------------------- channels */

chan
make(int64_t capacity)
{
    static atomic_int count;
    chan ch;
    leat_channel_options options;
    leat_channel_options_init(&options);
    options.kind = LEAT_KIND_MESSAGES;
    options.capacity = capacity;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets it here */
    options.durability = getenv("PARITY_ON_DISK") != NULL ? LEAT_ON_DISK : LEAT_IN_MEMORY;
    (void)snprintf(ch.name, sizeof ch.name, "%s.%d.%d", running, (int)getpid(), ++count);
    const leat_status status = leat_channel_new(handle, ch.name, &options);
    if (status != LEAT_OK)
        die("make", status);
    return ch;
}

bool
chan_send(chan ch, int v)
{
    const leat_status status = leat_send(handle, ch.name, &v, sizeof v);
    if (status != LEAT_OK && status != LEAT_CLOSED)
        die("send", status);
    return status == LEAT_OK;
}

bool
chan_recv(chan ch, int *v)
{
    const void *data;
    size_t size;
    const leat_status status = leat_recv(handle, ch.name, &data, &size, -1);
    if (status != LEAT_OK && status != LEAT_END)
        die("recv", status);
    *v = status == LEAT_OK ? int_of(data) : 0;
    return status == LEAT_OK;
}

int
take(chan ch)
{
    int v;
    if (!chan_recv(ch, &v))
        die("take", LEAT_END);
    return v;
}

bool
chan_close(chan ch)
{
    const leat_status status = leat_close(handle, ch.name);
    if (status != LEAT_OK && status != LEAT_CLOSED)
        die("close", status);
    return status == LEAT_OK;
}

int
choose(leat_case *cases, size_t count, int64_t timeout_ms, bool *closed)
{
    int chosen;
    const leat_status status = leat_select(handle, cases, count, timeout_ms, &chosen);
    if (closed != NULL)
        *closed = status == LEAT_CLOSED;
    if (status != LEAT_OK && status != LEAT_TIMED_OUT && (status != LEAT_CLOSED || closed == NULL))
        die("select", status);
    return chosen;
}

leat_case
send_case(const chan *ch, const int *v)
{
    return LEAT_SEND_CASE(ch->name, v, sizeof *v);
}

leat_case
recv_case(const chan *ch)
{
    return LEAT_RECV_CASE(ch->name);
}

int
int_of(const void *data)
{
    int v;
    memcpy(&v, data, sizeof v);
    return v;
}

int
value_of(const leat_case *one)
{
    return one->ok ? int_of(one->data) : 0;
}

/* ------------------------------------------------------------------------------------- time */

void
pause_ms(int64_t ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

int64_t
clock_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int
main(int argc, char **argv)
{
    running = argc == 2 ? argv[1] : "parity";
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        if (strcmp(programs[i].name, running) != 0)
            continue;
        handle = dial();
        programs[i].run();
        leat_disconnect(&handle);
        (void)fflush(stdout);
        _exit(0); /* as in Go, who has not finished ends with main */
    }
    (void)fprintf(stderr, "parity: no program \"%s\"\n", running);
    return 2;
}
