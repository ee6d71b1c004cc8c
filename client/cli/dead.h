/* leat_dead: the list of dead jobs, as `dead` and `retry` use it. */
#ifndef LEAT_CLI_DEAD_H
#define LEAT_CLI_DEAD_H

#include <cjson/cJSON.h>

#include "client/cli/batches.h"
#include "client/cli/cli.h"
#include "client/cli/listing.h"

#define LEAT_ROW_WHERE                                                                       \
    {                                                                                        \
        .name = "where", .type = LEAT_OPTION_TEXT, .value = "TEXT",                          \
        .help = "only those with this text in their error", .flags = LEAT_OPTION_NOT_IN_FILE \
    }
#define LEAT_ROW_DEAD_CHANNEL                                                               \
    {                                                                                       \
        .name = "channel", .type = LEAT_OPTION_TEXT, .value = "NAME", .takes = "<channel>", \
        .help = "only those of this channel"                                                \
    }

#define LEAT_ROW_DEAD_SINCE LEAT_ROW_SINCE("only those that died since then: 2h (ago), 18:30")

/* {"channel": …, "error": …, "since_ms": …} of --channel, --where and --since; the caller's. Only
 * what is typed counts: a channel that a variable names for submit must not choose what is removed.
 * *code: LEAT_EXIT_OK, or what was wrong has been printed. */
cJSON *leat_dead_filter(const leat_cli *cli, int *code);

/* All dead jobs that the filter (taken, NULL afterwards) lets through, the newest first. */
int leat_dead_ask(leat_cli *cli, cJSON **filter_p, cJSON **dead_p);

/* Turn selectors of jobs into ids: of the dead jobs of `list`, those that which means. Adds them to
 * ids as texts and returns how many. */
size_t leat_dead_choose(const cJSON *list, const leat_selector *which, cJSON *ids);

#endif
