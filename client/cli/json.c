/* Making and reading the JSON that people and scripts see. */
#include "client/cli/json.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/screen.h"
#include "proto/base/option.h"

bool
leat_json_print(cJSON **json_p, FILE *out)
{
    char *const text = *json_p == NULL ? NULL : cJSON_PrintUnformatted(*json_p);
    cJSON_Delete(*json_p);
    *json_p = NULL;
    if (text == NULL)
        return false;
    const bool printed = fprintf(out, "%s\n", text) >= 0;
    cJSON_free(text);
    return printed;
}

void
leat_json_put_id(cJSON *object, const char *key, uint64_t id)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)id);
    (void)cJSON_AddStringToObject(object, key, text);
}

void
leat_base64(const void *data, size_t size, char *out)
{
    enum {
        PAD = 64
    };
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    const uint8_t *const p = data;
    for (size_t i = 0; i < size; i += 3) {
        const size_t left = size - i;
        const uint32_t bits = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                              (left > 2 ? p[i + 2] : 0);
        *out++ = digits[bits >> 18];
        *out++ = digits[bits >> 12 & 63];
        *out++ = digits[left > 1 ? bits >> 6 & 63 : PAD];
        *out++ = digits[left > 2 ? bits & 63 : PAD];
    }
    *out = '\0';
}

static bool
is_text(const uint8_t *p, size_t size)
{
    for (size_t at = 0; at < size;) {
        const size_t bytes = p[at] == 0 ? 0 : leat_screen_character(p + at, size - at);
        if (bytes == 0)
            return false;
        at += bytes;
    }
    return true;
}

void
leat_json_put_bytes(cJSON *object, const char *key, const void *data, size_t size)
{
    char key_b64[64];
    const bool text = is_text(data, size);
    char *const copy = malloc(text ? size + 1 : (size + 2) / 3 * 4 + 1);
    if (copy == NULL)
        return;
    if (text) {
        if (size > 0)
            memcpy(copy, data, size);
        copy[size] = '\0';
        (void)cJSON_AddStringToObject(object, key, copy);
    } else {
        leat_base64(data, size, copy);
        (void)snprintf(key_b64, sizeof key_b64, "%s_b64", key);
        (void)cJSON_AddStringToObject(object, key_b64, copy);
    }
    free(copy);
}

/* false: beyond what a calendar can say. */
static bool
stamp_of(int64_t wall_ms, char out[48])
{
    struct tm parts;
    char day[32];
    const time_t seconds = (time_t)(wall_ms / 1000);
    if (wall_ms < 0 || gmtime_r(&seconds, &parts) == NULL ||
        strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts) == 0)
        return false;
    (void)snprintf(out, 48, "%s.%03dZ", day, (int)(wall_ms % 1000));
    return true;
}

void
leat_json_put_time(cJSON *object, const char *key, int64_t wall_ms)
{
    char text[48];
    if (stamp_of(wall_ms, text))
        (void)cJSON_AddStringToObject(object, key, text);
}

/* ---- times and durations ---- */

static bool
is_time_key(const char *key)
{
    static const char *const times[] = {"next_ms", "last_ms", "ended_ms", "paused_until_ms",
                                        "at_ms"};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        if (strcmp(key, times[i]) == 0)
            return true;
    }
    return false;
}

void
leat_json_times(cJSON *json)
{
    cJSON *next;
    for (cJSON *item = json == NULL ? NULL : json->child; item != NULL; item = next) {
        char key[64];
        char text[48];
        next = item->next;
        if (cJSON_IsObject(item) || cJSON_IsArray(item))
            leat_json_times(item);
        const size_t size = item->string == NULL ? 0 : strlen(item->string);
        if (!cJSON_IsNumber(item) || size < 4 || size >= sizeof key ||
            strcmp(item->string + size - 3, "_ms") != 0)
            continue;
        const bool is_time = is_time_key(item->string);
        const double ms = item->valuedouble;
        (void)snprintf(key, sizeof key, "%.*s%s", (int)size - 3, item->string, is_time ? "" : "_s");
        cJSON *const shown = !is_time ? cJSON_CreateNumber(ms / 1000)
                             : ms >= 1 && stamp_of((int64_t)ms, text) ? cJSON_CreateString(text)
                                                                      : cJSON_CreateNull();
        cJSON_DeleteItemFromObjectCaseSensitive(json, item->string);
        (void)cJSON_AddItemToObject(json, key, shown);
    }
}

/* ---- counters ---- */

static bool
is_count_key(const char *key)
{
    static const char *const keys[] = {
        "ready",
        "running",
        "delayed",
        "held",
        "done",
        "dead",
        "total",
        "skipped",
        "cancelled",
        "expired",
        "file_bytes",
        "history_jobs",
        "jobs",
        "senders",
        "released",
        "dropped",
        "dead_jobs",
        "replies_dropped",
        "payload_bytes",
        "used_bytes",
        "history_batches",
        "dropped_jobs",
        "dropped_batches",
        "dropped_dead",
        "finished",
        "failed",
        "number",
    };
    for (size_t i = 0; key != NULL && i < sizeof keys / sizeof *keys; i++) {
        if (strcmp(key, keys[i]) == 0)
            return true;
    }
    return false;
}

void
leat_json_counts(cJSON *json)
{
    cJSON *item;
    cJSON_ArrayForEach(item, json)
    {
        uint64_t value;
        if (item->string != NULL && strcmp(item->string, "labels") == 0)
            continue; /* people's own words */
        if (cJSON_IsObject(item) || cJSON_IsArray(item)) {
            leat_json_counts(item);
        } else if (cJSON_IsString(item) && is_count_key(item->string) &&
                   leat_parse_number(item->valuestring, &value)) {
            cJSON_free(item->valuestring);
            item->valuestring = NULL;
            item->type = cJSON_Number;
            (void)cJSON_SetNumberHelper(item, (double)value);
        }
    }
}

uint64_t
leat_json_count(const cJSON *object, const char *key)
{
    uint64_t value = 0;
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (cJSON_IsNumber(item) && item->valuedouble > 0)
        return (uint64_t)item->valuedouble;
    if (cJSON_IsString(item) && leat_parse_number(item->valuestring, &value))
        return value;
    return 0;
}

double
leat_json_real(const cJSON *object, const char *key, double otherwise)
{
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : otherwise;
}

const char *
leat_json_string(const cJSON *object, const char *key)
{
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}
