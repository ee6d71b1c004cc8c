/* The program `leat`: finds the command, reads its options, runs it, and ends with its exit code.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/arguments.h"
#include "client/cli/cli.h"
#include "client/cli/complete.h"
#include "client/cli/help.h"
#include "client/cli/stop.h"

/* `leat worker --slots 4` and `leat broker --data d` mean the machines, which have their own names.
 */
static int
say_machine(const leat_cli *cli, const leat_arguments *arguments, int argc, char *const argv[])
{
    char line[1024];
    size_t used = (size_t)snprintf(line, sizeof line, "leat-%s", arguments->noun);
    bool behind = false;
    for (int i = 1; i < argc && used < sizeof line; i++) {
        if (behind)
            used += (size_t)snprintf(line + used, sizeof line - used, " %s", argv[i]);
        behind |= argv[i] == arguments->noun;
    }
    if (cli->json)
        return leat_cli_fail(cli, LEAT_EXIT_USAGE, "WRONG_USE", NULL, "To start one: %s", line);
    (void)fprintf(stderr, "To start one: %s\n", line);
    return LEAT_EXIT_USAGE;
}

static int
no_command(const leat_cli *cli, const leat_arguments *arguments, int argc, char *const argv[])
{
    const char *near;
    const char *hint = "Help: leat -h";
    char words[160];
    if (arguments->kind == LEAT_ARGUMENTS_NONE) {
        leat_help_short(stderr);
        return LEAT_EXIT_USAGE;
    }
    const bool options = arguments->rest_count > 1;
    if (arguments->kind != LEAT_ARGUMENTS_NO_NOUN && options &&
        (strcmp(arguments->noun, "worker") == 0 || strcmp(arguments->noun, "broker") == 0))
        return say_machine(cli, arguments, argc, argv);
    if (arguments->kind == LEAT_ARGUMENTS_NO_NOUN) {
        near = leat_cli_command_suggest_noun(arguments->noun);
        (void)snprintf(words, sizeof words, "no command \"%.100s\"", arguments->noun);
    } else if (arguments->kind == LEAT_ARGUMENTS_VERB_MISSING) {
        if (!cli->json)
            leat_help_noun(arguments->noun, stderr);
        else
            (void)leat_cli_fail(cli, LEAT_EXIT_USAGE, "WRONG_USE", hint, "%s: a verb is missing",
                                arguments->noun);
        return LEAT_EXIT_USAGE;
    } else {
        near = leat_cli_command_suggest_verb(arguments->noun, arguments->verb);
        (void)snprintf(words, sizeof words, "no command \"%s %.100s\"", arguments->noun,
                       arguments->verb);
    }
    if (near == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_USAGE, "WRONG_USE", hint, "%s", words);
    return leat_cli_fail(cli, LEAT_EXIT_USAGE, "WRONG_USE", NULL, "%s. Did you mean \"%s\"?", words,
                         near);
}

/* The options of a command, read twice: first against its own rows only, so that the command line
 * may not hold another command's; then with the rows of all, which a config file may have. */
static int
read_options(leat_cli *cli, const leat_arguments *arguments, leat_option **rows_p)
{
    int code = LEAT_EXIT_LEAT;
    size_t own_count;
    size_t all_count;
    leat_err err;
    leat_options *own = NULL;
    leat_option *const own_rows = leat_cli_command_rows(cli->command, false, &own_count);
    *rows_p = leat_cli_command_rows(cli->command, true, &all_count);
    if (own_rows == NULL || *rows_p == NULL ||
        leat_options_new(own_rows, own_count, &own) != LEAT_ERR_OK ||
        leat_options_new(*rows_p, all_count, &cli->options) != LEAT_ERR_OK) {
        (void)leat_cli_fail(cli, code, "NO_MEMORY", NULL, "out of memory");
        goto done;
    }
    err = leat_options_read_arguments(own, (int)arguments->rest_count, arguments->rest, false);
    if (err != LEAT_ERR_OK) {
        code = leat_cli_usage(cli, "%s", leat_options_why(own));
        goto done;
    }
    err = leat_options_read_arguments(cli->options, (int)arguments->rest_count, arguments->rest,
                                      false);
    if (err == LEAT_ERR_OK)
        err = leat_options_read_rest(cli->options, "client.ini");
    code = err == LEAT_ERR_OK ? LEAT_EXIT_OK
                              : leat_cli_fail(cli, LEAT_EXIT_USAGE, "CONFIG", NULL, "%s",
                                              leat_options_why(cli->options));

done:
    leat_options_destroy(&own);
    free(own_rows);
    return code;
}

static int
read_common(leat_cli *cli)
{
    leat_color color = LEAT_COLOR_AUTO;
    const char *const when = leat_options_text(cli->options, "color");
    if (strcmp(when, "always") == 0)
        color = LEAT_COLOR_ALWAYS;
    else if (strcmp(when, "never") == 0)
        color = LEAT_COLOR_NEVER;
    else if (strcmp(when, "auto") != 0)
        return leat_cli_usage(cli, "--color is auto, always or never, not \"%s\"", when);
    cli->json = leat_options_flag(cli->options, "json");
    cli->plain = leat_options_flag(cli->options, "plain");
    cli->quiet = leat_options_flag(cli->options, "quiet");
    cli->verbose = leat_options_flag(cli->options, "verbose");
    cli->out = leat_screen_of(stdout, color);
    cli->err = leat_screen_of(stderr, color);
    return LEAT_EXIT_OK;
}

static int
run_command(leat_cli *cli, const leat_arguments *arguments)
{
    leat_option *rows = NULL;
    cli->command = arguments->command;
    cli->inputs = arguments->inputs;
    cli->input_count = arguments->input_count;
    cli->tail = arguments->tail;
    cli->tail_count = arguments->tail_count;
    int code = read_options(cli, arguments, &rows);
    if (code == LEAT_EXIT_OK)
        code = read_common(cli);
    if (code == LEAT_EXIT_OK) {
        leat_stop_watch();
        code = cli->command->run(cli);
    }
    leat_cli_disconnect(cli);
    leat_options_destroy(&cli->options);
    free(rows);
    return code;
}

static int
show_help(const leat_arguments *arguments)
{
    if (arguments->kind == LEAT_ARGUMENTS_COMMAND)
        leat_help_command(arguments->command, stdout);
    else if (arguments->kind == LEAT_ARGUMENTS_VERB_MISSING)
        leat_help_noun(arguments->noun, stdout);
    else
        leat_help_all(stdout);
    return LEAT_EXIT_OK;
}

int
main(int argc, char *argv[])
{
    leat_arguments arguments;
    leat_cli cli = {0};
    int code;
    (void)setlocale(LC_CTYPE, ""); /* NOLINT(concurrency-mt-unsafe): there is one thread yet */
    if (argc > 1 && strcmp(argv[1], LEAT_COMPLETE_WORD) == 0)
        return leat_complete(argc - 2, argv + 2);
    cli.out = leat_screen_of(stdout, LEAT_COLOR_AUTO);
    cli.err = leat_screen_of(stderr, LEAT_COLOR_AUTO);
    if (leat_arguments_split(argc, argv, &arguments) != LEAT_ERR_OK) {
        (void)fputs("leat: out of memory\n", stderr);
        return LEAT_EXIT_LEAT;
    }
    cli.json = arguments.json;
    if (arguments.help &&
        (arguments.kind == LEAT_ARGUMENTS_COMMAND || arguments.kind == LEAT_ARGUMENTS_NONE ||
         arguments.kind == LEAT_ARGUMENTS_VERB_MISSING))
        code = show_help(&arguments);
    else if (arguments.version &&
             (arguments.kind == LEAT_ARGUMENTS_NONE || arguments.kind == LEAT_ARGUMENTS_COMMAND))
        code = leat_cli_command_version.run(&cli);
    else if (arguments.kind == LEAT_ARGUMENTS_COMMAND)
        code = run_command(&cli, &arguments);
    else
        code = no_command(&cli, &arguments, argc, argv);
    leat_arguments_fini(&arguments);
    return leat_cli_flush() ? code : leat_cli_stdout_failed(&cli);
}
