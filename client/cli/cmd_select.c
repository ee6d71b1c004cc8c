/* leat select: exactly one of several sends and receives. */
#include <string.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/json.h"
#include "client/cli/stop.h"
#include "proto/limits.h"

static const leat_option rows[] = {
    {.name = "default",
     .type = LEAT_OPTION_FLAG,
     .help = "do not wait when no case can proceed (exit 124)",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    LEAT_ROW_NULL("end what is printed with NUL instead of a line feed"),
    LEAT_ROW_TIMEOUT("give up after this time (exit 124)"),
};

/* The cases as they were typed. */
typedef struct cases {
    size_t count;
    leat_case rows[LEAT_CASES_MAX];
    char names[LEAT_CASES_MAX][LEAT_NAME_BYTES_MAX + 2];
} cases;

/* CHANNEL receives, CHANNEL=VALUE sends. */
static int
read_case(const leat_cli *cli, const char *text, cases *out)
{
    const size_t size = strcspn(text, "=");
    char *const name = out->names[out->count];
    (void)snprintf(name, sizeof out->names[0], "%.*s", (int)size, text);
    const int code = leat_cli_check_name(cli, "the channel", name);
    if (code != LEAT_EXIT_OK)
        return code;
    const char *const value = text + size + 1;
    out->rows[out->count++] =
        text[size] == '=' ? LEAT_SEND_CASE(name, value, strlen(value)) : LEAT_RECV_CASE(name);
    return LEAT_EXIT_OK;
}

static int
read_cases(const leat_cli *cli, cases *out)
{
    const size_t count = leat_options_operand_count(cli->options);
    int code = LEAT_EXIT_OK;
    out->count = 0;
    if (count == 0)
        return leat_cli_usage(cli, "give at least one case: leat select news out=hello");
    if (count > LEAT_CASES_MAX)
        return leat_cli_usage(cli, "at most %u cases", LEAT_CASES_MAX);
    for (size_t i = 0; i < count && code == LEAT_EXIT_OK; i++)
        code = read_case(cli, leat_options_operand(cli->options, i), out);
    return code;
}

static void
print_case(const leat_cli *cli, const leat_case *done, int number)
{
    const bool is_send = done->kind == LEAT_CASE_SEND;
    const char *const what = is_send ? "send" : done->ok ? "recv" : "closed";
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        (void)cJSON_AddNumberToObject(json, "case", number);
        (void)cJSON_AddStringToObject(json, "what", what);
        leat_json_put_bytes(json, "channel", done->channel, strlen(done->channel));
        if (is_send || done->ok)
            leat_json_put_bytes(json, "data", done->data, done->size);
        (void)leat_json_print(&json, stdout);
        return;
    }
    (void)printf("%s\t%s\t", what, done->channel);
    if (done->size > 0)
        (void)fwrite(done->data, 1, done->size, stdout);
    (void)fputc(leat_options_flag(cli->options, "null") ? '\0' : '\n', stdout);
}

static int
run(leat_cli *cli)
{
    cases all;
    int chosen = LEAT_DEFAULT_CASE;
    int64_t timeout_ms = -1;
    int code = read_cases(cli, &all);
    if (code == LEAT_EXIT_OK && leat_options_flag(cli->options, "default") &&
        leat_options_given(cli->options, "timeout"))
        code = leat_cli_usage(cli, "--default does not wait: leave out --timeout");
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    if (code != LEAT_EXIT_OK)
        return code;
    if (leat_options_flag(cli->options, "default"))
        timeout_ms = 0;
    else if (leat_options_given(cli->options, "timeout"))
        timeout_ms = leat_options_ms(cli->options, "timeout");

    const leat_status status = leat_select(cli->broker, all.rows, all.count, timeout_ms, &chosen);
    if (status == LEAT_TIMED_OUT)
        return leat_cli_fail(cli, LEAT_EXIT_TIMEOUT, "TIMEOUT", NULL, "no case could proceed");
    if (status == LEAT_CLOSED)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "CLOSED", NULL, "the channel \"%s\" is closed",
                             chosen >= 0 ? all.rows[chosen].channel : "");
    if (status != LEAT_OK)
        return leat_cli_failed(cli, status, "select");
    print_case(cli, &all.rows[chosen], chosen + 1);
    /* As in recv: a message that could not be passed on is not taken. */
    if (!leat_cli_flush())
        _exit(leat_cli_stdout_failed(cli));
    return all.rows[chosen].ok ? LEAT_EXIT_OK : LEAT_EXIT_FAILED;
}

static const leat_example examples[] = {
    {"leat select news alarms",          "one message, from whichever channel has one first"},
    {"leat select stop results=ready",   "receive from stop, or send into results"          },
    {"leat select news --default",       "only if there is one now (else exit 124)"         },
    {"leat select news --timeout 1m30s", "for so long"                                      },
};

const leat_cli_command leat_cli_command_select = {
    .noun = "select",
    .summary = "do one of several sends and receives",
    .operands = "CASE…",
    .takes = "<channel>...",
    .about =
        "A case is a channel to receive from (news), or a channel and what is sent into it\n"
        "(out=hello). Exactly one is done, at random if several can be. Prints, with tabs\n"
        "between, recv, send or closed, the channel, and what was received or sent. A receive\n"
        "from a channel that is closed and empty: closed, and exit 1.\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .run = run,
};
