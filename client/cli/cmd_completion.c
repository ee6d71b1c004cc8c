/* leat completion: the script with which a shell completes `leat`. */
#include <string.h>

#include "client/cli/command.h"

/* client/cli/completion/leat.NAME, made into C when the build is configured. */
static const struct {
    const char *shell;
    const char *text;
} scripts[] = {
#include "client/cli/completion_scripts.h"
};

static int
run(leat_cli *cli)
{
    if (leat_options_operand_count(cli->options) != 1)
        return leat_cli_usage(cli, "say for which shell: bash, zsh or fish");
    const char *const shell = leat_options_operand(cli->options, 0);
    for (size_t i = 0; i < LEAT_COUNT_OF(scripts); i++) {
        if (strcmp(scripts[i].shell, shell) == 0) {
            (void)fputs(scripts[i].text, stdout);
            return LEAT_EXIT_OK;
        }
    }
    return leat_cli_usage(cli, "the shell is bash, zsh or fish, not \"%.100s\"", shell);
}

static const leat_example examples[] = {
    {"source <(leat completion bash)", "in ~/.bashrc"                 },
    {"source <(leat completion zsh)",  "in ~/.zshrc, after compinit"  },
    {"leat completion fish | source",  "in ~/.config/fish/config.fish"},
};

const leat_cli_command leat_cli_command_completion = {
    .noun = "completion",
    .summary = "print the script that completes leat in a shell",
    .operands = "bash|zsh|fish",
    .takes = "bash zsh fish",
    .about =
        "The packages install them, then nothing is to be done. Commands, options and their\n"
        "values come from the program itself; channels, batches and the like from the broker,\n"
        "if one answers within half a second.\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .flags = LEAT_CLI_COMMAND_LOCAL,
    .run = run,
};
