/* Control groups, found by /proc/self/mountinfo and /proc/self/cgroup. See cgroup.h. */
#include "worker/runner/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/log.h"

#define MAKE_TRIES 10

static bool
write_file(const char *folder, const char *name, const char *text)
{
    char path[LEAT_CGROUP_BYTES + 64];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return written;
}

static bool
has_file(const char *folder, const char *name)
{
    char path[LEAT_CGROUP_BYTES + 64];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, W_OK) == 0;
}

/* Does the list "a,b,c" hold the word? */
static bool
lists(const char *list, const char *word)
{
    const size_t size = strlen(word);
    for (const char *at = list; *at != '\0'; at += strspn(at, ",")) {
        const size_t part = strcspn(at, ",\n");
        if (part == size && memcmp(at, word, size) == 0)
            return true;
        at += part;
        if (*at == '\n')
            break;
    }
    return false;
}

/* Where this process is below the mount: "" for version 2, else the controller's name. */
static bool
own_place(const char *controller, char *out, size_t size)
{
    char line[LEAT_CGROUP_BYTES];
    bool found = false;
    FILE *const file = fopen("/proc/self/cgroup", "re");
    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        char *const list = strchr(line, ':');
        char *const place = list == NULL ? NULL : strchr(list + 1, ':');
        if (place == NULL)
            continue;
        *place = '\0';
        if (*controller == '\0' ? list[1] == '\0' : lists(list + 1, controller)) {
            place[1 + strcspn(place + 1, "\n")] = '\0';
            (void)snprintf(out, size, "%s", strcmp(place + 1, "/") == 0 ? "" : place + 1);
            found = true;
        }
    }
    (void)fclose(file);
    return found;
}

/* The mount point of a line of mountinfo whose file system is `type` and whose last field lists
 * `option` ("": any). */
static bool
mount_point(const char *type, const char *option, char *out, size_t size)
{
    char line[1024];
    bool found = false;
    FILE *const file = fopen("/proc/self/mountinfo", "re");
    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        char point[256];
        char got_type[32];
        char options[256];
        const char *const behind = strstr(line, " - ");
        if (behind == NULL || sscanf(line, "%*s %*s %*s %*s %255s", point) != 1 ||
            sscanf(behind, " - %31s %*s %255s", got_type, options) != 2)
            continue;
        if (strcmp(got_type, type) == 0 && (*option == '\0' || lists(options, option))) {
            (void)snprintf(out, size, "%s", point);
            found = true;
        }
    }
    (void)fclose(file);
    return found;
}

/* The worker's own group in one hierarchy, if a group can be made in it. */
static bool
try_hierarchy(leat_cgroup *out, const char *type, const char *controller)
{
    char point[256];
    char place[192];
    if (!mount_point(type, controller, point, sizeof point) ||
        !own_place(controller, place, sizeof place))
        return false;
    (void)snprintf(out->parent, sizeof out->parent, "%s%s", point, place);
    const int size =
        snprintf(out->own, sizeof out->own, "%.440s/leat-%ld", out->parent, (long)getpid());
    if (size >= (int)sizeof out->own || !has_file(out->parent, "cgroup.procs") ||
        (mkdir(out->own, 0755) != 0 && errno != EEXIST)) {
        out->own[0] = '\0';
        return false;
    }
    /* Version 2 hands a controller down only where it is told to, and not beside processes. */
    if (*controller == '\0')
        (void)write_file(out->parent, "cgroup.subtree_control", "+pids");
    out->counts = has_file(out->own, "pids.max");
    /* It can be made. The first keeper makes it again: nothing is left of a worker without any. */
    (void)rmdir(out->own);
    return true;
}

void
leat_cgroup_open(leat_cgroup *out, char why[128])
{
    leat_cgroup other = {0};
    *out = (leat_cgroup){0};
    why[0] = '\0';
    if (try_hierarchy(out, "cgroup2", "") && out->counts)
        return;
    /* Version 1 beside it may be able to count. */
    if (try_hierarchy(&other, "cgroup", "pids") && other.counts) {
        leat_cgroup_close(out);
        *out = other;
        return;
    }
    if (out->own[0] == '\0')
        (void)snprintf(why, 128, "this user may make no control groups");
}

void
leat_cgroup_close(leat_cgroup *cgroup)
{
    if (cgroup->own[0] != '\0')
        (void)rmdir(cgroup->own);
    *cgroup = (leat_cgroup){0};
}

void
leat_cgroup_bound(const char *path, uint64_t processes, bool is_held)
{
    char text[32];
    /* The keeper is one of them. */
    (void)snprintf(text, sizeof text, "%" PRIu64, processes + 1);
    (void)write_file(path, "pids.max", is_held ? "0" : processes == 0 ? "max" : text);
}

/* The worker's group and the keeper's; another keeper that leaves may take away the first between.
 */
static bool
make_both(const char *own, const char *path)
{
    for (int i = 0; i < MAKE_TRIES; i++) {
        if (mkdir(own, 0755) != 0 && errno != EEXIST)
            return false;
        (void)write_file(own, "cgroup.subtree_control", "+pids"); /* version 2 */
        if (mkdir(path, 0755) == 0 || errno == EEXIST)
            return true;
        if (errno != ENOENT)
            return false;
    }
    return false;
}

bool
leat_cgroup_enter(const char *own, uint32_t number, uint64_t processes, char out[LEAT_CGROUP_BYTES])
{
    char text[32];
    const int size = snprintf(out, LEAT_CGROUP_BYTES, "%.480s/%" PRIu32, own, number);
    if (size >= (int)LEAT_CGROUP_BYTES || !make_both(own, out)) {
        out[0] = '\0';
        return false;
    }
    (void)snprintf(text, sizeof text, "%ld", (long)getpid());
    if (!write_file(out, "cgroup.procs", text)) {
        (void)rmdir(out);
        out[0] = '\0';
        return false;
    }
    leat_cgroup_bound(out, processes, false);
    return true;
}

void
leat_cgroup_leave(const char *path)
{
    char above[LEAT_CGROUP_BYTES];
    char text[32];
    (void)snprintf(above, sizeof above, "%.511s", path);
    (void)snprintf(text, sizeof text, "%ld", (long)getpid());
    for (int i = 0; i < 2; i++) {
        char *const slash = strrchr(above, '/');
        if (slash == NULL)
            return;
        *slash = '\0';
    }
    if (!write_file(above, "cgroup.procs", text))
        return;
    (void)rmdir(path);
    (void)snprintf(above, sizeof above, "%.511s", path);
    *strrchr(above, '/') = '\0';
    (void)rmdir(above);
}
