/* leat_message: what goes between a worker and its keepers (keeper.h), bytes <-> values.
 *
 * Over the socket: u32 size · u8 kind · body, where size counts kind and body.
 *   START  leat_exec, and in front of it variables         worker to keeper
 *   SERVE  u8 runner · u32 jobs_max · u64 memory_max · variables · leat_exec
 *   JOB    u64 id · u64 batch · u32 place · u32 attempt · u64 left_ms · bytes32 handler ·
 *          bytes32 channel · bytes32 payload · bytes32 checkpoint · bytes32 given · variables
 *   STOP   u32 grace_ms · u8 flags (of leat_ending)
 *   TOLD   one or more of these                             keeper to worker
 *          u8 PROGRESS · u64 done · u64 of · text16 text
 *          u8 LOG · u8 stream · u64 offset · bytes32 data
 *          u8 CHECKPOINT · bytes32 data
 *   ENDED  u8 end (of leat_message_end) · u64 run_us · u64 delay_ms · result
 *
 * variables: u32 n · n × bytes32 NAME=VALUE.
 * given: for each amount bytes32 name and a NUL · u64 amount · u8 has numbers · amount × u16.
 *
 * START runs one program for one job. SERVE says which program, or plug-in, does all jobs that
 * follow, each with a JOB; a keeper is told SERVE once in its life, and then no START. TOLD and
 * ENDED are about the job that was started last. What is told may be lost, but for a checkpoint.
 * Both ends are the same program, so a message is only looked at as far as to stay inside of it.
 * Keepers of plug-ins speak with their children in the same way (plugin.h). */
#ifndef LEAT_WORKER_RUNNER_MESSAGE_H
#define LEAT_WORKER_RUNNER_MESSAGE_H

#include "proto/exec.h"
#include "proto/told.h"
#include "worker/amount.h"

#define LEAT_MESSAGE_HEAD      5U /* bytes of size and kind */
#define LEAT_MESSAGE_BYTES_MAX (4U * 1024U * 1024U)

typedef enum leat_message_kind {
    LEAT_MESSAGE_START = 1,
    LEAT_MESSAGE_SERVE,
    LEAT_MESSAGE_JOB,
    LEAT_MESSAGE_STOP,
    LEAT_MESSAGE_TOLD,
    LEAT_MESSAGE_ENDED,
} leat_message_kind;

/* A message of this kind is appended to buf; where it begins. Its size is said when it is finished.
 */
size_t leat_message_begin(leat_buf *buf, leat_message_kind kind);
void leat_message_finish(leat_buf *buf, size_t begin);

/* n × bytes32 as leat_exec_next reads them, *count of them; reader moves behind them. */
leat_reader leat_message_variables(leat_reader *reader, uint32_t *count);

/* ---- SERVE ---- */

typedef struct leat_message_serve {
    uint8_t runner;      /* of leat_program_kind (worker/handler.h) */
    uint32_t jobs_max;   /* after so many the program is started anew; 0: never */
    uint64_t memory_max; /* of a plug-in: with more bytes it is, too; 0: never */
    uint32_t variable_count;
    leat_reader variables;
    leat_bytes exec; /* a leat_exec; the rest of the body */
} leat_message_serve;

/* false: it ends too early. The rest is borrowed from body. */
bool leat_message_serve_read(leat_reader body, leat_message_serve *serve);

/* ---- JOB ---- */

typedef struct leat_message_job {
    uint64_t id;
    uint64_t batch;
    uint32_t place;
    uint32_t attempt;
    uint64_t left_ms; /* of its run limit; 0: it has none */
    leat_bytes handler;
    leat_bytes channel;
    leat_bytes payload;
    leat_bytes checkpoint; /* of an earlier attempt; empty: none */
    leat_bytes given;      /* of the worker's amounts: leat_message_given_read */
    uint32_t variable_count;
    leat_reader variables;
} leat_message_job;

/* All but the variables, which are to follow. */
void leat_message_job_put(leat_buf *buf, const leat_message_job *job);
bool leat_message_job_read(leat_reader body, leat_message_job *job);

/* The bytes of `given`; given may be NULL. */
void leat_message_given_put(leat_buf *buf, const leat_given *given);
/* *out is the caller's to free, NULL where nothing is given; names are borrowed from bytes. false:
 * they are none, or there is no memory. */
bool leat_message_given_read(leat_bytes bytes, leat_given **out);

/* ---- TOLD ---- */

typedef enum leat_message_telling {
    LEAT_TELLING_PROGRESS = 1,
    LEAT_TELLING_LOG,
    LEAT_TELLING_CHECKPOINT,
} leat_message_telling;

typedef struct leat_message_told {
    leat_message_telling kind;
    uint64_t done; /* PROGRESS */
    uint64_t of;
    leat_text text;
    leat_stream stream; /* LOG */
    uint64_t offset;
    leat_bytes data; /* LOG, CHECKPOINT */
} leat_message_told;

void leat_message_told_put(leat_buf *buf, const leat_message_told *told);
/* The next one of a TOLD's body; false: there is no more, or (then body->failed) it is none. */
bool leat_message_told_next(leat_reader *body, leat_message_told *told);

/* ---- ENDED ---- */

/* leat_end, and one more. */
#define LEAT_MESSAGE_SNOOZED 4 /* the job asks for another attempt after delay_ms */

typedef struct leat_message_ended {
    uint8_t end;
    uint64_t run_us;
    uint64_t delay_ms;
    leat_bytes result;
} leat_message_ended;

/* All but the result, which is to follow. */
void leat_message_ended_put(leat_buf *buf, const leat_message_ended *ended);
bool leat_message_ended_read(leat_reader body, leat_message_ended *ended);

#endif
