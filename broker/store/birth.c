/* A store comes to be. See birth.h. */
#include "broker/store/birth.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_BYTES ((size_t)1 << 20) /* of the empty environment; who opens it asks for more */

bool
leat_birth_sync(const char *folder)
{
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const bool synced = fsync(fd) == 0;
    const int error = errno;
    (void)close(fd);
    errno = error;
    return synced;
}

bool
leat_birth_folder(char *path)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return true;
    char *const slash = strrchr(path, '/');
    if (errno != ENOENT || slash == NULL || slash == path)
        return false;
    *slash = '\0';
    const bool made = leat_birth_folder(path);
    *slash = '/';
    return made && mkdir(path, 0700) == 0;
}

/* The names of this folder and of all above it: any of them may have been made just now, by us or
 * by a start that was cut. One that we may not read is somebody else's, and older. */
static bool
sync_upwards(const char *folder)
{
    char *const path = realpath(folder, NULL);
    bool synced = path != NULL;
    while (synced && path[0] != '\0') {
        *strrchr(path, '/') = '\0';
        synced = leat_birth_sync(path[0] == '\0' ? "/" : path) || errno == EACCES ||
                 errno == EPERM || errno == EINVAL;
    }
    free(path);
    return synced;
}

static int
make_empty(const char *path)
{
    MDB_env *env = NULL;
    int rc = mdb_env_create(&env);
    if (rc != MDB_SUCCESS)
        return rc;
    rc = mdb_env_set_mapsize(env, MAP_BYTES);
    /* NOLOCK: nobody else knows the name, and no file of locks is left beside it. */
    if (rc == MDB_SUCCESS)
        rc = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK, 0600);
    if (rc == MDB_SUCCESS)
        rc = mdb_env_sync(env, 1);
    mdb_env_close(env);
    return rc;
}

bool
leat_birth_data(const char *folder)
{
    struct stat file;
    char *path = NULL;
    char *path_new = NULL;
    bool made = false;
    int rc;
    if (asprintf(&path, "%s/data.mdb", folder) < 0 ||
        asprintf(&path_new, "%s/data.mdb.new", folder) < 0)
        goto done;
    if (stat(path, &file) == 0 || errno != ENOENT) {
        made = true; /* what is wrong with it is told by who opens it */
        goto done;
    }
    if (unlink(path_new) != 0 && errno != ENOENT)
        goto done;
    rc = make_empty(path_new);
    if (rc != MDB_SUCCESS) {
        errno = rc > 0 ? rc : EIO;
        goto done;
    }
    made = sync_upwards(folder) && rename(path_new, path) == 0 && leat_birth_sync(folder);

done:
    free(path);
    free(path_new);
    return made;
}
