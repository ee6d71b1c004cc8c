/* manual: a page of the manual, as scdoc reads it, out of a template and the tables of options and
 * commands. It runs when the pages are built and is not installed.
 *
 *   manual leat.1.scd leat.h >PAGE.scd
 *
 * A template is the page, with @VERSION@ in it, and with lines that the tables fill:
 *
 *   %index            all commands, a line each
 *   %commands         all commands but run, whole
 *   %command NOUN     one
 *   %options WHOSE    rows of: common, broker, worker
 *   %keys WHOSE       rows that may stand in a file of: client, broker, worker
 *   %handlers         those that are built in
 *   %topic NAME       what `leat help NAME` prints, without its title
 *   %header           leat.h, as manual/header.h says
 *   %wire             the commands of the protocol
 *   %errors           the errors there are, with their numbers
 *
 * It may include all three programs' tables; nobody includes it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/options.h"
#include "client/cli/command.h"
#include "client/cli/help.h"
#include "manual/header.h"
#include "proto/base/err.h"
#include "proto/limits.h"
#include "worker/handler.h"
#include "worker/options.h"

#define LINE_BYTES  4096
#define OWN_PAGE    "run" /* it has leat-run(1) */
#define VERSION_TAG "@VERSION@"
#define ELLIPSIS    "…"

/* ---- text for scdoc ---- */

/* Text of our own, in which no sign means anything to scdoc; ASCII, since `man` complains of other
 * signs where the locale has none. */
static void
put_plain(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (strncmp(text + i, ELLIPSIS, strlen(ELLIPSIS)) == 0) {
            (void)printf("...");
            i += strlen(ELLIPSIS) - 1;
            continue;
        }
        if (strchr("\\*_+", text[i]) != NULL || (i == 0 && strchr("#-|[];%`", text[i]) != NULL))
            (void)putchar('\\');
        (void)putchar(text[i]);
    }
}

static void
put_text(const char *text)
{
    if (text[0] == '.') /* scdoc would lose a full stop at the beginning */
        (void)printf("**");
    put_plain(text, strlen(text));
}

/* Paragraphs; the ends of their lines are those of a terminal, and go. */
static void
put_paragraphs(const char *text)
{
    char flat[LINE_BYTES];
    while (*text != '\0') {
        const char *const blank = strstr(text, "\n\n");
        size_t size = blank == NULL ? strlen(text) : (size_t)(blank - text);
        const char *const next = text + size + (blank == NULL ? 0 : 2);
        if (size >= sizeof flat)
            size = sizeof flat - 1;
        for (size_t i = 0; i < size; i++)
            flat[i] = (char)(text[i] == '\n' ? ' ' : text[i]);
        while (size > 0 && flat[size - 1] == ' ')
            size--;
        put_plain(flat, size);
        (void)puts("\n");
        text = next;
    }
}

/* ---- rows ---- */

static void
put_row_help(const leat_option *row)
{
    (void)printf("\t");
    put_text(row->help);
    if (row->fallback != NULL && *row->fallback != '\0') {
        (void)printf(" (default ");
        put_text(row->fallback);
        (void)printf(")");
    }
    (void)puts("\n");
}

static void
put_option(const leat_option *row)
{
    if (row->letter != 0)
        (void)printf("*-%c*, ", row->letter);
    (void)printf("*--%s*", row->name);
    if (row->value != NULL) {
        (void)printf(" _");
        put_text(row->value);
        (void)printf("_");
    }
    (void)puts("");
    put_row_help(row);
}

static void
put_options(const leat_option *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].help != NULL)
            put_option(&rows[i]);
    }
}

static void
put_keys(const leat_option *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].help == NULL || (rows[i].flags & LEAT_OPTION_NOT_IN_FILE) != 0 ||
            strcmp(rows[i].name, "config") == 0) /* a file names no other file */
            continue;
        (void)printf("*%s* = _", rows[i].name);
        put_text(rows[i].value == NULL ? "yes|no" : rows[i].value);
        (void)puts("_");
        put_row_help(&rows[i]);
    }
}

/* ---- commands ---- */

static void
put_name(const leat_cli_command *command)
{
    (void)printf("leat %s%s%s", command->noun, command->verb == NULL ? "" : " ",
                 command->verb == NULL ? "" : command->verb);
}

static void
put_examples(const leat_cli_command *command)
{
    for (size_t i = 0; i < command->example_count; i++) {
        (void)printf("*");
        put_text(command->examples[i].line);
        (void)printf("*\n\t");
        put_text(command->examples[i].does);
        (void)puts("\n");
    }
}

static void
put_command(const leat_cli_command *command)
{
    (void)printf("*");
    put_name(command);
    (void)printf("*%s", command->row_count > 0 ? " \\[OPTIONS\\]" : "");
    if (*command->operands != '\0') {
        (void)printf(" ");
        put_text(command->operands);
    }
    (void)puts("\n");
    (void)printf("%c", command->summary[0] & ~0x20); /* a sentence here */
    put_text(command->summary + 1);
    (void)puts(".\n");
    put_paragraphs(command->about);
    put_options(command->rows, command->row_count);
    (void)puts("Examples:\n");
    put_examples(command);
}

static void
put_commands(void)
{
    for (size_t i = 0; i < leat_cli_command_count(); i++) {
        const leat_cli_command *const command = leat_cli_command_at(i);
        (void)printf("## ");
        put_name(command);
        (void)puts("\n");
        if (strcmp(command->noun, OWN_PAGE) == 0)
            (void)puts("See *leat-run*(1).\n");
        else
            put_command(command);
    }
}

static void
put_index(void)
{
    for (size_t i = 0; i < leat_cli_command_count(); i++) {
        const leat_cli_command *const command = leat_cli_command_at(i);
        (void)printf("*");
        put_name(command);
        (void)printf("*\n\t");
        put_text(command->summary);
        (void)puts("\n");
    }
}

/* ---- what a template's line stands for; false: nothing of that name ---- */

static bool
put_client_keys(void)
{
    size_t count;
    leat_option *const rows = leat_cli_command_rows(leat_cli_command_at(0), true, &count);
    if (rows != NULL)
        put_keys(rows, count);
    free(rows);
    return rows != NULL;
}

static bool
put_rows(const char *whose, void (*put)(const leat_option *rows, size_t count))
{
    size_t count = 0;
    const leat_option *rows = NULL;
    if (strcmp(whose, "common") == 0)
        rows = leat_common_rows(&count);
    else if (strcmp(whose, "broker") == 0)
        rows = leat_broker_rows(&count);
    else if (strcmp(whose, "worker") == 0)
        rows = leat_worker_rows(&count);
    if (rows != NULL)
        put(rows, count);
    return rows != NULL;
}

static void
put_handlers(void)
{
    size_t count;
    const leat_handler *const handlers = leat_handlers(&count);
    for (size_t i = 0; i < count; i++) {
        (void)printf("*%s*\n\t", handlers[i].name);
        put_text(handlers[i].help);
        (void)puts("\n");
    }
}

static void
put_literally(const char *text)
{
    const char *at = text;
    (void)puts("```");
    for (; *at != '\0'; at++) {
        if (strncmp(at, ELLIPSIS, strlen(ELLIPSIS)) == 0) {
            (void)printf("...");
            at += strlen(ELLIPSIS) - 1;
            continue;
        }
        if (*at == '\\') /* scdoc takes it away, there too */
            (void)putchar('\\');
        (void)putchar(*at);
    }
    (void)printf("%s```\n\n", at > text && at[-1] == '\n' ? "" : "\n");
}

static bool
put_topic(const char *name)
{
    const char *const text = leat_help_topic(name);
    if (text != NULL)
        put_literally(strchr(text, '\n') + 2); /* an empty line is behind the title */
    return text != NULL;
}

/* ---- tables of the protocol ---- */

static void
put_wire(void)
{
    static const struct {
        const char *name;
        unsigned number;
        const char *from;
        const char *records;
        const char *body;
    } rows[] = {
#define X(name, number, from, records, body) {#name, number, #from, #records, #body},
#include "proto/commands.def"
#undef X
    };
    (void)puts("```\n number  command     sent by  records  body");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const who = strcmp(rows[i].from, "PEER") == 0     ? "peer"
                                : strcmp(rows[i].from, "BROKER") == 0 ? "broker"
                                                                      : "both";
        const char *const many = strcmp(rows[i].records, "ONE") == 0    ? "1"
                                 : strcmp(rows[i].records, "NONE") == 0 ? "0"
                                                                        : "1-n";
        (void)printf("%7u  %-10s  %-7s  %-7s  %s\n", rows[i].number, rows[i].name, who, many,
                     strcmp(rows[i].body, "JSON") == 0 ? "JSON" : "records");
    }
    (void)puts("```\n");
}

static void
put_errors(void)
{
#define PUT_ERROR(name, number, message)        \
    (void)printf("*%d %s*\n\t", number, #name); \
    put_text(message);                          \
    (void)puts("\n");
    LEAT_ERR_MAP(PUT_ERROR)
#undef PUT_ERROR
}

static bool
put_header(const char *path)
{
    static const leat_manual_text put = {.plain = put_paragraphs, .literal = put_literally};
    FILE *const header = path == NULL ? NULL : fopen(path, "re");
    const bool is_good = header != NULL && leat_manual_header(header, &put);
    if (header != NULL)
        (void)fclose(header);
    return is_good;
}

static bool
put_one(const char *noun)
{
    const leat_cli_command *const command = leat_cli_command_find(noun, NULL);
    if (command != NULL)
        put_command(command);
    return command != NULL;
}

static bool
fill(const char *line, const char *header)
{
    char word[16] = "";
    char rest[64] = "";
    (void)sscanf(line, "%%%15s %63s", word, rest);
    if (strcmp(word, "index") == 0)
        return put_index(), true;
    if (strcmp(word, "commands") == 0)
        return put_commands(), true;
    if (strcmp(word, "wire") == 0)
        return put_wire(), true;
    if (strcmp(word, "errors") == 0)
        return put_errors(), true;
    if (strcmp(word, "header") == 0)
        return put_header(header);
    if (strcmp(word, "handlers") == 0)
        return put_handlers(), true;
    if (strcmp(word, "command") == 0)
        return put_one(rest);
    if (strcmp(word, "options") == 0)
        return put_rows(rest, put_options);
    if (strcmp(word, "keys") == 0)
        return strcmp(rest, "client") == 0 ? put_client_keys() : put_rows(rest, put_keys);
    return strcmp(word, "topic") == 0 && put_topic(rest);
}

int
main(int argc, char *argv[])
{
    char line[LINE_BYTES];
    FILE *const template = argc == 2 || argc == 3 ? fopen(argv[1], "re") : NULL;
    if (template == NULL) {
        (void)fprintf(stderr, "manual: give a template\n");
        return 2;
    }
    bool is_good = true;
    while (is_good && fgets(line, sizeof line, template) != NULL) {
        char *const tag = strstr(line, VERSION_TAG);
        if (line[0] == '%')
            is_good = fill(line, argv[2]);
        else if (tag != NULL)
            (void)printf("%.*s%s%s", (int)(tag - line), line, LEAT_VERSION,
                         tag + strlen(VERSION_TAG));
        else
            (void)fputs(line, stdout);
    }
    if (!is_good)
        (void)fprintf(stderr, "manual: %s: what is meant by %s", argv[1], line);
    (void)fclose(template);
    return is_good && fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
