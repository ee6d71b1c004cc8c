/* Starting, watching and ending child processes. */
#include "client/cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cli/variable.h"
#include "proto/base/clock.h"

#define PATH_BYTES 4096U

/* ---- starting ---- */

/* In the child, between fork and exec: only what is allowed after a fork in a process with
 * threads. */
static bool
put_fd(int from, int to)
{
    if (from == to)
        return fcntl(to, F_SETFD, 0) == 0;
    return dup2(from, to) == to;
}

static void
become(const leat_child_plan *plan, pid_t parent, int report_fd)
{
    sigset_t none;
    struct sigaction action = {0};
    int input = plan->stdin_fd;
    int errnum;
    action.sa_handler = SIG_DFL;
    (void)sigemptyset(&action.sa_mask);
    for (int number = 1; number < NSIG; number++)
        (void)sigaction(number, &action, NULL);
    (void)sigemptyset(&none);
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL);

    if (plan->own_group && setpgid(0, 0) != 0)
        goto failed;
    if (plan->death_signal != 0) {
        if (prctl(PR_SET_PDEATHSIG, plan->death_signal) != 0)
            goto failed;
        if (getppid() != parent) /* it has ended before we asked for the signal */
            _exit(127);
    }
    if (input < 0)
        input = open("/dev/null", O_RDONLY);
    if (input < 0 || !put_fd(input, 0) || !put_fd(plan->stdout_fd, 1) ||
        !put_fd(plan->stderr_fd, 2))
        goto failed;
    if (plan->environment != NULL)
        (void)execvpe(plan->path, plan->argv, plan->environment);
    else
        (void)execvp(plan->path, plan->argv);

failed:
    errnum = errno;
    (void)!write(report_fd, &errnum, sizeof errnum);
    _exit(127);
}

leat_err
leat_child_start(const leat_child_plan *plan, leat_child *child)
{
    int report[2]; /* closed by exec, or the errno of what failed */
    int errnum = 0;
    *child = (leat_child){0};
    if (pipe2(report, O_CLOEXEC) != 0)
        return leat_err_from_errno(errno);

    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid == 0)
        become(plan, parent, report[1]);
    (void)close(report[1]);
    if (pid < 0) {
        errnum = errno;
    } else {
        ssize_t got;
        do {
            got = read(report[0], &errnum, sizeof errnum);
        } while (got < 0 && errno == EINTR);
        if (got != (ssize_t)sizeof errnum)
            errnum = 0;
        if (errnum != 0)
            (void)waitpid(pid, NULL, 0);
    }
    (void)close(report[0]);
    if (errnum != 0) {
        errno = errnum;
        return leat_err_from_errno(errnum);
    }
    child->pid = pid;
    return LEAT_ERR_OK;
}

/* ---- watching and ending ---- */

bool
leat_child_has_ended(leat_child *child)
{
    int status;
    if (child->pid == 0)
        return true;
    if (waitpid(child->pid, &status, WNOHANG) != child->pid)
        return false;
    child->pid = 0;
    child->ended = true;
    child->status = status;
    return true;
}

void
leat_child_signal(const leat_child *child, int number)
{
    if (child->pid > 0)
        (void)kill(child->pid, number);
}

static size_t
still_running(leat_child *children, size_t count)
{
    size_t running = 0;
    for (size_t i = 0; i < count; i++)
        running += !leat_child_has_ended(&children[i]);
    return running;
}

void
leat_children_end(leat_child *children, size_t count, int64_t grace_ms)
{
    const int64_t until_ms = leat_clock_mono_ms() + grace_ms;
    bool killed = false;
    for (size_t i = 0; i < count; i++)
        leat_child_signal(&children[i], SIGTERM);
    while (still_running(children, count) > 0) {
        if (!killed && leat_clock_mono_ms() >= until_ms) {
            for (size_t i = 0; i < count; i++)
                leat_child_signal(&children[i], SIGKILL);
            killed = true;
        }
        (void)usleep(5000);
    }
}

int
leat_child_exit_code(const leat_child *child)
{
    if (WIFSIGNALED(child->status))
        return 128 + WTERMSIG(child->status);
    return WEXITSTATUS(child->status);
}

const char *
leat_child_end_words(const leat_child *child)
{
    static char words[32];
    if (WIFSIGNALED(child->status))
        (void)snprintf(words, sizeof words, "signal %d", WTERMSIG(child->status));
    else
        (void)snprintf(words, sizeof words, "exit %d", WEXITSTATUS(child->status));
    return words;
}

/* ---- programs and their environment ---- */

static bool
is_program(const char *folder, size_t folder_size, const char *name, char *out, size_t size)
{
    const int used = snprintf(out, size, "%.*s/%s", (int)folder_size, folder, name);
    return used > 0 && (size_t)used < size && access(out, X_OK) == 0;
}

leat_err
leat_program_find(const char *name, char *out, size_t size)
{
    char self[PATH_BYTES];
    const char *const told = leat_variable("LEAT_BIN_DIR");
    if (told != NULL)
        return is_program(told, strlen(told), name, out, size) ? LEAT_ERR_OK : LEAT_ERR_NOT_FOUND;

    const ssize_t got = readlink("/proc/self/exe", self, sizeof self - 1);
    if (got > 0) {
        self[got] = '\0';
        const char *const slash = strrchr(self, '/');
        if (slash != NULL && is_program(self, (size_t)(slash - self), name, out, size))
            return LEAT_ERR_OK;
    }
    const char *path = leat_variable("PATH");
    while (path != NULL && *path != '\0') {
        const size_t part = strcspn(path, ":");
        if (part > 0 && is_program(path, part, name, out, size))
            return LEAT_ERR_OK;
        path += part + (path[part] == ':');
    }
    return LEAT_ERR_NOT_FOUND;
}

static bool
is_left_out(const char *entry, leat_environment kind, const char *const *more)
{
    const size_t name = strcspn(entry, "=");
    if (kind == LEAT_ENVIRONMENT_CLEAN && strncmp(entry, "LEAT_", 5) == 0 &&
        strncmp(entry, "LEAT_LOG_LEVEL=", 15) != 0)
        return true;
    for (; *more != NULL; more++) {
        if (strcspn(*more, "=") == name && strncmp(*more, entry, name) == 0)
            return true;
    }
    return false;
}

char **
leat_environment_new(leat_environment kind, const char *const *more)
{
    size_t count = 0;
    size_t used = 0;
    while (environ[count] != NULL)
        count++;
    for (size_t i = 0; more[i] != NULL; i++)
        count++;
    char **const environment = calloc(count + 1, sizeof *environment);
    if (environment == NULL)
        return NULL;
    for (size_t i = 0; environ[i] != NULL; i++) {
        if (!is_left_out(environ[i], kind, more))
            environment[used++] = strdup(environ[i]);
    }
    for (; *more != NULL; more++)
        environment[used++] = strdup(*more);
    for (size_t i = 0; i < used; i++) {
        if (environment[i] == NULL) {
            for (; used > 0; used--)
                free(environment[used - 1]);
            free(environment);
            return NULL;
        }
    }
    return environment;
}

void
leat_environment_free(char **environment)
{
    for (size_t i = 0; environment != NULL && environment[i] != NULL; i++)
        free(environment[i]);
    free(environment);
}
