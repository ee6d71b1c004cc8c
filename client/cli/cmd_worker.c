/* leat worker ls: the workers that the broker knows. */
#include <inttypes.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/duration.h"
#include "client/cli/json.h"

static const leat_column columns[] = {
    {"WORKER",   false, 9},
    {"STATE",    false, 8},
    {"SLOTS",    true,  7},
    {"RUNNING",  true,  6},
    {"QUEUED",   true,  3},
    {"DONE",     true,  5},
    {"SEEN",     true,  2},
    {"HOST",     false, 4},
    {"HANDLERS", false, 1},
};

/* "echo noop seed" of an array of texts. */
static void
join(const cJSON *array, char *out, size_t size)
{
    size_t used = 0;
    const cJSON *item;
    out[0] = '\0';
    cJSON_ArrayForEach(item, array)
    {
        /* Today a handler is its name; a broker that says more of it has the name inside. */
        const char *const name =
            cJSON_IsString(item) ? item->valuestring : leat_json_string(item, "name");
        const int wrote = snprintf(out + used, size - used, "%s%s", used > 0 ? " " : "", name);
        if (wrote < 0 || (size_t)wrote >= size - used)
            return;
        used += (size_t)wrote;
    }
}

static bool
add_worker(leat_table *table, const cJSON *worker)
{
    static const char *const keys[] = {"slots", "running", "queued", "done"};
    char figures[4][24];
    char seen[LEAT_DURATION_BYTES];
    char handlers[1024];
    for (size_t i = 0; i < LEAT_COUNT_OF(keys); i++)
        (void)snprintf(figures[i], sizeof figures[i], "%" PRIu64, leat_json_count(worker, keys[i]));
    (void)leat_duration_short(leat_json_real(worker, "seen_s", -1), seen);
    join(cJSON_GetObjectItemCaseSensitive(worker, "handlers"), handlers, sizeof handlers);
    const char *const cells[] = {leat_json_string(worker, "name"),
                                 leat_json_string(worker, "state"),
                                 figures[0],
                                 figures[1],
                                 figures[2],
                                 figures[3],
                                 seen,
                                 leat_json_string(worker, "host"),
                                 handlers};
    return leat_table_add(table, cells);
}

static int
run(leat_cli *cli)
{
    cJSON *all = NULL;
    cJSON *arguments = NULL;
    const cJSON *worker;
    leat_table *table = NULL;
    if (leat_options_operand_count(cli->options) > 0)
        return leat_cli_usage(cli, "worker ls takes no operands");
    int code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_query_all(cli, "workers", &arguments, "workers", &all);
    if (code != LEAT_EXIT_OK)
        goto done;

    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        leat_json_counts(all);
        (void)cJSON_AddItemToObject(json, "workers", all);
        all = NULL;
        (void)leat_json_print(&json, stdout);
        goto done;
    }
    table = leat_table_new(columns, LEAT_COUNT_OF(columns));
    cJSON_ArrayForEach(worker, all)
    {
        if (table != NULL)
            (void)add_worker(table, worker);
    }
    if (table != NULL && (cJSON_GetArraySize(all) > 0))
        leat_table_print(table, &cli->out, cli->plain, stdout);
    if (cJSON_GetArraySize(all) == 0)
        leat_cli_say(cli, "no workers.  Start one: leat-worker --slots 4");

done:
    leat_table_destroy(&table);
    cJSON_Delete(all);
    return code;
}

static const leat_example examples[] = {
    {"leat worker ls",                   "which workers there are, and what they do"},
    {"leat worker ls --plain | cut -f1", "their names"                              },
};

const leat_cli_command leat_cli_command_worker_ls = {
    .noun = "worker",
    .verb = "ls",
    .summary = "list workers",
    .operands = "",
    .about = "",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .run = run,
};
