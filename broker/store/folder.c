/* The folder that a store lies in. See folder.h. */
#include "broker/store/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/log.h"

#define WHY_BYTES 512U

char *
leat_folder_path(const char *folder, const char *name)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, name) < 0)
        return NULL;
    return path;
}

leat_err
leat_folder_sync(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return leat_err_from_errno(errno);
    const leat_err err = fsync(fd) == 0 ? LEAT_ERR_OK : leat_err_from_errno(errno);
    (void)close(fd);
    return err;
}

leat_err
leat_folder_sync_parent(const char *path)
{
    const char *const slash = strrchr(path, '/');
    if (slash == NULL)
        return leat_folder_sync(".");
    char *const parent = strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (parent == NULL)
        return LEAT_ERR_NOMEM;
    const leat_err err = leat_folder_sync(parent);
    free(parent);
    return err;
}

leat_err
leat_folder_sync_upwards(const char *folder)
{
    char *const path = realpath(folder, NULL);
    if (path == NULL)
        return leat_err_from_errno(errno);
    leat_err err = LEAT_ERR_OK;
    for (char *slash = strrchr(path, '/'); slash != NULL && err == LEAT_ERR_OK;
         slash = strrchr(path, '/')) {
        *slash = '\0';
        errno = 0;
        err = leat_folder_sync(path[0] == '\0' ? "/" : path);
        if (errno == EACCES || errno == EPERM || errno == EINVAL)
            err = LEAT_ERR_OK;
    }
    free(path);
    return err;
}

leat_err
leat_folder_refuse(char why[512], const char *what, const char *path, int errnum)
{
    char text[64];
    (void)snprintf(why, WHY_BYTES, "%s %s: %s", what, path,
                   leat_log_errno_text(errnum, text, sizeof text));
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return LEAT_ERR_NO_SPACE;
    case ENOMEM:
        return LEAT_ERR_NOMEM;
    case ENOENT:
        return LEAT_ERR_NOT_FOUND;
    case EIO:
    case EMFILE:
    case ENFILE:
        return LEAT_ERR_IO;
    default:
        return LEAT_ERR_DENIED;
    }
}

/* Make the folder and those above it that are missing. path is changed and put back. errno is set
 * on failure. */
static bool
make(char *path)
{
    struct stat there;
    if (mkdir(path, 0700) == 0)
        return true;
    if (errno == EEXIST) {
        if (stat(path, &there) != 0 || S_ISDIR(there.st_mode))
            return true; /* what is wrong with it is said by who opens something in it */
        errno = ENOTDIR;
        return false;
    }
    char *const slash = strrchr(path, '/');
    if (errno != ENOENT || slash == NULL || slash == path)
        return false;
    *slash = '\0';
    const bool made = make(path);
    *slash = '/';
    return made && mkdir(path, 0700) == 0;
}

leat_err
leat_folder_make(const char *path, char why[512])
{
    char *const copy = strdup(path);
    if (copy == NULL)
        return LEAT_ERR_NOMEM;
    /* A slash at the end would make the last part empty. */
    size_t size = strlen(copy);
    while (size > 1 && copy[size - 1] == '/')
        copy[--size] = '\0';
    leat_err err = LEAT_ERR_OK;
    if (size == 0 || !make(copy))
        err = leat_folder_refuse(why, "cannot make the folder", path, size == 0 ? ENOTDIR : errno);
    free(copy);
    return err;
}
