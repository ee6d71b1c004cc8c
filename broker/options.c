/* leat-broker's table of options, and what it means. See options.h. */
#include "broker/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/link/key.h"
#include "proto/link/link.h"

#define KEEP_MS_MAX 31622400000ULL /* 366 days */
#define KEEP_MAX    10000000U      /* each costs memory */

static const leat_option rows[] = {
    {.name = "bind",
     .type = LEAT_OPTION_LIST,
     .value = "URL",
     .help = "listen here; may be given again (default: your own ipc://)"},
    {.name = "data",
     .type = LEAT_OPTION_TEXT,
     .value = "DIR",
     .takes = "<dir>",
     .help = "keep the store here (default: $XDG_STATE_HOME/leat/store)"},
    {.name = "keys",
     .type = LEAT_OPTION_TEXT,
     .value = "DIR",
     .takes = "<dir>",
     .help = "keys directory: who may come in by tcp:// (default: $XDG_STATE_HOME/leat/keys, if it "
             "is there)"},
    {.name = "insecure-loopback",
     .type = LEAT_OPTION_FLAG,
     .help = "allow tcp:// on loopback although every local user can reach it"                                                },
    {.name = "channel-default",
     .type = LEAT_OPTION_LIST,
     .value = "K=V",
     .takes = "durability=disk durability=memory",
     .help = "of channels that nobody declared: durability=disk (default) or memory"},
    {.name = "check",
     .type = LEAT_OPTION_FLAG,
     .help = "look for damage in the store, and end: 0 none, 1 some",
     .flags = LEAT_OPTION_NOT_IN_FILE                                                      },
    {.name = "backup",
     .type = LEAT_OPTION_TEXT,
     .value = "TO",
     .takes = "<dir>",
     .help = "copy the store into the new folder TO, and end",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "compact",
     .type = LEAT_OPTION_FLAG,
     .help = "write the store again without what is free in it, and end",
     .flags = LEAT_OPTION_NOT_IN_FILE                                            },
    {.name = "json",
     .type = LEAT_OPTION_FLAG,
     .help = "of these three: print JSON",
     .flags = LEAT_OPTION_NOT_IN_FILE                                  },
    {.name = "keep-for",
     .type = LEAT_OPTION_DURATION,
     .value = "DUR",
     .fallback = "24h",
     .help = "how long finished jobs, their results and batches are kept",
     .min = 1000,
     .max = KEEP_MS_MAX},
    {.name = "keep-jobs",
     .type = LEAT_OPTION_NUMBER,
     .value = "N",
     .fallback = "1_000_000",
     .help = "and how many finished jobs",
     .min = 1},
    {.name = "keep-bytes",
     .type = LEAT_OPTION_NUMBER,
     .value = "N",
     .fallback = "1_073_741_824",
     .help = "and how many bytes of results",
     .min = 1},
    {.name = "keep-batches",
     .type = LEAT_OPTION_NUMBER,
     .value = "N",
     .fallback = "100_000",
     .help = "and how many batches of more than one job",
     .min = 1,
     .max = KEEP_MAX},
    {.name = "keep-dead-for",
     .type = LEAT_OPTION_DURATION,
     .value = "DUR",
     .fallback = "7d",
     .help = "how long dead jobs are kept",
     .min = 1000,
     .max = KEEP_MS_MAX},
    {.name = "keep-dead",
     .type = LEAT_OPTION_NUMBER,
     .value = "N",
     .fallback = "100_000",
     .help = "and how many",
     .min = 1,
     .max = KEEP_MAX},
    {.name = "log-level",
     .type = LEAT_OPTION_TEXT,
     .value = "L",
     .fallback = "info",
     .takes = "error warn info debug",
     .help = "error, warn, info or debug"},
    {.name = "config",
     .type = LEAT_OPTION_TEXT,
     .value = "F",
     .takes = "<file>",
     .help = "read this file instead of broker.ini",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "help",
     .letter = 'h',
     .type = LEAT_OPTION_FLAG,
     .help = "show this",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "version",
     .type = LEAT_OPTION_FLAG,
     .help = "show the version",
     .flags = LEAT_OPTION_NOT_IN_FILE                                          },
};

const leat_option *
leat_broker_rows(size_t *count)
{
    *count = sizeof rows / sizeof *rows;
    return rows;
}

static leat_err
wrong(leat_broker_options *options, const char *what, const char *value)
{
    (void)snprintf(options->why, sizeof options->why, "%s%s", what, value);
    return LEAT_ERR_CONFIG;
}

static bool
is_given_before(const char *const *values, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(values[i], values[index]) == 0)
            return true;
    }
    return false;
}

static leat_err
read_binds(leat_broker_options *options)
{
    const char *const *urls;
    const size_t count = leat_options_list(options->options, "bind", &urls);
    if (count > LEAT_BINDS_MAX)
        return wrong(options, "--bind: more than 8 addresses", "");
    for (size_t i = 0; i < count; i++) {
        if (is_given_before(urls, i)) {
            (void)snprintf(options->why, sizeof options->why, "--bind %.400s: given twice",
                           urls[i]);
            return LEAT_ERR_CONFIG;
        }
        options->binds[i] = strdup(urls[i]);
        if (options->binds[i] == NULL)
            return LEAT_ERR_NOMEM;
        options->bind_count++;
    }
    if (count > 0)
        return LEAT_ERR_OK;

    char path[LEAT_URL_BYTES_MAX];
    const leat_err err = leat_link_user_socket(true, path, sizeof path);
    if (err != LEAT_ERR_OK) {
        (void)snprintf(options->why, sizeof options->why,
                       "no address: your own socket cannot be used (%s); give --bind",
                       leat_err_message(err));
        return LEAT_ERR_CONFIG;
    }
    char url[LEAT_URL_BYTES_MAX + 8];
    (void)snprintf(url, sizeof url, "ipc://%s", path);
    options->binds[0] = strdup(url);
    options->bind_count = 1;
    return options->binds[0] == NULL ? LEAT_ERR_NOMEM : LEAT_ERR_OK;
}

static leat_err
read_data(leat_broker_options *options)
{
    const char *const given = leat_options_text(options->options, "data");
    const char *const state = getenv("XDG_STATE_HOME"); /* NOLINT(concurrency-mt-unsafe) */
    const char *const home = getenv("HOME");            /* NOLINT(concurrency-mt-unsafe) */
    char path[4096];
    if (given != NULL)
        (void)snprintf(path, sizeof path, "%s", given);
    else if (state != NULL && state[0] == '/')
        (void)snprintf(path, sizeof path, "%s/leat/store", state);
    else if (home != NULL && home[0] == '/')
        (void)snprintf(path, sizeof path, "%s/.local/state/leat/store", home);
    else
        return wrong(options, "no folder for the store: give --data DIR", "");
    options->data = strdup(path);
    return options->data == NULL ? LEAT_ERR_NOMEM : LEAT_ERR_OK;
}

/* The folder that was named, or the usual one if there is a broker's key in it. */
static leat_err
read_keys(leat_broker_options *options)
{
    const char *const given = leat_options_text(options->options, "keys");
    char folder[4096];
    char file[4096 + 32];
    if (given != NULL && options->insecure_loopback)
        return wrong(options, "--keys and --insecure-loopback exclude each other", "");
    if (options->insecure_loopback)
        return LEAT_ERR_OK;
    if (given == NULL) {
        if (leat_key_folder(folder, sizeof folder) != LEAT_ERR_OK)
            return LEAT_ERR_OK;
        (void)snprintf(file, sizeof file, "%s/%s", folder, LEAT_KEY_BROKER_FILE);
        if (access(file, F_OK) != 0)
            return LEAT_ERR_OK;
    }
    options->keys = strdup(given != NULL ? given : folder);
    return options->keys == NULL ? LEAT_ERR_NOMEM : LEAT_ERR_OK;
}

static leat_err
read_channel_defaults(leat_broker_options *options)
{
    const char *const *pairs;
    const size_t count = leat_options_list(options->options, "channel-default", &pairs);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(pairs[i], "durability=memory") == 0)
            options->default_memory = true;
        else if (strcmp(pairs[i], "durability=disk") == 0)
            options->default_memory = false;
        else
            return wrong(options,
                         "--channel-default: only durability=disk and durability=memory, not ",
                         pairs[i]);
    }
    return LEAT_ERR_OK;
}

static leat_err
read_verb(leat_broker_options *options)
{
    leat_options *const o = options->options;
    unsigned verbs = 0;
    options->target = leat_options_text(o, "backup");
    options->json = leat_options_flag(o, "json");
    if (leat_options_flag(o, "check")) {
        options->verb = LEAT_VERB_CHECK;
        verbs++;
    }
    if (options->target != NULL) {
        options->verb = LEAT_VERB_BACKUP;
        verbs++;
    }
    if (leat_options_flag(o, "compact")) {
        options->verb = LEAT_VERB_COMPACT;
        verbs++;
    }
    if (verbs > 1)
        return wrong(options, "--check, --backup and --compact exclude each other", "");
    if (options->target != NULL && *options->target == '\0')
        return wrong(options, "--backup: say where: --backup /folder/of/the/copy", "");
    return LEAT_ERR_OK;
}

static leat_err
read_rest(leat_broker_options *options)
{
    leat_options *const o = options->options;
    if (leat_options_read_rest(o, "broker.ini") != LEAT_ERR_OK)
        return wrong(options, leat_options_why(o), "");
    if (leat_options_operand_count(o) > 0) {
        (void)snprintf(options->why, sizeof options->why,
                       "unexpected argument \"%.200s\": leat-broker takes options only",
                       leat_options_operand(o, 0));
        return LEAT_ERR_CONFIG;
    }
    const char *const level = leat_options_text(o, "log-level");
    if (!leat_log_level_of(level, &options->log_level))
        return wrong(options, "--log-level: error, warn, info or debug, not ", level);
    options->insecure_loopback = leat_options_flag(o, "insecure-loopback");
    options->keep_ms = leat_options_ms(o, "keep-for");
    options->keep_jobs = leat_options_number(o, "keep-jobs");
    options->keep_bytes = leat_options_number(o, "keep-bytes");
    options->keep_batches = leat_options_number(o, "keep-batches");
    options->keep_dead_ms = leat_options_ms(o, "keep-dead-for");
    options->keep_dead = leat_options_number(o, "keep-dead");
    leat_err err = read_verb(options);
    if (err == LEAT_ERR_OK)
        err = read_data(options);
    if (err != LEAT_ERR_OK || options->verb != LEAT_VERB_SERVE)
        return err;
    err = read_channel_defaults(options);
    if (err == LEAT_ERR_OK)
        err = read_binds(options);
    if (err == LEAT_ERR_OK)
        err = read_keys(options);
    return err;
}

leat_err
leat_broker_options_read(leat_broker_options *options, int argc, char *const argv[])
{
    *options = (leat_broker_options){.log_level = LEAT_LOG_INFO};
    leat_err err = leat_options_new(rows, sizeof rows / sizeof *rows, &options->options);
    if (err != LEAT_ERR_OK)
        return err;
    err = leat_options_read_arguments(options->options, argc, argv, false);
    if (err != LEAT_ERR_OK)
        return wrong(options, leat_options_why(options->options), "");
    options->help = leat_options_flag(options->options, "help");
    options->version = leat_options_flag(options->options, "version");
    return options->help || options->version ? LEAT_ERR_OK : read_rest(options);
}

void
leat_broker_options_fini(leat_broker_options *options)
{
    for (size_t i = 0; i < options->bind_count; i++)
        free(options->binds[i]);
    free(options->data);
    free(options->keys);
    leat_options_destroy(&options->options);
}

void
leat_broker_options_print_help(const leat_broker_options *options, FILE *out)
{
    (void)fputs("leat-broker: holds channels, gives jobs to workers, keeps what they answer\n\n"
                "  leat-broker\n"
                "  leat-broker --data /var/lib/leat --bind ipc:///run/leat/broker.sock\n"
                "  leat-broker --bind tcp://0.0.0.0:5328 --keys /etc/leat/keys\n"
                "  leat-broker --bind tcp://127.0.0.1:5328 --insecure-loopback\n\n"
                "Options:\n",
                out);
    leat_options_print_help(options->options, out);
    (void)fputs("\nEach has a variable (LEAT_DATA) and a key in broker.ini (data).\n", out);
}
