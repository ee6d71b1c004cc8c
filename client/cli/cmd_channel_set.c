/* leat channel new and set: what holds for a channel and its jobs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/channels.h"
#include "client/cli/command.h"
#include "client/cli/treatment.h"

#define COUNT_MAX (1ULL << 53) /* as JSON keeps it exactly */
#define RATE_MIN  0.001
#define RATE_MAX  4e6

/* Rows that new and set share. */
#define ROWS_OF_RULES                                                              \
    {.name = "capacity",                                                           \
     .type = LEAT_OPTION_TEXT,                                                     \
     .value = "N|none",                                                            \
     .help = "items that may wait in it before a send waits; 0: each send "        \
             "waits for its receiver",                                             \
     .flags = LEAT_OPTION_NOT_IN_FILE},                                            \
        {.name = "rate",                                                           \
         .type = LEAT_OPTION_TEXT,                                                 \
         .value = "R|none",                                                        \
         .help = "items that are handed out in a second, at most",                 \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                        \
        {.name = "burst",                                                          \
         .type = LEAT_OPTION_NUMBER,                                               \
         .value = "N",                                                             \
         .min = 1,                                                                 \
         .max = 1000000,                                                           \
         .help = "... and so many at once after a pause (default: one second's)",  \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                        \
        {.name = "running-max",                                                    \
         .type = LEAT_OPTION_TEXT,                                                 \
         .value = "N|none",                                                        \
         .help = "jobs of it that may run at the same time",                       \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                        \
        {.name = "key-max",                                                        \
         .type = LEAT_OPTION_TEXT,                                                 \
         .value = "N|none",                                                        \
         .help = "... and of those with the same --key",                           \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                        \
        {.name = "weight",                                                         \
         .type = LEAT_OPTION_NUMBER,                                               \
         .value = "N",                                                             \
         .min = 1,                                                                 \
         .max = 1000,                                                              \
         .help = "its share of a worker that serves several channels (default 1)", \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                        \
        {.name = "keep",                                                           \
         .type = LEAT_OPTION_TEXT,                                                 \
         .value = "WHAT",                                                          \
         .takes = "all failed none",                                               \
         .help = "ends that are kept: all (default), failed or none",              \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                        \
        LEAT_ROWS_OF_ATTEMPTS

/* ---- settings ---- */

static bool
is_typed(const leat_cli *cli, const char *option)
{
    return leat_options_origin(cli->options, option) == LEAT_ORIGIN_COMMAND_LINE;
}

/* N or none. */
static int
take_bound(const leat_cli *cli, const char *option, uint64_t min, int64_t *out)
{
    uint64_t n;
    if (!is_typed(cli, option))
        return LEAT_EXIT_OK;
    const char *const text = leat_options_text(cli->options, option);
    if (strcmp(text, "none") == 0) {
        *out = LEAT_NOTHING;
        return LEAT_EXIT_OK;
    }
    if (!leat_parse_number(text, &n) || n < min || n > COUNT_MAX)
        return leat_cli_usage(cli, "--%s \"%.100s\": a whole number from %" PRIu64 ", or none",
                              option, text, min);
    *out = (int64_t)n;
    return LEAT_EXIT_OK;
}

static int
take_rate(const leat_cli *cli, double *out)
{
    char *end;
    if (!is_typed(cli, "rate"))
        return LEAT_EXIT_OK;
    const char *const text = leat_options_text(cli->options, "rate");
    if (strcmp(text, "none") == 0) {
        *out = LEAT_NOTHING;
        return LEAT_EXIT_OK;
    }
    const double rate = strtod(text, &end);
    if (text[strspn(text, "0123456789.")] != '\0' || end == text || *end != '\0' ||
        rate < RATE_MIN || rate > RATE_MAX)
        return leat_cli_usage(
            cli, "--rate \"%.100s\": items in a second, 0.001 to 4000000, or none", text);
    *out = rate;
    return LEAT_EXIT_OK;
}

/* What a channel's settings are called here, and where they stand. */
typedef struct setting {
    const char *option;
    int64_t *figure;
} setting;

enum {
    SETTINGS = 16
};

static void
list_settings(leat_channel_options *o, setting out[SETTINGS])
{
    const setting rows[SETTINGS] = {
        {"capacity",    &o->capacity      },
        {"rate",        NULL              },
        {"burst",       &o->burst         },
        {"running-max", &o->running_max   },
        {"key-max",     &o->key_max       },
        {"weight",      &o->weight        },
        {"priority",    &o->priority      },
        {"retries",     &o->failures      },
        {"losses",      &o->losses        },
        {"snoozes",     &o->snoozes       },
        {"backoff",     &o->backoff_min_ms},
        {"run-limit",   &o->run_limit_ms  },
        {"grace",       &o->grace_ms      },
        {"expires",     &o->expires_ms    },
        {"keep",        &o->keep          },
        {NULL,          NULL              },
    };
    memcpy(out, rows, sizeof rows);
}

static const char *
setting_name(const void *context, size_t i)
{
    return ((const setting *)context)[i].option;
}

/* Wanted back as without a setting. */
static int
take_unset(const leat_cli *cli, leat_channel_options *o)
{
    const char *const *names = NULL;
    setting rows[SETTINGS];
    const size_t count = leat_options_list(cli->options, "unset", &names);
    list_settings(o, rows);
    for (size_t i = 0; i < count; i++) {
        size_t row = 0;
        while (rows[row].option != NULL && strcmp(rows[row].option, names[i]) != 0)
            row++;
        if (rows[row].option == NULL) {
            const char *const near = leat_suggest(names[i], setting_name, rows, SETTINGS - 1);
            return leat_cli_usage(cli, "--unset: no setting \"%.100s\"%s%s%s", names[i],
                                  near == NULL ? "" : ", did you mean \"", near == NULL ? "" : near,
                                  near == NULL ? "" : "\"?");
        }
        if (is_typed(cli, names[i]))
            return leat_cli_usage(cli, "--%s is set and unset: which of the two?", names[i]);
        if (rows[row].figure == NULL)
            o->rate = LEAT_NOTHING;
        else
            *rows[row].figure = LEAT_NOTHING;
        if (rows[row].figure == &o->backoff_min_ms)
            o->backoff_max_ms = LEAT_NOTHING;
    }
    return LEAT_EXIT_OK;
}

/* Figures whose rows have checked them. */
static void
take_figures(const leat_cli *cli, leat_channel_options *o)
{
    const struct {
        const char *option;
        int64_t *out;
    } numbers[] = {
        {"burst",    &o->burst   },
        {"weight",   &o->weight  },
        {"priority", &o->priority},
        {"retries",  &o->failures},
        {"losses",   &o->losses  },
        {"snoozes",  &o->snoozes },
    };
    const struct {
        const char *option;
        int64_t *out;
    } durations[] = {
        {"run-limit", &o->run_limit_ms},
        {"grace",     &o->grace_ms    },
        {"expires",   &o->expires_ms  },
    };
    for (size_t i = 0; i < LEAT_COUNT_OF(numbers); i++) {
        if (is_typed(cli, numbers[i].option))
            *numbers[i].out = (int64_t)leat_options_number(cli->options, numbers[i].option);
    }
    if (is_typed(cli, "retries"))
        o->failures++; /* the first attempt is none */
    for (size_t i = 0; i < LEAT_COUNT_OF(durations); i++) {
        if (is_typed(cli, durations[i].option))
            *durations[i].out = leat_options_ms(cli->options, durations[i].option);
    }
}

static int
take_keep(const leat_cli *cli, int64_t *out)
{
    static const char *const words[] = {"all", "failed", "none"};
    const char *const text = leat_options_text(cli->options, "keep");
    for (size_t i = 0; text != NULL && i < LEAT_COUNT_OF(words); i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = LEAT_KEEP_ALL + (int64_t)i;
            return LEAT_EXIT_OK;
        }
    }
    return text == NULL
               ? LEAT_EXIT_OK
               : leat_cli_usage(cli, "--keep is all, failed or none, not \"%.100s\"", text);
}

/* Only what is typed: what a file or a variable says of jobs is for those who submit them. */
static int
read_settings(const leat_cli *cli, leat_channel_options *o)
{
    leat_channel_options_init(o);
    take_figures(cli, o);
    int code = take_bound(cli, "capacity", 0, &o->capacity);
    if (code == LEAT_EXIT_OK)
        code = take_bound(cli, "running-max", 1, &o->running_max);
    if (code == LEAT_EXIT_OK)
        code = take_bound(cli, "key-max", 1, &o->key_max);
    if (code == LEAT_EXIT_OK)
        code = take_rate(cli, &o->rate);
    if (code == LEAT_EXIT_OK)
        code = take_keep(cli, &o->keep);
    const char *const backoff =
        is_typed(cli, "backoff") ? leat_options_text(cli->options, "backoff") : NULL;
    if (code == LEAT_EXIT_OK && backoff != NULL &&
        !leat_treatment_backoff(backoff, &o->backoff_min_ms, &o->backoff_max_ms))
        code = leat_cli_usage(
            cli, "--backoff \"%.100s\": two durations, the shorter first, as in 1s..10m", backoff);
    return code == LEAT_EXIT_OK ? take_unset(cli, o) : code;
}

/* A word of two. */
static int
take_word(
    const leat_cli *cli, const char *option, const char *first, const char *second, int64_t *out)
{
    const char *const text = leat_options_text(cli->options, option);
    if (text == NULL)
        return LEAT_EXIT_OK;
    if (strcmp(text, first) != 0 && strcmp(text, second) != 0)
        return leat_cli_usage(cli, "--%s is %s or %s, not \"%.100s\"", option, first, second, text);
    *out = strcmp(text, first) == 0 ? 1 : 2;
    return LEAT_EXIT_OK;
}

/* ---- leat channel new ---- */

static const leat_option new_rows[] = {
    {.name = "kind",
     .type = LEAT_OPTION_TEXT,
     .value = "WORD",
     .takes = "jobs messages",
     .help = "jobs or messages (default jobs)",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "durability",
     .type = LEAT_OPTION_TEXT,
     .value = "WORD",
     .takes = "disk memory",
     .help = "disk or memory (default: the broker's, disk)",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    ROWS_OF_RULES,
};

/* Settings of a channel that is in use are changed by `set`, where one sees what one does. */
static int
check_absent(leat_cli *cli, const char *channel)
{
    cJSON *json = NULL;
    const leat_status status = leat_channels_look(cli, channel, &json);
    cJSON_Delete(json);
    if (status == LEAT_OK)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "REFUSED",
                             "Look: leat channel info    Change it: leat channel set",
                             "there is a channel \"%s\" already", channel);
    return status == LEAT_NOT_FOUND ? LEAT_EXIT_OK : leat_channels_failed(cli, status, channel);
}

static int
run_new(leat_cli *cli)
{
    leat_channel_options options;
    const char *const channel = leat_channels_operand(cli);
    if (channel == NULL)
        return LEAT_EXIT_USAGE;
    int code = read_settings(cli, &options);
    if (code == LEAT_EXIT_OK)
        code = take_word(cli, "kind", "jobs", "messages", &options.kind);
    if (code == LEAT_EXIT_OK)
        code = take_word(cli, "durability", "disk", "memory", &options.durability);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK)
        code = check_absent(cli, channel);
    if (code != LEAT_EXIT_OK)
        return code;
    const leat_status status = leat_channel_new(cli->broker, channel, &options);
    if (status != LEAT_OK)
        return leat_channels_failed(cli, status, channel);
    leat_channels_did(cli, channel, "made", true);
    leat_cli_say(cli, "channel \"%s\" is made", channel);
    return LEAT_EXIT_OK;
}

static const leat_example new_examples[] = {
    {"leat channel new work --capacity 100",               "a send into it waits when 100 wait"},
    {"leat channel new meet --kind messages --capacity 0", "sender and receiver meet"          },
    {"leat channel new mail --rate 10 --retries 5",        "ten a second, with more attempts"  },
};

const leat_cli_command leat_cli_command_channel_new = {
    .noun = "channel",
    .verb = "new",
    .summary = "make a channel with settings",
    .operands = "NAME",
    .about = "A channel that nobody has made is made by its first use, without limits.\n",
    .examples = new_examples,
    .example_count = LEAT_COUNT_OF(new_examples),
    .rows = new_rows,
    .row_count = LEAT_COUNT_OF(new_rows),
    .run = run_new,
};

/* ---- leat channel set ---- */

static const leat_option set_rows[] = {
    {.name = "unset",
     .type = LEAT_OPTION_LIST,
     .value = "NAME",
     .help = "that setting is as if it had never been set (rate, retries, ...); may be given again",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    ROWS_OF_RULES,
};

static bool
says_something(const leat_cli *cli)
{
    for (size_t i = 0; i < LEAT_COUNT_OF(set_rows); i++) {
        if (is_typed(cli, set_rows[i].name))
            return true;
    }
    return false;
}

static int
run_set(leat_cli *cli)
{
    leat_channel_options options;
    const char *const channel = leat_channels_operand(cli);
    if (channel == NULL)
        return LEAT_EXIT_USAGE;
    int code = read_settings(cli, &options);
    if (code == LEAT_EXIT_OK && !says_something(cli))
        code = leat_cli_usage(cli, "nothing to set: leat channel set %s --rate 10", channel);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    if (code != LEAT_EXIT_OK)
        return code;
    const leat_status status = leat_channel_set(cli->broker, channel, &options);
    if (status != LEAT_OK)
        return leat_channels_failed(cli, status, channel);
    leat_channels_did(cli, channel, "set", true);
    leat_cli_say(cli, "channel \"%s\" is changed.  Look: leat channel info %s", channel, channel);
    return LEAT_EXIT_OK;
}

static const leat_example set_examples[] = {
    {"leat channel set mail --rate 10 --burst 50", "ten a second, fifty at once after a pause"},
    {"leat channel set mail --unset rate",         "no limit any more"                        },
    {"leat channel set mail --key-max 1",          "of each --key one job at a time"          },
};

const leat_cli_command leat_cli_command_channel_set = {
    .noun = "channel",
    .verb = "set",
    .summary = "change the settings of a channel",
    .operands = "NAME",
    .takes = "<channel>",
    .about =
        "Only what is given changes. Settings of jobs (priority, retries, ...) count for those\n"
        "that do not say it themselves.\n",
    .examples = set_examples,
    .example_count = LEAT_COUNT_OF(set_examples),
    .rows = set_rows,
    .row_count = LEAT_COUNT_OF(set_rows),
    .run = run_set,
};
