/* Finding the command among options that may stand before it. */
#include "client/cli/arguments.h"

#include <stdlib.h>
#include <string.h>

/* Note -h, --version and --json wherever they stand. Returns true when the option takes the next
 * argument as its value, which is then no noun. Options that no command has take none: reading them
 * properly will say so. */
static bool
look_at_long(leat_arguments *out, const char *argument)
{
    const char *const name = argument + 2;
    const size_t size = strcspn(name, "=");
    const leat_option *const row = leat_option_anywhere(name, size);
    if (row == NULL)
        return false;
    out->has_handler |= strcmp(row->name, "handler") == 0;
    if (row->type != LEAT_OPTION_FLAG)
        return name[size] == '\0';
    out->help |= strcmp(row->name, "help") == 0;
    out->version |= strcmp(row->name, "version") == 0;
    out->json |= strcmp(row->name, "json") == 0;
    return false;
}

static bool
look_at_letters(leat_arguments *out, const char *argument)
{
    for (const char *p = argument + 1; *p != '\0'; p++) {
        const leat_option *const row = leat_option_letter_anywhere(*p);
        if (row == NULL)
            return false;
        if (row->type != LEAT_OPTION_FLAG)
            return p[1] == '\0';
        out->help |= *p == 'h';
    }
    return false;
}

/* Returns true when the word was the noun or verb and is not kept for the options. */
static bool
take_word(leat_arguments *out, const char *word)
{
    if (out->noun == NULL) {
        out->noun = word;
        return true;
    }
    if (out->verb == NULL && leat_cli_command_is_group(out->noun)) {
        out->verb = word;
        return true;
    }
    return false;
}

static leat_arguments_kind
find_command(leat_arguments *out)
{
    if (out->noun == NULL)
        return LEAT_ARGUMENTS_NONE;
    if (!leat_cli_command_is_noun(out->noun))
        return LEAT_ARGUMENTS_NO_NOUN;
    out->command = leat_cli_command_find(out->noun, out->verb);
    if (out->command != NULL)
        return LEAT_ARGUMENTS_COMMAND;
    return out->verb == NULL ? LEAT_ARGUMENTS_VERB_MISSING : LEAT_ARGUMENTS_NO_VERB;
}

/* Does this word end what belongs to the options? Sets inputs or tail. A command without inputs
 * sees ":::" as a word, one without a tail sees "--" as getopt would. */
static bool
ends_here(leat_arguments *out, int argc, char *const argv[], int i)
{
    const leat_cli_command *const command =
        out->noun == NULL ? NULL : leat_cli_command_find(out->noun, out->verb);
    const unsigned flags = command == NULL ? 0 : command->flags;
    if (strcmp(argv[i], ":::") == 0 && (flags & LEAT_CLI_COMMAND_INPUTS) != 0) {
        out->inputs = argv + i + 1;
        out->input_count = (size_t)(argc - i - 1);
        return true;
    }
    if (strcmp(argv[i], "--") == 0 && (flags & LEAT_CLI_COMMAND_TAIL) != 0) {
        out->tail = argv + i + 1;
        out->tail_count = (size_t)(argc - i - 1);
        return true;
    }
    return false;
}

/* Does the user's own command line begin with this word? Then it goes up to ":::", if inputs may
 * follow. */
static bool
begins_own(leat_arguments *out, int argc, char *const argv[], int i)
{
    const leat_cli_command *const command =
        out->noun == NULL ? NULL : leat_cli_command_find(out->noun, out->verb);
    if (command == NULL || (command->flags & LEAT_CLI_COMMAND_OWN) == 0 || out->has_handler ||
        out->operand_count < command->own_after)
        return false;
    const bool has_inputs = (command->flags & LEAT_CLI_COMMAND_INPUTS) != 0;
    out->tail = argv + i;
    while (i < argc && !(has_inputs && strcmp(argv[i], ":::") == 0)) {
        out->tail_count++;
        i++;
    }
    if (i < argc)
        (void)ends_here(out, argc, argv, i);
    return true;
}

leat_err
leat_arguments_split(int argc, char *const argv[], leat_arguments *out)
{
    *out = (leat_arguments){0};
    out->rest = calloc((size_t)argc + 2, sizeof *out->rest);
    if (out->rest == NULL)
        return LEAT_ERR_NOMEM;
    if (argc > 0)
        out->rest[out->rest_count++] = argv[0];

    bool is_value = false; /* this argument is the value of the option before it */
    for (int i = 1; i < argc; i++) {
        char *const word = argv[i];
        if (!is_value && ends_here(out, argc, argv, i))
            break;
        if (is_value) {
            is_value = false;
        } else if (!out->words_only && strcmp(word, "--") == 0) {
            out->words_only = true;
        } else if (!out->words_only && strncmp(word, "--", 2) == 0) {
            is_value = look_at_long(out, word);
        } else if (!out->words_only && word[0] == '-' && word[1] != '\0') {
            is_value = look_at_letters(out, word);
        } else if (begins_own(out, argc, argv, i)) {
            break;
        } else if (take_word(out, word)) {
            continue;
        } else {
            out->operand_count++;
        }
        out->rest[out->rest_count++] = word;
        out->awaiting = is_value ? word : NULL;
    }
    out->kind = find_command(out);
    return LEAT_ERR_OK;
}

void
leat_arguments_fini(leat_arguments *arguments)
{
    free(arguments->rest);
    *arguments = (leat_arguments){0};
}
