/* The lock of a store's folder, and the lives that a signal has ended. See guard.h. */
#include "broker/store/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "broker/store/folder.h"

#define WHY_BYTES  512U
#define LINE_BYTES 64U

static const int watched[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};
#define WATCHED_COUNT (sizeof watched / sizeof *watched)

/* ------------------------------------------------------------------------------ the handler */

/* What the handler writes is made before, since it may do next to nothing. */
static struct {
    int fd;
    char lines[WATCHED_COUNT][LINE_BYTES];
    size_t sizes[WATCHED_COUNT];
    struct sigaction before[WATCHED_COUNT];
} watch = {.fd = -1};

static void
on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    for (size_t i = 0; i < WATCHED_COUNT; i++) {
        if (watched[i] != number)
            continue;
        /* Behind the first line, which has the process. */
        if (watch.fd >= 0 && lseek(watch.fd, 0, SEEK_END) >= 0) {
            const ssize_t n = write(watch.fd, watch.lines[i], watch.sizes[i]);
            (void)n;
        }
        /* It comes again when this returns, and ends the process as it would have; by itself if it
         * was not sent. */
        (void)sigaction(number, &watch.before[i], NULL);
        if (info->si_code <= 0)
            (void)raise(number);
    }
}

static void
write_lines(unsigned faults)
{
    for (size_t i = 0; i < WATCHED_COUNT; i++) {
        const int n =
            snprintf(watch.lines[i], LINE_BYTES, "faults %u signal %d\n", faults, watched[i]);
        watch.sizes[i] = n > 0 ? (size_t)n : 0;
    }
}

void
leat_guard_watch_signals(const leat_guard *guard)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    (void)sigemptyset(&action.sa_mask);
    watch.fd = guard->fd;
    write_lines(guard->faults + 1);
    for (size_t i = 0; i < WATCHED_COUNT; i++)
        (void)sigaction(watched[i], &action, &watch.before[i]);
}

void
leat_guard_spare_signals(sigset_t *set)
{
    for (size_t i = 0; i < WATCHED_COUNT; i++)
        (void)sigdelset(set, watched[i]);
}

/* --------------------------------------------------------------------------------- the file */

/* The process that is written there, 0: none; faults and signal of its end. */
static long
read_file(int fd, unsigned *faults, int *number)
{
    char text[2 * LINE_BYTES];
    const ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    *faults = 0;
    *number = 0;
    const long pid = strtol(text, NULL, 10);
    const char *line = NULL; /* the last one: the handler adds its own behind an older one */
    for (const char *at = strstr(text, "faults "); at != NULL; at = strstr(at + 1, "faults "))
        line = at;
    if (line != NULL) {
        char *end;
        *faults = (unsigned)strtoul(line + strlen("faults "), &end, 10);
        if (strncmp(end, " signal ", strlen(" signal ")) == 0)
            *number = (int)strtol(end + strlen(" signal "), NULL, 10);
    }
    return pid > 0 ? pid : 0;
}

static bool
write_file(const leat_guard *guard)
{
    char text[2 * LINE_BYTES];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    /* A life that ends before it is a minute old by a signal that nobody can catch changes nothing
     * about the number. */
    if (guard->faults > 0)
        n += snprintf(text + n, sizeof text - (size_t)n, "faults %u signal %d\n", guard->faults,
                      guard->signal);
    return ftruncate(guard->fd, 0) == 0 && pwrite(guard->fd, text, (size_t)n, 0) == n;
}

static leat_err
say_in_use(const char *folder, int fd, char *why)
{
    unsigned faults;
    int number;
    const long pid = read_file(fd, &faults, &number);
    if (pid == 0 || (kill((pid_t)pid, 0) != 0 && errno == ESRCH))
        (void)snprintf(why, WHY_BYTES, "the store %s is in use: it is checked or copied just now",
                       folder);
    else
        (void)snprintf(why, WHY_BYTES, "the store %s is in use by process %ld", folder, pid);
    return LEAT_ERR_IN_USE;
}

static leat_err
lock(leat_guard *guard, const char *folder, const char *path, int how, char *why)
{
    if (flock(guard->fd, how | LOCK_NB) == 0)
        return LEAT_ERR_OK;
    if (errno == EWOULDBLOCK)
        return say_in_use(folder, guard->fd, why);
    return leat_folder_refuse(why, "cannot lock", path, errno);
}

leat_err
leat_guard_take(leat_guard *guard, const char *folder, char why[512])
{
    *guard = (leat_guard){.fd = -1};
    char *const path = leat_folder_path(folder, "leat.lock");
    if (path == NULL)
        return LEAT_ERR_NOMEM;
    leat_err err;
    guard->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (guard->fd < 0) {
        err = leat_folder_refuse(why, "cannot open", path, errno);
        goto done;
    }
    err = lock(guard, folder, path, LOCK_EX, why);
    if (err != LEAT_ERR_OK)
        goto done;
    (void)read_file(guard->fd, &guard->faults, &guard->signal);
    if (guard->faults >= LEAT_GUARD_FAULTS_MAX) {
        (void)snprintf(why, WHY_BYTES,
                       "%u starts in a row on the store %s were ended by a signal (the last: %d); "
                       "`leat store check` says whether it is damaged. To try again, remove %s",
                       guard->faults, folder, guard->signal, path);
        err = LEAT_ERR_BAD_STATE;
    } else if (!write_file(guard)) {
        err = leat_folder_refuse(why, "cannot write", path, errno);
    }

done:
    if (err != LEAT_ERR_OK && guard->fd >= 0) {
        (void)close(guard->fd);
        guard->fd = -1;
    }
    free(path);
    return err;
}

leat_err
leat_guard_look(leat_guard *guard, const char *folder, char why[512])
{
    *guard = (leat_guard){.fd = -1};
    char *const path = leat_folder_path(folder, "leat.lock");
    if (path == NULL)
        return LEAT_ERR_NOMEM;
    leat_err err = LEAT_ERR_OK;
    guard->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (guard->fd >= 0)
        err = lock(guard, folder, path, LOCK_SH, why);
    else if (errno != ENOENT)
        err = leat_folder_refuse(why, "cannot open", path, errno);
    if (err != LEAT_ERR_OK && guard->fd >= 0) {
        (void)close(guard->fd);
        guard->fd = -1;
    }
    free(path);
    return err;
}

void
leat_guard_forget_faults(leat_guard *guard)
{
    if (guard->faults == 0 || guard->fd < 0)
        return;
    guard->faults = 0;
    (void)write_file(guard); /* else the next start looks at the store once more */
    if (watch.fd == guard->fd)
        write_lines(1);
}

void
leat_guard_release(leat_guard *guard)
{
    if (guard->fd < 0)
        return;
    leat_guard_forget_faults(guard);
    if (watch.fd == guard->fd)
        watch.fd = -1;
    (void)close(guard->fd);
    guard->fd = -1;
}
