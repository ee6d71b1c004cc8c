/* leat_order: the command that `run` and `submit` were given, and the payload that a job of it has.
 * What the options say is the same for all jobs; the words are made anew for each input. */
#ifndef LEAT_CLI_ORDER_H
#define LEAT_CLI_ORDER_H

#include "client/cli/command.h"
#include "client/cli/inputs.h"
#include "proto/exec.h"

#define LEAT_ROWS_OF_ORDER                                                             \
    {.name = "shell",                                                                  \
     .type = LEAT_OPTION_TEXT,                                                         \
     .value = "TEXT",                                                                  \
     .help = "run this text with /bin/sh -c; inputs are quoted in it",                 \
     .flags = LEAT_OPTION_NOT_IN_FILE},                                                \
        {.name = "cwd",                                                                \
         .type = LEAT_OPTION_TEXT,                                                     \
         .value = "DIR",                                                               \
         .takes = "<dir>",                                                             \
         .help = "the folder in which it runs (default: this one)",                    \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                            \
        {.name = "env",                                                                \
         .type = LEAT_OPTION_LIST,                                                     \
         .value = "K[=V]",                                                             \
         .help = "give it this variable, or yours of that name; may be given again",   \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                            \
        {.name = "stdin",                                                              \
         .type = LEAT_OPTION_TEXT,                                                     \
         .value = "F",                                                                 \
         .takes = "<file>",                                                            \
         .help = "what it reads, at most 1 MiB (-: stdin; default: nothing)",          \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                            \
    {                                                                                  \
        .name = "output-max", .type = LEAT_OPTION_TEXT, .value = "SIZE",               \
        .help = "so much of what it prints is kept, as in 64K (default and limit: 1M)" \
    }

typedef struct leat_order {
    leat_exec exec;
    char *const *words; /* borrowed; one word of text for a shell */
    size_t word_count;
    bool wants_input;      /* a word holds a replacement string */
    char *directory;       /* owned */
    leat_bytes *variables; /* owned; what they point to is borrowed or in texts */
    char **texts;          /* owned, and what they point to */
    size_t text_count;
    leat_inputs inputs; /* a job for each … */
    bool has_inputs;    /* … or one job */
    uint64_t number;    /* of the last job that was made */
    leat_buf input;     /* stdin */
    leat_buf scratch;   /* words of one job */
    leat_bytes *made;   /* … where they lie */
} leat_order;

/* Read what the command line says; words: what followed the options. Give out to leat_order_fini in
 * any case. On anything but LEAT_EXIT_OK the reason has been printed: no command at all, one word
 * with blanks that is no program (127), a folder or file that is not there.
 *
 * What is behind ":::" or in --arg-file makes a job each; the lines of stdin do so when a word
 * holds a replacement string, and are not read otherwise. */
int leat_order_read(leat_cli *cli, char *const *words, size_t word_count, leat_order *out);

/* The payload of the next job into out, and the input that it was made with, borrowed until the
 * next call (empty without one). Input that no replacement string takes is one more word at the
 * end. false: there are no more, or the inputs cannot be read (order->inputs.failed), or memory is
 * out (out->failed). */
bool leat_order_next(leat_order *order, leat_buf *out, leat_text *input);

void leat_order_fini(leat_order *order);

#endif
