/* leat result: what jobs answered, read from the batch's log. */
#include <inttypes.h>
#include <string.h>

#include "client/cli/attempts.h"
#include "client/cli/batches.h"
#include "client/cli/command.h"
#include "client/cli/json.h"
#include "client/cli/output.h"
#include "client/cli/stop.h"

typedef struct reading {
    leat_cli *cli;
    leat_selector which;
    bool single; /* one job: its bytes as they are, nothing added */
    uint64_t shown;
    uint64_t failed;
} reading;

static void
show_json(const leat_completed *done, cJSON *failure)
{
    char job[64];
    leat_ending ending;
    static const char *const keys[] = {"failed", "lost", "attempt_list", "older_attempts"};
    cJSON *json = cJSON_CreateObject();
    (void)snprintf(job, sizeof job, "%" PRIu64 "/%" PRIu32, done->batch, done->place);
    (void)cJSON_AddStringToObject(json, "job", job);
    leat_json_put_id(json, "id", done->job);
    (void)cJSON_AddStringToObject(json, "outcome", leat_batches_outcome(done->outcome));
    (void)cJSON_AddNumberToObject(json, "attempt", done->attempt);
    leat_json_put_bytes(json, "worker", done->worker, strlen(done->worker));
    leat_json_put_time(json, "ended", done->ended_ms);
    (void)cJSON_AddNumberToObject(json, "run_s", (double)done->run_us / 1e6);
    if (leat_output_read(done, &ending))
        leat_output_json(json, &ending);
    else
        leat_json_put_bytes(json, "result", done->result, done->result_size);
    if (failure != NULL) {
        leat_json_times(failure);
        for (size_t i = 0; i < LEAT_COUNT_OF(keys); i++)
            (void)cJSON_AddItemToObject(json, keys[i],
                                        cJSON_DetachItemFromObjectCaseSensitive(failure, keys[i]));
    }
    (void)leat_json_print(&json, stdout);
}

/* Attempts, and what a command wrote last: of one job, to stderr. */
static void
show_failure(const reading *self, const cJSON *failure)
{
    if (failure == NULL || self->cli->quiet)
        return;
    leat_attempts_print(self->cli, failure, 2, stderr);
    if (cJSON_HasObjectItem(failure, "stderr")) {
        (void)fprintf(stderr, "  stderr:\n");
        leat_attempts_print_stderr(self->cli, failure, 4, stderr);
    }
}

static void
show(reading *self, const leat_completed *done)
{
    char safe[1024];
    leat_ending ending;
    cJSON *failure = NULL;
    self->shown++;
    self->failed += done->outcome != LEAT_DONE;
    if (self->single && done->outcome == LEAT_DEAD)
        failure = leat_attempts_ask(self->cli, done->job);
    if (self->cli->json) {
        show_json(done, failure);
        cJSON_Delete(failure);
        return;
    }
    if (done->outcome != LEAT_DONE) {
        leat_output_reason(done, self->cli->err.utf8, safe, sizeof safe);
        leat_cli_say(self->cli, "%" PRIu64 "/%" PRIu32 " %s%s%s", done->batch, done->place,
                     leat_batches_outcome(done->outcome), *safe == '\0' ? "" : ": ", safe);
        show_failure(self, failure);
        cJSON_Delete(failure);
        return;
    }
    if (leat_output_read(done, &ending)) {
        leat_output_show_stdout(&ending);
        return;
    }
    if (done->result_size > 0)
        (void)fwrite(done->result, 1, done->result_size, stdout);
    if (!self->single || self->cli->out.terminal)
        (void)fputc('\n', stdout);
}

/* Read the log's first `ended` completions: those that there are by now, without waiting for
 * more. */
static int
read_log(reading *self, uint64_t ended)
{
    leat_wait *wait = NULL;
    leat_completed done;
    leat_status status = leat_wait_open(self->cli->broker, self->which.batch, &wait);
    for (uint64_t i = 0; status == LEAT_OK && i < ended; i++) {
        status = leat_stop_wanted() ? LEAT_REFUSED : leat_wait_next(wait, &done, -1);
        if (status != LEAT_OK)
            break;
        if (leat_batches_has(&self->which, &done)) {
            show(self, &done);
            if (self->single || ferror(stdout) != 0)
                break;
        }
    }
    if (wait != NULL)
        leat_wait_free(&wait);
    /* The oldest may have been removed from the log in the meantime: then it ends sooner. */
    return status == LEAT_OK || status == LEAT_END ? LEAT_EXIT_OK
                                                   : leat_cli_failed(self->cli, status, "result");
}

static int
nothing_shown(const reading *self, uint64_t total, uint64_t ended)
{
    const uint64_t batch = self->which.batch;
    if (self->which.kind == LEAT_SELECTOR_FAILED) {
        leat_cli_say(self->cli, "none of the %" PRIu64 " jobs that have ended failed", ended);
        return LEAT_EXIT_OK;
    }
    if (self->which.kind == LEAT_SELECTOR_JOBS && self->which.first > total)
        return leat_cli_fail(self->cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND", NULL,
                             "batch %" PRIu64 " has %" PRIu64 " jobs, there is no %" PRIu64
                             "/%" PRIu64,
                             batch, total, batch, self->which.first);
    return leat_cli_fail(self->cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND", NULL,
                         "nothing of it has ended yet, or it is kept no more.  Wait: leat wait "
                         "%" PRIu64,
                         batch);
}

static int
run(leat_cli *cli)
{
    reading self = {.cli = cli};
    cJSON *batch = NULL;
    if (leat_options_operand_count(cli->options) != 1)
        return leat_cli_usage(cli, "give one batch or job: leat result 42/17");
    int code = leat_batches_select(cli, leat_options_operand(cli->options, 0), &self.which);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK)
        code = leat_batches_ask(cli, self.which.batch, NULL, &batch);
    if (code != LEAT_EXIT_OK)
        return code;

    const uint64_t total = leat_json_count(batch, "total");
    const uint64_t ended = leat_json_count(batch, "done") + leat_json_count(batch, "dead") +
                           leat_json_count(batch, "cancelled") + leat_json_count(batch, "expired") +
                           leat_json_count(batch, "skipped");
    cJSON_Delete(batch);
    self.single =
        self.which.kind == LEAT_SELECTOR_JOBS ? self.which.first == self.which.last : total == 1;
    code = read_log(&self, ended);
    if (code != LEAT_EXIT_OK)
        return code;
    if (self.shown == 0)
        return nothing_shown(&self, total, ended);
    return self.failed > 0 ? LEAT_EXIT_FAILED : LEAT_EXIT_OK;
}

static const leat_example examples[] = {
    {"leat result 42/17",     "the bytes that the 17th job of batch 42 answered"              },
    {"leat result last",      "all results, a line each, in the order in which the jobs ended"},
    {"leat result 42 --json", "with worker, attempt and times, an object a line"              },
};

const leat_cli_command leat_cli_command_result = {
    .noun = "result",
    .summary = "print what jobs answered",
    .operands = "SEL",
    .takes = "<batch>",
    .about =
        "One job: its bytes and nothing else. Several: one after the other, with a line feed\n"
        "behind each; of a command, what it wrote to stdout. What failed goes to stderr, and the exit code is then 1.\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .run = run,
};
