/* leat wait: until batches have finished, or N completions have come; tells by its exit code
 * whether anything failed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/batches.h"
#include "client/cli/command.h"
#include "client/cli/duration.h"
#include "client/cli/json.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "client/cli/stop.h"
#include "proto/base/clock.h"

#define TICK_MS        200  /* how long one look at a quiet batch may take */
#define QUIET_MS       1000 /* after so long without a completion people want to know why */
#define ASK_MS         1000 /* how often the broker is asked how a batch is doing */
#define FRESH_MS       2000 /* how long its answer counts */
#define FAILURES_SHOWN 20U
#define FAILURES_KEPT  1000U

static const leat_option rows[] = {
    LEAT_ROW_COUNT("wait for N completions instead of all", NULL),
    {.name = "ok",
                                                     .type = LEAT_OPTION_FLAG,
                                                     .help = "with -n: count only jobs that are done",
                                                     .flags = LEAT_OPTION_NOT_IN_FILE                            },
    LEAT_ROW_TIMEOUT("give up after this time (exit 124); the batch goes on"),
    { .name = "exit",
                                                     .type = LEAT_OPTION_TEXT,
                                                     .value = "HOW",
                                                     .fallback = "any",
                                                     .takes = "any job count none",
                                                     .help = "exit code: any (1 if one failed), count, job, none"},
    { .name = "progress",
                                                     .type = LEAT_OPTION_TEXT,
                                                     .value = "HOW",
                                                     .fallback = "auto",
                                                     .takes = "auto bar plain json none",
                                                     .help = "auto, bar, plain, json or none"},
};

typedef struct failure {
    uint64_t batch;
    uint32_t place;
    uint32_t attempt;
    int outcome;
    char *worker; /* owned; "" none */
    char *why;    /* owned: what is known of the failure, made safe to show */
} failure;

typedef struct waiter {
    uint64_t batch;
    leat_wait *wait; /* NULL when it is over */
    leat_counts counts;
    uint64_t running; /* as last asked */
    int64_t asked_ms;
} waiter;

typedef struct waiting {
    leat_cli *cli;
    waiter *waiters; /* owned */
    size_t count;
    size_t over;
    uint64_t goal; /* 0: all */
    bool goal_ok;
    bool reached;
    uint64_t seen;
    uint64_t seen_ok;
    failure *failures; /* owned */
    size_t failure_count;
    uint64_t failed; /* seen, other than done */
    bool lost;       /* a batch is gone with the broker's memory */
    int64_t started_ms;
    int64_t heard_ms; /* last completion */
    leat_progress progress;
} waiting;

/* ---- what has come ---- */

/* Only the first FAILURES_KEPT are kept: a batch of millions may fail as a whole. */
static void
keep_failure(waiting *self, const leat_completed *done)
{
    char safe[1024];
    if (self->failure_count >= FAILURES_KEPT)
        return;
    if (self->failures == NULL) {
        self->failures = calloc(FAILURES_KEPT, sizeof *self->failures);
        if (self->failures == NULL)
            return;
    }
    leat_output_reason(done, true, safe, sizeof safe);
    self->failures[self->failure_count++] = (failure){.batch = done->batch,
                                                      .place = done->place,
                                                      .attempt = done->attempt,
                                                      .outcome = done->outcome,
                                                      .worker = strdup(done->worker),
                                                      .why = strdup(safe)};
}

static void
count_completion(waiting *self, const leat_completed *done)
{
    self->seen++;
    self->seen_ok += done->outcome == LEAT_DONE;
    if (done->outcome != LEAT_DONE) {
        self->failed++;
        keep_failure(self, done);
    }
    self->heard_ms = leat_clock_mono_ms();
    if (self->goal > 0 && (self->goal_ok ? self->seen_ok : self->seen) >= self->goal)
        self->reached = true;
}

static uint64_t
ended_of(const leat_counts *counts)
{
    return counts->done + counts->dead + counts->cancelled + counts->expired + counts->skipped;
}

/* The log's counters are newer than what was asked, but come only with its first run. */
static void
take_counts(waiter *one)
{
    if (one->wait == NULL)
        return;
    const leat_counts heard = leat_wait_counts(one->wait);
    if (heard.total > 0)
        one->counts = heard;
}

static void
take_answer(waiter *one, const cJSON *json)
{
    one->running = leat_json_count(json, "running");
    if (ended_of(&one->counts) > 0)
        return;
    one->counts.total = leat_json_count(json, "total");
    one->counts.done = leat_json_count(json, "done");
    one->counts.dead = leat_json_count(json, "dead");
    one->counts.cancelled = leat_json_count(json, "cancelled");
    one->counts.expired = leat_json_count(json, "expired");
    one->counts.skipped = leat_json_count(json, "skipped");
    one->counts.finished = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "finished"));
}

static void
show_progress(waiting *self)
{
    uint64_t ended = 0;
    uint64_t total = 0;
    uint64_t failed = 0;
    uint64_t running = 0;
    const int64_t now_ms = leat_clock_mono_ms();
    for (size_t i = 0; i < self->count; i++) {
        waiter *const one = &self->waiters[i];
        take_counts(one);
        const uint64_t one_ended = ended_of(&one->counts);
        ended += one_ended;
        total += one->counts.total;
        failed += one_ended - one->counts.done;
        /* An old figure is no figure, and no more run than have not ended. */
        if (now_ms - one->asked_ms <= FRESH_MS && one->counts.total > one_ended)
            running += one->running < one->counts.total - one_ended ? one->running
                                                                    : one->counts.total - one_ended;
    }
    self->progress.facts.running = running;
    leat_progress_update(&self->progress, now_ms, ended, total, failed);
}

static void
broker_gone(void *context, int64_t for_ms)
{
    waiting *const self = context;
    char text[64] = "";
    if (for_ms >= 0)
        (void)snprintf(text, sizeof text, "reconnecting %" PRId64 "s", for_ms / 1000);
    /* In a log it is told once, after a second; blips are not worth a line. */
    const bool telling = for_ms >= 1000 && !self->cli->told_gone;
    if (self->cli->told_gone && for_ms < 0 && self->progress.form == LEAT_PROGRESS_PLAIN)
        leat_cli_say(self->cli, "connected again");
    self->cli->told_gone = for_ms < 0 ? false : self->cli->told_gone || telling;
    leat_progress_notice(&self->progress, leat_clock_mono_ms(), text, telling);
}

/* How many run, for the line on a terminal; and when nothing has come for a while: why not? */
static void
ask_how(waiting *self, waiter *one)
{
    char text[512] = "";
    leat_status status;
    cJSON *json;
    const int64_t now_ms = leat_clock_mono_ms();
    const bool quiet = now_ms - self->heard_ms >= QUIET_MS;
    const bool shown = self->progress.form == LEAT_PROGRESS_BAR;
    if (self->progress.form == LEAT_PROGRESS_NONE || !(quiet || shown) ||
        now_ms - one->asked_ms < ASK_MS)
        return;
    one->asked_ms = now_ms;
    if (leat_batches_ask(self->cli, one->batch, &status, &json) != LEAT_EXIT_OK)
        return;
    take_answer(one, json);
    const char *const reason = leat_json_string(json, "reason");
    if (quiet && *reason != '\0' && one->running == 0)
        (void)snprintf(text, sizeof text, "waiting: %.400s (leat explain %" PRIu64 ")", reason,
                       one->batch);
    leat_progress_notice(&self->progress, now_ms, text, true);
    cJSON_Delete(json);
}

/* ---- the wait itself ---- */

static void
end_waiter(waiting *self, waiter *one)
{
    take_counts(one);
    leat_wait_free(&one->wait);
    self->over++;
}

/* Take what one batch has, waiting at most timeout_ms for the first completion. Returns the exit
 * code of a failure, else LEAT_EXIT_OK. */
static int
take_from(waiting *self, waiter *one, int64_t timeout_ms)
{
    leat_completed done;
    char what[48];
    (void)snprintf(what, sizeof what, "batch %" PRIu64, one->batch);
    for (;;) {
        if (leat_stop_wanted())
            return LEAT_EXIT_OK; /* the caller sees it */
        const leat_status status = leat_wait_next(one->wait, &done, timeout_ms);
        switch (status) {
        case LEAT_OK:
            if (*self->progress.notice != '\0')
                leat_progress_notice(&self->progress, leat_clock_mono_ms(), "", false);
            count_completion(self, &done);
            show_progress(self);
            if (self->reached)
                return LEAT_EXIT_OK;
            timeout_ms = 0;
            break;
        case LEAT_TIMED_OUT:
            return LEAT_EXIT_OK;
        case LEAT_END:
            end_waiter(self, one);
            return LEAT_EXIT_OK;
        case LEAT_LOST:
            leat_progress_wipe(&self->progress);
            (void)leat_cli_failed(self->cli, status, what);
            self->lost = true;
            end_waiter(self, one);
            return LEAT_EXIT_OK;
        case LEAT_NOT_FOUND:
            leat_progress_wipe(&self->progress);
            return leat_cli_fail(self->cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND", NULL, "%s",
                                 leat_sentence(self->cli->broker));
        case LEAT_FULL:
        case LEAT_CLOSED:
        case LEAT_TOO_LARGE:
        case LEAT_NO_BROKER:
        case LEAT_REFUSED:
        case LEAT_DENIED:
        case LEAT_NOT_YET:
        case LEAT_UNKNOWN:
        case LEAT_NO_MEMORY:
        case LEAT_WRONG_USE:
        default:
            if (leat_stop_wanted())
                return LEAT_EXIT_OK;
            leat_progress_wipe(&self->progress);
            return leat_cli_failed(self->cli, status, what);
        }
    }
}

/* One after the other takes what it has; the first that is not over is also waited for. */
static int
wait_for_all(waiting *self)
{
    while (self->over < self->count && !self->reached && !leat_stop_wanted()) {
        bool waited = false;
        for (size_t i = 0; i < self->count && !self->reached; i++) {
            waiter *const one = &self->waiters[i];
            if (one->wait == NULL)
                continue;
            const int code = take_from(self, one, waited ? 0 : TICK_MS);
            if (code != LEAT_EXIT_OK)
                return code;
            waited = true;
            if (one->wait != NULL && !self->reached && !leat_stop_wanted())
                ask_how(self, one);
        }
        show_progress(self);
    }
    return LEAT_EXIT_OK;
}

/* ---- the end ---- */

/* Memory may have been short when it was copied. */
static const char *
or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

static void
print_failure(const failure *one)
{
    (void)fprintf(stderr, "  %" PRIu64 "/%" PRIu32 "  %s", one->batch, one->place,
                  leat_batches_outcome(one->outcome));
    if (one->attempt > 0)
        (void)fprintf(stderr, " after %" PRIu32 " attempt%s", one->attempt,
                      one->attempt == 1 ? "" : "s");
    if (*or_empty(one->worker) != '\0')
        (void)fprintf(stderr, " on %s", one->worker);
    if (*or_empty(one->why) != '\0')
        (void)fprintf(stderr, ": %s", one->why);
    (void)fprintf(stderr, "\n");
}

static void
print_failures(const waiting *self)
{
    for (size_t i = 0; i < self->failure_count && i < FAILURES_SHOWN; i++)
        print_failure(&self->failures[i]);
    if (self->failed > FAILURES_SHOWN)
        (void)fprintf(stderr, "  %s and %" PRIu64 " more\n", self->cli->err.utf8 ? "…" : "...",
                      self->failed - FAILURES_SHOWN);
}

static void
print_summary(const waiting *self)
{
    char took[LEAT_DURATION_BYTES];
    const double seconds = (double)(leat_clock_mono_ms() - self->started_ms) / 1000;
    if (self->cli->quiet || self->cli->json)
        return;
    (void)fprintf(stderr, "%" PRIu64 " job%s: ", self->seen, self->seen == 1 ? "" : "s");
    (void)fprintf(stderr, "%" PRIu64 " ok", self->seen_ok);
    if (self->failed > 0 && self->cli->err.color)
        (void)fprintf(stderr, ", \033[31m%" PRIu64 " failed\033[0m", self->failed);
    else if (self->failed > 0)
        (void)fprintf(stderr, ", %" PRIu64 " failed", self->failed);
    (void)fprintf(stderr, " in %s\n", leat_duration_spoken(seconds, took));
    print_failures(self);
}

static void
add_failures(const waiting *self, cJSON *json)
{
    cJSON *const list = cJSON_AddArrayToObject(json, "failures");
    for (size_t i = 0; i < self->failure_count; i++) {
        const failure *const one = &self->failures[i];
        char job[64];
        cJSON *const entry = cJSON_CreateObject();
        (void)snprintf(job, sizeof job, "%" PRIu64 "/%" PRIu32, one->batch, one->place);
        (void)cJSON_AddStringToObject(entry, "job", job);
        (void)cJSON_AddStringToObject(entry, "outcome", leat_batches_outcome(one->outcome));
        (void)cJSON_AddNumberToObject(entry, "attempts", one->attempt);
        (void)cJSON_AddStringToObject(entry, "worker", or_empty(one->worker));
        (void)cJSON_AddStringToObject(entry, "why", or_empty(one->why));
        (void)cJSON_AddItemToArray(list, entry);
    }
    (void)cJSON_AddNumberToObject(json, "failures_left_off",
                                  (double)(self->failed - self->failure_count));
}

static void
print_json_summary(const waiting *self, bool timed_out)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *const list = cJSON_AddArrayToObject(json, "batches");
    for (size_t i = 0; i < self->count; i++) {
        const waiter *const one = &self->waiters[i];
        cJSON *const entry = cJSON_CreateObject();
        leat_json_put_id(entry, "batch", one->batch);
        (void)cJSON_AddNumberToObject(entry, "total", (double)one->counts.total);
        (void)cJSON_AddNumberToObject(entry, "done", (double)one->counts.done);
        (void)cJSON_AddNumberToObject(entry, "dead", (double)one->counts.dead);
        (void)cJSON_AddNumberToObject(entry, "cancelled", (double)one->counts.cancelled);
        (void)cJSON_AddNumberToObject(entry, "expired", (double)one->counts.expired);
        (void)cJSON_AddNumberToObject(entry, "skipped", (double)one->counts.skipped);
        (void)cJSON_AddBoolToObject(entry, "finished", one->counts.finished);
        (void)cJSON_AddItemToArray(list, entry);
    }
    (void)cJSON_AddNumberToObject(json, "ended", (double)self->seen);
    (void)cJSON_AddNumberToObject(json, "ok", (double)self->seen_ok);
    (void)cJSON_AddNumberToObject(json, "failed", (double)self->failed);
    (void)cJSON_AddBoolToObject(json, "timed_out", timed_out);
    (void)cJSON_AddNumberToObject(json, "waited_s",
                                  (double)(leat_clock_mono_ms() - self->started_ms) / 1000);
    add_failures(self, json);
    (void)leat_json_print(&json, stdout);
}

/* The wait was cut short: nothing is lost, and it can be taken up again. */
static int
left_early(waiting *self)
{
    char took[LEAT_DURATION_BYTES];
    const uint64_t first = self->waiters[0].batch;
    const char *const more = self->count > 1 ? " …" : "";
    if (leat_stop_signal() != 0) {
        leat_cli_say(self->cli, "batch %" PRIu64 "%s goes on.  Wait again: leat wait %" PRIu64 "%s",
                     first, more, first, more);
        return 128 + leat_stop_signal();
    }
    if (self->cli->json)
        print_json_summary(self, true);
    else
        leat_cli_say(
            self->cli,
            "%s passed, %" PRIu64 " of %" PRIu64 " jobs have ended; batch %" PRIu64 "%s goes on",
            leat_duration_spoken((double)(leat_clock_mono_ms() - self->started_ms) / 1000, took),
            self->progress.facts.ended, self->progress.facts.total, first, more);
    return LEAT_EXIT_TIMEOUT;
}

static int
exit_code(const waiting *self, const char *how)
{
    const bool short_of_goal = self->goal > 0 && !self->reached;
    if (short_of_goal)
        leat_cli_say(self->cli, "only %" PRIu64 " of the %" PRIu64 " that were asked for came",
                     self->goal_ok ? self->seen_ok : self->seen, self->goal);
    if (strcmp(how, "none") == 0)
        return LEAT_EXIT_OK;
    if (strcmp(how, "count") == 0)
        return self->failed > 100 ? LEAT_EXIT_COUNT_MORE : (int)self->failed;
    if (self->lost || short_of_goal)
        return LEAT_EXIT_FAILED;
    /* Whoever asked for N good ones has them, whatever else happened. */
    if (self->goal_ok && self->reached)
        return LEAT_EXIT_OK;
    return self->failed > 0 ? LEAT_EXIT_FAILED : LEAT_EXIT_OK;
}

static int
finish(waiting *self, const char *how)
{
    show_progress(self);
    leat_progress_wipe(&self->progress);
    if (!self->reached && self->over < self->count)
        return left_early(self);
    if (self->cli->json)
        print_json_summary(self, false);
    else
        print_summary(self);
    return exit_code(self, how);
}

/* ---- the beginning ---- */

static bool
is_one_of(const char *word, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcmp(word, *words) == 0)
            return true;
    }
    return false;
}

/* Numbers of the batches, each once. */
static int
select_batches(waiting *self)
{
    const size_t operands = leat_options_operand_count(self->cli->options);
    self->waiters = calloc(operands + 1, sizeof *self->waiters);
    if (self->waiters == NULL)
        return leat_cli_fail(self->cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    for (size_t i = 0; i < operands || i == 0; i++) {
        uint64_t batch;
        bool known = false;
        const char *const text =
            operands == 0 ? "last" : leat_options_operand(self->cli->options, i);
        const int code = leat_batches_number(self->cli, text, &batch);
        if (code != LEAT_EXIT_OK)
            return code;
        for (size_t k = 0; k < self->count; k++)
            known |= self->waiters[k].batch == batch;
        if (!known)
            self->waiters[self->count++].batch = batch;
    }
    return LEAT_EXIT_OK;
}

static int
open_waits(waiting *self)
{
    for (size_t i = 0; i < self->count; i++) {
        waiter *const one = &self->waiters[i];
        cJSON *json;
        const int code = leat_batches_ask(self->cli, one->batch, NULL, &json);
        if (code != LEAT_EXIT_OK)
            return code;
        take_answer(one, json);
        one->asked_ms = leat_clock_mono_ms();
        cJSON_Delete(json);
        const leat_status status = leat_wait_open(self->cli->broker, one->batch, &one->wait);
        if (status != LEAT_OK)
            return leat_cli_failed(self->cli, status, "wait");
        /* With several batches the goal is counted over all of them, so here. */
        if (self->goal > 0 && self->count == 1)
            leat_wait_goal(one->wait, self->goal, self->goal_ok);
    }
    show_progress(self);
    return LEAT_EXIT_OK;
}

static int
begin(waiting *self)
{
    static const char *const hows[] = {"any", "count", "job", "none", NULL};
    leat_progress_form chosen;
    char name[160];
    leat_cli *const cli = self->cli;
    const char *const how = leat_options_text(cli->options, "exit");
    const char *const form = leat_options_text(cli->options, "progress");
    if (!is_one_of(how, hows))
        return leat_cli_usage(cli, "--exit is any, count, job or none, not \"%.100s\"", how);
    if (!leat_progress_form_of(form, cli->quiet || cli->json, cli->err.terminal, &chosen))
        return leat_cli_usage(cli, "--progress is auto, bar, plain, json or none, not \"%.100s\"",
                              form);
    self->goal_ok = leat_options_flag(cli->options, "ok");
    if (leat_options_given(cli->options, "count"))
        self->goal = leat_options_number(cli->options, "count");
    if (self->goal == 0 && (self->goal_ok || leat_options_given(cli->options, "count")))
        return leat_cli_usage(cli, "%s",
                              self->goal_ok ? "--ok counts only with -n N"
                                            : "-n 0 is nothing to wait for");
    int code = select_batches(self);
    if (code != LEAT_EXIT_OK)
        return code;

    if (leat_options_given(cli->options, "timeout"))
        leat_stop_after(leat_options_ms(cli->options, "timeout"));
    (void)snprintf(name, sizeof name,
                   self->count == 1 ? "batch %" PRIu64 : "batch %" PRIu64 " and others",
                   self->waiters[0].batch);
    leat_progress_init(&self->progress, chosen, &cli->err, stderr, name);
    code = leat_cli_connect(cli);
    if (code != LEAT_EXIT_OK)
        return code;
    cli->on_gone = broker_gone;
    cli->on_gone_context = self;
    return open_waits(self);
}

static int
run(leat_cli *cli)
{
    waiting self = {.cli = cli, .started_ms = leat_clock_mono_ms()};
    self.heard_ms = self.started_ms;
    int code = begin(&self);
    if (code == LEAT_EXIT_OK)
        code = wait_for_all(&self);
    if (code == LEAT_EXIT_OK)
        code = finish(&self, leat_options_text(cli->options, "exit"));

    cli->on_gone = NULL;
    for (size_t i = 0; i < self.count; i++) {
        if (self.waiters[i].wait != NULL)
            leat_wait_free(&self.waiters[i].wait);
    }
    for (size_t i = 0; i < self.failure_count; i++) {
        free(self.failures[i].worker);
        free(self.failures[i].why);
    }
    free(self.failures);
    free(self.waiters);
    return code;
}

static const leat_example examples[] = {
    {"leat wait",                     "the last batch that was submitted from here"},
    {"leat wait 42 43 --timeout 10m", "two batches, ten minutes at most"           },
    {"leat wait 42 -n 3 --ok",        "until three jobs of it are done"            },
};

const leat_cli_command leat_cli_command_wait = {
    .noun = "wait",
    .summary = "wait until batches have finished, or for N completions",
    .operands = "[SEL…]",
    .takes = "<batch>...",
    .about =
        "Without SEL: the last batch. Several may wait for the same batch, and each sees all of\n"
        "it. The exit code tells whether all went well: 0, or 1 when a job ended other than\n"
        "done. Ctrl-C ends the wait, not the batch.\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .run = run,
};
