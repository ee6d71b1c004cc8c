/* leat list: batches, or the jobs of one batch; also what has finished, as long as it is kept. */
#include <inttypes.h>
#include <string.h>

#include "client/cli/batches.h"
#include "client/cli/command.h"
#include "client/cli/dead.h"
#include "client/cli/duration.h"
#include "client/cli/feed.h"
#include "client/cli/json.h"
#include "client/cli/listing.h"
#include "client/cli/when.h"
#include "proto/base/clock.h"

#define ROWS_SCREEN 50U
#define ROWS_SCRIPT 1000U

static const leat_option rows[] = {
    {.name = "state",
     .type = LEAT_OPTION_TEXT,
     .value = "STATE",
     .help = "only what is so: failed, done, running, waiting, finished, all, …",
     .takes = "live waiting running finished done failed all",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "channel",
     .type = LEAT_OPTION_TEXT,
     .value = "NAME",
     .takes = "<channel>",
     .help = "only batches of this channel"},
    LEAT_ROW_LABEL("only batches with this label; may be given again"),
    LEAT_ROW_SINCE("only what has ended since then (2h, 18:30), or not ended"),
    {.name = "where",
     .type = LEAT_OPTION_TEXT,
     .value = "TEXT",
     .help = "only batches with this in their name, jobs with this in their error",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "rows",
     .type = LEAT_OPTION_NUMBER,
     .value = "N",
     .min = 1,
     .max = LEAT_LISTING_ROWS_MAX,
     .help = "at most so many (default 50, with --json or --plain 1000)"},
    {.name = "mine",
     .type = LEAT_OPTION_FLAG,
     .help = "only batches that were submitted with your key",
     .flags = LEAT_OPTION_NOT_IN_FILE                                                 },
};

static size_t
rows_max(const leat_cli *cli)
{
    if (leat_options_given(cli->options, "rows"))
        return (size_t)leat_options_number(cli->options, "rows");
    return cli->json || cli->plain ? ROWS_SCRIPT : ROWS_SCREEN;
}

static void
add_text(const leat_cli *cli, cJSON *arguments, const char *option)
{
    const char *const text = leat_options_text(cli->options, option);
    if (text != NULL)
        (void)cJSON_AddStringToObject(arguments, option, text);
}

/* What both lists are asked with; the caller's. */
static cJSON *
arguments_of(const leat_cli *cli, int *code)
{
    cJSON *const arguments = cJSON_CreateObject();
    add_text(cli, arguments, "state");
    add_text(cli, arguments, "where");
    *code = leat_listing_since(cli, arguments);
    return arguments;
}

/* A --state that the broker does not know is a wrong option, and not its fault. */
static int
ask(leat_cli *cli, const leat_listing *what, cJSON **arguments_p, const char *words, cJSON **answer)
{
    const char *const state = leat_options_text(cli->options, "state");
    bool is_known = state == NULL;
    for (const char *p = words; !is_known && *p != '\0'; p += strspn(p, " ")) {
        const size_t size = strcspn(p, " ");
        is_known = strlen(state) == size && memcmp(p, state, size) == 0;
        p += size;
    }
    if (!is_known)
        return leat_cli_usage(cli, "--state \"%.40s\": give one of %s", state, words);
    const int code = leat_cli_connect(cli);
    return code == LEAT_EXIT_OK ? leat_listing_ask(cli, what, arguments_p, answer) : code;
}

/* ---- batches ---- */

static const leat_column batch_columns[] = {
    {"BATCH",   true,  9},
    {"NAME",    false, 7},
    {"CHANNEL", false, 3},
    {"STATE",   false, 8},
    {"JOBS",    true,  6},
    {"WAITING", true,  2},
    {"RUNNING", true,  4},
    {"DONE",    true,  5},
    {"FAILED",  true,  5},
    {"ENDED",   false, 1},
    {"LABELS",  false, 1},
};

static uint64_t
sum(const cJSON *row, const char *const *keys, size_t count)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += leat_json_count(row, keys[i]);
    return total;
}

static uint64_t
waiting_of(const cJSON *row)
{
    static const char *const keys[] = {"ready", "delayed", "held"};
    return sum(row, keys, LEAT_COUNT_OF(keys));
}

static uint64_t
failed_of(const cJSON *row)
{
    static const char *const keys[] = {"dead", "cancelled", "expired", "skipped"};
    return sum(row, keys, LEAT_COUNT_OF(keys));
}

static const char *
state_of(const cJSON *row)
{
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "finished")))
        return failed_of(row) > 0 ? "failed" : "done";
    return leat_json_count(row, "running") > 0 ? "running" : "waiting";
}

static void
add_batch(leat_table *table, const cJSON *row, int64_t now_ms)
{
    char figures[5][24];
    char ended[LEAT_WHEN_BYTES];
    char labels[LEAT_LABELS_BYTES_MAX + 1];
    const uint64_t numbers[] = {leat_json_count(row, "total"), waiting_of(row),
                                leat_json_count(row, "running"), leat_json_count(row, "done"),
                                failed_of(row)};
    for (size_t i = 0; i < LEAT_COUNT_OF(numbers); i++)
        (void)snprintf(figures[i], sizeof figures[i], "%" PRIu64, numbers[i]);
    const char *const channel = leat_json_string(row, "channel");
    const char *const cells[] = {
        leat_json_string(row, "id"),
        leat_json_string(row, "name"),
        *channel == '\0' ? "-" : channel,
        state_of(row),
        figures[0],
        figures[1],
        figures[2],
        figures[3],
        figures[4],
        leat_when_text((int64_t)leat_json_real(row, "ended_ms", 0), now_ms, ended),
        leat_batches_labels(row, labels),
    };
    (void)leat_table_add(table, cells);
}

/* What is not among the rows, in a line. */
static void
say_what_is_missing(const leat_cli *cli, const cJSON *answer, size_t shown)
{
    const uint64_t finished = leat_json_count(answer, "finished");
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "more")))
        leat_cli_say(cli, "only the newest %zu are shown: leat list --rows N", shown);
    if (leat_options_given(cli->options, "state"))
        return;
    const bool hides = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "hides"));
    if (hides && finished > 0)
        leat_cli_say(cli,
                     "what has finished is not shown (%" PRIu64
                     " batch%s, and jobs by themselves): leat list --state all",
                     finished, finished == 1 ? "" : "es");
    else if (hides)
        leat_cli_say(cli, "what has finished is not shown: leat list --state all");
    else if (shown == 0)
        leat_cli_say(cli, "there are no batches.  Submit one: leat submit echo hi");
}

static void
print_batches(leat_cli *cli, cJSON **answer_p)
{
    cJSON *row;
    const cJSON *const list = cJSON_GetObjectItemCaseSensitive(*answer_p, "batches");
    const size_t shown = (size_t)cJSON_GetArraySize(list);
    leat_table *table = leat_table_new(batch_columns, LEAT_COUNT_OF(batch_columns));
    cJSON_ArrayForEach(row, list)
    {
        if (table != NULL)
            add_batch(table, row, leat_clock_wall_ms());
        (void)cJSON_AddStringToObject(row, "state", state_of(row));
    }
    if (!cli->json && table != NULL && shown > 0)
        leat_table_print(table, &cli->out, cli->plain, stdout);
    (void)leat_cli_flush();
    say_what_is_missing(cli, *answer_p, shown);
    if (cli->json) {
        leat_json_counts(*answer_p);
        leat_json_times(*answer_p);
        (void)leat_json_print(answer_p, stdout);
    }
    leat_table_destroy(&table);
}

/* "a=1,b=2" of --label as an object. */
static int
add_labels(const leat_cli *cli, cJSON *arguments)
{
    char text[LEAT_LABELS_BYTES_MAX + 1];
    const int code = leat_treatment_labels(cli, text);
    if (code != LEAT_EXIT_OK || *text == '\0')
        return code;
    cJSON *const labels = cJSON_AddObjectToObject(arguments, "labels");
    for (char *p = text; p != NULL;) {
        char *const pair = strsep(&p, ",");
        char *const sign = strchr(pair, '=');
        *sign = '\0';
        (void)cJSON_AddStringToObject(labels, pair, sign + 1);
    }
    return code;
}

static int
list_batches(leat_cli *cli)
{
    int code;
    cJSON *answer = NULL;
    cJSON *arguments = arguments_of(cli, &code);
    const leat_listing what = {.query = "batch.list",
                               .key = "batches",
                               .order = "id",
                               .falling = true,
                               .rows_max = rows_max(cli)};
    /* A channel that a variable names for submit must not hide batches here. */
    if (leat_options_origin(cli->options, "channel") == LEAT_ORIGIN_COMMAND_LINE) {
        if (code == LEAT_EXIT_OK)
            code =
                leat_cli_check_name(cli, "--channel", leat_options_text(cli->options, "channel"));
        add_text(cli, arguments, "channel");
    }
    if (leat_options_flag(cli->options, "mine"))
        (void)cJSON_AddTrueToObject(arguments, "mine");
    if (code == LEAT_EXIT_OK)
        code = add_labels(cli, arguments);
    if (code == LEAT_EXIT_OK)
        code =
            ask(cli, &what, &arguments, "live waiting running finished done failed all", &answer);
    if (code == LEAT_EXIT_OK)
        print_batches(cli, &answer);
    cJSON_Delete(arguments);
    cJSON_Delete(answer);
    return code;
}

/* ---- the jobs of a batch ---- */

static const leat_column job_columns[] = {
    {"JOB",     false, 9},
    {"STATE",   false, 8},
    {"ATTEMPT", true,  3},
    {"WORKER",  false, 5},
    {"RAN",     true,  4},
    {"ENDED",   false, 2},
    {"ERROR",   false, 7},
};

static const char *
error_of(const cJSON *row)
{
    return cJSON_HasObjectItem(row, "error_b64") ? leat_json_string(row, "error_b64")
                                                 : leat_json_string(row, "error");
}

static void
add_job(leat_table *table, uint64_t batch, const cJSON *row, int64_t now_ms)
{
    char job[64];
    char attempt[24];
    char ran[LEAT_DURATION_BYTES];
    char ended[LEAT_WHEN_BYTES];
    const char *const worker = leat_json_string(row, "worker");
    const double run_s = (double)leat_json_count(row, "run_us") / 1e6;
    (void)snprintf(job, sizeof job, "%" PRIu64 "/%" PRIu64, batch, leat_json_count(row, "place"));
    (void)snprintf(attempt, sizeof attempt, "%" PRIu64, leat_json_count(row, "attempt"));
    const char *const cells[] = {
        job,
        leat_json_string(row, "state"),
        attempt,
        *worker == '\0' ? "-" : worker,
        leat_duration_short(cJSON_HasObjectItem(row, "run_us") ? run_s : -1, ran),
        leat_when_text((int64_t)leat_json_real(row, "ended_ms", 0), now_ms, ended),
        error_of(row),
    };
    (void)leat_table_add(table, cells);
}

static void
say_what_jobs_are_missing(const leat_cli *cli, uint64_t batch, const cJSON *answer, uint64_t shown)
{
    const char *const state = leat_options_text(cli->options, "state");
    const uint64_t done = leat_json_count(answer, "done");
    const uint64_t total = leat_json_count(answer, "total");
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "more")))
        leat_cli_say(cli, "only the first %" PRIu64 " are shown: leat list %" PRIu64 " --rows N",
                     shown, batch);
    else if (state != NULL && strcmp(state, "all") == 0 && shown < total &&
             !leat_options_given(cli->options, "where") &&
             !leat_options_given(cli->options, "since"))
        leat_cli_say(cli, "%" PRIu64 " of its jobs %s kept no more", total - shown,
                     total - shown == 1 ? "is" : "are");
    if (state == NULL && done > 0)
        leat_cli_say(cli, "%" PRIu64 " job%s done and not shown: leat list %" PRIu64 " --state all",
                     done, done == 1 ? " is" : "s are", batch);
}

/* Durations are shown in seconds. */
static void
add_seconds(cJSON *row)
{
    const cJSON *const run_us = cJSON_GetObjectItemCaseSensitive(row, "run_us");
    if (run_us == NULL)
        return;
    (void)cJSON_AddNumberToObject(row, "run_s", (double)leat_json_count(row, "run_us") / 1e6);
    cJSON_DeleteItemFromObjectCaseSensitive(row, "run_us");
}

static void
print_jobs(leat_cli *cli, uint64_t batch, cJSON **answer_p)
{
    cJSON *row;
    const cJSON *const list = cJSON_GetObjectItemCaseSensitive(*answer_p, "jobs");
    const int shown = cJSON_GetArraySize(list);
    leat_table *table = leat_table_new(job_columns, LEAT_COUNT_OF(job_columns));
    cJSON_ArrayForEach(row, list)
    {
        if (table != NULL)
            add_job(table, batch, row, leat_clock_wall_ms());
        add_seconds(row);
    }
    if (!cli->json && table != NULL && shown > 0)
        leat_table_print(table, &cli->out, cli->plain, stdout);
    (void)leat_cli_flush();
    say_what_jobs_are_missing(cli, batch, *answer_p, (uint64_t)shown);
    if (cli->json) {
        leat_json_put_id(*answer_p, "batch", batch);
        leat_json_counts(*answer_p);
        leat_json_times(*answer_p);
        (void)leat_json_print(answer_p, stdout);
    }
    leat_table_destroy(&table);
}

static int
list_jobs(leat_cli *cli, const char *operand)
{
    int code;
    leat_selector which;
    cJSON *answer = NULL;
    const leat_listing what = {
        .query = "job.list", .key = "jobs", .order = "place", .rows_max = rows_max(cli)};
    if (leat_options_origin(cli->options, "channel") == LEAT_ORIGIN_COMMAND_LINE ||
        leat_options_flag(cli->options, "mine") || leat_options_given(cli->options, "label"))
        return leat_cli_usage(
            cli, "--channel, --label and --mine choose among batches, not jobs of one");
    cJSON *arguments = arguments_of(cli, &code);
    if (code == LEAT_EXIT_OK)
        code = leat_batches_select(cli, operand, &which);
    if (code == LEAT_EXIT_OK && which.kind == LEAT_SELECTOR_JOBS)
        code = leat_cli_usage(cli, "give a whole batch; of one job tells: leat explain %.40s",
                              operand);
    if (code == LEAT_EXIT_OK && which.kind == LEAT_SELECTOR_FAILED) {
        if (leat_options_given(cli->options, "state"))
            code = leat_cli_usage(cli, "\"%.40s\" says which jobs, --state too: give one", operand);
        else
            (void)cJSON_AddStringToObject(arguments, "state", "failed");
    }
    if (code == LEAT_EXIT_OK) {
        leat_json_put_id(arguments, "batch", which.batch);
        code = ask(cli, &what, &arguments,
                   "open live waiting running finished done failed all held delayed ready dead "
                   "cancelled expired skipped",
                   &answer);
    }
    if (code == LEAT_EXIT_OK)
        print_jobs(cli, which.batch, &answer);
    cJSON_Delete(arguments);
    cJSON_Delete(answer);
    return code;
}

static int
run(leat_cli *cli)
{
    const size_t operands = leat_options_operand_count(cli->options);
    if (operands > 1)
        return leat_cli_usage(cli, "one batch at a time: leat list 42");
    return operands == 0 ? list_batches(cli)
                         : list_jobs(cli, leat_options_operand(cli->options, 0));
}

static const leat_example examples[] = {
    {"leat list",                           "batches that run or wait, the newest first"  },
    {"leat list --state failed --since 1d", "what has gone wrong since yesterday"         },
    {"leat list 42",                        "its jobs, but for those that are done"       },
    {"leat list 42 --state failed",         "its jobs that ended other than done, and why"},
    {"leat list 42 --where 'disk full'",    "… those with this in their error"          },
    {"leat list --state all --json",        "everything that is kept, for a script"       },
};

const leat_cli_command leat_cli_command_list = {
    .noun = "list",
    .summary = "list batches, or the jobs of one batch",
    .operands = "[BATCH]",
    .takes = "<batch>",
    .about =
        "Without BATCH: those that have not finished, the newest first; a line says that others\n"
        "are not shown. A batch is waiting, running, done, or failed: finished, and at least one\n"
        "job ended other than done. --state failed also shows batches that still run and have\n"
        "such a job, --state finished all that have finished, --state all everything. What has\n"
        "finished is kept for a day (docs/store.md). Of a job that was submitted by itself and\n"
        "has ended, only outcome and time are kept: --channel, --label, --where and --mine leave it out,\n"
        "unless it is among the dead ones.\n"
        "\n"
        "Of BATCH, the jobs but for those that are done, in their order. --state may also be\n"
        "held, delayed, ready, dead, cancelled, expired, skipped; live is all that have not ended.\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .run = run,
};
