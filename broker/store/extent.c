/* The space of the store's file, taken ahead. See extent.h. */
#include "broker/store/extent.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "broker/store/fault.h"
#include "proto/base/log.h"

#define PIECE_BYTES    ((size_t)1024 * 1024) /* appended and synced at once; what waits sees it */
#define STEP_BYTES_MIN ((uint64_t)512 * 1024)
#define STEP_BYTES_MAX ((uint64_t)64 * 1024 * 1024)
#define STEP_OF_DISK   16U
#define UNIT_BYTES     4096U
#define LOOK_AGAIN_S   1

struct leat_extent {
    int fd; /* O_APPEND */
    pthread_t thread;
    bool has_thread;
    uint8_t *zeros; /* owned; PIECE_BYTES */

    _Atomic uint64_t bytes;
    _Atomic uint64_t wanted; /* by leat_extent_want */
    atomic_bool stuck;
    atomic_int error;

    pthread_mutex_t mutex; /* everything below */
    pthread_cond_t work;
    pthread_cond_t grown; /* or stuck, or failed */
    uint64_t needed;      /* by who waits */
    bool stop;
};

static uint64_t
step_bytes(const leat_extent *extent, uint64_t file_bytes)
{
    struct statvfs disk;
    uint64_t step = file_bytes / 4;
    uint64_t most = STEP_BYTES_MAX;
    if (fstatvfs(extent->fd, &disk) == 0) {
        const uint64_t part = (uint64_t)disk.f_blocks * disk.f_frsize / STEP_OF_DISK;
        most = part < most ? part : most;
    }
    step = step < most ? step : most;
    step = step > STEP_BYTES_MIN ? step : STEP_BYTES_MIN;
    return step / UNIT_BYTES * UNIT_BYTES;
}

/* What is said here the process ends with, see lmdb.c. */
static void
fail(leat_extent *extent, int errnum)
{
    atomic_store(&extent->error, errnum);
    LEAT_LOG(LEAT_LOG_ERROR, "store.extent", "the store's file cannot be extended",
             LEAT_KV_ERRNO(errnum));
}

/* Append zeros until the file ends with a whole page; as much as there is space for. *full: the
 * disk has no more. */
static bool
append(leat_extent *extent, size_t size, bool *full)
{
    size_t done = 0;
    *full = false;
    while (done < size && !*full) {
        const ssize_t n = write(extent->fd, extent->zeros, size - done);
        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && errno == EINTR)
            continue;
        else if (n == 0 || errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
            *full = true;
        else
            return false;
    }
    return true;
}

static bool
sync_file(int fd)
{
    return LEAT_STORE_FAULT(NO_SYNC) || fdatasync(fd) == 0;
}

/* One piece more, on disk. */
static void
grow(leat_extent *extent, uint64_t target)
{
    const uint64_t bytes = atomic_load(&extent->bytes);
    const uint64_t left = target - bytes;
    struct stat file;
    bool full = false;
    if (!append(extent, left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, &full) ||
        !sync_file(extent->fd) || fstat(extent->fd, &file) != 0) {
        fail(extent, errno);
        return;
    }
    atomic_store(&extent->bytes, (uint64_t)file.st_size / UNIT_BYTES * UNIT_BYTES);
    if (full && !atomic_exchange(&extent->stuck, true))
        LEAT_LOG(LEAT_LOG_WARN, "store.full", "no space left on the store's disk",
                 LEAT_KV_U64("file_bytes", atomic_load(&extent->bytes)));
}

/* How long the file shall be; what it is: it is long enough. */
static uint64_t
target_of(leat_extent *extent, uint64_t needed)
{
    const uint64_t bytes = atomic_load(&extent->bytes);
    const uint64_t wanted = atomic_load(&extent->wanted);
    const uint64_t longer = needed > wanted ? needed : wanted;
    const uint64_t step = step_bytes(extent, longer);
    if (bytes >= needed && bytes >= wanted + step / 2)
        return bytes;
    return (longer + step + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES;
}

/* On a full disk: one piece can be had again. It is tried with one that stays, since what a file
 * system says it has is not what it gives. */
static bool
has_space(leat_extent *extent)
{
    struct stat file;
    bool full = false;
    const uint64_t before = atomic_load(&extent->bytes);
    if (!append(extent, STEP_BYTES_MIN / 8, &full) || !sync_file(extent->fd) ||
        fstat(extent->fd, &file) != 0) {
        fail(extent, errno);
        return false;
    }
    atomic_store(&extent->bytes, (uint64_t)file.st_size / UNIT_BYTES * UNIT_BYTES);
    return !full && atomic_load(&extent->bytes) > before;
}

static void
wait_a_second(leat_extent *extent)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOOK_AGAIN_S;
    while (!extent->stop &&
           pthread_cond_timedwait(&extent->work, &extent->mutex, &until) != ETIMEDOUT) {
    }
}

static void *
helper(void *arg)
{
    leat_extent *const extent = arg;
    uint64_t target = 0;
    pthread_mutex_lock(&extent->mutex);
    while (!extent->stop) {
        /* A target once chosen is reached: steps, and not a piece for each wish. */
        if (target <= atomic_load(&extent->bytes))
            target = target_of(extent, extent->needed);
        if (target <= atomic_load(&extent->bytes) || atomic_load(&extent->error) != 0) {
            pthread_cond_wait(&extent->work, &extent->mutex);
            continue;
        }
        pthread_mutex_unlock(&extent->mutex);
        grow(extent, target);
        pthread_mutex_lock(&extent->mutex);
        pthread_cond_broadcast(&extent->grown);
        bool again = false;
        while (atomic_load(&extent->stuck) && !extent->stop && !again) {
            wait_a_second(extent);
            again = extent->stop || atomic_load(&extent->error) != 0 || has_space(extent);
        }
        if (atomic_exchange(&extent->stuck, false) && !extent->stop) {
            target = 0; /* what was wanted then may be more than is wanted now */
            LEAT_LOG(LEAT_LOG_INFO, "store.space", "there is space on the store's disk again");
        }
    }
    pthread_mutex_unlock(&extent->mutex);
    return NULL;
}

static leat_err
start(leat_extent *extent)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int rc = pthread_create(&extent->thread, NULL, helper, extent);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return LEAT_ERR_NOMEM;
    extent->has_thread = true;
    pthread_setname_np(extent->thread, "leat-extent");
    return LEAT_ERR_OK;
}

leat_err
leat_extent_open(const char *path, leat_extent **out)
{
    struct stat file;
    pthread_condattr_t monotonic;
    leat_extent *extent = calloc(1, sizeof *extent);
    if (extent == NULL)
        return LEAT_ERR_NOMEM;
    pthread_mutex_init(&extent->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&extent->work, &monotonic);
    pthread_cond_init(&extent->grown, NULL);
    pthread_condattr_destroy(&monotonic);
    extent->zeros = calloc(1, PIECE_BYTES);
    extent->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

    leat_err err = LEAT_ERR_OK;
    if (extent->zeros == NULL)
        err = LEAT_ERR_NOMEM;
    else if (extent->fd < 0 || fstat(extent->fd, &file) != 0)
        err = leat_err_from_errno(errno);
    else
        atomic_store(&extent->bytes, (uint64_t)file.st_size / UNIT_BYTES * UNIT_BYTES);
    if (err == LEAT_ERR_OK)
        err = start(extent);
    if (err != LEAT_ERR_OK)
        leat_extent_close(&extent);
    *out = extent;
    return err;
}

void
leat_extent_close(leat_extent **extent_p)
{
    leat_extent *const extent = *extent_p;
    *extent_p = NULL;
    if (extent == NULL)
        return;
    if (extent->has_thread) {
        pthread_mutex_lock(&extent->mutex);
        extent->stop = true;
        pthread_cond_broadcast(&extent->work);
        pthread_mutex_unlock(&extent->mutex);
        pthread_join(extent->thread, NULL);
    }
    pthread_cond_destroy(&extent->work);
    pthread_cond_destroy(&extent->grown);
    pthread_mutex_destroy(&extent->mutex);
    if (extent->fd >= 0)
        (void)close(extent->fd);
    free(extent->zeros);
    free(extent);
}

uint64_t
leat_extent_bytes(const leat_extent *extent)
{
    return atomic_load(&extent->bytes);
}

bool
leat_extent_is_stuck(const leat_extent *extent)
{
    return atomic_load(&extent->stuck);
}

int
leat_extent_error(const leat_extent *extent)
{
    return atomic_load(&extent->error);
}

void
leat_extent_want(leat_extent *extent, uint64_t bytes)
{
    /* Cheap while nothing changes: whoever calls it does so with every turn. */
    if (atomic_exchange(&extent->wanted, bytes) >= bytes && bytes <= atomic_load(&extent->bytes))
        return;
    if (bytes + STEP_BYTES_MIN / 2 < atomic_load(&extent->bytes) &&
        bytes + step_bytes(extent, bytes) / 2 < atomic_load(&extent->bytes))
        return;
    pthread_mutex_lock(&extent->mutex);
    pthread_cond_signal(&extent->work);
    pthread_mutex_unlock(&extent->mutex);
}

bool
leat_extent_wait(leat_extent *extent, uint64_t bytes)
{
    if (atomic_load(&extent->bytes) >= bytes)
        return true;
    pthread_mutex_lock(&extent->mutex);
    extent->needed = bytes;
    /* Stuck is not asked again here: the helper does once a second, and nobody has to wait. */
    while (atomic_load(&extent->bytes) < bytes && !atomic_load(&extent->stuck) &&
           atomic_load(&extent->error) == 0 && !extent->stop) {
        pthread_cond_signal(&extent->work);
        pthread_cond_wait(&extent->grown, &extent->mutex);
    }
    extent->needed = 0;
    pthread_mutex_unlock(&extent->mutex);
    return atomic_load(&extent->bytes) >= bytes;
}
