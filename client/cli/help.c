/* Help, made from the table of commands; the topics; `leat help` and `leat version`. */
#include "client/cli/help.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/json.h"

#define NAME_COLUMNS 17

/* ---- topics ---- */

static const struct {
    const char *name;
    const char *text;
} topics[] = {
    {"cheat",      "What is typed most\n"
              "\n"
              "  leat up -d                                a broker and a worker of your own\n"
              "  leat status                               the broker on one screen\n"
              "  leat run wc -c ::: *.md                   a command for each input\n"
              "  leat run -j 4 -k echo {.} ::: a.c b.c     4 at once, printed in order\n"
              "  leat run --shell 'sort {} | wc' ::: *.md  by a shell; {} is quoted\n"
              "  seq 100 | leat run echo {}                an input is a line of stdin\n"
              "  leat submit make -C docs                  return at once, with its number\n"
              "  leat submit --handler echo ::: a b c      a worker's code, no command\n"
              "  leat wait                                 until the last batch has ended\n"
              "  leat logs last --failed                   what those printed that failed\n"
              "  leat result last                          what the jobs answered\n"
              "  leat list                                 batches that run or wait\n"
              "  leat explain last                         why it does not run\n"
              "  leat dead ls                              what failed too often\n"
              "  leat retry --dead                         all of that again\n"
              "  leat cancel last                          what waits and what runs\n"
              "  leat send news hello                      a message into a channel\n"
              "  leat recv news                            take one out of it\n"
              "  leat down                                 finish what runs, and end\n"
              "\n"
              "Names: leat help selectors. Any command: -h. In scripts: --json, --plain, -q.\n"},
    {"exit-codes",
     "Exit codes\n"
     "\n"
     "    0  all ok\n"
     "    1  at least one job ended other than done (dead, cancelled, expired, skipped)\n"
     "       or was lost; fewer came than were asked for (a closed channel, -n of wait)\n"
     "    2  wrong usage or configuration; the sentence names the option or file:line\n"
     "    3  no such batch, job, channel or worker; down: nothing was up\n"
     "    4  not allowed: an unknown or revoked key, its role, a key file open to others\n"
     "  124  --timeout ran out, or --try found nothing; the batch goes on\n"
     "  125  Leat itself could not: no broker, refused, protocol\n"
     "  126  up -- CMD: the command cannot be run\n"
     "  127  up -- CMD: there is no such command\n"
     "  130  after Ctrl-C; 143 after SIGTERM\n"
     "\n"
     "leat wait --exit any (the default) gives 0 or 1, --exit job the same for one job,\n"
     "--exit count the number that failed (101: more than 100), --exit none always 0.\n"                    },
    {"env",
     "Environment and files\n"
     "\n"
     "Each option --some-thing that makes sense beyond one call has a variable\n"
     "LEAT_SOME_THING and a line `some-thing = …` in client.ini. The strongest wins:\n"
     "\n"
     "  the command line\n"
     "  the environment          LEAT_BROKER=tcp://host:5328  LEAT_KEY_FILE=me.key\n"
     "  the user's file          $XDG_CONFIG_HOME/leat/client.ini (~/.config/leat/client.ini)\n"
     "  the system's file        /etc/leat/client.ini\n"
     "\n"
     "Also read: LEAT_BIN_DIR (where `demo` and `up` look for leat-broker and leat-worker\n"
     "first), COLUMNS, NO_COLOR, TERM, TMPDIR, XDG_RUNTIME_DIR (the user's own socket).\n"
     "\n"
     "Kept between calls, in $XDG_STATE_HOME/leat (~/.local/state/leat): the number of\n"
     "the last batch, what `leat up` serves (its store and logs), and keys/, who may use\n"
     "the broker over TCP (leat key).\n"                                                                    },
    {"selectors",  "Selectors\n"
                  "\n"
                  "  42          a batch, by its number\n"
                  "  42/17       its 17th job, by its place in the batch, from 1\n"
                  "  42/10-20    some of its jobs\n"
                  "  42/failed   those that ended other than done\n"
                  "  @NAME       the newest batch that was submitted with --name NAME\n"
                  "  last        the last batch that was submitted by this user from this machine\n"
                  "\n"
                  "Numbers are whole, never prefixes; _ may stand between digits (1_000_000).\n"
                  "wait and status take whole batches; result, cancel, retry and dead also jobs.\n"
                  "Durations: 90, 90s, 1h30m, 250ms.\n"                                    },
};

const char *
leat_help_topic(const char *name)
{
    for (size_t i = 0; i < LEAT_COUNT_OF(topics); i++) {
        if (strcmp(topics[i].name, name) == 0)
            return topics[i].text;
    }
    return NULL;
}

const char *
leat_help_topic_name(size_t index)
{
    return index < LEAT_COUNT_OF(topics) ? topics[index].name : NULL;
}

/* ---- pages ---- */

/* Print; where the locale has no UTF-8, with the few signs that we use written in ASCII. */
__attribute__((format(printf, 2, 3))) static void
put(FILE *out, const char *format, ...)
{
    static const struct {
        const char *sign;
        const char *ascii;
    } signs[] = {
        {"…", "..."},
        {"·",  "-"  },
    };
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const bool utf8 = leat_screen_of(out, LEAT_COLOR_NEVER).utf8;
    for (const char *p = text; *p != '\0';) {
        size_t taken = 0;
        for (size_t i = 0; !utf8 && i < LEAT_COUNT_OF(signs); i++) {
            if (strncmp(p, signs[i].sign, strlen(signs[i].sign)) == 0) {
                (void)fputs(signs[i].ascii, out);
                taken = strlen(signs[i].sign);
            }
        }
        if (taken == 0)
            (void)fputc(*p, out);
        p += taken == 0 ? 1 : taken;
    }
}

static const char start_line[] =
    "Start:  leat demo  ·  leat up  ·  leat submit --handler echo ::: a b c\n";

static void
print_commands(const char *noun, FILE *out)
{
    for (size_t i = 0; i < leat_cli_command_count(); i++) {
        const leat_cli_command *const command = leat_cli_command_at(i);
        char name[64];
        if (noun != NULL && strcmp(command->noun, noun) != 0)
            continue;
        (void)snprintf(name, sizeof name, "%s%s%s", command->noun, command->verb == NULL ? "" : " ",
                       command->verb == NULL ? "" : command->verb);
        put(out, "  %-*s%s\n", NAME_COLUMNS, name, command->summary);
    }
}

void
leat_help_short(FILE *out)
{
    put(out, "%s", "leat: channels and jobs between machines\n\n");
    print_commands(NULL, out);
    put(out, "\nHelp:   leat COMMAND -h  ·  leat help\n%s", start_line);
}

void
leat_help_all(FILE *out)
{
    size_t count;
    leat_options *options = NULL;
    const leat_option *const rows = leat_common_rows(&count);
    put(out, "%s",
        "leat: channels and jobs between machines\n\n"
        "  leat demo                              see three workers at work\n"
        "  leat up                                a broker and a worker of your own\n"
        "  leat submit --handler echo ::: a b c   three jobs, one batch\n"
        "  leat wait                              wait for the last batch\n\n"
        "Usage: leat COMMAND [OPTIONS] …\n\nCommands:\n");
    print_commands(NULL, out);
    put(out, "%s", "\nOptions of every command:\n");
    if (leat_options_new(rows, count, &options) == LEAT_ERR_OK)
        leat_options_print_help(options, out);
    leat_options_destroy(&options);
    put(out, "%s", "\nTopics (leat help TOPIC):");
    for (size_t i = 0; i < LEAT_COUNT_OF(topics); i++)
        put(out, "%s %s", i > 0 ? "," : "", topics[i].name);
    put(out, "\n%s", start_line);
}

static void
print_examples(const leat_cli_command *command, FILE *out)
{
    size_t width = 0;
    for (size_t i = 0; i < command->example_count; i++) {
        const size_t columns = leat_screen_columns(command->examples[i].line);
        if (columns > width)
            width = columns;
    }
    for (size_t i = 0; i < command->example_count; i++) {
        const leat_example *const example = &command->examples[i];
        const size_t pad = width - leat_screen_columns(example->line);
        put(out, "  %s%*s  %s\n", example->line, (int)pad, "", example->does);
    }
}

static void
print_rows(const char *title, const leat_option *rows, size_t count, FILE *out)
{
    leat_options *options = NULL;
    if (count == 0 || leat_options_new(rows, count, &options) != LEAT_ERR_OK)
        return;
    put(out, "\n%s\n", title);
    leat_options_print_help(options, out);
    leat_options_destroy(&options);
}

void
leat_help_command(const leat_cli_command *command, FILE *out)
{
    size_t count = 0;
    const char *const gap = command->verb == NULL ? "" : " ";
    const char *const verb = command->verb == NULL ? "" : command->verb;
    put(out, "leat %s%s%s: %s\n\n", command->noun, gap, verb, command->summary);
    print_examples(command, out);
    put(out, "\nUsage: leat %s%s%s%s%s%s\n", command->noun, gap, verb,
        command->row_count > 0 ? " [OPTIONS]" : "", *command->operands == '\0' ? "" : " ",
        command->operands);
    if (*command->about != '\0')
        put(out, "\n%s", command->about);
    print_rows("Options:", command->rows, command->row_count, out);
    leat_option *const all = leat_cli_command_rows(command, false, &count);
    if (all != NULL)
        print_rows("Options of every command:", all + command->row_count,
                   count - command->row_count, out);
    free(all);
}

void
leat_help_noun(const char *noun, FILE *out)
{
    put(out, "Commands of %s:\n", noun);
    print_commands(noun, out);
    put(out, "\nHelp:   leat %s VERB -h\n", noun);
}

/* ---- leat help ---- */

static const char *
topic_or_noun_at(const void *context, size_t i)
{
    (void)context;
    return i < LEAT_COUNT_OF(topics) ? topics[i].name
                                     : leat_cli_command_at(i - LEAT_COUNT_OF(topics))->noun;
}

static int
run_help(leat_cli *cli)
{
    const size_t count = leat_options_operand_count(cli->options);
    if (count == 0) {
        leat_help_all(stdout);
        return LEAT_EXIT_OK;
    }
    const char *const first = leat_options_operand(cli->options, 0);
    const char *const second = count > 1 ? leat_options_operand(cli->options, 1) : NULL;
    const char *const topic = second == NULL ? leat_help_topic(first) : NULL;
    const leat_cli_command *const command = leat_cli_command_find(first, second);
    if (topic != NULL) {
        put(stdout, "%s", topic);
        return LEAT_EXIT_OK;
    }
    if (command != NULL) {
        leat_help_command(command, stdout);
        return LEAT_EXIT_OK;
    }
    if (second == NULL && leat_cli_command_is_noun(first)) {
        leat_help_noun(first, stdout);
        return LEAT_EXIT_OK;
    }
    const char *const near = leat_suggest(first, topic_or_noun_at, NULL,
                                          LEAT_COUNT_OF(topics) + leat_cli_command_count());
    return leat_cli_usage(cli, "no help about \"%s%s%s\"%s%s%s", first, second == NULL ? "" : " ",
                          second == NULL ? "" : second, near == NULL ? "" : ". Did you mean \"",
                          near == NULL ? "" : near, near == NULL ? "" : "\"?");
}

static const leat_example help_examples[] = {
    {"leat help wait",       "one command"},
    {"leat help exit-codes", "one topic"  },
};

const leat_cli_command leat_cli_command_help = {
    .noun = "help",
    .summary = "show help about a command or a topic",
    .operands = "[COMMAND [VERB]|TOPIC]",
    .takes = "<topic>",
    .about = "",
    .examples = help_examples,
    .example_count = LEAT_COUNT_OF(help_examples),
    .flags = LEAT_CLI_COMMAND_LOCAL,
    .run = run_help,
};

/* ---- leat version ---- */

static int
run_version(leat_cli *cli)
{
    if (!cli->json) {
        (void)printf("leat %s\n", leat_version());
        return LEAT_EXIT_OK;
    }
    cJSON *json = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(json, "version", leat_version());
    (void)leat_json_print(&json, stdout);
    return LEAT_EXIT_OK;
}

static const leat_example version_examples[] = {
    {"leat version", "for a bug report"},
};

const leat_cli_command leat_cli_command_version = {
    .noun = "version",
    .summary = "show the version",
    .operands = "",
    .about = "",
    .examples = version_examples,
    .example_count = LEAT_COUNT_OF(version_examples),
    .flags = LEAT_CLI_COMMAND_LOCAL,
    .run = run_version,
};
