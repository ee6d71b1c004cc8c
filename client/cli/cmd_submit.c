/* leat submit: commands, or jobs for a handler, as one batch; its number alone on stdout. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/inputs.h"
#include "client/cli/json.h"
#include "client/cli/order.h"
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
      .takes = "<file>",
      .help = "a job for each line of FILE (-: stdin)",
      .flags = LEAT_OPTION_NOT_IN_FILE},
    LEAT_ROW_NULL("lines of FILE or stdin end with NUL"),
    {.name = "channel",
      .type = LEAT_OPTION_TEXT,
      .value = "NAME",
      .fallback = "default",
      .takes = "<channel>",
      .help = "where the jobs go"},
    {.name = "name",
      .type = LEAT_OPTION_TEXT,
      .value = "NAME",
      .help = "name of the batch",
      .flags = LEAT_OPTION_NOT_IN_FILE                                                           },
    LEAT_ROWS_OF_ORDER,
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
      .takes = "<batch>",
      .help = "not before that batch has ended, and so (ok); skipped when it ends otherwise",
      .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "finally",
      .type = LEAT_OPTION_LIST,
      .value = "NAME[=PAYLOAD]",
      .help = "a job that runs when the job has ended, however; may be given again, the last one "
             "runs first",                             .flags = LEAT_OPTION_NOT_IN_FILE                                                 },
    {.name = "recover",
      .type = LEAT_OPTION_TEXT,
      .value = "NAME[=PAYLOAD]",
      .help = "a job that runs when the job is dead; how it ends is how the dead one ended",
      .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "reply",
      .type = LEAT_OPTION_TEXT,
      .value = "CHANNEL",
      .takes = "<channel>",
      .help = "a message into that channel for each job that ends",
      .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "reply-handler",
      .type = LEAT_OPTION_TEXT,
      .value = "NAME",
      .takes = "<handler>",
      .help = "... a job of this handler instead, its payload the result",
      .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "halt",
      .type = LEAT_OPTION_TEXT,
      .value = "WHEN",
      .help = "cancel the rest of the batch: now,fail=1 (also what runs) or soon,done=10%",
      .flags = LEAT_OPTION_NOT_IN_FILE                },
    LEAT_ROWS_OF_JOB,
    LEAT_ROW_TIMEOUT("how long this command tries"),
};

/* Payloads as they were given, or made from a command. */
typedef struct payloads {
    leat_inputs given;
    char *word; /* owned: the payload operand */
    leat_order order;
    leat_buf made;
    bool is_command;
} payloads;

static const leat_inputs *
inputs_of(const payloads *from)
{
    return from->is_command ? &from->order.inputs : &from->given;
}

/* The next one, borrowed until the next call. */
static bool
next_payload(payloads *from, const char **data, size_t *size)
{
    leat_text input;
    if (!from->is_command)
        return leat_inputs_next(&from->given, data, size);
    if (!leat_order_next(&from->order, &from->made, &input))
        return false;
    *data = (const char *)from->made.data;
    *size = from->made.size;
    return true;
}

static void
free_payloads(payloads *from)
{
    leat_inputs_fini(&from->given);
    leat_order_fini(&from->order);
    leat_buf_fini(&from->made);
    free(from->word);
}

/* The operands of a handler: behind the options, or what began a command before a variable or file
 * said that it is none. */
static size_t
operand_count(const leat_cli *cli)
{
    return cli->tail != NULL ? cli->tail_count : leat_options_operand_count(cli->options);
}

static const char *
operand(const leat_cli *cli, size_t index)
{
    return cli->tail != NULL ? cli->tail[index] : leat_options_operand(cli->options, index);
}

static int
open_given(leat_cli *cli, payloads *from)
{
    char reason[64];
    const char separator = leat_options_flag(cli->options, "null") ? '\0' : '\n';
    const char *const file = leat_options_text(cli->options, "arg-file");
    const size_t words = operand_count(cli);
    const char *const first = words > 0 ? operand(cli, 0) : NULL;
    if ((file != NULL) + (cli->inputs != NULL) + (words > 0) > 1)
        return leat_cli_usage(cli, "payloads come from one place: PAYLOAD, -a FILE or \":::\"");
    if (words > 1)
        return leat_cli_usage(cli, "one payload, or several after \":::\", not \"%.100s\" too",
                              operand(cli, 1));
    if (cli->inputs != NULL) {
        for (size_t i = 0; i < cli->input_count; i++) {
            if (strcmp(cli->inputs[i], ":::") == 0)
                return leat_cli_usage(cli, "a handler has one payload: only one \":::\"");
        }
        leat_inputs_of_words(&from->given, cli->inputs, cli->input_count);
        return LEAT_EXIT_OK;
    }
    if (file == NULL && (first == NULL || strcmp(first, "-") != 0)) {
        from->word = strdup(first == NULL ? "" : first);
        if (from->word == NULL)
            return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
        leat_inputs_of_words(&from->given, &from->word, 1);
        if (first == NULL && leat_inputs_lie_unused())
            leat_cli_say(cli, "input not used; add - to make its lines payloads");
        return LEAT_EXIT_OK;
    }
    if (leat_inputs_of_file(&from->given, file == NULL ? "-" : file, separator) != LEAT_ERR_OK)
        return leat_cli_fail(cli, LEAT_EXIT_USAGE, "NO_FILE", NULL, "cannot read \"%.300s\": %s",
                             file, leat_log_errno_text(errno, reason, sizeof reason));
    return LEAT_EXIT_OK;
}

/* Where the payloads come from: --handler NAME [PAYLOAD], or a command. */
static int
open_payloads(leat_cli *cli, payloads *from, const char **handler)
{
    const bool is_command = leat_options_given(cli->options, "shell") ||
                            (!leat_options_given(cli->options, "handler") && cli->tail != NULL);
    if (is_command && leat_options_given(cli->options, "handler"))
        return leat_cli_usage(cli,
                              "--shell runs a command, --handler code of the worker: give one");
    if (!is_command && !leat_options_given(cli->options, "handler"))
        return leat_cli_usage(cli, "give a command (leat submit make -C docs), or --handler NAME");
    if (!is_command) {
        *handler = leat_treatment_handler(cli);
        return *handler == NULL ? LEAT_EXIT_USAGE : open_given(cli, from);
    }
    *handler = LEAT_EXEC_HANDLER;
    from->is_command = true;
    return leat_order_read(cli, cli->tail, cli->tail_count, &from->order);
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
             payloads *from,
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
    } while (status == LEAT_OK && next_payload(from, &data, &size));
    const leat_inputs *const inputs = inputs_of(from);
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

/* The first payload is kept while the next one decides how they all go. */
static int
submit_all(leat_cli *cli, payloads *from, const leat_batch_options *settings, const char *handler)
{
    const leat_inputs *const inputs = inputs_of(from);
    const char *data;
    size_t size;
    uint64_t id = 0;
    uint64_t jobs = 1;
    if (!next_payload(from, &data, &size)) {
        if (inputs->failed != 0 || leat_stop_wanted())
            return fail_input(cli, inputs, LEAT_OK, 0);
        return leat_cli_fail(cli, LEAT_EXIT_USAGE, "NO_INPUT", NULL,
                             "the input is empty, nothing was submitted");
    }
    int code = leat_cli_connect(cli);
    if (code != LEAT_EXIT_OK)
        return code;
    char *const first = malloc(size + 1);
    if (first == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    memcpy(first, data, size);
    /* A unique job that joins another one is told apart from it by a batch of its own. */
    const bool is_one = from->is_command && !from->order.has_inputs;
    const bool single = (is_one || (inputs->stream == NULL && inputs->word_count == 1)) &&
                        settings->name == NULL && settings->unique == NULL;
    code = single ? submit_one(cli, settings, handler, first, size, &id)
                  : submit_batch(cli, from, settings, handler, first, size, &id, &jobs);
    if (code == LEAT_EXIT_OK) {
        leat_state_set_last(id);
        print_number(cli, id, jobs);
    }
    free(first);
    return code;
}

static int
run(leat_cli *cli)
{
    payloads from = {0};
    leat_treatment treatment = {0};
    const char *handler = NULL;
    if (leat_options_given(cli->options, "timeout"))
        leat_stop_after(leat_options_ms(cli->options, "timeout"));
    int code = open_payloads(cli, &from, &handler);
    if (code == LEAT_EXIT_OK)
        code = leat_treatment_read(cli, &treatment);
    if (code == LEAT_EXIT_OK)
        code = leat_treatment_read_relations(cli, &treatment);
    if (code == LEAT_EXIT_OK)
        code = submit_all(cli, &from, &treatment.options, handler);
    leat_treatment_fini(&treatment);
    free_payloads(&from);
    return code;
}

static const leat_example examples[] = {
    {"leat submit ./backup.sh --full",                            "one command"                 },
    {"leat submit gzip {} ::: *.log",                             "a command for each file"     },
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
    .operands = "CMD [ARG…] [::: INPUT…] | --handler NAME [PAYLOAD|-|::: PAYLOAD…]",
    .about = "Prints the number of the batch, alone, on stdout. A command is put together as by\n"
             "leat run. For a handler, a payload is any bytes; - takes the\n"
             "lines of stdin, a job each. When the number is printed, the jobs are on disk (in a\n"
             "durable channel, the default).\n"
             "\n"
             "What is not said here is as the channel has it (leat channel set).\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .flags = LEAT_CLI_COMMAND_INPUTS | LEAT_CLI_COMMAND_OWN,
    .run = run,
};
