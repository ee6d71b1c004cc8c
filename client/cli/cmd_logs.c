/* leat logs: what the commands of a batch have printed. */
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/batches.h"
#include "client/cli/command.h"
#include "client/cli/json.h"
#include "client/cli/live.h"
#include "client/cli/output.h"
#include "client/cli/stop.h"
#include "proto/base/clock.h"

static const leat_option rows[] = {
    {.name = "follow",
     .letter = 'f',
     .type = LEAT_OPTION_FLAG,
     .help = "what runs is shown as it comes, until the batch is over",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "failed",
     .type = LEAT_OPTION_FLAG,
     .help = "only of jobs that ended other than done",
     .flags = LEAT_OPTION_NOT_IN_FILE                },
    {.name = "tail",
     .value = "N",
     .type = LEAT_OPTION_NUMBER,
     .help = "of each stream of a job that has ended its last N lines",
     .min = 1,
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "tag",
     .type = LEAT_OPTION_FLAG,
     .help = "the job's number before each line",
     .flags = LEAT_OPTION_NOT_IN_FILE                 },
};

#define LOOK_MS 1000 /* so long the beginning of a line waits for its end */

typedef struct reading {
    leat_cli *cli;
    leat_selector which;
    leat_live *live;
    bool follow;
    uint64_t shown;
    uint64_t left;    /* completions that are to be read */
    int64_t quiet_ms; /* since something came, while the beginning of a line waits */
} reading;

static void
show_json(const leat_completed *done, const leat_ending *ending)
{
    char job[64];
    cJSON *json = cJSON_CreateObject();
    (void)snprintf(job, sizeof job, "%" PRIu64 "/%" PRIu32, done->batch, done->place);
    (void)cJSON_AddStringToObject(json, "job", job);
    (void)cJSON_AddStringToObject(json, "outcome", leat_batches_outcome(done->outcome));
    if (ending != NULL)
        leat_output_json(json, ending);
    else
        leat_json_put_bytes(json, "result", done->result, done->result_size);
    (void)leat_json_print(&json, stdout);
}

static void
show(reading *self, const leat_completed *done)
{
    char why[1024];
    leat_ending ending;
    const bool is_command = leat_output_read(done, &ending);
    self->shown++;
    if (self->cli->json) {
        show_json(done, is_command ? &ending : NULL);
        return;
    }
    if (leat_live_ended(self->live, done->place, done->attempt, is_command ? &ending : NULL))
        return;
    if (done->outcome != LEAT_DONE) {
        leat_output_reason(done, self->cli->err.utf8, why, sizeof why);
        leat_cli_say(self->cli, "%" PRIu64 "/%" PRIu32 " %s%s%s", done->batch, done->place,
                     leat_batches_outcome(done->outcome), *why == '\0' ? "" : ": ", why);
    } else if (!self->follow) {
        leat_cli_say(self->cli,
                     "%" PRIu64 "/%" PRIu32 " was no command; see leat result %" PRIu64 "/%" PRIu32,
                     done->batch, done->place, done->batch, done->place);
    }
}

/* ---- what has ended ---- */

static int
read_log(reading *self)
{
    leat_wait *wait = NULL;
    leat_completed done;
    leat_status status = leat_wait_open(self->cli->broker, self->which.batch, &wait);
    for (; status == LEAT_OK && self->left > 0 && ferror(stdout) == 0; self->left--) {
        status = leat_stop_wanted() ? LEAT_REFUSED : leat_wait_next(wait, &done, -1);
        if (status == LEAT_OK && leat_batches_has(&self->which, &done))
            show(self, &done);
    }
    if (wait != NULL)
        leat_wait_free(&wait);
    return status == LEAT_OK || status == LEAT_END ? LEAT_EXIT_OK
                                                   : leat_cli_failed(self->cli, status, "logs");
}

/* ---- what runs ---- */

static bool
is_meant(const reading *self, uint32_t place)
{
    return self->which.kind != LEAT_SELECTOR_JOBS ||
           (place >= self->which.first && place <= self->which.last);
}

static void
show_told(reading *self, const leat_told *told)
{
    char safe[512];
    char of[32] = "";
    if (!is_meant(self, told->place))
        return;
    if (told->kind == LEAT_TOLD_LOG) {
        leat_live_told(self->live, told);
        return;
    }
    if (told->of > 0)
        (void)snprintf(of, sizeof of, " of %" PRIu64, told->of);
    (void)leat_screen_safe(told->data, told->size, self->cli->err.utf8, 0, safe, sizeof safe);
    leat_cli_say(self->cli, "%" PRIu64 "/%" PRIu32 ": %" PRIu64 "%s%s%s", self->which.batch,
                 told->place, told->done, of, *safe == '\0' ? "" : " ", safe);
}

/* Everything that is here already. LEAT_END: the batch is over, and all of it was shown. */
static leat_status
show_here(reading *self, leat_wait *wait, leat_watch *watch)
{
    leat_told told;
    leat_completed done;
    leat_status status = LEAT_OK;
    while (watch != NULL && leat_watch_next(watch, &told, 0) == LEAT_OK)
        show_told(self, &told);
    while (status == LEAT_OK && ferror(stdout) == 0) {
        status = leat_wait_next(wait, &done, 0);
        if (status != LEAT_OK || !leat_batches_has(&self->which, &done))
            continue;
        show(self, &done);
        if (self->which.kind == LEAT_SELECTOR_JOBS &&
            self->shown > self->which.last - self->which.first)
            return LEAT_END; /* all that were asked for */
    }
    return status;
}

/* Wait for something to come. */
static leat_status
rest(reading *self)
{
    leat *const broker = self->cli->broker;
    const int64_t due_ms = leat_due_ms(broker);
    struct pollfd fd = {.fd = leat_fd(broker), .events = POLLIN};
    const int limit_ms = due_ms < 0 || due_ms > LOOK_MS ? LOOK_MS : (int)due_ms;
    (void)fflush(stdout);
    const bool holds = leat_live_holds(self->live);
    const int64_t since_ms = leat_clock_mono_ms();
    if (poll(&fd, 1, limit_ms) == 0 && holds)
        self->quiet_ms += leat_clock_mono_ms() - since_ms;
    else
        self->quiet_ms = 0;
    if (self->quiet_ms >= LOOK_MS) {
        leat_live_flush(self->live);
        self->quiet_ms = 0;
    }
    return leat_process(broker);
}

static int
follow(reading *self)
{
    leat_wait *wait = NULL;
    leat_watch *watch = NULL;
    leat *const broker = self->cli->broker;
    const bool is_live = !self->cli->json && self->which.kind != LEAT_SELECTOR_FAILED;
    leat_status status = leat_wait_open(broker, self->which.batch, &wait);
    if (status == LEAT_OK && is_live)
        status = leat_watch_open(broker, self->which.batch, &watch);
    if (watch != NULL && self->which.kind == LEAT_SELECTOR_JOBS &&
        self->which.first == self->which.last)
        leat_watch_only(watch, (uint32_t)self->which.first);
    while (status == LEAT_OK && ferror(stdout) == 0) {
        status = show_here(self, wait, watch);
        if (status == LEAT_TIMED_OUT || status == LEAT_NOT_YET)
            status = rest(self);
        if (leat_stop_wanted())
            status = LEAT_REFUSED;
    }
    leat_live_flush(self->live);
    if (watch != NULL)
        leat_watch_free(&watch);
    if (wait != NULL)
        leat_wait_free(&wait);
    return status == LEAT_OK || status == LEAT_END ? LEAT_EXIT_OK
                                                   : leat_cli_failed(self->cli, status, "logs");
}

/* ---- the command ---- */

static int
select_jobs(leat_cli *cli, leat_selector *which)
{
    const char *const text = leat_options_operand_count(cli->options) == 0
                                 ? "last"
                                 : leat_options_operand(cli->options, 0);
    const int code = leat_batches_select(cli, text, which);
    if (code != LEAT_EXIT_OK || !leat_options_flag(cli->options, "failed"))
        return code;
    if (which->kind == LEAT_SELECTOR_JOBS)
        return leat_cli_usage(cli, "--failed goes with a batch, not with single jobs");
    which->kind = LEAT_SELECTOR_FAILED;
    return LEAT_EXIT_OK;
}

static int
read_ended(reading *self, const cJSON *batch)
{
    self->left = leat_json_count(batch, "done") + leat_json_count(batch, "dead") +
                 leat_json_count(batch, "cancelled") + leat_json_count(batch, "expired") +
                 leat_json_count(batch, "skipped");
    const uint64_t running = leat_json_count(batch, "total") - self->left;
    const int code = read_log(self);
    if (code == LEAT_EXIT_OK && running > 0)
        leat_cli_say(self->cli,
                     "%" PRIu64 " job%s not ended: leat logs -f shows what they print as it comes",
                     running, running == 1 ? " has" : "s have");
    else if (code == LEAT_EXIT_OK && self->shown == 0)
        leat_cli_say(self->cli, "nothing of it is kept");
    return code;
}

static int
run(leat_cli *cli)
{
    reading self = {.cli = cli, .follow = leat_options_flag(cli->options, "follow")};
    const bool tags = leat_options_flag(cli->options, "tag");
    cJSON *batch = NULL;
    if (leat_options_operand_count(cli->options) > 1)
        return leat_cli_usage(cli, "give one batch or job: leat logs 42");
    int code = select_jobs(cli, &self.which);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK)
        code = leat_batches_ask(cli, self.which.batch, NULL, &batch);
    if (code != LEAT_EXIT_OK)
        return code;
    const bool is_one = self.which.kind == LEAT_SELECTOR_JOBS
                            ? self.which.first == self.which.last
                            : leat_json_count(batch, "total") == 1 &&
                                  cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(batch, "sealed"));
    const leat_live_options options = {
        .tags = tags,
        .single = is_one || (!self.follow && !tags),
        .tail = leat_options_number(cli->options, "tail"),
        .out = stdout,
        .err = stderr,
    };
    self.live = leat_live_new(self.which.batch, &options);
    if (self.live == NULL)
        code = leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    else
        code = self.follow ? follow(&self) : read_ended(&self, batch);
    cJSON_Delete(batch);
    leat_live_free(&self.live);
    return code;
}

static const leat_example examples[] = {
    {"leat logs",             "what the last batch printed, job by job as they ended"},
    {"leat logs 42 --failed", "only of what failed"                                  },
    {"leat logs 42/17",       "of one job"                                           },
    {"leat logs 42 --tag",    "with the job's number before each line"               },
    {"leat logs -f --tag",    "what the last batch prints, as it comes, to its end"  },
};

const leat_cli_command leat_cli_command_logs = {
    .noun = "logs",
    .summary = "print what commands have printed",
    .operands = "[SEL]",
    .takes = "<batch>",
    .about =
        "Their stdout on stdout, their stderr on stderr. Without SEL: of the last batch. Of a\n"
        "job that prints more than is kept (--output-max), the beginning and the end are\n"
        "shown, and a line between them says how much is missing.\n"
        "-f goes on until the batch is over: what has ended is shown from what is kept of it, what\n"
        "runs as it comes, from now on; nothing is shown twice, and a line says where something is\n"
        "missing. With --failed or --json each job is shown when it has ended. Ctrl-C ends it, the\n"
        "jobs go on.\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .run = run,
};
