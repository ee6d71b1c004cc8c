/* HELLO and WELCOME: JSON <-> structs. */
#include "proto/control.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/frame.h"
#include "proto/records.h"
#include "proto/scan.h"
#include "proto/settings.h"

/* ======================================================================================= HELLO */

static const char *const role_names[] = {
    [LEAT_ROLE_CLIENT] = "client",
    [LEAT_ROLE_WORKER] = "worker",
    [LEAT_ROLE_BEAT] = "beat",
};

static const char *const runs_names[] = {
    [LEAT_RUNS_TIMER] = "timer",
    [LEAT_RUNS_INLINE] = "inline",
    [LEAT_RUNS_POOL] = "pool",
    [LEAT_RUNS_CHILD] = "child",
};

const char *
leat_role_name(leat_role role)
{
    return role >= LEAT_ROLE_CLIENT && role <= LEAT_ROLE_BEAT ? role_names[role] : "?";
}

const char *
leat_runs_name(leat_runs runs)
{
    return runs >= LEAT_RUNS_TIMER && runs <= LEAT_RUNS_CHILD ? runs_names[runs] : "?";
}

/* Index of text in names[1 … last], or 0. */
static unsigned
index_of(const char *text, const char *const *names, unsigned last)
{
    for (unsigned i = 1; i <= last; i++)
        if (strcmp(text, names[i]) == 0)
            return i;
    return 0;
}

/* A key that may be missing; false only when it is there with the wrong type. */
static bool
missing(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key) == NULL;
}

static leat_err
copy_name(const char *text,
          const char *what,
          char out[LEAT_NAME_BYTES_MAX + 1],
          char why[LEAT_WHY_BYTES])
{
    const size_t size = strlen(text);
    if (size > LEAT_NAME_BYTES_MAX)
        return leat_scan_refuse(LEAT_ERR_TOO_LARGE, why, "%s: %zu bytes, a name has at most %u",
                                what, size, LEAT_NAME_BYTES_MAX);
    if (!leat_name_is_valid(leat_text_of(text)))
        return leat_scan_refuse(
            LEAT_ERR_MALFORMED, why,
            size == 0 ? "%s: an empty name" : "%s: a control character in the name", what);
    memcpy(out, text, size + 1);
    return LEAT_ERR_OK;
}

/* A name that may be missing or empty. */
static leat_err
read_optional_name(const cJSON *json,
                   const char *key,
                   char out[LEAT_NAME_BYTES_MAX + 1],
                   char why[LEAT_WHY_BYTES])
{
    const char *text = "";
    out[0] = '\0';
    if (!leat_json_text(json, key, &text) && !missing(json, key))
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why, "%s is not a string", key);
    return text[0] == '\0' ? LEAT_ERR_OK : copy_name(text, key, out, why);
}

/* For people only, so what is too long is cut (at a character). */
static void
read_software(const cJSON *json, char *out, size_t out_size)
{
    const char *text = "";
    (void)leat_json_text(json, "software", &text);
    size_t size = strnlen(text, out_size - 1);
    while (size > 0 && !leat_text_is_utf8((leat_text){.data = text, .size = size}))
        size--;
    memcpy(out, text, size);
    out[size] = '\0';
}

static leat_err
read_identity(const cJSON *json, leat_hello *hello, char why[LEAT_WHY_BYTES])
{
    const char *text;
    int64_t number;

    if (!leat_json_text(json, "role", &text))
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why, "role is missing or not a string");
    hello->role = (leat_role)index_of(text, role_names, LEAT_ROLE_BEAT);
    if (hello->role == 0)
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why,
                                "role \"%.32s\" is not client, worker or beat", text);

    static const leat_session_id nobody = {{0}};
    if (!leat_json_text(json, "session", &text))
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why, "session is missing or not a string");
    if (!leat_session_id_parse(text, &hello->session) ||
        memcmp(&hello->session, &nobody, sizeof nobody) == 0)
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why,
                                "session is not 32 hex digits of random bits");

    if (!leat_json_bool(json, "resume", &hello->resume))
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why,
                                "resume is missing or neither true nor false");
    if (!leat_json_int(json, "connection", 1, INT64_C(1) << 53, &number))
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why,
                                "connection is missing or not a number from 1");
    hello->connection = (uint64_t)number;
    if (!leat_json_u64(json, "floor", &hello->floor) && !missing(json, "floor"))
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why, "floor is not a string of digits");
    if (!leat_json_int(json, "pid", 0, INT32_MAX, &hello->pid) && !missing(json, "pid"))
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why, "pid is not a process number");
    read_software(json, hello->software, sizeof hello->software);
    return LEAT_ERR_OK;
}

static leat_err
read_handler(const cJSON *item, leat_hello *hello, char why[LEAT_WHY_BYTES])
{
    leat_hello_handler *const handler = &hello->handlers[hello->handler_count];
    const char *text;
    if (!leat_json_text(item, "name", &text))
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why,
                                "handlers[%u]: name is missing or not a string",
                                hello->handler_count);
    char what[32];
    (void)snprintf(what, sizeof what, "handlers[%u]", hello->handler_count);
    const leat_err err = copy_name(text, what, handler->name, why);
    if (err != LEAT_ERR_OK)
        return err;
    if (!leat_json_text(item, "runs", &text))
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why,
                                "handler \"%.40s\": runs is missing or not a string",
                                handler->name);
    handler->runs = (leat_runs)index_of(text, runs_names, LEAT_RUNS_CHILD);
    if (handler->runs == 0)
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why,
                                "handler \"%.40s\": runs is not timer, inline, pool or child",
                                handler->name);
    for (uint32_t i = 0; i < hello->handler_count; i++)
        if (strcmp(hello->handlers[i].name, handler->name) == 0)
            return leat_scan_refuse(LEAT_ERR_MALFORMED, why, "handler \"%.80s\" twice",
                                    handler->name);
    hello->handler_count++;
    return LEAT_ERR_OK;
}

static leat_err
read_channel(const cJSON *item, leat_hello *hello, char why[LEAT_WHY_BYTES])
{
    char *const channel = hello->channels[hello->channel_count];
    const char *const text = cJSON_GetStringValue(item);
    char what[32];
    (void)snprintf(what, sizeof what, "channels[%u]", hello->channel_count);
    if (text == NULL)
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why, "%s is not a string", what);
    const leat_err err = copy_name(text, what, channel, why);
    if (err != LEAT_ERR_OK)
        return err;
    for (uint32_t i = 0; i < hello->channel_count; i++)
        if (strcmp(hello->channels[i], channel) == 0)
            return leat_scan_refuse(LEAT_ERR_MALFORMED, why, "channel \"%.80s\" twice", channel);
    hello->channel_count++;
    return LEAT_ERR_OK;
}

/* The array at key, item by item; a missing one is empty. */
static leat_err
read_list(const cJSON *json,
          const char *key,
          uint32_t max,
          leat_err (*read)(const cJSON *item, leat_hello *hello, char why[LEAT_WHY_BYTES]),
          leat_hello *hello,
          char why[LEAT_WHY_BYTES])
{
    const cJSON *const list = cJSON_GetObjectItemCaseSensitive(json, key);
    if (list == NULL)
        return LEAT_ERR_OK;
    if (!cJSON_IsArray(list))
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why, "%s is not an array", key);
    uint32_t n = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (n++ == max)
            return leat_scan_refuse(LEAT_ERR_LIMIT, why, "more than %u %s", max, key);
        const leat_err err = read(item, hello, why);
        if (err != LEAT_ERR_OK)
            return err;
    }
    return LEAT_ERR_OK;
}

/* {"zone": "a", …}: what the worker says of its host. Keys are not twice, see leat_json_parse. */
static leat_err
read_traits(const cJSON *json, leat_hello *hello, char why[LEAT_WHY_BYTES])
{
    const cJSON *const traits = cJSON_GetObjectItemCaseSensitive(json, "traits");
    const cJSON *item;
    if (traits != NULL && !cJSON_IsObject(traits))
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why, "traits is not an object");
    cJSON_ArrayForEach(item, traits)
    {
        const char *const value = cJSON_GetStringValue(item);
        if (!leat_trait_name_is_valid(leat_text_of(item->string)) || value == NULL ||
            !leat_trait_value_is_valid(leat_text_of(value)))
            return leat_scan_refuse(LEAT_ERR_MALFORMED, why,
                                    "trait \"%.40s\": a name of a-z 0-9 _ - and a printable value "
                                    "without comma",
                                    item->string);
        if (hello->trait_count == LEAT_TRAITS_MAX)
            return leat_scan_refuse(LEAT_ERR_LIMIT, why, "more than %u traits", LEAT_TRAITS_MAX);
        leat_hello_trait *const trait = &hello->traits[hello->trait_count++];
        (void)snprintf(trait->name, sizeof trait->name, "%s", item->string);
        (void)snprintf(trait->value, sizeof trait->value, "%s", value);
    }
    return LEAT_ERR_OK;
}

/* {"gpu": "2", …}: amounts that jobs may be given. */
static leat_err
read_haves(const cJSON *json, leat_hello *hello, char why[LEAT_WHY_BYTES])
{
    const cJSON *const haves = cJSON_GetObjectItemCaseSensitive(json, "have");
    const cJSON *item;
    if (haves != NULL && !cJSON_IsObject(haves))
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why, "have is not an object");
    cJSON_ArrayForEach(item, haves)
    {
        uint64_t amount;
        if (!leat_trait_name_is_valid(leat_text_of(item->string)) ||
            !leat_json_u64(haves, item->string, &amount))
            return leat_scan_refuse(LEAT_ERR_MALFORMED, why,
                                    "have \"%.40s\": a name of a-z 0-9 _ - and an amount as text",
                                    item->string);
        if (hello->have_count == LEAT_HAVES_MAX)
            return leat_scan_refuse(LEAT_ERR_LIMIT, why, "more than %u amounts", LEAT_HAVES_MAX);
        leat_hello_have *const have = &hello->haves[hello->have_count++];
        (void)snprintf(have->name, sizeof have->name, "%s", item->string);
        have->amount = amount;
    }
    return LEAT_ERR_OK;
}

/* What only a worker says. */
static leat_err
read_offer(const cJSON *json, leat_hello *hello, char why[LEAT_WHY_BYTES])
{
    int64_t slots = 1;
    if (!leat_json_int(json, "slots", 1, INT64_C(1) << 53, &slots) && !missing(json, "slots"))
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why, "slots is not a number from 1");
    if (slots > (int64_t)LEAT_SLOTS_MAX)
        return leat_scan_refuse(LEAT_ERR_LIMIT, why, "%" PRId64 " slots, the limit is %u", slots,
                                LEAT_SLOTS_MAX);
    hello->slots = (uint32_t)slots;
    leat_err err = read_list(json, "handlers", LEAT_HANDLERS_MAX, read_handler, hello, why);
    if (err == LEAT_ERR_OK)
        err = read_list(json, "channels", LEAT_SUBSCRIPTIONS_MAX, read_channel, hello, why);
    if (err == LEAT_ERR_OK)
        err = read_traits(json, hello, why);
    return err != LEAT_ERR_OK ? err : read_haves(json, hello, why);
}

leat_err
leat_hello_decode(const uint8_t *body, size_t size, leat_hello *hello, char why[LEAT_WHY_BYTES])
{
    cJSON *json = NULL;
    leat_err err = leat_json_parse(body, size, &json, why);
    if (err != LEAT_ERR_OK)
        return err;

    /* Not the whole struct: its arrays are large and the counts say how much of them is there. */
    memset(hello, 0, offsetof(leat_hello, handlers));
    hello->channel_count = hello->trait_count = hello->have_count = 0;
    err = read_identity(json, hello, why);
    if (err == LEAT_ERR_OK)
        err = read_optional_name(json, "name", hello->name, why);
    if (err == LEAT_ERR_OK)
        err = read_optional_name(json, "host", hello->host, why);
    if (err == LEAT_ERR_OK && hello->role == LEAT_ROLE_WORKER)
        err = read_offer(json, hello, why);

    cJSON_Delete(json);
    return err;
}

static bool
add_offer(cJSON *json, const leat_hello *hello)
{
    bool ok = cJSON_AddNumberToObject(json, "slots", hello->slots) != NULL;
    cJSON *const handlers = cJSON_AddArrayToObject(json, "handlers");
    ok = ok && handlers != NULL;
    for (uint32_t i = 0; ok && i < hello->handler_count; i++) {
        cJSON *const handler = cJSON_CreateObject();
        ok = handler != NULL && cJSON_AddItemToArray(handlers, handler) &&
             cJSON_AddStringToObject(handler, "name", hello->handlers[i].name) != NULL &&
             cJSON_AddStringToObject(handler, "runs", leat_runs_name(hello->handlers[i].runs)) !=
                 NULL;
    }
    cJSON *const channels = ok ? cJSON_AddArrayToObject(json, "channels") : NULL;
    ok = ok && channels != NULL;
    for (uint32_t i = 0; ok && i < hello->channel_count; i++) {
        cJSON *const channel = cJSON_CreateString(hello->channels[i]);
        ok = channel != NULL && cJSON_AddItemToArray(channels, channel);
    }
    cJSON *const traits =
        ok && hello->trait_count > 0 ? cJSON_AddObjectToObject(json, "traits") : NULL;
    ok = ok && (hello->trait_count == 0 || traits != NULL);
    for (uint32_t i = 0; ok && i < hello->trait_count; i++)
        ok = cJSON_AddStringToObject(traits, hello->traits[i].name, hello->traits[i].value) != NULL;
    cJSON *const haves = ok && hello->have_count > 0 ? cJSON_AddObjectToObject(json, "have") : NULL;
    ok = ok && (hello->have_count == 0 || haves != NULL);
    for (uint32_t i = 0; ok && i < hello->have_count; i++)
        ok = leat_json_add_u64(haves, hello->haves[i].name, hello->haves[i].amount);
    return ok;
}

static bool
add_hello(cJSON *json, const leat_hello *hello)
{
    char session[33];
    leat_session_id_format(&hello->session, session);
    bool ok = cJSON_AddStringToObject(json, "role", leat_role_name(hello->role)) != NULL &&
              cJSON_AddStringToObject(json, "session", session) != NULL &&
              cJSON_AddBoolToObject(json, "resume", hello->resume) != NULL &&
              cJSON_AddNumberToObject(json, "connection", (double)hello->connection) != NULL &&
              leat_json_add_u64(json, "floor", hello->floor) &&
              cJSON_AddStringToObject(json, "software", hello->software) != NULL;
    if (ok && hello->name[0] != '\0')
        ok = cJSON_AddStringToObject(json, "name", hello->name) != NULL;
    if (ok && hello->host[0] != '\0')
        ok = cJSON_AddStringToObject(json, "host", hello->host) != NULL;
    ok = ok && cJSON_AddNumberToObject(json, "pid", (double)hello->pid) != NULL;
    return ok && (hello->role != LEAT_ROLE_WORKER || add_offer(json, hello));
}

/* A frame with one JSON record. Takes json, which may be NULL or half built (ok false). */
static void
put_json_frame(
    leat_buf *buf, leat_command command, cJSON *json, bool ok, uint64_t sequence, uint64_t seen)
{
    const size_t at = buf->size;
    leat_frame_begin(buf, command);
    leat_json_put(buf, ok ? json : NULL);
    leat_frame_finish(buf, at, 1, sequence);
    if (!buf->failed)
        leat_frame_set_seen(buf->data + at, seen);
    cJSON_Delete(json);
}

void
leat_hello_put(leat_buf *buf, const leat_hello *hello, uint64_t seen)
{
    assert(hello->role >= LEAT_ROLE_CLIENT && hello->role <= LEAT_ROLE_BEAT);
    assert(hello->handler_count <= LEAT_HANDLERS_MAX);
    assert(hello->channel_count <= LEAT_SUBSCRIPTIONS_MAX);
    assert(hello->trait_count <= LEAT_TRAITS_MAX && hello->have_count <= LEAT_HAVES_MAX);

    cJSON *const json = cJSON_CreateObject();
    const bool ok = json != NULL && add_hello(json, hello);
    put_json_frame(buf, LEAT_CMD_HELLO, json, ok, 0, seen);
}

/* ===================================================================================== WELCOME */

static leat_err
read_broker(const cJSON *json, leat_welcome *welcome, char why[LEAT_WHY_BYTES])
{
    const char *text;
    leat_session_id id;
    if (!leat_json_text(json, "broker", &text) || !leat_session_id_parse(text, &id))
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why, "broker is missing or not 32 hex digits");
    leat_session_id_format(&id, welcome->broker);
    if (!leat_json_u64(json, "epoch", &welcome->epoch))
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why,
                                "epoch is missing or not a string of digits");
    if (!leat_json_bool(json, "resumed", &welcome->resumed))
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why,
                                "resumed is missing or neither true nor false");
    read_software(json, welcome->software, sizeof welcome->software);
    return LEAT_ERR_OK;
}

static leat_err
read_terms(const cJSON *json, leat_welcome *welcome, char why[LEAT_WHY_BYTES])
{
    int64_t frame_bytes;
    int64_t payload_bytes;
    int64_t window;
    const struct {
        const char *key;
        int64_t *out;
        int64_t max;
    } rows[] = {
        {"heartbeat_busy_ms", &welcome->heartbeat_busy_ms, LEAT_SESSION_MS},
        {"heartbeat_idle_ms", &welcome->heartbeat_idle_ms, LEAT_SESSION_MS},
        {"lost_ms",           &welcome->lost_ms,           LEAT_SESSION_MS},
        {"frame_bytes_max",   &frame_bytes,                UINT32_MAX     },
        {"payload_bytes_max", &payload_bytes,              UINT32_MAX     },
        {"window_frames",     &window,                     UINT32_MAX     },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!leat_json_int(json, rows[i].key, 1, rows[i].max, rows[i].out))
            return leat_scan_refuse(LEAT_ERR_MALFORMED, why,
                                    "%s is missing or not a number from 1 to %" PRId64, rows[i].key,
                                    rows[i].max);
    welcome->frame_bytes_max = (uint32_t)frame_bytes;
    welcome->payload_bytes_max = (uint32_t)payload_bytes;
    welcome->window_frames = (uint32_t)window;
    return LEAT_ERR_OK;
}

leat_err
leat_welcome_decode(const uint8_t *body,
                    size_t size,
                    leat_welcome *welcome,
                    char why[LEAT_WHY_BYTES])
{
    cJSON *json = NULL;
    leat_err err = leat_json_parse(body, size, &json, why);
    if (err != LEAT_ERR_OK)
        return err;

    *welcome = (leat_welcome){0};
    err = read_broker(json, welcome, why);
    if (err == LEAT_ERR_OK)
        err = read_terms(json, welcome, why);

    cJSON_Delete(json);
    return err;
}

static bool
add_welcome(cJSON *json, const leat_welcome *welcome)
{
    return cJSON_AddStringToObject(json, "broker", welcome->broker) != NULL &&
           leat_json_add_u64(json, "epoch", welcome->epoch) &&
           cJSON_AddBoolToObject(json, "resumed", welcome->resumed) != NULL &&
           cJSON_AddStringToObject(json, "software", welcome->software) != NULL &&
           cJSON_AddNumberToObject(json, "heartbeat_busy_ms", (double)welcome->heartbeat_busy_ms) !=
               NULL &&
           cJSON_AddNumberToObject(json, "heartbeat_idle_ms", (double)welcome->heartbeat_idle_ms) !=
               NULL &&
           cJSON_AddNumberToObject(json, "lost_ms", (double)welcome->lost_ms) != NULL &&
           cJSON_AddNumberToObject(json, "frame_bytes_max", welcome->frame_bytes_max) != NULL &&
           cJSON_AddNumberToObject(json, "payload_bytes_max", welcome->payload_bytes_max) != NULL &&
           cJSON_AddNumberToObject(json, "window_frames", welcome->window_frames) != NULL;
}

void
leat_welcome_put(leat_buf *buf, const leat_welcome *welcome, uint64_t sequence, uint64_t seen)
{
    cJSON *const json = cJSON_CreateObject();
    const bool ok = json != NULL && add_welcome(json, welcome);
    put_json_frame(buf, LEAT_CMD_WELCOME, json, ok, sequence, seen);
}
