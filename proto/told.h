/* leat_told: the bodies of PROGRESS, LOG and CHECKPOINT: what a running job tells.
 *
 * Read and written as in records.h. PROGRESS and LOG go from a worker to the broker, which sends
 * them on to those who watch the job; they may be lost. CHECKPOINT goes to the broker only, is
 * answered ACKED, and is handed to the job's next attempt with JOBS. */
#ifndef LEAT_TOLD_H
#define LEAT_TOLD_H

#include "proto/records.h"

/* What PROGRESS and LOG begin with: token · u64 batch · u32 place · u32 gap (36 bytes).
 *
 * The last three are the broker's words, and zeros in what a worker sends: which watch it is for,
 * the job's place in that batch, and how many records of that watch were dropped since the last one
 * that left. */
typedef struct leat_teller {
    leat_token token;
    uint64_t batch;
    uint32_t place;
    uint32_t gap;
} leat_teller;
#define LEAT_TELLER_BYTES 36U

/* ---- PROGRESS ----------------------------------------------------------------------------------
 *
 * record: teller · u64 done · u64 of · text16 text
 *
 * done of `of`, in whatever unit; of 0: nobody knows. What is told replaces what was told before.
 * From the broker, a job with id 0: of this watch nothing more will be told. */
typedef struct leat_progress {
    leat_teller from;
    uint64_t done;
    uint64_t of;
    leat_text text; /* at most LEAT_PROGRESS_TEXT_MAX bytes */
} leat_progress;

LEAT_NODISCARD leat_err leat_progress_open(const uint8_t *body,
                                           size_t size,
                                           uint16_t count,
                                           leat_reader *records);
void leat_progress_next(leat_reader *records, leat_progress *progress);
void leat_progress_put(leat_buf *buf, const leat_progress *progress);

/* ---- LOG ---------------------------------------------------------------------------------------
 *
 * record: teller · u8 stream · u64 offset · u32 bytes · data
 *
 * A piece of one of the attempt's streams, which begins offset bytes behind the stream's begin: who
 * has not had what is before it sees so. At most LEAT_LOG_BYTES_MAX bytes. */
typedef enum leat_stream {
    LEAT_STREAM_OUT = 1, /* standard output of a command */
    LEAT_STREAM_ERR = 2, /* its standard error */
    LEAT_STREAM_LOG = 3, /* lines of the handler itself */
} leat_stream;
#define LEAT_STREAM_LAST LEAT_STREAM_LOG

typedef struct leat_output {
    leat_teller from;
    leat_stream stream;
    uint64_t offset;
    leat_bytes data;
} leat_output;
#define LEAT_OUTPUT_BYTES (LEAT_TELLER_BYTES + 13U) /* beside the data */

LEAT_NODISCARD leat_err leat_output_open(const uint8_t *body,
                                         size_t size,
                                         uint16_t count,
                                         leat_reader *records);
void leat_output_next(leat_reader *records, leat_output *output);
void leat_output_put(leat_buf *buf, const leat_output *output);

/* ---- CHECKPOINT --------------------------------------------------------------------------------
 *
 * record: token · u32 bytes · data
 *
 * Replaces the checkpoint that the job had; without bytes it has none any more. */
typedef struct leat_checkpoint_record {
    leat_token token;
    leat_bytes data; /* at most LEAT_CHECKPOINT_BYTES_MAX bytes */
} leat_checkpoint_record;
#define LEAT_CHECKPOINT_BYTES (LEAT_TOKEN_BYTES + 4U) /* beside the data */

LEAT_NODISCARD leat_err leat_checkpoint_open(const uint8_t *body,
                                             size_t size,
                                             uint16_t count,
                                             leat_reader *records);
void leat_checkpoint_next(leat_reader *records, leat_checkpoint_record *checkpoint);
void leat_checkpoint_put(leat_buf *buf, const leat_checkpoint_record *checkpoint);

#endif
