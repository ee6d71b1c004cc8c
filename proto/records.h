/* leat_records: the bodies of the data frames, bytes <-> values.
 *
 * For each command there is a head (what the frame says once) and records. Reading goes
 *
 *     leat_send_head head;
 *     leat_reader records;
 *     err = leat_send_open(body, size, frame.count, &head, &records);   checks every length
 *     for (uint16_t i = 0; i < frame.count; i++)
 *         leat_send_next(&records, &record);                            cannot fail after that
 *
 * open() walks the whole body once and accepts it only if it is exactly `count` well-formed records
 * and nothing more; next() then trusts it. Texts and payloads are borrowed from the body. Writing
 * goes: leat_frame_begin, one _put_head, any number of _put, leat_frame_finish. Writers never fail
 * by themselves: a value over its limit is the caller's bug and asserts; memory is asked once at
 * the end (buf->failed).
 *
 * Byte layouts are written beside each type; text8 is a u8 length and that many bytes, text16 has a
 * u16 length. All open() functions return LEAT_ERR_OK, LEAT_ERR_MALFORMED (what is wrong with the
 * structure), LEAT_ERR_TOO_LARGE (a payload over LEAT_PAYLOAD_BYTES_MAX, settings over
 * LEAT_SETTINGS_BYTES_MAX) or LEAT_ERR_UNSUPPORTED (a setting that must be understood and is not
 * known here). */
#ifndef LEAT_RECORDS_H
#define LEAT_RECORDS_H

#include "proto/base/bytes.h"
#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/settings.h"
#include "proto/text.h"

/* What a worker shows with a result: u64 id, u32 attempt, u64 epoch (20 bytes). */
typedef struct leat_token {
    uint64_t id;
    uint32_t attempt; /* from 1 */
    uint64_t epoch;   /* the broker's, when it gave this attempt out */
} leat_token;
#define LEAT_TOKEN_BYTES 20U

/* How a job ended. The numbers travel and are stored. */
#define LEAT_OUTCOME_MAP(X)      \
    X(DONE, 1, "done")           \
    X(DEAD, 2, "dead")           \
    X(CANCELLED, 3, "cancelled") \
    X(EXPIRED, 4, "expired")     \
    X(SKIPPED, 5, "skipped")     \
    X(LOST, 6, "lost")
typedef enum leat_outcome {
#define LEAT_OUTCOME_ENUM(name, number, word) LEAT_OUTCOME_##name = (number),
    LEAT_OUTCOME_MAP(LEAT_OUTCOME_ENUM)
#undef LEAT_OUTCOME_ENUM
} leat_outcome;

/* "done", "dead", … or "?"; static storage. */
const char *leat_outcome_name(unsigned outcome);

/* ---- SEND: jobs or messages for one channel and one batch --------------------------------------
 *
 * head: u8 flags · text8 channel · text8 handler (empty: messages) · u64 batch · u32 tag ·
 *       u16 settings_bytes · settings
 * settings: as in settings.h
 * record: u32 payload_bytes · payload
 *
 * batch names an existing batch; 0 means the batch that this session calls `tag` (made when the tag
 * is first used); both 0: every job is a batch of its own, with the job's id. */
#define LEAT_SEND_SEAL  1U /* the batch is complete after this frame */
#define LEAT_SEND_TRY   2U /* do not wait in line when the channel is full: answer FULL */
#define LEAT_SEND_FLAGS (LEAT_SEND_SEAL | LEAT_SEND_TRY)

typedef struct leat_send_head {
    uint8_t flags;
    leat_text channel;
    leat_text handler;
    uint64_t batch;
    uint32_t tag;
    leat_settings settings;
} leat_send_head;

/* A head with nothing set. */
leat_send_head leat_send_head_default(void);

LEAT_NODISCARD leat_err leat_send_open(
    const uint8_t *body, size_t size, uint16_t count, leat_send_head *head, leat_reader *records);

static inline leat_bytes
leat_send_next(leat_reader *records)
{
    leat_bytes payload;
    payload.size = leat_load_u32(records->at);
    payload.data = records->at + 4;
    records->at += 4 + payload.size;
    return payload;
}

void leat_send_put_head(leat_buf *buf, const leat_send_head *head);
void leat_send_put(leat_buf *buf, const void *payload, size_t size);

/* ---- SENT: answers to SEND ---------------------------------------------------------------------
 *
 * record: u64 sequence · u64 batch · u64 first_id · u32 accepted · u16 code · text16 sentence
 *
 * The first `accepted` records of the frame are in, with ids first_id, first_id + 1, …; code says
 * why the rest is not (OK: there is no rest). */
typedef struct leat_sent {
    uint64_t sequence;
    uint64_t batch; /* the batch's id; for batches of one, the first job's id */
    uint64_t first_id;
    uint32_t accepted;
    uint16_t code;
    leat_text sentence; /* empty when code is OK */
} leat_sent;

LEAT_NODISCARD leat_err leat_sent_open(const uint8_t *body,
                                       size_t size,
                                       uint16_t count,
                                       leat_reader *records);
void leat_sent_next(leat_reader *records, leat_sent *sent);
void leat_sent_put(leat_buf *buf, const leat_sent *sent);

/* ---- CREDIT: what may be sent to this peer -----------------------------------------------------
 *
 * record, by its first byte:
 *   1 WORK  u16 handler (index in HELLO's list, 65535 = all together) · u32 items · u32 bytes
 *   2 RECV  text8 channel · u32 items · u64 receives
 *   3 WAIT  u64 batch · u64 position · u8 goal_kind · u64 goal · u32 items
 *
 * All figures are absolute: so much may be outstanding, not so much more. items 0 ends it. receives
 * counts the receives that were begun over this connection: a channel with a capacity hands out one
 * message for each and nothing ahead of them. */
typedef enum leat_credit_kind {
    LEAT_CREDIT_WORK = 1,
    LEAT_CREDIT_RECV = 2,
    LEAT_CREDIT_WAIT = 3,
} leat_credit_kind;

typedef enum leat_goal {
    LEAT_GOAL_ALL = 0,   /* the batch is sealed and every job of it has ended */
    LEAT_GOAL_COUNT = 1, /* so many have ended */
    LEAT_GOAL_OK = 2,    /* so many are done */
} leat_goal;

#define LEAT_CREDIT_ALL_HANDLERS 65535U

typedef struct leat_credit {
    leat_credit_kind kind;
    uint16_t handler;  /* WORK */
    leat_text channel; /* RECV */
    uint64_t batch;    /* WAIT */
    uint64_t position; /* WAIT: everything up to it has been read; 0 at first */
    leat_goal goal_kind;
    uint64_t goal;
    uint32_t items;
    uint32_t bytes;    /* WORK: payload bytes */
    uint64_t receives; /* RECV */
} leat_credit;

LEAT_NODISCARD leat_err leat_credit_open(const uint8_t *body,
                                         size_t size,
                                         uint16_t count,
                                         leat_reader *records);
void leat_credit_next(leat_reader *records, leat_credit *credit);
void leat_credit_put(leat_buf *buf, const leat_credit *credit);

/* ---- JOBS: jobs for a worker -------------------------------------------------------------------
 *
 * head: u64 epoch · u64 first_number
 * record (a run: jobs of one handler, channel and batch):
 *   u16 jobs · text8 channel · text8 handler · u64 batch · u64 run_limit_ms · text8 needs, then for
 *   each job
 *   u64 id · u32 attempt · u32 place · u32 payload_bytes · payload
 *   and, in a run whose `jobs` has the highest bit: u32 checkpoint_bytes · checkpoint
 *
 * Jobs are numbered in the session in the order in which they are to be started; the first of the
 * frame has first_number, across its runs. place is the job's place in its batch, from 1.
 * checkpoint is what an earlier attempt has left (told.h). */
typedef struct leat_jobs_head {
    uint64_t epoch;
    uint64_t first_number;
} leat_jobs_head;

typedef struct leat_jobs_run {
    uint16_t jobs;
    leat_text channel;
    leat_text handler;
    uint64_t batch;
    uint64_t run_limit_ms; /* 0: none */
    leat_text needs;       /* what each job was given of the worker's amounts; empty: nothing */
    bool checkpoints;      /* its jobs have one each */
} leat_jobs_run;

typedef struct leat_jobs_job {
    uint64_t id;
    uint32_t attempt;
    uint32_t place;
    leat_bytes payload;
    leat_bytes checkpoint; /* empty: none */
} leat_jobs_job;

LEAT_NODISCARD leat_err leat_jobs_open(
    const uint8_t *body, size_t size, uint16_t count, leat_jobs_head *head, leat_reader *records);
void leat_jobs_next_run(leat_reader *records, leat_jobs_run *run);
/* run: the one that it is of. */
void leat_jobs_next_job(leat_reader *records, const leat_jobs_run *run, leat_jobs_job *job);

void leat_jobs_put_head(leat_buf *buf, const leat_jobs_head *head);
/* run->jobs may be 0 and set later with leat_jobs_set_run at the returned offset into buf. */
size_t leat_jobs_put_run(leat_buf *buf, const leat_jobs_run *run);
void leat_jobs_set_run(leat_buf *buf, size_t at, uint16_t jobs);
static inline void
leat_jobs_put_job(leat_buf *buf, uint64_t id, uint32_t attempt, uint32_t place, leat_bytes payload)
{
    uint8_t *const p = leat_buf_room(buf, 20 + (size_t)payload.size);
    if (p == NULL)
        return;
    leat_store_u64(p, id);
    leat_store_u32(p + 8, attempt);
    leat_store_u32(p + 12, place);
    leat_store_u32(p + 16, payload.size);
    if (payload.size > 0)
        memcpy(p + 20, payload.data, payload.size);
}
#define LEAT_JOBS_JOB_BYTES 20U /* beside the payload */
/* Behind each job of a run with checkpoints. */
void leat_jobs_put_checkpoint(leat_buf *buf, leat_bytes checkpoint);

/* ---- DONE: ends of attempts --------------------------------------------------------------------
 *
 * head: u64 started (the highest number of JOBS that has been started; also in HEARTBEAT)
 * record: token · u8 end · u64 run_us · u32 result_bytes · result
 *
 * The result of a failure is what is known of it, as text. */
typedef enum leat_end {
    LEAT_END_DONE = 1,
    LEAT_END_FAILED = 2, /* try again while failures are left */
    LEAT_END_FATAL = 3,  /* do not try again */
} leat_end;

typedef struct leat_done {
    leat_token token;
    leat_end end;
    uint64_t run_us;
    leat_bytes result;
} leat_done;
#define LEAT_DONE_BYTES 33U /* of a record beside the result */

LEAT_NODISCARD leat_err leat_done_open(
    const uint8_t *body, size_t size, uint16_t count, uint64_t *started, leat_reader *records);

static inline void
leat_done_next(leat_reader *records, leat_done *done)
{
    const uint8_t *const p = records->at;
    done->token.id = leat_load_u64(p);
    done->token.attempt = leat_load_u32(p + 8);
    done->token.epoch = leat_load_u64(p + 12);
    done->end = (leat_end)p[20];
    done->run_us = leat_load_u64(p + 21);
    done->result.size = leat_load_u32(p + 29);
    done->result.data = p + LEAT_DONE_BYTES;
    records->at += LEAT_DONE_BYTES + done->result.size;
}

void leat_done_put_head(leat_buf *buf, uint64_t started);
void leat_done_put(leat_buf *buf, const leat_done *done);

/* ---- ACKED: answers to DONE, RELEASE, SNOOZE, CANCEL and sequenced ACK ------------------------
 *
 * record: u64 sequence · u16 code · u16 exceptions, then for each exception
 *   u64 id · u32 attempt · u16 code
 *
 * Everything in the frame `sequence` was processed, except as the exceptions say (STALE, …). */
typedef struct leat_acked {
    uint64_t sequence;
    uint16_t code;
    uint16_t exceptions;
} leat_acked;

typedef struct leat_acked_exception {
    uint64_t id;
    uint32_t attempt;
    uint16_t code;
} leat_acked_exception;

LEAT_NODISCARD leat_err leat_acked_open(const uint8_t *body,
                                        size_t size,
                                        uint16_t count,
                                        leat_reader *records);
void leat_acked_next(leat_reader *records, leat_acked *acked);
void leat_acked_next_exception(leat_reader *records, leat_acked_exception *exception);
void leat_acked_put(leat_buf *buf, const leat_acked *acked);
void leat_acked_put_exception(leat_buf *buf, const leat_acked_exception *exception);

/* ---- ITEMS: completions for waiters, messages for receivers ------------------------------------
 *
 * record (a run), by its first byte:
 *   1 COMPLETIONS  u64 batch · u64 first_position · counters · u8 flags · log
 *     counters: u64 total · u64 done · u64 dead · u64 cancelled · u64 expired · u64 skipped
 *     log: u16 workers · workers × text8 name · u16 n · n × completion
 *     completion: u64 job · u32 place · u32 attempt · u8 outcome · u16 worker · u64 ended_ms ·
 *                 u64 run_us · u32 result_bytes · result
 *   2 MESSAGES     text8 channel · u8 flags · u16 n · n × (u64 id · u8 flags · u32 bytes · payload)
 *
 * Completions have the positions first_position, first_position + 1, … in their batch's log. n may
 * be 0: then the run only tells counters and flags. worker is an index into the run's names, or
 * 65535 where no worker had the job. ended_ms is wall time, ms since 1970. */
typedef enum leat_items_kind {
    LEAT_ITEMS_COMPLETIONS = 1,
    LEAT_ITEMS_MESSAGES = 2
} leat_items_kind;

#define LEAT_ITEMS_SEALED    1U  /* nothing is added to this batch any more */
#define LEAT_ITEMS_FINISHED  2U  /* sealed, and every job has ended */
#define LEAT_ITEMS_GOAL      4U  /* what this waiter asked for is reached; position may be behind */
#define LEAT_ITEMS_LOST      8U  /* the batch was in memory only and is gone */
#define LEAT_ITEMS_ABANDONED 16U /* sealed by the broker, its sender's session ended */
#define LEAT_ITEMS_UNKNOWN   32U /* no such batch */
#define LEAT_ITEMS_CLOSED    64U /* MESSAGES: the channel is closed and empty */
#define LEAT_ITEMS_EXPIRED   128U /* completions before first_position are out of retention */
#define LEAT_ITEM_AGAIN      1U   /* of a message: it was handed out before */
#define LEAT_NO_WORKER       65535U

typedef struct leat_counters {
    uint64_t total; /* accepted so far */
    uint64_t done;
    uint64_t dead;
    uint64_t cancelled;
    uint64_t expired;
    uint64_t skipped;
} leat_counters;

static inline uint64_t
leat_counters_ended(const leat_counters *c)
{
    return c->done + c->dead + c->cancelled + c->expired + c->skipped;
}

typedef struct leat_items_run {
    leat_items_kind kind;
    uint64_t batch;          /* COMPLETIONS */
    uint64_t first_position; /* COMPLETIONS */
    leat_counters counters;  /* COMPLETIONS */
    leat_text channel;       /* MESSAGES */
    uint8_t flags;
    uint16_t n;
    uint16_t workers;
    const uint8_t *worker_names; /* text8 each; find one with leat_items_worker */
} leat_items_run;

typedef struct leat_completion {
    uint64_t job;
    uint32_t place;
    uint32_t attempt;
    leat_outcome outcome;
    uint16_t worker;
    uint64_t ended_ms;
    uint64_t run_us;
    leat_bytes result;
} leat_completion;
#define LEAT_COMPLETION_BYTES 39U /* beside the result */

typedef struct leat_message {
    uint64_t id;
    uint8_t flags;
    leat_bytes payload;
} leat_message;

LEAT_NODISCARD leat_err leat_items_open(const uint8_t *body,
                                        size_t size,
                                        uint16_t count,
                                        leat_reader *records);
void leat_items_next_run(leat_reader *records, leat_items_run *run);
void leat_items_next_completion(leat_reader *records, leat_completion *completion);
void leat_items_next_message(leat_reader *records, leat_message *message);
/* The name at index, empty for LEAT_NO_WORKER. O(index). */
leat_text leat_items_worker(const leat_items_run *run, uint16_t index);

/* A log (workers, n, completions) by itself, as the store keeps it. */
LEAT_NODISCARD leat_err leat_log_open(leat_reader *log, leat_items_run *run);

/* The run up to and without its log; the caller appends the log's bytes. */
void leat_items_put_completions(leat_buf *buf,
                                uint64_t batch,
                                uint64_t first_position,
                                const leat_counters *counters,
                                uint8_t flags);
/* The run up to and without its messages; returns the offset for leat_items_set_messages. */
size_t leat_items_put_messages(leat_buf *buf, leat_text channel, uint8_t flags);
void leat_items_set_messages(leat_buf *buf, size_t at, uint16_t n);
void leat_items_put_message(leat_buf *buf, const leat_message *message);

static inline void
leat_items_put_completion(leat_buf *buf, const leat_completion *c)
{
    uint8_t *const p = leat_buf_room(buf, LEAT_COMPLETION_BYTES + (size_t)c->result.size);
    if (p == NULL)
        return;
    leat_store_u64(p, c->job);
    leat_store_u32(p + 8, c->place);
    leat_store_u32(p + 12, c->attempt);
    p[16] = (uint8_t)c->outcome;
    leat_store_u16(p + 17, c->worker);
    leat_store_u64(p + 19, c->ended_ms);
    leat_store_u64(p + 27, c->run_us);
    leat_store_u32(p + 35, c->result.size);
    if (c->result.size > 0)
        memcpy(p + 39, c->result.data, c->result.size);
}

/* ---- ACK: what was read ------------------------------------------------------------------------
 *
 * record, by its first byte: 1 BATCH u64 batch · u64 position    2 MESSAGE u64 id
 *
 * Positions need no answer (sequence 0 in the header); messages are sent with a sequence and
 * answered ACKED. */
typedef enum leat_ack_kind {
    LEAT_ACK_BATCH = 1,
    LEAT_ACK_MESSAGE = 2
} leat_ack_kind;

typedef struct leat_ack {
    leat_ack_kind kind;
    uint64_t id;       /* batch or message */
    uint64_t position; /* BATCH */
} leat_ack;

LEAT_NODISCARD leat_err leat_ack_open(const uint8_t *body,
                                      size_t size,
                                      uint16_t count,
                                      leat_reader *records);
void leat_ack_next(leat_reader *records, leat_ack *ack);
void leat_ack_put(leat_buf *buf, const leat_ack *ack);

/* ---- STOP, RELEASE, SNOOZE, CLAIM, END, RECALL: tokens -----------------------------------------
 *
 * STOP record: token · u8 reason · u32 grace_ms     RELEASE record: token
 * SNOOZE record: token · u64 delay_ms               CLAIM record: token · u8 started (0, 1)
 * END record: u64 claims (sent since the HELLO)     RECALL record: u32 items
 *
 * One type carries them all; each command uses the fields of its row. */
typedef enum leat_stop_reason {
    LEAT_STOP_CANCEL = 1,
    LEAT_STOP_LIMIT = 2,
    LEAT_STOP_STALE = 3, /* not yours (any more): drop it, do not answer */
} leat_stop_reason;

typedef struct leat_token_record {
    leat_token token;
    uint8_t reason;    /* STOP */
    uint32_t grace_ms; /* STOP */
    uint64_t delay_ms; /* SNOOZE */
    uint8_t started;   /* CLAIM */
    uint64_t claims;   /* END */
    uint32_t items;    /* RECALL */
} leat_token_record;

/* command is STOP, RELEASE, SNOOZE, CLAIM, END or RECALL. */
LEAT_NODISCARD leat_err leat_tokens_open(
    leat_command command, const uint8_t *body, size_t size, uint16_t count, leat_reader *records);
void leat_tokens_next(leat_command command, leat_reader *records, leat_token_record *record);
void leat_tokens_put(leat_command command, leat_buf *buf, const leat_token_record *record);

/* ---- CANCEL: jobs to be cancelled ---------------------------------------------------------------
 *
 * record: u64 id. Answered ACKED with exceptions: NOT_FOUND, TOO_LATE (it has ended), DENIED. */
LEAT_NODISCARD leat_err leat_cancel_open(const uint8_t *body,
                                         size_t size,
                                         uint16_t count,
                                         leat_reader *records);
static inline uint64_t
leat_cancel_next(leat_reader *records)
{
    const uint64_t id = leat_load_u64(records->at);
    records->at += 8;
    return id;
}
void leat_cancel_put(leat_buf *buf, uint64_t id);

/* ---- SELECT: one of several sends and receives, SELECTED: which ---------------------------------
 *
 * SELECT head: u8 flags        record (a case): u8 kind (1 send, 2 receive) · text8 channel ·
 *                                               u32 bytes · payload (of a receive: none)
 * SELECTED record: u64 sequence · u16 case (from 0; 65535 none) · u16 code · u64 id · u8 flags ·
 *                  u32 bytes · payload · text16 sentence
 *
 * Exactly one case happens, or none. SELECT has 1 … LEAT_CASES_MAX records. code of SELECTED: OK,
 * or CLOSED (the case's channel is), or with case 65535 FULL (nothing could proceed, and there was
 * a default), TIMEOUT (withdrawn), or what is wrong with the frame. id is the message that was sent
 * or received; flags as of a message (LEAT_ITEM_AGAIN). */
#define LEAT_SELECT_DEFAULT 1U /* do not wait */
#define LEAT_NO_CASE        65535U

typedef enum leat_select_kind {
    LEAT_SELECT_SEND = 1,
    LEAT_SELECT_RECV = 2,
} leat_select_kind;

typedef struct leat_select_case {
    leat_select_kind kind;
    leat_text channel;
    leat_bytes payload; /* SEND */
} leat_select_case;

typedef struct leat_selected {
    uint64_t sequence;
    uint16_t index;
    uint16_t code;
    uint64_t id;
    uint8_t flags;
    leat_bytes payload; /* of a receive */
    leat_text sentence; /* empty when code is OK */
} leat_selected;

LEAT_NODISCARD leat_err leat_select_open(
    const uint8_t *body, size_t size, uint16_t count, uint8_t *flags, leat_reader *records);
void leat_select_next(leat_reader *records, leat_select_case *one);
void leat_select_put_head(leat_buf *buf, uint8_t flags);
void leat_select_put(leat_buf *buf, const leat_select_case *one);

LEAT_NODISCARD leat_err leat_selected_open(const uint8_t *body,
                                           size_t size,
                                           uint16_t count,
                                           leat_reader *records);
void leat_selected_next(leat_reader *records, leat_selected *selected);
void leat_selected_put(leat_buf *buf, const leat_selected *selected);

/* ---- WITHDRAW: what waits and is no longer wanted, WITHDRAWN ------------------------------------
 *
 * WITHDRAW record, by its first byte: 1 SEQUENCE u64 sequence      2 RECV text8 channel
 * WITHDRAWN record: text8 channel · u64 served
 *
 * A withdrawn sequence (a SEND that waits in line, a SELECT) is answered by its own SENT or
 * SELECTED with code TIMEOUT, or with what had happened before. A receive is answered WITHDRAWN: so
 * many messages were handed to this session from this channel over this connection, and no more
 * will be before the next CREDIT; one that is not here yet is on its way, in front of WITHDRAWN. */
typedef enum leat_withdraw_kind {
    LEAT_WITHDRAW_SEQUENCE = 1,
    LEAT_WITHDRAW_RECV = 2,
} leat_withdraw_kind;

typedef struct leat_withdraw {
    leat_withdraw_kind kind;
    uint64_t sequence; /* SEQUENCE */
    leat_text channel; /* RECV */
} leat_withdraw;

typedef struct leat_withdrawn {
    leat_text channel;
    uint64_t served;
} leat_withdrawn;

LEAT_NODISCARD leat_err leat_withdraw_open(const uint8_t *body,
                                           size_t size,
                                           uint16_t count,
                                           leat_reader *records);
void leat_withdraw_next(leat_reader *records, leat_withdraw *withdraw);
void leat_withdraw_put(leat_buf *buf, const leat_withdraw *withdraw);

LEAT_NODISCARD leat_err leat_withdrawn_open(const uint8_t *body,
                                            size_t size,
                                            uint16_t count,
                                            leat_reader *records);
void leat_withdrawn_next(leat_reader *records, leat_withdrawn *withdrawn);
void leat_withdrawn_put(leat_buf *buf, const leat_withdrawn *withdrawn);

/* ---- HEARTBEAT ---------------------------------------------------------------------------------
 *
 * record: u64 started · u32 running        (zeros from the broker and from clients) */
typedef struct leat_heartbeat {
    uint64_t started;
    uint32_t running; /* slots at work */
} leat_heartbeat;

LEAT_NODISCARD leat_err leat_heartbeat_open(const uint8_t *body,
                                            size_t size,
                                            leat_heartbeat *heartbeat);
void leat_heartbeat_put(leat_buf *buf, const leat_heartbeat *heartbeat);

/* ---- ERROR -------------------------------------------------------------------------------------
 *
 * record: u16 code · u64 sequence (of the frame that it answers, or 0) · text16 sentence */
typedef struct leat_error_record {
    uint16_t code;
    uint64_t sequence;
    leat_text sentence;
} leat_error_record;

LEAT_NODISCARD leat_err leat_error_open(const uint8_t *body, size_t size, leat_error_record *error);
void leat_error_put(leat_buf *buf, const leat_error_record *error);

#endif
