/* payload: large jobs through libleat: each payload goes to a worker's handler `echo` and comes
 * back as the result, which is compared. `frames relay` is its yardstick; `./dev bench scale` runs
 * both.
 *
 *   payload --broker URL --channel C --bytes N --jobs N --window N */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <leat.h>

#include "proto/base/clock.h"
#include "proto/base/option.h"

#define PATIENCE_MS 60000
#define PUSH_MS     20

static const leat_option rows[] = {
    {"broker",  0,   LEAT_OPTION_TEXT,   "URL",  NULL,      "where the broker is", 0, 0,       0,                       NULL},
    {"channel", 'c', LEAT_OPTION_TEXT,   "NAME", "default", "where the jobs go",   0, 0,       0,                       NULL},
    {"bytes",   'b', LEAT_OPTION_NUMBER, "N",    "1048576", "of each payload",     8, 1048576, 0,                       NULL},
    {"jobs",    'n', LEAT_OPTION_NUMBER, "N",    "1000",    "jobs",                1, 0,       0,                       NULL},
    {"window",  'w', LEAT_OPTION_NUMBER, "N",    "16",      "jobs on their way",   1, 10000,   0,                       NULL},
    {"help",    'h', LEAT_OPTION_FLAG,   NULL,   NULL,      "show this",           0, 0,       LEAT_OPTION_NOT_IN_FILE, NULL},
};

typedef struct settings {
    const char *broker;
    const char *channel;
    uint64_t bytes;
    uint64_t jobs;
    uint64_t window;
} settings;

static void
must(leat_status status, const leat *broker, const char *what)
{
    if (status == LEAT_OK)
        return;
    (void)fprintf(stderr, "payload: %s: %s\n", what, leat_sentence(broker));
    _exit(1);
}

/* Payloads differ in their first bytes. */
static void
add(leat *broker, leat_batch *batch, uint8_t *payload, uint64_t number, const settings *set)
{
    memcpy(payload, &number, sizeof number);
    must(leat_batch_add(batch, "echo", payload, set->bytes), broker, "add");
}

/* The next completion. What did not fit on the way to the broker is pushed again and again: nobody
 * else does it. */
static void
take(leat *broker, leat_batch *batch, leat_wait *wait, leat_completed *out)
{
    leat_status status = LEAT_TIMED_OUT;
    for (int i = 0; i < PATIENCE_MS / PUSH_MS && status == LEAT_TIMED_OUT; i++) {
        status = leat_batch_push(batch);
        must(status == LEAT_NOT_YET ? LEAT_OK : status, broker, "push");
        status = leat_wait_next(wait, out, PUSH_MS);
    }
    must(status, broker, "wait");
}

static void
check(const leat_completed *done, const uint8_t *payload, const settings *set)
{
    const uint64_t number = done->place - 1;
    if (done->outcome == LEAT_DONE && done->result_size == set->bytes &&
        memcmp(done->result, &number, sizeof number) == 0 &&
        memcmp((const uint8_t *)done->result + sizeof number, payload + sizeof number,
               set->bytes - sizeof number) == 0)
        return;
    (void)fprintf(stderr, "payload: job %llu has not come back as it was\n",
                  (unsigned long long)done->job);
    _exit(1);
}

static void
measure(leat *broker, const settings *set)
{
    leat_batch *batch;
    leat_wait *wait = NULL;
    leat_completed completed;
    uint64_t sent = 0;
    uint8_t *const payload = malloc(set->bytes);
    leat_batch_options options;
    leat_batch_options_init(&options);
    options.channel = set->channel;
    if (payload == NULL)
        _exit(1);
    memset(payload, 'A', set->bytes);
    must(leat_batch_open(broker, &options, &batch), broker, "batch");

    const int64_t start_us = leat_clock_mono_us();
    add(broker, batch, payload, sent++, set);
    must(leat_batch_flush(batch), broker, "flush");
    must(leat_wait_open(broker, leat_batch_id(batch), &wait), broker, "wait");
    for (uint64_t done = 0; done < set->jobs; done++) {
        while (sent < set->jobs && sent - done < set->window)
            add(broker, batch, payload, sent++, set);
        take(broker, batch, wait, &completed);
        check(&completed, payload, set);
    }
    const double seconds = (double)(leat_clock_mono_us() - start_us) * 1e-6;
    (void)printf("{\"bytes_per_second\": %.0f, \"bytes\": %llu, \"jobs\": %llu}\n",
                 (double)(set->jobs * set->bytes) / seconds, (unsigned long long)set->bytes,
                 (unsigned long long)set->jobs);
    must(leat_batch_seal(batch), broker, "seal");
    free(payload);
}

int
main(int argc, char **argv)
{
    int status = 2;
    leat *broker = NULL;
    leat_options *options = NULL;
    if (leat_options_new(rows, sizeof rows / sizeof *rows, &options) != LEAT_ERR_OK)
        return 1;
    if (leat_options_read_arguments(options, argc, argv, false) != LEAT_ERR_OK) {
        (void)fprintf(stderr, "payload: %s\n", leat_options_why(options));
    } else if (leat_options_flag(options, "help")) {
        (void)printf("payload [OPTIONS]: large jobs that come back\n\n");
        leat_options_print_help(options, stdout);
        status = 0;
    } else {
        const settings set = {
            .broker = leat_options_text(options, "broker"),
            .channel = leat_options_text(options, "channel"),
            .bytes = leat_options_number(options, "bytes"),
            .jobs = leat_options_number(options, "jobs"),
            .window = leat_options_number(options, "window"),
        };
        must(leat_connect(set.broker, &broker), broker, "connect");
        measure(broker, &set);
        status = 0;
    }
    leat_disconnect(&broker);
    leat_options_destroy(&options);
    return status;
}
