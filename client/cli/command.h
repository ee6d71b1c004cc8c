/* leat_cli_command: one row of the table from which the commands, their --help, and whatever else
 * describes them is made. Each command's row stands in the file of that command; commands.c has
 * them in the order in which they are shown. */
#ifndef LEAT_CLI_COMMAND_H
#define LEAT_CLI_COMMAND_H

#include "client/cli/cli.h"
#include "proto/base/option.h"

typedef struct leat_example {
    const char *line; /* as typed, without the prompt */
    const char *does; /* a few words */
} leat_example;

#define LEAT_CLI_COMMAND_INPUTS 1U /* ":::" and what follows are inputs, never options */
#define LEAT_CLI_COMMAND_TAIL   2U /* "--" and what follows are another program's command line */
#define LEAT_CLI_COMMAND_OWN                                                    \
    8U /* the first word that is no option (behind own_after others) begins the \
          user's own command line, unless --handler was given */
#define LEAT_CLI_COMMAND_LOCAL                                         \
    4U /* connects to no broker that is named: no --broker, --key-file \
        */

struct leat_cli_command {
    const char *noun;
    const char *verb;     /* NULL: the noun stands alone */
    const char *summary;  /* one line: what it does */
    const char *operands; /* "[SEL…]"; "" without */
    const char *takes;    /* the operands, as in leat_option, "..." behind it: all of them; without,
                             the first; NULL: anything */
    const char *about;    /* paragraphs for help and man page; lines of at most 78 columns */
    const leat_example *examples;
    size_t example_count;
    const leat_option *rows;
    size_t row_count;
    unsigned flags;   /* LEAT_CLI_COMMAND_… */
    size_t own_after; /* OWN: words that stand before the user's own command line */
    int (*run)(leat_cli *cli);
};

#define LEAT_COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* Rows that several commands share, so that they mean the same everywhere. */
#define LEAT_ROW_TIMEOUT(text)                                                        \
    {                                                                                 \
        .name = "timeout", .type = LEAT_OPTION_DURATION, .value = "D", .help = (text) \
    }
#define LEAT_ROW_COUNT(text, fallback_text)                                           \
    {                                                                                 \
        .name = "count", .letter = 'n', .type = LEAT_OPTION_NUMBER, .value = "N",     \
        .fallback = (fallback_text), .help = (text), .flags = LEAT_OPTION_NOT_IN_FILE \
    }
#define LEAT_ROW_NULL(text)                                                      \
    {                                                                            \
        .name = "null", .letter = '0', .type = LEAT_OPTION_FLAG, .help = (text), \
        .flags = LEAT_OPTION_NOT_IN_FILE                                         \
    }
#define LEAT_ROW_TRY(text)                                                                        \
    {                                                                                             \
        .name = "try", .type = LEAT_OPTION_FLAG, .help = (text), .flags = LEAT_OPTION_NOT_IN_FILE \
    }

#define LEAT_ROW_YES                                                             \
    {                                                                            \
        .name = "yes", .type = LEAT_OPTION_FLAG, .help = "do it without asking", \
        .flags = LEAT_OPTION_NOT_IN_FILE                                         \
    }

#define LEAT_ROW_KEYS                                                                       \
    {                                                                                       \
        .name = "keys", .type = LEAT_OPTION_TEXT, .value = "DIR",                           \
        .help = "the keys directory (default: keys in your state folder)", .takes = "<dir>" \
    }
#define LEAT_ROW_ROLE(text)                                                     \
    {                                                                           \
        .name = "role", .type = LEAT_OPTION_TEXT, .value = "R", .help = (text), \
        .flags = LEAT_OPTION_NOT_IN_FILE, .takes = "client worker admin"        \
    }

/* The table. */
size_t leat_cli_command_count(void);
const leat_cli_command *leat_cli_command_at(size_t index);

/* The command with this noun and verb (NULL: none), or NULL. */
const leat_cli_command *leat_cli_command_find(const char *noun, const char *verb);
/* Is there a command with this noun? */
bool leat_cli_command_is_noun(const char *noun);
/* Is there a command noun + verb, so that the noun alone is not complete? */
bool leat_cli_command_is_group(const char *noun);

/* The noun nearest to what was typed, or NULL; the verb of noun likewise. */
const char *leat_cli_command_suggest_noun(const char *typed);
const char *leat_cli_command_suggest_verb(const char *noun, const char *typed);

/* Options that every command has. */
const leat_option *leat_common_rows(size_t *count);

/* Rows of a command with the common ones behind them; with `others`, also the rows of all other
 * commands (without their letters), so that a config file and the environment may hold settings
 * for any command. The array is the caller's to free; NULL without memory. */
leat_option *leat_cli_command_rows(const leat_cli_command *command, bool others, size_t *count);

/* The row of a long name or letter in any command, or NULL. */
const leat_option *leat_option_anywhere(const char *name, size_t name_size);
const leat_option *leat_option_letter_anywhere(char letter);

/* ---- the commands, each in a file of its own ---- */
extern const leat_cli_command leat_cli_command_demo;
extern const leat_cli_command leat_cli_command_up;
extern const leat_cli_command leat_cli_command_down;
extern const leat_cli_command leat_cli_command_run;
extern const leat_cli_command leat_cli_command_submit;
extern const leat_cli_command leat_cli_command_wait;
extern const leat_cli_command leat_cli_command_logs;
extern const leat_cli_command leat_cli_command_result;
extern const leat_cli_command leat_cli_command_status;
extern const leat_cli_command leat_cli_command_list;
extern const leat_cli_command leat_cli_command_events;
extern const leat_cli_command leat_cli_command_top;
extern const leat_cli_command leat_cli_command_explain;
extern const leat_cli_command leat_cli_command_cancel;
extern const leat_cli_command leat_cli_command_retry;
extern const leat_cli_command leat_cli_command_send;
extern const leat_cli_command leat_cli_command_recv;
extern const leat_cli_command leat_cli_command_select;
extern const leat_cli_command leat_cli_command_close;
extern const leat_cli_command leat_cli_command_channel_ls;
extern const leat_cli_command leat_cli_command_channel_new;
extern const leat_cli_command leat_cli_command_channel_info;
extern const leat_cli_command leat_cli_command_channel_set;
extern const leat_cli_command leat_cli_command_channel_pause;
extern const leat_cli_command leat_cli_command_channel_resume;
extern const leat_cli_command leat_cli_command_channel_purge;
extern const leat_cli_command leat_cli_command_channel_rm;
extern const leat_cli_command leat_cli_command_dead_ls;
extern const leat_cli_command leat_cli_command_dead_show;
extern const leat_cli_command leat_cli_command_dead_rm;
extern const leat_cli_command leat_cli_command_schedule_add;
extern const leat_cli_command leat_cli_command_schedule_ls;
extern const leat_cli_command leat_cli_command_schedule_pause;
extern const leat_cli_command leat_cli_command_schedule_resume;
extern const leat_cli_command leat_cli_command_schedule_run;
extern const leat_cli_command leat_cli_command_schedule_rm;
extern const leat_cli_command leat_cli_command_worker_ls;
extern const leat_cli_command leat_cli_command_worker_info;
extern const leat_cli_command leat_cli_command_worker_drain;
extern const leat_cli_command leat_cli_command_worker_stop;
extern const leat_cli_command leat_cli_command_worker_launch;
extern const leat_cli_command leat_cli_command_broker_ping;
extern const leat_cli_command leat_cli_command_broker_wait;
extern const leat_cli_command leat_cli_command_broker_info;
extern const leat_cli_command leat_cli_command_broker_stop;
extern const leat_cli_command leat_cli_command_store_check;
extern const leat_cli_command leat_cli_command_store_backup;
extern const leat_cli_command leat_cli_command_store_compact;
extern const leat_cli_command leat_cli_command_config_show;
extern const leat_cli_command leat_cli_command_key_new;
extern const leat_cli_command leat_cli_command_key_allow;
extern const leat_cli_command leat_cli_command_key_revoke;
extern const leat_cli_command leat_cli_command_key_ls;
extern const leat_cli_command leat_cli_command_key_show;
extern const leat_cli_command leat_cli_command_doctor;
extern const leat_cli_command leat_cli_command_bench;
extern const leat_cli_command leat_cli_command_completion;
extern const leat_cli_command leat_cli_command_help;
extern const leat_cli_command leat_cli_command_version;

#endif
