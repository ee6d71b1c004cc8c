/* Cores from the scheduler, memory from /proc and the control groups. See host.h.
 *
 * /proc/self/cgroup has a line a hierarchy, NUMBER:CONTROLLERS:GROUP. Version 2 has one without
 * controllers, version 1 has one with memory among them. In a container GROUP is often a path of
 * the host, which is not there below /sys/fs/cgroup; the container's own group is then at the
 * mount, where the way up ends in any case. */
#include "worker/host.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES (PATH_MAX + 64)

uint32_t
leat_host_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (uint32_t)CPU_COUNT(&set);
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 1;
}

/* A file below root, or NULL: much of what is looked for is not on every system. */
static FILE *
open_at(const char *root, const char *path)
{
    char whole[PATH_MAX];
    const int size = snprintf(whole, sizeof whole, "%s%s", root, path);
    return size < (int)sizeof whole ? fopen(whole, "re") : NULL;
}

/* The figure behind `key` and blanks in the first line that begins with key; UINT64_MAX: there is
 * none. */
static uint64_t
figure_in(const char *root, const char *path, const char *key)
{
    char line[LINE_BYTES];
    uint64_t figure = UINT64_MAX;
    FILE *const file = open_at(root, path);
    if (file == NULL)
        return figure;
    while (fgets(line, sizeof line, file) != NULL) {
        const size_t size = strlen(key);
        if (strncmp(line, key, size) != 0)
            continue;
        const char *const digits = line + size + strspn(line + size, " \t");
        if (*digits >= '0' && *digits <= '9') /* no limit is "max" */
            figure = strtoull(digits, NULL, 10);
        break;
    }
    (void)fclose(file);
    return figure;
}

/* The lowest limit on the way from the group up to the mount. group is shortened. */
static uint64_t
limit_above(const char *root, const char *mount, char *group, const char *file)
{
    uint64_t lowest = UINT64_MAX;
    for (;;) {
        char path[LINE_BYTES + 64];
        (void)snprintf(path, sizeof path, "%s%s/%s", mount, group, file);
        const uint64_t limit = figure_in(root, path, "");
        if (limit < lowest)
            lowest = limit;
        char *const last = strrchr(group, '/');
        if (last == NULL)
            return lowest;
        *last = '\0';
    }
}

/* Whether "cpu,memory" has the word memory. */
static bool
has_memory(const char *controllers)
{
    static const char word[] = "memory";
    const size_t size = sizeof word - 1;
    const char *at = strstr(controllers, word);
    while (at != NULL) {
        if ((at == controllers || at[-1] == ',') && (at[size] == '\0' || at[size] == ','))
            return true;
        at = strstr(at + size, word);
    }
    return false;
}

static uint64_t
limit_of_line(const char *root, char *line)
{
    char *const controllers = strchr(line, ':');
    char *const group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (group == NULL)
        return UINT64_MAX;
    *group = '\0';
    group[1 + strcspn(group + 1, "\n")] = '\0';
    if (controllers[1] == '\0')
        return limit_above(root, "/sys/fs/cgroup", group + 1, "memory.max");
    if (has_memory(controllers + 1))
        return limit_above(root, "/sys/fs/cgroup/memory", group + 1, "memory.limit_in_bytes");
    return UINT64_MAX;
}

uint64_t
leat_host_memory(const char *root)
{
    char line[LINE_BYTES];
    const uint64_t kib = figure_in(root, "/proc/meminfo", "MemTotal:");
    uint64_t bytes = kib <= UINT64_MAX / 1024 ? kib * 1024 : UINT64_MAX;
    FILE *const groups = open_at(root, "/proc/self/cgroup");
    while (groups != NULL && fgets(line, sizeof line, groups) != NULL) {
        const uint64_t limit = limit_of_line(root, line);
        if (limit < bytes)
            bytes = limit;
    }
    if (groups != NULL)
        (void)fclose(groups);
    return bytes == UINT64_MAX ? 0 : bytes;
}

void
leat_host_worker_name(char *out, size_t size)
{
    char host[65] = "";
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
        memcpy(host, "localhost", sizeof "localhost");
    (void)snprintf(out, size, "%s-%ld", host, (long)getpid());
}
