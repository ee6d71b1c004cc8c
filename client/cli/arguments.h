/* leat_arguments: the command line taken apart before any option is read: which command is meant,
 * and what belongs to inputs (":::") or to another program ("--"). */
#ifndef LEAT_ARGUMENTS_H
#define LEAT_ARGUMENTS_H

#include "client/cli/command.h"

typedef enum leat_arguments_kind {
    LEAT_ARGUMENTS_COMMAND = 1, /* command is set */
    LEAT_ARGUMENTS_NONE,        /* no noun at all */
    LEAT_ARGUMENTS_NO_NOUN,     /* noun is none of ours */
    LEAT_ARGUMENTS_VERB_MISSING,
    LEAT_ARGUMENTS_NO_VERB, /* verb is none of the noun's */
} leat_arguments_kind;

typedef struct leat_arguments {
    leat_arguments_kind kind;
    const leat_cli_command *command;
    const char *noun; /* as typed, or NULL; borrowed from argv like all strings here */
    const char *verb;
    char **rest; /* owned array: argv[0], then everything but noun, verb, inputs and tail */
    size_t rest_count;
    char *const *inputs; /* NULL: no ":::" */
    size_t input_count;
    char *const *tail; /* NULL: no "--", and no command of the user's own */
    size_t tail_count;
    bool help; /* -h or --help stands somewhere before ":::", "--" */
    bool version;
    bool json;
    bool has_handler; /* --handler stands there */
    /* for completions: what the next argument would be */
    const char *awaiting; /* the value of this option, as it was typed; NULL: it would be none */
    bool words_only;      /* "--" was there: no option any more */
    size_t operand_count; /* so many stand there already */
} leat_arguments;

/* argv is borrowed and must outlive the result. LEAT_ERR_NOMEM only. */
LEAT_NODISCARD leat_err leat_arguments_split(int argc, char *const argv[], leat_arguments *out);
void leat_arguments_fini(leat_arguments *arguments);

#endif
