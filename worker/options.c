/* leat-worker's table of options, and what it means. See options.h. */
#include "worker/options.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS_MAX 1024U

static const leat_option rows[] = {
    {.name = "broker",
     .type = LEAT_OPTION_LIST,
     .value = "URL",
     .help = "where the broker is; several are tried in turn (default: your own, the system's, "
             "tcp://127.0.0.1:5328)"                                                   },
    {.name = "key-file",
     .type = LEAT_OPTION_TEXT,
     .value = "F",
     .help = "who this worker is, made by `leat key new`; needed over TCP. It also says where the "
             "broker is"                                                               },
    {.name = "slots",
     .type = LEAT_OPTION_NUMBER,
     .value = "N",
     .help = "jobs at once (default: one a core)",
     .min = 1,
     .max = LEAT_SLOTS_MAX},
    {.name = "threads",
     .type = LEAT_OPTION_NUMBER,
     .value = "N",
     .help = "threads for jobs that compute (default: one a core)",
     .min = 1,
     .max = THREADS_MAX},
    {.name = "channel",
     .type = LEAT_OPTION_LIST,
     .value = "C",
     .help = "take jobs from this channel; may be given again (default: \"default\")"                                                              },
    {.name = "name",
     .type = LEAT_OPTION_TEXT,
     .value = "N",
     .help = "what `leat worker ls` calls it (default: HOST-PID)"},
    {.name = "log-level",
     .type = LEAT_OPTION_TEXT,
     .value = "L",
     .fallback = "info",
     .help = "error, warn, info or debug"},
    {.name = "config",
     .type = LEAT_OPTION_TEXT,
     .value = "F",
     .help = "read this file instead of worker.ini",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "help",
     .letter = 'h',
     .type = LEAT_OPTION_FLAG,
     .help = "show this",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "version",
     .type = LEAT_OPTION_FLAG,
     .help = "show the version",
     .flags = LEAT_OPTION_NOT_IN_FILE                                                          },
};

__attribute__((format(printf, 2, 3))) static leat_err
wrong(leat_worker_settings *settings, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(settings->why, sizeof settings->why, format, args);
    va_end(args);
    return LEAT_ERR_CONFIG;
}

static leat_err
wrong_as_options_say(leat_worker_settings *settings)
{
    return wrong(settings, "%s", leat_options_why(settings->options));
}

/* Cores that this process may use: in a container fewer than the machine has. */
static uint32_t
core_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (uint32_t)CPU_COUNT(&set);
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 1;
}

/* ----------------------------------------------------------------------- from values to settings
 */

static leat_err
take_key(leat_worker_settings *settings)
{
    const char *const path = leat_options_text(settings->options, "key-file");
    if (path == NULL)
        return LEAT_ERR_OK;
    const leat_err err = leat_key_read(path, LEAT_KEY_OF_PRINCIPAL, &settings->key, settings->why);
    if (err == LEAT_ERR_OK)
        settings->worker.key = &settings->key;
    return err == LEAT_ERR_OK || err == LEAT_ERR_DENIED ? err : LEAT_ERR_CONFIG;
}

static leat_err
take_endpoints(leat_worker_settings *settings)
{
    const char *const *given = NULL;
    const size_t count = leat_options_list(settings->options, "broker", &given);
    if (count == 0)
        return leat_link_endpoints(settings->key.broker[0] != '\0' ? settings->key.broker : NULL,
                                   settings->endpoints, &settings->worker.endpoint_count);
    if (count > LEAT_LINK_ENDPOINTS_MAX)
        return wrong(settings, "--broker: at most %d addresses", LEAT_LINK_ENDPOINTS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!leat_link_endpoint_is_valid(given[i]))
            return wrong(settings,
                         "--broker \"%.100s\": an address looks like tcp://HOST:5328 or "
                         "ipc:///PATH",
                         given[i]);
        settings->endpoints[i] = leat_text_dup(leat_text_of(given[i]));
        if (settings->endpoints[i] == NULL)
            return LEAT_ERR_NOMEM;
        settings->worker.endpoint_count = i + 1;
    }
    return LEAT_ERR_OK;
}

static leat_err
take_channels(leat_worker_settings *settings)
{
    const char *const *given = NULL;
    const size_t count = leat_options_list(settings->options, "channel", &given);
    if (count > LEAT_SUBSCRIPTIONS_MAX)
        return wrong(settings, "--channel: at most %u channels", LEAT_SUBSCRIPTIONS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!leat_name_is_valid(leat_text_of(given[i])))
            return wrong(settings,
                         "--channel \"%.100s\": a name has 1 to %u bytes of UTF-8 without "
                         "control characters",
                         given[i], LEAT_NAME_BYTES_MAX);
        settings->channels[i] = given[i];
    }
    settings->worker.channels = settings->channels;
    settings->worker.channel_count = count;
    return LEAT_ERR_OK;
}

static leat_err
take_name(leat_worker_settings *settings)
{
    const char *const given = leat_options_text(settings->options, "name");
    if (given == NULL) {
        char host[65] = "";
        if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
            memcpy(host, "localhost", sizeof "localhost");
        (void)snprintf(settings->name, sizeof settings->name, "%s-%ld", host, (long)getpid());
    } else if (leat_name_is_valid(leat_text_of(given))) {
        memcpy(settings->name, given, strlen(given) + 1);
    } else {
        return wrong(
            settings,
            "--name \"%.100s\": a name has 1 to %u bytes of UTF-8 without control characters",
            given, LEAT_NAME_BYTES_MAX);
    }
    settings->worker.name = settings->name;
    return LEAT_ERR_OK;
}

static leat_err
take_log_level(leat_worker_settings *settings)
{
    const char *const given = leat_options_text(settings->options, "log-level");
    if (!leat_log_level_of(given, &settings->log_level))
        return wrong(settings, "--log-level \"%.100s\" is not error, warn, info or debug", given);
    return LEAT_ERR_OK;
}

static uint32_t
number_or(const leat_options *options, const char *name, uint32_t otherwise)
{
    return leat_options_given(options, name) ? (uint32_t)leat_options_number(options, name)
                                             : otherwise;
}

/* ------------------------------------------------------------------------------------- reading */

/* -h is answered wherever it stands, also beside something wrong. */
static bool
asks_for_help(int argc, char *const argv[])
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)
            return true;
    }
    return false;
}

static leat_err
read_sources(leat_worker_settings *settings, int argc, char *const argv[])
{
    leat_options *const options = settings->options;
    leat_err err = leat_options_read_arguments(options, argc, argv, false);
    if (err == LEAT_ERR_CONFIG)
        return wrong_as_options_say(settings);
    if (err != LEAT_ERR_OK)
        return err;
    if (leat_options_flag(options, "version")) {
        settings->wish = LEAT_WORKER_WISH_VERSION;
        return LEAT_ERR_OK;
    }
    if (leat_options_operand_count(options) > 0)
        return wrong(settings,
                     "no argument \"%.100s\" is expected; jobs are sent with `leat submit`",
                     leat_options_operand(options, 0));
    err = leat_options_read_rest(options, "worker.ini");
    return err == LEAT_ERR_CONFIG ? wrong_as_options_say(settings) : err;
}

leat_err
leat_worker_settings_read(leat_worker_settings *settings, int argc, char *const argv[])
{
    *settings = (leat_worker_settings){
        .wish = LEAT_WORKER_WISH_RUN,
        .log_level = LEAT_LOG_INFO,
        .worker = {.signal_fd = -1},
    };
    leat_err err = leat_options_new(rows, sizeof rows / sizeof *rows, &settings->options);
    if (err != LEAT_ERR_OK)
        return err;
    if (asks_for_help(argc, argv)) {
        settings->wish = LEAT_WORKER_WISH_HELP;
        return LEAT_ERR_OK;
    }
    err = read_sources(settings, argc, argv);
    if (err != LEAT_ERR_OK || settings->wish != LEAT_WORKER_WISH_RUN)
        return err;

    settings->worker.slots = number_or(settings->options, "slots", core_count());
    settings->worker.threads = number_or(settings->options, "threads", core_count());
    settings->worker.handlers = leat_handlers(&settings->worker.handler_count);
    settings->worker.endpoints = (const char *const *)settings->endpoints;
    err = take_key(settings);
    if (err == LEAT_ERR_OK)
        err = take_endpoints(settings);
    if (err == LEAT_ERR_OK)
        err = take_channels(settings);
    if (err == LEAT_ERR_OK)
        err = take_name(settings);
    if (err == LEAT_ERR_OK)
        err = take_log_level(settings);
    return err;
}

void
leat_worker_settings_fini(leat_worker_settings *settings)
{
    for (size_t i = 0; i < LEAT_LINK_ENDPOINTS_MAX; i++)
        free(settings->endpoints[i]);
    leat_options_destroy(&settings->options);
    leat_key_wipe(&settings->key);
}

void
leat_worker_print_help(const leat_worker_settings *settings, FILE *out)
{
    (void)fputs(
        "leat-worker: takes jobs from a Leat broker and runs them\n"
        "\n"
        "  leat-worker                                    your own broker, a slot a core\n"
        "  leat-worker --key-file w1.key --slots 4        the broker that the key is for\n"
        "  leat-worker --broker ipc:///run/leat/broker.sock --slots 4\n"
        "  leat-worker --slots 1000000                    a million sleeping jobs\n"
        "  leat-worker --channel mail --channel thumbs --name w1\n"
        "\n"
        "Options (each is also a variable, LEAT_SLOTS, and a line in worker.ini, slots = 4):\n",
        out);
    leat_options_print_help(settings->options, out);
    (void)fputs("\nHandlers:\n", out);
    size_t count;
    const leat_handler *const handlers = leat_handlers(&count);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(out, "  %-8s  %s\n", handlers[i].name, handlers[i].help);
    (void)fputs("\nThe first SIGTERM or Ctrl-C finishes what runs and gives back the rest, the "
                "second one stops at once.\n",
                out);
}
