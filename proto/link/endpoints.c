/* Where a broker may be: what the user said, LEAT_BROKER, or the usual places. */
#include "proto/link/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEM_ENDPOINT "ipc:///run/leat/broker.sock"
#define TCP_ENDPOINT    "tcp://127.0.0.1:5328"
#define TCP             "tcp://"
#define IPC             "ipc://"
#define SOCKET_NAME     "broker.sock"
#define SOCKET_PATH_MAX 107U /* of sockaddr_un, without its end */

static bool
starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool
is_port(const char *text)
{
    unsigned port = 0;
    size_t digits = 0;
    for (; text[digits] >= '0' && text[digits] <= '9' && digits < 6; digits++)
        port = port * 10 + (unsigned)(text[digits] - '0');
    return digits > 0 && text[digits] == '\0' && port > 0 && port <= 65535;
}

static bool
is_tcp(const char *address)
{
    const char *const colon = strrchr(address, ':');
    if (colon == NULL || colon == address || !is_port(colon + 1))
        return false;
    const size_t host_size = (size_t)(colon - address);
    if (address[0] == '[') /* IPv6 */
        return host_size > 2 && address[host_size - 1] == ']' && address[1] != ']';
    return memchr(address, ':', host_size) == NULL && memchr(address, '*', host_size) == NULL &&
           memchr(address, ' ', host_size) == NULL && memchr(address, '/', host_size) == NULL;
}

bool
leat_link_endpoint_is_valid(const char *endpoint)
{
    if (strlen(endpoint) >= LEAT_URL_BYTES_MAX)
        return false;
    if (starts_with(endpoint, TCP))
        return is_tcp(endpoint + sizeof TCP - 1);
    if (starts_with(endpoint, IPC)) {
        const size_t size = strlen(endpoint + sizeof IPC - 1);
        return size > 0 && size <= SOCKET_PATH_MAX && endpoint[sizeof IPC - 1] != '*';
    }
    return false;
}

/* ----------------------------------------------------------------------- the user's own socket */

/* The folder, with 0700 and ours; a symbolic link is none. */
static leat_err
check_folder(const char *path, bool make)
{
    if (make && mkdir(path, 0700) != 0 && errno != EEXIST)
        return leat_err_from_errno(errno);
    struct stat status;
    if (lstat(path, &status) != 0)
        return errno == ENOENT && !make ? LEAT_ERR_OK : leat_err_from_errno(errno);
    if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077) != 0)
        return LEAT_ERR_DENIED;
    return LEAT_ERR_OK;
}

leat_err
leat_link_user_socket(bool make, char *out, size_t size)
{
    char folder[SOCKET_PATH_MAX + 1];
    const char *const runtime = getenv("XDG_RUNTIME_DIR"); /* NOLINT(concurrency-mt-unsafe) */
    const int n = runtime != NULL && runtime[0] == '/'
                      ? snprintf(folder, sizeof folder, "%s/leat", runtime)
                      : snprintf(folder, sizeof folder, "/tmp/leat-%u", (unsigned)geteuid());
    const size_t path_size = (size_t)n + 1 + sizeof SOCKET_NAME - 1;
    if (n < 0 || path_size > SOCKET_PATH_MAX || path_size >= size)
        return LEAT_ERR_TOO_LARGE;
    const leat_err err = check_folder(folder, make);
    if (err == LEAT_ERR_OK)
        (void)snprintf(out, size, "%s/" SOCKET_NAME, folder);
    return err;
}

/* "ipc://" and the path above; false: there is none that could be trusted. */
static bool
user_endpoint(char out[LEAT_URL_BYTES_MAX])
{
    memcpy(out, IPC, sizeof IPC);
    return leat_link_user_socket(false, out + sizeof IPC - 1,
                                 LEAT_URL_BYTES_MAX - (sizeof IPC - 1)) == LEAT_ERR_OK;
}

void
leat_link_endpoint_words(const char *endpoint, char *out, size_t size)
{
    char user[LEAT_URL_BYTES_MAX];
    const char *words = endpoint;
    if (user_endpoint(user) && strcmp(endpoint, user) == 0)
        words = "ipc in your runtime directory";
    else if (strcmp(endpoint, SYSTEM_ENDPOINT) == 0)
        words = "/run/leat";
    (void)snprintf(out, size, "%s", words);
}

/* ---------------------------------------------------------------------------------- the list */

static leat_err
append(const char *text, size_t text_size, char *out[LEAT_LINK_ENDPOINTS_MAX], size_t *count)
{
    if (*count == LEAT_LINK_ENDPOINTS_MAX)
        return LEAT_ERR_LIMIT;
    char *const copy = strndup(text, text_size);
    if (copy == NULL)
        return LEAT_ERR_NOMEM;
    if (!leat_link_endpoint_is_valid(copy)) {
        free(copy);
        return LEAT_ERR_CONFIG;
    }
    out[(*count)++] = copy;
    return LEAT_ERR_OK;
}

static leat_err
split(const char *given, char *out[LEAT_LINK_ENDPOINTS_MAX], size_t *count)
{
    leat_err err = LEAT_ERR_OK;
    for (const char *at = given; err == LEAT_ERR_OK;) {
        while (*at == ' ')
            at++;
        size_t size = strcspn(at, ",");
        const char *const next = at + size;
        while (size > 0 && at[size - 1] == ' ')
            size--;
        err = append(at, size, out, count);
        if (*next == '\0')
            break;
        at = next + 1;
    }
    return err;
}

static leat_err
usual_places(char *out[LEAT_LINK_ENDPOINTS_MAX], size_t *count)
{
    char user[LEAT_URL_BYTES_MAX];
    leat_err err = LEAT_ERR_OK;
    if (user_endpoint(user))
        err = append(user, strlen(user), out, count);
    if (err == LEAT_ERR_OK)
        err = append(SYSTEM_ENDPOINT, sizeof SYSTEM_ENDPOINT - 1, out, count);
    if (err == LEAT_ERR_OK)
        err = append(TCP_ENDPOINT, sizeof TCP_ENDPOINT - 1, out, count);
    return err;
}

leat_err
leat_link_endpoints(const char *given, char *out[LEAT_LINK_ENDPOINTS_MAX], size_t *count)
{
    *count = 0;
    if (given == NULL)
        given = getenv("LEAT_BROKER"); /* NOLINT(concurrency-mt-unsafe): nobody here sets it */
    const leat_err err =
        given != NULL && given[0] != '\0' ? split(given, out, count) : usual_places(out, count);
    if (err != LEAT_ERR_OK) {
        while (*count > 0) {
            free(out[--*count]);
            out[*count] = NULL;
        }
    }
    return err;
}
