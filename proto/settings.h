/* leat_settings: how the jobs of one SEND are to be treated, bytes <-> values. The same bytes
 * travel (SEND), are stored beside the jobs, and are the defaults of a channel.
 *
 *   any number of (u8 key · u16 size · value)
 *
 * Keys below 128 must be understood, others are skipped. No key is given twice, but for FINALLY,
 * which adds one each time. What is not given has the value that leat_settings_nothing says, and
 * whoever uses it asks the next place: the job, its channel, the built-in default. */
#ifndef LEAT_SETTINGS_H
#define LEAT_SETTINGS_H

#include <stdbool.h>

#include "proto/base/bytes.h"
#include "proto/base/err.h"
#include "proto/limits.h"

typedef struct leat_bytes {
    const uint8_t *data;
    uint32_t size;
} leat_bytes;

/* X(name, key, size of value or 0 where it varies, meaning) */
#define LEAT_SETTING_MAP(X)                                                                  \
    X(PRIORITY, 1, 1, "0 … 9, 9 first")                                                      \
    X(FAILURES, 2, 2, "attempts that may end in failure")                                    \
    X(DELAY_MS, 3, 8, "not before this many ms from now")                                    \
    X(RUN_LIMIT_MS, 4, 8, "an attempt is stopped after this many ms")                        \
    X(NAME, 5, 0, "name of the batch")                                                       \
    X(LOSSES, 6, 2, "attempts that may end in the loss of their worker")                     \
    X(SNOOZES, 7, 2, "times that the handler may ask for later")                             \
    X(BACKOFF_MIN_MS, 8, 8, "wait after the first failure; doubles with each")               \
    X(BACKOFF_MAX_MS, 9, 8, "… up to this")                                                  \
    X(GRACE_MS, 10, 8, "between asking a run to stop and ending it by force")                \
    X(AT_MS, 11, 8, "not before this wall time, ms since 1970")                              \
    X(EXPIRES_MS, 12, 8, "of no use if not started this many ms from now")                   \
    X(UNIQUE, 13, 0, "a key: while a job with it is alive, others join that job")            \
    X(UNIQUE_FOR_MS, 14, 8, "… and so long after its end")                                   \
    X(FLOW, 15, 0, "names the fairness key; without it, the batch")                          \
    X(KEY, 16, 0, "a key: the channel may cap the running jobs of each")                     \
    X(NEEDS, 17, 0, "amounts that a worker must have free, \"gpu=1,mem=1024\"")              \
    X(TRAITS, 18, 0, "what a worker must say of itself, \"arch=arm,zone=a\"")                \
    X(REPLY, 19, 0, "a channel that is sent each completion as well")                        \
    X(REPLY_HANDLER, 20, 0, "… as a job of this handler, its payload the result")            \
    X(AFTER, 21, 9, "u64 batch · u8 when: waits until that batch has ended so")              \
    X(FINALLY, 22, 0, "text8 handler · payload: a job to run when the job has ended")        \
    X(RECOVER, 23, 0, "text8 handler · payload: a job to run when the job is dead")          \
    X(HALT, 24, 7, "u8 on · u8 running too · u8 percent · u32 n: when the batch ends early") \
    X(LABELS, 25, 0, "what is said of the batch, \"env=prod,team=x\"")

typedef enum leat_setting {
#define LEAT_SETTING_ENUM(name, key, size, meaning) LEAT_SETTING_##name = (key),
    LEAT_SETTING_MAP(LEAT_SETTING_ENUM)
#undef LEAT_SETTING_ENUM
} leat_setting;

/* When what waits for a batch may go on. */
typedef enum leat_after {
    LEAT_AFTER_NOTHING = 0,
    LEAT_AFTER_OK = 1,     /* every job of it is done */
    LEAT_AFTER_ANY = 2,    /* every job of it has ended */
    LEAT_AFTER_FAILED = 3, /* at least one has ended other than done */
} leat_after;

/* What makes a batch give up the rest of itself. */
typedef enum leat_halt_on {
    LEAT_HALT_NEVER = 0,
    LEAT_HALT_FAIL = 1,    /* so many have ended other than done */
    LEAT_HALT_SUCCESS = 2, /* so many are done */
    LEAT_HALT_DONE = 3,    /* so many have ended */
} leat_halt_on;

typedef struct leat_halt {
    leat_halt_on on;
    bool running; /* running jobs are stopped too */
    bool percent; /* n is a percentage of the batch's jobs, 1 … 100; of a sealed batch only */
    uint32_t n;
} leat_halt;

/* A job that follows another one. */
typedef struct leat_follower {
    leat_text handler; /* empty: none */
    leat_bytes payload;
} leat_follower;

#define LEAT_PRIORITY_NOTHING 255U

typedef struct leat_settings {
    uint8_t priority;  /* LEAT_PRIORITY_NOTHING */
    uint16_t failures; /* 0, as all others: nothing */
    uint16_t losses;
    uint16_t snoozes;
    uint64_t delay_ms; /* at most LEAT_DELAY_MS_MAX, as all durations */
    uint64_t run_limit_ms;
    uint64_t backoff_min_ms;
    uint64_t backoff_max_ms;
    uint64_t grace_ms;
    uint64_t at_ms;
    uint64_t expires_ms;
    uint64_t unique_for_ms;
    leat_text name; /* texts are borrowed */
    leat_text unique;
    leat_text flow;
    leat_text key;
    leat_text needs;  /* leat_needs_is_valid */
    leat_text traits; /* leat_traits_is_valid */
    leat_text labels; /* leat_labels_is_valid */
    leat_text reply;
    leat_text reply_handler;
    uint64_t after_batch;
    leat_after after;
    leat_halt halt;
    leat_follower recover;
    uint8_t finally_count;
    leat_follower finally[LEAT_FINALLY_MAX]; /* the last one runs first */
} leat_settings;

/* Nothing is set. */
leat_settings leat_settings_nothing(void);

/* LEAT_ERR_MALFORMED: a value is out of its range, or the bytes are no settings.
 * LEAT_ERR_TOO_LARGE: more than LEAT_SETTINGS_BYTES_MAX bytes.
 * LEAT_ERR_UNSUPPORTED: a key below 128 that is not known here. */
LEAT_NODISCARD leat_err leat_settings_read(const uint8_t *data, size_t size, leat_settings *out);

/* What is set, by rising key. A value out of its range is the caller's bug. The payloads of
 * followers can make it more than LEAT_SETTINGS_BYTES_MAX bytes, which nobody reads: who has
 * followers from a user looks at the size before it goes into a frame. */
void leat_settings_put(leat_buf *buf, const leat_settings *s);

/* ---- needs and traits ---- */

/* "cpus=2,gpu=1": 1 … LEAT_NEEDS_MAX names with amounts above 0, names rising, of the letters
 * a-z 0-9 _ - and at most 32 bytes; at most LEAT_NAME_BYTES_MAX bytes in all. */
bool leat_needs_is_valid(leat_text needs);
/* The next pair; false at the end. needs is valid and is moved on. */
bool leat_needs_next(leat_text *needs, leat_text *name, uint64_t *amount);

/* "arch=arm,zone=a": the same with values of printable ASCII without comma, 1 … 64 bytes. */
bool leat_traits_is_valid(leat_text traits);
bool leat_traits_next(leat_text *traits, leat_text *name, leat_text *value);

/* Labels have the form of traits: 1 … LEAT_LABELS_MAX of them, at most LEAT_LABELS_BYTES_MAX bytes
 * in all. */
bool leat_labels_is_valid(leat_text labels);
/* Is this label among them? */
bool leat_labels_have(leat_text labels, leat_text name, leat_text value);

/* A name of a need or trait by itself. */
bool leat_trait_name_is_valid(leat_text name);
bool leat_trait_value_is_valid(leat_text value);

#endif
