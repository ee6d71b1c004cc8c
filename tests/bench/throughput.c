/* throughput: jobs/s of a running broker and its workers, as a program on libleat sees them.
 *
 * One connection submits the jobs as one batch and reads their completions while it sends, so that
 * at most --window jobs are on their way. It starts nothing: `./dev bench` starts broker and worker
 * and runs this. A completion that is missing, or that is not done, fails the run: a figure for
 * jobs that were lost would be no figure. */
#include <leat.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/base/option.h"

#define ADD_RUN     512U  /* jobs added between two looks at the completions */
#define PATIENCE_MS 60000 /* without any completion for so long the run has failed */

typedef struct settings {
    const char *broker;
    const char *handler;
    const char *channel;
    uint64_t jobs;
    uint64_t payload_bytes;
    uint64_t window;
    bool memory;
} settings;

typedef struct run {
    leat *broker;
    leat_batch *batch;
    leat_wait *wait;
    void *payload;
    uint64_t added;
    uint64_t ended;
    uint64_t not_done;
} run;

static const leat_option rows[] = {
    {"broker",  0,   LEAT_OPTION_TEXT,   "URL",   NULL,      "where the broker is",                    0, 0,       0                      },
    {"jobs",    'n', LEAT_OPTION_NUMBER, "N",     "1000000", "jobs to submit",                         1, 0,       0                      },
    {"payload", 'p', LEAT_OPTION_NUMBER, "BYTES", "64",      "of each job",                            0, 1048576, 0                      },
    {"handler", 0,   LEAT_OPTION_TEXT,   "NAME",  "noop",    "what each job runs",                     0, 0,       0                      },
    {"channel", 'c', LEAT_OPTION_TEXT,   "NAME",  "default", "where they go",                          0, 0,       0                      },
    {"window",  'w', LEAT_OPTION_NUMBER, "N",     "100000",  "jobs on their way",                      1, 0,       0                      },
    {"memory",  0,   LEAT_OPTION_FLAG,   NULL,    NULL,      "make the channel first, without a disk", 0, 0,       0                      },
    {"help",    'h', LEAT_OPTION_FLAG,   NULL,    NULL,      "show this",                              0, 0,       LEAT_OPTION_NOT_IN_FILE},
};

static double
now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static leat_status
add(run *self, const settings *set, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        const leat_status status =
            leat_batch_add(self->batch, set->handler, self->payload, set->payload_bytes);
        if (status != LEAT_OK)
            return status;
        self->added++;
    }
    return LEAT_OK;
}

/* Read the completions that are here; with a timeout, wait for the first of them. */
static leat_status
read_completions(run *self, int64_t timeout_ms)
{
    leat_completed completed;
    for (;;) {
        const leat_status status = leat_wait_next(self->wait, &completed, timeout_ms);
        if (status == LEAT_TIMED_OUT && timeout_ms == 0)
            return LEAT_OK;
        if (status != LEAT_OK)
            return status;
        self->ended++;
        self->not_done += completed.outcome != LEAT_DONE;
        timeout_ms = 0;
    }
}

/* A channel of jobs that is not on disk. */
static leat_status
make_memory_channel(run *self, const settings *set)
{
    char arguments[512];
    const char *json;
    (void)snprintf(arguments, sizeof arguments,
                   "{\"channel\":\"%s\",\"kind\":\"jobs\",\"durability\":\"memory\"}",
                   set->channel);
    return leat_command_do(self->broker, "channel.new", arguments, &json);
}

/* Open the batch with its first job: the wait needs the batch's number, which comes with the first
 * answer. */
static leat_status
begin(run *self, const settings *set)
{
    leat_batch_options options;
    leat_batch_options_init(&options);
    options.channel = set->channel;

    leat_status status = leat_batch_open(self->broker, &options, &self->batch);
    if (status == LEAT_OK)
        status = add(self, set, 1);
    if (status == LEAT_OK)
        status = leat_batch_flush(self->batch);
    if (status == LEAT_OK)
        status = leat_wait_open(self->broker, leat_batch_id(self->batch), &self->wait);
    return status;
}

static leat_status
move(run *self, const settings *set)
{
    leat_status status = begin(self, set);
    while (status == LEAT_OK && self->added < set->jobs) {
        const uint64_t left = set->jobs - self->added;
        const uint64_t room = set->window - (self->added - self->ended);
        if (room == 0) {
            status = leat_batch_flush(self->batch);
            if (status == LEAT_OK)
                status = read_completions(self, PATIENCE_MS);
            continue;
        }
        uint64_t n = left < room ? left : room;
        n = n < ADD_RUN ? n : ADD_RUN;
        status = add(self, set, n);
        if (status == LEAT_OK)
            status = read_completions(self, 0);
    }
    if (status == LEAT_OK)
        status = leat_batch_seal(self->batch);
    while (status == LEAT_OK)
        status = read_completions(self, PATIENCE_MS);
    return status == LEAT_END ? LEAT_OK : status;
}

static int
measure(const settings *set)
{
    int failed = 1;
    run self = {.payload = calloc(1, set->payload_bytes + 1)};
    leat_status status = leat_connect(set->broker, &self.broker);
    if (status == LEAT_OK && set->memory)
        status = make_memory_channel(&self, set);
    const double start_s = now_s();
    if (self.payload != NULL && status == LEAT_OK)
        status = move(&self, set);
    const double seconds = now_s() - start_s;

    if (self.payload == NULL || status != LEAT_OK) {
        (void)fprintf(stderr, "throughput: after %llu of %llu completions: %s\n",
                      (unsigned long long)self.ended, (unsigned long long)set->jobs,
                      self.broker != NULL ? leat_sentence(self.broker) : "out of memory");
    } else if (self.ended != set->jobs || self.not_done != 0) {
        (void)fprintf(stderr, "throughput: %llu completions for %llu jobs, %llu of them not done\n",
                      (unsigned long long)self.ended, (unsigned long long)set->jobs,
                      (unsigned long long)self.not_done);
    } else {
        (void)printf("%.0f jobs/s  %llu jobs in %.3f s  channel %s  window %llu  payload %llu\n",
                     (double)set->jobs / seconds, (unsigned long long)set->jobs, seconds,
                     set->channel, (unsigned long long)set->window,
                     (unsigned long long)set->payload_bytes);
        failed = 0;
    }
    leat_disconnect(&self.broker);
    free(self.payload);
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
        (void)fprintf(stderr, "throughput: %s\n", leat_options_why(options));
    } else if (leat_options_flag(options, "help")) {
        (void)printf("throughput [OPTIONS]: jobs/s of a running broker, seen by one client\n\n");
        leat_options_print_help(options, stdout);
        status = 0;
    } else {
        const settings set = {
            .broker = leat_options_text(options, "broker"),
            .handler = leat_options_text(options, "handler"),
            .channel = leat_options_text(options, "channel"),
            .jobs = leat_options_number(options, "jobs"),
            .payload_bytes = leat_options_number(options, "payload"),
            .window = leat_options_number(options, "window"),
            .memory = leat_options_flag(options, "memory"),
        };
        status = measure(&set);
    }
    leat_options_destroy(&options);
    return status;
}
