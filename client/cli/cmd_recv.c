/* leat recv: messages out of a channel, a line each. */
#include <string.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/json.h"
#include "client/cli/stop.h"

static const leat_option rows[] = {
    LEAT_ROW_COUNT("messages to take; 0: until the channel is closed", "1"),
    LEAT_ROW_TRY("take what is there, do not wait (exit 124 when there is nothing)"),
    LEAT_ROW_NULL("end each message with NUL instead of a line feed"),
    LEAT_ROW_TIMEOUT("give up after this time (exit 124)"),
};

static void
print_message(const leat_cli *cli, const char *channel, const void *data, size_t size, int end)
{
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        leat_json_put_bytes(json, "channel", channel, strlen(channel));
        leat_json_put_bytes(json, "data", data, size);
        (void)leat_json_print(&json, stdout);
        return;
    }
    if (size > 0)
        (void)fwrite(data, 1, size, stdout);
    (void)fputc(end, stdout);
}

/* The channel gave no message. */
static int
ended(leat_cli *cli, const char *channel, leat_status status, uint64_t taken, uint64_t wanted)
{
    char what[256];
    if (status == LEAT_END && wanted == 0)
        return LEAT_EXIT_OK;
    if (status == LEAT_END)
        return leat_cli_fail(cli, LEAT_EXIT_FAILED, "CLOSED", NULL,
                             "the channel \"%s\" is closed and empty", channel);
    if (status == LEAT_TIMED_OUT && taken > 0 && leat_options_flag(cli->options, "try"))
        return LEAT_EXIT_OK;
    if (status == LEAT_TIMED_OUT)
        return leat_cli_fail(cli, LEAT_EXIT_TIMEOUT, "TIMEOUT", NULL, "nothing came from \"%s\"",
                             channel);
    (void)snprintf(what, sizeof what, "receiving from \"%.130s\"", channel);
    return leat_cli_failed(cli, status, what);
}

static int
run(leat_cli *cli)
{
    if (leat_options_operand_count(cli->options) != 1)
        return leat_cli_usage(cli, "give one channel: leat recv news");
    const char *const channel = leat_options_operand(cli->options, 0);
    const uint64_t wanted = leat_options_number(cli->options, "count");
    const bool try = leat_options_flag(cli->options, "try");
    const int end = leat_options_flag(cli->options, "null") ? '\0' : '\n';
    int code = leat_cli_connect(cli);
    if (code != LEAT_EXIT_OK)
        return code;
    if (leat_options_given(cli->options, "timeout"))
        leat_stop_after(leat_options_ms(cli->options, "timeout"));

    for (uint64_t taken = 0; wanted == 0 || taken < wanted; taken++) {
        const void *data;
        size_t size;
        leat_status status = LEAT_TIMED_OUT;
        if (!leat_stop_wanted())
            status = leat_recv(cli->broker, channel, &data, &size, try ? 0 : -1);
        if (status != LEAT_OK)
            return leat_stop_signal() != 0
                       ? 128 + leat_stop_signal()
                       : ended(cli, channel, leat_stop_timed_out() ? LEAT_TIMED_OUT : status, taken,
                               wanted);
        print_message(cli, channel, data, size, end);
        /* A message that could not be passed on is not taken: without a good-bye the broker gives
         * it to somebody else. */
        if (!leat_cli_flush())
            _exit(leat_cli_stdout_failed(cli));
    }
    return LEAT_EXIT_OK;
}

static const leat_example examples[] = {
    {"leat recv news",       "one message, waiting for it"     },
    {"leat recv news -n 0",  "all, until the channel is closed"},
    {"leat recv news --try", "only if there is one now"        },
};

const leat_cli_command leat_cli_command_recv = {
    .noun = "recv",
    .summary = "take messages out of a channel",
    .operands = "CHANNEL",
    .takes = "<channel>",
    .about =
        "Each message is taken by one receiver. One that could not be printed (the reader has\n"
        "gone, the process was killed) goes to somebody else. Closed and empty: exit 1, with\n"
        "-n 0 exit 0.\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .run = run,
};
