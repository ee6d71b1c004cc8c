/* crash_clock: a library to be preloaded, by which a program has clocks that jump and run at
 * another rate, as a file says that can be changed meanwhile.
 *
 * LEAT_CLOCK_FILE is mapped: u64 sequence (odd while it is being written), then for the wall clock
 * and for the monotonic one: i64 from_ns (of the true monotonic clock) · i64 shown_ns · f64 rate;
 * shown = shown_ns + (true monotonic - from_ns) * rate. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct face {
    int64_t from_ns;
    int64_t shown_ns;
    double rate;
};

struct clocks {
    _Atomic uint64_t sequence;
    struct face wall;
    struct face mono;
};

static struct clocks *clocks;

__attribute__((constructor)) static void
map_file(void)
{
    const char *const path = getenv("LEAT_CLOCK_FILE"); /* NOLINT(concurrency-mt-unsafe) */
    const int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    void *const map = mmap(NULL, sizeof *clocks, PROT_READ, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (map != MAP_FAILED)
        clocks = map;
}

static struct face
read_face(clockid_t id)
{
    for (;;) {
        const uint64_t before = atomic_load(&clocks->sequence);
        const struct face face = id == CLOCK_REALTIME ? clocks->wall : clocks->mono;
        atomic_thread_fence(memory_order_acquire);
        if (before % 2 == 0 && atomic_load(&clocks->sequence) == before)
            return face;
    }
}

/* It comes in the place of the C library's own. */
__attribute__((visibility("default"))) int show_time(clockid_t id,
                                                     struct timespec *out) __asm__("clock_gettime");

int
show_time(clockid_t id, struct timespec *out)
{
    struct timespec now;
    if (clocks == NULL || (id != CLOCK_REALTIME && id != CLOCK_MONOTONIC))
        return (int)syscall(SYS_clock_gettime, id, out);
    if (syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now) != 0)
        return -1;
    const struct face face = read_face(id);
    const int64_t true_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    const int64_t ns = face.shown_ns + (int64_t)((double)(true_ns - face.from_ns) * face.rate);
    out->tv_sec = ns / 1000000000;
    out->tv_nsec = ns % 1000000000;
    return 0;
}
