/* leat doctor: is all well, and what is to be done where it is not? With `channel NAME` the line
 * and the exit code that monitoring systems want of a plug-in. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "client/cli/channels.h"
#include "client/cli/command.h"
#include "client/cli/duration.h"
#include "client/cli/ground.h"
#include "client/cli/json.h"
#include "client/cli/local.h"
#include "client/cli/stop.h"
#include "client/cli/threshold.h"
#include "proto/base/clock.h"
#include "proto/text.h"

#define CONNECT_MS      3000
#define ROUND_TRIP_WARN 0.2 /* s */
#define CLOCK_WARN_S    5.0
#define GONE_MS         2000

/* ---- the broker ---- */

/* The broker's epoch is its clock at its start, or more where that was set back since the last one;
 * so it tells roughly what its clock shows now. */
static void
check_clock(leat_findings *all, const cJSON *broker)
{
    const double there =
        (double)leat_json_count(broker, "epoch") + leat_json_real(broker, "uptime_s", 0);
    const double here = (double)leat_clock_wall_ms() / 1000;
    const double ahead = there - here;
    if (fabs(ahead) > CLOCK_WARN_S)
        leat_findings_add(all, LEAT_FINDING_WARN, "clock",
                          "Set both by NTP: --in, --at, schedules and expiry go by the broker's",
                          "the broker's clock is about %.0f s %s this one, or was set while it ran",
                          fabs(ahead), ahead > 0 ? "ahead of" : "behind");
    else
        leat_findings_add(all, LEAT_FINDING_OK, "clock", "", "within %.0f s of the broker's",
                          CLOCK_WARN_S);
}

static void
check_broker(leat_cli *cli, leat_findings *all, const cJSON *broker, double took_s)
{
    char up[LEAT_DURATION_BYTES];
    char software[64];
    const char *const theirs = leat_json_string(broker, "software");
    (void)snprintf(software, sizeof software, "leat %s", leat_version());
    const bool is_slow = took_s > ROUND_TRIP_WARN;
    leat_findings_add(
        all, is_slow ? LEAT_FINDING_WARN : LEAT_FINDING_OK, "broker",
        is_slow ? "It, or what lies between, has too much to do: leat broker info" : "",
        "%.300s answers in %.1f ms, up %s", leat_cli_place(leat_endpoint(cli->broker)),
        took_s * 1000, leat_duration_short(leat_json_real(broker, "uptime_s", -1), up));
    if (strcmp(software, theirs) == 0)
        leat_findings_add(all, LEAT_FINDING_OK, "version", "", "%s here and there", software);
    else
        leat_findings_add(all, LEAT_FINDING_WARN, "version",
                          "Install the same version on all hosts", "%s here, %.60s there", software,
                          theirs);
    check_clock(all, broker);
}

static void
check_store(leat_findings *all, const cJSON *broker)
{
    const bool is_full = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(broker, "full"));
    const uint64_t refused = leat_json_count(broker, "refused_for_space");
    const double mib = 1024.0 * 1024.0;
    if (is_full)
        leat_findings_add(
            all, LEAT_FINDING_FAIL, "store",
            "Make room on its disk; finished history goes first: --keep-for, --keep-bytes",
            "full: sends are refused, %" PRIu64 " until now", refused);
    else if (refused > 0)
        leat_findings_add(all, LEAT_FINDING_WARN, "store", "Look at the disk of the broker",
                          "it was full: %" PRIu64 " sends were refused since its start", refused);
    else
        leat_findings_add(all, LEAT_FINDING_OK, "store", "", "%.60s, %.1f MiB used",
                          leat_json_string(broker, "store"),
                          (double)leat_json_count(broker, "used_bytes") / mib);
}

static void
check_workers(leat_findings *all, const cJSON *workers)
{
    const uint64_t up = leat_json_count(workers, "up");
    const uint64_t draining = leat_json_count(workers, "draining");
    const uint64_t lost = leat_json_count(workers, "lost");
    if (up == 0)
        leat_findings_add(all, LEAT_FINDING_WARN, "workers",
                          draining > 0 ? "Give one jobs again: leat worker drain W --undo"
                                       : "Start one: leat-worker --slots 4",
                          draining > 0 ? "all are draining or set aside" : "there are none");
    else if (lost > 0)
        leat_findings_add(all, LEAT_FINDING_WARN, "workers", "Look: leat worker ls",
                          "%" PRIu64 " up, %" PRIu64 " lost without a good-bye", up, lost);
    else
        leat_findings_add(all, LEAT_FINDING_OK, "workers", "",
                          "%" PRIu64 " up, %" PRIu64 " of %" PRIu64 " slots busy", up,
                          leat_json_count(workers, "busy"), leat_json_count(workers, "slots"));
}

/* Channels in which something waits that does not go on by itself. */
static void
check_channels(leat_findings *all, const cJSON *answer)
{
    char advice[256];
    const cJSON *row;
    unsigned held = 0;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(answer, "channels"))
    {
        if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "paused")))
            continue;
        held++;
        (void)snprintf(advice, sizeof advice, "leat channel resume %.128s",
                       leat_json_string(row, "name"));
        leat_findings_add(all, LEAT_FINDING_WARN, "channel", advice,
                          "\"%.128s\" is paused, %" PRIu64 " wait", leat_json_string(row, "name"),
                          leat_json_count(row, "ready"));
    }
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(answer, "waiting"))
    {
        const char *const reason = leat_json_string(row, "reason");
        /* That all slots are busy is what they are for. */
        if (strncmp(reason, "no worker", 9) != 0)
            continue;
        held++;
        leat_findings_add(all, LEAT_FINDING_WARN, "channel", "Why: leat explain BATCH",
                          "%" PRIu64 " wait in \"%.128s\": %.300s", leat_json_count(row, "ready"),
                          leat_json_string(row, "channel"), reason);
    }
    if (held == 0)
        leat_findings_add(all, LEAT_FINDING_OK, "channels", "", "nothing is held up");
    const uint64_t dead =
        leat_json_count(cJSON_GetObjectItemCaseSensitive(answer, "broker"), "dead_jobs");
    if (dead > 0)
        leat_findings_add(all, LEAT_FINDING_WARN, "dead",
                          "Look: leat dead ls    Again: leat retry --dead", "%" PRIu64 " dead jobs",
                          dead);
}

static void
check_here(leat_findings *all, const char *endpoint)
{
    const pid_t pid = leat_local_listener(endpoint);
    if (pid <= 0) {
        leat_ground_limits(all, 0);
        return;
    }
    leat_ground_disk(all, pid);
    leat_ground_limits(all, pid);
}

static void
ask_broker(leat_cli *cli, leat_findings *all)
{
    const char *text = NULL;
    leat_status status = leat_cli_try(cli, CONNECT_MS);
    if (status != LEAT_OK) {
        const char *const why = cli->broker == NULL ? "" : leat_sentence(cli->broker);
        const bool is_silent = status == LEAT_NO_BROKER || status == LEAT_TIMED_OUT;
        leat_findings_add(all, LEAT_FINDING_FAIL, "broker",
                          is_silent
                              ? "Start one here: leat up    Use another: --broker, LEAT_BROKER"
                              : "What it says, and what to do: docs/keys.md",
                          "%.300s", *why != '\0' ? why : "no broker answered");
        leat_ground_limits(all, 0);
        return;
    }
    const int64_t begin_us = leat_clock_mono_us();
    cli->gone_limit_ms = GONE_MS;
    status = leat_query(cli->broker, "status", NULL, &text);
    cJSON *const answer = status == LEAT_OK ? cJSON_Parse(text) : NULL;
    if (answer == NULL) {
        leat_findings_add(all, LEAT_FINDING_FAIL, "broker", "Look into its log",
                          "it lets us in, and does not answer: %.300s", leat_sentence(cli->broker));
        return;
    }
    const cJSON *const broker = cJSON_GetObjectItemCaseSensitive(answer, "broker");
    check_broker(cli, all, broker, (double)(leat_clock_mono_us() - begin_us) / 1e6);
    check_store(all, broker);
    check_here(all, leat_endpoint(cli->broker));
    check_workers(all, cJSON_GetObjectItemCaseSensitive(answer, "workers"));
    check_channels(all, answer);
    cJSON_Delete(answer);
}

static int
run_whole(leat_cli *cli)
{
    leat_findings all = {0};
    leat_ground_programs(&all);
    leat_ground_folders(&all);
    leat_ground_keys(cli, &all);
    ask_broker(cli, &all);
    const int code = leat_findings_print(cli, &all);
    return leat_stop_signal() != 0 ? 128 + leat_stop_signal() : code;
}

/* ---- one channel, for monitoring ---- */

typedef struct monitor {
    const char *channel;
    leat_thresholds warn;
    leat_thresholds critical;
    double figures[LEAT_METRICS];
    bool known[LEAT_METRICS];
    bool paused;
} monitor;

static const char *const monitor_words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

/* The one line of a state without figures. */
static int
say_state(leat_cli *cli, leat_finding_state state, const char *channel, const char *why)
{
    char line[1024];
    char safe[2048];
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        leat_json_put_bytes(json, "channel", channel, strlen(channel));
        (void)cJSON_AddStringToObject(json, "state", leat_finding_word(state));
        leat_json_put_bytes(json, "why", why, strlen(why));
        (void)leat_json_print(&json, stdout);
        return (int)state;
    }
    (void)snprintf(line, sizeof line, "%.128s: %.500s", channel, why);
    (void)leat_screen_safe(line, strlen(line), cli->out.utf8, 0, safe, sizeof safe);
    for (char *p = safe; (p = strchr(p, '|')) != NULL;)
        *p = '/'; /* figures begin behind one */
    (void)printf("LEAT %s - %s\n", monitor_words[state], safe);
    return (int)state;
}

static bool
take_limits(const leat_cli *cli, const char *option, leat_thresholds *out, char why[512])
{
    const char *const *pairs;
    char reason[256];
    const size_t count = leat_options_list(cli->options, option, &pairs);
    for (size_t i = 0; i < count; i++) {
        /* "a=1,b=2" is one word of the command line, and two in a variable. */
        for (const char *rest = pairs[i]; *rest != '\0';) {
            char pair[256];
            const size_t size = strcspn(rest, ",");
            (void)snprintf(pair, sizeof pair, "%.*s", (int)size, rest);
            if (!leat_thresholds_take(out, pair, reason)) {
                (void)snprintf(why, 512, "--%s: %s", option, reason);
                return false;
            }
            rest += size + (rest[size] == ',');
        }
    }
    return true;
}

static void
take_figure(monitor *self, leat_metric metric, const cJSON *row, const char *key)
{
    if (cJSON_GetObjectItemCaseSensitive(row, key) == NULL)
        return;
    self->known[metric] = true;
    self->figures[metric] = leat_json_real(row, key, (double)leat_json_count(row, key));
}

/* The age of the oldest stands in the list of channels only. */
static leat_status
look_for_oldest(leat_cli *cli, monitor *self)
{
    const char *text;
    const cJSON *row;
    const leat_status status = leat_query(cli->broker, "status", NULL, &text);
    cJSON *const answer = status == LEAT_OK ? cJSON_Parse(text) : NULL;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(answer, "channels"))
    {
        if (strcmp(leat_json_string(row, "name"), self->channel) == 0)
            take_figure(self, LEAT_METRIC_OLDEST, row, "oldest_s");
    }
    cJSON_Delete(answer);
    return status;
}

static leat_status
look(leat_cli *cli, monitor *self)
{
    cJSON *row = NULL;
    leat_status status = leat_channels_look(cli, self->channel, &row);
    if (status != LEAT_OK)
        return status;
    for (int metric = LEAT_METRIC_READY; metric <= LEAT_METRIC_DEAD; metric++)
        take_figure(self, (leat_metric)metric, row, leat_metric_name((leat_metric)metric));
    self->paused = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "paused"));
    cJSON_Delete(row);
    status = look_for_oldest(cli, self);
    /* Where nothing waits nothing is old. */
    if (!self->known[LEAT_METRIC_OLDEST] && self->figures[LEAT_METRIC_READY] == 0)
        self->known[LEAT_METRIC_OLDEST] = true;
    return status;
}

static leat_finding_state
judge(const monitor *self)
{
    leat_finding_state state = LEAT_FINDING_OK;
    for (int i = 0; i < LEAT_METRICS; i++) {
        const leat_metric metric = (leat_metric)i;
        const bool asked = self->warn.given[i] || self->critical.given[i];
        if (asked && !self->known[i])
            return LEAT_FINDING_UNKNOWN;
        if (leat_thresholds_exceeds(&self->critical, metric, self->figures[i]))
            return LEAT_FINDING_FAIL;
        if (leat_thresholds_exceeds(&self->warn, metric, self->figures[i]))
            state = LEAT_FINDING_WARN;
    }
    return state;
}

static void
print_limit(const leat_thresholds *limits, int metric)
{
    (void)putchar(';');
    if (limits->given[metric])
        (void)printf("%.15g", limits->limit[metric]);
}

/* "LEAT WARNING - news: 1200 ready, … | ready=1200;1000;5000;0 …" */
static void
print_figures(const leat_cli *cli, const monitor *self, leat_finding_state state)
{
    char age[LEAT_DURATION_BYTES];
    char safe[512];
    (void)leat_screen_safe(self->channel, strlen(self->channel), cli->out.utf8, 0, safe,
                           sizeof safe);
    for (char *p = safe; (p = strchr(p, '|')) != NULL;)
        *p = '/';
    (void)printf("LEAT %s - %s:", monitor_words[state], safe);
    for (int i = 0; i < LEAT_METRICS; i++) {
        if (!self->known[i])
            continue;
        if (i == LEAT_METRIC_OLDEST)
            (void)printf(", oldest %s", leat_duration_short(self->figures[i], age));
        else
            (void)printf("%s %.0f %s", i == 0 ? "" : ",", self->figures[i],
                         leat_metric_name((leat_metric)i));
    }
    (void)printf("%s |", self->paused ? ", paused" : "");
    for (int i = 0; i < LEAT_METRICS; i++) {
        if (!self->known[i])
            continue;
        (void)printf(" %s=%.15g%s", leat_metric_name((leat_metric)i), self->figures[i],
                     i == LEAT_METRIC_OLDEST ? "s" : "");
        print_limit(&self->warn, i);
        print_limit(&self->critical, i);
        (void)printf(";0");
    }
    (void)putchar('\n');
}

static void
print_monitor_json(const monitor *self, leat_finding_state state)
{
    cJSON *json = cJSON_CreateObject();
    leat_json_put_bytes(json, "channel", self->channel, strlen(self->channel));
    (void)cJSON_AddStringToObject(json, "state", leat_finding_word(state));
    for (int i = 0; i < LEAT_METRICS; i++) {
        if (self->known[i])
            (void)cJSON_AddNumberToObject(
                json, i == LEAT_METRIC_OLDEST ? "oldest_s" : leat_metric_name((leat_metric)i),
                self->figures[i]);
    }
    (void)cJSON_AddBoolToObject(json, "paused", self->paused);
    (void)leat_json_print(&json, stdout);
}

static int
run_channel(leat_cli *cli, const char *channel)
{
    char why[512];
    monitor self = {.channel = channel};
    if (!leat_name_is_valid(leat_text_of(channel)))
        return say_state(cli, LEAT_FINDING_UNKNOWN, "leat", "that is no name of a channel");
    if (!take_limits(cli, "warn", &self.warn, why) ||
        !take_limits(cli, "crit", &self.critical, why))
        return say_state(cli, LEAT_FINDING_UNKNOWN, channel, why);
    leat_status status = leat_cli_try(cli, CONNECT_MS);
    cli->gone_limit_ms = GONE_MS;
    if (status == LEAT_OK)
        status = look(cli, &self);
    if (status == LEAT_NOT_FOUND)
        return say_state(cli, LEAT_FINDING_UNKNOWN, channel, "there is no such channel");
    if (status != LEAT_OK) {
        const char *const told = cli->broker == NULL ? "" : leat_sentence(cli->broker);
        (void)snprintf(why, sizeof why, "%.400s", *told != '\0' ? told : "no broker answered");
        return say_state(cli, LEAT_FINDING_FAIL, channel, why);
    }
    const leat_finding_state state = judge(&self);
    if (state == LEAT_FINDING_UNKNOWN)
        return say_state(cli, state, channel,
                         "the age of the oldest is not known: the broker has too many channels");
    if (cli->json)
        print_monitor_json(&self, state);
    else
        print_figures(cli, &self, state);
    return (int)state;
}

/* ---- the command ---- */

static int
run(leat_cli *cli)
{
    const size_t count = leat_options_operand_count(cli->options);
    if (count == 0) {
        if (leat_options_given(cli->options, "warn") || leat_options_given(cli->options, "crit"))
            return leat_cli_usage(cli, "--warn and --crit are for: leat doctor channel NAME");
        return run_whole(cli);
    }
    if (count != 2 || strcmp(leat_options_operand(cli->options, 0), "channel") != 0)
        return leat_cli_usage(cli,
                              "doctor looks at all, or at one channel: leat doctor channel NAME");
    return run_channel(cli, leat_options_operand(cli->options, 1));
}

static const leat_option rows[] = {
    {.name = "warn",
     .type = LEAT_OPTION_LIST,
     .value = "FIGURE=N",
     .help = "of a channel: more is a warning; ready, running, delayed, held, dead, oldest=60s",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "crit",
     .type = LEAT_OPTION_LIST,
     .value = "FIGURE=N",
     .help = "... and more is critical",
     .flags = LEAT_OPTION_NOT_IN_FILE},
};

static const leat_example examples[] = {
    {"leat doctor",                                                             "is all well, and what is to be done?"},
    {"leat doctor channel news --warn ready=1000,oldest=60s --crit ready=5000",
     "for a monitoring system"                                                                                        },
};

const leat_cli_command leat_cli_command_doctor = {
    .noun = "doctor",
    .summary = "say what is not well, and what to do",
    .operands = "[channel NAME]",
    .takes = "channel",
    .about =
        "Each line is ok, warn or fail, and what to do stands below. Looked at are programs and\n"
        "settings, folders, keys, the broker and its store, its disk if it runs here (some synced\n"
        "writes of 16 KiB into a file without a name), workers and channels. Exit 0: nothing to do,\n"
        "1: something to look at, 2: something has failed.\n"
        "\n"
        "With `channel NAME` it prints the one line that monitoring plug-ins print, with figures\n"
        "behind a |, and ends with their codes: 0 ok, 1 warning, 2 critical (also: no broker), 3\n"
        "unknown (no such channel, a figure that there is not).\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .run = run,
};
