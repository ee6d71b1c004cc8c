/* leat status: the broker, its workers and channels on one screen; or one batch. */
#include <inttypes.h>
#include <string.h>

#include "client/cli/batches.h"
#include "client/cli/channels.h"
#include "client/cli/command.h"
#include "client/cli/duration.h"
#include "client/cli/json.h"

/* ---- the screen ---- */

/* "leat 0.4.0" -> "0.4.0" */
static const char *
version_of(const char *software)
{
    const char *const blank = strchr(software, ' ');
    return blank == NULL ? software : blank + 1;
}

static void
print_broker(const leat_cli *cli, const cJSON *broker)
{
    char up[LEAT_DURATION_BYTES];
    char line[1024];
    char safe[1024];
    (void)snprintf(line, sizeof line, "broker   %s   up %s   %s   store: %s",
                   leat_cli_place(leat_endpoint(cli->broker)),
                   leat_duration_short(leat_json_real(broker, "uptime_s", -1), up),
                   version_of(leat_json_string(broker, "software")),
                   leat_json_string(broker, "store"));
    (void)leat_screen_safe(line, strlen(line), cli->out.utf8, 0, safe, sizeof safe);
    (void)printf("%s\n", safe);
}

static void
print_workers(const cJSON *workers)
{
    char line[160];
    size_t used =
        (size_t)snprintf(line, sizeof line, "%" PRIu64 " up", leat_json_count(workers, "up"));
    if (leat_json_count(workers, "draining") > 0)
        used += (size_t)snprintf(line + used, sizeof line - used, ", %" PRIu64 " draining",
                                 leat_json_count(workers, "draining"));
    if (leat_json_count(workers, "lost") > 0)
        (void)snprintf(line + used, sizeof line - used, ", %" PRIu64 " lost",
                       leat_json_count(workers, "lost"));
    (void)printf("workers  %-20s   slots %" PRIu64 "/%" PRIu64 " busy\n", line,
                 leat_json_count(workers, "busy"), leat_json_count(workers, "slots"));
}

static void
print_waiting(const leat_cli *cli, const cJSON *waiting)
{
    const cJSON *entry;
    cJSON_ArrayForEach(entry, waiting)
    {
        char line[1024];
        char safe[2048];
        const uint64_t ready = leat_json_count(entry, "ready");
        (void)snprintf(line, sizeof line, "%" PRIu64 " job%s in \"%.200s\": %.500s", ready,
                       ready == 1 ? " waits" : "s wait", leat_json_string(entry, "channel"),
                       leat_json_string(entry, "reason"));
        (void)leat_screen_safe(line, strlen(line), cli->out.utf8, 0, safe, sizeof safe);
        (void)printf("%s\n", safe);
    }
}

static void
print_screen(const leat_cli *cli, const cJSON *answer)
{
    if (!cli->plain) {
        print_broker(cli, cJSON_GetObjectItemCaseSensitive(answer, "broker"));
        print_workers(cJSON_GetObjectItemCaseSensitive(answer, "workers"));
    }
    (void)leat_channels_print(cli, cJSON_GetObjectItemCaseSensitive(answer, "channels"));
    if (cli->plain)
        return;
    const uint64_t left_off = leat_json_count(answer, "channels_left_off");
    if (left_off > 0)
        (void)printf("%s %" PRIu64 " more channels\n", cli->out.utf8 ? "…" : "...", left_off);
    print_waiting(cli, cJSON_GetObjectItemCaseSensitive(answer, "waiting"));
    const uint64_t dead =
        leat_json_count(cJSON_GetObjectItemCaseSensitive(answer, "broker"), "dead_jobs");
    if (dead > 0)
        (void)printf("%" PRIu64 " dead job%s.  Look: leat dead ls    Again: leat retry --dead\n",
                     dead, dead == 1 ? "" : "s");
}

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
        print_screen(cli, answer);
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
