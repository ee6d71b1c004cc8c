/* leat run: commands as jobs, waited for, with what they print and an exit code that tells how it
 * went. */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/batches.h"
#include "client/cli/command.h"
#include "client/cli/duration.h"
#include "client/cli/json.h"
#include "client/cli/order.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "client/cli/state.h"
#include "client/cli/stop.h"
#include "client/cli/treatment.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#define TICK_MS        200  /* how long one look at a quiet batch may take */
#define QUIET_MS       1000 /* after so long without an end people want to know why */
#define TRIES          50   /* of a call that a signal interrupts, TICK_MS apart at most */
#define FAILURES_SHOWN 20U
#define INPUT_BYTES    60U /* of an input, in the list of failures */
#define JOBS_MAX       1000000U

static const leat_option rows[] = {
    LEAT_ROWS_OF_ORDER,
    {.name = "arg-file",
      .letter = 'a',
      .type = LEAT_OPTION_TEXT,
      .value = "FILE",
      .takes = "<file>",
      .help = "a job for each line of FILE (-: stdin)",
      .flags = LEAT_OPTION_NOT_IN_FILE},
    LEAT_ROW_NULL("lines of FILE or stdin end with NUL"),
    {.name = "jobs",
      .letter = 'j',
      .type = LEAT_OPTION_NUMBER,
      .value = "N",
      .help = "at most N at once (default: as many as the workers have slots)",
      .min = 1,
      .max = JOBS_MAX},
    {.name = "keep-order",
      .letter = 'k',
      .type = LEAT_OPTION_FLAG,
      .help = "print in the order of the inputs, not as they end"                                                                                               },
    {.name = "exit",
      .type = LEAT_OPTION_TEXT,
      .value = "HOW",
      .takes = "any job count none",
      .help = "exit code: any (1 if one failed), job (its own; default for one job), count, none"},
    {.name = "progress",
      .type = LEAT_OPTION_TEXT,
      .value = "HOW",
      .fallback = "auto",
      .takes = "auto bar plain json none",
      .help = "auto, bar, plain, json or none"},
    LEAT_ROW_CHANNEL("where the jobs go (default: \"default\")"),
    {.name = "name",
      .type = LEAT_OPTION_TEXT,
      .value = "NAME",
      .help = "name of the batch",
      .flags = LEAT_OPTION_NOT_IN_FILE              },
    LEAT_ROWS_OF_ATTEMPTS,
    LEAT_ROWS_OF_JOB,
    LEAT_ROW_TIMEOUT("stop waiting after this time (exit 124); the batch goes on"),
};

/* A job, by its place. */
typedef struct entry {
    char *input;  /* owned: its beginning; NULL without memory */
    void *result; /* owned: held back until those before it are printed */
    size_t result_size;
    int outcome; /* 0: it has not ended */
    uint32_t attempt;
} entry;

typedef struct running {
    leat_cli *cli;
    leat_order order;
    leat_treatment treatment;
    leat_batch *batch;
    leat_wait *wait;
    uint64_t id;
    entry *entries; /* owned */
    size_t entry_room;
    uint64_t submitted;
    uint64_t ended;
    uint64_t ok;
    uint64_t printed; /* with -k: places that are out */
    uint64_t at_once; /* 0: not bounded */
    bool keeps_order;
    bool is_over;      /* the log has been read to its end */
    bool is_cancelled; /* by a signal */
    int first_code;    /* of the first job that failed */
    bool exited;       /* … which ended by itself, with that code */
    uint32_t failures[FAILURES_SHOWN];
    int64_t started_ms;
    int64_t heard_ms;
    int64_t asked_ms;
    bool told_waiting;
    leat_progress progress;
} running;

/* ---- one job ---- */

static bool
add_entry(running *self, leat_text input)
{
    char safe[INPUT_BYTES * 4 + 8];
    if (self->submitted == self->entry_room) {
        const size_t room = self->entry_room == 0 ? 64 : self->entry_room * 2;
        entry *const entries = reallocarray(self->entries, room, sizeof *entries);
        if (entries == NULL)
            return false;
        self->entries = entries;
        self->entry_room = room;
    }
    (void)leat_screen_safe(input.data, input.size, self->cli->err.utf8, INPUT_BYTES, safe,
                           sizeof safe);
    self->entries[self->submitted++] = (entry){.input = strdup(safe)};
    return true;
}

/* What a shell would say of it. */
static int
code_of(const leat_completed *done, bool *exited)
{
    leat_ending ending;
    *exited = false;
    if (!leat_output_read(done, &ending))
        return LEAT_EXIT_FAILED;
    const int code = leat_ending_code(&ending);
    *exited = ending.how == LEAT_ENDING_EXIT && ending.flags == 0;
    return code == 0 ? LEAT_EXIT_FAILED : code;
}

static void
print_json(const leat_completed *done)
{
    char job[64];
    leat_ending ending;
    cJSON *json = cJSON_CreateObject();
    (void)snprintf(job, sizeof job, "%" PRIu64 "/%" PRIu32, done->batch, done->place);
    (void)cJSON_AddStringToObject(json, "job", job);
    (void)cJSON_AddStringToObject(json, "outcome", leat_batches_outcome(done->outcome));
    (void)cJSON_AddNumberToObject(json, "attempt", done->attempt);
    leat_json_put_bytes(json, "worker", done->worker, strlen(done->worker));
    (void)cJSON_AddNumberToObject(json, "run_s", (double)done->run_us / 1e6);
    if (leat_output_read(done, &ending))
        leat_output_json(json, &ending);
    else
        leat_json_put_bytes(json, "why", done->result, done->result_size);
    (void)leat_json_print(&json, stdout);
}

static void
print(running *self, const leat_completed *done)
{
    leat_ending ending;
    leat_progress_wipe(&self->progress);
    if (self->cli->json)
        print_json(done);
    else if (leat_output_read(done, &ending))
        leat_output_show(&ending, "");
    (void)fflush(stdout);
}

/* Print what is next in order, as far as it has come. */
static void
print_held(running *self)
{
    while (self->printed < self->submitted && self->entries[self->printed].outcome != 0) {
        entry *const one = &self->entries[self->printed++];
        const leat_completed done = {.batch = self->id,
                                     .place = (uint32_t)self->printed,
                                     .attempt = one->attempt,
                                     .outcome = one->outcome,
                                     .worker = "",
                                     .result = one->result == NULL ? "" : one->result,
                                     .result_size = one->result_size};
        print(self, &done);
        free(one->result);
        one->result = NULL;
    }
}

static void
count(running *self, const leat_completed *done)
{
    const uint64_t failed = self->ended - self->ok;
    self->ended++;
    self->heard_ms = leat_clock_mono_ms();
    if (done->outcome == LEAT_DONE) {
        self->ok++;
        return;
    }
    if (failed == 0)
        self->first_code = code_of(done, &self->exited);
    if (failed < FAILURES_SHOWN)
        self->failures[failed] = done->place;
}

static void
take(running *self, const leat_completed *done)
{
    char why[1024];
    entry *const one =
        done->place >= 1 && done->place <= self->submitted ? &self->entries[done->place - 1] : NULL;
    count(self, done);
    if (one == NULL)
        return;
    one->outcome = done->outcome;
    one->attempt = done->attempt;
    if (done->outcome != LEAT_DONE && self->ended - self->ok <= FAILURES_SHOWN) {
        /* Of a failure the line says why; the input stands before it. */
        char *line = NULL;
        leat_output_reason(done, self->cli->err.utf8, why, sizeof why);
        if (*why == '\0')
            (void)snprintf(why, sizeof why, "%s", leat_batches_outcome(done->outcome));
        if (asprintf(&line, "%s%s%s", one->input == NULL ? "" : one->input,
                     one->input == NULL || *one->input == '\0' ? "" : "    ", why) >= 0) {
            free(one->input);
            one->input = line;
        }
    }
    if (!self->keeps_order) {
        print(self, done);
        return;
    }
    one->result = malloc(done->result_size + 1);
    if (one->result != NULL) {
        memcpy(one->result, done->result, done->result_size);
        one->result_size = done->result_size;
    }
    print_held(self);
}

/* ---- the waiting ---- */

/* Nothing ends: is there a worker at all? */
static void
ask_why(running *self)
{
    char text[512] = "";
    leat_status status;
    cJSON *json;
    const int64_t now_ms = leat_clock_mono_ms();
    if (now_ms - self->heard_ms < QUIET_MS || now_ms - self->asked_ms < QUIET_MS)
        return;
    self->asked_ms = now_ms;
    if (leat_batches_ask(self->cli, self->id, &status, &json) != LEAT_EXIT_OK)
        return;
    const char *const reason = leat_json_string(json, "reason");
    if (*reason != '\0' && leat_json_count(json, "running") == 0)
        (void)snprintf(text, sizeof text, "waiting: %.400s (leat explain %" PRIu64 ")", reason,
                       self->id);
    if (self->progress.form != LEAT_PROGRESS_NONE)
        leat_progress_notice(&self->progress, now_ms, text, true);
    else if (*text != '\0' && !self->told_waiting)
        leat_cli_say(self->cli, "%s", text);
    self->told_waiting |= *text != '\0';
    cJSON_Delete(json);
}

/* Take one end, if one comes in time. The exit code of a failure, else LEAT_EXIT_OK. */
static int
take_one(running *self, int64_t timeout_ms)
{
    leat_completed done;
    char what[48];
    if (self->wait == NULL) {
        const leat_status opened = leat_wait_open(self->cli->broker, self->id, &self->wait);
        if (opened != LEAT_OK)
            return leat_cli_failed(self->cli, opened, "run");
    }
    const leat_status status = leat_wait_next(self->wait, &done, timeout_ms);
    if (status == LEAT_OK) {
        take(self, &done);
    } else if (status == LEAT_END) {
        self->is_over = true;
    } else if (status != LEAT_TIMED_OUT && !(status == LEAT_REFUSED && leat_stop_wanted())) {
        leat_progress_wipe(&self->progress);
        (void)snprintf(what, sizeof what, "batch %" PRIu64, self->id);
        return leat_cli_failed(self->cli, status, what);
    }
    leat_progress_update(&self->progress, leat_clock_mono_ms(), self->ended, self->submitted,
                         self->ended - self->ok);
    return LEAT_EXIT_OK;
}

/* The first Ctrl-C: what waits is cancelled, what runs is told to stop, and its end is awaited. A
 * call is interrupted again and again after a signal; it is made again, too. */
static void
cancel(running *self)
{
    leat_cancelled found = {0};
    leat_status status = LEAT_REFUSED;
    self->is_cancelled = true;
    leat_progress_wipe(&self->progress);
    leat_cli_say(self->cli, "cancelling %" PRIu64 " %s (again to leave them running)",
                 self->submitted - self->ended, self->cli->err.utf8 ? "…" : "...");
    for (int i = 0; i < TRIES && status == LEAT_REFUSED && leat_stop_count() < 2; i++)
        status = leat_batch_seal(self->batch);
    self->id = leat_batch_id(self->batch);
    status = self->id == 0 ? LEAT_OK : LEAT_REFUSED;
    for (int i = 0; i < TRIES && status == LEAT_REFUSED && leat_stop_count() < 2; i++)
        status = leat_cancel(self->cli->broker, self->id, 0, 0, &found);
    if (self->id == 0)
        self->is_over = true;
}

/* Is it time to go, whatever still runs? */
static bool
leaves(const running *self)
{
    return leat_stop_timed_out() || leat_stop_signal() == SIGHUP || leat_stop_count() > 1 ||
           (leat_stop_signal() != 0 && self->is_over);
}

static int
wait_for_all(running *self)
{
    int code = LEAT_EXIT_OK;
    while (code == LEAT_EXIT_OK && !self->is_over && !leaves(self) && ferror(stdout) == 0) {
        if (leat_stop_signal() != 0 && !self->is_cancelled)
            cancel(self);
        if (self->is_over)
            break;
        code = take_one(self, TICK_MS);
        if (code == LEAT_EXIT_OK && !self->is_over && !leat_stop_wanted())
            ask_why(self);
    }
    return code;
}

/* ---- the jobs ---- */

static int
failed_input(const running *self)
{
    char reason[64];
    return leat_cli_fail(self->cli, LEAT_EXIT_USAGE, "NO_FILE", NULL, "reading the inputs: %s",
                         leat_log_errno_text(self->order.inputs.failed, reason, sizeof reason));
}

/* With -j: let jobs end until there is room for one more. */
static int
make_room(running *self)
{
    int code = LEAT_EXIT_OK;
    if (self->at_once == 0)
        return LEAT_EXIT_OK;
    if (self->submitted > 0) {
        const leat_status status = leat_batch_flush(self->batch);
        if (status != LEAT_OK && !leat_stop_wanted())
            return leat_cli_failed(self->cli, status, "run");
    }
    self->id = leat_batch_id(self->batch);
    while (code == LEAT_EXIT_OK && self->submitted - self->ended >= self->at_once &&
           !leat_stop_wanted() && ferror(stdout) == 0) {
        code = take_one(self, TICK_MS);
        ask_why(self);
    }
    return code;
}

static int
submit_all(running *self)
{
    leat_text input;
    leat_buf payload = {0};
    leat_status status = leat_batch_open(self->cli->broker, &self->treatment.options, &self->batch);
    int code = LEAT_EXIT_OK;
    while (status == LEAT_OK && code == LEAT_EXIT_OK && !leat_stop_wanted()) {
        if (!leat_order_next(&self->order, &payload, &input))
            break;
        code = make_room(self);
        if (code != LEAT_EXIT_OK || leat_stop_wanted())
            break;
        if (!add_entry(self, input))
            status = LEAT_NO_MEMORY;
        else
            status = leat_batch_add(self->batch, LEAT_EXEC_HANDLER, payload.data, payload.size);
    }
    if (payload.failed)
        status = LEAT_NO_MEMORY;
    leat_buf_fini(&payload);
    if (code == LEAT_EXIT_OK && status == LEAT_OK && self->order.inputs.failed != 0 &&
        !leat_stop_wanted())
        code = failed_input(self);
    /* Also after a failure: what is there has an end then. */
    const leat_status sealed = leat_stop_wanted() ? LEAT_OK : leat_batch_seal(self->batch);
    self->id = leat_batch_id(self->batch);
    if (code == LEAT_EXIT_OK && (status != LEAT_OK || sealed != LEAT_OK) && !leat_stop_wanted())
        code = leat_cli_failed(self->cli, status != LEAT_OK ? status : sealed, "run");
    return code;
}

/* ---- the end ---- */

static void
print_summary(const running *self)
{
    char took[LEAT_DURATION_BYTES];
    const uint64_t failed = self->ended - self->ok;
    const double seconds = (double)(leat_clock_mono_ms() - self->started_ms) / 1000;
    const char *const how = leat_options_text(self->cli->options, "progress");
    if (self->cli->quiet || self->cli->json || (failed == 0 && strcmp(how, "none") == 0))
        return;
    (void)fprintf(stderr, "%" PRIu64 " job%s: %" PRIu64 " ok", self->ended,
                  self->ended == 1 ? "" : "s", self->ok);
    if (failed > 0 && self->cli->err.color)
        (void)fprintf(stderr, ", \033[31m%" PRIu64 " failed\033[0m", failed);
    else if (failed > 0)
        (void)fprintf(stderr, ", %" PRIu64 " failed", failed);
    (void)fprintf(stderr, " in %s\n", leat_duration_spoken(seconds, took));
    for (uint64_t i = 0; i < failed && i < FAILURES_SHOWN; i++) {
        const entry *const one = &self->entries[self->failures[i] - 1];
        (void)fprintf(stderr, "  %s", one->input == NULL ? "" : one->input);
        if (one->attempt > 1)
            (void)fprintf(stderr, " after %" PRIu32 " attempts", one->attempt);
        (void)fputc('\n', stderr);
    }
    if (failed > FAILURES_SHOWN)
        (void)fprintf(stderr, "  %s and %" PRIu64 " more\n", self->cli->err.utf8 ? "…" : "...",
                      failed - FAILURES_SHOWN);
    if (failed > 0)
        (void)fprintf(stderr,
                      "Output: leat logs %" PRIu64 " --failed     Again: leat retry %" PRIu64
                      " --failed\n",
                      self->id, self->id);
}

static int
exit_code(const running *self)
{
    const uint64_t failed = self->ended - self->ok;
    const bool is_one = !self->order.has_inputs || self->submitted == 1;
    const char *how = leat_options_text(self->cli->options, "exit");
    if (how == NULL)
        how = is_one ? "job" : "any";
    if (failed == 0 || strcmp(how, "none") == 0)
        return LEAT_EXIT_OK;
    if (strcmp(how, "count") == 0)
        return failed > 100 ? LEAT_EXIT_COUNT_MORE : (int)failed;
    return strcmp(how, "job") == 0 ? self->first_code : LEAT_EXIT_FAILED;
}

/* What a single command said itself is enough, unless it could not say it. */
static void
print_single(const running *self)
{
    const entry *const one = &self->entries[0];
    if (self->ended == self->ok || one->input == NULL || (self->exited && one->attempt == 1))
        return;
    if (one->attempt > 1)
        leat_cli_say(self->cli, "%s (after %" PRIu32 " attempts)", one->input, one->attempt);
    else
        leat_cli_say(self->cli, "%s", one->input);
}

static int
finish(running *self)
{
    leat_progress_wipe(&self->progress);
    if (leaves(self) && !self->is_over) {
        if (self->id != 0)
            leat_cli_say(self->cli, "batch %" PRIu64 " goes on.  Wait: leat wait %" PRIu64,
                         self->id, self->id);
        return leat_stop_signal() != 0 ? 128 + leat_stop_signal() : LEAT_EXIT_TIMEOUT;
    }
    if (self->submitted > 1 || self->is_cancelled)
        print_summary(self);
    else if (!self->cli->json)
        print_single(self);
    return self->is_cancelled ? 128 + leat_stop_signal() : exit_code(self);
}

/* ---- the beginning ---- */

static int
check_options(running *self, leat_progress_form *form)
{
    leat_cli *const cli = self->cli;
    const char *const how = leat_options_text(cli->options, "exit");
    const char *const progress = leat_options_text(cli->options, "progress");
    if (how != NULL && strcmp(how, "any") != 0 && strcmp(how, "count") != 0 &&
        strcmp(how, "job") != 0 && strcmp(how, "none") != 0)
        return leat_cli_usage(cli, "--exit is any, count, job or none, not \"%.100s\"", how);
    if (!leat_progress_form_of(progress, cli->quiet || cli->json, cli->err.terminal, form))
        return leat_cli_usage(cli, "--progress is auto, bar, plain, json or none, not \"%.100s\"",
                              progress);
    self->keeps_order = leat_options_flag(cli->options, "keep-order");
    if (leat_options_given(cli->options, "jobs"))
        self->at_once = leat_options_number(cli->options, "jobs");
    return LEAT_EXIT_OK;
}

static int
begin(running *self)
{
    leat_cli *const cli = self->cli;
    leat_progress_form form = LEAT_PROGRESS_NONE;
    int code = check_options(self, &form);
    if (code == LEAT_EXIT_OK)
        code = leat_order_read(cli, cli->tail, cli->tail_count, &self->order);
    if (code == LEAT_EXIT_OK)
        code = leat_treatment_read(cli, &self->treatment);
    if (code != LEAT_EXIT_OK)
        return code;
    /* One job needs no account of how far it is, unless somebody asks for it. */
    if (!self->order.has_inputs && !leat_options_given(cli->options, "progress"))
        form = LEAT_PROGRESS_NONE;
    self->treatment.options.name = leat_options_text(cli->options, "name");
    if (leat_options_given(cli->options, "timeout"))
        leat_stop_after(leat_options_ms(cli->options, "timeout"));
    leat_progress_init(&self->progress, form, &cli->err, stderr, "run");
    code = leat_cli_connect(cli);
    leat_stop_patiently(); /* the second signal leaves, but says how to come back */
    return code;
}

static int
run(leat_cli *cli)
{
    running self = {.cli = cli, .started_ms = leat_clock_mono_ms()};
    self.heard_ms = self.started_ms;
    int code = begin(&self);
    if (code == LEAT_EXIT_OK)
        code = submit_all(&self);
    if (code == LEAT_EXIT_OK && self.submitted == 0 && !leat_stop_wanted())
        code = leat_cli_fail(cli, LEAT_EXIT_USAGE, "NO_INPUT", NULL,
                             "the input is empty, nothing was run");
    else if (code == LEAT_EXIT_OK) {
        if (self.id != 0)
            leat_state_set_last(self.id);
        (void)snprintf(self.progress.name, sizeof self.progress.name, "batch %" PRIu64, self.id);
        code = wait_for_all(&self);
        if (code == LEAT_EXIT_OK)
            code = finish(&self);
    }
    if (self.wait != NULL)
        leat_wait_free(&self.wait);
    if (self.batch != NULL)
        leat_batch_free(&self.batch);
    for (size_t i = 0; i < self.submitted; i++) {
        free(self.entries[i].input);
        free(self.entries[i].result);
    }
    free(self.entries);
    leat_order_fini(&self.order);
    leat_treatment_fini(&self.treatment);
    return code;
}

static const leat_example examples[] = {
    {"leat run make -C docs",                           "one command, as if it were typed here"},
    {"leat run gzip {} ::: *.log",                      "a job for each file"                  },
    {"ls *.wav | leat run -j 4 lame {} {.}.mp3",        "of the lines of stdin, four at once"  },
    {"leat run --shell 'sort {} | uniq -c' ::: a b",    "shell text; what is put in is quoted" },
    {"leat run --retries 2 --run-limit 10m ./check {}", "try again, and not for ever"          },
    {"leat run -k --exit count ./test.sh ::: 1 2 3",    "in order; how many failed"            },
};

const leat_cli_command leat_cli_command_run = {
    .noun = "run",
    .summary = "run commands as jobs, wait for them, print what they print",
    .operands = "CMD [ARG…] [::: INPUT…]",
    .about =
        "Options stand before CMD; from its first word on everything is the command's, up to\n"
        "\":::\". In its words {} is the input, {.} without its ending, {/} without its folder,\n"
        "{//} its folder, {/.} both, {#} the job's number; without any of them the input is the\n"
        "last word. Lines of stdin are inputs only if one of them stands there.\n"
        "\n"
        "It runs in the folder of the same name, with the environment and as the user of the\n"
        "worker; files are not moved. Exit 75 asks for another attempt, up to three; any other\n"
        "failure is the job's end, unless --retries is given. Workers run commands that were\n"
        "started by leat up, or with --allow-commands.\n"
        "\n"
        "Ctrl-C cancels what waits and tells what runs to stop; the second one leaves at once.\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .flags = LEAT_CLI_COMMAND_INPUTS | LEAT_CLI_COMMAND_OWN,
    .run = run,
};
