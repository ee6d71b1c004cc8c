/* leat status: the broker, its workers and channels on one screen; or one batch. */
#include <inttypes.h>
#include <string.h>

#include "client/cli/batches.h"
#include "client/cli/command.h"
#include "client/cli/json.h"
#include "client/cli/overview.h"

/* ---- the screen ---- */

static int
show_screen(leat_cli *cli)
{
    const char *text;
    const int code = leat_cli_query(cli, "status", NULL, &text);
    if (code != LEAT_EXIT_OK)
        return code;
    cJSON *answer = cJSON_Parse(text);
    if (answer == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "PROTOCOL", NULL,
                             "the broker's answer is not understood");
    if (cli->json) {
        leat_json_counts(answer);
        cJSON *const broker = cJSON_GetObjectItemCaseSensitive(answer, "broker");
        if (broker != NULL)
            (void)cJSON_AddStringToObject(broker, "endpoint", leat_endpoint(cli->broker));
        (void)leat_json_print(&answer, stdout);
    } else {
        leat_overview_print(cli, answer, stdout);
    }
    cJSON_Delete(answer);
    return LEAT_EXIT_OK;
}

/* ---- one batch ---- */

static const struct {
    const char *key;
    const char *word;
} batch_figures[] = {
    {"ready",     "waiting"  },
    {"delayed",   "delayed"  },
    {"held",      "held"     },
    {"running",   "running"  },
    {"done",      "done"     },
    {"dead",      "dead"     },
    {"cancelled", "cancelled"},
    {"expired",   "expired"  },
    {"skipped",   "skipped"  },
};

static void
print_batch(const leat_cli *cli, const cJSON *batch)
{
    char line[1024];
    char safe[2048];
    const uint64_t total = leat_json_count(batch, "total");
    const char *const name = leat_json_string(batch, "name");
    size_t used = (size_t)snprintf(
        line, sizeof line, "%.40s%s%.130s%s: %" PRIu64 " job%s in \"%.130s\"",
        leat_json_string(batch, "id"), *name == '\0' ? "" : " (", name, *name == '\0' ? "" : ")",
        total, total == 1 ? "" : "s", leat_json_string(batch, "channel"));
    for (size_t i = 0; i < LEAT_COUNT_OF(batch_figures); i++) {
        const uint64_t figure = leat_json_count(batch, batch_figures[i].key);
        if (figure > 0)
            used += (size_t)snprintf(line + used, sizeof line - used, ", %" PRIu64 " %s", figure,
                                     batch_figures[i].word);
    }
    (void)leat_screen_safe(line, strlen(line), cli->out.utf8, 0, safe, sizeof safe);
    (void)printf("%s\n", safe);
    char labels[LEAT_LABELS_BYTES_MAX + 1];
    if (*leat_batches_labels(batch, labels) != '\0')
        (void)printf("  labels: %s\n", labels);
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(batch, "finished")))
        (void)printf("  finished\n");
    else if (cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(batch, "sealed")))
        (void)printf("  open: more jobs may be added\n");
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(batch, "abandoned")))
        (void)printf("  abandoned: who submitted it went away before it was complete\n");
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(batch, "halted")))
        (void)printf("  halted: --halt has cancelled the rest\n");
    const char *const reason = leat_json_string(batch, "reason");
    if (*reason != '\0') {
        (void)leat_screen_safe(reason, strlen(reason), cli->out.utf8, 0, safe, sizeof safe);
        (void)printf("  %s\n", safe);
    }
}

static void
print_batch_plain(const cJSON *batch)
{
    (void)printf("%s\t%" PRIu64, leat_json_string(batch, "id"), leat_json_count(batch, "total"));
    for (size_t i = 0; i < LEAT_COUNT_OF(batch_figures); i++)
        (void)printf("\t%" PRIu64, leat_json_count(batch, batch_figures[i].key));
    (void)printf("\n");
}

static int
show_batch(leat_cli *cli, uint64_t number)
{
    cJSON *batch;
    const int code = leat_batches_ask(cli, number, NULL, &batch);
    if (code != LEAT_EXIT_OK)
        return code;
    if (cli->json) {
        leat_json_counts(batch);
        (void)leat_json_print(&batch, stdout);
    } else if (cli->plain) {
        print_batch_plain(batch);
    } else {
        print_batch(cli, batch);
    }
    cJSON_Delete(batch);
    return LEAT_EXIT_OK;
}

static int
run(leat_cli *cli)
{
    uint64_t batch = 0;
    int code = LEAT_EXIT_OK;
    const size_t operands = leat_options_operand_count(cli->options);
    if (operands > 1)
        return leat_cli_usage(cli, "one batch at a time");
    if (operands == 1)
        code = leat_batches_number(cli, leat_options_operand(cli->options, 0), &batch);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    if (code != LEAT_EXIT_OK)
        return code;
    cli->gone_limit_ms = 2000;
    return operands == 0 ? show_screen(cli) : show_batch(cli, batch);
}

static const leat_example examples[] = {
    {"leat status",        "broker, workers and channels on one screen"},
    {"leat status 42",     "one batch, and why nothing of it runs"     },
    {"leat status --json", "the same for a script"                     },
};

const leat_cli_command leat_cli_command_status = {
    .noun = "status",
    .summary = "show broker, workers and channels, or one batch",
    .operands = "[SEL]",
    .takes = "<batch>",
    .about = "--plain prints only the channels, or the batch, as fields with tabs between.\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .run = run,
};
