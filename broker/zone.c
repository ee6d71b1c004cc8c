/* The clocks of a named time zone. See zone.h. */
#include "broker/zone.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/tzif.h"

/* What of a name or a variable may stand in a sentence, and around it. */
#define SHOWN_BYTES   (LEAT_ZONE_NAME_BYTES_MAX + 1)
#define SUBJECT_BYTES (SHOWN_BYTES + 12) /* time zone "…" */

/* What was asked for. All pointers are borrowed. */
typedef struct request {
    int64_t from_s; /* the table's beginning */
    int64_t upto_s;
    leat_zone_change *out;
    uint32_t max;
    uint32_t count; /* the answer */
    char *why;      /* LEAT_ZONE_WHY_BYTES */
} request;

/* text in out, cut off and printable: names come from clients. */
static const char *
show(const char *text, char out[SHOWN_BYTES])
{
    size_t i = 0;
    for (; text[i] != '\0' && i < SHOWN_BYTES - 1; i++)
        out[i] = (char)(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
    out[i] = '\0';
    return out;
}

bool
leat_zone_name_is_valid(const char *name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-";
    if (strnlen(name, LEAT_ZONE_NAME_BYTES_MAX + 1) > LEAT_ZONE_NAME_BYTES_MAX)
        return false;
    for (;;) {
        const size_t size = strspn(name, letters);
        if (size == 0)
            return false; /* nothing, or a `/` too many */
        name += size;
        if (*name != '/')
            return *name == '\0';
        name++;
    }
}

static leat_err
read_utc(request *self)
{
    self->out[0] = (leat_zone_change){.from_s = self->from_s, .offset_s = 0};
    self->count = 1;
    return LEAT_ERR_OK;
}

/* All bytes of fd; *size comes as 0. */
static leat_err
read_bytes(int fd, uint8_t data[LEAT_ZONE_FILE_BYTES_MAX + 1], size_t *size)
{
    ssize_t n;
    do {
        n = read(fd, data + *size, LEAT_ZONE_FILE_BYTES_MAX + 1 - *size);
        if (n < 0) /* "Europe" is a folder of zones */
            return errno == EISDIR ? LEAT_ERR_NOT_FOUND : leat_err_from_errno(errno);
        *size += (size_t)n;
    } while (n > 0 && *size <= LEAT_ZONE_FILE_BYTES_MAX);
    return n > 0 ? LEAT_ERR_TOO_LARGE : LEAT_ERR_OK;
}

/* The file at path. LEAT_ERR_NOT_FOUND comes without a sentence; the others have one that begins
 * with the subject. */
static leat_err
read_path(request *self, const char *path, const char *subject)
{
    uint8_t data[LEAT_ZONE_FILE_BYTES_MAX + 1]; /* the extra byte tells "exactly full" */
    char words[LEAT_TZIF_WHY_BYTES];
    size_t size = 0;
    /* Without waiting: a name may be that of a pipe. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    leat_err err = fd < 0 ? leat_err_from_errno(errno) : read_bytes(fd, data, &size);
    if (fd >= 0)
        (void)close(fd);
    if (err == LEAT_ERR_NOT_FOUND)
        return err;
    if (err != LEAT_ERR_OK) {
        (void)snprintf(self->why, LEAT_ZONE_WHY_BYTES, "%s can not be read: %s", subject,
                       leat_err_message(err));
        return err;
    }
    err = leat_tzif_read(data, size, self->from_s, self->upto_s, self->out, self->max, &self->count,
                         words);
    if (err != LEAT_ERR_OK)
        (void)snprintf(self->why, LEAT_ZONE_WHY_BYTES, "%s %s", subject, words);
    return err;
}

static leat_err
read_name(request *self, const char *dir, const char *name, const char *subject)
{
    char path[PATH_MAX];
    if (strcmp(name, "UTC") == 0)
        return read_utc(self);
    const int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    assert(n > 0 && (size_t)n < sizeof path);
    return read_path(self, path, subject);
}

/* What TZ names: a path, a file, a rule, in the order in which libc looks. */
static leat_err
read_tz(request *self, const char *dir, const char *tz)
{
    char shown[SHOWN_BYTES];
    char subject[SUBJECT_BYTES];
    char words[LEAT_TZIF_WHY_BYTES];
    leat_err err = LEAT_ERR_NOT_FOUND;
    const char *const name = tz[0] == ':' ? tz + 1 : tz;
    if (name[0] == '\0')
        return read_utc(self);
    (void)snprintf(subject, sizeof subject, "TZ \"%s\"", show(tz, shown));
    if (name[0] == '/')
        err = read_path(self, name, subject);
    else if (leat_zone_name_is_valid(name))
        err = read_name(self, dir, name, subject);
    if (err == LEAT_ERR_NOT_FOUND) {
        err = leat_tzif_read_rule(name, strlen(name), self->from_s, self->upto_s, self->out,
                                  self->max, &self->count, words);
        if (err == LEAT_ERR_CORRUPT) {
            (void)snprintf(self->why, LEAT_ZONE_WHY_BYTES,
                           "%s is no time zone on this machine (package tzdata)", subject);
            return LEAT_ERR_NOT_FOUND;
        }
        if (err != LEAT_ERR_OK)
            (void)snprintf(self->why, LEAT_ZONE_WHY_BYTES, "%s %s", subject, words);
    }
    return err;
}

static leat_err
read_local(request *self, const leat_zone_source *source)
{
    struct stat status;
    char shown[SHOWN_BYTES];
    if (source->tz != NULL)
        return read_tz(self, source->dir, source->tz);

    const leat_err err = read_path(self, source->local_path, show(source->local_path, shown));
    if (err != LEAT_ERR_NOT_FOUND)
        return err;
    /* Without the file the machine's time is UTC. A link to a zone that is not there is something
     * else: somebody wanted another one. */
    if (lstat(source->local_path, &status) != 0)
        return read_utc(self);
    (void)snprintf(self->why, LEAT_ZONE_WHY_BYTES, "%s leads to no time zone (package tzdata)",
                   shown);
    return LEAT_ERR_NOT_FOUND;
}

static leat_err
read_named(request *self, const leat_zone_source *source, const char *name)
{
    char shown[SHOWN_BYTES];
    char subject[SUBJECT_BYTES];
    (void)snprintf(subject, sizeof subject, "time zone \"%s\"", show(name, shown));
    if (!leat_zone_name_is_valid(name)) {
        (void)snprintf(self->why, LEAT_ZONE_WHY_BYTES, "\"%s\" is no name of a time zone", shown);
        return LEAT_ERR_CONFIG;
    }
    const leat_err err = read_name(self, source->dir, name, subject);
    if (err == LEAT_ERR_NOT_FOUND)
        (void)snprintf(self->why, LEAT_ZONE_WHY_BYTES, "no %s on this machine (package tzdata)",
                       subject);
    return err;
}

leat_err
leat_zone_read_from(const leat_zone_source *source,
                    const char *name,
                    int64_t from_s,
                    int64_t upto_s,
                    leat_zone_change *out,
                    uint32_t max,
                    uint32_t *count,
                    char why[LEAT_ZONE_WHY_BYTES])
{
    request wanted = {.from_s = from_s - LEAT_ZONE_BEFORE_S,
                      .upto_s = upto_s,
                      .out = out,
                      .max = max,
                      .why = why};
    assert(from_s >= 0 && from_s <= upto_s && upto_s <= LEAT_CRON_S_MAX);
    assert(max >= 1);

    why[0] = '\0';
    const leat_err err = strcmp(name, "local") == 0 ? read_local(&wanted, source)
                                                    : read_named(&wanted, source, name);
    if (err == LEAT_ERR_OK)
        *count = wanted.count;
    return err;
}

leat_err
leat_zone_read(const char *name,
               int64_t from_s,
               int64_t upto_s,
               leat_zone_change *out,
               uint32_t max,
               uint32_t *count,
               char why[LEAT_ZONE_WHY_BYTES])
{
    const leat_zone_source machine = {
        .dir = "/usr/share/zoneinfo",
        .local_path = "/etc/localtime",
        .tz = getenv("TZ"), /* NOLINT(concurrency-mt-unsafe): nobody here sets it */
    };
    return leat_zone_read_from(&machine, name, from_s, upto_s, out, max, count, why);
}
