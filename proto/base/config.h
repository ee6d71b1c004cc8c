/* leat_config: config files, line by line, by inih.
 *
 *     # a comment, and ; too
 *     slots = 4            ; a comment after a blank and a semicolon
 *     bind = ipc:///run/leat/broker      a # is part of the value, a ; inside a word too
 *     [channel.default]
 *     retries = 3
 *
 * `key = value` (or `key: value`), blanks around both are not part of them; an empty value is a
 * value; there are no quotes, no escapes and no values over several lines. A BOM, CRLF and a last
 * line without an end are understood. What inih would pass over or cut in silence is an error: a
 * line of more than LEAT_CONFIG_LINE_BYTES_MAX bytes, a section's name of more than
 * LEAT_CONFIG_SECTION_BYTES_MAX, text after a section's bracket, a key without a name, control
 * characters. */
#ifndef LEAT_CONFIG_H
#define LEAT_CONFIG_H

#include <stddef.h>
#include <stdio.h>

#include "proto/base/err.h"

/* Both are inih's, as every distribution builds it. */
#define LEAT_CONFIG_LINE_BYTES_MAX    198U
#define LEAT_CONFIG_SECTION_BYTES_MAX 49U

/* One key, and the number of its line. section: NULL outside any. All borrowed for the call. An
 * error other than OK ends the reading; on LEAT_ERR_CONFIG `why` holds a sentence without file,
 * line and section. */
typedef leat_err leat_config_take(void *context,
                                  const char *section,
                                  const char *key,
                                  const char *value,
                                  int line,
                                  char *why,
                                  size_t why_size);

/* Read `file`, called `name` in sentences, from where it stands; it stays open. Keys before a wrong
 * line have been taken already when it is met.
 *
 * LEAT_ERR_CONFIG  why holds 'NAME:14: [section] sentence', or 'NAME: sentence'.
 * any other        take's own, or LEAT_ERR_NOMEM. */
LEAT_NODISCARD leat_err leat_config_read(FILE *file,
                                         const char *name,
                                         leat_config_take *take,
                                         void *context,
                                         char *why,
                                         size_t why_size);

#endif
