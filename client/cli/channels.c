/* Channels in a table, and as an operand. */
#include "client/cli/channels.h"

#include <inttypes.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/duration.h"
#include "client/cli/json.h"

static const leat_column channel_columns[] = {
    {"CHANNEL", false, 9},
    {"READY",   true,  8},
    {"RUNNING", true,  7},
    {"DELAYED", true,  4},
    {"DEAD",    true,  6},
    {"OLDEST",  true,  5},
    {"DONE/S",  true,  3},
    {"",        false, 2},
};

static bool
is_true(const cJSON *object, const char *key)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key));
}

/* "messages, in memory, paused": what is not as it mostly is. */
static void
add_notes(const cJSON *channel, char *out, size_t size)
{
    char held[48];
    (void)snprintf(held, sizeof held, "%" PRIu64 " held", leat_json_count(channel, "held"));
    const struct {
        bool is;
        const char *note;
    } notes[] = {
        {strcmp(leat_json_string(channel, "kind"), "messages") == 0,                     "messages"},
        {strcmp(leat_json_string(channel,                               "durability"),        "memory") == 0, "in memory"},
        {leat_json_count(channel,                    "held") > 0,                           held                                        },
        {is_true(channel,                           "paused"),        "paused"},
        {is_true(channel,                       "closed"),                       "closed"                                                       },
    };
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < LEAT_COUNT_OF(notes) && used < size; i++) {
        if (notes[i].is)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used > 0 ? ", " : "",
                                     notes[i].note);
    }
}

static bool
add_channel(leat_table *table, const cJSON *channel)
{
    char figures[4][24];
    char oldest[LEAT_DURATION_BYTES];
    char rate[32];
    char notes[96];
    static const char *const keys[] = {"ready", "running", "delayed", "dead"};
    for (size_t i = 0; i < LEAT_COUNT_OF(keys); i++)
        (void)snprintf(figures[i], sizeof figures[i], "%" PRIu64,
                       leat_json_count(channel, keys[i]));
    const double age_s = leat_json_real(channel, "oldest_s", -1);
    (void)leat_duration_short(leat_json_count(channel, "ready") == 0 ? -1 : age_s, oldest);
    (void)snprintf(rate, sizeof rate, "%.1f", leat_json_real(channel, "done_per_s", 0));
    add_notes(channel, notes, sizeof notes);
    const char *const cells[] = {leat_json_string(channel, "name"),
                                 figures[0],
                                 figures[1],
                                 figures[2],
                                 figures[3],
                                 oldest,
                                 rate,
                                 notes};
    return leat_table_add(table, cells);
}

bool
leat_channels_is_empty_name(const cJSON *channel)
{
    return strcmp(leat_json_string(channel, "kind"), "none") == 0 && !is_true(channel, "closed") &&
           !is_true(channel, "paused");
}

bool
leat_channels_print(const leat_cli *cli, const cJSON *channels, FILE *out)
{
    bool any = false;
    const cJSON *channel;
    leat_table *table = leat_table_new(channel_columns, LEAT_COUNT_OF(channel_columns));
    cJSON_ArrayForEach(channel, channels)
    {
        if (leat_channels_is_empty_name(channel))
            continue;
        any = true;
        if (table != NULL)
            (void)add_channel(table, channel);
    }
    if (table != NULL && any)
        leat_table_print(table, &cli->out, cli->plain, out);
    leat_table_destroy(&table);
    return any;
}

/* Why jobs wait though workers may be idle. */

/* ---- the channel of a command ---- */

const char *
leat_channels_operand(const leat_cli *cli)
{
    if (leat_options_operand_count(cli->options) != 1) {
        (void)leat_cli_usage(cli, "give one channel: leat channel %s news", cli->command->verb);
        return NULL;
    }
    const char *const channel = leat_options_operand(cli->options, 0);
    return leat_cli_check_name(cli, "the channel", channel) == LEAT_EXIT_OK ? channel : NULL;
}

int
leat_channels_failed(leat_cli *cli, leat_status status, const char *channel)
{
    char what[200];
    if (status == LEAT_NOT_FOUND)
        return leat_cli_fail(cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND",
                             "Those there are: leat channel ls", "there is no channel \"%s\"",
                             channel);
    (void)snprintf(what, sizeof what, "channel \"%s\"", channel);
    return leat_cli_failed(cli, status, what);
}

leat_status
leat_channels_look(leat_cli *cli, const char *channel, cJSON **json)
{
    const char *text;
    cJSON *arguments = cJSON_CreateObject();
    *json = NULL;
    (void)cJSON_AddStringToObject(arguments, "channel", channel);
    char *const asked = cJSON_PrintUnformatted(arguments);
    cJSON_Delete(arguments);
    cli->gone_limit_ms = 2000;
    const leat_status status =
        asked == NULL ? LEAT_NO_MEMORY : leat_query(cli->broker, "channel", asked, &text);
    cJSON_free(asked);
    if (status == LEAT_OK)
        *json = cJSON_Parse(text);
    if (status == LEAT_OK && *json == NULL)
        return LEAT_NO_MEMORY;
    if (status != LEAT_OK || !leat_channels_is_empty_name(*json))
        return status;
    cJSON_Delete(*json);
    *json = NULL;
    return LEAT_NOT_FOUND;
}

void
leat_channels_did(const leat_cli *cli, const char *channel, const char *key, bool value)
{
    if (!cli->json)
        return;
    cJSON *json = cJSON_CreateObject();
    leat_json_put_bytes(json, "channel", channel, strlen(channel));
    (void)cJSON_AddBoolToObject(json, key, value);
    (void)leat_json_print(&json, stdout);
}
