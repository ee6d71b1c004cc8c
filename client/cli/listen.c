/* An address for other hosts. See listen.h. */
#include "client/cli/listen.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client/cli/keys.h"
#include "proto/link/link.h"

#define PORT    5328
#define OWN_KEY "me"

/* ------------------------------------------------------------------------------ addresses */

bool
leat_listen_split(const char *told, char host[LEAT_URL_BYTES_MAX], unsigned *port)
{
    const char *end;
    *port = PORT;
    host[0] = '\0';
    if (strncmp(told, "tcp://", 6) == 0)
        told += 6;
    if (told[0] == '[') {
        end = strchr(++told, ']');
        if (end == NULL)
            return false;
    } else {
        end = strchr(told, ':');
        /* More than one colon and no brackets: an IPv6 address alone. */
        if (end == NULL || strchr(end + 1, ':') != NULL)
            end = told + strlen(told);
    }
    const size_t size = (size_t)(end - told);
    if (size >= LEAT_URL_BYTES_MAX / 2 || strcspn(told, "/ ,*@") < size)
        return false;
    memcpy(host, told, size);
    host[size] = '\0';
    if (*end == ']')
        end++;
    if (*end == '\0')
        return true;
    uint64_t number = 0;
    if (*end != ':' || !leat_parse_number(end + 1, &number) || number == 0 || number > UINT16_MAX)
        return false;
    *port = (unsigned)number;
    return true;
}

bool
leat_listen_own_address(char host[LEAT_URL_BYTES_MAX])
{
    struct ifaddrs *all = NULL;
    bool found = false;
    if (getifaddrs(&all) != 0)
        return false;
    for (const struct ifaddrs *one = all; one != NULL && !found; one = one->ifa_next) {
        if (one->ifa_addr == NULL || one->ifa_addr->sa_family != AF_INET ||
            (one->ifa_flags & IFF_UP) == 0 || (one->ifa_flags & IFF_LOOPBACK) != 0)
            continue;
        found = getnameinfo(one->ifa_addr, sizeof(struct sockaddr_in), host, LEAT_URL_BYTES_MAX,
                            NULL, 0, NI_NUMERICHOST) == 0;
    }
    freeifaddrs(all);
    return found;
}

static void
put_url(char out[LEAT_URL_BYTES_MAX], const char *host, unsigned port)
{
    const bool is_v6 = strchr(host, ':') != NULL;
    (void)snprintf(out, LEAT_URL_BYTES_MAX, "tcp://%s%.200s%s:%u", is_v6 ? "[" : "", host,
                   is_v6 ? "]" : "", port);
}

/* A name as the address that can be bound; false: it has none. */
static bool
resolve(const char *name, char out[LEAT_URL_BYTES_MAX])
{
    const struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(name, NULL, &wanted, &found) != 0)
        return false;
    const bool is_known = getnameinfo(found->ai_addr, found->ai_addrlen, out, LEAT_URL_BYTES_MAX,
                                      NULL, 0, NI_NUMERICHOST) == 0;
    freeaddrinfo(found);
    return is_known;
}

static int
take_address(const leat_cli *cli, const char *told, leat_listen *listen)
{
    char host[LEAT_URL_BYTES_MAX];
    char number[LEAT_URL_BYTES_MAX];
    unsigned port;
    if (!leat_listen_split(told, host, &port))
        return leat_cli_usage(cli,
                              "--listen \"%.100s\": an address looks like HOST, HOST:5328 or "
                              ":5328",
                              told);
    const bool has_host = host[0] != '\0';
    if (has_host && !resolve(host, number))
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NOT_FOUND", NULL,
                             "--listen: the name \"%s\" was not found", host);
    const bool is_any = !has_host || strcmp(number, "0.0.0.0") == 0 || strcmp(number, "::") == 0;
    if (is_any && !leat_listen_own_address(host))
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NOT_FOUND", "Say which: leat up --listen HOST",
                             "this host has no address but loopback");
    put_url(listen->url, host, port);
    put_url(listen->bind, has_host ? number : host, port);
    return LEAT_EXIT_OK;
}

/* ----------------------------------------------------------------------------------- keys */

/* A broker with keys needs somebody who is allowed; the first one is who starts it. */
static int
make_own_key(const leat_cli *cli, const leat_listen *listen, const leat_key *broker)
{
    char path[LEAT_PATH_BYTES];
    leat_keys_entry *entries;
    size_t count;
    leat_key made = {.name = OWN_KEY, .role = LEAT_KEY_ADMIN};
    int code = leat_keys_list(cli, listen->keys, &entries, &count, NULL);
    free(entries);
    if (code != LEAT_EXIT_OK || count > 0)
        return code;
    if (leat_path_join(listen->keys, OWN_KEY ".key", path, sizeof path) != LEAT_ERR_OK)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "TOO_LARGE", NULL,
                             "the path of the keys directory is too long");
    memcpy(made.broker, listen->url, sizeof made.broker);
    code = leat_keys_new(cli, listen->keys, broker, &made, path, LEAT_KEY_WRITE_REPLACE);
    if (code == LEAT_EXIT_OK)
        leat_cli_say(cli, "you have a key now: %s", path);
    return code;
}

int
leat_listen_prepare(const leat_cli *cli, const char *told, leat_listen *listen)
{
    leat_key broker = {0};
    int code = take_address(cli, told, listen);
    if (code == LEAT_EXIT_OK)
        code = leat_keys_folder(cli, listen->keys);
    if (code == LEAT_EXIT_OK)
        code = leat_keys_prepare(cli, listen->keys, &broker);
    if (code == LEAT_EXIT_OK)
        code = leat_keys_set_address(cli, listen->keys, listen->url);
    if (code == LEAT_EXIT_OK)
        code = make_own_key(cli, listen, &broker);
    leat_key_wipe(&broker);
    return code;
}
