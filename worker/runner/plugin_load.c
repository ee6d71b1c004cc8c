/* Loading a plug-in, and asking one for its names. See plugin.h. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/text.h"
#include "worker/runner/plugin.h"

#define TABLE  "leat_plugin_table"
#define ASK_MS 10000 /* what loads for longer is not waited for */

__attribute__((format(printf, 2, 3))) static leat_err
wrong(char why[LEAT_PLUGIN_WHY_BYTES], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, LEAT_PLUGIN_WHY_BYTES, format, args);
    va_end(args);
    return LEAT_ERR_CONFIG;
}

/* ------------------------------------------------------------------------------------- loading */

static leat_err
check(const char *path, const leat_plugin *table, char why[LEAT_PLUGIN_WHY_BYTES])
{
    if (table->abi != LEAT_PLUGIN_ABI)
        return wrong(why,
                     "\"%.200s\" is a plug-in of ABI %u, this worker takes %u: build it anew with "
                     "the leat.h of this version",
                     path, table->abi, LEAT_PLUGIN_ABI);
    if (table->handler_count == 0 || table->handler_count > LEAT_HANDLERS_MAX)
        return wrong(why, "\"%.200s\" has %u handlers: a plug-in has 1 to %u", path,
                     table->handler_count, LEAT_HANDLERS_MAX);
    for (uint32_t i = 0; i < table->handler_count; i++) {
        const leat_plugin_handler *const row = &table->handlers[i];
        if (row->name == NULL || row->call == NULL || !leat_name_is_valid(leat_text_of(row->name)))
            return wrong(why,
                         "\"%.200s\": handler %u has no function, or no name of 1 to %u bytes of "
                         "UTF-8 without control characters",
                         path, i + 1, LEAT_NAME_BYTES_MAX);
    }
    return LEAT_ERR_OK;
}

leat_err
leat_plugin_load(const char *path, const leat_plugin **out, char why[LEAT_PLUGIN_WHY_BYTES])
{
    if (access(path, R_OK) != 0) {
        char reason[64];
        return wrong(why, "\"%.200s\" cannot be read: %s", path,
                     strerror_r(errno, reason, sizeof reason));
    }
    /* A path without a slash would be looked for elsewhere. */
    void *const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return wrong(why, "\"%.200s\" cannot be loaded: %.250s", path,
                     dlerror()); /* NOLINT(concurrency-mt-unsafe): one thread */
    const leat_plugin *const table = dlsym(library, TABLE);
    if (table == NULL)
        return wrong(why,
                     "\"%.200s\" is no plug-in of Leat: it has no %s (LEAT_PLUGIN of leat.h makes "
                     "one)",
                     path, TABLE);
    *out = table;
    return check(path, table, why);
}

/* -------------------------------------------------------------------------------------- asking */

/* What the child says: an error and a sentence, or the rows, as they lie in memory. */
typedef struct answer {
    leat_err err;
    char why[LEAT_PLUGIN_WHY_BYTES];
    uint32_t count;
} answer;

static void
write_all(int fd, const void *data, size_t size)
{
    const uint8_t *at = data;
    while (size > 0) {
        const ssize_t put = write(fd, at, size);
        if (put < 0 && errno != EINTR)
            _exit(1);
        at += put > 0 ? put : 0;
        size -= put > 0 ? (size_t)put : 0;
    }
}

_Noreturn static void
look(const char *path, int fd)
{
    static answer own;
    const leat_plugin *table = NULL;
    own.err = leat_plugin_load(path, &table, own.why);
    assert(own.err != LEAT_ERR_OK || table != NULL);
    own.count = own.err == LEAT_ERR_OK ? table->handler_count : 0;
    write_all(fd, &own, sizeof own);
    for (uint32_t i = 0; i < own.count; i++) {
        static leat_plugin_row row;
        const char *const help = table->handlers[i].help;
        (void)snprintf(row.name, sizeof row.name, "%s", table->handlers[i].name);
        (void)snprintf(row.help, sizeof row.help, "%s", help == NULL ? "a plug-in's" : help);
        write_all(fd, &row, sizeof row);
    }
    _exit(0);
}

/* As many bytes; false: there are none, or it takes too long. */
static bool
read_all(int fd, void *data, size_t size, int64_t until_ms)
{
    uint8_t *at = data;
    while (size > 0) {
        struct pollfd one = {.fd = fd, .events = POLLIN};
        const int64_t left_ms = until_ms - leat_clock_mono_ms();
        if (left_ms <= 0 || (poll(&one, 1, (int)left_ms) <= 0 && errno != EINTR))
            return false;
        const ssize_t got = read(fd, at, size);
        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
        at += got > 0 ? got : 0;
        size -= got > 0 ? (size_t)got : 0;
    }
    return true;
}

/* The child has said too little. */
static leat_err
explain(const char *path, int status, bool is_late, char why[LEAT_PLUGIN_WHY_BYTES])
{
    if (is_late)
        return wrong(why, "\"%.200s\" cannot be loaded: that takes longer than %d s", path,
                     ASK_MS / 1000);
    if (WIFSIGNALED(status))
        return wrong(why, "\"%.200s\" cannot be loaded: its own code ends by SIG%s", path,
                     sigabbrev_np(WTERMSIG(status)));
    return wrong(why, "\"%.200s\" cannot be loaded: its own code ends the process (exit %d)", path,
                 WEXITSTATUS(status));
}

static leat_err
hear(int fd, leat_plugin_row **rows, size_t *count, int64_t until_ms, answer *said)
{
    if (!read_all(fd, said, sizeof *said, until_ms))
        return LEAT_ERR_LOST;
    said->why[sizeof said->why - 1] = '\0';
    if (said->err != LEAT_ERR_OK || said->count == 0 || said->count > LEAT_HANDLERS_MAX)
        return LEAT_ERR_CONFIG;
    *rows = calloc(said->count, sizeof **rows);
    if (*rows == NULL)
        return LEAT_ERR_NOMEM;
    for (*count = 0; *count < said->count; ++*count) {
        leat_plugin_row *const row = &(*rows)[*count];
        if (!read_all(fd, row, sizeof *row, until_ms))
            return LEAT_ERR_LOST;
        row->name[sizeof row->name - 1] = '\0';
        row->help[sizeof row->help - 1] = '\0';
    }
    return LEAT_ERR_OK;
}

leat_err
leat_plugin_ask(const char *path,
                leat_plugin_row **rows,
                size_t *count,
                char why[LEAT_PLUGIN_WHY_BYTES])
{
    static answer said;
    int pair[2];
    int status = 0;
    *rows = NULL;
    *count = 0;
    if (pipe2(pair, O_CLOEXEC) != 0)
        return leat_err_from_errno(errno);
    const pid_t child = fork();
    if (child == 0)
        look(path, pair[1]);
    close(pair[1]);
    if (child < 0) {
        close(pair[0]);
        return leat_err_from_errno(errno);
    }
    const int64_t until_ms = leat_clock_mono_ms() + ASK_MS;
    leat_err err = hear(pair[0], rows, count, until_ms, &said);
    const bool is_late = leat_clock_mono_ms() >= until_ms;
    (void)kill(child, SIGKILL); /* it has said all, or will not */
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    close(pair[0]);
    if (err == LEAT_ERR_LOST)
        err = explain(path, status, is_late, why);
    else if (err == LEAT_ERR_CONFIG)
        (void)snprintf(why, LEAT_PLUGIN_WHY_BYTES, "%s", said.why);
    if (err != LEAT_ERR_OK) {
        free(*rows);
        *rows = NULL;
        *count = 0;
    }
    return err;
}
