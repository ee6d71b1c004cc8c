/* What a broker does to the files of its store, written down or cut short. See disk.h. */
#include "tests/crash/disk.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MOMENT_MS 30
#define FDS_MAX   4096
#define FILES_MAX 64U
#define SEEN      __attribute__((visibility("default")))

typedef enum way {
    WAY_AFTER,
    WAY_BEFORE,
    WAY_HALF
} way;

struct file {
    char path[128]; /* under the root; of a folder too */
    bool is_folder;
    bool is_gone; /* another has its name, or none */
};

static struct {
    pthread_mutex_t mutex;
    disk_head *trace; /* NULL: nothing is watched */
    char root[PATH_MAX];
    uint64_t kill_at; /* 0: never */
    way how;
    struct file files[FILES_MAX]; /* from 1 */
    uint32_t file_count;
    uint32_t of_fd[FDS_MAX]; /* 0: none of ours */
    bool synced_fd[FDS_MAX]; /* O_DSYNC */
    bool append_fd[FDS_MAX]; /* O_APPEND */
} disk = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* The call that ours stands before. */
#define REAL(name) (real_##name == NULL ? (find("" #name, &real_##name), real_##name) : real_##name)

static void
find(const char *name, void *function_p)
{
    void *const symbol = dlsym(RTLD_NEXT, name);
    memcpy(function_p, &symbol, sizeof symbol);
    if (symbol == NULL)
        abort();
}

static int (*real_open)(const char *, int, ...);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pwritev)(int, const struct iovec *, int, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static int (*real_ftruncate)(int, off_t);
static int (*real_fallocate)(int, int, off_t, off_t);
static int (*real_posix_fallocate)(int, off_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_close)(int);
static int (*real_mkdir)(const char *, mode_t);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);

/* What the processes before this one knew: their files have the same numbers here. */
static void
read_files(void)
{
    const uint8_t *at = (const uint8_t *)(disk.trace + 1);
    const uint8_t *const upto = at + disk.trace->bytes;
    while (at < upto) {
        disk_op op;
        memcpy(&op, at, sizeof op);
        struct file *const file = &disk.files[op.file];
        if (op.file > disk.file_count)
            disk.file_count = op.file;
        if (op.kind == DISK_CREATE || op.kind == DISK_RENAME || op.kind == DISK_SYNC_NAMES)
            (void)snprintf(file->path, sizeof file->path, "%.*s", (int)op.size,
                           (const char *)at + sizeof op);
        for (uint32_t i = 1; i <= disk.file_count && op.kind == DISK_RENAME; i++) {
            if (i != op.file && strcmp(disk.files[i].path, file->path) == 0)
                disk.files[i].is_gone = true;
        }
        if (op.kind == DISK_UNLINK)
            file->is_gone = true;
        at += (sizeof op + op.size + 7) & ~(uint64_t)7;
    }
}

__attribute__((constructor)) static void
begin(void)
{
    /* NOLINTBEGIN(concurrency-mt-unsafe): no thread yet */
    const char *const root = getenv("CRASH_DISK_ROOT");
    const char *const trace = getenv("CRASH_DISK_TRACE");
    const char *const kill_at = getenv("CRASH_DISK_KILL");
    const char *const how = getenv("CRASH_DISK_HOW");
    /* NOLINTEND(concurrency-mt-unsafe) */
    if (root == NULL || trace == NULL)
        return;
    (void)snprintf(disk.root, sizeof disk.root, "%s", root);
    disk.kill_at = kill_at == NULL ? 0 : strtoull(kill_at, NULL, 10);
    disk.how = how == NULL                  ? WAY_AFTER
               : strcmp(how, "before") == 0 ? WAY_BEFORE
               : strcmp(how, "half") == 0   ? WAY_HALF
                                            : WAY_AFTER;
    const int fd = REAL(open)(trace, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || REAL(ftruncate)(fd, (off_t)DISK_TRACE_BYTES) != 0)
        abort();
    void *const map = mmap(NULL, DISK_TRACE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)REAL(close)(fd);
    if (map == MAP_FAILED)
        abort();
    disk.trace = map;
    read_files();
}

/* ------------------------------------------------------------------------------ the trace */

static void
lock(void)
{
    (void)pthread_mutex_lock(&disk.mutex);
}

static void
unlock(void)
{
    (void)pthread_mutex_unlock(&disk.mutex);
}

/* Append one op, whose data may be in pieces. Its number. */
static uint64_t
append(disk_op op, const struct iovec *data, int pieces)
{
    lock();
    uint8_t *const at = (uint8_t *)(disk.trace + 1) + disk.trace->bytes;
    op.number = atomic_load(&disk.trace->clock) + 1;
    for (int i = 0; i < pieces; i++)
        op.size += data[i].iov_len;
    if (disk.trace->bytes + sizeof op + op.size + 8 > DISK_TRACE_BYTES - sizeof *disk.trace)
        abort();
    memcpy(at, &op, sizeof op);
    uint64_t end = sizeof op;
    for (int i = 0; i < pieces; i++) {
        memcpy(at + end, data[i].iov_base, data[i].iov_len);
        end += data[i].iov_len;
    }
    disk.trace->bytes += (end + 7) & ~(uint64_t)7;
    atomic_store(&disk.trace->clock, op.number);
    unlock();
    return op.number;
}

static uint64_t
append_text(disk_op op, const char *text)
{
    union {
        const char *in;
        void *out;
    } bytes = {.in = text}; /* only read */
    return append(op, &(struct iovec){.iov_base = bytes.out, .iov_len = strlen(text)}, 1);
}

static uint64_t
append_only(disk_op op)
{
    return append(op, NULL, 0);
}

/* ------------------------------------------------------------------------------ the end */

/* The other threads go on for a moment: what they say now, they said before it was on the disk. */
static _Noreturn void
end(void)
{
    const struct timespec moment = {.tv_nsec = MOMENT_MS * 1000000L};
    (void)nanosleep(&moment, NULL);
    (void)kill(getpid(), SIGKILL);
    for (;;)
        (void)pause();
}

/* A call begins; true: it is the one that must be cut in the middle. */
static bool
call_begins(bool *is_last)
{
    const bool is_it = atomic_fetch_add(&disk.trace->calls, 1) + 1 == disk.kill_at;
    if (is_it && disk.how == WAY_BEFORE)
        end();
    *is_last = is_it;
    return is_it && disk.how == WAY_HALF;
}

static void
call_ended(bool is_last)
{
    if (is_last)
        end();
}

/* ------------------------------------------------------------------------------ which files */

/* The path under the root, "" for the root itself; NULL: it is elsewhere. */
static const char *
inside(const char *path)
{
    const size_t size = strlen(disk.root);
    if (disk.trace == NULL || strncmp(path, disk.root, size) != 0)
        return NULL;
    if (path[size] == '\0')
        return path + size;
    return path[size] == '/' ? path + size + 1 : NULL;
}

static uint32_t
file_named(const char *name)
{
    for (uint32_t i = 1; i <= disk.file_count; i++) {
        if (!disk.files[i].is_gone && strcmp(disk.files[i].path, name) == 0)
            return i;
    }
    if (disk.file_count + 1 == FILES_MAX)
        abort();
    (void)snprintf(disk.files[++disk.file_count].path, sizeof disk.files->path, "%s", name);
    return disk.file_count;
}

static uint32_t
file_of(int fd)
{
    return disk.trace == NULL || fd < 0 || fd >= FDS_MAX ? 0 : disk.of_fd[fd];
}

static int
open_any(const char *path, int flags, mode_t mode)
{
    const char *const name = inside(path);
    struct stat before;
    if (name == NULL)
        return REAL(open)(path, flags, mode);
    const bool is_new = (flags & O_CREAT) != 0 && stat(path, &before) != 0;
    bool is_last = false;
    if ((flags & O_TRUNC) != 0)
        abort(); /* nothing of ours does that */
    if (is_new)
        (void)call_begins(&is_last);
    lock();
    const uint32_t file = file_named(name);
    unlock();
    if (is_new)
        (void)append_text((disk_op){.kind = DISK_CREATE, .file = file}, name);
    const int fd = REAL(open)(path, flags, mode);
    call_ended(is_last);
    if (fd >= FDS_MAX)
        abort();
    if (fd >= 0) {
        disk.files[file].is_folder = (flags & O_DIRECTORY) != 0;
        disk.of_fd[fd] = file;
        disk.synced_fd[fd] = (flags & O_DSYNC) != 0;
        disk.append_fd[fd] = (flags & O_APPEND) != 0;
    }
    return fd;
}

/* ------------------------------------------------------------------------------ writing */

static size_t
size_of(const struct iovec *data, int pieces)
{
    size_t size = 0;
    for (int i = 0; i < pieces; i++)
        size += data[i].iov_len;
    return size;
}

/* The first half of what is written, then the end. */
static _Noreturn void
write_half(int fd, const struct iovec *data, int pieces, off_t offset)
{
    size_t left = size_of(data, pieces) / 2;
    for (int i = 0; i < pieces && left > 0; i++) {
        const size_t size = data[i].iov_len < left ? data[i].iov_len : left;
        if (REAL(pwrite)(fd, data[i].iov_base, size, offset) != (ssize_t)size)
            break;
        offset += (off_t)size;
        left -= size;
    }
    end();
}

/* Where a write that names no place goes. */
static off_t
place_of(int fd)
{
    struct stat file;
    if (!disk.append_fd[fd])
        return lseek(fd, 0, SEEK_CUR);
    return fstat(fd, &file) == 0 ? file.st_size : -1;
}

static ssize_t
write_any(int fd, const struct iovec *data, int pieces, off_t offset, bool moves)
{
    const uint32_t file = disk.of_fd[fd];
    bool is_last = false;
    const off_t at = moves ? place_of(fd) : offset;
    if (call_begins(&is_last))
        write_half(fd, data, pieces, at);
    const uint64_t number =
        append((disk_op){.kind = DISK_WRITE, .file = file, .offset = (uint64_t)at}, data, pieces);
    const ssize_t n = moves ? REAL(writev)(fd, data, pieces) : REAL(pwritev)(fd, data, pieces, at);
    if (n >= 0 && (size_t)n != size_of(data, pieces))
        abort(); /* the trace would be wrong; so here, when another has written behind the end */
    if (n >= 0 && disk.append_fd[fd] && lseek(fd, 0, SEEK_CUR) != at + n)
        abort();
    if (n >= 0 && disk.synced_fd[fd])
        (void)append_only((disk_op){.kind = DISK_WRITTEN, .file = file, .ref = number});
    call_ended(is_last);
    return n;
}

static struct iovec
piece(const void *data, size_t size)
{
    union {
        const void *in;
        void *out;
    } bytes = {.in = data}; /* only read */
    return (struct iovec){.iov_base = bytes.out, .iov_len = size};
}

static int
truncate_any(int fd, off_t size)
{
    bool is_last = false;
    (void)call_begins(&is_last);
    (void)append_only(
        (disk_op){.kind = DISK_TRUNCATE, .file = disk.of_fd[fd], .offset = (uint64_t)size});
    const int rc = REAL(ftruncate)(fd, size);
    call_ended(is_last);
    return rc;
}

/* Room without content: the size is all that a reader sees of it. */
static int
allocate_any(int fd, int mode, off_t offset, off_t size, bool posix)
{
    bool is_last = false;
    struct stat before;
    const off_t upto = offset + size;
    if (mode != 0 || fstat(fd, &before) != 0)
        abort(); /* nothing of ours does that */
    (void)call_begins(&is_last);
    if (upto > before.st_size)
        (void)append_only(
            (disk_op){.kind = DISK_TRUNCATE, .file = disk.of_fd[fd], .offset = (uint64_t)upto});
    const int rc =
        posix ? REAL(posix_fallocate)(fd, offset, size) : REAL(fallocate)(fd, mode, offset, size);
    call_ended(is_last);
    return rc;
}

static int
sync_any(int fd, int (*call)(int))
{
    const uint32_t file = disk.of_fd[fd];
    const uint64_t begun = atomic_load(&disk.trace->clock);
    bool is_last = false;
    (void)call_begins(&is_last);
    const int rc = call(fd);
    if (rc == 0 && disk.files[file].is_folder)
        (void)append_text((disk_op){.kind = DISK_SYNC_NAMES, .file = file, .ref = begun},
                          disk.files[file].path);
    else if (rc == 0)
        (void)append_only((disk_op){.kind = DISK_SYNC, .file = file, .ref = begun});
    call_ended(is_last);
    return rc;
}

/* ------------------------------------------------------------------------------ the calls */

/* The C library's names; and open, which the analyzer follows into itself.
 * NOLINTBEGIN(readability-inconsistent-declaration-parameter-name,clang-analyzer-valist.Uninitialized)
 */
#define OPEN(name)                                  \
    SEEN int name(const char *path, int flags, ...) \
    {                                               \
        mode_t mode = 0;                            \
        if ((flags & O_CREAT) != 0) {               \
            va_list args;                           \
            va_start(args, flags);                  \
            mode = va_arg(args, mode_t);            \
            va_end(args);                           \
        }                                           \
        return open_any(path, flags, mode);         \
    }
OPEN(open)
OPEN(open64)

#define PWRITE(name)                                                       \
    SEEN ssize_t name(int fd, const void *data, size_t size, off_t offset) \
    {                                                                      \
        if (file_of(fd) == 0)                                              \
            return REAL(pwrite)(fd, data, size, offset);                   \
        const struct iovec one = piece(data, size);                        \
        return write_any(fd, &one, 1, offset, false);                      \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define PWRITEV(name)                                                             \
    SEEN ssize_t name(int fd, const struct iovec *data, int pieces, off_t offset) \
    {                                                                             \
        if (file_of(fd) == 0)                                                     \
            return REAL(pwritev)(fd, data, pieces, offset);                       \
        return write_any(fd, data, pieces, offset, false);                        \
    }
PWRITEV(pwritev)
PWRITEV(pwritev64)

SEEN ssize_t
write(int fd, const void *data, size_t size)
{
    if (file_of(fd) == 0)
        return REAL(write)(fd, data, size);
    const struct iovec one = piece(data, size);
    return write_any(fd, &one, 1, 0, true);
}

SEEN ssize_t
writev(int fd, const struct iovec *data, int pieces)
{
    if (file_of(fd) == 0)
        return REAL(writev)(fd, data, pieces);
    return write_any(fd, data, pieces, 0, true);
}

#define FTRUNCATE(name)                                                               \
    SEEN int name(int fd, off_t size)                                                 \
    {                                                                                 \
        return file_of(fd) == 0 ? REAL(ftruncate)(fd, size) : truncate_any(fd, size); \
    }
FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)

#define FALLOCATE(name)                                                        \
    SEEN int name(int fd, int mode, off_t offset, off_t size)                  \
    {                                                                          \
        return file_of(fd) == 0 ? REAL(fallocate)(fd, mode, offset, size)      \
                                : allocate_any(fd, mode, offset, size, false); \
    }
FALLOCATE(fallocate)
FALLOCATE(fallocate64)

#define POSIX_FALLOCATE(name)                                              \
    SEEN int name(int fd, off_t offset, off_t size)                        \
    {                                                                      \
        return file_of(fd) == 0 ? REAL(posix_fallocate)(fd, offset, size)  \
                                : allocate_any(fd, 0, offset, size, true); \
    }
POSIX_FALLOCATE(posix_fallocate)
POSIX_FALLOCATE(posix_fallocate64)

SEEN int
fsync(int fd)
{
    return file_of(fd) == 0 ? REAL(fsync)(fd) : sync_any(fd, REAL(fsync));
}

SEEN int
fdatasync(int fd)
{
    return file_of(fd) == 0 ? REAL(fdatasync)(fd) : sync_any(fd, REAL(fdatasync));
}

SEEN int
close(int fd)
{
    if (fd >= 0 && fd < FDS_MAX)
        disk.of_fd[fd] = 0;
    return REAL(close)(fd);
}

SEEN int
mkdir(const char *path, mode_t mode)
{
    const char *const name = inside(path);
    bool is_last = false;
    struct stat before;
    if (name == NULL || stat(path, &before) == 0)
        return REAL(mkdir)(path, mode);
    (void)call_begins(&is_last);
    (void)append_text((disk_op){.kind = DISK_FOLDER}, name);
    const int rc = REAL(mkdir)(path, mode);
    call_ended(is_last);
    return rc;
}

SEEN int
rename(const char *from, const char *to)
{
    const char *const name = inside(from);
    const char *const new_name = inside(to);
    bool is_last = false;
    if (name == NULL && new_name == NULL)
        return REAL(rename)(from, to);
    if (name == NULL || new_name == NULL)
        abort(); /* nothing of ours moves files in or out */
    (void)call_begins(&is_last);
    lock();
    const uint32_t file = file_named(name);
    for (uint32_t i = 1; i <= disk.file_count; i++) {
        if (strcmp(disk.files[i].path, new_name) == 0)
            disk.files[i].is_gone = true;
    }
    (void)snprintf(disk.files[file].path, sizeof disk.files->path, "%s", new_name);
    unlock();
    (void)append_text((disk_op){.kind = DISK_RENAME, .file = file}, new_name);
    const int rc = REAL(rename)(from, to);
    call_ended(is_last);
    return rc;
}

SEEN int
unlink(const char *path)
{
    const char *const name = inside(path);
    struct stat before;
    bool is_last = false;
    if (name == NULL || stat(path, &before) != 0)
        return REAL(unlink)(path);
    (void)call_begins(&is_last);
    lock();
    const uint32_t file = file_named(name);
    disk.files[file].is_gone = true;
    unlock();
    (void)append_only((disk_op){.kind = DISK_UNLINK, .file = file});
    const int rc = REAL(unlink)(path);
    call_ended(is_last);
    return rc;
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name,clang-analyzer-valist.Uninitialized)
 */
