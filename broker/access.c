/* The keys directory. See access.h. */
#include "broker/access.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"

#define SETTLE_MS 100
#define WAIT_MS   10 /* between two looks of the ZAP handler at what is being read */
#define WAITS_MAX 40

struct entry {
    char public_key[LEAT_KEY_Z85_BYTES + 1];
    leat_principal principal;
};

struct leat_access {
    char dir[PATH_MAX - 32]; /* room for the names in it */
    leat_key own;
    pthread_mutex_t lock;  /* over entries and count, which the ZAP handler reads */
    struct entry *entries; /* owned; by public key */
    size_t count;
    uint64_t generation;
    struct timespec changed;    /* mtime of allowed/ when it was read */
    _Atomic int64_t changed_ns; /* the same, for the ZAP handler's thread */
    bool settled;               /* … and it was read long enough after that */
};

/* ------------------------------------------------------------------------------ reading */

static int
by_key(const void *a, const void *b)
{
    const struct entry *const x = a;
    const struct entry *const y = b;
    return strcmp(x->public_key, y->public_key);
}

/* 64 bits of a digest of the key: nobody makes a key that has those of another. */
static uint64_t
id_of(const char *public_key)
{
    uint8_t digest[crypto_generichash_BYTES_MIN];
    const int rc = crypto_generichash(digest, sizeof digest, (const uint8_t *)public_key,
                                      LEAT_KEY_Z85_BYTES, NULL, 0);
    assert(rc == 0);
    (void)rc;
    const uint64_t id = leat_load_u64(digest);
    return id == LEAT_PRINCIPAL_LOCAL ? 1 : id;
}

static bool
read_entry(const char *path, const char *name, struct entry *entry)
{
    leat_key key;
    char why[512] = "";
    leat_err err = leat_key_read(path, LEAT_KEY_OF_ALLOWED, &key, why);
    if (err == LEAT_ERR_OK && strcmp(key.name, name) != 0) {
        err = LEAT_ERR_CONFIG;
        (void)snprintf(why, sizeof why, "it holds the name \"%s\"", key.name);
    }
    if (err != LEAT_ERR_OK) {
        LEAT_LOG(LEAT_LOG_WARN, "access.file", "a file of allowed keys does not count",
                 LEAT_KV_TEXT("path", path), LEAT_KV_TEXT("why", why));
        return false;
    }
    const bool admin = key.role == LEAT_KEY_ADMIN;
    entry->principal = (leat_principal){
        .id = id_of(key.public_key),
        .may_ask = admin || key.role == LEAT_KEY_CLIENT,
        .may_work = admin || key.role == LEAT_KEY_WORKER,
    };
    (void)snprintf(entry->principal.name, sizeof entry->principal.name, "%s", key.name);
    (void)snprintf(entry->principal.role, sizeof entry->principal.role, "%s",
                   leat_key_role_name(key.role));
    (void)snprintf(entry->public_key, sizeof entry->public_key, "%s", key.public_key);
    return true;
}

static void
allowed_path(const leat_access *access, char path[PATH_MAX])
{
    (void)snprintf(path, PATH_MAX, "%s/%s", access->dir, LEAT_KEY_ALLOWED);
}

/* All of allowed/. NULL and *count 0 when there is nobody, or no memory. */
static struct entry *
read_all(const leat_access *access, size_t *count)
{
    char path[PATH_MAX];
    struct entry *entries = NULL;
    size_t capacity = 0;
    *count = 0;
    allowed_path(access, path);
    DIR *const dir = opendir(path);
    if (dir == NULL)
        return NULL;
    for (;;) {
        const struct dirent *const file = readdir(dir); /* NOLINT(concurrency-mt-unsafe): own dir */
        char file_path[PATH_MAX + 256];
        if (file == NULL)
            break;
        if (!leat_key_name_is_valid(file->d_name))
            continue; /* . and .., and what is being written */
        if (*count == capacity) {
            capacity = capacity == 0 ? 16 : capacity * 2;
            struct entry *const more = realloc(entries, capacity * sizeof *more);
            if (more == NULL)
                break;
            entries = more;
        }
        (void)snprintf(file_path, sizeof file_path, "%s/%s", path, file->d_name);
        if (read_entry(file_path, file->d_name, &entries[*count]))
            (*count)++;
    }
    (void)closedir(dir);
    if (*count > 1)
        qsort(entries, *count, sizeof *entries, by_key);
    return entries;
}

static struct timespec
mtime_of(const leat_access *access)
{
    char path[PATH_MAX];
    struct stat info;
    allowed_path(access, path);
    return stat(path, &info) == 0 ? info.st_mtim : (struct timespec){0};
}

static int64_t
ns_of(struct timespec time)
{
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static bool
are_same(const leat_access *access, const struct entry *entries, size_t count)
{
    if (count != access->count)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct entry *const old = &access->entries[i];
        if (strcmp(old->public_key, entries[i].public_key) != 0 ||
            strcmp(old->principal.name, entries[i].principal.name) != 0 ||
            strcmp(old->principal.role, entries[i].principal.role) != 0)
            return false;
    }
    return true;
}

/* True: somebody else is allowed than before. */
static bool
read_again(leat_access *access, struct timespec changed)
{
    size_t count;
    struct entry *entries = read_all(access, &count);
    const bool differs = access->generation == 0 || !are_same(access, entries, count);
    if (differs) {
        (void)pthread_mutex_lock(&access->lock);
        struct entry *const old = access->entries;
        access->entries = entries;
        access->count = count;
        (void)pthread_mutex_unlock(&access->lock);
        entries = old;
        access->generation++;
    }
    free(entries);
    access->changed = changed;
    atomic_store(&access->changed_ns, ns_of(changed));
    return differs;
}

leat_err
leat_access_open(const char *dir, leat_access **out, char why[512])
{
    char path[PATH_MAX];
    leat_access *access = calloc(1, sizeof *access);
    if (access == NULL)
        return LEAT_ERR_NOMEM;
    (void)pthread_mutex_init(&access->lock, NULL);
    (void)snprintf(access->dir, sizeof access->dir, "%s", dir);
    (void)snprintf(path, sizeof path, "%s/%s", access->dir, LEAT_KEY_BROKER_FILE);
    leat_err err = leat_key_read(path, LEAT_KEY_OF_BROKER, &access->own, why);
    if (err != LEAT_ERR_OK) {
        leat_access_close(&access);
        return err;
    }
    (void)read_again(access, mtime_of(access));
    *out = access;
    return LEAT_ERR_OK;
}

void
leat_access_close(leat_access **access_p)
{
    leat_access *const access = *access_p;
    if (access == NULL)
        return;
    leat_key_wipe(&access->own);
    (void)pthread_mutex_destroy(&access->lock);
    free(access->entries);
    free(access);
    *access_p = NULL;
}

bool
leat_access_refresh(leat_access *access, bool force)
{
    const struct timespec now = mtime_of(access);
    const bool same =
        now.tv_sec == access->changed.tv_sec && now.tv_nsec == access->changed.tv_nsec;
    /* File times are coarse: a second change may bear the time of the first. So it is read once
     * more when the time has moved on. */
    const int64_t age_ms =
        leat_clock_wall_ms() - ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    const bool settled = age_ms < 0 || age_ms > SETTLE_MS;
    if (!force && same && (access->settled || !settled))
        return false;
    access->settled = settled;
    return read_again(access, now);
}

/* ------------------------------------------------------------------------------ asking */

const leat_key *
leat_access_key(const leat_access *access)
{
    return &access->own;
}

uint64_t
leat_access_generation(const leat_access *access)
{
    return access->generation;
}

size_t
leat_access_count(leat_access *access)
{
    return access->count;
}

static const struct entry *
find(const leat_access *access, const char *public_key)
{
    struct entry wanted = {.public_key = ""};
    if (access->count == 0 || strlen(public_key) != LEAT_KEY_Z85_BYTES)
        return NULL;
    memcpy(wanted.public_key, public_key, LEAT_KEY_Z85_BYTES);
    return bsearch(&wanted, access->entries, access->count, sizeof wanted, by_key);
}

const leat_principal *
leat_access_find(leat_access *access, const char *public_key)
{
    const struct entry *const entry = find(access, public_key);
    return entry == NULL ? NULL : &entry->principal;
}

static bool
allows_now(leat_access *access, const char *public_key)
{
    (void)pthread_mutex_lock(&access->lock);
    const bool allowed = find(access, public_key) != NULL;
    (void)pthread_mutex_unlock(&access->lock);
    return allowed;
}

bool
leat_access_allows(leat_access *access, const char *public_key)
{
    const struct timespec pause = {.tv_nsec = WAIT_MS * 1000000L};
    bool allowed = allows_now(access, public_key);
    for (int i = 0; i < WAITS_MAX && !allowed; i++) {
        const struct timespec mtime = mtime_of(access);
        if (atomic_load(&access->changed_ns) == ns_of(mtime))
            break;
        (void)nanosleep(&pause, NULL);
        allowed = allows_now(access, public_key);
    }
    return allowed;
}

bool
leat_access_has(leat_access *access, uint64_t principal)
{
    for (size_t i = 0; i < access->count; i++) {
        if (access->entries[i].principal.id == principal)
            return true;
    }
    return false;
}
