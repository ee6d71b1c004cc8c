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
 * A connection belongs to one thread at a time. Functions block until what they promise has
 * happened, reconnect by themselves, and send again what was not answered; a broker that restarts
 * in between is not an error. Times out in ms: -1 waits for ever, 0 does not wait. On any return
 * other than LEAT_OK, leat_sentence says what happened, for people. */
#ifndef LEAT_LEAT_H
#define LEAT_LEAT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEAT_API __attribute__((visibility("default")))

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
} leat_status;

typedef struct leat leat;             /* a connection to a broker */
typedef struct leat_batch leat_batch; /* a batch that is being sent */
typedef struct leat_wait leat_wait;   /* a cursor on a batch's log of completions */

/* ---- connection ---- */

typedef struct leat_connect_options {
    const char *broker;   /* URLs with commas between; NULL: LEAT_BROKER, then what the key file
                             says, then the usual places */
    int64_t timeout_ms;   /* how long the first connection may take; 0: 2000 */
    const char *software; /* names the program in the broker's logs; NULL: "libleat" */
    const char *key_file; /* made by `leat key new`; needed over TCP. NULL: LEAT_KEY_FILE, if it is
                             set; "": none */
} leat_connect_options;

/* Connect and wait for the broker's welcome. *out is set also on failure (unless LEAT_NO_MEMORY),
 * so that leat_sentence can be asked; give it to leat_disconnect in any case. LEAT_DENIED: the
 * broker does not let the key in, or the key file is open to others. LEAT_WRONG_USE: the address or
 * the key file is not understood. */
LEAT_API leat_status leat_connect(const char *broker, leat **out);
LEAT_API leat_status leat_connect_with(const leat_connect_options *options, leat **out);

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
 * with "interrupted" as its sentence. What was sent stays sent. */
LEAT_API void leat_interrupt(leat *self);

/* ---- jobs ---- */

typedef struct leat_batch_options {
    const char *channel;    /* NULL: "default" */
    const char *name;       /* NULL: none */
    int priority;           /* 0 … 9; -1: default */
    int failures;           /* attempts that may fail; 0: default */
    int64_t delay_ms;       /* not before; 0: at once */
    int64_t run_limit_ms;   /* 0: none */
    uint32_t window_jobs;   /* jobs sent and not yet answered; 0: 100 000 */
    uint32_t frame_records; /* at most so many jobs in a frame; 0: as many as fit */
} leat_batch_options;

/* Zero everything, then set what is wanted; priority must then be set to -1 for the default: use
 * this. */
LEAT_API void leat_batch_options_init(leat_batch_options *options);

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
 * (any more). */
LEAT_API leat_status leat_wait_next(leat_wait *wait, leat_completed *out, int64_t timeout_ms);
/* The counters as last heard. */
LEAT_API leat_counts leat_wait_counts(const leat_wait *wait);
LEAT_API void leat_wait_free(leat_wait **wait_p);

/* ---- raw channels ---- */

/* Put one message into a channel; returns when it is accepted (and on disk). */
LEAT_API leat_status leat_send(leat *self, const char *channel, const void *data, size_t size);
/* As leat_send, but LEAT_FULL instead of waiting in line. */
LEAT_API leat_status leat_try_send(leat *self, const char *channel, const void *data, size_t size);

/* The next message of a channel. *data is valid until the next call on self; the message counts as
 * taken when this is called again or the connection ends in order, and comes back to others if the
 * process dies before. LEAT_END: closed, and nothing in it is alive. */
LEAT_API leat_status
leat_recv(leat *self, const char *channel, const void **data, size_t *size, int64_t timeout_ms);

/* No more sends; receivers drain what is left and then see LEAT_END. */
LEAT_API leat_status leat_close(leat *self, const char *channel);

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

#ifdef __cplusplus
}
#endif

#endif
