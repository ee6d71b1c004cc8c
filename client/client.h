/* What the files of the library share: the connection, its pump, and what waits for an answer.
 *
 *     batch.c  wait.c  channel.c  ask.c      the calls of leat.h, each by its subject
 *            \    \      /      /
 *              client.c  turn                one event, or one sleep
 *                  |
 *              proto/link                    one session with one broker
 *
 * Every blocking call is a loop over leat_turn around its own condition; what arrives for others
 * meanwhile (completions of another wait, answers to a batch) is put where it belongs. Frames with
 * a sequence are sent only while the link is up, so that a frame of which the answer is lost has
 * really been on its way. */
#ifndef LEAT_CLIENT_H
#define LEAT_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <leat.h>

#include "proto/base/list.h"
#include "proto/link/link.h"
#include "proto/records.h"

/* A received body that several readers share. */
typedef struct leat_shared {
    leat_link_body *body; /* owned */
    uint32_t users;
} leat_shared;

void leat_shared_drop(leat_shared **shared_p);

/* A call that blocks for its one answer; there is at most one at a time. */
typedef enum leat_call_kind {
    LEAT_CALL_NONE = 0,
    LEAT_CALL_SEND,    /* SENT */
    LEAT_CALL_COMMAND, /* REPLY by sequence */
    LEAT_CALL_QUERY,   /* REPLY by id; sent again at UP */
} leat_call_kind;

typedef struct leat_call {
    leat_call_kind kind;
    uint64_t number; /* sequence or id */
    bool answered;
    leat_status status;
    uint64_t first_id; /* SEND */
} leat_call;

/* What an unanswered sequence stands for. */
typedef struct leat_open_frame {
    uint64_t sequence; /* 0: none */
    leat_batch *batch; /* NULL: a call or an ack */
    uint32_t jobs;     /* records of a batch's frame */
} leat_open_frame;

typedef struct leat_received leat_received; /* a message, channel.c */

struct leat {
    leat_link *link; /* NULL: the address could not be understood */
    atomic_bool interrupted;
    leat_status stopped; /* not LEAT_OK: the broker refuses us for good; refusal says why */
    bool was_down;       /* a DOWN has been told since the last UP */
    bool was_up;         /* there has been a WELCOME */
    char broker[33];     /* id of its store */
    char sentence[1024];
    char refusal[1024];

    void (*gone)(void *context, int gone, int64_t for_ms);
    void *gone_context;
    int64_t gone_since_ms; /* INT64_MAX: not gone */
    int64_t gone_next_ms;

    leat_open_frame open_frames[LEAT_WINDOW_FRAMES]; /* at sequence % LEAT_WINDOW_FRAMES */
    leat_call call;
    leat_status stray; /* an ERROR that names no frame: of whatever is waited for */
    char stray_sentence[LEAT_SENTENCE_BYTES_MAX + 1];

    leat_list batches;    /* leat_batch.node */
    leat_list waits;      /* leat_wait.node */
    leat_list receivers;  /* channel.c */
    leat_received *taken; /* the message that leat_recv returned last */
    leat_buf request;     /* of a query, whole frame: to send again */
    leat_buf json;        /* the last answer */
    uint64_t next_id;     /* of queries */
    uint32_t next_tag;    /* of batches */
};

/* ---- client.c ---- */

/* Write the sentence and return status. */
__attribute__((format(printf, 3, 4))) leat_status
leat_fail(leat *self, leat_status status, const char *format, ...);

/* Begin a call: clears the sentence and stray errors. */
void leat_begin(leat *self);

/* Handle one event, or sleep until there is one or until_ms (monotonic; INT64_MAX: for ever).
 * LEAT_OK: go on, ask your condition again. LEAT_TIMED_OUT: until_ms has come. LEAT_REFUSED:
 * interrupted, or the link has stopped. LEAT_NO_BROKER: there is no link. */
leat_status leat_turn(leat *self, int64_t until_ms);

/* Handle what is there without sleeping, at most a few events. */
void leat_turn_quickly(leat *self);

bool leat_is_up(const leat *self);

/* Turn until the link is up and has room for a sequenced frame. */
leat_status leat_await_room(leat *self, int64_t until_ms);

/* Send a finished frame with a sequence; the link is up and has room. batch may be NULL. Returns
 * the sequence, 0 without memory. */
uint64_t leat_post(leat *self, leat_buf *frame, leat_batch *batch, uint32_t jobs);

/* Turn until the call is answered; its status. */
leat_status leat_await_call(leat *self);

int64_t leat_deadline_ms(int64_t timeout_ms);
leat_status leat_status_of(leat_err err);

/* A channel or handler name, checked. LEAT_WRONG_USE with a sentence. */
leat_status leat_check_name(leat *self, const char *what, const char *name);

/* ---- the others: what client.c tells them ---- */

void leat_batch_on_sent(leat_batch *batch, const leat_sent *sent, uint32_t jobs);
void leat_batch_on_failure(leat_batch *batch, leat_status status, leat_text why, uint32_t jobs);
void leat_batches_free(leat *self);

/* A run of completions that begins at records; shared is held if it is kept. false: completions
 * before it are missing. */
bool leat_waits_on_run(leat *self,
                       const leat_items_run *run,
                       const leat_reader *records,
                       leat_shared *shared);
/* Completions could not be kept, without memory: every wait asks again from where it is. */
void leat_waits_on_gap(leat *self);
void leat_waits_on_up(leat *self, bool is_same_broker);
void leat_waits_free(leat *self);

void leat_receivers_on_run(leat *self,
                           const leat_items_run *run,
                           const leat_reader *records,
                           leat_shared *shared);
void leat_receivers_on_up(leat *self, bool resumed);
/* Acknowledge the last message, so that it does not come back. */
void leat_receivers_end(leat *self);
void leat_receivers_free(leat *self);

/* Send one item and wait for its answer; id may be NULL. */
leat_status leat_send_one(
    leat *self, const leat_send_head *head, const void *payload, size_t size, uint64_t *id);
/* A question to the broker and back, while the link is up: what was sent before has been read. */
leat_status leat_ping_once(leat *self);
void leat_call_on_reply(leat *self, const uint8_t *body, size_t size);
void leat_call_on_up(leat *self);

#endif
