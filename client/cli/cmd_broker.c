/* leat broker ping and wait: is it there? For scripts. */
#include <string.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/duration.h"
#include "client/cli/json.h"
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
