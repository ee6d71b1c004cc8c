/* Temporary directories of tests. Asserts by assert(3), so that programs without Criterion can use
 * it too. */
#include "tests/lib/tmp.h"

#include <assert.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void
leat_tmp_init(leat_tmp *tmp)
{
    const char *const above = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe) */
    const int n = snprintf(tmp->path, sizeof tmp->path, "%s/leat-test-XXXXXX",
                           above == NULL || above[0] == '\0' ? "/tmp" : above);
    assert(n > 0 && (size_t)n < sizeof tmp->path);
    const char *const made = mkdtemp(tmp->path);
    assert(made != NULL);
}

static int
remove_one(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

void
leat_tmp_fini(leat_tmp *tmp)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): where it is used a test has one thread */
    const int rc = nftw(tmp->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    assert(rc == 0);
    tmp->path[0] = '\0';
}

const char *
leat_tmp_path(const leat_tmp *tmp, const char *name, char path[PATH_MAX])
{
    const int n = snprintf(path, PATH_MAX, "%s/%s", tmp->path, name);
    assert(n > 0 && n < PATH_MAX);
    return path;
}

/* Make what is missing of the directories above `path`. */
static void
make_above(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        const int rc = mkdir(path, 0700);
        assert(rc == 0 || errno == EEXIST);
        *slash = '/';
    }
}

const char *
leat_tmp_write(
    const leat_tmp *tmp, const char *name, const void *data, size_t size, char path[PATH_MAX])
{
    leat_tmp_path(tmp, name, path);
    make_above(path);
    FILE *const file = fopen(path, "we");
    assert(file != NULL);
    const size_t written = size == 0 ? 0 : fwrite(data, 1, size, file);
    const int closed = fclose(file);
    assert(written == size && closed == 0);
    return path;
}
