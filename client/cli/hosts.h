/* leat_hosts: a file of hosts on which workers are started, one a line:
 *
 *     # who@where[:port], then options of leat-worker without their dashes
 *     anna@node1 slots=4 have=gpu=2
 *     node2:2222 name=big key=big.key channel=big allow-commands
 *
 * Words end at blanks; there are no quotes. `name`, `key` and `program` are for who starts them. */
#ifndef LEAT_CLI_HOSTS_H
#define LEAT_CLI_HOSTS_H

#include <stdbool.h>
#include <stdio.h>

#include "proto/base/err.h"
#include "proto/limits.h"

#define LEAT_HOST_OPTIONS_MAX 64U
#define LEAT_HOSTS_MAX        10000U

typedef struct leat_host {
    char *words;         /* owned: the line, taken apart; what follows points into it */
    const char *target;  /* "anna@node1", "::1" */
    const char *port;    /* NULL: ssh's own */
    const char *key;     /* key=FILE; NULL: none */
    const char *program; /* program=PATH; NULL: leat-worker */
    char name[LEAT_NAME_BYTES_MAX + 1];         /* of the worker: name=, or the host */
    const char *options[LEAT_HOST_OPTIONS_MAX]; /* "slots=4", "allow-commands" */
    size_t option_count;
} leat_host;

/* Read all lines. *out is the caller's, to be given to leat_hosts_free.
 *
 * LEAT_ERR_CONFIG  a line is wrong, a name stands twice, or there is none; why says which, with the
 *                  file's name and the line in front.
 * LEAT_ERR_NOMEM. */
LEAT_NODISCARD leat_err
leat_hosts_read(FILE *file, const char *file_name, leat_host **out, size_t *count, char why[512]);

void leat_hosts_free(leat_host *hosts, size_t count);

/* May these bytes be words of a command line on the other side? Control characters may not. */
bool leat_hosts_word_is_plain(const char *word);

#endif
