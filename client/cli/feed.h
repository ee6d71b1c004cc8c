/* leat_feed: the jobs that `run` and `submit` were given, a payload after the other: a command made
 * anew for each set of arguments, or payloads for a handler; and how they are to be treated. */
#ifndef LEAT_CLI_FEED_H
#define LEAT_CLI_FEED_H

#include "client/cli/order.h"
#include "client/cli/treatment.h"
#include "client/cli/tuples.h"

#define LEAT_ROW_LABEL(text)                                                       \
    {                                                                              \
        .name = "label", .type = LEAT_OPTION_LIST, .value = "K=V", .help = (text), \
        .flags = LEAT_OPTION_NOT_IN_FILE                                           \
    }

/* Rows of a command that makes jobs. */
#define LEAT_ROWS_OF_FEED                                                          \
    LEAT_ROW_HANDLER, LEAT_ROWS_OF_TUPLES, LEAT_ROWS_OF_ORDER,                     \
        LEAT_ROW_CHANNEL("where the jobs go (default: \"default\")"),              \
        {.name = "name",                                                           \
         .type = LEAT_OPTION_TEXT,                                                 \
         .value = "NAME",                                                          \
         .help = "name of the batch: then it is @NAME, too",                       \
         .flags = LEAT_OPTION_NOT_IN_FILE},                                        \
        LEAT_ROW_LABEL("a label of the batch, for leat list; may be given again"), \
        LEAT_ROWS_OF_ATTEMPTS, LEAT_ROWS_OF_RELATIONS, LEAT_ROWS_OF_JOB,           \
    {                                                                              \
        .name = "dry-run", .type = LEAT_OPTION_FLAG,                               \
        .help = "print the commands, a line each, and do nothing",                 \
        .flags = LEAT_OPTION_NOT_IN_FILE                                           \
    }

typedef struct leat_feed {
    leat_cli *cli;
    const char *handler; /* borrowed */
    leat_treatment treatment;
    leat_order order;
    leat_tuples tuples;
    bool is_command;
    bool has_arguments; /* a job for each; else there is one job */
    leat_text word;     /* the payload of that one */
    leat_buf payload;   /* of the job that was made last */
    uint64_t number;    /* … its number, from 1 */
} leat_feed;

/* Read everything that the command line says of the jobs. reads_stdin: a handler whose payload is
 * not said takes lines of stdin. Give out to leat_feed_fini in any case. On anything but
 * LEAT_EXIT_OK the reason has been printed. */
int leat_feed_open(leat_cli *cli, bool reads_stdin, leat_feed *out);

/* Would leat_feed_next answer without waiting? */
bool leat_feed_ready(leat_feed *feed);

/* Make the next job: feed->payload, borrowed until the next call. slot: what {%} is. false: there
 * is none, or something is wrong. */
bool leat_feed_next(leat_feed *feed, uint64_t slot);

/* After leat_feed_next was false: LEAT_EXIT_OK if the jobs have simply come to their end, else the
 * reason is printed. */
int leat_feed_check(const leat_feed *feed);

/* Append the job's arguments, with blanks between. */
void leat_feed_put_arguments(const leat_feed *feed, leat_buf *out);

/* Append the job as one would type it. */
void leat_feed_put_text(const leat_feed *feed, leat_buf *out);

/* --dry-run: print all of them. */
int leat_feed_print(leat_feed *feed);

void leat_feed_fini(leat_feed *feed);

#endif
