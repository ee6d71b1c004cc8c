/* commands: the table of commands, from which help and completions are made, is whole. */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/complete.h"
#include "client/cli/help.h"

TestSuite(cli_commands);

static bool
takes_value(const leat_option *row)
{
    return row->type != LEAT_OPTION_FLAG;
}

Test(cli_commands, each_has_a_summary_an_example_and_a_function)
{
    cr_assert(gt(sz, leat_cli_command_count(), 10));
    for (size_t i = 0; i < leat_cli_command_count(); i++) {
        const leat_cli_command *const one = leat_cli_command_at(i);
        cr_assert(one->summary != NULL && *one->summary != '\0', "%s", one->noun);
        cr_assert(strchr(one->summary, '\n') == NULL, "%s", one->noun);
        cr_assert(one->operands != NULL && one->about != NULL, "%s", one->noun);
        cr_assert(one->example_count > 0, "%s", one->noun);
        cr_assert(one->run != NULL, "%s", one->noun);
        for (size_t k = 0; k < one->example_count; k++) {
            cr_assert(strstr(one->examples[k].line, "leat ") != NULL, "%s", one->noun);
            cr_assert(eq(int, (int)(*one->examples[k].does != '\0'), 1), "%s", one->noun);
        }
    }
    cr_assert(leat_cli_command_at(leat_cli_command_count()) == NULL);
}

Test(cli_commands, no_command_stands_there_twice)
{
    for (size_t i = 0; i < leat_cli_command_count(); i++) {
        const leat_cli_command *const one = leat_cli_command_at(i);
        cr_assert(leat_cli_command_find(one->noun, one->verb) == one, "%s", one->noun);
    }
}

Test(cli_commands, no_command_has_an_option_or_letter_twice)
{
    for (size_t i = 0; i < leat_cli_command_count(); i++) {
        size_t count;
        leat_option *const rows = leat_cli_command_rows(leat_cli_command_at(i), false, &count);
        cr_assert(rows != NULL);
        for (size_t a = 0; a < count; a++) {
            cr_assert(rows[a].help != NULL && *rows[a].help != '\0', "--%s", rows[a].name);
            cr_assert(takes_value(&rows[a]) == (rows[a].value != NULL), "--%s", rows[a].name);
            for (size_t b = a + 1; b < count; b++) {
                cr_assert(strcmp(rows[a].name, rows[b].name) != 0, "--%s twice", rows[a].name);
                cr_assert(rows[a].letter == 0 || rows[a].letter != rows[b].letter, "-%c twice",
                          rows[a].letter);
            }
        }
        free(rows);
    }
}

/* The command is found before its options are read, so an option has to look alike everywhere. */
Test(cli_commands, an_option_of_one_name_or_letter_takes_a_value_everywhere_or_nowhere)
{
    for (size_t i = 0; i < leat_cli_command_count(); i++) {
        const leat_cli_command *const one = leat_cli_command_at(i);
        for (size_t k = 0; k < one->row_count; k++) {
            const leat_option *const row = &one->rows[k];
            const leat_option *const named = leat_option_anywhere(row->name, strlen(row->name));
            cr_assert(takes_value(named) == takes_value(row), "--%s", row->name);
            cr_assert(named->type == row->type, "--%s", row->name);
            if (row->letter != 0)
                cr_assert(eq(int,
                             (int)(takes_value(leat_option_letter_anywhere(row->letter)) ==
                                   takes_value(row)),
                             1),
                          "-%c", row->letter);
        }
    }
}

static void
check_takes(const char *takes, const char *whose)
{
    char kind[64];
    if (takes == NULL || takes[0] != '<')
        return;
    (void)snprintf(kind, sizeof kind, "%.*s", (int)(strchr(takes, '>') + 1 - takes), takes);
    cr_assert(leat_complete_knows(kind), "%s: %s", whose, takes);
}

/* One that is misspelt would offer nothing, and nobody would notice. */
Test(cli_commands, what_a_row_takes_can_be_completed)
{
    for (size_t i = 0; i < leat_cli_command_count(); i++) {
        const leat_cli_command *const one = leat_cli_command_at(i);
        check_takes(one->takes, one->noun);
        for (size_t k = 0; k < one->row_count; k++)
            check_takes(one->rows[k].takes, one->rows[k].name);
    }
    cr_assert(not(leat_complete_knows("<chanel>")));
}

/* A variable with this beginning belongs to a job. */
Test(cli_commands, no_option_begins_with_job)
{
    for (size_t i = 0; i < leat_cli_command_count(); i++) {
        const leat_cli_command *const one = leat_cli_command_at(i);
        for (size_t k = 0; k < one->row_count; k++)
            cr_assert(strncmp(one->rows[k].name, "job-", 4) != 0, "--%s", one->rows[k].name);
    }
}

Test(cli_commands, rows_for_a_file_hold_those_of_all_commands_once_and_own_letters_only)
{
    size_t count;
    bool has_handler = false;
    bool has_broker = false;
    leat_option *const rows = leat_cli_command_rows(&leat_cli_command_down, true, &count);

    for (size_t a = 0; a < count; a++) {
        has_broker |= strcmp(rows[a].name, "broker") == 0;
        if (strcmp(rows[a].name, "handler") == 0)
            has_handler = true;
        if (strcmp(rows[a].name, "slots") == 0)
            cr_assert(eq(chr, rows[a].letter, 0));
        for (size_t b = a + 1; b < count; b++)
            cr_assert(strcmp(rows[a].name, rows[b].name) != 0, "--%s twice", rows[a].name);
    }

    cr_assert(has_handler);
    cr_assert(has_broker);
    free(rows);
}

Test(cli_commands, what_is_misspelt_is_suggested)
{
    LEAT_SAME_TEXT(leat_cli_command_suggest_noun("submti"), "submit");
    LEAT_SAME_TEXT(leat_cli_command_suggest_verb("broker", "pign"), "ping");
    cr_assert(leat_cli_command_suggest_noun("zebra") == NULL);
    cr_assert(leat_cli_command_suggest_verb("broker", "zebra") == NULL);
}

Test(cli_commands, nouns_and_groups_are_told_apart)
{
    cr_assert(leat_cli_command_is_noun("wait"));
    cr_assert(not(leat_cli_command_is_group("wait")));
    cr_assert(leat_cli_command_is_group("worker"));
    cr_assert(not(leat_cli_command_is_noun("ls")));
}

Test(cli_commands, help_shows_examples_before_options)
{
    char *text = NULL;
    size_t size = 0;
    for (size_t i = 0; i < leat_cli_command_count(); i++) {
        const leat_cli_command *const one = leat_cli_command_at(i);
        FILE *const out = open_memstream(&text, &size);
        cr_assert(out != NULL);

        leat_help_command(one, out);
        (void)fclose(out);

        const char *const example = strstr(text, one->examples[0].does);
        const char *const usage = strstr(text, "Usage: leat ");
        const char *const options = strstr(text, "Options");
        cr_assert(example != NULL && usage != NULL && options != NULL, "%s", one->noun);
        cr_assert(example < usage && usage < options, "%s", one->noun);
        free(text);
        text = NULL;
    }
}

Test(cli_commands, topics_are_found_by_name_only)
{
    cr_assert(leat_help_topic("exit-codes") != NULL);
    cr_assert(leat_help_topic("env") != NULL);
    cr_assert(leat_help_topic("cheat") != NULL);
    cr_assert(leat_help_topic("selectors") != NULL);
    cr_assert(leat_help_topic("wait") == NULL);
    LEAT_SAME_TEXT(leat_help_topic_name(0), "cheat");
    cr_assert(leat_help_topic_name(99) == NULL);
}
