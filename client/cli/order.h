/* leat_order: the command that `run` and `submit` were given, and the payload that a job of it has.
 * What the options say is the same for all jobs; the words are made anew for each input. */
#ifndef LEAT_CLI_ORDER_H
#define LEAT_CLI_ORDER_H

#include "client/cli/command.h"
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
    unsigned takes;        /* LEAT_REPLACE_…, of all words */
    char *directory;       /* owned */
    leat_bytes *variables; /* owned; what they point to is borrowed or in texts */
    char **texts;          /* owned, and what they point to */
    size_t text_count;
    leat_buf input;   /* stdin */
    leat_buf scratch; /* words of one job */
    leat_bytes *made; /* owned: where they lie */
    size_t made_room;
    size_t made_count;
    const char *why; /* why no job could be made of its arguments, or NULL */
} leat_order;

/* What a job is made with. */
typedef struct leat_order_job {
    const leat_text *arguments;
    size_t count; /* 0: none; then nothing is replaced */
    uint64_t number;
    uint64_t slot;
} leat_order_job;

/* Read what the command line says; words: what followed the options. Give out to leat_order_fini in
 * any case. On anything but LEAT_EXIT_OK the reason has been printed: no command at all, one word
 * with blanks that is no program (127), a folder or file that is not there. */
int leat_order_read(leat_cli *cli, char *const *words, size_t word_count, leat_order *out);

/* The payload of a job into out. Arguments that no replacement string takes are more words at the
 * end. false: order->why, or memory is out (out->failed). */
bool leat_order_make(leat_order *order, const leat_order_job *job, leat_buf *out);

/* Append the command of the job that was made last, as one would type it. */
void leat_order_text(const leat_order *order, leat_buf *out);

void leat_order_fini(leat_order *order);

#endif
