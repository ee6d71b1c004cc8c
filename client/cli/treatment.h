/* leat_treatment: how jobs are to be treated, as a command's options say it. The rows stand here so
 * that an option is called, and means, the same wherever jobs are made.
 *
 * What is wrong is found here, before anything is sent, and named with its option. */
#ifndef LEAT_CLI_TREATMENT_H
#define LEAT_CLI_TREATMENT_H

#include <cjson/cJSON.h>

#include "client/cli/command.h"
#include "proto/limits.h"

/* Rows of whatever makes jobs. */
#define LEAT_ROW_HANDLER                                                                    \
    {                                                                                       \
        .name = "handler", .type = LEAT_OPTION_TEXT, .value = "NAME", .takes = "<handler>", \
        .help = "which code of the worker runs (echo, sleep, sha256, ...)"                  \
    }
#define LEAT_ROW_CHANNEL(text)                                                              \
    {                                                                                       \
        .name = "channel", .type = LEAT_OPTION_TEXT, .value = "NAME", .takes = "<channel>", \
        .help = (text)                                                                      \
    }

/* Rows of a job, and of a channel for its jobs. */
#define LEAT_ROWS_OF_ATTEMPTS                                                                 \
    {.name = "priority",                                                                      \
     .type = LEAT_OPTION_NUMBER,                                                              \
     .value = "0-9",                                                                          \
     .max = LEAT_PRIORITIES - 1,                                                              \
     .help = "9 first (default 5)"},                                                          \
        {.name = "retries",                                                                   \
         .type = LEAT_OPTION_NUMBER,                                                          \
         .value = "N",                                                                        \
         .max = UINT16_MAX - 1,                                                               \
         .help = "attempts after the first that fails (default 2)"},                          \
        {.name = "losses",                                                                    \
         .type = LEAT_OPTION_NUMBER,                                                          \
         .value = "N",                                                                        \
         .min = 1,                                                                            \
         .max = UINT8_MAX,                                                                    \
         .help = "attempts that may end in the loss of their worker (default 5)"},            \
        {.name = "snoozes",                                                                   \
         .type = LEAT_OPTION_NUMBER,                                                          \
         .value = "N",                                                                        \
         .min = 1,                                                                            \
         .max = UINT16_MAX,                                                                   \
         .help = "times that the handler may ask for later (default 1000)"},                  \
        {.name = "backoff",                                                                   \
         .type = LEAT_OPTION_TEXT,                                                            \
         .value = "A..B",                                                                     \
         .help = "wait A after the first failure, twice that after the next, up to B "        \
                 "(default 1s..10m)"},                                                        \
        {.name = "run-limit",                                                                 \
         .type = LEAT_OPTION_DURATION,                                                        \
         .value = "D",                                                                        \
         .min = 1,                                                                            \
         .max = (uint64_t)LEAT_DELAY_MS_MAX,                                                  \
         .help = "stop an attempt that takes longer"},                                        \
        {.name = "grace",                                                                     \
         .type = LEAT_OPTION_DURATION,                                                        \
         .value = "D",                                                                        \
         .min = 1,                                                                            \
         .max = LEAT_GRACE_MS_MAX,                                                            \
         .help = "what a run that is told to stop has for it (default 5s)"},                  \
    {                                                                                         \
        .name = "expires", .type = LEAT_OPTION_DURATION, .value = "D", .min = 1,              \
        .max = (uint64_t)LEAT_DELAY_MS_MAX, .help = "of no use if it has not started by then" \
    }

/* Rows of jobs that are made now: when, after what, and what follows. */
#define LEAT_ROWS_OF_RELATIONS                                                                    \
    {.name = "in",                                                                                \
     .type = LEAT_OPTION_DURATION,                                                                \
     .value = "D",                                                                                \
     .help = "not before this time has passed",                                                   \
     .max = (uint64_t)LEAT_DELAY_MS_MAX,                                                          \
     .flags = LEAT_OPTION_NOT_IN_FILE},                                                           \
        {.name = "at",                                                                            \
         .type = LEAT_OPTION_TEXT,                                                                \
         .value = "T",                                                                            \
         .help = "not before this time: 18:30, or 2030-05-01T18:30:00Z",                          \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                                       \
        {.name = "after",                                                                         \
         .type = LEAT_OPTION_TEXT,                                                                \
         .value = "SEL[:ok|any|failed]",                                                          \
         .takes = "<batch>",                                                                      \
         .help = "not before that batch has ended, and so (ok); skipped when it ends otherwise",  \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                                       \
        {.name = "finally",                                                                       \
         .type = LEAT_OPTION_LIST,                                                                \
         .value = "NAME[=PAYLOAD]",                                                               \
         .help =                                                                                  \
             "a job that runs when the job has ended, however; may be given again, the last one " \
             "runs first",                                                                        \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                                       \
        {.name = "recover",                                                                       \
         .type = LEAT_OPTION_TEXT,                                                                \
         .value = "NAME[=PAYLOAD]",                                                               \
         .help = "a job that runs when the job is dead; how it ends is how the dead one ended",   \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                                       \
        {.name = "reply",                                                                         \
         .type = LEAT_OPTION_TEXT,                                                                \
         .value = "CHANNEL",                                                                      \
         .takes = "<channel>",                                                                    \
         .help = "a message into that channel for each job that ends",                            \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                                       \
        {.name = "reply-handler",                                                                 \
         .type = LEAT_OPTION_TEXT,                                                                \
         .value = "NAME",                                                                         \
         .takes = "<handler>",                                                                    \
         .help = "... a job of this handler instead, its payload the result",                     \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                                       \
    {                                                                                             \
        .name = "halt", .type = LEAT_OPTION_TEXT, .value = "WHEN",                                \
        .help = "cancel the rest of the batch: now,fail=1 (also what runs) or soon,done=10%",     \
        .flags = LEAT_OPTION_NOT_IN_FILE                                                          \
    }

/* Rows of a job alone. */
#define LEAT_ROWS_OF_JOB                                                                   \
    {.name = "unique",                                                                     \
     .type = LEAT_OPTION_TEXT,                                                             \
     .value = "KEY",                                                                       \
     .help = "while a job with this key is alive, join it instead of running",             \
     .flags = LEAT_OPTION_NOT_IN_FILE},                                                    \
        {.name = "unique-for",                                                             \
         .type = LEAT_OPTION_DURATION,                                                     \
         .value = "D",                                                                     \
         .min = 1,                                                                         \
         .max = (uint64_t)LEAT_DELAY_MS_MAX,                                               \
         .help = "... and so long after its end",                                          \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                                \
        {.name = "flow",                                                                   \
         .type = LEAT_OPTION_TEXT,                                                         \
         .value = "KEY",                                                                   \
         .help = "shares are fair between flows (default: each batch is one)"},            \
        {.name = "key",                                                                    \
         .type = LEAT_OPTION_TEXT,                                                         \
         .value = "KEY",                                                                   \
         .help = "the channel may cap how many jobs of a key run (channel set --key-max)", \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                                \
        {.name = "needs",                                                                  \
         .type = LEAT_OPTION_TEXT,                                                         \
         .value = "NAME=N,...",                                                            \
         .help = "what a worker must have free: cpus=4,mem=2G,gpu=1"},                     \
    {                                                                                      \
        .name = "on", .type = LEAT_OPTION_LIST, .value = "TRAIT=V",                        \
        .help = "only on workers with this trait; may be given again"                      \
    }

typedef struct leat_treatment {
    leat_batch_options options; /* texts: borrowed from the command line, or below */
    leat_follow recover;
    leat_follow finally[LEAT_FINALLY_MAX];
    char *names[LEAT_FINALLY_MAX + 1]; /* owned: handlers of those that follow */
    size_t name_count;
    char needs[LEAT_NAME_BYTES_MAX + 1];
    char traits[LEAT_NAME_BYTES_MAX + 1];
    char labels[LEAT_LABELS_BYTES_MAX + 1];
} leat_treatment;

/* Read the options of LEAT_ROWS_OF_ATTEMPTS, LEAT_ROWS_OF_JOB and --channel. Give out to
 * leat_treatment_fini in any case. On anything but LEAT_EXIT_OK the reason has been printed. */
int leat_treatment_read(leat_cli *cli, leat_treatment *out);

/* Read LEAT_ROWS_OF_RELATIONS, --label and --name: when, after what, and what follows. */
int leat_treatment_read_relations(leat_cli *cli, leat_treatment *out);

/* --label into text, as the broker takes it; empty: none was given. */
int leat_treatment_labels(const leat_cli *cli, char out[LEAT_LABELS_BYTES_MAX + 1]);

void leat_treatment_fini(leat_treatment *treatment);

/* "1s..10m", or "5s" for both. false: it is none. */
bool leat_treatment_backoff(const char *text, int64_t *min_ms, int64_t *max_ms);

/* --handler, which must be there. NULL: the reason has been printed. */
const char *leat_treatment_handler(const leat_cli *cli);

/* Settings that are said, as the broker takes them for a schedule; the caller's, NULL without
 * memory. */
cJSON *leat_treatment_json(const leat_treatment *treatment);

#endif
