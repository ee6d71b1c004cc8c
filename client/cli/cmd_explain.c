/* leat explain: why jobs are not running. */
#include <inttypes.h>
#include <string.h>

#include "client/cli/attempts.h"
#include "client/cli/batches.h"
#include "client/cli/command.h"
#include "client/cli/json.h"
#include "client/cli/outliers.h"

/* On LEAT_EXIT_OK *json is the caller's. */
static int
ask(leat_cli *cli, const leat_selector *which, cJSON **json)
{
    char arguments[96];
    char name[96];
    const char *text;
    *json = NULL;
    leat_batches_words(which, name, sizeof name);
    if (which->kind == LEAT_SELECTOR_JOBS)
        (void)snprintf(arguments, sizeof arguments,
                       "{\"batch\":\"%" PRIu64 "\",\"place\":%" PRIu64 "}", which->batch,
                       which->first);
    else
        (void)snprintf(arguments, sizeof arguments, "{\"batch\":\"%" PRIu64 "\"}", which->batch);
    cli->gone_limit_ms = 2000;
    const leat_status status = leat_query(cli->broker, "explain", arguments, &text);
    if (status == LEAT_NOT_FOUND)
        return leat_cli_fail(cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND", NULL,
                             "there is no %s (any more)", name);
    if (status != LEAT_OK)
        return leat_cli_failed(cli, status, name);
    *json = cJSON_Parse(text);
    return *json != NULL ? LEAT_EXIT_OK
                         : leat_cli_fail(cli, LEAT_EXIT_LEAT, "PROTOCOL", NULL,
                                         "the broker's answer is not understood");
}

/* What to type about it, "" where there is nothing: the broker's hint, which says what in general,
 * with the name that belongs to it. */
static void
complete_hint(const cJSON *batch, const cJSON *row, char *out, size_t size)
{
    const char *const hint = leat_json_string(row, "hint");
    const char *const reason = leat_json_string(row, "reason");
    if (strcmp(hint, "leat channel resume") == 0 || strcmp(hint, "leat-worker --channel") == 0)
        (void)snprintf(out, size, "%s %s", hint, leat_json_string(batch, "channel"));
    else if (strncmp(reason, "waits for batch ", 16) == 0)
        (void)snprintf(out, size, "leat explain %s", reason + 16);
    else
        (void)snprintf(out, size, "%s", hint);
}

/* Put the whole hints in the place of the broker's. */
static void
complete_hints(cJSON *json)
{
    cJSON *row;
    const cJSON *const batch = cJSON_GetObjectItemCaseSensitive(json, "batch");
    cJSON *const reasons = cJSON_GetObjectItemCaseSensitive(json, "reasons");
    cJSON_ArrayForEach(row, reasons)
    {
        char hint[256];
        complete_hint(batch, row, hint, sizeof hint);
        cJSON_DeleteItemFromObjectCaseSensitive(row, "hint");
        (void)cJSON_AddStringToObject(row, "hint", hint);
    }
}

static void
print_reason(const leat_cli *cli, const cJSON *row, bool counted)
{
    char line[1024];
    char safe[2048];
    char count[32] = "";
    const char *const hint = leat_json_string(row, "hint");
    if (counted)
        (void)snprintf(count, sizeof count, "%" PRIu64 ": ", leat_json_count(row, "jobs"));
    (void)snprintf(line, sizeof line, "  %s%.500s%s%s%s", count, leat_json_string(row, "reason"),
                   *hint == '\0' ? "" : "   ",
                   *hint == '\0'   ? ""
                   : cli->out.utf8 ? "\xe2\x86\x92 "
                                   : "-> ",
                   hint);
    (void)leat_screen_safe(line, strlen(line), cli->out.utf8, 0, safe, sizeof safe);
    (void)printf("%s\n", safe);
}

/* One job's: what has failed of it so far, or for good. */
static void
print_failure(const leat_cli *cli, const cJSON *failure)
{
    char safe[1024];
    const char *const error = leat_json_string(failure, "error");
    if (failure == NULL)
        return;
    if (cJSON_HasObjectItem(failure, "handler")) { /* it is among the dead */
        (void)leat_screen_safe(error, strlen(error), cli->out.utf8, 0, safe, sizeof safe);
        (void)printf("  dead%s%s\n", *safe == '\0' ? "" : ": ", safe);
    }
    (void)printf("  %" PRIu64 " attempts: %" PRIu64 " failed, %" PRIu64 " lost with their worker\n",
                 leat_json_count(failure, "attempts"), leat_json_count(failure, "failed"),
                 leat_json_count(failure, "lost"));
    leat_attempts_print(cli, failure, 4, stdout);
    if (cJSON_HasObjectItem(failure, "stderr")) {
        (void)printf("  stderr:\n");
        leat_attempts_print_stderr(cli, failure, 4, stdout);
    }
}

static void
print_text(const leat_cli *cli, const leat_selector *which, const cJSON *json)
{
    static const char *const words[][2] = {
        {"ready",   "waiting"},
        {"running", "running"},
        {"delayed", "delayed"},
        {"held",    "held"   },
    };
    const cJSON *row;
    const cJSON *const batch = cJSON_GetObjectItemCaseSensitive(json, "batch");
    const cJSON *const reasons = cJSON_GetObjectItemCaseSensitive(json, "reasons");
    bool any = false;
    if (which->kind == LEAT_SELECTOR_JOBS)
        (void)printf("%" PRIu64 "/%" PRIu64 ":%s\n", which->batch, which->first,
                     cJSON_GetArraySize(reasons) == 0 ? " it has ended" : "");
    else
        (void)printf("%" PRIu64 ":", which->batch);
    for (size_t i = 0; i < LEAT_COUNT_OF(words) && which->kind != LEAT_SELECTOR_JOBS; i++) {
        const uint64_t figure = leat_json_count(batch, words[i][0]);
        if (figure == 0)
            continue;
        (void)printf("%s %" PRIu64 " %s", any ? "," : "", figure, words[i][1]);
        any = true;
    }
    if (which->kind != LEAT_SELECTOR_JOBS)
        (void)printf("%s\n", any ? "" : " nothing of it waits or runs");
    cJSON_ArrayForEach(row, reasons)
    {
        print_reason(cli, row, which->kind != LEAT_SELECTOR_JOBS);
    }
    leat_outliers_print(cli, cJSON_GetObjectItemCaseSensitive(json, "outliers"), stdout);
    print_failure(cli, cJSON_GetObjectItemCaseSensitive(json, "failure"));
}

static int
run(leat_cli *cli)
{
    leat_selector which;
    cJSON *json = NULL;
    if (leat_options_operand_count(cli->options) != 1)
        return leat_cli_usage(cli, "give one batch or job: leat explain 42");
    int code = leat_batches_select(cli, leat_options_operand(cli->options, 0), &which);
    if (code == LEAT_EXIT_OK && which.kind == LEAT_SELECTOR_FAILED)
        code = leat_cli_usage(
            cli, "what has failed has ended; why it did: leat result %" PRIu64 "/failed",
            which.batch);
    if (code == LEAT_EXIT_OK && which.kind == LEAT_SELECTOR_JOBS &&
        (which.first != which.last || which.last > UINT32_MAX))
        code =
            leat_cli_usage(cli, "one job, or the whole batch: leat explain %" PRIu64, which.batch);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK)
        code = ask(cli, &which, &json);
    if (code == LEAT_EXIT_OK)
        complete_hints(json);
    if (code == LEAT_EXIT_OK && cli->json) {
        leat_json_counts(json);
        leat_json_times(cJSON_GetObjectItemCaseSensitive(json, "failure"));
        (void)leat_json_print(&json, stdout);
    } else if (code == LEAT_EXIT_OK) {
        print_text(cli, &which, json);
    }
    cJSON_Delete(json);
    return code;
}

static const leat_example examples[] = {
    {"leat explain 42",    "what holds the jobs of batch 42"},
    {"leat explain 42/17", "what holds one of them"         },
    {"leat explain last",  "of the last batch"              },
};

const leat_cli_command leat_cli_command_explain = {
    .noun = "explain",
    .summary = "say why jobs are not running",
    .operands = "SEL",
    .takes = "<batch>",
    .about = "",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .run = run,
};
