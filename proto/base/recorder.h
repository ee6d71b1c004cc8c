/* leat_recorder: what a process did and was told, written down so that it survives the process.
 *
 *     process ──► leat_recorder_note ──► notes of 64 bytes in a mapped file ──► leat_recording
 *
 * A note is in the page cache as soon as it is written: a process that is killed in the next
 * instruction has left it. (A machine that loses its power has not: nothing is synced.) The file
 * grows by chunks that are allocated before they are mapped, so a full disk is an error value and
 * no SIGBUS. A note counts when its CRC, which is written last, is right; the one that a kill has
 * cut is not there.
 *
 * Each recorder has a file of its own, "PROGRAM-PID-N.history" in the folder that was named, and is
 * used by one thread. It is for harnesses that judge a run afterwards (tests/crash); off, it costs
 * its users a comparison a frame. Notes are in this machine's byte order. */
#ifndef LEAT_RECORDER_H
#define LEAT_RECORDER_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

/* What a note says, and in which fields:
 *
 *   OPEN      the file begins: number its format
 *   STOPPED   there was no room for more: the history has a hole from here on
 *   SESSION   the worker has a new session: sequences begin again, what was not answered is unknown
 *   SEND      invoke, one a record, before it leaves: number, hash, extra its channel, attempt its
 *             limits, flags. Then what became of it, one a run of records: number of the first,
 *             extra how many; ok: job the first's, batch; fail: code
 *   FOLLOW    a job that the broker is to make: number of the first SEND, extra handler, hash and
 *             flags
 *   SHOWN     a completion: batch, number its position, epoch the wait, job, attempt, code how it
 *             ended, hash of the result
 *   RECEIVED  a message: job its id, extra channel, hash
 *   CANCEL    number, job or batch; invoke, then the answer
 *   RETRY     number, batch; invoke, then the answer with the new batch in job
 *   START     an attempt begins: job, attempt, epoch, number in the session, extra handler, hash
 *   END       it has ended: job, attempt, epoch, code how, hash of the result
 *   REPORT    invoke, one an end, before it leaves: number of its frame, job, attempt, epoch, code;
 *             ok: the frame `number` has the sequence in batch; fail, one a refused end: number the
 *             sequence, job, attempt, code
 *   ANSWER    to the frame with the sequence in number, behind its refused ends; ok: the other ends
 *             are accepted */
#define LEAT_NOTE_MAP(X) \
    X(OPEN, 1)           \
    X(STOPPED, 2)        \
    X(SESSION, 3)        \
    X(SEND, 4)           \
    X(FOLLOW, 5)         \
    X(SHOWN, 6)          \
    X(RECEIVED, 7)       \
    X(CANCEL, 8)         \
    X(RETRY, 9)          \
    X(START, 10)         \
    X(END, 11)           \
    X(REPORT, 12)        \
    X(ANSWER, 13)
typedef enum leat_note_operation {
#define LEAT_NOTE_ENUM(name, number) LEAT_NOTE_##name = (number),
    LEAT_NOTE_MAP(LEAT_NOTE_ENUM)
#undef LEAT_NOTE_ENUM
} leat_note_operation;

typedef enum leat_note_phase {
    LEAT_PHASE_INVOKE = 1, /* asked, or about to be */
    LEAT_PHASE_OK,
    LEAT_PHASE_FAIL,    /* refused: it has not happened */
    LEAT_PHASE_UNKNOWN, /* the answer is lost */
} leat_note_phase;

/* SEND flags: a message and no job · its channel may answer for another job of the same key. */
#define LEAT_NOTE_MESSAGE 1U
#define LEAT_NOTE_UNIQUE  2U
/* FOLLOW flags, and those of the SEND whose jobs have such: it recovers · it comes after the end.
 */
#define LEAT_NOTE_RECOVERS 4U
#define LEAT_NOTE_FINALLY  8U

typedef struct leat_note {
    uint64_t time_us; /* monotonic; by leat_recorder_note */
    uint64_t number;
    uint64_t job;
    uint64_t batch;
    uint64_t hash;     /* leat_note_hash */
    uint32_t process;  /* by leat_recorder_note */
    uint32_t epoch;    /* low 32 bits */
    uint32_t attempt;  /* SEND: how many may fail, and << 16 how many may be lost; 0: unsaid */
    uint32_t extra;    /* a count, or leat_note_name of a channel or handler */
    uint8_t operation; /* leat_note_operation */
    uint8_t phase;     /* leat_note_phase */
    uint8_t code;
    uint8_t flags;
    uint32_t crc; /* of what stands before it; by leat_recorder_note */
} leat_note;
#define LEAT_NOTE_BYTES 64U
static_assert(sizeof(leat_note) == LEAT_NOTE_BYTES, "a note has no holes and fits a cache line");

/* Bytes as one number: their CRC-32C, and above it how many they are. */
uint64_t leat_note_hash(const void *data, size_t size);
uint32_t leat_note_name(const char *name, size_t size);

/* ---- writing ---- */

typedef struct leat_recorder leat_recorder;

/* Make a file in folder, which must be there. why gets a sentence on failure.
 * LEAT_ERR_DENIED, LEAT_ERR_NOT_FOUND, LEAT_ERR_NO_SPACE, LEAT_ERR_IO, LEAT_ERR_NOMEM. */
LEAT_NODISCARD leat_err leat_recorder_open(const char *folder,
                                           const char *program,
                                           leat_recorder **out,
                                           char why[512]);
void leat_recorder_close(leat_recorder **recorder_p);

/* Write a note down. Never fails: without room for it the last note of the file is STOPPED, and
 * leat_recorder_trouble says why. */
void leat_recorder_note(leat_recorder *recorder, const leat_note *note);

/* Why nothing is recorded any more, or "". Valid for the recorder's life. */
const char *leat_recorder_trouble(const leat_recorder *recorder);

/* ---- reading ---- */

typedef struct leat_recording {
    const leat_note *notes; /* mapped */
    size_t count;           /* slots of the file, also those that are not written */
    size_t at;
    bool is_torn;    /* the last note was cut */
    bool is_stopped; /* there is a STOPPED */
} leat_recording;

/* LEAT_ERR_CORRUPT: the file does not begin as a history does. */
LEAT_NODISCARD leat_err leat_recording_open(const char *path, leat_recording *out);
void leat_recording_close(leat_recording *recording);

/* The next note; LEAT_ERR_NOT_FOUND at the end. LEAT_ERR_CORRUPT: notes follow one that is not
 * whole, which a kill does not do. */
LEAT_NODISCARD leat_err leat_recording_next(leat_recording *recording, leat_note *note);

#endif
