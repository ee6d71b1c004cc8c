/* The list of dead jobs. */
#include "client/cli/dead.h"

#include <stdlib.h>
#include <string.h>

#include "client/cli/json.h"
#include "proto/limits.h"

cJSON *
leat_dead_filter(const leat_cli *cli, int *code)
{
    cJSON *const filter = cJSON_CreateObject();
    *code = LEAT_EXIT_OK;
    if (leat_options_origin(cli->options, "channel") == LEAT_ORIGIN_COMMAND_LINE) {
        const char *const channel = leat_options_text(cli->options, "channel");
        *code = leat_cli_check_name(cli, "--channel", channel);
        (void)cJSON_AddStringToObject(filter, "channel", channel);
    }
    const char *const where = leat_options_text(cli->options, "where");
    if (where != NULL)
        (void)cJSON_AddStringToObject(filter, "error", where);
    if (*code == LEAT_EXIT_OK)
        *code = leat_listing_since(cli, filter);
    return filter;
}

int
leat_dead_ask(leat_cli *cli, cJSON **filter_p, cJSON **dead_p)
{
    cJSON *answer = NULL;
    const leat_listing what = {.query = "dead", .key = "dead", .rows_max = LEAT_DEAD_MAX};
    const int code = leat_listing_ask(cli, &what, filter_p, &answer);
    *dead_p = cJSON_DetachItemFromObjectCaseSensitive(answer, "dead");
    cJSON_Delete(answer);
    return code;
}

size_t
leat_dead_choose(const cJSON *list, const leat_selector *which, cJSON *ids)
{
    size_t count = 0;
    const cJSON *row;
    cJSON_ArrayForEach(row, list)
    {
        const uint64_t place = leat_json_count(row, "place");
        if (leat_json_count(row, "batch") != which->batch ||
            (which->kind == LEAT_SELECTOR_JOBS && (place < which->first || place > which->last)))
            continue;
        (void)cJSON_AddItemToArray(ids, cJSON_CreateString(leat_json_string(row, "job")));
        count++;
    }
    return count;
}
