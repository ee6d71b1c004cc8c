/* Promises: what crash_script means to do and what a broker has told it, in a mapped file that
 * outlives every process and lies outside the store that is tried.
 *
 *     crash_script ──crash_promise_add──► promises ──► crash_verify, crash_states
 *
 * An intention (SENDING, ENDING …) is written before its frame leaves, a promise (ACCEPTED, ENDED
 * …) when its answer has been read. So a store that holds more than the intentions has a phantom,
 * and one that holds less than the promises has lost something. */
#ifndef LEAT_TEST_CRASH_PROMISE_H
#define LEAT_TEST_CRASH_PROMISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum crash_promise_kind {
    CRASH_SENDING = 1, /* op: a SEND of n records is about to leave; flags: what the jobs are */
    CRASH_ACCEPTED,    /* op: SENT, n records from id on are in, in batch */
    CRASH_GIVEN,       /* id: attempt has come to the worker; FOLLOW: it recovers another */
    CRASH_ENDING,      /* id, attempt: a DONE with `end` is about to leave */
    CRASH_ENDED,       /* id, attempt: it is acknowledged */
    CRASH_CANCELLING,  /* id */
    CRASH_CANCELLED,   /* id: ACKED without an exception */
    CRASH_TAKING,      /* id of a message: an ACK is about to leave */
    CRASH_TAKEN,       /* id: ACKED */
    CRASH_SEALED,      /* batch */
    CRASH_RETRYING,    /* batch */
    CRASH_RETRIED,     /* id: the new batch; batch: the old one; n: its jobs */
} crash_promise_kind;

/* Of SENDING. */
#define CRASH_FLAG_MESSAGE 1U
#define CRASH_FLAG_AFTER   2U /* held by a batch: may be skipped */
#define CRASH_FLAG_FOLLOW  4U /* the first has a finally job and a recover job */
#define CRASH_FLAG_JOIN    8U /* joins the job of an earlier op: has none of its own */

typedef struct crash_promise {
    uint64_t at; /* how much had been written by the broker, as crash_disk counts; else 0 */
    uint64_t id;
    uint64_t batch;
    uint32_t kind;
    uint32_t op;
    uint32_t n;
    uint32_t attempt;
    uint32_t bytes; /* SENDING: of each payload */
    uint8_t end;    /* a leat_end */
    uint8_t flags;
    uint16_t code;
    uint64_t spare[2];
} crash_promise;
_Static_assert(sizeof(crash_promise) == 64, "a promise is one line of the cache");

typedef struct crash_promises {
    struct crash_promise_head *head; /* mapped */
    crash_promise *all;
    const uint64_t *clock; /* mapped; the counter of crash_disk, or NULL */
} crash_promises;

#define CRASH_PROMISES_MAX (1U << 20)

/* Open the file, and make it if `write`. trace: the file of crash_disk, or NULL. False: errno. */
bool crash_promises_open(crash_promises *self, const char *path, const char *trace, bool write);
void crash_promises_close(crash_promises *self);
size_t crash_promises_count(const crash_promises *self);
/* Fills in `at`. */
void crash_promise_add(crash_promises *self, crash_promise promise);

/* What a payload and a result say of themselves, so that each can be recognised in a store:
 *   payload  u32 "SENT" or "NEXT" · u32 op · u32 index · u32 bytes · filling that follows from
 * these result   u32 "ENDS" · u64 job · u32 attempt · u32 end */
#define CRASH_PAYLOAD_SENT  0x53454e54U
#define CRASH_PAYLOAD_NEXT  0x4e455854U /* of a finally job */
#define CRASH_PAYLOAD_BYTES 16U         /* at least */
#define CRASH_RESULT_BYTES  20U
void crash_payload_make(uint32_t word, uint32_t op, uint32_t index, uint8_t *data, uint32_t size);
/* False: it is none, or not as it was sent. */
bool
crash_payload_read(const uint8_t *data, size_t size, uint32_t *word, uint32_t *op, uint32_t *index);
void
crash_result_make(uint64_t job, uint32_t attempt, uint32_t end, uint8_t data[CRASH_RESULT_BYTES]);
bool crash_result_read(
    const uint8_t *data, size_t size, uint64_t *job, uint32_t *attempt, uint32_t *end);

#endif
