/* A store that no broker runs on: looked at, copied, written again. See offline.h. */
#include "broker/store/offline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/store/check.h"
#include "broker/store/copy.h"
#include "broker/store/folder.h"
#include "broker/store/guard.h"
#include "broker/store/lmdb_env.h"
#include "broker/store/lmdb_kv.h"
#include "broker/store/pages.h"
#include "broker/store/tail.h"

#define WHY_BYTES 512U

/* The file's beginning: what would end LMDB by a signal is told in words. */
static leat_err
look_at_head(const char *path, uint64_t *bytes, char *why)
{
    char words[256] = "";
    leat_pages_head head;
    struct stat file;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return leat_folder_refuse(why, "cannot open", path, errno);
    leat_err err = leat_pages_read_head(fd, &head, words);
    *bytes = fstat(fd, &file) == 0 ? (uint64_t)file.st_size : 0;
    (void)close(fd);
    if (err == LEAT_ERR_OK && head.missing_bytes > 0)
        err = leat_tail_mend(path, words);
    if (err != LEAT_ERR_OK)
        (void)snprintf(why, WHY_BYTES, "%s %s; nothing was changed", path, words);
    return err;
}

leat_err
leat_offline_check(const char *folder, leat_chore *chore, char why[512])
{
    leat_guard guard = {.fd = -1};
    char *const path = leat_folder_path(folder, LEAT_STORE_FILE);
    leat_err err = path == NULL ? LEAT_ERR_NOMEM : leat_guard_look(&guard, folder, why);
    if (err == LEAT_ERR_OK)
        err = leat_check_file(path, chore, why);
    if (err == LEAT_ERR_OK && chore->format > LEAT_STORE_FORMAT)
        err = leat_check_refuse_newer(path, chore, why);
    leat_guard_release(&guard);
    free(path);
    return err;
}

static leat_err
copy_to(const char *folder, const char *path, const char *to, uint64_t *bytes, char *why)
{
    char text[64];
    leat_backup backup = {.folder = folder, .to = to};
    const int rc = leat_lmdb_env_open(path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_RDONLY, &backup.env);
    if (rc != MDB_SUCCESS) {
        (void)snprintf(why, WHY_BYTES, "cannot open %s: %s", path, leat_lmdb_words(rc, text));
        return leat_lmdb_err(rc);
    }
    const leat_err err = leat_copy_backup(&backup, why);
    *bytes = atomic_load(&backup.bytes);
    mdb_env_close(backup.env);
    return err;
}

leat_err
leat_offline_backup(const char *folder, const char *to, uint64_t *bytes, char why[512])
{
    leat_guard guard = {.fd = -1};
    char *const path = leat_folder_path(folder, LEAT_STORE_FILE);
    leat_err err = path == NULL ? LEAT_ERR_NOMEM : leat_guard_look(&guard, folder, why);
    if (err == LEAT_ERR_OK)
        err = look_at_head(path, bytes, why);
    if (err == LEAT_ERR_OK)
        err = copy_to(folder, path, to, bytes, why);
    leat_guard_release(&guard);
    free(path);
    return err;
}

/* What is damaged would be left out of a store that is written again. */
static leat_err
must_be_sound(const char *path, char *why)
{
    leat_chore *const chore = malloc(sizeof *chore);
    if (chore == NULL)
        return LEAT_ERR_NOMEM;
    leat_err err = leat_check_file(path, chore, why);
    if (err == LEAT_ERR_OK && chore->format > LEAT_STORE_FORMAT)
        err = leat_check_refuse_newer(path, chore, why);
    if (err == LEAT_ERR_OK && chore->findings > 0) {
        (void)snprintf(
            why, WHY_BYTES,
            "%s is damaged: %s; nothing was changed. `leat store check` names all that is "
            "damaged",
            path, chore->found[0]);
        err = LEAT_ERR_CORRUPT;
    }
    free(chore);
    return err;
}

leat_err
leat_offline_compact(const char *folder, uint64_t *bytes_before, uint64_t *bytes, char why[512])
{
    leat_guard guard = {.fd = -1};
    char *const path = leat_folder_path(folder, LEAT_STORE_FILE);
    leat_err err = path == NULL ? LEAT_ERR_NOMEM : look_at_head(path, bytes_before, why);
    if (err == LEAT_ERR_OK)
        err = leat_guard_take(&guard, folder, why);
    if (err == LEAT_ERR_OK)
        err = must_be_sound(path, why);
    if (err == LEAT_ERR_OK)
        err = leat_copy_rebuild(folder, why);
    if (err == LEAT_ERR_OK)
        err = look_at_head(path, bytes, why);
    leat_guard_release(&guard);
    free(path);
    return err;
}
