/* leat config show: what the programs are told, and where it was said. leat-broker and leat-worker
 * are asked themselves, so that what is shown is what they would use. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/child.h"
#include "client/cli/command.h"
#include "client/cli/json.h"
#include "client/cli/state.h"
#include "proto/base/log.h"

#define ARGUMENTS_MAX 64U
#define FIELDS        5U

enum {
    FIELD_NAME = 0,
    FIELD_ORIGIN,
    FIELD_PLACE,
    FIELD_VALUE,
    FIELD_USUAL
};

static const struct {
    const char *word;    /* as typed */
    const char *program; /* NULL: this one */
    const char *title;
} programs[] = {
    {"client", NULL,          "leat"       },
    {"broker", "leat-broker", "leat-broker"},
    {"worker", "leat-worker", "leat-worker"},
};

#define PROGRAM_COUNT LEAT_COUNT_OF(programs)

/* ---- asking ---- */

/* All that can be read from fd, terminated; NULL: no memory, or it cannot be read. */
static char *
read_all(int fd)
{
    size_t size = 0;
    size_t room = 16384;
    char *text = malloc(room + 1);
    ssize_t got = 1;
    while (text != NULL && got != 0) {
        if (size == room) {
            char *const more = realloc(text, 2 * room + 1);
            if (more == NULL)
                break;
            text = more;
            room *= 2;
        }
        got = read(fd, text + size, room - size);
        if (got < 0 && errno != EINTR)
            break;
        size += got > 0 ? (size_t)got : 0;
    }
    if (text == NULL || got != 0) {
        free(text);
        return NULL;
    }
    text[size] = '\0';
    return text;
}

/* What the program prints of itself, given what stands behind "--". *text_p is the caller's. */
static int
ask_program(leat_cli *cli, size_t index, const char *path, char **text_p)
{
    char reason[64];
    int pipe_fds[2];
    leat_child child;
    char show_option[] = "--show-config";
    char name[32];
    char *argv[ARGUMENTS_MAX + 3] = {name, show_option};
    (void)snprintf(name, sizeof name, "%s", programs[index].program);
    if (cli->tail_count > ARGUMENTS_MAX)
        return leat_cli_usage(cli, "more than %u words behind --", ARGUMENTS_MAX);
    for (size_t i = 0; i < cli->tail_count; i++)
        argv[2 + i] = cli->tail[i];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "IO", NULL, "no pipe: %s",
                             leat_log_errno_text(errno, reason, sizeof reason));
    const leat_child_plan plan = {.path = path,
                                  .argv = argv,
                                  .stdin_fd = -1,
                                  .stdout_fd = pipe_fds[1],
                                  .stderr_fd = 2,
                                  .death_signal = 9};
    const leat_err err = leat_child_start(&plan, &child);
    const int errnum = errno;
    (void)close(pipe_fds[1]);
    *text_p = err == LEAT_ERR_OK ? read_all(pipe_fds[0]) : NULL;
    (void)close(pipe_fds[0]);
    if (err != LEAT_ERR_OK)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_PROGRAM", NULL, "cannot run %s: %s", path,
                             leat_log_errno_text(errnum, reason, sizeof reason));
    while (!leat_child_has_ended(&child))
        (void)usleep(1000);
    if (leat_child_exit_code(&child) != 0) /* it has said why */
        return leat_child_exit_code(&child);
    return *text_p != NULL ? LEAT_EXIT_OK
                           : leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
}

static int
ask_self(leat_cli *cli, char **text_p)
{
    size_t size = 0;
    FILE *const out = open_memstream(text_p, &size);
    if (out != NULL)
        leat_options_print_settings(cli->options, out);
    if (out == NULL || fclose(out) != 0)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    return LEAT_EXIT_OK;
}

/* ---- showing ---- */

/* What was escaped, in place. */
static char *
plain_text(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from == '\\' && from[1] != '\0')
            from++, *to++ = (char)(*from == 't' ? '\t' : *from == 'n' ? '\n' : *from);
        else
            *to++ = *from;
    }
    *to = '\0';
    return text;
}

/* Cut a line into its fields, in place; *next is behind it. false: there is none. */
static bool
take_line(char **next, char *fields[FIELDS])
{
    char *const line = *next;
    char *const end = strchr(line, '\n');
    if (end == NULL)
        return false;
    *end = '\0';
    *next = end + 1;
    char *at = line;
    for (size_t i = 0; i < FIELDS; i++) {
        fields[i] = at;
        at += strcspn(at, "\t");
        if (*at == '\t')
            *at++ = '\0';
    }
    for (size_t i = 0; i < FIELDS; i++)
        (void)plain_text(fields[i]);
    return true;
}

/* This program's options are those of all its commands, of which several may have one name and
 * defaults of their own. */
static bool
is_of_commands(size_t index, const char *name)
{
    size_t count;
    const leat_option *const rows = leat_common_rows(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return false;
    }
    return programs[index].program == NULL;
}

static void
settle_origin(size_t index, char *fields[FIELDS])
{
    static char none[] = "none";
    static char empty[] = "";
    static char words[] = "each command has its own";
    const bool given =
        strcmp(fields[FIELD_ORIGIN], "none") != 0 && strcmp(fields[FIELD_ORIGIN], "default") != 0;
    if (given || !is_of_commands(index, fields[FIELD_NAME]))
        return;
    fields[FIELD_ORIGIN] = none;
    fields[FIELD_VALUE] = empty;
    fields[FIELD_USUAL] = words;
}

/* "LEAT_SLOTS", "default", "default: one a core", "-". */
static const char *
from_words(char *const fields[FIELDS], char *out, size_t size)
{
    if (fields[FIELD_PLACE][0] != '\0')
        return fields[FIELD_PLACE];
    if (strcmp(fields[FIELD_ORIGIN], "default") == 0)
        return "default";
    if (fields[FIELD_USUAL][0] == '\0')
        return "-";
    (void)snprintf(out, size, "default: %s", fields[FIELD_USUAL]);
    return out;
}

static void
add_json(cJSON *list, char *const fields[FIELDS])
{
    cJSON *const row = cJSON_CreateObject();
    (void)cJSON_AddItemToArray(list, row);
    (void)cJSON_AddStringToObject(row, "name", fields[FIELD_NAME]);
    if (strcmp(fields[FIELD_ORIGIN], "none") == 0)
        (void)cJSON_AddNullToObject(row, "value");
    else
        leat_json_put_bytes(row, "value", fields[FIELD_VALUE], strlen(fields[FIELD_VALUE]));
    (void)cJSON_AddStringToObject(row, "origin", fields[FIELD_ORIGIN]);
    (void)cJSON_AddStringToObject(row, "place", fields[FIELD_PLACE]);
    (void)cJSON_AddStringToObject(row, "usual", fields[FIELD_USUAL]);
}

/* The settings of one program, into the table or, in JSON, into list. */
static void
add_settings(size_t index, char *text, bool origin, leat_table *table, cJSON *list)
{
    char *fields[FIELDS];
    char words[512];
    while (take_line(&text, fields)) {
        settle_origin(index, fields);
        if (list != NULL) {
            add_json(list, fields);
            continue;
        }
        const bool is_set = strcmp(fields[FIELD_ORIGIN], "none") != 0;
        const char *const cells[] = {programs[index].title, fields[FIELD_NAME],
                                     is_set ? fields[FIELD_VALUE] : "-",
                                     origin ? from_words(fields, words, sizeof words) : ""};
        if (table != NULL)
            (void)leat_table_add(table, cells);
    }
}

static int
show(leat_cli *cli, size_t index, bool was_named, leat_table *table, cJSON *list)
{
    char path[LEAT_PATH_BYTES];
    char *text = NULL;
    int code;
    if (programs[index].program == NULL) {
        code = ask_self(cli, &text);
    } else if (leat_program_find(programs[index].program, path, sizeof path) == LEAT_ERR_OK) {
        code = ask_program(cli, index, path, &text);
    } else if (was_named) {
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_PROGRAM",
                             "Say where it is: LEAT_BIN_DIR=/folder leat …",
                             "no program %s beside leat or in PATH", programs[index].program);
    } else {
        leat_cli_say(cli, "%s is not installed here, and left out", programs[index].program);
        return LEAT_EXIT_OK;
    }
    cJSON *own = NULL;
    if (code == LEAT_EXIT_OK && list != NULL) {
        cJSON *const program = cJSON_CreateObject();
        (void)cJSON_AddItemToArray(list, program);
        (void)cJSON_AddStringToObject(program, "program", programs[index].title);
        own = cJSON_AddArrayToObject(program, "settings");
    }
    if (code == LEAT_EXIT_OK && text != NULL)
        add_settings(index, text, leat_options_flag(cli->options, "origin"), table, own);
    free(text);
    return code;
}

/* Which of the programs are named; all, if none is. */
static int
choose(leat_cli *cli, bool chosen[PROGRAM_COUNT])
{
    const size_t count = leat_options_operand_count(cli->options);
    for (size_t i = 0; i < count; i++) {
        const char *const word = leat_options_operand(cli->options, i);
        bool found = false;
        for (size_t j = 0; j < PROGRAM_COUNT; j++) {
            if (strcmp(word, programs[j].word) != 0 && strcmp(word, programs[j].title) != 0)
                continue;
            chosen[j] = found = true;
        }
        if (!found)
            return leat_cli_usage(cli, "\"%.100s\" is none of client, broker and worker", word);
    }
    if (cli->tail != NULL && (count != 1 || chosen[0]))
        return leat_cli_usage(cli, "options behind -- are for one program: leat config show worker "
                                   "-- --slots 4");
    for (size_t j = 0; count == 0 && j < PROGRAM_COUNT; j++)
        chosen[j] = true;
    return LEAT_EXIT_OK;
}

static int
run(leat_cli *cli)
{
    static const leat_column columns[] = {
        {"PROGRAM", false, 9},
        {"SETTING", false, 9},
        {"VALUE",   false, 9},
        {"FROM",    false, 9},
    };
    bool chosen[PROGRAM_COUNT] = {false};
    const bool was_named = leat_options_operand_count(cli->options) > 0;
    cJSON *list = cli->json ? cJSON_CreateArray() : NULL;
    leat_table *table = leat_table_new(columns, leat_options_flag(cli->options, "origin") ? 4 : 3);
    int code = choose(cli, chosen);
    for (size_t i = 0; i < PROGRAM_COUNT && code == LEAT_EXIT_OK; i++) {
        if (chosen[i])
            code = show(cli, i, was_named, table, list);
    }
    if (code == LEAT_EXIT_OK && cli->json) {
        cJSON *json = cJSON_CreateObject();
        (void)cJSON_AddItemToObject(json, "programs", list);
        list = NULL;
        (void)leat_json_print(&json, stdout);
    } else if (code == LEAT_EXIT_OK && table != NULL) {
        leat_table_print(table, &cli->out, cli->plain, stdout);
    }
    cJSON_Delete(list);
    leat_table_destroy(&table);
    return code;
}

static const leat_option rows[] = {
    {.name = "origin",
     .type = LEAT_OPTION_FLAG,
     .help = "where each value was said: option, variable, file and line, or a default",
     .flags = LEAT_OPTION_NOT_IN_FILE},
};

static const leat_example examples[] = {
    {"leat config show --origin",                     "every setting, and where it comes from" },
    {"leat config show worker --origin -- --slots 4", "with options, as leat-worker takes them"},
    {"leat config show --json",                       "for a script"                           },
};

const leat_cli_command leat_cli_command_config_show = {
    .noun = "config",
    .verb = "show",
    .summary = "show the settings of the programs, and where they were said",
    .operands = "[client|broker|worker…] [-- OPTIONS…]",
    .takes = "client broker worker",
    .about =
        "Those of programs that would be started now from here, by variables and files that are seen\n"
        "here; not those of a broker or worker that runs. A mistake in one of them is told as at its\n"
        "start (exit 2).\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .flags = LEAT_CLI_COMMAND_TAIL | LEAT_CLI_COMMAND_LOCAL,
    .run = run,
};
