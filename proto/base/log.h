/* leat_log: what a program does, one logfmt line each on stderr.
 *
 *     LEAT_LOG(LEAT_LOG_INFO, "broker.start", "listening",
 *              LEAT_KV_TEXT("bind", url), LEAT_KV_U64("jobs", jobs));
 *
 *     ts=2026-11-22T20:00:00.123Z level=info at=broker.start msg=listening bind=ipc:///x jobs=7
 *
 * Values are typed, there are no format strings. A value is quoted where logfmt needs it; bytes
 * that a terminal would act upon, and those that are no UTF-8, are written as \xNN, so no value can
 * fake a line or a key. A line has at most LEAT_LOG_LINE_BYTES; what is over is cut and the line
 * ends in cut=true. A line is one write(2): lines of threads and processes do not mix. Nothing is
 * flushed, nothing fails; a line that stderr does not take is lost. Any thread. errno is kept. */
#ifndef LEAT_LOG_H
#define LEAT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/base/err.h"

#define LEAT_LOG_LINE_BYTES 2048U /* the line feed counts */

/* X(name, word). */
#define LEAT_LOG_LEVEL_MAP(X) \
    X(ERROR, "error")         \
    X(WARN, "warn")           \
    X(INFO, "info")           \
    X(DEBUG, "debug")

typedef enum leat_log_level {
#define LEAT_LOG_ENUM(name, word) LEAT_LOG_##name,
    LEAT_LOG_LEVEL_MAP(LEAT_LOG_ENUM)
#undef LEAT_LOG_ENUM
} leat_log_level;

typedef enum leat_log_type {
    LEAT_LOG_END = 0, /* ends the list of fields */
    LEAT_LOG_TEXT,
    LEAT_LOG_HEX,
    LEAT_LOG_U64,
    LEAT_LOG_I64,
    LEAT_LOG_REAL,
    LEAT_LOG_BOOL,
} leat_log_type;

/* One key and its value; made by the macros below, borrowed for the call. */
typedef struct leat_log_field {
    const char *key; /* a word: lower case, `_` */
    leat_log_type type;
    union {
        leat_text text; /* TEXT, HEX */
        uint64_t u64;
        int64_t i64;
        double real;
        bool truth;
    } value;
} leat_log_field;

/* Text that ends in \0; NULL is written as an empty value. */
#define LEAT_KV_TEXT(key, string) leat_log_text((key), leat_text_of(string))
/* Text with a size: a leat_text, or any bytes that are text by their meaning. */
#define LEAT_KV_SPAN(key, text)        leat_log_text((key), (text))
#define LEAT_KV_BYTES(key, data, size) leat_log_bytes(LEAT_LOG_TEXT, (key), (data), (size))
/* Bytes as hex digits: sessions, broker ids. */
#define LEAT_KV_HEX(key, data, size) leat_log_bytes(LEAT_LOG_HEX, (key), (data), (size))
#define LEAT_KV_U64(key, number)     leat_log_u64((key), (number))
#define LEAT_KV_I64(key, number)     leat_log_i64((key), (number))
#define LEAT_KV_REAL(key, number)    leat_log_real((key), (number)) /* three decimals */
#define LEAT_KV_BOOL(key, truth)     leat_log_bool((key), (truth))
/* err=NOT_FOUND */
#define LEAT_KV_ERR(err) leat_log_text("err", leat_text_of(leat_err_name(err)))
/* errno=13 why="Permission denied" */
#define LEAT_KV_ERRNO(errnum)        \
    leat_log_i64("errno", (errnum)), \
        leat_log_text("why", leat_text_of(leat_log_errno_text(errnum, (char[64]){0}, 64)))
#define LEAT_KV_END ((leat_log_field){0})

/* level, at ("room.event"), msg (a few words for people), then any number of LEAT_KV_…, or none.
 * The fields are not evaluated when the level is not logged. */
#define LEAT_LOG(...) LEAT_LOG_LIST(__VA_ARGS__, LEAT_KV_END)
#define LEAT_LOG_LIST(level, at, msg, ...)                                               \
    do {                                                                                 \
        if (leat_log_is_on(level))                                                       \
            leat_log_write((level), (at), (msg), (const leat_log_field[]){__VA_ARGS__}); \
    } while (0)

/* The least important level that is still written; LEAT_LOG_INFO at the start. One for the process:
 * stderr is too. */
void leat_log_set_level(leat_log_level level);
/* Write nothing at all, in somebody else's program. */
void leat_log_set_off(void);
bool leat_log_is_on(leat_log_level level);

/* "info" -> LEAT_LOG_INFO; false if it is none (level is then unchanged). */
bool leat_log_level_of(const char *word, leat_log_level *level);

/* Write a line now, whatever the level. fields ends with LEAT_KV_END. */
void
leat_log_write(leat_log_level level, const char *at, const char *msg, const leat_log_field *fields);

/* The line that leat_log_write would write at wall_ms, with its line feed; its size. */
size_t leat_log_format(char line[LEAT_LOG_LINE_BYTES],
                       int64_t wall_ms,
                       leat_log_level level,
                       const char *at,
                       const char *msg,
                       const leat_log_field *fields);

/* The system's words for an errno, in text or in static storage; for LEAT_KV_ERRNO. */
const char *leat_log_errno_text(int errnum, char *text, size_t size);

/* ------------------------------------------------------------------- behind the macros above */

static inline leat_log_field
leat_log_text(const char *key, leat_text text)
{
    return (leat_log_field){.key = key, .type = LEAT_LOG_TEXT, .value.text = text};
}

static inline leat_log_field
leat_log_bytes(leat_log_type type, const char *key, const void *data, size_t size)
{
    return (leat_log_field){
        .key = key, .type = type, .value.text = {.data = data, .size = size}
    };
}

static inline leat_log_field
leat_log_u64(const char *key, uint64_t number)
{
    return (leat_log_field){.key = key, .type = LEAT_LOG_U64, .value.u64 = number};
}

static inline leat_log_field
leat_log_i64(const char *key, int64_t number)
{
    return (leat_log_field){.key = key, .type = LEAT_LOG_I64, .value.i64 = number};
}

static inline leat_log_field
leat_log_real(const char *key, double number)
{
    return (leat_log_field){.key = key, .type = LEAT_LOG_REAL, .value.real = number};
}

static inline leat_log_field
leat_log_bool(const char *key, bool truth)
{
    return (leat_log_field){.key = key, .type = LEAT_LOG_BOOL, .value.truth = truth};
}

#endif
