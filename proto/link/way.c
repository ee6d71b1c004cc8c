/* From options and environment to addresses and a key. See way.h. */
#include "proto/link/way.h"

#include <stdio.h>
#include <stdlib.h>

const char *
leat_way_variable(const char *name)
{
    const char *const value = getenv(name); /* NOLINT(concurrency-mt-unsafe): nobody sets it here */
    return value == NULL || value[0] == '\0' ? NULL : value;
}

static leat_err
find_key(const char *given, leat_way *out, char why[LEAT_KEY_WHY_BYTES])
{
    const char *const path = given != NULL ? given : leat_way_variable("LEAT_KEY_FILE");
    if (path == NULL || path[0] == '\0')
        return LEAT_ERR_OK;
    const leat_err err = leat_key_read(path, LEAT_KEY_OF_PRINCIPAL, &out->key, why);
    out->has_key = err == LEAT_ERR_OK;
    return err == LEAT_ERR_OK || err == LEAT_ERR_DENIED ? err : LEAT_ERR_CONFIG;
}

static leat_err
find_endpoints(const char *given, leat_way *out, char why[LEAT_KEY_WHY_BYTES])
{
    const char *const variable = leat_way_variable("LEAT_BROKER");
    const bool by_key = given == NULL && variable == NULL && out->key.broker[0] != '\0';
    const leat_err err =
        leat_link_endpoints(by_key ? out->key.broker : given, out->endpoints, &out->count);
    if (err != LEAT_ERR_CONFIG && err != LEAT_ERR_LIMIT)
        return err;
    (void)snprintf(
        why, LEAT_KEY_WHY_BYTES,
        "%s \"%.200s\" is not understood: tcp://HOST:PORT or ipc://PATH, at most %d with "
        "commas between",
        by_key          ? "the key file's broker"
        : given != NULL ? "broker address"
                        : "LEAT_BROKER",
        by_key          ? out->key.broker
        : given != NULL ? given
                        : variable,
        LEAT_LINK_ENDPOINTS_MAX);
    return LEAT_ERR_CONFIG;
}

leat_err
leat_way_find(const char *broker, const char *key_file, leat_way *out, char why[LEAT_KEY_WHY_BYTES])
{
    *out = (leat_way){0};
    const leat_err err = find_key(key_file, out, why);
    return err == LEAT_ERR_OK ? find_endpoints(broker, out, why) : err;
}

void
leat_way_fini(leat_way *way)
{
    for (size_t i = 0; i < way->count; i++)
        free(way->endpoints[i]);
    way->count = 0;
    leat_key_wipe(&way->key);
    way->has_key = false;
}
