/* leat_jsonl: what a worker and a program that does jobs over stdin and stdout say to each other,
 * one JSON object a line (docs/workers.md).
 *
 *   to the program     {"job":"17","handler":"resize","attempt":1,"payload":"…", …}
 *                      {"stop":"17","reason":"cancelled"}
 *   from the program   {"job":"17","result":"…"}, {"job":"17","progress":3,"of":10}, …
 *
 * Pure: bytes in, values out. Strings that may hold any bytes have a second name, as "payload_b64"
 * for base64: written where the bytes are no UTF-8 or hold a NUL, read wherever it is used. */
#ifndef LEAT_WORKER_RUNNER_JSONL_H
#define LEAT_WORKER_RUNNER_JSONL_H

#include "worker/runner/message.h"

/* A line of a program: a result of the largest size, each byte of it as an escape of four, fits. */
#define LEAT_JSONL_BYTES_MAX 4194304U
#define LEAT_JSONL_WHY_BYTES 128U

static_assert(LEAT_JSONL_BYTES_MAX >= 4 * LEAT_PAYLOAD_BYTES_MAX, "a result fits into a line");

typedef enum leat_jsonl_kind {
    LEAT_JSONL_RESULT = 1, /* the job is done; data */
    LEAT_JSONL_FAIL,       /* it failed, and may be tried again; data: why */
    LEAT_JSONL_FATAL,      /* it failed, and trying again cannot help; data: why */
    LEAT_JSONL_SNOOZE,     /* later: delay_ms */
    LEAT_JSONL_PROGRESS,   /* done, of; data: a few words */
    LEAT_JSONL_LOG,        /* data: lines, with the end of the last one */
    LEAT_JSONL_CHECKPOINT, /* data */
} leat_jsonl_kind;

typedef struct leat_jsonl_answer {
    leat_jsonl_kind kind;
    uint64_t job;
    uint64_t delay_ms;
    uint64_t done;
    uint64_t of;   /* 0: nobody knows */
    leat_buf data; /* owned, used again by the next read; leat_buf_fini */
} leat_jsonl_answer;

/* Does this end the job? */
static inline bool
leat_jsonl_is_end(leat_jsonl_kind kind)
{
    return kind <= LEAT_JSONL_SNOOZE;
}

/* A line of the program, without its line feed. On failure why gets half a sentence.
 * LEAT_ERR_MALFORMED, LEAT_ERR_TOO_LARGE, LEAT_ERR_NOMEM. */
LEAT_NODISCARD leat_err leat_jsonl_read(const uint8_t *line,
                                        size_t size,
                                        leat_jsonl_answer *answer,
                                        char why[LEAT_JSONL_WHY_BYTES]);

/* Lines for the program, appended with their line feed. */
void leat_jsonl_put_job(leat_buf *buf, const leat_message_job *job);
void leat_jsonl_put_stop(leat_buf *buf, uint64_t job, bool is_limit);

#endif
