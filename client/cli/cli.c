/* What all commands do alike: connect, fail with a sentence, print. */
#include "client/cli/cli.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "client/cli/command.h"
#include "client/cli/json.h"
#include "client/cli/stop.h"
#include "proto/limits.h"
#include "proto/link/link.h"
#include "proto/text.h"

#define ASK_GONE_MS  2000
#define USUAL_PLACES "ipc in your runtime directory, /run/leat, tcp://127.0.0.1:5328"

/* ---- saying ---- */

static void
print_json_error(const char *code, const char *message, const char *hint)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *const error = cJSON_AddObjectToObject(json, "error");
    char flat[1024];
    size_t used = 0;
    /* The hint's lines become one, its runs of blanks single ones. */
    for (const char *p = hint == NULL ? "" : hint; *p != '\0' && used + 3 < sizeof flat; p++) {
        if (*p == '\n') {
            flat[used++] = ';';
            flat[used++] = ' ';
        } else if (*p != ' ' || (used > 0 && flat[used - 1] != ' ')) {
            flat[used++] = *p;
        }
    }
    (void)cJSON_AddStringToObject(error, "code", code);
    leat_json_put_bytes(error, "message", message, strlen(message));
    leat_json_put_bytes(error, "hint", flat, used);
    (void)leat_json_print(&json, stderr);
}

static void
print_error(const leat_cli *cli, const char *code, const char *message, const char *hint)
{
    char safe[4096];
    if (cli->json) {
        print_json_error(code, message, hint);
        return;
    }
    (void)leat_screen_safe(message, strlen(message), cli->err.utf8, 0, safe, sizeof safe);
    (void)fprintf(stderr, "leat: %s\n", safe);
    for (const char *line = hint; line != NULL && *line != '\0';) {
        const size_t size = strcspn(line, "\n");
        (void)leat_screen_safe(line, size, cli->err.utf8, 0, safe, sizeof safe);
        (void)fprintf(stderr, "  %s\n", safe);
        line += size + (line[size] == '\n');
    }
}

int
leat_cli_fail(
    const leat_cli *cli, int exit_code, const char *code, const char *hint, const char *format, ...)
{
    char message[2048];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    print_error(cli, code, message, hint);
    return exit_code;
}

int
leat_cli_usage(const leat_cli *cli, const char *format, ...)
{
    char message[2048];
    char hint[160] = "Help: leat -h";
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (cli->command != NULL)
        (void)snprintf(hint, sizeof hint, "Help: leat %s%s%s -h", cli->command->noun,
                       cli->command->verb == NULL ? "" : " ",
                       cli->command->verb == NULL ? "" : cli->command->verb);
    print_error(cli, "WRONG_USE", message, hint);
    return LEAT_EXIT_USAGE;
}

void
leat_cli_say(const leat_cli *cli, const char *format, ...)
{
    char message[2048];
    char safe[4096];
    va_list arguments;
    if (cli->quiet || cli->json)
        return;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    (void)leat_screen_safe(message, strlen(message), cli->err.utf8, 0, safe, sizeof safe);
    (void)fprintf(stderr, "leat: %s\n", safe);
}

bool
leat_cli_flush(void)
{
    return fflush(stdout) == 0 && !ferror(stdout);
}

int
leat_cli_stdout_failed(const leat_cli *cli)
{
    struct stat info;
    if (fstat(STDOUT_FILENO, &info) == 0 && (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode))) {
        (void)signal(SIGPIPE, SIG_DFL);
        (void)raise(SIGPIPE);
    }
    return leat_cli_fail(cli, LEAT_EXIT_LEAT, "IO", NULL, "stdout cannot be written");
}

/* ---- connecting ---- */

const char *
leat_cli_place(const char *endpoint)
{
    char path[108];
    if (strncmp(endpoint, "ipc://", 6) != 0)
        return endpoint;
    if (leat_link_user_socket(false, path, sizeof path) == LEAT_ERR_OK &&
        strcmp(endpoint + 6, path) == 0)
        return "ipc (yours)";
    return endpoint;
}

/* Where the library has looked, and what it found there; or, when it has said something else
 * meanwhile, only where. */
static int
no_broker(const leat_cli *cli, const char *given)
{
    const char *const told = cli->broker == NULL ? "" : leat_sentence(cli->broker);
    const bool is_told = strncmp(told, "no broker answered", 18) == 0;
    return leat_cli_fail(
        cli, LEAT_EXIT_LEAT, "NO_BROKER",
        cli->err.utf8 ? "Start one here:   leat up\n"
                        "Use another:      leat --broker tcp://HOST:5328 …   or set LEAT_BROKER"
                      : "Start one here:   leat up\n"
                        "Use another:      leat --broker tcp://HOST:5328 ...   or set LEAT_BROKER",
        is_told ? "%s" : "no broker answered (tried %s)",
        is_told         ? told
        : given == NULL ? USUAL_PLACES
                        : given);
}

/* The library calls this each second while the broker is away, and when it is back. */
static void
broker_gone(void *context, int gone, int64_t for_ms)
{
    leat_cli *const cli = context;
    if (gone && cli->gone_limit_ms > 0 && for_ms >= cli->gone_limit_ms) {
        cli->gave_up = true;
        leat_interrupt(cli->broker);
        return;
    }
    if (cli->on_gone != NULL) {
        cli->on_gone(cli->on_gone_context, gone ? for_ms : -1);
        return;
    }
    if (gone && !cli->told_gone && for_ms >= 1000) {
        leat_cli_say(cli, "the broker is gone, reconnecting (Ctrl-C ends this)");
        cli->told_gone = true;
    } else if (!gone && cli->told_gone) {
        leat_cli_say(cli, "connected again");
        cli->told_gone = false;
    }
}

static leat_status
connect_with(leat_cli *cli, const leat_connect_options *wanted)
{
    char software[64];
    (void)snprintf(software, sizeof software, "leat %s", leat_version());
    leat_connect_options options = *wanted;
    options.software = software;
    leat_cli_disconnect(cli);
    cli->gave_up = false;
    const leat_status status = leat_connect_with(&options, &cli->broker);
    leat_stop_watch();
    leat_stop_target(cli->broker);
    if (status == LEAT_OK)
        leat_on_gone(cli->broker, broker_gone, cli);
    return status;
}

leat_status
leat_cli_connect_to(leat_cli *cli, const char *endpoint, int64_t timeout_ms)
{
    return connect_with(
        cli, &(leat_connect_options){.broker = endpoint, .timeout_ms = timeout_ms, .key_file = ""});
}

leat_status
leat_cli_try(leat_cli *cli, int64_t timeout_ms)
{
    return connect_with(
        cli, &(leat_connect_options){.broker = leat_options_text(cli->options, "broker"),
                                     .timeout_ms = timeout_ms,
                                     .key_file = leat_options_text(cli->options, "key-file"),
                                     .history = leat_options_text(cli->options, "history")});
}

int
leat_cli_connect(leat_cli *cli)
{
    if (cli->broker != NULL)
        return LEAT_EXIT_OK; /* to look up what an operand names */
    /* Without a time limit of its own the library gives up as soon as every place has refused. */
    const leat_status status = leat_cli_try(cli, 0);
    if (status == LEAT_OK)
        return LEAT_EXIT_OK;
    if ((status == LEAT_NO_BROKER || status == LEAT_TIMED_OUT) && !leat_stop_wanted())
        return no_broker(cli, leat_options_text(cli->options, "broker"));
    return leat_cli_failed(cli, status, NULL);
}

void
leat_cli_disconnect(leat_cli *cli)
{
    leat_stop_target(NULL);
    if (cli->broker != NULL && leat_history_trouble(cli->broker)[0] != '\0')
        (void)fprintf(stderr, "leat: %s\n", leat_history_trouble(cli->broker));
    if (cli->broker != NULL)
        leat_disconnect(&cli->broker);
}

int
leat_cli_query(leat_cli *cli, const char *name, const char *arguments, const char **json)
{
    const int64_t limit_ms = cli->gone_limit_ms;
    cli->gone_limit_ms = ASK_GONE_MS;
    const leat_status status = leat_query(cli->broker, name, arguments, json);
    cli->gone_limit_ms = limit_ms;
    return status == LEAT_OK ? LEAT_EXIT_OK : leat_cli_failed(cli, status, name);
}

leat_status
leat_cli_try_do(leat_cli *cli, const char *name, cJSON **arguments_p, cJSON **answer_p)
{
    const char *json;
    char *const text = *arguments_p == NULL ? NULL : cJSON_PrintUnformatted(*arguments_p);
    cJSON_Delete(*arguments_p);
    *arguments_p = NULL;
    *answer_p = NULL;
    if (text == NULL)
        return LEAT_NO_MEMORY;
    const int64_t limit_ms = cli->gone_limit_ms;
    cli->gone_limit_ms = ASK_GONE_MS;
    leat_status status = leat_command_do(cli->broker, name, text, &json);
    cli->gone_limit_ms = limit_ms;
    cJSON_free(text);
    if (status == LEAT_OK)
        *answer_p = cJSON_Parse(json);
    return status == LEAT_OK && *answer_p == NULL ? LEAT_NO_MEMORY : status;
}

int
leat_cli_do(
    leat_cli *cli, const char *name, cJSON **arguments_p, const char *what, cJSON **answer_p)
{
    const leat_status status = leat_cli_try_do(cli, name, arguments_p, answer_p);
    return status == LEAT_OK ? LEAT_EXIT_OK : leat_cli_failed(cli, status, what);
}

int
leat_cli_query_all(
    leat_cli *cli, const char *name, cJSON **arguments_p, const char *key, cJSON **all_p)
{
    int code = LEAT_EXIT_OK;
    bool more = true;
    cJSON *const arguments = *arguments_p == NULL ? cJSON_CreateObject() : *arguments_p;
    cJSON *const all = cJSON_CreateArray();
    *arguments_p = NULL;
    for (int offset = 0; more && code == LEAT_EXIT_OK;) {
        const char *json = NULL;
        cJSON_DeleteItemFromObjectCaseSensitive(arguments, "offset");
        (void)cJSON_AddNumberToObject(arguments, "offset", offset);
        char *const text = cJSON_PrintUnformatted(arguments);
        code = text == NULL ? leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory")
                            : leat_cli_query(cli, name, text, &json);
        cJSON_free(text);
        if (code != LEAT_EXIT_OK)
            break;
        cJSON *const answer = cJSON_Parse(json);
        cJSON *const rows = cJSON_GetObjectItemCaseSensitive(answer, key);
        const int got = cJSON_GetArraySize(rows);
        while (cJSON_GetArraySize(rows) > 0)
            (void)cJSON_AddItemToArray(all, cJSON_DetachItemFromArray(rows, 0));
        if (!cJSON_IsArray(rows))
            code = leat_cli_fail(cli, LEAT_EXIT_LEAT, "PROTOCOL", NULL,
                                 "the broker's answer is not understood");
        offset += got;
        more = got > 0 && leat_json_count(answer, "left_off") > 0;
        cJSON_Delete(answer);
    }
    cJSON_Delete(arguments);
    *all_p = code == LEAT_EXIT_OK ? all : NULL;
    if (code != LEAT_EXIT_OK)
        cJSON_Delete(all);
    return code;
}

/* ---- checking and asking ---- */

int
leat_cli_check_name(const leat_cli *cli, const char *what, const char *name)
{
    if (leat_name_is_valid(leat_text_of(name)))
        return LEAT_EXIT_OK;
    return leat_cli_usage(
        cli, "%s \"%.160s\": a name has 1 to %u bytes of UTF-8 without control characters", what,
        name, LEAT_NAME_BYTES_MAX);
}

int
leat_cli_confirm(const leat_cli *cli, const char *format, ...)
{
    char question[512];
    char safe[1024];
    char answer[16] = "";
    va_list arguments;
    if (leat_options_flag(cli->options, "yes"))
        return LEAT_EXIT_OK;
    va_start(arguments, format);
    (void)vsnprintf(question, sizeof question, format, arguments);
    va_end(arguments);
    if (!isatty(STDIN_FILENO) || !cli->err.terminal || cli->json ||
        leat_options_flag(cli->options, "no-input"))
        return leat_cli_usage(cli, "%s? Nobody can be asked here: add --yes", question);
    (void)leat_screen_safe(question, strlen(question), cli->err.utf8, 0, safe, sizeof safe);
    (void)fprintf(stderr, "%s? [y/N] ", safe);
    (void)fflush(stderr);
    if (fgets(answer, sizeof answer, stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y'))
        return LEAT_EXIT_OK;
    if (leat_stop_signal() != 0)
        return 128 + leat_stop_signal();
    leat_cli_say(cli, "nothing was done");
    return LEAT_EXIT_FAILED;
}

/* ---- failing ---- */

static const struct {
    leat_status status;
    int exit_code;
    const char *code;
    const char *words; /* where the library has none of its own */
} failures[] = {
    {LEAT_OK,        LEAT_EXIT_OK,        "OK",        "ok"                            },
    {LEAT_END,       LEAT_EXIT_FAILED,    "END",       "nothing more will come"        },
    {LEAT_TIMED_OUT, LEAT_EXIT_TIMEOUT,   "TIMEOUT",   "the time ran out"              },
    {LEAT_FULL,      LEAT_EXIT_TIMEOUT,   "FULL",      "the channel is full"           },
    {LEAT_CLOSED,    LEAT_EXIT_LEAT,      "CLOSED",    "the channel is closed"         },
    {LEAT_TOO_LARGE, LEAT_EXIT_LEAT,      "TOO_LARGE", "larger than the limit of 1 MiB"},
    {LEAT_NOT_FOUND, LEAT_EXIT_NOT_FOUND, "NOT_FOUND", "there is no such thing"        },
    {LEAT_NO_BROKER, LEAT_EXIT_LEAT,      "NO_BROKER", "no broker answers"             },
    {LEAT_REFUSED,   LEAT_EXIT_LEAT,      "REFUSED",   "the broker refused"            },
    {LEAT_LOST,      LEAT_EXIT_FAILED,    "LOST",      "lost with the broker's memory" },
    {LEAT_UNKNOWN,   LEAT_EXIT_LEAT,      "UNKNOWN",
     "the answer was lost, it may or may "
     "not have happened"                                                               },
    {LEAT_NO_MEMORY, LEAT_EXIT_LEAT,      "NO_MEMORY", "out of memory"                 },
    {LEAT_WRONG_USE, LEAT_EXIT_USAGE,     "WRONG_USE", "not a valid argument"          },
    {LEAT_DENIED,    LEAT_EXIT_DENIED,    "DENIED",    "not allowed"                   },
};

int
leat_cli_failed(leat_cli *cli, leat_status status, const char *what)
{
    size_t row = 0;
    if (leat_stop_signal() != 0)
        return 128 + leat_stop_signal();
    if (leat_stop_timed_out())
        return leat_cli_fail(cli, LEAT_EXIT_TIMEOUT, "TIMEOUT", NULL, "%s%sthe time ran out",
                             what == NULL ? "" : what, what == NULL ? "" : ": ");
    if (cli->gave_up)
        return no_broker(cli, cli->broker == NULL ? NULL : leat_endpoint(cli->broker));
    while (row + 1 < LEAT_COUNT_OF(failures) && failures[row].status != status)
        row++;
    const char *const told = cli->broker == NULL ? "" : leat_sentence(cli->broker);
    return leat_cli_fail(cli, failures[row].exit_code, failures[row].code, NULL, "%s%s%s",
                         what == NULL ? "" : what, what == NULL ? "" : ": ",
                         *told == '\0' ? failures[row].words : told);
}
