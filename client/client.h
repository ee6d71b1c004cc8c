/* What the files of the library share: the connection, its pump, and what waits for an answer.
 *
 *     batch.c  settings.c  wait.c  send.c  receive.c  select.c  ask.c  control.c  notes.c
 *          |                  the calls of leat.h, each by its subject
 *      client.c               turn: one event, or one sleep; answers find their question
 *          |
 *      proto/link             one session with one broker
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

#include "proto/base/clock.h"
#include "proto/base/list.h"
#include "proto/base/random.h"
#include "proto/base/recorder.h"
#include "proto/link/link.h"
#include "proto/link/way.h"
#include "proto/records.h"

/* Frames that may have to wait in line at the broker, not answered, at most: half of what it parks
 * for a session, so that it never has to refuse one. */
#define LEAT_OPEN_BYTES_MAX (LEAT_PARKED_BYTES_MAX / 2)
/* Sequences that a batch leaves free, for acknowledgements and calls while its frames wait. */
#define LEAT_OPEN_FRAMES_SPARED 64U
/* How long the broker's decision is waited for when a call has been given up. */
#define LEAT_DECISION_MS 10000

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
    LEAT_CALL_CANCEL,  /* ACKED with its exceptions */
    LEAT_CALL_COMMAND, /* REPLY by sequence */
    LEAT_CALL_QUERY,   /* REPLY by id; sent again at UP */
} leat_call_kind;

typedef struct leat_call {
    leat_call_kind kind;
    uint64_t number; /* sequence or id */
    bool answered;
    leat_status status;
    uint64_t first_id;         /* SEND */
    leat_cancelled *cancelled; /* CANCEL: where the exceptions are counted */
} leat_call;

/* What an unanswered sequence stands for. */
typedef struct leat_open_frame {
    uint64_t sequence;         /* 0: none */
    leat_batch *batch;         /* NULL: a call, an ack, or the batch is gone */
    leat_selecting *selecting; /* the same */
    uint32_t jobs;             /* records of a batch's frame */
    uint32_t bytes;
    uint64_t first_note; /* of its records, see notes.c */
    uint32_t notes;      /* 0: nothing is recorded */
    bool withdrawn;      /* WITHDRAW is to be said, and said again on each connection */
} leat_open_frame;

typedef struct leat_receiver leat_receiver; /* one channel's, receive.c */

/* A message, held until it is acknowledged. */
typedef struct leat_received {
    leat_list_node node;
    leat_receiver *from;
    leat_shared *shared;
    leat_message message; /* id 0: nothing is to be acknowledged any more */
} leat_received;

#define LEAT_ACKS_MAX  64U  /* acknowledgements that are collected for one frame */
#define LEAT_SHOWN_MAX 256U /* messages whose return is noticed */

/* What has been received and is over. */
typedef struct leat_acks {
    uint64_t ids[LEAT_ACKS_MAX]; /* not yet sent */
    uint32_t count;
    uint32_t shown_at;
    uint64_t shown[LEAT_SHOWN_MAX]; /* ids of the last messages that the program was given */
} leat_acks;

struct leat {
    leat_link *link; /* NULL: the address could not be understood */
    atomic_bool interrupted;
    bool was_interrupted; /* this call */
    leat_status stopped;  /* not LEAT_OK: the broker refuses us for good; refusal says why */
    bool was_down;        /* a DOWN has been told since the last UP */
    bool was_up;          /* there has been a WELCOME */
    char broker[33];      /* id of its store */
    char sentence[1024];
    char refusal[1024];

    void (*gone)(void *context, int gone, int64_t for_ms);
    void *gone_context;
    int64_t gone_since_ms; /* INT64_MAX: not gone */
    int64_t gone_next_ms;

    leat_open_frame open_frames[LEAT_WINDOW_FRAMES]; /* at sequence % LEAT_WINDOW_FRAMES */
    size_t open_bytes;                               /* of them together */
    leat_call call;
    leat_status stray; /* an ERROR that names no frame: of whatever is waited for */
    char stray_sentence[LEAT_SENTENCE_BYTES_MAX + 1];

    leat_list batches;       /* leat_batch.node */
    leat_list waits;         /* leat_wait.node */
    leat_list watches;       /* leat_watch.node */
    leat_list receivers;     /* leat_receiver */
    leat_list selectings;    /* leat_selecting.node */
    leat_received *taken;    /* the message that was returned last */
    leat_receiver *fetching; /* the one that may be sent messages without a receive that goes on */
    leat_acks acks;
    leat_random random;
    leat_recorder *recorder; /* owned; NULL: nothing is recorded */
    uint64_t noted;          /* the last number that a record was given */
    leat_buf request;        /* of a query, whole frame: to send again */
    leat_buf json;           /* the last answer */
    uint64_t next_id;        /* of queries */
    uint32_t next_tag;       /* of batches */
    uint32_t waits_opened;
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

/* Was it leat_interrupt that ended the turn? */
bool leat_is_interrupted(const leat *self, leat_status status);

/* Handle what is there without sleeping, at most a few events. */
void leat_turn_quickly(leat *self);
/* The same with all of it; what a call of the event-loop kind does first. The status of a link that
 * has stopped, of an ERROR that names no frame, or OK. */
leat_status leat_pump(leat *self);

/* Something that only the broker can decide. */
typedef struct leat_question {
    bool (*is_decided)(leat *self, void *context); /* asked after each turn; may go on with it */
    void (*withdraw)(leat *self, void *context);   /* ask for a decision soon */
    void *context;
} leat_question;

/* Turn until it is decided. At until_ms, or when interrupted, it is withdrawn, and the decision is
 * waited for a while longer. LEAT_OK: it is decided; *given_up is then why it was withdrawn, or
 * LEAT_OK. Else it is not decided, and the status says why it was given up or why nothing can be
 * decided any more. */
leat_status
leat_decide(leat *self, const leat_question *question, int64_t until_ms, leat_status *given_up);

bool leat_is_up(const leat *self);

/* The link is up and a sequenced frame of so many bytes may leave; bytes 0: it never waits in line.
 */
bool leat_has_room(const leat *self, size_t bytes);
/* Turn until it is so. */
leat_status leat_await_room(leat *self, size_t bytes, int64_t until_ms);

/* Send a finished frame with a sequence; there is room. Returns what stands for it until its answer
 * has come; NULL without memory. */
leat_open_frame *leat_post(leat *self, leat_buf *frame);
/* The one of this sequence, or NULL: it is answered. */
leat_open_frame *leat_open_frame_of(leat *self, uint64_t sequence);

/* Ask that a sequence that waits in line be decided now; again on each connection until it is. */
void leat_withdraw_frame(leat *self, uint64_t sequence);

/* Send a finished frame of count records without a sequence; lost when the link is down. */
void leat_say(leat *self, leat_buf *frame, uint16_t count);

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

/* ---- receive.c ---- */

void leat_receivers_on_run(leat *self,
                           const leat_items_run *run,
                           const leat_reader *records,
                           leat_shared *shared);
void leat_receivers_on_withdrawn(leat *self, const leat_withdrawn *withdrawn);
/* What was not acknowledged has gone back to its channel. */
void leat_receivers_on_down(leat *self);
void leat_receivers_on_up(leat *self, bool resumed, bool is_same_broker);
/* Acknowledge the last message, so that it does not come back. */
void leat_receivers_end(leat *self);
void leat_receivers_free(leat *self);

/* The receiver of a channel, made when there is none; NULL without memory. */
leat_receiver *leat_receiver_need(leat *self, const char *channel, size_t size);
/* Is a message here that nobody has seen? */
bool leat_receiver_has(const leat_receiver *from);
/* Keep a message that came otherwise; false: the program has had it before, or there is no memory,
 * and it is dealt with. */
bool leat_receiver_keep(leat *self,
                        leat_receiver *from,
                        const leat_message *message,
                        leat_shared *shared);
/* The oldest message that is here, to be given to the program; NULL: none. */
leat_received *leat_receiver_take(leat *self, leat_receiver *from);
/* Ask the broker for no more: another way of receiving begins. */
void leat_receiver_stop(leat *self, leat_receiver *from);
/* The program is done with a message: it is acknowledged soon. */
void leat_received_drop(leat *self, leat_received **received_p);
/* Send the collected acknowledgements, if they can be sent. */
void leat_acks_flush(leat *self);

/* ---- watch.c ---- */

void leat_watches_on_up(leat *self, bool is_same_broker);
/* PROGRESS, LOG. */
void leat_watches_on_told(leat *self, const leat_link_event *event);
/* True: the question was a watch's. */
bool leat_watches_on_reply(leat *self, uint64_t id, const cJSON *json);
void leat_watches_free(leat *self);

/* ---- select.c ---- */

/* Answers to a select; it may be gone. shared holds selected->payload, NULL without memory. */
void leat_selecting_on_selected(leat_selecting *selecting,
                                const leat_selected *selected,
                                leat_shared *shared);
void leat_selecting_on_failure(leat_selecting *selecting, leat_status status, leat_text why);
void leat_selectings_free(leat *self);

/* ---- settings.c ---- */

/* options (NULL: none) of whatever size a program has them in, complete. LEAT_WRONG_USE. */
leat_status
leat_options_read(leat *self, const leat_batch_options *options, leat_batch_options *out);
/* Check them and append their settings to buf, as bytes. LEAT_WRONG_USE, LEAT_TOO_LARGE,
 * LEAT_NO_MEMORY, with a sentence. */
leat_status leat_options_put(leat *self, const leat_batch_options *options, leat_buf *buf);

/* ---- notes.c: only with a recorder, but for open, asked and told ---- */

/* folder may be NULL or empty: nothing is recorded. LEAT_WRONG_USE: it cannot be written. */
leat_status leat_notes_open(leat *self, const char *folder);
/* A frame with a sequence is about to leave: the numbers of its records, for the answer. */
void leat_notes_on_post(leat *self, const leat_buf *frame, uint64_t *first, uint32_t *count);
void leat_notes_on_sent(leat *self, const leat_open_frame *frame, const leat_sent *sent);
void
leat_notes_on_selected(leat *self, const leat_open_frame *frame, const leat_selected *selected);
void leat_notes_on_refusal(leat *self, const leat_open_frame *frame, leat_status status);
void leat_notes_shown(leat *self, uint32_t wait, const leat_completed *shown);
void leat_notes_received(leat *self, const char *channel, const leat_message *message);
/* A call is made, and is over. */
void leat_notes_asked(leat *self, leat_note_operation operation, uint64_t job, uint64_t batch);
void leat_notes_told(
    leat *self, leat_note_operation operation, leat_status status, uint64_t job, uint64_t batch);

/* ---- ask.c ---- */

/* Send one item and wait for its answer until until_ms; id may be NULL. */
leat_status leat_send_one(leat *self,
                          const leat_send_head *head,
                          const void *payload,
                          size_t size,
                          int64_t until_ms,
                          uint64_t *id);
/* The sequence of the command that it answers, or 0. */
uint64_t leat_call_on_reply(leat *self, const uint8_t *body, size_t size);
void leat_call_on_up(leat *self);
/* What the "error" of a reply says; its sentence is written to out. */
leat_status leat_status_of_reply(const cJSON *error, char *out, size_t size);

#endif
