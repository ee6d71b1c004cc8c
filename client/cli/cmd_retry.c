/* leat retry: dead jobs once more, as a new batch. */
#include <inttypes.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/dead.h"
#include "client/cli/json.h"
#include "client/cli/state.h"

#define JOBS_MAX 1000U /* that one command names one by one */

static const leat_option rows[] = {
    {.name = "failed",
     .type = LEAT_OPTION_FLAG,
     .help = "those that failed; which is what is done in any case, as nothing else can run again",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "dead",
     .type = LEAT_OPTION_FLAG,
     .help = "all dead jobs, of all batches",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    LEAT_ROW_DEAD_CHANNEL,
    LEAT_ROW_WHERE,
    LEAT_ROW_DEAD_SINCE,
};

/* The arguments of batch.retry: the whole batch, or those of its places that are dead. */
static int
choose(leat_cli *cli, const leat_selector *which, cJSON **arguments_p)
{
    cJSON *list = NULL;
    cJSON *filter = NULL;
    *arguments_p = cJSON_CreateObject();
    leat_json_put_id(*arguments_p, "batch", which->batch);
    if (which->kind != LEAT_SELECTOR_JOBS)
        return LEAT_EXIT_OK;
    int code = leat_dead_ask(cli, &filter, &list);
    if (code != LEAT_EXIT_OK)
        return code;
    const size_t count =
        leat_dead_choose(list, which, cJSON_AddArrayToObject(*arguments_p, "jobs"));
    cJSON_Delete(list);
    if (count == 0)
        code = leat_cli_fail(cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND", NULL,
                             "no such job of batch %" PRIu64 " is in the list of dead jobs",
                             which->batch);
    if (count > JOBS_MAX)
        code =
            leat_cli_usage(cli, "at most %u jobs at once; or the whole batch: leat retry %" PRIu64,
                           JOBS_MAX, which->batch);
    return code;
}

static int
none(leat_cli *cli, const leat_selector *which)
{
    if (which->batch == 0)
        return leat_cli_fail(cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND", NULL,
                             "there are no such dead jobs");
    /* The broker says so of the batch, too. */
    return leat_cli_fail(cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND", NULL, "batch %" PRIu64 ": %s",
                         which->batch, leat_sentence(cli->broker));
}

static void
print(const leat_cli *cli, const cJSON *answer)
{
    const uint64_t batch = leat_json_count(answer, "batch");
    const uint64_t jobs = leat_json_count(answer, "jobs");
    const uint64_t left = leat_json_count(answer, "left");
    leat_state_set_last(batch);
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        leat_json_put_id(json, "batch", batch);
        (void)cJSON_AddNumberToObject(json, "jobs", (double)jobs);
        (void)cJSON_AddNumberToObject(json, "left", (double)left);
        (void)leat_json_print(&json, stdout);
        return;
    }
    (void)printf("%" PRIu64 "\n", batch);
    (void)leat_cli_flush();
    leat_cli_say(cli,
                 "%" PRIu64 " dead job%s again, as batch %" PRIu64 ".  Wait: leat wait %" PRIu64,
                 jobs, jobs == 1 ? "" : "s", batch, batch);
    if (left > 0)
        leat_cli_say(cli, "%" PRIu64 " more are left: the same command again takes them", left);
}

static int
retry(leat_cli *cli, const char *command, const leat_selector *which, cJSON **arguments_p)
{
    cJSON *answer = NULL;
    const leat_status status = leat_cli_try_do(cli, command, arguments_p, &answer);
    if (status == LEAT_NOT_FOUND)
        return none(cli, which);
    if (status != LEAT_OK)
        return leat_cli_failed(cli, status, "retry");
    print(cli, answer);
    cJSON_Delete(answer);
    return LEAT_EXIT_OK;
}

static int
run(leat_cli *cli)
{
    leat_selector which = {0};
    int code = LEAT_EXIT_OK;
    const bool dead = leat_options_flag(cli->options, "dead");
    const size_t operands = leat_options_operand_count(cli->options);
    cJSON *arguments = leat_dead_filter(cli, &code);
    const bool has_filter = cJSON_GetArraySize(arguments) > 0;
    if (code == LEAT_EXIT_OK && (operands > 1 || (operands == 1) == dead))
        code = leat_cli_usage(cli, "give one batch, or --dead: leat retry 42");
    if (code == LEAT_EXIT_OK && !dead && has_filter)
        code = leat_cli_usage(
            cli, "--channel, --where and --since choose among all dead jobs: add --dead");
    if (code == LEAT_EXIT_OK && !dead)
        code = leat_batches_select(cli, leat_options_operand(cli->options, 0), &which);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK && !dead) {
        cJSON_Delete(arguments);
        arguments = NULL;
        code = choose(cli, &which, &arguments);
    }
    if (code == LEAT_EXIT_OK)
        code = retry(cli, dead ? "dead.retry" : "batch.retry", &which, &arguments);
    cJSON_Delete(arguments);
    return code;
}

static const leat_example examples[] = {
    {"leat retry 42",                         "the dead jobs of batch 42"},
    {"leat retry 42/17",                      "one of them"              },
    {"leat retry --dead --where 'disk full'", "all that died of that"    },
    {"leat retry --dead --since 18:30",       "all that died since then" },
};

const leat_cli_command leat_cli_command_retry = {
    .noun = "retry",
    .summary = "run dead jobs again, as a new batch",
    .operands = "SEL|--dead",
    .takes = "<batch>",
    .about =
        "Prints the number of the new batch, alone, on stdout. The jobs leave the list of dead\n"
        "ones (leat dead ls); in their own batch they stay dead.\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .run = run,
};
