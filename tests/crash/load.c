/* crash_load: a client that does a bit of everything, from a seed, with its history on.
 *
 *     crash_load --seed S [--jobs N] [--channel-prefix P]
 *
 * It goes on until it has sent N jobs, or is told to end (SIGTERM), and through any restart of the
 * broker; what it does is written into LEAT_HISTORY, for crash_check. Channels: P-work on disk,
 * P-small with room for 200, P-mem in memory, P-news of messages. It prints how many jobs were
 * acknowledged.
 *
 * Payloads name seed and number, so that no two records have the same bytes, unless they share a
 * unique key. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <leat.h>

#include "proto/base/random.h"

#define BATCHES     6U /* that are remembered: to be waited for, cancelled, tried again */
#define PAYLOAD_MAX 6000U
#define CONNECT_MS  60000
#define NAME_BYTES  64U

struct load {
    leat *broker;
    leat_random random;
    unsigned long long seed;
    unsigned long long sent;
    unsigned long long acknowledged;
    unsigned long long jobs_max;
    uint64_t batches[BATCHES];
    unsigned at; /* the oldest of them */
    char work[NAME_BYTES], small[NAME_BYTES], memory[NAME_BYTES], news[NAME_BYTES];
    char payload[PAYLOAD_MAX];
};

static struct load load;
static volatile sig_atomic_t stopping;

static void
on_term(int number)
{
    (void)number;
    stopping = 1;
    if (load.broker != NULL)
        leat_interrupt(load.broker);
}

static unsigned
below(unsigned n)
{
    return (unsigned)leat_random_below(&load.random, n);
}

static bool
is_one_in(unsigned n)
{
    return below(n) == 0;
}

/* A payload that nobody else has: small ones mostly. Returns its size. */
static size_t
make_payload(const char *front)
{
    const int n =
        snprintf(load.payload, sizeof load.payload, "%s%llu/%llu ", front, load.seed, ++load.sent);
    const size_t size = (size_t)n + (is_one_in(50) ? below(PAYLOAD_MAX - 100) : below(40));
    memset(load.payload + n, 'x', size - (size_t)n);
    return size;
}

/* ------------------------------------------------------------------------------- jobs */

/* One job of a batch; most are quick. */
static leat_status
add_job(leat_batch *batch, unsigned kind)
{
    static const char *const naps[] = {"1ms", "5ms", "20ms", "50ms"};
    size_t size;
    switch (kind) {
    case 0:
        size = make_payload("fatal:");
        return leat_batch_add(batch, "fail", load.payload, size);
    case 1:
        size = make_payload("again ");
        return leat_batch_add(batch, "fail", load.payload, size);
    case 2:
        load.sent++;
        size = below(4);
        return leat_batch_add(batch, "sleep", naps[size], strlen(naps[size]));
    case 3:
        size = make_payload("");
        return leat_batch_add(batch, "sha256", load.payload, size);
    default:
        size = make_payload("");
        return leat_batch_add(batch, is_one_in(2) ? "echo" : "noop", load.payload, size);
    }
}

static void
fill_options(leat_batch_options *options, leat_follow follow[3])
{
    static const char *const handlers[] = {"noop", "echo", "noop"};
    leat_batch_options_init(options);
    options->channel = is_one_in(6) ? load.memory : is_one_in(4) ? load.small : load.work;
    options->backoff_min_ms = 10;
    options->backoff_max_ms = 50;
    if (is_one_in(4))
        options->priority = (int)below(10);
    if (is_one_in(4))
        options->failures = 1 + (int)below(4);
    if (is_one_in(5))
        options->delay_ms = 1 + below(400);
    if (is_one_in(12))
        options->expires_ms = 50 + below(500);
    if (is_one_in(12) && load.batches[0] != 0) {
        options->after_batch = load.batches[below(BATCHES)];
        options->after = LEAT_WHEN_ANY;
        if (options->after_batch == 0 || options->channel == load.small)
            options->after = 0;
        if (options->after == 0)
            options->after_batch = 0;
    }
    for (unsigned i = 0; i < 3; i++)
        follow[i] = (leat_follow){.handler = handlers[i], .payload = "after", .size = 5};
    if (is_one_in(8)) {
        options->finally = follow;
        options->finally_count = 1 + below(2);
    }
    if (is_one_in(8))
        options->recover = &follow[2];
}

static void
remember(uint64_t batch)
{
    if (batch == 0)
        return;
    load.batches[load.at] = batch;
    load.at = (load.at + 1) % BATCHES;
}

static void
send_batch(void)
{
    leat_batch_options options;
    leat_follow follow[3];
    leat_batch *batch;
    const unsigned size = is_one_in(3)    ? 1 + below(8)
                          : is_one_in(10) ? 500 + below(1500)
                                          : 20 + below(300);
    const unsigned kind = is_one_in(2) ? 9 : below(5);
    fill_options(&options, follow);
    if (leat_batch_open(load.broker, &options, &batch) != LEAT_OK)
        return;
    leat_status status = LEAT_OK;
    for (unsigned i = 0; i < size && status == LEAT_OK && !stopping; i++)
        status = add_job(batch, is_one_in(10) ? kind : 9);
    if (status == LEAT_OK && !is_one_in(20)) /* else the broker seals it when we are gone */
        (void)leat_batch_seal(batch);
    else if (status == LEAT_OK)
        (void)leat_batch_flush(batch);
    load.acknowledged += leat_batch_accepted(batch);
    remember(leat_batch_id(batch));
    leat_batch_free(&batch);
}

static void
send_one(void)
{
    leat_batch_options options;
    leat_follow follow[3];
    char key[16];
    uint64_t id;
    fill_options(&options, follow);
    size_t size = make_payload("");
    if (is_one_in(2)) {
        /* Who joins has the same payload, and nothing of its own. */
        leat_batch_options_init(&options);
        size = (size_t)snprintf(key, sizeof key, "key %u", below(5));
        memcpy(load.payload, key, size);
        options.channel = load.work;
        options.unique = key;
    }
    if (leat_submit(load.broker, &options, "echo", load.payload, size, &id) == LEAT_OK) {
        load.acknowledged++;
        remember(id);
    }
}

/* ------------------------------------------------------------------------------- the rest */

static void
wait_for(uint64_t batch)
{
    leat_wait *wait;
    leat_completed completed;
    if (batch == 0 || leat_wait_open(load.broker, batch, &wait) != LEAT_OK)
        return;
    const unsigned goal = is_one_in(3) ? 1 + below(50) : 0;
    if (goal > 0)
        leat_wait_goal(wait, goal, is_one_in(2));
    /* One that was left unsealed has no end: what is there has to do. */
    while (!stopping && leat_wait_next(wait, &completed, goal > 0 ? 300 : 1000) == LEAT_OK)
        continue;
    leat_wait_free(&wait);
}

static void
wait_for_one(void)
{
    wait_for(load.batches[below(BATCHES)]);
}

/* The work is bounded by this: who has sent much waits for some of it. */
static void
wait_for_oldest(void)
{
    wait_for(load.batches[load.at]);
}

static void
cancel(void)
{
    leat_cancelled cancelled;
    const uint64_t batch = load.batches[below(BATCHES)];
    if (batch != 0)
        (void)leat_cancel(load.broker, batch, 1 + below(50), is_one_in(2) ? 0 : 100, &cancelled);
}

static void
cancel_job(void)
{
    const uint64_t batch = load.batches[below(BATCHES)];
    if (batch != 0)
        (void)leat_cancel_jobs(load.broker, &batch, 1, NULL);
}

static void
retry(void)
{
    uint64_t again = 0;
    const uint64_t batch = load.batches[below(BATCHES)];
    if (batch != 0 && leat_retry(load.broker, batch, &again, NULL) == LEAT_OK)
        remember(again);
}

static void
pause_channel(void)
{
    (void)leat_channel_pause(load.broker, load.work, 20 + below(100));
}

static void
resume_channel(void)
{
    (void)leat_channel_resume(load.broker, load.work);
}

static void
send_messages(void)
{
    leat_status status = LEAT_OK;
    for (unsigned i = 1 + below(10); i > 0 && status == LEAT_OK; i--) {
        const size_t size = make_payload("message ");
        status = is_one_in(3) ? leat_send_within(load.broker, load.news, load.payload, size, 500)
                              : leat_send(load.broker, load.news, load.payload, size);
    }
}

static void
receive_messages(void)
{
    const void *data;
    size_t size;
    for (unsigned i = 5 + below(20); i > 0; i--)
        if (leat_recv(load.broker, load.news, &data, &size, below(5)) != LEAT_OK)
            return;
    if (is_one_in(2))
        (void)leat_acknowledge(load.broker);
}

static const struct {
    unsigned weight;
    void (*act)(void);
} acts[] = {
    {30, send_batch      },
    {10, send_one        },
    {18, wait_for_oldest },
    {6,  wait_for_one    },
    {4,  cancel          },
    {3,  cancel_job      },
    {3,  retry           },
    {1,  pause_channel   },
    {2,  resume_channel  },
    {5,  send_messages   },
    {7,  receive_messages},
};
#define ACTS (sizeof acts / sizeof *acts)

static void
act(void)
{
    unsigned sum = 0;
    for (size_t i = 0; i < ACTS; i++)
        sum += acts[i].weight;
    unsigned which = below(sum);
    size_t i = 0;
    while (which >= acts[i].weight)
        which -= acts[i++].weight;
    acts[i].act();
}

/* ------------------------------------------------------------------------------- begin, end */

static bool
make_channels(void)
{
    leat_channel_options options;
    leat_channel_options_init(&options);
    options.kind = LEAT_KIND_JOBS;
    if (leat_channel_new(load.broker, load.work, &options) != LEAT_OK)
        return false;
    options.capacity = 200;
    if (leat_channel_new(load.broker, load.small, &options) != LEAT_OK)
        return false;
    leat_channel_options_init(&options);
    options.kind = LEAT_KIND_JOBS;
    options.durability = LEAT_IN_MEMORY;
    return leat_channel_new(load.broker, load.memory, &options) == LEAT_OK &&
           leat_make(load.broker, load.news, LEAT_UNLIMITED) == LEAT_OK;
}

static bool
read_arguments(int argc, char **argv)
{
    const char *prefix = "load";
    load.jobs_max = ~0ULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            load.seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--jobs") == 0)
            load.jobs_max = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--channel-prefix") == 0)
            prefix = argv[i + 1];
        else
            return false;
    }
    (void)snprintf(load.work, NAME_BYTES, "%.50s-work", prefix);
    (void)snprintf(load.small, NAME_BYTES, "%.50s-small", prefix);
    (void)snprintf(load.memory, NAME_BYTES, "%.50s-mem", prefix);
    (void)snprintf(load.news, NAME_BYTES, "%.50s-news", prefix);
    return argc % 2 == 1;
}

int
main(int argc, char **argv)
{
    if (!read_arguments(argc, argv)) {
        (void)fputs("crash_load --seed S [--jobs N] [--channel-prefix P]\n", stderr);
        return 2;
    }
    leat_random_seed(&load.random, load.seed);
    leat *broker = NULL;
    const leat_connect_options options = {.timeout_ms = CONNECT_MS, .software = "crash_load"};
    if (leat_connect_with(&options, &broker) != LEAT_OK) {
        (void)fprintf(stderr, "crash_load: %s\n", leat_sentence(broker));
        leat_disconnect(&broker);
        return 1;
    }
    load.broker = broker;
    const struct sigaction action = {.sa_handler = on_term};
    (void)sigaction(SIGTERM, &action, NULL);
    if (!make_channels() && !stopping) {
        (void)fprintf(stderr, "crash_load: %s\n", leat_sentence(broker));
        return 1;
    }
    while (!stopping && load.acknowledged < load.jobs_max)
        act();
    load.broker = NULL; /* nobody interrupts the good-bye */
    leat_disconnect(&broker);
    (void)printf("acknowledged %llu\n", load.acknowledged);
    return 0;
}
