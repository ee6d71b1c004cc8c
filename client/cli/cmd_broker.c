/* leat broker ping and wait: is it there? info: how is it? stop: end it. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/duration.h"
#include "client/cli/json.h"
#include "client/cli/local.h"
#include "client/cli/stop.h"
#include "proto/base/clock.h"

#define TRY_MS   500
#define PAUSE_US 50000

/* Ask for a ping on the open connection and print its answer. */
static int
print_ping(leat_cli *cli)
{
    const char *text;
    char up[LEAT_DURATION_BYTES];
    char line[1024];
    char safe[1024];
    const int64_t started_us = leat_clock_mono_us();
    const int code = leat_cli_query(cli, "ping", NULL, &text);
    if (code != LEAT_EXIT_OK)
        return code;
    const double took_s = (double)(leat_clock_mono_us() - started_us) / 1e6;
    cJSON *answer = cJSON_Parse(text);
    if (answer == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "PROTOCOL", NULL,
                             "the broker's answer is not understood");
    if (cli->json) {
        (void)cJSON_AddStringToObject(answer, "endpoint", leat_endpoint(cli->broker));
        (void)cJSON_AddNumberToObject(answer, "round_trip_s", took_s);
        (void)leat_json_print(&answer, stdout);
        return LEAT_EXIT_OK;
    }
    (void)snprintf(line, sizeof line, "%s answers in %.1f ms, up %s, %s, store: %s",
                   leat_cli_place(leat_endpoint(cli->broker)), took_s * 1000,
                   leat_duration_short(leat_json_real(answer, "uptime_s", -1), up),
                   leat_json_string(answer, "software"), leat_json_string(answer, "store"));
    (void)leat_screen_safe(line, strlen(line), cli->out.utf8, 0, safe, sizeof safe);
    (void)printf("%s\n", safe);
    cJSON_Delete(answer);
    return LEAT_EXIT_OK;
}

static int
run_ping(leat_cli *cli)
{
    if (leat_options_operand_count(cli->options) > 0)
        return leat_cli_usage(cli, "broker ping takes no operands");
    if (leat_options_given(cli->options, "timeout"))
        leat_stop_after(leat_options_ms(cli->options, "timeout"));
    const int code = leat_cli_connect(cli);
    return code == LEAT_EXIT_OK ? print_ping(cli) : code;
}

static int
run_wait(leat_cli *cli)
{
    char waited[LEAT_DURATION_BYTES];
    const int64_t limit_ms = leat_options_ms(cli->options, "timeout");
    const int64_t until_ms = leat_clock_mono_ms() + limit_ms;
    if (leat_options_operand_count(cli->options) > 0)
        return leat_cli_usage(cli, "broker wait takes no operands");
    for (;;) {
        const int64_t left_ms = until_ms - leat_clock_mono_ms();
        const leat_status status =
            leat_cli_try(cli, left_ms < TRY_MS && left_ms > 0 ? left_ms : TRY_MS);
        if (status == LEAT_OK)
            break;
        if (leat_stop_signal() != 0)
            return 128 + leat_stop_signal();
        /* Only silence gets better by waiting. */
        if (status != LEAT_NO_BROKER && status != LEAT_TIMED_OUT)
            return leat_cli_failed(cli, status, NULL);
        if (leat_clock_mono_ms() >= until_ms)
            return leat_cli_fail(cli, LEAT_EXIT_TIMEOUT, "TIMEOUT", NULL,
                                 "no broker answered within %s",
                                 leat_duration_spoken((double)limit_ms / 1000, waited));
        (void)usleep(PAUSE_US);
    }
    if (cli->json)
        return print_ping(cli);
    if (cli->verbose)
        leat_cli_say(cli, "%s answers", leat_cli_place(leat_endpoint(cli->broker)));
    return LEAT_EXIT_OK;
}

/* ---- leat broker info ---- */

#define MIB (1024.0 * 1024.0)

static void
print_line(const leat_cli *cli, const char *head, const char *text)
{
    char safe[2048];
    (void)leat_screen_safe(text, strlen(text), cli->out.utf8, 0, safe, sizeof safe);
    (void)printf("%-9s%s\n", head, safe);
}

static void
print_store(const leat_cli *cli, const cJSON *broker)
{
    char line[512];
    const bool is_full = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(broker, "full"));
    (void)snprintf(
        line, sizeof line, "%.100s, %.1f MiB used of a file of %.1f MiB%s",
        leat_json_string(broker, "store"), (double)leat_json_count(broker, "used_bytes") / MIB,
        (double)leat_json_count(broker, "file_bytes") / MIB,
        is_full ? " that cannot grow: full, sends are refused" : " that grows as it must");
    print_line(cli, "store", line);
    (void)snprintf(
        line, sizeof line, "%" PRIu64 " finished jobs, %" PRIu64 " batches, %" PRIu64 " dead jobs",
        leat_json_count(broker, "history_jobs"), leat_json_count(broker, "history_batches"),
        leat_json_count(broker, "dead_jobs"));
    print_line(cli, "kept", line);
    (void)snprintf(
        line, sizeof line, "%" PRIu64 " jobs, %" PRIu64 " batches, %" PRIu64 " dead jobs",
        leat_json_count(broker, "dropped_jobs"), leat_json_count(broker, "dropped_batches"),
        leat_json_count(broker, "dropped_dead"));
    print_line(cli, "dropped", line);
}

static void
print_info(const leat_cli *cli, const cJSON *answer)
{
    char line[1024];
    char up[LEAT_DURATION_BYTES];
    const cJSON *const broker = cJSON_GetObjectItemCaseSensitive(answer, "broker");
    const cJSON *const workers = cJSON_GetObjectItemCaseSensitive(answer, "workers");
    (void)snprintf(line, sizeof line, "%.300s, %.100s, process %" PRIu64,
                   leat_cli_place(leat_endpoint(cli->broker)), leat_json_string(broker, "software"),
                   leat_json_count(broker, "pid"));
    print_line(cli, "broker", line);
    (void)snprintf(line, sizeof line, "%s, epoch %" PRIu64 ", id %.40s",
                   leat_duration_short(leat_json_real(broker, "uptime_s", -1), up),
                   leat_json_count(broker, "epoch"), leat_json_string(broker, "broker"));
    print_line(cli, "up", line);
    print_store(cli, broker);
    (void)snprintf(line, sizeof line,
                   "%" PRIu64 " up, %" PRIu64 " draining, %" PRIu64 " lost, %" PRIu64 " of %" PRIu64
                   " slots busy",
                   leat_json_count(workers, "up"), leat_json_count(workers, "draining"),
                   leat_json_count(workers, "lost"), leat_json_count(workers, "busy"),
                   leat_json_count(workers, "slots"));
    print_line(cli, "workers", line);
}

static int
run_info(leat_cli *cli)
{
    const char *text;
    if (leat_options_operand_count(cli->options) > 0)
        return leat_cli_usage(cli, "broker info takes no operands");
    int code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_query(cli, "status", NULL, &text);
    if (code != LEAT_EXIT_OK)
        return code;
    cJSON *answer = cJSON_Parse(text);
    if (answer == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "PROTOCOL", NULL,
                             "the broker's answer is not understood");
    if (!cli->json) {
        print_info(cli, answer);
        cJSON_Delete(answer);
        return LEAT_EXIT_OK;
    }
    leat_json_counts(answer);
    cJSON *broker = cJSON_DetachItemFromObjectCaseSensitive(answer, "broker");
    (void)cJSON_AddStringToObject(broker, "endpoint", leat_endpoint(cli->broker));
    (void)cJSON_AddItemToObject(broker, "workers",
                                cJSON_DetachItemFromObjectCaseSensitive(answer, "workers"));
    (void)leat_json_print(&broker, stdout);
    cJSON_Delete(answer);
    return LEAT_EXIT_OK;
}

/* ---- leat broker stop ---- */

static int
run_stop(leat_cli *cli)
{
    char place[256];
    char endpoint[256];
    int fd;
    if (leat_options_operand_count(cli->options) > 0)
        return leat_cli_usage(cli, "broker stop takes no operands");
    int code = leat_cli_connect(cli);
    if (code != LEAT_EXIT_OK)
        return code;
    (void)snprintf(endpoint, sizeof endpoint, "%s", leat_endpoint(cli->broker));
    (void)snprintf(place, sizeof place, "%s", leat_cli_place(endpoint));
    leat_cli_disconnect(cli);
    if (strncmp(endpoint, "ipc://", 6) != 0)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NOT_HERE",
                             "On its host: leat broker stop, or end its service or container",
                             "the broker at %s cannot be ended over the network", place);
    const pid_t pid = leat_local_listener(endpoint);
    if (leat_local_is_of_up(pid))
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "OF_UP", "Worker and broker, draining: leat down",
                             "the broker is kept running by your leat up");
    const leat_err err = leat_local_hold(pid, "leat-broker", &fd);
    if (err != LEAT_ERR_OK)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, leat_err_name(err),
                             "In a container: docker stop. A service: systemctl stop",
                             "the broker's process cannot be seen from here");
    code = leat_local_end(cli, fd, "the broker");
    (void)close(fd);
    if (code != LEAT_EXIT_OK)
        return code;
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        (void)cJSON_AddBoolToObject(json, "stopped", 1);
        (void)cJSON_AddNumberToObject(json, "pid", pid);
        (void)leat_json_print(&json, stdout);
    }
    leat_cli_say(cli, "the broker at %s has stopped; its workers wait for it to come back", place);
    return LEAT_EXIT_OK;
}

static const leat_option stop_rows[] = {
    LEAT_ROW_TIMEOUT("how long to wait for its end (exit 124)"),
};

static const leat_example info_examples[] = {
    {"leat broker info",                         "version, store, what is kept, workers"},
    {"leat broker info --json | jq .room_bytes", "one of its figures"                   },
};

static const leat_example stop_examples[] = {
    {"leat broker stop", "on its host; everything is on disk already"},
};

static const leat_option ping_rows[] = {
    LEAT_ROW_TIMEOUT("give up after this time (exit 124)"),
};

static const leat_option wait_rows[] = {
    {.name = "timeout",
     .type = LEAT_OPTION_DURATION,
     .value = "D",
     .fallback = "30s",
     .help = "give up after this time (exit 124)"},
};

static const leat_example ping_examples[] = {
    {"leat broker ping",              "does it answer, and how fast?"},
    {"leat broker ping -q && deploy", "in a script"                  },
};

static const leat_example wait_examples[] = {
    {"leat broker wait && leat submit --handler echo hi", "as soon as there is one"},
    {"leat broker wait --timeout 2m",                     "two minutes at most"    },
};

const leat_cli_command leat_cli_command_broker_ping = {
    .noun = "broker",
    .verb = "ping",
    .summary = "ask whether a broker answers",
    .operands = "",
    .about = "",
    .examples = ping_examples,
    .example_count = LEAT_COUNT_OF(ping_examples),
    .rows = ping_rows,
    .row_count = LEAT_COUNT_OF(ping_rows),
    .run = run_ping,
};

const leat_cli_command leat_cli_command_broker_wait = {
    .noun = "broker",
    .verb = "wait",
    .summary = "wait until a broker answers",
    .operands = "",
    .about = "Says nothing when it ends with 0 (-v: a line).\n",
    .examples = wait_examples,
    .example_count = LEAT_COUNT_OF(wait_examples),
    .rows = wait_rows,
    .row_count = LEAT_COUNT_OF(wait_rows),
    .run = run_wait,
};

const leat_cli_command leat_cli_command_broker_info = {
    .noun = "broker",
    .verb = "info",
    .summary = "show the broker: version, store, what is kept",
    .operands = "",
    .about = "",
    .examples = info_examples,
    .example_count = LEAT_COUNT_OF(info_examples),
    .run = run_info,
};

const leat_cli_command leat_cli_command_broker_stop = {
    .noun = "broker",
    .verb = "stop",
    .summary = "end a broker of this host",
    .operands = "",
    .about =
        "It is ended as SIGTERM ends it: nothing is lost, and workers and waiting clients come back\n"
        "when it does. It must be reached by ipc://, and be yours. What leat up has started is ended\n"
        "by leat down.\n",
    .examples = stop_examples,
    .example_count = LEAT_COUNT_OF(stop_examples),
    .rows = stop_rows,
    .row_count = LEAT_COUNT_OF(stop_rows),
    .run = run_stop,
};
