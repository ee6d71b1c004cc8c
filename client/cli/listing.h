/* leat_listing: all rows of a query that answers in parts, each of which says where the next one
 * goes on ("cursor"), put in order and cut to as many as are wanted. */
#ifndef LEAT_CLI_LISTING_H
#define LEAT_CLI_LISTING_H

#include <cjson/cJSON.h>

#include "client/cli/cli.h"

#define LEAT_LISTING_ROWS_MAX 10000U /* that a person may ask for: a row is some kilobytes */

typedef struct leat_listing {
    const char *query; /* "batch.list" */
    const char *key;   /* of the rows in its answer: "batches" */
    const char *order; /* a number in each row that no other has: "id"; NULL: rows stay as they come
                        */
    bool falling;      /* the highest first. What is beyond those that are wanted is not asked for:
                          what is not "above" the last one, or "below" it where numbers rise */
    size_t rows_max;
} leat_listing;

/* *arguments_p is taken (NULL: none). On LEAT_EXIT_OK *answer_p is the caller's: the last answer,
 * but with all rows in it, and "more": are there others beyond rows_max? */
int
leat_listing_ask(leat_cli *cli, const leat_listing *what, cJSON **arguments_p, cJSON **answer_p);

/* ---- rows of options that lists share ---- */

#define LEAT_ROW_SINCE(text)                                                       \
    {                                                                              \
        .name = "since", .type = LEAT_OPTION_TEXT, .value = "D|T", .help = (text), \
        .flags = LEAT_OPTION_NOT_IN_FILE                                           \
    }

/* --since into arguments, as "since_ms". On anything but LEAT_EXIT_OK the reason is printed. */
int leat_listing_since(const leat_cli *cli, cJSON *arguments);

#endif
