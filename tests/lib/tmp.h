/* A directory for one test, and files in it. Every function must succeed: it asserts. */
#ifndef LEAT_TEST_TMP_H
#define LEAT_TEST_TMP_H

#include <limits.h>
#include <stddef.h>

typedef struct leat_tmp {
    char path[PATH_MAX]; /* of the directory, below $TMPDIR or /tmp */
} leat_tmp;

/* Make the directory, mode 0700. */
void leat_tmp_init(leat_tmp *tmp);

/* Remove it with everything in it. */
void leat_tmp_fini(leat_tmp *tmp);

/* path = DIRECTORY/name; path has PATH_MAX bytes and is returned. */
const char *leat_tmp_path(const leat_tmp *tmp, const char *name, char path[PATH_MAX]);

/* Write a file (directories above it are made) and put its path into `path`, which is returned. */
const char *leat_tmp_write(
    const leat_tmp *tmp, const char *name, const void *data, size_t size, char path[PATH_MAX]);

#endif
