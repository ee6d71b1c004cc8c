/* leat logs: what the commands of a batch have printed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/batches.h"
#include "client/cli/command.h"
#include "client/cli/json.h"
#include "client/cli/output.h"
#include "client/cli/stop.h"

static const leat_option rows[] = {
    {.name = "failed",
     .type = LEAT_OPTION_FLAG,
     .help = "only of jobs that ended other than done",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "tag",
     .type = LEAT_OPTION_FLAG,
     .help = "the job's number before each line",
     .flags = LEAT_OPTION_NOT_IN_FILE},
};

typedef struct reading {
    leat_cli *cli;
    leat_selector which;
    bool tags;
    uint64_t shown;
    uint64_t left; /* completions that are to be read */
} reading;

static void
show(reading *self, const leat_completed *done)
{
    char tag[64] = "";
    char why[1024];
    leat_ending ending;
    const bool is_command = leat_output_read(done, &ending);
    self->shown++;
    if (self->cli->json) {
        char job[64];
        cJSON *json = cJSON_CreateObject();
        (void)snprintf(job, sizeof job, "%" PRIu64 "/%" PRIu32, done->batch, done->place);
        (void)cJSON_AddStringToObject(json, "job", job);
        (void)cJSON_AddStringToObject(json, "outcome", leat_batches_outcome(done->outcome));
        if (is_command)
            leat_output_json(json, &ending);
        else
            leat_json_put_bytes(json, "result", done->result, done->result_size);
        (void)leat_json_print(&json, stdout);
        return;
    }
    if (self->tags)
        (void)snprintf(tag, sizeof tag, "%" PRIu64 "/%" PRIu32 "\t", done->batch, done->place);
    if (is_command) {
        leat_output_show(&ending, tag);
    } else if (done->outcome != LEAT_DONE) {
        leat_output_reason(done, self->cli->err.utf8, why, sizeof why);
        leat_cli_say(self->cli, "%" PRIu64 "/%" PRIu32 " %s: %s", done->batch, done->place,
                     leat_batches_outcome(done->outcome), why);
    } else {
        leat_cli_say(self->cli,
                     "%" PRIu64 "/%" PRIu32 " was no command; see leat result %" PRIu64 "/%" PRIu32,
                     done->batch, done->place, done->batch, done->place);
    }
}

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

static int
run(leat_cli *cli)
{
    reading self = {.cli = cli, .tags = leat_options_flag(cli->options, "tag")};
    cJSON *batch = NULL;
    if (leat_options_operand_count(cli->options) > 1)
        return leat_cli_usage(cli, "give one batch or job: leat logs 42");
    const char *const selector = leat_options_operand_count(cli->options) == 0
                                     ? "last"
                                     : leat_options_operand(cli->options, 0);
    int code = leat_batches_select(cli, selector, &self.which);
    if (code == LEAT_EXIT_OK && leat_options_flag(cli->options, "failed")) {
        if (self.which.kind == LEAT_SELECTOR_JOBS)
            return leat_cli_usage(cli, "--failed goes with a batch, not with single jobs");
        self.which.kind = LEAT_SELECTOR_FAILED;
    }
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK)
        code = leat_batches_ask(cli, self.which.batch, NULL, &batch);
    if (code != LEAT_EXIT_OK)
        return code;
    self.left = leat_json_count(batch, "done") + leat_json_count(batch, "dead") +
                leat_json_count(batch, "cancelled") + leat_json_count(batch, "expired") +
                leat_json_count(batch, "skipped");
    const uint64_t running = leat_json_count(batch, "total") - self.left;
    cJSON_Delete(batch);
    code = read_log(&self);
    if (code == LEAT_EXIT_OK && running > 0)
        leat_cli_say(cli, "%" PRIu64 " job%s not ended: what they print is shown when they have",
                     running, running == 1 ? " has" : "s have");
    else if (code == LEAT_EXIT_OK && self.shown == 0)
        leat_cli_say(cli, "nothing of it is kept");
    return code;
}

static const leat_example examples[] = {
    {"leat logs",             "what the last batch printed, job by job as they ended"},
    {"leat logs 42 --failed", "only of what failed"                                  },
    {"leat logs 42/17",       "of one job"                                           },
    {"leat logs 42 --tag",    "with the job's number before each line"               },
};

const leat_cli_command leat_cli_command_logs = {
    .noun = "logs",
    .summary = "print what commands have printed",
    .operands = "[SEL]",
    .about =
        "Their stdout on stdout, their stderr on stderr. Without SEL: of the last batch. Of a\n"
        "job that prints more than is kept (--output-max), the beginning and the end are\n"
        "shown, and a line between them says how much is missing.\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .run = run,
};
