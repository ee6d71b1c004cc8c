/* crash_probe: asks the broker something small, again and again, and prints how long each answer
 * took: what somebody waits for who is not to blame.
 *
 *     crash_probe PAUSE_MS        lines "MONOTONIC_US LATENCY_US", until it is told to end */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <leat.h>

#include "proto/base/clock.h"

static volatile sig_atomic_t stopping;

static void
on_term(int number)
{
    (void)number;
    stopping = 1;
}

int
main(int argc, char **argv)
{
    const long pause_ms = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    leat *broker = NULL;
    const char *json;
    leat_status status;
    if (pause_ms < 1 || pause_ms > 999) {
        (void)fputs("crash_probe PAUSE_MS\n", stderr);
        return 2;
    }
    const struct sigaction action = {.sa_handler = on_term};
    (void)sigaction(SIGTERM, &action, NULL);
    status = leat_connect(NULL, &broker);
    while (status == LEAT_OK && !stopping) {
        const int64_t began_us = leat_clock_mono_us();
        status = leat_query(broker, "ping", NULL, &json);
        const int64_t ended_us = leat_clock_mono_us();
        if (status == LEAT_OK)
            (void)printf("%lld %lld\n", (long long)began_us, (long long)(ended_us - began_us));
        const struct timespec pause = {.tv_nsec = pause_ms * 1000000};
        (void)nanosleep(&pause, NULL);
    }
    if (status != LEAT_OK)
        (void)fprintf(stderr, "crash_probe: %s\n", leat_sentence(broker));
    leat_disconnect(&broker);
    return status == LEAT_OK ? 0 : 1;
}
