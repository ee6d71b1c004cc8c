/* leat_worker_settings: what leat-worker was told, checked, ready for leat_engine_new.
 *
 * Command line, environment (LEAT_SLOTS …) and worker.ini come from one table of options
 * (proto/base/option.h). */
#ifndef LEAT_WORKER_OPTIONS_H
#define LEAT_WORKER_OPTIONS_H

#include <stdio.h>

#include "proto/base/log.h"
#include "proto/base/option.h"
#include "proto/link/link.h"
#include "worker/engine.h"
#include "worker/runner/plugin.h"

typedef enum leat_worker_wish {
    LEAT_WORKER_WISH_RUN = 1,
    LEAT_WORKER_WISH_HELP,
    LEAT_WORKER_WISH_VERSION,
    LEAT_WORKER_WISH_SETTINGS, /* to know them: those of `options` */
} leat_worker_wish;

#define LEAT_WORKER_PROGRAMS_MAX 64U

/* What --command, --stdio or --plugin says. */
typedef struct leat_worker_program {
    char *text; /* owned: the name, and behind it the words; or the path */
    const char *name;
    leat_program program;
    leat_plugin_row *rows; /* owned: of a plug-in, its handlers' names; NULL: it is none */
} leat_worker_program;

typedef struct leat_worker_settings {
    leat_worker_wish wish;
    leat_engine_options worker; /* borrows from the rest; signal_fd is -1 */
    leat_log_level log_level;
    char why[512]; /* a sentence, after LEAT_ERR_CONFIG */

    leat_options *options;                    /* owned */
    char *endpoints[LEAT_LINK_ENDPOINTS_MAX]; /* owned */
    const char *channels[LEAT_SUBSCRIPTIONS_MAX];
    leat_hello_trait traits[LEAT_TRAITS_MAX];
    leat_hello_have haves[LEAT_HAVES_MAX];
    leat_commands_options commands;
    leat_worker_program programs[LEAT_WORKER_PROGRAMS_MAX];
    size_t program_count;
    leat_handler handlers[LEAT_HANDLERS_MAX]; /* the built-in ones, and those that are programs */
    char user_variables[3][256];
    const char *variables[3];
    leat_key key; /* what worker.key points at, if it does; wiped by fini */
    char name[LEAT_NAME_BYTES_MAX + 1];
} leat_worker_settings;

/* The table, for the manual. */
const leat_option *leat_worker_rows(size_t *count);

/* Read and check everything, the key file too. settings is filled in any case, and must not move
 * afterwards; give it to leat_worker_settings_fini.
 *
 * LEAT_ERR_CONFIG  settings->why says which option, variable or line is wrong, and how.
 * LEAT_ERR_DENIED  the key file is open to others, or is not for this user; settings->why says so.
 * LEAT_ERR_NOMEM. */
LEAT_NODISCARD leat_err leat_worker_settings_read(leat_worker_settings *settings,
                                                  int argc,
                                                  char *const argv[]);

void leat_worker_settings_fini(leat_worker_settings *settings);

/* --help: examples first. */
void leat_worker_print_help(const leat_worker_settings *settings, FILE *out);

#endif
