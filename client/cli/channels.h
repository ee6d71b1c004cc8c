/* leat_channels: channels as the broker lists them, and what all commands about one channel do. */
#ifndef LEAT_CLI_CHANNELS_H
#define LEAT_CLI_CHANNELS_H

#include <stdbool.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "client/cli/cli.h"

/* A name without anything: a worker asked for it, or it was removed, and nothing has come since. */
bool leat_channels_is_empty_name(const cJSON *channel);

/* Print the table; true: there was at least one. */
bool leat_channels_print(const leat_cli *cli, const cJSON *channels, FILE *out);

/* The channel that is the only operand of this command; NULL: the reason has been printed. */
const char *leat_channels_operand(const leat_cli *cli);

/* What the broker says of a channel; *json is the caller's, NULL unless LEAT_OK. */
leat_status leat_channels_look(leat_cli *cli, const char *channel, cJSON **json);

/* As leat_cli_failed for something that was tried with a channel. */
int leat_channels_failed(leat_cli *cli, leat_status status, const char *channel);

/* With --json: {"channel": CHANNEL, KEY: value}. */
void leat_channels_did(const leat_cli *cli, const char *channel, const char *key, bool value);

#endif
