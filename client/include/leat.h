/* leat.h: channels and jobs between machines, from a C or C++ program.
 *
 *     leat *broker;
 *     if (leat_connect(NULL, &broker) != LEAT_OK)
 *         die(leat_sentence(broker));
 *     leat_batch *batch;
 *     leat_batch_open(broker, NULL, &batch);
 *     for (int i = 0; i < 1000; i++)
 *         leat_batch_add(batch, "echo", &i, sizeof i);
 *     leat_batch_seal(batch);                        every job is on disk when this returns
 *     leat_wait *wait;
 *     leat_wait_open(broker, leat_batch_id(batch), &wait);
 *     leat_completed done;
 *     while (leat_wait_next(wait, &done, -1) == LEAT_OK)
 *         printf("%llu: %.*s\n", done.job, (int)done.result_size, (const char *)done.result);
 *     leat_disconnect(&broker);
 *
 * Functions block until what they promise has happened, reconnect by themselves, and send again
 * what was not answered; a broker that restarts in between is not an error. Times out in ms: -1
 * waits for ever, 0 does not wait. On any return other than LEAT_OK, leat_sentence says what
 * happened, for people.
 *
 * In somebody else's program the library is a guest:
 *
 *  - A handle (leat, and what was opened on it) is used by one thread at a time; which one may
 *    change. A program may have any number of handles, each is a connection and a session of its
 *    own. They share nothing: two handles need no lock between them. Only leat_interrupt may be
 *    called while another thread is inside.
 *  - It sets no signal handler and blocks no signal, writes to no stream, changes no locale and no
 *    directory, and never ends the process, unless a promise of its own code is broken (assert).
 *    It reads the variables LEAT_BROKER, LEAT_KEY_FILE and LEAT_HISTORY at leat_connect, and none
 *    later. It seeds random(3) once, because ZeroMQ never does.
 *  - ZeroMQ runs two threads for each handle, in which all signals are blocked.
 *  - After fork a handle belongs to the parent alone. The child must not call anything with it,
 *    not even leat_disconnect; it may exec, _exit, or connect anew. Descriptors are closed by exec.
 *  - A handle says that it lives while it is inside a call. Between calls nothing does: a program
 *    that computes for longer than LEAT_SILENT_MS counts as gone, and a message that it has
 *    received and not acknowledged goes to others. Call leat_process now and then, or acknowledge
 *    before. */
#ifndef LEAT_LEAT_H
#define LEAT_LEAT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEAT_API                 __attribute__((visibility("default")))
#define LEAT_FORMAT(text, first) __attribute__((format(printf, text, first)))

/* A handle without a call for so long, ms, counts as gone. */
#define LEAT_SILENT_MS 10000

/* Library version as "major.minor.patch"; static storage. */
LEAT_API const char *leat_version(void);

typedef enum leat_status {
    LEAT_OK = 0,
    LEAT_END,       /* nothing more will come: closed and drained, or the goal is reached */
    LEAT_TIMED_OUT, /* timeout_ms ran out */
    LEAT_FULL,
    LEAT_CLOSED,
    LEAT_TOO_LARGE,
    LEAT_NOT_FOUND,
    LEAT_NO_BROKER,
    LEAT_REFUSED, /* the broker said no; leat_sentence has its words */
    LEAT_LOST,    /* gone with the broker's memory */
    LEAT_UNKNOWN, /* the answer is lost: it may or may not have happened */
    LEAT_NO_MEMORY,
    LEAT_WRONG_USE, /* an argument is wrong */
    LEAT_DENIED,    /* not allowed: the key, its role, or whose batch it is */
    LEAT_NOT_YET,   /* begun and not decided: ask again (leat_recv_poll and the like) */
} leat_status;

typedef struct leat leat;                     /* a connection to a broker */
typedef struct leat_batch leat_batch;         /* a batch that is being sent */
typedef struct leat_wait leat_wait;           /* a cursor on a batch's log of completions */
typedef struct leat_watch leat_watch;         /* what the running jobs of a batch tell */
typedef struct leat_selecting leat_selecting; /* a select that was begun */

/* ---- connection ---- */

typedef struct leat_connect_options {
    const char *broker;   /* URLs with commas between; NULL: LEAT_BROKER, then what the key file
                             says, then the usual places */
    int64_t timeout_ms;   /* how long the first connection may take; 0: 2000 */
    const char *software; /* names the program in the broker's logs; NULL: "libleat" */
    const char *key_file; /* made by `leat key new`; needed over TCP. NULL: LEAT_KEY_FILE, if it is
                             set; "": none */
    const char *history;  /* a folder: what this handle sends and is shown is written there, in a
                             file of its own, for a judge of test runs. NULL: LEAT_HISTORY, if it is
                             set; "": nothing is written */
} leat_connect_options;

/* Connect and wait for the broker's welcome. *out is set also on failure (unless LEAT_NO_MEMORY),
 * so that leat_sentence can be asked; give it to leat_disconnect in any case. LEAT_DENIED: the
 * broker does not let the key in, or the key file is open to others. LEAT_WRONG_USE: the address or
 * the key file is not understood. */
LEAT_API leat_status leat_connect(const char *broker, leat **out);
LEAT_API leat_status leat_connect_with(const leat_connect_options *options, leat **out);

/* Why no history is written any more although there is one (a full disk), or "". Valid until
 * leat_disconnect. */
LEAT_API const char *leat_history_trouble(const leat *self);

/* Say good-bye and free everything, batches and waits included. *self_p is NULL afterwards. */
LEAT_API void leat_disconnect(leat **self_p);

/* What the last call on this connection had to say; "" after LEAT_OK. Valid until the next call. */
LEAT_API const char *leat_sentence(const leat *self);

/* The endpoint that is (or was last) connected. Valid until the next call. */
LEAT_API const char *leat_endpoint(const leat *self);

/* Called when the broker goes away (gone = 1, and again every second) and when it is back (0). */
LEAT_API void
leat_on_gone(leat *self, void (*call)(void *context, int gone, int64_t for_ms), void *context);

/* A descriptor-free way out of a blocking call: may be called from a signal handler or another
 * thread; the call (or, if none blocks now, the next one that would) returns LEAT_REFUSED soon,
 * with "interrupted" as its sentence. What was sent stays sent; what waits in line (a send into a
 * full channel, a select, a receive) is withdrawn first, within a second, and when it turns out
 * that it had happened the call returns LEAT_OK and the next one is interrupted instead. */
LEAT_API void leat_interrupt(leat *self);

/* ---- jobs ---- */

/* A job that follows another one. */
typedef struct leat_follow {
    const char *handler;
    const void *payload;
    size_t size;
} leat_follow;

/* Which end of another batch is waited for. */
enum {
    LEAT_WHEN_OK = 1, /* every job of it is done */
    LEAT_WHEN_ANY,    /* every job of it has ended */
    LEAT_WHEN_FAILED  /* at least one has ended other than done */
};

/* What makes a batch give up the rest of itself. */
enum {
    LEAT_HALT_AT_FAILED = 1, /* so many have ended other than done */
    LEAT_HALT_AT_OK,         /* so many are done */
    LEAT_HALT_AT_ENDED       /* so many have ended */
};

/* How the jobs of a batch are to be treated. What is 0 or NULL is not said: the channel's setting
 * counts, then the built-in one. Texts and payloads are copied where the options are given.
 * Durations are in ms, at most 366 days. */
typedef struct leat_batch_options {
    size_t struct_size;     /* set by leat_batch_options_init: fields may be added at the end */
    const char *channel;    /* NULL: "default" */
    const char *name;       /* NULL: none */
    int priority;           /* 0 … 9, 9 first; -1: not said */
    int failures;           /* attempts that may end in failure: retries and one */
    int64_t delay_ms;       /* not before; 0: at once */
    int64_t run_limit_ms;   /* an attempt is stopped after so long */
    uint32_t window_jobs;   /* jobs sent and not yet answered; 0: 100 000 */
    uint32_t frame_records; /* at most so many jobs in a frame; 0: as many as fit */

    int losses;             /* attempts that may end in the loss of their worker, up to 255 */
    int snoozes;            /* times that the handler may ask for later */
    int64_t backoff_min_ms; /* wait after the first failure; doubles with each … */
    int64_t backoff_max_ms; /* … up to this */
    int64_t grace_ms;       /* between asking a run to stop and ending it by force; up to an hour */
    int64_t at_ms;          /* not before this wall time, ms since 1970 */
    int64_t expires_ms;     /* of no use if not started so long from now */

    const char *unique;    /* a key: while a job with it is alive in the channel, others join it:
                              they are accepted, do not run, and get its completion */
    int64_t unique_for_ms; /* … and so long after its end */
    const char *flow;      /* shares are fair between flows; NULL: the batch is one */
    const char *key;       /* the channel may cap the running jobs of each key */
    const char *needs;  /* amounts that a worker must have free: "gpu=1,mem=1024", names rising */
    const char *traits; /* what a worker must say of itself: "arch=arm,zone=a", names rising */

    const char *reply;         /* a channel that each completion is sent to as well, as JSON */
    const char *reply_handler; /* … as a job of this handler instead, its payload the result */

    uint64_t after_batch; /* wait for that batch; 0: for none */
    int after;            /* LEAT_WHEN_…; 0: LEAT_WHEN_OK */

    const leat_follow *finally; /* jobs to run when the job has ended in any way: the last one */
    size_t finally_count;       /* first, the next when that one has ended; up to 8 */
    const leat_follow *recover; /* a job to run when the job is dead: its payload tells of it, its
                                   end is the completion; NULL: none */

    int halt;         /* LEAT_HALT_AT_…: when the batch cancels what is left of it; 0: never */
    int halt_percent; /* halt_n is a percentage of a sealed batch's jobs, 1 … 100 */
    int halt_running; /* running jobs are stopped too */
    uint32_t halt_n;

    const char *labels; /* what is said of the batch, for who lists it: "env=prod,team=x", names
                           rising; up to 8 of them, 255 bytes */
} leat_batch_options;

LEAT_API void leat_batch_options_init_sized(leat_batch_options *options, size_t size);

/* Nothing is said. Options that were not made by this are refused (LEAT_WRONG_USE). */
static inline void
leat_batch_options_init(leat_batch_options *options)
{
    leat_batch_options_init_sized(options, sizeof *options);
}

/* A new batch. Nothing is sent before the first job. Freed by leat_batch_free or leat_disconnect.
 */
LEAT_API leat_status leat_batch_open(leat *self,
                                     const leat_batch_options *options,
                                     leat_batch **out);

/* Add a job. It is sent when a frame is full, or by flush or seal; blocks while window_jobs are not
 * yet answered. payload is copied. LEAT_TOO_LARGE: over 1 MiB; nothing was added. */
LEAT_API leat_status leat_batch_add(leat_batch *batch,
                                    const char *handler,
                                    const void *payload,
                                    size_t size);

/* Send what is collected and wait until everything added so far is accepted (and on disk, in a
 * durable channel). */
LEAT_API leat_status leat_batch_flush(leat_batch *batch);

/* As flush, without waiting: send what is collected as far as that goes now. LEAT_OK: everything
 * added so far is accepted; LEAT_NOT_YET: ask again when leat_fd is readable. Until then the rest
 * stays here: leat_wait_next would wait for jobs that nobody has sent. */
LEAT_API leat_status leat_batch_push(leat_batch *batch);

/* 1: the next leat_batch_add, of any handler, would not wait. */
LEAT_API int leat_batch_has_room(const leat_batch *batch);

/* flush, and say that nothing more is added: waiters for all see the end. */
LEAT_API leat_status leat_batch_seal(leat_batch *batch);

/* The batch's number, or 0 before the first answer. */
LEAT_API uint64_t leat_batch_id(const leat_batch *batch);
/* Jobs of this batch that the broker has accepted. */
LEAT_API uint64_t leat_batch_accepted(const leat_batch *batch);
LEAT_API void leat_batch_free(leat_batch **batch_p);

/* One job, a batch of its own; *id is job and batch. */
LEAT_API leat_status leat_submit(leat *self,
                                 const leat_batch_options *options,
                                 const char *handler,
                                 const void *payload,
                                 size_t size,
                                 uint64_t *id);

/* What a cancel found. */
typedef struct leat_cancelled {
    uint64_t cancelled;   /* ended by this, or told to stop where that cannot be told apart */
    uint64_t stopping;    /* were running and are told to stop; how they end is seen in the batch */
    uint64_t ended;       /* had ended before: too late */
    uint64_t not_found;   /* are none, or were forgotten */
    int is_in_background; /* a large batch: the broker goes on by itself; the figures are of what
                             was done at once */
} leat_cancelled;

/* Cancel jobs by their numbers. out may be NULL. LEAT_OK: each was looked at, out says what came of
 * it; LEAT_DENIED: at least one belongs to somebody else, the others were looked at.
 * LEAT_WRONG_USE: none, or more than 8192. */
LEAT_API leat_status leat_cancel_jobs(leat *self,
                                      const uint64_t *jobs,
                                      size_t count,
                                      leat_cancelled *out);

/* Cancel the jobs of a batch from place `from` (1 is the first) to place `upto`; 0: to the end.
 * LEAT_NOT_FOUND: no such batch. */
LEAT_API leat_status
leat_cancel(leat *self, uint64_t batch, uint32_t from, uint32_t upto, leat_cancelled *out);

/* Submit the dead jobs of a batch again: *again is the new batch, *jobs how many; either may be
 * NULL. */
LEAT_API leat_status leat_retry(leat *self, uint64_t batch, uint64_t *again, uint64_t *jobs);

/* ---- defer and recover ----
 *
 *     leat_batch_open(broker, NULL, &batch);
 *     leat_defer(batch, "tidy", folder, strlen(folder));   defer os.RemoveAll(folder)
 *     leat_recover(batch, "spare", NULL, 0);               defer func() { v = spare(recover()) }()
 *     leat_batch_add(batch, "convert", file, size);        v = convert(file)
 *
 * For each of the jobs that are added to the batch after it. Both are on disk with the job, and
 * outlive the worker that ran it. */

/* When a job has ended in any way, run this one, wherever a worker is: as a batch of its own in the
 * same channel. Of several the last one runs first, the next when that one has ended; up to 8.
 * LEAT_TOO_LARGE: what follows a job is over 16 KiB together. */
LEAT_API leat_status leat_defer(leat_batch *batch,
                                const char *handler,
                                const void *payload,
                                size_t size);

/* When a job is dead, run this one before anybody hears of it: its end is the completion of the
 * dead job. leat_job_recover tells it what has happened. The last one counts; handler NULL: none.
 */
LEAT_API leat_status leat_recover(leat_batch *batch,
                                  const char *handler,
                                  const void *with,
                                  size_t size);

/* ---- waiting ---- */

typedef struct leat_completed {
    uint64_t batch;
    uint64_t position; /* in the batch's log, from 1; the same one is never shown twice */
    uint64_t job;
    uint32_t place;     /* of the job in its batch, from 1 */
    uint32_t attempt;   /* the one that ended it */
    int outcome;        /* LEAT_DONE … */
    const char *worker; /* name, "" where no worker had it */
    int64_t ended_ms;   /* wall time, ms since 1970 */
    int64_t run_us;
    const void *result; /* not terminated; for a dead job, what is known of the failure */
    size_t result_size;
} leat_completed;

/* What leat_completed.outcome says. */
enum {
    LEAT_DONE = 1,
    LEAT_DEAD,
    LEAT_CANCELLED,
    LEAT_EXPIRED,
    LEAT_SKIPPED
};

typedef struct leat_counts {
    uint64_t total;
    uint64_t done;
    uint64_t dead;
    uint64_t cancelled;
    uint64_t expired;
    uint64_t skipped;
    int sealed;
    int finished;
} leat_counts;

/* Wait for a batch from its first kept completion on. Any number of connections may wait for the
 * same one, each sees all of it; one connection has one wait a batch (LEAT_WRONG_USE). */
LEAT_API leat_status leat_wait_open(leat *self, uint64_t batch, leat_wait **out);
/* End early: after n completions (ok = 0), or n that are done (ok = 1); n = 0: not early. Before
 * the first next. */
LEAT_API void leat_wait_goal(leat_wait *wait, uint64_t n, int ok);
/* The next completion; its pointers are valid until the next call on wait. LEAT_END when the goal
 * is reached or the batch has finished, LEAT_LOST or LEAT_NOT_FOUND when there is no such batch
 * (any more). With a timeout of 0 it only looks at what has come: no message is sent for it after
 * the first time, and nothing is lost by asking again later. */
LEAT_API leat_status leat_wait_next(leat_wait *wait, leat_completed *out, int64_t timeout_ms);
/* The counters as last heard. */
LEAT_API leat_counts leat_wait_counts(const leat_wait *wait);
LEAT_API void leat_wait_free(leat_wait **wait_p);

/* ---- watching ----
 *
 * What running jobs tell: how far they have come, and what they print. It is for people who look
 * on: it is not stored, comes from now on and not from the beginning, and may be lost. */

enum {
    LEAT_TOLD_PROGRESS = 1, /* done, of, data: a few words */
    LEAT_TOLD_LOG           /* stream, offset, data: a piece of it */
};
enum {
    LEAT_TOLD_STDOUT = 1, /* of a command */
    LEAT_TOLD_STDERR,
    LEAT_TOLD_LINES /* what a handler writes by itself */
};

typedef struct leat_told {
    int kind; /* LEAT_TOLD_PROGRESS, LEAT_TOLD_LOG */
    int stream;
    uint64_t job;
    uint32_t place;   /* of the job in the batch, from 1 */
    uint32_t attempt; /* the one that tells: offsets begin anew with each */
    uint64_t done;
    uint64_t of;      /* 0: nobody knows */
    uint64_t offset;  /* bytes of the stream before data; more than has come: some are missing */
    const char *data; /* with a NUL behind its last byte, and perhaps others in it */
    size_t size;
    uint64_t gap; /* of this batch so many were dropped before this one, for who reads slowly. What
                     is told while there is no connection is not counted */
} leat_told;

/* Watch a batch. Any number of connections may watch the same one; one connection has one watch a
 * batch (LEAT_WRONG_USE). It begins with the first leat_watch_next, and goes on over reconnects.
 * Freed by leat_watch_free or leat_disconnect. */
LEAT_API leat_status leat_watch_open(leat *self, uint64_t batch, leat_watch **out);
/* Watch only the job at this place, from 1; 0: all. Before the first next. */
LEAT_API void leat_watch_only(leat_watch *watch, uint32_t place);
/* The next thing that was told; out->data is valid until the next call on watch. At first comes the
 * last progress of each job that runs. With a timeout of 0 it only looks at what has come, and
 * sends nothing after the first time.
 *
 * LEAT_END        everything that was watched has ended, on disk; nothing more will be told.
 * LEAT_NOT_FOUND  no such batch, or no such job in it.
 * LEAT_LOST       another broker answers, which does not know the batch.
 *
 * While nobody reads, at most 4 MiB are kept, and what comes beyond that is dropped and counted. */
LEAT_API leat_status leat_watch_next(leat_watch *watch, leat_told *out, int64_t timeout_ms);
LEAT_API void leat_watch_free(leat_watch **watch_p);

/* ---- messages: channels as in Go ----
 *
 *     leat_make(broker, "work", 3)                     work := make(chan T, 3)
 *     leat_send(broker, "work", data, size)            work <- v
 *     leat_recv(broker, "work", &data, &size, -1)      v, ok := <-work   (ok is false at LEAT_END)
 *     leat_close(broker, "work")                       close(work)
 *     leat_select(broker, cases, 2, -1, &chosen)       select { … }
 *
 * A channel is known by its name, in every process. One that nobody has made is made by the first
 * use, unlimited. A channel with a capacity behaves as in Go, to the last detail: a send waits
 * until there is room (capacity 0: until a receiver takes it), those who wait come in turn, and
 * nothing is fetched ahead of a receive. Out of a channel without capacity the library fetches
 * messages ahead, as many as the program takes in about 5 ms; those that were not read when the
 * connection ends go back to the channel.
 *
 * Unlike Go, what is received is held until the program comes back for more: it is acknowledged by
 * the next leat_recv, leat_recv_poll or leat_select on the handle, by leat_acknowledge, or at
 * leat_disconnect. If the process dies, or its connection is lost, before that, others get it, so
 * that a message is worked on at least once. (Who takes many messages a ms acknowledges several
 * together: those of the last few ms may come again, too.) A message that comes again to a handle
 * that has had it is not shown. A channel that is closed tells its receivers the end when the last
 * message is acknowledged. */

/* Make a channel of messages, on disk. capacity: LEAT_UNLIMITED, 0 (rendezvous) or up to 2^31 - 1.
 * If there is one that is the same, nothing happens: several programs may make what they share.
 * LEAT_REFUSED: there is one of this name with other settings. */
#define LEAT_UNLIMITED (-1)
LEAT_API leat_status leat_make(leat *self, const char *channel, int64_t capacity);

/* Put one message into a channel; returns when it is accepted (and on disk, in a durable channel).
 * Waits in line while the channel is full, for ever if need be; the line is lost with the
 * connection, after which the message stands at its end. data is copied.
 *
 * LEAT_CLOSED     the channel is closed (a Go program would panic).
 * LEAT_TOO_LARGE  over 1 MiB.
 * LEAT_REFUSED    the channel holds jobs, or another reason that the sentence gives.
 * LEAT_UNKNOWN    the broker has forgotten this session: the message may or may not be in. */
LEAT_API leat_status leat_send(leat *self, const char *channel, const void *data, size_t size);
/* As leat_send, but LEAT_FULL instead of waiting in line: select with a default. */
LEAT_API leat_status leat_try_send(leat *self, const char *channel, const void *data, size_t size);
/* As leat_send, but gives up after timeout_ms (0: as leat_try_send): LEAT_TIMED_OUT, and then the
 * message is not in and will not be. The broker decides which it is; if it cannot be asked for 10 s
 * more, LEAT_UNKNOWN, and the message is withdrawn as soon as it can. */
LEAT_API leat_status leat_send_within(
    leat *self, const char *channel, const void *data, size_t size, int64_t timeout_ms);

/* The next message of a channel. *data is valid until the next call on self that receives.
 *
 * LEAT_END        the channel is closed, and nothing in it is alive: ends a `for range`. Said again
 *                 to who asks again.
 * LEAT_TIMED_OUT  the receive was withdrawn: the broker has said that it took nothing, so that no
 *                 sender to a channel with a capacity believes to have been heard.
 *
 * With timeout_ms 0, select with a default, the broker is asked once what there is. */
LEAT_API leat_status
leat_recv(leat *self, const char *channel, const void **data, size_t *size, int64_t timeout_ms);
/* leat_recv with a timeout of 0, by the name that goes with leat_try_send. */
LEAT_API leat_status leat_try_recv(leat *self,
                                   const char *channel,
                                   const void **data,
                                   size_t *size);
/* For event loops: begin a receive, or look whether the one that is begun has brought something.
 * Never waits and, while one is begun, sends nothing. LEAT_NOT_YET: the receive stands, and goes on
 * standing over reconnects, until a poll has its message, a leat_recv of this channel goes on with
 * it (and withdraws it at its timeout), or a leat_select over this channel takes its place. */
LEAT_API leat_status leat_recv_poll(leat *self,
                                    const char *channel,
                                    const void **data,
                                    size_t *size);

/* Acknowledge what was received last now: it does not come again, whatever happens. *data stays
 * valid. With nothing to acknowledge it does nothing. Does not wait for the broker. */
LEAT_API leat_status leat_acknowledge(leat *self);

/* No more sends; receivers drain what is left and then see LEAT_END. Senders that wait in line get
 * LEAT_CLOSED. Closing what is closed changes nothing (a Go program would panic); a channel that is
 * not there is made, and closed. */
LEAT_API leat_status leat_close(leat *self, const char *channel);

/* ---- select ----
 *
 *     leat_case cases[] = {                            select {
 *         LEAT_RECV_CASE("jobs"),                      case job, ok := <-jobs:
 *         LEAT_SEND_CASE("results", "x", 1),           case results <- "x":
 *     };
 *     int chosen;
 *     leat_select(broker, cases, 2, 1000, &chosen);    case <-time.After(time.Second):
 *     switch (chosen) {                                }
 *     case 0:  cases[0].ok, cases[0].data, cases[0].size
 *     case 1:  it is sent
 *     default: a second has gone by
 *     }
 */

enum {
    LEAT_CASE_NONE, /* never proceeds: a nil channel in Go */
    LEAT_CASE_SEND,
    LEAT_CASE_RECV
};
#define LEAT_DEFAULT_CASE (-1)
#define LEAT_SELECT_CASES 64 /* at most */

typedef struct leat_case {
    int kind; /* LEAT_CASE_… */
    int ok;   /* of the chosen case: 1: it has happened; 0: its channel is closed */
    const char *channel;
    const void *data; /* SEND: yours. RECV, when chosen: the message, "" at the end; valid until the
                         next call on the handle that receives */
    size_t size;
} leat_case;

static inline leat_case
leat_case_of(int kind, const char *channel, const void *data, size_t size)
{
    leat_case one;
    one.kind = kind;
    one.ok = 0;
    one.channel = channel;
    one.data = data;
    one.size = size;
    return one;
}
#define LEAT_SEND_CASE(channel, data, size) leat_case_of(LEAT_CASE_SEND, (channel), (data), (size))
#define LEAT_RECV_CASE(channel)             leat_case_of(LEAT_CASE_RECV, (channel), NULL, 0)
#define LEAT_NO_CASE_AT_ALL                 leat_case_of(LEAT_CASE_NONE, NULL, NULL, 0)

/* Do exactly one of the cases: the first that can proceed, at random if several can. Decided by the
 * broker in one step, across all its clients; *chosen is the index of the case.
 *
 * timeout_ms 0: Go's default. When nothing can proceed (within the time), LEAT_TIMED_OUT with
 * LEAT_DEFAULT_CASE in *chosen, and nothing was sent or received. Without cases it waits that long,
 * for ever with -1.
 *
 * LEAT_OK         the case has happened; of a receive, cases[*chosen].ok is 0 when its channel is
 *                 closed and drained.
 * LEAT_CLOSED     *chosen is a send whose channel is closed (a Go program would panic).
 * LEAT_UNKNOWN    as leat_send_within; *chosen is LEAT_DEFAULT_CASE.
 * LEAT_WRONG_USE  more than LEAT_SELECT_CASES cases, or a name is none.
 * LEAT_TOO_LARGE  the messages to be sent are over 1 MiB together. */
LEAT_API leat_status
leat_select(leat *self, leat_case *cases, size_t count, int64_t timeout_ms, int *chosen);

/* For event loops: begin a select without waiting. cases are copied with what they send. Any number
 * may be begun on one handle; one case is a send or a receive by itself. Of one channel, do not
 * receive by a begun select and by leat_recv at the same time: either may get the message.
 * Freed by leat_select_free or leat_disconnect. */
LEAT_API leat_status leat_select_start(leat *self,
                                       const leat_case *cases,
                                       size_t count,
                                       leat_selecting **out);
/* What has become of it; never waits, and sends nothing but what a reconnect makes necessary.
 * LEAT_NOT_YET; or what leat_select returns, and again if asked again. got may be NULL, else the
 * chosen case is written there; its data is valid until leat_select_free. */
LEAT_API leat_status leat_select_poll(leat_selecting *selecting, int *chosen, leat_case *got);
/* Ask the broker to give it up. leat_select_poll tells what it has decided: LEAT_TIMED_OUT, or the
 * case that had happened. */
LEAT_API void leat_select_withdraw(leat_selecting *selecting);
/* A message that it has received is acknowledged by this. If it was not decided it is withdrawn; a
 * message that comes out of it nevertheless is kept for the next receive of its channel. */
LEAT_API void leat_select_free(leat_selecting **selecting_p);

/* ---- for a loop of one's own ----
 *
 *     struct pollfd fd = {.fd = leat_fd(broker), .events = POLLIN};
 *     poll(&fd, 1, (int)leat_due_ms(broker));
 *     leat_process(broker);
 *     while (leat_recv_poll(broker, "news", &data, &size) == LEAT_OK) …
 *     while (leat_wait_next(wait, &done, 0) == LEAT_OK) …
 *     while (leat_watch_next(watch, &told, 0) == LEAT_OK) …
 *
 * What is guaranteed: the descriptor polls readable when something has arrived that leat_process
 * has not yet read, as long as it is so (level-triggered), and may be readable for nothing. After
 * leat_process, everything that had arrived lies where the polls find it; a poll that says
 * LEAT_NOT_YET or LEAT_TIMED_OUT after it will not have something else to say before the descriptor
 * is readable again, or leat_due_ms is over. Polls read what has arrived by themselves, too. None
 * of them waits, and none of them sends a message for having been asked once more. */

/* A descriptor for poll, the same for the handle's whole life: do not read, write or close it. -1
 * when there is no connection to be had (leat_connect has failed over its arguments). */
LEAT_API int leat_fd(const leat *self);
/* leat_process wants to be called after so many ms, even if nothing arrives; -1: no need. */
LEAT_API int64_t leat_due_ms(const leat *self);
/* Read what has arrived, beat, reconnect: whatever can be done without waiting. LEAT_OK;
 * LEAT_DENIED, LEAT_REFUSED: the broker refuses this client for good, or an error that belongs to
 * no call. */
LEAT_API leat_status leat_process(leat *self);

/* ---- channels and their settings ---- */

enum {
    LEAT_KIND_JOBS = 1,
    LEAT_KIND_MESSAGES
};
enum {
    LEAT_ON_DISK = 1, /* accepted is synced to disk: the default */
    LEAT_IN_MEMORY    /* faster, and empty after the broker's end */
};
enum {
    LEAT_KEEP_ALL = 1,
    LEAT_KEEP_FAILED, /* of those that are done only that they were */
    LEAT_KEEP_NONE
};
#define LEAT_UNSAID  (-1) /* leat_channel_new: the default; leat_channel_set: as it is */
#define LEAT_NOTHING (-2) /* leat_channel_set: back to what it is without a setting */

/* All figures are LEAT_UNSAID, LEAT_NOTHING or a value. */
typedef struct leat_channel_options {
    size_t struct_size;  /* set by leat_channel_options_init */
    int64_t kind;        /* LEAT_KIND_…; unsaid: what the first item is */
    int64_t durability;  /* LEAT_ON_DISK, LEAT_IN_MEMORY; cannot be changed later */
    int64_t capacity;    /* items that may wait; 0: rendezvous; NOTHING: unlimited */
    int64_t weight;      /* share of a worker that serves several channels; 1 */
    double rate;         /* items per second that are handed out; NOTHING: no limit */
    int64_t burst;       /* … and so many at once after a pause; max(1, rate) */
    int64_t running_max; /* jobs that may run at the same time */
    int64_t key_max;     /* … with the same key */
    int64_t priority;    /* from here: what the jobs have that say nothing themselves, see */
    int64_t failures;    /* leat_batch_options */
    int64_t losses;
    int64_t snoozes;
    int64_t backoff_min_ms;
    int64_t backoff_max_ms;
    int64_t run_limit_ms;
    int64_t grace_ms;
    int64_t expires_ms;
    int64_t keep; /* LEAT_KEEP_…: what is kept of jobs that have ended; all */
} leat_channel_options;

LEAT_API void leat_channel_options_init_sized(leat_channel_options *options, size_t size);

/* Nothing is said. */
static inline void
leat_channel_options_init(leat_channel_options *options)
{
    leat_channel_options_init_sized(options, sizeof *options);
}

/* Make a channel; if there is one with these settings, nothing happens. options may be NULL.
 * LEAT_REFUSED: there is one of this name with others. */
LEAT_API leat_status leat_channel_new(leat *self,
                                      const char *channel,
                                      const leat_channel_options *options);
/* Change what is said. LEAT_NOT_FOUND: no such channel. */
LEAT_API leat_status leat_channel_set(leat *self,
                                      const char *channel,
                                      const leat_channel_options *options);
/* Hand nothing out for for_ms, or until leat_channel_resume with -1. Sends go on. */
LEAT_API leat_status leat_channel_pause(leat *self, const char *channel, int64_t for_ms);
LEAT_API leat_status leat_channel_resume(leat *self, const char *channel);
/* Cancel what waits in it; what runs goes on. *marked, if not NULL: how many items. */
LEAT_API leat_status leat_channel_purge(leat *self, const char *channel, uint64_t *marked);
/* Forget it with its settings; a name that is used again is a new channel. purge 0: only if it is
 * empty, else LEAT_REFUSED. */
LEAT_API leat_status leat_channel_remove(leat *self, const char *channel, int purge);

/* ---- asking and steering ---- */

/* Ask the broker something: name is a query of PROTOCOL.md ("status"), arguments a JSON object or
 * NULL. *json is the answer's object as text, valid until the next call on self. */
LEAT_API leat_status leat_query(leat *self,
                                const char *name,
                                const char *arguments,
                                const char **json);
/* The same for what changes something (sent again after a reconnect, done once). */
LEAT_API leat_status leat_command_do(leat *self,
                                     const char *name,
                                     const char *arguments,
                                     const char **json);

/* ---- a worker in this program ----
 *
 *     static int
 *     greet(leat_job *job, void *context)
 *     {
 *         (void)context;
 *         leat_job_progress(job, 1, 1, "greeting");
 *         return leat_job_result(job, leat_job_payload(job), leat_job_size(job));
 *     }
 *
 *     leat_worker *worker;
 *     leat_worker_open(NULL, &worker);
 *     leat_worker_handle(worker, "greet", greet, NULL);
 *     if (leat_worker_run(worker) != LEAT_OK)              until leat_worker_drain
 *         puts(leat_worker_sentence(worker));
 *     leat_worker_close(&worker);
 *
 * A worker is a guest as the rest of the library is: it sets no signal handler (the program calls
 * leat_worker_drain where it ends), writes to no stream unless log_level is said, and never ends
 * the process. It has connections of its own and does not touch the program's handles. Beside
 * ZeroMQ's threads it has one for heartbeats and those on which handlers run; all have all signals
 * blocked. A handler that crashes takes the program with it; as a plug-in (below) it does not. */

typedef struct leat_worker leat_worker;
typedef struct leat_job leat_job; /* an attempt that runs; good until its handler returns */

/* How an attempt ends; what a handler returns. */
typedef enum leat_job_end {
    LEAT_JOB_DONE = 0,
    LEAT_JOB_FAILED,  /* to be tried again, as long as failures are left */
    LEAT_JOB_FATAL,   /* not to be tried again */
    LEAT_JOB_SNOOZED, /* leat_job_snooze has said for how long */
    LEAT_JOB_STOPPED, /* because it was cancelled: the job goes back */
} leat_job_end;

/* The code of a handler: returns a leat_job_end, mostly as `return leat_job_result(…)` or
 * `return leat_job_fail(…)`. Runs on threads of the worker, several jobs at the same time. */
typedef int leat_handle(leat_job *job, void *context);

typedef struct leat_worker_options {
    size_t struct_size; /* set by leat_worker_options_init: fields may be added at the end */
    const char *broker; /* as in leat_connect_options, as the next two */
    const char *key_file;
    const char *history;
    const char *name;            /* what `leat worker ls` calls it; NULL: HOST-PID */
    const char *software;        /* names the program in the broker's logs; NULL: "libleat" */
    uint32_t slots;              /* jobs at once; 0: one a core */
    uint32_t threads;            /* on which they run, at most 1024; 0: as many as slots */
    const char *const *channels; /* to take jobs from; NULL: "default" */
    size_t channel_count;
    const char *traits;    /* what it says of its host: "arch=arm,zone=a", names rising */
    const char *haves;     /* amounts for jobs that need some: "gpu=2", names rising; cpus and mem
                              are the machine's unless said */
    const char *log_level; /* "error", "warn", "info", "debug": lines on standard error, of all
                              workers of the process. NULL: none */
} leat_worker_options;

LEAT_API void leat_worker_options_init_sized(leat_worker_options *options, size_t size);

/* Nothing is said. Options that were not made by this are refused (LEAT_WRONG_USE). */
static inline void
leat_worker_options_init(leat_worker_options *options)
{
    leat_worker_options_init_sized(options, sizeof *options);
}

/* Check the options, which may be NULL, and copy them. Nothing is connected yet. *out is set also
 * on failure (unless LEAT_NO_MEMORY), so that leat_worker_sentence can be asked; give it to
 * leat_worker_close in any case. LEAT_WRONG_USE, LEAT_DENIED: as leat_connect. */
LEAT_API leat_status leat_worker_open(const leat_worker_options *options, leat_worker **out);

/* Jobs of this name run `call` with this context. Before leat_worker_run. LEAT_WRONG_USE: the name
 * is none, or was given before, or there are more than 256. As leat_worker_run, it returns again
 * what leat_worker_open has returned, if that was not LEAT_OK. */
LEAT_API leat_status leat_worker_handle(leat_worker *worker,
                                        const char *name,
                                        leat_handle *call,
                                        void *context);

/* Take jobs and run them, until leat_worker_drain; once a worker. A broker that is not there is
 * waited for, for ever.
 *
 * LEAT_OK         drained: every job has ended or gone back, and the broker knows.
 * LEAT_UNKNOWN    drained, but the broker did not answer the last results: it runs their jobs
 *                 again.
 * LEAT_DENIED, LEAT_REFUSED  the broker does not let it work; leat_worker_sentence says why.
 * LEAT_NO_MEMORY  the broker gives its jobs to others.
 * LEAT_WRONG_USE  there is no handler, or it has run before. */
LEAT_API leat_status leat_worker_run(leat_worker *worker);

/* Take nothing new, give back what has not begun, and let leat_worker_run return when what runs has
 * ended. From any thread, a handler, or a signal handler; before leat_worker_run as well; until
 * leat_worker_close. */
LEAT_API void leat_worker_drain(leat_worker *worker);

/* What the last call had to say; "" after LEAT_OK. Valid until the next one. */
LEAT_API const char *leat_worker_sentence(const leat_worker *worker);

/* Free it; not while leat_worker_run is inside. If that did not return LEAT_OK, handlers may still
 * run: they are asked to stop, and waited for. *worker_p is NULL afterwards. */
LEAT_API void leat_worker_close(leat_worker **worker_p);

/* ---- for handlers, in a program of one's own and in plug-ins ----
 *
 * By one thread at a time. What is returned is good until the handler returns. */

LEAT_API const void *leat_job_payload(const leat_job *job);
LEAT_API size_t leat_job_size(const leat_job *job);
LEAT_API uint64_t leat_job_id(const leat_job *job);
LEAT_API uint64_t leat_job_batch(const leat_job *job);
LEAT_API uint32_t leat_job_place(const leat_job *job);   /* in its batch, from 1 */
LEAT_API uint32_t leat_job_attempt(const leat_job *job); /* of a job never the same twice */
LEAT_API const char *leat_job_handler(const leat_job *job);
LEAT_API const char *leat_job_channel(const leat_job *job);

/* What an earlier attempt has left by leat_job_checkpoint; *size 0: nothing. */
LEAT_API const void *leat_job_earlier(const leat_job *job, size_t *size);

/* How much of `name` ("gpu") the job has for itself, of what it needs; 0: it did not ask for it.
 * numbers, if not NULL: which ones, as many; NULL where they have no numbers (of what there is more
 * of than 1024, as bytes of memory). */
LEAT_API uint64_t leat_job_given(const leat_job *job, const char *name, const uint16_t **numbers);

/* ms until its run limit is over, at least 0; -1: it has none. */
LEAT_API int64_t leat_job_left_ms(const leat_job *job);

/* 1: somebody has cancelled it, or its run limit is over: clean up and return LEAT_JOB_STOPPED. Ask
 * now and then; what does not ask keeps its slot until it returns. */
LEAT_API int leat_job_is_cancelled(const leat_job *job);

/* How far it is: done of `of` (0: nobody knows), and a few words (at most 256 bytes) or NULL. The
 * last one is shown to who asks or watches. */
LEAT_API void leat_job_progress(leat_job *job, uint64_t done, uint64_t of, const char *text);

/* Text for who watches, mostly a line with its end; may be lost. */
LEAT_API void leat_job_log(leat_job *job, const char *format, ...) LEAT_FORMAT(2, 3);

/* Leave something for the next attempt, if there is one: after a failure, a lost worker, a restart
 * of the broker. It takes the place of the one before. When the call returns it is on its way to
 * the broker's disk, before an end of this attempt. LEAT_TOO_LARGE: over 64 KiB. */
LEAT_API leat_status leat_job_checkpoint(leat_job *job, const void *data, size_t size);

/* Each says how the attempt ends, and returns what the handler then returns. Result and words are
 * copied; the last ones count. A result is at most 1 MiB (else LEAT_JOB_FATAL, and a sentence). */
LEAT_API int leat_job_result(leat_job *job, const void *data, size_t size);
LEAT_API int leat_job_fail(leat_job *job, const char *format, ...) LEAT_FORMAT(2, 3);
LEAT_API int leat_job_fatal(leat_job *job, const char *format, ...) LEAT_FORMAT(2, 3);
/* Again in ms (1, up to 366 days): what it needs is not there yet. No failure, but counted
 * (`snoozes`). */
LEAT_API int leat_job_snooze(leat_job *job, int64_t ms);

/* What a job that was given to leat_recover finds of the dead one. */
typedef struct leat_failure {
    uint64_t job;
    uint64_t batch;
    uint32_t place;
    uint32_t attempts;
    const char *handler;
    const void *error; /* what its last attempt said */
    size_t error_size;
    const void *payload;
    size_t payload_size;
    const void *with; /* what leat_recover was given */
    size_t with_size;
} leat_failure;

/* Go's recover(): 1, and what the dead job has left in *out, if this job recovers one; else 0. */
LEAT_API int leat_job_recover(leat_job *job, leat_failure *out);

/* ---- a plug-in of leat-worker ----
 *
 *     #include <leat.h>
 *
 *     static int
 *     thumb(leat_job *job, void *context) { … }
 *
 *     static const leat_plugin_handler handlers[] = {
 *         {"thumb", thumb, NULL, "an image: answers a small one"},
 *     };
 *     LEAT_PLUGIN(handlers)
 *
 * Built as a shared object (cc -shared -fPIC thumb.c -o libthumb.so, or a MODULE library of CMake;
 * it need not be linked with libleat unless it is a client, too), and loaded by
 * `leat-worker --plugin ./libthumb.so`, into processes of their own: one for each job that runs at
 * the same time, each used for job after job. A handler that crashes, calls exit or does not end
 * takes one job with it, and nothing else. Its functions are the same as in a program of one's own.
 * It is asked to stop by SIGTERM, which interrupts what it waits for, and leat_job_is_cancelled. */

/* Changes when a plug-in that was built before could not be run any more. */
#define LEAT_PLUGIN_ABI 1

typedef struct leat_plugin_handler {
    const char *name;
    leat_handle *call;
    void *context;    /* for call */
    const char *help; /* a line for `leat-worker --help`, or NULL */
} leat_plugin_handler;

typedef struct leat_plugin {
    uint32_t abi; /* LEAT_PLUGIN_ABI */
    uint32_t handler_count;
    const leat_plugin_handler *handlers;
} leat_plugin;

/* What a plug-in exports; libleat has none. */
extern LEAT_API const leat_plugin leat_plugin_table;

/* Once in a plug-in, with an array of leat_plugin_handler. */
#define LEAT_PLUGIN(rows)                                   \
    const leat_plugin leat_plugin_table = {LEAT_PLUGIN_ABI, \
                                           (uint32_t)(sizeof(rows) / sizeof *(rows)), (rows)};

#ifdef __cplusplus
}
#endif

#endif
