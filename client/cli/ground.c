/* What this host has to offer. See ground.h. */
#include "client/cli/ground.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "client/cli/child.h"
#include "client/cli/keys.h"
#include "client/cli/state.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/link/link.h"

#define GIB          (1024.0 * 1024.0 * 1024.0)
#define FREE_WARN    GIB   /* bytes */
#define SYNC_WARN_US 20000 /* a disk that turns takes 10 ms */
#define SYNC_ROUNDS  7
#define SYNC_BYTES   16384
#define NOFILE_WARN  1024U /* a connection takes two descriptors of the broker */
#define WORDS_BYTES  512U

/* ---- programs ---- */

/* Run a program of ours for a word; its first line of stdout and stderr. Returns its exit code. */
static int
ask(const char *path, const char *option, char *out, size_t size)
{
    char word[32];
    char name[32] = "leat";
    char *argv[] = {name, word, NULL};
    int ends[2];
    leat_child child;
    out[0] = '\0';
    (void)snprintf(word, sizeof word, "%s", option);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return LEAT_EXIT_LEAT;
    const leat_child_plan plan = {.path = path,
                                  .argv = argv,
                                  .stdin_fd = -1,
                                  .stdout_fd = ends[1],
                                  .stderr_fd = ends[1],
                                  .death_signal = 9};
    const leat_err err = leat_child_start(&plan, &child);
    (void)close(ends[1]);
    if (err == LEAT_ERR_OK) {
        size_t used = 0;
        ssize_t got;
        char rest[4096];
        while ((got = read(ends[0], used < size - 1 ? out + used : rest,
                           used < size - 1 ? size - 1 - used : sizeof rest)) > 0)
            used += used < size - 1 ? (size_t)got : 0;
        out[used] = '\0';
        out[strcspn(out, "\n")] = '\0';
        while (!leat_child_has_ended(&child))
            (void)usleep(1000);
    }
    (void)close(ends[0]);
    return err == LEAT_ERR_OK ? leat_child_exit_code(&child) : LEAT_EXIT_LEAT;
}

static void
check_program(leat_findings *all, const char *name)
{
    char path[LEAT_PATH_BYTES];
    char said[WORDS_BYTES];
    char want[64];
    if (leat_program_find(name, path, sizeof path) != LEAT_ERR_OK) {
        leat_findings_add(all, LEAT_FINDING_OK, name, "", "not installed here");
        return;
    }
    (void)snprintf(want, sizeof want, "%s %s", name, leat_version());
    if (ask(path, "--version", said, sizeof said) != 0 || strcmp(said, want) != 0) {
        leat_findings_add(all, LEAT_FINDING_WARN, name, "Install the same version of all programs",
                          "%s says \"%.200s\", and this is leat %s", path, said, leat_version());
        return;
    }
    if (ask(path, "--show-config", said, sizeof said) == LEAT_EXIT_USAGE)
        leat_findings_add(all, LEAT_FINDING_FAIL, name, "It will not start before that is right",
                          "%.400s", said);
    else
        leat_findings_add(all, LEAT_FINDING_OK, name, "", "%s, settings are understood", path);
}

void
leat_ground_programs(leat_findings *all)
{
    check_program(all, "leat-broker");
    check_program(all, "leat-worker");
}

/* ---- folders ---- */

void
leat_ground_folders(leat_findings *all)
{
    char path[LEAT_PATH_BYTES];
    char why[512];
    leat_err err = leat_link_user_socket(false, path, sizeof path);
    if (err != LEAT_ERR_OK)
        leat_findings_add(all, LEAT_FINDING_FAIL, "socket",
                          "Remove that folder, or set XDG_RUNTIME_DIR to one of your own",
                          "the folder of your own socket cannot be used: %s",
                          err == LEAT_ERR_DENIED ? "it belongs to, or is open to, somebody else"
                                                 : leat_err_message(err));
    else
        leat_findings_add(all, LEAT_FINDING_OK, "socket", "", "%.300s", path);

    err = leat_state_folder(false, path, why);
    if (err != LEAT_ERR_OK)
        leat_findings_add(all, LEAT_FINDING_FAIL, "state", "Set HOME or XDG_STATE_HOME", "%s", why);
    else if (access(path, F_OK) == 0 && access(path, W_OK | X_OK) != 0)
        leat_findings_add(all, LEAT_FINDING_FAIL, "state",
                          "Make it yours (chown), or set XDG_STATE_HOME",
                          "you may not write into %.300s", path);
    else
        leat_findings_add(all, LEAT_FINDING_OK, "state", "", "%.300s", path);
}

/* ---- keys ---- */

static void
check_key_file(const leat_cli *cli, leat_findings *all)
{
    char why[LEAT_KEY_WHY_BYTES];
    leat_key key = {0};
    const char *const path = leat_options_text(cli->options, "key-file");
    if (path == NULL || *path == '\0')
        return;
    const leat_err err = leat_key_read(path, LEAT_KEY_OF_PRINCIPAL, &key, why);
    if (err == LEAT_ERR_OK)
        leat_findings_add(all, LEAT_FINDING_OK, "key", "", "%.300s: %s, %s", path, key.name,
                          leat_key_role_name(key.role));
    else
        leat_findings_add(all, LEAT_FINDING_FAIL, "key",
                          err == LEAT_ERR_DENIED
                              ? "chmod 600, and think about who may have read it"
                              : "Make one where the broker is: leat key new NAME",
                          "%s", why);
    leat_key_wipe(&key);
}

/* Nobody else may look into the folder; its files with a secret are looked at by reading them. */
static void
check_keys_folder(leat_findings *all)
{
    char folder[LEAT_PATH_BYTES];
    char file[LEAT_PATH_BYTES];
    char why[LEAT_KEY_WHY_BYTES];
    struct stat status;
    leat_key key = {0};
    if (leat_key_folder(folder, sizeof folder) != LEAT_ERR_OK || stat(folder, &status) != 0 ||
        leat_path_join(folder, LEAT_KEY_BROKER_FILE, file, sizeof file) != LEAT_ERR_OK)
        return;
    const leat_err err = leat_key_read(file, LEAT_KEY_OF_BROKER, &key, why);
    leat_key_wipe(&key);
    if (err == LEAT_ERR_NOT_FOUND)
        return;
    if (err != LEAT_ERR_OK)
        leat_findings_add(all, LEAT_FINDING_FAIL, "keys",
                          err == LEAT_ERR_DENIED
                              ? "chmod 600; whoever has read it can be the broker: make new keys"
                              : "Remove it, and make new keys for all",
                          "%s", why);
    else if ((status.st_mode & 022) != 0)
        leat_findings_add(all, LEAT_FINDING_FAIL, "keys", "chmod 700 it, and look at leat key ls",
                          "others may let keys in: %.300s has mode %04o", folder,
                          (unsigned)status.st_mode & 07777U);
    else
        leat_findings_add(all, LEAT_FINDING_OK, "keys", "", "%.300s", folder);
}

void
leat_ground_keys(const leat_cli *cli, leat_findings *all)
{
    check_key_file(cli, all);
    check_keys_folder(all);
}

/* ---- limits ---- */

/* "Max open files  1024  4096  files" of /proc/PID/limits; 0: it does not say. */
static uint64_t
open_files_max(pid_t pid)
{
    static const char head[] = "Max open files";
    char path[64];
    char line[256];
    uint64_t limit = 0;
    struct rlimit own;
    if (pid == 0)
        return getrlimit(RLIMIT_NOFILE, &own) == 0 ? (uint64_t)own.rlim_cur : 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/limits", (long)pid);
    FILE *const file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, head, sizeof head - 1) == 0)
            limit = strtoull(line + sizeof head - 1, NULL, 10);
    }
    if (file != NULL)
        (void)fclose(file);
    return limit;
}

void
leat_ground_limits(leat_findings *all, pid_t pid)
{
    const char *const whose = pid == 0 ? "programs started from here" : "the broker";
    const uint64_t limit = open_files_max(pid);
    if (limit > 0 && limit < NOFILE_WARN)
        leat_findings_add(all, LEAT_FINDING_WARN, "limits",
                          "ulimit -n 20000 before it starts, LimitNOFILE= of its service",
                          "%s may have %" PRIu64 " files open; a connection takes two", whose,
                          limit);
    else if (limit > 0)
        leat_findings_add(all, LEAT_FINDING_OK, "limits", "", "%s may have %" PRIu64 " files open",
                          whose, limit);
}

/* ---- the disk ---- */

/* The folder of the store that the process has open; false: that cannot be seen. */
static bool
store_folder(pid_t pid, char out[LEAT_PATH_BYTES])
{
    static const char name[] = "/data.mdb";
    char path[64];
    bool found = false;
    const struct dirent *entry;
    (void)snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
    DIR *const folder = opendir(path);
    while (folder != NULL && !found &&
           (entry = readdir(folder)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        const ssize_t size = readlinkat(dirfd(folder), entry->d_name, out, LEAT_PATH_BYTES - 1);
        const size_t end = sizeof name - 1;
        if (size <= (ssize_t)end)
            continue;
        out[size] = '\0';
        found = strcmp(out + size - end, name) == 0;
        if (found)
            out[(size_t)size - end] = '\0';
    }
    if (folder != NULL)
        (void)closedir(folder);
    return found;
}

static int
compare_times(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Median of some synced writes into a file without a name, us; -1: it cannot be tried. */
static int64_t
sync_time_us(const char *folder)
{
    static const char bytes[SYNC_BYTES];
    int64_t times[SYNC_ROUNDS];
    const int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    size_t count = 0;
    for (; count < SYNC_ROUNDS; count++) {
        const int64_t begin_us = leat_clock_mono_us();
        if (pwrite(fd, bytes, sizeof bytes, (off_t)(count * sizeof bytes)) !=
                (ssize_t)sizeof bytes ||
            fdatasync(fd) != 0)
            break;
        times[count] = leat_clock_mono_us() - begin_us;
    }
    (void)close(fd);
    if (count < SYNC_ROUNDS)
        return -1;
    qsort(times, count, sizeof *times, compare_times);
    return times[count / 2];
}

void
leat_ground_disk(leat_findings *all, pid_t pid)
{
    char folder[LEAT_PATH_BYTES];
    struct statvfs disk;
    if (!store_folder(pid, folder) || statvfs(folder, &disk) != 0) {
        leat_findings_add(all, LEAT_FINDING_OK, "disk", "",
                          "not looked at: the broker's store is not seen from here");
        return;
    }
    const double left = (double)disk.f_bavail * (double)disk.f_frsize;
    const double whole = (double)disk.f_blocks * (double)disk.f_frsize;
    if (left < FREE_WARN)
        leat_findings_add(all, LEAT_FINDING_WARN, "disk",
                          "Make room there; --keep-for and --keep-bytes of the broker keep less",
                          "%.2f GiB of %.0f GiB free in %.300s", left / GIB, whole / GIB, folder);
    else
        leat_findings_add(all, LEAT_FINDING_OK, "disk", "", "%.1f GiB of %.0f GiB free in %.300s",
                          left / GIB, whole / GIB, folder);
    const int64_t sync_us = sync_time_us(folder);
    if (sync_us < 0)
        return;
    if (sync_us > SYNC_WARN_US)
        leat_findings_add(
            all, LEAT_FINDING_WARN, "sync",
            "Each answer waits for that: a faster disk, or --durability memory for what "
            "may be lost",
            "a synced write takes %.1f ms", (double)sync_us / 1000);
    else
        leat_findings_add(all, LEAT_FINDING_OK, "sync", "", "a synced write takes %.2f ms",
                          (double)sync_us / 1000);
}
