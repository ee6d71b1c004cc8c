/* leat submit: jobs for a handler, one batch; its number alone on stdout. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/inputs.h"
#include "client/cli/json.h"
#include "client/cli/state.h"
#include "client/cli/stop.h"
#include "client/cli/treatment.h"
#include "proto/base/log.h"

static const leat_option rows[] = {
    LEAT_ROW_HANDLER,
    {.name = "arg-file",
      .letter = 'a',
      .type = LEAT_OPTION_TEXT,
      .value = "FILE",
      .help = "a job for each line of FILE (-: stdin)",
      .flags = LEAT_OPTION_NOT_IN_FILE},
    LEAT_ROW_NULL("lines of FILE or stdin end with NUL"),
    {.name = "channel",
      .type = LEAT_OPTION_TEXT,
      .value = "NAME",
      .fallback = "default",
      .help = "where the jobs go"                           },
    {.name = "name",
      .type = LEAT_OPTION_TEXT,
      .value = "NAME",
      .help = "name of the batch",
      .flags = LEAT_OPTION_NOT_IN_FILE                     },
    LEAT_ROWS_OF_ATTEMPTS,
    {.name = "in",
      .type = LEAT_OPTION_DURATION,
      .value = "D",
      .help = "not before this time has passed",
      .max = (uint64_t)LEAT_DELAY_MS_MAX,
      .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "at",
      .type = LEAT_OPTION_TEXT,
      .value = "T",
      .help = "not before this time: 18:30, or 2030-05-01T18:30:00Z",
      .flags = LEAT_OPTION_NOT_IN_FILE                                    },
    {.name = "after",
      .type = LEAT_OPTION_TEXT,
      .value = "SEL[:ok|any|failed]",
      .help = "not before that batch has ended, and so (ok); skipped when it ends otherwise",
      .flags = LEAT_OPTION_NOT_IN_FILE                  },
    {.name = "finally",
      .type = LEAT_OPTION_LIST,
      .value = "NAME[=PAYLOAD]",
      .help = "a job that runs when the job has ended, however; may be given again, the last one "
             "runs first", .flags = LEAT_OPTION_NOT_IN_FILE                       },
    {.name = "recover",
      .type = LEAT_OPTION_TEXT,
      .value = "NAME[=PAYLOAD]",
      .help = "a job that runs when the job is dead; how it ends is how the dead one ended",
      .flags = LEAT_OPTION_NOT_IN_FILE                       },
    {.name = "reply",
      .type = LEAT_OPTION_TEXT,
      .value = "CHANNEL",
      .help = "a message into that channel for each job that ends",
      .flags = LEAT_OPTION_NOT_IN_FILE                              },
    {.name = "reply-handler",
      .type = LEAT_OPTION_TEXT,
      .value = "NAME",
      .help = "... a job of this handler instead, its payload the result",
      .flags = LEAT_OPTION_NOT_IN_FILE                                 },
    {.name = "halt",
      .type = LEAT_OPTION_TEXT,
      .value = "WHEN",
      .help = "cancel the rest of the batch: now,fail=1 (also what runs) or soon,done=10%",
      .flags = LEAT_OPTION_NOT_IN_FILE                                 },
    LEAT_ROWS_OF_JOB,
    LEAT_ROW_TIMEOUT("how long this command tries"),
};

/* Where the payloads come from; `inputs` is to be given to leat_inputs_fini in any case. */
static int
open_inputs(leat_cli *cli, leat_inputs *inputs, char **word)
{
    char reason[64];
    const char separator = leat_options_flag(cli->options, "null") ? '\0' : '\n';
    const char *const file = leat_options_text(cli->options, "arg-file");
    const size_t words = leat_options_operand_count(cli->options);
    const char *const first = words > 0 ? leat_options_operand(cli->options, 0) : NULL;
    *inputs = (leat_inputs){0};
    if ((file != NULL) + (cli->inputs != NULL) + (words > 0) > 1)
        return leat_cli_usage(cli, "payloads come from one place: PAYLOAD, -a FILE or \":::\"");
    if (words > 1)
        return leat_cli_usage(cli, "one payload, or several after \":::\", not \"%.100s\" too",
                              leat_options_operand(cli->options, 1));
    if (cli->inputs != NULL) {
        for (size_t i = 0; i < cli->input_count; i++) {
            if (strcmp(cli->inputs[i], ":::") == 0)
                return leat_cli_usage(cli, "a handler has one payload: only one \":::\"");
        }
        leat_inputs_of_words(inputs, cli->inputs, cli->input_count);
        return LEAT_EXIT_OK;
    }
    if (file == NULL && (first == NULL || strcmp(first, "-") != 0)) {
        *word = strdup(first == NULL ? "" : first);
        if (*word == NULL)
            return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
        leat_inputs_of_words(inputs, word, 1);
        return LEAT_EXIT_OK;
    }
    if (leat_inputs_of_file(inputs, file == NULL ? "-" : file, separator) != LEAT_ERR_OK)
        return leat_cli_fail(cli, LEAT_EXIT_USAGE, "NO_FILE", NULL, "cannot read \"%.300s\": %s",
                             file, leat_log_errno_text(errno, reason, sizeof reason));
    return LEAT_EXIT_OK;
}

/* A pipe with something in it that nobody reads is likely a mistake. */
static void
mention_unused_input(const leat_cli *cli)
{
    struct stat info;
    struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
    if (leat_options_operand_count(cli->options) > 0 || cli->inputs != NULL ||
        leat_options_given(cli->options, "arg-file"))
        return;
    if (fstat(STDIN_FILENO, &info) == 0 && S_ISFIFO(info.st_mode) && poll(&ready, 1, 0) == 1 &&
        (ready.revents & POLLIN) != 0)
        leat_cli_say(cli, "input not used; add - to make its lines payloads");
}

static int
fail_input(leat_cli *cli, const leat_inputs *inputs, leat_status status, uint64_t batch)
{
    char what[160];
    char reason[64];
    if (leat_stop_wanted() || status != LEAT_OK) {
        (void)snprintf(what, sizeof what, "submit, payload %zu%s", inputs->number,
                       inputs->stream != NULL ? " of the input" : "");
    }
    if (batch != 0 && !leat_stop_wanted())
        leat_cli_say(cli, "batch %" PRIu64 " has only a part of the jobs", batch);
    if (status != LEAT_OK || leat_stop_wanted())
        return leat_cli_failed(cli, status, what);
    return leat_cli_fail(cli, LEAT_EXIT_USAGE, "NO_FILE", NULL, "reading the payloads: %s",
                         leat_log_errno_text(inputs->failed, reason, sizeof reason));
}

/* Several jobs, or a named one: a batch of its own. The first payload has been read already. */
static int
submit_batch(leat_cli *cli,
             leat_inputs *inputs,
             const leat_batch_options *settings,
             const char *handler,
             const char *data,
             size_t size,
             uint64_t *id,
             uint64_t *jobs)
{
    leat_batch *batch = NULL;
    leat_status status = leat_batch_open(cli->broker, settings, &batch);
    if (status != LEAT_OK)
        return leat_cli_failed(cli, status, "submit");
    do {
        status = leat_stop_wanted() ? LEAT_REFUSED : leat_batch_add(batch, handler, data, size);
    } while (status == LEAT_OK && leat_inputs_next(inputs, &data, &size));
    if (status == LEAT_OK && inputs->failed == 0)
        status = leat_batch_seal(batch);
    *id = leat_batch_id(batch);
    *jobs = leat_batch_accepted(batch);
    const int code = status == LEAT_OK && inputs->failed == 0
                         ? LEAT_EXIT_OK
                         : fail_input(cli, inputs, status, *id);
    leat_batch_free(&batch);
    return code;
}

static int
submit_one(leat_cli *cli,
           const leat_batch_options *settings,
           const char *handler,
           const char *data,
           size_t size,
           uint64_t *id)
{
    const leat_status status = leat_submit(cli->broker, settings, handler, data, size, id);
    return status == LEAT_OK ? LEAT_EXIT_OK : leat_cli_failed(cli, status, "submit");
}

static void
print_number(const leat_cli *cli, uint64_t id, uint64_t jobs)
{
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        leat_json_put_id(json, "batch", id);
        (void)cJSON_AddNumberToObject(json, "jobs", (double)jobs);
        (void)leat_json_print(&json, stdout);
        return;
    }
    (void)printf("%" PRIu64 "\n", id);
    (void)leat_cli_flush();
    if (cli->verbose || (cli->err.terminal && cli->out.terminal))
        leat_cli_say(cli, "%" PRIu64 " job%s in batch %" PRIu64 ".  Wait: leat wait %" PRIu64, jobs,
                     jobs == 1 ? "" : "s", id, id);
}

static int
run(leat_cli *cli)
{
    leat_inputs inputs = {0};
    leat_treatment treatment = {0};
    const leat_batch_options *const settings = &treatment.options;
    char *word = NULL; /* the payload operand */
    char *first = NULL;
    const char *data;
    size_t size;
    uint64_t id = 0;
    uint64_t jobs = 1;
    bool single;
    const char *const handler = leat_treatment_handler(cli);
    if (handler == NULL)
        return LEAT_EXIT_USAGE;
    if (leat_options_given(cli->options, "timeout"))
        leat_stop_after(leat_options_ms(cli->options, "timeout"));

    int code = leat_treatment_read(cli, &treatment);
    if (code == LEAT_EXIT_OK)
        code = leat_treatment_read_relations(cli, &treatment);
    if (code == LEAT_EXIT_OK)
        code = open_inputs(cli, &inputs, &word);
    if (code != LEAT_EXIT_OK)
        goto done;
    mention_unused_input(cli);
    if (!leat_inputs_next(&inputs, &data, &size)) {
        if (inputs.failed != 0 || leat_stop_wanted())
            code = fail_input(cli, &inputs, LEAT_OK, 0);
        else
            code = leat_cli_fail(cli, LEAT_EXIT_USAGE, "NO_INPUT", NULL,
                                 "the input is empty, nothing was submitted");
        goto done;
    }
    code = leat_cli_connect(cli);
    if (code != LEAT_EXIT_OK)
        goto done;

    /* Whether the first payload is the only one decides how it goes; reading on spoils its place.
     */
    first = malloc(size + 1);
    if (first == NULL) {
        code = leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
        goto done;
    }
    memcpy(first, data, size);
    /* A unique job that joins another one is told apart from it by a batch of its own. */
    single = inputs.stream == NULL && inputs.word_count == 1 && settings->name == NULL &&
             settings->unique == NULL;
    code = single ? submit_one(cli, settings, handler, first, size, &id)
                  : submit_batch(cli, &inputs, settings, handler, first, size, &id, &jobs);
    if (code == LEAT_EXIT_OK) {
        leat_state_set_last(id);
        print_number(cli, id, jobs);
    }

done:
    leat_treatment_fini(&treatment);
    leat_inputs_fini(&inputs);
    free(word);
    free(first);
    return code;
}

static const leat_example examples[] = {
    {"leat submit --handler echo hello",                          "one job"                     },
    {"leat submit --handler seed ::: 1 2 3",                      "three jobs, one batch"       },
    {"seq 1000 | leat submit --handler echo -",                   "a job for each line of stdin"},
    {"leat submit --handler sleep --in 1h --retries 5 2s",        "later, with more attempts"   },
    {"leat submit --handler echo --after last all done",          "when the last batch is done" },
    {"leat submit --handler sha256 --needs mem=2G --on zone=a x", "where there is room for it"  },
};

const leat_cli_command leat_cli_command_submit = {
    .noun = "submit",
    .summary = "put jobs into a channel and return at once",
    .operands = "--handler NAME [PAYLOAD|-|::: PAYLOAD…]",
    .about =
        "Prints the number of the batch, alone, on stdout. A payload is any bytes; - takes the\n"
        "lines of stdin, a job each. When the number is printed, the jobs are on disk (in a\n"
        "durable channel, the default).\n"
        "\n"
        "What is not said here is as the channel has it (leat channel set).\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .flags = LEAT_CLI_COMMAND_INPUTS,
    .run = run,
};
