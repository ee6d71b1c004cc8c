/* leat_link: a peer's end of the conversation with a broker.
 *
 *        send ──►┌───────┐── one DEALER socket a connection ──► broker
 *      events ◄──│ link  │◄──  monitored; closed with linger 0 on any loss, and made anew
 *                └───────┘     after 100 ms … 2 s (jitter)
 *
 * The link says HELLO, waits for WELCOME, beats, numbers sequenced frames, keeps each until its
 * answer has come, and sends the unanswered ones again, in order, on the next connection, before
 * the user hears of it (LEAT_LINK_UP). What has no sequence (credit, claims, acks of positions) is
 * the user's to say again at UP. It never starts a thread, never blocks except in leat_link_wait,
 * and never retries in libzmq's own way (ZMQ_RECONNECT_IVL is -1: an old connection's frames must
 * not be read or sent after a HELLO).
 *
 * Endpoints are tried in their order, all of them without a pause, then again after a back-off; the
 * one that gave the last WELCOME comes first. After a loss, a broker at another endpoint that does
 * not know the session is passed over for 30 s: it is likely another broker. Then, and at once when
 * it answers at the same endpoint, the link begins a new session and tells what is UNKNOWN.
 *
 * One thread uses a link. Several links may share a ZeroMQ context. */
#ifndef LEAT_LINK_H
#define LEAT_LINK_H

#include <stdbool.h>

#include "proto/control.h"
#include "proto/frame.h"
#include "proto/link/key.h"

typedef struct leat_link leat_link;

typedef struct leat_link_options {
    void *context;                /* ZeroMQ context, borrowed; NULL: the link makes its own */
    const char *const *endpoints; /* tried in this order, again and again; copied */
    size_t endpoint_count;
    leat_hello hello; /* role, name, slots, handlers …; session: all zeros = a fresh one; of a beat:
                         its worker's. The link fills in resume, connection, floor */
    bool answers_beats;  /* false for role beat, which never gets frames but WELCOME and ERROR */
    uint32_t running;    /* initial figure for HEARTBEAT, see leat_link_set_beat */
    const leat_key *key; /* of a principal, used at tcp:// endpoints; copied. NULL: none */
} leat_link_options;

typedef enum leat_link_event_kind {
    LEAT_LINK_UP = 1,  /* WELCOME has come. welcome, resumed; say again what is not sequenced */
    LEAT_LINK_DOWN,    /* the connection is lost (once per loss; also when a first try failed, once
                          for all endpoints tried); sentence says why. The link goes on trying */
    LEAT_LINK_FRAME,   /* a frame: frame, body */
    LEAT_LINK_UNKNOWN, /* the session is gone; the frame `sequence` may or may not have happened */
    LEAT_LINK_REFUSED, /* the broker refuses this peer for good (version, key, role): err, sentence.
                          The link has stopped */
} leat_link_event_kind;

typedef struct leat_link_event {
    leat_link_event_kind kind;
    leat_frame frame;    /* FRAME; HELLO, WELCOME and HEARTBEAT are not shown */
    const uint8_t *body; /* FRAME: after the header; valid until the next leat_link_next */
    size_t body_size;
    const leat_welcome *welcome; /* UP; valid while up */
    bool resumed;                /* UP: false = the broker holds nothing of an earlier connection */
    uint64_t sequence;           /* UNKNOWN */
    leat_err err;                /* DOWN, REFUSED */
    const char *sentence;        /* DOWN, REFUSED; valid until the next leat_link_next */
} leat_link_event;

/* LEAT_ERR_NOMEM, LEAT_ERR_CONFIG (an endpoint that ZeroMQ does not understand; leat_link_sentence
 * is not available then). Does not connect yet: leat_link_next does. */
LEAT_NODISCARD leat_err leat_link_new(const leat_link_options *options, leat_link **out);

/* Close without a word. */
void leat_link_destroy(leat_link **link_p);

/* Send what waits, say BYE and give ZeroMQ at most linger_ms to bring it out; then as destroy.
 * Unanswered frames are given up. */
void leat_link_bye(leat_link **link_p, int linger_ms);

/* Do what can be done without waiting and hand out the next event. false: nothing now. Call until
 * false before waiting. */
bool leat_link_next(leat_link *link, leat_link_event *event);

/* Sleep until there may be an event or until_ms (monotonic, leat_clock_mono_ms), whichever is
 * first. Returns at once when events are waiting. A signal ends the sleep. */
void leat_link_wait(leat_link *link, int64_t until_ms);

/* End the leat_link_wait that is under way, or else the next one, soon. From any thread or a signal
 * handler. */
void leat_link_wake(leat_link *link);

/* The user has read a frame that cannot be right: give the connection up (DOWN, then UP again) and
 * take up there what was asked for. why ends up in DOWN's sentence; static storage. */
void leat_link_drop(leat_link *link, const char *why);

/* For a loop of one's own: a descriptor that polls readable when leat_link_next may have something
 * (level-triggered for the caller; the same for the link's whole life), and the monotonic time at
 * which next must be called even if it does not. */
int leat_link_fd(leat_link *link);
int64_t leat_link_due_ms(const leat_link *link);
/* The same descriptor for a loop that asks leat_link_due_ms before every wait: it is told there of
 * what was left over, which need not be shown by the descriptor then. */
int leat_link_fd_beside_due(const leat_link *link);

/* Send a frame that was built with leat_frame_begin/finish. frame_p is taken: its bytes go to
 * ZeroMQ without a copy and *frame_p is empty afterwards, also when not connected.
 *
 * leat_link_send        without a sequence; dropped while not up (say it again at UP).
 * leat_link_send_sequenced  gets the session's next sequence (returned), is kept until the broker's
 *                       answer (SENT, ACKED, REPLY, SELECTED or ERROR naming it) was handed out,
 *                       and is sent again after a reconnect. The caller asks leat_link_room first.
 *                       0: there was no memory for the frame, nothing was taken. An answer may be
 *                       handed out twice. */
void leat_link_send(leat_link *link, leat_buf *frame_p);
uint64_t leat_link_send_sequenced(leat_link *link, leat_buf *frame_p);

/* Keep the body of the FRAME event that was handed out last: its bytes are no longer bound to the
 * next leat_link_next but live until leat_link_body_free, also after the link. Small bodies are
 * copied (a small message pins a receive buffer of 8 KiB), so use data and size of the result, not
 * event->body. NULL without memory, or when the last event was no FRAME or its body was taken. */
typedef struct leat_link_body {
    const uint8_t *data;
    size_t size;
} leat_link_body;
leat_link_body *leat_link_take_body(leat_link *link);
void leat_link_body_free(leat_link_body **body_p);

/* Sequenced frames that may be added now (window less unanswered). */
uint32_t leat_link_room(const leat_link *link);
/* Sequenced frames not yet answered. */
uint32_t leat_link_unanswered(const leat_link *link);

bool leat_link_is_up(const leat_link *link);
/* Everything that was sent has been given to ZeroMQ: nothing waits in line for room. */
bool leat_link_is_clear(const leat_link *link);
/* Monotonic ms since when the link has been down; INT64_MAX while it is up. */
int64_t leat_link_down_since_ms(const leat_link *link);
/* "no broker answered (tried A, B: the name was not found)": all endpoints of the link. */
void leat_link_tried(const leat_link *link, char *out, size_t size);
/* The endpoint in use or last tried. Valid until the next call. */
const char *leat_link_endpoint(const leat_link *link);
const leat_session_id *leat_link_session(const leat_link *link);

/* What HEARTBEAT says; the link sends it by itself: every busy interval of WELCOME while running >
 * 0, else every idle interval, and soon after several frames were read without one being sent. */
void leat_link_set_beat(leat_link *link, uint64_t started, uint32_t running);
/* Send a HEARTBEAT now (before a child process is started). */
void leat_link_beat_now(leat_link *link);

/* Seed libzmq's random source, which it never seeds itself. Before the first link or socket; more
 * calls do nothing. The link does not use CZMQ, which seeds too, badly: a program that does
 * calls zsys_handler_set(NULL) and zsys_init() before this. */
void leat_link_process_init(void);

/* The endpoints to try: `given` (commas between) or, when it is NULL, LEAT_BROKER, or else the
 * user's ipc, /run/leat and loopback TCP. At most LEAT_LINK_ENDPOINTS_MAX; *count is set; strings
 * are the caller's (free each), none after an error. LEAT_ERR_CONFIG (one is no tcp://HOST:PORT or
 * ipc://PATH), LEAT_ERR_LIMIT (too many), LEAT_ERR_NOMEM. */
#define LEAT_LINK_ENDPOINTS_MAX 8
LEAT_NODISCARD leat_err leat_link_endpoints(const char *given,
                                            char *out[LEAT_LINK_ENDPOINTS_MAX],
                                            size_t *count);

/* true for tcp://HOST:PORT and ipc://PATH (at most 107 bytes of path) that can be connected to. */
bool leat_link_endpoint_is_valid(const char *endpoint);

/* What people call it: "ipc in your runtime directory", "/run/leat", else the endpoint itself. */
void leat_link_endpoint_words(const char *endpoint, char *out, size_t size);

/* Path of the user's own socket, "$XDG_RUNTIME_DIR/leat/broker.sock" or, without that variable,
 * "/tmp/leat-UID/broker.sock". Its folder is made with 0700 when make is true. A folder that
 * belongs to somebody else or that others may enter is refused: LEAT_ERR_DENIED.
 * LEAT_ERR_TOO_LARGE: over 107 bytes. LEAT_ERR_NOT_FOUND and the like: the folder could not be
 * made. */
LEAT_NODISCARD leat_err leat_link_user_socket(bool make, char *out, size_t size);

#endif
