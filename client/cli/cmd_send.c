/* leat send: messages into a channel, one for each word or line. */
#include <stdlib.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/inputs.h"
#include "client/cli/json.h"
#include "client/cli/stop.h"
#include "proto/base/log.h"

static const leat_option rows[] = {
    LEAT_ROW_NULL("items end with NUL instead of a line feed"),
    LEAT_ROW_TRY("do not wait when the channel is full (exit 124)"),
    LEAT_ROW_TIMEOUT("give up after this time (exit 124)"),
};

static void
say_sent(const leat_cli *cli, const char *channel, size_t sent)
{
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        leat_json_put_bytes(json, "channel", channel, strlen(channel));
        (void)cJSON_AddNumberToObject(json, "sent", (double)sent);
        (void)leat_json_print(&json, stdout);
        return;
    }
    leat_cli_say(cli, "%zu message%s into \"%s\"", sent, sent == 1 ? "" : "s", channel);
}

static int
send_all(leat_cli *cli, const char *channel, leat_inputs *inputs)
{
    const char *data;
    char what[256];
    char reason[64];
    size_t size;
    size_t sent = 0;
    leat_status status = LEAT_OK;
    const bool try = leat_options_flag(cli->options, "try");
    while (status == LEAT_OK && !leat_stop_wanted() && leat_inputs_next(inputs, &data, &size)) {
        status = try ? leat_try_send(cli->broker, channel, data, size)
                     : leat_send(cli->broker, channel, data, size);
        sent += status == LEAT_OK;
    }
    if (status == LEAT_OK && !leat_stop_wanted() && inputs->failed == 0) {
        say_sent(cli, channel, sent);
        return LEAT_EXIT_OK;
    }

    /* How far it came decides what has to be sent again. */
    if (sent > 0)
        leat_cli_say(cli, "%zu message%s went into \"%s\"", sent, sent == 1 ? "" : "s", channel);
    if (status == LEAT_OK && !leat_stop_wanted())
        return leat_cli_fail(cli, LEAT_EXIT_USAGE, "NO_FILE", NULL, "reading the messages: %s",
                             leat_log_errno_text(inputs->failed, reason, sizeof reason));
    (void)snprintf(what, sizeof what, "message %zu into \"%.130s\"", sent + 1, channel);
    return leat_cli_failed(cli, status, what);
}

/* Words of the command line, copied since the inputs want them writable. NULL without memory. */
static char **
copy_words(const leat_cli *cli, size_t count)
{
    char **const words = calloc(count + 1, sizeof(char *));
    for (size_t i = 0; words != NULL && i < count; i++) {
        words[i] = strdup(leat_options_operand(cli->options, i + 1));
        if (words[i] == NULL) {
            for (; i > 0; i--)
                free(words[i - 1]);
            free(words);
            return NULL;
        }
    }
    return words;
}

static int
send_words(leat_cli *cli, const char *channel, size_t count)
{
    leat_inputs inputs;
    char **const words = copy_words(cli, count);
    if (words == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    leat_inputs_of_words(&inputs, words, count);
    const int code = send_all(cli, channel, &inputs);
    leat_inputs_fini(&inputs);
    for (size_t i = 0; i < count; i++)
        free(words[i]);
    free(words);
    return code;
}

static int
send_lines(leat_cli *cli, const char *channel)
{
    leat_inputs inputs;
    const char separator = leat_options_flag(cli->options, "null") ? '\0' : '\n';
    if (leat_inputs_of_file(&inputs, "-", separator) != LEAT_ERR_OK)
        return leat_cli_fail(cli, LEAT_EXIT_USAGE, "NO_FILE", NULL, "cannot read stdin");
    const int code = send_all(cli, channel, &inputs);
    leat_inputs_fini(&inputs);
    return code;
}

static int
run(leat_cli *cli)
{
    const size_t operands = leat_options_operand_count(cli->options);
    if (operands == 0)
        return leat_cli_usage(cli, "the name of a channel is missing");
    const char *const channel = leat_options_operand(cli->options, 0);
    const bool lines =
        operands == 1 || (operands == 2 && strcmp(leat_options_operand(cli->options, 1), "-") == 0);
    if (leat_options_given(cli->options, "timeout"))
        leat_stop_after(leat_options_ms(cli->options, "timeout"));
    const int code = leat_cli_connect(cli);
    if (code != LEAT_EXIT_OK)
        return code;
    return lines ? send_lines(cli, channel) : send_words(cli, channel, operands - 1);
}

static const leat_example examples[] = {
    {"leat send news hello",                "one message"                   },
    {"tail -f log | leat send news",        "each line of stdin as it comes"},
    {"find . -print0 | leat send -0 files", "items that end with NUL"       },
};

const leat_cli_command leat_cli_command_send = {
    .noun = "send",
    .summary = "put messages into a channel",
    .operands = "CHANNEL [LINE…|-]",
    .takes = "<channel>",
    .about = "Waits while the channel is full. Each message is taken by one receiver. When the\n"
             "command ends with 0, all are on disk (in a durable channel, the default).\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .run = run,
};
