/* leat close: no more sends into a channel. */
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/json.h"

static int
run(leat_cli *cli)
{
    char what[256];
    if (leat_options_operand_count(cli->options) != 1)
        return leat_cli_usage(cli, "give one channel: leat close news");
    const char *const channel = leat_options_operand(cli->options, 0);
    const int code = leat_cli_connect(cli);
    if (code != LEAT_EXIT_OK)
        return code;
    const leat_status status = leat_close(cli->broker, channel);
    if (status == LEAT_NOT_FOUND)
        return leat_cli_fail(cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND", NULL,
                             "there is no channel \"%s\"", channel);
    (void)snprintf(what, sizeof what, "closing \"%.130s\"", channel);
    if (status != LEAT_OK)
        return leat_cli_failed(cli, status, what);
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        leat_json_put_bytes(json, "channel", channel, strlen(channel));
        (void)cJSON_AddBoolToObject(json, "closed", 1);
        (void)leat_json_print(&json, stdout);
    }
    leat_cli_say(cli, "\"%s\" is closed; what is in it can still be received", channel);
    return LEAT_EXIT_OK;
}

static const leat_example examples[] = {
    {"leat close news", "receivers drain it, then see its end"},
};

const leat_cli_command leat_cli_command_close = {
    .noun = "close",
    .summary = "close a channel: no more sends",
    .operands = "CHANNEL",
    .takes = "<channel>",
    .about = "",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .run = run,
};
