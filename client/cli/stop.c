/* Signals and the alarm of --timeout. */
#include "client/cli/stop.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/time.h>
#include <unistd.h>

#include "proto/base/clock.h"

/* How often the alarm comes again: an interrupt that arrived just before a call is not lost. */
#define AGAIN_US 100000
/* Who asks for no time at all wants a look at what there is, and that takes some. */
#define LOOK_MS 50
/* Ten years: nobody waits longer, and a timer can hold it. */
#define AFTER_MS_MAX (10LL * 366 * 24 * 3600 * 1000)

static volatile sig_atomic_t caught; /* the first signal's number */
static volatile sig_atomic_t last;   /* the last one's */
static volatile sig_atomic_t count;
static volatile sig_atomic_t patient; /* see leat_stop_patiently */
static volatile sig_atomic_t timed_out;
static _Atomic(leat *) target;
static _Atomic int64_t deadline_ms = INT64_MAX;

static void
alarm_every(int64_t first_us)
{
    const struct itimerval timer = {
        .it_interval = {.tv_sec = 0,                  .tv_usec = AGAIN_US          },
        .it_value = {.tv_sec = first_us / 1000000, .tv_usec = first_us % 1000000},
    };
    (void)setitimer(ITIMER_REAL, &timer, NULL);
}

static void
interrupt_target(void)
{
    leat *const broker = atomic_load(&target);
    if (broker != NULL)
        leat_interrupt(broker);
}

static void
on_signal(int number)
{
    if (number == SIGALRM) {
        if (leat_clock_mono_ms() >= atomic_load(&deadline_ms))
            timed_out = 1;
        if (timed_out || caught != 0)
            interrupt_target();
        return;
    }
    if (caught != 0 && !patient)
        _exit(128 + number);
    last = number;
    count++;
    if (caught == 0) {
        caught = number;
        alarm_every(AGAIN_US);
    }
    interrupt_target();
}

void
leat_stop_watch(void)
{
    struct sigaction action = {0};
    (void)sigemptyset(&action.sa_mask);
    action.sa_handler = on_signal;
    action.sa_flags = 0; /* no SA_RESTART: a blocked read of stdin ends too */
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGALRM, &action, NULL);
    if (patient)
        (void)sigaction(SIGHUP, &action, NULL);
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
}

void
leat_stop_target(leat *broker)
{
    atomic_store(&target, broker);
}

void
leat_stop_patiently(void)
{
    patient = 1;
    leat_stop_watch();
}

void
leat_stop_after(int64_t ms)
{
    if (ms < 0) {
        atomic_store(&deadline_ms, INT64_MAX);
        return;
    }
    if (ms > AFTER_MS_MAX)
        ms = AFTER_MS_MAX;
    if (ms < LOOK_MS)
        ms = LOOK_MS;
    atomic_store(&deadline_ms, leat_clock_mono_ms() + ms);
    alarm_every(ms * 1000);
}

int
leat_stop_signal(void)
{
    return caught;
}

int
leat_stop_last(void)
{
    return last;
}

unsigned
leat_stop_count(void)
{
    return (unsigned)count;
}

bool
leat_stop_timed_out(void)
{
    return timed_out != 0;
}

bool
leat_stop_wanted(void)
{
    return caught != 0 || timed_out != 0;
}
