/* How attempts have ended. */
#include "client/cli/attempts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/duration.h"
#include "client/cli/json.h"
#include "client/cli/screen.h"
#include "client/cli/when.h"
#include "proto/base/clock.h"

#define STDERR_LINES 20U /* that are shown */

static void
print_safe(const leat_cli *cli, const char *text, size_t size, unsigned indent, FILE *out)
{
    char safe[4096];
    (void)leat_screen_safe(text, size, cli->out.utf8, 0, safe, sizeof safe);
    (void)fprintf(out, "%*s%s\n", (int)indent, "", safe);
}

/* What stands behind the colon. */
static const char *
end_of(const cJSON *row)
{
    const char *const end = leat_json_string(row, "end");
    if (strcmp(end, "lost") == 0)
        return "lost with its worker";
    if (strcmp(end, "suspect") == 0)
        return "its worker was lost with it; not counted";
    if (cJSON_HasObjectItem(row, "error_b64"))
        return "failed (with bytes that are no text)";
    return leat_json_string(row, "error")[0] == '\0' ? end : leat_json_string(row, "error");
}

static void
print_row(const leat_cli *cli, const cJSON *row, unsigned indent, FILE *out)
{
    char line[1024];
    char when[LEAT_WHEN_BYTES];
    char ran[LEAT_DURATION_BYTES];
    char after[LEAT_DURATION_BYTES + 16] = "";
    const char *const worker = leat_json_string(row, "worker");
    const double run_s = leat_json_real(row, "run_us", 0) / 1e6;
    if (run_s > 0)
        (void)snprintf(after, sizeof after, ", after %s", leat_duration_spoken(run_s, ran));
    (void)snprintf(
        line, sizeof line, "%" PRIu64 "%s%.128s, %s%s: %.400s", leat_json_count(row, "attempt"),
        *worker == '\0' ? "" : " on ", worker,
        leat_when_text((int64_t)leat_json_real(row, "ended_ms", 0), leat_clock_wall_ms(), when),
        after, end_of(row));
    print_safe(cli, line, strlen(line), indent, out);
}

void
leat_attempts_print(const leat_cli *cli, const cJSON *failure, unsigned indent, FILE *out)
{
    const cJSON *row;
    const uint64_t older = leat_json_count(failure, "older_attempts");
    if (older > 0)
        (void)fprintf(out, "%*s%" PRIu64 " before these are not kept\n", (int)indent, "", older);
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(failure, "attempt_list"))
    {
        print_row(cli, row, indent, out);
    }
}

/* The last lines of a text, of which a last one without an end is one too. */
static const char *
last_lines(const char *text, unsigned lines)
{
    const char *at = text + strlen(text);
    if (at > text && at[-1] == '\n')
        at--;
    for (; at > text; at--) {
        if (at[-1] == '\n' && --lines == 0)
            break;
    }
    return at;
}

void
leat_attempts_print_stderr(const leat_cli *cli, const cJSON *failure, unsigned indent, FILE *out)
{
    const char *const text = leat_json_string(failure, "stderr");
    const char *line = last_lines(text, STDERR_LINES);
    const bool cut =
        line > text || cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(failure, "stderr_is_tail"));
    if (*text == '\0' && cJSON_HasObjectItem(failure, "stderr_b64"))
        (void)fprintf(out, "%*s(bytes that are no text)\n", (int)indent, "");
    if (cut)
        (void)fprintf(out, "%*s(the end of it)\n", (int)indent, "");
    while (*line != '\0') {
        const size_t size = strcspn(line, "\n");
        print_safe(cli, line, size, indent, out);
        line += size + (line[size] == '\n');
    }
}

cJSON *
leat_attempts_ask(leat_cli *cli, uint64_t job)
{
    char arguments[64];
    const char *text;
    (void)snprintf(arguments, sizeof arguments, "{\"job\":\"%" PRIu64 "\"}", job);
    cli->gone_limit_ms = 2000;
    return leat_query(cli->broker, "dead.show", arguments, &text) == LEAT_OK ? cJSON_Parse(text)
                                                                             : NULL;
}
