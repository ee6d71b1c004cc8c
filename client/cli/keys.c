/* The keys directory. See keys.h. */
#include "client/cli/keys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/log.h"
#include "proto/link/link.h"

#define ENTRIES_MAX 100000U

/* --------------------------------------------------------------------------------- failing */

int
leat_keys_failed(const leat_cli *cli, leat_err err, const char *why)
{
    int code = LEAT_EXIT_LEAT;
    if (err == LEAT_ERR_DENIED)
        code = LEAT_EXIT_DENIED;
    else if (err == LEAT_ERR_NOT_FOUND)
        code = LEAT_EXIT_NOT_FOUND;
    else if (err == LEAT_ERR_CONFIG)
        code = LEAT_EXIT_USAGE;
    return leat_cli_fail(cli, code, err == LEAT_ERR_IN_USE ? "EXISTS" : leat_err_name(err), NULL,
                         "%s", why);
}

static int
too_long(const leat_cli *cli)
{
    return leat_cli_fail(cli, LEAT_EXIT_LEAT, "TOO_LARGE", NULL,
                         "the path of the keys directory is too long");
}

/* errno as a sentence about path. */
static int
cannot(const leat_cli *cli, const char *what, const char *path)
{
    char reason[64];
    const int number = errno;
    const leat_err err = leat_err_from_errno(number);
    return leat_cli_fail(cli, err == LEAT_ERR_DENIED ? LEAT_EXIT_DENIED : LEAT_EXIT_LEAT,
                         leat_err_name(err), NULL, "cannot %s %s: %s", what, path,
                         leat_log_errno_text(number, reason, sizeof reason));
}

/* ------------------------------------------------------------------------------ the folder */

int
leat_keys_folder(const leat_cli *cli, char out[LEAT_PATH_BYTES])
{
    char state[LEAT_PATH_BYTES];
    char why[512];
    const char *const told = leat_options_text(cli->options, "keys");
    leat_err err = LEAT_ERR_OK;
    if (told == NULL)
        err = leat_state_folder(false, state, why);
    if (err != LEAT_ERR_OK)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_FOLDER", "Say where: --keys DIR", "%s", why);
    if (told != NULL)
        err = strlen(told) < LEAT_PATH_BYTES ? LEAT_ERR_OK : LEAT_ERR_TOO_LARGE;
    else
        err = leat_path_join(state, "keys", out, LEAT_PATH_BYTES);
    if (err != LEAT_ERR_OK)
        return too_long(cli);
    if (told != NULL)
        memcpy(out, told, strlen(told) + 1);
    return LEAT_EXIT_OK;
}

int
leat_keys_prepare(const leat_cli *cli, const char *folder, leat_key *broker)
{
    char path[LEAT_PATH_BYTES];
    char why[LEAT_KEY_WHY_BYTES];
    if (leat_path_join(folder, LEAT_KEY_ALLOWED, path, sizeof path) != LEAT_ERR_OK)
        return too_long(cli);
    if (leat_path_make(path, 0700) != LEAT_ERR_OK)
        return cannot(cli, "make the folder", path);
    if (leat_path_join(folder, LEAT_KEY_BROKER_FILE, path, sizeof path) != LEAT_ERR_OK)
        return too_long(cli);
    leat_err err = leat_key_read(path, LEAT_KEY_OF_BROKER, broker, why);
    if (err != LEAT_ERR_NOT_FOUND)
        return err == LEAT_ERR_OK ? LEAT_EXIT_OK : leat_keys_failed(cli, err, why);

    err = leat_key_new(LEAT_KEY_BROKER_NAME, LEAT_KEY_BROKER, broker);
    if (err != LEAT_ERR_OK)
        return leat_keys_failed(cli, err, "libzmq was built without CURVE: there can be no keys");
    err = leat_key_write(path, LEAT_KEY_OF_BROKER, broker, LEAT_KEY_WRITE_NEW, why);
    if (err == LEAT_ERR_IN_USE) /* somebody else made it in this moment */
        err = leat_key_read(path, LEAT_KEY_OF_BROKER, broker, why);
    else if (err == LEAT_ERR_OK)
        leat_cli_say(cli, "the broker has a key now: %s", path);
    return err == LEAT_ERR_OK ? LEAT_EXIT_OK : leat_keys_failed(cli, err, why);
}

/* -------------------------------------------------------------------------- who is allowed */

int
leat_keys_path(const leat_cli *cli, const char *folder, const char *name, char out[LEAT_PATH_BYTES])
{
    char allowed[LEAT_PATH_BYTES];
    if (!leat_key_name_is_valid(name))
        return leat_cli_usage(cli,
                              "\"%.80s\" is no name for a key: 1 to %u letters, digits, '.', '_', "
                              "'-', the first none of '.' and '-'",
                              name, LEAT_KEY_NAME_BYTES_MAX);
    if (leat_path_join(folder, LEAT_KEY_ALLOWED, allowed, sizeof allowed) != LEAT_ERR_OK ||
        leat_path_join(allowed, name, out, LEAT_PATH_BYTES) != LEAT_ERR_OK)
        return too_long(cli);
    return LEAT_EXIT_OK;
}

/* One file of allowed/. false: it does not count, and why says why. */
static bool
read_entry(const char *path, const char *name, leat_keys_entry *entry, char why[LEAT_KEY_WHY_BYTES])
{
    struct stat info;
    if (leat_key_read(path, LEAT_KEY_OF_ALLOWED, &entry->key, why) != LEAT_ERR_OK)
        return false;
    if (strcmp(entry->key.name, name) != 0) {
        (void)snprintf(why, LEAT_KEY_WHY_BYTES, "%.300s: it holds another name, %s", path,
                       entry->key.name);
        return false;
    }
    entry->since_ms = 0;
    if (stat(path, &info) == 0)
        entry->since_ms = (int64_t)info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000;
    return true;
}

static int
by_name(const void *a, const void *b)
{
    const leat_keys_entry *const x = a;
    const leat_keys_entry *const y = b;
    return strcmp(x->key.name, y->key.name);
}

/* Room for one more. false: no memory, or too many. */
static bool
grow(leat_keys_entry **entries, size_t *room, size_t count)
{
    if (count < *room)
        return true;
    const size_t more = *room == 0 ? 16 : *room * 2;
    leat_keys_entry *const bigger =
        more > ENTRIES_MAX ? NULL : reallocarray(*entries, more, sizeof **entries);
    if (bigger == NULL)
        return false;
    *entries = bigger;
    *room = more;
    return true;
}

int
leat_keys_list(const leat_cli *cli,
               const char *folder,
               leat_keys_entry **entries,
               size_t *count,
               void (*bad)(const leat_cli *cli, const char *why))
{
    char path[LEAT_PATH_BYTES];
    char why[LEAT_KEY_WHY_BYTES];
    size_t room = 0;
    int code = LEAT_EXIT_OK;
    *entries = NULL;
    *count = 0;
    if (leat_path_join(folder, LEAT_KEY_ALLOWED, path, sizeof path) != LEAT_ERR_OK)
        return too_long(cli);
    DIR *const dir = opendir(path);
    if (dir == NULL)
        return errno == ENOENT ? LEAT_EXIT_OK : cannot(cli, "read the folder", path);
    for (;;) {
        const struct dirent *const one = readdir(dir); /* NOLINT(concurrency-mt-unsafe): own dir */
        if (one == NULL)
            break;
        if (one->d_name[0] == '.') /* also what is just being written */
            continue;
        if (!leat_key_name_is_valid(one->d_name)) {
            (void)snprintf(why, sizeof why, "%.200s/%.200s: no name for a key", path, one->d_name);
        } else if (!grow(entries, &room, *count)) {
            code = leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
            break;
        } else {
            code = leat_keys_path(cli, folder, one->d_name, path);
            if (code != LEAT_EXIT_OK)
                break;
            const bool counts = read_entry(path, one->d_name, &(*entries)[*count], why);
            *strrchr(path, '/') = '\0';
            if (counts) {
                (*count)++;
                continue;
            }
        }
        if (bad != NULL)
            bad(cli, why);
    }
    (void)closedir(dir);
    if (*count > 0)
        qsort(*entries, *count, sizeof **entries, by_name);
    return code;
}

/* Is there another key of this name, or this key under another name? */
static int
check_free(const leat_cli *cli, const char *folder, const leat_key *key)
{
    leat_keys_entry *entries;
    size_t count;
    int code = leat_keys_list(cli, folder, &entries, &count, NULL);
    for (size_t i = 0; i < count && code == LEAT_EXIT_OK; i++) {
        const bool same_name = strcmp(entries[i].key.name, key->name) == 0;
        const bool same_key = strcmp(entries[i].key.public_key, key->public_key) == 0;
        char hint[128];
        (void)snprintf(hint, sizeof hint, "Take it away first: leat key revoke %s",
                       entries[i].key.name);
        if (same_name && !same_key)
            code = leat_cli_fail(cli, LEAT_EXIT_LEAT, "EXISTS", hint,
                                 "another key has the name \"%s\" already", key->name);
        else if (same_key && !same_name)
            code = leat_cli_fail(cli, LEAT_EXIT_LEAT, "EXISTS", hint,
                                 "this key is allowed already, as \"%s\"", entries[i].key.name);
    }
    free(entries);
    return code;
}

int
leat_keys_allow(const leat_cli *cli, const char *folder, const leat_key *key)
{
    char path[LEAT_PATH_BYTES];
    char why[LEAT_KEY_WHY_BYTES];
    int code = leat_keys_path(cli, folder, key->name, path);
    if (code == LEAT_EXIT_OK)
        code = check_free(cli, folder, key);
    if (code != LEAT_EXIT_OK)
        return code;
    const leat_err err =
        leat_key_write(path, LEAT_KEY_OF_ALLOWED, key, LEAT_KEY_WRITE_REPLACE, why);
    return err == LEAT_ERR_OK ? LEAT_EXIT_OK : leat_keys_failed(cli, err, why);
}

int
leat_keys_revoke(const leat_cli *cli, const char *folder, const char *name)
{
    char path[LEAT_PATH_BYTES];
    const int code = leat_keys_path(cli, folder, name, path);
    if (code != LEAT_EXIT_OK)
        return code;
    if (unlink(path) != 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            return cannot(cli, "remove", path);
        return leat_cli_fail(cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND", "Who is allowed: leat key ls",
                             "no key \"%s\" is allowed (looked in %s)", name, folder);
    }
    /* A power cut must not bring it back. */
    *strrchr(path, '/') = '\0';
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
    return LEAT_EXIT_OK;
}

int
leat_keys_new(const leat_cli *cli,
              const char *folder,
              const leat_key *broker,
              leat_key *made,
              const char *path,
              leat_key_write_mode mode)
{
    char why[LEAT_KEY_WHY_BYTES];
    leat_key key;
    leat_err err = leat_key_new(made->name, made->role, &key);
    if (err != LEAT_ERR_OK)
        return leat_keys_failed(cli, err, leat_err_message(err));
    memcpy(key.broker_public, broker->public_key, sizeof key.broker_public);
    memcpy(key.broker, made->broker, sizeof key.broker);
    int code = check_free(cli, folder, &key);
    if (code != LEAT_EXIT_OK)
        goto done;
    err = leat_key_write(path, LEAT_KEY_OF_PRINCIPAL, &key, mode, why);
    if (err != LEAT_ERR_OK) {
        code = leat_keys_failed(cli, err, why);
        goto done;
    }
    code = leat_keys_allow(cli, folder, &key);
    if (code != LEAT_EXIT_OK)
        (void)unlink(path); /* a key that nobody lets in helps nobody */

done:
    explicit_bzero(key.secret, sizeof key.secret);
    *made = key;
    return code;
}

/* -------------------------------------------------------------------------- the address */

void
leat_keys_address(const char *folder, char out[LEAT_URL_BYTES_MAX])
{
    char path[LEAT_PATH_BYTES];
    out[0] = '\0';
    if (leat_path_join(folder, LEAT_KEY_ADDRESS_FILE, path, sizeof path) != LEAT_ERR_OK)
        return;
    FILE *const file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fgets(out, LEAT_URL_BYTES_MAX, file) == NULL)
        out[0] = '\0';
    (void)fclose(file);
    out[strcspn(out, "\r\n")] = '\0';
    if (!leat_link_endpoint_is_valid(out))
        out[0] = '\0';
}

int
leat_keys_set_address(const leat_cli *cli, const char *folder, const char *url)
{
    char path[LEAT_PATH_BYTES];
    char fresh[LEAT_PATH_BYTES];
    if (leat_path_join(folder, LEAT_KEY_ADDRESS_FILE, path, sizeof path) != LEAT_ERR_OK ||
        leat_path_join(folder, "." LEAT_KEY_ADDRESS_FILE, fresh, sizeof fresh) != LEAT_ERR_OK)
        return too_long(cli);
    FILE *const file = fopen(fresh, "we");
    if (file == NULL)
        return cannot(cli, "write", path);
    const bool is_written = fprintf(file, "%s\n", url) > 0;
    if (fclose(file) == 0 && is_written && rename(fresh, path) == 0)
        return LEAT_EXIT_OK;
    const int code = cannot(cli, "write", path);
    (void)unlink(fresh);
    return code;
}
