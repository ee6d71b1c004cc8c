/* leat_tuples: what the jobs of `run` and `submit` are given: a few arguments each, out of one or
 * several sources.
 *
 *   ::: a b ::: 1 2     every combination: a 1, a 2, b 1, b 2
 *   ::: a b :::+ 1 2    side by side: a 1, b 2; the shorter one ends it
 *   -N 2                two arguments of the one source a job; the last one may have fewer
 *   --colsep ','        an argument is taken apart into several
 *
 * The first source is read as it comes, so it may have no end; those that are combined with it are
 * kept in memory. */
#ifndef LEAT_CLI_TUPLES_H
#define LEAT_CLI_TUPLES_H

#include <regex.h>

#include "client/cli/command.h"
#include "client/cli/inputs.h"
#include "proto/base/bytes.h"

#define LEAT_ROWS_OF_TUPLES                                                                   \
    {.name = "arg-file",                                                                      \
     .letter = 'a',                                                                           \
     .type = LEAT_OPTION_LIST,                                                                \
     .value = "FILE",                                                                         \
     .takes = "<file>",                                                                       \
     .help = "a job for each line of FILE (-: stdin); may be given again: every combination", \
     .flags = LEAT_OPTION_NOT_IN_FILE},                                                       \
        {.name = "array",                                                                     \
         .type = LEAT_OPTION_TEXT,                                                            \
         .value = "A-B[:STEP]",                                                               \
         .help = "a job for each number, as in 1-1000:2 or 1,5,9",                            \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                                   \
        LEAT_ROW_NULL("lines of FILE or stdin end with NUL"),                                 \
        {.name = "max-args",                                                                  \
         .letter = 'N',                                                                       \
         .type = LEAT_OPTION_NUMBER,                                                          \
         .value = "N",                                                                        \
         .min = 1,                                                                            \
         .max = 65536,                                                                        \
         .help = "N arguments a job: {1}, {2}, ... (default: 1)",                             \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                                   \
    {                                                                                         \
        .name = "colsep", .type = LEAT_OPTION_TEXT, .value = "REGEX",                         \
        .help = "take each input apart where this matches: {1}, {2}, ...",                    \
        .flags = LEAT_OPTION_NOT_IN_FILE                                                      \
    }

#define LEAT_TUPLES_SOURCES_MAX 32U

/* A source, and where it stands. One that is repeated has its arguments in memory. */
typedef struct leat_source {
    leat_inputs inputs;
    bool is_beside;
    bool is_kept;
    leat_buf kept;  /* u32 size and bytes, an argument after the other */
    size_t next;    /* in kept */
    leat_text here; /* the argument that is in use */
} leat_source;

typedef struct leat_tuples {
    leat_source sources[LEAT_TUPLES_SOURCES_MAX];
    size_t source_count;
    uint32_t at_once; /* arguments of a job: -N */
    bool has_columns;
    regex_t columns;
    bool has_begun;
    bool has_ended;
    bool is_handed_out; /* what was collected is the caller's until he comes back */
    uint32_t taken;     /* arguments that are collected, of at_once */
    leat_buf scratch;   /* the job's arguments, behind each other */
    leat_text *parts;   /* owned: where they lie */
    size_t part_room;
    size_t part_count;
    leat_source *failed; /* the source that could not be read; inputs.failed says why */
    bool no_memory;
} leat_tuples;

/* The sources that -a, --array and ":::" name; when there are none and from_stdin is true, stdin is
 * one. Give out to leat_tuples_fini in any case. On anything but LEAT_EXIT_OK the reason has been
 * printed. */
int leat_tuples_open(leat_cli *cli, bool from_stdin, leat_tuples *out);

/* Would leat_tuples_next answer without waiting? */
bool leat_tuples_ready(leat_tuples *tuples);

/* The descriptor to wait for when it is not ready. */
int leat_tuples_fd(const leat_tuples *tuples);

/* The arguments of the next job, tuples->parts, borrowed until the next call. false: there are no
 * more, or tuples->failed, or tuples->no_memory. */
bool leat_tuples_next(leat_tuples *tuples);

/* Is one of the sources stdin? */
bool leat_tuples_use_stdin(const leat_tuples *tuples);

void leat_tuples_fini(leat_tuples *tuples);

#endif
