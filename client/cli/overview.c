/* The broker, its workers and channels on one screen. */
#include "client/cli/overview.h"

#include <inttypes.h>
#include <string.h>

#include "client/cli/channels.h"
#include "client/cli/duration.h"
#include "client/cli/json.h"

/* "leat 0.4.0" -> "0.4.0" */
static const char *
version_of(const char *software)
{
    const char *const blank = strchr(software, ' ');
    return blank == NULL ? software : blank + 1;
}

static void
print_broker(const leat_cli *cli, const cJSON *broker, FILE *out)
{
    char up[LEAT_DURATION_BYTES];
    char line[1024];
    char safe[1024];
    (void)snprintf(line, sizeof line, "broker   %s   up %s   %s   store: %s",
                   leat_cli_place(leat_endpoint(cli->broker)),
                   leat_duration_short(leat_json_real(broker, "uptime_s", -1), up),
                   version_of(leat_json_string(broker, "software")),
                   leat_json_string(broker, "store"));
    (void)leat_screen_safe(line, strlen(line), cli->out.utf8, 0, safe, sizeof safe);
    (void)fprintf(out, "%s\n", safe);
}

static void
print_workers(const cJSON *workers, FILE *out)
{
    char line[160];
    size_t used =
        (size_t)snprintf(line, sizeof line, "%" PRIu64 " up", leat_json_count(workers, "up"));
    if (leat_json_count(workers, "draining") > 0)
        used += (size_t)snprintf(line + used, sizeof line - used, ", %" PRIu64 " draining",
                                 leat_json_count(workers, "draining"));
    if (leat_json_count(workers, "lost") > 0)
        (void)snprintf(line + used, sizeof line - used, ", %" PRIu64 " lost",
                       leat_json_count(workers, "lost"));
    (void)fprintf(out, "workers  %-20s   slots %" PRIu64 "/%" PRIu64 " busy\n", line,
                  leat_json_count(workers, "busy"), leat_json_count(workers, "slots"));
}

static void
print_waiting(const leat_cli *cli, const cJSON *waiting, FILE *out)
{
    const cJSON *entry;
    cJSON_ArrayForEach(entry, waiting)
    {
        char line[1024];
        char safe[2048];
        const uint64_t ready = leat_json_count(entry, "ready");
        (void)snprintf(line, sizeof line, "%" PRIu64 " job%s in \"%.200s\": %.500s", ready,
                       ready == 1 ? " waits" : "s wait", leat_json_string(entry, "channel"),
                       leat_json_string(entry, "reason"));
        (void)leat_screen_safe(line, strlen(line), cli->out.utf8, 0, safe, sizeof safe);
        (void)fprintf(out, "%s\n", safe);
    }
}

void
leat_overview_print(const leat_cli *cli, const cJSON *answer, FILE *out)
{
    if (!cli->plain) {
        print_broker(cli, cJSON_GetObjectItemCaseSensitive(answer, "broker"), out);
        print_workers(cJSON_GetObjectItemCaseSensitive(answer, "workers"), out);
    }
    (void)leat_channels_print(cli, cJSON_GetObjectItemCaseSensitive(answer, "channels"), out);
    if (cli->plain)
        return;
    const uint64_t left_off = leat_json_count(answer, "channels_left_off");
    if (left_off > 0)
        (void)fprintf(out, "%s %" PRIu64 " more channels\n", cli->out.utf8 ? "…" : "...", left_off);
    print_waiting(cli, cJSON_GetObjectItemCaseSensitive(answer, "waiting"), out);
    const uint64_t dead =
        leat_json_count(cJSON_GetObjectItemCaseSensitive(answer, "broker"), "dead_jobs");
    if (dead > 0)
        (void)fprintf(out,
                      "%" PRIu64 " dead job%s.  Look: leat dead ls    Again: leat retry --dead\n",
                      dead, dead == 1 ? "" : "s");
}
