/* The inside of a link, for the files of this folder.
 *
 *     link.c      the face: making, waiting, small answers, the end
 *     machine.c   phases, rounds, sessions; leat_link_next
 *     outgoing.c  frames on their way to ZeroMQ
 *     answers.c   which sequences a frame answers
 *     window.c    frames without an answer · connection.c  one socket · endpoints.c  where to go
 *     key.c       key files */
#ifndef LEAT_LINK_MACHINE_H
#define LEAT_LINK_MACHINE_H

#include "proto/base/list.h"
#include "proto/base/random.h"
#include "proto/link/connection.h"
#include "proto/link/link.h"
#include "proto/link/window.h"
#include "proto/records.h"

/* rest → connecting → greeting → up, and back to rest on any loss. */
typedef enum leat_phase {
    LEAT_PHASE_REST,
    LEAT_PHASE_CONNECTING,
    LEAT_PHASE_GREETING, /* HELLO is out */
    LEAT_PHASE_UP,
    LEAT_PHASE_STOPPED,
} leat_phase;

/* What the next leat_link_next tells before anything else. */
typedef enum leat_pending {
    LEAT_PENDING_NONE,
    LEAT_PENDING_UP,
    LEAT_PENDING_DOWN,
    LEAT_PENDING_REFUSED,
} leat_pending;

struct leat_link {
    /* where to go */
    char *endpoints[LEAT_LINK_ENDPOINTS_MAX];
    const char *failures[LEAT_LINK_ENDPOINTS_MAX]; /* of the last try; static text, NULL: refused */
    size_t endpoint_count;
    size_t home;  /* endpoint of the last WELCOME */
    size_t at;    /* endpoint in use or last tried */
    size_t tried; /* of this round */

    /* when */
    int64_t deadline_ms; /* REST: next round; CONNECTING, GREETING: give up */
    int64_t backoff_ms;
    int64_t down_since_ms;
    int64_t heard_ms;    /* the last frame came */
    int64_t beat_ms;     /* the next HEARTBEAT is due */
    int64_t expected_ms; /* leat_link_next was to be called then */
    leat_random random;

    /* through what */
    void *context;
    leat_connection connection;
    uint64_t connections; /* opened ever; names monitors */
    leat_list waiting;    /* outgoing.c: frames for which the pipe had no room, in order */
    int epoll_fd;         /* the connection's descriptors, left_fd and wake_fd */
    int left_fd;          /* eventfd, readable while work is known to be left */
    int wake_fd;          /* eventfd of leat_link_wake */

    leat_phase phase;
    leat_pending pending;
    leat_err pending_err;
    bool own_context;
    bool answers_beats;
    bool welcomed;  /* there has been a WELCOME in this link's life */
    bool told_down; /* DOWN was told since the last UP */
    bool left;      /* there is something to do that the descriptors may not show … */
    bool shown;     /* … and left_fd is readable */
    bool is_polled; /* somebody waits for the descriptor alone */
    bool unsure;    /* a frame was sent since the socket was read empty: ZeroMQ may have swallowed
                       the sign of one that has come */
    bool heard;     /* a frame has come since the socket was last read empty */
    bool has_news;  /* the monitor has not been read empty */
    bool torn;      /* a frame got lost before the wire: the connection must end */
    bool holding;   /* current holds the message of the last FRAME event */

    /* the session */
    uint32_t unconfirmed; /* frames read since the last send */
    size_t unconfirmed_bytes;
    uint64_t seen; /* highest number of the broker's frames that was read */
    leat_heartbeat beat;
    leat_welcome welcome;
    leat_window window;
    zmq_msg_t current;
    uint64_t unknown[LEAT_WINDOW_FRAMES]; /* sequences to be told as UNKNOWN */
    uint32_t unknown_count;
    uint32_t unknown_told;
    leat_hello hello;
    char sentence[1024]; /* of DOWN and REFUSED */
    leat_key key;        /* wiped at the end; without a name: none */
    char handshake[160]; /* what a failed handshake at a TCP endpoint means with our key */
};

/* ---- link.c ---- */

/* Tell whoever polls leat_link_fd that leat_link_next has (true) or has not something to do that
 * ZeroMQ's descriptors do not show. */
void leat_link_set_left(leat_link *link, bool left);

/* A frame has gone to ZeroMQ outside of leat_link_next. */
void leat_link_note_sent(leat_link *link);

/* Remember the key, and what to say when a handshake with it fails. */
void leat_link_set_key(leat_link *link, const leat_key *key);
bool leat_link_has_key(const leat_link *link);

/* true: the sockets have something that their descriptors may not show again. */
bool leat_link_has_more(const leat_link *link);

/* ---- outgoing.c ---- */

/* Turn a finished frame into a message that owns its bytes; *frame_p is empty after. false: there
 * was no memory, here or while it was built. */
bool leat_link_take_frame(leat_buf *frame_p, zmq_msg_t *msg);

/* Send msg or put it behind those that wait. msg is empty after. sequence 0: it has none. */
void leat_link_post(leat_link *link, zmq_msg_t *msg, uint64_t sequence);

/* The same with a kept frame; nothing when it is answered. */
void leat_link_post_kept(leat_link *link, uint64_t sequence);

void leat_link_send_waiting(leat_link *link);
void leat_link_drop_waiting(leat_link *link);
void leat_link_send_beat(leat_link *link, int64_t now_ms);

/* ---- answers.c ---- */

/* Take what the frame answers out of the window. false: the frame cannot be read. */
bool leat_link_note_answers(leat_window *window,
                            const leat_frame *frame,
                            const uint8_t *body,
                            size_t size);

#endif
