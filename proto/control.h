/* leat_control: the JSON bodies of the control commands, strict and bounded.
 *
 * Ids and 64-bit figures in JSON are strings of decimal digits. A key that is given twice, an
 * escape of NUL, bytes that are no UTF-8, more than LEAT_JSON_DEPTH_MAX levels,
 * LEAT_JSON_TOKENS_MAX tokens or LEAT_JSON_BYTES_MAX bytes are refused before cJSON sees them.
 * Unknown keys are ignored, so that a newer peer can say more. */
#ifndef LEAT_CONTROL_H
#define LEAT_CONTROL_H

#include <cjson/cJSON.h>

#include "proto/base/bytes.h"
#include "proto/base/err.h"
#include "proto/limits.h"

/* 128 random bits that name a peer across its connections; 32 hex digits in JSON. */
typedef struct leat_session_id {
    uint8_t bytes[16];
} leat_session_id;

/* Parse a body. On LEAT_ERR_OK *json is the caller's, to be freed with cJSON_Delete; it is always
 * an object. why (at least 128 bytes) gets half a sentence on failure: "byte 17: key \"a\" twice".
 *
 * LEAT_ERR_MALFORMED, LEAT_ERR_TOO_LARGE, LEAT_ERR_NOMEM. */
LEAT_NODISCARD leat_err leat_json_parse(const uint8_t *body,
                                        size_t size,
                                        cJSON **json,
                                        char why[128]);

/* The same with another limit of the size than LEAT_JSON_BYTES_MAX. */
LEAT_NODISCARD leat_err leat_json_parse_up_to(
    const uint8_t *body, size_t size, size_t size_max, cJSON **json, char why[128]);

/* Append json as one line without blanks. */
void leat_json_put(leat_buf *buf, const cJSON *json);

/* Getters. They return false when the key is missing or holds another type; *out is then untouched.
 * Strings are borrowed from json. */
bool leat_json_text(const cJSON *object, const char *key, const char **out);
bool leat_json_u64(const cJSON *object, const char *key, uint64_t *out); /* string of digits */
bool leat_json_int(const cJSON *object, const char *key, int64_t min, int64_t max, int64_t *out);
bool leat_json_bool(const cJSON *object, const char *key, bool *out);

/* What leat_json_add_bytes has added, appended to out (look at out->failed); nothing where neither
 * key is. False: no text, no base64, or both keys. */
bool leat_json_bytes(const cJSON *object, const char *key, leat_buf *out);

/* Adders; without memory they return false. */
bool leat_json_add_u64(cJSON *object, const char *key, uint64_t value);
/* Text that may hold any bytes: as `key` when it is UTF-8, else base64 as `key_b64`. */
bool leat_json_add_bytes(cJSON *object, const char *key, const void *data, size_t size);

void leat_session_id_format(const leat_session_id *id, char out[33]);
bool leat_session_id_parse(const char *text, leat_session_id *id);
/* Fresh random bits (getrandom). */
leat_session_id leat_session_id_new(void);

/* ---- HELLO ---------------------------------------------------------------------------------- */

typedef enum leat_role {
    LEAT_ROLE_CLIENT = 1,
    LEAT_ROLE_WORKER = 2,
    LEAT_ROLE_BEAT = 3
} leat_role;

/* Where a handler's code runs: decides what a lost worker costs its jobs. */
typedef enum leat_runs {
    LEAT_RUNS_TIMER = 1,  /* no code of the job runs while it waits: never counted */
    LEAT_RUNS_INLINE = 2, /* on the worker's loop */
    LEAT_RUNS_POOL = 3,   /* on a thread of the worker's process */
    LEAT_RUNS_CHILD = 4,  /* in a process of its own */
} leat_runs;

const char *leat_role_name(leat_role role);
const char *leat_runs_name(leat_runs runs); /* "timer", "inline", "pool", "child" */

typedef struct leat_hello_handler {
    char name[LEAT_NAME_BYTES_MAX + 1];
    leat_runs runs;
} leat_hello_handler;

typedef struct leat_hello_trait {
    char name[33];
    char value[65];
} leat_hello_trait;

typedef struct leat_hello_have {
    char name[33];
    uint64_t amount;
} leat_hello_have;

/* About 70 KiB: keep it on the heap or static. */
typedef struct leat_hello {
    leat_role role;
    leat_session_id session;
    bool resume;         /* an earlier connection of this session has been answered WELCOME */
    uint64_t connection; /* counts this session's connections, from 1: the higher one wins */
    uint64_t floor;      /* every own sequence up to it has been answered */
    char software[64];   /* "leat 0.1.0" */
    char name[LEAT_NAME_BYTES_MAX + 1]; /* of a worker; empty: none */
    char host[LEAT_NAME_BYTES_MAX + 1];
    int64_t pid;
    uint32_t slots; /* of a worker */
    uint32_t handler_count;
    leat_hello_handler handlers[LEAT_HANDLERS_MAX];
    uint32_t channel_count; /* 0: "default" only */
    char channels[LEAT_SUBSCRIPTIONS_MAX][LEAT_NAME_BYTES_MAX + 1];
    uint32_t trait_count; /* of a worker: {"zone": "a", …} */
    leat_hello_trait traits[LEAT_TRAITS_MAX];
    uint32_t have_count; /* of a worker: {"gpu": "2", …}, amounts that its jobs may be given */
    leat_hello_have haves[LEAT_HAVES_MAX];
} leat_hello;

/* JSON -> hello. why as in leat_json_parse ("role \"boss\" is not client, worker or beat").
 * LEAT_ERR_MALFORMED, LEAT_ERR_TOO_LARGE, LEAT_ERR_LIMIT, LEAT_ERR_NOMEM. */
LEAT_NODISCARD leat_err leat_hello_decode(const uint8_t *body,
                                          size_t size,
                                          leat_hello *hello,
                                          char why[128]);
/* A whole frame of HELLO (header and body) appended to buf; seen is the link's. */
void leat_hello_put(leat_buf *buf, const leat_hello *hello, uint64_t seen);

/* ---- WELCOME -------------------------------------------------------------------------------- */

typedef struct leat_welcome {
    char broker[33]; /* hex id of the broker's store */
    uint64_t epoch;
    bool resumed; /* false: the session is new to the broker */
    char software[64];
    int64_t heartbeat_busy_ms; /* how often to beat while holding jobs */
    int64_t heartbeat_idle_ms;
    int64_t lost_ms;
    uint32_t frame_bytes_max;
    uint32_t payload_bytes_max;
    uint32_t window_frames;
} leat_welcome;

LEAT_NODISCARD leat_err leat_welcome_decode(const uint8_t *body,
                                            size_t size,
                                            leat_welcome *welcome,
                                            char why[128]);
/* A whole frame, appended to buf. */
void leat_welcome_put(leat_buf *buf, const leat_welcome *welcome, uint64_t sequence, uint64_t seen);

#endif
