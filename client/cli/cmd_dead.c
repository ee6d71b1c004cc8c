/* leat dead ls, show, rm: jobs that have failed for good, kept for a person to look at. */
#include <inttypes.h>
#include <string.h>

#include "client/cli/attempts.h"
#include "client/cli/command.h"
#include "client/cli/dead.h"
#include "client/cli/json.h"
#include "client/cli/when.h"
#include "proto/base/clock.h"

#define JOBS_MAX 1000U /* that one command names */

/* ---- leat dead ls ---- */

static const leat_option ls_rows[] = {
    LEAT_ROW_DEAD_CHANNEL,
    LEAT_ROW_WHERE,
    LEAT_ROW_DEAD_SINCE,
};

static const leat_column columns[] = {
    {"JOB",      false, 9},
    {"ID",       true,  3},
    {"CHANNEL",  false, 4},
    {"HANDLER",  false, 6},
    {"ATTEMPTS", true,  5},
    {"WORKER",   false, 1},
    {"ENDED",    false, 2},
    {"ERROR",    false, 8},
};

static void
name_job(const cJSON *row, char out[64])
{
    (void)snprintf(out, 64, "%.30s/%" PRIu64, leat_json_string(row, "batch"),
                   leat_json_count(row, "place"));
}

/* An error is text, or base64 where it is none. */
static const char *
error_of(const cJSON *row)
{
    return cJSON_HasObjectItem(row, "error_b64") ? leat_json_string(row, "error_b64")
                                                 : leat_json_string(row, "error");
}

static void
add_row(leat_table *table, const cJSON *row, int64_t now_ms)
{
    char job[64];
    char attempts[24];
    char ended[LEAT_WHEN_BYTES];
    name_job(row, job);
    (void)snprintf(attempts, sizeof attempts, "%" PRIu64, leat_json_count(row, "attempts"));
    const char *const cells[] = {
        job,
        leat_json_string(row, "job"),
        leat_json_string(row, "channel"),
        leat_json_string(row, "handler"),
        attempts,
        leat_json_string(row, "worker"),
        leat_when_text((int64_t)leat_json_real(row, "ended_ms", 0), now_ms, ended),
        error_of(row)};
    (void)leat_table_add(table, cells);
}

static int
run_ls(leat_cli *cli)
{
    int code;
    cJSON *dead = NULL;
    const cJSON *row;
    leat_table *table = NULL;
    cJSON *filter = leat_dead_filter(cli, &code);
    if (code == LEAT_EXIT_OK && leat_options_operand_count(cli->options) > 0)
        code = leat_cli_usage(cli, "dead ls takes no operands; one job: leat dead show %.40s",
                              leat_options_operand(cli->options, 0));
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK)
        code = leat_dead_ask(cli, &filter, &dead);
    if (code != LEAT_EXIT_OK)
        goto done;
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        leat_json_times(dead);
        (void)cJSON_AddItemToObject(json, "dead", dead);
        dead = NULL;
        (void)leat_json_print(&json, stdout);
        goto done;
    }
    if (cJSON_GetArraySize(dead) == 0) {
        leat_cli_say(cli, "no dead jobs");
        goto done;
    }
    table = leat_table_new(columns, LEAT_COUNT_OF(columns));
    cJSON_ArrayForEach(row, dead)
    {
        if (table != NULL)
            add_row(table, row, leat_clock_wall_ms());
    }
    if (table != NULL)
        leat_table_print(table, &cli->out, cli->plain, stdout);

done:
    leat_table_destroy(&table);
    cJSON_Delete(filter);
    cJSON_Delete(dead);
    return code;
}

static const leat_example ls_examples[] = {
    {"leat dead ls",                     "what has failed for good, the newest first"},
    {"leat dead ls --where 'disk full'", "what has failed of that"                   },
    {"leat dead ls --since 2h",          "what has failed in the last two hours"     },
};

const leat_cli_command leat_cli_command_dead_ls = {
    .noun = "dead",
    .verb = "ls",
    .summary = "list dead jobs",
    .operands = "",
    .about =
        "A dead job stays in the list until it is tried again (leat retry), removed, or a week\n"
        "old.\n",
    .examples = ls_examples,
    .example_count = LEAT_COUNT_OF(ls_examples),
    .rows = ls_rows,
    .row_count = LEAT_COUNT_OF(ls_rows),
    .run = run_ls,
};

/* ---- which jobs ---- */

/* An operand: 42/17, or a job's own number. Adds its id to ids; list is asked for when it is first
 * needed. */
static int
add_job(leat_cli *cli, const char *text, cJSON **list_p, cJSON *ids)
{
    leat_selector which;
    char id[24];
    cJSON *filter = NULL;
    int code = leat_batches_select(cli, text, &which);
    if (code != LEAT_EXIT_OK)
        return code;
    if (which.kind == LEAT_SELECTOR_BATCH) {
        (void)snprintf(id, sizeof id, "%" PRIu64, which.batch);
        (void)cJSON_AddItemToArray(ids, cJSON_CreateString(id));
        return LEAT_EXIT_OK;
    }
    if (*list_p == NULL)
        code = leat_dead_ask(cli, &filter, list_p);
    if (code == LEAT_EXIT_OK && leat_dead_choose(*list_p, &which, ids) == 0)
        code = leat_cli_fail(cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND", "Those there are: leat dead ls",
                             "there is no dead job %s", text);
    return code;
}

/* Wrong operands, before anything is asked. */
static int
check_jobs(leat_cli *cli)
{
    leat_selector which;
    int code = LEAT_EXIT_OK;
    for (size_t i = 0; i < leat_options_operand_count(cli->options) && code == LEAT_EXIT_OK; i++)
        code = leat_batches_select(cli, leat_options_operand(cli->options, i), &which);
    return code;
}

/* ---- leat dead show ---- */

static void
print_bytes(const leat_cli *cli, const char *head, const cJSON *json, const char *key)
{
    char base64_key[32];
    char safe[32768];
    (void)snprintf(base64_key, sizeof base64_key, "%s_b64", key);
    const char *const base64 = leat_json_string(json, base64_key);
    const char *const text = *base64 != '\0' ? base64 : leat_json_string(json, key);
    (void)leat_screen_safe(text, strlen(text), cli->out.utf8, 0, safe, sizeof safe);
    (void)printf("%-9s%s%s\n", head, *base64 != '\0' ? "(base64) " : "", safe);
}

static void
print_dead(const leat_cli *cli, const cJSON *json)
{
    char job[64];
    char line[1024];
    char safe[2048];
    char ended[LEAT_WHEN_BYTES];
    name_job(json, job);
    (void)snprintf(line, sizeof line, "%s, handler \"%.200s\" in \"%.200s\"", job,
                   leat_json_string(json, "handler"), leat_json_string(json, "channel"));
    (void)leat_screen_safe(line, strlen(line), cli->out.utf8, 0, safe, sizeof safe);
    (void)printf("%-9s%s\n", "job", safe);
    (void)printf("%-9s%s\n", "id", leat_json_string(json, "job"));
    (void)printf("%-9s%" PRIu64 ": %" PRIu64 " failed, %" PRIu64 " lost with their worker\n",
                 "attempts", leat_json_count(json, "attempts"), leat_json_count(json, "failed"),
                 leat_json_count(json, "lost"));
    leat_attempts_print(cli, json, 9, stdout);
    (void)printf(
        "%-9s%s\n", "ended",
        leat_when_text((int64_t)leat_json_real(json, "ended_ms", 0), leat_clock_wall_ms(), ended));
    print_bytes(cli, "error", json, "error");
    if (cJSON_HasObjectItem(json, "stderr") || cJSON_HasObjectItem(json, "stderr_b64")) {
        (void)printf("stderr\n");
        leat_attempts_print_stderr(cli, json, 9, stdout);
    }
    print_bytes(cli, "payload", json, "payload");
    (void)printf("\nAgain: leat retry %s    Away: leat dead rm %s\n", job, job);
}

static int
ask_dead(leat_cli *cli, const char *operand, const char *id, cJSON **json)
{
    char arguments[64];
    const char *text;
    *json = NULL;
    (void)snprintf(arguments, sizeof arguments, "{\"job\":\"%.24s\"}", id);
    cli->gone_limit_ms = 2000;
    const leat_status status = leat_query(cli->broker, "dead.show", arguments, &text);
    if (status == LEAT_NOT_FOUND)
        return leat_cli_fail(cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND", "Those there are: leat dead ls",
                             "there is no dead job %s", operand);
    if (status != LEAT_OK)
        return leat_cli_failed(cli, status, operand);
    *json = cJSON_Parse(text);
    return *json != NULL ? LEAT_EXIT_OK
                         : leat_cli_fail(cli, LEAT_EXIT_LEAT, "PROTOCOL", NULL,
                                         "the broker's answer is not understood");
}

static int
run_show(leat_cli *cli)
{
    cJSON *json = NULL;
    cJSON *list = NULL;
    cJSON *const ids = cJSON_CreateArray();
    const char *const operand = leat_options_operand_count(cli->options) == 1
                                    ? leat_options_operand(cli->options, 0)
                                    : NULL;
    int code = operand == NULL ? leat_cli_usage(cli, "give one job: leat dead show 42/17")
                               : check_jobs(cli);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK)
        code = add_job(cli, operand, &list, ids);
    if (code == LEAT_EXIT_OK && cJSON_GetArraySize(ids) > 1)
        code = leat_cli_usage(cli, "\"%s\" means several jobs: give one", operand);
    if (code == LEAT_EXIT_OK)
        code = ask_dead(cli, operand, cJSON_GetStringValue(cJSON_GetArrayItem(ids, 0)), &json);
    if (code == LEAT_EXIT_OK && cli->json) {
        leat_json_counts(json);
        leat_json_times(json);
        (void)leat_json_print(&json, stdout);
    } else if (code == LEAT_EXIT_OK) {
        print_dead(cli, json);
    }
    cJSON_Delete(ids);
    cJSON_Delete(list);
    cJSON_Delete(json);
    return code;
}

static const leat_example show_examples[] = {
    {"leat dead show 42/17",                         "why it failed, and what it was given"},
    {"leat dead show 42/17 --json | jq -r .payload", "its payload"                         },
};

const leat_cli_command leat_cli_command_dead_show = {
    .noun = "dead",
    .verb = "show",
    .summary = "show a dead job with its error, its attempts and its payload",
    .operands = "JOB",
    .takes = "<dead>",
    .about =
        "A job is named by batch and place (42/17) or by its own number. The last eight attempts\n"
        "that did not end well are shown, the end of what a command wrote to stderr, and of a\n"
        "payload the first 16 KiB.\n",
    .examples = show_examples,
    .example_count = LEAT_COUNT_OF(show_examples),
    .run = run_show,
};

/* ---- leat dead rm ---- */

static const leat_option rm_rows[] = {
    {.name = "all",
     .type = LEAT_OPTION_FLAG,
     .help = "all, or those that --channel, --where and --since leave",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    LEAT_ROW_DEAD_CHANNEL,
    LEAT_ROW_WHERE,
    LEAT_ROW_DEAD_SINCE,
    LEAT_ROW_YES,
};

static int
remove_jobs(leat_cli *cli, cJSON **arguments_p, size_t wanted)
{
    cJSON *answer = NULL;
    const int code = leat_cli_do(cli, "dead.remove", arguments_p, "dead rm", &answer);
    if (code != LEAT_EXIT_OK)
        return code;
    const uint64_t removed = leat_json_count(answer, "removed");
    cJSON_Delete(answer);
    if (removed < wanted) /* what was named and is not there is an error; the others are gone */
        return leat_cli_fail(cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND", "Those there are: leat dead ls",
                             "%" PRIu64 " removed, %" PRIu64 " not in the list", removed,
                             (uint64_t)wanted - removed);
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        (void)cJSON_AddNumberToObject(json, "removed", (double)removed);
        (void)leat_json_print(&json, stdout);
    }
    leat_cli_say(cli, "%" PRIu64 " dead job%s removed", removed, removed == 1 ? "" : "s");
    return LEAT_EXIT_OK;
}

static int
remove_named(leat_cli *cli)
{
    cJSON *list = NULL;
    cJSON *arguments = cJSON_CreateObject();
    cJSON *const ids = cJSON_AddArrayToObject(arguments, "jobs");
    int code = check_jobs(cli);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    for (size_t i = 0; i < leat_options_operand_count(cli->options) && code == LEAT_EXIT_OK; i++)
        code = add_job(cli, leat_options_operand(cli->options, i), &list, ids);
    const int count = cJSON_GetArraySize(ids);
    if (code == LEAT_EXIT_OK && count > (int)JOBS_MAX)
        code = leat_cli_usage(cli, "at most %u jobs at once; or --all with --channel or --where",
                              JOBS_MAX);
    if (code == LEAT_EXIT_OK)
        code = remove_jobs(cli, &arguments, (size_t)count);
    cJSON_Delete(arguments);
    cJSON_Delete(list);
    return code;
}

static int
remove_all(leat_cli *cli)
{
    int code;
    cJSON *filter = leat_dead_filter(cli, &code);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_confirm(cli, "remove %s dead jobs",
                                cJSON_GetArraySize(filter) > 0 ? "these" : "all");
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK)
        code = remove_jobs(cli, &filter, 0);
    cJSON_Delete(filter);
    return code;
}

static int
run_rm(leat_cli *cli)
{
    const bool all = leat_options_flag(cli->options, "all");
    const bool has_filter =
        leat_options_given(cli->options, "where") || leat_options_given(cli->options, "since") ||
        leat_options_origin(cli->options, "channel") == LEAT_ORIGIN_COMMAND_LINE;
    if (all == (leat_options_operand_count(cli->options) > 0))
        return leat_cli_usage(cli, "give jobs, or --all: leat dead rm 42/17");
    if (has_filter && !all)
        return leat_cli_usage(
            cli, "--channel, --where and --since choose among all dead jobs: add --all");
    return all ? remove_all(cli) : remove_named(cli);
}

static const leat_example rm_examples[] = {
    {"leat dead rm 42/17 42/18",              "these two"                     },
    {"leat dead rm --all --where typo --yes", "those with that in their error"},
};

const leat_cli_command leat_cli_command_dead_rm = {
    .noun = "dead",
    .verb = "rm",
    .summary = "remove dead jobs from the list",
    .operands = "JOB…|--all",
    .takes = "<dead>...",
    .about = "--all asks on a terminal; elsewhere --yes is needed.\n",
    .examples = rm_examples,
    .example_count = LEAT_COUNT_OF(rm_examples),
    .rows = rm_rows,
    .row_count = LEAT_COUNT_OF(rm_rows),
    .run = run_rm,
};
