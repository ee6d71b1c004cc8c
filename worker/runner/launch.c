/* Starting a program. See launch.h.
 *
 * The new process shares the keeper's memory until it has become the program (as posix_spawn does
 * it), so no page is copied, and what goes wrong on its way is simply left in `steps`. What it does
 * there is system calls only. posix_spawn itself knows neither parent-death signals nor limits nor
 * users. */
#include "worker/runner/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/log.h"

#define CODE_CANNOT     126
#define CODE_NO_PROGRAM 127
#define STACK_BYTES     65536U
#define SHOWN_BYTES     200 /* of a name, in a sentence */

typedef enum stage {
    STAGE_PROCESS = 0,
    STAGE_STREAMS,
    STAGE_DIRECTORY,
    STAGE_LIMITS,
    STAGE_USER,
    STAGE_PROGRAM,
} stage;

/* All that the new process needs, made before it is there. */
typedef struct steps {
    char **words;     /* owned arrays; what they point to lies in `texts` */
    char **variables; /* of the environment */
    char **programs;  /* where to look for it, in turn */
    char *directory;  /* NULL: stays */
    leat_buf texts;
    int streams[3];
    uint16_t umask;
    struct rlimit limits[LEAT_EXEC_LIMITS];
    bool has_limit[LEAT_EXEC_LIMITS];
    const leat_launch_rights *rights;
    pid_t keeper;

    stage stage;   /* set by the new process: how far it has come … */
    int error;     /* … and what went wrong there */
    bool is_there; /* the file of that name is, as seen from its directory */
} steps;

static const int resources[LEAT_EXEC_LIMITS] = {RLIMIT_CPU, RLIMIT_AS, RLIMIT_NOFILE, RLIMIT_NPROC};

/* ------------------------------------------------------------------------- in the new process */

static bool
set_limits(const steps *s)
{
    for (size_t i = 0; i < LEAT_EXEC_LIMITS; i++) {
        if (s->has_limit[i] && syscall(SYS_prlimit64, 0, resources[i], &s->limits[i], NULL) != 0)
            return false;
    }
    return true;
}

/* The system calls themselves: libc's functions would tell threads of it that are not there. */
static bool
become_user(const leat_launch_rights *rights)
{
    if (!rights->drops)
        return true;
    return syscall(SYS_setgroups, 0, NULL) == 0 &&
           syscall(SYS_setresgid, rights->gid, rights->gid, rights->gid) == 0 &&
           syscall(SYS_setresuid, rights->uid, rights->uid, rights->uid) == 0;
}

/* Dispositions are the default ones: the keeper has none of its own. */
static int
become_program(void *argument)
{
    steps *const s = argument;
    sigset_t none;
    bool goes_on = setsid() >= 0;
    s->stage = STAGE_STREAMS;
    for (int i = 0; goes_on && i < 3; i++)
        goes_on = dup2(s->streams[i], i) == i;
    goes_on = goes_on && syscall(SYS_close_range, 3, ~0U, 0) == 0;
    if (goes_on && s->directory != NULL) {
        s->stage = STAGE_DIRECTORY;
        goes_on = chdir(s->directory) == 0;
    }
    if (goes_on) {
        s->stage = STAGE_LIMITS;
        goes_on = set_limits(s);
    }
    if (goes_on) {
        s->stage = STAGE_USER;
        goes_on = become_user(s->rights);
    }
    if (s->umask != LEAT_EXEC_NO_UMASK)
        (void)umask(s->umask);
    if (goes_on) {
        s->stage = STAGE_PROCESS; /* after the change of user, which takes it away */
        goes_on = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == s->keeper;
    }
    if (goes_on) {
        int first = 0;
        s->stage = STAGE_PROGRAM;
        sigemptyset(&none);
        (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
        for (char **program = s->programs; *program != NULL; program++) {
            (void)execve(*program, s->words, s->variables);
            if (first == 0 || first == ENOENT || first == ENOTDIR)
                first = errno;
            if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
                break;
        }
        s->is_there = access(s->words[0], F_OK) == 0;
        errno = first;
    }
    s->error = errno;
    _exit(CODE_NO_PROGRAM);
}

/* ----------------------------------------------------------------------------- before it is there
 */

/* Arrays hold offsets into texts while that may still move; +1, so that NULL is none of them. */
static char *
add_text(steps *s, const void *data, size_t size)
{
    const size_t at = s->texts.size;
    leat_put_bytes(&s->texts, data, size);
    leat_put_u8(&s->texts, 0);
    return (char *)(uintptr_t)(at + 1); /* NOLINT(performance-no-int-to-ptr) */
}

static void
settle(const steps *s, char **array)
{
    for (; array != NULL && *array != NULL; array++)
        *array = (char *)s->texts.data + ((uintptr_t)*array - 1);
}

static char *
text_of(const steps *s, const char *offset)
{
    return (char *)s->texts.data + ((uintptr_t)offset - 1);
}

static bool
add_words(steps *s, const leat_exec *exec)
{
    static const char shell[] = "/bin/sh";
    leat_reader words = exec->words;
    size_t count = 0;
    s->words = calloc((size_t)exec->word_count + 3, sizeof *s->words);
    if (s->words == NULL)
        return false;
    if ((exec->flags & LEAT_EXEC_SHELL) != 0) {
        s->words[count++] = add_text(s, shell, sizeof shell - 1);
        s->words[count++] = add_text(s, "-c", 2);
    }
    for (uint32_t i = 0; i < exec->word_count; i++) {
        const leat_bytes word = leat_exec_next(&words);
        s->words[count++] = add_text(s, word.data, word.size);
    }
    return true;
}

static size_t
name_size(const char *variable, size_t size)
{
    const char *const sign = size == 0 ? NULL : memchr(variable, '=', size);
    return sign == NULL ? size : (size_t)(sign - variable);
}

/* Take the variable of this name out, if it is there, and put the new one in. */
static void
set_variable(steps *s, size_t *count, leat_bytes variable)
{
    const char *const text = (const char *)variable.data;
    const size_t size = name_size(text, variable.size);
    for (size_t i = 0; i < *count; i++) {
        const char *const had = text_of(s, s->variables[i]);
        if (strncmp(had, text, size) == 0 && had[size] == '=') {
            s->variables[i] = s->variables[--*count];
            break;
        }
    }
    s->variables[*count] = NULL;
    if (size < variable.size)
        s->variables[(*count)++] = add_text(s, text, variable.size);
}

/* The keeper's own, without what steers Leat, then what the worker says of the job, then what the
 * job asks for. */
static bool
add_variables(steps *s, const leat_launch *launch, size_t *count)
{
    leat_reader job = launch->job_variables;
    leat_reader own = launch->exec->variables;
    size_t inherited = 0;
    while (environ[inherited] != NULL)
        inherited++;
    s->variables = calloc(inherited + launch->job_variable_count + launch->exec->variable_count + 1,
                          sizeof *s->variables);
    if (s->variables == NULL)
        return false;
    for (size_t i = 0; i < inherited; i++) {
        if (strncmp(environ[i], "LEAT_", 5) != 0)
            s->variables[(*count)++] = add_text(s, environ[i], strlen(environ[i]));
    }
    for (uint32_t i = 0; i < launch->job_variable_count && !s->texts.failed; i++)
        set_variable(s, count, leat_exec_next(&job));
    for (uint32_t i = 0; i < launch->exec->variable_count && !s->texts.failed; i++)
        set_variable(s, count, leat_exec_next(&own));
    return !s->texts.failed;
}

/* A word with a slash is a path; another one is looked for where the job's PATH says. */
static bool
add_programs(steps *s, size_t variable_count)
{
    const char *path = "/usr/local/bin:/usr/bin:/bin";
    const char *const word = text_of(s, s->words[0]);
    const size_t word_size = strlen(word);
    size_t parts = 1;
    size_t count = 0;
    for (size_t i = 0; i < variable_count; i++) {
        if (strncmp(text_of(s, s->variables[i]), "PATH=", 5) == 0)
            path = text_of(s, s->variables[i]) + 5;
    }
    for (const char *at = path; *at != '\0'; at++)
        parts += *at == ':';
    s->programs = calloc(parts + 1, sizeof *s->programs);
    char *const list = strdup(path); /* texts moves while it grows */
    char *const name = strdup(word);
    if (s->programs == NULL || list == NULL || name == NULL) {
        free(list);
        free(name);
        return false;
    }
    if (memchr(name, '/', word_size) != NULL || word_size == 0) {
        s->programs[count++] = add_text(s, name, word_size);
    } else {
        for (const char *at = list;; at++) {
            char one[PATH_MAX];
            const size_t size = strcspn(at, ":");
            const int used = snprintf(one, sizeof one, "%.*s/%s", (int)size, at, name);
            if (size > 0 && used > 0 && used < (int)sizeof one)
                s->programs[count++] = add_text(s, one, (size_t)used);
            at += size;
            if (*at == '\0')
                break;
        }
    }
    free(list);
    free(name);
    return true;
}

static void
add_limits(steps *s, const leat_launch *launch)
{
    for (size_t i = 0; i < LEAT_EXEC_LIMITS; i++) {
        const uint64_t asked = launch->exec->limits[i];
        const uint64_t most = launch->rights->limits[i];
        const uint64_t limit = most != 0 && (asked == 0 || asked > most) ? most : asked;
        s->has_limit[i] = limit != 0;
        s->limits[i] = (struct rlimit){.rlim_cur = limit, .rlim_max = limit};
        /* Over the soft limit SIGXCPU comes, which says what happened; a second later SIGKILL. */
        if (i == LEAT_EXEC_CPU)
            s->limits[i].rlim_max++;
    }
}

static bool
make_steps(steps *s, const leat_launch *launch)
{
    const leat_bytes directory = launch->exec->directory;
    size_t variables = 0;
    s->rights = launch->rights;
    s->umask = launch->exec->umask;
    s->keeper = getpid();
    add_limits(s, launch);
    if (!add_words(s, launch->exec) || !add_variables(s, launch, &variables) ||
        !add_programs(s, variables))
        return false;
    if (directory.size > 0)
        s->directory = add_text(s, directory.data, directory.size);
    if (s->texts.failed)
        return false;
    settle(s, s->words);
    settle(s, s->variables);
    settle(s, s->programs);
    if (s->directory != NULL)
        s->directory = text_of(s, s->directory);
    return true;
}

static void
free_steps(steps *s)
{
    free((void *)s->words);
    free((void *)s->variables);
    free((void *)s->programs);
    leat_buf_fini(&s->texts);
}

/* ------------------------------------------------------------------------------------ failures */

static void
explain_program(const steps *s, leat_launch_failure *failure)
{
    char reason[64];
    const char *const word = s->words[0];
    assert(word != NULL); /* it had one to run */
    const bool is_path = strchr(word, '/') != NULL;
    const bool is_missing = s->error == ENOENT || s->error == ENOTDIR;
    failure->code = is_missing ? CODE_NO_PROGRAM : CODE_CANNOT;
    if (is_missing && is_path && s->is_there)
        (void)snprintf(failure->sentence, sizeof failure->sentence,
                       "\"%.*s\" cannot be run: what its first line names is not here", SHOWN_BYTES,
                       word);
    else if (is_missing)
        (void)snprintf(failure->sentence, sizeof failure->sentence,
                       "no program \"%.*s\" on this worker", SHOWN_BYTES, word);
    else if (s->error == ENOEXEC)
        (void)snprintf(failure->sentence, sizeof failure->sentence,
                       "\"%.*s\" is no program that this host can run", SHOWN_BYTES, word);
    else
        (void)snprintf(failure->sentence, sizeof failure->sentence, "\"%.*s\" cannot be run: %s",
                       SHOWN_BYTES, word, leat_log_errno_text(s->error, reason, sizeof reason));
}

static void
explain(const steps *s, leat_launch_failure *failure)
{
    static const char *const whats[] = {
        [STAGE_PROCESS] = "starting a process",
        [STAGE_STREAMS] = "making its streams",
        [STAGE_LIMITS] = "setting its limits",
        [STAGE_USER] = "changing to its user",
        [STAGE_DIRECTORY] = "",
        [STAGE_PROGRAM] = "",
    };
    char reason[64];
    *failure = (leat_launch_failure){.code = CODE_CANNOT};
    if (s->stage == STAGE_PROGRAM) {
        explain_program(s, failure);
    } else if (s->stage == STAGE_DIRECTORY) {
        (void)snprintf(failure->sentence, sizeof failure->sentence,
                       "cannot enter the directory \"%.*s\" here: %s; name another with --cwd",
                       SHOWN_BYTES, s->directory,
                       leat_log_errno_text(s->error, reason, sizeof reason));
    } else {
        failure->is_passing = s->stage == STAGE_PROCESS || s->stage == STAGE_STREAMS;
        (void)snprintf(failure->sentence, sizeof failure->sentence, "%s failed: %s",
                       whats[s->stage], leat_log_errno_text(s->error, reason, sizeof reason));
    }
}

/* ------------------------------------------------------------------------------------ the start */

static void
close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0)
            close(pair[i]);
        pair[i] = -1;
    }
}

static bool
make_streams(const leat_launch *launch, int input[2], int out[2], int err[2])
{
    if (launch->keeps_input || launch->exec->input.size > 0) {
        if (pipe2(input, O_CLOEXEC) != 0)
            return false;
        (void)fcntl(input[1], F_SETFL, O_NONBLOCK);
    } else {
        input[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (input[0] < 0)
            return false;
    }
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
        return false;
    (void)fcntl(out[0], F_SETFL, O_NONBLOCK);
    (void)fcntl(err[0], F_SETFL, O_NONBLOCK);
    return true;
}

/* The process, which has become the program or nothing when this returns. */
static pid_t
start_process(steps *s)
{
    static _Alignas(16) char stack[STACK_BYTES];
    s->stage = STAGE_PROCESS;
    s->error = 0;
    const pid_t pid =
        clone(become_program, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, s);
    if (pid < 0)
        s->error = errno;
    return pid;
}

bool
leat_launch_run(leat_launch *launch, leat_launch_failure *failure)
{
    steps s = {0};
    int input[2] = {-1, -1};
    int out[2] = {-1, -1};
    int err[2] = {-1, -1};
    bool started = false;
    if (!make_steps(&s, launch)) {
        s.error = ENOMEM;
        goto done;
    }
    if (!make_streams(launch, input, out, err)) {
        s.stage = STAGE_STREAMS;
        s.error = errno;
        goto done;
    }
    s.streams[0] = input[0];
    s.streams[1] = out[1];
    s.streams[2] = err[1];
    launch->pid = start_process(&s);
    if (launch->pid > 0 && s.error != 0)
        (void)waitpid(launch->pid, NULL, 0);
    started = launch->pid > 0 && s.error == 0;

done:
    if (started) {
        launch->input = input[1];
        launch->output[0] = out[0];
        launch->output[1] = err[0];
        input[1] = out[0] = err[0] = -1;
    } else {
        explain(&s, failure);
    }
    close_pair(input);
    close_pair(out);
    close_pair(err);
    free_steps(&s);
    return started;
}

bool
leat_launch_confine(const leat_launch_rights *rights, pid_t keeper)
{
    for (size_t i = 0; i < LEAT_EXEC_LIMITS; i++) {
        const struct rlimit limit = {.rlim_cur = rights->limits[i], .rlim_max = rights->limits[i]};
        if (i != LEAT_EXEC_CPU && rights->limits[i] != 0 &&
            setrlimit((__rlimit_resource_t)resources[i], &limit) != 0)
            return false;
    }
    if (!become_user(rights) || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return false;
    if (getppid() != keeper)
        _exit(1);
    return true;
}
