/* leat channel ls, info, pause, resume, purge, rm; new and set are in cmd_channel_set.c. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "client/cli/channels.h"
#include "client/cli/command.h"
#include "client/cli/duration.h"
#include "client/cli/json.h"
#include "proto/limits.h"

/* On LEAT_EXIT_OK *json is the caller's. */
static int
ask(leat_cli *cli, const char *channel, cJSON **json)
{
    const leat_status status = leat_channels_look(cli, channel, json);
    return status == LEAT_OK ? LEAT_EXIT_OK : leat_channels_failed(cli, status, channel);
}

/* ---- leat channel ls ---- */

static int
run_ls(leat_cli *cli)
{
    const char *text;
    if (leat_options_operand_count(cli->options) > 0)
        return leat_cli_usage(cli, "channel ls takes no operands");
    int code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_query(cli, "status", NULL, &text);
    if (code != LEAT_EXIT_OK)
        return code;
    cJSON *const answer = cJSON_Parse(text);
    cJSON *const channels = cJSON_GetObjectItemCaseSensitive(answer, "channels");
    const uint64_t left_off = leat_json_count(answer, "channels_left_off");
    if (!cJSON_IsArray(channels)) {
        cJSON_Delete(answer);
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "PROTOCOL", NULL,
                             "the broker's answer is not understood");
    }
    for (int i = cJSON_GetArraySize(channels); i > 0; i--) {
        if (leat_channels_is_empty_name(cJSON_GetArrayItem(channels, i - 1)))
            cJSON_DeleteItemFromArray(channels, i - 1);
    }
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        leat_json_counts(channels);
        (void)cJSON_AddItemToObject(json, "channels",
                                    cJSON_DetachItemFromObjectCaseSensitive(answer, "channels"));
        (void)cJSON_AddNumberToObject(json, "left_off", (double)left_off);
        (void)leat_json_print(&json, stdout);
    } else {
        if (!leat_channels_print(cli, channels, stdout))
            leat_cli_say(cli, "no channels.  Make one: leat channel new news");
        if (left_off > 0)
            leat_cli_say(cli, "%" PRIu64 " more channels are not shown", left_off);
    }
    cJSON_Delete(answer);
    return LEAT_EXIT_OK;
}

static const leat_example ls_examples[] = {
    {"leat channel ls",                   "what there is, and how much waits in it"},
    {"leat channel ls --plain | cut -f1", "their names"                            },
};

const leat_cli_command leat_cli_command_channel_ls = {
    .noun = "channel",
    .verb = "ls",
    .summary = "list channels",
    .operands = "",
    .about = "",
    .examples = ls_examples,
    .example_count = LEAT_COUNT_OF(ls_examples),
    .run = run_ls,
};

/* ---- leat channel info ---- */

/* Text that grows; what does not fit is cut. */
typedef struct line {
    char text[1024];
    size_t used;
} line;

__attribute__((format(printf, 2, 3))) static void
add(line *self, const char *format, ...)
{
    va_list arguments;
    if (self->used >= sizeof self->text)
        return;
    va_start(arguments, format);
    const int wrote =
        vsnprintf(self->text + self->used, sizeof self->text - self->used, format, arguments);
    va_end(arguments);
    self->used += wrote < 0 ? 0 : (size_t)wrote;
}

static void
print_line(const leat_cli *cli, const char *head, const line *self)
{
    char safe[2048];
    (void)leat_screen_safe(self->text, strlen(self->text), cli->out.utf8, 0, safe, sizeof safe);
    (void)printf("%-9s %s\n", head, safe);
}

static void
print_items(const leat_cli *cli, const cJSON *json)
{
    static const char *const keys[] = {"ready", "running", "delayed", "held", "done", "dead"};
    line out = {.used = 0};
    for (size_t i = 0; i < LEAT_COUNT_OF(keys); i++)
        add(&out, "%s%" PRIu64 " %s", i == 0 ? "" : ", ", leat_json_count(json, keys[i]), keys[i]);
    if (leat_json_count(json, "senders") > 0)
        add(&out, "; %" PRIu64 " sends wait", leat_json_count(json, "senders"));
    print_line(cli, "items", &out);
}

static void
print_rules(const leat_cli *cli, const cJSON *json)
{
    static const struct {
        const char *key;
        const char *word;
    } bounds[] = {
        {"capacity",    "capacity"   },
        {"running_max", "running-max"},
        {"key_max",     "key-max"    },
        {"rate",        "rate"       },
        {"burst",       "burst"      },
        {"weight",      "weight"     },
    };
    line out = {.used = 0};
    for (size_t i = 0; i < LEAT_COUNT_OF(bounds); i++) {
        const cJSON *const item = cJSON_GetObjectItemCaseSensitive(json, bounds[i].key);
        if (item != NULL && !cJSON_IsNull(item))
            add(&out, "%s%s %.10g", out.used == 0 ? "" : ", ", bounds[i].word, item->valuedouble);
        else if (i == 0)
            add(&out, "capacity none");
    }
    const char *const keep = leat_json_string(json, "keep");
    if (strcmp(keep, "failed") == 0 || strcmp(keep, "none") == 0)
        add(&out, ", keep %s", keep);
    print_line(cli, "settings", &out);
}

/* "1s", "10m", "1h30m": as it would be typed. */
static void
add_duration(line *out, double ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {
        {"d",  86400000},
        {"h",  3600000 },
        {"m",  60000   },
        {"s",  1000    },
        {"ms", 1       },
    };
    int64_t left = (int64_t)ms;
    for (size_t i = 0; i < LEAT_COUNT_OF(units); i++) {
        if (left >= units[i].ms)
            add(out, "%lld%s", (long long)(left / units[i].ms), units[i].unit);
        left %= units[i].ms;
    }
}

static void
print_defaults(const leat_cli *cli, const cJSON *json)
{
    static const struct {
        const char *key;
        const char *word;
        bool is_duration;
    } rows[] = {
        {"priority",       "priority",  false},
        {"failures",       "retries",   false},
        {"losses",         "losses",    false},
        {"snoozes",        "snoozes",   false},
        {"backoff_min_ms", "backoff",   true },
        {"run_limit_ms",   "run-limit", true },
        {"grace_ms",       "grace",     true },
        {"expires_ms",     "expires",   true },
    };
    line out = {.used = 0};
    for (size_t i = 0; i < LEAT_COUNT_OF(rows); i++) {
        const double value = leat_json_real(json, rows[i].key, -1);
        if (value < 0)
            continue;
        add(&out, "%s%s ", out.used == 0 ? "" : ", ", rows[i].word);
        if (rows[i].is_duration)
            add_duration(&out, value);
        else
            add(&out, "%.0f", strcmp(rows[i].key, "failures") == 0 ? value - 1 : value);
        if (strcmp(rows[i].key, "backoff_min_ms") == 0) {
            add(&out, "..");
            add_duration(&out, leat_json_real(json, "backoff_max_ms", value));
        }
    }
    if (out.used > 0)
        print_line(cli, "jobs", &out);
}

/* What holds the next item, in one line. */
static void
print_next(const leat_cli *cli, const cJSON *json)
{
    line out = {.used = 0};
    const char *const holds = leat_json_string(json, "holds");
    const bool paused = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "paused"));
    if (*holds != '\0')
        add(&out, "%s", holds);
    else if (leat_json_count(json, "ready") > 0)
        add(&out, "waits for a receiver");
    else if (leat_json_count(json, "delayed") + leat_json_count(json, "held") > 0)
        add(&out, "nothing is due yet");
    else
        add(&out, "nothing waits");
    if (paused)
        add(&out, "   %s leat channel resume %s", cli->out.utf8 ? "\xe2\x86\x92" : "->",
            leat_json_string(json, "name"));
    print_line(cli, "next", &out);
}

static void
print_info(const leat_cli *cli, const cJSON *json)
{
    line out = {.used = 0};
    const bool messages = strcmp(leat_json_string(json, "kind"), "messages") == 0;
    add(&out, "%s: %s, %s", leat_json_string(json, "name"), leat_json_string(json, "kind"),
        strcmp(leat_json_string(json, "durability"), "memory") == 0 ? "in memory" : "on disk");
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "paused")))
        add(&out, ", paused");
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "closed")))
        add(&out, ", closed");
    print_line(cli, "channel", &out);
    print_items(cli, json);
    print_rules(cli, json);
    if (!messages)
        print_defaults(cli, json);
    print_next(cli, json);
}

/* Each member as its key and value, with a tab between. */
static void
print_info_plain(const leat_cli *cli, const cJSON *json)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, json)
    {
        char safe[1024];
        char *const value = cJSON_IsString(item) ? NULL : cJSON_PrintUnformatted(item);
        const char *const text = cJSON_IsString(item) ? item->valuestring : value;
        if (text != NULL) {
            (void)leat_screen_safe(text, strlen(text), cli->out.utf8, 0, safe, sizeof safe);
            (void)printf("%s\t%s\n", item->string, safe);
        }
        cJSON_free(value);
    }
}

static int
run_info(leat_cli *cli)
{
    cJSON *json = NULL;
    const char *const channel = leat_channels_operand(cli);
    if (channel == NULL)
        return LEAT_EXIT_USAGE;
    int code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK)
        code = ask(cli, channel, &json);
    if (code != LEAT_EXIT_OK)
        return code;
    if (cli->json || cli->plain) {
        leat_json_counts(json);
        leat_json_times(json);
    }
    if (cli->json)
        (void)leat_json_print(&json, stdout);
    else if (cli->plain)
        print_info_plain(cli, json);
    else
        print_info(cli, json);
    cJSON_Delete(json);
    return LEAT_EXIT_OK;
}

static const leat_example info_examples[] = {
    {"leat channel info mail", "settings, figures, and what holds its next job"},
};

const leat_cli_command leat_cli_command_channel_info = {
    .noun = "channel",
    .verb = "info",
    .summary = "show a channel, its settings, and what holds its next job",
    .operands = "NAME",
    .takes = "<channel>",
    .about = "",
    .examples = info_examples,
    .example_count = LEAT_COUNT_OF(info_examples),
    .run = run_info,
};

/* ---- leat channel pause, resume ---- */

static const leat_option pause_rows[] = {
    {.name = "for",
     .type = LEAT_OPTION_DURATION,
     .value = "D",
     .min = 1,
     .max = (uint64_t)LEAT_DELAY_MS_MAX,
     .help = "go on by itself after this time",
     .flags = LEAT_OPTION_NOT_IN_FILE},
};

static int
run_pause(leat_cli *cli)
{
    char length[LEAT_DURATION_BYTES];
    const char *const channel = leat_channels_operand(cli);
    if (channel == NULL)
        return LEAT_EXIT_USAGE;
    const int code = leat_cli_connect(cli);
    if (code != LEAT_EXIT_OK)
        return code;
    const int64_t for_ms =
        leat_options_given(cli->options, "for") ? leat_options_ms(cli->options, "for") : -1;
    const leat_status status = leat_channel_pause(cli->broker, channel, for_ms);
    if (status != LEAT_OK)
        return leat_channels_failed(cli, status, channel);
    leat_channels_did(cli, channel, "paused", true);
    if (for_ms >= 0)
        leat_cli_say(cli, "channel \"%s\" is paused for %s", channel,
                     leat_duration_short((double)for_ms / 1000, length));
    else
        leat_cli_say(cli, "channel \"%s\" is paused.  Go on: leat channel resume %s", channel,
                     channel);
    return LEAT_EXIT_OK;
}

static const leat_example pause_examples[] = {
    {"leat channel pause mail",           "nothing of it starts any more"      },
    {"leat channel pause mail --for 10m", "and it goes on by itself afterwards"},
};

const leat_cli_command leat_cli_command_channel_pause = {
    .noun = "channel",
    .verb = "pause",
    .summary = "hand nothing out of a channel for a while",
    .operands = "NAME",
    .takes = "<channel>",
    .about = "What runs goes on, and sends are accepted.\n",
    .examples = pause_examples,
    .example_count = LEAT_COUNT_OF(pause_examples),
    .rows = pause_rows,
    .row_count = LEAT_COUNT_OF(pause_rows),
    .run = run_pause,
};

static int
run_resume(leat_cli *cli)
{
    const char *const channel = leat_channels_operand(cli);
    if (channel == NULL)
        return LEAT_EXIT_USAGE;
    const int code = leat_cli_connect(cli);
    if (code != LEAT_EXIT_OK)
        return code;
    const leat_status status = leat_channel_resume(cli->broker, channel);
    if (status != LEAT_OK)
        return leat_channels_failed(cli, status, channel);
    leat_channels_did(cli, channel, "paused", false);
    leat_cli_say(cli, "channel \"%s\" goes on", channel);
    return LEAT_EXIT_OK;
}

static const leat_example resume_examples[] = {
    {"leat channel resume mail", "the end of a pause"},
};

const leat_cli_command leat_cli_command_channel_resume = {
    .noun = "channel",
    .verb = "resume",
    .summary = "end a pause",
    .operands = "NAME",
    .takes = "<channel>",
    .about = "",
    .examples = resume_examples,
    .example_count = LEAT_COUNT_OF(resume_examples),
    .run = run_resume,
};

/* ---- leat channel purge, rm ---- */

static const leat_option purge_rows[] = {
    LEAT_ROW_YES,
};

static int
run_purge(leat_cli *cli)
{
    uint64_t marked = 0;
    const char *const channel = leat_channels_operand(cli);
    if (channel == NULL)
        return LEAT_EXIT_USAGE;
    int code = leat_cli_confirm(cli, "cancel all that waits in channel \"%s\"", channel);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    if (code != LEAT_EXIT_OK)
        return code;
    const leat_status status = leat_channel_purge(cli->broker, channel, &marked);
    if (status != LEAT_OK)
        return leat_channels_failed(cli, status, channel);
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        leat_json_put_bytes(json, "channel", channel, strlen(channel));
        (void)cJSON_AddNumberToObject(json, "purged", (double)marked);
        (void)leat_json_print(&json, stdout);
    }
    leat_cli_say(cli, "%" PRIu64 " item%s of channel \"%s\" %s gone; what runs goes on", marked,
                 marked == 1 ? "" : "s", channel, marked == 1 ? "is" : "are");
    return LEAT_EXIT_OK;
}

static const leat_example purge_examples[] = {
    {"leat channel purge mail --yes", "cancel its jobs, drop its messages"},
};

const leat_cli_command leat_cli_command_channel_purge = {
    .noun = "channel",
    .verb = "purge",
    .summary = "cancel what waits in a channel",
    .operands = "NAME",
    .takes = "<channel>",
    .about = "Asks on a terminal; elsewhere --yes is needed. What runs goes on.\n",
    .examples = purge_examples,
    .example_count = LEAT_COUNT_OF(purge_examples),
    .rows = purge_rows,
    .row_count = LEAT_COUNT_OF(purge_rows),
    .run = run_purge,
};

static const leat_option rm_rows[] = {
    {.name = "purge",
     .type = LEAT_OPTION_FLAG,
     .help = "also when something waits in it, which is cancelled",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    LEAT_ROW_YES,
};

static int
run_rm(leat_cli *cli)
{
    cJSON *json = NULL;
    const char *const channel = leat_channels_operand(cli);
    if (channel == NULL)
        return LEAT_EXIT_USAGE;
    const bool purge = leat_options_flag(cli->options, "purge");
    int code = leat_cli_confirm(cli, "remove channel \"%s\"%s", channel,
                                purge ? " and all that waits in it" : "");
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK)
        code = ask(cli, channel, &json);
    cJSON_Delete(json);
    if (code != LEAT_EXIT_OK)
        return code;
    const leat_status status = leat_channel_remove(cli->broker, channel, purge);
    if (status == LEAT_REFUSED && !purge)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "REFUSED",
                             "With what waits in it: leat channel rm --purge", "%s",
                             leat_sentence(cli->broker));
    if (status != LEAT_OK)
        return leat_channels_failed(cli, status, channel);
    leat_channels_did(cli, channel, "removed", true);
    leat_cli_say(cli, "channel \"%s\" is removed", channel);
    return LEAT_EXIT_OK;
}

static const leat_example rm_examples[] = {
    {"leat channel rm mail --yes",         "if it is empty"            },
    {"leat channel rm mail --purge --yes", "also with what waits in it"},
};

const leat_cli_command leat_cli_command_channel_rm = {
    .noun = "channel",
    .verb = "rm",
    .summary = "remove a channel and its settings",
    .operands = "NAME",
    .takes = "<channel>",
    .about = "Asks on a terminal; elsewhere --yes is needed. Refused while a job of it runs.\n",
    .examples = rm_examples,
    .example_count = LEAT_COUNT_OF(rm_examples),
    .rows = rm_rows,
    .row_count = LEAT_COUNT_OF(rm_rows),
    .run = run_rm,
};
