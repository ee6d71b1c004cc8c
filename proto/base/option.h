/* leat_options: what a program was told, from one table.
 *
 * A row of the table makes the option --slots, the variable LEAT_SLOTS, the key `slots` of the
 * program's config file, its line in --help, in the man page and in the completions. Where a value
 * is given more than once the strongest wins: command line > environment > the user's file > the
 * system's file > the row's default. */
#ifndef LEAT_OPTION_H
#define LEAT_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/base/err.h"

typedef enum leat_option_type {
    LEAT_OPTION_FLAG, /* --verbose, --no-verbose; in a file: yes/no/true/false/1/0 */
    LEAT_OPTION_TEXT,
    LEAT_OPTION_NUMBER,   /* whole, `_` allowed between digits, min … max of the row */
    LEAT_OPTION_DURATION, /* 90, 90s, 1h30m, 250ms; kept in ms */
    LEAT_OPTION_LIST,     /* may be given several times; in a variable or file: commas between */
} leat_option_type;

typedef struct leat_option {
    const char *name; /* "slots" */
    char letter;      /* 'j', or 0 */
    leat_option_type type;
    const char *value;    /* how help calls the value: "N"; NULL for flags */
    const char *fallback; /* default as it would be typed; NULL: not given */
    const char *help;     /* one line; NULL: not listed */
    uint64_t min;         /* NUMBER, DURATION (ms) */
    uint64_t max;         /* 0: no limit */
    unsigned flags;
    const char *takes; /* for completions: the values there are, with blanks between ("auto always
                          never"), or what to look them up from ("<file>", "<dir>", and what the
                          program itself knows); NULL: anything */
} leat_option;

#define LEAT_OPTION_NOT_IN_FILE 1U /* makes no sense in a file or the environment (--help) */

typedef enum leat_origin {
    LEAT_ORIGIN_NONE = 0, /* not given, no default */
    LEAT_ORIGIN_DEFAULT,
    LEAT_ORIGIN_SYSTEM_FILE,
    LEAT_ORIGIN_USER_FILE,
    LEAT_ORIGIN_ENVIRONMENT,
    LEAT_ORIGIN_COMMAND_LINE,
} leat_origin;

typedef struct leat_options leat_options;

/* rows: borrowed for the life of the object. LEAT_ERR_NOMEM only. */
LEAT_NODISCARD leat_err leat_options_new(const leat_option *rows, size_t count, leat_options **out);
void leat_options_destroy(leat_options **options_p);

/* Read the command line. argv[0] (the program, or a command's name) is passed over; operands are
 * borrowed from argv. Options may stand anywhere before an operand that stops; "--" ends them.
 * stop_at_operand: the first operand and everything after it are left alone (a job's own command).
 * Operands are collected in order (leat_options_operand), what is left alone too, without the "--".
 * "--name=value", "--name value", "-n value", "-nvalue" and clustered letters of flags are
 * understood; long names are never abbreviated. Of an option that is given twice the last one
 * counts; a LIST keeps each as one item, commas and all.
 *
 * LEAT_ERR_CONFIG: leat_options_why has a sentence that names the option, and a suggestion for one
 * that is misspelt ('no option "--slot", did you mean "--slots"?'). */
LEAT_NODISCARD leat_err leat_options_read_arguments(leat_options *options,
                                                    int argc,
                                                    char *const argv[],
                                                    bool stop_at_operand);

/* LEAT_SLOTS and so on for every row. Variables that name no row are left alone, they may belong to
 * another program; an empty one is as good as none. LEAT_ERR_CONFIG names the variable. */
LEAT_NODISCARD leat_err leat_options_read_environment(leat_options *options);

/* A key inside a [section] of a config file; all strings are borrowed for the call. OK: taken.
 * LEAT_ERR_NOT_FOUND: there is no such section. LEAT_ERR_CONFIG: wrong, `why` holds a sentence
 * without file, line and section, which are put before it. */
typedef leat_err leat_options_section(void *context,
                                      leat_origin origin,
                                      const char *section,
                                      const char *key,
                                      const char *value,
                                      char *why,
                                      size_t why_size);

/* Who takes the keys of sections. Without one, every section is an error. The weaker file is read
 * first (leat_options_read_rest), so what comes later counts. */
void leat_options_on_section(leat_options *options, leat_options_section *section, void *context);

/* A config file (form: config.h). The rows' keys stand in no section; those in sections go to
 * leat_options_on_section. A missing file is LEAT_ERR_NOT_FOUND and changes nothing.
 * LEAT_ERR_CONFIG: the sentence names file, line, section, key and, for an unknown key, the nearest
 * one that exists: 'broker.ini:14: no key "dta", did you mean "data"?'. A key that stands twice is
 * an error, unless it is a LIST. */
LEAT_NODISCARD leat_err leat_options_read_file(leat_options *options,
                                               const char *path,
                                               leat_origin origin);

/* The environment, then `file_name` ("worker.ini") in /etc/leat and in $XDG_CONFIG_HOME/leat (or
 * ~/.config/leat); `--config F` (row "config", if the table has it) replaces both files and must
 * exist. Call after read_arguments. */
LEAT_NODISCARD leat_err leat_options_read_rest(leat_options *options, const char *file_name);

/* Values; text and lists are the options' and stay until the next read or destroy. Asking for a
 * name or type that the table does not have asserts. given: other than by the row's default. A
 * number that is not given is 0. */
bool leat_options_given(const leat_options *options, const char *name);
leat_origin leat_options_origin(const leat_options *options, const char *name);
bool leat_options_flag(const leat_options *options, const char *name);
const char *leat_options_text(const leat_options *options, const char *name); /* NULL: none */
uint64_t leat_options_number(const leat_options *options, const char *name);
int64_t leat_options_ms(const leat_options *options, const char *name);
size_t leat_options_list(const leat_options *options, const char *name, const char *const **out);

size_t leat_options_operand_count(const leat_options *options);
const char *leat_options_operand(const leat_options *options, size_t index);

/* The sentence of the last LEAT_ERR_CONFIG. */
const char *leat_options_why(const leat_options *options);

/* What the options are and where each was said, for `leat config show`: a line for each row that a
 * file may hold, and for each key in a section ("[channel.default] retries"), with tabs between
 * name, origin ("option", "environment", "file", "default", "none"), place ("--slots",
 * "LEAT_SLOTS", "/etc/leat/worker.ini:4", ""), value, and what holds without one as help says it.
 * In place and value a tab is \t, a newline \n, a backslash \\. */
void leat_options_print_settings(const leat_options *options, FILE *out);

/* The lines of --help for the rows: "  -j, --slots N      jobs at once (default 1)". */
void leat_options_print_help(const leat_options *options, FILE *out);

/* "1h30m", "250ms", "90" (seconds) -> ms; false if it is none. Units d h m s ms, each once, in this
 * order. */
bool leat_parse_duration(const char *text, int64_t *ms);
/* Digits with single `_` between them. */
bool leat_parse_number(const char *text, uint64_t *number);
/* The same with K, M, G or T behind them, a K being 1024: "16G". */
bool leat_parse_amount(const char *text, uint64_t *amount);

/* The nearest of `count` words (name_of(context, i)) to `word`, or NULL if none is near enough to
 * be meant: one slip (letter missing, added, wrong, two swapped) in three letters, case aside. A
 * NULL name is passed over. */
const char *leat_suggest(const char *word,
                         const char *(*name_of)(const void *context, size_t i),
                         const void *context,
                         size_t count);

#endif
