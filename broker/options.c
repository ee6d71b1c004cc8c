/* leat-broker's table of options, and what it means. See options.h. */
#include "broker/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/core/core.h"
#include "proto/base/cores.h"
#include "proto/link/key.h"
#include "proto/link/link.h"

#define KEEP_MS_MAX 31622400000ULL /* 366 days */
#define PORT        "5328"
#define KEEP_MAX    10000000U /* each costs memory */

static const leat_option rows[] = {
    {.name = "bind",
     .type = LEAT_OPTION_LIST,
     .value = "URL",
     .help = "listen here; may be given again (default: your own ipc://)"                       },
    {.name = "listen",
     .type = LEAT_OPTION_FLAG,
     .help =
         "serve other hosts, too, with keys, beside what --bind says; the argument ADDR is HOST, "
         "HOST:PORT or :PORT (without one: every address, port 5328)"    },
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
     .help = "allow tcp:// on loopback although every local user can reach it"                                            },
    {.name = "channel-default",
     .type = LEAT_OPTION_LIST,
     .value = "K=V",
     .takes =
         "durability=disk durability=memory capacity= running-max= key-max= rate= burst= "
         "weight= keep= priority= retries= losses= snoozes= backoff= run-limit= grace= expires=",                                                                            .help =
         "of channels that nobody declared: durability=memory, and what `leat channel set` can say, "
         "as retries=5 or capacity=1000; may be given again"},
    {.name = "cpu",
     .type = LEAT_OPTION_TEXT,
     .value = "LIST",
     .help = "run on these cores only: 0-3,8"                  },
    {.name = "check",
     .type = LEAT_OPTION_FLAG,
     .help = "look for damage in the store, and end: 0 none, 1 some",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "backup",
     .type = LEAT_OPTION_TEXT,
     .value = "TO",
     .takes = "<dir>",
     .help = "copy the store into the new folder TO, and end",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "compact",
     .type = LEAT_OPTION_FLAG,
     .help = "write the store again without what is free in it, and end",
     .flags = LEAT_OPTION_NOT_IN_FILE                            },
    {.name = "json",
     .type = LEAT_OPTION_FLAG,
     .help = "of these three: print JSON",
     .flags = LEAT_OPTION_NOT_IN_FILE                                                                              },
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
    {.name = "show-config",
     .type = LEAT_OPTION_FLAG,
     .help = "print every setting and where it was said, and end (see `leat config show`)",
     .flags = LEAT_OPTION_NOT_IN_FILE                                                  },
    {.name = "help",
     .letter = 'h',
     .type = LEAT_OPTION_FLAG,
     .help = "show this",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "version",
     .type = LEAT_OPTION_FLAG,
     .help = "show the version",
     .flags = LEAT_OPTION_NOT_IN_FILE                                                                               },
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

/* What --listen serves: "" every address, HOST, HOST:PORT, :PORT; brackets around IPv6. */
static leat_err
add_listen(leat_broker_options *options)
{
    char url[LEAT_URL_BYTES_MAX];
    const char *told = leat_options_operand_count(options->options) > 0
                           ? leat_options_operand(options->options, 0)
                           : "";
    if (!leat_options_flag(options->options, "listen"))
        return LEAT_ERR_OK;
    if (strncmp(told, "tcp://", 6) == 0)
        told += 6;
    const char *const end = told[0] == '[' ? strchr(told, ']') : strchr(told, ':');
    const char *const colon = end == NULL ? NULL : strchr(end, ':');
    const int host_size = (int)(colon == NULL ? strlen(told) : (size_t)(colon - told));
    const int size = snprintf(url, sizeof url, "tcp://%.*s:%s", host_size > 0 ? host_size : 1,
                              host_size > 0 ? told : "*", colon == NULL ? PORT : colon + 1);
    if (size >= (int)sizeof url || told[strcspn(told, "/ ,@")] != '\0')
        return wrong(options, "--listen: an address looks like HOST, HOST:5328 or :5328, not ",
                     told);
    options->binds[options->bind_count] = strdup(url);
    if (options->binds[options->bind_count] == NULL)
        return LEAT_ERR_NOMEM;
    options->bind_count++;
    return LEAT_ERR_OK;
}

static leat_err
read_binds(leat_broker_options *options)
{
    const char *const *urls;
    const size_t count = leat_options_list(options->options, "bind", &urls);
    const size_t listens = leat_options_flag(options->options, "listen") ? 1 : 0;
    if (count + listens > LEAT_BINDS_MAX)
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
        return add_listen(options);

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
    return options->binds[0] == NULL ? LEAT_ERR_NOMEM : add_listen(options);
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

/* ---- channels that nobody declared ---- */

#define COUNT_MAX (UINT64_C(1) << 53) /* as JSON keeps it exactly */

/* Values of one key: what is read, from … to, and where it goes. */
typedef enum value_kind {
    VALUE_DURABILITY,
    VALUE_KEEP,
    VALUE_BOUND, /* a number, or none */
    VALUE_NUMBER,
    VALUE_RATE,
    VALUE_DURATION,
    VALUE_BACKOFF,
} value_kind;

static const struct {
    const char *name;
    value_kind kind;
    uint64_t min;
    uint64_t max;
} default_keys[] = {
    {"durability",  VALUE_DURABILITY, 0, 0                  },
    {"capacity",    VALUE_BOUND,      0, COUNT_MAX          },
    {"running-max", VALUE_BOUND,      1, COUNT_MAX          },
    {"key-max",     VALUE_BOUND,      1, COUNT_MAX          },
    {"rate",        VALUE_RATE,       0, 0                  },
    {"burst",       VALUE_NUMBER,     1, 1000000            },
    {"weight",      VALUE_NUMBER,     1, 1000               },
    {"keep",        VALUE_KEEP,       0, 0                  },
    {"priority",    VALUE_NUMBER,     0, LEAT_PRIORITIES - 1},
    {"retries",     VALUE_NUMBER,     0, UINT16_MAX - 1     },
    {"losses",      VALUE_NUMBER,     1, UINT8_MAX          },
    {"snoozes",     VALUE_NUMBER,     1, UINT16_MAX         },
    {"backoff",     VALUE_BACKOFF,    0, 0                  },
    {"run-limit",   VALUE_DURATION,   1, LEAT_DELAY_MS_MAX  },
    {"grace",       VALUE_DURATION,   1, LEAT_GRACE_MS_MAX  },
    {"expires",     VALUE_DURATION,   1, LEAT_DELAY_MS_MAX  },
};

#define DEFAULT_KEYS (sizeof default_keys / sizeof *default_keys)

static const char *
default_key(const void *context, size_t i)
{
    (void)context;
    return default_keys[i].name;
}

/* A value that has been read goes to its place. */
static void
put_figure(leat_broker_options *options, const char *name, uint64_t figure)
{
    leat_channel_rules *const rules = options->channel_rules;
    leat_settings *const settings = &options->channel_settings;
    if (strcmp(name, "capacity") == 0)
        rules->capacity = figure;
    else if (strcmp(name, "running-max") == 0)
        rules->running_max = figure;
    else if (strcmp(name, "key-max") == 0)
        rules->key_max = figure;
    else if (strcmp(name, "burst") == 0)
        rules->burst = (uint32_t)figure;
    else if (strcmp(name, "weight") == 0)
        rules->weight = (uint32_t)figure;
    else if (strcmp(name, "priority") == 0)
        settings->priority = (uint8_t)figure;
    else if (strcmp(name, "retries") == 0)
        settings->failures = (uint16_t)(figure + 1);
    else if (strcmp(name, "losses") == 0)
        settings->losses = (uint16_t)figure;
    else if (strcmp(name, "snoozes") == 0)
        settings->snoozes = (uint16_t)figure;
    else if (strcmp(name, "run-limit") == 0)
        settings->run_limit_ms = figure;
    else if (strcmp(name, "grace") == 0)
        settings->grace_ms = figure;
    else
        settings->expires_ms = figure;
}

/* "1s..10m", or "5s" for both. */
static bool
take_backoff(leat_settings *settings, const char *value)
{
    char first[32];
    int64_t min_ms;
    int64_t max_ms;
    const char *const dots = strstr(value, "..");
    const size_t size = dots == NULL ? strlen(value) : (size_t)(dots - value);
    if (size >= sizeof first)
        return false;
    memcpy(first, value, size);
    first[size] = '\0';
    if (!leat_parse_duration(first, &min_ms) ||
        !leat_parse_duration(dots == NULL ? first : dots + 2, &max_ms) || min_ms < 1 ||
        max_ms < min_ms || max_ms > LEAT_DELAY_MS_MAX)
        return false;
    settings->backoff_min_ms = (uint64_t)min_ms;
    settings->backoff_max_ms = (uint64_t)max_ms;
    return true;
}

static bool
take_rate(leat_channel_rules *rules, const char *value)
{
    char *end;
    const double rate = strtod(value, &end);
    if (strcmp(value, "none") == 0) {
        rules->rate_per_ks = 0;
        return true;
    }
    if (*value == '\0' || value[strspn(value, "0123456789.")] != '\0' || *end != '\0' ||
        rate < 0.001 || rate > 4e6)
        return false;
    rules->rate_per_ks = (uint32_t)(rate * 1000 + 0.5);
    return true;
}

/* One of some words; its place goes to *out. */
static bool
take_word(const char *const *words, const char *value, unsigned *out)
{
    for (unsigned i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], value) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* false: it is none; *wanted says what would be one. */
static bool
take_default(leat_broker_options *options, size_t row, const char *value, const char **wanted)
{
    static const char *const durabilities[] = {"disk", "memory", NULL};
    static const char *const keeps[] = {"all", "failed", "none", NULL};
    uint64_t number = 0;
    int64_t ms = 0;
    unsigned word = 0;
    bool good = false;
    switch (default_keys[row].kind) {
    case VALUE_DURABILITY:
        *wanted = "disk or memory";
        good = take_word(durabilities, value, &word);
        options->default_memory = good ? word == 1 : options->default_memory;
        return good;
    case VALUE_KEEP:
        *wanted = "all, failed or none";
        good = take_word(keeps, value, &word);
        options->channel_rules->keep = good ? (leat_keeping)word : options->channel_rules->keep;
        return good;
    case VALUE_RATE:
        *wanted = "items in a second, 0.001 to 4000000, or none";
        return take_rate(options->channel_rules, value);
    case VALUE_BACKOFF:
        *wanted = "durations as 1s..10m";
        return take_backoff(&options->channel_settings, value);
    case VALUE_DURATION:
        *wanted = "a duration, at most 366 days (grace: an hour)";
        good = leat_parse_duration(value, &ms);
        number = (uint64_t)ms;
        break;
    case VALUE_BOUND:
        *wanted = "a whole number, or none";
        number = LEAT_UNLIMITED;
        good = strcmp(value, "none") == 0;
        if (good) {
            put_figure(options, default_keys[row].name, number);
            return true;
        }
        good = leat_parse_number(value, &number);
        break;
    case VALUE_NUMBER:
        *wanted = "a whole number in its limits";
        good = leat_parse_number(value, &number);
        break;
    default:
        break;
    }
    good = good && number >= default_keys[row].min && number <= default_keys[row].max;
    if (good)
        put_figure(options, default_keys[row].name, number);
    return good;
}

/* key and value of --channel-default, or of a line in [channel.default]; why has a sentence. */
static leat_err
take_channel_default(
    leat_broker_options *options, const char *key, const char *value, char *why, size_t size)
{
    const char *wanted = "";
    for (size_t i = 0; i < DEFAULT_KEYS; i++) {
        if (strcmp(default_keys[i].name, key) != 0)
            continue;
        if (take_default(options, i, value, &wanted))
            return LEAT_ERR_OK;
        (void)snprintf(why, size, "%s: \"%.100s\" is not %s", key, value, wanted);
        return LEAT_ERR_CONFIG;
    }
    const char *const meant = leat_suggest(key, default_key, NULL, DEFAULT_KEYS);
    if (meant == NULL)
        (void)snprintf(why, size, "no key \"%.100s\"", key);
    else
        (void)snprintf(why, size, "no key \"%.100s\", did you mean \"%s\"?", key, meant);
    return LEAT_ERR_CONFIG;
}

/* A leat_options_section: [channel.default] of broker.ini. */
static leat_err
take_section(void *context,
             leat_origin origin,
             const char *section,
             const char *key,
             const char *value,
             char *why,
             size_t why_size)
{
    (void)origin; /* the weaker file is read first */
    if (strcmp(section, "channel.default") != 0)
        return LEAT_ERR_NOT_FOUND;
    return take_channel_default(context, key, value, why, why_size);
}

/* One "K=V" of the option. */
static leat_err
take_pair(leat_broker_options *options, const char *pair, size_t size)
{
    char key[64];
    char value[64];
    char why[300];
    const char *const sign = memchr(pair, '=', size);
    const size_t key_size = sign == NULL ? 0 : (size_t)(sign - pair);
    if (sign == NULL || key_size >= sizeof key || size - key_size - 1 >= sizeof value)
        return wrong(options, "--channel-default: write it as K=V, not ", pair);
    (void)snprintf(key, sizeof key, "%.*s", (int)key_size, pair);
    (void)snprintf(value, sizeof value, "%.*s", (int)(size - key_size - 1), sign + 1);
    return take_channel_default(options, key, value, why, sizeof why) == LEAT_ERR_OK
               ? LEAT_ERR_OK
               : wrong(options, "--channel-default: ", why);
}

/* The option is stronger than what files say in their section, which has been read. */
static leat_err
read_channel_defaults(leat_broker_options *options)
{
    const char *const *given;
    leat_err err = LEAT_ERR_OK;
    leat_channel_rules *const rules = options->channel_rules;
    const size_t count = leat_options_list(options->options, "channel-default", &given);
    for (size_t i = 0; i < count; i++) {
        for (const char *pair = given[i]; *pair != '\0' && err == LEAT_ERR_OK;) {
            const size_t size = strcspn(pair, ",");
            err = take_pair(options, pair, size);
            pair += size + (pair[size] == ',');
        }
    }
    /* As for channel set: a second's worth, at least one. */
    if (rules->rate_per_ks > 0 && rules->burst == 0)
        rules->burst = rules->rate_per_ks < 1000 ? 1 : rules->rate_per_ks / 1000;
    return err;
}

/* Before there are threads. */
static leat_err
read_cores(leat_broker_options *options)
{
    const char *const list = leat_options_text(options->options, "cpu");
    const leat_err err = list == NULL ? LEAT_ERR_OK : leat_cores_keep_to(list);
    if (err == LEAT_ERR_MALFORMED)
        return wrong(options, "--cpu: write the numbers of cores as 0-3,8, not ", list);
    if (err == LEAT_ERR_NOT_FOUND)
        return wrong(options, "--cpu: some of these cores are not there for this process: ", list);
    return err;
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
    options->show_config = leat_options_flag(o, "show-config");
    if (options->show_config)
        return LEAT_ERR_OK;
    const size_t known = leat_options_flag(o, "listen") ? 1 : 0; /* its ADDR */
    if (leat_options_operand_count(o) > known) {
        (void)snprintf(options->why, sizeof options->why,
                       "unexpected argument \"%.200s\": leat-broker takes options only, and one "
                       "address behind --listen",
                       leat_options_operand(o, known));
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
        err = read_cores(options);
    if (err == LEAT_ERR_OK)
        err = read_binds(options);
    if (err == LEAT_ERR_OK)
        err = read_keys(options);
    return err;
}

leat_err
leat_broker_options_read(leat_broker_options *options, int argc, char *const argv[])
{
    static const leat_channel_rules built_in = {.capacity = LEAT_UNLIMITED,
                                                .running_max = LEAT_UNLIMITED,
                                                .key_max = LEAT_UNLIMITED,
                                                .weight = 1};
    *options = (leat_broker_options){.log_level = LEAT_LOG_INFO,
                                     .channel_settings = leat_settings_nothing()};
    options->channel_rules = malloc(sizeof *options->channel_rules);
    if (options->channel_rules == NULL)
        return LEAT_ERR_NOMEM;
    *options->channel_rules = built_in;
    leat_err err = leat_options_new(rows, sizeof rows / sizeof *rows, &options->options);
    if (err != LEAT_ERR_OK)
        return err;
    leat_options_on_section(options->options, take_section, options);
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
    free(options->channel_rules);
    leat_options_destroy(&options->options);
}

void
leat_broker_options_print_help(const leat_broker_options *options, FILE *out)
{
    (void)fputs("leat-broker: holds channels, gives jobs to workers, keeps what they answer\n\n"
                "  leat-broker\n"
                "  leat-broker --data /var/lib/leat --bind ipc:///run/leat/broker.sock\n"
                "  leat-broker --listen --keys /etc/leat/keys          other hosts, too\n"
                "  leat-broker --bind tcp://127.0.0.1:5328 --insecure-loopback\n\n"
                "Options:\n",
                out);
    leat_options_print_help(options->options, out);
    (void)fputs("\nEach has a variable (LEAT_DATA) and a key in broker.ini (data).\n", out);
}
