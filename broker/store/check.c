/* Looking at a store: in a child process, or beside the broker's own work. See check.h. */
#include "broker/store/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/store/copy.h"
#include "broker/store/folder.h"
#include "broker/store/pages.h"

#define WHY_BYTES 512U
#define TRIES     100U

/* Rows stand behind what is worse. */
static void
add(leat_chore *chore, const char *sentence, bool row)
{
    const uint64_t worse = chore->findings - chore->rows_damaged;
    uint64_t at = chore->findings;
    if (!row && worse < LEAT_CHORE_FOUND_MAX) {
        if (at >= LEAT_CHORE_FOUND_MAX)
            at = LEAT_CHORE_FOUND_MAX - 1;
        memmove(chore->found[worse + 1], chore->found[worse],
                (at - worse) * sizeof chore->found[0]);
        at = worse;
    }
    if (at < LEAT_CHORE_FOUND_MAX)
        (void)snprintf(chore->found[at], sizeof chore->found[0], "%s", sentence);
    chore->findings++;
    chore->rows_damaged += row;
}

struct looking {
    leat_chore *chore;
    MDB_env *env;
    const atomic_bool *stop;
    uint64_t size_max;
};

static void
say(void *context, const char *sentence, bool row)
{
    const struct looking *const l = context;
    add(l->chore, sentence, row);
}

static void
note(leat_chore *chore, const leat_pages *pages)
{
    chore->pages = pages->pages;
    chore->format = pages->format;
    chore->rows = 0;
    for (unsigned i = 0; i < LEAT_TABLES; i++)
        chore->rows += pages->rows[i];
}

/* --------------------------------------------------------------------------- a file of nobody */

static bool
transfer(int fd, void *data, size_t size, bool out)
{
    uint8_t *at = data;
    while (size > 0) {
        const ssize_t n = out ? write(fd, at, size) : read(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static void
look(int fd, leat_chore *chore)
{
    struct looking l = {.chore = chore};
    leat_pages pages = {.say = say, .context = &l};
    chore->err = leat_pages_check(&pages, fd);
    note(chore, &pages);
}

leat_err
leat_check_file(const char *path, leat_chore *chore, char why[512])
{
    int ends[2] = {-1, -1};
    int status = 0;
    *chore = (leat_chore){.kind = LEAT_CHORE_CHECK};
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return leat_folder_refuse(why, "cannot open", path, errno);
    const pid_t child = pipe2(ends, O_CLOEXEC) == 0 ? fork() : -1;
    if (child == 0) {
        look(fd, chore);
        _exit(transfer(ends[1], chore, sizeof *chore, true) ? 0 : 1);
    }
    if (child < 0) {
        const leat_err err = leat_folder_refuse(why, "cannot look at", path, errno);
        (void)close(fd);
        if (ends[0] >= 0) {
            (void)close(ends[0]);
            (void)close(ends[1]);
        }
        return err;
    }
    (void)close(ends[1]);
    const bool told = transfer(ends[0], chore, sizeof *chore, false);
    (void)close(ends[0]);
    (void)close(fd);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (told && chore->err == LEAT_ERR_OK)
        return LEAT_ERR_OK;
    if (told) {
        (void)snprintf(why, WHY_BYTES, "cannot look at %s: %s", path, leat_err_message(chore->err));
        return chore->err;
    }
    char sentence[64];
    *chore = (leat_chore){.kind = LEAT_CHORE_CHECK};
    (void)snprintf(sentence, sizeof sentence, "the look at it was ended by signal %d",
                   WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    add(chore, sentence, false);
    return LEAT_ERR_OK;
}

leat_err
leat_check_refuse_newer(const char *path, const leat_chore *chore, char why[512])
{
    (void)snprintf(
        why, WHY_BYTES,
        "%s was written by a newer version of Leat (format %u, this one reads up to %u); "
        "nothing was changed",
        path, chore->format, LEAT_STORE_FORMAT);
    return LEAT_ERR_VERSION;
}

/* ---------------------------------------------------------------------- beside the work of ours */

static bool
go_on(void *context)
{
    const struct looking *const l = context;
    return !(l->stop != NULL && atomic_load(l->stop)) && leat_copy_size(l->env) <= l->size_max;
}

/* Hold a reader and look at what it keeps. LEAT_ERR_NOT_FOUND: two commits have come in between. */
static leat_err
look_once(struct looking *l, int fd, leat_chore *chore)
{
    MDB_txn *txn;
    if (mdb_txn_begin(l->env, NULL, MDB_RDONLY, &txn) != MDB_SUCCESS)
        return LEAT_ERR_IO;
    leat_pages pages = {.say = say, .go_on = go_on, .context = l, .txnid = mdb_txn_id(txn)};
    const leat_err err = leat_pages_check(&pages, fd);
    mdb_txn_abort(txn);
    if (err == LEAT_ERR_OK)
        note(chore, &pages);
    return err;
}

leat_err
leat_check_env(MDB_env *env,
               const char *path,
               uint64_t growth_max,
               const atomic_bool *stop,
               leat_chore *chore,
               char why[512])
{
    struct looking l = {
        .chore = chore, .env = env, .stop = stop, .size_max = leat_copy_size(env) + growth_max};
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return leat_folder_refuse(why, "cannot open", path, errno);
    leat_err err = LEAT_ERR_NOT_FOUND;
    for (unsigned i = 0; i < TRIES && err == LEAT_ERR_NOT_FOUND; i++) {
        chore->findings = chore->rows_damaged = 0;
        err = look_once(&l, fd, chore);
    }
    (void)close(fd);
    if (err == LEAT_ERR_INTERRUPTED && !(stop != NULL && atomic_load(stop))) {
        (void)snprintf(why, WHY_BYTES,
                       "the check was given up: the store grows meanwhile, and what is free of its "
                       "disk does not allow more");
        err = LEAT_ERR_NO_SPACE;
    } else if (err != LEAT_ERR_OK) {
        (void)snprintf(why, WHY_BYTES, "the check of %s has no end: %s", path,
                       leat_err_message(err));
    }
    return err;
}
