/* Key files: making, reading and writing them. See key.h.
 *
 * Secrets pass through one buffer a call, which is wiped; no sentence ever shows a value. */
#include "proto/link/key.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zmq.h>

#include "proto/base/log.h"
#include "proto/link/link.h"

#define LETTERS    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define NAME_CHARS LETTERS "0123456789._-"
#define SHORT_Z85  8

/* ------------------------------------------------------------------------------ small things */

__attribute__((format(printf, 2, 3))) static void
explain(char why[LEAT_KEY_WHY_BYTES], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(why, LEAT_KEY_WHY_BYTES, format, arguments);
    va_end(arguments);
}

/* errno as a sentence about path. */
static leat_err
failed(char why[LEAT_KEY_WHY_BYTES], const char *path, const char *what)
{
    char reason[64];
    const int number = errno;
    explain(why, "%.300s: %s: %s", path, what, leat_log_errno_text(number, reason, sizeof reason));
    return leat_err_from_errno(number);
}

static const char *const role_names[] = {
    [LEAT_KEY_CLIENT] = "client",
    [LEAT_KEY_WORKER] = "worker",
    [LEAT_KEY_ADMIN] = "admin",
    [LEAT_KEY_BROKER] = "broker",
};

const char *
leat_key_role_name(leat_key_role role)
{
    return role_names[role];
}

bool
leat_key_role_from_name(const char *name, leat_key_role *role)
{
    for (leat_key_role r = LEAT_KEY_CLIENT; r <= LEAT_KEY_BROKER; r++) {
        if (strcmp(role_names[r], name) == 0) {
            *role = r;
            return true;
        }
    }
    return false;
}

bool
leat_key_name_is_valid(const char *name)
{
    const size_t size = strspn(name, NAME_CHARS);
    return size > 0 && size <= LEAT_KEY_NAME_BYTES_MAX && name[size] == '\0' && name[0] != '.' &&
           name[0] != '-';
}

bool
leat_key_z85_is_valid(const char *text)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 ".-:+=^!/*?&<>()[]{}@%$#";
    static_assert(sizeof digits == 85 + 1, "the digits of Z85");
    if (strlen(text) != LEAT_KEY_Z85_BYTES)
        return false;
    for (size_t i = 0; i < LEAT_KEY_Z85_BYTES; i += 5) {
        uint64_t group = 0;
        for (size_t j = i; j < i + 5; j++) {
            const char *const digit = strchr(digits, text[j]);
            if (digit == NULL)
                return false;
            group = group * 85 + (uint64_t)(digit - digits);
        }
        if (group > UINT32_MAX) /* five digits hold a little more than four bytes */
            return false;
    }
    return true;
}

const char *
leat_key_short(const char *public_key, char out[LEAT_KEY_SHORT_BYTES])
{
    (void)snprintf(out, LEAT_KEY_SHORT_BYTES, "%.*s\xe2\x80\xa6", SHORT_Z85, public_key);
    return out;
}

leat_err
leat_key_new(const char *name, leat_key_role role, leat_key *key)
{
    if (!leat_key_name_is_valid(name))
        return LEAT_ERR_CONFIG;
    *key = (leat_key){.role = role};
    memcpy(key->name, name, strlen(name) + 1);
    return zmq_curve_keypair(key->public_key, key->secret) == 0 ? LEAT_ERR_OK
                                                                : LEAT_ERR_UNSUPPORTED;
}

void
leat_key_wipe(leat_key *key)
{
    explicit_bzero(key, sizeof *key);
}

leat_err
leat_key_folder(char *out, size_t size)
{
    const char *const state = getenv("XDG_STATE_HOME"); /* NOLINT(concurrency-mt-unsafe) */
    const char *const home = getenv("HOME");            /* NOLINT(concurrency-mt-unsafe) */
    int used = -1;
    if (state != NULL && state[0] == '/')
        used = snprintf(out, size, "%s/leat/keys", state);
    else if (home != NULL && home[0] == '/')
        used = snprintf(out, size, "%s/.local/state/leat/keys", home);
    if (used < 0)
        return LEAT_ERR_NOT_FOUND;
    return (size_t)used < size ? LEAT_ERR_OK : LEAT_ERR_TOO_LARGE;
}

/* ----------------------------------------------------------------------------------- the text */

enum {
    FIELD_NAME,
    FIELD_ROLE,
    FIELD_PUBLIC,
    FIELD_SECRET,
    FIELD_BROKER_PUBLIC,
    FIELD_BROKER,
    FIELD_COUNT
};

static const char *const field_names[FIELD_COUNT] = {
    [FIELD_NAME] = "name",     [FIELD_ROLE] = "role",     [FIELD_PUBLIC] = "public",
    [FIELD_SECRET] = "secret", [FIELD_BROKER] = "broker", [FIELD_BROKER_PUBLIC] = "broker-public",
};

#define BIT(field) (1U << (field))

/* Which fields a kind of file must and may have. */
static const struct {
    unsigned must;
    unsigned may;
} kinds[] = {
    [LEAT_KEY_OF_PRINCIPAL] = {BIT(FIELD_NAME) | BIT(FIELD_ROLE) | BIT(FIELD_PUBLIC) |
                                   BIT(FIELD_SECRET) | BIT(FIELD_BROKER_PUBLIC),
                               BIT(FIELD_BROKER)                                                                 },
    [LEAT_KEY_OF_BROKER] = {BIT(FIELD_NAME) | BIT(FIELD_ROLE) | BIT(FIELD_PUBLIC) |
                                BIT(FIELD_SECRET),
                               0                                                                                 },
    [LEAT_KEY_OF_ALLOWED] = {BIT(FIELD_NAME) | BIT(FIELD_ROLE) | BIT(FIELD_PUBLIC),                           0},
};

typedef struct parser {
    leat_key *key;
    unsigned seen; /* bits of fields */
    unsigned line;
    char *why;
} parser;

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r'; /* a file that went through another system */
}

__attribute__((format(printf, 2, 3))) static leat_err
wrong_line(const parser *self, const char *format, ...)
{
    char what[LEAT_KEY_WHY_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    explain(self->why, "line %u: %.400s", self->line, what);
    return LEAT_ERR_CONFIG;
}

static leat_err
take_z85(const parser *self, const char *field, const char *value, char out[LEAT_KEY_Z85_BYTES + 1])
{
    if (!leat_key_z85_is_valid(value))
        return wrong_line(self, "%s: not a key of %u characters of Z85", field, LEAT_KEY_Z85_BYTES);
    memcpy(out, value, LEAT_KEY_Z85_BYTES + 1);
    return LEAT_ERR_OK;
}

static leat_err
take_broker(const parser *self, const char *value)
{
    char *endpoints[LEAT_LINK_ENDPOINTS_MAX] = {0};
    size_t count = 0;
    if (value[0] == '\0')
        return LEAT_ERR_OK;
    if (strlen(value) >= sizeof self->key->broker)
        return wrong_line(self, "broker: more than %u bytes", LEAT_URL_BYTES_MAX - 1);
    const leat_err err = leat_link_endpoints(value, endpoints, &count);
    for (size_t i = 0; i < count; i++)
        free(endpoints[i]);
    if (err == LEAT_ERR_NOMEM) {
        explain(self->why, "%s", leat_err_message(err));
        return err;
    }
    if (err != LEAT_ERR_OK)
        return wrong_line(self,
                          "broker: tcp://HOST:PORT or ipc://PATH, at most %d with commas "
                          "between",
                          LEAT_LINK_ENDPOINTS_MAX);
    memcpy(self->key->broker, value, strlen(value) + 1);
    return LEAT_ERR_OK;
}

static leat_err
take_field(const parser *self, int field, const char *value)
{
    leat_key *const key = self->key;
    switch (field) {
    case FIELD_NAME:
        if (!leat_key_name_is_valid(value))
            return wrong_line(self,
                              "name: 1 to %u letters, digits, '.', '_', '-', the first none of "
                              "'.' and '-'",
                              LEAT_KEY_NAME_BYTES_MAX);
        memcpy(key->name, value, strlen(value) + 1);
        return LEAT_ERR_OK;
    case FIELD_ROLE:
        if (!leat_key_role_from_name(value, &key->role))
            return wrong_line(self, "role: client, worker or admin");
        return LEAT_ERR_OK;
    case FIELD_PUBLIC:
        return take_z85(self, "public", value, key->public_key);
    case FIELD_SECRET:
        return take_z85(self, "secret", value, key->secret);
    case FIELD_BROKER_PUBLIC:
        return take_z85(self, "broker-public", value, key->broker_public);
    default:
        return take_broker(self, value);
    }
}

/* line is terminated, without its end; its bytes are changed. */
static leat_err
take_line(parser *self, char *line)
{
    while (is_blank(*line))
        line++;
    size_t size = strlen(line);
    while (size > 0 && is_blank(line[size - 1]))
        line[--size] = '\0';
    if (size == 0 || line[0] == '#')
        return LEAT_ERR_OK;

    char *const equals = strchr(line, '=');
    if (equals == NULL)
        return wrong_line(self, "no \"=\" in it");
    char *value = equals + 1;
    while (is_blank(*value))
        value++;
    char *end = equals;
    while (end > line && is_blank(end[-1]))
        end--;
    *end = '\0';
    for (int field = 0; field < FIELD_COUNT; field++) {
        if (strcmp(line, field_names[field]) != 0)
            continue;
        if ((self->seen & BIT(field)) != 0)
            return wrong_line(self, "\"%s\" stands there twice", field_names[field]);
        self->seen |= BIT(field);
        return take_field(self, field, value);
    }
    /* It may be a secret that has slipped: it is not shown. */
    return wrong_line(self, "no key of a key file (name, role, public, secret, broker-public, "
                            "broker)");
}

static leat_key_kind
kind_of(unsigned seen)
{
    if ((seen & (BIT(FIELD_BROKER_PUBLIC) | BIT(FIELD_BROKER))) != 0)
        return LEAT_KEY_OF_PRINCIPAL;
    return (seen & BIT(FIELD_SECRET)) != 0 ? LEAT_KEY_OF_BROKER : LEAT_KEY_OF_ALLOWED;
}

/* Does what was read make a key of this kind? */
static leat_err
check_whole(const parser *self, leat_key_kind kind)
{
    const leat_key *const key = self->key;
    if (kind == LEAT_KEY_OF_ANY)
        kind = kind_of(self->seen);
    for (int field = 0; field < FIELD_COUNT; field++) {
        if ((kinds[kind].must & ~self->seen & BIT(field)) != 0) {
            explain(self->why, "\"%s\" is missing%s", field_names[field],
                    field == FIELD_SECRET ? ": this is only the public half of a key" : "");
            return LEAT_ERR_CONFIG;
        }
        if ((self->seen & ~(kinds[kind].must | kinds[kind].may) & BIT(field)) != 0) {
            explain(self->why, "\"%s\" does not belong here: %s", field_names[field],
                    kind == LEAT_KEY_OF_BROKER ? "this is a principal's key, not the broker's"
                                               : "this file needs the public half only");
            return LEAT_ERR_CONFIG;
        }
    }
    if ((key->role == LEAT_KEY_BROKER) != (kind == LEAT_KEY_OF_BROKER) ||
        (kind == LEAT_KEY_OF_BROKER && strcmp(key->name, LEAT_KEY_BROKER_NAME) != 0)) {
        explain(self->why, kind == LEAT_KEY_OF_BROKER
                               ? "this is not a broker's key: its name and role are \"broker\""
                               : "a broker's key is not for principals (role = broker)");
        return LEAT_ERR_CONFIG;
    }
    char derived[LEAT_KEY_Z85_BYTES + 1] = "";
    if (key->secret[0] != '\0' &&
        (zmq_curve_public(derived, key->secret) != 0 || strcmp(derived, key->public_key) != 0)) {
        explain(self->why, "\"public\" and \"secret\" are not of one pair");
        return LEAT_ERR_CONFIG;
    }
    return LEAT_ERR_OK;
}

leat_err
leat_key_parse(
    const char *text, size_t size, leat_key_kind kind, leat_key *key, char why[LEAT_KEY_WHY_BYTES])
{
    leat_key fresh = {0};
    parser self = {.key = &fresh, .why = why};
    char copy[LEAT_KEY_FILE_BYTES_MAX + 1];
    leat_err err = LEAT_ERR_OK;
    why[0] = '\0';
    if (size > LEAT_KEY_FILE_BYTES_MAX) {
        explain(why, "longer than %u bytes: this is no key file", LEAT_KEY_FILE_BYTES_MAX);
        return LEAT_ERR_CONFIG;
    }
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (memchr(copy, '\0', size) != NULL) {
        explain(why, "has a zero byte: this is no key file");
        err = LEAT_ERR_CONFIG;
    }
    for (char *line = copy; err == LEAT_ERR_OK && *line != '\0';) {
        char *const end = line + strcspn(line, "\n");
        char *const next = *end == '\0' ? end : end + 1;
        *end = '\0';
        self.line++;
        err = take_line(&self, line);
        line = next;
    }
    if (err == LEAT_ERR_OK)
        err = check_whole(&self, kind);
    if (err == LEAT_ERR_OK)
        *key = fresh;
    leat_key_wipe(&fresh);
    explicit_bzero(copy, sizeof copy);
    return err;
}

/* The text of a file of this kind; its size. out has room for all of it. */
static size_t
format_key(const leat_key *key, leat_key_kind kind, char out[LEAT_KEY_FILE_BYTES_MAX])
{
    const char *const role = leat_key_role_name(key->role);
    int used = 0;
    if (kind == LEAT_KEY_OF_PRINCIPAL)
        used = snprintf(out, LEAT_KEY_FILE_BYTES_MAX,
                        "# Leat key of %s (%s). Whoever has this file is %s.\n", key->name, role,
                        key->name);
    else if (kind == LEAT_KEY_OF_BROKER)
        used = snprintf(out, LEAT_KEY_FILE_BYTES_MAX,
                        "# The broker's own key. Whoever has this file can be the broker.\n");
    used += snprintf(out + used, LEAT_KEY_FILE_BYTES_MAX - (size_t)used,
                     "name = %s\nrole = %s\npublic = %s\n", key->name, role, key->public_key);
    if (kind != LEAT_KEY_OF_ALLOWED)
        used += snprintf(out + used, LEAT_KEY_FILE_BYTES_MAX - (size_t)used, "secret = %s\n",
                         key->secret);
    if (kind == LEAT_KEY_OF_PRINCIPAL)
        used += snprintf(out + used, LEAT_KEY_FILE_BYTES_MAX - (size_t)used,
                         "broker-public = %s\nbroker = %s\n", key->broker_public, key->broker);
    return (size_t)used;
}

/* ------------------------------------------------------------------------------------ reading */

/* Up to size bytes of the file; -1: errno. */
static ssize_t
read_whole(int fd, char *out, size_t size)
{
    size_t used = 0;
    while (used < size) {
        const ssize_t n = read(fd, out + used, size - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        used += (size_t)n;
    }
    return (ssize_t)used;
}

static leat_err
open_file(const char *path, int *fd, char why[LEAT_KEY_WHY_BYTES])
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd >= 0)
        return LEAT_ERR_OK;
    if (errno == ENOENT || errno == ENOTDIR) {
        explain(why, "%.400s: there is no such key file", path);
        return LEAT_ERR_NOT_FOUND;
    }
    return failed(why, path, "the key file cannot be opened");
}

leat_err
leat_key_read(const char *path, leat_key_kind kind, leat_key *key, char why[LEAT_KEY_WHY_BYTES])
{
    char text[LEAT_KEY_FILE_BYTES_MAX + 1];
    char what[LEAT_KEY_WHY_BYTES];
    leat_key fresh = {0};
    struct stat info;
    ssize_t size = -1;
    int fd;
    why[0] = '\0';
    leat_err err = open_file(path, &fd, why);
    if (err != LEAT_ERR_OK)
        return err;
    if (fstat(fd, &info) != 0) {
        err = failed(why, path, "the key file cannot be read");
        goto done;
    }
    if (!S_ISREG(info.st_mode)) {
        explain(why, "%.400s: not a file", path);
        err = LEAT_ERR_CONFIG;
        goto done;
    }
    size = read_whole(fd, text, sizeof text);
    if (size < 0) {
        err = failed(why, path, "the key file cannot be read");
        goto done;
    }
    err = leat_key_parse(text, (size_t)size, kind, &fresh, what);
    if (err != LEAT_ERR_OK)
        explain(why, "%.200s: %.300s", path, what);
    else if (fresh.secret[0] != '\0' && (info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        explain(why, "%.200s: others than its owner may use it (mode %04o): chmod 600 %.200s", path,
                (unsigned)(info.st_mode & 07777), path);
        err = LEAT_ERR_DENIED;
    } else {
        *key = fresh;
    }

done:
    leat_key_wipe(&fresh);
    explicit_bzero(text, sizeof text);
    (void)close(fd);
    return err;
}

/* ------------------------------------------------------------------------------------ writing */

static bool
write_whole(int fd, const char *text, size_t size)
{
    for (size_t used = 0; used < size;) {
        const ssize_t n = write(fd, text + used, size - used);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            used += (size_t)n;
    }
    return true;
}

/* The folder of path, with its last "/"; "" for the one we are in. */
static bool
folder_of(const char *path, char out[PATH_MAX])
{
    const char *const slash = strrchr(path, '/');
    const size_t size = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    if (size >= PATH_MAX)
        return false;
    memcpy(out, path, size);
    out[size] = '\0';
    return true;
}

/* Without this a power cut may leave the folder without the new name. */
static void
sync_folder(const char *folder)
{
    const int fd = open(folder[0] == '\0' ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    (void)close(fd);
}

/* Give the finished file its name. errno: EEXIST where mode does not allow to replace. */
static bool
rename_to(const char *beside, const char *path, leat_key_write_mode mode)
{
    if (mode == LEAT_KEY_WRITE_REPLACE)
        return rename(beside, path) == 0;
    if (renameat2(AT_FDCWD, beside, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return true;
    /* Not every file system knows how: there a link fails where a rename would replace. */
    return errno == EINVAL && link(beside, path) == 0 && unlink(beside) == 0;
}

leat_err
leat_key_write(const char *path,
               leat_key_kind kind,
               const leat_key *key,
               leat_key_write_mode mode,
               char why[LEAT_KEY_WHY_BYTES])
{
    char folder[PATH_MAX];
    char beside[PATH_MAX + 32];
    char text[LEAT_KEY_FILE_BYTES_MAX];
    leat_err err = LEAT_ERR_OK;
    why[0] = '\0';
    if (!folder_of(path, folder)) {
        explain(why, "%.400s: the path is too long", path);
        return LEAT_ERR_TOO_LARGE;
    }
    (void)snprintf(beside, sizeof beside, "%s.key-XXXXXX", folder);
    const int fd = mkostemp(beside, O_CLOEXEC); /* 0600 */
    if (fd < 0)
        return failed(why, path, "the key file cannot be written");
    const size_t size = format_key(key, kind, text);
    const mode_t bits = kind == LEAT_KEY_OF_ALLOWED ? 0644 : 0600;
    const bool is_written = write_whole(fd, text, size) && fchmod(fd, bits) == 0 && fsync(fd) == 0;
    explicit_bzero(text, sizeof text);
    if (!is_written)
        err = failed(why, path, "the key file cannot be written");
    (void)close(fd);
    if (err != LEAT_ERR_OK)
        goto done;
    if (rename_to(beside, path, mode)) {
        sync_folder(folder);
    } else if (errno == EEXIST) {
        explain(why, "%.400s: the file exists already", path);
        err = LEAT_ERR_IN_USE;
    } else {
        err = failed(why, path, "the key file cannot be written");
    }

done:
    if (err != LEAT_ERR_OK)
        (void)unlink(beside);
    return err;
}
