/* What the kernel tells of processes. */
#include "client/cli/usage.h"

#include <ctype.h>
#include <errno.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 512

double
leat_usage_cpu_s(pid_t pid)
{
    clockid_t clock;
    struct timespec used;
    if (pid <= 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return 0;
    return (double)used.tv_sec + (double)used.tv_nsec * 1e-9;
}

/* A line "KEY:   123 kB" of the process's status. */
static uint64_t
status_bytes(pid_t pid, const char *key)
{
    char path[64];
    char line[LINE_BYTES];
    uint64_t bytes = 0;
    const size_t key_size = strlen(key);
    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    FILE *const file = fopen(path, "re");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, key_size) == 0 && line[key_size] == ':') {
            bytes = strtoull(line + key_size + 1, NULL, 10) * 1024;
            break;
        }
    }
    (void)fclose(file);
    return bytes;
}

uint64_t
leat_usage_peak_bytes(pid_t pid)
{
    return status_bytes(pid, "VmHWM");
}

uint64_t
leat_usage_own_bytes(pid_t pid)
{
    return status_bytes(pid, "RssAnon") + status_bytes(pid, "RssShmem");
}

static void
processor(char out[LINE_BYTES])
{
    char line[LINE_BYTES];
    (void)snprintf(out, LINE_BYTES, "unknown processor");
    FILE *const file = fopen("/proc/cpuinfo", "re");
    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        const char *const colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            const char *const name = colon + 1 + strspn(colon + 1, " ");
            (void)snprintf(out, LINE_BYTES, "%.*s", (int)strcspn(name, "\n"), name);
            break;
        }
    }
    (void)fclose(file);
}

void
leat_usage_machine(char *out, size_t size)
{
    char model[LINE_BYTES];
    struct utsname system;
    processor(model);
    if (uname(&system) != 0)
        memset(&system, 0, sizeof system);
    (void)snprintf(out, size, "%ld x %s, %s %s %s", sysconf(_SC_NPROCESSORS_ONLN), model,
                   system.sysname, system.release, system.machine);
}

bool
leat_usage_is_in_memory(const char *folder)
{
    struct statfs info;
    return statfs(folder, &info) == 0 && (info.f_type == TMPFS_MAGIC || info.f_type == RAMFS_MAGIC);
}

bool
leat_usage_pin(const char *cores)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    errno = 0;
    for (const char *p = cores;; p++) {
        char *end;
        if (!isdigit((unsigned char)*p))
            return false;
        unsigned long first = strtoul(p, &end, 10);
        unsigned long last = first;
        if (*end == '-' && isdigit((unsigned char)end[1]))
            last = strtoul(end + 1, &end, 10);
        if (last >= CPU_SETSIZE || first > last || (*end != ',' && *end != '\0')) {
            errno = 0;
            return false;
        }
        for (; first <= last; first++)
            CPU_SET(first, &set);
        if (*end == '\0')
            break;
        p = end;
    }
    return sched_setaffinity(0, sizeof set, &set) == 0;
}
