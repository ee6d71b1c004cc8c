/* leat_variable: reading the environment. This program never writes its own, so nothing can change
 * under a reader, whatever threads the libraries below have. */
#ifndef LEAT_CLI_VARIABLE_H
#define LEAT_CLI_VARIABLE_H

#include <stdlib.h>

/* The value, or NULL; an empty one counts as not given. */
static inline const char *
leat_variable(const char *name)
{
    const char *const value = getenv(name); /* NOLINT(concurrency-mt-unsafe): see above */
    return value == NULL || *value == '\0' ? NULL : value;
}

#endif
