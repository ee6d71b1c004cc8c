/* leat run: commands as jobs, waited for, with what they print and an exit code that tells how it
 * went.
 *
 * One loop: jobs are made as their inputs come, as many as the window lets in, and ends are taken
 * as they come; neither waits for the other. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/batches.h"
#include "client/cli/command.h"
#include "client/cli/duration.h"
#include "client/cli/feed.h"
#include "client/cli/flight.h"
#include "client/cli/joblog.h"
#include "client/cli/json.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "client/cli/replace.h"
#include "client/cli/results.h"
#include "client/cli/state.h"
#include "client/cli/stop.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#define TICK_MS        200  /* how long one look at a quiet batch may take */
#define QUIET_MS       1000 /* after so long without an end people want to know why */
#define TRIES          50   /* of a call that a signal interrupts, TICK_MS apart at most */
#define FAILURES_SHOWN 20U
#define INPUT_COLUMNS  60U /* of an input, in the list of failures */
#define TAG_COLUMNS    500U
#define WINDOW_JOBS    100000U     /* sent and not yet shown */
#define WINDOW_BYTES   (64U << 20) /* … of their arguments and commands */
#define ROUND_JOBS     4096U       /* made before ends are looked at again */
#define ROUND_ENDS     1024U

#define ROW_JOBS                                                                            \
    {                                                                                       \
        .name = "jobs", .letter = 'j', .type = LEAT_OPTION_NUMBER, .value = "N",            \
        .help = "at most N at once (default: as many as the workers have slots)", .min = 1, \
        .max = WINDOW_JOBS                                                                  \
    }
#define ROW_KEEP_ORDER                                                 \
    {                                                                  \
        .name = "keep-order", .letter = 'k', .type = LEAT_OPTION_FLAG, \
        .help = "print in the order of the inputs, not as they end"    \
    }
#define ROW_TAG                                                                              \
    {                                                                                        \
        .name = "tag", .type = LEAT_OPTION_FLAG,                                             \
        .help = "the arguments before each line of output", .flags = LEAT_OPTION_NOT_IN_FILE \
    }
#define ROW_EXIT                                                                                 \
    {                                                                                            \
        .name = "exit", .type = LEAT_OPTION_TEXT, .value = "HOW", .takes = "any job count none", \
        .help =                                                                                  \
            "exit code: any (1 if one failed), job (its own; default for one job), count, none"  \
    }
#define ROW_PROGRESS                                                                      \
    {                                                                                     \
        .name = "progress", .type = LEAT_OPTION_TEXT, .value = "HOW", .fallback = "auto", \
        .takes = "auto bar plain json none", .help = "auto, bar, plain, json or none"     \
    }

static const leat_option rows[] = {
    LEAT_ROWS_OF_FEED,
    ROW_JOBS,
    ROW_KEEP_ORDER,
    ROW_TAG,
    LEAT_ROW_RESULTS,
    LEAT_ROWS_OF_JOBLOG,
    ROW_EXIT,
    ROW_PROGRESS,
    LEAT_ROW_TIMEOUT("stop waiting after this time (exit 124); the batch goes on"),
};

typedef struct failure {
    char *line; /* owned: its arguments and why; NULL without memory */
    uint32_t attempt;
} failure;

typedef struct running {
    leat_cli *cli;
    leat_feed feed;
    leat_batch *batch;
    leat_wait *wait;
    uint64_t id;
    leat_flight flight;
    leat_joblog joblog;
    leat_joblog_want want;
    const char *results; /* the folder; NULL: none */
    int results_failed;  /* errno of what could not be written, else 0 */
    uint8_t *slots;      /* owned: which of {%} are in use; NULL: nobody asks */
    uint64_t submitted;
    uint64_t skipped; /* not wanted by the joblog */
    uint64_t ended;
    uint64_t ok;
    uint64_t printed; /* with -k: places that are out */
    uint64_t at_once; /* -j, or the window */
    bool keeps_order;
    bool tags;
    bool keeps_commands; /* somebody wants the text of commands */
    bool has_all;        /* no more jobs are made */
    bool is_sealed;
    bool is_over;      /* the log has been read to its end */
    bool is_cancelled; /* by a signal */
    int wrong;         /* exit code of what kept jobs from being made, else 0 */
    int first_code;    /* of the first job that failed */
    bool exited;       /* … which ended by itself, with that code */
    failure failures[FAILURES_SHOWN];
    leat_buf arguments; /* of the job that is being made */
    leat_buf command;
    int64_t started_ms;
    int64_t heard_ms;
    int64_t asked_ms;
    bool told_waiting;
    leat_progress progress;
} running;

/* ---- one job ---- */

static leat_text
text_of(const leat_buf *buf)
{
    return (leat_text){.data = buf->size == 0 ? "" : (const char *)buf->data, .size = buf->size};
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
        leat_json_put_bytes(json, done->outcome == LEAT_DONE ? "result" : "why", done->result,
                            done->result_size);
    (void)leat_json_print(&json, stdout);
}

/* Print what a job has printed, and forget it. */
static void
print(running *self, leat_flying **job_p, const leat_completed *done)
{
    char tag[TAG_COLUMNS * 4 + 16] = "";
    leat_ending ending;
    const leat_text arguments = (*job_p)->arguments;
    if (self->tags) {
        (void)leat_screen_safe(arguments.data, arguments.size, self->cli->out.utf8, TAG_COLUMNS,
                               tag, sizeof tag - 1);
        (void)snprintf(tag + strlen(tag), 2, "\t");
    }
    leat_progress_wipe(&self->progress);
    if (self->cli->json)
        print_json(done);
    else if (leat_output_read(done, &ending))
        leat_output_show(&ending, tag);
    else if (done->outcome == LEAT_DONE)
        leat_output_show_result(done, tag);
    leat_flight_remove(&self->flight, job_p);
}

/* Print what is next in order, as far as it has come. */
static int
print_held(running *self)
{
    leat_flying *job = leat_flight_find(&self->flight, (uint32_t)self->printed + 1);
    while (job != NULL && job->has_ended) {
        leat_completed done;
        if (!leat_flight_held(&self->flight, job, &done))
            return leat_cli_fail(self->cli, LEAT_EXIT_LEAT, "NO_ROOM", NULL,
                                 "what job %" PRIu64 "/%" PRIu32
                                 " printed cannot be read again: leat logs %" PRIu64 "/%" PRIu32,
                                 self->id, job->place, self->id, job->place);
        self->printed++;
        print(self, &job, &done);
        job = leat_flight_find(&self->flight, (uint32_t)self->printed + 1);
    }
    return LEAT_EXIT_OK;
}

/* Of a failure a line says why; its arguments stand before it. */
static void
note_failure(running *self, const leat_flying *job, const leat_completed *done)
{
    char why[1024];
    char safe[INPUT_COLUMNS * 4 + 8];
    failure *const one = &self->failures[self->ended - self->ok - 1];
    (void)leat_screen_safe(job->arguments.data, job->arguments.size, self->cli->err.utf8,
                           INPUT_COLUMNS, safe, sizeof safe);
    leat_output_reason(done, self->cli->err.utf8, why, sizeof why);
    if (*why == '\0')
        (void)snprintf(why, sizeof why, "%s", leat_batches_outcome(done->outcome));
    if (asprintf(&one->line, "%s%s%s", safe, *safe == '\0' ? "" : "    ", why) < 0)
        one->line = NULL;
    one->attempt = done->attempt;
}

static void
count(running *self, const leat_flying *job, const leat_completed *done)
{
    self->ended++;
    self->heard_ms = leat_clock_mono_ms();
    if (done->outcome == LEAT_DONE) {
        self->ok++;
        return;
    }
    if (self->ended - self->ok == 1)
        self->first_code = code_of(done, &self->exited);
    if (self->ended - self->ok <= FAILURES_SHOWN && job != NULL)
        note_failure(self, job, done);
}

/* Files that were asked for. What has not run is in none of them, so that --resume runs it. */
static void
write_down(running *self, const leat_flying *job, const leat_completed *done)
{
    if (done->outcome != LEAT_DONE && done->outcome != LEAT_DEAD)
        return;
    leat_joblog_put(&self->joblog, job, done);
    errno = 0;
    if (self->results != NULL && self->results_failed == 0 &&
        leat_results_put(self->results, job, done) != LEAT_ERR_OK)
        self->results_failed = errno != 0 ? errno : EIO;
}

static int
take(running *self, const leat_completed *done)
{
    leat_flying *job = leat_flight_find(&self->flight, done->place);
    count(self, job, done);
    if (job == NULL)
        return LEAT_EXIT_OK;
    if (self->slots != NULL)
        self->slots[job->slot - 1] = 0;
    write_down(self, job, done);
    if (!self->keeps_order) {
        print(self, &job, done);
        return LEAT_EXIT_OK;
    }
    if (!leat_flight_hold(&self->flight, job, done))
        return leat_cli_fail(self->cli, LEAT_EXIT_LEAT, "NO_ROOM", NULL,
                             "no room for what waits to be printed in order (-k)");
    return print_held(self);
}

/* ---- making jobs ---- */

/* The batch has halted: it takes no more jobs, and ends when those have that it has. */
static bool
has_halted(running *self)
{
    leat_status status;
    cJSON *json = NULL;
    self->id = leat_batch_id(self->batch);
    if (self->feed.treatment.options.halt == 0 || self->id == 0 ||
        leat_batches_ask(self->cli, self->id, &status, &json) != LEAT_EXIT_OK)
        return false;
    const bool halted = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "halted"));
    cJSON_Delete(json);
    if (!halted)
        return false;
    cJSON *arguments = cJSON_CreateObject();
    cJSON *answer = NULL;
    leat_json_put_id(arguments, "batch", self->id);
    self->is_sealed = leat_cli_try_do(self->cli, "batch.seal", &arguments, &answer) == LEAT_OK;
    cJSON_Delete(answer);
    return self->is_sealed;
}

/* A call that sends jobs did not end well: is it an interruption, the end, or a failure? */
static int
failed_sending(running *self, leat_status status)
{
    if (status == LEAT_OK || status == LEAT_NOT_YET || leat_stop_wanted())
        return LEAT_EXIT_OK;
    char sentence[LEAT_SENTENCE_BYTES_MAX + 1];
    (void)snprintf(sentence, sizeof sentence, "%s", leat_sentence(self->cli->broker));
    if (has_halted(self)) {
        self->has_all = true;
        return LEAT_EXIT_OK;
    }
    leat_progress_wipe(&self->progress);
    if (status == LEAT_TOO_LARGE) {
        self->has_all = true; /* what was made before it comes to its end */
        self->wrong = leat_cli_failed(self->cli, status, "run");
        return LEAT_EXIT_OK;
    }
    if (status == LEAT_REFUSED)
        return leat_cli_fail(self->cli, LEAT_EXIT_LEAT, "REFUSED", NULL, "%s", sentence);
    return leat_cli_failed(self->cli, status, "run");
}

static uint32_t
take_slot(running *self)
{
    const uint8_t *const free_one =
        self->slots == NULL ? NULL : memchr(self->slots, 0, self->at_once);
    return free_one == NULL ? 1 : (uint32_t)(free_one - self->slots) + 1;
}

/* Send the job that the feed has made. */
static int
send_made(running *self, uint32_t slot)
{
    leat_buf_reset(&self->arguments);
    leat_buf_reset(&self->command);
    leat_feed_put_arguments(&self->feed, &self->arguments);
    if (self->keeps_commands)
        leat_feed_put_text(&self->feed, &self->command);
    if (!leat_joblog_wants(&self->joblog, text_of(&self->command), self->want)) {
        self->skipped++;
        return LEAT_EXIT_OK;
    }
    leat_flying *job = leat_flight_add(&self->flight, (uint32_t)self->submitted + 1,
                                       text_of(&self->arguments), text_of(&self->command));
    if (job == NULL || self->arguments.failed || self->command.failed)
        return leat_cli_failed(self->cli, LEAT_NO_MEMORY, "run");
    const leat_status status = leat_batch_add(self->batch, self->feed.handler,
                                              self->feed.payload.data, self->feed.payload.size);
    if (status != LEAT_OK) {
        leat_flight_remove(&self->flight, &job);
        return failed_sending(self, status);
    }
    job->number = self->feed.number;
    job->slot = slot;
    if (self->slots != NULL)
        self->slots[slot - 1] = 1;
    self->submitted++;
    return LEAT_EXIT_OK;
}

static bool
has_place(const running *self)
{
    return self->submitted - self->ended < self->at_once && self->flight.count < WINDOW_JOBS &&
           self->flight.text_bytes < WINDOW_BYTES;
}

/* There are no more inputs, or they cannot be read: what there is comes to its end. */
static int
end_feed(running *self)
{
    self->has_all = true;
    leat_progress_wipe(&self->progress);
    self->wrong = leat_feed_check(&self->feed);
    if (self->wrong != LEAT_EXIT_OK && self->submitted > 0)
        leat_cli_say(self->cli, "%" PRIu64 " job%s made of the inputs before it", self->submitted,
                     self->submitted == 1 ? " was" : "s were");
    return LEAT_EXIT_OK;
}

/* Make jobs of the inputs that are there, as far as there is room for them. */
static int
make_jobs(running *self, bool *moved)
{
    int code = LEAT_EXIT_OK;
    for (unsigned i = 0; i < ROUND_JOBS && code == LEAT_EXIT_OK && !self->has_all; i++) {
        if (!has_place(self) || !leat_batch_has_room(self->batch) || leat_stop_wanted() ||
            !leat_feed_ready(&self->feed))
            break;
        const uint32_t slot = take_slot(self);
        code = leat_feed_next(&self->feed, slot) ? send_made(self, slot) : end_feed(self);
        *moved = true;
    }
    return code;
}

/* Bring out what has been made. */
static int
send_jobs(running *self)
{
    leat_status status;
    if (!self->has_all)
        status = leat_batch_push(self->batch);
    else if (self->submitted > 0)
        status = leat_batch_seal(self->batch);
    else
        status = LEAT_OK;
    self->id = leat_batch_id(self->batch);
    self->is_sealed = self->has_all && status == LEAT_OK;
    self->is_over = self->has_all && self->submitted == 0;
    return failed_sending(self, status);
}

static int
feed(running *self, bool *moved)
{
    if (self->is_sealed || self->is_cancelled)
        return LEAT_EXIT_OK;
    const int code = make_jobs(self, moved);
    if (code != LEAT_EXIT_OK || self->is_sealed)
        return code;
    return send_jobs(self);
}

/* ---- waiting ---- */

/* Nothing ends: is there a worker at all? */
static void
ask_why(running *self)
{
    char text[512] = "";
    leat_status status;
    cJSON *json;
    const int64_t now_ms = leat_clock_mono_ms();
    if (self->id == 0 || self->flight.count == 0 || now_ms - self->heard_ms < QUIET_MS ||
        now_ms - self->asked_ms < QUIET_MS)
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

/* Take one end, if one comes in time: *moved. */
static int
take_one(running *self, int64_t timeout_ms, bool *moved)
{
    leat_completed done;
    char what[48];
    if (self->wait == NULL) {
        const leat_status opened = leat_wait_open(self->cli->broker, self->id, &self->wait);
        if (opened != LEAT_OK)
            return leat_cli_failed(self->cli, opened, "run");
    }
    const leat_status status = leat_wait_next(self->wait, &done, timeout_ms);
    *moved = status == LEAT_OK;
    if (status == LEAT_OK)
        return take(self, &done);
    if (status == LEAT_END) {
        self->is_over = true;
    } else if (status != LEAT_TIMED_OUT && !(status == LEAT_REFUSED && leat_stop_wanted())) {
        leat_progress_wipe(&self->progress);
        (void)snprintf(what, sizeof what, "batch %" PRIu64, self->id);
        return leat_cli_failed(self->cli, status, what);
    }
    return LEAT_EXIT_OK;
}

/* Take the ends that have come; wait for one if there is nothing else to wait for. */
static int
take_ends(running *self, bool *moved)
{
    bool more = self->id != 0;
    int code = LEAT_EXIT_OK;
    const bool waits = !*moved && self->is_sealed;
    for (unsigned i = 0; i < ROUND_ENDS && more && code == LEAT_EXIT_OK && !self->is_over; i++) {
        code = take_one(self, i == 0 && waits ? TICK_MS : 0, &more);
        *moved |= more;
    }
    if (*moved)
        (void)leat_cli_flush();
    if (self->id != 0)
        leat_progress_update(&self->progress, leat_clock_mono_ms(), self->ended, self->submitted,
                             self->ended - self->ok);
    return code;
}

/* Nothing to do: until an input or a frame comes. */
static void
rest(running *self)
{
    const int64_t due_ms = leat_due_ms(self->cli->broker);
    const bool wants_input = has_place(self) && leat_batch_has_room(self->batch) &&
                             !self->has_all && self->feed.has_arguments;
    const int input = wants_input ? leat_tuples_fd(&self->feed.tuples) : -1;
    struct pollfd fds[2];
    fds[0] = (struct pollfd){.fd = leat_fd(self->cli->broker), .events = POLLIN};
    fds[1] = (struct pollfd){.fd = input, .events = POLLIN};
    (void)poll(fds, 2, due_ms >= 0 && due_ms < TICK_MS ? (int)due_ms : TICK_MS);
    (void)leat_process(self->cli->broker);
}

/* Seal the batch in spite of signals, which interrupt a call again and again. */
static void
seal(running *self)
{
    leat_status status = self->is_sealed ? LEAT_OK : LEAT_REFUSED;
    self->has_all = true;
    for (int i = 0; i < TRIES && status == LEAT_REFUSED && leat_stop_count() < 2; i++)
        status = leat_batch_seal(self->batch);
    self->is_sealed = status == LEAT_OK;
    self->id = leat_batch_id(self->batch);
}

/* The first Ctrl-C: what waits is cancelled, what runs is told to stop, and its end is awaited. */
static void
cancel(running *self)
{
    leat_cancelled found = {0};
    self->is_cancelled = true;
    leat_progress_wipe(&self->progress);
    leat_cli_say(self->cli, "cancelling %" PRIu64 " %s (again to leave them running)",
                 self->submitted - self->ended, self->cli->err.utf8 ? "…" : "...");
    seal(self);
    leat_status status = self->id == 0 ? LEAT_OK : LEAT_REFUSED;
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

/* The broker has given the batch a number. */
static void
note_id(running *self)
{
    leat_state_set_last(self->id);
    (void)snprintf(self->progress.name, sizeof self->progress.name, "batch %" PRIu64, self->id);
}

static int
run_all(running *self)
{
    int code = LEAT_EXIT_OK;
    const leat_status status =
        leat_batch_open(self->cli->broker, &self->feed.treatment.options, &self->batch);
    if (status != LEAT_OK)
        return leat_cli_failed(self->cli, status, "run");
    while (code == LEAT_EXIT_OK && !self->is_over && !leaves(self) && ferror(stdout) == 0) {
        bool moved = false;
        const bool had_id = self->id != 0;
        if (leat_stop_signal() != 0 && !self->is_cancelled)
            cancel(self);
        if (self->is_over)
            break;
        code = feed(self, &moved);
        if (!had_id && self->id != 0)
            note_id(self);
        if (code == LEAT_EXIT_OK && !self->is_over)
            code = take_ends(self, &moved);
        if (code == LEAT_EXIT_OK && !moved && !self->is_over && !leat_stop_wanted()) {
            ask_why(self);
            if (!self->is_sealed)
                rest(self);
        }
    }
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
    if (self->skipped > 0)
        (void)fprintf(stderr, ", %" PRIu64 " not run (joblog)", self->skipped);
    (void)fprintf(stderr, " in %s\n", leat_duration_spoken(seconds, took));
    for (uint64_t i = 0; i < failed && i < FAILURES_SHOWN; i++) {
        const failure *const one = &self->failures[i];
        (void)fprintf(stderr, "  %s", one->line == NULL ? "" : one->line);
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
    const bool is_one = !self->feed.has_arguments || self->submitted == 1;
    const char *how = leat_options_text(self->cli->options, "exit");
    if (self->wrong != LEAT_EXIT_OK)
        return self->wrong;
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
    const failure *const one = &self->failures[0];
    if (self->ended == self->ok || one->line == NULL || (self->exited && one->attempt == 1))
        return;
    if (one->attempt > 1)
        leat_cli_say(self->cli, "%s (after %" PRIu32 " attempts)", one->line, one->attempt);
    else
        leat_cli_say(self->cli, "%s", one->line);
}

/* What was asked for and could not be written is a failure, whatever the jobs came to. */
static int
check_files(const running *self, int code)
{
    char reason[64];
    const leat_options *const options = self->cli->options;
    if (self->joblog.failed != 0)
        code = leat_cli_fail(self->cli, LEAT_EXIT_LEAT, "NO_FILE", NULL,
                             "--joblog \"%.200s\" is not complete: %s",
                             leat_options_text(options, "joblog"),
                             leat_log_errno_text(self->joblog.failed, reason, sizeof reason));
    if (self->results_failed != 0)
        code = leat_cli_fail(self->cli, LEAT_EXIT_LEAT, "NO_FILE", NULL,
                             "--results \"%.200s\" is not complete: %s", self->results,
                             leat_log_errno_text(self->results_failed, reason, sizeof reason));
    return code;
}

static int
finish(running *self)
{
    leat_progress_wipe(&self->progress);
    if (leaves(self) && !self->is_over) {
        seal(self); /* whoever comes back to it sees its end */
        if (self->id != 0)
            leat_cli_say(self->cli, "batch %" PRIu64 " goes on.  Wait: leat wait %" PRIu64,
                         self->id, self->id);
        return leat_stop_signal() != 0 ? 128 + leat_stop_signal() : LEAT_EXIT_TIMEOUT;
    }
    if (self->submitted == 0 && self->skipped > 0 && self->wrong == LEAT_EXIT_OK) {
        leat_cli_say(self->cli, "nothing to run: the joblog has all that is wanted of %" PRIu64,
                     self->skipped);
        return LEAT_EXIT_OK;
    }
    if (self->submitted == 0 && self->wrong == LEAT_EXIT_OK && !self->is_cancelled)
        return leat_cli_fail(self->cli, LEAT_EXIT_USAGE, "NO_INPUT", NULL,
                             "the input is empty, nothing was run");
    if (self->submitted > 1 || self->is_cancelled)
        print_summary(self);
    else if (!self->cli->json)
        print_single(self);
    return check_files(self, self->is_cancelled ? 128 + leat_stop_signal() : exit_code(self));
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
    self->tags = leat_options_flag(cli->options, "tag");
    self->at_once = WINDOW_JOBS;
    if (leat_options_given(cli->options, "jobs"))
        self->at_once = leat_options_number(cli->options, "jobs");
    return LEAT_EXIT_OK;
}

/* {%} is known where -j says how many there are. */
static int
take_slots(running *self)
{
    if ((self->feed.order.takes & LEAT_REPLACE_SLOT) == 0)
        return LEAT_EXIT_OK;
    if (!leat_options_given(self->cli->options, "jobs"))
        return leat_cli_usage(self->cli, "{%%} goes with -j N: it is which of the N a job is (the "
                                         "worker's own is in $LEAT_JOB_SLOT)");
    self->slots = calloc(self->at_once, 1);
    return self->slots != NULL ? LEAT_EXIT_OK : leat_cli_failed(self->cli, LEAT_NO_MEMORY, "run");
}

static int
open_joblog(running *self)
{
    char reason[64];
    uint64_t line = 0;
    leat_cli *const cli = self->cli;
    const char *const path = leat_options_text(cli->options, "joblog");
    const bool resumes = leat_options_flag(cli->options, "resume");
    const bool retries = leat_options_flag(cli->options, "retry-failed");
    self->want = resumes && retries ? LEAT_JOBLOG_NEW_AND_FAILED
                 : resumes          ? LEAT_JOBLOG_NEW
                 : retries          ? LEAT_JOBLOG_FAILED
                                    : LEAT_JOBLOG_ALL;
    if (path == NULL && self->want != LEAT_JOBLOG_ALL)
        return leat_cli_usage(cli, "--%s goes with --joblog F",
                              resumes ? "resume" : "retry-failed");
    if (path == NULL)
        return LEAT_EXIT_OK;
    const leat_err err = leat_joblog_open(&self->joblog, path, self->want, &line);
    if (err == LEAT_ERR_MALFORMED)
        return leat_cli_fail(cli, LEAT_EXIT_USAGE, "NO_JOBLOG", NULL,
                             "%.300s:%" PRIu64 ": this is no line of a joblog", path, line);
    if (err != LEAT_ERR_OK)
        return leat_cli_fail(cli, LEAT_EXIT_USAGE, "NO_FILE", NULL, "--joblog \"%.200s\": %s", path,
                             leat_log_errno_text(errno, reason, sizeof reason));
    return LEAT_EXIT_OK;
}

static int
open_files(running *self)
{
    char reason[64];
    self->results = leat_options_text(self->cli->options, "results");
    if (self->results != NULL && leat_results_open(self->results) != LEAT_ERR_OK)
        return leat_cli_fail(self->cli, LEAT_EXIT_USAGE, "NO_FOLDER", NULL,
                             "--results \"%.200s\": %s", self->results,
                             leat_log_errno_text(errno, reason, sizeof reason));
    const int code = open_joblog(self);
    self->keeps_commands = self->results != NULL || self->joblog.file != NULL;
    return code;
}

static int
begin(running *self)
{
    leat_cli *const cli = self->cli;
    leat_progress_form form = LEAT_PROGRESS_NONE;
    int code = check_options(self, &form);
    if (code == LEAT_EXIT_OK)
        code = leat_feed_open(cli, true, &self->feed);
    if (code == LEAT_EXIT_OK)
        code = take_slots(self);
    if (code != LEAT_EXIT_OK || leat_options_flag(cli->options, "dry-run"))
        return code;
    /* One job needs no account of how far it is, unless somebody asks for it. */
    if (!self->feed.has_arguments && !leat_options_given(cli->options, "progress"))
        form = LEAT_PROGRESS_NONE;
    leat_progress_init(&self->progress, form, &cli->err, stderr, "run");
    code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK)
        code = open_files(self);
    leat_stop_patiently(); /* the second signal leaves, but says how to come back */
    return code;
}

static void
fini(running *self)
{
    if (self->wait != NULL)
        leat_wait_free(&self->wait);
    if (self->batch != NULL)
        leat_batch_free(&self->batch);
    for (size_t i = 0; i < FAILURES_SHOWN; i++)
        free(self->failures[i].line);
    free(self->slots);
    leat_buf_fini(&self->arguments);
    leat_buf_fini(&self->command);
    leat_flight_fini(&self->flight);
    leat_joblog_fini(&self->joblog);
    leat_feed_fini(&self->feed);
}

static int
run(leat_cli *cli)
{
    running self = {.cli = cli, .started_ms = leat_clock_mono_ms()};
    self.heard_ms = self.started_ms;
    int code = begin(&self);
    if (code == LEAT_EXIT_OK && leat_options_flag(cli->options, "dry-run")) {
        code = leat_feed_print(&self.feed);
    } else if (code == LEAT_EXIT_OK) {
        code = run_all(&self);
        if (code == LEAT_EXIT_OK)
            code = finish(&self);
    }
    fini(&self);
    return code;
}

static const leat_example examples[] = {
    {"leat run make -C docs",                           "one command, as if it were typed here"},
    {"leat run gzip {} ::: *.log",                      "a job for each file"                  },
    {"ls *.wav | leat run -j 4 lame {} {.}.mp3",        "of the lines of stdin, four at once"  },
    {"leat run --shell 'sort {} | uniq -c' ::: a b",    "shell text; what is put in is quoted" },
    {"leat run --retries 2 --run-limit 10m ./check {}", "try again, and not for ever"          },
    {"leat run ./fit {1} {2} ::: a b ::: 1 2 3",        "every combination"                    },
    {"leat run --joblog log --resume ./fit ::: *.csv",  "go on where it was left"              },
    {"leat run -k --exit count ./test.sh ::: 1 2 3",    "in order; how many failed"            },
};

const leat_cli_command leat_cli_command_run = {
    .noun = "run",
    .summary = "run commands as jobs, wait for them, print what they print",
    .operands = "CMD [ARG…] [::: INPUT… [:::+ INPUT…]]",
    .about =
        "Options stand before CMD; from its first word on everything is the command's, up to\n"
        "\":::\". Several \":::\" are every combination, \":::+\" goes side by side. In the\n"
        "command {} is the input, {.} without its ending, {/} without its folder, {//} its\n"
        "folder, {/.} both, {2} the second one, {#} the job's number, {%} which of -j N;\n"
        "without any of them the inputs are the last words. Lines of stdin are inputs only if\n"
        "one of them stands there, or with --handler, and are read as they come.\n"
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
