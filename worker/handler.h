/* leat_handler: the code that a job names, and the call in which it runs.
 *
 * A handler gets the payload and gives back how the attempt ended and a result. Where it runs is
 * said in its row:
 *
 *   timer   run() is called on the loop, decides how long to sleep and returns at once; finish() is
 *           called on the loop when the time is over. Between the two the job is a small record.
 *   inline  run() is called on the loop and must be done in microseconds.
 *   pool    run() is called on a thread of the pool; it may take as long as it likes and asks
 *           leat_call_is_cancelled() at least every 10 ms. What does not ask is not interrupted.
 *   child   there is no run(): a program does the job, as runner/command.h has it.
 *
 * A payload that the handler does not understand ends the job with LEAT_END_FATAL and a sentence
 * that says what would be right: trying again cannot help. */
#ifndef LEAT_WORKER_HANDLER_H
#define LEAT_WORKER_HANDLER_H

#include <stdarg.h>
#include <stdatomic.h>

#include "proto/control.h"
#include "proto/records.h"
#include "worker/amount.h"

/* A number or duration as payload is at most this long. */
#define LEAT_CALL_WORD_BYTES 64U
/* Words of a handler's program. */
#define LEAT_HANDLER_WORDS_MAX 64U

typedef struct leat_handler leat_handler;

/* Where what a handler tells goes; each runner has one of its own, which this is a part of. */
typedef struct leat_listener leat_listener;
struct leat_listener {
    void (*progress)(leat_listener *listener, uint64_t done, uint64_t of, leat_text text);
    void (*log)(leat_listener *listener, const char *text, size_t size);
    leat_err (*checkpoint)(leat_listener *listener, const void *data, size_t size);
};

/* Which job it is, and who listens to what its handler tells. Apart from leat_call, which is made
 * for each job of microseconds, too. */
typedef struct leat_call_job {
    uint64_t id;
    uint64_t batch;
    uint32_t place; /* in its batch, from 1 */
    uint32_t attempt;
    leat_text handler; /* borrowed, as the payload */
    leat_text channel;
    const leat_handler *row; /* the handler's */
    leat_listener *listener;
} leat_call_job;

typedef struct leat_call {
    const leat_call_job *job;  /* of the pool's and of a plug-in's; NULL: of others, to which nobody
                                  listens */
    leat_bytes payload;        /* borrowed; for finish() of a timer it is empty */
    leat_bytes checkpoint;     /* borrowed, as payload: what an earlier attempt has left; empty */
    int64_t until_ms;          /* monotonic; its run limit is over then. 0: it has none */
    leat_bytes result;         /* set by the handler: borrowed from payload, out or static; empty */
    leat_buf *out;             /* room for a result, empty at first, not the handler's */
    const atomic_bool *cancel; /* true: end soon; NULL: this call cannot be cancelled */
    const leat_given *given;   /* of the worker's amounts; NULL: nothing. leat_call_given */
    bool stopped;              /* set by leat_call_stopped */
    bool snoozes;              /* set by leat_call_snooze: it asks for later, in sleep_ms */
    int64_t sleep_ms;          /* timer: set by run(), >= 0; or of a snooze, > 0 */
    uint64_t value;            /* timer: set by run(), seen again by finish() */
} leat_call;

typedef leat_end leat_handler_run(leat_call *call);

/* What does the jobs of a handler that runs as a child. */
typedef enum leat_program_kind {
    LEAT_PROGRAM_ONESHOT = 1, /* a process a job, the payload is its stdin */
    LEAT_PROGRAM_STDIO,       /* processes that do job after job, in lines of JSON */
    LEAT_PROGRAM_PLUGIN,      /* code of a shared object, the only word, in processes of its own */
} leat_program_kind;

typedef struct leat_program {
    leat_program_kind kind;
    const char *words[LEAT_HANDLER_WORDS_MAX]; /* NULL behind the last one */
} leat_program;

struct leat_handler {
    const char *name;
    leat_runs runs;
    leat_handler_run *run;       /* for a timer LEAT_END_DONE means: sleep now */
    leat_handler_run *finish;    /* timer only; NULL: nothing is to do at the end */
    const char *help;            /* one line: payload and result */
    const leat_program *program; /* child; NULL: the payload says what to run (proto/exec.h) */
    void *context; /* for run(), which finds it in call->job->row; NULL: it needs none */
};

/* The handlers that every worker has; *count is set. Static storage. */
const leat_handler *leat_handlers(size_t *count);

/* The row with this name, or NULL. O(count): ask once a run of jobs. */
const leat_handler *leat_handler_find(const leat_handler *rows, size_t count, leat_text name);

/* ---- for the code of handlers ---- */

static inline bool
leat_call_is_cancelled(const leat_call *call)
{
    return call->cancel != NULL && atomic_load_explicit(call->cancel, memory_order_relaxed);
}

/* What this job was given of `name` ("gpu"): how much, and which ones. NULL: it did not ask for it.
 * Valid until the job has ended. */
static inline const leat_given_amount *
leat_call_given(const leat_call *call, const char *name)
{
    return leat_given_of(call->given, name);
}

/* ms until the run limit is over, at least 0; INT64_MAX: there is none. */
int64_t leat_call_left_ms(const leat_call *call);

/* What a handler on a thread of the pool or in a plug-in's process tells while it runs; the calls
 * copy, and never wait. Others are not listened to.
 *
 * progress    done of `of` (0: nobody knows), with a few words (at most 256 bytes; NULL: none). The
 *             last one is shown to who asks or watches; in between some may be left out.
 * log         a piece of text, mostly a line with its end; who watches sees it. May be lost.
 * checkpoint  what the next attempt finds in call->checkpoint, however this one ends; it takes the
 *             place of the one before, also of one that is still on its way. When the call returns
 *             it is not on disk yet: it is on its way there, and before an end of this attempt.
 *             LEAT_ERR_TOO_LARGE: over LEAT_CHECKPOINT_BYTES_MAX; LEAT_ERR_NOMEM;
 *             LEAT_ERR_UNSUPPORTED: nobody listens. */
void leat_call_progress(const leat_call *call, uint64_t done, uint64_t of, const char *text);
__attribute__((format(printf, 2, 3))) void
leat_call_log(const leat_call *call, const char *format, ...);
__attribute__((format(printf, 2, 0))) void
leat_call_log_list(const leat_call *call, const char *format, va_list args);
LEAT_NODISCARD leat_err leat_call_checkpoint(const leat_call *call, const void *data, size_t size);

/* Make the formatted text the result and return `end`. */
__attribute__((format(printf, 3, 4))) leat_end
leat_call_say(leat_call *call, leat_end end, const char *format, ...);

/* Make the text (static storage) the result and return `end`. */
leat_end leat_call_end(leat_call *call, leat_end end, const char *text);

/* What a handler returns that ends because it was cancelled: the job goes back instead of being
 * reported as failed. (To who was not cancelled it is a failure with the result "stopped".) */
leat_end leat_call_stopped(leat_call *call);

/* What a handler returns that asks to be run again in ms (at least 1), for a thing that is not
 * there yet: no failure, but counted. Only of the pool's and of a plug-in's. */
leat_end leat_call_snooze(leat_call *call, int64_t ms);

/* The payload as a terminated word, without blanks and line ends around it. false: empty, longer
 * than LEAT_CALL_WORD_BYTES - 1, or with a NUL inside. */
bool leat_call_word(const leat_call *call, char word[LEAT_CALL_WORD_BYTES]);

/* The payload as a whole number from min to max; false if it is none. */
bool leat_call_number(const leat_call *call, uint64_t min, uint64_t max, uint64_t *number);

/* ---- the handlers, one or two a file in handlers/ ---- */

leat_handler_run leat_handle_burn;
leat_handler_run leat_handle_count;
leat_handler_run leat_handle_echo;
leat_handler_run leat_handle_fail;
leat_handler_run leat_handle_noop;
leat_handler_run leat_handle_pi;
leat_handler_run leat_handle_primes;
leat_handler_run leat_handle_seed;
leat_handler_run leat_handle_seed_end;
leat_handler_run leat_handle_sha256;
leat_handler_run leat_handle_sleep;

#endif
