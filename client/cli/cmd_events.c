/* leat events: what happens at the broker, an object of JSON a line. */
#include <inttypes.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/json.h"
#include "client/cli/stop.h"

static const leat_option rows[] = {
    {.name = "follow",
     .letter = 'f',
     .type = LEAT_OPTION_FLAG,
     .help = "go on with what happens from now on, until Ctrl-C",
     .flags = LEAT_OPTION_NOT_IN_FILE},
};

#define CURSOR_BYTES 64U

/* The next part; *answer_p is the caller's. wait: until there is something. */
static leat_status
ask(leat_cli *cli, const char *cursor, bool wait, cJSON **answer_p)
{
    char arguments[CURSOR_BYTES + 40];
    const char *text;
    *answer_p = NULL;
    (void)snprintf(arguments, sizeof arguments, "{\"cursor\":\"%s\",\"wait\":%s}", cursor,
                   wait ? "true" : "false");
    const leat_status status = leat_query(cli->broker, "events", arguments, &text);
    if (status == LEAT_OK)
        *answer_p = cJSON_Parse(text);
    return status == LEAT_OK && *answer_p == NULL ? LEAT_NO_MEMORY : status;
}

static void
print_gap(uint64_t lost)
{
    cJSON *json = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(json, "event", "gap");
    (void)cJSON_AddNumberToObject(json, "lost", (double)lost);
    (void)leat_json_print(&json, stdout);
}

/* How many there were. */
static int
print(cJSON *answer)
{
    cJSON *const list = cJSON_GetObjectItemCaseSensitive(answer, "events");
    const int count = cJSON_GetArraySize(list);
    const uint64_t lost = leat_json_count(answer, "lost");
    if (lost > 0)
        print_gap(lost);
    leat_json_counts(list);
    leat_json_times(list);
    while (cJSON_GetArraySize(list) > 0) {
        cJSON *row = cJSON_DetachItemFromArray(list, 0);
        (void)leat_json_print(&row, stdout);
    }
    return count;
}

static int
run(leat_cli *cli)
{
    char cursor[CURSOR_BYTES] = "";
    const bool follow = leat_options_flag(cli->options, "follow");
    leat_status status = LEAT_OK;
    bool more = true;
    if (leat_options_operand_count(cli->options) > 0)
        return leat_cli_usage(cli, "events takes no operands: leat events -f");
    const int code = leat_cli_connect(cli);
    if (code != LEAT_EXIT_OK)
        return code;
    while (more && status == LEAT_OK) {
        cJSON *answer = NULL;
        if (!follow)
            cli->gone_limit_ms = 2000;
        status = leat_stop_wanted() ? LEAT_REFUSED
                                    : ask(cli, cursor, follow && *cursor != '\0', &answer);
        more = status == LEAT_OK && (print(answer) > 0 || follow) && leat_cli_flush();
        (void)snprintf(cursor, sizeof cursor, "%s", leat_json_string(answer, "cursor"));
        cJSON_Delete(answer);
    }
    return status == LEAT_OK ? LEAT_EXIT_OK : leat_cli_failed(cli, status, "events");
}

static const leat_example examples[] = {
    {"leat events",                                           "what has happened lately"        },
    {"leat events -f",                                        "… and what happens from now on"},
    {"leat events -f | jq -c 'select(.event==\"job.dead\")'", "jobs that fail for good"         },
};

const leat_cli_command leat_cli_command_events = {
    .noun = "events",
    .summary = "print what happens, as lines of JSON",
    .operands = "",
    .about =
        "Batches are submitted, sealed and finished, jobs die, workers come, are lost and leave,\n"
        "channels are set, paused, resumed, closed, purged and removed, schedules fire. Each\n"
        "object has \"event\", \"at\", a rising \"number\", and what it is about.\n"
        "\n"
        "The broker keeps the last 1024 of its present life. Who is too slow for that is told how\n"
        "many are missing: {\"event\":\"gap\",\"lost\":17}. Jobs that are submitted by themselves are told\n"
        "while somebody follows. -f goes on over a restart of the broker, which is an event too.\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .run = run,
};
