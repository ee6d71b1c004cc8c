/* Files that the program keeps between its runs. */
#include "client/cli/state.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/variable.h"
#include "proto/base/log.h"
#include "proto/base/option.h"

#define UP_FILE   "up.pid"
#define LAST_FILE "last"

/* ---- folders ---- */

leat_err
leat_path_join(const char *folder, const char *name, char *out, size_t size)
{
    const int used = snprintf(out, size, "%s/%s", folder, name);
    return used < 0 || (size_t)used >= size ? LEAT_ERR_TOO_LARGE : LEAT_ERR_OK;
}

leat_err
leat_path_make(const char *path, mode_t mode)
{
    char part[LEAT_PATH_BYTES];
    const size_t size = strlen(path);
    if (size >= sizeof part)
        return LEAT_ERR_TOO_LARGE;
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, mode) != 0 && errno != EEXIST)
            return leat_err_from_errno(errno);
    }
    struct stat info;
    if (stat(path, &info) != 0)
        return leat_err_from_errno(errno);
    if (!S_ISDIR(info.st_mode)) {
        errno = ENOTDIR;
        return leat_err_from_errno(errno);
    }
    return LEAT_ERR_OK;
}

static int
remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    (void)remove(path); /* what cannot be removed stays; the rest should go all the same */
    return 0;
}

void
leat_path_remove(const char *path)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread walks trees here */
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static const char *
home(char *memory, size_t size)
{
    struct passwd entry;
    struct passwd *found = NULL;
    const char *const told = leat_variable("HOME");
    if (told != NULL && *told == '/')
        return told;
    if (getpwuid_r(getuid(), &entry, memory, size, &found) != 0 || found == NULL ||
        found->pw_dir == NULL || *found->pw_dir != '/')
        return NULL;
    return found->pw_dir;
}

leat_err
leat_state_folder(bool make, char out[LEAT_PATH_BYTES], char why[512])
{
    char memory[2048];
    char reason[64];
    leat_err err;
    const char *const told = leat_variable("XDG_STATE_HOME");
    why[0] = '\0';
    if (told != NULL && *told == '/') {
        err = leat_path_join(told, "leat", out, LEAT_PATH_BYTES);
    } else {
        const char *const at = home(memory, sizeof memory);
        if (at == NULL) {
            (void)snprintf(why, 512, "no home directory: set HOME or XDG_STATE_HOME");
            return LEAT_ERR_NOT_FOUND;
        }
        err = leat_path_join(at, ".local/state/leat", out, LEAT_PATH_BYTES);
    }
    if (err != LEAT_ERR_OK) {
        (void)snprintf(why, 512, "the path of the state folder is too long");
        return err;
    }
    if (!make)
        return LEAT_ERR_OK;
    err = leat_path_make(out, 0700);
    if (err != LEAT_ERR_OK)
        (void)snprintf(why, 512, "cannot make the folder %.400s: %s", out,
                       leat_log_errno_text(errno, reason, sizeof reason));
    return err;
}

/* ---- last ---- */

uint64_t
leat_state_last(void)
{
    char folder[LEAT_PATH_BYTES];
    char path[LEAT_PATH_BYTES];
    char why[512];
    char text[32] = "";
    uint64_t batch = 0;
    if (leat_state_folder(false, folder, why) != LEAT_ERR_OK ||
        leat_path_join(folder, LAST_FILE, path, sizeof path) != LEAT_ERR_OK)
        return 0;
    FILE *const file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fgets(text, sizeof text, file) != NULL) {
        text[strcspn(text, "\n")] = '\0';
        if (!leat_parse_number(text, &batch))
            batch = 0;
    }
    (void)fclose(file);
    return batch;
}

void
leat_state_set_last(uint64_t batch)
{
    char folder[LEAT_PATH_BYTES];
    char path[LEAT_PATH_BYTES];
    char fresh[LEAT_PATH_BYTES];
    char name[64];
    char why[512];
    (void)snprintf(name, sizeof name, LAST_FILE ".%ld", (long)getpid());
    if (leat_state_folder(true, folder, why) != LEAT_ERR_OK ||
        leat_path_join(folder, LAST_FILE, path, sizeof path) != LEAT_ERR_OK ||
        leat_path_join(folder, name, fresh, sizeof fresh) != LEAT_ERR_OK)
        return;
    /* A new file is renamed over the old one, so that a reader never sees half a number. */
    FILE *const file = fopen(fresh, "we");
    if (file == NULL)
        return;
    const bool written = fprintf(file, "%" PRIu64 "\n", batch) > 0;
    if (fclose(file) != 0 || !written || rename(fresh, path) != 0)
        (void)unlink(fresh);
}

/* ---- up ---- */

static void
read_note(int fd, leat_up_note *note)
{
    char text[512];
    long pid = 0;
    *note = (leat_up_note){0};
    const ssize_t got = pread(fd, text, sizeof text - 1, 0);
    if (got <= 0)
        return;
    text[got] = '\0';
    /* pid, slots and endpoint, one a line; what is not whole is no note. */
    char *end;
    pid = strtol(text, &end, 10);
    if (*end != '\n' || pid <= 0)
        return;
    const unsigned long slots = strtoul(end + 1, &end, 10);
    if (*end != '\n' || slots > 1000000)
        return;
    const size_t size = strcspn(end + 1, "\n");
    if (size == 0 || size >= sizeof note->endpoint)
        return;
    memcpy(note->endpoint, end + 1, size);
    note->endpoint[size] = '\0';
    note->slots = (unsigned)slots;
    note->pid = (pid_t)pid;
}

leat_err
leat_up_lock(const char *folder, int *fd, leat_up_note *note)
{
    char path[LEAT_PATH_BYTES];
    *fd = -1;
    *note = (leat_up_note){0};
    if (leat_path_join(folder, UP_FILE, path, sizeof path) != LEAT_ERR_OK)
        return LEAT_ERR_TOO_LARGE;
    const int opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (opened < 0)
        return leat_err_from_errno(errno);
    if (flock(opened, LOCK_EX | LOCK_NB) != 0) {
        const leat_err err = errno == EWOULDBLOCK ? LEAT_ERR_IN_USE : leat_err_from_errno(errno);
        read_note(opened, note);
        (void)close(opened);
        return err;
    }
    *fd = opened;
    return LEAT_ERR_OK;
}

void
leat_up_write(int fd, const leat_up_note *note)
{
    char text[512];
    const int size =
        snprintf(text, sizeof text, "%ld\n%u\n%s\n", (long)note->pid, note->slots, note->endpoint);
    if (ftruncate(fd, 0) != 0)
        return;
    (void)!pwrite(fd, text, (size_t)size, 0);
}

bool
leat_up_runs(const char *folder, leat_up_note *note)
{
    int fd;
    char path[LEAT_PATH_BYTES];
    *note = (leat_up_note){0};
    if (leat_path_join(folder, UP_FILE, path, sizeof path) != LEAT_ERR_OK ||
        access(path, F_OK) != 0)
        return false;
    if (leat_up_lock(folder, &fd, note) == LEAT_ERR_IN_USE)
        return true;
    if (fd >= 0)
        (void)close(fd);
    return false;
}
