/* leat-broker's table of options, and what it means. */
#ifndef LEAT_BROKER_OPTIONS_H
#define LEAT_BROKER_OPTIONS_H

#include "proto/base/log.h"
#include "proto/base/option.h"
#include "proto/settings.h"

#define LEAT_BINDS_MAX 8U

struct leat_channel_rules; /* broker/core/core.h */

/* What to do with the store, instead of serving. */
typedef enum leat_broker_verb {
    LEAT_VERB_SERVE = 0,
    LEAT_VERB_CHECK,
    LEAT_VERB_BACKUP,
    LEAT_VERB_COMPACT,
} leat_broker_verb;

typedef struct leat_broker_options {
    leat_options *options;       /* owned */
    char *binds[LEAT_BINDS_MAX]; /* owned */
    size_t bind_count;
    char *data; /* owned; folder of the store */
    char *keys; /* owned; the keys directory, NULL: none */
    leat_broker_verb verb;
    const char *target; /* BACKUP; borrowed from options */
    bool json;          /* what a verb prints */
    bool insecure_loopback;
    bool default_memory;
    struct leat_channel_rules *channel_rules; /* owned; of channels that nobody declared */
    leat_settings channel_settings;
    int64_t keep_ms; /* what has ended: so long … */
    uint64_t keep_jobs;
    uint64_t keep_bytes;
    uint64_t keep_batches;
    int64_t keep_dead_ms;
    uint64_t keep_dead;
    leat_log_level log_level;
    bool help;
    bool version;
    bool show_config;
    char why[640]; /* the sentence of a failure */
} leat_broker_options;

/* The table, for the manual. */
const leat_option *leat_broker_rows(size_t *count);

/* Read arguments, environment and broker.ini. LEAT_ERR_CONFIG: why says what is wrong. fini in any
 * case. */
LEAT_NODISCARD leat_err leat_broker_options_read(leat_broker_options *options,
                                                 int argc,
                                                 char *const argv[]);
void leat_broker_options_fini(leat_broker_options *options);
void leat_broker_options_print_help(const leat_broker_options *options, FILE *out);

#endif
