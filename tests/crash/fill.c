/* crash_fill: send jobs until the broker says that there is no space left, and measure how long
 * that answer takes.
 *
 *     crash_fill --seed S --bytes N [--jobs N] [--refusals N] [--channel C]
 *
 * Batches of twenty jobs with payloads of up to N bytes and a random priority, so that they end in
 * no order of their ids. In the end one JSON object: accepted, refused, and the slowest refusal. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <leat.h>

#include "proto/base/clock.h"
#include "proto/base/random.h"

#define BATCH_JOBS 20U
#define BYTES_MAX  1048576U

struct fill {
    leat *broker;
    leat_random random;
    unsigned long long seed, jobs, bytes, refusals;
    const char *channel;
    unsigned long long sent, accepted, refused;
    int64_t slowest_us;
    char payload[BYTES_MAX];
};

static struct fill fill;

/* Send some jobs as one batch. false: they were refused for want of space. */
static bool
send_batch(unsigned jobs)
{
    leat_batch_options options;
    leat_batch *batch;
    leat_batch_options_init(&options);
    options.channel = fill.channel;
    options.priority = (int)leat_random_below(&fill.random, 10);
    if (leat_batch_open(fill.broker, &options, &batch) != LEAT_OK)
        return false;
    leat_status status = LEAT_OK;
    const int64_t begin_us = leat_clock_mono_us();
    for (unsigned i = 0; i < jobs && status == LEAT_OK; i++) {
        const unsigned long long most = fill.bytes < 64 ? 64 : fill.bytes;
        const size_t size = (size_t)(most / 2 + leat_random_below(&fill.random, most / 2 + 1));
        const int n =
            snprintf(fill.payload, sizeof fill.payload, "fill %llu/%llu ", fill.seed, ++fill.sent);
        memset(fill.payload + n, 'x', size - (size_t)n);
        status = leat_batch_add(batch, "echo", fill.payload, size);
    }
    if (status == LEAT_OK)
        status = leat_batch_seal(batch);
    const int64_t took_us = leat_clock_mono_us() - begin_us;
    fill.accepted += leat_batch_accepted(batch);
    leat_batch_free(&batch);
    if (status == LEAT_OK)
        return true;
    if (strstr(leat_sentence(fill.broker), "no space left") == NULL) {
        (void)fprintf(stderr, "crash_fill: %s\n", leat_sentence(fill.broker));
        exit(1); /* NOLINT(concurrency-mt-unsafe): one thread */
    }
    fill.refused++;
    (void)usleep(100000); /* as a client would: a little later there may be room */
    if (took_us > fill.slowest_us)
        fill.slowest_us = took_us;
    return false;
}

int
main(int argc, char **argv)
{
    fill.channel = "fill";
    fill.jobs = 10000000;
    fill.bytes = 200;
    fill.refusals = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            fill.seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--jobs") == 0)
            fill.jobs = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--bytes") == 0)
            fill.bytes = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--refusals") == 0)
            fill.refusals = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--channel") == 0)
            fill.channel = argv[i + 1];
        else
            return 2;
    }
    if (fill.bytes > BYTES_MAX)
        return 2;
    leat_random_seed(&fill.random, fill.seed);
    if (leat_connect(NULL, &fill.broker) != LEAT_OK) {
        (void)fprintf(stderr, "crash_fill: %s\n", leat_sentence(fill.broker));
        return 1;
    }
    const unsigned jobs = fill.bytes > 100000 ? 1 : BATCH_JOBS;
    while (fill.accepted < fill.jobs && fill.refused < fill.refusals)
        (void)send_batch(jobs);
    printf("{\"accepted\": %llu, \"refused\": %llu, \"slowest_us\": %lld}\n", fill.accepted,
           fill.refused, (long long)fill.slowest_us);
    leat_disconnect(&fill.broker);
    return 0;
}
