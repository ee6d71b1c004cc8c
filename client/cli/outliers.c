/* Workers that stand out. */
#include "client/cli/outliers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/json.h"
#include "client/cli/screen.h"

void
leat_outliers_row(const cJSON *row, char *out, size_t size)
{
    (void)snprintf(out, size,
                   "failed %" PRIu64 " of %" PRIu64 " \"%.128s\" in the last %" PRIu64
                   " minutes; the others %" PRIu64 " of %" PRIu64,
                   leat_json_count(row, "failed"), leat_json_count(row, "ended"),
                   leat_json_string(row, "handler"), leat_json_count(row, "minutes"),
                   leat_json_count(row, "others_failed"), leat_json_count(row, "others_ended"));
}

static bool
is_true(const cJSON *row, const char *key)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, key));
}

static const char *
arrow(const leat_cli *cli)
{
    return cli->out.utf8 ? "\xe2\x86\x92" : "->";
}

static void
print_safe(const leat_cli *cli, const char *line, FILE *out)
{
    char safe[4096];
    (void)leat_screen_safe(line, strlen(line), cli->out.utf8, 0, safe, sizeof safe);
    (void)fprintf(out, "%s\n", safe);
}

void
leat_outliers_print(const leat_cli *cli, const cJSON *list, FILE *out)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, list)
    {
        char figures[512];
        char line[2048];
        const char *const worker = leat_json_string(row, "worker");
        if (!is_true(row, "stands_out"))
            continue;
        leat_outliers_row(row, figures, sizeof figures);
        if (is_true(row, "drained"))
            (void)snprintf(line, sizeof line, "  worker %.128s (host %.128s, drained) %s", worker,
                           leat_json_string(row, "host"), figures);
        else
            (void)snprintf(line, sizeof line,
                           "  worker %.128s (host %.128s) %s   %s leat worker drain %.128s", worker,
                           leat_json_string(row, "host"), figures, arrow(cli), worker);
        print_safe(cli, line, out);
    }
}

void
leat_outliers_hint(const leat_cli *cli, const cJSON *list, FILE *out)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, list)
    {
        char line[512];
        if (!is_true(row, "stands_out") || is_true(row, "drained"))
            continue;
        (void)snprintf(line, sizeof line,
                       "It fails what others do well.  Set it aside: leat worker drain %.128s",
                       leat_json_string(row, "worker"));
        print_safe(cli, line, out);
        return;
    }
}
