/* leat demo: the seed's program on a real broker and real worker processes.
 *
 * Three workers with one slot each sleep id × 100 ms and say so on the demo's own stdout; the demo
 * waits for their completions. Broker and workers are other processes, they speak over TCP, and
 * nothing of them is left at the end. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/batches.h"
#include "client/cli/command.h"
#include "client/cli/duration.h"
#include "client/cli/json.h"
#include "client/cli/service.h"
#include "client/cli/stop.h"
#include "proto/base/clock.h"

#define WORKERS_MAX  1000U
#define WORKER_BYTES 132U
#define LOOK_MS      500
#define QUIET_MS     1500 /* after so long it is asked why nothing comes */

static const leat_option rows[] = {
    {.name = "workers",
     .type = LEAT_OPTION_NUMBER,
     .value = "N",
     .fallback = "3",
     .help = "workers, and jobs",
     .min = 1,
     .max = WORKERS_MAX},
};

typedef struct demo {
    leat_cli *cli;
    leat_service service; /* stays empty with --broker */
    bool own;             /* the service is ours */
    size_t count;
    FILE *out; /* the transcript's stream */
    uint64_t batch;
    leat_wait *wait;
    char (*worker_of)[WORKER_BYTES]; /* owned; by place, from 0: who ran it */
    size_t received;
    size_t failed;
    int64_t submitted_ms;
    int64_t heard_ms;
    bool told_why;
} demo;

/* ---- starting the service ---- */

static int
start_service(demo *self)
{
    leat_cli *const cli = self->cli;
    self->service.death_signal = SIGKILL;
    int code = leat_service_programs(cli, &self->service);
    if (code == LEAT_EXIT_OK)
        code = leat_service_temporary(cli, &self->service, "demo");
    if (code == LEAT_EXIT_OK)
        code = leat_service_start_loopback(cli, &self->service, "demo");
    if (code != LEAT_EXIT_OK)
        return code;

    self->service.workers = calloc(self->count, sizeof *self->service.workers);
    if (self->service.workers == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    for (; self->service.worker_count < self->count; self->service.worker_count++) {
        char name[32];
        (void)snprintf(name, sizeof name, "w%zu", self->service.worker_count + 1);
        if (leat_stop_wanted())
            return leat_cli_failed(cli, LEAT_REFUSED, "demo");
        if (leat_service_start_worker(cli, &self->service, self->service.worker_count, name, 1,
                                      fileno(self->out)) != LEAT_ERR_OK)
            return LEAT_EXIT_LEAT;
    }
    const leat_status status = leat_cli_connect_to(cli, self->service.endpoint, 10000);
    if (status != LEAT_OK)
        return leat_cli_failed(cli, status, self->service.endpoint);
    return leat_service_workers_up(cli, &self->service, self->count,
                                   10000 + (int64_t)self->count * 200);
}

/* ---- the jobs ---- */

__attribute__((format(printf, 2, 3))) static void
say(const demo *self, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vfprintf(self->out, format, arguments);
    va_end(arguments);
    /* The workers write to the same place: a line must be out before they go on. */
    (void)fflush(self->out);
}

static int
submit(demo *self)
{
    leat_batch *batch = NULL;
    leat_status status = leat_batch_open(self->cli->broker, NULL, &batch);
    for (size_t i = 1; status == LEAT_OK && i <= self->count; i++) {
        char payload[24];
        const int size = snprintf(payload, sizeof payload, "%zu", i);
        status = leat_batch_add(batch, "seed", payload, (size_t)size);
    }
    if (status == LEAT_OK)
        status = leat_batch_seal(batch);
    if (status != LEAT_OK)
        return leat_cli_failed(self->cli, status, "submitting the jobs");
    self->batch = leat_batch_id(batch);
    leat_batch_free(&batch);
    status = leat_wait_open(self->cli->broker, self->batch, &self->wait);
    return status == LEAT_OK ? LEAT_EXIT_OK : leat_cli_failed(self->cli, status, "waiting");
}

static void
take(demo *self, const leat_completed *done)
{
    char safe[256];
    self->heard_ms = leat_clock_mono_ms();
    self->received++;
    (void)leat_screen_safe(done->result, done->result_size, self->cli->out.utf8, 60, safe,
                           sizeof safe);
    if (done->place >= 1 && done->place <= self->count)
        (void)snprintf(self->worker_of[done->place - 1], WORKER_BYTES, "%.130s", done->worker);
    if (done->outcome == LEAT_DONE) {
        say(self, "Received %s\n", safe);
        return;
    }
    self->failed++;
    leat_cli_say(self->cli, "job %" PRIu32 " is %s: %s", done->place,
                 leat_batches_outcome(done->outcome), safe);
}

/* With somebody else's broker the jobs may have to wait for workers that know `seed`. */
static void
tell_why(demo *self)
{
    leat_status status;
    cJSON *batch;
    if (self->told_why || leat_clock_mono_ms() - self->heard_ms < QUIET_MS)
        return;
    self->heard_ms = leat_clock_mono_ms();
    if (leat_batches_ask(self->cli, self->batch, &status, &batch) != LEAT_EXIT_OK)
        return;
    const char *const reason = leat_json_string(batch, "reason");
    if (*reason != '\0') {
        leat_cli_say(self->cli, "waiting: %s", reason);
        self->told_why = true;
    }
    cJSON_Delete(batch);
}

static int
receive(demo *self)
{
    leat_completed done;
    for (;;) {
        const leat_status status =
            leat_stop_wanted() ? LEAT_REFUSED : leat_wait_next(self->wait, &done, LOOK_MS);
        if (status == LEAT_OK) {
            take(self, &done);
            continue;
        }
        if (status == LEAT_END)
            return LEAT_EXIT_OK;
        if (self->own && leat_child_has_ended(&self->service.broker)) {
            (void)leat_cli_fail(self->cli, LEAT_EXIT_LEAT, "BROKER_ENDED", NULL,
                                "the broker ended (%s)",
                                leat_child_end_words(&self->service.broker));
            leat_service_show_log(self->cli, &self->service, "broker");
            return LEAT_EXIT_LEAT;
        }
        if (status != LEAT_TIMED_OUT)
            return leat_cli_failed(self->cli, status, "waiting");
        tell_why(self);
    }
}

/* ---- the last line ---- */

static int
summarise(const demo *self)
{
    char took[LEAT_DURATION_BYTES];
    char safe[WORKER_BYTES * 4];
    const double seconds = (double)(leat_clock_mono_ms() - self->submitted_ms) / 1000;
    if (self->cli->json) {
        cJSON *json = cJSON_CreateObject();
        (void)cJSON_AddNumberToObject(json, "jobs", (double)self->received);
        (void)cJSON_AddNumberToObject(json, "failed", (double)self->failed);
        (void)cJSON_AddNumberToObject(json, "took_s", seconds);
        cJSON *const where = cJSON_AddArrayToObject(json, "workers");
        for (size_t i = 0; i < self->count; i++) {
            const char *const worker = self->worker_of[i];
            (void)cJSON_AddItemToArray(where, cJSON_CreateString(worker));
        }
        (void)leat_json_print(&json, stdout);
    } else {
        (void)printf("%zu job%s in %s: ", self->received, self->received == 1 ? "" : "s",
                     leat_duration_spoken(seconds, took));
        for (size_t i = 0; i < self->count; i++) {
            const char *const worker = self->worker_of[i];
            (void)leat_screen_safe(worker, strlen(worker), self->cli->out.utf8, 0, safe,
                                   sizeof safe);
            (void)printf("%s%zu on %s", i > 0 ? ", " : "", i + 1, *safe == '\0' ? "?" : safe);
        }
        (void)printf("\n");
    }
    (void)leat_cli_flush();
    return self->failed > 0 ? LEAT_EXIT_FAILED : LEAT_EXIT_OK;
}

/* The broker that we started has ended: waiting for it to come back makes no sense. */
static void
broker_gone(void *context, int64_t for_ms)
{
    demo *const self = context;
    if (for_ms >= 0 && leat_child_has_ended(&self->service.broker))
        leat_interrupt(self->cli->broker);
}

static int
run(leat_cli *cli)
{
    demo self = {.cli = cli};
    self.count = (size_t)leat_options_number(cli->options, "workers");
    self.own = !leat_options_given(cli->options, "broker");
    /* stdout is for the one JSON value then. */
    self.out = cli->json ? stderr : stdout;
    if (leat_options_operand_count(cli->options) > 0)
        return leat_cli_usage(cli, "demo takes no operands");
    self.worker_of = calloc(self.count, sizeof *self.worker_of);
    if (self.worker_of == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");

    int code;
    if (self.own) {
        leat_stop_patiently();
        code = start_service(&self);
        cli->on_gone = broker_gone;
        cli->on_gone_context = &self;
    } else {
        code = leat_cli_connect(cli);
    }
    if (code != LEAT_EXIT_OK)
        goto done;
    self.submitted_ms = leat_clock_mono_ms();
    self.heard_ms = self.submitted_ms;
    say(&self, "Waiting for workers to finish...\n");
    code = submit(&self);
    if (code == LEAT_EXIT_OK)
        code = receive(&self);
    if (code != LEAT_EXIT_OK)
        goto done;
    say(&self, "All workers are done\n");
    code = summarise(&self);

done:
    if (self.wait != NULL)
        leat_wait_free(&self.wait);
    leat_cli_disconnect(cli);
    cli->on_gone = NULL;
    leat_service_end(&self.service);
    free(self.worker_of);
    return code;
}

static const leat_example examples[] = {
    {"leat demo",                          "three workers, three jobs"     },
    {"leat demo --workers 50",             "fifty of each, in five seconds"},
    {"leat demo --broker tcp://HOST:5328", "on workers that run elsewhere" },
};

const leat_cli_command leat_cli_command_demo = {
    .noun = "demo",
    .summary = "see workers at work: a broker and N workers for some seconds",
    .operands = "",
    .about = "Starts a broker and N workers with one slot each, as processes of their own on this\n"
             "machine, gives them N jobs (the i-th sleeps i times 100 ms), receives what they\n"
             "answer, and ends everything again. With --broker it starts nothing and uses the\n"
             "workers of that broker, whose lines then stand in their logs.\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .run = run,
};
