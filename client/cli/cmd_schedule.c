/* leat schedule add, ls, pause, resume, run, rm: jobs that come again by the clock. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/duration.h"
#include "client/cli/inputs.h"
#include "client/cli/json.h"
#include "client/cli/order.h"
#include "client/cli/state.h"
#include "client/cli/stop.h"
#include "client/cli/treatment.h"
#include "client/cli/when.h"
#include "proto/base/clock.h"

/* ---- what all of them do ---- */

/* All schedules; on LEAT_EXIT_OK *all is the caller's. */
static int
ask_all(leat_cli *cli, cJSON **all)
{
    cJSON *arguments = NULL;
    return leat_cli_query_all(cli, "schedules", &arguments, "schedules", all);
}

/* The name that is the only operand; NULL: the reason has been printed. */
static const char *
name_of(const leat_cli *cli)
{
    if (leat_options_operand_count(cli->options) != 1) {
        (void)leat_cli_usage(cli, "give one schedule: leat schedule %s nightly",
                             cli->command->verb);
        return NULL;
    }
    const char *const name = leat_options_operand(cli->options, 0);
    return leat_cli_check_name(cli, "the schedule", name) == LEAT_EXIT_OK ? name : NULL;
}

static int
failed(leat_cli *cli, leat_status status, const char *name)
{
    char what[200];
    if (status == LEAT_NOT_FOUND)
        return leat_cli_fail(cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND",
                             "Those there are: leat schedule ls", "there is no schedule \"%s\"",
                             name);
    (void)snprintf(what, sizeof what, "schedule \"%s\"", name);
    return leat_cli_failed(cli, status, what);
}

/* Do what the verb says to the schedule that the operand names. On LEAT_EXIT_OK *answer is the
 * caller's and *name is set. */
static int
steer(leat_cli *cli, const char *command, const char **name, cJSON **answer)
{
    *answer = NULL;
    *name = name_of(cli);
    if (*name == NULL)
        return LEAT_EXIT_USAGE;
    const int code = leat_cli_connect(cli);
    if (code != LEAT_EXIT_OK)
        return code;
    cJSON *arguments = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(arguments, "name", *name);
    const leat_status status = leat_cli_try_do(cli, command, &arguments, answer);
    return status == LEAT_OK ? LEAT_EXIT_OK : failed(cli, status, *name);
}

static void
print_json(const leat_cli *cli, const char *name, const char *key, bool value)
{
    if (!cli->json)
        return;
    cJSON *json = cJSON_CreateObject();
    leat_json_put_bytes(json, "name", name, strlen(name));
    (void)cJSON_AddBoolToObject(json, key, value);
    (void)leat_json_print(&json, stdout);
}

/* ---- leat schedule add ---- */

static const leat_option add_rows[] = {
    LEAT_ROW_HANDLER,
    {.name = "tz",
      .type = LEAT_OPTION_TEXT,
      .value = "ZONE",
      .help = "whose clock EXPR means, as Europe/Berlin (default UTC)",
      .flags = LEAT_OPTION_NOT_IN_FILE},
    { .name = "overlap",
      .type = LEAT_OPTION_TEXT,
      .value = "WORD",
      .takes = "skip queue",
      .help = "while the last one still runs: skip this one, or queue it (default skip)",
      .flags = LEAT_OPTION_NOT_IN_FILE},
    LEAT_ROWS_OF_ORDER,
    LEAT_ROW_CHANNEL("where the jobs go (default \"default\")"),
    LEAT_ROWS_OF_ATTEMPTS,
    LEAT_ROWS_OF_JOB,
};

/* What each job is: code of the worker, or a program. */
static bool
has_handler(const leat_cli *cli)
{
    return leat_options_given(cli->options, "handler");
}

/* The payload of the command that the line ends with. On LEAT_EXIT_OK *out is the caller's. */
static int
make_command(leat_cli *cli, char **out, size_t *size)
{
    leat_order order;
    leat_buf payload = {0};
    int code = leat_order_read(cli, cli->tail, cli->tail_count, &order);
    if (code == LEAT_EXIT_OK && !leat_order_make(&order, &(leat_order_job){.number = 1}, &payload))
        code = leat_cli_usage(cli, "%s", order.why == NULL ? "out of memory" : order.why);
    leat_order_fini(&order);
    *out = (char *)payload.data;
    *size = payload.size;
    return code;
}

/* The payload: the third operand, "-" for all of stdin. On LEAT_EXIT_OK *out is the caller's. */
static int
read_payload(leat_cli *cli, char **out, size_t *size)
{
    if (!has_handler(cli))
        return make_command(cli, out, size);
    char *line = NULL;
    size_t room = 0;
    const char *const given =
        leat_options_operand_count(cli->options) > 2 ? leat_options_operand(cli->options, 2) : "";
    if (strcmp(given, "-") != 0) {
        *out = strdup(given);
        *size = strlen(given);
        return *out != NULL
                   ? LEAT_EXIT_OK
                   : leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    }
    FILE *const all = open_memstream(out, size);
    if (all == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    for (ssize_t got; (got = getline(&line, &room, stdin)) > 0;)
        (void)fwrite(line, 1, (size_t)got, all);
    free(line);
    if (fclose(all) == 0 && ferror(stdin) == 0)
        return LEAT_EXIT_OK;
    if (leat_stop_signal() != 0)
        return 128 + leat_stop_signal();
    return leat_cli_fail(cli, LEAT_EXIT_USAGE, "NO_FILE", NULL, "cannot read stdin");
}

/* On LEAT_EXIT_OK *out is the caller's. */
static int
read_schedule(leat_cli *cli, const char *handler, cJSON **out)
{
    leat_treatment treatment = {0};
    char *payload = NULL;
    size_t size = 0;
    cJSON *json = NULL;
    const char *const name = leat_options_operand(cli->options, 0);
    const char *const overlap = leat_options_text(cli->options, "overlap");
    const char *const zone = leat_options_text(cli->options, "tz");
    int code = leat_cli_check_name(cli, "the schedule", name);
    if (code == LEAT_EXIT_OK && overlap != NULL && strcmp(overlap, "skip") != 0 &&
        strcmp(overlap, "queue") != 0)
        code = leat_cli_usage(cli, "--overlap is skip or queue, not \"%.100s\"", overlap);
    if (code == LEAT_EXIT_OK)
        code = leat_treatment_read(cli, &treatment);
    if (code == LEAT_EXIT_OK)
        code = read_payload(cli, &payload, &size);
    if (code == LEAT_EXIT_OK) {
        json = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(json, "name", name);
        (void)cJSON_AddStringToObject(json, "expr", leat_options_operand(cli->options, 1));
        (void)cJSON_AddStringToObject(json, "handler", handler);
        if (zone != NULL)
            (void)cJSON_AddStringToObject(json, "zone", zone);
        if (overlap != NULL)
            (void)cJSON_AddStringToObject(json, "overlap", overlap);
        if (treatment.options.channel != NULL)
            (void)cJSON_AddStringToObject(json, "channel", treatment.options.channel);
        leat_json_put_bytes(json, "payload", payload, size);
        (void)cJSON_AddItemToObject(json, "settings", leat_treatment_json(&treatment));
    }
    free(payload);
    leat_treatment_fini(&treatment);
    *out = json;
    return code;
}

/* The broker has refused: because the name is taken, or because of what stands in the line. */
static int
refused(leat_cli *cli, const char *name)
{
    char why[512];
    cJSON *all = NULL;
    const cJSON *row;
    bool is_taken = false;
    (void)snprintf(why, sizeof why, "%s", leat_sentence(cli->broker));
    const int code = ask_all(cli, &all);
    if (code != LEAT_EXIT_OK)
        return code;
    cJSON_ArrayForEach(row, all)
    {
        is_taken |= strcmp(leat_json_string(row, "name"), name) == 0;
    }
    cJSON_Delete(all);
    if (!is_taken)
        return leat_cli_usage(cli, "%s", why);
    return leat_cli_fail(cli, LEAT_EXIT_LEAT, "REFUSED", "Away with it: leat schedule rm", "%s",
                         why);
}

static void
print_next(const leat_cli *cli, const char *name, int64_t next_ms)
{
    char when[LEAT_WHEN_BYTES];
    char left[LEAT_DURATION_BYTES];
    const int64_t now_ms = leat_clock_wall_ms();
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        leat_json_put_bytes(json, "name", name, strlen(name));
        (void)cJSON_AddNumberToObject(json, "next_ms", (double)next_ms);
        leat_json_times(json);
        (void)leat_json_print(&json, stdout);
        return;
    }
    if (next_ms <= 0) {
        leat_cli_say(cli, "schedule \"%s\": its time will not come", name);
        return;
    }
    (void)leat_duration_short((double)(next_ms > now_ms ? next_ms - now_ms : 0) / 1000, left);
    leat_cli_say(cli, "schedule \"%s\": next at %s, in %s", name,
                 leat_when_text(next_ms, now_ms, when), left);
}

static int
run_add(leat_cli *cli)
{
    cJSON *json = NULL;
    cJSON *answer = NULL;
    const size_t operands = leat_options_operand_count(cli->options);
    const bool has_shell = leat_options_given(cli->options, "shell");
    if (has_handler(cli) && has_shell)
        return leat_cli_usage(cli,
                              "--shell runs a command, --handler code of the worker: give one");
    if (operands < 2 || operands > (has_handler(cli) ? 3U : 2U) ||
        (!has_handler(cli) && !has_shell && cli->tail == NULL))
        return leat_cli_usage(
            cli, "give a name, when, and what: leat schedule add nightly '30 2 * * *' ./backup, or "
                 "--handler NAME [PAYLOAD]");
    const char *const handler = has_handler(cli) ? leat_treatment_handler(cli) : LEAT_EXEC_HANDLER;
    if (handler == NULL)
        return LEAT_EXIT_USAGE;
    int code = read_schedule(cli, handler, &json);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK) {
        const char *const name = leat_options_operand(cli->options, 0);
        const leat_status status = leat_cli_try_do(cli, "schedule.add", &json, &answer);
        if (status == LEAT_OK)
            print_next(cli, name, (int64_t)leat_json_real(answer, "next_ms", 0));
        else if (status == LEAT_NOT_FOUND) /* nothing else is looked for but the zone */
            code = leat_cli_usage(cli, "--tz: %s", leat_sentence(cli->broker));
        else if (status == LEAT_REFUSED && !cli->gave_up && !leat_stop_wanted())
            code = refused(cli, name);
        else
            code = failed(cli, status, name);
    }
    cJSON_Delete(json);
    cJSON_Delete(answer);
    return code;
}

static const leat_example add_examples[] = {
    {"leat schedule add nightly '30 2 * * *' ./backup --full",                       "each night, by the clock of UTC"},
    {"leat schedule add report '0 9 * * MON-FRI' --tz Europe/Berlin --handler echo",
     "on working days, by the clock of Berlin"                                                                        },
    {"leat schedule add beat '@every 30s' --handler noop --expires 20s",             "twice a minute"                 },
};

const leat_cli_command leat_cli_command_schedule_add = {
    .noun = "schedule",
    .verb = "add",
    .summary = "submit a job again and again, by the clock",
    .operands = "NAME 'EXPR' CMD…|--handler NAME [PAYLOAD|-]",
    .flags = LEAT_CLI_COMMAND_OWN,
    .own_after = 2,
    .about =
        "EXPR is minute, hour, day of the month, month and day of the week, each a number, *, a\n"
        "range (1-5), a list (1,15) or a step (*/10), names as MON and JAN too; or @hourly, @daily,\n"
        "@weekly, @monthly, @yearly; or @every 1h30m. A time that was missed while the broker was\n"
        "away is made up for once. - takes all of stdin as the payload.\n",
    .examples = add_examples,
    .example_count = LEAT_COUNT_OF(add_examples),
    .rows = add_rows,
    .row_count = LEAT_COUNT_OF(add_rows),
    .run = run_add,
};

/* ---- leat schedule ls ---- */

static const leat_column columns[] = {
    {"NAME",    false, 9},
    {"EXPR",    false, 8},
    {"ZONE",    false, 3},
    {"NEXT",    false, 7},
    {"LAST",    false, 5},
    {"BATCH",   true,  4},
    {"HANDLER", false, 6},
    {"CHANNEL", false, 2},
    {"",        false, 1},
};

static void
add_row(leat_table *table, const cJSON *row, int64_t now_ms)
{
    char next[LEAT_WHEN_BYTES];
    char last[LEAT_WHEN_BYTES];
    const bool is_paused = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "paused"));
    const char *const batch = leat_json_string(row, "last_batch");
    const int64_t next_ms = is_paused ? 0 : (int64_t)leat_json_real(row, "next_ms", 0);
    const char *const cells[] = {
        leat_json_string(row, "name"),
        leat_json_string(row, "expr"),
        leat_json_string(row, "zone"),
        leat_when_text(next_ms, now_ms, next),
        leat_when_text((int64_t)leat_json_real(row, "last_ms", 0), now_ms, last),
        strcmp(batch, "0") == 0 ? "-" : batch,
        leat_json_string(row, "handler"),
        leat_json_string(row, "channel"),
        is_paused ? "paused" : ""};
    (void)leat_table_add(table, cells);
}

static int
run_ls(leat_cli *cli)
{
    cJSON *all = NULL;
    const cJSON *row;
    leat_table *table = NULL;
    if (leat_options_operand_count(cli->options) > 0)
        return leat_cli_usage(cli, "schedule ls takes no operands");
    int code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK)
        code = ask_all(cli, &all);
    if (code != LEAT_EXIT_OK)
        return code;
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        leat_json_times(all);
        (void)cJSON_AddItemToObject(json, "schedules", all);
        (void)leat_json_print(&json, stdout);
        return LEAT_EXIT_OK;
    }
    table = leat_table_new(columns, LEAT_COUNT_OF(columns));
    cJSON_ArrayForEach(row, all)
    {
        if (table != NULL)
            add_row(table, row, leat_clock_wall_ms());
    }
    if (cJSON_GetArraySize(all) == 0)
        leat_cli_say(cli, "no schedules");
    else if (table != NULL)
        leat_table_print(table, &cli->out, cli->plain, stdout);
    leat_table_destroy(&table);
    cJSON_Delete(all);
    return LEAT_EXIT_OK;
}

static const leat_example ls_examples[] = {
    {"leat schedule ls", "what comes next, and what came last"},
};

const leat_cli_command leat_cli_command_schedule_ls = {
    .noun = "schedule",
    .verb = "ls",
    .summary = "list schedules",
    .operands = "",
    .about = "",
    .examples = ls_examples,
    .example_count = LEAT_COUNT_OF(ls_examples),
    .run = run_ls,
};

/* ---- leat schedule pause, resume, run, rm ---- */

static int
run_pause(leat_cli *cli)
{
    const char *name;
    cJSON *answer;
    const int code = steer(cli, "schedule.pause", &name, &answer);
    cJSON_Delete(answer);
    if (code != LEAT_EXIT_OK)
        return code;
    print_json(cli, name, "paused", true);
    leat_cli_say(cli, "schedule \"%s\" is paused.  Go on: leat schedule resume %s", name, name);
    return LEAT_EXIT_OK;
}

static const leat_example pause_examples[] = {
    {"leat schedule pause nightly", "no jobs of it until it is resumed"},
};

const leat_cli_command leat_cli_command_schedule_pause = {
    .noun = "schedule",
    .verb = "pause",
    .summary = "submit nothing for a while",
    .operands = "NAME",
    .takes = "<schedule>",
    .about = "",
    .examples = pause_examples,
    .example_count = LEAT_COUNT_OF(pause_examples),
    .run = run_pause,
};

static int
run_resume(leat_cli *cli)
{
    const char *name;
    cJSON *answer;
    const int code = steer(cli, "schedule.resume", &name, &answer);
    cJSON_Delete(answer);
    if (code != LEAT_EXIT_OK)
        return code;
    print_json(cli, name, "paused", false);
    leat_cli_say(cli, "schedule \"%s\" goes on", name);
    return LEAT_EXIT_OK;
}

static const leat_example resume_examples[] = {
    {"leat schedule resume nightly", "from its next time on; what was missed stays missed"},
};

const leat_cli_command leat_cli_command_schedule_resume = {
    .noun = "schedule",
    .verb = "resume",
    .summary = "end a pause",
    .operands = "NAME",
    .takes = "<schedule>",
    .about = "",
    .examples = resume_examples,
    .example_count = LEAT_COUNT_OF(resume_examples),
    .run = run_resume,
};

static int
run_run(leat_cli *cli)
{
    const char *name;
    cJSON *answer;
    const int code = steer(cli, "schedule.run", &name, &answer);
    const uint64_t batch = leat_json_count(answer, "batch");
    cJSON_Delete(answer);
    if (code != LEAT_EXIT_OK)
        return code;
    leat_state_set_last(batch);
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        leat_json_put_bytes(json, "name", name, strlen(name));
        leat_json_put_id(json, "batch", batch);
        (void)leat_json_print(&json, stdout);
        return LEAT_EXIT_OK;
    }
    (void)printf("%" PRIu64 "\n", batch);
    return LEAT_EXIT_OK;
}

static const leat_example run_examples[] = {
    {"leat schedule run nightly", "once now, whatever the clock says"},
};

const leat_cli_command leat_cli_command_schedule_run = {
    .noun = "schedule",
    .verb = "run",
    .summary = "submit the job of a schedule now",
    .operands = "NAME",
    .takes = "<schedule>",
    .about = "Prints the number of the batch, alone, on stdout.\n",
    .examples = run_examples,
    .example_count = LEAT_COUNT_OF(run_examples),
    .run = run_run,
};

static int
run_rm(leat_cli *cli)
{
    const char *name;
    cJSON *answer;
    const int code = steer(cli, "schedule.remove", &name, &answer);
    cJSON_Delete(answer);
    if (code != LEAT_EXIT_OK)
        return code;
    print_json(cli, name, "removed", true);
    leat_cli_say(cli, "schedule \"%s\" is removed; its jobs stay", name);
    return LEAT_EXIT_OK;
}

static const leat_example rm_examples[] = {
    {"leat schedule rm nightly", "no jobs of it any more"},
};

const leat_cli_command leat_cli_command_schedule_rm = {
    .noun = "schedule",
    .verb = "rm",
    .summary = "remove a schedule",
    .operands = "NAME",
    .takes = "<schedule>",
    .about = "",
    .examples = rm_examples,
    .example_count = LEAT_COUNT_OF(rm_examples),
    .run = run_rm,
};
