/* arguments: which command is meant, and what belongs to inputs or to another program. */
#include "tests/lib/test.h"

#include <string.h>

#include "client/cli/arguments.h"

static leat_arguments split;

static void
teardown(void)
{
    leat_arguments_fini(&split);
}

TestSuite(cli_arguments, .fini = teardown);

static union {
    const char *const *words;
    char *const *argv;
} line; /* argv's strings are not const for reasons of old; nobody writes to them */

/* Split the words given, "leat" before them. */
#define SPLIT(...)                                                                      \
    do {                                                                                \
        static const char *const words_[] = {"leat", __VA_ARGS__};                      \
        line.words = words_;                                                            \
        LEAT_PASS(leat_arguments_split((int)LEAT_COUNT_OF(words_), line.argv, &split)); \
    } while (0)

static void
rest_is(const char *want)
{
    char got[256] = "";
    for (size_t i = 1; i < split.rest_count; i++) {
        strncat(got, split.rest[i], sizeof got - strlen(got) - 1);
        strncat(got, "|", sizeof got - strlen(got) - 1);
    }
    LEAT_SAME_TEXT(got, want);
}

Test(cli_arguments, a_noun_alone)
{
    SPLIT("status", "42");

    cr_assert(eq(int, split.kind, LEAT_ARGUMENTS_COMMAND));
    cr_assert(split.command == &leat_cli_command_status);
    rest_is("42|");
}

Test(cli_arguments, noun_and_verb)
{
    SPLIT("broker", "ping");

    cr_assert(split.command == &leat_cli_command_broker_ping);
    rest_is("");
}

Test(cli_arguments, options_may_stand_before_the_noun_and_between_noun_and_verb)
{
    SPLIT("--broker", "tcp://h:1", "worker", "-q", "ls", "--json");

    cr_assert(split.command == &leat_cli_command_worker_ls);
    cr_assert(split.json);
    rest_is("--broker|tcp://h:1|-q|--json|");
}

Test(cli_arguments, the_value_of_an_option_is_no_noun)
{
    SPLIT("--timeout=3s", "-n", "5", "--exit", "count", "wait", "42");

    cr_assert(split.command == &leat_cli_command_wait);
    rest_is("--timeout=3s|-n|5|--exit|count|42|");
}

Test(cli_arguments, a_value_may_look_like_an_option_or_an_end)
{
    SPLIT("submit", "--handler", "-h", "--name", ":::", "x");

    cr_assert(split.command == &leat_cli_command_submit);
    cr_assert(not(split.help));
    cr_assert(split.inputs == NULL);
    rest_is("--handler|-h|--name|:::|x|");
}

Test(cli_arguments, what_follows_three_colons_is_input_whatever_it_looks_like)
{
    SPLIT("submit", "--handler", "echo", ":::", "-a", "--help", "", "--");

    cr_assert(eq(sz, split.input_count, 4));
    LEAT_SAME_TEXT(split.inputs[0], "-a");
    LEAT_SAME_TEXT(split.inputs[2], "");
    LEAT_SAME_TEXT(split.inputs[3], "--");
    cr_assert(not(split.help));
    rest_is("--handler|echo|");
}

Test(cli_arguments, three_colons_are_a_word_where_a_command_has_no_inputs)
{
    SPLIT("send", "news", ":::", "a");

    cr_assert(split.inputs == NULL);
    rest_is("news|:::|a|");
}

Test(cli_arguments, three_colons_with_nothing_behind_are_no_inputs_but_were_given)
{
    SPLIT("submit", "--handler", "echo", ":::");

    cr_assert(split.inputs != NULL);
    cr_assert(eq(sz, split.input_count, 0));
}

Test(cli_arguments, what_follows_two_dashes_of_up_is_another_program)
{
    SPLIT("up", "-j", "2", "--", "make", "-h", "--", "x");

    cr_assert(split.command == &leat_cli_command_up);
    cr_assert(eq(sz, split.tail_count, 4));
    LEAT_SAME_TEXT(split.tail[1], "-h");
    cr_assert(not(split.help));
    rest_is("-j|2|");
}

Test(cli_arguments, two_dashes_end_options_elsewhere)
{
    SPLIT("submit", "--handler", "echo", "--", "-h");

    cr_assert(not(split.help));
    rest_is("--handler|echo|--|-h|");
}

Test(cli_arguments, help_is_seen_anywhere)
{
    SPLIT("submit", "--bogus", "-qh", "x");
    cr_assert(split.help);
    leat_arguments_fini(&split);

    SPLIT("--help");
    cr_assert(split.help);
    cr_assert(eq(int, split.kind, LEAT_ARGUMENTS_NONE));
}

Test(cli_arguments, no_noun_at_all)
{
    SPLIT("-q");

    cr_assert(eq(int, split.kind, LEAT_ARGUMENTS_NONE));
}

Test(cli_arguments, an_unknown_noun)
{
    SPLIT("chanel", "ls");

    cr_assert(eq(int, split.kind, LEAT_ARGUMENTS_NO_NOUN));
    LEAT_SAME_TEXT(split.noun, "chanel");
}

Test(cli_arguments, a_noun_that_wants_a_verb)
{
    SPLIT("worker", "--slots", "4");

    cr_assert(eq(int, split.kind, LEAT_ARGUMENTS_VERB_MISSING));
    rest_is("--slots|4|");
}

Test(cli_arguments, a_verb_of_another_noun)
{
    SPLIT("worker", "ping");

    cr_assert(eq(int, split.kind, LEAT_ARGUMENTS_NO_VERB));
    LEAT_SAME_TEXT(split.verb, "ping");
}

Test(cli_arguments, a_command_of_the_user_s_own_begins_with_its_first_word)
{
    SPLIT("run", "-k", "--retries", "2", "make", "-h", "--", "-j", ":::", "a", ":::", "--json");

    cr_assert(split.command == &leat_cli_command_run);
    cr_assert(eq(sz, split.tail_count, 4));
    LEAT_SAME_TEXT(split.tail[0], "make");
    LEAT_SAME_TEXT(split.tail[3], "-j");
    cr_assert(eq(sz, split.input_count, 3));
    cr_assert(not(split.help));
    cr_assert(not(split.json));
    rest_is("-k|--retries|2|");
}

Test(cli_arguments, it_may_stand_behind_other_words)
{
    SPLIT("schedule", "add", "--env", "A=b", "nightly", "@daily", "tar", "-c", ":::", "--json");

    LEAT_SAME_TEXT(split.verb, "add");
    cr_assert(eq(sz, split.operand_count, 2));
    cr_assert(eq(sz, split.tail_count, 4));
    LEAT_SAME_TEXT(split.tail[0], "tar");
    LEAT_SAME_TEXT(split.tail[2], ":::"); /* it takes no inputs */
    cr_assert(not(split.json));
}

Test(cli_arguments, two_dashes_may_stand_before_it)
{
    SPLIT("submit", "--name", "n", "--", "--odd", ":::");

    cr_assert(eq(sz, split.tail_count, 1));
    LEAT_SAME_TEXT(split.tail[0], "--odd");
    cr_assert(split.inputs != NULL);
}

Test(cli_arguments, with_a_handler_it_is_a_payload_and_options_may_follow)
{
    SPLIT("submit", "--handler", "echo", "hello", "--retries", "2");

    cr_assert(split.tail == NULL);
    rest_is("--handler|echo|hello|--retries|2|");
}
