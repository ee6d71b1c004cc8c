/* leat cancel: end jobs before their time. */
#include <inttypes.h>

#include <string.h>

#include "client/cli/batches.h"
#include "client/cli/command.h"
#include "client/cli/json.h"
#include "client/cli/listing.h"

static const leat_option rows[] = {
    LEAT_ROW_YES,
};

#define AT_ONCE 2000U /* places that the broker takes in one command */

static void
add_counts(leat_cancelled *sum, const leat_cancelled *part)
{
    sum->cancelled += part->cancelled;
    sum->stopping += part->stopping;
    sum->ended += part->ended;
    sum->is_in_background |= part->is_in_background;
}

static leat_status
cancel(leat_cli *cli, const leat_selector *which, leat_cancelled *sum)
{
    leat_status status = LEAT_OK;
    leat_cancelled part = {0};
    *sum = part;
    if (which->kind == LEAT_SELECTOR_BATCH)
        return leat_cancel(cli->broker, which->batch, 0, 0, sum);
    for (uint64_t from = which->first; from <= which->last && status == LEAT_OK; from += AT_ONCE) {
        const uint64_t left = which->last - from + 1;
        const uint64_t upto = from + (left < AT_ONCE ? left : AT_ONCE) - 1;
        status = leat_cancel(cli->broker, which->batch, (uint32_t)from, (uint32_t)upto, &part);
        if (status == LEAT_OK)
            add_counts(sum, &part);
    }
    return status;
}

static void
print(const leat_cli *cli, const char *name, const leat_selector *which, const leat_cancelled *sum)
{
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        leat_json_put_id(json, "batch", which->batch);
        if (which->kind == LEAT_SELECTOR_JOBS) {
            (void)cJSON_AddNumberToObject(json, "from", (double)which->first);
            (void)cJSON_AddNumberToObject(json, "upto", (double)which->last);
        }
        (void)cJSON_AddNumberToObject(json, "cancelled", (double)sum->cancelled);
        (void)cJSON_AddNumberToObject(json, "stopping", (double)sum->stopping);
        (void)cJSON_AddNumberToObject(json, "ended", (double)sum->ended);
        (void)cJSON_AddBoolToObject(json, "in_background", sum->is_in_background);
        (void)leat_json_print(&json, stdout);
        return;
    }
    if (sum->cancelled + sum->stopping == 0) {
        leat_cli_say(cli, "%s: nothing to cancel, all had ended", name);
        return;
    }
    leat_cli_say(
        cli, "%s: %" PRIu64 " cancelled, %" PRIu64 " running told to stop, %" PRIu64 " had ended%s",
        name, sum->cancelled, sum->stopping, sum->ended,
        sum->is_in_background ? "; the broker goes on with it" : "");
}

/* ---- all of them ---- */

/* Cancel the batches that wait or run, as many as one list has; *more: there are others. */
static int
cancel_listed(leat_cli *cli, leat_cancelled *sum, uint64_t *batches, bool *more)
{
    cJSON *none = NULL;
    cJSON *answer = NULL;
    const leat_listing what = {.query = "batch.list",
                               .key = "batches",
                               .order = "id",
                               .falling = true,
                               .rows_max = LEAT_LISTING_ROWS_MAX};
    int code = leat_listing_ask(cli, &what, &none, &answer);
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(answer, "batches"))
    {
        leat_cancelled part = {0};
        const uint64_t batch = leat_json_count(row, "id");
        const leat_status status = leat_cancel(cli->broker, batch, 0, 0, &part);
        if (status != LEAT_OK && status != LEAT_NOT_FOUND) {
            code = leat_cli_failed(cli, status, "cancel");
            break;
        }
        if (part.cancelled + part.stopping > 0) {
            add_counts(sum, &part);
            ++*batches;
        }
    }
    *more = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "more"));
    cJSON_Delete(answer);
    return code;
}

static int
run_all(leat_cli *cli)
{
    leat_cancelled sum = {0};
    uint64_t batches = 0;
    uint64_t before;
    bool more = true;
    int code = leat_cli_confirm(cli, "cancel all that waits or runs, of all batches");
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    cli->gone_limit_ms = 2000;
    do {
        before = sum.cancelled;
        if (code == LEAT_EXIT_OK)
            code = cancel_listed(cli, &sum, &batches, &more);
    } while (code == LEAT_EXIT_OK && more && sum.cancelled > before);
    if (code != LEAT_EXIT_OK)
        return code;
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        (void)cJSON_AddNumberToObject(json, "batches", (double)batches);
        (void)cJSON_AddNumberToObject(json, "cancelled", (double)sum.cancelled);
        (void)cJSON_AddNumberToObject(json, "stopping", (double)sum.stopping);
        (void)leat_json_print(&json, stdout);
    } else if (batches == 0) {
        leat_cli_say(cli, "nothing to cancel: no batch waits or runs");
    } else {
        leat_cli_say(cli,
                     "%" PRIu64 " batch%s: %" PRIu64 " cancelled, %" PRIu64 " running told to stop",
                     batches, batches == 1 ? "" : "es", sum.cancelled, sum.stopping);
    }
    return LEAT_EXIT_OK;
}

static int
run(leat_cli *cli)
{
    char name[96];
    leat_selector which;
    leat_cancelled sum;
    if (leat_options_operand_count(cli->options) != 1)
        return leat_cli_usage(cli, "give one batch, or some of its jobs: leat cancel 42/10-20");
    if (strcmp(leat_options_operand(cli->options, 0), "all") == 0)
        return run_all(cli);
    int code = leat_batches_select(cli, leat_options_operand(cli->options, 0), &which);
    if (code == LEAT_EXIT_OK && which.kind == LEAT_SELECTOR_FAILED)
        code = leat_cli_usage(cli, "what has failed has ended: nothing of it can be cancelled");
    if (code == LEAT_EXIT_OK && which.kind == LEAT_SELECTOR_JOBS && which.last > UINT32_MAX)
        code = leat_cli_usage(cli, "a batch has no place %" PRIu64, which.last);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    if (code != LEAT_EXIT_OK)
        return code;
    cli->gone_limit_ms = 2000;
    leat_batches_words(&which, name, sizeof name);
    const leat_status status = cancel(cli, &which, &sum);
    if (status == LEAT_NOT_FOUND && which.kind == LEAT_SELECTOR_BATCH)
        return leat_cli_fail(cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND", NULL,
                             "there is no %s (any more)", name);
    if (status == LEAT_NOT_FOUND)
        return leat_cli_fail(cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND", NULL, "there is no %s: %s",
                             name, leat_sentence(cli->broker));
    if (status != LEAT_OK)
        return leat_cli_failed(cli, status, name);
    print(cli, name, &which, &sum);
    return LEAT_EXIT_OK;
}

static const leat_example examples[] = {
    {"leat cancel 42",        "all of it that has not ended"     },
    {"leat cancel 42/17",     "one job of it"                    },
    {"leat cancel 42/10-20",  "some of them"                     },
    {"leat cancel last",      "the batch that was submitted last"},
    {"leat cancel all --yes", "every batch"                      },
};

const leat_cli_command leat_cli_command_cancel = {
    .noun = "cancel",
    .summary = "end jobs before their time",
    .operands = "SEL|all",
    .takes = "<batch> all",
    .about =
        "What waits is cancelled at once. What runs is told to stop and has its --grace for\n"
        "it; how it ended is seen in the batch (leat wait). For all, whoever submitted them, it\n"
        "asks on a terminal; elsewhere --yes is needed.\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .run = run,
};
