/* Help, made from the table of commands. */
#ifndef LEAT_CLI_HELP_H
#define LEAT_CLI_HELP_H

#include <stdio.h>

#include "client/cli/command.h"

/* What `leat` alone prints. */
void leat_help_short(FILE *out);
/* All commands with their summaries: `leat -h`. */
void leat_help_all(FILE *out);
/* One command: examples first. */
void leat_help_command(const leat_cli_command *command, FILE *out);
/* The verbs of a noun. */
void leat_help_noun(const char *noun, FILE *out);
/* A topic ("exit-codes"), its title in the first line; NULL: there is none of that name. */
const char *leat_help_topic(const char *name);
/* Names of the topics, for suggestions; NULL behind the last. */
const char *leat_help_topic_name(size_t index);

#endif
