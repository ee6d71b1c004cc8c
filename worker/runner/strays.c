/* Descendants, found in /proc. See strays.h. */
#include "worker/runner/strays.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/clock.h"

#define LOOK_AGAIN_NS 1000000
#define STOPS         3

/* The parent of a process: the second word behind the name, which may hold anything. 0: gone. */
static pid_t
parent_of(int proc, const char *pid)
{
    char path[32];
    char stat[512];
    (void)snprintf(path, sizeof path, "%.16s/stat", pid);
    const int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    const ssize_t size = read(fd, stat, sizeof stat - 1);
    close(fd);
    if (size <= 0)
        return 0;
    stat[size] = '\0';
    const char *const name_end = strrchr(stat, ')');
    if (name_end == NULL || strlen(name_end) < 4)
        return 0;
    return (pid_t)strtol(name_end + 4, NULL, 10);
}

/* Everything that runs, with its parent. */
typedef struct family {
    pid_t *pids; /* owned, as the next two */
    pid_t *parents;
    bool *ours; /* a descendant of this process, and not spared */
    size_t count;
    size_t room;
} family;

static bool
add(family *all, pid_t pid, pid_t parent)
{
    if (all->count == all->room) {
        const size_t room = all->room == 0 ? 512 : all->room * 2;
        pid_t *const pids = reallocarray(all->pids, room, sizeof *pids);
        all->pids = pids == NULL ? all->pids : pids;
        pid_t *const parents = reallocarray(all->parents, room, sizeof *parents);
        all->parents = parents == NULL ? all->parents : parents;
        bool *const ours = reallocarray(all->ours, room, sizeof *ours);
        all->ours = ours == NULL ? all->ours : ours;
        if (pids == NULL || parents == NULL || ours == NULL)
            return false;
        all->room = room;
    }
    all->pids[all->count] = pid;
    all->parents[all->count] = parent;
    all->ours[all->count++] = false;
    return true;
}

static bool
is_in(const pid_t *pids, size_t count, pid_t pid)
{
    for (size_t i = 0; i < count; i++) {
        if (pids[i] == pid)
            return true;
    }
    return false;
}

/* Who of them descends from us: the children, theirs, and so on. Those of the spared are theirs. */
static void
mark(family *all, const pid_t *spared, size_t spared_count)
{
    const pid_t self = getpid();
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < all->count; i++) {
            bool is_ours = all->parents[i] == self;
            for (size_t k = 0; !is_ours && !all->ours[i] && k < all->count; k++)
                is_ours = all->ours[k] && all->pids[k] == all->parents[i];
            if (is_ours && !all->ours[i] && !is_in(spared, spared_count, all->pids[i])) {
                all->ours[i] = true;
                more = true;
            }
        }
    }
}

/* Send all descendants the signal and reap those that have ended; how many there were. */
static uint32_t
sweep(DIR *proc, family *all, int signal, const pid_t *spared, size_t spared_count, uint32_t *count)
{
    uint32_t seen = 0;
    struct dirent *entry;
    all->count = 0;
    rewinddir(proc);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of one's own is read by one thread */
    while ((entry = readdir(proc)) != NULL) {
        const pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && !add(all, pid, parent_of(dirfd(proc), entry->d_name)))
            break;
    }
    mark(all, spared, spared_count);
    for (size_t i = 0; i < all->count; i++) {
        if (!all->ours[i])
            continue;
        seen++;
        (void)kill(all->pids[i], signal);
        *count += waitpid(all->pids[i], NULL, WNOHANG) == all->pids[i];
    }
    return seen;
}

bool
leat_strays_end(const pid_t *spared, size_t spared_count, int64_t limit_ms, uint32_t *count)
{
    if (spared_count == 0) {
        /* The usual case, without a look at /proc. */
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
            ++*count;
        if (pid < 0 && errno == ECHILD)
            return true;
    }
    DIR *const proc = opendir("/proc");
    if (proc == NULL)
        return false;
    const struct timespec pause = {.tv_nsec = LOOK_AGAIN_NS};
    const int64_t until_ms = leat_clock_mono_ms() + limit_ms;
    family all = {0};
    bool none = false;
    for (bool again = false; !none && leat_clock_mono_ms() <= until_ms; again = true) {
        /* Who makes new ones all the time is stopped first, where it still takes up its place. */
        for (int i = 0; again && i < STOPS; i++)
            (void)sweep(proc, &all, SIGSTOP, spared, spared_count, count);
        none = sweep(proc, &all, SIGKILL, spared, spared_count, count) == 0;
        if (!none)
            (void)nanosleep(&pause, NULL);
    }
    free(all.pids);
    free(all.parents);
    free(all.ours);
    (void)closedir(proc);
    return none;
}
