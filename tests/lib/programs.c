/* Real programs for tests. See programs.h. */
#include "tests/lib/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/test.h"

static void
pause_ms(long ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

void
programs_init(programs *p)
{
    memset(p, 0, sizeof *p);
    (void)snprintf(p->dir, sizeof p->dir, "/tmp/leat_programs.XXXXXX");
    cr_assert(ne(ptr, mkdtemp(p->dir), NULL));
    (void)snprintf(p->broker_url, sizeof p->broker_url, "ipc://%s/broker.sock", p->dir);
}

/* Where a child writes: -1 is the log in the directory. */
struct streams {
    int out;
    int err;
};

static pid_t
start(const programs *p,
      const char *log,
      struct streams to,
      const char *program,
      const char *const argv[])
{
    char path[512];
    char log_path[128];
    const pid_t parent = getpid();
    if (program[0] == '/')
        (void)snprintf(path, sizeof path, "%s", program);
    else
        (void)snprintf(path, sizeof path, "%s/%s", LEAT_BIN_DIR, program);
    (void)snprintf(log_path, sizeof log_path, "%s/%s.log", p->dir, log);
    const pid_t pid = fork();
    cr_assert(ge(int, pid, 0));
    if (pid > 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    const int file = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0 || dup2(to.out >= 0 ? to.out : file, 1) < 0 ||
        dup2(to.err >= 0 ? to.err : file, 2) < 0)
        _exit(127);
    /* NOLINTBEGIN(concurrency-mt-unsafe): a child of a test has one thread */
    (void)setenv("XDG_STATE_HOME", p->dir, 1);
    (void)setenv("XDG_CONFIG_HOME", p->dir, 1);
    (void)setenv("XDG_RUNTIME_DIR", p->dir, 1);
    (void)setenv("LEAT_BROKER", p->broker_url, 1);
    /* NOLINTEND(concurrency-mt-unsafe) */
    union {
        const char *const *in;
        char *const *out;
    } words = {.in = argv}; /* execv changes nothing of them */
    execv(path, words.out);
    _exit(127);
}

static int
end(pid_t *pid, int signal)
{
    int status = 0;
    if (*pid == 0)
        return 0;
    (void)kill(*pid, signal);
    while (waitpid(*pid, &status, 0) < 0 && errno == EINTR)
        continue;
    *pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool
file_has(const char *path, const char *word)
{
    char text[65536];
    FILE *const file = fopen(path, "r");
    if (file == NULL)
        return false;
    const size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    (void)fclose(file);
    return strstr(text, word) != NULL;
}

void
programs_start_broker(programs *p)
{
    char store[96];
    char log[96];
    (void)snprintf(store, sizeof store, "%s/store", p->dir);
    (void)snprintf(log, sizeof log, "%s/broker.log", p->dir);
    (void)unlink(log);
    const char *const argv[] = {"leat-broker", "--bind", p->broker_url,
                                "--data",      store,    p->keys[0] != '\0' ? "--keys" : NULL,
                                p->keys,       NULL};
    p->broker = start(p, "broker", (struct streams){-1, -1}, "leat-broker", argv);
    for (int tries = 0; tries < 1000; tries++) {
        if (file_has(log, "at=broker.start"))
            return;
        cr_assert(eq(int, waitpid(p->broker, NULL, WNOHANG), 0), "%s", programs_log(p, "broker"));
        pause_ms(10);
    }
    cr_assert(false, "the broker does not start: %s", programs_log(p, "broker"));
}

void
programs_kill_broker(programs *p)
{
    (void)end(&p->broker, SIGKILL);
}

int
programs_stop_broker(programs *p)
{
    return end(&p->broker, SIGTERM);
}

void
programs_start_worker(programs *p, int i, int slots)
{
    char name[16];
    char count[16];
    (void)snprintf(name, sizeof name, "w%d", i);
    (void)snprintf(count, sizeof count, "%d", slots);
    const char *const argv[] = {"leat-worker", "--name",      name,    "--slots",
                                count,         "--log-level", "debug", NULL};
    p->workers[i] = start(p, name, (struct streams){-1, -1}, "leat-worker", argv);
}

void
programs_start_program(programs *p, int i, const char *program, const char *const argv[])
{
    char name[16];
    (void)snprintf(name, sizeof name, "w%d", i);
    p->workers[i] = start(p, name, (struct streams){-1, -1}, program, argv);
}

void
programs_kill_worker(programs *p, int i)
{
    (void)end(&p->workers[i], SIGKILL);
}

int
programs_wait_worker(programs *p, int i)
{
    return end(&p->workers[i], 0);
}

int
programs_stop_worker(programs *p, int i)
{
    return end(&p->workers[i], SIGTERM);
}

/* Everything up to the end; closes the descriptor. */
static void
read_all(int fd, char *out, size_t size)
{
    size_t used = 0;
    for (;;) {
        const ssize_t n = read(fd, out + used, size - 1 - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    out[used] = '\0';
    (void)close(fd);
}

int
programs_run(programs *p, char *out, size_t size, const char *program, const char *const argv[])
{
    int fds[2];
    cr_assert(eq(int, pipe2(fds, O_CLOEXEC), 0));
    pid_t pid = start(p, "run", (struct streams){fds[1], fds[1]}, program, argv);
    (void)close(fds[1]);
    read_all(fds[0], out, size);
    return end(&pid, 0);
}

int
programs_run_apart(programs *p,
                   programs_output *output,
                   const char *program,
                   const char *const argv[])
{
    int out[2];
    int err[2];
    cr_assert(eq(int, pipe2(out, O_CLOEXEC), 0));
    cr_assert(eq(int, pipe2(err, O_CLOEXEC), 0));
    pid_t pid = start(p, "run", (struct streams){out[1], err[1]}, program, argv);
    (void)close(out[1]);
    (void)close(err[1]);
    read_all(out[0], output->out, sizeof output->out);
    read_all(err[0], output->err, sizeof output->err);
    return end(&pid, 0);
}

const char *
programs_log(const programs *p, const char *name)
{
    static char text[16384];
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s.log", p->dir, name);
    FILE *const file = fopen(path, "r");
    text[0] = '\0';
    if (file == NULL)
        return text;
    (void)fseek(file, -(long)(sizeof text - 1), SEEK_END);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    (void)fclose(file);
    return text;
}

void
programs_fini(programs *p)
{
    char command[128];
    for (int i = 0; i < PROGRAMS_WORKERS_MAX; i++)
        (void)end(&p->workers[i], SIGKILL);
    (void)end(&p->broker, SIGKILL);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", p->dir);
    /* NOLINTNEXTLINE(cert-env33-c,concurrency-mt-unsafe): our own directory, one thread */
    cr_expect(eq(int, system(command), 0));
}
