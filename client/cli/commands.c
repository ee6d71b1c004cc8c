/* The table of commands, and what is looked up in it. */
#include "client/cli/command.h"

#include <stdlib.h>
#include <string.h>

/* One a line, whatever their number. */
/* clang-format off */
static const leat_cli_command *const table[] = {
    &leat_cli_command_demo,
    &leat_cli_command_up,
    &leat_cli_command_down,
    &leat_cli_command_run,
    &leat_cli_command_submit,
    &leat_cli_command_wait,
    &leat_cli_command_logs,
    &leat_cli_command_result,
    &leat_cli_command_status,
    &leat_cli_command_list,
    &leat_cli_command_events,
    &leat_cli_command_top,
    &leat_cli_command_explain,
    &leat_cli_command_cancel,
    &leat_cli_command_retry,
    &leat_cli_command_send,
    &leat_cli_command_recv,
    &leat_cli_command_select,
    &leat_cli_command_close,
    &leat_cli_command_channel_ls,
    &leat_cli_command_channel_new,
    &leat_cli_command_channel_info,
    &leat_cli_command_channel_set,
    &leat_cli_command_channel_pause,
    &leat_cli_command_channel_resume,
    &leat_cli_command_channel_purge,
    &leat_cli_command_channel_rm,
    &leat_cli_command_dead_ls,
    &leat_cli_command_dead_show,
    &leat_cli_command_dead_rm,
    &leat_cli_command_schedule_add,
    &leat_cli_command_schedule_ls,
    &leat_cli_command_schedule_pause,
    &leat_cli_command_schedule_resume,
    &leat_cli_command_schedule_run,
    &leat_cli_command_schedule_rm,
    &leat_cli_command_worker_ls,
    &leat_cli_command_worker_info,
    &leat_cli_command_worker_drain,
    &leat_cli_command_worker_stop,
    &leat_cli_command_worker_launch,
    &leat_cli_command_broker_ping,
    &leat_cli_command_broker_wait,
    &leat_cli_command_broker_info,
    &leat_cli_command_broker_stop,
    &leat_cli_command_store_check,
    &leat_cli_command_store_backup,
    &leat_cli_command_store_compact,
    &leat_cli_command_config_show,
    &leat_cli_command_key_new,
    &leat_cli_command_key_allow,
    &leat_cli_command_key_revoke,
    &leat_cli_command_key_ls,
    &leat_cli_command_key_show,
    &leat_cli_command_doctor,
    &leat_cli_command_bench,
    &leat_cli_command_completion,
    &leat_cli_command_help,
    &leat_cli_command_version,
};
/* clang-format on */

/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is meant */
#define TABLE_COUNT (sizeof table / sizeof *table)

static const leat_option common_rows[] = {
    {.name = "broker",
     .type = LEAT_OPTION_TEXT,
     .value = "URL[,URL]",
     .help = "which broker (default: yours, then /run/leat, then tcp://127.0.0.1:5328)"                                                                      },
    {.name = "key-file",
     .type = LEAT_OPTION_TEXT,
     .value = "F",
     .takes = "<file>",
     .help = "who you are, made by `leat key new`; needed over TCP"},
    {.name = "history",
     .type = LEAT_OPTION_TEXT,
     .value = "DIR",
     .takes = "<dir>",
     .help = "write there what is sent and shown, for tests"},
    {.name = "config",
     .type = LEAT_OPTION_TEXT,
     .value = "F",
     .takes = "<file>",
     .help = "read settings from F instead of client.ini"},
    {.name = "json",                                       .type = LEAT_OPTION_FLAG,      .help = "one JSON value on stdout"                                  },
    {.name = "plain",                     .type = LEAT_OPTION_FLAG,                .help = "tables as fields with tabs between"},
    {.name = "quiet",
     .letter = 'q',
     .type = LEAT_OPTION_FLAG,
     .help = "say nothing but errors on stderr"                                                                                   },
    {.name = "verbose",                                                       .letter = 'v',                                       .type = LEAT_OPTION_FLAG, .help = "say more on stderr"              },
    {.name = "color",
     .type = LEAT_OPTION_TEXT,
     .value = "WHEN",
     .fallback = "auto",
     .takes = "auto always never",
     .help = "auto, always or never"},
    {.name = "no-input",                            .type = LEAT_OPTION_FLAG,                           .help = "never ask anything"                                                       },
    {.name = "help",
     .letter = 'h',
     .type = LEAT_OPTION_FLAG,
     .help = "show this help",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "version",
     .type = LEAT_OPTION_FLAG,
     .help = "show the version",
     .flags = LEAT_OPTION_NOT_IN_FILE                                                                                                                                         },
};

size_t
leat_cli_command_count(void)
{
    return TABLE_COUNT;
}

const leat_cli_command *
leat_cli_command_at(size_t index)
{
    return index < TABLE_COUNT ? table[index] : NULL;
}

static bool
same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

const leat_cli_command *
leat_cli_command_find(const char *noun, const char *verb)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (same(table[i]->noun, noun) && same(table[i]->verb, verb))
            return table[i];
    }
    return NULL;
}

bool
leat_cli_command_is_noun(const char *noun)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (same(table[i]->noun, noun))
            return true;
    }
    return false;
}

bool
leat_cli_command_is_group(const char *noun)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (same(table[i]->noun, noun) && table[i]->verb != NULL)
            return true;
    }
    return false;
}

/* ---- suggestions ---- */

static const char *
noun_at(const void *context, size_t i)
{
    (void)context;
    return table[i]->noun;
}

const char *
leat_cli_command_suggest_noun(const char *typed)
{
    return leat_suggest(typed, noun_at, NULL, TABLE_COUNT);
}

/* context is the noun; i counts its verbs. */
static const char *
verb_at(const void *context, size_t i)
{
    for (size_t row = 0; row < TABLE_COUNT; row++) {
        if (same(table[row]->noun, context) && table[row]->verb != NULL && i-- == 0)
            return table[row]->verb;
    }
    return NULL;
}

const char *
leat_cli_command_suggest_verb(const char *noun, const char *typed)
{
    size_t count = 0;
    while (verb_at(noun, count) != NULL)
        count++;
    return leat_suggest(typed, verb_at, noun, count);
}

/* ---- options ---- */

const leat_option *
leat_common_rows(size_t *count)
{
    *count = LEAT_COUNT_OF(common_rows);
    return common_rows;
}

static bool
has_row(const leat_option *rows, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return true;
    }
    return false;
}

leat_option *
leat_cli_command_rows(const leat_cli_command *command, bool others, size_t *count)
{
    size_t room = command->row_count + LEAT_COUNT_OF(common_rows);
    for (size_t i = 0; i < TABLE_COUNT; i++)
        room += table[i]->row_count;
    leat_option *const rows = calloc(room, sizeof *rows);
    if (rows == NULL)
        return NULL;

    size_t used = 0;
    for (size_t i = 0; i < command->row_count; i++)
        rows[used++] = command->rows[i];
    for (size_t i = 0; i < LEAT_COUNT_OF(common_rows); i++) {
        /* A command without a broker still lets config files name one for the others. */
        const bool is_remote = strcmp(common_rows[i].name, "broker") == 0 ||
                               strcmp(common_rows[i].name, "key-file") == 0 ||
                               strcmp(common_rows[i].name, "history") == 0;
        if ((command->flags & LEAT_CLI_COMMAND_LOCAL) != 0 && !others && is_remote)
            continue;
        if (has_row(rows, used, common_rows[i].name)) /* the command's own meaning of it */
            continue;
        rows[used++] = common_rows[i];
    }
    for (size_t i = 0; others && i < TABLE_COUNT; i++) {
        for (size_t j = 0; j < table[i]->row_count; j++) {
            if (has_row(rows, used, table[i]->rows[j].name))
                continue;
            rows[used] = table[i]->rows[j];
            rows[used++].letter = 0;
        }
    }
    *count = used;
    return rows;
}

static bool
is_named(const leat_option *row, const char *name, size_t name_size)
{
    return strlen(row->name) == name_size && memcmp(row->name, name, name_size) == 0;
}

const leat_option *
leat_option_anywhere(const char *name, size_t name_size)
{
    for (size_t i = 0; i < LEAT_COUNT_OF(common_rows); i++) {
        if (is_named(&common_rows[i], name, name_size))
            return &common_rows[i];
    }
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        for (size_t j = 0; j < table[i]->row_count; j++) {
            if (is_named(&table[i]->rows[j], name, name_size))
                return &table[i]->rows[j];
        }
    }
    return NULL;
}

const leat_option *
leat_option_letter_anywhere(char letter)
{
    for (size_t i = 0; i < LEAT_COUNT_OF(common_rows); i++) {
        if (common_rows[i].letter == letter)
            return &common_rows[i];
    }
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        for (size_t j = 0; j < table[i]->row_count; j++) {
            if (table[i]->rows[j].letter == letter)
                return &table[i]->rows[j];
        }
    }
    return NULL;
}
