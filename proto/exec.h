/* leat_exec: what the payload of a command job says, and leat_ending: what its result says, bytes
 * <-> values. The broker reads no payload, and a result only to tell how a command failed.
 *
 * Payload
 *   u8 version (1) · u8 flags · u16 umask (65535: the worker's) · u32 output_max (0: as much as
 *   there may be) · u64 cpu_s · u64 memory_bytes · u64 files · u64 processes (0: the worker's) ·
 *   bytes32 directory (empty: the worker's) ·
 *   u32 n · n × bytes32 word · u32 n · n × bytes32 variable · bytes32 stdin
 *
 * Result
 *   sentence · u8 0 · "LX" · u8 version (1) · u8 how · u8 code · u8 flags · u32 collected ·
 *   stream stdout · stream stderr
 *   stream: bytes32 head · u64 cut · bytes32 tail
 *
 * bytes32 is a u32 size and that many bytes. Words and variables are any bytes but NUL, since that
 * is what a program can be given; a variable is NAME=VALUE, or NAME to take it away. The sentence
 * stands first and ends at the first NUL, so that whoever knows nothing of commands shows what
 * people want to know of a failure; of one that is done it is empty. */
#ifndef LEAT_EXEC_H
#define LEAT_EXEC_H

#include "proto/settings.h"

/* The handler that runs what its payload says. */
#define LEAT_EXEC_HANDLER "command"

#define LEAT_EXEC_SHELL     1U /* the first word is text for /bin/sh -c, the others its $0, $1 … */
#define LEAT_EXEC_RETRY     2U /* any end but exit 0 may be tried again, not only exit 75 */
#define LEAT_EXEC_FLAGS     (LEAT_EXEC_SHELL | LEAT_EXEC_RETRY)
#define LEAT_EXEC_NO_UMASK  65535U
#define LEAT_EXEC_TRY_AGAIN 75 /* EX_TEMPFAIL: the exit code that asks for another attempt */

typedef enum leat_exec_limit {
    LEAT_EXEC_CPU = 0,   /* seconds of CPU time of a process */
    LEAT_EXEC_MEMORY,    /* bytes of address space of a process */
    LEAT_EXEC_FILES,     /* open descriptors of a process */
    LEAT_EXEC_PROCESSES, /* processes of the user */
    LEAT_EXEC_LIMITS,
} leat_exec_limit;

typedef struct leat_exec {
    uint8_t flags;
    uint16_t umask;
    uint32_t output_max; /* bytes of both streams that are kept */
    uint64_t limits[LEAT_EXEC_LIMITS];
    leat_bytes directory; /* borrowed, as everything here */
    uint32_t word_count;  /* at least 1 */
    uint32_t variable_count;
    leat_reader words; /* when read: leat_exec_next */
    leat_reader variables;
    leat_bytes input; /* stdin */
} leat_exec;

/* Nothing is said. */
leat_exec leat_exec_nothing(void);

/* LEAT_ERR_MALFORMED: not these bytes, or what no program can be given. LEAT_ERR_UNSUPPORTED: of a
 * later version. LEAT_ERR_TOO_LARGE: more words or variables than LEAT_EXEC_WORDS_MAX. */
LEAT_NODISCARD leat_err leat_exec_read(const uint8_t *data, size_t size, leat_exec *out);

/* The next word or variable of exec->words, exec->variables, which moves on. */
leat_bytes leat_exec_next(leat_reader *reader);

/* exec's counts say how many words and variables there are; its readers are not looked at. */
void leat_exec_put(leat_buf *buf,
                   const leat_exec *exec,
                   const leat_bytes *words,
                   const leat_bytes *variables);

/* ---- the end ---- */

typedef enum leat_ending_how {
    LEAT_ENDING_EXIT = 1,    /* code is its exit code */
    LEAT_ENDING_SIGNAL = 2,  /* code is the signal that killed it */
    LEAT_ENDING_NOT_RUN = 3, /* code is 126 or 127: it could not be started */
} leat_ending_how;

#define LEAT_ENDING_CANCELLED 1U /* it was told to stop: nobody wants the job any more */
#define LEAT_ENDING_LIMIT     2U /* … because it took longer than its run limit */
#define LEAT_ENDING_KILLED    4U /* it did not stop in its grace and was killed */
#define LEAT_ENDING_FLAGS     (LEAT_ENDING_CANCELLED | LEAT_ENDING_LIMIT | LEAT_ENDING_KILLED)

typedef struct leat_ending_stream {
    leat_bytes head;
    uint64_t cut; /* bytes between head and tail that were not kept */
    leat_bytes tail;
} leat_ending_stream;

typedef struct leat_ending {
    leat_text sentence;
    leat_ending_how how;
    uint8_t code;
    uint8_t flags;
    uint32_t collected; /* processes that it left behind, and that were ended */
    leat_ending_stream out;
    leat_ending_stream err;
} leat_ending;

/* LEAT_ERR_MALFORMED: not the result of a command. LEAT_ERR_UNSUPPORTED: of a later version. */
LEAT_NODISCARD leat_err leat_ending_read(const uint8_t *data, size_t size, leat_ending *out);

/* The sentence is clipped to LEAT_SENTENCE_BYTES_MAX bytes and to its first NUL. */
void leat_ending_put(leat_buf *buf, const leat_ending *ending);

/* The exit code as a shell tells it: the code, or 128 + signal. */
int leat_ending_code(const leat_ending *ending);

/* What is text of any result, for people: all of it up to its first NUL. */
leat_text leat_ending_text(const void *result, size_t size);

#endif
